import re
from dataclasses import dataclass
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from pipelines import params as door
from pipelines.params import DERIVED, ParamsError, load_params, merge, read_yaml
from pipelines.stages import (
    bicubic,
    download,
    evaluate,
    finetune,
    interpolate,
    pretrain,
    register,
    validate,
)

ROOT = Path(__file__).parents[2]
STAGES = (download, validate, bicubic, pretrain, finetune, interpolate, evaluate, register)


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


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.__name__)
def test_every_stage_reads_the_projects_parameters(stage) -> None:  # type: ignore[no-untyped-def]
    load_params(stage.Params, ROOT / "params.yaml")


@pytest.mark.parametrize("profile", sorted((ROOT / "profiles").glob("*.yaml")), ids=str)
def test_every_profile_fits_every_stage(profile: Path, tmp_path: Path) -> None:
    content = read_yaml(ROOT / "params.yaml")
    merge(content, read_yaml(profile))
    YAML().dump(content, tmp_path / "params.yaml")
    for stage in STAGES:
        load_params(stage.Params, tmp_path / "params.yaml")


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
        (("generator", None), r"lacks the sections \['generator'\]"),
    ],
    indirect=["edited"],
)
def test_a_mistake_is_named_with_its_remedy(edited: Path, message: str) -> None:
    with pytest.raises(ParamsError, match=message) as caught:
        load_params(pretrain.Params, edited)
    assert str(edited) in str(caught.value)


def test_derived_values_come_from_where_they_are_said() -> None:
    loaded = load_params(finetune.Params, ROOT / "params.yaml")
    assert loaded.discriminator.patch_size == loaded.finetune.patch_size
    assert load_params(pretrain.Params, ROOT / "params.yaml").generator.scale == 4


def test_yaml_1_2_numbers_are_numbers(tmp_path: Path) -> None:
    @dataclass(frozen=True)
    class Params:
        rate: float
        on: str

    (tmp_path / "params.yaml").write_text("rate: 1e-4\non: on\n")
    assert load_params(Params, tmp_path / "params.yaml") == Params(rate=1e-4, on="on")


@pytest.fixture
def own_profile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the project's parameters and a profile `long`; the current one."""
    (tmp_path / "profiles").mkdir()
    (tmp_path / "profiles" / "long.yaml").write_text("pretrain: {steps: 7000}\n")
    (tmp_path / "params.yaml").write_text((ROOT / "params.yaml").read_text())
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_profile_is_written_with_the_comments_kept(own_profile: Path) -> None:
    before = (own_profile / "params.yaml").read_text()
    door.apply("long", ["finetune.seed=5"])
    after = (own_profile / "params.yaml").read_text()
    written = re.sub(r"(  steps: )\d+( # updates)", r"\g<1>7000\2", before, count=1)
    assert after == written.replace("seed: 1 # of the", "seed: 5 # of the")
    assert after != before
    (own_profile / "outside.yaml").write_text("pretrain: {steps: 7}\n")
    for name in ("short", "../outside"):
        with pytest.raises(ParamsError, match=f"no profile '{name}'; there are \\['long'\\]"):
            door.apply(name)
    (own_profile / "profiles" / "long.yaml").write_text("pretrain: {stepss: 7}\n")
    with pytest.raises(ParamsError, match=r"unknown key pretrain\.stepss; did you mean steps"):
        door.apply("long")


@pytest.mark.parametrize(
    ("assignment", "complaint"),
    [
        ("pretrian.steps=7", "unknown key pretrian; did you mean pretrain"),
        ("pretrain.optimizer.learning=1", "unknown key pretrain.optimizer.learning; did you mean"),
        ("pretrain.steps=many", "pretrain.steps = 'many': Input should be a valid integer"),
        ("pretrain.steps", "'pretrain.steps' is no KEY=VALUE"),
        ("pretrain.steps=[1", "'pretrain.steps=[1': what stands after = is not valid YAML"),
        ("interpolate.alpha=7", "alpha"),
        ("pretrain.patch_size=66", "pretrain.patch_size = 66: must be a multiple of scale"),
        ("srcnn.patch_size=256", "srcnn.patch_size = 256: is above validate.min_side"),
        ("finetune.patch_size=48", "must be a multiple of 32, got 48"),
        ("scale=1", "scale = 1: LR that is made from HR would be HR"),
        ("validate.modes=[RGB, RGBA]", "validate.modes.1 = 'RGBA': Input should be 'RGB' or 'L'"),
        (
            "finetune={batch_size: 1, patch_size: 32}",
            "finetune.batch_size = 1: with patches of 32 the discriminator's last",
        ),
        ("ablation.seeds=[]", "seeds must name at least one"),
        ("ablation.sedes=[1]", "unknown key ablation.sedes; did you mean seeds"),
    ],
)
def test_no_value_is_written_that_a_stage_would_refuse(
    own_profile: Path, assignment: str, complaint: str
) -> None:
    before = (own_profile / "params.yaml").read_text()
    with pytest.raises(ParamsError) as caught:
        door.apply(set_=[assignment])
    assert complaint in str(caught.value)
    assert (own_profile / "params.yaml").read_text() == before


def test_free_names_keep_their_dots_and_no_value_is_lost() -> None:
    given = ['finetune={"steps": 2, "rate_factors": {"body.0": 1}}', "finetune.layers.a.b=😀"]
    assert door.parse_assignments([*given, "evaluate={weight_files: {}}"]) == {
        "finetune": {"steps": 2, "rate_factors": {"body.0": 1}, "layers": {"a.b": "😀"}},
        "evaluate": {"weight_files": {}},
    }
    with pytest.raises(ParamsError, match="pretrain is given as 1 and as a section"):
        door.parse_assignments(["pretrain=1", "pretrain.steps=2"])


def test_every_key_of_params_yaml_is_commented() -> None:
    above = ""
    for line in (ROOT / "params.yaml").read_text().splitlines():
        _, colon, value = line.partition(":")
        if colon and value and not line.lstrip().startswith("#"):
            assert " # " in line or above.lstrip().startswith("#"), line
        above = line


def test_derived_values_stand_in_no_file() -> None:
    content = read_yaml(ROOT / "params.yaml")
    assert not any(key in content[section] for section, key in DERIVED)
