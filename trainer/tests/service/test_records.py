"""What stays on disk of a batch, and for how long."""

from pathlib import Path

import pytest

from gyre_trainer.service.records import Record, Records, State

BODY = {"tree": {"tokens": [4242424242], "parent": [-1]}}


def holding(root: Path) -> list[str]:
    return sorted(path.name for path in root.iterdir() if b"4242424242" in path.read_bytes())


def test_a_body_is_there_until_its_batch_is_over(tmp_path: Path) -> None:
    records = Records(tmp_path)
    record = Record("bat_one", "digest", 0, 1)
    records.add(record, BODY)
    for state in ("training", "publishing"):
        record.state = state
        records.save(record)
        assert records.body("bat_one") == BODY
    record.state = "done"
    records.save(record)
    assert holding(tmp_path) == []
    assert Records(tmp_path).get("bat_one") == record


@pytest.mark.parametrize("state", ["done", "failed"])
def test_a_body_that_outlived_its_batch_goes_at_the_next_start(tmp_path: Path, state: State) -> None:
    records = Records(tmp_path)
    record = Record("bat_one", "digest", 0, 1)
    records.add(record, BODY)
    left = (tmp_path / "bat_one.body.json").read_bytes()
    record.state = state
    records.save(record)
    (tmp_path / "bat_one.body.json").write_bytes(left)
    (tmp_path / ".bat_two.body.json.77.tmp").write_bytes(left)
    assert len(holding(tmp_path)) == 2
    Records(tmp_path)
    assert holding(tmp_path) == []


def test_an_interrupted_batch_that_is_sent_again_has_its_body_again(tmp_path: Path) -> None:
    records = Records(tmp_path)
    record = Record("bat_one", "digest", 0, 1, state="failed")
    records.save(record)
    record.state = "queued"
    records.add(record, BODY)
    assert Records(tmp_path).body("bat_one") == BODY
