"""Register models, promote them to champion, and roll back."""

import hashlib
from dataclasses import asdict
from typing import Any

from esrgan_core.models.reading import load_network
from esrgan_core.strict_json import to_json
from pipelines.config.artifacts import FINETUNED, START
from pipelines.config.errors import UserError
from pipelines.evaluation.config import RegisterConfig
from pipelines.registry.changes import ROLLED_BACK, apply_change, now, promotion, registry_lock
from pipelines.registry.evidence import Evidence, collect_evidence, load_evidence
from pipelines.registry.gates import GateResult, check_candidate, check_gates, incomparable
from pipelines.registry.model_card import model_card
from pipelines.tracking import model_registry
from pipelines.tracking.model_logging import log_version


def register(config: RegisterConfig, run_id: str) -> dict[str, Any]:
    """Register the model in `artifacts/`, and point `champion` or `challenger` to it.

    A model that is registered already keeps its version, alias and decision. A new one becomes a
    model of the MLflow run `run_id`.

    Returns:
        The decision: model, version, alias, and the results of the gates as `reasons`.
    """
    with registry_lock(config.model):
        evidence = collect_evidence()
        # hash the tensors, not the files, whose headers name the commit
        weights = load_network(START).digest + load_network(FINETUNED).digest
        text = to_json([weights, evidence.to_dict()], sort_keys=True)
        key = hashlib.sha256(text.encode()).hexdigest()
        if known := model_registry.find_version(config.model, key):
            return known.content
        reasons = _check(evidence, model_registry.get_aliases(config.model).get("champion"), config)
        passed = all(reason.holds for reason in reasons)
        alias = "champion" if passed else "challenger"
        change = promotion("passed every gate", forced=False) if passed else {"alias": alias}
        content = {
            "model": config.model,
            "alias": alias,
            "reasons": [asdict(reason) for reason in reasons],
            "evidence": evidence.to_dict(),
        }
        card = model_card(config.model, evidence, reasons)
        version = log_version(key, content, card, run_id, change)
        apply_change(version, change)
        return version.content


def promote(config: RegisterConfig, version: str, reason: str, *, force: bool) -> list[GateResult]:
    """Make a version the champion if it passes the gates, or in any case with `force`.

    Raises:
        UserError: if it does not pass, does not exist, or is the champion; nothing has changed.
    """
    with registry_lock(config.model) as completed:
        if "line" in completed.get(version, {}):
            return []  # this call repeats one that was stopped
        candidate = model_registry.get_version(config.model, version)
        champion = model_registry.get_aliases(config.model).get("champion")
        if champion == version:
            raise UserError(f"{config.model} version {version} is already the champion")
        if evidence := load_evidence(candidate):
            reasons = _check(evidence, champion, config)
            failed = [f"  {one.rule}: {one.figures}" for one in reasons if not one.holds]
        else:
            reasons, failed = [], ["  it has no readable evidence"]
        if failed and not force:
            lines = "\n".join(failed)
            raise UserError(
                f"{config.model} version {version} is refused:\n{lines}\n"
                "to promote it anyway, use --force with a --reason"
            )
        change = promotion(reason or "passed every gate", forced=bool(failed))
        model_registry.set_pending(candidate, change)
        apply_change(candidate, change)
        return reasons


def rollback(model: str) -> tuple[str, str]:
    """Make the previous champion the champion again: (version before, version now).

    The history marks the version that was rolled back, and no later rollback returns to it.

    Raises:
        UserError: if there is no previous champion.
    """
    with registry_lock(model) as completed:
        for version, change in completed.items():
            if "undone" in change:
                return str(change["undone"]), version  # this call repeats one that was stopped
        champion = model_registry.get_aliases(model).get("champion", "")
        previous = [
            str(line["version"])
            for line in model_registry.read_history(model)
            if line["version"] != champion and ROLLED_BACK not in line
        ]
        if not previous:
            raise UserError(f"{model} has no previous champion to roll back to")
        target = model_registry.get_version(model, previous[-1])
        change = {"alias": "champion", "undone": champion, ROLLED_BACK: now()}
        model_registry.set_pending(target, change)
        apply_change(target, change)
        return champion, target.version


def _check(candidate: Evidence, champion: str | None, config: RegisterConfig) -> list[GateResult]:
    version = model_registry.get_version(config.model, champion) if champion else None
    evidence = load_evidence(version) if version else None
    if evidence or not champion:
        return check_gates(candidate, evidence, config)
    reason = f"champion {champion} has no readable evidence; promote the new version by hand"
    return [*check_candidate(candidate, config.metric), incomparable(reason)]
