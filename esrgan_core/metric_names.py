"""Metrics by name, for settings and tables: without torch, which computing them needs."""

from collections.abc import Iterable

WITHOUT_WEIGHTS = ("psnr_y", "ssim_y", "rmse_y", "psnr_rgb", "ssim_rgb", "rmse_rgb", "niqe")
"""Metrics that need no weights."""
NEED_WEIGHTS = ("lpips", "lpips_vgg")
WEIGHT_FILES = ("alexnet", "vgg16", "lpips_alex", "lpips_vgg")
"""What those are read from, by name."""
METRIC_NAMES = (*WITHOUT_WEIGHTS, *NEED_WEIGHTS)
LOWER_IS_BETTER = frozenset({"rmse_y", "rmse_rgb", "niqe", "pi", *NEED_WEIGHTS})


def check_metric_names(names: Iterable[str]) -> None:
    """Refuse a metric that does not exist.

    Raises:
        ValueError: naming it, and those that exist.
    """
    if unknown := [name for name in names if name not in METRIC_NAMES]:
        raise ValueError(f"no metric {', '.join(unknown)}; there are {', '.join(METRIC_NAMES)}")
