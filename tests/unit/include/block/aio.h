/*
 * What the plain C parts need of QEMU's header of the same name
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef QEMU_AIO_H
#define QEMU_AIO_H

typedef struct AioContext AioContext;
typedef struct QEMUBH QEMUBH;
typedef void QEMUBHFunc(void *opaque);

/* To be provided by the test */
QEMUBH *aio_bh_new(AioContext *ctx, QEMUBHFunc *cb, void *opaque);

#endif /* QEMU_AIO_H */
