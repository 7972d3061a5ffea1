"""What all trainings share: resume, validate, select, report, and leave their files."""

import math
import shutil
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import Any

import pandas as pd
from torch.nn import BatchNorm2d

from esrgan_core.data.loading import load_batches
from esrgan_core.data.pairs import PairStore
from esrgan_core.data.sampling import PatchSampler
from esrgan_core.engine.checkpoint import Checkpoints
from esrgan_core.engine.evaluation import Method, Pixels, ScoredImage, evaluate, network_method
from esrgan_core.engine.execution import Execution
from esrgan_core.engine.health import HealthMonitor, appearance
from esrgan_core.engine.journal import MetricsJournal, is_validation
from esrgan_core.engine.loop import (
    MAX_ROLLBACKS,
    DivergedError,
    DivergenceGuard,
    PeriodicAction,
    fit,
)
from esrgan_core.engine.selection import Selection
from esrgan_core.engine.signals import InterruptedTrainingError, SignalRequests, handle_signals
from esrgan_core.engine.steps import Step
from esrgan_core.files import atomic_path, write_text
from esrgan_core.io.rgb import write_png
from esrgan_core.metrics import METRICS
from esrgan_core.models.weights import save_weights
from esrgan_core.strict_json import to_json
from esrgan_core.tensors import NotFiniteError
from pipelines.config.artifacts import ARTIFACTS, generator_path
from pipelines.evaluation.test_sets import load_samples
from pipelines.runtime.lineage import git_commit
from pipelines.runtime.progress import format_terms, progress
from pipelines.runtime.state import state_root
from pipelines.tracking.uploader import uploading
from pipelines.training.config import TrainingConfig, fingerprint_of, in_other_precision
from pipelines.training.distributed import connected, devices_of_world, identity_of
from pipelines.training.locks import training_locks
from pipelines.training.results import write_result
from pipelines.training.semantic_maps import SemanticMaps, conditioned
from pipelines.training.system_metrics import Usage

VALIDATION_METRICS = ("psnr_y", "ssim_y")
IMAGE_SIDE = 256
PLATEAU = 1 << 16
"""What a process tells the others when validation has ended the training: no signal's number."""


def train(
    stage: str,
    step: Step,
    store: PairStore,
    config: TrainingConfig,
    *,
    execution: Execution,
    identity: Mapping[str, Any],
    told: SemanticMaps | None = None,
) -> dict[str, str] | None:
    """Run a stage's steps from where they stand, and leave everything but the discriminator.

    Leaves `generator.safetensors`, the selected weights, `curve.csv`, `usage.csv`,
    `metrics.json` and `samples/` in the stage's folder.

    Args:
        stage: name of the stage and of its folder.
        step: the update, its networks initialised.
        store: the training and validation pairs.
        config: the stage's section.
        execution: what `step` was built with.
        identity: whatever else decides what weights come out.
        told: what the network is told of images, where it is told something.

    Returns:
        The lineage to write into the weights' header; None in processes that write nothing.
    """
    own = dict(identity) if told is None else {**identity, "told": told.identity}
    if any(isinstance(module, BatchNorm2d) for module in step.ema.network.modules()):
        # validation used to change the statistics of such networks
        own["validated_in"] = "eval"
    config = replace(config, precision=execution.precision)
    fingerprint = fingerprint_of(store, config, own)
    is_main = execution.world.is_main
    if is_main:
        other = in_other_precision(config)
        report_other_precision(
            stage,
            checkpoints_of(stage, fingerprint),
            checkpoints_of(stage, fingerprint_of(store, other, own)),
            other.precision,
        )
    with trained(stage, fingerprint, step, store, config, execution=execution, told=told) as done:
        if not is_main:
            return None
        done.write_outputs(ARTIFACTS / stage)
        lineage = done.lineage()
        target = generator_path(stage)
        save_weights(target, done.selection.weights, step.ema.network.config, lineage)
        write_result(done.folder, target)
        return lineage


