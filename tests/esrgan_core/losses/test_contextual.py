"""The contextual loss and the pixel losses other than L1."""

import numpy as np
import torch
from torch import nn

from esrgan_core.losses.contextual import (
    MAX_FEATURES,
    contextual_distance,
    contextual_similarity,
)
from esrgan_core.losses.perceptual import PerceptualLoss
from esrgan_core.losses.pixel import LUMA_BORDER, luma_mse


def by_hand(sr: np.ndarray, hr: np.ndarray, width: float = 0.5) -> float:
    """Equations 1 to 4 of the paper, a feature at a time."""
    center = hr.mean(axis=1)
    first = [column - center for column in sr.T]
    second = [column - center for column in hr.T]
    shares = np.zeros((len(first), len(second)))
    for i, x in enumerate(first):
        distances = [(1 - x @ y / (np.linalg.norm(x) * np.linalg.norm(y))) / 2 for y in second]
        relative = np.array(distances) / (min(distances) + 1e-5)
        weights = np.exp((1 - relative) / width)
        shares[i] = weights / weights.sum()
    return float(shares.max(axis=0).mean())


def test_likeness_is_the_papers_formula() -> None:
    random = np.random.default_rng(0)
    sr, hr = random.normal(size=(6, 9)), random.normal(size=(6, 11))
    found = contextual_similarity(torch.tensor(sr)[None], torch.tensor(hr)[None])
    assert abs(float(found) - by_hand(sr, hr)) < 1e-9


def test_where_features_stand_does_not_matter() -> None:
    torch.manual_seed(0)
    sr, hr = torch.randn(2, 8, 30), torch.randn(2, 8, 30)
    shuffled = hr[:, :, torch.randperm(30)]
    assert torch.allclose(contextual_similarity(sr, hr), contextual_similarity(sr, shuffled))
    assert torch.allclose(contextual_similarity(hr, shuffled), torch.ones(2), atol=1e-3)


class Raw(nn.Module):
    def forward(self, image: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"raw": torch.cat([image, image.square(), image.roll(1, 3)], dim=1)}


def test_the_loss_pulls_and_hr_gets_no_gradient() -> None:
    torch.manual_seed(0)
    sr = torch.rand(1, 3, 10, 10, requires_grad=True)
    hr = torch.rand(1, 3, 10, 10, requires_grad=True)
    loss = PerceptualLoss(Raw(), {"raw": 1.0}, contextual_distance)
    value = loss(sr, hr)
    value.backward()
    assert hr.grad is None
    assert sr.grad is not None
    nearer = (sr - 0.05 * sr.grad / sr.grad.abs().max()).detach()
    assert loss(nearer, hr) < value
    assert loss(hr, hr) < 0.01


def test_large_patches_are_thinned_the_same_way_at_every_step() -> None:
    torch.manual_seed(0)
    side = int(MAX_FEATURES**0.5) + 3
    sr, hr = torch.rand(1, 3, side, side), torch.rand(1, 3, side, side)
    loss = PerceptualLoss(Raw(), {"raw": 1.0}, contextual_distance)
    assert torch.equal(loss(sr, hr), loss(sr, hr))


def test_luma_error_looks_at_luma_within_the_border() -> None:
    hr = torch.rand(1, 3, 40, 40)
    sr = hr.clone()
    sr[..., :LUMA_BORDER, :] = 0
    assert float(luma_mse(sr, hr)) == 0
    sr = hr + 0.1
    assert abs(float(luma_mse(sr, hr)) - (0.1 * 219 / 255) ** 2) < 1e-6
