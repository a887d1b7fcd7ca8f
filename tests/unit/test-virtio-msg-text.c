/*
 * Unit tests of virtio-msg messages in words
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "hw/virtio/virtio-msg-text.h"

#define BUS         VIRTIO_MSG_TYPE_BUS
#define RESPONSE    VIRTIO_MSG_TYPE_RESPONSE

typedef struct Case {
    uint8_t type;
    uint8_t id;
    uint16_t size;          /* of the whole message */
    uint8_t payload[44];
    const char *text;
} Case;

/* What is the same on both wires */
static const Case cases[] = {
    { 0, 0x02, 8, { 0 }, "GET_DEVICE_INFO request" },
    { 0, 0x03, 16, { 1, 0, 0, 0, 2, 0, 0, 0 },
      "GET_DEVICE_FEATURES request block_index=1 num_blocks=2" },
    { RESPONSE, 0x03, 24, { 0, 0, 0, 0, 2, 0, 0, 0, 1, 2, 3, 4, 5, 0, 0, 0 },
      "GET_DEVICE_FEATURES response block_index=0 num_blocks=2 "
      "features=04030201,00000005" },
    { 0, 0x04, 20, { 1, 0, 0, 0, 1, 0, 0, 0, 3, 0, 0, 0 },
      "SET_DRIVER_FEATURES request block_index=1 num_blocks=1 "
      "features=00000003" },
    { RESPONSE, 0x04, 8, { 0 }, "SET_DRIVER_FEATURES response" },
    { 0, 0x05, 16, { 8, 0, 0, 0, 4, 0, 0, 0 },
      "GET_CONFIG request offset=8 length=4" },
    { RESPONSE, 0x05, 23,
      { 7, 0, 0, 0, 8, 0, 0, 0, 3, 0, 0, 0, 0xde, 0xad, 0x01 },
      "GET_CONFIG response generation=7 offset=8 length=3 data=dead01" },
    { RESPONSE, 0x05, 20, { 7 },
      "GET_CONFIG response generation=7 offset=0 length=0" },
    { 0, 0x06, 21, { 1, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 0xff },
      "SET_CONFIG request generation=1 offset=2 length=1 data=ff" },
    { RESPONSE, 0x07, 12, { 0x0f }, "GET_DEVICE_STATUS response status=0xf" },
    { 0, 0x08, 12, { 0x80 }, "SET_DEVICE_STATUS request status=0x80" },
    { 0, 0x09, 12, { 3 }, "GET_VQUEUE request index=3" },
    { 0, 0x0b, 12, { 2 }, "RESET_VQUEUE request index=2" },
    { 0, 0x40, 24, { 0x4f, 0, 0, 0, 2 },
      "EVENT_CONFIG status=0x4f generation=2 offset=0 length=0" },
    { 0, 0x41, 16, { 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0x80 },
      "EVENT_AVAIL vq_index=4294967295 next_offset=0x80000000" },
    { 0, 0x42, 12, { 1 }, "EVENT_USED vq_index=1" },
    { BUS, 0x02, 12, { 0, 0, 64, 0 }, "GET_DEVICES request offset=0 count=64" },
    { BUS, 0x03, 12, { 4, 3, 2, 1 }, "PING request data=0x1020304" },
    { BUS, 0x40, 12, { 7, 0, 2, 0 }, "EVENT_DEVICE device_number=7 state=2" },

    /* What does not add up, or is not known */
    { 0, 0x09, 8, { 3 }, "GET_VQUEUE request (too short)" },
    { 0, 0x09, 0, { 3 }, "GET_VQUEUE request (too short)" },
    { 0, 0x09, 14, { 3 }, "GET_VQUEUE request index=3" },
    { 0, 0x03, 18, { 1, 0, 0, 0, 1 },
      "GET_DEVICE_FEATURES request block_index=1 num_blocks=1" },
    { RESPONSE, 0x03, 18, { 1, 0, 0, 0, 1 },
      "GET_DEVICE_FEATURES response block_index=1 num_blocks=1" },
    { 0, 0x3f, 11, { 1, 2, 0xaa }, "unknown transport message request "
      "payload=0102aa" },
    { BUS, 0xff, 8, { 1 }, "unknown bus message" },
    { BUS, 0x42, 8, { 1 }, "unknown bus message" },
    { BUS | RESPONSE, 0x00, 8, { 1 }, "unknown bus message response" },
};

