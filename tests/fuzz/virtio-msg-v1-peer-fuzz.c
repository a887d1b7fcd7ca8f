/*
 * Fuzzer of the `v1` layout of virtio-msg queues, with a hostile peer
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "fuzz-pages.h"
#include "fuzz-target.h"

/*
 * One side is ours, the other one writes what it likes where it likes, while
 * time passes and messages and notifications are sent and taken.  After each
 * step nothing may have changed that is not ours to write, and what the ring
 * says of itself has to fit what it says in memory.
 *
 * In the end an honest peer starts on what is left, and both have to come up
 * and to exchange messages.
 *
 * An input begins with u8: bit 0 our side, bits 3..1 bits a device, bit 4
 * masks, and u8 notification words.  Then come steps of one byte and what the
 * step takes:
 *
 *   bits 2..0  the step
 *   bits 7..3  see each step
 */
enum {
    STEP_PUT,           /* bits 7..3: how many more; u8 length */
    STEP_GET,           /* bits 7..3: how many more */
    STEP_TIME,          /* bits 7..3, times 100 ms: how much passes */
    STEP_HEAD,          /* bits 4..3 the field, bit 5 ours; u16 the value */
    STEP_LIKELY,        /* bits 5..3: the peer's state; it says all it has to */
    STEP_BYTES,         /* u16 offset, u8 length, the bytes */
    STEP_NOTIFY,        /* bits 5..3: see there; u8 device, u8 queue */
    STEP_CONTROL,       /* bits 6..3: see there */
};

#define HEADER  64

typedef struct World {
    uint8_t *mem;
    bool device;            /* which side is ours */
    VirtIOMSGRing ring;
    VirtIOMSGRingV1Start start;
    int64_t now;
    bool cleaning;          /* it has said DOWN */
    bool off;               /* it will never come up again by itself */
    uint8_t before[FUZZ_PAGE];
} World;

static uint64_t field(const World *w, size_t off, size_t len)
{
    uint64_t val = 0;

    while (len--) {
        val = val << 8 | w->mem[off + len];
    }
    return val;
}

static void set16(World *w, size_t off, uint16_t val)
{
    w->mem[off] = val;
    w->mem[off + 1] = val >> 8;
}

/* Where the ring has things: from what it has checked, not from memory */
static const VirtIOMSGV1Areas *areas_of(const World *w, bool own)
{
    return w->device == own ? &w->ring.v1.layout.dev : &w->ring.v1.layout.drv;
}

static void forget(const World *w, uint8_t *page, const VirtIOMSGV1Areas *a)
{
    const VirtIOMSGV1Layout *layout = &w->ring.v1.layout;

    memset(page + a->head, 0, VIRTIO_MSG_V1_HEAD_SIZE);
    memset(page + a->elements, 0, virtio_msg_v1_elements_size(layout));
    if (layout->notif.words) {
        memset(page + a->notif, 0, virtio_msg_v1_notif_size(layout));
    }
}

/* Nothing but our own areas has changed since @before */
static void check_memory(World *w)
{
    uint8_t now[FUZZ_PAGE], then[FUZZ_PAGE];

    memcpy(now, w->mem, FUZZ_PAGE);
    memcpy(then, w->before, FUZZ_PAGE);
    if (w->ring.v1.own.head) {
        forget(w, now, areas_of(w, true));
        forget(w, then, areas_of(w, true));
    }
    g_assert(!memcmp(now, then, FUZZ_PAGE));
}

static unsigned num(const World *w)
{
    return w->ring.v1.layout.num_elements;
}

static void check_ring(World *w)
{
    bool up = virtio_msg_ring_is_up(&w->ring);

    g_assert_false(up && (w->cleaning || w->off));
    if (up) {
        g_assert_cmpuint(virtio_msg_ring_tx_used(&w->ring), <, num(w));
        g_assert_cmpuint(virtio_msg_ring_rx_used(&w->ring), <, num(w));
        g_assert_cmpuint(w->ring.v1.tail, <, num(w));
        g_assert_cmpuint(w->ring.v1.head, <, num(w));
        g_assert_null(virtio_msg_ring_waits_for(&w->ring));
    } else {
        g_assert_cmpuint(virtio_msg_ring_tx_used(&w->ring), ==, 0);
        g_assert_cmpuint(virtio_msg_ring_rx_used(&w->ring), ==, 0);
        g_assert_cmpint(!virtio_msg_ring_waits_for(&w->ring), ==, w->off);
    }
}

