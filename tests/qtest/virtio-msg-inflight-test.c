/*
 * What a driver gave is dropped when the device is taken from it
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include <linux/virtio_blk.h>
#include <linux/virtio_config.h>
#include <linux/virtio_console.h>
#include <linux/virtio_crypto.h>
#include <linux/virtio_input.h>
#include <linux/virtio_net.h>
#include <linux/virtio_scsi.h>
#include <linux/virtio_snd.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include "qapi/error.h"
#include "qemu/cutils.h"
#include "qobject/qdict.h"
#include "qobject/qjson.h"
#include "qobject/qlist.h"
#include "virtio-msg-fixture.h"

/*
 * For each type of device a driver gives requests that cannot complete: the
 * backend is slow, or has nothing to say.  Then the device is taken away, and
 * set up again at other addresses.  Only then the backend is let go on.  From
 * the moment that the device was taken away, nothing may be written where the
 * requests and their rings were, or be found in the rings of the new driver;
 * and that one is served.
 */

#define BIT(n)          (1ULL << (n))
#define BUS             VIRTIO_MSG_TYPE_BUS
#define SECOND          1000000000LL
#define SECTOR          512
#define QUEUE_SIZE      64
#define MAX_QUEUES      6
#define REQUESTS        8

typedef struct Flight Flight;

typedef struct Device {
    const char *name;
    const char *type;           /* QOM type, which not every QEMU has */
    const char *backend;        /* options; %d becomes one end of a socket */
    const char *device[2];      /* the device, and what stands on it */
    uint64_t features;
    unsigned queues;
    /* Requests end while the device is taken away; otherwise not even then */
    bool ends_requests;
    /* Make requests available that stay in flight */
    void (*give)(Flight *f);
    /* Let the backend go on; there may be no device now */
    void (*go_on)(Flight *f);
    /* Make a request, with a backend that can go on, and see it complete */
    void (*work)(Flight *f);
} Device;

/* How a device is taken from its driver */
typedef struct End {
    const char *name;
    void (*take)(Flight *f);
    /* Make it possible to set the device up again */
    void (*give_back)(Flight *f);
    bool goes_on_before;        /* the backend, before the device is back */
} End;

struct Flight {
    const Device *device;
    VMsgTest t;
    int listening;              /* where the ivshmem server is found */
    char *dir;
    char *path;
    int wire;                   /* the other end of the backend's socket */
    int wire_end;               /* the backend's, until QEMU has it */
    VMsgQueue q[MAX_QUEUES];
};

static VMsgBuffer buffer(Flight *f, uint32_t len, bool device_writes)
{
    return (VMsgBuffer) {
        .addr = vmsg_link_alloc(f->t.link, len), .len = len,
        .device_writes = device_writes,
    };
}

static void *at(Flight *f, const VMsgBuffer *buf)
{
    return vmsg_link_ptr(f->t.link, buf->addr);
}

/* What has been kicked has reached the backend */
static void settle(Flight *f)
{
    vmsg_ping(f->t.link);
    vmsg_settle(&f->t);
}

/* Add buffers that the device can fill as it likes */
static void give_empty(Flight *f, unsigned queue, unsigned num, uint32_t len)
{
    unsigned i;

    for (i = 0; i < num; i++) {
        VMsgBuffer buf = buffer(f, len, true);

        vmsg_queue_add(&f->q[queue], &buf, 1);
    }
    vmsg_queue_kick(&f->q[queue]);
    settle(f);
}

/* Wait for a request of one buffer, which comes back with something in it */
static void take_filled(Flight *f, unsigned queue, uint16_t id)
{
    g_assert_cmpuint(vmsg_queue_wait(&f->q[queue], id), >, 0);
}

static uint16_t add_empty(Flight *f, unsigned queue, uint32_t len)
{
    VMsgBuffer buf = buffer(f, len, true);
    uint16_t id = vmsg_queue_add(&f->q[queue], &buf, 1);

    vmsg_queue_kick(&f->q[queue]);
    return id;
}

static void clock_step(Flight *f)
{
    qtest_clock_step(f->t.qts, 100 * SECOND);
    vmsg_settle(&f->t);
}

/* Read all that the backend has sent, and will send now that there is room */
static void drain_wire(Flight *f)
{
    struct pollfd fd = { .fd = f->wire, .events = POLLIN };
    uint8_t data[4096];
    int idle = 0;

    while (idle < 2) {
        if (poll(&fd, 1, 0) == 1) {
            g_assert_cmpint(read(f->wire, data, sizeof(data)), >, 0);
            idle = 0;
        } else {
            vmsg_settle(&f->t);
            idle++;
        }
    }
}

