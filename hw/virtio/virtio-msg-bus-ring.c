/*
 * virtio-msg links over a ring in shared memory
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/bswap.h"
#include "qemu/error-report.h"
#include "hw/virtio/virtio-msg-bus-ring.h"
#include "migration/vmstate.h"
#include "trace.h"

/* Bytes of an element of ours; what a slot of `spsc` has */
#define ELEMENT_SIZE    VIRTIO_MSG_RING_SLOT_SIZE

static int64_t now_ms(void)
{
    return qemu_clock_get_ms(QEMU_CLOCK_REALTIME);
}

/* L-15: also a change of our state is rung for */
static void bus_ring_doorbell(VirtIOMSGBusRing *s)
{
    s->link->stat_rings++;
    s->link->ops->kick(s->link);
}

static void bus_ring_warn(VirtIOMSGBusRing *s, const VirtIOMSGRingStep *step)
{
    const char *name = virtio_msg_bus_name(s->link);

    if (step->event == VIRTIO_MSG_RING_EVENT_SLOW) {
        warn_report("%s: waiting for %s", name,
                    virtio_msg_ring_waits_for(&s->ring));
    } else if (!s->said_rewritten) {
        /* The peer can bring that about again and again */
        s->said_rewritten = true;
        warn_report("%s: %s; give the driver side layout=v1, or this one "
                    "layout=spsc", name,
                    virtio_msg_ring_cause_text(step->cause));
    }
}

/* L-15 to L-21: what has happened, until nothing more has */
static void bus_ring_step(VirtIOMSGBusRing *s, VirtIOMSGRingStep step)
{
    bool again;

    do {
        again = false;
        if (step.ring) {
            bus_ring_doorbell(s);
        }
        trace_virtio_msg_bus_ring_step(virtio_msg_bus_name(s->link),
                                       step.event, step.cause);
        switch (step.event) {
        case VIRTIO_MSG_RING_EVENT_UP:
            virtio_msg_bus_set_up(s->link, true);
            break;
        case VIRTIO_MSG_RING_EVENT_DOWN:
            /* Resets every device, and drops what waits */
            virtio_msg_bus_set_up(s->link, false);
            step = virtio_msg_ring_cleaned(&s->ring, now_ms());
            again = true;
            break;
        case VIRTIO_MSG_RING_EVENT_SLOW:
        case VIRTIO_MSG_RING_EVENT_REWRITTEN:
            bus_ring_warn(s, &step);
            break;
        default:
            break;
        }
    } while (again);

    if (step.next_ms >= 0) {
        timer_mod(s->timer, step.next_ms);
    } else {
        timer_del(s->timer);
    }
}

/* How often to look whether a link that holds may go on */
#define HELD_MS         100

static void bus_ring_advance(void *opaque)
{
    VirtIOMSGBusRing *s = opaque;

    /* In a turn, an event loop may run whole: not under what is handled */
    if (virtio_msg_bus_holds(s->link) || s->link->in_turn) {
        timer_mod(s->timer, now_ms() + HELD_MS);
        return;
    }
    bus_ring_step(s, virtio_msg_ring_advance(&s->ring, now_ms()));
}

/* In the link's own time: messages may be under way right now */
static void bus_ring_advance_soon(VirtIOMSGBusRing *s)
{
    timer_mod(s->timer, now_ms());
}

void virtio_msg_bus_ring_describe_properties(ObjectClass *oc)
{
    object_class_property_set_description(oc, "layout",
        "layout of the shared memory: spsc (default) or v1");
    object_class_property_set_description(oc, "ring-size",
        "elements of either queue, with layout=v1 (0: as many as fit)");
}

bool virtio_msg_bus_ring_init(VirtIOMSGBusRing *s, VirtIOMSGBus *link,
                              const VirtIOMSGBusRingConf *conf, Error **errp)
{
    if (conf->size && conf->layout != VIRTIO_MSG_LAYOUT_V1) {
        error_setg(errp, "ring-size= needs layout=v1; with spsc it is always "
                   "%u", VIRTIO_MSG_SPSC_NUM_SLOTS);
        return false;
    }
    if (conf->size == 1) {
        error_setg(errp, "ring-size=1 has no room for a message; choose 2 to "
                   "%u, or 0 for as many as fit", UINT16_MAX);
        return false;
    }
    s->link = link;
    s->conf = conf;
    s->timer = timer_new_ms(QEMU_CLOCK_REALTIME, bus_ring_advance, s);
    return true;
}

