"""Files that upload inside installed Python packages: they need no network of their own."""

from importlib.util import find_spec
from pathlib import Path

from pipelines.sources.locations import PackageFile


def find_package_file(location: PackageFile) -> Path:
    """Path of a package's file.

    Raises:
        FileNotFoundError: if the package or the file is not installed.
    """
    top, *inner = location.package.split(".")
    # finding a package without importing it, which for a large one takes seconds
    spec = find_spec(top)
    places = (spec and spec.submodule_search_locations) or ()
    path = next(iter(Path(place, *inner, location.resource) for place in places), Path())
    if not path.is_file():
        raise FileNotFoundError(
            f"{location.resource} of {location.package} is not installed; run `make install`"
        )
    return path
