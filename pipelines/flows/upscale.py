"""The flow `upscale/images`: a folder or an S3 prefix of images through a registered model.

It runs on the workers that train, in their repository, by joblib's processes or Dask's workers.
"""

from collections import Counter

from prefect import flow, get_run_logger, runtime
from prefect.artifacts import create_table_artifact

from pipelines.runs.workspace import repository
from pipelines.runtime.redaction import redact
from pipelines.upscaling.batches import Batch, upscale_batch
from pipelines.upscaling.jobs import Outcome
from pipelines.upscaling.options import parse_config, parse_output

MOST_NAMED = 1000
"""Failures in the table; the log has all."""


class FailedImagesError(ValueError):
    """Some images could not be upscaled; the rest is done."""


def own_folder() -> dict[str, str]:
    """Pull step of the deployment: the worker's repository, in which nothing is changed.

    Where that lies elsewhere, it is the state root.
    """
    source = repository()
    source.state.mkdir(parents=True, exist_ok=True)
    return {"directory": source.address if source.local else str(source.state)}


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
    ensemble: bool = False,
    overwrite: bool = False,
    workers: int = -1,
) -> None:
    """Upscale all images below a folder or an S3 prefix; the same again does what is left.

    Args:
        source: a folder, a pattern or s3://bucket/prefix.
        target: a folder or s3://bucket/prefix.
        model: models:/NAME@ALIAS, models:/NAME/VERSION or a file; else models:/esrgan@champion.
        alpha: of a registered model, 0 to 1; else its own.
        scale: of the results; else the network's own.
        format: png, jpg, webp or tif; else the source's.
        quality: of JPEG and WebP.
        precision: auto, fp32 or bf16.
        ensemble: the mean over eight flips and turns.
        overwrite: also replace files that were not made by this.
        workers: processes, -1 for one per core.
    """
    config = parse_config("auto", precision, "auto", ensemble=ensemble, scale=scale)
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
    for outcome in upscale_batch(batch, workers):
        outcomes.append(outcome)
        if outcome.state == "failed":
            log.error("%s: %s", outcome.source, redact(outcome.message))
        elif outcome.message:
            log.warning("%s: %s", outcome.target, redact(outcome.message))
    counts = Counter(one.state for one in outcomes)
    log.info(
        "%d done, %d were there already, %d failed",
        counts["done"],
        counts["skipped"],
        counts["failed"],
    )
    failed = [one for one in outcomes if one.state == "failed"]
    if failed:
        rows = [{"image": one.source, "why": one.message} for one in failed[:MOST_NAMED]]
        if runtime.flow_run.id:
            create_table_artifact(table=rows, key="failed")
        raise FailedImagesError(
            f"{len(failed)} of {len(outcomes)} could not be upscaled; the log names them"
        )
