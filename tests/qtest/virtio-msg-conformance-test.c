/*
 * Tests of what the virtio-msg specification says, clause by clause
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include <linux/virtio_blk.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>
#include <linux/virtio_scsi.h>
#include <poll.h>
#include <sys/socket.h>
#include "virtio-msg-fixture.h"

/*
 * virtio-msg-test and virtio-msg-bus-test show how the transport and its links
 * work; these are the clauses that nobody comes across on that way: states
 * that a driver seldom gets into, and the order of what happens at once.
 * tests/conformance/requirements has the whole list.
 */

#define RNG             "-device virtio-rng-device "
#define BUS             VIRTIO_MSG_TYPE_BUS
#define RESPONSE        VIRTIO_MSG_TYPE_RESPONSE

#define BIT(n)          (1ULL << (n))
#define PAGE            4096
#define CAPACITY        (VIRTIO_MSG_SPSC_NUM_SLOTS - 1)
#define MIB             (1024 * 1024ULL)

#define ACKNOWLEDGE     VIRTIO_CONFIG_S_ACKNOWLEDGE
#define DRIVER          VIRTIO_CONFIG_S_DRIVER
#define FEATURES_OK     VIRTIO_CONFIG_S_FEATURES_OK
#define DRIVER_OK       VIRTIO_CONFIG_S_DRIVER_OK
#define NEEDS_RESET     VIRTIO_CONFIG_S_NEEDS_RESET

#define FEATURES_BASE   (BIT(VIRTIO_F_VERSION_1) | \
                         BIT(VIRTIO_F_ACCESS_PLATFORM))

/*
 * Messages that arrive together are handled together: put them all, then ring.
 */

static void put(VMsgLink *link, const struct virtio_msg *msg)
{
    g_assert_true(vmsg_try_put(link, msg));
}

static void put_ping(VMsgLink *link, uint16_t token)
{
    struct virtio_msg msg;

    vmsg_init(&msg, BUS, VIRTIO_MSG_BUS_PING, 0, sizeof(msg.ping));
    msg.token = GUINT16_TO_LE(token);
    put(link, &msg);
}

static void put_avail(VMsgLink *link, uint16_t dev, uint32_t index)
{
    struct virtio_msg msg;

    vmsg_init(&msg, 0, VIRTIO_MSG_EVENT_AVAIL, dev, sizeof(msg.event_avail));
    msg.event_avail.vq_index = GUINT32_TO_LE(index);
    put(link, &msg);
}

static void put_reset(VMsgLink *link, uint16_t dev)
{
    struct virtio_msg msg;

    vmsg_init(&msg, 0, VIRTIO_MSG_SET_DEVICE_STATUS, dev, sizeof(msg.status));
    put(link, &msg);
}

static void put_index(VMsgLink *link, uint8_t id, uint16_t dev, uint32_t index)
{
    struct virtio_msg msg;

    vmsg_init(&msg, 0, id, dev, sizeof(msg.index));
    msg.index.index = GUINT32_TO_LE(index);
    put(link, &msg);
}

static void expect_id(VMsgLink *link, uint8_t type, uint8_t id,
                      struct virtio_msg *msg)
{
    vmsg_get(link, msg);
    g_assert_cmphex(msg->type, ==, type);
    g_assert_cmphex(msg->msg_id, ==, id);
}

static void expect_ping(VMsgLink *link, uint16_t token)
{
    struct virtio_msg msg;

    expect_id(link, BUS | RESPONSE, VIRTIO_MSG_BUS_PING, &msg);
    g_assert_cmphex(GUINT16_FROM_LE(msg.token), ==, token);
}

/* Nothing of what was sent so far has an answer or an event left */
static void expect_nothing(VMsgLink *link)
{
    struct virtio_msg msg;
    int i;

    /* A few turns, for what needs one to come up */
    for (i = 0; i < 5; i++) {
        put_ping(link, i);
        vmsg_link_ring(link);
        expect_ping(link, i);
    }
    g_assert_false(vmsg_try_get(link, &msg));
}

/*
 * Take what a device says for itself, so that the queue is empty, and let QEMU
 * come to rest, so that it looks for no message before the doorbell rings.
 */
static void drain(VMsgTest *t)
{
    vmsg_ping(t->link);
    vmsg_settle(t);
    vmsg_ping(t->link);
    vmsg_settle(t);
    vmsg_drop_events(t->link);
}

/* Leave the queue towards the driver full, with nothing waiting behind */
static void fill_queue(VMsgTest *t)
{
    uint64_t before;
    gint64 end = g_get_monotonic_time() +
                 VMSG_DEADLINE_MS * (gint64)G_TIME_SPAN_MILLISECOND;
    int i;

    drain(t);
    before = vmsg_stat(t, "received");
    for (i = 0; i < CAPACITY; i++) {
        put_ping(t->link, i);
    }
    vmsg_link_ring(t->link);
    while (vmsg_stat(t, "received") < before + CAPACITY) {
        g_assert_cmpint(g_get_monotonic_time(), <, end);
    }
}

static void empty_queue(VMsgTest *t)
{
    int i;

    for (i = 0; i < CAPACITY; i++) {
        expect_ping(t->link, i);
    }
}

static void wait_used(VMsgTest *t, VMsgQueue *q, unsigned num)
{
    gint64 end = g_get_monotonic_time() +
                 VMSG_DEADLINE_MS * (gint64)G_TIME_SPAN_MILLISECOND;

    while (vmsg_queue_used(q) < num) {
        vmsg_settle(t);
        g_assert_cmpint(g_get_monotonic_time(), <, end);
    }
}

/*
 * Devices
 */

/* Requests for random bytes into one and the same buffer */
static void rng_add(VMsgQueue *q, uint64_t addr, unsigned num)
{
    VMsgBuffer buf = { .addr = addr, .len = 64, .device_writes = true };

    while (num--) {
        vmsg_queue_add(q, &buf, 1);
    }
}

/* A request that no device can serve: outside of the memory */
static void rng_break(VMsgQueue *q)
{
    rng_add(q, 0x10000, 1);
}

static void start_blk(VMsgTest *t, const char *more)
{
    int disk = vmsg_disk(MIB);

    vmsg_test_start(t, "",
                    "-blockdev driver=file,node-name=disk0,locking=off,"
                    "filename=/proc/self/fd/%d "
                    "-device virtio-blk-device,drive=disk0 %s", disk, more);
    close(disk);
}

