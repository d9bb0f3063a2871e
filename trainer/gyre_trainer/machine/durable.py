"""Write, rename, mark: files and directories that are wholly there or not there, across kill -9 and power loss."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

MARKER = "STABLE"


def fsync_path(path: Path) -> None:
    """Flush a file, or a directory's list of names, to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_text(path: Path, text: str) -> None:
    """Replace `path` in one step: a reader sees the old text or the new one, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with temporary.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.rename(path)
    fsync_path(path.parent)


def write_json(path: Path, value: Any) -> None:
    """Replace the file as a whole; ValueError for a number JSON does not have."""
    write_text(path, json.dumps(value, separators=(",", ":"), allow_nan=False))


def remove(path: Path) -> None:
    """Remove a file, if it is there; its name does not come back with a power loss."""
    if path.exists():
        path.unlink()
        fsync_path(path.parent)


def read_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def publish_directory(target: Path, fill: Callable[[Path], None]) -> None:
    """Create `target` as a whole: filled under a temporary name, fsynced, renamed, and only then marked.

    A directory without its marker does not exist for any reader, so a leftover of a crash is simply replaced.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir()
    fill(temporary)
    for path in temporary.rglob("*"):
        fsync_path(path)
    fsync_path(temporary)
    if target.exists():
        if is_published(target):
            raise FileExistsError(f"{target} is already published; a published directory is never rewritten")
        shutil.rmtree(target)
    temporary.rename(target)
    fsync_path(target.parent)
    (target / MARKER).touch()
    fsync_path(target / MARKER)
    fsync_path(target)


def unpublish_directory(target: Path) -> bool:
    """Remove a published directory; its marker goes first, so that no reader ever sees a part. False if it was not."""
    there = is_published(target)
    remove(target / MARKER)
    shutil.rmtree(target, ignore_errors=True)
    return there


def is_published(directory: Path) -> bool:
    """Whether the directory is there as a whole: its marker is written last."""
    return (directory / MARKER).is_file()
