/*
 * virtio-msg transport
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/bswap.h"
#include "qemu/error-report.h"
#include "qemu/main-loop.h"
#include "block/aio.h"
#include "exec/memory.h"
#include "hw/hotplug.h"
#include "hw/qdev-properties.h"
#include "hw/virtio/virtio-msg.h"
#include "hw/virtio/virtio-msg-refuse.h"
#include "hw/virtio/virtio-msg-shm.h"
#include "hw/virtio/virtio-msg-text.h"
#include "migration/vmstate.h"
#include "standard-headers/linux/virtio_config.h"
#include "trace.h"

/* The vendor that virtio devices without one of their own carry */
#define VIRTIO_MSG_VENDOR_ID    0x1af4

#define FEATURE_BLOCK_BITS      32
#define FEATURE_BLOCKS          2

/* The driver is another machine: these are not a matter of taste */
#define FEATURES_ALWAYS                         \
    (BIT_ULL(VIRTIO_F_VERSION_1) |              \
     BIT_ULL(VIRTIO_F_ACCESS_PLATFORM) |        \
     BIT_ULL(VIRTIO_F_ORDER_PLATFORM))

/* A driver that does not take these cannot reach its own memory */
#define FEATURES_REQUIRED                       \
    (BIT_ULL(VIRTIO_F_VERSION_1) |              \
     BIT_ULL(VIRTIO_F_ACCESS_PLATFORM))

#define VRING_DESC_ALIGN        16
#define VRING_DRIVER_ALIGN      2       /* split */
#define VRING_EVENT_ALIGN       4       /* packed */
#define VRING_DEVICE_ALIGN      4

/*
 * Requests that a queue can have handled before others get their turn.  More
 * than a device handles before it gives way by itself, so that those that do
 * are not held up twice: virtio-net sends bursts of 256.
 */
#define QUEUE_CREDIT            512

/*
 * How virtio_notify() and virtio_notify_config() are told apart: an active
 * queue has its own number for a vector, the configuration this one.
 */
#define CONFIG_VECTOR           VIRTIO_QUEUE_MAX

static VirtIOMSGSlot *virtio_msg_slot(VirtIOMSG *s, unsigned dev_num)
{
    return dev_num < s->slots->len ? g_ptr_array_index(s->slots, dev_num)
                                   : NULL;
}

static const char *virtio_msg_name(VirtIOMSG *s)
{
    return virtio_msg_bus_name(s->link);
}

static bool virtio_msg_is_bus(const struct virtio_msg *msg)
{
    return msg->type & VIRTIO_MSG_TYPE_BUS;
}

/*
 * Sending
 */

static void virtio_msg_set_payload(struct virtio_msg *msg, size_t payload)
{
    msg->msg_size = cpu_to_le16(VIRTIO_MSG_HDR_SIZE + payload);
}

static void virtio_msg_init(struct virtio_msg *msg, uint8_t type, uint8_t id,
                            uint16_t dev_num, size_t payload)
{
    memset(msg, 0, sizeof(*msg));
    msg->type = type;
    msg->msg_id = id;
    msg->dev_num = cpu_to_le16(dev_num);
    virtio_msg_set_payload(msg, payload);
}

static bool virtio_msg_send(VirtIOMSG *s, const struct virtio_msg *msg)
{
    if (!virtio_msg_bus_send(s->link, msg)) {
        return false;
    }
    s->sent[virtio_msg_is_bus(msg)][msg->msg_id]++;
    if (trace_event_get_state_backends(TRACE_VIRTIO_MSG_SEND)) {
        g_autofree char *text = virtio_msg_to_text(s->wire, msg);

        trace_virtio_msg_send(virtio_msg_name(s), msg->type, msg->msg_id,
                              le16_to_cpu(msg->dev_num),
                              le16_to_cpu(msg->token),
                              le16_to_cpu(msg->msg_size), text);
    }
    return true;
}

/* Start a response to @req.  It is complete if there is nothing to be in it. */
static void virtio_msg_response_init(struct virtio_msg *resp,
                                     const struct virtio_msg *req)
{
    virtio_msg_init(resp,
                    VIRTIO_MSG_TYPE_RESPONSE |
                    (req->type & VIRTIO_MSG_TYPE_BUS),
                    req->msg_id, 0, 0);
    if (!(req->type & VIRTIO_MSG_TYPE_BUS)) {
        resp->dev_num = req->dev_num;
    }
    resp->token = req->token;
}

/*
 * One response can wait, and no further request is taken until it has left,
 * so there is never more than one (B-04).
 */
static void virtio_msg_respond(VirtIOMSG *s, const struct virtio_msg *resp)
{
    assert(!s->response_waits);

    if (!virtio_msg_send(s, resp)) {
        s->response = *resp;
        s->response_waits = true;
    }
}

static void virtio_msg_slot_mark_dirty(VirtIOMSGSlot *slot)
{
    VirtIOMSG *s = slot->transport;

    if (!slot->dirty) {
        slot->dirty = true;
        QTAILQ_INSERT_TAIL(&s->dirty, slot, next);
    }
    virtio_msg_bus_schedule(s->link);
}

static void virtio_msg_slot_mark_news(VirtIOMSGSlot *slot)
{
    VirtIOMSG *s = slot->transport;

    if (!slot->news) {
        slot->news = true;
        QTAILQ_INSERT_TAIL(&s->news, slot, next_news);
    }
    virtio_msg_bus_schedule(s->link);
}

static bool virtio_msg_send_event_device(VirtIOMSGSlot *slot, bool removed)
{
    uint16_t state = removed ? VIRTIO_MSG_DEVICE_REMOVED
                             : VIRTIO_MSG_DEVICE_ADDED;
    struct virtio_msg msg;

    virtio_msg_init(&msg, VIRTIO_MSG_TYPE_BUS, VIRTIO_MSG_BUS_EVENT_DEVICE, 0,
                    sizeof(msg.event_device));
    msg.event_device.device_number = cpu_to_le16(slot->dev_num);
    msg.event_device.state = cpu_to_le16(state);
    return virtio_msg_send(slot->transport, &msg);
}

static void virtio_msg_slot_update_config(VirtIOMSGSlot *slot);

/* Without the data: a driver that is interested fetches it untorn */
static bool virtio_msg_send_event_config(VirtIOMSGSlot *slot)
{
    struct virtio_msg msg;

    virtio_msg_slot_update_config(slot);

    virtio_msg_init(&msg, 0, VIRTIO_MSG_EVENT_CONFIG, slot->dev_num,
                    offsetof(struct virtio_msg_event_config, data));
    msg.event_config.status = cpu_to_le32(slot->vdev->status);
    msg.event_config.generation = cpu_to_le32(slot->generation);
    return virtio_msg_send(slot->transport, &msg);
}

static bool virtio_msg_send_event_used(VirtIOMSGSlot *slot, unsigned n)
{
    struct virtio_msg msg;

    virtio_msg_init(&msg, 0, VIRTIO_MSG_EVENT_USED, slot->dev_num,
                    sizeof(msg.index));
    msg.index.index = cpu_to_le32(n);
    return virtio_msg_send(slot->transport, &msg);
}

/* Returns false if the queue is full; what is left stays marked */
static bool virtio_msg_slot_flush(VirtIOMSGSlot *slot)
{
    unsigned n;

    if (slot->event_used) {
        for (n = find_first_bit(slot->used, VIRTIO_QUEUE_MAX);
             n < VIRTIO_QUEUE_MAX;
             n = find_next_bit(slot->used, VIRTIO_QUEUE_MAX, n + 1)) {
            if (!virtio_msg_send_event_used(slot, n)) {
                return false;
            }
            clear_bit(n, slot->used);
        }
        slot->event_used = false;
    }
    if (slot->event_config) {
        if (!virtio_msg_send_event_config(slot)) {
            return false;
        }
        slot->event_config = false;
    }
    return true;
}

/* Returns false if the queue is full; what is left stays on the list */
static bool virtio_msg_flush_news(VirtIOMSG *s)
{
    VirtIOMSGSlot *slot;

    while ((slot = QTAILQ_FIRST(&s->news))) {
        bool removed = slot->event_removed;
        bool *event = removed ? &slot->event_removed : &slot->event_added;

        if (!*event) {
            QTAILQ_REMOVE(&s->news, slot, next_news);
            slot->news = false;
            continue;
        }
        if (!virtio_msg_pace_event(&s->pace)) {
            return true;
        }
        if (!virtio_msg_send_event_device(slot, removed)) {
            return false;
        }
        virtio_msg_pace_sent(&s->pace);
        *event = false;
    }
    return true;
}

static void virtio_msg_flush(void *opaque)
{
    VirtIOMSG *s = opaque;
    VirtIOMSGSlot *slot;

    if (s->response_waits) {
        if (!virtio_msg_send(s, &s->response)) {
            return;
        }
        s->response_waits = false;
    }
    if (!virtio_msg_liveness_flush(&s->liveness) || !virtio_msg_flush_news(s)) {
        return;
    }

    while ((slot = QTAILQ_FIRST(&s->dirty))) {
        QTAILQ_REMOVE(&s->dirty, slot, next);
        if (!virtio_msg_slot_flush(slot)) {
            /* To the end: a busy device does not starve the others */
            QTAILQ_INSERT_TAIL(&s->dirty, slot, next);
            return;
        }
        slot->dirty = false;
    }
}

