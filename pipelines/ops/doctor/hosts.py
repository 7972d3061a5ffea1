"""Whether MLflow and S3 answer."""

import json
import os
import re
import socket
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from importlib.util import find_spec
from pathlib import Path
from threading import Thread
from urllib.parse import urlsplit

from pipelines.ops.doctor.dvc_settings import dvc_settings
from pipelines.ops.doctor.finding import Finding, fault, well
from pipelines.runtime.redaction import redact
from pipelines.tracking.client import deleted_experiment_remedy
from pipelines.tracking.database import EXPERIMENT, database_path, tracking_uri

SECONDS = 2.0
"""That a host is waited for."""


def mlflow() -> Iterator[Finding]:
    """Whether the tracking store answers, or its file can be read, and has our experiment."""
    uri = tracking_uri()
    if urlsplit(uri).scheme in ("http", "https"):
        found = _of_server(uri)
    elif (path := database_path(uri)) and path.is_file():
        found = _of_database(path, uri)
    else:
        found = well("MLflow", f"{uri}, made when it is first used")
    yield found


def _of_server(uri: str) -> Finding:
    about = f"/api/2.0/mlflow/experiments/get-by-name?experiment_name={EXPERIMENT}"
    problem, answer = _ask(uri.rstrip("/") + about)
    if problem:
        return fault(
            "MLflow", f"{uri}: {problem}",
            "start the server or correct MLFLOW_TRACKING_URI; trainings go on without, and "
            "`esrgan publish` catches up",
        )  # fmt: skip
    # another answer than of a server that has it is none about the experiment
    with suppress(ValueError, KeyError, TypeError):
        experiment = json.loads(answer)["experiment"]
        if experiment["lifecycle_stage"] == "deleted":
            return _deleted(uri, experiment["experiment_id"])
    return well("MLflow", f"{uri} answers")


def _of_database(path: Path, uri: str) -> Finding:
    try:
        address = f"{path.absolute().as_uri()}?mode=ro"
        with closing(sqlite3.connect(address, uri=True, timeout=SECONDS)) as base:
            (version,) = base.execute("SELECT version_num FROM alembic_version").fetchone()
            deleted = base.execute(
                "SELECT experiment_id FROM experiments WHERE name = ? AND lifecycle_stage = ?",
                (EXPERIMENT, "deleted"),
            ).fetchone()
    except (sqlite3.Error, TypeError) as error:
        return fault(
            "MLflow", f"{uri} cannot be read: {error}",
            f"move {path.name} away; `esrgan publish` builds it again from DVC's results",
        )  # fmt: skip
    if version != (latest := _latest_schema()):
        return fault(
            "MLflow", f"{uri} has the schema {version}, this MLflow the schema {latest}",
            f"copy {path.name}, then `mlflow db upgrade {redact(uri)}`; if a newer MLflow made "
            "it, install that one",
        )  # fmt: skip
    return _deleted(uri, str(deleted[0])) if deleted else well("MLflow", f"{uri} can be read")


def _deleted(uri: str, number: str) -> Finding:
    words = f"{uri}: the experiment {EXPERIMENT} was deleted; nothing can be published"
    return fault("MLflow", words, deleted_experiment_remedy(number))


def _latest_schema() -> str:
    """The revision of MLflow's tables that no other one follows; MLflow itself takes seconds."""
    found = find_spec("mlflow")
    assert found
    assert found.origin
    folder = Path(found.origin).parent / "store" / "db_migrations" / "versions"
    text = "\n".join(path.read_text(encoding="utf-8") for path in folder.glob("*.py"))
    made, followed = (
        set(re.findall(rf'^{name} = "(\w+)"', text, re.MULTILINE))
        for name in ("revision", "down_revision")
    )
    (latest,) = made - followed
    return latest


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
    return _ask(url)[0]


def _ask(url: str) -> tuple[str, str]:
    """(why nothing answers at an address within two seconds, what it answers)."""
    said: list[tuple[str, str]] = []
    # beside this one, since no limit of time reaches into the lookup of a name
    asking = Thread(target=lambda: said.append(_asked(url)), daemon=True)
    asking.start()
    asking.join(SECONDS)
    return said[0] if said else (f"no answer within {SECONDS:g} s", "")


def _asked(url: str) -> tuple[str, str]:
    import requests  # noqa: PLC0415

    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        with socket.create_connection((parts.hostname or "", port), timeout=SECONDS):
            pass
        return "", requests.get(url, timeout=SECONDS, allow_redirects=False).text
    except (requests.Timeout, TimeoutError):
        return f"no answer within {SECONDS:g} s", ""
    except (requests.RequestException, OSError) as error:
        return f"cannot be reached ({type(error).__name__})", ""
