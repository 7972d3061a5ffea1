"""Discriminators: VGG-style, as released with ESRGAN; SRGAN's; SFTGAN's, which also classifies."""

from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn

from esrgan_core.models.configs import (
    ClassDiscriminatorConfig,
    SRGANDiscriminatorConfig,
    VGGDiscriminatorConfig,
)


class _PatchDiscriminator(nn.Module):
    """Features and a classifier of them, which subclasses build."""

    config: "VGGDiscriminatorConfig | SRGANDiscriminatorConfig"
    features: nn.Sequential
    classifier: nn.Sequential

    def forward(
        self, hr: Float[Tensor, "b 3 {self.config.patch_size} {self.config.patch_size}"]
    ) -> Float[Tensor, "b 1"]:
        """One logit per patch in [0, 1]; higher means more real."""
        logits: Tensor = self.classifier(self.features(hr))
        return logits


class VGGDiscriminator(_PatchDiscriminator):
    """Classifies HR patches as real or fake; returns logits, no sigmoid."""

    def __init__(self, config: VGGDiscriminatorConfig) -> None:
        super().__init__()
        self.config = config
        widths = [config.num_features * min(2**level, 8) for level in range(config.halvings)]
        layers: list[nn.Module] = [
            nn.Conv2d(3, widths[0], 3, padding=1),
            nn.LeakyReLU(0.2, inplace=True),
            *_conv_block(widths[0], widths[0], kernel=4, stride=2),
        ]
        for inputs, outputs in pairwise(widths):
            layers += _conv_block(inputs, outputs, kernel=3, stride=1)
            layers += _conv_block(outputs, outputs, kernel=4, stride=2)
        self.features = nn.Sequential(*layers)
        self.classifier = _classifier(widths[-1] * config.last_side**2, 100, 1)


def _conv_block(inputs: int, outputs: int, *, kernel: int, stride: int) -> list[nn.Module]:
    return [
        nn.Conv2d(inputs, outputs, kernel, stride=stride, padding=1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.LeakyReLU(0.2, inplace=True),
    ]


def _classifier(inputs: int, hidden: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Flatten(),
        nn.Linear(inputs, hidden),
        nn.LeakyReLU(0.2, inplace=True),
        nn.Linear(hidden, outputs),
    )


class SRGANDiscriminator(_PatchDiscriminator):
    """Classifies HR patches by eight convolutions (Ledig et al. 2017, figure 4); returns logits.

    The paper's sigmoid is part of the loss.
    """

    def __init__(self, config: SRGANDiscriminatorConfig) -> None:
        super().__init__()
        self.config = config
        widths = [config.num_features * 2**level for level in range(4)]
        layers: list[nn.Module] = [
            nn.Conv2d(3, widths[0], 3, padding=1),
            nn.LeakyReLU(0.2, inplace=True),
            *_conv_block(widths[0], widths[0], kernel=3, stride=2),
        ]
        for inputs, outputs in pairwise(widths):
            layers += _conv_block(inputs, outputs, kernel=3, stride=1)
            layers += _conv_block(outputs, outputs, kernel=3, stride=2)
        self.features = nn.Sequential(*layers)
        inputs = widths[-1] * config.last_side**2
        self.classifier = _classifier(inputs, 16 * config.num_features, 1)


class ClassDiscriminator(nn.Module):
    """Classifies HR patches as real or fake, and by class (SFTGAN section 3.2)."""

    def __init__(self, config: ClassDiscriminatorConfig) -> None:
        super().__init__()
        self.config = config
        discriminator = VGGDiscriminator(
            VGGDiscriminatorConfig(patch_size=config.patch_size, num_features=config.num_features)
        )
        self.features = discriminator.features
        # `judge` is the name in saved states
        self.judge = discriminator.classifier
        self.classifier = _classifier(self.judge[1].in_features, 100, config.num_classes)  # type: ignore[arg-type]  # of a Linear

    def forward(
        self, hr: Float[Tensor, "b 3 {self.config.patch_size} {self.config.patch_size}"]
    ) -> Float[Tensor, "b 1+{self.config.num_classes}"]:
        """A logit per patch in [0, 1], higher for more real; then a logit per class."""
        features = self.features(hr)
        return torch.cat([self.judge(features), self.classifier(features)], dim=1)
