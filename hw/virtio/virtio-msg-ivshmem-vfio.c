/*
 * ivshmem attachment: a PCI function of this system, through VFIO
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/atomic.h"
#include "qemu/bswap.h"
#include "qemu/error-report.h"
#include "qemu/event_notifier.h"
#include "qemu/main-loop.h"
#include "hw/pci/pci_regs.h"
#include "hw/virtio/virtio-msg-ivshmem.h"
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <linux/vfio.h>

/*
 * util/vfio-helpers.c is not used: it maps every RAM block of the process for
 * DMA, which ivshmem never does, and knows neither groups without an IOMMU nor
 * more than one interrupt.
 */

#define IVSHMEM_VENDOR_DEVICE   0x11101af4

/* BAR 0; VFIO cannot map it, it is smaller than a page */
#define IVSHMEM_IVPOSITION      8
#define IVSHMEM_DOORBELL        12

/* The doorbell register: peer above, vector below */
#define IVSHMEM_DOORBELL_PEER_SHIFT 16

#define MAX_VECTORS             32

typedef struct VFIOGroup {
    char *name;
    int fd;
} VFIOGroup;

struct VirtIOMSGVFIO {
    VirtIOMSGVFIORequested *requested;
    void *opaque;
    int container;      /* -1: not open yet */
    bool has_iommu;     /* the IOMMU type is set */
    GSList *groups;     /* VFIOGroup; all of them in the container */
};

struct VirtIOMSGVFIOFunction {
    VirtIOMSGVFIO *vfio;
    char *host;
    int fd;
    EventNotifier request;  /* this system wants the function back */
    bool has_request;       /* and can say so */
};

typedef struct IvshmemVFIO IvshmemVFIO;

typedef struct IvshmemVector {
    EventNotifier notifier;
    IvshmemVFIO *s;
} IvshmemVector;

struct IvshmemVFIO {
    VirtIOMSGIvshmem parent;

    VirtIOMSGVFIOFunction *function;    /* NULL: given back */
    off_t regs;         /* of BAR 0, in the function's file */
    IvshmemVector vectors[MAX_VECTORS];
    unsigned num_vectors;
};

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

static const VirtIOMSGRingBarriers bar_barriers = {
    .rmb = bar_rmb,
    .wmb = bar_wmb,
};

VirtIOMSGVFIO *virtio_msg_vfio_new(VirtIOMSGVFIORequested *requested,
                                   void *opaque)
{
    VirtIOMSGVFIO *vfio = g_new0(VirtIOMSGVFIO, 1);

    vfio->requested = requested;
    vfio->opaque = opaque;
    vfio->container = -1;
    return vfio;
}

/* When it is needed: a wrong PCI address is the better thing to hear of */
static bool vfio_open_container(VirtIOMSGVFIO *vfio, Error **errp)
{
    ERRP_GUARD();
    int fd;

    if (vfio->container >= 0) {
        return true;
    }
    fd = qemu_open("/dev/vfio/vfio", O_RDWR, errp);
    if (fd < 0) {
        error_append_hint(errp, "Load the vfio-pci module, and run with access "
                          "to /dev/vfio.\n");
        return false;
    }
    if (ioctl(fd, VFIO_GET_API_VERSION) != VFIO_API_VERSION) {
        error_setg(errp, "/dev/vfio/vfio speaks an unknown version of the VFIO "
                   "API");
        close(fd);
        return false;
    }
    vfio->container = fd;
    return true;
}

static void vfio_group_free(gpointer data)
{
    VFIOGroup *group = data;

    ioctl(group->fd, VFIO_GROUP_UNSET_CONTAINER);
    close(group->fd);
    g_free(group->name);
    g_free(group);
}

void virtio_msg_vfio_free(VirtIOMSGVFIO *vfio)
{
    if (vfio) {
        g_slist_free_full(vfio->groups, vfio_group_free);
        if (vfio->container >= 0) {
            close(vfio->container);
        }
        g_free(vfio);
    }
}

/* The last part of what a link in sysfs points to, or NULL */
static char *sysfs_link_name(const char *host, const char *link)
{
    g_autofree char *path = g_strdup_printf("/sys/bus/pci/devices/%s/%s",
                                            host, link);
    g_autofree char *target = g_file_read_link(path, NULL);

    return target ? g_path_get_basename(target) : NULL;
}

