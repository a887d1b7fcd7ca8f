// SPDX-License-Identifier: GPL-2.0-only
/*
 * virtio-msg: waiting for a device side
 */
#include <linux/jiffies.h>
#include <linux/module.h>
#include <linux/workqueue.h>

#include "virtio_msg_bus_internal.h"
#include "virtio_msg_compat.h"

/* How often to look for the device side, and for its first message */
#define WATCH_MS	1000U

/* After so long without either the log says what may be wrong. */
#define WATCH_QUIET_MS	5000U

static void watch_in(struct virtio_msg_bus *bus, unsigned int ms)
{
	if (!READ_ONCE(bus->paused))
		mod_delayed_work(system_dfl_wq, &bus->watch,
				 msecs_to_jiffies(ms));
}

void virtio_msg_bus_watch(struct virtio_msg_bus *bus)
{
	watch_in(bus, 0);
}
EXPORT_SYMBOL_GPL(virtio_msg_bus_watch);

bool virtio_msg_watch_find(struct virtio_msg_bus *bus)
{
	if (!bus->ops->find(bus) ||
	    WARN_ON_ONCE(bus->max_size > sizeof(bus->received)))
		return false;

	bus->link.slot_size = bus->max_size;
	bus->link.reach = bus->reach;
	bus->ops->attach(bus);
	bus->heard = jiffies;
	bus->since = jiffies;
	virtio_msg_enter(bus, VIRTIO_MSG_RUNNING);
	if (bus->ops->announce)
		bus->ops->announce(bus);
	virtio_msg_schedule_scan(bus);
	virtio_msg_start_heartbeat(bus);
	return true;
}

static void watch_tell_quiet(struct virtio_msg_bus *bus)
{
	bool started = virtio_msg_started(bus);

	bus->told_quiet = true;
	if (bus->ops->tell_quiet)
		bus->ops->tell_quiet(bus, started ? WATCH_QUIET_MS / 1000 : 0);
}

static void watch_work(struct work_struct *work)
{
	struct virtio_msg_bus *bus =
		container_of(work, struct virtio_msg_bus, watch.work);

	if (READ_ONCE(bus->paused))
		return;
	if (virtio_msg_started(bus) || virtio_msg_watch_find(bus)) {
		if (bus->ops->look)
			bus->ops->look(bus);
		if (READ_ONCE(bus->known))
			return;
	}
	if (!bus->told_quiet &&
	    time_after_eq(jiffies,
			  bus->since + msecs_to_jiffies(WATCH_QUIET_MS)))
		watch_tell_quiet(bus);
	if (!virtio_msg_started(bus) || !bus->told_quiet)
		watch_in(bus, WATCH_MS);
}

void virtio_msg_watch_pause(struct virtio_msg_bus *bus)
{
	WRITE_ONCE(bus->paused, true);
	cancel_delayed_work_sync(&bus->watch);
}

void virtio_msg_watch_go(struct virtio_msg_bus *bus)
{
	WRITE_ONCE(bus->paused, false);
	watch_in(bus, 0);
}

void virtio_msg_watch_init(struct virtio_msg_bus *bus)
{
	bus->since = jiffies;
	bus->paused = true;
	INIT_DELAYED_WORK(&bus->watch, watch_work);
}
