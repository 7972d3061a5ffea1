"""Register the model, and decide whether it is the new champion."""

from dataclasses import dataclass

from esrgan_core.files import write_text
from esrgan_core.strict_json import to_json
from pipelines.config.artifacts import ARTIFACTS
from pipelines.evaluation.config import RegisterConfig
from pipelines.registry.promotion import register
from pipelines.stages.runner import run_stage
from pipelines.tracking.open_runs import wait_for_run_id


@dataclass(frozen=True, kw_only=True, slots=True)
class Params:
    register: RegisterConfig


def run(params: Params) -> None:
    """Write `decision.json`; the model version and its alias are in MLflow."""
    decision = register(params.register, wait_for_run_id("register"))
    target = ARTIFACTS / "register" / "decision.json"
    write_text(target, to_json(decision, indent=2) + "\n")
    print(f"{decision['model']} version {decision['version']} is the {decision['alias']}:")
    for reason in decision["reasons"]:
        print(f"  {'yes' if reason['holds'] else 'no '}  {reason['rule']}: {reason['figures']}")


if __name__ == "__main__":
    run_stage("register", Params, run)