void virtio_msg_bus_ring_cleanup(VirtIOMSGBusRing *s)
{
    timer_free(s->timer);
    s->timer = NULL;
}

bool virtio_msg_bus_ring_start(VirtIOMSGBusRing *s,
                               const VirtIOMSGBusRingPlace *place,
                               Error **errp)
{
    VirtIOMSGRingV1Start start = {
        .barriers = place->barriers,
        .options.element_size = ELEMENT_SIZE,
        .options.max_elements = s->conf->size,
        .resume = !place->reset,
    };

    if (s->conf->layout == VIRTIO_MSG_LAYOUT_SPSC) {
        virtio_msg_ring_init_spsc(&s->ring, place->device_queue,
                                  place->driver_queue, place->reset);
        virtio_msg_ring_set_barriers(&s->ring, place->barriers);
        s->started = true;
        virtio_msg_bus_set_up(s->link, true);
        return true;
    }

    if (virtio_msg_ring_init_v1(&s->ring, VIRTIO_MSG_RING_DEVICE_SIDE,
                                place->region, place->size, &start,
                                now_ms()) != VIRTIO_MSG_V1_FINE) {
        error_setg(errp, "layout=v1 finds no room in 0x%zx bytes of shared "
                   "memory", place->size);
        return false;
    }
    s->started = true;
    s->said_rewritten = false;
    bus_ring_doorbell(s);
    bus_ring_advance(s);
    return true;
}

void virtio_msg_bus_ring_stop(VirtIOMSGBusRing *s)
{
    s->started = false;
    if (s->timer) {
        timer_del(s->timer);
    }
}

void virtio_msg_bus_ring_shut_down(VirtIOMSGBusRing *s)
{
    if (s->started && s->conf->layout == VIRTIO_MSG_LAYOUT_V1) {
        virtio_msg_ring_shut_down(&s->ring);
        bus_ring_doorbell(s);
    }
    virtio_msg_bus_ring_stop(s);
}

void virtio_msg_bus_ring_process(VirtIOMSGBusRing *s)
{
    if (s->started && s->conf->layout == VIRTIO_MSG_LAYOUT_V1) {
        /* L-16: the state first */
        bus_ring_advance(s);
    }
    virtio_msg_bus_process(s->link);
}

/*
 * A driver side that has begun anew, and zeroed the queues of `spsc`, is met
 * where it begins: once for a message, as it may go on to write there.
 */

static VirtIOMSGRingResult bus_ring_put(VirtIOMSGBusRing *s,
                                        const struct virtio_msg *msg)
{
    size_t size = le16_to_cpu(msg->msg_size);
    VirtIOMSGRingResult ret = virtio_msg_ring_put(&s->ring, msg, size);

    if (ret == VIRTIO_MSG_RING_RESTARTED &&
        s->conf->layout == VIRTIO_MSG_LAYOUT_SPSC) {
        ret = virtio_msg_ring_put(&s->ring, msg, size);
    }
    return ret;
}

static VirtIOMSGRingResult bus_ring_get(VirtIOMSGBusRing *s,
                                        struct virtio_msg *msg)
{
    VirtIOMSGRingResult ret = virtio_msg_ring_get(&s->ring, msg);

    if (ret == VIRTIO_MSG_RING_RESTARTED &&
        s->conf->layout == VIRTIO_MSG_LAYOUT_SPSC) {
        ret = virtio_msg_ring_get(&s->ring, msg);
    }
    return ret;
}

VirtIOMSGBusSend virtio_msg_bus_ring_send(VirtIOMSGBusRing *s,
                                          const struct virtio_msg *msg)
{
    switch (bus_ring_put(s, msg)) {
    case VIRTIO_MSG_RING_OK:
        return VIRTIO_MSG_BUS_SEND_OK;
    case VIRTIO_MSG_RING_FULL:
        return VIRTIO_MSG_BUS_SEND_FULL;
    default:
        if (s->conf->layout == VIRTIO_MSG_LAYOUT_V1) {
            /* The link goes down, and takes what waits with it */
            bus_ring_advance_soon(s);
            return VIRTIO_MSG_BUS_SEND_FULL;
        }
        return VIRTIO_MSG_BUS_SEND_BAD;
    }
}

