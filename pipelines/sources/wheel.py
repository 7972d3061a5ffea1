"""Files that ship inside installed Python packages: they need no network of their own."""

from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path


@dataclass(frozen=True, kw_only=True, slots=True)
class WheelResource:
    """A file within an importable package."""

    package: str
    resource: str


def wheel_file(location: WheelResource) -> Path:
    """Path of a package's file.

    Raises:
        FileNotFoundError: if the package or the file is not installed.
    """
    try:
        path = Path(str(files(location.package) / location.resource))
    except (ModuleNotFoundError, TypeError, ValueError):
        path = Path()
    if not path.is_file():
        raise FileNotFoundError(
            f"{location.resource} of {location.package} is not installed; run `make install`"
        )
    return path
