/*
 * Tests of data through virtio-msg that QEMU's own tests leave out
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include <linux/virtio_blk.h>
#include <linux/virtio_config.h>
#include <linux/virtio_console.h>
#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>
#include <linux/virtio_scsi.h>
#include <linux/virtio_snd.h>
#include <poll.h>
#include <sys/socket.h>
#include "qemu/cutils.h"
#include "qobject/qdict.h"
#include "virtio-msg-fixture.h"
#include "virtio-msg-packed.h"

#define BIT(n)      (1ULL << (n))
#define PAGE        4096
#define SECTOR      512
#define DISK_SIZE   (1024 * 1024)

static uint8_t pattern(size_t i, unsigned seed)
{
    return i * 7 + (i >> 8) * 13 + seed;
}

static void fill(uint8_t *data, size_t len, unsigned seed)
{
    size_t i;

    for (i = 0; i < len; i++) {
        data[i] = pattern(i, seed);
    }
}

static void check(const uint8_t *data, size_t len, unsigned seed)
{
    size_t i;

    for (i = 0; i < len; i++) {
        g_assert_cmphex(data[i], ==, pattern(i, seed));
    }
}

/* Start QEMU with options, @fmt, that name a file descriptor; takes it over */
static void start_with_fd(VMsgTest *t, const char *fmt, int fd)
{
    g_autofree char *more = NULL;
    int theirs = dup(fd);

    g_assert_cmpint(theirs, >=, 0);
    more = g_strdup_printf(fmt, theirs);
    vmsg_test_start(t, "", "%s", more);
    close(theirs);
    close(fd);
}

/*
 * Packed rings
 */

static void packed_up(VMsgLink *link, VMsgPacked *q, uint16_t size)
{
    vmsg_negotiate(link, 0, BIT(VIRTIO_F_RING_PACKED));
    vmsg_packed_init(q, link, 0, 0, size);
    vmsg_driver_ok(link, 0);
}

/* Rings of all kinds of sizes, each gone round several times */
static void test_packed_rng(void)
{
    static const uint16_t sizes[] = { 1, 2, 3, 7, 8 };
    VMsgBuffer buf = { .len = 64, .device_writes = true };
    VMsgPacked q;
    VMsgTest t;
    size_t i;
    int round;

    vmsg_test_start(&t, "", "-device virtio-rng-device,packed=on");
    buf.addr = vmsg_link_alloc(t.link, 64);
    for (i = 0; i < G_N_ELEMENTS(sizes); i++) {
        packed_up(t.link, &q, sizes[i]);
        for (round = 0; round < 30; round++) {
            memset(vmsg_link_ptr(t.link, buf.addr), 0, 64);
            vmsg_packed_add(&q, &buf, 1);
            g_assert_cmpuint(vmsg_packed_wait(&q), ==, 64);
            g_assert_false(buffer_is_zero(vmsg_link_ptr(t.link, buf.addr),
                                          64));
        }
    }
    vmsg_test_stop(&t);
}

static void set_link(VMsgTest *t, bool up)
{
    QDict *resp = qtest_qmp(t->qts, "{ 'execute': 'set_link', 'arguments': "
                            "{ 'name': 'net0', 'up': %i } }", up);

    g_assert_true(qdict_haskey(resp, "return"));
    qobject_unref(resp);
}

/*
 * What is sent while the link is off comes back, as often as one likes, and
 * what is sent afterwards arrives
 */
