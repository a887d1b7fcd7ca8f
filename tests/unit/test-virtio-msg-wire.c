/*
 * Unit tests of the virtio-msg wire format: where each field lies, and what the
 * two wires make of the fields that they do not have in common
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "hw/virtio/virtio-msg-wire.h"

/* Every number in here is the specification's, not taken from the header */
#define FIELD(type, field, off, len)                                    \
    do {                                                                \
        g_assert_cmpuint(offsetof(struct type, field), ==, off);        \
        g_assert_cmpuint(sizeof(((struct type *)0)->field), ==, len);   \
    } while (0)

#define SIZE(type, size) g_assert_cmpuint(sizeof(struct type), ==, size)

static void test_header(void)
{
    FIELD(virtio_msg, type, 0, 1);
    FIELD(virtio_msg, msg_id, 1, 1);
    FIELD(virtio_msg, dev_num, 2, 2);
    FIELD(virtio_msg, token, 4, 2);
    FIELD(virtio_msg, msg_size, 6, 2);
    FIELD(virtio_msg, payload, 8, 256);
    SIZE(virtio_msg, 264);

    g_assert_cmpuint(VIRTIO_MSG_HDR_SIZE, ==, 8);
    g_assert_cmpuint(VIRTIO_MSG_MIN_MAX_SIZE, ==, 52);
    g_assert_cmpuint(VIRTIO_MSG_MIN_MAX_SIZE_2025, ==, 48);
    g_assert_cmpuint(VIRTIO_MSG_MAX_SIZE, ==, 264);
    g_assert_cmphex(VIRTIO_MSG_TYPE_RESPONSE, ==, 1 << 0);
    g_assert_cmphex(VIRTIO_MSG_TYPE_BUS, ==, 1 << 1);
    g_assert_cmphex(VIRTIO_MSG_ID_EVENT, ==, 1 << 6);
}

/* Whatever the message, its payload follows the header */
static void test_payloads_follow_the_header(void)
{
    FIELD(virtio_msg, get_device_info_resp, 8, 44);
    FIELD(virtio_msg, get_device_info_resp_2025, 8, 24);
    FIELD(virtio_msg, get_features, 8, 8);
    FIELD(virtio_msg, features, 8, 256);
    FIELD(virtio_msg, get_config, 8, 8);
    FIELD(virtio_msg, config, 8, 256);
    FIELD(virtio_msg, status, 8, 4);
    FIELD(virtio_msg, index, 8, 4);
    FIELD(virtio_msg, get_vqueue_resp, 8, 40);
    FIELD(virtio_msg, get_vqueue_resp_2025_07, 8, 36);
    FIELD(virtio_msg, set_vqueue, 8, 40);
    FIELD(virtio_msg, set_vqueue_2025_07, 8, 36);
    FIELD(virtio_msg, get_shm_resp, 8, 24);
    FIELD(virtio_msg, get_shm_resp_2025, 8, 12);
    FIELD(virtio_msg, event_config, 8, 256);
    FIELD(virtio_msg, event_avail, 8, 8);
    FIELD(virtio_msg, get_devices, 8, 4);
    FIELD(virtio_msg, get_devices_resp, 8, 256);
    FIELD(virtio_msg, get_devices_resp_2025, 8, 256);
    FIELD(virtio_msg, ping, 8, 4);
    FIELD(virtio_msg, event_device, 8, 4);
}

