# SPDX-License-Identifier: GPL-2.0-or-later
"""Devices of the real device process come and go while they are being used;
the modules stay loaded."""

import asyncio

from bench import VDA, VDB
from harness import test
from process import ProcessBench

# Slots of the link. The first one has a disk that stays.
STAYS, RNG, DISK, NET = range(4)

WRITE = f"dd if=/dev/zero of={VDB} bs=64k count=64 oflag=direct conv=notrunc"
READ = f"dd if={VDB} of=/dev/null bs=64k iflag=direct"
RANDOM = "dd if=/dev/hwrng bs=512 count=1"
PING = "ping -A -c 100 -s 1400 -W 1 10.0.2.2"


def again(command):
    """Do it over and over again until it fails."""
    return f"while {command}; do :; done >/dev/null 2>&1"


async def plug_all(bench):
    """Add a generator, a disk and a network card, and wait until all of them
    work."""
    await bench.add_rng("rng", RNG)
    await bench.add_disk("disk", DISK)
    await bench.add_net("net", NET)
    await bench.until_rng()
    await bench.until_disk(VDB)
    await bench.until("ls -d /sys/bus/virtio/devices/*/net/*")
    net = await bench.shell("basename /sys/bus/virtio/devices/*/net/*")
    await bench.shell(f"udhcpc -f -n -q -t 20 -T 1 -i {net}"
                      " -s /demo/dhcp-event >/dev/null 2>&1")


class OneCpuBench(ProcessBench):
    """Here nobody comes to the help of a task that spins."""

    cpus = 1


async def under_load(bench):
    """All devices but one go at any moment while they are read from and written
    to, and come again; the one that stays does not notice."""
    await bench.add_disk("stays", STAYS)
    await bench.load()
    await bench.until_disk()
    await bench.shell("dd if=/dev/urandom of=/tmp/pattern bs=64k count=16"
                      " 2>/dev/null")
    stays = bench.run("while [ ! -e /tmp/enough ]; do"
                      f" dd if=/tmp/pattern of={VDA} bs=64k oflag=direct"
                      " conv=notrunc 2>/dev/null &&"
                      f" dd if={VDA} bs=64k count=16 iflag=direct 2>/dev/null"
                      " | cmp - /tmp/pattern || exit 1; done")
    for turn in range(bench.size(3, 100)):
        await plug_all(bench)
        jobs = [bench.run(again(command))
                for command in (WRITE, READ, RANDOM, PING)]
        await bench.shell(f"dd if={VDB} of=/dev/null bs=4k count=64"
                          " iflag=direct 2>/dev/null &&"
                          " ping -c 3 -W 20 10.0.2.2 >/dev/null")
        assert not any(job.ended for job in jobs[:2])
        # At whatever is being done just then
        await asyncio.sleep(bench.random.uniform(0, 0.3))
        names = ["rng", "disk", "net"]
        bench.random.shuffle(names)
        await asyncio.gather(*(bench.process.qmp("device_del", id=name)
                               for name in names))
        await bench.logs(r"device [123]: removed", 3 * (turn + 1))
        for job in jobs:
            await job.wait()
        for name in names:
            await bench.process.deleted(name)
        await bench.process.qmp("blockdev-del", node_name="disk-node")
        await bench.process.qmp("netdev_del", id="net-net")
        assert len(await bench.virtio_devices()) == 1
    assert not stays.ended
    await bench.shell("touch /tmp/enough")
    status = await stays.wait()
    await bench.shell("rm /tmp/enough /tmp/pattern")
    assert status == 0, stays.output


test("/driver/hotplug/under-load", ProcessBench)(under_load)
test("/driver/hotplug/under-load-on-one-cpu", OneCpuBench)(under_load)


@test("/driver/hotplug/many-at-once", ProcessBench)
async def many_at_once(bench):
    """Many devices come at once and go at once."""
    await bench.load()
    for turn in range(bench.size(2, 30)):
        slots = range(bench.size(16, 32))
        for slot in slots:
            await bench.add_rng(f"rng{slot}", slot)
        await bench.logs("virtio id 4", len(slots) * (turn + 1))
        await bench.read_rng()
        for slot in slots:
            await bench.process.qmp("device_del", id=f"rng{slot}")
        await bench.logs("removed", len(slots) * (turn + 1))
        for slot in slots:
            await bench.process.deleted(f"rng{slot}")
        assert await bench.virtio_devices() == []


@test("/driver/hotplug/gone-at-once", ProcessBench)
async def gone_at_once(bench):
    """A device goes when it has only just come, and its driver is somewhere
    in its probe; a later one at the same place is found."""
    await bench.load()
    for _ in range(bench.size(15, 300)):
        await bench.add_disk("disk", DISK)
        await asyncio.sleep(bench.random.uniform(0, 0.1))
        await bench.remove("disk")
    await bench.add_rng("rng", DISK)
    await bench.logs(f"device {DISK}: virtio id 4")
    await bench.read_rng()
    assert len(await bench.virtio_devices()) == 1


@test("/driver/hotplug/while-mounted", ProcessBench)
async def while_mounted(bench):
    """A disk goes while it is mounted and written to; once it has been let go
    it comes again, with what was on it."""
    await bench.load()
    await bench.shell("modprobe ext4")
    for turn in range(bench.size(2, 50)):
        await bench.add_disk("disk", DISK)
        await bench.until_disk()
        if turn == 0:
            await bench.shell(f"mke2fs -F {VDA} >/dev/null 2>&1")
        await bench.shell(f"mount -t ext4 {VDA} /mnt")
        if turn:
            await bench.shell("[ \"$(cat /mnt/file)\" = first ]")
        else:
            await bench.shell("echo first >/mnt/file && sync")
        job = bench.run("while dd if=/dev/zero of=/mnt/zeros bs=64k count=64"
                        " conv=fsync; do :; done 2>/dev/null")
        await bench.shell("cat /mnt/file")
        await bench.remove("disk")
        await bench.logs(f"device {DISK}: removed", turn + 1)
        await job.wait()
        await bench.shell("umount /mnt")


@test("/driver/hotplug/across-a-reload", ProcessBench)
async def across_a_reload(bench):
    """What has come and gone while no module was loaded is found as it is."""
    await bench.add_rng("rng", RNG)
    await bench.load()
    await bench.logs(f"device {RNG}: virtio id 4")
    await bench.unload()
    await bench.remove("rng")
    await bench.add_disk("disk", DISK)
    await bench.load()
    await bench.logs(f"device {DISK}: virtio id 2")
    await bench.until_disk()
    assert len(await bench.virtio_devices()) == 1
    await bench.shell(f"dd if={VDA} of=/dev/null bs=64k count=16 2>&1")