static void resize_disk(VMsgTest *t, uint64_t size)
{
    qtest_qmp_assert_success(t->qts, "{ 'execute': 'block_resize', 'arguments':"
                             " { 'node-name': 'disk0', 'size': %" PRIu64 " } }",
                             size);
}

static void blk_up(VMsgLink *link, VMsgQueue *q)
{
    vmsg_negotiate(link, 0, 0);
    vmsg_queue_init(q, link, 0, 0, 64);
    vmsg_driver_ok(link, 0);
}

/* A request that a disk answers at once: for its serial number */
static uint16_t blk_add_get_id(VMsgQueue *q)
{
    uint64_t at = vmsg_link_alloc(q->link, PAGE);
    struct virtio_blk_outhdr *hdr = vmsg_link_ptr(q->link, at);
    const VMsgBuffer bufs[] = {
        { at, sizeof(*hdr), false },
        { at + 512, VIRTIO_BLK_ID_BYTES, true },
        { at + 1024, 1, true },
    };

    hdr->type = GUINT32_TO_LE(VIRTIO_BLK_T_GET_ID);
    return vmsg_queue_add(q, bufs, G_N_ELEMENTS(bufs));
}

#define NET_RX          0
#define NET_TX          1
#define NET_CTRL        2
#define NET_HDR         sizeof(struct virtio_net_hdr_v1)
#define NET_FRAME       64

/* Returns the far end of the wire, a datagram socket */
static int start_net(VMsgTest *t)
{
    int pair[2], theirs;

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, pair),
                    ==, 0);
    theirs = dup(pair[1]);
    close(pair[1]);
    vmsg_test_start(t, "", "-netdev dgram,id=net0,local.type=fd,local.str=%d "
                    "-device virtio-net-device,netdev=net0", theirs);
    close(theirs);
    return pair[0];
}

/* A command that makes no sense, which is answered at once */
static void net_add_command(VMsgQueue *q)
{
    uint64_t at = vmsg_link_alloc(q->link, PAGE);
    const VMsgBuffer bufs[] = {
        { at, sizeof(struct virtio_net_ctrl_hdr), false },
        { at + 512, 1, true },
    };

    memset(vmsg_link_ptr(q->link, at), 0xff, bufs[0].len);
    vmsg_queue_add(q, bufs, G_N_ELEMENTS(bufs));
}

static void net_add_frame(VMsgQueue *q, uint64_t at)
{
    VMsgBuffer buf = { .addr = at, .len = NET_HDR + NET_FRAME };

    memset((uint8_t *)vmsg_link_ptr(q->link, at) + NET_HDR, 0xff, NET_FRAME);
    vmsg_queue_add(q, &buf, 1);
}

/*
 * What is dropped (T-01)
 */

static void test_drop_traced(void)
{
    static const uint8_t ids[] = {
        0x3f, VIRTIO_MSG_EVENT_AVAIL, VIRTIO_MSG_GET_CONFIG,
    };
    g_autofree char *path = NULL;
    g_autofree char *text = NULL;
    g_auto(GStrv) lines = NULL;
    struct virtio_msg msg;
    unsigned traced = 0;
    VMsgTest t;
    size_t i;
    int fd;

    fd = g_file_open_tmp("virtio-msg-XXXXXX", &path, NULL);
    g_assert_cmpint(fd, >=, 0);
    close(fd);

    vmsg_test_start(&t, "", RNG "-trace virtio_msg_drop -D %s", path);
    for (i = 0; i < G_N_ELEMENTS(ids); i++) {
        /* Unknown, too early, and too short */
        vmsg_init(&msg, 0, ids[i], 0, i < 2 ? 8 : 0);
        vmsg_send(t.link, &msg);
    }
    vmsg_ping(t.link);
    vmsg_test_stop(&t);

    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    lines = g_strsplit(text, "\n", 0);
    for (i = 0; lines[i]; i++) {
        traced += strstr(lines[i], "virtio_msg_drop") != NULL;
    }
    g_assert_cmpuint(traced, ==, G_N_ELEMENTS(ids));
    unlink(path);
}

/* A number whose device has gone is one without a device */
static void test_drop_unplugged(void)
{
    struct virtio_msg msg;
    uint64_t before;
    unsigned num = 0;
    VMsgQueue q;
    VMsgTest t;
    int id;

    vmsg_test_start(&t, "", RNG);
    qtest_qmp_device_add(t.qts, "virtio-rng-device", "hot", "{}");
    vmsg_rng_up(t.link, 1, 0, &q);
    vmsg_rng_read(&q);
    qtest_qmp_device_del(t.qts, "hot");

    g_assert_cmpuint(vmsg_get_info(t.link, 1).device_id, ==, 0);
    before = vmsg_drops(&t, "no-device");
    for (id = VIRTIO_MSG_GET_DEVICE_FEATURES; id <= VIRTIO_MSG_GET_SHM; id++) {
        vmsg_init(&msg, 0, id, 1, 56);
        vmsg_send(t.link, &msg);
        num++;
    }
    vmsg_notify(t.link, 1, 0);
    g_assert_cmpuint(vmsg_drops(&t, "no-device") - before, ==, num + 1);
    vmsg_test_stop(&t);
}

/*
 * Requests in general (T-02, T-03)
 */

static void each_request_once(VMsgTest *t)
{
    static const uint16_t tokens[] = { 0, 1, 0x00ff, 0x8000, 0xffff };
    struct virtio_msg req, resp;
    size_t i;
    int id;

    for (id = VIRTIO_MSG_GET_DEVICE_INFO; id <= VIRTIO_MSG_GET_SHM; id++) {
        for (i = 0; i < G_N_ELEMENTS(tokens); i++) {
            if (id == VIRTIO_MSG_SET_DEVICE_STATUS) {
                /* Would leave the state; it has tests of its own */
                continue;
            }
            vmsg_init(&req, 0, id, 0, 56);
            req.token = GUINT16_TO_LE(tokens[i]);
            put(t->link, &req);
            put_ping(t->link, 0x1234);
            vmsg_link_ring(t->link);

            expect_id(t->link, RESPONSE, id, &resp);
            g_assert_cmphex(GUINT16_FROM_LE(resp.token), ==, tokens[i]);
            g_assert_cmpuint(resp.dev_num, ==, 0);
            expect_ping(t->link, 0x1234);
        }
    }
}