/*
 * The device behind a slot
 */

static uint64_t virtio_msg_slot_features(VirtIOMSGSlot *slot)
{
    VirtioDeviceClass *vdc = VIRTIO_DEVICE_GET_CLASS(slot->vdev);
    uint64_t features = slot->vdev->host_features & ~vdc->legacy_features;

    /* Queues are told apart by EVENT_AVAIL; its offset is of no use to us */
    features &= ~BIT_ULL(VIRTIO_F_NOTIFICATION_DATA);

    /* Only a device that takes part can quiesce one queue alone (T-14) */
    if (!vdc->queue_reset) {
        features &= ~BIT_ULL(VIRTIO_F_RING_RESET);
    }
    return features;
}

/*
 * Fetch the configuration, and count a new generation if it is not what the
 * driver has last been told.  The device need not have announced the change:
 * before DRIVER_OK none does (T-11).
 */
static void virtio_msg_slot_update_config(VirtIOMSGSlot *slot)
{
    VirtIODevice *vdev = slot->vdev;

    if (!vdev->config_len) {
        return;
    }
    virtio_bus_get_vdev_config(&slot->bus, vdev->config);
    if (memcmp(slot->config, vdev->config, vdev->config_len)) {
        memcpy(slot->config, vdev->config, vdev->config_len);
        slot->generation++;
    }
}

/* The device changes its status by itself, too */
static void virtio_msg_slot_trace_status(VirtIOMSGSlot *slot)
{
    uint8_t status = slot->vdev ? slot->vdev->status : 0;

    if (unlikely(status != slot->traced_status)) {
        trace_virtio_msg_status(virtio_msg_name(slot->transport),
                                slot->dev_num, slot->traced_status, status);
        slot->traced_status = status;
    }
}

static void virtio_msg_slot_forget_queues(VirtIOMSGSlot *slot)
{
    if (slot->queues) {
        memset(slot->queues, 0, slot->num_queues * sizeof(*slot->queues));
    }
}

static void virtio_msg_slot_reset(VirtIOMSGSlot *slot)
{
    virtio_msg_slot_forget_queues(slot);
    slot->driver_features = 0;
    slot->unknown_features = false;
    if (slot->vdev) {
        virtio_bus_reset(&slot->bus);
        slot->vdev->config_vector = CONFIG_VECTOR;
    }
    virtio_msg_slot_trace_status(slot);
    /* Last: the reset itself may have completed requests (T-08) */
    slot->event_used = false;
    slot->event_config = false;
    bitmap_zero(slot->used, VIRTIO_QUEUE_MAX);
    bitmap_zero(slot->deferred, VIRTIO_QUEUE_MAX);
    bitmap_zero(slot->kicked, VIRTIO_QUEUE_MAX);
}

static bool virtio_msg_slot_features_ok(VirtIOMSGSlot *slot)
{
    uint64_t offered = virtio_msg_slot_features(slot);

    return !slot->unknown_features &&
           !(slot->driver_features & ~offered) &&
           (slot->driver_features & FEATURES_REQUIRED) == FEATURES_REQUIRED &&
           virtio_set_features(slot->vdev, slot->driver_features) == 0;
}

static bool virtio_msg_slot_has_queue(VirtIOMSGSlot *slot, uint32_t n)
{
    return n < slot->num_queues && virtio_queue_get_num(slot->vdev, n);
}

static bool virtio_msg_slot_queue_active(VirtIOMSGSlot *slot, uint32_t n)
{
    return virtio_msg_slot_has_queue(slot, n) &&
           virtio_queue_get_desc_addr(slot->vdev, n);
}

static void virtio_msg_slot_notify(DeviceState *d, uint16_t vector)
{
    VirtIOMSGSlot *slot = VIRTIO_MSG_SLOT(d);

    if (!slot->vdev) {
        return;
    }

    if (vector < VIRTIO_QUEUE_MAX) {
        set_bit(vector, slot->used);
        slot->event_used = true;
    } else if (vector == CONFIG_VECTOR) {
        virtio_msg_slot_trace_status(slot);
        slot->event_config = true;
    } else {
        /* A queue that has been reset meanwhile */
        return;
    }
    virtio_msg_slot_mark_dirty(slot);
}

/* T-22: from ACKNOWLEDGE on there is a driver that may have read it */
static void virtio_msg_slot_config_changed(DeviceState *d)
{
    VirtIOMSGSlot *slot = VIRTIO_MSG_SLOT(d);

    if (slot->vdev && slot->vdev->status & VIRTIO_CONFIG_S_ACKNOWLEDGE) {
        virtio_msg_slot_notify(d, CONFIG_VECTOR);
    }
}

/*
 * Driving the queues
 */

/*
 * A stopped machine takes no requests.  Unlike a vCPU the driver does not stop
 * with it, so that what it kicks meanwhile has to be remembered.
 */
static void virtio_msg_slot_run_queue(VirtIOMSGSlot *slot, unsigned n)
{
    if (!slot->vdev->vm_running) {
        set_bit(n, slot->deferred);
        return;
    }
    set_bit(n, slot->kicked);
    virtio_queue_set_credit(slot->vdev, n, QUEUE_CREDIT);
    virtio_queue_notify(slot->vdev, n);
}

static void virtio_msg_slot_queue_turn_over(DeviceState *d, int n)
{
    VirtIOMSGSlot *slot = VIRTIO_MSG_SLOT(d);

    slot->transport->deferrals++;
    set_bit(n, slot->deferred);
    qemu_bh_schedule(slot->deferred_bh);
}

static void virtio_msg_slot_vmstate_change(DeviceState *d, bool running)
{
    VirtIOMSGSlot *slot = VIRTIO_MSG_SLOT(d);

    if (!running) {
        return;
    }
    /* A bottom half that found the machine stopped may have dropped a kick */
    bitmap_or(slot->deferred, slot->deferred, slot->kicked, VIRTIO_QUEUE_MAX);
    /* Not at once: others are still to hear that the machine runs */
    if (!bitmap_empty(slot->deferred, VIRTIO_QUEUE_MAX)) {
        qemu_bh_schedule(slot->deferred_bh);
    }
}

static void virtio_msg_slot_run_deferred(void *opaque)
{
    VirtIOMSGSlot *slot = opaque;
    DECLARE_BITMAP(queues, VIRTIO_QUEUE_MAX);
    unsigned n;

    /* Those that use up their credit again wait for the next turn */
    bitmap_copy(queues, slot->deferred, VIRTIO_QUEUE_MAX);
    bitmap_zero(slot->deferred, VIRTIO_QUEUE_MAX);
    for (n = find_first_bit(queues, VIRTIO_QUEUE_MAX); n < VIRTIO_QUEUE_MAX;
         n = find_next_bit(queues, VIRTIO_QUEUE_MAX, n + 1)) {
        if (slot->vdev && virtio_msg_slot_queue_active(slot, n)) {
            virtio_msg_slot_run_queue(slot, n);
        }
    }
}

/*
 * Receiving: transport messages
 *
 * Each handler gets a request that holds at least the bytes that its id needs,
 * and returns false if the rest of it does not add up.
 */

static void virtio_msg_drop(VirtIOMSG *s, const struct virtio_msg *msg,
                            uint64_t *counter, const char *reason)
{
    (*counter)++;
    trace_virtio_msg_drop(virtio_msg_name(s), msg->type, msg->msg_id,
                          le16_to_cpu(msg->dev_num), reason);
}

static bool virtio_msg_get_device_info(VirtIOMSGSlot *slot,
                                       const struct virtio_msg *req,
                                       size_t payload, struct virtio_msg *resp)
{
    VirtIOMSGInfo info = {
        .device_id = slot->vdev->device_id,
        .vendor_id = VIRTIO_MSG_VENDOR_ID,
        .num_feature_blocks = FEATURE_BLOCKS,
        .config_size = slot->vdev->config_len,
        .max_virtqueues = slot->num_queues,
    };

    virtio_msg_response_init(resp, req);
    virtio_msg_set_payload(resp, slot->transport->wire->put_info(resp, &info));
    return true;
}

static bool virtio_msg_get_device_features(VirtIOMSGSlot *slot,
                                           const struct virtio_msg *req,
                                           size_t payload,
                                           struct virtio_msg *resp)
{
    uint64_t features = virtio_msg_slot_features(slot);
    size_t head = offsetof(struct virtio_msg_features, features);
    uint32_t index = le32_to_cpu(req->get_features.block_index);
    uint32_t num = le32_to_cpu(req->get_features.num_blocks);
    uint32_t room, i;

