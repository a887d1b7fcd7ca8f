/*
 * A virtio driver over virtio-msg, for tests and benchmarks
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>
#include "virtio-msg-driver.h"

#define FEATURES_NEEDED                     \
    ((1ULL << VIRTIO_F_VERSION_1) | (1ULL << VIRTIO_F_ACCESS_PLATFORM))

static void check_size(const struct virtio_msg *resp, size_t payload)
{
    g_assert_cmpuint(GUINT16_FROM_LE(resp->msg_size), ==,
                     VIRTIO_MSG_HDR_SIZE + payload);
}

/* D-07 says what tells the two wires apart */
VMsgDevices vmsg_get_devices(VMsgLink *link, uint16_t offset, uint16_t count)
{
    VMsgDevices d = { .offset = offset };
    struct virtio_msg req, resp;
    size_t bytes;

    vmsg_init(&req, VIRTIO_MSG_TYPE_BUS, VIRTIO_MSG_BUS_GET_DEVICES, 0,
              sizeof(req.get_devices));
    req.get_devices.offset = GUINT16_TO_LE(offset);
    req.get_devices.count = GUINT16_TO_LE(count);
    vmsg_request(link, &req, &resp);

    g_assert_cmpuint(GUINT16_FROM_LE(resp.get_devices_resp.offset), ==,
                     offset);
    if (link->wire == VMSG_WIRE_2025) {
        d.count = GUINT16_FROM_LE(resp.get_devices_resp_2025.count);
        d.next = GUINT16_FROM_LE(resp.get_devices_resp_2025.next_offset);
        g_assert_cmpuint(d.count % 8, ==, 0);
        g_assert_cmpuint(d.next % 8, ==, 0);
    } else {
        d.count = GUINT16_FROM_LE(resp.get_devices_resp.count);
        d.next = GUINT16_FROM_LE(resp.get_devices_resp.next_offset);
    }
    bytes = DIV_ROUND_UP(d.count, 8);
    check_size(&resp, 6 + bytes);
    g_assert_cmpuint(d.count, <=, count);
    if (d.next) {
        g_assert_cmpuint(d.next, >, offset);
        g_assert_cmpuint(d.next, >=, offset + d.count);
    }
    memcpy(d.bitmap, resp.get_devices_resp.bitmap, bytes);
    return d;
}

static VMsgInfo get_info_2025(const struct virtio_msg *resp)
{
    const struct virtio_msg_get_device_info_resp_2025 *r =
        &resp->get_device_info_resp_2025;

    check_size(resp, sizeof(*r));
    return (VMsgInfo) {
        .device_id = GUINT32_FROM_LE(r->device_id),
        .vendor_id = GUINT32_FROM_LE(r->vendor_id),
        .num_feature_bits = GUINT32_FROM_LE(r->num_feature_bits),
        .config_size = GUINT32_FROM_LE(r->config_size),
        .max_virtqueues = GUINT32_FROM_LE(r->max_virtqueues),
        .admin_vq_start = GUINT16_FROM_LE(r->admin_vq_start),
        .admin_vq_count = GUINT16_FROM_LE(r->admin_vq_count),
    };
}

static VMsgInfo get_info_2026(const struct virtio_msg *resp)
{
    const struct virtio_msg_get_device_info_resp *r =
        &resp->get_device_info_resp;
    static const uint8_t no_uuid[16];

    check_size(resp, sizeof(*r));
    g_assert_cmpmem(r->uuid, sizeof(r->uuid), no_uuid, sizeof(no_uuid));
    return (VMsgInfo) {
        .device_id = GUINT32_FROM_LE(r->device_id),
        .vendor_id = GUINT32_FROM_LE(r->vendor_id),
        .num_feature_bits = GUINT32_FROM_LE(r->num_feature_blocks) * 32,
        .config_size = GUINT32_FROM_LE(r->config_size),
        .max_virtqueues = GUINT32_FROM_LE(r->max_virtqueues),
        .admin_vq_start = GUINT32_FROM_LE(r->admin_vq_start),
        .admin_vq_count = GUINT32_FROM_LE(r->admin_vq_count),
    };
}

VMsgInfo vmsg_get_info(VMsgLink *link, uint16_t dev)
{
    struct virtio_msg req, resp;

    vmsg_init(&req, 0, VIRTIO_MSG_GET_DEVICE_INFO, dev, 0);
    vmsg_request(link, &req, &resp);
    return link->wire == VMSG_WIRE_2025 ? get_info_2025(&resp)
                                        : get_info_2026(&resp);
}

