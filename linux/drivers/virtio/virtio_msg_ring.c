// SPDX-License-Identifier: GPL-2.0-only
/*
 * virtio-msg: a pair of message queues in shared memory
 *
 * Layout spsc: each queue is a page with two indices and 62 slots of 64 bytes.
 * One side writes slots and head, the other one reads slots and writes tail.
 * The other side may write anything at any time: its index is read once and
 * checked, ours is kept here and what stands in the page is only compared to
 * it.
 *
 * The page may be ordinary memory or a device's: every access is aligned and
 * of 4 or 8 bytes, because memcpy() may use others, which trap on arm64 in a
 * mapping with Device attributes.  The other side is a CPU, on another
 * machine, hence the virt_ barriers, which are there on UP kernels too.
 */
#include <asm/barrier.h>
#include <linux/build_bug.h>
#include <linux/compiler.h>
#include <linux/errno.h>
#include <linux/module.h>
#include <linux/string.h>

#include "virtio_msg_ring.h"

/* le32 at the start of memory in layout v1: its magic and its length, 64 */
#define RING_V1			0x00404c4f

#define SPSC_SLOT_SIZE		64
#define SPSC_NUM_SLOTS		62

struct virtio_msg_spsc_page {
	__le32 head;
	__le32 reserved0[15];
	__le32 tail;
	__le32 reserved1[15];
	u64 slots[SPSC_NUM_SLOTS][SPSC_SLOT_SIZE / 8];
};

static_assert(sizeof(struct virtio_msg_spsc_page) == VIRTIO_MSG_RING_SPSC_PAGE,
	      "both indices and all slots fit the page");

bool virtio_msg_ring_is_v1(const void *memory)
{
	return le32_to_cpu(READ_ONCE(*(const __le32 *)memory)) == RING_V1;
}
EXPORT_SYMBOL_GPL(virtio_msg_ring_is_v1);

/* Layout spsc: one queue */

static u32 spsc_next(u32 index)
{
	return index + 1 < SPSC_NUM_SLOTS ? index + 1 : 0;
}

/*
 * Only we write our index, so another value in it means that the peer has
 * zeroed the page, as a device side does when it starts.
 */
static bool spsc_lost(const struct virtio_msg_spsc *q)
{
	return le32_to_cpu(READ_ONCE(*q->own)) != q->index;
}

/*
 * Whether the page looks as if the peer has just zeroed it.  What the peer
 * writes may have moved on since.
 */
static bool spsc_zeroed(const struct virtio_msg_spsc *q)
{
	const struct virtio_msg_spsc_page *page = q->page;

	return !READ_ONCE(*q->own) &&
	       le32_to_cpu(READ_ONCE(page->head)) < SPSC_NUM_SLOTS &&
	       le32_to_cpu(READ_ONCE(page->tail)) < SPSC_NUM_SLOTS;
}

/*
 * Goes on at the index that the page holds.  Returns false if that one is out
 * of range; nothing has changed then.
 */
static bool spsc_resume(struct virtio_msg_spsc *q)
{
	u32 index = le32_to_cpu(READ_ONCE(*q->own));

	if (index >= SPSC_NUM_SLOTS)
		return false;
	q->index = index;
	q->previous = index;
	return true;
}

/* Goes on where an earlier writer stopped. */
static void spsc_attach_writer(struct virtio_msg_spsc *q)
{
	q->own = &q->page->head;
	if (!spsc_resume(q)) {
		q->index = 0;
		WRITE_ONCE(*q->own, 0);
	}
}

/*
 * Drops what an earlier reader left.  Where the writer's index is out of range,
 * the queue is taken to be unused so far; reading from it will tell.
 */
static void spsc_attach_reader(struct virtio_msg_spsc *q)
{
	q->own = &q->page->tail;
	q->index = le32_to_cpu(READ_ONCE(q->page->head));
	if (q->index >= SPSC_NUM_SLOTS)
		q->index = 0;
	q->previous = q->index;
	/* No barrier needed, but this is how the index is always stored. */
	virt_store_release(q->own, cpu_to_le32(q->index));
}

/* Layout spsc: the ring */

static void spsc_attach(struct virtio_msg_ring *ring)
{
	spsc_attach_writer(&ring->spsc.tx);
	spsc_attach_reader(&ring->spsc.rx);
}

