/*
 * Tests of the slots of a link: where devices go, what they are called there,
 * and what becomes of slots that are taken apart
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include <linux/virtio_ids.h>
#include <sys/resource.h>
#include "qapi/error.h"
#include "qobject/qdict.h"
#include "qobject/qjson.h"
#include "virtio-msg-fixture.h"

#define LINK0       "/machine/peripheral/link0"
#define RNG         "-device virtio-rng-device "

static bool plugged(VMsgTest *t, uint16_t n)
{
    uint32_t id = vmsg_get_info(t->link, n).device_id;

    g_assert_true(id == 0 || id == VIRTIO_ID_RNG);
    return id;
}

/*
 * Where devices go
 */

/*
 * The lowest slot that nobody had so far, and only then the one that is free for
 * the longest time (B-08)
 */
static void test_longest_free(void)
{
    static const int gaps[] = { 1, 0, 6, 4, 7 };
    static const int filled[] = { 9, 1, 0, 6, 4, 7, 10 };
    g_autofree char *id = NULL;
    VMsgTest t;
    size_t i;

    vmsg_test_start(&t, ",slots=2", "-S");
    for (i = 0; i < 9; i++) {
        id = g_strdup_printf("dev%zu", i);
        qtest_qmp_device_add(t.qts, "virtio-rng-device", id, "{}");
        g_assert_true(plugged(&t, i));
        g_assert_false(plugged(&t, i + 1));
        g_clear_pointer(&id, g_free);
    }
    for (i = 0; i < G_N_ELEMENTS(gaps); i++) {
        id = g_strdup_printf("dev%d", gaps[i]);
        qtest_qmp_device_del(t.qts, id);
        g_assert_false(plugged(&t, gaps[i]));
        g_clear_pointer(&id, g_free);
    }
    for (i = 0; i < G_N_ELEMENTS(filled); i++) {
        id = g_strdup_printf("new%zu", i);
        g_assert_false(plugged(&t, filled[i]));
        qtest_qmp_device_add(t.qts, "virtio-rng-device", id, "{}");
        g_assert_true(plugged(&t, filled[i]));
        g_clear_pointer(&id, g_free);
    }
    vmsg_test_stop(&t);
}

/* Of the link that was given last, or of the one that is named */
static void test_any_of_a_link(void)
{
    VMsgLink *other = vmsg_link_new(VMSG_SHM_SIZE, VMSG_RAM_SIZE);
    g_autofree char *args = NULL;
    VMsgTest t;
    QDict *r;
    int i;

    vmsg_link_serve(other);
    args = vmsg_link_args(other, "other", "");
    vmsg_test_start(&t, "", "%s " RNG "-device virtio-rng-device,bus=link0.any "
                    "-device virtio-rng-device,bus=link0.1 "
                    "-device virtio-rng-device,bus=link0.any ", args);
    vmsg_link_started(other);
    for (i = 0; i < 3; i++) {
        g_assert_true(plugged(&t, i));
    }
    g_assert_false(plugged(&t, 3));
    g_assert_cmpuint(vmsg_get_info(other, 0).device_id, ==, VIRTIO_ID_RNG);
    g_assert_cmpuint(vmsg_get_info(other, 1).device_id, ==, 0);

    /* A device that does not like it there leaves nothing behind */
    r = qtest_qmp_assert_failure_ref(t.qts, "{ 'execute': 'device_add',"
                                     " 'arguments': { 'id': 'bad', 'bus':"
                                     " 'link0.any', 'driver':"
                                     " 'virtio-rng-device',"
                                     " 'max-bytes': -1 } }");
    qobject_unref(r);
    g_assert_false(plugged(&t, 3));
    qtest_qmp_device_add(t.qts, "virtio-rng-device", "bad",
                         "{ 'bus': 'link0.any' }");
    g_assert_true(plugged(&t, 3));
    vmsg_test_stop(&t);
    vmsg_link_free(other);
}

static void assert_error(QDict *r, const char *word)
{
    QDict *error = qdict_get_qdict(r, "error");

    g_assert_nonnull(error);
    g_assert_nonnull(strstr(qdict_get_str(error, "desc"), word));
    qobject_unref(r);
}

/* What cannot stand on a link, and what it needs besides an id and a bus */
static const struct {
    const char *driver;
    const char *props;
} refused[] = {
    { "virtio-balloon-device", "{}" },
    { "virtio-mem", "{ 'memdev': 'more' }" },
    { "virtio-pmem", "{ 'memdev': 'more' }" },
    { "vhost-vsock-device", "{ 'guest-cid': 3 }" },
    { "vhost-scsi", "{ 'wwpn': 'naa.5001405324af0985' }" },
};

/* As what it is, whatever its backend would say */
static void assert_refused(VMsgTest *t, size_t which, const char *bus)
{
    QObject *props = qobject_from_json(refused[which].props, &error_abort);
    QDict *args = qobject_to(QDict, props);

    qdict_put_str(args, "driver", refused[which].driver);
    qdict_put_str(args, "id", "dev");
    qdict_put_str(args, "bus", bus);
    assert_error(qtest_qmp(t->qts, "{ 'execute': 'device_add',"
                           " 'arguments': %p }", args),
                 "cannot stand on virtio-msg");
}

