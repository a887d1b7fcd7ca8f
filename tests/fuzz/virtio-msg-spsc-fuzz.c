/*
 * Fuzzer of the two ends of a virtio-msg message queue against each other
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "fuzz-pages.h"
#include "fuzz-target.h"
#include "virtio_msg_ring.h"

/*
 * A page has a writer and a reader.  QEMU and Linux implement both, and it
 * must not matter which of them is at which end: the same messages go through
 * a page for each of the four combinations, all are disturbed in the same way,
 * and after each step all pages must hold the same bytes and all ends must have
 * come to the same result.
 *
 * An input is a sequence of steps of one byte and what the step takes:
 *
 *   bits 2..0  the step
 *   bits 7..3  see each step
 */
enum {
    STEP_PUT,           /* bits 7..3: how many more; u8 contents */
    STEP_GET,           /* bits 7..3: how many more */
    STEP_INDEX,         /* bit 4: tail, bit 5: u32 instead of u8; the value */
    STEP_BYTES,         /* u16 offset, u8 length, the bytes */
    STEP_ATTACH_WRITER, /* bit 4: zero the page first */
    STEP_ATTACH_READER,
    STEP_RESUME,        /* both ends look whether the page began anew */
    NUM_STEPS,
};

typedef struct End {
    bool linux_side;
    VirtIOMSGRing ring;
    struct virtio_msg_ring linux_ring;
} End;

typedef struct Pair {
    uint8_t *page;
    uint8_t *unused;    /* both always have both directions */
    End writer;
    End reader;
} Pair;

static int from_qemu(VirtIOMSGRingResult ret)
{
    switch (ret) {
    case VIRTIO_MSG_RING_OK:
        return 1;
    case VIRTIO_MSG_RING_BAD_INDEX:
        return -EPROTO;
    default:
        return 0;
    }
}

static void attach_writer(Pair *p, bool zero)
{
    End *end = &p->writer;

    if (zero) {
        memset(p->page, 0, FUZZ_PAGE);
    }
    if (end->linux_side) {
        virtio_msg_ring_use_spsc(&end->linux_ring, p->page, p->unused);
        end->linux_ring.ops->attach(&end->linux_ring);
    } else {
        virtio_msg_ring_init_spsc(&end->ring, p->page, p->unused, false);
        virtio_msg_ring_advance(&end->ring, 0);
    }
}

/*
 * A page that was started anew is gone on with at the index that stands there,
 * or at 0 if that makes no sense.  QEMU's ends see to that whenever they are
 * used, Linux' ends when their caller has them.
 */
static void resume(End *end)
{
    if (!end->linux_side) {
        virtio_msg_ring_advance(&end->ring, 0);
    } else if (end->linux_ring.ops->poll(&end->linux_ring, false) < 0) {
        *end->linux_ring.spsc.tx.own = 0;
        *end->linux_ring.spsc.rx.own = 0;
        end->linux_ring.ops->poll(&end->linux_ring, false);
    }
}

/*
 * Linux' reader drops what is there.  Where the writer's index makes no sense
 * the two differ in where they begin, which is nobody's matter but their own.
 */
static void attach_reader(Pair *p)
{
    End *end = &p->reader;
    uint32_t head;

    memcpy(&head, p->page + VIRTIO_MSG_SPSC_HEAD, sizeof(head));
    if (end->linux_side) {
        virtio_msg_ring_use_spsc(&end->linux_ring, p->unused, p->page);
        end->linux_ring.ops->attach(&end->linux_ring);
    } else {
        if (GUINT32_FROM_LE(head) >= VIRTIO_MSG_SPSC_NUM_SLOTS) {
            memset(p->page + VIRTIO_MSG_SPSC_TAIL, 0, sizeof(head));
        }
        virtio_msg_ring_init_spsc(&end->ring, p->unused, p->page, false);
        virtio_msg_ring_advance(&end->ring, 0);
        virtio_msg_ring_discard(&end->ring);
    }
}

