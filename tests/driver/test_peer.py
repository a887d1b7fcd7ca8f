# SPDX-License-Identifier: GPL-2.0-or-later
"""Who is at the other end: the mark without which nothing is touched, and what
the log says where ids are wrong or nobody answers."""

import asyncio

import wire
from bench import ScriptedBench
from devices import Rng
from harness import test, test_both
from link import (DRIVER_ID, HEAD, IDS, IDS_MAGIC, MEMORY_SIZE, NUM_SLOTS,
                  OWN_ID)
from patience import PATIENCE, within
from process import ProcessBench
from wire import le16, le32

WRONG = "peer_vmid=.* is rung, but"
QUIET = "nothing has come for 5 s"
WAITING = "waiting for the device side's mark"
NOBODY = "no device side so far"
# Seconds until the log says that
QUIET_TIME = 5


def lines(bench, text):
    return [line for line in bench.log() if text in line]


async def driver_writes(side, count):
    """Wait until the driver, which rings somebody else, has written messages
    to its queue."""
    queue = side.link.driver_queue
    async with within(PATIENCE):
        while (queue.get(HEAD) - queue.index) % NUM_SLOTS < count:
            await asyncio.sleep(0.02)


def ping(side):
    side.send(wire.Message(wire.BUS, wire.BUS_PING, 0, 1, b"ping"))


@test("/driver/peer/wrong-id", ScriptedBench)
async def wrong_id(bench):
    """An id that the device side contradicts is rung, and the log says so at
    once, but once only; then it says what else there is to know."""
    side = bench.side
    await bench.load(ivshmem="peer_vmid=5")
    line, = await bench.logs(WRONG)
    assert "peer_vmid=5 is rung" in line, line
    assert f"id is {OWN_ID} and ours is {DRIVER_ID}" in line, line
    assert not lines(bench, QUIET)
    quiet, = await bench.logs(QUIET)
    assert "id 5 is rung, vector 0" in quiet, quiet
    for _ in range(3):
        ping(side)
    await driver_writes(side, 4)
    await bench.machine.read_log()
    assert len(lines(bench, "is rung, but")) == 1
    assert side.link.rings == 0


@test("/driver/peer/own-id", ScriptedBench)
async def own_id(bench):
    """A side that is told to ring itself says so."""
    await bench.load(ivshmem=f"peer_vmid={DRIVER_ID}")
    await bench.logs(WRONG)


@test_both("/driver/peer/contradicted-later", ScriptedBench)
async def contradicted_later(bench):
    """A parameter that was right is so no longer when the device side comes
    back with another id."""
    side = bench.side
    side.add(1, Rng())
    await bench.load(ivshmem=f"peer_vmid={OWN_ID}")
    await side.until_up()
    await bench.machine.read_log()
    assert not lines(bench, "is rung, but")
    for other in 7, 8:
        side.link.announce(other)
        ping(side)
        line, = await bench.logs(WRONG)
        assert "id is 7 and" in line, line
    await side.ping()
    await bench.machine.read_log()
    assert len(lines(bench, "is rung, but")) == 1


@test("/driver/peer/quiet", ScriptedBench)
async def quiet(bench):
    """A device side that says nothing: the log says which id is rung, what
    stands in the block of ids, and what to look at, once and not too early."""
    side = bench.side
    side.deaf = True
    begin = await bench.uptime()
    await bench.load(ivshmem="vector=3", timeout_ms=1000)
    line, = await bench.logs(QUIET)
    assert await bench.uptime() - begin >= QUIET_TIME
    assert f"id {OWN_ID} is rung, vector 3" in line, line
    assert f"device side {OWN_ID}, driver side {DRIVER_ID};" in line, line
    assert f"runs and rings id {DRIVER_ID} (remote-vmid=)" in line, line
    await asyncio.sleep(2)
    await bench.machine.read_log()
    assert len(lines(bench, QUIET)) == 1


@test_both("/driver/peer/not-quiet", ScriptedBench)
async def not_quiet(bench):
    """Nothing of this is said of a device side that answers, with or without
    devices."""
    await bench.load()
    await asyncio.sleep(QUIET_TIME + 2)
    await bench.machine.read_log()
    assert not lines(bench, QUIET) + lines(bench, NOBODY)


@test_both("/driver/peer/rings-another", ScriptedBench)
async def rings_another(bench):
    """A device side that answers, but rings somebody else: the log says that it
    has answered."""
    side = bench.side
    side.link.ring = lambda: None
    try:
        await bench.load()
        line, = await bench.logs(QUIET)
    finally:
        del side.link.ring
    assert f"runs, which has answered, and rings id {DRIVER_ID}" in line, line