/* The file of the group that @host is in: VFIO hides it without a driver */
static char *vfio_group_file(const char *host, Error **errp)
{
    ERRP_GUARD();
    g_autofree char *dir = g_strdup_printf("/sys/bus/pci/devices/%s", host);
    g_autofree char *driver = NULL;
    g_autofree char *group = NULL;
    char *file;

    if (!g_file_test(dir, G_FILE_TEST_IS_DIR)) {
        error_setg(errp, "there is no PCI function %s", host);
        error_append_hint(errp, "lspci -D -d 1af4:1110 lists what could be "
                          "meant.\n");
        return NULL;
    }

    driver = sysfs_link_name(host, "driver");
    if (g_strcmp0(driver, "vfio-pci")) {
        error_setg(errp, "%s is bound to %s; bind it to vfio-pci", host,
                   driver ?: "no driver");
        error_append_hint(errp, "echo vfio-pci > %s/driver_override; "
                          "echo %s > /sys/bus/pci/drivers_probe\n", dir, host);
        return NULL;
    }

    group = sysfs_link_name(host, "iommu_group");
    if (!group) {
        error_setg(errp, "%s is in no IOMMU group", host);
        error_append_hint(errp, "Enable the IOMMU, or, with a kernel that has "
                          "it, enable_unsafe_noiommu_mode of the vfio "
                          "module.\n");
        return NULL;
    }

    file = g_strdup_printf("/dev/vfio/%s", group);
    if (!g_file_test(file, G_FILE_TEST_EXISTS)) {
        g_free(file);
        file = g_strdup_printf("/dev/vfio/noiommu-%s", group);
    }
    return file;
}

/* Returns the group's file descriptor, which stays ours, or -1 */
static int vfio_get_group(VirtIOMSGVFIO *vfio, const char *host, Error **errp)
{
    ERRP_GUARD();
    struct vfio_group_status status = { .argsz = sizeof(status) };
    g_autofree char *file = vfio_group_file(host, errp);
    VFIOGroup *group;
    GSList *l;
    int type, fd;

    if (!file || !vfio_open_container(vfio, errp)) {
        return -1;
    }
    for (l = vfio->groups; l; l = l->next) {
        group = l->data;
        if (g_str_equal(group->name, file)) {
            return group->fd;
        }
    }

    fd = qemu_open(file, O_RDWR, errp);
    if (fd < 0) {
        error_append_hint(errp, "Is another process using %s, and may this one "
                          "access the group's file?\n", host);
        return -1;
    }
    if (ioctl(fd, VFIO_GROUP_GET_STATUS, &status)) {
        error_setg_errno(errp, errno, "cannot get the status of %s", file);
        goto fail;
    }
    if (!(status.flags & VFIO_GROUP_FLAGS_VIABLE)) {
        error_setg(errp, "the IOMMU group of %s is not viable; bind all its "
                   "functions to vfio-pci", host);
        goto fail;
    }
    if (ioctl(fd, VFIO_GROUP_SET_CONTAINER, &vfio->container)) {
        error_setg_errno(errp, errno, "cannot take %s into the container",
                         file);
        goto fail;
    }

    if (!vfio->has_iommu) {
        type = strstr(file, "noiommu") ? VFIO_NOIOMMU_IOMMU
                                       : VFIO_TYPE1v2_IOMMU;
        if (ioctl(vfio->container, VFIO_SET_IOMMU, type)) {
            error_setg_errno(errp, errno, "cannot use VFIO's %s IOMMU for %s",
                             type == VFIO_NOIOMMU_IOMMU ? "absent"
                                                        : "type 1 v2", host);
            ioctl(fd, VFIO_GROUP_UNSET_CONTAINER);
            goto fail;
        }
        vfio->has_iommu = true;
    }

    group = g_new0(VFIOGroup, 1);
    group->name = g_steal_pointer(&file);
    group->fd = fd;
    vfio->groups = g_slist_prepend(vfio->groups, group);
    return fd;

fail:
    close(fd);
    return -1;
}

static bool vfio_get_region(int device, unsigned index,
                            struct vfio_region_info *info, Error **errp)
{
    *info = (struct vfio_region_info) {
        .argsz = sizeof(*info),
        .index = index,
    };
    if (ioctl(device, VFIO_DEVICE_GET_REGION_INFO, info)) {
        error_setg_errno(errp, errno, "cannot get information on region %u",
                         index);
        return false;
    }
    return true;
}