    room = (virtio_msg_bus_max_msg_size(slot->transport->link) -
            VIRTIO_MSG_HDR_SIZE - head) / sizeof(resp->features.features[0]);
    num = MIN(num, room);

    virtio_msg_response_init(resp, req);
    virtio_msg_set_payload(resp, head +
                           num * sizeof(resp->features.features[0]));
    resp->features.block_index = cpu_to_le32(index);
    resp->features.num_blocks = cpu_to_le32(num);
    for (i = 0; i < num && index < FEATURE_BLOCKS; i++, index++) {
        resp->features.features[i] =
            cpu_to_le32(features >> (index * FEATURE_BLOCK_BITS));
    }
    return true;
}

static bool virtio_msg_set_driver_features(VirtIOMSGSlot *slot,
                                           const struct virtio_msg *req,
                                           size_t payload,
                                           struct virtio_msg *resp)
{
    size_t head = offsetof(struct virtio_msg_features, features);
    uint32_t index = le32_to_cpu(req->features.block_index);
    uint32_t num = le32_to_cpu(req->features.num_blocks);
    uint32_t i;

    if (num > (payload - head) / sizeof(req->features.features[0])) {
        return false;
    }

    virtio_msg_response_init(resp, req);
    if (slot->vdev->status & VIRTIO_CONFIG_S_FEATURES_OK) {
        return true;
    }
    for (i = 0; i < num; i++) {
        uint64_t block = (uint64_t)index + i;
        uint32_t bits = le32_to_cpu(req->features.features[i]);

        if (block < FEATURE_BLOCKS) {
            slot->driver_features =
                deposit64(slot->driver_features, block * FEATURE_BLOCK_BITS,
                          FEATURE_BLOCK_BITS, bits);
        } else if (bits) {
            slot->unknown_features = true;
        }
    }
    return true;
}

/*
 * A partial answer could tear a field, so a window that does not fit into the
 * configuration, or with its answer into a message, is refused as a whole.
 */
static bool virtio_msg_config_window_ok(VirtIOMSGSlot *slot, uint32_t offset,
                                        uint32_t length)
{
    size_t head = offsetof(struct virtio_msg_config, data);
    size_t room = virtio_msg_bus_max_msg_size(slot->transport->link) -
                  VIRTIO_MSG_HDR_SIZE - head;

    return length <= room && offset <= slot->vdev->config_len &&
           length <= slot->vdev->config_len - offset;
}

static void virtio_msg_config_response(VirtIOMSGSlot *slot,
                                       const struct virtio_msg *req,
                                       uint32_t offset, uint32_t length,
                                       struct virtio_msg *resp)
{
    virtio_msg_response_init(resp, req);
    virtio_msg_set_payload(resp, offsetof(struct virtio_msg_config, data) +
                           length);
    resp->config.generation = cpu_to_le32(slot->generation);
    resp->config.offset = cpu_to_le32(offset);
    resp->config.length = cpu_to_le32(length);
    if (length) {
        memcpy(resp->config.data, slot->config + offset, length);
    }
}

static bool virtio_msg_get_config(VirtIOMSGSlot *slot,
                                  const struct virtio_msg *req,
                                  size_t payload, struct virtio_msg *resp)
{
    uint32_t offset = le32_to_cpu(req->get_config.offset);
    uint32_t length = le32_to_cpu(req->get_config.length);

    virtio_msg_slot_update_config(slot);
    if (!virtio_msg_config_window_ok(slot, offset, length)) {
        length = 0;
    }
    virtio_msg_config_response(slot, req, offset, length, resp);
    return true;
}

static bool virtio_msg_set_config(VirtIOMSGSlot *slot,
                                  const struct virtio_msg *req,
                                  size_t payload, struct virtio_msg *resp)
{
    VirtIODevice *vdev = slot->vdev;
    uint32_t generation = le32_to_cpu(req->config.generation);
    uint32_t offset = le32_to_cpu(req->config.offset);
    uint32_t length = le32_to_cpu(req->config.length);
    bool news = slot->event_config;

    if (length > payload - offsetof(struct virtio_msg_config, data)) {
        return false;
    }

    virtio_msg_slot_update_config(slot);
    if ((slot->transport->strict_generation &&
         generation != slot->generation) ||
        !virtio_msg_config_window_ok(slot, offset, length)) {
        length = 0;
    }
    if (length) {
        memcpy(vdev->config + offset, req->config.data, length);
        virtio_bus_set_vdev_config(&slot->bus, vdev->config);
        /*
         * What the driver wrote is no news to it, even if the device tells
         * (T-22).  What else there is of it now has a generation of its own.
         */
        slot->event_config = news;
        memcpy(slot->config + offset, req->config.data, length);
        virtio_msg_slot_update_config(slot);
    }
    virtio_msg_config_response(slot, req, offset, length, resp);
    /* As it came, whatever the device made of it (T-10) */
    memcpy(resp->config.data, req->config.data, length);
    return true;
}

static bool virtio_msg_get_device_status(VirtIOMSGSlot *slot,
                                         const struct virtio_msg *req,
                                         size_t payload,
                                         struct virtio_msg *resp)
{
    virtio_msg_response_init(resp, req);
    virtio_msg_set_payload(resp, sizeof(resp->status));
    resp->status.status = cpu_to_le32(slot->vdev->status);
    return true;
}

static bool virtio_msg_set_device_status(VirtIOMSGSlot *slot,
                                         const struct virtio_msg *req,
                                         size_t payload,
                                         struct virtio_msg *resp)
{
    VirtIODevice *vdev = slot->vdev;
    uint32_t asked = le32_to_cpu(req->status.status);
    uint8_t status;

    if (asked == 0) {
        virtio_msg_slot_reset(slot);
        return virtio_msg_get_device_status(slot, req, payload, resp);
    }

    /* Only a reset clears a bit, and NEEDS_RESET is the device's to set */
    status = vdev->status | (asked & ~VIRTIO_CONFIG_S_NEEDS_RESET);
    if ((status & ~vdev->status & VIRTIO_CONFIG_S_FEATURES_OK) &&
        !virtio_msg_slot_features_ok(slot)) {
        status &= ~VIRTIO_CONFIG_S_FEATURES_OK;
    }
    if (!(status & VIRTIO_CONFIG_S_FEATURES_OK)) {
        status &= ~VIRTIO_CONFIG_S_DRIVER_OK;
    }
    if (status != vdev->status) {
        if (virtio_set_status(vdev, status) < 0) {
            /* The device itself does not like the features after all */
            status &= ~(VIRTIO_CONFIG_S_FEATURES_OK |
                        VIRTIO_CONFIG_S_DRIVER_OK);
            virtio_set_status(vdev, status);
        }
        virtio_msg_slot_trace_status(slot);
    }
    return virtio_msg_get_device_status(slot, req, payload, resp);
}

/* What the queue is now, all of it or as far as it was told so far (T-12) */
static void virtio_msg_slot_get_queue(VirtIOMSGSlot *slot, uint32_t n,
                                      VirtIOMSGQueueState *queue)
{
    VirtIODevice *vdev = slot->vdev;

    if (virtio_msg_slot_queue_active(slot, n)) {
        queue->size = virtio_queue_get_num(vdev, n);
        queue->enabled = true;
        queue->desc = virtio_queue_get_desc_addr(vdev, n);
        queue->driver = virtio_queue_get_avail_addr(vdev, n);
        queue->device = virtio_queue_get_used_addr(vdev, n);
    } else if (virtio_msg_slot_has_queue(slot, n)) {
        *queue = slot->queues[n];
    } else {
        memset(queue, 0, sizeof(*queue));
    }
    queue->index = n;
    queue->max_size = virtio_msg_slot_has_queue(slot, n)
                      ? virtio_queue_get_max_num(vdev, n) : 0;
}

static bool virtio_msg_get_vqueue(VirtIOMSGSlot *slot,
                                  const struct virtio_msg *req,
                                  size_t payload, struct virtio_msg *resp)
{
    VirtIOMSGQueueState queue;

    virtio_msg_slot_get_queue(slot, le32_to_cpu(req->index.index), &queue);
    virtio_msg_response_init(resp, req);
    virtio_msg_set_payload(resp,
                           slot->transport->wire->put_queue(resp, &queue));
    return true;
}

/* One that has no address yet cannot be in the wrong place */
static bool virtio_msg_area_ok(AddressSpace *as, hwaddr addr, hwaddr len,
                               hwaddr align, bool is_write)
{
    return !addr ||
           (QEMU_IS_ALIGNED(addr, align) &&
            addr + len > addr &&
            address_space_access_valid(as, addr, len, is_write,
                                       MEMTXATTRS_UNSPECIFIED));
}

/*
 * Whether the queue, which is not active, could be like that as far as it is
 * set up.  The device core knows how large the areas are, if it has the size.
 */
