from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import l1_loss

from esrgan_core.data.sampling import Pair
from esrgan_core.engine.execution import Execution
from esrgan_core.engine.steps import PixelStep
from esrgan_core.losses.adversarial import AdversarialLoss
from tests.support.steps import ADAM, discriminator, gan_step, generator, pair


def close(network: nn.Module, reference: nn.Module) -> bool:
    pairs = zip(network.state_dict().values(), reference.state_dict().values(), strict=True)
    return all(torch.allclose(a.double(), b.double(), atol=1e-6) for a, b in pairs)


def test_a_pixel_step_is_adam_on_the_mean_absolute_error() -> None:
    step, batch = PixelStep(generator(), ADAM, ema=0.5), pair()
    terms = step(batch, rate=0.5)

    reference = generator()
    optimizer = torch.optim.Adam(reference.parameters(), lr=0.5e-3)
    loss = l1_loss(reference(batch.lr), batch.hr)
    loss.backward()
    optimizer.step()
    assert torch.allclose(terms["g/pixel"], loss)
    assert close(step.generator, reference)


def test_a_gan_step_equals_the_papers_formulas() -> None:
    step, single = gan_step(dtype=torch.float64), pair()
    batch = Pair(lr=single.lr.double(), hr=single.hr.double())
    step(batch, rate=1.0)

    g, d = generator(torch.float64), discriminator(torch.float64)
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
    # a relativistic loss moves the last bias only by rounding, which Adam amplifies to a step
    for network in (step.discriminator, d):
        network.get_parameter("classifier.3.bias").data.zero_()
    weights = zip(step.discriminator.parameters(), d.parameters(), strict=True)
    assert all(torch.allclose(ours, reference, atol=1e-6) for ours, reference in weights)


def test_the_discriminators_statistics_count_each_batch_once() -> None:
    step, batch = gan_step(), pair()
    with torch.no_grad():
        sr = generator()(batch.lr)
    reference = discriminator()
    with torch.no_grad():
        reference(batch.hr)
        reference(sr)
    step(batch, rate=1.0)
    for name, value in step.discriminator.named_buffers():
        assert torch.allclose(value.float(), reference.get_buffer(name).float(), atol=1e-5), name


def test_both_losses_get_real_and_fake_in_this_order() -> None:
    received: dict[str, Tensor] = {}

    def record(side: str) -> Callable[[Tensor, Tensor], Tensor]:
        def loss(real: Tensor, fake: Tensor) -> Tensor:
            received[side] = real.detach().mean()
            return real.mean() - fake.mean()

        return loss

    step = gan_step(AdversarialLoss(discriminator=record("d"), generator=record("g")))
    step.discriminator.eval()
    with torch.no_grad():
        real = step.discriminator(pair().hr).mean()
    step(pair(), rate=0.0)
    assert torch.allclose(received["g"], real)
    assert torch.allclose(received["d"], real)


def test_weights_and_gradients_stay_views_of_one_tensor() -> None:
    step, batch = gan_step(), pair()
    for _ in range(2):
        step(batch, rate=1.0)
    for network in (step.generator, step.discriminator):
        storages = {weight.untyped_storage().data_ptr() for weight in network.parameters()}
        gradients = {weight.grad.untyped_storage().data_ptr() for weight in network.parameters()}  # type: ignore[union-attr]
        assert len(storages) == len(gradients) == 1
        convolutions = [weight for weight in network.parameters() if weight.ndim == 4]
        assert all(
            weight.is_contiguous(memory_format=torch.channels_last) for weight in convolutions
        )


def test_checkpointing_gives_the_same_bits() -> None:
    steps = [
        PixelStep(generator(), ADAM, ema=0.5, execution=Execution(checkpointing=value))
        for value in (False, True)
    ]
    for step in steps:
        for _ in range(3):
            step(pair(), rate=1.0)
    plain, again = (step.ema.network.state_dict() for step in steps)
    assert all(torch.equal(plain[key], again[key]) for key in plain)


def test_accumulation_gives_the_same_gradient() -> None:
    whole = PixelStep(generator(), ADAM, ema=0.5)
    parts = PixelStep(generator(), ADAM, ema=0.5, accumulate=3)
    first, second = whole(pair(), rate=1.0), parts(pair(), rate=1.0)
    assert torch.allclose(first["g/pixel"], second["g/pixel"])
    assert torch.allclose(first["g/gradient"], second["g/gradient"], rtol=1e-4)
    with pytest.raises(ValueError, match="a batch of 3 cannot be computed in 2 equal parts"):
        PixelStep(generator(), ADAM, ema=0.5, accumulate=2)(pair(), rate=1.0)


def test_batch_norm_excludes_accumulation_and_checkpointing() -> None:
    with pytest.raises(ValueError, match="accumulate would normalize"):
        PixelStep(generator(batch_norm=True), ADAM, ema=0.5, accumulate=3)
    with pytest.raises(ValueError, match="checkpointing would count"):
        PixelStep(
            generator(batch_norm=True), ADAM, ema=0.5, execution=Execution(checkpointing=True)
        )


def test_the_average_follows_by_its_decay() -> None:
    step = PixelStep(generator(), ADAM, ema=0.75)
    before = [weight.clone() for weight in step.generator.parameters()]
    step(pair(), rate=1.0)
    for old, new, average in zip(
        before, step.generator.parameters(), step.ema.network.parameters(), strict=True
    ):
        assert torch.allclose(average, 0.75 * old + 0.25 * new)


def test_bf16_stays_near_fp32() -> None:
    exact = PixelStep(generator(), ADAM, ema=0.5)(pair(), rate=1.0)
    rough = PixelStep(generator(), ADAM, ema=0.5, execution=Execution(precision="bf16"))(
        pair(), rate=1.0
    )
    assert torch.allclose(exact["g/pixel"], rough["g/pixel"], rtol=1e-2)


def test_the_average_copies_statistics() -> None:
    step = PixelStep(generator(batch_norm=True), ADAM, ema=0.9)
    step(pair(), rate=1.0)
    buffers = dict(step.generator.named_buffers())
    assert len(buffers) == 45
    for name, value in step.ema.network.named_buffers():
        assert torch.equal(value, buffers[name])


def test_evaluating_the_average_does_not_change_its_statistics() -> None:
    step = PixelStep(generator(batch_norm=True), ADAM, ema=0.9)
    step(pair(), rate=1.0)
    with torch.no_grad():
        step.ema.network(pair().lr)
    buffers = dict(step.generator.named_buffers())
    for name, value in step.ema.network.named_buffers():
        assert torch.equal(value, buffers[name])
