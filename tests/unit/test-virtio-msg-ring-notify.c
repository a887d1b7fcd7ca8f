/*
 * Unit tests of what the bits of virtio-msg notification words stand for
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "hw/virtio/virtio-msg-ring-notify.h"

#define MESSAGES    VIRTIO_MSG_NOTIFY_MESSAGES
#define REST        VIRTIO_MSG_NOTIFY_REST
#define QUEUE       VIRTIO_MSG_NOTIFY_QUEUE
#define OTHERS      VIRTIO_MSG_NOTIFY_OTHERS
#define DEVICE      VIRTIO_MSG_NOTIFY_DEVICE
#define CASCADE     VIRTIO_MSG_NOTIFY_CASCADE
#define UNUSED      VIRTIO_MSG_NOTIFY_UNUSED

/* One bit of one shape, and what it stands for */
typedef struct Row {
    uint8_t words, bits;
    unsigned word, bit;
    VirtIOMSGNotifyKind kind;
    unsigned dev, queue, cascade;
} Row;

static void check_rows(const Row *rows, size_t num)
{
    size_t i;

    for (i = 0; i < num; i++) {
        const Row *r = &rows[i];
        VirtIOMSGNotifyShape shape = { .words = r->words, .bits = r->bits };
        VirtIOMSGNotifyMeaning m =
            virtio_msg_notify_meaning(shape, r->word, r->bit);

        g_test_message("N=%u B=%u word %u bit %u", r->words, r->bits, r->word,
                       r->bit);
        g_assert_cmpint(m.kind, ==, r->kind);
        g_assert_cmpuint(m.dev, ==, r->dev);
        g_assert_cmpuint(m.queue, ==, r->queue);
        g_assert_cmpuint(m.word, ==, r->cascade);
    }
}

/* "bit 0 messages, 1 the rest, 2..7 devices 7..12, 8..15 device 0, ..." */
static void test_one_word_8(void)
{
    static const Row rows[] = {
        { 1, 8, 0, 0, MESSAGES },
        { 1, 8, 0, 1, REST },
        { 1, 8, 0, 2, DEVICE, 7 },
        { 1, 8, 0, 7, DEVICE, 12 },
        { 1, 8, 0, 8, QUEUE, 0, 0 },
        { 1, 8, 0, 14, QUEUE, 0, 6 },
        { 1, 8, 0, 15, OTHERS, 0, 7 },
        { 1, 8, 0, 16, QUEUE, 1, 0 },
        { 1, 8, 0, 56, QUEUE, 6, 0 },
        { 1, 8, 0, 63, OTHERS, 6, 7 },
        { 1, 8, 0, 64, UNUSED },
        { 1, 8, 1, 0, UNUSED },
    };

    check_rows(rows, G_N_ELEMENTS(rows));
}

static void test_one_word_others(void)
{
    static const Row rows[] = {
        /* B = 4: devices 0..14 from bit 4 on, 15 and 16 at 2 and 3 */
        { 1, 4, 0, 1, REST },
        { 1, 4, 0, 2, DEVICE, 15 },
        { 1, 4, 0, 3, DEVICE, 16 },
        { 1, 4, 0, 4, QUEUE, 0, 0 },
        { 1, 4, 0, 6, QUEUE, 0, 2 },
        { 1, 4, 0, 7, OTHERS, 0, 3 },
        { 1, 4, 0, 60, QUEUE, 14, 0 },
        { 1, 4, 0, 63, OTHERS, 14, 3 },
        /* B = 16: devices 0..2 from bit 16 on, 3..16 at 2..15 */
        { 1, 16, 0, 2, DEVICE, 3 },
        { 1, 16, 0, 15, DEVICE, 16 },
        { 1, 16, 0, 16, QUEUE, 0, 0 },
        { 1, 16, 0, 30, QUEUE, 0, 14 },
        { 1, 16, 0, 31, OTHERS, 0, 15 },
        { 1, 16, 0, 63, OTHERS, 2, 15 },
        /* B = 2: devices 0..30 */
        { 1, 2, 0, 0, MESSAGES },
        { 1, 2, 0, 1, REST },
        { 1, 2, 0, 2, QUEUE, 0, 0 },
        { 1, 2, 0, 3, OTHERS, 0, 1 },
        { 1, 2, 0, 62, QUEUE, 30, 0 },
        { 1, 2, 0, 63, OTHERS, 30, 1 },
        /* B = 1: devices 0..61, each by one bit */
        { 1, 1, 0, 0, MESSAGES },
        { 1, 1, 0, 1, REST },
        { 1, 1, 0, 2, DEVICE, 0 },
        { 1, 1, 0, 63, DEVICE, 61 },
    };

    check_rows(rows, G_N_ELEMENTS(rows));
}