/* A device side that starts zeroes both queues, and what stands there counts. */
static int spsc_poll(struct virtio_msg_ring *ring, bool failed)
{
	struct virtio_msg_spsc *tx = &ring->spsc.tx, *rx = &ring->spsc.rx;

	if (failed && (!spsc_zeroed(tx) || !spsc_zeroed(rx)))
		return -EPROTO;
	if (!failed && !spsc_lost(tx) && !spsc_lost(rx))
		return 0;
	return spsc_resume(tx) && spsc_resume(rx) ? 1 : -EPROTO;
}

static int spsc_room(struct virtio_msg_ring *ring)
{
	const struct virtio_msg_spsc *q = &ring->spsc.tx;
	u32 tail;

	/* Slots that the reader has left are written after this. */
	tail = le32_to_cpu(virt_load_acquire(&q->page->tail));
	if (tail >= SPSC_NUM_SLOTS)
		return -EPROTO;
	return spsc_next(q->index) != tail;
}

static bool spsc_all_read(struct virtio_msg_ring *ring)
{
	const struct virtio_msg_spsc *q = &ring->spsc.tx;

	return le32_to_cpu(READ_ONCE(q->page->tail)) == q->index;
}

static bool spsc_unread(struct virtio_msg_ring *ring)
{
	const struct virtio_msg_spsc *q = &ring->spsc.rx;

	return le32_to_cpu(READ_ONCE(q->page->head)) != READ_ONCE(q->index);
}

static int spsc_put(struct virtio_msg_ring *ring, const void *msg, size_t size)
{
	struct virtio_msg_spsc *q = &ring->spsc.tx;
	u64 copy[SPSC_SLOT_SIZE / 8] = {};
	u64 *slot = q->page->slots[q->index];
	int room = spsc_room(ring);
	unsigned int i;

	if (room <= 0)
		return room ? room : -EAGAIN;

	memcpy(copy, msg, size);
	for (i = 0; i < SPSC_SLOT_SIZE / 8; i++)
		WRITE_ONCE(slot[i], copy[i]);
	q->index = spsc_next(q->index);
	/* A reader that sees the index sees the slot. */
	virt_store_release(q->own, cpu_to_le32(q->index));

	/*
	 * The next look at the tail must not be older than this store, or we
	 * could take the queue for full while the reader, which rings for a
	 * queue that it saw full, saw one that was not.
	 */
	virt_mb();
	return 0;
}

static int spsc_get(struct virtio_msg_ring *ring, void *msg, bool *ring_peer)
{
	struct virtio_msg_spsc *q = &ring->spsc.rx;
	const u64 *slot = q->page->slots[q->index];
	u64 *copy = msg;
	unsigned int i;
	u32 head;

	/* Slots that the writer has filled are read after this. */
	head = le32_to_cpu(virt_load_acquire(&q->page->head));
	if (head >= SPSC_NUM_SLOTS)
		return -EPROTO;

	/* The writer may have compared this head with the tail of before. */
	if (spsc_next(head) == q->index || spsc_next(head) == q->previous)
		*ring_peer = true;
	if (head == q->index)
		return 0;

	for (i = 0; i < SPSC_SLOT_SIZE / 8; i++)
		copy[i] = READ_ONCE(slot[i]);
	q->previous = q->index;
	q->index = spsc_next(q->index);
	/* The slot is the writer's again only after it has been read. */
	virt_store_release(q->own, cpu_to_le32(q->index));

	/* As in spsc_put(), the other way round. */
	virt_mb();
	return SPSC_SLOT_SIZE;
}

static const struct virtio_msg_ring_ops spsc_ops = {
	.attach		= spsc_attach,
	.poll		= spsc_poll,
	.put		= spsc_put,
	.get		= spsc_get,
	.room		= spsc_room,
	.all_read	= spsc_all_read,
	.unread		= spsc_unread,
};

void virtio_msg_ring_use_spsc(struct virtio_msg_ring *ring, void *tx, void *rx)
{
	ring->ops = &spsc_ops;
	ring->max_size = SPSC_SLOT_SIZE;
	ring->spsc.tx.page = tx;
	ring->spsc.rx.page = rx;
}
EXPORT_SYMBOL_GPL(virtio_msg_ring_use_spsc);
