"""The listing of `esrgan models`, from MLflow and from the cache."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipelines.tracking import client as store
from pipelines.tracking.database import DATABASE
from pipelines.tracking.model_files import EVIDENCE_FILE, read_evidence
from pipelines.tracking.model_registry import CHAMPIONS, list_versions, set_alias
from pipelines.tracking.model_table import Listing, list_model
from pipelines.tracking.store_errors import StoreDownError
from tests.support.stores import FailingCall

pytestmark = pytest.mark.filterwarnings("ignore")  # of MLflow's dependencies
EVIDENCE = {"alpha": 0.8, "results": {"interpolated": {"set5": {"niqe": 5.5}}}}
CHAMPION = {"version": "1", "when": "today", "why": "the first", "forced": False}


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A store with one version of a model that has not changed for a while."""
    monkeypatch.setenv("ESRGAN_STATE", str(tmp_path))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    (tmp_path / EVIDENCE_FILE).write_text(json.dumps({"evidence": EVIDENCE}))
    store.client.cache_clear()
    mlflow = store.client()
    experiment = mlflow.create_experiment("any", artifact_location=(tmp_path / "files").as_uri())
    model = mlflow.create_logged_model(experiment, name="any")
    mlflow.log_model_artifact(model.model_id, str(tmp_path / EVIDENCE_FILE))
    mlflow.create_registered_model("esrgan", tags={CHAMPIONS: json.dumps([CHAMPION])})
    mlflow.create_model_version("esrgan", f"models:/{model.model_id}", tags={"git.commit": "abc"})
    yield aged(tmp_path / DATABASE)
    store.client.cache_clear()


def aged(database: Path) -> Path:
    """Set the time of the last change so far back that another change has another time."""
    seconds = database.stat().st_mtime - 60
    os.utime(database, (seconds, seconds))
    return database


def unreadable(database: Path) -> None:
    """Make a database unreadable without changing its time and size."""
    before = database.stat()
    with database.open("r+b") as file:
        file.write(b"\0" * before.st_size)
    os.utime(database, ns=(before.st_atime_ns, before.st_mtime_ns))


def summary(listing: Listing) -> list[tuple[str, object, object]]:
    return [(one.version.version, one.alpha, one.results) for one in listing.versions]


def test_the_listing_is_cached_while_the_database_does_not_change(database: Path) -> None:
    first = list_model("esrgan")
    assert summary(first) == [("1", 0.8, {"set5": {"niqe": 5.5}})]
    assert first.history == [CHAMPION]
    assert first.versions[0].version.tags == {"git.commit": "abc"}
    unreadable(database)
    assert list_model("esrgan") == first


def test_a_change_of_the_database_is_listed(database: Path) -> None:
    assert list_model("esrgan").aliases == {}
    set_alias("esrgan", "champion", "1")
    aged(database)
    assert list_model("esrgan").aliases == {"champion": "1"}


def test_each_model_has_its_own_listing(database: Path) -> None:
    assert list_model("esrgan").versions
    assert list_model("other") == Listing(versions=[], aliases={}, history=[])


def test_the_listing_of_a_recently_changed_database_is_not_cached(database: Path) -> None:
    database.touch()
    list_model("esrgan")
    assert not (database.parent / "registry.json").exists()


def test_without_a_store_the_listing_is_empty_and_no_store_is_created(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ESRGAN_STATE", str(tmp_path))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert list_model("esrgan").versions == []
    assert list(tmp_path.iterdir()) == []


def test_a_change_is_listed_in_a_state_root_of_any_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ESRGAN_STATE", str(tmp_path / "50%20off"))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    store.client.cache_clear()
    mlflow = store.client()
    aged(tmp_path / "50%20off" / DATABASE)
    assert list_model("esrgan").history == []
    mlflow.create_registered_model("esrgan", tags={CHAMPIONS: json.dumps([CHAMPION])})
    assert list_model("esrgan").history == [CHAMPION]
    store.client.cache_clear()


def test_evidence_that_cannot_be_downloaded_is_an_error(database: Path) -> None:
    (version,) = list_versions("esrgan")
    undisturbed = FailingCall()
    with undisturbed():
        assert read_evidence(version) == EVIDENCE
    number = undisturbed.calls.index("LocalArtifactRepository.download_artifacts")
    with FailingCall(number)(), pytest.raises(StoreDownError):
        read_evidence(version)


def test_a_remote_store_is_queried_every_time(
    database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    store.client.cache_clear()
    with pytest.raises(StoreDownError, match=r"MLflow at http://127\.0\.0\.1:9"):
        list_model("esrgan")
