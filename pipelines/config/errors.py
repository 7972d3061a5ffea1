"""Errors that the user can fix, and those that may not occur again in another attempt."""

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


class TransientError:
    """Mixin for errors of a host or a store that does not respond now."""


def is_transient(error: BaseException) -> bool:
    """Whether another attempt may succeed, by the error or any of its causes."""
    kinds = (TransientError, ConnectionError, TimeoutError)
    return any(isinstance(one, kinds) for one in causes(error))


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and its causes, as a traceback shows them."""
    while error is not None:
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
