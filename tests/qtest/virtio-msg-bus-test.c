/*
 * Tests of virtio-msg's links: bus messages, flow control, and what becomes of
 * a link whose other end misbehaves
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <poll.h>
#include <sys/eventfd.h>
#include "qobject/qdict.h"
#include "virtio-msg-fixture.h"

/* Tests name the requirements (B-..) that they check */

#define RNG             "-device virtio-rng-device "
#define BUS             VIRTIO_MSG_TYPE_BUS

#define PAGE            VIRTIO_MSG_SPSC_PAGE_SIZE
#define CAPACITY        (VIRTIO_MSG_SPSC_NUM_SLOTS - 1)

static uint32_t *shm_word(VMsgLink *link, size_t off)
{
    return (uint32_t *)(link->shm + off);
}

static uint32_t shm_read(VMsgLink *link, size_t off)
{
    return GUINT32_FROM_LE(__atomic_load_n(shm_word(link, off),
                                           __ATOMIC_ACQUIRE));
}

static void shm_write(VMsgLink *link, size_t off, uint32_t val)
{
    __atomic_store_n(shm_word(link, off), GUINT32_TO_LE(val),
                     __ATOMIC_RELEASE);
}

/* The indices of both queues; the device owns the two in the middle */
#define DRIVER_HEAD     (VMSG_DRIVER_QUEUE + VIRTIO_MSG_SPSC_HEAD)
#define DRIVER_TAIL     (VMSG_DRIVER_QUEUE + VIRTIO_MSG_SPSC_TAIL)
#define DEVICE_HEAD     (VMSG_DEVICE_QUEUE + VIRTIO_MSG_SPSC_HEAD)
#define DEVICE_TAIL     (VMSG_DEVICE_QUEUE + VIRTIO_MSG_SPSC_TAIL)

static gint64 deadline(void)
{
    return g_get_monotonic_time() +
           VMSG_DEADLINE_MS * (gint64)G_TIME_SPAN_MILLISECOND;
}

/* Ask QEMU until a statistic says that it happened */
static void wait_stat(VMsgTest *t, const char *property, uint64_t least)
{
    gint64 end = deadline();

    while (vmsg_stat(t, property) < least) {
        g_assert_cmpint(g_get_monotonic_time(), <, end);
    }
}

/*
 * Bus messages
 */

/* As a driver does it; the set of numbers, to be freed */
static GHashTable *enumerate(VMsgLink *link, uint16_t count)
{
    GHashTable *found = g_hash_table_new(NULL, NULL);
    uint16_t offset = 0;
    unsigned i;

    do {
        VMsgDevices w = vmsg_get_devices(link, offset, count);

        for (i = 0; i < w.count; i++) {
            if (w.bitmap[i / 8] & (1 << (i % 8))) {
                g_hash_table_add(found, GUINT_TO_POINTER(offset + i));
            }
        }
        offset = w.next;
    } while (offset);
    return found;
}

/* B-01 */
static void test_get_devices(void)
{
    VMsgTest t;
    VMsgDevices w;

    vmsg_test_start(&t, "", "-device virtio-rng-device,bus=link0.0 "
                    "-device virtio-rng-device,bus=link0.9 "
                    "-device virtio-rng-device,bus=link0.31 ");

    w = vmsg_get_devices(t.link, 0, 32);
    g_assert_cmpuint(w.count, ==, 32);
    g_assert_cmpuint(w.next, ==, 0);
    g_assert_cmphex(w.bitmap[0], ==, 0x01);
    g_assert_cmphex(w.bitmap[1], ==, 0x02);
    g_assert_cmphex(w.bitmap[2], ==, 0x00);
    g_assert_cmphex(w.bitmap[3], ==, 0x80);

    w = vmsg_get_devices(t.link, 0, 8);
    g_assert_cmpuint(w.count, ==, 8);
    g_assert_cmphex(w.bitmap[0], ==, 0x01);
    g_assert_cmpuint(w.next, ==, t.link->wire == VMSG_WIRE_2025 ? 8 : 9);
    w = vmsg_get_devices(t.link, 8, 8);
    g_assert_cmphex(w.bitmap[0], ==, 0x02);
    g_assert_cmpuint(w.next, ==, t.link->wire == VMSG_WIRE_2025 ? 24 : 31);
    w = vmsg_get_devices(t.link, 24, 8);
    g_assert_cmphex(w.bitmap[0], ==, 0x80);
    g_assert_cmpuint(w.next, ==, 0);

    /* An empty window leads on as well, and never to where it began */
    w = vmsg_get_devices(t.link, 0, 0);
    g_assert_cmpuint(w.count, ==, 0);
    g_assert_cmpuint(w.next, ==, t.link->wire == VMSG_WIRE_2025 ? 8 : 9);
    w = vmsg_get_devices(t.link, 24, 0);
    g_assert_cmpuint(w.count, ==, 0);
    g_assert_cmpuint(w.next, ==, t.link->wire == VMSG_WIRE_2025 ? 0 : 31);
    vmsg_test_stop(&t);
}

/* B-01 */
static void test_get_devices_out_of_range(void)
{
    static const uint16_t offsets[] = { 64, 1024, 0x8000, 0xfff8 };
    VMsgTest t;
    VMsgDevices w;
    size_t i;
    int bit;

    vmsg_test_start(&t, "", "-device virtio-rng-device,bus=link0.9");
    for (i = 0; i < G_N_ELEMENTS(offsets); i++) {
        w = vmsg_get_devices(t.link, offsets[i], 0xfff8);
        /* Peers insist on all that they asked for (B-01) */
        g_assert_cmpuint(w.count, ==, (64 - 14) * 8);
        g_assert_cmpuint(w.next, ==, 0);
        for (bit = 0; bit < w.count / 8; bit++) {
            g_assert_cmphex(w.bitmap[bit], ==, 0);
        }
        g_assert_cmpuint(vmsg_get_devices(t.link, offsets[i], 32).count, ==,
                         32);
    }
    vmsg_test_stop(&t);
}

/* B-01: the last number is reached although no message holds all bits */
static void test_get_devices_beyond_one_message(void)
{
    g_autoptr(GHashTable) found = NULL;
    VMsgTest t;
    VMsgDevices w;

    vmsg_test_start(&t, ",slots=600", "-device virtio-rng-device,bus=link0.3 "
                    "-device virtio-rng-device,bus=link0.400 "
                    "-device virtio-rng-device,bus=link0.599 ");
    w = vmsg_get_devices(t.link, 0, 0xfff8);
    g_assert_cmpuint(w.count, ==, (64 - 14) * 8);
    /* Both wires can say that */
    g_assert_cmpuint(w.next, ==, 400);

    found = enumerate(t.link, 0xfff8);
    g_assert_cmpuint(g_hash_table_size(found), ==, 3);
    g_assert_true(g_hash_table_contains(found, GUINT_TO_POINTER(3)));
    g_assert_true(g_hash_table_contains(found, GUINT_TO_POINTER(400)));
    g_assert_true(g_hash_table_contains(found, GUINT_TO_POINTER(599)));
    vmsg_test_stop(&t);
}

