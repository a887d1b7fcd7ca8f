/*
 * Tests of what the two wires of virtio-msg do not have in common
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include <linux/virtio_blk.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_input.h>
#include <linux/virtio_net.h>
#include "qobject/qdict.h"
#include "qobject/qlist.h"
#include "virtio-msg-fixture.h"

/* Tests name the requirements (T-.., B-.., Q-..) that they check */

#define RNG             "-device virtio-rng-device "
#define NET             "-netdev hubport,id=net0,hubid=0 " \
                        "-device virtio-net-device,netdev=net0 "

#define BUS             VIRTIO_MSG_TYPE_BUS
#define PAGE            4096
#define BIT(n)          (1ULL << (n))

#define ENABLE          VIRTIO_MSG_VQ_OP_ENABLE
#define DISABLED        VIRTIO_MSG_VQ_OP_DISABLED
#define KEEP            VIRTIO_MSG_VQ_OP_KEEP
#define KEEP_ALL        (VIRTIO_MSG_VQ_KEEP_SIZE | VIRTIO_MSG_VQ_KEEP_DESC | \
                         VIRTIO_MSG_VQ_KEEP_DRIVER | VIRTIO_MSG_VQ_KEEP_DEVICE)

/* All but one is kept */
#define SET_SIZE        (KEEP_ALL ^ VIRTIO_MSG_VQ_KEEP_SIZE)
#define SET_DESC        (KEEP_ALL ^ VIRTIO_MSG_VQ_KEEP_DESC)
#define SET_DRIVER      (KEEP_ALL ^ VIRTIO_MSG_VQ_KEEP_DRIVER)
#define SET_DEVICE      (KEEP_ALL ^ VIRTIO_MSG_VQ_KEEP_DEVICE)

#define NET_TX          1

static void start(VMsgTest *t, VMsgWire wire, const char *props,
                  const char *more)
{
    VMsgLink *link = vmsg_link_new(VMSG_SHM_SIZE, VMSG_RAM_SIZE);

    link->wire = wire;
    vmsg_link_serve(link);
    vmsg_test_start_link(t, link, props, more);
}

static QDict *query_link(VMsgTest *t)
{
    QDict *r = qtest_qmp(t->qts, "{ 'execute': 'x-query-virtio-msg' }");
    QDict *link = qobject_to(QDict, qlist_peek(qdict_get_qlist(r, "return")));

    qobject_ref(link);
    qobject_unref(r);
    return link;
}

/* T-24 */
static void test_shown(void)
{
    static const struct {
        VMsgWire wire;
        const char *props;
        const char *name;
        bool strict;
    } cases[] = {
        { VMSG_WIRE_2025, "", "2025", true },
        { VMSG_WIRE_2026, "", "2026", false },
        { VMSG_WIRE_2026, ",strict-generation=on", "2026", true },
    };
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *hmp = NULL;
        g_autofree char *line = NULL;
        QDict *link;
        VMsgTest t;

        start(&t, cases[i].wire, cases[i].props, "");
        link = query_link(&t);
        g_assert_cmpstr(qdict_get_str(link, "wire"), ==, cases[i].name);
        g_assert_cmpint(qdict_get_bool(link, "strict-generation"), ==,
                        cases[i].strict);
        qobject_unref(link);

        line = g_strdup_printf("  wire: %s%s\r\n", cases[i].name,
                               cases[i].strict ? ", strict generation" : "");
        hmp = qtest_hmp(t.qts, "info virtio-msg");
        g_assert_nonnull(strstr(hmp, line));
        vmsg_test_stop(&t);
    }
}

static void test_default(void)
{
    VMsgTest t = { .link = vmsg_link_new(VMSG_SHM_SIZE, VMSG_RAM_SIZE) };
    QDict *link;

    vmsg_link_serve(t.link);
    t.qts = qtest_initf("-M virtio-msg -nodefaults "
                        "-chardev socket,id=server,fd=%d "
                        "-device virtio-msg-bus-ivshmem,id=link0,"
                        "chardev=server", t.link->client);
    vmsg_link_started(t.link);
    link = query_link(&t);
    g_assert_cmpstr(qdict_get_str(link, "wire"), ==, "2026");
    g_assert_false(qdict_get_bool(link, "strict-generation"));
    qobject_unref(link);
    vmsg_test_stop(&t);
}

/* It cannot change under a driver */
static void test_fixed_once_realized(void)
{
    QDict *r;
    VMsgTest t;

    start(&t, VMSG_WIRE_2026, "", "");
    r = qtest_qmp(t.qts, "{ 'execute': 'qom-set', 'arguments': {"
                  " 'path': '/machine/peripheral/link0',"
                  " 'property': 'wire', 'value': '2025' } }");
    g_assert_true(qdict_haskey(r, "error"));
    qobject_unref(r);
    r = query_link(&t);
    g_assert_cmpstr(qdict_get_str(r, "wire"), ==, "2026");
    qobject_unref(r);
    g_assert_cmpuint(vmsg_get_info(t.link, 0).device_id, ==, 0);
    vmsg_test_stop(&t);
}

/* T-03: byte for byte what the draft of that year says */
static void test_bytes(void)
{
    static const uint8_t request[] = {
        2, 2, 0, 0, 1, 0, 12, 0,  0, 0, 32, 0,
    };
    static const uint8_t answers[][18] = {
        [VMSG_WIRE_2025] = {
            3, 2, 0, 0, 1, 0, 18, 0,  0, 0, 32, 0, 0, 0, 1, 0, 0, 0,
        },
        [VMSG_WIRE_2026] = {
            3, 2, 0, 0, 1, 0, 18, 0,  0, 0, 0, 0, 32, 0, 1, 0, 0, 0,
        },
    };
    static const uint16_t info_size[] = {
        [VMSG_WIRE_2025] = 32, [VMSG_WIRE_2026] = 52,
    };
    struct virtio_msg req, resp;
    VMsgWire wire;
    VMsgTest t;

    for (wire = VMSG_WIRE_2025; wire <= VMSG_WIRE_2026; wire++) {
        start(&t, wire, "", RNG);
        memset(&req, 0, sizeof(req));
        memcpy(&req, request, sizeof(request));
        vmsg_send(t.link, &req);
        do {
            vmsg_get(t.link, &resp);
        } while (!(resp.type & VIRTIO_MSG_TYPE_RESPONSE));
        g_assert_cmpmem(&resp, sizeof(answers[wire]), answers[wire],
                        sizeof(answers[wire]));

        vmsg_init(&req, 0, VIRTIO_MSG_GET_DEVICE_INFO, 0, 0);
        vmsg_request(t.link, &req, &resp);
        g_assert_cmpuint(GUINT16_FROM_LE(resp.msg_size), ==, info_size[wire]);
        vmsg_init(&req, 0, VIRTIO_MSG_GET_DEVICE_INFO, 9, 0);
        vmsg_request(t.link, &req, &resp);
        g_assert_cmpuint(GUINT16_FROM_LE(resp.msg_size), ==, info_size[wire]);
        vmsg_test_stop(&t);
    }
}

