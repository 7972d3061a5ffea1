"""What models and metrics are called, and how their figures are written."""

TITLES = {
    "bicubic": "bicubic",
    "srcnn": "SRCNN",
    "srresnet": "SRResNet",
    "srgan": "SRGAN",
    "sftgan": "SFTGAN",
    "contextual": "ESRGAN, contextual loss",
    "psnr_y": "PSNR-Y",
    "ssim_y": "SSIM-Y",
    "rmse_y": "RMSE-Y",
    "psnr_rgb": "PSNR-RGB",
    "ssim_rgb": "SSIM-RGB",
    "rmse_rgb": "RMSE-RGB",
    "niqe": "NIQE",
    "lpips": "LPIPS",
    "lpips_vgg": "LPIPS-VGG",
    "pi": "PI",
}
FOUR_DIGITS = frozenset({"ssim_y", "ssim_rgb", "lpips", "lpips_vgg"})


def display_name(name: str) -> str:
    """What a model or metric is called on the page."""
    return TITLES.get(name, name)


def format_value(metric: str, value: float, *, signed: bool = False) -> str:
    """A figure with as many digits as papers give it.

    >>> format_value("ssim_y", 0.81), format_value("psnr_y", -0.014, signed=True)
    ('0.8100', '-0.01')
    """
    digits = 4 if metric in FOUR_DIGITS else 2
    return f"{value:{'+' if signed else ''}.{digits}f}"
