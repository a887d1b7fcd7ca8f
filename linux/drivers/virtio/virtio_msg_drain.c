// SPDX-License-Identifier: GPL-2.0-only
/*
 * virtio-msg: what is outstanding in a queue, and how to bring it to an end
 *
 * The virtio core keeps to itself which requests are outstanding, but each one
 * shows twice: in the available ring, and when it is done in the used ring.
 * So a bit for each descriptor, flipped by every entry of either ring, tells
 * it, as long as none is missed and none counts twice.
 *
 * To fail a request is to play the device: mark whatever status it would have
 * written as an error, put the request into the used ring, call the driver.
 * Without the mark a status byte of an earlier request could stand there and
 * acknowledge a write that was lost.
 *
 * A driver may be anywhere in its own work on a queue, with locks that are not
 * ours, preempted or asleep, when the queue is broken.  So we keep to what a
 * device may do while a driver works: an entry of the used ring that the driver
 * may be looking at stays as it is, what comes after it is in place before the
 * index says so, and the driver takes it when it gets to it.
 */
#include <linux/bitmap.h>
#include <linux/bottom_half.h>
#include <linux/delay.h>
#include <linux/dma-direct.h>
#include <linux/dma-map-ops.h>
#include <linux/mm.h>
#include <linux/ratelimit.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/virtio.h>
#include <linux/virtio_9p.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_ring.h>

#include "virtio_msg_compat.h"
#include "virtio_msg_drain.h"
#include "virtio_msg_internal.h"

/*
 * Drivers find the status of a request at the start or at the end of what the
 * device may write.  So many bytes are marked there, and not all of the data.
 */
#define DRAIN_MARK_BYTES	256

/* No status, response or ack of any virtio device means success with these. */
#define DRAIN_MARK		0xff

/* Some drivers put each buffer back at once, so that there is no end. */
#define DRAIN_MAX_TURNS		4

/*
 * A task that was about to use a queue while it was made to work for this may
 * have put a request there afterwards, so it is looked at again, but not for
 * ever.
 */
#define DRAIN_MAX_PASSES	4

/* So long a driver may take in each pass to get what is there for it. */
#define DRAIN_PATIENCE		(HZ / 2)

/*
 * How long a chain is may be the device's word.  After so many descriptors
 * others get the CPU, on which interrupts are off.
 */
#define DRAIN_MAX_STEPS		16384

/* In the place of a head that cannot be one; queues are never that large. */
#define DRAIN_NO_HEAD		U16_MAX

/**
 * struct virtio_msg_track - what is outstanding in a queue
 * @lock: protects all of this, innermost
 * @vq: the queue
 * @avail: the next entry of the available ring to look at
 * @used: the next entry of the used ring to look at
 * @lost: entries were missed; nothing is known until the queue is empty
 * @kept: requests could not be failed, and are not in @outstanding any longer
 * @turns: how many more requests may be failed in this pass
 * @first: while the queue is open, the first entry of the used ring for the
 *	driver to take
 * @end: likewise, where those entries end
 * @outstanding: a bit for each descriptor that is the head of a request
 * @seen: heads as they stood in the used ring when we looked
 */
struct virtio_msg_track {
	/* innermost: all that follows */
	spinlock_t lock;
	struct virtqueue *vq;
	u16 avail;
	u16 used;
	bool lost;
	bool kept;
	int turns;
	u16 first;
	u16 end;
	unsigned long *outstanding;
	u16 seen[];
};

static const struct vring *track_vring(const struct virtio_msg_track *track)
{
	return virtqueue_get_vring(track->vq);
}

static struct vring_used_elem *track_used_elem(const struct virtio_msg_track *track,
					       u16 index)
{
	const struct vring *vring = track_vring(track);

	return &vring->used->ring[index & (vring->num - 1)];
}

static u16 track_avail_idx(const struct virtio_msg_track *track)
{
	const struct vring *vring = track_vring(track);

	return virtio16_to_cpu(track->vq->vdev,
			       /* The index comes after the entries. */
			       virt_load_acquire(&vring->avail->idx));
}

static u16 track_used_idx(const struct virtio_msg_track *track)
{
	const struct vring *vring = track_vring(track);

	return virtio16_to_cpu(track->vq->vdev,
			       /* Likewise. */
			       virt_load_acquire(&vring->used->idx));
}

