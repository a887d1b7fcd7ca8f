/*
 * virtio-msg message queues in shared memory: the self-describing layout, `v1`
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_VIRTIO_MSG_RING_LAYOUT_H
#define HW_VIRTIO_MSG_RING_LAYOUT_H

#include "hw/virtio/virtio-msg-ring-notify.h"

/*
 * The first 64 bytes of the region say where everything else lies.  The device
 * side writes them, and the reader has to take them for the work of an
 * enemy: this is about their meaning alone, without any memory but copies.
 */

#define VIRTIO_MSG_V1_MAGIC         0x4c4f
#define VIRTIO_MSG_V1_LENGTH        64
#define VIRTIO_MSG_V1_VERSION       1

/* Features: the notification areas have a third array, of masks */
#define VIRTIO_MSG_V1_F_MASKS       0x0001

/* Where the fields are; all but two are le16 or, from 16 on, le64 */
#define VIRTIO_MSG_V1_OFF_MAGIC             0
#define VIRTIO_MSG_V1_OFF_LENGTH            2
#define VIRTIO_MSG_V1_OFF_VERSION           4
#define VIRTIO_MSG_V1_OFF_FEATURES          6
#define VIRTIO_MSG_V1_OFF_NUM_NOTIF         8
#define VIRTIO_MSG_V1_OFF_NUM_VQ_NOTIF      9
#define VIRTIO_MSG_V1_OFF_NUM_ELEMENTS      10
#define VIRTIO_MSG_V1_OFF_ELEMENT_SIZE      12
#define VIRTIO_MSG_V1_OFF_RESERVED          14
#define VIRTIO_MSG_V1_OFF_DEV_NOTIF         16
#define VIRTIO_MSG_V1_OFF_DEV_HEAD          24
#define VIRTIO_MSG_V1_OFF_DEV_ELEMENTS      32
#define VIRTIO_MSG_V1_OFF_DRV_NOTIF         40
#define VIRTIO_MSG_V1_OFF_DRV_HEAD          48
#define VIRTIO_MSG_V1_OFF_DRV_ELEMENTS      56

/* A queue head: four le16 */
#define VIRTIO_MSG_V1_HEAD_SIZE     8
#define VIRTIO_MSG_V1_HEAD_MAGIC    0x514f
#define VIRTIO_MSG_V1_HEAD_OFF_MAGIC    0
#define VIRTIO_MSG_V1_HEAD_OFF_STATUS   2
#define VIRTIO_MSG_V1_HEAD_OFF_TAIL     4
#define VIRTIO_MSG_V1_HEAD_OFF_HEAD     6

/* The status in it: a state, and flags of which one has a meaning */
#define VIRTIO_MSG_V1_STATE_MASK    0x001f
#define VIRTIO_MSG_V1_STATE_INIT        0
#define VIRTIO_MSG_V1_STATE_READY       1
#define VIRTIO_MSG_V1_STATE_RUN         2
#define VIRTIO_MSG_V1_STATE_SHUTDOWN    3
#define VIRTIO_MSG_V1_STATE_PEER_DEAD   4
#define VIRTIO_MSG_V1_FLAG_DEBUGGED 0x8000

/* Bytes of an element that a message can use (L-11) */
#define VIRTIO_MSG_V1_MAX_MSG_SIZE  264

/* What lies in the region for each side, as offsets in it */
typedef struct VirtIOMSGV1Areas {
    uint64_t notif;         /* meaningless without notification words */
    uint64_t head;
    uint64_t elements;
} VirtIOMSGV1Areas;

/* A layout, in the byte order of the host */
typedef struct VirtIOMSGV1Layout {
    uint16_t length;
    uint16_t version;
    uint16_t features;
    uint16_t reserved;
    uint16_t num_elements;
    uint16_t element_size;  /* bytes */
    VirtIOMSGNotifyShape notif;
    VirtIOMSGV1Areas dev;
    VirtIOMSGV1Areas drv;
} VirtIOMSGV1Layout;

