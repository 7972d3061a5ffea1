"""Networks computed by torch."""

import numpy as np
import pytest
import torch
from torch import Tensor

from esrgan_core.inference.engines.torch_engine import TorchEngine
from esrgan_core.models.rrdb import RRDBNet
from tests.support.networks import SMALL

LR = np.zeros((3, 8, 8), dtype=np.float32)


class Failing(RRDBNet):
    def __init__(self, error: Exception) -> None:
        super().__init__(SMALL)
        self.error = error

    def trunk(self, lr: Tensor) -> Tensor:
        raise self.error

    def tail(self, features: Tensor) -> Tensor:
        raise self.error


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (torch.OutOfMemoryError("CUDA out of memory"), MemoryError),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), MemoryError),
        (RuntimeError("a defect"), RuntimeError),
    ],
    ids=str,
)
def test_errors_about_memory_are_those_of_python(error: Exception, kind: type[Exception]) -> None:
    engine = TorchEngine(Failing(error))
    for run in (lambda: engine.trunk(LR), lambda: engine.tail(torch.from_numpy(LR)[None])):
        with pytest.raises(kind, match=str(error)):
            run()
