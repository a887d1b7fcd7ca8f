/*
 * Tests of how much a driver can make QEMU write into a log
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include <linux/virtio_console.h>
#include <linux/virtio_crypto.h>
#include <linux/virtio_input.h>
#include <linux/virtio_snd.h>
#include "qemu/bswap.h"
#include "virtio-msg-fixture.h"

/* Ten lines a minute for each device, the note that there will be no more,
 * and as much again if the minute ends during the test */
#define LINES_MAX   24
#define MISTAKES    100

#define QUEUE_SIZE  8
#define REQUEST_MAX 256

/*
 * A request that a device answers, or drops, with a line in the log.  Writes
 * it to @out, which is zeroed, and returns how long it is; @in is the room for
 * the answer.
 */
typedef struct Mistake {
    const char *name;
    const char *device;     /* to look for in this QEMU */
    const char *args;
    uint64_t features;
    uint32_t queue;
    size_t in;
    size_t (*make)(uint8_t *out);
} Mistake;

/*
 * virtio-crypto
 */

static size_t crypto_ctrl(uint8_t *out, uint32_t opcode)
{
    struct virtio_crypto_op_ctrl_req *req = (void *)out;

    req->header.opcode = GUINT32_TO_LE(opcode);
    return sizeof(*req);
}

static size_t crypto_opcode(uint8_t *out)
{
    return crypto_ctrl(out, 0x7fff);
}

static size_t crypto_hash_session(uint8_t *out)
{
    return crypto_ctrl(out, VIRTIO_CRYPTO_HASH_CREATE_SESSION);
}

static size_t crypto_no_cipher(uint8_t *out)
{
    return crypto_ctrl(out, VIRTIO_CRYPTO_CIPHER_CREATE_SESSION);
}

static size_t crypto_algorithm(uint8_t *out)
{
    struct virtio_crypto_op_ctrl_req *req = (void *)out;
    struct virtio_crypto_sym_create_session_req *sym =
        &req->u.sym_create_session;

    sym->op_type = GUINT32_TO_LE(VIRTIO_CRYPTO_SYM_OP_CIPHER);
    sym->u.cipher.para.algo = GUINT32_TO_LE(0x77);
    return crypto_ctrl(out, VIRTIO_CRYPTO_CIPHER_CREATE_SESSION);
}

static size_t crypto_long_key(uint8_t *out)
{
    struct virtio_crypto_op_ctrl_req *req = (void *)out;
    struct virtio_crypto_sym_create_session_req *sym =
        &req->u.sym_create_session;

    sym->op_type = GUINT32_TO_LE(VIRTIO_CRYPTO_SYM_OP_CIPHER);
    sym->u.cipher.para.algo = GUINT32_TO_LE(VIRTIO_CRYPTO_CIPHER_AES_CBC);
    sym->u.cipher.para.keylen = GUINT32_TO_LE(UINT32_MAX);
    return crypto_ctrl(out, VIRTIO_CRYPTO_CIPHER_CREATE_SESSION);
}

static size_t crypto_session(uint8_t *out)
{
    struct virtio_crypto_op_data_req *req = (void *)out;

    req->header.opcode = GUINT32_TO_LE(VIRTIO_CRYPTO_CIPHER_ENCRYPT);
    req->header.session_id = GUINT64_TO_LE(12345);
    req->u.sym_req.op_type = GUINT32_TO_LE(VIRTIO_CRYPTO_SYM_OP_CIPHER);
    return sizeof(*req);
}

static size_t crypto_no_operation(uint8_t *out)
{
    struct virtio_crypto_op_data_req *req = (void *)out;

    req->header.opcode = GUINT32_TO_LE(VIRTIO_CRYPTO_HASH);
    return sizeof(*req);
}

/*
 * virtio-snd
 */

static size_t sound_code(uint8_t *out)
{
    struct virtio_snd_hdr *hdr = (void *)out;

    hdr->code = GUINT32_TO_LE(0x7777);
    return sizeof(*hdr);
}

static size_t sound_info(uint8_t *out)
{
    struct virtio_snd_query_info *query = (void *)out;

    query->hdr.code = GUINT32_TO_LE(VIRTIO_SND_R_PCM_INFO);
    query->start_id = GUINT32_TO_LE(77);
    query->count = GUINT32_TO_LE(1);
    query->size = GUINT32_TO_LE(sizeof(struct virtio_snd_pcm_info));
    return sizeof(*query);
}

static size_t sound_rate(uint8_t *out)
{
    struct virtio_snd_pcm_set_params *params = (void *)out;

    params->hdr.hdr.code = GUINT32_TO_LE(VIRTIO_SND_R_PCM_SET_PARAMS);
    params->channels = 1;
    params->format = VIRTIO_SND_PCM_FMT_S16;
    params->rate = 0x77;
    return sizeof(*params);
}

static size_t sound_start(uint8_t *out)
{
    struct virtio_snd_pcm_hdr *pcm = (void *)out;

    pcm->hdr.code = GUINT32_TO_LE(VIRTIO_SND_R_PCM_START);
    pcm->stream_id = GUINT32_TO_LE(77);
    return sizeof(*pcm);
}

/*
 * Others
 */

static size_t input_type(uint8_t *out)
{
    struct virtio_input_event *event = (void *)out;

    event->type = GUINT16_TO_LE(0x77);
    return sizeof(*event);
}

static size_t serial_port(uint8_t *out)
{
    struct virtio_console_control *control = (void *)out;

    control->id = GUINT32_TO_LE(77);
    control->event = GUINT16_TO_LE(VIRTIO_CONSOLE_PORT_READY);
    return sizeof(*control);
}