static void test_256_devices(void)
{
    g_autoptr(GString) args = g_string_new("");
    g_autoptr(GHashTable) found = NULL;
    VMsgQueue q;
    VMsgTest t;
    int i;

    for (i = 0; i < 256; i++) {
        g_string_append(args, RNG);
    }
    vmsg_test_start(&t, "", "%s", args->str);

    /*
     * More events than the queue holds have waited for somebody to read.  In
     * 2025 they come one by one, once somebody is there.
     */
    vmsg_ping(t.link);
    for (i = 0; i < (t.link->wire == VMSG_WIRE_2025 ? 3 : 256); i++) {
        vmsg_wait_event(t.link, BUS, VIRTIO_MSG_BUS_EVENT_DEVICE, 0, NULL);
        vmsg_link_ring(t.link);
    }
    found = enumerate(t.link, 64);
    g_assert_cmpuint(g_hash_table_size(found), ==, 256);
    for (i = 0; i < 256; i++) {
        g_assert_true(g_hash_table_contains(found, GUINT_TO_POINTER(i)));
        g_assert_cmpuint(vmsg_get_info(t.link, i).device_id, ==,
                         VIRTIO_ID_RNG);
    }
    for (i = 0; i < 256; i++) {
        vmsg_rng_up(t.link, i, 0, &q);
        vmsg_rng_read(&q);
    }
    vmsg_test_stop(&t);
}

/* B-02 */
static void test_ping(void)
{
    static const uint32_t data[] = { 0, 1, 0x80000000, 0xdeadbeef, ~0U };
    struct virtio_msg req, resp;
    VMsgTest t;
    size_t i;

    vmsg_test_start(&t, "", RNG);
    for (i = 0; i < G_N_ELEMENTS(data); i++) {
        vmsg_init(&req, BUS, VIRTIO_MSG_BUS_PING, 0, sizeof(req.ping));
        req.ping.data = GUINT32_TO_LE(data[i]);
        vmsg_request(t.link, &req, &resp);
        g_assert_cmpuint(GUINT16_FROM_LE(resp.msg_size), ==, 12);
        g_assert_cmphex(GUINT32_FROM_LE(resp.ping.data), ==, data[i]);
    }
    vmsg_test_stop(&t);
}

static void wait_event_device(VMsgLink *link, uint16_t dev, uint16_t state)
{
    struct virtio_msg event;

    /* In 2025 nobody is told before the first message */
    vmsg_ping(link);
    vmsg_wait_event(link, BUS, VIRTIO_MSG_BUS_EVENT_DEVICE, 0, &event);
    g_assert_cmpuint(GUINT16_FROM_LE(event.msg_size), ==, 12);
    g_assert_cmpuint(event.token, ==, 0);
    g_assert_cmpuint(GUINT16_FROM_LE(event.event_device.device_number), ==,
                     dev);
    g_assert_cmpuint(GUINT16_FROM_LE(event.event_device.state), ==, state);
}

/* B-03 */
static void test_hotplug(void)
{
    VMsgQueue q;
    VMsgTest t;
    int i;

    vmsg_test_start(&t, "", RNG);
    wait_event_device(t.link, 0, VIRTIO_MSG_DEVICE_ADDED);

    for (i = 0; i < 5; i++) {
        qtest_qmp_device_add(t.qts, "virtio-rng-device", "hot",
                             "{ 'bus': 'link0.1' }");
        wait_event_device(t.link, 1, VIRTIO_MSG_DEVICE_ADDED);
        g_assert_cmpuint(vmsg_get_info(t.link, 1).device_id, ==,
                         VIRTIO_ID_RNG);
        vmsg_rng_up(t.link, 1, 0, &q);
        vmsg_rng_read(&q);

        /* While it has a request of ours */
        vmsg_queue_kick(&q);
        qtest_qmp_device_del(t.qts, "hot");
        wait_event_device(t.link, 1, VIRTIO_MSG_DEVICE_REMOVED);
        g_assert_cmpuint(vmsg_get_info(t.link, 1).device_id, ==, 0);
        g_assert_cmphex(vmsg_get_devices(t.link, 0, 8).bitmap[0], ==, 0x01);
    }

    vmsg_rng_up(t.link, 0, 0, &q);
    vmsg_rng_read(&q);
    vmsg_test_stop(&t);
}

/* B-03: of a device that came and went while nobody read */
static void test_hotplug_unread(void)
{
    struct virtio_msg msg;
    VMsgTest t;
    int i;

    vmsg_test_start(&t, "", RNG);
    wait_event_device(t.link, 0, VIRTIO_MSG_DEVICE_ADDED);
    vmsg_init(&msg, BUS, VIRTIO_MSG_BUS_PING, 0, sizeof(msg.ping));
    for (i = 0; i < CAPACITY; i++) {
        g_assert_true(vmsg_try_put(t.link, &msg));
    }
    vmsg_link_ring(t.link);
    wait_stat(&t, "received", CAPACITY);

    for (i = 0; i < 20; i++) {
        qtest_qmp_device_add(t.qts, "virtio-rng-device", "hot",
                             "{ 'bus': 'link0.1' }");
        qtest_qmp_device_del(t.qts, "hot");
    }
    for (i = 0; i < CAPACITY; i++) {
        vmsg_get(t.link, &msg);
        g_assert_cmphex(msg.msg_id, ==, VIRTIO_MSG_BUS_PING);
    }
    /* However often: once is enough */
    wait_event_device(t.link, 1, VIRTIO_MSG_DEVICE_REMOVED);
    g_assert_false(vmsg_take_event(t.link, BUS, VIRTIO_MSG_BUS_EVENT_DEVICE, 0,
                                   NULL));
    vmsg_test_stop(&t);
}

/*
 * Flow control
 */

static void put_ping(VMsgLink *link, uint32_t seq)
{
    struct virtio_msg msg;

    vmsg_init(&msg, BUS, VIRTIO_MSG_BUS_PING, 0, sizeof(msg.ping));
    msg.token = GUINT16_TO_LE(seq);
    msg.ping.data = GUINT32_TO_LE(seq);
    g_assert_true(vmsg_try_put(link, &msg));
}

static void check_ping(const struct virtio_msg *msg, uint32_t seq)
{
    g_assert_cmphex(msg->type, ==, BUS | VIRTIO_MSG_TYPE_RESPONSE);
    g_assert_cmphex(msg->msg_id, ==, VIRTIO_MSG_BUS_PING);
    g_assert_cmpuint(GUINT16_FROM_LE(msg->token), ==, (uint16_t)seq);
    g_assert_cmpuint(GUINT32_FROM_LE(msg->ping.data), ==, seq);
}

