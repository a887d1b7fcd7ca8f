# SPDX-License-Identifier: GPL-2.0-or-later
"""A device side that means harm. Whatever it does, the kernel stays well, the
modules can be removed, and a better device side is served afterwards."""

import asyncio
import time

import wire
from bench import VDA, ScriptedBench
from devices import Disk, Rng
from harness import Skip, test, test_both
from link import HEAD, NUM_SLOTS, PAGE_SIZE, QUEUES_END, SLOTS, TAIL
from patience import limit
from scripts import to
from wire import le16, le32
from wires import WIRE_2025, WIRE_2025_07, WIRE_2026

TIMEOUT_MS = 500
READ_DISK = f"dd if={VDA} of=/dev/null bs=4k count=16 iflag=direct 2>&1"
# Longer than that nothing waits that the machine asked of itself alone.
PROMPT = 30
# What an endless flow of events may cost
SCAN_BURST, SCANS_A_SECOND = 50, 10
LINES_A_MINUTE = 1024
# A device side that is not ahead of that by then will never be.
ENOUGH_MINUTES = 3


class Nameless(Rng):
    """A device that no driver is for."""

    device_id = 0x7fff


async def is_well(bench):
    """Remove the modules; then all works with a device side that behaves."""
    await bench.unload()
    bench.side.fresh()
    bench.side.add(1, Rng())
    bench.side.add(2, Disk())
    await bench.load()
    await bench.side.until_up()
    await bench.read_rng()
    await bench.until_disk()
    await bench.shell(READ_DISK)


async def bring_up(bench):
    """A generator and a disk in use."""
    side = bench.side
    side.add(1, Rng())
    side.add(2, Disk())
    await bench.load()
    await side.until_up()
    await bench.until_disk()
    await bench.shell(READ_DISK)
    return side


def busy(bench):
    """Commands that use both devices meanwhile; they may well fail."""
    return [bench.run("for i in $(seq 20); do dd if=/dev/hwrng bs=64 count=1;"
                      " done >/dev/null 2>&1"),
            bench.run(f"for i in $(seq 20); do {READ_DISK}; done >/dev/null")]


# Words that a field may hold: mostly what could be mistaken for something good
TEMPTING = (0, 1, 2, 4, 7, 8, 12, 16, 24, 56, 61, 62, 63, 64, 65, 400, 0x7fff,
            0x8000, 0xffff, 0x10000, 0x40000000, 0x7fffffff, 0x80000000,
            0xffffffff)


def spoil(random, slot):
    """A slot with some words, halves of words or bytes of it changed."""
    slot = bytearray(slot)
    for _ in range(random.randint(1, 5)):
        size = random.choice((1, 2, 4))
        where = random.randrange(0, wire.SLOT_SIZE, size)
        value = random.choice(TEMPTING + (random.getrandbits(32),))
        slot[where:where + size] = le32(value)[:size]
    return bytes(slot)


@test_both("/driver/hostile/fuzzed-answers", ScriptedBench)
async def fuzzed_answers(bench):
    """A third of all answers is spoiled in some place, header included."""
    for _ in range(bench.size(8, 400)):
        side = bench.side
        side.fresh()
        for number in range(4):
            side.add(number, bench.short_lived())
        side.add(4, Disk())

        def script(request, answers, link=side.link):
            if answers and bench.random.random() < 0.3:
                link.send(spoil(bench.random, answers[0].pack()))
                return []
            return answers

        side.script = script
        # A peer that is only late on a busy host counts as gone, and then
        # writes to memory that has been given back: that is not what is tested.
        await bench.load(timeout_ms=400)
        jobs = busy(bench)
        await asyncio.wait([asyncio.ensure_future(job.wait())
                            for job in jobs], timeout=1)
        await bench.unload()
        for job in jobs:
            await job.wait()
    await is_well(bench)