static void test_packed_net_link_off(void)
{
    enum { TX = 1, ROUNDS = 40 };
    uint32_t hdr_len = sizeof(struct virtio_net_hdr_v1);
    VMsgBuffer bufs[] = {
        { .len = hdr_len },
        { .len = 64 },
    };
    struct vring_packed_desc_event *event;
    uint8_t frame[64];
    uint32_t len;
    int fds[2], round;
    VMsgPacked q;
    VMsgTest t;

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), ==, 0);
    start_with_fd(&t, "-netdev socket,id=net0,fd=%d "
                  "-device virtio-net-device,netdev=net0,packed=on", fds[1]);
    bufs[0].addr = vmsg_link_alloc(t.link, hdr_len);
    bufs[1].addr = vmsg_link_alloc(t.link, 64);
    fill(vmsg_link_ptr(t.link, bufs[1].addr), 64, 1);

    set_link(&t, false);
    vmsg_negotiate(t.link, 0, BIT(VIRTIO_F_RING_PACKED));
    vmsg_packed_init(&q, t.link, 0, TX, 8);
    vmsg_driver_ok(t.link, 0);
    for (round = 0; round < ROUNDS; round++) {
        vmsg_packed_add(&q, bufs, G_N_ELEMENTS(bufs));
        g_assert_cmpuint(vmsg_packed_wait(&q), ==, 0);
    }
    /* The device still wants to be told of the next one */
    vmsg_get_status(t.link, 0);
    event = vmsg_link_ptr(t.link, q.device);
    g_assert_cmphex(event->flags, ==, VRING_PACKED_EVENT_FLAG_ENABLE);

    set_link(&t, true);
    vmsg_packed_add(&q, bufs, G_N_ELEMENTS(bufs));
    g_assert_cmpuint(vmsg_packed_wait(&q), ==, 0);
    g_assert_cmpint(recv(fds[0], &len, sizeof(len), MSG_WAITALL), ==,
                    sizeof(len));
    g_assert_cmpuint(ntohl(len), ==, 64);
    g_assert_cmpint(recv(fds[0], frame, sizeof(frame), MSG_WAITALL), ==,
                    sizeof(frame));
    check(frame, sizeof(frame), 1);
    close(fds[0]);
    vmsg_test_stop(&t);
}

/* A full ring is one turn: virtio-net gives way by itself before that ends */
static void test_net_burst(void)
{
    enum { TX = 1, BURST = 256, ROUNDS = 4 };
    uint32_t len = sizeof(struct virtio_net_hdr_v1) + 64;
    VMsgBuffer buf = { .len = len };
    uint16_t ids[BURST];
    int round, i;
    VMsgQueue q;
    VMsgTest t;

    vmsg_test_start(&t, "", "-device virtio-net-device");
    vmsg_negotiate(t.link, 0, 0);
    vmsg_queue_init(&q, t.link, 0, TX, BURST);
    vmsg_driver_ok(t.link, 0);
    buf.addr = vmsg_link_alloc(t.link, len);
    for (round = 0; round < ROUNDS; round++) {
        for (i = 0; i < BURST; i++) {
            ids[i] = vmsg_queue_add(&q, &buf, 1);
        }
        vmsg_queue_kick(&q);
        for (i = 0; i < BURST; i++) {
            vmsg_queue_wait(&q, ids[i]);
        }
        vmsg_settle(&t);
    }
    g_assert_cmpuint(vmsg_stat(&t, "deferrals"), ==, 0);
    vmsg_test_stop(&t);
}

/* Requests of several descriptors, which the end of the ring cuts in two */
static void test_packed_blk(void)
{
    struct virtio_blk_outhdr *hdr;
    VMsgBuffer bufs[] = {
        { .len = sizeof(*hdr) },
        { .len = 8 * SECTOR },
        { .len = 1, .device_writes = true },
    };
    uint8_t *data, *status;
    VMsgPacked q;
    VMsgTest t;
    size_t i;
    int round;

    start_with_fd(&t, "-blockdev driver=file,node-name=disk0,locking=off,"
                  "filename=/proc/self/fd/%d "
                  "-device virtio-blk-device,drive=disk0,packed=on",
                  vmsg_disk(DISK_SIZE));
    for (i = 0; i < G_N_ELEMENTS(bufs); i++) {
        bufs[i].addr = vmsg_link_alloc(t.link, bufs[i].len);
    }
    hdr = vmsg_link_ptr(t.link, bufs[0].addr);
    data = vmsg_link_ptr(t.link, bufs[1].addr);
    status = vmsg_link_ptr(t.link, bufs[2].addr);

    packed_up(t.link, &q, 8);
    for (round = 0; round < 20; round++) {
        hdr->type = GUINT32_TO_LE(VIRTIO_BLK_T_OUT);
        hdr->sector = GUINT64_TO_LE(8 * round);
        bufs[1].device_writes = false;
        fill(data, bufs[1].len, round);
        *status = 0xff;
        vmsg_packed_add(&q, bufs, G_N_ELEMENTS(bufs));
        vmsg_packed_wait(&q);
        g_assert_cmpuint(*status, ==, VIRTIO_BLK_S_OK);

        hdr->type = GUINT32_TO_LE(VIRTIO_BLK_T_IN);
        bufs[1].device_writes = true;
        memset(data, 0, bufs[1].len);
        *status = 0xff;
        vmsg_packed_add(&q, bufs, G_N_ELEMENTS(bufs));
        g_assert_cmpuint(vmsg_packed_wait(&q), ==, bufs[1].len + 1);
        g_assert_cmpuint(*status, ==, VIRTIO_BLK_S_OK);
        check(data, bufs[1].len, round);
    }
    vmsg_test_stop(&t);
}

