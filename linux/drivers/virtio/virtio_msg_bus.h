/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * virtio-msg: what a bus is to the transport
 *
 * A bus carries messages between this system and one device side.  It says how,
 * with struct virtio_msg_bus_ops; what all of them need stands behind the
 * functions here: requests and their answers, the list of devices, and what
 * becomes of these when the device side is silent, starts anew, or when this
 * system sleeps or ends.
 */
#ifndef _VIRTIO_MSG_BUS_H
#define _VIRTIO_MSG_BUS_H

#include <linux/atomic.h>
#include <linux/device.h>
#include <linux/hashtable.h>
#include <linux/hrtimer.h>
#include <linux/list.h>
#include <linux/spinlock.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>

#include "virtio_msg_wire.h"

/* How many answers to a PING can wait for room */
#define VIRTIO_MSG_BUS_PINGS	64

struct virtio_msg_bus;
struct virtio_msg_child;
struct virtio_msg_ring;

/**
 * struct virtio_msg_bus_ops - how messages travel
 * @attach: begin, or begin again after a sleep in which others may have used
 *	what carries the messages; those that it holds are dropped.  No other of
 *	these runs meanwhile.
 * @poll: look at what the device side has made of it.  Called before messages
 *	are taken.  With @failed it is known already to make no sense, and only
 *	the trace of a device side that has just started is worth a try.  Returns
 *	0 if it goes on as before; 1 if the device side has started anew, and it
 *	goes on from there; -EPROTO if it makes no sense; -ENOTCONN if the device
 *	side is not up, or not yet: then @put finds no room and @get no message
 *	before this returns 1.  Neither @put nor @get runs meanwhile.
 * @put: send a message of @size bytes, at most the max_size of the bus.  Returns
 *	0, -EAGAIN if there is no room, -EPROTO if that makes no sense.  One at a
 *	time; @kick follows soon.
 * @get: take a message, to @msg, which is 8-byte aligned and has room for the
 *	max_size of the bus, rounded up to 8.  @kick is set, never cleared, if
 *	the device side may have found no room, and waits to be called.  Returns
 *	the bytes that are in @msg, 0 if there is no message, -EPROTO if that
 *	makes no sense.  One at a time.
 * @room: could a message be put?  Returns 1 if so, 0 if not, -EPROTO if that
 *	makes no sense.  @put does not run meanwhile.
 * @all_read: has the device side taken all messages?  @put does not run
 *	meanwhile.
 * @unread: is there a message to take?  A hint, with anything at the same time.
 * @kick: call the device side.  What was put before is there when it comes.
 *
 * All of them are called in any context but NMI, most with a spinlock held.  A
 * bus whose messages are in a ring has most of them in virtio_msg_ring_bus.h.
 */
struct virtio_msg_bus_ops {
	void (*attach)(struct virtio_msg_bus *bus);
	int (*poll)(struct virtio_msg_bus *bus, bool failed);
	int (*put)(struct virtio_msg_bus *bus, const void *msg, size_t size);
	int (*get)(struct virtio_msg_bus *bus, void *msg, bool *kick);
	int (*room)(struct virtio_msg_bus *bus);
	bool (*all_read)(struct virtio_msg_bus *bus);
	bool (*unread)(struct virtio_msg_bus *bus);
	void (*kick)(struct virtio_msg_bus *bus);
};

/**
 * struct virtio_msg_bus_ping - a PING of the device side
 * @token: its token
 * @data: its data
 */
struct virtio_msg_bus_ping {
	__le16 token;
	__le32 data;
};

