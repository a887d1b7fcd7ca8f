/*
 * What the Linux side's plain C needs of a kernel
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef TESTS_FUZZ_LINUX_KERNEL_H
#define TESTS_FUZZ_LINUX_KERNEL_H

/*
 * Included in front of everything else, in place of the headers of the kernel
 * that user space does not have.  There is one processor.
 */

#include <endian.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <linux/types.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;

#define cpu_to_le16(x)  htole16(x)
#define cpu_to_le32(x)  htole32(x)
#define cpu_to_le64(x)  htole64(x)
#define le16_to_cpu(x)  le16toh(x)
#define le32_to_cpu(x)  le32toh(x)

#define static_assert(expr) _Static_assert(expr, #expr)

#define READ_ONCE(x)        __atomic_load_n(&(x), __ATOMIC_RELAXED)
#define WRITE_ONCE(x, val)  __atomic_store_n(&(x), (val), __ATOMIC_RELAXED)

#define virt_load_acquire(p)        __atomic_load_n((p), __ATOMIC_ACQUIRE)
#define virt_store_release(p, val)  \
    __atomic_store_n((p), (val), __ATOMIC_RELEASE)
#define virt_mb()                   __atomic_thread_fence(__ATOMIC_SEQ_CST)

#endif /* TESTS_FUZZ_LINUX_KERNEL_H */
