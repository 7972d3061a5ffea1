"""Sections of params.yaml that the data stages read."""

from dataclasses import dataclass, field
from typing import Literal

from esrgan_core.bounds import check_bounds


@dataclass(frozen=True, kw_only=True, slots=True)
class DownloadConfig:
    """Section `download`."""

    catalogs: list[str] = field(default_factory=list)
    """Catalogs in `data/` by name; ignored if `data/` contains images only."""
    exclude: list[str] = field(default_factory=list)
    """Images to leave out, such as `train/0123` or `test/set5/baby`."""
    lr: Literal["made", "provided"] = "made"
    """Whether LR is made from HR for all images, or only where it is not provided."""

    def __post_init__(self) -> None:
        if len(set(self.catalogs)) < len(self.catalogs):
            raise ValueError(f"catalogs names one twice: {self.catalogs}")


@dataclass(frozen=True, kw_only=True, slots=True)
class ValidationRules:
    """Section `validate`: requirements that images have to meet."""

    min_side: int
    """Smallest side in pixels after cropping: the HR patch, or two NIQE blocks."""
    modes: list[Literal["RGB", "L"]]
    """Modes of Pillow that later stages read."""
    lr_generator: Literal["matlab", "any"] = "matlab"
    """Whether provided LR must be MATLAB's bicubic; `any` makes the tolerances warnings."""
    lr_shift: float = 0.12
    """Largest shift of provided LR in LR pixels; one HR pixel at x4 measures as 0.2."""
    lr_difference: float = 32.1
    """Largest difference of provided LR in gray levels, root mean square: 18 dB of PSNR."""

    def __post_init__(self) -> None:
        if not self.modes:
            raise ValueError("modes must name at least one")
        check_bounds(self, "lr_shift", "lr_difference")


@dataclass(frozen=True, kw_only=True, slots=True)
class BicubicConfig:
    """Section `bicubic`."""

    workers: int = -1
    """Processes, -1 for one per core; the result does not depend on it."""

    def __post_init__(self) -> None:
        if self.workers != -1 and self.workers < 1:
            raise ValueError(
                f"workers must be at least 1, or -1 for one per core, got {self.workers}"
            )
