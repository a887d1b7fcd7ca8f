/*
 * Tests of the virtio-msg transport: what a driver may rely on
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include <linux/virtio_blk.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>
#include <poll.h>
#include <sys/socket.h>
#include "virtio-msg-fixture.h"

/* Tests name the requirements (T-..) that they check */

#define RNG             "-device virtio-rng-device,id=rng%d "

#define BIT(n)          (1ULL << (n))
#define PAGE            4096

#define ACKNOWLEDGE     VIRTIO_CONFIG_S_ACKNOWLEDGE
#define DRIVER          VIRTIO_CONFIG_S_DRIVER
#define FEATURES_OK     VIRTIO_CONFIG_S_FEATURES_OK
#define DRIVER_OK       VIRTIO_CONFIG_S_DRIVER_OK
#define NEEDS_RESET     VIRTIO_CONFIG_S_NEEDS_RESET
#define FAILED          VIRTIO_CONFIG_S_FAILED

#define FEATURES_BASE   (BIT(VIRTIO_F_VERSION_1) | \
                         BIT(VIRTIO_F_ACCESS_PLATFORM))

#define ABSENT          31

static bool is_2025(const VMsgTest *t)
{
    return t->link->wire == VMSG_WIRE_2025;
}

static void start_rng(VMsgTest *t)
{
    vmsg_test_start(t, "", RNG, 0);
}

/*
 * What is no request (T-01)
 */

static void test_unknown_id(void)
{
    struct virtio_msg msg;
    unsigned num = 0;
    VMsgTest t;
    int id;

    start_rng(&t);
    for (id = 0; id < 256; id++) {
        vmsg_init(&msg, 0, id, 0, 56);
        if ((id < VIRTIO_MSG_GET_DEVICE_INFO || id > VIRTIO_MSG_GET_SHM) &&
            id != VIRTIO_MSG_EVENT_AVAIL) {
            vmsg_send(t.link, &msg);
            num++;
        }
        msg.type = VIRTIO_MSG_TYPE_BUS;
        if (id != VIRTIO_MSG_BUS_GET_DEVICES && id != VIRTIO_MSG_BUS_PING) {
            vmsg_send(t.link, &msg);
            num++;
        }
        /* Nothing but the answer of the PING comes back */
        vmsg_ping(t.link);
    }
    g_assert_cmpuint(vmsg_drops(&t, "unknown"), ==, num);
    g_assert_cmpuint(vmsg_drops(&t, "malformed"), ==, 0);
    vmsg_test_stop(&t);
}

static void test_response(void)
{
    struct virtio_msg msg;
    VMsgTest t;
    int id;

    start_rng(&t);
    for (id = 0; id < 0x48; id++) {
        vmsg_init(&msg, VIRTIO_MSG_TYPE_RESPONSE, id, 0, 56);
        vmsg_send(t.link, &msg);
        msg.type |= VIRTIO_MSG_TYPE_BUS;
        vmsg_send(t.link, &msg);
        vmsg_ping(t.link);
    }
    g_assert_cmpuint(vmsg_drops(&t, "unknown"), ==, 2 * 0x48);
    vmsg_test_stop(&t);
}

static void test_malformed(void)
{
    /* The payload that each id needs */
    const struct {
        uint8_t type;
        uint8_t id;
        uint16_t payload;
    } needs[] = {
        { 0, VIRTIO_MSG_GET_DEVICE_INFO, 0 },
        { 0, VIRTIO_MSG_GET_DEVICE_FEATURES, 8 },
        { 0, VIRTIO_MSG_SET_DRIVER_FEATURES, 8 },
        { 0, VIRTIO_MSG_GET_CONFIG, 8 },
        { 0, VIRTIO_MSG_SET_CONFIG, 12 },
        { 0, VIRTIO_MSG_GET_DEVICE_STATUS, 0 },
        { 0, VIRTIO_MSG_SET_DEVICE_STATUS, 4 },
        { 0, VIRTIO_MSG_GET_VQUEUE, 4 },
        /* 36 is that of the first drivers, see T-24 */
        { 0, VIRTIO_MSG_SET_VQUEUE,
          vmsg_default_wire() == VMSG_WIRE_2025 ? 36 : 40 },
        { 0, VIRTIO_MSG_RESET_VQUEUE, 4 },
        { 0, VIRTIO_MSG_GET_SHM, 4 },
        { 0, VIRTIO_MSG_EVENT_AVAIL, 8 },
        { VIRTIO_MSG_TYPE_BUS, VIRTIO_MSG_BUS_GET_DEVICES, 4 },
        { VIRTIO_MSG_TYPE_BUS, VIRTIO_MSG_BUS_PING, 4 },
    };
    static const uint16_t too_large[] = { 65, 264, 265, 0x8000, 0xffff };
    struct virtio_msg msg;
    unsigned num = 0;
    VMsgTest t;
    size_t i, n;

    start_rng(&t);
    for (i = 0; i < G_N_ELEMENTS(needs); i++) {
        vmsg_init(&msg, needs[i].type, needs[i].id, 0, 0);
        for (n = 0; n < VIRTIO_MSG_HDR_SIZE + needs[i].payload; n++) {
            msg.msg_size = GUINT16_TO_LE(n);
            vmsg_send(t.link, &msg);
            num++;
            if (n % 16 == 0) {
                vmsg_ping(t.link);
            }
        }
        for (n = 0; n < G_N_ELEMENTS(too_large); n++) {
            msg.msg_size = GUINT16_TO_LE(too_large[n]);
            vmsg_send(t.link, &msg);
            num++;
        }
        vmsg_ping(t.link);
    }
    g_assert_cmpuint(vmsg_drops(&t, "malformed"), ==, num);
    g_assert_cmpuint(vmsg_drops(&t, "unknown"), ==, 0);
    g_assert_cmphex(vmsg_get_status(t.link, 0), ==, 0);
    vmsg_test_stop(&t);
}

/* Counts inside of a message that promise more than the message holds */
static void test_counts_beyond_the_message(void)
{
    static const uint32_t counts[] = { 2, 13, 0x10000, 0x40000000, 0xffffffff };
    struct virtio_msg msg;
    VMsgTest t;
    size_t i;

    start_rng(&t);
    for (i = 0; i < G_N_ELEMENTS(counts); i++) {
        vmsg_init(&msg, 0, VIRTIO_MSG_SET_DRIVER_FEATURES, 0, 12);
        msg.features.num_blocks = GUINT32_TO_LE(counts[i]);
        vmsg_send(t.link, &msg);
        vmsg_init(&msg, 0, VIRTIO_MSG_SET_CONFIG, 0, 13);
        msg.config.length = GUINT32_TO_LE(counts[i]);
        vmsg_send(t.link, &msg);
    }
    g_assert_cmpuint(vmsg_drops(&t, "malformed"), ==, 2 * i);
    vmsg_test_stop(&t);
}

static void test_absent_device(void)
{
    static const uint16_t absent[] = { 1, 2, 7, 8, 31, 32, 255, 256, 0xffff };
    struct virtio_msg msg;
    unsigned num = 0;
    VMsgTest t;
    size_t i;
    int id;

    start_rng(&t);
    for (i = 0; i < G_N_ELEMENTS(absent); i++) {
        VMsgInfo info = vmsg_get_info(t.link, absent[i]);

        g_assert_cmpuint(info.device_id, ==, 0);
        for (id = VIRTIO_MSG_GET_DEVICE_FEATURES; id <= VIRTIO_MSG_GET_SHM;
             id++) {
            vmsg_init(&msg, 0, id, absent[i], 56);
            vmsg_send(t.link, &msg);
            num++;
        }
        vmsg_init(&msg, 0, VIRTIO_MSG_EVENT_AVAIL, absent[i], 56);
        vmsg_send(t.link, &msg);
        num++;
        vmsg_ping(t.link);
    }
    g_assert_cmpuint(vmsg_drops(&t, "no-device"), ==, num);
    vmsg_test_stop(&t);
}

/*
 * Requests in general
 */

/* T-02 */
static void test_one_response_each_in_order(void)
{
    static const struct {
        uint8_t type;
        uint8_t id;
    } kinds[] = {
        { 0, VIRTIO_MSG_GET_DEVICE_STATUS },
        { VIRTIO_MSG_TYPE_BUS, VIRTIO_MSG_BUS_PING },
        { 0, VIRTIO_MSG_GET_DEVICE_INFO },
        { 0, VIRTIO_MSG_GET_DEVICE_FEATURES },
        { 0, VIRTIO_MSG_GET_VQUEUE },
    };
    struct virtio_msg sent[60], msg;
    VMsgTest t;
    int round;
    size_t i;

    vmsg_test_start(&t, "", RNG RNG RNG, 0, 1, 2);
    vmsg_ping(t.link);
    for (round = 0; round < 20; round++) {
        for (i = 0; i < G_N_ELEMENTS(sent); i++) {
            unsigned kind = g_test_rand_int_range(0, G_N_ELEMENTS(kinds));

            vmsg_init(&sent[i], kinds[kind].type, kinds[kind].id,
                      kinds[kind].type ? 0 : g_test_rand_int_range(0, 3), 56);
            sent[i].token = g_test_rand_int();
            g_assert_true(vmsg_try_put(t.link, &sent[i]));
        }
        vmsg_link_ring(t.link);
        for (i = 0; i < G_N_ELEMENTS(sent); i++) {
            vmsg_get(t.link, &msg);
            g_assert_cmphex(msg.type, ==,
                            sent[i].type | VIRTIO_MSG_TYPE_RESPONSE);
            g_assert_cmphex(msg.msg_id, ==, sent[i].msg_id);
            g_assert_cmpuint(msg.dev_num, ==, sent[i].dev_num);
            g_assert_cmphex(msg.token, ==, sent[i].token);
        }
        g_assert_false(vmsg_try_get(t.link, &msg));
    }
    vmsg_test_stop(&t);
}

