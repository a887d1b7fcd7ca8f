/*
 * QEMU's own devices when their driver resets them or they are unplugged, over
 * its own transports as well
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "libqos/virtio-mmio.h"
#include "hw/pci/pci_regs.h"
#include "qemu/units.h"
#include "qobject/qdict.h"
#include "standard-headers/linux/virtio_config.h"
#include "standard-headers/linux/virtio_crypto.h"
#include "standard-headers/linux/virtio_pci.h"
#include "standard-headers/linux/virtio_snd.h"
#include "virtio-msg-fixture.h"

/*
 * What patches/ mends has to be mended over PCI and MMIO, too: these tests
 * drive the same device over another transport, on the machine virt.
 */

#define SECOND          1000000000LL
#define TIMEOUT_US      (VMSG_DEADLINE_MS * 1000LL)
#define DISK_SIZE       MiB

static bool skip_without(const char *type)
{
    g_autofree char *why = NULL;

    if (!g_str_equal(qtest_get_arch(), "aarch64")) {
        g_test_skip("the machine virt is one of another target");
        return true;
    }
    if (!qtest_has_device(type)) {
        why = g_strdup_printf("this QEMU has no %s", type);
        g_test_skip(why);
        return true;
    }
    return false;
}

/*
 * A device on virtio-mmio
 */

#define MMIO_BASE       0x0a000000
#define PAGE            4096
/* Clear of the device tree */
#define RAM_START       (0x40000000ULL + 16 * MiB)
#define RAM_END         (0x40000000ULL + 64 * MiB)
#define MAX_QUEUES      4

typedef struct Mmio {
    QTestState *qts;
    QVirtioMMIODevice mmio;
    QVirtioDevice *dev;
    QGuestAllocator alloc;
    QVirtQueue *q[MAX_QUEUES];
    unsigned queues;
    GPtrArray *old;             /* queues of earlier drivers */
} Mmio;

static void mmio_start(Mmio *m, unsigned queues, const char *args)
{
    *m = (Mmio) { .queues = queues };
    m->qts = qtest_initf("-M virt -nodefaults %s,bus=virtio-mmio-bus.0", args);
    m->old = g_ptr_array_new_with_free_func(g_free);
    alloc_init(&m->alloc, ALLOC_NO_FLAGS, RAM_START, RAM_END, PAGE);
    qvirtio_mmio_init_device(&m->mmio, m->qts, MMIO_BASE, PAGE);
    m->dev = &m->mmio.vdev;
}

/* Reset the device, and set it up with rings that are nowhere else's */
static void mmio_up(Mmio *m)
{
    unsigned i;

    qvirtio_start_device(m->dev);
    qvirtio_set_features(m->dev, 0);
    for (i = 0; i < m->queues; i++) {
        m->q[i] = qvirtqueue_setup(m->dev, &m->alloc, i);
        g_ptr_array_add(m->old, m->q[i]);
    }
    qvirtio_set_driver_ok(m->dev);
}

static void mmio_stop(Mmio *m)
{
    qtest_quit(m->qts);
    g_ptr_array_free(m->old, true);
    alloc_destroy(&m->alloc);
}

/* All that the drivers so far had, rings and buffers */
static size_t mmio_used(Mmio *m)
{
    return guest_alloc(&m->alloc, 1) - RAM_START;
}

static uint8_t *mmio_read_all(Mmio *m, size_t size)
{
    uint8_t *data = g_malloc(size);

    qtest_memread(m->qts, RAM_START, data, size);
    return data;
}

static void mmio_check_all(Mmio *m, const uint8_t *before, size_t size)
{
    g_autofree uint8_t *after = mmio_read_all(m, size);

    g_assert_true(memcmp(before, after, size) == 0);
}

static uint16_t mmio_used_idx(Mmio *m, unsigned queue)
{
    return qtest_readw(m->qts, m->q[queue]->used + 2);
}

/* Of what is made available here, and is to be written by the device */
static uint64_t mmio_request(Mmio *m, unsigned queue, const void *out,
                             size_t out_len, size_t in_len, uint32_t *id)
{
    uint64_t req = guest_alloc(&m->alloc, out_len);
    uint64_t resp = guest_alloc(&m->alloc, in_len);

    qtest_memwrite(m->qts, req, out, out_len);
    qtest_memset(m->qts, resp, 0xaa, in_len);
    *id = qvirtqueue_add(m->qts, m->q[queue], req, out_len, false, true);
    qvirtqueue_add(m->qts, m->q[queue], resp, in_len, true, false);
    qvirtqueue_kick(m->qts, m->dev, m->q[queue], *id);
    return resp;
}

