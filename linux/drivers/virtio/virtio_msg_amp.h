/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * virtio-msg AMP bus: messages in memory shared with another system
 */
#ifndef _VIRTIO_MSG_AMP_H
#define _VIRTIO_MSG_AMP_H

#include <linux/atomic.h>
#include <linux/device.h>
#include <linux/hashtable.h>
#include <linux/hrtimer.h>
#include <linux/list.h>
#include <linux/spinlock.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>

#include "virtio_msg_ring.h"
#include "virtio_msg_wire.h"

/* How many answers to a PING can wait for room */
#define VIRTIO_MSG_AMP_PINGS	64

struct amp_device;
struct virtio_msg_amp;

/**
 * struct virtio_msg_amp_ping - a PING of the device side
 * @token: its token
 * @data: its data
 */
struct virtio_msg_amp_ping {
	__le16 token;
	__le32 data;
};

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
 * @reach: where shared memory regions of the devices can be
 * @dropped: messages that made no sense or came too late
 * @restarts: how often the device side has started anew
 * @silences: how often it was given up because it did not answer
 * @failures: how often a device of it needed a reset
 *
 * The seven above are for the hardware's driver, which embeds this and sets
 * @dev, @ops and @reach; all the rest is private.
 *
 * @link: what is spoken on it
 * @ring: what carries its messages; @tx_lock is that for sending, @rx_lock that
 *	for receiving
 * @tx_lock: protects @pending, @pings and @ask
 * @pending: struct virtio_msg_vq whose notification waits for room
 * @pings: those whose answer waits for room, a ring
 * @first_ping: the oldest of them
 * @num_pings: how many there are
 * @ask: a PING of ours waits for room
 * @room: where requests wait for room
 * @rx_lock: protects @received, @scans_left, @scans_at, @adding, and which
 *	devices leave; held while messages are handled
 * @adding: the device that is just being added, which @devices may not have yet
 * @received: the message that is being handled
 * @scans_left: how many events may have a scan at once
 * @scans_at: when that was looked at last, in jiffies
 * @scanned: where to wait for the end of a scan
 * @requests_lock: protects @requests and @next_token, innermost
 * @requests: struct amp_request by token
 * @next_token: the one that was given out last
 * @devices: struct amp_device by device number
 * @resting: struct amp_rest by device number
 * @flags: enum amp_flags
 * @heard: jiffies when something sensible came last
 * @progress: counts what devices have said to have completed
 * @old_progress: what that was when devices that leave were last looked after
 * @delays: how often they have been given more time
 * @retries: how many scans in a row were not all that they should have been
 * @slow: where work waits for drivers and for the device side
 * @urgent: where work is done that others wait for, without waiting for memory
 * @leavers: where devices leave, struct workqueue_struct by the upper bits of
 *	the device number
 * @scan: brings @devices in line with what the device side has
 * @follow: has a scan for events that came in too fast
 * @rested: has another scan when the first of those that rest may come back
 * @breaking: gives all devices up when the link has failed or gone silent
 * @asked: the device side was asked whether it is there, and there was no answer
 *	so far
 * @asked_at: when, in jiffies
 * @heartbeat: asks a device side that has been silent for a while
 * @beating: what the heartbeat does, on PREEMPT_RT
 * @hasten: removes devices that are given up while a scan waits for others
 * @hurry: gives devices up that take too long to leave
 * @flushing: looks for room while something waits for it
 */
struct virtio_msg_amp {
	struct device *dev;
	const struct virtio_msg_amp_ops *ops;
	struct virtio_msg_reach reach;
	atomic_t dropped;
	atomic_t restarts;
	atomic_t silences;
	atomic_t failures;

	/* private: */
	struct virtio_msg_link link;
	struct virtio_msg_ring ring;
	/* innermost: sending, and what waits for room */
	spinlock_t tx_lock;
	struct list_head pending;
	struct virtio_msg_amp_ping pings[VIRTIO_MSG_AMP_PINGS];
	unsigned int first_ping;
	unsigned int num_pings;
	bool ask;
	wait_queue_head_t room;

	/* outermost: receiving, adding, leaving; for one message at a time */
	spinlock_t rx_lock;
	struct amp_device *adding;
	u64 received[VIRTIO_MSG_MAX_SIZE / 8];
	unsigned int scans_left;
	unsigned long scans_at;
	wait_queue_head_t scanned;

