"""What a file from elsewhere must be."""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

WHOLE = 64
"""Hex digits of a sha256."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ExpectedFile:
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

    def __post_init__(self) -> None:
        """Refuse what is no size or checksum: they name files of the cache."""
        for name, digits in (("sha256", WHOLE), ("md5", WHOLE // 2)):
            if not re.fullmatch(f"[0-9a-f]{{0,{digits}}}", text := getattr(self, name)):
                raise ValueError(f"{name} is {text!r}, not up to {digits} hex digits")
        if self.bytes < 0:
            raise ValueError(f"bytes is {self.bytes}")

    def problem(self, path: Path, sha256: str = "") -> str:
        """What about a file is not as expected; "" if nothing is. `sha256` may be known already."""
        size = path.stat().st_size
        if self.bytes and size != self.bytes:
            return f"it has {size} bytes, not the {self.bytes} of the catalog"
        if self.sha256 and not (found := sha256 or digest(path, "sha256")).startswith(self.sha256):
            return f"its sha256 is {found}, the catalog says {self.sha256}"
        if self.md5 and (found := digest(path, "md5")) != self.md5:
            return f"its md5 is {found}, the catalog says {self.md5}"
        return ""


def digest(path: Path, name: str) -> str:
    """A file's checksum in hex; `name` is sha256 or md5."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, name).hexdigest()
