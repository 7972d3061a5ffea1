"""What a look at an installation finds."""

from dataclasses import dataclass
from typing import Literal

from pipelines.runtime.redaction import redact

State = Literal["well", "remark", "fault"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """One thing that was looked at."""

    what: str
    state: State
    words: str
    remedy: str = ""


def well(what: str, words: str) -> Finding:
    """Something that is as it should be."""
    return Finding(what=what, state="well", words=redact(words))


def remark(what: str, words: str, remedy: str) -> Finding:
    """Something that may be meant so."""
    return Finding(what=what, state="remark", words=redact(words), remedy=remedy)


def fault(what: str, words: str, remedy: str) -> Finding:
    """Something that must be mended."""
    return Finding(what=what, state="fault", words=redact(words), remedy=remedy)
