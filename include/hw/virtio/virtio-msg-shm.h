/*
 * Shared memory regions of devices on virtio-msg
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_VIRTIO_MSG_SHM_H
#define HW_VIRTIO_MSG_SHM_H

#include "qom/object.h"

/*
 * A device that has memory for its driver beside the virtqueues implements this
 * interface, and GET_SHM answers with what it says (T-18).  No other device has
 * any regions.
 */

#define TYPE_VIRTIO_MSG_SHM "virtio-msg-shm"
typedef struct VirtIOMSGShmClass VirtIOMSGShmClass;
DECLARE_CLASS_CHECKERS(VirtIOMSGShmClass, VIRTIO_MSG_SHM, TYPE_VIRTIO_MSG_SHM)

struct VirtIOMSGShmClass {
    InterfaceClass parent_class;

    /**
     * @get_shm: where a region is
     * @obj: the device, which is plugged
     * @shmid: the region's id, any number that the driver may ask for
     * @address: set to where the driver finds it, in the terms of the link
     * @length: set to its size in bytes, not 0
     *
     * Called in the main loop with the BQL held.  Returns false, with nothing
     * set, if there is no such region.
     */
    bool (*get_shm)(Object *obj, uint32_t shmid, uint64_t *address,
                    uint64_t *length);
};

#endif /* HW_VIRTIO_MSG_SHM_H */
