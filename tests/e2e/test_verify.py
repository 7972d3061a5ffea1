"""`esrgan verify` over everything that a run leaves behind."""

import json
import subprocess
import sys
from pathlib import Path

from tests.e2e.conftest import Run, environment

DAMAGE = """
import json, random, sys
from pathlib import Path
from pipelines.ops.integrity import Item, items, verify
from tests.support.states import spoil

source = random.Random(7)
files = [one.path for one in items() if isinstance(one, Item)]
files += [one.manifest for one in items() if isinstance(one, Item) and one.manifest]
files += Path(".esrgan/mlartifacts/models").rglob("checksums.json")
by_kind = {}
for path in sorted(set(files)):
    by_kind.setdefault((path.parts[0], path.suffix), []).append(path)
missed, areas = [], {}
for kind in sorted(by_kind):
    for flips in (True, False):
        path = source.choice(by_kind[kind])
        content = path.read_bytes()
        if flips and content:
            spoil(path, source, flip=True)
        else:
            path.unlink()
        count, findings = verify()
        for finding in findings:
            areas[finding.area] = areas.get(finding.area, 0) + 1
        if not findings:
            missed.append((flips, str(path)))
        path.write_bytes(content)
print(json.dumps({"missed": missed, "areas": areas, "after": [str(f) for f in verify()[1]]}))
"""


def test_nothing_is_reported_of_what_is_whole(esrgan: Run) -> None:
    printed = esrgan("verify", "--json")
    found = json.loads(printed[printed.index("{") :])
    assert found["findings"] == []
    assert found["files"] > 150


def test_a_share_of_the_files_can_be_looked_at(esrgan: Run) -> None:
    printed = esrgan("verify", "--json", "--percent", "10")
    few = json.loads(printed[printed.index("{") :])["files"]
    assert 10 < few < 60


def test_a_flip_in_and_the_loss_of_a_file_of_every_kind_are_found(project: Path) -> None:
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


def test_a_finding_says_where_and_what_to_do(esrgan: Run, project: Path) -> None:
    path = project / "artifacts/pretrain/generator.safetensors"
    content = path.read_bytes()
    path.unlink()
    try:
        printed = esrgan("verify", fails=True)
    finally:
        path.write_bytes(content)
    assert "outputs: artifacts/pretrain/generator.safetensors is gone; `dvc checkout`" in printed
