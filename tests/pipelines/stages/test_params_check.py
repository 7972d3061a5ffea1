import re
from pathlib import Path

import pytest

from pipelines.config.params import (
    ParamsError,
    load_params,
    read_yaml,
    update_params,
)
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
from pipelines.stages.params_check import check_params, write_params
from tests.support import ROOT

STAGES = (download, validate, bicubic, pretrain, finetune, interpolate, evaluate, register)


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.__name__)
def test_every_stage_reads_the_projects_parameters(stage) -> None:  # type: ignore[no-untyped-def]
    load_params(stage.Params, ROOT / "params.yaml")


@pytest.mark.parametrize("profile", sorted((ROOT / "profiles").glob("*.yaml")), ids=str)
def test_every_profile_fits_every_stage(profile: Path) -> None:
    content = read_yaml(ROOT / "params.yaml")
    update_params(content, read_yaml(profile))
    check_params(content)


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
    write_params("long", ["finetune.seed=5"])
    after = (own_profile / "params.yaml").read_text()
    written = re.sub(r"(  steps: )\d+( # updates)", r"\g<1>7000\2", before, count=1)
    assert after == written.replace("seed: 1 # of the", "seed: 5 # of the")
    assert after != before
    (own_profile / "outside.yaml").write_text("pretrain: {steps: 7}\n")
    for name in ("short", "../outside"):
        with pytest.raises(ParamsError, match=f"no profile '{name}'; there are \\['long'\\]"):
            write_params(name)
    (own_profile / "profiles" / "long.yaml").write_text("pretrain: {stepss: 7}\n")
    with pytest.raises(ParamsError, match=r"unknown key pretrain\.stepss; did you mean steps"):
        write_params("long")