/* What is wrong with a layout (L-09), in the order in which it is looked at */
typedef enum VirtIOMSGV1Fault {
    VIRTIO_MSG_V1_FINE,
    VIRTIO_MSG_V1_BAD_LENGTH,
    VIRTIO_MSG_V1_BAD_VERSION,
    VIRTIO_MSG_V1_BAD_FEATURES,
    VIRTIO_MSG_V1_BAD_RESERVED,
    VIRTIO_MSG_V1_BAD_NUM_NOTIF,
    VIRTIO_MSG_V1_BAD_NUM_VQ_NOTIF,
    VIRTIO_MSG_V1_BAD_NUM_ELEMENTS,
    VIRTIO_MSG_V1_BAD_ELEMENT_SIZE,
    VIRTIO_MSG_V1_AREA_AT_0,
    VIRTIO_MSG_V1_AREA_MISALIGNED,
    VIRTIO_MSG_V1_AREA_WRAPS,
    VIRTIO_MSG_V1_AREA_OUTSIDE,
    VIRTIO_MSG_V1_AREA_OVERLAPS,
    /* Only where a layout is to be placed: not even two elements fit */
    VIRTIO_MSG_V1_NO_ROOM,
    VIRTIO_MSG_V1_NUM_FAULTS,
} VirtIOMSGV1Fault;

/* What a device side can choose of its layout */
typedef struct VirtIOMSGV1Options {
    uint16_t element_size;  /* bytes, 0: 64 */
    uint16_t max_elements;  /* at most so many; 0: 65535 */
    VirtIOMSGNotifyShape notif;
    bool masks;
} VirtIOMSGV1Options;

/**
 * virtio_msg_v1_notif_size: bytes of each side's notification area
 * @layout: a layout with any contents
 *
 * Returns 0 without notification words.
 */
uint64_t virtio_msg_v1_notif_size(const VirtIOMSGV1Layout *layout);

/**
 * virtio_msg_v1_elements_size: bytes of each side's elements
 * @layout: a layout with any contents
 */
uint64_t virtio_msg_v1_elements_size(const VirtIOMSGV1Layout *layout);

/**
 * virtio_msg_v1_place: choose where everything lies
 * @layout: receives the layout
 * @size: bytes of the region
 * @options: what the user wants
 *
 * Returns VIRTIO_MSG_V1_FINE, or what is wrong with @options or, as
 * VIRTIO_MSG_V1_NO_ROOM, with @size; then @layout is not to be used.
 *
 * L-13.
 */
VirtIOMSGV1Fault virtio_msg_v1_place(VirtIOMSGV1Layout *layout, uint64_t size,
                                     const VirtIOMSGV1Options *options);

/**
 * virtio_msg_v1_check: whether a layout can be used
 * @layout: private, with any contents
 * @size: bytes of the region
 *
 * Returns VIRTIO_MSG_V1_FINE, or the first thing that is wrong.
 *
 * L-09.
 */
VirtIOMSGV1Fault virtio_msg_v1_check(const VirtIOMSGV1Layout *layout,
                                     uint64_t size);

/**
 * virtio_msg_v1_encode: what stands in memory for a layout
 * @layout: the layout
 * @bytes: receives VIRTIO_MSG_V1_LENGTH bytes, the magic among them
 */
void virtio_msg_v1_encode(const VirtIOMSGV1Layout *layout, uint8_t *bytes);

/**
 * virtio_msg_v1_decode: which layout memory says that there is
 * @layout: receives it, unchecked
 * @bytes: a private copy of VIRTIO_MSG_V1_LENGTH bytes; the magic is not read
 */
void virtio_msg_v1_decode(VirtIOMSGV1Layout *layout, const uint8_t *bytes);

/**
 * virtio_msg_v1_fault_text: what is wrong, for the user
 * @fault: one that a function above has returned
 *
 * Returns a static string that goes on behind "the layout".
 */
const char *virtio_msg_v1_fault_text(VirtIOMSGV1Fault fault);

#endif /* HW_VIRTIO_MSG_RING_LAYOUT_H */
