// SPDX-License-Identifier: GPL-2.0-only
/*
 * virtio-msg: a bus whose messages are in a ring
 */
#include <linux/module.h>

#include "virtio_msg_ring_bus.h"

static struct virtio_msg_ring *to_ring(struct virtio_msg_bus *bus)
{
	return &container_of(bus, struct virtio_msg_ring_bus, bus)->ring;
}

void virtio_msg_ring_bus_attach(struct virtio_msg_bus *bus)
{
	struct virtio_msg_ring *ring = to_ring(bus);

	ring->ops->attach(ring);
}
EXPORT_SYMBOL_GPL(virtio_msg_ring_bus_attach);

int virtio_msg_ring_bus_poll(struct virtio_msg_bus *bus, bool failed)
{
	struct virtio_msg_ring *ring = to_ring(bus);

	return ring->ops->poll(ring, failed);
}
EXPORT_SYMBOL_GPL(virtio_msg_ring_bus_poll);

int virtio_msg_ring_bus_put(struct virtio_msg_bus *bus, const void *msg,
			    size_t size)
{
	struct virtio_msg_ring *ring = to_ring(bus);

	return ring->ops->put(ring, msg, size);
}
EXPORT_SYMBOL_GPL(virtio_msg_ring_bus_put);

int virtio_msg_ring_bus_get(struct virtio_msg_bus *bus, void *msg, bool *kick)
{
	struct virtio_msg_ring *ring = to_ring(bus);

	return ring->ops->get(ring, msg, kick);
}
EXPORT_SYMBOL_GPL(virtio_msg_ring_bus_get);

int virtio_msg_ring_bus_room(struct virtio_msg_bus *bus)
{
	struct virtio_msg_ring *ring = to_ring(bus);

	return ring->ops->room(ring);
}
EXPORT_SYMBOL_GPL(virtio_msg_ring_bus_room);

bool virtio_msg_ring_bus_all_read(struct virtio_msg_bus *bus)
{
	struct virtio_msg_ring *ring = to_ring(bus);

	return ring->ops->all_read(ring);
}
EXPORT_SYMBOL_GPL(virtio_msg_ring_bus_all_read);
