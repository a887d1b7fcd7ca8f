/*
 * What a message costs in the queue of a virtio-msg link
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include <time.h>
#include "hw/virtio/virtio-msg-ring.h"

/*
 * Both ends in one thread, so that this is the code alone: what it costs to
 * check indices and to copy, without caches that move between CPUs.
 */

#define ROUNDS      20000
#define RUNS        21
#define MESSAGES    (VIRTIO_MSG_SPSC_NUM_SLOTS - 1)

static double now_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec * 1e9 + ts.tv_nsec;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;

    return (x > y) - (x < y);
}

static uint8_t *new_page(void)
{
    void *page = mmap(NULL, VIRTIO_MSG_SPSC_PAGE_SIZE, PROT_READ | PROT_WRITE,
                      MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    g_assert(page != MAP_FAILED);
    return page;
}

int main(void)
{
    QEMU_ALIGNED(8) uint8_t msg[VIRTIO_MSG_RING_SLOT_SIZE] = { 0 };
    uint8_t *there = new_page(), *back = new_page();
    double put[RUNS], get[RUNS];
    VirtIOMSGRing driver, device;
    unsigned run, round, i;

    virtio_msg_ring_init_spsc(&driver, there, back, true);
    virtio_msg_ring_init_spsc(&device, back, there, false);
    for (run = 0; run < RUNS; run++) {
        put[run] = 0;
        get[run] = 0;
        for (round = 0; round < ROUNDS; round++) {
            double start = now_ns(), middle;

            for (i = 0; i < MESSAGES; i++) {
                g_assert(virtio_msg_ring_put(&driver, msg, sizeof(msg)) ==
                         VIRTIO_MSG_RING_OK);
            }
            middle = now_ns();
            for (i = 0; i < MESSAGES; i++) {
                g_assert(virtio_msg_ring_get(&device, msg) ==
                         VIRTIO_MSG_RING_OK);
            }
            put[run] += middle - start;
            get[run] += now_ns() - middle;
        }
    }

    qsort(put, RUNS, sizeof(put[0]), compare);
    qsort(get, RUNS, sizeof(get[0]), compare);
    printf("take %.1f\n", get[RUNS / 2] / ROUNDS / MESSAGES);
    printf("put %.1f\n", put[RUNS / 2] / ROUNDS / MESSAGES);
    return EXIT_SUCCESS;
}