void vmsg_assert_info(VMsgLink *link, uint16_t dev, const VMsgInfo *want)
{
    VMsgInfo got = vmsg_get_info(link, dev);

    g_assert_cmpmem(&got, sizeof(got), want, sizeof(*want));
}

uint64_t vmsg_get_features(VMsgLink *link, uint16_t dev)
{
    struct virtio_msg req, resp;

    vmsg_init(&req, 0, VIRTIO_MSG_GET_DEVICE_FEATURES, dev,
              sizeof(req.get_features));
    req.get_features.num_blocks = GUINT32_TO_LE(2);
    vmsg_request(link, &req, &resp);
    g_assert_cmpuint(GUINT32_FROM_LE(resp.features.num_blocks), ==, 2);
    return GUINT32_FROM_LE(resp.features.features[0]) |
           (uint64_t)GUINT32_FROM_LE(resp.features.features[1]) << 32;
}

static void set_features(VMsgLink *link, uint16_t dev, uint32_t block,
                         const uint32_t *bits, uint32_t num)
{
    struct virtio_msg req, resp;
    uint32_t i;

    vmsg_init(&req, 0, VIRTIO_MSG_SET_DRIVER_FEATURES, dev,
              offsetof(struct virtio_msg_features, features) + num * 4);
    req.features.block_index = GUINT32_TO_LE(block);
    req.features.num_blocks = GUINT32_TO_LE(num);
    for (i = 0; i < num; i++) {
        req.features.features[i] = GUINT32_TO_LE(bits[i]);
    }
    vmsg_request(link, &req, &resp);
    check_size(&resp, 0);
}

void vmsg_set_features(VMsgLink *link, uint16_t dev, uint64_t features)
{
    uint32_t bits[] = { features, features >> 32 };

    set_features(link, dev, 0, bits, G_N_ELEMENTS(bits));
}

void vmsg_set_feature_block(VMsgLink *link, uint16_t dev, uint32_t block,
                            uint32_t bits)
{
    set_features(link, dev, block, &bits, 1);
}

uint32_t vmsg_get_status(VMsgLink *link, uint16_t dev)
{
    struct virtio_msg req, resp;

    vmsg_init(&req, 0, VIRTIO_MSG_GET_DEVICE_STATUS, dev, 0);
    vmsg_request(link, &req, &resp);
    check_size(&resp, sizeof(resp.status));
    return GUINT32_FROM_LE(resp.status.status);
}

uint32_t vmsg_set_status(VMsgLink *link, uint16_t dev, uint32_t status)
{
    struct virtio_msg req, resp;

    vmsg_init(&req, 0, VIRTIO_MSG_SET_DEVICE_STATUS, dev, sizeof(req.status));
    req.status.status = GUINT32_TO_LE(status);
    vmsg_request(link, &req, &resp);
    check_size(&resp, sizeof(resp.status));
    return GUINT32_FROM_LE(resp.status.status);
}

static uint32_t config_answer(const struct virtio_msg *resp, uint32_t offset,
                              uint32_t *generation)
{
    uint32_t length = GUINT32_FROM_LE(resp->config.length);

    check_size(resp, offsetof(struct virtio_msg_config, data) + length);
    g_assert_cmpuint(GUINT32_FROM_LE(resp->config.offset), ==, offset);
    if (generation) {
        *generation = GUINT32_FROM_LE(resp->config.generation);
    }
    return length;
}

uint32_t vmsg_get_config(VMsgLink *link, uint16_t dev, uint32_t offset,
                         uint32_t length, void *data, uint32_t *generation)
{
    struct virtio_msg req, resp;

    vmsg_init(&req, 0, VIRTIO_MSG_GET_CONFIG, dev, sizeof(req.get_config));
    req.get_config.offset = GUINT32_TO_LE(offset);
    req.get_config.length = GUINT32_TO_LE(length);
    vmsg_request(link, &req, &resp);
    length = config_answer(&resp, offset, generation);
    if (data) {
        memcpy(data, resp.config.data, length);
    }
    return length;
}

uint32_t vmsg_set_config(VMsgLink *link, uint16_t dev, uint32_t offset,
                         uint32_t length, const void *data,
                         uint32_t *generation)
{
    size_t head = offsetof(struct virtio_msg_config, data);
    struct virtio_msg req, resp;

    vmsg_init(&req, 0, VIRTIO_MSG_SET_CONFIG, dev, head + length);
    g_assert_cmpuint(head + length, <=,
                     VIRTIO_MSG_RING_SLOT_SIZE - VIRTIO_MSG_HDR_SIZE);
    req.config.generation = GUINT32_TO_LE(*generation);
    req.config.offset = GUINT32_TO_LE(offset);
    req.config.length = GUINT32_TO_LE(length);
    memcpy(req.config.data, data, length);
    vmsg_request(link, &req, &resp);
    return config_answer(&resp, offset, generation);
}

