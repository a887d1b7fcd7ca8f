/*
 * A QEMU with the virtio-msg machine, and the far end of its link
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qobject/qdict.h"
#include "virtio-msg-fixture.h"

void vmsg_test_start(VMsgTest *t, const char *props, const char *fmt, ...)
{
    g_autofree char *link_args = NULL;
    g_autofree char *more = NULL;
    va_list ap;

    t->link = vmsg_link_new(VMSG_SHM_SIZE, VMSG_RAM_SIZE);
    vmsg_link_serve(t->link);
    link_args = vmsg_link_args(t->link, "link0", props);
    va_start(ap, fmt);
    more = g_strdup_vprintf(fmt, ap);
    va_end(ap);

    t->qts = qtest_initf("-M virtio-msg -nodefaults %s %s", link_args, more);
    vmsg_link_started(t->link);
}

void vmsg_test_stop(VMsgTest *t)
{
    qtest_quit(t->qts);
    vmsg_link_free(t->link);
}

uint64_t vmsg_qom_get(QTestState *qts, const char *path, const char *property)
{
    QDict *r = qtest_qmp(qts, "{ 'execute': 'qom-get', 'arguments':"
                         " { 'path': %s, 'property': %s } }", path, property);
    uint64_t val;

    g_assert_true(qdict_haskey(r, "return"));
    val = qdict_get_int(r, "return");
    qobject_unref(r);
    return val;
}

uint64_t vmsg_stat(VMsgTest *t, const char *property)
{
    return vmsg_qom_get(t->qts, "/machine/peripheral/link0", property);
}

uint64_t vmsg_drops(VMsgTest *t, const char *reason)
{
    g_autofree char *property = g_strdup_printf("drop-%s", reason);

    vmsg_ping(t->link);
    return vmsg_qom_get(t->qts, "/machine/peripheral/link0/transport",
                        property);
}

int vmsg_disk(size_t size)
{
    int fd = memfd_create("virtio-msg-disk", 0);

    g_assert_cmpint(fd, >=, 0);
    g_assert_cmpint(ftruncate(fd, size), ==, 0);
    return fd;
}
