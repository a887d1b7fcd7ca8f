# SPDX-License-Identifier: GPL-2.0-or-later
"""The list of the tests, and how one of them is run."""

import asyncio
import time
import traceback
from dataclasses import dataclass
from typing import Callable

import patience
from wires import WIRE_2025, WIRE_2026

TESTS = []
# More than any test takes; what waits for something has a limit of its own.
TEST_LIMIT = 600
FULL_LIMIT = 7200


class Skip(Exception):
    """Raised by a test that cannot be run here, with the reason."""


@dataclass
class Test:
    name: str
    kind: type
    function: Callable
    arguments: tuple
    wire: object = WIRE_2025    # of a scripted device side

    @property
    def description(self):
        return (self.function.__doc__ or "").strip()


def test(name, kind, *arguments):
    """Make a coroutine function a test: it gets a bench of this class, and
    the further arguments."""
    def register(function):
        _add(Test(name, kind, function, arguments))
        return function
    return register


def test_on(name, kind, *arguments, wires):
    """The same with a scripted device side for each of some wires. The name is
    that of the test with 2025, and has another's at its end otherwise."""
    def register(function):
        for wire in wires:
            suffix = "" if wire is WIRE_2025 else f"-{wire}"
            _add(Test(name + suffix, kind, function, arguments, wire))
        return function
    return register


def test_both(name, kind, *arguments):
    """The same with 2025 and 2026."""
    return test_on(name, kind, *arguments, wires=(WIRE_2025, WIRE_2026))


def _add(new):
    if any(t.name == new.name for t in TESTS):
        raise ValueError(f"two tests are called {new.name}")
    TESTS.append(new)


async def run(test_, bench, seed):
    """Run a test on a bench. Gives the reason if it has failed, else None; the
    reason if it was not run, else None; and the seconds that it took, a boot
    before it not included."""
    begin = time.monotonic()
    skipped = None
    bench.wire = test_.wire
    try:
        await bench.begin(seed)
        begin = time.monotonic()
        try:
            reason = await _limited(test_, bench)
        except Skip as why:
            reason, skipped = None, str(why)
        if reason is None:
            await bench.settle()
    except AssertionError as failure:
        reason = str(failure) or _place(failure)
    except Exception:           # pylint: disable=broad-exception-caught
        # A test that does not even work is one that fails.
        reason = traceback.format_exc()
    if reason is not None:
        reason += await _report(bench)
        await bench.drop_machine()
    return reason, skipped, time.monotonic() - begin


async def _limited(test_, bench):
    """Run the function of a test until its end, or that of the machine."""
    task = asyncio.create_task(test_.function(bench, *test_.arguments))
    limit = patience.limit(FULL_LIMIT if bench.full else TEST_LIMIT)
    await asyncio.wait({task, bench.broken}, timeout=limit,
                       return_when=asyncio.FIRST_COMPLETED)
    if task.done() and not bench.broken.done():
        task.result()
        return None
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    if bench.broken.done():
        return bench.broken.result()
    return f"not finished after {limit} s"


def _place(failure):
    """Where a plain assert has failed, and what it was."""
    frame = traceback.extract_tb(failure.__traceback__)[-1]
    return f"{frame.name}, line {frame.lineno}: {frame.line}"


async def _report(bench):
    """What the kernel has to say about a failure."""
    if not bench.machine:
        return ""
    parts = []
    if reports := bench.machine.reports():
        parts += ["the kernel reports:", *reports]
    parts += ["the end of its log:", *bench.log()[-15:]]
    if not bench.broken.done() and (stuck := await bench.stuck_tasks()):
        parts += ["tasks that are stuck:", *stuck]
    return "\n".join(["", *parts])
