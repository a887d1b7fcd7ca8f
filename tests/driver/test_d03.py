# SPDX-License-Identifier: GPL-2.0-or-later
"""D-03: a request that gets no answer ends in an error after a bounded time,
and the device is marked broken: no endless sleep, no crash on unload."""

import wire
from bench import FUNCTION, VDA, ScriptedBench
from devices import Disk, Rng
from harness import test_both
from patience import limit
from scripts import to, unanswered

# A busy host can take a good part of a second to answer what it is asked in the
# middle of a silence.
TIMEOUT_MS = 2000
# What all that is waited for may take together, in seconds: some timeouts of
# the above, in a machine that is slow.
BOUND = 30

# What a driver asks, in this order, before it uses a device.
REQUESTS = {
    "get-device-info": wire.GET_DEVICE_INFO,
    "get-device-features": wire.GET_DEVICE_FEATURES,
    "set-driver-features": wire.SET_DRIVER_FEATURES,
    "get-device-status": wire.GET_DEVICE_STATUS,
    "set-device-status": wire.SET_DEVICE_STATUS,
    "get-vqueue": wire.GET_VQUEUE,
    "set-vqueue": wire.SET_VQUEUE,
    "get-config": wire.GET_CONFIG,
}


async def give_up_one(bench, msg_id):
    """One of two devices does not answer one kind of request: it is given up,
    once and for all, and the other one works."""
    side = bench.side
    side.add(1, Disk())
    side.add(2, Rng())
    side.script = unanswered(to(msg_id, 1))
    # Too rarely for the heartbeat to be what finds that the side is there
    await bench.load(timeout_ms=TIMEOUT_MS, heartbeat_ms=60000)
    await side.until_up(2)
    await bench.read_rng()
    assert not side.devices[1].is_up or msg_id == wire.SET_DEVICE_STATUS
    # The device side itself is not taken for dead.
    assert await bench.shell(f"cat {FUNCTION}/virtio_msg/silences") == "0"
    unanswered_one = side.requests(msg_id, 1)[0]
    after = side.received[side.received.index(unanswered_one) + 1:]
    if msg_id == wire.GET_DEVICE_INFO:
        # What was not so much as registered is looked at again a second later,
        # with the scan that has failed.
        after = after[:after.index(side.requests(wire.SET_DEVICE_STATUS, 2)[0])]
    asked = [m for m in after if m.dev_num == 1 and not m.is_bus
             and not m.is_event and not m.is_reset()]
    assert asked == [], asked
    await bench.logs(rf"device 1: request 0x{msg_id:02x} failed")
    side.script = unanswered(to(msg_id, 1))
    begin = await bench.uptime()
    await bench.unload()
    assert await bench.uptime() - begin < limit(BOUND)


for name, number in REQUESTS.items():
    test_both(f"/driver/d-03/unanswered-{name}", ScriptedBench,
         number)(give_up_one)


@test_both("/driver/d-03/removed-while-asked", ScriptedBench)
async def removed_while_asked(bench):
    """A device that goes has no answers to what it is asked just then: nobody
    waits for them, and the next one is looked at at once."""
    side = bench.side
    await bench.load(timeout_ms=600000)
    for msg_id in REQUESTS.values():
        side.received.clear()
        side.script = unanswered(to(msg_id, 1))
        side.plug(1, Disk())
        # What is not waited for has no token: the reset of the one before.
        await side.until(lambda wanted=msg_id: any(
            request.token for request in side.requests(wanted, 1)),
            f"request 0x{msg_id:02x}")
        side.unplug(1)
    side.fresh_script()
    side.plug(1, Disk())
    await side.until_up()
    assert not [line for line in bench.log() if "giving the device up" in line]


@test_both("/driver/d-03/unanswered-set-config", ScriptedBench)
async def unanswered_set_config(bench):
    """A device that is in use stops to answer: those that wait get to know, and
    later requests fail at once, without a message."""
    side = bench.side
    side.add(1, Disk())
    await bench.load(timeout_ms=TIMEOUT_MS)
    await side.until_up()
    await bench.until_disk()
    side.script = unanswered(to(wire.SET_CONFIG))
    begin = await bench.uptime()
    await bench.shell(
        "echo 'write through' >/sys/block/vda/cache_type")
    assert await bench.uptime() - begin < limit(BOUND)
    await bench.logs("device 1: request 0x06 failed")
    await bench.shell(
        "[ ! -e /sys/block/vda/cache_type ] ||"
        " echo 'write back' >/sys/block/vda/cache_type || true")
    assert len(side.requests(wire.SET_CONFIG)) == 1


@test_both("/driver/d-03/unanswered-get-devices", ScriptedBench)
async def unanswered_get_devices(bench):
    """Without an answer to the very first question nothing waits for ever, and
    the modules can be removed."""
    side = bench.side
    side.add(1, Rng())
    side.deaf = True
    await bench.load(timeout_ms=TIMEOUT_MS)
    await bench.logs("does not answer|cannot list")
    begin = await bench.uptime()
    await bench.unload()
    assert await bench.uptime() - begin < limit(BOUND)


