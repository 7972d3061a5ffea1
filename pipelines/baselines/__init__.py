"""What ESRGAN is measured against: a stage per recipe of `pipelines/baselines/dvc.yaml`."""

RECIPES = ("srcnn", "srresnet", "srgan", "sftgan", "contextual")
"""In the order of the field's history, which is also that of tables and pages."""
