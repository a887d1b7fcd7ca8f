/*
 * Devices that cannot stand on a virtio-msg link
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "hw/virtio/virtio-msg-refuse.h"

/*
 * What a device does with a driver's memory has to end when the driver resets
 * it, goes, or loses it to device_del.  A device that cannot be brought to do
 * so is in this table.
 */

typedef struct VirtIOMSGRefusal {
    const char *type;       /* QOM type, subtypes included */
    const char *reason;     /* completes "... cannot stand on virtio-msg: " */
} VirtIOMSGRefusal;

static const VirtIOMSGRefusal refusals[] = {
    {
        /* And the thread of free-page-hint= goes on after a reset. */
        .type = "virtio-balloon-device",
        .reason = "the pages that it gives back are those of this machine, "
                  "and its driver names those of another one",
    },
    {
        .type = "virtio-mem",
        .reason = "the memory that it adds is this machine's, where its driver "
                  "does not find it",
    },
    {
        .type = "virtio-pmem",
        .reason = "the memory that it shows is this machine's, where its "
                  "driver does not find it",
    },
#define NO_VHOST "vhost does not reach the memory of another machine"
    { .type = "vhost-scsi-common", .reason = NO_VHOST },
    { .type = "vhost-user-base", .reason = NO_VHOST },
    { .type = "vhost-user-scmi", .reason = NO_VHOST },
    { .type = "vhost-vdpa-device", .reason = NO_VHOST },
    { .type = "vhost-vsock-common", .reason = NO_VHOST },
};

bool virtio_msg_refuse_type(DeviceState *dev, Error **errp)
{
    Object *obj = OBJECT(dev);
    size_t i;

    for (i = 0; i < ARRAY_SIZE(refusals); i++) {
        if (object_dynamic_cast(obj, refusals[i].type)) {
            error_setg(errp, "%s cannot stand on virtio-msg: %s",
                       object_get_typename(obj), refusals[i].reason);
            return true;
        }
    }
    return false;
}

bool virtio_msg_refuse_backend(VirtIODevice *vdev, Error **errp)
{
    VirtioDeviceClass *vdc = VIRTIO_DEVICE_GET_CLASS(vdev);

    if (vdc->get_vhost && vdc->get_vhost(vdev)) {
        error_setg(errp, "%s cannot stand on virtio-msg with this backend: "
                   NO_VHOST, object_get_typename(OBJECT(vdev)));
        return true;
    }
    return false;
}
