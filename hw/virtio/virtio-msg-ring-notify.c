/*
 * virtio-msg notification words: what each of their bits stands for
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "hw/virtio/virtio-msg-ring-notify.h"

#define WORD_BITS       64
#define BIT_MESSAGES    0
#define BIT_REST        1
/* Below are the two above */
#define BIT_FIRST       2

bool virtio_msg_notify_valid(VirtIOMSGNotifyShape shape)
{
    if (shape.words > VIRTIO_MSG_NOTIFY_MAX_WORDS) {
        return false;
    }
    switch (shape.bits) {
    case 1:
    case 2:
    case 4:
    case 8:
    case 16:
        return true;
    default:
        return shape.words == 0;
    }
}

/* With one word alone: the first bit of device 0, a multiple of the bits */
static unsigned notify_base(VirtIOMSGNotifyShape shape)
{
    return shape.bits < BIT_FIRST ? BIT_FIRST : shape.bits;
}

/* How many devices have as many bits as the shape gives to each */
static unsigned notify_full(VirtIOMSGNotifyShape shape)
{
    if (shape.words == 1) {
        return (WORD_BITS - notify_base(shape)) / shape.bits;
    }
    return (shape.words - 1) * (WORD_BITS / shape.bits);
}

/* How many devices behind those have one bit each, in word 0 */
static unsigned notify_single(VirtIOMSGNotifyShape shape)
{
    if (shape.words == 1) {
        return notify_base(shape) - BIT_FIRST;
    }
    return shape.words < WORD_BITS - BIT_FIRST
           ? WORD_BITS - BIT_FIRST - shape.words : 0;
}

/* The cascade of word 0 itself, which nobody needs, and so before the first */
static unsigned notify_cascade(VirtIOMSGNotifyShape shape)
{
    return WORD_BITS - shape.words;
}

static VirtIOMSGNotifyMeaning notify_of_device(VirtIOMSGNotifyShape shape,
                                               unsigned offset)
{
    unsigned last = shape.bits - 1;
    VirtIOMSGNotifyMeaning m = {
        .dev = offset / shape.bits,
        .queue = offset % shape.bits,
    };

    m.kind = last == 0 ? VIRTIO_MSG_NOTIFY_DEVICE
           : m.queue == last ? VIRTIO_MSG_NOTIFY_OTHERS
                             : VIRTIO_MSG_NOTIFY_QUEUE;
    return m;
}

VirtIOMSGNotifyMeaning virtio_msg_notify_meaning(VirtIOMSGNotifyShape shape,
                                                 unsigned word, unsigned bit)
{
    VirtIOMSGNotifyMeaning m = { .kind = VIRTIO_MSG_NOTIFY_UNUSED };

    if (word >= shape.words || bit >= WORD_BITS) {
        return m;
    }
    if (word > 0) {
        return notify_of_device(shape, (word - 1) * WORD_BITS + bit);
    }
    if (bit == BIT_MESSAGES) {
        m.kind = VIRTIO_MSG_NOTIFY_MESSAGES;
    } else if (bit == BIT_REST && shape.words < WORD_BITS) {
        m.kind = VIRTIO_MSG_NOTIFY_REST;
    } else if (bit - BIT_FIRST < notify_single(shape)) {
        m.kind = VIRTIO_MSG_NOTIFY_DEVICE;
        m.dev = notify_full(shape) + bit - BIT_FIRST;
    } else if (shape.words == 1) {
        return notify_of_device(shape, bit - notify_base(shape));
    } else if (bit > notify_cascade(shape)) {
        m.kind = VIRTIO_MSG_NOTIFY_CASCADE;
        m.word = bit - notify_cascade(shape);
    }
    return m;
}

bool virtio_msg_notify_find(VirtIOMSGNotifyShape shape, uint16_t dev,
                            uint16_t queue, unsigned *word, unsigned *bit)
{
    unsigned full, offset;

    if (shape.words == 0) {
        return false;
    }
    full = notify_full(shape);
    if (dev < full) {
        offset = dev * shape.bits + MIN(queue, shape.bits - 1);
        if (shape.words == 1) {
            *word = 0;
            *bit = notify_base(shape) + offset;
        } else {
            *word = 1 + offset / WORD_BITS;
            *bit = offset % WORD_BITS;
        }
        return true;
    }
    if (dev - full < notify_single(shape)) {
        *word = 0;
        *bit = BIT_FIRST + dev - full;
        return true;
    }
    if (shape.words < WORD_BITS) {
        *word = 0;
        *bit = BIT_REST;
        return true;
    }
    return false;
}