/* T-17 */
static void test_packed_suppression(void)
{
    VMsgBuffer buf = { .len = 64, .device_writes = true };
    VMsgPacked q;
    VMsgTest t;
    int i;

    vmsg_test_start(&t, "", "-device virtio-rng-device,packed=on");
    buf.addr = vmsg_link_alloc(t.link, 64);
    packed_up(t.link, &q, 4);
    for (i = 0; i < 20; i++) {
        vmsg_packed_set_event(&q, VRING_PACKED_EVENT_FLAG_DISABLE);
        vmsg_packed_add(&q, &buf, 1);
        while (!vmsg_packed_used(&q)) {
            vmsg_ping(t.link);
        }
        g_assert_cmpuint(vmsg_packed_take(&q), ==, 64);
        g_assert_false(vmsg_take_event(t.link, 0, VIRTIO_MSG_EVENT_USED, 0,
                                       NULL));

        vmsg_packed_set_event(&q, VRING_PACKED_EVENT_FLAG_ENABLE);
        vmsg_packed_add(&q, &buf, 1);
        vmsg_wait_event(t.link, 0, VIRTIO_MSG_EVENT_USED, 0, NULL);
        g_assert_cmpuint(vmsg_packed_take(&q), ==, 64);
    }
    vmsg_test_stop(&t);
}

/* T-13: what lies behind the memory is as out of reach as with a split ring */
static void test_packed_needs_reset(void)
{
    VMsgBuffer buf = {
        .addr = VMSG_RAM_BASE + VMSG_RAM_SIZE, .len = 64,
        .device_writes = true,
    };
    struct virtio_msg event;
    VMsgPacked q;
    VMsgTest t;

    vmsg_test_start(&t, "", "-device virtio-rng-device,packed=on");
    packed_up(t.link, &q, 4);
    vmsg_packed_add(&q, &buf, 1);
    vmsg_wait_event(t.link, 0, VIRTIO_MSG_EVENT_CONFIG, 0, &event);
    g_assert_cmphex(GUINT32_FROM_LE(event.event_config.status) &
                    VIRTIO_CONFIG_S_NEEDS_RESET, !=, 0);

    /* And a reset mends it */
    buf.addr = vmsg_link_alloc(t.link, 64);
    packed_up(t.link, &q, 4);
    vmsg_packed_add(&q, &buf, 1);
    g_assert_cmpuint(vmsg_packed_wait(&q), ==, 64);
    vmsg_test_stop(&t);
}

/*
 * Serial
 */

#define SERIAL_SIZE     64
#define CONTROLS        4
#define CONTROL_LEN     64

enum {
    SERIAL_RX0, SERIAL_TX0, SERIAL_CONTROL_RX, SERIAL_CONTROL_TX,
    SERIAL_RX1, SERIAL_TX1, SERIAL_QUEUES
};

typedef struct Serial {
    VMsgTest t;
    int wire;                       /* the other end of the port */
    VMsgQueue q[SERIAL_QUEUES];
    /* For the device's messages: it drops those that find no buffer */
    uint64_t control[CONTROLS];
    uint16_t control_id[CONTROLS];
    unsigned controls;              /* that have come */
} Serial;