VirtIOMSGBusRecv virtio_msg_bus_ring_recv(VirtIOMSGBusRing *s,
                                          struct virtio_msg *msg,
                                          size_t *arrived)
{
    *arrived = virtio_msg_ring_max_msg_size(&s->ring);
    switch (bus_ring_get(s, msg)) {
    case VIRTIO_MSG_RING_OK:
        return VIRTIO_MSG_BUS_RECV_OK;
    case VIRTIO_MSG_RING_EMPTY:
        return VIRTIO_MSG_BUS_RECV_EMPTY;
    default:
        if (s->conf->layout == VIRTIO_MSG_LAYOUT_V1) {
            bus_ring_advance_soon(s);
            return VIRTIO_MSG_BUS_RECV_EMPTY;
        }
        return VIRTIO_MSG_BUS_RECV_BAD;
    }
}

uint16_t virtio_msg_bus_ring_max_msg_size(const VirtIOMSGBusRing *s)
{
    return ELEMENT_SIZE;
}

static VirtioMsgQueueFill *queue_fill(const VirtIOMSGRing *ring, unsigned used)
{
    VirtioMsgQueueFill *fill = g_new0(VirtioMsgQueueFill, 1);

    fill->used = used;
    fill->size = virtio_msg_ring_capacity(ring);
    return fill;
}

void virtio_msg_bus_ring_fill_info(const VirtIOMSGBusRing *s,
                                   VirtioMsgLinkInfo *info)
{
    info->has_layout = true;
    info->layout = s->conf->layout;
    /* The memory that they lay in when the link went down may be gone */
    if (s->link->up) {
        info->to_peer = queue_fill(&s->ring, virtio_msg_ring_tx_used(&s->ring));
        info->from_peer = queue_fill(&s->ring,
                                     virtio_msg_ring_rx_used(&s->ring));
    }
}

/*
 * Moving with the machine: the memory moves by itself
 */

static bool bus_ring_is_spsc(void *opaque, int version_id)
{
    VirtIOMSGBusRing *s = opaque;

    return s->conf->layout == VIRTIO_MSG_LAYOUT_SPSC;
}

static bool bus_ring_is_v1(void *opaque, int version_id)
{
    return !bus_ring_is_spsc(opaque, version_id);
}

static int bus_ring_post_load(void *opaque, int version_id)
{
    VirtIOMSGBusRing *s = opaque;

    if (!virtio_msg_ring_valid(&s->ring)) {
        error_report("%s: what it was in makes no sense",
                     virtio_msg_bus_name(s->link));
        return -EINVAL;
    }
    virtio_msg_bus_set_up(s->link, virtio_msg_ring_is_up(&s->ring));
    bus_ring_advance_soon(s);
    return 0;
}

static const VMStateDescription vmstate_spsc = {
    .name = "virtio-msg-ring/spsc",
    .version_id = 1,
    .minimum_version_id = 1,
    .fields = (const VMStateField[]) {
        VMSTATE_UINT32(tx_head, VirtIOMSGRingSpsc),
        VMSTATE_UINT32(rx_tail, VirtIOMSGRingSpsc),
        VMSTATE_END_OF_LIST()
    }
};

/* What waits for a time to pass waits for it anew */
static const VMStateDescription vmstate_v1 = {
    .name = "virtio-msg-ring/v1",
    .version_id = 1,
    .minimum_version_id = 1,
    .fields = (const VMStateField[]) {
        VMSTATE_INT32(phase, VirtIOMSGRingV1),
        VMSTATE_UINT16(state, VirtIOMSGRingV1),
        VMSTATE_UINT16(flags, VirtIOMSGRingV1),
        VMSTATE_UINT16(tail, VirtIOMSGRingV1),
        VMSTATE_UINT16(head, VirtIOMSGRingV1),
        VMSTATE_UINT16(peer_state, VirtIOMSGRingV1),
        VMSTATE_UINT16(peer_head, VirtIOMSGRingV1),
        VMSTATE_BOOL(adopted, VirtIOMSGRingV1),
        VMSTATE_END_OF_LIST()
    }
};

const VMStateDescription vmstate_virtio_msg_bus_ring = {
    .name = "virtio-msg-ring",
    .version_id = 1,
    .minimum_version_id = 1,
    .post_load = bus_ring_post_load,
    .fields = (const VMStateField[]) {
        VMSTATE_STRUCT_TEST(ring.spsc, VirtIOMSGBusRing, bus_ring_is_spsc, 1,
                            vmstate_spsc, VirtIOMSGRingSpsc),
        VMSTATE_STRUCT_TEST(ring.v1, VirtIOMSGBusRing, bus_ring_is_v1, 1,
                            vmstate_v1, VirtIOMSGRingV1),
        VMSTATE_END_OF_LIST()
    }
};