@test_both("/driver/d-03/unload-at-once", ScriptedBench)
async def unload_at_once(bench):
    """The modules can be removed while the first question is still open."""
    side = bench.side
    side.add(1, Rng())
    side.deaf = True
    begin = await bench.uptime()
    await bench.load(timeout_ms=TIMEOUT_MS)
    await bench.unload()
    assert await bench.uptime() - begin < limit(BOUND)


@test_both("/driver/d-03/silent-device-side", ScriptedBench)
async def silent_device_side(bench):
    """The device side falls silent under devices in use: their removal takes
    bounded time, whatever their number."""
    side = bench.side
    for number in range(1, 9):
        side.add(number, Rng())
    await bench.load(timeout_ms=TIMEOUT_MS)
    await side.until_up()
    side.deaf = True
    begin = await bench.uptime()
    await bench.unload()
    assert await bench.uptime() - begin < limit(BOUND)


@test_both("/driver/d-03/silent-under-a-reader", ScriptedBench)
async def silent_under_a_reader(bench):
    """A task that reads from a device whose side has fallen silent gets to know
    when the modules go, at the latest."""
    side = bench.side
    side.add(1, Rng())
    await bench.load(timeout_ms=TIMEOUT_MS)
    await side.until_up()
    await bench.read_rng()
    side.devices[1].paused = True
    kicks = len(side.requests(wire.EVENT_AVAIL, 1))
    job = bench.run("dd if=/dev/hwrng of=/dev/null bs=65536 count=8")
    await side.until(lambda: len(side.requests(wire.EVENT_AVAIL, 1)) > kicks,
                     "a kick")
    side.deaf = True
    begin = await bench.uptime()
    await bench.unload()
    assert await bench.uptime() - begin < limit(BOUND)
    await job.wait()


@test_both("/driver/d-03/silent-under-a-disk", ScriptedBench)
async def silent_under_a_disk(bench):
    """What a disk has been asked for, and no longer does, fails; the modules
    can then be removed."""
    side = bench.side
    disk = side.add(1, Disk())
    await bench.load(timeout_ms=TIMEOUT_MS)
    await side.until_up()
    await bench.until_disk()
    await bench.shell(f"dd if={VDA} of=/dev/null bs=64k count=1 2>&1")
    disk.paused = True
    kicks = len(side.requests(wire.EVENT_AVAIL, 1))
    jobs = [bench.run(f"dd if=/dev/zero of={VDA} bs=4k seek={seek} count=1"
                      " oflag=direct 2>&1") for seek in (0, 16, 32)]
    await side.until(lambda: len(side.requests(wire.EVENT_AVAIL, 1)) > kicks,
                     "a kick")
    side.deaf = True
    begin = await bench.uptime()
    await bench.unload()
    assert await bench.uptime() - begin < limit(BOUND)
    # None of these was acknowledged, so none may have been a success.
    for job in jobs:
        assert await job.wait() != 0


@test_both("/driver/d-03/goes-on-when-called", ScriptedBench)
async def goes_on_when_called(bench):
    """After a silence the device side calls again: its devices work again,
    without a reload."""
    side = bench.side
    devices = [side.add(1, Disk()), side.add(2, Rng())]
    await bench.load(timeout_ms=TIMEOUT_MS)
    await side.until_up()
    await bench.until_disk()
    resets = [device.resets for device in devices]
    side.deaf = True
    await bench.shell("echo 'write through' >/sys/block/vda/cache_type")
    await bench.logs("does not answer")
    side.hear()
    side.send(wire.event_device(1, wire.DEVICE_ADDED))
    await side.until(
        lambda: all(device.is_up and device.resets > before
                    for device, before in zip(devices, resets)),
        "drivers for the devices that were reset")
    await bench.read_rng()


@test_both("/driver/d-03/never-resets", ScriptedBench)
async def never_resets(bench):
    """A device that answers but never shows status 0 is not waited for without
    end."""
    side = bench.side
    side.add(1, Rng())
    side.add(2, bench.short_lived())
    side.script = lambda request, answers: [
        answer.but(payload=wire.le32(0x0f))
        if request.is_transport(wire.GET_DEVICE_STATUS, 1)
        or request.is_transport(wire.SET_DEVICE_STATUS, 1) else answer
        for answer in answers]
    begin = await bench.uptime()
    await bench.load(timeout_ms=TIMEOUT_MS)
    await side.until_up(2)
    await bench.unload()
    assert await bench.uptime() - begin < limit(BOUND)


@test_both("/driver/d-03/no-room", ScriptedBench)
async def no_room(bench):
    """The device side stops to read: what finds no room in the queue waits for
    a bounded time, too."""
    side = bench.side
    for number in range(1, 4):
        side.add(number, Disk())
    await bench.load(timeout_ms=TIMEOUT_MS)
    await side.until_up()
    await bench.until("ls /sys/block/vdc/cache_type >/dev/null")
    side.deaf = True
    begin = await bench.uptime()
    jobs = [bench.run(f"for i in 1 2 3; do echo 'write through'"
                      f" >/sys/block/{disk}/cache_type; done")
            for disk in ("vda", "vdb", "vdc")]
    # Answers to these need room, too.
    ping = wire.Message(wire.BUS, wire.BUS_PING, 0, 1, b"full")
    for _ in range(70):
        side.send(ping)
    for job in jobs:
        await job.wait()
    await bench.unload()
    assert await bench.uptime() - begin < limit(BOUND)
