/*
 * What the plain C parts need of QEMU's header of the same name
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef QEMU_ATOMIC_H
#define QEMU_ATOMIC_H

#define qatomic_load_acquire(ptr) __atomic_load_n(ptr, __ATOMIC_ACQUIRE)
#define qatomic_store_release(ptr, val) \
    __atomic_store_n(ptr, val, __ATOMIC_RELEASE)

#endif /* QEMU_ATOMIC_H */