static void serial_start(Serial *s, const char *port)
{
    g_autofree char *args = g_strdup_printf(
        "-chardev socket,id=wire,fd=%%d -device virtio-serial-device "
        "-device %s,chardev=wire", port);
    int pair[2];

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair),
                    ==, 0);
    s->wire = pair[0];
    start_with_fd(&s->t, args, pair[1]);
}

static void serial_stop(Serial *s)
{
    vmsg_test_stop(&s->t);
    close(s->wire);
}

static void serial_up(Serial *s, uint64_t features, int queues)
{
    int i;

    vmsg_negotiate(s->t.link, 0, features);
    for (i = 0; i < queues; i++) {
        vmsg_queue_init(&s->q[i], s->t.link, 0, i, SERIAL_SIZE);
    }
    vmsg_driver_ok(s->t.link, 0);
}

static void serial_read(Serial *s, uint8_t *data, size_t len)
{
    struct pollfd fd = { .fd = s->wire, .events = POLLIN };
    size_t done = 0;
    ssize_t ret;

    while (done < len) {
        g_assert_cmpint(poll(&fd, 1, VMSG_DEADLINE_MS), ==, 1);
        ret = read(s->wire, data + done, len - done);
        g_assert_cmpint(ret, >, 0);
        done += ret;
    }
}

static void serial_exchange(Serial *s, VMsgQueue *rx, VMsgQueue *tx)
{
    VMsgLink *link = s->t.link;
    VMsgBuffer in = {
        .addr = vmsg_link_alloc(link, PAGE), .len = PAGE, .device_writes = true,
    };
    VMsgBuffer out = { .addr = vmsg_link_alloc(link, PAGE) };
    uint8_t data[PAGE];
    uint16_t id;
    int i;

    for (i = 0; i < 20; i++) {
        /* Down to single bytes, up to a page */
        size_t len = 1 + i * (PAGE - 1) / 19;

        fill(vmsg_link_ptr(link, out.addr), len, i);
        out.len = len;
        id = vmsg_queue_add(tx, &out, 1);
        vmsg_queue_kick(tx);
        serial_read(s, data, len);
        check(data, len, i);
        vmsg_queue_wait(tx, id);

        fill(data, len, 100 + i);
        id = vmsg_queue_add(rx, &in, 1);
        vmsg_queue_kick(rx);
        g_assert_cmpint(write(s->wire, data, len), ==, len);
        g_assert_cmpuint(vmsg_queue_wait(rx, id), ==, len);
        check(vmsg_link_ptr(link, in.addr), len, 100 + i);
    }
}

static void test_console(void)
{
    Serial s;

    serial_start(&s, "virtconsole");
    serial_up(&s, 0, 2);
    serial_exchange(&s, &s.q[SERIAL_RX0], &s.q[SERIAL_TX0]);
    serial_stop(&s);
}

static void control_init(Serial *s)
{
    int i;

    for (i = 0; i < CONTROLS; i++) {
        VMsgBuffer buf = {
            .addr = vmsg_link_alloc(s->t.link, CONTROL_LEN),
            .len = CONTROL_LEN, .device_writes = true,
        };

        s->control[i] = buf.addr;
        s->control_id[i] = vmsg_queue_add(&s->q[SERIAL_CONTROL_RX], &buf, 1);
    }
    s->controls = 0;
    vmsg_queue_kick(&s->q[SERIAL_CONTROL_RX]);
}

/* The next that the device says has to be @event of @port */
static void control_wait(Serial *s, uint32_t port, uint16_t event)
{
    const struct virtio_console_control *msg =
        vmsg_link_ptr(s->t.link, s->control[s->controls]);
    uint32_t len;

    len = vmsg_queue_wait(&s->q[SERIAL_CONTROL_RX],
                          s->control_id[s->controls++]);
    g_assert_cmpuint(len, >=, sizeof(*msg));
    g_assert_cmpuint(GUINT32_FROM_LE(msg->id), ==, port);
    g_assert_cmpuint(GUINT16_FROM_LE(msg->event), ==, event);
}

