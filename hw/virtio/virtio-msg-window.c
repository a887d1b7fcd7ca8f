/*
 * The memory of the peer of a virtio-msg link
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/error-report.h"
#include "qemu/units.h"
#include "hw/virtio/virtio-msg-window.h"
#include <sys/mman.h>

/* Where an ivshmem, and what is like it, has its memory */
#define BAR_MEM                 2

/*
 * DMA to a window of Device memory goes through copies.  This bounds what one
 * link can have in flight, and so what its driver can make us allocate.
 */
#define MAX_BOUNCE_BUFFER_SIZE  (64 * MiB)

void virtio_msg_window_init_conf(VirtIOMSGWindowConf *conf)
{
    conf->sysmem_dev = virtio_msg_vfio_no_address;
}

void virtio_msg_window_describe_properties(ObjectClass *oc)
{
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
}

void virtio_msg_window_init(VirtIOMSGWindow *w, DeviceState *owner,
                            const char *name)
{
    memory_region_init(&w->root, OBJECT(owner), "virtio-msg-dma", UINT64_MAX);
    w->as = g_new0(AddressSpace, 1);
    address_space_init(w->as, &w->root, name);
    /* Ordinary memory needs no copies; what is not, says so */
    w->as->max_bounce_buffer_size = 0;
}

/* Where the peer has it: up to the hole, and what is left behind that */
static bool window_place(VirtIOMSGWindow *w, Error **errp)
{
    const VirtIOMSGWindowConf *conf = w->conf;
    Object *owner = memory_region_owner(&w->root);
    uint64_t size = memory_region_size(w->mem);
    uint64_t low = conf->low_size ?: size;
    uint64_t high = size - MIN(low, size);
    uint64_t end;

    if (low > size) {
        error_setg(errp, "mem-low-size=0x%" PRIx64 " is more than the 0x%"
                   PRIx64 " bytes that there are", low, size);
        return false;
    }
    if (conf->hole && !conf->low_size) {
        error_setg(errp, "mem-hole= needs mem-low-size=, where the hole "
                   "begins");
        return false;
    }
    if (!QEMU_IS_ALIGNED(conf->offset | conf->low_size | conf->hole,
                         qemu_real_host_page_size())) {
        error_setg(errp, "mem-offset=, mem-low-size= and mem-hole= have to be "
                   "multiples of the page size, 0x%zx",
                   (size_t)qemu_real_host_page_size());
        return false;
    }
    if (uadd64_overflow(conf->offset, size, &end) ||
        uadd64_overflow(end, conf->hole, &end)) {
        error_setg(errp, "mem-offset=0x%" PRIx64 " and mem-hole=0x%" PRIx64
                   " put the end of the memory beyond 64 bits",
                   conf->offset, conf->hole);
        return false;
    }

    memory_region_init_alias(&w->low, owner, "virtio-msg-low", w->mem, 0, low);
    memory_region_add_subregion(&w->root, conf->offset, &w->low);
    if (high) {
        memory_region_init_alias(&w->high, owner, "virtio-msg-high", w->mem,
                                 low, high);
        memory_region_add_subregion(&w->root,
                                    conf->offset + low + conf->hole,
                                    &w->high);
    }
    return true;
}


static bool window_map_bar(VirtIOMSGWindow *w, Error **errp)
{
    VirtioMsgSysmemMap map = w->conf->sysmem_map;
    Error *err = NULL;

    /* First, as the kernel refuses it once VFIO has mapped the BAR */
    if (map != VIRTIO_MSG_SYSMEM_MAP_VFIO) {
        w->bar_map = VIRTIO_MSG_SYSMEM_MAP_WC;
        w->bar = virtio_msg_vfio_map_wc(w->function, BAR_MEM, &w->bar_size,
                                        &err);
        if (!w->bar && map == VIRTIO_MSG_SYSMEM_MAP_AUTO) {
            g_autofree char *host =
                virtio_msg_vfio_host(&w->conf->sysmem_dev);

            warn_report_err(err);
            warn_report("%s: mapping it through VFIO instead, which is slower",
                        host);
            map = VIRTIO_MSG_SYSMEM_MAP_VFIO;
            err = NULL;
        }
    }
    if (map == VIRTIO_MSG_SYSMEM_MAP_VFIO) {
        w->bar_map = VIRTIO_MSG_SYSMEM_MAP_VFIO;
        w->bar = virtio_msg_vfio_map(w->function, BAR_MEM, &w->bar_size, &err);
    }
    error_propagate(errp, err);
    return w->bar != NULL;
}

