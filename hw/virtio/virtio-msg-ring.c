/*
 * virtio-msg message queues in shared memory
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "virtio-msg-ring-internal.h"

void virtio_msg_ring_set_barriers(VirtIOMSGRing *ring,
                                  const VirtIOMSGRingBarriers *barriers)
{
    ring->barriers = barriers;
}

uint16_t virtio_msg_ring_max_msg_size(const VirtIOMSGRing *ring)
{
    return ring->max_msg_size;
}

VirtIOMSGRingResult virtio_msg_ring_put(VirtIOMSGRing *ring,
                                        const void *msg, size_t len)
{
    return ring->ops->put(ring, msg, len);
}

VirtIOMSGRingResult virtio_msg_ring_get(VirtIOMSGRing *ring, void *msg)
{
    return ring->ops->get(ring, msg);
}

bool virtio_msg_ring_valid(const VirtIOMSGRing *ring)
{
    return ring->ops->valid(ring);
}

void virtio_msg_ring_discard(VirtIOMSGRing *ring)
{
    ring->ops->discard(ring);
}

unsigned virtio_msg_ring_tx_used(const VirtIOMSGRing *ring)
{
    return ring->ops->tx_used(ring);
}

unsigned virtio_msg_ring_rx_used(const VirtIOMSGRing *ring)
{
    return ring->ops->rx_used(ring);
}

unsigned virtio_msg_ring_capacity(const VirtIOMSGRing *ring)
{
    return ring->ops->capacity(ring);
}

bool virtio_msg_ring_is_up(const VirtIOMSGRing *ring)
{
    return ring->ops->is_up(ring);
}

VirtIOMSGRingStep virtio_msg_ring_advance(VirtIOMSGRing *ring, int64_t now_ms)
{
    return ring->ops->advance(ring, now_ms);
}

VirtIOMSGRingStep virtio_msg_ring_cleaned(VirtIOMSGRing *ring, int64_t now_ms)
{
    if (ring->ops->cleaned) {
        ring->ops->cleaned(ring);
    }
    return ring->ops->advance(ring, now_ms);
}

void virtio_msg_ring_shut_down(VirtIOMSGRing *ring)
{
    if (ring->ops->shut_down) {
        ring->ops->shut_down(ring);
    }
}

bool virtio_msg_ring_give_up(VirtIOMSGRing *ring)
{
    return ring->ops->give_up && ring->ops->give_up(ring);
}

bool virtio_msg_ring_peer_debugged(const VirtIOMSGRing *ring)
{
    return ring->ops->peer_debugged && ring->ops->peer_debugged(ring);
}

const char *virtio_msg_ring_waits_for(const VirtIOMSGRing *ring)
{
    return ring->ops->waits_for ? ring->ops->waits_for(ring) : NULL;
}

unsigned virtio_msg_ring_num_notif(const VirtIOMSGRing *ring)
{
    return ring->ops->notif_shape ? ring->ops->notif_shape(ring).words : 0;
}

const char *virtio_msg_ring_cause_text(VirtIOMSGRingCause cause)
{
    static const char *const texts[VIRTIO_MSG_RING_NUM_CAUSES] = {
        [VIRTIO_MSG_RING_CAUSE_NONE] = "nothing has happened",
        [VIRTIO_MSG_RING_CAUSE_LAYOUT_GONE] =
            "the layout in the shared memory has been overwritten",
        [VIRTIO_MSG_RING_CAUSE_OWN_MAGIC] =
            "our queue head has been overwritten",
        [VIRTIO_MSG_RING_CAUSE_OWN_INDEX] =
            "an index of ours has been overwritten",
        [VIRTIO_MSG_RING_CAUSE_PEER_MAGIC] = "the peer's queue head is gone",
        [VIRTIO_MSG_RING_CAUSE_PEER_STATE] = "the peer has started again",
        [VIRTIO_MSG_RING_CAUSE_PEER_INDEX] =
            "an index of the peer is not where it can be",
        [VIRTIO_MSG_RING_CAUSE_PEER_SHUTDOWN] = "the peer has shut down",
        [VIRTIO_MSG_RING_CAUSE_PEER_GAVE_UP] = "the peer has given us up",
    };

    return texts[cause];
}

/*
 * Notification words.  Whatever the layout, these two are as if there were
 * none: the doorbell says no more than that there is something.
 */

bool virtio_msg_ring_raise_messages(VirtIOMSGRing *ring)
{
    if (!virtio_msg_ring_num_notif(ring)) {
        return true;
    }
    return ring->ops->raise(ring, 0, 0);
}

VirtIOMSGRingRaised virtio_msg_ring_raise_queue(VirtIOMSGRing *ring,
                                                uint16_t dev, uint16_t queue)
{
    unsigned word, bit;

    if (!ring->ops->notif_shape || !virtio_msg_ring_is_up(ring) ||
        !virtio_msg_notify_find(ring->ops->notif_shape(ring), dev, queue,
                                &word, &bit)) {
        return VIRTIO_MSG_RING_NOT_RAISED;
    }
    return ring->ops->raise(ring, word, bit) ? VIRTIO_MSG_RING_RAISED_RING
                                             : VIRTIO_MSG_RING_RAISED;
}

void virtio_msg_ring_take(VirtIOMSGRing *ring, VirtIOMSGRingPending *pending)
{
    memset(pending, 0, sizeof(*pending));
    if (virtio_msg_ring_num_notif(ring)) {
        ring->ops->take(ring, pending);
    } else {
        pending->words[0] = 1;
    }
}

bool virtio_msg_ring_next_pending(const VirtIOMSGRing *ring,
                                  VirtIOMSGRingPending *pending,
                                  VirtIOMSGNotifyMeaning *meaning)
{
    VirtIOMSGNotifyShape shape = { .words = 0 };

    if (!virtio_msg_ring_num_notif(ring)) {
        if (!pending->words[0]) {
            return false;
        }
        pending->words[0] = 0;
        *meaning = (VirtIOMSGNotifyMeaning) {
            .kind = VIRTIO_MSG_NOTIFY_MESSAGES,
        };
        return true;
    }

    shape = ring->ops->notif_shape(ring);
    while (pending->word < shape.words) {
        uint64_t *word = &pending->words[pending->word];

        while (*word) {
            unsigned bit = __builtin_ctzll(*word);

            *word &= *word - 1;
            *meaning = virtio_msg_notify_meaning(shape, pending->word, bit);
            if (meaning->kind != VIRTIO_MSG_NOTIFY_UNUSED &&
                meaning->kind != VIRTIO_MSG_NOTIFY_CASCADE) {
                return true;
            }
        }
        pending->word++;
    }
    return false;
}

bool virtio_msg_ring_set_mask(VirtIOMSGRing *ring, unsigned word, unsigned bit,
                              bool masked)
{
    return ring->ops->set_mask && ring->ops->set_mask(ring, word, bit, masked);
}
