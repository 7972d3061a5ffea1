import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import hypothesis
import numpy as np
import pytest
import torch
from filelock import FileLock
from numpy.typing import NDArray

from esrgan_core.data.pairs import PairStore, StoreFacts, add_image, write_index
from esrgan_core.io.rgb import write_png
from pipelines.tracking import client as tracking

# pytest runs a worker per core, so a training in a test or its subprocesses uses one thread
torch.set_num_threads(1)
os.environ["OMP_NUM_THREADS"] = "1"
# the time of an example depends on the machine, not on the code
hypothesis.settings.register_profile("suite", deadline=None)
hypothesis.settings.load_profile("suite")
LONGEST = (
    "flows", "s3", "comparison", "full_profile", "interruptions", "telemetry", "workspace",
    "ranks", "pipeline", "registry", "own_pictures", "verify", "planning", "upscaling",
)  # fmt: skip
"""Slow files of tests/e2e, in the order in which workers take them; the first two share no fixture
that both would have to build."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run slow files first, so that all workers end at about the same time."""
    order = {Path("e2e", f"test_{name}.py"): place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: order.get(Path(*item.path.parts[-2:]), len(order)))


def textured(height: int, width: int, seed: int = 0) -> NDArray[np.uint8]:
    """An image with structure at several scales, different for every seed."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    waves = [
        np.sin(x / random.uniform(2, 30) + random.uniform(0, 6))
        * np.cos(y / random.uniform(2, 30) + random.uniform(0, 6))
        for _ in range(3)
    ]
    noise = random.normal(0, 0.1, (height, width, 3))
    return np.clip((np.stack(waves, axis=2) * 0.4 + noise + 1) * 127, 0, 255).astype(np.uint8)


def build_once(factory: pytest.TempPathFactory, name: str, build: Callable[[Path], object]) -> Path:
    """A folder that all workers of a test run share; the first that needs it builds it."""
    base = factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    folder, built = shared / name, shared / f"{name}.built"
    with FileLock(shared / f"{name}.lock"):
        if not built.exists():
            shutil.rmtree(folder, ignore_errors=True)  # of a failed attempt
            build(folder)
            built.touch()
    return folder


@pytest.fixture(autouse=True)
def restore_environment() -> Iterator[None]:
    """Undo changes of environment variables; Dask sets one thread for all later trainings."""
    before = dict(os.environ)
    yield
    if os.environ != before:
        os.environ.clear()
        os.environ.update(before)


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A state root for one test; its MLflow store is created at the first use."""
    root = tmp_path / "state"
    monkeypatch.setenv("ESRGAN_STATE", str(root))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    for known in (tracking.client, tracking.experiment_id):
        known.cache_clear()
    yield root
    for known in (tracking.client, tracking.experiment_id):
        known.cache_clear()


@pytest.fixture(scope="session")
def test_data() -> Path:
    """Real test images and weights, which the project may not distribute."""
    folder = os.environ.get("ESRGAN_TEST_DATA")
    if not folder:
        pytest.skip("set ESRGAN_TEST_DATA to a folder with test images and weights")
    return Path(folder)


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> PairStore:
    """A pair store of three training, one validation and one test image."""
    root = tmp_path_factory.mktemp("store")
    entries = []
    splits = ("train", "train", "train", "val", "test")
    for number, split in enumerate(splits):
        path = root / "images" / f"p{number}.png"
        write_png(path, textured(70 + 3 * number, 81, seed=number))
        name = f"{split}/p{number}"
        entries.append(add_image(root, path, name=name, split=split, set_name="own", scale=4))
    write_index(root, entries, StoreFacts(scale=4))
    return PairStore(root)
