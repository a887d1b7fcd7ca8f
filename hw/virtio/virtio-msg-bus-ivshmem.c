/*
 * virtio-msg link over ivshmem
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/error-report.h"
#include "hw/qdev-properties-system.h"
#include "hw/virtio/virtio-msg-bus-device.h"
#include "hw/virtio/virtio-msg-bus-ring.h"
#include "hw/virtio/virtio-msg-peer.h"
#include "hw/virtio/virtio-msg-window.h"
#include "system/system.h"
#include "trace.h"

#define TYPE_VIRTIO_MSG_BUS_IVSHMEM "virtio-msg-bus-ivshmem"
OBJECT_DECLARE_TYPE(VirtIOMSGBusIvshmem, VirtIOMSGBusIvshmemClass,
                    VIRTIO_MSG_BUS_IVSHMEM)

/* Where the queues of the `spsc` layout lie in the shared memory */
#define DRIVER_QUEUE_OFFSET     0x0000
#define DEVICE_QUEUE_OFFSET     0x1000

struct VirtIOMSGBusIvshmem {
    VirtIOMSGBusDevice parent_obj;

    /* Properties */
    PCIHostDeviceAddress dev;
    CharBackend chr;
    uint32_t remote_vmid;
    VirtIOMSGWindowConf window_conf;
    bool reset_queues;
    VirtIOMSGBusRingConf ring_conf;

    VirtIOMSGVFIO *vfio;
    VirtIOMSGIvshmem *ivshmem;
    VirtIOMSGBusRing ring;
    VirtIOMSGPeer peer;
    VirtIOMSGWindow window;
    bool window_lost;               /* what stands there is private now */
    Notifier exit;
};

struct VirtIOMSGBusIvshmemClass {
    VirtIOMSGBusDeviceClass parent_class;

    DeviceRealize parent_realize;
};

static VirtIOMSGBusIvshmem *bus_ivshmem(VirtIOMSGBus *link)
{
    return VIRTIO_MSG_BUS_IVSHMEM(virtio_msg_bus_device(link));
}

static VirtIOMSGBus *bus_ivshmem_link(VirtIOMSGBusIvshmem *s)
{
    return &s->parent_obj.link;
}

/*
 * The link
 */

static VirtIOMSGBusSend
virtio_msg_bus_ivshmem_send(VirtIOMSGBus *link, const struct virtio_msg *msg)
{
    return virtio_msg_bus_ring_send(&bus_ivshmem(link)->ring, msg);
}

static VirtIOMSGBusRecv virtio_msg_bus_ivshmem_recv(VirtIOMSGBus *link,
                                                    struct virtio_msg *msg,
                                                    size_t *arrived)
{
    return virtio_msg_bus_ring_recv(&bus_ivshmem(link)->ring, msg, arrived);
}

static void virtio_msg_bus_ivshmem_kick(VirtIOMSGBus *link)
{
    virtio_msg_peer_ring(&bus_ivshmem(link)->peer);
}

static uint16_t virtio_msg_bus_ivshmem_max_msg_size(VirtIOMSGBus *link)
{
    return virtio_msg_bus_ring_max_msg_size(&bus_ivshmem(link)->ring);
}

static AddressSpace *virtio_msg_bus_ivshmem_get_dma_as(VirtIOMSGBus *link)
{
    return bus_ivshmem(link)->window.as;
}

static void virtio_msg_bus_ivshmem_fill_info(VirtIOMSGBus *link,
                                             VirtioMsgLinkInfo *info)
{
    VirtIOMSGBusIvshmem *s = bus_ivshmem(link);

    virtio_msg_bus_ring_fill_info(&s->ring, info);
    virtio_msg_peer_fill_info(&s->peer, info);
    virtio_msg_window_fill_info(&s->window, info);
}

