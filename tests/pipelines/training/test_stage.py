"""The training of a stage."""

import pytest
import torch

from esrgan_core.engine.execution import Execution
from esrgan_core.engine.steps import Step
from pipelines.training import distributed
from pipelines.training.pixel import PixelTraining
from pipelines.training.stage import train


class EndOfTestError(Exception):
    """Ends the training before its first step."""


@pytest.mark.parametrize("is_native", [True, False])
def test_initial_weights_do_not_depend_on_the_test_of_emulated_bf16(
    is_native: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(distributed, "has_native_bf16", lambda device: is_native)
    drawn = list[float]()

    def build_step(execution: Execution) -> Step:
        assert execution.precision == "bf16"
        drawn.extend(torch.rand(4).tolist())
        raise EndOfTestError

    config = PixelTraining(steps=2, patch_size=32, batch_size=1, precision="bf16", seed=7)
    with pytest.raises(EndOfTestError):
        train("pretrain", build_step, config, identity={})
    torch.manual_seed(7)
    assert drawn == torch.rand(4).tolist()
