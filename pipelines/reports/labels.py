"""Display names of methods and metrics, and the format of their values."""

NAMES = {
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
    """The name of a method or metric in reports."""
    return NAMES.get(name, name)


def format_value(metric: str, value: float, *, signed: bool = False) -> str:
    """A value with as many digits as papers report.

    >>> format_value("ssim_y", 0.81), format_value("psnr_y", -0.014, signed=True)
    ('0.8100', '-0.01')
    """
    digits = 4 if metric in FOUR_DIGITS else 2
    return f"{value:{'+' if signed else ''}.{digits}f}"
