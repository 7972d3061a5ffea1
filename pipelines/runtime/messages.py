"""Lines for the user."""

import sys


def warn(message: str) -> None:
    """Print a line to standard error."""
    print(message, file=sys.stderr, flush=True)
