/*
 * Tests of virtio-msg with a peer that means harm
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include <linux/virtio_blk.h>
#include <linux/virtio_config.h>
#include "virtio-msg-hostile.h"

/*
 * Memory that is taken away
 */

static bool link_is_up(Hostile *h, const char *link)
{
    g_autofree char *path = g_strdup_printf("/machine/peripheral/%s", link);

    return qtest_qom_get_bool(h->t.qts, path, "link-up");
}

static void wait_link_down(Hostile *h)
{
    gint64 end = g_get_monotonic_time() +
                 VMSG_DEADLINE_MS * (gint64)G_TIME_SPAN_MILLISECOND;

    while (link_is_up(h, "link0")) {
        g_assert_cmpint(g_get_monotonic_time(), <, end);
        hostile_other_answers(h);
    }
}

/* link0 is gone for good, and nothing else is */
static void finish_without_link(Hostile *h)
{
    int i;

    wait_link_down(h);
    for (i = 0; i < 100; i++) {
        vmsg_link_ring(h->t.link);
        hostile_other_answers(h);
    }
    vmsg_settle(&h->t);
    g_assert_false(link_is_up(h, "link0"));
    g_assert_true(link_is_up(h, "link1"));

    /* What is left of the attacker cannot be asked any more */
    vmsg_test_stop(&h->t);
    vmsg_link_free(h->other);
    g_array_free(h->took, true);
}

static void test_shm_truncated(gconstpointer opaque)
{
    size_t left = GPOINTER_TO_SIZE(opaque);
    struct virtio_msg msg;
    Hostile h;

    hostile_start(&h, false);
    vmsg_init(&msg, VIRTIO_MSG_TYPE_BUS, VIRTIO_MSG_BUS_PING, 0,
              sizeof(msg.ping));
    g_assert_true(vmsg_try_put(h.t.link, &msg));
    g_assert_cmpint(ftruncate(h.t.link->shm_fd, left), ==, 0);
    vmsg_link_ring(h.t.link);
    finish_without_link(&h);
}

static void test_ram_truncated(gconstpointer opaque)
{
    const HostileTarget *target = opaque;
    VMsgBuffer bufs[HOSTILE_MAX_BUFS];
    unsigned num;
    VMsgQueue q;
    Hostile h;

    hostile_start(&h, false);
    hostile_up(&h, target, 0, &q);
    num = target->request(h.t.link, bufs);
    vmsg_queue_add(&q, bufs, num);
    g_assert_cmpint(ftruncate(h.t.link->ram_fd, 0), ==, 0);
    vmsg_queue_kick(&q);
    finish_without_link(&h);
}

int main(int argc, char **argv)
{
    size_t i;

    g_test_init(&argc, &argv, NULL);
    qtest_add_data_func("virtio-msg/hostile/shm-truncated/whole",
                        GSIZE_TO_POINTER(0), test_shm_truncated);
    qtest_add_data_func("virtio-msg/hostile/shm-truncated/device-queue",
                        GSIZE_TO_POINTER(VMSG_DEVICE_QUEUE),
                        test_shm_truncated);
    for (i = 0; i < hostile_num_targets; i++) {
        const HostileTarget *target = &hostile_targets[i];
        g_autofree char *path =
            g_strdup_printf("virtio-msg/hostile/ram-truncated/%s",
                            target->name);

        qtest_add_data_func(path, target, test_ram_truncated);
    }
    return g_test_run();
}
