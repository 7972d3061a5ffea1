"""Paths of the files that stages read and write."""

from pathlib import Path

DATA = Path("data")
ARTIFACTS = Path("artifacts")
IMAGES = ARTIFACTS / "images"
MANIFEST = IMAGES / "manifest.csv"
QUALITY_STATS = ARTIFACTS / "download" / "quality_stats.parquet"
SKIPPED = ARTIFACTS / "download" / "skipped.csv"
VALIDATION_REPORT = ARTIFACTS / "validate" / "report.json"
PAIRS = ARTIFACTS / "pairs"


def generator_path(stage: str) -> Path:
    """The generator of a training stage."""
    return ARTIFACTS / stage / "generator.safetensors"


PRETRAINED = generator_path("pretrain")
FINETUNED = generator_path("finetune")
START = FINETUNED.with_name("start.safetensors")
"""The network from which `finetune` started: alpha 0."""
ALPHA_GRID = ARTIFACTS / "interpolate" / "grid.csv"
IMAGE_GRID = ARTIFACTS / "interpolate" / "image_grid.csv"
ALPHA_PER_IMAGE = ARTIFACTS / "interpolate" / "per_image.csv"
ALPHA_RESULTS = ARTIFACTS / "interpolate" / "results"
ALPHA_CHOICE = ARTIFACTS / "interpolate" / "choice.json"
CLUSTERS = ARTIFACTS / "sftnet" / "clusters.json"
EVALUATION_METRICS = ARTIFACTS / "evaluate" / "metrics.json"
REPORT_PAGE = ARTIFACTS / "evaluate" / "report" / "index.html"
