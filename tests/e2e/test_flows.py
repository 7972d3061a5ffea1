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
from tests.support.flows import LONG, PAUSE, SECONDS_FOR_A_RUN, Flows, cancel, go_on, interrupt
from tests.support.trainings import wait_for

TWINS = ("twin-one", "twin-two")


@pytest.fixture(scope="module")
def flows(project: Path) -> Iterator[Flows]:
    """A server and a worker, stopped as `make stop` does."""
    shutil.rmtree(project / "data")  # a run brings it into its own folder only
    started = Flows.start(project)
    yield started
    assert "worker stopped" in started.local("stop")
    assert "no server was running" in started.local("stop")


@pytest.fixture(scope="module")
def whole(flows: Flows) -> str:
    """A run of what was trained before, begun by the command of the README; its id."""
    command = ["prefect", "deployment", "run", "esrgan/sample", "--watch", "--param", "name=whole"]
    printed = flows.run(*command)
    assert "finished successfully" in printed
    (run,) = flows.ask("POST", "flow_runs/filter", flow_runs={"name": {"any_": ["whole"]}})
    return str(run["id"])


def test_prefect_dvc_and_mlflow_know_a_run_by_one_name(flows: Flows, whole: str) -> None:
    assert flows.state(whole) == "COMPLETED"
    parent = flows.mlflow_runs("whole", "pipeline")[0]
    assert parent.info.run_name == "whole"
    assert parent.data.tags["prefect.flow_run_id"] == whole
    assert parent.data.tags["prefect.flow_run_url"].endswith(whole)
    assert flows.mlflow_states("whole") == {"FINISHED"}
    assert "whole" in flows.run("dvc", "exp", "show", "--csv")
    artifacts = flows.artifacts(whole)
    assert {"metrics", "images", "page", "mlflow"} <= artifacts.keys()
    assert parent.info.run_id in artifacts["mlflow"]["description"]
    models = {row["model"] for row in json.loads(artifacts["metrics"]["data"])}
    assert models == {"bicubic", "pretrained", "interpolated", "finetuned"}


def test_a_run_leaves_the_users_tree_alone(flows: Flows, whole: str) -> None:
    assert whole
    assert flows.run("git", "status", "--porcelain") == ""
    assert not (flows.folder / "data").exists()


def test_an_unknown_key_fails_before_anything_runs(flows: Flows) -> None:
    run = flows.begin("mistaken", overrides={"pretrain.step": 7})
    assert flows.end(run) == "FAILED"
    assert "unknown key pretrain.step; did you mean steps?" in flows.message(run)
    assert not (flows.folder / "runs" / "mistaken").exists()


def test_a_run_finds_what_was_done_before_and_its_name_is_no_other_recipes(
    flows: Flows, whole: str
) -> None:
    assert set(re.findall(r"Running stage '(\w+)'", flows.said(whole))) <= {"register"}
    weights = [flows.folder / f"artifacts/{stage}/generator.safetensors" for stage in LONG]
    assert flows.weights("whole") == b"".join(path.read_bytes() for path in weights)
    other = flows.begin("whole", overrides={"pretrain.steps": 7})
    assert flows.end(other) == "FAILED"
    assert "another recipe, pretrain.steps is 60 there and 7 here" in flows.message(other)


def test_runs_take_turns_a_killed_one_frees_the_device_and_of_one_recipe_one_trains(
    flows: Flows,
) -> None:
    flows.forget()
    first = flows.begin("turns", overrides={**LONG, "pretrain": {**LONG["pretrain"], "seed": 1}})
    wait_for(lambda: flows.steps() > 0, SECONDS_FOR_A_RUN, PAUSE)
    with flows.held("turns") as holder:
        twins = [flows.begin(name, overrides=LONG) for name in TWINS]

        def waiting() -> str:
            said = [flows.said(twin) for twin in twins]
            return next((text for text in said if "waiting for cpu, which process" in text), "")

        wait_for(lambda: bool(waiting()), SECONDS_FOR_A_RUN, PAUSE)
        assert "for the run turns trains on" in waiting()
        before = flows.journals()
        holder.send_signal(signal.SIGKILL)
    killed = time.time()
    assert flows.end(first) == "FAILED"
    assert "pretrain: it failed with exit code" in flows.message(first)
    pretrained = [
        flows.folder / f"runs/{name}/artifacts/pretrain/generator.safetensors" for name in TWINS
    ]
    # what comes after it need not be done twice
    wait_for(pretrained[1].exists, SECONDS_FOR_A_RUN, PAUSE)
    flows.cancel(twins[1])
    assert [flows.end(twin) for twin in twins] == ["COMPLETED", "CANCELLED"]
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


def test_a_run_that_was_cancelled_goes_on_to_the_same_bits(flows: Flows) -> None:
    undisturbed = flows.weights("twin-one")
    flows.forget()
    cancelled = interrupt(flows, "fire", cancel, Random(0))
    assert cancelled.settled(flows) == []
    assert flows.state(cancelled.run) == "CANCELLED"
    assert go_on(flows, "fire", undisturbed) == []


def test_a_folder_goes_through_the_registered_model(flows: Flows, whole: str) -> None:
    assert whole
    photos, large = flows.folder.parent / "photos", flows.folder.parent / "large"
    photos.mkdir()
    for name in "abc":
        write_png(photos / f"{name}.png", textured(24, 36, seed=ord(name)))
    words = ["--param", f"source={photos}", "--param", f"target={large}"]
    version = flows.run("esrgan", "models").splitlines()[0].split()[1]
    words += ["--param", f"model=models:/esrgan/{version}"]
    command = ["prefect", "deployment", "run", "upscale/images", "--watch", *words]
    assert "finished successfully" in flows.run(*command)
    sizes = {path.name: read_rgb(path).shape for path in large.glob("*.png")}
    assert sizes == {f"{name}.png": (96, 144, 3) for name in "abc"}
    (photos / "d.png").write_bytes(b"no image")
    run = re.search(r"UUID: (\S+)", flows.run(*command, fails=True))
    assert run
    assert "1 of 4 could not be upscaled" in flows.message(run[1])
    assert flows.run("git", "status", "--porcelain") == ""


def test_only_folders_of_saved_runs_go(flows: Flows, whole: str) -> None:
    assert whole
    trained = flows.weights("twin-one")
    with (flows.folder / "runs" / "whole" / "params.yaml").open("a") as params:
        params.write("# changed\n")
    printed = flows.run("esrgan", "runs", "--prune", "--days", "0")
    states = {words[1]: (words[0], words[4]) for words in map(str.split, printed.splitlines())}
    assert states["twin-one"] == states["fire"] == ("remove", "saved")
    for name in ("whole", "turns", "twin-two"):
        assert states[name] == ("keep", "unsaved")
    assert not (flows.folder / "runs" / "twin-one").exists()
    # what was removed is still there
    flows.run("dvc", "exp", "apply", "twin-one")
    assert (flows.folder / "artifacts/pretrain/generator.safetensors").read_bytes() in trained


@pytest.mark.parametrize("kind", ["kubernetes", "ecs"])
def test_the_examples_of_other_pools_are_taken_by_the_server(flows: Flows, kind: str) -> None:
    template = json.loads((flows.folder / "deploy" / f"{kind}.json").read_text())
    made = flows.ask("POST", "work_pools/", name=kind, type=kind, base_job_template=template)
    assert made["base_job_template"] == template
    used = set(re.findall(r"\{\{ (\w+) \}\}", json.dumps(template["job_configuration"])))
    variables = template["variables"]["properties"].keys()
    assert used == variables
