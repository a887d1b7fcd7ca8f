/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * virtio-msg: a bus whose messages are in a ring
 */
#ifndef _VIRTIO_MSG_RING_BUS_H
#define _VIRTIO_MSG_RING_BUS_H

#include "virtio_msg_bus.h"
#include "virtio_msg_ring.h"

/**
 * struct virtio_msg_ring_bus - such a bus
 * @bus: the bus; its max_size is that of the ring
 * @ring: the ring; set up before virtio_msg_bus_init()
 */
struct virtio_msg_ring_bus {
	struct virtio_msg_bus bus;
	struct virtio_msg_ring ring;
};

/* The operations of such a bus, but for kick() */
#define VIRTIO_MSG_RING_BUS_OPS				\
	.attach		= virtio_msg_ring_bus_attach,	\
	.poll		= virtio_msg_ring_bus_poll,	\
	.put		= virtio_msg_ring_bus_put,	\
	.get		= virtio_msg_ring_bus_get,	\
	.room		= virtio_msg_ring_bus_room,	\
	.all_read	= virtio_msg_ring_bus_all_read

/* Each as the operation of its name in struct virtio_msg_bus_ops says */
void virtio_msg_ring_bus_attach(struct virtio_msg_bus *bus);
int virtio_msg_ring_bus_poll(struct virtio_msg_bus *bus, bool failed);
int virtio_msg_ring_bus_put(struct virtio_msg_bus *bus, const void *msg,
			    size_t size);
int virtio_msg_ring_bus_get(struct virtio_msg_bus *bus, void *msg, bool *kick);
int virtio_msg_ring_bus_room(struct virtio_msg_bus *bus);
bool virtio_msg_ring_bus_all_read(struct virtio_msg_bus *bus);

#endif /* _VIRTIO_MSG_RING_BUS_H */
