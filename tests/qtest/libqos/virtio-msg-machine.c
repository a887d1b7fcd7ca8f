/*
 * libqos virtio-msg machine: one link, whose far end is the test
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "../libqtest.h"
#include "qemu/module.h"
#include "qemu/units.h"
#include "libqos-malloc.h"
#include "qgraph.h"
#include "virtio-msg.h"

#define SHM_SIZE    (64 * KiB)
#define RAM_SIZE    (128 * MiB)
/* Where a ring has the address 0, the device takes it for not set up */
#define RAM_START   (1 * MiB)
#define RAM_PAGE    4096

typedef struct QVirtioMsgMachine {
    QOSGraphObject obj;
    QGuestAllocator alloc;
    QVirtioMsgDevice dev;
} QVirtioMsgMachine;

/*
 * The graph wants the command line long before a QEMU starts, and then starts
 * as many with it as it likes.  The descriptors in it keep their numbers: those
 * of the link for the QEMU that starts next.
 */
static VMsgLink *next_link;
static VMsgLink *this_link;

/* QEMU goes on from test to test as long as its command line is the same */
static VMsgLink *link_to_qemu(void)
{
    if (vmsg_link_in_use(next_link)) {
        g_clear_pointer(&this_link, vmsg_link_free);
        this_link = next_link;
        next_link = vmsg_link_next(this_link);
    }
    return this_link;
}

static void machine_destructor(QOSGraphObject *obj)
{
    QVirtioMsgMachine *machine = (QVirtioMsgMachine *)obj;

    qvirtio_msg_device_destroy(&machine->dev);
    alloc_destroy(&machine->alloc);
}

static void *machine_get_driver(void *obj, const char *interface)
{
    QVirtioMsgMachine *machine = obj;

    g_assert_cmpstr(interface, ==, "memory");
    return &machine->alloc;
}

static QOSGraphObject *machine_get_device(void *obj, const char *device)
{
    QVirtioMsgMachine *machine = obj;

    g_assert_cmpstr(device, ==, "virtio-msg-bus-ivshmem");
    return &machine->dev.obj;
}

static void *machine_create(QTestState *qts)
{
    QVirtioMsgMachine *machine = g_new0(QVirtioMsgMachine, 1);

    alloc_init(&machine->alloc, 0, RAM_START, RAM_SIZE, RAM_PAGE);
    /* A path has one device, and the first gets the lowest number */
    qvirtio_msg_device_init(&machine->dev, qts, link_to_qemu(), 0);

    machine->obj.get_device = machine_get_device;
    machine->obj.get_driver = machine_get_driver;
    machine->obj.destructor = machine_destructor;
    return machine;
}

static void virtio_msg_machine_register_nodes(void)
{
    static const char *const machines[] = {
        "aarch64/virtio-msg",
        "x86_64/virtio-msg",
    };
    g_autofree char *link_args = NULL;
    g_autofree char *args = NULL;
    int i;

    /*
     * A fuzzer, which is QEMU itself, would take this machine for that of any
     * virtio target, written for PCI.  What starts QEMU has this variable.
     */
    if (!getenv("QTEST_QEMU_BINARY")) {
        return;
    }

    next_link = vmsg_link_new(SHM_SIZE, RAM_SIZE);
    /* The tests reach their memory through QEMU's: both at one address */
    next_link->ram_base = 0;
    vmsg_link_serve(next_link);

    link_args = vmsg_link_args(next_link, "link0", "");
    args = g_strdup_printf("memory-backend=link0-ram -m %" PRIu64 "M "
                           "-nodefaults %s", RAM_SIZE / MiB, link_args);
    for (i = 0; i < ARRAY_SIZE(machines); i++) {
        qos_node_create_machine_args(machines[i], machine_create, args);
        qos_node_contains(machines[i], "virtio-msg-bus-ivshmem", NULL);
    }
}

libqos_init(virtio_msg_machine_register_nodes);
