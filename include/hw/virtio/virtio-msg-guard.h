/*
 * Shared memory that can be taken away
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_VIRTIO_MSG_GUARD_H
#define HW_VIRTIO_MSG_GUARD_H

/*
 * Whoever else has the file behind a mapping can truncate it, and whoever
 * provides a device's memory can remove the device.  The next access then
 * raises SIGBUS, which ends the process with all its links.
 *
 * A guard stands before one mapping.  An access that finds nothing there any
 * more makes the guard replace the whole mapping by private memory of zeros;
 * the access goes on with that, and the guard's owner is told.
 *
 * The whole and not a page: what is left could be taken away piece by piece,
 * and each piece would cost a mapping, of which there are not so many.
 *
 * Sealing the file against truncation would be no replacement: a file has to
 * be made for it, and those of ivshmem-server, hugetlbfs and devices are not.
 *
 * Access is guarded in every thread of QEMU.  System calls that are given such
 * memory fail with EFAULT instead and do not get here.
 */

typedef struct VirtIOMSGGuard VirtIOMSGGuard;

/* The memory is lost; called in the main loop with the BQL held */
typedef void VirtIOMSGGuardLost(void *opaque);

/**
 * virtio_msg_guard_new: guard a mapping
 * @mem: its start, page aligned
 * @size: of it, bytes; it ends with the page in which this ends
 * @page_size: bytes of the pages that are behind it, a power of 2
 * @lost: called when the memory has been replaced
 * @opaque: its argument
 *
 * Several guards can stand before the same mapping; each is told.  To be called
 * in the main thread with the BQL held.
 *
 * Returns a guard, to be removed by virtio_msg_guard_free() before the memory
 * is unmapped.
 */
VirtIOMSGGuard *virtio_msg_guard_new(void *mem, size_t size, size_t page_size,
                                     VirtIOMSGGuardLost *lost, void *opaque);

/**
 * virtio_msg_guard_revoke: do without the memory before it is taken away
 * @guard: a guard
 *
 * As when the memory is found gone, but nobody is told.
 *
 * Returns false, with errno set, if there is no memory to replace it.
 */
bool virtio_msg_guard_revoke(VirtIOMSGGuard *guard);

/**
 * virtio_msg_guard_free: remove a guard
 * @guard: the guard, may be NULL
 *
 * Nobody may access its memory meanwhile.  Memory that was lost stays private
 * until it is unmapped.
 */
void virtio_msg_guard_free(VirtIOMSGGuard *guard);

#endif /* HW_VIRTIO_MSG_GUARD_H */