@pytest.mark.parametrize(
    ("assignment", "complaint"),
    [
        ("pretrian.steps=7", "unknown key pretrian; did you mean pretrain"),
        ("pretrain.optimizer.learning=1", "unknown key pretrain.optimizer.learning; did you mean"),
        ("pretrain.steps=many", "pretrain.steps = 'many': Input should be a valid integer"),
        ("pretrain.steps", "'pretrain.steps' is not valid: expected KEY=VALUE"),
        ("pretrain.steps=[1", "'pretrain.steps=[1': the value is not valid YAML"),
        ("interpolate.alpha=7", "alpha"),
        ("pretrain.patch_size=66", "pretrain.patch_size = 66: must be a multiple of scale"),
        ("srcnn.patch_size=256", "srcnn.patch_size = 256: must not be above validate.min_side"),
        ("finetune.patch_size=48", "must be a multiple of 32, got 48"),
        ("scale=1", "scale = 1: LR made from HR would equal HR"),
        ("validate.modes=[RGB, RGBA]", "validate.modes.1 = 'RGBA': Input should be 'RGB' or 'L'"),
        (
            "finetune={batch_size: 1, patch_size: 32}",
            "finetune.batch_size = 1: with patch_size 32, the last normalization",
        ),
        ("pretrain.schedule.warmup=4200", "schedule.warmup must be below steps, which is 4200"),
        ("pretrain.schedule.warmup=-1", "warmup must be at least 0, got -1"),
        ("finetune.schedule.milestones=[300, 100]", "milestones must rise, got [300, 100]"),
        ("finetune.schedule.milestones=[100, 100]", "milestones must rise, got [100, 100]"),
        ("finetune.schedule.milestones=[0]", "milestones must be at least 1, got (0,)"),
        ("pretrain.schedule.milestones=[100]", "milestones have no effect on kind cosine"),
        ("srgan.schedule.gamma=.nan", "gamma must be above 0 and finite, got nan"),
        ("srgan.schedule.gamma=0", "gamma must be above 0 and finite, got 0"),
        ("pretrain.save_minutes=.nan", "save_minutes must be above 0, got nan"),
        ("finetune.ema=1", "ema must be at least 0 and below 1, got 1"),
        ("pretrain.ema=-0.1", "ema must be at least 0 and below 1, got -0.1"),
        ("srcnn.ema=.nan", "ema must be at least 0 and below 1, got nan"),
        ("finetune.seed=-3", f"seed must be at least 0 and below {2**64}, got -3"),
        (f"pretrain.seed={2**64}", f"and below {2**64}, got {2**64}"),
        ("pretrain.optimizer.learning_rate=-1e-3", "learning_rate must be above 0 and finite"),
        ("pretrain.optimizer.learning_rate=0", "learning_rate must be above 0 and finite, got 0"),
        ("finetune.generator_optimizer.learning_rate=.nan", "above 0 and finite, got nan"),
        ("finetune.discriminator_optimizer.learning_rate=.inf", "above 0 and finite, got inf"),
        ("finetune.generator_optimizer.betas=[0.9, 1.0]", "betas must be at least 0 and below 1"),
        ("pretrain.optimizer.betas=[-1, 0.9]", "betas must be at least 0 and below 1"),
        ("pretrain.optimizer.betas=[0.9, .nan]", "betas must be at least 0 and below 1"),
        ("srcnn.optimizer.momentum=1", "momentum must be at least 0 and below 1, got 1"),
        ("srcnn.optimizer.rate_factors={conv3: -1}", "rate_factors must be at least 0 and finite"),
        ("srcnn.optimizer.rate_factors={conv3: .nan}", "rate_factors must be at least 0"),
        ("sftgan.generator_optimizer.freeze_steps=-1", "freeze_steps must be at least 0, got -1"),
        (
            "sftgan.generator_optimizer.freeze_steps=900",
            "generator_optimizer.freeze_steps must be below steps",
        ),
        (
            "sftgan.generator_optimizer.rate_factors={}",
            "freeze_steps = 100 would train nothing",
        ),
        ("pretrain.accumulate=0", "accumulate must be at least 1, got 0"),
        ("pretrain.accumulate=3", "accumulate must divide batch_size, which is 4, got 3"),
        ("srcnn.patch_size=24", "patch_size must be above 24 where loss is luma_mse"),
        ("pretrain={loss: luma_mse, patch_size: 16}", "patch_size must be above 24 where loss is"),
        ("finetune.select.psnr_y_loss=.nan", "psnr_y_loss must be at least 0 and finite, got nan"),
        ("pretrain.select.psnr_y_loss=-1", "psnr_y_loss must be at least 0"),
        ("finetune.weights.pixel=.nan", "pixel must be at least 0 and finite, got nan"),
        ("finetune.weights.perceptual=-1", "perceptual must be at least 0"),
        ("finetune.weights.adversarial=.inf", "adversarial must be at least 0 and finite, got inf"),
        ("sftgan.weights.classification=-1", "classification must be at least 0"),
        (
            "finetune.weights={pixel: 0, perceptual: 0, adversarial: 0}",
            "one of weights.pixel, perceptual and adversarial must be above 0",
        ),
        ("features.layers={block99: 1}", "efficientnet_lite0 has no ['block99']; it has"),
        ("features.network=vgg19", "vgg19 has no ['block4']; it has ['conv1_1', "),
        ("srgan.features.layers={conv5_4: 1}", "efficientnet_lite0 has no ['conv5_4']"),
        ("features.layers={block4: -1}", "layers must be at least 0"),
        ("features.layers={block4: .nan}", "layers must be at least 0 and finite"),
        ("features.layers={block4: 0}", "layers must have a weight above 0"),
        ("generator.residual_scale=.nan", "residual_scale must be at least 0 and finite, got nan"),
        ("sftgan.discriminator.num_features=0", "num_features must be at least 1, got 0"),
        ("semantic_maps.seed=-1", f"seed must be at least 0 and below {2**32}, got -1"),
        (f"semantic_maps.seed={2**32}", f"and below {2**32}, got {2**32}"),
        ("validate.modes=[]", "modes must name at least one"),
        ("bicubic.workers=0", "workers must be at least 1, or -1 for one per core, got 0"),
        ("bicubic.workers=-2", "workers must be at least 1, or -1 for one per core, got -2"),
        ("interpolate.alphas=[-0.0, 1]", "write 0.0 instead of -0.0"),
        ("interpolate.alpha=-0.0", "write 0.0 instead of -0.0"),
        ("interpolate.alphas=[0, 1, 1]", "alphas must differ"),
        ("interpolate.choose.psnr_y_loss=.nan", "psnr_y_loss must be at least 0 and finite"),
        ("interpolate.choose.rmse_y=-1", "rmse_y must be at least 0"),
        (
            "interpolate.choose.metric=lpips",
            "interpolate.choose needs ['lpips']; add it to evaluate.metrics",
        ),
        ("evaluate.weight_files={foo: profiles/long.yaml}", "lpips_vgg, got ['foo']"),
        ("register.metric=lpips", "evaluate does not measure register.metric = lpips"),
        ("register.metric=pi", "add it by evaluate.ma_scores"),
        ('register.model=""', "model must be a name without / and :"),
        ("register.model=a/b", "model must be a name without / and :"),
        ('register.model="a:b"', "model must be a name without / and :"),
        ("register.min_gain=.nan", "min_gain must be at least 0 and finite, got nan"),
        ("register.set_tolerance=.nan", "set_tolerance must be at least 0 and finite, got nan"),
        ("register.psnr_y_tolerance=.nan", "psnr_y_tolerance must be at least 0 and finite"),
        ("ablation.seeds=[]", "seeds must have at least one"),
        ("ablation.seeds=[0, 0]", "seeds must be different, got [0, 0]"),
        ("ablation.seeds=[0, -1]", f"seeds must be at least 0 and below {2**63}, got [0, -1]"),
        ("ablation.num_blocks=0", "num_blocks must be at least 1, got 0"),
        ("ablation.num_features=0", "num_features must be at least 1, got 0"),
        ("ablation.growth_channels=0", "growth_channels must be at least 1, got 0"),
        ("ablation.patch_size=0", "patch_size must be a multiple of 32, got 0"),
        ("ablation.patch_size=16", "patch_size must be a multiple of 32, got 16"),
        ("ablation.patch_size=36", "patch_size must be a multiple of 32, got 36"),
        (
            "ablation={batch_size: 1, patch_size: 32}",
            "ablation.batch_size = 1: with patch_size 32, the last normalization",
        ),
        ("ablation.sedes=[1]", "unknown key ablation.sedes; did you mean seeds"),
    ],
)
def test_no_value_is_written_that_a_stage_would_refuse(
    own_profile: Path, assignment: str, complaint: str
) -> None:
    before = (own_profile / "params.yaml").read_text()
    with pytest.raises(ParamsError) as caught:
        write_params(set_=[assignment])
    assert complaint in str(caught.value)
    assert (own_profile / "params.yaml").read_text() == before