static void write_wire(Flight *f, const void *data, size_t len)
{
    g_assert_cmpint(write(f->wire, data, len), ==, len);
    vmsg_settle(&f->t);
}

/*
 * Disks: a throttled one, with a clock that stands still
 */

#define THROTTLED                                                       \
    "-object throttle-group,id=tg,x-iops-total=1 "                      \
    "-blockdev null-co,node-name=null,size=1048576,read-zeroes=on "          \
    "-blockdev throttle,node-name=disk0,throttle-group=tg,file=null "

static uint16_t blk_read(Flight *f)
{
    VMsgBuffer bufs[] = {
        buffer(f, sizeof(struct virtio_blk_outhdr), false),
        buffer(f, SECTOR, true),
        buffer(f, 1, true),
    };
    struct virtio_blk_outhdr *hdr = at(f, &bufs[0]);

    hdr->type = GUINT32_TO_LE(VIRTIO_BLK_T_IN);
    memset(at(f, &bufs[1]), 0xaa, SECTOR);
    return vmsg_queue_add(&f->q[0], bufs, G_N_ELEMENTS(bufs));
}

static void blk_give(Flight *f)
{
    int i;

    for (i = 0; i < REQUESTS; i++) {
        blk_read(f);
    }
    vmsg_queue_kick(&f->q[0]);
    settle(f);
    g_assert_cmpuint(vmsg_queue_used(&f->q[0]), <, REQUESTS);
}

static void blk_work(Flight *f)
{
    uint16_t id = blk_read(f);

    vmsg_queue_kick(&f->q[0]);
    settle(f);
    clock_step(f);
    take_filled(f, 0, id);
}

enum { SCSI_COMMAND = 2, TARGET = 3 };

static uint16_t scsi_command(Flight *f, const uint8_t *cdb, size_t len,
                             uint32_t data_len)
{
    VMsgBuffer bufs[] = {
        buffer(f, sizeof(struct virtio_scsi_cmd_req), false),
        buffer(f, sizeof(struct virtio_scsi_cmd_resp), true),
        buffer(f, data_len, true),
    };
    struct virtio_scsi_cmd_req *req = at(f, &bufs[0]);

    req->lun[0] = 1;
    req->lun[1] = TARGET;
    req->lun[2] = 0x40;
    memcpy(req->cdb, cdb, len);
    return vmsg_queue_add(&f->q[SCSI_COMMAND], bufs, G_N_ELEMENTS(bufs));
}

static void scsi_give(Flight *f)
{
    static const uint8_t sense[6] = { 0x03, 0, 0, 0, 18, 0 };
    static const uint8_t read[10] = { 0x28, [8] = 1 };
    uint16_t id;
    int i;

    /* That it has been switched on comes before all else */
    id = scsi_command(f, sense, sizeof(sense), 18);
    vmsg_queue_kick(&f->q[SCSI_COMMAND]);
    vmsg_queue_wait(&f->q[SCSI_COMMAND], id);

    for (i = 0; i < REQUESTS; i++) {
        scsi_command(f, read, sizeof(read), SECTOR);
    }
    vmsg_queue_kick(&f->q[SCSI_COMMAND]);
    settle(f);
    g_assert_cmpuint(vmsg_queue_used(&f->q[SCSI_COMMAND]), <, REQUESTS);
}

static void scsi_work(Flight *f)
{
    static const uint8_t inquiry[6] = { 0x12, 0, 0, 0, 36, 0 };
    uint16_t id = scsi_command(f, inquiry, sizeof(inquiry), 36);

    vmsg_queue_kick(&f->q[SCSI_COMMAND]);
    take_filled(f, SCSI_COMMAND, id);
}

/*
 * Crypto: throttled, too, by a clock that does not stand still but is slow
 */

enum { CRYPTO_DATA, CRYPTO_CONTROL, KEY_LEN = 16, IV_LEN = 16, TEXT_LEN = 128 };

