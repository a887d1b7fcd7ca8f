/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * virtio-msg: what the parts of a link have of each other
 *
 * Each part calls only those that stand before it here:
 *
 *	token		the requests that wait for answers
 *	life		what the link is in
 *	send		what goes to the device side
 *	liveness	whether the device side is there
 *	request		requests, and the wait for their answers
 *	leaving		devices that go
 *	devices		which devices there are
 *	watch		waiting for a device side
 *	receive		what comes from it
 *	sleep		the link when the system sleeps
 *	bus		the link from its beginning to its end
 *
 * Locks, outer first: rx_lock, a device's lock, whatever its driver takes,
 * tx_lock, requests_lock.  All of them are taken with interrupts off.
 */
#ifndef _VIRTIO_MSG_BUS_INTERNAL_H
#define _VIRTIO_MSG_BUS_INTERNAL_H

#include <linux/completion.h>
#include <linux/jiffies.h>
#include <linux/list.h>
#include <linux/workqueue.h>

#include "virtio_msg_bus.h"
#include "virtio_msg_internal.h"

/**
 * enum virtio_msg_news - bits: what is to be said in the log, where nobody waits
 * @VIRTIO_MSG_NEWS_FAILED: what carries the messages makes no sense
 * @VIRTIO_MSG_NEWS_SILENT: the device side does not answer
 * @VIRTIO_MSG_NEWS_HEARD: it can be heard again
 * @VIRTIO_MSG_NEWS_RESTARTED: it has started anew
 */
enum virtio_msg_news {
	VIRTIO_MSG_NEWS_FAILED,
	VIRTIO_MSG_NEWS_SILENT,
	VIRTIO_MSG_NEWS_HEARD,
	VIRTIO_MSG_NEWS_RESTARTED,
};

/**
 * struct virtio_msg_request - a request that waits for its answer
 * @node: in the bus's requests
 * @token: its token
 * @child: whom it asks, NULL for what is asked of the bus
 * @request: what was sent
 * @response: where the answer goes
 * @done: there is one, or there will be none
 * @result: 0, or why there will be none
 */
struct virtio_msg_request {
	struct hlist_node node;
	u16 token;
	const struct virtio_msg_child *child;
	const struct virtio_msg *request;
	struct virtio_msg *response;
	struct completion done;
	int result;
};

/**
 * struct virtio_msg_child - a device of a link
 * @vmdev: what the transport knows of it
 * @bus: the link
 * @removed: EVENT_DEVICE said so
 * @ready: likewise
 * @registered: its driver has been looked for
 * @leaving: its removal has been started
 * @leavers: where it leaves
 * @failed: it needs a reset
 * @since: when it came, in jiffies
 * @failures: after how many failures in a row
 * @leave: removes it
 */
struct virtio_msg_child {
	struct virtio_msg_device vmdev;
	struct virtio_msg_bus *bus;
	bool removed;
	bool ready;
	bool registered;
	bool leaving;
	struct workqueue_struct *leavers;
	bool failed;
	unsigned long since;
	unsigned int failures;
	struct work_struct leave;
};

#define to_child(_vmdev) \
	container_of(_vmdev, struct virtio_msg_child, vmdev)

/**
 * struct virtio_msg_rest - a device that has failed and is not to come back yet
 * @failures: how often in a row
 * @until: jiffies
 */
struct virtio_msg_rest {
	unsigned int failures;
	unsigned long until;
};

/**
 * virtio_msg_schedule_scan - have a look at what the device side has
 * @bus: an initialized link
 *
 * All work is unbound: some drivers spin, with preemption off, until a queue
 * moves or is broken, and it is our work on another CPU that breaks it.  Any
 * context.
 */
static inline void virtio_msg_schedule_scan(struct virtio_msg_bus *bus)
{
	mod_delayed_work(bus->slow, &bus->scan, 0);
}

/* token */

/**
 * virtio_msg_token_init - begin with no requests
 * @bus: a link that is being initialized
 */
void virtio_msg_token_init(struct virtio_msg_bus *bus);

/**
 * virtio_msg_token_add - give a request a token, and have answers find it
 * @bus: an initialized link
 * @req: with @request, @response, @child and @done set; gets its @token
 *
 * Takes no memory: to wait for some may be to wait for what fails only after
 * this request.  Not with interrupts off.
 */
