import pytest
import torch
from torch import nn

from esrgan_core.engine.selection import SelectConfig, Selection


def network(value: float) -> nn.Linear:
    layer = nn.Linear(1, 1)
    nn.init.constant_(layer.weight, value)
    return layer


def chosen(config: SelectConfig, *validations: dict[str, float]) -> Selection:
    """What is selected when the weights are the numbers of the validations."""
    layer = network(0)
    selection = Selection(config, layer)
    selection.begin(validations[0])
    for step, values in enumerate(validations[1:], start=1):
        nn.init.constant_(layer.weight, step)
        selection.consider(step, values)
    assert float(selection.weights["weight"]) == selection.step
    return selection


def test_by_default_the_best_psnr_y_is_taken() -> None:
    validations = [{"psnr_y": value} for value in (29.0, 27.0, 28.0, 27.5)]
    assert chosen(SelectConfig(), *validations).step == 2


def test_within_the_bound_the_perceptual_value_decides() -> None:
    rule = SelectConfig(metric="niqe", psnr_y_loss=2.0)
    start = {"psnr_y": 28.0, "niqe": 7.0}
    best_outside = {"psnr_y": 25.0, "niqe": 3.0}
    good, better = {"psnr_y": 27.0, "niqe": 6.0}, {"psnr_y": 26.5, "niqe": 5.0}
    selection = chosen(rule, start, good, better, best_outside)
    assert (selection.step, selection.is_within_bound) == (2, True)


def test_if_none_keeps_to_the_bound_the_nearest_is_taken_and_said() -> None:
    rule = SelectConfig(metric="niqe", psnr_y_loss=1.0)
    start = {"psnr_y": 28.0, "niqe": 7.0}
    selection = chosen(rule, start, {"psnr_y": 20.0, "niqe": 1.0}, {"psnr_y": 26.0, "niqe": 6.0})
    assert (selection.step, selection.is_within_bound) == (2, False)


def test_a_value_that_is_no_number_is_never_better() -> None:
    selection = chosen(SelectConfig(), {"psnr_y": 20.0}, {"psnr_y": 25.0}, {"psnr_y": float("nan")})
    assert selection.step == 1


@pytest.mark.parametrize("bound", [None, 1.0])
def test_a_network_that_is_not_finite_is_never_taken(bound: float | None) -> None:
    layer = network(1)
    selection = Selection(SelectConfig(psnr_y_loss=bound), layer)
    selection.begin({"psnr_y": 20.0})
    # results that are not finite, then weights
    selection.consider(1, {"psnr_y": float("nan")})
    nn.init.constant_(layer.weight, float("nan"))
    selection.consider(2, {"psnr_y": 30.0})
    assert (selection.weights, selection.waited) == ({}, 2)
    nn.init.constant_(layer.weight, 3)
    selection.consider(3, {"psnr_y": 10.0})
    assert (selection.step, selection.waited) == (3, 0)


def test_patience_ends_the_training_and_survives() -> None:
    rule = SelectConfig(patience=2)
    selection = chosen(rule, *({"psnr_y": value} for value in (20.0, 25.0, 24.0)))
    assert not selection.is_exhausted
    again = Selection(rule, network(5))
    again.load_state_dict(selection.state_dict())
    again.consider(3, {"psnr_y": 24.0})
    assert again.is_exhausted
    assert torch.equal(again.weights["weight"], selection.weights["weight"])


def test_an_unknown_metric_is_refused() -> None:
    with pytest.raises(ValueError, match="no metric 'psnr'; there are"):
        SelectConfig(metric="psnr")
