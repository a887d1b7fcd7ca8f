# SPDX-License-Identifier: GPL-2.0-or-later
"""D-13: EVENT_CONFIG with or without its data is taken; config is always read
again with GET_CONFIG; a malformed one is dropped."""

import wire
from bench import ScriptedBench
from devices import SECTOR, Disk
from harness import test_both
from wire import le32, le64


def changed(disk, offset, length, data=b"", size=-1):
    words = le32(disk.status, disk.generation, offset, length)
    return wire.Message(0, wire.EVENT_CONFIG, disk.number, 0, words + data,
                        size)


async def one_disk(bench):
    disk = bench.side.add(1, Disk())
    await bench.load()
    await bench.side.until_up()
    await bench.until_disk()
    return disk


def resize(disk, sectors):
    disk.config[:8] = le64(sectors)
    disk.contents = bytearray(sectors * SECTOR)
    disk.generation += 1


@test_both("/driver/d-13/with-and-without-data", ScriptedBench)
async def with_and_without_data(bench):
    """Whether a range is named, and whether its data comes along: the disk has
    the size that GET_CONFIG says, whatever the event does."""
    side = bench.side
    disk = await one_disk(bench)
    for sectors, arguments in ((4096, (0, 0)), (6144, (0, 8)),
                               (8192, (0, 8, le64(8192))),
                               (10240, (0, 8, le64(5))),
                               (12288, (0, 4, le32(1) + bytes(4))),
                               (14336, (60, 0)), (16384, (0, 60))):
        resize(disk, sectors)
        side.received.clear()
        side.send(changed(disk, *arguments))
        await bench.until(f"grep -qx {sectors} /sys/block/vda/size")
        assert side.requests(wire.GET_CONFIG, 1)
    assert await bench.dropped() == 0


@test_both("/driver/d-13/malformed", ScriptedBench)
async def malformed(bench):
    """Less data than is said, or none of it within the configuration, is no
    event at all."""
    side = bench.side
    disk = await one_disk(bench)
    resize(disk, 4096)
    side.received.clear()
    bad = [changed(disk, 0, 8, bytes(7)), changed(disk, 0, 41, bytes(40)),
           changed(disk, 0, 0xffffffff, bytes(8)), changed(disk, 61, 0),
           changed(disk, 60, 1), changed(disk, 0, 61),
           changed(disk, 0xfffffff8, 8), changed(disk, 8, 0xfffffff8),
           changed(disk, 0, 0, size=23), changed(disk, 0, 0, size=8)]
    side.send(*bad)
    await side.ping()
    assert await bench.dropped() == len(bad)
    assert not side.requests(wire.GET_CONFIG, 1)
    assert await bench.shell("cat /sys/block/vda/size") == "2048"
