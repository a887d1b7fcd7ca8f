/*
 * Tests of virtio-msg's link with an ivshmem server that hands out odd things
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include "qobject/qdict.h"
#include "virtio-msg-fixture.h"

#define RNG "-device virtio-rng-device "

/*
 * Descriptors that are no doorbell
 */

typedef struct Odd {
    const char *name;
    int (*open)(void);
    /* What /proc says of it, which is how it is found in the process */
    const char *link;
} Odd;

static int odd_path(void)
{
    return open("/dev/full", O_PATH | O_CLOEXEC);
}

static int odd_zero(void)
{
    return open("/dev/zero", O_RDWR | O_CLOEXEC);
}

static int odd_random(void)
{
    return open("/dev/urandom", O_RDWR | O_CLOEXEC);
}

static int odd_pipe_at_its_end(void)
{
    int fds[2];

    g_assert_cmpint(pipe2(fds, O_CLOEXEC), ==, 0);
    close(fds[1]);
    return fds[0];
}

static int odd_file(void)
{
    int fd = memfd_create("virtio-msg-odd", MFD_CLOEXEC);

    g_assert_cmpint(ftruncate(fd, 1024 * 1024), ==, 0);
    return fd;
}

static int odd_directory(void)
{
    return open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static int odd_read_only(void)
{
    g_autofree char *path = NULL;
    int fd = odd_file();
    int again;

    path = g_strdup_printf("/proc/self/fd/%d", fd);
    again = open(path, O_RDONLY | O_CLOEXEC);
    close(fd);
    return again;
}

static int odd_timer(void)
{
    struct itimerspec soon = { { 0, 1 }, { 0, 1 } };
    int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);

    g_assert_cmpint(timerfd_settime(fd, 0, &soon, NULL), ==, 0);
    return fd;
}

static int odd_inotify(void)
{
    return inotify_init1(IN_CLOEXEC);
}

static const Odd odds[] = {
    { "path", odd_path, "/dev/full" },
    { "zero", odd_zero, "/dev/zero" },
    { "random", odd_random, "/dev/urandom" },
    { "pipe-at-its-end", odd_pipe_at_its_end },
    { "file", odd_file, "/memfd:virtio-msg-odd (deleted)" },
    { "read-only-file", odd_read_only, "/memfd:virtio-msg-odd (deleted)" },
    { "directory", odd_directory, "/" },
    { "timer", odd_timer, "anon_inode:[timerfd]" },
    { "inotify", odd_inotify, "anon_inode:inotify" },
};

static int odd_open(const Odd *odd)
{
    int fd = odd->open();

    g_assert_cmpint(fd, >=, 0);
    return fd;
}

/* What /proc says of our descriptor; a string to be freed */
static char *fd_link(int pid, const char *fd)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/fd/%s", pid, fd);

    return g_file_read_link(path, NULL);
}

/* A descriptor that QEMU closed cannot keep it busy */
static void assert_closed(VMsgTest *t, const Odd *odd, int fd)
{
    g_autofree char *number = g_strdup_printf("%d", fd);
    g_autofree char *mine = fd_link(getpid(), number);
    g_autofree char *path = g_strdup_printf("/proc/%d/fd",
                                            qtest_pid(t->qts));
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    const char *name;

    g_assert_nonnull(dir);
    if (odd->link) {
        g_assert_cmpstr(mine, ==, odd->link);
    }
    while ((name = g_dir_read_name(dir))) {
        g_autofree char *theirs = fd_link(qtest_pid(t->qts), name);

        g_assert_cmpstr(theirs, !=, mine);
    }
}

static void start_logged(VMsgTest *t, VMsgLink *link, VMsgLog *log)
{
    vmsg_log_begin(log);
    vmsg_test_start_link(t, link, "", RNG);
    vmsg_log_started(log);
}

/*
 * Vectors
 */

static void serve_without_vectors(VMsgLink *link)
{
    vmsg_link_tell(link, 0, -1);
    vmsg_link_tell(link, VMSG_DEVICE_ID, -1);
    vmsg_link_tell(link, -1, link->shm_fd);
    vmsg_link_tell(link, VMSG_DRIVER_ID, link->to_driver);
}