static const Case cases_2026[] = {
    { RESPONSE, 0x02, 52,
      { 4, 0, 0, 0, 0xf4, 0x1a, 0, 0,
        0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 0xff,
        2, 0, 0, 0, 0, 1, 0, 0, 4, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0 },
      "GET_DEVICE_INFO response device_id=4 vendor_id=0x1af4 "
      "uuid=000102030405060708090a0b0c0d0eff num_feature_blocks=2 "
      "config_size=256 max_virtqueues=4 admin_vq_start=2 admin_vq_count=1" },
    { RESPONSE, 0x02, 32, { 4, 0, 0, 0, 0xf4, 0x1a },
      "GET_DEVICE_INFO response device_id=4 vendor_id=0x1af4 "
      "uuid=00000000000000000000000000000000 (too short)" },
    { RESPONSE, 0x09, 48,
      { 1, 0, 0, 0, 0, 1, 0, 0, 8, 0, 0, 0, 1, 0, 0, 0,
        0, 0, 0, 0x40, 0, 0, 0, 0, 0x80, 0, 0, 0x40, 0, 0, 0, 0,
        0, 1, 0, 0x40, 1, 0, 0, 0 },
      "GET_VQUEUE response index=1 max_size=256 cur_size=8 flags=0x1 "
      "desc=0x40000000 driver=0x40000080 device=0x140000100" },
    { 0, 0x0a, 48, { 1, 0, 0, 0, 0x21, 0, 0, 0, 8, 0, 0, 0, 9, 9, 9, 9 },
      "SET_VQUEUE request index=1 flags=0x21 size=8 desc=0x0 driver=0x0 "
      "device=0x0" },
    { 0, 0x0a, 44, { 1 },
      "SET_VQUEUE request index=1 flags=0x0 size=0 desc=0x0 driver=0x0 "
      "(too short)" },
    { RESPONSE, 0x0c, 32,
      { 1, 0, 0, 0, 9, 9, 9, 9, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0x10 },
      "GET_SHM response index=1 length=4294967296 address=0x1000" },
    { BUS | RESPONSE, 0x02, 16, { 0, 0, 24, 0, 16, 0, 0x05, 0x80 },
      "GET_DEVICES response offset=0 next_offset=24 count=16 bitmap=0580" },
};

static const Case cases_2025[] = {
    { RESPONSE, 0x02, 32,
      { 4, 0, 0, 0, 0xf4, 0x1a, 0, 0, 64, 0, 0, 0, 0, 1, 0, 0, 1, 0, 0, 0,
        2, 0, 3, 0 },
      "GET_DEVICE_INFO response device_id=4 vendor_id=0x1af4 "
      "num_feature_bits=64 config_size=256 max_virtqueues=1 "
      "admin_vq_start=2 admin_vq_count=3" },
    { RESPONSE, 0x09, 48,
      { 1, 0, 0, 0, 0, 1, 0, 0, 8, 0, 0, 0, 0xff, 0xff, 0xff, 0xff,
        0, 0, 0, 0x40, 0, 0, 0, 0, 0x80, 0, 0, 0x40, 0, 0, 0, 0,
        0, 1, 0, 0x40, 1, 0, 0, 0 },
      "GET_VQUEUE response index=1 max_size=256 cur_size=8 desc=0x40000000 "
      "driver=0x40000080 device=0x140000100" },
    { 0, 0x0a, 48, { 1, 0, 0, 0, 9, 9, 9, 9, 8 },
      "SET_VQUEUE request index=1 size=8 desc=0x0 driver=0x0 device=0x0" },
    { 0, 0x0a, 44,
      { 1, 0, 0, 0, 9, 9, 9, 9, 8, 0, 0, 0, 0, 0, 0, 0x40, 0, 0, 0, 0,
        0x80, 0, 0, 0x40, 0, 0, 0, 0, 0, 1, 0, 0x40, 1, 0, 0, 0 },
      "SET_VQUEUE request index=1 size=8 desc=0x40000000 driver=0x40000080 "
      "device=0x140000100" },
    { 0, 0x0a, 47, { 1 },
      "SET_VQUEUE request index=1 size=0 desc=0x0 driver=0x0 (too short)" },
    { RESPONSE, 0x0c, 20, { 1 },
      "GET_SHM response index=1 length=0 address=0x0" },
    { BUS | RESPONSE, 0x02, 16, { 0, 0, 16, 0, 24, 0, 0x05, 0x80 },
      "GET_DEVICES response offset=0 count=16 next_offset=24 bitmap=0580" },
};