static uint64_t crypto_session(Flight *f)
{
    struct virtio_crypto_op_ctrl_req *req;
    struct virtio_crypto_sym_create_session_req *sym;
    struct virtio_crypto_session_input *input;
    VMsgBuffer bufs[] = {
        buffer(f, sizeof(*req) + KEY_LEN, false),
        buffer(f, sizeof(*input), true),
    };
    uint16_t id;

    req = at(f, &bufs[0]);
    input = at(f, &bufs[1]);
    req->header.opcode = GUINT32_TO_LE(VIRTIO_CRYPTO_CIPHER_CREATE_SESSION);
    sym = &req->u.sym_create_session;
    sym->op_type = GUINT32_TO_LE(VIRTIO_CRYPTO_SYM_OP_CIPHER);
    sym->u.cipher.para.algo = GUINT32_TO_LE(VIRTIO_CRYPTO_CIPHER_AES_CBC);
    sym->u.cipher.para.keylen = GUINT32_TO_LE(KEY_LEN);
    sym->u.cipher.para.op = GUINT32_TO_LE(VIRTIO_CRYPTO_OP_ENCRYPT);

    id = vmsg_queue_add(&f->q[CRYPTO_CONTROL], bufs, G_N_ELEMENTS(bufs));
    vmsg_queue_kick(&f->q[CRYPTO_CONTROL]);
    take_filled(f, CRYPTO_CONTROL, id);
    g_assert_cmpuint(GUINT32_FROM_LE(input->status), ==, VIRTIO_CRYPTO_OK);
    return GUINT64_FROM_LE(input->session_id);
}

/* Returns the status byte's place */
static const uint8_t *crypto_encrypt(Flight *f, uint64_t session, uint16_t *id)
{
    struct virtio_crypto_op_data_req *req;
    VMsgBuffer bufs[] = {
        buffer(f, sizeof(*req) + IV_LEN + TEXT_LEN, false),
        buffer(f, TEXT_LEN, true),
        buffer(f, sizeof(struct virtio_crypto_inhdr), true),
    };
    struct virtio_crypto_sym_data_req *sym;
    uint8_t *status = at(f, &bufs[2]);

    req = at(f, &bufs[0]);
    req->header.opcode = GUINT32_TO_LE(VIRTIO_CRYPTO_CIPHER_ENCRYPT);
    req->header.session_id = GUINT64_TO_LE(session);
    sym = &req->u.sym_req;
    sym->op_type = GUINT32_TO_LE(VIRTIO_CRYPTO_SYM_OP_CIPHER);
    sym->u.cipher.para.iv_len = GUINT32_TO_LE(IV_LEN);
    sym->u.cipher.para.src_data_len = GUINT32_TO_LE(TEXT_LEN);
    sym->u.cipher.para.dst_data_len = GUINT32_TO_LE(TEXT_LEN);
    *status = 0xff;
    *id = vmsg_queue_add(&f->q[CRYPTO_DATA], bufs, G_N_ELEMENTS(bufs));
    return status;
}

static void crypto_give(Flight *f)
{
    uint64_t session = crypto_session(f);
    uint16_t id;
    int i;

    for (i = 0; i < REQUESTS; i++) {
        crypto_encrypt(f, session, &id);
    }
    vmsg_queue_kick(&f->q[CRYPTO_DATA]);
    settle(f);
    g_assert_cmpuint(vmsg_queue_used(&f->q[CRYPTO_DATA]), <, REQUESTS);
}

static void crypto_go_on(Flight *f)
{
    qtest_qmp_assert_success(f->t.qts, "{ 'execute': 'qom-set', 'arguments': {"
                             " 'path': '/objects/crypto0',"
                             " 'property': 'throttle-ops', 'value': 0 } }");
    vmsg_settle(&f->t);
}

static void crypto_work(Flight *f)
{
    const uint8_t *status;
    uint16_t id;

    status = crypto_encrypt(f, crypto_session(f), &id);
    vmsg_queue_kick(&f->q[CRYPTO_DATA]);
    take_filled(f, CRYPTO_DATA, id);
    g_assert_cmpuint(*status, ==, VIRTIO_CRYPTO_OK);
}

/*
 * Input: buffers that wait for somebody to touch something
 */

static const char *input_event(Flight *f)
{
    static const struct {
        const char *device;
        const char *event;
    } events[] = {
        { "keyboard", "{ 'type': 'key', 'data': { 'down': true,"
                      " 'key': { 'type': 'qcode', 'data': 'a' } } }" },
        { "mouse", "{ 'type': 'rel', 'data': { 'axis': 'x', 'value': 5 } }" },
        { "tablet", "{ 'type': 'abs', 'data': { 'axis': 'x', 'value': 5 } }" },
        { "multitouch", "{ 'type': 'mtt', 'data': { 'type': 'begin',"
                        " 'axis': 'x', 'slot': 0, 'tracking-id': 1,"
                        " 'value': 5 } }" },
    };
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(events); i++) {
        if (g_str_equal(events[i].device, f->device->name)) {
            return events[i].event;
        }
    }
    g_assert_not_reached();
}

