// SPDX-License-Identifier: GPL-2.0-only
/*
 * virtio-msg AMP bus: messages in memory shared with another system
 *
 * A link has two queues, one in each direction, and a doorbell each way.  This
 * file moves messages through them, matches answers to requests, and keeps the
 * list of devices in line with what the device side has.
 *
 * Locks, outer first: rx_lock, a device's lock, whatever its driver takes,
 * tx_lock.  All of them are taken with interrupts off.
 */
#include <linux/bitmap.h>
#include <linux/completion.h>
#include <linux/jiffies.h>
#include <linux/minmax.h>
#include <linux/module.h>
#include <linux/ratelimit.h>
#include <linux/slab.h>

#include "virtio_msg_amp.h"
#include "virtio_msg_compat.h"
#include "virtio_msg_internal.h"

/* So many messages one look at what has come may take. */
#define AMP_RX_BUDGET		64U

/* What messages may be allowed to have; a link may carry less. */
#define AMP_MAX_MAX_MSG		64U

#define AMP_NUM_DEVICES		VIRTIO_MSG_NUM_DEVICES

/* A device side may not say where its devices end.  Q-03. */
#define AMP_MAX_WINDOWS		2048U

/* What the parameter may be, so that every wait has an end */
#define AMP_MIN_TIMEOUT_MS	100U
#define AMP_MAX_TIMEOUT_MS	600000U

#define AMP_MIN_HEARTBEAT_MS	100U
#define AMP_MAX_HEARTBEAT_MS	600000U
#define AMP_HEARTBEAT_MS	2000U

/* How long to wait before a scan that failed, and how often to wait longer */
#define AMP_RETRY_MS		1000U
#define AMP_MAX_RETRIES		7

/* How many events in a row have a scan each, and then one in how long */
#define AMP_SCAN_BURST		50U
#define AMP_SCAN_GAP		msecs_to_jiffies(100)

/* So many lines a minute say that devices go. */
#define AMP_MAX_NEWS		1024

/*
 * Devices can wait for each other when they leave, so that all of them have to
 * have begun.  So many share a workqueue, which is far less than can be under
 * way in one, also where that is divided among the nodes of a machine.
 */
#define AMP_LEAVERS_SHIFT	7

/*
 * How long a device that has failed stays away, and how often that doubles.  It
 * begins anew for a device that worked for so many times as long.
 */
#define AMP_REST_MS		1000U
#define AMP_MAX_RESTS		6
#define AMP_HEALTHY_RESTS	4

/* So many timeouts long a device may say that it makes progress, and no more */
#define AMP_MAX_DELAYS		30

/* A peer need not ring when it has made room, so have a look this often. */
#define AMP_FLUSH_DELAY		msecs_to_jiffies(10)

static unsigned int timeout_ms = 10000;
module_param(timeout_ms, uint, 0644);
MODULE_PARM_DESC(timeout_ms,
		 "Milliseconds until a request counts as unanswered, 100 to 600000 (default 10000)");

static unsigned int heartbeat_ms = AMP_HEARTBEAT_MS;
module_param(heartbeat_ms, uint, 0644);
MODULE_PARM_DESC(heartbeat_ms,
		 "Milliseconds of silence after which the device side is asked whether it is there, 100 to 600000, or 0 to never ask and never give up what it has under way (default 2000)");

static unsigned int max_devices = 1024;
module_param(max_devices, uint, 0644);
MODULE_PARM_DESC(max_devices,
		 "How many devices of a link are used at most (default 1024)");

static char *wire = "auto";
module_param(wire, charp, 0444);
MODULE_PARM_DESC(wire,
		 "What the device side speaks: 2026, 2025, or auto to find out (default auto)");

static unsigned int max_msg;
module_param(max_msg, uint, 0444);
MODULE_PARM_DESC(max_msg,
		 "Bytes that a message may have, at least 48 for the wire of 2025 or 52 for that of 2026, at most 64 (default 48 and 64)");

static bool strict_generation;
module_param(strict_generation, bool, 0444);
MODULE_PARM_DESC(strict_generation,
		 "Also on the wire of 2026, set the configuration of a device only as it was last seen, for a device side that is told the same (default N)");

/* What the parameter wire says, NULL for auto */
static const struct virtio_msg_wire *amp_wire;

enum amp_flags {
	/* The shared memory makes no sense, until the peer starts it anew. */
	AMP_FAILED,
	/* Nothing is received any more. */
	AMP_STOPPED,
	/* Nor is it for now. */
	AMP_ASLEEP,
	/* A request got no answer and nothing else came in the meantime. */
	AMP_SILENT,
	/* Something came at least once. */
	AMP_KNOWN,
	/* Devices are not added any more. */
	AMP_STOPPING,
	/* Nor do devices come or go for now. */
	AMP_HELD,
	/* A scan is under way, and may be waiting for a driver's probe. */
	AMP_SCANNING,
	/* To be said in the log, where nobody waits: */
	AMP_TELL_FAILED,
	AMP_TELL_SILENT,
	AMP_TELL_HEARD,
	AMP_TELL_RESTARTED,
};

struct amp_request {
	struct hlist_node node;
	u16 token;
	/* NULL for what is asked of the bus */
	const struct amp_device *adev;
	const struct virtio_msg *request;
	struct virtio_msg *response;
	struct completion done;
	int result;
};

struct amp_device {
	struct virtio_msg_device vmdev;
	struct virtio_msg_amp *amp;
	/* EVENT_DEVICE said so: */
	bool removed;
	bool ready;
	/* Its driver has been looked for; its removal has been started. */
	bool registered;
	bool leaving;
	struct workqueue_struct *leavers;
	/* It needs a reset. */
	bool failed;
	/* When it came, in jiffies, after how many failures in a row */
	unsigned long since;
	unsigned int failures;
	struct work_struct leave;
};

/* A device that has failed, and is not to come back at once */
struct amp_rest {
	unsigned int failures;
	unsigned long until;
};

#define to_amp_device(_vmdev) \
	container_of(_vmdev, struct amp_device, vmdev)

/*
 * All work is unbound: some drivers spin, with preemption off, until a queue
 * moves or is broken, and it is our work on another CPU that breaks it.
 */
static void amp_schedule_scan(struct virtio_msg_amp *amp)
{
	mod_delayed_work(amp->slow, &amp->scan, 0);
}

/* In the time of a scan that found out less than it should have */
static void amp_retry_scan(struct virtio_msg_amp *amp)
{
	if (amp->retries < AMP_MAX_RETRIES)
		queue_delayed_work(amp->slow, &amp->scan,
				   msecs_to_jiffies(AMP_RETRY_MS <<
						    amp->retries++));
}

/* The parameter can change at any time, to anything. */
static unsigned long amp_timeout(void)
{
	return msecs_to_jiffies(clamp(READ_ONCE(timeout_ms),
				      AMP_MIN_TIMEOUT_MS, AMP_MAX_TIMEOUT_MS));
}

/*
 * Nobody waits for answers any longer that can no longer come: to what is asked
 * of a device, or, without one, to all.
 */
static void amp_abort_requests(struct virtio_msg_amp *amp,
			       const struct amp_device *adev, int result)
{
	struct amp_request *req;
	unsigned long flags;
	unsigned int bucket;

	spin_lock_irqsave(&amp->requests_lock, flags);
	hash_for_each(amp->requests, bucket, req, node) {
		if (adev && req->adev != adev)
			continue;
		req->result = result;
		complete(&req->done);
	}
	spin_unlock_irqrestore(&amp->requests_lock, flags);
	wake_up_all(&amp->room);
}

/* Caller holds requests_lock. */
static struct amp_request *amp_find_request(struct virtio_msg_amp *amp,
					    u16 token)
{
	struct amp_request *req;

	hash_for_each_possible(amp->requests, req, node, token)
		if (req->token == token)
			return req;
	return NULL;
}

/*
 * Some device sides answer what the bus is asked without its token.  There is
 * one scan, and nobody asks the same of the bus twice at a time.  Caller holds
 * requests_lock.  Q-01.
 */
static struct amp_request *amp_find_bare_request(struct virtio_msg_amp *amp,
						 u8 msg_id)
{
	struct amp_request *req;
	unsigned int bucket;

	if (!virtio_msg_link_bare_answers(&amp->link))
		return NULL;
	hash_for_each(amp->requests, bucket, req, node)
		if (!req->adev && req->request->msg_id == msg_id)
			return req;
	return NULL;
}

