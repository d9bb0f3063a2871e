"""Start-up checks of the two things that would fail silently: tree packing and vLLM's LoRA on CPU."""

import threading
from pathlib import Path
from typing import Any

import torch

from gyre_trainer.contract.batch import Action, Hyper, Tree
from gyre_trainer.engine.client import EngineClient, Generated
from gyre_trainer.engine.command import BASE_NAME
from gyre_trainer.engine.grouped_lora import add_linear, group_rows
from gyre_trainer.learn import attention, loss, policy, tree
from gyre_trainer.weights import adapter

NAME = "gyre-self-check"


def branching_tree(vocabulary: int, seed: int = 3) -> tuple[Tree, tuple[Action, ...]]:
    """A head of 9 tokens, three states, three actions each; the first two actions of a state share two tokens."""
    generator = torch.Generator().manual_seed(seed)
    draw = torch.randperm(vocabulary, generator=generator).tolist()  # all different, so that it is a trie
    tokens: list[int] = []
    parent: list[int] = []
    actions: list[Action] = []

    def grow(above: int, count: int) -> int:
        for _ in range(count):
            tokens.append(draw[len(tokens)])
            parent.append(above)
            above = len(tokens) - 1
        return above

    head = grow(-1, 9)
    for state in range(3):
        node = grow(head, 4 + state)
        shared = grow(node, 2)
        for number, (above, count, length) in enumerate(((shared, 3, 5), (shared, 1, 3), (node, 4, 4))):
            end = grow(above, count)
            mu = tuple(-2.0 - 0.1 * i for i in range(length))
            actions.append(
                Action(f"{state}.{number}", end, length, 0.7 + 0.3 * (number == 2), mu, (-1.0) ** number, 1.0)
            )
    return Tree(tuple(tokens), tuple(parent)), tuple(actions)


def unpacked(forest: Tree, actions: tuple[Action, ...]) -> tuple[Tree, tuple[Action, ...]]:
    """The same actions with one whole row each: what tree packing must agree with."""
    tokens: list[int] = []
    parent: list[int] = []
    rows: list[Action] = []
    for action in actions:
        path = [*tree.ancestors(forest.parent, action.end), action.end]
        start = len(tokens)
        tokens += [forest.tokens[node] for node in path]
        parent += [-1, *range(start, start + len(path) - 1)]
        rows.append(
            Action(
                action.id,
                len(tokens) - 1,
                action.length,
                action.temperature,
                action.logprobs,
                action.advantage,
                action.weight,
            )
        )
    return Tree(tuple(tokens), tuple(parent)), tuple(rows)


def tiny_policy(seed: int = 5, device: str = "cpu") -> policy.Policy:
    """A random float32 llama with a non-zero adapter, the same on every device; nothing is read from disk."""
    from transformers import LlamaConfig, LlamaForCausalLM

    attention.register()
    config = LlamaConfig(
        vocab_size=97, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2,
        tie_word_embeddings=True, attn_implementation=attention.NAME,
    )  # fmt: skip
    torch.manual_seed(seed)
    model = LlamaForCausalLM(config)
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    result = policy.build(lambda: model.to(device), rank=4, alpha=8, device=device, seed=seed)
    with torch.no_grad():
        for parameter in result.parameters().values():
            parameter.add_(torch.randn(parameter.shape).to(device) * 0.1)
    return result


def logprobs_and_gradients(
    own: policy.Policy, forest: Tree, actions: tuple[Action, ...], block: int
) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """(float32 [M] of every action token, gradient of each adapter parameter) with attention in blocks of `block`."""
    hyper = Hyper()
    targets = tree.targets(forest, actions)
    values = own.logprobs(tree.plan(forest, block), targets)
    parameters = list(own.parameters().values())
    result = loss.compute(values, loss.tokens_of(actions, targets.token_action, hyper).to(own.device), hyper)
    return values.detach(), list(torch.autograd.grad(result.value, parameters))


