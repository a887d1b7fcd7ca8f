/*
 * virtio-msg bus: the links that carry virtio-msg messages
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qapi/qapi-events-virtio-msg.h"
#include "block/aio.h"
#include "qemu/error-report.h"
#include "qemu/main-loop.h"
#include "qemu/timer.h"
#include "hw/virtio/virtio-msg.h"
#include "hw/virtio/virtio-msg-bus.h"
#include "system/runstate.h"
#include "system/runstate-action.h"
#include "trace.h"

/* Messages taken in one go, before others get their turn */
#define PROCESS_BUDGET  64

/*
 * A consumer need not ring when it makes room, so a full queue is looked at
 * again after a while: soon at first, then ever more rarely, and most rarely
 * if the peer was never heard of.
 */
#define STALL_MIN_MS    1
#define STALL_MAX_MS    128
#define SILENT_MAX_MS   1024

/* After anything that it depends on; costs nothing if nothing changed */
static void virtio_msg_bus_update_state(VirtIOMSGBus *link)
{
    VirtioMsgLinkState state = VIRTIO_MSG_LINK_STATE_UP;
    g_autofree char *path = NULL;

    if (link->lost) {
        state = VIRTIO_MSG_LINK_STATE_FAILED;
    } else if (!link->up) {
        state = VIRTIO_MSG_LINK_STATE_DOWN;
    } else if (link->tx_bad || link->rx_bad) {
        state = VIRTIO_MSG_LINK_STATE_FAILED;
    } else if (link->silent) {
        state = VIRTIO_MSG_LINK_STATE_SILENT;
    }
    if (likely(state == link->state)) {
        return;
    }

    trace_virtio_msg_bus_state(virtio_msg_bus_name(link),
                               VirtioMsgLinkState_str(link->state),
                               VirtioMsgLinkState_str(state));
    link->state = state;
    path = object_get_canonical_path(OBJECT(virtio_msg_bus_device(link)));
    qapi_event_send_virtio_msg_link_state_changed(virtio_msg_bus_name(link),
                                                  path, state);
}

void virtio_msg_bus_connect(VirtIOMSGBus *link,
                            const VirtIOMSGBusPort *port, void *opaque)
{
    assert(!port || !link->port);

    link->port = port;
    link->port_opaque = opaque;
    if (port && link->up) {
        port->link_changed(opaque, true);
    }
}

static void virtio_msg_bus_bad_index(VirtIOMSGBus *link)
{
    trace_virtio_msg_bus_bad_index(virtio_msg_bus_name(link));
    link->stat_bad++;
}

/* Tried again and found as full as before, it is still the same stall */
static void virtio_msg_bus_stall(VirtIOMSGBus *link)
{
    link->stalled = true;
    if (!link->full) {
        link->full = true;
        link->stat_stalls++;
        trace_virtio_msg_bus_stall(virtio_msg_bus_name(link));
    }
}

bool virtio_msg_bus_send(VirtIOMSGBus *link,
                         const struct virtio_msg *msg)
{
    if (!link->up || link->stalled) {
        return false;
    }
    switch (link->ops->send(link, msg)) {
    case VIRTIO_MSG_BUS_SEND_OK:
        link->tx_bad = false;
        break;
    case VIRTIO_MSG_BUS_SEND_FULL:
        link->tx_bad = false;
        virtio_msg_bus_stall(link);
        return false;
    case VIRTIO_MSG_BUS_SEND_BAD:
        if (!link->tx_bad) {
            link->tx_bad = true;
            virtio_msg_bus_bad_index(link);
        }
        virtio_msg_bus_stall(link);
        return false;
    }

    link->kick = true;
    virtio_msg_bus_schedule(link);
    return true;
}

void virtio_msg_bus_schedule(VirtIOMSGBus *link)
{
    /* A turn flushes and rings before it ends */
    if (link->up && !link->in_turn) {
        qemu_bh_schedule(link->bh);
    }
}

static void virtio_msg_bus_kick(VirtIOMSGBus *link)
{
    if (link->kick) {
        link->kick = false;
        link->stat_rings++;
        link->ops->kick(link);
    }
}

static void virtio_msg_bus_arm_stall(VirtIOMSGBus *link)
{
    if (!link->stalled) {
        if (link->full) {
            link->full = false;
            link->tx_bad = false;
            trace_virtio_msg_bus_stall_end(virtio_msg_bus_name(link));
        }
        link->stall_ms = STALL_MIN_MS;
        timer_del(link->stall_timer);
    } else if (!timer_pending(link->stall_timer)) {
        timer_mod(link->stall_timer,
                  qemu_clock_get_ms(QEMU_CLOCK_REALTIME) + link->stall_ms);
        link->stall_ms = MIN(link->stall_ms * 2,
                             link->heard ? STALL_MAX_MS : SILENT_MAX_MS);
    }
}

/*
 * A machine that stops with its driver may be on the move, its memory with it:
 * what comes up meanwhile goes out where it goes on.
 */
bool virtio_msg_bus_holds(const VirtIOMSGBus *link)
{
    return link->ops->local_peer && !runstate_is_running();
}

