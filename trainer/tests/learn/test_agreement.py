"""Numbers about a judge, against hand-worked and library ones."""

import math
import random

import pytest

from gyre_trainer.learn import agreement


def test_auc_is_the_share_of_pairs_in_the_right_order_and_a_tie_is_half() -> None:
    logits, truths = [0.1, 0.4, 0.4, 0.9], [False, True, False, True]
    pairs = [
        (g, b) for g, t in zip(logits, truths, strict=True) if t for b, u in zip(logits, truths, strict=True) if not u
    ]
    by_hand = sum(1.0 if g > b else 0.5 if g == b else 0.0 for g, b in pairs) / len(pairs)
    assert agreement.auc(logits, truths) == pytest.approx(by_hand) == 0.875
    assert agreement.auc([1.0, 2.0], [True, True]) is None


def test_a_fitted_scaling_finds_the_probabilities_the_labels_were_drawn_with() -> None:
    draw = random.Random(1)
    logits = [draw.gauss(0, 3) for _ in range(4000)]
    truths = [draw.random() < agreement.sigmoid(0.5 * x - 1.0) for x in logits]
    found = agreement.fitted(logits, truths)
    assert found is not None
    assert found.scale == pytest.approx(0.5, abs=0.05) and found.bias == pytest.approx(-1.0, abs=0.12)
    told = agreement.report(logits, truths, found)
    for tenth in told["curve"]:
        assert abs(tenth["good"] - tenth["score"]) < 0.08
    assert told["brier"] < agreement.report(logits, truths, agreement.Scaling())["brier"]


def test_labels_that_are_told_apart_without_a_fault_still_have_a_finite_scaling() -> None:
    found = agreement.fitted([-3.0] * 10 + [3.0] * 10, [False] * 10 + [True] * 10)
    assert found is not None and math.isfinite(found.scale)
    assert 0.85 < found.probability(3.0) < 1 and 0 < found.probability(-3.0) < 0.15


def test_too_few_labels_or_a_judge_that_is_upside_down_have_no_scaling() -> None:
    assert agreement.fitted([1.0] * 20, [True] * 18 + [False] * 2) is None
    assert agreement.fitted([-1.0, 1.0] * 20, [True, False] * 20) is None


def test_a_report_counts_false_accepts_and_rejects_apart() -> None:
    told = agreement.report([2.0, 2.0, -2.0, -2.0], [True, False, False, True], agreement.Scaling())
    assert (told["n"], told["good"], told["accuracy"], told["false_accept"], told["false_reject"]) == (
        4,
        2,
        0.5,
        0.5,
        0.5,
    )
    assert agreement.report([], [], agreement.Scaling())["accuracy"] is None
