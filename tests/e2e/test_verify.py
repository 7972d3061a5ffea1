"""`esrgan verify` on all files that a run writes."""

import json
import subprocess
import sys
from pathlib import Path

from tests.e2e.conftest import Run, environment

DAMAGE = """
import json, random, sys
from pathlib import Path
from pipelines.ops.integrity import CheckedFile, list_files, verify
from tests.support.states import damage

source = random.Random(7)
files = [one.path for one in list_files() if isinstance(one, CheckedFile)]
files += [one.manifest for one in list_files() if isinstance(one, CheckedFile) and one.manifest]
files += Path(".esrgan/mlartifacts/models").rglob("checksums.json")
by_kind = {}
for path in sorted(set(files)):
    by_kind.setdefault((path.parts[0], path.suffix), []).append(path)
missed, areas = [], []
for kind in sorted(by_kind):
    for flips in (True, False):
        path = source.choice(by_kind[kind])
        content = path.read_bytes()
        if flips and content:
            damage(path, source, flip=True)
        else:
            path.unlink()
        _, findings = verify()
        areas += [one.area for one in findings]
        if not findings:
            missed.append((flips, str(path)))
        path.write_bytes(content)
print(json.dumps({"missed": missed, "areas": areas, "after": list(map(str, verify()[1]))}))
"""


def test_undamaged_files_are_not_reported(esrgan: Run) -> None:
    printed = esrgan("verify", "--json")
    found = json.loads(printed[printed.index("{") :])
    assert found["findings"] == []
    assert found["files"] > 150


def test_a_share_of_the_files_can_be_verified(esrgan: Run) -> None:
    printed = esrgan("verify", "--json", "--percent", "10")
    few = json.loads(printed[printed.index("{") :])["files"]
    assert 10 < few < 60


def test_a_changed_and_a_missing_file_of_every_kind_are_found(project: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", DAMAGE],
        cwd=project,
        env=environment(project),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["missed"] == []
    assert found["after"] == []
    assert set(found["areas"]) >= {
        "outputs", "images", "pairs", "checkpoints", "registered", "prepared",
    }  # fmt: skip


def test_a_finding_names_the_file_and_the_remedy(esrgan: Run, project: Path) -> None:
    path = project / "artifacts/pretrain/generator.safetensors"
    content = path.read_bytes()
    path.unlink()
    try:
        printed = esrgan("verify", fails=True)
    finally:
        path.write_bytes(content)
    assert "outputs: artifacts/pretrain/generator.safetensors is missing; `dvc checkout`" in printed
