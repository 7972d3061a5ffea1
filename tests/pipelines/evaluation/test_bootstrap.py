import math

import numpy as np
import pandas as pd
import pytest

from pipelines.evaluation.bootstrap import (
    interval_table,
    mean_interval,
    paired_difference,
    worst_images,
)


def table(model: str, values: list[float], metric: str = "psnr_y") -> pd.DataFrame:
    names = [str(number) for number in range(len(values))]
    return pd.DataFrame({"model": model, "set": "a", "name": names, metric: values})


def test_the_interval_of_many_values_is_that_of_the_normal_distribution() -> None:
    values = np.random.default_rng(1).normal(30, 2, 400)
    found = mean_interval(values.tolist())
    half = 1.96 * values.std() / math.sqrt(400)
    assert found.low == pytest.approx(values.mean() - half, abs=0.03)
    assert found.high == pytest.approx(values.mean() + half, abs=0.03)
    assert mean_interval(values.tolist()) == found


def test_one_value_has_no_interval() -> None:
    found = mean_interval([3.0])
    assert math.isnan(found.low)
    assert str(found) == "3.000 (one image)"


def test_intervals_cover_the_true_mean_as_often_as_their_confidence() -> None:
    random = np.random.default_rng(2)
    found = [mean_interval(random.normal(0, 1, 40).tolist()) for _ in range(100)]
    assert 85 <= sum(one.low <= 0 <= one.high for one in found) <= 100


def test_a_difference_is_paired_by_image() -> None:
    ours, theirs = table("a", [30.5, 20.5, 25.5]), table("b", [30.0, 20.0, 25.0])
    assert paired_difference(ours, theirs.iloc[::-1], "psnr_y") == mean_interval([0.5, 0.5, 0.5])
    assert paired_difference(ours, theirs.drop(columns="psnr_y"), "psnr_y") is None


def test_the_worst_images_have_low_psnr_or_high_niqe() -> None:
    assert list(worst_images(table("a", [30, 20, 25]), "a", "psnr_y", 2)["name"]) == ["1", "2"]
    assert list(worst_images(table("a", [3, 9, 5], "niqe"), "a", "niqe", 1)["name"]) == ["1"]


def test_a_row_for_every_model_set_and_metric() -> None:
    both = pd.concat([table("a", [1, 2]), table("b", [3, 4])])
    found = interval_table(both)
    assert list(found["model"]) == ["a", "b"]
    assert list(found["mean"]) == [1.5, 3.5]
    assert list(found["count"]) == [2, 2]
