# SPDX-License-Identifier: GPL-2.0-or-later
"""The list of the tests, and how one of them is run."""

import asyncio
import time
import traceback
from dataclasses import dataclass
from typing import Callable

import patience

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

    @property
    def description(self):
        return (self.function.__doc__ or "").strip()


def test(name, kind, *arguments):
    """Make a coroutine function a test: it gets a bench of this class, and
    the further arguments."""
    def register(function):
        if any(t.name == name for t in TESTS):
            raise ValueError(f"two tests are called {name}")
        TESTS.append(Test(name, kind, function, arguments))
        return function
    return register


async def run(test_, bench, seed):
    """Run a test on a bench. Gives the reason if it has failed, else None; the
    reason if it was not run, else None; and the seconds that it took, a boot
    before it not included."""
    begin = time.monotonic()
    skipped = None
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
