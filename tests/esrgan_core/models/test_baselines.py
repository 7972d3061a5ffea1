"""SRCNN, SRResNet and SFTNet: what their papers say of them."""

import numpy as np
import pytest
import torch
from torch import nn

from esrgan_core.inference.upscale import upscale
from esrgan_core.io.resize import resize_pixels
from esrgan_core.models.build import build_discriminator, build_generator
from esrgan_core.models.configs import (
    ClassDiscriminatorConfig,
    GeneratorConfig,
    SFTNetConfig,
    SRCNNConfig,
    SRGANDiscriminatorConfig,
    SRResNetConfig,
)
from esrgan_core.models.srcnn import SRCNN
from esrgan_core.models.weights import load_generator, save_weights
from esrgan_core.tensors import rgb_to_y
from tests.conftest import textured


def weights_of(network: nn.Module) -> int:
    return sum(weight.numel() for weight in network.parameters())


def test_srcnn_has_its_published_number_of_weights() -> None:
    # 9 x 9 x 64 + 64 x 32 + 5 x 5 x 32, and a bias for every filter
    assert weights_of(build_generator(SRCNNConfig())) == 5184 + 2048 + 800 + 64 + 32 + 1


def test_srcnn_whose_convolutions_copy_is_bicubic_enlargement() -> None:
    network = SRCNN(SRCNNConfig(num_features=(1, 1)))
    for conv in (network.conv1, network.conv2, network.conv3):
        nn.init.dirac_(conv.weight)
    lr = textured(17, 23)
    assert np.abs(upscale(network, lr).astype(int) - resize_pixels(lr, 4)).max() <= 1


def test_srcnn_corrects_luma_alone() -> None:
    network = build_generator(SRCNNConfig()).eval()
    lr = torch.rand(1, 3, 9, 11)
    first = network(lr)
    nn.init.constant_(network.conv3.bias, 0.1)  # type: ignore[union-attr,arg-type]
    second = network(lr)
    change = second - first
    # equal in all channels: luma has changed by it, chroma has not
    assert torch.allclose(change, change.mean(dim=1, keepdim=True), atol=1e-5)
    assert torch.allclose(rgb_to_y(second) - rgb_to_y(first), torch.tensor(0.1), atol=1e-5)


@pytest.mark.parametrize("scale", [2, 4, 8])
def test_srresnet_grows_by_the_scale(scale: int) -> None:
    network = build_generator(SRResNetConfig(scale=scale, num_features=8, num_blocks=1)).eval()
    assert network(torch.rand(1, 3, 5, 7)).shape == (1, 3, 5 * scale, 7 * scale)


def test_srresnet_has_sixteen_normalised_blocks() -> None:
    network = build_generator(SRResNetConfig())
    assert sum(isinstance(module, nn.BatchNorm2d) for module in network.modules()) == 2 * 16 + 1
    assert weights_of(network) == 1_549_462


def test_srgans_discriminator_has_eight_convolutions_and_a_dense_layer_of_1024() -> None:
    judge = build_discriminator(SRGANDiscriminatorConfig())
    convs = [module for module in judge.modules() if isinstance(module, nn.Conv2d)]
    dense = [module.out_features for module in judge.modules() if isinstance(module, nn.Linear)]
    assert [conv.out_channels for conv in convs] == [64, 64, 128, 128, 256, 256, 512, 512]
    assert [conv.stride[0] for conv in convs] == [1, 2] * 4
    assert dense == [1024, 1]
    assert judge(torch.rand(2, 3, 96, 96)).shape == (2, 1)


def test_sftgans_discriminator_names_classes_beside_its_verdict() -> None:
    judge = build_discriminator(ClassDiscriminatorConfig(num_features=4, num_classes=5))
    assert judge(torch.rand(2, 3, 96, 96)).shape == (2, 6)


def tiny_sft(form: str = "plus_one") -> nn.Module:
    torch.manual_seed(0)
    config = SFTNetConfig(
        num_features=8, num_blocks=2, num_classes=3, condition_features=4,
        form=form,  # type: ignore[arg-type]
    )  # fmt: skip
    return build_generator(config).eval()


def test_sftnet_sees_what_it_is_told_at_either_size() -> None:
    network, lr = tiny_sft(), torch.rand(1, 3, 6, 7)
    small = torch.rand(1, 3, 6, 7)
    large = small.repeat_interleave(4, dim=2).repeat_interleave(4, dim=3)
    assert torch.equal(network(lr, small), network(lr, large))
    assert not torch.allclose(network(lr, small), network(lr, small.flip(1)))


def test_sftnets_forms_differ_by_the_features_themselves() -> None:
    trained, released = tiny_sft(), tiny_sft("plain")
    x, condition = torch.rand(1, 8, 5, 5), torch.rand(1, 4, 5, 5)
    first, second = trained.body[0].sft0, released.body[0].sft0  # type: ignore[index,union-attr]
    second.slope = first.slope
    assert torch.allclose(first(x, condition) - second(x, condition), x, atol=1e-6)


@pytest.mark.parametrize(
    "config",
    [SRCNNConfig(num_features=(4, 2)), SRResNetConfig(num_features=4, num_blocks=1)],
    ids=lambda config: type(config).__name__,
)
def test_a_baseline_comes_back_from_its_file(config: GeneratorConfig, tmp_path) -> None:  # type: ignore[no-untyped-def]
    network = build_generator(config).eval()
    save_weights(tmp_path / "n.safetensors", network.state_dict(), config, {})
    found = load_generator(tmp_path / "n.safetensors")
    assert found.config == config
    lr = textured(9, 12)
    assert np.array_equal(upscale(found, lr), upscale(network, lr))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SRCNNConfig(kernels=(9, 2, 5)), "odd"),
        (lambda: SRCNNConfig(scale=1), "at least 2"),
        (lambda: SRResNetConfig(scale=3), "2, 4 or 8"),
        (lambda: SFTNetConfig(scale=2), "must be 4"),
        (lambda: SRGANDiscriminatorConfig(patch_size=100), "multiple of 16"),
    ],
)
def test_shapes_that_cannot_be_are_refused(make, message: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError, match=message):
        make()