/* B-04 */
static void full_queue(bool ring_after_reading)
{
    const uint32_t total = 1000;
    uint32_t sent = 0, answered = 0, in_flight;
    struct virtio_msg msg;
    uint64_t before, taken;
    VMsgTest t;
    int i;

    vmsg_test_start(&t, "", RNG);
    wait_event_device(t.link, 0, VIRTIO_MSG_DEVICE_ADDED);
    before = vmsg_stat(&t, "received");

    /* The answers of the first batch just fit */
    while (sent < CAPACITY) {
        put_ping(t.link, sent++);
    }
    vmsg_link_ring(t.link);
    wait_stat(&t, "received", before + CAPACITY);

    /* Of the second, one is taken, and the rest waits where it is */
    while (sent < 2 * CAPACITY) {
        put_ping(t.link, sent++);
    }
    vmsg_link_ring(t.link);
    wait_stat(&t, "stalls", 1);
    taken = vmsg_stat(&t, "received");
    g_assert_cmpuint(taken, ==, before + CAPACITY + 1);
    put_ping(t.link, sent++);
    vmsg_init(&msg, BUS, VIRTIO_MSG_BUS_PING, 0, sizeof(msg.ping));
    g_assert_false(vmsg_try_put(t.link, &msg));

    /* Nagging does not help, and does not hurt */
    for (i = 0; i < 50; i++) {
        vmsg_link_ring(t.link);
        g_assert_cmpuint(vmsg_stat(&t, "received"), ==, taken);
    }

    while (answered < total) {
        vmsg_get(t.link, &msg);
        check_ping(&msg, answered++);
        in_flight = sent - answered;
        if (sent < total && in_flight < CAPACITY) {
            put_ping(t.link, sent++);
            vmsg_link_ring(t.link);
        } else if (ring_after_reading) {
            vmsg_link_ring(t.link);
        }
    }
    g_assert_false(vmsg_try_get(t.link, &msg));
    vmsg_test_stop(&t);
}

static void test_full_queue(void)
{
    full_queue(true);
}

/* A consumer need not ring when it made room */
static void test_full_queue_silent_reader(void)
{
    full_queue(false);
}

/* B-04: the same at every position of the ring, with the queue left full */
static void test_full_queue_again_and_again(void)
{
    uint32_t sent = 0, answered = 0;
    struct virtio_msg msg;
    VMsgTest t;
    int round, n;

    vmsg_test_start(&t, "", RNG);
    wait_event_device(t.link, 0, VIRTIO_MSG_DEVICE_ADDED);
    for (round = 0; round < 2 * VIRTIO_MSG_SPSC_NUM_SLOTS; round++) {
        /* Two batches: the second meets a full queue */
        for (n = 0; n < 2; n++) {
            while (virtio_msg_ring_tx_used(&t.link->ring) < CAPACITY &&
                   sent - answered < CAPACITY + 20) {
                put_ping(t.link, sent++);
            }
            vmsg_link_ring(t.link);
            vmsg_settle(&t);
        }
        while (answered < sent) {
            vmsg_get(t.link, &msg);
            check_ping(&msg, answered++);
        }
        g_assert_false(vmsg_try_get(t.link, &msg));
    }
    vmsg_test_stop(&t);
}

/* B-04: events that cannot be sent wait as one of a kind */
static void test_full_queue_merges_events(void)
{
    const uint64_t mib = 1024 * 1024;
    VMsgBuffer buf = { .len = 64, .device_writes = true };
    int disk = vmsg_disk(mib);
    uint32_t generation;
    uint64_t capacity;
    struct virtio_msg msg;
    VMsgQueue q;
    VMsgTest t;
    uint16_t id;
    uint64_t before;
    int i;

    vmsg_test_start(&t, "",
                    "-blockdev driver=file,node-name=disk0,locking=off,"
                    "filename=/proc/self/fd/%d "
                    "-device virtio-blk-device,drive=disk0 " RNG, disk);
    close(disk);
    vmsg_negotiate(t.link, 0, 0);
    vmsg_driver_ok(t.link, 0);
    vmsg_rng_up(t.link, 1, 0, &q);
    vmsg_rng_read(&q);
    vmsg_ping(t.link);
    vmsg_drop_events(t.link);

    before = vmsg_stat(&t, "received");
    for (i = 0; i < CAPACITY; i++) {
        put_ping(t.link, i);
    }
    vmsg_link_ring(t.link);
    wait_stat(&t, "received", before + CAPACITY);

    for (i = 1; i <= 10; i++) {
        qtest_qmp_assert_success(t.qts, "{ 'execute': 'block_resize',"
                                 " 'arguments': { 'node-name': 'disk0',"
                                 " 'size': %" PRIu64 " } }", (1 + i) * mib);
    }
    buf.addr = vmsg_link_alloc(t.link, 64);
    id = vmsg_queue_add(&q, &buf, 1);
    vmsg_queue_kick(&q);
    wait_stat(&t, "stalls", 1);

    for (i = 0; i < CAPACITY; i++) {
        vmsg_get(t.link, &msg);
        check_ping(&msg, i);
    }
    g_assert_cmpuint(vmsg_queue_wait(&q, id), ==, 64);
    vmsg_wait_event(t.link, 0, VIRTIO_MSG_EVENT_CONFIG, 0, &msg);
    g_assert_cmpuint(vmsg_get_config(t.link, 0, 0, 8, &capacity, &generation),
                     ==, 8);
    g_assert_cmpuint(GUINT64_FROM_LE(capacity) * 512, ==, 11 * mib);
    g_assert_cmpuint(GUINT32_FROM_LE(msg.event_config.generation), ==,
                     generation);
    g_assert_false(vmsg_take_event(t.link, 0, VIRTIO_MSG_EVENT_CONFIG, 0,
                                   NULL));
    vmsg_test_stop(&t);
}

/*
 * A peer that writes what it should not (B-05)
 */

static const uint32_t bad_indices[] = {
    62, 63, 128, 0x10000, 0x7fffffff, 0x80000000, 0xffffffff,
};

static void test_bad_head(void)
{
    uint64_t bad = 0;
    uint32_t head;
    VMsgTest t;
    size_t i;

    vmsg_test_start(&t, "", RNG);
    for (i = 0; i < G_N_ELEMENTS(bad_indices); i++) {
        vmsg_ping(t.link);
        head = shm_read(t.link, DRIVER_HEAD);
        shm_write(t.link, DRIVER_HEAD, bad_indices[i]);
        vmsg_link_ring(t.link);
        wait_stat(&t, "bad-indices", bad + 1);
        bad = vmsg_stat(&t, "bad-indices");
        g_assert_true(vmsg_link_is_up(&t, "link0"));

        shm_write(t.link, DRIVER_HEAD, head);
        vmsg_link_ring(t.link);
        vmsg_ping(t.link);
    }
    vmsg_test_stop(&t);
}

