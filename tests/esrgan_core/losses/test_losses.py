import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from esrgan_core.losses.adversarial import (
    ADVERSARIAL,
    GanKind,
    detached_relativistic_average_loss,
    relativistic_average_loss,
)
from esrgan_core.losses.perceptual import PerceptualLoss

torch.manual_seed(0)
REAL, FAKE = torch.randn(6, 1), torch.randn(6, 1) - 1


def paper(real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
    """(L_D, L_G) of equations 1 and 2, written out."""
    real_looks = torch.sigmoid(real - fake.mean())
    fake_looks = torch.sigmoid(fake - real.mean())
    d = -real_looks.log().mean() - (1 - fake_looks).log().mean()
    g = -(1 - real_looks).log().mean() - fake_looks.log().mean()
    return d / 2, g / 2


@pytest.mark.parametrize("kind", ["relativistic_average", "relativistic_average_detached"])
def test_both_sides_equal_the_papers_formulas(kind: GanKind) -> None:
    d, g = paper(REAL, FAKE)
    assert torch.allclose(ADVERSARIAL[kind].discriminator(REAL, FAKE), d, atol=1e-6)
    # the roles are swapped: the generator wants fake above the mean of real
    assert torch.allclose(ADVERSARIAL[kind].generator(REAL, FAKE), g, atol=1e-6)
    assert not torch.allclose(d, g)


def test_the_standard_gan_judges_each_picture_alone() -> None:
    loss = ADVERSARIAL["standard"]
    d = -torch.sigmoid(REAL).log().mean() - (1 - torch.sigmoid(FAKE)).log().mean()
    assert torch.allclose(loss.discriminator(REAL, FAKE), d / 2, atol=1e-6)
    assert torch.allclose(loss.generator(REAL, FAKE), -torch.sigmoid(FAKE).log().mean(), atol=1e-6)


def test_the_detached_gradient_is_basicsrs_two_backward_passes() -> None:
    real, fake = REAL.clone().requires_grad_(), FAKE.clone().requires_grad_()
    ours = torch.autograd.grad(detached_relativistic_average_loss(real, fake), [real, fake])
    # each half by hand: the other side's mean is a number
    up = torch.sigmoid(REAL - FAKE.mean()) - 1
    down = torch.sigmoid(FAKE - REAL.mean())
    assert torch.allclose(ours[0], up / (2 * len(REAL)), atol=1e-7)
    assert torch.allclose(ours[1], down / (2 * len(FAKE)), atol=1e-7)


def test_the_joint_gradient_has_the_terms_of_both_means() -> None:
    real, fake = REAL.clone().requires_grad_(), FAKE.clone().requires_grad_()
    ours = torch.autograd.grad(relativistic_average_loss(real, fake), [real, fake])
    up = torch.sigmoid(REAL - FAKE.mean()) - 1
    down = torch.sigmoid(FAKE - REAL.mean())
    count = len(REAL)
    assert torch.allclose(ours[0], (up - down.mean()) / (2 * count), atol=1e-7)
    assert torch.allclose(ours[1], (down - up.mean()) / (2 * count), atol=1e-7)


def test_gradients_flow_through_both_means() -> None:
    real, fake = REAL.clone().requires_grad_(), FAKE.clone().requires_grad_()
    ours = torch.autograd.grad(relativistic_average_loss(real, fake), [real, fake])
    theirs = torch.autograd.grad(paper(real, fake)[0], [real, fake])
    assert all(torch.allclose(a, b, atol=1e-6) for a, b in zip(ours, theirs, strict=True))


@given(shift=st.floats(-50, 50))
def test_only_differences_of_logits_count(shift: float) -> None:
    plain = relativistic_average_loss(REAL, FAKE)
    assert torch.allclose(plain, relativistic_average_loss(REAL + shift, FAKE + shift), atol=1e-4)


class Halves(nn.Module):
    """Features that can be checked by hand: the image, and half of it."""

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        return {"whole": image, "half": image / 2}


def test_perceptual_loss_weighs_each_layer() -> None:
    loss = PerceptualLoss(Halves(), {"whole": 1.0, "half": 4.0})
    value = loss(torch.full((1, 3, 4, 4), 0.75), torch.full((1, 3, 4, 4), 0.25))
    assert torch.allclose(value, torch.tensor(0.5 + 4 * 0.25))
