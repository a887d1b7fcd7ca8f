// SPDX-License-Identifier: GPL-2.0-only
/*
 * virtio-msg: what comes from the device side
 */
#include <linux/bottom_half.h>
#include <linux/delay.h>
#include <linux/interrupt.h>
#include <linux/module.h>
#include <linux/spinlock.h>
#include <linux/xarray.h>

#include "virtio_msg_bus_internal.h"

/* So many messages one look at what has come may take. */
#define RECEIVE_BUDGET		64U

/* All of these run with rx_lock held. */

static bool receive_bus_message(struct virtio_msg_bus *bus,
				const struct virtio_msg *msg)
{
	size_t len = le16_to_cpu(msg->msg_size) - VIRTIO_MSG_HDR_SIZE;

	switch (msg->msg_id) {
	case VIRTIO_MSG_BUS_PING:
		return len >= sizeof(msg->ping) &&
		       virtio_msg_send_pong(bus, msg);
	case VIRTIO_MSG_BUS_EVENT_DEVICE:
		return len >= sizeof(msg->event_device) &&
		       virtio_msg_event_device(bus, msg);
	default:
		return false;
	}
}

/* A message that came in so many bytes */
static bool receive_one(struct virtio_msg_bus *bus,
			const struct virtio_msg *msg, size_t len)
{
	struct virtio_msg_child *child;
	u16 size = le16_to_cpu(msg->msg_size);

	if (size < VIRTIO_MSG_HDR_SIZE || size > len)
		return false;

	if (msg->type & VIRTIO_MSG_TYPE_RESPONSE)
		return virtio_msg_ask_answered(bus, msg) ||
		       virtio_msg_token_answer(bus, msg);
	if (msg->type & VIRTIO_MSG_TYPE_BUS)
		return receive_bus_message(bus, msg);

	if (msg->msg_id == VIRTIO_MSG_EVENT_USED)
		bus->progress++;
	child = xa_load(&bus->children, le16_to_cpu(msg->dev_num));
	return child && virtio_msg_event(&child->vmdev, msg);
}

/*
 * A device side that starts zeroes the queues, ours included.  What stands
 * there then counts, and all that was agreed on before is void.
 */
static void receive_poll(struct virtio_msg_bus *bus)
{
	struct virtio_msg_child *child;
	unsigned long num;
	int news;

	spin_lock(&bus->tx_lock);
	news = bus->ops->poll(bus, virtio_msg_failed(bus));
	if (news == -EPROTO)
		virtio_msg_fail(bus);
	/* What was asked of the one before, this one does not answer. */
	if (news > 0) {
		virtio_msg_revive(bus);
		virtio_msg_send_forget(bus);
		virtio_msg_ask_forget(bus);
	}
	spin_unlock(&bus->tx_lock);
	if (news <= 0)
		return;

	xa_for_each(&bus->children, num, child)
		virtio_msg_break(&child->vmdev, false);
	virtio_msg_link_forget(&bus->link);
	virtio_msg_token_abort(bus, NULL, -ECONNRESET);
	atomic_inc(&bus->restarts);
	set_bit(VIRTIO_MSG_NEWS_RESTARTED, &bus->news);
	virtio_msg_heard(bus);
	virtio_msg_follow(bus);
}

bool virtio_msg_receive(struct virtio_msg_bus *bus)
{
	const struct virtio_msg *msg = (struct virtio_msg *)bus->received;
	unsigned int budget = RECEIVE_BUDGET;
	bool was_full = false;
	unsigned long flags;
	int ret = 0;

	spin_lock_irqsave(&bus->rx_lock, flags);
	if (virtio_msg_life(bus) == VIRTIO_MSG_STOPPED ||
	    virtio_msg_life(bus) == VIRTIO_MSG_ASLEEP) {
		spin_unlock_irqrestore(&bus->rx_lock, flags);
		return false;
	}
	receive_poll(bus);

	while (budget-- && !virtio_msg_failed(bus)) {
		ret = bus->ops->get(bus, bus->received, &was_full);
		if (ret <= 0)
			break;
		virtio_msg_heard(bus);
		if (!receive_one(bus, msg, ret))
			atomic_inc(&bus->dropped);
	}
	if (ret < 0)
		virtio_msg_fail(bus);
	spin_unlock_irqrestore(&bus->rx_lock, flags);

	if (virtio_msg_failed(bus))
		return false;

	/* The peer also rings when it has made room in a full queue. */
	virtio_msg_use_room(bus, was_full);
	return ret > 0;
}

irqreturn_t virtio_msg_bus_irq(int irq, void *data)
{
	struct virtio_msg_bus *bus = data;

	if (!virtio_msg_started(bus)) {
		virtio_msg_bus_watch(bus);
		return IRQ_HANDLED;
	}
	return virtio_msg_receive(bus) ? IRQ_WAKE_THREAD : IRQ_HANDLED;
}
EXPORT_SYMBOL_GPL(virtio_msg_bus_irq);

/*
 * For a peer that writes faster than we read: the CPU is not all its own.
 * Threads of interrupts have real-time priority, so that only sleeping lets
 * everybody else run.
 */
irqreturn_t virtio_msg_bus_irq_thread(int irq, void *data)
{
	struct virtio_msg_bus *bus = data;
	bool more;

	do {
		usleep_range(20, 100);
		/* Drivers raise softirqs, which run when this ends. */
		local_bh_disable();
		more = virtio_msg_receive(bus);
		local_bh_enable();
	} while (more);
	return IRQ_HANDLED;
}
EXPORT_SYMBOL_GPL(virtio_msg_bus_irq_thread);
