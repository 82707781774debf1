from __future__ import annotations

import platform
from pathlib import Path

import pytest
import torch

from training.fitting.inputs import autocast


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the flags of other processors have other names")
def test_a_processor_computes_in_bfloat16_only_where_it_has_the_instructions_for_it() -> None:
    flags = Path("/proc/cpuinfo").read_text(encoding="ascii").split()
    with autocast("cpu"):
        product = torch.ones(2, 2) @ torch.ones(2, 2)
    able = {"avx512bw", "avx512dq", "avx512vl"} <= set(flags)
    assert product.dtype == (torch.bfloat16 if able else torch.float32)
