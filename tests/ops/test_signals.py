"""The stop flag, in processes that really get signals."""

import signal
import subprocess
import sys
import threading
import time

import pytest

from ops.signals import StopFlag

POLITE = """
import sys
from ops.signals import StopFlag
stop = StopFlag.install()
print("up", flush=True)
assert stop.wait(60) and stop.is_set() and stop.wait(0)
print("bye", flush=True)
"""
STUBBORN = """
import time
from ops.signals import StopFlag
stop = StopFlag.install()
print("up", flush=True)
while not stop.is_set():
    time.sleep(0.01)
print("asked", flush=True)
time.sleep(60)
"""
# The main thread is in wait() nearly all the time while signals come: no lock may be needed twice.
BUSY = """
import signal, threading, os
from ops.signals import StopFlag
stop = StopFlag()
signal.signal(signal.SIGUSR1, lambda *_: stop.set())
sender = threading.Thread(
    target=lambda: [os.kill(os.getpid(), signal.SIGUSR1) for _ in range(20_000)]
)
sender.start()
while sender.is_alive():
    stop.wait(0.0001)
print("done", flush=True)
"""


def _child(code: str) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)


def _line(child: subprocess.Popen[str]) -> str:
    assert child.stdout is not None
    return child.stdout.readline().strip()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_first_signal_asks_and_wakes_who_waits(number: signal.Signals) -> None:
    child = _child(POLITE)
    try:
        assert _line(child) == "up"
        child.send_signal(number)
        assert _line(child) == "bye"
        assert child.wait(20) == 0
    finally:
        child.kill()
        child.communicate(timeout=10)


def test_the_second_signal_ends_the_process() -> None:
    child = _child(STUBBORN)
    try:
        assert _line(child) == "up"
        child.send_signal(signal.SIGTERM)
        assert _line(child) == "asked"
        child.send_signal(signal.SIGTERM)
        assert child.wait(20) == -signal.SIGTERM
    finally:
        child.kill()
        child.communicate(timeout=10)


def test_signals_that_interrupt_a_wait_never_lock_it_up() -> None:
    child = _child(BUSY)
    try:
        out, _ = child.communicate(timeout=60)
        assert out.strip() == "done"
    finally:
        child.kill()
        child.communicate(timeout=10)


def test_every_waiter_is_woken_and_a_wait_without_a_stop_ends() -> None:
    stop = StopFlag()
    assert not stop.wait(0.01) and not stop.wait(-1)
    woken: list[bool] = []
    waiters = [threading.Thread(target=lambda: woken.append(stop.wait(60))) for _ in range(3)]
    for waiter in waiters:
        waiter.start()
    time.sleep(0.05)
    stop.set()
    for waiter in waiters:
        waiter.join(20)
    assert woken == [True] * 3
