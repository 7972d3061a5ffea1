"""MLflow's store and S3."""

import json
import os
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from importlib.util import find_spec
from pathlib import Path
from threading import Thread
from urllib.parse import urlsplit

from pipelines.ops.doctor import Finding
from pipelines.ops.doctor.project import read_dvc_settings
from pipelines.runtime.redaction import redact
from pipelines.tracking.client import deleted_experiment_remedy
from pipelines.tracking.database import EXPERIMENT, database_path, tracking_uri

TIMEOUT = 2.0
"""Seconds."""


def check_mlflow() -> Iterator[Finding]:
    """Check that the tracking store can be read and has our experiment."""
    uri = tracking_uri()
    if urlsplit(uri).scheme in ("http", "https"):
        yield _check_server(uri)
    elif (path := database_path(uri)) and path.is_file():
        yield _check_database(path, uri)
    else:
        yield Finding("MLflow", f"{uri}, created at the first use")


def _check_server(uri: str) -> Finding:
    query = f"/api/2.0/mlflow/experiments/get-by-name?experiment_name={EXPERIMENT}"
    problem, answer = _get(uri.rstrip("/") + query)
    if problem:
        remedy = (
            "start the server or correct MLFLOW_TRACKING_URI; trainings run without it, and "
            "`esrgan publish` adds their results later"
        )
        return Finding("MLflow", f"{uri}: {problem}", remedy)
    # a server that does not have the experiment yet answers something else
    with suppress(ValueError, KeyError, TypeError):
        experiment = json.loads(answer)["experiment"]
        if experiment["lifecycle_stage"] == "deleted":
            return _deleted(uri, experiment["experiment_id"])
    return Finding("MLflow", f"{uri} answers")


def _check_database(path: Path, uri: str) -> Finding:
    try:
        address = f"{path.absolute().as_uri()}?mode=ro"
        with closing(sqlite3.connect(address, uri=True, timeout=TIMEOUT)) as database:
            (version,) = database.execute("SELECT version_num FROM alembic_version").fetchone()
            deleted = database.execute(
                "SELECT experiment_id FROM experiments WHERE name = ? AND lifecycle_stage = ?",
                (EXPERIMENT, "deleted"),
            ).fetchone()
    except (sqlite3.Error, TypeError) as error:
        remedy = f"move {path.name} away; `esrgan publish` creates it again from DVC's results"
        return Finding("MLflow", f"{uri} cannot be read: {error}", remedy)
    if version != (latest := _latest_schema()):
        return Finding(
            "MLflow",
            f"{uri} has schema {version}, this version of MLflow needs {latest}",
            f"copy {path.name}, then `mlflow db upgrade {redact(uri)}`; if a newer MLflow wrote "
            "it, install that version",
        )
    return _deleted(uri, str(deleted[0])) if deleted else Finding("MLflow", f"{uri} is fine")


def _deleted(uri: str, number: str) -> Finding:
    message = f"{uri}: the experiment {EXPERIMENT} was deleted; nothing can be published"
    return Finding("MLflow", message, deleted_experiment_remedy(number))


def _latest_schema() -> str:
    """The last revision of MLflow's tables, read from its files: importing MLflow takes seconds."""
    spec = find_spec("mlflow")
    assert spec
    assert spec.origin
    folder = Path(spec.origin).parent / "store" / "db_migrations" / "versions"
    text = "\n".join(path.read_text(encoding="utf-8") for path in folder.glob("*.py"))
    revisions = set(re.findall(r'^revision = "(\w+)"', text, re.MULTILINE))
    (latest,) = revisions.difference(re.findall(r'^down_revision = "(\w+)"', text, re.MULTILINE))
    return latest


def check_s3() -> Iterator[Finding]:
    """Check that S3, if it is used, answers, and that there are credentials."""
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or ""
    remotes = read_dvc_settings().get("remote", {}).values()
    if not endpoint and not any(str(one.get("url", "")).startswith("s3://") for one in remotes):
        yield Finding("S3", "not used")
        return
    import boto3  # noqa: PLC0415  takes a second

    try:
        credentials = boto3.session.Session().get_credentials()
    except Exception as error:
        yield Finding("S3", str(error), "correct AWS_PROFILE or ~/.aws")
        return
    if credentials is None:
        remedy = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE"
        yield Finding("S3", "no credentials", remedy)
    address = endpoint or "https://s3.amazonaws.com"
    problem, _ = _get(address)
    if problem:
        remedy = "start it or correct AWS_ENDPOINT_URL; then `esrgan probe s3://bucket/prefix`"
        yield Finding("S3", f"{address}: {problem}", remedy)
    elif credentials is not None:
        yield Finding("S3", f"{address} answers, and there are credentials")


def _get(url: str) -> tuple[str, str]:
    """(problem, answer) of a request within `TIMEOUT`; the problem is empty if there is none."""
    result: list[tuple[str, str]] = []
    # in a thread, since no timeout of requests covers name lookup and slow answers
    thread = Thread(target=lambda: result.append(_request(url)), daemon=True)
    thread.start()
    thread.join(TIMEOUT)
    return result[0] if result else (f"no answer within {TIMEOUT:g} s", "")


def _request(url: str) -> tuple[str, str]:
    import requests  # noqa: PLC0415  slow to import

    try:
        # the thread is no longer awaited when this ends
        return "", requests.get(url, timeout=2 * TIMEOUT, allow_redirects=False).text
    except requests.RequestException as error:
        return f"cannot be reached ({type(error).__name__})", ""
