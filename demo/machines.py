# SPDX-License-Identifier: GPL-2.0-or-later
"""The processes of the demo and their command lines."""

import asyncio
import contextlib
import os
import shlex

import kernels

GIB = 1 << 30
# Where the RAM of a machine begins, in its own physical addresses. What is
# beyond 2 GiB would be in another place on amd64; no machine has as much.
RAM_BASE = {"arm64": 0x40000000, "amd64": 0}
# That of the device machine
DEVICE_KERNEL = kernels.Kernel("trixie", "arm64")
FIRMWARE = os.path.join(kernels.BUILD, "firmware")
# What the device process speaks unless it is told
DEFAULT_WIRE = "2026"
# Where QEMU puts the ivshmem functions in the device machine.
IVSHMEM1 = "0000:00:03.0"
IVSHMEM2 = "0000:00:04.0"
NIC = "0000:00:02.0"


class Failure(Exception):
    """The demo cannot go on; the text says why."""


def die_with_parent(argv):
    """The command line that also ends when this process is killed."""
    return ["setpriv", "--pdeathsig", "KILL", "--"] + argv


class Process:
    """A child process whose output is shown line by line.

    unexpected(text) is called when it ends before stop() or wait().
    """

    def __init__(self, name, who, output, unexpected):
        self.name = name
        self.who = who
        self._output = output
        self._unexpected = unexpected
        self._process = None
        self._tasks = []
        self._ending = self._stopping = False

    async def start(self, argv, fds=(), stdin=asyncio.subprocess.DEVNULL,
                    stderr=asyncio.subprocess.STDOUT):
        self._output.log(self.name, "$ " + shlex.join(argv))
        self._process = await asyncio.create_subprocess_exec(
            *die_with_parent(argv), stdin=stdin,
            stdout=asyncio.subprocess.PIPE, stderr=stderr,
            pass_fds=fds, start_new_session=True)
        self._tasks.append(asyncio.create_task(self._watch()))

    def show(self, stream, log=None):
        """Show and log each line of a stream of the process."""
        self._tasks.append(asyncio.create_task(
            self._show_lines(stream, log or self.name)))

    async def _show_lines(self, stream, log):
        while line := await _read_line(stream):
            text = line.decode("utf-8", "replace").rstrip("\r\n")
            self._output.log(log, text)
            if not self._stopping:
                self._output.line(self.who, text)

    async def _watch(self):
        status = await self._process.wait()
        if not self._ending:
            self._unexpected(f"{self.name} ended unexpectedly"
                             f" (status {status}), see"
                             f" {self._output.path(self.name)}")

    @property
    def pid(self):
        return self._process.pid

    @property
    def stdin(self):
        return self._process.stdin

    @property
    def stdout(self):
        return self._process.stdout

    @property
    def stderr(self):
        return self._process.stderr

    async def wait(self):
        """Wait for an end that is wanted; gives the exit status."""
        self._ending = True
        return await self._process.wait()

    async def stop(self):
        """End the process, if it still runs, and collect it."""
        self._ending = self._stopping = True
        if self._process is None:
            return
        if self._process.returncode is None:
            self._process.terminate()
            try:
                await asyncio.wait_for(self._process.wait(), 3)
            except asyncio.TimeoutError:
                self._process.kill()
                await self._process.wait()
        # What it said last has come with the end of its output.
        await asyncio.gather(*self._tasks, return_exceptions=True)


async def _read_line(stream):
    """A line of a stream; a line beyond all bounds comes in pieces."""
    try:
        return await stream.readuntil(b"\n")
    except asyncio.IncompleteReadError as end:
        return end.partial
    except asyncio.LimitOverrunError as overrun:
        return await stream.readexactly(overrun.consumed)


