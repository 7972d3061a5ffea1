"""All looks, in the order in which one would mend what they find."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

from pipelines.ops.doctor.finding import Finding, fault
from pipelines.ops.doctor.hosts import mlflow, s3
from pipelines.ops.doctor.installation import packages, python, telemetry
from pipelines.ops.doctor.machine import disks, memory
from pipelines.ops.doctor.project import dvc, recipe, repository

Check = Callable[[], Iterator[Finding]]
WAITING: tuple[Check, ...] = (repository, dvc, mlflow, s3, telemetry)
"""Checks that wait for programs and hosts, hence begin before those that compute."""


def examine() -> Iterator[Finding]:
    """Look at everything."""
    with ThreadPoolExecutor(len(WAITING), thread_name_prefix="doctor") as pool:
        asked = [pool.submit(_findings, check) for check in WAITING]
        yield from (found for check in (python, packages) for found in _findings(check))
        # not earlier, since they import torch
        from pipelines.ops.doctor.devices import devices, precision  # noqa: PLC0415

        checks = (devices, precision, memory, disks, recipe)
        yield from (found for check in checks for found in _findings(check))
        yield from (found for future in asked for found in future.result())


def _findings(check: Check) -> list[Finding]:
    try:
        return list(check())
    except Exception as error:
        # a check that fails must not hide the others
        return [
            fault(
                check.__name__,
                f"{type(error).__name__}: {error}",
                "tell the maintainers; the other checks are not concerned",
            )
        ]
