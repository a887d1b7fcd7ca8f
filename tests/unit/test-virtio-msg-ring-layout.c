/*
 * Unit tests of where the `v1` layout of virtio-msg queues has what
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "hw/virtio/virtio-msg-ring-layout.h"

#define CARD_SIZE   0x2000

/* What a published device side writes for the 8 KiB of a card */
static const uint8_t published[VIRTIO_MSG_V1_LENGTH] = {
    0x4f, 0x4c, 0x40, 0x00, 0x01, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x3f, 0x00, 0x40, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x40, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x50, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x48, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x10, 0x10, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
};

/* Ours for the same memory with 2 notification words, 8 bits a device, masks */
static const uint8_t ours[VIRTIO_MSG_V1_LENGTH] = {
    0x4f, 0x4c, 0x40, 0x00, 0x01, 0x00, 0x01, 0x00,
    0x02, 0x08, 0x3d, 0x00, 0x40, 0x00, 0x00, 0x00,
    0xc0, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x40, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x40, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x80, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x80, 0x10, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
};

static VirtIOMSGV1Layout decode(const uint8_t *bytes)
{
    VirtIOMSGV1Layout layout;

    virtio_msg_v1_decode(&layout, bytes);
    return layout;
}

static void test_published(void)
{
    VirtIOMSGV1Layout l = decode(published);
    uint8_t bytes[VIRTIO_MSG_V1_LENGTH];

    g_assert_cmpint(virtio_msg_v1_check(&l, CARD_SIZE), ==,
                    VIRTIO_MSG_V1_FINE);
    g_assert_cmpuint(l.notif.words, ==, 0);
    g_assert_cmpuint(l.num_elements, ==, 63);
    g_assert_cmpuint(l.element_size, ==, 64);
    g_assert_cmphex(l.dev.head, ==, 0x40);
    g_assert_cmphex(l.drv.head, ==, 0x48);
    g_assert_cmphex(l.dev.elements, ==, 0x50);
    g_assert_cmphex(l.drv.elements, ==, 0x1010);

    memset(bytes, 0xee, sizeof(bytes));
    virtio_msg_v1_encode(&l, bytes);
    g_assert_cmpmem(bytes, sizeof(bytes), published, sizeof(published));
}

/* L-13 */
static void test_ours(void)
{
    const VirtIOMSGV1Options options = {
        .notif = { .words = 2, .bits = 8 },
        .masks = true,
    };
    VirtIOMSGV1Layout l;
    uint8_t bytes[VIRTIO_MSG_V1_LENGTH];

    g_assert_cmpint(virtio_msg_v1_place(&l, CARD_SIZE, &options), ==,
                    VIRTIO_MSG_V1_FINE);
    virtio_msg_v1_encode(&l, bytes);
    g_assert_cmpmem(bytes, sizeof(bytes), ours, sizeof(ours));
    g_assert_cmpuint(virtio_msg_v1_notif_size(&l), ==, 48);
    g_assert_cmphex(l.drv.elements + virtio_msg_v1_elements_size(&l), ==,
                    0x1fc0);
}

static void test_ours_without_words(void)
{
    VirtIOMSGV1Options options = { .masks = true };
    VirtIOMSGV1Layout l;

    g_assert_cmpint(virtio_msg_v1_place(&l, CARD_SIZE, &options), ==,
                    VIRTIO_MSG_V1_FINE);
    g_assert_cmpuint(l.num_elements, ==, 62);
    g_assert_cmpuint(l.features, ==, 0);
    g_assert_cmphex(l.dev.head, ==, 0x40);
    g_assert_cmphex(l.drv.head, ==, 0x80);
    g_assert_cmphex(l.dev.elements, ==, 0xc0);
    g_assert_cmphex(l.drv.elements, ==, 0x1040);
    g_assert_cmphex(l.drv.elements + virtio_msg_v1_elements_size(&l), ==,
                    0x1fc0);

    options.max_elements = 5;
    g_assert_cmpint(virtio_msg_v1_place(&l, CARD_SIZE, &options), ==,
                    VIRTIO_MSG_V1_FINE);
    g_assert_cmpuint(l.num_elements, ==, 5);
    g_assert_cmphex(l.drv.elements, ==, 0x200);

    /* As many as the field can say */
    options.max_elements = 0;
    g_assert_cmpint(virtio_msg_v1_place(&l, UINT64_C(1) << 40, &options), ==,
                    VIRTIO_MSG_V1_FINE);
    g_assert_cmpuint(l.num_elements, ==, 65535);
    g_assert_cmphex(l.drv.elements, ==, 0xc0 + 65535 * 64);
}