static void test_transport_ids(void)
{
    g_assert_cmphex(VIRTIO_MSG_GET_DEVICE_INFO, ==, 0x02);
    g_assert_cmphex(VIRTIO_MSG_GET_DEVICE_FEATURES, ==, 0x03);
    g_assert_cmphex(VIRTIO_MSG_SET_DRIVER_FEATURES, ==, 0x04);
    g_assert_cmphex(VIRTIO_MSG_GET_CONFIG, ==, 0x05);
    g_assert_cmphex(VIRTIO_MSG_SET_CONFIG, ==, 0x06);
    g_assert_cmphex(VIRTIO_MSG_GET_DEVICE_STATUS, ==, 0x07);
    g_assert_cmphex(VIRTIO_MSG_SET_DEVICE_STATUS, ==, 0x08);
    g_assert_cmphex(VIRTIO_MSG_GET_VQUEUE, ==, 0x09);
    g_assert_cmphex(VIRTIO_MSG_SET_VQUEUE, ==, 0x0a);
    g_assert_cmphex(VIRTIO_MSG_RESET_VQUEUE, ==, 0x0b);
    g_assert_cmphex(VIRTIO_MSG_GET_SHM, ==, 0x0c);
    g_assert_cmphex(VIRTIO_MSG_EVENT_CONFIG, ==, 0x40);
    g_assert_cmphex(VIRTIO_MSG_EVENT_AVAIL, ==, 0x41);
    g_assert_cmphex(VIRTIO_MSG_EVENT_USED, ==, 0x42);
    g_assert_cmphex(VIRTIO_MSG_ALL_VQUEUES, ==, 0xffffffff);
    g_assert_cmphex(VIRTIO_MSG_NEXT_OFFSET_MASK, ==, 0x7fffffff);
    g_assert_cmphex(VIRTIO_MSG_NEXT_WRAP, ==, 0x80000000);
}

static void test_bus_ids(void)
{
    g_assert_cmphex(VIRTIO_MSG_BUS_GET_DEVICES, ==, 0x02);
    g_assert_cmphex(VIRTIO_MSG_BUS_PING, ==, 0x03);
    g_assert_cmphex(VIRTIO_MSG_BUS_EVENT_DEVICE, ==, 0x40);
    g_assert_cmpuint(VIRTIO_MSG_DEVICE_ADDED, ==, 1);
    g_assert_cmpuint(VIRTIO_MSG_DEVICE_REMOVED, ==, 2);
    g_assert_cmpuint(VIRTIO_MSG_DEVICES_ALIGN_2025, ==, 8);
}

static void test_get_device_info(void)
{
    FIELD(virtio_msg_get_device_info_resp, device_id, 0, 4);
    FIELD(virtio_msg_get_device_info_resp, vendor_id, 4, 4);
    FIELD(virtio_msg_get_device_info_resp, uuid, 8, 16);
    FIELD(virtio_msg_get_device_info_resp, num_feature_blocks, 24, 4);
    FIELD(virtio_msg_get_device_info_resp, config_size, 28, 4);
    FIELD(virtio_msg_get_device_info_resp, max_virtqueues, 32, 4);
    FIELD(virtio_msg_get_device_info_resp, admin_vq_start, 36, 4);
    FIELD(virtio_msg_get_device_info_resp, admin_vq_count, 40, 4);
    SIZE(virtio_msg_get_device_info_resp, 44);
}

static void test_get_device_info_2025(void)
{
    FIELD(virtio_msg_get_device_info_resp_2025, device_id, 0, 4);
    FIELD(virtio_msg_get_device_info_resp_2025, vendor_id, 4, 4);
    FIELD(virtio_msg_get_device_info_resp_2025, num_feature_bits, 8, 4);
    FIELD(virtio_msg_get_device_info_resp_2025, config_size, 12, 4);
    FIELD(virtio_msg_get_device_info_resp_2025, max_virtqueues, 16, 4);
    FIELD(virtio_msg_get_device_info_resp_2025, admin_vq_start, 20, 2);
    FIELD(virtio_msg_get_device_info_resp_2025, admin_vq_count, 22, 2);
    SIZE(virtio_msg_get_device_info_resp_2025, 24);
}

static void test_features(void)
{
    FIELD(virtio_msg_get_features, block_index, 0, 4);
    FIELD(virtio_msg_get_features, num_blocks, 4, 4);
    SIZE(virtio_msg_get_features, 8);
    FIELD(virtio_msg_features, block_index, 0, 4);
    FIELD(virtio_msg_features, num_blocks, 4, 4);
    FIELD(virtio_msg_features, features, 8, 62 * 4);
    SIZE(virtio_msg_features, 256);
}

