"""`esrgan publish` with a failure of each call to MLflow."""

import json
from pathlib import Path

from pipelines.tracking.store_errors import StoreDownError
from tests.e2e.conftest import command_in, esrgan_in
from tests.support.stores import FailingCall, StoreSnapshot, When, content

BETTER = {
    "pretrained": {"psnr_y": 30.0, "niqe": 9.0},
    "interpolated": {"niqe": 6.0},
}
"""Metrics of a champion, whose registration takes the most steps."""


class Publishing:
    """A project whose results are published into one store, which is empty in each attempt."""

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
        self.store = StoreSnapshot(self.state)
        self.publish(FailingCall())  # MLflow opens its connections
        self.store.restore()
        undisturbed = FailingCall()
        assert "is the champion" in self.publish(undisturbed)
        self.calls = undisturbed.calls
        self.expected = content(self.state)

    def publish(self, fault: FailingCall) -> str:
        """Run `esrgan publish`; return its output."""
        with fault():
            return self.esrgan("publish", ESRGAN_STATE=str(self.state))

    def problem(self, number: int, when: When) -> str:
        """The difference if the n-th call fails and publishing is repeated; "" if there is none."""
        self.store.restore()
        try:
            self.publish(FailingCall(number, when))
        except StoreDownError:
            self.publish(FailingCall())
        found = content(self.state)
        more, less = list(found - self.expected), list(self.expected - found)
        message = f"call {number}, {self.calls[number]}, {when}: more {more[:3]}, less {less[:3]}"
        return message if more or less else ""
