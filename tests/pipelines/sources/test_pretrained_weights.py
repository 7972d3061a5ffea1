import hashlib
from pathlib import Path

import pytest

from esrgan_core.features import FeaturesConfig
from pipelines.config.errors import UserError
from pipelines.config.params import load_params
from pipelines.sources.pretrained_weights import PUBLISHED, WeightsFile, fetch_weights, find_weights
from pipelines.stages import finetune
from tests.support import ROOT
from tests.support.http_server import serving

CONTENT = b"weights of a network"
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ESRGAN_STATE", str(tmp_path / "state"))
    return tmp_path / "state"


def test_weights_are_fetched_once_and_checked(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving({"net.pth": CONTENT}) as server:
        published = WeightsFile(url=server.url("net.pth"), sha256=SHA256[:8], bytes=20)
        monkeypatch.setitem(PUBLISHED, "net", published)
        path = fetch_weights("net", "features.weights")
    assert path.read_bytes() == CONTENT
    assert path.is_relative_to(state)
    # the server is gone
    assert fetch_weights("net", "features.weights") == path


@pytest.mark.parametrize(("file", "sha256"), [("net.pth", "0" * 64), ("none.pth", SHA256)])
def test_the_error_of_a_failed_download_names_the_remedy(
    monkeypatch: pytest.MonkeyPatch, file: str, sha256: str
) -> None:
    with serving({"net.pth": CONTENT}) as server:
        published = WeightsFile(url=server.url(file), sha256=sha256, bytes=20)
        monkeypatch.setitem(PUBLISHED, "net", published)
        with pytest.raises(UserError, match="net weights cannot be fetched") as caught:
            fetch_weights("net", "features.weights")
    for text in (server.url(file), sha256, "features.weights"):
        assert text in str(caught.value)


def test_minc_weights_are_not_published() -> None:
    with pytest.raises(UserError, match=r"minc weights are not published; .*features\.weights"):
        find_weights(FeaturesConfig(network="minc", layers={"conv5_3": 1.0}))


def test_a_path_is_used_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "own.pth").write_bytes(CONTENT)
    config = FeaturesConfig(weights=f"{tmp_path}/own.pth#sha256={SHA256}")
    assert find_weights(config) == tmp_path / "own.pth"
    with pytest.raises(UserError, match=r"none\.pth: .*correct features\.weights"):
        find_weights(FeaturesConfig(weights=f"{tmp_path}/none.pth#sha256={SHA256}"))


def test_a_url_is_checked_against_its_hash() -> None:
    with serving({"net.pth": CONTENT}) as server:
        right = FeaturesConfig(weights=f"{server.url('net.pth')}#sha256={SHA256}")
        assert find_weights(right).read_bytes() == CONTENT
        with pytest.raises(UserError, match=f"sha256 is {SHA256}"):
            find_weights(FeaturesConfig(weights=f"{server.url('net.pth')}#sha256={'0' * 64}"))


def test_a_file_of_a_package_is_found() -> None:
    config = load_params(finetune.Params, ROOT / "params.yaml").features
    path = find_weights(config)
    assert hashlib.sha256(path.read_bytes()).hexdigest().startswith("57934424")


def test_published_names_contain_the_first_digits_of_the_sha256() -> None:
    for name in ("vgg19", "vgg16", "alexnet"):
        assert PUBLISHED[name].sha256 in PUBLISHED[name].url
