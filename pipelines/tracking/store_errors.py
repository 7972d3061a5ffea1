"""Errors of the MLflow store, translated from those of MLflow and its libraries.

Errors are recognized by name, since importing their packages is slow and some are not installed.
"""

import errno
import re
import socket
import sqlite3
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import takewhile

from pipelines.config.errors import TransientError, UserError, causes
from pipelines.runtime.redaction import redact
from pipelines.tracking.database import tracking_uri

PACKAGES = {"mlflow", "sqlalchemy", "sqlite3", "boto3", "botocore", "requests", "urllib3"}
"""MLflow and the libraries whose errors it passes on."""
DOWN = {
    "requests.exceptions.ConnectionError",
    "requests.exceptions.Timeout",
    "requests.exceptions.ChunkedEncodingError",
    "requests.exceptions.RetryError",
    "botocore.exceptions.ConnectionError",
    "botocore.exceptions.HTTPClientError",
    # of a database server; errors of SQLite have a code of their own
    "sqlalchemy.exc.OperationalError",
    "sqlalchemy.exc.InterfaceError",
    "sqlalchemy.exc.TimeoutError",
}
DOWN_CODES = {
    "ABORTED", "CANCELLED", "DEADLINE_EXCEEDED", "REQUEST_LIMIT_EXCEEDED", "RESOURCE_EXHAUSTED",
    "TEMPORARILY_UNAVAILABLE", "SlowDown", "RequestTimeout", "SQLITE_BUSY", "SQLITE_LOCKED",
    "ENETDOWN", "ENETUNREACH", "EHOSTDOWN", "EHOSTUNREACH",
}  # fmt: skip
DOWN_STATUS = {408, 425, 429}
"""Of HTTP, in addition to 500 and above."""
NOT_FOUND = "RESOURCE_DOES_NOT_EXIST"
REMEDIES = {
    ("ENOSPC", "EDQUOT", "SQLITE_FULL"): (
        "free some space, as with `esrgan prune --caches`, or set ESRGAN_STATE to another disk"
    ),
    ("EACCES", "EPERM", "EROFS", "SQLITE_READONLY", "SQLITE_PERM", "SQLITE_CANTOPEN"): (
        "correct its permissions"
    ),
    ("SQLITE_CORRUPT", "SQLITE_NOTADB"): (
        "move it away; `esrgan publish` rebuilds it from DVC's results"
    ),
    ("ENOENT",): "`dvc pull` or `dvc repro` creates the files in artifacts/",
    (NOT_FOUND,): "it was removed, or is in another store than MLFLOW_TRACKING_URI",
    ("PERMISSION_DENIED", "UNAUTHENTICATED", "CUSTOMER_UNAUTHORIZED"): (
        "set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN"
    ),
    ("AccessDenied",): "grant these credentials access to the bucket, or set others",
    ("NoSuchBucket",): "create the bucket, or correct MLFLOW_DEFAULT_ARTIFACT_ROOT",
}
"""By the codes of errors."""


class StoreError(UserError):
    """The MLflow store refused a request, or a file of the request cannot be read."""


class StoreDownError(TransientError, StoreError):
    """The MLflow store did not respond."""


class NotInStoreError(StoreError):
    """The MLflow store does not have a run or a model."""


@contextmanager
def translate_errors() -> Iterator[None]:
    """Raise errors of MLflow and of files as a `StoreError` with a remedy, without credentials."""
    try:
        yield
    except StoreError:
        raise
    except Exception as error:
        if isinstance(error, OSError) or _is_of_store(error):
            raise _translated(error) from error
        raise


def _translated(error: Exception) -> StoreError:
    uri = redact(tracking_uri())
    # without the statement of a database
    message = redact(str(error).partition("\n[SQL")[0])
    if _is_down(error):
        return StoreDownError(f"MLflow at {uri} is down: {message}")
    remedy = f"; {found}" if (found := _remedy(error, uri)) else ""
    if isinstance(error, OSError) and error.errno and not _is_of_store(error):
        file = f"{error.filename}: " if error.filename else ""
        return StoreError(f"{file}{error.strerror}{remedy}")
    kind = NotInStoreError if _code(error) == NOT_FOUND else StoreError
    return kind(f"MLflow at {uri}: {message}{remedy}")


def _is_of_store(error: BaseException) -> bool:
    return not PACKAGES.isdisjoint(name.partition(".")[0] for name in _class_names(error))


def _is_down(error: BaseException) -> bool:
    """Whether the store is absent, too slow or busy, by the first cause that shows it.

    A cause says more than the error: MLflow reports a full disk as unavailable.
    """
    answers = map(_shows_down, _root_first(error))
    return next((answer for answer in answers if answer is not None), False)


def _root_first(error: BaseException) -> list[BaseException]:
    """The causes of an error before the error, without an earlier error that is being handled."""
    own = takewhile(lambda one: not isinstance(one, StoreError), causes(error))
    return list(own)[::-1]


def _shows_down(error: BaseException) -> bool | None:
    """Whether one error shows that the store is down; None if it shows neither."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return False
    if isinstance(error, ConnectionError | TimeoutError | socket.gaierror | ssl.SSLError):
        return True
    names, code = set(_class_names(error)), _code(error)
    if isinstance(error, sqlite3.Error) or (isinstance(error, OSError) and error.errno):
        return code in DOWN_CODES
    if code in DOWN_CODES or not DOWN.isdisjoint(names):
        return True
    if status := _status(error):
        return status >= 500 or status in DOWN_STATUS
    # an internal error of a server, not of MLflow in this process
    is_internal = "mlflow.exceptions.RestException" in names and code == "INTERNAL_ERROR"
    return True if is_internal else None


def _remedy(error: BaseException, uri: str) -> str:
    for one in _root_first(error):
        if "out-of-date database schema" in str(one):
            return f"run `mlflow db upgrade {uri}`, or install the MLflow version that created it"
        for codes, remedy in REMEDIES.items():
            if _code(one) in codes:
                return remedy
    return ""


def _class_names(error: BaseException) -> Iterator[str]:
    for kind in type(error).__mro__:
        yield f"{kind.__module__}.{kind.__qualname__}"


def _code(error: BaseException) -> str:
    """The name of an error code of the system, SQLite, MLflow or S3; "" if there is none."""
    if isinstance(error, sqlite3.Error):
        # the primary code, without the suffix of an extended one
        return "_".join(getattr(error, "sqlite_errorname", "").split("_")[:2])
    if isinstance(error, OSError) and error.errno:
        return errno.errorcode.get(error.errno, "")
    response = getattr(error, "response", None)
    if isinstance(response, dict):
        return str(response.get("Error", {}).get("Code", ""))
    return str(getattr(error, "error_code", ""))


def _status(error: BaseException) -> int:
    """The status of the HTTP response; 0 if there was none."""
    response = getattr(error, "response", None)
    if isinstance(response, dict):
        return int(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    if response is not None:
        return int(getattr(response, "status_code", 0))
    # MLflow keeps only this of a response that is not JSON
    found = re.search(r"failed with error code (\d{3}) ", str(error))
    return int(found[1]) if found else 0
