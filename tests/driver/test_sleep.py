# SPDX-License-Identifier: GPL-2.0-or-later
"""The driver machine is suspended or hibernated, and wakes up again.

Nothing could wake the emulated machine up, so that the kernel's own test of the
way there and back is what runs: it goes down to one level, and up again."""

import asyncio
import time

import wire
from bench import FUNCTION, VDA, ScriptedBench
from devices import Disk, Requeue, Rng
from harness import Skip, test, test_both, test_on
from link import TAIL
from scripts import is_bus
from test_drain import FileSystem
from wires import WIRE_2025, WIRE_2026

LEVELS = "/sys/power/pm_test"
# The kernel stays down for so many seconds.
DELAY = 2
UNKNOWN_TYPE = 0x7fff
REQUEUE = "/sys/bus/virtio/drivers/virtio_requeue"
STAY = "/sys/module/virtio_requeue/parameters/stay"


class Unknown(Rng):
    """A device that no driver is for."""

    device_id = UNKNOWN_TYPE


class RoomyBench(ScriptedBench):
    """A machine that has room for a copy of all that its kernel uses."""

    memory_size = 512 << 20


def go_down(bench, state, level):
    """Start what goes to sleep and wakes up, as a job."""
    return bench.run(
        f"echo {DELAY} >/sys/module/suspend/parameters/pm_test_delay;"
        f" echo {level} >{LEVELS} && echo {state} >/sys/power/state;"
        f" status=$?; echo none >{LEVELS}; exit $status")


async def can_sleep(bench, state, level):
    if await bench.run(f"grep -qw {level} {LEVELS} &&"
                       f" grep -qw {state} /sys/power/state").wait() != 0:
        raise Skip(f"this kernel cannot go to {state} and stop at {level}")


async def in_use(bench, **parameters):
    """A disk and a generator in use, and blocks of the disk that do not stop
    to be written, read back and compared."""
    side = bench.side
    disk = side.add(1, Disk())
    side.add(2, Rng())
    side.add(3, Unknown())
    await bench.load(**parameters)
    await side.until_up(1, 2)
    await bench.until_disk()
    await bench.shell("dd if=/dev/urandom of=/tmp/pattern bs=4k count=16"
                      " 2>/dev/null")
    job = bench.run("rm -f /tmp/enough; while [ ! -e /tmp/enough ]; do"
                    f" dd if=/tmp/pattern of={VDA} bs=4k oflag=direct"
                    " conv=notrunc 2>/dev/null &&"
                    f" dd if={VDA} bs=4k count=16 iflag=direct 2>/dev/null"
                    " | cmp - /tmp/pattern || exit 1; done")
    await side.until(lambda: disk.served > 50, "writes")
    return side, disk, job


async def still_in_use(bench, side, disk, job):
    """The job goes on with the disk, and ends well."""
    served = disk.served
    await side.until(lambda: disk.served > served + 50, "more writes")
    await bench.shell("touch /tmp/enough")
    assert await job.wait() == 0, job.output
    await bench.shell("rm /tmp/enough")
    await bench.read_rng()


async def asleep(side):
    """Wait until all devices have been reset, for the sleep."""
    await side.until(lambda: not any(device.status & wire.DRIVER
                                     for device in side.devices.values()),
                     "the devices' resets")


async def sleeps(bench, state, level):
    """The devices are reset before the sleep and set up after it; tasks that use
    them do not notice."""
    await can_sleep(bench, state, level)
    side, disk, job = await in_use(bench)
    devices = await bench.virtio_devices()
    for _ in range(bench.size(2, 50)):
        resets = [device.resets for device in side.devices.values()]
        run = go_down(bench, state, level)
        await asleep(side)
        assert not job.ended
        assert await run.wait() == 0, run.output
        await side.until_up(1, 2)
        assert all(device.resets > before for device, before
                   in zip(side.devices.values(), resets))
    await still_in_use(bench, side, disk, job)
    # They are those of before, and nobody was missed.
    assert await bench.virtio_devices() == devices
    for counter in "restarts", "silences", "failures":
        assert await bench.shell(f"cat {FUNCTION}/virtio_msg/{counter}") == "0"


test("/driver/sleep/suspend", ScriptedBench, "freeze", "devices")(sleeps)
test("/driver/sleep/suspend-deeper", ScriptedBench, "freeze",
     "platform")(sleeps)
test("/driver/sleep/hibernate", RoomyBench, "disk", "devices")(sleeps)


@test("/driver/sleep/nothing-there", ScriptedBench)
async def nothing_there(bench):
    """A link without devices, and one without a device side, keep nobody from
    sleeping, and come up afterwards."""
    side = bench.side
    await can_sleep(bench, "freeze", "devices")
    for mark in True, False:
        side.fresh()
        if not mark:
            side.link.withdraw()
        before = bytes(side.link.memory)
        await bench.load()
        await go_down(bench, "freeze", "devices").succeed()
        if not mark:
            assert bytes(side.link.memory) == before
            side.link.announce()
        side.plug(1, bench.short_lived())
        await side.until_up()
        await bench.unload()


