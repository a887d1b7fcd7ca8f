/*
 * Tests of what we change in QEMU's own files, over QEMU's own transports, too
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include <linux/virtio_config.h>
#include <linux/virtio_pci.h>
#include <linux/virtio_ring.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include "virtio-msg-fixture.h"

#define ROOM        64      /* bytes that a driver asks virtio-rng for */

/*
 * A driver of virtio-rng-pci on an arm64 machine: of the legacy interface, whose
 * registers are few, and for one request at a time.
 */

#define VIRT            "-M virt,highmem=off -nodefaults "
#define VIRT_RAM        0x40000000
#define VIRT_PORTS      0x3eff0000
#define VIRT_ECAM       0x3f000000
#define VIRT_PCI_MEM    0x10000000

#define SLOT(n)         (VIRT_ECAM + ((n) << 15))
#define RNG_SLOT        1
#define EDU_SLOT        2
#define RNG_PORTS       (VIRT_PORTS + 0x1000)

/* Of any queue, whatever its device asks for: the base makes it so */
#define QUEUE_SIZE      1024
#define DESC            VIRT_RAM
#define AVAIL           (DESC + QUEUE_SIZE * sizeof(struct vring_desc))
#define USED            (VIRT_RAM + 20480)
#define BUFFER          (VIRT_RAM + 32768)

static void pci_up(QTestState *qts)
{
    qtest_writeb(qts, RNG_PORTS + VIRTIO_PCI_STATUS, 0);
    qtest_memset(qts, VIRT_RAM, 0, BUFFER - VIRT_RAM);
    qtest_writeb(qts, RNG_PORTS + VIRTIO_PCI_STATUS,
                 VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER);
    qtest_writel(qts, RNG_PORTS + VIRTIO_PCI_GUEST_FEATURES, 0);
    qtest_writew(qts, RNG_PORTS + VIRTIO_PCI_QUEUE_SEL, 0);
    g_assert_cmpuint(qtest_readw(qts, RNG_PORTS + VIRTIO_PCI_QUEUE_NUM), ==,
                     QUEUE_SIZE);
    qtest_writel(qts, RNG_PORTS + VIRTIO_PCI_QUEUE_PFN,
                 VIRT_RAM >> VIRTIO_PCI_QUEUE_ADDR_SHIFT);
    qtest_writeb(qts, RNG_PORTS + VIRTIO_PCI_STATUS,
                 VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER |
                 VIRTIO_CONFIG_S_DRIVER_OK);
}

static QTestState *pci_start(const char *more)
{
    enum { IO = 1, MEMORY = 2, MASTER = 4 };
    QTestState *qts;

    qts = qtest_initf(VIRT "%s,addr=%d,disable-modern=on,disable-legacy=off",
                      more, RNG_SLOT);
    qtest_writel(qts, SLOT(RNG_SLOT) + 0x10, RNG_PORTS - VIRT_PORTS);
    qtest_writew(qts, SLOT(RNG_SLOT) + 0x04, IO | MASTER);
    qtest_writel(qts, SLOT(EDU_SLOT) + 0x10, VIRT_PCI_MEM);
    qtest_writew(qts, SLOT(EDU_SLOT) + 0x04, MEMORY);
    pci_up(qts);
    return qts;
}

/* Ask for random bytes in the place that was asked for them before, or not */
static void pci_kick(QTestState *qts, uint64_t addr, uint32_t len)
{
    uint16_t made = qtest_readw(qts, AVAIL + 2);

    qtest_writeq(qts, DESC, addr);
    qtest_writel(qts, DESC + 8, len);
    qtest_writel(qts, DESC + 12, VRING_DESC_F_WRITE);
    qtest_writew(qts, AVAIL + 4 + 2 * (made % QUEUE_SIZE), 0);
    qtest_writew(qts, AVAIL + 2, made + 1);
    qtest_writew(qts, RNG_PORTS + VIRTIO_PCI_QUEUE_NOTIFY, 0);
}

static void pci_wait(QTestState *qts, uint32_t len)
{
    gint64 end = g_get_monotonic_time() +
                 VMSG_DEADLINE_MS * G_TIME_SPAN_MILLISECOND;
    uint16_t made = qtest_readw(qts, AVAIL + 2);

    while (qtest_readw(qts, USED + 2) != made) {
        g_assert_cmpint(g_get_monotonic_time(), <, end);
    }
    g_assert_cmpuint(qtest_readl(qts, USED + 4 + 8 * ((made - 1) % QUEUE_SIZE) +
                                      4), ==, len);
}

