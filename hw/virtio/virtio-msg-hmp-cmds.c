/*
 * HMP commands related to virtio-msg
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "monitor/hmp.h"
#include "monitor/monitor.h"
#include "qapi/error.h"
#include "qapi/qapi-commands-virtio-msg.h"
#include "qobject/qdict.h"

static void print_queues(Monitor *mon, const VirtioMsgLinkInfo *info)
{
    if (info->to_peer) {
        monitor_printf(mon, "  queue to peer: %" PRIu32 " of %" PRIu32 "\n",
                       info->to_peer->used, info->to_peer->size);
    }
    if (info->from_peer) {
        monitor_printf(mon, "  queue from peer: %" PRIu32 " of %" PRIu32 "\n",
                       info->from_peer->used, info->from_peer->size);
    }
}

static void print_windows(Monitor *mon, const VirtioMsgWindowList *list)
{
    for (; list; list = list->next) {
        monitor_printf(mon, "  window: 0x%" PRIx64 " to 0x%" PRIx64 ": %s\n",
                       list->value->address,
                       list->value->address + list->value->size - 1,
                       list->value->backing);
    }
}

static void print_device(Monitor *mon, const VirtioMsgDeviceInfo *device)
{
    const VirtioMsgDeviceStatusList *status = device->status;
    const VirtioMsgVirtqueueList *queue = device->virtqueues;

    monitor_printf(mon, "  device %" PRIu16 ": %s (id %" PRIu16 ") %s\n",
                   device->number, device->name, device->device_id,
                   device->qom_path);
    monitor_printf(mon, "    status:");
    if (!status) {
        monitor_printf(mon, " reset");
    }
    for (; status; status = status->next) {
        monitor_printf(mon, " %s", VirtioMsgDeviceStatus_str(status->value));
    }
    monitor_printf(mon, "\n");
    for (; queue; queue = queue->next) {
        monitor_printf(mon, "    queue %" PRIu16 ": ", queue->value->index);
        if (queue->value->size) {
            monitor_printf(mon, "%" PRIu32 " of %" PRIu32 " entries\n",
                           queue->value->size, queue->value->max_size);
        } else {
            monitor_printf(mon, "not set up\n");
        }
    }
}

static void print_messages(Monitor *mon, const VirtioMsgIdCountList *list)
{
    if (list) {
        monitor_printf(mon, "  %-36s %12s %12s\n", "messages", "received",
                       "sent");
    }
    for (; list; list = list->next) {
        const VirtioMsgIdCount *count = list->value;

        monitor_printf(mon, "    %-9s 0x%02x %-19s %12" PRIu64 " %12" PRIu64
                       "\n", count->bus ? "bus" : "transport", count->id,
                       count->name ?: "?", count->received, count->sent);
    }
}

static void print_counters(Monitor *mon, const VirtioMsgCounters *counters)
{
    const VirtioMsgDrops *drops = counters->drops;

    print_messages(mon, counters->messages);
    monitor_printf(mon, "  all messages: %" PRIu64 " received, %" PRIu64
                   " sent\n", counters->received, counters->sent);
    monitor_printf(mon, "  doorbells: %" PRIu64 " received, %" PRIu64
                   " sent\n", counters->doorbells_received,
                   counters->doorbells_sent);
    monitor_printf(mon, "  dropped: %" PRIu64 " malformed, %" PRIu64
                   " unknown, %" PRIu64 " for no device, %" PRIu64
                   " ignored\n", drops->malformed, drops->unknown,
                   drops->no_device, drops->ignored);
    monitor_printf(mon, "  stalls: %" PRIu64 ", bad indices: %" PRIu64
                   ", deferrals: %" PRIu64 "\n", counters->stalls,
                   counters->bad_indices, counters->deferrals);
}

static void print_link(Monitor *mon, const VirtioMsgLinkInfo *info)
{
    const VirtioMsgDeviceInfoList *device;

    monitor_printf(mon, "%s: %s, %s\n", info->name, info->type,
                   VirtioMsgLinkState_str(info->state));
    monitor_printf(mon, "  path: %s\n", info->qom_path);
    if (info->has_own_id) {
        monitor_printf(mon, "  own id: %" PRIu16 "\n", info->own_id);
    }
    if (info->has_peer_id) {
        monitor_printf(mon, "  peer's id: %" PRIu16 "\n", info->peer_id);
    }
    if (info->has_announced_id) {
        monitor_printf(mon, "  announced id: %" PRIu16 "\n",
                       info->announced_id);
    }
    if (info->advice) {
        monitor_printf(mon, "  advice: %s\n", info->advice);
    }
    if (info->has_layout) {
        monitor_printf(mon, "  layout: %s\n",
                       VirtioMsgLayout_str(info->layout));
    }
    monitor_printf(mon, "  wire: %s%s\n", VirtioMsgWire_str(info->wire),
                   info->strict_generation ? ", strict generation" : "");
    monitor_printf(mon, "  largest message: %" PRIu16 " bytes\n",
                   info->max_message_size);
    print_queues(mon, info);
    print_windows(mon, info->windows);
    for (device = info->devices; device; device = device->next) {
        print_device(mon, device->value);
    }
    print_counters(mon, info->counters);
}

void hmp_info_virtio_msg(Monitor *mon, const QDict *qdict)
{
    Error *err = NULL;
    const VirtioMsgLinkInfoList *info;
    g_autoptr(VirtioMsgLinkInfoList) list =
        qmp_x_query_virtio_msg(qdict_get_try_str(qdict, "link"), &err);

    if (hmp_handle_error(mon, err)) {
        return;
    }
    if (!list) {
        monitor_printf(mon, "No virtio-msg links\n");
    }
    for (info = list; info; info = info->next) {
        print_link(mon, info->value);
    }
}
