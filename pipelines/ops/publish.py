"""`esrgan publish`: results and curves, in the MLflow store and the model registry."""

import os
from collections.abc import Iterator

from pipelines.config.artifacts import REPORT_PAGE
from pipelines.config.params import load_params
from pipelines.registry.promotion import register
from pipelines.runtime.redaction import redact
from pipelines.runtime.run_record import RUN, record_path
from pipelines.runtime.state import in_repository
from pipelines.stages.register import Params
from pipelines.tracking.database import tracking_uri
from pipelines.tracking.publish import complete_parent_run, publish_all, published_run_id
from pipelines.tracking.uploader import upload_journals


def publish_results() -> Iterator[str]:
    """Add what the store does not have yet; yields a message for each step."""
    with in_repository():
        for folder, points in upload_journals():
            if points:
                yield f"{folder}: {points} points uploaded"
        added = ", ".join(publish_all())
        yield f"MLflow at {redact(tracking_uri())}: {f'added {added}' if added else 'complete'}"
        if record_path("register").is_file():
            decision = register(load_params(Params).register, published_run_id("register"))
            yield "{model} version {version} is the {alias}".format_map(decision)
            if name := os.environ.get(RUN):
                complete_parent_run(name)
        if REPORT_PAGE.is_file():
            yield f"report page: {REPORT_PAGE.resolve()}"
