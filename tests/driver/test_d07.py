# SPDX-License-Identifier: GPL-2.0-or-later
"""D-07: what the device side speaks is found out from its answers, unless a
parameter says it; and the log says where the two do not agree."""

import wire
from bench import VDA, ScriptedBench
from devices import Disk, Rng
from harness import test, test_both, test_on
from scripts import altered, is_bus, to
from wires import WIRE_2025, WIRE_2025_07, WIRE_2026

ALL = WIRE_2025, WIRE_2026, WIRE_2025_07
MISMATCH = "are not the"


async def disk_works(bench):
    """All that a disk needs is understood: its size, its queue."""
    await bench.until_disk()
    await bench.shell(f"dd if={VDA} of=/dev/null bs=4k count=1 iflag=direct"
                      " 2>&1")
    assert await bench.shell("cat /sys/block/vda/size") == "2048"


async def look_again(bench, chosen):
    """Have the driver look at the devices again, until it has had an answer to
    another request of some kind, and has said what there is to say."""
    side = bench.side
    side.received.clear()
    side.send(wire.event_device(1, wire.DEVICE_ADDED))
    await side.until(lambda: any(map(chosen, side.received)), "another look")
    # A scan that goes on has ended, or has asked for more.
    side.send(wire.event_device(1, wire.DEVICE_ADDED))
    await side.until(lambda: len(list(filter(chosen, side.received))) > 1,
                     "yet another one")
    await bench.machine.read_log()


@test_on("/driver/d-07/found", ScriptedBench, wires=ALL)
async def found(bench):
    """Nobody says what the device side speaks, and its devices work; a user can
    see what it is."""
    side = bench.side
    side.add(1, Disk())
    await bench.load()
    await side.until_up()
    await disk_works(bench)
    assert await bench.spoken() == str(side.wire)
    sizes = {len(m.payload) for m in side.requests(wire.SET_VQUEUE)}
    assert sizes == {side.wire.queue_size}, sizes


@test_on("/driver/d-07/named", ScriptedBench, wires=ALL)
async def named(bench):
    """The same where a parameter says it."""
    side = bench.side
    side.add(1, Disk())
    name = "2026" if side.wire is WIRE_2026 else "2025"
    await bench.load(wire=name)
    await side.until_up()
    await disk_works(bench)
    assert await bench.spoken() == str(side.wire)


@test("/driver/d-07/unknown", ScriptedBench)
async def unknown(bench):
    """Before there was an answer nobody knows."""
    bench.side.deaf = True
    await bench.load(timeout_ms=500)
    await bench.logs("does not answer")
    assert await bench.spoken() == "unknown"


@test("/driver/d-07/restart", ScriptedBench)
async def restart(bench):
    """The device side that starts anew may be another one."""
    side = bench.side
    disk = side.add(1, Disk())
    await bench.load()
    for turn in WIRE_2026, WIRE_2025, WIRE_2025_07, WIRE_2026:
        side.wire = turn
        side.restart()
        side.plug(1, disk)
        await side.until_up()
        await disk_works(bench)
        assert await bench.spoken() == str(turn)


@test("/driver/d-07/forgotten-at-restart", ScriptedBench)
async def forgotten_at_restart(bench):
    """What a device side spoke that is gone does not count for the next."""
    side = bench.side
    side.add(1, bench.short_lived())
    await bench.load()
    await side.until_up()
    assert await bench.spoken() == "2025"
    del side.devices[1]
    side.script = lambda request, answers: []
    side.restart()
    side.link.ring()
    await bench.logs("the device side has restarted")
    assert await bench.spoken() == "unknown"


@test_both("/driver/d-07/wrong-wire", ScriptedBench)
async def wrong_wire(bench):
    """Where the parameter is wrong the log says once which fields do not fit,
    and what to do; a device side that fits can come instead."""
    side = bench.side
    right = side.wire
    side.add(1, bench.short_lived())
    other = WIRE_2025 if right is WIRE_2026 else WIRE_2026
    await bench.load(wire=str(other))
    line, = await bench.logs(MISMATCH)
    fields = {WIRE_2025: "count, next_offset", WIRE_2026: "next_offset, count"}
    assert f"not the {fields[other]} of wire={other}" in line, line
    assert f"the {fields[right]} of {right}" in line, line
    assert f"with wire={right}, or without" in line, line
    await look_again(bench, is_bus(wire.BUS_GET_DEVICES))
    assert len([l for l in bench.log() if MISMATCH in l]) == 1
    assert await bench.virtio_devices() == []
    assert not [l for l in bench.log() if "cannot list" in l]
    side.wire = other
    side.restart()
    side.plug(1, side.devices[1])
    await side.until_up()


@test_both("/driver/d-07/wrong-info", ScriptedBench)
async def wrong_info(bench):
    """The same where only GET_DEVICE_INFO shows it."""
    side = bench.side
    right = side.wire
    other = WIRE_2025 if right is WIRE_2026 else WIRE_2026
    side.add(1, Rng())
    side.script = altered(to(wire.GET_DEVICE_INFO),
                          lambda _request, payload: bytes(other.info_size))
    await bench.load(wire=str(right))
    line, = await bench.logs(MISMATCH)
    assert f"answered in {8 + other.info_size} bytes" in line, line
    assert f"the {8 + right.info_size} of wire={right}" in line, line
    await look_again(bench, to(wire.GET_DEVICE_INFO, 1))
    assert len([l for l in bench.log() if MISMATCH in l]) == 1


@test("/driver/d-07/no-wire", ScriptedBench)
async def no_wire(bench):
    """An answer that is of none is said to be so, once."""
    side = bench.side
    side.add(1, bench.short_lived())
    side.script = altered(is_bus(wire.BUS_GET_DEVICES),
                          lambda _request, payload: payload + bytes(3))
    await bench.load()
    line, = await bench.logs("fits no wire")
    assert "in 21 bytes with 32 at \\+2 and 0 at \\+4".replace("\\", "") in line
    await look_again(bench, is_bus(wire.BUS_GET_DEVICES))
    assert len([l for l in bench.log() if "fits no wire" in l]) == 1
    assert await bench.spoken() == "unknown"


@test("/driver/d-07/parameters", ScriptedBench)
async def parameters(bench):
    """What cannot be has one clear line."""
    for words, line in (
            ("wire=2024", "wire=2024: must be 2026, 2025 or auto"),
            ("max_msg=47", "max_msg=47: must be 48 to 64 with wire=auto"),
            ("wire=2026 max_msg=51", "max_msg=51: must be 52 to 64 with"),
            ("max_msg=65", "max_msg=65: must be 48 to 64 with wire=auto")):
        assert await bench.run(f"modprobe virtio_msg {words}").wait() != 0
        await bench.logs(line)


@test_on("/driver/d-07/messages-too-small", ScriptedBench, wires=[WIRE_2026])
async def messages_too_small(bench):
    """A link whose messages are too small for its wire does not come up, and
    says what it needs."""
    side = bench.side
    side.add(1, bench.short_lived())
    await bench.load(max_msg=50)
    line, = await bench.logs("too small for the wire of 2026")
    assert "at most 50 bytes" in line and "needs 52" in line, line
    assert not side.requests(wire.GET_DEVICE_INFO)