@test("/driver/sleep/does-not-go", ScriptedBench)
async def does_not_go(bench):
    """A driver that waits for user space when its device goes keeps the system
    awake, but does not keep it for ever on its way to the sleep."""
    side = bench.side
    await can_sleep(bench, "freeze", "devices")
    side.add(1, Requeue())
    side.add(2, Rng())
    await bench.shell("modprobe virtio_requeue stay=Y")
    await bench.load(timeout_ms=1000)
    await side.until_up()
    side.unplug(1)
    await bench.logs("virtio_requeue .*: stays")
    assert await go_down(bench, "freeze", "devices").wait() != 0
    await bench.logs("no sleep now")
    await bench.read_rng()
    await bench.shell(f"echo N >{STAY}")
    # What came on the way is seen, and so is what comes later.
    await bench.logs("device 1: removed")
    await go_down(bench, "freeze", "devices").succeed()
    side.plug(3, Rng())
    await side.until_up()
    await bench.shell("rmmod virtio_requeue")


@test("/driver/sleep/flood", ScriptedBench)
async def flood(bench):
    """The device queue is always full, on the way to the sleep and back."""
    await can_sleep(bench, "freeze", "platform")
    side, disk, job = await in_use(bench)
    event = wire.event(wire.EVENT_USED, 2, wire.ALL_QUEUES).pack()
    run = go_down(bench, "freeze", "platform")
    while not run.ended:
        side.link.send(*[event] * side.link.room())
        side.link.ring()
        await asyncio.sleep(0)
    assert await run.wait() == 0, run.output
    await side.until_up(1, 2)
    await still_in_use(bench, side, disk, job)


@test("/driver/sleep/flood-meanwhile", ScriptedBench)
async def flood_meanwhile(bench):
    """What comes while all devices sleep, without end, is left unread."""
    await can_sleep(bench, "freeze", "devices")
    side, disk, job = await in_use(bench)
    event = wire.event(wire.EVENT_USED, 2, wire.ALL_QUEUES).pack()
    run = go_down(bench, "freeze", "devices")
    await asleep(side)
    tail, since = None, time.monotonic()
    while time.monotonic() < since + DELAY / 2:
        assert not run.ended, "all was read"
        side.link.send(*[event] * side.link.room())
        side.link.ring()
        await asyncio.sleep(0.01)
        if side.link.device_queue.get(TAIL) != tail:
            tail = side.link.device_queue.get(TAIL)
            since = time.monotonic()
    assert await run.wait() == 0, run.output
    await side.until_up(1, 2)
    await still_in_use(bench, side, disk, job)


@test("/driver/sleep/refused", ScriptedBench)
async def refused(bench):
    """A driver keeps the system awake: a device whose driver cannot sleep is
    of use then, and is there again after a sleep to which none objects."""
    side = bench.side
    await can_sleep(bench, "freeze", "devices")
    device = side.add(1, Requeue())
    side.add(2, FileSystem())
    await bench.shell("modprobe virtiofs && modprobe virtio_requeue")
    await bench.load()
    await side.until_up()
    devices = await bench.virtio_devices()
    resets = device.resets
    assert await go_down(bench, "freeze", "devices").wait() != 0
    await bench.logs("device 2: its driver cannot sleep")
    await bench.shell(f"echo 1 >$(echo {REQUEUE}/virtio*/add)")
    await side.until(lambda: device.holds == 1, "a request")
    assert device.resets == resets
    assert await bench.virtio_devices() == devices
    side.unplug(2)
    await bench.logs("device 2: removed")
    await go_down(bench, "freeze", "devices").succeed()
    await bench.logs("1 requests: 1 ended, 1 of them failed")
    await side.until_up(1)
    await bench.unload()
    await bench.shell("rmmod virtio_requeue")


@test("/driver/sleep/restarted-meanwhile", ScriptedBench)
async def restarted_meanwhile(bench):
    """A device side that starts anew while the system sleeps is used as if
    nothing had been."""
    await can_sleep(bench, "freeze", "devices")
    side, disk, job = await in_use(bench)
    run = go_down(bench, "freeze", "devices")
    await asleep(side)
    side.restart()
    assert await run.wait() == 0, run.output
    await side.until_up(1, 2)
    await still_in_use(bench, side, disk, job)


@test_both("/driver/sleep/other-wire", ScriptedBench)
async def other_wire(bench):
    """So is one that speaks the other wire from then on, and what is set then is
    set by the rules of that."""
    await can_sleep(bench, "freeze", "devices")
    side, disk, job = await in_use(bench)
    assert await bench.spoken() == str(side.wire)
    run = go_down(bench, "freeze", "devices")
    await asleep(side)
    side.restart()
    side.wire = WIRE_2026 if side.wire is WIRE_2025 else WIRE_2025
    # Less than before: what was seen last is of the past.
    disk.generation = 3
    side.received.clear()
    assert await run.wait() == 0, run.output
    await side.until_up(1, 2)
    assert await bench.spoken() == str(side.wire)
    await still_in_use(bench, side, disk, job)
    await bench.shell("echo 'write through' >/sys/block/vda/cache_type")
    assert disk.config[disk.WRITEBACK] == 0
    generation, *_ = side.requests(wire.SET_CONFIG, 1)[-1].unpack_le32()
    assert generation == (3 if side.wire.strict_generation else 0)
    assert len(await bench.virtio_devices()) == 3


