/*
 * The peer of a virtio-msg link over ivshmem, among all that share the memory
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/atomic.h"
#include "qemu/bswap.h"
#include "qemu/error-report.h"
#include "hw/virtio/virtio-msg-peer.h"
#include "trace.h"

/* The block at the end of the memory */
#define IDS_OFFSET(size)        ((size) - VIRTIO_MSG_PEER_BLOCK_SIZE)
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

#define NO_PEER                 UINT32_MAX

/*
 * The block
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

/*
 * Whom to ring
 */

/* @driver is what ids_driver() found */
static uint16_t peer_id(VirtIOMSGPeer *p, uint32_t driver)
{
    uint16_t own = p->ivshmem->id;
    uint16_t peer;

    if (p->remote_vmid != VIRTIO_MSG_PEER_AUTO) {
        return p->remote_vmid;
    }
    if (driver != NO_PEER) {
        return driver;
    }
    if (virtio_msg_ivshmem_only_peer(p->ivshmem, &peer)) {
        return peer;
    }
    /* Usually there are two, and ids are given from 0 */
    return own == 0 ? 1 : 0;
}

/*
 * Whether nothing has come since the link is up, not even a doorbell without a
 * message
 */
static bool peer_nothing_came(VirtIOMSGPeer *p)
{
    return !p->link->heard;
}

/* Where the id that is rung comes from, for the user; not to be freed */
static const char *peer_origin(VirtIOMSGPeer *p, uint32_t driver)
{
    if (p->remote_vmid != VIRTIO_MSG_PEER_AUTO) {
        return "by remote-vmid=";
    }
    return driver == NO_PEER ? "by default" : "by the shared memory";
}

/* The driver side says that it is another than the one we are to ring */
static char *peer_contradiction(VirtIOMSGPeer *p, uint32_t driver)
{
    uint16_t peer = peer_id(p, driver);

    if (driver != NO_PEER && driver != peer) {
        return g_strdup_printf("ivshmem id %u is rung, by remote-vmid=, but "
                               "the driver side says in the shared memory that "
                               "it is %" PRIu32 "; correct remote-vmid=, or "
                               "leave it out", peer, driver);
    }
    if (peer == p->ivshmem->id) {
        return g_strdup_printf("ivshmem id %u is rung, %s, but that is our own;"
                               " give the driver side's as remote-vmid=", peer,
                               peer_origin(p, driver));
    }
    return NULL;
}

/* Somebody said whom to ring, but the server knows no such peer */
static char *peer_nobody(VirtIOMSGPeer *p, uint32_t driver)
{
    uint16_t peer = peer_id(p, driver);

    if (virtio_msg_ivshmem_has_peer(p->ivshmem, peer) ||
        (p->remote_vmid == VIRTIO_MSG_PEER_AUTO && driver == NO_PEER)) {
        return NULL;
    }
    return g_strdup_printf("ivshmem id %u is rung, %s, but the ivshmem server "
                           "has named no such peer; %s", peer,
                           peer_origin(p, driver),
                           p->remote_vmid == VIRTIO_MSG_PEER_AUTO
                           ? "has the driver side gone?"
                           : "has the driver side been started, and is "
                             "remote-vmid= its id?");
}

static char *peer_silence(VirtIOMSGPeer *p, uint32_t driver)
{
    unsigned waiting = virtio_msg_ring_rx_used(p->ring);
    g_autofree char *block = NULL;
    g_autofree char *check = NULL;

    block = driver == NO_PEER
            ? g_strdup("no driver side")
            : g_strdup_printf("driver side %" PRIu32, driver);
    if (waiting) {
        check = g_strdup_printf("%u of its messages wait; it has to ring id %u "
                                "(peer_vmid= in Linux)", waiting,
                                p->ivshmem->id);
    } else if (driver == NO_PEER) {
        check = g_strdup("check that it has been started, on this ivshmem");
    } else {
        check = g_strdup_printf("check that it runs, and rings id %u "
                                "(peer_vmid= in Linux)", p->ivshmem->id);
    }
    return g_strdup_printf("nothing has come from the driver side for %d s: "
                           "ivshmem id %u is rung, %s, and the shared memory "
                           "names %s; %s", UNHEARD_MS / 1000,
                           peer_id(p, driver), peer_origin(p, driver), block,
                           check);
}

/* What to see to, if anything; to be freed */
static char *peer_advice(VirtIOMSGPeer *p, uint32_t driver)
{
    char *advice = peer_contradiction(p, driver);

    if (!advice) {
        advice = peer_nobody(p, driver);
    }
    if (!advice && p->unheard && peer_nothing_came(p)) {
        advice = peer_silence(p, driver);
    }
    return advice;
}