/* T-03, B-06 */
static void test_longer_messages(void)
{
    struct virtio_msg req, resp;
    VMsgTest t;
    int id, n;

    start_rng(&t);
    for (id = VIRTIO_MSG_GET_DEVICE_INFO; id <= VIRTIO_MSG_GET_SHM; id++) {
        vmsg_init(&req, 0xfc, id, 0, 56);
        memset(req.payload, 0, 44);
        memset(req.payload + 44, 0xee, 12);
        vmsg_request(t.link, &req, &resp);

        /* Reserved bits are ignored here, and 0 in what comes back */
        g_assert_cmphex(resp.type, ==, VIRTIO_MSG_TYPE_RESPONSE);
        for (n = GUINT16_FROM_LE(resp.msg_size); n < 64; n++) {
            g_assert_cmphex(((uint8_t *)&resp)[n], ==, 0);
        }
    }
    for (id = VIRTIO_MSG_BUS_GET_DEVICES; id <= VIRTIO_MSG_BUS_PING; id++) {
        vmsg_init(&req, 0xfc | VIRTIO_MSG_TYPE_BUS, id, 0, 56);
        memset(req.payload + 8, 0xee, 48);
        vmsg_send(t.link, &req);
        vmsg_get(t.link, &resp);
        while (!(resp.type & VIRTIO_MSG_TYPE_RESPONSE)) {
            vmsg_get(t.link, &resp);
        }
        g_assert_cmphex(resp.type, ==,
                        VIRTIO_MSG_TYPE_RESPONSE | VIRTIO_MSG_TYPE_BUS);
        g_assert_cmphex(resp.msg_id, ==, id);
    }
    g_assert_cmpuint(vmsg_drops(&t, "malformed"), ==, 0);
    vmsg_test_stop(&t);
}

/* T-03; those of SET_VQUEUE have a meaning since 2026 */
static void test_reserved_fields_are_ignored(void)
{
    struct virtio_msg req, resp;
    uint64_t ring;
    VMsgTest t;

    start_rng(&t);
    vmsg_negotiate(t.link, 0, 0);

    vmsg_init(&req, 0, VIRTIO_MSG_GET_DEVICE_STATUS, 0, 0);
    req.type = 0xfc;
    req.token = GUINT16_TO_LE(7);
    vmsg_send(t.link, &req);
    vmsg_get(t.link, &resp);
    while (resp.msg_id & VIRTIO_MSG_ID_EVENT) {
        vmsg_get(t.link, &resp);
    }
    g_assert_cmphex(resp.type, ==, VIRTIO_MSG_TYPE_RESPONSE);
    g_assert_cmpuint(resp.msg_id, ==, VIRTIO_MSG_GET_DEVICE_STATUS);
    g_assert_cmphex(GUINT32_FROM_LE(resp.status.status), ==,
                    ACKNOWLEDGE | DRIVER | FEATURES_OK);

    ring = vmsg_link_alloc(t.link, 3 * PAGE);
    vmsg_init(&req, 0, VIRTIO_MSG_SET_VQUEUE, 0, sizeof(req.set_vqueue));
    req.set_vqueue.flags = GUINT32_TO_LE(0xdeadbeef);
    req.set_vqueue.reserved = GUINT32_TO_LE(0xdeadbeef);
    req.set_vqueue.size = GUINT32_TO_LE(8);
    req.set_vqueue.desc = GUINT64_TO_LE(ring);
    req.set_vqueue.driver = GUINT64_TO_LE(ring + PAGE);
    req.set_vqueue.device = GUINT64_TO_LE(ring + 2 * PAGE);
    vmsg_request(t.link, &req, &resp);
    g_assert_cmpuint(vmsg_get_vqueue(t.link, 0, 0).cur_size, ==,
                     is_2025(&t) ? 8 : 0);
    vmsg_test_stop(&t);
}

/*
 * Device information and features
 */

/* T-04 */
static void test_info_in_every_state(void)
{
    VMsgQueue q;
    VMsgInfo info;
    VMsgTest t;

    start_rng(&t);
    info = vmsg_get_info(t.link, 0);
    g_assert_cmpuint(info.device_id, ==, VIRTIO_ID_RNG);
    g_assert_cmphex(info.vendor_id, ==, 0x1af4);
    g_assert_cmpuint(info.num_feature_bits, >, 0);
    g_assert_cmpuint(info.num_feature_bits % 32, ==, 0);
    g_assert_cmpuint(info.config_size, ==, 0);
    g_assert_cmpuint(info.max_virtqueues, ==, 1);

    vmsg_set_status(t.link, 0, ACKNOWLEDGE);
    vmsg_assert_info(t.link, 0, &info);
    vmsg_negotiate(t.link, 0, 0);
    vmsg_assert_info(t.link, 0, &info);
    vmsg_rng_up(t.link, 0, 0, &q);
    vmsg_assert_info(t.link, 0, &info);
    vmsg_set_status(t.link, 0, FAILED);
    vmsg_assert_info(t.link, 0, &info);
    vmsg_set_status(t.link, 0, 0);
    vmsg_assert_info(t.link, 0, &info);
    vmsg_test_stop(&t);
}

static uint32_t get_blocks(VMsgTest *t, uint32_t index, uint32_t num,
                           uint32_t *bits)
{
    struct virtio_msg req, resp;
    uint32_t got;

    vmsg_init(&req, 0, VIRTIO_MSG_GET_DEVICE_FEATURES, 0,
              sizeof(req.get_features));
    req.get_features.block_index = GUINT32_TO_LE(index);
    req.get_features.num_blocks = GUINT32_TO_LE(num);
    vmsg_request(t->link, &req, &resp);
    got = GUINT32_FROM_LE(resp.features.num_blocks);
    g_assert_cmpuint(GUINT32_FROM_LE(resp.features.block_index), ==, index);
    g_assert_cmpuint(got, ==, MIN(num, 12));
    g_assert_cmpuint(GUINT16_FROM_LE(resp.msg_size), ==, 16 + 4 * got);
    g_assert_cmpuint(GUINT16_FROM_LE(resp.msg_size), <=, 64);
    memcpy(bits, resp.features.features, 4 * got);
    return got;
}

/* T-05 */
static void test_feature_windows(void)
{
    /* As many as fit into one message */
    uint32_t all[12], some[12];
    const uint32_t beyond[] = { 2, 3, 31, 0x7fffffff, 0xffffffff };
    uint32_t blocks, i, n;
    VMsgTest t;

    start_rng(&t);
    blocks = vmsg_get_info(t.link, 0).num_feature_bits / 32;
    g_assert_cmpuint(blocks, ==, 2);

    get_blocks(&t, 0, 0, all);
    get_blocks(&t, 0, 12, all);
    g_assert_cmphex(all[0] | (uint64_t)all[1] << 32, ==,
                    vmsg_get_features(t.link, 0));
    for (i = blocks; i < 12; i++) {
        g_assert_cmphex(all[i], ==, 0);
    }
    for (i = 0; i < 12; i++) {
        for (n = 1; n <= 12 - i; n++) {
            get_blocks(&t, i, n, some);
            g_assert_cmpmem(some, n * 4, all + i, n * 4);
        }
    }
    get_blocks(&t, 0, 1000, some);
    g_assert_cmpmem(some, sizeof(some), all, sizeof(all));
    get_blocks(&t, 0, 0xffffffff, some);
    g_assert_cmpmem(some, sizeof(some), all, sizeof(all));
    for (i = 0; i < G_N_ELEMENTS(beyond); i++) {
        get_blocks(&t, beyond[i], 0xffffffff, some);
        for (n = 0; n < 12; n++) {
            g_assert_cmphex(some[n], ==, 0);
        }
    }
    vmsg_test_stop(&t);
}

static uint32_t try_features_ok(VMsgTest *t)
{
    return vmsg_set_status(t->link, 0, ACKNOWLEDGE | DRIVER | FEATURES_OK);
}

/* T-06 */
static void test_features_in_pieces(void)
{
    const uint64_t set = FEATURES_BASE | BIT(VIRTIO_RING_F_EVENT_IDX);
    VMsgTest t;

    start_rng(&t);
    g_assert_cmphex(vmsg_get_features(t.link, 0) & set, ==, set);

    vmsg_set_status(t.link, 0, ACKNOWLEDGE | DRIVER);
    vmsg_set_feature_block(t.link, 0, 1, set >> 32);
    vmsg_set_feature_block(t.link, 0, 0, (uint32_t)set);
    g_assert_cmphex(try_features_ok(&t) & FEATURES_OK, ==, FEATURES_OK);

    /* The last word on a block counts */
    vmsg_set_status(t.link, 0, 0);
    vmsg_set_feature_block(t.link, 0, 0, 0xffffffff);
    vmsg_set_feature_block(t.link, 0, 1, set >> 32);
    vmsg_set_feature_block(t.link, 0, 0, 0);
    g_assert_cmphex(try_features_ok(&t) & FEATURES_OK, ==, FEATURES_OK);
    vmsg_test_stop(&t);
}

