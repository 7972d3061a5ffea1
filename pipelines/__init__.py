"""The wiring: DVC stages, data sources, validation, tracking, registry, report, command line."""

import os

PARENT = os.getppid()
"""The process that started this one, as known before slow imports: it may end meanwhile."""

# no tool that a stage starts may report to its maker; DVC's own switch is in .dvc/config
for _name, _value in {
    "DO_NOT_TRACK": "1",
    "DVC_NO_ANALYTICS": "1",
    "GX_ANALYTICS_ENABLED": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
}.items():
    os.environ.setdefault(_name, _value)

# threads that wait for others sleep after some microseconds: by default they spin, so that beside
# busy programs a step of a small network takes several times as long (benchmarks.busy)
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ.setdefault("GOMP_SPINCOUNT", "2000")
