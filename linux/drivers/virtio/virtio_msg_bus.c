// SPDX-License-Identifier: GPL-2.0-only
/*
 * virtio-msg: a link to a device side, from its beginning to its end
 */
#include <linux/device.h>
#include <linux/module.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>

#include "virtio_msg_bus_internal.h"

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

static void bus_free_workqueues(struct virtio_msg_bus *bus)
{
	if (bus->slow)
		destroy_workqueue(bus->slow);
	if (bus->urgent)
		destroy_workqueue(bus->urgent);
}

int virtio_msg_bus_init(struct virtio_msg_bus *bus)
{
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
	bus->link.max_size = max_msg;
	bus->link.strict_generation = strict_generation;
	virtio_msg_link_init(&bus->link, bus_wire);
	spin_lock_init(&bus->rx_lock);
	virtio_msg_token_init(bus);
	virtio_msg_send_init(bus);
	virtio_msg_liveness_init(bus);
	virtio_msg_leaving_init(bus);
	virtio_msg_devices_init(bus);
	virtio_msg_watch_init(bus);
	return 0;
}
EXPORT_SYMBOL_GPL(virtio_msg_bus_init);

void virtio_msg_bus_exit(struct virtio_msg_bus *bus)
{
	/* An interrupt may still have had a look. */
	virtio_msg_watch_pause(bus);
	virtio_msg_leaving_exit(bus);
	bus_free_workqueues(bus);
	virtio_msg_devices_exit(bus);
}
EXPORT_SYMBOL_GPL(virtio_msg_bus_exit);

static void bus_devm_exit(void *data)
{
	virtio_msg_bus_exit(data);
}

int devm_virtio_msg_bus_init(struct virtio_msg_bus *bus)
{
	int err;

	err = virtio_msg_bus_init(bus);
	if (err)
		return err;
	dev_set_drvdata(bus->dev, bus);
	return devm_add_action_or_reset(bus->dev, bus_devm_exit, bus);
}
EXPORT_SYMBOL_GPL(devm_virtio_msg_bus_init);

bool virtio_msg_bus_start(struct virtio_msg_bus *bus)
{
	bool found = virtio_msg_watch_find(bus);

	virtio_msg_watch_go(bus);
	return found;
}
EXPORT_SYMBOL_GPL(virtio_msg_bus_start);

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
	virtio_msg_watch_pause(bus);
	if (!virtio_msg_started(bus))
		return;

	virtio_msg_enter(bus, VIRTIO_MSG_STOPPING);
	virtio_msg_start_hurry(bus);
	bus_find_dead(bus);
	cancel_delayed_work_sync(&bus->scan);
	virtio_msg_leave_all(bus);

	/* From here on the interrupt does nothing. */
	virtio_msg_enter(bus, VIRTIO_MSG_STOPPED);
	virtio_msg_stop_heartbeat(bus);
	virtio_msg_end_scans(bus);
	cancel_delayed_work_sync(&bus->flushing);
	cancel_work_sync(&bus->breaking);

	if (bus->ops->retire)
		bus->ops->retire(bus);
}
EXPORT_SYMBOL_GPL(virtio_msg_bus_stop);

void virtio_msg_bus_shutdown(struct virtio_msg_bus *bus)
{
	struct virtio_msg_child *child;
	unsigned long num;

	virtio_msg_watch_pause(bus);
	if (!virtio_msg_started(bus))
		return;

	virtio_msg_enter(bus, VIRTIO_MSG_STOPPING);
	bus_find_dead(bus);
	virtio_msg_stop_heartbeat(bus);
	cancel_delayed_work_sync(&bus->scan);
	xa_for_each(&bus->children, num, child)
		virtio_msg_shutdown(&child->vmdev);

	if (bus->ops->retire)
		bus->ops->retire(bus);
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
