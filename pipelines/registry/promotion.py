"""Which model the registry's aliases point to: by the gates, or by hand with the reason kept."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from filelock import FileLock

from esrgan_core.data.pairs import PairEntry, PairStore
from esrgan_core.models.weights import digest, load_generator
from esrgan_core.strict_json import from_json, to_json
from pipelines.config.artifacts import ARTIFACTS, EVALUATION_METRICS, FINETUNED, PAIRS, PRETRAINED
from pipelines.evaluation.alpha_selection import read_choice
from pipelines.evaluation.config import RegisterConfig
from pipelines.registry.gates import Evidence, GateResult, Results, judge
from pipelines.registry.model_card import model_card
from pipelines.registry.reference_check import find_mismatches
from pipelines.runtime.state import state_root
from pipelines.runtime.tables import read_table
from pipelines.tracking.client import tracking_uri
from pipelines.tracking.errors import StoreDownError
from pipelines.tracking.model_registry import (
    PENDING,
    ModelVersion,
    clear_pending,
    find_version,
    get_aliases,
    get_version,
    list_versions,
    log_version,
    read_evidence,
    read_history,
    set_alias,
    set_pending,
    write_history,
)

EVALUATION = 1
"""Raised with every change that makes the same images measure otherwise."""
ROLLED_BACK = "rolled_back"
"""Key of a line of the history whose champion was rolled back: when."""
TRAININGS = ("pretrain", "finetune")
COMPARED = ("pretrained", "interpolated")


class RefusedError(ValueError):
    """A model that does not pass the gates; the message has the reasons."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Decision:
    """What became of a model, and why."""

    model: str
    version: str
    alias: str
    reasons: list[GateResult]


def register(config: RegisterConfig, run_id: str) -> Decision:
    """Register the model in `artifacts/`, once, and point `champion` or `challenger` to it.

    A model that the store knows already keeps its version, alias and decision; a new one
    becomes a model of the MLflow run `run_id`.

    Raises:
        StoreDownError: if MLflow does not answer.
    """
    with _alone_at(config.model):
        return _register(config, run_id)


def _register(config: RegisterConfig, run_id: str) -> Decision:
    evidence = _evidence()
    # of the tensors alone: the files' headers name the commit, which makes no other model
    weights = digest(load_generator(PRETRAINED)) + digest(load_generator(FINETUNED))
    text = to_json([weights, asdict(evidence)], sort_keys=True)
    key = hashlib.sha256(text.encode()).hexdigest()
    if (known := find_version(config.model, key)) is not None:
        return _decision(known.content)
    reasons = _judge(evidence, get_aliases(config.model).get("champion"), config)
    alias = "champion" if all(reason.holds for reason in reasons) else "challenger"
    content = {
        "model": config.model,
        "alias": alias,
        "reasons": [asdict(reason) for reason in reasons],
        "evidence": asdict(evidence),
    }
    card = model_card(config.model, evidence, reasons)
    change: dict[str, Any] = {"alias": alias}
    if alias == "champion":
        change["line"] = _line("passed every gate", forced=False)
    version = log_version(config.model, key, evidence.alpha, content, card, run_id, change)
    _carry_out(version, change)
    return _decision({**content, "version": version.version})


def _judge(candidate: Evidence, held: str | None, config: RegisterConfig) -> list[GateResult]:
    if held is None:
        return judge(candidate, None, config)
    champion = read_evidence(get_version(config.model, held))
    if champion is None:
        figures = f"version {held} has no evidence that can be read; promote the new one by hand"
        unknown = GateResult(rule="better than the champion", holds=False, figures=figures)
        return [*judge(candidate, None, config)[:-1], unknown]
    return judge(candidate, Evidence(**champion), config)


def promote(config: RegisterConfig, version: str, reason: str, *, force: bool) -> list[GateResult]:
    """Make a version champion if it passes the gates against the present one, or by force.

    Raises:
        RefusedError: if it does not pass; nothing has changed.
        ValueError: if there is no such version, or it is the champion.
        StoreDownError: if MLflow does not answer.
    """
    with _alone_at(config.model) as carried_out:
        if "line" in carried_out.get(version, {}):
            return []  # an attempt that was cut is now complete
        return _promote(config, version, reason, force=force)


def _promote(config: RegisterConfig, version: str, reason: str, *, force: bool) -> list[GateResult]:
    candidate = get_version(config.model, version)
    held = get_aliases(config.model).get("champion")
    if held == version:
        raise ValueError(f"{config.model} version {version} is the champion already")
    evidence = read_evidence(candidate)
    reasons = [] if evidence is None else _judge(Evidence(**evidence), held, config)
    failed = [f"  {one.rule}: {one.figures}" for one in reasons if not one.holds]
    if evidence is None:
        failed = ["  it has no evidence that can be read"]
    if failed and not force:
        lines = "\n".join(failed)
        raise RefusedError(
            f"{config.model} version {version} is refused:\n{lines}\n"
            "--force with a --reason makes it champion all the same"
        )
    line = _line(reason or "passed every gate", forced=bool(failed))
    change = {"alias": "champion", "line": line}
    set_pending(candidate, change)
    _carry_out(candidate, change)
    return reasons


