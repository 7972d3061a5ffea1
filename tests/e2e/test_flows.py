"""The flow with a real server and a real worker: runs, runs at once, and runs under fire."""

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
from tests.e2e.flows import (
    LONG,
    PAUSE,
    SECONDS_FOR_A_RUN,
    Flows,
    cancel,
    go_on,
    interrupt,
    kill_worker,
)
from tests.e2e.trainings import wait_for

SHORT = {"pretrain.steps": 300, "pretrain.validate_every": 100}


@pytest.fixture(scope="module")
def flows(project: Path) -> Iterator[Flows]:
    """A server and a worker, stopped as `make stop` does."""
    shutil.rmtree(project / "data")  # a run brings it into its own folder only
    started = Flows.start(project)
    yield started
    assert "worker stopped" in started.local("stop")
    assert "no server was running" in started.local("stop")


@pytest.fixture(scope="module")
def whole(flows: Flows) -> bytes:
    """Weights of a run that nothing disturbed, begun by the command of the README."""
    command = ["prefect", "deployment", "run", "esrgan/sample", "--watch", "--param", "name=whole"]
    printed = flows.run(*command)
    assert "finished successfully" in printed
    return flows.weights("whole")


def test_prefect_dvc_and_mlflow_know_a_run_by_one_name(flows: Flows, whole: bytes) -> None:
    assert whole
    (run,) = flows.ask("POST", "flow_runs/filter", flow_runs={"name": {"any_": ["whole"]}})
    assert run["state_type"] == "COMPLETED"
    parent = flows.mlflow_runs("whole", "pipeline")[0]
    assert parent.info.run_name == "whole"
    assert parent.data.tags["prefect.flow_run_id"] == run["id"]
    assert parent.data.tags["prefect.flow_run_url"].endswith(run["id"])
    children = flows.mlflow_runs("whole", "pretrain")
    assert {one.data.tags["mlflow.parentRunId"] for one in children} == {parent.info.run_id}
    assert flows.mlflow_states("whole") == {"FINISHED"}
    assert "whole" in flows.run("dvc", "exp", "show", "--csv")
    filter_ = {"flow_run_id": {"any_": [run["id"]]}}
    artifacts = {
        one["key"]: one for one in flows.ask("POST", "artifacts/filter", artifacts=filter_)
    }
    assert {"metrics", "pictures", "page", "mlflow", "progress-pretrain"} <= artifacts.keys()
    assert artifacts["progress-pretrain"]["data"] == 100
    assert parent.info.run_id in artifacts["mlflow"]["description"]
    models = {row["model"] for row in json.loads(artifacts["metrics"]["data"])}
    assert models == {"bicubic", "pretrained", "interpolated", "finetuned"}


def test_a_run_leaves_the_users_tree_alone(flows: Flows, whole: bytes) -> None:
    assert whole
    assert flows.run("git", "status", "--porcelain") == ""
    assert not (flows.folder / "data").exists()


def test_an_unknown_key_fails_before_anything_runs(flows: Flows) -> None:
    run = flows.begin("mistaken", overrides={"pretrain.step": 7})
    assert flows.end(run) == "FAILED"
    assert "unknown key pretrain.step; did you mean steps?" in flows.message(run)
    assert not (flows.folder / "runs" / "mistaken").exists()


def test_the_same_again_finds_all_done(flows: Flows, whole: bytes) -> None:
    run = flows.begin("whole-again")
    assert flows.end(run) == "COMPLETED"
    assert "Running stage" not in flows.said(run)
    assert flows.weights("whole-again") == whole
    assert flows.mlflow_states("whole-again") == {"FINISHED"}
    run = flows.begin("whole", overrides={"pretrain.steps": 7})
    assert flows.end(run) == "FAILED"
    steps = LONG["pretrain"]["steps"]
    assert f"another recipe, pretrain.steps is {steps} there and 7 here" in flows.message(run)


def test_whatever_ends_a_run_it_goes_on_to_the_same_bits(flows: Flows, whole: bytes) -> None:
    flows.forget()
    random = Random(0)
    done = [interrupt(flows, "fire", how, random) for how in (kill_worker, cancel)]
    problems = go_on(flows, "fire", whole)
    for interruption in done:
        problems += interruption.settled(flows)
    assert problems == []


