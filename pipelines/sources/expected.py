"""What a file from elsewhere must be."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

WHOLE = 64
"""Hex digits of a sha256."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Expected:
    """Size and checksums as far as they are known."""

    bytes: int = 0
    """0 if unknown."""
    sha256: str = ""
    """Or its beginning, as far as it is published."""
    md5: str = ""

    @property
    def pinned(self) -> bool:
        """Whether a checksum tells this content from any other."""
        return bool(self.sha256 or self.md5)

    def problem(self, path: Path) -> str:
        """What about a file is not as expected; "" if nothing is."""
        size = path.stat().st_size
        if self.bytes and size != self.bytes:
            return f"it has {size} bytes, not the {self.bytes} of the catalog"
        for name in ("sha256", "md5"):
            wanted: str = getattr(self, name)
            if wanted and not (found := digest(path, name)).startswith(wanted):
                return f"its {name} is {found}, the catalog says {wanted}"
        return ""


def digest(path: Path, name: str) -> str:
    """A file's checksum in hex; `name` is sha256 or md5."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, name).hexdigest()
