"""Checks of a configuration's values, for its `__post_init__`."""

import math
from collections.abc import Mapping
from typing import Any


def check_bounds(config: object, *names: str, least: float = 0, below: float = math.inf) -> None:
    """Check that the numbers of fields are in [least, below); NaN never is.

    A field may be a number, a mapping to or a sequence of numbers, or None, which is valid.

    Raises:
        ValueError: with the first invalid field and its value.
    """
    for name in names:
        value: Any = getattr(config, name)
        if value is None:
            continue
        numbers = value.values() if isinstance(value, Mapping) else value
        numbers = [numbers] if isinstance(numbers, int | float) else list(numbers)
        if all(least <= number < below for number in numbers):
            continue
        finite = " and finite" if any(isinstance(number, float) for number in numbers) else ""
        end = finite if below == math.inf else f" and below {below}"
        raise ValueError(f"{name} must be at least {least}{end}, got {value}")


def check_positive(config: object, *names: str) -> None:
    """Check that the numbers of fields are above 0 and finite.

    Raises:
        ValueError: with the first invalid field and its value.
    """
    for name in names:
        if not 0 < (value := getattr(config, name)) < math.inf:
            raise ValueError(f"{name} must be above 0 and finite, got {value}")
