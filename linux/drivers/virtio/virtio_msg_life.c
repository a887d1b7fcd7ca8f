// SPDX-License-Identifier: GPL-2.0-only
/*
 * virtio-msg: what a link is in
 *
 * Two things decide what may be done with a link.  Each is a state of its own, as
 * neither follows from the other: a device side can fall silent, spoil what
 * carries the messages and start anew whether its devices are in use, asleep or
 * just going, and it does so at the same time as this side does what it does.
 *
 * The life is what this side does with the link.  It changes with rx_lock held,
 * one change at a time, as the driver of the bus is called:
 *
 *	WAITING ---> RUNNING <---> HELD <---> ASLEEP
 *	                |            |           |
 *	                +------------+-----------+---> STOPPING ---> STOPPED
 *
 * The hearing is what the device side has made of it.  It changes in any context
 * and with any locks held, so each time by one cmpxchg:
 *
 *	UNHEARD ---- hear ----> HEARD <----- hear ------ SILENT
 *	 |  |                    | |                      ^  |
 *	 |  +----------------- fall silent ---------------+  |
 *	 |                       | |                         |
 *	 +-----------------------+-+---- fail ---> FAILED <--+
 *	                           ^                 |
 *	                           +---- revive -----+
 *
 * Nothing but a device side that starts anew leads out of FAILED: what is heard,
 * or not, of one that has spoilt the link counts for nothing.
 */
#include <linux/atomic.h>
#include <linux/bits.h>
#include <linux/lockdep.h>
#include <linux/spinlock.h>
#include <linux/sysfs.h>
#include <linux/workqueue.h>

#include "virtio_msg_bus_internal.h"

/* Where each state of the life leads */
static const u8 life_next[] = {
	[VIRTIO_MSG_WAITING]	= BIT(VIRTIO_MSG_RUNNING),
	[VIRTIO_MSG_RUNNING]	= BIT(VIRTIO_MSG_HELD) |
				  BIT(VIRTIO_MSG_STOPPING),
	[VIRTIO_MSG_HELD]	= BIT(VIRTIO_MSG_RUNNING) |
				  BIT(VIRTIO_MSG_ASLEEP) |
				  BIT(VIRTIO_MSG_STOPPING),
	[VIRTIO_MSG_ASLEEP]	= BIT(VIRTIO_MSG_HELD) |
				  BIT(VIRTIO_MSG_STOPPING),
	[VIRTIO_MSG_STOPPING]	= BIT(VIRTIO_MSG_STOPPED),
	[VIRTIO_MSG_STOPPED]	= 0,
};

void virtio_msg_enter_locked(struct virtio_msg_bus *bus,
			     enum virtio_msg_life life)
{
	lockdep_assert_held(&bus->rx_lock);
	if (life_next[bus->life] & BIT(life))
		/* Whatever sees that there is a link sees all of it. */
		smp_store_release(&bus->life, life);
}

void virtio_msg_enter(struct virtio_msg_bus *bus, enum virtio_msg_life life)
{
	spin_lock_irq(&bus->rx_lock);
	virtio_msg_enter_locked(bus, life);
	spin_unlock_irq(&bus->rx_lock);
}

/*
 * Goes from one of some states, a bit each, to another one.  Returns false, with
 * no order between what comes before and after, if it is none of them.
 */
static bool life_hearing(struct virtio_msg_bus *bus, unsigned int from,
			 enum virtio_msg_hearing to)
{
	enum virtio_msg_hearing was = READ_ONCE(bus->hearing);

	do {
		if (!(from & BIT(was)))
			return false;
	} while (!try_cmpxchg(&bus->hearing, &was, to));
	return true;
}

void virtio_msg_fail(struct virtio_msg_bus *bus)
{
	if (!life_hearing(bus, BIT(VIRTIO_MSG_UNHEARD) | BIT(VIRTIO_MSG_HEARD) |
			  BIT(VIRTIO_MSG_SILENT), VIRTIO_MSG_FAILED))
		return;

	set_bit(VIRTIO_MSG_NEWS_FAILED, &bus->news);
	virtio_msg_token_abort(bus, NULL, -EIO);
	queue_work(bus->urgent, &bus->breaking);
}

void virtio_msg_revive(struct virtio_msg_bus *bus)
{
	life_hearing(bus, BIT(VIRTIO_MSG_FAILED), VIRTIO_MSG_HEARD);
}

bool virtio_msg_fall_silent(struct virtio_msg_bus *bus)
{
	return life_hearing(bus, BIT(VIRTIO_MSG_UNHEARD) |
			    BIT(VIRTIO_MSG_HEARD), VIRTIO_MSG_SILENT);
}

bool virtio_msg_hear(struct virtio_msg_bus *bus)
{
	if (!READ_ONCE(bus->known))
		WRITE_ONCE(bus->known, true);
	return !life_hearing(bus, BIT(VIRTIO_MSG_UNHEARD), VIRTIO_MSG_HEARD) &&
	       life_hearing(bus, BIT(VIRTIO_MSG_SILENT), VIRTIO_MSG_HEARD);
}

bool virtio_msg_usable(const struct virtio_msg_bus *bus)
{
	return READ_ONCE(bus->hearing) < VIRTIO_MSG_SILENT &&
	       virtio_msg_life(bus) == VIRTIO_MSG_RUNNING;
}

void virtio_msg_tell(struct virtio_msg_bus *bus)
{
	bool changed = false;

	if (test_and_clear_bit(VIRTIO_MSG_NEWS_FAILED, &bus->news)) {
		dev_err_ratelimited(bus->dev,
				    "index of a queue out of range, link shut down until the device side starts anew\n");
		changed = true;
	}
	if (test_and_clear_bit(VIRTIO_MSG_NEWS_SILENT, &bus->news)) {
		dev_warn_ratelimited(bus->dev,
				     "the device side does not answer, waiting until it calls\n");
		changed = true;
	}
	if (test_and_clear_bit(VIRTIO_MSG_NEWS_HEARD, &bus->news)) {
		dev_info_ratelimited(bus->dev,
				     "the device side can be heard again\n");
		changed = true;
	}
	if (test_and_clear_bit(VIRTIO_MSG_NEWS_RESTARTED, &bus->news)) {
		dev_info_ratelimited(bus->dev,
				     "the device side has restarted\n");
		changed = true;
	}
	if (changed)
		sysfs_notify(&bus->dev->kobj, "virtio_msg", "state");
}

const char *virtio_msg_state(const struct virtio_msg_bus *bus)
{
	switch (READ_ONCE(bus->hearing)) {
	case VIRTIO_MSG_HEARD:
		return "up";
	case VIRTIO_MSG_FAILED:
		return "failed";
	default:
		return "silent";
	}
}