static void test_bad_tail(void)
{
    uint64_t stalls;
    uint32_t tail;
    struct virtio_msg msg;
    VMsgTest t;
    size_t i;

    vmsg_test_start(&t, "", RNG);
    vmsg_ping(t.link);
    for (i = 0; i < G_N_ELEMENTS(bad_indices); i++) {
        stalls = vmsg_stat(&t, "stalls");
        tail = shm_read(t.link, DEVICE_TAIL);
        put_ping(t.link, i);
        shm_write(t.link, DEVICE_TAIL, bad_indices[i]);
        vmsg_link_ring(t.link);
        wait_stat(&t, "stalls", stalls + 1);
        g_assert_cmpuint(virtio_msg_ring_rx_used(&t.link->ring), ==, 0);

        shm_write(t.link, DEVICE_TAIL, tail);
        vmsg_get(t.link, &msg);
        check_ping(&msg, i);
        vmsg_ping(t.link);
    }
    vmsg_test_stop(&t);
}

/*
 * A driver that zeroes the queues when it starts, the words that are not its
 * own among them, or leaves something in those that cannot be (L-07)
 */
static void test_own_indices(void)
{
    struct virtio_msg msg;
    uint64_t sent;
    VMsgTest t;
    int i, j;

    vmsg_test_start(&t, "", RNG);
    wait_event_device(t.link, 0, VIRTIO_MSG_DEVICE_ADDED);
    sent = vmsg_stat(&t, "sent");
    for (i = 0; i < 200; i++) {
        memset(t.link->shm, 0, 2 * PAGE);
        vmsg_link_reset_ring(t.link);
        for (j = 0; j < 3; j++) {
            put_ping(t.link, i + j);
        }
        if (i % 2) {
            shm_write(t.link, DRIVER_TAIL, g_test_rand_int() | 64);
            shm_write(t.link, DEVICE_HEAD, g_test_rand_int() | 64);
        }
        vmsg_link_ring(t.link);
        wait_stat(&t, "sent", sent += 3);
        for (j = 0; j < 3; j++) {
            vmsg_get(t.link, &msg);
            check_ping(&msg, i + j);
        }
        g_assert_cmpuint(shm_read(t.link, DRIVER_TAIL), ==, 3);
        g_assert_cmpuint(shm_read(t.link, DEVICE_HEAD), ==, 3);
    }
    g_assert_cmpuint(vmsg_stat(&t, "bad-indices"), ==, 0);
    vmsg_test_stop(&t);
}

/* Sometimes nonsense, more often something that looks like a message */
static void fill_slot(uint8_t *slot)
{
    struct virtio_msg msg;
    size_t i;

    for (i = 0; i < 64; i++) {
        ((uint8_t *)&msg)[i] = g_test_rand_int();
    }
    if (g_test_rand_int_range(0, 8)) {
        msg.type &= BUS;
        msg.msg_id = g_test_rand_int_range(0, 16);
        if (msg.msg_id > VIRTIO_MSG_GET_SHM) {
            msg.msg_id = VIRTIO_MSG_EVENT_AVAIL;
        }
        msg.dev_num = GUINT16_TO_LE(g_test_rand_int_range(0, 4));
        msg.msg_size = GUINT16_TO_LE(g_test_rand_int_range(8, 66));
        /* Small numbers get further than large ones */
        for (i = 0; i < 6; i++) {
            uint32_t word = g_test_rand_int_range(0, 70);

            if (g_test_rand_bit()) {
                word = GUINT32_TO_LE(word);
                memcpy(msg.payload + 4 * i, &word, sizeof(word));
            }
        }
    }
    memcpy(slot, &msg, 64);
}

static void test_garbage(void)
{
    struct virtio_msg msg;
    uint8_t *queue;
    gint64 end;
    VMsgTest t;
    int round, i;

    vmsg_test_start(&t, "", RNG RNG "-device virtio-net-device "
                    "-blockdev driver=null-co,node-name=disk0 "
                    "-device virtio-blk-device,drive=disk0");
    queue = t.link->shm + VMSG_DRIVER_QUEUE;
    for (i = 0; i < VMSG_RAM_SIZE / 4; i++) {
        ((uint32_t *)t.link->ram)[i] = g_test_rand_int();
    }

    /* Written while the device reads: nobody waits for anybody */
    for (round = 0; round < 2000; round++) {
        for (i = 0; i < VIRTIO_MSG_SPSC_NUM_SLOTS; i++) {
            fill_slot(queue + VIRTIO_MSG_SPSC_SLOTS + 64 * i);
        }
        shm_write(t.link, DRIVER_HEAD, g_test_rand_int_range(0, 64));
        shm_write(t.link, DEVICE_TAIL,
                  g_test_rand_bit() ? shm_read(t.link, DEVICE_HEAD)
                                    : g_test_rand_int_range(0, 64));
        vmsg_link_ring(t.link);
        if (round % 100 == 0) {
            vmsg_settle(&t);
        }
    }

    /* Make peace: have everything read, and what comes from it thrown away */
    memset(queue + VIRTIO_MSG_SPSC_SLOTS, 0,
           VIRTIO_MSG_SPSC_NUM_SLOTS * 64);
    shm_write(t.link, DRIVER_HEAD, 0);
    end = deadline();
    do {
        shm_write(t.link, DEVICE_TAIL, shm_read(t.link, DEVICE_HEAD));
        vmsg_link_ring(t.link);
        vmsg_settle(&t);
        g_assert_cmpint(g_get_monotonic_time(), <, end);
    } while (shm_read(t.link, DRIVER_TAIL) != 0);
    vmsg_link_reset_ring(t.link);

    put_ping(t.link, 0x600d600d);
    vmsg_link_ring(t.link);
    do {
        vmsg_get(t.link, &msg);
    } while (GUINT32_FROM_LE(msg.ping.data) != 0x600d600d);
    check_ping(&msg, 0x600d600d);

    for (i = 0; i < 4; i++) {
        g_assert_cmphex(vmsg_set_status(t.link, i, 0), ==, 0);
    }
    {
        VMsgQueue q;

        memset(t.link->ram, 0, VMSG_RAM_SIZE);
        vmsg_rng_up(t.link, 0, 0, &q);
        vmsg_rng_read(&q);
    }
    vmsg_test_stop(&t);
}

/*
 * What it takes of the main loop
 */