static bool no_pci(const char *other)
{
    if (strcmp(qtest_get_arch(), "aarch64") ||
        !qtest_has_device("virtio-rng-pci") || !qtest_has_device(other)) {
        g_test_skip("this QEMU has no arm64 machine with PCI, or no such "
                    "device");
        return true;
    }
    return false;
}

/*
 * virtio-rng on a daemon that goes
 */

typedef struct Egd {
    char *dir;
    char *path;
    char *args;
    int fd;
} Egd;

static void egd_init(Egd *egd, const char *device)
{
    egd->dir = g_dir_make_tmp("virtio-msg-egd.XXXXXX", NULL);
    g_assert_nonnull(egd->dir);
    egd->path = g_build_filename(egd->dir, "socket", NULL);
    egd->args = g_strdup_printf("-chardev socket,id=egd,path=%s,server=on,"
                                "wait=off -object rng-egd,id=rng,chardev=egd "
                                "-device %s,rng=rng", egd->path, device);
    egd->fd = -1;
}

static void egd_connect(Egd *egd)
{
    struct sockaddr_un addr = { .sun_family = AF_UNIX };

    egd->fd = socket(AF_UNIX, SOCK_STREAM, 0);
    g_assert_cmpint(egd->fd, >=, 0);
    g_strlcpy(addr.sun_path, egd->path, sizeof(addr.sun_path));
    g_assert_cmpint(connect(egd->fd, (struct sockaddr *)&addr, sizeof(addr)),
                    ==, 0);
}

/* Wait until so many bytes are asked for, which fit into one request */
static void egd_expect(Egd *egd, uint8_t len)
{
    struct pollfd pfd = { .fd = egd->fd, .events = POLLIN };
    uint8_t request[2];

    g_assert_cmpint(poll(&pfd, 1, VMSG_DEADLINE_MS), ==, 1);
    g_assert_cmpint(recv(egd->fd, request, sizeof(request), MSG_WAITALL), ==,
                    sizeof(request));
    g_assert_cmphex(request[0], ==, 0x02);
    g_assert_cmpuint(request[1], ==, len);
}

static void egd_answer(Egd *egd, uint8_t len)
{
    uint8_t data[UINT8_MAX];

    memset(data, 0x5a, len);
    g_assert_cmpint(send(egd->fd, data, len, 0), ==, len);
}

static void egd_close(Egd *egd)
{
    close(egd->fd);
    egd->fd = -1;
}

static void egd_cleanup(Egd *egd)
{
    if (egd->fd >= 0) {
        egd_close(egd);
    }
    unlink(egd->path);
    g_assert_cmpint(rmdir(egd->dir), ==, 0);
    g_free(egd->args);
    g_free(egd->path);
    g_free(egd->dir);
}

/* What the daemon took with it is asked of the next one */
static void test_egd_lost_pci(void)
{
    QTestState *qts;
    Egd egd;

    if (no_pci("virtio-rng-pci")) {
        return;
    }
    egd_init(&egd, "virtio-rng-pci");
    qts = pci_start(egd.args);

    /* Asked for while there is nobody, */
    pci_kick(qts, BUFFER, ROOM);
    egd_connect(&egd);
    egd_expect(&egd, ROOM);
    /* and of a daemon that goes */
    egd_close(&egd);
    egd_connect(&egd);
    egd_expect(&egd, ROOM);
    egd_answer(&egd, ROOM);
    pci_wait(qts, ROOM);
    g_assert_cmphex(qtest_readb(qts, BUFFER + ROOM - 1), ==, 0x5a);

    /* A driver that comes meanwhile does not wait for what may be lost */
    pci_kick(qts, BUFFER, ROOM);
    egd_expect(&egd, ROOM);
    pci_up(qts);
    pci_kick(qts, BUFFER, ROOM);
    egd_expect(&egd, ROOM);
    egd_answer(&egd, ROOM);
    pci_wait(qts, ROOM);

    qtest_quit(qts);
    egd_cleanup(&egd);
}