static bool window_open_bar(VirtIOMSGWindow *w, VirtIOMSGVFIO *vfio,
                            const VirtIOMSGVFIOId *id, Error **errp)
{
    ERRP_GUARD();
    g_autofree char *host = virtio_msg_vfio_host(&w->conf->sysmem_dev);
    Object *owner = memory_region_owner(&w->root);

    /* However it is mapped: it is what enables the function's memory */
    w->function = virtio_msg_vfio_open(vfio, host, id, errp);
    if (!w->function || !window_map_bar(w, errp)) {
        error_prepend(errp, "sysmem-dev=: ");
        return false;
    }

    if (w->bar_map == VIRTIO_MSG_SYSMEM_MAP_WC) {
        memory_region_init_ram_ptr(&w->bar_mr, owner, "virtio-msg-sysmem",
                                   w->bar_size, w->bar);
    } else {
        memory_region_init_ram_device_ptr(&w->bar_mr, owner,
                                          "virtio-msg-sysmem", w->bar_size,
                                          w->bar);
        w->as->max_bounce_buffer_size = MAX_BOUNCE_BUFFER_SIZE;
    }
    w->mem = &w->bar_mr;
    return true;
}

static bool window_open_memdev(VirtIOMSGWindow *w, Error **errp)
{
    HostMemoryBackend *memdev = w->conf->memdev;

    if (!memdev->share) {
        error_setg(errp, "memdev=%s is private memory; give the object "
                   "share=on",
                   object_get_canonical_path_component(OBJECT(memdev)));
        return false;
    }
    w->mem = host_memory_backend_get_memory(memdev);
    /* No object_del; another link may use it as well */
    host_memory_backend_set_mapped(memdev, true);
    return true;
}

bool virtio_msg_window_open(VirtIOMSGWindow *w,
                            const VirtIOMSGWindowConf *conf,
                            VirtIOMSGVFIO *vfio, const VirtIOMSGVFIOId *id,
                            VirtIOMSGGuardLost *lost, void *opaque,
                            Error **errp)
{
    bool sysmem = virtio_msg_vfio_address_given(&conf->sysmem_dev);

    w->conf = conf;
    if (conf->memdev && sysmem) {
        error_setg(errp, "memdev= and sysmem-dev= would overlap; give one of "
                   "them");
        return false;
    }
    if (conf->sysmem_map != VIRTIO_MSG_SYSMEM_MAP_AUTO && !sysmem) {
        error_setg(errp, "sysmem-map= needs sysmem-dev=");
        return false;
    }

    if (conf->memdev && !window_open_memdev(w, errp)) {
        return false;
    }
    if (sysmem && !window_open_bar(w, vfio, id, errp)) {
        return false;
    }
    if (!w->mem) {
        return true;
    }
    w->guard = virtio_msg_guard_new(memory_region_get_ram_ptr(w->mem),
                                    memory_region_size(w->mem),
                                    qemu_ram_pagesize(w->mem->ram_block),
                                    lost, opaque);
    return window_place(w, errp);
}

void virtio_msg_window_release(VirtIOMSGWindow *w)
{
    if (w->function) {
        virtio_msg_guard_revoke(w->guard);
        virtio_msg_vfio_close(w->function);
        w->function = NULL;
    }
}

static void window_remove(VirtIOMSGWindow *w, MemoryRegion *mr)
{
    if (memory_region_is_mapped(mr)) {
        memory_region_del_subregion(&w->root, mr);
    }
}

void virtio_msg_window_close(VirtIOMSGWindow *w)
{
    window_remove(w, &w->low);
    window_remove(w, &w->high);
    virtio_msg_guard_free(w->guard);
    w->guard = NULL;
    if (w->bar) {
        if (w->mem) {
            object_unparent(OBJECT(&w->bar_mr));
        }
        munmap(w->bar, w->bar_size);
        w->bar = NULL;
    }
    w->mem = NULL;
    virtio_msg_vfio_close(w->function);
    w->function = NULL;
    if (w->as) {
        address_space_destroy_free(w->as);
        w->as = NULL;
    }
}

static char *window_backing(const VirtIOMSGWindow *w)
{
    g_autofree char *host = NULL;

    if (w->conf->memdev) {
        return g_strdup_printf("memdev %s",
                               object_get_canonical_path_component(
                                   OBJECT(w->conf->memdev)));
    }
    host = virtio_msg_vfio_host(&w->conf->sysmem_dev);
    return g_strdup_printf("sysmem-dev %s (%s)", host,
                           VirtioMsgSysmemMap_str(w->bar_map));
}

static void window_add_info(const VirtIOMSGWindow *w, MemoryRegion *mr,
                            VirtioMsgLinkInfo *info)
{
    VirtioMsgWindow *window;

    if (memory_region_is_mapped(mr)) {
        window = g_new0(VirtioMsgWindow, 1);
        window->address = mr->addr;
        window->size = memory_region_size(mr);
        window->backing = window_backing(w);
        QAPI_LIST_PREPEND(info->windows, window);
    }
}

void virtio_msg_window_fill_info(VirtIOMSGWindow *w, VirtioMsgLinkInfo *info)
{
    window_add_info(w, &w->high, info);
    window_add_info(w, &w->low, info);
}
