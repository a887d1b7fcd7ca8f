// SPDX-License-Identifier: GPL-2.0-only
/*
 * virtio-msg: what differs between the wires
 */
#include <linux/compiler.h>
#include <linux/errno.h>
#include <linux/minmax.h>
#include <linux/string.h>

#include "virtio_msg_wire.h"

static const struct virtio_msg_wire wire_2026, wire_2025, wire_2025_07;

static size_t wire_payload(const struct virtio_msg *msg)
{
	return le16_to_cpu(msg->msg_size) - VIRTIO_MSG_HDR_SIZE;
}

/* 2026 */

static bool wire_2026_fits_devices(const struct virtio_msg *answer)
{
	u16 offset = le16_to_cpu(answer->get_devices_resp.offset);
	u16 count = le16_to_cpu(answer->get_devices_resp.count);
	u16 next = le16_to_cpu(answer->get_devices_resp.next_offset);

	return wire_payload(answer) ==
	       VIRTIO_MSG_MIN_DEVICES + DIV_ROUND_UP(count, 8) &&
	       (!next || next > offset);
}

static void wire_2026_get_window(const struct virtio_msg *answer,
				 struct virtio_msg_window *window)
{
	window->offset = le16_to_cpu(answer->get_devices_resp.offset);
	window->count = le16_to_cpu(answer->get_devices_resp.count);
	window->next = le16_to_cpu(answer->get_devices_resp.next_offset);
	window->bitmap = answer->get_devices_resp.bitmap;
}

static void wire_2026_get_info(const struct virtio_msg *answer,
			       struct virtio_msg_info *info)
{
	const struct virtio_msg_get_device_info_resp *resp =
		&answer->get_device_info_resp;

	info->device_id = le32_to_cpu(resp->device_id);
	info->vendor_id = le32_to_cpu(resp->vendor_id);
	info->num_feature_blocks = le32_to_cpu(resp->num_feature_blocks);
	info->config_size = le32_to_cpu(resp->config_size);
	info->max_virtqueues = le32_to_cpu(resp->max_virtqueues);
}

static void wire_2026_get_queue(const struct virtio_msg *answer,
				struct virtio_msg_queue *queue)
{
	const struct virtio_msg_get_vqueue_resp *resp =
		&answer->get_vqueue_resp;

	queue->index = le32_to_cpu(resp->index);
	queue->max_size = le32_to_cpu(resp->max_size);
	queue->size = le32_to_cpu(resp->cur_size);
	queue->desc = le64_to_cpu(resp->desc);
	queue->driver = le64_to_cpu(resp->driver);
	queue->device = le64_to_cpu(resp->device);
	queue->active = le32_to_cpu(resp->flags) & VIRTIO_MSG_VQ_ENABLED;
	queue->idle = !queue->active && !queue->size;
}

static void wire_2026_put_queue(struct virtio_msg *request,
				const struct virtio_msg_queue *queue)
{
	request->set_vqueue.index = cpu_to_le32(queue->index);
	request->set_vqueue.flags = cpu_to_le32(VIRTIO_MSG_VQ_OP_ENABLE);
	request->set_vqueue.size = cpu_to_le32(queue->size);
	request->set_vqueue.reserved = 0;
	request->set_vqueue.desc = cpu_to_le64(queue->desc);
	request->set_vqueue.driver = cpu_to_le64(queue->driver);
	request->set_vqueue.device = cpu_to_le64(queue->device);
}

static void wire_2026_get_shm(const struct virtio_msg *answer,
			      struct virtio_msg_shm *shm)
{
	shm->id = le32_to_cpu(answer->get_shm_resp.index);
	shm->length = le64_to_cpu(answer->get_shm_resp.length);
	shm->address = le64_to_cpu(answer->get_shm_resp.address);
}

