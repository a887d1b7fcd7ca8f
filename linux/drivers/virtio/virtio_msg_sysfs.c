// SPDX-License-Identifier: GPL-2.0-only
/*
 * virtio-msg: a link in sysfs
 */
#include <linux/device.h>
#include <linux/module.h>
#include <linux/sysfs.h>

#include "virtio_msg_bus_internal.h"

static ssize_t dropped_show(struct device *dev, struct device_attribute *attr,
			    char *buf)
{
	struct virtio_msg_bus *bus = dev_get_drvdata(dev);

	return sysfs_emit(buf, "%u\n", atomic_read(&bus->dropped));
}
static DEVICE_ATTR_RO(dropped);

static ssize_t failures_show(struct device *dev, struct device_attribute *attr,
			     char *buf)
{
	struct virtio_msg_bus *bus = dev_get_drvdata(dev);

	return sysfs_emit(buf, "%u\n", atomic_read(&bus->failures));
}
static DEVICE_ATTR_RO(failures);

static ssize_t restarts_show(struct device *dev, struct device_attribute *attr,
			     char *buf)
{
	struct virtio_msg_bus *bus = dev_get_drvdata(dev);

	return sysfs_emit(buf, "%u\n", atomic_read(&bus->restarts));
}
static DEVICE_ATTR_RO(restarts);

static ssize_t silences_show(struct device *dev, struct device_attribute *attr,
			     char *buf)
{
	struct virtio_msg_bus *bus = dev_get_drvdata(dev);

	return sysfs_emit(buf, "%u\n", atomic_read(&bus->silences));
}
static DEVICE_ATTR_RO(silences);

static ssize_t state_show(struct device *dev, struct device_attribute *attr,
			  char *buf)
{
	return sysfs_emit(buf, "%s\n", virtio_msg_state(dev_get_drvdata(dev)));
}
static DEVICE_ATTR_RO(state);

static ssize_t wire_show(struct device *dev, struct device_attribute *attr,
			 char *buf)
{
	struct virtio_msg_bus *bus = dev_get_drvdata(dev);

	return sysfs_emit(buf, "%s\n", virtio_msg_link_wire_name(&bus->link));
}
static DEVICE_ATTR_RO(wire);

static struct attribute *virtio_msg_bus_attrs[] = {
	&dev_attr_dropped.attr,
	&dev_attr_failures.attr,
	&dev_attr_restarts.attr,
	&dev_attr_silences.attr,
	&dev_attr_state.attr,
	&dev_attr_wire.attr,
	NULL,
};

static const struct attribute_group virtio_msg_bus_group = {
	.name = "virtio_msg",
	.attrs = virtio_msg_bus_attrs,
};

const struct attribute_group *virtio_msg_bus_groups[] = {
	&virtio_msg_bus_group,
	NULL,
};
EXPORT_SYMBOL_GPL(virtio_msg_bus_groups);