/* What comes in with one doorbell is answered in one turn, and no second one */
static void test_one_turn(void)
{
    enum { ROUNDS = 20, BATCH = 10 };
    g_autofree char *name = NULL;
    g_autofree char *log = NULL;
    g_auto(GStrv) lines = NULL;
    struct virtio_msg msg;
    unsigned turns = 0;
    int fd, round, i;
    VMsgQueue q;
    VMsgTest t;

    fd = g_file_open_tmp("virtio-msg-trace-XXXXXX", &name, NULL);
    g_assert_cmpint(fd, >=, 0);
    close(fd);
    vmsg_test_start(&t, "", RNG "-D %s", name);
    vmsg_rng_up(t.link, 0, 0, &q);
    vmsg_ping(t.link);
    vmsg_settle(&t);
    vmsg_drop_events(t.link);
    g_free(qtest_hmp(t.qts, "trace-event virtio_msg_bus_turn on"));
    for (round = 0; round < ROUNDS; round++) {
        for (i = 0; i < BATCH; i++) {
            put_ping(t.link, i);
        }
        vmsg_link_ring(t.link);
        for (i = 0; i < BATCH; i++) {
            vmsg_get(t.link, &msg);
            check_ping(&msg, i);
        }
        vmsg_settle(&t);
    }
    vmsg_test_stop(&t);

    g_assert_true(g_file_get_contents(name, &log, NULL, NULL));
    unlink(name);
    lines = g_strsplit(log, "\n", -1);
    for (i = 0; lines[i]; i++) {
        turns += strstr(lines[i], "virtio_msg_bus_turn link0: ") != NULL;
    }
    g_assert_cmpuint(turns, ==, ROUNDS);
}

/*
 * How a link begins
 */

static void test_ready_at_start(void)
{
    VMsgTest t;

    vmsg_test_start(&t, "", RNG RNG);
    wait_event_device(t.link, 0, VIRTIO_MSG_DEVICE_ADDED);
    wait_event_device(t.link, 1, VIRTIO_MSG_DEVICE_ADDED);
    vmsg_test_stop(&t);
}

/* Nothing is said in it at the start, unless there are devices */
static VMsgLink *quiet_link(void)
{
    VMsgLink *link = vmsg_link_new(VMSG_SHM_SIZE, VMSG_RAM_SIZE);

    /* In 2025 there is a PING */
    link->wire = VMSG_WIRE_2026;
    return link;
}

/* The driver was there first, and nobody heard it ring */
static void test_request_before_start(void)
{
    VMsgLink *link = quiet_link();
    struct virtio_msg msg;
    VMsgTest t;

    shm_write(link, DRIVER_HEAD, 30);
    shm_write(link, DRIVER_TAIL, 30);
    shm_write(link, DEVICE_HEAD, 45);
    shm_write(link, DEVICE_TAIL, 45);
    vmsg_link_reset_ring(link);
    put_ping(link, 1234);
    vmsg_link_serve(link);
    vmsg_test_start_link(&t, link, "", "");

    vmsg_get(link, &msg);
    check_ping(&msg, 1234);
    g_assert_cmpuint(shm_read(link, DRIVER_TAIL), ==, 31);
    g_assert_cmpuint(shm_read(link, DEVICE_HEAD), ==, 46);
    vmsg_test_stop(&t);
}

static void test_indices_out_of_range_at_start(void)
{
    VMsgLink *link = quiet_link();
    VMsgTest t;

    shm_write(link, DRIVER_TAIL, 62);
    shm_write(link, DEVICE_HEAD, 0xffffffff);
    vmsg_link_serve(link);
    vmsg_test_start_link(&t, link, "", "");
    vmsg_settle(&t);
    g_assert_cmpuint(shm_read(link, DRIVER_TAIL), ==, 0);
    g_assert_cmpuint(shm_read(link, DEVICE_HEAD), ==, 0);
    vmsg_ping(link);
    vmsg_test_stop(&t);
}

static void test_reset_queues(void)
{
    static const uint8_t zero[2 * PAGE];
    VMsgLink *link = quiet_link();
    VMsgTest t;

    memset(link->shm, 0xa5, 2 * PAGE);
    vmsg_link_serve(link);
    vmsg_test_start_link(&t, link, ",reset-queues=true", "");
    g_assert_cmpmem(link->shm, 2 * PAGE, zero, 2 * PAGE);
    vmsg_link_reset_ring(link);
    vmsg_ping(link);
    vmsg_test_stop(&t);
}

/*
 * Peer ids
 */

#define ids(off)        (VMSG_SHM_SIZE - VMSG_IDS + (off))

static void serve_with_peer(VMsgLink *link, uint16_t peer)
{
    vmsg_link_tell(link, 0, -1);
    vmsg_link_tell(link, 11, -1);
    vmsg_link_tell(link, -1, link->shm_fd);
    vmsg_link_tell(link, peer, link->to_driver);
    vmsg_link_tell(link, 11, link->to_device);
}

/* Looks for the answer only when the doorbell says so */
static void ping_by_doorbell(VMsgLink *link)
{
    struct virtio_msg msg;

    put_ping(link, 1234);
    vmsg_link_ring(link);
    do {
        vmsg_wait_rung(link);
    } while (!vmsg_try_get(link, &msg));
    check_ping(&msg, 1234);
}

static void test_ids_announced(void)
{
    VMsgLink *link = quiet_link();
    VMsgTest t;

    /* Garbage that is no block is replaced as a whole */
    memset(link->shm + ids(0), 0xff, VMSG_IDS);
    serve_with_peer(link, 1);
    vmsg_test_start_link(&t, link, "", "");
    g_assert_cmphex(shm_read(link, ids(0)), ==, VMSG_IDS_MAGIC);
    g_assert_cmphex(shm_read(link, ids(4)), ==, 1);
    g_assert_cmpuint(shm_read(link, ids(8)), ==, 11 + 1);
    g_assert_cmpuint(shm_read(link, ids(12)), ==, 0);
    ping_by_doorbell(link);
    vmsg_test_stop(&t);
}

/* The driver's id may come any time after the start */
static void test_ids_of_the_driver(void)
{
    VMsgLink *link = quiet_link();
    VMsgTest t;

    serve_with_peer(link, 4321);
    vmsg_test_start_link(&t, link, "", "");
    shm_write(link, ids(12), 4321 + 1);
    ping_by_doorbell(link);
    vmsg_test_stop(&t);
}

static void test_ids_kept(void)
{
    VMsgLink *link = quiet_link();
    VMsgTest t;

    /* That of an earlier device side, which had more to say */
    shm_write(link, ids(0), VMSG_IDS_MAGIC);
    shm_write(link, ids(4), 2);
    shm_write(link, ids(12), 77 + 1);
    serve_with_peer(link, 77);
    vmsg_test_start_link(&t, link, "", "");
    g_assert_cmphex(shm_read(link, ids(0)), ==, VMSG_IDS_MAGIC);
    g_assert_cmphex(shm_read(link, ids(4)), ==, 1);
    g_assert_cmpuint(shm_read(link, ids(12)), ==, 77 + 1);
    g_assert_cmpuint(shm_read(link, ids(8)), ==, 11 + 1);
    ping_by_doorbell(link);
    vmsg_test_stop(&t);
}

