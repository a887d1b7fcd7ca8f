/*
 * virtio-msg message queues in shared memory: where those of `v1` lie
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "hw/virtio/virtio-msg-ring-layout.h"

#define DEFAULT_ELEMENT_SIZE    64
#define MIN_ELEMENTS            2

/* What we place (L-13) */
#define PLACE_DEV_HEAD          0x40
#define PLACE_DRV_HEAD          0x80
#define PLACE_NOTIF             0xc0
#define PLACE_ALIGN             64

#define HEAD_ALIGN              2
#define NOTIF_ALIGN             8

/* A piece of the region */
typedef struct Area {
    uint64_t offset;
    uint64_t size;
    uint64_t align;
} Area;

uint64_t virtio_msg_v1_notif_size(const VirtIOMSGV1Layout *layout)
{
    unsigned arrays = layout->features & VIRTIO_MSG_V1_F_MASKS ? 3 : 2;

    return (uint64_t)layout->notif.words * sizeof(uint64_t) * arrays;
}

uint64_t virtio_msg_v1_elements_size(const VirtIOMSGV1Layout *layout)
{
    return (uint64_t)layout->num_elements * layout->element_size;
}

static uint64_t place_up(uint64_t offset)
{
    return (offset + PLACE_ALIGN - 1) & -(uint64_t)PLACE_ALIGN;
}

/* Where the region would have to end, with so many elements from @start on */
static uint64_t place_end(uint64_t start, uint64_t element_size, uint64_t num)
{
    return place_up(start + num * element_size) + num * element_size;
}

VirtIOMSGV1Fault virtio_msg_v1_place(VirtIOMSGV1Layout *layout, uint64_t size,
                                     const VirtIOMSGV1Options *options)
{
    uint64_t element_size = options->element_size ? options->element_size
                                                  : DEFAULT_ELEMENT_SIZE;
    uint64_t num = options->max_elements ? options->max_elements : UINT16_MAX;
    uint64_t at = PLACE_NOTIF;

    *layout = (VirtIOMSGV1Layout) {
        .length = VIRTIO_MSG_V1_LENGTH,
        .version = VIRTIO_MSG_V1_VERSION,
        .element_size = element_size,
        .notif = options->notif,
        .dev.head = PLACE_DEV_HEAD,
        .drv.head = PLACE_DRV_HEAD,
    };
    if (layout->notif.words) {
        layout->features = options->masks ? VIRTIO_MSG_V1_F_MASKS : 0;
        layout->dev.notif = at;
        at = place_up(at + virtio_msg_v1_notif_size(layout));
        layout->drv.notif = at;
        at = place_up(at + virtio_msg_v1_notif_size(layout));
    }
    if (size < at) {
        return VIRTIO_MSG_V1_NO_ROOM;
    }

    num = MIN(num, (size - at) / (2 * element_size));
    while (num >= MIN_ELEMENTS && place_end(at, element_size, num) > size) {
        num--;
    }
    if (num < MIN_ELEMENTS) {
        return VIRTIO_MSG_V1_NO_ROOM;
    }
    layout->num_elements = num;
    layout->dev.elements = at;
    layout->drv.elements = place_up(at + num * element_size);
    return virtio_msg_v1_check(layout, size);
}

static bool area_overlaps(const Area *a, const Area *b)
{
    return a->offset < b->offset + b->size && b->offset < a->offset + a->size;
}

static VirtIOMSGV1Fault check_areas(const Area *areas, size_t num,
                                    uint64_t size)
{
    static const Area header = { 0, VIRTIO_MSG_V1_LENGTH, 1 };
    size_t i, j;

    for (i = 0; i < num; i++) {
        const Area *a = &areas[i];

        if (a->offset == 0) {
            return VIRTIO_MSG_V1_AREA_AT_0;
        }
        if (a->offset % a->align) {
            return VIRTIO_MSG_V1_AREA_MISALIGNED;
        }
        if (a->offset + a->size < a->offset) {
            return VIRTIO_MSG_V1_AREA_WRAPS;
        }
        if (a->offset + a->size > size) {
            return VIRTIO_MSG_V1_AREA_OUTSIDE;
        }
        if (area_overlaps(a, &header)) {
            return VIRTIO_MSG_V1_AREA_OVERLAPS;
        }
        for (j = 0; j < i; j++) {
            if (area_overlaps(a, &areas[j])) {
                return VIRTIO_MSG_V1_AREA_OVERLAPS;
            }
        }
    }
    return VIRTIO_MSG_V1_FINE;
}