struct virtio_msg_track *virtio_msg_track_new(struct virtqueue *vq)
{
	unsigned int num = virtqueue_get_vring_size(vq);
	struct virtio_msg_track *track;

	track = kvzalloc(struct_size(track, seen, num), GFP_KERNEL);
	if (!track)
		return NULL;
	track->outstanding = bitmap_zalloc(num, GFP_KERNEL);
	if (!track->outstanding) {
		kvfree(track);
		return NULL;
	}
	spin_lock_init(&track->lock);
	track->vq = vq;
	track->avail = track_avail_idx(track);
	track->used = track->avail;
	return track;
}

void virtio_msg_track_free(struct virtio_msg_track *track)
{
	if (!track)
		return;
	bitmap_free(track->outstanding);
	kvfree(track);
}

static void track_flip(struct virtio_msg_track *track, u32 head)
{
	if (head < track_vring(track)->num)
		__change_bit(head, track->outstanding);
}

/* In an empty queue the device has used all that was ever made available. */
static void track_find_again(struct virtio_msg_track *track)
{
	u16 avail = track_avail_idx(track);

	if (READ_ONCE(track->vq->num_free) != track_vring(track)->num ||
	    track_avail_idx(track) != avail)
		return;
	bitmap_zero(track->outstanding, track_vring(track)->num);
	track->avail = avail;
	track->used = avail;
	track->lost = false;
}

static void track_used(struct virtio_msg_track *track)
{
	struct vring_used_elem *elem = track_used_elem(track, track->used);
	unsigned int slot = track->used++ & (track_vring(track)->num - 1);
	u32 head = virtio32_to_cpu(track->vq->vdev, READ_ONCE(elem->id));

	track->seen[slot] = min_t(u32, head, DRAIN_NO_HEAD);
	track_flip(track, head);
}

/* Caller holds the lock. */
static void track_update(struct virtio_msg_track *track)
{
	const struct vring *vring = track_vring(track);
	u16 used = track_used_idx(track);
	u16 avail = track_avail_idx(track);
	unsigned int slot;

	if (track->lost || (u16)(avail - track->avail) > vring->num) {
		track->lost = true;
		track_find_again(track);
		return;
	}

	for (; track->avail != avail; track->avail++) {
		slot = track->avail & (vring->num - 1);
		track_flip(track, virtio16_to_cpu(track->vq->vdev,
						  READ_ONCE(vring->avail->ring[slot])));
	}

	/* Only a device that has gone mad uses more than there is. */
	if ((u16)(used - track->used) > (u16)(avail - track->used))
		return;
	/* With a whole ring of both, what was used first is overwritten. */
	if ((u16)(used - track->used) > vring->num) {
		track->lost = true;
		track_find_again(track);
		return;
	}
	while (track->used != used)
		track_used(track);
}

void virtio_msg_track(struct virtio_msg_track *track)
{
	unsigned long flags;

	if (!track)
		return;
	spin_lock_irqsave(&track->lock, flags);
	track_update(track);
	spin_unlock_irqrestore(&track->lock, flags);
}

/*
 * Whether the next entry of the used ring, which we have seen before, is one
 * that a device may well have put there
 */
static bool track_may_stay(const struct virtio_msg_track *track)
{
	const struct vring *vring = track_vring(track);
	u16 head = track->seen[track->used & (vring->num - 1)];
	u32 id = READ_ONCE(track_used_elem(track, track->used)->id);

	return virtio32_to_cpu(track->vq->vdev, id) == head &&
	       head < vring->num && test_bit(head, track->outstanding);
}

/*
 * Brings all in line with what the driver has taken out of the used ring, and
 * takes from there what makes no sense; all that the driver has not taken yet, if
 * it is not to @keep it.  Returns the index of the entry that the driver takes
 * next; the next one to be written is track->used.
 */