/* Whoever looks for the device side later finds that it is not there */
static void test_ids_withdrawn(void)
{
    VMsgTest t;

    vmsg_test_start(&t, "", RNG);
    g_assert_cmpuint(shm_read(t.link, ids(VMSG_IDS_DEVICE)), ==,
                     VMSG_DEVICE_ID + 1);
    qtest_quit(t.qts);
    g_assert_cmphex(shm_read(t.link, ids(0)), ==, VMSG_IDS_MAGIC);
    g_assert_cmpuint(shm_read(t.link, ids(VMSG_IDS_DEVICE)), ==, 0);
    vmsg_link_free(t.link);
}

static void test_remote_vmid(void)
{
    VMsgLink *link = quiet_link();
    VMsgTest t;

    serve_with_peer(link, 65535);
    vmsg_test_start_link(&t, link, ",remote-vmid=65535", "");
    /* It beats what the memory says */
    shm_write(link, ids(12), 2 + 1);
    ping_by_doorbell(link);
    vmsg_test_stop(&t);
}

/*
 * The server, later
 */

static bool rang(VMsgLink *link)
{
    struct pollfd fd = { .fd = link->to_driver, .events = POLLIN };

    return poll(&fd, 1, 0) == 1;
}

static void test_peer_goes_and_comes(void)
{
    struct virtio_msg msg;
    uint64_t sent, one;
    VMsgTest t;

    vmsg_test_start(&t, "", RNG);
    vmsg_ping(t.link);
    sent = vmsg_stat(&t, "sent");
    if (rang(t.link)) {
        g_assert_cmpint(read(t.link->to_driver, &one, sizeof(one)), ==,
                        sizeof(one));
    }

    vmsg_link_tell(t.link, VMSG_DRIVER_ID, -1);
    vmsg_settle(&t);
    put_ping(t.link, 1);
    vmsg_link_ring(t.link);
    wait_stat(&t, "sent", sent + 1);
    vmsg_settle(&t);
    g_assert_false(rang(t.link));
    vmsg_get(t.link, &msg);
    check_ping(&msg, 1);

    vmsg_link_tell(t.link, VMSG_DRIVER_ID, t.link->to_driver);
    vmsg_settle(&t);
    vmsg_ping(t.link);
    vmsg_test_stop(&t);
}

/* Several links, each with rngs; the first is the test's */
#define LINKS 8
#define SLOTS ",slots=64"

/* Link n has its rngs from slot n on, so that no two look alike */
static void start_links(VMsgTest *t, VMsgLink **links, int devices)
{
    g_autoptr(GString) args = g_string_new("");
    int i, n;

    for (i = 0; i < LINKS; i++) {
        g_autofree char *id = g_strdup_printf("link%d", i);
        g_autofree char *more = NULL;

        links[i] = vmsg_link_new(VMSG_SHM_SIZE, VMSG_RAM_SIZE);
        vmsg_link_serve(links[i]);
        if (i) {
            more = vmsg_link_args(links[i], id, SLOTS);
            g_string_append(args, more);
        }
        for (n = i; n < i + devices; n++) {
            g_string_append_printf(args, "-device virtio-rng-device,"
                                   "bus=%s.%d ", id, n);
        }
    }
    vmsg_test_start_link(t, links[0], SLOTS, args->str);
    for (i = 1; i < LINKS; i++) {
        vmsg_link_started(links[i]);
    }
}

static void stop_links(VMsgTest *t, VMsgLink **links)
{
    int i;

    vmsg_test_stop(t);
    for (i = 1; i < LINKS; i++) {
        vmsg_link_free(links[i]);
    }
}

static void test_many_links(void)
{
    VMsgLink *links[LINKS];
    VMsgQueue q[LINKS];
    struct virtio_msg msg;
    uint64_t received;
    VMsgTest t;
    int i, round;

    start_links(&t, links, 1);
    for (i = 0; i < LINKS; i++) {
        g_autoptr(GHashTable) found = enumerate(links[i], 64);

        g_assert_cmpuint(g_hash_table_size(found), ==, 1);
        g_assert_true(g_hash_table_contains(found, GUINT_TO_POINTER(i)));
        vmsg_rng_up(links[i], i, 0, &q[i]);
    }
    for (round = 0; round < 10; round++) {
        for (i = 0; i < LINKS; i++) {
            vmsg_rng_read(&q[i]);
        }
    }

    /* One that is stuck does not hold up the others */
    vmsg_ping(links[0]);
    vmsg_drop_events(links[0]);
    received = vmsg_stat(&t, "received");
    for (i = 0; i < 2 * CAPACITY; i++) {
        put_ping(links[0], i);
        if (i == CAPACITY - 1) {
            vmsg_link_ring(links[0]);
            wait_stat(&t, "received", received + CAPACITY);
            vmsg_settle(&t);
        }
    }
    vmsg_link_ring(links[0]);
    wait_stat(&t, "stalls", 1);
    for (i = 1; i < LINKS; i++) {
        vmsg_rng_read(&q[i]);
    }
    for (i = 0; i < 2 * CAPACITY; i++) {
        vmsg_get(links[0], &msg);
        check_ping(&msg, i);
    }
    vmsg_rng_read(&q[0]);
    stop_links(&t, links);
}

/* As many devices as one link is tested with, on eight */
static void test_many_links_and_devices(void)
{
    enum { DEVICES = 32 };
    VMsgLink *links[LINKS];
    VMsgTest t;
    VMsgQueue q;
    int i, n;

    start_links(&t, links, DEVICES);
    for (i = 0; i < LINKS; i++) {
        g_autoptr(GHashTable) found = enumerate(links[i], 64);

        g_assert_cmpuint(g_hash_table_size(found), ==, DEVICES);
        for (n = i; n < i + DEVICES; n++) {
            g_assert_true(g_hash_table_contains(found, GUINT_TO_POINTER(n)));
        }
    }
    /* In turns, so that a mix-up of links would show */
    for (n = 0; n < DEVICES; n++) {
        for (i = 0; i < LINKS; i++) {
            vmsg_rng_up(links[i], i + n, 0, &q);
            vmsg_rng_read(&q);
        }
    }
    stop_links(&t, links);
}

static void test_server_goes(void)
{
    VMsgLink *links[LINKS];
    VMsgQueue q[LINKS];
    VMsgTest t;
    int i;

    start_links(&t, links, 1);
    for (i = 0; i < LINKS; i++) {
        vmsg_rng_up(links[i], i, 0, &q[i]);
    }
    for (i = 0; i < LINKS - 1; i++) {
        g_autofree char *id = g_strdup_printf("link%d", i);

        g_assert_true(vmsg_link_is_up(&t, id));
        vmsg_link_hang_up(links[i]);
        vmsg_wait_link(&t, id, false);
        /* Rung by nobody who counts */
        vmsg_link_ring(links[i]);
        vmsg_rng_read(&q[i + 1]);
    }
    vmsg_settle(&t);
    vmsg_rng_read(&q[LINKS - 1]);
    stop_links(&t, links);
}