/* Whatever is asked for passes the check, and as many elements as can be */
static void test_place(void)
{
    static const uint16_t element_sizes[] = { 1, 8, 63, 64, 65, 264, 4096 };
    VirtIOMSGV1Options options = { 0 };
    unsigned words, size, i;

    for (words = 0; words <= 64; words += 16) {
        for (i = 0; i < G_N_ELEMENTS(element_sizes); i++) {
            options.notif.words = words;
            options.notif.bits = words ? 4 : 0;
            options.element_size = element_sizes[i];
            for (size = 0; size < 0x3000; size += 61) {
                VirtIOMSGV1Fault fault;
                VirtIOMSGV1Layout l;

                options.masks = size % 2;
                fault = virtio_msg_v1_place(&l, size, &options);
                if (fault != VIRTIO_MSG_V1_FINE) {
                    g_assert_cmpint(fault, ==, VIRTIO_MSG_V1_NO_ROOM);
                    g_assert_cmpuint(size, <, 0xc0 + 2 * 64 * 8 * 3 +
                                     4 * element_sizes[i] + 2 * 64);
                    continue;
                }
                g_assert_cmpint(virtio_msg_v1_check(&l, size), ==,
                                VIRTIO_MSG_V1_FINE);
                g_assert_cmpuint(l.element_size, ==, element_sizes[i]);
                g_assert_cmpuint(l.dev.elements % 64, ==, 0);
                g_assert_cmpuint(l.drv.elements % 64, ==, 0);
                if (words) {
                    g_assert_cmphex(l.dev.notif, ==, 0xc0);
                    g_assert_cmpuint(l.drv.notif % 64, ==, 0);
                }
                /* One more would be too many */
                g_assert_cmpuint(ROUND_UP(l.dev.elements +
                                          (l.num_elements + 1u) *
                                          l.element_size, 64) +
                                 (l.num_elements + 1u) * l.element_size, >,
                                 size);
            }
        }
    }
}

static void test_place_nonsense(void)
{
    VirtIOMSGV1Options options = { .notif = { .words = 65, .bits = 8 } };
    VirtIOMSGV1Layout l;

    g_assert_cmpint(virtio_msg_v1_place(&l, 1 << 20, &options), ==,
                    VIRTIO_MSG_V1_BAD_NUM_NOTIF);
    options.notif.words = 1;
    options.notif.bits = 3;
    g_assert_cmpint(virtio_msg_v1_place(&l, 1 << 20, &options), ==,
                    VIRTIO_MSG_V1_BAD_NUM_VQ_NOTIF);
    options.notif.words = 0;
    options.max_elements = 1;
    g_assert_cmpint(virtio_msg_v1_place(&l, 1 << 20, &options), ==,
                    VIRTIO_MSG_V1_NO_ROOM);
}

/* A change of one field of a good layout, and what is wrong then (L-09) */
typedef struct Change {
    const char *what;
    unsigned offset;
    unsigned bytes;
    uint64_t value;
    VirtIOMSGV1Fault fault;
} Change;

