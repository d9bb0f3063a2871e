"""Whose turn it is on cores that serve and train: requests first.

An update's matrix products run in a thread that takes only what nobody else wants (SCHED_IDLE), not merely at low
priority. How much that gains is not shown: on two cores (AVX2), beside one chatting client, an update took 64 and 57
s in the idle class and 70 s at nice 10, alone 17 s; the client got about half its tokens a second either way.
"""

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")

NICENESS = 10  # of the thread that publishes and probes: users wait for it, but not before their own requests


def be_nice() -> None:
    """The calling thread and those it starts from now on."""
    os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)


def give_way() -> None:
    """The calling thread, and those it starts, run only on time that is left. No way back without privileges."""
    try:
        os.sched_setscheduler(threading.get_native_id(), os.SCHED_IDLE, os.sched_param(0))
    except OSError:  # a sandbox that forbids it: slower beside requests, but it trains
        be_nice()


def left_over_time() -> ThreadPoolExecutor:
    """One thread for matrix products that can wait; torch's worker threads are started by it and inherit its class."""
    return ThreadPoolExecutor(1, "update", initializer=give_way)


def run(pool: ThreadPoolExecutor | None, work: Callable[[], T]) -> T:
    """`work` in the pool, or right here where there is none (a GPU does the matrix products)."""
    return work() if pool is None else pool.submit(work).result()