@contextmanager
def trained(
    stage: str,
    fingerprint: str,
    step: Step,
    store: PairStore,
    config: TrainingConfig,
    *,
    execution: Execution,
    told: SemanticMaps | None = None,
    name: str = "",
) -> "Iterator[Training]":
    """Run a training's steps from where they stand; yield it while nobody else may train there.

    Args:
        stage: what the training belongs to; a run that it has open in MLflow gets the curve.
        fingerprint: of everything that decides what weights come out.
        step: the update, its networks initialised.
        store: the training and validation pairs.
        config: the training's, its precision resolved.
        execution: what `step` was built with.
        told: what the network is told of images, where it is told something.
        name: what messages and the progress call it, where the stage has several trainings.

    Raises:
        ValueError: if another process is at the same training.
    """
    folder, world = checkpoints_of(stage, fingerprint), execution.world
    is_main = world.is_main
    devices = {device: identity_of(device) for device in devices_of_world(world)} if is_main else {}
    locks = training_locks(folder, devices) if is_main else nullcontext()
    with locks, connected(world):
        training = Training(stage, name or stage, step, store, config, execution, folder, told)
        training.run()
        yield training


def checkpoints_of(stage: str, fingerprint: str) -> Path:
    """The folder of a training's states, journal and validation images."""
    return state_root() / "checkpoints" / stage / fingerprint


def report_other_precision(stage: str, folder: Path, other: Path, precision: str) -> None:
    """Name the checkpoints of the same recipe in the other precision, where only those are there.

    Args:
        stage: name of the training.
        folder: of its checkpoints.
        other: where those in the other precision would be.
        precision: the other one.
    """
    steps = Checkpoints.steps_in(other)
    if steps and not Checkpoints.steps_in(folder):
        print(
            f"{stage}: {other} has step {steps[-1]} of this recipe in {precision}; to continue it, "
            f"set {stage}.precision to {precision}",
            file=sys.stderr,
            flush=True,
        )


