import os
import subprocess
import sys
from pathlib import Path

import pytest
from mlflow.exceptions import MlflowException

from pipelines.tracking import client as store
from pipelines.tracking import database
from pipelines.tracking.store_errors import StoreError, translate_errors


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ESRGAN_STATE", str(tmp_path))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return tmp_path


def test_an_interrupted_creation_of_the_database_creates_none(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(uri: str) -> None:
        Path(uri.removeprefix("sqlite:///")).write_bytes(b"half a database")
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("mlflow.MlflowClient", interrupted)
        with pytest.raises(KeyboardInterrupt):
            database.prepare_database()
    assert not (root / "mlflow.db").exists()
    database.prepare_database()
    assert (root / "mlflow.db").read_bytes().startswith(b"SQLite format 3")


@pytest.mark.parametrize("kind", [ConnectionError, MlflowException])
def test_errors_contain_no_credentials(
    kind: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://me:secret@host")
    with pytest.raises(StoreError, match="at https://host") as caught, translate_errors():
        raise kind("https://me:secret@host/api/2.0 hangs")
    assert "secret" not in str(caught.value)


def test_the_environment_variable_selects_the_store(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert database.tracking_uri() == f"sqlite:///{root}/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:1")
    assert database.tracking_uri() == "http://127.0.0.1:1"


def run_code(code: str, state: Path) -> "subprocess.CompletedProcess[str]":
    """Run code in a process of its own, since MLflow caches stores."""
    env = os.environ | {"ESRGAN_STATE": str(state)}
    text = f"from pipelines.tracking import client as store\n{code}"
    return subprocess.run(
        [sys.executable, "-c", text], env=env, capture_output=True, text=True, check=True
    )


@pytest.mark.parametrize("name", ["50%20off", "what?"])
def test_a_state_root_may_have_any_name(name: str, tmp_path: Path) -> None:
    run_code("store.get_or_create_parent_run('first')", tmp_path / name)
    found = {path.relative_to(tmp_path).parts for path in tmp_path.rglob("*") if path.is_file()}
    assert (name, database.DATABASE) in found
    assert {parts[0] for parts in found} == {name}


def test_a_moved_store_finds_its_files(tmp_path: Path) -> None:
    before, after = tmp_path / "before", tmp_path / "after"
    make = (
        "run = store.get_or_create_parent_run('first')\n"
        "store.client().log_text(run, 'kept', 'note.txt')"
    )
    run_code(make, before)
    before.rename(after)
    look = (
        "run = store.get_or_create_parent_run('first')\n"
        "print(open(store.client().download_artifacts(run, 'note.txt')).read())\n"
        "store.client().log_text(run, 'new', 'new.txt')"
    )
    done = run_code(look, after)
    assert done.stdout == "kept\n"
    assert f"begin with {(after / 'mlartifacts').as_uri()}" in done.stderr
    assert not before.exists()


def test_a_name_with_quotes_is_found_and_changes_no_filter(root: Path) -> None:
    for known in (store.client, store.experiment_id):
        known.cache_clear()
    plain = store.get_or_create_parent_run("plain")
    for name in ("o'brien", 'the "best"', "' or attributes.status = 'RUNNING"):
        made = store.get_or_create_parent_run(name)
        assert made != plain
        assert store.get_or_create_parent_run(name) == made
        assert store.running_run_ids(name) == [made]
    with pytest.raises(ValueError, match="use a name without quotes"):
        store.get_or_create_parent_run("""both ' and \"""")
