/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * virtio-msg: whose doorbell is rung over an ivshmem
 *
 * The last 64 bytes of the shared memory are a block in which both sides leave
 * their ivshmem ids for the other one's doorbell.  That of the device side is
 * also its mark: an ivshmem says nothing about what its memory is for, and
 * many have another use.
 */
#ifndef _VIRTIO_MSG_PEER_H
#define _VIRTIO_MSG_PEER_H

#include <linux/types.h>

/* Bytes of the block */
#define VIRTIO_MSG_PEER_SIZE	64

#define VIRTIO_MSG_PEER_MAX_ID	0xffff

struct device;
struct virtio_msg_peer_ids;

/**
 * struct virtio_msg_peer - what is known of both sides' ids
 * @dev: whose line it is when the log says something of them
 * @ids: the block, 4-byte aligned, in ordinary memory
 * @own_id: ours
 * @fixed_id: the device side's as the user has it, or -1
 * @told: the log says that @fixed_id is contradicted
 */
struct virtio_msg_peer {
	struct device *dev;
	struct virtio_msg_peer_ids *ids;
	u16 own_id;
	int fixed_id;
	bool told;
};

/**
 * virtio_msg_peer_there - has a device side left its mark, or does the user say so
 * @peer: both sides' ids
 */
bool virtio_msg_peer_there(const struct virtio_msg_peer *peer);

/**
 * virtio_msg_peer_id - whose doorbell to ring
 * @peer: both sides' ids
 *
 * Any context.  L-04.
 *
 * Return: the id; what is most likely where nobody has said it.
 */
u16 virtio_msg_peer_id(const struct virtio_msg_peer *peer);

/**
 * virtio_msg_peer_wrong - is the user's id not the device side's, unsaid so far
 * @peer: both sides' ids
 *
 * Any context.
 */
bool virtio_msg_peer_wrong(const struct virtio_msg_peer *peer);

/**
 * virtio_msg_peer_announce - leave our id
 * @peer: both sides' ids
 */
void virtio_msg_peer_announce(struct virtio_msg_peer *peer);

/**
 * virtio_msg_peer_retire - take it away
 * @peer: both sides' ids
 */
void virtio_msg_peer_retire(struct virtio_msg_peer *peer);

/**
 * virtio_msg_peer_tell_wrong - say so in the log, if it is so, once
 * @peer: both sides' ids
 */
void virtio_msg_peer_tell_wrong(struct virtio_msg_peer *peer);

/**
 * virtio_msg_peer_tell_absent - say in the log that there is no device side
 * @peer: both sides' ids
 */
void virtio_msg_peer_tell_absent(const struct virtio_msg_peer *peer);

/**
 * virtio_msg_peer_tell_quiet - say in the log that nothing comes from it
 * @peer: both sides' ids
 * @seconds: for how long
 * @vector: what is rung of it
 * @answered: there is a message that we were not rung for
 */
void virtio_msg_peer_tell_quiet(const struct virtio_msg_peer *peer,
				unsigned int seconds, u16 vector,
				bool answered);

#endif /* _VIRTIO_MSG_PEER_H */
