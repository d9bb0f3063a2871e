"""Does our tree compute what the model itself computes? Asked of every model before it is served.

An architecture is supported if a small random instance of its own config class, with an adapter on it, gives the same
log-probabilities by our packed tree as by its own forward pass, over more than three windows of attention and through
its own head. Whatever it does that we do not know (another attention, a scale, a cap) shows there, or is refused by
its name before that.
"""

import copy
from typing import Any

import torch

from gyre_trainer.contract.batch import Action, Tree
from gyre_trainer.learn import attention, policy, tree

TOLERANCE = 1e-4  # nats, float32
VOCABULARY = 128
WINDOW = 8  # of the small instance: three of them are shorter than its texts
TRUNK, TWIG = 22, 7


def small(config: Any) -> Any:
    """The config of a 2-layer instance of the same class: a layer of each kind, narrow, of few words.

    Widths of a head stay, since tables of its positions (rope) hang on them.
    """
    result = copy.deepcopy(config)
    head = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    all_keys = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
    keys = min(2, all_keys)
    heads = keys * 2 if config.num_attention_heads > all_keys else keys
    kinds = getattr(config, "layer_types", None)
    changes = {
        "num_hidden_layers": 2,
        "hidden_size": heads * head,
        "intermediate_size": 96,
        "num_attention_heads": heads,
        "num_key_value_heads": keys,
        "vocab_size": VOCABULARY,
        "layer_types": None if kinds is None else ([*dict.fromkeys(kinds)] * 2)[:2],
        "sliding_window": WINDOW if getattr(config, "sliding_window", None) else None,
        "moe_intermediate_size": 32,
        "num_experts": 4,
        "num_local_experts": 4,
        "num_experts_per_tok": 2,
        "pad_token_id": None,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "attention_dropout": 0.0,
        "resid_pdrop": 0.0,
        "embd_pdrop": 0.0,
    }
    for name, value in changes.items():
        if hasattr(result, name):
            setattr(result, name, value)
    for name in ("no_rope_layers", "mlp_only_layers"):
        if getattr(result, name, None):
            setattr(result, name, getattr(result, name)[:2])
    return result


def instance(config: Any, seed: int = 5) -> tuple[policy.Policy, Any]:
    """(our policy, the model's own eager twin) with equal random weights and the same non-zero adapter, float32."""
    from transformers import AutoModelForCausalLM

    attention.register()
    torch.manual_seed(seed)
    twin = AutoModelForCausalLM.from_config(small(config), dtype=torch.float32, attn_implementation="eager").eval()
    with torch.no_grad():
        for parameter in twin.parameters():  # initialised near zero, nothing would tell one head from another
            parameter.add_(torch.randn_like(parameter) * 0.05)
    own = AutoModelForCausalLM.from_config(
        small(config), dtype=torch.float32, attn_implementation=attention.NAME
    ).eval()
    own.load_state_dict(twin.state_dict())
    for parameter in own.parameters():
        parameter.requires_grad_(False)
    result = policy.build(lambda: own, rank=4, alpha=8, device="cpu", seed=seed)
    with torch.no_grad():
        for name, parameter in result.parameters().items():
            parameter.copy_(torch.randn_like(parameter) * 0.1)
            if name.endswith("lora_B.weight"):
                place = name.removeprefix("base_model.model.").removesuffix(".lora_B.weight")
                layer = own.get_submodule(place)
                twin.get_submodule(place).weight.add_(layer.scale * layer.lora_B @ layer.lora_A)
    return result, twin


def branches(seed: int = 3) -> tuple[Tree, tuple[Action, ...]]:
    """A trunk of `TRUNK` tokens and three twigs of `TWIG`, the last on another temperature and twice as long."""
    draw = torch.randint(3, VOCABULARY, (TRUNK + 4 * TWIG,), generator=torch.Generator().manual_seed(seed)).tolist()
    tokens, parent = draw[:TRUNK], list(range(-1, TRUNK - 1))
    actions: list[Action] = []
    for number, (above, length, temperature) in enumerate(
        ((TRUNK - 1, TWIG, 1.0), (TRUNK - 4, TWIG, 1.0), (TRUNK - 1, 2 * TWIG, 0.7))
    ):
        for _ in range(length):
            parent.append(above)
            above = len(tokens)
            tokens.append((draw[above] + number) % (VOCABULARY - 3) + 3)
        actions.append(Action(str(number), above, length, temperature, (-1.0,) * length, 1.0, 1.0))
    order = depth_first(parent)
    place = {node: at for at, node in enumerate(order)}
    forest = Tree(
        tuple(tokens[node] for node in order),
        tuple(-1 if parent[node] < 0 else place[parent[node]] for node in order),
    )
    moved = tuple(Action(a.id, place[a.end], a.length, a.temperature, a.logprobs, 1.0, 1.0) for a in actions)
    return forest, moved


def depth_first(parent: list[int]) -> list[int]:
    """Nodes in depth-first order, children in theirs."""
    order, waiting = [], [node for node in reversed(range(len(parent))) if parent[node] < 0]
    while waiting:
        node = waiting.pop()
        order.append(node)
        waiting += [child for child in reversed(range(len(parent))) if parent[child] == node]
    return order


def gap(own: policy.Policy, twin: Any, block: int = 8) -> float:
    """The largest difference, in nats, between our log-probabilities and the twin's own, one row after the other."""
    forest, actions = branches()
    worst = 0.0
    with torch.no_grad():
        together = own.logprobs(tree.plan(forest, block), tree.targets(forest, actions))
        packed = torch.split(together, [action.length for action in actions])
        for action, ours in zip(actions, packed, strict=True):
            path = [*tree.ancestors(forest.parent, action.end), action.end]
            ids = torch.tensor([forest.tokens[node] for node in path])
            logits = twin(input_ids=ids[None]).logits[0].float() / action.temperature
            wanted = logits.log_softmax(-1)[:-1].gather(1, ids[1:, None])[-action.length :, 0]
            worst = max(worst, float((ours - wanted).abs().max()))
    return worst


def fits(config: Any) -> str | None:
    """None if models of this config are computed right, else a sentence on what is not."""
    name = (getattr(config, "architectures", None) or [type(config).__name__])[0]
    try:
        difference = gap(*instance(config))
    except (ValueError, TypeError, AttributeError, RuntimeError, KeyError) as error:
        return f"{name} is not supported: {error}"
    if difference <= TOLERANCE:
        return None
    return (
        f"{name} is not supported: of a small random instance our log-probabilities differ from its own by "
        f"{difference:.2g} nats (at most {TOLERANCE:g})"
    )
