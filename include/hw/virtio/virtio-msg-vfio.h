/*
 * PCI functions of this system, through VFIO
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_VIRTIO_MSG_VFIO_H
#define HW_VIRTIO_MSG_VFIO_H

#include "exec/hwaddr.h"
#include "hw/pci/pci.h"

/*
 * For functions that are memory and registers for us, and interrupt us, but do
 * no DMA: nothing is mapped for them in the IOMMU.
 *
 * Everything here runs in the main loop with the BQL held.
 */

/* The VFIO container of a link, with the groups of its PCI functions */
typedef struct VirtIOMSGVFIO VirtIOMSGVFIO;

/* A PCI function that was opened in a container */
typedef struct VirtIOMSGVFIOFunction VirtIOMSGVFIOFunction;

/*
 * This system wants the function @host back, to unbind its driver or because
 * it goes away, and waits until it is closed.  Called in the main loop with the
 * BQL held, and again every few seconds; may close the container and all that
 * was opened through it.
 */
typedef void VirtIOMSGVFIORequested(void *opaque, const char *host);

/**
 * virtio_msg_vfio_new: an empty container
 * @requested: called when a function that is open in it is wanted back
 * @opaque: its first argument
 *
 * Nothing of VFIO is opened before the first function is.
 */
VirtIOMSGVFIO *virtio_msg_vfio_new(VirtIOMSGVFIORequested *requested,
                                   void *opaque);

/**
 * virtio_msg_vfio_free: close a container and its groups
 * @vfio: may be NULL; what was opened through it has to be closed before
 */
void virtio_msg_vfio_free(VirtIOMSGVFIO *vfio);

/* What a property for a PCI address holds if it is not given */
extern const PCIHostDeviceAddress virtio_msg_vfio_no_address;

/**
 * virtio_msg_vfio_address_given: whether a property for a PCI address is set
 * @addr: the property's field
 */
bool virtio_msg_vfio_address_given(const PCIHostDeviceAddress *addr);

/**
 * virtio_msg_vfio_host: a PCI address in sysfs' notation
 * @addr: the address
 *
 * Returns it as 0000:00:03.0, to be freed by g_free().
 */
char *virtio_msg_vfio_host(const PCIHostDeviceAddress *addr);

/* What a function has to be */
typedef struct VirtIOMSGVFIOId {
    uint16_t vendor;
    uint16_t device;
    const char *name;   /* with its article, for errors */
} VirtIOMSGVFIOId;

/* The registers of a BAR; valid as long as the function is open */
typedef struct VirtIOMSGVFIORegion {
    int fd;
    off_t offset;
} VirtIOMSGVFIORegion;

/*
 * The function has interrupted us, by whichever vector.  May close the
 * function.
 */
typedef void VirtIOMSGVFIOInterrupt(void *opaque);

/**
 * virtio_msg_vfio_open: open a PCI function
 * @vfio: the container to open it in, has to outlive it
 * @host: PCI address in sysfs' notation, 0000:00:03.0
 * @id: what it has to be
 * @errp: set on failure
 *
 * Returns the function, to be closed by virtio_msg_vfio_close(), or NULL with
 * @errp set.
 */
VirtIOMSGVFIOFunction *virtio_msg_vfio_open(VirtIOMSGVFIO *vfio,
                                            const char *host,
                                            const VirtIOMSGVFIOId *id,
                                            Error **errp);

/**
 * virtio_msg_vfio_close: close a PCI function
 * @function: an open one, or NULL
 *
 * What is still mapped of it keeps it busy for others.
 */
void virtio_msg_vfio_close(VirtIOMSGVFIOFunction *function);

/**
 * virtio_msg_vfio_get_region: get ready to access registers
 * @function: an open function
 * @bar: which of its BARs, 0 to 5
 * @region: filled in
 * @errp: set on failure
 *
 * Returns false with @errp set on failure.
 */
bool virtio_msg_vfio_get_region(VirtIOMSGVFIOFunction *function, unsigned bar,
                                VirtIOMSGVFIORegion *region, Error **errp);

/**
 * virtio_msg_vfio_read32: read a little-endian register
 * @region: of an open function
 * @off: offset in it, a multiple of 4
 * @val: set to the register's value, in host order
 *
 * Returns false, with errno set, if that does not work.
 */
bool virtio_msg_vfio_read32(const VirtIOMSGVFIORegion *region, hwaddr off,
                            uint32_t *val);

/**
 * virtio_msg_vfio_write32: write a little-endian register
 * @region: of an open function
 * @off: offset in it, a multiple of 4
 * @val: the value, in host order
 */
void virtio_msg_vfio_write32(const VirtIOMSGVFIORegion *region, hwaddr off,
                             uint32_t val);

/**
 * virtio_msg_vfio_map: map a BAR as Device memory
 * @function: an open function
 * @bar: which of its BARs, 0 to 5
 * @size: set to its size in bytes
 * @errp: set on failure
 *
 * Returns memory that takes aligned accesses only, to be unmapped by munmap(),
 * or NULL with @errp set.
 */
void *virtio_msg_vfio_map(VirtIOMSGVFIOFunction *function, unsigned bar,
                          size_t *size, Error **errp);

/**
 * virtio_msg_vfio_map_wc: map a BAR as ordinary memory that is not cached
 * @function: an open function
 * @bar: which of its BARs, 0 to 5, prefetchable
 * @size: set to its size in bytes
 * @errp: set on failure
 *
 * Fails if anybody has mapped the BAR through VFIO before.
 *
 * Returns memory, to be unmapped by munmap(), or NULL with @errp set.
 */
void *virtio_msg_vfio_map_wc(VirtIOMSGVFIOFunction *function, unsigned bar,
                             size_t *size, Error **errp);

/**
 * virtio_msg_vfio_listen: have a function interrupt us
 * @function: an open function that nobody listens to yet
 * @interrupt: called in the main loop for each of its vectors
 * @opaque: its argument
 * @errp: set on failure
 *
 * Ends when the function is closed.
 *
 * Returns false with @errp set on failure, say if it has no MSI-X; then the
 * function is to be closed.
 */
bool virtio_msg_vfio_listen(VirtIOMSGVFIOFunction *function,
                            VirtIOMSGVFIOInterrupt *interrupt, void *opaque,
                            Error **errp);

#endif /* HW_VIRTIO_MSG_VFIO_H */
