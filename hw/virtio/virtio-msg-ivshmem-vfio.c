/*
 * ivshmem attachment: a PCI function of this system, through VFIO
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/atomic.h"
#include "hw/virtio/virtio-msg-ivshmem.h"
#include <sys/mman.h>

/* VFIO cannot map it, it is smaller than a page */
#define BAR_REGS                0
#define BAR_MEM                 2

#define IVSHMEM_IVPOSITION      8
#define IVSHMEM_DOORBELL        12

/* The doorbell register: peer above, vector below */
#define IVSHMEM_DOORBELL_PEER_SHIFT 16

const VirtIOMSGVFIOId virtio_msg_ivshmem_id = {
    .vendor = 0x1af4,
    .device = 0x1110,
    .name = "an ivshmem device",
};

typedef struct IvshmemVFIO {
    VirtIOMSGIvshmem parent;

    VirtIOMSGVFIOFunction *function;    /* NULL: given back */
    VirtIOMSGVFIORegion regs;
} IvshmemVFIO;

/*
 * A BAR is Device memory, or uncached, and its other observers are no CPUs of
 * this system: barriers between CPUs do not reach them.
 */
static void bar_rmb(void)
{
#if defined(__aarch64__)
    asm volatile("dmb oshld" ::: "memory");
#elif defined(__x86_64__) || defined(__i386__)
    asm volatile("lfence" ::: "memory");
#elif defined(__riscv)
    asm volatile("fence ir, iorw" ::: "memory");
#elif defined(__powerpc__)
    asm volatile("sync" ::: "memory");
#else
    smp_mb();
#endif
}

static void bar_wmb(void)
{
#if defined(__aarch64__)
    asm volatile("dmb oshst" ::: "memory");
#elif defined(__x86_64__) || defined(__i386__)
    asm volatile("sfence" ::: "memory");
#elif defined(__riscv)
    asm volatile("fence ow, ow" ::: "memory");
#elif defined(__powerpc__)
    asm volatile("sync" ::: "memory");
#else
    smp_mb();
#endif
}

static void bar_mb(void)
{
#if defined(__aarch64__)
    asm volatile("dmb osh" ::: "memory");
#elif defined(__x86_64__) || defined(__i386__)
    asm volatile("mfence" ::: "memory");
#elif defined(__riscv)
    asm volatile("fence iorw, iorw" ::: "memory");
#elif defined(__powerpc__)
    asm volatile("sync" ::: "memory");
#else
    smp_mb();
#endif
}

static const VirtIOMSGRingBarriers bar_barriers = {
    .rmb = bar_rmb,
    .wmb = bar_wmb,
    .mb = bar_mb,
};

static void ivshmem_vfio_ring(VirtIOMSGIvshmem *ivshmem, uint16_t peer)
{
    IvshmemVFIO *s = container_of(ivshmem, IvshmemVFIO, parent);

    if (s->function) {
        virtio_msg_vfio_write32(&s->regs, IVSHMEM_DOORBELL,
                                (uint32_t)peer << IVSHMEM_DOORBELL_PEER_SHIFT);
    }
}

/* Whichever vector it is: they all mean that there is something to read */
static void ivshmem_vfio_interrupt(void *opaque)
{
    IvshmemVFIO *s = opaque;

    s->parent.client->interrupt(s->parent.opaque);
}

static void ivshmem_vfio_detach(VirtIOMSGIvshmem *ivshmem)
{
    IvshmemVFIO *s = container_of(ivshmem, IvshmemVFIO, parent);

    /* A mapping keeps the function open as much as a descriptor does */
    virtio_msg_guard_revoke(ivshmem->guard);
    virtio_msg_vfio_close(s->function);
    s->function = NULL;
}

static void ivshmem_vfio_close(VirtIOMSGIvshmem *ivshmem)
{
    IvshmemVFIO *s = container_of(ivshmem, IvshmemVFIO, parent);

    virtio_msg_guard_free(ivshmem->guard);
    if (ivshmem->mem) {
        munmap(ivshmem->mem, ivshmem->size);
    }
    virtio_msg_vfio_close(s->function);
    g_free(s);
}

static const VirtIOMSGIvshmemOps ivshmem_vfio_ops = {
    .ring = ivshmem_vfio_ring,
    .detach = ivshmem_vfio_detach,
    .close = ivshmem_vfio_close,
};

VirtIOMSGIvshmem *
virtio_msg_ivshmem_open_vfio(VirtIOMSGVFIO *vfio, const char *host,
                             const VirtIOMSGIvshmemClient *client,
                             void *opaque, Error **errp)
{
    ERRP_GUARD();
    VirtIOMSGVFIOFunction *function;
    IvshmemVFIO *s;
    uint32_t id;

    function = virtio_msg_vfio_open(vfio, host, &virtio_msg_ivshmem_id, errp);
    if (!function) {
        return NULL;
    }

    s = g_new0(IvshmemVFIO, 1);
    s->parent.ops = &ivshmem_vfio_ops;
    s->parent.client = client;
    s->parent.opaque = opaque;
    s->parent.barriers = &bar_barriers;
    s->function = function;

    s->parent.mem = virtio_msg_vfio_map(function, BAR_MEM, &s->parent.size,
                                        errp);
    if (!s->parent.mem) {
        goto fail;
    }
    s->parent.guard = virtio_msg_guard_new(s->parent.mem, s->parent.size,
                                           qemu_real_host_page_size(),
                                           client->lost, opaque);
    if (s->parent.size < VIRTIO_MSG_IVSHMEM_MIN_SIZE) {
        error_setg(errp, "the shared memory of %s is too small: %zu bytes, "
                   "need %u", host, s->parent.size,
                   VIRTIO_MSG_IVSHMEM_MIN_SIZE);
        goto fail;
    }

    if (!virtio_msg_vfio_get_region(function, BAR_REGS, &s->regs, errp)) {
        goto fail;
    }
    /* Before the id: without a doorbell there is none */
    if (!virtio_msg_vfio_listen(function, ivshmem_vfio_interrupt, s, errp)) {
        error_append_hint(errp, "An ivshmem-plain has no doorbell; messages "
                          "need an ivshmem-doorbell.\n");
        goto fail;
    }
    if (!virtio_msg_vfio_read32(&s->regs, IVSHMEM_IVPOSITION, &id)) {
        error_setg_errno(errp, errno, "cannot read the registers of %s", host);
        goto fail;
    }
    s->parent.id = id;
    return &s->parent;

fail:
    ivshmem_vfio_close(&s->parent);
    return NULL;
}