/* T-06, T-07 */
static void test_features_refused(void)
{
    uint64_t offered;
    unsigned bit;
    VMsgTest t;

    start_rng(&t);
    offered = vmsg_get_features(t.link, 0);

    for (bit = 0; bit < 64; bit++) {
        if (offered & BIT(bit)) {
            continue;
        }
        vmsg_set_status(t.link, 0, 0);
        vmsg_set_features(t.link, 0, FEATURES_BASE | BIT(bit));
        g_assert_cmphex(try_features_ok(&t), ==, ACKNOWLEDGE | DRIVER);
    }

    /* Bits that nobody has a number for yet */
    vmsg_set_status(t.link, 0, 0);
    vmsg_set_features(t.link, 0, FEATURES_BASE);
    vmsg_set_feature_block(t.link, 0, 2, 1);
    g_assert_cmphex(try_features_ok(&t), ==, ACKNOWLEDGE | DRIVER);
    vmsg_set_status(t.link, 0, 0);
    vmsg_set_features(t.link, 0, FEATURES_BASE);
    vmsg_set_feature_block(t.link, 0, 0xffffffff, 0x80000000);
    g_assert_cmphex(try_features_ok(&t), ==, ACKNOWLEDGE | DRIVER);
    vmsg_set_status(t.link, 0, 0);
    vmsg_set_features(t.link, 0, FEATURES_BASE);
    vmsg_set_feature_block(t.link, 0, 0xffffffff, 0);
    g_assert_cmphex(try_features_ok(&t) & FEATURES_OK, ==, FEATURES_OK);

    /* A driver without these could not reach its own memory */
    vmsg_set_status(t.link, 0, 0);
    vmsg_set_features(t.link, 0, BIT(VIRTIO_F_VERSION_1));
    g_assert_cmphex(try_features_ok(&t), ==, ACKNOWLEDGE | DRIVER);
    vmsg_set_status(t.link, 0, 0);
    vmsg_set_features(t.link, 0, BIT(VIRTIO_F_ACCESS_PLATFORM));
    g_assert_cmphex(try_features_ok(&t), ==, ACKNOWLEDGE | DRIVER);

    /* The refusal is not for ever */
    vmsg_set_features(t.link, 0, FEATURES_BASE);
    g_assert_cmphex(try_features_ok(&t) & FEATURES_OK, ==, FEATURES_OK);
    vmsg_test_stop(&t);
}

/* T-07: what was agreed on stays */
static void test_features_after_features_ok(void)
{
    VMsgQueue q;
    VMsgTest t;

    start_rng(&t);
    vmsg_negotiate(t.link, 0, 0);
    vmsg_set_features(t.link, 0, 0xffffffffffffffff);
    g_assert_cmphex(vmsg_get_status(t.link, 0), ==,
                    ACKNOWLEDGE | DRIVER | FEATURES_OK);
    vmsg_queue_init(&q, t.link, 0, 0, VMSG_RNG_QUEUE_SIZE);
    vmsg_driver_ok(t.link, 0);
    vmsg_rng_read(&q);
    vmsg_test_stop(&t);
}

/* T-07 */
static void test_status_bits(void)
{
    VMsgTest t;

    start_rng(&t);
    g_assert_cmphex(vmsg_get_status(t.link, 0), ==, 0);
    g_assert_cmphex(vmsg_set_status(t.link, 0, ACKNOWLEDGE), ==, ACKNOWLEDGE);
    g_assert_cmphex(vmsg_set_status(t.link, 0, DRIVER), ==,
                    ACKNOWLEDGE | DRIVER);
    g_assert_cmphex(vmsg_set_status(t.link, 0, ACKNOWLEDGE), ==,
                    ACKNOWLEDGE | DRIVER);
    /* The device's bit is not the driver's to set */
    g_assert_cmphex(vmsg_set_status(t.link, 0, NEEDS_RESET), ==,
                    ACKNOWLEDGE | DRIVER);
    /* No DRIVER_OK on top of features that nobody agreed on */
    g_assert_cmphex(vmsg_set_status(t.link, 0, DRIVER_OK), ==,
                    ACKNOWLEDGE | DRIVER);
    g_assert_cmphex(vmsg_set_status(t.link, 0, FAILED), ==,
                    ACKNOWLEDGE | DRIVER | FAILED);
    g_assert_cmphex(vmsg_get_status(t.link, 0), ==,
                    ACKNOWLEDGE | DRIVER | FAILED);
    /* Bits above the eighth do not exist */
    g_assert_cmphex(vmsg_set_status(t.link, 0, 0xffffff00), ==,
                    ACKNOWLEDGE | DRIVER | FAILED);
    g_assert_cmphex(vmsg_set_status(t.link, 0, 0), ==, 0);
    vmsg_test_stop(&t);
}

/* T-08 */
static void test_reset(void)
{
    VMsgQueueState state;
    VMsgQueue q;
    VMsgTest t;

    start_rng(&t);
    vmsg_rng_up(t.link, 0, BIT(VIRTIO_RING_F_EVENT_IDX), &q);
    g_assert_cmphex(vmsg_set_status(t.link, 0, 0), ==, 0);
    g_assert_cmphex(vmsg_get_status(t.link, 0), ==, 0);

    state = vmsg_get_vqueue(t.link, 0, 0);
    g_assert_cmpuint(state.max_size, >=, VMSG_RNG_QUEUE_SIZE);
    g_assert_cmpuint(state.cur_size, ==, 0);
    g_assert_cmphex(state.desc | state.driver | state.device, ==, 0);

    /* The features are forgotten: the second FEATURES_OK has none */
    g_assert_cmphex(try_features_ok(&t), ==, ACKNOWLEDGE | DRIVER);

    vmsg_rng_up(t.link, 0, 0, &q);
    vmsg_rng_read(&q);
    vmsg_test_stop(&t);
}

/* T-08 */
static void test_no_event_used_after_reset(void)
{
    VMsgBuffer buf = { .len = 64, .device_writes = true };
    VMsgQueue q;
    VMsgTest t;
    int round, i;

    start_rng(&t);
    buf.addr = vmsg_link_alloc(t.link, 64);
    for (round = 0; round < 50; round++) {
        vmsg_rng_up(t.link, 0, 0, &q);
        for (i = 0; i < VMSG_RNG_QUEUE_SIZE; i++) {
            vmsg_queue_add(&q, &buf, 1);
        }
        vmsg_queue_kick(&q);
        vmsg_set_status(t.link, 0, 0);
        /* What was sent before the answer is of before the reset */
        vmsg_drop_events(t.link);
        for (i = 0; i < 5; i++) {
            g_assert_false(vmsg_take_event(t.link, 0, VIRTIO_MSG_EVENT_USED, 0,
                                           NULL));
        }
    }
    vmsg_test_stop(&t);
}

/* A disk that takes its time, so that a reset meets requests in flight */
typedef struct SlowDisk {
    VMsgTest t;
    VMsgQueue q;
    uint64_t hdr;
    uint64_t status;
} SlowDisk;

static void slow_disk_start(SlowDisk *d)
{
    vmsg_test_start(&d->t, "",
                    "-blockdev driver=null-co,node-name=disk0,size=1048576,"
                    "read-zeroes=on,latency-ns=20000000 "
                    "-device virtio-blk-device,drive=disk0 " RNG, 1);
    d->hdr = vmsg_link_alloc(d->t.link, 1024);
    d->status = vmsg_link_alloc(d->t.link, 1);
}

/* As many requests as there is room for */
static void slow_disk_read(SlowDisk *d)
{
    VMsgBuffer bufs[] = {
        { d->hdr, sizeof(struct virtio_blk_outhdr), false },
        { d->hdr + 512, 512, true },
        { d->status, 1, true },
    };
    int i;

    vmsg_negotiate(d->t.link, 0, 0);
    vmsg_queue_init(&d->q, d->t.link, 0, 0, 64);
    vmsg_driver_ok(d->t.link, 0);
    for (i = 0; i < 64 / 3; i++) {
        vmsg_queue_add(&d->q, bufs, G_N_ELEMENTS(bufs));
    }
    vmsg_queue_kick(&d->q);
}

/* T-08 */
static void test_reset_with_requests_in_flight(void)
{
    VMsgQueue rng;
    SlowDisk d;
    int round;

    slow_disk_start(&d);
    vmsg_rng_up(d.t.link, 1, 0, &rng);
    for (round = 0; round < 10; round++) {
        slow_disk_read(&d);
        g_assert_cmphex(vmsg_set_status(d.t.link, 0, 0), ==, 0);
        vmsg_drop_events(d.t.link);
        g_assert_cmpuint(vmsg_get_vqueue(d.t.link, 0, 0).cur_size, ==, 0);
        vmsg_rng_read(&rng);
        g_assert_false(vmsg_take_event(d.t.link, 0, VIRTIO_MSG_EVENT_USED, 0,
                                       NULL));
    }
    vmsg_test_stop(&d.t);
}

/* T-02: what is sent during such a reset is answered after it, all in order */
static void test_requests_during_a_reset(void)
{
    struct virtio_msg reset, ping, msg;
    unsigned pings = 57, sent, answered = 0;
    VMsgLink *link;
    bool reset_seen;
    int round;
    SlowDisk d;

    slow_disk_start(&d);
    link = d.t.link;
    vmsg_init(&reset, 0, VIRTIO_MSG_SET_DEVICE_STATUS, 0,
              sizeof(reset.status));
    vmsg_init(&ping, VIRTIO_MSG_TYPE_BUS, VIRTIO_MSG_BUS_PING, 0,
              sizeof(ping.ping));
    for (round = 0; round < 10; round++) {
        slow_disk_read(&d);
        vmsg_drop_events(link);

        /*
         * All at once, so that the device side has answers to announce when
         * it comes to the reset; and then more than it has room to answer.
         */
        for (sent = 0; sent < pings; sent++) {
            ping.token = GUINT16_TO_LE(sent);
            g_assert_true(vmsg_try_put(link, &ping));
        }
        g_assert_true(vmsg_try_put(link, &reset));
        for (; sent < pings + 40; sent++) {
            ping.token = GUINT16_TO_LE(sent);
            while (!vmsg_try_put(link, &ping)) {
                vmsg_link_ring(link);
                vmsg_settle(&d.t);
            }
        }
        vmsg_link_ring(link);
        vmsg_settle(&d.t);

        reset_seen = false;
        for (answered = 0; answered < sent;) {
            vmsg_get(link, &msg);
            if (msg.type == VIRTIO_MSG_TYPE_BUS) {
                /* In 2025 news come when they like */
                continue;
            }
            if (msg.type & VIRTIO_MSG_TYPE_BUS) {
                g_assert_cmpuint(GUINT16_FROM_LE(msg.token), ==, answered);
                answered++;
            } else if (msg.msg_id == VIRTIO_MSG_SET_DEVICE_STATUS) {
                g_assert_cmpuint(answered, ==, pings);
                g_assert_cmphex(msg.status.status, ==, 0);
                reset_seen = true;
            } else {
                g_assert_cmphex(msg.msg_id, ==, VIRTIO_MSG_EVENT_USED);
                g_assert_false(reset_seen);
            }
        }
        g_assert_true(reset_seen);
    }
    vmsg_test_stop(&d.t);
}

