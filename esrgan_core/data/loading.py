"""Batches loaded ahead: drawn by threads, copied while the device computes."""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from itertools import count

import torch

from esrgan_core.data.sampling import Pair, PatchSampler, PixelPair

PREFETCHED = 2
"""Batches that are ready, in addition to those that the threads are drawing."""


@contextmanager
def load_batches(
    sampler: PatchSampler,
    start: int,
    *,
    positions: range,
    device: torch.device,
    workers: int = 1,
) -> Iterator[Iterator[Pair]]:
    """Yield an endless iterator over these positions of batches `start`, `start + 1`, ...

    The batches do not depend on the number of `workers`, which are threads. Copies to a GPU are
    asynchronous.
    """

    def draw(step: int) -> PixelPair:
        drawn = sampler.batch(step, positions)
        return drawn.pin_memory() if device.type == "cuda" else drawn

    with ThreadPoolExecutor(max_workers=workers, thread_name_prefix="loader") as pool:
        queue: deque[Future[PixelPair]] = deque()

        def each() -> Iterator[Pair]:
            for step in count(start):
                queue.append(pool.submit(draw, step))
                if len(queue) == workers + PREFETCHED:
                    yield queue.popleft().result().to(device)

        try:
            yield each()
        finally:
            for future in queue:
                future.cancel()
