import pytest
import torch

from esrgan_core.models.build import build_discriminator
from esrgan_core.models.configs import VGGDiscriminatorConfig


@pytest.mark.parametrize("patch_size", [64, 96, 128, 192])
def test_one_logit_per_patch(patch_size: int) -> None:
    config = VGGDiscriminatorConfig(patch_size=patch_size, num_features=4)
    logits = build_discriminator(config)(torch.rand(2, 3, patch_size, patch_size))
    assert logits.shape == (2, 1)


def test_the_published_network_for_128_has_its_number_of_parameters() -> None:
    with torch.device("meta"):
        network = build_discriminator(VGGDiscriminatorConfig())
    # BasicSR's VGGStyleDiscriminator(num_in_ch=3, num_feat=64, input_size=128)
    convolutions = 3 * 64 * 9 + 64 + 64 * 64 * 16
    for inputs, outputs in ((64, 128), (128, 256), (256, 512), (512, 512)):
        convolutions += inputs * outputs * 9 + outputs * outputs * 16
    norms = 2 * (64 + 2 * 128 + 2 * 256 + 4 * 512)
    linear = 512 * 4 * 4 * 100 + 100 + 101
    assert sum(weight.numel() for weight in network.parameters()) == convolutions + norms + linear


def test_channels_last_judges_alike() -> None:
    network = build_discriminator(VGGDiscriminatorConfig(patch_size=64, num_features=4)).eval()
    image = torch.rand(2, 3, 64, 64)
    plain = network(image)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    other = network(image.contiguous(memory_format=torch.channels_last))
    assert torch.allclose(plain, other, atol=1e-5)


def test_a_patch_that_does_not_halve_is_refused() -> None:
    with pytest.raises(ValueError, match="multiple of 32, got 100"):
        VGGDiscriminatorConfig(patch_size=100)
