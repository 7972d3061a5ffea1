"""Credentials in addresses are used to download and appear nowhere."""

import io
import os
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipelines.cli.app import app
from pipelines.data.catalog import REQUIRED
from pipelines.runtime.redaction import redact
from pipelines.runtime.shell import CommandError, output
from pipelines.tracking.store_errors import StoreDownError, translate_errors
from tests.support import ROOT
from tests.support.http_server import serving


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://me:secret@host:8080/a/b.zip", "https://host:8080/a/b.zip"),
        ("postgresql://me:p@ss@host/mlflow", "postgresql://host/mlflow"),
        ("https://ghp_token@host/a and http://b", "https://host/a and http://b"),
        (
            "s3 said https://b.host/k?part=1&X-Amz-Credential=AK%2F1&X-Amz-Signature=ab12 (403)",
            "s3 said https://b.host/k?part=1&X-Amz-Credential=...&X-Amz-Signature=... (403)",
        ),
        ("tried with url: /k?sig=a%3D&sv=1 (Caused", "tried with url: /k?sig=...&sv=1 (Caused"),
        ("at mysql+pymysql://me:p/a #s?@host:1/db", "at mysql+pymysql://host:1/db"),
        ("https://host/k?jwt=a.b#access_token=c", "https://host/k?jwt=...#access_token=..."),
        ("http://host:8080/a@b.png#sha256=12", "http://host:8080/a@b.png#sha256=12"),
        ("https://host/k?AWSAccessKeyId=AK&Expires=9", "https://host/k?AWSAccessKeyId=...&Expires=9"),
        ("wheel://package/file, a@b, x?y=1", "wheel://package/file, a@b, x?y=1"),
    ],
)  # fmt: skip
def test_credentials_are_removed_and_the_rest_is_kept(text: str, shown: str) -> None:
    assert redact(text) == shown


def test_a_download_uses_credentials_and_shows_none(tmp_path: Path) -> None:
    image = (files("skimage") / "data/coffee.png").read_bytes()
    with serving({"one.png": image, "two.png": image[:999]}) as server:
        host = server.address.removeprefix("http://")
        addresses = [
            f"http://me:hunter2@{host}/one.png?X-Amz-Signature=12ab34",
            f"http://me:hunter2@{host}/two.png?X-Amz-Signature=12ab34",
            f"http://me:hunter2@{host}/none.png?X-Amz-Signature=12ab34",
        ]
        table = io.StringIO()
        table.write(",".join(REQUIRED) + "\n")
        for number, uri in enumerate(addresses):
            table.write(f"{number},train,own,{uri},,,CC0-1.0,me\n")
        (tmp_path / "data").mkdir()
        (tmp_path / "data" / "own.csv").write_text(table.getvalue())
        text = (ROOT / "params.yaml").read_text(encoding="utf-8")
        text = text.replace("catalogs: [sample]", "catalogs: [own]")
        (tmp_path / "params.yaml").write_text(text, encoding="utf-8")
        done = subprocess.run(
            [sys.executable, "-m", "pipelines.stages.download"],
            cwd=tmp_path,
            env=os.environ | {"ESRGAN_STATE": str(tmp_path / "state"), "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=False,
        )
        printed = done.stdout + done.stderr
        assert done.returncode == 1, printed
        for name in ("none.png", "two.png"):
            assert name in printed
    notes = [path for path in (tmp_path / "state").rglob("*.json") if path.is_file()]
    assert notes
    for place in (printed, *(path.read_text(encoding="utf-8") for path in notes)):
        assert "hunter2" not in place
        assert "12ab34" not in place


def test_errors_of_stores_and_commands_show_no_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    secret = "http://me:hunter2@127.0.0.1:9/x?token=12ab34"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", secret)
    with pytest.raises(StoreDownError) as caught, translate_errors():
        raise ConnectionError(f"{secret} refuses")
    with pytest.raises(CommandError) as failed:
        output(["git", "ls-remote", secret], ROOT)
    messages = [str(caught.value), str(failed.value), CliRunner().invoke(app, ["doctor"]).output]
    for text in messages:
        assert "127.0.0.1:9" in text
        assert "hunter2" not in text
        assert "12ab34" not in text
