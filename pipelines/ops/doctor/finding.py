"""The result of a check."""

from dataclasses import dataclass
from typing import Literal

from pipelines.runtime.redaction import redact


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of a check."""

    level: Literal["ok", "warning", "error"]
    subject: str
    message: str
    """Without credentials."""
    remedy: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "message", redact(self.message))