void virtio_msg_token_add(struct virtio_msg_bus *bus,
			  struct virtio_msg_request *req);

/**
 * virtio_msg_token_remove - have no answer find a request any longer
 * @bus: an initialized link
 * @req: one that was added
 *
 * Not with interrupts off.
 */
void virtio_msg_token_remove(struct virtio_msg_bus *bus,
			     struct virtio_msg_request *req);

/**
 * virtio_msg_token_answer - end the request that something is the answer to
 * @bus: an initialized link
 * @msg: the answer, a private copy whose msg_size is true
 *
 * Any context.  D-02, Q-01.
 *
 * Return: false if nobody waits for it.
 */
bool virtio_msg_token_answer(struct virtio_msg_bus *bus,
			     const struct virtio_msg *msg);

/**
 * virtio_msg_token_abort - end requests whose answers can no longer come
 * @bus: an initialized link
 * @child: those to this one, or NULL for all
 * @result: what they end with
 *
 * Any context.
 */
void virtio_msg_token_abort(struct virtio_msg_bus *bus,
			    const struct virtio_msg_child *child, int result);

/* life */

/**
 * virtio_msg_life - what this side does with a link
 * @bus: an initialized link
 *
 * Whatever sees another state than VIRTIO_MSG_WAITING sees a link that is ready.
 * Any context.  With rx_lock held it does not change.
 *
 * Return: the state.
 */
static inline enum virtio_msg_life
virtio_msg_life(const struct virtio_msg_bus *bus)
{
	/* Pairs with the release in virtio_msg_enter_locked(). */
	return smp_load_acquire(&bus->life);
}

/**
 * virtio_msg_started - is there a device side, so that the link is in use
 * @bus: an initialized link
 *
 * Any context.
 */
static inline bool virtio_msg_started(const struct virtio_msg_bus *bus)
{
	return virtio_msg_life(bus) != VIRTIO_MSG_WAITING;
}

/**
 * virtio_msg_stopping - are all devices to go, or have they gone
 * @bus: an initialized link
 *
 * Any context.
 */
static inline bool virtio_msg_stopping(const struct virtio_msg_bus *bus)
{
	return virtio_msg_life(bus) >= VIRTIO_MSG_STOPPING;
}

/**
 * virtio_msg_enter_locked - do something else with a link
 * @bus: an initialized link, whose rx_lock is held
 * @life: the state to come; nothing happens if that of now does not lead there
 */
void virtio_msg_enter_locked(struct virtio_msg_bus *bus,
			     enum virtio_msg_life life);

/**
 * virtio_msg_enter - the same
 * @bus: an initialized link, whose rx_lock is not held
 * @life: the state to come
 *
 * Whatever has received or begun a scan in the state of before has done so when
 * this returns.  Not with interrupts off.
 */
void virtio_msg_enter(struct virtio_msg_bus *bus, enum virtio_msg_life life);

/**
 * virtio_msg_fail - what carries the messages makes no sense
 * @bus: an initialized link
 *
 * Ends what is going on and has others tell the devices and the log: callers
 * hold locks, which a console on this very link may need.  Any context.
 */
void virtio_msg_fail(struct virtio_msg_bus *bus);

/**
 * virtio_msg_revive - the device side has started anew what had failed
 * @bus: an initialized link
 *
 * Any context.
 */
void virtio_msg_revive(struct virtio_msg_bus *bus);

/**
 * virtio_msg_fall_silent - the device side does not answer
 * @bus: an initialized link
 *
 * Any context.
 *
 * Return: false if it was silent before, or the link has failed.
 */
bool virtio_msg_fall_silent(struct virtio_msg_bus *bus);

/**
 * virtio_msg_hear - something has come from the device side
 * @bus: an initialized link
 *
 * Any context.
 *
 * Return: true if it was silent before.
 */
bool virtio_msg_hear(struct virtio_msg_bus *bus);

/**
 * virtio_msg_silent - is the device side silent
 * @bus: an initialized link
 *
 * Any context.
 */
static inline bool virtio_msg_silent(const struct virtio_msg_bus *bus)
{
	return READ_ONCE(bus->hearing) == VIRTIO_MSG_SILENT;
}

/**
 * virtio_msg_failed - is nothing sent or taken any more, or until the device side
 *	starts anew
 * @bus: an initialized link
 *
 * Any context.
 */