VirtIOMSGV1Fault virtio_msg_v1_check(const VirtIOMSGV1Layout *layout,
                                     uint64_t size)
{
    uint64_t notif = virtio_msg_v1_notif_size(layout);
    uint64_t elements = virtio_msg_v1_elements_size(layout);
    /* Those that are not always in use come last */
    const Area areas[] = {
        { layout->dev.head, VIRTIO_MSG_V1_HEAD_SIZE, HEAD_ALIGN },
        { layout->drv.head, VIRTIO_MSG_V1_HEAD_SIZE, HEAD_ALIGN },
        { layout->dev.elements, elements, 1 },
        { layout->drv.elements, elements, 1 },
        { layout->dev.notif, notif, NOTIF_ALIGN },
        { layout->drv.notif, notif, NOTIF_ALIGN },
    };

    if (layout->length != VIRTIO_MSG_V1_LENGTH) {
        return VIRTIO_MSG_V1_BAD_LENGTH;
    }
    if (layout->version != VIRTIO_MSG_V1_VERSION) {
        return VIRTIO_MSG_V1_BAD_VERSION;
    }
    if (layout->features & ~VIRTIO_MSG_V1_F_MASKS) {
        return VIRTIO_MSG_V1_BAD_FEATURES;
    }
    if (layout->reserved) {
        return VIRTIO_MSG_V1_BAD_RESERVED;
    }
    if (layout->notif.words > VIRTIO_MSG_NOTIFY_MAX_WORDS) {
        return VIRTIO_MSG_V1_BAD_NUM_NOTIF;
    }
    if (!virtio_msg_notify_valid(layout->notif)) {
        return VIRTIO_MSG_V1_BAD_NUM_VQ_NOTIF;
    }
    if (layout->num_elements < MIN_ELEMENTS) {
        return VIRTIO_MSG_V1_BAD_NUM_ELEMENTS;
    }
    if (layout->element_size == 0) {
        return VIRTIO_MSG_V1_BAD_ELEMENT_SIZE;
    }
    return check_areas(areas, G_N_ELEMENTS(areas) - (notif ? 0 : 2), size);
}

static void put_le16(uint8_t *bytes, size_t off, uint16_t val)
{
    val = GUINT16_TO_LE(val);
    memcpy(bytes + off, &val, sizeof(val));
}

static void put_le64(uint8_t *bytes, size_t off, uint64_t val)
{
    val = GUINT64_TO_LE(val);
    memcpy(bytes + off, &val, sizeof(val));
}

static uint16_t get_le16(const uint8_t *bytes, size_t off)
{
    uint16_t val;

    memcpy(&val, bytes + off, sizeof(val));
    return GUINT16_FROM_LE(val);
}

static uint64_t get_le64(const uint8_t *bytes, size_t off)
{
    uint64_t val;

    memcpy(&val, bytes + off, sizeof(val));
    return GUINT64_FROM_LE(val);
}

void virtio_msg_v1_encode(const VirtIOMSGV1Layout *layout, uint8_t *bytes)
{
    put_le16(bytes, VIRTIO_MSG_V1_OFF_MAGIC, VIRTIO_MSG_V1_MAGIC);
    put_le16(bytes, VIRTIO_MSG_V1_OFF_LENGTH, layout->length);
    put_le16(bytes, VIRTIO_MSG_V1_OFF_VERSION, layout->version);
    put_le16(bytes, VIRTIO_MSG_V1_OFF_FEATURES, layout->features);
    bytes[VIRTIO_MSG_V1_OFF_NUM_NOTIF] = layout->notif.words;
    bytes[VIRTIO_MSG_V1_OFF_NUM_VQ_NOTIF] = layout->notif.bits;
    put_le16(bytes, VIRTIO_MSG_V1_OFF_NUM_ELEMENTS, layout->num_elements);
    put_le16(bytes, VIRTIO_MSG_V1_OFF_ELEMENT_SIZE, layout->element_size);
    put_le16(bytes, VIRTIO_MSG_V1_OFF_RESERVED, layout->reserved);
    put_le64(bytes, VIRTIO_MSG_V1_OFF_DEV_NOTIF, layout->dev.notif);
    put_le64(bytes, VIRTIO_MSG_V1_OFF_DEV_HEAD, layout->dev.head);
    put_le64(bytes, VIRTIO_MSG_V1_OFF_DEV_ELEMENTS, layout->dev.elements);
    put_le64(bytes, VIRTIO_MSG_V1_OFF_DRV_NOTIF, layout->drv.notif);
    put_le64(bytes, VIRTIO_MSG_V1_OFF_DRV_HEAD, layout->drv.head);
    put_le64(bytes, VIRTIO_MSG_V1_OFF_DRV_ELEMENTS, layout->drv.elements);
}