/*
 * Configuration
 */

#define BLK_SIZE        (1024 * 1024)
#define BLK_CAPACITY    offsetof(struct virtio_blk_config, capacity)
#define BLK_WCE         offsetof(struct virtio_blk_config, wce)

/* A disk whose memory goes with the test's end */
static void start_blk(VMsgTest *t)
{
    int disk = vmsg_disk(BLK_SIZE);

    vmsg_test_start(t, "",
                    "-blockdev driver=file,node-name=disk0,locking=off,"
                    "filename=/proc/self/fd/%d "
                    "-device virtio-blk-device,drive=disk0", disk);
    close(disk);
}

static void resize_disk(VMsgTest *t, uint64_t size)
{
    qtest_qmp_assert_success(t->qts, "{ 'execute': 'block_resize', 'arguments':"
                             " { 'node-name': 'disk0', 'size': %" PRIu64 " } }",
                             size);
}

static uint64_t blk_capacity(VMsgTest *t, uint32_t *generation)
{
    uint64_t capacity;

    g_assert_cmpuint(vmsg_get_config(t->link, 0, BLK_CAPACITY,
                                     sizeof(capacity), &capacity, generation),
                     ==, sizeof(capacity));
    return GUINT64_FROM_LE(capacity) * 512;
}

/* T-09 */
static void test_config_bounds(void)
{
    uint8_t config[256] = { 0 }, again[256] = { 0 };
    uint8_t junk[8];
    uint32_t size, i, generation;
    VMsgTest t;

    memset(junk, 0xff, sizeof(junk));
    start_blk(&t);
    size = vmsg_get_info(t.link, 0).config_size;
    g_assert_cmpuint(size, >, BLK_WCE);
    g_assert_cmpuint(size, <=, sizeof(config));
    g_assert_cmpuint(blk_capacity(&t, NULL), ==, BLK_SIZE);
    for (i = 0; i < size; i++) {
        g_assert_cmpuint(vmsg_get_config(t.link, 0, i, 1, config + i,
                                         &generation), ==, 1);
    }

    g_assert_cmpuint(vmsg_get_config(t.link, 0, 0, 0, NULL, NULL), ==, 0);
    g_assert_cmpuint(vmsg_get_config(t.link, 0, size - 1, 2, NULL, NULL), ==,
                     0);
    g_assert_cmpuint(vmsg_get_config(t.link, 0, size, 1, NULL, NULL), ==, 0);
    g_assert_cmpuint(vmsg_get_config(t.link, 0, size + 1, 1, NULL, NULL), ==,
                     0);
    g_assert_cmpuint(vmsg_get_config(t.link, 0, 0, 0xffffffff, NULL, NULL),
                     ==, 0);
    g_assert_cmpuint(vmsg_get_config(t.link, 0, 0xffffffff, 1, NULL, NULL),
                     ==, 0);
    g_assert_cmpuint(vmsg_get_config(t.link, 0, 0xfffffff8, 16, NULL, NULL),
                     ==, 0);
    /* The largest window whose answer fits into a message of 64 bytes */
    g_assert_cmpuint(vmsg_get_config(t.link, 0, 0, 44, again, NULL), ==, 44);
    g_assert_cmpmem(again, 44, config, 44);
    g_assert_cmpuint(vmsg_get_config(t.link, 0, 0, 45, NULL, NULL), ==, 0);

    g_assert_cmpuint(vmsg_set_config(t.link, 0, size - 1, 2, junk,
                                     &generation), ==, 0);
    g_assert_cmpuint(vmsg_set_config(t.link, 0, size, 1, junk, &generation),
                     ==, 0);
    g_assert_cmpuint(vmsg_set_config(t.link, 0, size + 1, 1, junk,
                                     &generation), ==, 0);
    g_assert_cmpuint(vmsg_set_config(t.link, 0, 0xfffffffc, 8, junk,
                                     &generation), ==, 0);
    for (i = 0; i < size; i++) {
        vmsg_get_config(t.link, 0, i, 1, again + i, NULL);
    }
    g_assert_cmpmem(again, size, config, size);
    vmsg_test_stop(&t);
}

/* T-09, T-11: as drivers ask when the generation is all that they want */
static void test_config_no_bytes(void)
{
    uint32_t offsets[] = { 0, BLK_WCE, 0 };
    uint32_t old, generation, current;
    VMsgTest t;
    size_t i;

    start_blk(&t);
    offsets[2] = vmsg_get_info(t.link, 0).config_size;
    blk_capacity(&t, &old);
    for (i = 0; i < G_N_ELEMENTS(offsets); i++) {
        generation = old + 1;
        g_assert_cmpuint(vmsg_get_config(t.link, 0, offsets[i], 0, NULL,
                                         &generation), ==, 0);
        g_assert_cmpuint(generation, ==, old);

        /* It is the first to tell of a change */
        resize_disk(&t, (i + 2) * BLK_SIZE);
        vmsg_get_config(t.link, 0, offsets[i], 0, NULL, &generation);
        g_assert_cmpuint(generation, !=, old);
        g_assert_cmpuint(blk_capacity(&t, &current), ==, (i + 2) * BLK_SIZE);
        g_assert_cmpuint(generation, ==, current);
        old = current;
    }
    vmsg_test_stop(&t);
}

static uint8_t blk_wce(VMsgTest *t)
{
    uint8_t wce;

    g_assert_cmpuint(vmsg_get_config(t->link, 0, BLK_WCE, 1, &wce, NULL), ==,
                     1);
    return wce;
}

/* T-10; drivers of 2026 send no generation */
static void test_set_config_generation(void)
{
    bool strict = vmsg_default_wire() == VMSG_WIRE_2025;
    uint32_t current, generation;
    uint8_t old, new;
    VMsgTest t;

    start_blk(&t);
    /* Nobody is told of a change yet, and it counts all the same */
    old = blk_wce(&t);
    blk_capacity(&t, &current);
    resize_disk(&t, 3 * BLK_SIZE);
    generation = current;
    g_assert_cmpuint(vmsg_set_config(t.link, 0, BLK_WCE, 1, &old, &generation),
                     ==, !strict);
    g_assert_cmpuint(generation, !=, current);

    vmsg_negotiate(t.link, 0, BIT(VIRTIO_BLK_F_CONFIG_WCE));
    blk_capacity(&t, &current);
    old = blk_wce(&t);
    new = !old;

    generation = current + 1;
    g_assert_cmpuint(vmsg_set_config(t.link, 0, BLK_WCE, 1, &new, &generation),
                     ==, !strict);
    g_assert_cmpuint(generation, ==, current);
    g_assert_cmpuint(blk_wce(&t), ==, strict ? old : new);
    vmsg_set_config(t.link, 0, BLK_WCE, 1, &old, &generation);

    /* A change that the driver did not hear of yet counts as well */
    resize_disk(&t, 2 * BLK_SIZE);
    generation = current;
    g_assert_cmpuint(vmsg_set_config(t.link, 0, BLK_WCE, 1, &new, &generation),
                     ==, !strict);
    g_assert_cmpuint(generation, !=, current);
    g_assert_cmpuint(blk_wce(&t), ==, strict ? old : new);

    g_assert_cmpuint(vmsg_set_config(t.link, 0, BLK_WCE, 1, &new, &generation),
                     ==, 1);
    g_assert_cmpuint(blk_wce(&t), ==, new);
    vmsg_test_stop(&t);
}

/* T-11 */
static void test_config_change(void)
{
    uint32_t old, seen, current;
    struct virtio_msg event;
    VMsgTest t;
    int i;

    start_blk(&t);
    vmsg_negotiate(t.link, 0, 0);
    vmsg_driver_ok(t.link, 0);
    blk_capacity(&t, &old);

    for (i = 2; i < 10; i++) {
        resize_disk(&t, i * BLK_SIZE);
        vmsg_wait_event(t.link, 0, VIRTIO_MSG_EVENT_CONFIG, 0, &event);
        seen = GUINT32_FROM_LE(event.event_config.generation);
        g_assert_cmpuint(seen, !=, old);
        g_assert_cmphex(GUINT32_FROM_LE(event.event_config.status), ==,
                        vmsg_get_status(t.link, 0));
        g_assert_cmpuint(blk_capacity(&t, &current), ==, i * BLK_SIZE);
        g_assert_cmpuint(current, ==, seen);
        old = current;
    }

    /* A reset does not start over */
    vmsg_set_status(t.link, 0, 0);
    blk_capacity(&t, &current);
    g_assert_cmpuint(current, >=, old);

    /* A change before DRIVER_OK is not announced, but counts */
    old = current;
    resize_disk(&t, 20 * BLK_SIZE);
    g_assert_cmpuint(blk_capacity(&t, &current), ==, 20 * BLK_SIZE);
    g_assert_cmpuint(current, !=, old);
    vmsg_test_stop(&t);
}

