/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * virtio-msg: what a bus is to the transport
 *
 * A bus carries messages between this system and one device side.  It says how,
 * with struct virtio_msg_bus_ops; what all of them need stands behind the
 * functions here: requests and their answers, the list of devices, and what
 * becomes of these when the device side is silent, starts anew, or when this
 * system sleeps or ends.
 *
 * The driver of a bus, in its probe, calls devm_virtio_msg_bus_init(), requests
 * its interrupts with virtio_msg_bus_irq() and virtio_msg_bus_irq_thread(), and
 * calls virtio_msg_bus_start(); its remove calls virtio_msg_bus_stop(), its
 * shutdown virtio_msg_bus_shutdown().  It has virtio_msg_bus_groups and
 * virtio_msg_bus_pm_ops.
 */
#ifndef _VIRTIO_MSG_BUS_H
#define _VIRTIO_MSG_BUS_H

#include <linux/atomic.h>
#include <linux/device.h>
#include <linux/hashtable.h>
#include <linux/hrtimer.h>
#include <linux/irqreturn.h>
#include <linux/list.h>
#include <linux/spinlock.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>

#include "virtio_msg_wire.h"

/* How many answers to a PING can wait for room */
#define VIRTIO_MSG_BUS_PINGS	64

struct attribute_group;
struct dev_pm_ops;
struct virtio_msg_bus;
struct virtio_msg_child;

/**
 * struct virtio_msg_bus_ops - how messages travel, and if there is a device side
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
 * @kick: call the device side.  What was put before is there when it comes.
 *
 * The seven above are called in any context but NMI, most with a spinlock held,
 * and only once there is a device side.  A bus whose messages are in a ring has
 * most of them in virtio_msg_ring_bus.h.
 *
 * @find: is there a device side?  Called at the start, soon after an interrupt,
 *	and each second until it is true; from then on the link is in use.  The
 *	max_size and the reach of the bus are set then.
 * @announce: let the device side know of us; called when the link is in use, and
 *	after each sleep.  Optional.
 * @retire: the device side is to know nothing of us any longer.  Optional.
 * @look: called soon after virtio_msg_bus_watch(), and each second until
 *	something has come, once the link is in use.  Optional.
 * @tell_quiet: say in the log what may be wrong: nothing has come for so many
 *	seconds, or with 0, there is no device side so far.  Called once at most.
 *	Optional.
 * @wake: called after each sleep, before any other.  Optional.
 *
 * These may sleep, and none of them runs while another one does.
 */
struct virtio_msg_bus_ops {
	void (*attach)(struct virtio_msg_bus *bus);
	int (*poll)(struct virtio_msg_bus *bus, bool failed);
	int (*put)(struct virtio_msg_bus *bus, const void *msg, size_t size);
	int (*get)(struct virtio_msg_bus *bus, void *msg, bool *kick);
	int (*room)(struct virtio_msg_bus *bus);
	bool (*all_read)(struct virtio_msg_bus *bus);
	void (*kick)(struct virtio_msg_bus *bus);

	bool (*find)(struct virtio_msg_bus *bus);
	void (*announce)(struct virtio_msg_bus *bus);
	void (*retire)(struct virtio_msg_bus *bus);
	void (*look)(struct virtio_msg_bus *bus);
	void (*tell_quiet)(struct virtio_msg_bus *bus, unsigned int seconds);
	void (*wake)(struct virtio_msg_bus *bus);
};

/**
 * enum virtio_msg_life - what this side does with a link
 * @VIRTIO_MSG_WAITING: there is no device side so far
 * @VIRTIO_MSG_RUNNING: devices come and go
 * @VIRTIO_MSG_HELD: they do not, for now
 * @VIRTIO_MSG_ASLEEP: nor is anything received
 * @VIRTIO_MSG_STOPPING: devices go, and none comes
 * @VIRTIO_MSG_STOPPED: nothing is sent or received any more
 */
enum virtio_msg_life {
	VIRTIO_MSG_WAITING,
	VIRTIO_MSG_RUNNING,
	VIRTIO_MSG_HELD,
	VIRTIO_MSG_ASLEEP,
	VIRTIO_MSG_STOPPING,
	VIRTIO_MSG_STOPPED,
};

/**
 * enum virtio_msg_hearing - what the device side has made of a link
 * @VIRTIO_MSG_UNHEARD: nothing has come so far
 * @VIRTIO_MSG_HEARD: something has
 * @VIRTIO_MSG_SILENT: a request got no answer, and nothing else came meanwhile
 * @VIRTIO_MSG_FAILED: what carries the messages makes no sense, until the device
 *	side starts it anew
 */