static void test_config(void)
{
    FIELD(virtio_msg_get_config, offset, 0, 4);
    FIELD(virtio_msg_get_config, length, 4, 4);
    SIZE(virtio_msg_get_config, 8);
    FIELD(virtio_msg_config, generation, 0, 4);
    FIELD(virtio_msg_config, offset, 4, 4);
    FIELD(virtio_msg_config, length, 8, 4);
    FIELD(virtio_msg_config, data, 12, 244);
    SIZE(virtio_msg_config, 256);
    FIELD(virtio_msg_event_config, status, 0, 4);
    FIELD(virtio_msg_event_config, generation, 4, 4);
    FIELD(virtio_msg_event_config, offset, 8, 4);
    FIELD(virtio_msg_event_config, length, 12, 4);
    FIELD(virtio_msg_event_config, data, 16, 240);
    SIZE(virtio_msg_event_config, 256);
}

static void test_status(void)
{
    FIELD(virtio_msg_status, status, 0, 4);
    SIZE(virtio_msg_status, 4);
}

static void test_vqueue(void)
{
    FIELD(virtio_msg_index, index, 0, 4);
    SIZE(virtio_msg_index, 4);
    FIELD(virtio_msg_get_vqueue_resp, index, 0, 4);
    FIELD(virtio_msg_get_vqueue_resp, max_size, 4, 4);
    FIELD(virtio_msg_get_vqueue_resp, cur_size, 8, 4);
    FIELD(virtio_msg_get_vqueue_resp, flags, 12, 4);
    FIELD(virtio_msg_get_vqueue_resp, desc, 16, 8);
    FIELD(virtio_msg_get_vqueue_resp, driver, 24, 8);
    FIELD(virtio_msg_get_vqueue_resp, device, 32, 8);
    SIZE(virtio_msg_get_vqueue_resp, 40);
    FIELD(virtio_msg_set_vqueue, index, 0, 4);
    FIELD(virtio_msg_set_vqueue, flags, 4, 4);
    FIELD(virtio_msg_set_vqueue, size, 8, 4);
    FIELD(virtio_msg_set_vqueue, reserved, 12, 4);
    FIELD(virtio_msg_set_vqueue, desc, 16, 8);
    FIELD(virtio_msg_set_vqueue, driver, 24, 8);
    FIELD(virtio_msg_set_vqueue, device, 32, 8);
    SIZE(virtio_msg_set_vqueue, 40);
    FIELD(virtio_msg_event_avail, vq_index, 0, 4);
    FIELD(virtio_msg_event_avail, next_offset, 4, 4);
    SIZE(virtio_msg_event_avail, 8);

    g_assert_cmphex(VIRTIO_MSG_VQ_ENABLED, ==, 1 << 0);
    g_assert_cmphex(VIRTIO_MSG_VQ_OP_MASK, ==, 3);
    g_assert_cmpuint(VIRTIO_MSG_VQ_OP_DISABLED, ==, 0);
    g_assert_cmpuint(VIRTIO_MSG_VQ_OP_ENABLE, ==, 1);
    g_assert_cmpuint(VIRTIO_MSG_VQ_OP_KEEP, ==, 2);
    g_assert_cmphex(VIRTIO_MSG_VQ_KEEP_SIZE, ==, 1 << 2);
    g_assert_cmphex(VIRTIO_MSG_VQ_KEEP_DESC, ==, 1 << 3);
    g_assert_cmphex(VIRTIO_MSG_VQ_KEEP_DRIVER, ==, 1 << 4);
    g_assert_cmphex(VIRTIO_MSG_VQ_KEEP_DEVICE, ==, 1 << 5);
}

