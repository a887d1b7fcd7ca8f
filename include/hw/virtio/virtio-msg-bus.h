/*
 * virtio-msg bus: the links that carry virtio-msg messages
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_VIRTIO_MSG_BUS_H
#define HW_VIRTIO_MSG_BUS_H

#include "exec/memory.h"
#include "hw/qdev-core.h"
#include "hw/virtio/virtio-msg-properties.h"
#include "qemu/notify.h"
#include "system/runstate.h"
#include "qapi/qapi-types-virtio-msg.h"
#include "qom/object.h"
#include "standard-headers/linux/virtio_msg.h"

/*
 * A link is one connection to one peer.  It moves messages and knows nothing
 * of what they mean.  A link is a bus that any device can carry, and a device
 * can carry several.  Each has one child, the transport, which gives the
 * messages their meaning and knows nothing of how they travel.
 *
 *     any device, which moves the messages
 *       link (a virtio-msg-bus)
 *         transport (virtio-msg)
 *
 * Everything here runs in the main loop with the BQL held.
 */

#define TYPE_VIRTIO_MSG_BUS "virtio-msg-bus"
OBJECT_DECLARE_SIMPLE_TYPE(VirtIOMSGBus, VIRTIO_MSG_BUS)

/* What a user can choose for each link, in its device's properties */
typedef struct VirtIOMSGBusConf {
    uint32_t slots;
    uint32_t ping_interval; /* ms, 0: never */
    bool silent_reset;
    VirtioMsgWire wire;
    bool strict_generation;
} VirtIOMSGBusConf;

/* They, as properties of a device with state @_state, in its field @_conf */
#define DEFINE_VIRTIO_MSG_BUS_PROPERTIES(_state, _conf)                     \
    DEFINE_PROP_UINT32("slots", _state, _conf.slots, 32),                   \
    DEFINE_PROP_UINT32("ping-interval", _state, _conf.ping_interval, 0),    \
    DEFINE_PROP_BOOL("silent-reset", _state, _conf.silent_reset, false),    \
    DEFINE_PROP_VIRTIO_MSG_WIRE("wire", _state, _conf.wire,                 \
                                VIRTIO_MSG_WIRE_2026),                      \
    DEFINE_PROP_BOOL("strict-generation", _state, _conf.strict_generation,  \
                     false)

/* What a link calls in the transport above it */
typedef struct VirtIOMSGBusPort {
    /*
     * A message arrived.  It lies in private memory, holds @arrived bytes
     * (the rest is zero), and is unchecked.  May send.  Not called while the
     * link is stalled.
     */
    void (*receive)(void *opaque, const struct virtio_msg *msg,
                    size_t arrived);

    /*
     * The queue towards the peer may have room: send what waits.  Also called
     * after each batch of received messages and when virtio_msg_bus_schedule()
     * asked for it, but not while the link is down.
     */
    void (*flush)(void *opaque);

    /*
     * The link went up or down.  Down: nothing can be sent, what waits is to
     * be dropped, and the peer's hold on the devices ends.
     */
    void (*link_changed)(void *opaque, bool up);

    /*
     * Whoever was at the other end has gone, or somebody else is there now;
     * the link stays up.  The old peer's hold on the devices ends.
     */
    void (*peer_gone)(void *opaque);
} VirtIOMSGBusPort;

typedef enum VirtIOMSGBusRecv {
    VIRTIO_MSG_BUS_RECV_OK,
    VIRTIO_MSG_BUS_RECV_EMPTY,
    /* the peer broke the queue; what arrived since is lost */
    VIRTIO_MSG_BUS_RECV_BAD,
} VirtIOMSGBusRecv;

typedef enum VirtIOMSGBusSend {
    VIRTIO_MSG_BUS_SEND_OK,
    VIRTIO_MSG_BUS_SEND_FULL,
    /* the peer broke the queue; nothing fits until it mends that */
    VIRTIO_MSG_BUS_SEND_BAD,
} VirtIOMSGBusSend;

