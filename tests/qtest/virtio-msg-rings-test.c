/*
 * Tests of virtio-msg with rings that a driver means to do harm with
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>
#include "virtio-msg-hostile.h"

static struct vring_avail *ring_avail(VMsgQueue *q)
{
    return vmsg_link_ptr(q->link, q->avail);
}

static struct vring_used *ring_used(VMsgQueue *q)
{
    return vmsg_link_ptr(q->link, q->used);
}

static uint64_t deferrals(Hostile *h)
{
    return vmsg_qom_get(h->t.qts, "/machine/peripheral/link0/transport",
                        "deferrals");
}

/*
 * A driver that makes requests available as fast as they are taken
 */

typedef struct Refill {
    VMsgQueue q;
    uint64_t served;        /* requests that the device gave back */
    bool stop;
} Refill;

static gpointer refill_thread(gpointer opaque)
{
    Refill *r = opaque;
    struct vring_avail *avail = ring_avail(&r->q);
    struct vring_used *used = ring_used(&r->q);
    uint16_t last = 0;

    while (!__atomic_load_n(&r->stop, __ATOMIC_RELAXED)) {
        uint16_t idx = __atomic_load_n(&used->idx, __ATOMIC_ACQUIRE);

        idx = GUINT16_FROM_LE(idx);
        r->served += (uint16_t)(idx - last);
        last = idx;
        __atomic_store_n(&avail->idx, GUINT16_TO_LE(idx + r->q.size),
                         __ATOMIC_RELEASE);
    }
    return NULL;
}

/* B-05: whoever never stops asking does not keep the process to itself */
static void test_refill(gconstpointer opaque)
{
    const HostileTarget *target = opaque;
    VMsgBuffer bufs[HOSTILE_MAX_BUFS];
    g_autofree char *what = g_strdup_printf("%s kept busy", target->name);
    gint64 end;
    Refill r = { .stop = false };
    GThread *thread;
    unsigned num;
    Hostile h;

    hostile_start(&h, false);
    hostile_up(&h, target, 0, &r.q);
    num = target->request(h.t.link, bufs);
    /* One request, under all entries of the ring */
    g_assert_cmpuint(vmsg_queue_add(&r.q, bufs, num), ==, 0);

    thread = g_thread_new("refill", refill_thread, &r);
    end = g_get_monotonic_time() + hostile_seconds() * G_TIME_SPAN_SECOND;
    do {
        vmsg_queue_kick(&r.q);
        hostile_other_answers(&h);
        vmsg_ping(h.t.link);
        vmsg_drop_events(h.t.link);
    } while (g_get_monotonic_time() < end);
    g_assert_cmphex(vmsg_get_status(h.t.link, target->dev) &
                    VIRTIO_CONFIG_S_NEEDS_RESET, ==, 0);
    hostile_report(&h, what);

    __atomic_store_n(&r.stop, true, __ATOMIC_RELAXED);
    g_thread_join(thread);
    g_test_message("%s: it served %" PRIu64 " requests and waited %" PRIu64
                   " times", what, r.served, deferrals(&h));
    g_assert_cmpuint(r.served, >, r.q.size);
    hostile_target_works(&h, target);
    hostile_stop(&h);
}

/*
 * All requests of a ring that is larger than what a queue is given at a time
 * are handled, although the driver rings once.
 */
static void test_deferred(void)
{
    HostileTarget large = hostile_targets[HOSTILE_BLK];
    VMsgBuffer bufs[HOSTILE_MAX_BUFS];
    VMsgQueue q;
    Hostile h;
    int i;

    hostile_start(&h, false);
    large.size = vmsg_get_vqueue(h.t.link, large.dev, large.queue).max_size;
    hostile_up(&h, &large, 0, &q);
    vmsg_queue_add(&q, bufs, large.request(h.t.link, bufs));
    /* The same request in each place */
    ring_avail(&q)->idx = GUINT16_TO_LE(large.size);
    g_assert_cmpuint(deferrals(&h), ==, 0);
    vmsg_queue_kick(&q);
    for (i = 0; i < large.size; i++) {
        vmsg_queue_wait(&q, 0);
    }
    g_assert_cmpuint(deferrals(&h), >, 0);
    vmsg_drop_events(h.t.link);
    hostile_stop(&h);
}

int main(int argc, char **argv)
{
    size_t i;

    g_test_init(&argc, &argv, NULL);
    qtest_add_func("virtio-msg/rings/deferred", test_deferred);
    for (i = 0; i < hostile_num_targets; i++) {
        const HostileTarget *target = &hostile_targets[i];
        g_autofree char *path = g_strdup_printf("virtio-msg/rings/refill/%s",
                                                target->name);

        qtest_add_data_func(path, target, test_refill);
    }
    return g_test_run();
}
