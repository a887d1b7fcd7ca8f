/*
 * Tests of a machine that is stopped: what its links do, and what they keep
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include <linux/virtio_blk.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_net.h>
#include <sys/socket.h>
#include "qobject/qdict.h"
#include "virtio-msg-fixture.h"

#define SECTOR      512
#define DISK_SIZE   (64 * 1024)
#define QUEUE_SIZE  8

#define DISK0       "/machine/peripheral/disk0"
#define NET0        "/machine/peripheral/net0"

static void stop(VMsgTest *t)
{
    qtest_qmp_assert_success(t->qts, "{ 'execute': 'stop' }");
}

static void cont(VMsgTest *t)
{
    qtest_qmp_assert_success(t->qts, "{ 'execute': 'cont' }");
}

/* Let QEMU do whatever it would do on its own */
static void settle(VMsgTest *t)
{
    vmsg_ping(t->link);
    vmsg_settle(t);
    vmsg_ping(t->link);
}

/* Requests that the device has taken from a queue */
static unsigned taken(VMsgTest *t, const char *path, int queue)
{
    QDict *r = qtest_qmp_assert_success_ref(
        t->qts, "{ 'execute': 'x-query-virtio-queue-status', 'arguments':"
        " { 'path': %s, 'queue': %d } }", path, queue);
    unsigned n = qdict_get_int(r, "last-avail-idx");

    qobject_unref(r);
    return n;
}

/*
 * A disk with one queue
 */

typedef struct Disk {
    VMsgTest t;
    int fd;                 /* what it holds */
    VMsgQueue q;
} Disk;

typedef struct Write {
    uint64_t at;            /* struct virtio_blk_outhdr, a sector, the status */
    uint16_t id;
} Write;

static void disk_start(Disk *d, const char *protocol, const char *device,
                       const char *more)
{
    g_autofree char *file = NULL;
    int theirs;

    d->fd = vmsg_disk(DISK_SIZE);
    theirs = dup(d->fd);
    g_assert_cmpint(theirs, >=, 0);
    file = g_strdup_printf(protocol, theirs);
    vmsg_test_start(&d->t, "", "-blockdev %s "
                    "-device virtio-blk-device,id=disk0,drive=drive0%s %s",
                    file, device, more);
    close(theirs);
}

#define FILE_DRIVE  "driver=file,node-name=drive0,locking=off," \
                    "filename=/proc/self/fd/%d"

static void disk_up(Disk *d)
{
    vmsg_negotiate(d->t.link, 0, 0);
    vmsg_queue_init(&d->q, d->t.link, 0, 0, QUEUE_SIZE);
    vmsg_driver_ok(d->t.link, 0);
}

static void disk_stop(Disk *d)
{
    vmsg_test_stop(&d->t);
    close(d->fd);
}

/* Make a write available: sector @n is to be full of @n + 1 */
static Write disk_add(Disk *d, unsigned n)
{
    VMsgLink *link = d->t.link;
    Write w = { .at = vmsg_link_alloc(link, 2 * SECTOR) };
    struct virtio_blk_outhdr *hdr = vmsg_link_ptr(link, w.at);
    VMsgBuffer bufs[] = {
        { .addr = w.at, .len = sizeof(*hdr) },
        { .addr = w.at + sizeof(*hdr), .len = SECTOR },
        { .addr = w.at + sizeof(*hdr) + SECTOR, .len = 1,
          .device_writes = true },
    };

    hdr->type = GUINT32_TO_LE(VIRTIO_BLK_T_OUT);
    hdr->sector = GUINT64_TO_LE(n);
    memset(vmsg_link_ptr(link, bufs[1].addr), n + 1, SECTOR);
    *(uint8_t *)vmsg_link_ptr(link, bufs[2].addr) = 0xff;
    w.id = vmsg_queue_add(&d->q, bufs, G_N_ELEMENTS(bufs));
    return w;
}

static bool disk_has(Disk *d, unsigned n)
{
    uint8_t sector[SECTOR], want[SECTOR];

    memset(want, n + 1, sizeof(want));
    g_assert_cmpint(pread(d->fd, sector, SECTOR, n * SECTOR), ==, SECTOR);
    return memcmp(sector, want, SECTOR) == 0;
}

/* A write has come back, and has had its effect */
static void disk_check(Disk *d, Write w, unsigned n)
{
    const uint8_t *status = vmsg_link_ptr(d->t.link, w.at + SECTOR +
                                          sizeof(struct virtio_blk_outhdr));

    g_assert_cmpuint(*status, ==, VIRTIO_BLK_S_OK);
    g_assert_true(disk_has(d, n));
}

static void disk_wait(Disk *d, Write w, unsigned n)
{
    g_assert_cmpuint(vmsg_queue_wait(&d->q, w.id), ==, 1);
    disk_check(d, w, n);
}