static bool virtio_msg_slot_queue_ok(VirtIOMSGSlot *slot,
                                     const VirtIOMSGQueueState *queue)
{
    VirtIODevice *vdev = slot->vdev;
    bool packed = virtio_vdev_has_feature(vdev, VIRTIO_F_RING_PACKED);
    AddressSpace *as = vdev->dma_as;
    uint32_t n = queue->index;
    bool ok;

    if (queue->size > queue->max_size ||
        (!packed && queue->size && !is_power_of_2(queue->size))) {
        return false;
    }

    virtio_queue_set_num(vdev, n, queue->size ? queue->size : 1);
    ok = virtio_msg_area_ok(as, queue->desc,
                            virtio_queue_get_desc_size(vdev, n),
                            VRING_DESC_ALIGN, false) &&
         virtio_msg_area_ok(as, queue->driver,
                            virtio_queue_get_avail_size(vdev, n),
                            packed ? VRING_EVENT_ALIGN : VRING_DRIVER_ALIGN,
                            false) &&
         virtio_msg_area_ok(as, queue->device,
                            virtio_queue_get_used_size(vdev, n),
                            VRING_DEVICE_ALIGN, true);
    virtio_queue_set_num(vdev, n, queue->max_size);
    return ok;
}

static void virtio_msg_slot_enable_queue(VirtIOMSGSlot *slot,
                                         const VirtIOMSGQueueState *queue)
{
    VirtIODevice *vdev = slot->vdev;
    uint32_t n = queue->index;

    virtio_queue_set_num(vdev, n, queue->size);
    virtio_queue_set_vector(vdev, n, n);
    virtio_queue_set_credit(vdev, n, QUEUE_CREDIT);
    virtio_queue_set_rings(vdev, n, queue->desc, queue->driver, queue->device);
    if (vdev->status & VIRTIO_CONFIG_S_DRIVER_OK) {
        /* Back after RESET_VQUEUE */
        virtio_queue_enable(vdev, n);
    }
}

/* An area or size that is given has to be one */
static bool virtio_msg_queue_change_ok(const VirtIOMSGQueueChange *change)
{
    return change->valid &&
           (change->keep_size || change->size) &&
           (change->keep_desc || change->desc) &&
           (change->keep_driver || change->driver) &&
           (change->keep_device || change->device);
}

/* All that is asked, or nothing: then this returns false (T-13) */
static bool virtio_msg_slot_change_queue(VirtIOMSGSlot *slot,
                                         const VirtIOMSGQueueChange *change)
{
    VirtIOMSGQueueState old, queue;

    virtio_msg_slot_get_queue(slot, change->index, &old);
    /* Before FEATURES_OK nobody knows which layout the rings will have */
    if (!old.max_size || !virtio_msg_queue_change_ok(change) ||
        !(slot->vdev->status & VIRTIO_CONFIG_S_FEATURES_OK)) {
        return false;
    }

    queue = old;
    queue.size = change->keep_size ? old.size : change->size;
    queue.desc = change->keep_desc ? old.desc : change->desc;
    queue.driver = change->keep_driver ? old.driver : change->driver;
    queue.device = change->keep_device ? old.device : change->device;
    queue.enabled = change->enable || (old.enabled && !change->disable);

    if (old.enabled) {
        /* Rings cannot move under a device that uses them */
        return queue.enabled && queue.size == old.size &&
               queue.desc == old.desc && queue.driver == old.driver &&
               queue.device == old.device;
    }
    if (!virtio_msg_slot_queue_ok(slot, &queue)) {
        return false;
    }
    if (!queue.enabled) {
        slot->queues[queue.index] = queue;
        return true;
    }
    if (!queue.size || !queue.desc || !queue.driver || !queue.device) {
        return false;
    }
    memset(&slot->queues[queue.index], 0, sizeof(*slot->queues));
    virtio_msg_slot_enable_queue(slot, &queue);
    return true;
}

static bool virtio_msg_set_vqueue(VirtIOMSGSlot *slot,
                                  const struct virtio_msg *req,
                                  size_t payload, struct virtio_msg *resp)
{
    const VirtIOMSGWire *wire = slot->transport->wire;
    VirtIOMSGQueueChange change;

    if (payload < wire->min_set_vqueue) {
        return false;
    }
    wire->get_queue_change(req, payload, &change);
    if (virtio_msg_slot_change_queue(slot, &change)) {
        trace_virtio_msg_vqueue_set(virtio_msg_name(slot->transport),
                                    slot->dev_num, change.index, change.size);
    } else {
        trace_virtio_msg_vqueue_refused(virtio_msg_name(slot->transport),
                                        slot->dev_num, change.index,
                                        change.size);
    }
    virtio_msg_response_init(resp, req);
    return true;
}

static bool virtio_msg_reset_vqueue(VirtIOMSGSlot *slot,
                                    const struct virtio_msg *req,
                                    size_t payload, struct virtio_msg *resp)
{
    uint32_t n = le32_to_cpu(req->index.index);

    if (virtio_vdev_has_feature(slot->vdev, VIRTIO_F_RING_RESET) &&
        virtio_msg_slot_has_queue(slot, n)) {
        trace_virtio_msg_vqueue_reset(virtio_msg_name(slot->transport),
                                      slot->dev_num, n);
        if (virtio_msg_slot_queue_active(slot, n)) {
            virtio_queue_reset(slot->vdev, n);
        }
        memset(&slot->queues[n], 0, sizeof(*slot->queues));
        clear_bit(n, slot->kicked);
        clear_bit(n, slot->deferred);
        clear_bit(n, slot->used);
    }
    virtio_msg_response_init(resp, req);
    return true;
}

/* T-18 */
static void virtio_msg_slot_get_shm(VirtIOMSGSlot *slot, VirtIOMSGShm *shm)
{
    Object *obj = OBJECT(slot->vdev);

    if (object_dynamic_cast(obj, TYPE_VIRTIO_MSG_SHM)) {
        VIRTIO_MSG_SHM_GET_CLASS(obj)->get_shm(obj, shm->shmid, &shm->address,
                                               &shm->length);
    }
}

static bool virtio_msg_get_shm(VirtIOMSGSlot *slot,
                               const struct virtio_msg *req,
                               size_t payload, struct virtio_msg *resp)
{
    VirtIOMSGShm shm = { .shmid = le32_to_cpu(req->index.index) };

    virtio_msg_slot_get_shm(slot, &shm);
    virtio_msg_response_init(resp, req);
    virtio_msg_set_payload(resp, slot->transport->wire->put_shm(resp, &shm));
    return true;
}

static bool virtio_msg_event_avail(VirtIOMSGSlot *slot,
                                   const struct virtio_msg *req,
                                   size_t payload, struct virtio_msg *resp)
{
    VirtIOMSG *s = slot->transport;
    uint32_t n = le32_to_cpu(req->event_avail.vq_index);
    uint32_t first = n == VIRTIO_MSG_ALL_VQUEUES ? 0 : n;
    uint32_t last = n == VIRTIO_MSG_ALL_VQUEUES ? VIRTIO_QUEUE_MAX - 1 : n;
    bool any = false;

    if (slot->vdev->status & VIRTIO_CONFIG_S_DRIVER_OK) {
        for (n = first; n <= last; n++) {
            if (virtio_msg_slot_queue_active(slot, n)) {
                any = true;
                /* One that had its turn gets the next one anyway */
                if (!test_bit(n, slot->deferred)) {
                    virtio_msg_slot_run_queue(slot, n);
                }
            } else if (!virtio_msg_slot_has_queue(slot, n)) {
                break;
            }
        }
    }
    if (!any) {
        virtio_msg_drop(s, req, &s->drop_ignored, "queue is not running");
    }
    return true;
}

typedef struct VirtIOMSGHandler {
    bool (*handle)(VirtIOMSGSlot *slot, const struct virtio_msg *req,
                   size_t payload, struct virtio_msg *resp);
    uint16_t min_payload;
} VirtIOMSGHandler;

static const VirtIOMSGHandler virtio_msg_handlers[] = {
    [VIRTIO_MSG_GET_DEVICE_INFO] = { virtio_msg_get_device_info, 0 },
    [VIRTIO_MSG_GET_DEVICE_FEATURES] = {
        virtio_msg_get_device_features, sizeof(struct virtio_msg_get_features)
    },
    [VIRTIO_MSG_SET_DRIVER_FEATURES] = {
        virtio_msg_set_driver_features,
        offsetof(struct virtio_msg_features, features)
    },
    [VIRTIO_MSG_GET_CONFIG] = {
        virtio_msg_get_config, sizeof(struct virtio_msg_get_config)
    },
    [VIRTIO_MSG_SET_CONFIG] = {
        virtio_msg_set_config, offsetof(struct virtio_msg_config, data)
    },
    [VIRTIO_MSG_GET_DEVICE_STATUS] = { virtio_msg_get_device_status, 0 },
    [VIRTIO_MSG_SET_DEVICE_STATUS] = {
        virtio_msg_set_device_status, sizeof(struct virtio_msg_status)
    },
    [VIRTIO_MSG_GET_VQUEUE] = {
        virtio_msg_get_vqueue, sizeof(struct virtio_msg_index)
    },
    [VIRTIO_MSG_SET_VQUEUE] = {
        /* The rest is for the wire to say */
        virtio_msg_set_vqueue, sizeof(struct virtio_msg_index)
    },
    [VIRTIO_MSG_RESET_VQUEUE] = {
        virtio_msg_reset_vqueue, sizeof(struct virtio_msg_index)
    },
    [VIRTIO_MSG_GET_SHM] = {
        virtio_msg_get_shm, sizeof(struct virtio_msg_index)
    },
    [VIRTIO_MSG_EVENT_AVAIL] = {
        virtio_msg_event_avail, sizeof(struct virtio_msg_event_avail)
    },
};

