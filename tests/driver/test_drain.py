# SPDX-License-Identifier: GPL-2.0-or-later
"""How requests are failed whose device has gone, whatever their driver does
meanwhile and whatever its machine is like."""

import asyncio
import os
import struct
import subprocess

import wire
from bench import VDA, VDB, ScriptedBench
from devices import F_FLUSH, SECTOR, Device, Disk, Requeue, Rng
from harness import Skip, test
from test_gone import HoldingDisk, fail, held_disk, read, write

F_IN_ORDER = 1 << 35
USED_NO_NOTIFY = 1


@test("/driver/drain/in-order", ScriptedBench)
async def in_order(bench):
    """A device that may leave out used entries is not allowed to."""
    side = bench.side
    disk = side.add(1, Disk())
    disk.features |= F_IN_ORDER
    await bench.load()
    await side.until_up()
    assert disk.driver_features & F_FLUSH
    assert not disk.driver_features & F_IN_ORDER
    await bench.until_disk()
    await bench.shell(f"{write(1)} && {read(1)}")


class AbsentDisk(HoldingDisk):
    """A disk that keeps what concerns some sectors for later."""

    def __init__(self):
        super().__init__()
        self.kept = {}

    def hold(self, sector, head, buffers):
        self.kept[sector] = head, buffers


