# SPDX-License-Identifier: GPL-2.0-or-later
"""D-14: num_feature_blocks beyond what the kernel holds: the rest is
ignored."""

import struct

import wire
from bench import ScriptedBench
from devices import Rng
from harness import test_both


@test_both("/driver/d-14/more-features", ScriptedBench)
async def more_features(bench):
    """A device with more features than the kernel has a place for works; they
    are neither asked for nor set."""
    side = bench.side
    counts = 2, 3, 4, 1000, 0x7ffffff
    for number, blocks in enumerate(counts):
        side.add(number, Rng()).feature_blocks = blocks
    await bench.load()
    await side.until_up()
    await bench.read_rng()
    for msg_id in wire.GET_DEVICE_FEATURES, wire.SET_DRIVER_FEATURES:
        for request in side.requests(msg_id):
            first, count = struct.unpack_from("<II", request.payload)
            assert first + count <= 2, request
