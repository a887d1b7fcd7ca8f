/*
 * An accelerator for machines without a vCPU
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/accel.h"
#include "qemu/error-report.h"
#include "qemu/module.h"
#include "hw/boards.h"
#include "hw/core/cpu.h"
#include "system/accel-ops.h"

/*
 * Nothing is accelerated because nothing executes.  In contrast to qtest the
 * virtual clock is left alone, so it follows the host's and device timers
 * run; in contrast to tcg no translation buffer is reserved.
 */

static bool none_allowed;

static int none_init_machine(MachineState *ms)
{
    return 0;
}

static void none_accel_class_init(ObjectClass *oc, void *data)
{
    AccelClass *ac = ACCEL_CLASS(oc);

    ac->name = "none";
    ac->init_machine = none_init_machine;
    ac->allowed = &none_allowed;
}

static void none_create_vcpu_thread(CPUState *cpu)
{
    error_report("accelerator 'none' cannot run a vCPU, but machine '%s' has "
                 "one; choose another with -accel",
                 MACHINE_GET_CLASS(current_machine)->name);
    exit(EXIT_FAILURE);
}

static void none_accel_ops_class_init(ObjectClass *oc, void *data)
{
    AccelOpsClass *ops = ACCEL_OPS_CLASS(oc);

    ops->create_vcpu_thread = none_create_vcpu_thread;
}

static const TypeInfo none_types[] = {
    {
        .name = ACCEL_CLASS_NAME("none"),
        .parent = TYPE_ACCEL,
        .class_init = none_accel_class_init,
    }, {
        .name = ACCEL_OPS_NAME("none"),
        .parent = TYPE_ACCEL_OPS,
        .class_init = none_accel_ops_class_init,
        .abstract = true,
    }
};

DEFINE_TYPES(none_types)