def rollback(model: str) -> tuple[str, str]:
    """Make the champion before the present one champion again: (the version it was, is now).

    What was rolled back stays in the history, and is no champion to come back to.

    Raises:
        ValueError: if there was none.
        StoreDownError: if MLflow does not answer.
    """
    with _alone_at(model) as carried_out:
        for version, change in carried_out.items():
            if "undone" in change:
                return str(change["undone"]), version  # an attempt that was cut is now complete
        past = read_history(model)
        held = get_aliases(model).get("champion", "")
        earlier = [line for line in past if line["version"] != held and not line.get(ROLLED_BACK)]
        if not earlier:
            raise ValueError(f"{model} had no champion before version {held or 'any'}")
        back = get_version(model, str(earlier[-1]["version"]))
        change = {"alias": "champion", "undone": held, ROLLED_BACK: _now()}
        set_pending(back, change)
        _carry_out(back, change)
        return held, back.version


def _carry_out(version: ModelVersion, change: Mapping[str, Any]) -> None:
    """Point an alias to a version and write the history, as a change says that is pending.

    The same in the end however often it was begun: the next process to change the registry carries
    out what the last one could not.
    """
    lines = before = read_history(version.model)
    if line := change.get("line"):
        own = {"version": version.version, **line}
        lines = lines if own in lines else [*lines, own]
    if undone := change.get("undone"):
        mark = {ROLLED_BACK: change[ROLLED_BACK]}
        lines = [mark | line if line["version"] == undone else line for line in lines]
    if lines != before:
        write_history(version.model, lines)
    set_alias(version.model, change["alias"], version.version)
    try:
        clear_pending(version)
    except StoreDownError:
        # whoever is told of a failure asks again; if only the answer was lost, all is done
        if PENDING in get_version(version.model, version.version).tags:
            raise


def _line(why: str, *, forced: bool) -> dict[str, Any]:
    """Of the history, less the version."""
    return {"when": _now(), "why": why, "forced": forced}


def _now() -> str:
    # finer than any two changes of one model, whose lines must differ
    return datetime.now(UTC).isoformat(timespec="milliseconds")


@contextmanager
def _alone_at(model: str) -> Iterator[Mapping[str, Mapping[str, Any]]]:
    """Let no other process with this state root change a model's aliases meanwhile.

    Yields the changes by version that another attempt had left pending; they are carried out.
    """
    of_store = hashlib.sha256(f"{tracking_uri()} {model}".encode()).hexdigest()[:16]
    path = state_root() / "locks" / f"registry-{of_store}.lock"
    path.parent.mkdir(exist_ok=True)
    with FileLock(path):
        left = [version for version in list_versions(model) if PENDING in version.tags]
        changes = {version.version: from_json(version.tags[PENDING]) for version in left}
        for version in left:
            _carry_out(version, changes[version.version])
        yield changes


def _decision(content: Mapping[str, Any]) -> Decision:
    return Decision(
        model=content["model"],
        version=content["version"],
        alias=content["alias"],
        reasons=[GateResult(**reason) for reason in content["reasons"]],
    )


def _evidence() -> Evidence:
    test = [entry for entry in PairStore(PAIRS).entries if entry.split == "test"]
    results = from_json(EVALUATION_METRICS.read_text(encoding="utf-8"))
    frame = read_table(EVALUATION_METRICS.parent / "per_image.csv")
    return Evidence(
        results=results,
        evaluation=evaluation_of(results, test),
        alpha=read_choice().alpha,
        images=[
            {str(name): value for name, value in row.items()}
            for row in frame[frame["model"].isin(COMPARED)].to_dict("records")
        ],
        alarms=[f"{stage}: {alarm}" for stage in TRAININGS for alarm in _alarms(stage)],
        find_mismatches=find_mismatches(),
    )


def evaluation_of(results: Results, test: Sequence[PairEntry]) -> str:
    """Hash over what was measured: the metrics, and the test pairs with their sets and names."""
    metrics = sorted({name for sets in results.values() for row in sets.values() for name in row})
    pairs = [[one.set, one.name, one.hr_sha256, one.lr_sha256] for one in test]
    return hashlib.sha256(to_json([EVALUATION, metrics, pairs]).encode()).hexdigest()


def _alarms(stage: str) -> list[str]:
    path = ARTIFACTS / stage / "metrics.json"
    found = from_json(path.read_text(encoding="utf-8"))["alarms"]
    return [f"{one['name']} at step {one['step']}: {one['evidence']}" for one in found]
