"""Display names of methods and metrics, and the format of their values."""

NAMES = {"srresnet": "SRResNet", "contextual": "ESRGAN, contextual loss"}
UPPER_CASE = (
    "srcnn", "srgan", "sftgan", "psnr_y", "ssim_y", "rmse_y", "psnr_rgb", "ssim_rgb", "rmse_rgb",
    "niqe", "lpips", "lpips_vgg", "pi",
)  # fmt: skip


def display_name(name: str) -> str:
    """The name of a method or metric in reports.

    >>> display_name("psnr_y"), display_name("srresnet"), display_name("bicubic")
    ('PSNR-Y', 'SRResNet', 'bicubic')
    """
    return name.upper().replace("_", "-") if name in UPPER_CASE else NAMES.get(name, name)


def format_value(metric: str, value: float, *, signed: bool = False) -> str:
    """A value with as many digits as papers report.

    >>> format_value("ssim_y", 0.81), format_value("psnr_y", -0.014, signed=True)
    ('0.8100', '-0.01')
    """
    digits = 4 if metric.startswith(("ssim", "lpips")) else 2
    return f"{value:{'+' if signed else ''}.{digits}f}"
