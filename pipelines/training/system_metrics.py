"""Speed, CPU and memory of a training."""

import time

import psutil
import torch


class SystemMetrics:
    """Measures between two reports; the names of the metrics begin with `system/`."""

    def __init__(self, batch_size: int) -> None:
        """Start to measure."""
        self.batch_size = batch_size
        self.process = psutil.Process()
        self.process.cpu_percent()
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
            values |= {
                "system/steps_per_second": speed,
                "system/samples_per_second": speed * self.batch_size,
            }
        self.step, self.time = step, now
        return values