@test_both("/driver/hostile/random-messages", ScriptedBench)
async def random_messages(bench):
    """Messages of every sort, between those of devices in use."""
    side = await bring_up(bench)
    jobs = busy(bench)
    seeds = [wire.event(wire.EVENT_USED, 1, 0),
             wire.event(wire.EVENT_CONFIG, 2, 0xf, 7, 0, 0),
             wire.event_device(1, wire.DEVICE_ADDED),
             wire.event_device(9, wire.DEVICE_ADDED),
             wire.Message(wire.BUS, wire.BUS_PING, 0, 3, b"ping"),
             wire.Message(wire.RESPONSE, wire.SET_CONFIG, 2, 9, bytes(12)),
             wire.Message(wire.RESPONSE | wire.BUS, wire.BUS_GET_DEVICES, 0, 9,
                          side.wire.window(0, 400, 0, b"\xff" * 50))]
    for _ in range(bench.size(60, 6000)):
        side.link.send(*(spoil(bench.random,
                               bench.random.choice(seeds).pack())
                         for _ in range(bench.random.randint(1, 60))))
        # What the devices are asked for goes on in between.
        await asyncio.sleep(0)
        if side.link.backlog > 4 * NUM_SLOTS:
            await side.until(lambda: side.link.backlog == 0, "room")
    await bench.unload()
    for job in jobs:
        await job.wait()
    await is_well(bench)


@test_both("/driver/hostile/random-memory", ScriptedBench)
async def random_memory(bench):
    """The queues are filled with anything while devices are in use."""
    side = bench.side
    for turn in range(bench.size(3, 100)):
        side.fresh()
        await bring_up(bench)
        await bench.change(timeout_ms=TIMEOUT_MS)
        jobs = busy(bench)
        side.deaf = True
        memory = side.link.memory
        if turn % 2:
            # Indices in range, so that what lies in the slots is looked at.
            for page in 0, PAGE_SIZE:
                begin = page + SLOTS
                memory[begin:page + PAGE_SIZE] = bench.random.randbytes(
                    PAGE_SIZE - SLOTS)
                for where in HEAD, TAIL:
                    memory[page + where:page + where + 4] = le32(
                        bench.random.randrange(NUM_SLOTS))
        else:
            memory[:QUEUES_END] = bench.random.randbytes(QUEUES_END)
        side.link.ring()
        await bench.unload()
        for job in jobs:
            await job.wait()
    await is_well(bench)


@test_both("/driver/hostile/moving-indices", ScriptedBench)
async def moving_indices(bench):
    """Both indices that are the device side's move all the time, in range, and
    the slots change while they are being read."""
    side = await bring_up(bench)
    await bench.change(timeout_ms=TIMEOUT_MS)
    jobs = busy(bench)
    side.deaf = True
    link, end = side.link, time.monotonic() + bench.size(2, 30)
    answer = bytearray(wire.Message(
        wire.RESPONSE, wire.GET_CONFIG, 2, 1,
        le32(7, 0, 8) + bytes(44)).pack())
    while time.monotonic() < end:
        for _ in range(200):
            where = bench.random.randrange(NUM_SLOTS)
            answer[4:6] = le16(bench.random.randrange(64))
            answer[6:8] = le16(bench.random.choice((0, 8, 28, 64, 65, 0xffff)))
            link.memory[link.device_queue.slot(where)] = bytes(answer)
            link.device_queue.put(HEAD, bench.random.randrange(NUM_SLOTS))
            link.driver_queue.put(TAIL, bench.random.randrange(NUM_SLOTS))
        link.ring()
        await asyncio.sleep(0)
    await bench.unload()
    for job in jobs:
        await job.wait()
    await is_well(bench)


@test_both("/driver/hostile/flood", ScriptedBench)
async def flood(bench):
    """The device queue is always full: the machine has time for others, and
    still for its devices."""
    side = await bring_up(bench)
    event = wire.event(wire.EVENT_USED, 1, wire.ALL_QUEUES).pack()
    stop = False

    async def pour():
        while not stop:
            side.link.send(*[event] * side.link.room())
            side.link.ring()
            await asyncio.sleep(0)

    task = asyncio.create_task(pour())
    begin = await bench.uptime()
    for _ in range(bench.size(2, 50)):
        await bench.shell("ls /bin >/dev/null")
        await bench.read_rng()
        await bench.shell(READ_DISK)
    taken = await bench.uptime() - begin
    await bench.unload()
    stop = True
    await task
    assert taken < bench.size(1, 15) * limit(PROMPT * 3), taken
    await is_well(bench)