static int put(Pair *p, const u64 *msg)
{
    End *end = &p->writer;
    int room, ret;

    resume(end);
    if (!end->linux_side) {
        return from_qemu(virtio_msg_ring_put(&end->ring, msg, FUZZ_SLOT));
    }

    room = end->linux_ring.ops->room(&end->linux_ring);
    ret = end->linux_ring.ops->put(&end->linux_ring, msg, FUZZ_SLOT);
    if (ret == 0) {
        g_assert_cmpint(room, ==, 1);
        return 1;
    }
    g_assert_cmpint(ret, ==, room ? room : -EAGAIN);
    return room;
}

static int get(Pair *p, u64 *msg)
{
    End *end = &p->reader;
    bool was_full = false;
    int ret;

    resume(end);
    if (!end->linux_side) {
        return from_qemu(virtio_msg_ring_get(&end->ring, msg));
    }

    ret = end->linux_ring.ops->get(&end->linux_ring, msg, &was_full);
    if (ret < 0) {
        g_assert_false(was_full);
        return ret;
    }
    g_assert_true(ret == 0 || ret == FUZZ_SLOT);
    return ret != 0;
}

static void put_all(Pair *pairs, uint8_t fill)
{
    u64 msg[FUZZ_SLOT / sizeof(u64)];
    int ret = 0, i;

    memset(msg, fill, sizeof(msg));
    for (i = 0; i < 4; i++) {
        int one = put(&pairs[i], msg);

        if (i) {
            g_assert_cmpint(one, ==, ret);
        }
        ret = one;
    }
}

static void get_all(Pair *pairs)
{
    u64 msg[4][FUZZ_SLOT / sizeof(u64)];
    int ret = 0, i;

    memset(msg, 0x5a, sizeof(msg));
    for (i = 0; i < 4; i++) {
        int one = get(&pairs[i], msg[i]);

        if (i) {
            g_assert_cmpint(one, ==, ret);
            g_assert(!memcmp(msg[i], msg[0], FUZZ_SLOT));
        }
        ret = one;
    }
}

static void step(Pair *pairs, FuzzInput *in)
{
    uint8_t op = fuzz_u8(in);
    unsigned more = op >> 3, what = (op & 7) % NUM_STEPS, i;
    FuzzPoke poke = { 0 };
    uint8_t fill;

    switch (what) {
    case STEP_PUT:
        fill = fuzz_u8(in);
        for (i = 0; i <= more; i++) {
            put_all(pairs, fill + i);
        }
        break;
    case STEP_GET:
        for (i = 0; i <= more; i++) {
            get_all(pairs);
        }
        break;
    case STEP_INDEX:
        poke = fuzz_poke_index(in, op & 0x10, op & 0x20);
        break;
    case STEP_BYTES:
        poke = fuzz_poke_bytes(in);
        break;
    }
    for (i = 0; i < 4; i++) {
        fuzz_poke(pairs[i].page, &poke);
        if (what == STEP_ATTACH_WRITER) {
            attach_writer(&pairs[i], op & 0x10);
        } else if (what == STEP_ATTACH_READER) {
            attach_reader(&pairs[i]);
        } else if (what == STEP_RESUME) {
            resume(&pairs[i].writer);
            resume(&pairs[i].reader);
        }
        g_assert(!memcmp(pairs[i].page, pairs[0].page, FUZZ_PAGE));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static Pair pairs[4];
    FuzzInput in = { data, size };
    uint8_t *pages[8];
    unsigned i;

    if (!pairs[0].page) {
        fuzz_pages(pages, G_N_ELEMENTS(pages));
        for (i = 0; i < 4; i++) {
            pairs[i].page = pages[2 * i];
            pairs[i].unused = pages[2 * i + 1];
            pairs[i].writer.linux_side = i & 1;
            pairs[i].reader.linux_side = i & 2;
        }
    }

    for (i = 0; i < 4; i++) {
        attach_writer(&pairs[i], true);
        attach_reader(&pairs[i]);
    }
    while (in.left) {
        step(pairs, &in);
    }
    return 0;
}
