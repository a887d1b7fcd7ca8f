/*
 * When a virtio-msg driver side can be told something that it did not ask for
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_VIRTIO_MSG_PACE_H
#define HW_VIRTIO_MSG_PACE_H

#include "qemu/timer.h"

/*
 * Drivers of 2025 have room for one bus message that is no answer, so that a
 * second one overwrites the first; and they misread an EVENT_DEVICE that
 * comes before they have begun to list the devices, or while they do.
 * For those, bus messages leave one by one, and EVENT_DEVICE waits for a good
 * moment.  Where nobody needs that, all of them can leave at any time.
 *
 * Everything here runs in the main loop with the BQL held.
 */

typedef struct VirtIOMSGPace {
    void (*ready)(void *opaque);
    void *opaque;
    QEMUTimer *timer;       /* NULL: nobody needs a pace */
    int64_t next;           /* ms of QEMU_CLOCK_REALTIME, not before then */
    int64_t listed;         /* likewise, when a list was last asked for */
    bool heard;             /* the driver side has said something */
    bool listing;           /* its last request was for a list of devices */
} VirtIOMSGPace;

/**
 * virtio_msg_pace_init: get ready to look after a link
 * @p: to be initialized
 * @paced: whether the driver side needs a pace
 * @ready: called, from a timer, when what was refused may be tried again
 * @opaque: its argument
 */
void virtio_msg_pace_init(VirtIOMSGPace *p, bool paced,
                          void (*ready)(void *opaque), void *opaque);

/**
 * virtio_msg_pace_cleanup: stop for good
 * @p: what virtio_msg_pace_init() initialized
 */
void virtio_msg_pace_cleanup(VirtIOMSGPace *p);

/**
 * virtio_msg_pace_restart: the link went up or down
 * @p: initialized
 *
 * Whoever is at the other end has said nothing so far.
 */
void virtio_msg_pace_restart(VirtIOMSGPace *p);

/**
 * virtio_msg_pace_heard: a message of the driver side came
 * @p: initialized
 * @request: whether it is one that has an answer
 *
 * An EVENT_DEVICE that was refused has to be tried again after this.
 */
void virtio_msg_pace_heard(VirtIOMSGPace *p, bool request);

/**
 * virtio_msg_pace_list: the driver side lists devices
 * @p: initialized
 *
 * There is more that it has to ask, which ends this.
 */
void virtio_msg_pace_list(VirtIOMSGPace *p);

/**
 * virtio_msg_pace_ping: whether a PING may be sent now
 * @p: initialized
 *
 * If it may, the caller sends it and calls virtio_msg_pace_sent().  If not,
 * @ready is called when it may be.
 */
bool virtio_msg_pace_ping(VirtIOMSGPace *p);

/**
 * virtio_msg_pace_event: whether an EVENT_DEVICE may be sent now
 * @p: initialized
 *
 * If it may, the caller sends it and calls virtio_msg_pace_sent().  If not, it
 * is tried again after virtio_msg_pace_heard() or when @ready is called.
 */
bool virtio_msg_pace_event(VirtIOMSGPace *p);

/**
 * virtio_msg_pace_sent: a PING or EVENT_DEVICE has left
 * @p: initialized
 */
void virtio_msg_pace_sent(VirtIOMSGPace *p);

#endif /* HW_VIRTIO_MSG_PACE_H */
