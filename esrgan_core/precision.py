"""Names of precisions."""

from typing import Literal

Precision = Literal["fp32", "bf16"]
PrecisionChoice = Literal["auto", "fp32", "bf16"]
"""`auto`: bf16 if the device computes in it natively, else fp32."""