/* Nothing has been taken beyond @n, and nothing came back */
static void disk_assert_held(Disk *d, unsigned n)
{
    settle(&d->t);
    g_assert_cmpuint(taken(&d->t, DISK0, 0), ==, n);
    g_assert_cmpuint(vmsg_queue_used(&d->q), ==, 0);
    g_assert_false(vmsg_take_event(d->t.link, 0, VIRTIO_MSG_EVENT_USED, 0,
                                   NULL));
}

/*
 * The data path is held
 */

static void test_stop(void)
{
    Write w;
    Disk d;
    int round;

    disk_start(&d, FILE_DRIVE, "", "");
    disk_up(&d);
    for (round = 0; round < 3; round++) {
        w = disk_add(&d, 2 * round);
        vmsg_queue_kick(&d.q);
        disk_wait(&d, w, 2 * round);
        settle(&d.t);
        vmsg_drop_events(d.t.link);

        stop(&d.t);
        w = disk_add(&d, 2 * round + 1);
        vmsg_queue_kick(&d.q);
        disk_assert_held(&d, 2 * round + 1);
        g_assert_false(disk_has(&d, 2 * round + 1));
        cont(&d.t);
        disk_wait(&d, w, 2 * round + 1);
    }
    disk_stop(&d);
}

/* Kicked once or twice, alone or all together, before and after a request */
static void test_no_kick_is_lost(void)
{
    Write w[3];
    Disk d;

    disk_start(&d, FILE_DRIVE, "", "");
    disk_up(&d);
    stop(&d.t);
    w[0] = disk_add(&d, 0);
    vmsg_queue_kick(&d.q);
    disk_assert_held(&d, 0);
    vmsg_notify(d.t.link, 0, VIRTIO_MSG_ALL_VQUEUES);
    w[1] = disk_add(&d, 1);
    disk_assert_held(&d, 0);

    /* A stop and a stop is a stop */
    stop(&d.t);
    cont(&d.t);
    while (vmsg_queue_used(&d.q) < 2) {
        vmsg_wait_event(d.t.link, 0, VIRTIO_MSG_EVENT_USED, 0, NULL);
    }
    disk_check(&d, w[0], 0);
    disk_check(&d, w[1], 1);
    d.q.next_used += 2;

    stop(&d.t);
    cont(&d.t);
    settle(&d.t);
    w[2] = disk_add(&d, 2);
    vmsg_queue_kick(&d.q);
    disk_wait(&d, w[2], 2);
    disk_stop(&d);
}

/*
 * A device can drop a kick of before in a bottom half that found the machine
 * stopped.  So each queue in use is looked at when it goes on; here for a
 * request that the device was not told of.
 */
static void test_queue_in_use(void)
{
    Write w;
    Disk d;

    disk_start(&d, FILE_DRIVE, "", "");
    disk_up(&d);
    w = disk_add(&d, 4);
    vmsg_queue_kick(&d.q);
    disk_wait(&d, w, 4);
    w = disk_add(&d, 5);
    settle(&d.t);
    g_assert_cmpuint(taken(&d.t, DISK0, 0), ==, 1);
    stop(&d.t);
    cont(&d.t);
    disk_wait(&d, w, 5);
    disk_stop(&d);
}

/* A driver that comes while the machine has not begun to run */
static void test_at_start(void)
{
    Write w;
    Disk d;

    disk_start(&d, FILE_DRIVE, "", "-S");
    disk_up(&d);
    w = disk_add(&d, 3);
    vmsg_queue_kick(&d.q);
    disk_assert_held(&d, 0);
    cont(&d.t);
    disk_wait(&d, w, 3);
    w = disk_add(&d, 4);
    vmsg_queue_kick(&d.q);
    disk_wait(&d, w, 4);
    disk_stop(&d);
}

/* What has failed waits with the machine, and so does what comes then */
static void test_write_error(void)
{
    static const char drive[] =
        "driver=file,node-name=file0,locking=off,filename=/proc/self/fd/%d "
        "-blockdev driver=blkdebug,node-name=drive0,image=file0,"
        "inject-error.0.event=none,inject-error.0.iotype=write,"
        "inject-error.0.errno=5,inject-error.0.once=on";
    Write w[2];
    QDict *r;
    Disk d;

    disk_start(&d, drive, ",werror=stop", "");
    disk_up(&d);
    w[0] = disk_add(&d, 0);
    vmsg_queue_kick(&d.q);
    qtest_qmp_eventwait(d.t.qts, "STOP");
    r = qtest_qmp_assert_success_ref(d.t.qts,
                                     "{ 'execute': 'query-status' }");
    g_assert_cmpstr(qdict_get_str(r, "status"), ==, "io-error");
    qobject_unref(r);

    w[1] = disk_add(&d, 1);
    vmsg_queue_kick(&d.q);
    disk_assert_held(&d, 1);
    g_assert_false(disk_has(&d, 0));
    g_assert_false(disk_has(&d, 1));

    /* In whatever order */
    cont(&d.t);
    while (vmsg_queue_used(&d.q) < 2) {
        vmsg_wait_event(d.t.link, 0, VIRTIO_MSG_EVENT_USED, 0, NULL);
    }
    disk_check(&d, w[0], 0);
    disk_check(&d, w[1], 1);
    disk_stop(&d);
}