static void control_say(Serial *s, uint32_t port, uint16_t event)
{
    struct virtio_console_control *msg;
    VMsgBuffer buf = {
        .addr = vmsg_link_alloc(s->t.link, sizeof(*msg)), .len = sizeof(*msg),
    };
    uint16_t id;

    msg = vmsg_link_ptr(s->t.link, buf.addr);
    msg->id = GUINT32_TO_LE(port);
    msg->event = GUINT16_TO_LE(event);
    msg->value = GUINT16_TO_LE(1);
    id = vmsg_queue_add(&s->q[SERIAL_CONTROL_TX], &buf, 1);
    vmsg_queue_kick(&s->q[SERIAL_CONTROL_TX]);
    vmsg_queue_wait(&s->q[SERIAL_CONTROL_TX], id);
}

/* A port that is found, and opened on both sides, through the control queues */
static void port_start(Serial *s)
{
    serial_start(s, "virtserialport,nr=1,name=port1");
    serial_up(s, BIT(VIRTIO_CONSOLE_F_MULTIPORT), SERIAL_QUEUES);
    control_init(s);

    control_say(s, 0, VIRTIO_CONSOLE_DEVICE_READY);
    control_wait(s, 1, VIRTIO_CONSOLE_PORT_ADD);
    control_say(s, 1, VIRTIO_CONSOLE_PORT_READY);
    control_wait(s, 1, VIRTIO_CONSOLE_PORT_NAME);
    control_wait(s, 1, VIRTIO_CONSOLE_PORT_OPEN);
    control_say(s, 1, VIRTIO_CONSOLE_PORT_OPEN);
}

static void test_port(void)
{
    Serial s;

    port_start(&s);
    serial_exchange(&s, &s.q[SERIAL_RX1], &s.q[SERIAL_TX1]);
    serial_stop(&s);
}

/* More than the other end takes at once: the rest waits and gets there */
static void test_port_throttled(void)
{
    enum { PIECE = 16 * 1024, PIECES = SERIAL_SIZE - 1 };
    VMsgBuffer out = { .len = PIECE };
    g_autofree uint8_t *data = g_malloc(PIECE);
    uint16_t id[PIECES];
    Serial s;
    int i;

    port_start(&s);
    for (i = 0; i < PIECES; i++) {
        out.addr = vmsg_link_alloc(s.t.link, PIECE);
        fill(vmsg_link_ptr(s.t.link, out.addr), PIECE, i);
        id[i] = vmsg_queue_add(&s.q[SERIAL_TX1], &out, 1);
    }
    vmsg_queue_kick(&s.q[SERIAL_TX1]);
    vmsg_ping(s.t.link);
    g_assert_cmpuint(vmsg_queue_used(&s.q[SERIAL_TX1]), <, PIECES);
    for (i = 0; i < PIECES; i++) {
        serial_read(&s, data, PIECE);
        check(data, PIECE, i);
    }
    for (i = 0; i < PIECES; i++) {
        vmsg_queue_wait(&s.q[SERIAL_TX1], id[i]);
    }
    serial_stop(&s);
}

/*
 * SCSI
 */

#define SCSI_SIZE       64

enum { SCSI_CONTROL, SCSI_EVENT, SCSI_COMMAND, SCSI_QUEUES };

enum {
    REQUEST_SENSE = 0x03,
    INQUIRY = 0x12,
    READ_10 = 0x28,
    WRITE_10 = 0x2a,
};

typedef struct Scsi {
    VMsgTest t;
    VMsgQueue q[SCSI_QUEUES];
    uint64_t req;
    uint64_t resp;
    uint64_t data;
} Scsi;

