/*
 * Fuzzer of the header of the `v1` layout of virtio-msg queues
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "fuzz-pages.h"
#include "fuzz-target.h"

/*
 * A driver side meets a header that says anything.  Whether it has to take it
 * is found out in the plainest way, by marking each byte that an area covers.
 * If it does, messages go both ways, and no byte may change that is not the
 * driver side's; the memory ends where a page begins that cannot be touched.
 *
 * An input begins with
 *
 *   u16        bytes of memory, of which it takes the remainder
 *   u8         bits 1..0: where the header comes from; the rest see below
 *
 * and goes on with changes of the header: u8 which byte, u8 its value.
 */
enum {
    FROM_INPUT,         /* 64 bytes */
    FROM_PLACE,         /* u8 words, u8 size of elements; bits 4..2: bits */
    FROM_PUBLISHED,
    NOTHING,            /* zeros */
};

#define HEADER  64
#define MAGIC   0x4c4f

typedef struct World {
    uint8_t *page;
    uint8_t *mem;
    uint64_t size;
} World;

/*
 * The model
 */

static uint64_t field(const uint8_t *header, size_t off, size_t len)
{
    uint64_t val = 0;

    while (len--) {
        val = val << 8 | header[off + len];
    }
    return val;
}

/* Mark the bytes of an area; false if one is not there, or marked already */
static bool cover(uint8_t *marks, uint64_t size, uint64_t offset, uint64_t len,
                  unsigned align)
{
    uint64_t i;

    if (!offset || offset % align) {
        return false;
    }
    for (i = 0; i < len; i++) {
        if (offset + i >= size || offset + i < offset || marks[offset + i]) {
            return false;
        }
        marks[offset + i] = 1;
    }
    return true;
}

static bool acceptable(const uint8_t *header, uint64_t size)
{
    uint8_t marks[FUZZ_PAGE] = { 0 };
    unsigned words = field(header, 8, 1), bits = field(header, 9, 1);
    uint64_t elements = field(header, 10, 2) * field(header, 12, 2);
    uint64_t notif = words * 8 * (field(header, 6, 2) ? 3 : 2);

    memset(marks, 1, HEADER);
    return field(header, 2, 2) == 64 && field(header, 4, 2) == 1 &&
           field(header, 6, 2) <= 1 && field(header, 14, 2) == 0 &&
           words <= 64 && field(header, 10, 2) >= 2 && elements &&
           (!words || bits == 1 || bits == 2 || bits == 4 || bits == 8 ||
            bits == 16) &&
           cover(marks, size, field(header, 24, 8), 8, 2) &&
           cover(marks, size, field(header, 48, 8), 8, 2) &&
           cover(marks, size, field(header, 32, 8), elements, 1) &&
           cover(marks, size, field(header, 56, 8), elements, 1) &&
           (!words || (cover(marks, size, field(header, 16, 8), notif, 8) &&
                       cover(marks, size, field(header, 40, 8), notif, 8)));
}

/*
 * The driver side
 */

static void set16(uint8_t *p, uint16_t val)
{
    p[0] = val;
    p[1] = val >> 8;
}

/* Whether all is the same but what the driver side may write */
static void check_others(const World *w, const uint8_t *header,
                         const uint8_t *before)
{
    unsigned words = field(header, 8, 1);
    uint64_t elements = field(header, 10, 2) * field(header, 12, 2);
    uint8_t now[FUZZ_PAGE], then[FUZZ_PAGE];

    memcpy(now, w->mem, w->size);
    memcpy(then, before, w->size);
    memset(now + field(header, 48, 8), 0, 8);
    memset(then + field(header, 48, 8), 0, 8);
    memset(now + field(header, 56, 8), 0, elements);
    memset(then + field(header, 56, 8), 0, elements);
    if (words) {
        uint64_t notif = words * 8 * (field(header, 6, 2) ? 3 : 2);

        memset(now + field(header, 40, 8), 0, notif);
        memset(then + field(header, 40, 8), 0, notif);
    }
    g_assert(!memcmp(now, then, w->size));
}

static void talk(World *w, VirtIOMSGRing *ring, const uint8_t *header)
{
    uint8_t *head = w->mem + field(header, 24, 8);
    unsigned n = field(header, 10, 2), size = field(header, 12, 2), i;
    uint8_t before[FUZZ_PAGE], msg[VIRTIO_MSG_RING_MAX_SIZE];

    g_assert_cmpuint(virtio_msg_ring_max_msg_size(ring), ==, MIN(size, 264));
    for (i = 0; i < 2 * n && i < 200; i++) {
        uint8_t *element = w->mem + field(header, 56, 8) + i % n * size;
        uint16_t len = 1 + i % MIN(size, 264);

        memset(msg, i + 1, sizeof(msg));
        g_assert_cmpint(virtio_msg_ring_put(ring, msg, len), ==,
                        VIRTIO_MSG_RING_OK);
        g_assert(!memcmp(element, msg, len));
        virtio_msg_ring_raise_messages(ring);
        virtio_msg_ring_raise_queue(ring, i, i);
        /* It is taken, and one comes back */
        set16(head + 6, (i + 1) % n);
        memset(w->mem + field(header, 32, 8) + i % n * size, i, size);
        set16(head + 4, (i + 1) % n);

        memcpy(before, w->mem, w->size);
        g_assert_cmpint(virtio_msg_ring_get(ring, msg), ==,
                        VIRTIO_MSG_RING_OK);
        g_assert_cmpuint(msg[0], ==, (uint8_t)i);
        g_assert_cmpuint(msg[MIN(size, 264) - 1], ==, (uint8_t)i);
        check_others(w, header, before);
    }
}

