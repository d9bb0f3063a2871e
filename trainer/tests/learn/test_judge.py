"""A judge learns on a tiny model: a labelling that can be told apart, held-out labels, slices, determinism."""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from gyre_trainer.contract.errors import TrainerError
from gyre_trainer.contract.labels import JudgeHyper, Label, Labels, Part
from gyre_trainer.learn import judge, policy
from gyre_trainer.learn.policy import Policy

GOOD, BAD = 400, 401


@pytest.fixture(scope="module")
def tiny(tiny_model: Path) -> Iterator[Policy]:
    yield policy.build(lambda: policy.load_base(tiny_model, torch.float32, "cpu"), 8, 16, "cpu", 7)


def labelled(count: int, part: Part, seed: int) -> list[Label]:
    """Good where token 50 stands in it, bad where token 60 does; the rest is noise."""
    draw = random.Random(seed)
    made = []
    for number in range(count):
        good = draw.random() < 0.35
        noise = [draw.randrange(100, 200) for _ in range(8)]
        noise[draw.randrange(8)] = 50 if good else 60
        made.append(Label((5, 6, 7, *noise, 9), good, part, f"c{number % 3}"))
    return made


def given(hyper: JudgeHyper, train: int = 96) -> Labels:
    labels = labelled(train, "train", 1) + labelled(40, "fit", 2) + labelled(60, "test", 3)
    return Labels("critic", 1, "sha256:x", GOOD, BAD, hyper, tuple(labels))


def trained(tiny: Policy, labels: Labels, slice_s: float = 1e9) -> judge.Training:
    made = judge.Training.of(labels, tiny.model.config.hidden_size)
    for _ in range(10_000):
        if made.done:
            return made
        judge.work(made, tiny, slice_s)
    raise AssertionError("it never came to an end")


HYPER = JudgeHyper(rank=8, alpha=16, learning_rate=0.01, passes=6)


def test_it_tells_held_out_labels_apart_and_says_how_sure_it_is(tiny: Policy) -> None:
    labels = given(HYPER)
    tiny.reset(7)
    truths = [label.good for label in labels.of("test")]
    before = judge.agreement.auc(judge.judged(tiny, [label.ids for label in labels.of("test")], labels), truths)
    made = trained(tiny, labels)
    told = judge.report(made)
    assert before is not None and before < 0.8
    assert told["test"]["n"] == 60 and told["test"]["auc"] > 0.95 and told["test"]["accuracy"] > 0.9
    assert told["calibration"]["fitted"] and told["calibration"]["scale"] > 0
    assert told["loss"]["last"] < told["loss"]["first"]
    assert [each["cluster"] for each in told["clusters"]] == ["c0", "c1", "c2"]
    assert sum(each["n"] for each in told["clusters"]) == 60
    assert told["unseen"]["n"] == 0 and told["unseen"]["auc"] is None


def test_labels_that_mean_nothing_teach_nothing_of_others(tiny: Policy) -> None:
    labels = given(HYPER)
    draw = random.Random(9)
    senseless = tuple(
        Label(label.ids, draw.random() < 0.5 if label.part == "train" else label.good, label.part, label.cluster)
        for label in labels.labels
    )
    made = trained(tiny, Labels("critic", 1, "sha256:y", GOOD, BAD, HYPER, senseless))
    assert judge.report(made)["test"]["auc"] < 0.9


def test_where_it_is_cut_into_slices_changes_no_bit_and_another_seed_does(tiny: Policy) -> None:
    labels = given(JudgeHyper(rank=8, alpha=16, learning_rate=0.01, passes=1), train=40)
    whole, sliced = trained(tiny, labels), trained(tiny, labels, slice_s=0.0)
    assert whole.weights is not None and sliced.weights is not None
    assert all(torch.equal(whole.weights[name], sliced.weights[name]) for name in whole.weights)
    assert whole.logits == sliced.logits and whole.losses == sliced.losses
    other = trained(tiny, given(JudgeHyper(rank=8, alpha=16, learning_rate=0.01, passes=1, seed=8), train=40))
    assert other.weights is not None
    assert not all(torch.equal(whole.weights[name], other.weights[name]) for name in whole.weights)


def test_every_label_is_in_each_pass_once(tiny: Policy) -> None:
    made = judge.Training.of(given(JudgeHyper(passes=2, batch=7), train=40), tiny.model.config.hidden_size)
    assert made.steps_in_all == 12
    for first in (0, 6):
        seen = [label.ids for step in range(first, first + 6) for label in made.batch_of(step)]
        assert sorted(seen) == sorted(label.ids for label in made.trained_on)


def test_a_class_counts_half_however_rare_it_is(tiny: Policy) -> None:
    """With one good label in thirty it would be right to call everything bad; the judge must not learn that."""
    labels = labelled(300, "train", 4)
    goods, bads = [x for x in labels if x.good][:4], [x for x in labels if not x.good][:92]
    held = labelled(60, "test", 5)
    made = trained(tiny, Labels("critic", 1, "sha256:z", GOOD, BAD, HYPER, (*goods, *bads, *held)))
    told = judge.report(made)
    assert not told["calibration"]["fitted"]
    assert told["test"]["false_reject"] < 0.5


def test_prompts_that_share_their_beginning_are_judged_as_if_each_were_alone(tiny: Policy) -> None:
    labels = given(HYPER)
    tiny.reset(3)
    with torch.no_grad():
        for name, parameter in tiny.parameters().items():
            if "lora_B" in name:
                parameter.copy_(torch.randn(parameter.shape, generator=torch.Generator().manual_seed(5)) * 0.05)
    prompts = [label.ids for label in labels.of("test")[:5]]
    together = judge.judged(tiny, [*prompts, prompts[0][:4]], labels)
    alone = [judge.judged(tiny, [prompt], labels)[0] for prompt in [*prompts, prompts[0][:4]]]
    assert together == pytest.approx(alone, abs=1e-4)


def test_a_rate_beyond_all_reason_is_a_fault_and_no_judge(tiny: Policy) -> None:
    labels = given(JudgeHyper(rank=8, alpha=16, learning_rate=1e30, passes=2), train=40)
    with pytest.raises(TrainerError) as fault:
        trained(tiny, labels)
    assert fault.value.code == "non_finite"


def test_a_model_in_another_shape_and_back_is_what_it_was(tiny: Policy) -> None:
    tiny.reset(11)
    before = tiny.snapshot()
    tiny.reshape(4, 8)
    assert all(parameter.shape != before[name].shape for name, parameter in tiny.parameters().items())
    tiny.reset(1)
    tiny.reshape(8, 16)
    tiny.load(before)
    after = tiny.snapshot()
    assert all(torch.equal(before[name], after[name]) for name in before)
