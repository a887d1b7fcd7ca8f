# SPDX-License-Identifier: GPL-2.0-or-later
"""What the tests get: a driver machine, and a device side on its link."""

import asyncio
import mmap
import os
import random
import shutil
import subprocess
import tempfile

import kernels
import machines
from devices import Disk, Memory, Rng
from machine import DriverMachine, Failure
from patience import PATIENCE, within
from side import Side

TOP = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
BUILD = os.path.join(TOP, "build")
# The device process
QEMU = kernels.qemu("arm64")

FUNCTION = "/sys/bus/pci/devices/0000:00:03.0"
# In the order in which they can be removed
MODULES = ["virtio_msg_ivshmem", "virtio_msg"]
DRIVERS = ["virtio-rng", "virtio_blk", "virtio_net"]

# The first disks of virtio_blk, and how many minor numbers each has. The nodes
# are our own: where /dev has lost its node, or does not have it yet, writing
# would leave a file, and the node could not come again.
VDA, VDB = "/run/vda", "/run/vdb"
MINORS = 16


class Bench:
    """A driver machine with Debian's kernel, booted when it is first needed
    and again after a test that has left it in doubt.

    Every test begins with no module of ours loaded, and every test ends so:
    settle() sees to that, and has a look at the kernel's log.
    """

    # A directory with the modules to test, if not those of the image
    modules = None

    # CPUs of the machine, and bytes of its memory
    cpus = 2
    memory_size = 256 << 20

    # What its kernel is told besides
    arguments = ""

    def __init__(self, kernel, full, output):
        self.kernel = kernel
        self.full = full
        self.output = output
        self.random = random.Random()
        self.machine = None
        self.broken = None
        self.wire = None            # what a scripted device side speaks
        self.directory = tempfile.mkdtemp(prefix="virtio-msg-driver-")
        self.ram = os.memfd_create("driver-machine-ram")
        os.ftruncate(self.ram, self.memory_size)
        self._log_start = 0

    def size(self, short, full):
        """How much of something to do: in every check, or with --full."""
        return full if self.full else short

    async def open_link(self):
        """Start what serves the ivshmem; gives its socket."""
        raise NotImplementedError

    async def begin(self, seed):
        """Get ready for a test."""
        self.random.seed(seed)
        if self.machine is None:
            await self._boot()
            if reports := self.machine.reports():
                raise AssertionError("the kernel reports at its start: "
                                     + "\n".join(reports))
        self._log_start = len(self.machine.kernel_log)

    async def _boot(self):
        self.broken = asyncio.get_running_loop().create_future()
        self.machine = DriverMachine(self.output, self._ended, self.directory)
        ivshmem = await self.open_link()
        async with within(2 * PATIENCE):
            await self.machine.start_machine(
                self.kernel, self._initrd(), self.ram, ivshmem, self.cpus,
                self.memory_size, self.arguments, self.adjust)
        for driver in DRIVERS:
            await self.shell(f"modprobe {driver}")
        for index, node in enumerate((VDA, VDB)):
            await self.shell(f"mknod {node} b $(sed -n 's/ virtblk$//p'"
                             f" /proc/devices) {index * MINORS}")

    def adjust(self, command):
        """The command line of a machine that is not quite the usual one."""
        return command

    def _initrd(self):
        image = self.kernel.initrd
        if self.modules is None:
            return image
        root = os.path.join(self.directory, "root")
        place = os.path.join("lib/modules", self.kernel.release, "updates")
        os.makedirs(os.path.join(root, place), exist_ok=True)
        names = [f"{module}.ko" for module in MODULES]
        for name in names:
            shutil.copy(os.path.join(self.modules, name),
                        os.path.join(root, place))
        archive = subprocess.run(
            ["cpio", "-o", "-H", "newc", "--quiet"], cwd=root, check=True,
            stdout=subprocess.PIPE,
            input="".join(f"{place}/{name}\n" for name in names).encode())
        # What comes later in an initramfs replaces what came before.
        path = os.path.join(self.directory, "initrd")
        with open(image, "rb") as first, open(path, "wb") as both:
            shutil.copyfileobj(first, both)
            both.write(archive.stdout)
        return path

    def _ended(self, text):
        if not self.broken.done():
            self.broken.set_result(text)

    async def drop_machine(self):
        """Have the next test begin with another machine."""
        if self.machine:
            await self.machine.stop()
            self.machine = None

    async def settle(self):
        """End a test: remove what it has left loaded, look at the log."""
        await self.unload()
        if files := await self.shell("find /dev -type f"):
            raise AssertionError(f"files are left in /dev: {files}")
        await self.machine.read_log()
        if reports := self.machine.reports(self._log_start):
            raise AssertionError("the kernel reports: " + "\n".join(reports))

    def log(self):
        """The lines of the kernel's log since the test began."""
        return self.machine.kernel_log[self._log_start:]

    async def logs(self, pattern, count=1, seconds=PATIENCE):
        """Wait for lines of the log since the test began; gives them."""
        return await self.machine.logs(pattern, self._log_start, count,
                                       seconds)

    async def stuck_tasks(self):
        """The kernel's own words about tasks that sleep and cannot be woken,
        none if it cannot say so any more."""
        start = len(self.machine.kernel_log)
        try:
            async with within(10):
                await self.shell("echo w >/proc/sysrq-trigger")
                await self.machine.read_log()
        except (TimeoutError, AssertionError):
            pass
        return [line for line in self.machine.kernel_log[start:]
                if not line.startswith(("sysrq:", "driver test mark"))]

    # In the driver machine

    def run(self, command):
        return self.machine.run(command)

    async def shell(self, command, seconds=PATIENCE):
        return await self.machine.shell(command, seconds)

    async def load(self, ivshmem="", **parameters):
        """Load the modules, virtio_msg with these parameters, and
        virtio_msg_ivshmem with those that `ivshmem` has as a text."""
        words = " ".join(f"{name}={value}"
                         for name, value in parameters.items())
        await self.shell(f"modprobe virtio_msg {words} &&"
                         f" modprobe virtio_msg_ivshmem {ivshmem}")

    async def change(self, **parameters):
        """Change parameters of virtio_msg, which is loaded."""
        await self.shell(" && ".join(
            f"echo {value} >/sys/module/virtio_msg/parameters/{name}"
            for name, value in parameters.items()))

    async def unload(self, seconds=PATIENCE):
        """Remove the modules that are loaded, the one with the link first and
        with all its devices in use; nothing must be left."""
        for module in MODULES:
            await self.shell(f"! grep -q '^{module} ' /proc/modules ||"
                             f" rmmod {module}", seconds)
        left = await self.shell("ls /sys/bus/virtio/devices")
        if left:
            raise AssertionError(f"devices are left without a link: {left}")

    async def virtio_devices(self):
        """The virtio devices that the kernel has, by name."""
        return (await self.shell("ls /sys/bus/virtio/devices")).split()

    async def dropped(self):
        """How many messages the bus has dropped."""
        return int(await self.shell(f"cat {FUNCTION}/virtio_msg/dropped"))

    async def spoken(self):
        """The wire that the driver side has found out."""
        return await self.shell(f"cat {FUNCTION}/virtio_msg/wire")

    async def uptime(self):
        """Seconds since the machine started."""
        return float(await self.shell("cut -d ' ' -f 1 /proc/uptime"))

    async def until(self, condition):
        """Wait for what nothing announces: a command that succeeds."""
        await self.shell(f"tries=1000; until {condition}; do"
                         " tries=$((tries - 1)); [ $tries -gt 0 ] || exit 1;"
                         " usleep 20000; done 2>/dev/null")

    async def until_disk(self, node=VDA):
        """Wait until the kernel has a disk that can be opened, which is a bit
        after its device is up and the driver has named it in the log."""
        await self.until(f"true <{node}")

    async def until_rng(self):
        """Wait until the kernel has a device as a generator, which is a bit
        after the device is up."""
        await self.until("grep -q virtio_rng"
                         " /sys/class/misc/hw_random/rng_available")

    async def read_rng(self, size=64):
        """Read from the current hwrng; fails unless all of it comes."""
        await self.until_rng()
        said = await self.shell(
            f"dd if=/dev/hwrng bs={size} count=1 iflag=fullblock"
            " 2>/tmp/said | wc -c; cat /tmp/said")
        if said.split()[0] != str(size):
            raise AssertionError(f"the hwrng did not give {size} bytes: {said}")

    async def close(self):
        await self.drop_machine()
        os.close(self.ram)
        shutil.rmtree(self.directory)


class ScriptedBench(Bench):
    """A bench whose device side is this process."""

    def __init__(self, kernel, full, output):
        super().__init__(kernel, full, output)
        self.side = Side(self.directory)
        self.side.memory = Memory(mmap.mmap(self.ram, self.memory_size),
                                  machines.RAM_BASE[kernel.arch])

    async def open_link(self):
        return self.side.link.socket

    def short_lived(self):
        """A device that may go when it has hardly come, again and again: a
        generator, but not on Linux 6.1. The hwrng core there keeps a pointer to
        its thread if the last generator goes before that has run, and ends
        whatever task is at this address when the next one goes."""
        return Disk() if self.kernel.name == "bookworm" else Rng()

    async def until_read(self, generator):
        """Wait until the hwrng core's thread reads from the only generator,
        which may go then: its probe has read once before."""
        await self.side.until(lambda: generator.served >= 2, "a second read")

    async def begin(self, seed):
        self.side.wire = self.wire
        self.side.fresh()
        await super().begin(seed)

    async def close(self):
        await super().close()
        self.side.close()


__all__ = ["Bench", "ScriptedBench", "Failure", "VDA", "VDB"]
