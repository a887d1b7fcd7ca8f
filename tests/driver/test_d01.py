# SPDX-License-Identifier: GPL-2.0-or-later
"""D-01: enumerate with GET_DEVICES, then GET_DEVICE_INFO for each number;
register what has a device_id; follow EVENT_DEVICE after."""

import struct

import wire
from bench import VDA, ScriptedBench
from devices import Disk, Rng
from harness import test_both
from link import NUM_SLOTS, SLOT_SIZE


def is_get_devices(message):
    return message.is_bus and message.msg_id == wire.BUS_GET_DEVICES


def windows(side):
    """The (offset, count) of each GET_DEVICES that came."""
    return [struct.unpack("<HH", m.payload)
            for m in side.received if is_get_devices(m)]


def small_windows(side):
    """A script: windows of 8 numbers, the next one where the next device is."""
    def script(request, answers):
        if not is_get_devices(request):
            return answers
        offset, count = struct.unpack("<HH", request.payload)
        return [request.answer(side.window(offset, min(count, 8)))]
    return script


def each_window(side):
    """A script: the next window begins where the one before has ended."""
    def script(request, answers):
        if not is_get_devices(request):
            return answers
        offset, count = struct.unpack("<HH", request.payload)
        following = (offset + count) % 65536
        return [request.answer(side.window(offset, count, following))]
    return script


@test_both("/driver/d-01/registers-what-is-there", ScriptedBench)
async def registers_what_is_there(bench):
    """Every number on the link becomes a device that works."""
    side = bench.side
    for number in 0, 1, 5, 700, 65535:
        side.add(number, Rng())
    await bench.load()
    await side.until_up()
    assert len(await bench.virtio_devices()) == 5
    for number in side.devices:
        await bench.logs(rf"device {number}: virtio id 4, 1 queues")
    await bench.read_rng()
    assert sum(device.served for device in side.devices.values()) > 0


@test_both("/driver/d-01/windows-are-aligned", ScriptedBench)
async def windows_are_aligned(bench):
    """GET_DEVICES asks for multiples of 8, each number once, and for no more
    than what an answer can hold; with 2025 and as long as nobody knows, for no
    more than 32."""
    side = bench.side
    side.add(65535, bench.short_lived())
    side.script = each_window(side)
    for number in range(0, 65536, 32):
        side.add(number, bench.short_lived()).device_id = 0
    await bench.load()
    await side.until_up(65535)
    position = 0
    for offset, count in windows(side):
        assert offset == position, windows(side)
        assert count > 0 and count % 8 == 0
        assert wire.HEADER.size + 6 + (count + 7) // 8 <= SLOT_SIZE
        position += count
    assert position == 65536


@test_both("/driver/d-01/follows-next-offset", ScriptedBench)
async def follows_next_offset(bench):
    """The next window begins where next_offset says, and an answer for fewer
    numbers than were asked for counts for just these."""
    side = bench.side
    for number in 3, 11, 4003, 65535:
        side.add(number, Rng())
    side.script = small_windows(side)
    await bench.load()
    await side.until_up()
    assert [offset for offset, _ in windows(side)] == [
        0, *(side.wire.following(n) for n in (11, 4003, 65535))]


@test_both("/driver/d-01/empty-link", ScriptedBench)
async def empty_link(bench):
    """No device is no error, and the first one can come later."""
    side = bench.side
    await bench.load()
    await side.until(lambda: windows(side), "GET_DEVICES")
    await side.ping()
    assert await bench.virtio_devices() == []
    side.plug(9, bench.short_lived())
    await side.until_up()


@test_both("/driver/d-01/absent-devices", ScriptedBench)
async def absent_devices(bench):
    """What says device_id 0 is not registered, and is in nobody's way."""
    side = bench.side
    for number in 1, 2, 3:
        side.add(number, Rng())
    side.devices[2].device_id = 0
    await bench.load()
    await side.until_up(1, 3)
    assert side.requests(wire.GET_DEVICE_INFO, 2)
    assert len(await bench.virtio_devices()) == 2
    assert not side.requests(wire.SET_DEVICE_STATUS, 2)


@test_both("/driver/d-01/unknown-type", ScriptedBench)
async def unknown_type(bench):
    """A device that no driver knows is registered all the same."""
    side = bench.side
    side.add(1, Rng()).device_id = 0x7fff
    side.add(2, Rng())
    await bench.load()
    await side.until_up(2)
    assert len(await bench.virtio_devices()) == 2
    await bench.logs(r"device 1: virtio id 32767")


@test_both("/driver/d-01/ready", ScriptedBench)
async def ready(bench):
    """EVENT_DEVICE READY brings a device, without a reload."""
    side = bench.side
    side.add(1, Rng())
    await bench.load()
    await side.until_up()
    side.plug(40000, Rng())
    side.plug(0, Disk())
    await side.until_up()
    assert len(await bench.virtio_devices()) == 3
    assert side.devices[1].resets <= 1


@test_both("/driver/d-01/removed", ScriptedBench)
async def removed(bench):
    """EVENT_DEVICE REMOVED takes a device away, and no other."""
    side = bench.side
    for number in 1, 2, 3:
        side.add(number, Rng())
    await bench.load()
    await side.until_up()
    side.unplug(2)
    await bench.logs("device 2: removed")
    await side.ping()
    assert len(await bench.virtio_devices()) == 2
    await bench.read_rng()
    assert side.devices[1].is_up and side.devices[3].is_up


