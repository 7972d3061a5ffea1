"""Pretrained weights of perceptual networks: a file of the user, or the published one."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from esrgan_core.features import FeaturesConfig
from pipelines.config.errors import UserError
from pipelines.runtime.progress import byte_progress
from pipelines.sources.checksums import ExpectedFile
from pipelines.sources.locations import HttpFile, RemoteFile
from pipelines.sources.pinned import find_pinned
from pipelines.sources.resolve import resolve
from pipelines.sources.transfer import TransferOptions


@dataclass(frozen=True, slots=True)
class WeightsFile:
    """A published weights file."""

    url: str
    sha256: str
    """May be only its first digits."""
    bytes: int
    """Approximate."""


TORCHVISION = "https://download.pytorch.org/models"
LPIPS = "https://raw.githubusercontent.com/richzhang/PerceptualSimilarity/master/lpips/weights/v0.1"
PUBLISHED = {
    "vgg19": WeightsFile(f"{TORCHVISION}/vgg19-dcbd9e9d.pth", "dcbd9e9d", 548_000_000),
    "vgg16": WeightsFile(f"{TORCHVISION}/vgg16-397923af.pth", "397923af", 528_000_000),
    "alexnet": WeightsFile(f"{TORCHVISION}/alexnet-owt-7be5be79.pth", "7be5be79", 233_000_000),
    "lpips_alex": WeightsFile(
        f"{LPIPS}/alex.pth",
        "df73285e35b22355a2df87cdb6b70b343713b667eddbda73e1977e0c860835c0",
        6_000,
    ),
    "lpips_vgg": WeightsFile(
        f"{LPIPS}/vgg.pth",
        "a78928a0af1e5f0fcb1f3b9e8f8c3a2a5a3de244d830ad5c1feddc79b8432868",
        7_000,
    ),
}
PARAMETER = "features.weights in params.yaml"


def find_weights(config: FeaturesConfig) -> Path:
    """Weights file of `features`: the one that it names, or the published one.

    Raises:
        UserError: if it does not exist, cannot be fetched or has another hash.
    """
    if not config.weights:
        return fetch_weights(config.network, PARAMETER)
    try:
        return find_pinned(config.weights)
    except (OSError, UserError) as error:
        raise UserError(
            f"{config.network} weights: {error}; correct {PARAMETER}, or leave it empty for the "
            "published ones"
        ) from error


def fetch_weights(name: str, parameter: str) -> Path:
    """Path of the published weights of a network in the cache, fetched if necessary.

    Raises:
        UserError: if they cannot be fetched; `parameter` can name another file.
    """
    if not (published := PUBLISHED.get(name)):
        raise UserError(f"{name} weights are not published; give the path of a file: {parameter}")
    remote = RemoteFile(
        location=HttpFile(url=published.url), expected=ExpectedFile(sha256=published.sha256)
    )
    with byte_progress(f"{name} weights", published.bytes) as on_bytes:
        try:
            return resolve(remote, TransferOptions(on_bytes=on_bytes))
        except OSError as error:
            raise UserError(
                f"{name} weights cannot be fetched: {error}; fetch {published.url} elsewhere "
                f"({published.bytes / 1e6:.3g} MB, sha256 {published.sha256}...) and give its "
                f"path: {parameter}"
            ) from error


def parse_weight_files(arguments: Sequence[str]) -> dict[str, str]:
    """Parse weights files given as NAME=FILE; a UserError if one is malformed or missing."""
    files = {}
    for argument in arguments:
        name, _, file = argument.partition("=")
        if not (name and file):
            raise UserError(f"expected NAME=FILE, got {argument!r}")
        if not Path(file).is_file():
            raise UserError(f"no file {file}, which is given for {name}")
        files[name] = file
    return files


def weights_finder(own: Mapping[str, str]) -> Callable[[str], Path]:
    """Function that finds the weights of a metric: the user's file, or the published one."""
    parameter = "--weights of the command, or evaluate.weight_files in params.yaml"
    return lambda name: Path(own[name]) if name in own else fetch_weights(name, parameter)
