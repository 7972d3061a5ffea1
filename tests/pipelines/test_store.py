from pathlib import Path

import pytest
from boto3.exceptions import S3UploadFailedError
from botocore.exceptions import EndpointConnectionError

from pipelines.tracking import StoreDownError, store


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


@pytest.mark.parametrize(
    "error",
    [
        OSError("https://me:secret@host/api/2.0 hangs"),
        EndpointConnectionError(endpoint_url="http://s3"),
        S3UploadFailedError("of an artifact"),
    ],
)
def test_trouble_is_of_one_kind_and_tells_no_secret(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://me:secret@host")
    with pytest.raises(StoreDownError) as caught, store.reaching_store():
        raise error
    assert str(caught.value).startswith("MLflow at https://host: ")
    assert "secret" not in str(caught.value)


def test_a_store_of_ones_own_is_used_as_it_is(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert store.tracking_uri() == f"sqlite:///{root}/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:1")
    assert store.tracking_uri() == "http://127.0.0.1:1"