/*
 * Queues
 */

/* T-12 */
static void test_absent_queue(void)
{
    static const uint32_t absent[] = {
        1, 2, 1023, 1024, 1025, 0x7fffffff, 0x80000000, 0xffffffff,
    };
    VMsgTest t;
    size_t i;

    start_rng(&t);
    g_assert_cmpuint(vmsg_get_vqueue(t.link, 0, 0).max_size, >=,
                     VMSG_RNG_QUEUE_SIZE);
    vmsg_negotiate(t.link, 0, 0);
    for (i = 0; i < G_N_ELEMENTS(absent); i++) {
        uint64_t at = VMSG_RAM_BASE;

        g_assert_cmpuint(vmsg_get_vqueue(t.link, 0, absent[i]).max_size, ==,
                         0);
        g_assert_cmpuint(vmsg_set_vqueue(t.link, 0, absent[i], 8, at,
                                         at + PAGE, at + 2 * PAGE), ==, 0);
        g_assert_cmpuint(vmsg_get_vqueue(t.link, 0, absent[i]).max_size, ==,
                         0);
        vmsg_reset_vqueue(t.link, 0, absent[i]);
    }
    vmsg_test_stop(&t);
}

/* T-13 */
static void test_set_vqueue(void)
{
    const uint64_t ram = VMSG_RAM_BASE, end = ram + VMSG_RAM_SIZE;
    const uint64_t a = ram, b = ram + PAGE, c = ram + 2 * PAGE;
    const struct {
        const char *why;
        uint32_t size;
        uint64_t desc;
        uint64_t driver;
        uint64_t device;
    } refused[] = {
        { "no entries", 0, a, b, c },
        { "not a power of two", 3, a, b, c },
        { "not a power of two", 7, a, b, c },
        { "too large", 2048, a, b, c + 0x100000 },
        { "too large", 0x80000000, a, b, c },
        { "too large", 0xffffffff, a, b, c },
        { "no descriptors", 8, 0, b, c },
        { "descriptors misaligned", 8, a + 8, b, c },
        { "descriptors misaligned", 8, a + 1, b, c },
        { "driver area misaligned", 8, a, b + 1, c },
        { "device area misaligned", 8, a, b, c + 2 },
        { "descriptors before the memory", 8, ram - 16, b, c },
        { "descriptors across the start", 8, ram - 64, b, c },
        { "descriptors across the end", 8, end - 64, b, c },
        { "descriptors behind the memory", 8, end, b, c },
        { "driver area across the end", 8, a, end - 4, c },
        { "device area across the end", 8, a, b, end - 4 },
        { "device area behind the memory", 8, a, b, end + 0x10000000 },
        { "device area at zero", 8, a, b, 0 },
        { "descriptors beyond 64 bits", 8, -(uint64_t)16, b, c },
        { "driver area beyond 64 bits", 8, a, -(uint64_t)2, c },
        { "device area beyond 64 bits", 8, a, b, -(uint64_t)4 },
    };
    uint32_t size, max;
    VMsgTest t;
    size_t i;

    start_rng(&t);
    vmsg_negotiate(t.link, 0, 0);
    max = vmsg_get_vqueue(t.link, 0, 0).max_size;
    g_assert_cmpuint(max, <, 2048);
    for (i = 0; i < G_N_ELEMENTS(refused); i++) {
        g_test_message("refused: %s", refused[i].why);
        g_assert_cmpuint(vmsg_set_vqueue(t.link, 0, 0, refused[i].size,
                                         refused[i].desc, refused[i].driver,
                                         refused[i].device), ==, 0);
        g_assert_cmpuint(vmsg_get_vqueue(t.link, 0, 0).max_size, ==, max);
    }

    for (size = 1; size <= max; size *= 2) {
        vmsg_negotiate(t.link, 0, 0);
        g_assert_cmpuint(vmsg_set_vqueue(t.link, 0, 0, size, a, b + 0x10000,
                                         c + 0x20000), ==, size);
        g_assert_cmpuint(vmsg_get_vqueue(t.link, 0, 0).max_size, ==, max);
        /* Up to the very end */
        vmsg_negotiate(t.link, 0, 0);
        g_assert_cmpuint(vmsg_set_vqueue(t.link, 0, 0, size, end - 16 * size,
                                         b, c), ==, size);
    }
    vmsg_test_stop(&t);
}

/* T-13: a packed ring may have any size */
static void test_set_vqueue_packed(void)
{
    VMsgTest t;

    vmsg_test_start(&t, "", "-device virtio-rng-device,packed=on");
    vmsg_negotiate(t.link, 0, BIT(VIRTIO_F_RING_PACKED));
    g_assert_cmpuint(vmsg_set_vqueue(t.link, 0, 0, 3, VMSG_RAM_BASE,
                                     VMSG_RAM_BASE + PAGE,
                                     VMSG_RAM_BASE + 2 * PAGE), ==, 3);
    vmsg_negotiate(t.link, 0, BIT(VIRTIO_F_RING_PACKED));
    g_assert_cmpuint(vmsg_set_vqueue(t.link, 0, 0, 0, VMSG_RAM_BASE,
                                     VMSG_RAM_BASE + PAGE,
                                     VMSG_RAM_BASE + 2 * PAGE), ==, 0);
    /* Its driver area is aligned to more than that of a split ring */
    g_assert_cmpuint(vmsg_set_vqueue(t.link, 0, 0, 3, VMSG_RAM_BASE,
                                     VMSG_RAM_BASE + PAGE + 2,
                                     VMSG_RAM_BASE + 2 * PAGE), ==, 0);
    vmsg_test_stop(&t);
}

static void assert_vqueue(const VMsgQueueState *is, const VMsgQueueState *want)
{
    g_assert_cmpuint(is->max_size, ==, want->max_size);
    g_assert_cmpuint(is->cur_size, ==, want->cur_size);
    g_assert_cmpint(is->enabled, ==, want->enabled);
    g_assert_cmphex(is->desc, ==, want->desc);
    g_assert_cmphex(is->driver, ==, want->driver);
    g_assert_cmphex(is->device, ==, want->device);
}

/* What a queue of that size might be told, different for each @n */
static VMsgQueueState some_vqueue(uint32_t size, unsigned n)
{
    return (VMsgQueueState) {
        .cur_size = size,
        .desc = VMSG_RAM_BASE + n * 0x10000,
        .driver = VMSG_RAM_BASE + n * 0x10000 + PAGE,
        .device = VMSG_RAM_BASE + n * 0x10000 + 2 * PAGE,
    };
}

/* T-13: nothing of an active queue changes, before DRIVER_OK and after */
static void test_set_vqueue_while_active(void)
{
    VMsgQueueState active, after, other[] = {
        some_vqueue(4, 16), some_vqueue(8, 16),
    };
    VMsgQueue q;
    VMsgTest t;
    size_t i, round;

    start_rng(&t);
    vmsg_negotiate(t.link, 0, 0);
    vmsg_queue_init(&q, t.link, 0, 0, 8);
    active = vmsg_get_vqueue(t.link, 0, 0);
    for (round = 0; round < 2; round++) {
        for (i = 0; i < G_N_ELEMENTS(other); i++) {
            after = vmsg_ask_vqueue(t.link, 0, 0, VIRTIO_MSG_VQ_OP_ENABLE,
                                    &other[i]);
            assert_vqueue(&after, &active);
        }
        /* One field alone */
        after = active;
        after.device += 4;
        after = vmsg_ask_vqueue(t.link, 0, 0, VIRTIO_MSG_VQ_OP_ENABLE, &after);
        assert_vqueue(&after, &active);
        /* What it is already it may be told */
        after = vmsg_ask_vqueue(t.link, 0, 0, VIRTIO_MSG_VQ_OP_ENABLE, &active);
        assert_vqueue(&after, &active);
        if (!round) {
            vmsg_driver_ok(t.link, 0);
        }
    }
    vmsg_rng_read(&q);
    vmsg_test_stop(&t);
}

/* A network device between a test's socket and its queues */
typedef struct Net {
    VMsgTest t;
    int wire;
    VMsgQueue rx;
    VMsgQueue tx;
} Net;

#define NET_RX          0
#define NET_TX          1
#define NET_QUEUE_SIZE  64
#define NET_HDR         sizeof(struct virtio_net_hdr_v1)
#define NET_FRAME       64

static void net_start(Net *n)
{
    int pair[2];
    int theirs;

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, pair),
                    ==, 0);
    n->wire = pair[0];
    theirs = dup(pair[1]);
    close(pair[1]);
    vmsg_test_start(&n->t, "",
                    "-netdev dgram,id=net0,local.type=fd,local.str=%d "
                    "-device virtio-net-device,netdev=net0 " RNG, theirs, 0);
    close(theirs);
}

static void net_stop(Net *n)
{
    vmsg_test_stop(&n->t);
    close(n->wire);
}

static void net_up(Net *n, uint64_t features)
{
    vmsg_negotiate(n->t.link, 0, features);
    vmsg_queue_init(&n->rx, n->t.link, 0, NET_RX, NET_QUEUE_SIZE);
    vmsg_queue_init(&n->tx, n->t.link, 0, NET_TX, NET_QUEUE_SIZE);
    vmsg_driver_ok(n->t.link, 0);
}

static void net_fill_frame(uint8_t *frame, uint8_t seed)
{
    int i;

    /* To everybody, so that no filter drops it */
    memset(frame, 0xff, 6);
    for (i = 6; i < NET_FRAME; i++) {
        frame[i] = seed + i;
    }
}

