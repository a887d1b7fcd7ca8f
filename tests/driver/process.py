# SPDX-License-Identifier: GPL-2.0-or-later
"""A bench whose device side is the real device process."""

import asyncio
import json
import os
import signal

import machines
from bench import BUILD, QEMU, Bench
from patience import PATIENCE, limit, within

SERVER = os.path.join(BUILD, "host", "contrib", "ivshmem-server",
                      "ivshmem-server")


class QmpError(Exception):
    """A command has failed; the text is QEMU's."""


class DeviceProcess(machines.Process):
    """The device process, without devices at first, and its monitor."""

    def __init__(self, arch, output, unexpected):
        """`arch` is that of the driver machine."""
        super().__init__("device-process", "device", output, unexpected)
        self._arch = arch
        self._output = output
        self._answers = asyncio.Queue()
        self._events = []
        self._event_came = asyncio.Event()
        self._reader = None

    async def run(self, socket, ram, memory_size):
        argv = [QEMU, "-qmp", "stdio", "-M", "virtio-msg", "-display", "none",
                "-nodefaults", *machines.link_server(
                    self._arch, socket, ram, f"{memory_size >> 20}M")]
        await self.start(argv, [ram], stdin=asyncio.subprocess.PIPE,
                         stderr=asyncio.subprocess.PIPE)
        self.show(self.stderr)
        self._reader = asyncio.create_task(self._read())
        await self._answer("the greeting of the device process")
        await self.qmp("qmp_capabilities")

    async def _read(self):
        while line := await self.stdout.readline():
            self._output.log("qmp", "< " + line.decode().rstrip())
            message = json.loads(line)
            if "event" in message:
                self._events.append(message)
                self._event_came.set()
            else:
                self._answers.put_nowait(message)

    async def _answer(self, what):
        try:
            async with within(PATIENCE):
                return await self._answers.get()
        except TimeoutError:
            raise AssertionError(f"no answer to {what}") from None

    async def qmp(self, command, **arguments):
        """Run a command of the monitor; gives what it returns. Underscores in
        the names of arguments stand for hyphens."""
        text = json.dumps({"execute": command, "arguments": {
            name.replace("_", "-"): value
            for name, value in arguments.items()}})
        self._output.log("qmp", "> " + text)
        self.stdin.write(text.encode() + b"\n")
        answer = await self._answer(command)
        if "error" in answer:
            raise QmpError(f"{command}: {answer['error']['desc']}")
        return answer["return"]

    async def deleted(self, name, seconds=PATIENCE):
        """Wait until the device with this id is gone for good."""
        def came():
            return [e for e in self._events if e["event"] == "DEVICE_DELETED"
                    and e["data"].get("device") == name]

        try:
            async with within(seconds):
                while not came():
                    self._event_came.clear()
                    await self._event_came.wait()
        except TimeoutError:
            raise AssertionError(
                f"{name} is still there {limit(seconds)} s after its removal"
            ) from None
        self._events.remove(came()[0])

    async def stop(self):
        await super().stop()
        if self._reader:
            await self._reader

    async def crash(self):
        """End it so that it can do nothing about it."""
        self._ending = True
        os.kill(self.pid, signal.SIGKILL)
        await self.stop()


class ProcessBench(Bench):
    """A bench with QEMU's ivshmem-server and, from each test's begin to its
    end, a device process; to the latter the test adds devices."""

    def __init__(self, kernel, full, output):
        super().__init__(kernel, full, output)
        self.server = machines.IvshmemServer(SERVER, self.directory, output,
                                             self._ended)
        self._started = False
        self.process = None

    async def open_link(self):
        if not self._started:
            await self.server.serve()
            self._started = True
        return self.server.socket

    async def begin(self, seed):
        await super().begin(seed)
        await self.start_process()

    async def start_process(self):
        self.process = DeviceProcess(self.kernel.arch, self.output,
                                     self._ended)
        await self.process.run(self.server.socket, self.ram,
                               self.memory_size)

    async def settle(self):
        await super().settle()
        await self.stop_process()

    async def stop_process(self):
        if self.process:
            await self.process.stop()
            self.process = None

    async def crash_process(self):
        await self.process.crash()
        self.process = None

    async def drop_machine(self):
        await self.stop_process()
        await super().drop_machine()

    async def close(self):
        await self.drop_machine()
        await self.server.stop()
        await super().close()

    # Devices by kind; `name` becomes the id of the device, and `slot` is the
    # number that the driver side sees.

    async def add_rng(self, name, slot):
        await self.process.qmp("device_add", driver="virtio-rng-device",
                               id=name, bus=f"link0.{slot}")

    async def add_disk(self, name, slot, size=16 << 20):
        path = os.path.join(self.directory, name + ".raw")
        with open(path, "ab") as file:
            file.truncate(size)
        await self.process.qmp("blockdev-add", driver="file",
                               node_name=f"{name}-node", filename=path)
        await self.process.qmp("device_add", driver="virtio-blk-device",
                               id=name, drive=f"{name}-node",
                               bus=f"link0.{slot}")

    async def add_net(self, name, slot):
        await self.process.qmp("netdev_add", type="user", id=f"{name}-net")
        await self.process.qmp("device_add", driver="virtio-net-device",
                               id=name, netdev=f"{name}-net",
                               bus=f"link0.{slot}")

    async def remove(self, name):
        """Unplug a device and wait until it is gone, its backend with it."""
        await self.process.qmp("device_del", id=name)
        await self.process.deleted(name)
        nodes = await self.process.qmp("query-named-block-nodes", flat=True)
        if any(node.get("node-name") == f"{name}-node" for node in nodes):
            await self.process.qmp("blockdev-del", node_name=f"{name}-node")
        try:
            await self.process.qmp("netdev_del", id=f"{name}-net")
        except QmpError:
            pass                # It was no network device.