static inline bool virtio_msg_failed(const struct virtio_msg_bus *bus)
{
	return READ_ONCE(bus->hearing) == VIRTIO_MSG_FAILED ||
	       virtio_msg_life(bus) == VIRTIO_MSG_STOPPED;
}

/**
 * virtio_msg_state - what is known of the device side, for users
 * @bus: an initialized link
 *
 * Return: "up"; "silent" if it does not answer or never called; "failed" if
 * what carries the messages makes no sense.
 */
const char *virtio_msg_state(const struct virtio_msg_bus *bus);

/**
 * virtio_msg_usable - may devices come and go
 * @bus: an initialized link
 */
bool virtio_msg_usable(const struct virtio_msg_bus *bus);

/**
 * virtio_msg_tell - say what is to be said, in the log and in sysfs
 * @bus: an initialized link
 *
 * May sleep: for where that may take its time.
 */
void virtio_msg_tell(struct virtio_msg_bus *bus);

/* send */

/**
 * virtio_msg_send_init - begin with nothing to send
 * @bus: a link that is being initialized
 */
void virtio_msg_send_init(struct virtio_msg_bus *bus);

/**
 * virtio_msg_send - send a message
 * @bus: an initialized link
 * @child: the device that it is for, or NULL if it is for the bus
 * @msg: the message, at most the max_size of the bus
 * @result: 0, -EAGAIN, -EIO if the link has failed, or -ENODEV if the device side
 *	has said that the device is gone.  B-03.
 *
 * Any context, tx_lock not held.
 *
 * Return: false if there is no room, or others wait for it: try again.
 */
bool virtio_msg_send(struct virtio_msg_bus *bus,
		     const struct virtio_msg_child *child,
		     const struct virtio_msg *msg, int *result);

/**
 * virtio_msg_send_avail - send EVENT_AVAIL, now or as soon as there is room
 * @bus: an initialized link
 * @mvq: the queue
 * @next_offset: what it is to say, in CPU order
 *
 * Any context, tx_lock not held.
 *
 * Return: false if the link has failed.
 */
bool virtio_msg_send_avail(struct virtio_msg_bus *bus,
			   struct virtio_msg_vq *mvq, u32 next_offset);

/**
 * virtio_msg_cancel_avail - forget an EVENT_AVAIL that waits for room
 * @bus: an initialized link
 * @mvq: the queue
 *
 * Any context, tx_lock not held.
 */
void virtio_msg_cancel_avail(struct virtio_msg_bus *bus,
			     struct virtio_msg_vq *mvq);

/**
 * virtio_msg_send_pong - answer a PING, now or as soon as there is room
 * @bus: an initialized link
 * @msg: the PING, with all that one has
 *
 * Called with interrupts off, tx_lock not held.
 *
 * Return: false if too many wait already.
 */
bool virtio_msg_send_pong(struct virtio_msg_bus *bus,
			  const struct virtio_msg *msg);

/**
 * virtio_msg_send_unlock - send what waits for room, as far as there is some
 * @bus: an initialized link, whose tx_lock is held and gets released
 * @flags: from when it was taken
 */
void virtio_msg_send_unlock(struct virtio_msg_bus *bus, unsigned long flags);

/**
 * virtio_msg_send_forget - drop answers that were meant for a device side of before
 * @bus: an initialized link, whose tx_lock is held
 */
void virtio_msg_send_forget(struct virtio_msg_bus *bus);

/**
 * virtio_msg_use_room - there may be room: use it
 * @bus: an initialized link
 * @kick: the device side is to be called in any case
 *
 * Any context, tx_lock not held.
 */
void virtio_msg_use_room(struct virtio_msg_bus *bus, bool kick);

/* liveness */

/**
 * virtio_msg_liveness_init - begin with a device side that nothing is known of
 * @bus: a link that is being initialized
 */
void virtio_msg_liveness_init(struct virtio_msg_bus *bus);

/**
 * virtio_msg_timeout - how long to wait for an answer
 *
 * Return: jiffies; not the same each time.
 */
unsigned long virtio_msg_timeout(void);

/**
 * virtio_msg_break_all - give all devices up
 * @bus: an initialized link
 * @may_answer: as for virtio_msg_break()
 *
 * Any context, rx_lock not held.
 */
void virtio_msg_break_all(struct virtio_msg_bus *bus, bool may_answer);

