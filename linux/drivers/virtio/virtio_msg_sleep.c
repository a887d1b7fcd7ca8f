// SPDX-License-Identifier: GPL-2.0-only
/*
 * virtio-msg: a link when the system sleeps
 */
#include <linux/module.h>
#include <linux/pm.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>

#include "virtio_msg_bus_internal.h"

/* Follows again what the device side has. */
static void sleep_release(struct virtio_msg_bus *bus)
{
	virtio_msg_enter(bus, VIRTIO_MSG_RUNNING);
	virtio_msg_schedule_scan(bus);
}

/*
 * Has no device come or go.  Waits for drivers that come and go, for at most two
 * timeouts.  Returns -EBUSY if a driver takes longer; then the link is not on
 * hold.
 */
static int sleep_hold(struct virtio_msg_bus *bus)
{
	virtio_msg_enter(bus, VIRTIO_MSG_HELD);
	if (virtio_msg_wait_for_scan(bus))
		return 0;

	/* User space, which it may wait for, goes on only when nobody sleeps. */
	sleep_release(bus);
	dev_err(bus->dev,
		"no sleep now: a driver does not end to take a device, or to leave it\n");
	return -EBUSY;
}

static void sleep_thaw_devices(struct virtio_msg_bus *bus)
{
	struct virtio_msg_child *child;
	unsigned long num;

	xa_for_each(&bus->children, num, child)
		virtio_msg_thaw(&child->vmdev);
}

/*
 * Puts all devices to sleep.  After that nothing is sent by itself but resets of
 * devices that are given up, and nothing is read.  Returns what a driver objects
 * with; then those that slept already have been woken up, and the others have
 * gone on.
 */
static int sleep_freeze(struct virtio_msg_bus *bus)
{
	struct virtio_msg_child *child;
	unsigned long num;
	int err;

	xa_for_each(&bus->children, num, child) {
		err = virtio_msg_freeze(&child->vmdev);
		if (err) {
			sleep_thaw_devices(bus);
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
	virtio_msg_enter(bus, VIRTIO_MSG_ASLEEP);
	cancel_delayed_work_sync(&bus->flushing);
	return 0;
}

/*
 * Goes on with what carries the messages as it is now.  What was said
 * in it meanwhile does not concern devices that were not in use.
 */
static void sleep_wake_link(struct virtio_msg_bus *bus)
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
	virtio_msg_enter_locked(bus, VIRTIO_MSG_HELD);
	spin_unlock(&bus->tx_lock);
	spin_unlock_irq(&bus->rx_lock);
}

/*
 * Wakes all devices up.  The device side may have gone meanwhile, or have started
 * anew, and another system may have used the memory.  Waits less than two
 * timeouts for an answer, and for no other if nothing came at all; but each
 * device that alone does not answer is waited for that long.
 */
static void sleep_thaw(struct virtio_msg_bus *bus)
{
	sleep_wake_link(bus);
	virtio_msg_start_heartbeat(bus);
	/* Rings are not heard while asleep.  What comes from now on has its own. */
	virtio_msg_receive(bus);
	sleep_thaw_devices(bus);
}

static int sleep_prepare(struct device *dev)
{
	struct virtio_msg_bus *bus = dev_get_drvdata(dev);
	int err = 0;

	virtio_msg_watch_pause(bus);
	if (virtio_msg_started(bus))
		err = sleep_hold(bus);
	/* Then sleep_complete() is not called. */
	if (err)
		virtio_msg_watch_go(bus);
	return err;
}

static void sleep_complete(struct device *dev)
{
	struct virtio_msg_bus *bus = dev_get_drvdata(dev);

	if (virtio_msg_started(bus))
		sleep_release(bus);
	virtio_msg_watch_go(bus);
}

static int sleep_suspend(struct device *dev)
{
	struct virtio_msg_bus *bus = dev_get_drvdata(dev);

	return virtio_msg_started(bus) ? sleep_freeze(bus) : 0;
}

static int sleep_resume(struct device *dev)
{
	struct virtio_msg_bus *bus = dev_get_drvdata(dev);

	if (bus->ops->wake)
		bus->ops->wake(bus);
	if (virtio_msg_started(bus)) {
		if (bus->ops->announce)
			bus->ops->announce(bus);
		sleep_thaw(bus);
	}
	return 0;
}

const struct dev_pm_ops virtio_msg_bus_pm_ops = {
	.prepare = sleep_prepare,
	.complete = sleep_complete,
	SYSTEM_SLEEP_PM_OPS(sleep_suspend, sleep_resume)
};
EXPORT_SYMBOL_GPL(virtio_msg_bus_pm_ops);