def test_runs_take_turns_a_killed_one_frees_the_device_and_of_one_recipe_one_trains(
    flows: Flows,
) -> None:
    flows.forget()
    first = flows.begin("turns", overrides={"pretrain.steps": 100_000, "pretrain.seed": 1})
    wait_for(lambda: flows.steps() > 0, SECONDS_FOR_A_RUN, PAUSE)
    names = ("twin-one", "twin-two")
    twins = [flows.begin(name, overrides={**SHORT, "pretrain.seed": 2}) for name in names]

    def waiting() -> str:
        said = [flows.said(twin) for twin in twins]
        return next((text for text in said if "waiting for cpu, which process" in text), "")

    wait_for(lambda: bool(waiting()), SECONDS_FOR_A_RUN, PAUSE)
    assert "for the run turns trains on" in waiting()
    before = flows.journals()
    holder = flows.trainer("turns")
    assert holder
    holder.send_signal(signal.SIGKILL)
    killed = time.time()
    assert flows.end(first) == "FAILED"
    assert "pretrain: it failed with exit code" in flows.message(first)
    assert [flows.end(twin) for twin in twins] == ["COMPLETED"] * 2
    assert flows.weights("twin-one") == flows.weights("twin-two")
    (old,) = before
    (new,) = flows.journals().keys() - before.keys()
    rows = {
        name: [row for row in flows.journals()[name] if "g/pixel" in row] for name in (old, new)
    }
    assert max(row["time"] for row in rows[old]) <= killed * 1000 <= rows[new][0]["time"]
    steps = [row["step"] for row in rows[new]]
    assert len(steps) == len(set(steps)), "trained twice"


def test_a_folder_goes_through_the_registered_model(flows: Flows, whole: bytes) -> None:
    assert whole
    photos, large = flows.folder.parent / "photos", flows.folder.parent / "large"
    photos.mkdir()
    for name in "abc":
        write_png(photos / f"{name}.png", textured(24, 36, seed=ord(name)))
    words = ["--param", f"source={photos}", "--param", f"target={large}"]
    version = flows.run("esrgan", "models").splitlines()[0].split()[1]
    words += ["--param", f"model=models:/esrgan/{version}"]
    command = ["prefect", "deployment", "run", "upscale/pictures", "--watch", *words]
    assert "finished successfully" in flows.run(*command)
    sizes = {path.name: read_rgb(path).shape for path in large.glob("*.png")}
    assert sizes == {f"{name}.png": (96, 144, 3) for name in "abc"}
    (photos / "d.png").write_bytes(b"no picture")
    run = re.search(r"UUID: (\S+)", flows.run(*command, fails=True))
    assert run
    assert "1 of 4 could not be upscaled" in flows.message(run[1])
    assert flows.run("git", "status", "--porcelain") == ""


def test_only_folders_of_saved_runs_go(flows: Flows, whole: bytes) -> None:
    assert whole
    with (flows.folder / "runs" / "whole-again" / "params.yaml").open("a") as params:
        params.write("# changed\n")
    printed = flows.run("esrgan", "runs", "--prune", "--days", "0")
    states = {words[1]: (words[0], words[4]) for words in map(str.split, printed.splitlines())}
    assert states["whole"] == ("remove", "saved")
    assert states["whole-again"] == ("keep", "unsaved")
    assert states["turns"] == ("keep", "unsaved")
    assert not (flows.folder / "runs" / "whole").exists()
    # what was removed is still there
    flows.run("dvc", "exp", "apply", "whole")
    assert (flows.folder / "artifacts/pretrain/generator.safetensors").read_bytes() in whole


@pytest.mark.parametrize("kind", ["kubernetes", "ecs"])
def test_the_examples_of_other_pools_are_taken_by_the_server(flows: Flows, kind: str) -> None:
    template = json.loads((flows.folder / "deploy" / f"{kind}.json").read_text())
    made = flows.ask("POST", "work_pools/", name=kind, type=kind, base_job_template=template)
    assert made["base_job_template"] == template
    used = set(re.findall(r"\{\{ (\w+) \}\}", json.dumps(template["job_configuration"])))
    variables = template["variables"]["properties"].keys()
    assert used == variables
