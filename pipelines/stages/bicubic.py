"""Downscale every image as MATLAB does, and write the pair store."""

import json
from dataclasses import dataclass, replace

from esrgan_core.data.pairs import StoreFacts, write_index
from pipelines.config.artifacts import IMAGES, MANIFEST, PAIRS, VALIDATION_REPORT
from pipelines.data.config import BicubicConfig
from pipelines.data.manifest import BadImagesError, pair_with_lr, read_manifest
from pipelines.data.pair_cache import PairTask, link_pair, prepare_pair, report_estimate
from pipelines.runtime.disk import remove_tree
from pipelines.runtime.parallel import in_parallel
from pipelines.runtime.progress import track
from pipelines.runtime.state import state_root
from pipelines.stages.runner import run_stage


@dataclass(frozen=True, kw_only=True, slots=True)
class Params:
    scale: int
    bicubic: BicubicConfig


def run(params: Params) -> None:
    """Write the pair store to `artifacts/pairs/`."""
    excluded = set(json.loads(VALIDATION_REPORT.read_text(encoding="utf-8"))["excluded"])
    images, folder, scale = IMAGES.absolute(), state_root() / "prepared", params.scale
    tasks = [
        PairTask(hr=hr, lr=lr, scale=scale, images=images, folder=folder)
        for hr, lr in pair_with_lr(read_manifest(MANIFEST))
        if hr.path not in excluded
    ]
    workers, paths = params.bicubic.workers, [task.hr.path for task in tasks]
    report_estimate(tasks, workers)
    results = in_parallel(prepare_pair, tasks, workers, fewer="with bicubic.workers lower")
    entries, problems = [], []
    for task, pair in zip(tasks, track("bicubic", results, paths), strict=True):
        if isinstance(pair, str):
            problems.append(f"  {task.hr.path}: {pair}")
        else:
            hr = task.hr
            entry = replace(pair, name=hr.pair_name, split=hr.split, set=hr.set)
            entries.append((task.key, entry))
    if problems:
        raise BadImagesError(problems)
    remove_tree(PAIRS)
    for key, entry in entries:
        link_pair(folder, key, PAIRS, entry)
    convention = "supplied" if any(task.lr for task in tasks) else "matlab_double"
    facts = StoreFacts(scale=scale, convention=convention)
    write_index(PAIRS, [entry for _, entry in entries], facts)


if __name__ == "__main__":
    run_stage("bicubic", Params, run)
