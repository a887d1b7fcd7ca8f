// SPDX-License-Identifier: GPL-2.0-only
/*
 * virtio-msg: what a link is in
 */
#include <linux/sysfs.h>
#include <linux/workqueue.h>

#include "virtio_msg_bus_internal.h"

void virtio_msg_fail(struct virtio_msg_bus *bus)
{
	if (test_and_set_bit(VIRTIO_MSG_BUS_FAILED, &bus->flags))
		return;

	set_bit(VIRTIO_MSG_BUS_TELL_FAILED, &bus->flags);
	virtio_msg_token_abort(bus, NULL, -EIO);
	queue_work(bus->urgent, &bus->breaking);
}

bool virtio_msg_usable(const struct virtio_msg_bus *bus)
{
	return !virtio_msg_failed(bus) &&
	       !test_bit(VIRTIO_MSG_BUS_SILENT, &bus->flags) &&
	       !test_bit(VIRTIO_MSG_BUS_STOPPING, &bus->flags) &&
	       !test_bit(VIRTIO_MSG_BUS_HELD, &bus->flags);
}

void virtio_msg_tell(struct virtio_msg_bus *bus)
{
	bool changed = false;

	if (test_and_clear_bit(VIRTIO_MSG_BUS_TELL_FAILED, &bus->flags)) {
		dev_err_ratelimited(bus->dev,
				    "index of a queue out of range, link shut down until the device side starts anew\n");
		changed = true;
	}
	if (test_and_clear_bit(VIRTIO_MSG_BUS_TELL_SILENT, &bus->flags)) {
		dev_warn_ratelimited(bus->dev,
				     "the device side does not answer, waiting until it calls\n");
		changed = true;
	}
	if (test_and_clear_bit(VIRTIO_MSG_BUS_TELL_HEARD, &bus->flags)) {
		dev_info_ratelimited(bus->dev,
				     "the device side can be heard again\n");
		changed = true;
	}
	if (test_and_clear_bit(VIRTIO_MSG_BUS_TELL_RESTARTED, &bus->flags)) {
		dev_info_ratelimited(bus->dev,
				     "the device side has restarted\n");
		changed = true;
	}
	if (changed)
		sysfs_notify(&bus->dev->kobj, "virtio_msg", "state");
}

const char *virtio_msg_state(const struct virtio_msg_bus *bus)
{
	if (test_bit(VIRTIO_MSG_BUS_FAILED, &bus->flags))
		return "failed";
	if (test_bit(VIRTIO_MSG_BUS_SILENT, &bus->flags) ||
	    !test_bit(VIRTIO_MSG_BUS_KNOWN, &bus->flags))
		return "silent";
	return "up";
}

bool virtio_msg_known(const struct virtio_msg_bus *bus)
{
	return test_bit(VIRTIO_MSG_BUS_KNOWN, &bus->flags);
}