/* Have the function's interrupts @index signalled by these, or by nothing */
static bool vfio_set_irqs(int device, unsigned index, const int32_t *fds,
                          unsigned count)
{
    size_t len = sizeof(struct vfio_irq_set) + count * sizeof(*fds);
    g_autofree struct vfio_irq_set *set = g_malloc0(len);

    set->argsz = len;
    set->flags = VFIO_IRQ_SET_ACTION_TRIGGER |
                 (count ? VFIO_IRQ_SET_DATA_EVENTFD : VFIO_IRQ_SET_DATA_NONE);
    set->index = index;
    set->count = count;
    memcpy(set->data, fds, count * sizeof(*fds));
    return ioctl(device, VFIO_DEVICE_SET_IRQS, set) == 0;
}

static void vfio_requested(void *opaque)
{
    VirtIOMSGVFIOFunction *function = opaque;
    VirtIOMSGVFIO *vfio = function->vfio;

    if (event_notifier_test_and_clear(&function->request)) {
        /* May close the function */
        vfio->requested(vfio->opaque, function->host);
    }
}

/*
 * An unbind of the function's driver waits until nobody has it open.  A kernel
 * that cannot ask for that lets it wait.
 */
static void vfio_listen_for_requests(VirtIOMSGVFIOFunction *function)
{
    struct vfio_irq_info info = {
        .argsz = sizeof(info),
        .index = VFIO_PCI_REQ_IRQ_INDEX,
    };
    int32_t fd;

    if (ioctl(function->fd, VFIO_DEVICE_GET_IRQ_INFO, &info) || !info.count ||
        event_notifier_init(&function->request, false) < 0) {
        return;
    }
    function->has_request = true;
    fd = event_notifier_get_fd(&function->request);
    qemu_set_fd_handler(fd, vfio_requested, NULL, function);
    vfio_set_irqs(function->fd, VFIO_PCI_REQ_IRQ_INDEX, &fd, 1);
}

static void vfio_close_function(VirtIOMSGVFIOFunction *function)
{
    if (!function) {
        return;
    }
    if (function->has_request) {
        vfio_set_irqs(function->fd, VFIO_PCI_REQ_IRQ_INDEX, NULL, 0);
        qemu_set_fd_handler(event_notifier_get_fd(&function->request), NULL,
                            NULL, NULL);
        event_notifier_cleanup(&function->request);
    }
    close(function->fd);
    g_free(function->host);
    g_free(function);
}

/* Returns the function, to be closed by the caller, or NULL */
static VirtIOMSGVFIOFunction *vfio_open_ivshmem(VirtIOMSGVFIO *vfio,
                                                const char *host, Error **errp)
{
    struct vfio_region_info config;
    VirtIOMSGVFIOFunction *function;
    uint32_t id;
    int group, fd;

    group = vfio_get_group(vfio, host, errp);
    if (group < 0) {
        return NULL;
    }
    fd = ioctl(group, VFIO_GROUP_GET_DEVICE_FD, host);
    if (fd < 0) {
        error_setg_errno(errp, errno, "cannot open %s through VFIO", host);
        return NULL;
    }

    if (!vfio_get_region(fd, VFIO_PCI_CONFIG_REGION_INDEX, &config, errp)) {
        close(fd);
        return NULL;
    }
    if (pread(fd, &id, sizeof(id), config.offset + PCI_VENDOR_ID) !=
        sizeof(id)) {
        error_setg_errno(errp, errno, "cannot read the identity of %s", host);
        close(fd);
        return NULL;
    }
    if (le32_to_cpu(id) != IVSHMEM_VENDOR_DEVICE) {
        error_setg(errp, "%s is not an ivshmem device but %04x:%04x", host,
                   le32_to_cpu(id) & 0xffff, le32_to_cpu(id) >> 16);
        close(fd);
        return NULL;
    }

    function = g_new0(VirtIOMSGVFIOFunction, 1);
    function->vfio = vfio;
    function->host = g_strdup(host);
    function->fd = fd;
    vfio_listen_for_requests(function);
    return function;
}

/*
 * An MSI is a write by the function, and VFIO leaves it to us whether the
 * function may write.
 */
static bool vfio_set_bus_master(int device, Error **errp)
{
    struct vfio_region_info config;
    uint16_t command;
    off_t off;

    if (!vfio_get_region(device, VFIO_PCI_CONFIG_REGION_INDEX, &config, errp)) {
        return false;
    }
    off = config.offset + PCI_COMMAND;
    if (pread(device, &command, sizeof(command), off) != sizeof(command)) {
        error_setg_errno(errp, errno, "cannot read the PCI command register");
        return false;
    }
    command |= cpu_to_le16(PCI_COMMAND_MASTER);
    if (pwrite(device, &command, sizeof(command), off) != sizeof(command)) {
        error_setg_errno(errp, errno, "cannot write the PCI command register");
        return false;
    }
    return true;
}