static void virtio_msg_bus_turn(void *opaque)
{
    VirtIOMSGBus *link = opaque;
    QEMU_ALIGNED(8) struct virtio_msg msg;
    VirtIOMSGBusRecv ret = VIRTIO_MSG_BUS_RECV_OK;
    size_t arrived;
    int i;

    /*
     * A device that waits for its requests, to be reset say, runs event loops
     * inside of a message.  The messages behind that one have to wait.
     */
    if (!link->up || !link->port || link->in_turn || link->ended ||
        virtio_msg_bus_holds(link)) {
        return;
    }
    link->in_turn = true;

    /* What waits goes first; requests wait as long as answers cannot leave */
    link->stalled = false;
    link->port->flush(link->port_opaque);

    for (i = 0; i < PROCESS_BUDGET && link->up && !link->stalled; i++) {
        memset(&msg, 0, sizeof(msg));
        ret = link->ops->recv(link, &msg, &arrived);
        link->rx_bad = ret == VIRTIO_MSG_BUS_RECV_BAD;
        if (ret != VIRTIO_MSG_BUS_RECV_OK) {
            break;
        }
        link->port->receive(link->port_opaque, &msg, arrived);
    }
    if (link->up && !link->stalled) {
        link->port->flush(link->port_opaque);
    }
    link->in_turn = false;

    trace_virtio_msg_bus_turn(virtio_msg_bus_name(link), i);
    if (!link->up) {
        return;
    }
    if (i > 0) {
        link->heard = true;
        link->silent = false;
    }
    if (ret == VIRTIO_MSG_BUS_RECV_BAD) {
        virtio_msg_bus_bad_index(link);
    }
    if (i == PROCESS_BUDGET) {
        qemu_bh_schedule(link->bh);
    }
    virtio_msg_bus_kick(link);
    virtio_msg_bus_arm_stall(link);
    virtio_msg_bus_update_state(link);
}

void virtio_msg_bus_process(VirtIOMSGBus *link)
{
    link->heard = true;
    link->silent = false;
    link->stat_rung++;
    virtio_msg_bus_turn(link);
}

void virtio_msg_bus_set_up(VirtIOMSGBus *link, bool up)
{
    if (link->up == up) {
        return;
    }

    link->up = up;
    link->lost &= !up;
    link->tx_bad = false;
    link->rx_bad = false;
    link->silent = false;
    link->stalled = false;
    link->full = false;
    link->heard = false;
    link->kick = false;
    link->stall_ms = STALL_MIN_MS;
    if (!up) {
        qemu_bh_cancel(link->bh);
        timer_del(link->stall_timer);
    }
    virtio_msg_bus_update_state(link);
    if (link->port) {
        link->port->link_changed(link->port_opaque, up);
    }
    if (up) {
        /* The peer may have written before we listened */
        qemu_bh_schedule(link->bh);
    }
}

void virtio_msg_bus_set_silent(VirtIOMSGBus *link)
{
    link->silent = true;
    virtio_msg_bus_update_state(link);
}

void virtio_msg_bus_peer_gone(VirtIOMSGBus *link)
{
    trace_virtio_msg_bus_peer_gone(virtio_msg_bus_name(link));
    if (link->port && link->up) {
        link->port->peer_gone(link->port_opaque);
    }
}

void virtio_msg_bus_fail(VirtIOMSGBus *link, const char *why)
{
    error_report("%s: %s", virtio_msg_bus_name(link), why);
    link->lost = true;
    virtio_msg_bus_set_up(link, false);
    /* It may have been down before */
    virtio_msg_bus_update_state(link);
}

/*
 * What devices stand on is closed before the event loops run for the last time,
 * and unlike a vCPU the driver goes on asking.
 */
static void virtio_msg_bus_shutdown(Notifier *notifier, void *data)
{
    VirtIOMSGBus *link = container_of(notifier, VirtIOMSGBus, shutdown);

    link->ended = shutdown_action != SHUTDOWN_ACTION_PAUSE;
}

/* A doorbell, either way, may have been lost on the move */
static void virtio_msg_bus_vmstate_change(void *opaque, bool running,
                                          RunState state)
{
    VirtIOMSGBus *link = opaque;

    if (running && link->up && link->ops->local_peer) {
        link->kick = true;
        qemu_bh_schedule(link->bh);
    }
}

AddressSpace *virtio_msg_bus_get_dma_as(VirtIOMSGBus *link)
{
    return link->ops->get_dma_as(link);
}

uint16_t virtio_msg_bus_max_msg_size(VirtIOMSGBus *link)
{
    return link->ops->max_msg_size(link);
}

const char *virtio_msg_bus_name(VirtIOMSGBus *link)
{
    return BUS(link)->name;
}