VMsgQueueState vmsg_get_vqueue(VMsgLink *link, uint16_t dev, uint32_t index)
{
    struct virtio_msg_get_vqueue_resp *r;
    struct virtio_msg req, resp;
    bool enabled;

    vmsg_init(&req, 0, VIRTIO_MSG_GET_VQUEUE, dev, sizeof(req.index));
    req.index.index = GUINT32_TO_LE(index);
    vmsg_request(link, &req, &resp);
    r = &resp.get_vqueue_resp;
    check_size(&resp, sizeof(*r));
    g_assert_cmpuint(GUINT32_FROM_LE(r->index), ==, index);
    if (link->wire == VMSG_WIRE_2025) {
        g_assert_cmphex(r->flags, ==, 0);
        enabled = r->cur_size;
    } else {
        g_assert_cmphex(GUINT32_FROM_LE(r->flags) & ~VIRTIO_MSG_VQ_ENABLED, ==,
                        0);
        enabled = r->flags;
    }
    return (VMsgQueueState) {
        .max_size = GUINT32_FROM_LE(r->max_size),
        .cur_size = GUINT32_FROM_LE(r->cur_size),
        .enabled = enabled,
        .desc = GUINT64_FROM_LE(r->desc),
        .driver = GUINT64_FROM_LE(r->driver),
        .device = GUINT64_FROM_LE(r->device),
    };
}

VMsgQueueState vmsg_ask_vqueue(VMsgLink *link, uint16_t dev, uint32_t index,
                               uint32_t flags, const VMsgQueueState *want)
{
    struct virtio_msg req, resp;

    vmsg_init(&req, 0, VIRTIO_MSG_SET_VQUEUE, dev, sizeof(req.set_vqueue));
    req.set_vqueue.index = GUINT32_TO_LE(index);
    req.set_vqueue.flags = GUINT32_TO_LE(flags);
    req.set_vqueue.size = GUINT32_TO_LE(want->cur_size);
    req.set_vqueue.desc = GUINT64_TO_LE(want->desc);
    req.set_vqueue.driver = GUINT64_TO_LE(want->driver);
    req.set_vqueue.device = GUINT64_TO_LE(want->device);
    vmsg_request(link, &req, &resp);
    check_size(&resp, 0);
    return vmsg_get_vqueue(link, dev, index);
}

uint32_t vmsg_set_vqueue(VMsgLink *link, uint16_t dev, uint32_t index,
                         uint32_t size, uint64_t desc, uint64_t driver,
                         uint64_t device)
{
    const VMsgQueueState want = {
        .cur_size = size, .desc = desc, .driver = driver, .device = device,
    };
    VMsgQueueState state;

    state = vmsg_ask_vqueue(link, dev, index, link->wire == VMSG_WIRE_2025
                            ? 0 : VIRTIO_MSG_VQ_OP_ENABLE, &want);
    g_assert_cmpint(state.enabled, ==, state.cur_size != 0);
    if (state.cur_size) {
        g_assert_cmphex(state.desc, ==, desc);
        g_assert_cmphex(state.driver, ==, driver);
        g_assert_cmphex(state.device, ==, device);
    } else {
        g_assert_cmphex(state.desc | state.driver | state.device, ==, 0);
    }
    return state.cur_size;
}

void vmsg_reset_vqueue(VMsgLink *link, uint16_t dev, uint32_t index)
{
    struct virtio_msg req, resp;

    vmsg_init(&req, 0, VIRTIO_MSG_RESET_VQUEUE, dev, sizeof(req.index));
    req.index.index = GUINT32_TO_LE(index);
    vmsg_request(link, &req, &resp);
    check_size(&resp, 0);
}

void vmsg_negotiate(VMsgLink *link, uint16_t dev, uint64_t features)
{
    uint32_t status = VIRTIO_CONFIG_S_ACKNOWLEDGE;

    g_assert_cmphex(vmsg_set_status(link, dev, 0), ==, 0);
    g_assert_cmphex(vmsg_set_status(link, dev, status), ==, status);
    status |= VIRTIO_CONFIG_S_DRIVER;
    g_assert_cmphex(vmsg_set_status(link, dev, status), ==, status);
    vmsg_set_features(link, dev, features | FEATURES_NEEDED);
    status |= VIRTIO_CONFIG_S_FEATURES_OK;
    g_assert_cmphex(vmsg_set_status(link, dev, status), ==, status);
}

