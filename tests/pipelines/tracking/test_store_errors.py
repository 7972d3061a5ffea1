"""Errors of MLflow are reported as what they are: down, or with a remedy."""

import errno
import os
import socket
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest
from boto3.exceptions import S3UploadFailedError
from botocore.exceptions import ClientError, EndpointConnectionError
from typer.testing import CliRunner

from pipelines.cli.app import app
from pipelines.tracking.client import client, experiment_id, find_run, get_or_create_parent_run
from pipelines.tracking.database import DATABASE
from pipelines.tracking.open_runs import wait_for_run_id
from pipelines.tracking.publish import publish_stage
from pipelines.tracking.session import recording
from pipelines.tracking.store_errors import (
    NotInStoreError,
    StoreDownError,
    StoreError,
    translate_errors,
)
from pipelines.tracking.uploader import RUN_ID_FILE
from tests.pipelines.tracking.test_session import Settings

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")  # of MLflow's connections


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[int, str], None]]:
    """Sets the tracking store to a server that gives the same response to every request."""
    servers = []

    def answer(status: int, text: str) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(status)
                self.end_headers()
                self.wfile.write(text.encode())

            do_POST = do_GET  # noqa: N815  the name in the base class

            def log_message(self, *arguments: object) -> None:
                pass

        servers.append(HTTPServer(("127.0.0.1", 0), Handler))
        Thread(target=servers[-1].serve_forever, daemon=True).start()
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{servers[-1].server_port}")

    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    yield answer
    for one in servers:
        one.shutdown()
        one.server_close()


def ask() -> None:
    with translate_errors():
        client().search_experiments()


REFUSAL = '{"error_code": "%s", "message": "says the server"}'


@pytest.mark.parametrize(
    ("status", "text", "down"),
    [
        (503, "busy", True),
        (502, "<html>", True),
        (500, REFUSAL % "INTERNAL_ERROR", True),
        (429, REFUSAL % "REQUEST_LIMIT_EXCEEDED", True),
        (429, "", True),
        (400, REFUSAL % "INVALID_PARAMETER_VALUE", False),
        (404, REFUSAL % "RESOURCE_DOES_NOT_EXIST", False),
        (403, "not for you", False),
        (413, "too large", False),
    ],
)
def test_responses_of_a_server(
    state: Path, server: Callable[[int, str], None], status: int, text: str, down: bool
) -> None:
    server(status, text)
    with pytest.raises(StoreError) as caught:
        ask()
    assert isinstance(caught.value, StoreDownError) == down, caught.value
    assert ("is down" in str(caught.value)) == down


def test_a_server_that_is_absent_or_hangs_is_down(
    state: Path, server: Callable[[int, str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    with pytest.raises(StoreDownError):
        ask()
    client.cache_clear()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{silent.getsockname()[1]}")
        with pytest.raises(StoreDownError, match="is down"):
            ask()


@pytest.mark.parametrize(
    ("error", "down"),
    [
        (EndpointConnectionError(endpoint_url="http://s3"), True),
        (ClientError({"Error": {"Code": "SlowDown"}}, "PutObject"), True),
        (ClientError({"ResponseMetadata": {"HTTPStatusCode": 500}}, "PutObject"), True),
        (ClientError({"Error": {"Code": "AccessDenied"}}, "PutObject"), False),
        (ClientError({"Error": {"Code": "NoSuchBucket"}}, "PutObject"), False),
    ],
)
def test_responses_of_s3(error: Exception, down: bool, state: Path) -> None:
    def upload() -> None:
        try:
            raise error
        except Exception as cause:
            raise S3UploadFailedError(f"not uploaded: {cause}")  # noqa: B904  as boto3 does

    with pytest.raises(StoreError) as caught, translate_errors():
        upload()
    assert isinstance(caught.value, StoreDownError) == down
    assert down or "; " in str(caught.value)


def test_a_locked_database_is_down(state: Path, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "a.db")) as one:
        one.execute("BEGIN EXCLUSIVE")
        with (
            closing(sqlite3.connect(tmp_path / "a.db", timeout=0)) as other,
            pytest.raises(StoreDownError, match="database is locked"),
            translate_errors(),
        ):
            other.execute("BEGIN EXCLUSIVE")


def no_permission(state: Path) -> None:
    # the tests may run as root, who can read and write any file
    raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), state / "a.png")


def full_database(state: Path) -> None:
    with closing(sqlite3.connect(state / "small.db")) as base:
        base.execute("PRAGMA max_page_count = 2")
        base.execute("CREATE TABLE a (b)")
        base.execute("INSERT INTO a VALUES (zeroblob(100000))")


def damaged_database(state: Path) -> None:
    client.cache_clear()
    (state / DATABASE).write_bytes(b"no database" * 1000)
    client()