def tree_parity(device: str = "cpu") -> str:
    """'ok' if packed and per-row log-probabilities (1e-5) and gradients (1e-4, relative) agree in float32."""
    own = tiny_policy(device=device)
    forest, actions = branching_tree(97)
    packed, packed_gradients = logprobs_and_gradients(own, forest, actions, block=16)
    rows, row_gradients = logprobs_and_gradients(own, *unpacked(forest, actions), block=4096)
    gap = float((packed - rows).abs().max())
    largest = max(float(g.abs().max()) for g in row_gradients)
    gradient_gap = (
        max(float((a - b).abs().max()) for a, b in zip(packed_gradients, row_gradients, strict=True)) / largest
    )
    if gap < 1e-5 and gradient_gap < 1e-4:
        return "ok"
    return f"failed: log-probabilities differ by {gap:.2e}, gradients by {gradient_gap:.2e} of the largest"


def grouped_maths() -> str | None:
    """None if the grouped product equals the reference, row by row, with a mix of -1 and two adapters."""
    torch.manual_seed(1)
    x, y = torch.randn(7, 12), torch.randn(7, 10)
    a = (torch.randn(2, 1, 4, 12), torch.randn(2, 1, 4, 12))
    b = (torch.randn(2, 1, 6, 4), torch.randn(2, 1, 4, 4))
    index = torch.tensor([-1, 0, 1, 1, -1, 0, 1])
    wanted = y.clone()
    for row, slot in enumerate(index.tolist()):
        if slot >= 0:
            wanted[row] += torch.cat([x[row] @ a[i][slot, 0].T @ b[i][slot, 0].T for i in range(2)])
    add_linear(y, x, a, b, 1.0, (6, 4), group_rows(index))
    gap = float((y - wanted).abs().max())
    return None if gap < 1e-4 else f"failed: grouped product differs from the reference by {gap:.2e}"


def probe_weights(model_config: dict[str, Any], rank: int) -> dict[str, torch.Tensor]:
    """A random adapter strong enough to change every answer."""
    generator = torch.Generator().manual_seed(11)
    shapes = adapter.expected_shapes(model_config, rank)
    return {name: torch.randn(shape, generator=generator) * 0.05 for name, shape in shapes.items()}


def publish_probe(root: Path, model: Path, model_config: dict[str, Any]) -> Path:
    """The probe adapter as a directory that vLLM can load (version number 0 is never a real adapter)."""
    weights = probe_weights(model_config, 16)
    adapter.write(root, 0, weights, adapter.peft_config(model, weights, 16, 32), {"purpose": "self-check"})
    return root / adapter.name_of(0)


def mixed_batches(client: EngineClient, dtype: str) -> str:
    """'ok' if requests with and without the adapter `NAME`, which is loaded, give the same numbers together."""
    prompts = [client.tokenize(f"Number {i} is followed by the number") for i in range(3)]
    jobs = [(model, prompt) for prompt in prompts for model in (BASE_NAME, NAME)]
    alone = [client.generate(model, prompt, 12) for model, prompt in jobs]
    together: list[Generated | None] = [None] * len(jobs)

    def run(i: int) -> None:
        together[i] = client.generate(*jobs[i], 12)

    threads = [threading.Thread(target=run, args=(i,)) for i in range(len(jobs))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    effect = max(abs(x - y) for x, y in zip(alone[0].logprobs, alone[1].logprobs, strict=True))
    worst = 0.0
    for (model, _), one, other in zip(jobs, alone, together, strict=True):
        if other is None:
            return f"failed: no answer for {model} in the mixed batch"
        # Rounding may flip a near tie in greedy decoding; positions before the first flip are comparable.
        same = next((i for i, (x, y) in enumerate(zip(one.token_ids, other.token_ids, strict=True)) if x != y), 12)
        worst = max([worst, *(abs(x - y) for x, y in zip(one.logprobs[:same], other.logprobs[:same], strict=True))])
        if same == 0:
            return f"failed: {model} answers with another token when batched with the other"
    # In bfloat16 the same request differs by up to 0.2 between batch sizes; a wrong adapter differs by the whole
    # effect.
    limit = min(effect / 3, 0.5 if dtype == "bfloat16" else 5e-3)
    if worst > limit:
        return (
            f"failed: answers change by {worst:.3f} nats when base and adapter share a batch "
            f"(the adapter's effect: {effect:.3f})"
        )
    return "ok" if effect > 1e-3 else f"failed: the probe adapter changes nothing (largest difference {effect:.1e})"