/*
 * GET_DEVICES (B-01)
 */

/* Any window is one */
static void test_devices_2026(void)
{
    VMsgDevices d;
    VMsgTest t;
    unsigned offset, count, n;

    start(&t, VMSG_WIRE_2026, "", "-device virtio-rng-device,bus=link0.3 "
          "-device virtio-rng-device,bus=link0.9 "
          "-device virtio-rng-device,bus=link0.31 ");
    for (offset = 0; offset < 34; offset++) {
        for (count = 0; count < 34; count++) {
            unsigned end = offset + MAX(count, 1);
            unsigned next = end <= 3 ? 3 : end <= 9 ? 9 : end <= 31 ? 31 : 0;

            d = vmsg_get_devices(t.link, offset, count);
            g_assert_cmpuint(d.count, ==, count);
            g_assert_cmpuint(d.next, ==, next);
            for (n = 0; n < ROUND_UP(count, 8); n++) {
                unsigned dev = offset + n;
                bool here = n < count && (dev == 3 || dev == 9 || dev == 31);

                g_assert_cmpint(d.bitmap[n / 8] >> n % 8 & 1, ==, here);
            }
        }
    }
    d = vmsg_get_devices(t.link, 0xffff, 0xffff);
    g_assert_cmpuint(d.count, ==, (64 - 14) * 8);
    g_assert_cmpuint(d.next, ==, 0);
    vmsg_test_stop(&t);
}

static void test_devices_2025(void)
{
    struct virtio_msg req;
    unsigned i, drops = 0;
    VMsgTest t;

    start(&t, VMSG_WIRE_2025, "", "-device virtio-rng-device,bus=link0.9 ");
    for (i = 1; i < 0x10000; i = i * 2 + 1) {
        vmsg_init(&req, BUS, VIRTIO_MSG_BUS_GET_DEVICES, 0,
                  sizeof(req.get_devices));
        req.get_devices.offset = GUINT16_TO_LE(i);
        req.get_devices.count = GUINT16_TO_LE(32);
        vmsg_send(t.link, &req);
        g_assert_cmpuint(vmsg_drops(&t, "malformed"), ==, ++drops);
    }
    g_assert_cmpuint(vmsg_get_devices(t.link, 0, 255).count, ==, 248);
    g_assert_cmpuint(vmsg_get_devices(t.link, 0, 15).count, ==, 8);
    g_assert_cmpuint(vmsg_get_devices(t.link, 0, 7).count, ==, 0);
    g_assert_cmpuint(vmsg_get_devices(t.link, 0, 7).next, ==, 8);
    vmsg_test_stop(&t);
}

/*
 * SET_VQUEUE (T-13, T-24)
 */

static VMsgQueueState some_queue(uint32_t size, uint64_t at)
{
    return (VMsgQueueState) {
        .cur_size = size,
        .desc = VMSG_RAM_BASE + at,
        .driver = VMSG_RAM_BASE + at + PAGE,
        .device = VMSG_RAM_BASE + at + 2 * PAGE,
    };
}

static void assert_queue(VMsgQueueState is, VMsgQueueState want, bool enabled)
{
    g_assert_cmpuint(is.cur_size, ==, want.cur_size);
    g_assert_cmpint(is.enabled, ==, enabled);
    g_assert_cmphex(is.desc, ==, want.desc);
    g_assert_cmphex(is.driver, ==, want.driver);
    g_assert_cmphex(is.device, ==, want.device);
}

static const VMsgQueueState no_queue;

