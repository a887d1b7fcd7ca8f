/*
 * virtio-msg links over a ring in shared memory
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "hw/virtio/virtio-msg-bus-ring.h"

/*
 * A driver side that has begun anew, and zeroed the queues, is met where it
 * begins: once for a message, as it may go on to write there.
 */

static VirtIOMSGRingResult ring_put(VirtIOMSGRing *ring,
                                    const struct virtio_msg *msg)
{
    size_t size = le16_to_cpu(msg->msg_size);
    VirtIOMSGRingResult ret = virtio_msg_ring_put(ring, msg, size);

    return ret == VIRTIO_MSG_RING_RESTARTED
           ? virtio_msg_ring_put(ring, msg, size) : ret;
}

static VirtIOMSGRingResult ring_get(VirtIOMSGRing *ring,
                                    struct virtio_msg *msg)
{
    VirtIOMSGRingResult ret = virtio_msg_ring_get(ring, msg);

    return ret == VIRTIO_MSG_RING_RESTARTED
           ? virtio_msg_ring_get(ring, msg) : ret;
}

VirtIOMSGBusSend virtio_msg_bus_ring_send(VirtIOMSGRing *ring,
                                          const struct virtio_msg *msg)
{
    switch (ring_put(ring, msg)) {
    case VIRTIO_MSG_RING_OK:
        return VIRTIO_MSG_BUS_SEND_OK;
    case VIRTIO_MSG_RING_FULL:
        return VIRTIO_MSG_BUS_SEND_FULL;
    default:
        return VIRTIO_MSG_BUS_SEND_BAD;
    }
}

VirtIOMSGBusRecv virtio_msg_bus_ring_recv(VirtIOMSGRing *ring,
                                          struct virtio_msg *msg,
                                          size_t *arrived)
{
    *arrived = virtio_msg_ring_max_msg_size(ring);
    switch (ring_get(ring, msg)) {
    case VIRTIO_MSG_RING_OK:
        return VIRTIO_MSG_BUS_RECV_OK;
    case VIRTIO_MSG_RING_EMPTY:
        return VIRTIO_MSG_BUS_RECV_EMPTY;
    default:
        return VIRTIO_MSG_BUS_RECV_BAD;
    }
}

static VirtioMsgQueueFill *queue_fill(unsigned used)
{
    VirtioMsgQueueFill *fill = g_new0(VirtioMsgQueueFill, 1);

    fill->used = used;
    fill->size = VIRTIO_MSG_SPSC_NUM_SLOTS - 1;
    return fill;
}

void virtio_msg_bus_ring_fill_info(const VirtIOMSGRing *ring,
                                   VirtioMsgLinkInfo *info)
{
    info->to_peer = queue_fill(virtio_msg_ring_tx_used(ring));
    info->from_peer = queue_fill(virtio_msg_ring_rx_used(ring));
}
