/*
 * QMP commands related to virtio-msg
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qapi/qapi-commands-virtio-msg.h"
#include "hw/qdev-core.h"
#include "hw/virtio/virtio.h"
#include "hw/virtio/virtio-msg.h"
#include "hw/virtio/virtio-msg-bus.h"
#include "hw/virtio/virtio-msg-text.h"
#include "standard-headers/linux/virtio_config.h"

static VirtioMsgDeviceStatusList *device_status(uint8_t status)
{
    static const uint8_t bits[] = {
        [VIRTIO_MSG_DEVICE_STATUS_ACKNOWLEDGE] = VIRTIO_CONFIG_S_ACKNOWLEDGE,
        [VIRTIO_MSG_DEVICE_STATUS_DRIVER] = VIRTIO_CONFIG_S_DRIVER,
        [VIRTIO_MSG_DEVICE_STATUS_DRIVER_OK] = VIRTIO_CONFIG_S_DRIVER_OK,
        [VIRTIO_MSG_DEVICE_STATUS_FEATURES_OK] = VIRTIO_CONFIG_S_FEATURES_OK,
        [VIRTIO_MSG_DEVICE_STATUS_NEEDS_RESET] = VIRTIO_CONFIG_S_NEEDS_RESET,
        [VIRTIO_MSG_DEVICE_STATUS_FAILED] = VIRTIO_CONFIG_S_FAILED,
    };
    VirtioMsgDeviceStatusList *list = NULL, **tail = &list;
    VirtioMsgDeviceStatus i;

    for (i = 0; i < VIRTIO_MSG_DEVICE_STATUS__MAX; i++) {
        if (status & bits[i]) {
            QAPI_LIST_APPEND(tail, i);
        }
    }
    return list;
}

static VirtioMsgVirtqueueList *device_virtqueues(VirtIODevice *vdev)
{
    VirtioMsgVirtqueueList *list = NULL, **tail = &list;
    VirtioMsgVirtqueue *q;
    int n;

    for (n = 0; n < VIRTIO_QUEUE_MAX && virtio_queue_get_num(vdev, n); n++) {
        q = g_new0(VirtioMsgVirtqueue, 1);
        q->index = n;
        q->max_size = virtio_queue_get_max_num(vdev, n);
        q->size = virtio_queue_get_desc_addr(vdev, n)
                  ? virtio_queue_get_num(vdev, n) : 0;
        QAPI_LIST_APPEND(tail, q);
    }
    return list;
}

static VirtioMsgDeviceInfo *device_info(VirtIOMSGSlot *slot)
{
    VirtioMsgDeviceInfo *info = g_new0(VirtioMsgDeviceInfo, 1);

    info->number = slot->dev_num;
    info->device_id = slot->vdev->device_id;
    info->name = g_strdup(slot->vdev->name);
    info->qom_path = object_get_canonical_path(OBJECT(slot->vdev));
    info->status = device_status(slot->vdev->status);
    info->config_generation = slot->generation;
    info->virtqueues = device_virtqueues(slot->vdev);
    return info;
}

static VirtioMsgDeviceInfoList *link_devices(VirtIOMSG *s)
{
    VirtioMsgDeviceInfoList *list = NULL, **tail = &list;
    unsigned i;

    for (i = 0; i < s->slots->len; i++) {
        VirtIOMSGSlot *slot = g_ptr_array_index(s->slots, i);

        if (slot->vdev) {
            QAPI_LIST_APPEND(tail, device_info(slot));
        }
    }
    return list;
}

static VirtioMsgIdCountList *link_messages(VirtIOMSG *s)
{
    VirtioMsgIdCountList *list = NULL, **tail = &list;
    VirtioMsgIdCount *count;
    int bus, id;

    for (bus = 1; bus >= 0; bus--) {
        for (id = 0; id < VIRTIO_MSG_NUM_IDS; id++) {
            if (!s->received[bus][id] && !s->sent[bus][id]) {
                continue;
            }
            count = g_new0(VirtioMsgIdCount, 1);
            count->bus = bus;
            count->id = id;
            count->name = g_strdup(virtio_msg_id_name(bus, id));
            count->received = s->received[bus][id];
            count->sent = s->sent[bus][id];
            QAPI_LIST_APPEND(tail, count);
        }
    }
    return list;
}

static VirtioMsgCounters *link_counters(VirtIOMSGBus *link, VirtIOMSG *s)
{
    VirtioMsgCounters *counters = g_new0(VirtioMsgCounters, 1);

    counters->received = virtio_msg_total(s->received);
    counters->sent = virtio_msg_total(s->sent);
    counters->messages = link_messages(s);
    counters->drops = g_new0(VirtioMsgDrops, 1);
    counters->drops->malformed = s->drop_malformed;
    counters->drops->unknown = s->drop_unknown;
    counters->drops->no_device = s->drop_no_device;
    counters->drops->ignored = s->drop_ignored;
    counters->stalls = link->stat_stalls;
    counters->bad_indices = link->stat_bad;
    counters->deferrals = s->deferrals;
    counters->doorbells_received = link->stat_rung;
    counters->doorbells_sent = link->stat_rings;
    return counters;
}

static VirtioMsgLinkInfo *link_info(VirtIOMSGBus *link)
{
    Object *owner = OBJECT(virtio_msg_bus_device(link));
    VirtioMsgLinkInfo *info = g_new0(VirtioMsgLinkInfo, 1);
    VirtIOMSG *s = VIRTIO_MSG(link->transport);

    info->name = g_strdup(virtio_msg_bus_name(link));
    info->qom_path = object_get_canonical_path(owner);
    info->type = g_strdup(object_get_typename(owner));
    info->state = link->state;
    info->wire = link->conf->wire;
    info->strict_generation = s->strict_generation;
    info->max_message_size = virtio_msg_bus_max_msg_size(link);
    info->devices = link_devices(s);
    info->counters = link_counters(link, s);
    link->ops->fill_info(link, info);
    return info;
}

static int collect_link(Object *child, void *opaque)
{
    GPtrArray *links = opaque;

    if (object_dynamic_cast(child, TYPE_VIRTIO_MSG_BUS) &&
        virtio_msg_bus_device(VIRTIO_MSG_BUS(child))->realized) {
        g_ptr_array_add(links, child);
    }
    return 0;
}

static gint compare_links(gconstpointer a, gconstpointer b)
{
    return strcmp(virtio_msg_bus_name(*(VirtIOMSGBus **)a),
                  virtio_msg_bus_name(*(VirtIOMSGBus **)b));
}

static bool link_is_called(VirtIOMSGBus *link, const char *name)
{
    Object *owner = OBJECT(virtio_msg_bus_device(link));
    g_autofree char *path = object_get_canonical_path(owner);

    return g_str_equal(name, virtio_msg_bus_name(link)) ||
           g_str_equal(name, path);
}

VirtioMsgLinkInfoList *qmp_x_query_virtio_msg(const char *name, Error **errp)
{
    g_autoptr(GPtrArray) links = g_ptr_array_new();
    VirtioMsgLinkInfoList *list = NULL, **tail = &list;
    guint i;

    object_child_foreach_recursive(object_get_root(), collect_link, links);
    g_ptr_array_sort(links, compare_links);
    for (i = 0; i < links->len; i++) {
        VirtIOMSGBus *link = g_ptr_array_index(links, i);

        if (!name || link_is_called(link, name)) {
            QAPI_LIST_APPEND(tail, link_info(link));
        }
    }
    if (name && !list) {
        error_setg(errp, "There is no virtio-msg link '%s'; "
                   "leave it out to see all that there are", name);
    }
    return list;
}
