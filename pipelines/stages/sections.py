"""The type of every section of params.yaml."""

from dataclasses import dataclass, field

from esrgan_core.bounds import check_bounds
from esrgan_core.features import FeaturesConfig
from esrgan_core.models.configs import (
    ClassDiscriminatorConfig,
    RRDBNetConfig,
    SFTNetConfig,
    SRCNNConfig,
    SRGANDiscriminatorConfig,
    SRResNetConfig,
    VGGDiscriminatorConfig,
)
from esrgan_core.precision import PrecisionChoice
from pipelines.data.config import BicubicConfig, DownloadConfig, ValidationRules
from pipelines.evaluation.config import EvaluateConfig, InterpolateConfig, RegisterConfig
from pipelines.training.adversarial import AdversarialTraining
from pipelines.training.pixel import PixelTraining
from pipelines.training.semantic_maps import SemanticMapsConfig


@dataclass(frozen=True, kw_only=True, slots=True)
class SrcnnTraining(PixelTraining):
    network: SRCNNConfig = field(default_factory=SRCNNConfig)


@dataclass(frozen=True, kw_only=True, slots=True)
class SrresnetTraining(PixelTraining):
    network: SRResNetConfig = field(default_factory=SRResNetConfig)


@dataclass(frozen=True, kw_only=True, slots=True)
class SrganTraining(AdversarialTraining):
    discriminator: SRGANDiscriminatorConfig = field(default_factory=SRGANDiscriminatorConfig)
    features: FeaturesConfig = field(default_factory=FeaturesConfig)


@dataclass(frozen=True, kw_only=True, slots=True)
class SftnetTraining(PixelTraining):
    network: SFTNetConfig = field(default_factory=SFTNetConfig)


@dataclass(frozen=True, kw_only=True, slots=True)
class SftganTraining(AdversarialTraining):
    discriminator: ClassDiscriminatorConfig = field(default_factory=ClassDiscriminatorConfig)
    features: FeaturesConfig = field(default_factory=FeaturesConfig)


@dataclass(frozen=True, kw_only=True, slots=True)
class ContextualTraining(AdversarialTraining):
    discriminator: VGGDiscriminatorConfig = field(default_factory=VGGDiscriminatorConfig)
    features: FeaturesConfig = field(default_factory=FeaturesConfig)


@dataclass(frozen=True, kw_only=True, slots=True)
class AblationConfig:
    seeds: list[int] = field(default_factory=lambda: [0, 1, 2])
    pretrain_steps: int = 3000
    finetune_steps: int = 600
    patch_size: int = 64
    batch_size: int = 4
    num_features: int = 24
    num_blocks: int = 2
    """RRDBs; the variant with plain residual blocks has ten times as many."""
    growth_channels: int = 12
    precision: PrecisionChoice = "auto"

    def __post_init__(self) -> None:
        if not self.seeds:
            raise ValueError("seeds must have at least one")
        if len(set(self.seeds)) < len(self.seeds):
            raise ValueError(f"seeds must be different, got {self.seeds}")
        # stage 2 adds 1000, and tables have 64-bit integers
        check_bounds(self, "seeds", below=2**63)
        check_bounds(
            self, "pretrain_steps", "finetune_steps", "batch_size",
            "num_features", "num_blocks", "growth_channels", least=1,
        )  # fmt: skip
        VGGDiscriminatorConfig(patch_size=self.patch_size)  # checks the size


@dataclass(frozen=True, kw_only=True, slots=True)
class Sections:
    scale: int
    skip_bad: bool
    download: DownloadConfig
    validate: ValidationRules
    bicubic: BicubicConfig
    generator: RRDBNetConfig | None
    """None for `from_start`."""
    pretrain: PixelTraining
    discriminator: VGGDiscriminatorConfig
    features: FeaturesConfig
    finetune: AdversarialTraining
    interpolate: InterpolateConfig
    evaluate: EvaluateConfig
    register: RegisterConfig
    srcnn: SrcnnTraining
    srresnet: SrresnetTraining
    srgan: SrganTraining
    semantic_maps: SemanticMapsConfig
    sftnet: SftnetTraining
    sftgan: SftganTraining
    contextual: ContextualTraining
    ablation: AblationConfig
