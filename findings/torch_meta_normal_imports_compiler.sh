#!/usr/bin/env bash
# torch 2.13.0: `normal_` of a tensor on the `meta` device, which has no data and computes nothing,
# imports torch's compiler, `torch._dynamo`, with SymPy: more than a second. `uniform_` there, and
# `normal_` on the CPU, do not. Building a network on `meta` just to compare the shapes of its
# weights is therefore slower than building it on the CPU, if its initialization is normal.
#
# Seen: of the three calls only the last imports `torch._dynamo`. Exits with 1 if that changes.
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet 'torch==2.13.0' 'numpy==2.4.6'
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import sys
import time

import torch


def imports_compiler(device: str, name: str) -> bool:
    start = time.process_time()
    getattr(torch.empty(3, device=device), name)()
    found = "torch._dynamo" in sys.modules
    print(f"{name} on {device}: imported {found}, {time.process_time() - start:.2f} s")
    return found


print("torch", torch.__version__)
calls = [("meta", "uniform_"), ("cpu", "normal_"), ("meta", "normal_")]
found = [imports_compiler(*call) for call in calls]
sys.exit(found != [False, False, True])
PYTHON
