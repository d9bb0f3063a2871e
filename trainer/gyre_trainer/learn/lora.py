"""LoRA on linear layers, written for training a frozen base on few cores: y = x W^T + (x A^T) (s B)^T.

PEFT's layer casts every input to float32 and keeps that copy; here A and B are float32 masters that are used in the
base's number format, as vLLM uses them. The backward pass keeps only x (shared by q, k, v) and the [N, rank] middle.
Files stay in PEFT's format; a test compares with peft itself.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from gyre_trainer.weights.targets import targets


class Product(torch.autograd.Function):
    """x [N, in], weight [out, in] and bias [out] frozen, a [rank, in] and b [out, rank] float32 -> [N, out] like x."""

    @staticmethod
    def forward(
        ctx: Any,
        x: torch.Tensor,
        weight: torch.Tensor,
        bias: torch.Tensor | None,
        a: torch.Tensor,
        b: torch.Tensor,
        scale: float,
    ) -> torch.Tensor:
        low_a, low_b = a.to(x.dtype), (b * scale).to(x.dtype)
        middle = x @ low_a.t()
        ctx.save_for_backward(x, weight, low_a, low_b, middle)
        ctx.scale = scale
        return torch.addmm(torch.nn.functional.linear(x, weight, bias), middle, low_b.t())

    @staticmethod
    def backward(
        ctx: Any, *gradients: torch.Tensor
    ) -> tuple[torch.Tensor | None, None, None, torch.Tensor, torch.Tensor, None]:
        x, weight, low_a, low_b, middle = ctx.saved_tensors
        (gradient,) = gradients
        inner = gradient @ low_b
        grad_a = (inner.t() @ x).float()
        grad_b = (middle.t() @ gradient).t().float() * ctx.scale  # half the time of gradient^T @ middle
        grad_x = torch.addmm(gradient @ weight, inner, low_a) if ctx.needs_input_grad[0] else None
        return grad_x, None, None, grad_a, grad_b, None


class LoraLinear(torch.nn.Module):
    """A frozen linear layer plus a trainable low-rank product; B starts at zero."""

    def __init__(self, base: torch.nn.Linear, rank: int, alpha: int) -> None:
        super().__init__()
        self.weight: torch.Tensor = base.weight
        self.bias: torch.Tensor | None = base.bias
        self.scale: float = alpha / rank
        self.on: bool = True
        device = base.weight.device
        self.lora_A: torch.nn.Parameter = torch.nn.Parameter(
            torch.zeros(rank, base.in_features, dtype=torch.float32, device=device)
        )
        self.lora_B: torch.nn.Parameter = torch.nn.Parameter(
            torch.zeros(base.out_features, rank, dtype=torch.float32, device=device)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """x [..., in] -> [..., out]."""
        flat = x.reshape(-1, x.shape[-1])
        product = Product.apply
        result: torch.Tensor = (
            product(flat, self.weight, self.bias, self.lora_A, self.lora_B, self.scale)  # type: ignore[no-untyped-call]
            if self.on
            else torch.nn.functional.linear(flat, self.weight, self.bias)
        )
        return result.view(*x.shape[:-1], result.shape[-1])


def inject(model: torch.nn.Module, rank: int, alpha: int) -> None:
    """Put an adapter on each of the `targets`."""
    for name, module in targets(model).items():
        parent, _, own = name.rpartition(".")
        setattr(model.get_submodule(parent), own, LoraLinear(module, rank, alpha))


def reshape(model: torch.nn.Module, rank: int, alpha: int) -> None:
    """Another rank and scale on the same base: every A and B is new, and zero."""
    for layer in model.modules():
        if isinstance(layer, LoraLinear):
            device = layer.weight.device
            layer.scale = alpha / rank
            layer.lora_A = torch.nn.Parameter(torch.zeros(rank, layer.weight.shape[1], device=device))
            layer.lora_B = torch.nn.Parameter(torch.zeros(layer.weight.shape[0], rank, device=device))


@contextmanager
def off(model: torch.nn.Module) -> Iterator[None]:
    """While it is entered the model's low-rank products are left out, so that it is the base."""
    layers = [layer for layer in model.modules() if isinstance(layer, LoraLinear)]
    for layer in layers:
        layer.on = False
    try:
        yield
    finally:
        for layer in layers:
            layer.on = True


def named(model: torch.nn.Module) -> Iterator[tuple[str, torch.nn.Parameter]]:
    """(name in a PEFT file, parameter) of every adapter tensor."""
    for name, parameter in model.named_parameters():
        if name.endswith(("lora_A", "lora_B")):
            yield f"base_model.model.{name}.weight", parameter
