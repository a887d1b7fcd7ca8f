/*
 * A virtio driver over virtio-msg, for tests and benchmarks
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef TESTS_VIRTIO_MSG_DRIVER_H
#define TESTS_VIRTIO_MSG_DRIVER_H

#include "virtio-msg-link.h"

/*
 * What a driver asks of a device, one function a request, and split rings in
 * the driver side's memory.  Values are in host order, addresses are those of
 * the driver side.
 */

typedef struct VMsgInfo {
    uint32_t device_id;
    uint32_t vendor_id;
    uint32_t num_feature_bits;  /* on both wires */
    uint32_t config_size;
    uint32_t max_virtqueues;
    uint32_t admin_vq_start;
    uint32_t admin_vq_count;
} VMsgInfo;

/* A part of the numbers that devices can have, and which of them are taken */
typedef struct VMsgDevices {
    uint16_t offset;
    uint16_t count;
    uint16_t next;
    uint8_t bitmap[VIRTIO_MSG_MAX_DEVICES_BITMAP];
} VMsgDevices;

typedef struct VMsgQueueState {
    uint32_t max_size;
    uint32_t cur_size;
    bool enabled;           /* in 2025: it is set up */
    uint64_t desc;
    uint64_t driver;
    uint64_t device;
} VMsgQueueState;

/* A split ring that is set up in a device */
typedef struct VMsgQueue {
    VMsgLink *link;
    uint16_t dev;
    uint32_t index;
    uint16_t size;
    uint64_t desc;
    uint64_t avail;
    uint64_t used;
    uint16_t next_desc;     /* descriptors are given away round and round */
    uint16_t next_avail;
    uint16_t next_used;
} VMsgQueue;

/* A piece of a request */
typedef struct VMsgBuffer {
    uint64_t addr;
    uint32_t len;
    bool device_writes;
} VMsgBuffer;

/**
 * vmsg_get_devices: GET_DEVICES
 * @link: the link
 * @offset: the first number
 * @count: how many of them
 *
 * The answer has been checked for what its wire allows.
 */
VMsgDevices vmsg_get_devices(VMsgLink *link, uint16_t offset, uint16_t count);

/**
 * vmsg_get_info: GET_DEVICE_INFO
 * @link: the link
 * @dev: device number
 */
VMsgInfo vmsg_get_info(VMsgLink *link, uint16_t dev);

/**
 * vmsg_assert_info: check that GET_DEVICE_INFO still answers the same (T-04)
 * @link: the link
 * @dev: device number
 * @want: an earlier answer
 */
void vmsg_assert_info(VMsgLink *link, uint16_t dev, const VMsgInfo *want);

/**
 * vmsg_get_features: all that the device offers, by GET_DEVICE_FEATURES
 * @link: the link
 * @dev: device number
 */
uint64_t vmsg_get_features(VMsgLink *link, uint16_t dev);

/**
 * vmsg_set_features: SET_DRIVER_FEATURES, in one piece
 * @link: the link
 * @dev: device number
 * @features: the set
 */
void vmsg_set_features(VMsgLink *link, uint16_t dev, uint64_t features);

/**
 * vmsg_set_feature_block: SET_DRIVER_FEATURES of a single block
 * @link: the link
 * @dev: device number
 * @block: its index
 * @bits: its 32 bits
 */
void vmsg_set_feature_block(VMsgLink *link, uint16_t dev, uint32_t block,
                            uint32_t bits);

/**
 * vmsg_get_status: GET_DEVICE_STATUS
 * @link: the link
 * @dev: device number
 */
uint32_t vmsg_get_status(VMsgLink *link, uint16_t dev);

/**
 * vmsg_set_status: SET_DEVICE_STATUS
 * @link: the link
 * @dev: device number
 * @status: the new status, 0 to reset
 *
 * Returns the status of the answer.
 */
uint32_t vmsg_set_status(VMsgLink *link, uint16_t dev, uint32_t status);

/**
 * vmsg_get_config: GET_CONFIG
 * @link: the link
 * @dev: device number
 * @offset: of the window
 * @length: of it, bytes
 * @data: receives as many bytes as the answer has; may be NULL
 * @generation: receives the generation; may be NULL
 *
 * Returns the length of the answer, which is 0 if the device refused.
 */
uint32_t vmsg_get_config(VMsgLink *link, uint16_t dev, uint32_t offset,
                         uint32_t length, void *data, uint32_t *generation);

/**
 * vmsg_set_config: SET_CONFIG
 * @link: the link
 * @dev: device number
 * @offset: of the window
 * @length: of it, bytes
 * @data: what to write
 * @generation: the generation that the driver believes in; receives the
 *              device's
 *
 * Returns the length of the answer, which is 0 if the device refused.
 */