static u16 track_rewind(struct virtio_msg_track *track, bool keep)
{
	const struct vring *vring = track_vring(track);
	/* It is that index, and the callback is wanted anyway. */
	u16 taken = virtqueue_enable_cb_prepare(track->vq);
	u16 end;

	track_update(track);
	end = track->used;
	if ((u16)(taken - track->used) <= vring->num) {
		while (track->used != taken)
			track_used(track);
		end = taken;
	} else if ((u16)(track->used - taken) > vring->num) {
		track->lost = true;
	} else {
		while (track->used != taken) {
			track->used--;
			track_flip(track, track->seen[track->used &
						      (vring->num - 1)]);
		}
	}
	if (track->lost || !keep)
		end = track->used;

	while (track->used != end && track_may_stay(track)) {
		track_flip(track, track->seen[track->used & (vring->num - 1)]);
		track->used++;
	}
	WRITE_ONCE(vring->used->idx,
		   cpu_to_virtio16(track->vq->vdev,
				   track->lost ? taken : track->used));
	return taken;
}

/*
 * Reserved memory need not be mapped.  KFENCE's is, and has slab objects in it;
 * of one that is free KFENCE reports the use, which is all that comes of it.
 * A device's memory is for others to write to.
 */
static bool drain_mapped(phys_addr_t page)
{
	unsigned long pfn = PHYS_PFN(page);

	return pfn_valid(pfn) && !is_zone_device_page(pfn_to_page(pfn)) &&
	       (!PageReserved(pfn_to_page(pfn)) || PageSlab(pfn_to_page(pfn)));
}

const char *virtio_msg_drain_refuses(struct device *dev)
{
	if (IS_ENABLED(CONFIG_HIGHMEM))
		return "the kernel has memory without a mapping (HIGHMEM)";
	if (!virtio_msg_dma_direct(dev))
		return "its DMA addresses are not those of the memory (an IOMMU, or Xen)";
	if (!dev_is_dma_coherent(dev))
		return "its DMA is not coherent";
	return NULL;
}

/*
 * The rings are where the device side may write, and so may the descriptors be
 * that are read from there.  What they point at has to be memory that the
 * device side may write to as well: it gains nothing by our writing there.
 */
static void *drain_memory(struct virtio_msg_device *vmdev, u64 address,
			  size_t len)
{
	struct device *dev = vmdev->vdev.dev.parent;
	phys_addr_t first, last, page;

	if (!len)
		return NULL;
	first = dma_to_phys(dev, address);
	last = first + len - 1;
	if (last < first)
		return NULL;

	for (page = first & PAGE_MASK; page <= last; page += PAGE_SIZE)
		if (!virtio_msg_bounced(dev, page) &&
		    (virtio_msg_must_bounce(dev) || !drain_mapped(page)))
			return NULL;
	return phys_to_virt(first);
}

static bool drain_mark(struct virtio_msg_device *vmdev, u64 address, u32 len)
{
	u32 part = min_t(u32, len, DRAIN_MARK_BYTES);
	void *start = drain_memory(vmdev, address, part);
	void *end = drain_memory(vmdev, address + len - part, part);

	if (!start || !end)
		return false;
	memset(start, DRAIN_MARK, part);
	memset(end, DRAIN_MARK, part);
	return true;
}

/* A descriptor, read once */
struct drain_desc {
	u64 address;
	u32 len;
	u16 flags;
	u16 next;
};

/*
 * What a device that comes back to life has not seen yet, it shall not follow
 * into memory that others have by then.  Of its descriptors the core reads back
 * where a chain ends, and nothing else.
 */
static void drain_clear(struct virtio_device *vdev, struct vring_desc *desc)
{
	__virtio16 next = cpu_to_virtio16(vdev, VRING_DESC_F_NEXT);

	WRITE_ONCE(desc->len, 0);
	WRITE_ONCE(desc->flags, READ_ONCE(desc->flags) & next);
	WRITE_ONCE(desc->addr, 0);
}

static struct drain_desc drain_read(struct virtio_device *vdev,
				    const struct vring_desc *desc)
{
	return (struct drain_desc) {
		.address = virtio64_to_cpu(vdev, READ_ONCE(desc->addr)),
		.len = virtio32_to_cpu(vdev, READ_ONCE(desc->len)),
		.flags = virtio16_to_cpu(vdev, READ_ONCE(desc->flags)),
		.next = virtio16_to_cpu(vdev, READ_ONCE(desc->next)),
	};
}

/* *steps grows by the number of descriptors, as in drain_fail(). */
static void drain_clear_chain(struct virtio_device *vdev,
			      const struct vring *vring, unsigned int head,
			      unsigned int *steps)
{
	unsigned int end = *steps + vring->num;
	struct drain_desc desc;

	for (; *steps != end && head < vring->num; ++*steps) {
		desc = drain_read(vdev, &vring->desc[head]);
		drain_clear(vdev, &vring->desc[head]);
		if (!(desc.flags & VRING_DESC_F_NEXT))
			break;
		head = desc.next;
	}
}