static void test_one_response_in_every_state(void)
{
    VMsgQueue q;
    VMsgTest t;

    vmsg_test_start(&t, "", RNG);
    drain(&t);
    each_request_once(&t);

    vmsg_set_status(t.link, 0, ACKNOWLEDGE | DRIVER);
    each_request_once(&t);

    vmsg_rng_up(t.link, 0, 0, &q);
    each_request_once(&t);

    rng_break(&q);
    vmsg_queue_kick(&q);
    vmsg_wait_event(t.link, 0, VIRTIO_MSG_EVENT_CONFIG, 0, NULL);
    each_request_once(&t);
    vmsg_test_stop(&t);
}

/* T-02: no event is answered, whatever becomes of it */
static void test_no_response_to_an_event(void)
{
    struct virtio_msg msg;
    VMsgQueue q;
    VMsgTest t;
    int id;

    vmsg_test_start(&t, "", RNG);
    vmsg_rng_up(t.link, 0, 0, &q);
    drain(&t);

    put_avail(t.link, 0, 0);
    put_avail(t.link, 0, 7);
    put_avail(t.link, 0, VIRTIO_MSG_ALL_VQUEUES);
    vmsg_link_ring(t.link);
    expect_nothing(t.link);
    for (id = VIRTIO_MSG_EVENT_CONFIG; id < 0x50; id++) {
        if (id != VIRTIO_MSG_EVENT_AVAIL) {
            vmsg_init(&msg, 0, id, 0, 56);
            vmsg_send(t.link, &msg);
        }
        vmsg_init(&msg, BUS, id, 0, 56);
        vmsg_send(t.link, &msg);
    }
    vmsg_link_ring(t.link);
    expect_nothing(t.link);
    vmsg_test_stop(&t);
}

/* T-03: what lies behind the counts, or has no meaning, changes nothing */
static void test_longer_messages_act_the_same(void)
{
    struct virtio_msg req, resp;
    uint32_t generation;
    uint8_t wce;
    VMsgQueue q;
    VMsgTest t;
    uint16_t id;

    start_blk(&t, "");
    drain(&t);

    /* One block, and behind it what would be bits of the next */
    g_assert_cmphex(vmsg_set_status(t.link, 0, ACKNOWLEDGE | DRIVER), ==,
                    ACKNOWLEDGE | DRIVER);
    vmsg_init(&req, 0, VIRTIO_MSG_SET_DRIVER_FEATURES, 0, 56);
    memset(req.payload, 0xff, 56);
    req.features.block_index = GUINT32_TO_LE(1);
    req.features.num_blocks = GUINT32_TO_LE(1);
    req.features.features[0] = GUINT32_TO_LE(FEATURES_BASE >> 32);
    vmsg_request(t.link, &req, &resp);
    g_assert_cmphex(vmsg_set_status(t.link, 0, FEATURES_OK), ==,
                    ACKNOWLEDGE | DRIVER | FEATURES_OK);

    /* No byte, and behind that what would be data */
    g_assert_cmpuint(vmsg_get_config(t.link, 0,
                                     offsetof(struct virtio_blk_config, wce), 1,
                                     &wce, &generation), ==, 1);
    vmsg_init(&req, 0, VIRTIO_MSG_SET_CONFIG, 0, 56);
    req.config.generation = GUINT32_TO_LE(generation);
    req.config.offset =
        GUINT32_TO_LE(offsetof(struct virtio_blk_config, wce));
    req.config.data[0] = !wce;
    vmsg_request(t.link, &req, &resp);
    g_assert_cmpuint(resp.config.length, ==, 0);
    g_assert_cmpuint(GUINT16_FROM_LE(resp.msg_size), ==, 20);
    vmsg_get_config(t.link, 0, offsetof(struct virtio_blk_config, wce), 1,
                    req.config.data, NULL);
    g_assert_cmpuint(req.config.data[0], ==, wce);

    /* An offset, although VIRTIO_F_NOTIFICATION_DATA is not there */
    vmsg_queue_init(&q, t.link, 0, 0, 64);
    vmsg_driver_ok(t.link, 0);
    id = blk_add_get_id(&q);
    vmsg_init(&req, BIT(7) | BIT(2), VIRTIO_MSG_EVENT_AVAIL, 0, 56);
    memset(req.payload, 0xff, 56);
    req.event_avail.vq_index = 0;
    vmsg_send(t.link, &req);
    vmsg_queue_wait(&q, id);
    g_assert_cmphex(vmsg_get_status(t.link, 0) & NEEDS_RESET, ==, 0);
    vmsg_test_stop(&t);
}

/* B-06: the device number of a bus message is reserved: ignored, sent as 0 */
static void test_bus_messages_have_no_device(void)
{
    struct virtio_msg msg;
    VMsgTest t;
    int id;

    vmsg_test_start(&t, "", RNG);
    drain(&t);
    for (id = VIRTIO_MSG_BUS_GET_DEVICES; id <= VIRTIO_MSG_BUS_PING; id++) {
        vmsg_init(&msg, BUS, id, 0xabcd, 4);
        vmsg_send(t.link, &msg);
        expect_id(t.link, BUS | RESPONSE, id, &msg);
        g_assert_cmphex(msg.dev_num, ==, 0);
    }
    vmsg_test_stop(&t);
}

/*
 * Device information and features (T-04, T-06)
 */

static void test_info_after_a_failure(void)
{
    VMsgInfo info;
    VMsgQueue q;
    VMsgTest t;

    start_blk(&t, "");
    info = vmsg_get_info(t.link, 0);
    g_assert_cmpuint(info.device_id, ==, VIRTIO_ID_BLOCK);

    blk_up(t.link, &q);
    rng_break(&q);
    vmsg_queue_kick(&q);
    vmsg_wait_event(t.link, 0, VIRTIO_MSG_EVENT_CONFIG, 0, NULL);
    g_assert_cmphex(vmsg_get_status(t.link, 0) & NEEDS_RESET, ==, NEEDS_RESET);
    vmsg_assert_info(t.link, 0, &info);

    vmsg_set_status(t.link, 0, 0);
    vmsg_assert_info(t.link, 0, &info);
    resize_disk(&t, 2 * MIB);
    vmsg_assert_info(t.link, 0, &info);
    blk_up(t.link, &q);
    vmsg_assert_info(t.link, 0, &info);
    qtest_system_reset(t.qts);
    vmsg_assert_info(t.link, 0, &info);
    vmsg_test_stop(&t);
}

