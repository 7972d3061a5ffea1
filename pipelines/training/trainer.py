"""The training loop of every training stage: resume, train, validate, save, roll back."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import KW_ONLY, dataclass
from pathlib import Path

from esrgan_core.data.loading import load_batches
from esrgan_core.data.pairs import PairStore
from esrgan_core.data.sampling import PatchSampler
from esrgan_core.engine.evaluation import network_method
from esrgan_core.engine.loop import (
    MAX_ROLLBACKS,
    DivergedError,
    DivergenceGuard,
    PeriodicAction,
    fit,
)
from esrgan_core.engine.signals import InterruptedTrainingError, handle_signals
from esrgan_core.engine.steps import Step
from pipelines.config.errors import as_user_error
from pipelines.tracking.uploader import uploading
from pipelines.training.checkpointing import Checkpointer
from pipelines.training.config import TrainingConfig
from pipelines.training.distributed import device_identifier, process_group, training_devices
from pipelines.training.locks import training_locks
from pipelines.training.reporting import Reporter
from pipelines.training.semantic_maps import SemanticMaps, semantic_method
from pipelines.training.validation import Validator

PLATEAU = 1 << 16
"""Stop request because validation no longer improves; larger than any signal number."""


@dataclass(eq=False)
class Trainer:
    """Trains the networks of one step object in one checkpoint folder."""

    stage: str
    """If the stage has an MLflow run, the metrics are uploaded to it."""
    step: Step
    store: PairStore
    config: TrainingConfig
    """With resolved precision."""
    folder: Path
    """Checkpoint folder."""
    _: KW_ONLY
    semantic_maps: SemanticMaps | None = None
    name: str = ""
    """Name in messages and progress, if the stage has several trainings."""

    def __post_init__(self) -> None:
        self.world, network = self.step.execution.world, self.step.ema.network
        name = self.name or self.stage
        self.reporter = Reporter(name, self.config, self.folder, is_main=self.world.is_main)
        maps = self.semantic_maps
        method = semantic_method(network, maps.source) if maps else network_method(network)
        self.validator = Validator(network, method, self.store, self.reporter)
        self.selection, self.guard = self.validator.selection, DivergenceGuard()
        parts = {
            **self.step.state(),
            "trouble": self.guard,
            "watch": self.validator.health,
            "selection": self.selection,
        }
        self.checkpointer = Checkpointer(parts, self.reporter)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold `training_locks`, and connect the processes."""
        devices = {name: device_identifier(name) for name in training_devices(self.world)}
        locks = training_locks(self.folder, devices) if self.world.is_main else nullcontext()
        with locks, process_group(self.world):
            yield

    def run(self) -> None:
        """Train until the last step, a plateau, or a signal."""
        done = self._resume()
        with (
            self.reporter.show_progress(done),
            uploading(self.stage, self.folder, active=self.world.is_main),
            handle_signals() as self.requests,
        ):
            while True:
                try:
                    if not self.selection.is_exhausted:
                        done = self._fit(done)
                        if done == self.config.steps and done % self.config.validate_every:
                            # after the last checkpoint, which a longer training may continue
                            self.validator.validate(done)
                    self._require_network(done)
                    break
                except DivergedError as error:
                    done = self._roll_back(error)

    def _resume(self) -> int:
        """Restore the last checkpoint, or write the first one, which the first rollback needs."""
        done = self.checkpointer.restore()
        if done is None:
            self.validator.validate(0)
            self.checkpointer.save(0)
        elif done:
            self.reporter.message(f"continuing after step {done} of {self.folder}")
        return done or 0

    def _roll_back(self, error: DivergedError) -> int:
        if self.guard.rollbacks >= MAX_ROLLBACKS:
            if self.config.precision == "fp32":
                raise error
            raise DivergedError(f"{error}, or set {self.stage}.precision to fp32") from error
        rollbacks = self.guard.rollbacks + 1
        done = self.checkpointer.restore()
        if done is None:
            raise error
        # the restored counts are from before the divergence, maybe before an earlier rollback
        self.guard.load_state_dict(DivergenceGuard().state_dict() | {"setbacks": rollbacks})
        self.reporter.message(
            f"{error}; rolled back to step {done}, learning rate times {self.guard.factor:g}"
        )
        return done

    def _require_network(self, done: int) -> None:
        """Raise in all processes if validation has selected no network."""
        if self.world.all_reduce_max(int(self.world.is_main and not self.selection.weights)):
            raise DivergedError(
                f"no network up to step {done} has finite weights and results; "
                "lower the learning rate"
            )

    def _fit(self, done: int) -> int:
        """Train from step `done` on; return the last step."""
        config, world = self.config, self.world
        if done >= config.steps:
            return done
        with as_user_error():
            sampler = PatchSampler(
                self.store,
                patch_size=config.patch_size,
                batch_size=config.batch_size,
                seed=config.seed,
                semantic_maps=self.semantic_maps.training if self.semantic_maps else None,
            )
        with load_batches(
            sampler,
            done + 1,
            positions=world.local_slice(config.batch_size),
            device=self.step.execution.device,
            workers=config.workers,
        ) as drawn:
            return fit(
                self.step,
                drawn,
                lambda number: config.schedule.factor(number, config.steps),
                done=done,
                steps=config.steps,
                report=self.reporter.report,
                report_every=config.report_every,
                guard=self.guard,
                actions=[
                    PeriodicAction(
                        steps=config.validate_every, action=self.validator.validate, at_end=False
                    ),
                    PeriodicAction(steps=config.save_every, action=self.checkpointer.save),
                ],
                should_stop=self._after_step,
                world=world,
            )

    def _after_step(self, step: int) -> bool:
        """Save and stop as requested; whether the training has reached a plateau."""
        stop = self.requests.stop or (PLATEAU if self.selection.is_exhausted else 0)
        stop = self.world.all_reduce_max(stop)
        if stop or self.requests.save or self.checkpointer.is_due:
            self.requests.save = False
            self.checkpointer.save(step)
        if stop and stop != PLATEAU:
            raise InterruptedTrainingError(stop, step, self.checkpointer.last_saved(step))
        if stop:
            self.reporter.message(
                f"no better network in {self.selection.waited} validations; stopping at step {step}"
            )
        return bool(stop)
