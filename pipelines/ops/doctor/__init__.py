"""Problems of an installation and their remedies."""

from dataclasses import dataclass
from typing import Literal

from pipelines.runtime.redaction import redact


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of a check; its level is ok if it has no remedy."""

    subject: str
    message: str
    """Without credentials."""
    remedy: str = ""
    level: Literal["ok", "warning", "error"] = "error"

    def __post_init__(self) -> None:
        object.__setattr__(self, "message", redact(self.message))
        if not self.remedy:
            object.__setattr__(self, "level", "ok")