/* A server that says what makes no sense loses the link, and nothing else */
static void test_server_talks_nonsense(void)
{
    VMsgQueue q;
    VMsgTest t;

    vmsg_test_start(&t, "", RNG);
    vmsg_rng_up(t.link, 0, 0, &q);
    vmsg_link_tell(t.link, 70000, -1);
    vmsg_wait_link(&t, "link0", false);
    vmsg_link_tell(t.link, -1, t.link->shm_fd);
    vmsg_link_tell(t.link, 0, -1);
    vmsg_settle(&t);
    vmsg_link_ring(t.link);
    vmsg_settle(&t);
    g_assert_false(vmsg_link_is_up(&t, "link0"));
    vmsg_test_stop(&t);
}

/* Somebody truncates the memory; what comes with the next server is whole */
static void lose_memory(VMsgTest *t)
{
    g_assert_cmpint(ftruncate(t->link->shm_fd, 0), ==, 0);
    vmsg_link_ring(t->link);
    vmsg_wait_link(t, "link0", false);
    g_assert_cmpint(ftruncate(t->link->shm_fd, t->link->shm_size), ==, 0);
    vmsg_link_reset_ring(t->link);
}

static void test_server_comes_back(gconstpointer lost)
{
    VMsgServer s;
    VMsgQueue q;
    VMsgTest t;
    int i;

    vmsg_server_start(&s, &t, RNG);
    for (i = 0; i < 3; i++) {
        wait_event_device(t.link, 0, VIRTIO_MSG_DEVICE_ADDED);
        g_assert_cmphex(vmsg_get_status(t.link, 0), ==, 0);
        vmsg_rng_up(t.link, 0, 0, &q);
        vmsg_rng_read(&q);
        vmsg_ping(t.link);
        vmsg_drop_events(t.link);

        if (lost) {
            lose_memory(&t);
        }
        vmsg_server_next(&s, t.link);
        vmsg_link_serve(t.link);
    }

    vmsg_test_stop(&t);
    vmsg_server_stop(&s);
}

/*
 * The peer's memory
 */

static void expect_needs_reset(VMsgTest *t, uint64_t addr)
{
    VMsgBuffer buf = { .addr = addr, .len = 64, .device_writes = true };
    VMsgQueue q;

    vmsg_rng_up(t->link, 0, 0, &q);
    vmsg_queue_add(&q, &buf, 1);
    vmsg_queue_kick(&q);
    vmsg_wait_event(t->link, 0, VIRTIO_MSG_EVENT_CONFIG, 0, NULL);
    g_assert_cmphex(vmsg_get_status(t->link, 0) &
                    VIRTIO_CONFIG_S_NEEDS_RESET, !=, 0);
}

static void expect_data(VMsgTest *t, uint64_t addr, size_t at)
{
    VMsgBuffer buf = { .addr = addr, .len = 64, .device_writes = true };
    static const uint8_t zero[64];
    VMsgQueue q;
    uint16_t id;

    vmsg_rng_up(t->link, 0, 0, &q);
    g_assert_cmpmem(t->link->ram + at, 64, zero, 64);
    id = vmsg_queue_add(&q, &buf, 1);
    vmsg_queue_kick(&q);
    g_assert_cmpuint(vmsg_queue_wait(&q, id), ==, 64);
    g_assert_cmpint(memcmp(t->link->ram + at, zero, 64), !=, 0);
}

/* 4 MiB at the offset, a hole of 8 MiB, and then the other 12 MiB */
static void test_mem_hole(void)
{
    const uint64_t low = 0x400000, hole = 0x800000;
    const uint64_t hole_at = VMSG_RAM_BASE + low;
    const uint64_t high_at = hole_at + hole;
    const uint64_t end = high_at + VMSG_RAM_SIZE - low;
    VMsgTest t;

    vmsg_test_start(&t, ",mem-low-size=4M,mem-hole=8M", RNG);
    expect_data(&t, hole_at - 64, low - 64);
    expect_data(&t, high_at, low);
    expect_data(&t, end - 64, VMSG_RAM_SIZE - 64);

    expect_needs_reset(&t, VMSG_RAM_BASE - 64);
    expect_needs_reset(&t, hole_at - 32);
    expect_needs_reset(&t, hole_at);
    expect_needs_reset(&t, high_at - 32);
    expect_needs_reset(&t, end - 32);
    expect_needs_reset(&t, end);

    /* Rings, too */
    vmsg_negotiate(t.link, 0, 0);
    g_assert_cmpuint(vmsg_set_vqueue(t.link, 0, 0, 8, hole_at, VMSG_RAM_BASE,
                                     VMSG_RAM_BASE + PAGE), ==, 0);
    g_assert_cmpuint(vmsg_set_vqueue(t.link, 0, 0, 8, hole_at - 64,
                                     VMSG_RAM_BASE, VMSG_RAM_BASE + PAGE),
                     ==, 0);
    g_assert_cmpuint(vmsg_set_vqueue(t.link, 0, 0, 8, high_at, high_at + PAGE,
                                     high_at + 2 * PAGE), ==, 8);
    vmsg_test_stop(&t);
}

/* Where memory begins at 0, that is an address, but not one of a queue */
static void test_memory_at_0(void)
{
    VMsgTest t;

    vmsg_test_start(&t, ",mem-offset=0", RNG);
    vmsg_negotiate(t.link, 0, 0);
    g_assert_cmpuint(vmsg_set_vqueue(t.link, 0, 0, 8, 0, PAGE, 2 * PAGE), ==,
                     0);
    g_assert_cmpuint(vmsg_set_vqueue(t.link, 0, 0, 8, PAGE, 0, 2 * PAGE), ==,
                     0);
    g_assert_cmpuint(vmsg_set_vqueue(t.link, 0, 0, 8, PAGE, 2 * PAGE, 0), ==,
                     0);
    g_assert_cmpuint(vmsg_set_vqueue(t.link, 0, 0, 8, PAGE, 2 * PAGE,
                                     3 * PAGE), ==, 8);
    vmsg_test_stop(&t);
}

static void test_no_memory(void)
{
    VMsgTest t = { .link = vmsg_link_new(VMSG_SHM_SIZE, VMSG_RAM_SIZE) };

    vmsg_link_serve(t.link);
    t.qts = qtest_initf("-M virtio-msg -nodefaults "
                        "-chardev socket,id=server,fd=%d "
                        "-device virtio-msg-bus-ivshmem,id=link0,"
                        "chardev=server,wire=%s " RNG, t.link->client,
                        vmsg_wire_name(t.link->wire));
    vmsg_link_started(t.link);
    g_assert_cmpuint(vmsg_get_info(t.link, 0).device_id, ==, VIRTIO_ID_RNG);
    vmsg_negotiate(t.link, 0, 0);
    g_assert_cmpuint(vmsg_set_vqueue(t.link, 0, 0, 8, VMSG_RAM_BASE,
                                     VMSG_RAM_BASE + PAGE,
                                     VMSG_RAM_BASE + 2 * PAGE), ==, 0);
    g_assert_cmpuint(vmsg_set_vqueue(t.link, 0, 0, 8, PAGE, 2 * PAGE,
                                     3 * PAGE), ==, 0);
    vmsg_test_stop(&t);
}