/*
 * What comes from outside stays outside, too
 */

static void test_receive(void)
{
    enum { RX = 0, TX = 1, FRAME = 64 };
    uint32_t hdr_len = sizeof(struct virtio_net_hdr_v1);
    VMsgBuffer rx = { .len = 2048, .device_writes = true };
    VMsgBuffer tx[] = { { .len = hdr_len }, { .len = FRAME } };
    uint8_t frame[4 + FRAME];
    uint16_t rx_id, tx_id;
    VMsgQueue q[2];
    VMsgTest t;
    int fds[2], theirs, i;

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds),
                    ==, 0);
    theirs = dup(fds[1]);
    close(fds[1]);
    vmsg_test_start(&t, "", "-netdev socket,id=n0,fd=%d "
                    "-device virtio-net-device,id=net0,netdev=n0", theirs);
    close(theirs);
    vmsg_negotiate(t.link, 0, 0);
    for (i = 0; i < 2; i++) {
        vmsg_queue_init(&q[i], t.link, 0, i, QUEUE_SIZE);
    }
    vmsg_driver_ok(t.link, 0);
    rx.addr = vmsg_link_alloc(t.link, rx.len);
    tx[0].addr = vmsg_link_alloc(t.link, tx[0].len);
    tx[1].addr = vmsg_link_alloc(t.link, tx[1].len);

    stop(&t);
    rx_id = vmsg_queue_add(&q[RX], &rx, 1);
    vmsg_queue_kick(&q[RX]);
    tx_id = vmsg_queue_add(&q[TX], tx, G_N_ELEMENTS(tx));
    vmsg_queue_kick(&q[TX]);
    memset(frame, 0xff, sizeof(frame));
    *(uint32_t *)frame = htonl(FRAME);
    g_assert_cmpint(send(fds[0], frame, sizeof(frame), MSG_NOSIGNAL), ==,
                    sizeof(frame));
    settle(&t);
    g_assert_cmpuint(taken(&t, NET0, RX) + taken(&t, NET0, TX), ==, 0);
    g_assert_cmpint(recv(fds[0], frame, sizeof(frame), MSG_DONTWAIT), ==, -1);
    g_assert_cmpint(errno, ==, EAGAIN);

    cont(&t);
    vmsg_queue_wait(&q[TX], tx_id);
    g_assert_cmpuint(vmsg_queue_wait(&q[RX], rx_id), ==, hdr_len + FRAME);
    g_assert_cmpint(recv(fds[0], frame, sizeof(frame), MSG_WAITALL), ==,
                    sizeof(frame));
    vmsg_test_stop(&t);
    close(fds[0]);
}

/*
 * Everything else goes on
 */

static void test_control(void)
{
    static const uint8_t mac[6] = { 2, 0, 0, 0, 0, 7 };
    uint8_t got[6];
    VMsgTest t;

    vmsg_test_start(&t, "", "-S -device virtio-net-device,mac=%02x:%02x:%02x:"
                    "%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4],
                    mac[5]);
    vmsg_wait_event(t.link, VIRTIO_MSG_TYPE_BUS, VIRTIO_MSG_BUS_EVENT_DEVICE,
                    0, NULL);
    g_assert_cmpuint(vmsg_get_info(t.link, 0).device_id, ==, VIRTIO_ID_NET);
    g_assert_cmphex(vmsg_get_features(t.link, 0) >> VIRTIO_F_VERSION_1 & 1, ==,
                    1);
    g_assert_cmpuint(vmsg_get_config(t.link, 0, 0, sizeof(got), got, NULL),
                     ==, sizeof(got));
    g_assert_cmpmem(got, sizeof(got), mac, sizeof(mac));
    vmsg_negotiate(t.link, 0, 0);
    vmsg_driver_ok(t.link, 0);
    g_assert_cmphex(vmsg_set_status(t.link, 0, 0), ==, 0);

    qtest_qmp_device_add(t.qts, "virtio-rng-device", "hot", "{}");
    vmsg_wait_event(t.link, VIRTIO_MSG_TYPE_BUS, VIRTIO_MSG_BUS_EVENT_DEVICE,
                    0, NULL);
    g_assert_cmpuint(vmsg_get_info(t.link, 1).device_id, ==, VIRTIO_ID_RNG);
    qtest_qmp_device_del(t.qts, "hot");
    g_assert_cmpuint(vmsg_get_info(t.link, 1).device_id, ==, 0);
    vmsg_test_stop(&t);
}