static void fill(struct virtio_msg *msg, const Case *c)
{
    memset(msg, 0, sizeof(*msg));
    msg->type = c->type;
    msg->msg_id = c->id;
    msg->msg_size = GUINT16_TO_LE(c->size);
    memcpy(msg->payload, c->payload, sizeof(c->payload));
}

static void check_cases(const VirtIOMSGWire *wire, const Case *cases,
                        size_t num)
{
    struct virtio_msg msg;
    size_t i;

    for (i = 0; i < num; i++) {
        g_autofree char *text = NULL;

        fill(&msg, &cases[i]);
        text = virtio_msg_to_text(wire, &msg);
        g_assert_cmpstr(text, ==, cases[i].text);
    }
}

static void test_text_2026(void)
{
    check_cases(&virtio_msg_wire_2026, cases, G_N_ELEMENTS(cases));
    check_cases(&virtio_msg_wire_2026, cases_2026, G_N_ELEMENTS(cases_2026));
}

static void test_text_2025(void)
{
    check_cases(&virtio_msg_wire_2025, cases, G_N_ELEMENTS(cases));
    check_cases(&virtio_msg_wire_2025, cases_2025, G_N_ELEMENTS(cases_2025));
}

/* B-05: a size that lies does not make it read beyond the message */
static void test_size_lies(void)
{
    struct virtio_msg *msg = g_new(struct virtio_msg, 1);
    int type, id, size;

    memset(msg, 0xff, sizeof(*msg));
    for (type = 0; type < 4; type++) {
        for (id = 0; id < 256; id++) {
            for (size = 0; size < 65536; size += size < 280 ? 1 : 4096) {
                g_autofree char *text = NULL;
                g_autofree char *text_2025 = NULL;

                msg->type = type;
                msg->msg_id = id;
                msg->msg_size = GUINT16_TO_LE(size);
                text = virtio_msg_to_text(&virtio_msg_wire_2026, msg);
                g_assert_cmpuint(strlen(text), <, 1000);
                text_2025 = virtio_msg_to_text(&virtio_msg_wire_2025, msg);
                g_assert_cmpuint(strlen(text_2025), <, 1000);
            }
        }
    }
    g_free(msg);
}

static void test_names(void)
{
    g_assert_cmpstr(virtio_msg_id_name(false, VIRTIO_MSG_EVENT_USED), ==,
                    "EVENT_USED");
    g_assert_cmpstr(virtio_msg_id_name(true, VIRTIO_MSG_BUS_PING), ==, "PING");
    g_assert_null(virtio_msg_id_name(false, 0));
    g_assert_null(virtio_msg_id_name(false, 0x43));
    g_assert_null(virtio_msg_id_name(true, VIRTIO_MSG_EVENT_USED));
    g_assert_null(virtio_msg_id_name(true, 0xff));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);

    g_test_add_func("/virtio-msg/text/2026", test_text_2026);
    g_test_add_func("/virtio-msg/text/2025", test_text_2025);
    g_test_add_func("/virtio-msg/text/size-lies", test_size_lies);
    g_test_add_func("/virtio-msg/text/names", test_names);
    return g_test_run();
}