/*
 * Gives a request a token, and has answers find it.  Takes no memory: to wait
 * for some may be to wait for what fails only after this request.
 */
static void amp_add_request(struct virtio_msg_amp *amp, struct amp_request *req)
{
	spin_lock_irq(&amp->requests_lock);
	do {
		req->token = ++amp->next_token;
	} while (!req->token || amp_find_request(amp, req->token));
	hash_add(amp->requests, &req->node, req->token);
	spin_unlock_irq(&amp->requests_lock);
}

static void amp_remove_request(struct virtio_msg_amp *amp,
			       struct amp_request *req)
{
	spin_lock_irq(&amp->requests_lock);
	hash_del(&req->node);
	spin_unlock_irq(&amp->requests_lock);
}

/*
 * Ends what is going on and has others tell the devices and the log: callers
 * hold locks, which a console on this very link may need.
 */
static void amp_fail(struct virtio_msg_amp *amp)
{
	if (test_and_set_bit(AMP_FAILED, &amp->flags))
		return;

	set_bit(AMP_TELL_FAILED, &amp->flags);
	amp_abort_requests(amp, NULL, -EIO);
	queue_work(amp->urgent, &amp->breaking);
}

static bool amp_failed(struct virtio_msg_amp *amp)
{
	return test_bit(AMP_FAILED, &amp->flags);
}

/* Sending */

/* Caller holds tx_lock. */
static int amp_put(struct virtio_msg_amp *amp, const struct virtio_msg *msg)
{
	size_t size = le16_to_cpu(msg->msg_size);
	int err;

	if (amp_failed(amp))
		return -EIO;
	if (WARN_ON_ONCE(size > amp->ring.max_size))
		return -EMSGSIZE;

	err = amp->ring.ops->put(&amp->ring, msg, size);
	if (err == -EPROTO) {
		amp_fail(amp);
		err = -EIO;
	}
	return err;
}

static int amp_put_ping(struct virtio_msg_amp *amp, u8 type,
			const struct virtio_msg_amp_ping *ping)
{
	struct virtio_msg msg = {
		.type = VIRTIO_MSG_TYPE_BUS | type,
		.msg_id = VIRTIO_MSG_BUS_PING,
		.token = ping->token,
		.msg_size = cpu_to_le16(VIRTIO_MSG_HDR_SIZE + sizeof(msg.ping)),
		.ping.data = ping->data,
	};

	return amp_put(amp, &msg);
}

static struct virtio_msg_device *amp_vq_device(const struct virtio_msg_vq *mvq)
{
	return container_of(mvq->vq->vdev, struct virtio_msg_device, vdev);
}

static int amp_put_avail(struct virtio_msg_amp *amp, struct virtio_msg_vq *mvq)
{
	struct virtio_msg_device *vmdev = amp_vq_device(mvq);
	struct virtio_msg msg = {
		.msg_id = VIRTIO_MSG_EVENT_AVAIL,
		.dev_num = cpu_to_le16(vmdev->dev_num),
		.msg_size = cpu_to_le16(VIRTIO_MSG_HDR_SIZE +
					sizeof(msg.event_avail)),
		.event_avail.vq_index = cpu_to_le32(mvq->vq->index),
		.event_avail.next_offset = cpu_to_le32(mvq->next_offset),
	};

	return amp_put(amp, &msg);
}

/*
 * Whether EVENT_DEVICE said that a device is gone: its number may be another
 * one's soon, and nothing goes there.  Caller holds tx_lock, so that what is put
 * into the queue after an answer to the device side is put there in the knowledge
 * of what that has said before.  B-03.
 */
static bool amp_gone(const struct amp_device *adev)
{
	return READ_ONCE(adev->removed);
}

/*
 * Sends what waits for room.  Caller holds tx_lock.  Returns the number of
 * messages sent.
 */
static unsigned int amp_flush(struct virtio_msg_amp *amp)
{
	/* No request that somebody waits for has this token. */
	static const struct virtio_msg_amp_ping question = {};
	struct virtio_msg_vq *mvq, *next;
	unsigned int sent = 0;

	if (amp->ask) {
		if (amp_put_ping(amp, 0, &question))
			return sent;
		amp->ask = false;
		sent++;
	}
	while (amp->num_pings) {
		if (amp_put_ping(amp, VIRTIO_MSG_TYPE_RESPONSE,
				 &amp->pings[amp->first_ping]))
			return sent;
		amp->first_ping = (amp->first_ping + 1) % VIRTIO_MSG_AMP_PINGS;
		amp->num_pings--;
		sent++;
	}
	list_for_each_entry_safe(mvq, next, &amp->pending, pending) {
		if (!amp_gone(to_amp_device(amp_vq_device(mvq)))) {
			if (amp_put_avail(amp, mvq))
				break;
			sent++;
		}
		list_del_init(&mvq->pending);
	}
	return sent;
}

/* Something waits for room, and the peer may make it without a word. */
static void amp_flush_later(struct virtio_msg_amp *amp)
{
	if (!amp_failed(amp) && !test_bit(AMP_SILENT, &amp->flags))
		queue_delayed_work(amp->urgent, &amp->flushing,
				   AMP_FLUSH_DELAY);
}

/* Caller holds tx_lock. */
static bool amp_waiting(struct virtio_msg_amp *amp)
{
	return amp->ask || amp->num_pings || !list_empty(&amp->pending);
}

/* Sends what waits for room, now if there is some.  Releases tx_lock. */
static void amp_flush_unlock(struct virtio_msg_amp *amp, unsigned long flags)
{
	unsigned int sent = amp_flush(amp);
	bool waiting = amp_waiting(amp);

	spin_unlock_irqrestore(&amp->tx_lock, flags);

	if (sent)
		amp->ops->ring(amp);
	if (waiting)
		amp_flush_later(amp);
}

/*
 * Sends what is for a device, or for the bus without one.  Returns false if it
 * has to wait for room.
 */
static bool amp_send(struct virtio_msg_amp *amp, const struct amp_device *adev,
		     const struct virtio_msg *msg, int *result)
{
	unsigned long flags;
	unsigned int sent;

	spin_lock_irqsave(&amp->tx_lock, flags);
	sent = amp_flush(amp);
	if (adev && amp_gone(adev)) {
		*result = -ENODEV;
	} else if (amp_waiting(amp)) {
		*result = amp_failed(amp) ? -EIO : -EAGAIN;
	} else {
		*result = amp_put(amp, msg);
		if (!*result)
			sent++;
	}
	spin_unlock_irqrestore(&amp->tx_lock, flags);

	if (sent)
		amp->ops->ring(amp);
	if (*result == -EAGAIN)
		amp_flush_later(amp);
	return *result != -EAGAIN;
}

static void amp_break_devices(struct virtio_msg_amp *amp, bool may_answer)
{
	struct amp_device *adev;
	unsigned long num, flags;

	spin_lock_irqsave(&amp->rx_lock, flags);
	xa_for_each(&amp->devices, num, adev)
		virtio_msg_break(&adev->vmdev, may_answer);
	spin_unlock_irqrestore(&amp->rx_lock, flags);
}

/*
 * A peer that is silent for long is taken for dead, unless told otherwise.  The
 * removal of a device cannot wait in any case.
 */
static bool amp_given_up(struct virtio_msg_amp *amp)
{
	return test_bit(AMP_SILENT, &amp->flags) &&
	       (READ_ONCE(heartbeat_ms) ||
		test_bit(AMP_STOPPING, &amp->flags));
}

/* Asked, without an answer or anything else since */
static bool amp_asked(struct virtio_msg_amp *amp)
{
	/* Pairs with the release in amp_ask(), which says why. */
	return smp_load_acquire(&amp->asked) &&
	       time_before_eq(READ_ONCE(amp->heard), READ_ONCE(amp->asked_at));
}

/*
 * A PING is under way.  A peer that has read all that there was, and is silent
 * all the same, has not answered ours.  Caller holds tx_lock.
 */
static bool amp_asking(struct virtio_msg_amp *amp)
{
	return amp->ask ||
	       (amp_asked(amp) && !(test_bit(AMP_SILENT, &amp->flags) &&
				    amp->ring.ops->all_read(&amp->ring)));
}

