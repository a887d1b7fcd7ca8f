/*
 * What the plain C parts need of QEMU's header of the same name
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef QEMU_CPU_H
#define QEMU_CPU_H

typedef struct CPUState CPUState;

/* To be provided by the test */
extern __thread CPUState *current_cpu;

#endif /* QEMU_CPU_H */
