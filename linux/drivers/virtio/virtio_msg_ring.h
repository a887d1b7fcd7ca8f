/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * virtio-msg: a pair of message queues in shared memory
 *
 * The memory has one of several layouts, each a table of operations here.
 * Whatever uses a ring moves whole messages and need not know which it is.  The
 * peer may write anything to the memory at any time.
 */
#ifndef _VIRTIO_MSG_RING_H
#define _VIRTIO_MSG_RING_H

#include <linux/types.h>

/* Bytes of each of the two pages of layout spsc */
#define VIRTIO_MSG_RING_SPSC_PAGE	4096

struct virtio_msg_ring;
struct virtio_msg_spsc_page;

/**
 * struct virtio_msg_ring_ops - a layout
 * @attach: begin with what the memory holds: go on writing where an earlier
 *	writer stopped, drop what an earlier reader left.  Caller holds both
 *	locks.
 * @poll: look at what the peer has made of the memory.  Caller holds both
 *	locks.  Called before messages are read, and each time that the peer has
 *	rung.  With @failed the caller knows already that the memory makes no
 *	sense, and only what looks as a peer leaves it that has just started is
 *	worth a try.  Returns 0 if the ring goes on as before; 1 if the peer has
 *	started it anew, and it goes on from there; -EPROTO if it makes no
 *	sense, then nothing is put or taken before this returns 1; -ENOTCONN if
 *	the peer is not up, or not yet, in a layout that says so: then @put finds
 *	no room and @get no message before this returns 1.
 * @put: append a message of @size bytes, at most @max_size; the rest of its slot
 *	is zeroed.  Caller holds the lock for sending, and rings afterwards.
 *	Returns 0, -EAGAIN if there is no room, -EPROTO as above.
 * @get: take a message: all of a slot, to @msg, which is 8-byte aligned and has
 *	room for @max_size bytes rounded up to 8.  @ring is set, never cleared,
 *	if the peer may have found no room, and waits to be rung.  Caller holds
 *	the lock for receiving.  Returns the bytes of the slot, 0 if there is no
 *	message, -EPROTO as above.
 * @room: can a message be put?  Caller holds the lock for sending.  Returns 1 if
 *	so, 0 if not, -EPROTO as above.
 * @all_read: has the peer taken all messages?  Caller holds the lock for
 *	sending.
 * @unread: is there a message to take?  A hint: no lock is needed.
 */
struct virtio_msg_ring_ops {
	void (*attach)(struct virtio_msg_ring *ring);
	int (*poll)(struct virtio_msg_ring *ring, bool failed);
	int (*put)(struct virtio_msg_ring *ring, const void *msg, size_t size);
	int (*get)(struct virtio_msg_ring *ring, void *msg, bool *ring_peer);
	int (*room)(struct virtio_msg_ring *ring);
	bool (*all_read)(struct virtio_msg_ring *ring);
	bool (*unread)(struct virtio_msg_ring *ring);
};

/**
 * struct virtio_msg_spsc - our end of a queue of layout spsc
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

/**
 * struct virtio_msg_ring - our end of a ring
 * @ops: its layout
 * @max_size: bytes that a message may have
 * @spsc: of layout spsc, what we write and what we read
 */
struct virtio_msg_ring {
	const struct virtio_msg_ring_ops *ops;
	u16 max_size;
	union {
		struct {
			struct virtio_msg_spsc tx;
			struct virtio_msg_spsc rx;
		} spsc;
	};
};

/**
 * virtio_msg_ring_is_v1 - does memory hold layout v1
 * @memory: the beginning of the shared memory, 4-byte aligned
 *
 * Return: true if so; false may only mean that no device side has started yet.
 */
bool virtio_msg_ring_is_v1(const void *memory);

/**
 * virtio_msg_ring_use_spsc - have a ring of layout spsc
 * @ring: to be set up; nothing is read or written before its attach()
 * @tx: the page that we write, VIRTIO_MSG_RING_SPSC_PAGE bytes, 8-byte aligned
 * @rx: the page that the peer writes, likewise
 */
void virtio_msg_ring_use_spsc(struct virtio_msg_ring *ring, void *tx, void *rx);

#endif /* _VIRTIO_MSG_RING_H */
