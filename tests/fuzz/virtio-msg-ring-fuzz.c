/*
 * Fuzzer of the virtio-msg message queues: the `spsc` layout
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "fuzz-pages.h"
#include "fuzz-target.h"

/*
 * Two sides exchange messages over two pages, and a third party changes what
 * stands in these.  Beside it all goes a model, written from the description
 * of the layout as plainly as can be: after each step both must have come to
 * the same result, and every byte of both pages must be the same.
 *
 * As long as nobody interferes, the messages also come out as they went in,
 * whatever the model says.
 *
 * An input is a sequence of steps of one byte and what the step takes:
 *
 *   bits 2..0  the step
 *   bit 3      the side that does it, or whose page is changed
 *   bits 7..4  see each step
 */
enum {
    STEP_PUT,           /* u8 length, u8 contents */
    STEP_GET,
    STEP_DISCARD,
    STEP_INDEX,         /* bit 4: tail, bit 5: u32 instead of u8; the value */
    STEP_BYTES,         /* u16 offset, u8 length, the bytes */
    STEP_ATTACH,        /* bit 4: reset the queues */
    STEP_BURST,         /* bits 7..4: how often, times 8; u8 length */
    STEP_START,         /* both sides anew; bit 4: look for that instead */
};

#define SLOTS   62      /* not from the header: this is the model's own */

typedef struct ModelSide {
    uint8_t *tx;
    uint8_t *rx;
    uint32_t head;
    uint32_t tail;
} ModelSide;

typedef struct World {
    uint8_t *page[2];                   /* page[i] is written by side i */
    VirtIOMSGRing ring[2];

    uint8_t shadow[2][FUZZ_PAGE];       /* what the pages are to hold */
    ModelSide model[2];

    bool undisturbed[2];                /* what follows holds for page i */
    uint32_t sent[2];
    uint32_t taken[2];
} World;

/*
 * The model
 */

static uint32_t model_load(const uint8_t *page, size_t off)
{
    return page[off] | page[off + 1] << 8 | page[off + 2] << 16 |
           (uint32_t)page[off + 3] << 24;
}

static void model_store(uint8_t *page, size_t off, uint32_t val)
{
    unsigned i;

    for (i = 0; i < 4; i++) {
        page[off + i] = val >> (8 * i);
    }
}

static void model_attach(ModelSide *m, bool reset)
{
    if (reset) {
        memset(m->tx, 0, FUZZ_PAGE);
        memset(m->rx, 0, FUZZ_PAGE);
    }
    m->head = model_load(m->tx, 0x00);
    m->tail = model_load(m->rx, 0x40);
    if (m->head > 61 || m->tail > 61) {
        m->head = 0;
        m->tail = 0;
        model_store(m->tx, 0x00, 0);
        model_store(m->rx, 0x40, 0);
    }
}

/* What memory has of a side is taken in, if it is not what the side stored */
static bool model_restarted(ModelSide *m)
{
    uint32_t head = model_load(m->tx, 0x00);
    uint32_t tail = model_load(m->rx, 0x40);

    if (head == m->head && tail == m->tail) {
        return false;
    }
    m->head = head > 61 ? 0 : head;
    m->tail = tail > 61 ? 0 : tail;
    model_store(m->tx, 0x00, m->head);
    model_store(m->rx, 0x40, m->tail);
    return true;
}

static VirtIOMSGRingResult model_put(ModelSide *m, const uint8_t *msg,
                                     size_t len)
{
    uint32_t tail = model_load(m->tx, 0x40);
    uint8_t *slot = m->tx + 0x80 + 64 * m->head;

    if (model_restarted(m)) {
        return VIRTIO_MSG_RING_RESTARTED;
    }
    if (tail > 61) {
        return VIRTIO_MSG_RING_BAD_INDEX;
    }
    if ((m->head + 1) % SLOTS == tail) {
        return VIRTIO_MSG_RING_FULL;
    }
    memset(slot, 0, 64);
    memcpy(slot, msg, len);
    m->head = (m->head + 1) % SLOTS;
    model_store(m->tx, 0x00, m->head);
    return VIRTIO_MSG_RING_OK;
}

static VirtIOMSGRingResult model_get(ModelSide *m, uint8_t *msg)
{
    uint32_t head = model_load(m->rx, 0x00);

    if (model_restarted(m)) {
        return VIRTIO_MSG_RING_RESTARTED;
    }
    if (head > 61) {
        return VIRTIO_MSG_RING_BAD_INDEX;
    }
    if (head == m->tail) {
        return VIRTIO_MSG_RING_EMPTY;
    }
    memcpy(msg, m->rx + 0x80 + 64 * m->tail, 64);
    m->tail = (m->tail + 1) % SLOTS;
    model_store(m->rx, 0x40, m->tail);
    return VIRTIO_MSG_RING_OK;
}

static void model_discard(ModelSide *m)
{
    uint32_t head = model_load(m->rx, 0x00);

    if (head <= 61) {
        m->tail = head;
        model_store(m->rx, 0x40, head);
    }
}

static unsigned model_tx_used(const ModelSide *m)
{
    uint32_t tail = model_load(m->tx, 0x40);

    return tail > 61 ? 61 : (m->head + SLOTS - tail) % SLOTS;
}

static unsigned model_rx_used(const ModelSide *m)
{
    uint32_t head = model_load(m->rx, 0x00);

    return head > 61 ? 0 : (head + SLOTS - m->tail) % SLOTS;
}

/*
 * Steps
 */