/**
 * virtio_msg_heartbeat_on - may a silent device side be asked by itself
 *
 * Return: false if the user does not want that.
 */
bool virtio_msg_heartbeat_on(void);

/**
 * virtio_msg_ask - send a PING, unless one is under way
 * @bus: an initialized link
 *
 * The answer need not come, any message will do.  Any context, no locks held.
 */
void virtio_msg_ask(struct virtio_msg_bus *bus);

/**
 * virtio_msg_ask_answered - see whether a message is the answer to a heartbeat
 * @bus: an initialized link
 * @msg: an answer
 *
 * Nobody waits for that.
 *
 * Return: true if it is.
 */
bool virtio_msg_ask_answered(struct virtio_msg_bus *bus,
			     const struct virtio_msg *msg);

/**
 * virtio_msg_ask_forget - what was asked, nobody will answer any longer
 * @bus: an initialized link, whose tx_lock is held
 */
void virtio_msg_ask_forget(struct virtio_msg_bus *bus);

/**
 * virtio_msg_heard - something sensible has come
 * @bus: an initialized link, whose rx_lock is held
 */
void virtio_msg_heard(struct virtio_msg_bus *bus);

/**
 * virtio_msg_find_silent - something was asked, and a timeout has passed
 * @bus: an initialized link
 * @since: when it was asked, in jiffies
 *
 * Any context, no locks held.
 */
void virtio_msg_find_silent(struct virtio_msg_bus *bus, unsigned long since);

/**
 * virtio_msg_start_heartbeat - ask from time to time
 * @bus: an initialized link
 */
void virtio_msg_start_heartbeat(struct virtio_msg_bus *bus);

/**
 * virtio_msg_stop_heartbeat - ask no longer
 * @bus: an initialized link
 *
 * May sleep.
 */
void virtio_msg_stop_heartbeat(struct virtio_msg_bus *bus);

/* request */

/**
 * virtio_msg_request - send a request and wait for its answer
 * @bus: an initialized link
 * @child: whom it asks, or NULL
 * @request: the request, complete but for its token
 * @response: for the answer
 *
 * Takes less than two timeouts.  May sleep.  D-02, D-03.
 *
 * Return: 0; -EIO if the link has failed; -EHOSTDOWN if the device side is known
 * to be silent; -ETIMEDOUT; -ENODEV if @child is removed; -ECONNRESET if the
 * device side has started anew.
 */
int virtio_msg_request(struct virtio_msg_bus *bus,
		       const struct virtio_msg_child *child,
		       struct virtio_msg *request, struct virtio_msg *response);

/**
 * virtio_msg_request_bus - the same for what is asked of the bus
 * @bus: an initialized link
 * @msg_id: VIRTIO_MSG_BUS_...
 * @request: its payload is in place
 * @request_len: bytes of that
 * @response: for the answer
 * @response_len: the least that its payload has
 *
 * Return: as virtio_msg_request(), or -EPROTO if the answer is too short.
 */
int virtio_msg_request_bus(struct virtio_msg_bus *bus, u8 msg_id,
			   struct virtio_msg *request, size_t request_len,
			   struct virtio_msg *response, size_t response_len);

/* leaving */

/**
 * virtio_msg_leaving_init - begin with no device that leaves
 * @bus: a link that is being initialized
 */
void virtio_msg_leaving_init(struct virtio_msg_bus *bus);

/**
 * virtio_msg_leaving_exit - free what that needs
 * @bus: a link without devices
 */
void virtio_msg_leaving_exit(struct virtio_msg_bus *bus);

/**
 * virtio_msg_leaving_prepare - be able to remove a device
 * @child: a device that is being added
 *
 * Return: 0 or -ENOMEM.
 */
int virtio_msg_leaving_prepare(struct virtio_msg_child *child);

/**
 * virtio_msg_start_leaving - begin to remove a device, if nobody has
 * @child: a device that was registered; the bus's rx_lock is held
 */
void virtio_msg_start_leaving(struct virtio_msg_child *child);

/**
 * virtio_msg_finish_leaving - remove the devices that have started to leave
 * @bus: an initialized link
 *
 * They leave at the same time, because drivers of several broken devices can
 * wait for each other: the core of hwrng, when one generator goes, reads from
 * the next one.  May sleep.
 */
