# SPDX-License-Identifier: GPL-2.0-or-later
"""Q-01 to Q-08: device sides that are published and are not quite what the
specification says. Each test plays one."""

import struct

import wire
from bench import FUNCTION, VDA, ScriptedBench
from devices import Disk, Look, Rng
from harness import test, test_on
from patience import limit
from scripts import is_bus
from wire import le32, le64
from wires import WIRE_2025, WIRE_2025_07, WIRE_2026

OLD = WIRE_2025, WIRE_2025_07
READ_DISK = f"dd if={VDA} of=/dev/null bs=4k count=16 iflag=direct 2>&1"


def windows(side):
    """The (offset, count) of each GET_DEVICES that came."""
    return [struct.unpack("<HH", m.payload) for m in side.received
            if is_bus(wire.BUS_GET_DEVICES)(m)]


def bare(request, answers):
    """The script that leaves out the token where the bus is asked."""
    return [a.but(token=0) if request.is_bus else a for a in answers]


@test("/driver/q-01/bare-answers", ScriptedBench)
async def bare_answers(bench):
    """Answers of the bus carry token 0: devices are found, come and go, and the
    device side is not taken for dead."""
    side = bench.side
    side.script = bare
    side.add(1, Rng())
    side.add(700, Rng())
    await bench.load(heartbeat_ms=100)
    await side.until_up()
    side.plug(2, Rng())
    await side.until_up(2)
    await bench.read_rng()
    side.received.clear()
    await side.until(lambda: len([m for m in side.received
                                  if is_bus(wire.BUS_PING)(m)]) > 3, "PINGs")
    assert await bench.shell(f"cat {FUNCTION}/virtio_msg/silences") == "0"
    await bench.change(timeout_ms=60000)
    begin = await bench.uptime()
    await bench.unload()
    assert await bench.uptime() - begin < limit(30)


@test_on("/driver/q-01/bare-answers-are-foreign", ScriptedBench,
         wires=[WIRE_2026])
async def bare_answers_are_foreign(bench):
    """With 2026 no answer lacks its token."""
    side = bench.side
    side.script = bare
    side.add(1, bench.short_lived())
    await bench.load(wire="2026", timeout_ms=500)
    await bench.logs("cannot list the devices")
    assert await bench.dropped() >= 1
    assert not side.requests(wire.GET_DEVICE_INFO)


@test_on("/driver/q-02/events", ScriptedBench, wires=[WIRE_2025, WIRE_2026])
async def events(bench):
    """Whatever token and device number an EVENT_DEVICE carries, and whatever
    token other events do: only the rest counts."""
    side = bench.side
    side.add(1, Rng())
    send = side.send

    def numbered(*messages):
        send(*(m.but(token=0x1234, dev_num=77 if m.is_bus else m.dev_num)
               if m.is_event else m for m in messages))

    side.send = numbered
    try:
        await bench.load()
        await side.until_up()
        side.plug(2, Rng())
        await side.until_up(2)
        await bench.read_rng()
        side.unplug(1)
        await bench.logs("device 1: removed")
        await side.ping()
    finally:
        del side.send
    assert await bench.dropped() == 0


@test_on("/driver/q-03/asks-for-32", ScriptedBench, wires=OLD)
async def asks_for_32(bench):
    """GET_DEVICES never asks for more than 32 numbers, nor for what is not on a
    multiple of 8."""
    side = bench.side
    for number in 0, 31, 32, 700, 65535:
        side.add(number, bench.short_lived())
    await bench.load()
    await side.until_up()
    assert windows(side)
    assert all(count <= 32 and not count % 8 and not offset % 8
               for offset, count in windows(side)), windows(side)


async def all_found(bench, script, most):
    """Both devices of a device side that answers GET_DEVICES in its own way are
    used, and it is not asked for long."""
    side = bench.side
    side.add(0, Rng())
    side.add(3, Disk())
    side.script = lambda request, answers: (
        [request.answer(script(*struct.unpack("<HH", request.payload)))]
        if is_bus(wire.BUS_GET_DEVICES)(request) else answers)
    await bench.load()
    await side.until_up()
    await bench.until_disk()
    await side.ping()
    assert len(windows(side)) <= most, windows(side)
    assert not [line for line in bench.log() if "cannot list" in line]
    assert await bench.spoken() == str(side.wire)
    side.received.clear()
    side.plug(5, Rng())
    await side.until_up(5)
    assert len(windows(side)) <= most, windows(side)


@test_on("/driver/q-03/never-ends", ScriptedBench, wires=OLD)
async def never_ends(bench):
    """There is always another window."""
    side = bench.side
    await all_found(bench, lambda offset, count: side.window(
        offset, count, (offset + count) % 65536), 2)


@test_on("/driver/q-03/same-window", ScriptedBench, wires=OLD)
async def same_window(bench):
    """The same window whatever is asked for, which says so."""
    side = bench.side
    await all_found(bench, lambda _offset, count: side.window(0, count, count),
                    2)


