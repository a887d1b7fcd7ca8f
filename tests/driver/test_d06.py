# SPDX-License-Identifier: GPL-2.0-or-later
"""D-06: removing the module or the PCI device resets every device and leaves
the link so that loading it again works, any number of times."""

import wire
from bench import FUNCTION, VDA, ScriptedBench
from devices import Disk, Rng
from harness import test_both
from scripts import Keep, to


def add_devices(side):
    for number in 1, 5, 700:
        side.add(number, Rng())
    side.add(8, Disk())


def check_reset(side):
    """Every device has been reset, and nothing was asked of it after."""
    for number, device in side.devices.items():
        assert device.status == 0, f"device {number}: {device.status:#x}"
        last = [m for m in side.received
                if m.dev_num == number and not m.is_bus][-1]
        assert device.answer(last) == bytes(4), f"device {number}: {last}"


@test_both("/driver/d-06/unload-resets", ScriptedBench)
async def unload_resets(bench):
    """Removing the module resets every device, whatever it is being used for,
    and takes the driver side's id out of the shared memory."""
    side = bench.side
    add_devices(side)
    await bench.load()
    await side.until_up()
    assert side.link.driver_id() is not None
    await bench.unload()
    check_reset(side)
    assert side.link.driver_id() is None


@test_both("/driver/d-06/unload-under-load", ScriptedBench)
async def unload_under_load(bench):
    """The same while devices are being read from and written to."""
    side = bench.side
    add_devices(side)
    await bench.load()
    await side.until_up()
    await bench.until_disk()
    jobs = [bench.run("while dd if=/dev/hwrng bs=512 count=1; do :; done"
                      " >/dev/null 2>&1"),
            bench.run(f"while dd if=/dev/zero of={VDA} bs=4k count=200"
                      " oflag=direct conv=notrunc; do :; done >/dev/null"
                      " 2>&1")]
    served = side.devices[8].served
    await side.until(lambda: side.devices[8].served > served + 20, "writes")
    await bench.unload()
    for job in jobs:
        await job.wait()
    check_reset(side)


@test_both("/driver/d-06/load-again", ScriptedBench)
async def load_again(bench):
    """Loading and removing, many times: each time all devices work."""
    side = bench.side
    add_devices(side)
    for _ in range(bench.size(8, 200)):
        side.received.clear()
        await bench.load()
        await side.until_up()
        await bench.read_rng()
        await bench.until_disk()
        await bench.shell(f"dd if={VDA} of=/dev/null bs=4k count=1"
                          " iflag=direct 2>&1")
        await bench.unload()
        check_reset(side)


@test_both("/driver/d-06/load-and-unload-at-once", ScriptedBench)
async def load_and_unload_at_once(bench):
    """Removing the module when it has just been loaded, in whatever it is
    doing then: the delays differ."""
    side = bench.side
    for number in 1, 5, 700:
        side.add(number, bench.short_lived())
    side.add(8, Disk())
    for turn in range(bench.size(12, 200)):
        await bench.shell("modprobe virtio_msg_ivshmem &&"
                          f" usleep {turn * 3000 % 100000} &&"
                          " rmmod virtio_msg_ivshmem")
        for device in side.devices.values():
            assert device.status == 0
    await bench.load()
    await side.until_up()


@test_both("/driver/d-06/unbind", ScriptedBench)
async def unbind(bench):
    """Taking the PCI device from the module and giving it back."""
    side = bench.side
    add_devices(side)
    await bench.load()
    await side.until_up()
    driver = await bench.shell(f"readlink -f {FUNCTION}/driver")
    for _ in range(bench.size(3, 50)):
        side.received.clear()
        await bench.shell(f"basename {FUNCTION} >{driver}/unbind")
        check_reset(side)
        assert await bench.virtio_devices() == []
        await bench.shell(f"basename {FUNCTION} >{driver}/bind")
        await side.until_up()
    await bench.read_rng()


@test_both("/driver/d-06/remove-and-rescan", ScriptedBench)
async def remove_and_rescan(bench):
    """Removing the PCI device itself, and finding it again."""
    side = bench.side
    add_devices(side)
    await bench.load()
    await side.until_up()
    for _ in range(bench.size(3, 50)):
        side.received.clear()
        await bench.shell(f"echo 1 >{FUNCTION}/remove")
        check_reset(side)
        assert await bench.virtio_devices() == []
        await bench.shell("echo 1 >/sys/bus/pci/rescan")
        await side.until_up()
    await bench.read_rng()


@test_both("/driver/d-06/removed-under-a-mount", ScriptedBench)
async def removed_under_a_mount(bench):
    """A disk that is mounted when the PCI device goes: what holds it can let go
    later, and then it works again."""
    side = bench.side
    side.add(1, Disk(4 << 20))
    await bench.load()
    await side.until_up()
    await bench.until_disk()
    await bench.shell(f"mke2fs -F {VDA} >/dev/null 2>&1 &&"
                      f" modprobe ext4 && mount -t ext4 {VDA} /mnt &&"
                      " echo text >/mnt/file && sync")
    driver = await bench.shell(f"readlink -f {FUNCTION}/driver")
    await bench.shell(f"basename {FUNCTION} >{driver}/unbind")
    assert side.devices[1].status == 0
    await bench.shell("umount /mnt")
    await bench.shell(f"basename {FUNCTION} >{driver}/bind")
    await side.until_up()
    await bench.until_disk()
    await bench.shell(f"mount -t ext4 -o ro {VDA} /mnt &&"
                      " grep -q text /mnt/file; status=$?; umount /mnt;"
                      " exit $status")


@test_both("/driver/d-06/unload-while-asking", ScriptedBench)
async def unload_while_asking(bench):
    """A device that says late what it is, when all devices are to go, is not
    used any more: its driver would wait for what does not come."""
    side = bench.side
    side.add(1, Rng())
    disk = side.add(2, Disk())
    disk.paused = True
    side.script = keep = Keep(side, to(wire.GET_DEVICE_INFO, 2))
    await bench.load(timeout_ms=60000)
    await keep.wait_for(1)
    await bench.change(timeout_ms=500)
    job = bench.run("rmmod virtio_msg_ivshmem")
    await bench.logs("requests are still under way")
    keep.release()
    await job.succeed()
    assert not [line for line in bench.log() if "device 2: virtio id" in line]