/* The driver side may ring another vector than the first */
static void test_vector_at_start(gconstpointer opaque)
{
    const Odd *odd = opaque;
    VMsgLink *link = vmsg_link_new(VMSG_SHM_SIZE, VMSG_RAM_SIZE);
    int fd = odd_open(odd);
    VMsgLog log;
    VMsgTest t;

    serve_without_vectors(link);
    vmsg_link_tell(link, VMSG_DEVICE_ID, fd);
    vmsg_link_tell(link, VMSG_DEVICE_ID, link->to_device);
    start_logged(&t, link, &log);
    vmsg_ping(t.link);
    assert_closed(&t, odd, fd);
    g_assert_cmpuint(vmsg_log_count(&log, "vector 0 of ivshmem id 0 is not "
                                          "an eventfd"), ==, 1);
    vmsg_test_stop(&t);
    close(fd);
    vmsg_log_end(&log);
}

/* Said once, however many there are */
static void test_vector_later(gconstpointer opaque)
{
    const Odd *odd = opaque;
    VMsgLink *link = vmsg_link_new(VMSG_SHM_SIZE, VMSG_RAM_SIZE);
    int fd = odd_open(odd);
    VMsgLog log;
    VMsgTest t;
    int i;

    vmsg_link_serve(link);
    start_logged(&t, link, &log);
    for (i = 0; i < 10; i++) {
        vmsg_link_tell(t.link, VMSG_DEVICE_ID, fd);
    }
    vmsg_settle(&t);
    vmsg_ping(t.link);
    assert_closed(&t, odd, fd);
    g_assert_cmpuint(vmsg_log_count(&log, "vector 1 of ivshmem id 0 is not "
                                          "an eventfd"), ==, 1);
    g_assert_cmpuint(vmsg_log_count(&log, "eventfd"), ==, 1);
    vmsg_test_stop(&t);
    close(fd);
    vmsg_log_end(&log);
}

/* What is rung must not block, grow or die either */
static void test_peer_vector(gconstpointer opaque)
{
    const Odd *odd = opaque;
    VMsgLink *link = vmsg_link_new(VMSG_SHM_SIZE, VMSG_RAM_SIZE);
    int fd = odd_open(odd);
    VMsgLog log;
    VMsgTest t;

    vmsg_link_tell(link, 0, -1);
    vmsg_link_tell(link, VMSG_DEVICE_ID, -1);
    vmsg_link_tell(link, -1, link->shm_fd);
    vmsg_link_tell(link, VMSG_DRIVER_ID, fd);
    vmsg_link_tell(link, VMSG_DEVICE_ID, link->to_device);
    start_logged(&t, link, &log);
    vmsg_link_ring(t.link);
    vmsg_settle(&t);
    g_assert_cmpuint(vmsg_stat(&t, "doorbells-sent"), >=, 1);
    assert_closed(&t, odd, fd);
    g_assert_cmpuint(vmsg_log_count(&log, "vector 0 of ivshmem id 1 is not "
                                          "an eventfd"), ==, 1);

    /* Gone and back with one that is good */
    vmsg_link_tell(t.link, VMSG_DRIVER_ID, -1);
    vmsg_link_tell(t.link, VMSG_DRIVER_ID, t.link->to_driver);
    vmsg_settle(&t);
    vmsg_ping(t.link);
    vmsg_test_stop(&t);
    close(fd);
    vmsg_log_end(&log);
}

/* Rings that were there before somebody listened are heard */
static void test_vector_rung_before(void)
{
    VMsgLink *link = vmsg_link_new(VMSG_SHM_SIZE, VMSG_RAM_SIZE);
    gint64 end = g_get_monotonic_time() +
                 VMSG_DEADLINE_MS * (gint64)G_TIME_SPAN_MILLISECOND;
    VMsgTest t;

    vmsg_link_ring(link);
    vmsg_link_serve(link);
    vmsg_test_start_link(&t, link, "", RNG);
    while (!vmsg_stat(&t, "doorbells-received")) {
        g_assert_cmpint(g_get_monotonic_time(), <, end);
    }
    vmsg_test_stop(&t);
}