static void net_send(Net *n, uint8_t seed)
{
    VMsgLink *link = n->t.link;
    VMsgBuffer buf = {
        .addr = vmsg_link_alloc(link, NET_HDR + NET_FRAME),
        .len = NET_HDR + NET_FRAME,
    };
    uint8_t frame[NET_FRAME], got[2 * NET_FRAME];
    struct pollfd fd = { .fd = n->wire, .events = POLLIN };
    uint16_t id;

    net_fill_frame(frame, seed);
    memcpy((uint8_t *)vmsg_link_ptr(link, buf.addr) + NET_HDR, frame,
           NET_FRAME);
    id = vmsg_queue_add(&n->tx, &buf, 1);
    vmsg_queue_kick(&n->tx);
    vmsg_queue_wait(&n->tx, id);

    g_assert_cmpint(poll(&fd, 1, VMSG_DEADLINE_MS), ==, 1);
    g_assert_cmpint(recv(n->wire, got, sizeof(got), 0), ==, NET_FRAME);
    g_assert_cmpmem(got, NET_FRAME, frame, NET_FRAME);
}

static void net_receive(Net *n, uint8_t seed)
{
    VMsgLink *link = n->t.link;
    VMsgBuffer buf = {
        .addr = vmsg_link_alloc(link, 2048), .len = 2048, .device_writes = true,
    };
    uint8_t frame[NET_FRAME];
    uint16_t id;

    net_fill_frame(frame, seed);
    id = vmsg_queue_add(&n->rx, &buf, 1);
    vmsg_queue_kick(&n->rx);
    g_assert_cmpint(send(n->wire, frame, NET_FRAME, 0), ==, NET_FRAME);
    g_assert_cmpuint(vmsg_queue_wait(&n->rx, id), ==, NET_HDR + NET_FRAME);
    g_assert_cmpmem((uint8_t *)vmsg_link_ptr(link, buf.addr) + NET_HDR,
                    NET_FRAME, frame, NET_FRAME);
}

static void test_net(void)
{
    Net n;
    int i;

    net_start(&n);
    net_up(&n, 0);
    for (i = 0; i < 20; i++) {
        net_send(&n, i);
        net_receive(&n, 100 + i);
    }
    net_stop(&n);
}

/* T-14 */
static void test_reset_vqueue(void)
{
    VMsgQueueState rx, state;
    VMsgLink *link;
    int i;
    Net n;

    net_start(&n);
    link = n.t.link;
    g_assert_cmphex(vmsg_get_features(link, 0) & BIT(VIRTIO_F_RING_RESET), !=,
                    0);
    net_up(&n, BIT(VIRTIO_F_RING_RESET));
    net_send(&n, 1);
    rx = vmsg_get_vqueue(link, 0, NET_RX);

    for (i = 0; i < 5; i++) {
        vmsg_reset_vqueue(link, 0, NET_TX);
        state = vmsg_get_vqueue(link, 0, NET_TX);
        g_assert_cmpuint(state.cur_size, ==, 0);
        g_assert_cmpuint(state.max_size, >=, NET_QUEUE_SIZE);

        /* The other queue does not notice */
        state = vmsg_get_vqueue(link, 0, NET_RX);
        assert_vqueue(&state, &rx);
        net_receive(&n, 2);

        vmsg_queue_init(&n.tx, link, 0, NET_TX, NET_QUEUE_SIZE);
        net_send(&n, 3);
    }
    net_stop(&n);
}

/* T-14: no trace is left of what the queue held */
static void test_reset_vqueue_in_use(void)
{
    VMsgBuffer buf = { .len = 2048, .device_writes = true };
    VMsgBuffer frame = { .len = NET_HDR + NET_FRAME };
    VMsgLink *link;
    int round, i;
    Net n;

    net_start(&n);
    link = n.t.link;
    buf.addr = vmsg_link_alloc(link, buf.len);
    frame.addr = vmsg_link_alloc(link, frame.len);
    net_up(&n, BIT(VIRTIO_F_RING_RESET));
    for (round = 0; round < 5; round++) {
        for (i = 0; i < NET_QUEUE_SIZE; i++) {
            vmsg_queue_add(&n.rx, &buf, 1);
            vmsg_queue_add(&n.tx, &frame, 1);
        }
        vmsg_queue_kick(&n.rx);
        vmsg_queue_kick(&n.tx);
        vmsg_reset_vqueue(link, 0, NET_RX);
        vmsg_reset_vqueue(link, 0, NET_TX);
        vmsg_drop_events(link);
        for (i = 0; i < 5; i++) {
            g_assert_false(vmsg_take_event(link, 0, VIRTIO_MSG_EVENT_USED, 0,
                                           NULL));
            g_assert_false(vmsg_take_event(link, 0, VIRTIO_MSG_EVENT_CONFIG,
                                           0, NULL));
        }
        vmsg_queue_init(&n.rx, link, 0, NET_RX, NET_QUEUE_SIZE);
        vmsg_queue_init(&n.tx, link, 0, NET_TX, NET_QUEUE_SIZE);
    }
    /* Whatever had left before the reset */
    for (i = 0; i < 5 * NET_QUEUE_SIZE; i++) {
        uint8_t got[2 * NET_FRAME];

        if (recv(n.wire, got, sizeof(got), MSG_DONTWAIT) < 0) {
            break;
        }
    }
    net_send(&n, 1);
    net_receive(&n, 2);
    g_assert_cmphex(vmsg_get_status(link, 0) & NEEDS_RESET, ==, 0);
    net_stop(&n);
}

/* T-14 */
static void test_reset_vqueue_not_negotiated(void)
{
    VMsgQueueState before, after;
    Net n;

    net_start(&n);
    net_up(&n, 0);
    before = vmsg_get_vqueue(n.t.link, 0, NET_TX);
    vmsg_reset_vqueue(n.t.link, 0, NET_TX);
    after = vmsg_get_vqueue(n.t.link, 0, NET_TX);
    assert_vqueue(&after, &before);
    net_send(&n, 1);

    /* A device that cannot quiesce one queue does not offer it */
    g_assert_cmphex(vmsg_get_features(n.t.link, 1) & BIT(VIRTIO_F_RING_RESET),
                    ==, 0);
    net_stop(&n);
}

/*
 * Data
 */

static void test_rng(void)
{
    VMsgQueue q;
    VMsgTest t;
    int i;

    start_rng(&t);
    vmsg_rng_up(t.link, 0, 0, &q);
    for (i = 0; i < 100; i++) {
        vmsg_rng_read(&q);
    }
    vmsg_test_stop(&t);
}

/* Requests whose pieces are scattered, and notifications of all queues */
static void test_rng_scattered(void)
{
    VMsgBuffer bufs[VMSG_RNG_QUEUE_SIZE];
    uint16_t id;
    VMsgQueue q;
    VMsgTest t;
    int i, round;

    start_rng(&t);
    vmsg_rng_up(t.link, 0, 0, &q);
    for (i = 0; i < VMSG_RNG_QUEUE_SIZE; i++) {
        /* Odd addresses and lengths: nobody may ask for alignment */
        bufs[i] = (VMsgBuffer) {
            .addr = vmsg_link_alloc(t.link, 64) + i, .len = 3 + 2 * i,
            .device_writes = true,
        };
    }
    for (round = 0; round < 20; round++) {
        id = vmsg_queue_add(&q, bufs, VMSG_RNG_QUEUE_SIZE);
        vmsg_notify(t.link, 0, VIRTIO_MSG_ALL_VQUEUES);
        g_assert_cmpuint(vmsg_queue_wait(&q, id), ==, 3 * 8 + 2 * 28);
    }
    for (i = 0; i < VMSG_RNG_QUEUE_SIZE; i++) {
        const uint8_t *data = vmsg_link_ptr(t.link, bufs[i].addr);

        g_assert_cmphex(data[bufs[i].len], ==, 0);
    }
    vmsg_test_stop(&t);
}

static void test_blk(void)
{
    enum { SECTORS = 8, BYTES = SECTORS * 512 };
    struct virtio_blk_outhdr *hdr;
    uint64_t hdr_at, data_at, status_at;
    uint8_t *data, *status;
    VMsgQueue q;
    VMsgTest t;
    uint16_t id;
    int i, round;

    start_blk(&t);
    vmsg_negotiate(t.link, 0, 0);
    vmsg_queue_init(&q, t.link, 0, 0, 64);
    vmsg_driver_ok(t.link, 0);

    hdr_at = vmsg_link_alloc(t.link, sizeof(*hdr));
    data_at = vmsg_link_alloc(t.link, BYTES);
    status_at = vmsg_link_alloc(t.link, 1);
    hdr = vmsg_link_ptr(t.link, hdr_at);
    data = vmsg_link_ptr(t.link, data_at);
    status = vmsg_link_ptr(t.link, status_at);

    for (round = 0; round < 10; round++) {
        VMsgBuffer bufs[] = {
            { hdr_at, sizeof(*hdr), false },
            { data_at, BYTES, false },
            { status_at, 1, true },
        };

        hdr->type = GUINT32_TO_LE(VIRTIO_BLK_T_OUT);
        hdr->sector = GUINT64_TO_LE(round * SECTORS);
        for (i = 0; i < BYTES; i++) {
            data[i] = round * 31 + i;
        }
        *status = 0xff;
        id = vmsg_queue_add(&q, bufs, 3);
        vmsg_queue_kick(&q);
        vmsg_queue_wait(&q, id);
        g_assert_cmpuint(*status, ==, VIRTIO_BLK_S_OK);

        memset(data, 0, BYTES);
        hdr->type = GUINT32_TO_LE(VIRTIO_BLK_T_IN);
        bufs[1].device_writes = true;
        *status = 0xff;
        id = vmsg_queue_add(&q, bufs, 3);
        vmsg_queue_kick(&q);
        g_assert_cmpuint(vmsg_queue_wait(&q, id), ==, BYTES + 1);
        g_assert_cmpuint(*status, ==, VIRTIO_BLK_S_OK);
        for (i = 0; i < BYTES; i++) {
            g_assert_cmphex(data[i], ==, (uint8_t)(round * 31 + i));
        }
    }
    vmsg_test_stop(&t);
}

