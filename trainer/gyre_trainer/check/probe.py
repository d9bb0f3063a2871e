"""Is the engine serving the weights the trainer holds? Compared on continuations of fixed prompts with a fixed seed.

A module-name mismatch makes vLLM serve base output without an error, so equality with the trainer *and* difference
from the base are both measured before a version may be used.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any

from gyre_trainer.contract.batch import Batch
from gyre_trainer.engine.client import EngineClient, Generated
from gyre_trainer.engine.command import BASE_NAME
from gyre_trainer.learn.policy import Policy
from gyre_trainer.learn.score import score

TOLERANCE = {"bfloat16": 0.03, "float32": 1e-3}  # mean |difference| in nats

# Beginnings of the kinds of text this system trains on. The engine continues them itself: what must agree are the
# probabilities of tokens the policy really samples (in bfloat16 unlikely tokens differ several times as much).
PROMPTS = (
    "<|im_start|>user\nMia has 14 apples and buys 27 more. How many apples does she "
    "have?<|im_end|>\n<|im_start|>assistant\n",
    "<|im_start|>user\nTom has 10 pears and buys 5 more. How many pears does he "
    "have?<|im_end|>\n<|im_start|>assistant\n"
    '<tool_call>{"name": "calculator", "arguments": {"expression": "10 + 5"}}</tool_call><|im_end|>\n'
    "<|im_start|>user\nAnn has 33 nuts and finds 48 more. How many nuts does she "
    "have?<|im_end|>\n<|im_start|>assistant\n",
    "<|im_start|>user\nName three colours of the rainbow.<|im_end|>\n<|im_start|>assistant\n",
    "<|im_start|>user\nWhat is the capital of France?<|im_end|>\n<|im_start|>assistant\n",
    "<|im_start|>system\nAnswer the question.<|im_end|>\n<|im_start|>user\nHow many days has a "
    "week?<|im_end|>\n<|im_start|>assistant\n",
)
STATES = 6
NEW_TOKENS = 32
TEMPERATURE = 0.7
SEED = 1


@dataclass(frozen=True)
class Parity:
    """|engine - trainer| over `n_tokens` sampled tokens, in nats; passed if the mean is within the tolerance."""

    mean_abs: float
    max_abs: float
    n_tokens: int
    tolerance: float
    passed: bool

    def body(self) -> dict[str, Any]:
        return asdict(self)


def states_of(batch: Batch, length: int) -> list[list[int]]:
    """Up to STATES of the batch's prompts, spread over it: what was trained on is what the policy will be asked.

    `length` is how many tokens the engine takes. A prompt that leaves no room for what is drawn is left out: the engine
    would refuse it, and with it an update that is good.
    """
    longest = length - NEW_TOKENS - 1  # scoring what was drawn takes a token more
    prompts: dict[int, list[int]] = {}
    for action in batch.actions:
        path = [action.end]
        while (above := batch.tree.parent[path[-1]]) >= 0:
            path.append(above)
        state = path[action.length] if len(path) > action.length else -1
        if state >= 0 and state not in prompts and len(path) - action.length <= longest:
            prompts[state] = [batch.tree.tokens[node] for node in reversed(path[action.length :])]
    every = max(1, len(prompts) // STATES)
    return list(prompts.values())[::every][:STATES]


def parity(
    client: EngineClient, model: str, policy: Policy, dtypes: set[str], states: list[list[int]] | None = None
) -> tuple[Parity, float]:
    """(engine against trainer, mean |engine with adapter - engine base|) for the weights now in `policy`.

    `states` are prompts as token ids; without any, the fixed ones.
    """
    prompts = states or [client.tokenize(text) for text in PROMPTS]

    def sample(prompt: list[int]) -> Generated:
        return client.generate(model, prompt, NEW_TOKENS, TEMPERATURE, SEED, ignore_eos=False)

    def moved(ids: list[int]) -> list[float]:
        return [abs(a - b) for a, b in zip(client.score(model, ids), client.score(BASE_NAME, ids), strict=True)]

    with ThreadPoolExecutor(len(prompts)) as pool:  # side by side, as one batch of the engine
        sampled = list(pool.map(sample, prompts))
        # Scoring a prompt bypasses the prefix cache, and a few hundred tokens are enough for a difference to show.
        whole = sorted((p + s.token_ids for p, s in zip(prompts, sampled, strict=True)), key=len)
        differences = [value for row in pool.map(moved, whole[:2]) for value in row]
    rows = score(policy, [(p, s.token_ids, TEMPERATURE) for p, s in zip(prompts, sampled, strict=True)])
    gaps = [abs(a - b) for s, row in zip(sampled, rows, strict=True) for a, b in zip(s.logprobs, row, strict=True)]
    mean = sum(gaps) / len(gaps)
    tolerance = TOLERANCE["bfloat16" if "bfloat16" in dtypes else "float32"]
    return Parity(mean, max(gaps), len(gaps), tolerance, mean <= tolerance), sum(differences) / len(differences)