/*
 * Marks what the device may write for a request as failed.  Returns false if
 * the descriptors do not say, or not sensibly, what that is.  *writable is set
 * to how much it is, *steps grows by the number of descriptors.
 */
static bool drain_fail(struct virtio_msg_device *vmdev,
		       const struct vring *vring, unsigned int head,
		       u32 *writable, unsigned int *steps)
{
	const struct vring_desc *table = vring->desc;
	struct drain_desc desc = drain_read(&vmdev->vdev, &table[head]);
	unsigned int count = vring->num, end;

	if (desc.flags & VRING_DESC_F_INDIRECT) {
		count = desc.len / sizeof(*table);
		if (!count || count > VIRTIO_MSG_MAX_QUEUE_SIZE)
			return false;
		table = drain_memory(vmdev, desc.address,
				     count * sizeof(*table));
		if (!table)
			return false;
		desc = drain_read(&vmdev->vdev, table);
	}

	*writable = 0;
	for (end = *steps + count; *steps != end; ++*steps) {
		if (desc.flags & VRING_DESC_F_WRITE) {
			if (!drain_mark(vmdev, desc.address, desc.len))
				return false;
			*writable += desc.len;
		}
		if (!(desc.flags & VRING_DESC_F_NEXT))
			return true;
		if (desc.next >= count)
			return false;
		desc = drain_read(&vmdev->vdev, &table[desc.next]);
	}
	return false;
}

/* The length that goes with a failed request */
static u32 drain_len(struct virtio_device *vdev, u32 writable)
{
	/*
	 * Nothing was written, which drivers of data take for no data.  But 9p
	 * takes it for nothing at all, and finds out from the content that
	 * something is wrong.
	 */
	return vdev->id.device == VIRTIO_ID_9P ? writable : 0;
}

static void drain_put(struct virtio_msg_track *track, u16 index,
		      unsigned int head, u32 len)
{
	struct vring_used_elem *elem = track_used_elem(track, index);
	struct virtio_device *vdev = track->vq->vdev;

	WRITE_ONCE(elem->id, cpu_to_virtio32(vdev, head));
	WRITE_ONCE(elem->len, cpu_to_virtio32(vdev, len));
}

/*
 * Puts what is outstanding into the used ring, or a part of it if that is much.
 * Returns how many requests that were; *more is set if there are others.
 */
static unsigned int drain_offer(struct virtio_msg_device *vmdev,
				struct virtio_msg_track *track, bool *more)
{
	const struct vring *vring = track_vring(track);
	unsigned int head, first_head = 0, offered = 0, steps = 0;
	struct virtio_device *vdev = &vmdev->vdev;
	u32 writable, len, first_len = 0;

	for_each_set_bit(head, track->outstanding, vring->num) {
		if (steps >= DRAIN_MAX_STEPS) {
			*more = true;
			break;
		}
		steps++;
		if (!drain_fail(vmdev, vring, head, &writable, &steps)) {
			__clear_bit(head, track->outstanding);
			track->kept = true;
			continue;
		}
		drain_clear_chain(vdev, vring, head, &steps);
		len = drain_len(vdev, writable);
		if (offered) {
			drain_put(track, track->used + offered, head, len);
		} else {
			first_head = head;
			first_len = len;
		}
		offered++;
	}
	if (!offered)
		return 0;

	/*
	 * A driver that has seen an index that was wrong may be about to take
	 * the first of these, and then goes on with the others.
	 */
	smp_wmb();
	drain_put(track, track->used, first_head, first_len);
	/* As the device does it */
	virt_store_release(&vring->used->idx,
			   cpu_to_virtio16(vdev, track->used + offered));
	return offered;
}

/* A pass over all the queues of a device */
struct drain_pass {
	/* Until then, in jiffies, drivers are waited for. */
	unsigned long deadline;
	/* Something was done, so that more may have come. */
	bool again;
	/* A driver has yet to take what there is for it. */
	bool waiting;
	/* The same as drain_left() for any of the queues */
	bool left;
};

