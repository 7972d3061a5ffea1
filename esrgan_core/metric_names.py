"""Names of the metrics, for settings and tables, without torch."""

from collections.abc import Iterable

WITHOUT_WEIGHTS = ("psnr_y", "ssim_y", "rmse_y", "psnr_rgb", "ssim_rgb", "rmse_rgb", "niqe")
NEED_WEIGHTS = ("lpips", "lpips_vgg")
WEIGHT_FILES = ("alexnet", "vgg16", "lpips_alex", "lpips_vgg")
"""Files that they read."""
METRIC_NAMES = (*WITHOUT_WEIGHTS, *NEED_WEIGHTS)
LOWER_IS_BETTER = frozenset({"rmse_y", "rmse_rgb", "niqe", "pi", *NEED_WEIGHTS})


def check_metric_names(names: Iterable[str]) -> None:
    """Check that the metrics exist.

    Raises:
        ValueError: with the unknown names and those that exist.
    """
    if unknown := [name for name in names if name not in METRIC_NAMES]:
        raise ValueError(f"no metric {', '.join(unknown)}; there are {', '.join(METRIC_NAMES)}")
