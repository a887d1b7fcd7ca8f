// SPDX-License-Identifier: GPL-2.0-only
/*
 * virtio-msg: requests and the wait for their answers
 */
#include <linux/completion.h>
#include <linux/jiffies.h>
#include <linux/minmax.h>
#include <linux/string.h>
#include <linux/wait.h>

#include "virtio_msg_bus_internal.h"

/*
 * Waits for the answer to what was asked at the time of since, for so many
 * jiffies.  It may be one device alone that does not answer, so that in the
 * middle of a silence the bus is asked, too.  Returns 0 if no answer came.
 */
static long request_wait(struct virtio_msg_bus *bus,
			 struct virtio_msg_request *req, unsigned long since,
			 long left)
{
	long half = left / 2;

	if (wait_for_completion_timeout(&req->done, half))
		return 1;
	if (virtio_msg_heartbeat_on() &&
	    time_before_eq(READ_ONCE(bus->heard), since))
		virtio_msg_ask(bus);
	return wait_for_completion_timeout(&req->done, left - half);
}

int virtio_msg_request(struct virtio_msg_bus *bus,
		       const struct virtio_msg_child *child,
		       struct virtio_msg *request, struct virtio_msg *response)
{
	struct virtio_msg_request req = {
		.child = child,
		.request = request,
		.response = response,
	};
	unsigned long start = jiffies;
	long left;
	int err;

	if (virtio_msg_failed(bus))
		return -EIO;
	/* Whoever was silent for a whole timeout is not waited for again. */
	if (virtio_msg_silent(bus))
		return -EHOSTDOWN;

	init_completion(&req.done);
	virtio_msg_token_add(bus, &req);
	request->token = cpu_to_le16(req.token);

	/* What is aborted while it waits for room is not sent any more. */
	err = -EAGAIN;
	left = wait_event_timeout(bus->room,
				  completion_done(&req.done) ||
				  virtio_msg_send(bus, child, request, &err),
				  virtio_msg_timeout());
	/* Whoever has just made room gets the time to answer, too. */
	if (left && !err)
		left = request_wait(bus, &req, start,
				    max_t(long, left,
					  virtio_msg_timeout() / 2));

	/* From here on no answer can find us. */
	virtio_msg_token_remove(bus, &req);

	if (err && err != -EAGAIN)
		return err;
	if (try_wait_for_completion(&req.done) || left)
		return req.result;

	virtio_msg_find_silent(bus, start);
	return -ETIMEDOUT;
}

int virtio_msg_request_bus(struct virtio_msg_bus *bus, u8 msg_id,
			   struct virtio_msg *request, size_t request_len,
			   struct virtio_msg *response, size_t response_len)
{
	int err;

	request->type = VIRTIO_MSG_TYPE_BUS;
	request->msg_id = msg_id;
	request->dev_num = 0;
	request->msg_size = cpu_to_le16(VIRTIO_MSG_HDR_SIZE + request_len);
	memset(response, 0, sizeof(*response));

	err = virtio_msg_request(bus, NULL, request, response);
	if (!err && le16_to_cpu(response->msg_size) <
		    VIRTIO_MSG_HDR_SIZE + response_len)
		err = -EPROTO;
	return err;
}