enum virtio_msg_hearing {
	VIRTIO_MSG_UNHEARD,
	VIRTIO_MSG_HEARD,
	VIRTIO_MSG_SILENT,
	VIRTIO_MSG_FAILED,
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
 * @dev: what the link has its attributes in sysfs on, and its lines in the log
 * @dma_dev: what the devices of the link are children of, and do DMA as, or NULL
 *	if that is @dev
 * @ops: how its messages travel
 * @max_size: bytes that a message may have, at most VIRTIO_MSG_MAX_SIZE
 * @reach: where shared memory regions of the devices can be
 * @dropped: messages that made no sense or came too late
 * @restarts: how often the device side has started anew
 * @silences: how often it was given up because it did not answer
 * @failures: how often a device of it needed a reset
 *
 * The first five are for the bus, which embeds this and sets them; the next four
 * are in sysfs, and all the rest is private.
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
 *	@received, @scans_left, @scans_at, @adding, which devices leave, and
 *	changes of @life and @scanning
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
 * @life: what this side does with the link
 * @hearing: what the device side has made of it
 * @known: something has come, ever
 * @scanning: a scan is under way, and may be waiting for a driver's probe
 * @news: enum virtio_msg_news, what is to be said in the log
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
 * @watch: waits for the device side and for its first message
 * @since: jiffies when the waiting began
 * @paused: @watch is to do nothing
 * @told_quiet: the log says that nothing comes
 */
struct virtio_msg_bus {
	struct device *dev;
	struct device *dma_dev;
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
	enum virtio_msg_life life;
	enum virtio_msg_hearing hearing;
	bool known;
	bool scanning;
	unsigned long news;
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

	struct delayed_work watch;
	unsigned long since;
	bool paused;
	bool told_quiet;
};

/* What a bus driver has as its dev_groups; the driver's data is the bus */
extern const struct attribute_group *virtio_msg_bus_groups[];

/* And as its pm; there with CONFIG_PM_SLEEP, so say pm_sleep_ptr() */
extern const struct dev_pm_ops virtio_msg_bus_pm_ops;

/**
 * virtio_msg_bus_init - make a link that is not in use yet
 * @bus: zeroed but for @dev and @ops, and maybe @dma_dev, @max_size and @reach
 *
 * None of the operations is called yet.  From now on virtio_msg_bus_irq() may
 * be.
 *
 * Return: 0 or -ENOMEM.  After success the caller ends with
 * virtio_msg_bus_exit().
 */
int virtio_msg_bus_init(struct virtio_msg_bus *bus);

/**
 * virtio_msg_bus_exit - free what belongs to a link
 * @bus: an initialized link, stopped if it had been started, whose interrupt
 *	has been freed
 */
void virtio_msg_bus_exit(struct virtio_msg_bus *bus);

/**
 * devm_virtio_msg_bus_init - the same, until the driver of the device goes
 * @bus: zeroed but for @dev, whose driver's data it becomes, and @ops
 *
 * To be called before the interrupt is requested, by devm_ functions as well.
 *
 * Return: 0 or -ENOMEM.
 */
int devm_virtio_msg_bus_init(struct virtio_msg_bus *bus);

/**
 * virtio_msg_bus_start - use the link as soon as there is a device side
 * @bus: an initialized link
 *
 * Looks for devices then, and whenever the device side calls.  Does not wait for
 * either.
 *
 * Return: true if there is a device side already.
 */
bool virtio_msg_bus_start(struct virtio_msg_bus *bus);

/**
 * virtio_msg_bus_watch - have the operation look() be called
 * @bus: an initialized link
 *
 * Any context.
 */
void virtio_msg_bus_watch(struct virtio_msg_bus *bus);

/**
 * virtio_msg_bus_irq - the device side has called
 * @irq: not looked at
 * @data: the bus, an initialized link
 *
 * The handler of an interrupt that virtio_msg_bus_irq_thread() is the thread of.
 * Any context but NMI, concurrent calls are fine.
 *
 * Return: IRQ_HANDLED, or IRQ_WAKE_THREAD if there may be more to do.
 */
irqreturn_t virtio_msg_bus_irq(int irq, void *data);

/**
 * virtio_msg_bus_irq_thread - take what a call of the device side has left
 * @irq: not looked at
 * @data: the bus, a link that virtio_msg_bus_irq() has said there is more of
 *
 * May sleep.
 *
 * Return: IRQ_HANDLED.
 */
irqreturn_t virtio_msg_bus_irq_thread(int irq, void *data);

/**
 * virtio_msg_bus_stop - remove all devices
 * @bus: a started link
 *
 * Resets each device.  Takes bounded time, also if nobody answers.  The
 * interrupt must still work on entry and may come until it is freed.  After
 * this none of the operations is called.  May sleep.
 */
void virtio_msg_bus_stop(struct virtio_msg_bus *bus);

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
