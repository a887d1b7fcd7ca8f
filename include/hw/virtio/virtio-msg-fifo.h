/*
 * virtio-msg message queues in shared memory
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_VIRTIO_MSG_FIFO_H
#define HW_VIRTIO_MSG_FIFO_H

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
#define VIRTIO_MSG_FIFO_SLOT_SIZE   64

typedef enum VirtIOMSGFifoResult {
    VIRTIO_MSG_FIFO_OK,
    /* put: no free slot */
    VIRTIO_MSG_FIFO_FULL,
    /* get: no message */
    VIRTIO_MSG_FIFO_EMPTY,
    /* the peer's index is out of range; nothing was read or written */
    VIRTIO_MSG_FIFO_BAD_INDEX,
} VirtIOMSGFifoResult;

/*
 * What it takes to keep accesses in order where those of the compiler's
 * atomics, which are for the CPUs that share a cache, do not do.
 */
typedef struct VirtIOMSGFifoBarriers {
    /* Loads before it are done before loads and stores behind it */
    void (*rmb)(void);
    /* Stores before it are done before stores behind it */
    void (*wmb)(void);
} VirtIOMSGFifoBarriers;

typedef struct VirtIOMSGFifo {
    const VirtIOMSGFifoBarriers *barriers;  /* NULL: none are needed */
    uint8_t *tx;        /* the queue that we write */
    uint8_t *rx;        /* the queue that we read */
    uint32_t tx_head;   /* the slot that we write next */
    uint32_t rx_tail;   /* the slot that we read next */
} VirtIOMSGFifo;

/**
 * virtio_msg_fifo_init_spsc: attach to two queues of the `spsc` layout
 * @fifo: to be initialized; needs no clean-up
 * @tx: the page that we write, VIRTIO_MSG_SPSC_PAGE_SIZE bytes
 * @rx: the page that the peer writes, of the same size
 * @reset: zero both pages, dropping what they hold; otherwise go on at our
 *         indices that the memory holds, or at 0 where one is out of range
 *
 * Both pages are 8-byte aligned, stay the caller's and have to outlive @fifo.
 * They may be Device memory: every access is aligned and at most 8 bytes wide;
 * see virtio_msg_fifo_set_barriers().
 * Nothing in here locks; a fifo belongs to one thread at a time.
 *
 * Link layouts, `spsc`.
 */
void virtio_msg_fifo_init_spsc(VirtIOMSGFifo *fifo, void *tx, void *rx,
                               bool reset);

/**
 * virtio_msg_fifo_set_barriers: say how accesses to the queues stay in order
 * @fifo: a fifo that has just been initialized
 * @barriers: static, or NULL for cacheable memory, in which a slot and its
 *            index are kept in order by acquire and release
 */
void virtio_msg_fifo_set_barriers(VirtIOMSGFifo *fifo,
                                  const VirtIOMSGFifoBarriers *barriers);

/**
 * virtio_msg_fifo_put: append one message to the queue that we write
 * @fifo: an initialized fifo
 * @msg: the message, 8-byte aligned, already in wire (little-endian) order
 * @len: its length in bytes, 1 to VIRTIO_MSG_FIFO_SLOT_SIZE; the rest of the
 *       slot is zeroed
 *
 * The message is visible to the peer on return; ringing the doorbell is up to
 * the caller.
 *
 * Returns VIRTIO_MSG_FIFO_OK, or VIRTIO_MSG_FIFO_FULL or
 * VIRTIO_MSG_FIFO_BAD_INDEX, and then nothing has changed (B-04, B-05).
 */
VirtIOMSGFifoResult virtio_msg_fifo_put(VirtIOMSGFifo *fifo,
                                        const void *msg, size_t len);

/**
 * virtio_msg_fifo_get: take one message from the queue that the peer writes
 * @fifo: an initialized fifo
 * @msg: room for VIRTIO_MSG_FIFO_SLOT_SIZE bytes, 8-byte aligned; receives the
 *       whole slot as it stood at one moment, unchecked
 *
 * Returns VIRTIO_MSG_FIFO_OK, or VIRTIO_MSG_FIFO_EMPTY or
 * VIRTIO_MSG_FIFO_BAD_INDEX, and then @msg is untouched (B-05).
 */
VirtIOMSGFifoResult virtio_msg_fifo_get(VirtIOMSGFifo *fifo, void *msg);

/**
 * virtio_msg_fifo_discard: drop what the peer's queue holds
 * @fifo: an initialized fifo
 *
 * For the side that starts: messages of an earlier life mean nothing to it.
 * An index of the peer that is out of range leaves our own as it is.
 */
void virtio_msg_fifo_discard(VirtIOMSGFifo *fifo);

/**
 * virtio_msg_fifo_tx_used: messages that the peer has not taken yet
 * @fifo: an initialized fifo
 *
 * Returns 0 to VIRTIO_MSG_SPSC_NUM_SLOTS - 1; a peer's index that is out of
 * range counts as a full queue.
 */
unsigned virtio_msg_fifo_tx_used(const VirtIOMSGFifo *fifo);

/**
 * virtio_msg_fifo_rx_used: messages that we have not taken yet
 * @fifo: an initialized fifo
 *
 * Returns 0 to VIRTIO_MSG_SPSC_NUM_SLOTS - 1; a peer's index that is out of
 * range counts as an empty queue.
 */
unsigned virtio_msg_fifo_rx_used(const VirtIOMSGFifo *fifo);

#endif /* HW_VIRTIO_MSG_FIFO_H */