static void input_give(Flight *f)
{
    give_empty(f, 0, REQUESTS, sizeof(struct virtio_input_event));
    g_assert_cmpuint(vmsg_queue_used(&f->q[0]), ==, 0);
}

static void input_go_on(Flight *f)
{
    QObject *event = qobject_from_json(input_event(f), &error_abort);
    QDict *resp = qtest_qmp(f->t.qts, "{ 'execute': 'input-send-event',"
                            " 'arguments': { 'events': [ %p ] } }", event);

    /* An error is fine: there is nobody to hear of it while it is unplugged */
    qobject_unref(resp);
    vmsg_settle(&f->t);
}

static void input_work(Flight *f)
{
    input_give(f);
    input_go_on(f);
    vmsg_ping(f->t.link);
    g_assert_cmpuint(vmsg_queue_used(&f->q[0]), >, 0);
}

/*
 * Network: nothing comes, and nobody takes what is sent
 */

enum { NET_RX, NET_TX, NET_PACKETS = 32, NET_LEN = 1024, NET_FRAME = 64 };

static void net_give(Flight *f)
{
    int i;

    give_empty(f, NET_RX, REQUESTS, 2048);
    for (i = 0; i < NET_PACKETS; i++) {
        VMsgBuffer buf = buffer(f, sizeof(struct virtio_net_hdr_v1) + NET_LEN,
                                false);

        vmsg_queue_add(&f->q[NET_TX], &buf, 1);
    }
    vmsg_queue_kick(&f->q[NET_TX]);
    settle(f);
    g_assert_cmpuint(vmsg_queue_used(&f->q[NET_RX]), ==, 0);
    g_assert_cmpuint(vmsg_queue_used(&f->q[NET_TX]), <, NET_PACKETS);
}

static void net_go_on(Flight *f)
{
    uint8_t frame[4 + NET_FRAME] = { [3] = NET_FRAME };

    drain_wire(f);
    memset(frame + 4, 0xff, NET_FRAME);
    write_wire(f, frame, sizeof(frame));
}

static void net_work(Flight *f)
{
    uint16_t id = add_empty(f, NET_RX, 2048);

    settle(f);
    net_go_on(f);
    take_filled(f, NET_RX, id);
}

/*
 * Entropy: of a daemon that takes its time
 */

static void rng_await_request(Flight *f)
{
    uint8_t request[2];

    g_assert_cmpint(recv(f->wire, request, sizeof(request), MSG_WAITALL), ==,
                    sizeof(request));
}

static void rng_give(Flight *f)
{
    give_empty(f, 0, VMSG_RNG_QUEUE_SIZE, 64);
    rng_await_request(f);
    g_assert_cmpuint(vmsg_queue_used(&f->q[0]), ==, 0);
}

static void rng_go_on(Flight *f)
{
    uint8_t entropy[VMSG_RNG_QUEUE_SIZE * 64];

    memset(entropy, 0x5a, sizeof(entropy));
    write_wire(f, entropy, sizeof(entropy));
}

static void rng_work(Flight *f)
{
    uint16_t id = add_empty(f, 0, 64);

    settle(f);
    rng_go_on(f);
    take_filled(f, 0, id);
}

/*
 * Serial: nobody reads at the other end
 */

enum {
    SERIAL_CONTROL_RX = 2, SERIAL_CONTROL_TX, SERIAL_RX, SERIAL_TX,
    SERIAL_LEN = 4096, PORT = 1
};

static void serial_say(Flight *f, uint32_t port, uint16_t event)
{
    struct virtio_console_control *msg;
    VMsgBuffer buf = buffer(f, sizeof(*msg), false);
    uint16_t id;

    msg = at(f, &buf);
    msg->id = GUINT32_TO_LE(port);
    msg->event = GUINT16_TO_LE(event);
    msg->value = GUINT16_TO_LE(1);
    id = vmsg_queue_add(&f->q[SERIAL_CONTROL_TX], &buf, 1);
    vmsg_queue_kick(&f->q[SERIAL_CONTROL_TX]);
    vmsg_queue_wait(&f->q[SERIAL_CONTROL_TX], id);
}

static void serial_open(Flight *f)
{
    give_empty(f, SERIAL_CONTROL_RX, REQUESTS, 64);
    serial_say(f, 0, VIRTIO_CONSOLE_DEVICE_READY);
    serial_say(f, PORT, VIRTIO_CONSOLE_PORT_READY);
    serial_say(f, PORT, VIRTIO_CONSOLE_PORT_OPEN);
}

