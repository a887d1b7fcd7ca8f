# SPDX-License-Identifier: GPL-2.0-or-later
"""D-05: nothing that the device side writes can make the kernel overrun a
buffer: sizes, indices, counts, device numbers and queue indices are checked."""

import struct
from dataclasses import dataclass, replace
from typing import Callable, Optional

import wire
from bench import VDA, ScriptedBench
from devices import Disk, Rng
from harness import test_both
from link import HEAD, IDS, IDS_MAGIC, NUM_SLOTS, QUEUES_END, TAIL
from wire import le16, le32
from wires import WIRE_2025

TIMEOUT_MS = 2000
# Values on both sides of what is usual, and at the ends of the types
EXTREMES = (0, 1, 2, 31, 32, 33, 63, 64, 255, 256, 0x7fff, 0x8000, 0xffff,
            0x10000, 0x3fffffff, 0x40000000, 0x40000001, 0x7fffffff,
            0x80000000, 0xfffffff8, 0xfffffffe, 0xffffffff)
# Those of them that every check tries
COMMON = (0, 1, 31, 64, 0xffff, 0x40000001, 0x80000000, 0xffffffff)


@dataclass
class Case:
    """An answer that is not right, and whether the device is usable all the
    same; None where either will do, as long as nothing bad comes of it."""
    what: str
    alter: Callable
    usable: Optional[bool] = False
    common: bool = True


def word(position, value):
    """Put an integer of 32 bits into an answer."""
    def alter(_request, payload):
        altered = bytearray(payload)
        struct.pack_into("<I", altered, 4 * position, value)
        return bytes(altered)
    return alter


def cut(length):
    """Leave so many bytes of the payload."""
    return lambda _request, payload: payload[:length]


def words(name, position, expected=None):
    """A case for each extreme value of a field; expected(value) tells whether
    the device is usable with it."""
    return [Case(f"{name} {value:#x}", word(position, value),
                 expected(value) if expected else None, value in COMMON)
            for value in EXTREMES]


def short(length):
    """A case for each length that is not enough."""
    return [Case(f"{n} bytes", cut(n)) for n in range(0, length, 3)]


def nonzero_status(alter):
    """Alter the answer unless it is about a reset."""
    def changed(request, payload):
        if request.payload == bytes(4):
            return payload
        return alter(request, payload)
    return changed


async def odd_answers(bench, kind, msg_id, cases):
    """A device for each case, and one more that is well: no case disturbs
    another, and each ends as it should."""
    side = bench.side
    cases = [case for case in cases if bench.full or case.common]
    for number, _ in enumerate(cases):
        # The generators would all be asked for the kernel's own pool. Linux 6.1
        # asks each when it comes, and finds none after one that is silent.
        side.add(number, kind()).paused = (kind is Rng
                                           and bench.kernel.name != "bookworm")
    healthy = side.add(len(cases), kind())

    def script(request, answers):
        if not request.is_transport(msg_id) or request.dev_num >= len(cases):
            return answers
        alter = cases[request.dev_num].alter
        return [answer.but(payload=alter(request, answer.payload))
                for answer in answers]

    side.script = script
    await bench.load(timeout_ms=TIMEOUT_MS)
    await side.until_up(healthy.number, seconds=300)
    wrong = [case.what for number, case in enumerate(cases)
             if case.usable not in (None, side.devices[number].is_up)]
    assert not wrong, f"these ended otherwise: {', '.join(wrong)}"


@test_both("/driver/d-05/get-device-info", ScriptedBench)
async def get_device_info(bench):
    """Every field of the answer, and answers that are too short."""
    expected = {
        "device_id": lambda v: None if v == Disk.device_id else False,
        "num_feature_bits": lambda v: v >= 64,
        "num_feature_blocks": lambda v: v >= 2,
        "max_virtqueues": lambda v: v > 0,
    }
    spoken = bench.side.wire
    await odd_answers(bench, Rng, wire.GET_DEVICE_INFO, [
        *(case for name, position in spoken.info_words.items()
          for case in words(name, position,
                            expected.get(name, lambda v: True))),
        *short(spoken.info_size)])


