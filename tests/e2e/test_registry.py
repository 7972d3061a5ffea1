"""Gates, promotion, rollback and reproduction, with the real registry."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from mlflow import MlflowClient

from esrgan_core.models.weights import read_weights
from tests.e2e.conftest import Run

Seed = Callable[[float, float], str]


@pytest.fixture
def client(project: Path) -> MlflowClient:
    return MlflowClient(f"sqlite:///{project}/.esrgan/mlflow.db")


@pytest.fixture
def seed(esrgan: Run, project: Path) -> Iterator[Seed]:
    """Registers the networks with figures that they do not have: (PSNR-Y, NIQE)."""
    path = project / "artifacts/evaluate/metrics.json"
    before = path.read_text()

    def register(psnr_y: float, niqe: float) -> str:
        content = json.loads(before)
        content["pretrained"]["sample"] |= {"psnr_y": psnr_y, "niqe": 9.0}
        content["interpolated"]["sample"] |= {"psnr_y": psnr_y - 0.5, "niqe": niqe}
        # dvc gives out links into its cache, which must stay as it is
        path.unlink()
        path.write_text(json.dumps(content))
        printed = esrgan("publish")
        found = re.search(r"esrgan version (\d+) is the (\w+)", printed)
        assert found
        return f"{found[1]} {found[2]}"

    yield register
    path.unlink()
    path.write_text(before)


def test_a_worse_challenger_is_refused_a_better_one_promoted_and_rolled_back(
    esrgan: Run, seed: Seed, client: MlflowClient
) -> None:
    first, alias = seed(30.0, 6.0).split()
    if alias != "champion":
        # the tiny network that was registered before by its own figures may hold the place
        printed = esrgan("promote", first, "--force", "--reason", "a beginning")
        assert f"version {first} is the champion" in printed
    worse, alias = seed(30.0, 6.5).split()
    assert alias == "challenger"
    printed = esrgan("promote", "models:/esrgan@challenger", fails=True)
    assert f"version {worse} is refused" in printed
    assert "mean niqe at the default alpha better than the champion's: 6.500 against 6.000" in (
        printed
    )
    assert str(client.get_model_version_by_alias("esrgan", "champion").version) == first
    assert "--force needs a --reason" in esrgan("promote", worse, "--force", fails=True)
    better = seed(30.0, 5.5).split()
    assert better[1] == "champion"
    listed = esrgan("models", "--reasons")
    assert re.search(rf"esrgan {better[0]}  champion  .* commit \w{{10}}", listed)
    assert f"champion {better[0]} since" in listed
    assert f"version {first} is the champion again" in esrgan("rollback")
    version = client.get_model_version_by_alias("esrgan", "champion")
    assert str(version.version) == first
    assert "## Figures" in str(version.description)
    listed = esrgan("models")
    # nothing is forgotten
    assert re.search(rf"champion {better[0]} since \S+, rolled back \S+, by the gates", listed)
    # what was rolled back may come back, by the gates
    assert f"version {better[0]} is the champion" in esrgan("promote", better[0])


def test_an_older_version_is_made_again_to_the_same_weights(
    run: Run, esrgan: Run, project: Path, client: MlflowClient, tmp_path: Path
) -> None:
    (oldest,) = [
        version
        for version in client.search_model_versions("name = 'esrgan'")
        if int(version.version) == 1
    ]
    printed = esrgan("reproduce", "models:/esrgan/1")
    folder = project / "runs" / "esrgan-version-1"
    assert str(folder) in printed
    assert oldest.tags["data.md5"] in printed
    assert oldest.tags["data.md5"] in (folder / "data.dvc").read_text()
    model = client.get_logged_model(str(oldest.source).removeprefix("models:/"))
    kept = Path(str(model.artifact_location).removeprefix("file://"))
    origin = json.loads((kept / "origin.json").read_text())
    assert (folder / "params.yaml").read_text() == origin["params.yaml"]
    # again, from nothing but data and parameters
    run(
        "bash", "-c", f"cd {folder} && dvc repro pretrain && dvc repro --force --single-item "
        "pretrain && dvc repro --force --single-item finetune",
        ESRGAN_STATE=str(tmp_path), PYTHONPATH=str(folder),
    )  # fmt: skip
    for stage, name in (("pretrain", "psnr"), ("finetune", "gan")):
        again = read_weights(folder / f"artifacts/{stage}/generator.safetensors").state
        for key, value in read_weights(_weights(kept, name)).state.items():
            assert torch.equal(again[key], value), (stage, key)


def _weights(kept: Path, name: str) -> Path:
    """The file of one of a registered model's networks."""
    text = (kept / "MLmodel").read_text()
    found = re.search(rf"{name}:\s+path: (\S+)", text)
    assert found
    return kept / found[1]
