/*
 * How long a request takes over a virtio-msg link
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include "../qtest/virtio-msg-link.h"

/*
 * One request at a time, each waited for at its doorbell, as a driver does.
 * The first ones are not counted: they find cold caches.
 */

#define SHM_SIZE    (4 * 1024 * 1024)
#define RAM_SIZE    (16 * 1024 * 1024)
#define WARM_UP     1000

/* Fits into the queue with the PING that ends it */
#define BATCH       60

static double now_us(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec * 1e6 + ts.tv_nsec / 1e3;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;

    return (x > y) - (x < y);
}

static void measure(VMsgLink *link, const char *name, uint8_t type,
                    uint8_t id, size_t payload, unsigned count)
{
    g_autofree double *took = g_new(double, count);
    struct virtio_msg req, resp;
    double total;
    unsigned i;

    vmsg_init(&req, type, id, 0, payload);
    for (i = 0; i < WARM_UP; i++) {
        vmsg_request(link, &req, &resp);
    }
    total = now_us();
    for (i = 0; i < count; i++) {
        double start = now_us();

        vmsg_request(link, &req, &resp);
        took[i] = now_us() - start;
    }
    total = now_us() - total;

    qsort(took, count, sizeof(took[0]), compare);
    printf("%s %.3f %.3f %.0f\n", name, took[count / 2],
           took[count - 1 - count / 100], count / (total / 1e6));
}

static double batch_us(VMsgLink *link, const struct virtio_msg *msg,
                       unsigned num)
{
    struct virtio_msg ping, resp;
    double start;
    unsigned i;

    vmsg_init(&ping, VIRTIO_MSG_TYPE_BUS, VIRTIO_MSG_BUS_PING, 0,
              sizeof(ping.ping));
    for (i = 0; i < num; i++) {
        g_assert_true(vmsg_try_put(link, msg));
    }
    g_assert_true(vmsg_try_put(link, &ping));

    start = now_us();
    vmsg_link_ring(link);
    do {
        vmsg_get(link, &resp);
    } while (resp.msg_id != VIRTIO_MSG_BUS_PING);
    return now_us() - start;
}

/*
 * What one message more costs the device side: a batch is handled in one turn,
 * between one doorbell and the other.
 */
static void measure_batch(VMsgLink *link, const char *name, uint8_t id,
                          size_t payload, unsigned count)
{
    g_autofree double *few = g_new(double, count);
    g_autofree double *many = g_new(double, count);
    struct virtio_msg msg;
    unsigned i;

    vmsg_init(&msg, 0, id, 0, payload);
    for (i = 0; i < WARM_UP; i++) {
        batch_us(link, &msg, BATCH);
    }
    for (i = 0; i < count; i++) {
        few[i] = batch_us(link, &msg, 0);
        many[i] = batch_us(link, &msg, BATCH);
    }
    qsort(few, count, sizeof(few[0]), compare);
    qsort(many, count, sizeof(many[0]), compare);
    printf("batch:%s %.1f\n", name,
           (many[count / 2] - few[count / 2]) / BATCH * 1e3);
}

static GPid start(VMsgLink *link, const char *qemu)
{
    g_autofree char *args = vmsg_link_args(link, "link0", "");
    g_autofree char *line =
        g_strdup_printf("%s -M virtio-msg -nodefaults -display none %s "
                        "-device virtio-rng-device", qemu, args);
    g_auto(GStrv) argv = NULL;
    GError *err = NULL;
    GPid pid;

    if (!g_shell_parse_argv(line, NULL, &argv, &err) ||
        !g_spawn_async(NULL, argv, NULL, G_SPAWN_LEAVE_DESCRIPTORS_OPEN |
                       G_SPAWN_DO_NOT_REAP_CHILD, NULL, NULL, &pid, &err)) {
        fprintf(stderr, "virtio-msg-round-trip: %s: %s\n", qemu, err->message);
        exit(EXIT_FAILURE);
    }
    return pid;
}

int main(int argc, char **argv)
{
    unsigned long count = argc > 2 ? strtoul(argv[2], NULL, 0) : 20000;
    VMsgLink *link;
    GPid pid;

    if (argc < 2 || argc > 3 || count < 100 || count > 10000000) {
        fprintf(stderr, "usage: virtio-msg-round-trip QEMU [COUNT]\n"
                "Prints a line for each request: its name, the median and "
                "the 99th percentile of\nCOUNT round trips (100 to 10000000, "
                "default 20000) in microseconds, and how many\nthere were in "
                "a second.  And for some, sent in batches, what each costs in "
                "nanoseconds.\n");
        return EXIT_FAILURE;
    }

    link = vmsg_link_new(SHM_SIZE, RAM_SIZE);
    vmsg_link_serve(link);
    pid = start(link, argv[1]);
    vmsg_link_started(link);

    measure(link, "PING", VIRTIO_MSG_TYPE_BUS, VIRTIO_MSG_BUS_PING,
            sizeof(((struct virtio_msg *)NULL)->ping), count);
    measure(link, "GET_DEVICE_STATUS", 0, VIRTIO_MSG_GET_DEVICE_STATUS, 0,
            count);

    /* A queue that does not run: all checks, and no answer */
    measure_batch(link, "EVENT_AVAIL", VIRTIO_MSG_EVENT_AVAIL,
                  sizeof(((struct virtio_msg *)NULL)->event_avail),
                  count / 10);
    measure_batch(link, "GET_DEVICE_STATUS", VIRTIO_MSG_GET_DEVICE_STATUS, 0,
                  count / 10);

    /* It has nothing to put away, and would report any other signal */
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    vmsg_link_free(link);
    return EXIT_SUCCESS;
}