@test_both("/driver/d-05/get-device-features", ScriptedBench)
async def get_device_features(bench):
    """More blocks than were asked for, others than were asked for, fewer bytes
    than the blocks need, and features without which nothing works."""
    await odd_answers(bench, Rng, wire.GET_DEVICE_FEATURES, [
        *words("block_index", 0, lambda v: v == 0),
        *words("num_blocks", 1, lambda v: v in (1, 2)),
        Case("12 blocks, with all their bits",
             lambda _request, payload: le32(0, 12) + payload[8:] + bytes(40)),
        *words("low features", 2, lambda v: None),
        *words("high features", 3, lambda v: v & 3 == 3 and None),
        *short(16)])


@test_both("/driver/d-05/get-config", ScriptedBench)
async def get_config(bench):
    """A piece of the configuration that is longer than what was asked for, lies
    elsewhere, or is not there."""
    await odd_answers(bench, Disk, wire.GET_CONFIG, [
        *words("generation", 0, lambda v: None),
        *words("offset", 1, lambda v: None),
        *words("length", 2, lambda v: None),
        *short(12)])


@test_both("/driver/d-05/device-status", ScriptedBench)
async def device_status(bench):
    """A status that nobody has set, and one that is not there."""
    for msg_id in wire.GET_DEVICE_STATUS, wire.SET_DEVICE_STATUS:
        await odd_answers(bench, type(bench.short_lived()), msg_id, [
            Case(case.what, nonzero_status(case.alter), None, case.common)
            for case in [*words("status", 0), *short(4)]])
        await bench.unload()
        bench.side.fresh()


@test_both("/driver/d-05/get-vqueue", ScriptedBench)
async def get_vqueue(bench):
    """Queues of another index, of any size, and in use before they are."""
    await odd_answers(bench, Rng, wire.GET_VQUEUE, [
        *words("index", 0, lambda v: v == 0),
        *words("max_size", 1, lambda v: None),
        # Without addresses it does not count, and after that it is right.
        *words("cur_size", 2, lambda v: v == Rng.max_queue_size
               and bench.side.wire is WIRE_2025),
        *words("flags", 3, lambda v: bench.side.wire is WIRE_2025),
        *words("desc", 4, lambda v: False),
        *words("device", 9, lambda v: v == 0),
        *short(40)])


@test_both("/driver/d-05/largest-queue", ScriptedBench)
async def largest_queue(bench):
    """A device may say that its queues have any size; the driver takes no more
    than the virtio specification allows."""
    side = bench.side
    for number, size in enumerate((1, 2, 3, 100, 32768, 32769, 0xffffffff)):
        device = side.add(number, Rng())
        device.max_queue_size = size
    await bench.load(timeout_ms=TIMEOUT_MS)
    await side.until_up()
    sizes = [device.queues[0].size for device in side.devices.values()]
    assert sizes == [1, 2, 2, 64, 32768, 32768, 32768], sizes


@test_both("/driver/d-05/set-config", ScriptedBench)
async def set_config(bench):
    """Whatever the answer to SET_CONFIG says has been written."""
    # Nothing is written before the disks are in use, so all of them are.
    await odd_answers(bench, Disk, wire.SET_CONFIG, [
        *words("generation", 0), *words("offset", 1), *words("length", 2),
        *(replace(case, usable=True) for case in short(12))])
    count = len(bench.side.devices)
    await bench.until(f"[ $(ls -d /sys/block/vd*/cache_type | wc -l) = {count}"
                      " ]")
    disks = (await bench.shell("ls /sys/block | grep ^vd")).split()
    assert len(disks) == count
    for disk in disks:
        await bench.shell("echo 'write through'"
                          f" >/sys/block/{disk}/cache_type || true")


