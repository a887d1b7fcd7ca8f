/*
 * Types of properties of virtio-msg links
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_VIRTIO_MSG_PROPERTIES_H
#define HW_VIRTIO_MSG_PROPERTIES_H

#include "hw/qdev-properties.h"
#include "qapi/qapi-types-virtio-msg.h"

extern const PropertyInfo qdev_prop_virtio_msg_layout;
extern const PropertyInfo qdev_prop_virtio_msg_sysmem_map;
extern const PropertyInfo qdev_prop_virtio_msg_wire;

/* A VirtioMsgLayout */
#define DEFINE_PROP_VIRTIO_MSG_LAYOUT(_n, _s, _f, _d)                       \
    DEFINE_PROP_SIGNED(_n, _s, _f, _d, qdev_prop_virtio_msg_layout,         \
                       VirtioMsgLayout)

/* A VirtioMsgSysmemMap */
#define DEFINE_PROP_VIRTIO_MSG_SYSMEM_MAP(_n, _s, _f, _d)                   \
    DEFINE_PROP_SIGNED(_n, _s, _f, _d, qdev_prop_virtio_msg_sysmem_map,     \
                       VirtioMsgSysmemMap)

/* A VirtioMsgWire */
#define DEFINE_PROP_VIRTIO_MSG_WIRE(_n, _s, _f, _d)                         \
    DEFINE_PROP_SIGNED(_n, _s, _f, _d, qdev_prop_virtio_msg_wire,           \
                       VirtioMsgWire)

#endif /* HW_VIRTIO_MSG_PROPERTIES_H */
