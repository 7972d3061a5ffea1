"""A generator as arrays, of which torch's network is built only where torch computes it."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from esrgan_core.models.configs import GeneratorConfig
from esrgan_core.models.layouts import State

if TYPE_CHECKING:
    from esrgan_core.models.build import Generator


@dataclass(frozen=True, kw_only=True, slots=True)
class NetworkState:
    """A generator in eval mode."""

    config: GeneratorConfig
    arrays: State
    build: Callable[[], "Generator"]
    """A new network of torch with these weights, on the CPU."""

    @property
    def digest(self) -> str:
        """SHA-256 of the arrays and their names."""
        total = hashlib.sha256()
        for key, value in sorted(self.arrays.items()):
            total.update(key.encode())
            total.update(value.tobytes())
        return total.hexdigest()