static void test_vqueue_flags(void)
{
    const VMsgQueueState q = some_queue(8, 0), other = some_queue(4, 0x10000);
    VMsgQueueState mixed;
    uint32_t bit;
    VMsgLink *link;
    VMsgTest t;

    start(&t, VMSG_WIRE_2026, "", RNG);
    link = t.link;

    vmsg_negotiate(link, 0, 0);
    /* What nobody knows, or makes no sense */
    for (bit = 6; bit < 32; bit++) {
        assert_queue(vmsg_ask_vqueue(link, 0, 0, ENABLE | 1U << bit, &q),
                     no_queue, false);
    }
    assert_queue(vmsg_ask_vqueue(link, 0, 0, 3, &q), no_queue, false);
    /* Nothing to keep */
    assert_queue(vmsg_ask_vqueue(link, 0, 0, ENABLE | KEEP_ALL, &q), no_queue,
                 false);
    for (bit = 2; bit < 6; bit++) {
        assert_queue(vmsg_ask_vqueue(link, 0, 0, ENABLE | 1U << bit, &q),
                     no_queue, false);
    }
    assert_queue(vmsg_ask_vqueue(link, 0, 0, KEEP | KEEP_ALL, &q), no_queue,
                 false);

    /* Set up, and not enabled */
    assert_queue(vmsg_ask_vqueue(link, 0, 0, DISABLED, &q), q, false);
    assert_queue(vmsg_ask_vqueue(link, 0, 0, KEEP, &other), other, false);
    /* A part of it */
    mixed = other;
    mixed.desc = q.desc;
    assert_queue(vmsg_ask_vqueue(link, 0, 0, DISABLED | SET_DESC, &q),
                 mixed, false);
    mixed.driver = q.driver;
    assert_queue(vmsg_ask_vqueue(link, 0, 0, KEEP | SET_DRIVER, &q),
                 mixed, false);
    mixed.device = q.device;
    assert_queue(vmsg_ask_vqueue(link, 0, 0, KEEP | SET_DEVICE, &q),
                 mixed, false);
    mixed.cur_size = q.cur_size;
    assert_queue(vmsg_ask_vqueue(link, 0, 0, KEEP | SET_SIZE, &q),
                 mixed, false);
    /* All or nothing */
    mixed = other;
    mixed.device = 1;
    assert_queue(vmsg_ask_vqueue(link, 0, 0, KEEP, &mixed), q, false);
    assert_queue(vmsg_ask_vqueue(link, 0, 0, ENABLE, &mixed), q, false);
    assert_queue(vmsg_ask_vqueue(link, 0, 0, KEEP | SET_DESC, &no_queue), q,
                 false);
    assert_queue(vmsg_ask_vqueue(link, 0, 0, KEEP | SET_SIZE, &no_queue), q,
                 false);
    /* A size that makes an area that is kept end outside of the memory */
    mixed = q;
    mixed.cur_size = 4;
    mixed.desc = VMSG_RAM_BASE + VMSG_RAM_SIZE - 4 * 16;
    assert_queue(vmsg_ask_vqueue(link, 0, 0, DISABLED, &mixed), mixed, false);
    assert_queue(vmsg_ask_vqueue(link, 0, 0, KEEP | SET_SIZE, &q),
                 mixed, false);

    /* Enabled with what it has been told */
    assert_queue(vmsg_ask_vqueue(link, 0, 0, ENABLE | KEEP_ALL, &no_queue),
                 mixed, true);
    /* It stays so */
    assert_queue(vmsg_ask_vqueue(link, 0, 0, DISABLED | KEEP_ALL, &no_queue),
                 mixed, true);
    assert_queue(vmsg_ask_vqueue(link, 0, 0, DISABLED, &q), mixed, true);
    assert_queue(vmsg_ask_vqueue(link, 0, 0, KEEP, &q), mixed, true);
    assert_queue(vmsg_ask_vqueue(link, 0, 0, KEEP | KEEP_ALL, &no_queue),
                 mixed, true);

    /* T-08 */
    vmsg_set_status(link, 0, 0);
    assert_queue(vmsg_get_vqueue(link, 0, 0), no_queue, false);
    vmsg_negotiate(link, 0, 0);
    assert_queue(vmsg_ask_vqueue(link, 0, 0, DISABLED, &q), q, false);
    vmsg_set_status(link, 0, 0);
    assert_queue(vmsg_get_vqueue(link, 0, 0), no_queue, false);
    vmsg_test_stop(&t);
}

/* +12 is not 0 */
static void test_vqueue_reserved(void)
{
    const VMsgQueueState q = some_queue(8, 0);
    struct virtio_msg req, resp;
    VMsgTest t;

    start(&t, VMSG_WIRE_2026, "", RNG);
    vmsg_negotiate(t.link, 0, 0);
    vmsg_init(&req, 0, VIRTIO_MSG_SET_VQUEUE, 0, sizeof(req.set_vqueue));
    req.set_vqueue.flags = GUINT32_TO_LE(ENABLE);
    req.set_vqueue.reserved = GUINT32_TO_LE(1);
    req.set_vqueue.size = GUINT32_TO_LE(q.cur_size);
    req.set_vqueue.desc = GUINT64_TO_LE(q.desc);
    req.set_vqueue.driver = GUINT64_TO_LE(q.driver);
    req.set_vqueue.device = GUINT64_TO_LE(q.device);
    vmsg_request(t.link, &req, &resp);
    assert_queue(vmsg_get_vqueue(t.link, 0, 0), no_queue, false);
    req.set_vqueue.reserved = 0;
    vmsg_request(t.link, &req, &resp);
    assert_queue(vmsg_get_vqueue(t.link, 0, 0), q, true);
    vmsg_test_stop(&t);
}

/* T-15: what is not enabled is not processed, and no error of the device */
static void test_vqueue_disabled(void)
{
    uint64_t ignored;
    VMsgBuffer buf;
    VMsgQueueState state;
    VMsgQueue q;
    uint16_t id;
    VMsgTest t;

    start(&t, VMSG_WIRE_2026, "", RNG);
    vmsg_negotiate(t.link, 0, 0);
    vmsg_queue_init(&q, t.link, 0, 0, VMSG_RNG_QUEUE_SIZE);
    state = vmsg_get_vqueue(t.link, 0, 0);
    vmsg_negotiate(t.link, 0, 0);
    vmsg_ask_vqueue(t.link, 0, 0, DISABLED, &state);
    vmsg_driver_ok(t.link, 0);

    buf = (VMsgBuffer) {
        .addr = vmsg_link_alloc(t.link, 64), .len = 64, .device_writes = true,
    };
    id = vmsg_queue_add(&q, &buf, 1);
    ignored = vmsg_drops(&t, "ignored");
    vmsg_queue_kick(&q);
    g_assert_cmpuint(vmsg_drops(&t, "ignored"), ==, ignored + 1);
    g_assert_cmpuint(vmsg_queue_used(&q), ==, 0);

    vmsg_ask_vqueue(t.link, 0, 0, ENABLE | KEEP_ALL, &no_queue);
    vmsg_queue_kick(&q);
    g_assert_cmpuint(vmsg_queue_wait(&q, id), ==, 64);
    vmsg_test_stop(&t);
}

/* T-14: also of a queue that was not enabled yet */
static void test_vqueue_reset(void)
{
    const VMsgQueueState q = some_queue(16, 0);
    VMsgTest t;

    start(&t, VMSG_WIRE_2026, "", NET);
    vmsg_negotiate(t.link, 0, BIT(VIRTIO_F_RING_RESET));
    assert_queue(vmsg_ask_vqueue(t.link, 0, NET_TX, DISABLED, &q), q, false);
    vmsg_reset_vqueue(t.link, 0, NET_TX);
    assert_queue(vmsg_get_vqueue(t.link, 0, NET_TX), no_queue, false);
    assert_queue(vmsg_ask_vqueue(t.link, 0, NET_TX, ENABLE, &q), q, true);
    vmsg_reset_vqueue(t.link, 0, NET_TX);
    assert_queue(vmsg_get_vqueue(t.link, 0, NET_TX), no_queue, false);

    /* Unless nobody has agreed on that */
    vmsg_negotiate(t.link, 0, 0);
    assert_queue(vmsg_ask_vqueue(t.link, 0, NET_TX, DISABLED, &q), q, false);
    vmsg_reset_vqueue(t.link, 0, NET_TX);
    assert_queue(vmsg_get_vqueue(t.link, 0, NET_TX), q, false);
    vmsg_test_stop(&t);
}

