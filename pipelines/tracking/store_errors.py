"""What an error of MLflow, or of what lies below it, means: another try may help, or a remedy.

Kinds are told by names, since importing them is slow and some are not installed everywhere.
"""

import errno
import re
import socket
import sqlite3
import ssl
from collections.abc import Iterator

PACKAGES = {"mlflow", "sqlalchemy", "sqlite3", "boto3", "botocore", "requests", "urllib3"}
"""Whose errors are the store's; MLflow passes on some of those below it as they are."""
DOWN = {
    "requests.exceptions.ConnectionError",
    "requests.exceptions.Timeout",
    "requests.exceptions.ChunkedEncodingError",
    "requests.exceptions.RetryError",
    "botocore.exceptions.ConnectionError",
    "botocore.exceptions.HTTPClientError",
    # of a database with a server; SQLite's own code comes first
    "sqlalchemy.exc.OperationalError",
    "sqlalchemy.exc.InterfaceError",
    "sqlalchemy.exc.TimeoutError",
}
DOWN_CODES = {
    "ABORTED",
    "CANCELLED",
    "DEADLINE_EXCEEDED",
    "REQUEST_LIMIT_EXCEEDED",
    "RESOURCE_EXHAUSTED",
    "SlowDown",
    "RequestTimeout",
    "TEMPORARILY_UNAVAILABLE",
}
"""Of MLflow and of S3."""
DOWN_STATUS = {408, 425, 429}
"""Of HTTP, beside all from 500 on."""
NETWORK = {errno.ENETDOWN, errno.ENETUNREACH, errno.EHOSTDOWN, errno.EHOSTUNREACH}
LOCKED = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
ROOM = "free some room, `esrgan prune --caches` does, or set ESRGAN_STATE to another disk"
RIGHTS = "mend its rights"
AGAIN = "move it away; `esrgan publish` builds it again from DVC's results"
REMEDIES = {
    errno.ENOSPC: ROOM,
    errno.EDQUOT: ROOM,
    errno.EACCES: RIGHTS,
    errno.EPERM: RIGHTS,
    errno.EROFS: RIGHTS,
    errno.ENOENT: "`dvc pull` or `dvc repro` brings what belongs in artifacts/",
}
"""By number of the system's error."""
SQLITE_REMEDIES = {
    sqlite3.SQLITE_FULL: ROOM,
    sqlite3.SQLITE_READONLY: RIGHTS,
    sqlite3.SQLITE_PERM: RIGHTS,
    sqlite3.SQLITE_CANTOPEN: RIGHTS,
    sqlite3.SQLITE_CORRUPT: AGAIN,
    sqlite3.SQLITE_NOTADB: AGAIN,
}
LOGIN = "set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN"
CODE_REMEDIES = {
    "RESOURCE_DOES_NOT_EXIST": "it was removed, or is in another store than MLFLOW_TRACKING_URI",
    "PERMISSION_DENIED": LOGIN,
    "UNAUTHENTICATED": LOGIN,
    "CUSTOMER_UNAUTHORIZED": LOGIN,
    "AccessDenied": "grant these credentials the bucket, or set others",
    "NoSuchBucket": "make the bucket, or correct MLFLOW_DEFAULT_ARTIFACT_ROOT",
}


def is_of_store(error: BaseException) -> bool:
    """Whether MLflow or a library below it raised."""
    return not PACKAGES.isdisjoint(name.partition(".")[0] for name in _kinds(error))


def is_down(error: BaseException) -> bool:
    """Whether the store may answer at another try: it is not there, too slow, or busy.

    What an error came from says more than the error: MLflow calls a full disk unavailable.
    """
    told = (_says_down(one) for one in reversed(list(_causes(error))))
    return next((answer for answer in told if answer is not None), False)


def remedy(error: BaseException, uri: str) -> str:
    """What to do about an error that stays; "" if it is not known.

    Args:
        error: of the store at this address, or of the system.
        uri: without secrets.
    """
    for one in reversed(list(_causes(error))):
        if isinstance(one, sqlite3.Error):
            found = SQLITE_REMEDIES.get(_sqlite_code(one), "")
        elif isinstance(one, OSError) and one.errno:
            found = REMEDIES.get(one.errno, "")
        elif "out-of-date database schema" in str(one):
            found = f"here: `mlflow db upgrade {uri}`, or install the MLflow that made it"
        else:
            found = CODE_REMEDIES.get(_code(one), "")
        if found:
            return found
    return ""


def _says_down(error: BaseException) -> bool | None:
    """What one error says of that; None if nothing."""
    if isinstance(error, sqlite3.Error):
        return _sqlite_code(error) in LOCKED
    if isinstance(error, ssl.SSLCertVerificationError):
        return False
    if isinstance(error, ConnectionError | TimeoutError | socket.gaierror | ssl.SSLError):
        return True
    if isinstance(error, OSError) and error.errno:
        return error.errno in NETWORK
    if _code(error) in DOWN_CODES or not DOWN.isdisjoint(_kinds(error)):
        return True
    status = _status(error)
    if status:
        return status >= 500 or status in DOWN_STATUS
    # what a server calls its own error, not what MLflow calls one of this process
    if "mlflow.exceptions.RestException" in _kinds(error) and _code(error) == "INTERNAL_ERROR":
        return True
    return None


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """An error and what it came from, said or not: MLflow leaves it out in places."""
    while error is not None:
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def _kinds(error: BaseException) -> Iterator[str]:
    for kind in type(error).__mro__:
        yield f"{kind.__module__}.{kind.__qualname__}"


def _sqlite_code(error: sqlite3.Error) -> int:
    """The primary code; 0 if the error is not the database's."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def _code(error: BaseException) -> str:
    """How MLflow or S3 calls an error."""
    response = getattr(error, "response", None)
    if isinstance(response, dict):
        return str(response.get("Error", {}).get("Code", ""))
    return str(getattr(error, "error_code", ""))


def _status(error: BaseException) -> int:
    """The status of the answer that an error is about; 0 if there was none."""
    response = getattr(error, "response", None)
    if isinstance(response, dict):
        return int(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    if response is not None:
        return int(getattr(response, "status_code", 0))
    # all that MLflow keeps of an answer that is no JSON
    found = re.search(r"failed with error code (\d{3}) ", str(error))
    return int(found[1]) if found else 0