	/* innermost: requests, next_token */
	spinlock_t requests_lock;
	DECLARE_HASHTABLE(requests, 6);
	u16 next_token;
	struct xarray devices;
	struct xarray resting;
	unsigned long flags;
	unsigned long heard;
	bool asked;
	unsigned long asked_at;
	unsigned int progress;
	unsigned int old_progress;
	unsigned int delays;
	unsigned int retries;
	struct workqueue_struct *slow;
	struct workqueue_struct *urgent;
	struct xarray leavers;
	struct delayed_work scan;
	struct delayed_work follow;
	struct delayed_work rested;
	struct work_struct breaking;
	struct hrtimer heartbeat;
	struct work_struct beating;
	struct delayed_work hasten;
	struct delayed_work hurry;
	struct delayed_work flushing;
};

/**
 * virtio_msg_amp_init - attach to the shared memory
 * @amp: zeroed but for @dev, @ops and @reach
 * @driver_queue: the page that we write, VIRTIO_MSG_RING_SPSC_PAGE bytes
 * @device_queue: the page that the device side writes
 *
 * Drops what the device queue holds.  Nothing is sent yet, and
 * virtio_msg_amp_interrupt() may be called from now on.
 *
 * Return: 0; -EOPNOTSUPP, after a line in the log, if the memory holds another
 * layout; -ENOMEM.  After success the caller ends with virtio_msg_amp_exit().
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
 * virtio_msg_amp_exit - free what belongs to a link
 * @amp: an initialized link, stopped if it had been started, whose interrupt
 *	has been freed
 */
void virtio_msg_amp_exit(struct virtio_msg_amp *amp);

/**
 * virtio_msg_amp_hold - have no device come or go
 * @amp: a started link
 *
 * The first step towards a sleep of the system.  Waits for drivers that come
 * and go, for at most two timeouts.  May sleep.
 *
 * Return: 0, or -EBUSY, after a line in the log, if a driver takes longer; then
 * the link is not on hold.
 */
int virtio_msg_amp_hold(struct virtio_msg_amp *amp);

/**
 * virtio_msg_amp_freeze - put all devices to sleep
 * @amp: a link on hold
 *
 * After that nothing is sent by itself but resets of devices that are given up,
 * and nothing is read.  The interrupt may come.  May sleep.  There with
 * CONFIG_PM_SLEEP.
 *
 * Return: 0, or what a driver objects with; then those that slept already have
 * been woken up, as virtio_msg_amp_thaw() does it, and the others have gone on.
 */
int virtio_msg_amp_freeze(struct virtio_msg_amp *amp);

/**
 * virtio_msg_amp_thaw - wake all devices up
 * @amp: a link that virtio_msg_amp_freeze() has put to sleep
 *
 * The device side may have gone meanwhile, or have started anew, and another
 * system may have used the memory.  Waits less than two timeouts for an answer,
 * and for no other if nothing came at all; but each device that alone does not
 * answer is waited for that long.  May sleep.  There with CONFIG_PM_SLEEP.
 */
void virtio_msg_amp_thaw(struct virtio_msg_amp *amp);

/**
 * virtio_msg_amp_release - follow again what the device side has
 * @amp: a link on hold
 */
void virtio_msg_amp_release(struct virtio_msg_amp *amp);

/**
 * virtio_msg_amp_state - what is known of the device side
 * @amp: an initialized link
 *
 * Return: "up"; "silent" if it does not answer or never called; "failed" if the
 * shared memory makes no sense.
 */
const char *virtio_msg_amp_state(const struct virtio_msg_amp *amp);

/**
 * virtio_msg_amp_wire - what the device side speaks
 * @amp: a link; may be zeroed still
 *
 * Return: the name of the wire, or "unknown".  D-07.
 */
const char *virtio_msg_amp_wire(const struct virtio_msg_amp *amp);

/**
 * virtio_msg_amp_known - has anything come from the device side, ever
 * @amp: an initialized link
 */
bool virtio_msg_amp_known(const struct virtio_msg_amp *amp);

/**
 * virtio_msg_amp_unread - has something come that nobody was called for
 * @amp: an initialized link
 *
 * Helps to find out why nothing is heard.  What is true may not be so any
 * longer when this returns.
 */
bool virtio_msg_amp_unread(struct virtio_msg_amp *amp);

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
