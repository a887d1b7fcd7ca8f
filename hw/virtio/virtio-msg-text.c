/*
 * virtio-msg messages in words
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "hw/virtio/virtio-msg-text.h"

/* The fields of a payload, one behind the other as the wire has them */
typedef struct Field {
    const char *name;       /* NULL: reserved, not shown */
    uint8_t size;           /* bytes: 2, 4, 8 or 16; 0 ends the list */
    bool hex;
} Field;

#define MAX_FIELDS      9

/* What may follow the fields, up to the end of the message */
typedef struct Tail {
    const char *name;       /* NULL: nothing that has a meaning */
    uint8_t unit;           /* bytes: 1 or 4 */
} Tail;

typedef struct Payload {
    Field fields[MAX_FIELDS];
    Tail tail;
} Payload;

typedef struct Kind {
    const char *name;
    Payload request;        /* or event */
    Payload response;
} Kind;

#define U16(name)       { name, 2, false }
#define U32(name)       { name, 4, false }
#define U64(name)       { name, 8, false }
#define X32(name)       { name, 4, true }
#define X64(name)       { name, 8, true }
#define UUID            { "uuid", 16, true }
#define RESERVED32      { NULL, 4, false }

#define CONFIG_FIELDS   { U32("generation"), U32("offset"), U32("length") }
#define FEATURES        { { U32("block_index"), U32("num_blocks") },    \
                          { "features", 4 } }
#define STATUS          { { X32("status") } }
#define INDEX           { { U32("index") } }
#define PING            { { X32("data") } }
#define AREAS           X64("desc"), X64("driver"), X64("device")

/* Those of 2026, whose names are also those of 2025 */
static const Kind transport_kinds[] = {
    [VIRTIO_MSG_GET_DEVICE_INFO] = {
        "GET_DEVICE_INFO",
        .response = { { U32("device_id"), X32("vendor_id"),
                        UUID, U32("num_feature_blocks"),
                        U32("config_size"), U32("max_virtqueues"),
                        U32("admin_vq_start"), U32("admin_vq_count") } },
    },
    [VIRTIO_MSG_GET_DEVICE_FEATURES] = {
        "GET_DEVICE_FEATURES",
        { { U32("block_index"), U32("num_blocks") } },
        FEATURES,
    },
    [VIRTIO_MSG_SET_DRIVER_FEATURES] = { "SET_DRIVER_FEATURES", FEATURES },
    [VIRTIO_MSG_GET_CONFIG] = {
        "GET_CONFIG",
        { { U32("offset"), U32("length") } },
        { CONFIG_FIELDS, { "data", 1 } },
    },
    [VIRTIO_MSG_SET_CONFIG] = {
        "SET_CONFIG",
        { CONFIG_FIELDS, { "data", 1 } },
        { CONFIG_FIELDS, { "data", 1 } },
    },
    [VIRTIO_MSG_GET_DEVICE_STATUS] = {
        "GET_DEVICE_STATUS", .response = STATUS,
    },
    [VIRTIO_MSG_SET_DEVICE_STATUS] = { "SET_DEVICE_STATUS", STATUS, STATUS },
    [VIRTIO_MSG_GET_VQUEUE] = {
        "GET_VQUEUE",
        INDEX,
        { { U32("index"), U32("max_size"), U32("cur_size"), X32("flags"),
            AREAS } },
    },
    [VIRTIO_MSG_SET_VQUEUE] = {
        "SET_VQUEUE",
        { { U32("index"), X32("flags"), U32("size"), RESERVED32, AREAS } },
    },
    [VIRTIO_MSG_RESET_VQUEUE] = { "RESET_VQUEUE", INDEX },
    [VIRTIO_MSG_GET_SHM] = {
        "GET_SHM",
        INDEX,
        { { U32("index"), RESERVED32, U64("length"), X64("address") } },
    },
    [VIRTIO_MSG_EVENT_CONFIG] = {
        "EVENT_CONFIG",
        { { X32("status"), U32("generation"), U32("offset"), U32("length") },
          { "data", 1 } },
    },
    [VIRTIO_MSG_EVENT_AVAIL] = {
        "EVENT_AVAIL", { { U32("vq_index"), X32("next_offset") } },
    },
    [VIRTIO_MSG_EVENT_USED] = { "EVENT_USED", { { U32("vq_index") } } },
};

static const Kind bus_kinds[] = {
    [VIRTIO_MSG_BUS_GET_DEVICES] = {
        "GET_DEVICES",
        { { U16("offset"), U16("count") } },
        { { U16("offset"), U16("next_offset"), U16("count") },
          { "bitmap", 1 } },
    },
    [VIRTIO_MSG_BUS_PING] = { "PING", PING, PING },
    [VIRTIO_MSG_BUS_EVENT_DEVICE] = {
        "EVENT_DEVICE", { { U16("device_number"), U16("state") } },
    },
};

/* What has other fields in 2025 */
static const Payload info_2025 = {
    .fields = { U32("device_id"), X32("vendor_id"), U32("num_feature_bits"),
                U32("config_size"), U32("max_virtqueues"),
                U16("admin_vq_start"), U16("admin_vq_count") },
};
static const Payload get_vqueue_2025 = {
    .fields = { U32("index"), U32("max_size"), U32("cur_size"), RESERVED32,
                AREAS },
};
static const Payload set_vqueue_2025 = {
    .fields = { U32("index"), RESERVED32, U32("size"), RESERVED32, AREAS },
};
static const Payload set_vqueue_2025_07 = {
    .fields = { U32("index"), RESERVED32, U32("size"), AREAS },
};
static const Payload shm_2025 = {
    .fields = { U32("index"), U32("length"), X32("address") },
};
static const Payload devices_2025 = {
    .fields = { U16("offset"), U16("count"), U16("next_offset") },
    .tail = { "bitmap", 1 },
};

