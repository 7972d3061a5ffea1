"""The code to compare with, downloaded from the package registry.

BasicSR's setup fails on current Pythons and its packages import all of their modules, so its source
is unpacked into a folder, and modules are loaded without the packages' own `__init__`. The peers'
dependencies are installed into the same folder; torchvision, of which only the layout of VGG19 is
measured, has a stand-in.
"""

import importlib
import subprocess
import sys
import tarfile
from types import ModuleType
from typing import Any

import scipy.ndimage
from torch import nn

from esrgan_core.features.vgg import vgg_layers
from pipelines.runtime.state import state_root

BASICSR = "basicsr==1.4.2"
REALESRGAN = "realesrgan==0.3.0"
OPENVINO = "openvino==2026.4.0"
NEEDS = ("opencv-python-headless==4.12.0.88",)
PACKAGES = ("", "archs", "data", "losses", "metrics", "models", "ops", "utils")
# names that the packages' own __init__ defines, by the module that has them
NAMES = {
    "utils": {
        "bgr2ycbcr": "utils.color_util",
        "FileClient": "utils.file_client",
        "imfrombytes": "utils.img_util",
        "img2tensor": "utils.img_util",
        "scandir": "utils.misc",
    }
}


def basicsr(module: str) -> ModuleType:
    """One of BasicSR's modules, like `metrics.niqe`."""
    if "basicsr" not in sys.modules:
        _prepare()
    return importlib.import_module(f"basicsr.{module}")


def realesrgan(module: str) -> ModuleType:
    """One of Real-ESRGAN's modules, like `utils`, on BasicSR's."""
    if "realesrgan" not in sys.modules:
        if "basicsr" not in sys.modules:
            _prepare()
        folder = state_root() / "peers" / REALESRGAN.replace("==", "-")
        if not folder.is_dir():
            _pip("install", "--target", str(folder), REALESRGAN)
        package = ModuleType("realesrgan")
        package.__path__ = [str(folder / "realesrgan")]
        sys.modules["realesrgan"] = package
    return importlib.import_module(f"realesrgan.{module}")


def openvino() -> ModuleType:
    """OpenVINO, of which only the interface of models is used."""
    folder = state_root() / "peers" / OPENVINO.replace("==", "-")
    if not folder.is_dir():
        _pip("install", "--target", str(folder), OPENVINO)
    sys.path.append(str(folder))
    return importlib.import_module("openvino")


class _Package(ModuleType):
    """A package without its `__init__`; unused names are empty classes."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        package = self.__name__.partition(".")[2]
        source = NAMES.get(package, {}).get(name)
        return getattr(basicsr(source), name) if source else type(name, (), {})


def _prepare() -> None:
    folder = state_root() / "peers"
    source, site = folder / BASICSR.replace("==", "-"), folder / "site"
    if not source.is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        _pip("download", "--no-build-isolation", "--no-binary", ":all:", "-d", str(folder), BASICSR)
        with tarfile.open(f"{source}.tar.gz") as archive:
            archive.extractall(folder, filter="data")
    if not site.is_dir():
        _pip("install", "--target", str(site), *NEEDS)
    sys.path.append(str(site))
    for part in PACKAGES:
        name = f"basicsr.{part}".rstrip(".")
        package = _Package(name)
        package.__path__ = [str(source.joinpath("basicsr", part))]
        sys.modules[name] = package
    sys.modules["basicsr.ops.dcn"] = _Package("basicsr.ops.dcn")
    # modules that SciPy and Python have removed
    sys.modules.setdefault("scipy.ndimage.filters", scipy.ndimage)
    sys.modules.setdefault("distutils", _Package("distutils"))
    sys.modules.setdefault("distutils.version", _Package("distutils.version"))
    for name in ("", ".models", ".models.vgg", ".transforms", ".transforms.functional", ".utils"):
        sys.modules[f"torchvision{name}"] = _Package(f"torchvision{name}")
    sys.modules["torchvision.models"].vgg = _Vgg  # type: ignore[attr-defined]


class _Vgg:
    @staticmethod
    def vgg19(*, pretrained: bool) -> nn.Module:
        """VGG19's layout, untrained, which takes the same time."""
        del pretrained
        network = nn.Module()
        network.features = nn.Sequential(*vgg_layers("vgg19").values())
        for layer in network.features:
            if isinstance(layer, nn.ReLU):
                layer.inplace = True
        return network


def _pip(*words: str) -> None:
    command = [sys.executable, "-m", "pip", words[0], "--quiet", "--no-deps", *words[1:]]
    subprocess.run(command, check=True)
