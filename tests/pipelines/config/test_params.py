from dataclasses import dataclass
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from pipelines.config.params import (
    DERIVED_KEYS,
    ParamsError,
    load_params,
    parse_assignments,
    read_yaml,
)
from pipelines.stages import finetune, pretrain
from tests.support import ROOT


@pytest.fixture
def edited(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """The project's params.yaml with one change: a dotted key and its value, None to remove it."""
    key, value = request.param
    content = read_yaml(ROOT / "params.yaml")
    section = content
    *path, last = key.split(".")
    for part in path:
        section = section[part]
    if value is None:
        del section[last]
    else:
        section[last] = value
    YAML().dump(content, tmp_path / "params.yaml")
    return tmp_path / "params.yaml"


@pytest.mark.parametrize(
    ("edited", "message"),
    [
        (("pretrain.stepz", 5), r"unknown key pretrain\.stepz; did you mean steps\?"),
        (("pretrain.optimizer.learningrate", 1), r"did you mean learning_rate\?"),
        (("pretrain.steps", "many"), r"pretrain\.steps = 'many': Input should be a valid integer"),
        (("pretrain.steps", 0), "steps must be at least 1, got 0"),
        (("pretrain.precision", "fp16"), r"pretrain\.precision = 'fp16'.*'fp32' or 'bf16'"),
        (("pretrain.batch_size", None), r"pretrain\.batch_size"),
        (("generator.scale", 2), r"remove generator\.scale; it follows scale"),
        (("generator", 5), "generator = 5: Input should be a dictionary"),
        (("generator", None), r"lacks the sections \['generator'\]"),
    ],
    indirect=["edited"],
)
def test_an_error_names_the_file_the_key_and_the_remedy(edited: Path, message: str) -> None:
    with pytest.raises(ParamsError, match=message) as caught:
        load_params(pretrain.Params, edited)
    assert str(edited) in str(caught.value)


def test_derived_keys_take_the_value_of_their_source() -> None:
    loaded = load_params(finetune.Params, ROOT / "params.yaml")
    assert loaded.discriminator.patch_size == loaded.finetune.patch_size
    generator = load_params(pretrain.Params, ROOT / "params.yaml").generator
    assert generator is not None
    assert generator.scale == 4


def test_yaml_1_2_numbers_are_numbers(tmp_path: Path) -> None:
    @dataclass(frozen=True)
    class Params:
        rate: float
        on: str

    (tmp_path / "params.yaml").write_text("rate: 1e-4\non: on\n")
    assert load_params(Params, tmp_path / "params.yaml") == Params(rate=1e-4, on="on")


def test_derived_keys_are_not_in_the_file() -> None:
    content = read_yaml(ROOT / "params.yaml")
    assert not any(key in content[section] for section, key in DERIVED_KEYS)


def test_free_keys_keep_their_dots_and_no_value_is_lost() -> None:
    given = ['finetune={"steps": 2, "rate_factors": {"body.0": 1}}', "finetune.layers.a.b=😀"]
    assert parse_assignments([*given, "evaluate={weight_files: {}}"]) == {
        "finetune": {"steps": 2, "rate_factors": {"body.0": 1}, "layers": {"a.b": "😀"}},
        "evaluate": {"weight_files": {}},
    }
    with pytest.raises(ParamsError, match="pretrain is given as 1 and as a section"):
        parse_assignments(["pretrain=1", "pretrain.steps=2"])