static void mmio_wait(Mmio *m, unsigned queue, uint32_t id)
{
    qvirtio_wait_used_elem(m->qts, m->dev, m->q[queue], id, NULL, TIMEOUT_US);
}

/*
 * Sound
 */

enum { SND_CONTROL, SND_EVENT, SND_PLAY, SND_RECORD, SND_QUEUES };
enum { STREAM_PLAY, STREAM_RECORD };

static void snd_start(Mmio *m, uint32_t stream)
{
    struct virtio_snd_pcm_hdr req = {
        .hdr.code = GUINT32_TO_LE(VIRTIO_SND_R_PCM_START),
        .stream_id = GUINT32_TO_LE(stream),
    };
    uint64_t resp;
    uint32_t id;

    resp = mmio_request(m, SND_CONTROL, &req, sizeof(req),
                        sizeof(struct virtio_snd_hdr), &id);
    mmio_wait(m, SND_CONTROL, id);
    g_assert_cmphex(qtest_readl(m->qts, resp), ==, VIRTIO_SND_S_OK);
}

/* What waits for its stream when the device is reset is dropped */
static void test_snd_reset(void)
{
    enum { REQUESTS = 16, PERIOD = 2048 };
    struct virtio_snd_pcm_xfer xfer = {
        .stream_id = GUINT32_TO_LE(STREAM_RECORD),
    };
    g_autofree uint8_t *before = NULL;
    uint32_t id;
    size_t size;
    Mmio m;
    int i;

    if (skip_without("virtio-sound-device")) {
        return;
    }
    mmio_start(&m, SND_QUEUES, "-audiodev none,id=audio "
               "-device virtio-sound-device,audiodev=audio");
    mmio_up(&m);
    snd_start(&m, STREAM_RECORD);
    for (i = 0; i < REQUESTS; i++) {
        mmio_request(&m, SND_RECORD, &xfer, sizeof(xfer),
                     sizeof(struct virtio_snd_pcm_status) + PERIOD, &id);
    }
    g_assert_cmpuint(mmio_used_idx(&m, SND_RECORD), ==, 0);

    qvirtio_reset(m.dev);
    size = mmio_used(&m);
    before = mmio_read_all(&m, size);
    mmio_up(&m);
    qtest_clock_step(m.qts, SECOND);
    mmio_check_all(&m, before, size);
    g_assert_cmpuint(mmio_used_idx(&m, SND_RECORD), ==, 0);

    /* And what the new driver gives is served */
    snd_start(&m, STREAM_RECORD);
    mmio_request(&m, SND_RECORD, &xfer, sizeof(xfer),
                 sizeof(struct virtio_snd_pcm_status) + PERIOD, &id);
    qtest_clock_step(m.qts, SECOND);
    mmio_wait(&m, SND_RECORD, id);
    mmio_stop(&m);
}

/*
 * Crypto
 */

enum { CRYPTO_DATA, CRYPTO_CONTROL, CRYPTO_QUEUES };
enum { KEY_LEN = 16, IV_LEN = 16, TEXT_LEN = 64 };

/* One operation passes, and the next one has to wait for a second */
static void crypto_start(Mmio *m)
{
    mmio_start(m, CRYPTO_QUEUES,
               "-object cryptodev-backend-builtin,id=crypto0,throttle-ops=1 "
               "-device virtio-crypto-device,cryptodev=crypto0");
    mmio_up(m);
}

static void crypto_go_on(Mmio *m)
{
    qtest_qmp_assert_success(m->qts, "{ 'execute': 'qom-set', 'arguments': {"
                             " 'path': '/objects/crypto0',"
                             " 'property': 'throttle-ops', 'value': 0 } }");
}

