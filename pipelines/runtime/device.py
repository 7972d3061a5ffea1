"""The device that the user requests."""

import os


def requested_device() -> str:
    """The value of `ESRGAN_DEVICE`; `auto` if it is not set."""
    return os.environ.get("ESRGAN_DEVICE") or "auto"
