# SPDX-License-Identifier: GPL-2.0-or-later
"""D-12: EVENT_AVAIL only for a queue confirmed by D-08 and after DRIVER_OK."""

import wire
from bench import VDA, ScriptedBench
from devices import Disk, Requeue, Rng
from harness import test_both


def too_early(side, number):
    """The EVENT_AVAIL that a device may not have expected."""
    confirmed, ready, wrong = set(), False, []
    for message in side.received:
        if message.is_bus or message.dev_num != number:
            continue
        if message.is_reset():
            confirmed, ready = set(), False
        elif message.msg_id == wire.SET_DEVICE_STATUS:
            ready |= bool(message.unpack_le32()[0] & wire.DRIVER_OK)
        elif message.msg_id == wire.GET_VQUEUE:
            confirmed.add(message.unpack_le32()[0])
        elif message.msg_id == wire.EVENT_AVAIL:
            if not ready or message.unpack_le32()[0] not in confirmed:
                wrong.append(message)
    return wrong


@test_both("/driver/d-12/early-request", ScriptedBench)
async def early_request(bench):
    """A driver that makes a request before DRIVER_OK: the device hears of it,
    but after that."""
    side = bench.side
    device = side.add(1, Requeue())
    await bench.shell("modprobe virtio_requeue early=Y")
    await bench.load()
    await side.until(lambda: device.holds == 1, "the request")
    assert not too_early(side, 1)
    assert len(side.requests(wire.EVENT_AVAIL, 1)) == 1
    await bench.unload()
    await bench.shell("rmmod virtio_requeue")


@test_both("/driver/d-12/under-load", ScriptedBench)
async def under_load(bench):
    """Devices that are used while they come and go do not hear of queues that
    they do not have, or do not have any more."""
    side = bench.side
    side.add(1, Rng())
    side.add(2, Disk())
    for _ in range(bench.size(3, 30)):
        await bench.load()
        await side.until_up()
        await bench.until_disk()
        served = side.devices[2].served
        job = bench.run(f"while dd if={VDA} of=/dev/null bs=4k count=64"
                        " iflag=direct; do :; done >/dev/null 2>&1")
        await side.until(
            lambda before=served: side.devices[2].served > before + 20,
            "reads")
        await bench.unload()
        await job.wait()
    for number in 1, 2:
        assert not too_early(side, number)
