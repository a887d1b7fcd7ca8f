/*
 * The two wires of virtio-msg
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "hw/virtio/virtio-msg-wire.h"

#define FEATURE_BLOCK_BITS      32

#define VQ_FLAGS                                                    \
    (VIRTIO_MSG_VQ_OP_MASK | VIRTIO_MSG_VQ_KEEP_SIZE |              \
     VIRTIO_MSG_VQ_KEEP_DESC | VIRTIO_MSG_VQ_KEEP_DRIVER |          \
     VIRTIO_MSG_VQ_KEEP_DEVICE)

/* The handler of GET_DEVICES fills in the bitmap of either */
G_STATIC_ASSERT(offsetof(struct virtio_msg, get_devices_resp.bitmap) ==
                offsetof(struct virtio_msg, get_devices_resp_2025.bitmap));

/*
 * What both have
 */

bool virtio_msg_wire_fits(const VirtIOMSGWire *wire, size_t max_msg_size)
{
    return max_msg_size >= wire->min_max_msg_size;
}

static size_t put_queue(struct virtio_msg *resp,
                        const VirtIOMSGQueueState *queue, uint32_t flags)
{
    struct virtio_msg_get_vqueue_resp *r = &resp->get_vqueue_resp;

    r->index = cpu_to_le32(queue->index);
    r->max_size = cpu_to_le32(queue->max_size);
    r->cur_size = cpu_to_le32(queue->size);
    r->flags = cpu_to_le32(flags);
    r->desc = cpu_to_le64(queue->desc);
    r->driver = cpu_to_le64(queue->driver);
    r->device = cpu_to_le64(queue->device);
    return sizeof(*r);
}

static void get_queue_values(const struct virtio_msg *req,
                             VirtIOMSGQueueChange *change)
{
    const struct virtio_msg_set_vqueue *q = &req->set_vqueue;

    change->index = le32_to_cpu(q->index);
    change->size = le32_to_cpu(q->size);
    change->desc = le64_to_cpu(q->desc);
    change->driver = le64_to_cpu(q->driver);
    change->device = le64_to_cpu(q->device);
}

/*
 * 2026
 */

static size_t put_info_2026(struct virtio_msg *resp, const VirtIOMSGInfo *info)
{
    struct virtio_msg_get_device_info_resp *r = &resp->get_device_info_resp;

    r->device_id = cpu_to_le32(info->device_id);
    r->vendor_id = cpu_to_le32(info->vendor_id);
    r->num_feature_blocks = cpu_to_le32(info->num_feature_blocks);
    r->config_size = cpu_to_le32(info->config_size);
    r->max_virtqueues = cpu_to_le32(info->max_virtqueues);
    return sizeof(*r);
}

static size_t put_queue_2026(struct virtio_msg *resp,
                             const VirtIOMSGQueueState *queue)
{
    return put_queue(resp, queue, queue->enabled ? VIRTIO_MSG_VQ_ENABLED : 0);
}

static void get_queue_change_2026(const struct virtio_msg *req, size_t payload,
                                  VirtIOMSGQueueChange *change)
{
    uint32_t flags = le32_to_cpu(req->set_vqueue.flags);
    uint32_t op = flags & VIRTIO_MSG_VQ_OP_MASK;

    memset(change, 0, sizeof(*change));
    get_queue_values(req, change);
    change->valid = !(flags & ~VQ_FLAGS) && op != VIRTIO_MSG_VQ_OP_MASK &&
                    !req->set_vqueue.reserved;
    change->enable = op == VIRTIO_MSG_VQ_OP_ENABLE;
    change->disable = op == VIRTIO_MSG_VQ_OP_DISABLED;
    change->keep_size = flags & VIRTIO_MSG_VQ_KEEP_SIZE;
    change->keep_desc = flags & VIRTIO_MSG_VQ_KEEP_DESC;
    change->keep_driver = flags & VIRTIO_MSG_VQ_KEEP_DRIVER;
    change->keep_device = flags & VIRTIO_MSG_VQ_KEEP_DEVICE;
}

static size_t put_shm_2026(struct virtio_msg *resp, const VirtIOMSGShm *shm)
{
    struct virtio_msg_get_shm_resp *r = &resp->get_shm_resp;

    r->index = cpu_to_le32(shm->shmid);
    r->length = cpu_to_le64(shm->length);
    r->address = cpu_to_le64(shm->address);
    return sizeof(*r);
}