/*
 * Sends a PING, unless one is under way.  The answer comes to amp_response(),
 * and need not: any message will do.  Any context, no locks held.
 */
static void amp_ask(struct virtio_msg_amp *amp)
{
	unsigned long flags;

	spin_lock_irqsave(&amp->tx_lock, flags);
	if (!amp_asking(amp)) {
		WRITE_ONCE(amp->asked_at, jiffies);
		/* A CPU that sees that it was asked sees when. */
		smp_store_release(&amp->asked, true);
		amp->ask = true;
	}
	amp_flush_unlock(amp, flags);
}

/*
 * Something was asked, long ago, at the time of since.  Any context, no locks
 * held.
 */
static void amp_find_silent(struct virtio_msg_amp *amp, unsigned long since)
{
	if (!time_before_eq(READ_ONCE(amp->heard), since) ||
	    test_and_set_bit(AMP_SILENT, &amp->flags))
		return;
	/* It may have called meanwhile; see amp_heard(). */
	if (!time_before_eq(READ_ONCE(amp->heard), since)) {
		clear_bit(AMP_SILENT, &amp->flags);
		return;
	}
	atomic_inc(&amp->silences);
	set_bit(AMP_TELL_SILENT, &amp->flags);
	amp_abort_requests(amp, NULL, -EHOSTDOWN);
	/* If it goes on one day, it is to answer the reset before all else. */
	if (amp_given_up(amp))
		amp_break_devices(amp, true);
	queue_work(amp->urgent, &amp->breaking);
}

/*
 * Waits for the answer to what was asked at the time of since, for so many
 * jiffies.  It may be one device alone that does not answer, so that in the
 * middle of a silence the bus is asked, too.  Returns 0 if no answer came.
 */
static long amp_wait(struct virtio_msg_amp *amp, struct amp_request *req,
		     unsigned long since, long left)
{
	long half = left / 2;

	if (wait_for_completion_timeout(&req->done, half))
		return 1;
	if (READ_ONCE(heartbeat_ms) &&
	    time_before_eq(READ_ONCE(amp->heard), since))
		amp_ask(amp);
	return wait_for_completion_timeout(&req->done, left - half);
}

static int amp_transfer(struct virtio_msg_amp *amp,
			const struct amp_device *adev,
			struct virtio_msg *request, struct virtio_msg *response)
{
	struct amp_request req = {
		.adev = adev,
		.request = request,
		.response = response,
	};
	unsigned long start = jiffies;
	long left;
	int err;

	if (amp_failed(amp))
		return -EIO;
	/* Whoever was silent for a whole timeout is not waited for again. */
	if (test_bit(AMP_SILENT, &amp->flags))
		return -EHOSTDOWN;

	init_completion(&req.done);
	amp_add_request(amp, &req);
	request->token = cpu_to_le16(req.token);

	/* What is aborted while it waits for room is not sent any more. */
	err = -EAGAIN;
	left = wait_event_timeout(amp->room,
				  completion_done(&req.done) ||
				  amp_send(amp, adev, request, &err),
				  amp_timeout());
	/* Whoever has just made room gets the time to answer, too. */
	if (left && !err)
		left = amp_wait(amp, &req, start,
				max_t(long, left, amp_timeout() / 2));

	/* From here on no answer can find us. */
	amp_remove_request(amp, &req);

	if (err && err != -EAGAIN)
		return err;
	if (try_wait_for_completion(&req.done) || left)
		return req.result;

	amp_find_silent(amp, start);
	return -ETIMEDOUT;
}

/* For a device that is given up: not waited for, and the answer is dropped. */
static void amp_device_post(struct virtio_msg_device *vmdev,
			    struct virtio_msg *request)
{
	struct amp_device *adev = to_amp_device(vmdev);
	int err;

	request->token = 0;
	amp_send(adev->amp, adev, request, &err);
}

static int amp_device_transfer(struct virtio_msg_device *vmdev,
			       struct virtio_msg *request,
			       struct virtio_msg *response)
{
	struct amp_device *adev = to_amp_device(vmdev);

	return amp_transfer(adev->amp, adev, request, response);
}

static bool amp_device_notify(struct virtio_msg_device *vmdev,
			      struct virtio_msg_vq *mvq, u32 next_offset)
{
	struct virtio_msg_amp *amp = to_amp_device(vmdev)->amp;
	unsigned long flags;

	if (amp_failed(amp))
		return false;

	spin_lock_irqsave(&amp->tx_lock, flags);
	mvq->next_offset = next_offset;
	if (list_empty(&mvq->pending))
		list_add_tail(&mvq->pending, &amp->pending);
	amp_flush_unlock(amp, flags);

	return !amp_failed(amp);
}

static void amp_device_cancel_notify(struct virtio_msg_device *vmdev,
				     struct virtio_msg_vq *mvq)
{
	struct virtio_msg_amp *amp = to_amp_device(vmdev)->amp;
	unsigned long flags;

	spin_lock_irqsave(&amp->tx_lock, flags);
	list_del_init(&mvq->pending);
	spin_unlock_irqrestore(&amp->tx_lock, flags);
}

/* Caller holds rx_lock. */
static void amp_start_leaving(struct amp_device *adev)
{
	if (adev->leaving)
		return;
	adev->leaving = true;
	queue_work(adev->leavers, &adev->leave);
}

/*
 * A device that is given up leaves in the next scan.  But the probe that this
 * one waits for can be waiting for just that device's driver to be removed: the
 * core of hwrng reads from one generator at a time, and virtio_rng waits for a
 * queue that is broken.
 */
static void amp_hasten_work(struct work_struct *work)
{
	struct virtio_msg_amp *amp =
		container_of(work, struct virtio_msg_amp, hasten.work);
	struct amp_device *adev;
	unsigned long num;

	spin_lock_irq(&amp->rx_lock);
	if (test_bit(AMP_SCANNING, &amp->flags))
		xa_for_each(&amp->devices, num, adev)
			if (adev->registered &&
			    (READ_ONCE(adev->vmdev.broken) ||
			     READ_ONCE(adev->vmdev.failed)))
				amp_start_leaving(adev);
	spin_unlock_irq(&amp->rx_lock);
}

static void amp_device_given_up(struct virtio_msg_device *vmdev)
{
	struct amp_device *adev = to_amp_device(vmdev);
	struct virtio_msg_amp *amp = adev->amp;

	/* No driver knows what to do then but to begin anew. */
	if (READ_ONCE(vmdev->failed) && !xchg(&adev->failed, true)) {
		atomic_inc(&amp->failures);
		amp_schedule_scan(amp);
	}
	queue_delayed_work(amp->urgent, &amp->hasten, amp_timeout());
}

static void amp_device_release(struct virtio_msg_device *vmdev)
{
	kfree(to_amp_device(vmdev));
}

static const struct virtio_msg_ops amp_device_ops = {
	.owner		= THIS_MODULE,
	.transfer	= amp_device_transfer,
	.post		= amp_device_post,
	.notify		= amp_device_notify,
	.cancel_notify	= amp_device_cancel_notify,
	.given_up	= amp_device_given_up,
	.release	= amp_device_release,
};

/* Receiving.  All of these run with rx_lock held. */

static bool amp_response(struct virtio_msg_amp *amp,
			 const struct virtio_msg *msg)
{
	bool bare = !msg->token && msg->type & VIRTIO_MSG_TYPE_BUS;
	struct amp_request *req;
	unsigned long flags;
	bool match;

	/* Nobody waits for the answer to a heartbeat. */
	if (bare && msg->msg_id == VIRTIO_MSG_BUS_PING &&
	    xchg(&amp->asked, false))
		return true;

	spin_lock_irqsave(&amp->requests_lock, flags);
	req = bare ? amp_find_bare_request(amp, msg->msg_id)
		   : amp_find_request(amp, le16_to_cpu(msg->token));
	match = req && !completion_done(&req->done) &&
		req->request->msg_id == msg->msg_id &&
		req->request->dev_num == msg->dev_num &&
		!((req->request->type ^ msg->type) & VIRTIO_MSG_TYPE_BUS);
	if (match) {
		memcpy(req->response, msg, le16_to_cpu(msg->msg_size));
		complete(&req->done);
	}
	spin_unlock_irqrestore(&amp->requests_lock, flags);
	return match;
}

