"""Reports of a training: its journal, its progress display and its messages."""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from esrgan_core.engine.journal import MetricsJournal
from pipelines.runtime.progress import format_terms, progress
from pipelines.training.config import TrainingConfig
from pipelines.training.system_metrics import SystemMetrics


class Reporter:
    """Writes the journal, shows the progress and prints messages, in the main process only."""

    def __init__(self, name: str, config: TrainingConfig, folder: Path, *, is_main: bool) -> None:
        self.name, self.config, self.is_main = name, config, is_main
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