static void test_vqueue_2025_07(void)
{
    FIELD(virtio_msg_get_vqueue_resp_2025_07, index, 0, 4);
    FIELD(virtio_msg_get_vqueue_resp_2025_07, max_size, 4, 4);
    FIELD(virtio_msg_get_vqueue_resp_2025_07, cur_size, 8, 4);
    FIELD(virtio_msg_get_vqueue_resp_2025_07, desc, 12, 8);
    FIELD(virtio_msg_get_vqueue_resp_2025_07, driver, 20, 8);
    FIELD(virtio_msg_get_vqueue_resp_2025_07, device, 28, 8);
    SIZE(virtio_msg_get_vqueue_resp_2025_07, 36);
    FIELD(virtio_msg_set_vqueue_2025_07, index, 0, 4);
    FIELD(virtio_msg_set_vqueue_2025_07, reserved, 4, 4);
    FIELD(virtio_msg_set_vqueue_2025_07, size, 8, 4);
    FIELD(virtio_msg_set_vqueue_2025_07, desc, 12, 8);
    FIELD(virtio_msg_set_vqueue_2025_07, driver, 20, 8);
    FIELD(virtio_msg_set_vqueue_2025_07, device, 28, 8);
    SIZE(virtio_msg_set_vqueue_2025_07, 36);
}

static void test_shm(void)
{
    FIELD(virtio_msg_get_shm_resp, index, 0, 4);
    FIELD(virtio_msg_get_shm_resp, reserved, 4, 4);
    FIELD(virtio_msg_get_shm_resp, length, 8, 8);
    FIELD(virtio_msg_get_shm_resp, address, 16, 8);
    SIZE(virtio_msg_get_shm_resp, 24);
    FIELD(virtio_msg_get_shm_resp_2025, index, 0, 4);
    FIELD(virtio_msg_get_shm_resp_2025, length, 4, 4);
    FIELD(virtio_msg_get_shm_resp_2025, address, 8, 4);
    SIZE(virtio_msg_get_shm_resp_2025, 12);
}

static void test_bus(void)
{
    FIELD(virtio_msg_get_devices, offset, 0, 2);
    FIELD(virtio_msg_get_devices, count, 2, 2);
    SIZE(virtio_msg_get_devices, 4);
    FIELD(virtio_msg_get_devices_resp, offset, 0, 2);
    FIELD(virtio_msg_get_devices_resp, next_offset, 2, 2);
    FIELD(virtio_msg_get_devices_resp, count, 4, 2);
    FIELD(virtio_msg_get_devices_resp, bitmap, 6, 250);
    SIZE(virtio_msg_get_devices_resp, 256);
    FIELD(virtio_msg_get_devices_resp_2025, offset, 0, 2);
    FIELD(virtio_msg_get_devices_resp_2025, count, 2, 2);
    FIELD(virtio_msg_get_devices_resp_2025, next_offset, 4, 2);
    FIELD(virtio_msg_get_devices_resp_2025, bitmap, 6, 250);
    SIZE(virtio_msg_get_devices_resp_2025, 256);
    FIELD(virtio_msg_ping, data, 0, 4);
    SIZE(virtio_msg_ping, 4);
    FIELD(virtio_msg_event_device, device_number, 0, 2);
    FIELD(virtio_msg_event_device, state, 2, 2);
    SIZE(virtio_msg_event_device, 4);
}

/*
 * The two wires, byte by byte
 */

static const struct {
    const char *name;
    const VirtIOMSGWire *wire;
    uint16_t min_max_msg_size;
    uint16_t devices_align;
    uint16_t min_set_vqueue;
    bool strict_generation;
    bool paced;
} wires[] = {
    { "2025", &virtio_msg_wire_2025, 48, 8, 36, true, true },
    { "2026", &virtio_msg_wire_2026, 52, 1, 40, false, false },
};