static const struct virtio_msg_wire wire_2026 = {
	.name			= "2026",
	.devices_fields		= "next_offset, count",
	.min_max_size		= VIRTIO_MSG_MIN_MAX_SIZE,
	.max_size		= VIRTIO_MSG_MAX_SIZE,
	.info_size		=
		sizeof(struct virtio_msg_get_device_info_resp),
	.queue_size		= sizeof(struct virtio_msg_set_vqueue),
	.shm_size		= sizeof(struct virtio_msg_get_shm_resp),
	.max_window		= 8 * VIRTIO_MSG_MAX_DEVICES_BITMAP,
	.notification_data	= true,
	.fits_devices		= wire_2026_fits_devices,
	.get_window		= wire_2026_get_window,
	.get_info		= wire_2026_get_info,
	.get_queue		= wire_2026_get_queue,
	.put_queue		= wire_2026_put_queue,
	.get_shm		= wire_2026_get_shm,
};

/* 2025 */

static bool wire_2025_fits_devices(const struct virtio_msg *answer)
{
	u16 offset = le16_to_cpu(answer->get_devices_resp_2025.offset);
	u16 count = le16_to_cpu(answer->get_devices_resp_2025.count);
	u16 next = le16_to_cpu(answer->get_devices_resp_2025.next_offset);

	return wire_payload(answer) == VIRTIO_MSG_MIN_DEVICES + count / 8 &&
	       !(count % VIRTIO_MSG_DEVICES_ALIGN_2025) &&
	       !(next % VIRTIO_MSG_DEVICES_ALIGN_2025) &&
	       (!next || next >= offset + count);
}

static void wire_2025_get_window(const struct virtio_msg *answer,
				 struct virtio_msg_window *window)
{
	window->offset = le16_to_cpu(answer->get_devices_resp_2025.offset);
	window->count = le16_to_cpu(answer->get_devices_resp_2025.count);
	window->next = le16_to_cpu(answer->get_devices_resp_2025.next_offset);
	window->bitmap = answer->get_devices_resp_2025.bitmap;
}

static void wire_2025_get_info(const struct virtio_msg *answer,
			       struct virtio_msg_info *info)
{
	const struct virtio_msg_get_device_info_resp_2025 *resp =
		&answer->get_device_info_resp_2025;

	info->device_id = le32_to_cpu(resp->device_id);
	info->vendor_id = le32_to_cpu(resp->vendor_id);
	info->num_feature_blocks = le32_to_cpu(resp->num_feature_bits) / 32;
	info->config_size = le32_to_cpu(resp->config_size);
	info->max_virtqueues = le32_to_cpu(resp->max_virtqueues);
}

/*
 * There is no flag: a queue is active when it has a size.  Some device sides
 * show one, the largest, for a queue that is not set up, which has no addresses
 * then.  Q-07.
 */
static void wire_2025_guess_active(struct virtio_msg_queue *queue)
{
	queue->active = queue->size &&
			(queue->desc || queue->driver || queue->device);
	queue->idle = !queue->active;
}

static void wire_2025_get_queue(const struct virtio_msg *answer,
				struct virtio_msg_queue *queue)
{
	wire_2026_get_queue(answer, queue);
	wire_2025_guess_active(queue);
}

static void wire_2025_put_queue(struct virtio_msg *request,
				const struct virtio_msg_queue *queue)
{
	wire_2026_put_queue(request, queue);
	request->set_vqueue.flags = 0;
}

static void wire_2025_get_shm(const struct virtio_msg *answer,
			      struct virtio_msg_shm *shm)
{
	shm->id = le32_to_cpu(answer->get_shm_resp_2025.index);
	shm->length = le32_to_cpu(answer->get_shm_resp_2025.length);
	shm->address = le32_to_cpu(answer->get_shm_resp_2025.address);
}

/*
 * Some device sides drop messages of more than 48 bytes though their slots have
 * more, and some read past their tables when asked for more than 32 numbers.
 *
 */
static const struct virtio_msg_wire wire_2025 = {
	.name			= "2025",
	.sibling		= &wire_2025_07,
	.devices_fields		= "count, next_offset",
	.min_max_size		= VIRTIO_MSG_MIN_MAX_SIZE_2025,
	.max_size		= VIRTIO_MSG_MIN_MAX_SIZE_2025,
	.info_size		= VIRTIO_MSG_MIN_INFO,
	.queue_size		= sizeof(struct virtio_msg_set_vqueue),
	.shm_size		= sizeof(struct virtio_msg_get_shm_resp_2025),
	.max_window		= 32,
	.wary			= true,
	.bare_answers		= true,
	.strict_generation	= true,
	.shm_optional		= true,
	.fits_devices		= wire_2025_fits_devices,
	.get_window		= wire_2025_get_window,
	.get_info		= wire_2025_get_info,
	.get_queue		= wire_2025_get_queue,
	.put_queue		= wire_2025_put_queue,
	.get_shm		= wire_2025_get_shm,
};

