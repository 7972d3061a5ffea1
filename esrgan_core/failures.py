"""Messages of exceptions."""


def reason(error: Exception) -> str:
    """The message of an error about a file; other errors are named by their type, too.

    >>> reason(ValueError("XMP data is too long")), reason(KeyError("a")), reason(MemoryError())
    ('XMP data is too long', "KeyError: 'a'", 'MemoryError')
    """
    message, name = str(error), type(error).__name__
    if message and isinstance(error, ValueError | OSError | MemoryError):
        return message
    return f"{name}: {message}" if message else name
