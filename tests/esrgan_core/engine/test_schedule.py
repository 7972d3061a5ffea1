import pytest

from esrgan_core.engine.schedule import Schedule


def test_the_published_halvings() -> None:
    schedule = Schedule(milestones=(50_000, 100_000, 200_000, 300_000))
    steps = (1, 50_000, 50_001, 150_000, 400_000)
    assert [schedule.factor(step, 400_000) for step in steps] == [1, 1, 0.5, 0.25, 0.0625]


def test_cosine_rises_and_falls_to_its_floor() -> None:
    schedule = Schedule(kind="cosine", warmup=10, floor=0.1)
    assert schedule.factor(5, 110) == 0.5
    assert schedule.factor(10, 110) == 1
    assert schedule.factor(60, 110) == pytest.approx(0.55)
    assert schedule.factor(110, 110) == pytest.approx(0.1)