static void put_le64(uint8_t *at, uint64_t val)
{
    val = GUINT64_TO_LE(val);
    memcpy(at, &val, sizeof(val));
}

/* The first drivers' message, which is 4 bytes shorter */
static void test_vqueue_2025_07(void)
{
    const VMsgQueueState q = some_queue(8, 0);
    struct virtio_msg req, resp;
    VMsgTest t;

    vmsg_init(&req, 0, VIRTIO_MSG_SET_VQUEUE, 0, 36);
    req.payload[8] = 8;
    put_le64(req.payload + 12, q.desc);
    put_le64(req.payload + 20, q.driver);
    put_le64(req.payload + 28, q.device);

    start(&t, VMSG_WIRE_2025, "", RNG);
    vmsg_negotiate(t.link, 0, 0);
    vmsg_request(t.link, &req, &resp);
    assert_queue(vmsg_get_vqueue(t.link, 0, 0), q, true);
    vmsg_test_stop(&t);

    start(&t, VMSG_WIRE_2026, "", RNG);
    vmsg_negotiate(t.link, 0, 0);
    vmsg_send(t.link, &req);
    g_assert_cmpuint(vmsg_drops(&t, "malformed"), ==, 1);
    assert_queue(vmsg_get_vqueue(t.link, 0, 0), no_queue, false);
    vmsg_test_stop(&t);
}

/*
 * GET_DEVICE_FEATURES (T-05), on both wires
 */

/* What is offered does not depend on what a driver takes of it */
static void test_features_offered(void)
{
    uint64_t offered;
    VMsgWire wire;
    VMsgTest t;

    for (wire = VMSG_WIRE_2025; wire <= VMSG_WIRE_2026; wire++) {
        start(&t, wire, "", NET);
        offered = vmsg_get_features(t.link, 0);
        g_assert_cmphex(offered & BIT(39), ==, 0);
        vmsg_set_features(t.link, 0, BIT(VIRTIO_F_VERSION_1));
        g_assert_cmphex(vmsg_get_features(t.link, 0), ==, offered);
        vmsg_negotiate(t.link, 0, 0);
        g_assert_cmphex(vmsg_get_features(t.link, 0), ==, offered);
        vmsg_driver_ok(t.link, 0);
        g_assert_cmphex(vmsg_get_features(t.link, 0), ==, offered);
        vmsg_test_stop(&t);
    }
}

/*
 * SET_CONFIG (T-10)
 */

static void test_generation(void)
{
    static const struct {
        VMsgWire wire;
        const char *props;
        bool taken;
    } cases[] = {
        { VMSG_WIRE_2025, "", false },
        { VMSG_WIRE_2026, "", true },
        { VMSG_WIRE_2026, ",strict-generation=on", false },
    };
    const uint32_t at = offsetof(struct virtio_blk_config, wce);
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(cases); i++) {
        uint32_t current, generation;
        uint8_t old, new;
        VMsgTest t;

        start(&t, cases[i].wire, cases[i].props,
              "-blockdev driver=null-co,node-name=disk0,size=1048576 "
              "-device virtio-blk-device,drive=disk0 ");
        vmsg_negotiate(t.link, 0, BIT(VIRTIO_BLK_F_CONFIG_WCE));
        vmsg_get_config(t.link, 0, at, 1, &old, &current);
        new = !old;
        generation = current - 1;
        g_assert_cmpuint(vmsg_set_config(t.link, 0, at, 1, &new, &generation),
                         ==, cases[i].taken);
        g_assert_cmpuint(generation, ==, current);
        vmsg_get_config(t.link, 0, at, 1, &old, NULL);
        g_assert_cmpuint(old == new, ==, cases[i].taken);
        vmsg_test_stop(&t);
    }
}

/*
 * GET_SHM (T-18)
 */

static void get_shm(VMsgTest *t, uint32_t shmid, uint64_t *address,
                    uint64_t *length)
{
    struct virtio_msg req, resp;

    vmsg_init(&req, 0, VIRTIO_MSG_GET_SHM, 0, sizeof(req.index));
    req.index.index = GUINT32_TO_LE(shmid);
    vmsg_request(t->link, &req, &resp);
    g_assert_cmphex(GUINT32_FROM_LE(resp.get_shm_resp.index), ==, shmid);
    if (t->link->wire == VMSG_WIRE_2025) {
        g_assert_cmpuint(GUINT16_FROM_LE(resp.msg_size), ==, 20);
        *address = GUINT32_FROM_LE(resp.get_shm_resp_2025.address);
        *length = GUINT32_FROM_LE(resp.get_shm_resp_2025.length);
    } else {
        g_assert_cmpuint(GUINT16_FROM_LE(resp.msg_size), ==, 32);
        *address = GUINT64_FROM_LE(resp.get_shm_resp.address);
        *length = GUINT64_FROM_LE(resp.get_shm_resp.length);
    }
}

static void test_shm(void)
{
    static const struct {
        uint32_t shmid;
        uint64_t address;
        uint64_t length;
        bool in_2025;           /* it has a place in the answer */
    } cases[] = {
        { 0, 0x2000, 0x1000, true },
        { 255, 0xfffff000, 0xffffffff, true },
        { 0xffffffff, 0x100000000, 0x1000, false },
        { 1, 0x2000, 0x100000000, false },
        { 1, 0xfffffffffffff000, 0x1000, false },
        { 2, 0x2000, 0, true },
    };
    VMsgWire wire;
    size_t i;

    if (!qtest_has_device("virtio-msg-testdev")) {
        g_test_skip("this QEMU has no virtio-msg-testdev");
        return;
    }
    for (i = 0; i < G_N_ELEMENTS(cases); i++) {
        for (wire = VMSG_WIRE_2025; wire <= VMSG_WIRE_2026; wire++) {
            bool there = cases[i].length &&
                         (cases[i].in_2025 || wire == VMSG_WIRE_2026);
            g_autofree char *args = NULL;
            uint64_t address, length;
            VMsgTest t;

            args = g_strdup_printf("-device virtio-msg-testdev,"
                                   "shm-id=%" PRIu32 ",shm-address=%" PRIu64
                                   ",shm-length=%" PRIu64, cases[i].shmid,
                                   cases[i].address, cases[i].length);
            start(&t, wire, "", args);
            get_shm(&t, cases[i].shmid, &address, &length);
            g_assert_cmphex(address, ==, there ? cases[i].address : 0);
            g_assert_cmphex(length, ==, there ? cases[i].length : 0);
            /* There is no other one */
            get_shm(&t, cases[i].shmid ^ 0x80, &address, &length);
            g_assert_cmphex(address | length, ==, 0);
            vmsg_test_stop(&t);
        }
    }
}

