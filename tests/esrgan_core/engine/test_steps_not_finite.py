"""Steps with a loss or a gradient that is not finite change nothing."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import l1_loss

from esrgan_core.data.sampling import Pair
from esrgan_core.engine.steps import SKIPPED, GanStep
from esrgan_core.losses.adversarial import ADVERSARIAL, AdversarialLoss
from tests.support.steps import gan_step, pair


def everything(step: GanStep) -> dict[str, Tensor]:
    """Every tensor of a step's state: weights, statistics, moments."""
    networks = {
        f"{name}.{key}": value
        for name in ("generator", "discriminator")
        for key, value in step.state()[name].state_dict().items()
    }
    moments = {
        f"{name}.{index}.{key}": value
        for name in ("generator_optimizer", "discriminator_optimizer")
        for index, values in step.state()[name].state_dict()["optimizer"]["state"].items()
        for key, value in values.items()
    }
    return {key: value.clone() for key, value in (networks | moments).items()}


class Poisoned(nn.Module):
    """A perceptual loss that a test can switch to a loss or gradient that is not finite."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind, self.active = kind, False

    def forward(self, sr: Tensor, hr: Tensor) -> Tensor:
        if not self.active:
            return l1_loss(sr, hr)
        if self.kind == "gradient":
            # the value is 0, its derivative is not finite
            return ((sr - sr.detach()).sum()).abs().sqrt()
        return l1_loss(sr, hr) * float(self.kind)


@pytest.mark.parametrize(
    "case", ["hr nan", "hr inf", "lr nan", "lr inf", "nan", "inf", "gradient", "discriminator"]
)
def test_nothing_moves_in_a_step_that_is_not_finite(case: str) -> None:
    poison = Poisoned(case if " " not in case else "nan")
    broken = [False]

    def discriminator_loss(real: Tensor, fake: Tensor) -> Tensor:
        loss = ADVERSARIAL["relativistic_average"].discriminator(real, fake)
        return loss * torch.nan if broken[0] else loss

    step = gan_step(
        AdversarialLoss(
            discriminator=discriminator_loss,
            generator=ADVERSARIAL["relativistic_average"].generator,
        )
    )
    step.perceptual = poison
    good = pair()
    step(good, rate=1.0)
    before = everything(step)
    if " " in case:
        which, value = case.split()
        tensors = {"lr": good.lr.clone(), "hr": good.hr.clone()}
        tensors[which][0, 0, 0, 0] = float(value)
        terms = step(Pair(**tensors), rate=1.0)
    elif case == "discriminator":
        broken[0] = True
        terms = step(good, rate=1.0)
        broken[0] = False
    else:
        poison.active = True
        terms = step(good, rate=1.0)
        poison.active = False
    assert float(terms[SKIPPED]) == 1
    after = everything(step)
    # one side may be sound and learn; the other must be as it was, and nothing may be lost
    sound = {"discriminator": "generator", "nan": "discriminator", "inf": "discriminator",
             "gradient": "discriminator"}.get(case)  # fmt: skip
    for key, old in before.items():
        assert after[key].isfinite().all(), key
        if sound is None or not key.startswith(sound):
            assert torch.equal(after[key], old), key
    assert float(step(good, rate=1.0)[SKIPPED]) == 0
    assert all(value.isfinite().all() for value in step.ema.network.state_dict().values())
