# SPDX-License-Identifier: GPL-2.0-or-later
"""D-03: devices that set DEVICE_NEEDS_RESET."""

import asyncio
import time

import wire
from bench import FUNCTION, VDA, ScriptedBench
from devices import Disk, Rng
from harness import test

BACK = "device 1: comes back in {} s"
# Longer than a device has to work for its failure before to be forgotten
HEALTHY = 10


def fail(device):
    """What a device does that cannot go on."""
    device.status |= wire.NEEDS_RESET
    device.side.send(wire.event(wire.EVENT_CONFIG, device.number,
                                device.status, device.generation, 0, 0))


class FailingDisk(Disk):
    """A disk that fails whenever it is in use."""

    def __init__(self):
        super().__init__()
        self.fails = True
        self.ups = []

    def _set_device_status(self, payload):
        answer = super()._set_device_status(payload)
        if self.is_up:
            self.ups.append(time.monotonic())
            if self.fails:
                asyncio.get_running_loop().call_soon(fail, self)
        return answer


async def failures(bench):
    return int(await bench.shell(f"cat {FUNCTION}/virtio_msg/failures"))


@test("/driver/failing/comes-back", ScriptedBench)
async def comes_back(bench):
    """A device that has failed is reset and used again; the one beside it does
    not notice."""
    side = bench.side
    disk = side.add(1, Disk())
    other = side.add(2, Rng())
    await bench.load()
    await side.until_up()
    await bench.until_disk()
    resets = other.resets
    fail(disk)
    await side.until(lambda: not disk.is_up, "the reset")
    await side.until_up(1)
    await bench.until_disk()
    await bench.shell(f"dd if={VDA} of=/dev/null bs=4k count=1 iflag=direct"
                      " 2>&1")
    await bench.read_rng()
    assert other.resets == resets
    assert await failures(bench) == 1
    await bench.logs(BACK.format(1))


@test("/driver/failing/again-and-again", ScriptedBench)
async def again_and_again(bench):
    """A device that always fails stays away for twice as long each time, and
    works when it does so no longer."""
    side = bench.side
    disk = side.add(1, FailingDisk())
    await bench.load()
    await side.until(lambda: len(disk.ups) == 4, "the fourth failure")
    disk.fails = False
    await side.until(lambda: len(disk.ups) == 5, "the disk again")
    gaps = [after - before for before, after in zip(disk.ups, disk.ups[1:])]
    for gap, least in zip(gaps, (1, 2, 4, 8)):
        assert gap >= least, gaps
    for seconds in 1, 2, 4, 8:
        await bench.logs(BACK.format(seconds))
    assert await failures(bench) == 4
    await bench.until_disk()
    await bench.shell(f"dd if={VDA} of=/dev/null bs=4k count=1 iflag=direct"
                      " 2>&1")


@test("/driver/failing/healthy-in-between", ScriptedBench)
async def healthy_in_between(bench):
    """A failure long ago does not count: the second one, after a while of
    health, has the device stay away no longer than the first."""
    side = bench.side
    disk = side.add(1, Disk())
    await bench.load()
    for turn in range(2):
        await side.until_up()
        await asyncio.sleep(HEALTHY * turn)
        fail(disk)
        await side.until(lambda: not disk.is_up, "the reset")
        await bench.logs(BACK.format(1), turn + 1)
    await side.until_up()


@test("/driver/failing/removed-meanwhile", ScriptedBench)
async def removed_meanwhile(bench):
    """A device that goes while it stays away, and one that does so when the
    modules go."""
    side = bench.side
    disk = side.add(1, FailingDisk())
    await bench.load()
    await bench.logs(BACK.format(2))
    side.unplug(1)
    # By then it would have come back.
    await asyncio.sleep(3)
    assert len(disk.ups) == 2
    side.plug(1, disk)
    await bench.logs(BACK.format(1), 2)
    await bench.unload()
    assert disk.status == 0
