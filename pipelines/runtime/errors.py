"""Transient errors: those that may not occur again in another attempt."""

from collections.abc import Iterator


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