@test_both("/driver/hostile/flood-of-changes", ScriptedBench)
async def flood_of_changes(bench):
    """Devices come, go and change without end: what the kernel keeps about
    that stays bounded."""
    side = await bring_up(bench)
    events = [wire.event_device(n, state).pack()
              for n in (1, 2, 3, 4) for state in (wire.DEVICE_ADDED,)]
    events += [wire.event_device(n, wire.DEVICE_REMOVED).pack()
               for n in (3, 4)]
    # Each that the disk's driver looks at has it say what the size is.
    events += [wire.event(wire.EVENT_CONFIG, number, 0xf, n, 0, 0).pack()
               for number, n in ((2, 0), *((1, n) for n in range(7)))]
    before = await free_memory(bench)
    end = time.monotonic() + bench.size(2, 30)
    while time.monotonic() < end:
        side.link.send(*bench.random.choices(
            events, k=side.link.room()))
        await asyncio.sleep(0.001)
    await side.ping()
    await bench.shell(READ_DISK)
    assert before - await free_memory(bench) < 32 << 10
    await is_well(bench)


async def free_memory(bench):
    """KiB that the kernel could still give out."""
    return int(await bench.shell(
        "sed -n 's/^MemAvailable: *\\([0-9]*\\).*/\\1/p' /proc/meminfo"))


@test_both("/driver/hostile/unread-answers", ScriptedBench)
async def unread_answers(bench):
    """A flood of PINGs whose answers nobody takes: at most one of them is kept
    for later, and the devices work when the queue is read again."""
    side = await bring_up(bench)
    side.deaf = True
    ping = wire.Message(wire.BUS, wire.BUS_PING, 0, 1, b"ping").pack()
    for _ in range(bench.size(10, 1000)):
        side.link.send(*[ping] * side.link.room())
        await asyncio.sleep(0.005)
    side.hear()
    # A PING of ours would be one too many until the one that waits is through.
    await bench.shell(READ_DISK)
    await side.ping()
    answers = [m for m in side.received
               if m.is_bus and m.type & wire.RESPONSE]
    # A queue full each way, and the one that was kept
    assert len(answers) <= 2 * NUM_SLOTS + 2, len(answers)
    await is_well(bench)


@test_both("/driver/hostile/all-numbers-absent", ScriptedBench)
async def all_numbers_absent(bench):
    """All 65536 numbers are announced, and none is a device: asking takes its
    time, and can be ended at any time."""
    side = bench.side
    side.script = everywhere(side)
    await bench.load(timeout_ms=TIMEOUT_MS)
    await side.until(lambda: len(side.requests(wire.GET_DEVICE_INFO)) >
                     bench.size(1000, 65000), "GET_DEVICE_INFO", 600)
    begin = await bench.uptime()
    await bench.unload()
    assert await bench.uptime() - begin < limit(PROMPT)
    await is_well(bench)


@test_both("/driver/hostile/all-numbers-present", ScriptedBench)
async def all_numbers_present(bench):
    """All 65536 numbers are announced as devices of a type that nobody knows:
    the machine stays usable, and all of them can be removed at any time."""
    side = bench.side
    info = side.wire.info(Nameless())
    elsewhere = everywhere(side)

    def script(request, answers):
        if request.is_transport(wire.GET_DEVICE_INFO):
            return [request.answer(info)]
        if not request.is_bus and not answers:
            status = request.msg_id == wire.SET_DEVICE_STATUS
            return [request.answer(request.payload if status else le32(0, 0))]
        return elsewhere(request, answers)

    side.script = script
    await bench.load(timeout_ms=TIMEOUT_MS)
    await side.until(lambda: len(side.requests(wire.GET_DEVICE_INFO)) >
                     bench.size(200, 1000), "GET_DEVICE_INFO", 600)
    assert await free_memory(bench) > 40 << 10
    # Each has left its line in the log, which takes its time to get here.
    await bench.unload(seconds=600)
    await is_well(bench)


