"""The code that we measure ourselves against, fetched from the package registry, never shipped."""

import subprocess
import sys
import tarfile
from pathlib import Path
from types import ModuleType

from pipelines.paths import state_root

BASICSR = "basicsr==1.4.2"


def basicsr_modules(*packages: str) -> None:
    """Make BasicSR's source importable, without what its packages import all at once.

    Args:
        packages: its packages that submodules are wanted of, like `basicsr.utils`.
    """
    root = _unpacked(BASICSR)
    for name in ("basicsr", *packages):
        package = ModuleType(name)
        package.__path__ = [str(root.joinpath(*name.split(".")))]
        sys.modules[name] = package


def _unpacked(requirement: str) -> Path:
    folder = state_root() / "peers"
    name = requirement.replace("==", "-")
    if not (folder / name).is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run(
            [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps",
             "--no-build-isolation", "--no-binary", ":all:", "--dest", str(folder), requirement],
            check=True,
        )  # fmt: skip
        with tarfile.open(folder / f"{name}.tar.gz") as archive:
            archive.extractall(folder, filter="data")
    return folder / name
