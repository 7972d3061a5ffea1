"""All checks, in the order in which one would fix what they find."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

from pipelines.ops.doctor import Finding
from pipelines.ops.doctor.hosts import check_mlflow, check_s3
from pipelines.ops.doctor.installation import check_packages, check_python, check_telemetry
from pipelines.ops.doctor.project import check_dvc, check_git, check_params_yaml

Check = Callable[[], Iterator[Finding]]
WAITING: tuple[Check, ...] = (check_git, check_dvc, check_mlflow, check_s3, check_telemetry)
"""Checks that wait for programs and hosts, hence run while the others compute."""


def run_checks() -> Iterator[Finding]:
    """Run all checks; one that fails does not stop the others."""
    with ThreadPoolExecutor(len(WAITING), thread_name_prefix="doctor") as pool:
        waiting = [pool.submit(_run, check) for check in WAITING]
        for check in (check_python, check_packages):
            yield from _run(check)
        # after the check of packages, since torch may be missing
        from pipelines.ops.doctor.machine import MACHINE  # noqa: PLC0415

        for check in (*MACHINE, check_params_yaml):
            yield from _run(check)
        for future in waiting:
            yield from future.result()


def _run(check: Check) -> list[Finding]:
    try:
        return list(check())
    except Exception as error:
        message = f"{type(error).__name__}: {error}"
        return [Finding(check.__name__, message, "report this bug to the maintainers")]