static void check(World *w)
{
    unsigned i;

    for (i = 0; i < 2; i++) {
        g_assert(!memcmp(w->page[i], w->shadow[i], FUZZ_PAGE));
        g_assert_cmpuint(virtio_msg_ring_tx_used(&w->ring[i]), ==,
                         model_tx_used(&w->model[i]));
        g_assert_cmpuint(virtio_msg_ring_rx_used(&w->ring[i]), ==,
                         model_rx_used(&w->model[i]));
    }
}

static void attach(World *w, unsigned side, bool reset)
{
    virtio_msg_ring_init_spsc(&w->ring[side], w->page[side], w->page[!side],
                              reset);
    g_assert_cmpint(virtio_msg_ring_advance(&w->ring[side], 0).event, ==,
                    VIRTIO_MSG_RING_EVENT_UP);
    if (reset || model_load(w->shadow[side], 0x00) > 61 ||
        model_load(w->shadow[!side], 0x40) > 61) {
        /* Not agreed with the other side, which goes on where it was */
        w->undisturbed[0] = w->undisturbed[1] = false;
    }
    model_attach(&w->model[side], reset);
}

static void advance(World *w, unsigned side)
{
    VirtIOMSGRingStep step = virtio_msg_ring_advance(&w->ring[side], 0);

    g_assert_false(step.ring);
    g_assert_cmpint(step.event, ==, model_restarted(&w->model[side]) ?
                    VIRTIO_MSG_RING_EVENT_RESTARTED :
                    VIRTIO_MSG_RING_EVENT_NONE);
}

static void start(World *w)
{
    unsigned i;

    attach(w, 0, true);
    attach(w, 1, false);
    for (i = 0; i < 2; i++) {
        w->undisturbed[i] = true;
        w->sent[i] = w->taken[i] = 0;
    }
}

static void put(World *w, unsigned side, size_t len, uint8_t fill)
{
    QEMU_ALIGNED(8) uint8_t msg[FUZZ_SLOT];
    VirtIOMSGRingResult ret;

    memset(msg, fill, sizeof(msg));
    memcpy(msg, &w->sent[side], sizeof(w->sent[side]));

    ret = virtio_msg_ring_put(&w->ring[side], msg, len);
    g_assert_cmpint(ret, ==, model_put(&w->model[side], msg, len));
    if (ret == VIRTIO_MSG_RING_RESTARTED) {
        g_assert_false(w->undisturbed[0] && w->undisturbed[1]);
    } else if (w->undisturbed[side]) {
        g_assert_cmpint(ret, ==, w->sent[side] - w->taken[side] < SLOTS - 1 ?
                        VIRTIO_MSG_RING_OK : VIRTIO_MSG_RING_FULL);
    }
    if (ret == VIRTIO_MSG_RING_OK) {
        w->sent[side]++;
    }
}

static void get(World *w, unsigned side)
{
    QEMU_ALIGNED(8) uint8_t msg[FUZZ_SLOT], want[FUZZ_SLOT];
    VirtIOMSGRingResult ret;

    memset(msg, 0x5a, sizeof(msg));
    memset(want, 0x5a, sizeof(want));
    ret = virtio_msg_ring_get(&w->ring[side], msg);
    g_assert_cmpint(ret, ==, model_get(&w->model[side], want));
    g_assert(!memcmp(msg, want, sizeof(msg)));

    if (ret == VIRTIO_MSG_RING_RESTARTED) {
        g_assert_false(w->undisturbed[0] && w->undisturbed[1]);
    } else if (w->undisturbed[!side]) {
        uint32_t *taken = &w->taken[!side];

        g_assert_cmpint(ret, ==, *taken != w->sent[!side] ?
                        VIRTIO_MSG_RING_OK : VIRTIO_MSG_RING_EMPTY);
        if (ret == VIRTIO_MSG_RING_OK) {
            g_assert(!memcmp(msg, taken, 1));
            ++*taken;
        }
    }
}

static void discard(World *w, unsigned side)
{
    virtio_msg_ring_discard(&w->ring[side]);
    model_discard(&w->model[side]);
    w->taken[!side] = w->sent[!side];
}

static void poke(World *w, unsigned side, const FuzzPoke *poke)
{
    fuzz_poke(w->page[side], poke);
    fuzz_poke(w->shadow[side], poke);
    w->undisturbed[side] = false;
}

static void step(World *w, FuzzInput *in)
{
    uint8_t op = fuzz_u8(in);
    unsigned side = op >> 3 & 1;
    FuzzPoke p;
    size_t len;
    int i;

    switch (op & 7) {
    case STEP_PUT:
        len = 1 + fuzz_u8(in) % FUZZ_SLOT;
        put(w, side, len, fuzz_u8(in));
        break;
    case STEP_GET:
        get(w, side);
        break;
    case STEP_DISCARD:
        discard(w, side);
        break;
    case STEP_INDEX:
        p = fuzz_poke_index(in, op & 0x10, op & 0x20);
        poke(w, side, &p);
        break;
    case STEP_BYTES:
        p = fuzz_poke_bytes(in);
        poke(w, side, &p);
        break;
    case STEP_ATTACH:
        attach(w, side, op & 0x10);
        break;
    case STEP_BURST:
        len = 1 + fuzz_u8(in) % FUZZ_SLOT;
        for (i = 0; i < (op >> 4) * 8; i++) {
            put(w, side, len, i);
        }
        break;
    case STEP_START:
        if (op & 0x10) {
            advance(w, side);
        } else {
            start(w);
        }
        break;
    }
    check(w);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static World w;
    FuzzInput in = { data, size };
    unsigned i;

    if (!w.page[0]) {
        fuzz_pages(w.page, 2);
        for (i = 0; i < 2; i++) {
            w.model[i].tx = w.shadow[i];
            w.model[i].rx = w.shadow[!i];
        }
    }

    start(&w);
    check(&w);
    while (in.left) {
        step(&w, &in);
    }
    return 0;
}
