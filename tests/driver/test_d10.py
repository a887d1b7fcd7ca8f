# SPDX-License-Identifier: GPL-2.0-or-later
"""D-10: after status 0, poll GET_DEVICE_STATUS every 10 ms, 10 s at most, until
it is 0."""

import time

import wire
from bench import ScriptedBench
from harness import test_both
from wire import le32

LIMIT = 10


def resetting(side, number, polls):
    """A script: a device whose status is 0 only after it was asked for it so
    often. Gives it, and the times at which it was asked."""
    asked, left = [], [0]

    def script(request, answers):
        if request.is_reset(number):
            left[0] = polls
        elif not request.is_transport(wire.GET_DEVICE_STATUS, number):
            return answers
        elif left[0]:
            asked.append(time.monotonic())
            left[0] -= 1
        if left[0]:
            return [answer.but(payload=le32(0x0f)) for answer in answers]
        return answers
    return script, asked


@test_both("/driver/d-10/slow-reset", ScriptedBench)
async def slow_reset(bench):
    """A device that takes its time is waited for, and not asked all the
    time."""
    side = bench.side
    device = side.add(1, bench.short_lived())
    side.script, asked = resetting(side, 1, 100)
    await bench.load()
    await side.until_up()
    assert len(asked) >= 100 and not len(asked) % 100
    # The clock of an emulated machine may run a bit ahead of the host's.
    assert asked[99] - asked[0] >= 99 * 0.009
    assert asked[99] - asked[0] < LIMIT
    assert all(not m.payload
               for m in side.requests(wire.GET_DEVICE_STATUS, 1))
    side.fresh_script()
    assert device.is_up


@test_both("/driver/d-10/no-reset", ScriptedBench)
async def no_reset(bench):
    """One that does not reset is given up after 10 seconds."""
    side = bench.side
    side.add(1, bench.short_lived())
    side.script, asked = resetting(side, 1, 1 << 30)
    begin = await bench.uptime()
    await bench.load()
    await bench.logs("status, it does not reset, giving the device up")
    passed = await bench.uptime() - begin
    assert LIMIT <= passed < LIMIT + 5, passed
    assert len(asked) <= LIMIT * 100
    assert not side.devices[1].is_up
