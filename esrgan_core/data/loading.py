"""Batches ready when the training wants them: drawn by threads, copied while the device works."""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

import torch

from esrgan_core.data.sampling import Pair, PatchSampler, PixelPair

AHEAD = 2
"""Batches that wait drawn beyond those that are being drawn."""


@contextmanager
def batches(
    sampler: PatchSampler,
    start: int,
    *,
    share: range,
    device: torch.device,
    workers: int = 1,
) -> Iterator[Iterator[Pair]]:
    """Yield an endless iterator over the batches of steps `start`, `start + 1`, ...

    Args:
        sampler: draws them; what it draws does not depend on the workers.
        start: the first step.
        share: positions of each batch.
        device: where the batches go; a GPU's are copied without waiting.
        workers: threads that draw, at least 1.
    """
    pinned = device.type == "cuda"

    def draw(step: int) -> PixelPair:
        drawn = sampler.batch(step, share)
        return drawn.pinned() if pinned else drawn

    with ThreadPoolExecutor(max_workers=workers, thread_name_prefix="loader") as pool:
        waiting: deque[Future[PixelPair]] = deque()

        def each() -> Iterator[Pair]:
            step = start
            while True:
                while len(waiting) < workers + AHEAD:
                    waiting.append(pool.submit(draw, step))
                    step += 1
                yield waiting.popleft().result().on(device)

        try:
            yield each()
        finally:
            for future in waiting:
                future.cancel()