/*
 * EVENT_CONFIG (T-22), on both wires
 */

static void resize_disk(VMsgTest *t, uint64_t size)
{
    qtest_qmp_assert_success(t->qts, "{ 'execute': 'block_resize', 'arguments':"
                             " { 'node-name': 'disk0', 'size': %" PRIu64 " } }",
                             size);
}

static bool take_event_config(VMsgTest *t, uint32_t generation)
{
    struct virtio_msg event;

    if (!vmsg_take_event(t->link, 0, VIRTIO_MSG_EVENT_CONFIG, 0, &event)) {
        return false;
    }
    g_assert_cmpuint(GUINT16_FROM_LE(event.msg_size), ==, 24);
    g_assert_cmpuint(GUINT32_FROM_LE(event.event_config.generation), ==,
                     generation);
    g_assert_cmpuint(event.event_config.offset, ==, 0);
    g_assert_cmpuint(event.event_config.length, ==, 0);
    return true;
}

/* From the moment that a driver has found the device */
static void test_config_news(void)
{
    static const uint32_t statuses[] = {
        0, VIRTIO_CONFIG_S_ACKNOWLEDGE,
        VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER,
    };
    uint32_t generation, round;
    int disk = vmsg_disk(64 * PAGE);
    g_autofree char *args = NULL;
    VMsgWire wire;
    VMsgTest t;

    args = g_strdup_printf("-blockdev driver=file,node-name=disk0,locking=off,"
                           "filename=/proc/self/fd/%d "
                           "-device virtio-blk-device,drive=disk0 ", disk);
    for (wire = VMSG_WIRE_2025; wire <= VMSG_WIRE_2026; wire++) {
        start(&t, wire, "", args);
        for (round = 0; round < 5; round++) {
            vmsg_drop_events(t.link);
            if (round < G_N_ELEMENTS(statuses)) {
                vmsg_set_status(t.link, 0, statuses[round]);
            } else {
                vmsg_negotiate(t.link, 0, 0);
            }
            if (round == 4) {
                vmsg_driver_ok(t.link, 0);
            }
            vmsg_get_config(t.link, 0, 0, 8, NULL, &generation);
            resize_disk(&t, (64 + round) * PAGE + wire * 10 * PAGE);
            g_assert_cmpint(take_event_config(&t, generation + 1), ==,
                            round > 0);
            /* Once for each change */
            g_assert_false(take_event_config(&t, generation + 1));
        }
        vmsg_test_stop(&t);
    }
    close(disk);
}

/* What a driver has chosen is in the answer, whatever the device tells */
static void test_config_choice(void)
{
    struct virtio_input_config config = { .select = VIRTIO_INPUT_CFG_ID_NAME };
    uint32_t generation, before;
    VMsgWire wire;
    VMsgTest t;

    if (!qtest_has_device("virtio-keyboard-device")) {
        g_test_skip("this QEMU has no virtio-keyboard-device");
        return;
    }
    for (wire = VMSG_WIRE_2025; wire <= VMSG_WIRE_2026; wire++) {
        start(&t, wire, "", "-device virtio-keyboard-device ");
        vmsg_negotiate(t.link, 0, 0);
        vmsg_driver_ok(t.link, 0);
        vmsg_drop_events(t.link);
        vmsg_get_config(t.link, 0, 0, 8, NULL, &before);
        generation = before;
        g_assert_cmpuint(vmsg_set_config(t.link, 0, 0, 2, &config,
                                         &generation), ==, 2);
        /* More has changed than was written (T-11) */
        g_assert_cmpuint(generation, !=, before);
        vmsg_get_config(t.link, 0, 2, 1, &config.size, NULL);
        g_assert_cmpuint(config.size, >, 0);
        g_assert_false(take_event_config(&t, generation));
        vmsg_test_stop(&t);
    }
}

/* Nor is a status that it has asked for */
static void test_config_own_status(void)
{
    VMsgWire wire;
    VMsgTest t;

    for (wire = VMSG_WIRE_2025; wire <= VMSG_WIRE_2026; wire++) {
        start(&t, wire, "", "-device virtio-keyboard-device ");
        vmsg_negotiate(t.link, 0, 0);
        vmsg_driver_ok(t.link, 0);
        vmsg_set_status(t.link, 0, VIRTIO_CONFIG_S_FAILED);
        vmsg_get_status(t.link, 0);
        g_assert_false(vmsg_take_event(t.link, 0, VIRTIO_MSG_EVENT_CONFIG, 0,
                                       NULL));
        vmsg_set_status(t.link, 0, 0);
        vmsg_get_status(t.link, 0);
        g_assert_false(vmsg_take_event(t.link, 0, VIRTIO_MSG_EVENT_CONFIG, 0,
                                       NULL));
        vmsg_test_stop(&t);
    }
}

/* What the device has to say meanwhile is told all the same */
static void test_config_own_and_news(void)
{
    /* Outside of the memory: no device can serve that */
    const VMsgBuffer buf = { .addr = 0x10000, .len = 64 };
    const uint32_t at = offsetof(struct virtio_blk_config, wce);
    struct virtio_msg msg;
    VMsgWire wire;
    VMsgQueue q;
    VMsgTest t;

    for (wire = VMSG_WIRE_2025; wire <= VMSG_WIRE_2026; wire++) {
        uint32_t generation;

        start(&t, wire, "",
              "-blockdev driver=null-co,node-name=disk0,size=1048576 "
              "-device virtio-blk-device,drive=disk0 ");
        vmsg_negotiate(t.link, 0, BIT(VIRTIO_BLK_F_CONFIG_WCE));
        vmsg_queue_init(&q, t.link, 0, 0, 8);
        vmsg_driver_ok(t.link, 0);
        vmsg_get_config(t.link, 0, at, 1, NULL, &generation);
        vmsg_queue_add(&q, &buf, 1);

        /* Both in one turn */
        vmsg_init(&msg, 0, VIRTIO_MSG_EVENT_AVAIL, 0, sizeof(msg.event_avail));
        g_assert_true(vmsg_try_put(t.link, &msg));
        vmsg_init(&msg, 0, VIRTIO_MSG_SET_CONFIG, 0,
                  offsetof(struct virtio_msg_config, data) + 1);
        msg.config.generation = GUINT32_TO_LE(generation);
        msg.config.offset = GUINT32_TO_LE(at);
        msg.config.length = GUINT32_TO_LE(1);
        g_assert_true(vmsg_try_put(t.link, &msg));
        vmsg_link_ring(t.link);
        do {
            vmsg_get(t.link, &msg);
        } while (!(msg.type & VIRTIO_MSG_TYPE_RESPONSE));
        g_assert_cmpuint(msg.msg_id, ==, VIRTIO_MSG_SET_CONFIG);
        vmsg_wait_event(t.link, 0, VIRTIO_MSG_EVENT_CONFIG, 0, &msg);
        g_assert_cmphex(GUINT32_FROM_LE(msg.event_config.status) &
                        VIRTIO_CONFIG_S_NEEDS_RESET, !=, 0);
        vmsg_test_stop(&t);
    }
}

