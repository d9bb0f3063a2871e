"""The learning rate that fits a model's width, for a batch that names none. No torch: the contract's tests read it."""

RATE, WIDTH = 2e-4, 576  # the packaged model's (`hidden_size` of SmolLM2-135M): the rate this trainer began with
EXPONENT = 0.781


def rate_for(hidden_size: int) -> float:
    """RATE at WIDTH, and (WIDTH / hidden_size) ** 0.781 times that elsewhere: 7.4e-5 at 2,048, 4.3e-5 at 4,096.

    Thinking Machines Lab, "LoRA Without Regret" (2025), fitted the best rate of LoRA over fourteen models as
    5e-5 * 10 * (2000 / hidden_size) ** p, with p = 0.781 for models of Llama's family, which are the ones this trainer
    loads. We take the slope and not the height: theirs was fitted to supervised training with large batches and gives
    1.3e-3 at our width, while ours comes from QLoRA (`Hyper`). That the best rate does not depend on the rank holds for
    alpha that is not scaled with it, as here.
    """
    return float(RATE * (WIDTH / hidden_size) ** EXPONENT)