/**
 * struct virtio_msg_bus - one link to a device side
 * @dev: what the devices of the link are children of, and do DMA as
 * @ops: how its messages travel
 * @max_size: bytes that a message may have, at most VIRTIO_MSG_MAX_SIZE
 * @reach: where shared memory regions of the devices can be
 * @dropped: messages that made no sense or came too late
 * @restarts: how often the device side has started anew
 * @silences: how often it was given up because it did not answer
 * @failures: how often a device of it needed a reset
 *
 * The eight above are for the bus, which embeds this and sets the first four;
 * all the rest is private.
 *
 * @link: what is spoken on it
 * @tx_lock: held by whatever sends; protects @pending, @pings and @ask
 * @pending: struct virtio_msg_vq whose notification waits for room
 * @pings: those whose answer waits for room, a ring
 * @first_ping: the oldest of them
 * @num_pings: how many there are
 * @ask: a PING of ours waits for room
 * @room: where requests wait for room
 * @rx_lock: held by whatever receives, and while messages are handled; protects
 *	@received, @scans_left, @scans_at, @adding, and which devices leave
 * @adding: the device that is just being added, which @children may not have yet
 * @received: the message that is being handled
 * @scans_left: how many events may have a scan at once
 * @scans_at: when that was looked at last, in jiffies
 * @scanned: where to wait for the end of a scan
 * @requests_lock: protects @requests and @next_token, innermost
 * @requests: struct virtio_msg_request by token
 * @next_token: the one that was given out last
 * @children: struct virtio_msg_child by device number
 * @resting: struct virtio_msg_rest by device number
 * @flags: enum virtio_msg_bus_flags
 * @heard: jiffies when something sensible came last
 * @asked: the device side was asked whether it is there, and there was no answer
 *	so far
 * @asked_at: when, in jiffies
 * @progress: counts what devices have said to have completed
 * @old_progress: what that was when devices that leave were last looked after
 * @delays: how often they have been given more time
 * @retries: how many scans in a row were not all that they should have been
 * @slow: where work waits for drivers and for the device side
 * @urgent: where work is done that others wait for, without waiting for memory
 * @leavers: where devices leave, struct workqueue_struct by the upper bits of
 *	the device number
 * @scan: brings @children in line with what the device side has
 * @follow: has a scan for events that came in too fast
 * @rested: has another scan when the first of those that rest may come back
 * @breaking: gives all devices up when the link has failed or gone silent
 * @heartbeat: asks a device side that has been silent for a while
 * @beating: what the heartbeat does, on PREEMPT_RT
 * @hasten: removes devices that are given up while a scan waits for others
 * @hurry: gives devices up that take too long to leave
 * @flushing: looks for room while something waits for it
 */
struct virtio_msg_bus {
	struct device *dev;
	const struct virtio_msg_bus_ops *ops;
	u16 max_size;
	struct virtio_msg_reach reach;
	atomic_t dropped;
	atomic_t restarts;
	atomic_t silences;
	atomic_t failures;

	/* private: */
	struct virtio_msg_link link;
	/* innermost: sending, and what waits for room */
	spinlock_t tx_lock;
	struct list_head pending;
	struct virtio_msg_bus_ping pings[VIRTIO_MSG_BUS_PINGS];
	unsigned int first_ping;
	unsigned int num_pings;
	bool ask;
	wait_queue_head_t room;

	/* outermost: receiving, adding, leaving; for one message at a time */
	spinlock_t rx_lock;
	struct virtio_msg_child *adding;
	u64 received[VIRTIO_MSG_MAX_SIZE / 8];
	unsigned int scans_left;
	unsigned long scans_at;
	wait_queue_head_t scanned;

