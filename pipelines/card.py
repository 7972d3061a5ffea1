"""The model card: what a registered model is, what it can do, where it comes from."""

from collections.abc import Sequence
from importlib.resources import files

import jinja2

from pipelines.gates import Evidence, Reason
from pipelines.images import read_manifest
from pipelines.lineage import data_md5, git_commit
from pipelines.paths import MANIFEST
from pipelines.report.words import number, title_of
from pipelines.tracking.record import read_record


def model_card(model: str, evidence: Evidence, reasons: Sequence[Reason]) -> str:
    """The card of the model in `artifacts/`, as Markdown."""
    # Markdown shows no tags of a file's name as such: MLflow and the page escape it
    environment = jinja2.Environment(
        autoescape=False,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    template = (files("pipelines.report") / "card.md.j2").read_text(encoding="utf-8")
    manifest = read_manifest(MANIFEST)
    tables = {
        set_name: [
            (title_of(name), {title_of(m): number(m, v) for m, v in sets[set_name].items()})
            for name, sets in evidence.results.items()
        ]
        for set_name in next(iter(evidence.results.values()))
    }
    return environment.from_string(template).render(
        model=model,
        alpha=evidence.alpha,
        tables=tables,
        reasons=reasons,
        alarms=evidence.alarms,
        data=[
            (split, name, len(rows), ", ".join(sorted(set(rows["license"].astype(str)))))
            for (split, name), rows in manifest.groupby(["split", "set"], sort=False)
        ],
        commit=git_commit(),
        md5=data_md5(),
        records=[record for stage in ("pretrain", "finetune") if (record := read_record(stage))],
    )
