/*
 * virtio-msg message queues in shared memory: the `spsc` layout
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "virtio-msg-ring-internal.h"

#define NUM_SLOTS   VIRTIO_MSG_SPSC_NUM_SLOTS

static uint8_t *spsc_slot(uint8_t *page, uint32_t index)
{
    return page + VIRTIO_MSG_SPSC_SLOTS + index * VIRTIO_MSG_RING_SLOT_SIZE;
}

static uint32_t spsc_next(uint32_t index)
{
    return ring_next(index, NUM_SLOTS);
}

/* Go on at the indices that memory has for us, or begin */
static void spsc_resume(VirtIOMSGRingSpsc *s)
{
    s->tx_head = ring_load32(s->tx + VIRTIO_MSG_SPSC_HEAD);
    s->rx_tail = ring_load32(s->rx + VIRTIO_MSG_SPSC_TAIL);
    if (s->tx_head >= NUM_SLOTS || s->rx_tail >= NUM_SLOTS) {
        s->tx_head = 0;
        s->rx_tail = 0;
        ring_store32(s->tx + VIRTIO_MSG_SPSC_HEAD, 0);
        ring_store32(s->rx + VIRTIO_MSG_SPSC_TAIL, 0);
    }
}

/*
 * An index of ours that is not what we stored: the memory's counts.  It is
 * written only where it makes no sense, as the peer may not be done.
 */
static bool spsc_take_in(uint8_t *word, uint32_t *index)
{
    uint32_t val = ring_load32(word);

    if (val == *index) {
        return false;
    }
    *index = val;
    if (val >= NUM_SLOTS) {
        *index = 0;
        ring_store32(word, 0);
    }
    return true;
}

/* Whether the peer has zeroed the pages, as some do when they start (L-07) */
static bool spsc_restarted(VirtIOMSGRingSpsc *s)
{
    bool head = spsc_take_in(s->tx + VIRTIO_MSG_SPSC_HEAD, &s->tx_head);
    bool tail = spsc_take_in(s->rx + VIRTIO_MSG_SPSC_TAIL, &s->rx_tail);

    return head || tail;
}

static VirtIOMSGRingResult spsc_put(VirtIOMSGRing *ring, const void *msg,
                                    size_t len)
{
    VirtIOMSGRingSpsc *s = &ring->spsc;
    RingWord words[VIRTIO_MSG_RING_SLOT_SIZE / sizeof(RingWord)] = { 0 };
    uint32_t next, tail;

    if (spsc_restarted(s)) {
        return VIRTIO_MSG_RING_RESTARTED;
    }
    next = spsc_next(s->tx_head);
    tail = ring_load32(s->tx + VIRTIO_MSG_SPSC_TAIL);
    if (tail >= NUM_SLOTS) {
        return VIRTIO_MSG_RING_BAD_INDEX;
    }
    if (next == tail) {
        return VIRTIO_MSG_RING_FULL;
    }

    /* Through a copy: the rest of the slot shall not leak what lies behind */
    memcpy(words, msg, len);
    ring_rmb(ring);
    ring_write(spsc_slot(s->tx, s->tx_head), words, sizeof(words));
    ring_wmb(ring);

    s->tx_head = next;
    ring_store32(s->tx + VIRTIO_MSG_SPSC_HEAD, next);
    return VIRTIO_MSG_RING_OK;
}

static VirtIOMSGRingResult spsc_get(VirtIOMSGRing *ring, void *msg)
{
    VirtIOMSGRingSpsc *s = &ring->spsc;
    uint32_t head;

    if (spsc_restarted(s)) {
        return VIRTIO_MSG_RING_RESTARTED;
    }
    head = ring_load32(s->rx + VIRTIO_MSG_SPSC_HEAD);
    if (head >= NUM_SLOTS) {
        return VIRTIO_MSG_RING_BAD_INDEX;
    }
    if (head == s->rx_tail) {
        return VIRTIO_MSG_RING_EMPTY;
    }

    ring_rmb(ring);
    ring_read(msg, spsc_slot(s->rx, s->rx_tail), VIRTIO_MSG_RING_SLOT_SIZE);
    ring_rmb(ring);

    s->rx_tail = spsc_next(s->rx_tail);
    ring_store32(s->rx + VIRTIO_MSG_SPSC_TAIL, s->rx_tail);
    return VIRTIO_MSG_RING_OK;
}

static void spsc_discard(VirtIOMSGRing *ring)
{
    VirtIOMSGRingSpsc *s = &ring->spsc;
    uint32_t head = ring_load32(s->rx + VIRTIO_MSG_SPSC_HEAD);

    if (head < NUM_SLOTS) {
        s->rx_tail = head;
        ring_store32(s->rx + VIRTIO_MSG_SPSC_TAIL, head);
    }
}

static unsigned spsc_tx_used(const VirtIOMSGRing *ring)
{
    const VirtIOMSGRingSpsc *s = &ring->spsc;
    uint32_t tail = ring_load32(s->tx + VIRTIO_MSG_SPSC_TAIL);

    if (tail >= NUM_SLOTS) {
        return NUM_SLOTS - 1;
    }
    return ring_distance(tail, s->tx_head, NUM_SLOTS);
}

static unsigned spsc_rx_used(const VirtIOMSGRing *ring)
{
    const VirtIOMSGRingSpsc *s = &ring->spsc;
    uint32_t head = ring_load32(s->rx + VIRTIO_MSG_SPSC_HEAD);

    if (head >= NUM_SLOTS) {
        return 0;
    }
    return ring_distance(s->rx_tail, head, NUM_SLOTS);
}

static unsigned spsc_capacity(const VirtIOMSGRing *ring)
{
    return NUM_SLOTS - 1;
}

static bool spsc_valid(const VirtIOMSGRing *ring)
{
    return ring->spsc.tx_head < NUM_SLOTS && ring->spsc.rx_tail < NUM_SLOTS;
}

static bool spsc_is_up(const VirtIOMSGRing *ring)
{
    return true;
}

/* There are no states: a ring is up, and has a past or not */
static VirtIOMSGRingStep spsc_advance(VirtIOMSGRing *ring, int64_t now_ms)
{
    VirtIOMSGRingSpsc *s = &ring->spsc;
    VirtIOMSGRingStep step = { .next_ms = -1 };

    if (!s->announced) {
        s->announced = true;
        step.event = VIRTIO_MSG_RING_EVENT_UP;
    } else if (spsc_restarted(s)) {
        step.event = VIRTIO_MSG_RING_EVENT_RESTARTED;
        step.cause = VIRTIO_MSG_RING_CAUSE_OWN_INDEX;
    }
    return step;
}

static const VirtIOMSGRingOps spsc_ops = {
    .put = spsc_put,
    .get = spsc_get,
    .discard = spsc_discard,
    .tx_used = spsc_tx_used,
    .rx_used = spsc_rx_used,
    .capacity = spsc_capacity,
    .valid = spsc_valid,
    .is_up = spsc_is_up,
    .advance = spsc_advance,
};

void virtio_msg_ring_init_spsc(VirtIOMSGRing *ring, void *tx, void *rx,
                               bool reset)
{
    *ring = (VirtIOMSGRing) {
        .ops = &spsc_ops,
        .max_msg_size = VIRTIO_MSG_RING_SLOT_SIZE,
        .spsc = { .tx = tx, .rx = rx },
    };
    if (reset) {
        ring_zero(tx, VIRTIO_MSG_SPSC_PAGE_SIZE);
        ring_zero(rx, VIRTIO_MSG_SPSC_PAGE_SIZE);
    }
    spsc_resume(&ring->spsc);
}