/*
 * Notifications
 */

/* T-15 */
static void test_avail_too_early(void)
{
    VMsgBuffer buf = { .len = 64, .device_writes = true };
    VMsgQueue q;
    VMsgTest t;
    uint16_t id;
    int i;

    start_rng(&t);
    buf.addr = vmsg_link_alloc(t.link, 64);

    vmsg_notify(t.link, 0, 0);
    vmsg_notify(t.link, 0, VIRTIO_MSG_ALL_VQUEUES);
    g_assert_cmpuint(vmsg_drops(&t, "ignored"), ==, 2);

    vmsg_negotiate(t.link, 0, 0);
    vmsg_queue_init(&q, t.link, 0, 0, VMSG_RNG_QUEUE_SIZE);
    id = vmsg_queue_add(&q, &buf, 1);
    vmsg_queue_kick(&q);
    g_assert_cmpuint(vmsg_drops(&t, "ignored"), ==, 3);
    g_assert_false(vmsg_take_event(t.link, 0, VIRTIO_MSG_EVENT_USED, 0, NULL));
    g_assert_cmpuint(vmsg_queue_used(&q), ==, 0);

    vmsg_driver_ok(t.link, 0);
    vmsg_notify(t.link, 0, 1);
    vmsg_notify(t.link, 0, 0x7fffffff);
    vmsg_notify(t.link, 0, 0xfffffffe);
    /* Not the first queue, however many bits are looked at */
    for (i = 8; i < 32; i++) {
        vmsg_notify(t.link, 0, 1U << i);
    }
    g_assert_cmpuint(vmsg_drops(&t, "ignored"), ==, 6 + 24);

    vmsg_queue_kick(&q);
    g_assert_cmpuint(vmsg_queue_wait(&q, id), ==, 64);
    g_assert_cmpuint(vmsg_drops(&t, "ignored"), ==, 6 + 24);
    vmsg_test_stop(&t);
}

/* T-15 */
static void test_avail_queue_not_set_up(void)
{
    VMsgTest t;

    start_rng(&t);
    vmsg_negotiate(t.link, 0, 0);
    vmsg_driver_ok(t.link, 0);
    vmsg_notify(t.link, 0, 0);
    vmsg_notify(t.link, 0, VIRTIO_MSG_ALL_VQUEUES);
    g_assert_cmpuint(vmsg_drops(&t, "ignored"), ==, 2);
    g_assert_cmphex(vmsg_get_status(t.link, 0) & NEEDS_RESET, ==, 0);
    vmsg_test_stop(&t);
}

/* Let the device side work until it has given back @num requests */
static void wait_used(VMsgQueue *q, unsigned num)
{
    gint64 end = g_get_monotonic_time() +
                 VMSG_DEADLINE_MS * (gint64)G_TIME_SPAN_MILLISECOND;

    /* Each PING is answered in a turn of the device's main loop */
    while (vmsg_queue_used(q) < num) {
        vmsg_ping(q->link);
        g_assert_cmpint(g_get_monotonic_time(), <, end);
    }
}

/* T-17 */
static void test_suppression_by_flag(void)
{
    VMsgBuffer buf = { .len = 64, .device_writes = true };
    VMsgQueue q;
    VMsgTest t;
    uint16_t id;
    int i;

    start_rng(&t);
    buf.addr = vmsg_link_alloc(t.link, 64);
    vmsg_rng_up(t.link, 0, 0, &q);
    for (i = 0; i < 20; i++) {
        vmsg_queue_set_flags(&q, VRING_AVAIL_F_NO_INTERRUPT);
        id = vmsg_queue_add(&q, &buf, 1);
        vmsg_queue_kick(&q);
        wait_used(&q, 1);
        g_assert_cmpuint(vmsg_queue_take(&q, id), ==, 64);
        g_assert_false(vmsg_take_event(t.link, 0, VIRTIO_MSG_EVENT_USED, 0,
                                       NULL));

        vmsg_queue_set_flags(&q, 0);
        id = vmsg_queue_add(&q, &buf, 1);
        vmsg_queue_kick(&q);
        vmsg_wait_event(t.link, 0, VIRTIO_MSG_EVENT_USED, 0, NULL);
        g_assert_cmpuint(vmsg_queue_take(&q, id), ==, 64);
    }
    vmsg_test_stop(&t);
}

/* T-17 */
static void test_suppression_by_event_index(void)
{
    VMsgBuffer buf = { .len = 64, .device_writes = true };
    VMsgQueue q;
    VMsgTest t;
    uint16_t id;
    int i;

    start_rng(&t);
    buf.addr = vmsg_link_alloc(t.link, 64);
    vmsg_rng_up(t.link, 0, BIT(VIRTIO_RING_F_EVENT_IDX), &q);
    /* The first one always notifies */
    id = vmsg_queue_add(&q, &buf, 1);
    vmsg_queue_kick(&q);
    vmsg_wait_event(t.link, 0, VIRTIO_MSG_EVENT_USED, 0, NULL);
    vmsg_queue_take(&q, id);
    for (i = 0; i < 20; i++) {
        /* Asked to be told of the fourth from now on: three come silently */
        vmsg_queue_set_used_event(&q, q.next_used + 3);
        for (int n = 0; n < 3; n++) {
            id = vmsg_queue_add(&q, &buf, 1);
            vmsg_queue_kick(&q);
            wait_used(&q, 1);
            vmsg_queue_take(&q, id);
        }
        g_assert_false(vmsg_take_event(t.link, 0, VIRTIO_MSG_EVENT_USED, 0,
                                       NULL));
        id = vmsg_queue_add(&q, &buf, 1);
        vmsg_queue_kick(&q);
        vmsg_wait_event(t.link, 0, VIRTIO_MSG_EVENT_USED, 0, NULL);
        vmsg_queue_take(&q, id);
    }
    vmsg_test_stop(&t);
}

/* T-17 */
static void test_used_names_the_queue(void)
{
    struct virtio_msg event;
    VMsgLink *link;
    VMsgBuffer buf = { .len = NET_HDR + NET_FRAME };
    Net n;

    net_start(&n);
    link = n.t.link;
    net_up(&n, 0);
    buf.addr = vmsg_link_alloc(link, buf.len);
    vmsg_queue_add(&n.tx, &buf, 1);
    vmsg_queue_kick(&n.tx);
    vmsg_wait_event(link, 0, VIRTIO_MSG_EVENT_USED, 0, &event);
    g_assert_cmpuint(GUINT16_FROM_LE(event.msg_size), ==, 12);
    g_assert_cmpuint(event.token, ==, 0);
    g_assert_cmpuint(GUINT32_FROM_LE(event.index.index), ==, NET_TX);
    net_stop(&n);
}

/*
 * A device that fails (T-16)
 */

typedef struct Breakage {
    const char *what;
    void (*breaks)(VMsgQueue *q);
} Breakage;

static struct vring_desc *ring_desc(VMsgQueue *q, unsigned i)
{
    return (struct vring_desc *)vmsg_link_ptr(q->link, q->desc) + i;
}

static struct vring_avail *ring_avail(VMsgQueue *q)
{
    return vmsg_link_ptr(q->link, q->avail);
}

static void add_buffer(VMsgQueue *q, uint64_t addr, uint32_t len)
{
    VMsgBuffer buf = { .addr = addr, .len = len, .device_writes = true };

    vmsg_queue_add(q, &buf, 1);
}

static void break_buffer_below(VMsgQueue *q)
{
    add_buffer(q, 0x10000, 64);
}

static void break_buffer_above(VMsgQueue *q)
{
    add_buffer(q, VMSG_RAM_BASE + VMSG_RAM_SIZE, 64);
}

static void break_buffer_beyond_64_bits(VMsgQueue *q)
{
    add_buffer(q, -(uint64_t)8, 64);
}

static void break_head_out_of_range(VMsgQueue *q)
{
    add_buffer(q, VMSG_RAM_BASE, 64);
    ring_avail(q)->ring[0] = GUINT16_TO_LE(0x7fff);
}

static void break_index_jumps(VMsgQueue *q)
{
    add_buffer(q, VMSG_RAM_BASE, 64);
    ring_avail(q)->idx = GUINT16_TO_LE(0x4000);
}

static void break_chain_loops(VMsgQueue *q)
{
    add_buffer(q, VMSG_RAM_BASE, 64);
    ring_desc(q, 0)->flags |= GUINT16_TO_LE(VRING_DESC_F_NEXT);
    ring_desc(q, 0)->next = 0;
}

static void break_next_out_of_range(VMsgQueue *q)
{
    add_buffer(q, VMSG_RAM_BASE, 64);
    ring_desc(q, 0)->flags |= GUINT16_TO_LE(VRING_DESC_F_NEXT);
    ring_desc(q, 0)->next = GUINT16_TO_LE(0xffff);
}

static void break_indirect_outside(VMsgQueue *q)
{
    add_buffer(q, 0x20000, 64);
    ring_desc(q, 0)->flags = GUINT16_TO_LE(VRING_DESC_F_INDIRECT);
}

static void break_indirect_size(VMsgQueue *q)
{
    add_buffer(q, VMSG_RAM_BASE, 65);
    ring_desc(q, 0)->flags = GUINT16_TO_LE(VRING_DESC_F_INDIRECT);
}

static const Breakage breakages[] = {
    { "buffer below the memory", break_buffer_below },
    { "buffer above the memory", break_buffer_above },
    { "buffer beyond 64 bits", break_buffer_beyond_64_bits },
    { "head out of range", break_head_out_of_range },
    { "index jumps", break_index_jumps },
    { "chain loops", break_chain_loops },
    { "next out of range", break_next_out_of_range },
    { "indirect table outside the memory", break_indirect_outside },
    { "indirect table of a broken size", break_indirect_size },
};

