import shutil
from importlib.resources import files
from pathlib import Path

import pytest

PHOTOGRAPHS = {
    "train/astronaut": "skimage/data/astronaut.png",
    "train/chelsea": "skimage/data/chelsea.png",
    "train/flower": "sklearn/datasets/images/flower.jpg",
    "val/rocket": "skimage/data/rocket.jpg",
    "test/own/coffee": "skimage/data/coffee.png",
    "test/own/china": "sklearn/datasets/images/china.jpg",
}


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in, whose `data/` holds photographs out of installed packages."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ESRGAN_STATE", str(tmp_path / "state"))
    for name, resource in PHOTOGRAPHS.items():
        package, _, path = resource.partition("/")
        target = tmp_path / "data" / f"{name}{Path(path).suffix}"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(str(files(package) / path), target)
    return tmp_path / "data"
