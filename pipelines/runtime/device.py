"""Which device the user has chosen."""

import os


def requested_device() -> str:
    """The device that `ESRGAN_DEVICE` names; `auto` if it is not set."""
    return os.environ.get("ESRGAN_DEVICE") or "auto"
