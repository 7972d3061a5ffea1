"""Where pictures come from. A catalog names each by a URI; its scheme chooses the source.

A new source is a module here with a location type and `fetch`, one member of `Location`
and one case in `parse_location` and `fetch`.
"""

from pathlib import Path
from typing import assert_never
from urllib.parse import unquote, urlsplit

from pipelines.sources.local import LocalFile, copy_local
from pipelines.sources.wheel import WheelResource, copy_resource

__all__ = ["LocalFile", "Location", "WheelResource", "fetch", "local_path", "parse_location"]

Location = WheelResource | LocalFile


def parse_location(uri: str) -> Location:
    """What a URI of a catalog points to: `wheel://package/path/in/it`, `file:///a/b`, or a path.

    Raises:
        ValueError: for a scheme that no source serves.
    """
    parts = urlsplit(uri)
    path = unquote(parts.path)
    match parts.scheme:
        case "wheel":
            return WheelResource(package=parts.netloc, resource=path.lstrip("/"))
        case "" | "file":
            return LocalFile(path=Path(path))
        case other:
            raise ValueError(f"{uri}: no source for {other!r}; there are wheel, file and paths")


def fetch(uri: str, target: Path) -> None:
    """Copy what `uri` points to, byte for byte, to `target`.

    Raises:
        FileNotFoundError: if it is not there; says what to install or where to look.
    """
    match parse_location(uri):
        case WheelResource() as resource:
            copy_resource(resource, target)
        case LocalFile() as file:
            copy_local(file, target)
        case other:
            assert_never(other)


def local_path(location: WheelResource, folder: Path) -> Path:
    """A wheel's file as a file below `folder`, copied when it is not there or differs in size."""
    target = folder / location.package / location.resource
    copy_resource(location, target)
    return target
