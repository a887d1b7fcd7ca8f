/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * virtio-msg: one queue of messages in shared memory, layout "spsc"
 *
 * A page with two indices and 62 slots of 64 bytes.  One side writes slots and
 * head, the other one reads slots and writes tail.  The other side may write
 * anything at any time: its index is read once and checked, ours is kept here
 * and what stands in the page is only compared to it.
 *
 * The page may be ordinary memory or a device's: every access is aligned and
 * of 4 or 8 bytes, because memcpy() may use others, which trap on arm64 in a
 * mapping with Device attributes.  The other side is a CPU, on another
 * machine, hence the virt_ barriers, which are there on UP kernels too.
 */
#ifndef _VIRTIO_MSG_SPSC_H
#define _VIRTIO_MSG_SPSC_H

#include <asm/barrier.h>
#include <linux/build_bug.h>
#include <linux/compiler.h>
#include <linux/errno.h>
#include <linux/types.h>

#define VIRTIO_MSG_SPSC_PAGE_SIZE	4096
#define VIRTIO_MSG_SPSC_SLOT_SIZE	64
#define VIRTIO_MSG_SPSC_NUM_SLOTS	62

struct virtio_msg_spsc_page {
	__le32 head;
	__le32 reserved0[15];
	__le32 tail;
	__le32 reserved1[15];
	u64 slots[VIRTIO_MSG_SPSC_NUM_SLOTS][VIRTIO_MSG_SPSC_SLOT_SIZE / 8];
};

static_assert(sizeof(struct virtio_msg_spsc_page) ==
	      VIRTIO_MSG_SPSC_PAGE_SIZE,
	      "both indices and all slots fit the page");

/**
 * struct virtio_msg_spsc - our end of a queue
 * @page: the shared memory
 * @own: in the page, the index that is ours: the head of a queue that we write,
 *	the tail of one that we read
 * @index: its value
 * @previous: for a reader, the tail before the last step
 */
struct virtio_msg_spsc {
	struct virtio_msg_spsc_page *page;
	__le32 *own;
	u32 index;
	u32 previous;
};

static inline u32 virtio_msg_spsc_next(u32 index)
{
	return index + 1 < VIRTIO_MSG_SPSC_NUM_SLOTS ? index + 1 : 0;
}

/**
 * virtio_msg_spsc_lost - has the peer started the queue anew
 * @q: a queue
 *
 * Only we write our index, so another value in it means that the peer has
 * zeroed the page, as a device side does when it starts.
 */
static inline bool virtio_msg_spsc_lost(const struct virtio_msg_spsc *q)
{
	return le32_to_cpu(READ_ONCE(*q->own)) != q->index;
}

/**
 * virtio_msg_spsc_zeroed - does the page look as if the peer has just zeroed it
 * @q: a queue
 *
 * What the peer writes may have moved on since.
 */
static inline bool virtio_msg_spsc_zeroed(const struct virtio_msg_spsc *q)
{
	const struct virtio_msg_spsc_page *page = q->page;

	return !READ_ONCE(*q->own) &&
	       le32_to_cpu(READ_ONCE(page->head)) < VIRTIO_MSG_SPSC_NUM_SLOTS &&
	       le32_to_cpu(READ_ONCE(page->tail)) < VIRTIO_MSG_SPSC_NUM_SLOTS;
}

/**
 * virtio_msg_spsc_resume - go on at the index that the page holds
 * @q: a queue
 *
 * Return: false if that one is out of range; nothing has changed then.
 */
static inline bool virtio_msg_spsc_resume(struct virtio_msg_spsc *q)
{
	u32 index = le32_to_cpu(READ_ONCE(*q->own));

	if (index >= VIRTIO_MSG_SPSC_NUM_SLOTS)
		return false;
	q->index = index;
	q->previous = index;
	return true;
}

/**
 * virtio_msg_spsc_attach_writer - go on where an earlier writer stopped
 * @q: to be set up
 * @page: VIRTIO_MSG_SPSC_PAGE_SIZE bytes of shared memory, 8-byte aligned
 */
static inline void virtio_msg_spsc_attach_writer(struct virtio_msg_spsc *q,
						 void *page)
{
	q->page = page;
	q->own = &q->page->head;
	if (!virtio_msg_spsc_resume(q)) {
		q->index = 0;
		WRITE_ONCE(*q->own, 0);
	}
}

