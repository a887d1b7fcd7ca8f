/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * virtio-msg: what is outstanding in a queue, and how to bring it to an end
 *
 * A driver waits, some for ever, for the requests that it has put into a
 * queue, and only the device side completes them.  When that one is gone, the
 * transport completes them in its place, as failed.
 */
#ifndef _VIRTIO_MSG_DRAIN_H
#define _VIRTIO_MSG_DRAIN_H

#include <linux/types.h>

struct device;
struct virtio_msg_device;
struct virtio_msg_track;
struct virtio_msg_vq;
struct virtqueue;

/**
 * virtio_msg_drain_refuses - why a device's requests cannot be failed
 * @dev: what does the DMA
 *
 * To fail one is to write to what the device would have written to, which has
 * to be found from its DMA address, and to be seen by the driver as if the device
 * had written it.
 *
 * Return: NULL if they can be failed, else what stands in the way, for the log;
 * the same each time.
 */
const char *virtio_msg_drain_refuses(struct device *dev);

/**
 * virtio_msg_track_new - begin to follow a queue
 * @vq: a split queue with a callback, empty so far
 *
 * May sleep.
 *
 * Return: what virtio_msg_track_free() frees, or NULL if memory is short.
 */
struct virtio_msg_track *virtio_msg_track_new(struct virtqueue *vq);

/**
 * virtio_msg_track_free - stop following a queue
 * @track: what virtio_msg_track_new() returned, or NULL
 */
void virtio_msg_track_free(struct virtio_msg_track *track);

/**
 * virtio_msg_track - see what was put into a queue and what came back
 * @track: of the queue, or NULL if that one is not followed
 *
 * To be called often enough that the rings do not turn round in between:
 * before each callback of the queue and for each notification.  Any context.
 */
void virtio_msg_track(struct virtio_msg_track *track);

/**
 * virtio_msg_withdraw - let the queues promise a driver nothing
 * @vmdev: a device whose queues are broken
 *
 * While a used ring promises something, virtio_net tries to get it, with
 * softirqs off, and a queue that is broken gives nothing.  To be called as soon
 * as the queues are broken, without a softirq in between.  Takes the device's
 * lock.
 */
void virtio_msg_withdraw(struct virtio_msg_device *vmdev);

/**
 * virtio_msg_drain - complete what is outstanding in a device's queues as failed
 * @vmdev: a device whose queues are broken
 *
 * The device side must not use the queues any more, as far as can be told.
 * What the drivers wait for ends with an error; the queues stay broken.  A driver
 * that had found one of them sound before it was broken may put something there
 * yet: call again, some time later.  Takes the device's lock and calls the
 * callbacks of the queues.  Not twice at the same time for a device.  May sleep,
 * for some seconds at most, and needs no memory.
 *
 * Return: true unless no driver has the device running; then nothing was done.
 */
bool virtio_msg_drain(struct virtio_msg_device *vmdev);

/**
 * virtio_msg_disarm - leave nothing in the queues for a device to follow
 * @vmdev: a device that did not answer its reset, and whose driver takes back
 *	what is in the queues
 *
 * May sleep.
 */
void virtio_msg_disarm(struct virtio_msg_device *vmdev);

#endif /* _VIRTIO_MSG_DRAIN_H */
