/*
 * Whether the driver side of a virtio-msg link is still there
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "hw/virtio/virtio-msg-liveness.h"

/* Intervals that an answer may take, so that one slow moment is no alarm */
#define PATIENCE    3

static void virtio_msg_liveness_arm(VirtIOMSGLiveness *l)
{
    timer_mod(l->timer,
              qemu_clock_get_ms(QEMU_CLOCK_REALTIME) + l->interval);
}

/* Returns false if there is no room for it in the queue */
static bool virtio_msg_liveness_send(VirtIOMSGLiveness *l)
{
    struct virtio_msg msg = {
        .type = VIRTIO_MSG_TYPE_BUS,
        .msg_id = VIRTIO_MSG_BUS_PING,
        .token = cpu_to_le16(l->token),
        .msg_size = cpu_to_le16(VIRTIO_MSG_HDR_SIZE + sizeof(msg.ping)),
        .ping.data = cpu_to_le32(l->data),
    };

    switch (l->ops->ping(l->opaque, &msg)) {
    case VIRTIO_MSG_PING_SENT:
        l->unsent = false;
        return true;
    case VIRTIO_MSG_PING_LATER:
        return true;
    default:
        return false;
    }
}

bool virtio_msg_liveness_flush(VirtIOMSGLiveness *l)
{
    return likely(!l->unsent) || virtio_msg_liveness_send(l);
}

bool virtio_msg_liveness_answer(VirtIOMSGLiveness *l,
                                const struct virtio_msg *msg)
{
    if (!l->awaited || l->unsent ||
        !(msg->type & VIRTIO_MSG_TYPE_BUS) ||
        msg->msg_id != VIRTIO_MSG_BUS_PING ||
        le16_to_cpu(msg->msg_size) < VIRTIO_MSG_HDR_SIZE + sizeof(msg->ping) ||
        le16_to_cpu(msg->token) != l->token ||
        le32_to_cpu(msg->ping.data) != l->data) {
        return false;
    }
    l->awaited = false;
    return true;
}

void virtio_msg_liveness_ask(VirtIOMSGLiveness *l)
{
    /* An earlier one may be lost: a driver that starts reads nothing old */
    if (!l->unsent) {
        l->awaited = true;
        l->unsent = true;
        l->token++;
        /* Nobody shall take the answer to an earlier process for ours */
        l->data = g_random_int();
    }
    /* In the link's own time, which knows what to do if there is no room */
    virtio_msg_bus_schedule(l->link);
}

static void virtio_msg_liveness_look(void *opaque)
{
    VirtIOMSGLiveness *l = opaque;
    uint64_t heard = l->ops->heard(l->opaque);

    if (heard != l->heard || !l->ops->in_use(l->opaque)) {
        l->heard = heard;
        l->missed = 0;
    } else if (l->missed <= PATIENCE) {
        if (l->missed++ == 0) {
            virtio_msg_liveness_ask(l);
        } else if (l->missed > PATIENCE) {
            virtio_msg_bus_set_silent(l->link);
            l->ops->silent(l->opaque);
        }
    }
    virtio_msg_liveness_arm(l);
}

void virtio_msg_liveness_set_up(VirtIOMSGLiveness *l, bool up)
{
    l->missed = 0;
    l->unsent = false;
    l->awaited = false;
    if (!l->timer) {
        return;
    }
    if (up) {
        virtio_msg_liveness_arm(l);
    } else {
        timer_del(l->timer);
    }
}

void virtio_msg_liveness_init(VirtIOMSGLiveness *l, VirtIOMSGBus *link,
                              const VirtIOMSGLivenessOps *ops, void *opaque,
                              uint32_t interval)
{
    l->link = link;
    l->ops = ops;
    l->opaque = opaque;
    l->interval = interval;
    if (interval) {
        l->timer = timer_new_ms(QEMU_CLOCK_REALTIME, virtio_msg_liveness_look,
                                l);
    }
}

void virtio_msg_liveness_cleanup(VirtIOMSGLiveness *l)
{
    timer_free(l->timer);
    l->timer = NULL;
}
