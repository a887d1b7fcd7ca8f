// SPDX-License-Identifier: GPL-2.0-only
/*
 * virtio-msg: whether the device side is there
 */
#include <linux/hrtimer.h>
#include <linux/jiffies.h>
#include <linux/minmax.h>
#include <linux/module.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>

#include "virtio_msg_bus_internal.h"
#include "virtio_msg_compat.h"

/* What the parameter may be, so that every wait has an end */
#define LIVENESS_MIN_TIMEOUT_MS		100U
#define LIVENESS_MAX_TIMEOUT_MS		600000U

#define LIVENESS_MIN_HEARTBEAT_MS	100U
#define LIVENESS_MAX_HEARTBEAT_MS	600000U
#define LIVENESS_HEARTBEAT_MS		2000U

static unsigned int timeout_ms = 10000;
module_param(timeout_ms, uint, 0644);
MODULE_PARM_DESC(timeout_ms,
		 "Milliseconds until a request counts as unanswered, 100 to 600000 (default 10000)");

static unsigned int heartbeat_ms = LIVENESS_HEARTBEAT_MS;
module_param(heartbeat_ms, uint, 0644);
MODULE_PARM_DESC(heartbeat_ms,
		 "Milliseconds of silence after which the device side is asked whether it is there, 100 to 600000, or 0 to never ask and never give up what it has under way (default 2000)");

/* The parameter can change at any time, to anything. */
unsigned long virtio_msg_timeout(void)
{
	return msecs_to_jiffies(clamp(READ_ONCE(timeout_ms),
				      LIVENESS_MIN_TIMEOUT_MS,
				      LIVENESS_MAX_TIMEOUT_MS));
}

bool virtio_msg_heartbeat_on(void)
{
	return READ_ONCE(heartbeat_ms);
}

void virtio_msg_break_all(struct virtio_msg_bus *bus, bool may_answer)
{
	struct virtio_msg_child *child;
	unsigned long num, flags;

	spin_lock_irqsave(&bus->rx_lock, flags);
	xa_for_each(&bus->children, num, child)
		virtio_msg_break(&child->vmdev, may_answer);
	spin_unlock_irqrestore(&bus->rx_lock, flags);
}

/*
 * A peer that is silent for long is taken for dead, unless told otherwise.  The
 * removal of a device cannot wait in any case.
 */
static bool liveness_given_up(struct virtio_msg_bus *bus)
{
	return virtio_msg_silent(bus) &&
	       (virtio_msg_heartbeat_on() || virtio_msg_stopping(bus));
}

/* Asked, without an answer or anything else since */
static bool liveness_asked(struct virtio_msg_bus *bus)
{
	/* Pairs with the release in virtio_msg_ask(), which says why. */
	return smp_load_acquire(&bus->asked) &&
	       time_before_eq(READ_ONCE(bus->heard), READ_ONCE(bus->asked_at));
}

/*
 * A PING is under way.  A peer that has read all that there was, and is silent
 * all the same, has not answered ours.  Caller holds tx_lock.
 */
static bool liveness_asking(struct virtio_msg_bus *bus)
{
	return bus->ask ||
	       (liveness_asked(bus) &&
		!(virtio_msg_silent(bus) && bus->ops->all_read(bus)));
}

void virtio_msg_ask(struct virtio_msg_bus *bus)
{
	unsigned long flags;

	spin_lock_irqsave(&bus->tx_lock, flags);
	if (!liveness_asking(bus)) {
		WRITE_ONCE(bus->asked_at, jiffies);
		/* A CPU that sees that it was asked sees when. */
		smp_store_release(&bus->asked, true);
		bus->ask = true;
	}
	virtio_msg_send_unlock(bus, flags);
}

bool virtio_msg_ask_answered(struct virtio_msg_bus *bus,
			     const struct virtio_msg *msg)
{
	return !msg->token && msg->type & VIRTIO_MSG_TYPE_BUS &&
	       msg->msg_id == VIRTIO_MSG_BUS_PING && xchg(&bus->asked, false);
}

void virtio_msg_ask_forget(struct virtio_msg_bus *bus)
{
	bus->ask = false;
	WRITE_ONCE(bus->asked, false);
}

void virtio_msg_find_silent(struct virtio_msg_bus *bus, unsigned long since)
{
	if (!time_before_eq(READ_ONCE(bus->heard), since) ||
	    !virtio_msg_fall_silent(bus))
		return;
	/* It may have called meanwhile; see virtio_msg_heard(). */
	if (!time_before_eq(READ_ONCE(bus->heard), since)) {
		virtio_msg_hear(bus);
		return;
	}
	atomic_inc(&bus->silences);
	set_bit(VIRTIO_MSG_NEWS_SILENT, &bus->news);
	virtio_msg_token_abort(bus, NULL, -EHOSTDOWN);
	/* If it goes on one day, it is to answer the reset before all else. */
	if (liveness_given_up(bus))
		virtio_msg_break_all(bus, true);
	queue_work(bus->urgent, &bus->breaking);
}

