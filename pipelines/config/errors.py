"""The base class of errors that the user can fix."""

from collections.abc import Iterator
from contextlib import contextmanager


class UserError(ValueError):
    """A value, file or address that the user has to correct.

    Commands and stages print its message without a traceback; it names the value and the remedy.
    Any other error is a defect and keeps its traceback.
    """


@contextmanager
def as_user_error() -> Iterator[None]:
    """Turn errors of `esrgan_core` about the user's values and files into a `UserError`."""
    try:
        yield
    except UserError:
        raise
    except (ValueError, FileNotFoundError) as error:
        raise UserError(str(error)) from error