static void test_facts(void)
{
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(wires); i++) {
        const VirtIOMSGWire *wire = wires[i].wire;

        g_test_message("%s", wires[i].name);
        g_assert_cmpuint(wire->min_max_msg_size, ==,
                         wires[i].min_max_msg_size);
        g_assert_cmpuint(wire->devices_align, ==, wires[i].devices_align);
        g_assert_cmpuint(wire->min_set_vqueue, ==, wires[i].min_set_vqueue);
        g_assert_cmpint(wire->strict_generation, ==,
                        wires[i].strict_generation);
        g_assert_cmpint(wire->paced, ==, wires[i].paced);
    }
}

/* B-07 */
static void test_fits(void)
{
    size_t i, size;

    for (i = 0; i < G_N_ELEMENTS(wires); i++) {
        g_test_message("%s", wires[i].name);
        for (size = 0; size <= VIRTIO_MSG_MAX_SIZE; size++) {
            g_assert_cmpint(virtio_msg_wire_fits(wires[i].wire, size), ==,
                            size >= wires[i].min_max_msg_size);
        }
        g_assert_true(virtio_msg_wire_fits(wires[i].wire, 65536));
    }
}

#define CHECK_PAYLOAD(msg, size, ...)                                   \
    do {                                                                \
        static const uint8_t want[] = { __VA_ARGS__ };                  \
        static const uint8_t rest[VIRTIO_MSG_MAX_PAYLOAD];              \
        g_assert_cmpuint(size, ==, sizeof(want));                       \
        g_assert_cmpmem((msg)->payload, size, want, sizeof(want));      \
        g_assert_cmpmem((msg)->payload + (size), sizeof(rest) - (size), \
                        rest, sizeof(rest) - (size));                   \
    } while (0)

static void test_put_info(void)
{
    static const VirtIOMSGInfo info = {
        .device_id = 4, .vendor_id = 0x1af4, .num_feature_blocks = 2,
        .config_size = 0x102, .max_virtqueues = 0x10000,
    };
    struct virtio_msg msg = { 0 };
    size_t size;

    size = virtio_msg_wire_2026.put_info(&msg, &info);
    CHECK_PAYLOAD(&msg, size,
                  4, 0, 0, 0, 0xf4, 0x1a, 0, 0,
                  0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
                  2, 0, 0, 0, 2, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0);
    memset(&msg, 0, sizeof(msg));
    size = virtio_msg_wire_2025.put_info(&msg, &info);
    CHECK_PAYLOAD(&msg, size,
                  4, 0, 0, 0, 0xf4, 0x1a, 0, 0, 64, 0, 0, 0, 2, 1, 0, 0,
                  0, 0, 1, 0, 0, 0, 0, 0);
}

static void test_put_queue(void)
{
    VirtIOMSGQueueState queue = {
        .index = 1, .max_size = 256, .size = 8, .enabled = true,
        .desc = 0x40000000, .driver = 0x40000080, .device = 0x140000100,
    };
    struct virtio_msg msg = { 0 };
    size_t size;

    size = virtio_msg_wire_2026.put_queue(&msg, &queue);
    CHECK_PAYLOAD(&msg, size,
                  1, 0, 0, 0, 0, 1, 0, 0, 8, 0, 0, 0, 1, 0, 0, 0,
                  0, 0, 0, 0x40, 0, 0, 0, 0, 0x80, 0, 0, 0x40, 0, 0, 0, 0,
                  0, 1, 0, 0x40, 1, 0, 0, 0);
    queue.enabled = false;
    size = virtio_msg_wire_2026.put_queue(&msg, &queue);
    g_assert_cmphex(msg.payload[12], ==, 0);

    queue.enabled = true;
    memset(&msg, 0, sizeof(msg));
    size = virtio_msg_wire_2025.put_queue(&msg, &queue);
    CHECK_PAYLOAD(&msg, size,
                  1, 0, 0, 0, 0, 1, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0,
                  0, 0, 0, 0x40, 0, 0, 0, 0, 0x80, 0, 0, 0x40, 0, 0, 0, 0,
                  0, 1, 0, 0x40, 1, 0, 0, 0);
}