static bool amp_ping(struct virtio_msg_amp *amp, const struct virtio_msg *msg)
{
	struct virtio_msg_amp_ping *ping;
	unsigned int sent = 0;
	bool taken;

	spin_lock(&amp->tx_lock);
	/* A peer that reads no answers gets none to more than a queue full. */
	taken = amp->num_pings < VIRTIO_MSG_AMP_PINGS;
	if (taken) {
		ping = &amp->pings[(amp->first_ping + amp->num_pings++) %
				   VIRTIO_MSG_AMP_PINGS];
		ping->token = msg->token;
		ping->data = msg->ping.data;
		sent = amp_flush(amp);
	}
	spin_unlock(&amp->tx_lock);

	if (sent)
		amp->ops->ring(amp);
	return taken;
}

/* Nobody answers for a device that is gone. */
static void amp_remove(struct virtio_msg_amp *amp, struct amp_device *adev)
{
	WRITE_ONCE(adev->removed, true);
	amp_abort_requests(amp, adev, -ENODEV);
}

/*
 * A device side that makes events without end does not keep us busy with scans,
 * and those are what makes devices come and go.  Caller holds rx_lock.
 */
static void amp_follow(struct virtio_msg_amp *amp)
{
	unsigned long earned = (jiffies - amp->scans_at) / AMP_SCAN_GAP;

	if (earned) {
		amp->scans_left = min_t(unsigned long, AMP_SCAN_BURST,
					amp->scans_left + earned);
		amp->scans_at = jiffies;
	}
	if (amp->scans_left) {
		amp->scans_left--;
		amp_schedule_scan(amp);
	} else {
		queue_delayed_work(amp->slow, &amp->follow, AMP_SCAN_GAP);
	}
}

static bool amp_event_device(struct virtio_msg_amp *amp,
			     const struct virtio_msg *msg)
{
	u16 num = le16_to_cpu(msg->event_device.device_number);
	u16 state = le16_to_cpu(msg->event_device.state);
	struct amp_device *adev = xa_load(&amp->devices, num);

	switch (state) {
	case VIRTIO_MSG_DEVICE_ADDED:
		if (adev)
			adev->ready = true;
		break;
	case VIRTIO_MSG_DEVICE_REMOVED:
		if (!adev) {
			if (amp->adding && amp->adding->vmdev.dev_num == num)
				amp_remove(amp, amp->adding);
			return true;
		}
		virtio_msg_break(&adev->vmdev, false);
		amp_remove(amp, adev);
		break;
	default:
		return false;
	}
	amp_follow(amp);
	return true;
}

static bool amp_bus_message(struct virtio_msg_amp *amp,
			    const struct virtio_msg *msg)
{
	size_t len = le16_to_cpu(msg->msg_size) - VIRTIO_MSG_HDR_SIZE;

	switch (msg->msg_id) {
	case VIRTIO_MSG_BUS_PING:
		return len >= sizeof(msg->ping) && amp_ping(amp, msg);
	case VIRTIO_MSG_BUS_EVENT_DEVICE:
		return len >= sizeof(msg->event_device) &&
		       amp_event_device(amp, msg);
	default:
		return false;
	}
}

/* A message that came in so many bytes */
static bool amp_dispatch(struct virtio_msg_amp *amp,
			 const struct virtio_msg *msg, size_t len)
{
	struct amp_device *adev;
	u16 size = le16_to_cpu(msg->msg_size);

	if (size < VIRTIO_MSG_HDR_SIZE || size > len)
		return false;

	if (msg->type & VIRTIO_MSG_TYPE_RESPONSE)
		return amp_response(amp, msg);
	if (msg->type & VIRTIO_MSG_TYPE_BUS)
		return amp_bus_message(amp, msg);

	if (msg->msg_id == VIRTIO_MSG_EVENT_USED)
		amp->progress++;
	adev = xa_load(&amp->devices, le16_to_cpu(msg->dev_num));
	return adev && virtio_msg_event(&adev->vmdev, msg);
}

static void amp_heard(struct virtio_msg_amp *amp)
{
	WRITE_ONCE(amp->heard, jiffies);
	/* Pairs with the second look before the peer is called silent. */
	smp_mb();

	if (!test_bit(AMP_KNOWN, &amp->flags))
		set_bit(AMP_KNOWN, &amp->flags);

	/* What was given up while the peer was silent gets another chance. */
	if (test_bit(AMP_SILENT, &amp->flags) &&
	    test_and_clear_bit(AMP_SILENT, &amp->flags)) {
		set_bit(AMP_TELL_HEARD, &amp->flags);
		amp_schedule_scan(amp);
	}
}

/*
 * A device side that starts zeroes the queues, ours included.  What stands
 * there then counts, and all that was agreed on before is void.
 */
static void amp_check_restart(struct virtio_msg_amp *amp)
{
	struct amp_device *adev;
	unsigned long num;
	int news;

	spin_lock(&amp->tx_lock);
	news = amp->ring.ops->poll(&amp->ring, amp_failed(amp));
	if (news == -EPROTO)
		amp_fail(amp);
	/* What was asked of the one before, this one does not answer. */
	if (news > 0) {
		clear_bit(AMP_FAILED, &amp->flags);
		amp->num_pings = 0;
		amp->ask = false;
		WRITE_ONCE(amp->asked, false);
	}
	spin_unlock(&amp->tx_lock);
	if (news <= 0)
		return;

	xa_for_each(&amp->devices, num, adev)
		virtio_msg_break(&adev->vmdev, false);
	virtio_msg_link_forget(&amp->link);
	amp_abort_requests(amp, NULL, -ECONNRESET);
	atomic_inc(&amp->restarts);
	set_bit(AMP_TELL_RESTARTED, &amp->flags);
	amp_heard(amp);
	amp_follow(amp);
}

/* There may be room: use it, and ring if the peer is to know of something. */
static void amp_use_room(struct virtio_msg_amp *amp, bool ring)
{
	unsigned long flags;
	bool room, waiting;

	spin_lock_irqsave(&amp->tx_lock, flags);
	ring |= amp_flush(amp) > 0;
	room = !amp_failed(amp) && amp->ring.ops->room(&amp->ring) > 0;
	waiting = amp_waiting(amp);
	spin_unlock_irqrestore(&amp->tx_lock, flags);

	if (room)
		wake_up_all(&amp->room);
	if (ring)
		amp->ops->ring(amp);
	/* A task that begins to wait just now looks for room, and comes here. */
	if (waiting || (!room && waitqueue_active(&amp->room)))
		amp_flush_later(amp);
}

static void amp_flush_work(struct work_struct *work)
{
	amp_use_room(container_of(work, struct virtio_msg_amp, flushing.work),
		     false);
}

bool virtio_msg_amp_interrupt(struct virtio_msg_amp *amp)
{
	const struct virtio_msg *msg = (struct virtio_msg *)amp->received;
	unsigned int budget = AMP_RX_BUDGET;
	bool was_full = false;
	unsigned long flags;
	int ret = 0;

	spin_lock_irqsave(&amp->rx_lock, flags);
	if (test_bit(AMP_STOPPED, &amp->flags) ||
	    test_bit(AMP_ASLEEP, &amp->flags)) {
		spin_unlock_irqrestore(&amp->rx_lock, flags);
		return false;
	}
	amp_check_restart(amp);

	while (budget-- && !amp_failed(amp)) {
		ret = amp->ring.ops->get(&amp->ring, amp->received, &was_full);
		if (ret <= 0)
			break;
		amp_heard(amp);
		if (!amp_dispatch(amp, msg, ret))
			atomic_inc(&amp->dropped);
	}
	if (ret < 0)
		amp_fail(amp);
	spin_unlock_irqrestore(&amp->rx_lock, flags);

	if (amp_failed(amp))
		return false;

	/* The peer also rings when it has made room in a full queue. */
	amp_use_room(amp, was_full);
	return ret > 0;
}
EXPORT_SYMBOL_GPL(virtio_msg_amp_interrupt);

/* Devices */

static int amp_bus_transfer(struct virtio_msg_amp *amp, u8 msg_id,
			    struct virtio_msg *request, size_t request_len,
			    struct virtio_msg *response, size_t response_len)
{
	int err;

