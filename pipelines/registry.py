"""Which model the registry's aliases point to, by rules that are written down."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from statistics import fmean
from typing import Any

from esrgan_core.data.pairs import PairStore
from esrgan_core.models.weights import digest, load_generator
from pipelines.paths import FINETUNED, METRICS, PAIRS, PRETRAINED
from pipelines.tracking.models import champion, find_version, log_version, point_alias

Results = Mapping[str, Mapping[str, Mapping[str, float]]]
TOLERANCE = 1e-9
"""Equal figures count as no worse."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RegisterConfig:
    """Section `register`."""

    model: str = "esrgan"
    """Name in the MLflow registry."""
    psnr_y_tolerance: float = 0.1
    """dB of mean PSNR-Y at alpha 0 by which a new champion may fall short of the old one."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Evidence:
    """What a decision rests on; stored with the model version."""

    results: Results
    """Metrics by model and set, as in `metrics.json`."""
    test_pictures: str
    """Hash over the test pairs: figures on other pictures cannot be compared."""
    alpha: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Reason:
    """One rule, whether it holds, and the figures behind it."""

    rule: str
    holds: bool
    figures: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Decision:
    """What became of a model, and why."""

    model: str
    version: str
    alias: str
    reasons: list[Reason]


def judge(candidate: Evidence, champion: Evidence | None, config: RegisterConfig) -> list[Reason]:
    """The rules of a champion: all must hold.

    PSNR-Y at alpha 0 above bicubic's on every set; NIQE at the default alpha below that at
    alpha 0 on every set; and against the present champion, on the same test pictures, a lower
    mean NIQE at the default alpha with a mean PSNR-Y at alpha 0 that falls short by no more
    than the tolerance.
    """
    plain, enlarged = candidate.results["pretrained"], candidate.results["bicubic"]
    default = candidate.results["interpolated"]
    reasons = [
        Reason(
            rule=f"{name}: PSNR-Y at alpha 0 above bicubic's",
            holds=plain[name]["psnr_y"] > enlarged[name]["psnr_y"],
            figures=f"{plain[name]['psnr_y']:.3f} against {enlarged[name]['psnr_y']:.3f} dB",
        )
        for name in plain
    ] + [
        Reason(
            rule=f"{name}: NIQE at alpha {candidate.alpha:g} below that at alpha 0",
            holds=default[name]["niqe"] < plain[name]["niqe"],
            figures=f"{default[name]['niqe']:.3f} against {plain[name]['niqe']:.3f}",
        )
        for name in plain
    ]
    if champion is None:
        return [*reasons, Reason(rule="better than the champion", holds=True, figures="none yet")]
    return [*reasons, *_against(candidate, champion, config)]


def _against(candidate: Evidence, champion: Evidence, config: RegisterConfig) -> list[Reason]:
    if candidate.test_pictures != champion.test_pictures:
        figures = "measured on other test pictures; compare by hand and move the alias yourself"
        return [Reason(rule="better than the champion", holds=False, figures=figures)]
    new_niqe, old_niqe = (_mean(e, "interpolated", "niqe") for e in (candidate, champion))
    new_psnr, old_psnr = (_mean(e, "pretrained", "psnr_y") for e in (candidate, champion))
    return [
        Reason(
            rule="mean NIQE at the default alpha below the champion's",
            holds=new_niqe < old_niqe - TOLERANCE,
            figures=f"{new_niqe:.3f} against {old_niqe:.3f}",
        ),
        Reason(
            rule=f"mean PSNR-Y at alpha 0 at most {config.psnr_y_tolerance} dB below champion's",
            holds=new_psnr >= old_psnr - config.psnr_y_tolerance - TOLERANCE,
            figures=f"{new_psnr:.3f} against {old_psnr:.3f} dB",
        ),
    ]


def _mean(evidence: Evidence, model: str, metric: str) -> float:
    return fmean(values[metric] for values in evidence.results[model].values())


def admit(config: RegisterConfig, alpha: float, run_id: str) -> Decision:
    """Register the model in `artifacts/`, once, and point `champion` or `challenger` to it.

    A model that the store knows already keeps its version, alias and decision; a new one
    becomes a model of the MLflow run `run_id`.

    Raises:
        StoreDownError: if MLflow does not answer.
    """
    evidence = _evidence(alpha)
    # of the tensors alone: the files' headers name the commit, which makes no other model
    weights = digest(load_generator(PRETRAINED)) + digest(load_generator(FINETUNED))
    text = json.dumps([weights, asdict(evidence)], sort_keys=True)
    key = hashlib.sha256(text.encode()).hexdigest()
    if (known := find_version(config.model, key)) is not None:
        return _decision(known)
    held = champion(config.model)
    reasons = judge(evidence, Evidence(**held["evidence"]) if held else None, config)
    alias = "champion" if all(reason.holds for reason in reasons) else "challenger"
    content = {
        "evidence": asdict(evidence),
        "alias": alias,
        "reasons": [asdict(reason) for reason in reasons],
    }
    version = log_version(config.model, key, alpha, content, run_id)
    point_alias(config.model, alias, version)
    return _decision({"model": config.model, "version": version, **content})


def _decision(content: Mapping[str, Any]) -> Decision:
    return Decision(
        model=content["model"],
        version=content["version"],
        alias=content["alias"],
        reasons=[Reason(**reason) for reason in content["reasons"]],
    )


def _evidence(alpha: float) -> Evidence:
    index = PairStore(PAIRS).index
    test = index[index["split"] == "test"].sort_values("name")
    digest = hashlib.sha256("".join(test["hr_sha256"] + test["lr_sha256"]).encode()).hexdigest()
    results = json.loads(METRICS.read_text(encoding="utf-8"))
    return Evidence(results=results, test_pictures=digest, alpha=alpha)
