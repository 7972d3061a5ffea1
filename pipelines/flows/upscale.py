"""The flow `upscale/images`: upscales a folder or an S3 prefix with a registered model.

It runs on the workers that train, in their repository, with joblib's processes or Dask's workers.
"""

from collections import Counter

from prefect import flow, get_run_logger
from prefect.artifacts import create_table_artifact

from pipelines.config.errors import UserError
from pipelines.runs.repository import find_repository
from pipelines.runtime.redaction import redact
from pipelines.upscaling.batches import Batch, upscale_batch
from pipelines.upscaling.jobs import Outcome
from pipelines.upscaling.options import parse_config, parse_output

MAX_ROWS = 1000
"""Failures in the table; the log has all of them."""


def enter_repository() -> dict[str, str]:
    """Pull step of the deployment: the worker's repository, or the state root if it is remote."""
    repository = find_repository()
    repository.state.mkdir(parents=True, exist_ok=True)
    return {"directory": repository.address if repository.is_local else str(repository.state)}


@flow(name="upscale", persist_result=False)
def upscale(
    source: str,
    target: str,
    model: str | None = None,
    alpha: float | None = None,
    scale: float | None = None,
    format: str | None = None,
    quality: int | None = None,
    precision: str = "auto",
    engine: str = "auto",
    ensemble: bool = False,
    overwrite: bool = False,
    workers: int = -1,
) -> None:
    """Upscale all images below a folder or an S3 prefix; another run continues with the rest.

    Args:
        source: a folder, a glob pattern or s3://bucket/prefix.
        target: a folder or s3://bucket/prefix.
        model: models:/NAME@ALIAS, models:/NAME/VERSION or a file; by default
            models:/esrgan@champion.
        alpha: interpolation weight of a registered model, 0 to 1; by default its own.
        scale: scale factor of the results; by default the network's.
        format: png, jpg, webp or tif; by default the source's.
        quality: quality of JPEG and WebP.
        precision: auto, fp32 or bf16.
        engine: auto, torch or ncnn.
        ensemble: average over eight flips and rotations.
        overwrite: also replace files that this flow did not write.
        workers: number of processes; -1 for one per core.
    """
    config = parse_config("auto", precision, "auto", engine, ensemble=ensemble, scale=scale)
    batch = Batch(
        source=source,
        target=target,
        model=model,
        alpha=alpha,
        config=config,
        output=parse_output(format, quality, strip_metadata=False),
        overwrite=overwrite,
    )
    log = get_run_logger()
    outcomes: list[Outcome] = []
    for outcome in upscale_batch(batch, workers, log.warning):
        outcomes.append(outcome)
        if outcome.state == "failed":
            log.error("%s: %s", outcome.source, redact(outcome.message))
        elif outcome.message:
            log.warning("%s: %s", outcome.target, redact(outcome.message))
    counts = Counter(one.state for one in outcomes)
    log.info(f"{counts['done']} done, {counts['skipped']} skipped, {counts['failed']} failed")
    if failed := [one for one in outcomes if one.state == "failed"]:
        rows = [{"image": one.source, "reason": one.message} for one in failed[:MAX_ROWS]]
        create_table_artifact(table=rows, key="failed")
        raise UserError(
            f"{len(failed)} of {len(outcomes)} images could not be upscaled; see the log"
        )
