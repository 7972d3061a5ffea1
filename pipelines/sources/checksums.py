"""Expected size and checksums of a file."""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from esrgan_core.files import file_sha256
from pipelines.config.errors import UserError

SHA256_DIGITS = 64
REMEDY = "restore the original file, or correct the catalog if the change is intended"
"""Of a mismatch."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ExpectedFile:
    """Size and checksums of a file as far as they are known."""

    bytes: int = 0
    """0 if unknown."""
    sha256: str = ""
    """May be only its first digits."""
    md5: str = ""

    @property
    def is_pinned(self) -> bool:
        """Whether a checksum identifies the content."""
        return bool(self.sha256 or self.md5)

    def __post_init__(self) -> None:
        # checksums become names of files in the cache
        for name, digits in (("sha256", SHA256_DIGITS), ("md5", 32)):
            if not re.fullmatch(f"[0-9a-f]{{0,{digits}}}", value := getattr(self, name)):
                raise UserError(f"{name} must be up to {digits} hex digits, got {value!r}")
        if self.bytes < 0:
            raise UserError(f"bytes must not be negative, got {self.bytes}")

    def mismatch(self, path: Path, sha256: str = "") -> str:
        """How a file differs, or ""; `sha256` is that of the file, if it is already known."""
        size = path.stat().st_size
        if self.bytes and size != self.bytes:
            return f"it has {size} bytes, the catalog says {self.bytes}"
        if self.sha256 and not (found := sha256 or file_sha256(path)).startswith(self.sha256):
            return f"its sha256 is {found}, the catalog says {self.sha256}"
        if self.md5:
            with path.open("rb") as file:
                found = hashlib.file_digest(file, "md5").hexdigest()
            if found != self.md5:
                return f"its md5 is {found}, the catalog says {self.md5}"
        return ""
