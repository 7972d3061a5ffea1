"""Gates, promotion, rollback and reproduction, with the real registry."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from mlflow import MlflowClient

from esrgan_core.files import file_sha256
from esrgan_core.models.reading import read_weights
from pipelines.tracking.model_registry import CHAMPIONS, DECISION
from tests.e2e.conftest import Run, environment

ROUNDS = 50
LARGE = 4 * 2**20
"""Bytes of weights."""
Seed = Callable[[float, float], str]


@pytest.fixture
def client(project: Path) -> MlflowClient:
    return MlflowClient(f"sqlite:///{project}/.esrgan/mlflow.db")


@pytest.fixture
def seed(esrgan: Run, project: Path) -> Iterator[Seed]:
    """Registers the networks with invented metrics: (PSNR-Y, NIQE)."""
    path = project / "artifacts/evaluate/metrics.json"
    before = path.read_text()

    def register(psnr_y: float, niqe: float) -> str:
        content = json.loads(before)
        content["pretrained"]["sample"] |= {"psnr_y": psnr_y, "niqe": 9.0}
        content["interpolated"]["sample"] |= {"psnr_y": psnr_y - 0.5, "niqe": niqe}
        # a link into DVC's cache, which must not change
        path.unlink()
        path.write_text(json.dumps(content))
        printed = esrgan("publish")
        found = re.search(r"esrgan version (\d+) is the (\w+)", printed)
        assert found
        return f"{found[1]} {found[2]}"

    yield register
    path.unlink()
    path.write_text(before)


def test_a_worse_challenger_is_refused_and_a_better_one_promoted_and_rolled_back(
    esrgan: Run, seed: Seed, client: MlflowClient
) -> None:
    first, alias = seed(30.0, 6.0).split()
    if alias != "champion":
        # the tiny network that was registered before may be the champion
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
    assert re.search(rf"champion {better[0]} since \S+, rolled back \S+, by the gates", listed)
    # the gates may promote it again
    assert f"version {better[0]} is the champion" in esrgan("promote", better[0])


def test_an_older_version_is_reproduced_with_the_same_weights(
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
    # only data and parameters are reused
    run(
        "bash", "-c", f"cd {folder} && dvc repro pretrain && dvc repro --force --single-item "
        "pretrain && dvc repro --force --single-item finetune",
        ESRGAN_STATE=str(tmp_path), PYTHONPATH=str(folder),
    )  # fmt: skip
    for stage, name in (("pretrain", "psnr"), ("finetune", "gan")):
        again = read_weights(folder / f"artifacts/{stage}/generator.safetensors").state
        for key, value in read_weights(_weights(kept, name)).state.items():
            assert np.array_equal(again[key], value), (stage, key)


REGISTER = """
import sys
from dataclasses import replace
from pipelines.config.params import load_params
from pipelines.registry.promotion import register
from pipelines.stages.register import Params
from pipelines.tracking.client import get_or_create_parent_run
config, run = load_params(Params).register, get_or_create_parent_run(sys.argv[1])
print("ready", flush=True)
for line in sys.stdin:
    print(register(replace(config, model=line.strip()), run)["version"], flush=True)
"""


LOAD = """
import sys
from esrgan_core.files import file_sha256
from pipelines.tracking.model_files import load_generators
print("ready", flush=True)
for line in sys.stdin:
    files = load_generators(line.strip())
    print(file_sha256(files.psnr), file_sha256(files.gan), flush=True)
