"""JSON as RFC 8259 has it, for values that may not be finite.

Python's own module writes `NaN` and `Infinity`, which other readers refuse.
"""

import json
import math
from collections.abc import Callable, Mapping
from typing import Any

BESIDE = "_is"
"""What follows a key in the key beside it, which says what a null stands for."""
NAMES = {"infinite": math.inf, "minus infinite": -math.inf, "not a number": math.nan}


def to_json(
    content: Any,
    *,
    indent: int | None = None,
    sort_keys: bool = False,
    default: Callable[[Any], Any] | None = None,
) -> str:
    """Content as JSON; a number that is not finite becomes null, and its name stands beside it.

    `default` makes a value of what JSON has no type for.

    >>> to_json({"psnr_y": float("inf")})
    '{"psnr_y": null, "psnr_y_is": "infinite"}'
    """
    return json.dumps(  # noqa: TID251  the place that makes it valid
        _without(content), indent=indent, sort_keys=sort_keys, default=default, allow_nan=False
    )


def from_json(text: str) -> Any:
    """What `to_json` was given.

    Raises:
        json.JSONDecodeError: if it is no JSON.
    """
    return json.loads(text, object_hook=_with)


def _without(content: Any) -> Any:
    if isinstance(content, Mapping):
        found: dict[str, Any] = {}
        for key, value in content.items():
            found[key] = _without(value)
            if isinstance(value, float) and not math.isfinite(value):
                found[f"{key}{BESIDE}"] = _name(value)
        return found
    if isinstance(content, (list, tuple)):
        return [_without(value) for value in content]
    if isinstance(content, float) and not math.isfinite(content):
        return None
    return content


def _name(value: float) -> str:
    if math.isnan(value):
        return "not a number"
    return "infinite" if value > 0 else "minus infinite"


def _with(found: dict[str, Any]) -> dict[str, Any]:
    for key in [key for key, value in found.items() if value is None]:
        if found.get(f"{key}{BESIDE}") in NAMES:
            found[key] = NAMES[found.pop(f"{key}{BESIDE}")]
    return found
