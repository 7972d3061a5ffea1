"""The model card: what a registered model is, what it can do, where it comes from."""

from collections.abc import Sequence

from pipelines.config.artifacts import MANIFEST
from pipelines.data.manifest import read_manifest
from pipelines.registry.gates import Evidence, GateResult
from pipelines.reports.labels import display_name, format_value
from pipelines.reports.template import load_template
from pipelines.runtime.lineage import data_md5, git_commit
from pipelines.runtime.run_record import read_record


def model_card(model: str, evidence: Evidence, reasons: Sequence[GateResult]) -> str:
    """The card of the model in `artifacts/`, as Markdown."""
    # Markdown shows no tags of a file's name as such: MLflow and the page escape it
    card = load_template("card.md.j2", autoescape=False, trim_blocks=True, lstrip_blocks=True)
    licenses: dict[tuple[str, str], list[str]] = {}
    for row in read_manifest(MANIFEST):
        licenses.setdefault((row.split, row.set), []).append(row.license)
    tables = {
        set_name: [
            (
                display_name(name),
                {display_name(m): format_value(m, v) for m, v in sets[set_name].items()},
            )
            for name, sets in evidence.results.items()
        ]
        for set_name in next(iter(evidence.results.values()))
    }
    return card.render(
        model=model,
        alpha=evidence.alpha,
        tables=tables,
        reasons=reasons,
        alarms=evidence.alarms,
        data=[
            (split, name, len(each), ", ".join(sorted(set(each))))
            for (split, name), each in licenses.items()
        ],
        commit=git_commit(),
        md5=data_md5(),
        records=[record for stage in ("pretrain", "finetune") if (record := read_record(stage))],
    )
