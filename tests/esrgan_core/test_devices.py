import os
import subprocess
import sys
from dataclasses import replace

import pytest
import torch

from esrgan_core.devices import (
    ISA_WITHOUT_BF16,
    CpuCapabilities,
    bf16_slowdown,
    cpu_capabilities,
    resolve_precision,
)

ZEN_4 = CpuCapabilities(instructions=frozenset({"avx2", "avx512_bf16"}), aten="AVX512")
CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("cpu", "native"),
    [
        (ZEN_4, True),
        (replace(ZEN_4, aten="AVX512_VNNI"), True),
        (replace(ZEN_4, instructions=frozenset({"avx2", "amx_bf16"})), True),
        (replace(ZEN_4, onednn_limit="AVX512_CORE_BF16"), True),
        (replace(ZEN_4, onednn_limit="avx512_core_amx"), True),
        (replace(ZEN_4, onednn_limit="DEFAULT"), True),
        # the processor could, its libraries may not
        (replace(ZEN_4, onednn_limit="AVX2"), False),
        (replace(ZEN_4, onednn_limit="avx512_core"), False),
        (replace(ZEN_4, aten="AVX2"), False),
        # Skylake's AVX-512 and Zen 1's AVX2
        (replace(ZEN_4, instructions=frozenset({"avx2", "avx512_f", "avx512_bw"})), False),
        (CpuCapabilities(instructions=frozenset({"avx2"}), aten="AVX2"), False),
        # ARM's bf16 is not known to be fast with this build
        (CpuCapabilities(instructions=frozenset({"bf16", "sve_bf16"}), aten="SVE256"), False),
    ],
)
def test_bf16_counts_as_native_only_where_both_libraries_use_its_instructions(
    cpu: CpuCapabilities, native: bool
) -> None:
    assert cpu.has_native_bf16 is native


@pytest.mark.parametrize("limit", sorted(ISA_WITHOUT_BF16))
@pytest.mark.parametrize("variable", ["ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA"])
def test_a_limit_of_onednn_is_honored(variable: str, limit: str) -> None:
    assert not replace(
        ZEN_4, onednn_limit=cpu_capabilities({variable: limit}).onednn_limit
    ).has_native_bf16


def test_the_present_name_of_the_variable_counts_before_the_old_one() -> None:
    both = {"DNNL_MAX_CPU_ISA": "AVX2", "ONEDNN_MAX_CPU_ISA": "ALL"}
    assert cpu_capabilities(both).onednn_limit == "ALL"


def test_a_precision_that_is_named_is_taken_as_it_is() -> None:
    assert resolve_precision("fp32", CPU) == "fp32"
    assert resolve_precision("bf16", CPU) == "bf16"


def test_auto_is_what_the_processor_has() -> None:
    native = cpu_capabilities().has_native_bf16
    assert resolve_precision("auto", CPU) == ("bf16" if native else "fp32")


def test_auto_is_fp32_in_a_process_whose_libraries_may_not_use_bf16() -> None:
    code = (
        "import torch; from esrgan_core.devices import resolve_precision; "
        "print(resolve_precision('auto', torch.device('cpu')))"
    )
    old = {"ONEDNN_MAX_CPU_ISA": "AVX2", "ATEN_CPU_CAPABILITY": "avx2"}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | old,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "fp32"


def test_the_slowdown_of_bf16_is_a_ratio_of_measured_times() -> None:
    assert 0.01 < bf16_slowdown(CPU) < 10_000