/*
 * Slots and the machine
 */

static void test_slots(void)
{
    VMsgTest t;

    /* Named, or the lowest that is free; one slot up front is enough */
    vmsg_test_start(&t, "", "-device virtio-rng-device,bus=link0.1 " RNG RNG
                    "-device virtio-rng-device,bus=link0.5 ");
    g_assert_cmphex(vmsg_get_devices(t.link, 0, 8).bitmap[0], ==, 0x27);
    vmsg_test_stop(&t);

    vmsg_test_start(&t, ",slots=1", RNG RNG RNG);
    g_assert_cmphex(vmsg_get_devices(t.link, 0, 8).bitmap[0], ==, 0x07);
    vmsg_test_stop(&t);
}

/* Slots are made as they are needed, also at run time */
static void test_slots_at_run_time(void)
{
    VMsgTest t;
    int i;

    vmsg_test_start(&t, ",slots=1", RNG);
    for (i = 1; i < 40; i++) {
        g_autofree char *id = g_strdup_printf("hot%d", i);

        qtest_qmp_device_add(t.qts, "virtio-rng-device", id, "{}");
        g_assert_cmpuint(vmsg_get_info(t.link, i).device_id, ==,
                         VIRTIO_ID_RNG);
    }
    vmsg_test_stop(&t);
}

/* What a link uses cannot be pulled away from under it */
static void test_memory_stays(void)
{
    VMsgQueue q;
    VMsgTest t;
    QDict *r;

    vmsg_test_start(&t, "", RNG);
    vmsg_rng_up(t.link, 0, 0, &q);
    r = qtest_qmp_assert_failure_ref(t.qts, "{ 'execute': 'object-del',"
                                     " 'arguments': { 'id': 'link0-ram' } }");
    qobject_unref(r);
    vmsg_rng_read(&q);
    vmsg_test_stop(&t);
}

/* What a test sees through QEMU is what the driver and the devices have */
static void test_memory_of_the_machine(void)
{
    const uint64_t at = 0x12340;
    uint8_t data[64];
    VMsgTest t;
    size_t i;

    for (i = 0; i < sizeof(data); i++) {
        data[i] = i + 1;
    }
    vmsg_test_start(&t, "", "-machine memory-backend=link0-ram " RNG);
    qtest_memwrite(t.qts, at, data, sizeof(data));
    g_assert_cmpmem(t.link->ram + at, sizeof(data), data, sizeof(data));
    qtest_writeq(t.qts, at, 0x1122334455667788);
    g_assert_cmphex(qtest_readq(t.qts, at), ==, 0x1122334455667788);
    g_assert_cmphex(t.link->ram[at], ==, 0x88);
    qtest_memset(t.qts, at, 0, sizeof(data));
    t.link->ram[at + 5] = 0x55;
    g_assert_cmphex(qtest_readb(t.qts, at + 5), ==, 0x55);
    g_assert_cmphex(qtest_readb(t.qts, at + 6), ==, 0);
    vmsg_test_stop(&t);
}

static void test_machine_alone(gconstpointer data)
{
    QTestState *qts = qtest_initf("-M %s", (const char *)data);
    QDict *r = qtest_qmp(qts, "{ 'execute': 'query-status' }");

    g_assert_cmpstr(qdict_get_str(qdict_get_qdict(r, "return"), "status"), ==,
                    "running");
    qobject_unref(r);
    /* Nothing is there, and looking at it does no harm */
    qtest_writel(qts, 0x1000, 1);
    qtest_readl(qts, 0x1000);
    qtest_quit(qts);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);

#define TEST(path, fn) qtest_add_func("virtio-msg/" path, fn)
    TEST("bus/get-devices", test_get_devices);
    TEST("bus/get-devices-out-of-range", test_get_devices_out_of_range);
    TEST("bus/get-devices-beyond-one-message",
         test_get_devices_beyond_one_message);
    TEST("bus/256-devices", test_256_devices);
    TEST("bus/ping", test_ping);
    TEST("bus/hotplug", test_hotplug);
    TEST("bus/hotplug-unread", test_hotplug_unread);
    TEST("flow/full-queue-delays", test_full_queue);
    TEST("flow/full-queue-silent-reader", test_full_queue_silent_reader);
    TEST("flow/full-queue-again-and-again", test_full_queue_again_and_again);
    TEST("flow/full-queue-merges-events", test_full_queue_merges_events);
    TEST("hostile/bad-head", test_bad_head);
    TEST("hostile/bad-tail", test_bad_tail);
    TEST("hostile/own-indices", test_own_indices);
    TEST("hostile/garbage", test_garbage);
    TEST("start/devices-are-announced", test_ready_at_start);
    TEST("start/request-of-before-is-answered", test_request_before_start);
    TEST("start/own-index-out-of-range", test_indices_out_of_range_at_start);
    TEST("start/reset-queues", test_reset_queues);
    TEST("ids/announced", test_ids_announced);
    TEST("ids/of-the-driver", test_ids_of_the_driver);
    TEST("ids/of-the-driver-kept", test_ids_kept);
    TEST("ids/withdrawn", test_ids_withdrawn);
    TEST("ids/remote-vmid", test_remote_vmid);
    TEST("server/peer-goes-and-comes", test_peer_goes_and_comes);
    TEST("server/goes", test_server_goes);
    TEST("server/talks-nonsense", test_server_talks_nonsense);
    TEST("link/several", test_many_links);
    TEST("link/several-with-many-devices", test_many_links_and_devices);
    TEST("memory/hole", test_mem_hole);
    TEST("memory/at-0", test_memory_at_0);
    TEST("memory/none", test_no_memory);
    TEST("memory/stays", test_memory_stays);
    TEST("memory/of-the-machine", test_memory_of_the_machine);
    TEST("turn/one-for-each-doorbell", test_one_turn);
    TEST("machine/slots", test_slots);
    TEST("machine/slots-at-run-time", test_slots_at_run_time);
#undef TEST
    qtest_add_data_func("virtio-msg/server/comes-back", NULL,
                        test_server_comes_back);
    qtest_add_data_func("virtio-msg/server/comes-back-with-memory", "lost",
                        test_server_comes_back);
    qtest_add_data_func("virtio-msg/machine/alone", "virtio-msg",
                        test_machine_alone);
    qtest_add_data_func("virtio-msg/machine/alias", "x-virtio-msg",
                        test_machine_alone);

    return g_test_run();
}