/**
 * virtio_msg_spsc_attach_reader - drop what an earlier reader left
 * @q: to be set up
 * @page: VIRTIO_MSG_SPSC_PAGE_SIZE bytes of shared memory, 8-byte aligned
 *
 * Where the writer's index is out of range, the queue is taken to be unused so
 * far; reading from it will tell.
 */
static inline void virtio_msg_spsc_attach_reader(struct virtio_msg_spsc *q,
						 void *page)
{
	q->page = page;
	q->own = &q->page->tail;
	q->index = le32_to_cpu(READ_ONCE(q->page->head));
	if (q->index >= VIRTIO_MSG_SPSC_NUM_SLOTS)
		q->index = 0;
	q->previous = q->index;
	/* No barrier needed, but this is how the index is always stored. */
	virt_store_release(q->own, cpu_to_le32(q->index));
}

/**
 * virtio_msg_spsc_room - can a message be put
 * @q: a queue that we write
 *
 * Return: 1 if so, 0 if the queue is full, -EPROTO if the peer's index is out
 * of range.
 */
static inline int virtio_msg_spsc_room(const struct virtio_msg_spsc *q)
{
	u32 tail;

	/* Slots that the reader has left are written after this. */
	tail = le32_to_cpu(virt_load_acquire(&q->page->tail));
	if (tail >= VIRTIO_MSG_SPSC_NUM_SLOTS)
		return -EPROTO;
	return virtio_msg_spsc_next(q->index) != tail;
}

/**
 * virtio_msg_spsc_all_read - has the reader read all messages
 * @q: a queue that we write
 *
 * The caller serializes with virtio_msg_spsc_put().
 */
static inline bool virtio_msg_spsc_all_read(const struct virtio_msg_spsc *q)
{
	return le32_to_cpu(READ_ONCE(q->page->tail)) == q->index;
}

/**
 * virtio_msg_spsc_put - append a message
 * @q: a queue that we write
 * @msg: VIRTIO_MSG_SPSC_SLOT_SIZE bytes, 8-byte aligned
 *
 * The caller serializes, and rings the doorbell.
 *
 * Return: 0, -EAGAIN if the queue is full, -EPROTO if the peer's index is out
 * of range.
 */
static inline int virtio_msg_spsc_put(struct virtio_msg_spsc *q,
				      const u64 *msg)
{
	u64 *slot = q->page->slots[q->index];
	int room = virtio_msg_spsc_room(q);
	unsigned int i;

	if (room <= 0)
		return room ? room : -EAGAIN;

	for (i = 0; i < VIRTIO_MSG_SPSC_SLOT_SIZE / 8; i++)
		WRITE_ONCE(slot[i], msg[i]);
	q->index = virtio_msg_spsc_next(q->index);
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

/**
 * virtio_msg_spsc_get - take a message
 * @q: a queue that we read
 * @msg: room for VIRTIO_MSG_SPSC_SLOT_SIZE bytes, 8-byte aligned
 * @was_full: set, never cleared, if the writer may have found the queue full
 *	and then waits to hear from us
 *
 * The caller serializes.
 *
 * Return: 1, 0 if there is none, -EPROTO if the peer's index is out of range.
 */
static inline int virtio_msg_spsc_get(struct virtio_msg_spsc *q, u64 *msg,
				      bool *was_full)
{
	const u64 *slot = q->page->slots[q->index];
	unsigned int i;
	u32 head;

	/* Slots that the writer has filled are read after this. */
	head = le32_to_cpu(virt_load_acquire(&q->page->head));
	if (head >= VIRTIO_MSG_SPSC_NUM_SLOTS)
		return -EPROTO;

	/* The writer may have compared this head with the tail of before. */
	if (virtio_msg_spsc_next(head) == q->index ||
	    virtio_msg_spsc_next(head) == q->previous)
		*was_full = true;
	if (head == q->index)
		return 0;

	for (i = 0; i < VIRTIO_MSG_SPSC_SLOT_SIZE / 8; i++)
		msg[i] = READ_ONCE(slot[i]);
	q->previous = q->index;
	q->index = virtio_msg_spsc_next(q->index);
	/* The slot is the writer's again only after it has been read. */
	virt_store_release(q->own, cpu_to_le32(q->index));

	/* As in virtio_msg_spsc_put(), the other way round. */
	virt_mb();
	return 1;
}

#endif /* _VIRTIO_MSG_SPSC_H */
