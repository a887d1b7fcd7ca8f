/*
 * libqos virtio-msg driver
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef LIBQOS_VIRTIO_MSG_H
#define LIBQOS_VIRTIO_MSG_H

#include "qgraph.h"
#include "virtio.h"
#include "../virtio-msg-driver.h"

/* One device of a link, seen by its driver */
typedef struct QVirtioMsgDevice {
    QOSGraphObject obj;
    QVirtioDevice vdev;
    QTestState *qts;
    VMsgLink *link;
    uint16_t dev_num;
    uint16_t queue;         /* the one that queue_select() chose */
    GHashTable *used;       /* queues that EVENT_USED has named */
    bool config_changed;    /* EVENT_CONFIG has come */
    bool queues_changed;    /* and may concern a queue, too */
} QVirtioMsgDevice;

extern const QVirtioBus qvirtio_msg;

/**
 * qvirtio_msg_device_init: a driver for a device of a link
 * @dev: to be initialized, for qvirtio_msg_device_destroy()
 * @qts: the QEMU that has the device
 * @link: the link to it; stays the caller's and outlives @dev
 * @dev_num: number of a device that is there
 */
void qvirtio_msg_device_init(QVirtioMsgDevice *dev, QTestState *qts,
                             VMsgLink *link, uint16_t dev_num);

/**
 * qvirtio_msg_device_destroy: free what qvirtio_msg_device_init() allocated
 * @dev: the device, as which QEMU still has it
 */
void qvirtio_msg_device_destroy(QVirtioMsgDevice *dev);

#endif /* LIBQOS_VIRTIO_MSG_H */