static void serial_give(Flight *f)
{
    int i;

    serial_open(f);
    give_empty(f, SERIAL_RX, REQUESTS, 64);
    for (i = 0; i < QUEUE_SIZE - 1; i++) {
        VMsgBuffer buf = buffer(f, SERIAL_LEN, false);

        vmsg_queue_add(&f->q[SERIAL_TX], &buf, 1);
    }
    vmsg_queue_kick(&f->q[SERIAL_TX]);
    settle(f);
    g_assert_cmpuint(vmsg_queue_used(&f->q[SERIAL_RX]), ==, 0);
    g_assert_cmpuint(vmsg_queue_used(&f->q[SERIAL_TX]), <, QUEUE_SIZE - 1);
}

static void serial_go_on(Flight *f)
{
    drain_wire(f);
    write_wire(f, "x", 1);
}

static void serial_work(Flight *f)
{
    VMsgBuffer out = buffer(f, 1, false);
    uint16_t id;

    serial_open(f);
    id = add_empty(f, SERIAL_RX, 64);
    write_wire(f, "y", 1);
    take_filled(f, SERIAL_RX, id);

    id = vmsg_queue_add(&f->q[SERIAL_TX], &out, 1);
    vmsg_queue_kick(&f->q[SERIAL_TX]);
    vmsg_queue_wait(&f->q[SERIAL_TX], id);
}

/*
 * Sound: streams that run by a clock that stands still
 */

enum { SND_CONTROL, SND_EVENT, SND_PLAY, SND_RECORD, PERIOD = 2048 };
enum { STREAM_PLAY, STREAM_RECORD };

static void snd_start(Flight *f, uint32_t stream)
{
    struct virtio_snd_pcm_hdr *req;
    struct virtio_snd_hdr *resp;
    VMsgBuffer bufs[] = {
        buffer(f, sizeof(*req), false), buffer(f, sizeof(*resp), true),
    };
    uint16_t id;

    req = at(f, &bufs[0]);
    resp = at(f, &bufs[1]);
    req->hdr.code = GUINT32_TO_LE(VIRTIO_SND_R_PCM_START);
    req->stream_id = GUINT32_TO_LE(stream);
    id = vmsg_queue_add(&f->q[SND_CONTROL], bufs, G_N_ELEMENTS(bufs));
    vmsg_queue_kick(&f->q[SND_CONTROL]);
    take_filled(f, SND_CONTROL, id);
    g_assert_cmphex(GUINT32_FROM_LE(resp->code), ==, VIRTIO_SND_S_OK);
}

static uint16_t snd_transfer(Flight *f, uint32_t stream)
{
    bool play = stream == STREAM_PLAY;
    struct virtio_snd_pcm_xfer *xfer;
    uint32_t status_len = sizeof(struct virtio_snd_pcm_status);
    VMsgBuffer bufs[] = {
        buffer(f, sizeof(*xfer) + (play ? PERIOD : 0), false),
        buffer(f, status_len + (play ? 0 : PERIOD), true),
    };

    xfer = at(f, &bufs[0]);
    xfer->stream_id = GUINT32_TO_LE(stream);
    memset(at(f, &bufs[1]), 0xaa, bufs[1].len);
    return vmsg_queue_add(&f->q[play ? SND_PLAY : SND_RECORD], bufs,
                          G_N_ELEMENTS(bufs));
}

static void snd_give(Flight *f)
{
    int i;

    snd_start(f, STREAM_PLAY);
    snd_start(f, STREAM_RECORD);
    for (i = 0; i < REQUESTS; i++) {
        snd_transfer(f, STREAM_PLAY);
        snd_transfer(f, STREAM_RECORD);
    }
    vmsg_queue_kick(&f->q[SND_PLAY]);
    vmsg_queue_kick(&f->q[SND_RECORD]);
    settle(f);
    g_assert_cmpuint(vmsg_queue_used(&f->q[SND_PLAY]), ==, 0);
    g_assert_cmpuint(vmsg_queue_used(&f->q[SND_RECORD]), ==, 0);
}

static void snd_go_on(Flight *f)
{
    qtest_clock_step(f->t.qts, SECOND);
    vmsg_settle(&f->t);
}

static void snd_work(Flight *f)
{
    uint16_t play, record;

    snd_start(f, STREAM_PLAY);
    snd_start(f, STREAM_RECORD);
    play = snd_transfer(f, STREAM_PLAY);
    record = snd_transfer(f, STREAM_RECORD);
    vmsg_queue_kick(&f->q[SND_PLAY]);
    vmsg_queue_kick(&f->q[SND_RECORD]);
    settle(f);
    snd_go_on(f);
    take_filled(f, SND_PLAY, play);
    take_filled(f, SND_RECORD, record);
}

