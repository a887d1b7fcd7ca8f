// SPDX-License-Identifier: GPL-2.0-only
/*
 * virtio-msg: a link to a device side, from its beginning to its end
 */
#include <linux/jiffies.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>

#include "virtio_msg_bus_internal.h"

/* So many messages one look at what has come may take. */
#define BUS_BUDGET		64U

/* What messages may be allowed to have; a bus may carry less. */
#define BUS_MAX_MAX_MSG		64U

static char *wire = "auto";
module_param(wire, charp, 0444);
MODULE_PARM_DESC(wire,
		 "What the device side speaks: 2026, 2025, or auto to find out (default auto)");

static unsigned int max_msg;
module_param(max_msg, uint, 0444);
MODULE_PARM_DESC(max_msg,
		 "Bytes that a message may have, at least 48 for the wire of 2025 or 52 for that of 2026, at most 64 (default 48 and 64)");

static bool strict_generation;
module_param(strict_generation, bool, 0444);
MODULE_PARM_DESC(strict_generation,
		 "Also on the wire of 2026, set the configuration of a device only as it was last seen, for a device side that is told the same (default N)");

/* What the parameter wire says, NULL for auto */
static const struct virtio_msg_wire *bus_wire;

/* Receiving.  All of these run with rx_lock held. */

static bool bus_message(struct virtio_msg_bus *bus,
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
static bool bus_dispatch(struct virtio_msg_bus *bus,
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
		return bus_message(bus, msg);

	if (msg->msg_id == VIRTIO_MSG_EVENT_USED)
		bus->progress++;
	child = xa_load(&bus->children, le16_to_cpu(msg->dev_num));
	return child && virtio_msg_event(&child->vmdev, msg);
}

/*
 * A device side that starts zeroes the queues, ours included.  What stands
 * there then counts, and all that was agreed on before is void.
 */
static void bus_check_restart(struct virtio_msg_bus *bus)
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
		clear_bit(VIRTIO_MSG_BUS_FAILED, &bus->flags);
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
	set_bit(VIRTIO_MSG_BUS_TELL_RESTARTED, &bus->flags);
	virtio_msg_heard(bus);
	virtio_msg_follow(bus);
}