static void test_needs_reset(void)
{
    struct virtio_msg event;
    VMsgQueue broken, other;
    VMsgTest t;
    size_t i;

    vmsg_test_start(&t, "", RNG RNG, 0, 1);
    vmsg_rng_up(t.link, 1, 0, &other);
    for (i = 0; i < G_N_ELEMENTS(breakages); i++) {
        g_test_message("broken: %s", breakages[i].what);
        vmsg_rng_up(t.link, 0, BIT(VIRTIO_RING_F_INDIRECT_DESC), &broken);
        breakages[i].breaks(&broken);
        vmsg_queue_kick(&broken);

        vmsg_wait_event(t.link, 0, VIRTIO_MSG_EVENT_CONFIG, 0, &event);
        g_assert_cmphex(GUINT32_FROM_LE(event.event_config.status) &
                        NEEDS_RESET, ==, NEEDS_RESET);
        g_assert_cmphex(vmsg_get_status(t.link, 0) & NEEDS_RESET, ==,
                        NEEDS_RESET);
        g_assert_cmpuint(vmsg_queue_used(&broken), ==, 0);

        /* Nobody else is hurt, and a reset heals */
        vmsg_rng_read(&other);
        vmsg_rng_up(t.link, 0, 0, &broken);
        vmsg_rng_read(&broken);
        vmsg_rng_read(&other);
    }
    g_assert_cmphex(vmsg_get_status(t.link, 1) & NEEDS_RESET, ==, 0);
    vmsg_test_stop(&t);
}

/*
 * The rest
 */

/* T-18 */
static void test_get_shm(void)
{
    static const uint32_t ids[] = { 0, 1, 255, 0xffffffff };
    struct virtio_msg req, resp;
    VMsgTest t;
    size_t i;

    start_rng(&t);
    for (i = 0; i < G_N_ELEMENTS(ids); i++) {
        vmsg_init(&req, 0, VIRTIO_MSG_GET_SHM, 0, sizeof(req.index));
        req.index.index = GUINT32_TO_LE(ids[i]);
        vmsg_request(t.link, &req, &resp);
        if (is_2025(&t)) {
            g_assert_cmpuint(GUINT16_FROM_LE(resp.msg_size), ==, 20);
            g_assert_cmpuint(resp.get_shm_resp_2025.length, ==, 0);
            g_assert_cmpuint(resp.get_shm_resp_2025.address, ==, 0);
        } else {
            g_assert_cmpuint(GUINT16_FROM_LE(resp.msg_size), ==, 32);
            g_assert_cmpuint(resp.get_shm_resp.reserved, ==, 0);
            g_assert_cmpuint(resp.get_shm_resp.length, ==, 0);
            g_assert_cmpuint(resp.get_shm_resp.address, ==, 0);
        }
        g_assert_cmphex(GUINT32_FROM_LE(resp.get_shm_resp.index), ==, ids[i]);
    }
    vmsg_test_stop(&t);
}

static const struct {
    uint32_t id;
    const char *args;
} device_types[] = {
    { VIRTIO_ID_NET, "-netdev hubport,id=net0,hubid=0 "
                     "-device virtio-net-device,netdev=net0 " },
    { VIRTIO_ID_RNG, "-device virtio-rng-device " },
    { VIRTIO_ID_BLOCK, "-blockdev driver=null-co,node-name=disk0 "
                       "-device virtio-blk-device,drive=disk0 " },
    { VIRTIO_ID_CONSOLE, "-device virtio-serial-device "
                         "-chardev null,id=null0 "
                         "-device virtconsole,chardev=null0 " },
    { VIRTIO_ID_SCSI, "-device virtio-scsi-device "
                      "-blockdev driver=null-co,node-name=disk1 "
                      "-device scsi-hd,drive=disk1 " },
};

/* T-19, T-20 */
static void test_device_types(void)
{
    const uint64_t always = FEATURES_BASE | BIT(VIRTIO_F_ORDER_PLATFORM);
    g_autoptr(GString) args = g_string_new("");
    uint64_t features;
    VMsgInfo info;
    VMsgTest t;
    uint32_t n;
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(device_types); i++) {
        g_string_append(args, device_types[i].args);
    }
    vmsg_test_start(&t, "", "%s", args->str);

    for (i = 0; i < G_N_ELEMENTS(device_types); i++) {
        info = vmsg_get_info(t.link, i);
        g_assert_cmpuint(info.device_id, ==, device_types[i].id);
        g_assert_cmpuint(info.max_virtqueues, >, 0);

        features = vmsg_get_features(t.link, i);
        g_assert_cmphex(features & always, ==, always);
        /* VIRTIO_F_NOTIFICATION_DATA */
        g_assert_cmphex(features & BIT(38), ==, 0);

        vmsg_negotiate(t.link, i, BIT(VIRTIO_F_ORDER_PLATFORM));
        for (n = 0; n < info.max_virtqueues; n++) {
            VMsgQueue q;

            if (vmsg_get_vqueue(t.link, i, n).max_size) {
                vmsg_queue_init(&q, t.link, i, n, 8);
            }
        }
        vmsg_driver_ok(t.link, i);
        vmsg_notify(t.link, i, VIRTIO_MSG_ALL_VQUEUES);
        g_assert_cmphex(vmsg_get_status(t.link, i) & NEEDS_RESET, ==, 0);
    }
    g_assert_cmpuint(vmsg_get_info(t.link, i).device_id, ==, 0);
    vmsg_test_stop(&t);
}

/*
 * The machine's own reset is one of every device, and takes those that are in
 * use from their driver.
 */
static void test_system_reset(void)
{
    static const uint16_t states[] = {
        VIRTIO_MSG_DEVICE_REMOVED, VIRTIO_MSG_DEVICE_ADDED,
    };
    struct virtio_msg event;
    VMsgQueue q;
    VMsgTest t;
    size_t i;

    start_rng(&t);
    vmsg_rng_up(t.link, 0, 0, &q);
    vmsg_drop_events(t.link);
    qtest_system_reset(t.qts);
    for (i = 0; i < G_N_ELEMENTS(states); i++) {
        vmsg_wait_event(t.link, VIRTIO_MSG_TYPE_BUS,
                        VIRTIO_MSG_BUS_EVENT_DEVICE, 0, &event);
        g_assert_cmpuint(GUINT16_FROM_LE(event.event_device.device_number),
                         ==, 0);
        g_assert_cmpuint(GUINT16_FROM_LE(event.event_device.state), ==,
                         states[i]);
    }
    g_assert_cmphex(vmsg_get_status(t.link, 0), ==, 0);
    g_assert_cmpuint(vmsg_get_vqueue(t.link, 0, 0).cur_size, ==, 0);
    vmsg_rng_up(t.link, 0, 0, &q);
    vmsg_rng_read(&q);
    vmsg_test_stop(&t);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);

#define TEST(path, fn) qtest_add_func("virtio-msg/transport/" path, fn)
    TEST("unknown-id-is-dropped", test_unknown_id);
    TEST("response-is-dropped", test_response);
    TEST("malformed-is-dropped", test_malformed);
    TEST("count-beyond-the-message-is-dropped",
         test_counts_beyond_the_message);
    TEST("absent-device", test_absent_device);
    TEST("one-response-each-in-order", test_one_response_each_in_order);
    TEST("longer-message-is-accepted", test_longer_messages);
    TEST("reserved-field-is-ignored", test_reserved_fields_are_ignored);
    TEST("info-in-every-state", test_info_in_every_state);
    TEST("features/windows", test_feature_windows);
    TEST("features/in-pieces", test_features_in_pieces);
    TEST("features/refused", test_features_refused);
    TEST("features/fixed-after-features-ok", test_features_after_features_ok);
    TEST("status/bits", test_status_bits);
    TEST("status/reset", test_reset);
    TEST("status/no-event-used-after-reset", test_no_event_used_after_reset);
    TEST("status/reset-with-requests-in-flight",
         test_reset_with_requests_in_flight);
    TEST("status/requests-during-a-reset", test_requests_during_a_reset);
    TEST("config/bounds", test_config_bounds);
    TEST("config/no-bytes", test_config_no_bytes);
    TEST("config/stale-generation", test_set_config_generation);
    TEST("config/change-has-a-new-generation", test_config_change);
    TEST("vqueue/absent", test_absent_queue);
    TEST("vqueue/set", test_set_vqueue);
    TEST("vqueue/set-packed", test_set_vqueue_packed);
    TEST("vqueue/set-while-active-is-refused", test_set_vqueue_while_active);
    TEST("vqueue/reset", test_reset_vqueue);
    TEST("vqueue/reset-in-use", test_reset_vqueue_in_use);
    TEST("vqueue/reset-not-negotiated", test_reset_vqueue_not_negotiated);
    TEST("data/rng", test_rng);
    TEST("data/rng-scattered", test_rng_scattered);
    TEST("data/net", test_net);
    TEST("data/blk", test_blk);
    TEST("notify/avail-too-early-is-ignored", test_avail_too_early);
    TEST("notify/avail-of-a-queue-not-set-up", test_avail_queue_not_set_up);
    TEST("notify/used-suppressed-by-flag", test_suppression_by_flag);
    TEST("notify/used-suppressed-by-event-index",
         test_suppression_by_event_index);
    TEST("notify/used-names-the-queue", test_used_names_the_queue);
    TEST("needs-reset", test_needs_reset);
    TEST("get-shm", test_get_shm);
    TEST("device-types", test_device_types);
    TEST("system-reset", test_system_reset);
#undef TEST

    return g_test_run();
}
