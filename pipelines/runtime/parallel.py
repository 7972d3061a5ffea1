"""Work on many things at once: processes of this machine, or Dask's workers anywhere.

Where `DASK_SCHEDULER_ADDRESS` names a scheduler, as Dask's own programs read it, joblib's Dask
backend is used. The workers need this code and the same folders under the same paths.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")
SCHEDULER = "DASK_SCHEDULER_ADDRESS"
WORTH_A_PROCESS = 8
"""Things to do: for fewer, starting a process takes longer than doing them."""
PORTION = 64
"""Things that are handed to Dask together; progress is seen after each."""


def in_parallel(
    work: Callable[[Item], Result],
    items: Sequence[Item],
    workers: int = -1,
    *,
    fewer: str = "after ending other programs",
) -> Iterator[Result]:
    """What `work` makes of each item, in the order of the items.

    Args:
        work: a function of a module, which other processes can import.
        items: what it is done to.
        workers: processes of this machine, -1 for one per core; where a Dask scheduler is named,
            its workers are used, all of them.
        fewer: how to take less memory, for the error that a killed process is.

    Raises:
        OSError: if one of the processes was killed.
    """
    if address := os.environ.get(SCHEDULER):
        yield from _by_dask(address, work, items)
        return
    cores = os.cpu_count() or 1
    wanted = cores if workers < 0 else workers
    useful = max(min(wanted, -(-len(items) // WORTH_A_PROCESS)), 1)
    yield from map(work, items) if useful == 1 else _by_processes(useful, work, items, fewer)


def _by_processes(
    count: int, work: Callable[[Item], Result], items: Sequence[Item], fewer: str
) -> Iterator[Result]:
    from joblib import Parallel, delayed  # noqa: PLC0415  slow to import
    from joblib.externals.loky.process_executor import TerminatedWorkerError  # noqa: PLC0415

    try:
        jobs = (delayed(work)(item) for item in items)
        yield from Parallel(n_jobs=count, return_as="generator")(jobs)
    except TerminatedWorkerError as error:
        raise OSError(
            f"one of {count} processes was killed, probably for want of memory; what is done "
            f"stays, so run it again {fewer}"
        ) from error


def _by_dask(
    address: str, work: Callable[[Item], Result], items: Sequence[Item]
) -> Iterator[Result]:
    from distributed import Client  # noqa: PLC0415  takes a second to import
    from joblib import Parallel, delayed, parallel_config  # noqa: PLC0415

    with Client(address), parallel_config(backend="dask"):
        for start in range(0, len(items), PORTION):
            yield from Parallel()(delayed(work)(item) for item in items[start : start + PORTION])
