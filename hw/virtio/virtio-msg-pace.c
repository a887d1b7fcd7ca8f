/*
 * When a virtio-msg driver side can be told something that it did not ask for
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "hw/virtio/virtio-msg-pace.h"

/* Between two bus messages that are no answers */
#define GAP_MS      100

/* After this a driver that has listed devices is not going to ask on */
#define LISTING_MS  1000

static int64_t virtio_msg_pace_now(void)
{
    return qemu_clock_get_ms(QEMU_CLOCK_REALTIME);
}

/* If the time has not come, this returns false and waits for it */
static bool virtio_msg_pace_reached(VirtIOMSGPace *p, int64_t when)
{
    if (virtio_msg_pace_now() >= when) {
        return true;
    }
    timer_mod_anticipate(p->timer, when);
    return false;
}

bool virtio_msg_pace_ping(VirtIOMSGPace *p)
{
    return likely(!p->timer) || virtio_msg_pace_reached(p, p->next);
}

bool virtio_msg_pace_event(VirtIOMSGPace *p)
{
    if (likely(!p->timer)) {
        return true;
    }
    if (!p->heard) {
        return false;
    }
    if (p->listing && !virtio_msg_pace_reached(p, p->listed + LISTING_MS)) {
        return false;
    }
    return virtio_msg_pace_reached(p, p->next);
}

void virtio_msg_pace_sent(VirtIOMSGPace *p)
{
    if (p->timer) {
        p->next = virtio_msg_pace_now() + GAP_MS;
    }
}

void virtio_msg_pace_heard(VirtIOMSGPace *p, bool request)
{
    p->heard = true;
    p->listing &= !request;
}

void virtio_msg_pace_list(VirtIOMSGPace *p)
{
    if (p->timer) {
        p->listing = true;
        p->listed = virtio_msg_pace_now();
    }
}

void virtio_msg_pace_restart(VirtIOMSGPace *p)
{
    p->heard = false;
    p->listing = false;
    p->next = 0;
    if (p->timer) {
        timer_del(p->timer);
    }
}

void virtio_msg_pace_init(VirtIOMSGPace *p, bool paced,
                          void (*ready)(void *opaque), void *opaque)
{
    if (paced) {
        p->timer = timer_new_ms(QEMU_CLOCK_REALTIME, ready, opaque);
    }
}

void virtio_msg_pace_cleanup(VirtIOMSGPace *p)
{
    timer_free(p->timer);
    p->timer = NULL;
}
