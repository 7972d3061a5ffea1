"""What a metric says of a picture that it cannot judge."""


class UnmeasurableError(ValueError):
    """The picture is too small or too flat for the metric; others may be measured all the same."""
