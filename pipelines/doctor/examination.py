"""All looks, in the order in which one would mend what they find."""

from collections.abc import Callable, Iterator

from pipelines.doctor.finding import Finding, fault
from pipelines.doctor.hosts import mlflow, s3
from pipelines.doctor.installation import packages, python, telemetry
from pipelines.doctor.machine import devices, disks, memory, precision
from pipelines.doctor.project import dvc, recipe, repository

CHECKS: tuple[Callable[[], Iterator[Finding]], ...] = (
    python, packages, devices, precision, memory, disks, recipe, repository, dvc, mlflow, s3,
    telemetry,
)  # fmt: skip


def examine() -> Iterator[Finding]:
    """Look at everything."""
    for look in CHECKS:
        try:
            yield from look()
        except Exception as error:
            # a check that fails must not hide the others
            yield fault(
                look.__name__,
                f"{type(error).__name__}: {error}",
                "tell the maintainers; the other checks are not concerned",
            )