bool virtio_msg_bus_interrupt(struct virtio_msg_bus *bus)
{
	const struct virtio_msg *msg = (struct virtio_msg *)bus->received;
	unsigned int budget = BUS_BUDGET;
	bool was_full = false;
	unsigned long flags;
	int ret = 0;

	spin_lock_irqsave(&bus->rx_lock, flags);
	if (test_bit(VIRTIO_MSG_BUS_STOPPED, &bus->flags) ||
	    test_bit(VIRTIO_MSG_BUS_ASLEEP, &bus->flags)) {
		spin_unlock_irqrestore(&bus->rx_lock, flags);
		return false;
	}
	bus_check_restart(bus);

	while (budget-- && !virtio_msg_failed(bus)) {
		ret = bus->ops->get(bus, bus->received, &was_full);
		if (ret <= 0)
			break;
		virtio_msg_heard(bus);
		if (!bus_dispatch(bus, msg, ret))
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
EXPORT_SYMBOL_GPL(virtio_msg_bus_interrupt);

const char *virtio_msg_bus_wire(const struct virtio_msg_bus *bus)
{
	return virtio_msg_link_wire_name(&bus->link);
}
EXPORT_SYMBOL_GPL(virtio_msg_bus_wire);

bool virtio_msg_bus_unread(struct virtio_msg_bus *bus)
{
	return bus->ops->unread(bus);
}
EXPORT_SYMBOL_GPL(virtio_msg_bus_unread);

static void bus_free_workqueues(struct virtio_msg_bus *bus)
{
	if (bus->slow)
		destroy_workqueue(bus->slow);
	if (bus->urgent)
		destroy_workqueue(bus->urgent);
}

int virtio_msg_bus_init(struct virtio_msg_bus *bus)
{
	if (WARN_ON_ONCE(bus->max_size > sizeof(bus->received)))
		return -EINVAL;

	/*
	 * One link's work does not keep another one's waiting, and what gives
	 * devices up does not stand behind what waits for just that.  Nor does
	 * it wait for memory, which can be in use until requests to these very
	 * devices end; drivers that come and go may.
	 */
	bus->slow = alloc_workqueue("virtio_msg-%s", WQ_UNBOUND, 0,
				    dev_name(bus->dev));
	bus->urgent = alloc_workqueue("virtio_msg_break-%s",
				      WQ_UNBOUND | WQ_MEM_RECLAIM, 0,
				      dev_name(bus->dev));
	if (!bus->slow || !bus->urgent) {
		bus_free_workqueues(bus);
		return -ENOMEM;
	}

	bus->link.dev = bus->dev;
	bus->link.slot_size = bus->max_size;
	bus->link.max_size = max_msg;
	bus->link.strict_generation = strict_generation;
	bus->link.reach = bus->reach;
	virtio_msg_link_init(&bus->link, bus_wire);
	spin_lock_init(&bus->rx_lock);
	virtio_msg_token_init(bus);
	virtio_msg_send_init(bus);
	virtio_msg_liveness_init(bus);
	virtio_msg_leaving_init(bus);
	virtio_msg_devices_init(bus);

	bus->ops->attach(bus);
	return 0;
}
EXPORT_SYMBOL_GPL(virtio_msg_bus_init);

void virtio_msg_bus_start(struct virtio_msg_bus *bus)
{
	virtio_msg_schedule_scan(bus);
	virtio_msg_start_heartbeat(bus);
}
EXPORT_SYMBOL_GPL(virtio_msg_bus_start);

void virtio_msg_bus_exit(struct virtio_msg_bus *bus)
{
	virtio_msg_leaving_exit(bus);
	bus_free_workqueues(bus);
	virtio_msg_devices_exit(bus);
}
EXPORT_SYMBOL_GPL(virtio_msg_bus_exit);

/*
 * Before anybody waits for a device side that is dead, a driver that the scan
 * has probe included, find out that it is.
 */
static void bus_find_dead(struct virtio_msg_bus *bus)
{
	struct virtio_msg request, response;
	int err;

	if (xa_empty(&bus->children))
		return;
	request.ping.data = 0;
	err = virtio_msg_request_bus(bus, VIRTIO_MSG_BUS_PING,
				     &request, sizeof(request.ping),
				     &response, sizeof(response.ping));
	if (err == -ETIMEDOUT || err == -EHOSTDOWN)
		virtio_msg_break_all(bus, false);
}

void virtio_msg_bus_stop(struct virtio_msg_bus *bus)
{
	set_bit(VIRTIO_MSG_BUS_STOPPING, &bus->flags);
	virtio_msg_start_hurry(bus);
	bus_find_dead(bus);
	cancel_delayed_work_sync(&bus->scan);
	virtio_msg_leave_all(bus);

	/* From here on the interrupt does nothing. */
	set_bit(VIRTIO_MSG_BUS_FAILED, &bus->flags);
	set_bit(VIRTIO_MSG_BUS_STOPPED, &bus->flags);
	spin_lock_irq(&bus->rx_lock);
	spin_unlock_irq(&bus->rx_lock);
	virtio_msg_stop_heartbeat(bus);
	virtio_msg_end_scans(bus);
	cancel_work_sync(&bus->breaking);
	cancel_delayed_work_sync(&bus->flushing);
}
EXPORT_SYMBOL_GPL(virtio_msg_bus_stop);

int virtio_msg_bus_hold(struct virtio_msg_bus *bus)
{
	set_bit(VIRTIO_MSG_BUS_HELD, &bus->flags);
	if (virtio_msg_wait_for_scan(bus))
		return 0;

	/* User space, which it may wait for, goes on only when nobody sleeps. */
	virtio_msg_bus_release(bus);
	dev_err(bus->dev,
		"no sleep now: a driver does not end to take a device, or to leave it\n");
	return -EBUSY;
}
EXPORT_SYMBOL_GPL(virtio_msg_bus_hold);

void virtio_msg_bus_release(struct virtio_msg_bus *bus)
{
	clear_bit(VIRTIO_MSG_BUS_HELD, &bus->flags);
	virtio_msg_schedule_scan(bus);
}
EXPORT_SYMBOL_GPL(virtio_msg_bus_release);

#ifdef CONFIG_PM_SLEEP
static void bus_thaw_devices(struct virtio_msg_bus *bus)
{
	struct virtio_msg_child *child;
	unsigned long num;

	xa_for_each(&bus->children, num, child)
		virtio_msg_thaw(&child->vmdev);
}

int virtio_msg_bus_freeze(struct virtio_msg_bus *bus)
{
	struct virtio_msg_child *child;
	unsigned long num;
	int err;

	xa_for_each(&bus->children, num, child) {
		err = virtio_msg_freeze(&child->vmdev);
		if (err) {
			bus_thaw_devices(bus);
			return err;
		}
	}
	/* Their users lose them, which a sleep that is refused is not worth. */
	xa_for_each(&bus->children, num, child)
		virtio_msg_break_awake(&child->vmdev);

	/* So far drivers may have waited for a peer that is dead. */
	virtio_msg_stop_heartbeat(bus);
	flush_work(&bus->breaking);

	/* A peer that says something without end keeps nobody awake. */
	set_bit(VIRTIO_MSG_BUS_ASLEEP, &bus->flags);
	spin_lock_irq(&bus->rx_lock);
	spin_unlock_irq(&bus->rx_lock);
	cancel_delayed_work_sync(&bus->flushing);
	return 0;
}
EXPORT_SYMBOL_GPL(virtio_msg_bus_freeze);

/*
 * Goes on with what carries the messages as it is now.  What was said
 * in it meanwhile does not concern devices that were not in use.
 */
static void bus_wake(struct virtio_msg_bus *bus)
{
	spin_lock_irq(&bus->rx_lock);
	spin_lock(&bus->tx_lock);
	if (!virtio_msg_failed(bus) && bus->ops->poll(bus, false)) {
		bus->ops->attach(bus);
		virtio_msg_link_forget(&bus->link);
		virtio_msg_send_forget(bus);
	}
	virtio_msg_ask_forget(bus);
	WRITE_ONCE(bus->heard, jiffies);
	clear_bit(VIRTIO_MSG_BUS_ASLEEP, &bus->flags);
	spin_unlock(&bus->tx_lock);
	spin_unlock_irq(&bus->rx_lock);
}

void virtio_msg_bus_thaw(struct virtio_msg_bus *bus)
{
	bus_wake(bus);
	virtio_msg_start_heartbeat(bus);
	/* Rings are not heard while asleep.  What comes from now on has its own. */
	virtio_msg_bus_interrupt(bus);
	bus_thaw_devices(bus);
}
EXPORT_SYMBOL_GPL(virtio_msg_bus_thaw);
#endif /* CONFIG_PM_SLEEP */

void virtio_msg_bus_shutdown(struct virtio_msg_bus *bus)
{
	struct virtio_msg_child *child;
	unsigned long num;

	set_bit(VIRTIO_MSG_BUS_STOPPING, &bus->flags);
	bus_find_dead(bus);
	virtio_msg_stop_heartbeat(bus);
	cancel_delayed_work_sync(&bus->scan);
	xa_for_each(&bus->children, num, child)
		virtio_msg_shutdown(&child->vmdev);
}
EXPORT_SYMBOL_GPL(virtio_msg_bus_shutdown);

static int __init bus_module_init(void)
{
	unsigned int least;

	if (!virtio_msg_wire_named(wire, &bus_wire)) {
		pr_err(KBUILD_MODNAME ": wire=%s: must be 2026, 2025 or auto\n",
		       wire);
		return -EINVAL;
	}
	least = bus_wire ? bus_wire->min_max_size
			 : VIRTIO_MSG_MIN_MAX_SIZE_2025;
	if (max_msg && (max_msg < least || max_msg > BUS_MAX_MAX_MSG)) {
		pr_err(KBUILD_MODNAME ": max_msg=%u: must be %u to %u with wire=%s, or 0 for what is usual\n",
		       max_msg, least, BUS_MAX_MAX_MSG, wire);
		return -EINVAL;
	}
	return 0;
}
module_init(bus_module_init);

static void __exit bus_module_exit(void)
{
}
module_exit(bus_module_exit);
