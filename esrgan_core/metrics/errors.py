"""What a metric says of an image that it cannot judge."""


class UnmeasurableError(ValueError):
    """The image is too small or too flat for the metric; others may be measured all the same."""