static void virtio_msg_receive_transport(VirtIOMSG *s,
                                         const struct virtio_msg *msg,
                                         size_t payload)
{
    static const VirtIOMSGInfo absent;
    const VirtIOMSGHandler *handler = NULL;
    VirtIOMSGSlot *slot;
    struct virtio_msg resp;
    bool was_broken;

    if (msg->msg_id < ARRAY_SIZE(virtio_msg_handlers)) {
        handler = &virtio_msg_handlers[msg->msg_id];
    }
    if (!handler || !handler->handle) {
        virtio_msg_drop(s, msg, &s->drop_unknown, "unknown id");
        return;
    }
    if (payload < handler->min_payload) {
        virtio_msg_drop(s, msg, &s->drop_malformed, "too short");
        return;
    }

    slot = virtio_msg_slot(s, le16_to_cpu(msg->dev_num));
    if (!slot || !slot->vdev) {
        if (msg->msg_id == VIRTIO_MSG_GET_DEVICE_INFO) {
            /* Drivers probe with this one: device id 0 */
            virtio_msg_response_init(&resp, msg);
            virtio_msg_set_payload(&resp, s->wire->put_info(&resp, &absent));
            virtio_msg_respond(s, &resp);
        } else {
            virtio_msg_drop(s, msg, &s->drop_no_device, "no such device");
        }
        return;
    }

    was_broken = slot->vdev->broken;
    if (!handler->handle(slot, msg, payload, &resp)) {
        virtio_msg_drop(s, msg, &s->drop_malformed, "contents do not fit");
        return;
    }
    if (!was_broken && slot->vdev->broken) {
        /*
         * Before FEATURES_OK the device does not know that its driver is a
         * modern one, and before DRIVER_OK it does not tell (T-16).
         */
        slot->vdev->status |= VIRTIO_CONFIG_S_NEEDS_RESET;
        virtio_msg_slot_notify(DEVICE(slot), CONFIG_VECTOR);
    }
    if (!(msg->msg_id & VIRTIO_MSG_ID_EVENT)) {
        virtio_msg_respond(s, &resp);
    }
}

/*
 * Receiving: bus messages
 */

/* The first number from @from on that has a device, or the end of all */
static uint32_t virtio_msg_next_device(VirtIOMSG *s, uint32_t from)
{
    for (; from < s->slots->len; from++) {
        if (virtio_msg_slot(s, from)->vdev) {
            return from;
        }
    }
    return VIRTIO_MSG_MAX_DEVICES;
}

/* Returns false if the wire has no such window */
static bool virtio_msg_bus_get_devices(VirtIOMSG *s,
                                       const struct virtio_msg *req)
{
    size_t head = offsetof(struct virtio_msg_get_devices_resp, bitmap);
    size_t room = virtio_msg_bus_max_msg_size(s->link) - VIRTIO_MSG_HDR_SIZE -
                  head;
    uint32_t align = s->wire->devices_align;
    uint32_t offset = le16_to_cpu(req->get_devices.offset);
    uint32_t count = le16_to_cpu(req->get_devices.count);
    VirtIOMSGDevices devices = { .offset = offset };
    struct virtio_msg resp;
    bool any = false;
    uint32_t n, end;

    if (offset % align) {
        return false;
    }
    count = MIN(ROUND_DOWN(count, align), room * BITS_PER_BYTE);
    devices.count = count;
    /* A window can reach beyond the last number that there is */
    end = MIN(offset + count, VIRTIO_MSG_MAX_DEVICES);

    virtio_msg_response_init(&resp, req);
    virtio_msg_set_payload(&resp, head + DIV_ROUND_UP(count, BITS_PER_BYTE));
    for (n = virtio_msg_next_device(s, offset); n < end;
         n = virtio_msg_next_device(s, n + 1)) {
        resp.get_devices_resp.bitmap[(n - offset) / BITS_PER_BYTE] |=
            1 << ((n - offset) % BITS_PER_BYTE);
        any = true;
    }
    /* Straight to the window that has the next device, if there is one */
    n = virtio_msg_next_device(s, MAX(n, offset + MAX(count, align)));
    devices.next_offset = n < VIRTIO_MSG_MAX_DEVICES ? ROUND_DOWN(n, align) : 0;
    s->wire->put_devices(&resp, &devices);
    if (any || devices.next_offset) {
        virtio_msg_pace_list(&s->pace);
    }
    virtio_msg_respond(s, &resp);
    return true;
}

static void virtio_msg_bus_ping(VirtIOMSG *s, const struct virtio_msg *req)
{
    struct virtio_msg resp;

    virtio_msg_response_init(&resp, req);
    virtio_msg_set_payload(&resp, sizeof(resp.ping));
    resp.ping = req->ping;
    virtio_msg_respond(s, &resp);
}

static void virtio_msg_receive_bus(VirtIOMSG *s, const struct virtio_msg *msg,
                                   size_t payload)
{
    switch (msg->msg_id) {
    case VIRTIO_MSG_BUS_GET_DEVICES:
        if (payload >= sizeof(msg->get_devices)) {
            if (!virtio_msg_bus_get_devices(s, msg)) {
                virtio_msg_drop(s, msg, &s->drop_malformed, "no such window");
            }
            return;
        }
        break;
    case VIRTIO_MSG_BUS_PING:
        if (payload >= sizeof(msg->ping)) {
            virtio_msg_bus_ping(s, msg);
            return;
        }
        break;
    default:
        virtio_msg_drop(s, msg, &s->drop_unknown, "unknown bus id");
        return;
    }
    virtio_msg_drop(s, msg, &s->drop_malformed, "too short");
}

static void virtio_msg_receive(void *opaque, const struct virtio_msg *msg,
                               size_t arrived)
{
    VirtIOMSG *s = opaque;
    size_t size = le16_to_cpu(msg->msg_size);

    s->received[virtio_msg_is_bus(msg)][msg->msg_id]++;
    virtio_msg_pace_heard(&s->pace, !(msg->type & VIRTIO_MSG_TYPE_RESPONSE) &&
                                    !(msg->msg_id & VIRTIO_MSG_ID_EVENT));
    if (trace_event_get_state_backends(TRACE_VIRTIO_MSG_RECEIVE)) {
        g_autofree char *text = virtio_msg_to_text(s->wire, msg);

        trace_virtio_msg_receive(virtio_msg_name(s), msg->type, msg->msg_id,
                                 le16_to_cpu(msg->dev_num),
                                 le16_to_cpu(msg->token), size, text);
    }

    if (size < VIRTIO_MSG_HDR_SIZE || size > arrived ||
        size > virtio_msg_bus_max_msg_size(s->link)) {
        virtio_msg_drop(s, msg, &s->drop_malformed, "bad msg_size");
    } else if (msg->type & VIRTIO_MSG_TYPE_RESPONSE) {
        if (!virtio_msg_liveness_answer(&s->liveness, msg)) {
            virtio_msg_drop(s, msg, &s->drop_unknown, "response to nothing");
        }
    } else if (virtio_msg_is_bus(msg)) {
        virtio_msg_receive_bus(s, msg, size - VIRTIO_MSG_HDR_SIZE);
    } else {
        virtio_msg_receive_transport(s, msg, size - VIRTIO_MSG_HDR_SIZE);
    }
}

static void virtio_msg_slot_announce(VirtIOMSGSlot *slot)
{
    slot->event_added = true;
    virtio_msg_slot_mark_news(slot);
}

static void virtio_msg_link_changed(void *opaque, bool up)
{
    VirtIOMSG *s = opaque;
    VirtIOMSGSlot *slot;
    unsigned i;

    if (up) {
        trace_virtio_msg_up(virtio_msg_name(s),
                            VirtioMsgWire_str(s->link->conf->wire),
                            virtio_msg_bus_max_msg_size(s->link));
    }
    s->response_waits = false;
    virtio_msg_pace_restart(&s->pace);
    virtio_msg_liveness_set_up(&s->liveness, up);
    if (up && s->wire->paced) {
        /* All that a driver side that waits for us can be told so far */
        virtio_msg_liveness_ask(&s->liveness);
    }
    for (i = 0; i < s->slots->len; i++) {
        slot = virtio_msg_slot(s, i);
        if (!up) {
            /* Nobody is left to own the buffers that the device holds */
            virtio_msg_slot_reset(slot);
            slot->event_removed = false;
            slot->event_added = false;
        } else if (slot->vdev) {
            virtio_msg_slot_announce(slot);
        }
    }
}

