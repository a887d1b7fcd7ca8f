// SPDX-License-Identifier: GPL-2.0-only
/*
 * virtio-msg: whose doorbell is rung over an ivshmem
 */
#include <asm/barrier.h>
#include <linux/build_bug.h>
#include <linux/device.h>
#include <linux/module.h>

#include "virtio_msg_peer.h"

#define PEER_MAGIC	0x474d5356
#define PEER_VERSION	1

/* For the text of an id, or of there being none */
#define PEER_CHARS	8

/* An id is stored as id + 1, and 0 says that its side is not there. */
struct virtio_msg_peer_ids {
	__le32 magic;
	__le16 version;
	__le16 reserved;
	__le32 device_side;
	__le32 driver_side;
	u8 unused[48];
};

static_assert(sizeof(struct virtio_msg_peer_ids) == VIRTIO_MSG_PEER_SIZE);

/* What a word of the block says: an id, or -1 where there is none. */
static int peer_read(const struct virtio_msg_peer *peer, const __le32 *word)
{
	u32 id = le32_to_cpu(READ_ONCE(*word));

	/* What later versions add is behind what is read here. */
	if (le32_to_cpu(READ_ONCE(peer->ids->magic)) != PEER_MAGIC ||
	    !READ_ONCE(peer->ids->version) ||
	    !id || id > VIRTIO_MSG_PEER_MAX_ID + 1)
		return -1;
	return id - 1;
}

/*
 * The device side's id as it says, or -1.  Read each time: it may come later
 * than we do, and may come back with another id.  Ours is nobody else's: what
 * stands there then is left from an earlier device side.
 */
static int peer_announced(const struct virtio_msg_peer *peer)
{
	int id = peer_read(peer, &peer->ids->device_side);

	return id == peer->own_id ? -1 : id;
}

bool virtio_msg_peer_there(const struct virtio_msg_peer *peer)
{
	return peer->fixed_id >= 0 || peer_announced(peer) >= 0;
}
EXPORT_SYMBOL_GPL(virtio_msg_peer_there);

u16 virtio_msg_peer_id(const struct virtio_msg_peer *peer)
{
	int id = peer->fixed_id >= 0 ? peer->fixed_id : peer_announced(peer);

	if (id >= 0)
		return id;
	/* A device side that does not use the block is the first to start. */
	return peer->own_id ? 0 : 1;
}
EXPORT_SYMBOL_GPL(virtio_msg_peer_id);

bool virtio_msg_peer_wrong(const struct virtio_msg_peer *peer)
{
	int fixed = peer->fixed_id, id;

	if (fixed < 0 || READ_ONCE(peer->told))
		return false;
	id = peer_announced(peer);
	return fixed == peer->own_id || (id >= 0 && id != fixed);
}
EXPORT_SYMBOL_GPL(virtio_msg_peer_wrong);

void virtio_msg_peer_announce(struct virtio_msg_peer *peer)
{
	struct virtio_msg_peer_ids *ids = peer->ids;

	/* The other side may be doing the same; its word is left alone. */
	WRITE_ONCE(ids->driver_side, cpu_to_le32(peer->own_id + 1));
	/* It may also be of a later version, which says more than ours. */
	if (le32_to_cpu(READ_ONCE(ids->magic)) == PEER_MAGIC &&
	    READ_ONCE(ids->version))
		return;
	WRITE_ONCE(ids->version, cpu_to_le16(PEER_VERSION));
	WRITE_ONCE(ids->reserved, 0);
	/* A peer that sees the magic sees the rest. */
	virt_store_release(&ids->magic, cpu_to_le32(PEER_MAGIC));
}
EXPORT_SYMBOL_GPL(virtio_msg_peer_announce);

void virtio_msg_peer_retire(struct virtio_msg_peer *peer)
{
	WRITE_ONCE(peer->ids->driver_side, 0);
}
EXPORT_SYMBOL_GPL(virtio_msg_peer_retire);

static const char *peer_text(char *text, int id)
{
	if (id < 0)
		return "none";
	snprintf(text, PEER_CHARS, "%d", id);
	return text;
}

void virtio_msg_peer_tell_wrong(struct virtio_msg_peer *peer)
{
	char device[PEER_CHARS];

	if (!virtio_msg_peer_wrong(peer))
		return;
	WRITE_ONCE(peer->told, true);
	dev_err(peer->dev,
		"peer_vmid=%d is rung, but the device side's id is %s and ours is %u: load the module with the right peer_vmid=, or without\n",
		peer->fixed_id,
		peer_text(device, peer_read(peer, &peer->ids->device_side)),
		peer->own_id);
}
EXPORT_SYMBOL_GPL(virtio_msg_peer_tell_wrong);

void virtio_msg_peer_tell_absent(const struct virtio_msg_peer *peer)
{
	char device[PEER_CHARS], driver[PEER_CHARS];

	dev_warn(peer->dev,
		 "no device side so far, nobody is rung: our id is %u, the id block says device side %s, driver side %s; check that the device side runs on this memory, and if it leaves no mark there give peer_vmid=\n",
		 peer->own_id,
		 peer_text(device, peer_read(peer, &peer->ids->device_side)),
		 peer_text(driver, peer_read(peer, &peer->ids->driver_side)));
}
EXPORT_SYMBOL_GPL(virtio_msg_peer_tell_absent);

void virtio_msg_peer_tell_quiet(const struct virtio_msg_peer *peer,
				unsigned int seconds, u16 vector,
				bool answered)
{
	char device[PEER_CHARS], driver[PEER_CHARS];

	dev_warn(peer->dev,
		 "nothing has come for %u s: id %u is rung, vector %u, the id block says device side %s, driver side %s; check that the device side runs%s and rings id %u (remote-vmid=)\n",
		 seconds, virtio_msg_peer_id(peer), vector,
		 peer_text(device, peer_read(peer, &peer->ids->device_side)),
		 peer_text(driver, peer_read(peer, &peer->ids->driver_side)),
		 answered ? ", which has answered," : "", peer->own_id);
}
EXPORT_SYMBOL_GPL(virtio_msg_peer_tell_quiet);
