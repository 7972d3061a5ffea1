"""The short training from which `esrgan plan` estimates; tests/e2e runs it."""

import pytest

from pipelines.config.params import read_yaml
from pipelines.ops.estimates.training import TRAININGS, trial_section
from pipelines.stages.params_check import check_params
from tests.support import ROOT


@pytest.mark.parametrize("stage", TRAININGS)
def test_a_trial_of_the_sample_recipe_is_valid(stage: str) -> None:
    params = read_yaml(ROOT / "params.yaml")
    params["pretrain"]["optimizer"] |= {"freeze_steps": 200, "rate_factors": {"conv": 2}}
    check_params({**params, stage: trial_section(params[stage])}, files=False)