async def until_silent(side):
    """Wait until the driver side answers nothing: there is no other sign of its
    sleep where no device is in use."""
    while True:
        try:
            await side.ping(seconds=0.5)
        except AssertionError:
            return


@test_on("/driver/sleep/other-wire-without-devices", ScriptedBench,
         wires=[WIRE_2026])
async def other_wire_without_devices(bench):
    """Where no device tells of the other wire, the first thing that is asked does
    not go by the old one, either."""
    side = bench.side
    await can_sleep(bench, "freeze", "devices")
    await bench.load()
    await bench.until(f"grep -q {side.wire} {FUNCTION}/virtio_msg/wire")
    run = go_down(bench, "freeze", "devices")
    await until_silent(side)
    side.restart()
    side.wire = WIRE_2025
    side.received.clear()
    assert await run.wait() == 0, run.output
    asked = is_bus(wire.BUS_GET_DEVICES)
    await side.until(lambda: any(map(asked, side.received)), "GET_DEVICES")
    first = next(filter(asked, side.received))
    # One of that wire may read past its table when asked for more.  Q-03.
    assert int.from_bytes(first.payload[2:4], "little") <= 32, first
    side.plug(1, bench.short_lived())
    await side.until_up(1)
    assert await bench.spoken() == str(side.wire)


@test("/driver/sleep/restarted-on-the-way", ScriptedBench)
async def restarted_on_the_way(bench):
    """So is one that starts anew when not all drivers sleep yet, without an
    answer to a driver side that goes to sleep just then."""
    await can_sleep(bench, "freeze", "devices")
    side, disk, job = await in_use(bench)

    def restart(request, answers):
        if not request.is_reset(2):
            return answers
        side.fresh_script()
        side.restart()
        return []

    side.script = restart
    await go_down(bench, "freeze", "devices").succeed()
    await side.until_up(1, 2)
    await still_in_use(bench, side, disk, job)


@test("/driver/sleep/gone-meanwhile", ScriptedBench)
async def gone_meanwhile(bench):
    """A device that is not there any longer after the sleep, with or without a
    word: what its driver has to do ends with an error, the driver leaves, and
    the others stay."""
    await can_sleep(bench, "freeze", "devices")
    for tells in True, False:
        side, disk, job = await in_use(bench)
        run = go_down(bench, "freeze", "devices")
        await asleep(side)
        if tells:
            side.unplug(1)
        else:
            del side.devices[1]
        assert await run.wait() == 0, run.output
        assert await job.wait() != 0
        # The first round has logged it twice, the second time for the unload.
        await bench.logs("device 1: removed", 1 if tells else 3)
        assert len(await bench.virtio_devices()) == 2
        await bench.read_rng()
        side.plug(1, disk)
        await side.until_up(1)
        await bench.until_disk()
        await bench.unload()
        side.fresh()


@test("/driver/sleep/removed-while-waking-up", ScriptedBench)
async def removed_while_waking_up(bench):
    """A device side that no longer has the devices says so again and again
    while their drivers are woken up, which all of them are nevertheless."""
    await can_sleep(bench, "freeze", "devices")
    side, _, job = await in_use(bench)
    run = go_down(bench, "freeze", "devices")
    await asleep(side)
    side.devices.clear()
    while not run.ended:
        for number in 1, 2:
            # One that is read before the next comes keeps nobody busy.
            if side.link.all_read:
                side.send(wire.event_device(number, wire.DEVICE_REMOVED))
            await asyncio.sleep(0)
    assert await run.wait() == 0, run.output
    assert await job.wait() != 0
    for number in 1, 2, 3:
        await bench.logs(f"device {number}: removed")
    await bench.machine.read_log()
    assert not [line for line in bench.log() if "does not wake up" in line]
    assert not await bench.virtio_devices()


@test("/driver/sleep/dead-meanwhile", ScriptedBench)
async def dead_meanwhile(bench):
    """A device side that does not answer after the sleep: the system wakes up,
    requests end with an error, and all is there again when it answers."""
    await can_sleep(bench, "freeze", "devices")
    side, disk, job = await in_use(bench)
    await bench.change(timeout_ms=2000)
    run = go_down(bench, "freeze", "devices")
    await asleep(side)
    side.deaf = True
    assert await run.wait() == 0, run.output
    assert await job.wait() != 0
    assert await bench.shell(f"cat {FUNCTION}/virtio_msg/state") == "silent"
    await bench.change(timeout_ms=10000)
    resets = disk.resets
    side.hear()
    await side.until(lambda: disk.resets > resets and disk.is_up,
                     "the disk again")
    await bench.until_disk()