@test_both("/driver/d-05/get-devices", ScriptedBench)
async def get_devices(bench):
    """Windows that overlap, go backwards, are larger than what was asked for or
    than the message, or never end."""
    side = bench.side
    side.add(1, bench.short_lived())
    await bench.load(timeout_ms=TIMEOUT_MS)
    await side.until_up()
    bitmap = bytes(50)
    payloads = [side.wire.window(offset, count, following, bitmap)
                for offset in (0, 8, 3, 65528, 65535)
                for count in (0, 8, 400, 408, 65528, 65535, 7)
                for following in (0, 1, 7, 8, 400, 65528, 65535)]
    payloads += [side.wire.window(0, 400, 0, bitmap)[:n] for n in range(57)]
    for payload in payloads:
        def script(request, answers, payload=payload):
            if request.is_bus and request.msg_id == wire.BUS_GET_DEVICES:
                return [request.answer(payload)]
            return answers

        count = len(side.received)
        side.script = script
        side.send(wire.event_device(1, wire.DEVICE_ADDED))
        await side.ping()
        asked = [m for m in side.received[count:]
                 if m.is_bus and m.msg_id == wire.BUS_GET_DEVICES]
        # Each next_offset must lie beyond the one before.
        assert len(asked) <= 65536 // 8
        side.fresh_script()
    side.add(2, bench.short_lived())
    side.plug(1, side.devices[1])
    await side.until_up()


@test_both("/driver/d-05/every-message", ScriptedBench)
async def every_message(bench):
    """Each type, id and size that a message can have, for a device that is
    there and for one that is not, outside of any conversation."""
    side = bench.side
    side.add(1, Rng())
    side.add(2, Rng())
    await bench.load(timeout_ms=TIMEOUT_MS)
    await side.until_up()
    quiet = {wire.EVENT_DEVICE_KEY, wire.PING_KEY}
    sizes = bench.size((0, 8, 65), (0, 1, 7, 8, 9, 12, 16, 63, 64, 65, 0x7fff,
                                    0xffff))
    count = 0
    for kind in range(4):
        for msg_id in range(256):
            if (kind, msg_id) in quiet:
                continue
            for number in 1, 77:
                side.send(*(wire.Message(kind, msg_id, number, 0,
                                         b"\0" * 56, size) for size in sizes))
                count += len(sizes)
        await side.ping()
    assert await bench.dropped() > count // 2
    await bench.read_rng()
    assert side.devices[1].is_up and side.devices[2].is_up


@test_both("/driver/d-05/event-used", ScriptedBench)
async def event_used(bench):
    """Completions for queues and devices that do not exist."""
    side = bench.side
    side.add(1, Rng())
    side.add(2, Disk())
    await bench.load(timeout_ms=TIMEOUT_MS)
    await side.until_up()
    before = await bench.dropped()
    foreign = [value for value in EXTREMES if value not in (0, 0xffffffff)]
    for number in 1, 2:
        side.send(*(wire.event(wire.EVENT_USED, number, index)
                    for index in foreign))
    absent = (0, 3, 0x7fff, 0xffff)
    side.send(*(wire.event(wire.EVENT_USED, number, 0) for number in absent))
    await side.ping()
    assert await bench.dropped() == before + 2 * len(foreign) + len(absent)
    # These two are in order, only that nothing has been used.
    side.send(wire.event(wire.EVENT_USED, 1, 0),
              wire.event(wire.EVENT_USED, 1, wire.ALL_QUEUES))
    await bench.read_rng()
    await bench.until_disk()
    await bench.shell(f"dd if={VDA} of=/dev/null bs=4k count=1 iflag=direct"
                      " 2>&1")


@test_both("/driver/d-05/event-config", ScriptedBench)
async def event_config(bench):
    """Any status and any piece of configuration in an EVENT_CONFIG."""
    side = bench.side
    disk = side.add(1, Disk())
    side.add(2, Rng())
    await bench.load(timeout_ms=TIMEOUT_MS)
    await side.until_up()
    for value in EXTREMES:
        if not value & wire.NEEDS_RESET:
            side.send(wire.event(wire.EVENT_CONFIG, 1, value, 0, 0, 0))
        side.send(wire.event(wire.EVENT_CONFIG, 1, disk.status, value, value,
                             value))
    await side.ping()
    await bench.until_disk()
    await bench.shell(f"dd if={VDA} of=/dev/null bs=4k count=1 iflag=direct"
                      " 2>&1")
    side.send(wire.event(wire.EVENT_CONFIG, 1, 0xffffffff, 0, 0, 0))
    await bench.logs("device 1 has failed and needs a reset")
    await bench.read_rng()


