/*
 * Devices that are a virtio-msg link and nothing else
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "hw/qdev-properties.h"
#include "hw/virtio/virtio-msg-bus-device.h"
#include "migration/vmstate.h"

static void virtio_msg_bus_device_realize(DeviceState *dev, Error **errp)
{
    VirtIOMSGBusDevice *s = VIRTIO_MSG_BUS_DEVICE(dev);
    VirtIOMSGBusDeviceClass *k = VIRTIO_MSG_BUS_DEVICE_GET_CLASS(s);

    if (!virtio_msg_bus_init(&s->link, dev, NULL, k->ops, &s->conf, errp)) {
        return;
    }
    object_property_add_alias(OBJECT(dev), "link-up", OBJECT(&s->link),
                              "link-up");
    object_property_add_alias(OBJECT(dev), "link-state", OBJECT(&s->link),
                              "link-state");
}

static const Property virtio_msg_bus_device_props[] = {
    DEFINE_VIRTIO_MSG_BUS_PROPERTIES(VirtIOMSGBusDevice, conf),
};

/* Both ends of a link would have to move together */
static const VMStateDescription vmstate_virtio_msg_bus_device = {
    .name = "virtio-msg-bus-device",
    .unmigratable = 1,
};

static void virtio_msg_bus_device_class_init(ObjectClass *oc, void *data)
{
    DeviceClass *dc = DEVICE_CLASS(oc);

    dc->realize = virtio_msg_bus_device_realize;
    dc->vmsd = &vmstate_virtio_msg_bus_device;
    device_class_set_props(dc, virtio_msg_bus_device_props);
    virtio_msg_bus_describe_properties(oc);
    set_bit(DEVICE_CATEGORY_BRIDGE, dc->categories);
}

static const TypeInfo virtio_msg_bus_device_types[] = {
    {
        .name = TYPE_VIRTIO_MSG_BUS_DEVICE,
        .parent = TYPE_SYS_BUS_DEVICE,
        .abstract = true,
        .instance_size = sizeof(VirtIOMSGBusDevice),
        .class_size = sizeof(VirtIOMSGBusDeviceClass),
        .class_init = virtio_msg_bus_device_class_init,
    }
};

DEFINE_TYPES(virtio_msg_bus_device_types)
