"""Data, the DVC remote and MLflow's artifacts on S3, with a real server that checks credentials."""

import hashlib
import shutil
import subprocess
from collections.abc import Iterator
from random import Random

import pytest

from pipelines.config.params import read_yaml
from tests.conftest import textured
from tests.e2e.conftest import command_in, environment
from tests.support.cloud import Cloud, kill_uploads, project_on_s3
from tests.support.images import encode_png


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """A copy in which the flow has run once, without a cache at its start."""
    with project_on_s3(tmp_path_factory.mktemp("cloud")) as cloud:
        shutil.rmtree(cloud.folder / ".dvc" / "cache")
        shutil.rmtree(cloud.folder / "data")
        cloud.output = cloud.run("esrgan", "flow", "--name", "cloudy", "--update-data")
        yield cloud


def test_data_results_and_models_of_a_run_are_on_s3(cloud: Cloud) -> None:
    assert cloud.wrong_objects() == []
    outs = read_yaml(cloud.folder / "runs/cloudy/dvc.lock")["stages"]["finetune"]["outs"]
    md5 = next(out["md5"] for out in outs if out["path"].endswith("finetune/generator.safetensors"))
    assert f"store/files/md5/{md5[:2]}/{md5[2:]}" in cloud.server.keys("dvc")
    logged = cloud.server.keys("mlflow")
    assert any(key.endswith("checksums.json") for key in logged)
    assert any(key.endswith("report/index.html") for key in logged)
    cloud.run("dvc", "exp", "apply", "cloudy")
    assert " 0 findings" in cloud.run("esrgan", "verify")


def test_a_catalog_of_a_prefix_feeds_the_pipeline(cloud: Cloud) -> None:
    cloud.run("git", "stash", "--quiet")
    cloud.run("esrgan", "catalog", "s3://images/mine/", "-o", "catalogs/mine.csv")
    (cloud.folder / "catalogs" / "mine.csv").rename(cloud.folder / "mine.csv")
    shutil.rmtree(cloud.folder / "data", ignore_errors=True)
    (cloud.folder / "data").mkdir()
    (cloud.folder / "mine.csv").rename(cloud.folder / "data" / "mine.csv")
    cloud.run("esrgan", "params", "--set", "download.catalogs=[mine]")
    printed = cloud.run("python", "-m", "pipelines.stages.download")
    assert "5 images {'train': 3, 'val': 1, 'test': 1}" in printed
    shutil.rmtree(cloud.folder / "data")
    cloud.run("git", "checkout", "--quiet", "params.yaml")


def test_a_scheduled_run_trains_only_when_the_data_has_changed(cloud: Cloud) -> None:
    # the flow's commands with --update-data when nothing has changed
    here = command_in(cloud.folder / "runs" / "cloudy")
    here("dvc", "update", "data.dvc", **cloud.env)
    assert "Running stage" not in here("dvc", "repro", **cloud.env)
    content = encode_png(textured(256, 260, 100))
    cloud.server.client.put_object(Bucket="images", Key="mine/train/new.png", Body=content)
    with subprocess.Popen(
        ["esrgan", "flow", "--name", "cloudy-changed", "--update-data"],
        cwd=cloud.folder,
        env=environment(cloud.folder) | cloud.env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as changed:
        assert changed.stdout
        output = ""
        while "Running stage 'pretrain'" not in output:
            line = changed.stdout.readline()
            assert line, output
            output += line
        # the rest is not needed, and a signal must end the run
        changed.terminate()
        changed.stdout.read()
    assert changed.returncode == 143
    assert "6 images" in output


def test_no_secret_is_in_logs_params_tags_or_caches(cloud: Cloud) -> None:
    secret = cloud.server.secret.encode()
    files = 0
    for folder in (cloud.folder / ".esrgan", cloud.folder / "runs", cloud.folder / ".dvc"):
        for path in folder.rglob("*"):
            if path.is_file() and not path.is_symlink():
                files += 1
                assert secret not in path.read_bytes(), path
    assert files > 100
    for key in cloud.server.keys("mlflow"):
        body = cloud.server.client.get_object(Bucket="mlflow", Key=key)["Body"].read()
        assert secret not in body, key
    assert cloud.server.secret not in cloud.output


def test_a_damaged_object_of_the_remote_is_rejected(cloud: Cloud) -> None:
    cloud.run("dvc", "exp", "apply", "cloudy")
    shutil.rmtree(cloud.folder / ".dvc" / "cache")
    shutil.rmtree(cloud.folder / "artifacts")
    cloud.run("dvc", "pull", "pretrain")
    model = cloud.folder / "artifacts/pretrain/generator.safetensors"
    content = model.read_bytes()
    md5 = hashlib.md5(content).hexdigest()
    target = {"Bucket": "dvc", "Key": f"store/files/md5/{md5[:2]}/{md5[2:]}"}
    flipped = bytearray(content)
    flipped[len(content) // 2] ^= 1
    for damaged in (bytes(flipped), content[: len(content) // 2]):
        cloud.server.client.put_object(**target, Body=damaged)
        shutil.rmtree(cloud.folder / ".dvc" / "cache")
        model.unlink(missing_ok=True)
        printed = cloud.run("dvc", "pull", "pretrain", fails=True)
        assert "generator.safetensors" in printed
        assert not model.exists()
    cloud.server.client.put_object(**target, Body=content)
    cloud.run("dvc", "pull")
    assert model.read_bytes() == content


def test_wrong_credentials_are_an_error(cloud: Cloud) -> None:
    command = ["esrgan", "catalog", "s3://images/mine/", "-o", "mine.csv"]
    printed = cloud.run(*command, fails=True, AWS_SECRET_ACCESS_KEY="wrong")
    assert "refuses the credentials (SignatureDoesNotMatch); check AWS_ACCESS_KEY_ID" in printed
    assert "Traceback" not in printed


def test_a_killed_upload_leaves_no_partial_object(cloud: Cloud) -> None:
    assert kill_uploads(cloud, 2, Random(0)) == []