/* T-10, T-11: the answer has what was sent, and the generation what became */
static void test_config_echo(void)
{
    const uint32_t at = offsetof(struct virtio_blk_config, capacity);
    uint64_t before, after, wanted = GUINT64_TO_LE(0x0123456789abcdef);
    uint32_t generation, now;
    struct virtio_msg req, resp;
    VMsgWire wire;
    VMsgTest t;

    for (wire = VMSG_WIRE_2025; wire <= VMSG_WIRE_2026; wire++) {
        start(&t, wire, "",
              "-blockdev driver=null-co,node-name=disk0,size=1048576 "
              "-device virtio-blk-device,drive=disk0 ");
        vmsg_negotiate(t.link, 0, 0);
        vmsg_get_config(t.link, 0, at, 8, &before, &generation);

        vmsg_init(&req, 0, VIRTIO_MSG_SET_CONFIG, 0,
                  offsetof(struct virtio_msg_config, data) + sizeof(wanted));
        req.config.generation = GUINT32_TO_LE(generation);
        req.config.offset = GUINT32_TO_LE(at);
        req.config.length = GUINT32_TO_LE(sizeof(wanted));
        memcpy(req.config.data, &wanted, sizeof(wanted));
        vmsg_request(t.link, &req, &resp);
        g_assert_cmpuint(GUINT32_FROM_LE(resp.config.length), ==,
                         sizeof(wanted));
        g_assert_cmpmem(resp.config.data, sizeof(wanted), &wanted,
                        sizeof(wanted));

        /* A disk does not grow by that */
        vmsg_get_config(t.link, 0, at, 8, &after, &now);
        g_assert_cmphex(after, ==, before);
        g_assert_cmpuint(now, !=, generation);
        g_assert_cmpuint(now, ==, GUINT32_FROM_LE(resp.config.generation));
        vmsg_test_stop(&t);
    }
}

/*
 * What the driver side did not ask for
 */

static bool is_event_device(const struct virtio_msg *msg)
{
    return msg->type == BUS && msg->msg_id == VIRTIO_MSG_BUS_EVENT_DEVICE;
}

static bool is_ping(const struct virtio_msg *msg)
{
    return msg->type == BUS && msg->msg_id == VIRTIO_MSG_BUS_PING;
}

/* Answered as a driver does it */
static void answer_ping(VMsgLink *link, struct virtio_msg *ping)
{
    ping->type |= VIRTIO_MSG_TYPE_RESPONSE;
    vmsg_send(link, ping);
}

static gint64 now_ms(void)
{
    return g_get_monotonic_time() / G_TIME_SPAN_MILLISECOND;
}

/* Whether nothing comes, although its time would have come */
static bool quiet(VMsgTest *t, struct virtio_msg *msg)
{
    g_usleep(150 * G_TIME_SPAN_MILLISECOND);
    /* The device side has had its turns */
    vmsg_settle(t);
    return !vmsg_try_get(t->link, msg);
}

/* What takes longer than this has been given up, by them or by us */
#define LISTING_MS      1000
#define TRIES           5

/* A driver that was there first is asked, and told once it has answered */
static void test_hello(void)
{
    struct virtio_msg msg, next;
    VMsgTest t;
    int i;

    start(&t, VMSG_WIRE_2025, "", RNG RNG RNG);
    vmsg_get(t.link, &msg);
    g_assert_true(is_ping(&msg));
    g_assert_true(quiet(&t, &next));
    answer_ping(t.link, &msg);
    for (i = 0; i < 3; i++) {
        vmsg_get(t.link, &msg);
        g_assert_true(is_event_device(&msg));
        g_assert_cmpuint(GUINT16_FROM_LE(msg.event_device.device_number), ==,
                         i);
        g_assert_cmpuint(GUINT16_FROM_LE(msg.event_device.state), ==,
                         VIRTIO_MSG_DEVICE_ADDED);
    }
    g_assert_cmpuint(vmsg_drops(&t, "unknown"), ==, 0);
    vmsg_test_stop(&t);

    /* Those of 2026 need none of that */
    start(&t, VMSG_WIRE_2026, "", RNG RNG RNG);
    for (i = 0; i < 3; i++) {
        vmsg_get(t.link, &msg);
        g_assert_true(is_event_device(&msg));
    }
    vmsg_test_stop(&t);
}

/* They leave 100 ms apart, or later */
static void test_one_by_one(void)
{
    struct virtio_msg msg;
    gint64 begin;
    VMsgTest t;
    int i;

    start(&t, VMSG_WIRE_2025, "", RNG RNG RNG RNG);
    vmsg_get(t.link, &msg);
    g_assert_true(is_ping(&msg));
    begin = now_ms();
    answer_ping(t.link, &msg);
    for (i = 0; i < 4; i++) {
        vmsg_get(t.link, &msg);
        g_assert_true(is_event_device(&msg));
        g_assert_cmpint(now_ms() - begin, >=, i * 100);
    }
    vmsg_test_stop(&t);
}

