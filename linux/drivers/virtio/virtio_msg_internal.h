/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * virtio-msg: between the transport and the buses that carry its messages
 */
#ifndef _VIRTIO_MSG_INTERNAL_H
#define _VIRTIO_MSG_INTERNAL_H

#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/spinlock.h>
#include <linux/virtio.h>
#include <linux/virtio_msg.h>
#include <linux/workqueue.h>

#include "virtio_msg_wire.h"

/* The virtio specification's largest split queue */
#define VIRTIO_MSG_MAX_QUEUE_SIZE	32768

/* So much of a device's configuration its driver may read when it wakes up. */
#define VIRTIO_MSG_KEPT_CONFIG		96

struct virtio_msg_device;
struct virtio_msg_track;

/**
 * struct virtio_msg_vq - one virtqueue of a device
 * @vq: the queue; its priv points back here
 * @node: in the device's list of queues
 * @pending: for the bus, while a notification of this queue waits for room;
 *	empty otherwise
 * @next_offset: for the bus, what the waiting notification is to say
 * @early: the driver has notified of the queue before the device was @ready
 * @early_offset: what that notification is to say
 * @track: what is outstanding in the queue, or NULL where nobody asks
 * @draining: what is outstanding is being failed, and the queue is not broken so
 *	that the driver can take it
 */
struct virtio_msg_vq {
	struct virtqueue *vq;
	struct list_head node;
	struct list_head pending;
	u32 next_offset;
	bool early;
	u32 early_offset;
	struct virtio_msg_track *track;
	bool draining;
};

/**
 * struct virtio_msg_ops - what a bus does for the transport
 * @transfer: send @request and wait for its answer.  The header is complete
 *	but for the token.  @response is zeroed by the caller; on success it
 *	holds a header, whose msg_size lies between the header's size and what
 *	@response has room for, and that many bytes.  Returns in bounded time:
 *	0 or a negative error, -EHOSTDOWN if the device side was found to be silent
 *	before, -ENODEV if it has said that the device is gone.  May sleep.
 * @post: like @transfer, but does not wait, neither for room nor for the answer,
 *	and may fail unnoticed
 * @notify: send EVENT_AVAIL for @mvq now or as soon as there is room; several
 *	that wait become one.  @next_offset is in CPU order.  Any context, never
 *	sleeps.  Returns false if the link is beyond repair.
 * @cancel_notify: forget a waiting notification of @mvq.  Any context.
 * @given_up: the device's queues are broken, and what was outstanding has been
 *	failed.  May sleep, but not wait for the device to be unregistered.
 * @release: free the device; nobody has a reference to it any longer.
 */
struct virtio_msg_ops {
	int (*transfer)(struct virtio_msg_device *vmdev,
			struct virtio_msg *request,
			struct virtio_msg *response);
	void (*post)(struct virtio_msg_device *vmdev,
		     struct virtio_msg *request);
	bool (*notify)(struct virtio_msg_device *vmdev,
		       struct virtio_msg_vq *mvq, u32 next_offset);
	void (*cancel_notify)(struct virtio_msg_device *vmdev,
			      struct virtio_msg_vq *mvq);
	void (*given_up)(struct virtio_msg_device *vmdev);
	void (*release)(struct virtio_msg_device *vmdev);
};

/**
 * struct virtio_msg_device - a virtio device behind messages
 * @vdev: what the virtio core sees
 * @ops: the bus; set by it before virtio_msg_register()
 * @link: what the link speaks; set by it, likewise
 * @dev_num: the device number on the bus; likewise
 * @wq: where work of the device is done; not held up by what waits for that
 *	work, nor for memory; likewise
 * @wire: what the device's messages look like.  D-07.
 * @max_msg_size: bytes, header included, that a message to or from it may have
 * @num_feature_blocks: blocks of 32 feature bits that the core can take
 * @config_size: bytes of the device's configuration
 * @max_vqs: number of virtqueues of the device
 * @config_lock: one access to the configuration at a time, so that @generation
 *	never goes back
 * @generation: of the configuration, from the last answer
 * @reported_generation: what the core was told last
 * @generation_changes: how often in a row that was something new
 * @status: the status that the device showed in its last answer, without bits
 *	that nobody has set
 * @status_set: the status that we asked for last
 * @ready: the device has been told DRIVER_OK, and may hear of its queues
 * @failed: the device said that it needs a reset, and got none since
 * @tell_failed: the log does not say so yet
 * @broken: no message is sent to this device any more, but for its reset
 * @may_answer: given up as it was, it may still answer a reset, if asked
 * @frozen: its driver sleeps
 * @absent: its driver is being woken up without it
 * @kept_config: the beginning of its configuration, from before the sleep
 * @lock: protects @vqs, @drain and @drains, and held while a queue's callback
 *	runs
 * @vqs: list of struct virtio_msg_vq
 * @drain: what is outstanding is to be failed, until the next reset
 * @told_left: the log says that not all of it could be
 * @drains: how often that was done, up to a limit
 * @break_work: tells the virtio core and the drivers that the device is broken
 * @drain_work: fails what is outstanding, again and again
 */
struct virtio_msg_device {
	struct virtio_device vdev;
	const struct virtio_msg_ops *ops;
	struct virtio_msg_link *link;
	u16 dev_num;
	struct workqueue_struct *wq;

