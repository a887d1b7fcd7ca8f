# SPDX-License-Identifier: GPL-2.0-or-later
"""Devices of the scripted device side. By themselves they behave."""

import os
import struct
from dataclasses import dataclass

import wire
from wire import le32, le64

F_FLUSH = 1 << 9            # of a block device
F_CONFIG_WCE = 1 << 11
F_INDIRECT_DESC = 1 << 28
F_VERSION_1 = 1 << 32
F_ACCESS_PLATFORM = 1 << 33
F_NOTIFICATION_DATA = 1 << 38
F_NOTIF_CONFIG_DATA = 1 << 39
F_RING_RESET = 1 << 40

DESC_NEXT = 1
DESC_WRITE = 2
DESC_INDIRECT = 4

SECTOR = 512


class Memory:
    """The driver machine's memory, by its own addresses."""

    def __init__(self, mapping, base):
        self._mapping = mapping
        self.base = base

    def read(self, address, length):
        begin = address - self.base
        return bytes(self._mapping[begin:begin + length])

    def write(self, address, data):
        begin = address - self.base
        self._mapping[begin:begin + len(data)] = data

    def unpack(self, layout, address):
        return struct.unpack(layout, self.read(address,
                                               struct.calcsize(layout)))


@dataclass
class Buffer:
    address: int
    length: int
    writable: bool


class Queue:
    """A split virtqueue."""

    def __init__(self, memory, size, desc, driver, device):
        self.memory = memory
        self.size = size
        self.addresses = desc, driver, device
        self._desc, self._driver, self._device = desc, driver, device
        self._next_avail = self.next_used = 0

    def chains(self):
        """What the driver has made available: each time the index of the head
        and the buffers of the chain."""
        while True:
            index, = self.memory.unpack("<H", self._driver + 2)
            if index == self._next_avail:
                return
            slot = self._driver + 4 + 2 * (self._next_avail % self.size)
            head, = self.memory.unpack("<H", slot)
            self._next_avail = (self._next_avail + 1) % 0x10000
            yield head, self._chain(head)

    def _chain(self, index):
        table, buffers = self._desc, []
        while True:
            address, length, flags, following = self.memory.unpack(
                "<QIHH", table + 16 * index)
            if flags & DESC_INDIRECT:
                table, index = address, 0
                continue
            buffers.append(Buffer(address, length, bool(flags & DESC_WRITE)))
            if not flags & DESC_NEXT:
                return buffers
            index = following

    def push(self, head, written):
        """Give a chain back; `written` says to how many bytes of it."""
        slot = self._device + 4 + 8 * (self.next_used % self.size)
        self.memory.write(slot, le32(head, written))
        self.set_used((self.next_used + 1) % 0x10000)

    def set_used(self, index):
        self.next_used = index
        self.memory.write(self._device + 2, wire.le16(index))


