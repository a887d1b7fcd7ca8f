/*
 * PCI functions of this system, through VFIO
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/bswap.h"
#include "qemu/event_notifier.h"
#include "qemu/main-loop.h"
#include "hw/pci/pci_regs.h"
#include "hw/virtio/virtio-msg-vfio.h"
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <linux/vfio.h>

/*
 * util/vfio-helpers.c is not used: it maps every RAM block of the process for
 * DMA, which functions that are nothing but memory and a doorbell never do, and
 * knows neither groups without an IOMMU nor more than one interrupt.
 */

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

typedef struct VFIOVector {
    EventNotifier notifier;
    VirtIOMSGVFIOFunction *function;
} VFIOVector;

struct VirtIOMSGVFIOFunction {
    VirtIOMSGVFIO *vfio;
    char *host;
    int fd;
    EventNotifier request;  /* this system wants the function back */
    bool has_request;       /* and can say so */
    VFIOVector vectors[MAX_VECTORS];
    unsigned num_vectors;
    VirtIOMSGVFIOInterrupt *interrupt;
    void *opaque;
};

/* Every field, as the property's type has it */
const PCIHostDeviceAddress virtio_msg_vfio_no_address = {
    ~0U, ~0U, ~0U, ~0U
};

bool virtio_msg_vfio_address_given(const PCIHostDeviceAddress *addr)
{
    return addr->domain != ~0U;
}

char *virtio_msg_vfio_host(const PCIHostDeviceAddress *addr)
{
    return g_strdup_printf("%04x:%02x:%02x.%x", addr->domain, addr->bus,
                           addr->slot, addr->function);
}

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
        error_append_hint(errp, "lspci -D lists what could be meant.\n");
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