static void *vfio_map_bar2(int device, const char *host, size_t *size,
                           Error **errp)
{
    struct vfio_region_info bar2;
    void *mem;

    if (!vfio_get_region(device, VFIO_PCI_BAR2_REGION_INDEX, &bar2, errp)) {
        return NULL;
    }
    if (!(bar2.flags & VFIO_REGION_INFO_FLAG_MMAP)) {
        error_setg(errp, "VFIO cannot map BAR 2 of %s", host);
        return NULL;
    }
    mem = mmap(NULL, bar2.size, PROT_READ | PROT_WRITE, MAP_SHARED, device,
               bar2.offset);
    if (mem == MAP_FAILED) {
        error_setg_errno(errp, errno, "cannot map BAR 2 of %s through VFIO",
                         host);
        return NULL;
    }
    *size = bar2.size;
    return mem;
}

/*
 * The attachment
 */

static void ivshmem_vfio_ring(VirtIOMSGIvshmem *ivshmem, uint16_t peer)
{
    IvshmemVFIO *s = container_of(ivshmem, IvshmemVFIO, parent);
    uint32_t val = cpu_to_le32((uint32_t)peer << IVSHMEM_DOORBELL_PEER_SHIFT);
    ssize_t ret;

    if (s->function) {
        /* Cannot fail as long as it is open, and there is nobody to tell */
        ret = RETRY_ON_EINTR(pwrite(s->function->fd, &val, sizeof(val),
                                    s->regs + IVSHMEM_DOORBELL));
        (void)ret;
    }
}

/* Whichever vector it is: they all mean that there is something to read */
static void ivshmem_vfio_interrupt(void *opaque)
{
    IvshmemVector *vector = opaque;
    IvshmemVFIO *s = vector->s;

    if (event_notifier_test_and_clear(&vector->notifier)) {
        s->parent.client->interrupt(s->parent.opaque);
    }
}

static bool ivshmem_vfio_init_irqs(IvshmemVFIO *s, const char *host,
                                   Error **errp)
{
    struct vfio_irq_info info = {
        .argsz = sizeof(info),
        .index = VFIO_PCI_MSIX_IRQ_INDEX,
    };
    int32_t fds[MAX_VECTORS];
    unsigned count;
    int ret;

    if (ioctl(s->function->fd, VFIO_DEVICE_GET_IRQ_INFO, &info) ||
        !info.count) {
        error_setg(errp, "%s has no doorbell: it is an ivshmem-plain, and "
                   "messages need an ivshmem-doorbell", host);
        return false;
    }

    count = MIN(info.count, MAX_VECTORS);
    while (s->num_vectors < count) {
        IvshmemVector *vector = &s->vectors[s->num_vectors];

        ret = event_notifier_init(&vector->notifier, false);
        if (ret < 0) {
            error_setg_errno(errp, -ret, "cannot make an eventfd");
            return false;
        }
        vector->s = s;
        fds[s->num_vectors] = event_notifier_get_fd(&vector->notifier);
        qemu_set_fd_handler(fds[s->num_vectors], ivshmem_vfio_interrupt, NULL,
                            vector);
        s->num_vectors++;
    }
    if (!vfio_set_irqs(s->function->fd, VFIO_PCI_MSIX_IRQ_INDEX, fds, count)) {
        error_setg_errno(errp, errno, "cannot set up the interrupts of %s",
                         host);
        return false;
    }
    return vfio_set_bus_master(s->function->fd, errp);
}

static void ivshmem_vfio_close_function(IvshmemVFIO *s)
{
    unsigned i;

    if (s->num_vectors) {
        vfio_set_irqs(s->function->fd, VFIO_PCI_MSIX_IRQ_INDEX, NULL, 0);
    }
    for (i = 0; i < s->num_vectors; i++) {
        EventNotifier *e = &s->vectors[i].notifier;

        qemu_set_fd_handler(event_notifier_get_fd(e), NULL, NULL, NULL);
        event_notifier_cleanup(e);
    }
    s->num_vectors = 0;
    vfio_close_function(s->function);
    s->function = NULL;
}

static void ivshmem_vfio_detach(VirtIOMSGIvshmem *ivshmem)
{
    /* A mapping keeps the function open as much as a descriptor does */
    virtio_msg_guard_revoke(ivshmem->guard);
    ivshmem_vfio_close_function(container_of(ivshmem, IvshmemVFIO, parent));
}