static uint32_t negotiate_blocks(VMsgTest *t, uint32_t index,
                                 const uint32_t *bits, uint32_t num)
{
    struct virtio_msg req, resp;
    uint32_t i;

    g_assert_cmphex(vmsg_set_status(t->link, 0, 0), ==, 0);
    vmsg_set_status(t->link, 0, ACKNOWLEDGE | DRIVER);
    vmsg_set_features(t->link, 0, FEATURES_BASE);
    vmsg_init(&req, 0, VIRTIO_MSG_SET_DRIVER_FEATURES, 0, 8 + 4 * num);
    req.features.block_index = GUINT32_TO_LE(index);
    req.features.num_blocks = GUINT32_TO_LE(num);
    for (i = 0; i < num; i++) {
        req.features.features[i] = GUINT32_TO_LE(bits[i]);
    }
    vmsg_request(t->link, &req, &resp);
    g_assert_cmpuint(GUINT16_FROM_LE(resp.msg_size), ==, 8);
    return vmsg_set_status(t->link, 0, FEATURES_OK) & FEATURES_OK;
}

static void test_features_at_the_edges(void)
{
    static const uint32_t zeros[4];
    static const uint32_t last[] = { 0, 0, 0, 1 };
    static const uint32_t upper[] = { FEATURES_BASE >> 32, 0, 0 };
    static const uint32_t above[] = { FEATURES_BASE >> 32, 0, BIT(31) };
    VMsgTest t;

    vmsg_test_start(&t, "", RNG);
    /* Known blocks and unknown ones in one message */
    g_assert_cmphex(negotiate_blocks(&t, 1, upper, 3), ==, FEATURES_OK);
    g_assert_cmphex(negotiate_blocks(&t, 1, above, 3), ==, 0);
    g_assert_cmphex(negotiate_blocks(&t, 1, NULL, 0), ==, FEATURES_OK);

    /* The index does not wrap: these are not blocks 0 and 1 */
    g_assert_cmphex(negotiate_blocks(&t, 0xfffffffe, zeros, 4), ==,
                    FEATURES_OK);
    g_assert_cmphex(negotiate_blocks(&t, 0xfffffffe, last, 4), ==, 0);
    vmsg_test_stop(&t);
}

/*
 * Status (T-07, T-08)
 */

static void test_status_bits_stay(void)
{
    const uint32_t all = ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK;
    VMsgQueue q;
    VMsgTest t;
    int bit;

    vmsg_test_start(&t, "", RNG);
    vmsg_rng_up(t.link, 0, 0, &q);
    for (bit = 0; bit < 4; bit++) {
        g_assert_cmphex(vmsg_set_status(t.link, 0, 1 << bit), ==, all);
        g_assert_cmphex(vmsg_get_status(t.link, 0), ==, all);
    }
    vmsg_rng_read(&q);

    /* Not even the device's own bit, and by nothing but a reset */
    rng_break(&q);
    vmsg_queue_kick(&q);
    vmsg_wait_event(t.link, 0, VIRTIO_MSG_EVENT_CONFIG, 0, NULL);
    g_assert_cmphex(vmsg_set_status(t.link, 0, all), ==, all | NEEDS_RESET);
    g_assert_cmphex(vmsg_set_status(t.link, 0, 0), ==, 0);
    vmsg_test_stop(&t);
}

/* What is pending when the reset comes: the notifications of both kinds */
static void test_reset_drops_notifications(void)
{
    struct virtio_msg msg;
    VMsgQueue q;
    VMsgTest t;
    int round;

    start_blk(&t, "");
    for (round = 0; round < 10; round++) {
        blk_up(t.link, &q);
        drain(&t);

        /* Used at once, but not yet told when the reset is handled */
        blk_add_get_id(&q);
        put_avail(t.link, 0, 0);
        put_reset(t.link, 0);
        vmsg_link_ring(t.link);
        expect_id(t.link, RESPONSE, VIRTIO_MSG_SET_DEVICE_STATUS, &msg);
        g_assert_cmphex(msg.status.status, ==, 0);
        g_assert_cmpuint(vmsg_queue_used(&q), ==, 1);
        expect_nothing(t.link);

        /* The same for a failure */
        blk_up(t.link, &q);
        drain(&t);
        rng_break(&q);
        put_avail(t.link, 0, 0);
        put_reset(t.link, 0);
        vmsg_link_ring(t.link);
        expect_id(t.link, RESPONSE, VIRTIO_MSG_SET_DEVICE_STATUS, &msg);
        g_assert_cmphex(msg.status.status, ==, 0);
        expect_nothing(t.link);
    }
    vmsg_test_stop(&t);
}

/*
 * Configuration (T-09 to T-11)
 */

/* Numbers of sectors that differ in every byte which they have */
static const uint64_t capacities[] = { 0x1122334455, 0x2a3b4c5d6e };

typedef struct Reader {
    uint64_t capacity;
    uint32_t generation;    /* of it */
    uint32_t told;          /* by the last EVENT_CONFIG */
    unsigned changes;
} Reader;

static void put_get_config(VMsgLink *link, uint32_t length)
{
    struct virtio_msg msg;

    vmsg_init(&msg, 0, VIRTIO_MSG_GET_CONFIG, 0, sizeof(msg.get_config));
    msg.get_config.length = GUINT32_TO_LE(length);
    put(link, &msg);
    vmsg_link_ring(link);
}

static void read_config(Reader *r, const struct virtio_msg *msg)
{
    uint32_t generation = GUINT32_FROM_LE(msg->config.generation);
    uint64_t capacity;

    g_assert_cmpuint(GUINT32_FROM_LE(msg->config.length), >=, 8);
    memcpy(&capacity, msg->config.data, 8);
    capacity = GUINT64_FROM_LE(capacity);

    /* One or the other, never a part of each */
    g_assert_true(capacity == capacities[0] || capacity == capacities[1]);
    if (capacity != r->capacity) {
        g_assert_cmpuint(generation, !=, r->generation);
        r->changes++;
    }
    g_assert_cmpuint(generation, >=, r->generation);
    g_assert_cmpuint(generation, >=, r->told);
    r->capacity = capacity;
    r->generation = generation;
}

