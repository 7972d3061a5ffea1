"""Small networks, batches and steps."""

import torch

from esrgan_core.data.sampling import Pair
from esrgan_core.engine.optimizers import OptimizerConfig
from esrgan_core.engine.steps import GanStep, LossWeights
from esrgan_core.losses.adversarial import ADVERSARIAL, AdversarialLoss
from esrgan_core.losses.perceptual import PerceptualLoss
from esrgan_core.models.configs import RRDBNetConfig, VGGDiscriminatorConfig
from esrgan_core.models.discriminator import VGGDiscriminator
from esrgan_core.models.rrdb import RRDBNet
from tests.esrgan_core.losses.test_losses import Halves

ADAM = OptimizerConfig(learning_rate=1e-3)


def pair() -> Pair:
    torch.manual_seed(3)
    return Pair(lr=torch.rand(3, 3, 8, 8), hr=torch.rand(3, 3, 32, 32))


def generator(dtype: torch.dtype = torch.float32, *, batch_norm: bool = False) -> RRDBNet:
    torch.manual_seed(1)
    config = RRDBNetConfig(num_features=8, num_blocks=1, growth_channels=4, batch_norm=batch_norm)
    return RRDBNet(config).to(dtype)


def discriminator(dtype: torch.dtype = torch.float32) -> VGGDiscriminator:
    torch.manual_seed(2)
    return VGGDiscriminator(VGGDiscriminatorConfig(patch_size=32, num_features=4)).to(dtype)


def gan_step(
    adversarial: AdversarialLoss = ADVERSARIAL["relativistic_average"],
    dtype: torch.dtype = torch.float32,
) -> GanStep:
    return GanStep(
        generator(dtype),
        discriminator(dtype),
        PerceptualLoss(Halves(), {"half": 1.0}),
        adversarial,
        weights=LossWeights(),
        generator_optimizer=ADAM,
        discriminator_optimizer=ADAM,
        ema=0.5,
    )
