/*
 * Devices that cannot stand on a virtio-msg link
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_VIRTIO_MSG_REFUSE_H
#define HW_VIRTIO_MSG_REFUSE_H

#include "hw/virtio/virtio.h"

/**
 * virtio_msg_refuse: whether a device has to be kept off a link
 * @vdev: the device, realized but not plugged yet
 * @errp: set if so, to what the device is and why that is
 *
 * Context: the BQL is held.
 *
 * Returns true if the device cannot be made safe against a driver that is
 * another machine, and so must not be plugged.
 */
bool virtio_msg_refuse(VirtIODevice *vdev, Error **errp);

#endif /* HW_VIRTIO_MSG_REFUSE_H */