class Machine(Process):
    """A virtual machine with a console and a control line.

    The control line is its second serial port. The machine sends lines that
    start with "@@"; answer() waits for one of them, and heard(line), when
    set, sees each one first and may keep it from the queue by returning True.
    """

    def __init__(self, name, output, unexpected, directory):
        super().__init__(name, name, output, unexpected)
        self.control_path = os.path.join(directory, name + ".control")
        self.console_path = os.path.join(directory, name + ".console")
        self.heard = lambda line: False
        self._lines = asyncio.Queue()
        self._server = None
        self._connections = []

    async def boot(self, argv, fds):
        self._server = await asyncio.start_unix_server(
            self._control, self.control_path)
        await self.start(argv, fds)
        self.show(self.stdout)

    async def _control(self, reader, writer):
        self._connections.append(writer)
        while line := await _read_line(reader):
            text = line.decode("utf-8", "replace").strip()
            self._output.log(self.name + "-control", "< " + text)
            if text.startswith("@@") and not self.heard(text[2:]):
                self._lines.put_nowait(text[2:])

    def send(self, command):
        self._output.log(self.name + "-control", "> " + command)
        self._connections[0].write(command.encode() + b"\n")

    def forget_lines(self):
        """Drop what has come and was not waited for."""
        while not self._lines.empty():
            self._lines.get_nowait()

    async def next_line(self):
        line = await self._lines.get()
        if line.startswith("failed "):
            raise Failure(f"{self.name} machine: {line[7:]}")
        return line

    async def answer(self, word):
        """Wait for a line that begins with this word; gives the rest."""
        line = await self.next_line()
        first, _, rest = line.partition(" ")
        if first != word:
            raise Failure(f"{self.name} machine: '{line}' came instead of"
                          f" '{word}'")
        return rest

    async def stop(self):
        await super().stop()
        for writer in self._connections:
            writer.close()
        if self._server:
            self._server.close()
            # Not every version of Python leaves it there.
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.control_path)


class IvshmemServer(Process):
    """QEMU's ivshmem-server, in the foreground: what daemonises has no parent
    whose end it could share."""

    def __init__(self, program, directory, output, unexpected):
        super().__init__("ivshmem-server", "host", output, unexpected)
        self._program = program
        self.socket = os.path.join(directory, "ivshmem")

    async def serve(self):
        """Start, and wait until clients can connect."""
        # The directory of -m gets a file without a name, so that nothing of
        # it can stay behind.
        await self.start([self._program, "-F", "-S", self.socket,
                          "-m", "/dev/shm", "-l", "4M", "-n", "2"])
        self._tasks.append(asyncio.create_task(self._keep(self.stdout)))
        # Nothing is said, nor does anything else happen, when it listens.
        while not _listens(self.socket):
            if self._process.returncode is not None:
                raise Failure("ivshmem-server did not start, see "
                              + self._output.path(self.name))
            await asyncio.sleep(0.005)

    async def _keep(self, stream):
        """Log what the server says, which nobody needs to see."""
        while line := await _read_line(stream):
            self._output.log(self.name,
                             line.decode("utf-8", "replace").rstrip("\n"))


def _listens(path):
    """Whether connections to a Unix socket are taken."""
    accepting = 0x10000
    with open("/proc/net/unix", "rb") as sockets:
        for line in sockets:
            fields = line.rstrip(b"\n").split(maxsplit=7)
            if fields[7:] == [os.fsencode(path)]:
                return int(fields[3], 16) & accepting != 0
    return False


def _machine(arch, name, machine, memory, console, control, options):
    board = {"arm64": ["-M", "virt,gic-version=3" + machine,
                       "-cpu", "neoverse-n1"],
             # Page tables of five levels cost time and are of no use here.
             "amd64": ["-M", "q35" + machine, "-cpu", "max,la57=off",
                       "-L", FIRMWARE]}
    return [kernels.qemu(arch), "-name", name, "-nodefaults", "-no-reboot",
            "-display", "none",
            *board[arch], "-accel", "tcg,thread=multi",
            *memory,
            "-chardev", console, "-serial", "chardev:console",
            "-chardev", f"socket,id=control,path={control}",
            "-serial", "chardev:control",
            *options]


def _shared_ram(name, fd, size="1G"):
    return ["-object", f"memory-backend-file,id={name},size={size},share=on,"
                       f"mem-path=/proc/self/fd/{fd}"]


def _linux(kernel, initrd, arguments):
    port = {"arm64": "ttyAMA", "amd64": "ttyS"}[kernel.arch]
    return ["-kernel", kernel.image, "-initrd", initrd, "-append",
            f"console={port}0 demo.control={port}1 quiet loglevel=4 panic=-1 "
            + arguments]


