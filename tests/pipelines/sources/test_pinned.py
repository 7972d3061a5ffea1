"""Files that parameters name: a change of their content is detected."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from esrgan_core.data.pairs import PairStore
from esrgan_core.engine.evaluation import Sample
from esrgan_core.features import FeaturesConfig
from pipelines.baselines import sftgan
from pipelines.config.errors import UserError
from pipelines.config.params import ParamsError, load_params, read_yaml
from pipelines.evaluation.benchmark import evaluate_methods, load_metrics
from pipelines.evaluation.config import EvaluateConfig
from pipelines.evaluation.methods import bicubic
from pipelines.sources.pinned import find_pinned, pin, pinned_hash
from pipelines.sources.pretrained_weights import find_weights
from pipelines.stages.params_check import check_params, write_params
from pipelines.training.semantic_maps import SemanticMaps, SemanticMapsConfig
from tests.support import ROOT

HAS_CHANGED = r"has changed: its sha256 is \w{64} and params\.yaml has \w{64}"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the project's parameters, which is the current one."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ESRGAN_STATE", str(tmp_path / "state"))
    monkeypatch.delenv("ESRGAN_REPOSITORY", raising=False)
    shutil.copy(ROOT / "params.yaml", tmp_path)
    return tmp_path


def draw_maps(folder: Path, store: PairStore, level: float) -> None:
    """Maps of all training images, of two classes."""
    for name in store.names("train"):
        height, width = np.asarray(store.lr(name)).shape[:2]
        path = folder / f"{name}.npy"
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, np.full((2, height, width), level, np.float32))


def test_changed_maps_change_the_parameter_and_the_training(here: Path, store: PairStore) -> None:
    draw_maps(here / "maps", store, 0.25)
    write_params(set_=["semantic_maps={maps: maps, classes: 2}"])
    first = load_params(sftgan.Params).semantic_maps
    maps = SemanticMaps.load(store, first)

    draw_maps(here / "maps", store, 0.75)
    with pytest.raises(ValueError, match=HAS_CHANGED):
        SemanticMaps.load(store, first)
    with pytest.raises(ParamsError, match=f"semantic_maps.maps: maps {HAS_CHANGED}"):
        check_params(read_yaml(Path("params.yaml")))

    write_params(set_=["semantic_maps.maps=maps"])
    second = load_params(sftgan.Params).semantic_maps
    assert second.maps != first.maps, "DVC compares this"
    maps_now = SemanticMaps.load(store, second)
    assert maps_now.identity != maps.identity, "checkpoints go by this"
    name = store.names("train")[0]
    assert (maps.training[name][0, 0, 0], maps_now.training[name][0, 0, 0]) == (64, 191)


def test_moved_maps_are_the_same_training(here: Path, store: PairStore) -> None:
    draw_maps(here / "maps", store, 0.25)
    config = SemanticMapsConfig(maps=pin("maps"), classes=2)
    (here / "maps").rename(here / "elsewhere")
    moved = SemanticMapsConfig(maps=pin("elsewhere"), classes=2)
    assert SemanticMaps.load(store, moved).identity == {
        "record": "semantic_maps",
        "maps": pinned_hash(config.maps),
        "classes": 2,
        "seed": 0,
    }


def test_a_file_without_a_hash_is_rejected_and_gets_one(here: Path) -> None:
    (here / "own.pth").write_bytes(b"weights")
    with pytest.raises(ValueError, match=r"own\.pth#sha256=\.\.\.; `esrgan params`"):
        find_weights(FeaturesConfig(weights="own.pth"))
    text = Path("params.yaml").read_text(encoding="utf-8")
    by_hand = text.replace("  ma_scores: ", "  ma_scores: own.pth # ")
    Path("params.yaml").write_text(by_hand, encoding="utf-8")
    write_params()
    assert read_yaml(Path("params.yaml"))["evaluate"]["ma_scores"] == pin("own.pth")


@pytest.mark.parametrize(
    "key", ["features.weights", "srgan.features.weights", "evaluate.weight_files.alexnet"]
)
def test_every_named_file_is_pinned_and_checked(here: Path, key: str) -> None:
    (here / "own").write_bytes(b"one")
    write_params(set_=[f"{key}=own"])
    (here / "own").write_bytes(b"other")
    with pytest.raises(ParamsError, match=f"{key}: own {HAS_CHANGED}"):
        write_params()
    (here / "own").unlink()
    with pytest.raises(ParamsError, match=f"{key}: own: no such file"):
        write_params()


def test_the_files_of_evaluation_are_checked(here: Path) -> None:
    (here / "own").write_bytes(b"one")
    value = pin("own")
    (here / "own").write_bytes(b"other")
    metrics = ["psnr_y", "niqe", "lpips"]
    with pytest.raises(ValueError, match=HAS_CHANGED):
        load_metrics(EvaluateConfig(metrics=metrics, weight_files={"alexnet": value}))
    config = EvaluateConfig(metrics=["psnr_y", "niqe"], ma_scores=value)
    random = np.random.default_rng(0)
    hr = random.integers(0, 256, (200, 200, 3)).astype(np.uint8)
    sample = Sample(set="own", name="a", lr=hr[::4, ::4].copy(), hr=hr)
    with pytest.raises(ValueError, match=HAS_CHANGED):
        evaluate_methods({"bicubic": bicubic(4)}, [sample], config, 4, "evaluate")


def test_credentials_in_an_address_are_rejected_before_git_stores_them(here: Path) -> None:
    value = f"http://me:hunter2@127.0.0.1:9/own?token=sesame#sha256={'0' * 64}"
    with pytest.raises(
        ParamsError, match=r"127\.0\.0\.1:9/own\?token=\.\.\. has credentials"
    ) as caught:
        write_params(set_=[f"evaluate.ma_scores={value}"])
    assert "hunter2" not in str(caught.value)
    assert "sesame" not in Path("params.yaml").read_text(encoding="utf-8")


def test_a_clone_reads_ignored_files_of_the_repository(
    here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (here / "own.pth").write_bytes(b"weights")
    value = pin("own.pth")
    (tmp_path / "clone").mkdir()
    monkeypatch.chdir(tmp_path / "clone")
    with pytest.raises(UserError, match=r"own\.pth"):
        find_pinned(value)
    monkeypatch.setenv("ESRGAN_REPOSITORY", str(here))
    assert find_pinned(value).read_bytes() == b"weights"


def test_the_hash_covers_names_but_not_hidden_files(here: Path) -> None:
    (here / "maps" / "train").mkdir(parents=True)
    (here / "maps" / "train" / "a.npy").write_bytes(b"a")
    before = pin("maps")
    (here / "maps" / ".DS_Store").write_bytes(b"x")
    assert pin("maps") == before
    (here / "maps" / "train" / "a.npy").rename(here / "maps" / "train" / "b.npy")
    assert pin("maps") != before


def test_links_to_folders_are_followed(here: Path) -> None:
    (here / "real" / "inner").mkdir(parents=True)
    (here / "real" / "inner" / "a.npy").write_bytes(b"a")
    (here / "maps").mkdir()
    (here / "maps" / "train").symlink_to("../real")
    (here / "maps" / "val").symlink_to("../real")
    (here / "real" / "back").symlink_to("../maps")
    value = pin("maps")
    assert find_pinned(value) == Path("maps")
    (here / "real" / "back").unlink()
    shutil.copytree("maps", "copied")
    assert pinned_hash(pin("copied")) == pinned_hash(value)
    (here / "real" / "inner" / "a.npy").write_bytes(b"b")
    with pytest.raises(ValueError, match=HAS_CHANGED):
        find_pinned(value)


def test_a_folder_without_files_is_rejected(here: Path) -> None:
    (here / "maps" / "train").mkdir(parents=True)
    (here / "maps" / ".hidden").write_bytes(b"x")
    with pytest.raises(ParamsError, match=r"semantic_maps\.maps: maps is a folder without files"):
        write_params(set_=["semantic_maps={maps: maps, classes: 2}"])


@pytest.mark.parametrize("digest", ["", "12", 63 * "0", 65 * "0", 64 * "x", 64 * "A"])
@pytest.mark.parametrize("location", ["own", "https://localhost:1/own", "s3://bucket/own"])
def test_a_malformed_hash_is_rejected(here: Path, location: str, digest: str) -> None:
    (here / "own").write_bytes(b"one")
    value = f"{location}#sha256={digest}"
    with pytest.raises(ParamsError, match=rf"evaluate\.ma_scores: .*'{digest}' is not a sha256"):
        write_params(set_=[f"evaluate.ma_scores={value}"])
    with pytest.raises(ValueError, match=f"{location}: .* name it without a hash"):
        find_pinned(value)


@pytest.mark.parametrize("name", ["what?", "a#b", "%41", "a:b", "a b", "[1]"])
def test_nothing_is_escaped_in_a_path(here: Path, name: str) -> None:
    (here / name).write_bytes(b"one")
    (here / "A").write_bytes(b"other")
    assert find_pinned(pin(name)) == Path(name)
    assert find_pinned(pin(str(here / name))) == here / name