static bool vfio_get_region_info(VirtIOMSGVFIOFunction *function,
                                 unsigned index, struct vfio_region_info *info,
                                 Error **errp)
{
    *info = (struct vfio_region_info) {
        .argsz = sizeof(*info),
        .index = index,
    };
    if (ioctl(function->fd, VFIO_DEVICE_GET_REGION_INFO, info)) {
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

static bool vfio_check_id(VirtIOMSGVFIOFunction *function,
                          const VirtIOMSGVFIOId *id, Error **errp)
{
    struct vfio_region_info config;
    uint16_t ids[2];

    if (!vfio_get_region_info(function, VFIO_PCI_CONFIG_REGION_INDEX, &config,
                              errp)) {
        return false;
    }
    if (pread(function->fd, ids, sizeof(ids), config.offset + PCI_VENDOR_ID) !=
        sizeof(ids)) {
        error_setg_errno(errp, errno, "cannot read the identity of %s",
                         function->host);
        return false;
    }
    if (le16_to_cpu(ids[0]) != id->vendor ||
        le16_to_cpu(ids[1]) != id->device) {
        error_setg(errp, "%s is not %s but %04x:%04x", function->host, id->name,
                   le16_to_cpu(ids[0]), le16_to_cpu(ids[1]));
        return false;
    }
    return true;
}

VirtIOMSGVFIOFunction *virtio_msg_vfio_open(VirtIOMSGVFIO *vfio,
                                            const char *host,
                                            const VirtIOMSGVFIOId *id,
                                            Error **errp)
{
    VirtIOMSGVFIOFunction *function;
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

    function = g_new0(VirtIOMSGVFIOFunction, 1);
    function->vfio = vfio;
    function->host = g_strdup(host);
    function->fd = fd;
    if (!vfio_check_id(function, id, errp)) {
        virtio_msg_vfio_close(function);
        return NULL;
    }
    vfio_listen_for_requests(function);
    return function;
}

bool virtio_msg_vfio_get_region(VirtIOMSGVFIOFunction *function, unsigned bar,
                                VirtIOMSGVFIORegion *region, Error **errp)
{
    struct vfio_region_info info;

    if (!vfio_get_region_info(function, VFIO_PCI_BAR0_REGION_INDEX + bar, &info,
                              errp)) {
        return false;
    }
    region->fd = function->fd;
    region->offset = info.offset;
    return true;
}

bool virtio_msg_vfio_read32(const VirtIOMSGVFIORegion *region, hwaddr off,
                            uint32_t *val)
{
    if (pread(region->fd, val, sizeof(*val), region->offset + off) !=
        sizeof(*val)) {
        return false;
    }
    *val = le32_to_cpu(*val);
    return true;
}

void virtio_msg_vfio_write32(const VirtIOMSGVFIORegion *region, hwaddr off,
                             uint32_t val)
{
    ssize_t ret;

    val = cpu_to_le32(val);
    /* Cannot fail as long as it is open, and there is nobody to tell */
    ret = RETRY_ON_EINTR(pwrite(region->fd, &val, sizeof(val),
                                region->offset + off));
    (void)ret;
}

void *virtio_msg_vfio_map(VirtIOMSGVFIOFunction *function, unsigned bar,
                          size_t *size, Error **errp)
{
    struct vfio_region_info info;
    void *mem;

    if (!vfio_get_region_info(function, VFIO_PCI_BAR0_REGION_INDEX + bar, &info,
                              errp)) {
        return NULL;
    }
    if (!(info.flags & VFIO_REGION_INFO_FLAG_MMAP)) {
        error_setg(errp, "VFIO cannot map BAR %u of %s", bar, function->host);
        return NULL;
    }
    mem = mmap(NULL, info.size, PROT_READ | PROT_WRITE, MAP_SHARED,
               function->fd, info.offset);
    if (mem == MAP_FAILED) {
        error_setg_errno(errp, errno, "cannot map BAR %u of %s through VFIO",
                         bar, function->host);
        return NULL;
    }
    *size = info.size;
    return mem;
}

void *virtio_msg_vfio_map_wc(VirtIOMSGVFIOFunction *function, unsigned bar,
                             size_t *size, Error **errp)
{
    ERRP_GUARD();
    g_autofree char *file = g_strdup_printf("/sys/bus/pci/devices/%s/"
                                            "resource%u_wc", function->host,
                                            bar);
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

/*
 * An MSI is a write by the function, and VFIO leaves it to us whether the
 * function may write.
 */
static bool vfio_set_bus_master(VirtIOMSGVFIOFunction *function, Error **errp)
{
    struct vfio_region_info config;
    uint16_t command;
    off_t off;

    if (!vfio_get_region_info(function, VFIO_PCI_CONFIG_REGION_INDEX, &config,
                              errp)) {
        return false;
    }
    off = config.offset + PCI_COMMAND;
    if (pread(function->fd, &command, sizeof(command), off) !=
        sizeof(command)) {
        error_setg_errno(errp, errno, "cannot read the PCI command register");
        return false;
    }
    command |= cpu_to_le16(PCI_COMMAND_MASTER);
    if (pwrite(function->fd, &command, sizeof(command), off) !=
        sizeof(command)) {
        error_setg_errno(errp, errno, "cannot write the PCI command register");
        return false;
    }
    return true;
}

static void vfio_vector_interrupt(void *opaque)
{
    VFIOVector *vector = opaque;
    VirtIOMSGVFIOFunction *function = vector->function;

    if (event_notifier_test_and_clear(&vector->notifier)) {
        /* May close the function */
        function->interrupt(function->opaque);
    }
}

bool virtio_msg_vfio_listen(VirtIOMSGVFIOFunction *function,
                            VirtIOMSGVFIOInterrupt *interrupt, void *opaque,
                            Error **errp)
{
    struct vfio_irq_info info = {
        .argsz = sizeof(info),
        .index = VFIO_PCI_MSIX_IRQ_INDEX,
    };
    int32_t fds[MAX_VECTORS];
    unsigned count;
    int ret;

    if (ioctl(function->fd, VFIO_DEVICE_GET_IRQ_INFO, &info) || !info.count) {
        error_setg(errp, "%s has no MSI-X", function->host);
        return false;
    }

    function->interrupt = interrupt;
    function->opaque = opaque;
    count = MIN(info.count, MAX_VECTORS);
    while (function->num_vectors < count) {
        VFIOVector *vector = &function->vectors[function->num_vectors];

        ret = event_notifier_init(&vector->notifier, false);
        if (ret < 0) {
            error_setg_errno(errp, -ret, "cannot make an eventfd");
            return false;
        }
        vector->function = function;
        fds[function->num_vectors] = event_notifier_get_fd(&vector->notifier);
        qemu_set_fd_handler(fds[function->num_vectors], vfio_vector_interrupt,
                            NULL, vector);
        function->num_vectors++;
    }
    if (!vfio_set_irqs(function->fd, VFIO_PCI_MSIX_IRQ_INDEX, fds, count)) {
        error_setg_errno(errp, errno, "cannot set up the interrupts of %s",
                         function->host);
        return false;
    }
    return vfio_set_bus_master(function, errp);
}

static void vfio_stop_listening(VirtIOMSGVFIOFunction *function)
{
    unsigned i;

    if (function->num_vectors) {
        vfio_set_irqs(function->fd, VFIO_PCI_MSIX_IRQ_INDEX, NULL, 0);
    }
    for (i = 0; i < function->num_vectors; i++) {
        EventNotifier *e = &function->vectors[i].notifier;

        qemu_set_fd_handler(event_notifier_get_fd(e), NULL, NULL, NULL);
        event_notifier_cleanup(e);
    }
    function->num_vectors = 0;
}

void virtio_msg_vfio_close(VirtIOMSGVFIOFunction *function)
{
    if (!function) {
        return;
    }
    vfio_stop_listening(function);
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
