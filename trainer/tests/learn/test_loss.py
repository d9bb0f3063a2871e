"""Losses against numbers worked out by hand, and properties that must hold for any numbers."""

import math

import pytest
import torch

from gyre_trainer.contract.batch import Action, Hyper
from gyre_trainer.learn import loss


def tokens(
    mu: list[float], advantage: float, length: int | None = None, weight: float = 1.0, hyper: Hyper | None = None
) -> loss.Tokens:
    action = Action("a", 0, length or len(mu), 1.0, tuple(mu), advantage, weight)
    return loss.tokens_of((action,), torch.zeros(len(mu), dtype=torch.int64), hyper or Hyper())


def test_cispo_of_an_on_policy_action_is_minus_advantage_times_mean_log_probability() -> None:
    pi = torch.tensor([-1.0, -2.0], requires_grad=True)
    result = loss.compute(pi, tokens([-1.0, -2.0], 0.5), Hyper(kl_weight=0.0))
    assert result.value.item() == pytest.approx(0.5 * 3.0 / 2)
    result.value.backward()
    assert pi.grad is not None
    assert pi.grad.tolist() == pytest.approx([-0.25, -0.25])  # -A / tokens at ratio 1
    assert (result.ratio_mean, result.clip_fraction, result.vetoed) == (pytest.approx(1.0), 0.0, 0)


def test_cispo_bounds_the_weight_of_a_grown_token_but_keeps_its_gradient() -> None:
    pi = torch.tensor([-1.0 + math.log(8)], requires_grad=True)
    result = loss.compute(pi, tokens([-1.0], 1.0), Hyper(kl_weight=0.0, ratio_cap=2.0))
    result.value.backward()
    assert pi.grad is not None and pi.grad.item() == pytest.approx(-2.0)
    assert result.clip_fraction == 1.0


def test_cispo_floor_takes_the_policy_gradient_of_a_shrunk_token() -> None:
    pi = torch.tensor([-1.0 + math.log(0.25)], requires_grad=True)
    loss.compute(pi, tokens([-1.0], 1.0), Hyper(kl_weight=0.0, ratio_floor=0.5)).value.backward()
    assert pi.grad is not None and pi.grad.item() == 0.0


def test_kl_term_adds_twice_the_log_ratio_to_the_gradient() -> None:
    pi = torch.tensor([-1.0], requires_grad=True)
    result = loss.compute(pi, tokens([-1.5], 0.0), Hyper(kl_weight=0.1))
    result.value.backward()
    assert result.value.item() == pytest.approx(0.1 * 0.25)
    assert pi.grad is not None and pi.grad.item() == pytest.approx(0.1 * 2 * 0.5)


def test_one_impossible_token_vetoes_its_whole_action_and_no_other() -> None:
    pi = torch.tensor([-1.0, -20.0, -1.0], requires_grad=True)
    actions = (Action("a", 0, 2, 1.0, (-1.0, -1.0), 1.0, 1.0), Action("b", 0, 1, 1.0, (-1.0,), 1.0, 1.0))
    batch = loss.tokens_of(actions, torch.tensor([0, 0, 1]), Hyper())
    result = loss.compute(pi, batch, Hyper())
    result.value.backward()
    assert result.vetoed == 1 and pi.grad is not None
    assert pi.grad.tolist() == pytest.approx([0.0, 0.0, -1 / 3])  # the divisor still counts all three tokens


def test_dppo_drops_a_token_that_already_moved_far_enough() -> None:
    mu, moved = math.log(0.5), math.log(0.8)
    for advantage, gradient in ((1.0, 0.0), (-1.0, 1.6)):
        pi = torch.tensor([moved], requires_grad=True)
        loss.compute(pi, tokens([mu], advantage), Hyper(loss="dppo", kl_weight=0.0)).value.backward()
        assert pi.grad is not None and pi.grad.item() == pytest.approx(gradient)


def test_cross_entropy_needs_no_behaviour_policy() -> None:
    action = Action("a", 0, 2, 1.0, (), 0.0, 2.0)
    batch = loss.tokens_of((action,), torch.tensor([0, 0]), Hyper(loss="cross_entropy"))
    assert loss.compute(torch.tensor([-1.0, -3.0]), batch, Hyper(loss="cross_entropy")).value.item() == pytest.approx(
        2.0
    )


def test_sequence_normalisation_gives_a_long_action_the_weight_of_a_short_one() -> None:
    hyper = Hyper(normalise="sequence", kl_weight=0.0)
    pi = torch.full((5,), -1.0, requires_grad=True)
    actions = (Action("a", 0, 4, 1.0, (-1.0,) * 4, 1.0, 1.0), Action("b", 0, 1, 1.0, (-1.0,), 1.0, 1.0))
    batch = loss.tokens_of(actions, torch.tensor([0, 0, 0, 0, 1]), hyper)
    loss.compute(pi, batch, hyper).value.backward()
    assert pi.grad is not None and pi.grad[:4].sum().item() == pytest.approx(pi.grad[4].item())


@pytest.mark.parametrize("name", ["cispo", "dppo"])
def test_extreme_log_ratios_stay_finite(name: str) -> None:
    pi = torch.tensor([0.0, -900.0], requires_grad=True)
    result = loss.compute(pi, tokens([-900.0, 0.0], 1.0), Hyper(loss=name, sequence_veto=0.0))
    result.value.backward()
    assert math.isfinite(result.value.item()) and math.isfinite(result.kl_k3)
    assert pi.grad is not None and pi.grad.isfinite().all()


def test_k3_is_zero_on_policy_and_positive_off_it() -> None:
    assert loss.compute(torch.tensor([-1.0]), tokens([-1.0], 1.0), Hyper()).kl_k3 == 0.0
    assert loss.compute(torch.tensor([-1.4]), tokens([-1.0], 1.0), Hyper()).kl_k3 == pytest.approx(
        math.exp(-0.4) + 0.4 - 1
    )
