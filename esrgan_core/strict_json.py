"""JSON of RFC 8259, also for values that are not finite.

Python's own module writes `NaN` and `Infinity`, which other readers refuse.
"""

import json
import math
from collections.abc import Callable, Mapping
from typing import Any

KIND_SUFFIX = "_is"
"""Suffix of the second key that tells what a null stands for."""
KINDS = {"inf": "infinite", "-inf": "minus infinite", "nan": "not a number"}
NUMBERS = {kind: float(number) for number, kind in KINDS.items()}


def to_json(
    content: Any,
    *,
    indent: int | None = None,
    sort_keys: bool = False,
    default: Callable[[Any], Any] | None = None,
) -> str:
    """Encode content; a number that is not finite becomes null, with its kind in a second key.

    `default` converts values of types that JSON lacks.

    >>> to_json({"psnr_y": float("inf")})
    '{"psnr_y": null, "psnr_y_is": "infinite"}'
    """
    return json.dumps(  # noqa: TID251  its values are finite
        _encode(content), indent=indent, sort_keys=sort_keys, default=default, allow_nan=False
    )


def from_json(text: str) -> Any:
    """Decode the content that `to_json` encoded.

    Raises:
        json.JSONDecodeError: if it is not JSON.
    """
    return json.loads(text, object_hook=_decode)


def _encode(content: Any) -> Any:
    if isinstance(content, Mapping):
        found: dict[str, Any] = {}
        for key, value in content.items():
            found[key] = _encode(value)
            if isinstance(value, float) and not math.isfinite(value):
                found[f"{key}{KIND_SUFFIX}"] = KINDS[str(float(value))]
        return found
    if isinstance(content, (list, tuple)):
        return [_encode(value) for value in content]
    if isinstance(content, float) and not math.isfinite(content):
        return None
    return content


def _decode(found: dict[str, Any]) -> dict[str, Any]:
    for key in [key for key, value in found.items() if value is None]:
        if found.get(f"{key}{KIND_SUFFIX}") in NUMBERS:
            found[key] = NUMBERS[found.pop(f"{key}{KIND_SUFFIX}")]
    return found
