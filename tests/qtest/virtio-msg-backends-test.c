/*
 * Tests of QEMU's backends whose other end misbehaves, or is not there
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include <sys/socket.h>
#include <sys/un.h>
#include "libqos/libqos-malloc.h"
#include "libqos/virtio-mmio.h"
#include "libqos/virtio.h"
#include "qobject/qdict.h"
#include "virtio-msg-fixture.h"

static void no_answer(int sig)
{
    static const char text[] = "Bail out! QEMU does not answer\n";

    /* Little is safe in here; the QEMU ends with us */
    if (write(STDOUT_FILENO, text, sizeof(text) - 1) > 0) {
        _exit(1);
    }
    abort();
}

/* What comes until end_deadline() waits for a QEMU that may be stuck */
static void begin_deadline(void)
{
    struct sigaction action = { .sa_handler = no_answer };

    sigaction(SIGALRM, &action, NULL);
    alarm(VMSG_DEADLINE_MS / 1000);
}

static void end_deadline(void)
{
    alarm(0);
}

/*
 * rng-egd
 */

/* Where a QEMU connects to that has a reconnecting socket */
typedef struct Server {
    char *dir;
    char *path;
    int listening;
} Server;

static void server_new(Server *server)
{
    struct sockaddr_un addr = { .sun_family = AF_UNIX };

    server->dir = g_dir_make_tmp("virtio-msg-XXXXXX", NULL);
    server->path = g_build_filename(server->dir, "socket", NULL);
    g_assert_cmpuint(g_strlcpy(addr.sun_path, server->path,
                               sizeof(addr.sun_path)), <,
                     sizeof(addr.sun_path));
    server->listening = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    g_assert_cmpint(bind(server->listening, (struct sockaddr *)&addr,
                         sizeof(addr)), ==, 0);
    g_assert_cmpint(listen(server->listening, 1), ==, 0);
}

static int server_accept(Server *server)
{
    int fd = accept4(server->listening, NULL, NULL, SOCK_CLOEXEC);

    g_assert_cmpint(fd, >=, 0);
    return fd;
}

static void server_free(Server *server)
{
    close(server->listening);
    unlink(server->path);
    rmdir(server->dir);
    g_free(server->path);
    g_free(server->dir);
}

/* Take one whole request; returns the bytes that it asks for */
static size_t egd_take(int egd)
{
    uint8_t header[2];

    g_assert_cmpint(recv(egd, header, sizeof(header), MSG_WAITALL), ==,
                    sizeof(header));
    g_assert_cmphex(header[0], ==, 0x02);
    g_assert_cmpuint(header[1], >, 0);
    return header[1];
}

/* Answer requests until so many bytes have been asked for, and no more */
static void egd_serve(int egd, size_t total)
{
    uint8_t data[255];
    size_t len;

    memset(data, 0x5a, sizeof(data));
    while (total) {
        len = egd_take(egd);
        g_assert_cmpuint(len, <=, total);
        g_assert_cmpint(send(egd, data, len, MSG_NOSIGNAL), ==, len);
        total -= len;
    }
}

#define RNG_MMIO        0x0a003e00
#define RNG_PAGE        4096
#define RNG_RAM         0x40000000
#define RNG_RAM_SIZE    (16 * 1024 * 1024)
/* libqos looks at 16 bits of what was used */
#define RNG_SIZE        (60 * 1024)

/* A virtio-rng over MMIO that asks an egd */
typedef struct Rng {
    QTestState *qts;
    QGuestAllocator alloc;
    QVirtioMMIODevice dev;
    QVirtQueue *vq;
    uint64_t buf;
} Rng;

/* @socket: options of the character device */
static void rng_start(Rng *rng, const char *socket)
{
    rng->qts = qtest_initf("-M virt -nodefaults -chardev socket,id=egd,%s "
                           "-object rng-egd,id=rng,chardev=egd "
                           "-device virtio-rng-device,rng=rng", socket);
    alloc_init(&rng->alloc, 0, RNG_RAM, RNG_RAM + RNG_RAM_SIZE, RNG_PAGE);
    qvirtio_mmio_init_device(&rng->dev, rng->qts, RNG_MMIO, RNG_PAGE);
    qvirtio_start_device(&rng->dev.vdev);
    qvirtio_set_features(&rng->dev.vdev, 0);
    rng->vq = qvirtqueue_setup(&rng->dev.vdev, &rng->alloc, 0);
    qvirtio_set_driver_ok(&rng->dev.vdev);
    rng->buf = guest_alloc(&rng->alloc, RNG_SIZE);
}

static uint32_t rng_ask(Rng *rng)
{
    uint32_t head;

    qtest_memset(rng->qts, rng->buf, 0, RNG_SIZE);
    head = qvirtqueue_add(rng->qts, rng->vq, rng->buf, RNG_SIZE, true, false);
    qvirtqueue_kick(rng->qts, &rng->dev.vdev, rng->vq, head);
    return head;
}

static void rng_wait(Rng *rng, uint32_t head)
{
    uint32_t len;

    qvirtio_wait_used_elem(rng->qts, &rng->dev.vdev, rng->vq, head, &len,
                           VMSG_DEADLINE_MS * 1000);
    g_assert_cmpuint(len, ==, RNG_SIZE);
    g_assert_cmphex(qtest_readb(rng->qts, rng->buf), ==, 0x5a);
    g_assert_cmphex(qtest_readb(rng->qts, rng->buf + RNG_SIZE - 1), ==, 0x5a);
}

