/*
 * What the plain C parts need of QEMU's header of the same name
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef QEMU_OSDEP_H
#define QEMU_OSDEP_H

/*
 * Only the native build has this directory in its include path; inside QEMU
 * the same sources get QEMU's own.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/types.h>
#include <unistd.h>
#include <glib.h>
#include <glib-unix.h>

#define QEMU_ALIGNED(n) __attribute__((aligned(n)))
#define QEMU_PTR_IS_ALIGNED(p, n) ((uintptr_t)(p) % (n) == 0)
#define ROUND_UP(n, d) (((n) + (d) - 1) & -(0 ? (n) : (d)))

static inline uintptr_t qemu_real_host_page_size(void)
{
    return getpagesize();
}

#endif /* QEMU_OSDEP_H */
