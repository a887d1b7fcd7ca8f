/*
 * virtio-msg link over ivshmem
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/bswap.h"
#include "qemu/error-report.h"
#include "qemu/timer.h"
#include "qemu/units.h"
#include "chardev/char-fe.h"
#include "exec/cpu-common.h"
#include "exec/memory.h"
#include "hw/qdev-properties.h"
#include "hw/qdev-properties-system.h"
#include "hw/virtio/virtio-msg-bus-device.h"
#include "hw/virtio/virtio-msg-ring.h"
#include "hw/virtio/virtio-msg-guard.h"
#include "hw/virtio/virtio-msg-ivshmem.h"
#include "hw/pci/pci.h"
#include "system/hostmem.h"
#include "system/system.h"
#include "trace.h"

#define TYPE_VIRTIO_MSG_BUS_IVSHMEM "virtio-msg-bus-ivshmem"
OBJECT_DECLARE_TYPE(VirtIOMSGBusIvshmem, VirtIOMSGBusIvshmemClass,
                    VIRTIO_MSG_BUS_IVSHMEM)

/* Where the queues of the `spsc` layout lie in the shared memory */
#define DRIVER_QUEUE_OFFSET     0x0000
#define DEVICE_QUEUE_OFFSET     0x1000

/* The block at the end of it by which the two sides learn each other's id */
#define IDS_OFFSET(size)        ((size) - 64)
#define IDS_MAGIC_VALUE         0x474d5356
#define IDS_VERSION_VALUE       1
#define IDS_MAGIC               0
#define IDS_VERSION             4       /* le16, then le16 0 */
#define IDS_DEVICE              8
#define IDS_DRIVER              12

/*
 * A driver side that has not been heard of for so long since the start may be
 * rung in vain, or ring somebody else.
 */
#define UNHEARD_MS              5000

#define REMOTE_VMID_AUTO        UINT32_MAX

#define NO_PEER                 UINT32_MAX

/*
 * DMA to a window of Device memory goes through copies.  This bounds what one
 * link can have in flight, and so what its driver can make us allocate.
 */
#define MAX_BOUNCE_BUFFER_SIZE  (64 * MiB)

struct VirtIOMSGBusIvshmem {
    VirtIOMSGBusDevice parent_obj;

    /* Properties */
    PCIHostDeviceAddress dev;
    CharBackend chr;
    uint32_t remote_vmid;
    HostMemoryBackend *memdev;
    PCIHostDeviceAddress sysmem_dev;
    char *sysmem_map;
    uint64_t mem_offset;
    uint64_t mem_low_size;
    uint64_t mem_hole;
    bool reset_queues;
    char *layout;

    VirtIOMSGVFIO *vfio;
    VirtIOMSGIvshmem *ivshmem;
    VirtIOMSGRing ring;             /* valid while the link is up */
    uint32_t driver;                /* the one announced last, or NO_PEER */

    /* What has been said of the ids since the link is up; once each */
    bool said_contradiction;
    bool said_nobody;
    bool unheard;                   /* for UNHEARD_MS */
    QEMUTimer *unheard_timer;
    Notifier exit;