/* 2025-07 */

static u64 wire_2025_07_address(const __le32 halves[2])
{
	return le32_to_cpu(halves[0]) | (u64)le32_to_cpu(halves[1]) << 32;
}

static void wire_2025_07_put_address(__le32 halves[2], u64 address)
{
	halves[0] = cpu_to_le32(address);
	halves[1] = cpu_to_le32(address >> 32);
}

static void wire_2025_07_get_queue(const struct virtio_msg *answer,
				   struct virtio_msg_queue *queue)
{
	const struct virtio_msg_get_vqueue_resp_2025_07 *resp =
		&answer->get_vqueue_resp_2025_07;

	queue->index = le32_to_cpu(resp->index);
	queue->max_size = le32_to_cpu(resp->max_size);
	queue->size = le32_to_cpu(resp->cur_size);
	queue->desc = wire_2025_07_address(resp->desc);
	queue->driver = wire_2025_07_address(resp->driver);
	queue->device = wire_2025_07_address(resp->device);
	wire_2025_guess_active(queue);
}

static void wire_2025_07_put_queue(struct virtio_msg *request,
				   const struct virtio_msg_queue *queue)
{
	struct virtio_msg_set_vqueue_2025_07 *req =
		&request->set_vqueue_2025_07;

	req->index = cpu_to_le32(queue->index);
	req->reserved = 0;
	req->size = cpu_to_le32(queue->size);
	wire_2025_07_put_address(req->desc, queue->desc);
	wire_2025_07_put_address(req->driver, queue->driver);
	wire_2025_07_put_address(req->device, queue->device);
}

static const struct virtio_msg_wire wire_2025_07 = {
	.name			= "2025-07",
	.sibling		= &wire_2025,
	.devices_fields		= "count, next_offset",
	.min_max_size		= VIRTIO_MSG_MIN_MAX_SIZE_2025,
	.max_size		= VIRTIO_MSG_MIN_MAX_SIZE_2025,
	.info_size		= VIRTIO_MSG_MIN_INFO,
	.queue_size		= sizeof(struct virtio_msg_set_vqueue_2025_07),
	.shm_size		= sizeof(struct virtio_msg_get_shm_resp_2025),
	.max_window		= 32,
	.wary			= true,
	.bare_answers		= true,
	.strict_generation	= true,
	.shm_optional		= true,
	.fits_devices		= wire_2025_fits_devices,
	.get_window		= wire_2025_get_window,
	.get_info		= wire_2025_get_info,
	.get_queue		= wire_2025_07_get_queue,
	.put_queue		= wire_2025_07_put_queue,
	.get_shm		= wire_2025_get_shm,
};

/* Which one it is */

/* Those that can be told apart before there are queues */
static const struct virtio_msg_wire *const wires[] = {
	&wire_2026, &wire_2025,
};

bool virtio_msg_wire_named(const char *name,
			   const struct virtio_msg_wire **wire)
{
	unsigned int i;

	*wire = NULL;
	if (!strcmp(name, "auto"))
		return true;
	for (i = 0; i < ARRAY_SIZE(wires); i++)
		if (!strcmp(name, wires[i]->name))
			*wire = wires[i];
	return *wire;
}

void virtio_msg_link_init(struct virtio_msg_link *link,
			  const struct virtio_msg_wire *wire)
{
	link->fixed = wire;
	virtio_msg_link_forget(link);
}

void virtio_msg_link_forget(struct virtio_msg_link *link)
{
	WRITE_ONCE(link->wire, link->fixed);
	WRITE_ONCE(link->told, false);
}

/* As long as nobody knows, what all of them understand */
static const struct virtio_msg_wire *
link_wire(const struct virtio_msg_link *link)
{
	return READ_ONCE(link->wire) ?: &wire_2025;
}

const char *virtio_msg_link_wire_name(const struct virtio_msg_link *link)
{
	const struct virtio_msg_wire *wire = READ_ONCE(link->wire);

	return wire ? wire->name : "unknown";
}