/* "words 1..47 devices 0..187, word 0 bits 2..15 devices 188..201, ..." */
static void test_48_words_16(void)
{
    static const Row rows[] = {
        { 48, 16, 0, 0, MESSAGES },
        { 48, 16, 0, 1, REST },
        { 48, 16, 0, 2, DEVICE, 188 },
        { 48, 16, 0, 15, DEVICE, 201 },
        { 48, 16, 0, 16, UNUSED },
        { 48, 16, 0, 17, CASCADE, 0, 0, 1 },
        { 48, 16, 0, 63, CASCADE, 0, 0, 47 },
        { 48, 16, 1, 0, QUEUE, 0, 0 },
        { 48, 16, 1, 15, OTHERS, 0, 15 },
        { 48, 16, 1, 16, QUEUE, 1, 0 },
        { 48, 16, 2, 0, QUEUE, 4, 0 },
        { 48, 16, 47, 63, OTHERS, 187, 15 },
        { 48, 16, 48, 0, UNUSED },
    };

    check_rows(rows, G_N_ELEMENTS(rows));
}

static void test_other_numbers_of_words(void)
{
    static const Row rows[] = {
        { 2, 8, 0, 1, REST },
        { 2, 8, 0, 2, DEVICE, 8 },
        { 2, 8, 0, 61, DEVICE, 67 },
        { 2, 8, 0, 62, UNUSED },
        { 2, 8, 0, 63, CASCADE, 0, 0, 1 },
        { 2, 8, 1, 0, QUEUE, 0, 0 },
        { 2, 8, 1, 63, OTHERS, 7, 7 },
        { 2, 1, 1, 0, DEVICE, 0 },
        { 2, 1, 1, 63, DEVICE, 63 },
        { 2, 1, 0, 2, DEVICE, 64 },
        { 61, 2, 0, 2, DEVICE, 60 * 32 },
        { 61, 2, 0, 3, UNUSED },
        { 61, 2, 0, 4, CASCADE, 0, 0, 1 },
        /* No device has one bit alone any longer */
        { 62, 4, 0, 1, REST },
        { 62, 4, 0, 2, UNUSED },
        { 62, 4, 0, 3, CASCADE, 0, 0, 1 },
        { 63, 4, 0, 1, REST },
        { 63, 4, 0, 2, CASCADE, 0, 0, 1 },
        /* With 64 words there is no bit for the rest either */
        { 64, 16, 0, 0, MESSAGES },
        { 64, 16, 0, 1, CASCADE, 0, 0, 1 },
        { 64, 16, 0, 63, CASCADE, 0, 0, 63 },
        { 64, 16, 63, 63, OTHERS, 251, 15 },
    };

    check_rows(rows, G_N_ELEMENTS(rows));
}

static void test_none(void)
{
    VirtIOMSGNotifyShape shape = { .words = 0, .bits = 8 };
    unsigned word = 99, bit = 99;

    g_assert_cmpint(virtio_msg_notify_meaning(shape, 0, 0).kind, ==, UNUSED);
    g_assert_false(virtio_msg_notify_find(shape, 0, 0, &word, &bit));
    g_assert_cmpuint(word, ==, 99);
    g_assert_cmpuint(bit, ==, 99);
}