@test_both("/driver/d-01/removed-without-a-word", ScriptedBench)
async def removed_without_a_word(bench):
    """What no longer appears in GET_DEVICES goes with the next look at it."""
    side = bench.side
    side.add(1, Rng())
    side.add(2, Rng())
    await bench.load()
    await side.until_up()
    del side.devices[1]
    side.plug(3, Rng())
    await side.until_up(3)
    await bench.logs("device 1: removed")
    assert len(await bench.virtio_devices()) == 2


@test_both("/driver/d-01/another-device-at-the-number", ScriptedBench)
async def another_device(bench):
    """A number that was free can come back as anything."""
    side = bench.side
    rng = side.add(6, Rng())
    await bench.load()
    await side.until_up()
    await bench.until_read(rng)
    side.unplug(6)
    side.plug(6, Disk())
    await side.until_up(6)
    await bench.logs("device 6: virtio id 2")
    assert len(await bench.virtio_devices()) == 1
    await bench.until_disk()
    await bench.shell(f"dd if={VDA} of=/dev/null bs=4k count=4 2>&1")


@test_both("/driver/d-01/duplicate-events", ScriptedBench)
async def duplicate_events(bench):
    """A READY for a device in use does not disturb it; a REMOVED for what is
    not there, or gone already, does nothing."""
    side = bench.side
    side.add(1, Rng())
    side.add(2, Rng())
    await bench.load()
    await side.until_up()
    before = await bench.virtio_devices()
    resets = side.devices[1].resets
    for _ in range(20):
        side.send(wire.event_device(1, wire.DEVICE_ADDED),
                  wire.event_device(77, wire.DEVICE_ADDED),
                  wire.event_device(78, wire.DEVICE_REMOVED))
    side.plug(3, Rng())
    await side.until_up(3)
    side.unplug(3)
    side.send(wire.event_device(3, wire.DEVICE_REMOVED),
              wire.event_device(3, wire.DEVICE_REMOVED))
    await bench.logs("device 3: removed")
    await side.ping()
    assert await bench.virtio_devices() == before
    assert side.devices[1].is_up and side.devices[1].resets == resets
    await bench.read_rng()


@test_both("/driver/d-01/unknown-state", ScriptedBench)
async def unknown_state(bench):
    """States that nobody has defined, or that others define for themselves,
    mean nothing to us."""
    side = bench.side
    side.add(1, Rng())
    await bench.load()
    await side.until_up()
    states = 0, 3, 0x7fff, 0x8000, 0xffff
    for state in states:
        side.send(wire.event_device(1, state))
    await side.ping()
    assert len(await bench.virtio_devices()) == 1
    assert await bench.dropped() == len(states)
    await bench.read_rng()


@test_both("/driver/d-01/events-during-enumeration", ScriptedBench)
async def events_during_enumeration(bench):
    """A device that comes while the others are being listed is not missed."""
    side = bench.side
    side.add(1, bench.short_lived())

    def script(request, answers):
        if request.is_transport(wire.GET_DEVICE_INFO, 1):
            if 2 not in side.devices:
                side.plug(2, bench.short_lived())
        return answers

    side.script = script
    await bench.load()
    await side.until(lambda: 2 in side.devices, "GET_DEVICE_INFO")
    await side.until_up()


@test_both("/driver/d-01/old-messages", ScriptedBench)
async def old_messages(bench):
    """What the device queue holds when the driver starts is void."""
    side = bench.side
    side.add(1, bench.short_lived())
    side.send(*[wire.event_device(5, wire.DEVICE_ADDED)] * (NUM_SLOTS - 1))
    await bench.load()
    await side.until_up()
    assert await bench.dropped() == 0
    assert len(windows(side)) == 1


@test_both("/driver/d-01/late-start", ScriptedBench)
async def late_start(bench):
    """The device side may start after the driver: then its devices come."""
    side = bench.side
    side.deaf = True
    await bench.load(timeout_ms=500)
    await bench.logs("does not answer")
    await bench.change(timeout_ms=10000)
    side.forget_queue()
    side.restart()
    side.plug(1, Rng())
    await side.until_up()
    await bench.read_rng()


@test_both("/driver/d-01/restart", ScriptedBench)
async def restart(bench):
    """The device side starts anew under a driver that uses it: the devices go,
    and come again."""
    side = bench.side
    side.add(1, Rng())
    side.add(4, Disk())
    await bench.load()
    await side.until_up()
    side.restart()
    side.plug(1, side.devices[1])
    await side.until_up()
    assert len(await bench.virtio_devices()) == 2
    await bench.read_rng()


@test_both("/driver/d-01/many-devices", ScriptedBench)
async def many_devices(bench):
    """256 devices, neighbours and far apart."""
    side = bench.side
    for number in range(bench.size(64, 256)):
        side.add(number * 37 if number % 2 else number, Rng())
    await bench.load()
    await side.until_up(seconds=300)
    assert len(await bench.virtio_devices()) == len(side.devices)