static void took_step(World *w, VirtIOMSGRingStep step, bool was_up)
{
    bool up = virtio_msg_ring_is_up(&w->ring);

    switch (step.event) {
    case VIRTIO_MSG_RING_EVENT_UP:
        g_assert_false(was_up);
        g_assert_true(up);
        g_assert_true(step.ring);
        break;
    case VIRTIO_MSG_RING_EVENT_DOWN:
        g_assert_true(was_up);
        g_assert_false(up);
        g_assert_true(step.ring);
        g_assert_cmpint(step.cause, !=, VIRTIO_MSG_RING_CAUSE_NONE);
        g_assert_nonnull(virtio_msg_ring_cause_text(step.cause));
        w->cleaning = true;
        break;
    case VIRTIO_MSG_RING_EVENT_REWRITTEN:
        g_assert_true(w->device);
        g_assert_false(up);
        break;
    case VIRTIO_MSG_RING_EVENT_REFUSED:
        g_assert_false(w->device);
        g_assert_cmpint(virtio_msg_ring_fault(&w->ring), !=,
                        VIRTIO_MSG_V1_FINE);
        w->off = true;
        break;
    default:
        g_assert_cmpint(up, ==, was_up);
        break;
    }

    if (w->off || w->cleaning) {
        g_assert_cmpint(step.next_ms, ==, -1);
    } else {
        g_assert_cmpint(step.next_ms, ==, w->now + (up ? 1000 : 100));
    }
    /* The layout and the peer's areas are written all at once, or not */
    if (step.event != VIRTIO_MSG_RING_EVENT_REWRITTEN) {
        check_memory(w);
    }
    if (step.ring) {
        uint16_t status = field(w, areas_of(w, true)->head + 2, 2);

        g_assert_cmpuint(status & 0x1f, <=, VIRTIO_MSG_V1_STATE_PEER_DEAD);
        g_assert_cmpint((status & 0x1f) == VIRTIO_MSG_V1_STATE_RUN, ==, up);
    }
}

static void look(World *w)
{
    bool was_up = virtio_msg_ring_is_up(&w->ring);

    took_step(w, virtio_msg_ring_advance(&w->ring, w->now), was_up);
}

static void clean(World *w)
{
    if (w->cleaning) {
        w->cleaning = false;
        took_step(w, virtio_msg_ring_cleaned(&w->ring, w->now), false);
    }
}

static void begin(World *w, bool resume)
{
    w->start.resume = resume;
    g_assert_cmpint(virtio_msg_ring_init_v1(&w->ring, w->device ?
                                            VIRTIO_MSG_RING_DEVICE_SIDE :
                                            VIRTIO_MSG_RING_DRIVER_SIDE,
                                            w->mem, FUZZ_PAGE, &w->start,
                                            w->now), ==, VIRTIO_MSG_V1_FINE);
    w->cleaning = w->off = false;
}

/*
 * Steps
 */

static void put(World *w, uint8_t len, uint8_t what)
{
    uint8_t msg[VIRTIO_MSG_RING_MAX_SIZE];
    unsigned tail = w->ring.v1.tail;
    VirtIOMSGRingResult ret;

    memset(msg, what, sizeof(msg));
    ret = virtio_msg_ring_put(&w->ring, msg, len);
    if (ret == VIRTIO_MSG_RING_OK) {
        const uint8_t *element = w->mem + areas_of(w, true)->elements +
                                 tail * w->ring.v1.layout.element_size;

        g_assert_true(virtio_msg_ring_is_up(&w->ring));
        g_assert(!memcmp(element, msg, len));
        g_assert_cmpuint(w->ring.v1.tail, ==, (tail + 1) % num(w));
        g_assert_cmpuint(field(w, areas_of(w, true)->head + 4, 2), ==,
                         w->ring.v1.tail);
    } else {
        g_assert_cmpint(ret == VIRTIO_MSG_RING_NOT_UP, !=,
                        virtio_msg_ring_is_up(&w->ring));
        g_assert(!memcmp(w->mem, w->before, FUZZ_PAGE));
    }
    check_memory(w);
    if (ret == VIRTIO_MSG_RING_BAD_INDEX || ret == VIRTIO_MSG_RING_RESTARTED) {
        /* So it has been seen, and will be acted on */
        look(w);
        g_assert_true(w->cleaning);
    }
}