static void test_valid(void)
{
    unsigned words, bits;

    for (words = 0; words <= UINT8_MAX; words++) {
        for (bits = 0; bits <= UINT8_MAX; bits++) {
            VirtIOMSGNotifyShape shape = { .words = words, .bits = bits };

            g_assert_cmpint(virtio_msg_notify_valid(shape), ==,
                            words == 0 ||
                            (words <= 64 &&
                             (bits == 1 || bits == 2 || bits == 4 ||
                              bits == 8 || bits == 16)));
        }
    }
}

static void check_found(VirtIOMSGNotifyShape shape, unsigned dev,
                        unsigned queue, unsigned word, unsigned bit)
{
    unsigned found_word = 99, found_bit = 99;

    g_assert_true(virtio_msg_notify_find(shape, dev, queue, &found_word,
                                         &found_bit));
    g_assert_cmpuint(found_word, ==, word);
    g_assert_cmpuint(found_bit, ==, bit);
}

/* Whatever a bit stands for is found at that bit, and nothing in two places */
static void check_shape(VirtIOMSGNotifyShape shape)
{
    unsigned word, bit, next = 0, single = 0, first_single = 0;
    unsigned found_word, found_bit;

    for (word = 0; word < shape.words; word++) {
        for (bit = 0; bit < 64; bit++) {
            VirtIOMSGNotifyMeaning m =
                virtio_msg_notify_meaning(shape, word, bit);

            switch (m.kind) {
            case QUEUE:
                check_found(shape, m.dev, m.queue, word, bit);
                break;
            case OTHERS:
                check_found(shape, m.dev, m.queue, word, bit);
                check_found(shape, m.dev, m.queue + 1, word, bit);
                check_found(shape, m.dev, UINT16_MAX, word, bit);
                break;
            case DEVICE:
                check_found(shape, m.dev, 0, word, bit);
                check_found(shape, m.dev, UINT16_MAX, word, bit);
                break;
            default:
                continue;
            }
            /* Devices come in order, those with one bit behind all others */
            if (m.kind == DEVICE && shape.bits > 1 && single++ == 0) {
                first_single = m.dev;
            } else if (m.kind == DEVICE && shape.bits > 1) {
                g_assert_cmpuint(m.dev, ==, first_single + single - 1);
            } else if (m.queue == 0 && shape.bits > 1) {
                g_assert_cmpuint(m.dev, ==, next++);
            }
        }
    }
    if (single) {
        g_assert_cmpuint(first_single, ==, next);
    }

    /* All others have one bit together, or none */
    if (shape.words == 64) {
        g_assert_false(virtio_msg_notify_find(shape, UINT16_MAX, 0,
                                              &found_word, &found_bit));
        g_assert_false(virtio_msg_notify_find(shape, 63 * 64 / shape.bits, 0,
                                              &found_word, &found_bit));
    } else {
        check_found(shape, UINT16_MAX, 0, 0, 1);
        if (shape.bits > 1) {
            check_found(shape, next + single, 0, 0, 1);
            check_found(shape, next + single, 9, 0, 1);
        }
    }
}

static void test_find(void)
{
    VirtIOMSGNotifyShape shape;

    for (shape.words = 1; shape.words <= 64; shape.words++) {
        for (shape.bits = 1; shape.bits <= 16; shape.bits *= 2) {
            check_shape(shape);
        }
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);

    g_test_add_func("/virtio-msg/notify/one-word-8-bits", test_one_word_8);
    g_test_add_func("/virtio-msg/notify/one-word-other-bits",
                    test_one_word_others);
    g_test_add_func("/virtio-msg/notify/48-words-16-bits", test_48_words_16);
    g_test_add_func("/virtio-msg/notify/other-numbers-of-words",
                    test_other_numbers_of_words);
    g_test_add_func("/virtio-msg/notify/none", test_none);
    g_test_add_func("/virtio-msg/notify/valid", test_valid);
    g_test_add_func("/virtio-msg/notify/find", test_find);

    return g_test_run();
}