def test_what_is_decided_by_must_be_measured(own_profile: Path) -> None:
    unbounded = ["evaluate.metrics=[psnr_y, niqe, lpips]", "interpolate.choose.rmse_y=null"]
    by_lpips = ["interpolate.choose.metric=lpips", "register.metric=lpips"]
    write_params(set_=[*unbounded, *by_lpips])
    with pytest.raises(ParamsError, match=r"choose needs \['rmse_y'\]; add it to evaluate.metrics"):
        write_params(set_=["interpolate.choose.rmse_y=12.5"])


@pytest.mark.parametrize("network", ["vgg19", "vgg16", "minc", "efficientnet_lite0"])
def test_a_networks_layers_are_known_by_name(own_profile: Path, network: str) -> None:
    layer = "block4" if network == "efficientnet_lite0" else "relu5_3"
    write_params(set_=[f"features={{network: {network}, layers: {{{layer}: 1}}}}"])
    with pytest.raises(ParamsError, match=f"{network} has no \\['conv9_9'\\]; it has"):
        write_params(set_=["features.layers={conv9_9: 1}"])


def test_every_key_of_params_yaml_is_commented() -> None:
    above = ""
    for line in (ROOT / "params.yaml").read_text().splitlines():
        _, colon, value = line.partition(":")
        if colon and value and not line.lstrip().startswith("#"):
            assert " # " in line or above.lstrip().startswith("#"), line
        above = line


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("conditions.classes=4", "conditions is called semantic_maps now; rename it"),
        (
            "sftgan.generator_optimizer.held=7",
            "sftgan.generator_optimizer.held is called freeze_steps now; rename it",
        ),
    ],
)
def test_an_old_name_gets_the_new_one(own_profile: Path, assignment: str, message: str) -> None:
    with pytest.raises(ParamsError, match=re.escape(message)):
        write_params(set_=[assignment])
    path = own_profile / "params.yaml"
    path.write_text(
        path.read_text()
        .replace("semantic_maps:", "conditions:")
        .replace("freeze_steps:", "held:")
        .replace("lr: made", "lr: supplied")
    )
    with pytest.raises(ParamsError, match="; rename conditions to semantic_maps"):
        write_params()
    path.write_text(path.read_text().replace("conditions:", "semantic_maps:"))
    with pytest.raises(ParamsError) as caught:
        write_params()
    assert "held is called freeze_steps now; rename it" in str(caught.value)
    assert "download.lr = 'supplied': Input should be 'made' or 'provided'" in str(caught.value)
