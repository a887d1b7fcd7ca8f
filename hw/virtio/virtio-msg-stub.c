/*
 * What there is of virtio-msg where it is not built
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qapi/qapi-commands-virtio-msg.h"

VirtioMsgLinkInfoList *qmp_x_query_virtio_msg(const char *name, Error **errp)
{
    error_setg(errp, "virtio-msg is not part of this QEMU");
    return NULL;
}
