/*
 * What the plain C parts need of QEMU's header of the same name
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef QEMU_MAIN_LOOP_H
#define QEMU_MAIN_LOOP_H

#include "block/aio.h"

typedef void IOHandler(void *opaque);

/* To be provided by the test */
AioContext *iohandler_get_aio_context(void);
void qemu_set_fd_handler(int fd, IOHandler *fd_read, IOHandler *fd_write,
                         void *opaque);
void qemu_bh_schedule(QEMUBH *bh);
void qemu_bh_delete(QEMUBH *bh);

#endif /* QEMU_MAIN_LOOP_H */
