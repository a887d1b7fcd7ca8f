// SPDX-License-Identifier: GPL-2.0-only
/*
 * virtio-msg: which devices the device side has, and which of them are here
 */
#include <linux/bitmap.h>
#include <linux/jiffies.h>
#include <linux/minmax.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>

#include "virtio_msg_bus_internal.h"

/* A device side may not say where its devices end.  Q-03. */
#define DEVICES_MAX_WINDOWS	2048U

/* How long to wait before a scan that failed, and how often to wait longer */
#define DEVICES_RETRY_MS	1000U
#define DEVICES_MAX_RETRIES	7

/* How many events in a row have a scan each, and then one in how long */
#define DEVICES_SCAN_BURST	50U
#define DEVICES_SCAN_GAP	msecs_to_jiffies(100)

static unsigned int max_devices = 1024;
module_param(max_devices, uint, 0644);
MODULE_PARM_DESC(max_devices,
		 "How many devices of a link are used at most (default 1024)");

/* In the time of a scan that found out less than it should have */
static void devices_retry_scan(struct virtio_msg_bus *bus)
{
	if (bus->retries < DEVICES_MAX_RETRIES)
		queue_delayed_work(bus->slow, &bus->scan,
				   msecs_to_jiffies(DEVICES_RETRY_MS <<
						    bus->retries++));
}

/* For a device that is given up: not waited for, and the answer is dropped. */
static void child_post(struct virtio_msg_device *vmdev,
		       struct virtio_msg *request)
{
	int err;

	request->token = 0;
	virtio_msg_send(to_child(vmdev)->bus, to_child(vmdev), request, &err);
}

static int child_transfer(struct virtio_msg_device *vmdev,
			  struct virtio_msg *request,
			  struct virtio_msg *response)
{
	struct virtio_msg_child *child = to_child(vmdev);

	return virtio_msg_request(child->bus, child, request, response);
}

static bool child_notify(struct virtio_msg_device *vmdev,
			 struct virtio_msg_vq *mvq, u32 next_offset)
{
	return virtio_msg_send_avail(to_child(vmdev)->bus, mvq, next_offset);
}

static void child_cancel_notify(struct virtio_msg_device *vmdev,
				struct virtio_msg_vq *mvq)
{
	virtio_msg_cancel_avail(to_child(vmdev)->bus, mvq);
}

static void child_release(struct virtio_msg_device *vmdev)
{
	kfree(to_child(vmdev));
}

static const struct virtio_msg_ops child_ops = {
	.transfer	= child_transfer,
	.post		= child_post,
	.notify		= child_notify,
	.cancel_notify	= child_cancel_notify,
	.given_up	= virtio_msg_child_given_up,
	.release	= child_release,
};

void virtio_msg_follow(struct virtio_msg_bus *bus)
{
	unsigned long earned = (jiffies - bus->scans_at) / DEVICES_SCAN_GAP;

	if (earned) {
		bus->scans_left = min_t(unsigned long, DEVICES_SCAN_BURST,
					bus->scans_left + earned);
		bus->scans_at = jiffies;
	}
	if (bus->scans_left) {
		bus->scans_left--;
		virtio_msg_schedule_scan(bus);
	} else {
		queue_delayed_work(bus->slow, &bus->follow, DEVICES_SCAN_GAP);
	}
}

bool virtio_msg_event_device(struct virtio_msg_bus *bus,
			     const struct virtio_msg *msg)
{
	u16 num = le16_to_cpu(msg->event_device.device_number);
	u16 state = le16_to_cpu(msg->event_device.state);
	struct virtio_msg_child *child = xa_load(&bus->children, num);

	switch (state) {
	case VIRTIO_MSG_DEVICE_ADDED:
		if (child)
			child->ready = true;
		break;
	case VIRTIO_MSG_DEVICE_REMOVED:
		if (!child) {
			if (bus->adding && bus->adding->vmdev.dev_num == num)
				virtio_msg_remove_child(bus->adding);
			return true;
		}
		virtio_msg_break(&child->vmdev, false);
		virtio_msg_remove_child(child);
		break;
	default:
		return false;
	}
	virtio_msg_follow(bus);
	return true;
}