/* It would be rung for ever, by one write */
static void test_vector_semaphore(void)
{
    VMsgLink *link = vmsg_link_new(VMSG_SHM_SIZE, VMSG_RAM_SIZE);
    uint64_t many = UINT64_MAX - 1;
    int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC | EFD_SEMAPHORE);
    VMsgLog log;
    VMsgTest t;

    g_assert_cmpint(write(fd, &many, sizeof(many)), ==, sizeof(many));
    serve_without_vectors(link);
    vmsg_link_tell(link, VMSG_DEVICE_ID, fd);
    vmsg_link_tell(link, VMSG_DEVICE_ID, link->to_device);
    start_logged(&t, link, &log);
    vmsg_settle(&t);
    g_assert_cmpuint(vmsg_stat(&t, "doorbells-received"), ==, 0);
    vmsg_ping(t.link);
    g_assert_cmpuint(vmsg_log_count(&log, "vector 0 of ivshmem id 0 is not "
                                          "an eventfd"), ==, 1);
    vmsg_test_stop(&t);
    close(fd);
    vmsg_log_end(&log);
}

/* Handed out by a server that knows the memory last */
static void test_vector_before_memory(void)
{
    VMsgLink *link = vmsg_link_new(VMSG_SHM_SIZE, VMSG_RAM_SIZE);
    VMsgTest t;

    vmsg_link_tell(link, 0, -1);
    vmsg_link_tell(link, VMSG_DEVICE_ID, -1);
    vmsg_link_tell(link, VMSG_DEVICE_ID, link->to_device);
    vmsg_link_tell(link, VMSG_DRIVER_ID, link->to_driver);
    vmsg_link_tell(link, -1, link->shm_fd);
    vmsg_test_start_link(&t, link, "", RNG);
    vmsg_ping(t.link);
    vmsg_test_stop(&t);
}

/*
 * A server that comes back with something odd
 */

static void test_comes_back_odd(void)
{
    VMsgServer s;
    VMsgTest t;
    size_t i;

    vmsg_server_start(&s, &t, RNG);
    vmsg_ping(t.link);

    for (i = 0; i < G_N_ELEMENTS(odds); i++) {
        int fd = odd_open(&odds[i]);

        vmsg_link_hang_up(t.link);
        vmsg_wait_link(&t, "link0", false);
        vmsg_server_next(&s, t.link);
        serve_without_vectors(t.link);
        vmsg_link_tell(t.link, VMSG_DEVICE_ID, fd);
        vmsg_settle(&t);
        g_assert_false(vmsg_link_is_up(&t, "link0"));
        assert_closed(&t, &odds[i], fd);
        vmsg_link_tell(t.link, VMSG_DEVICE_ID, t.link->to_device);
        vmsg_wait_link(&t, "link0", true);
        vmsg_ping(t.link);

        /* The same as memory: that connection comes to nothing */
        vmsg_link_hang_up(t.link);
        vmsg_wait_link(&t, "link0", false);
        vmsg_server_next(&s, t.link);
        vmsg_link_tell(t.link, 0, -1);
        vmsg_link_tell(t.link, VMSG_DEVICE_ID, -1);
        vmsg_link_tell(t.link, -1, fd);
        vmsg_link_tell(t.link, VMSG_DEVICE_ID, t.link->to_device);
        vmsg_settle(&t);
        if (odds[i].open != odd_file) {
            g_assert_false(vmsg_link_is_up(&t, "link0"));
            assert_closed(&t, &odds[i], fd);
        }

        vmsg_link_hang_up(t.link);
        vmsg_wait_link(&t, "link0", false);
        vmsg_server_next(&s, t.link);
        vmsg_link_serve(t.link);
        vmsg_link_reset_ring(t.link);
        vmsg_wait_link(&t, "link0", true);
        vmsg_ping(t.link);
        vmsg_drop_events(t.link);
        close(fd);
    }

    vmsg_test_stop(&t);
    vmsg_server_stop(&s);
}

static void add_odds(const char *path, GTestDataFunc fn)
{
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(odds); i++) {
        g_autofree char *full = g_strdup_printf("virtio-msg/server/%s/%s",
                                                path, odds[i].name);

        qtest_add_data_func(full, &odds[i], fn);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);

    add_odds("vector-at-start", test_vector_at_start);
    add_odds("vector-later", test_vector_later);
    add_odds("vector-of-the-peer", test_peer_vector);
#define TEST(path, fn) qtest_add_func("virtio-msg/server/" path, fn)
    TEST("vector-semaphore", test_vector_semaphore);
    TEST("vector-rung-before", test_vector_rung_before);
    TEST("vector-before-memory", test_vector_before_memory);
    TEST("comes-back-odd", test_comes_back_odd);
#undef TEST

    return g_test_run();
}