/* T-09, T-11: read while it changes */
static void test_config_is_not_torn(void)
{
    struct virtio_msg msg;
    Reader reader = { 0 };
    VMsgTest t;
    int round, waits;

    start_blk(&t, "");
    resize_disk(&t, capacities[1] * 512);
    vmsg_negotiate(t.link, 0, 0);
    vmsg_driver_ok(t.link, 0);
    drain(&t);

    for (round = 0; round < 200; round++) {
        qtest_qmp_send(t.qts, "{ 'execute': 'block_resize', 'arguments':"
                       " { 'node-name': 'disk0', 'size': %" PRIu64 " } }",
                       capacities[round % 2] * 512);
        for (waits = 0; waits < 20; waits++) {
            put_get_config(t.link, waits % 2 ? 8 : 44);
        }
        while (waits) {
            vmsg_get(t.link, &msg);
            if (msg.type & RESPONSE) {
                read_config(&reader, &msg);
                if (--waits == 0 && reader.capacity != capacities[round % 2]) {
                    put_get_config(t.link, 8);
                    waits++;
                }
            } else if (!(msg.type & BUS)) {
                g_assert_cmphex(msg.msg_id, ==, VIRTIO_MSG_EVENT_CONFIG);
                reader.told = GUINT32_FROM_LE(msg.event_config.generation);
                g_assert_cmpuint(reader.told, >=, reader.generation);
            }
        }
        qobject_unref(qtest_qmp_receive(t.qts));
    }
    g_assert_cmpuint(reader.changes, >=, 200);
    vmsg_test_stop(&t);
}

/* T-10: what was written is answered, and is no news to the writer */
static void test_config_written(void)
{
    uint32_t at = offsetof(struct virtio_blk_config, wce);
    uint32_t generation, before;
    uint8_t wce, now;
    VMsgTest t;
    int i;

    start_blk(&t, "");
    vmsg_negotiate(t.link, 0, BIT(VIRTIO_BLK_F_CONFIG_WCE));
    vmsg_get_config(t.link, 0, at, 1, &wce, &before);
    for (i = 0; i < 4; i++) {
        wce = !wce;
        generation = before;
        g_assert_cmpuint(vmsg_set_config(t.link, 0, at, 1, &wce, &generation),
                         ==, 1);
        g_assert_cmpuint(generation, ==, before);
        vmsg_get_config(t.link, 0, at, 1, &now, &generation);
        g_assert_cmpuint(now, ==, wce);
        g_assert_cmpuint(generation, ==, before);
    }
    vmsg_test_stop(&t);
}

/*
 * Queues (T-13, T-14)
 */

/* Which layout a ring will have is not known yet */
static void test_set_vqueue_too_early(void)
{
    uint64_t ring;
    VMsgTest t;

    vmsg_test_start(&t, "", RNG);
    ring = vmsg_link_alloc(t.link, 3 * PAGE);
    g_assert_cmpuint(vmsg_set_vqueue(t.link, 0, 0, 8, ring, ring + PAGE,
                                     ring + 2 * PAGE), ==, 0);
    vmsg_set_status(t.link, 0, ACKNOWLEDGE | DRIVER);
    vmsg_set_features(t.link, 0, FEATURES_BASE);
    g_assert_cmpuint(vmsg_set_vqueue(t.link, 0, 0, 8, ring, ring + PAGE,
                                     ring + 2 * PAGE), ==, 0);
    vmsg_set_status(t.link, 0, FEATURES_OK);
    g_assert_cmpuint(vmsg_set_vqueue(t.link, 0, 0, 8, ring, ring + PAGE,
                                     ring + 2 * PAGE), ==, 8);
    vmsg_test_stop(&t);
}

/* T-14: what is pending when RESET_VQUEUE comes */
static void test_reset_vqueue_drops_notifications(void)
{
    VMsgQueue ctrl, tx;
    struct virtio_msg msg;
    uint64_t frame;
    VMsgTest t;
    int wire, round;

    wire = start_net(&t);
    frame = vmsg_link_alloc(t.link, PAGE);
    vmsg_negotiate(t.link, 0, BIT(VIRTIO_F_RING_RESET) |
                   BIT(VIRTIO_NET_F_CTRL_VQ));
    vmsg_queue_init(&tx, t.link, 0, NET_TX, 64);
    vmsg_queue_init(&ctrl, t.link, 0, NET_CTRL, 64);
    vmsg_driver_ok(t.link, 0);
    for (round = 0; round < 10; round++) {
        drain(&t);
        net_add_command(&ctrl);
        put_avail(t.link, 0, NET_CTRL);
        put_index(t.link, VIRTIO_MSG_RESET_VQUEUE, 0, NET_CTRL);
        vmsg_link_ring(t.link);
        expect_id(t.link, RESPONSE, VIRTIO_MSG_RESET_VQUEUE, &msg);
        g_assert_cmpuint(vmsg_queue_used(&ctrl), ==, 1);
        expect_nothing(t.link);

        /* What belongs to another queue is not dropped with it */
        vmsg_queue_init(&ctrl, t.link, 0, NET_CTRL, 64);
        drain(&t);
        net_add_frame(&tx, frame);
        net_add_command(&ctrl);
        put_avail(t.link, 0, NET_CTRL);
        put_index(t.link, VIRTIO_MSG_RESET_VQUEUE, 0, NET_TX);
        vmsg_link_ring(t.link);
        expect_id(t.link, RESPONSE, VIRTIO_MSG_RESET_VQUEUE, &msg);
        expect_id(t.link, 0, VIRTIO_MSG_EVENT_USED, &msg);
        g_assert_cmpuint(GUINT32_FROM_LE(msg.index.index), ==, NET_CTRL);
        ctrl.next_used++;
        vmsg_queue_init(&tx, t.link, 0, NET_TX, 64);
    }
    vmsg_test_stop(&t);
    close(wire);
}

