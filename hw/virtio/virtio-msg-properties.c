/*
 * Types of properties of virtio-msg links
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/util.h"
#include "qapi/visitor.h"
#include "hw/virtio/virtio-msg-properties.h"

/* Visits the field in either direction */
static void visit_enum(Object *obj, Visitor *v, const char *name, void *opaque,
                       Error **errp)
{
    const Property *prop = opaque;
    int *value = object_field_prop_ptr(obj, prop);

    visit_type_enum(v, name, value, prop->info->enum_table, errp);
}

static void set_default_enum(ObjectProperty *op, const Property *prop)
{
    object_property_set_default_str(op,
        qapi_enum_lookup(prop->info->enum_table, prop->defval.i));
}

QEMU_BUILD_BUG_ON(sizeof(VirtioMsgLayout) != sizeof(int));
QEMU_BUILD_BUG_ON(sizeof(VirtioMsgSysmemMap) != sizeof(int));
QEMU_BUILD_BUG_ON(sizeof(VirtioMsgWire) != sizeof(int));

const PropertyInfo qdev_prop_virtio_msg_layout = {
    .type = "VirtioMsgLayout",
    .enum_table = &VirtioMsgLayout_lookup,
    .get = visit_enum,
    .set = visit_enum,
    .set_default_value = set_default_enum,
};

const PropertyInfo qdev_prop_virtio_msg_sysmem_map = {
    .type = "VirtioMsgSysmemMap",
    .enum_table = &VirtioMsgSysmemMap_lookup,
    .get = visit_enum,
    .set = visit_enum,
    .set_default_value = set_default_enum,
};

const PropertyInfo qdev_prop_virtio_msg_wire = {
    .type = "VirtioMsgWire",
    .enum_table = &VirtioMsgWire_lookup,
    .get = visit_enum,
    .set = visit_enum,
    .set_default_value = set_default_enum,
};
