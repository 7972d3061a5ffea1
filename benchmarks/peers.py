"""The code that we measure ourselves against, fetched from the package registry, never shipped.

BasicSR's set-up fails on current Pythons and its packages import everything they have; so its
source is unpacked into a folder of its own, and modules are loaded past the packages' own
`__init__`. What only the peers need is installed into the same folder.
"""

import importlib
import subprocess
import sys
import tarfile
from types import ModuleType

import scipy.ndimage

from pipelines.paths import state_root

BASICSR = "basicsr==1.4.2"
NEEDS = ("opencv-python-headless==4.12.0.88",)
PACKAGES = ("basicsr", "basicsr.utils", "basicsr.metrics")


def basicsr(module: str) -> ModuleType:
    """One of BasicSR's modules, like `metrics.niqe`."""
    if "basicsr" not in sys.modules:
        _prepare()
    return importlib.import_module(f"basicsr.{module}")


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
    for name in PACKAGES:
        package = ModuleType(name)
        package.__path__ = [str(source.joinpath(*name.split(".")))]
        sys.modules[name] = package
    # a module that SciPy has since dissolved, and a name that the package's __init__ would give
    sys.modules.setdefault("scipy.ndimage.filters", scipy.ndimage)
    color = importlib.import_module("basicsr.utils.color_util")
    sys.modules["basicsr.utils"].bgr2ycbcr = color.bgr2ycbcr  # type: ignore[attr-defined]


def _pip(*words: str) -> None:
    command = [sys.executable, "-m", "pip", words[0], "--quiet", "--no-deps", *words[1:]]
    subprocess.run(command, check=True)
