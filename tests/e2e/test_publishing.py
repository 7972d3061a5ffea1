"""`esrgan publish` after a failed call to MLflow: the same store as without a failure."""

from pathlib import Path

import pytest

from tests.support.publishing import Publishing
from tests.support.stores import When

TRIED = 5
"""Number of calls, evenly spread; `make soak` tries every call."""


@pytest.fixture(scope="module")
def publishing(project: Path) -> Publishing:
    return Publishing(project)


@pytest.mark.parametrize("when", ["before", "after"])
def test_after_a_failed_call_the_next_attempt_completes_the_store(
    publishing: Publishing, when: When
) -> None:
    count = len(publishing.calls)
    # the last ones register the model
    numbers = {*range(count // TRIED // 2, count, count // TRIED), count - 3, count - 1}
    problems = [publishing.problem(number, when) for number in sorted(numbers)]
    assert not list(filter(None, problems))