u16 virtio_msg_link_max_size(const struct virtio_msg_link *link,
			     const struct virtio_msg_wire *wire)
{
	return min_t(u16, link->max_size ?: wire->max_size, link->slot_size);
}

bool virtio_msg_link_bare_answers(const struct virtio_msg_link *link)
{
	return link_wire(link)->bare_answers;
}

/* Whether these differ in the queue messages at most */
static bool wires_alike(const struct virtio_msg_wire *one,
			const struct virtio_msg_wire *other)
{
	return one == other || (one && one->sibling == other);
}

/* Whether the log is to say what is wrong: once is enough. */
static bool link_tells(struct virtio_msg_link *link)
{
	return !xchg(&link->told, true);
}

/*
 * An answer was of this wire.  What a device side showed last counts: it may
 * have been replaced without a word.
 */
static int link_learn(struct virtio_msg_link *link,
		      const struct virtio_msg_wire *wire)
{
	u16 max_size = virtio_msg_link_max_size(link, wire);

	if (wires_alike(READ_ONCE(link->wire), wire))
		return 0;
	if (max_size < wire->min_max_size) {
		if (link_tells(link))
			dev_err_ratelimited(link->dev,
					    "messages of at most %u bytes are too small for the wire of %s, which needs %u: load virtio_msg with max_msg=%u or more, or without\n",
					    max_size, wire->name,
					    wire->min_max_size,
					    wire->min_max_size);
		return -EPROTONOSUPPORT;
	}
	WRITE_ONCE(link->wire, wire);
	dev_info_ratelimited(link->dev, "the device side speaks the wire of %s\n",
			     wire->name);
	return 0;
}

/* The only wire that an answer to GET_DEVICES fits, NULL if not just one */
static const struct virtio_msg_wire *
wire_of_devices(const struct virtio_msg *answer, bool *any)
{
	const struct virtio_msg_wire *found = NULL;
	unsigned int i, fitting = 0;

	for (i = 0; i < ARRAY_SIZE(wires); i++) {
		if (!wires[i]->fits_devices(answer))
			continue;
		found = wires[i];
		fitting++;
	}
	*any = fitting;
	return fitting == 1 ? found : NULL;
}

/* Learns from an answer to GET_DEVICES how to read it. */
static int link_learn_devices(struct virtio_msg_link *link,
			      const struct virtio_msg *answer,
			      const struct virtio_msg_wire **wire)
{
	/* Whichever of the two is which */
	u16 second = le16_to_cpu(answer->get_devices_resp.next_offset);
	u16 third = le16_to_cpu(answer->get_devices_resp.count);
	const struct virtio_msg_wire *found;
	bool any;
	int err;

	found = wire_of_devices(answer, &any);
	if (found && link->fixed && found != link->fixed) {
		if (link_tells(link))
			dev_err_ratelimited(link->dev,
					    "GET_DEVICES is answered in %u bytes with %u at +2 and %u at +4, which are not the %s of wire=%s, but the %s of %s: load virtio_msg with wire=%s, or without\n",
					    le16_to_cpu(answer->msg_size),
					    second, third,
					    link->fixed->devices_fields,
					    link->fixed->name,
					    found->devices_fields, found->name,
					    found->name);
		return -EPROTONOSUPPORT;
	}
	if (found) {
		err = link_learn(link, found);
		if (err)
			return err;
	}
	/* Where several fit, they mean the same. */
	*wire = link_wire(link);
	if (any || READ_ONCE(link->wire) || second == third)
		return 0;

	if (link_tells(link))
		dev_err_ratelimited(link->dev,
				    "GET_DEVICES is answered in %u bytes with %u at +2 and %u at +4, which fits no wire: load virtio_msg with wire= as the device side has it\n",
				    le16_to_cpu(answer->msg_size),
				    second, third);
	return -EPROTONOSUPPORT;
}

unsigned int virtio_msg_link_window_size(const struct virtio_msg_link *link)
{
	const struct virtio_msg_wire *wire = link_wire(link);
	unsigned int room = virtio_msg_link_max_size(link, wire) -
			    VIRTIO_MSG_HDR_SIZE - VIRTIO_MSG_MIN_DEVICES;

	return min_t(unsigned int, 8 * room, wire->max_window);
}