/* Behind the driver's back: to it this is another device now */
static void virtio_msg_slot_take_back(VirtIOMSGSlot *slot)
{
    bool in_use = slot->vdev && slot->vdev->status;

    virtio_msg_slot_reset(slot);
    if (in_use) {
        slot->event_removed = true;
        virtio_msg_slot_announce(slot);
    }
}

static void virtio_msg_peer_gone(void *opaque)
{
    VirtIOMSG *s = opaque;
    unsigned i;

    virtio_msg_pace_restart(&s->pace);
    for (i = 0; i < s->slots->len; i++) {
        virtio_msg_slot_take_back(virtio_msg_slot(s, i));
    }
}

uint64_t virtio_msg_total(uint64_t counts[2][VIRTIO_MSG_NUM_IDS])
{
    uint64_t total = 0;
    int id;

    for (id = 0; id < VIRTIO_MSG_NUM_IDS; id++) {
        total += counts[0][id] + counts[1][id];
    }
    return total;
}

/*
 * Whether the peer is still there
 */

static VirtIOMSGPingResult virtio_msg_send_ping(void *opaque,
                                                const struct virtio_msg *ping)
{
    VirtIOMSG *s = opaque;

    if (!virtio_msg_pace_ping(&s->pace)) {
        return VIRTIO_MSG_PING_LATER;
    }
    if (!virtio_msg_send(s, ping)) {
        return VIRTIO_MSG_PING_NO_ROOM;
    }
    virtio_msg_pace_sent(&s->pace);
    return VIRTIO_MSG_PING_SENT;
}

static uint64_t virtio_msg_heard(void *opaque)
{
    VirtIOMSG *s = opaque;

    return virtio_msg_total(s->received) + s->link->stat_rung;
}

static bool virtio_msg_in_use(void *opaque)
{
    VirtIOMSG *s = opaque;
    unsigned i;

    for (i = 0; i < s->slots->len; i++) {
        VirtIODevice *vdev = virtio_msg_slot(s, i)->vdev;

        if (vdev && (vdev->status & VIRTIO_CONFIG_S_DRIVER_OK)) {
            return true;
        }
    }
    return false;
}

/* B-03: what the peer used is taken back, if that was asked for */
static void virtio_msg_peer_silent(void *opaque)
{
    VirtIOMSG *s = opaque;

    if (s->link->conf->silent_reset) {
        virtio_msg_peer_gone(s);
    }
}

static const VirtIOMSGLivenessOps virtio_msg_liveness_ops = {
    .ping = virtio_msg_send_ping,
    .heard = virtio_msg_heard,
    .in_use = virtio_msg_in_use,
    .silent = virtio_msg_peer_silent,
};

static const VirtIOMSGBusPort virtio_msg_port = {
    .receive = virtio_msg_receive,
    .flush = virtio_msg_flush,
    .link_changed = virtio_msg_link_changed,
    .peer_gone = virtio_msg_peer_gone,
};

/*
 * Slots
 */

/* QOM looks through all children of an object to find the name of one */
#define SLOTS_IN_CONTAINER  256

static Object *virtio_msg_slot_container(VirtIOMSG *s, unsigned dev_num)
{
    g_autofree char *name = g_strdup_printf("slots[%u]",
                                            dev_num / SLOTS_IN_CONTAINER);

    return object_resolve_path_component(OBJECT(s), name) ?:
           object_property_add_new_container(OBJECT(s), name);
}

static bool virtio_msg_add_slot(VirtIOMSG *s, Error **errp)
{
    VirtIOMSGSlot *slot = VIRTIO_MSG_SLOT(qdev_new(TYPE_VIRTIO_MSG_SLOT));
    g_autofree char *child = NULL;
    g_autofree char *name = NULL;

    slot->transport = s;
    slot->dev_num = s->slots->len;

    child = g_strdup_printf("slot[%u]", slot->dev_num);
    object_property_add_child(virtio_msg_slot_container(s, slot->dev_num),
                              child, OBJECT(slot));

    name = g_strdup_printf("%s.%u", virtio_msg_name(s), slot->dev_num);
    qbus_init(&slot->bus, sizeof(slot->bus), TYPE_VIRTIO_MSG_VIRTIO_BUS,
              DEVICE(slot), name);
    qbus_set_bus_hotplug_handler(BUS(&slot->bus));

    if (!qdev_realize_and_unref(DEVICE(slot), &s->slot_bus, errp)) {
        object_unparent(OBJECT(slot));
        return false;
    }
    g_ptr_array_add(s->slots, slot);
    return true;
}

/*
 * The slot that is free for the longest time, of those the lowest, or NULL:
 * there may be late messages for the device that another one had (B-08).
 */
static VirtIOMSGSlot *virtio_msg_free_slot(VirtIOMSG *s)
{
    VirtIOMSGSlot *slot, *best = NULL;
    unsigned i;

    for (i = 0; i < s->slots->len; i++) {
        slot = virtio_msg_slot(s, i);
        /* A device can be on the bus without being realized */
        if (!BUS(&slot->bus)->num_children &&
            (!best || slot->left < best->left)) {
            best = slot;
        }
        if (best && !best->left) {
            break;
        }
    }
    return best;
}

/* There is always a free slot, so that bus= can name it */
static bool virtio_msg_ensure_free_slot(VirtIOMSG *s, Error **errp)
{
    return virtio_msg_free_slot(s) ||
           s->slots->len == VIRTIO_MSG_MAX_DEVICES ||
           virtio_msg_add_slot(s, errp);
}

/* A device for any slot moves on to one that is free */
static void virtio_msg_any_bus_pre_plug(HotplugHandler *handler,
                                        DeviceState *dev, Error **errp)
{
    VirtIOMSG *s = VIRTIO_MSG(BUS(handler)->parent);
    VirtIOMSGSlot *slot = virtio_msg_free_slot(s);

    if (virtio_msg_refuse_type(dev, errp)) {
        return;
    }
    if (!slot) {
        error_setg(errp, "all %d device numbers of %s are taken",
                   VIRTIO_MSG_MAX_DEVICES, virtio_msg_name(s));
        return;
    }
    qdev_set_parent_bus(dev, BUS(&slot->bus), errp);
}

static void virtio_msg_slot_pre_plug(HotplugHandler *handler, DeviceState *dev,
                                     Error **errp)
{
    virtio_msg_refuse_type(dev, errp);
}

static void virtio_msg_slot_pre_plugged(DeviceState *d, Error **errp)
{
    VirtIOMSGSlot *slot = VIRTIO_MSG_SLOT(d);
    VirtIODevice *vdev = virtio_bus_get_device(&slot->bus);

    if (!DEVICE(slot)->realized || !DEVICE(slot->transport)->realized ||
        !virtio_msg_bus_device(slot->transport->link)->realized) {
        error_setg(errp, "%s has been shut down and takes no devices",
                   virtio_msg_name(slot->transport));
        return;
    }
    if (virtio_msg_refuse_backend(vdev, errp)) {
        return;
    }
    if (!virtio_host_has_feature(vdev, VIRTIO_F_ACCESS_PLATFORM)) {
        error_setg(errp, "a device on virtio-msg needs iommu_platform=on: its "
                   "driver's addresses are those of another machine");
    }
}

static void virtio_msg_slot_forget_device(VirtIOMSGSlot *slot)
{
    slot->vdev = NULL;
    slot->num_queues = 0;
    slot->config_size = 0;
    g_clear_pointer(&slot->config, g_free);
    g_clear_pointer(&slot->queues, g_free);
}

static void virtio_msg_slot_device_plugged(DeviceState *d, Error **errp)
{
    VirtIOMSGSlot *slot = VIRTIO_MSG_SLOT(d);
    VirtIODevice *vdev = virtio_bus_get_device(&slot->bus);
    AddressSpace *as;

    /* Some devices take the feature back when they learn their backend */
    if (!virtio_host_has_feature(vdev, VIRTIO_F_ACCESS_PLATFORM)) {
        error_setg(errp, "a device that cannot do iommu_platform=on cannot "
                   "stand on virtio-msg");
        return;
    }
    vdev->host_features |= FEATURES_ALWAYS;

    /* A window that needs copies ends somewhere, and they do not */
    as = virtio_msg_bus_get_dma_as(slot->transport->link);
    vdev->check_dma = as->max_bounce_buffer_size != 0;
    vdev->config_vector = CONFIG_VECTOR;
    slot->num_queues = virtio_get_num_queues(vdev);
    slot->queues = g_new0(VirtIOMSGQueueState, slot->num_queues);
    slot->config_size = vdev->config_len;
    slot->config = g_malloc0(slot->config_size);
    slot->vdev = vdev;

    if (!virtio_msg_ensure_free_slot(slot->transport, errp)) {
        virtio_msg_slot_forget_device(slot);
        return;
    }
    trace_virtio_msg_plugged(virtio_msg_name(slot->transport), slot->dev_num,
                             vdev->name);
    virtio_msg_slot_announce(slot);
}