/* What the device that carries a link does for it */
typedef struct VirtIOMSGBusOps {
    /*
     * The peer is a driver in this very machine: it stops when the machine
     * does, moves with it when it migrates, and the link likewise.
     */
    bool local_peer;

    /*
     * Put one message (msg_size bytes of it) into the queue towards the peer.
     * Unless it returns OK, nothing has changed.
     */
    VirtIOMSGBusSend (*send)(VirtIOMSGBus *link, const struct virtio_msg *msg);

    /*
     * Take one message from the peer's queue, into @msg, which has room for
     * the largest.  Sets @arrived to the number of bytes.
     */
    VirtIOMSGBusRecv (*recv)(VirtIOMSGBus *link, struct virtio_msg *msg,
                             size_t *arrived);

    /* Ring the peer's doorbell */
    void (*kick)(VirtIOMSGBus *link);

    /*
     * The largest message that it carries: bytes with the header, at most
     * VIRTIO_MSG_MAX_SIZE, always the same once the device is realized
     */
    uint16_t (*max_msg_size)(VirtIOMSGBus *link);

    /* The peer's memory, at the peer's own addresses; never NULL */
    AddressSpace *(*get_dma_as)(VirtIOMSGBus *link);

    /*
     * Fill in what only the device knows of a link: layout, ids, queues,
     * windows.  The rest is filled in already.
     */
    void (*fill_info)(VirtIOMSGBus *link, VirtioMsgLinkInfo *info);
} VirtIOMSGBusOps;

struct VirtIOMSGBus {
    BusState parent_obj;

    const VirtIOMSGBusOps *ops;
    const VirtIOMSGBusConf *conf;
    DeviceState *transport;
    const VirtIOMSGBusPort *port;
    void *port_opaque;

    QEMUBH *bh;
    QEMUTimer *stall_timer;
    int64_t stall_ms;       /* current retry interval */
    bool up;
    bool stalled;           /* the last send found no room */
    bool full;              /* so it was when this turn of the loop began */
    bool heard;             /* the peer rang or wrote since the link is up */
    bool kick;              /* sent something since the last doorbell */
    bool in_turn;           /* messages are being handled */
    bool ended;             /* the process is about to end */
    Notifier shutdown;
    VMChangeStateEntry *vmstate;

    VirtioMsgLinkState state;   /* as it was last announced */
    bool tx_bad;            /* the last send found a broken queue */
    bool rx_bad;            /* so did the last look for messages */
    bool silent;            /* the peer owes a sign of life */
    bool lost;              /* what the link stands on is gone */

    /* Messages are counted by the transport, which knows their kinds */
    uint64_t stat_stalls;   /* times the queue towards the peer became full */
    uint64_t stat_bad;      /* times an index of the peer was out of range */
    uint64_t stat_rung;     /* doorbells that the peer rang */
    uint64_t stat_rings;    /* doorbells that were rung at the peer */
};

/**
 * virtio_msg_bus_init: give a device a link
 * @link: the link, in the device's state, with which it lives
 * @owner: the device, in its realize
 * @name: of the link, or NULL to make one from the device's id or type
 * @ops: what the device does for the link, static
 * @conf: what the user chose, in the device's state
 * @errp: set on failure
 *
 * The link is down at first.  The device may have it up from now on, already
 * in its realize.  Whenever the device is unrealized it goes down by itself,
 * before the device's own unrealize.
 *
 * Returns false with @errp set, and nothing to undo, if @conf makes no sense or
 * the name cannot be taken, maybe since the device was realized before.
 */
bool virtio_msg_bus_init(VirtIOMSGBus *link, DeviceState *owner,
                         const char *name, const VirtIOMSGBusOps *ops,
                         const VirtIOMSGBusConf *conf, Error **errp);

/**
 * virtio_msg_bus_describe_properties: describe what
 * DEFINE_VIRTIO_MSG_BUS_PROPERTIES() defines
 * @oc: a class that has these properties
 */
void virtio_msg_bus_describe_properties(ObjectClass *oc);