static void get(World *w)
{
    uint8_t msg[VIRTIO_MSG_RING_MAX_SIZE];
    unsigned head = w->ring.v1.head;
    uint8_t want[VIRTIO_MSG_RING_MAX_SIZE];
    VirtIOMSGRingResult ret;
    size_t len;

    memset(msg, 0x5a, sizeof(msg));
    memset(want, 0x5a, sizeof(want));
    ret = virtio_msg_ring_get(&w->ring, msg);
    if (ret == VIRTIO_MSG_RING_OK) {
        len = virtio_msg_ring_max_msg_size(&w->ring);
        memcpy(want, w->mem + areas_of(w, false)->elements +
               head * w->ring.v1.layout.element_size, len);
        g_assert_cmpuint(w->ring.v1.head, ==, (head + 1) % num(w));
    } else {
        g_assert_cmpint(ret == VIRTIO_MSG_RING_NOT_UP, !=,
                        virtio_msg_ring_is_up(&w->ring));
        g_assert(!memcmp(w->mem, w->before, FUZZ_PAGE));
    }
    g_assert(!memcmp(msg, want, sizeof(msg)));
    check_memory(w);
}

/* What a peer that behaves would have in its head */
static void likely(World *w, unsigned state)
{
    const VirtIOMSGV1Areas *a = areas_of(w, false);

    if (!w->ring.v1.own.head) {
        return;
    }
    set16(w, a->head, VIRTIO_MSG_V1_HEAD_MAGIC);
    set16(w, a->head + 2, state);
    set16(w, a->head + 4, w->ring.v1.head);
    set16(w, a->head + 6, w->ring.v1.tail);
}

static void notify(World *w, uint8_t op, uint8_t dev, uint8_t queue)
{
    VirtIOMSGRingPending pending;
    VirtIOMSGNotifyMeaning m;
    unsigned i;

    switch (op >> 3 & 7) {
    case 0:
        virtio_msg_ring_raise_messages(&w->ring);
        break;
    case 1:
        if (virtio_msg_ring_raise_queue(&w->ring, dev, queue) !=
            VIRTIO_MSG_RING_NOT_RAISED) {
            g_assert_true(virtio_msg_ring_is_up(&w->ring));
        }
        break;
    case 2:
        virtio_msg_ring_set_mask(&w->ring, dev % 65, queue % 64, op & 0x80);
        break;
    default:
        virtio_msg_ring_take(&w->ring, &pending);
        check_memory(w);
        for (i = 0; virtio_msg_ring_next_pending(&w->ring, &pending, &m);
             i++) {
            g_assert_cmpuint(i, <, 64 * 64);
        }
        break;
    }
    check_memory(w);
}

static void control(World *w, uint8_t op)
{
    switch (op >> 3 & 7) {
    case 0:
        if (virtio_msg_ring_give_up(&w->ring)) {
            w->cleaning = true;
        }
        break;
    case 1:
        virtio_msg_ring_shut_down(&w->ring);
        w->cleaning = false;
        w->off = true;
        break;
    case 2:
        virtio_msg_ring_discard(&w->ring);
        break;
    case 3:
        virtio_msg_ring_set_debugged(&w->ring, op & 0x40);
        break;
    case 4:
        begin(w, op & 0x40);
        return;
    case 5:
        virtio_msg_ring_peer_debugged(&w->ring);
        break;
    default:
        clean(w);
        return;
    }
    check_memory(w);
}

static void poke_head(World *w, uint8_t op, uint16_t val)
{
    if (w->ring.v1.own.head) {
        set16(w, areas_of(w, op & 0x20)->head + (op >> 3 & 3) * 2, val);
    }
}

