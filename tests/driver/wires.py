# SPDX-License-Identifier: GPL-2.0-or-later
"""The layouts of messages that device sides speak, all as revision 1."""

import struct
from dataclasses import dataclass, field

from wire import le16, le32, le64

SET_VQUEUE_ENABLE = 1
QUEUE_ENABLED = 1


@dataclass(frozen=True)
class Wire:
    """What differs; payloads are made of it, and read."""

    name: str
    info_size: int              # bytes of payload
    queue_size: int
    strict_generation: bool     # SET_CONFIG with an old one is refused
    # The words of 32 bits in the answer to GET_DEVICE_INFO, by name
    info_words: dict = field(compare=False)

    def __str__(self):
        return self.name

    def info(self, device):
        """The payload of the answer to GET_DEVICE_INFO."""
        return self.info_of({"device_id": device.device_id,
                             "vendor_id": 0x1af4,
                             "num_feature_bits": 32 * device.feature_blocks,
                             "num_feature_blocks": device.feature_blocks,
                             "config_size": len(device.config),
                             "max_virtqueues": device.num_queues})

    def info_of(self, values):
        """The same of words by their names, of which it takes those that it has;
        the others are 0."""
        payload = bytearray(self.info_size)
        for name, position in self.info_words.items():
            struct.pack_into("<I", payload, 4 * position, values.get(name, 0))
        return bytes(payload)

    def window(self, offset, count, following, bitmap):
        """The payload of the answer to GET_DEVICES."""
        raise NotImplementedError

    def following(self, number):
        """The next_offset that leads to a device."""
        return number & ~7

    def queue(self, index, maximum, queue):
        """The payload of the answer to GET_VQUEUE; `queue` may be None."""
        size, addresses = ((queue.size, queue.addresses) if queue else
                           (0, (0, 0, 0)))
        return (le32(index, maximum, size, self.queue_flags(queue))
                + le64(*addresses))

    def queue_flags(self, queue):       # pylint: disable=unused-argument
        return 0

    def read_set_vqueue(self, payload):
        """The index, flags, size and addresses; None if it is not one."""
        if len(payload) != 40:
            return None
        index, flags, size, _, *addresses = struct.unpack("<IIIIQQQ", payload)
        return index, flags, size, addresses

    def enables(self, flags):
        """Whether SET_VQUEUE with these is for a queue to be used."""
        return flags == 0

    def shm(self, number, length, address):
        """The payload of the answer to GET_SHM."""
        return le32(number, length, address)


class Wire2026(Wire):
    def window(self, offset, count, following, bitmap):
        return le16(offset, following, count) + bitmap

    def following(self, number):
        return number

    def queue_flags(self, queue):
        return QUEUE_ENABLED if queue else 0

    def enables(self, flags):
        return flags == SET_VQUEUE_ENABLE

    def shm(self, number, length, address):
        return le32(number, 0) + le64(length, address)


class Wire2025(Wire):
    def window(self, offset, count, following, bitmap):
        return le16(offset, count, following) + bitmap


class Wire202507(Wire2025):
    def queue(self, index, maximum, queue):
        payload = super().queue(index, maximum, queue)
        return payload[:12] + payload[16:]

    def read_set_vqueue(self, payload):
        if len(payload) != 36:
            return None
        index, flags, size, *addresses = struct.unpack("<IIIQQQ", payload)
        return index, flags, size, addresses


_WORDS_2025 = {"device_id": 0, "vendor_id": 1, "num_feature_bits": 2,
               "config_size": 3, "max_virtqueues": 4, "admin_vq": 5}

WIRE_2026 = Wire2026("2026", 44, 40, False, {
    "device_id": 0, "vendor_id": 1, "uuid": 2, "num_feature_blocks": 6,
    "config_size": 7, "max_virtqueues": 8, "admin_vq_start": 9,
    "admin_vq_count": 10})
WIRE_2025 = Wire2025("2025", 24, 40, True, _WORDS_2025)
WIRE_2025_07 = Wire202507("2025-07", 24, 36, True, _WORDS_2025)
