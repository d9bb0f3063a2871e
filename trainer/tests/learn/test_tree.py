"""Tree packing: exact against one row per action, whatever the block size, in values and in gradients."""

import pytest
import torch

from gyre_trainer.check import self_check
from gyre_trainer.contract.batch import Action, Hyper, Tree
from gyre_trainer.learn import attention, loss, policy, score, tree


@pytest.mark.parametrize("block", [4, 7, 16, 256])
def test_packed_log_probabilities_and_gradients_equal_one_row_per_action(block: int) -> None:
    own = self_check.tiny_policy()
    forest, actions = self_check.branching_tree(97)
    packed, packed_gradients = self_check.logprobs_and_gradients(own, forest, actions, block)
    rows, row_gradients = self_check.logprobs_and_gradients(own, *self_check.unpacked(forest, actions), 4096)
    assert (packed - rows).abs().max() < 1e-5
    for one, other in zip(packed_gradients, row_gradients, strict=True):
        assert (one - other).abs().max() < 1e-4 * max(1.0, float(other.abs().max()))


def test_packed_log_probabilities_equal_plain_transformers_rows() -> None:
    """The reference shares no code with us: transformers' own causal attention, shifted labels, temperature."""
    own = self_check.tiny_policy()
    forest, actions = self_check.branching_tree(97)
    with torch.no_grad():
        packed = own.logprobs(tree.plan(forest), tree.targets(forest, actions)).split([a.length for a in actions])
        own.model.config._attn_implementation = "eager"
        for action, ours in zip(actions, packed, strict=True):
            ids = torch.tensor(
                [forest.tokens[node] for node in [*tree.ancestors(forest.parent, action.end), action.end]]
            )
            logits = own.model(input_ids=ids[None]).logits[0] / action.temperature
            wanted = logits.log_softmax(-1)[:-1].gather(1, ids[1:, None])[-action.length :, 0]
            assert (ours - wanted).abs().max() < 1e-4
    own.model.config._attn_implementation = attention.NAME


def test_gradient_checkpointing_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    forest, actions = self_check.branching_tree(97)
    plain = self_check.logprobs_and_gradients(self_check.tiny_policy(), forest, actions, 16)
    monkeypatch.setattr(policy, "must_checkpoint", lambda *_: True)
    own = self_check.tiny_policy()
    saved = self_check.logprobs_and_gradients(own, forest, actions, 16)
    assert own.checkpointed and torch.equal(plain[0], saved[0])
    assert all(torch.allclose(a, b, atol=1e-6) for a, b in zip(plain[1], saved[1], strict=True))


def test_every_row_sees_exactly_its_ancestors_and_itself() -> None:
    forest, _ = self_check.branching_tree(97)
    for size in (5, 8, 64):
        plan = tree.plan(forest, size)
        for block in plan.blocks:
            for row in range(block.start, block.stop):
                keys = [key for run in block.runs for key in range(*run)]
                seen = {
                    key for key, mask in zip(keys, block.mask[row - block.start].tolist(), strict=True) if mask == 0
                }
                assert seen == {*tree.ancestors(forest.parent, row), row}


def test_position_is_the_depth_and_attention_cost_does_not_grow_with_the_square() -> None:
    """24 states after one head: 24 x 8 branches of 30 tokens."""
    tokens, parent = list(range(300)), list(range(-1, 299))
    for _ in range(24 * 8):
        start = len(tokens)
        tokens += range(30)
        parent += [299, *range(start, start + 29)]
    plan = tree.plan(Tree(tuple(tokens), tuple(parent)))
    assert plan.depth.max() == 329
    cells = sum(block.mask.numel() for block in plan.blocks)
    assert cells < len(tokens) * (330 + tree.BLOCK)


def test_actions_with_common_first_tokens_share_entries_and_keep_their_own_numbers() -> None:
    forest = Tree((1, 2, 3, 4), (-1, 0, 1, 1))
    actions = (Action("a", 2, 2, 1.0, (-1.0, -1.0), 1.0, 1.0), Action("b", 3, 2, 1.0, (-2.0, -2.0), -1.0, 1.0))
    targets = tree.targets(forest, actions)
    assert len(targets.entry_token) == 3 and targets.token_entry[0] == targets.token_entry[2]
    assert targets.rows.tolist() == [0, 1]
    assert loss.tokens_of(actions, targets.token_action, Hyper()).mu.tolist() == [-1.0, -1.0, -2.0, -2.0]


def test_two_temperatures_on_one_node_give_two_probabilities() -> None:
    own = self_check.tiny_policy()
    forest = Tree((1, 2, 3), (-1, 0, 1))
    actions = tuple(Action(str(t), 2, 1, t, (-1.0,), 1.0, 1.0) for t in (0.5, 1.0))
    with torch.no_grad():
        cold, warm = own.logprobs(tree.plan(forest), tree.targets(forest, actions)).tolist()
        logits = own.model.lm_head(own.hidden(tree.plan(forest)))[1]
    assert cold == pytest.approx((logits / 0.5).log_softmax(-1)[3].item(), abs=1e-5)
    assert warm == pytest.approx(logits.log_softmax(-1)[3].item(), abs=1e-5)


def test_equal_siblings_are_counted_as_waste() -> None:
    assert tree.distinct_nodes(Tree((5, 6, 6, 7), (-1, 0, 0, 2))) == 3


def test_scored_sequences_share_their_common_beginnings() -> None:
    own = self_check.tiny_policy()
    given = [([1, 2, 3], [4, 5], 0.7), ([9, 8], [7], 1.0), ([1, 2, 3], [4, 6, 7], 1.0), ([1, 2], [3], 1.0)]
    forest, actions = score.trie(given)
    assert (len(forest.tokens), tree.distinct_nodes(forest)) == (10, 10) and [a.length for a in actions] == [2, 1, 3, 1]
    together = score.score(own, given)
    for sequence, row in zip(given, together, strict=True):
        assert score.score(own, [sequence])[0] == pytest.approx(row, abs=1e-5)
