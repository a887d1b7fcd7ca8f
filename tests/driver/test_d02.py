# SPDX-License-Identifier: GPL-2.0-or-later
"""D-02: devices do not wait for each other; a response is matched by token,
and a late or foreign one is dropped."""

import wire
from bench import VDB, ScriptedBench
from devices import Disk, Rng
from harness import test_both
from patience import PATIENCE, within
from scripts import Keep, to
from wire import le32

# A request of vda or vdb that the kernel waits for
SET_CACHE = "echo 'write through' >/sys/block/{}/cache_type"


async def two_disks(bench):
    """Two block devices in use, numbers 1 and 2, vda and vdb."""
    side = bench.side
    side.add(1, Disk())
    side.add(2, Disk())
    await bench.load()
    await side.until_up()
    # Both must have been looked at for partitions, which needs no requests.
    await bench.until_disk()
    await bench.until_disk(VDB)
    return side


@test_both("/driver/d-02/devices-do-not-wait", ScriptedBench)
async def devices_do_not_wait(bench):
    """While one device leaves a request unanswered, another one is asked and
    answers; then the first one goes on where it was."""
    side = await two_disks(bench)
    keep = side.script = Keep(side, to(wire.SET_CONFIG, 1))
    first = bench.run(SET_CACHE.format("vda"))
    await keep.wait_for(1)
    await bench.shell(SET_CACHE.format("vdb"))
    assert side.devices[2].config[Disk.WRITEBACK] == 0
    assert not first.ended
    keep.release()
    await first.succeed()
    assert "giving" not in "".join(bench.log())


@test_both("/driver/d-02/answers-in-any-order", ScriptedBench)
async def answers_in_any_order(bench):
    """Answers of two devices, the second one's first, find their requests,
    whose tokens differ."""
    side = await two_disks(bench)
    keep = side.script = Keep(side, to(wire.SET_CONFIG))
    jobs = [bench.run(SET_CACHE.format(disk)) for disk in ("vda", "vdb")]
    await keep.wait_for(2)
    assert keep.kept[0].token != keep.kept[1].token
    keep.kept.reverse()
    keep.release()
    for job in jobs:
        await job.succeed()
    for disk in "vda", "vdb":
        assert await bench.shell(f"cat /sys/block/{disk}/cache_type") == \
            "write through"
    assert await bench.dropped() == 0


async def answered_oddly(bench, oddities, drops):
    """Bring a device up where each of its requests gets some odd messages
    before the answer; each of these is dropped."""
    side = bench.side
    side.add(1, Rng())
    side.add(2, Rng())
    sent = []

    def script(request, answers):
        if request.is_bus or request.dev_num != 1:
            return answers
        odd = [m for answer in answers for m in oddities(request, answer)]
        sent.extend(odd)
        return odd + answers

    side.script = script
    await bench.load()
    await side.until_up()
    # Its driver may still be asking this and that.
    async with within(PATIENCE):
        while len(sent) < drops or await bench.dropped() != len(sent):
            await side.ping()
    assert len(await bench.virtio_devices()) == 2
    await bench.read_rng()


@test_both("/driver/d-02/foreign-tokens", ScriptedBench)
async def foreign_tokens(bench):
    """An answer with a token that nobody waits for is dropped."""
    await answered_oddly(
        bench, lambda request, answer: [
            answer.but(token=(request.token + 1) & 0xffff,
                       payload=bytes(len(answer.payload))),
            answer.but(token=0, payload=b"\xff" * len(answer.payload))], 16)


@test_both("/driver/d-02/foreign-answers", ScriptedBench)
async def foreign_answers(bench):
    """The right token is not enough: message, device and kind must match. What
    these say would make a difference."""
    def foreign(_request, answer):
        other = answer.but(payload=b"\xff" * len(answer.payload))
        return [other.but(msg_id=answer.msg_id ^ 1),
                other.but(dev_num=2),
                other.but(type=answer.type | wire.BUS, dev_num=0)]

    await answered_oddly(bench, foreign, 24)


@test_both("/driver/d-02/requests-are-no-answers", ScriptedBench)
async def requests_are_no_answers(bench):
    """What lacks the response bit answers nothing."""
    await answered_oddly(
        bench, lambda request, answer: [
            answer.but(type=answer.type & ~wire.RESPONSE)], 8)


@test_both("/driver/d-02/answered-twice", ScriptedBench)
async def answered_twice(bench):
    """The second answer to a request is dropped."""
    await answered_oddly(bench, lambda request, answer: [answer], 8)


@test_both("/driver/d-02/late-answers", ScriptedBench)
async def late_answers(bench):
    """An answer that comes when nobody waits any longer is dropped, and what
    is being asked at that time is not mistaken for it."""
    side = await two_disks(bench)
    await bench.change(timeout_ms=2000)
    dropped = await bench.dropped()
    keep = side.script = Keep(side, to(wire.SET_CONFIG))
    await bench.shell(SET_CACHE.format("vda"))
    await bench.logs(r"device 1: request 0x06 failed")
    await bench.change(timeout_ms=60000)
    second = bench.run(SET_CACHE.format("vdb"))
    await keep.wait_for(2)
    late, awaited = keep.kept
    side.send(late)
    await side.ping()
    assert await bench.dropped() == dropped + 1
    side.send(awaited)
    await second.succeed()
    assert not any("device 2" in line and "giving" in line
                   for line in bench.log())


@test_both("/driver/d-02/late-answers-of-the-bus", ScriptedBench)
async def late_answers_of_the_bus(bench):
    """The same for the list of devices. A device that did not answer is not
    asked again, but this is, and then only the token tells its answers apart."""
    side = bench.side
    side.add(1, Rng())
    await bench.load(timeout_ms=3000)
    await side.until_up()
    dropped = await bench.dropped()
    keep = side.script = Keep(side, lambda request: request.is_bus and
                              request.msg_id == wire.BUS_GET_DEVICES)
    side.send(wire.event_device(1, wire.DEVICE_ADDED))
    await bench.logs("cannot list the devices")
    side.send(wire.event_device(1, wire.DEVICE_ADDED))
    await keep.wait_for(2)
    late, awaited = keep.kept
    # This one knows of no device at all.
    side.send(late.but(payload=late.payload[:6] + bytes(50)))
    await side.ping()
    assert await bench.dropped() == dropped + 1
    side.send(awaited)
    await bench.read_rng()


@test_both("/driver/d-02/reserved-bits", ScriptedBench)
async def reserved_bits(bench):
    """Reserved bits of the type, and more bytes than the message needs, are no
    reason to drop an answer. Only where the wire is known: it is the sizes that
    would tell."""
    side = bench.side
    side.add(1, bench.short_lived())

    def script(_request, answers):
        return [a.but(type=a.type | 0xfc, payload=a.payload.ljust(
                    wire.MAX_PAYLOAD, b"\xee")) for a in answers]

    side.script = script
    await bench.load(wire=side.wire)
    await side.until_up()
    assert await bench.dropped() == 0


@test_both("/driver/d-02/ping", ScriptedBench)
async def ping(bench):
    """The driver side answers a PING, with its token and its data."""
    side = bench.side
    await bench.load()
    for token, data in (0, 0), (7, 0xffffffff), (0xffff, 0x01020304):
        side.received.clear()
        side.send(wire.Message(wire.BUS, wire.BUS_PING, 0, token, le32(data)))
        answer = wire.Message(wire.BUS | wire.RESPONSE, wire.BUS_PING, 0,
                              token, le32(data))
        await side.until(lambda m=answer: m in side.received, "the answer")
