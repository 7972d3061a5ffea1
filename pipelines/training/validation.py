"""Validation of the averaged network: metrics, images, selection and health."""

import math
from collections.abc import Sequence
from statistics import fmean

from esrgan_core.data.pairs import PairStore
from esrgan_core.engine.evaluation import Method, ScoredImage, evaluate
from esrgan_core.engine.health import HealthMonitor, appearance
from esrgan_core.engine.selection import Selection
from esrgan_core.io.decoding import NotFiniteError
from esrgan_core.io.rgb import write_png
from esrgan_core.metrics import METRICS
from esrgan_core.models.build import Generator
from pipelines.evaluation.test_sets import load_samples
from pipelines.training.checkpointing import SAMPLES
from pipelines.training.reporting import Reporter

IMAGE_SIDE = 256
"""Largest side, in pixels, of the written validation images."""


class Validator:
    """Measures a network on the validation images and keeps the best weights."""

    def __init__(
        self, network: Generator, method: Method, store: PairStore, reporter: Reporter
    ) -> None:
        self.method, self.reporter, config = method, reporter, reporter.config
        self.scale, self.samples = store.facts.scale, load_samples(store, "val")
        self.metrics = {name: METRICS[name] for name in ("psnr_y", "ssim_y", config.select.metric)}
        self.selection = Selection(config.select, network)
        self.health = HealthMonitor(config.report_every)
        self.excluded: set[tuple[str, str]] = set()
        """(image, metric) that a message has named as excluded."""

    def validate(self, step: int) -> None:
        """Measure the network after `step`, select it if it is the best, and check its health."""
        if not self.reporter.is_main:
            return
        try:
            results = list(evaluate(self.method, self.samples, self.metrics, self.scale))
        except NotFiniteError as error:
            self.reporter.message(f"the validation at step {step} has no metrics: {error}")
            results = []
        folder = self.reporter.folder / SAMPLES / f"{step:08}"
        for result in results:
            top, left = (max((side - IMAGE_SIDE) // 2, 0) for side in result.sr.shape[:2])
            center = result.sr[top : top + IMAGE_SIDE, left : left + IMAGE_SIDE]
            write_png(folder / f"{result.name.rpartition('/')[2]}.png", center)
        values = {name: self._mean(results, name) for name in self.metrics}
        if step == 0:
            self.selection.begin(values)
        if step or not self.reporter.config.steps:
            self.selection.consider(step, values)
        # there are no results if the output of the network was not finite
        pairs = [
            (result.sr, sample.hr[: result.sr.shape[0], : result.sr.shape[1]])
            for result, sample in zip(results, self.samples, strict=False)
        ]
        named = {f"val/{name}": value for name, value in (values | appearance(pairs)).items()}
        self.reporter.latest |= named
        warnings = self.health.check(step, self.reporter.latest)
        for name, evidence in warnings.items():
            self.reporter.message(f"health warning {name} at step {step}: {evidence}")
        self.reporter.journal.append(step, named | {f"alarm/{name}": 1.0 for name in warnings})

    def _mean(self, results: Sequence[ScoredImage], metric: str) -> float:
        """Mean over the images that the metric can measure; NaN if there are none."""
        for result in results:
            key = (result.name, metric)
            if metric in result.unmeasured and key not in self.excluded:
                self.excluded.add(key)
                reason = result.unmeasured[metric]
                self.reporter.message(f"{result.name} is excluded from {metric}: {reason}")
        values = [one.values[metric] for one in results if metric not in one.unmeasured]
        return fmean(values) if values else math.nan
