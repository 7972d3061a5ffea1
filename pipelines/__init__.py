"""DVC stages, data sources, training, tracking, registry, reports and the command line."""

import os

PARENT = os.getppid()
"""Parent process, read before slow imports during which it may end."""

# no tool sends usage statistics; DVC also has a switch in .dvc/config
for _name, _value in {
    "DO_NOT_TRACK": "1",
    "DVC_NO_ANALYTICS": "1",
    "GX_ANALYTICS_ENABLED": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
}.items():
    os.environ.setdefault(_name, _value)

# Waiting threads sleep after some microseconds. By default they spin, and next to busy programs a
# step of a small network then takes several times as long (benchmarks.busy).
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ.setdefault("GOMP_SPINCOUNT", "2000")
