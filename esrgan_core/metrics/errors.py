"""The error of a metric that cannot measure an image."""


class UnmeasurableError(ValueError):
    """The image is too small or too flat for the metric; other metrics may work."""