/* They leave nothing behind: no name, no slot, no memory in use, no news */
static void test_refused(void)
{
    VMsgTest t;
    size_t i;

    vmsg_test_start(&t, ",slots=2", "-S");
    for (i = 0; i < G_N_ELEMENTS(refused); i++) {
        if (!qtest_has_device(refused[i].driver)) {
            g_test_message("this QEMU has no %s", refused[i].driver);
            continue;
        }
        qtest_qmp_assert_success(t.qts, "{ 'execute': 'object-add',"
                                 " 'arguments': { 'qom-type':"
                                 " 'memory-backend-ram', 'id': 'more',"
                                 " 'size': 1048576 } }");
        assert_refused(&t, i, "link0.any");
        assert_refused(&t, i, "link0.1");
        qtest_qmp_assert_success(t.qts, "{ 'execute': 'object-del',"
                                 " 'arguments': { 'id': 'more' } }");
    }
    g_assert_false(plugged(&t, 0));
    g_assert_false(plugged(&t, 1));
    g_assert_false(vmsg_take_event(t.link, VIRTIO_MSG_TYPE_BUS,
                                   VIRTIO_MSG_BUS_EVENT_DEVICE, 0, NULL));
    qtest_qmp_device_add(t.qts, "virtio-rng-device", "dev",
                         "{ 'bus': 'link0.1' }");
    g_assert_true(plugged(&t, 1));
    qtest_qmp_device_add(t.qts, "virtio-rng-device", "other", "{}");
    g_assert_true(plugged(&t, 0));
    vmsg_test_stop(&t);
}

/*
 * What is taken apart
 */

static QDict *set_realized(VMsgTest *t, const char *path, bool on)
{
    return qtest_qmp(t->qts, "{ 'execute': 'qom-set', 'arguments':"
                     " { 'path': %s, 'property': 'realized', 'value': %i } }",
                     path, on);
}

static void assert_ok(QDict *r)
{
    g_assert_true(qdict_haskey(r, "return"));
    qobject_unref(r);
}

/* Once apart, links stay so, and say why */
static void test_realize_again(gconstpointer path)
{
    VMsgQueue q;
    VMsgTest t;
    int i;

    vmsg_test_start(&t, "", RNG);
    vmsg_rng_up(t.link, 0, 0, &q);
    vmsg_rng_read(&q);

    assert_ok(set_realized(&t, path, false));
    for (i = 0; i < 2; i++) {
        assert_error(set_realized(&t, path, true), "cannot be realized again");
        vmsg_link_ring(t.link);
        vmsg_settle(&t);
    }
    assert_error(qtest_qmp(t.qts, "{ 'execute': 'device_add', 'arguments':"
                           " { 'driver': 'virtio-rng-device' } }"),
                 "link0 has been shut down");
    assert_error(qtest_qmp(t.qts, "{ 'execute': 'device_add', 'arguments':"
                           " { 'driver': 'virtio-rng-device',"
                           " 'bus': 'link0.7' } }"),
                 "link0 has been shut down");
    g_free(qtest_hmp(t.qts, "info virtio-msg"));
    g_free(qtest_hmp(t.qts, "info qtree"));
    vmsg_link_hang_up(t.link);
    vmsg_settle(&t);
    vmsg_test_stop(&t);
}

/* Slots come back */
static void test_realize_slot_again(void)
{
    static const char path[] = LINK0 "/link0/transport/slots[0]/slot[0]";
    VMsgQueue q;
    VMsgTest t;

    vmsg_test_start(&t, ",slots=1", "-device virtio-rng-device,id=rng0 ");
    vmsg_rng_up(t.link, 0, 0, &q);
    vmsg_rng_read(&q);

    assert_ok(set_realized(&t, path, false));
    g_assert_false(plugged(&t, 0));
    vmsg_queue_kick(&q);
    vmsg_ping(t.link);
    /* Not the device, whose queues virtio_init() makes again, and leaks */
    assert_ok(set_realized(&t, path, true));
    g_assert_false(plugged(&t, 0));
    qtest_qmp_device_add(t.qts, "virtio-rng-device", "rng1", "{}");
    g_assert_true(plugged(&t, 1));
    /* Nor when no other one is left */
    qtest_qmp_device_add(t.qts, "virtio-rng-device", "rng2", "{}");
    g_assert_true(plugged(&t, 2));
    vmsg_test_stop(&t);
}

/*
 * What they cost
 */

/* Seconds of CPU time that a QEMU takes from start to end */
static double start_time(unsigned slots)
{
    g_autofree char *props = g_strdup_printf(",slots=%u", slots);
    struct rusage before, after;
    VMsgTest t;

    getrusage(RUSAGE_CHILDREN, &before);
    vmsg_test_start(&t, props, "-S");
    vmsg_ping(t.link);
    vmsg_test_stop(&t);
    getrusage(RUSAGE_CHILDREN, &after);
    return after.ru_utime.tv_sec - before.ru_utime.tv_sec +
           (after.ru_utime.tv_usec - before.ru_utime.tv_usec) / 1e6;
}

/* Eight times as many take eight times as long, and not 64 times */
static void test_start_time(void)
{
    double none = start_time(1);
    double some = start_time(4096) - none;
    double many = start_time(32768) - none;

    g_test_message("4096 slots: %.3f s, 32768 slots: %.3f s", some, many);
    g_assert_cmpfloat(many, <, 24 * MAX(some, 0.01));
}

#define TEST(name, fn) qtest_add_func("virtio-msg/slots/" name, fn)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);

    TEST("longest-free", test_longest_free);
    TEST("any-of-a-link", test_any_of_a_link);
    TEST("refused", test_refused);
    qtest_add_data_func("virtio-msg/slots/realize-again/link", LINK0,
                        test_realize_again);
    qtest_add_data_func("virtio-msg/slots/realize-again/transport",
                        LINK0 "/link0/transport", test_realize_again);
    TEST("realize-again/slot", test_realize_slot_again);
    TEST("start-time", test_start_time);
    return g_test_run();
}