int virtio_msg_link_window(struct virtio_msg_link *link,
			   const struct virtio_msg *answer, u16 offset,
			   unsigned int wanted,
			   struct virtio_msg_window *window)
{
	const struct virtio_msg_wire *wire;
	int err;

	err = link_learn_devices(link, answer, &wire);
	if (err)
		return err;

	wire->get_window(answer, window);
	if (window->count > wanted ||
	    window->offset + window->count > VIRTIO_MSG_NUM_DEVICES ||
	    wire_payload(answer) <
	    VIRTIO_MSG_MIN_DEVICES + DIV_ROUND_UP(window->count, 8))
		return -EPROTO;

	if (!wire->wary)
		return window->offset == offset &&
		       (!window->next || window->next > offset) ? 0 : -EPROTO;

	/* The same window whatever was asked for, and no way on from it */
	if (window->next <= offset)
		window->next = 0;
	if (window->next && (window->next % VIRTIO_MSG_DEVICES_ALIGN_2025 ||
			     window->next < offset + window->count))
		return -EPROTO;
	return 0;
}

/*
 * A device side that never says that it has come to the end says that the next
 * window follows at once.  One that leaps over numbers knows what is there.
 */
bool virtio_msg_link_last_window(const struct virtio_msg_link *link,
				 u16 offset, unsigned int wanted,
				 const struct virtio_msg_window *window,
				 bool news)
{
	const struct virtio_msg_wire *wire = READ_ONCE(link->wire);

	if (!window->next)
		return true;
	/* While nobody knows which it is, the next window will tell. */
	return wire && wire->wary && !news && window->next <= offset + wanted;
}

/*
 * The wire of an answer to GET_DEVICE_INFO, by its size.  An answer may have
 * more bytes than it needs, but that can be known only where the wire is.
 */
static const struct virtio_msg_wire *
link_wire_of_info(const struct virtio_msg_link *link, size_t size)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(wires); i++)
		if (size == wires[i]->info_size)
			return wires[i];
	if (link->fixed && size > link->fixed->info_size)
		return link->fixed;
	return size >= wire_2026.info_size ? &wire_2026 : &wire_2025;
}

int virtio_msg_link_info(struct virtio_msg_link *link,
			 const struct virtio_msg *answer,
			 const struct virtio_msg_wire **wire,
			 struct virtio_msg_info *info)
{
	const struct virtio_msg_wire *known = READ_ONCE(link->wire);
	const struct virtio_msg_wire *found =
		link_wire_of_info(link, wire_payload(answer));
	int err;

	if (link->fixed && found != link->fixed) {
		if (link_tells(link))
			dev_err_ratelimited(link->dev,
					    "GET_DEVICE_INFO is answered in %u bytes, which are not the %u of wire=%s, but the %u of %s: load virtio_msg with wire=%s, or without\n",
					    le16_to_cpu(answer->msg_size),
					    VIRTIO_MSG_HDR_SIZE +
					    link->fixed->info_size,
					    link->fixed->name,
					    VIRTIO_MSG_HDR_SIZE +
					    found->info_size, found->name,
					    found->name);
		return -EPROTONOSUPPORT;
	}
	err = link_learn(link, found);
	if (err)
		return err;
	*wire = wires_alike(known, found) ? known : found;
	found->get_info(answer, info);
	return 0;
}

int virtio_msg_link_queue(struct virtio_msg_link *link,
			  const struct virtio_msg *answer,
			  const struct virtio_msg_wire **wire,
			  struct virtio_msg_queue *queue)
{
	size_t size = wire_payload(answer);
	const struct virtio_msg_wire *other = (*wire)->sibling;

	/* The larger one of the two whose answer it can be */
	if (other && (size < (*wire)->queue_size ||
		      (size >= other->queue_size &&
		       other->queue_size > (*wire)->queue_size))) {
		if (READ_ONCE(link->wire) == *wire)
			WRITE_ONCE(link->wire, other);
		*wire = other;
	}
	if (size < (*wire)->queue_size)
		return -EPROTO;
	(*wire)->get_queue(answer, queue);
	return 0;
}
