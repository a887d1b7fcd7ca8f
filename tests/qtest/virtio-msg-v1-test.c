/*
 * Tests of links with the layout v1: when messages flow, and when not
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include <linux/virtio_config.h>
#include "qobject/qdict.h"
#include "qobject/qlist.h"
#include "virtio-msg-fixture.h"

#define RNG     "-device virtio-rng-device,iommu_platform=on"

#define TEST(name, function) \
    qtest_add_func("virtio-msg/v1-link/" name, function)

/* In the device side's head, which is where we place it */
#define DEVICE_STATUS   0x42

static void start(VMsgTest *t, const char *props)
{
    VMsgLink *link = vmsg_link_new(VMSG_SHM_SIZE, VMSG_RAM_SIZE);

    link->v1 = true;
    vmsg_link_reset_ring(link);
    vmsg_link_serve(link);
    vmsg_test_start_link(t, link, props, RNG);
}

static unsigned device_state(VMsgLink *link)
{
    uint16_t *status = (uint16_t *)(link->shm + DEVICE_STATUS);

    return GUINT16_FROM_LE(__atomic_load_n(status, __ATOMIC_ACQUIRE)) &
           VIRTIO_MSG_V1_STATE_MASK;
}

static void wait_device_state(VMsgTest *t, unsigned state)
{
    gint64 end = g_get_monotonic_time() +
                 VMSG_DEADLINE_MS * G_TIME_SPAN_MILLISECOND;

    while (device_state(t->link) != state) {
        vmsg_settle(t);
        g_assert_cmpint(g_get_monotonic_time(), <, end);
    }
}

static void use(VMsgTest *t)
{
    VMsgQueue q;

    vmsg_rng_up(t->link, 0, 0, &q);
    vmsg_rng_read(&q);
}

/* L-14, L-16: without a driver side there is nothing to be up */
static void test_comes_up(void)
{
    VMsgTest t;

    start(&t, "");
    wait_device_state(&t, VIRTIO_MSG_V1_STATE_INIT);
    g_assert_false(vmsg_link_is_up(&t, "link0"));
    use(&t);
    g_assert_true(vmsg_link_is_up(&t, "link0"));
    g_assert_cmpuint(device_state(t.link), ==, VIRTIO_MSG_V1_STATE_RUN);
    vmsg_test_stop(&t);
}

/* L-18: a driver side that begins anew owns no device */
static void test_driver_restarts(void)
{
    VMsgTest t;
    int i;

    start(&t, "");
    for (i = 0; i < 3; i++) {
        use(&t);
        vmsg_drop_events(t.link);
        vmsg_link_reset_ring(t.link);
        g_assert_cmphex(vmsg_get_status(t.link, 0), ==, 0);
        vmsg_wait_event(t.link, VIRTIO_MSG_TYPE_BUS,
                        VIRTIO_MSG_BUS_EVENT_DEVICE, 0, NULL);
    }
    vmsg_test_stop(&t);
}

/* L-21: one that goes has its devices reset, and may come back at once */
static void test_driver_goes(void)
{
    VMsgTest t;

    start(&t, "");
    use(&t);
    virtio_msg_ring_shut_down(&t.link->ring);
    vmsg_link_ring(t.link);
    vmsg_wait_link(&t, "link0", false);
    wait_device_state(&t, VIRTIO_MSG_V1_STATE_INIT);
    vmsg_drop_events(t.link);
    vmsg_link_reset_ring(t.link);
    g_assert_cmphex(vmsg_get_status(t.link, 0), ==, 0);
    use(&t);
    vmsg_test_stop(&t);
}

/* L-20 */
static void test_device_goes(void)
{
    VMsgTest t;

    start(&t, "");
    use(&t);
    qtest_quit(t.qts);
    g_assert_cmpuint(device_state(t.link), ==, VIRTIO_MSG_V1_STATE_SHUTDOWN);
    vmsg_link_free(t.link);
}

/* L-32: the log names the reason once, however often it comes about */
static void test_written_over(void)
{
    VMsgTest t;
    VMsgLog log;
    gint64 end = g_get_monotonic_time() +
                 VMSG_DEADLINE_MS * G_TIME_SPAN_MILLISECOND;
    int i;

    vmsg_log_begin(&log);
    start(&t, "");
    vmsg_log_started(&log);
    wait_device_state(&t, VIRTIO_MSG_V1_STATE_INIT);
    for (i = 0; i < 5; i++) {
        memset(t.link->shm, 0, 2 * VIRTIO_MSG_SPSC_PAGE_SIZE);
        vmsg_link_ring(t.link);
        while (!virtio_msg_ring_has_v1(t.link->shm)) {
            vmsg_settle(&t);
            g_assert_cmpint(g_get_monotonic_time(), <, end);
        }
    }
    g_assert_cmpuint(vmsg_log_count(&log, "layout=spsc"), ==, 1);
    g_assert_false(vmsg_link_is_up(&t, "link0"));
    use(&t);
    vmsg_test_stop(&t);
    vmsg_log_end(&log);
}

/* A ring of two elements has room for one message, and is shown so */
static void test_ring_size(void)
{
    VMsgTest t;
    QDict *ret, *info, *fill;
    int i;

    start(&t, ",ring-size=2");
    for (i = 0; i < 10; i++) {
        use(&t);
    }
    ret = qtest_qmp(t.qts, "{ 'execute': 'x-query-virtio-msg' }");
    info = qobject_to(QDict, qlist_peek(qdict_get_qlist(ret, "return")));
    g_assert_cmpstr(qdict_get_str(info, "layout"), ==, "v1");
    fill = qdict_get_qdict(info, "to-peer");
    g_assert_cmpint(qdict_get_int(fill, "size"), ==, 1);
    qobject_unref(ret);
    vmsg_test_stop(&t);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    TEST("comes-up", test_comes_up);
    TEST("driver-restarts", test_driver_restarts);
    TEST("driver-goes", test_driver_goes);
    TEST("device-goes", test_device_goes);
    TEST("written-over", test_written_over);
    TEST("ring-size", test_ring_size);
    return g_test_run();
}