void virtio_msg_heard(struct virtio_msg_bus *bus)
{
	WRITE_ONCE(bus->heard, jiffies);
	/* Pairs with the second look before the peer is called silent. */
	smp_mb();

	/* What was given up while the peer was silent gets another chance. */
	if (virtio_msg_hear(bus)) {
		set_bit(VIRTIO_MSG_NEWS_HEARD, &bus->news);
		virtio_msg_schedule_scan(bus);
	}
}

/* Apart from the scan, which may be waiting for just what this brings about */
static void liveness_break_work(struct work_struct *work)
{
	struct virtio_msg_bus *bus =
		container_of(work, struct virtio_msg_bus, breaking);

	if (virtio_msg_failed(bus) || liveness_given_up(bus))
		virtio_msg_break_all(bus, !virtio_msg_failed(bus));
	virtio_msg_tell(bus);
}

static unsigned long liveness_period(void)
{
	unsigned int ms = READ_ONCE(heartbeat_ms) ?: LIVENESS_HEARTBEAT_MS;

	return msecs_to_jiffies(clamp(ms, LIVENESS_MIN_HEARTBEAT_MS,
				      LIVENESS_MAX_HEARTBEAT_MS));
}

/* Returns after how many jiffies to look again. */
static unsigned long liveness_beat(struct virtio_msg_bus *bus)
{
	unsigned long period = liveness_period();
	unsigned long timeout = virtio_msg_timeout();
	unsigned long heard = READ_ONCE(bus->heard);
	unsigned long now = jiffies;
	unsigned long asked_at;

	if (virtio_msg_silent(bus)) {
		/* When it goes on, it is to call, whatever else it finds. */
		if (virtio_msg_heartbeat_on())
			virtio_msg_ask(bus);
		return period;
	}
	if (!virtio_msg_heartbeat_on() || xa_empty(&bus->children) ||
	    virtio_msg_failed(bus))
		return period;
	if (liveness_asked(bus)) {
		asked_at = READ_ONCE(bus->asked_at);
		if (time_before(now, asked_at + timeout))
			return min(period, asked_at + timeout - now);
		virtio_msg_find_silent(bus, asked_at);
		return period;
	}
	if (time_before(now, heard + period))
		return heard + period - now;
	virtio_msg_ask(bus);
	return min(period, timeout);
}

/*
 * In hard interrupts.  But to ask for that promises to take no lock that sleeps
 * on PREEMPT_RT, which holds only there, see liveness_timer(); elsewhere it is
 * where all timers of this kind run.
 */
#define LIVENESS_TIMER_MODE	(IS_ENABLED(CONFIG_PREEMPT_RT) ? \
				 HRTIMER_MODE_REL_HARD : HRTIMER_MODE_REL)

static void liveness_start(struct virtio_msg_bus *bus, unsigned long wait)
{
	hrtimer_start(&bus->heartbeat, ns_to_ktime(jiffies_to_nsecs(wait)),
		      LIVENESS_TIMER_MODE);
}

static void liveness_beat_work(struct work_struct *work)
{
	struct virtio_msg_bus *bus =
		container_of(work, struct virtio_msg_bus, beating);
	unsigned long wait = liveness_beat(bus);

	if (virtio_msg_life(bus) != VIRTIO_MSG_STOPPED)
		liveness_start(bus, wait);
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
static enum hrtimer_restart liveness_timer(struct hrtimer *timer)
{
	struct virtio_msg_bus *bus =
		container_of(timer, struct virtio_msg_bus, heartbeat);
	unsigned long wait;

	if (IS_ENABLED(CONFIG_PREEMPT_RT)) {
		queue_work(bus->urgent, &bus->beating);
		return HRTIMER_NORESTART;
	}
	wait = liveness_beat(bus);
	hrtimer_forward_now(timer, ns_to_ktime(jiffies_to_nsecs(wait)));
	return HRTIMER_RESTART;
}

void virtio_msg_start_heartbeat(struct virtio_msg_bus *bus)
{
	liveness_start(bus, liveness_period());
}

/* Each of the two may have started the other. */
void virtio_msg_stop_heartbeat(struct virtio_msg_bus *bus)
{
	hrtimer_cancel(&bus->heartbeat);
	cancel_work_sync(&bus->beating);
	hrtimer_cancel(&bus->heartbeat);
}

void virtio_msg_liveness_init(struct virtio_msg_bus *bus)
{
	bus->heard = jiffies;
	INIT_WORK(&bus->breaking, liveness_break_work);
	INIT_WORK(&bus->beating, liveness_beat_work);
	hrtimer_setup(&bus->heartbeat, liveness_timer, CLOCK_MONOTONIC,
		      LIVENESS_TIMER_MODE);
}