static const VirtIOMSGBusOps virtio_msg_bus_ivshmem_ops = {
    .send = virtio_msg_bus_ivshmem_send,
    .recv = virtio_msg_bus_ivshmem_recv,
    .kick = virtio_msg_bus_ivshmem_kick,
    .max_msg_size = virtio_msg_bus_ivshmem_max_msg_size,
    .get_dma_as = virtio_msg_bus_ivshmem_get_dma_as,
    .fill_info = virtio_msg_bus_ivshmem_fill_info,
};

/*
 * The attachment
 */

static bool virtio_msg_bus_ivshmem_start(VirtIOMSGBusIvshmem *s, Error **errp)
{
    VirtIOMSGIvshmem *ivshmem = s->ivshmem;
    VirtIOMSGBusRingPlace place = {
        .driver_queue = ivshmem->mem + DRIVER_QUEUE_OFFSET,
        .device_queue = ivshmem->mem + DEVICE_QUEUE_OFFSET,
        .region = ivshmem->mem,
        .size = ivshmem->size - VIRTIO_MSG_PEER_BLOCK_SIZE,
        .barriers = ivshmem->barriers,
        .reset = s->reset_queues,
    };

    virtio_msg_peer_start(&s->peer, ivshmem);
    return virtio_msg_bus_ring_start(&s->ring, &place, errp);
}

static void virtio_msg_bus_ivshmem_fail(VirtIOMSGBusIvshmem *s,
                                        const char *why)
{
    virtio_msg_bus_ring_stop(&s->ring);
    virtio_msg_peer_stop(&s->peer);
    virtio_msg_bus_fail(bus_ivshmem_link(s), why);
}

static void virtio_msg_bus_ivshmem_interrupt(void *opaque)
{
    VirtIOMSGBusIvshmem *s = opaque;

    trace_virtio_msg_bus_ivshmem_interrupt(
        virtio_msg_bus_name(bus_ivshmem_link(s)));
    virtio_msg_bus_ring_process(&s->ring);
}

static void virtio_msg_bus_ivshmem_attached(void *opaque, bool attached)
{
    VirtIOMSGBusIvshmem *s = opaque;
    Error *err = NULL;

    if (!attached) {
        virtio_msg_bus_ring_stop(&s->ring);
        virtio_msg_peer_stop(&s->peer);
        virtio_msg_bus_set_up(bus_ivshmem_link(s), false);
    } else if (!s->window_lost && !virtio_msg_bus_ivshmem_start(s, &err)) {
        virtio_msg_bus_ivshmem_fail(s, error_get_pretty(err));
        error_free(err);
    }
}

static void virtio_msg_bus_ivshmem_peer_left(void *opaque, uint16_t peer)
{
    VirtIOMSGBusIvshmem *s = opaque;

    /* An ivshmem can have others that are none of ours */
    if (virtio_msg_peer_is(&s->peer, peer)) {
        virtio_msg_bus_peer_gone(bus_ivshmem_link(s));
    }
}

static void virtio_msg_bus_ivshmem_lost(void *opaque)
{
    virtio_msg_bus_ivshmem_fail(opaque,
                                "the shared memory has been taken away; it "
                                "takes a new ivshmem server to go on");
}

static const VirtIOMSGIvshmemClient virtio_msg_bus_ivshmem_client = {
    .interrupt = virtio_msg_bus_ivshmem_interrupt,
    .attached = virtio_msg_bus_ivshmem_attached,
    .peer_left = virtio_msg_bus_ivshmem_peer_left,
    .lost = virtio_msg_bus_ivshmem_lost,
};

static void virtio_msg_bus_ivshmem_window_lost(void *opaque)
{
    VirtIOMSGBusIvshmem *s = opaque;

    s->window_lost = true;
    virtio_msg_bus_ivshmem_fail(s, "the driver side's memory has been taken "
                                "away; restart this process to go on");
}

/*
 * Whichever of its functions it is that this system wants back: without it the
 * link is of no use, so that it gives all of them back.
 */