/* Asks for some numbers; the window lies in the response then. */
static int devices_get_window(struct virtio_msg_bus *bus, u16 offset,
			      unsigned int wanted, struct virtio_msg *response,
			      struct virtio_msg_window *window)
{
	struct virtio_msg request;
	int err;

	request.get_devices.offset = cpu_to_le16(offset);
	request.get_devices.count = cpu_to_le16(wanted);
	err = virtio_msg_request_bus(bus, VIRTIO_MSG_BUS_GET_DEVICES,
				     &request, sizeof(request.get_devices),
				     response, VIRTIO_MSG_MIN_DEVICES);
	if (err)
		return err;
	return virtio_msg_link_window(&bus->link, response, offset, wanted,
				      window);
}

/* Sets the bit of each device that there is.  D-01, Q-03. */
static int devices_enumerate(struct virtio_msg_bus *bus, unsigned long *present)
{
	unsigned int offset = 0, windows = 0, wanted, i;
	struct virtio_msg_window window;
	struct virtio_msg response;
	bool last, news;
	int err;

	/* The offset grows in each round, but maybe by little. */
	do {
		if (virtio_msg_stopping(bus))
			return -ESHUTDOWN;
		wanted = min_t(unsigned int, VIRTIO_MSG_NUM_DEVICES - offset,
			       virtio_msg_link_window_size(&bus->link));
		err = devices_get_window(bus, offset, wanted, &response,
					 &window);
		if (err)
			return err;

		news = false;
		for (i = 0; i < window.count; i++)
			if (window.bitmap[i / 8] & BIT(i % 8))
				news |= !__test_and_set_bit(window.offset + i,
							    present);
		last = virtio_msg_link_last_window(&bus->link, offset, wanted,
						   &window, news);
		offset = window.next;
	} while (!last && ++windows < DEVICES_MAX_WINDOWS);
	return 0;
}

/*
 * Asks what a device is and has events find it.  An event that says that it is
 * gone may come before that: the next device of that number is another one.
 * Nor is it added when all are to go: leaving_hurry_work() may not come again.
 */
static int devices_enter(struct virtio_msg_child *child)
{
	struct virtio_msg_bus *bus = child->bus;
	int err;

	spin_lock_irq(&bus->rx_lock);
	bus->adding = child;
	spin_unlock_irq(&bus->rx_lock);

	err = virtio_msg_init(&child->vmdev);
	if (!err)
		err = xa_insert(&bus->children, child->vmdev.dev_num, child,
				GFP_KERNEL);

	spin_lock_irq(&bus->rx_lock);
	bus->adding = NULL;
	spin_unlock_irq(&bus->rx_lock);

	if (!err && (child->removed || virtio_msg_stopping(bus))) {
		virtio_msg_erase_child(child);
		err = -ENODEV;
	}
	return err;
}

/* Returns false if it may be worth another try. */
static bool devices_add(struct virtio_msg_bus *bus, u16 num,
			unsigned int failures)
{
	struct virtio_msg_child *child;
	int err;

	child = kzalloc(sizeof(*child), GFP_KERNEL);
	if (!child)
		return false;
	child->bus = bus;
	child->since = jiffies;
	child->failures = failures;
	child->vmdev.ops = &child_ops;
	child->vmdev.dev_num = num;
	child->vmdev.link = &bus->link;
	child->vmdev.wq = bus->urgent;
	child->vmdev.vdev.dev.parent = bus->dma_dev ?: bus->dev;

	err = virtio_msg_leaving_prepare(child);
	if (!err)
		err = devices_enter(child);
	if (err) {
		kfree(child);
		return err == -ENODEV;
	}

	err = virtio_msg_register(&child->vmdev);
	if (err) {
		dev_err(bus->dev, "device %u: cannot be registered (%d)\n",
			num, err);
		virtio_msg_forget_child(child);
		return false;
	}
	spin_lock_irq(&bus->rx_lock);
	child->registered = true;
	spin_unlock_irq(&bus->rx_lock);
	if (READ_ONCE(child->vmdev.broken))
		virtio_msg_child_given_up(&child->vmdev);
	return true;
}