uint32_t vmsg_set_config(VMsgLink *link, uint16_t dev, uint32_t offset,
                         uint32_t length, const void *data,
                         uint32_t *generation);

/**
 * vmsg_get_vqueue: GET_VQUEUE
 * @link: the link
 * @dev: device number
 * @index: of the queue
 */
VMsgQueueState vmsg_get_vqueue(VMsgLink *link, uint16_t dev, uint32_t index);

/**
 * vmsg_ask_vqueue: SET_VQUEUE, with any flags
 * @link: the link
 * @dev: device number
 * @index: of the queue
 * @flags: VIRTIO_MSG_VQ_*; in 2025 they mean nothing
 * @want: size and areas to be set
 *
 * Returns what GET_VQUEUE shows afterwards.
 */
VMsgQueueState vmsg_ask_vqueue(VMsgLink *link, uint16_t dev, uint32_t index,
                               uint32_t flags, const VMsgQueueState *want);

/**
 * vmsg_set_vqueue: SET_VQUEUE
 * @link: the link
 * @dev: device number
 * @index: of the queue
 * @size: entries
 * @desc: descriptor area
 * @driver: driver area
 * @device: device area
 *
 * Returns the size that GET_VQUEUE shows afterwards: 0 if it was refused.
 */
uint32_t vmsg_set_vqueue(VMsgLink *link, uint16_t dev, uint32_t index,
                         uint32_t size, uint64_t desc, uint64_t driver,
                         uint64_t device);

/**
 * vmsg_reset_vqueue: RESET_VQUEUE
 * @link: the link
 * @dev: device number
 * @index: of the queue
 */
void vmsg_reset_vqueue(VMsgLink *link, uint16_t dev, uint32_t index);

/**
 * vmsg_negotiate: reset a device and bring it to FEATURES_OK
 * @link: the link
 * @dev: device number
 * @features: those to take besides the ones that every device needs
 */
void vmsg_negotiate(VMsgLink *link, uint16_t dev, uint64_t features);

/**
 * vmsg_driver_ok: finish the set-up that vmsg_negotiate() began
 * @link: the link
 * @dev: device number
 */
void vmsg_driver_ok(VMsgLink *link, uint16_t dev);

/**
 * vmsg_notify: EVENT_AVAIL
 * @link: the link
 * @dev: device number
 * @index: of the queue, or VIRTIO_MSG_ALL_VQUEUES
 */
void vmsg_notify(VMsgLink *link, uint16_t dev, uint32_t index);

/**
 * vmsg_queue_init: make a split ring and set it up in the device
 * @q: to be initialized; needs no clean-up
 * @link: the link
 * @dev: device number, at FEATURES_OK
 * @index: of the queue
 * @size: entries
 */
void vmsg_queue_init(VMsgQueue *q, VMsgLink *link, uint16_t dev,
                     uint32_t index, uint16_t size);

/**
 * vmsg_queue_add: make a request available, without telling the device
 * @q: the queue
 * @bufs: the pieces of the request
 * @num: how many there are
 *
 * The caller keeps the requests in flight below the size of the ring.
 * Returns the number by which the device will give it back.
 */
uint16_t vmsg_queue_add(VMsgQueue *q, const VMsgBuffer *bufs, unsigned num);

/**
 * vmsg_queue_kick: tell the device of what is available
 * @q: the queue
 */
void vmsg_queue_kick(VMsgQueue *q);

/**
 * vmsg_queue_used: requests that came back and were not taken
 * @q: the queue
 */
uint16_t vmsg_queue_used(const VMsgQueue *q);

/**
 * vmsg_queue_take: take the next request that came back
 * @q: the queue, with one that did
 * @id: its number
 *
 * Returns how many bytes the device wrote.
 */
uint32_t vmsg_queue_take(VMsgQueue *q, uint16_t id);

/**
 * vmsg_queue_wait: take the next request, and wait for it by EVENT_USED
 * @q: the queue
 * @id: its number
 *
 * Returns how many bytes the device wrote.
 */
uint32_t vmsg_queue_wait(VMsgQueue *q, uint16_t id);

/**
 * vmsg_queue_set_flags: set the driver's flags, VRING_AVAIL_F_*
 * @q: the queue
 * @flags: the flags
 */
void vmsg_queue_set_flags(VMsgQueue *q, uint16_t flags);

/**
 * vmsg_queue_set_used_event: set the index at which to be told
 * @q: the queue, with VIRTIO_RING_F_EVENT_IDX
 * @index: of the used ring
 */
void vmsg_queue_set_used_event(VMsgQueue *q, uint16_t index);

#endif /* TESTS_VIRTIO_MSG_DRIVER_H */
