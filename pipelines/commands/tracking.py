"""`esrgan publish`: DVC's artifacts into MLflow."""

import typer


def publish() -> None:
    """Bring the results in artifacts/ into the MLflow store, whatever it lacks of them.

    Uses MLFLOW_TRACKING_URI, else the database under .esrgan/. Safe to repeat: what is there
    already is left alone.
    """
    from pipelines.params import load_params  # noqa: PLC0415
    from pipelines.paths import PAGE  # noqa: PLC0415
    from pipelines.registry import admit  # noqa: PLC0415
    from pipelines.stages.register import Params  # noqa: PLC0415
    from pipelines.tracking.publish import publish_all, published_run  # noqa: PLC0415
    from pipelines.tracking.record import record_path  # noqa: PLC0415
    from pipelines.tracking.store import tracking_uri  # noqa: PLC0415

    done = publish_all()
    typer.echo(
        f"MLflow at {tracking_uri()}: " + (f"added {', '.join(done)}" if done else "complete")
    )
    if record_path("register").is_file():
        params = load_params(Params)
        run_id = published_run("register")
        decision = admit(params.register, params.interpolate.alpha, run_id)
        typer.echo(f"{decision.model} version {decision.version} is the {decision.alias}")
    if PAGE.is_file():
        typer.echo(f"picture page: {PAGE.resolve()}")


COMMANDS = (publish,)
