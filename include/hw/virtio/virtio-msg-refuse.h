/*
 * Devices that cannot stand on a virtio-msg link
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_VIRTIO_MSG_REFUSE_H
#define HW_VIRTIO_MSG_REFUSE_H

#include "hw/virtio/virtio.h"

/**
 * virtio_msg_refuse_type: whether devices of a type have to be kept off a link
 * @dev: the device, not realized yet
 * @errp: set if so, to what the device is and why that is
 *
 * A device asks its backend to work for it while it is realized, and what the
 * backend has to say if that fails hides the reason.  So this comes before.
 *
 * Context: the BQL is held.
 *
 * Returns true if such a device cannot be made safe against a driver that is
 * another machine, and so must not be realized.
 */
bool virtio_msg_refuse_type(DeviceState *dev, Error **errp);

/**
 * virtio_msg_refuse_backend: whether a device has a backend that keeps it off a
 * link
 * @vdev: the device, realized but not plugged yet
 * @errp: set if so, to what the device is and why that is
 *
 * Context: the BQL is held.
 *
 * Returns true if the backend does not reach the memory of a driver that is
 * another machine.  The device must not be plugged then.
 */
bool virtio_msg_refuse_backend(VirtIODevice *vdev, Error **errp);

#endif /* HW_VIRTIO_MSG_REFUSE_H */
