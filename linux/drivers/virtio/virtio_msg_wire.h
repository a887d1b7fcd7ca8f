/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * virtio-msg: what differs between the wires
 *
 * Several layouts of messages call themselves revision 1, and no field tells
 * which one a message has.  Each is a table here; whoever uses one deals with
 * values in CPU order only, and need not know which it is.
 */
#ifndef _VIRTIO_MSG_WIRE_H
#define _VIRTIO_MSG_WIRE_H

#include <linux/device.h>
#include <linux/types.h>
#include <linux/virtio_msg.h>

/* So many numbers there are for the devices of a link. */
#define VIRTIO_MSG_NUM_DEVICES	65536

/* The least that an answer to GET_DEVICES has, and in front of its bitmap */
#define VIRTIO_MSG_MIN_DEVICES \
	offsetof(struct virtio_msg_get_devices_resp, bitmap)

/* The least that answers to these have, whatever the wire */
#define VIRTIO_MSG_MIN_INFO \
	sizeof(struct virtio_msg_get_device_info_resp_2025)
#define VIRTIO_MSG_MIN_QUEUE \
	sizeof(struct virtio_msg_get_vqueue_resp_2025_07)

/**
 * struct virtio_msg_info - what a device is
 * @device_id: of virtio; 0 where there is no device
 * @vendor_id: likewise
 * @num_feature_blocks: blocks of 32 feature bits
 * @config_size: bytes
 * @max_virtqueues: how many queues it has
 */
struct virtio_msg_info {
	u32 device_id;
	u32 vendor_id;
	u32 num_feature_blocks;
	u32 config_size;
	u32 max_virtqueues;
};

/**
 * struct virtio_msg_queue - how a virtqueue is set up, or is to be
 * @index: which one
 * @max_size: the most entries that it can have; 0 where there is no such queue
 * @size: entries
 * @desc: DMA address of the descriptors
 * @driver: DMA address of the driver's area
 * @device: DMA address of the device's area
 * @idle: it is not set up.  D-08, Q-07.
 * @active: the device uses it, or will as soon as its driver is ready
 */
struct virtio_msg_queue {
	u32 index;
	u32 max_size;
	u32 size;
	u64 desc;
	u64 driver;
	u64 device;
	bool idle;
	bool active;
};

/**
 * struct virtio_msg_shm - where a shared memory region is
 * @id: which one
 * @length: bytes; 0 where there is no such region
 * @address: on the bus
 */
struct virtio_msg_shm {
	u32 id;
	u64 length;
	u64 address;
};

/**
 * struct virtio_msg_window - which of some neighbouring numbers are devices
 * @offset: the first number
 * @count: how many
 * @next: where to go on, 0 if nowhere
 * @bitmap: a bit for each, in the answer that it was read from
 */
struct virtio_msg_window {
	u16 offset;
	u16 count;
	u16 next;
	const u8 *bitmap;
};

/**
 * struct virtio_msg_wire - one layout of messages
 * @name: as users know it
 * @devices_fields: the 16 bit words at +2 and +4 of GET_DEVICES's answer
 * @sibling: the one that differs in the queue messages alone, or NULL
 * @min_max_size: bytes that the largest message must be able to have
 * @max_size: bytes that it has where nobody says otherwise
 * @info_size: payload bytes of GET_DEVICE_INFO's answer
 * @queue_size: payload bytes of GET_VQUEUE's answer, and of SET_VQUEUE
 * @shm_size: payload bytes of GET_SHM's answer
 * @max_window: so many numbers GET_DEVICES may ask for at once
 * @wary: answers to GET_DEVICES may not end by themselves.  Q-03.
 * @bare_answers: answers to bus messages may lack the token.  Q-01.
 * @strict_generation: SET_CONFIG has to carry the generation of now.  D-04.
 * @notification_data: VIRTIO_F_NOTIFICATION_DATA means what virtio says.  D-11.
 * @shm_optional: a device need not answer GET_SHM
 * @fits_devices: whether an answer to GET_DEVICES, which has at least
 *	VIRTIO_MSG_MIN_DEVICES, can be one of this wire.  D-07.
 * @get_window: read an answer to GET_DEVICES, of at least that size
 * @get_info: read an answer to GET_DEVICE_INFO of at least @info_size
 * @get_queue: read an answer to GET_VQUEUE of at least @queue_size
 * @put_queue: write a SET_VQUEUE that activates a queue, @queue_size bytes
 * @get_shm: read an answer to GET_SHM of at least @shm_size
 */
struct virtio_msg_wire {
	const char *name;
	const char *devices_fields;
	const struct virtio_msg_wire *sibling;
	u16 min_max_size;
	u16 max_size;
	u16 info_size;
	u16 queue_size;
	u16 shm_size;
	u16 max_window;
	bool wary;
	bool bare_answers;
	bool strict_generation;
	bool notification_data;
	bool shm_optional;
	bool (*fits_devices)(const struct virtio_msg *answer);
	void (*get_window)(const struct virtio_msg *answer,
			   struct virtio_msg_window *window);
	void (*get_info)(const struct virtio_msg *answer,
			 struct virtio_msg_info *info);
	void (*get_queue)(const struct virtio_msg *answer,
			  struct virtio_msg_queue *queue);
	void (*put_queue)(struct virtio_msg *request,
			  const struct virtio_msg_queue *queue);
	void (*get_shm)(const struct virtio_msg *answer,
			struct virtio_msg_shm *shm);
};

/**
 * struct virtio_msg_reach - what addresses of shared memory regions stand for
 * @base: the physical address of address 0
 * @begin: the first address that a region may have
 * @end: the first one behind it that none may have; with @begin == @end there
 *	are no regions
 */
