from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  the field's name for it

from esrgan_core.models.configs import RRDBNetConfig
from esrgan_core.models.rrdb import RRDBNet, upsampled_conv


def tiny(scale: int = 4, **changes: Any) -> RRDBNet:
    torch.manual_seed(0)
    config = RRDBNetConfig(scale=scale, num_features=8, num_blocks=1, growth_channels=4, **changes)
    return RRDBNet(config)


def test_the_papers_network_has_its_published_number_of_parameters() -> None:
    with torch.device("meta"):
        network = RRDBNet(RRDBNetConfig(init="basicsr"))
    assert sum(weight.numel() for weight in network.parameters()) == 16_697_987


@settings(max_examples=10)
@given(scale=st.sampled_from([1, 2, 4, 8]), height=st.integers(3, 13), width=st.integers(3, 13))
def test_any_size_grows_by_the_scale(scale: int, height: int, width: int) -> None:
    sr = tiny(scale)(torch.rand(1, 3, height, width))
    assert sr.shape == (1, 3, scale * height, scale * width)


def test_influence_ends_at_the_receptive_field() -> None:
    # 15 convolutions per RRDB and 4 around them, in LR pixels
    network = tiny().eval()
    lr = torch.rand(1, 3, 48, 48)
    changed = lr.clone()
    changed[..., 0, 0] += 0.5
    difference = (network(lr) - network(changed)).abs().amax(dim=(0, 1))
    assert difference[: 4 * 2, : 4 * 2].max() > 0
    assert difference[4 * 20 :, :].max() == 0


@pytest.mark.parametrize("bad", [{"scale": 3}, {"num_blocks": 0}])
def test_impossible_shapes_are_refused(bad: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="must be"):
        RRDBNetConfig(**bad)  # type: ignore[arg-type]


def test_paper_initialisation_shrinks_every_convolution() -> None:
    torch.manual_seed(0)
    network = RRDBNet(RRDBNetConfig(num_blocks=1))
    # MSRA: sqrt(2 / fan_in), times 0.1
    expected = 0.1 * (2 / (64 * 9)) ** 0.5
    assert float(network.conv_hr.weight.detach().std()) == pytest.approx(expected, rel=0.02)


@pytest.mark.parametrize("batch_norm", [False, True])
@pytest.mark.parametrize(("block", "convolutions"), [("rrdb", 15), ("residual", 2)])
def test_named_variants_differ_in_their_blocks_alone(
    block: str, convolutions: int, batch_norm: bool
) -> None:
    network = tiny(block=block, batch_norm=batch_norm)
    kinds = [type(module).__name__ for module in network.body.modules()]
    assert kinds.count("Conv2d") == convolutions
    assert kinds.count("BatchNorm2d") == (convolutions if batch_norm else 0)
    assert network(torch.rand(1, 3, 7, 5)).shape == (1, 3, 28, 20)


@pytest.mark.parametrize("block", ["rrdb", "residual"])
def test_residual_scale_zero_leaves_the_trunk_out(block: str) -> None:
    network, lr = tiny(block=block, residual_scale=0.0), torch.rand(1, 3, 7, 5)
    first = network.conv_first(lr)
    assert torch.equal(network.body(first), first)


@pytest.mark.parametrize("block", ["rrdb", "residual"])
def test_a_training_in_half_precision_keeps_its_features_in_half(block: str) -> None:
    network = tiny(block=block)
    seen: dict[str, torch.dtype] = {}

    def looking_at(name: str) -> Callable[[nn.Module, tuple[Tensor]], None]:
        return lambda _, inputs: seen.update({name: inputs[0].dtype})

    for name, module in network.named_modules():
        if isinstance(module, nn.Conv2d) and name != "conv_first":
            module.register_forward_pre_hook(looking_at(name))
    with torch.autocast("cpu", torch.bfloat16):
        network(torch.rand(1, 3, 8, 8))
    assert set(seen.values()) == {torch.bfloat16}


@pytest.mark.parametrize(("height", "width"), [(1, 1), (2, 3), (7, 5)])
def test_a_convolution_of_upsampled_features_sees_each_pixel_once(height: int, width: int) -> None:
    torch.manual_seed(0)
    conv = nn.Conv2d(5, 6, 3, padding=1).double()
    x = torch.rand(2, 5, height, width, dtype=torch.float64, requires_grad=True)
    plain = conv(F.interpolate(x, scale_factor=2, mode="nearest"))
    found = upsampled_conv(x, conv)
    assert torch.allclose(found, plain, atol=1e-14)
    for one, two in zip(
        torch.autograd.grad(plain.sin().sum(), [x, *conv.parameters()]),
        torch.autograd.grad(found.sin().sum(), [x, *conv.parameters()]),
        strict=True,
    ):
        assert torch.allclose(one, two, atol=1e-12)
