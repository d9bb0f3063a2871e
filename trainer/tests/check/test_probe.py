"""Which prompts of a batch are asked again to measure what it became."""

from typing import Any

import pytest

from gyre_trainer.check import probe
from gyre_trainer.contract import batch


@pytest.mark.parametrize("room", [0, 1, 4, 5, 100])
def test_a_prompt_that_leaves_no_room_for_what_is_drawn_is_left_out(golden: dict[str, Any], room: int) -> None:
    parsed = batch.parse(golden, batch.Limits(max_token_id=49151, max_depth=8192, max_rank=64))
    every = probe.states_of(parsed, 2048)
    assert len(every) > 1
    # A token more is what scoring the whole takes.
    states = probe.states_of(parsed, room + probe.NEW_TOKENS + 1)
    assert states == [prompt for prompt in every if len(prompt) <= room]
