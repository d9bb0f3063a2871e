"""Updates run on time that is left, and nothing else in the process does."""

import os
import threading

import pytest

from gyre_trainer.machine import priority


def test_work_in_the_pool_runs_in_the_idle_class_and_the_caller_does_not() -> None:
    pool = priority.left_over_time()
    try:
        seen = priority.run(pool, lambda: os.sched_getscheduler(threading.get_native_id()))
    finally:
        pool.shutdown()
    assert seen == os.SCHED_IDLE
    assert os.sched_getscheduler(threading.get_native_id()) == os.SCHED_OTHER


def test_threads_started_by_that_work_inherit_the_class() -> None:
    seen: list[int] = []

    def start() -> None:
        child = threading.Thread(target=lambda: seen.append(os.sched_getscheduler(threading.get_native_id())))
        child.start()
        child.join()

    pool = priority.left_over_time()
    try:
        priority.run(pool, start)
    finally:
        pool.shutdown()
    assert seen == [os.SCHED_IDLE]


def test_a_fault_of_the_work_reaches_whoever_asked() -> None:
    pool = priority.left_over_time()
    try:
        with pytest.raises(ZeroDivisionError):
            priority.run(pool, lambda: 1 // 0)
    finally:
        pool.shutdown()


def test_without_a_pool_the_work_is_done_right_here() -> None:
    assert priority.run(None, threading.get_native_id) == threading.get_native_id()