/* Nothing comes between the list of devices and the request that follows it */
static void test_not_while_listing(void)
{
    struct virtio_msg ping, req, resp;
    gint64 begin;
    VMsgTest t;

    start(&t, VMSG_WIRE_2025, "", RNG);
    vmsg_get(t.link, &ping);
    g_assert_true(is_ping(&ping));

    /* The first message of a driver that starts */
    vmsg_init(&req, BUS, VIRTIO_MSG_BUS_GET_DEVICES, 0,
              sizeof(req.get_devices));
    req.get_devices.count = GUINT16_TO_LE(32);
    req.token = GUINT16_TO_LE(1);
    begin = now_ms();
    vmsg_send(t.link, &req);
    vmsg_get(t.link, &resp);
    g_assert_cmpuint(resp.msg_id, ==, VIRTIO_MSG_BUS_GET_DEVICES);

    /* An event is none that follows, nor is a response */
    vmsg_notify(t.link, 0, 0);
    answer_ping(t.link, &ping);
    qtest_qmp_device_add(t.qts, "virtio-rng-device", "hot", "{}");
    if (!quiet(&t, &resp)) {
        /* Unless it takes that long, then it was given up */
        g_assert_cmpint(now_ms() - begin, >=, LISTING_MS);
        g_assert_true(is_event_device(&resp));
    } else {
        vmsg_init(&req, 0, VIRTIO_MSG_GET_DEVICE_INFO, 0, 0);
        vmsg_request(t.link, &req, &resp);
        vmsg_wait_event(t.link, BUS, VIRTIO_MSG_BUS_EVENT_DEVICE, 0, NULL);
    }
    vmsg_wait_event(t.link, BUS, VIRTIO_MSG_BUS_EVENT_DEVICE, 0, &resp);
    g_assert_cmpuint(GUINT16_FROM_LE(resp.event_device.device_number), ==, 1);
    vmsg_test_stop(&t);
}

/* A window without devices may be followed by one with some */
static void test_not_between_windows(void)
{
    struct virtio_msg msg;
    VMsgDevices d;
    gint64 begin;
    VMsgTest t;

    start(&t, VMSG_WIRE_2025, "", "-device virtio-rng-device,bus=link0.9 ");
    vmsg_get(t.link, &msg);
    g_assert_true(is_ping(&msg));
    begin = now_ms();
    d = vmsg_get_devices(t.link, 0, 8);
    g_assert_cmphex(d.bitmap[0], ==, 0);
    g_assert_cmpuint(d.next, ==, 8);
    if (!quiet(&t, &msg)) {
        g_assert_cmpint(now_ms() - begin, >=, LISTING_MS);
        g_assert_true(is_event_device(&msg));
    } else {
        g_assert_cmphex(vmsg_get_devices(t.link, 8, 8).bitmap[0], ==, 2);
        vmsg_get_info(t.link, 9);
        vmsg_wait_event(t.link, BUS, VIRTIO_MSG_BUS_EVENT_DEVICE, 0, NULL);
    }
    vmsg_test_stop(&t);
}

/* A driver that has asked on is told at once */
static void test_after_listing(void)
{
    struct virtio_msg msg;
    gint64 begin, took;
    VMsgTest t;
    int i;

    start(&t, VMSG_WIRE_2025, "", RNG);
    vmsg_get(t.link, &msg);
    g_assert_true(is_ping(&msg));
    for (i = 0; i < TRIES; i++) {
        g_autofree char *id = g_strdup_printf("hot%d", i);

        begin = now_ms();
        g_assert_cmphex(vmsg_get_devices(t.link, 0, 32).bitmap[0] & 1, ==, 1);
        vmsg_get_info(t.link, 0);
        vmsg_wait_event(t.link, BUS, VIRTIO_MSG_BUS_EVENT_DEVICE, 0, NULL);
        took = now_ms() - begin;
        if (took < LISTING_MS) {
            break;
        }
        /* For the next one */
        qtest_qmp_device_add(t.qts, "virtio-rng-device", id, "{}");
    }
    g_assert_cmpint(i, <, TRIES);
    vmsg_test_stop(&t);
}

/* A driver that found nothing has no reason to ask on, and is told at once */
static void test_empty_list(void)
{
    struct virtio_msg msg;
    gint64 begin;
    VMsgTest t;
    int i;

    start(&t, VMSG_WIRE_2025, "", "");
    vmsg_get(t.link, &msg);
    g_assert_true(is_ping(&msg));
    for (i = 0; i < TRIES; i++) {
        begin = now_ms();
        g_assert_cmpuint(vmsg_get_devices(t.link, 0, 32).next, ==, 0);
        qtest_qmp_device_add(t.qts, "virtio-rng-device", "hot",
                             "{ 'bus': 'link0.0' }");
        vmsg_get(t.link, &msg);
        g_assert_true(is_event_device(&msg));
        if (now_ms() - begin < LISTING_MS) {
            break;
        }
        qtest_qmp_device_del(t.qts, "hot");
        vmsg_get(t.link, &msg);
        g_assert_true(is_event_device(&msg));
    }
    g_assert_cmpint(i, <, TRIES);
    vmsg_test_stop(&t);
}

/* Nor is a driver that stops in the middle of it waited for without end */
static void test_list_without_end(void)
{
    struct virtio_msg msg;
    VMsgTest t;

    start(&t, VMSG_WIRE_2025, "", RNG);
    vmsg_get(t.link, &msg);
    g_assert_true(is_ping(&msg));
    g_assert_cmphex(vmsg_get_devices(t.link, 0, 32).bitmap[0], ==, 1);
    vmsg_get(t.link, &msg);
    g_assert_true(is_event_device(&msg));
    vmsg_test_stop(&t);
}

/* The next driver side has to say something first, too */
static void test_again(void)
{
    static const uint16_t states[] = {
        VIRTIO_MSG_DEVICE_REMOVED, VIRTIO_MSG_DEVICE_ADDED,
    };
    struct virtio_msg msg;
    VMsgQueue q;
    VMsgTest t;
    size_t i;

    start(&t, VMSG_WIRE_2025, "", RNG);
    vmsg_get(t.link, &msg);
    answer_ping(t.link, &msg);
    vmsg_wait_event(t.link, BUS, VIRTIO_MSG_BUS_EVENT_DEVICE, 0, NULL);
    vmsg_rng_up(t.link, 0, 0, &q);

    vmsg_link_tell(t.link, VMSG_DRIVER_ID, -1);
    vmsg_settle(&t);
    vmsg_link_tell(t.link, VMSG_DRIVER_ID, t.link->to_driver);
    g_assert_true(quiet(&t, &msg));
    vmsg_ping(t.link);
    for (i = 0; i < G_N_ELEMENTS(states); i++) {
        vmsg_wait_event(t.link, BUS, VIRTIO_MSG_BUS_EVENT_DEVICE, 0, &msg);
        g_assert_cmpuint(GUINT16_FROM_LE(msg.event_device.state), ==,
                         states[i]);
    }
    vmsg_test_stop(&t);
}