static void put_devices_2026(struct virtio_msg *resp,
                             const VirtIOMSGDevices *devices)
{
    struct virtio_msg_get_devices_resp *r = &resp->get_devices_resp;

    r->offset = cpu_to_le16(devices->offset);
    r->next_offset = cpu_to_le16(devices->next_offset);
    r->count = cpu_to_le16(devices->count);
}

const VirtIOMSGWire virtio_msg_wire_2026 = {
    .min_max_msg_size = VIRTIO_MSG_MIN_MAX_SIZE,
    .devices_align = 1,
    .min_set_vqueue = sizeof(struct virtio_msg_set_vqueue),
    .put_info = put_info_2026,
    .put_queue = put_queue_2026,
    .get_queue_change = get_queue_change_2026,
    .put_shm = put_shm_2026,
    .put_devices = put_devices_2026,
};

/*
 * 2025
 */

static size_t put_info_2025(struct virtio_msg *resp, const VirtIOMSGInfo *info)
{
    struct virtio_msg_get_device_info_resp_2025 *r =
        &resp->get_device_info_resp_2025;

    r->device_id = cpu_to_le32(info->device_id);
    r->vendor_id = cpu_to_le32(info->vendor_id);
    r->num_feature_bits =
        cpu_to_le32(info->num_feature_blocks * FEATURE_BLOCK_BITS);
    r->config_size = cpu_to_le32(info->config_size);
    r->max_virtqueues = cpu_to_le32(info->max_virtqueues);
    return sizeof(*r);
}

static size_t put_queue_2025(struct virtio_msg *resp,
                             const VirtIOMSGQueueState *queue)
{
    return put_queue(resp, queue, 0);
}

static uint64_t get_halves(const virtio_msg_le32 halves[2])
{
    return le32_to_cpu(halves[0]) | (uint64_t)le32_to_cpu(halves[1]) << 32;
}

/* The message itself makes the queue active */
static void get_queue_change_2025(const struct virtio_msg *req, size_t payload,
                                  VirtIOMSGQueueChange *change)
{
    const struct virtio_msg_set_vqueue_2025_07 *q = &req->set_vqueue_2025_07;

    memset(change, 0, sizeof(*change));
    change->valid = true;
    change->enable = true;
    if (payload >= sizeof(req->set_vqueue)) {
        get_queue_values(req, change);
        return;
    }
    change->index = le32_to_cpu(q->index);
    change->size = le32_to_cpu(q->size);
    change->desc = get_halves(q->desc);
    change->driver = get_halves(q->driver);
    change->device = get_halves(q->device);
}

static size_t put_shm_2025(struct virtio_msg *resp, const VirtIOMSGShm *shm)
{
    struct virtio_msg_get_shm_resp_2025 *r = &resp->get_shm_resp_2025;

    r->index = cpu_to_le32(shm->shmid);
    /* What has no place in these fields is no region for this driver */
    if (shm->length <= UINT32_MAX && shm->address <= UINT32_MAX) {
        r->length = cpu_to_le32(shm->length);
        r->address = cpu_to_le32(shm->address);
    }
    return sizeof(*r);
}

static void put_devices_2025(struct virtio_msg *resp,
                             const VirtIOMSGDevices *devices)
{
    struct virtio_msg_get_devices_resp_2025 *r = &resp->get_devices_resp_2025;

    r->offset = cpu_to_le16(devices->offset);
    r->count = cpu_to_le16(devices->count);
    r->next_offset = cpu_to_le16(devices->next_offset);
}

const VirtIOMSGWire virtio_msg_wire_2025 = {
    .min_max_msg_size = VIRTIO_MSG_MIN_MAX_SIZE_2025,
    .strict_generation = true,
    .paced = true,
    .devices_align = VIRTIO_MSG_DEVICES_ALIGN_2025,
    .min_set_vqueue = sizeof(struct virtio_msg_set_vqueue_2025_07),
    .put_info = put_info_2025,
    .put_queue = put_queue_2025,
    .get_queue_change = get_queue_change_2025,
    .put_shm = put_shm_2025,
    .put_devices = put_devices_2025,
};