/* Returns true if the device has to go. */
static bool child_stale(struct virtio_msg_child *child)
{
	bool again;

	if (READ_ONCE(child->removed) || READ_ONCE(child->failed))
		return true;

	/* A READY for a device that we have is either late or news. */
	again = xchg(&child->ready, false);
	if (again || READ_ONCE(child->vmdev.broken))
		return !virtio_msg_recover(&child->vmdev);
	return false;
}

/*
 * Sees to it that those that rest are looked at when the first one has.  Those
 * that had at the time of now were.
 */
static void devices_wait_for_rested(struct virtio_msg_bus *bus,
				    unsigned long now)
{
	unsigned long num, left = ULONG_MAX, passed;
	struct virtio_msg_rest *rest;

	xa_for_each(&bus->resting, num, rest) {
		/* Nobody has come to take it. */
		if (time_after_eq(now, rest->until))
			kfree(xa_erase(&bus->resting, num));
		else
			left = min(left, rest->until - now);
	}
	if (left == ULONG_MAX)
		return;
	passed = jiffies - now;
	mod_delayed_work(bus->slow, &bus->rested,
			 left > passed ? left - passed : 0);
}

static void devices_follow_work(struct work_struct *work)
{
	struct virtio_msg_bus *bus =
		container_of(work, struct virtio_msg_bus, follow.work);

	/* An event may have used up what has been earned meanwhile. */
	spin_lock_irq(&bus->rx_lock);
	virtio_msg_follow(bus);
	spin_unlock_irq(&bus->rx_lock);
}

static void devices_rested_work(struct work_struct *work)
{
	virtio_msg_schedule_scan(container_of(work, struct virtio_msg_bus,
					      rested.work));
}

/*
 * Adds those that there are, and that do not rest at the time of now.  Returns
 * false if something did not work that may work later.
 */
static bool devices_add_new(struct virtio_msg_bus *bus,
			    const unsigned long *present, unsigned long now)
{
	unsigned int limit = READ_ONCE(max_devices), count = 0, failures;
	struct virtio_msg_child *child;
	struct virtio_msg_rest *rest;
	unsigned long num;
	bool good = true;

	xa_for_each(&bus->children, num, child)
		count++;
	xa_for_each(&bus->resting, num, rest)
		count++;

	for_each_set_bit(num, present, VIRTIO_MSG_NUM_DEVICES) {
		if (!virtio_msg_usable(bus))
			break;
		if (xa_load(&bus->children, num))
			continue;
		failures = 0;
		rest = xa_load(&bus->resting, num);
		if (rest) {
			if (time_before(now, rest->until))
				continue;
			failures = rest->failures;
			kfree(xa_erase(&bus->resting, num));
			count--;
		}
		if (count >= limit) {
			dev_warn_ratelimited(bus->dev,
					     "device %lu and those after it are not used, max_devices=%u\n",
					     num, limit);
			break;
		}
		if (!devices_add(bus, num, failures))
			good = false;
		else if (xa_load(&bus->children, num))
			count++;
	}
	return good;
}

static void devices_remove_stale(struct virtio_msg_bus *bus,
				 const unsigned long *present)
{
	struct virtio_msg_child *child;
	unsigned long num;

	xa_for_each(&bus->children, num, child) {
		if (!test_bit(num, present))
			virtio_msg_break(&child->vmdev, false);
		else if (!child_stale(child))
			continue;
		spin_lock_irq(&bus->rx_lock);
		virtio_msg_start_leaving(child);
		spin_unlock_irq(&bus->rx_lock);
	}
	virtio_msg_finish_leaving(bus);
}

