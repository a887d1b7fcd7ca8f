# SPDX-License-Identifier: GPL-2.0-or-later
"""The scripted device side: it answers as the specification says, until a test
puts a script in between."""

import asyncio
import itertools

import wire
from link import Link
from patience import limit, within
from wire import Message
from wires import WIRE_2025

# The addresses that a device number can have
NUM_DEVICES = 65536


def honest(_request, answers):
    """The script that changes nothing."""
    return answers


class Side:
    """A link and the devices on it.

    script(request, answers) sees every request with the answers that it would
    get, one or none, and gives those that it does get. A script can so drop,
    change, keep and add.

    `wire` is what it speaks, and stays; the rest of what it is ends with
    fresh().
    """

    wire = WIRE_2025

    def __init__(self, directory):
        self.link = Link(directory, self._rung)
        self.memory = None          # of the driver machine, once it is there
        self._changed = asyncio.Event()
        self.fresh()

    def fresh(self):
        """Be as if just started: no devices, nothing received, no script."""
        self.link.restart()
        self.devices = {}
        self.received = []
        self.fresh_script()
        self.deaf = False
        # What is larger is dropped.
        self.max_size = wire.SLOT_SIZE
        # What is asked for beside the wire: bit 0 of the transport features
        self.feature_strict = False

    @property
    def strict_generation(self):
        """SET_CONFIG with an old generation is refused."""
        return self.wire.strict_generation or self.feature_strict

    def fresh_script(self):
        """Answer as the specification says."""
        self.script = honest

    def restart(self):
        """What happens when the device process starts anew."""
        for device in self.devices.values():
            device.reset()
        self.link.restart()

    def add(self, number, device):
        device.number = number
        device.side = self
        self.devices[number] = device
        return device

    def plug(self, number, device):
        self.add(number, device)
        self.send(wire.event_device(number, wire.DEVICE_ADDED))
        return device

    def unplug(self, number):
        del self.devices[number]
        self.send(wire.event_device(number, wire.DEVICE_REMOVED))

    def send(self, *messages):
        self.link.send(*(message.pack() for message in messages))

    def hear(self):
        """Listen again after `deaf`, to what has come meanwhile, too."""
        self.deaf = False
        self._rung()

    def forget_queue(self):
        """Listen again after `deaf`, without what has come meanwhile."""
        for _ in self.link.receive():
            pass
        self.deaf = False

    def _rung(self):
        if self.deaf:
            return
        messages = list(self.link.receive())
        for i, message in enumerate(messages, 1):
            self.received.append(message)
            # Rings that were given up before we had time for them are no
            # longer the device's.
            if not (message.is_transport(wire.EVENT_AVAIL) and any(
                    m.is_reset(message.dev_num) for m in messages[i:])):
                self._handle(message)
        if messages:
            # The driver may have found its queue full.
            self.link.ring()
            self._changed.set()

    def _handle(self, message):
        if message.type & wire.RESPONSE:
            return
        if message.is_event:
            self._event(message)
            return
        too_large = wire.HEADER.size + len(message.payload) > self.max_size
        payload = None if too_large else self._answer(message)
        answers = [] if payload is None else [message.answer(payload)]
        self.send(*self.script(message, answers))

    def _event(self, message):
        device = self.devices.get(message.dev_num)
        if device and message.is_transport(wire.EVENT_AVAIL):
            device.notified(message.unpack_le32()[0])

    def _answer(self, message):
        if message.is_bus:
            return self._bus_answer(message)
        device = self.devices.get(message.dev_num)
        if device:
            return device.answer(message)
        # Drivers probe with this one.
        return (bytes(self.wire.info_size)
                if message.msg_id == wire.GET_DEVICE_INFO else None)

    def _bus_answer(self, message):
        if message.msg_id == wire.BUS_PING:
            return message.payload
        if message.msg_id != wire.BUS_GET_DEVICES:
            return None
        offset, count = (int.from_bytes(message.payload[i:i + 2], "little")
                         for i in (0, 2))
        return self.window(offset, count)

    def window(self, offset, count, following=None):
        """The payload of an answer to GET_DEVICES; by default, `following` is
        where the next device is."""
        end = offset + count
        bitmap = bytearray((count + 7) // 8)
        for number in self.devices:
            if offset <= number < end:
                bitmap[(number - offset) // 8] |= 1 << (number - offset) % 8
        if following is None:
            further = min((n for n in self.devices if n >= end), default=0)
            following = self.wire.following(further)
        return self.wire.window(offset, count, following, bytes(bitmap))

    def requests(self, msg_id, dev_num=None):
        """The transport messages of one kind that have come."""
        return [m for m in self.received if m.is_transport(msg_id, dev_num)]

    async def until(self, condition, what, seconds=60):
        """Wait until condition() holds, which is looked at whenever messages
        have come."""
        try:
            async with within(seconds):
                while not condition():
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            raise AssertionError(
                f"{what}: not within {limit(seconds)} s") from None

    async def until_up(self, *numbers, seconds=60):
        """Wait until drivers use these devices, or all there are."""
        numbers = numbers or self.devices
        await self.until(
            lambda: all(self.devices[n].is_up for n in numbers),
            f"drivers for the devices {', '.join(map(str, numbers))}", seconds)

    async def received_one(self, msg_id, dev_num=None, seconds=60):
        """Wait for a transport message; gives the first one of the kind."""
        await self.until(lambda: self.requests(msg_id, dev_num),
                         f"message 0x{msg_id:02x}", seconds)
        return self.requests(msg_id, dev_num)[0]

    async def ping(self, seconds=60):
        """Wait until the driver has read all that was sent; gives its answer,
        which is among what was received."""
        token = next(_PING_TOKENS) & 0xffff
        self.send(Message(wire.BUS, wire.BUS_PING, 0, token, b"ping"))
        answer = Message(wire.BUS | wire.RESPONSE, wire.BUS_PING, 0, token,
                         b"ping")
        await self.until(lambda: answer in self.received,
                         "the answer to a PING", seconds)
        return answer

    def close(self):
        self.link.close()


_PING_TOKENS = itertools.count(1)
