# SPDX-License-Identifier: GPL-2.0-or-later
"""D-09: GET_CONFIG is cut into pieces that fit; when two pieces show different
generations the whole read starts again, at most 5 times."""

import wire
from bench import ScriptedBench
from devices import Look
from harness import test_both

# What the driver of the tests reads in one go
SIZE = 60
TRIES = 5


async def look(bench, parameters=""):
    """A device with a configuration that does not fit a message, and a driver
    that has read it."""
    device = bench.side.add(1, Look())
    device.config = bytearray(bench.random.randbytes(SIZE))
    await bench.shell(f"modprobe virtio_look config={SIZE}")
    await bench.load(**({"max_msg": parameters} if parameters else {}))
    return device


def pieces(side):
    """The (offset, length) of each GET_CONFIG."""
    return [m.unpack_le32() for m in side.requests(wire.GET_CONFIG)]


async def leave(bench):
    await bench.unload()
    await bench.shell("rmmod virtio_look")


async def in_pieces(bench, parameter, room):
    """All of it comes, in the order in which it is there, in messages of the
    size that they may have."""
    side = bench.side
    device = await look(bench, parameter)
    await bench.logs(f"configuration {device.config.hex()}")
    assert pieces(side) == [(offset, min(room, SIZE - offset))
                            for offset in range(0, SIZE, room)]
    await leave(bench)


@test_both("/driver/d-09/in-pieces", ScriptedBench)
async def usual_pieces(bench):
    """As many bytes at once as fit a message of the usual size."""
    usual = {"2025": 48, "2026": 64}[str(bench.side.wire)]
    await in_pieces(bench, "", usual - 20)


@test_both("/driver/d-09/other-pieces", ScriptedBench)
async def other_pieces(bench):
    """The same with messages of another size."""
    await in_pieces(bench, 55, 55 - 20)


def changing(side, device, times):
    """A script: so many times all changes after the first piece was read."""
    left = [times]

    def script(request, answers):
        if (request.is_transport(wire.GET_CONFIG)
                and request.unpack_le32()[0] == 0 and left[0]):
            # What was answered is of before.
            left[0] -= 1
            device.generation += 1
            device.config = bytearray(byte ^ 0xff for byte in device.config)
        return answers
    return script


@test_both("/driver/d-09/changes-meanwhile", ScriptedBench)
async def changes_meanwhile(bench):
    """Pieces of different generations are not put together: it is read again
    from the start, as often as it takes, up to a limit."""
    side = bench.side
    for times in 1, TRIES - 1:
        side.fresh()
        device = side.add(1, Look())
        side.script = changing(side, device, times)
        device.config = bytearray(bench.random.randbytes(SIZE))
        before = bytes(device.config)
        await bench.shell(f"modprobe virtio_look config={SIZE}")
        await bench.load()
        after = before if times % 2 == 0 else bytes(b ^ 0xff for b in before)
        await bench.logs(f"configuration {after.hex()}")
        starts = [offset for offset, _ in pieces(side)].count(0)
        assert starts == times + 1, pieces(side)
        await leave(bench)


@test_both("/driver/d-09/never-stands-still", ScriptedBench)
async def never_stands_still(bench):
    """A device whose configuration changes all the time is given up after the
    fifth try."""
    side = bench.side
    device = side.add(1, Look())
    side.script = changing(side, device, 100)
    device.config = bytearray(SIZE)
    await bench.shell(f"modprobe virtio_look config={SIZE}")
    await bench.load()
    await bench.logs("configuration, it never stands still, giving")
    assert [offset for offset, _ in pieces(side)].count(0) == TRIES
    await bench.logs(f"configuration {bytes(SIZE).hex()}")
    await leave(bench)