/*
 * The devices
 */

#define INPUT(kind)                                                     \
    {                                                                   \
        .name = kind,                                                   \
        .type = "virtio-" kind "-device",                               \
        .backend = "",                                                  \
        .device = { "virtio-" kind "-device,id=dev0" },                 \
        .queues = 2,                                                    \
        .give = input_give, .go_on = input_go_on, .work = input_work,   \
    }

static const Device devices[] = {
    {
        .name = "blk",
        .type = "virtio-blk-device",
        .backend = THROTTLED,
        .device = { "virtio-blk-device,id=dev0,drive=disk0" },
        .queues = 1,
        .ends_requests = true,
        .give = blk_give, .go_on = clock_step, .work = blk_work,
    }, {
        .name = "crypto",
        .type = "virtio-crypto-device",
        .backend = "-object cryptodev-backend-builtin,id=crypto0,"
                   "throttle-ops=1",
        .device = { "virtio-crypto-device,id=dev0,cryptodev=crypto0" },
        .queues = 2,
        .give = crypto_give, .go_on = crypto_go_on, .work = crypto_work,
    },
    INPUT("keyboard"), INPUT("mouse"), INPUT("tablet"), INPUT("multitouch"),
    {
        .name = "net",
        .type = "virtio-net-device",
        .backend = "-netdev socket,id=net0,fd=%d",
        .device = { "virtio-net-device,id=dev0,netdev=net0" },
        .queues = 2,
        .ends_requests = true,
        .give = net_give, .go_on = net_go_on, .work = net_work,
    }, {
        .name = "rng",
        .type = "virtio-rng-device",
        .backend = "-chardev socket,id=wire,fd=%d "
                   "-object rng-egd,id=rng0,chardev=wire",
        .device = { "virtio-rng-device,id=dev0,rng=rng0" },
        .queues = 1,
        .give = rng_give, .go_on = rng_go_on, .work = rng_work,
    }, {
        .name = "scsi",
        .type = "virtio-scsi-device",
        .backend = THROTTLED,
        .device = {
            "virtio-scsi-device,id=dev0,num_queues=1",
            "scsi-hd,bus=dev0.0,scsi-id=3,lun=0,drive=disk0",
        },
        .queues = 3,
        .ends_requests = true,
        .give = scsi_give, .go_on = clock_step, .work = scsi_work,
    }, {
        .name = "serial",
        .type = "virtio-serial-device",
        .backend = "-chardev socket,id=wire,fd=%d",
        .device = {
            "virtio-serial-device,id=dev0",
            "virtserialport,bus=dev0.0,nr=1,chardev=wire",
        },
        .features = BIT(VIRTIO_CONSOLE_F_MULTIPORT),
        .queues = 6,
        .give = serial_give, .go_on = serial_go_on, .work = serial_work,
    }, {
        .name = "sound",
        .type = "virtio-sound-device",
        .backend = "-audiodev none,id=audio",
        .device = { "virtio-sound-device,id=dev0,audiodev=audio" },
        .queues = 4,
        .give = snd_give, .go_on = snd_go_on, .work = snd_work,
    },
};

/*
 * The ends
 */

static void await_event(Flight *f, uint16_t state)
{
    struct virtio_msg event;

    vmsg_wait_event(f->t.link, BUS, VIRTIO_MSG_BUS_EVENT_DEVICE, 0, &event);
    g_assert_cmpuint(GUINT16_FROM_LE(event.event_device.state), ==, state);
}

static void serve(Flight *f)
{
    VMsgLink *link = f->t.link;

    vmsg_link_hang_up(link);
    link->server = accept4(f->listening, NULL, NULL, SOCK_CLOEXEC);
    g_assert_cmpint(link->server, >=, 0);
    vmsg_link_serve(link);
}

static void reset_take(Flight *f)
{
    g_assert_cmphex(vmsg_set_status(f->t.link, 0, 0), ==, 0);
}

static void reset_give_back(Flight *f)
{
}

/* Returns when the device has been freed */
static void unplug_take(Flight *f)
{
    qtest_qmp_device_del(f->t.qts, "dev0");
    await_event(f, VIRTIO_MSG_DEVICE_REMOVED);
}

static void unplug_give_back(Flight *f)
{
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(f->device->device); i++) {
        if (f->device->device[i]) {
            /* By itself it would not get the number that it had */
            g_autofree char *resp = qtest_hmp(f->t.qts, "device_add %s%s",
                                              f->device->device[i],
                                              i ? "" : ",bus=link0.0");

            g_assert_cmpstr(resp, ==, "");
        }
    }
    await_event(f, VIRTIO_MSG_DEVICE_ADDED);
}