static void check_change(const VirtIOMSGQueueChange *change)
{
    g_assert_cmpuint(change->index, ==, 1);
    g_assert_cmpuint(change->size, ==, 8);
    g_assert_cmphex(change->desc, ==, 0x40000000);
    g_assert_cmphex(change->driver, ==, 0x40000080);
    g_assert_cmphex(change->device, ==, 0x140000100);
}

static void fill_set_vqueue(struct virtio_msg *msg, uint8_t flags)
{
    const uint8_t payload[] = {
        1, 0, 0, 0, flags, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0,
        0, 0, 0, 0x40, 0, 0, 0, 0, 0x80, 0, 0, 0x40, 0, 0, 0, 0,
        0, 1, 0, 0x40, 1, 0, 0, 0,
    };

    memset(msg, 0, sizeof(*msg));
    memcpy(msg->payload, payload, sizeof(payload));
}

static void test_get_queue_change(void)
{
    VirtIOMSGQueueChange change;
    struct virtio_msg msg;
    unsigned flags;

    for (flags = 0; flags < 64; flags++) {
        fill_set_vqueue(&msg, flags);
        virtio_msg_wire_2026.get_queue_change(&msg, 40, &change);
        check_change(&change);
        g_assert_cmpint(change.valid, ==, flags % 4 != 3);
        g_assert_cmpint(change.disable, ==, flags % 4 == 0);
        g_assert_cmpint(change.enable, ==, flags % 4 == 1);
        g_assert_cmpint(change.keep_size, ==, flags >> 2 & 1);
        g_assert_cmpint(change.keep_desc, ==, flags >> 3 & 1);
        g_assert_cmpint(change.keep_driver, ==, flags >> 4 & 1);
        g_assert_cmpint(change.keep_device, ==, flags >> 5 & 1);

        /* In 2025 that field is reserved */
        virtio_msg_wire_2025.get_queue_change(&msg, 40, &change);
        check_change(&change);
        g_assert_true(change.valid);
        g_assert_true(change.enable);
        g_assert_false(change.disable);
        g_assert_false(change.keep_size | change.keep_desc |
                       change.keep_driver | change.keep_device);
    }
    for (flags = 6; flags < 32; flags++) {
        fill_set_vqueue(&msg, 1);
        msg.payload[4 + flags / 8] |= 1 << flags % 8;
        virtio_msg_wire_2026.get_queue_change(&msg, 40, &change);
        g_assert_false(change.valid);
    }
    /* So is the one behind the size, which 2026 wants to be 0 */
    fill_set_vqueue(&msg, 1);
    msg.payload[15] = 0x80;
    virtio_msg_wire_2026.get_queue_change(&msg, 40, &change);
    g_assert_false(change.valid);
    virtio_msg_wire_2025.get_queue_change(&msg, 40, &change);
    g_assert_true(change.valid);
}

/* The first drivers leave that field out */
static void test_get_queue_change_2025_07(void)
{
    static const uint8_t payload[] = {
        1, 0, 0, 0, 9, 9, 9, 9, 8, 0, 0, 0,
        0, 0, 0, 0x40, 0, 0, 0, 0, 0x80, 0, 0, 0x40, 0, 0, 0, 0,
        0, 1, 0, 0x40, 1, 0, 0, 0,
    };
    struct virtio_msg msg = { 0 };
    VirtIOMSGQueueChange change;
    size_t size;

    memcpy(msg.payload, payload, sizeof(payload));
    for (size = 36; size < 40; size++) {
        virtio_msg_wire_2025.get_queue_change(&msg, size, &change);
        check_change(&change);
        g_assert_true(change.valid);
        g_assert_true(change.enable);
    }
}