/* Returns its status, and in @session its id */
static uint32_t crypto_session(Mmio *m, uint64_t *session)
{
    struct {
        struct virtio_crypto_op_ctrl_req req;
        uint8_t key[KEY_LEN];
    } out = {
        .req.header.opcode = GUINT32_TO_LE(VIRTIO_CRYPTO_CIPHER_CREATE_SESSION),
        .req.u.sym_create_session = {
            .op_type = GUINT32_TO_LE(VIRTIO_CRYPTO_SYM_OP_CIPHER),
            .u.cipher.para = {
                .algo = GUINT32_TO_LE(VIRTIO_CRYPTO_CIPHER_AES_CBC),
                .keylen = GUINT32_TO_LE(KEY_LEN),
                .op = GUINT32_TO_LE(VIRTIO_CRYPTO_OP_ENCRYPT),
            },
        },
    };
    struct virtio_crypto_session_input in;
    uint64_t resp;
    uint32_t id;

    resp = mmio_request(m, CRYPTO_CONTROL, &out, sizeof(out), sizeof(in), &id);
    mmio_wait(m, CRYPTO_CONTROL, id);
    qtest_memread(m->qts, resp, &in, sizeof(in));
    *session = GUINT64_FROM_LE(in.session_id);
    return GUINT32_FROM_LE(in.status);
}

/* Returns where the status byte is */
static uint64_t crypto_encrypt(Mmio *m, uint64_t session, uint32_t *id)
{
    struct {
        struct virtio_crypto_op_data_req req;
        uint8_t iv[IV_LEN];
        uint8_t text[TEXT_LEN];
    } out = {
        .req.header = {
            .opcode = GUINT32_TO_LE(VIRTIO_CRYPTO_CIPHER_ENCRYPT),
            .session_id = GUINT64_TO_LE(session),
        },
        .req.u.sym_req = {
            .op_type = GUINT32_TO_LE(VIRTIO_CRYPTO_SYM_OP_CIPHER),
            .u.cipher.para = {
                .iv_len = GUINT32_TO_LE(IV_LEN),
                .src_data_len = GUINT32_TO_LE(TEXT_LEN),
                .dst_data_len = GUINT32_TO_LE(TEXT_LEN),
            },
        },
    };

    return mmio_request(m, CRYPTO_DATA, &out, sizeof(out), TEXT_LEN + 1, id) +
           TEXT_LEN;
}

/* What is throttled when the device is reset is dropped */
static void test_crypto_reset(void)
{
    enum { REQUESTS = 8 };
    g_autofree uint8_t *before = NULL;
    uint64_t session, status;
    uint32_t id;
    size_t size;
    Mmio m;
    int i;

    if (skip_without("virtio-crypto-device")) {
        return;
    }
    crypto_start(&m);
    g_assert_cmpuint(crypto_session(&m, &session), ==, VIRTIO_CRYPTO_OK);
    crypto_encrypt(&m, session, &id);
    mmio_wait(&m, CRYPTO_DATA, id);
    for (i = 0; i < REQUESTS; i++) {
        crypto_encrypt(&m, session, &id);
    }
    /* Where operations begin is a bottom half: it has run by the second one */
    for (i = 0; i < 2; i++) {
        qtest_qmp_assert_success(m.qts, "{ 'execute': 'query-status' }");
    }
    g_assert_cmpuint(mmio_used_idx(&m, CRYPTO_DATA), <, 1 + REQUESTS);

    qvirtio_reset(m.dev);
    size = mmio_used(&m);
    before = mmio_read_all(&m, size);
    mmio_up(&m);
    crypto_go_on(&m);
    mmio_check_all(&m, before, size);
    g_assert_cmpuint(mmio_used_idx(&m, CRYPTO_DATA), ==, 0);

    g_assert_cmpuint(crypto_session(&m, &session), ==, VIRTIO_CRYPTO_OK);
    status = crypto_encrypt(&m, session, &id);
    mmio_wait(&m, CRYPTO_DATA, id);
    g_assert_cmpuint(qtest_readb(m.qts, status), ==, VIRTIO_CRYPTO_OK);
    mmio_stop(&m);
}

/* Sessions end with their driver: there are 256, for whoever comes next, too */
static void test_crypto_sessions(void)
{
    enum { MAX = 256 };
    uint64_t session, first;
    uint32_t id;
    Mmio m;
    int i, round;

    if (skip_without("virtio-crypto-device")) {
        return;
    }
    crypto_start(&m);
    crypto_go_on(&m);
    for (round = 0; round < 2; round++) {
        for (i = 0; i < MAX; i++) {
            g_assert_cmpuint(crypto_session(&m, i ? &session : &first), ==,
                             VIRTIO_CRYPTO_OK);
        }
        g_assert_cmpuint(crypto_session(&m, &session), ==, VIRTIO_CRYPTO_ERR);
        mmio_up(&m);
    }
    /* They are not anybody's any more */
    session = crypto_encrypt(&m, first, &id);
    mmio_wait(&m, CRYPTO_DATA, id);
    g_assert_cmpuint(qtest_readb(m.qts, session), ==, VIRTIO_CRYPTO_INVSESS);
    mmio_stop(&m);
}