	/* innermost: requests, next_token */
	spinlock_t requests_lock;
	DECLARE_HASHTABLE(requests, 6);
	u16 next_token;
	struct xarray children;
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
 * virtio_msg_bus_init - attach to what carries the messages
 * @bus: zeroed but for @dev, @ops, @max_size and @reach
 *
 * Nothing is sent yet, and virtio_msg_bus_interrupt() may be called from now on.
 *
 * Return: 0 or -ENOMEM.  After success the caller ends with
 * virtio_msg_bus_exit().
 */
int virtio_msg_bus_init(struct virtio_msg_bus *bus);

/**
 * virtio_msg_bus_start - look for devices, now and whenever the device side calls
 * @bus: an initialized link
 *
 * Does not wait: there may be no device side yet.
 */
void virtio_msg_bus_start(struct virtio_msg_bus *bus);

/**
 * virtio_msg_bus_interrupt - the device side has called
 * @bus: an initialized link
 *
 * Handles a bounded number of messages.  Any context but NMI, concurrent calls
 * are fine.
 *
 * Return: true if there may be more to do: call again, from where others can
 * run in between.
 */
bool virtio_msg_bus_interrupt(struct virtio_msg_bus *bus);

/**
 * virtio_msg_bus_stop - remove all devices
 * @bus: a started link
 *
 * Resets each device.  Takes bounded time, also if nobody answers.  The
 * interrupt must still work on entry and may come until it is freed.  After
 * this none of the operations is called, but by virtio_msg_bus_interrupt().
 */
void virtio_msg_bus_stop(struct virtio_msg_bus *bus);

/**
 * virtio_msg_bus_exit - free what belongs to a link
 * @bus: an initialized link, stopped if it had been started, whose interrupt
 *	has been freed
 */
void virtio_msg_bus_exit(struct virtio_msg_bus *bus);

/**
 * virtio_msg_bus_hold - have no device come or go
 * @bus: a started link
 *
 * The first step towards a sleep of the system.  Waits for drivers that come
 * and go, for at most two timeouts.  May sleep.
 *
 * Return: 0, or -EBUSY, after a line in the log, if a driver takes longer; then
 * the link is not on hold.
 */
int virtio_msg_bus_hold(struct virtio_msg_bus *bus);

/**
 * virtio_msg_bus_freeze - put all devices to sleep
 * @bus: a link on hold
 *
 * After that nothing is sent by itself but resets of devices that are given up,
 * and nothing is read.  The interrupt may come.  May sleep.  There with
 * CONFIG_PM_SLEEP.
 *
 * Return: 0, or what a driver objects with; then those that slept already have
 * been woken up, as virtio_msg_bus_thaw() does it, and the others have gone on.
 */
int virtio_msg_bus_freeze(struct virtio_msg_bus *bus);

/**
 * virtio_msg_bus_thaw - wake all devices up
 * @bus: a link that virtio_msg_bus_freeze() has put to sleep
 *
 * The device side may have gone meanwhile, or have started anew, and another
 * system may have used the memory.  Waits less than two timeouts for an answer,
 * and for no other if nothing came at all; but each device that alone does not
 * answer is waited for that long.  May sleep.  There with CONFIG_PM_SLEEP.
 */
void virtio_msg_bus_thaw(struct virtio_msg_bus *bus);

/**
 * virtio_msg_bus_release - follow again what the device side has
 * @bus: a link on hold
 */
void virtio_msg_bus_release(struct virtio_msg_bus *bus);

/**
 * virtio_msg_bus_state - what is known of the device side
 * @bus: an initialized link
 *
 * Return: "up"; "silent" if it does not answer or never called; "failed" if
 * what carries the messages makes no sense.
 */
const char *virtio_msg_bus_state(const struct virtio_msg_bus *bus);

/**
 * virtio_msg_bus_wire - what the device side speaks
 * @bus: a link; may be zeroed still
 *
 * Return: the name of the wire, or "unknown".  D-07.
 */
const char *virtio_msg_bus_wire(const struct virtio_msg_bus *bus);

/**
 * virtio_msg_bus_known - has anything come from the device side, ever
 * @bus: an initialized link
 */
bool virtio_msg_bus_known(const struct virtio_msg_bus *bus);

/**
 * virtio_msg_bus_unread - has something come that nobody was called for
 * @bus: an initialized link
 *
 * Helps to find out why nothing is heard.  What is true may not be so any
 * longer when this returns.
 */
bool virtio_msg_bus_unread(struct virtio_msg_bus *bus);

/**
 * virtio_msg_bus_shutdown - keep the device side out of our memory
 * @bus: a started link
 *
 * For the end of the system: the device side runs on, and what comes after us
 * owns the memory that its devices write to.  Resets each device and removes
 * none.  May sleep.
 */
void virtio_msg_bus_shutdown(struct virtio_msg_bus *bus);

#endif /* _VIRTIO_MSG_BUS_H */
