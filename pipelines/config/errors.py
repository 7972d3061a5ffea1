"""The base class of errors that the user can fix."""


class UserError(ValueError):
    """A value, file or address that the user has to correct.

    Commands and stages print its message without a traceback; it names the value and the remedy.
    Any other error is a defect and keeps its traceback.
    """