/* One that has waited and then cannot be done comes back all the same */
static void test_crypto_throttled_error(void)
{
    enum { NO_SESSION = 7 };
    uint64_t session, status;
    uint32_t id;
    Mmio m;

    if (skip_without("virtio-crypto-device")) {
        return;
    }
    crypto_start(&m);
    g_assert_cmpuint(crypto_session(&m, &session), ==, VIRTIO_CRYPTO_OK);
    crypto_encrypt(&m, session, &id);
    mmio_wait(&m, CRYPTO_DATA, id);
    status = crypto_encrypt(&m, NO_SESSION, &id);
    crypto_go_on(&m);
    mmio_wait(&m, CRYPTO_DATA, id);
    g_assert_cmpuint(qtest_readb(m.qts, status), ==, VIRTIO_CRYPTO_INVSESS);
    mmio_stop(&m);
}

/*
 * Disks that are resized when they have just been unplugged
 */

#define DISK    "-blockdev file,node-name=disk0,locking=off," \
                "filename=/proc/self/fd/%d "

/* A disk that was unplugged lives on for an RCU grace period */
static void resize_at_once(QTestState *qts)
{
    qtest_qmp_assert_success(qts, "{ 'execute': 'block_resize', 'arguments': {"
                             " 'node-name': 'disk0', 'size': %d } }",
                             2 * (int)DISK_SIZE);
    qtest_qmp_assert_success(qts, "{ 'execute': 'query-status' }");
    qtest_qmp_eventwait(qts, "DEVICE_DELETED");
}

static void device_del_and_resize(QTestState *qts)
{
    qtest_qmp_device_del_send(qts, "dev0");
    resize_at_once(qts);
}

static void test_resize_scsi(gconstpointer controller)
{
    int fd = vmsg_disk(DISK_SIZE);
    int theirs = dup(fd);
    QTestState *qts;

    if (skip_without(controller)) {
        close(theirs);
        close(fd);
        return;
    }
    qts = qtest_initf("-M virt -nodefaults " DISK "-device %s,id=scsi0 "
                      "-device scsi-hd,bus=scsi0.0,drive=disk0,id=dev0",
                      theirs, (const char *)controller);
    close(theirs);
    device_del_and_resize(qts);
    qtest_quit(qts);
    close(fd);
}

/*
 * A root port and a virtio device behind it, reached by their configuration
 * space alone
 */

#define ECAM            0x3f000000
#define PORT_DEVFN      (1 << 3)
#define BEHIND          1       /* the bus number */

static uint64_t pci_cfg(unsigned bus, unsigned devfn, unsigned offset)
{
    return ECAM + (bus << 20) + (devfn << 12) + offset;
}

/* Returns the place of a capability, the first one if @type is negative */
static uint64_t pci_cap(QTestState *qts, unsigned bus, unsigned devfn,
                        uint8_t id, int type)
{
    unsigned at = qtest_readb(qts, pci_cfg(bus, devfn, PCI_CAPABILITY_LIST));

    while (at) {
        uint64_t cap = pci_cfg(bus, devfn, at);

        if (qtest_readb(qts, cap) == id &&
            (type < 0 ||
             qtest_readb(qts, cap + VIRTIO_PCI_CAP_CFG_TYPE) == type)) {
            return cap;
        }
        at = qtest_readb(qts, cap + PCI_CAP_LIST_NEXT);
    }
    g_assert_not_reached();
}

