/*
 * virtio-msg message queues in shared memory
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_VIRTIO_MSG_RING_H
#define HW_VIRTIO_MSG_RING_H

/*
 * A link has two queues of messages in memory that it shares with its peer:
 * one that we write and one that we read.  This file knows the layout of the
 * queues and nothing else: no device, no doorbell, no virtio.
 *
 * The peer can write anything anywhere in both queues at any time.  Each word
 * that belongs to the peer is therefore read once per operation and checked
 * before use, and our own indices live here, in memory that the peer does not
 * see; the shared copies are only ever written.
 */

/* The `spsc` layout: two pages, each with two indices and 62 slots */
#define VIRTIO_MSG_SPSC_PAGE_SIZE   4096
#define VIRTIO_MSG_SPSC_HEAD        0x00
#define VIRTIO_MSG_SPSC_TAIL        0x40
#define VIRTIO_MSG_SPSC_SLOTS       0x80
#define VIRTIO_MSG_SPSC_NUM_SLOTS   62

/* Bytes in a slot, and so the largest message that a queue can carry */
#define VIRTIO_MSG_RING_SLOT_SIZE   64

typedef enum VirtIOMSGRingResult {
    VIRTIO_MSG_RING_OK,
    /* put: no free slot */
    VIRTIO_MSG_RING_FULL,
    /* get: no message */
    VIRTIO_MSG_RING_EMPTY,
    /* the peer's index is out of range; nothing was read or written */
    VIRTIO_MSG_RING_BAD_INDEX,
} VirtIOMSGRingResult;

/*
 * What it takes to keep accesses in order where those of the compiler's
 * atomics, which are for the CPUs that share a cache, do not do.
 */
typedef struct VirtIOMSGRingBarriers {
    /* Loads before it are done before loads and stores behind it */
    void (*rmb)(void);
    /* Stores before it are done before stores behind it */
    void (*wmb)(void);
} VirtIOMSGRingBarriers;

typedef struct VirtIOMSGRing {
    const VirtIOMSGRingBarriers *barriers;  /* NULL: none are needed */
    uint8_t *tx;        /* the queue that we write */
    uint8_t *rx;        /* the queue that we read */
    uint32_t tx_head;   /* the slot that we write next */
    uint32_t rx_tail;   /* the slot that we read next */
} VirtIOMSGRing;

/**
 * virtio_msg_ring_init_spsc: attach to two queues of the `spsc` layout
 * @ring: to be initialized; needs no clean-up
 * @tx: the page that we write, VIRTIO_MSG_SPSC_PAGE_SIZE bytes
 * @rx: the page that the peer writes, of the same size
 * @reset: zero both pages, dropping what they hold; otherwise go on at our
 *         indices that the memory holds, or at 0 where one is out of range
 *
 * Both pages are 8-byte aligned, stay the caller's and have to outlive @ring.
 * They may be Device memory: every access is aligned and at most 8 bytes wide;
 * see virtio_msg_ring_set_barriers().
 * Nothing in here locks; a ring belongs to one thread at a time.
 *
 * Link layouts, `spsc`.
 */
void virtio_msg_ring_init_spsc(VirtIOMSGRing *ring, void *tx, void *rx,
                               bool reset);

/**
 * virtio_msg_ring_set_barriers: say how accesses to the queues stay in order
 * @ring: a ring that has just been initialized
 * @barriers: static, or NULL for cacheable memory, in which a slot and its
 *            index are kept in order by acquire and release
 */
void virtio_msg_ring_set_barriers(VirtIOMSGRing *ring,
                                  const VirtIOMSGRingBarriers *barriers);

/**
 * virtio_msg_ring_put: append one message to the queue that we write
 * @ring: an initialized ring
 * @msg: the message, 8-byte aligned, already in wire (little-endian) order
 * @len: its length in bytes, 1 to VIRTIO_MSG_RING_SLOT_SIZE; the rest of the
 *       slot is zeroed
 *
 * The message is visible to the peer on return; ringing the doorbell is up to
 * the caller.
 *
 * Returns VIRTIO_MSG_RING_OK, or VIRTIO_MSG_RING_FULL or
 * VIRTIO_MSG_RING_BAD_INDEX, and then nothing has changed (B-04, B-05).
 */
VirtIOMSGRingResult virtio_msg_ring_put(VirtIOMSGRing *ring,
                                        const void *msg, size_t len);

/**
 * virtio_msg_ring_get: take one message from the queue that the peer writes
 * @ring: an initialized ring
 * @msg: room for VIRTIO_MSG_RING_SLOT_SIZE bytes, 8-byte aligned; receives the
 *       whole slot as it stood at one moment, unchecked
 *
 * Returns VIRTIO_MSG_RING_OK, or VIRTIO_MSG_RING_EMPTY or
 * VIRTIO_MSG_RING_BAD_INDEX, and then @msg is untouched (B-05).
 */
VirtIOMSGRingResult virtio_msg_ring_get(VirtIOMSGRing *ring, void *msg);

/**
 * virtio_msg_ring_valid: whether our own indices are in range
 * @ring: a ring whose indices have come from elsewhere
 */
bool virtio_msg_ring_valid(const VirtIOMSGRing *ring);

/**
 * virtio_msg_ring_discard: drop what the peer's queue holds
 * @ring: an initialized ring
 *
 * For the side that starts: messages of an earlier life mean nothing to it.
 * An index of the peer that is out of range leaves our own as it is.
 */
void virtio_msg_ring_discard(VirtIOMSGRing *ring);

/**
 * virtio_msg_ring_tx_used: messages that the peer has not taken yet
 * @ring: an initialized ring
 *
 * Returns 0 to VIRTIO_MSG_SPSC_NUM_SLOTS - 1; a peer's index that is out of
 * range counts as a full queue.
 */
unsigned virtio_msg_ring_tx_used(const VirtIOMSGRing *ring);

/**
 * virtio_msg_ring_rx_used: messages that we have not taken yet
 * @ring: an initialized ring
 *
 * Returns 0 to VIRTIO_MSG_SPSC_NUM_SLOTS - 1; a peer's index that is out of
 * range counts as an empty queue.
 */
unsigned virtio_msg_ring_rx_used(const VirtIOMSGRing *ring);

#endif /* HW_VIRTIO_MSG_RING_H */