static const Change changes[] = {
    { "length 0", 2, 2, 0, VIRTIO_MSG_V1_BAD_LENGTH },
    { "length 63", 2, 2, 63, VIRTIO_MSG_V1_BAD_LENGTH },
    { "length 65", 2, 2, 65, VIRTIO_MSG_V1_BAD_LENGTH },
    { "length 64 + 256", 2, 2, 64 + 256, VIRTIO_MSG_V1_BAD_LENGTH },
    { "version 0", 4, 2, 0, VIRTIO_MSG_V1_BAD_VERSION },
    { "version 2", 4, 2, 2, VIRTIO_MSG_V1_BAD_VERSION },
    { "version 257", 4, 2, 257, VIRTIO_MSG_V1_BAD_VERSION },
    { "feature 1", 6, 2, 3, VIRTIO_MSG_V1_BAD_FEATURES },
    { "feature 15", 6, 2, 0x8001, VIRTIO_MSG_V1_BAD_FEATURES },
    { "reserved", 14, 2, 1, VIRTIO_MSG_V1_BAD_RESERVED },
    { "reserved, high byte", 14, 2, 0x100, VIRTIO_MSG_V1_BAD_RESERVED },
    { "65 words", 8, 1, 65, VIRTIO_MSG_V1_BAD_NUM_NOTIF },
    { "255 words", 8, 1, 255, VIRTIO_MSG_V1_BAD_NUM_NOTIF },
    { "0 bits", 9, 1, 0, VIRTIO_MSG_V1_BAD_NUM_VQ_NOTIF },
    { "3 bits", 9, 1, 3, VIRTIO_MSG_V1_BAD_NUM_VQ_NOTIF },
    { "32 bits", 9, 1, 32, VIRTIO_MSG_V1_BAD_NUM_VQ_NOTIF },
    { "0 elements", 10, 2, 0, VIRTIO_MSG_V1_BAD_NUM_ELEMENTS },
    { "1 element", 10, 2, 1, VIRTIO_MSG_V1_BAD_NUM_ELEMENTS },
    { "size 0", 12, 2, 0, VIRTIO_MSG_V1_BAD_ELEMENT_SIZE },
    /* Each of the areas, at 0, ... */
    { "dev notif at 0", 16, 8, 0, VIRTIO_MSG_V1_AREA_AT_0 },
    { "dev head at 0", 24, 8, 0, VIRTIO_MSG_V1_AREA_AT_0 },
    { "dev elements at 0", 32, 8, 0, VIRTIO_MSG_V1_AREA_AT_0 },
    { "drv notif at 0", 40, 8, 0, VIRTIO_MSG_V1_AREA_AT_0 },
    { "drv head at 0", 48, 8, 0, VIRTIO_MSG_V1_AREA_AT_0 },
    { "drv elements at 0", 56, 8, 0, VIRTIO_MSG_V1_AREA_AT_0 },
    /* ... misaligned, ... */
    { "dev notif + 4", 16, 8, 0xc4, VIRTIO_MSG_V1_AREA_MISALIGNED },
    { "dev head + 1", 24, 8, 0x41, VIRTIO_MSG_V1_AREA_MISALIGNED },
    { "drv notif + 2", 40, 8, 0x102, VIRTIO_MSG_V1_AREA_MISALIGNED },
    { "drv head + 1", 48, 8, 0x81, VIRTIO_MSG_V1_AREA_MISALIGNED },
    /* ... around the end of all addresses, ... */
    { "dev notif wraps", 16, 8, -UINT64_C(8), VIRTIO_MSG_V1_AREA_WRAPS },
    { "dev head wraps", 24, 8, -UINT64_C(2), VIRTIO_MSG_V1_AREA_WRAPS },
    { "dev elements wrap", 32, 8, -UINT64_C(1), VIRTIO_MSG_V1_AREA_WRAPS },
    { "drv notif wraps", 40, 8, -UINT64_C(40), VIRTIO_MSG_V1_AREA_WRAPS },
    { "drv head wraps", 48, 8, -UINT64_C(4), VIRTIO_MSG_V1_AREA_WRAPS },
    { "drv elements wrap", 56, 8, -UINT64_C(64), VIRTIO_MSG_V1_AREA_WRAPS },
    /* ... outside, by one byte or by far, ... */
    { "dev notif out", 16, 8, 0x1fd8, VIRTIO_MSG_V1_AREA_OUTSIDE },
    { "dev head out", 24, 8, 0x1ffa, VIRTIO_MSG_V1_AREA_OUTSIDE },
    { "dev elements out", 32, 8, 0x10c1, VIRTIO_MSG_V1_AREA_OUTSIDE },
    { "drv notif out", 40, 8, 0x2000, VIRTIO_MSG_V1_AREA_OUTSIDE },
    { "drv head out", 48, 8, UINT64_C(1) << 52, VIRTIO_MSG_V1_AREA_OUTSIDE },
    { "drv elements out", 56, 8, 0x10c1, VIRTIO_MSG_V1_AREA_OUTSIDE },
    { "one element too many", 10, 2, 62, VIRTIO_MSG_V1_AREA_OVERLAPS },
    { "too many elements", 10, 2, 63, VIRTIO_MSG_V1_AREA_OUTSIDE },
    { "most elements", 10, 2, 65535, VIRTIO_MSG_V1_AREA_OUTSIDE },
    { "64 KiB of elements", 10, 4, 0x04000040, VIRTIO_MSG_V1_AREA_OUTSIDE },
    { "too large elements", 12, 2, 66, VIRTIO_MSG_V1_AREA_OUTSIDE },
    /* ... and over another one, or over the layout */
    { "dev notif over layout", 16, 8, 0x38, VIRTIO_MSG_V1_AREA_OVERLAPS },
    { "dev head over layout", 24, 8, 0x3e, VIRTIO_MSG_V1_AREA_OVERLAPS },
    { "dev elements over layout", 32, 8, 1, VIRTIO_MSG_V1_AREA_OVERLAPS },
    { "drv head over layout", 48, 8, 2, VIRTIO_MSG_V1_AREA_OVERLAPS },
    { "heads", 48, 8, 0x46, VIRTIO_MSG_V1_AREA_OVERLAPS },
    { "same head", 48, 8, 0x40, VIRTIO_MSG_V1_AREA_OVERLAPS },
    { "elements", 56, 8, 0x107f, VIRTIO_MSG_V1_AREA_OVERLAPS },
    { "head in elements", 24, 8, 0x200, VIRTIO_MSG_V1_AREA_OVERLAPS },
    { "notif in notif", 16, 8, 0xd8, VIRTIO_MSG_V1_AREA_OVERLAPS },
    { "notif in elements", 40, 8, 0x1fb8, VIRTIO_MSG_V1_AREA_OVERLAPS },
    { "more notif than room", 8, 1, 3, VIRTIO_MSG_V1_AREA_OVERLAPS },
};