static void devices_find(struct virtio_msg_bus *bus)
{
	unsigned long *present, now;
	int err = -ENOMEM;

	present = bitmap_zalloc(VIRTIO_MSG_NUM_DEVICES, GFP_KERNEL);
	if (present)
		err = devices_enumerate(bus, present);
	if (!err) {
		devices_remove_stale(bus, present);
		/* Adding takes its time, in which others may end their rest. */
		now = jiffies;
		if (devices_add_new(bus, present, now))
			bus->retries = 0;
		else if (virtio_msg_usable(bus))
			devices_retry_scan(bus);
		devices_wait_for_rested(bus, now);
	} else if (virtio_msg_usable(bus) && err != -ECONNRESET) {
		/* The others have their own line in the log. */
		if (err != -EPROTONOSUPPORT)
			dev_err_ratelimited(bus->dev,
					    "cannot list the devices (%d)\n",
					    err);
		devices_retry_scan(bus);
	}
	bitmap_free(present);
}

/* Returns false if there shall be none. */
static bool devices_begin_scan(struct virtio_msg_bus *bus)
{
	bool usable;

	spin_lock_irq(&bus->rx_lock);
	usable = virtio_msg_usable(bus);
	if (usable)
		WRITE_ONCE(bus->scanning, true);
	spin_unlock_irq(&bus->rx_lock);
	return usable;
}

/* Returns false if somebody leaves. */
static bool devices_end_scan(struct virtio_msg_bus *bus)
{
	struct virtio_msg_child *child;
	bool leaving = false;
	unsigned long num;

	spin_lock_irq(&bus->rx_lock);
	xa_for_each(&bus->children, num, child)
		leaving |= child->leaving;
	if (!leaving)
		WRITE_ONCE(bus->scanning, false);
	spin_unlock_irq(&bus->rx_lock);

	if (!leaving)
		wake_up_all(&bus->scanned);
	return !leaving;
}

static void devices_scan(struct work_struct *work)
{
	struct virtio_msg_bus *bus =
		container_of(work, struct virtio_msg_bus, scan.work);

	virtio_msg_tell(bus);

	/* From then on virtio_msg_bus_stop() alone removes devices. */
	if (!devices_begin_scan(bus))
		return;

	devices_find(bus);
	/* Those that could not wait for the next scan: more may do so meanwhile. */
	do {
		virtio_msg_finish_leaving(bus);
	} while (!devices_end_scan(bus));
}

bool virtio_msg_wait_for_scan(struct virtio_msg_bus *bus)
{
	if (!wait_event_timeout(bus->scanned, !READ_ONCE(bus->scanning),
				2 * virtio_msg_timeout()))
		return false;
	cancel_delayed_work_sync(&bus->scan);
	return true;
}

void virtio_msg_end_scans(struct virtio_msg_bus *bus)
{
	cancel_delayed_work_sync(&bus->follow);
	cancel_delayed_work_sync(&bus->rested);
	cancel_delayed_work_sync(&bus->scan);
}

void virtio_msg_devices_init(struct virtio_msg_bus *bus)
{
	xa_init(&bus->children);
	init_waitqueue_head(&bus->scanned);
	bus->scans_left = DEVICES_SCAN_BURST;
	bus->scans_at = jiffies;
	INIT_DELAYED_WORK(&bus->scan, devices_scan);
	INIT_DELAYED_WORK(&bus->follow, devices_follow_work);
	INIT_DELAYED_WORK(&bus->rested, devices_rested_work);
}

void virtio_msg_devices_exit(struct virtio_msg_bus *bus)
{
	xa_destroy(&bus->children);
}