	request->type = VIRTIO_MSG_TYPE_BUS;
	request->msg_id = msg_id;
	request->dev_num = 0;
	request->msg_size = cpu_to_le16(VIRTIO_MSG_HDR_SIZE + request_len);
	memset(response, 0, sizeof(*response));

	err = amp_transfer(amp, NULL, request, response);
	if (!err && le16_to_cpu(response->msg_size) <
		    VIRTIO_MSG_HDR_SIZE + response_len)
		err = -EPROTO;
	return err;
}

/* Asks for some numbers; the window lies in the response then. */
static int amp_get_window(struct virtio_msg_amp *amp, u16 offset,
			  unsigned int wanted, struct virtio_msg *response,
			  struct virtio_msg_window *window)
{
	struct virtio_msg request;
	int err;

	request.get_devices.offset = cpu_to_le16(offset);
	request.get_devices.count = cpu_to_le16(wanted);
	err = amp_bus_transfer(amp, VIRTIO_MSG_BUS_GET_DEVICES,
			       &request, sizeof(request.get_devices),
			       response, VIRTIO_MSG_MIN_DEVICES);
	if (err)
		return err;
	return virtio_msg_link_window(&amp->link, response, offset, wanted,
				      window);
}

/* Sets the bit of each device that there is.  D-01, Q-03. */
static int amp_enumerate(struct virtio_msg_amp *amp, unsigned long *present)
{
	unsigned int offset = 0, windows = 0, wanted, i;
	struct virtio_msg_window window;
	struct virtio_msg response;
	bool last, news;
	int err;

	/* The offset grows in each round, but maybe by little. */
	do {
		if (test_bit(AMP_STOPPING, &amp->flags))
			return -ESHUTDOWN;
		wanted = min_t(unsigned int, AMP_NUM_DEVICES - offset,
			       virtio_msg_link_window_size(&amp->link));
		err = amp_get_window(amp, offset, wanted, &response, &window);
		if (err)
			return err;

		news = false;
		for (i = 0; i < window.count; i++)
			if (window.bitmap[i / 8] & BIT(i % 8))
				news |= !__test_and_set_bit(window.offset + i,
							    present);
		last = virtio_msg_link_last_window(&amp->link, offset, wanted,
						   &window, news);
		offset = window.next;
	} while (!last && ++windows < AMP_MAX_WINDOWS);
	return 0;
}

/* From then on no event finds the device. */
static void amp_erase_device(struct virtio_msg_amp *amp,
			     struct amp_device *adev)
{
	xa_erase(&amp->devices, adev->vmdev.dev_num);

	/* Whatever found it before holds this while using it. */
	spin_lock_irq(&amp->rx_lock);
	spin_unlock_irq(&amp->rx_lock);
}

static void amp_forget_device(struct virtio_msg_amp *amp,
			      struct amp_device *adev)
{
	amp_erase_device(amp, adev);
	virtio_msg_put(&adev->vmdev);
}

static void amp_leave(struct work_struct *work)
{
	static DEFINE_RATELIMIT_STATE(news, 60 * HZ, AMP_MAX_NEWS);
	struct amp_device *adev = container_of(work, struct amp_device, leave);

	virtio_msg_unregister(&adev->vmdev);
	if (__ratelimit(&news))
		dev_info(adev->amp->dev, "device %u: removed\n",
			 adev->vmdev.dev_num);
}

/* Where a device will leave */
static struct workqueue_struct *amp_leavers(struct virtio_msg_amp *amp, u16 num)
{
	unsigned int index = num >> AMP_LEAVERS_SHIFT;
	struct workqueue_struct *wq = xa_load(&amp->leavers, index);

	if (wq)
		return wq;
	wq = alloc_workqueue("virtio_msg_leave%u-%s", WQ_UNBOUND, WQ_MAX_ACTIVE,
			     index, dev_name(amp->dev));
	if (wq && xa_err(xa_store(&amp->leavers, index, wq, GFP_KERNEL))) {
		destroy_workqueue(wq);
		return NULL;
	}
	return wq;
}

static unsigned long amp_rest_time(unsigned int failures)
{
	return msecs_to_jiffies(AMP_REST_MS << failures);
}

/* Has a device that has failed come back later, and later each time. */
static void amp_rest(struct virtio_msg_amp *amp, struct amp_device *adev)
{
	unsigned int failures = adev->failures;
	struct amp_rest *rest, *old;

	if (time_after(jiffies, adev->since + AMP_HEALTHY_RESTS *
				amp_rest_time(failures)))
		failures = 0;
	rest = kmalloc(sizeof(*rest), GFP_KERNEL);
	if (!rest)
		return;
	rest->until = jiffies + amp_rest_time(failures);
	rest->failures = min_t(unsigned int, failures + 1, AMP_MAX_RESTS);
	dev_info_ratelimited(amp->dev, "device %u: comes back in %u s\n",
			     adev->vmdev.dev_num,
			     AMP_REST_MS / (unsigned int)MSEC_PER_SEC << failures);
	old = xa_store(&amp->resting, adev->vmdev.dev_num, rest, GFP_KERNEL);
	kfree(xa_is_err(old) ? rest : old);
}

/*
 * Removes the devices that have started to leave.  They leave at the same
 * time, because drivers of several broken devices can wait for each other: the
 * core of hwrng, when one generator goes, reads from the next one.
 */
static void amp_finish_leaving(struct virtio_msg_amp *amp)
{
	struct amp_device *adev;
	unsigned long num;
	bool leaving;

	xa_for_each(&amp->devices, num, adev) {
		/* If it is seen under the lock, the work is queued. */
		spin_lock_irq(&amp->rx_lock);
		leaving = adev->leaving;
		spin_unlock_irq(&amp->rx_lock);
		if (leaving) {
			flush_work(&adev->leave);
			if (adev->failed)
				amp_rest(amp, adev);
			amp_forget_device(amp, adev);
		}
	}
}

/*
 * Asks what a device is and has events find it.  An event that says that it is
 * gone may come before that: the next device of that number is another one.
 * Nor is it added when all are to go: amp_hurry_work() may not come again.
 */
static int amp_enter_device(struct virtio_msg_amp *amp, struct amp_device *adev)
{
	int err;

	spin_lock_irq(&amp->rx_lock);
	amp->adding = adev;
	spin_unlock_irq(&amp->rx_lock);

	err = virtio_msg_init(&adev->vmdev);
	if (!err)
		err = xa_insert(&amp->devices, adev->vmdev.dev_num, adev,
				GFP_KERNEL);

	spin_lock_irq(&amp->rx_lock);
	amp->adding = NULL;
	spin_unlock_irq(&amp->rx_lock);

	if (!err &&
	    (adev->removed || test_bit(AMP_STOPPING, &amp->flags))) {
		amp_erase_device(amp, adev);
		err = -ENODEV;
	}
	return err;
}

/* Returns false if it may be worth another try. */
static bool amp_add_device(struct virtio_msg_amp *amp, u16 num,
			   unsigned int failures)
{
	struct amp_device *adev;
	int err;

	adev = kzalloc(sizeof(*adev), GFP_KERNEL);
	if (!adev)
		return false;
	adev->amp = amp;
	adev->leavers = amp_leavers(amp, num);
	if (!adev->leavers) {
		kfree(adev);
		return false;
	}
	adev->since = jiffies;
	adev->failures = failures;
	INIT_WORK(&adev->leave, amp_leave);
	adev->vmdev.ops = &amp_device_ops;
	adev->vmdev.dev_num = num;
	adev->vmdev.link = &amp->link;
	adev->vmdev.wq = amp->urgent;
	adev->vmdev.vdev.dev.parent = amp->dev;

	err = amp_enter_device(amp, adev);
	if (err) {
		kfree(adev);
		return err == -ENODEV;
	}

	err = virtio_msg_register(&adev->vmdev);
	if (err) {
		dev_err(amp->dev, "device %u: cannot be registered (%d)\n",
			num, err);
		amp_forget_device(amp, adev);
		return false;
	}
	spin_lock_irq(&amp->rx_lock);
	adev->registered = true;
	spin_unlock_irq(&amp->rx_lock);
	if (READ_ONCE(adev->vmdev.broken))
		amp_device_given_up(&adev->vmdev);
	return true;
}

