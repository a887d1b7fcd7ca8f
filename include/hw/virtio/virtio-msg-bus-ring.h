/*
 * virtio-msg links over a ring in shared memory
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_VIRTIO_MSG_BUS_RING_H
#define HW_VIRTIO_MSG_BUS_RING_H

#include "hw/virtio/virtio-msg-bus.h"
#include "hw/virtio/virtio-msg-ring.h"

/*
 * What the operations of such links have in common: the ring knows no links,
 * and the links need not know how it is laid out.
 */

/**
 * virtio_msg_bus_ring_send: send, for a link's operations
 * @ring: the link's ring, ready
 * @msg: as for VirtIOMSGBusOps
 */
VirtIOMSGBusSend virtio_msg_bus_ring_send(VirtIOMSGRing *ring,
                                          const struct virtio_msg *msg);

/**
 * virtio_msg_bus_ring_recv: receive, for a link's operations
 * @ring: the link's ring, ready
 * @msg: as for VirtIOMSGBusOps
 * @arrived: likewise
 */
VirtIOMSGBusRecv virtio_msg_bus_ring_recv(VirtIOMSGRing *ring,
                                          struct virtio_msg *msg,
                                          size_t *arrived);

/**
 * virtio_msg_bus_ring_fill_info: show how full the queues are
 * @ring: the link's ring, ready
 * @info: gets the fill of either queue
 */
void virtio_msg_bus_ring_fill_info(const VirtIOMSGRing *ring,
                                   VirtioMsgLinkInfo *info);

#endif /* HW_VIRTIO_MSG_BUS_RING_H */
