/*
 * virtio-msg links over a ring in shared memory
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_VIRTIO_MSG_BUS_RING_H
#define HW_VIRTIO_MSG_BUS_RING_H

#include "qemu/timer.h"
#include "hw/virtio/virtio-msg-bus.h"
#include "hw/virtio/virtio-msg-ring.h"

/*
 * What such links have in common: the ring knows no links, and the link's
 * device need not know how the ring is laid out, nor when messages flow.
 *
 * Everything here runs in the main loop with the BQL held.
 */

/* What a user can choose, in properties of the link's device */
typedef struct VirtIOMSGBusRingConf {
    VirtioMsgLayout layout;
    uint16_t size;
} VirtIOMSGBusRingConf;

/* They, as properties of a device with state @_state, in its field @_conf */
#define DEFINE_VIRTIO_MSG_BUS_RING_PROPERTIES(_state, _conf)                \
    DEFINE_PROP_VIRTIO_MSG_LAYOUT("layout", _state, _conf.layout,           \
                                  VIRTIO_MSG_LAYOUT_SPSC),                  \
    DEFINE_PROP_UINT16("ring-size", _state, _conf.size, 0)

/* Where a ring is, or will be */
typedef struct VirtIOMSGBusRingPlace {
    uint8_t *driver_queue;      /* `spsc`: the page that the peer writes */
    uint8_t *device_queue;      /* and the one that we write */
    uint8_t *region;            /* `v1`: all that it can have */
    size_t size;                /* bytes of that */
    const VirtIOMSGRingBarriers *barriers;  /* that the memory needs, or NULL */
    bool reset;                 /* drop what is there */
} VirtIOMSGBusRingPlace;

typedef struct VirtIOMSGBusRing {
    VirtIOMSGRing ring;
    VirtIOMSGBus *link;
    const VirtIOMSGBusRingConf *conf;
    QEMUTimer *timer;           /* NULL: not initialized */
    bool started;
    bool said_rewritten;        /* since the start */
} VirtIOMSGBusRing;

/**
 * virtio_msg_bus_ring_describe_properties: describe what
 * DEFINE_VIRTIO_MSG_BUS_RING_PROPERTIES() defines
 * @oc: a class that has these properties
 */
void virtio_msg_bus_ring_describe_properties(ObjectClass *oc);

/**
 * virtio_msg_bus_ring_init: get ready for a link
 * @s: zeroed
 * @link: the link, has to outlive @s
 * @conf: what the user chose, likewise
 * @errp: set on failure
 *
 * Returns false with @errp set, and nothing to undo, if that makes no sense.
 */
bool virtio_msg_bus_ring_init(VirtIOMSGBusRing *s, VirtIOMSGBus *link,
                              const VirtIOMSGBusRingConf *conf, Error **errp);

/**
 * virtio_msg_bus_ring_cleanup: undo virtio_msg_bus_ring_init()
 * @s: initialized and not running, or zeroed
 */
void virtio_msg_bus_ring_cleanup(VirtIOMSGBusRing *s);

/**
 * virtio_msg_bus_ring_start: begin to exchange messages
 * @s: initialized
 * @place: where the ring is; not kept, but the memory has to outlive it
 * @errp: set on failure
 *
 * The link comes up at once, or when the peer is there, and may go down and
 * come up again by what the peer does.
 *
 * Returns false with @errp set if the place does not do for the layout.
 */
bool virtio_msg_bus_ring_start(VirtIOMSGBusRing *s,
                               const VirtIOMSGBusRingPlace *place,
                               Error **errp);

/**
 * virtio_msg_bus_ring_stop: go on no more
 * @s: initialized, maybe never started
 *
 * The memory is not accessed any more; it may be gone.  The link stays what it
 * is, and is for the caller to take down.
 */
void virtio_msg_bus_ring_stop(VirtIOMSGBusRing *s);

/**
 * virtio_msg_bus_ring_shut_down: tell the peer that we go, and stop
 * @s: initialized, maybe never started; the memory is still there
 *
 * L-20.
 */
void virtio_msg_bus_ring_shut_down(VirtIOMSGBusRing *s);

/**
 * virtio_msg_bus_ring_process: look at what the peer has sent
 * @s: initialized
 *
 * For when the peer rang.
 */
void virtio_msg_bus_ring_process(VirtIOMSGBusRing *s);

/**
 * virtio_msg_bus_ring_send: send, for a link's operations
 * @s: started
 * @msg: as for VirtIOMSGBusOps
 */
VirtIOMSGBusSend virtio_msg_bus_ring_send(VirtIOMSGBusRing *s,
                                          const struct virtio_msg *msg);

/**
 * virtio_msg_bus_ring_recv: receive, for a link's operations
 * @s: started
 * @msg: as for VirtIOMSGBusOps
 * @arrived: likewise
 */
VirtIOMSGBusRecv virtio_msg_bus_ring_recv(VirtIOMSGBusRing *s,
                                          struct virtio_msg *msg,
                                          size_t *arrived);

/**
 * virtio_msg_bus_ring_max_msg_size: likewise, for the largest message
 * @s: initialized
 */
uint16_t virtio_msg_bus_ring_max_msg_size(const VirtIOMSGBusRing *s);

/**
 * virtio_msg_bus_ring_fill_info: show the ring
 * @s: initialized
 * @info: gets the layout and, while the link is up, the fill of either queue
 */
void virtio_msg_bus_ring_fill_info(const VirtIOMSGBusRing *s,
                                   VirtioMsgLinkInfo *info);

/* For a link that moves with its machine; the ring has been started there */
extern const VMStateDescription vmstate_virtio_msg_bus_ring;

#endif /* HW_VIRTIO_MSG_BUS_RING_H */
