# SPDX-License-Identifier: GPL-2.0-or-later
"""The device side's end of a link: the server of an ivshmem with one client,
which is the driver machine, and the two queues in its memory."""

import array
import asyncio
import mmap
import os
import socket
import struct

from wire import SLOT_SIZE, Message

MEMORY_SIZE = 4 << 20
NUM_SLOTS = 62
PAGE_SIZE = 0x1000
QUEUES_END = 2 * PAGE_SIZE
# In a page of a queue
HEAD = 0x00
TAIL = 0x40
SLOTS = 0x80
# The block in which both sides leave their ivshmem ids, plus 1
IDS = MEMORY_SIZE - 64
IDS_MAGIC = 0x474d5356
# The ids that the server gives; any two would do.
OWN_ID = 0
DRIVER_ID = 1
DRIVER_VECTORS = 2


def following(index):
    return (index + 1) % NUM_SLOTS


class _Page:
    """One queue. The scripts may write any nonsense to it, so that our own
    index is not read back."""

    def __init__(self, memory, offset):
        self._memory = memory
        self._offset = offset
        self.index = 0

    def get(self, where):
        return struct.unpack_from("<I", self._memory, self._offset + where)[0]

    def put(self, where, value):
        struct.pack_into("<I", self._memory, self._offset + where, value)

    def slot(self, index):
        begin = self._offset + SLOTS + index * SLOT_SIZE
        return slice(begin, begin + SLOT_SIZE)


class Link:
    """Messages to and from the driver machine.

    rung() is called whenever the driver machine rings. What is sent while the
    device queue is full waits, in order, until the driver has made room.
    """

    def __init__(self, directory, rung):
        self.socket = os.path.join(directory, "ivshmem")
        self._rung = rung
        self.rings = 0              # how often the driver machine has rung
        self._file = os.memfd_create("ivshmem")
        os.ftruncate(self._file, MEMORY_SIZE)
        self.memory = mmap.mmap(self._file, MEMORY_SIZE)
        self.driver_queue = _Page(self.memory, 0)
        self.device_queue = _Page(self.memory, PAGE_SIZE)
        self._waiting = []
        self._doorbell = os.eventfd(0, os.EFD_NONBLOCK)
        self._driver_doorbells = [os.eventfd(0, os.EFD_NONBLOCK)
                                  for _ in range(DRIVER_VECTORS)]
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(self.socket)
        self._listener.listen()
        self._client = None
        loop = asyncio.get_running_loop()
        loop.add_reader(self._listener, self._accept)
        loop.add_reader(self._doorbell, self._on_doorbell)
        self.restart()

    def _accept(self):
        """A machine has started; the one before it is gone."""
        if self._client:
            self._client.close()
        self._client, _ = self._listener.accept()
        self._tell(0)                   # the version of the protocol
        self._tell(DRIVER_ID)           # who the client is
        self._tell(-1, self._file)
        self._tell(OWN_ID, self._doorbell)
        for doorbell in self._driver_doorbells:
            self._tell(DRIVER_ID, doorbell)

    def _tell(self, number, descriptor=None):
        ancillary = []
        if descriptor is not None:
            ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS,
                          array.array("i", [descriptor]))]
        self._client.sendmsg([struct.pack("<q", number)], ancillary)

    def _on_doorbell(self):
        os.eventfd_read(self._doorbell)
        self.rings += 1
        self._send_waiting()
        self._rung()

    def restart(self):
        """What a device side does that starts: zero the queues."""
        self.rings = 0
        self._waiting.clear()
        self.memory[:QUEUES_END] = bytes(QUEUES_END)
        self.driver_queue.index = self.device_queue.index = 0
        self.announce()

    def announce(self, own_id=OWN_ID, version=1):
        """Say in the shared memory what our id is."""
        struct.pack_into("<IHHI", self.memory, IDS, IDS_MAGIC, version, 0,
                         own_id + 1)

    def withdraw(self):
        """Leave no word in the block with the ids."""
        self.memory[IDS:] = bytes(MEMORY_SIZE - IDS)

    def driver_id(self):
        """The id that the driver side has left, None where there is none."""
        stored, = struct.unpack_from("<I", self.memory, IDS + 12)
        return stored - 1 if stored else None

    def ring(self):
        os.eventfd_write(self._driver_doorbells[0], 1)

    def receive(self):
        """The messages that the driver has sent."""
        queue = self.driver_queue
        while (head := queue.get(HEAD)) != queue.index:
            if head >= NUM_SLOTS:
                raise AssertionError(f"the driver's head became {head}")
            slot = bytes(self.memory[queue.slot(queue.index)])
            queue.index = following(queue.index)
            queue.put(TAIL, queue.index)
            yield Message.unpack(slot)

    def room(self):
        """How many messages fit into the device queue."""
        queue = self.device_queue
        return (queue.get(TAIL) - queue.index - 1) % NUM_SLOTS

    @property
    def all_read(self):
        """The driver has read all that was sent."""
        return self.room() == NUM_SLOTS - 1 and not self._waiting

    @property
    def backlog(self):
        """How many messages wait for room."""
        return len(self._waiting)

    def send(self, *slots):
        """Send messages, given as bytes of a slot each, and ring once."""
        self._waiting += slots
        self._send_waiting()

    def _send_waiting(self):
        queue = self.device_queue
        count = min(self.room(), len(self._waiting))
        for slot in self._waiting[:count]:
            self.memory[queue.slot(queue.index)] = slot
            queue.index = following(queue.index)
        if count:
            del self._waiting[:count]
            queue.put(HEAD, queue.index)
            self.ring()

    def close(self):
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._listener)
        loop.remove_reader(self._doorbell)
        for descriptor in [self._file, self._doorbell,
                           *self._driver_doorbells]:
            os.close(descriptor)
        if self._client:
            self._client.close()
        self._listener.close()
