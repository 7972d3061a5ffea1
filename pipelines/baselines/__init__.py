"""Stages of the models that ESRGAN is compared with; see `dvc.yaml` in this folder."""

RECIPES = ("srcnn", "srresnet", "srgan", "sftgan", "contextual")
"""In the order of tables and pages, which is that of publication."""
