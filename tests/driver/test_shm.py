# SPDX-License-Identifier: GPL-2.0-or-later
"""Shared memory regions of devices: GET_SHM, which a driver asks for."""

import wire
from bench import FUNCTION, ScriptedBench
from devices import Look, Rng
from harness import test_both, test_on
from link import IDS, MEMORY_SIZE, QUEUES_END
from scripts import altered, to, unanswered
from wire import le32
from wires import WIRE_2025, WIRE_2026

PAGE = 4096
TEXT = b"a region"


async def look(bench, regions, number=1, **parameters):
    """A device with regions, and a driver that asks for them and one more."""
    device = bench.side.add(number, Look())
    device.regions = dict(enumerate(regions))
    await bench.shell(f"modprobe virtio_look regions={len(regions) + 1}")
    await bench.load(**parameters)
    await bench.side.until_up(number)
    return device


async def leave(bench):
    await bench.unload()
    await bench.shell("rmmod virtio_look")


@test_both("/driver/shm/found", ScriptedBench)
async def found(bench):
    """An address is an offset in the shared memory: the driver finds there what
    the device side has put there. Of a region that is not there it learns."""
    side = bench.side
    places = QUEUES_END, 1 << 20, IDS - PAGE
    for place in places:
        side.link.memory[place:place + 8] = TEXT
    await look(bench, [(place, PAGE) for place in places])
    for number, _ in enumerate(places):
        await bench.logs(f"region {number} has {PAGE} bytes,"
                         f" at first {TEXT.hex()}")
    await bench.logs(f"no region {len(places)}")
    # It was not for one of these that it has gone.
    assert not [line for line in bench.log() if "cannot be reached" in line]
    await leave(bench)


@test_both("/driver/shm/out-of-reach", ScriptedBench)
async def out_of_reach(bench):
    """Regions that overlap the queues or the ids, or leave the memory, are
    refused, and the log says where they may be."""
    wide = [((1 << 64) - PAGE, PAGE), ((1 << 64) - PAGE, 2 * PAGE),
            (PAGE * 16, (1 << 64) - PAGE)]
    regions = [(0, PAGE), (QUEUES_END - 1, PAGE), (IDS, 64),
               (IDS - PAGE + 1, PAGE), (MEMORY_SIZE, PAGE),
               (0xfffff000, PAGE), (PAGE * 16, 0xfffff000),
               *(wide if bench.side.wire is WIRE_2026 else [])]
    await look(bench, regions)
    for number, _ in enumerate(regions):
        await bench.logs(f"no region {number}")
    refused = await bench.logs("cannot be reached", len(regions))
    assert f"{QUEUES_END:#x}..{IDS:#x} can" in refused[0], refused[0]
    assert not [line for line in bench.log() if "bytes, at first" in line]
    await leave(bench)


@test_both("/driver/shm/another-region", ScriptedBench)
async def another_region(bench):
    """An answer about another region ends the device."""
    side = bench.side
    device = side.add(1, Look())
    device.regions = {0: (1 << 20, PAGE)}
    side.script = altered(to(wire.GET_SHM),
                          lambda _request, payload: le32(7) + payload[4:])
    await bench.shell("modprobe virtio_look regions=1")
    await bench.load()
    await bench.logs("device 1: bad shared memory region, giving")
    await bench.logs("no region 0")
    await leave(bench)


@test_both("/driver/shm/not-asked", ScriptedBench)
async def not_asked(bench):
    """Nobody asks for regions that no driver wants."""
    side = bench.side
    side.add(1, Rng())
    await bench.load()
    await side.until_up()
    await bench.read_rng()
    assert not side.requests(wire.GET_SHM)


@test_on("/driver/shm/unanswered", ScriptedBench,
         wires=[WIRE_2025, WIRE_2026])
async def without_answer(bench):
    """With 2025 a device need not know of regions, and is used without them;
    with 2026 it must."""
    side = bench.side
    side.add(2, Rng())
    device = side.add(1, Look())
    side.script = unanswered(to(wire.GET_SHM))
    await bench.shell("modprobe virtio_look regions=1")
    await bench.load(timeout_ms=1000)
    await bench.logs("no region 0")
    await side.until_up(2)
    given_up = [line for line in bench.log() if "giving the device up" in line]
    if side.wire is WIRE_2025:
        await side.until_up(1)
        assert not given_up, given_up
    else:
        assert given_up and not device.is_up
    assert await bench.shell(f"cat {FUNCTION}/virtio_msg/silences") == "0"
    await leave(bench)
