"""The flow with a real server and a real worker: single, concurrent and cancelled runs."""

import json
import re
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from esrgan_core.io.rgb import read_rgb, write_png
from tests.conftest import textured
from tests.support.flows import LONG, PAUSE, SECONDS_FOR_A_RUN, Flows
from tests.support.interruptions import cancel, interrupt, resume
from tests.support.trainings import wait_for

TWINS = ("twin-one", "twin-two")


@pytest.fixture(scope="module")
def flows(project: Path) -> Iterator[Flows]:
    """A server and a worker, stopped as `make stop` does."""
    shutil.rmtree(project / "data")  # a run downloads it into its own workspace only
    started = Flows.start(project)
    yield started
    assert "worker stopped" in started.local("stop")
    assert "no server was running" in started.local("stop")


@pytest.fixture(scope="module")
def first_run(flows: Flows) -> str:
    """A run whose trainings are cached, started by the command of the README; its id."""
    command = ["prefect", "deployment", "run", "esrgan/sample", "--watch", "--param", "name=first"]
    printed = flows.run(*command)
    assert "finished successfully" in printed
    (run,) = flows.request("POST", "flow_runs/filter", flow_runs={"name": {"any_": ["first"]}})
    return str(run["id"])


def test_a_run_has_one_name_in_prefect_dvc_and_mlflow(flows: Flows, first_run: str) -> None:
    assert flows.state(first_run) == "COMPLETED"
    parent = flows.mlflow_runs("first", "pipeline")[0]
    assert parent.info.run_name == "first"
    assert parent.data.tags["prefect.flow_run_id"] == first_run
    assert parent.data.tags["prefect.flow_run_url"].endswith(first_run)
    assert flows.mlflow_states("first") == {"FINISHED"}
    assert "first" in flows.run("dvc", "exp", "show", "--csv")
    artifacts = flows.artifacts(first_run)
    assert {"metrics", "images", "page", "mlflow"} <= artifacts.keys()
    assert parent.info.run_id in artifacts["mlflow"]["description"]
    models = {row["model"] for row in json.loads(artifacts["metrics"]["data"])}
    assert models == {"bicubic", "pretrained", "interpolated", "finetuned"}


@pytest.mark.usefixtures("first_run")
def test_a_run_does_not_change_the_working_tree(flows: Flows) -> None:
    assert flows.run("git", "status", "--porcelain") == ""
    assert not (flows.folder / "data").exists()


def test_an_unknown_parameter_fails_before_a_workspace_is_created(flows: Flows) -> None:
    run = flows.start_run("mistaken", overrides={"pretrain.step": 7})
    assert flows.wait(run) == "FAILED"
    assert "unknown key pretrain.step; did you mean steps?" in flows.message(run)
    assert not (flows.folder / "runs" / "mistaken").exists()


def test_a_run_finds_cached_results_and_its_name_needs_the_same_recipe(
    flows: Flows, first_run: str
) -> None:
    assert set(re.findall(r"Running stage '(\w+)'", flows.log(first_run))) <= {"register"}
    weights = [flows.folder / f"artifacts/{stage}/generator.safetensors" for stage in LONG]
    assert flows.weights("first") == b"".join(path.read_bytes() for path in weights)
    other = flows.start_run("first", overrides={"pretrain.steps": 7})
    assert flows.wait(other) == "FAILED"
    assert "another recipe (pretrain.steps is 60 there and 7 here)" in flows.message(other)