/*
 * The device is reset while all of it is still there, so that nothing that the
 * driver gave outlives it.  Once it is unrealized, a reset could find parts of
 * it gone, say the disks of a SCSI controller.
 */
static void virtio_msg_slot_unplug(HotplugHandler *handler, DeviceState *dev,
                                   Error **errp)
{
    virtio_msg_slot_reset(VIRTIO_MSG_SLOT(BUS(handler)->parent));
    qdev_simple_device_unplug_cb(handler, dev, errp);
}

static void virtio_msg_slot_device_unplugged(DeviceState *d)
{
    VirtIOMSGSlot *slot = VIRTIO_MSG_SLOT(d);

    trace_virtio_msg_unplugged(virtio_msg_name(slot->transport),
                               slot->dev_num);
    slot->left = ++slot->transport->departures;
    virtio_msg_slot_forget_device(slot);
    virtio_msg_slot_reset(slot);

    /* Also if ADDED never left: a driver may have enumerated it meanwhile */
    slot->event_added = false;
    slot->event_removed = true;
    virtio_msg_slot_mark_news(slot);
}

static AddressSpace *virtio_msg_slot_get_dma_as(DeviceState *d)
{
    return virtio_msg_bus_get_dma_as(VIRTIO_MSG_SLOT(d)->transport->link);
}

static bool virtio_msg_slot_iommu_enabled(DeviceState *d)
{
    return true;
}

static bool virtio_msg_slot_queue_enabled(DeviceState *d, int n)
{
    VirtIOMSGSlot *slot = VIRTIO_MSG_SLOT(d);

    return slot->vdev && virtio_msg_slot_queue_active(slot, n);
}

/* The device brings its queues along, but not how they are told apart */
static int virtio_msg_slot_load_queue(DeviceState *d, int n, QEMUFile *f)
{
    VirtIOMSGSlot *slot = VIRTIO_MSG_SLOT(d);

    if (virtio_msg_slot_queue_active(slot, n)) {
        virtio_queue_set_vector(slot->vdev, n, n);
    }
    return 0;
}

static void virtio_msg_slot_reset_hold(Object *obj, ResetType type)
{
    virtio_msg_slot_take_back(VIRTIO_MSG_SLOT(obj));
}

static void virtio_msg_slot_realize(DeviceState *dev, Error **errp)
{
    /* Slots come with their transport and are of no use without */
    if (!VIRTIO_MSG_SLOT(dev)->transport) {
        error_setg(errp, "a slot belongs to a virtio-msg transport");
        return;
    }
    /* Where messages are handled: not run by a device that waits, either */
    VIRTIO_MSG_SLOT(dev)->deferred_bh =
        aio_bh_new(iohandler_get_aio_context(), virtio_msg_slot_run_deferred,
                   dev);
}

static void virtio_msg_slot_unrealize(DeviceState *dev)
{
    qemu_bh_delete(VIRTIO_MSG_SLOT(dev)->deferred_bh);
}

static int virtio_msg_slot_pre_save(void *opaque)
{
    VirtIOMSGSlot *slot = opaque;
    DECLARE_BITMAP(kicked, VIRTIO_QUEUE_MAX);

    bitmap_or(kicked, slot->kicked, slot->deferred, VIRTIO_QUEUE_MAX);
    bitmap_to_le(slot->moved.kicked, kicked, VIRTIO_QUEUE_MAX);
    bitmap_to_le(slot->moved.used, slot->used, VIRTIO_QUEUE_MAX);
    return 0;
}

/* What has yet to be said and done is so where the machine goes on */
static int virtio_msg_slot_post_load(void *opaque, int version_id)
{
    VirtIOMSGSlot *slot = opaque;

    bitmap_from_le(slot->kicked, slot->moved.kicked, VIRTIO_QUEUE_MAX);
    bitmap_from_le(slot->used, slot->moved.used, VIRTIO_QUEUE_MAX);
    if (slot->event_used || slot->event_config) {
        virtio_msg_slot_mark_dirty(slot);
    }
    if (slot->event_removed || slot->event_added) {
        virtio_msg_slot_mark_news(slot);
    }
    return 0;
}

static const VMStateDescription vmstate_virtio_msg_queue = {
    .name = "virtio-msg-slot/queue",
    .version_id = 1,
    .minimum_version_id = 1,
    .fields = (const VMStateField[]) {
        VMSTATE_UINT32(size, VirtIOMSGQueueState),
        VMSTATE_UINT64(desc, VirtIOMSGQueueState),
        VMSTATE_UINT64(driver, VirtIOMSGQueueState),
        VMSTATE_UINT64(device, VirtIOMSGQueueState),
        VMSTATE_END_OF_LIST()
    }
};

/*
 * For links that move with their peer; the others refuse to.  It goes with the
 * device: a link may have thousands of slots that are empty.
 */
static const VMStateDescription vmstate_virtio_msg_slot = {
    .name = TYPE_VIRTIO_MSG_SLOT,
    .version_id = 1,
    .minimum_version_id = 1,
    .pre_save = virtio_msg_slot_pre_save,
    .post_load = virtio_msg_slot_post_load,
    .fields = (const VMStateField[]) {
        VMSTATE_UINT16_EQUAL(num_queues, VirtIOMSGSlot,
                             "the device in this slot is another one"),
        VMSTATE_STRUCT_VARRAY_POINTER_UINT16(queues, VirtIOMSGSlot, num_queues,
                                             vmstate_virtio_msg_queue,
                                             VirtIOMSGQueueState),
        VMSTATE_UINT64(driver_features, VirtIOMSGSlot),
        VMSTATE_BOOL(unknown_features, VirtIOMSGSlot),
        VMSTATE_UINT32(generation, VirtIOMSGSlot),
        VMSTATE_UINT32_EQUAL(config_size, VirtIOMSGSlot,
                             "the device in this slot is another one"),
        VMSTATE_VBUFFER_UINT32(config, VirtIOMSGSlot, 1, NULL, config_size),
        VMSTATE_BUFFER_UNSAFE(moved.kicked, VirtIOMSGSlot, 1,
                              VIRTIO_QUEUE_MAX / BITS_PER_BYTE),
        VMSTATE_BUFFER_UNSAFE(moved.used, VirtIOMSGSlot, 1,
                              VIRTIO_QUEUE_MAX / BITS_PER_BYTE),
        VMSTATE_BOOL(event_used, VirtIOMSGSlot),
        VMSTATE_BOOL(event_config, VirtIOMSGSlot),
        VMSTATE_BOOL(event_removed, VirtIOMSGSlot),
        VMSTATE_BOOL(event_added, VirtIOMSGSlot),
        VMSTATE_END_OF_LIST()
    }
};

static bool virtio_msg_slot_has_extra_state(DeviceState *d)
{
    return true;
}

static void virtio_msg_slot_save_extra_state(DeviceState *d, QEMUFile *f)
{
    vmstate_save_state(f, &vmstate_virtio_msg_slot, VIRTIO_MSG_SLOT(d), NULL);
}

static int virtio_msg_slot_load_extra_state(DeviceState *d, QEMUFile *f)
{
    return vmstate_load_state(f, &vmstate_virtio_msg_slot, VIRTIO_MSG_SLOT(d),
                              vmstate_virtio_msg_slot.version_id);
}

static void virtio_msg_slot_class_init(ObjectClass *oc, void *data)
{
    DeviceClass *dc = DEVICE_CLASS(oc);
    ResettableClass *rc = RESETTABLE_CLASS(oc);

    dc->realize = virtio_msg_slot_realize;
    dc->unrealize = virtio_msg_slot_unrealize;
    dc->bus_type = TYPE_VIRTIO_MSG_SLOT_BUS;
    dc->desc = "one device number of a virtio-msg transport";
    dc->user_creatable = false;
    rc->phases.hold = virtio_msg_slot_reset_hold;
}

/* Unlike the link's name this says which device it is, for names of RAM, say */
static char *virtio_msg_slot_bus_get_dev_path(DeviceState *dev)
{
    return g_strdup(BUS(&VIRTIO_MSG_SLOT(dev)->bus)->name);
}

static void virtio_msg_slot_bus_class_init(ObjectClass *oc, void *data)
{
    BUS_CLASS(oc)->get_dev_path = virtio_msg_slot_bus_get_dev_path;
}

static void virtio_msg_any_bus_class_init(ObjectClass *oc, void *data)
{
    HOTPLUG_HANDLER_CLASS(oc)->pre_plug = virtio_msg_any_bus_pre_plug;
}

