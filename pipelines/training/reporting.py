"""Reports of a training: its journal, its progress display, its messages and its speed."""

import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import psutil
import torch

from esrgan_core.engine.journal import MetricsJournal
from pipelines.runtime.progress import format_terms, progress
from pipelines.training.config import TrainingConfig


class Reporter:
    """Writes the journal, shows the progress and prints messages, in the main process only."""

    def __init__(self, name: str, config: TrainingConfig, folder: Path, *, is_main: bool) -> None:
        self.name, self.config, self.folder, self.is_main = name, config, folder, is_main
        self.journal = MetricsJournal(folder / "metrics.jsonl")
        self.latest: dict[str, float] = {}
        """Latest value of every metric."""

    @contextmanager
    def show_progress(self, done: int) -> Iterator[None]:
        """Show the progress of a training that has done `done` steps."""
        self.system_metrics = SystemMetrics(self.config.batch_size)
        with progress(self.name, self.config.steps, done, shown=self.is_main) as self.advance:
            yield

    def report(self, step: int, terms: Mapping[str, float]) -> None:
        """Log the terms of a step."""
        self.latest |= terms
        if self.is_main:
            self.journal.append(step, {**terms, **self.system_metrics.since_last(step)})
            validated = {k: v for k, v in self.latest.items() if k.startswith("val/")}
            self.advance(step, format_terms({**terms, **validated}))

    def message(self, text: str) -> None:
        """Print a line to standard error."""
        if self.is_main:
            print(f"{self.name}: {text}", file=sys.stderr, flush=True)


class SystemMetrics:
    """Speed, CPU and memory between two reports; the names of the metrics begin with `system/`."""

    def __init__(self, batch_size: int) -> None:
        self.batch_size, self.process = batch_size, psutil.Process()
        self.process.cpu_percent()  # starts to measure
        self.step: int | None = None
        self.time = 0.0

    def since_last(self, step: int) -> dict[str, float]:
        """The metrics since the last call; the first call returns no speed."""
        now = time.monotonic()
        values = {
            "system/processor_percent": self.process.cpu_percent(),
            "system/memory_mib": self.process.memory_info().rss / 2**20,
        }
        if torch.cuda.is_available():
            values["system/gpu_memory_mib"] = torch.cuda.max_memory_allocated() / 2**20
        if self.step is not None and step > self.step:
            speed = (step - self.step) / max(now - self.time, 1e-9)
            values["system/steps_per_second"] = speed
            values["system/samples_per_second"] = speed * self.batch_size
        self.step, self.time = step, now
        return values
