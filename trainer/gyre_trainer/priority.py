"""Whose turn it is on cores that serve and train: requests first.

An update's products run in a thread that only takes what nobody else wants (SCHED_IDLE), not merely at low priority:
vLLM's two threads meet several hundred times per token, and at each meeting a thread that is just nice keeps the core
for the rest of its slice. Measured on two cores with one chatting client: an update took 69 s at nice 10 while the
client got 2 tokens a second; both got most of the machine when the update gave way at once.
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
    """The calling thread, and those it starts, run only on time that is left. There is no way back without privileges."""
    try:
        os.sched_setscheduler(threading.get_native_id(), os.SCHED_IDLE, os.sched_param(0))
    except OSError:  # a sandbox that forbids it: slower beside requests, but it trains
        be_nice()


def left_over_time() -> ThreadPoolExecutor:
    """One thread for products that can wait; torch's worker threads are started by it and inherit its class."""
    return ThreadPoolExecutor(1, "update", initializer=give_way)


def run(pool: ThreadPoolExecutor | None, work: Callable[[], T]) -> T:
    """`work` in the pool, or right here where there is none (a GPU does the products)."""
    return work() if pool is None else pool.submit(work).result()