static void test_put_shm(void)
{
    VirtIOMSGShm shm = {
        .shmid = 3, .length = 0x1000, .address = 0x80002000,
    };
    struct virtio_msg msg = { 0 };
    size_t size;

    size = virtio_msg_wire_2026.put_shm(&msg, &shm);
    CHECK_PAYLOAD(&msg, size,
                  3, 0, 0, 0, 0, 0, 0, 0, 0, 0x10, 0, 0, 0, 0, 0, 0,
                  0, 0x20, 0, 0x80, 0, 0, 0, 0);
    memset(&msg, 0, sizeof(msg));
    size = virtio_msg_wire_2025.put_shm(&msg, &shm);
    CHECK_PAYLOAD(&msg, size,
                  3, 0, 0, 0, 0, 0x10, 0, 0, 0, 0x20, 0, 0x80);

    /* What does not fit into its fields does not exist there */
    shm.address = 0x180002000;
    memset(&msg, 0, sizeof(msg));
    size = virtio_msg_wire_2025.put_shm(&msg, &shm);
    CHECK_PAYLOAD(&msg, size, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
    shm.address = 0;
    shm.length = 0x100000000;
    memset(&msg, 0, sizeof(msg));
    size = virtio_msg_wire_2025.put_shm(&msg, &shm);
    CHECK_PAYLOAD(&msg, size, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
    memset(&msg, 0, sizeof(msg));
    size = virtio_msg_wire_2026.put_shm(&msg, &shm);
    CHECK_PAYLOAD(&msg, size,
                  3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0,
                  0, 0, 0, 0, 0, 0, 0, 0);
}

static void test_put_devices(void)
{
    static const VirtIOMSGDevices devices = {
        .offset = 0x108, .count = 0x20, .next_offset = 0x400,
    };
    struct virtio_msg msg = { 0 };

    virtio_msg_wire_2026.put_devices(&msg, &devices);
    CHECK_PAYLOAD(&msg, (size_t)6, 8, 1, 0, 4, 0x20, 0);
    memset(&msg, 0, sizeof(msg));
    virtio_msg_wire_2025.put_devices(&msg, &devices);
    CHECK_PAYLOAD(&msg, (size_t)6, 8, 1, 0x20, 0, 0, 4);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);

    g_test_add_func("/virtio-msg/wire/header", test_header);
    g_test_add_func("/virtio-msg/wire/payloads-follow-the-header",
                    test_payloads_follow_the_header);
    g_test_add_func("/virtio-msg/wire/transport-ids", test_transport_ids);
    g_test_add_func("/virtio-msg/wire/bus-ids", test_bus_ids);
    g_test_add_func("/virtio-msg/wire/get-device-info", test_get_device_info);
    g_test_add_func("/virtio-msg/wire/get-device-info-2025",
                    test_get_device_info_2025);
    g_test_add_func("/virtio-msg/wire/features", test_features);
    g_test_add_func("/virtio-msg/wire/config", test_config);
    g_test_add_func("/virtio-msg/wire/status", test_status);
    g_test_add_func("/virtio-msg/wire/vqueue", test_vqueue);
    g_test_add_func("/virtio-msg/wire/vqueue-2025-07", test_vqueue_2025_07);
    g_test_add_func("/virtio-msg/wire/shm", test_shm);
    g_test_add_func("/virtio-msg/wire/bus", test_bus);
    g_test_add_func("/virtio-msg/wire/facts", test_facts);
    g_test_add_func("/virtio-msg/wire/fits", test_fits);
    g_test_add_func("/virtio-msg/wire/put-info", test_put_info);
    g_test_add_func("/virtio-msg/wire/put-queue", test_put_queue);
    g_test_add_func("/virtio-msg/wire/get-queue-change",
                    test_get_queue_change);
    g_test_add_func("/virtio-msg/wire/get-queue-change-2025-07",
                    test_get_queue_change_2025_07);
    g_test_add_func("/virtio-msg/wire/put-shm", test_put_shm);
    g_test_add_func("/virtio-msg/wire/put-devices", test_put_devices);

    return g_test_run();
}