static void rng_stop(Rng *rng)
{
    qvirtqueue_cleanup(rng->dev.vdev.bus, rng->vq, &rng->alloc);
    guest_free(&rng->alloc, rng->buf);
    alloc_destroy(&rng->alloc);
    qtest_quit(rng->qts);
}

static bool has_virt_machine(void)
{
    if (!g_str_equal(qtest_get_arch(), "aarch64")) {
        g_test_skip("only arm has a machine virt with virtio-mmio there");
        return false;
    }
    return true;
}

/* It takes a few requests, and then none until somebody reads */
static void test_egd_does_not_read(void)
{
    g_autofree char *options = NULL;
    int small = 1;
    uint32_t head;
    int pair[2];
    Rng rng;

    if (!has_virt_machine()) {
        return;
    }
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair),
                    ==, 0);
    /* As small as the kernel has them */
    g_assert_cmpint(setsockopt(pair[1], SOL_SOCKET, SO_SNDBUF, &small,
                               sizeof(small)), ==, 0);
    g_assert_cmpint(fcntl(pair[1], F_SETFD, 0), ==, 0);
    options = g_strdup_printf("fd=%d", pair[1]);
    rng_start(&rng, options);
    close(pair[1]);

    begin_deadline();
    head = rng_ask(&rng);
    qtest_qmp_assert_success(rng.qts, "{ 'execute': 'query-status' }");
    egd_serve(pair[0], RNG_SIZE);
    rng_wait(&rng, head);

    /* All over again, now that there is room */
    head = rng_ask(&rng);
    egd_serve(pair[0], RNG_SIZE);
    rng_wait(&rng, head);
    end_deadline();
    rng_stop(&rng);
    close(pair[0]);
}

/* What was asked of a connection that is lost is asked of the next one */
static void test_egd_comes_back(void)
{
    g_autofree char *options = NULL;
    Server server;
    uint32_t head;
    Rng rng;
    int fd, i;

    if (!has_virt_machine()) {
        return;
    }
    server_new(&server);
    options = g_strdup_printf("path=%s,reconnect-ms=10", server.path);
    rng_start(&rng, options);
    fd = server_accept(&server);

    begin_deadline();
    for (i = 0; i < 3; i++) {
        head = rng_ask(&rng);
        qtest_qmp_assert_success(rng.qts, "{ 'execute': 'query-status' }");
        egd_take(fd);
        close(fd);
        fd = server_accept(&server);
        egd_serve(fd, RNG_SIZE);
        rng_wait(&rng, head);
    }
    end_deadline();
    rng_stop(&rng);
    close(fd);
    server_free(&server);
}

/*
 * -netdev stream
 */

/* A packet for the stream comes in as a datagram, through a hub */
static void test_stream_up_without_connection(void)
{
    static const char packet[] = "a packet that is long enough for Ethernet, "
                                 "which has sixty bytes at least";
    g_autofree char *dir = g_dir_make_tmp("virtio-msg-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(dir, "stream", NULL);
    struct sockaddr_un addr = { .sun_family = AF_UNIX };
    char received[sizeof(uint32_t) + sizeof(packet)];
    uint32_t len = htonl(sizeof(packet));
    g_autofree char *state = NULL;
    QTestState *qts;
    int pair[2];
    int fd;

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, pair),
                    ==, 0);
    g_assert_cmpint(fcntl(pair[1], F_SETFD, 0), ==, 0);
    qts = qtest_initf("-M none -nodefaults "
                      "-netdev stream,id=st0,server=true,addr.type=unix,"
                      "addr.path=%s "
                      "-netdev hubport,id=port0,hubid=0,netdev=st0 "
                      "-netdev dgram,id=dg0,local.type=fd,local.str=%d "
                      "-netdev hubport,id=port1,hubid=0,netdev=dg0",
                      path, pair[1]);
    close(pair[1]);
    begin_deadline();
    do {
        g_free(state);
        state = qtest_hmp(qts, "info network");
    } while (!strstr(state, "st0: index=0,type=stream,listening"));

    qtest_qmp_assert_success(qts, "{ 'execute': 'set_link', 'arguments':"
                             " { 'name': 'st0', 'up': true } }");
    g_assert_cmpint(send(pair[0], packet, sizeof(packet), 0), ==,
                    sizeof(packet));
    /* The second comes in a later turn of the main loop than the packet */
    qtest_qmp_assert_success(qts, "{ 'execute': 'query-status' }");
    qtest_qmp_assert_success(qts, "{ 'execute': 'query-status' }");

    /* It is dropped, and the next one comes through */
    g_assert_cmpuint(g_strlcpy(addr.sun_path, path, sizeof(addr.sun_path)), <,
                     sizeof(addr.sun_path));
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    g_assert_cmpint(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), ==,
                    0);
    qtest_qmp_eventwait(qts, "NETDEV_STREAM_CONNECTED");
    g_assert_cmpint(send(pair[0], packet, sizeof(packet), 0), ==,
                    sizeof(packet));
    g_assert_cmpint(recv(fd, received, sizeof(received), MSG_WAITALL), ==,
                    sizeof(received));
    g_assert_cmpmem(received, sizeof(len), &len, sizeof(len));
    g_assert_cmpmem(received + sizeof(len), sizeof(packet), packet,
                    sizeof(packet));
    end_deadline();

    qtest_quit(qts);
    close(fd);
    close(pair[0]);
    unlink(path);
    rmdir(dir);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);

#define TEST(path, fn) qtest_add_func("virtio-msg/backends/" path, fn)
    TEST("egd-does-not-read", test_egd_does_not_read);
    TEST("egd-comes-back", test_egd_comes_back);
    TEST("stream-up-without-connection", test_stream_up_without_connection);
#undef TEST

    return g_test_run();
}