class Device:
    """A device that answers every request as the specification says."""

    device_id = 0
    features = F_VERSION_1 | F_ACCESS_PLATFORM
    feature_blocks = 2
    num_queues = 1
    max_queue_size = 64

    def __init__(self, config=b""):
        self.number = None          # both set by the side that gets it
        self.side = None
        self.config = bytearray(config)
        self.generation = 7         # need not start at 0
        self.resets = 0
        self.served = 0
        self.paused = False         # leaves the rings alone while set
        self.regions = {}           # shmid: (address, length)
        self._forget()
        self._answers = {
            wire.GET_DEVICE_INFO: self._get_device_info,
            wire.GET_DEVICE_FEATURES: self._get_device_features,
            wire.SET_DRIVER_FEATURES: self._set_driver_features,
            wire.GET_CONFIG: self._get_config,
            wire.SET_CONFIG: self._set_config,
            wire.GET_DEVICE_STATUS: self._get_device_status,
            wire.SET_DEVICE_STATUS: self._set_device_status,
            wire.GET_VQUEUE: self._get_vqueue,
            wire.SET_VQUEUE: self._set_vqueue,
            wire.RESET_VQUEUE: self._reset_vqueue,
            wire.GET_SHM: self._get_shm,
        }

    def _forget(self):
        self.status = 0
        self.driver_features = 0
        self.queues = {}

    @property
    def is_up(self):
        """A driver uses the device."""
        return bool(self.status & wire.DRIVER_OK)

    def reset(self):
        self._forget()
        self.resets += 1

    def answer(self, request):
        """The payload of the answer to a request, None for none."""
        function = self._answers.get(request.msg_id)
        return function(request.payload) if function else None

    def _get_device_info(self, _):
        return self.side.wire.info(self)

    def _get_device_features(self, payload):
        first, count = struct.unpack("<II", payload)
        blocks = [self.features & 0xffffffff, self.features >> 32]
        blocks = blocks[first:first + count]
        return le32(first, len(blocks), *blocks)

    def _set_driver_features(self, payload):
        first, count, *blocks = struct.unpack(f"<{len(payload) // 4}I",
                                              payload)
        for i, block in enumerate(blocks[:count], first):
            mask = 0xffffffff << 32 * i
            self.driver_features = (self.driver_features & ~mask
                                    | block << 32 * i)
        return b""

    def _get_config(self, payload):
        offset, length = struct.unpack("<II", payload)
        if offset + length > len(self.config):
            length = 0
        return (le32(self.generation, offset, length)
                + self.config[offset:offset + length])

    def _set_config(self, payload):
        generation, offset, length = struct.unpack_from("<III", payload)
        stale = (self.side.strict_generation
                 and generation != self.generation)
        if stale or offset + length > len(self.config):
            return le32(self.generation, offset, 0)
        data = payload[12:12 + length]
        self.config[offset:offset + length] = data
        return le32(self.generation, offset, length) + data

    def _get_device_status(self, _):
        return le32(self.status)

    def _set_device_status(self, payload):
        status, = struct.unpack("<I", payload)
        if status == 0:
            self.reset()
        else:
            self.status |= status
            if self.driver_features & ~self.features:
                self.status &= ~wire.FEATURES_OK
        return le32(self.status)

    def _get_vqueue(self, payload):
        index, = struct.unpack("<I", payload)
        maximum = self.max_queue_size if index < self.num_queues else 0
        queue = self.queues.get(index)
        return self.side.wire.queue(index, maximum, queue)

    def _set_vqueue(self, payload):
        asked = self.side.wire.read_set_vqueue(payload)
        if asked is None:
            return None
        index, flags, size, addresses = asked
        if (self.side.wire.enables(flags) and index < self.num_queues
                and 0 < size <= self.max_queue_size):
            self.queues[index] = Queue(self.side.memory, size, *addresses)
        return b""

    def _reset_vqueue(self, payload):
        index, = struct.unpack("<I", payload)
        if self.driver_features & F_RING_RESET:
            self.queues.pop(index, None)
        return b""

    def _get_shm(self, payload):
        number, = struct.unpack("<I", payload)
        address, length = self.regions.get(number, (0, 0))
        return self.side.wire.shm(number, length, address)

    def notified(self, index):
        """The driver has sent EVENT_AVAIL."""
        if self.is_up and index in self.queues and not self.paused:
            self.serve(index)

    def serve(self, index):
        """Give back all that is available in a queue."""
        count = 0
        for head, buffers in self.queues[index].chains():
            self.queues[index].push(head, self.process(buffers))
            count += 1
        if count:
            self.served += count
            self.side.send(wire.event(wire.EVENT_USED, self.number, index))

    def process(self, buffers):
        """Do what a chain asks for; gives the number of bytes written."""
        raise NotImplementedError


class Rng(Device):
    """An entropy source."""

    device_id = 4

    def process(self, buffers):
        written = 0
        for buffer in buffers:
            if buffer.writable:
                self.side.memory.write(buffer.address,
                                       os.urandom(buffer.length))
                written += buffer.length
        return written


class Requeue(Device):
    """The device of tests/driver/module/virtio_requeue.c, which keeps all."""

    device_id = 0x7ffd
    features = Device.features | F_RING_RESET

    def __init__(self):
        super().__init__()
        self.holds = 0

    def serve(self, index):
        self.holds += len(list(self.queues[index].chains()))


class Look(Device):
    """The device of tests/driver/module/virtio_look.c, which has no queue."""

    device_id = 0x7ffe
    num_queues = 0


class Disk(Device):
    """A block device in memory."""

    device_id = 2
    features = Device.features | F_FLUSH | F_CONFIG_WCE
    READ, WRITE, FLUSH = 0, 1, 4
    OK, IOERR, UNSUPPORTED = 0, 1, 2
    WRITEBACK = 32              # offset of this byte of the configuration

    def __init__(self, size=1 << 20):
        config = bytearray(le64(size // SECTOR).ljust(60, b"\0"))
        config[self.WRITEBACK] = 1
        super().__init__(config)
        self.contents = bytearray(size)

    def process(self, buffers):
        header, *data, status = buffers
        kind, _, sector = self.side.memory.unpack("<IIQ", header.address)
        verdict, written = self.OK, 0
        position = sector * SECTOR
        if kind not in (self.READ, self.WRITE, self.FLUSH):
            verdict = self.UNSUPPORTED
        elif position + sum(b.length for b in data) > len(self.contents):
            verdict = self.IOERR
        else:
            for buffer in data:
                self._move(buffer, position)
                position += buffer.length
                written += buffer.length if buffer.writable else 0
        self.side.memory.write(status.address, bytes([verdict]))
        return written + 1

    def _move(self, buffer, position):
        end = position + buffer.length
        if buffer.writable:
            self.side.memory.write(buffer.address, self.contents[position:end])
        else:
            self.contents[position:end] = self.side.memory.read(
                buffer.address, buffer.length)
