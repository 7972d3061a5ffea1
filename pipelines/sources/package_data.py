"""Files that are installed as part of Python packages."""

from importlib.util import find_spec
from pathlib import Path

from pipelines.config.errors import UserError
from pipelines.sources.locations import PackageFile


def find_package_file(location: PackageFile) -> Path:
    """Path of a package's file.

    Raises:
        UserError: if the package or the file is not installed.
    """
    top, *inner = location.package.split(".")
    # the spec of the top package is found without importing it, which can take seconds
    spec = find_spec(top)
    for folder in (spec and spec.submodule_search_locations) or ():
        path = Path(folder, *inner, location.resource)
        if path.is_file():
            return path
    raise UserError(
        f"{location.resource} of {location.package} is not installed; run `make install`"
    )