/* Lets the driver take what is in the used ring. */
static void drain_open(struct virtio_msg_vq *mvq)
{
	WRITE_ONCE(mvq->draining, true);
	__virtqueue_unbreak(mvq->vq);
	vring_interrupt(0, mvq->vq);
}

/* Returns false if the core has refused some of what was in the used ring. */
static bool drain_close(struct virtio_msg_vq *mvq)
{
	bool refused = virtqueue_is_broken(mvq->vq);

	__virtqueue_break(mvq->vq);
	WRITE_ONCE(mvq->draining, false);
	return !refused;
}

/*
 * Whether the driver has taken all, or cannot take any more.  Some do so in
 * their callback, others in a worker that the callback starts.
 */
static bool drain_taken(const struct virtio_msg_vq *mvq)
{
	const struct virtio_msg_track *track = mvq->track;
	const struct vring *vring = track_vring(track);
	/* What was taken is known there, unless no callback is wanted. */
	__virtio16 event = READ_ONCE(vring_used_event(vring));

	return virtio16_to_cpu(mvq->vq->vdev, event) == track->end ||
	       READ_ONCE(mvq->vq->num_free) == vring->num ||
	       virtqueue_is_broken(mvq->vq);
}

/* Returns false if there is nothing for the driver to take.  Likewise. */
static bool drain_begin_vq(struct virtio_msg_device *vmdev,
			   struct virtio_msg_vq *mvq, bool *more)
{
	struct virtio_msg_track *track = mvq->track;
	bool any = false;

	spin_lock(&track->lock);
	track->first = track_rewind(track, true);
	if (track->turns <= 0 || track->lost ||
	    READ_ONCE(mvq->vq->num_free) == track_vring(track)->num)
		goto out;
	track->end = track->used + drain_offer(vmdev, track, more);
	any = track->end != track->first;
	if (!any)
		track->turns--;
out:
	spin_unlock(&track->lock);
	return any;
}

/* Returns true if the driver waits for what there is.  Likewise. */
static bool drain_end_vq(struct virtio_msg_vq *mvq)
{
	struct virtio_msg_track *track = mvq->track;
	bool agreed = drain_close(mvq);
	u32 refused = DRAIN_NO_HEAD;
	u16 taken, next;

	spin_lock(&track->lock);
	next = virtqueue_enable_cb_prepare(mvq->vq);
	taken = next - track->first;
	if (next != track->end && !agreed)
		refused = virtio32_to_cpu(mvq->vq->vdev,
					  READ_ONCE(track_used_elem(track, next)->id));
	track->turns -= max_t(u16, taken, 1);
	track_rewind(track, agreed);
	/* What the core refused is not outstanding, whoever said so. */
	if (refused < track_vring(track)->num)
		__clear_bit(refused, track->outstanding);
	spin_unlock(&track->lock);

	/* A driver that takes nothing, and refuses nothing, does not wait. */
	return taken || !agreed;
}

/*
 * Caller holds the device's lock, so that no callback runs.  Returns true if
 * there is more to do at once.
 */
static bool drain_vq(struct virtio_msg_device *vmdev, struct virtio_msg_vq *mvq,
		     struct drain_pass *pass)
{
	bool more = false;

	if (!mvq->draining) {
		if (!drain_begin_vq(vmdev, mvq, &more))
			return more;
		pass->again = true;
		drain_open(mvq);
	}
	if (!drain_taken(mvq) && time_before(jiffies, pass->deadline)) {
		pass->waiting = true;
		return false;
	}
	return drain_end_vq(mvq);
}

void virtio_msg_disarm(struct virtio_msg_device *vmdev)
{
	const struct vring *vring;
	struct virtio_msg_vq *mvq;
	unsigned int i;

	if (__virtio_test_bit(&vmdev->vdev, VIRTIO_F_RING_PACKED))
		return;
	spin_lock_irq(&vmdev->lock);
	list_for_each_entry(mvq, &vmdev->vqs, node) {
		vring = virtqueue_get_vring(mvq->vq);
		for (i = 0; i < vring->num; i++)
			drain_clear(&vmdev->vdev, &vring->desc[i]);
	}
	spin_unlock_irq(&vmdev->lock);
}

