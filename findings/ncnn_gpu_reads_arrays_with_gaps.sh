#!/usr/bin/env bash
# ncnn 1.0.20261020, Python: `ncnn.Mat(array)` has the array's own distance between channels, while
# every other Mat aligns it to 16 bytes. The CPU respects the distance; a GPU (Vulkan) assumes the
# alignment, so that from the second channel on it reads wrong numbers. No error is reported.
# `ncnn.Mat(array).clone()` is aligned and right.
#
# Seen with Mesa's lavapipe of Debian (mesa-vulkan-drivers, installed by this script if it is not
# there, which needs root): channels of 4x4 pixels are right both ways; of 5x7 pixels, only on the
# CPU or cloned. Exits with 1 if that changes, with 2 if there is no Vulkan device.
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
icd="$(compgen -G '/usr/share/vulkan/icd.d/lvp_icd*.json' || true)"
if [ -z "$icd" ]; then
    apt-get install --yes --no-install-recommends mesa-vulkan-drivers libvulkan1 > /dev/null
    icd="$(compgen -G '/usr/share/vulkan/icd.d/lvp_icd*.json')"
fi
export VK_ICD_FILENAMES="$icd" VK_DRIVER_FILES="$icd"
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet 'ncnn==1.0.20261020' 'numpy==2.4.6'
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import sys

import ncnn
import numpy as np

# a convolution of one pixel per channel with a factor of 1 and a bias of 1: it adds 1
GRAPH = """7767517
2 2
Input input 0 1 x
ConvolutionDepthWise add 1 1 x y 0=3 1=1 5=1 6=3 7=3
"""
WEIGHTS = bytes(4) + np.ones(6, np.float32).tobytes()


def adds_one(mat: ncnn.Mat, array: np.ndarray, *, gpu: bool) -> bool:
    net = ncnn.Net()
    net.opt.use_vulkan_compute = gpu
    for name in ("packed", "storage", "arithmetic"):
        setattr(net.opt, f"use_fp16_{name}", False)
    assert net.load_param_mem(GRAPH) == 0
    net.load_model_mem(WEIGHTS)
    with net.create_extractor() as extractor:
        extractor.input("x", mat)
        status, result = extractor.extract("y")
        return status == 0 and np.array_equal(np.array(result), array + 1)


if not ncnn.get_gpu_count():
    sys.exit(2)
print("ncnn", ncnn.__version__, "on", ncnn.get_gpu_info(0).device_name())
found = []
for height, width in ((4, 4), (5, 7)):
    # part of a larger array, since more numbers than those of the Mat are read
    array = np.arange(500, dtype=np.float32)[: 3 * height * width].reshape(3, height, width)
    for gpu in (False, True):
        wrapped = ncnn.Mat(array)
        cloned = wrapped.clone()
        right = [adds_one(mat, array, gpu=gpu) for mat in (wrapped, cloned)]
        found += right
        print(
            f"{height}x{width} on the {'GPU' if gpu else 'CPU'}: numbers from channel to channel "
            f"{wrapped.cstep}, right {right[0]}; cloned {cloned.cstep}, right {right[1]}"
        )
sys.exit(found != [True, True, True, True, True, True, False, True])
PYTHON