static void meet(World *w, const uint8_t *header)
{
    const VirtIOMSGRingV1Start start = { .barriers = NULL };
    uint64_t head = field(header, 24, 8);
    uint8_t before[FUZZ_PAGE];
    VirtIOMSGRing ring;
    VirtIOMSGRingStep step;
    bool good = acceptable(header, w->size);

    memcpy(before, w->mem, w->size);
    g_assert_cmpint(virtio_msg_ring_init_v1(&ring, VIRTIO_MSG_RING_DRIVER_SIDE,
                                            w->mem, w->size, &start, 0), ==,
                    VIRTIO_MSG_V1_FINE);
    step = virtio_msg_ring_advance(&ring, 0);
    if (field(header, 0, 2) != MAGIC || !good) {
        g_assert_cmpint(step.event, ==, field(header, 0, 2) != MAGIC ?
                        VIRTIO_MSG_RING_EVENT_NONE :
                        VIRTIO_MSG_RING_EVENT_REFUSED);
        g_assert(!memcmp(w->mem, before, w->size));
        return;
    }
    g_assert_cmpint(step.event, ==, VIRTIO_MSG_RING_EVENT_NONE);
    check_others(w, header, before);

    /* The device side, as seen from there */
    set16(w->mem + head, 0x514f);
    set16(w->mem + head + 2, 1);
    set16(w->mem + head + 4, 0);
    set16(w->mem + head + 6, 0);
    step = virtio_msg_ring_advance(&ring, 0);
    g_assert_cmpint(step.event, ==, VIRTIO_MSG_RING_EVENT_UP);
    talk(w, &ring, header);
}

/*
 * The header
 */

static void make_header(World *w, FuzzInput *in, uint8_t *header)
{
    static const uint8_t published[HEADER] = {
        0x4f, 0x4c, 0x40, 0, 1, 0, 0, 0, 0, 0, 0, 0, 64, 0, 0, 0,
        [24] = 0x40, [32] = 0x50, [48] = 0x48,
    };
    uint8_t what = fuzz_u8(in);
    VirtIOMSGV1Options options = { 0 };
    VirtIOMSGV1Layout layout;
    unsigned num;

    memset(header, 0, HEADER);
    switch (what & 3) {
    case FROM_INPUT:
        fuzz_bytes(in, header, HEADER);
        break;
    case FROM_PLACE:
        options.notif.words = fuzz_u8(in);
        options.notif.bits = 1 << (what >> 2 & 7);
        options.element_size = fuzz_u8(in);
        options.masks = what & 0x20;
        if (virtio_msg_v1_place(&layout, w->size, &options) ==
            VIRTIO_MSG_V1_FINE) {
            virtio_msg_v1_encode(&layout, header);
            g_assert(acceptable(header, w->size));
        }
        break;
    case FROM_PUBLISHED:
        memcpy(header, published, HEADER);
        num = w->size < 0x50 ? 0 : (w->size - 0x50) / 128;
        set16(header + 10, num);
        set16(header + 56, 0x50 + num * 64);
        break;
    }
    while (in->left) {
        size_t off = fuzz_u8(in) % HEADER;

        header[off] = fuzz_u8(in);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static World w;
    FuzzInput in = { data, size };
    VirtIOMSGV1Layout layout;
    uint8_t header[HEADER], again[HEADER];

    if (!w.page) {
        fuzz_pages(&w.page, 1);
    }
    w.size = HEADER + fuzz_u16(&in) % (FUZZ_PAGE - HEADER + 1) / 8 * 8;
    w.mem = w.page + FUZZ_PAGE - w.size;
    make_header(&w, &in, header);

    memset(w.mem, 0xc3, w.size);
    memcpy(w.mem, header, HEADER);
    virtio_msg_v1_decode(&layout, header);
    g_assert_cmpint(virtio_msg_v1_check(&layout, w.size) == VIRTIO_MSG_V1_FINE,
                    ==, acceptable(header, w.size));
    virtio_msg_v1_encode(&layout, again);
    g_assert(!memcmp(header + 2, again + 2, HEADER - 2));
    meet(&w, header);
    return 0;
}