/* What is said of an id that nobody knows */
static const Payload unknown = { .tail = { "payload", 1 } };

static const Kind *virtio_msg_kind(bool bus, uint8_t id)
{
    const Kind *kinds = bus ? bus_kinds : transport_kinds;
    size_t num = bus ? G_N_ELEMENTS(bus_kinds)
                     : G_N_ELEMENTS(transport_kinds);

    return id < num && kinds[id].name ? &kinds[id] : NULL;
}

/* The fields of a message as 2025 has them, or NULL if they are those of now */
static const Payload *virtio_msg_payload_2025(bool bus, bool response,
                                              uint8_t id, size_t payload)
{
    if (bus) {
        return id == VIRTIO_MSG_BUS_GET_DEVICES && response ? &devices_2025
                                                            : NULL;
    }
    switch (id) {
    case VIRTIO_MSG_GET_DEVICE_INFO:
        return response ? &info_2025 : NULL;
    case VIRTIO_MSG_GET_VQUEUE:
        return response ? &get_vqueue_2025 : NULL;
    case VIRTIO_MSG_SET_VQUEUE:
        return response ? NULL
               : payload == sizeof(struct virtio_msg_set_vqueue_2025_07)
               ? &set_vqueue_2025_07 : &set_vqueue_2025;
    case VIRTIO_MSG_GET_SHM:
        return response ? &shm_2025 : NULL;
    default:
        return NULL;
    }
}

static const Payload *virtio_msg_payload(const VirtIOMSGWire *wire,
                                         const Kind *kind, bool bus,
                                         bool response, uint8_t id,
                                         size_t payload)
{
    const Payload *fields = NULL;

    if (!kind) {
        return &unknown;
    }
    if (wire == &virtio_msg_wire_2025) {
        fields = virtio_msg_payload_2025(bus, response, id, payload);
    }
    if (!fields) {
        fields = response ? &kind->response : &kind->request;
    }
    return fields;
}

static uint64_t virtio_msg_load(const uint8_t *at, unsigned size)
{
    uint64_t val = 0;

    while (size--) {
        val = val << 8 | at[size];
    }
    return val;
}

static void virtio_msg_bytes_to_text(GString *text, const uint8_t *at,
                                     unsigned size)
{
    while (size--) {
        g_string_append_printf(text, "%02x", *at++);
    }
}

/* Returns the first byte behind the fields, or NULL if they end too soon */
static const uint8_t *virtio_msg_fields_to_text(GString *text,
                                                const Field *field,
                                                const uint8_t *at,
                                                const uint8_t *end)
{
    for (; field->size; at += field->size, field++) {
        if (field->size > end - at) {
            g_string_append(text, " (too short)");
            return NULL;
        }
        if (field->size > sizeof(uint64_t)) {
            g_string_append_printf(text, " %s=", field->name);
            virtio_msg_bytes_to_text(text, at, field->size);
        } else if (field->name) {
            g_string_append_printf(text, field->hex
                                   ? " %s=0x%" PRIx64 : " %s=%" PRIu64,
                                   field->name,
                                   virtio_msg_load(at, field->size));
        }
    }
    return at;
}

static void virtio_msg_tail_to_text(GString *text, const Tail *tail,
                                    const uint8_t *at, const uint8_t *end)
{
    if (!tail->name || end - at < tail->unit) {
        return;
    }
    g_string_append_printf(text, " %s=", tail->name);
    if (tail->unit == 1) {
        virtio_msg_bytes_to_text(text, at, end - at);
        return;
    }
    for (; end - at >= tail->unit; at += tail->unit) {
        g_string_append_printf(text, "%08" PRIx64 ",",
                               virtio_msg_load(at, tail->unit));
    }
    if (text->str[text->len - 1] == ',') {
        g_string_truncate(text, text->len - 1);
    }
}

const char *virtio_msg_id_name(bool bus, uint8_t id)
{
    const Kind *kind = virtio_msg_kind(bus, id);

    return kind ? kind->name : NULL;
}

char *virtio_msg_to_text(const VirtIOMSGWire *wire,
                         const struct virtio_msg *msg)
{
    bool bus = msg->type & VIRTIO_MSG_TYPE_BUS;
    bool response = msg->type & VIRTIO_MSG_TYPE_RESPONSE;
    const Kind *kind = virtio_msg_kind(bus, msg->msg_id);
    size_t size = CLAMP(GUINT16_FROM_LE(msg->msg_size), VIRTIO_MSG_HDR_SIZE,
                        VIRTIO_MSG_MAX_SIZE) - VIRTIO_MSG_HDR_SIZE;
    const Payload *payload = virtio_msg_payload(wire, kind, bus, response,
                                                msg->msg_id, size);
    const uint8_t *at = msg->payload;
    const uint8_t *end = at + size;
    GString *text = g_string_new(NULL);

    if (kind) {
        g_string_append(text, kind->name);
    } else {
        g_string_append_printf(text, "unknown %s message",
                               bus ? "bus" : "transport");
    }
    if (response) {
        g_string_append(text, " response");
    } else if (!(msg->msg_id & VIRTIO_MSG_ID_EVENT)) {
        g_string_append(text, " request");
    }

    at = virtio_msg_fields_to_text(text, payload->fields, at, end);
    if (at) {
        virtio_msg_tail_to_text(text, &payload->tail, at, end);
    }
    return g_string_free(text, false);
}
