/*
 * virtio-msg notification words: what each of their bits stands for
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_VIRTIO_MSG_RING_NOTIFY_H
#define HW_VIRTIO_MSG_RING_NOTIFY_H

/*
 * With the `v1` layout each side can have words of 64 bits in the shared
 * memory by which it says what the doorbell was rung for: messages, a queue of
 * a device, or any of several.  This is the arithmetic of them, without any
 * memory.
 */

/* The most words that a side can have */
#define VIRTIO_MSG_NOTIFY_MAX_WORDS 64

typedef struct VirtIOMSGNotifyShape {
    uint8_t words;      /* in each direction, 0 to 64; 0: there are none */
    uint8_t bits;       /* for each device: 1, 2, 4, 8 or 16 */
} VirtIOMSGNotifyShape;

typedef enum VirtIOMSGNotifyKind {
    VIRTIO_MSG_NOTIFY_UNUSED,
    /* the queue of messages */
    VIRTIO_MSG_NOTIFY_MESSAGES,
    /* any queue of any device that has no bit of its own */
    VIRTIO_MSG_NOTIFY_REST,
    /* queue @queue of device @dev */
    VIRTIO_MSG_NOTIFY_QUEUE,
    /* queue @queue of device @dev or one behind it */
    VIRTIO_MSG_NOTIFY_OTHERS,
    /* any queue of device @dev */
    VIRTIO_MSG_NOTIFY_DEVICE,
    /* word @word has news */
    VIRTIO_MSG_NOTIFY_CASCADE,
} VirtIOMSGNotifyKind;

typedef struct VirtIOMSGNotifyMeaning {
    VirtIOMSGNotifyKind kind;
    uint16_t dev;
    uint16_t queue;
    uint8_t word;
} VirtIOMSGNotifyMeaning;

/**
 * virtio_msg_notify_valid: whether there can be words of that shape
 * @shape: a number of words and of bits, which may be anything
 *
 * Without words any number of bits is fine (L-09).
 */
bool virtio_msg_notify_valid(VirtIOMSGNotifyShape shape);

/**
 * virtio_msg_notify_meaning: what a bit stands for
 * @shape: a valid one
 * @word: which word, 0 to @shape.words - 1
 * @bit: which bit of it, 0 to 63
 *
 * Returns VIRTIO_MSG_NOTIFY_UNUSED for what is not there.  Fields that the kind
 * does not have are 0.
 *
 * Link layouts, `v1`, notification words.
 */
VirtIOMSGNotifyMeaning virtio_msg_notify_meaning(VirtIOMSGNotifyShape shape,
                                                 unsigned word, unsigned bit);

/**
 * virtio_msg_notify_find: which bit stands for a queue
 * @shape: a valid one
 * @dev: the device's number
 * @queue: which of its queues
 * @word: receives which word
 * @bit: receives which bit of it
 *
 * Returns false if no bit does, and then both are untouched: the event goes as
 * a message (L-27).
 */
bool virtio_msg_notify_find(VirtIOMSGNotifyShape shape, uint16_t dev,
                            uint16_t queue, unsigned *word, unsigned *bit);

#endif /* HW_VIRTIO_MSG_RING_NOTIFY_H */
