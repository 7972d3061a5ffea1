"""The model card: description, figures, decision, data and origin of a registered model."""

from collections.abc import Sequence

from pipelines.registry.evidence import Evidence
from pipelines.registry.gates import GateResult
from pipelines.reports.templates import load_template, read_manifest_table, summarize_sets
from pipelines.runtime.lineage import data_md5, git_commit
from pipelines.runtime.run_record import read_record
from pipelines.tracking.model_logging import read_start


def model_card(model: str, evidence: Evidence, reasons: Sequence[GateResult]) -> str:
    """Render the card of the model in `artifacts/` as Markdown."""
    # no escaping: MLflow and the HTML report escape the Markdown that they show
    card = load_template("card.md.j2", autoescape=False, trim_blocks=True, lstrip_blocks=True)
    return card.render(
        model=model,
        evidence=evidence,
        reasons=reasons,
        sets=summarize_sets(read_manifest_table()),
        commit=git_commit(),
        md5=data_md5(),
        start=read_start(),
        records=list(filter(None, map(read_record, ("pretrain", "finetune")))),
    )
