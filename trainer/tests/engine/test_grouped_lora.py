"""The vLLM plugin's mathematics against a row-by-row reference, and its wiring into vLLM's CPU class."""

import subprocess
import sys

import torch

from gyre_trainer.check import self_check
from gyre_trainer.engine.grouped_lora import add_linear, group_rows


def test_grouped_product_equals_the_row_by_row_reference() -> None:
    assert self_check.grouped_maths() is None


def test_rows_without_adapter_belong_to_no_group() -> None:
    groups = group_rows(torch.tensor([-1, 2, -1, 0, 2]))
    assert [(slot, None if rows is None else rows.tolist()) for slot, rows in groups] == [(0, [3]), (2, [1, 4])]
    assert group_rows(torch.tensor([-1, -1])) == []
    assert group_rows(torch.tensor([1, 1])) == [(1, None)]


def test_base_rows_are_untouched_bit_for_bit() -> None:
    torch.manual_seed(0)
    x, y = torch.randn(4, 8).bfloat16(), torch.randn(4, 6).bfloat16()
    before = y.clone()
    a, b = torch.randn(1, 1, 2, 8).bfloat16(), torch.randn(1, 1, 6, 2).bfloat16()
    add_linear(y, x, (a,), (b,), 1.0, (6,), group_rows(torch.tensor([-1, 0, -1, 0])))
    assert torch.equal(y[[0, 2]], before[[0, 2]]) and not torch.equal(y[[1, 3]], before[[1, 3]])


WIRED = """
import torch
from gyre_trainer.engine import grouped_lora
grouped_lora.register()
from vllm.lora.layers import LoRAMapping
from vllm.lora.punica_wrapper.punica_cpu import PunicaWrapperCPU
wrapper = PunicaWrapperCPU(64, 8, torch.device("cpu"))
wrapper.update_metadata(LoRAMapping((0, 5, 9, 0), (0, 5, 9, 0), is_prefill=True), [9, 5, None], 4, 100)
x, y = torch.randn(4, 8), torch.zeros(4, 6)
a, b = torch.randn(3, 1, 2, 8), torch.randn(3, 1, 6, 2)
wrapper.add_lora_linear(y, x, (a,), (b,), 1.0, (6,))
wanted = torch.zeros(4, 6)
wanted[1] = x[1] @ a[1, 0].T @ b[1, 0].T
wanted[2] = x[2] @ a[0, 0].T @ b[0, 0].T
assert torch.allclose(y, wanted, atol=1e-5), (y, wanted)
"""


def test_vllms_cpu_wrapper_uses_it_and_keeps_base_rows_at_zero() -> None:
    done = subprocess.run([sys.executable, "-c", WIRED], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