static void scsi_start(Scsi *s)
{
    int i;

    start_with_fd(&s->t, "-blockdev driver=file,node-name=disk0,locking=off,"
                  "filename=/proc/self/fd/%d "
                  "-device virtio-scsi-device,id=scsi0,num_queues=1 "
                  "-device scsi-hd,bus=scsi0.0,scsi-id=3,lun=0,drive=disk0",
                  vmsg_disk(DISK_SIZE));
    vmsg_negotiate(s->t.link, 0, 0);
    for (i = 0; i < SCSI_QUEUES; i++) {
        vmsg_queue_init(&s->q[i], s->t.link, 0, i, SCSI_SIZE);
    }
    vmsg_driver_ok(s->t.link, 0);
    s->req = vmsg_link_alloc(s->t.link, sizeof(struct virtio_scsi_cmd_req));
    s->resp = vmsg_link_alloc(s->t.link, sizeof(struct virtio_scsi_cmd_resp));
    s->data = vmsg_link_alloc(s->t.link, 64 * 1024);
}

/* Returns the device's answer, which the next command overwrites */
static const struct virtio_scsi_cmd_resp *
scsi_command(Scsi *s, uint8_t target, const uint8_t *cdb, size_t len,
             uint32_t data_len, bool device_writes)
{
    struct virtio_scsi_cmd_req *req = vmsg_link_ptr(s->t.link, s->req);
    struct virtio_scsi_cmd_resp *resp = vmsg_link_ptr(s->t.link, s->resp);
    VMsgBuffer bufs[3] = { { .addr = s->req, .len = sizeof(*req) } };
    VMsgBuffer answer = {
        .addr = s->resp, .len = sizeof(*resp), .device_writes = true,
    };
    VMsgBuffer data = {
        .addr = s->data, .len = data_len, .device_writes = device_writes,
    };
    uint16_t id;

    memset(req, 0, sizeof(*req));
    memset(resp, 0xff, sizeof(*resp));
    req->lun[0] = 1;
    req->lun[1] = target;
    req->lun[2] = 0x40;
    memcpy(req->cdb, cdb, len);

    bufs[1] = device_writes ? answer : data;
    bufs[2] = device_writes ? data : answer;
    id = vmsg_queue_add(&s->q[SCSI_COMMAND], bufs, 3);
    vmsg_queue_kick(&s->q[SCSI_COMMAND]);
    vmsg_queue_wait(&s->q[SCSI_COMMAND], id);
    return resp;
}

static void test_scsi_inquiry(void)
{
    static const uint8_t cdb[6] = { INQUIRY, 0, 0, 0, 36, 0 };
    const struct virtio_scsi_cmd_resp *resp;
    const uint8_t *data;
    Scsi s;

    scsi_start(&s);
    data = vmsg_link_ptr(s.t.link, s.data);
    resp = scsi_command(&s, 3, cdb, sizeof(cdb), 36, true);
    g_assert_cmpuint(resp->response, ==, VIRTIO_SCSI_S_OK);
    g_assert_cmpuint(resp->status, ==, 0);
    g_assert_cmpmem(data + 8, 8, "QEMU    ", 8);

    /* A target that is not there */
    resp = scsi_command(&s, 4, cdb, sizeof(cdb), 36, true);
    g_assert_cmpuint(resp->response, ==, VIRTIO_SCSI_S_BAD_TARGET);
    vmsg_test_stop(&s.t);
}

static void test_scsi_read_write(void)
{
    enum { SECTORS = 128 };
    static const uint8_t sense[6] = { REQUEST_SENSE, 0, 0, 0, 18, 0 };
    uint8_t write[10] = { WRITE_10, [8] = SECTORS };
    uint8_t read[10] = { READ_10, [8] = SECTORS };
    const struct virtio_scsi_cmd_resp *resp;
    uint8_t *data;
    Scsi s;
    int i;

    scsi_start(&s);
    data = vmsg_link_ptr(s.t.link, s.data);
    /* That it has been switched on comes before all else */
    scsi_command(&s, 3, sense, sizeof(sense), 18, true);
    for (i = 0; i < DISK_SIZE / (SECTORS * SECTOR); i++) {
        write[4] = read[4] = i * SECTORS >> 8;
        write[5] = read[5] = i * SECTORS & 0xff;
        fill(data, SECTORS * SECTOR, i);
        resp = scsi_command(&s, 3, write, sizeof(write), SECTORS * SECTOR,
                            false);
        g_assert_cmpuint(resp->response | resp->status, ==, 0);
        g_assert_cmpuint(GUINT32_FROM_LE(resp->resid), ==, 0);
    }
    for (i = 0; i < DISK_SIZE / (SECTORS * SECTOR); i++) {
        read[4] = i * SECTORS >> 8;
        read[5] = i * SECTORS & 0xff;
        memset(data, 0, SECTORS * SECTOR);
        resp = scsi_command(&s, 3, read, sizeof(read), SECTORS * SECTOR, true);
        g_assert_cmpuint(resp->response | resp->status, ==, 0);
        check(data, SECTORS * SECTOR, i);
    }

    /* Behind the end: an error of the disk, with its sense, not of ours */
    read[2] = 0x10;
    resp = scsi_command(&s, 3, read, sizeof(read), SECTORS * SECTOR, true);
    g_assert_cmpuint(resp->response, ==, VIRTIO_SCSI_S_OK);
    g_assert_cmpuint(resp->status, ==, 2);
    g_assert_cmpuint(GUINT32_FROM_LE(resp->sense_len), >, 0);
    vmsg_test_stop(&s.t);
}