	const struct virtio_msg_wire *wire;
	u16 max_msg_size;
	u32 num_feature_blocks;
	u32 config_size;
	u32 max_vqs;
	/* generation */
	struct mutex config_lock;
	u32 generation;
	u32 reported_generation;
	unsigned int generation_changes;
	u8 status;
	u8 status_set;
	bool ready;
	bool failed;
	bool tell_failed;
	bool broken;
	bool may_answer;
	bool frozen;
	bool absent;
	u8 kept_config[VIRTIO_MSG_KEPT_CONFIG];

	/* vqs; a queue on that list is not deleted meanwhile */
	spinlock_t lock;
	struct list_head vqs;
	bool drain;
	bool told_left;
	unsigned int drains;
	struct work_struct break_work;
	struct delayed_work drain_work;
};

/**
 * virtio_msg_init - find out what a device is
 * @vmdev: zeroed but for ops, link, dev_num, wq and vdev.dev.parent
 *
 * Sends GET_DEVICE_INFO, whose answer tells the wire.  From then on
 * virtio_msg_event() may be called.  May sleep.  D-01, D-07.
 *
 * Return: 0, or a negative error, -ENODEV where there is no such device,
 * -EPROTONOSUPPORT where the device side speaks another wire; then there is
 * nothing to undo.
 */
int virtio_msg_init(struct virtio_msg_device *vmdev);

/**
 * virtio_msg_register - hand a device to the virtio core
 * @vmdev: an initialized device
 *
 * Drivers probe, and so need events, before this returns.  May sleep.
 *
 * Return: 0 or a negative error.  After an error the caller makes sure that
 * virtio_msg_event() is not called again, then calls virtio_msg_put().
 */
int virtio_msg_register(struct virtio_msg_device *vmdev);

/**
 * virtio_msg_unregister - take a device from the core and reset it
 * @vmdev: a registered device
 *
 * Drivers may need events until this returns.  Afterwards the caller makes
 * sure that virtio_msg_event() is not called again, then calls
 * virtio_msg_put().  Takes bounded time, also if nobody answers.  May sleep.
 * D-06.
 */
void virtio_msg_unregister(struct virtio_msg_device *vmdev);

/**
 * virtio_msg_put - drop the bus's reference
 * @vmdev: a device that was registered once, or was to be
 *
 * The bus's release function runs when the last user has gone, which may be
 * later.
 */
void virtio_msg_put(struct virtio_msg_device *vmdev);

/**
 * virtio_msg_event - handle an event of a device
 * @vmdev: an initialized device
 * @msg: the event, a private copy; its msg_size is true
 *
 * Any context.  An event that is malformed, unknown, or for a queue that does
 * not exist does nothing.  D-05.
 *
 * Return: whether the event was understood.
 */
bool virtio_msg_event(struct virtio_msg_device *vmdev,
		      const struct virtio_msg *msg);

/**
 * virtio_msg_break - give a device up
 * @vmdev: an initialized device
 * @may_answer: whether the device side still has the device, as far as is known
 *
 * Every further request fails, and the queues are broken, at once.  A bit later
 * all that is outstanding in the device's queues is completed as failed,
 * after a reset if the device side @may_answer one.  Any context.  D-03.
 */
void virtio_msg_break(struct virtio_msg_device *vmdev, bool may_answer);

/**
 * virtio_msg_freeze - put a device's driver to sleep
 * @vmdev: a registered device, maybe broken
 *
 * The driver waits for what is under way, and the device is reset.  Does
 * nothing to a device whose driver does not know how to sleep.  May sleep.
 * There with CONFIG_PM_SLEEP.
 *
 * Return: 0, or what the driver objects with.
 */
int virtio_msg_freeze(struct virtio_msg_device *vmdev);

/**
 * virtio_msg_break_awake - give a device up that virtio_msg_freeze() let be
 * @vmdev: a registered device; does nothing if its driver sleeps
 *
 * For when nobody objects to the sleep any more.  The device is reset; it comes
 * back after the sleep.  May sleep.  There with CONFIG_PM_SLEEP.
 */
void virtio_msg_break_awake(struct virtio_msg_device *vmdev);

/**
 * virtio_msg_thaw - wake a device's driver up
 * @vmdev: a registered device; does nothing unless virtio_msg_freeze() has
 *
 * Also wakes a driver up whose device has gone, or does not answer; such a
 * device is broken afterwards, and what its driver asks of it fails.  May
 * sleep.  There with CONFIG_PM_SLEEP.
 */
void virtio_msg_thaw(struct virtio_msg_device *vmdev);

/**
 * virtio_msg_shutdown - have a device leave the memory alone
 * @vmdev: a registered device, which stays registered
 *
 * Gives the device up and resets it.  May sleep.
 */
void virtio_msg_shutdown(struct virtio_msg_device *vmdev);

/**
 * virtio_msg_recover - find out what is left of a device
 * @vmdev: a registered device, maybe broken, whose link is alive
 *
 * Asks for its status, if it is not broken.  May sleep.
 *
 * Return: true if all is well; false if the device has to be removed, since
 * the device side has lost it or a request to it had failed.
 */
bool virtio_msg_recover(struct virtio_msg_device *vmdev);

#endif /* _VIRTIO_MSG_INTERNAL_H */