static void test_egd_lost(void)
{
    VMsgBuffer buf = { .len = ROOM, .device_writes = true };
    VMsgQueue q;
    VMsgTest t;
    uint16_t id;
    Egd egd;

    egd_init(&egd, "virtio-rng-device");
    vmsg_test_start(&t, "", "%s", egd.args);
    vmsg_rng_up(t.link, 0, 0, &q);
    buf.addr = vmsg_link_alloc(t.link, ROOM);

    id = vmsg_queue_add(&q, &buf, 1);
    vmsg_queue_kick(&q);
    vmsg_settle(&t);
    egd_connect(&egd);
    egd_expect(&egd, ROOM);
    egd_close(&egd);
    egd_connect(&egd);
    egd_expect(&egd, ROOM);
    egd_answer(&egd, ROOM);
    g_assert_cmpuint(vmsg_queue_wait(&q, id), ==, ROOM);

    vmsg_queue_add(&q, &buf, 1);
    vmsg_queue_kick(&q);
    egd_expect(&egd, ROOM);
    vmsg_set_status(t.link, 0, 0);
    vmsg_drop_events(t.link);
    vmsg_rng_up(t.link, 0, 0, &q);
    id = vmsg_queue_add(&q, &buf, 1);
    vmsg_queue_kick(&q);
    egd_expect(&egd, ROOM);
    egd_answer(&egd, ROOM);
    g_assert_cmpuint(vmsg_queue_wait(&q, id), ==, ROOM);

    vmsg_test_stop(&t);
    egd_cleanup(&egd);
}

/* However often a driver rings, the daemon is asked once at a time */
static void test_egd_asked_once(void)
{
    VMsgBuffer buf = { .len = ROOM, .device_writes = true };
    struct pollfd pfd = { .events = POLLIN };
    VMsgQueue q;
    VMsgTest t;
    uint16_t id;
    Egd egd;
    int i;

    egd_init(&egd, "virtio-rng-device");
    vmsg_test_start(&t, "", "%s", egd.args);
    egd_connect(&egd);
    vmsg_rng_up(t.link, 0, 0, &q);
    buf.addr = vmsg_link_alloc(t.link, ROOM);
    id = vmsg_queue_add(&q, &buf, 1);
    for (i = 0; i < 10; i++) {
        vmsg_queue_kick(&q);
    }
    vmsg_ping(t.link);
    egd_expect(&egd, ROOM);
    pfd.fd = egd.fd;
    g_assert_cmpint(poll(&pfd, 1, 0), ==, 0);
    egd_answer(&egd, ROOM);
    g_assert_cmpuint(vmsg_queue_wait(&q, id), ==, ROOM);
    vmsg_test_stop(&t);
    egd_cleanup(&egd);
}

/*
 * From a device to another one
 */

/* Registers that take 4 bytes at a time are a place for 4 bytes */
static void test_peer_to_peer(void)
{
    enum { LIVENESS = 4 };
    QTestState *qts;

    if (no_pci("edu")) {
        return;
    }
    qts = pci_start("-device edu,addr=2 -device virtio-rng-pci");
    /* It shows the inverse of what was written last, at first of none */
    g_assert_cmphex(qtest_readl(qts, VIRT_PCI_MEM + LIVENESS), ==, 0);
    pci_kick(qts, VIRT_PCI_MEM + LIVENESS, 4);
    pci_wait(qts, 4);
    /* Zero once in 2^32 runs */
    g_assert_cmphex(qtest_readl(qts, VIRT_PCI_MEM + LIVENESS), !=, 0);
    qtest_quit(qts);
}

/* Nor is it an error to write where nothing is: the bus drops that */
static void test_nowhere(void)
{
    QTestState *qts;

    if (no_pci("virtio-rng-pci")) {
        return;
    }
    qts = pci_start("-device virtio-rng-pci");
    pci_kick(qts, VIRT_PCI_MEM, ROOM);
    pci_wait(qts, ROOM);
    qtest_quit(qts);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    qtest_add_func("virtio-msg/base/rng-egd-lost/msg", test_egd_lost);
    qtest_add_func("virtio-msg/base/rng-egd-lost/pci", test_egd_lost_pci);
    qtest_add_func("virtio-msg/base/rng-egd-asked-once/msg", test_egd_asked_once);
    qtest_add_func("virtio-msg/base/peer-to-peer/pci", test_peer_to_peer);
    qtest_add_func("virtio-msg/base/nowhere/pci", test_nowhere);
    return g_test_run();
}