static void virtio_msg_virtio_bus_class_init(ObjectClass *oc, void *data)
{
    BusClass *bc = BUS_CLASS(oc);
    VirtioBusClass *vbc = VIRTIO_BUS_CLASS(oc);
    HotplugHandlerClass *hc = HOTPLUG_HANDLER_CLASS(oc);

    bc->max_dev = 1;
    hc->pre_plug = virtio_msg_slot_pre_plug;
    hc->unplug = virtio_msg_slot_unplug;
    vbc->notify = virtio_msg_slot_notify;
    vbc->config_changed = virtio_msg_slot_config_changed;
    vbc->pre_plugged = virtio_msg_slot_pre_plugged;
    vbc->device_plugged = virtio_msg_slot_device_plugged;
    vbc->device_unplugged = virtio_msg_slot_device_unplugged;
    vbc->queue_enabled = virtio_msg_slot_queue_enabled;
    vbc->queue_turn_over = virtio_msg_slot_queue_turn_over;
    vbc->vmstate_change = virtio_msg_slot_vmstate_change;
    vbc->get_dma_as = virtio_msg_slot_get_dma_as;
    vbc->iommu_enabled = virtio_msg_slot_iommu_enabled;
    vbc->load_queue = virtio_msg_slot_load_queue;
    vbc->has_extra_state = virtio_msg_slot_has_extra_state;
    vbc->save_extra_state = virtio_msg_slot_save_extra_state;
    vbc->load_extra_state = virtio_msg_slot_load_extra_state;
}

/*
 * The transport
 */

static void virtio_msg_pace_over(void *opaque)
{
    VirtIOMSG *s = opaque;

    virtio_msg_bus_schedule(s->link);
}

static const VirtIOMSGWire *const virtio_msg_wires[] = {
    [VIRTIO_MSG_WIRE_2025] = &virtio_msg_wire_2025,
    [VIRTIO_MSG_WIRE_2026] = &virtio_msg_wire_2026,
};

static bool virtio_msg_choose_wire(VirtIOMSG *s, Error **errp)
{
    const char *name = VirtioMsgWire_str(s->link->conf->wire);
    uint16_t max = virtio_msg_bus_max_msg_size(s->link);

    s->wire = virtio_msg_wires[s->link->conf->wire];
    if (!virtio_msg_wire_fits(s->wire, max)) {
        error_setg(errp, "wire=%s needs messages of %u bytes, and %s carries "
                   "no more than %u", name, s->wire->min_max_msg_size,
                   virtio_msg_name(s), max);
        return false;
    }
    if (s->link->conf->strict_generation && s->wire->strict_generation) {
        error_setg(errp, "strict-generation=on is for wire=2026; with wire=%s "
                   "it is always so", name);
        return false;
    }
    s->strict_generation = s->link->conf->strict_generation ||
                           s->wire->strict_generation;
    return true;
}

static void virtio_msg_realize(DeviceState *dev, Error **errp)
{
    VirtIOMSG *s = VIRTIO_MSG(dev);
    g_autofree char *name = NULL;
    g_autofree char *any = NULL;

    if (dev->num_child_bus) {
        error_setg(errp, "a virtio-msg transport cannot be realized again");
        return;
    }
    s->link = VIRTIO_MSG_BUS(qdev_get_parent_bus(dev));
    if (!virtio_msg_choose_wire(s, errp)) {
        return;
    }
    QTAILQ_INIT(&s->dirty);
    QTAILQ_INIT(&s->news);
    s->slots = g_ptr_array_new();

    name = g_strdup_printf("%s.slots", virtio_msg_name(s));
    qbus_init(&s->slot_bus, sizeof(s->slot_bus), TYPE_VIRTIO_MSG_SLOT_BUS, dev,
              name);
    while (s->slots->len < s->link->conf->slots) {
        if (!virtio_msg_add_slot(s, errp)) {
            return;
        }
    }
    any = g_strdup_printf("%s.any", virtio_msg_name(s));
    qbus_init(&s->any_bus, sizeof(s->any_bus), TYPE_VIRTIO_MSG_ANY_BUS, dev,
              any);
    qbus_set_bus_hotplug_handler(BUS(&s->any_bus));
    virtio_msg_pace_init(&s->pace, s->wire->paced, virtio_msg_pace_over, s);
    virtio_msg_liveness_init(&s->liveness, s->link, &virtio_msg_liveness_ops, s,
                             s->link->conf->ping_interval);
    virtio_msg_bus_connect(s->link, &virtio_msg_port, s);
}

static void virtio_msg_unrealize(DeviceState *dev)
{
    VirtIOMSG *s = VIRTIO_MSG(dev);

    virtio_msg_bus_connect(s->link, NULL, NULL);
    virtio_msg_liveness_cleanup(&s->liveness);
    virtio_msg_pace_cleanup(&s->pace);
}

static void virtio_msg_finalize(Object *obj)
{
    VirtIOMSG *s = VIRTIO_MSG(obj);

    if (s->slots) {
        g_ptr_array_free(s->slots, true);
    }
}

/* Devices that have gone take nothing along, but what is to be said of them */
static int virtio_msg_pre_save(void *opaque)
{
    VirtIOMSG *s = opaque;
    unsigned i;

    g_clear_pointer(&s->gone, g_free);
    s->num_gone = 0;
    s->gone = g_new(uint16_t, s->slots->len);
    for (i = 0; i < s->slots->len; i++) {
        VirtIOMSGSlot *slot = virtio_msg_slot(s, i);

        if (!slot->vdev && slot->event_removed) {
            s->gone[s->num_gone++] = i;
        }
    }
    return 0;
}

static int virtio_msg_post_save(void *opaque)
{
    g_clear_pointer(&VIRTIO_MSG(opaque)->gone, g_free);
    return 0;
}

static int virtio_msg_post_load(void *opaque, int version_id)
{
    VirtIOMSG *s = opaque;
    VirtIOMSGSlot *slot;
    unsigned i;

    for (i = 0; i < s->num_gone; i++) {
        while (s->slots->len <= s->gone[i]) {
            if (!virtio_msg_add_slot(s, NULL)) {
                return -EINVAL;
            }
        }
        slot = virtio_msg_slot(s, s->gone[i]);
        slot->event_removed = true;
        virtio_msg_slot_mark_news(slot);
    }
    return virtio_msg_post_save(opaque);
}

static const VMStateDescription vmstate_virtio_msg = {
    .name = TYPE_VIRTIO_MSG,
    .version_id = 1,
    .minimum_version_id = 1,
    .pre_save = virtio_msg_pre_save,
    .post_save = virtio_msg_post_save,
    .post_load = virtio_msg_post_load,
    .fields = (const VMStateField[]) {
        VMSTATE_UINT32(num_gone, VirtIOMSG),
        VMSTATE_VARRAY_UINT32_ALLOC(gone, VirtIOMSG, num_gone, 1,
                                    vmstate_info_uint16, uint16_t),
        VMSTATE_BOOL(response_waits, VirtIOMSG),
        VMSTATE_BUFFER_UNSAFE(response, VirtIOMSG, 1,
                              sizeof(struct virtio_msg)),
        VMSTATE_END_OF_LIST()
    }
};

static void virtio_msg_class_init(ObjectClass *oc, void *data)
{
    DeviceClass *dc = DEVICE_CLASS(oc);

    dc->realize = virtio_msg_realize;
    dc->unrealize = virtio_msg_unrealize;
    dc->bus_type = TYPE_VIRTIO_MSG_BUS;
    dc->desc = "virtio-msg transport";
    dc->vmsd = &vmstate_virtio_msg;
    /* Each link makes its own */
    dc->user_creatable = false;
}

static const TypeInfo virtio_msg_types[] = {
    {
        .name = TYPE_VIRTIO_MSG_SHM,
        .parent = TYPE_INTERFACE,
        .class_size = sizeof(VirtIOMSGShmClass),
    }, {
        .name = TYPE_VIRTIO_MSG_SLOT_BUS,
        .parent = TYPE_BUS,
        .instance_size = sizeof(BusState),
        .class_init = virtio_msg_slot_bus_class_init,
    }, {
        .name = TYPE_VIRTIO_MSG_ANY_BUS,
        .parent = TYPE_VIRTIO_BUS,
        .instance_size = sizeof(VirtioBusState),
        .class_init = virtio_msg_any_bus_class_init,
        .interfaces = (InterfaceInfo[]) {
            { TYPE_HOTPLUG_HANDLER },
            { }
        },
    }, {
        .name = TYPE_VIRTIO_MSG_VIRTIO_BUS,
        .parent = TYPE_VIRTIO_BUS,
        .instance_size = sizeof(VirtioBusState),
        .class_init = virtio_msg_virtio_bus_class_init,
        .interfaces = (InterfaceInfo[]) {
            { TYPE_HOTPLUG_HANDLER },
            { }
        },
    }, {
        .name = TYPE_VIRTIO_MSG_SLOT,
        .parent = TYPE_DEVICE,
        .instance_size = sizeof(VirtIOMSGSlot),
        .class_init = virtio_msg_slot_class_init,
    }, {
        .name = TYPE_VIRTIO_MSG,
        .parent = TYPE_DEVICE,
        .instance_size = sizeof(VirtIOMSG),
        .instance_finalize = virtio_msg_finalize,
        .class_init = virtio_msg_class_init,
    }
};

DEFINE_TYPES(virtio_msg_types)