static void peer_say_once(VirtIOMSGPeer *p, bool *said, const char *what)
{
    /* The peer can bring the reason about again and again */
    if (what && !*said) {
        *said = true;
        warn_report("%s: %s", virtio_msg_bus_name(p->link), what);
    }
}

static void peer_check_ids(VirtIOMSGPeer *p, uint32_t driver)
{
    if (!p->said_contradiction) {
        g_autofree char *what = peer_contradiction(p, driver);

        peer_say_once(p, &p->said_contradiction, what);
    }
    if (!p->said_nobody) {
        g_autofree char *what = peer_nobody(p, driver);

        peer_say_once(p, &p->said_nobody, what);
    }
}

/* Started with what the peer should answer */
static void peer_unheard(void *opaque)
{
    VirtIOMSGPeer *p = opaque;

    if (peer_nothing_came(p) &&
        (virtio_msg_ring_tx_used(p->ring) ||
         virtio_msg_ring_rx_used(p->ring))) {
        g_autofree char *what = peer_silence(p, ids_driver(p->ivshmem));

        peer_say_once(p, &p->unheard, what);
    }
}

static void peer_expect(VirtIOMSGPeer *p)
{
    if (!p->unheard && peer_nothing_came(p) &&
        !timer_pending(p->timer)) {
        timer_mod(p->timer,
                  qemu_clock_get_ms(QEMU_CLOCK_REALTIME) + UNHEARD_MS);
    }
}

/* With another id it is another driver, to which no device belongs yet */
static void peer_check_driver(VirtIOMSGPeer *p, uint32_t driver)
{
    uint32_t old = p->driver;

    if (driver == NO_PEER || driver == old) {
        return;
    }
    p->driver = driver;
    if (old != NO_PEER) {
        virtio_msg_bus_peer_gone(p->link);
    }
}

void virtio_msg_peer_ring(VirtIOMSGPeer *p)
{
    uint32_t driver = ids_driver(p->ivshmem);
    uint16_t id = peer_id(p, driver);

    trace_virtio_msg_peer_ring(virtio_msg_bus_name(p->link), id);
    virtio_msg_ivshmem_ring(p->ivshmem, id);
    peer_check_ids(p, driver);
    peer_expect(p);
    peer_check_driver(p, driver);
}

bool virtio_msg_peer_is(VirtIOMSGPeer *p, uint16_t id)
{
    return id == peer_id(p, ids_driver(p->ivshmem));
}

bool virtio_msg_peer_init(VirtIOMSGPeer *p, VirtIOMSGBus *link,
                          const VirtIOMSGRing *ring, uint32_t remote_vmid,
                          Error **errp)
{
    if (remote_vmid != VIRTIO_MSG_PEER_AUTO && remote_vmid > UINT16_MAX) {
        error_setg(errp, "remote-vmid=%" PRIu32 " is out of range; ivshmem "
                   "ids are 0 to %d", remote_vmid, UINT16_MAX);
        return false;
    }
    p->link = link;
    p->ring = ring;
    p->remote_vmid = remote_vmid;
    p->timer = timer_new_ms(QEMU_CLOCK_REALTIME, peer_unheard, p);
    return true;
}

void virtio_msg_peer_start(VirtIOMSGPeer *p, VirtIOMSGIvshmem *ivshmem)
{
    p->ivshmem = ivshmem;
    ids_announce(ivshmem);
    p->driver = NO_PEER;
    p->said_contradiction = false;
    p->said_nobody = false;
    p->unheard = false;
    peer_expect(p);
}

void virtio_msg_peer_stop(VirtIOMSGPeer *p)
{
    timer_del(p->timer);
}

void virtio_msg_peer_withdraw(VirtIOMSGPeer *p)
{
    if (p->ivshmem) {
        ids_withdraw(p->ivshmem);
    }
}

void virtio_msg_peer_cleanup(VirtIOMSGPeer *p)
{
    virtio_msg_peer_withdraw(p);
    p->ivshmem = NULL;
    timer_free(p->timer);
    p->timer = NULL;
}

void virtio_msg_peer_fill_info(VirtIOMSGPeer *p, VirtioMsgLinkInfo *info)
{
    uint32_t driver = ids_driver(p->ivshmem);

    info->has_own_id = true;
    info->own_id = p->ivshmem->id;
    info->has_peer_id = true;
    info->peer_id = peer_id(p, driver);
    info->has_announced_id = driver != NO_PEER;
    info->announced_id = driver;
    /* The queues may be in memory that is gone when the link is down */
    if (p->link->up) {
        info->advice = peer_advice(p, driver);
    }
}
