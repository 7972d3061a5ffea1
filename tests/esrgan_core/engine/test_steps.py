import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from shutil import which

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import l1_loss

from esrgan_core.data.sampling import Pair
from esrgan_core.engine.execution import Execution
from esrgan_core.engine.optimizers import OptimizerConfig
from esrgan_core.engine.steps import SKIPPED, GanStep, LossWeights, PixelStep
from esrgan_core.losses.adversarial import ADVERSARIAL, AdversarialLoss
from esrgan_core.losses.perceptual import PerceptualLoss
from esrgan_core.models.discriminator import VGGDiscriminator, VGGDiscriminatorConfig
from esrgan_core.models.rrdb import RRDBNet, RRDBNetConfig
from tests.esrgan_core.losses.test_losses import Halves

ADAM = OptimizerConfig(learning_rate=1e-3)


def pair() -> Pair:
    torch.manual_seed(3)
    return Pair(lr=torch.rand(3, 3, 8, 8), hr=torch.rand(3, 3, 32, 32))


def generator(dtype: torch.dtype = torch.float32, *, batch_norm: bool = False) -> RRDBNet:
    torch.manual_seed(1)
    config = RRDBNetConfig(num_features=8, num_blocks=1, growth_channels=4, batch_norm=batch_norm)
    return RRDBNet(config).to(dtype)


def discriminator(dtype: torch.dtype = torch.float32) -> VGGDiscriminator:
    torch.manual_seed(2)
    return VGGDiscriminator(VGGDiscriminatorConfig(patch_size=32, num_features=4)).to(dtype)


def gan_step(
    adversarial: AdversarialLoss = ADVERSARIAL["relativistic_average"],
    dtype: torch.dtype = torch.float32,
) -> GanStep:
    return GanStep(
        generator(dtype),
        discriminator(dtype),
        PerceptualLoss(Halves(), {"half": 1.0}),
        adversarial,
        weights=LossWeights(),
        generator_optimizer=ADAM,
        discriminator_optimizer=ADAM,
        ema=0.5,
    )


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


def test_a_gan_step_equals_the_papers_formulas_in_the_published_order() -> None:
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
    # a relativistic loss moves the last bias by rounding alone, which Adam blows up to a step
    for network in (step.discriminator, d):
        network.get_parameter("classifier.3.bias").data.zero_()
    weights = zip(step.discriminator.parameters(), d.parameters(), strict=True)
    assert all(torch.allclose(ours, reference, atol=1e-6) for ours, reference in weights)


def test_the_discriminators_statistics_take_in_each_batch_once() -> None:
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


COMPILED = """
import sys
import torch
import torch.compiler.config
from esrgan_core.data.sampling import Pair
from esrgan_core.engine.execution import Execution
from esrgan_core.engine.optimizers import OptimizerConfig
from esrgan_core.engine.steps import PixelStep
from esrgan_core.models.rrdb import RRDBNet, RRDBNetConfig

torch.manual_seed(0)
pair = Pair(lr=torch.rand(3, 3, 8, 8), hr=torch.rand(3, 3, 32, 32))
keys = []
for mode in ("off", "default"):
    torch.manual_seed(1)
    config = RRDBNetConfig(num_features=8, num_blocks=1, growth_channels=4, block=sys.argv[1])
    generator = RRDBNet(config)
    adam, execution = OptimizerConfig(learning_rate=1e-3), Execution(compile=mode)
    step = PixelStep(generator, adam, ema=0.5, execution=execution)
    terms = [step(pair, 1.0) for _ in range(2)]
    print(*(f"{float(term[name]):.5f}" for term in terms for name in ("g/pixel", "g/gradient")))
    keys.append(list(step.state()["generator"].state_dict()))
assert keys[0] == keys[1]
assert torch.compiler.config.cache_key_tag == torch.backends.cpu.get_cpu_capability()
"""


@pytest.mark.skipif(which("g++") is None, reason="torch.compile needs a C++ compiler")
@pytest.mark.parametrize("block", ["residual", pytest.param("rrdb", marks=pytest.mark.long)])
def test_a_compiled_generator_learns_the_same(block: str, tmp_path: Path) -> None:
    plain, compiled = losses_plain_and_compiled(block, tmp_path)
    assert plain == compiled


@pytest.mark.long
@pytest.mark.skipif(which("g++") is None, reason="torch.compile needs a C++ compiler")
def test_kernels_of_another_processor_are_not_run(tmp_path: Path) -> None:
    for capability in ("default", "avx2"):
        plain, compiled = losses_plain_and_compiled(
            "residual", tmp_path, ATEN_CPU_CAPABILITY=capability
        )
        assert plain == compiled


def losses_plain_and_compiled(block: str, cache: Path, **environment: str) -> list[str]:
    """The lines that COMPILED prints in a process of its own.

    The compiler cannot see through the checks of shapes in tests.
    """
    done = subprocess.run(
        [sys.executable, "-c", COMPILED, block],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"TORCHINDUCTOR_CACHE_DIR": str(cache)} | environment,
    )
    return done.stdout.splitlines()


def test_a_training_does_not_wait_for_torchs_compiler() -> None:
    # torch.optim's classes import it: 3 s of each process
    plain = COMPILED.replace('("off", "default")', '("off", "off")').partition("assert keys")[0]
    check = plain + 'assert "torch._dynamo" not in sys.modules\n'
    subprocess.run([sys.executable, "-c", check, "residual"], check=True, capture_output=True)


def test_a_batch_in_parts_is_the_batch() -> None:
    whole = PixelStep(generator(), ADAM, ema=0.5)
    parts = PixelStep(generator(), ADAM, ema=0.5, accumulate=3)
    first, second = whole(pair(), rate=1.0), parts(pair(), rate=1.0)
    assert torch.allclose(first["g/pixel"], second["g/pixel"])
    assert torch.allclose(first["g/gradient"], second["g/gradient"], rtol=1e-4)
    with pytest.raises(ValueError, match="a batch of 3 cannot be computed in 2 equal parts"):
        PixelStep(generator(), ADAM, ema=0.5, accumulate=2)(pair(), rate=1.0)


def test_statistics_of_normalisation_forbid_what_would_change_them() -> None:
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


def test_the_average_takes_over_statistics() -> None:
    step = PixelStep(generator(batch_norm=True), ADAM, ema=0.9)
    step(pair(), rate=1.0)
    buffers = dict(step.generator.named_buffers())
    assert len(buffers) == 45
    for name, value in step.ema.network.named_buffers():
        assert torch.equal(value, buffers[name])


def test_measuring_the_average_leaves_its_statistics_alone() -> None:
    step = PixelStep(generator(batch_norm=True), ADAM, ema=0.9)
    step(pair(), rate=1.0)
    with torch.no_grad():
        step.ema.network(pair().lr)
    buffers = dict(step.generator.named_buffers())
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
        for index, values in step.state()[name].state_dict()["optimizer"]["state"].items()
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