/* T-14: what the device holds of a queue when RESET_VQUEUE comes */
static void test_reset_vqueue_in_flight(void)
{
    uint8_t frame[NET_FRAME], got[2 * NET_FRAME];
    VMsgBuffer buf = { .len = 2048, .device_writes = true };
    uint16_t tx_used, rx_used;
    VMsgQueue rx, tx;
    uint64_t at;
    VMsgTest t;
    int wire, i;

    wire = start_net(&t);
    at = vmsg_link_alloc(t.link, PAGE);
    buf.addr = vmsg_link_alloc(t.link, buf.len);
    vmsg_negotiate(t.link, 0, BIT(VIRTIO_F_RING_RESET));
    vmsg_queue_init(&rx, t.link, 0, NET_RX, 64);
    vmsg_queue_init(&tx, t.link, 0, NET_TX, 64);
    vmsg_driver_ok(t.link, 0);

    /* More than the wire takes while nobody reads */
    for (i = 0; i < 32; i++) {
        net_add_frame(&tx, at);
        vmsg_queue_add(&rx, &buf, 1);
    }
    vmsg_queue_kick(&rx);
    vmsg_queue_kick(&tx);
    wait_used(&t, &tx, 1);
    vmsg_settle(&t);
    vmsg_reset_vqueue(t.link, 0, NET_TX);
    vmsg_reset_vqueue(t.link, 0, NET_RX);
    tx_used = vmsg_queue_used(&tx);
    rx_used = vmsg_queue_used(&rx);
    drain(&t);

    /* Now there is room for what was held, and something to be received */
    while (recv(wire, got, sizeof(got), MSG_DONTWAIT) > 0) {
        vmsg_settle(&t);
    }
    memset(frame, 0xff, sizeof(frame));
    g_assert_cmpint(send(wire, frame, sizeof(frame), 0), ==, sizeof(frame));
    expect_nothing(t.link);
    g_assert_cmpuint(vmsg_queue_used(&tx), ==, tx_used);
    g_assert_cmpuint(vmsg_queue_used(&rx), ==, rx_used);
    g_assert_cmpuint(((uint8_t *)vmsg_link_ptr(t.link, buf.addr))[NET_HDR], ==,
                     0);

    vmsg_queue_init(&tx, t.link, 0, NET_TX, 64);
    net_add_frame(&tx, at);
    vmsg_queue_kick(&tx);
    vmsg_queue_wait(&tx, 0);
    vmsg_test_stop(&t);
    close(wire);
}

/*
 * Notifications (T-15, T-17)
 */

static void test_avail_after_a_reset(void)
{
    VMsgQueue q;
    VMsgTest t;

    vmsg_test_start(&t, "", RNG);
    vmsg_rng_up(t.link, 0, 0, &q);
    vmsg_rng_read(&q);
    vmsg_set_status(t.link, 0, 0);
    rng_add(&q, vmsg_link_alloc(t.link, 64), 1);
    vmsg_notify(t.link, 0, 0);
    vmsg_notify(t.link, 0, VIRTIO_MSG_ALL_VQUEUES);
    g_assert_cmpuint(vmsg_drops(&t, "ignored"), ==, 2);
    expect_nothing(t.link);
    g_assert_cmpuint(vmsg_queue_used(&q), ==, 0);

    /* FEATURES_OK is not enough, and neither is a queue alone */
    vmsg_negotiate(t.link, 0, 0);
    vmsg_notify(t.link, 0, 0);
    g_assert_cmpuint(vmsg_drops(&t, "ignored"), ==, 3);
    vmsg_test_stop(&t);
}

/* EVENT_AVAIL for all reaches every queue, and no absent one stops it */
static void test_avail_for_all(void)
{
    VMsgQueue tx, ctrl;
    VMsgTest t;
    int wire;

    wire = start_net(&t);
    vmsg_negotiate(t.link, 0, BIT(VIRTIO_NET_F_CTRL_VQ));
    vmsg_queue_init(&tx, t.link, 0, NET_TX, 64);
    vmsg_queue_init(&ctrl, t.link, 0, NET_CTRL, 64);
    vmsg_driver_ok(t.link, 0);
    net_add_frame(&tx, vmsg_link_alloc(t.link, PAGE));
    net_add_command(&ctrl);
    /* The first queue is not set up */
    vmsg_notify(t.link, 0, VIRTIO_MSG_ALL_VQUEUES);
    vmsg_queue_wait(&tx, 0);
    vmsg_queue_wait(&ctrl, 0);
    g_assert_cmpuint(vmsg_drops(&t, "ignored"), ==, 0);
    vmsg_test_stop(&t);
    close(wire);
}

/* T-17: completions that cannot be told wait as one for each queue */
static void test_used_merges(void)
{
    struct virtio_msg msg;
    VMsgQueue q;
    VMsgTest t;
    int round;

    vmsg_test_start(&t, "", RNG);
    vmsg_rng_up(t.link, 0, 0, &q);
    for (round = 0; round < 5; round++) {
        fill_queue(&t);
        rng_add(&q, VMSG_RAM_BASE + VMSG_RAM_SIZE - PAGE, VMSG_RNG_QUEUE_SIZE);
        vmsg_queue_kick(&q);
        wait_used(&t, &q, VMSG_RNG_QUEUE_SIZE);
        q.next_used += VMSG_RNG_QUEUE_SIZE;

        empty_queue(&t);
        expect_id(t.link, 0, VIRTIO_MSG_EVENT_USED, &msg);
        g_assert_cmpuint(msg.dev_num, ==, 0);
        g_assert_cmpuint(msg.index.index, ==, 0);
        expect_nothing(t.link);
    }
    vmsg_test_stop(&t);
}

static void test_used_of_two_queues(void)
{
    struct virtio_msg msg;
    VMsgQueue tx, ctrl;
    bool told[3] = { false };
    VMsgTest t;
    int wire, i;

    wire = start_net(&t);
    vmsg_negotiate(t.link, 0, BIT(VIRTIO_NET_F_CTRL_VQ));
    vmsg_queue_init(&tx, t.link, 0, NET_TX, 64);
    vmsg_queue_init(&ctrl, t.link, 0, NET_CTRL, 64);
    vmsg_driver_ok(t.link, 0);
    fill_queue(&t);
    net_add_frame(&tx, vmsg_link_alloc(t.link, PAGE));
    net_add_command(&ctrl);
    put_avail(t.link, 0, NET_TX);
    put_avail(t.link, 0, NET_CTRL);
    vmsg_link_ring(t.link);
    wait_used(&t, &tx, 1);
    wait_used(&t, &ctrl, 1);

    empty_queue(&t);
    for (i = 0; i < 2; i++) {
        expect_id(t.link, 0, VIRTIO_MSG_EVENT_USED, &msg);
        g_assert_cmpuint(GUINT32_FROM_LE(msg.index.index), <, 3);
        told[GUINT32_FROM_LE(msg.index.index)] = true;
    }
    g_assert_true(told[NET_TX]);
    g_assert_true(told[NET_CTRL]);
    expect_nothing(t.link);

    /* What was told is told once */
    net_add_command(&ctrl);
    put_avail(t.link, 0, NET_CTRL);
    vmsg_link_ring(t.link);
    expect_id(t.link, 0, VIRTIO_MSG_EVENT_USED, &msg);
    g_assert_cmpuint(GUINT32_FROM_LE(msg.index.index), ==, NET_CTRL);
    expect_nothing(t.link);
    vmsg_test_stop(&t);
    close(wire);
}

