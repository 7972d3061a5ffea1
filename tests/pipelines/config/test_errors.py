"""Errors that another attempt may not meet."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from prefect import flow, task

from pipelines.config.errors import is_transient
from pipelines.config.params import ParamsError
from pipelines.data.catalog import Catalog, CatalogEntry
from pipelines.data.download import fetch_all
from pipelines.data.manifest import BadImagesError, UnreachableImagesError
from pipelines.flows.train import StageError, TransientStageError
from pipelines.sources.checksums import ExpectedFile
from pipelines.sources.locations import RemoteFile, parse_location
from pipelines.sources.transfer import TransferOptions
from pipelines.tracking.store_errors import StoreDownError, StoreError
from tests.support.http_server import FAST_RETRY, Misbehavior, serving

HASTE = TransferOptions(retry=FAST_RETRY)


@pytest.mark.parametrize(
    ("error", "transient"),
    [
        (StoreDownError("MLflow"), True),
        (StoreError("no database"), False),
        (UnreachableImagesError(["a.png"]), True),
        (ConnectionRefusedError(), True),
        (BadImagesError(["a.png"]), False),
        (ParamsError("unknown key"), False),
        (FileNotFoundError("a.png"), False),
        (FloatingPointError("diverged"), False),
    ],
)
def test_transient_errors_are_recognized(error: Exception, transient: bool) -> None:
    assert is_transient(error) == transient
    wrapped = OSError("another message")
    wrapped.__cause__ = error
    assert is_transient(wrapped) == transient


@pytest.mark.parametrize(
    ("code", "transient"), [(503, True), (429, True), (404, False), (403, False)]
)
def test_only_a_busy_host_is_transient(
    code: int, transient: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ESRGAN_STATE", str(tmp_path))
    with serving({"a.png": b"image"}, Misbehavior(failures=[code] * 9)) as server:
        source = RemoteFile(location=parse_location(server.url("a.png")), expected=ExpectedFile())
        entry = CatalogEntry(name="a", split="train", set="own", source=source, origin="a")
        catalog = Catalog(entries=[entry], archives={})
        (problem,) = fetch_all(catalog, tmp_path / "images", HASTE).values()
    assert is_transient(problem) == transient, problem


@pytest.fixture(scope="module")
def prefect_harness() -> Iterator[None]:
    """A separate Prefect."""
    from prefect.testing.utilities import prefect_test_harness

    with prefect_test_harness():
        yield


@pytest.mark.parametrize(("error", "tries"), [(TransientStageError, 3), (StageError, 1)])
def test_only_transient_errors_are_retried(
    error: type[Exception], tries: int, prefect_harness: None
) -> None:
    from pipelines.flows.train import is_retried

    tried = []

    @task(retries=2, retry_delay_seconds=0, retry_condition_fn=is_retried)
    def work() -> None:
        tried.append(1)
        raise error("the reason")

    @flow
    def one_task() -> None:
        work()

    with pytest.raises(error, match="the reason"):
        one_task()
    assert len(tried) == tries
