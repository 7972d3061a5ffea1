"""What a training takes of the machine, between two reports."""

import time

import psutil
import torch


class Usage:
    """Speed, processor and memory; names begin with `system/`."""

    def __init__(self, batch_size: int) -> None:
        """Count from now."""
        self.batch_size = batch_size
        self.process = psutil.Process()
        self.process.cpu_percent()
        self.step: int | None = None
        self.time = 0.0

    def since_last(self, step: int) -> dict[str, float]:
        """The figures since this was last asked; no speed the first time."""
        now = time.monotonic()
        found = {
            "system/processor_percent": self.process.cpu_percent(),
            "system/memory_mib": self.process.memory_info().rss / 2**20,
        }
        if torch.cuda.is_available():
            found["system/gpu_memory_mib"] = torch.cuda.max_memory_allocated() / 2**20
        if self.step is not None and step > self.step:
            speed = (step - self.step) / max(now - self.time, 1e-9)
            found |= {
                "system/steps_per_second": speed,
                "system/samples_per_second": speed * self.batch_size,
            }
        self.step, self.time = step, now
        return found