/* Returns true if the device has to go. */
static bool amp_device_stale(struct amp_device *adev)
{
	bool again;

	if (READ_ONCE(adev->removed) || READ_ONCE(adev->failed))
		return true;

	/* A READY for a device that we have is either late or news. */
	again = xchg(&adev->ready, false);
	if (again || READ_ONCE(adev->vmdev.broken))
		return !virtio_msg_recover(&adev->vmdev);
	return false;
}

/* The log lines and the state in sysfs, where that may take its time */
static void amp_tell(struct virtio_msg_amp *amp)
{
	bool changed = false;

	if (test_and_clear_bit(AMP_TELL_FAILED, &amp->flags)) {
		dev_err_ratelimited(amp->dev,
				    "index of a queue out of range, link shut down until the device side starts anew\n");
		changed = true;
	}
	if (test_and_clear_bit(AMP_TELL_SILENT, &amp->flags)) {
		dev_warn_ratelimited(amp->dev,
				     "the device side does not answer, waiting until it calls\n");
		changed = true;
	}
	if (test_and_clear_bit(AMP_TELL_HEARD, &amp->flags)) {
		dev_info_ratelimited(amp->dev,
				     "the device side can be heard again\n");
		changed = true;
	}
	if (test_and_clear_bit(AMP_TELL_RESTARTED, &amp->flags)) {
		dev_info_ratelimited(amp->dev,
				     "the device side has restarted\n");
		changed = true;
	}
	if (changed)
		sysfs_notify(&amp->dev->kobj, "virtio_msg", "state");
}

/* Apart from the scan, which may be waiting for just what this brings about */
static void amp_break_work(struct work_struct *work)
{
	struct virtio_msg_amp *amp =
		container_of(work, struct virtio_msg_amp, breaking);

	if (amp_failed(amp) || amp_given_up(amp))
		amp_break_devices(amp, !amp_failed(amp));
	amp_tell(amp);
}

static unsigned long amp_heartbeat_period(void)
{
	return msecs_to_jiffies(clamp(READ_ONCE(heartbeat_ms) ?:
				      AMP_HEARTBEAT_MS, AMP_MIN_HEARTBEAT_MS,
				      AMP_MAX_HEARTBEAT_MS));
}

/* Returns after how many jiffies to look again. */
static unsigned long amp_beat(struct virtio_msg_amp *amp)
{
	unsigned long period = amp_heartbeat_period();
	unsigned long timeout = amp_timeout();
	unsigned long heard = READ_ONCE(amp->heard);
	unsigned long now = jiffies;
	unsigned long asked_at;

	if (test_bit(AMP_SILENT, &amp->flags)) {
		/* When it goes on, it is to call, whatever else it finds. */
		if (READ_ONCE(heartbeat_ms))
			amp_ask(amp);
		return period;
	}
	if (!READ_ONCE(heartbeat_ms) || xa_empty(&amp->devices) ||
	    amp_failed(amp))
		return period;
	if (amp_asked(amp)) {
		asked_at = READ_ONCE(amp->asked_at);
		if (time_before(now, asked_at + timeout))
			return min(period, asked_at + timeout - now);
		amp_find_silent(amp, asked_at);
		return period;
	}
	if (time_before(now, heard + period))
		return heard + period - now;
	amp_ask(amp);
	return min(period, timeout);
}

/*
 * In hard interrupts.  But to ask for that promises to take no lock that sleeps
 * on PREEMPT_RT, which holds only there, see amp_heartbeat(); elsewhere it is
 * where all timers of this kind run.
 */
#define AMP_HEARTBEAT_MODE	(IS_ENABLED(CONFIG_PREEMPT_RT) ? \
				 HRTIMER_MODE_REL_HARD : HRTIMER_MODE_REL)

static void amp_start_heartbeat(struct virtio_msg_amp *amp, unsigned long wait)
{
	hrtimer_start(&amp->heartbeat, ns_to_ktime(jiffies_to_nsecs(wait)),
		      AMP_HEARTBEAT_MODE);
}

static void amp_beat_work(struct work_struct *work)
{
	struct virtio_msg_amp *amp =
		container_of(work, struct virtio_msg_amp, beating);
	unsigned long wait = amp_beat(amp);

	if (!test_bit(AMP_STOPPED, &amp->flags))
		amp_start_heartbeat(amp, wait);
}

/*
 * A device side that dies with requests under way says nothing of it.
 *
 * A timer that needs nobody's help: drivers spin with softirqs off until a
 * queue moves, and other timers of that CPU, and maybe all work, wait for them.
 * On PREEMPT_RT such a driver can be preempted, but spinlocks sleep.
 *
 * A driver that spins with interrupts off, as virtio_console does for each
 * output, keeps also this timer waiting if it is on that very CPU.
 */
static enum hrtimer_restart amp_heartbeat(struct hrtimer *timer)
{
	struct virtio_msg_amp *amp =
		container_of(timer, struct virtio_msg_amp, heartbeat);
	unsigned long wait;

	if (IS_ENABLED(CONFIG_PREEMPT_RT)) {
		queue_work(amp->urgent, &amp->beating);
		return HRTIMER_NORESTART;
	}
	wait = amp_beat(amp);
	hrtimer_forward_now(timer, ns_to_ktime(jiffies_to_nsecs(wait)));
	return HRTIMER_RESTART;
}

/* Each of the two may have started the other. */
static void amp_stop_heartbeat(struct virtio_msg_amp *amp)
{
	hrtimer_cancel(&amp->heartbeat);
	cancel_work_sync(&amp->beating);
	hrtimer_cancel(&amp->heartbeat);
}

static bool amp_usable(struct virtio_msg_amp *amp)
{
	return !amp_failed(amp) && !test_bit(AMP_SILENT, &amp->flags) &&
	       !test_bit(AMP_STOPPING, &amp->flags) &&
	       !test_bit(AMP_HELD, &amp->flags);
}

/*
 * Sees to it that those that rest are looked at when the first one has.  Those
 * that had at the time of now were.
 */
static void amp_wait_for_rested(struct virtio_msg_amp *amp, unsigned long now)
{
	unsigned long num, left = ULONG_MAX, passed;
	struct amp_rest *rest;

	xa_for_each(&amp->resting, num, rest) {
		/* Nobody has come to take it. */
		if (time_after_eq(now, rest->until))
			kfree(xa_erase(&amp->resting, num));
		else
			left = min(left, rest->until - now);
	}
	if (left == ULONG_MAX)
		return;
	passed = jiffies - now;
	mod_delayed_work(amp->slow, &amp->rested,
			 left > passed ? left - passed : 0);
}

static void amp_follow_work(struct work_struct *work)
{
	struct virtio_msg_amp *amp =
		container_of(work, struct virtio_msg_amp, follow.work);

	/* An event may have used up what has been earned meanwhile. */
	spin_lock_irq(&amp->rx_lock);
	amp_follow(amp);
	spin_unlock_irq(&amp->rx_lock);
}

static void amp_rested_work(struct work_struct *work)
{
	amp_schedule_scan(container_of(work, struct virtio_msg_amp,
				       rested.work));
}

/*
 * Adds those that there are, and that do not rest at the time of now.  Returns
 * false if something did not work that may work later.
 */
static bool amp_add_devices(struct virtio_msg_amp *amp,
			    const unsigned long *present, unsigned long now)
{
	unsigned int limit = READ_ONCE(max_devices), count = 0, failures;
	struct amp_device *adev;
	struct amp_rest *rest;
	unsigned long num;
	bool good = true;

	xa_for_each(&amp->devices, num, adev)
		count++;
	xa_for_each(&amp->resting, num, rest)
		count++;

	for_each_set_bit(num, present, AMP_NUM_DEVICES) {
		if (!amp_usable(amp))
			break;
		if (xa_load(&amp->devices, num))
			continue;
		failures = 0;
		rest = xa_load(&amp->resting, num);
		if (rest) {
			if (time_before(now, rest->until))
				continue;
			failures = rest->failures;
			kfree(xa_erase(&amp->resting, num));
			count--;
		}
		if (count >= limit) {
			dev_warn_ratelimited(amp->dev,
					     "device %lu and those after it are not used, max_devices=%u\n",
					     num, limit);
			break;
		}
		if (!amp_add_device(amp, num, failures))
			good = false;
		else if (xa_load(&amp->devices, num))
			count++;
	}
	return good;
}