static void test_faults(void)
{
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(changes); i++) {
        const Change *c = &changes[i];
        uint64_t val = GUINT64_TO_LE(c->value);
        uint8_t bytes[VIRTIO_MSG_V1_LENGTH];
        VirtIOMSGV1Layout l;

        g_test_message("%s", c->what);
        memcpy(bytes, ours, sizeof(bytes));
        memcpy(bytes + c->offset, &val, c->bytes);
        l = decode(bytes);
        g_assert_cmpint(virtio_msg_v1_check(&l, CARD_SIZE), ==, c->fault);
    }
}

/* Areas may touch, and lie in any order, and without words have no place */
static void test_accepted(void)
{
    VirtIOMSGV1Layout l = decode(ours);

    g_assert_cmpint(virtio_msg_v1_check(&l, 0x1fc0), ==, VIRTIO_MSG_V1_FINE);
    g_assert_cmpint(virtio_msg_v1_check(&l, 0x1fbf), ==,
                    VIRTIO_MSG_V1_AREA_OUTSIDE);
    g_assert_cmpint(virtio_msg_v1_check(&l, UINT64_MAX), ==,
                    VIRTIO_MSG_V1_FINE);

    l.dev = decode(ours).drv;
    l.drv = decode(ours).dev;
    g_assert_cmpint(virtio_msg_v1_check(&l, CARD_SIZE), ==,
                    VIRTIO_MSG_V1_FINE);

    l = decode(ours);
    l.dev.elements += 1;
    l.drv.elements += 1;
    l.dev.head = 0xf0;
    l.drv.head = 0xf8;
    g_assert_cmpint(virtio_msg_v1_check(&l, CARD_SIZE), ==,
                    VIRTIO_MSG_V1_FINE);

    l.notif.words = 0;
    l.notif.bits = 3;
    l.dev.notif = 0;
    l.drv.notif = 0x41;
    g_assert_cmpint(virtio_msg_v1_check(&l, CARD_SIZE), ==,
                    VIRTIO_MSG_V1_FINE);
}

/* Each says something of its own */
static void test_texts(void)
{
    int i, j;

    for (i = 0; i < VIRTIO_MSG_V1_NUM_FAULTS; i++) {
        g_assert_nonnull(virtio_msg_v1_fault_text(i));
        for (j = 0; j < i; j++) {
            g_assert_cmpstr(virtio_msg_v1_fault_text(i), !=,
                            virtio_msg_v1_fault_text(j));
        }
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);

    g_test_add_func("/virtio-msg/layout/published", test_published);
    g_test_add_func("/virtio-msg/layout/ours", test_ours);
    g_test_add_func("/virtio-msg/layout/ours-without-words",
                    test_ours_without_words);
    g_test_add_func("/virtio-msg/layout/place", test_place);
    g_test_add_func("/virtio-msg/layout/place-nonsense", test_place_nonsense);
    g_test_add_func("/virtio-msg/layout/faults", test_faults);
    g_test_add_func("/virtio-msg/layout/accepted", test_accepted);
    g_test_add_func("/virtio-msg/layout/texts", test_texts);

    return g_test_run();
}