static size_t serial_not_ready(uint8_t *out)
{
    struct virtio_console_control *control = (void *)out;

    control->event = GUINT16_TO_LE(VIRTIO_CONSOLE_DEVICE_READY);
    return sizeof(*control);
}

static size_t p9_msize(uint8_t *out)
{
    enum { TVERSION = 100 };
    static const char version[] = "9P2000.L";
    size_t size = 4 + 1 + 2 + 4 + 2 + strlen(version);

    stl_le_p(out, size);
    out[4] = TVERSION;
    stw_le_p(out + 5, UINT16_MAX);
    stl_le_p(out + 7, 100);
    stw_le_p(out + 11, strlen(version));
    memcpy(out + 13, version, strlen(version));
    return size;
}

static size_t p9_flush(uint8_t *out)
{
    enum { TFLUSH = 108, SIZE = 4 + 1 + 2 + 2 };

    stl_le_p(out, SIZE);
    out[4] = TFLUSH;
    stw_le_p(out + 5, 77);
    stw_le_p(out + 7, 77);
    return SIZE;
}

#define CRYPTO \
    "virtio-crypto-device", "-object cryptodev-backend-builtin,id=crypto0 " \
    "-device virtio-crypto-device,cryptodev=crypto0", 0
#define CRYPTO_DATA 0, 1
#define CRYPTO_CTRL 1, sizeof(struct virtio_crypto_session_input)
#define SOUND \
    "virtio-sound-device", "-audiodev none,id=audio " \
    "-device virtio-sound-device,audiodev=audio", 0, 0, 256
#define SERIAL \
    "virtio-serial-device", "-device virtio-serial-device", \
    1ULL << VIRTIO_CONSOLE_F_MULTIPORT, 3, 0
#define P9 \
    "virtio-9p-device", "-fsdev synth,id=fs0 " \
    "-device virtio-9p-device,fsdev=fs0,mount_tag=tag", 0, 0, 256

static const Mistake mistakes[] = {
    { "crypto/opcode", CRYPTO, CRYPTO_CTRL, crypto_opcode },
    { "crypto/hash-session", CRYPTO, CRYPTO_CTRL, crypto_hash_session },
    { "crypto/no-cipher", CRYPTO, CRYPTO_CTRL, crypto_no_cipher },
    { "crypto/algorithm", CRYPTO, CRYPTO_CTRL, crypto_algorithm },
    { "crypto/long-key", CRYPTO, CRYPTO_CTRL, crypto_long_key },
    { "crypto/session", CRYPTO, CRYPTO_DATA, crypto_session },
    { "crypto/no-operation", CRYPTO, CRYPTO_DATA, crypto_no_operation },
    { "sound/code", SOUND, sound_code },
    { "sound/info", SOUND, sound_info },
    { "sound/rate", SOUND, sound_rate },
    { "sound/start", SOUND, sound_start },
    {
        "input/type", "virtio-keyboard-device", "-device virtio-keyboard-device",
        0, 1, 0, input_type
    },
    { "serial/port", SERIAL, serial_port },
    { "serial/not-ready", SERIAL, serial_not_ready },
    { "9p/msize", P9, p9_msize },
    { "9p/flush", P9, p9_flush },
};

/* B-05: nor does a driver fill the disk that holds the log */
static void test_mistake(gconstpointer opaque)
{
    const Mistake *m = opaque;
    VMsgBuffer bufs[2] = { };
    unsigned lines;
    VMsgQueue q;
    VMsgTest t;
    VMsgLog log;
    int i;
    uint8_t *out;
    uint16_t id;

    if (!qtest_has_device(m->device)) {
        g_autofree char *why = g_strdup_printf("this QEMU has no %s",
                                               m->device);

        g_test_skip(why);
        return;
    }

    vmsg_log_begin(&log);
    vmsg_test_start(&t, "", "%s", m->args);
    vmsg_log_started(&log);

    vmsg_negotiate(t.link, 0, m->features);
    vmsg_queue_init(&q, t.link, 0, m->queue, QUEUE_SIZE);
    vmsg_driver_ok(t.link, 0);
    bufs[0].addr = vmsg_link_alloc(t.link, REQUEST_MAX);
    out = vmsg_link_ptr(t.link, bufs[0].addr);
    bufs[0].len = m->make(out);
    bufs[1].addr = vmsg_link_alloc(t.link, REQUEST_MAX);
    bufs[1].len = m->in;
    bufs[1].device_writes = true;
    for (i = 0; i < MISTAKES; i++) {
        id = vmsg_queue_add(&q, bufs, m->in ? 2 : 1);
        vmsg_queue_kick(&q);
        vmsg_queue_wait(&q, id);
        vmsg_drop_events(t.link);
    }
    vmsg_test_stop(&t);

    lines = vmsg_log_count(&log, "");
    vmsg_log_end(&log);
    g_test_message("%u lines", lines);
    /* Else the device did not take it for a mistake */
    g_assert_cmpuint(lines, >, 0);
    g_assert_cmpuint(lines, <=, LINES_MAX);
}

int main(int argc, char **argv)
{
    size_t i;

    g_test_init(&argc, &argv, NULL);
    for (i = 0; i < G_N_ELEMENTS(mistakes); i++) {
        g_autofree char *path = g_strdup_printf("virtio-msg/log/%s",
                                                mistakes[i].name);

        qtest_add_data_func(path, &mistakes[i], test_mistake);
    }
    return g_test_run();
}