/* A driver that has devices in use and says nothing is asked */
static void start_with_pings(VMsgTest *t, VMsgQueue *q)
{
    struct virtio_msg msg;

    start(t, VMSG_WIRE_2025, ",ping-interval=30", RNG);
    vmsg_get(t->link, &msg);
    g_assert_true(is_ping(&msg));
    answer_ping(t->link, &msg);
    vmsg_wait_event(t->link, BUS, VIRTIO_MSG_BUS_EVENT_DEVICE, 0, NULL);
    vmsg_rng_up(t->link, 0, 0, q);
}

static void test_news_after_ping(void)
{
    struct virtio_msg msg;
    gint64 begin;
    VMsgQueue q;
    VMsgTest t;

    start_with_pings(&t, &q);
    /* What has come so far is of no matter any more */
    quiet(&t, &msg);
    begin = now_ms();
    vmsg_ping(t.link);
    vmsg_get(t.link, &msg);
    g_assert_true(is_ping(&msg));
    qtest_qmp_device_add(t.qts, "virtio-rng-device", "hot", "{}");
    vmsg_get(t.link, &msg);
    g_assert_true(is_event_device(&msg));
    g_assert_cmpint(now_ms() - begin, >=, 100);
    vmsg_test_stop(&t);
}

static void test_ping_after_news(void)
{
    struct virtio_msg msg;
    gint64 begin;
    VMsgQueue q;
    VMsgTest t;
    int i;

    start_with_pings(&t, &q);
    for (i = 0; i < TRIES; i++) {
        g_autofree char *id = g_strdup_printf("hot%d", i);

        quiet(&t, &msg);
        begin = now_ms();
        vmsg_ping(t.link);
        qtest_qmp_device_add(t.qts, "virtio-rng-device", id, "{}");
        vmsg_get(t.link, &msg);
        if (is_ping(&msg)) {
            /* It was faster */
            vmsg_wait_event(t.link, BUS, VIRTIO_MSG_BUS_EVENT_DEVICE, 0, NULL);
            continue;
        }
        g_assert_true(is_event_device(&msg));
        vmsg_get(t.link, &msg);
        g_assert_true(is_ping(&msg));
        g_assert_cmpint(now_ms() - begin, >=, 100);
        break;
    }
    vmsg_test_stop(&t);
}

/*
 * Tokens, on both wires
 */

/* All requests have the same, and events whatever comes to mind */
static void test_same_token(void)
{
    static const uint16_t tokens[] = { 0, 1, 0xffff };
    struct virtio_msg msg;
    VMsgBuffer buf;
    VMsgQueue q;
    VMsgWire wire;
    uint16_t id;
    VMsgTest t;
    size_t i;

    for (wire = VMSG_WIRE_2025; wire <= VMSG_WIRE_2026; wire++) {
        start(&t, wire, "", RNG);
        vmsg_rng_up(t.link, 0, 0, &q);
        for (i = 0; i < 10; i++) {
            vmsg_init(&msg, 0, VIRTIO_MSG_GET_DEVICE_STATUS, 0, 0);
            msg.token = GUINT16_TO_LE(1);
            g_assert_true(vmsg_try_put(t.link, &msg));
        }
        vmsg_link_ring(t.link);
        for (i = 0; i < 10; i++) {
            do {
                vmsg_get(t.link, &msg);
            } while (!(msg.type & VIRTIO_MSG_TYPE_RESPONSE));
            g_assert_cmpuint(msg.msg_id, ==, VIRTIO_MSG_GET_DEVICE_STATUS);
            g_assert_cmpuint(GUINT16_FROM_LE(msg.token), ==, 1);
        }

        buf = (VMsgBuffer) {
            .addr = vmsg_link_alloc(t.link, 64), .len = 64,
            .device_writes = true,
        };
        for (i = 0; i < G_N_ELEMENTS(tokens); i++) {
            id = vmsg_queue_add(&q, &buf, 1);
            vmsg_init(&msg, 0, VIRTIO_MSG_EVENT_AVAIL, 0,
                      sizeof(msg.event_avail));
            msg.token = GUINT16_TO_LE(tokens[i]);
            vmsg_send(t.link, &msg);
            g_assert_cmpuint(vmsg_queue_wait(&q, id), ==, 64);
        }
        vmsg_test_stop(&t);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);

#define TEST(path, fn) qtest_add_func("virtio-msg/wire/" path, fn)
    TEST("shown", test_shown);
    TEST("default", test_default);
    TEST("fixed-once-realized", test_fixed_once_realized);
    TEST("bytes", test_bytes);
    TEST("devices/2026", test_devices_2026);
    TEST("devices/2025", test_devices_2025);
    TEST("vqueue/flags", test_vqueue_flags);
    TEST("vqueue/reserved", test_vqueue_reserved);
    TEST("vqueue/disabled", test_vqueue_disabled);
    TEST("vqueue/reset", test_vqueue_reset);
    TEST("vqueue/2025-07", test_vqueue_2025_07);
    TEST("features/offered", test_features_offered);
    TEST("config/generation", test_generation);
    TEST("shm", test_shm);
    TEST("config/news", test_config_news);
    TEST("config/choice", test_config_choice);
    TEST("config/echo", test_config_echo);
    TEST("config/own-status", test_config_own_status);
    TEST("config/own-and-news", test_config_own_and_news);
    TEST("pace/hello", test_hello);
    TEST("pace/one-by-one", test_one_by_one);
    TEST("pace/not-while-listing", test_not_while_listing);
    TEST("pace/not-between-windows", test_not_between_windows);
    TEST("pace/after-listing", test_after_listing);
    TEST("pace/empty-list", test_empty_list);
    TEST("pace/list-without-end", test_list_without_end);
    TEST("pace/again", test_again);
    TEST("pace/news-after-ping", test_news_after_ping);
    TEST("pace/ping-after-news", test_ping_after_news);
    TEST("same-token", test_same_token);
#undef TEST

    return g_test_run();
}
