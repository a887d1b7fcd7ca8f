# SPDX-License-Identifier: GPL-2.0-or-later
"""D-04: with 2025, or where transport feature bit 0 says so, SET_CONFIG carries
the last generation seen; after a refusal re-read and retry a bounded number of
times. With 2026 it carries 0."""

import wire
from bench import ScriptedBench
from devices import Disk
from harness import test_both, test_on
from scripts import altered, to
from wire import le32
from wires import WIRE_2026

SET_CACHE = "echo 'write {}' >/sys/block/vda/cache_type"


def generations(side):
    """What each SET_CONFIG that came has carried."""
    return [m.unpack_le32()[0] for m in side.requests(wire.SET_CONFIG)]


def accesses(side):
    """The ids of the requests about the configuration, as they came."""
    return [m.msg_id for m in side.received
            if m.msg_id in (wire.GET_CONFIG, wire.SET_CONFIG)
            and not m.is_bus]


async def one_disk(bench, strict=True):
    """A disk that takes only the generation of now, or any."""
    disk = bench.side.add(1, Disk())
    if strict and not bench.side.wire.strict_generation:
        bench.side.feature_strict = True
        await bench.load(strict_generation=1)
    else:
        await bench.load()
    await bench.side.until_up()
    await bench.until_disk()
    return disk


@test_both("/driver/d-04/carries-the-generation", ScriptedBench)
async def carries_the_generation(bench):
    """SET_CONFIG carries the generation of the last answer, whatever number
    that is, and is not repeated when it was taken."""
    side = bench.side
    disk = await one_disk(bench)
    assert generations(side) == []
    for generation in 7, 8, 0, 0xffffffff:
        side.received.clear()
        disk.generation = generation
        # The driver looks at what has changed, and so learns of it.
        side.send(wire.event(wire.EVENT_CONFIG, 1, disk.status, generation, 0,
                             0))
        await side.received_one(wire.GET_CONFIG)
        await side.ping()
        await bench.shell(SET_CACHE.format("through"))
        assert disk.config[Disk.WRITEBACK] == 0
        await bench.shell(SET_CACHE.format("back"))
        assert disk.config[Disk.WRITEBACK] == 1
        assert generations(side) == [generation, generation]


@test_both("/driver/d-04/retries-after-a-refusal", ScriptedBench)
async def retries_after_a_refusal(bench):
    """A refusal because of the generation is answered by a look at the
    configuration and another try, which succeeds."""
    side = bench.side
    disk = await one_disk(bench)
    side.received.clear()
    before = disk.generation
    disk.generation += 5            # and nobody has told the driver
    await bench.shell(SET_CACHE.format("through"))
    assert disk.config[Disk.WRITEBACK] == 0
    assert generations(side) == [before, before + 5]
    assert accesses(side)[:3] == [wire.SET_CONFIG, wire.GET_CONFIG,
                                  wire.SET_CONFIG]


@test_both("/driver/d-04/gives-up-retrying", ScriptedBench)
async def gives_up_retrying(bench):
    """A device that always refuses is not asked without end, and each try is
    preceded by a look."""
    side = bench.side
    disk = await one_disk(bench)
    side.received.clear()
    side.script = altered(
        to(wire.SET_CONFIG),
        lambda request, payload: le32(disk.generation,
                                      *request.unpack_le32()[1:2], 0))
    await bench.shell(SET_CACHE.format("through") + " || true")
    tries = len(generations(side))
    assert 2 <= tries <= 20, tries
    asked = accesses(side)
    for first, second in zip(asked, asked[1:]):
        assert (first, second) != (wire.SET_CONFIG, wire.SET_CONFIG)
    # That it refuses is no reason to give the device up.
    side.fresh_script()
    await bench.shell(SET_CACHE.format("through"))
    assert disk.config[Disk.WRITEBACK] == 0


@test_on("/driver/d-04/no-generation", ScriptedBench, wires=[WIRE_2026])
async def no_generation(bench):
    """With 2026 SET_CONFIG carries 0, whatever the generation is."""
    side = bench.side
    disk = await one_disk(bench, strict=False)
    for generation in 7, 8, 0xffffffff:
        side.received.clear()
        disk.generation = generation
        await bench.shell(SET_CACHE.format("through"))
        assert disk.config[Disk.WRITEBACK] == 0
        await bench.shell(SET_CACHE.format("back"))
        assert disk.config[Disk.WRITEBACK] == 1
        assert generations(side) == [0, 0]


@test_on("/driver/d-04/refused-once", ScriptedBench, wires=[WIRE_2026])
async def refused_once(bench):
    """With 2026 a refusal has another reason than the generation: it is not
    tried again, and the device is used on."""
    side = bench.side
    disk = await one_disk(bench, strict=False)
    side.script = altered(
        to(wire.SET_CONFIG),
        lambda request, payload: le32(disk.generation,
                                      *request.unpack_le32()[1:2], 0))
    side.received.clear()
    await bench.shell(SET_CACHE.format("through") + " || true")
    await bench.logs("device 1 refuses to set its configuration at 32")
    assert accesses(side)[:1] == [wire.SET_CONFIG]
    assert len(generations(side)) == 1
    side.fresh_script()
    await bench.shell(SET_CACHE.format("through"))
    assert disk.config[Disk.WRITEBACK] == 0


@test_both("/driver/d-04/wrong-length", ScriptedBench)
async def wrong_length(bench):
    """A device that says that it has taken neither all nor nothing is given
    up."""
    side = bench.side
    disk = await one_disk(bench)
    side.script = altered(
        to(wire.SET_CONFIG),
        lambda request, payload: le32(disk.generation,
                                      *request.unpack_le32()[1:2], 2)
        + payload[12:])
    await bench.shell(SET_CACHE.format("through") + " || true")
    await bench.logs("device 1: bad length of what was set, giving")


@test_both("/driver/d-04/generation-runs-away", ScriptedBench)
async def generation_runs_away(bench):
    """The generation changes with every answer: reading and writing the
    configuration end nevertheless, in bounded time."""
    side = bench.side
    disk = await one_disk(bench)

    def script(_request, answers):
        disk.generation = (disk.generation + 1) & 0xffffffff
        return answers

    side.received.clear()
    side.script = script
    await bench.shell(SET_CACHE.format("through") + " || true")
    side.send(wire.event(wire.EVENT_CONFIG, 1, disk.status, disk.generation,
                         0, 0))
    await side.ping()
    await bench.unload()
    assert len(accesses(side)) < 1000


@test_both("/driver/d-04/event-config", ScriptedBench)
async def event_config(bench):
    """EVENT_CONFIG makes the driver read what has changed."""
    side = bench.side
    disk = await one_disk(bench)
    disk.config[:8] = wire.le64(4096)
    disk.contents += bytes(1 << 20)
    disk.generation += 1
    side.send(wire.event(wire.EVENT_CONFIG, 1, disk.status, disk.generation,
                         0, 0))
    await bench.logs(r"new size: 4096 512-byte logical blocks")
    # Which it says before it is so
    await bench.logs("detected capacity change from 2048 to 4096")
    assert await bench.shell("cat /sys/block/vda/size") == "4096"