void virtio_msg_v1_decode(VirtIOMSGV1Layout *layout, const uint8_t *bytes)
{
    *layout = (VirtIOMSGV1Layout) {
        .length = get_le16(bytes, VIRTIO_MSG_V1_OFF_LENGTH),
        .version = get_le16(bytes, VIRTIO_MSG_V1_OFF_VERSION),
        .features = get_le16(bytes, VIRTIO_MSG_V1_OFF_FEATURES),
        .reserved = get_le16(bytes, VIRTIO_MSG_V1_OFF_RESERVED),
        .num_elements = get_le16(bytes, VIRTIO_MSG_V1_OFF_NUM_ELEMENTS),
        .element_size = get_le16(bytes, VIRTIO_MSG_V1_OFF_ELEMENT_SIZE),
        .notif.words = bytes[VIRTIO_MSG_V1_OFF_NUM_NOTIF],
        .notif.bits = bytes[VIRTIO_MSG_V1_OFF_NUM_VQ_NOTIF],
        .dev.notif = get_le64(bytes, VIRTIO_MSG_V1_OFF_DEV_NOTIF),
        .dev.head = get_le64(bytes, VIRTIO_MSG_V1_OFF_DEV_HEAD),
        .dev.elements = get_le64(bytes, VIRTIO_MSG_V1_OFF_DEV_ELEMENTS),
        .drv.notif = get_le64(bytes, VIRTIO_MSG_V1_OFF_DRV_NOTIF),
        .drv.head = get_le64(bytes, VIRTIO_MSG_V1_OFF_DRV_HEAD),
        .drv.elements = get_le64(bytes, VIRTIO_MSG_V1_OFF_DRV_ELEMENTS),
    };
}

const char *virtio_msg_v1_fault_text(VirtIOMSGV1Fault fault)
{
    static const char *const texts[VIRTIO_MSG_V1_NUM_FAULTS] = {
        [VIRTIO_MSG_V1_FINE] = "is fine",
        [VIRTIO_MSG_V1_BAD_LENGTH] = "does not say that it takes 64 bytes",
        [VIRTIO_MSG_V1_BAD_VERSION] = "has a version other than 1",
        [VIRTIO_MSG_V1_BAD_FEATURES] = "has features other than masks",
        [VIRTIO_MSG_V1_BAD_RESERVED] = "has a reserved field that is not 0",
        [VIRTIO_MSG_V1_BAD_NUM_NOTIF] = "has more than 64 notification words",
        [VIRTIO_MSG_V1_BAD_NUM_VQ_NOTIF] =
            "has other than 1, 2, 4, 8 or 16 notification bits a device",
        [VIRTIO_MSG_V1_BAD_NUM_ELEMENTS] = "has fewer than 2 elements",
        [VIRTIO_MSG_V1_BAD_ELEMENT_SIZE] = "has elements of 0 bytes",
        [VIRTIO_MSG_V1_AREA_AT_0] = "has an area at offset 0",
        [VIRTIO_MSG_V1_AREA_MISALIGNED] = "has a misaligned area",
        [VIRTIO_MSG_V1_AREA_WRAPS] = "has an area that wraps around",
        [VIRTIO_MSG_V1_AREA_OUTSIDE] = "has an area outside of the memory",
        [VIRTIO_MSG_V1_AREA_OVERLAPS] = "has areas that overlap",
        [VIRTIO_MSG_V1_NO_ROOM] =
            "does not fit: the memory is too small for two elements each way",
    };

    return texts[fault];
}
