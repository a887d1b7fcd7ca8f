/*
 * virtio-msg transport
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_VIRTIO_MSG_H
#define HW_VIRTIO_MSG_H

#include "hw/virtio/virtio-bus.h"
#include "hw/virtio/virtio-msg-bus.h"
#include "hw/virtio/virtio-msg-liveness.h"
#include "hw/virtio/virtio-msg-pace.h"
#include "hw/virtio/virtio-msg-wire.h"
#include "qemu/bitmap.h"
#include "qemu/queue.h"
#include "qom/object.h"

/*
 * The transport of one link.  It owns the device slots; each slot is a
 * virtio-bus for one ordinary virtio device, and its number is the device
 * number on the wire.
 */

/* Device numbers are 16 bits wide */
#define VIRTIO_MSG_MAX_DEVICES  65536

/* Message ids are 8 bits wide */
#define VIRTIO_MSG_NUM_IDS      256

#define TYPE_VIRTIO_MSG "virtio-msg"
OBJECT_DECLARE_SIMPLE_TYPE(VirtIOMSG, VIRTIO_MSG)

#define TYPE_VIRTIO_MSG_SLOT "virtio-msg-slot"
OBJECT_DECLARE_SIMPLE_TYPE(VirtIOMSGSlot, VIRTIO_MSG_SLOT)

/* The virtio-bus of a slot */
#define TYPE_VIRTIO_MSG_VIRTIO_BUS "virtio-msg-virtio-bus"

/* The bus that holds the slots of a transport */
#define TYPE_VIRTIO_MSG_SLOT_BUS "virtio-msg-slot-bus"

/*
 * Where qdev comes first when it looks for a place for a device without bus=.
 * No device stays there: it gets a slot that is free.
 */
#define TYPE_VIRTIO_MSG_ANY_BUS "virtio-msg-any-bus"

struct VirtIOMSGSlot {
    DeviceState parent_obj;

    VirtioBusState bus;
    VirtIOMSG *transport;
    VirtIODevice *vdev;         /* NULL: empty */
    uint16_t dev_num;
    uint16_t num_queues;        /* as the device was plugged */
    uint64_t left;              /* when the last one did; 0: none so far */

    /* As far as the driver has set them up, those that are not enabled */
    VirtIOMSGQueueState *queues;

    uint64_t driver_features;   /* what the driver has asked for so far */
    bool unknown_features;      /* it asked for bits that nobody knows */
    uint8_t traced_status;      /* the device's, as it was last traced */

    uint32_t generation;        /* of the configuration below */
    uint8_t *config;            /* as the driver has last been told, or NULL */
    uint32_t config_size;       /* bytes of that */

    /* Events that wait to be sent; at most one of a kind */
    DECLARE_BITMAP(used, VIRTIO_QUEUE_MAX);
    bool event_used;
    bool event_config;
    bool event_removed;
    bool event_added;
    /*
     * Queues that have more for the device, after others had their turn or
     * once the machine runs again
     */
    DECLARE_BITMAP(deferred, VIRTIO_QUEUE_MAX);
    QEMUBH *deferred_bh;
    /* Those that the device has been told of since they were set up */
    DECLARE_BITMAP(kicked, VIRTIO_QUEUE_MAX);
    /* Little-endian, on the way to another machine */
    struct {
        DECLARE_BITMAP(kicked, VIRTIO_QUEUE_MAX);
        DECLARE_BITMAP(used, VIRTIO_QUEUE_MAX);
    } moved;

    bool dirty;                 /* on the transport's list of those */
    QTAILQ_ENTRY(VirtIOMSGSlot) next;
    bool news;                  /* likewise, for EVENT_DEVICE */
    QTAILQ_ENTRY(VirtIOMSGSlot) next_news;
};

struct VirtIOMSG {
    DeviceState parent_obj;

    VirtIOMSGBus *link;
    BusState slot_bus;
    VirtioBusState any_bus;
    GPtrArray *slots;           /* VirtIOMSGSlot, by device number */
    const VirtIOMSGWire *wire;  /* how messages are laid out */
    bool strict_generation;     /* T-10: transport feature bit 0, or 2025 */
    VirtIOMSGLiveness liveness;
    VirtIOMSGPace pace;

    bool response_waits;
    struct virtio_msg response; /* valid if response_waits */
    QTAILQ_HEAD(, VirtIOMSGSlot) dirty;
    QTAILQ_HEAD(, VirtIOMSGSlot) news;

    /* Messages by kind, [1] for those of the bus, and id */
    uint64_t received[2][VIRTIO_MSG_NUM_IDS];
    uint64_t sent[2][VIRTIO_MSG_NUM_IDS];

    /* Messages that came and had no effect, by reason */
    uint64_t drop_malformed;
    uint64_t drop_unknown;
    uint64_t drop_no_device;
    uint64_t drop_ignored;

    uint64_t departures;        /* devices that have left */

    /* On the way to another machine: devices whose REMOVED waits */
    uint32_t num_gone;
    uint16_t *gone;

    uint64_t deferrals;         /* times that a queue used up its credit */
};

/**
 * virtio_msg_total: messages of all kinds
 * @counts: received or sent of a transport
 *
 * Returns their number since the transport was created.
 */
uint64_t virtio_msg_total(uint64_t counts[2][VIRTIO_MSG_NUM_IDS]);

#endif /* HW_VIRTIO_MSG_H */