def everywhere(side):
    """The script of a link with a device at every number."""
    def script(request, answers):
        if not (request.is_bus and request.msg_id == wire.BUS_GET_DEVICES):
            return answers
        offset, count = (int.from_bytes(request.payload[i:i + 2], "little")
                         for i in (0, 2))
        return [request.answer(side.wire.window(
            offset, count, (offset + count) & 0xffff,
            b"\xff" * (count // 8)))]
    return script


@test_both("/driver/hostile/used-rings", ScriptedBench)
async def used_rings(bench):
    """Completions of what nobody asked for, of heads that do not exist, twice,
    too many, and longer than the buffer."""
    for head, written, step in ((64, 0, 1), (0xffffffff, 64, 1), (5, 64, 1),
                                (0, 0xffffffff, 1), (0, 64, 100),
                                (0, 64, 0x8000), (63, 0x80000000, 1)):
        side = bench.side
        side.fresh()
        side.add(1, Rng())
        await bench.load(timeout_ms=TIMEOUT_MS)
        await side.until_up()
        device = side.devices[1]
        await bench.until_read(device)
        device.paused = True
        job = bench.run("dd if=/dev/hwrng bs=4096 count=1 2>&1 >/dev/null")
        queue = device.queues[0]
        queue.push(head, written)
        queue.set_used((queue.next_used - 1 + step) % 0x10000)
        side.send(wire.event(wire.EVENT_USED, 1, 0))
        await side.ping()
        await bench.unload()
        await job.wait()
    await is_well(bench)


@test_both("/driver/hostile/random-used-rings", ScriptedBench)
async def random_used_rings(bench):
    """Anything in the used ring of a disk with requests outstanding, then the
    disk fails: what nobody can know to be done comes to an end."""
    for turn in range(bench.size(3, 100)):
        side = bench.side
        side.fresh()
        await bring_up(bench)
        disk = side.devices[2]
        disk.paused = True
        kicks = len(side.requests(wire.EVENT_AVAIL, 2))
        job = bench.run(f"dd if={VDA} of=/dev/null bs=4k count=4"
                        " iflag=direct 2>&1")
        await side.until(lambda count=kicks, s=side: len(
            s.requests(wire.EVENT_AVAIL, 2)) > count, "a kick")
        spoil_used(bench.random, side.memory, disk.queues[0])
        side.send(wire.event(wire.EVENT_USED, 2, 0),
                  wire.event(wire.EVENT_CONFIG, 2, 0xff, 7, 0, 0))
        await bench.logs("device 2 has failed", turn + 1)
        await bench.unload()
        await job.wait()
    await is_well(bench)


def spoil_used(random, memory, queue):
    """Write anything to the used ring, and move its index."""
    _, _, used = queue.addresses
    size = queue.size
    memory.write(used + 4, b"".join(
        le32(random.choice((random.randrange(size), random.getrandbits(32))),
             random.getrandbits(32)) for _ in range(size)))
    queue.set_used((queue.next_used + random.choice((0, 1, 3, size, 0x8000)))
                   % 0x10000)


@test_both("/driver/hostile/changes-its-type", ScriptedBench)
async def changes_its_type(bench):
    """A device that is another one each time it is asked."""
    side = await bring_up(bench)
    turn = 0

    def script(request, answers):
        nonlocal turn
        if not request.is_transport(wire.GET_DEVICE_INFO):
            return answers
        turn += 1
        return [request.answer(side.wire.info_of({
            "device_id": turn % 50, "vendor_id": turn,
            "num_feature_bits": 64, "num_feature_blocks": 2,
            "config_size": turn * 8, "max_virtqueues": turn % 9,
            "admin_vq": turn, "admin_vq_start": turn,
            "admin_vq_count": turn}))]

    side.script = script
    for _ in range(bench.size(10, 250)):
        for number in 1, 2:
            side.send(wire.event_device(number, wire.DEVICE_REMOVED),
                      wire.event_device(number, wire.DEVICE_ADDED))
        await side.ping()
    await is_well(bench)


@test("/driver/hostile/changes-its-wire", ScriptedBench)
async def changes_its_wire(bench):
    """A device side that answers each time as another one would: devices come
    up or not, and nothing bad comes of it."""
    side = bench.side
    wires = WIRE_2025, WIRE_2026, WIRE_2025_07

    def script(_request, answers):
        side.wire = bench.random.choice(wires)
        return answers

    for _ in range(bench.size(4, 100)):
        side.fresh()
        for number in range(6):
            side.add(number, bench.short_lived())
        side.script = script
        await bench.load(timeout_ms=TIMEOUT_MS)
        for _ in range(20):
            side.send(wire.event_device(1, wire.DEVICE_ADDED))
            await side.ping()
        await bench.unload()
    side.wire = WIRE_2026
    await is_well(bench)


@test_both("/driver/hostile/hides-driver-ok", ScriptedBench)
async def hides_driver_ok(bench):
    """A device does not show that it is in use, once or at all, when the kernel
    has a look whether to say so itself."""
    side = bench.side
    for shown in wire.ACKNOWLEDGE | wire.DRIVER | wire.FEATURES_OK, 0:
        side.add(1, Rng())
        hidden = 0

        def script(request, answers, status=shown):
            nonlocal hidden
            if (hidden or not side.devices[1].is_up
                    or not request.is_transport(wire.GET_DEVICE_STATUS, 1)):
                return answers
            hidden += 1
            return [request.answer(le32(status))]

        side.script = script
        await bench.load()
        await side.until(lambda: hidden, "the kernel to look")
        if shown:
            await bench.read_rng()
        else:
            await bench.logs("bad status")
        await bench.unload()
        side.fresh()


@test_both("/driver/hostile/leaves-during-probe", ScriptedBench)
async def leaves_during_probe(bench):
    """A device is removed, fails or comes again while its driver is at any one
    of the requests of its probe."""
    side = bench.side
    await bench.load(timeout_ms=TIMEOUT_MS)
    last = wire.event_device(1, wire.DEVICE_REMOVED)
    steps = (wire.GET_DEVICE_INFO, wire.GET_DEVICE_FEATURES,
             wire.SET_DRIVER_FEATURES, wire.SET_DEVICE_STATUS,
             wire.GET_VQUEUE, wire.SET_VQUEUE, wire.GET_CONFIG)
    blows = (last, wire.event_device(1, wire.DEVICE_ADDED),
             wire.event(wire.EVENT_CONFIG, 1, 0xff, 0, 0, 0))
    for msg_id in steps:
        for blow in blows:
            def script(request, answers, chosen=to(msg_id, 1), message=blow):
                return [message] * chosen(request) + answers

            side.script = script
            side.received.clear()
            side.plug(1, Disk())
            await side.received_one(msg_id, 1)
            side.fresh_script()
            side.unplug(1)
            await side.ping()
    side.plug(2, Rng())
    await side.until_up(2)
    await is_well(bench)


@test_both("/driver/hostile/flood-of-ready", ScriptedBench)
async def flood_of_ready(bench):
    """READY without end is followed, but not each time: the list of devices is
    asked for a bounded number of times."""
    side = await bring_up(bench)
    side.received.clear()
    sent, begin = 0, time.monotonic()
    while (passed := time.monotonic() - begin) < bench.size(6, 60):
        side.send(*[wire.event_device(1, wire.DEVICE_ADDED)] * 10)
        await side.ping()
        sent += 10
    scans = len([m for m in side.received
                 if m.is_bus and m.msg_id == wire.BUS_GET_DEVICES])
    assert 0 < scans <= SCAN_BURST + SCANS_A_SECOND * passed + 2, scans
    assert sent > 4 * scans, f"{sent} events, {scans} scans"
    # What has come last is not forgotten.
    side.plug(9, bench.short_lived())
    await side.until_up(9)


@test("/driver/hostile/flood-of-news", ScriptedBench)
async def flood_of_news(bench):
    """Hundreds of devices come and go without end: the log tells of them, but
    not of each."""
    side, count = bench.side, 256
    for number in range(count):
        side.add(number, Nameless())
    begin, come, most = await bench.uptime(), 0, LINES_A_MINUTE
    await bench.load(timeout_ms=60000)
    # The last ones may not have been told of yet.
    while come <= most + count:
        come += count
        await side.until(lambda come=come: len(side.requests(
            wire.GET_DEVICE_INFO)) >= come, "all devices")
        await side.ping()
        side.send(*(wire.event_device(number, wire.DEVICE_REMOVED)
                    for number in side.devices))
        minutes = (await bench.uptime() - begin) / 60
        most = LINES_A_MINUTE * int(1 + minutes)
        if minutes > ENOUGH_MINUTES:
            raise Skip("here devices come too slowly to be too many")
    await bench.machine.read_log()
    for text in "virtio id", "removed":
        said = sum(text in line for line in bench.log())
        assert 0 < said <= most, f"{said} lines: {text}"