@test("/driver/drain/done-without-a-word", ScriptedBench)
async def done_without_a_word(bench):
    """A request that a device has completed before it goes has worked, also if
    there was no time to say so; the others have not."""
    side = bench.side
    disk = side.add(1, AbsentDisk())
    await bench.load()
    await side.until_up()
    await bench.until_disk()
    blocks = range(6)
    disk.held = {block * 4096 // SECTOR for block in blocks}
    jobs = [bench.run((write if block % 2 else read)(block))
            for block in blocks]
    await side.until(lambda: len(disk.kept) == len(jobs), "requests to keep")
    for block in 2, 3, 4:
        head, buffers = disk.kept[block * 4096 // SECTOR]
        disk.queues[0].push(head, disk.process(buffers))
    side.unplug(1)
    for job in jobs[2:5]:
        await job.succeed()
    await fail(jobs[:2] + jobs[5:])
    assert not [line for line in bench.log() if "not a head" in line]


@test("/driver/drain/nonsense-after-what-is-done", ScriptedBench)
async def nonsense_after_what_is_done(bench):
    """What a device has completed before it goes has worked, and what it has
    written to the used ring after that keeps nobody waiting."""
    side = bench.side
    for nonsense in 0xffffffff, 63, None:
        disk = side.add(1, AbsentDisk())
        await bench.load()
        await side.until_up()
        await bench.until_disk()
        disk.held = {block * 4096 // SECTOR for block in range(4)}
        jobs = [bench.run((write if block % 2 else read)(block))
                for block in range(4)]
        await side.until(lambda kept=disk.kept: len(kept) == 4,
                         "requests to keep")
        head, buffers = disk.kept[0]
        disk.queues[0].push(head, disk.process(buffers))
        # The same one again, or none at all
        disk.queues[0].push(head if nonsense is None else nonsense, 1)
        side.unplug(1)
        await jobs[0].succeed()
        await fail(jobs[1:])
        await bench.unload()
        side.fresh()


@test("/driver/drain/put-there-late", ScriptedBench)
async def put_there_late(bench):
    """A request that comes into the queue after all is over ends, too: its driver
    was stopped while it put it there. Here that is the index of the available
    ring, which is held back."""
    side = bench.side
    disk = side.add(1, HoldingDisk())
    await bench.load()
    await side.until_up()
    await bench.until_disk()
    disk.held = {0, 8}
    first = bench.run(read(0))
    await side.until(lambda: disk.holds == 1, "a request to hold")

    _, driver, device = disk.queues[0].addresses
    memory = side.memory
    before, = memory.unpack("<H", driver + 2)
    memory.write(device, wire.le16(USED_NO_NOTIFY))
    late = bench.run(write(1))
    while memory.unpack("<H", driver + 2)[0] == before:
        await asyncio.sleep(0.01)
    after, = memory.unpack("<H", driver + 2)
    assert after == (before + 1) % 0x10000
    memory.write(driver + 2, wire.le16(before))
    side.unplug(1)
    await fail([first])
    # Nothing tells of the end of what ended the first one.
    await asyncio.sleep(1)
    assert not late.ended
    memory.write(driver + 2, wire.le16(after))
    await fail([late])
    await bench.logs("device 1: removed")


@test("/driver/drain/queue-begins-anew", ScriptedBench)
async def queue_begins_anew(bench):
    """What is in a queue that was reset, and used again, is failed like all
    else; what was there before is not."""
    side = bench.side
    device = side.add(1, Requeue())
    await bench.shell("modprobe virtio_requeue")
    await bench.load()
    await side.until_up()
    files = "/sys/bus/virtio/drivers/virtio_requeue/virtio*"
    # They come after the driver has said that it is ready.
    await bench.until(f"[ -e {files}/add ]")
    for wanted in range(1, 6):
        await bench.shell(f"echo 1 >$(echo {files}/add)")
        await side.until(lambda wanted=wanted: device.holds == wanted,
                         "a request to hold")
    before = device.queues[0]
    await bench.shell(f"echo 16 >$(echo {files}/resize)")
    assert device.queues[0] is not before and device.queues[0].size == 16
    for wanted in range(6, 9):
        await bench.shell(f"echo 1 >$(echo {files}/add)")
        await side.until(lambda wanted=wanted: device.holds == wanted,
                         "a request to hold")
    side.unplug(1)
    await bench.logs("virtio_requeue .*: 8 requests: 3 ended, 3 of them failed,"
                     " 5 recycled, 0 left")
    await bench.shell("rmmod virtio_requeue")


class FileSystem(Device):
    """A shared file system that answers nothing."""

    device_id = 26
    num_queues = 2

    def __init__(self):
        super().__init__(b"drain".ljust(36, b"\0") + wire.le32(1))
        self.holds = 0

    def serve(self, index):
        self.holds += len(list(self.queues[index].chains()))


@test("/driver/drain/taken-by-others", ScriptedBench)
async def taken_by_others(bench):
    """Requests also end whose driver does not take them in its callback, but has
    a worker do so."""
    side = bench.side
    device = side.add(1, FileSystem())
    await bench.shell("modprobe virtiofs")
    await bench.load()
    await side.until_up()
    job = bench.run("mount -t virtiofs drain /mnt && ls /mnt")
    await side.until(lambda: device.holds, "a request to hold")
    side.unplug(1)
    await fail([job])
    await bench.logs("device 1: removed")
    await bench.shell("! grep -q ' /mnt ' /proc/mounts || umount /mnt")


class Vsock(Device):
    """The other end of sockets, from which connections come without end, all to
    a port where nobody listens. Each is refused, by a packet back."""

    device_id = 19
    num_queues = 3
    CID = 3
    RX, TX = 0, 1
    HEADER = struct.Struct("<QQIIIHHIII")
    REQUEST, RST = 1, 3
    STREAM = 1

    def __init__(self):
        super().__init__(wire.le64(self.CID))
        self.refused = 0
        self.asked = 0

    def serve(self, index):
        if index == self.TX:
            self._take_answers()
        if index in (self.RX, self.TX):
            self._ask()

    def _take_answers(self):
        queue = self.queues[self.TX]
        done = False
        for head, buffers in queue.chains():
            words = self.HEADER.unpack(self.side.memory.read(
                buffers[0].address, self.HEADER.size))
            self.refused += words[6] == self.RST
            queue.push(head, 0)
            done = True
        if done:
            self.side.send(wire.event(wire.EVENT_USED, self.number, self.TX))

    def _ask(self):
        queue = self.queues[self.RX]
        done = False
        for head, buffers in queue.chains():
            self.asked += 1
            self.side.memory.write(buffers[0].address, self.HEADER.pack(
                2, self.CID, self.asked & 0xffff, 1234, 0, self.STREAM,
                self.REQUEST, 0, 1 << 16, 0))
            queue.push(head, self.HEADER.size)
            done = True
        if done:
            self.side.send(wire.event(wire.EVENT_USED, self.number, self.RX))


class PreemptedBench(ScriptedBench):
    """A machine whose kernel stops tasks wherever they are."""

    arguments = "preempt=full"


@test("/driver/drain/vsock", PreemptedBench)
async def vsock(bench):
    """A device goes while its driver, with mutexes and preempted all the time,
    is in the middle of using its queues."""
    side = bench.side
    await bench.shell("mount -t debugfs debugfs /sys/kernel/debug")
    if "(full)" not in await bench.shell(
            "cat /sys/kernel/debug/sched/preempt 2>/dev/null || true"):
        await bench.shell("umount /sys/kernel/debug")
        raise Skip("this kernel does not know preempt=full")
    await bench.shell("umount /sys/kernel/debug")
    await bench.shell("modprobe vmw_vsock_virtio_transport")
    await bench.load()
    # They sleep for a moment, run for a moment, and come before all others.
    await bench.shell("touch /run/preempt")
    hogs = [bench.run("chrt -f 50 sh -c 'while [ -e /run/preempt ]; do"
                      " usleep 200; done'") for _ in range(3)]
    for i in range(bench.size(5, 100)):
        device = side.plug(1, Vsock())
        await side.until(lambda device=device: device.refused > 200,
                         "refused connections")
        side.unplug(1)
        await bench.logs("device 1: removed", count=i + 1)
    await bench.shell("rm /run/preempt")
    for hog in hogs:
        await hog.wait()
    assert not [line for line in bench.log()
                if "not a head" in line or "cannot be failed" in line]


@test("/driver/drain/worker-of-its-own", ScriptedBench)
async def worker_of_its_own(bench):
    """What fails requests has a thread that is there from the beginning: a new
    one takes memory, which may be what waits for these requests."""
    await bench.load()
    workers = await bench.shell("cat /proc/[0-9]*/comm 2>/dev/null |"
                                " grep -c '^\\(kworker/R-\\)\\?virti' || true")
    assert workers == "1", f"{workers} workers"


class NotProvenBench(ScriptedBench):
    """A machine on which requests cannot be failed."""

    async def settle(self):
        # What waits for ever does so until the machine ends.
        await self.machine.read_log()
        if reports := self.machine.reports(self._log_start):
            raise AssertionError("the kernel reports: " + "\n".join(reports))
        await self.drop_machine()


class SwapBench(NotProvenBench):
    """A machine that ends up without the disk that it swaps to."""


class SwapDisk(HoldingDisk):
    """A disk to which writes can be stopped."""

    def __init__(self):
        super().__init__(64 << 20)
        self.stopped = False

    def is_held(self, kind, _sector):
        return self.stopped and kind == self.WRITE


# KiB of memory that the kernel keeps free, and that are left for it
RESERVE, LEFT = 40960, 32768


@test("/driver/drain/swap", SwapBench)
async def swap(bench):
    """The disk that memory is swapped out to goes while it is: to fail its
    requests takes no memory that would have to be swapped out."""
    side = bench.side
    disk = side.add(1, SwapDisk())
    await bench.load()
    await side.until_up()
    await bench.until_disk()
    await bench.shell(f"mkswap {VDA} >/dev/null && swapon {VDA}")
    disk.stopped = True
    await bench.shell("echo 200 >/proc/sys/vm/swappiness &&"
                      f" echo {RESERVE} >/proc/sys/vm/min_free_kbytes &&"
                      " mkdir /run/full &&"
                      " mount -t tmpfs -o size=100% tmpfs /run/full")
    free = int(await bench.shell(
        "sed -n 's/^MemFree: *\\([0-9]*\\).*/\\1/p' /proc/meminfo"))
    # Pages of zeros are not written at all.
    job = bench.run("yes 0123456789abcdef | dd of=/run/full/data bs=64k"
                    f" count={(free - LEFT) // 64} iflag=fullblock 2>/dev/null")
    await side.until(lambda: disk.holds >= 8, "pages to be swapped out")
    side.unplug(1)
    await bench.logs("device 1: removed")
    await bench.shell("echo 4096 >/proc/sys/vm/min_free_kbytes")
    await job.wait()
    await bench.logs("Write-error on swap-device")


class IommuBench(NotProvenBench):
    """A machine with an IOMMU between its memory and the functions."""

    arguments = "intel_iommu=on"

    def adjust(self, command):
        if self.kernel.arch == "amd64":
            return command[:1] + ["-device", "intel-iommu"] + command[1:]
        machine = command.index("-M") + 1
        return (command[:machine] + [command[machine] + ",iommu=smmuv3"]
                + command[machine + 1:])


class BlindDisk(Disk):
    """A disk that leaves its queue alone: it does not know the IOMMU's tables."""

    def serve(self, index):
        pass


@test("/driver/drain/iommu", IommuBench)
async def iommu(bench):
    """Behind an IOMMU no memory is written to that may be somebody else's."""
    side = bench.side
    side.add(1, BlindDisk())
    await bench.load()
    await side.received_one(wire.EVENT_AVAIL, 1)
    await bench.logs("device 1: its DMA addresses.* cannot be failed")
    side.unplug(1)
    await bench.logs("device 1: .*requests are left that cannot be failed")


class PassThroughBench(IommuBench):
    """A machine whose IOMMU lets addresses pass as they are."""

    arguments = "intel_iommu=on iommu.passthrough=1"


@test("/driver/drain/iommu-passthrough", PassThroughBench)
async def iommu_passthrough(bench):
    """An IOMMU that translates nothing is not in the way."""
    side, _, jobs = await held_disk(bench)
    side.unplug(1)
    await fail(jobs)
    assert not [line for line in bench.log() if "cannot be failed" in line]


def without_room(tree):
    """A devicetree up to its strings, which come last. Linux takes 2 MiB of one
    at most, and QEMU adds as much again to what it has added before."""
    size = sum(struct.unpack_from(">I", tree, where)[0] for where in (12, 32))
    return tree[:4] + struct.pack(">I", size) + tree[8:size]


class NonCoherentBench(NotProvenBench):
    """A machine in which no function's DMA is coherent, by what the devicetree
    says; the machine itself does not keep anybody's caches apart."""

    COHERENT = b"dma-coherent\0"

    def adjust(self, command):
        if self.kernel.arch != "arm64":
            return command
        tree = os.path.join(self.directory, "machine.dtb")
        machine = command.index("-M") + 1
        # What a machine with these has, but for what is on its buses
        options = ["-M", command[machine].split(",memory-backend=")[0]
                   + f",dumpdtb={tree}"]
        for name in "-cpu", "-smp", "-m":
            options += [name, command[command.index(name) + 1]]
        options += ["-serial", "null"] * command.count("-serial")
        subprocess.run([command[0], "-nodefaults", "-display", "none",
                        *options], check=True, stderr=subprocess.DEVNULL)
        with open(tree, "rb") as file:
            text = without_room(file.read())
        assert text.count(self.COHERENT) == 1
        with open(tree, "wb") as file:
            # The name of a property that nobody knows
            file.write(text.replace(self.COHERENT, self.COHERENT.upper()))
        return command + ["-dtb", tree]


@test("/driver/drain/non-coherent", NonCoherentBench)
async def non_coherent(bench):
    """Where what the CPU writes is not what the device side reads, nothing is
    played to the driver of a device that goes; those that stay work."""
    if bench.kernel.arch != "arm64":
        raise Skip("DMA is coherent on every machine of this architecture")
    side = bench.side
    disk = side.add(1, HoldingDisk())
    side.add(2, Rng())
    side.add(3, Disk())
    await bench.load()
    await side.until_up()
    await bench.until_disk(VDA)
    await bench.until_disk(VDB)
    await bench.logs("device 1: its DMA is not coherent.* cannot be failed")
    await bench.shell(f"{write(1)} && {read(1)}")
    disk.held = {0}
    job = bench.run(read(0))
    await side.until(lambda: disk.holds == 1, "a request to hold")
    side.unplug(1)
    await bench.logs("device 1: .*requests are left that cannot be failed")
    assert not job.ended
    await bench.read_rng()
    await bench.shell(f"dd if={VDB} of=/dev/null bs=4k count=16 iflag=direct"
                      " 2>/dev/null")