static void link_down_take(Flight *f)
{
    vmsg_link_hang_up(f->t.link);
    vmsg_wait_link(&f->t, "link0", false);
}

static void link_down_give_back(Flight *f)
{
    serve(f);
    await_event(f, VIRTIO_MSG_DEVICE_ADDED);
}

static void peer_gone_take(Flight *f)
{
    vmsg_link_tell(f->t.link, VMSG_DRIVER_ID, -1);
    vmsg_settle(&f->t);
}

static void peer_gone_give_back(Flight *f)
{
    vmsg_link_tell(f->t.link, VMSG_DRIVER_ID, f->t.link->to_driver);
    vmsg_settle(&f->t);
    vmsg_ping(f->t.link);
    await_event(f, VIRTIO_MSG_DEVICE_REMOVED);
    await_event(f, VIRTIO_MSG_DEVICE_ADDED);
}

static const End ends[] = {
    { "reset", reset_take, reset_give_back, false },
    { "unplug", unplug_take, unplug_give_back, true },
    { "link-down", link_down_take, link_down_give_back, true },
    { "peer-gone", peer_gone_take, peer_gone_give_back, true },
};

/*
 * The test
 */

static char *backend_options(Flight *f)
{
    const char *fd = strstr(f->device->backend, "%d");
    int small = 4096;
    int pair[2];

    if (!fd) {
        return g_strdup(f->device->backend);
    }
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), ==, 0);
    /* Soon full */
    g_assert_cmpint(setsockopt(pair[1], SOL_SOCKET, SO_SNDBUF, &small,
                               sizeof(small)), ==, 0);
    g_assert_cmpint(fcntl(pair[0], F_SETFD, FD_CLOEXEC), ==, 0);
    f->wire = pair[0];
    f->wire_end = pair[1];
    return g_strdup_printf("%.*s%d%s", (int)(fd - f->device->backend),
                           f->device->backend, pair[1], fd + 2);
}

static gpointer serve_thread(gpointer opaque)
{
    serve(opaque);
    return NULL;
}