@test_on("/driver/q-03/same-window-in-disguise", ScriptedBench, wires=OLD)
async def same_window_in_disguise(bench):
    """The same bits, but as if they were of what was asked for; they stand for
    numbers that have no device."""
    side = bench.side

    def script(offset, count):
        bits = side.window(0, count, 0)[6:]
        return side.wire.window(offset, count, count, bits)

    await all_found(bench, script, 2)
    assert len(await bench.virtio_devices()) == 3


@test("/driver/q-03/at-most-2048", ScriptedBench)
async def at_most_2048(bench):
    """Each window has news, and they are small: there is an end to it."""
    side = bench.side
    side.script = lambda request, answers: (
        [request.answer(side.wire.window(
            offset := struct.unpack("<HH", request.payload)[0], 8,
            (offset + 8) % 65536, b"\1"))]
        if is_bus(wire.BUS_GET_DEVICES)(request) else answers)
    await bench.load()
    await side.until(lambda: side.requests(wire.GET_DEVICE_INFO),
                     "the end of the list")
    assert len(windows(side)) == 2048


@test_on("/driver/q-04/small-messages", ScriptedBench, wires=OLD)
async def small_messages(bench):
    """Messages above 48 bytes are dropped, requests and answers alike: there
    are none."""
    side = bench.side
    side.max_size = 48
    disk = side.add(1, Disk())
    device = side.add(2, Look())
    device.config = bytearray(bench.random.randbytes(60))
    await bench.shell("modprobe virtio_look config=60")
    await bench.load()
    await side.until_up()
    await bench.logs(f"configuration {device.config.hex()}")
    await bench.until_disk()
    await bench.shell(READ_DISK)
    await bench.shell("echo 'write through' >/sys/block/vda/cache_type")
    assert disk.config[Disk.WRITEBACK] == 0
    assert all(request.unpack_le32()[1] <= 28
               for request in side.requests(wire.GET_CONFIG))
    await bench.unload()
    await bench.shell("rmmod virtio_look")


@test_on("/driver/q-07/default-size", ScriptedBench, wires=OLD)
async def default_size(bench):
    """A queue that is not set up shows the size that it would have, without
    addresses, and so does one that is not there."""
    side = bench.side
    side.add(1, Disk()).max_queue_size = 1024

    def script(request, answers):
        if not request.is_transport(wire.GET_VQUEUE, 1):
            return answers
        index, = request.unpack_le32()
        queue = side.devices[1].queues.get(index)
        if queue:
            return answers
        addresses = le64(0, 0, 0)
        words = (le32(index, 1024, 1024) if side.wire is WIRE_2025_07 else
                 le32(index, 1024, 1024, 0))
        return [request.answer(words + addresses)]

    side.script = script
    await bench.load()
    await side.until_up()
    await bench.until_disk()
    await bench.shell(READ_DISK)


@test_on("/driver/q-08/unanswered", ScriptedBench, wires=OLD)
async def unanswered(bench):
    """What such a device side does not answer is not asked, or is not needed:
    queues and status of devices that are not there, more than 28 bytes of the
    configuration, regions. It fails a device that is notified before DRIVER_OK."""
    side = bench.side
    side.max_size = 48
    side.add(1, Disk())
    device = side.add(2, Look())
    device.config = bytearray(60)

    def script(request, answers):
        if request.is_transport(wire.GET_SHM):
            return []
        if (request.is_transport(wire.GET_CONFIG)
                and request.unpack_le32()[1] > 28):
            return []
        return answers

    side.script = script
    failed = []
    notified = side.devices[1].notified

    def note(index):
        if not side.devices[1].is_up:
            failed.append(index)
        notified(index)

    side.devices[1].notified = note
    await bench.shell("modprobe virtio_look config=60 regions=1")
    await bench.load(timeout_ms=1000)
    await side.until_up()
    await bench.until_disk()
    await bench.shell(READ_DISK)
    await bench.unload()
    assert not failed
    assert not [line for line in bench.log() if "giving the device up" in line]
    assert not [m for m in side.received if not m.is_bus
                and m.dev_num not in side.devices
                and m.msg_id != wire.GET_DEVICE_INFO]
    await bench.shell("rmmod virtio_look")


@test("/driver/q-08/any-generation", ScriptedBench)
async def any_generation(bench):
    """SET_CONFIG is taken with any generation."""
    side = bench.side
    disk = side.add(1, Disk())
    await bench.load()
    await side.until_up()
    await bench.until_disk()
    taken = disk._set_config    # pylint: disable=protected-access
    disk.answer = lambda request, answer=disk.answer: (
        taken(le32(disk.generation) + request.payload[4:])
        if request.msg_id == wire.SET_CONFIG else answer(request))
    disk.generation += 3
    await bench.shell("echo 'write through' >/sys/block/vda/cache_type")
    assert disk.config[Disk.WRITEBACK] == 0
    assert len(side.requests(wire.SET_CONFIG)) == 1
