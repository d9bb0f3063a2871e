"""Write, rename, mark: what a crash leaves is either nothing or the whole."""

from pathlib import Path

import pytest

from gyre_trainer.machine import durable


def test_a_directory_appears_whole_with_its_marker(tmp_path: Path) -> None:
    durable.publish_directory(tmp_path / "a", lambda d: (d / "x").write_text("1") and None)
    assert durable.is_published(tmp_path / "a") and (tmp_path / "a" / "x").read_text() == "1"
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


def test_a_fill_that_fails_leaves_no_directory(tmp_path: Path) -> None:
    def fill(directory: Path) -> None:
        (directory / "half").write_text("")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        durable.publish_directory(tmp_path / "a", fill)
    assert not (tmp_path / "a").exists()


def test_an_unmarked_leftover_of_a_crash_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "old").write_text("")
    assert not durable.is_published(tmp_path / "a")
    durable.publish_directory(tmp_path / "a", lambda d: (d / "x").write_text("1") and None)
    assert not (tmp_path / "a" / "old").exists()


def test_a_published_directory_is_never_rewritten(tmp_path: Path) -> None:
    durable.publish_directory(tmp_path / "a", lambda d: None)
    with pytest.raises(FileExistsError):
        durable.publish_directory(tmp_path / "a", lambda d: None)


def test_a_json_file_is_replaced_in_one_step_and_refuses_nan(tmp_path: Path) -> None:
    durable.write_json(tmp_path / "f.json", {"a": 1})
    with pytest.raises(ValueError, match="JSON"):
        durable.write_json(tmp_path / "f.json", {"a": float("nan")})
    assert durable.read_json(tmp_path / "f.json") == {"a": 1} and len(list(tmp_path.iterdir())) == 1
