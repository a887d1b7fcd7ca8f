/*
 * Devices that are a virtio-msg link and nothing else
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_VIRTIO_MSG_BUS_DEVICE_H
#define HW_VIRTIO_MSG_BUS_DEVICE_H

#include "hw/sysbus.h"
#include "hw/virtio/virtio-msg-bus.h"

/*
 * What such devices have in common: the properties of a link, and a link that
 * has their name.  A subclass sets @ops and chains its realize behind the one
 * here, with device_class_set_parent_realize(); from then on it has its link.
 */

#define TYPE_VIRTIO_MSG_BUS_DEVICE "virtio-msg-bus-device"
OBJECT_DECLARE_TYPE(VirtIOMSGBusDevice, VirtIOMSGBusDeviceClass,
                    VIRTIO_MSG_BUS_DEVICE)

struct VirtIOMSGBusDevice {
    SysBusDevice parent_obj;

    VirtIOMSGBus link;
    VirtIOMSGBusConf conf;
};

struct VirtIOMSGBusDeviceClass {
    SysBusDeviceClass parent_class;

    const VirtIOMSGBusOps *ops;
};

#endif /* HW_VIRTIO_MSG_BUS_DEVICE_H */
