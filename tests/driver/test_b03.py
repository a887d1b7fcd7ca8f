# SPDX-License-Identifier: GPL-2.0-or-later
"""B-03: after EVENT_DEVICE says REMOVED, no message of that number is sent."""

import asyncio

import wire
from bench import VDA, ScriptedBench
from devices import Disk, Rng
from harness import test_both
from link import HEAD, NUM_SLOTS

READ = f"dd if={VDA} of=/dev/null bs=4k count=16 iflag=direct 2>/dev/null"


def to_device(messages, number):
    """Those that are for a device."""
    return [m for m in messages if not m.is_bus and m.dev_num == number]


@test_both("/driver/b-03/nothing-after-removed", ScriptedBench)
async def nothing_after_removed(bench):
    """A disk goes while it is read: the driver side says nothing to it any more
    when it has heard of that, until another one is there."""
    side = bench.side
    side.add(2, Rng())
    await bench.load()
    for turn in range(bench.size(4, 100)):
        disk = side.plug(1, Disk())
        await side.until_up(1)
        await bench.until_disk()
        job = bench.run(f"while {READ}; do :; done")
        await side.until(lambda disk=disk: disk.served > 50, "reads")
        side.unplug(1)
        answer = await side.ping()
        await job.wait()
        await bench.logs("device 1: removed", turn + 1)
        await side.ping()
        late = to_device(side.received[side.received.index(answer):], 1)
        assert not late, late
        # The others are not concerned.
        await bench.read_rng()
        side.received.clear()


def available(side, disk):
    """The index of what the driver has made available to a disk."""
    _, driver, _ = disk.queues[0].addresses
    return side.memory.unpack("<H", driver + 2)


@test_both("/driver/b-03/nothing-of-what-waits", ScriptedBench)
async def nothing_of_what_waits(bench):
    """What waits for room in the queue of messages, a notification and a request,
    is not sent any more when the device goes."""
    side = bench.side
    disk = side.add(1, Disk())
    side.add(2, Rng())
    await bench.load()
    await side.until_up()
    await bench.until_disk()
    side.deaf = True
    # The answers to these fill it.
    question = wire.Message(wire.BUS, wire.BUS_PING, 0, 1, b"fill")
    side.send(*[question] * (NUM_SLOTS - 1))
    queue = side.link.driver_queue
    while (queue.get(HEAD) - queue.index) % NUM_SLOTS < NUM_SLOTS - 1:
        await asyncio.sleep(0.02)
    before = available(side, disk)
    jobs = [bench.run(READ),
            bench.run("echo 'write through' >/sys/block/vda/cache_type")]
    while available(side, disk) == before:
        await asyncio.sleep(0.02)
    # Both had their turn by then, and wait.
    await bench.shell("true")
    assert not any(job.ended for job in jobs)
    side.unplug(1)
    side.received.clear()
    side.hear()
    await side.ping()
    assert await jobs[0].wait() != 0
    await jobs[1].wait()
    await bench.logs("device 1: removed")
    await side.ping()
    late = to_device(side.received, 1)
    assert not late, late
    await bench.read_rng()
