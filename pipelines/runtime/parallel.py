"""Parallel work in processes of this machine or in the workers of a Dask cluster."""

import os
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from pipelines.config.errors import UserError

Item = TypeVar("Item")
Result = TypeVar("Result")
SCHEDULER = "DASK_SCHEDULER_ADDRESS"
"""Environment variable of Dask. Its workers need this code and the same folders."""
ITEMS_PER_PROCESS = 8
"""Starting a process takes longer than processing fewer items."""
DASK_BATCH = 64
"""Items per call of Dask, which returns results of complete batches only."""


def in_parallel(
    work: Callable[[Item], Result],
    items: Sequence[Item],
    workers: int = -1,
    *,
    fewer: str = "after closing other programs",
) -> Iterator[Result]:
    """Yield the results of `work`, which other processes can import, for each item in order.

    There is one process per core if `workers` is -1. If a process is killed, probably because
    memory ran out, `fewer` is the advice of the UserError. A Dask cluster uses all its workers.
    """
    address = os.environ.get(SCHEDULER)
    wanted = (os.cpu_count() or 1) if workers < 0 else workers
    count = max(min(wanted, -(-len(items) // ITEMS_PER_PROCESS)), 1)
    if count == 1 and not address:
        yield from map(work, items)
        return
    # slow to import
    from joblib import Parallel, delayed, parallel_config  # noqa: PLC0415
    from joblib.externals.loky.process_executor import TerminatedWorkerError  # noqa: PLC0415

    jobs = [delayed(work)(item) for item in items]
    if address:
        from distributed import Client  # noqa: PLC0415  takes a second to import

        with Client(address), parallel_config(backend="dask"):
            for start in range(0, len(items), DASK_BATCH):
                yield from Parallel()(jobs[start : start + DASK_BATCH])
        return
    try:
        yield from Parallel(n_jobs=count, return_as="generator")(jobs)
    except TerminatedWorkerError as error:
        raise UserError(
            f"one of {count} processes was killed, probably because memory ran out; finished "
            f"results are kept: run it again {fewer}"
        ) from error