@test_both("/driver/peer/no-mark", ScriptedBench)
async def no_mark(bench):
    """Memory in which no device side has left its mark is somebody else's: not
    a byte of it changes and nobody is rung, whatever rings us. When the mark
    appears the link comes up."""
    side = bench.side
    memory = side.link.memory
    rng = bench.short_lived()
    side.deaf = True
    for block in (bench.random.randbytes(64), bytes(64),
                  # Left from a device side that has gone, or that had our id
                  *(le32(IDS_MAGIC) + le16(1, 0) + le32(device, 9) + bytes(48)
                    for device in (0, DRIVER_ID + 1, 0x10001, 0xffffffff)),
                  # No version
                  le32(IDS_MAGIC) + le16(0, 0) + le32(OWN_ID + 1, 9)
                  + bytes(48)):
        memory[:] = bench.random.randbytes(MEMORY_SIZE - 64) + block
        before = bytes(memory)
        await bench.load()
        for _ in range(3):
            side.link.ring()
        if block == bytes(64):
            line, = await bench.logs(NOBODY)
            assert f"our id is {DRIVER_ID}, the id block says device side" \
                " none, driver side none;" in line, line
        await bench.unload()
        assert bytes(memory) == before
        assert side.link.rings == 0
    await bench.load()
    side.fresh()
    side.add(1, rng)
    side.link.ring()
    await side.until_up()


@test_both("/driver/peer/mark-without-a-ring", ScriptedBench)
async def mark_without_a_ring(bench):
    """A device side that comes later and cannot ring, as it does not know our
    id, is found all the same."""
    side = bench.side
    side.add(1, bench.short_lived())
    side.link.withdraw()
    await bench.load()
    await bench.logs(WAITING)
    side.link.announce()
    await side.until_up()
    assert side.link.driver_id() == DRIVER_ID


@test_both("/driver/peer/later-version", ScriptedBench)
async def later_version(bench):
    """A block of ids of a later version is one, and what it says beyond ours
    stays as it is."""
    side = bench.side
    side.add(1, bench.short_lived())
    side.link.announce(version=2)
    rest = bench.random.randbytes(48)
    side.link.memory[IDS + 16:] = rest
    await bench.load()
    await side.until_up()
    assert side.link.driver_id() == DRIVER_ID
    assert side.link.memory[IDS + 4:IDS + 8] == le16(2, 0)
    assert side.link.memory[IDS + 16:] == rest


@test_both("/driver/peer/v1-first", ScriptedBench)
async def v1_first(bench):
    """Layout v1 is a mark as well, of something that is not supported: the log
    says so once, and a device side with the other layout can still come."""
    side = bench.side
    side.add(1, bench.short_lived())
    side.link.withdraw()
    await bench.load()
    side.link.memory[:4] = le16(0x4c4f, 64)
    before = bytes(side.link.memory)
    for _ in range(3):
        side.link.ring()
        await bench.logs("layout v1 is not supported")
    await bench.logs(NOBODY)
    assert bytes(side.link.memory) == before
    assert len(lines(bench, "layout v1")) == 1
    side.link.restart()
    side.link.ring()
    await side.until_up()


@test_both("/driver/peer/no-mark-needed", ScriptedBench)
async def no_mark_needed(bench):
    """A device side that leaves no mark is used where a parameter says so."""
    side = bench.side
    side.add(1, bench.short_lived())
    side.link.withdraw()
    await bench.load(ivshmem=f"peer_vmid={OWN_ID}")
    await side.until_up()
    assert side.link.driver_id() == DRIVER_ID
    assert side.link.memory[IDS + 8:IDS + 12] == bytes(4)


@test("/driver/peer/nothing-loads-it", ScriptedBench)
async def nothing_loads_it(bench):
    """No alias has the module loaded for a PCI function that may be another
    one's."""
    modules = "/lib/modules/$(uname -r)"
    assert await bench.shell(f"grep -al alias=virtio: $(find {modules} -name"
                             " virtio_blk.ko) | wc -l") == "1"
    # That of a card which nothing else can be is another matter.
    assert await bench.shell(f"grep -al alias=pci:v00001AF4 {modules}/updates/"
                             "*.ko | wc -l") == "0"


@test("/driver/peer/either-first", ProcessBench)
async def either_first(bench):
    """The device process starts before the module is loaded, or after that; it
    has another id then. The mark of one that ended is not there any more, that
    of one that crashed is."""
    for end, word in ((None, None), (bench.stop_process, WAITING),
                      (bench.crash_process, QUIET)):
        if end:
            await end()
        await bench.load()
        if end:
            await bench.logs(word)
            await bench.start_process()
        await bench.add_disk("disk", 0)
        await bench.until_disk()
        await bench.unload()
        await bench.remove("disk")