/* Only the rings that are not followed: drain_vq() completes the others. */
void virtio_msg_withdraw(struct virtio_msg_device *vmdev)
{
	struct virtio_device *vdev = &vmdev->vdev;
	struct virtio_msg_vq *mvq;
	u16 taken;

	if (__virtio_test_bit(vdev, VIRTIO_F_RING_PACKED))
		return;
	spin_lock_irq(&vmdev->lock);
	list_for_each_entry(mvq, &vmdev->vqs, node) {
		if (mvq->track)
			continue;
		taken = virtqueue_enable_cb_prepare(mvq->vq);
		virtqueue_get_vring(mvq->vq)->used->idx =
			cpu_to_virtio16(vdev, taken);
	}
	spin_unlock_irq(&vmdev->lock);
}

/*
 * virtio_net uses its queues with softirqs off.  If it found one of them sound
 * before that was broken, it is through with it after this, and may have taken
 * one thing more meanwhile.
 */
static void drain_wait(struct virtio_msg_device *vmdev)
{
	unsigned long grace = start_poll_synchronize_rcu();

	for (;;) {
		virtio_msg_withdraw(vmdev);
		if (poll_state_synchronize_rcu(grace))
			break;
		usleep_range(100, 500);
	}
}

static void drain_begin(struct virtio_msg_device *vmdev)
{
	struct virtio_msg_vq *mvq;
	unsigned int used;

	spin_lock_irq(&vmdev->lock);
	list_for_each_entry(mvq, &vmdev->vqs, node) {
		if (!mvq->track)
			continue;
		used = track_vring(mvq->track)->num -
		       READ_ONCE(mvq->vq->num_free);
		mvq->track->turns = DRAIN_MAX_TURNS * max(used, 1U);
	}
	spin_unlock_irq(&vmdev->lock);
}

/* Whether a driver may wait for something that cannot be failed */
static bool drain_left(const struct virtio_msg_vq *mvq)
{
	const struct virtio_msg_track *track = mvq->track;
	struct virtqueue *vq = mvq->vq;

	if (READ_ONCE(vq->num_free) == virtqueue_get_vring_size(vq))
		return false;
	if (!track)
		return vq->callback && vq->vdev->id.device != VIRTIO_ID_NET;
	return track->kept || track->lost;
}

/* A driver that has gone, or is about to, takes back itself what there is. */
static bool drain_wanted(const struct virtio_msg_device *vmdev)
{
	return vmdev->drain && vmdev->status_set & VIRTIO_CONFIG_S_DRIVER_OK;
}

/* As drain_vq(), for all queues, up to the first that is not through */
static bool drain_vqs(struct virtio_msg_device *vmdev, struct drain_pass *pass)
{
	struct virtio_msg_vq *mvq;
	bool more = false;

	pass->waiting = false;
	pass->left = false;
	/* Completions raise softirqs, which run when this ends. */
	local_bh_disable();
	spin_lock_irq(&vmdev->lock);
	list_for_each_entry(mvq, &vmdev->vqs, node) {
		if (!drain_wanted(vmdev)) {
			if (mvq->draining)
				drain_close(mvq);
			continue;
		}
		if (mvq->track)
			more = drain_vq(vmdev, mvq, pass);
		pass->left |= drain_left(mvq);
		if (more)
			break;
	}
	spin_unlock_irq(&vmdev->lock);
	local_bh_enable();
	return more;
}

static void drain_all(struct virtio_msg_device *vmdev, struct drain_pass *pass)
{
	bool more;

	pass->again = false;
	pass->deadline = jiffies + DRAIN_PATIENCE;
	drain_wait(vmdev);
	drain_begin(vmdev);
	do {
		more = drain_vqs(vmdev, pass);
		if (more)
			cond_resched();
		else if (pass->waiting)
			usleep_range(100, 500);
	} while (more || pass->waiting);
}

bool virtio_msg_drain(struct virtio_msg_device *vmdev)
{
	unsigned int passes = 0;
	struct drain_pass pass;
	bool wanted;

	do {
		drain_all(vmdev, &pass);
	} while (pass.again && ++passes < DRAIN_MAX_PASSES);

	if (pass.left && !vmdev->told_left) {
		vmdev->told_left = true;
		dev_warn_ratelimited(vmdev->vdev.dev.parent,
				     "device %u: requests are left that cannot be failed, its driver may wait for them for ever\n",
				     vmdev->dev_num);
	}
	spin_lock_irq(&vmdev->lock);
	wanted = drain_wanted(vmdev);
	spin_unlock_irq(&vmdev->lock);
	return wanted;
}