    AddressSpace *dma_as;           /* freed by RCU, and so not in here */
    MemoryRegion dma_root;
    MemoryRegion *mem;              /* the peer's memory whole, or NULL */
    VirtIOMSGGuard *mem_guard;
    bool mem_lost;                  /* what stands at mem is private now */
    MemoryRegion window_mr;
    MemoryRegion low;
    MemoryRegion high;
    VirtIOMSGWindow window;         /* valid if sysmem-dev= */
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
 * Peer ids
 */

static uint32_t ids_read(VirtIOMSGIvshmem *ivshmem, size_t off)
{
    uint8_t *word = ivshmem->mem + IDS_OFFSET(ivshmem->size) + off;

    return le32_to_cpu(qatomic_read((uint32_t *)word));
}

static void ids_write(VirtIOMSGIvshmem *ivshmem, size_t off, uint32_t val)
{
    uint8_t *word = ivshmem->mem + IDS_OFFSET(ivshmem->size) + off;

    qatomic_set((uint32_t *)word, cpu_to_le32(val));
}

/* Later versions have more in them, which is none of ours */
static bool ids_valid(VirtIOMSGIvshmem *ivshmem)
{
    return ids_read(ivshmem, IDS_MAGIC) == IDS_MAGIC_VALUE &&
           (ids_read(ivshmem, IDS_VERSION) & UINT16_MAX) != 0;
}

static void ids_announce(VirtIOMSGIvshmem *ivshmem)
{
    bool valid = ids_valid(ivshmem);

    if (!valid || ids_read(ivshmem, IDS_VERSION) != IDS_VERSION_VALUE) {
        /* What an earlier device side has said besides does not hold */
        ids_write(ivshmem, IDS_MAGIC, 0);
        if (!valid) {
            ids_write(ivshmem, IDS_DRIVER, 0);
        }
        ids_write(ivshmem, IDS_VERSION, IDS_VERSION_VALUE);
        ids_write(ivshmem, IDS_DEVICE, ivshmem->id + 1);
        /* A peer that sees the magic may read the rest */
        smp_wmb();
        if (ivshmem->barriers) {
            ivshmem->barriers->wmb();
        }
        ids_write(ivshmem, IDS_MAGIC, IDS_MAGIC_VALUE);
    } else {
        ids_write(ivshmem, IDS_DEVICE, ivshmem->id + 1);
    }
}

static void ids_withdraw(VirtIOMSGIvshmem *ivshmem)
{
    if (ids_valid(ivshmem) &&
        ids_read(ivshmem, IDS_DEVICE) == ivshmem->id + 1) {
        ids_write(ivshmem, IDS_DEVICE, 0);
    }
}

/*
 * The id that the driver side announces, or NO_PEER.  Looked up each time: it
 * comes and goes as it likes.
 */
static uint32_t ids_driver(VirtIOMSGIvshmem *ivshmem)
{
    uint32_t id;

    if (ids_valid(ivshmem)) {
        id = ids_read(ivshmem, IDS_DRIVER);
        if (id > 0 && id <= UINT16_MAX + 1) {
            return id - 1;
        }
    }
    return NO_PEER;
}

/* @driver is what ids_driver() found */
static uint16_t virtio_msg_bus_ivshmem_peer(VirtIOMSGBusIvshmem *s,
                                            uint32_t driver)
{
    uint16_t own = s->ivshmem->id;
    uint16_t peer;

    if (s->remote_vmid != REMOTE_VMID_AUTO) {
        return s->remote_vmid;
    }
    if (driver != NO_PEER) {
        return driver;
    }
    if (virtio_msg_ivshmem_only_peer(s->ivshmem, &peer)) {
        return peer;
    }
    /* Usually there are two, and ids are given from 0 */
    return own == 0 ? 1 : 0;
}

/*
 * Whether nothing has come since the link is up, not even a doorbell without a
 * message
 */
static bool virtio_msg_bus_ivshmem_nothing_came(VirtIOMSGBusIvshmem *s)
{
    return !bus_ivshmem_link(s)->heard;
}

/* Where the id that is rung comes from, for the user; not to be freed */
static const char *virtio_msg_bus_ivshmem_origin(VirtIOMSGBusIvshmem *s,
                                                 uint32_t driver)
{
    if (s->remote_vmid != REMOTE_VMID_AUTO) {
        return "by remote-vmid=";
    }
    return driver == NO_PEER ? "by default" : "by the shared memory";
}

/* The driver side says that it is another than the one we are to ring */
static char *virtio_msg_bus_ivshmem_contradiction(VirtIOMSGBusIvshmem *s,
                                                  uint32_t driver)
{
    uint16_t peer = virtio_msg_bus_ivshmem_peer(s, driver);

    if (driver != NO_PEER && driver != peer) {
        return g_strdup_printf("ivshmem id %u is rung, by remote-vmid=, but "
                               "the driver side says in the shared memory that "
                               "it is %" PRIu32 "; correct remote-vmid=, or "
                               "leave it out", peer, driver);
    }
    if (peer == s->ivshmem->id) {
        return g_strdup_printf("ivshmem id %u is rung, %s, but that is our own;"
                               " give the driver side's as remote-vmid=", peer,
                               virtio_msg_bus_ivshmem_origin(s, driver));
    }
    return NULL;
}

/* Somebody said whom to ring, but the server knows no such peer */
static char *virtio_msg_bus_ivshmem_nobody(VirtIOMSGBusIvshmem *s,
                                           uint32_t driver)
{
    uint16_t peer = virtio_msg_bus_ivshmem_peer(s, driver);

    if (virtio_msg_ivshmem_has_peer(s->ivshmem, peer) ||
        (s->remote_vmid == REMOTE_VMID_AUTO && driver == NO_PEER)) {
        return NULL;
    }
    return g_strdup_printf("ivshmem id %u is rung, %s, but the ivshmem server "
                           "has named no such peer; %s", peer,
                           virtio_msg_bus_ivshmem_origin(s, driver),
                           s->remote_vmid == REMOTE_VMID_AUTO
                           ? "has the driver side gone?"
                           : "has the driver side been started, and is "
                             "remote-vmid= its id?");
}

static char *virtio_msg_bus_ivshmem_silence(VirtIOMSGBusIvshmem *s,
                                            uint32_t driver)
{
    unsigned waiting = virtio_msg_ring_rx_used(&s->ring);
    g_autofree char *block = NULL;
    g_autofree char *check = NULL;

    block = driver == NO_PEER
            ? g_strdup("no driver side")
            : g_strdup_printf("driver side %" PRIu32, driver);
    if (waiting) {
        check = g_strdup_printf("%u of its messages wait; it has to ring id %u "
                                "(peer_vmid= in Linux)", waiting,
                                s->ivshmem->id);
    } else if (driver == NO_PEER) {
        check = g_strdup("check that it has been started, on this ivshmem");
    } else {
        check = g_strdup_printf("check that it runs, and rings id %u "
                                "(peer_vmid= in Linux)", s->ivshmem->id);
    }
    return g_strdup_printf("nothing has come from the driver side for %d s: "
                           "ivshmem id %u is rung, %s, and the shared memory "
                           "names %s; %s", UNHEARD_MS / 1000,
                           virtio_msg_bus_ivshmem_peer(s, driver),
                           virtio_msg_bus_ivshmem_origin(s, driver), block,
                           check);
}

/* What to see to, if anything; to be freed */
static char *virtio_msg_bus_ivshmem_advice(VirtIOMSGBusIvshmem *s,
                                           uint32_t driver)
{
    char *advice = virtio_msg_bus_ivshmem_contradiction(s, driver);

    if (!advice) {
        advice = virtio_msg_bus_ivshmem_nobody(s, driver);
    }
    if (!advice && s->unheard && virtio_msg_bus_ivshmem_nothing_came(s)) {
        advice = virtio_msg_bus_ivshmem_silence(s, driver);
    }
    return advice;
}

static void virtio_msg_bus_ivshmem_say_once(VirtIOMSGBusIvshmem *s, bool *said,
                                            const char *what)
{
    /* The peer can bring the reason about again and again */
    if (what && !*said) {
        *said = true;
        warn_report("%s: %s", virtio_msg_bus_name(bus_ivshmem_link(s)),
                    what);
    }
}

static void virtio_msg_bus_ivshmem_check_ids(VirtIOMSGBusIvshmem *s,
                                             uint32_t driver)
{
    if (!s->said_contradiction) {
        g_autofree char *what =
            virtio_msg_bus_ivshmem_contradiction(s, driver);

        virtio_msg_bus_ivshmem_say_once(s, &s->said_contradiction, what);
    }
    if (!s->said_nobody) {
        g_autofree char *what = virtio_msg_bus_ivshmem_nobody(s, driver);

        virtio_msg_bus_ivshmem_say_once(s, &s->said_nobody, what);
    }
}

/* Started with what the peer should answer */
static void virtio_msg_bus_ivshmem_unheard(void *opaque)
{
    VirtIOMSGBusIvshmem *s = opaque;

    if (virtio_msg_bus_ivshmem_nothing_came(s) &&
        (virtio_msg_ring_tx_used(&s->ring) ||
         virtio_msg_ring_rx_used(&s->ring))) {
        g_autofree char *what =
            virtio_msg_bus_ivshmem_silence(s, ids_driver(s->ivshmem));

        virtio_msg_bus_ivshmem_say_once(s, &s->unheard, what);
    }
}

static void virtio_msg_bus_ivshmem_expect(VirtIOMSGBusIvshmem *s)
{
    if (!s->unheard && virtio_msg_bus_ivshmem_nothing_came(s) &&
        !timer_pending(s->unheard_timer)) {
        timer_mod(s->unheard_timer,
                  qemu_clock_get_ms(QEMU_CLOCK_REALTIME) + UNHEARD_MS);
    }
}

/*
 * The link
 */

static VirtIOMSGBusSend
virtio_msg_bus_ivshmem_send(VirtIOMSGBus *link,
                            const struct virtio_msg *msg)
{
    VirtIOMSGBusIvshmem *s = bus_ivshmem(link);

    switch (virtio_msg_ring_put(&s->ring, msg, le16_to_cpu(msg->msg_size))) {
    case VIRTIO_MSG_RING_OK:
        return VIRTIO_MSG_BUS_SEND_OK;
    case VIRTIO_MSG_RING_FULL:
        return VIRTIO_MSG_BUS_SEND_FULL;
    default:
        return VIRTIO_MSG_BUS_SEND_BAD;
    }
}

static VirtIOMSGBusRecv virtio_msg_bus_ivshmem_recv(VirtIOMSGBus *link,
                                                    struct virtio_msg *msg,
                                                    size_t *arrived)
{
    VirtIOMSGBusIvshmem *s = bus_ivshmem(link);

    *arrived = VIRTIO_MSG_RING_SLOT_SIZE;
    switch (virtio_msg_ring_get(&s->ring, msg)) {
    case VIRTIO_MSG_RING_OK:
        return VIRTIO_MSG_BUS_RECV_OK;
    case VIRTIO_MSG_RING_EMPTY:
        return VIRTIO_MSG_BUS_RECV_EMPTY;
    default:
        return VIRTIO_MSG_BUS_RECV_BAD;
    }
}

/* With another id it is another driver, to which no device belongs yet */
static void virtio_msg_bus_ivshmem_check_driver(VirtIOMSGBusIvshmem *s,
                                                uint32_t driver)
{
    uint32_t old = s->driver;

    if (driver == NO_PEER || driver == old) {
        return;
    }
    s->driver = driver;
    if (old != NO_PEER) {
        virtio_msg_bus_peer_gone(bus_ivshmem_link(s));
    }
}

static void virtio_msg_bus_ivshmem_kick(VirtIOMSGBus *link)
{
    VirtIOMSGBusIvshmem *s = bus_ivshmem(link);
    uint32_t driver = ids_driver(s->ivshmem);
    uint16_t peer = virtio_msg_bus_ivshmem_peer(s, driver);

    trace_virtio_msg_bus_ivshmem_ring(virtio_msg_bus_name(link), peer);
    virtio_msg_ivshmem_ring(s->ivshmem, peer);
    virtio_msg_bus_ivshmem_check_ids(s, driver);
    virtio_msg_bus_ivshmem_expect(s);
    virtio_msg_bus_ivshmem_check_driver(s, driver);
}

static void virtio_msg_bus_ivshmem_peer_left(void *opaque, uint16_t peer)
{
    VirtIOMSGBusIvshmem *s = opaque;

    /* An ivshmem can have others that are none of ours */
    if (peer == virtio_msg_bus_ivshmem_peer(s, ids_driver(s->ivshmem))) {
        virtio_msg_bus_peer_gone(bus_ivshmem_link(s));
    }
}

static AddressSpace *virtio_msg_bus_ivshmem_get_dma_as(VirtIOMSGBus *link)
{
    return bus_ivshmem(link)->dma_as;
}

static void virtio_msg_bus_ivshmem_interrupt(void *opaque)
{
    VirtIOMSGBusIvshmem *s = opaque;

    trace_virtio_msg_bus_ivshmem_interrupt(
        virtio_msg_bus_name(bus_ivshmem_link(s)));
    virtio_msg_bus_process(bus_ivshmem_link(s));
}

static void virtio_msg_bus_ivshmem_start(VirtIOMSGBusIvshmem *s)
{
    VirtIOMSGBus *link = bus_ivshmem_link(s);

    virtio_msg_ring_init_spsc(&s->ring, s->ivshmem->mem + DEVICE_QUEUE_OFFSET,
                              s->ivshmem->mem + DRIVER_QUEUE_OFFSET,
                              s->reset_queues);
    virtio_msg_ring_set_barriers(&s->ring, s->ivshmem->barriers);
    ids_announce(s->ivshmem);
    s->driver = NO_PEER;
    s->said_contradiction = false;
    s->said_nobody = false;
    s->unheard = false;
    virtio_msg_bus_ivshmem_expect(s);
    virtio_msg_bus_set_up(link, true);
}

static void virtio_msg_bus_ivshmem_attached(void *opaque, bool attached)
{
    VirtIOMSGBusIvshmem *s = opaque;

    if (!attached) {
        timer_del(s->unheard_timer);
        virtio_msg_bus_set_up(bus_ivshmem_link(s), false);
    } else if (!s->mem_lost) {
        virtio_msg_bus_ivshmem_start(s);
    }
}

static void virtio_msg_bus_ivshmem_lost(void *opaque)
{
    VirtIOMSGBusIvshmem *s = opaque;

    timer_del(s->unheard_timer);
    virtio_msg_bus_fail(bus_ivshmem_link(s),
                        "the shared memory has been taken away; it takes a "
                        "new ivshmem server to go on");
}

static void virtio_msg_bus_ivshmem_mem_lost(void *opaque)
{
    VirtIOMSGBusIvshmem *s = opaque;

    timer_del(s->unheard_timer);
    s->mem_lost = true;
    virtio_msg_bus_fail(bus_ivshmem_link(s),
                        "the driver side's memory has been taken away; "
                        "restart this process to go on");
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
    timer_del(s->unheard_timer);
    ids_withdraw(s->ivshmem);
    s->mem_lost = true;
    virtio_msg_bus_fail(bus_ivshmem_link(s), why);

    virtio_msg_ivshmem_detach(s->ivshmem);
    if (s->window.function) {
        virtio_msg_window_release(&s->window, s->mem_guard);
    }
    virtio_msg_vfio_free(s->vfio);
    s->vfio = NULL;
}

static const VirtIOMSGIvshmemClient virtio_msg_bus_ivshmem_client = {
    .interrupt = virtio_msg_bus_ivshmem_interrupt,
    .attached = virtio_msg_bus_ivshmem_attached,
    .peer_left = virtio_msg_bus_ivshmem_peer_left,
    .lost = virtio_msg_bus_ivshmem_lost,
};

/*
 * The peer's memory
 */

/* Place @low bytes of @mem at mem-offset, and what is left behind the hole */
static bool virtio_msg_bus_ivshmem_map_windows(VirtIOMSGBusIvshmem *s,
                                               Error **errp)
{
    Object *owner = OBJECT(s);
    uint64_t size = memory_region_size(s->mem);
    uint64_t low = s->mem_low_size ?: size;
    uint64_t high = size - MIN(low, size);
    uint64_t end;

    if (low > size) {
        error_setg(errp, "mem-low-size=0x%" PRIx64 " is more than the 0x%"
                   PRIx64 " bytes that there are", low, size);
        return false;
    }
    if (s->mem_hole && !s->mem_low_size) {
        error_setg(errp, "mem-hole= needs mem-low-size=, where the hole "
                   "begins");
        return false;
    }
    if (!QEMU_IS_ALIGNED(s->mem_offset | s->mem_low_size | s->mem_hole,
                         qemu_real_host_page_size())) {
        error_setg(errp, "mem-offset=, mem-low-size= and mem-hole= have to be "
                   "multiples of the page size, 0x%zx",
                   (size_t)qemu_real_host_page_size());
        return false;
    }
    if (uadd64_overflow(s->mem_offset, size, &end) ||
        uadd64_overflow(end, s->mem_hole, &end)) {
        error_setg(errp, "mem-offset=0x%" PRIx64 " and mem-hole=0x%" PRIx64
                   " put the end of the memory beyond 64 bits",
                   s->mem_offset, s->mem_hole);
        return false;
    }

    memory_region_init_alias(&s->low, owner, "virtio-msg-low", s->mem, 0, low);
    memory_region_add_subregion(&s->dma_root, s->mem_offset, &s->low);
    if (high) {
        memory_region_init_alias(&s->high, owner, "virtio-msg-high", s->mem,
                                 low, high);
        memory_region_add_subregion(&s->dma_root,
                                    s->mem_offset + low + s->mem_hole,
                                    &s->high);
    }
    return true;
}

static void virtio_msg_bus_ivshmem_unmap_windows(VirtIOMSGBusIvshmem *s)
{
    if (memory_region_is_mapped(&s->low)) {
        memory_region_del_subregion(&s->dma_root, &s->low);
    }
    if (memory_region_is_mapped(&s->high)) {
        memory_region_del_subregion(&s->dma_root, &s->high);
    }
}

static char *host_address(const PCIHostDeviceAddress *addr)
{
    return g_strdup_printf("%04x:%02x:%02x.%x", addr->domain, addr->bus,
                           addr->slot, addr->function);
}

static bool host_address_given(const PCIHostDeviceAddress *addr)
{
    return addr->domain != ~0U;
}

static bool virtio_msg_bus_ivshmem_open_window(VirtIOMSGBusIvshmem *s,
                                               Error **errp)
{
    ERRP_GUARD();
    static const char *const maps[] = {
        [VIRTIO_MSG_WINDOW_AUTO] = "auto",
        [VIRTIO_MSG_WINDOW_WC] = "wc",
        [VIRTIO_MSG_WINDOW_VFIO] = "vfio",
    };
    g_autofree char *host = host_address(&s->sysmem_dev);
    unsigned map = VIRTIO_MSG_WINDOW_AUTO;

    if (s->sysmem_map) {
        for (map = 0; map < ARRAY_SIZE(maps); map++) {
            if (g_str_equal(s->sysmem_map, maps[map])) {
                break;
            }
        }
        if (map == ARRAY_SIZE(maps)) {
            error_setg(errp, "sysmem-map=%s is unknown; choose auto, wc or "
                       "vfio", s->sysmem_map);
            return false;
        }
    }

    if (!virtio_msg_window_open(s->vfio, host, map, &s->window, errp)) {
        error_prepend(errp, "sysmem-dev=: ");
        return false;
    }

    if (s->window.map == VIRTIO_MSG_WINDOW_WC) {
        memory_region_init_ram_ptr(&s->window_mr, OBJECT(s),
                                   "virtio-msg-sysmem", s->window.size,
                                   s->window.mem);
    } else {
        memory_region_init_ram_device_ptr(&s->window_mr, OBJECT(s),
                                          "virtio-msg-sysmem", s->window.size,
                                          s->window.mem);
        s->dma_as->max_bounce_buffer_size = MAX_BOUNCE_BUFFER_SIZE;
    }
    s->mem = &s->window_mr;
    return true;
}

static bool virtio_msg_bus_ivshmem_open_memory(VirtIOMSGBusIvshmem *s,
                                               Error **errp)
{
    bool sysmem = host_address_given(&s->sysmem_dev);

    if (s->memdev && sysmem) {
        error_setg(errp, "memdev= and sysmem-dev= would overlap; give one of "
                   "them");
        return false;
    }
    if (s->sysmem_map && !sysmem) {
        error_setg(errp, "sysmem-map= needs sysmem-dev=");
        return false;
    }

    if (s->memdev) {
        if (!s->memdev->share) {
            error_setg(errp, "memdev=%s is private memory; give the object "
                       "share=on", object_get_canonical_path_component(
                                       OBJECT(s->memdev)));
            return false;
        }
        s->mem = host_memory_backend_get_memory(s->memdev);
        /* No object_del; another link may use it as well */
        host_memory_backend_set_mapped(s->memdev, true);
    } else if (sysmem) {
        if (!virtio_msg_bus_ivshmem_open_window(s, errp)) {
            return false;
        }
    }
    if (!s->mem) {
        return true;
    }
    s->mem_guard = virtio_msg_guard_new(memory_region_get_ram_ptr(s->mem),
                                        memory_region_size(s->mem),
                                        qemu_ram_pagesize(s->mem->ram_block),
                                        virtio_msg_bus_ivshmem_mem_lost, s);
    return virtio_msg_bus_ivshmem_map_windows(s, errp);
}

static void virtio_msg_bus_ivshmem_close_memory(VirtIOMSGBusIvshmem *s)
{
    virtio_msg_bus_ivshmem_unmap_windows(s);
    virtio_msg_guard_free(s->mem_guard);
    s->mem_guard = NULL;
    if (s->window.mem) {
        object_unparent(OBJECT(&s->window_mr));
        virtio_msg_window_close(&s->window);
        s->window.mem = NULL;
    }
}

/*
 * Looking at it
 */

static VirtioMsgQueueFill *virtio_msg_bus_ivshmem_fill(unsigned used)
{
    VirtioMsgQueueFill *fill = g_new0(VirtioMsgQueueFill, 1);

    fill->used = used;
    fill->size = VIRTIO_MSG_SPSC_NUM_SLOTS - 1;
    return fill;
}

static void virtio_msg_bus_ivshmem_add_window(VirtioMsgLinkInfo *info,
                                              MemoryRegion *mr,
                                              const char *backing)
{
    VirtioMsgWindow *window;

    if (memory_region_is_mapped(mr)) {
        window = g_new0(VirtioMsgWindow, 1);
        window->address = mr->addr;
        window->size = memory_region_size(mr);
        window->backing = g_strdup(backing);
        QAPI_LIST_PREPEND(info->windows, window);
    }
}

static char *virtio_msg_bus_ivshmem_backing(VirtIOMSGBusIvshmem *s)
{
    if (s->memdev) {
        return g_strdup_printf("memdev %s",
                               object_get_canonical_path_component(
                                   OBJECT(s->memdev)));
    } else {
        g_autofree char *host = host_address(&s->sysmem_dev);

        return g_strdup_printf("sysmem-dev %s (%s)", host,
                               s->window.map == VIRTIO_MSG_WINDOW_WC
                               ? "wc" : "vfio");
    }
}

static void virtio_msg_bus_ivshmem_fill_info(VirtIOMSGBus *link,
                                             VirtioMsgLinkInfo *info)
{
    VirtIOMSGBusIvshmem *s = bus_ivshmem(link);
    uint32_t driver = ids_driver(s->ivshmem);
    g_autofree char *backing = NULL;

    info->layout = g_strdup("spsc");
    info->has_own_id = true;
    info->own_id = s->ivshmem->id;
    info->has_peer_id = true;
    info->peer_id = virtio_msg_bus_ivshmem_peer(s, driver);
    info->has_announced_id = driver != NO_PEER;
    info->announced_id = driver;
    /* The memory that they lay in when the link went down may be gone */
    if (link->up) {
        info->advice = virtio_msg_bus_ivshmem_advice(s, driver);
        info->to_peer =
            virtio_msg_bus_ivshmem_fill(virtio_msg_ring_tx_used(&s->ring));
        info->from_peer =
            virtio_msg_bus_ivshmem_fill(virtio_msg_ring_rx_used(&s->ring));
    }
    if (s->mem) {
        backing = virtio_msg_bus_ivshmem_backing(s);
        virtio_msg_bus_ivshmem_add_window(info, &s->high, backing);
        virtio_msg_bus_ivshmem_add_window(info, &s->low, backing);
    }
}

/*
 * The device
 */

/* A process that ends leaves its devices as they are, but not its id */
static void virtio_msg_bus_ivshmem_exit(Notifier *n, void *unused)
{
    VirtIOMSGBusIvshmem *s = container_of(n, VirtIOMSGBusIvshmem, exit);

    ids_withdraw(s->ivshmem);
}

static bool virtio_msg_bus_ivshmem_attach(VirtIOMSGBusIvshmem *s, Error **errp)
{
    ERRP_GUARD();
    if (host_address_given(&s->dev)) {
        g_autofree char *host = host_address(&s->dev);

        s->ivshmem = virtio_msg_ivshmem_open_vfio(
            s->vfio, host, &virtio_msg_bus_ivshmem_client, s, errp);
        if (!s->ivshmem) {
            error_prepend(errp, "dev=: ");
        }
    } else {
        s->ivshmem = virtio_msg_ivshmem_open_chardev(
            &s->chr, &virtio_msg_bus_ivshmem_client, s, errp);
    }
    if (!s->ivshmem) {
        return false;
    }
    s->exit.notify = virtio_msg_bus_ivshmem_exit;
    qemu_add_exit_notifier(&s->exit);
    return true;
}

static void virtio_msg_bus_ivshmem_close(VirtIOMSGBusIvshmem *s)
{
    virtio_msg_bus_ivshmem_close_memory(s);
    if (s->ivshmem) {
        qemu_remove_exit_notifier(&s->exit);
        ids_withdraw(s->ivshmem);
        virtio_msg_ivshmem_close(s->ivshmem);
        s->ivshmem = NULL;
    }
    virtio_msg_vfio_free(s->vfio);
    s->vfio = NULL;
    timer_free(s->unheard_timer);
    s->unheard_timer = NULL;
    address_space_destroy_free(s->dma_as);
    s->dma_as = NULL;
}

static void virtio_msg_bus_ivshmem_realize(DeviceState *dev, Error **errp)
{
    ERRP_GUARD();
    VirtIOMSGBusIvshmem *s = VIRTIO_MSG_BUS_IVSHMEM(dev);
    VirtIOMSGBusIvshmemClass *k = VIRTIO_MSG_BUS_IVSHMEM_GET_CLASS(s);
    bool by_dev = host_address_given(&s->dev);

    k->parent_realize(dev, errp);
    if (*errp) {
        return;
    }
    if (by_dev == qemu_chr_fe_backend_connected(&s->chr)) {
        error_setg(errp, by_dev
                   ? "dev= and chardev= exclude each other; give one of them"
                   : "give dev=, the PCI address of an ivshmem-doorbell, or "
                     "chardev=, a socket to an ivshmem-server");
        return;
    }
    if (s->layout && !g_str_equal(s->layout, "spsc")) {
        error_setg(errp, "layout=%s is unknown; choose spsc", s->layout);
        return;
    }
    if (s->remote_vmid != REMOTE_VMID_AUTO && s->remote_vmid > UINT16_MAX) {
        error_setg(errp, "remote-vmid=%" PRIu32 " is out of range; ivshmem "
                   "ids are 0 to %d", s->remote_vmid, UINT16_MAX);
        return;
    }

    memory_region_init(&s->dma_root, OBJECT(s), "virtio-msg-dma", UINT64_MAX);
    s->dma_as = g_new0(AddressSpace, 1);
    address_space_init(s->dma_as, &s->dma_root,
                       virtio_msg_bus_name(bus_ivshmem_link(s)));
    /* A window of ordinary memory needs no copies: see open_window */
    s->dma_as->max_bounce_buffer_size = 0;
    s->vfio = virtio_msg_vfio_new(virtio_msg_bus_ivshmem_requested, s);
    s->unheard_timer = timer_new_ms(QEMU_CLOCK_REALTIME,
                                    virtio_msg_bus_ivshmem_unheard, s);

    if (!virtio_msg_bus_ivshmem_open_memory(s, errp) ||
        !virtio_msg_bus_ivshmem_attach(s, errp)) {
        virtio_msg_bus_ivshmem_close(s);
        return;
    }
    if (!s->mem) {
        warn_report("%s: without memdev= or sysmem-dev= no driver can set up "
                    "a queue",
                    virtio_msg_bus_name(bus_ivshmem_link(s)));
    }
    virtio_msg_bus_ivshmem_start(s);
}

static void virtio_msg_bus_ivshmem_unrealize(DeviceState *dev)
{
    virtio_msg_bus_ivshmem_close(VIRTIO_MSG_BUS_IVSHMEM(dev));
}

static uint16_t virtio_msg_bus_ivshmem_max_msg_size(VirtIOMSGBus *link)
{
    return VIRTIO_MSG_RING_SLOT_SIZE;
}

static const VirtIOMSGBusOps virtio_msg_bus_ivshmem_ops = {
    .send = virtio_msg_bus_ivshmem_send,
    .recv = virtio_msg_bus_ivshmem_recv,
    .kick = virtio_msg_bus_ivshmem_kick,
    .max_msg_size = virtio_msg_bus_ivshmem_max_msg_size,
    .get_dma_as = virtio_msg_bus_ivshmem_get_dma_as,
    .fill_info = virtio_msg_bus_ivshmem_fill_info,
};

static const Property virtio_msg_bus_ivshmem_props[] = {
    DEFINE_PROP_PCI_HOST_DEVADDR("dev", VirtIOMSGBusIvshmem, dev),
    DEFINE_PROP_CHR("chardev", VirtIOMSGBusIvshmem, chr),
    DEFINE_PROP_UINT32("remote-vmid", VirtIOMSGBusIvshmem, remote_vmid,
                       REMOTE_VMID_AUTO),
    DEFINE_PROP_LINK("memdev", VirtIOMSGBusIvshmem, memdev,
                     TYPE_MEMORY_BACKEND, HostMemoryBackend *),
    DEFINE_PROP_PCI_HOST_DEVADDR("sysmem-dev", VirtIOMSGBusIvshmem,
                                 sysmem_dev),
    DEFINE_PROP_STRING("sysmem-map", VirtIOMSGBusIvshmem, sysmem_map),
    DEFINE_PROP_SIZE("mem-offset", VirtIOMSGBusIvshmem, mem_offset, 0),
    DEFINE_PROP_SIZE("mem-low-size", VirtIOMSGBusIvshmem, mem_low_size, 0),
    DEFINE_PROP_SIZE("mem-hole", VirtIOMSGBusIvshmem, mem_hole, 0),
    DEFINE_PROP_BOOL("reset-queues", VirtIOMSGBusIvshmem, reset_queues, false),
    DEFINE_PROP_STRING("layout", VirtIOMSGBusIvshmem, layout),
};

static void virtio_msg_bus_ivshmem_instance_init(Object *obj)
{
    /* What the property's type takes for "not given", in every field */
    static const PCIHostDeviceAddress no_address = { ~0U, ~0U, ~0U, ~0U };
    VirtIOMSGBusIvshmem *s = VIRTIO_MSG_BUS_IVSHMEM(obj);

    s->dev = no_address;
    s->sysmem_dev = no_address;
}

static void virtio_msg_bus_ivshmem_class_init(ObjectClass *oc, void *data)
{
    DeviceClass *dc = DEVICE_CLASS(oc);
    VirtIOMSGBusIvshmemClass *k = VIRTIO_MSG_BUS_IVSHMEM_CLASS(oc);

    dc->desc = "virtio-msg link over ivshmem";
    dc->user_creatable = true;
    device_class_set_props(dc, virtio_msg_bus_ivshmem_props);
    k->parent_class.ops = &virtio_msg_bus_ivshmem_ops;
    device_class_set_parent_realize(dc, virtio_msg_bus_ivshmem_realize,
                                    &k->parent_realize);
    dc->unrealize = virtio_msg_bus_ivshmem_unrealize;

    object_class_property_set_description(oc, "dev",
        "PCI address of an ivshmem-doorbell bound to vfio-pci");
    object_class_property_set_description(oc, "chardev",
        "socket to an ivshmem-server");
    object_class_property_set_description(oc, "remote-vmid",
        "the driver side's ivshmem id, if it does not announce it");
    object_class_property_set_description(oc, "memdev",
        "the driver side's memory, share=on");
    object_class_property_set_description(oc, "sysmem-dev",
        "PCI address of an ivshmem-plain that holds the driver side's memory");
    object_class_property_set_description(oc, "sysmem-map",
        "how to map it: auto, wc or vfio");
    object_class_property_set_description(oc, "mem-offset",
        "address at which the driver side sees its memory");
    object_class_property_set_description(oc, "mem-low-size",
        "bytes of it below the hole (0: there is no hole)");
    object_class_property_set_description(oc, "mem-hole",
        "bytes of address space that the hole takes");
    object_class_property_set_description(oc, "reset-queues",
        "zero both queues at start");
    object_class_property_set_description(oc, "layout",
        "layout of the shared memory: spsc");
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