def test_runs_train_in_turn_after_a_kill_and_two_of_one_recipe_train_once(
    flows: Flows,
) -> None:
    flows.delete_trainings()
    first = flows.start_run(
        "turns", overrides={**LONG, "pretrain": {**LONG["pretrain"], "seed": 1}}
    )
    wait_for(lambda: flows.steps() > 0, SECONDS_FOR_A_RUN, PAUSE)
    with flows.paused("turns") as holder:
        twins = [flows.start_run(name, overrides=LONG) for name in TWINS]

        def waiting() -> str:
            logs = [flows.log(twin) for twin in twins]
            return next(
                (log for log in logs if "waiting for cpu, which is used by process" in log), ""
            )

        wait_for(lambda: bool(waiting()), SECONDS_FOR_A_RUN, PAUSE)
        assert "for the run turns" in waiting()
        before = flows.journals()
        holder.send_signal(signal.SIGKILL)
    killed = time.time()
    assert flows.wait(first) == "FAILED"
    assert "pretrain: failed with exit code" in flows.message(first)
    pretrained = [
        flows.folder / f"runs/{name}/artifacts/pretrain/generator.safetensors" for name in TWINS
    ]
    # one of them is enough for the stages after it
    wait_for(pretrained[1].exists, SECONDS_FOR_A_RUN, PAUSE)
    flows.run("prefect", "flow-run", "cancel", twins[1])
    assert [flows.wait(twin) for twin in twins] == ["COMPLETED", "CANCELLED"]
    assert pretrained[0].read_bytes() == pretrained[1].read_bytes()
    assert {flows.artifacts(twin)["progress-pretrain"]["data"] for twin in twins} == {100}
    assert flows.mlflow_states("twin-one") == {"FINISHED"}
    for name in TWINS:
        (parent,) = flows.mlflow_runs(name, "pipeline")
        children = flows.mlflow_runs(name, "pretrain")
        assert {one.data.tags["mlflow.parentRunId"] for one in children} == {parent.info.run_id}
    (old,) = before
    (new,) = flows.journals().keys() - before.keys()
    rows = {
        name: [row for row in flows.journals()[name] if "g/pixel" in row] for name in (old, new)
    }
    assert max(row["time"] for row in rows[old]) <= killed * 1000 <= rows[new][0]["time"]
    steps = [row["step"] for row in rows[new]]
    assert len(steps) == len(set(steps)), "trained twice"


def test_a_cancelled_run_continues_to_the_same_weights(flows: Flows) -> None:
    expected = flows.weights("twin-one")
    flows.delete_trainings()
    cancelled = interrupt(flows, "fire", cancel, Random(0))
    assert cancelled.wait(flows) == []
    assert flows.state(cancelled.run) == "CANCELLED"
    assert resume(flows, "fire", expected) == []


@pytest.mark.usefixtures("first_run")
def test_a_folder_is_upscaled_by_the_registered_model(flows: Flows) -> None:
    photos, large = flows.folder.parent / "photos", flows.folder.parent / "large"
    photos.mkdir()
    for name in "abc":
        write_png(photos / f"{name}.png", textured(24, 36, seed=ord(name)))
    parameters = ["--param", f"source={photos}", "--param", f"target={large}"]
    version = flows.run("esrgan", "models").splitlines()[0].split()[1]
    parameters += ["--param", f"model=models:/esrgan/{version}"]
    command = ["prefect", "deployment", "run", "upscale/images", "--watch", *parameters]
    assert "finished successfully" in flows.run(*command)
    sizes = {path.name: read_rgb(path).shape for path in large.glob("*.png")}
    assert sizes == {f"{name}.png": (96, 144, 3) for name in "abc"}
    (photos / "d.png").write_bytes(b"no image")
    run = re.search(r"UUID: (\S+)", flows.run(*command, fails=True))
    assert run
    assert "1 of 4 images could not be upscaled" in flows.message(run[1])
    assert flows.run("git", "status", "--porcelain") == ""


@pytest.mark.usefixtures("first_run")
def test_only_workspaces_of_saved_runs_are_removed(flows: Flows) -> None:
    trained = flows.weights("twin-one")
    with (flows.folder / "runs" / "first" / "params.yaml").open("a") as params:
        params.write("# changed\n")
    printed = flows.run("esrgan", "runs", "--prune", "--days", "0")
    states = {line[1]: (line[0], line[4]) for line in map(str.split, printed.splitlines())}
    assert states["twin-one"] == states["fire"] == ("remove", "saved")
    for name in ("first", "turns", "twin-two"):
        assert states[name] == ("keep", "unsaved")
    assert not (flows.folder / "runs" / "twin-one").exists()
    # the experiment still has the results
    flows.run("dvc", "exp", "apply", "twin-one")
    assert (flows.folder / "artifacts/pretrain/generator.safetensors").read_bytes() in trained


@pytest.mark.parametrize("kind", ["kubernetes", "ecs"])
def test_the_server_accepts_the_templates_of_other_work_pools(flows: Flows, kind: str) -> None:
    template = json.loads((flows.folder / "deploy" / f"{kind}.json").read_text())
    pool = flows.request("POST", "work_pools/", name=kind, type=kind, base_job_template=template)
    assert pool["base_job_template"] == template
    used = set(re.findall(r"\{\{ (\w+) \}\}", json.dumps(template["job_configuration"])))
    variables = template["variables"]["properties"].keys()
    assert used == variables