bool virtio_msg_bus_init(VirtIOMSGBus *link, DeviceState *owner,
                         const char *name, const VirtIOMSGBusOps *ops,
                         const VirtIOMSGBusConf *conf, Error **errp)
{
    /* Zeroed state: it is no object yet */
    if (link->parent_obj.parent) {
        error_setg(errp, "a virtio-msg link cannot be realized again; restart "
                   "this process");
        return false;
    }
    if (conf->slots < 1 || conf->slots > VIRTIO_MSG_MAX_DEVICES) {
        error_setg(errp, "slots=%" PRIu32 " is out of range; choose 1 to %d",
                   conf->slots, VIRTIO_MSG_MAX_DEVICES);
        return false;
    }
    if (conf->silent_reset && !conf->ping_interval) {
        error_setg(errp, "silent-reset=on needs ping-interval=, without which "
                   "nobody notices");
        return false;
    }
    name = name ?: owner->id;
    if (name && object_property_find(OBJECT(owner), name)) {
        error_setg(errp, "a link cannot be called '%s', as a property of the "
                   "device is; give it another id=", name);
        return false;
    }

    qbus_init(link, sizeof(*link), TYPE_VIRTIO_MSG_BUS, owner, name);
    link->ops = ops;
    link->conf = conf;
    return true;
}

void virtio_msg_bus_describe_properties(ObjectClass *oc)
{
    object_class_property_set_description(oc, "slots",
        "devices that bus= can name up front; more are made on demand");
    object_class_property_set_description(oc, "ping-interval",
        "ms after which a peer that uses devices has to answer (0: never)");
    object_class_property_set_description(oc, "silent-reset",
        "reset the devices if it does not");
    object_class_property_set_description(oc, "wire",
        "how messages are laid out: 2026 (default) or 2025");
    object_class_property_set_description(oc, "strict-generation",
        "refuse to set a configuration by a generation of the past");
}

static void virtio_msg_bus_realize(BusState *bus, Error **errp)
{
    VirtIOMSGBus *link = VIRTIO_MSG_BUS(bus);

    assert(virtio_msg_bus_max_msg_size(link) <= VIRTIO_MSG_MAX_SIZE);

    link->transport = qdev_new(TYPE_VIRTIO_MSG);
    object_property_add_child(OBJECT(link), "transport",
                              OBJECT(link->transport));
    if (!qdev_realize_and_unref(link->transport, bus, errp)) {
        object_unparent(OBJECT(link->transport));
        link->transport = NULL;
    }
}

static void virtio_msg_bus_unrealize(BusState *bus)
{
    virtio_msg_bus_set_up(VIRTIO_MSG_BUS(bus), false);
}

static bool virtio_msg_bus_get_up(Object *obj, Error **errp)
{
    return VIRTIO_MSG_BUS(obj)->up;
}

static int virtio_msg_bus_get_state(Object *obj, Error **errp)
{
    return VIRTIO_MSG_BUS(obj)->state;
}

static void virtio_msg_bus_instance_init(Object *obj)
{
    VirtIOMSGBus *link = VIRTIO_MSG_BUS(obj);

    /* Where the doorbells are: not run by a device that waits for requests */
    link->bh = aio_bh_new(iohandler_get_aio_context(), virtio_msg_bus_turn,
                          link);
    link->stall_timer = timer_new_ms(QEMU_CLOCK_REALTIME, virtio_msg_bus_turn,
                                     link);
    link->shutdown.notify = virtio_msg_bus_shutdown;
    qemu_register_shutdown_notifier(&link->shutdown);
    link->vmstate =
        qemu_add_vm_change_state_handler(virtio_msg_bus_vmstate_change, link);
}

static void virtio_msg_bus_instance_finalize(Object *obj)
{
    VirtIOMSGBus *link = VIRTIO_MSG_BUS(obj);

    qemu_del_vm_change_state_handler(link->vmstate);
    notifier_remove(&link->shutdown);
    qemu_bh_delete(link->bh);
    timer_free(link->stall_timer);
}

/* A device can carry several */
static char *virtio_msg_bus_get_dev_path(DeviceState *dev)
{
    return g_strdup(qdev_get_parent_bus(dev)->name);
}

static void virtio_msg_bus_class_init(ObjectClass *oc, void *data)
{
    BusClass *bc = BUS_CLASS(oc);

    bc->get_dev_path = virtio_msg_bus_get_dev_path;
    bc->realize = virtio_msg_bus_realize;
    bc->unrealize = virtio_msg_bus_unrealize;
    bc->max_dev = 1;

    object_class_property_add_bool(oc, "link-up", virtio_msg_bus_get_up, NULL);
    object_class_property_set_description(oc, "link-up",
        "messages can be exchanged with the peer");
    object_class_property_add_enum(oc, "link-state", "VirtioMsgLinkState",
                                   &VirtioMsgLinkState_lookup,
                                   virtio_msg_bus_get_state, NULL);
    object_class_property_set_description(oc, "link-state",
        "state of the link: down, up, silent or failed");
}

static const TypeInfo virtio_msg_bus_types[] = {
    {
        .name = TYPE_VIRTIO_MSG_BUS,
        .parent = TYPE_BUS,
        .instance_size = sizeof(VirtIOMSGBus),
        .instance_init = virtio_msg_bus_instance_init,
        .instance_finalize = virtio_msg_bus_instance_finalize,
        .class_init = virtio_msg_bus_class_init,
    }
};

DEFINE_TYPES(virtio_msg_bus_types)
