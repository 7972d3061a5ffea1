"""`esrgan publish` cut at each call to MLflow."""

import json
from pathlib import Path

from pipelines.tracking.errors import StoreDownError
from tests.e2e.conftest import command_in, esrgan_in
from tests.support.stores import Fault, KeptStore, When, content

BETTER = {
    "pretrained": {"psnr_y": 30.0, "niqe": 9.0},
    "interpolated": {"niqe": 6.0},
}
"""Figures of a champion, whose registration takes the most steps."""


class Publishing:
    """A project whose results are published into one store, which each try finds empty."""

    def __init__(self, project: Path) -> None:
        path = project / "artifacts/evaluate/metrics.json"
        results = json.loads(path.read_text())
        for model, figures in BETTER.items():
            results[model]["sample"] |= figures
        path.unlink()  # a link into DVC's cache
        path.write_text(json.dumps(results))
        self.state, self.esrgan = project / "published", esrgan_in(project)
        make = "from pipelines.tracking.client import client; client()"
        command_in(project)("python", "-c", make, ESRGAN_STATE=str(self.state))
        self.store = KeptStore(self.state)
        self.publish(Fault())  # MLflow makes its connections
        self.store.restore()
        undisturbed = Fault()
        assert "is the champion" in self.publish(undisturbed)
        self.calls = undisturbed.calls
        self.expected = content(self.state)

    def publish(self, fault: Fault) -> str:
        """Run `esrgan publish`; what it printed."""
        with fault():
            return self.esrgan("publish", ESRGAN_STATE=str(self.state))

    def problem(self, number: int, when: When) -> str:
        """What is otherwise if the n-th call fails and publishing is repeated; "" if nothing."""
        self.store.restore()
        try:
            self.publish(Fault(number, when))
        except StoreDownError:
            self.publish(Fault())
        found = content(self.state)
        more, less = list(found - self.expected), list(self.expected - found)
        told = f"call {number}, {self.calls[number]}, {when}: more {more[:3]}, less {less[:3]}"
        return told if more or less else ""
