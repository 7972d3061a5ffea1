"""Whether MLflow and S3 answer."""

import os
import socket
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from threading import Thread
from urllib.parse import urlsplit

from pipelines.doctor.dvc_settings import dvc_settings
from pipelines.doctor.finding import Finding, fault, well
from pipelines.tracking.store import DATABASE, tracking_uri

SECONDS = 2.0
"""That a host is waited for."""


def mlflow() -> Iterator[Finding]:
    """Whether the tracking store answers, or its file can be read."""
    uri = tracking_uri()
    parts = urlsplit(uri)
    if parts.scheme in ("http", "https"):
        problem = _unreachable(uri)
        if problem:
            yield fault(
                "MLflow", f"{uri}: {problem}",
                "start the server or correct MLFLOW_TRACKING_URI; trainings go on without, and "
                "`esrgan publish` catches up",
            )  # fmt: skip
        else:
            yield well("MLflow", f"{uri} answers")
        return
    path = Path(uri.removeprefix("sqlite:///"))
    if parts.scheme != "sqlite" or not path.is_file():
        yield well("MLflow", f"{uri}, made when it is first used")
        return
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=SECONDS)) as base:
            base.execute("select count(*) from alembic_version").fetchone()
    except sqlite3.Error as error:
        yield fault(
            "MLflow", f"{uri} cannot be read: {error}",
            f"move {DATABASE} away; `esrgan publish` builds it again from DVC's results",
        )  # fmt: skip
    else:
        yield well("MLflow", f"{uri} can be read")


def s3() -> Iterator[Finding]:
    """Whether S3, where it is used, answers, and there are credentials."""
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or ""
    remotes = dvc_settings().get("remote", {}).values()
    if not endpoint and not any(str(one.get("url", "")).startswith("s3://") for one in remotes):
        yield well("S3", "not used")
        return
    import boto3  # noqa: PLC0415  takes a second

    try:
        credentials = boto3.session.Session().get_credentials()
    except Exception as error:
        yield fault("S3", f"{error}", "correct AWS_PROFILE or ~/.aws")
        return
    if credentials is None:
        yield fault(
            "S3",
            "no credentials",
            "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE",
        )
    where = endpoint or "https://s3.amazonaws.com"
    if problem := _unreachable(where):
        yield fault(
            "S3", f"{where}: {problem}",
            "start it or correct AWS_ENDPOINT_URL; then `esrgan probe s3://bucket/prefix`",
        )  # fmt: skip
    elif credentials is not None:
        yield well("S3", f"{where} answers, and there are credentials")


def _unreachable(url: str) -> str:
    """Why nothing answers at an address within two seconds; empty if something does."""
    said: list[str] = []
    # beside this one, since no limit of time reaches into the lookup of a name
    asking = Thread(target=lambda: said.append(_asked(url)), daemon=True)
    asking.start()
    asking.join(SECONDS)
    return said[0] if said else f"no answer within {SECONDS:g} s"


def _asked(url: str) -> str:
    import requests  # noqa: PLC0415

    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        with socket.create_connection((parts.hostname or "", port), timeout=SECONDS):
            pass
        requests.get(url, timeout=SECONDS, allow_redirects=False)
    except (requests.Timeout, TimeoutError):
        return f"no answer within {SECONDS:g} s"
    except (requests.RequestException, OSError) as error:
        return f"cannot be reached ({type(error).__name__})"
    return ""
