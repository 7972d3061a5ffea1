"""A store that hangs, dies and comes back does not affect a training and loses nothing."""

import signal
from collections import Counter
from collections.abc import Iterator

import pytest
from mlflow import MlflowClient

from pipelines.tracking.uploader import RUN_ID_FILE
from tests.e2e.conftest import esrgan_in
from tests.support.proxy import Condition, Proxy, mlflow_server
from tests.support.trainings import Trainings, wait_for


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    with mlflow_server(tmp_path_factory.mktemp("server")) as port:
        yield port


def points(port: int, name: str) -> Counter[tuple[str, int]]:
    """How often each (metric, step) of a stage's run is in the store."""
    client = MlflowClient(f"http://127.0.0.1:{port}")
    experiment = client.get_experiment_by_name("esrgan")
    assert experiment
    (run,) = client.search_runs(
        [experiment.experiment_id],
        f"tags.`esrgan.run` = '{name}' and tags.`dvc.stage` = 'pretrain'",
    )
    return Counter(
        (metric, point.step)
        for metric in run.data.metrics
        if metric != "seconds"
        for point in client.get_metric_history(run.info.run_id, metric)
    )


def expected(trainings: Trainings, state: str) -> set[tuple[str, int]]:
    """Every point in the journal."""
    return {
        (metric, int(row["step"]))
        for row in trainings.rows("pretrain", state)
        for metric in row
        if metric not in ("step", "time")
    }


@pytest.mark.parametrize(
    "condition", ["dead", "hanging", pytest.param("slow", marks=pytest.mark.long)]
)
def test_no_point_is_lost_or_logged_twice(
    trainings: Trainings, server: int, condition: Condition
) -> None:
    with Proxy(server) as proxy:
        settings = {
            "MLFLOW_TRACKING_URI": proxy.uri,
            "ESRGAN_RUN": f"store-{condition}",
            # a slow store responds in half a second, one that hangs until the timeout
            "MLFLOW_HTTP_REQUEST_TIMEOUT": "5" if condition == "slow" else "2",
        }
        first = trainings.start("pretrain", condition, **settings)
        wait_for(lambda: trainings.steps_done("pretrain", condition) >= 30)
        # the store works at first, so that it has some points
        proxy.condition = condition
        wait_for(lambda: trainings.steps_done("pretrain", condition) >= 60)
        first.send_signal(signal.SIGKILL)
        first.wait()
        trainings.finish("pretrain", condition, **settings)
        assert trainings.is_intact("pretrain", condition)
        proxy.condition = "well"
        esrgan = esrgan_in(trainings.folder)
        state = {"ESRGAN_STATE": trainings.settings(condition)["ESRGAN_STATE"]}
        for _ in range(2):
            esrgan("publish", **settings, **state)
    found = points(server, f"store-{condition}")
    assert set(found) == expected(trainings, condition)
    assert set(found.values()) == {1}


def test_publish_uploads_the_curves_of_a_killed_training(trainings: Trainings, server: int) -> None:
    with Proxy(server) as proxy:
        settings = {"MLFLOW_TRACKING_URI": proxy.uri, "ESRGAN_RUN": "store-killed"}
        process = trainings.start("pretrain", "killed", **settings)
        states = trainings.folder / "states" / "killed"
        wait_for(lambda: any(states.glob(f"checkpoints/pretrain/*/{RUN_ID_FILE}")))
        wait_for(lambda: trainings.steps_done("pretrain", "killed") >= 5)
        process.kill()
        process.wait()
        state = {"ESRGAN_STATE": trainings.settings("killed")["ESRGAN_STATE"]}
        printed = esrgan_in(trainings.folder)("publish", **settings, **state)
        assert "points uploaded" in printed
    found = points(server, "store-killed")
    assert set(found) == expected(trainings, "killed")
    assert set(found.values()) == {1}
