/*
 * Packed rings of a virtio driver over virtio-msg, for tests
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef TESTS_VIRTIO_MSG_PACKED_H
#define TESTS_VIRTIO_MSG_PACKED_H

#include "virtio-msg-driver.h"

/* A packed ring that is set up in a device, used one request at a time */
typedef struct VMsgPacked {
    VMsgLink *link;
    uint16_t dev;
    uint32_t index;
    uint16_t size;
    uint64_t ring;
    uint64_t driver;        /* what the driver wants to be told of */
    uint64_t device;
    uint16_t next;          /* the descriptor that the next request begins at */
    bool wrap;              /* the driver's wrap counter */
    uint16_t num;           /* descriptors of the request in flight */
    uint16_t id;
} VMsgPacked;

/**
 * vmsg_packed_init: make a packed ring and set it up in the device
 * @q: to be initialized; needs no clean-up
 * @link: the link
 * @dev: device number, at FEATURES_OK with VIRTIO_F_RING_PACKED
 * @index: of the queue
 * @size: entries, any number
 */
void vmsg_packed_init(VMsgPacked *q, VMsgLink *link, uint16_t dev,
                      uint32_t index, uint16_t size);

/**
 * vmsg_packed_add: make a request available and tell the device
 * @q: the queue, with no request in flight
 * @bufs: the pieces of the request
 * @num: how many there are, 1 to the size of the ring
 */
void vmsg_packed_add(VMsgPacked *q, const VMsgBuffer *bufs, unsigned num);

/**
 * vmsg_packed_used: whether the request in flight has come back
 * @q: the queue
 */
bool vmsg_packed_used(const VMsgPacked *q);

/**
 * vmsg_packed_take: take the request that has come back
 * @q: the queue
 *
 * Returns how many bytes the device wrote.
 */
uint32_t vmsg_packed_take(VMsgPacked *q);

/**
 * vmsg_packed_wait: wait for the request in flight by EVENT_USED, and take it
 * @q: the queue
 *
 * Returns how many bytes the device wrote.
 */
uint32_t vmsg_packed_wait(VMsgPacked *q);

/**
 * vmsg_packed_set_event: say when the device is to send EVENT_USED
 * @q: the queue
 * @flags: VRING_PACKED_EVENT_FLAG_*
 */
void vmsg_packed_set_event(VMsgPacked *q, uint16_t flags);

#endif /* TESTS_VIRTIO_MSG_PACKED_H */
