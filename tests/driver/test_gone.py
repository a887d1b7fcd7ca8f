# SPDX-License-Identifier: GPL-2.0-or-later
"""What becomes of requests that are outstanding when their device goes."""

import asyncio
import struct

import wire
from bench import FUNCTION, VDA, ScriptedBench
from devices import (DESC_INDIRECT, DESC_NEXT, DESC_WRITE, F_INDIRECT_DESC,
                     SECTOR, Disk, Rng)
from harness import Skip, test
from link import HEAD, NUM_SLOTS
from patience import PATIENCE, within
from scripts import Keep, is_bus

F_RING_PACKED = 1 << 34
# Short, so that silence is noticed soon; only where there is silence, as a busy
# host can keep an answer waiting for as long.
SHORT = {"timeout_ms": 1000, "heartbeat_ms": 300}
LONG = {"timeout_ms": 10000, "heartbeat_ms": 2000}
# As many as are outstanding at a time
JOBS = 4


class HoldingDisk(Disk):
    """A disk that does all it is asked, but for what concerns some sectors."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.held = set()
        self.holds = 0

    def is_held(self, kind, sector):
        """Whether a request is one of those that stay."""
        return kind in (self.READ, self.WRITE) and sector in self.held

    def hold(self, _sector, _head, _buffers):
        """A request stays."""
        self.holds += 1

    def serve(self, index):
        queue = self.queues[index]
        count = 0
        for head, buffers in queue.chains():
            kind, _, sector = self.side.memory.unpack("<IIQ",
                                                      buffers[0].address)
            if self.is_held(kind, sector):
                self.hold(sector, head, buffers)
                continue
            queue.push(head, self.process(buffers))
            count += 1
        if count:
            self.side.send(wire.event(wire.EVENT_USED, self.number, index))


def write(block):
    """The command that writes a block of vda and says whether that worked."""
    return (f"dd if=/dev/zero of={VDA} bs=4k count=1 seek={block}"
            " oflag=direct 2>/dev/null")


def read(block):
    return (f"dd if={VDA} of=/dev/null bs=4k count=1 skip={block}"
            " iflag=direct 2>/dev/null")


async def held_disk(bench, queue_size=64, **parameters):
    """A disk in use as vda, and jobs that wait for requests of it: reads and
    writes whose status bytes have all been good once."""
    side = bench.side
    disk = side.add(1, HoldingDisk())
    disk.max_queue_size = queue_size
    await bench.load(**parameters)
    await side.until_up()
    await bench.until_disk()
    await bench.shell(f"i=0; while [ $i -lt 130 ]; do {write('$i')} || exit 1;"
                      " i=$((i + 1)); done")
    disk.held = {block * 4096 // SECTOR for block in range(JOBS)}
    jobs = [bench.run((write if block % 2 else read)(block))
            for block in range(JOBS)]
    await side.until(lambda: disk.holds == JOBS, "requests to hold")
    return side, disk, jobs


async def fail(jobs):
    """Each of the jobs must come to an end, and to no good one."""
    for job in jobs:
        assert await job.wait() != 0, f"'{job.command}' says that it worked"


async def works_again(bench, disk):
    """The disk is used anew, and does what it should."""
    disk.held = set()
    await bench.side.until(lambda: disk.is_up, "the disk to come back")
    await bench.until_disk()
    await bench.shell(f"{write(1)} && {read(1)}")


async def state(bench):
    return await bench.shell(f"cat {FUNCTION}/virtio_msg/state")


@test("/driver/gone/removed", ScriptedBench)
async def removed(bench):
    """EVENT_DEVICE REMOVED ends the requests of the device."""
    side, _, jobs = await held_disk(bench)
    side.unplug(1)
    await fail(jobs)
    assert await state(bench) == "up"


@test("/driver/gone/out-of-order", ScriptedBench)
async def out_of_order(bench):
    """Also those are ended that the rings have long turned round over."""
    side, disk, jobs = await held_disk(bench)
    await bench.shell(f"i=10; while [ $i -lt 210 ]; do {write('$i')} || exit 1;"
                      f" i=$((i + 1)); done")
    assert disk.holds == JOBS
    side.unplug(1)
    await fail(jobs)
    assert not [line for line in bench.log() if "not a head" in line]


class SlowDisk(Disk):
    """A disk that takes its time, and keeps what concerns one sector."""

    features = Disk.features | F_INDIRECT_DESC

    def __init__(self, held):
        super().__init__()
        self.held = held
        self.kept = []

    def notified(self, index):
        asyncio.get_running_loop().call_later(0.03, super().notified, index)

    def serve(self, index):
        queue = self.queues[index]
        for head, buffers in queue.chains():
            if self.side.memory.unpack("<IIQ", buffers[0].address)[2] == \
                    self.held:
                self.kept.append((head, buffers))
            else:
                self._give_back(head, buffers)

    def _give_back(self, head, buffers):
        self.queues[0].push(head, self.process(buffers))
        self.side.send(wire.event(wire.EVENT_USED, self.number, 0))

    def release(self):
        self._give_back(*self.kept.pop())


@test("/driver/gone/kfence", ScriptedBench)
async def kfence(bench):
    """A request that has its descriptors in KFENCE's memory, which the kernel
    counts as reserved, ends like all others."""
    if await bench.run("[ -e /sys/module/kfence ]").wait() != 0:
        raise Skip("this kernel is without KFENCE")
    side = bench.side
    disk = side.add(1, SlowDisk(60 * 4096 // SECTOR))
    await bench.load()
    await side.until_up()
    await bench.until_disk()
    await bench.shell("mount -t debugfs debugfs /sys/kernel/debug")
    # KFENCE gives out an object every 20 ms: when nothing is done between two
    # requests, often that for the next one.
    for _ in range(60):
        job = bench.run(f"dd if={VDA} of=/dev/null bs=4k skip=57 count=4"
                        " iflag=direct 2>/dev/null")
        await side.until(lambda: disk.kept, "the request to keep")
        if await bench.shell(
                "awk '/^kfence-#/ { n += hit; hit = 0 }"
                " /virtqueue_add/ { hit = 1 } /^freed by/ { hit = 0 }"
                " END { print n + hit }' /sys/kernel/debug/kfence/objects") \
                != "0":
            break
        disk.release()
        await job.succeed()
    else:
        raise AssertionError("no request had KFENCE's memory")
    await bench.shell("umount /sys/kernel/debug")
    side.unplug(1)
    await fail([job])
    assert not [line for line in bench.log() if "cannot be failed" in line]


@test("/driver/gone/restart", ScriptedBench)
async def restart(bench):
    """A device side that starts anew finds the disk in use again."""
    side, disk, jobs = await held_disk(bench)
    # The disk that returns is read before the jobs are seen to have ended.
    disk.held = set()
    if side.link.driver_queue.index == side.link.device_queue.index == 0:
        # Nobody could tell that these had been anything else: move both.
        await side.ping()
    side.restart()
    side.send(wire.event_device(1, wire.DEVICE_ADDED))
    await fail(jobs)
    await works_again(bench, disk)
    assert await bench.shell(f"cat {FUNCTION}/virtio_msg/restarts") == "1"


@test("/driver/gone/silence", ScriptedBench)
async def silence(bench):
    """Requests do not wait for a device side that does not answer a PING, and
    all goes on when it can be heard again."""
    side, disk, jobs = await held_disk(bench)
    await bench.change(**SHORT)
    side.deaf = True
    await fail(jobs)
    assert await state(bench) == "silent"
    await bench.logs("does not answer")
    await bench.change(**LONG)
    side.hear()
    await works_again(bench, disk)
    await bench.logs("can be heard again")
    assert await state(bench) == "up"
    assert await bench.shell(f"cat {FUNCTION}/virtio_msg/silences") == "1"


@test("/driver/gone/no-heartbeat", ScriptedBench)
async def no_heartbeat(bench):
    """Without a heartbeat requests wait as long as it takes."""
    side, disk, jobs = await held_disk(bench, heartbeat_ms=0)
    await bench.change(timeout_ms=SHORT["timeout_ms"])
    side.deaf = True
    # Longer than a heartbeat and its timeout: here nothing is to happen.
    await asyncio.sleep(2)
    assert not any(job.ended for job in jobs)
    disk.held = set()
    await bench.change(timeout_ms=LONG["timeout_ms"])
    side.hear()
    side.unplug(1)
    await fail(jobs)


@test("/driver/gone/heartbeat", ScriptedBench)
async def heartbeat(bench):
    """A PING is sent where there is no traffic, and its answer known."""
    side = bench.side
    side.add(1, Rng())
    await bench.load(heartbeat_ms=SHORT["heartbeat_ms"])
    await side.until_up()

    def pings():
        return sum(message.is_bus and message.msg_id == wire.BUS_PING
                   and not message.type & wire.RESPONSE
                   for message in side.received)

    await side.until(lambda: pings() >= 2, "the driver's PINGs")
    assert await bench.dropped() == 0


@test("/driver/gone/silence-in-a-full-queue", ScriptedBench)
async def silence_in_a_full_queue(bench):
    """A device side that stands still, with no room for a PING, is asked when
    it goes on, even if it has nothing to say of all that it finds."""
    side = bench.side
    side.add(1, Rng())
    await bench.load(**SHORT)
    await side.until_up()
    queue = side.link.driver_queue
    for rings in (True, False):
        side.deaf = True
        side.send(*[wire.Message(wire.BUS, wire.BUS_PING, 0, 1, b"full")] *
                  (NUM_SLOTS - 1))
        await bench.until(f"grep -q silent {FUNCTION}/virtio_msg/state")
        assert (queue.get(HEAD) + 1) % NUM_SLOTS == queue.index
        resets = side.devices[1].resets
        side.forget_queue()
        if rings:
            side.link.ring()
        await side.until(lambda before=resets: side.devices[1].is_up and
                         side.devices[1].resets > before, "the device again")
        assert await state(bench) == "up"


@test("/driver/gone/needs-reset", ScriptedBench)
async def needs_reset(bench):
    """A device that has failed is reset before its requests end."""
    side, disk, jobs = await held_disk(bench)
    resets = disk.resets
    disk.status |= wire.NEEDS_RESET
    side.send(wire.event(wire.EVENT_CONFIG, 1, disk.status, disk.generation,
                         0, 0))
    await fail(jobs)
    assert disk.resets > resets


@test("/driver/gone/unload", ScriptedBench)
async def unload(bench):
    """Modules are unloaded from a device that answers, but never completes a
    request; it is reset before the requests end."""
    side, disk, jobs = await held_disk(bench)
    resets = disk.resets
    # So long each request may take, and so long they are waited for.
    await bench.change(timeout_ms=4000)
    await bench.shell("rmmod virtio_msg_ivshmem")
    await fail(jobs)
    assert disk.resets > resets
    await bench.logs("still under way")


@test("/driver/gone/garbage-in-the-used-ring", ScriptedBench)
async def garbage_in_the_used_ring(bench):
    """What a device writes to a used ring before it goes does not keep its
    driver from leaving."""
    for index in bench.size((1, 64, 32768), (1, 2, 7, 63, 64, 65, 200, 32768)):
        side, disk, jobs = await held_disk(bench)
        queue, = disk.queues.values()
        device = queue.addresses[2]
        for slot in range(queue.size):
            side.memory.write(device + 4 + 8 * slot, struct.pack(
                "<II", bench.random.choice([0, 1, 5, 63, 64, 0xffffffff]),
                0xffffffff))
        used, = side.memory.unpack("<H", device + 2)
        queue.set_used((used + index) % 0x10000)
        side.unplug(1)
        # One of them may have been told that it is done: that is a device's
        # good right.
        for job in jobs:
            await job.wait()
        await bench.unload()
        side.fresh()


@test("/driver/gone/many-long-chains", ScriptedBench)
async def many_long_chains(bench):
    """A device that fills the queue with requests of thousands of descriptors
    before it goes: ending them all takes a while, but no CPU is kept."""
    # The target of 4 KiB ends where the table begins.
    heads, target, table, length = range(1024, 7936), 7936, 8192, 8192
    side, disk, jobs = await held_disk(bench, queue_size=16384)
    queue, = disk.queues.values()
    desc, driver, _ = queue.addresses
    side.memory.write(desc + 16 * table, b"".join(
        struct.pack("<QIHH", desc + 16 * target, 4096,
                    DESC_WRITE | (DESC_NEXT if i + 1 < length else 0), i + 1)
        for i in range(length)))
    for head in heads:
        side.memory.write(desc + 16 * head, struct.pack(
            "<QIHH", desc + 16 * table, 16 * length, DESC_INDIRECT, 0))
    index, = side.memory.unpack("<H", driver + 2)
    for i, head in enumerate(heads, index):
        side.memory.write(driver + 4 + 2 * (i % queue.size), wire.le16(head))
    side.memory.write(driver + 2, wire.le16((index + len(heads)) % 0x10000))
    # A task that keeps a CPU for four seconds is to be seen in the log. All
    # together takes longer, and a busy host does not stop a machine for that
    # long.
    await bench.shell("echo 2 >/proc/sys/kernel/watchdog_thresh")
    side.unplug(1)
    await fail(jobs)
    await bench.logs("device 1: removed")
    await bench.shell("echo 10 >/proc/sys/kernel/watchdog_thresh")


@test("/driver/gone/while-others-come", ScriptedBench)
async def while_others_come(bench):
    """A generator that fails in the last step of its probe is removed while the
    next one's probe takes its time: that may be waiting for just this, as the
    kernel does not come to the end of reading from the first."""
    side = bench.side
    for number in 1, 2:
        side.add(number, Rng())

    def script(request, answers):
        if (request.is_transport(wire.SET_DEVICE_STATUS, 1)
                and wire.DRIVER_OK & struct.unpack("<I", request.payload)[0]):
            return [request.answer(b"")]
        if request.dev_num == 2 and not request.is_bus and answers:
            # Each alone is in time, but not all together.
            asyncio.get_running_loop().call_later(0.5, side.send, *answers)
            return []
        return answers

    side.script = script
    await bench.load(timeout_ms=2000)
    await bench.logs("device 1: removed")
    assert not side.devices[2].is_up
    side.fresh_script()
    await side.until_up(2)
    await bench.read_rng()
    assert len(await bench.virtio_devices()) == 1


@test("/driver/gone/failed-link", ScriptedBench)
async def failed_link(bench):
    """An index out of range fails the link until the device side starts
    anew."""
    side, disk, jobs = await held_disk(bench)
    side.link.device_queue.put(HEAD, NUM_SLOTS)
    side.link.ring()
    await fail(jobs)
    assert await state(bench) == "failed"
    await bench.logs("out of range")
    side.restart()
    side.send(wire.event_device(1, wire.DEVICE_ADDED))
    await works_again(bench, disk)
    assert await state(bench) == "up"


@test("/driver/gone/pings", ScriptedBench)
async def pings(bench):
    """More PINGs than there is room for answers: all are answered, in
    order."""
    side = bench.side
    side.add(1, Rng())
    await bench.load()
    await side.until_up()
    await side.ping()
    side.deaf = True
    count = NUM_SLOTS + 30
    side.received.clear()
    side.send(*(wire.Message(wire.BUS, wire.BUS_PING, 0, 1000 + i,
                             struct.pack("<I", i)) for i in range(count)))
    await bench.shell("true")
    side.hear()

    def answers():
        return [(m.token, *struct.unpack("<I", m.payload))
                for m in side.received
                if m.is_bus and m.msg_id == wire.BUS_PING
                and m.type & wire.RESPONSE]

    await side.until(lambda: len(answers()) >= count, "all answers")
    assert answers() == [(1000 + i, i) for i in range(count)]
    assert await bench.dropped() == 0


@test("/driver/gone/max-devices", ScriptedBench)
async def max_devices(bench):
    """No more devices than are allowed are registered, and the log says so."""
    side = bench.side
    for number in range(6):
        side.add(number, Rng())
    await bench.load(max_devices=4)
    await side.until_up(0, 1, 2, 3)
    await bench.logs("device 4 and those after it are not used")
    assert len(await bench.virtio_devices()) == 4


@test("/driver/gone/scan-again", ScriptedBench)
async def scan_again(bench):
    """A list of devices that made no sense is asked for once more."""
    side = bench.side
    side.add(1, bench.short_lived())
    spoiled = []

    def script(request, answers):
        if (request.is_bus and request.msg_id == wire.BUS_GET_DEVICES
                and len(spoiled) < 2):
            spoiled.append(request)
            return [answers[0].but(payload=b"\xff" * 6)]
        return answers

    side.script = script
    await bench.load()
    await side.until_up()
    assert len(spoiled) == 2


@test("/driver/gone/packed-rings", ScriptedBench)
async def packed_rings(bench):
    """Packed rings, whose requests leave no trace, are not accepted."""
    side = bench.side
    device = side.add(1, bench.short_lived())
    device.features |= F_RING_PACKED
    await bench.load()
    await side.until_up()
    assert not device.driver_features & F_RING_PACKED


class Nameless(Rng):
    """A device that no driver is for."""

    device_id = 0x7fff


@test("/driver/gone/at-the-same-time", ScriptedBench)
async def at_the_same_time(bench):
    """However many devices there are, all begin to leave before the first one
    has left: they may be waiting for each other."""
    side, count = bench.side, 300
    for number in range(count):
        side.add(number, Nameless())
    await bench.load(timeout_ms=120000)
    await bench.logs(f"device {count - 1}: virtio id")
    keep = side.script = Keep(side, lambda request: request.is_reset())
    job = bench.run("rmmod virtio_msg_ivshmem")
    await keep.wait_for(count)
    assert not job.ended
    keep.release()
    await job.succeed()


@test("/driver/gone/shutdown", ScriptedBench)
async def shutdown(bench):
    """The machine ends over a device side that is dead: it waits for one answer,
    and no device is left without its reset."""
    side = bench.side
    for number in 1, 2, 3:
        side.add(number, Rng())
    await bench.load(timeout_ms=2000, heartbeat_ms=600000)
    await side.until_up()
    await side.ping()
    # Newer kernels reset virtio devices before their link is shut down.
    core_resets = await bench.run(
        "grep -qw virtio_dev_shutdown /proc/kallsyms").wait() == 0
    side.deaf = True
    bench.run("reboot -f")
    async with within(PATIENCE):
        await bench.machine.wait()
    asked = [m for m in side.link.receive() if not m.is_event]
    # What nobody waits for has no token.
    first, *others = [m for m in asked if m.token]
    assert not others, asked
    if core_resets:
        assert first.is_reset(), asked
    else:
        assert first.is_bus and first.msg_id == wire.BUS_PING, asked
        assert asked[0] == first, asked
    assert {m.dev_num for m in asked if m.is_reset()} == {1, 2, 3}, asked
    await bench.drop_machine()
    await bench.begin("the next machine")


@test("/driver/gone/shutdown-answered", ScriptedBench)
async def shutdown_answered(bench):
    """The machine ends over a device side that is well: that is asked whether it
    is, and then has all its devices reset, one after the other; nothing is asked
    of a device after its reset."""
    side = bench.side
    disk = side.add(1, Disk())
    for number in 2, 3:
        side.add(number, Rng())
    await bench.load(heartbeat_ms=600000)
    await side.until_up()
    await bench.until_disk()
    bench.run(f"while dd if={VDA} of=/dev/null bs=4k count=16 iflag=direct"
              " 2>/dev/null; do :; done")
    await side.until(lambda: disk.served > 50, "reads")

    side.received.clear()
    keep = side.script = Keep(side, is_bus(wire.BUS_PING))
    bench.run("reboot -f")
    await keep.wait_for(1)
    position = len(side.received)
    keep.release()
    keep = side.script = Keep(side, lambda request: request.is_reset())
    for number in range(1, 4):
        await keep.wait_for(1)
        # The next one is not asked before this one has answered.
        answer, = keep.kept
        assert answer.dev_num == number and answer.token, answer
        keep.kept.clear()
        side.send(answer)
    async with within(PATIENCE):
        await bench.machine.wait()
    resets = {}
    for i, message in enumerate(side.received):
        if message.is_reset() and i >= position:
            resets[message.dev_num] = i
        elif not message.is_bus and not message.is_event:
            assert message.dev_num not in resets, message
    assert set(resets) == {1, 2, 3}, resets
    assert not any(device.status for device in side.devices.values())
    await bench.drop_machine()
    await bench.begin("the next machine")