struct virtio_msg_reach {
	phys_addr_t base;
	u64 begin;
	u64 end;
};

/**
 * struct virtio_msg_link - what both ends of a link speak
 * @dev: whose line it is when the log says something of it
 * @slot_size: bytes that the bus can carry in one message
 * @max_size: bytes that one may have, header included; 0 for what the wire has
 * @strict_generation: SET_CONFIG has to carry the generation of now, whatever
 *	the wire: bit 0 of the transport features
 * @reach: where shared memory regions of its devices can be
 * @fixed: the wire that the user has named; NULL to find out
 * @wire: the one that the device side was last seen to speak; NULL before
 * @told: the log says that it is not the one that it should be
 *
 * @dev, @max_size and @strict_generation are set before virtio_msg_link_init(),
 * @slot_size and @reach before anything is asked.  @wire can change at any time; a
 * device that was found with one keeps it.
 */
struct virtio_msg_link {
	struct device *dev;
	u16 slot_size;
	u16 max_size;
	bool strict_generation;
	struct virtio_msg_reach reach;
	const struct virtio_msg_wire *fixed;
	const struct virtio_msg_wire *wire;
	bool told;
};

/**
 * virtio_msg_wire_named - whether there is a wire of a name
 * @name: what a user has given; "auto" for the one that is found out
 * @wire: set to it, or to NULL for "auto"
 *
 * Return: false if there is none.
 */
bool virtio_msg_wire_named(const char *name,
			   const struct virtio_msg_wire **wire);

/**
 * virtio_msg_link_init - begin with a device side that nothing is known of
 * @link: zeroed but for what the bus sets
 * @wire: what the user has named, or NULL
 */
void virtio_msg_link_init(struct virtio_msg_link *link,
			  const struct virtio_msg_wire *wire);

/**
 * virtio_msg_link_forget - the device side has started anew, as what it is now
 * @link: an initialized link
 *
 * Any context.  D-07.
 */
void virtio_msg_link_forget(struct virtio_msg_link *link);

/**
 * virtio_msg_link_wire_name - what is spoken, for users
 * @link: an initialized link
 *
 * Return: the name of the wire, or "unknown".
 */
const char *virtio_msg_link_wire_name(const struct virtio_msg_link *link);

/**
 * virtio_msg_link_max_size - how large messages may be
 * @link: an initialized link
 * @wire: the wire
 *
 * Return: bytes, header included.
 */
u16 virtio_msg_link_max_size(const struct virtio_msg_link *link,
			     const struct virtio_msg_wire *wire);

/**
 * virtio_msg_link_bare_answers - may answers to bus messages lack the token
 * @link: an initialized link
 *
 * Any context.  Q-01.
 *
 * Return: true if so.
 */
bool virtio_msg_link_bare_answers(const struct virtio_msg_link *link);

/**
 * virtio_msg_link_window_size - for how many numbers to ask at once
 * @link: an initialized link
 *
 * Return: a multiple of 8.  As long as nobody knows the wire, what each of them
 * can be asked for.  Q-03.
 */
unsigned int virtio_msg_link_window_size(const struct virtio_msg_link *link);

/**
 * virtio_msg_link_window - read an answer to GET_DEVICES
 * @link: an initialized link; may learn its wire.  D-07.
 * @answer: a private copy, of at least VIRTIO_MSG_MIN_DEVICES
 * @offset: the first number that was asked for
 * @wanted: how many were
 * @window: filled in; lies within the numbers that there are, and within
 *	@answer.  Its next is 0 or more than @offset.
 *
 * May sleep.
 *
 * Return: 0; -EPROTO if the answer makes no sense; -EPROTONOSUPPORT, after a
 * line in the log, if it is of no wire that is spoken here.
 */
int virtio_msg_link_window(struct virtio_msg_link *link,
			   const struct virtio_msg *answer, u16 offset,
			   unsigned int wanted,
			   struct virtio_msg_window *window);

/**
 * virtio_msg_link_last_window - is there no use in asking on
 * @link: an initialized link
 * @offset: the first number that was asked for
 * @wanted: how many were
 * @window: what virtio_msg_link_window() has made of the answer
 * @news: whether a device was in it that was not known before
 *
 * Some device sides do not say where their devices end.  Q-03.
 *
 * Return: true if there is none.
 */
bool virtio_msg_link_last_window(const struct virtio_msg_link *link,
				 u16 offset, unsigned int wanted,
				 const struct virtio_msg_window *window,
				 bool news);

/**
 * virtio_msg_link_info - read an answer to GET_DEVICE_INFO
 * @link: an initialized link; may learn its wire.  D-07.
 * @answer: a private copy, of at least VIRTIO_MSG_MIN_INFO
 * @wire: set to the one that the device's further answers are of
 * @info: filled in
 *
 * May sleep.
 *
 * Return: 0, or -EPROTONOSUPPORT, after a line in the log, if that is not what
 * is spoken here.
 */
int virtio_msg_link_info(struct virtio_msg_link *link,
			 const struct virtio_msg *answer,
			 const struct virtio_msg_wire **wire,
			 struct virtio_msg_info *info);

/**
 * virtio_msg_link_queue - read an answer to GET_VQUEUE
 * @link: an initialized link; may learn more of its wire.  D-07.
 * @answer: a private copy, of at least VIRTIO_MSG_MIN_QUEUE
 * @wire: the device's; set to its sibling if the answer is of that
 * @queue: filled in
 *
 * Return: 0, or -EPROTO if it is too short.
 */
int virtio_msg_link_queue(struct virtio_msg_link *link,
			  const struct virtio_msg *answer,
			  const struct virtio_msg_wire **wire,
			  struct virtio_msg_queue *queue);

#endif /* _VIRTIO_MSG_WIRE_H */