static void test_resize_blk_pci(void)
{
    uint8_t status = VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER |
                     VIRTIO_CONFIG_S_FEATURES_OK | VIRTIO_CONFIG_S_DRIVER_OK;
    int fd = vmsg_disk(DISK_SIZE);
    int theirs = dup(fd);
    uint64_t port, common, window;
    QTestState *qts;

    if (skip_without("virtio-blk-pci") || skip_without("pcie-root-port")) {
        close(theirs);
        close(fd);
        return;
    }
    qts = qtest_initf("-M virt,highmem=off -nodefaults " DISK
                      "-device pcie-root-port,id=rp,addr=1.0,chassis=1 "
                      "-device virtio-blk-pci,bus=rp,addr=0.0,id=dev0,"
                      "drive=disk0", theirs);
    close(theirs);
    qtest_writeb(qts, pci_cfg(0, PORT_DEVFN, PCI_SECONDARY_BUS), BEHIND);
    qtest_writeb(qts, pci_cfg(0, PORT_DEVFN, PCI_SUBORDINATE_BUS), BEHIND);

    /* A driver takes it */
    common = pci_cap(qts, BEHIND, 0, PCI_CAP_ID_VNDR,
                     VIRTIO_PCI_CAP_COMMON_CFG);
    window = pci_cap(qts, BEHIND, 0, PCI_CAP_ID_VNDR, VIRTIO_PCI_CAP_PCI_CFG);
    qtest_writeb(qts, window + VIRTIO_PCI_CAP_BAR,
                 qtest_readb(qts, common + VIRTIO_PCI_CAP_BAR));
    qtest_writel(qts, window + VIRTIO_PCI_CAP_OFFSET,
                 qtest_readl(qts, common + VIRTIO_PCI_CAP_OFFSET) +
                 VIRTIO_PCI_COMMON_STATUS);
    qtest_writel(qts, window + VIRTIO_PCI_CAP_LENGTH, 1);
    qtest_writeb(qts, window + sizeof(struct virtio_pci_cap), status);
    g_assert_cmphex(qtest_readb(qts, window + sizeof(struct virtio_pci_cap)),
                    ==, status);

    /* And loses it when the slot's power and its indicator are turned off */
    port = pci_cap(qts, 0, PORT_DEVFN, PCI_CAP_ID_EXP, -1);
    qtest_writew(qts, port + PCI_EXP_SLTCTL,
                 PCI_EXP_SLTCTL_PWR_OFF | PCI_EXP_SLTCTL_PWR_IND_OFF);
    g_assert_cmphex(qtest_readl(qts, pci_cfg(BEHIND, 0, PCI_VENDOR_ID)), ==,
                    UINT32_MAX);
    resize_at_once(qts);
    qtest_quit(qts);
    close(fd);
}

/*
 * The same on a link
 */

static void start_disk(VMsgTest *t, int *fd, const char *devices)
{
    g_autofree char *args = NULL;
    int theirs;

    *fd = vmsg_disk(DISK_SIZE);
    theirs = dup(*fd);
    args = g_strdup_printf(DISK "%s", theirs, devices);
    vmsg_test_start(t, "", "%s", args);
    close(theirs);
    vmsg_negotiate(t->link, 0, 0);
    vmsg_driver_ok(t->link, 0);
}

static void test_resize_link(gconstpointer devices)
{
    VMsgTest t;
    int fd;

    start_disk(&t, &fd, devices);
    device_del_and_resize(t.qts);
    vmsg_ping(t.link);
    vmsg_test_stop(&t);
    close(fd);
}

#define SCSI(id) "-device virtio-scsi-device,id=" id " -device scsi-hd,bus=" \
                 id ".0,drive=disk0"

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);

#define TEST(path, fn) qtest_add_func("virtio-msg/stock/" path, fn)
#define RESIZE(path, fn, data) \
    qtest_add_data_func("virtio-msg/stock/resize/" path, data, fn)
    TEST("mmio/sound/reset", test_snd_reset);
    TEST("mmio/crypto/reset", test_crypto_reset);
    TEST("mmio/crypto/sessions", test_crypto_sessions);
    TEST("mmio/crypto/throttled-error", test_crypto_throttled_error);
    TEST("resize/pci/blk", test_resize_blk_pci);
    RESIZE("pci/scsi-hd", test_resize_scsi, "virtio-scsi-pci");
    RESIZE("mmio/scsi-hd", test_resize_scsi, "virtio-scsi-device");
    RESIZE("link/blk", test_resize_link,
           "-device virtio-blk-device,id=dev0,drive=disk0");
    RESIZE("link/scsi", test_resize_link, SCSI("dev0"));
    RESIZE("link/scsi-hd", test_resize_link, SCSI("scsi0") ",id=dev0");
#undef RESIZE
#undef TEST

    return g_test_run();
}