def driver_machine(kernel, initrd, arguments, console, control, ram, ivshmem,
                   memory="1G", cpus=1):
    """The command line of the driver machine, which boots a kernels.Kernel:
    its RAM, as much as `memory` says, is the file behind the descriptor `ram`,
    IVSHMEM1 comes from the server at `ivshmem`."""
    return _machine(
        kernel.arch, "driver", ",memory-backend=ram",
        ["-m", memory, "-smp", str(cpus)] + _shared_ram("ram", ram, memory),
        console, control,
        ["-netdev", "user,id=nic", "-device", "e1000e,netdev=nic,addr=2,romfile=",
         "-chardev", f"socket,id=ivshmem,path={ivshmem}",
         "-device", "ivshmem-doorbell,chardev=ivshmem,vectors=2,addr=3"]
        + _linux(kernel, initrd, arguments))


def card_machine(kernel, initrd, arguments, console, control, ram, card,
                 devices):
    """The command line of a driver machine with the AMP card instead, whose
    options are `card`, and these devices behind it."""
    return _machine(
        kernel.arch, "driver", ",memory-backend=ram",
        ["-m", "1G", "-smp", "1"] + _shared_ram("ram", ram),
        console, control,
        ["-device", f"virtio-msg-amp-pci,id=amp0,addr=3,{card}", *devices]
        + _linux(kernel, initrd, f"demo.bus=virtio_msg_amp_pci {arguments}"))


def device_machine(initrd, disk, arguments, console, control, ram, ivshmem):
    """The command line of the device machine, which is an arm64 one: IVSHMEM2
    shows the driver machine's RAM."""
    return _machine(
        "arm64", "device", ",iommu=smmuv3", ["-m", "1G"], console, control,
        ["-blockdev", f"driver=file,node-name=disk,filename={disk},"
                      "read-only=on",
         "-device", "virtio-blk-pci,drive=disk,addr=1",
         "-netdev", "user,id=nic", "-device", "e1000e,netdev=nic,addr=2,romfile=",
         "-chardev", f"socket,id=ivshmem,path={ivshmem}",
         "-device", "ivshmem-doorbell,chardev=ivshmem,vectors=2,addr=3"]
        + _shared_ram("driver-ram", ram)
        + ["-device", "ivshmem-plain,memdev=driver-ram,addr=4"]
        + _linux(DEVICE_KERNEL, initrd,
                 f"demo.vfio={IVSHMEM1},{IVSHMEM2} {arguments}"))


def _devices(net, disk, places=("", "", "")):
    """The three devices, each with the options that say where it stands."""
    rng, nic, blk = places
    return ["-object", "rng-random,id=rng0,filename=/dev/random",
            "-device", f"virtio-rng-device,rng=rng0{rng}",
            "-netdev", net,
            # Not the address that QEMU gives the machine's own NIC.
            "-device",
            f"virtio-net-device,netdev=net0,mac=52:54:00:4d:53:47{nic}",
            "-blockdev", f"driver=raw,node-name=disk0,file.driver=file,"
                         f"file.filename={disk}",
            "-device", f"virtio-blk-device,drive=disk0{blk}"]


def device_process(link, net, disk):
    """The options of the device process: a link, and on it the devices."""
    return ["-M", "virtio-msg", "-m", "1G", "-display", "none", "-nodefaults",
            *link, *_devices(net, disk)]


def card_devices(net, disk, fifos):
    """The devices behind a card, each on the next of so many FIFOs."""
    return _devices(net, disk,
                    [f",bus=amp0.{n % fifos}.{n},iommu_platform=on"
                     for n in range(3)])


def _link_options(arch, wire):
    wire = f",wire={wire}" if wire else ""
    return f"mem-offset={RAM_BASE[arch]:#x},reset-queues=on{wire}"


def link_vfio(arch, sysmem_map, wire=None):
    """The link of a device process that has the PCI functions through VFIO;
    `arch` is the driver machine's."""
    return ["-device",
            f"virtio-msg-bus-ivshmem,id=link0,dev={IVSHMEM1},"
            f"sysmem-dev={IVSHMEM2},sysmem-map={sysmem_map},"
            + _link_options(arch, wire)]


def link_server(arch, ivshmem, ram, memory="1G", wire=None):
    """The link of a device process that is a client of the ivshmem server; the
    driver machine is of this architecture and has as much RAM as `memory`
    says."""
    return _shared_ram("mem", ram, memory) + [
        "-chardev", f"socket,id=ivshmem,path={ivshmem}",
        "-device",
        "virtio-msg-bus-ivshmem,id=link0,chardev=ivshmem,memdev=mem,"
        + _link_options(arch, wire)]