"""


@pytest.fixture
def large(client: MlflowClient) -> Iterator[tuple[str, str]]:
    """(id, hashes) of version 1 with weights so large that a process may meet a partial copy."""
    model = client.get_logged_model(
        str(client.get_model_version("esrgan", "1").source).removeprefix("models:/")
    )
    kept = Path(str(model.artifact_location).removeprefix("file://"))
    before = {path: path.read_bytes() for path in (_weights(kept, "psnr"), _weights(kept, "gan"))}
    for path in before:
        path.write_bytes(os.urandom(LARGE))
    yield model.model_id, " ".join(file_sha256(path) for path in before)
    for path, content in before.items():
        path.write_bytes(content)


def test_concurrent_loads_of_a_version_are_complete(project: Path, large: tuple[str, str]) -> None:
    model, wanted = large
    cache = project / ".esrgan" / "models"
    loaders = [
        subprocess.Popen(
            [sys.executable, "-c", LOAD], cwd=project, env=environment(project),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        for _ in range(2)
    ]  # fmt: skip
    assert [read_answer(one) for one in loaders] == ["ready", "ready"]
    for _ in range(ROUNDS):
        shutil.rmtree(cache, ignore_errors=True)
        (cache / f".{model}-of a killed process").mkdir(parents=True)
        for one in loaders:
            ask(one, "models:/esrgan/1")
        assert [read_answer(one) for one in loaders] == [wanted, wanted]
        assert {path.name for path in cache.iterdir() if path.is_dir()} == {model}
    shutil.rmtree(cache)
    for one in loaders:
        one.communicate()


@pytest.fixture
def candidates(project: Path, tmp_path: Path) -> Iterator[list["subprocess.Popen[str]"]]:
    """Processes that each register a model when they read its name; the second one is better."""
    started = []
    for niqe in (6.0, 5.5):
        folder = tmp_path / str(niqe)
        folder.mkdir()
        for name in ("artifacts", ".git"):
            shutil.copytree(project / name, folder / name)
        shutil.copy(project / "params.yaml", folder)
        path = folder / "artifacts/evaluate/metrics.json"
        results = json.loads(path.read_text())
        results["pretrained"]["sample"] |= {"psnr_y": 30.0, "niqe": 9.0}
        results["interpolated"]["sample"] |= {"niqe": niqe}
        path.write_text(json.dumps(results))
        env = environment(project) | {"ESRGAN_STATE": str(project / ".esrgan")}
        command = [sys.executable, "-c", REGISTER, str(niqe)]
        one = subprocess.Popen(
            command, cwd=folder, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        started.append(one)
        assert read_answer(one) == "ready"
    yield started
    for one in started:
        one.communicate()


def ask(process: "subprocess.Popen[str]", line: str) -> None:
    assert process.stdin
    process.stdin.write(f"{line}\n")
    process.stdin.flush()


def read_answer(process: "subprocess.Popen[str]") -> str:
    assert process.stdout
    return process.stdout.readline().strip()


def test_concurrent_registrations_are_judged_one_after_the_other(
    candidates: list["subprocess.Popen[str]"], client: MlflowClient
) -> None:
    for number in range(ROUNDS):
        name = f"at-once-{number}"
        for one in candidates:
            ask(one, name)
        worse, better = map(read_answer, candidates)
        assert {worse, better} == {"1", "2"}
        model = client.get_registered_model(name)
        champions = [line["version"] for line in json.loads(model.tags[CHAMPIONS])]
        # the better one is second and becomes the champion, or first and remains the champion
        assert champions == (["1", "2"] if better == "2" else ["1"])
        assert str(model.aliases["champion"]) == better
        assert str(model.aliases.get("challenger", "")) == ("" if better == "2" else worse)
        first, second = (
            json.loads(client.get_model_version(name, number).tags[DECISION])["reasons"]
            for number in ("1", "2")
        )
        assert first[-1]["figures"] == "none yet"
        against = "5.500 against 6.000" if better == "2" else "6.000 against 5.500"
        assert any(one["figures"].startswith(against) for one in second)


def _weights(kept: Path, name: str) -> Path:
    """The file of one of a registered model's networks."""
    text = (kept / "MLmodel").read_text()
    found = re.search(rf"{name}:\s+path: (\S+)", text)
    assert found
    return kept / found[1]
