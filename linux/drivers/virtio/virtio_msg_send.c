// SPDX-License-Identifier: GPL-2.0-only
/*
 * virtio-msg: what goes to the device side, now or as soon as there is room
 */
#include <linux/jiffies.h>
#include <linux/spinlock.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "virtio_msg_bus_internal.h"

/* A peer need not ring when it has made room, so have a look this often. */
#define SEND_DELAY		msecs_to_jiffies(10)

/* Caller holds tx_lock. */
static int send_put(struct virtio_msg_bus *bus, const struct virtio_msg *msg)
{
	size_t size = le16_to_cpu(msg->msg_size);
	int err;

	if (virtio_msg_failed(bus))
		return -EIO;
	if (WARN_ON_ONCE(size > bus->max_size))
		return -EMSGSIZE;

	err = bus->ops->put(bus, msg, size);
	if (err == -EPROTO) {
		virtio_msg_fail(bus);
		err = -EIO;
	}
	return err;
}

static int send_put_ping(struct virtio_msg_bus *bus, u8 type,
			 const struct virtio_msg_bus_ping *ping)
{
	struct virtio_msg msg = {
		.type = VIRTIO_MSG_TYPE_BUS | type,
		.msg_id = VIRTIO_MSG_BUS_PING,
		.token = ping->token,
		.msg_size = cpu_to_le16(VIRTIO_MSG_HDR_SIZE + sizeof(msg.ping)),
		.ping.data = ping->data,
	};

	return send_put(bus, &msg);
}

static struct virtio_msg_device *send_vq_device(const struct virtio_msg_vq *mvq)
{
	return container_of(mvq->vq->vdev, struct virtio_msg_device, vdev);
}

static int send_put_avail(struct virtio_msg_bus *bus, struct virtio_msg_vq *mvq)
{
	struct virtio_msg_device *vmdev = send_vq_device(mvq);
	struct virtio_msg msg = {
		.msg_id = VIRTIO_MSG_EVENT_AVAIL,
		.dev_num = cpu_to_le16(vmdev->dev_num),
		.msg_size = cpu_to_le16(VIRTIO_MSG_HDR_SIZE +
					sizeof(msg.event_avail)),
		.event_avail.vq_index = cpu_to_le32(mvq->vq->index),
		.event_avail.next_offset = cpu_to_le32(mvq->next_offset),
	};

	return send_put(bus, &msg);
}

/*
 * Whether EVENT_DEVICE said that a device is gone: its number may be another
 * one's soon, and nothing goes there.  Caller holds tx_lock, so that what is put
 * into the queue after an answer to the device side is put there in the knowledge
 * of what that has said before.  B-03.
 */
static bool send_is_gone(const struct virtio_msg_child *child)
{
	return READ_ONCE(child->removed);
}

/*
 * Sends what waits for room.  Caller holds tx_lock.  Returns the number of
 * messages sent.
 */
static unsigned int send_waiting(struct virtio_msg_bus *bus)
{
	/* No request that somebody waits for has this token. */
	static const struct virtio_msg_bus_ping question = {};
	struct virtio_msg_vq *mvq, *next;
	unsigned int sent = 0;

	if (bus->ask) {
		if (send_put_ping(bus, 0, &question))
			return sent;
		bus->ask = false;
		sent++;
	}
	while (bus->num_pings) {
		if (send_put_ping(bus, VIRTIO_MSG_TYPE_RESPONSE,
				  &bus->pings[bus->first_ping]))
			return sent;
		bus->first_ping = (bus->first_ping + 1) % VIRTIO_MSG_BUS_PINGS;
		bus->num_pings--;
		sent++;
	}
	list_for_each_entry_safe(mvq, next, &bus->pending, pending) {
		if (!send_is_gone(to_child(send_vq_device(mvq)))) {
			if (send_put_avail(bus, mvq))
				break;
			sent++;
		}
		list_del_init(&mvq->pending);
	}
	return sent;
}

/* Something waits for room, and the peer may make it without a word. */
static void send_later(struct virtio_msg_bus *bus)
{
	if (!virtio_msg_failed(bus) && !virtio_msg_silent(bus))
		queue_delayed_work(bus->urgent, &bus->flushing, SEND_DELAY);
}