async def starts_anew(bench):
    """Whatever was before, with the modules loaded again all works."""
    side = bench.side
    side.fresh()
    side.add(1, Rng())
    await bench.load()
    await side.until_up()
    await bench.read_rng()


async def overwrite(bench, page, where, value):
    """Put `value` in the place of an index of a link that is in use."""
    side = bench.side
    side.fresh()
    rng = side.add(1, Rng())
    await bench.load(timeout_ms=TIMEOUT_MS)
    await side.until_up()
    await bench.until_read(rng)
    side.deaf = True
    getattr(side.link, page).put(where, value)
    side.link.ring()


async def index_out_of_range(bench, page, where):
    """One of the indices that are the device side's leaves the queue: the link
    is closed, its devices can be removed, and a new start is a good one."""
    for turn, value in enumerate(
            (NUM_SLOTS, NUM_SLOTS + 1, 0x80000000, 0xffffffff)):
        await overwrite(bench, page, where, value)
        # With a full queue or an empty one it may be looked at late.
        job = bench.run("dd if=/dev/hwrng of=/dev/null bs=64 count=1 2>&1")
        await bench.logs("index of a queue out of range", turn + 1)
        await bench.unload()
        await job.wait()
    await starts_anew(bench)


test_both("/driver/d-05/device-queue-head", ScriptedBench,
     "device_queue", HEAD)(index_out_of_range)
test_both("/driver/d-05/driver-queue-tail", ScriptedBench,
     "driver_queue", TAIL)(index_out_of_range)


async def own_index_overwritten(bench, page, where):
    """The index that is the driver's own is overwritten, which only a device
    side does that starts anew; or it is nonsense. Either way a new start is a
    good one."""
    for value in (0, 5, NUM_SLOTS - 1, NUM_SLOTS, 0xffffffff):
        await overwrite(bench, page, where, value)
        await bench.unload()
    await starts_anew(bench)


test_both("/driver/d-05/driver-queue-head", ScriptedBench,
     "driver_queue", HEAD)(own_index_overwritten)
test_both("/driver/d-05/device-queue-tail", ScriptedBench,
     "device_queue", TAIL)(own_index_overwritten)


@test_both("/driver/d-05/layout", ScriptedBench)
async def layout(bench):
    """Memory in a layout that the modules do not know is left alone, and the
    log says so."""
    side = bench.side
    side.deaf = True
    side.link.memory[:4] = le16(0x4c4f, 64)
    before = bytes(side.link.memory)
    await bench.load()
    await bench.logs("layout v1 is not supported")
    assert bytes(side.link.memory) == before


@test_both("/driver/d-05/peer-ids", ScriptedBench)
async def peer_ids(bench):
    """Whatever the block with the ids says: nothing bad comes of it, and a
    device side that corrects it is found."""
    side = bench.side
    side.add(1, bench.short_lived())
    for magic in IDS_MAGIC, 0, 0xffffffff:
        for value in bench.size((0, 0xffffffff), EXTREMES):
            side.link.memory[IDS:IDS + 16] = le32(magic, value, value, value)
            await bench.load(timeout_ms=TIMEOUT_MS)
            side.link.announce()
            side.send(wire.event_device(1, wire.DEVICE_ADDED))
            await side.until_up()
            await bench.unload()


@test_both("/driver/d-05/garbage-before-load", ScriptedBench)
async def garbage_before_load(bench):
    """Memory full of anything when the module is loaded."""
    side = bench.side
    side.deaf = True
    for _ in range(bench.size(4, 100)):
        side.link.memory[:QUEUES_END] = bench.random.randbytes(QUEUES_END)
        await bench.load(timeout_ms=200)
        side.link.ring()
        await bench.unload()
    await starts_anew(bench)