/*
 * What is forgotten
 */

/* A kick of the driver before a reset is none of the driver after it */
static void test_reset(void)
{
    Write w;
    Disk d;

    disk_start(&d, FILE_DRIVE, "", "");
    disk_up(&d);
    stop(&d.t);
    disk_add(&d, 0);
    vmsg_queue_kick(&d.q);
    disk_assert_held(&d, 0);

    disk_up(&d);
    w = disk_add(&d, 1);
    cont(&d.t);
    disk_assert_held(&d, 0);
    vmsg_queue_kick(&d.q);
    disk_wait(&d, w, 1);
    g_assert_false(disk_has(&d, 0));
    disk_stop(&d);
}

/* So it is if it is only the queue that is reset, T-14 */
static void test_reset_vqueue(void)
{
    enum { TX = 1, FRAME = 64 };
    uint32_t hdr_len = sizeof(struct virtio_net_hdr_v1);
    VMsgBuffer tx[] = { { .len = hdr_len }, { .len = FRAME } };
    VMsgQueue q;
    VMsgTest t;
    uint16_t id;

    vmsg_test_start(&t, "", "-device virtio-net-device,id=net0");
    vmsg_negotiate(t.link, 0, 1ULL << VIRTIO_F_RING_RESET);
    vmsg_queue_init(&q, t.link, 0, TX, QUEUE_SIZE);
    vmsg_driver_ok(t.link, 0);
    tx[0].addr = vmsg_link_alloc(t.link, tx[0].len);
    tx[1].addr = vmsg_link_alloc(t.link, tx[1].len);

    stop(&t);
    vmsg_queue_add(&q, tx, G_N_ELEMENTS(tx));
    vmsg_queue_kick(&q);
    vmsg_reset_vqueue(t.link, 0, TX);
    vmsg_queue_init(&q, t.link, 0, TX, QUEUE_SIZE);
    id = vmsg_queue_add(&q, tx, G_N_ELEMENTS(tx));
    cont(&t);
    settle(&t);
    g_assert_cmpuint(taken(&t, NET0, TX), ==, 0);
    vmsg_queue_kick(&q);
    vmsg_queue_wait(&q, id);
    vmsg_test_stop(&t);
}

/* The device goes with what was kicked, and with it the memory of that */
static void test_unplug(void)
{
    Disk d;

    disk_start(&d, FILE_DRIVE, "", "");
    disk_up(&d);
    stop(&d.t);
    disk_add(&d, 0);
    vmsg_queue_kick(&d.q);
    disk_assert_held(&d, 0);
    qtest_qmp_device_del(d.t.qts, "disk0");
    cont(&d.t);
    settle(&d.t);
    g_assert_false(disk_has(&d, 0));
    g_assert_cmpuint(vmsg_get_info(d.t.link, 0).device_id, ==, 0);
    disk_stop(&d);
}

/*
 * A driver that goes on asking while the process ends gets no answers any more
 * of devices whose disks have been closed.
 */
static void test_quit(void)
{
    struct virtio_msg msg;
    unsigned round;
    VMsgTest t;

    for (round = 0; round < 30; round++) {
        vmsg_test_start(&t, "", "-blockdev driver=null-co,node-name=drive0,"
                        "size=1048576 -device virtio-blk-device,drive=drive0");
        if (round % 2) {
            qtest_qmp_assert_success(t.qts, "{ 'execute': 'stop' }");
        }
        qtest_qmp_send(t.qts, "{ 'execute': 'quit' }");
        while (qtest_probe_child(t.qts)) {
            vmsg_init(&msg, 0, VIRTIO_MSG_GET_CONFIG, 0,
                      sizeof(msg.get_config));
            msg.get_config.length = GUINT32_TO_LE(8);
            vmsg_try_put(t.link, &msg);
            vmsg_link_ring(t.link);
            while (vmsg_try_get(t.link, &msg)) {
                continue;
            }
        }
        /* It has ended well, which this checks */
        vmsg_test_stop(&t);
    }
}

#define TEST(name, fn) qtest_add_func("virtio-msg/stopped/" name, fn)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);

    TEST("stop", test_stop);
    TEST("no-kick-is-lost", test_no_kick_is_lost);
    TEST("queue-in-use", test_queue_in_use);
    TEST("at-start", test_at_start);
    TEST("write-error", test_write_error);
    TEST("receive", test_receive);
    TEST("control", test_control);
    TEST("reset", test_reset);
    TEST("reset-vqueue", test_reset_vqueue);
    TEST("unplug", test_unplug);
    TEST("quit", test_quit);
    return g_test_run();
}
