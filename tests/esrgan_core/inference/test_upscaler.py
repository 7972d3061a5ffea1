"""Images of every kind through a network, in their own mode and depth."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from esrgan_core.inference import tiling
from esrgan_core.inference import upscaler as module
from esrgan_core.inference.config import UpscaleConfig
from esrgan_core.inference.engines.engine import Engine
from esrgan_core.inference.half_precision import describe_error
from esrgan_core.inference.upscale import upscale
from esrgan_core.inference.upscaler import Upscaler
from esrgan_core.io.decoded_image import DecodedImage
from esrgan_core.io.decoding import BadImageError
from esrgan_core.io.resize import imresize, resize_pixels
from esrgan_core.models.build import Generator, build_generator
from esrgan_core.models.configs import GeneratorConfig, SRCNNConfig
from esrgan_core.models.rrdb import RRDBNet
from esrgan_core.models.weights import network_state
from esrgan_core.tensors import to_pixels
from tests.support.networks import SMALL, Nearest, WrongInHalf

PLENTY = 2**34
RANDOM = np.random.default_rng(0)


def made(
    network: Generator, *, memory: int = PLENTY, said: list[str] | None = None, **words: object
) -> Upscaler:
    words = {"device": "cpu", "precision": "fp32"} | words
    config = UpscaleConfig(**words)  # type: ignore[arg-type]
    say: Callable[[str], None] = (said if said is not None else []).append
    return Upscaler(network_state(network), config, free_memory=lambda: memory, log=say)


def small() -> RRDBNet:
    torch.manual_seed(0)
    return RRDBNet(SMALL).eval()


def values(channels: int, kind: type) -> np.ndarray:
    most = 1 if kind is np.float32 else np.iinfo(kind).max
    return (RANDOM.random((20, 30, channels)) * most).astype(kind)


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.float32])
def test_a_network_that_changes_nothing_changes_nothing(channels: int, kind: type) -> None:
    image = DecodedImage(
        pixels=values(channels, kind), alpha=np.full((20, 30), values(1, kind).max())
    )
    result = made(Nearest(1))(image)
    off = np.abs(result.pixels.astype(float) - image.pixels.astype(float)).max()
    assert off <= (1e-6 if kind is np.float32 else 0)
    assert result.alpha is not None
    assert image.alpha is not None
    assert np.allclose(result.alpha, image.alpha)


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (7, 1)])
@pytest.mark.parametrize(
    "config",
    [*(replace(SMALL, scale=scale) for scale in (1, 2, 4, 8)), SRCNNConfig(scale=2)],
)
def test_images_of_one_pixel_a_side_with_an_ensemble(
    config: GeneratorConfig, shape: tuple[int, int]
) -> None:
    torch.manual_seed(0)
    network = build_generator(config).eval()
    pixels = RANDOM.random((*shape, 3)).astype(np.float32)
    turned = [lambda x, k=k: torch.rot90(x, k, (2, 3)) for k in range(4)]
    turned += [lambda x, k=k: torch.rot90(x.flip(3), k, (2, 3)) for k in range(4)]
    back = [lambda x, k=k: torch.rot90(x, -k, (2, 3)) for k in range(4)]
    back += [lambda x, k=k: torch.rot90(x, -k, (2, 3)).flip(3) for k in range(4)]
    lr = torch.from_numpy(pixels).permute(2, 0, 1)[None]
    with torch.inference_mode():
        results = [undo(network(do(lr))) for do, undo in zip(turned, back, strict=True)]
    mean = torch.stack(results).mean(0)[0].permute(1, 2, 0).numpy()
    found = made(network, ensemble=True)(DecodedImage(pixels=pixels)).pixels
    assert np.allclose(found, mean, atol=1e-5)
    found = made(network, ensemble=True, scale=3)(DecodedImage(pixels=pixels)).pixels
    assert found.shape == (3 * shape[0], 3 * shape[1], 3)


def test_every_one_of_65536_levels_comes_through() -> None:
    ramp = np.arange(65536, dtype=np.uint16).reshape(256, 256, 1)
    result = made(Nearest(1))(DecodedImage(pixels=ramp))
    assert np.abs(result.pixels.astype(int) - ramp).max() <= 1


def test_rgb_is_what_the_evaluation_sees() -> None:
    network, lr = small(), values(3, np.uint8)
    assert np.array_equal(made(network)(DecodedImage(pixels=lr)).pixels, upscale(network, lr))


def test_what_alpha_hides_leaves_no_fringe() -> None:
    color = np.broadcast_to(np.array([200, 120, 40], np.uint8), (32, 32, 3)).copy()
    disk = np.hypot(*np.mgrid[-15.5:16, -15.5:16]) < 11
    alpha = np.where(disk, 255, 0).astype(np.uint8)
    hidden = np.where(disk[..., None], color, np.array([0, 255, 255], np.uint8))
    upscaler = made(small())
    opaque = upscaler(DecodedImage(pixels=color)).pixels.astype(float)
    result = upscaler(DecodedImage(pixels=hidden, alpha=alpha))
    assert result.alpha is not None
    seen = result.alpha > 0
    assert seen.any()
    assert np.abs(result.pixels - opaque)[seen].max() <= 2
    assert (result.alpha[56:72, 56:72] == 255).all()
    assert (result.alpha[:8, :8] == 0).all()


def test_another_scale_is_resized_before_it_is_rounded() -> None:
    lr = values(3, np.uint8)
    result = made(Nearest(4), scale=2.5)(DecodedImage(pixels=lr)).pixels
    assert result.shape == (50, 75, 3)
    large = lr.repeat(4, axis=0).repeat(4, axis=1)
    wanted = (imresize(large, size=(50, 75), divisor=255).clip(0, 1) * 255 + 0.5).astype(np.uint8)
    assert np.abs(result.astype(int) - wanted).max() <= 1


def test_sizes_are_not_rounded_up_for_an_error_of_arithmetic() -> None:
    upscaler = made(Nearest(1), scale=0.1)
    assert upscaler.output_size(30, 31) == (3, 4)
    image = DecodedImage(pixels=np.zeros((30, 31, 3), np.uint8), alpha=np.zeros((30, 31), np.uint8))
    assert upscaler(image).pixels.shape == (3, 4, 3)


def test_self_ensemble_is_the_mean_over_flips_and_turns() -> None:
    network, lr = small(), values(3, np.uint8)
    images = torch.from_numpy(lr / np.float32(255)).permute(2, 0, 1)[None]
    results: list[Tensor] = []
    with torch.inference_mode():
        for turns in range(4):
            for flip in (False, True):
                turned = images.rot90(turns, (2, 3))
                sr = network(turned.flip(3) if flip else turned)
                results.append((sr.flip(3) if flip else sr).rot90(-turns, (2, 3)))
    wanted = to_pixels(torch.stack(results).mean(0))
    found = made(network, ensemble=True)(DecodedImage(pixels=lr)).pixels
    assert np.abs(found.astype(int) - wanted).max() <= 1
    assert (found != wanted).mean() < 1e-3


def test_little_memory_makes_tiles_and_says_so() -> None:
    network, said = small(), list[str]()
    lr = RANDOM.integers(0, 256, (300, 400, 3)).astype(np.uint8)
    memory = int(1.2 * (96 * 2**20 + 150 * 150 * 900))
    result = made(network, memory=memory, said=said)(DecodedImage(pixels=lr)).pixels
    assert np.abs(result.astype(int) - upscale(network, lr)).max() <= 1
    assert len(said) == 1
    assert said[0].startswith("400x300 pixels in tiles of ")


def test_a_tile_that_does_not_fit_is_halved_unless_it_was_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    network, said = small(), list[str]()
    lr = RANDOM.integers(0, 256, (64, 200, 3)).astype(np.uint8)
    whole, real = upscale(network, lr), tiling.upscale_tiled

    def failing(engine: Engine, lr: np.ndarray, *words: object, **options: object) -> float:
        if not 0 < int(str(options["side"])) <= 60:
            raise MemoryError
        return real(engine, lr, *words, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "upscale_tiled", failing)
    result = made(network, said=said)(DecodedImage(pixels=lr)).pixels
    assert np.abs(result.astype(int) - whole).max() <= 1
    assert said[0] == "out of memory; trying tiles of 100 pixels"
    with pytest.raises(MemoryError, match="a tile of 128 does not fit"):
        made(network, tile=128)(DecodedImage(pixels=lr))


def test_memory_that_ends_in_the_middle_of_an_ensemble_costs_no_turn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    network = small()
    image = DecodedImage(pixels=RANDOM.integers(0, 256, (64, 64, 3)).astype(np.uint8))
    wanted, real = made(network, ensemble=True)(image).pixels, tiling.upscale_tiled
    turns = list[int]()

    def failing(engine: Engine, lr: np.ndarray, *words: object, **options: object) -> float:
        turns.append(int(str(options["side"])))
        if len(turns) == 3:
            raise MemoryError
        return real(engine, lr, *words, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "upscale_tiled", failing)
    result = made(network, ensemble=True)(image).pixels
    assert turns == [0] * 3 + [32] * 8
    assert np.abs(result.astype(int) - wanted).max() <= 1


@pytest.mark.parametrize(
    ("value", "words"),
    [(float("nan"), "not finite"), (0.0, "black"), (0.5, "results off by up to")],
)
def test_half_precision_that_is_wrong_is_not_used(value: float, words: str) -> None:
    said: list[str] = []
    network, lr = WrongInHalf(value).eval(), values(3, np.uint8)
    result = made(network, precision="bf16", said=said)(DecodedImage(pixels=lr)).pixels
    assert np.array_equal(result, upscale(network, lr))
    assert words in said[0]
    assert "using fp32" in said[0]


def test_half_precision_is_near_and_16_bits_are_exact() -> None:
    network, said = small(), list[str]()
    upscaler = made(network, precision="bf16", said=said)
    lr = resize_pixels(RANDOM.integers(0, 256, (12, 12, 3)).astype(np.uint8), 4)
    found = upscaler(DecodedImage(pixels=lr)).pixels
    assert said[0].startswith("bf16, off by at most")
    assert np.abs(found.astype(int) - upscale(network, lr)).max() <= 8
    deep = lr.astype(np.uint16) * 257
    exact = made(network)(DecodedImage(pixels=deep)).pixels
    assert np.array_equal(upscaler(DecodedImage(pixels=deep)).pixels, exact)


def test_a_departure_names_what_is_wrong() -> None:
    right = np.full((4, 4, 3), 0.5, np.float32)
    assert describe_error(right + 0.001, right) == ""
    assert "black" in describe_error(right * 0, right)


@pytest.mark.parametrize(
    ("words", "message"), [({"tile": 8}, "at least 32"), ({"scale": 0.0}, "scale must be in")]
)
def test_what_cannot_be_done_is_refused(words: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        UpscaleConfig(**words)  # type: ignore[arg-type]


def test_a_device_that_is_not_there_is_named() -> None:
    with pytest.raises(ValueError, match="device 'cuda:7' cannot be used"):
        made(small(), device="cuda:7")


@pytest.mark.parametrize("ensemble", [False, True])
def test_a_result_that_is_not_finite_is_the_pictures_error(ensemble: bool) -> None:
    network = small()
    # finite weights, whose result overflows
    network.conv_last.weight.data.fill_(3e38)
    with pytest.raises(BadImageError, match="the network's result is not finite"):
        made(network, ensemble=ensemble)(DecodedImage(pixels=values(3, np.uint8)))
