from pathlib import Path

import pytest

from pipelines.tracking import store

pytestmark = pytest.mark.filterwarnings("ignore")  # MLflow's own, of its own dependencies


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ESRGAN_STATE", str(tmp_path))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return tmp_path


def test_an_interrupted_making_of_the_database_leaves_none(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(uri: str) -> None:
        Path(uri.removeprefix("sqlite:///")).write_bytes(b"half a database")
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("mlflow.MlflowClient", interrupted)
        with pytest.raises(KeyboardInterrupt):
            store._make_database()
    assert not (root / "mlflow.db").exists()
    store._make_database()
    assert (root / "mlflow.db").read_bytes().startswith(b"SQLite format 3")


def test_a_store_of_ones_own_is_used_as_it_is(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert store.tracking_uri() == f"sqlite:///{root}/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:1")
    assert store.tracking_uri() == "http://127.0.0.1:1"