def older_database(state: Path) -> None:
    with closing(sqlite3.connect(state / DATABASE)) as base, base:
        base.execute("UPDATE alembic_version SET version_num = 'older'")
    other = state / "other.db"
    (state / DATABASE).rename(other)  # MLflow remembers the stores that it has opened
    from mlflow import MlflowClient

    MlflowClient(f"sqlite:///{other}").search_experiments()


def deleted_experiment(state: Path) -> None:
    client().delete_experiment(experiment_id())
    experiment_id.cache_clear()
    experiment_id()


PERMANENT: dict[str, tuple[Callable[[Path], object], type[Exception], str]] = {
    "file missing": (
        lambda _: client().log_artifact(get_or_create_parent_run("a"), "artifacts/none.csv"),
        StoreError,
        "artifacts/none.csv: No such file or directory; `dvc pull`",
    ),
    "no permission": (
        no_permission,
        StoreError,
        "a.png: Permission denied; correct its permissions",
    ),
    "disk full": (
        lambda _: Path("/dev/full").write_text("a"),
        StoreError,
        "No space left on device; free some space",
    ),
    "database full": (full_database, StoreError, "full; free some space"),
    "database damaged": (damaged_database, StoreError, "not a database; move it away; `esrgan pub"),
    "database older": (older_database, StoreError, "out-of-date .*; run `mlflow db upgrade "),
    "experiment deleted": (
        deleted_experiment,
        StoreError,
        r"esrgan was deleted; .*`mlflow experiments restore -x 1`.*`mlflow gc --experiment-ids 1",
    ),
    "run not there": (
        lambda _: client().set_tag("f" * 32, "a", "b"),
        StoreError,
        "f{32} not found; it was removed, or is in another store",
    ),
    "invalid metric name": (
        lambda _: client().log_metric(get_or_create_parent_run("a"), "a<b>", 1.0),
        StoreError,
        'Invalid value "a<b>"',
    ),
    "unknown kind of store": (
        lambda _: __import__("mlflow").MlflowClient("foo://here").search_registered_models(),
        StoreError,
        "unsupported URI 'foo://here'",
    ),
}


@pytest.mark.parametrize("name", PERMANENT)
def test_permanent_errors_have_a_remedy_and_are_not_called_down(name: str, state: Path) -> None:
    cause, kind, message = PERMANENT[name]
    with translate_errors():
        client()
    with pytest.raises(kind, match=message) as caught, translate_errors():
        cause(state)
    assert not isinstance(caught.value, StoreDownError)
    assert "is down" not in str(caught.value)


def test_an_error_while_another_is_handled_is_not_called_down(state: Path) -> None:
    try:
        with translate_errors():
            raise ConnectionError("refused")
    except StoreDownError:
        with pytest.raises(NotInStoreError, match="not found"), translate_errors():
            client().get_registered_model("none")


@pytest.fixture
def damaged(state: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project whose store is not a database."""
    monkeypatch.chdir(tmp_path)
    state.mkdir()
    (state / DATABASE).write_bytes(b"no database" * 1000)
    return tmp_path


def test_a_training_survives_a_damaged_store_and_reports_it(
    damaged: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with recording("srcnn", Settings()):
        for name in ("metrics.json", "curve.csv"):
            (damaged / "artifacts" / "srcnn").mkdir(parents=True, exist_ok=True)
            (damaged / "artifacts" / "srcnn" / name).write_text("{}" if "json" in name else "step")
    assert (damaged / "artifacts/srcnn/run.json").is_file()
    printed = capsys.readouterr().err
    assert "file is not a database; move it away" in printed
    assert (
        "its results are complete, but MLflow lacks some of them: run `esrgan publish`" in printed
    )
    assert "is down" not in printed
    with pytest.raises(StoreError, match="not a database"):
        publish_stage("srcnn")
    (damaged / ".dvc").mkdir()  # publish requires a repository
    done = CliRunner().invoke(app, ["publish"])
    assert done.exit_code == 1
    assert isinstance(done.exception, StoreError)


def test_a_stage_that_needs_a_run_fails_at_once(damaged: Path) -> None:
    with (
        pytest.raises(StoreError, match="not a database") as caught,
        recording("register", Settings()),
    ):
        wait_for_run_id("register")
    assert not isinstance(caught.value, StoreDownError)


def test_a_removed_run_does_not_prevent_other_uploads(
    state: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, run in (("a", "f" * 32), ("b", get_or_create_parent_run("a training"))):
        folder = state / "checkpoints" / "pretrain" / name
        folder.mkdir(parents=True)
        (folder / RUN_ID_FILE).write_text(run)
        (folder / "metrics.jsonl").write_text('{"step": 1, "g/pixel": 0.5}\n')
    (tmp_path / ".dvc").mkdir()  # publish requires a repository
    done = CliRunner().invoke(app, ["publish"])
    assert done.exit_code == 0
    assert "pretrain/b: 1 points uploaded" in done.output
    assert "it was removed, or is in another store" in done.output
    found = find_run({"esrgan.run": "a training"})
    assert found
    assert found.data.metrics == {"g/pixel": 0.5}