static void ivshmem_vfio_close(VirtIOMSGIvshmem *ivshmem)
{
    IvshmemVFIO *s = container_of(ivshmem, IvshmemVFIO, parent);

    virtio_msg_guard_free(ivshmem->guard);
    if (ivshmem->mem) {
        munmap(ivshmem->mem, ivshmem->size);
    }
    ivshmem_vfio_close_function(s);
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
    struct vfio_region_info bar0;
    VirtIOMSGVFIOFunction *function;
    IvshmemVFIO *s;
    uint32_t id;
    int fd;

    function = vfio_open_ivshmem(vfio, host, errp);
    if (!function) {
        return NULL;
    }
    fd = function->fd;

    s = g_new0(IvshmemVFIO, 1);
    s->parent.ops = &ivshmem_vfio_ops;
    s->parent.client = client;
    s->parent.opaque = opaque;
    s->parent.barriers = &bar_barriers;
    s->function = function;

    s->parent.mem = vfio_map_bar2(fd, host, &s->parent.size, errp);
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

    if (!vfio_get_region(fd, VFIO_PCI_BAR0_REGION_INDEX, &bar0, errp)) {
        goto fail;
    }
    s->regs = bar0.offset;

    /* Before the id: without a doorbell there is none */
    if (!ivshmem_vfio_init_irqs(s, host, errp)) {
        goto fail;
    }
    if (pread(fd, &id, sizeof(id), s->regs + IVSHMEM_IVPOSITION) !=
        sizeof(id)) {
        error_setg_errno(errp, errno, "cannot read the registers of %s", host);
        goto fail;
    }
    s->parent.id = le32_to_cpu(id);
    return &s->parent;

fail:
    ivshmem_vfio_close(&s->parent);
    return NULL;
}

/*
 * Windows
 */

static void *sysfs_map_bar2_wc(const char *host, size_t *size, Error **errp)
{
    ERRP_GUARD();
    g_autofree char *file = g_strdup_printf("/sys/bus/pci/devices/%s/"
                                            "resource2_wc", host);
    struct stat st;
    void *mem;
    int fd = qemu_open(file, O_RDWR, errp);

    if (fd < 0) {
        return NULL;
    }
    if (fstat(fd, &st) < 0) {
        error_setg_errno(errp, errno, "cannot tell the size of %s", file);
        close(fd);
        return NULL;
    }
    mem = mmap(NULL, st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (mem == MAP_FAILED) {
        error_setg_errno(errp, errno, "cannot map %s", file);
        error_append_hint(errp, "Nobody may map this BAR through VFIO at the "
                          "same time.\n");
        mem = NULL;
    }
    close(fd);
    *size = st.st_size;
    return mem;
}

bool virtio_msg_window_open(VirtIOMSGVFIO *vfio, const char *host,
                            VirtIOMSGWindowMap map, VirtIOMSGWindow *window,
                            Error **errp)
{
    VirtIOMSGWindow w = { .map = map };
    Error *err = NULL;

    /* Opened in either case: it is what enables the function's memory */
    w.function = vfio_open_ivshmem(vfio, host, errp);
    if (!w.function) {
        return false;
    }

    /* First, as the kernel refuses it once VFIO has mapped the BAR */
    if (map != VIRTIO_MSG_WINDOW_VFIO) {
        w.map = VIRTIO_MSG_WINDOW_WC;
        w.mem = sysfs_map_bar2_wc(host, &w.size, &err);
        if (!w.mem && map == VIRTIO_MSG_WINDOW_AUTO) {
            warn_report_err(err);
            warn_report("%s: mapping it through VFIO instead, which is slower",
                        host);
            w.map = VIRTIO_MSG_WINDOW_VFIO;
            err = NULL;
        }
    }
    if (w.map == VIRTIO_MSG_WINDOW_VFIO) {
        w.mem = vfio_map_bar2(w.function->fd, host, &w.size, &err);
    }
    if (!w.mem) {
        error_propagate(errp, err);
        vfio_close_function(w.function);
        return false;
    }

    *window = w;
    return true;
}

void virtio_msg_window_release(VirtIOMSGWindow *window, VirtIOMSGGuard *guard)
{
    virtio_msg_guard_revoke(guard);
    vfio_close_function(window->function);
    window->function = NULL;
}

void virtio_msg_window_close(VirtIOMSGWindow *window)
{
    munmap(window->mem, window->size);
    vfio_close_function(window->function);
}
