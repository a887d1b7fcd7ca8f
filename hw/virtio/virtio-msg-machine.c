/*
 * virtio-msg machine: a process that serves virtio devices to another system
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/error-report.h"
#include "exec/address-spaces.h"
#include "exec/memory.h"
#include "hw/boards.h"
#include "hw/virtio/virtio.h"
#include "hw/virtio/virtio-msg-bus-device.h"
#include "qom/object.h"

/*
 * There is no vCPU, no interrupt controller and no memory: the system that
 * these devices belong to is at the other end of a link.  To look at that
 * system's memory from in here, as a qtest does, takes memory-backend=.
 */

/* The driver's addresses are never our own */
static GlobalProperty virtio_msg_machine_props[] = {
    { TYPE_VIRTIO_DEVICE, "iommu_platform", "on" },
};

static void virtio_msg_machine_init(MachineState *ms)
{
    if (ms->cpu_type) {
        error_report("machine 'virtio-msg' has no vCPU; remove -cpu");
        exit(EXIT_FAILURE);
    }
    if (ms->kernel_filename || ms->firmware) {
        error_report("machine 'virtio-msg' executes nothing; remove -kernel "
                     "and -bios");
        exit(EXIT_FAILURE);
    }
    if (ms->ram) {
        memory_region_add_subregion(get_system_memory(), 0, ms->ram);
    }
}

static void virtio_msg_machine_class_init(ObjectClass *oc, void *data)
{
    MachineClass *mc = MACHINE_CLASS(oc);

    mc->desc = "virtio devices for another system over virtio-msg links";
    mc->alias = "x-virtio-msg";
    mc->init = virtio_msg_machine_init;
    mc->max_cpus = 1;
    mc->default_accels = "none";
    /* -m is accepted, for the sake of habit, and means nothing */
    mc->default_ram_size = 0;
    mc->no_serial = 1;
    mc->no_parallel = 1;
    mc->no_floppy = 1;
    mc->no_cdrom = 1;
    machine_class_allow_dynamic_sysbus_dev(mc, TYPE_VIRTIO_MSG_BUS_DEVICE);
    compat_props_add(mc->compat_props, virtio_msg_machine_props,
                     G_N_ELEMENTS(virtio_msg_machine_props));
}

static const TypeInfo virtio_msg_machine_types[] = {
    {
        .name = MACHINE_TYPE_NAME("virtio-msg"),
        .parent = TYPE_MACHINE,
        .class_init = virtio_msg_machine_class_init,
    }
};

DEFINE_TYPES(virtio_msg_machine_types)