static void start(Flight *f, const Device *device)
{
    g_autofree char *dir = g_dir_make_tmp("virtio-msg-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(dir, "server", NULL);
    g_autofree char *backend = NULL;
    struct sockaddr_un addr = { .sun_family = AF_UNIX };
    GThread *thread;

    *f = (Flight) { .device = device, .wire = -1 };
    backend = backend_options(f);
    f->t.link = vmsg_link_new(VMSG_SHM_SIZE, VMSG_RAM_SIZE);

    /* A server that can be found again */
    g_assert_cmpuint(g_strlcpy(addr.sun_path, path, sizeof(addr.sun_path)), <,
                     sizeof(addr.sun_path));
    f->listening = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    g_assert_cmpint(bind(f->listening, (struct sockaddr *)&addr, sizeof(addr)),
                    ==, 0);
    g_assert_cmpint(listen(f->listening, 1), ==, 0);

    thread = g_thread_new("server", serve_thread, f);
    f->t.qts = qtest_initf("-M virtio-msg -nodefaults "
                           "-chardev socket,id=server,path=%s,reconnect-ms=10 "
                           "-object memory-backend-file,id=ram,size=%d,"
                           "share=on,mem-path=/proc/self/fd/%d "
                           "-device virtio-msg-bus-ivshmem,id=link0,"
                           "chardev=server,memdev=ram,mem-offset=0x%llx,"
                           "wire=%s %s -device %s %s %s", path, VMSG_RAM_SIZE,
                           f->t.link->ram_fd, VMSG_RAM_BASE,
                           vmsg_wire_name(f->t.link->wire), backend,
                           device->device[0],
                           device->device[1] ? "-device" : "",
                           device->device[1] ?: "");
    g_thread_join(thread);
    if (f->wire >= 0) {
        close(f->wire_end);
    }
    await_event(f, VIRTIO_MSG_DEVICE_ADDED);
    /* The path stays in use for as long as QEMU looks for its server there */
    f->path = g_steal_pointer(&path);
    f->dir = g_steal_pointer(&dir);
}

static void stop(Flight *f)
{
    vmsg_test_stop(&f->t);
    if (f->wire >= 0) {
        close(f->wire);
    }
    close(f->listening);
    unlink(f->path);
    rmdir(f->dir);
    g_free(f->path);
    g_free(f->dir);
}

/* Each time at addresses of their own */
static void set_up(Flight *f)
{
    unsigned i;

    vmsg_negotiate(f->t.link, 0, f->device->features);
    for (i = 0; i < f->device->queues; i++) {
        uint32_t max = vmsg_get_vqueue(f->t.link, 0, i).max_size;

        vmsg_queue_init(&f->q[i], f->t.link, 0, i, MIN(max, QUEUE_SIZE));
    }
    vmsg_driver_ok(f->t.link, 0);
}

static void check_rings_unused(Flight *f)
{
    unsigned i;

    for (i = 0; i < f->device->queues; i++) {
        const uint8_t *used = vmsg_link_ptr(f->t.link, f->q[i].used);

        /* The flags are the device's to set */
        g_assert_true(buffer_is_zero(used + 2, 2 + 8 * f->q[i].size));
    }
}

typedef struct Case {
    const Device *device;
    const End *end;
} Case;

static void test_case(gconstpointer opaque)
{
    const Case *c = opaque;
    g_autofree uint8_t *before = NULL;
    VMsgLink *link;
    size_t size;
    Flight f;

    if (!qtest_has_device(c->device->type)) {
        g_autofree char *why = g_strdup_printf("this QEMU has no %s",
                                               c->device->type);

        g_test_skip(why);
        return;
    }

    start(&f, c->device);
    link = f.t.link;
    set_up(&f);
    c->device->give(&f);
    vmsg_drop_events(link);

    size = link->ram_used;
    before = g_memdup2(link->ram, size);
    c->end->take(&f);
    if (c->device->ends_requests) {
        memcpy(before, link->ram, size);
    }
    g_assert_true(memcmp(link->ram, before, size) == 0);
    if (c->end->goes_on_before) {
        c->device->go_on(&f);
        g_assert_true(memcmp(link->ram, before, size) == 0);
    }

    c->end->give_back(&f);
    set_up(&f);
    c->device->go_on(&f);
    vmsg_ping(link);
    g_assert_true(memcmp(link->ram, before, size) == 0);
    check_rings_unused(&f);

    c->device->work(&f);
    g_assert_true(memcmp(link->ram, before, size) == 0);
    g_assert_cmphex(vmsg_get_status(link, 0) & VIRTIO_CONFIG_S_NEEDS_RESET, ==,
                    0);
    stop(&f);
}

/*
 * Whether no type is left out
 */

/* Not in the device process, see configs/devices; or not to be had here */
static const char *const left_out[] = {
    "vhost-scsi", "vhost-user-device", "vhost-user-vsock-device",
    "vhost-vsock-device", "virtio-9p-device", "virtio-gpu-device",
    "virtio-gpu-gl-device", "virtio-iommu-device", "virtio-mem",
    "virtio-nsm-device", "virtio-pmem",
    /* Refused on a link */
    "virtio-balloon-device",
    /* Needs an input device of the host; is a virtio-input like others */
    "virtio-input-host-device",
    /* Takes no requests */
    "virtio-msg-testdev",
};

static bool is_known(const char *type)
{
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(devices); i++) {
        if (g_str_equal(devices[i].type, type)) {
            return true;
        }
    }
    for (i = 0; i < G_N_ELEMENTS(left_out); i++) {
        if (g_str_equal(left_out[i], type)) {
            return true;
        }
    }
    return false;
}

static void test_every_type(void)
{
    QTestState *qts = qtest_init("-M virtio-msg -nodefaults");
    QDict *resp = qtest_qmp(qts, "{ 'execute': 'qom-list-types', 'arguments': {"
                            " 'implements': 'virtio-device',"
                            " 'abstract': false } }");
    const QListEntry *entry;

    QLIST_FOREACH_ENTRY(qdict_get_qlist(resp, "return"), entry) {
        const char *type = qdict_get_str(qobject_to(QDict, entry->value),
                                         "name");

        g_test_message("%s", type);
        g_assert_true(is_known(type));
    }
    qobject_unref(resp);
    qtest_quit(qts);
}

int main(int argc, char **argv)
{
    static Case cases[G_N_ELEMENTS(devices)][G_N_ELEMENTS(ends)];
    size_t i, n;

    g_test_init(&argc, &argv, NULL);
    qtest_add_func("virtio-msg/inflight/every-type", test_every_type);
    for (i = 0; i < G_N_ELEMENTS(devices); i++) {
        for (n = 0; n < G_N_ELEMENTS(ends); n++) {
            g_autofree char *path = g_strdup_printf(
                "virtio-msg/inflight/%s/%s", devices[i].name, ends[n].name);

            cases[i][n] = (Case) { &devices[i], &ends[n] };
            qtest_add_data_func(path, &cases[i][n], test_case);
        }
    }
    return g_test_run();
}
