// SPDX-License-Identifier: GPL-2.0-only
/*
 * virtio-msg: how devices go, and when they may come back
 */
#include <linux/jiffies.h>
#include <linux/minmax.h>
#include <linux/ratelimit.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>

#include "virtio_msg_bus_internal.h"

/* So many lines a minute say that devices go. */
#define LEAVING_MAX_NEWS	1024

/*
 * Devices can wait for each other when they leave, so that all of them have to
 * have begun.  So many share a workqueue, which is far less than can be under
 * way in one, also where that is divided among the nodes of a machine.
 */
#define LEAVING_QUEUE_SHIFT	7

/*
 * How long a device that has failed stays away, and how often that doubles.  It
 * begins anew for a device that worked for so many times as long.
 */
#define LEAVING_REST_MS		1000U
#define LEAVING_MAX_RESTS	6
#define LEAVING_HEALTHY_RESTS	4

/* So many timeouts long a device may say that it makes progress, and no more */
#define LEAVING_MAX_DELAYS	30

void virtio_msg_start_leaving(struct virtio_msg_child *child)
{
	if (child->leaving)
		return;
	child->leaving = true;
	queue_work(child->leavers, &child->leave);
}

/*
 * A device that is given up leaves in the next scan.  But the probe that this
 * one waits for can be waiting for just that device's driver to be removed: the
 * core of hwrng reads from one generator at a time, and virtio_rng waits for a
 * queue that is broken.
 */
static void leaving_hasten_work(struct work_struct *work)
{
	struct virtio_msg_bus *bus =
		container_of(work, struct virtio_msg_bus, hasten.work);
	struct virtio_msg_child *child;
	unsigned long num;

	spin_lock_irq(&bus->rx_lock);
	if (bus->scanning)
		xa_for_each(&bus->children, num, child)
			if (child->registered &&
			    (READ_ONCE(child->vmdev.broken) ||
			     READ_ONCE(child->vmdev.failed)))
				virtio_msg_start_leaving(child);
	spin_unlock_irq(&bus->rx_lock);
}

void virtio_msg_child_given_up(struct virtio_msg_device *vmdev)
{
	struct virtio_msg_child *child = to_child(vmdev);
	struct virtio_msg_bus *bus = child->bus;

	/* No driver knows what to do then but to begin anew. */
	if (READ_ONCE(vmdev->failed) && !xchg(&child->failed, true)) {
		atomic_inc(&bus->failures);
		virtio_msg_schedule_scan(bus);
	}
	queue_delayed_work(bus->urgent, &bus->hasten, virtio_msg_timeout());
}

void virtio_msg_remove_child(struct virtio_msg_child *child)
{
	WRITE_ONCE(child->removed, true);
	virtio_msg_token_abort(child->bus, child, -ENODEV);
}

void virtio_msg_erase_child(struct virtio_msg_child *child)
{
	struct virtio_msg_bus *bus = child->bus;

	xa_erase(&bus->children, child->vmdev.dev_num);

	/* Whatever found it before holds this while using it. */
	spin_lock_irq(&bus->rx_lock);
	spin_unlock_irq(&bus->rx_lock);
}

void virtio_msg_forget_child(struct virtio_msg_child *child)
{
	virtio_msg_erase_child(child);
	virtio_msg_put(&child->vmdev);
}

static void leaving_work(struct work_struct *work)
{
	static DEFINE_RATELIMIT_STATE(news, 60 * HZ, LEAVING_MAX_NEWS);
	struct virtio_msg_child *child =
		container_of(work, struct virtio_msg_child, leave);

	virtio_msg_unregister(&child->vmdev);
	if (__ratelimit(&news))
		dev_info(child->bus->dev, "device %u: removed\n",
			 child->vmdev.dev_num);
}

int virtio_msg_leaving_prepare(struct virtio_msg_child *child)
{
	struct virtio_msg_bus *bus = child->bus;
	unsigned int index = child->vmdev.dev_num >> LEAVING_QUEUE_SHIFT;
	struct workqueue_struct *wq = xa_load(&bus->leavers, index);

	if (!wq) {
		wq = alloc_workqueue("vmsg_leave%u-%s", WQ_UNBOUND,
				     WQ_MAX_ACTIVE, index, dev_name(bus->dev));
		if (!wq)
			return -ENOMEM;
		if (xa_err(xa_store(&bus->leavers, index, wq, GFP_KERNEL))) {
			destroy_workqueue(wq);
			return -ENOMEM;
		}
	}
	child->leavers = wq;
	INIT_WORK(&child->leave, leaving_work);
	return 0;
}