static void amp_remove_stale(struct virtio_msg_amp *amp,
			     const unsigned long *present)
{
	struct amp_device *adev;
	unsigned long num;

	xa_for_each(&amp->devices, num, adev) {
		if (!test_bit(num, present))
			virtio_msg_break(&adev->vmdev, false);
		else if (!amp_device_stale(adev))
			continue;
		spin_lock_irq(&amp->rx_lock);
		amp_start_leaving(adev);
		spin_unlock_irq(&amp->rx_lock);
	}
	amp_finish_leaving(amp);
}

static void amp_find_devices(struct virtio_msg_amp *amp)
{
	unsigned long *present, now;
	int err = -ENOMEM;

	present = bitmap_zalloc(AMP_NUM_DEVICES, GFP_KERNEL);
	if (present)
		err = amp_enumerate(amp, present);
	if (!err) {
		amp_remove_stale(amp, present);
		/* Adding takes its time, in which others may end their rest. */
		now = jiffies;
		if (amp_add_devices(amp, present, now))
			amp->retries = 0;
		else if (amp_usable(amp))
			amp_retry_scan(amp);
		amp_wait_for_rested(amp, now);
	} else if (amp_usable(amp) && err != -ECONNRESET) {
		/* The others have their own line in the log. */
		if (err != -EPROTONOSUPPORT)
			dev_err_ratelimited(amp->dev,
					    "cannot list the devices (%d)\n",
					    err);
		amp_retry_scan(amp);
	}
	bitmap_free(present);
}

/* Returns false if there shall be none. */
static bool amp_begin_scan(struct virtio_msg_amp *amp)
{
	bool usable;

	spin_lock_irq(&amp->rx_lock);
	usable = amp_usable(amp);
	if (usable)
		set_bit(AMP_SCANNING, &amp->flags);
	spin_unlock_irq(&amp->rx_lock);
	return usable;
}

/* Returns false if somebody leaves. */
static bool amp_end_scan(struct virtio_msg_amp *amp)
{
	struct amp_device *adev;
	bool leaving = false;
	unsigned long num;

	spin_lock_irq(&amp->rx_lock);
	xa_for_each(&amp->devices, num, adev)
		leaving |= adev->leaving;
	if (!leaving)
		clear_bit(AMP_SCANNING, &amp->flags);
	spin_unlock_irq(&amp->rx_lock);

	if (!leaving)
		wake_up_all(&amp->scanned);
	return !leaving;
}

static void amp_scan(struct work_struct *work)
{
	struct virtio_msg_amp *amp =
		container_of(work, struct virtio_msg_amp, scan.work);

	amp_tell(amp);

	/* From then on virtio_msg_amp_stop() alone removes devices. */
	if (!amp_begin_scan(amp))
		return;

	amp_find_devices(amp);
	/* Those that could not wait for the next scan: more may do so meanwhile. */
	do {
		amp_finish_leaving(amp);
	} while (!amp_end_scan(amp));
}

/*
 * Waits for a scan that is under way, when a flag says that there shall be no
 * other.  A device side that does not answer is found out in less than two
 * timeouts; but the driver that a scan waits for may itself wait for user
 * space.  Returns false if it does not end.
 */
static bool amp_wait_for_scan(struct virtio_msg_amp *amp)
{
	/* A scan that has not seen the flag is seen. */
	spin_lock_irq(&amp->rx_lock);
	spin_unlock_irq(&amp->rx_lock);

	if (!wait_event_timeout(amp->scanned,
				!test_bit(AMP_SCANNING, &amp->flags),
				2 * amp_timeout()))
		return false;
	cancel_delayed_work_sync(&amp->scan);
	return true;
}

/*
 * When devices are to go, their drivers wait for what is under way.  This is
 * for a device side that answers, but does not complete that.  Once is enough:
 * from the time that devices are to go, amp_enter_device() lets none in.
 */
static void amp_hurry_work(struct work_struct *work)
{
	struct virtio_msg_amp *amp =
		container_of(work, struct virtio_msg_amp, hurry.work);
	unsigned int progress = READ_ONCE(amp->progress);

	if (progress != amp->old_progress && amp->delays++ < AMP_MAX_DELAYS) {
		amp->old_progress = progress;
		queue_delayed_work(amp->urgent, &amp->hurry, amp_timeout());
		return;
	}
	dev_warn(amp->dev,
		 "requests are still under way, ending them as failed\n");
	amp_break_devices(amp, true);
}

const char *virtio_msg_amp_state(const struct virtio_msg_amp *amp)
{
	if (test_bit(AMP_FAILED, &amp->flags))
		return "failed";
	if (test_bit(AMP_SILENT, &amp->flags) ||
	    !test_bit(AMP_KNOWN, &amp->flags))
		return "silent";
	return "up";
}
EXPORT_SYMBOL_GPL(virtio_msg_amp_state);

const char *virtio_msg_amp_wire(const struct virtio_msg_amp *amp)
{
	return virtio_msg_link_wire_name(&amp->link);
}
EXPORT_SYMBOL_GPL(virtio_msg_amp_wire);

bool virtio_msg_amp_known(const struct virtio_msg_amp *amp)
{
	return test_bit(AMP_KNOWN, &amp->flags);
}
EXPORT_SYMBOL_GPL(virtio_msg_amp_known);

bool virtio_msg_amp_unread(struct virtio_msg_amp *amp)
{
	return amp->ring.ops->unread(&amp->ring);
}
EXPORT_SYMBOL_GPL(virtio_msg_amp_unread);

static void amp_free_workqueues(struct virtio_msg_amp *amp)
{
	struct workqueue_struct *wq;
	unsigned long index;

	xa_for_each(&amp->leavers, index, wq)
		destroy_workqueue(wq);
	xa_destroy(&amp->leavers);
	if (amp->slow)
		destroy_workqueue(amp->slow);
	if (amp->urgent)
		destroy_workqueue(amp->urgent);
}

int virtio_msg_amp_init(struct virtio_msg_amp *amp, void *driver_queue,
			void *device_queue)
{
	if (virtio_msg_ring_is_v1(driver_queue)) {
		dev_err_ratelimited(amp->dev,
				    "layout v1 is not supported, start the device side with layout=spsc\n");
		return -EOPNOTSUPP;
	}

	virtio_msg_ring_use_spsc(&amp->ring, driver_queue, device_queue);
	if (WARN_ON_ONCE(amp->ring.max_size > sizeof(amp->received)))
		return -EINVAL;

	xa_init(&amp->leavers);
	/*
	 * One link's work does not keep another one's waiting, and what gives
	 * devices up does not stand behind what waits for just that.  Nor does
	 * it wait for memory, which can be in use until requests to these very
	 * devices end; drivers that come and go may.
	 */
	amp->slow = alloc_workqueue("virtio_msg-%s", WQ_UNBOUND, 0,
				    dev_name(amp->dev));
	amp->urgent = alloc_workqueue("virtio_msg_break-%s",
				      WQ_UNBOUND | WQ_MEM_RECLAIM, 0,
				      dev_name(amp->dev));
	if (!amp->slow || !amp->urgent) {
		amp_free_workqueues(amp);
		return -ENOMEM;
	}

	amp->link.dev = amp->dev;
	amp->link.slot_size = amp->ring.max_size;
	amp->link.max_size = max_msg;
	amp->link.strict_generation = strict_generation;
	amp->link.reach = amp->reach;
	virtio_msg_link_init(&amp->link, amp_wire);
	spin_lock_init(&amp->tx_lock);
	spin_lock_init(&amp->rx_lock);
	INIT_LIST_HEAD(&amp->pending);
	init_waitqueue_head(&amp->room);
	init_waitqueue_head(&amp->scanned);
	spin_lock_init(&amp->requests_lock);
	hash_init(amp->requests);
	xa_init(&amp->devices);
	xa_init(&amp->resting);
	amp->heard = jiffies;
	amp->scans_left = AMP_SCAN_BURST;
	amp->scans_at = jiffies;
	INIT_DELAYED_WORK(&amp->scan, amp_scan);
	INIT_DELAYED_WORK(&amp->follow, amp_follow_work);
	INIT_DELAYED_WORK(&amp->rested, amp_rested_work);
	INIT_WORK(&amp->breaking, amp_break_work);
	INIT_WORK(&amp->beating, amp_beat_work);
	hrtimer_setup(&amp->heartbeat, amp_heartbeat, CLOCK_MONOTONIC,
		      AMP_HEARTBEAT_MODE);
	INIT_DELAYED_WORK(&amp->hasten, amp_hasten_work);
	INIT_DELAYED_WORK(&amp->hurry, amp_hurry_work);
	INIT_DELAYED_WORK(&amp->flushing, amp_flush_work);

	amp->ring.ops->attach(&amp->ring);
	return 0;
}
EXPORT_SYMBOL_GPL(virtio_msg_amp_init);

