/*
 * virtio-msg message queues in shared memory
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "hw/virtio/virtio-msg-ring.h"

/* Slots are moved in units of this, the widest that every host does in one */
typedef unsigned long SlotWord;

#define SLOT_WORDS (VIRTIO_MSG_RING_SLOT_SIZE / sizeof(SlotWord))

/*
 * The compiler builtins rather than QEMU's wrappers: this file also builds
 * without the rest of QEMU.
 */
static uint32_t spsc_load(const uint8_t *page, size_t off)
{
    const uint32_t *word = (const uint32_t *)(page + off);

    return GUINT32_FROM_LE(__atomic_load_n(word, __ATOMIC_ACQUIRE));
}

static void spsc_store(uint8_t *page, size_t off, uint32_t val)
{
    uint32_t *word = (uint32_t *)(page + off);

    __atomic_store_n(word, GUINT32_TO_LE(val), __ATOMIC_RELEASE);
}

/* A slot is there, or free, if the index that has been loaded says so */
static void spsc_rmb(const VirtIOMSGRing *ring)
{
    if (ring->barriers) {
        ring->barriers->rmb();
    }
}

/* A slot is there before the index that will be stored says so */
static void spsc_wmb(const VirtIOMSGRing *ring)
{
    if (ring->barriers) {
        ring->barriers->wmb();
    }
}

static SlotWord *spsc_slot(uint8_t *page, uint32_t index)
{
    return (SlotWord *)(page + VIRTIO_MSG_SPSC_SLOTS +
                        index * VIRTIO_MSG_RING_SLOT_SIZE);
}

/*
 * Word by word and no other way: memory functions, which the compiler would
 * make of a plain loop, may access Device memory unaligned or twice.
 */
static void spsc_write_words(SlotWord *to, const SlotWord *from, size_t n)
{
    size_t i;

    for (i = 0; i < n; i++) {
        __atomic_store_n(&to[i], from[i], __ATOMIC_RELAXED);
    }
}

static void spsc_read_words(SlotWord *to, const SlotWord *from, size_t n)
{
    size_t i;

    for (i = 0; i < n; i++) {
        to[i] = __atomic_load_n(&from[i], __ATOMIC_RELAXED);
    }
}

static uint32_t spsc_next(uint32_t index)
{
    return index + 1 == VIRTIO_MSG_SPSC_NUM_SLOTS ? 0 : index + 1;
}

static unsigned spsc_used(uint32_t head, uint32_t tail)
{
    return head >= tail ? head - tail
                        : head + VIRTIO_MSG_SPSC_NUM_SLOTS - tail;
}

static void spsc_zero(uint8_t *page)
{
    static const SlotWord zeros[VIRTIO_MSG_SPSC_PAGE_SIZE / sizeof(SlotWord)];

    spsc_write_words((SlotWord *)page, zeros, G_N_ELEMENTS(zeros));
}

void virtio_msg_ring_init_spsc(VirtIOMSGRing *ring, void *tx, void *rx,
                               bool reset)
{
    ring->barriers = NULL;
    ring->tx = tx;
    ring->rx = rx;

    if (reset) {
        spsc_zero(tx);
        spsc_zero(rx);
    }

    ring->tx_head = spsc_load(tx, VIRTIO_MSG_SPSC_HEAD);
    if (ring->tx_head >= VIRTIO_MSG_SPSC_NUM_SLOTS) {
        ring->tx_head = 0;
        spsc_store(tx, VIRTIO_MSG_SPSC_HEAD, 0);
    }

    ring->rx_tail = spsc_load(rx, VIRTIO_MSG_SPSC_TAIL);
    if (ring->rx_tail >= VIRTIO_MSG_SPSC_NUM_SLOTS) {
        ring->rx_tail = 0;
        spsc_store(rx, VIRTIO_MSG_SPSC_TAIL, 0);
    }
}

void virtio_msg_ring_set_barriers(VirtIOMSGRing *ring,
                                  const VirtIOMSGRingBarriers *barriers)
{
    ring->barriers = barriers;
}

VirtIOMSGRingResult virtio_msg_ring_put(VirtIOMSGRing *ring,
                                        const void *msg, size_t len)
{
    uint32_t next = spsc_next(ring->tx_head);
    uint32_t tail = spsc_load(ring->tx, VIRTIO_MSG_SPSC_TAIL);
    SlotWord words[SLOT_WORDS] = { 0 };

    if (tail >= VIRTIO_MSG_SPSC_NUM_SLOTS) {
        return VIRTIO_MSG_RING_BAD_INDEX;
    }
    if (next == tail) {
        return VIRTIO_MSG_RING_FULL;
    }

    /* Through a copy: the rest of the slot shall not leak what lies behind */
    memcpy(words, msg, len);
    spsc_rmb(ring);
    spsc_write_words(spsc_slot(ring->tx, ring->tx_head), words, SLOT_WORDS);
    spsc_wmb(ring);

    ring->tx_head = next;
    spsc_store(ring->tx, VIRTIO_MSG_SPSC_HEAD, next);
    return VIRTIO_MSG_RING_OK;
}

VirtIOMSGRingResult virtio_msg_ring_get(VirtIOMSGRing *ring, void *msg)
{
    uint32_t head = spsc_load(ring->rx, VIRTIO_MSG_SPSC_HEAD);

    if (head >= VIRTIO_MSG_SPSC_NUM_SLOTS) {
        return VIRTIO_MSG_RING_BAD_INDEX;
    }
    if (head == ring->rx_tail) {
        return VIRTIO_MSG_RING_EMPTY;
    }

    spsc_rmb(ring);
    spsc_read_words(msg, spsc_slot(ring->rx, ring->rx_tail), SLOT_WORDS);
    spsc_rmb(ring);

    ring->rx_tail = spsc_next(ring->rx_tail);
    spsc_store(ring->rx, VIRTIO_MSG_SPSC_TAIL, ring->rx_tail);
    return VIRTIO_MSG_RING_OK;
}

bool virtio_msg_ring_valid(const VirtIOMSGRing *ring)
{
    return ring->tx_head < VIRTIO_MSG_SPSC_NUM_SLOTS &&
           ring->rx_tail < VIRTIO_MSG_SPSC_NUM_SLOTS;
}

void virtio_msg_ring_discard(VirtIOMSGRing *ring)
{
    uint32_t head = spsc_load(ring->rx, VIRTIO_MSG_SPSC_HEAD);

    if (head < VIRTIO_MSG_SPSC_NUM_SLOTS) {
        ring->rx_tail = head;
        spsc_store(ring->rx, VIRTIO_MSG_SPSC_TAIL, head);
    }
}

unsigned virtio_msg_ring_tx_used(const VirtIOMSGRing *ring)
{
    uint32_t tail = spsc_load(ring->tx, VIRTIO_MSG_SPSC_TAIL);

    if (tail >= VIRTIO_MSG_SPSC_NUM_SLOTS) {
        return VIRTIO_MSG_SPSC_NUM_SLOTS - 1;
    }
    return spsc_used(ring->tx_head, tail);
}

unsigned virtio_msg_ring_rx_used(const VirtIOMSGRing *ring)
{
    uint32_t head = spsc_load(ring->rx, VIRTIO_MSG_SPSC_HEAD);

    if (head >= VIRTIO_MSG_SPSC_NUM_SLOTS) {
        return 0;
    }
    return spsc_used(head, ring->rx_tail);
}