/* Caller holds tx_lock. */
static bool send_is_waiting(struct virtio_msg_bus *bus)
{
	return bus->ask || bus->num_pings || !list_empty(&bus->pending);
}

void virtio_msg_send_unlock(struct virtio_msg_bus *bus, unsigned long flags)
{
	unsigned int sent = send_waiting(bus);
	bool waiting = send_is_waiting(bus);

	spin_unlock_irqrestore(&bus->tx_lock, flags);

	if (sent)
		bus->ops->kick(bus);
	if (waiting)
		send_later(bus);
}

bool virtio_msg_send(struct virtio_msg_bus *bus,
		     const struct virtio_msg_child *child,
		     const struct virtio_msg *msg, int *result)
{
	unsigned long flags;
	unsigned int sent;

	spin_lock_irqsave(&bus->tx_lock, flags);
	sent = send_waiting(bus);
	if (child && send_is_gone(child)) {
		*result = -ENODEV;
	} else if (send_is_waiting(bus)) {
		*result = virtio_msg_failed(bus) ? -EIO : -EAGAIN;
	} else {
		*result = send_put(bus, msg);
		if (!*result)
			sent++;
	}
	spin_unlock_irqrestore(&bus->tx_lock, flags);

	if (sent)
		bus->ops->kick(bus);
	if (*result == -EAGAIN)
		send_later(bus);
	return *result != -EAGAIN;
}

bool virtio_msg_send_avail(struct virtio_msg_bus *bus,
			   struct virtio_msg_vq *mvq, u32 next_offset)
{
	unsigned long flags;

	if (virtio_msg_failed(bus))
		return false;

	spin_lock_irqsave(&bus->tx_lock, flags);
	mvq->next_offset = next_offset;
	if (list_empty(&mvq->pending))
		list_add_tail(&mvq->pending, &bus->pending);
	virtio_msg_send_unlock(bus, flags);

	return !virtio_msg_failed(bus);
}

void virtio_msg_cancel_avail(struct virtio_msg_bus *bus,
			     struct virtio_msg_vq *mvq)
{
	unsigned long flags;

	spin_lock_irqsave(&bus->tx_lock, flags);
	list_del_init(&mvq->pending);
	spin_unlock_irqrestore(&bus->tx_lock, flags);
}

bool virtio_msg_send_pong(struct virtio_msg_bus *bus,
			  const struct virtio_msg *msg)
{
	struct virtio_msg_bus_ping *ping;
	unsigned int sent = 0;
	bool taken;

	spin_lock(&bus->tx_lock);
	/* A peer that reads no answers gets none to more than so many. */
	taken = bus->num_pings < VIRTIO_MSG_BUS_PINGS;
	if (taken) {
		ping = &bus->pings[(bus->first_ping + bus->num_pings++) %
				   VIRTIO_MSG_BUS_PINGS];
		ping->token = msg->token;
		ping->data = msg->ping.data;
		sent = send_waiting(bus);
	}
	spin_unlock(&bus->tx_lock);

	if (sent)
		bus->ops->kick(bus);
	return taken;
}

void virtio_msg_send_forget(struct virtio_msg_bus *bus)
{
	bus->num_pings = 0;
}

void virtio_msg_use_room(struct virtio_msg_bus *bus, bool kick)
{
	unsigned long flags;
	bool room, waiting;

	spin_lock_irqsave(&bus->tx_lock, flags);
	kick |= send_waiting(bus) > 0;
	room = !virtio_msg_failed(bus) && bus->ops->room(bus) > 0;
	waiting = send_is_waiting(bus);
	spin_unlock_irqrestore(&bus->tx_lock, flags);

	if (room)
		wake_up_all(&bus->room);
	if (kick)
		bus->ops->kick(bus);
	/* A task that begins to wait just now looks for room, and comes here. */
	if (waiting || (!room && waitqueue_active(&bus->room)))
		send_later(bus);
}

static void send_work(struct work_struct *work)
{
	virtio_msg_use_room(container_of(work, struct virtio_msg_bus,
					 flushing.work), false);
}

void virtio_msg_send_init(struct virtio_msg_bus *bus)
{
	spin_lock_init(&bus->tx_lock);
	INIT_LIST_HEAD(&bus->pending);
	init_waitqueue_head(&bus->room);
	INIT_DELAYED_WORK(&bus->flushing, send_work);
}
