/*
 * Whether the driver side of a virtio-msg link is still there
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_VIRTIO_MSG_LIVENESS_H
#define HW_VIRTIO_MSG_LIVENESS_H

#include "qemu/timer.h"
#include "hw/virtio/virtio-msg-bus.h"
#include "standard-headers/linux/virtio_msg.h"

/*
 * While devices are in use, a driver side that was not heard of for one
 * interval is sent a PING (B-02).  If nothing at all comes for three more, the
 * link is silent, until something does.
 *
 * Nothing is done for each message: the timer looks whether counters moved.
 *
 * Everything here runs in the main loop with the BQL held.
 */

typedef enum VirtIOMSGPingResult {
    VIRTIO_MSG_PING_SENT,
    /* the peer wants none yet; virtio_msg_liveness_flush() tries again */
    VIRTIO_MSG_PING_LATER,
    /* there is no room for it in the queue */
    VIRTIO_MSG_PING_NO_ROOM,
} VirtIOMSGPingResult;

/* What the transport does for it */
typedef struct VirtIOMSGLivenessOps {
    /* Send a PING, in wire order, complete */
    VirtIOMSGPingResult (*ping)(void *opaque, const struct virtio_msg *ping);

    /* Returns a count of messages and doorbells that came, of any kind */
    uint64_t (*heard)(void *opaque);

    /* Returns true if a driver uses any device */
    bool (*in_use)(void *opaque);

    /* The peer does not answer any more; the link is shown as silent */
    void (*silent)(void *opaque);
} VirtIOMSGLivenessOps;

typedef struct VirtIOMSGLiveness {
    VirtIOMSGBus *link;
    const VirtIOMSGLivenessOps *ops;
    void *opaque;
    QEMUTimer *timer;           /* NULL: nobody asked for it */
    uint32_t interval;          /* ms */
    uint64_t heard;             /* what there was at the last look */
    unsigned missed;            /* intervals without any since a PING */
    bool unsent;                /* the PING waits for room in the queue */
    bool awaited;               /* its answer has not come */
    uint16_t token;             /* of the PING */
    uint32_t data;
} VirtIOMSGLiveness;

/**
 * virtio_msg_liveness_init: get ready to watch a link
 * @l: to be initialized
 * @link: the link; has to outlive @l
 * @ops: what the transport does for it, static
 * @opaque: the first argument of all of them
 * @interval: milliseconds, 0 to watch nothing
 */
void virtio_msg_liveness_init(VirtIOMSGLiveness *l, VirtIOMSGBus *link,
                              const VirtIOMSGLivenessOps *ops, void *opaque,
                              uint32_t interval);

/**
 * virtio_msg_liveness_cleanup: stop for good
 * @l: what virtio_msg_liveness_init() initialized
 */
void virtio_msg_liveness_cleanup(VirtIOMSGLiveness *l);

/**
 * virtio_msg_liveness_set_up: the link went up or down
 * @l: initialized
 * @up: true to start afresh, false to stop
 */
void virtio_msg_liveness_set_up(VirtIOMSGLiveness *l, bool up);

/**
 * virtio_msg_liveness_ask: send a PING, as soon as it can leave
 * @l: initialized, of a link that is up
 *
 * For a driver side that is to learn that there is a device side.
 */
void virtio_msg_liveness_ask(VirtIOMSGLiveness *l);

/**
 * virtio_msg_liveness_flush: send the PING that waits, if there is one
 * @l: initialized
 *
 * Returns false if there is still no room for it in the queue.
 */
bool virtio_msg_liveness_flush(VirtIOMSGLiveness *l);

/**
 * virtio_msg_liveness_answer: take a response
 * @l: initialized
 * @msg: a response whose msg_size has been checked, in wire order
 *
 * Returns true if it is the answer to our PING, false if nobody asked for it.
 */
bool virtio_msg_liveness_answer(VirtIOMSGLiveness *l,
                                const struct virtio_msg *msg);

#endif /* HW_VIRTIO_MSG_LIVENESS_H */