/*
 * Sound
 */

/* Of a request to play, or without @out to record, a stream */
static void check_bad_sound(VMsgQueue *q, uint32_t stream, uint32_t out,
                            uint32_t in)
{
    uint64_t at = vmsg_link_alloc(q->link, PAGE);
    struct virtio_snd_pcm_xfer *xfer = vmsg_link_ptr(q->link, at);
    struct virtio_snd_pcm_status *status;
    VMsgBuffer bufs[] = {
        { .addr = at, .len = sizeof(*xfer) + out },
        { .len = in, .device_writes = true },
    };
    uint16_t id;

    /* What is behind it does not matter: nobody shall read that much */
    xfer->stream_id = GUINT32_TO_LE(stream);
    bufs[1].addr = vmsg_link_alloc(q->link, PAGE);
    status = vmsg_link_ptr(q->link, bufs[1].addr);
    id = vmsg_queue_add(q, bufs, 2);
    vmsg_queue_kick(q);
    vmsg_queue_wait(q, id);
    if (in >= sizeof(*status)) {
        g_assert_cmphex(GUINT32_FROM_LE(status->status), ==,
                        VIRTIO_SND_S_BAD_MSG);
    }
}

/* A request costs memory, and waits for its stream to start: not so bad ones */
static void test_sound(void)
{
    enum { PLAY, RECORD, PLAY_QUEUE = 2, RECORD_QUEUE };
    const uint32_t large = 2 * 1024 * 1024;
    VMsgQueue play, record;
    VMsgTest t;

    if (!qtest_has_device("virtio-sound-device")) {
        g_test_skip("this QEMU has no virtio-sound-device");
        return;
    }
    vmsg_test_start(&t, "", "-audiodev none,id=audio "
                    "-device virtio-sound-device,audiodev=audio");
    vmsg_negotiate(t.link, 0, 0);
    vmsg_queue_init(&play, t.link, 0, PLAY_QUEUE, 8);
    vmsg_queue_init(&record, t.link, 0, RECORD_QUEUE, 8);
    vmsg_driver_ok(t.link, 0);

    check_bad_sound(&play, PLAY, large, sizeof(struct virtio_snd_pcm_status));
    check_bad_sound(&record, RECORD, 0, large);
    check_bad_sound(&record, RECORD, 0, 1);
    vmsg_test_stop(&t);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);

#define TEST(path, fn) qtest_add_func("virtio-msg/data/" path, fn)
    TEST("packed/rng", test_packed_rng);
    TEST("packed/net-link-off", test_packed_net_link_off);
    TEST("packed/blk", test_packed_blk);
    TEST("packed/used-suppressed", test_packed_suppression);
    TEST("packed/needs-reset", test_packed_needs_reset);
    TEST("net/burst", test_net_burst);
    TEST("serial/console", test_console);
    TEST("serial/port", test_port);
    TEST("serial/port-throttled", test_port_throttled);
    TEST("scsi/inquiry", test_scsi_inquiry);
    TEST("scsi/read-write", test_scsi_read_write);
    TEST("sound", test_sound);
#undef TEST

    return g_test_run();
}
