/*
 * A virtio device for tests of virtio-msg: it has what no other one has
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "hw/qdev-properties.h"
#include "hw/virtio/virtio.h"
#include "hw/virtio/virtio-msg-shm.h"
#include "standard-headers/linux/virtio_ids.h"

/*
 * One region of shared memory, wherever the user says, and one queue from which
 * nothing is taken.  It passes for a file system, whose drivers ask for regions.
 */

#define TYPE_VIRTIO_MSG_TESTDEV "virtio-msg-testdev"
OBJECT_DECLARE_SIMPLE_TYPE(VirtIOMSGTestDev, VIRTIO_MSG_TESTDEV)

#define QUEUE_SIZE  8

struct VirtIOMSGTestDev {
    VirtIODevice parent_obj;

    uint32_t shm_id;
    uint64_t shm_address;
    uint64_t shm_length;
};

static bool virtio_msg_testdev_get_shm(Object *obj, uint32_t shmid,
                                       uint64_t *address, uint64_t *length)
{
    VirtIOMSGTestDev *s = VIRTIO_MSG_TESTDEV(obj);

    if (shmid != s->shm_id || !s->shm_length) {
        return false;
    }
    *address = s->shm_address;
    *length = s->shm_length;
    return true;
}

static uint64_t virtio_msg_testdev_get_features(VirtIODevice *vdev,
                                                uint64_t features,
                                                Error **errp)
{
    return features;
}

static void virtio_msg_testdev_handle_queue(VirtIODevice *vdev, VirtQueue *vq)
{
}

static void virtio_msg_testdev_realize(DeviceState *dev, Error **errp)
{
    VirtIODevice *vdev = VIRTIO_DEVICE(dev);

    virtio_init(vdev, VIRTIO_ID_FS, 0);
    virtio_add_queue(vdev, QUEUE_SIZE, virtio_msg_testdev_handle_queue);
}

static void virtio_msg_testdev_unrealize(DeviceState *dev)
{
    VirtIODevice *vdev = VIRTIO_DEVICE(dev);

    virtio_del_queue(vdev, 0);
    virtio_cleanup(vdev);
}

static const Property virtio_msg_testdev_props[] = {
    DEFINE_PROP_UINT32("shm-id", VirtIOMSGTestDev, shm_id, 0),
    DEFINE_PROP_UINT64("shm-address", VirtIOMSGTestDev, shm_address, 0),
    DEFINE_PROP_UINT64("shm-length", VirtIOMSGTestDev, shm_length, 0),
};

static void virtio_msg_testdev_class_init(ObjectClass *oc, void *data)
{
    DeviceClass *dc = DEVICE_CLASS(oc);
    VirtioDeviceClass *vdc = VIRTIO_DEVICE_CLASS(oc);

    dc->desc = "virtio device for tests of virtio-msg";
    set_bit(DEVICE_CATEGORY_MISC, dc->categories);
    device_class_set_props(dc, virtio_msg_testdev_props);
    vdc->realize = virtio_msg_testdev_realize;
    vdc->unrealize = virtio_msg_testdev_unrealize;
    vdc->get_features = virtio_msg_testdev_get_features;
    VIRTIO_MSG_SHM_CLASS(oc)->get_shm = virtio_msg_testdev_get_shm;
}

static const TypeInfo virtio_msg_testdev_types[] = {
    {
        .name = TYPE_VIRTIO_MSG_TESTDEV,
        .parent = TYPE_VIRTIO_DEVICE,
        .instance_size = sizeof(VirtIOMSGTestDev),
        .class_init = virtio_msg_testdev_class_init,
        .interfaces = (InterfaceInfo[]) {
            { TYPE_VIRTIO_MSG_SHM },
            { }
        },
    }
};

DEFINE_TYPES(virtio_msg_testdev_types)