static void virtio_msg_bus_ivshmem_requested(void *opaque, const char *host)
{
    VirtIOMSGBusIvshmem *s = opaque;
    g_autofree char *why = NULL;

    why = g_strdup_printf("this system wants %s back, which is closed; bind it "
                          "to vfio-pci again and restart this process to go "
                          "on", host);
    virtio_msg_bus_ring_shut_down(&s->ring);
    virtio_msg_peer_withdraw(&s->peer);
    s->window_lost = true;
    virtio_msg_bus_ivshmem_fail(s, why);

    virtio_msg_ivshmem_detach(s->ivshmem);
    virtio_msg_window_release(&s->window);
    virtio_msg_vfio_free(s->vfio);
    s->vfio = NULL;
}

/* A process that ends leaves its devices as they are, but not its id */
static void virtio_msg_bus_ivshmem_exit(Notifier *n, void *unused)
{
    VirtIOMSGBusIvshmem *s = container_of(n, VirtIOMSGBusIvshmem, exit);

    virtio_msg_bus_ring_shut_down(&s->ring);
    virtio_msg_peer_withdraw(&s->peer);
}

static bool virtio_msg_bus_ivshmem_attach(VirtIOMSGBusIvshmem *s, Error **errp)
{
    ERRP_GUARD();

    if (virtio_msg_vfio_address_given(&s->dev)) {
        g_autofree char *host = virtio_msg_vfio_host(&s->dev);

        s->ivshmem = virtio_msg_ivshmem_open_vfio(
            s->vfio, host, &virtio_msg_bus_ivshmem_client, s, errp);
        if (!s->ivshmem) {
            error_prepend(errp, "dev=: ");
        }
    } else {
        s->ivshmem = virtio_msg_ivshmem_open_chardev(
            &s->chr, &virtio_msg_bus_ivshmem_client, s, errp);
    }
    return s->ivshmem != NULL;
}

static void virtio_msg_bus_ivshmem_unrealize(DeviceState *dev)
{
    VirtIOMSGBusIvshmem *s = VIRTIO_MSG_BUS_IVSHMEM(dev);

    virtio_msg_window_close(&s->window);
    virtio_msg_bus_ring_shut_down(&s->ring);
    virtio_msg_bus_ring_cleanup(&s->ring);
    virtio_msg_peer_cleanup(&s->peer);
    if (s->exit.notify) {
        qemu_remove_exit_notifier(&s->exit);
        s->exit.notify = NULL;
    }
    virtio_msg_ivshmem_close(s->ivshmem);
    s->ivshmem = NULL;
    virtio_msg_vfio_free(s->vfio);
    s->vfio = NULL;
}

static bool virtio_msg_bus_ivshmem_open(VirtIOMSGBusIvshmem *s, Error **errp)
{
    bool by_dev = virtio_msg_vfio_address_given(&s->dev);
    VirtIOMSGBus *link = bus_ivshmem_link(s);

    if (by_dev == qemu_chr_fe_backend_connected(&s->chr)) {
        error_setg(errp, by_dev
                   ? "dev= and chardev= exclude each other; give one of them"
                   : "give dev=, the PCI address of an ivshmem-doorbell, or "
                     "chardev=, a socket to an ivshmem-server");
        return false;
    }
    if (!virtio_msg_bus_ring_init(&s->ring, link, &s->ring_conf, errp) ||
        !virtio_msg_peer_init(&s->peer, link, &s->ring.ring, s->remote_vmid,
                              errp)) {
        return false;
    }
    virtio_msg_window_init(&s->window, DEVICE(s), virtio_msg_bus_name(link));
    s->vfio = virtio_msg_vfio_new(virtio_msg_bus_ivshmem_requested, s);
    return virtio_msg_window_open(&s->window, &s->window_conf, s->vfio,
                                  &virtio_msg_ivshmem_id,
                                  virtio_msg_bus_ivshmem_window_lost, s,
                                  errp) &&
           virtio_msg_bus_ivshmem_attach(s, errp);
}

