"""Pictures that ship inside installed Python packages: they need no network of their own."""

from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from esrgan_core.files import atomic_path


@dataclass(frozen=True, kw_only=True, slots=True)
class WheelResource:
    """A file within an importable package."""

    package: str
    resource: str


def copy_resource(location: WheelResource, target: Path) -> None:
    """Copy a package's file.

    Raises:
        FileNotFoundError: if the package or the file is not installed.
    """
    try:
        content = (files(location.package) / location.resource).read_bytes()
    except (ModuleNotFoundError, FileNotFoundError) as error:
        raise FileNotFoundError(
            f"{location.resource} of {location.package} is not installed; run `make install`"
        ) from error
    with atomic_path(target) as temporary:
        temporary.write_bytes(content)
