# SPDX-License-Identifier: GPL-2.0-or-later
"""The messages of virtio-msg, as the scripted device side needs them."""

import struct
from dataclasses import dataclass, replace

SLOT_SIZE = 64
HEADER = struct.Struct("<BBHHH")
MAX_PAYLOAD = SLOT_SIZE - HEADER.size

RESPONSE = 0x01
BUS = 0x02
# A msg_id with this bit is an event, which nobody answers.
EVENT = 0x40

GET_DEVICE_INFO = 0x02
GET_DEVICE_FEATURES = 0x03
SET_DRIVER_FEATURES = 0x04
GET_CONFIG = 0x05
SET_CONFIG = 0x06
GET_DEVICE_STATUS = 0x07
SET_DEVICE_STATUS = 0x08
GET_VQUEUE = 0x09
SET_VQUEUE = 0x0a
RESET_VQUEUE = 0x0b
GET_SHM = 0x0c
EVENT_CONFIG = 0x40
EVENT_AVAIL = 0x41
EVENT_USED = 0x42

BUS_GET_DEVICES = 0x02
BUS_PING = 0x03
BUS_EVENT_DEVICE = 0x40

# Type and id of messages that mean something at any time
PING_KEY = (BUS, BUS_PING)
EVENT_DEVICE_KEY = (BUS, BUS_EVENT_DEVICE)

DEVICE_ADDED = 1
DEVICE_REMOVED = 2

ALL_QUEUES = 0xffffffff

# Bits of the device status
ACKNOWLEDGE = 0x01
DRIVER = 0x02
DRIVER_OK = 0x04
FEATURES_OK = 0x08
NEEDS_RESET = 0x40


def le16(*values):
    return struct.pack(f"<{len(values)}H", *values)


def le32(*values):
    return struct.pack(f"<{len(values)}I", *values)


def le64(*values):
    return struct.pack(f"<{len(values)}Q", *values)


@dataclass(frozen=True)
class Message:
    """A message; `size` is what msg_size says, by default the truth."""
    type: int
    msg_id: int
    dev_num: int = 0
    token: int = 0
    payload: bytes = b""
    size: int = -1

    def pack(self):
        """The slot that holds it."""
        size = HEADER.size + len(self.payload) if self.size < 0 else self.size
        header = HEADER.pack(self.type, self.msg_id, self.dev_num, self.token,
                             size)
        return (header + self.payload)[:SLOT_SIZE].ljust(SLOT_SIZE, b"\0")

    @classmethod
    def unpack(cls, slot):
        kind, msg_id, dev_num, token, size = HEADER.unpack_from(slot)
        return cls(kind, msg_id, dev_num, token, slot[HEADER.size:size])

    @property
    def is_bus(self):
        return bool(self.type & BUS)

    @property
    def is_event(self):
        return bool(self.msg_id & EVENT)

    def is_transport(self, msg_id, dev_num=None):
        """Whether it is this transport message, for this device if given."""
        return (not self.is_bus and self.msg_id == msg_id
                and dev_num in (None, self.dev_num))

    def is_reset(self, dev_num=None):
        """Whether it resets a device, this one if given."""
        return (self.is_transport(SET_DEVICE_STATUS, dev_num)
                and self.unpack_le32() == (0,))

    def unpack_le32(self):
        """The payload as integers of 32 bits."""
        return struct.unpack_from(f"<{len(self.payload) // 4}I", self.payload)

    def answer(self, payload):
        return Message(self.type & BUS | RESPONSE, self.msg_id, self.dev_num,
                       self.token, payload)

    def but(self, **fields):
        """The same message with some fields changed."""
        return replace(self, **fields)


def event(msg_id, dev_num, *words):
    return Message(0, msg_id, dev_num, 0, le32(*words))


def event_device(dev_num, state):
    return Message(BUS, BUS_EVENT_DEVICE, 0, 0, le16(dev_num, state))
