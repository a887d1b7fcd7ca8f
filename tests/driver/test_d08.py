# SPDX-License-Identifier: GPL-2.0-or-later
"""D-08: a queue is not set up before SET_VQUEUE, and after it is as it was set;
or else it is reset, or without VIRTIO_F_RING_RESET the device, and the probe
fails cleanly."""

import wire
from bench import ScriptedBench
from devices import Queue, Requeue, Rng
from harness import test_both, test_on
from scripts import altered, to
from wire import le32
from wires import WIRE_2026


class Shifted(Rng):
    """A generator that takes one address of its queue for another."""

    def __init__(self, which=None):
        super().__init__()
        self.which = which

    def _set_vqueue(self, payload):
        answer = super()._set_vqueue(payload)
        if self.which is not None:
            addresses = list(self.queues[0].addresses)
            addresses[self.which] += 4096
            self.queues[0].addresses = addresses
        return answer


class Halved(Rng):
    """A generator that takes its queue for half as large."""

    def _set_vqueue(self, payload):
        answer = super()._set_vqueue(payload)
        self.queues[0].size //= 2
        return answer


def after_queue(side, number):
    """What was asked of a device after it was last asked for a queue."""
    asked = [m for m in side.received if m.dev_num == number
             and not m.is_bus and not m.is_event]
    last = max(i for i, m in enumerate(asked)
               if m.msg_id == wire.GET_VQUEUE)
    return asked[last + 1:]


async def refused(bench, number):
    """Wait until the device was reset instead of being used."""
    side = bench.side
    await side.until(lambda: side.requests(wire.GET_VQUEUE, number)
                     and any(m.is_reset() for m in after_queue(side, number)),
                     "a reset of the device")
    assert after_queue(side, number)[0].is_reset()
    await side.until(lambda: side.devices[number].status == 0x80,
                     "the end of the probe")


@test_both("/driver/d-08/not-as-set", ScriptedBench)
async def not_as_set(bench):
    """One address or the size is not what was set: the device is reset and not
    used, and what is right in the same way is."""
    side = bench.side
    for number, device in enumerate(
            (Shifted(0), Shifted(1), Shifted(2), Halved())):
        side.add(number, device)
    good = side.add(9, Shifted())
    await bench.load()
    await side.until_up(9)
    await bench.logs("refuses queue 0", 4)
    for number in range(4):
        await refused(bench, number)
    await bench.read_rng()
    assert good.served


@test_on("/driver/d-08/not-enabled", ScriptedBench, wires=[WIRE_2026])
async def not_enabled(bench):
    """A queue that has all but the flag is not used."""
    side = bench.side
    side.add(1, Rng())
    side.script = altered(to(wire.GET_VQUEUE, 1), lambda _request, payload:
                          payload[:12] + le32(0) + payload[16:])
    await bench.load()
    await refused(bench, 1)


@test_on("/driver/d-08/asks-to-enable", ScriptedBench, wires=[WIRE_2026])
async def asks_to_enable(bench):
    """SET_VQUEUE says that the queue is to be enabled, and no more."""
    side = bench.side
    side.add(1, Rng())
    await bench.load()
    await side.until_up()
    request, = side.requests(wire.SET_VQUEUE, 1)
    assert request.unpack_le32()[:4] == (0, 1, 64, 0), request


@test_both("/driver/d-08/active-before", ScriptedBench)
async def active_before(bench):
    """A queue that is in use before the driver has set it up is not set up, and
    the device lets go of it."""
    side = bench.side
    device = side.add(1, Rng())
    side.add(2, bench.short_lived())
    in_use = {0: Queue(side.memory, 64, *[side.memory.base] * 3)}
    reset = device.reset

    def reset_once():
        reset()
        if not side.requests(wire.GET_VQUEUE, 1):
            device.queues = dict(in_use)

    device.reset = reset_once
    await bench.load()
    await side.until_up(2)
    await bench.logs("device 1 has queue 0 set up before")
    await refused(bench, 1)
    assert not side.requests(wire.SET_VQUEUE, 1)
    assert not device.queues


class Odd(Requeue):
    """Its queues can be reset, and are never as they were set."""

    def _set_vqueue(self, payload):
        answer = super()._set_vqueue(payload)
        self.queues[0].addresses = [a + 4096
                                    for a in self.queues[0].addresses]
        return answer


@test_both("/driver/d-08/reset-of-the-queue", ScriptedBench)
async def reset_of_the_queue(bench):
    """Where a queue can be reset alone, only that is, and it is looked at
    again."""
    side = bench.side
    device = side.add(1, Odd())
    await bench.shell("modprobe virtio_requeue")
    await bench.load()
    await side.received_one(wire.RESET_VQUEUE, 1)
    await side.until(lambda: device.status & 0x80, "the end of the probe")
    assert not device.queues
    asked = [m.msg_id for m in side.received if m.dev_num == 1]
    begin = asked.index(wire.RESET_VQUEUE)
    assert asked[begin + 1] == wire.GET_VQUEUE
    assert not any(m.is_reset(1) for m in side.received[
        side.received.index(side.requests(wire.RESET_VQUEUE, 1)[0]):])
    await bench.shell("rmmod virtio_requeue")


@test_both("/driver/d-08/reset-in-vain", ScriptedBench)
async def reset_in_vain(bench):
    """A queue that does not reset takes the device with it."""
    side = bench.side
    side.add(1, Odd())
    keeps = side.devices[1]
    keeps.answer = lambda request, answer=keeps.answer: (
        b"" if request.msg_id == wire.RESET_VQUEUE else answer(request))
    await bench.shell("modprobe virtio_requeue")
    await bench.load()
    await side.received_one(wire.RESET_VQUEUE, 1)
    await bench.logs("queue, it does not reset")
    begin = side.received.index(side.requests(wire.RESET_VQUEUE, 1)[0])
    await side.until(lambda: any(m.is_reset(1)
                                 for m in side.received[begin:]), "a reset")
    assert not keeps.queues
    await bench.shell("rmmod virtio_requeue")
