// SPDX-License-Identifier: GPL-2.0-only
/*
 * virtio-msg: the requests that wait for answers, by their tokens
 */
#include <linux/completion.h>
#include <linux/hashtable.h>
#include <linux/spinlock.h>
#include <linux/wait.h>

#include "virtio_msg_bus_internal.h"

/* Caller holds requests_lock. */
static struct virtio_msg_request *token_find(struct virtio_msg_bus *bus,
					     u16 token)
{
	struct virtio_msg_request *req;

	hash_for_each_possible(bus->requests, req, node, token)
		if (req->token == token)
			return req;
	return NULL;
}

/*
 * Some device sides answer what the bus is asked without its token.  There is
 * one scan, and nobody asks the same of the bus twice at a time.  Caller holds
 * requests_lock.  Q-01.
 */
static struct virtio_msg_request *
token_find_bare(struct virtio_msg_bus *bus, u8 msg_id)
{
	struct virtio_msg_request *req;
	unsigned int bucket;

	if (!virtio_msg_link_bare_answers(&bus->link))
		return NULL;
	hash_for_each(bus->requests, bucket, req, node)
		if (!req->child && req->request->msg_id == msg_id)
			return req;
	return NULL;
}

void virtio_msg_token_add(struct virtio_msg_bus *bus,
			  struct virtio_msg_request *req)
{
	spin_lock_irq(&bus->requests_lock);
	do {
		req->token = ++bus->next_token;
	} while (!req->token || token_find(bus, req->token));
	hash_add(bus->requests, &req->node, req->token);
	spin_unlock_irq(&bus->requests_lock);
}

void virtio_msg_token_remove(struct virtio_msg_bus *bus,
			     struct virtio_msg_request *req)
{
	spin_lock_irq(&bus->requests_lock);
	hash_del(&req->node);
	spin_unlock_irq(&bus->requests_lock);
}

bool virtio_msg_token_answer(struct virtio_msg_bus *bus,
			     const struct virtio_msg *msg)
{
	bool bare = !msg->token && msg->type & VIRTIO_MSG_TYPE_BUS;
	struct virtio_msg_request *req;
	unsigned long flags;
	bool match;

	spin_lock_irqsave(&bus->requests_lock, flags);
	req = bare ? token_find_bare(bus, msg->msg_id)
		   : token_find(bus, le16_to_cpu(msg->token));
	match = req && !completion_done(&req->done) &&
		req->request->msg_id == msg->msg_id &&
		req->request->dev_num == msg->dev_num &&
		!((req->request->type ^ msg->type) & VIRTIO_MSG_TYPE_BUS);
	if (match) {
		memcpy(req->response, msg, le16_to_cpu(msg->msg_size));
		complete(&req->done);
	}
	spin_unlock_irqrestore(&bus->requests_lock, flags);
	return match;
}

void virtio_msg_token_abort(struct virtio_msg_bus *bus,
			    const struct virtio_msg_child *child, int result)
{
	struct virtio_msg_request *req;
	unsigned long flags;
	unsigned int bucket;

	spin_lock_irqsave(&bus->requests_lock, flags);
	hash_for_each(bus->requests, bucket, req, node) {
		if (child && req->child != child)
			continue;
		req->result = result;
		complete(&req->done);
	}
	spin_unlock_irqrestore(&bus->requests_lock, flags);
	wake_up_all(&bus->room);
}

void virtio_msg_token_init(struct virtio_msg_bus *bus)
{
	spin_lock_init(&bus->requests_lock);
	hash_init(bus->requests);
}