/**
 * virtio_msg_bus_connect: attach the transport to its link
 * @link: the link
 * @port: the transport's callbacks, or NULL to detach
 * @opaque: their first argument
 *
 * @port has to stay valid until the transport detaches.
 */
void virtio_msg_bus_connect(VirtIOMSGBus *link,
                            const VirtIOMSGBusPort *port, void *opaque);

/**
 * virtio_msg_bus_send: send one message to the peer
 * @link: the link
 * @msg: the message, in wire order, msg_size set and at most the link's maximum
 *
 * Returns true once the message is on its way; the doorbell is rung before
 * control returns to the main loop.  Returns false if the link is down or the
 * queue is full; then the transport keeps the message, and the port's flush()
 * is called as soon as there may be room (B-04).
 */
bool virtio_msg_bus_send(VirtIOMSGBus *link,
                         const struct virtio_msg *msg);

/**
 * virtio_msg_bus_schedule: have the port's flush() called soon
 * @link: the link
 *
 * For events that come up outside of receive(): whatever comes up in one turn
 * of the main loop goes out together, with one doorbell.
 */
void virtio_msg_bus_schedule(VirtIOMSGBus *link);

/**
 * virtio_msg_bus_process: take what the peer has sent
 * @link: the link
 *
 * For the link's device, when the peer rang the doorbell.  Handles a bounded
 * number of messages and goes on in a later turn of the main loop if there are
 * more, so that no peer can keep the process to itself (B-05).
 */
void virtio_msg_bus_process(VirtIOMSGBus *link);

/**
 * virtio_msg_bus_set_up: report that the link went up or down
 * @link: the link
 * @up: true if messages can be exchanged from now on
 */
void virtio_msg_bus_set_up(VirtIOMSGBus *link, bool up);

/**
 * virtio_msg_bus_set_silent: report that the peer does not answer
 * @link: the link
 *
 * For the transport, which knows what an answer is.  Whatever comes from the
 * peer ends that.
 */
void virtio_msg_bus_set_silent(VirtIOMSGBus *link);

/**
 * virtio_msg_bus_peer_gone: report that the peer is not the one it was
 * @link: the link
 *
 * For the link's device, if it can tell.
 */
void virtio_msg_bus_peer_gone(VirtIOMSGBus *link);

/**
 * virtio_msg_bus_holds: whether a link is not to do anything for now
 * @link: the link
 *
 * Returns true if it has a local peer, whose machine is stopped.
 */
bool virtio_msg_bus_holds(const VirtIOMSGBus *link);

/**
 * virtio_msg_bus_fail: report that the link cannot go on
 * @link: the link
 * @why: what happened and what to do about it, to be read by the user
 *
 * The link is down, and shown as failed, until virtio_msg_bus_set_up() says
 * that it is up again.
 */
void virtio_msg_bus_fail(VirtIOMSGBus *link, const char *why);

/**
 * virtio_msg_bus_get_dma_as: the memory that virtqueues live in
 * @link: the link
 *
 * Returns the peer's AddressSpace, owned by the link; never NULL.
 */
AddressSpace *virtio_msg_bus_get_dma_as(VirtIOMSGBus *link);

/**
 * virtio_msg_bus_max_msg_size: the largest message that the link carries
 * @link: the link
 *
 * Returns bytes, with the header, up to VIRTIO_MSG_MAX_SIZE; at least what the
 * link's wire needs (B-07), once the transport is there.
 */
uint16_t virtio_msg_bus_max_msg_size(VirtIOMSGBus *link);

/**
 * virtio_msg_bus_name: the name of a link in messages and bus names
 * @link: a link
 *
 * Returns a name that is owned by the link: the id of its device, or what the
 * device made of it.
 */
const char *virtio_msg_bus_name(VirtIOMSGBus *link);

/**
 * virtio_msg_bus_device: the device that carries a link
 * @link: a link that was initialized
 */
static inline DeviceState *virtio_msg_bus_device(VirtIOMSGBus *link)
{
    return link->parent_obj.parent;
}

#endif /* HW_VIRTIO_MSG_BUS_H */
