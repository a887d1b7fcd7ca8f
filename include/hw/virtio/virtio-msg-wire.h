/*
 * The two wires of virtio-msg
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_VIRTIO_MSG_WIRE_H
#define HW_VIRTIO_MSG_WIRE_H

#include "standard-headers/linux/virtio_msg.h"

/*
 * Some messages have other fields in 2026 than in 2025, and no message tells
 * which of the two it is.  A wire is how these are read and written: between
 * messages in wire order and structures in host order, which hold the fields
 * of both.  What is the same on both wires is not here.
 *
 * Pure functions of their arguments, for any thread.
 */

/* What GET_DEVICE_INFO answers; all 0 for a device that does not exist */
typedef struct VirtIOMSGInfo {
    uint32_t device_id;
    uint32_t vendor_id;
    uint32_t num_feature_blocks;    /* of 32 bits */
    uint32_t config_size;           /* bytes */
    uint32_t max_virtqueues;
} VirtIOMSGInfo;

/* What GET_VQUEUE answers */
typedef struct VirtIOMSGQueueState {
    uint32_t index;
    uint32_t max_size;              /* entries; 0: no such queue */
    uint32_t size;                  /* entries; 0: not set up */
    bool enabled;
    uint64_t desc;                  /* the driver's addresses */
    uint64_t driver;
    uint64_t device;
} VirtIOMSGQueueState;

/* What SET_VQUEUE asks for */
typedef struct VirtIOMSGQueueChange {
    uint32_t index;
    bool valid;                     /* it makes sense; else nothing changes */
    bool enable;
    bool disable;
    bool keep_size;                 /* the queue keeps the one that it has */
    bool keep_desc;
    bool keep_driver;
    bool keep_device;
    uint32_t size;
    uint64_t desc;
    uint64_t driver;
    uint64_t device;
} VirtIOMSGQueueChange;

/* What GET_SHM answers */
typedef struct VirtIOMSGShm {
    uint32_t shmid;
    uint64_t length;                /* bytes; 0: no such region */
    uint64_t address;               /* the driver's */
} VirtIOMSGShm;

/* What GET_DEVICES answers, besides the bitmap */
typedef struct VirtIOMSGDevices {
    uint16_t offset;                /* a device number */
    uint16_t count;                 /* numbers from there on */
    uint16_t next_offset;           /* 0: no device comes after these */
} VirtIOMSGDevices;

typedef struct VirtIOMSGWire {
    /* B-07: bytes with the header, that the largest message needs */
    uint16_t min_max_msg_size;

    /* T-10: SET_CONFIG with a generation of the past changes nothing */
    bool strict_generation;

    /*
     * drivers of this wire take EVENT_DEVICE and PING only one by
     * one, and no EVENT_DEVICE before they are ready for it
     */
    bool paced;

    /* B-01: what offsets and counts of GET_DEVICES are multiples of */
    uint16_t devices_align;

    /* T-13: bytes of payload that a SET_VQUEUE has at least */
    uint16_t min_set_vqueue;

    /**
     * @put_info: fill in the payload of a GET_DEVICE_INFO response, which is
     * zeroed.  Returns the payload's size in bytes.
     */
    size_t (*put_info)(struct virtio_msg *resp, const VirtIOMSGInfo *info);

    /** @put_queue: likewise for a GET_VQUEUE response */
    size_t (*put_queue)(struct virtio_msg *resp,
                        const VirtIOMSGQueueState *queue);

    /**
     * @get_queue_change: read a SET_VQUEUE request with @payload bytes,
     * at least @min_set_vqueue
     */
    void (*get_queue_change)(const struct virtio_msg *req, size_t payload,
                             VirtIOMSGQueueChange *change);

    /** @put_shm: fill in the payload of a GET_SHM response, as @put_info */
    size_t (*put_shm)(struct virtio_msg *resp, const VirtIOMSGShm *shm);

    /**
     * @put_devices: fill in the payload of a GET_DEVICES response, but for its
     * bitmap, which lies at the same place on both wires
     */
    void (*put_devices)(struct virtio_msg *resp,
                        const VirtIOMSGDevices *devices);
} VirtIOMSGWire;

/* The draft of 2026 */
extern const VirtIOMSGWire virtio_msg_wire_2026;

/* The draft of 2025, and the first drivers, whose SET_VQUEUE is shorter */
extern const VirtIOMSGWire virtio_msg_wire_2025;

/**
 * virtio_msg_wire_fits: whether a link can carry all messages of a wire (B-07)
 * @wire: the wire
 * @max_msg_size: the largest message of the link, in bytes with the header
 *
 * Returns false if it cannot; the link must not start then.
 */
bool virtio_msg_wire_fits(const VirtIOMSGWire *wire, size_t max_msg_size);

#endif /* HW_VIRTIO_MSG_WIRE_H */
