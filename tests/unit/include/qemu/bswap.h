/*
 * What the plain C parts need of QEMU's header of the same name
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef BSWAP_H
#define BSWAP_H

#include <glib.h>

#define cpu_to_le16(n) GUINT16_TO_LE(n)
#define cpu_to_le32(n) GUINT32_TO_LE(n)
#define cpu_to_le64(n) GUINT64_TO_LE(n)
#define le16_to_cpu(n) GUINT16_FROM_LE(n)
#define le32_to_cpu(n) GUINT32_FROM_LE(n)
#define le64_to_cpu(n) GUINT64_FROM_LE(n)

#endif /* BSWAP_H */
