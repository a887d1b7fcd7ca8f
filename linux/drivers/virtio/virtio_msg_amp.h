/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * virtio-msg AMP bus: messages in memory shared with another system
 */
#ifndef _VIRTIO_MSG_AMP_H
#define _VIRTIO_MSG_AMP_H

#include <linux/atomic.h>
#include <linux/device.h>
#include <linux/list.h>
#include <linux/spinlock.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>

#include "virtio_msg_spsc.h"

struct virtio_msg_amp;

/**
 * struct virtio_msg_amp_ops - what a driver of a piece of hardware does
 * @ring: make the peer look at the queues.  What was written to shared memory
 *	before is visible to the peer when it is interrupted.  Any context.
 */
struct virtio_msg_amp_ops {
	void (*ring)(struct virtio_msg_amp *amp);
};

/**
 * struct virtio_msg_amp - one link to a device side
 * @dev: what the devices of the link are children of, and do DMA as
 * @ops: the hardware
 * @dropped: messages that made no sense or came too late
 *
 * The three above are for the hardware's driver, which embeds this and sets
 * @dev and @ops; all the rest is private.
 *
 * @tx_lock: protects @tx, @pending and the @ping members
 * @tx: the driver queue
 * @pending: struct virtio_msg_vq whose notification waits for room
 * @ping_waits: an answer to a PING waits for room
 * @ping_token: its token
 * @ping: its data
 * @room: where requests wait for room
 * @rx_lock: protects @rx and @received; held while messages are handled
 * @rx: the device queue
 * @received: the message that is being handled
 * @requests: struct amp_request by token
 * @next_token: where to look for a free one
 * @devices: struct amp_device by device number
 * @flags: enum amp_flags
 * @heard: jiffies when something sensible came last
 * @scan: brings @devices in line with what the device side has
 * @breaking: gives all devices up when the link is beyond repair
 * @flushing: looks for room while something waits for it
 */
struct virtio_msg_amp {
	struct device *dev;
	const struct virtio_msg_amp_ops *ops;
	atomic_t dropped;

	/* private: */
	/* innermost: tx and what waits for room in it */
	spinlock_t tx_lock;
	struct virtio_msg_spsc tx;
	struct list_head pending;
	bool ping_waits;
	__le16 ping_token;
	__le32 ping;
	wait_queue_head_t room;

	/* outermost: rx and received; one message is handled at a time */
	spinlock_t rx_lock;
	struct virtio_msg_spsc rx;
	u64 received[VIRTIO_MSG_SPSC_SLOT_SIZE / 8];

	struct xarray requests;
	u32 next_token;
	struct xarray devices;
	unsigned long flags;
	unsigned long heard;
	struct work_struct scan;
	struct work_struct breaking;
	struct delayed_work flushing;
};

/**
 * virtio_msg_amp_init - attach to the shared memory
 * @amp: zeroed but for @dev and @ops
 * @driver_queue: the page that we write, VIRTIO_MSG_SPSC_PAGE_SIZE bytes
 * @device_queue: the page that the device side writes
 *
 * Drops what the device queue holds.  Nothing is sent yet, and
 * virtio_msg_amp_interrupt() may be called from now on.
 *
 * Return: 0, or -EOPNOTSUPP, after a line in the log, if the memory holds
 * another layout.
 */
int virtio_msg_amp_init(struct virtio_msg_amp *amp, void *driver_queue,
			void *device_queue);

/**
 * virtio_msg_amp_start - look for devices, now and whenever the peer calls
 * @amp: an initialized link
 *
 * Does not wait: there may be no device side yet.
 */
void virtio_msg_amp_start(struct virtio_msg_amp *amp);

/**
 * virtio_msg_amp_interrupt - the peer has rung
 * @amp: an initialized link
 *
 * Handles a bounded number of messages.  Any context but NMI, concurrent calls
 * are fine.
 *
 * Return: true if there may be more to do: call again, from where others can
 * run in between.
 */
bool virtio_msg_amp_interrupt(struct virtio_msg_amp *amp);

/**
 * virtio_msg_amp_stop - remove all devices
 * @amp: a started link
 *
 * Resets each device.  Takes bounded time, also if nobody answers.  The
 * interrupt must still work on entry and may come until it is freed.  After
 * this the shared memory is only accessed by virtio_msg_amp_interrupt().
 */
void virtio_msg_amp_stop(struct virtio_msg_amp *amp);

/**
 * virtio_msg_amp_shutdown - keep the device side out of our memory
 * @amp: a started link
 *
 * For the end of the system: the device side runs on, and what comes after us
 * owns the memory that its devices write to.  Resets each device and removes
 * none.  May sleep.
 */
void virtio_msg_amp_shutdown(struct virtio_msg_amp *amp);

#endif /* _VIRTIO_MSG_AMP_H */
