import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import l1_loss

from esrgan_core.data.sampling import Pair
from esrgan_core.engine.steps import SKIPPED, AdamConfig, GanStep, LossWeights, PixelStep
from esrgan_core.losses.adversarial import ADVERSARIAL, AdversarialLoss
from esrgan_core.losses.perceptual import PerceptualLoss
from esrgan_core.models.discriminator import VGGDiscriminator, VGGDiscriminatorConfig
from esrgan_core.models.rrdb import RRDBNet, RRDBNetConfig
from tests.esrgan_core.losses.test_losses import Halves

ADAM = AdamConfig(learning_rate=1e-3)


def pair() -> Pair:
    torch.manual_seed(3)
    return Pair(lr=torch.rand(3, 3, 8, 8), hr=torch.rand(3, 3, 32, 32))


def generator() -> RRDBNet:
    torch.manual_seed(1)
    return RRDBNet(RRDBNetConfig(num_features=8, num_blocks=1, growth_channels=4))


def discriminator() -> VGGDiscriminator:
    torch.manual_seed(2)
    return VGGDiscriminator(VGGDiscriminatorConfig(patch_size=32, num_features=4))


def gan_step(adversarial: AdversarialLoss = ADVERSARIAL["relativistic_average"]) -> GanStep:
    return GanStep(
        generator(),
        discriminator(),
        PerceptualLoss(Halves(), {"half": 1.0}),
        adversarial,
        weights=LossWeights(),
        generator_optimizer=ADAM,
        discriminator_optimizer=ADAM,
        ema=0.5,
        precision="fp32",
    )


def close(network: nn.Module, reference: nn.Module) -> bool:
    pairs = zip(network.state_dict().values(), reference.state_dict().values(), strict=True)
    return all(torch.allclose(a.double(), b.double(), atol=1e-6) for a, b in pairs)


def test_a_pixel_step_is_adam_on_the_mean_absolute_error() -> None:
    step, batch = PixelStep(generator(), ADAM, ema=0.5, precision="fp32"), pair()
    terms = step(batch, rate=0.5)

    reference = generator()
    optimizer = torch.optim.Adam(reference.parameters(), lr=0.5e-3)
    loss = l1_loss(reference(batch.lr), batch.hr)
    loss.backward()
    optimizer.step()
    assert torch.allclose(terms["g/pixel"], loss)
    assert close(step.generator, reference)


def test_a_gan_step_equals_the_papers_formulas_in_the_published_order() -> None:
    step, single = gan_step(), pair()
    batch = Pair(lr=single.lr.double(), hr=single.hr.double())
    step.generator.double()
    step.discriminator.double()
    step.ema.network.double()
    step(batch, rate=1.0)

    g, d = generator().double(), discriminator().double()
    g_optimizer = torch.optim.Adam(g.parameters(), lr=1e-3)
    d_optimizer = torch.optim.Adam(d.parameters(), lr=1e-3)
    sr = g(batch.lr)
    real, fake = d(batch.hr), d(sr)
    adversarial = (
        -torch.log(1 - torch.sigmoid(real.detach() - fake.mean())).mean()
        - torch.log(torch.sigmoid(fake - real.detach().mean())).mean()
    ) / 2
    total = 1e-2 * l1_loss(sr, batch.hr) + l1_loss(sr / 2, batch.hr / 2) + 5e-3 * adversarial
    g_optimizer.zero_grad()
    total.backward()
    g_optimizer.step()
    d_optimizer.zero_grad()
    real, fake = d(batch.hr), d(sr.detach())
    loss = (
        -torch.log(torch.sigmoid(real - fake.mean())).mean()
        - torch.log(1 - torch.sigmoid(fake - real.mean())).mean()
    ) / 2
    loss.backward()
    d_optimizer.step()
    assert close(step.generator, g)
    # a relativistic loss moves the last bias by rounding alone, which Adam blows up to a step
    for network in (step.discriminator, d):
        network.get_parameter("classifier.3.bias").data.zero_()
    assert close(step.discriminator, d)


def test_each_side_is_asked_with_real_and_fake_in_this_order() -> None:
    asked: dict[str, Tensor] = {}

    def watch(side: str) -> Callable[[Tensor, Tensor], Tensor]:
        def loss(real: Tensor, fake: Tensor) -> Tensor:
            asked[side] = real.detach().mean()
            return real.mean() - fake.mean()

        return loss

    step = gan_step(AdversarialLoss(discriminator=watch("d"), generator=watch("g")))
    step.discriminator.eval()
    with torch.no_grad():
        real = step.discriminator(pair().hr).mean()
    step(pair(), rate=0.0)
    assert torch.allclose(asked["g"], real)
    assert torch.allclose(asked["d"], real)


def test_the_discriminator_is_frozen_only_while_the_generator_learns() -> None:
    step, batch = gan_step(), pair()
    before = copy.deepcopy(step.discriminator.state_dict())
    step.update_generator(step.generator(batch.lr), batch.hr)
    weights = dict(step.discriminator.named_parameters())
    assert all(torch.equal(before[name], weight) for name, weight in weights.items())
    assert all(weight.grad is None for weight in weights.values())
    assert all(weight.requires_grad for weight in weights.values())


def test_the_average_follows_by_its_decay() -> None:
    step = PixelStep(generator(), ADAM, ema=0.75, precision="fp32")
    before = [weight.clone() for weight in step.generator.parameters()]
    step(pair(), rate=1.0)
    for old, new, average in zip(
        before, step.generator.parameters(), step.ema.network.parameters(), strict=True
    ):
        assert torch.allclose(average, 0.75 * old + 0.25 * new)


def test_bf16_stays_near_fp32() -> None:
    exact = PixelStep(generator(), ADAM, ema=0.5, precision="fp32")(pair(), rate=1.0)
    rough = PixelStep(generator(), ADAM, ema=0.5, precision="bf16")(pair(), rate=1.0)
    assert torch.allclose(exact["g/pixel"], rough["g/pixel"], rtol=1e-2)


def test_the_average_takes_over_statistics() -> None:
    torch.manual_seed(1)
    config = RRDBNetConfig(num_features=8, num_blocks=1, growth_channels=4, batch_norm=True)
    step = PixelStep(RRDBNet(config), ADAM, ema=0.9, precision="fp32")
    step(pair(), rate=1.0)
    buffers = dict(step.generator.named_buffers())
    assert len(buffers) == 45
    for name, value in step.ema.network.named_buffers():
        assert torch.equal(value, buffers[name])


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
        for index, values in step.state()[name].state_dict()["state"].items()
        for key, value in values.items()
    }
    return {key: value.clone() for key, value in (networks | moments).items()}


class Poisoned(nn.Module):
    """A perceptual loss that is not finite, or whose gradient is not, once it is told to be."""

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
