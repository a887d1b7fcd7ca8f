# SPDX-License-Identifier: GPL-2.0-or-later
"""D-11: VIRTIO_F_NOTIF_CONFIG_DATA is not accepted, and
VIRTIO_F_NOTIFICATION_DATA only with 2026."""

import wire
from bench import ScriptedBench
from devices import F_NOTIF_CONFIG_DATA, F_NOTIFICATION_DATA, Rng
from harness import test_both
from wires import WIRE_2026


@test_both("/driver/d-11/notification-data", ScriptedBench)
async def notification_data(bench):
    """What is accepted, and what EVENT_AVAIL says then."""
    side = bench.side
    device = side.add(1, Rng())
    device.features |= F_NOTIFICATION_DATA | F_NOTIF_CONFIG_DATA
    await bench.load()
    await side.until_up()
    await bench.read_rng(512)
    assert not device.driver_features & F_NOTIF_CONFIG_DATA
    # Linux 6.1 does not know of it.
    accepted = side.wire is WIRE_2026 and bench.kernel.name != "bookworm"
    assert bool(device.driver_features & F_NOTIFICATION_DATA) == accepted
    said = [m.unpack_le32()[1] for m in side.requests(wire.EVENT_AVAIL, 1)]
    assert said == [(i if accepted else 0) for i in range(1, len(said) + 1)]
    assert len(said) >= 2