void virtio_msg_finish_leaving(struct virtio_msg_bus *bus);

/**
 * virtio_msg_remove_child - nobody answers for a device that is gone
 * @child: the device
 *
 * Any context.
 */
void virtio_msg_remove_child(struct virtio_msg_child *child);

/**
 * virtio_msg_erase_child - have no event find a device from then on
 * @child: the device
 */
void virtio_msg_erase_child(struct virtio_msg_child *child);

/**
 * virtio_msg_forget_child - the same, and drop the bus's reference
 * @child: the device
 */
void virtio_msg_forget_child(struct virtio_msg_child *child);

/**
 * virtio_msg_child_given_up - a device's queues are broken
 * @vmdev: the device
 *
 * May sleep, but not wait for the device to be unregistered.
 */
void virtio_msg_child_given_up(struct virtio_msg_device *vmdev);

/**
 * virtio_msg_start_hurry - give all devices up if they take too long to leave
 * @bus: an initialized link, whose devices are to go and no other to come
 */
void virtio_msg_start_hurry(struct virtio_msg_bus *bus);

/**
 * virtio_msg_leave_all - remove all devices
 * @bus: an initialized link that has no more scans, after
 *	virtio_msg_start_hurry()
 *
 * Takes bounded time, also if nobody answers.  May sleep.
 */
void virtio_msg_leave_all(struct virtio_msg_bus *bus);

/* devices */

/**
 * virtio_msg_devices_init - begin with no devices
 * @bus: a link that is being initialized
 */
void virtio_msg_devices_init(struct virtio_msg_bus *bus);

/**
 * virtio_msg_devices_exit - free what is left of them
 * @bus: a link without devices
 */
void virtio_msg_devices_exit(struct virtio_msg_bus *bus);

/**
 * virtio_msg_follow - have a look at what the device side has, but not too often
 * @bus: an initialized link, whose rx_lock is held
 *
 * A device side that makes events without end does not keep us busy with scans,
 * and those are what makes devices come and go.
 */
void virtio_msg_follow(struct virtio_msg_bus *bus);

/**
 * virtio_msg_event_device - the device side says that a device comes or goes
 * @bus: an initialized link, whose rx_lock is held
 * @msg: the event, with all that one has
 *
 * Return: whether the event was understood.  D-01.
 */
bool virtio_msg_event_device(struct virtio_msg_bus *bus,
			     const struct virtio_msg *msg);

/**
 * virtio_msg_wait_for_scan - wait for a scan that is under way
 * @bus: a link in a state that lets no other begin
 *
 * A device side that does not answer is found out in less than two timeouts; but
 * the driver that a scan waits for may itself wait for user space.  May sleep.
 *
 * Return: false if it does not end.
 */
bool virtio_msg_wait_for_scan(struct virtio_msg_bus *bus);

/**
 * virtio_msg_end_scans - have no scan, nor what has one later
 * @bus: a link that is to have no other
 *
 * May sleep.
 */
void virtio_msg_end_scans(struct virtio_msg_bus *bus);

/* watch */

/**
 * virtio_msg_watch_init - begin without a device side
 * @bus: a link that is being initialized
 */
void virtio_msg_watch_init(struct virtio_msg_bus *bus);

/**
 * virtio_msg_watch_find - have the link be used if there is a device side
 * @bus: an initialized link that is not; the watch is paused, or calls this
 *
 * Return: true if there is one.
 */
bool virtio_msg_watch_find(struct virtio_msg_bus *bus);

/**
 * virtio_msg_watch_pause - do not look for a device side for now
 * @bus: an initialized link
 *
 * From then on it does not leave VIRTIO_MSG_WAITING.  May sleep.
 */
void virtio_msg_watch_pause(struct virtio_msg_bus *bus);

/**
 * virtio_msg_watch_go - look for a device side, and for its first message
 * @bus: an initialized link
 */
void virtio_msg_watch_go(struct virtio_msg_bus *bus);

/* receive */

/**
 * virtio_msg_receive - take what has come
 * @bus: a link with a device side
 *
 * Handles a bounded number of messages.  Any context but NMI, concurrent calls
 * are fine.
 *
 * Return: true if there may be more to do: call again, from where others can
 * run in between.
 */
bool virtio_msg_receive(struct virtio_msg_bus *bus);

#endif /* _VIRTIO_MSG_BUS_INTERNAL_H */
