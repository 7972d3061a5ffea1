"""What tests share: servers, stores, trainings and flows to test against."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
"""The root of the repository."""