static void step(World *w, FuzzInput *in)
{
    uint8_t op = fuzz_u8(in);
    unsigned more = op >> 3, i, size;
    uint8_t what, other;
    FuzzPoke poke;

    switch (op & 7) {
    case STEP_HEAD:
        poke_head(w, op, fuzz_u16(in));
        break;
    case STEP_LIKELY:
        likely(w, more & 7);
        break;
    case STEP_BYTES:
        poke = fuzz_poke_bytes(in);
        fuzz_poke(w->mem, &poke);
        break;
    }
    memcpy(w->before, w->mem, FUZZ_PAGE);

    switch (op & 7) {
    case STEP_PUT:
        what = fuzz_u8(in);
        size = virtio_msg_ring_max_msg_size(&w->ring);
        for (i = 0; i <= more && size && !w->cleaning; i++) {
            put(w, 1 + what % MIN(size, 255), what + i);
            memcpy(w->before, w->mem, FUZZ_PAGE);
        }
        break;
    case STEP_GET:
        for (i = 0; i <= more; i++) {
            get(w);
            memcpy(w->before, w->mem, FUZZ_PAGE);
        }
        break;
    case STEP_NOTIFY:
        what = fuzz_u8(in);
        other = fuzz_u8(in);
        notify(w, op, what, other);
        break;
    case STEP_CONTROL:
        control(w, op);
        break;
    default:
        if ((op & 7) == STEP_TIME) {
            w->now += more * 100;
        }
        look(w);
        break;
    }
    check_ring(w);
}

/*
 * Peace: whatever has been, an honest peer starts
 */

static void meet(VirtIOMSGRing *ring, int64_t now)
{
    VirtIOMSGRingStep step = virtio_msg_ring_advance(ring, now);

    if (step.event == VIRTIO_MSG_RING_EVENT_DOWN) {
        virtio_msg_ring_cleaned(ring, now);
    }
}

static void exchange(VirtIOMSGRing *from, VirtIOMSGRing *to)
{
    uint8_t msg[VIRTIO_MSG_RING_MAX_SIZE], got[VIRTIO_MSG_RING_MAX_SIZE];
    size_t size = virtio_msg_ring_max_msg_size(from);
    int i;

    for (i = 0; i < 3; i++) {
        memset(msg, i + 1, sizeof(msg));
        g_assert_cmpint(virtio_msg_ring_put(from, msg, size), ==,
                        VIRTIO_MSG_RING_OK);
        g_assert_cmpint(virtio_msg_ring_get(to, got), ==, VIRTIO_MSG_RING_OK);
        g_assert(!memcmp(msg, got, size));
        g_assert_cmpint(virtio_msg_ring_get(to, got), ==,
                        VIRTIO_MSG_RING_EMPTY);
    }
}

static void make_peace(World *w)
{
    VirtIOMSGRingV1Start start = w->start;
    VirtIOMSGRing peer;
    unsigned i;

    memcpy(w->before, w->mem, FUZZ_PAGE);
    clean(w);
    if (w->off) {
        /* Or it has just refused what stands there */
        begin(w, false);
    }
    if (w->device) {
        /* Nobody mends a header whose magic is there */
        memset(w->mem, 0, HEADER);
    }
    start.resume = false;
    g_assert_cmpint(virtio_msg_ring_init_v1(&peer, w->device ?
                                            VIRTIO_MSG_RING_DRIVER_SIDE :
                                            VIRTIO_MSG_RING_DEVICE_SIDE,
                                            w->mem, FUZZ_PAGE, &start,
                                            w->now), ==, VIRTIO_MSG_V1_FINE);
    for (i = 0; i < 100; i++) {
        w->now += 100;
        meet(&w->ring, w->now);
        meet(&peer, w->now);
    }
    g_assert_true(virtio_msg_ring_is_up(&w->ring));
    g_assert_true(virtio_msg_ring_is_up(&peer));
    exchange(&w->ring, &peer);
    exchange(&peer, &w->ring);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static World w;
    FuzzInput in = { data, size };
    uint8_t shape = fuzz_u8(&in);
    VirtIOMSGRing device;

    if (!w.mem) {
        fuzz_pages(&w.mem, 1);
    }
    memset(w.mem, 0xc3, FUZZ_PAGE);
    w.device = shape & 1;
    w.now = 1000;
    w.start = (VirtIOMSGRingV1Start) {
        .options.notif.words = fuzz_u8(&in) % 30,
        .options.notif.bits = 1 << (shape >> 1 & 7) % 5,
        .options.masks = shape & 0x10,
    };
    if (!w.device) {
        /* A layout to begin with; what becomes of it is the peer's */
        virtio_msg_ring_init_v1(&device, VIRTIO_MSG_RING_DEVICE_SIDE, w.mem,
                                FUZZ_PAGE, &w.start, w.now);
    }
    begin(&w, false);
    while (in.left) {
        step(&w, &in);
    }
    make_peace(&w);
    return 0;
}