/*
 * A device that fails (T-16)
 */

/* By a configuration that it cannot take: no queue is needed for that */
static void test_needs_reset_before_driver_ok(void)
{
    uint32_t at = offsetof(struct virtio_scsi_config, sense_size);
    uint32_t bad = GUINT32_TO_LE(0x20000);
    uint32_t generation, now, status;
    struct virtio_msg event;
    VMsgQueue q;
    VMsgTest t;
    int i;

    vmsg_test_start(&t, "", "-device virtio-scsi-device " RNG);
    vmsg_rng_up(t.link, 1, 0, &q);
    for (i = 0; i < 4; i++) {
        /* With features agreed on, and without */
        vmsg_negotiate(t.link, 0, 0);
        if (i % 2) {
            vmsg_set_status(t.link, 0, 0);
            vmsg_set_status(t.link, 0, ACKNOWLEDGE | DRIVER);
        }
        status = vmsg_get_status(t.link, 0);
        vmsg_get_config(t.link, 0, at, 4, NULL, &generation);
        vmsg_set_config(t.link, 0, at, 4, &bad, &generation);
        vmsg_wait_event(t.link, 0, VIRTIO_MSG_EVENT_CONFIG, 0, &event);
        g_assert_cmpuint(GUINT16_FROM_LE(event.msg_size), ==, 24);
        g_assert_cmphex(GUINT32_FROM_LE(event.event_config.status), ==,
                        status | NEEDS_RESET);
        vmsg_get_config(t.link, 0, at, 4, NULL, &now);
        g_assert_cmpuint(GUINT32_FROM_LE(event.event_config.generation), ==,
                         now);
        g_assert_cmphex(vmsg_get_status(t.link, 0), ==,
                        status | NEEDS_RESET);
        vmsg_rng_read(&q);
        /* It is said once */
        g_assert_false(vmsg_take_event(t.link, 0, VIRTIO_MSG_EVENT_CONFIG, 0,
                                       NULL));
        g_assert_cmphex(vmsg_set_status(t.link, 0, 0), ==, 0);
    }
    vmsg_test_stop(&t);
}

/* Others have requests in the same batch, and on another link */
static void test_needs_reset_and_others(void)
{
    VMsgLink *link = vmsg_link_new(VMSG_SHM_SIZE, VMSG_RAM_SIZE);
    VMsgLink *far = vmsg_link_new(VMSG_SHM_SIZE, VMSG_RAM_SIZE);
    g_autofree char *args = NULL, *more = NULL;
    VMsgQueue broken, near_q, far_q;
    uint64_t at;
    VMsgTest t;
    int round;

    vmsg_link_serve(link);
    vmsg_link_serve(far);
    args = vmsg_link_args(far, "link1", "");
    more = g_strdup_printf("%s -device virtio-rng-device,bus=link0.0 "
                           "-device virtio-rng-device,bus=link0.1 "
                           "-device virtio-rng-device,bus=link1.0", args);
    vmsg_test_start_link(&t, link, "", more);
    vmsg_link_started(far);
    at = vmsg_link_alloc(link, 64);
    vmsg_rng_up(link, 1, 0, &near_q);
    vmsg_rng_up(far, 0, 0, &far_q);

    for (round = 0; round < 20; round++) {
        vmsg_rng_up(link, 0, 0, &broken);
        rng_break(&broken);
        rng_add(&near_q, at, 2);
        put_avail(link, 1, 0);
        put_avail(link, 0, 0);
        rng_add(&near_q, at, 2);
        put_avail(link, 1, 0);
        put_avail(link, 0, 0);
        vmsg_link_ring(link);
        vmsg_rng_read(&far_q);
        wait_used(&t, &near_q, 4);
        near_q.next_used += 4;
        vmsg_wait_event(link, 0, VIRTIO_MSG_EVENT_CONFIG, 0, NULL);
        g_assert_cmphex(vmsg_get_status(link, 0) & NEEDS_RESET, ==,
                        NEEDS_RESET);
        g_assert_cmphex(vmsg_get_status(link, 1) & NEEDS_RESET, ==, 0);
        g_assert_cmphex(vmsg_get_status(far, 0) & NEEDS_RESET, ==, 0);
        vmsg_drop_events(link);
        vmsg_rng_read(&near_q);
    }
    vmsg_test_stop(&t);
    vmsg_link_free(far);
}

/*
 * The bus
 */

static size_t resident_kib(VMsgTest *t)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/status",
                                            (int)qtest_pid(t->qts));
    g_autofree char *text = NULL;
    const char *line;
    size_t kib;

    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    line = strstr(text, "VmRSS:");
    g_assert_nonnull(line);
    g_assert_cmpint(sscanf(line, "VmRSS: %zu kB", &kib), ==, 1);
    return kib;
}

/* B-04: a peer that does not read may ask as often as it likes */
static void flood(VMsgTest *t, int rounds)
{
    struct virtio_msg msg;
    int i;

    vmsg_init(&msg, BUS, VIRTIO_MSG_BUS_PING, 0, sizeof(msg.ping));
    for (i = 0; i < rounds; i++) {
        while (vmsg_try_put(t->link, &msg)) {
            continue;
        }
        vmsg_link_ring(t->link);
        resize_disk(t, (1 + i % 2) * MIB);
        if (i % 16 == 0) {
            qtest_qmp_device_add(t->qts, "virtio-rng-device", "hot", "{}");
            qtest_qmp_device_del(t->qts, "hot");
        }
    }
}