static unsigned long leaving_rest_time(unsigned int failures)
{
	return msecs_to_jiffies(LEAVING_REST_MS << failures);
}

/* Has a device that has failed come back later, and later each time. */
static void leaving_rest(struct virtio_msg_bus *bus,
			 struct virtio_msg_child *child)
{
	unsigned int failures = child->failures;
	struct virtio_msg_rest *rest, *old;

	if (time_after(jiffies, child->since + LEAVING_HEALTHY_RESTS *
				leaving_rest_time(failures)))
		failures = 0;
	rest = kmalloc(sizeof(*rest), GFP_KERNEL);
	if (!rest)
		return;
	rest->until = jiffies + leaving_rest_time(failures);
	rest->failures = min_t(unsigned int, failures + 1, LEAVING_MAX_RESTS);
	dev_info_ratelimited(bus->dev, "device %u: comes back in %u s\n",
			     child->vmdev.dev_num,
			     LEAVING_REST_MS / (unsigned int)MSEC_PER_SEC
			     << failures);
	old = xa_store(&bus->resting, child->vmdev.dev_num, rest, GFP_KERNEL);
	kfree(xa_is_err(old) ? rest : old);
}

void virtio_msg_finish_leaving(struct virtio_msg_bus *bus)
{
	struct virtio_msg_child *child;
	unsigned long num;
	bool leaving;

	xa_for_each(&bus->children, num, child) {
		/* If it is seen under the lock, the work is queued. */
		spin_lock_irq(&bus->rx_lock);
		leaving = child->leaving;
		spin_unlock_irq(&bus->rx_lock);
		if (leaving) {
			flush_work(&child->leave);
			if (child->failed)
				leaving_rest(bus, child);
			virtio_msg_forget_child(child);
		}
	}
}

/*
 * When devices are to go, their drivers wait for what is under way.  This is
 * for a device side that answers, but does not complete that.  Once is enough:
 * from the time that devices are to go, devices_enter() lets none in.
 */
static void leaving_hurry_work(struct work_struct *work)
{
	struct virtio_msg_bus *bus =
		container_of(work, struct virtio_msg_bus, hurry.work);
	unsigned int progress = READ_ONCE(bus->progress);

	if (progress != bus->old_progress &&
	    bus->delays++ < LEAVING_MAX_DELAYS) {
		bus->old_progress = progress;
		queue_delayed_work(bus->urgent, &bus->hurry,
				   virtio_msg_timeout());
		return;
	}
	dev_warn(bus->dev,
		 "requests are still under way, ending them as failed\n");
	virtio_msg_break_all(bus, true);
}

void virtio_msg_start_hurry(struct virtio_msg_bus *bus)
{
	bus->old_progress = READ_ONCE(bus->progress);
	queue_delayed_work(bus->urgent, &bus->hurry, virtio_msg_timeout());
}

void virtio_msg_leave_all(struct virtio_msg_bus *bus)
{
	struct virtio_msg_child *child;
	unsigned long num;

	spin_lock_irq(&bus->rx_lock);
	xa_for_each(&bus->children, num, child)
		virtio_msg_start_leaving(child);
	spin_unlock_irq(&bus->rx_lock);
	virtio_msg_finish_leaving(bus);
	cancel_delayed_work_sync(&bus->hurry);
	cancel_delayed_work_sync(&bus->hasten);
}

void virtio_msg_leaving_init(struct virtio_msg_bus *bus)
{
	xa_init(&bus->leavers);
	xa_init(&bus->resting);
	INIT_DELAYED_WORK(&bus->hasten, leaving_hasten_work);
	INIT_DELAYED_WORK(&bus->hurry, leaving_hurry_work);
}

void virtio_msg_leaving_exit(struct virtio_msg_bus *bus)
{
	struct workqueue_struct *wq;
	struct virtio_msg_rest *rest;
	unsigned long index;

	xa_for_each(&bus->leavers, index, wq)
		destroy_workqueue(wq);
	xa_destroy(&bus->leavers);
	xa_for_each(&bus->resting, index, rest)
		kfree(rest);
	xa_destroy(&bus->resting);
}