void virtio_msg_amp_start(struct virtio_msg_amp *amp)
{
	amp_schedule_scan(amp);
	amp_start_heartbeat(amp, amp_heartbeat_period());
}
EXPORT_SYMBOL_GPL(virtio_msg_amp_start);

void virtio_msg_amp_exit(struct virtio_msg_amp *amp)
{
	struct amp_rest *rest;
	unsigned long num;

	amp_free_workqueues(amp);
	xa_for_each(&amp->resting, num, rest)
		kfree(rest);
	xa_destroy(&amp->resting);
	xa_destroy(&amp->devices);
}
EXPORT_SYMBOL_GPL(virtio_msg_amp_exit);

/*
 * Before anybody waits for a device side that is dead, a driver that the scan
 * has probe included, find out that it is.
 */
static void amp_find_dead(struct virtio_msg_amp *amp)
{
	struct virtio_msg request, response;
	int err;

	if (xa_empty(&amp->devices))
		return;
	request.ping.data = 0;
	err = amp_bus_transfer(amp, VIRTIO_MSG_BUS_PING,
			       &request, sizeof(request.ping),
			       &response, sizeof(response.ping));
	if (err == -ETIMEDOUT || err == -EHOSTDOWN)
		amp_break_devices(amp, false);
}

void virtio_msg_amp_stop(struct virtio_msg_amp *amp)
{
	struct amp_device *adev;
	unsigned long num;

	set_bit(AMP_STOPPING, &amp->flags);
	amp->old_progress = READ_ONCE(amp->progress);
	queue_delayed_work(amp->urgent, &amp->hurry, amp_timeout());

	amp_find_dead(amp);
	cancel_delayed_work_sync(&amp->scan);

	spin_lock_irq(&amp->rx_lock);
	xa_for_each(&amp->devices, num, adev)
		amp_start_leaving(adev);
	spin_unlock_irq(&amp->rx_lock);
	amp_finish_leaving(amp);
	cancel_delayed_work_sync(&amp->hurry);
	cancel_delayed_work_sync(&amp->hasten);

	/* From here on the interrupt does nothing. */
	set_bit(AMP_FAILED, &amp->flags);
	set_bit(AMP_STOPPED, &amp->flags);
	spin_lock_irq(&amp->rx_lock);
	spin_unlock_irq(&amp->rx_lock);
	amp_stop_heartbeat(amp);
	cancel_delayed_work_sync(&amp->follow);
	cancel_delayed_work_sync(&amp->rested);
	cancel_delayed_work_sync(&amp->scan);
	cancel_work_sync(&amp->breaking);
	cancel_delayed_work_sync(&amp->flushing);
}
EXPORT_SYMBOL_GPL(virtio_msg_amp_stop);

int virtio_msg_amp_hold(struct virtio_msg_amp *amp)
{
	set_bit(AMP_HELD, &amp->flags);
	if (amp_wait_for_scan(amp))
		return 0;

	/* User space, which it may wait for, goes on only when nobody sleeps. */
	virtio_msg_amp_release(amp);
	dev_err(amp->dev,
		"no sleep now: a driver does not end to take a device, or to leave it\n");
	return -EBUSY;
}
EXPORT_SYMBOL_GPL(virtio_msg_amp_hold);

void virtio_msg_amp_release(struct virtio_msg_amp *amp)
{
	clear_bit(AMP_HELD, &amp->flags);
	amp_schedule_scan(amp);
}
EXPORT_SYMBOL_GPL(virtio_msg_amp_release);

#ifdef CONFIG_PM_SLEEP
static void amp_thaw_devices(struct virtio_msg_amp *amp)
{
	struct amp_device *adev;
	unsigned long num;

	xa_for_each(&amp->devices, num, adev)
		virtio_msg_thaw(&adev->vmdev);
}

int virtio_msg_amp_freeze(struct virtio_msg_amp *amp)
{
	struct amp_device *adev;
	unsigned long num;
	int err;

	xa_for_each(&amp->devices, num, adev) {
		err = virtio_msg_freeze(&adev->vmdev);
		if (err) {
			amp_thaw_devices(amp);
			return err;
		}
	}
	/* Their users lose them, which a sleep that is refused is not worth. */
	xa_for_each(&amp->devices, num, adev)
		virtio_msg_break_awake(&adev->vmdev);

	/* So far drivers may have waited for a peer that is dead. */
	amp_stop_heartbeat(amp);
	flush_work(&amp->breaking);

	/* A peer that says something without end keeps nobody awake. */
	set_bit(AMP_ASLEEP, &amp->flags);
	spin_lock_irq(&amp->rx_lock);
	spin_unlock_irq(&amp->rx_lock);
	cancel_delayed_work_sync(&amp->flushing);
	return 0;
}
EXPORT_SYMBOL_GPL(virtio_msg_amp_freeze);

/*
 * Goes on where the queues are.  What was said in them meanwhile does not
 * concern devices that were not in use.
 */
static void amp_wake_queues(struct virtio_msg_amp *amp)
{
	spin_lock_irq(&amp->rx_lock);
	spin_lock(&amp->tx_lock);
	if (!amp_failed(amp) && amp->ring.ops->poll(&amp->ring, false)) {
		amp->ring.ops->attach(&amp->ring);
		virtio_msg_link_forget(&amp->link);
		amp->num_pings = 0;
	}
	amp->ask = false;
	WRITE_ONCE(amp->asked, false);
	WRITE_ONCE(amp->heard, jiffies);
	clear_bit(AMP_ASLEEP, &amp->flags);
	spin_unlock(&amp->tx_lock);
	spin_unlock_irq(&amp->rx_lock);
}

void virtio_msg_amp_thaw(struct virtio_msg_amp *amp)
{
	amp_wake_queues(amp);
	amp_start_heartbeat(amp, amp_heartbeat_period());
	/* Rings are not heard while asleep.  What comes from now on has its own. */
	virtio_msg_amp_interrupt(amp);
	amp_thaw_devices(amp);
}
EXPORT_SYMBOL_GPL(virtio_msg_amp_thaw);
#endif /* CONFIG_PM_SLEEP */

void virtio_msg_amp_shutdown(struct virtio_msg_amp *amp)
{
	struct amp_device *adev;
	unsigned long num;

	set_bit(AMP_STOPPING, &amp->flags);
	amp_find_dead(amp);
	amp_stop_heartbeat(amp);
	cancel_delayed_work_sync(&amp->scan);
	xa_for_each(&amp->devices, num, adev)
		virtio_msg_shutdown(&adev->vmdev);
}
EXPORT_SYMBOL_GPL(virtio_msg_amp_shutdown);

static int __init amp_module_init(void)
{
	unsigned int least;

	if (!virtio_msg_wire_named(wire, &amp_wire)) {
		pr_err(KBUILD_MODNAME ": wire=%s: must be 2026, 2025 or auto\n",
		       wire);
		return -EINVAL;
	}
	least = amp_wire ? amp_wire->min_max_size
			 : VIRTIO_MSG_MIN_MAX_SIZE_2025;
	if (max_msg && (max_msg < least || max_msg > AMP_MAX_MAX_MSG)) {
		pr_err(KBUILD_MODNAME ": max_msg=%u: must be %u to %u with wire=%s, or 0 for what is usual\n",
		       max_msg, least, AMP_MAX_MAX_MSG, wire);
		return -EINVAL;
	}
	return 0;
}
module_init(amp_module_init);

static void __exit amp_module_exit(void)
{
}
module_exit(amp_module_exit);

MODULE_DESCRIPTION("virtio-msg bus over shared memory");
MODULE_LICENSE("GPL");