static void virtio_msg_bus_ivshmem_realize(DeviceState *dev, Error **errp)
{
    ERRP_GUARD();
    VirtIOMSGBusIvshmem *s = VIRTIO_MSG_BUS_IVSHMEM(dev);
    VirtIOMSGBusIvshmemClass *k = VIRTIO_MSG_BUS_IVSHMEM_GET_CLASS(s);

    k->parent_realize(dev, errp);
    if (*errp) {
        return;
    }
    if (!virtio_msg_bus_ivshmem_open(s, errp) ||
        !virtio_msg_bus_ivshmem_start(s, errp)) {
        virtio_msg_bus_ivshmem_unrealize(dev);
        return;
    }
    if (!s->window.mem) {
        warn_report("%s: without memdev= or sysmem-dev= no driver can set up "
                    "a queue", virtio_msg_bus_name(bus_ivshmem_link(s)));
    }
    s->exit.notify = virtio_msg_bus_ivshmem_exit;
    qemu_add_exit_notifier(&s->exit);
}

static const Property virtio_msg_bus_ivshmem_props[] = {
    DEFINE_PROP_PCI_HOST_DEVADDR("dev", VirtIOMSGBusIvshmem, dev),
    DEFINE_PROP_CHR("chardev", VirtIOMSGBusIvshmem, chr),
    DEFINE_PROP_UINT32("remote-vmid", VirtIOMSGBusIvshmem, remote_vmid,
                       VIRTIO_MSG_PEER_AUTO),
    DEFINE_VIRTIO_MSG_WINDOW_PROPERTIES(VirtIOMSGBusIvshmem, window_conf),
    DEFINE_PROP_BOOL("reset-queues", VirtIOMSGBusIvshmem, reset_queues, false),
    DEFINE_VIRTIO_MSG_BUS_RING_PROPERTIES(VirtIOMSGBusIvshmem, ring_conf),
};

static void virtio_msg_bus_ivshmem_instance_init(Object *obj)
{
    VirtIOMSGBusIvshmem *s = VIRTIO_MSG_BUS_IVSHMEM(obj);

    s->dev = virtio_msg_vfio_no_address;
    virtio_msg_window_init_conf(&s->window_conf);
}

static void virtio_msg_bus_ivshmem_class_init(ObjectClass *oc, void *data)
{
    DeviceClass *dc = DEVICE_CLASS(oc);
    VirtIOMSGBusIvshmemClass *k = VIRTIO_MSG_BUS_IVSHMEM_CLASS(oc);

    dc->desc = "virtio-msg link over ivshmem";
    dc->user_creatable = true;
    device_class_set_props(dc, virtio_msg_bus_ivshmem_props);
    device_class_set_parent_realize(dc, virtio_msg_bus_ivshmem_realize,
                                    &k->parent_realize);
    dc->unrealize = virtio_msg_bus_ivshmem_unrealize;
    k->parent_class.ops = &virtio_msg_bus_ivshmem_ops;

    object_class_property_set_description(oc, "dev",
        "PCI address of an ivshmem-doorbell bound to vfio-pci");
    object_class_property_set_description(oc, "chardev",
        "socket to an ivshmem-server");
    object_class_property_set_description(oc, "remote-vmid",
        "the driver side's ivshmem id, if it does not announce it");
    virtio_msg_window_describe_properties(oc);
    object_class_property_set_description(oc, "reset-queues",
        "zero both queues at start");
    virtio_msg_bus_ring_describe_properties(oc);
}

static const TypeInfo virtio_msg_bus_ivshmem_types[] = {
    {
        .name = TYPE_VIRTIO_MSG_BUS_IVSHMEM,
        .parent = TYPE_VIRTIO_MSG_BUS_DEVICE,
        .instance_size = sizeof(VirtIOMSGBusIvshmem),
        .instance_init = virtio_msg_bus_ivshmem_instance_init,
        .class_size = sizeof(VirtIOMSGBusIvshmemClass),
        .class_init = virtio_msg_bus_ivshmem_class_init,
    }
};

DEFINE_TYPES(virtio_msg_bus_ivshmem_types)