class Training:
    """One training in one checkpoint folder."""

    def __init__(
        self,
        stage: str,
        name: str,
        step: Step,
        store: PairStore,
        config: TrainingConfig,
        execution: Execution,
        folder: Path,
        told: SemanticMaps | None,
    ) -> None:
        self.told = told
        self.stage, self.name = stage, name
        self.step, self.store, self.config = step, store, config
        self.world, self.device, self.folder = execution.world, execution.device, folder
        self.checkpoints = Checkpoints(folder, keep=config.keep)
        self.journal = MetricsJournal(folder / "metrics.jsonl")
        self.trouble, self.watch = DivergenceGuard(), HealthMonitor(config.report_every)
        self.selection = Selection(config.select, step.ema.network)
        self.validation = load_samples(store, "val")
        self.metrics = {name: METRICS[name] for name in (*VALIDATION_METRICS, config.select.metric)}
        self.left_out: set[tuple[str, str]] = set()
        self.latest: dict[str, float] = {}
        self.saved_at = time.monotonic()
        self.usage = Usage(config.batch_size)
        self.requests = SignalRequests()

    def parts(self) -> dict[str, Any]:
        """Everything that must survive an interruption, by name."""
        own = {"trouble": self.trouble, "watch": self.watch, "selection": self.selection}
        return {**self.step.state(), **own}

    def run(self) -> None:
        """Train until the last step, a plateau, or a signal."""
        done = self._restored()
        if done:
            self._say(f"going on after step {done} of {self.folder}")
        with (
            progress(self.name, self.config.steps, done, shown=self.world.is_main) as advance,
            uploading(self.stage, self.folder, active=self.world.is_main),
            handle_signals() as self.requests,
        ):
            self.advance = advance
            while True:
                try:
                    if not self.selection.exhausted:
                        done = self._fit(done)
                        if done == self.config.steps and done % self.config.validate_every:
                            # after the last state was saved, so that a longer training may go on
                            self.validate(done)
                    self._require_network(done)
                    break
                except DivergedError as error:
                    done = self._set_back(error)

    def _require_network(self, done: int) -> None:
        """Raise if validation has found no network to hand on; all processes do alike.

        Raises:
            DivergedError: if so.
        """
        if self.world.all_reduce_max(int(self.world.is_main and not self.selection.weights)):
            raise DivergedError(
                f"no network up to step {done} has weights and results that are finite; "
                "lower the learning rate"
            )

    def _restored(self) -> int:
        """The step that the training stands at, its state loaded; a first state if there is none.

        A first state lets even a training that diverges at once be set back.
        """
        done = self.checkpoints.restore(self.parts(), at_most=self.config.steps)
        if self.world.is_main:
            self.checkpoints.tidy()
            self._forget_after(-1 if done is None else done)
        if done is None:
            if self.world.is_main:
                self.validate(0)
            self.save(0)
        return done or 0

    def _set_back(self, error: DivergedError) -> int:
        if self.trouble.rollbacks >= MAX_ROLLBACKS:
            if self.config.precision == "fp32":
                raise error
            raise DivergedError(f"{error}, or set {self.stage}.precision to fp32") from error
        rollbacks = self.trouble.rollbacks + 1
        done = self.checkpoints.restore(self.parts(), at_most=self.config.steps)
        if done is None:
            raise error
        # the state counts skips that are no news, and may be from before an earlier setback
        self.trouble.load_state_dict(DivergenceGuard().state_dict() | {"setbacks": rollbacks})
        if self.world.is_main:
            self._forget_after(done)
        self._say(f"{error}; back to step {done} with {self.trouble.factor:g} times the rate")
        return done

    def _forget_after(self, done: int) -> None:
        """Put the journal and the images back to step `done`.

        What belongs to the states of a longer run stays for it. What is out of turn goes, since a
        shorter run ended there: its validation is not in the state, and a longer one does without.
        """
        config = self.config

        def in_turn(row: Mapping[str, float]) -> bool:
            every = config.validate_every if is_validation(row) else config.report_every
            return row["step"] % every == 0

        known = max([done, *self.checkpoints.steps()])
        self.journal.rewind(done, known=known, in_turn=in_turn, over=done == config.steps)
        for images in (self.folder / "samples").glob("*"):
            step = int(images.name)
            if step > known or step % config.validate_every:
                shutil.rmtree(images)

    def _fit(self, done: int) -> int:
        """Take the steps after `done`; the last one that was taken."""
        config = self.config
        sampler = PatchSampler(
            self.store,
            patch_size=config.patch_size,
            batch_size=config.batch_size,
            seed=config.seed,
            semantic_maps=None if self.told is None else self.told.maps,
        )
        positions = self.world.local_slice(config.batch_size)
        with load_batches(
            sampler, done + 1, positions=positions, device=self.device, workers=config.workers
        ) as drawn:
            return fit(
                self.step,
                drawn,
                lambda number: config.schedule.factor(number, config.steps),
                done=done,
                steps=config.steps,
                report=self.report,
                report_every=config.report_every,
                guard=self.trouble,
                actions=[
                    PeriodicAction(steps=config.validate_every, action=self.validate, at_end=False),
                    PeriodicAction(steps=config.save_every, action=self.save),
                ],
                should_stop=self.between,
                world=self.world,
            )

    def report(self, number: int, terms: Mapping[str, float]) -> None:
        """Write a report to the journal and show it."""
        self.latest |= terms
        if self.world.is_main:
            self.journal.append(number, {**terms, **self.usage.since_last(number)})
            self.advance(number, format_terms({**terms, **self._validated()}))

    def _validated(self) -> dict[str, float]:
        return {name: v for name, v in self.latest.items() if name.startswith("val/")}

    def validate(self, number: int) -> None:
        """Measure the averaged network, look for trouble, and keep the network if it is best."""
        if not self.world.is_main:
            return
        scored = self._scored(number)
        for image in scored:
            name = image.name.rpartition("/")[2]
            write_png(self.folder / "samples" / f"{number:08}" / f"{name}.png", _center(image.sr))
        values = {name: self._mean(scored, name) for name in self.metrics}
        if number:
            self.selection.consider(number, values)
        else:
            self.selection.begin(values)
        values |= appearance(
            [
                (result.sr, sample.hr[: result.sr.shape[0], : result.sr.shape[1]])
                # there may be no results
                for result, sample in zip(scored, self.validation, strict=False)
            ]
        )
        named = {f"val/{name}": value for name, value in values.items()}
        self.latest |= named
        alarms = self.watch.check(number, self.latest)
        for name, evidence in alarms.items():
            self._say(f"ALARM {name} at step {number}: {evidence}")
        self.journal.append(number, named | {f"alarm/{name}": 1.0 for name in alarms})

    def _scored(self, number: int) -> list[ScoredImage]:
        """The validation images' results; none if one of them is not finite, which is said."""
        scale = self.store.facts.scale
        try:
            return list(evaluate(self._method(), self.validation, self.metrics, scale))
        except NotFiniteError as error:
            self._say(f"the validation of step {number} has no figures: {error}")
            return []

    def _mean(self, scored: Sequence[ScoredImage], name: str) -> float:
        """Over the images that the metric can judge; NaN where there is none."""
        for one in scored:
            if name in one.unmeasured and (one.name, name) not in self.left_out:
                self.left_out.add((one.name, name))
                self._say(f"{one.name} is left out of {name}: {one.unmeasured[name]}")
        values = [one.values[name] for one in scored if name not in one.unmeasured]
        return fmean(values) if values else math.nan

    def _method(self) -> Method:
        network = self.step.ema.network
        if self.told is None:
            return network_method(network)
        return conditioned(network, self.told.conditions)

    def save(self, number: int) -> None:
        """Save the state; what cannot be saved is said and costs nothing that was saved before."""
        self.saved_at = time.monotonic()
        if not self.world.is_main:
            return
        try:
            self.checkpoints.save(number, self.parts())
        except (OSError, FloatingPointError) as error:
            self._say(f"step {number} was not saved: {error}; going on")

    def between(self, number: int) -> bool:
        """Heed signals and the clock; whether validation has seen enough."""
        wish = self.requests.stop or (PLATEAU if self.selection.exhausted else 0)
        wish = self.world.all_reduce_max(wish)
        late = time.monotonic() - self.saved_at > 60 * self.config.save_minutes
        if wish or late or self.requests.save:
            self.requests.save = False
            self.save(number)
        if wish and wish != PLATEAU:
            raise InterruptedTrainingError(wish, number, self._saved_up_to(number))
        if wish:
            self._say(
                f"no better network in {self.selection.waited} validations; ending at step {number}"
            )
        return bool(wish)

    def _saved_up_to(self, number: int) -> int:
        """The last step that was saved; what the main process saves, the others take as saved."""
        if not self.world.is_main:
            return number
        steps = [step for step in Checkpoints.steps_in(self.folder) if step <= number]
        return max(steps, default=0)

    def _say(self, words: str) -> None:
        if self.world.is_main:
            print(f"{self.name}: {words}", file=sys.stderr, flush=True)

    def lineage(self) -> dict[str, str]:
        """Where the selected weights come from, for their file's header."""
        return {
            "fingerprint": self.folder.name,
            "data": self.store.content_hash("train", "val"),
            "git.commit": git_commit(),
            "precision": self.config.precision,
            "step": str(self.selection.step),
        }

    def write_outputs(self, artifacts: Path) -> None:
        """Write the curve, the use of the machine, the metrics and the validation images."""
        artifacts.mkdir(parents=True, exist_ok=True)
        # a report and a validation of the same step become one line
        curve = pd.DataFrame(self.journal.rows()).groupby("step", as_index=False).first()
        # what differs from run to run lies apart, so that equal runs have equal curves
        own = [name for name in curve if str(name).startswith("system/")]
        for name, table in {
            "curve.csv": curve.drop(columns=[*own, "time"]),
            "usage.csv": curve[["step", *own]].dropna(how="all", subset=own),
        }.items():
            with atomic_path(artifacts / name) as temporary:
                table.to_csv(temporary, index=False, float_format="%.6g")
        shutil.rmtree(artifacts / "samples", ignore_errors=True)
        for images in sorted((self.folder / "samples").iterdir()):
            if int(images.name) <= self.config.steps:
                shutil.copytree(images, artifacts / "samples" / images.name)
        chosen = curve[curve["step"] == self.selection.step].iloc[0]
        content = {
            "steps": int(curve["step"].max()),
            "precision": self.config.precision,
            "selected": {
                "step": self.selection.step,
                "by": self.config.select.metric,
                "within_bound": self.selection.within_bound,
            },
            "val": {name: float(chosen[f"val/{name}"]) for name in self.metrics},
            "alarms": self.watch.warnings,
        }
        write_text(artifacts / "metrics.json", to_json(content, indent=2) + "\n")


def _center(pixels: Pixels) -> Pixels:
    top = max((pixels.shape[0] - IMAGE_SIDE) // 2, 0)
    left = max((pixels.shape[1] - IMAGE_SIDE) // 2, 0)
    return pixels[top : top + IMAGE_SIDE, left : left + IMAGE_SIDE]