void vmsg_driver_ok(VMsgLink *link, uint16_t dev)
{
    uint32_t status = VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER |
                      VIRTIO_CONFIG_S_FEATURES_OK | VIRTIO_CONFIG_S_DRIVER_OK;

    g_assert_cmphex(vmsg_set_status(link, dev, status), ==, status);
}

void vmsg_notify(VMsgLink *link, uint16_t dev, uint32_t index)
{
    struct virtio_msg msg;

    vmsg_init(&msg, 0, VIRTIO_MSG_EVENT_AVAIL, dev, sizeof(msg.event_avail));
    msg.event_avail.vq_index = GUINT32_TO_LE(index);
    vmsg_send(link, &msg);
}

/*
 * Rings
 */

static struct vring_desc *queue_desc(const VMsgQueue *q, uint16_t i)
{
    return (struct vring_desc *)vmsg_link_ptr(q->link, q->desc) + i;
}

static struct vring_avail *queue_avail(const VMsgQueue *q)
{
    return vmsg_link_ptr(q->link, q->avail);
}

static struct vring_used *queue_used(const VMsgQueue *q)
{
    return vmsg_link_ptr(q->link, q->used);
}

void vmsg_queue_init(VMsgQueue *q, VMsgLink *link, uint16_t dev,
                     uint32_t index, uint16_t size)
{
    *q = (VMsgQueue) {
        .link = link,
        .dev = dev,
        .index = index,
        .size = size,
        .desc = vmsg_link_alloc(link, size * sizeof(struct vring_desc)),
        .avail = vmsg_link_alloc(link, 6 + 2 * size),
        .used = vmsg_link_alloc(link, 6 + 8 * size),
    };
    g_assert_cmpuint(vmsg_set_vqueue(link, dev, index, size, q->desc, q->avail,
                                     q->used), ==, size);
}

uint16_t vmsg_queue_add(VMsgQueue *q, const VMsgBuffer *bufs, unsigned num)
{
    uint16_t head = q->next_desc;
    struct vring_avail *avail = queue_avail(q);
    unsigned i;

    for (i = 0; i < num; i++) {
        struct vring_desc *desc = queue_desc(q, q->next_desc);
        uint16_t flags = bufs[i].device_writes ? VRING_DESC_F_WRITE : 0;

        q->next_desc = (q->next_desc + 1) % q->size;
        desc->addr = GUINT64_TO_LE(bufs[i].addr);
        desc->len = GUINT32_TO_LE(bufs[i].len);
        desc->next = GUINT16_TO_LE(q->next_desc);
        if (i + 1 < num) {
            flags |= VRING_DESC_F_NEXT;
        }
        desc->flags = GUINT16_TO_LE(flags);
    }

    avail->ring[q->next_avail % q->size] = GUINT16_TO_LE(head);
    q->next_avail++;
    __atomic_store_n(&avail->idx, GUINT16_TO_LE(q->next_avail),
                     __ATOMIC_RELEASE);
    return head;
}

void vmsg_queue_kick(VMsgQueue *q)
{
    vmsg_notify(q->link, q->dev, q->index);
}

uint16_t vmsg_queue_used(const VMsgQueue *q)
{
    uint16_t idx = __atomic_load_n(&queue_used(q)->idx, __ATOMIC_ACQUIRE);

    return GUINT16_FROM_LE(idx) - q->next_used;
}

uint32_t vmsg_queue_take(VMsgQueue *q, uint16_t id)
{
    struct vring_used_elem *elem;

    g_assert_cmpuint(vmsg_queue_used(q), >, 0);
    elem = &queue_used(q)->ring[q->next_used++ % q->size];
    g_assert_cmpuint(GUINT32_FROM_LE(elem->id), ==, id);
    return GUINT32_FROM_LE(elem->len);
}

uint32_t vmsg_queue_wait(VMsgQueue *q, uint16_t id)
{
    struct virtio_msg event;

    while (!vmsg_queue_used(q)) {
        vmsg_wait_event(q->link, 0, VIRTIO_MSG_EVENT_USED, q->dev, &event);
    }
    return vmsg_queue_take(q, id);
}

void vmsg_queue_set_flags(VMsgQueue *q, uint16_t flags)
{
    __atomic_store_n(&queue_avail(q)->flags, GUINT16_TO_LE(flags),
                     __ATOMIC_SEQ_CST);
}

void vmsg_queue_set_used_event(VMsgQueue *q, uint16_t index)
{
    __atomic_store_n(&queue_avail(q)->ring[q->size], GUINT16_TO_LE(index),
                     __ATOMIC_SEQ_CST);
}