static void test_memory_is_bounded(void)
{
    const char *options = g_getenv("ASAN_OPTIONS") ?: "";
    g_autofree char *keep_less =
        g_strdup_printf("%s:quarantine_size_mb=0"
                        ":detect_stack_use_after_return=0", options);
    size_t before, allowed = *options ? 4096 : 1024;
    uint64_t taken;
    VMsgQueue q;
    VMsgTest t;

    /*
     * AddressSanitizer keeps what was freed, to notice a later use of it, and
     * notes of where that was. Functions' variables it can put elsewhere than
     * on the stack, by default since clang 15: each stack has up to its elevenfold
     * size for that, and is long in coming round to what it has touched before.
     */
    g_setenv("ASAN_OPTIONS", keep_less, true);
    start_blk(&t, RNG);
    vmsg_negotiate(t.link, 0, 0);
    vmsg_driver_ok(t.link, 0);
    vmsg_rng_up(t.link, 1, 0, &q);
    fill_queue(&t);
    flood(&t, 200);
    taken = vmsg_stat(&t, "received");
    before = resident_kib(&t);
    flood(&t, 1500);
    g_assert_cmpuint(vmsg_stat(&t, "received"), ==, taken);
    g_assert_cmpuint(resident_kib(&t), <, before + allowed);

    /* It goes on as soon as somebody reads */
    empty_queue(&t);
    vmsg_link_ring(t.link);
    while (vmsg_stat(&t, "received") < taken + CAPACITY) {
        struct virtio_msg msg;

        vmsg_try_get(t.link, &msg);
    }
    vmsg_test_stop(&t);
}

/* B-06: all bytes of a slot that have no meaning, where others had been */
static void make_stale(VMsgLink *link)
{
    memset(link->shm + VMSG_DEVICE_QUEUE + VIRTIO_MSG_SPSC_SLOTS, 0xff,
           PAGE - VIRTIO_MSG_SPSC_SLOTS);
}

static void expect_padded(VMsgLink *link, uint8_t type, uint8_t id,
                          struct virtio_msg *msg)
{
    size_t i;

    expect_id(link, type, id, msg);
    for (i = GUINT16_FROM_LE(msg->msg_size); i < 64; i++) {
        g_assert_cmphex(((uint8_t *)msg)[i], ==, 0);
    }
    if (!(type & RESPONSE)) {
        g_assert_cmphex(msg->token, ==, 0);
    }
    make_stale(link);
}

static void test_padding_is_zero(void)
{
    VMsgLink *link = vmsg_link_new(VMSG_SHM_SIZE, VMSG_RAM_SIZE);
    struct virtio_msg msg;
    VMsgQueue q;
    VMsgTest t;
    int id;

    make_stale(link);
    vmsg_link_serve(link);
    vmsg_test_start_link(&t, link, "", RNG);
    if (link->wire == VMSG_WIRE_2025) {
        /* Nothing else before we have said something */
        expect_id(link, BUS, VIRTIO_MSG_BUS_PING, &msg);
        msg.type |= RESPONSE;
        vmsg_send(link, &msg);
    }
    expect_padded(link, BUS, VIRTIO_MSG_BUS_EVENT_DEVICE, &msg);
    vmsg_rng_up(link, 0, 0, &q);

    make_stale(link);
    rng_add(&q, vmsg_link_alloc(link, 64), 1);
    vmsg_queue_kick(&q);
    expect_padded(link, 0, VIRTIO_MSG_EVENT_USED, &msg);
    rng_break(&q);
    vmsg_queue_kick(&q);
    expect_padded(link, 0, VIRTIO_MSG_EVENT_CONFIG, &msg);
    g_assert_cmphex(msg.event_config.offset, ==, 0);
    g_assert_cmphex(msg.event_config.length, ==, 0);

    for (id = VIRTIO_MSG_GET_DEVICE_INFO; id <= VIRTIO_MSG_GET_SHM; id++) {
        vmsg_init(&msg, 0xfc, id, 0, 56);
        vmsg_send(link, &msg);
        expect_padded(link, RESPONSE, id, &msg);
        if (id == VIRTIO_MSG_GET_VQUEUE) {
            g_assert_cmphex(msg.get_vqueue_resp.flags, ==, 0);
        }
    }
    for (id = VIRTIO_MSG_BUS_GET_DEVICES; id <= VIRTIO_MSG_BUS_PING; id++) {
        vmsg_init(&msg, 0xfc | BUS, id, 0, 56);
        vmsg_send(link, &msg);
        expect_padded(link, BUS | RESPONSE, id, &msg);
    }
    vmsg_test_stop(&t);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);

#define TEST(path, fn) qtest_add_func("virtio-msg/conformance/" path, fn)
    TEST("drop/is-traced", test_drop_traced);
    TEST("drop/unplugged-device", test_drop_unplugged);
    TEST("request/one-response-in-every-state",
         test_one_response_in_every_state);
    TEST("request/no-response-to-an-event", test_no_response_to_an_event);
    TEST("request/longer-ones-act-the-same",
         test_longer_messages_act_the_same);
    TEST("info/after-a-failure", test_info_after_a_failure);
    TEST("features/at-the-edges", test_features_at_the_edges);
    TEST("status/bits-stay", test_status_bits_stay);
    TEST("status/reset-drops-notifications", test_reset_drops_notifications);
    TEST("config/not-torn", test_config_is_not_torn);
    TEST("config/written", test_config_written);
    TEST("vqueue/set-too-early", test_set_vqueue_too_early);
    TEST("vqueue/reset-drops-notifications",
         test_reset_vqueue_drops_notifications);
    TEST("vqueue/reset-in-flight", test_reset_vqueue_in_flight);
    TEST("notify/avail-after-a-reset", test_avail_after_a_reset);
    TEST("notify/avail-for-all", test_avail_for_all);
    TEST("notify/used-merges", test_used_merges);
    TEST("notify/used-of-two-queues", test_used_of_two_queues);
    TEST("needs-reset/before-driver-ok", test_needs_reset_before_driver_ok);
    TEST("needs-reset/others-go-on", test_needs_reset_and_others);
    TEST("bus/no-device-number", test_bus_messages_have_no_device);
    TEST("bus/memory-is-bounded", test_memory_is_bounded);
    TEST("bus/padding-is-zero", test_padding_is_zero);
#undef TEST

    return g_test_run();
}
