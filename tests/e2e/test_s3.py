"""Data, DVC's remote and MLflow's artifacts on S3, with a real server that asks for credentials."""

import hashlib
import shutil
import subprocess
from collections.abc import Iterator
from random import Random

import pytest

from pipelines.config.params import read_yaml
from tests.conftest import textured
from tests.e2e.conftest import command_in, environment
from tests.support.cloud import Cloud, clouded, kill_uploads
from tests.support.images import encode_png


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """A copy in which a run of the flow is done that had no cache to begin with."""
    with clouded(tmp_path_factory.mktemp("cloud")) as made:
        shutil.rmtree(made.folder / ".dvc" / "cache")
        shutil.rmtree(made.folder / "data")
        made.printed = made.run("esrgan", "flow", "--name", "cloudy", "--update-data")
        yield made


def test_a_run_has_its_data_results_and_models_on_s3(cloud: Cloud) -> None:
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


def test_a_scheduled_run_retrains_when_the_data_has_changed_and_only_then(cloud: Cloud) -> None:
    # what a flow does with --update-data, where nothing has changed
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
        said = ""
        while "Running stage 'pretrain'" not in said:
            line = changed.stdout.readline()
            assert line, said
            said += line
        # that is enough; and this ends it, too
        changed.terminate()
        changed.stdout.read()
    assert changed.returncode == 143
    assert "6 images" in said


def test_no_secret_is_in_logs_params_tags_or_caches(cloud: Cloud) -> None:
    secret = cloud.server.secret.encode()
    looked = 0
    for place in (cloud.folder / ".esrgan", cloud.folder / "runs", cloud.folder / ".dvc"):
        for path in place.rglob("*"):
            if path.is_file() and not path.is_symlink():
                looked += 1
                assert secret not in path.read_bytes(), path
    assert looked > 100
    for key in cloud.server.keys("mlflow"):
        body = cloud.server.client.get_object(Bucket="mlflow", Key=key)["Body"].read()
        assert secret not in body, key
    assert cloud.server.secret not in cloud.printed


def test_a_damaged_object_of_the_remote_is_not_taken(cloud: Cloud) -> None:
    cloud.run("dvc", "exp", "apply", "cloudy")
    shutil.rmtree(cloud.folder / ".dvc" / "cache")
    shutil.rmtree(cloud.folder / "artifacts")
    cloud.run("dvc", "pull", "pretrain")
    model = cloud.folder / "artifacts/pretrain/generator.safetensors"
    content = model.read_bytes()
    md5 = hashlib.md5(content).hexdigest()
    where = {"Bucket": "dvc", "Key": f"store/files/md5/{md5[:2]}/{md5[2:]}"}
    flipped = bytearray(content)
    flipped[len(content) // 2] ^= 1
    for damaged in (bytes(flipped), content[: len(content) // 2]):
        cloud.server.client.put_object(**where, Body=damaged)
        shutil.rmtree(cloud.folder / ".dvc" / "cache")
        model.unlink(missing_ok=True)
        printed = cloud.run("dvc", "pull", "pretrain", fails=True)
        assert "generator.safetensors" in printed
        assert not model.exists()
    cloud.server.client.put_object(**where, Body=content)
    cloud.run("dvc", "pull")
    assert model.read_bytes() == content


def test_wrong_credentials_are_said(cloud: Cloud) -> None:
    words = ["esrgan", "catalog", "s3://images/mine/", "-o", "mine.csv"]
    printed = cloud.run(*words, fails=True, AWS_SECRET_ACCESS_KEY="wrong")
    assert "refuses the credentials (SignatureDoesNotMatch); see AWS_ACCESS_KEY_ID" in printed
    assert "Traceback" not in printed


def test_a_killed_upload_shows_no_part(cloud: Cloud) -> None:
    assert kill_uploads(cloud, 2, Random(0)) == []
