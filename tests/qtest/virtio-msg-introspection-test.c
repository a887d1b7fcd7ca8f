/*
 * Tests of looking inside: what monitors tell of virtio-msg links and devices
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_ring.h>
#include "qobject/qdict.h"
#include "qobject/qlist.h"
#include "qobject/qstring.h"
#include "virtio-msg-fixture.h"

#define NO_DEVICES      " "
#define BUS             VIRTIO_MSG_TYPE_BUS
#define CAPACITY        (VIRTIO_MSG_SPSC_NUM_SLOTS - 1)
#define LINK0           "/machine/peripheral/link0"

/* Link events are limited to one in this time */
#define EVENT_RATE_NS   (1000 * 1000 * 1000LL)

static const char link_event[] = "VIRTIO_MSG_LINK_STATE_CHANGED";

/*
 * The query
 */

/* One link, whole; to be freed */
static QDict *query(VMsgTest *t, const char *link)
{
    QDict *r = qtest_qmp(t->qts, "{ 'execute': 'x-query-virtio-msg',"
                         " 'arguments': { 'link': %s } }", link);
    QList *list = qdict_get_qlist(r, "return");
    QDict *info;

    g_assert_nonnull(list);
    g_assert_cmpuint(qlist_size(list), ==, 1);
    info = qobject_to(QDict, qlist_peek(list));
    qobject_ref(info);
    qobject_unref(r);
    return info;
}

/* The entry of one message id, or NULL */
static QDict *find_id(QDict *info, bool bus, uint8_t id)
{
    QDict *counters = qdict_get_qdict(info, "counters");
    const QListEntry *e;

    QLIST_FOREACH_ENTRY(qdict_get_qlist(counters, "messages"), e) {
        QDict *count = qobject_to(QDict, qlist_entry_obj(e));

        if (qdict_get_bool(count, "bus") == bus &&
            qdict_get_int(count, "id") == id) {
            return count;
        }
    }
    return NULL;
}

static uint64_t queue_used(VMsgTest *t, const char *queue)
{
    QDict *info = query(t, "link0");
    QDict *fill = qdict_get_qdict(info, queue);
    uint64_t used = qdict_get_int(fill, "used");

    g_assert_cmpuint(qdict_get_int(fill, "size"), ==, CAPACITY);
    qobject_unref(info);
    return used;
}

static bool has_status(QDict *device, const char *bit)
{
    const QListEntry *e;

    QLIST_FOREACH_ENTRY(qdict_get_qlist(device, "status"), e) {
        if (g_str_equal(qstring_get_str(qobject_to(QString,
                                                   qlist_entry_obj(e))),
                        bit)) {
            return true;
        }
    }
    return false;
}

static void test_link(void)
{
    QDict *info, *window;
    VMsgTest t;

    vmsg_test_start(&t, ",mem-low-size=4M,mem-hole=16M", NO_DEVICES);
    vmsg_ping(t.link);
    info = query(&t, "link0");
    g_assert_cmpstr(qdict_get_str(info, "name"), ==, "link0");
    g_assert_cmpstr(qdict_get_str(info, "qom-path"), ==, LINK0);
    g_assert_cmpstr(qdict_get_str(info, "type"), ==, "virtio-msg-bus-ivshmem");
    g_assert_cmpstr(qdict_get_str(info, "state"), ==, "up");
    g_assert_cmpstr(qdict_get_str(info, "layout"), ==, "spsc");
    g_assert_cmpuint(qdict_get_int(info, "own-id"), ==, VMSG_DEVICE_ID);
    g_assert_cmpuint(qdict_get_int(info, "peer-id"), ==, VMSG_DRIVER_ID);
    g_assert_cmpuint(qdict_get_int(info, "max-message-size"), ==, 64);
    g_assert_true(qlist_empty(qdict_get_qlist(info, "devices")));

    g_assert_cmpuint(qlist_size(qdict_get_qlist(info, "windows")), ==, 2);
    window = qobject_to(QDict, qlist_pop(qdict_get_qlist(info, "windows")));
    g_assert_cmphex(qdict_get_int(window, "address"), ==, VMSG_RAM_BASE);
    g_assert_cmphex(qdict_get_int(window, "size"), ==, 4 << 20);
    g_assert_cmpstr(qdict_get_str(window, "backing"), ==, "memdev link0-ram");
    qobject_unref(window);
    window = qobject_to(QDict, qlist_pop(qdict_get_qlist(info, "windows")));
    g_assert_cmphex(qdict_get_int(window, "address"), ==,
                    VMSG_RAM_BASE + (20 << 20));
    g_assert_cmphex(qdict_get_int(window, "size"), ==, 12 << 20);
    qobject_unref(window);
    qobject_unref(info);
    vmsg_test_stop(&t);
}

static void test_devices(void)
{
    QDict *info, *device, *vq;
    QList *devices, *vqs;
    VMsgQueue q;
    VMsgTest t;

    vmsg_test_start(&t, "", "-device virtio-rng-device,id=rng0 "
                    "-device virtio-net-device,id=net0,bus=link0.7 ");
    vmsg_rng_up(t.link, 0, 0, &q);

    info = query(&t, LINK0);
    devices = qdict_get_qlist(info, "devices");
    g_assert_cmpuint(qlist_size(devices), ==, 2);

    device = qobject_to(QDict, qlist_pop(devices));
    g_assert_cmpuint(qdict_get_int(device, "number"), ==, 0);
    g_assert_cmpuint(qdict_get_int(device, "device-id"), ==, VIRTIO_ID_RNG);
    g_assert_cmpstr(qdict_get_str(device, "name"), ==, "virtio-rng");
    g_assert_cmpstr(qdict_get_str(device, "qom-path"), ==,
                    "/machine/peripheral/rng0");
    g_assert_true(has_status(device, "acknowledge"));
    g_assert_true(has_status(device, "driver"));
    g_assert_true(has_status(device, "features-ok"));
    g_assert_true(has_status(device, "driver-ok"));
    g_assert_false(has_status(device, "needs-reset"));
    g_assert_false(has_status(device, "failed"));
    vqs = qdict_get_qlist(device, "virtqueues");
    g_assert_cmpuint(qlist_size(vqs), ==, 1);
    vq = qobject_to(QDict, qlist_peek(vqs));
    g_assert_cmpuint(qdict_get_int(vq, "index"), ==, 0);
    g_assert_cmpuint(qdict_get_int(vq, "size"), ==, VMSG_RNG_QUEUE_SIZE);
    g_assert_cmpuint(qdict_get_int(vq, "max-size"), ==,
                     vmsg_get_vqueue(t.link, 0, 0).max_size);
    qobject_unref(device);

    /* Nobody has touched this one: three queues, none of them set up */
    device = qobject_to(QDict, qlist_pop(devices));
    g_assert_cmpuint(qdict_get_int(device, "number"), ==, 7);
    g_assert_cmpuint(qdict_get_int(device, "device-id"), ==, VIRTIO_ID_NET);
    g_assert_true(qlist_empty(qdict_get_qlist(device, "status")));
    vqs = qdict_get_qlist(device, "virtqueues");
    g_assert_cmpuint(qlist_size(vqs), ==, 3);
    vq = qobject_to(QDict, qlist_peek(vqs));
    g_assert_cmpuint(qdict_get_int(vq, "size"), ==, 0);
    qobject_unref(device);
    qobject_unref(info);
    vmsg_test_stop(&t);
}

/* Two links: each is found by name and by path, and a query finds both */
static void test_several_links(void)
{
    VMsgLink *links[2];
    g_autofree char *args = NULL;
    QDict *r, *info;
    VMsgTest t;

    links[0] = vmsg_link_new(VMSG_SHM_SIZE, VMSG_RAM_SIZE);
    links[1] = vmsg_link_new(VMSG_SHM_SIZE, VMSG_RAM_SIZE);
    vmsg_link_serve(links[0]);
    vmsg_link_serve(links[1]);
    args = vmsg_link_args(links[1], "other", "");
    vmsg_test_start_link(&t, links[0], "", args);
    vmsg_link_started(links[1]);

    r = qtest_qmp(t.qts, "{ 'execute': 'x-query-virtio-msg' }");
    g_assert_cmpuint(qlist_size(qdict_get_qlist(r, "return")), ==, 2);
    qobject_unref(r);

    info = query(&t, "other");
    g_assert_cmpstr(qdict_get_str(info, "name"), ==, "other");
    qobject_unref(info);
    info = query(&t, "/machine/peripheral/other");
    g_assert_cmpstr(qdict_get_str(info, "name"), ==, "other");
    qobject_unref(info);

    vmsg_test_stop(&t);
    vmsg_link_free(links[1]);
}

static void test_bad_arguments(void)
{
    g_autofree char *hmp = NULL;
    QDict *err;
    VMsgTest t;

    vmsg_test_start(&t, "", NO_DEVICES);
    err = qtest_qmp_assert_failure_ref(t.qts,
        "{ 'execute': 'x-query-virtio-msg', 'arguments': { 'link': 'nix' } }");
    g_assert_nonnull(strstr(qdict_get_str(err, "desc"),
                            "no virtio-msg link 'nix'"));
    qobject_unref(err);
    err = qtest_qmp_assert_failure_ref(t.qts,
        "{ 'execute': 'x-query-virtio-msg', 'arguments': { 'link': '' } }");
    g_assert_nonnull(strstr(qdict_get_str(err, "desc"),
                            "no virtio-msg link ''"));
    qobject_unref(err);
    err = qtest_qmp_assert_failure_ref(t.qts,
        "{ 'execute': 'x-query-virtio-msg', 'arguments': { 'link': 7 } }");
    g_assert_nonnull(strstr(qdict_get_str(err, "desc"), "link"));
    qobject_unref(err);
    /* An object, but not a link */
    err = qtest_qmp_assert_failure_ref(t.qts,
        "{ 'execute': 'x-query-virtio-msg',"
        "  'arguments': { 'link': '/machine' } }");
    g_assert_nonnull(strstr(qdict_get_str(err, "desc"), "'/machine'"));
    qobject_unref(err);

    hmp = qtest_hmp(t.qts, "info virtio-msg nix");
    g_assert_nonnull(strstr(hmp, "no virtio-msg link 'nix'"));
    vmsg_test_stop(&t);
}

/* The features of a command or event in the schema; an error if it is not */
static QList *schema_features(QList *schema, const char *name)
{
    const QListEntry *e;

    QLIST_FOREACH_ENTRY(schema, e) {
        QDict *entity = qobject_to(QDict, qlist_entry_obj(e));

        if (g_str_equal(qdict_get_str(entity, "name"), name)) {
            return qdict_get_qlist(entity, "features");
        }
    }
    g_error("the schema has no %s", name);
}

/* What is for people who look for a fault promises nothing to programs */
static void test_unstable(void)
{
    const char *const names[] = { "x-query-virtio-msg", link_event };
    QTestState *qts = qtest_init("-M virtio-msg -nodefaults");
    QDict *r = qtest_qmp(qts, "{ 'execute': 'query-qmp-schema' }");
    QList *features;
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(names); i++) {
        features = schema_features(qdict_get_qlist(r, "return"), names[i]);
        g_assert_nonnull(features);
        g_assert_cmpstr(qstring_get_str(qobject_to(QString,
                                                   qlist_peek(features))),
                        ==, "unstable");
    }
    qobject_unref(r);
    qtest_quit(qts);
}

static void test_no_links(void)
{
    QTestState *qts = qtest_init("-M virtio-msg -nodefaults");
    g_autofree char *hmp = qtest_hmp(qts, "info virtio-msg");
    QDict *r = qtest_qmp(qts, "{ 'execute': 'x-query-virtio-msg' }");

    g_assert_true(qlist_empty(qdict_get_qlist(r, "return")));
    g_assert_nonnull(strstr(hmp, "No virtio-msg links"));
    qobject_unref(r);
    qtest_quit(qts);
}

/*
 * What was counted
 */

static void put(VMsgLink *link, uint8_t type, uint8_t id, uint16_t dev,
                size_t payload)
{
    struct virtio_msg msg;

    vmsg_init(&msg, type, id, dev, payload);
    g_assert_true(vmsg_try_put(link, &msg));
}

static void test_queue_fill(void)
{
    struct virtio_msg msg;
    VMsgTest t;
    int i;

    vmsg_test_start(&t, "", NO_DEVICES);
    vmsg_ping(t.link);
    vmsg_settle(&t);
    g_assert_cmpuint(queue_used(&t, "to-peer"), ==, 0);
    g_assert_cmpuint(queue_used(&t, "from-peer"), ==, 0);

    /* Nobody has been told of these yet */
    for (i = 0; i < 5; i++) {
        put(t.link, BUS, VIRTIO_MSG_BUS_PING, 0, 4);
    }
    g_assert_cmpuint(queue_used(&t, "from-peer"), ==, 5);

    vmsg_link_ring(t.link);
    vmsg_settle(&t);
    g_assert_cmpuint(queue_used(&t, "from-peer"), ==, 0);
    g_assert_cmpuint(queue_used(&t, "to-peer"), ==, 5);
    for (i = 0; i < 5; i++) {
        g_assert_true(vmsg_try_get(t.link, &msg));
    }
    g_assert_cmpuint(queue_used(&t, "to-peer"), ==, 0);
    vmsg_test_stop(&t);
}

static void test_message_counters(void)
{
    QDict *info, *count;
    VMsgTest t;
    int i;

    vmsg_test_start(&t, "", "-device virtio-rng-device ");
    for (i = 0; i < 3; i++) {
        vmsg_get_status(t.link, 0);
    }
    put(t.link, 0, 0x3f, 0, 0);
    vmsg_ping(t.link);

    info = query(&t, "link0");
    count = find_id(info, false, VIRTIO_MSG_GET_DEVICE_STATUS);
    g_assert_nonnull(count);
    g_assert_cmpstr(qdict_get_str(count, "name"), ==, "GET_DEVICE_STATUS");
    g_assert_cmpuint(qdict_get_int(count, "received"), ==, 3);
    g_assert_cmpuint(qdict_get_int(count, "sent"), ==, 3);

    /* What nobody knows is counted all the same, without a name */
    count = find_id(info, false, 0x3f);
    g_assert_nonnull(count);
    g_assert_false(qdict_haskey(count, "name"));
    g_assert_cmpuint(qdict_get_int(count, "received"), ==, 1);
    g_assert_cmpuint(qdict_get_int(count, "sent"), ==, 0);

    count = find_id(info, true, VIRTIO_MSG_BUS_EVENT_DEVICE);
    g_assert_cmpuint(qdict_get_int(count, "received"), ==, 0);
    g_assert_cmpuint(qdict_get_int(count, "sent"), ==, 1);
    /* The same id means something else in a transport message */
    g_assert_null(find_id(info, false, VIRTIO_MSG_EVENT_CONFIG));
    qobject_unref(info);

    g_assert_cmpuint(vmsg_counter(&t, NULL, "received"), ==, 5);
    g_assert_cmpuint(vmsg_counter(&t, NULL, "sent"), ==, 5);
    vmsg_test_stop(&t);
}

static void test_drop_counters(void)
{
    VMsgTest t;

    vmsg_test_start(&t, "", "-device virtio-rng-device ");
    put(t.link, 0, VIRTIO_MSG_GET_VQUEUE, 0, 0);
    put(t.link, 0, 0x3f, 0, 0);
    put(t.link, 0, 0x3e, 0, 0);
    put(t.link, 0, VIRTIO_MSG_GET_DEVICE_STATUS, 9, 0);
    put(t.link, 0, VIRTIO_MSG_EVENT_AVAIL, 0, 8);
    vmsg_ping(t.link);

    g_assert_cmpuint(vmsg_counter(&t, "drops", "malformed"), ==, 1);
    g_assert_cmpuint(vmsg_counter(&t, "drops", "unknown"), ==, 2);
    g_assert_cmpuint(vmsg_counter(&t, "drops", "no-device"), ==, 1);
    g_assert_cmpuint(vmsg_counter(&t, "drops", "ignored"), ==, 1);
    vmsg_test_stop(&t);
}

static void test_doorbell_counters(void)
{
    uint64_t received, sent;
    VMsgTest t;
    int i;

    vmsg_test_start(&t, "", NO_DEVICES);
    vmsg_ping(t.link);
    vmsg_settle(&t);
    received = vmsg_counter(&t, NULL, "doorbells-received");
    sent = vmsg_counter(&t, NULL, "doorbells-sent");
    for (i = 0; i < 4; i++) {
        /* Two that are not heard in time make one */
        vmsg_ping(t.link);
        vmsg_settle(&t);
    }
    /* For nothing, and nothing is answered */
    vmsg_link_ring(t.link);
    vmsg_settle(&t);
    g_assert_cmpuint(vmsg_counter(&t, NULL, "doorbells-received"), ==,
                     received + 5);
    g_assert_cmpuint(vmsg_counter(&t, NULL, "doorbells-sent"), ==, sent + 4);
    vmsg_test_stop(&t);
}

/* However often it is tried again, a queue that stays full is one stall */
static void test_stall_counter(void)
{
    struct virtio_msg msg;
    VMsgTest t;
    int i;

    vmsg_test_start(&t, "", NO_DEVICES);
    for (i = 0; i < CAPACITY; i++) {
        put(t.link, BUS, VIRTIO_MSG_BUS_PING, 0, 4);
    }
    vmsg_link_ring(t.link);
    vmsg_settle(&t);
    g_assert_cmpuint(vmsg_counter(&t, NULL, "stalls"), ==, 0);

    for (i = 0; i < 3; i++) {
        put(t.link, BUS, VIRTIO_MSG_BUS_PING, 0, 4);
        vmsg_link_ring(t.link);
        vmsg_settle(&t);
        g_assert_cmpuint(vmsg_counter(&t, NULL, "stalls"), ==, 1);
    }
    for (i = 0; i < CAPACITY + 3; i++) {
        vmsg_get(t.link, &msg);
    }
    g_assert_cmpuint(vmsg_counter(&t, NULL, "stalls"), ==, 1);
    vmsg_test_stop(&t);
}

/*
 * The human monitor
 */

static void test_hmp(void)
{
    static const char *const words[] = {
        "link0: virtio-msg-bus-ivshmem, up",
        "path: " LINK0 "",
        "own id: 0",
        "peer's id: 1",
        "layout: spsc",
        "largest message: 64 bytes",
        "queue to peer: 0 of 61",
        "queue from peer: 0 of 61",
        "window: 0x40000000 to 0x40ffffff: memdev link0-ram",
        "device 0: virtio-rng (id 4) /machine/peripheral/rng0",
        "status: acknowledge driver driver-ok features-ok",
        "queue 0: 8 of ",
        "device 3: virtio-rng (id 4) /machine/peripheral/rng3",
        "status: reset",
        "queue 0: not set up",
        "bus       0x03 PING ",
        "transport 0x0a SET_VQUEUE ",
        "transport 0x3f ? ",
        "all messages: ",
        "doorbells: ",
        "dropped: 0 malformed, 1 unknown, 0 for no device, 0 ignored",
        "stalls: 0, bad indices: 0, deferrals: 0",
    };
    g_autofree char *all = NULL;
    g_autofree char *one = NULL;
    const char *at;
    VMsgQueue q;
    VMsgTest t;
    size_t i;

    vmsg_test_start(&t, "", "-device virtio-rng-device,id=rng0 "
                    "-device virtio-rng-device,id=rng3,bus=link0.3 ");
    vmsg_rng_up(t.link, 0, 0, &q);
    put(t.link, 0, 0x3f, 0, 0);
    vmsg_ping(t.link);

    all = qtest_hmp(t.qts, "info virtio-msg");
    one = qtest_hmp(t.qts, "info virtio-msg link0");
    g_assert_cmpstr(all, ==, one);
    for (at = all, i = 0; i < G_N_ELEMENTS(words); i++) {
        at = strstr(at, words[i]);
        if (!at) {
            g_error("no \"%s\" in its place in:\n%s", words[i], all);
        }
    }
    vmsg_test_stop(&t);
}

/*
 * The state of the link
 */

static void bad_index(VMsgTest *t, uint32_t index)
{
    uint32_t *head = (uint32_t *)(t->link->shm + VMSG_DRIVER_QUEUE +
                                  VIRTIO_MSG_SPSC_HEAD);

    __atomic_store_n(head, GUINT32_TO_LE(index), __ATOMIC_RELEASE);
    vmsg_link_ring(t->link);
    vmsg_settle(t);
}

static void good_index(VMsgTest *t)
{
    bad_index(t, t->link->ring.spsc.tx_head);
}

static void check_state(VMsgTest *t, const char *state)
{
    QDict *r = qtest_qmp(t->qts, "{ 'execute': 'qom-get', 'arguments':"
                         " { 'path': %s, 'property': 'link-state' } }", LINK0);

    g_assert_cmpstr(qdict_get_str(r, "return"), ==, state);
    qobject_unref(r);
}

/* The event that waits, which is the only one */
static void check_event(VMsgTest *t, const char *state)
{
    QDict *event = qtest_qmp_event_ref(t->qts, link_event);
    QDict *data;

    g_assert_nonnull(event);
    data = qdict_get_qdict(event, "data");
    g_assert_cmpstr(qdict_get_str(data, "link"), ==, "link0");
    g_assert_cmpstr(qdict_get_str(data, "qom-path"), ==, LINK0);
    g_assert_cmpstr(qdict_get_str(data, "state"), ==, state);
    qobject_unref(event);
    g_assert_null(qtest_qmp_event_ref(t->qts, link_event));
}

/* What was announced so far, at start too, no longer delays what comes */
static void quiet(VMsgTest *t)
{
    qtest_clock_step(t->qts, 2 * EVENT_RATE_NS);
    vmsg_settle(t);
    qtest_clock_step(t->qts, 2 * EVENT_RATE_NS);
    vmsg_settle(t);
}

static void test_state_failed(void)
{
    VMsgTest t;

    vmsg_test_start(&t, "", NO_DEVICES);
    check_state(&t, "up");
    quiet(&t);
    g_assert_null(qtest_qmp_event_ref(t.qts, link_event));

    bad_index(&t, 62);
    check_state(&t, "failed");
    check_event(&t, "failed");
    quiet(&t);

    good_index(&t);
    check_state(&t, "up");
    check_event(&t, "up");
    vmsg_ping(t.link);
    vmsg_test_stop(&t);
}

/* The peer's index in the other queue matters as soon as there is news */
static void test_state_failed_tx(void)
{
    struct virtio_msg msg;
    uint32_t *tail;
    VMsgTest t;

    vmsg_test_start(&t, "", NO_DEVICES);
    vmsg_ping(t.link);
    quiet(&t);

    tail = (uint32_t *)(t.link->shm + VMSG_DEVICE_QUEUE +
                        VIRTIO_MSG_SPSC_TAIL);
    put(t.link, BUS, VIRTIO_MSG_BUS_PING, 0, 4);
    __atomic_store_n(tail, GUINT32_TO_LE(0x1000), __ATOMIC_RELEASE);
    vmsg_link_ring(t.link);
    vmsg_settle(&t);
    check_state(&t, "failed");
    check_event(&t, "failed");
    g_assert_cmpuint(vmsg_counter(&t, NULL, "bad-indices"), ==, 1);
    quiet(&t);

    __atomic_store_n(tail, GUINT32_TO_LE(t.link->ring.spsc.rx_tail),
                     __ATOMIC_RELEASE);
    vmsg_link_ring(t.link);
    vmsg_get(t.link, &msg);
    g_assert_cmphex(msg.msg_id, ==, VIRTIO_MSG_BUS_PING);
    vmsg_settle(&t);
    check_state(&t, "up");
    check_event(&t, "up");
    vmsg_test_stop(&t);
}

static void test_state_down(void)
{
    VMsgTest t;

    vmsg_test_start(&t, "", NO_DEVICES);
    vmsg_ping(t.link);
    quiet(&t);
    vmsg_link_hang_up(t.link);
    vmsg_settle(&t);
    check_state(&t, "down");
    check_event(&t, "down");
    vmsg_test_stop(&t);
}

/* The ids of a link, which say in which memory it finds them */
static void leave_driver_id(VMsgLink *link, uint32_t id)
{
    uint32_t *ids = (uint32_t *)(link->shm + link->shm_size - VMSG_IDS);

    ids[1] = GUINT32_TO_LE(1);
    ids[3] = GUINT32_TO_LE(id + 1);
    __atomic_store_n(&ids[0], GUINT32_TO_LE(0x474d5356), __ATOMIC_RELEASE);
}

static void wait_peer_id(VMsgTest *t, uint16_t id)
{
    gint64 end = g_get_monotonic_time() +
                 VMSG_DEADLINE_MS * (gint64)G_TIME_SPAN_MILLISECOND;
    uint16_t got;
    QDict *info;

    do {
        g_assert_cmpint(g_get_monotonic_time(), <, end);
        info = query(t, "link0");
        got = qdict_get_int(info, "peer-id");
        qobject_unref(info);
    } while (got != id);
}

/* No queues are shown where there are none */
static void check_no_queues(VMsgTest *t)
{
    g_autofree char *hmp = NULL;
    QDict *info = query(t, "link0");

    g_assert_false(qdict_haskey(info, "to-peer"));
    g_assert_false(qdict_haskey(info, "from-peer"));
    qobject_unref(info);
    hmp = qtest_hmp(t->qts, "info virtio-msg");
    g_assert_nonnull(strstr(hmp, "link0: "));
    g_assert_null(strstr(hmp, "queue to peer"));
    g_assert_null(strstr(hmp, "queue from peer"));
}

/*
 * A server that comes back hands out other memory before the link is up again,
 * and what the queues stood in is gone by then
 */
static void test_server_half_back(void)
{
    VMsgLink *next = vmsg_link_new(VMSG_SHM_SIZE, VMSG_RAM_SIZE);
    VMsgServer s;
    VMsgTest t;

    vmsg_server_start(&s, &t, NO_DEVICES);
    vmsg_ping(t.link);
    g_assert_cmpuint(queue_used(&t, "to-peer"), ==, 0);

    leave_driver_id(next, 7);
    vmsg_server_next(&s, next);
    vmsg_link_tell(next, 0, -1);
    vmsg_link_tell(next, VMSG_DEVICE_ID, -1);
    vmsg_link_tell(next, -1, next->shm_fd);
    wait_peer_id(&t, 7);
    check_state(&t, "down");
    check_no_queues(&t);

    vmsg_link_tell(next, 7, next->to_driver);
    vmsg_link_tell(next, VMSG_DEVICE_ID, next->to_device);
    vmsg_link_free(t.link);
    t.link = next;
    vmsg_ping(t.link);
    check_state(&t, "up");
    g_assert_cmpuint(queue_used(&t, "to-peer"), ==, 0);
    vmsg_test_stop(&t);
    vmsg_server_stop(&s);
}

/* Nor are there any on a link that has lost the driver side's memory */
static void test_server_back_without_ram(void)
{
    VMsgLink *next = vmsg_link_new(VMSG_SHM_SIZE, VMSG_RAM_SIZE);
    VMsgServer s;
    VMsgQueue q;
    VMsgTest t;

    vmsg_server_start(&s, &t, "-device virtio-rng-device");
    vmsg_rng_up(t.link, 0, 0, &q);
    g_assert_cmpint(ftruncate(t.link->ram_fd, 0), ==, 0);
    vmsg_queue_kick(&q);
    vmsg_wait_link(&t, "link0", false);
    check_state(&t, "failed");
    check_no_queues(&t);

    leave_driver_id(next, 7);
    vmsg_server_next(&s, next);
    vmsg_link_serve(next);
    wait_peer_id(&t, 7);
    check_state(&t, "failed");
    check_no_queues(&t);
    vmsg_link_free(t.link);
    t.link = next;
    vmsg_test_stop(&t);
    vmsg_server_stop(&s);
}

/* A peer that flaps is heard of at once, then not more than once a second */
static void test_state_rate(void)
{
    VMsgTest t;
    int i;

    vmsg_test_start(&t, "", NO_DEVICES);
    vmsg_ping(t.link);
    quiet(&t);

    for (i = 0; i < 50; i++) {
        bad_index(&t, 62);
        good_index(&t);
    }
    check_event(&t, "failed");
    qtest_clock_step(t.qts, EVENT_RATE_NS);
    vmsg_settle(&t);
    check_event(&t, "up");
    vmsg_test_stop(&t);
}

/* Events of one link do not hold back those of another */
static void test_state_rate_is_per_link(void)
{
    VMsgLink *links[2];
    g_autofree char *args = NULL;
    QDict *event;
    VMsgTest t;
    int i;

    links[0] = vmsg_link_new(VMSG_SHM_SIZE, VMSG_RAM_SIZE);
    links[1] = vmsg_link_new(VMSG_SHM_SIZE, VMSG_RAM_SIZE);
    vmsg_link_serve(links[0]);
    vmsg_link_serve(links[1]);
    args = vmsg_link_args(links[1], "other", "");
    vmsg_test_start_link(&t, links[0], "", args);
    vmsg_link_started(links[1]);
    vmsg_ping(links[0]);
    vmsg_ping(links[1]);
    quiet(&t);

    vmsg_link_hang_up(links[0]);
    vmsg_link_hang_up(links[1]);
    vmsg_settle(&t);
    for (i = 0; i < 2; i++) {
        event = qtest_qmp_event_ref(t.qts, link_event);
        g_assert_nonnull(event);
        qobject_unref(event);
    }
    vmsg_test_stop(&t);
    vmsg_link_free(links[1]);
}

/*
 * Whether the peer is there
 */

/* The second one is for tests that must not be late themselves */
#define PINGS           ",ping-interval=20"
#define RARE_PINGS      ",ping-interval=3000"

static bool is_ping(const struct virtio_msg *msg)
{
    return msg->type == BUS && msg->msg_id == VIRTIO_MSG_BUS_PING;
}

/* The next PING of the device side; its messages are of no other kind */
static struct virtio_msg wait_ping(VMsgLink *link)
{
    struct virtio_msg msg;

    vmsg_get(link, &msg);
    g_assert_true(is_ping(&msg));
    g_assert_cmpuint(msg.dev_num, ==, 0);
    g_assert_cmpuint(GUINT16_FROM_LE(msg.msg_size), ==, 12);
    return msg;
}

static void answer(VMsgLink *link, struct virtio_msg *ping)
{
    ping->type |= VIRTIO_MSG_TYPE_RESPONSE;
    vmsg_send(link, ping);
}

/* To where nothing has been announced lately and no device is in use */
static void start_pinged(VMsgTest *t, const char *props)
{
    vmsg_test_start(t, props, "-device virtio-rng-device ");
    vmsg_ping(t->link);
    quiet(t);
}

/* B-02, from the other side */
static void test_ping(void)
{
    struct virtio_msg ping;
    VMsgQueue q;
    VMsgTest t;
    int i;

    start_pinged(&t, RARE_PINGS);
    vmsg_rng_up(t.link, 0, 0, &q);
    vmsg_drop_events(t.link);
    for (i = 0; i < 2; i++) {
        ping = wait_ping(t.link);
        answer(t.link, &ping);
    }
    check_state(&t, "up");
    g_assert_null(qtest_qmp_event_ref(t.qts, link_event));
    g_assert_cmpuint(vmsg_counter(&t, "drops", "unknown"), ==, 0);
    vmsg_test_stop(&t);
}

/* A peer that uses nothing is not asked, nor is any without ping-interval= */
static void test_ping_unasked(void)
{
    VMsgLink *other = vmsg_link_new(VMSG_SHM_SIZE, VMSG_RAM_SIZE);
    g_autofree char *args = NULL;
    g_autofree char *more = NULL;
    struct virtio_msg ping;
    VMsgLink *unused;
    VMsgQueue q[2];
    VMsgTest t;
    int i;

    /* link0 is in use without PINGs, "other" is asked, "unused" would be */
    unused = vmsg_link_new(VMSG_SHM_SIZE, VMSG_RAM_SIZE);
    vmsg_link_serve(other);
    vmsg_link_serve(unused);
    args = vmsg_link_args(other, "other", PINGS);
    more = vmsg_link_args(unused, "unused", PINGS);
    vmsg_test_start(&t, "", "-device virtio-rng-device,bus=link0.0 "
                    "%s -device virtio-rng-device,bus=other.0 "
                    "%s -device virtio-rng-device,bus=unused.0 ", args, more);
    vmsg_link_started(other);
    vmsg_link_started(unused);

    vmsg_rng_up(t.link, 0, 0, &q[0]);
    vmsg_ping(unused);
    vmsg_rng_up(other, 0, 0, &q[1]);
    vmsg_drop_events(t.link);
    vmsg_drop_events(unused);
    for (i = 0; i < 5; i++) {
        ping = wait_ping(other);
        answer(other, &ping);
    }
    g_assert_false(vmsg_try_get(t.link, &ping));
    g_assert_false(vmsg_try_get(unused, &ping));

    vmsg_test_stop(&t);
    vmsg_link_free(other);
    vmsg_link_free(unused);
}

static void wait_silent(VMsgTest *t)
{
    gint64 end = g_get_monotonic_time() +
                 VMSG_DEADLINE_MS * (gint64)G_TIME_SPAN_MILLISECOND;
    bool silent;
    QDict *event;
    QDict *r;

    do {
        g_assert_cmpint(g_get_monotonic_time(), <, end);
        r = qtest_qmp(t->qts, "{ 'execute': 'qom-get', 'arguments':"
                      " { 'path': %s, 'property': 'link-state' } }", LINK0);
        silent = g_str_equal(qdict_get_str(r, "return"), "silent");
        qobject_unref(r);
    } while (!silent);

    event = qtest_qmp_eventwait_ref(t->qts, link_event);
    g_assert_cmpstr(qdict_get_str(qdict_get_qdict(event, "data"), "state"), ==,
                    "silent");
    qobject_unref(event);
    check_state(t, "silent");
}

/* It is told, the device goes on, and whatever comes ends it */
static void test_silent(void)
{
    struct virtio_msg ping, none;
    VMsgQueue q;
    VMsgTest t;

    start_pinged(&t, PINGS);
    vmsg_rng_up(t.link, 0, 0, &q);
    ping = wait_ping(t.link);
    wait_silent(&t);

    /* One PING is enough to be not answered */
    g_assert_false(vmsg_try_get(t.link, &none));
    quiet(&t);
    answer(t.link, &ping);
    vmsg_settle(&t);
    check_event(&t, "up");
    quiet(&t);

    /* The next one is lost, but others follow */
    wait_ping(t.link);
    wait_silent(&t);
    quiet(&t);
    vmsg_link_ring(t.link);
    vmsg_settle(&t);
    check_event(&t, "up");
    ping = wait_ping(t.link);
    answer(t.link, &ping);
    vmsg_test_stop(&t);
}

/* A peer that does not even read is silent as well */
static void test_silent_full(void)
{
    VMsgQueue q;
    VMsgTest t;
    int i;

    start_pinged(&t, PINGS);
    vmsg_rng_up(t.link, 0, 0, &q);
    for (i = 0; i < CAPACITY; i++) {
        put(t.link, BUS, VIRTIO_MSG_BUS_PING, 0, 4);
    }
    vmsg_link_ring(t.link);
    wait_silent(&t);
    vmsg_test_stop(&t);
}

/* A PING that found no room leaves as soon as there is some; nobody rings */
static void test_ping_full(void)
{
    gint64 end = g_get_monotonic_time() +
                 VMSG_DEADLINE_MS * (gint64)G_TIME_SPAN_MILLISECOND;
    struct virtio_msg msg;
    unsigned pings = 0;
    VMsgQueue q;
    VMsgTest t;
    int i;

    start_pinged(&t, RARE_PINGS);
    vmsg_rng_up(t.link, 0, 0, &q);
    for (i = 0; i < CAPACITY; i++) {
        put(t.link, BUS, VIRTIO_MSG_BUS_PING, 0, 4);
    }
    vmsg_link_ring(t.link);
    vmsg_settle(&t);
    g_assert_cmpuint(queue_used(&t, "to-peer"), ==, CAPACITY);
    while (vmsg_counter(&t, NULL, "stalls") == 0) {
        g_assert_cmpint(g_get_monotonic_time(), <, end);
    }

    for (i = 0; i < CAPACITY + 1; i++) {
        vmsg_get(t.link, &msg);
        pings += is_ping(&msg);
    }
    g_assert_cmpuint(pings, ==, 1);
    vmsg_test_stop(&t);
}

/* Asked for it, the device side takes its devices back */
static void test_silent_reset(void)
{
    struct virtio_msg msg;
    VMsgQueue q;
    VMsgTest t;

    start_pinged(&t, PINGS ",silent-reset=on");
    vmsg_rng_up(t.link, 0, 0, &q);
    vmsg_drop_events(t.link);
    wait_ping(t.link);
    wait_silent(&t);

    vmsg_wait_event(t.link, BUS, VIRTIO_MSG_BUS_EVENT_DEVICE, 0, &msg);
    g_assert_cmpuint(msg.event_device.state, ==,
                     GUINT16_TO_LE(VIRTIO_MSG_DEVICE_REMOVED));
    vmsg_wait_event(t.link, BUS, VIRTIO_MSG_BUS_EVENT_DEVICE, 0, &msg);
    g_assert_cmpuint(msg.event_device.state, ==,
                     GUINT16_TO_LE(VIRTIO_MSG_DEVICE_ADDED));
    g_assert_cmphex(vmsg_get_status(t.link, 0), ==, 0);
    g_assert_cmpuint(vmsg_get_vqueue(t.link, 0, 0).cur_size, ==, 0);
    vmsg_test_stop(&t);
}

/* An answer that nobody asked for is dropped, and still is a sign of life */
static void test_pong_foreign(void)
{
    struct virtio_msg ping, pong;
    VMsgQueue q;
    VMsgTest t;

    start_pinged(&t, RARE_PINGS);
    put(t.link, BUS | VIRTIO_MSG_TYPE_RESPONSE, VIRTIO_MSG_BUS_PING, 0, 4);
    vmsg_ping(t.link);
    g_assert_cmpuint(vmsg_counter(&t, "drops", "unknown"), ==, 1);

    vmsg_rng_up(t.link, 0, 0, &q);
    ping = wait_ping(t.link);
    pong = ping;
    pong.token ^= 1;
    answer(t.link, &pong);
    pong = ping;
    pong.ping.data ^= 1;
    answer(t.link, &pong);
    pong = ping;
    pong.msg_size = GUINT16_TO_LE(8);
    answer(t.link, &pong);
    pong = ping;
    pong.type = 0;
    answer(t.link, &pong);
    vmsg_settle(&t);
    g_assert_cmpuint(vmsg_counter(&t, "drops", "unknown"), ==, 5);

    answer(t.link, &ping);
    vmsg_settle(&t);
    g_assert_cmpuint(vmsg_counter(&t, "drops", "unknown"), ==, 5);
    /* Once is enough */
    answer(t.link, &ping);
    vmsg_settle(&t);
    g_assert_cmpuint(vmsg_counter(&t, "drops", "unknown"), ==, 6);
    vmsg_test_stop(&t);
}

static void check_taken_back(VMsgTest *t)
{
    struct virtio_msg msg;

    vmsg_wait_event(t->link, BUS, VIRTIO_MSG_BUS_EVENT_DEVICE, 0, &msg);
    g_assert_cmpuint(msg.event_device.state, ==,
                     GUINT16_TO_LE(VIRTIO_MSG_DEVICE_REMOVED));
    vmsg_wait_event(t->link, BUS, VIRTIO_MSG_BUS_EVENT_DEVICE, 0, &msg);
    g_assert_cmpuint(msg.event_device.state, ==,
                     GUINT16_TO_LE(VIRTIO_MSG_DEVICE_ADDED));
    g_assert_cmphex(vmsg_get_status(t->link, 0), ==, 0);
}

/* The server tells of each that leaves; only the driver side matters */
static void test_peer_left(void)
{
    VMsgQueue q;
    VMsgTest t;

    vmsg_test_start(&t, "", "-device virtio-rng-device ");
    vmsg_link_tell(t.link, 9, t.link->to_driver);
    vmsg_rng_up(t.link, 0, 0, &q);
    vmsg_drop_events(t.link);

    vmsg_link_tell(t.link, 9, -1);
    vmsg_settle(&t);
    g_assert_false(vmsg_take_event(t.link, BUS, VIRTIO_MSG_BUS_EVENT_DEVICE, 0,
                                   NULL));
    vmsg_rng_read(&q);

    vmsg_link_tell(t.link, VMSG_DRIVER_ID, -1);
    vmsg_settle(&t);
    vmsg_link_tell(t.link, VMSG_DRIVER_ID, t.link->to_driver);
    vmsg_settle(&t);
    check_taken_back(&t);
    vmsg_rng_up(t.link, 0, 0, &q);
    vmsg_rng_read(&q);
    vmsg_test_stop(&t);
}

static void announce(VMsgLink *link, uint32_t id)
{
    uint32_t *driver = (uint32_t *)(link->shm + link->shm_size - VMSG_IDS +
                                    VMSG_IDS_DRIVER);

    __atomic_store_n(driver, GUINT32_TO_LE(id + 1), __ATOMIC_RELEASE);
    vmsg_ping(link);
}

/* Another id in the block is another driver; none, or the same, is not */
static void test_peer_changed(void)
{
    VMsgQueue q;
    VMsgTest t;

    vmsg_test_start(&t, "", "-device virtio-rng-device ");
    vmsg_link_tell(t.link, 9, t.link->to_driver);
    vmsg_settle(&t);
    announce(t.link, VMSG_DRIVER_ID);
    vmsg_rng_up(t.link, 0, 0, &q);
    vmsg_drop_events(t.link);

    announce(t.link, -1);
    announce(t.link, VMSG_DRIVER_ID);
    g_assert_false(vmsg_take_event(t.link, BUS, VIRTIO_MSG_BUS_EVENT_DEVICE, 0,
                                   NULL));
    vmsg_rng_read(&q);

    announce(t.link, 9);
    check_taken_back(&t);
    vmsg_test_stop(&t);
}

/*
 * Traces
 */

static void test_traces(void)
{
    /* In this order, others between them; .. stands for anything */
    static const char *const lines[] = {
        "virtio_msg_ivshmem_peer_joined link0-server: peer=1",
        "virtio_msg_bus_state link0: down -> up",
        "virtio_msg_up link0: wire=2026 max_msg_size=64",
        "virtio_msg_plugged link0: dev=0 virtio-net",
        "virtio_msg_send link0: type=0x02 id=0x40 dev=0 token=0 size=12: "
            "EVENT_DEVICE device_number=0 state=1",
        "virtio_msg_peer_ring link0: peer=1",
        "virtio_msg_bus_ivshmem_interrupt link0",
        "virtio_msg_receive link0: type=0x00 id=0x08 dev=0 token=.. size=12: "
            "SET_DEVICE_STATUS request status=0x1",
        "virtio_msg_status link0: dev=0 status 0x00 -> 0x01",
        "virtio_msg_send link0: type=0x01 id=0x08 dev=0 token=.. size=12: "
            "SET_DEVICE_STATUS response status=0x1",
        "virtio_msg_receive link0: type=0x00 id=0x0a dev=0 token=.. size=48: "
            "SET_VQUEUE request index=0 flags=0x1 size=16 desc=0x40000000 "
            "driver=0x..",
        "virtio_msg_vqueue_set link0: dev=0 queue=0 size=16",
        "virtio_msg_status link0: dev=0 status 0x0b -> 0x0f",
        "virtio_msg_vqueue_reset link0: dev=0 queue=0",
        "virtio_msg_vqueue_refused link0: dev=0 queue=0 size=3",
        "virtio_msg_status link0: dev=0 status 0x0f -> 0x00",
        "virtio_msg_receive link0: type=0x00 id=0x3f dev=9 token=0 size=10: "
            "unknown transport message request payload=0000",
        "virtio_msg_drop link0: type=0x00 id=0x3f dev=9: unknown id",
        "virtio_msg_bus_stall link0: ..",
        "virtio_msg_bus_stall_end link0: ..",
        "virtio_msg_bus_bad_index link0: ..",
        "virtio_msg_bus_state link0: up -> failed",
        "virtio_msg_bus_state link0: failed -> up",
        "virtio_msg_unplugged link0: dev=0",
        "virtio_msg_bus_state link0: up -> down",
    };
    g_autofree char *name = NULL;
    g_autofree char *log = NULL;
    g_auto(GStrv) got = NULL;
    struct virtio_msg msg;
    size_t i, at = 0;
    VMsgQueue q;
    VMsgTest t;
    int fd;

    fd = g_file_open_tmp("virtio-msg-trace-XXXXXX", &name, NULL);
    g_assert_cmpint(fd, >=, 0);
    close(fd);
    vmsg_test_start(&t, "", "-device virtio-net-device,id=net0 "
                    "-D %s -trace virtio_msg*", name);

    vmsg_negotiate(t.link, 0, 1ULL << VIRTIO_F_RING_RESET);
    vmsg_queue_init(&q, t.link, 0, 0, 16);
    vmsg_driver_ok(t.link, 0);
    vmsg_reset_vqueue(t.link, 0, 0);
    vmsg_set_vqueue(t.link, 0, 0, 3, q.desc, q.avail, q.used);
    vmsg_set_status(t.link, 0, 0);
    put(t.link, 0, 0x3f, 9, 2);
    vmsg_ping(t.link);
    for (i = 0; i < CAPACITY; i++) {
        put(t.link, BUS, VIRTIO_MSG_BUS_PING, 0, 4);
    }
    vmsg_link_ring(t.link);
    vmsg_settle(&t);
    put(t.link, BUS, VIRTIO_MSG_BUS_PING, 0, 4);
    vmsg_link_ring(t.link);
    vmsg_settle(&t);
    for (i = 0; i < CAPACITY + 1; i++) {
        vmsg_get(t.link, &msg);
    }
    vmsg_settle(&t);
    bad_index(&t, 62);
    good_index(&t);
    qtest_qmp_device_del(t.qts, "net0");
    vmsg_link_hang_up(t.link);
    vmsg_settle(&t);
    vmsg_test_stop(&t);

    g_assert_true(g_file_get_contents(name, &log, NULL, NULL));
    unlink(name);
    got = g_strsplit(log, "\n", -1);
    for (i = 0; i < G_N_ELEMENTS(lines); i++) {
        g_auto(GStrv) parts = g_strsplit(lines[i], "..", -1);
        g_autofree char *pattern = g_strjoinv("*", parts);

        while (got[at] && !g_pattern_match_simple(pattern, got[at])) {
            at++;
        }
        if (!got[at]) {
            g_error("no \"%s\" in its place in:\n%s", lines[i], log);
        }
    }
}

/*
 * What QEMU has for any virtio device
 */

static void test_x_query_virtio(void)
{
    g_autofree char *hmp = NULL;
    QDict *r, *ret;
    VMsgQueue q;
    VMsgTest t;

    vmsg_test_start(&t, "", "-device virtio-rng-device,id=rng0 ");
    vmsg_rng_up(t.link, 0, 0, &q);

    hmp = qtest_hmp(t.qts, "info virtio");
    g_assert_nonnull(strstr(hmp, "/machine/peripheral/rng0 [virtio-rng]"));

    r = qtest_qmp(t.qts, "{ 'execute': 'x-query-virtio-status',"
                  " 'arguments': { 'path': '/machine/peripheral/rng0' } }");
    ret = qdict_get_qdict(r, "return");
    g_assert_cmpstr(qdict_get_str(ret, "name"), ==, "virtio-rng");
    g_assert_cmpuint(qdict_get_int(ret, "num-vqs"), ==, 1);
    g_assert_cmpstr(qdict_get_str(ret, "device-endian"), ==, "little");
    g_assert_false(qdict_get_bool(ret, "broken"));
    qobject_unref(r);

    g_free(hmp);
    hmp = qtest_hmp(t.qts, "info virtio-status /machine/peripheral/rng0");
    g_assert_nonnull(strstr(hmp, "VIRTIO_CONFIG_S_DRIVER_OK"));
    g_assert_nonnull(strstr(hmp, "VIRTIO_F_VERSION_1"));
    vmsg_test_stop(&t);
}

static void test_x_query_virtio_queue(void)
{
    g_autofree char *hmp = NULL;
    VMsgBuffer buf = { .len = 64, .device_writes = true };
    QDict *r, *ret, *desc;
    VMsgQueue q;
    VMsgTest t;

    vmsg_test_start(&t, "", "-device virtio-rng-device,id=rng0 ");
    vmsg_rng_up(t.link, 0, 0, &q);
    vmsg_rng_read(&q);
    buf.addr = vmsg_link_alloc(t.link, buf.len);
    vmsg_queue_add(&q, &buf, 1);

    r = qtest_qmp(t.qts, "{ 'execute': 'x-query-virtio-queue-status',"
                  " 'arguments': { 'path': '/machine/peripheral/rng0',"
                  "                'queue': 0 } }");
    ret = qdict_get_qdict(r, "return");
    g_assert_cmpuint(qdict_get_int(ret, "vring-num"), ==, VMSG_RNG_QUEUE_SIZE);
    g_assert_cmphex(qdict_get_int(ret, "vring-desc"), ==, q.desc);
    g_assert_cmphex(qdict_get_int(ret, "vring-avail"), ==, q.avail);
    g_assert_cmphex(qdict_get_int(ret, "vring-used"), ==, q.used);
    g_assert_cmpuint(qdict_get_int(ret, "last-avail-idx"), ==, 1);
    g_assert_cmpuint(qdict_get_int(ret, "used-idx"), ==, 1);
    qobject_unref(r);

    hmp = qtest_hmp(t.qts, "info virtio-queue-status "
                    "/machine/peripheral/rng0 0");
    g_assert_nonnull(strstr(hmp, "VRing:"));
    g_free(hmp);

    /* The request that is there but has not been announced */
    r = qtest_qmp(t.qts, "{ 'execute': 'x-query-virtio-queue-element',"
                  " 'arguments': { 'path': '/machine/peripheral/rng0',"
                  "                'queue': 0 } }");
    ret = qdict_get_qdict(r, "return");
    g_assert_cmpuint(qlist_size(qdict_get_qlist(ret, "descs")), ==, 1);
    desc = qobject_to(QDict, qlist_peek(qdict_get_qlist(ret, "descs")));
    g_assert_cmphex(qdict_get_int(desc, "addr"), ==, buf.addr);
    g_assert_cmpuint(qdict_get_int(desc, "len"), ==, buf.len);
    qobject_unref(r);

    hmp = qtest_hmp(t.qts, "info virtio-queue-element "
                    "/machine/peripheral/rng0 0 0");
    g_assert_nonnull(strstr(hmp, "write"));
    vmsg_test_stop(&t);
}

/* To be freed */
static char *element_error(VMsgTest *t)
{
    QDict *err = qtest_qmp_assert_failure_ref(t->qts,
        "{ 'execute': 'x-query-virtio-queue-element',"
        "  'arguments': { 'path': '/machine/peripheral/rng0', 'queue': 0 } }");
    char *desc = g_strdup(qdict_get_str(err, "desc"));

    qobject_unref(err);
    return desc;
}

/* B-05: whoever looks at a driver's rings does not fall over them */
static void test_hostile_queue_element(void)
{
    enum { TABLE = 65536, MAX_CHAIN = 1024 };
    struct vring_desc *desc;
    struct vring_avail *avail;
    uint64_t table;
    QDict *r;
    char *err;
    VMsgQueue q;
    VMsgTest t;

    vmsg_test_start(&t, "", "-device virtio-rng-device,id=rng0 ");
    err = element_error(&t);
    g_assert_nonnull(strstr(err, "not initialized"));
    g_free(err);

    vmsg_rng_up(t.link, 0, 0, &q);
    desc = vmsg_link_ptr(t.link, q.desc);
    avail = vmsg_link_ptr(t.link, q.avail);

    avail->ring[0] = GUINT16_TO_LE(VMSG_RNG_QUEUE_SIZE);
    err = element_error(&t);
    g_assert_nonnull(strstr(err, "out of range"));
    g_free(err);
    avail->ring[0] = GUINT16_TO_LE(0xffff);
    err = element_error(&t);
    g_assert_nonnull(strstr(err, "out of range"));
    g_free(err);

    avail->ring[0] = 0;
    desc[0].addr = GUINT64_TO_LE(q.desc);
    desc[0].len = GUINT32_TO_LE(8);
    desc[0].flags = GUINT16_TO_LE(VRING_DESC_F_INDIRECT);
    err = element_error(&t);
    g_assert_nonnull(strstr(err, "too small"));
    g_free(err);
    desc[0].addr = GUINT64_TO_LE(UINT64_MAX - 15);
    desc[0].len = GUINT32_TO_LE(16);
    err = element_error(&t);
    g_assert_nonnull(strstr(err, "indirect"));
    g_free(err);

    /* Chains that lead nowhere, or in circles, are shown as far as they go */
    desc[0].flags = GUINT16_TO_LE(VRING_DESC_F_NEXT);
    desc[0].next = GUINT16_TO_LE(0xffff);
    r = qtest_qmp(t.qts, "{ 'execute': 'x-query-virtio-queue-element',"
                  " 'arguments': { 'path': '/machine/peripheral/rng0',"
                  "                'queue': 0 } }");
    g_assert_cmpuint(qlist_size(qdict_get_qlist(qdict_get_qdict(r, "return"),
                                                "descs")), ==, 1);
    qobject_unref(r);
    desc[0].next = 0;
    r = qtest_qmp(t.qts, "{ 'execute': 'x-query-virtio-queue-element',"
                  " 'arguments': { 'path': '/machine/peripheral/rng0',"
                  "                'queue': 0 } }");
    g_assert_cmpuint(qlist_size(qdict_get_qlist(qdict_get_qdict(r, "return"),
                                                "descs")), ==,
                     VMSG_RNG_QUEUE_SIZE);
    qobject_unref(r);

    /* No chain that a device would take is longer */
    table = vmsg_link_alloc(t.link, TABLE * sizeof(*desc));
    *(struct vring_desc *)vmsg_link_ptr(t.link, table) = desc[0];
    desc[0].addr = GUINT64_TO_LE(table);
    desc[0].len = GUINT32_TO_LE(TABLE * sizeof(*desc));
    desc[0].flags = GUINT16_TO_LE(VRING_DESC_F_INDIRECT);
    r = qtest_qmp(t.qts, "{ 'execute': 'x-query-virtio-queue-element',"
                  " 'arguments': { 'path': '/machine/peripheral/rng0',"
                  "                'queue': 0 } }");
    g_assert_cmpuint(qlist_size(qdict_get_qlist(qdict_get_qdict(r, "return"),
                                                "descs")), ==, MAX_CHAIN);
    qobject_unref(r);

    /* And to have been looked at has not hurt the device */
    g_assert_cmphex(vmsg_get_status(t.link, 0) &
                    VIRTIO_CONFIG_S_NEEDS_RESET, ==, 0);
    vmsg_rng_read(&q);
    vmsg_test_stop(&t);
}

/*
 * Ids of the two sides, and what is wrong with them
 */

static void ids_write(VMsgLink *link, size_t offset, uint32_t val)
{
    val = GUINT32_TO_LE(val);
    memcpy(link->shm + link->shm_size - VMSG_IDS + offset, &val, sizeof(val));
}

/* What is to be seen to on the link, in QMP and in HMP */
static void assert_advice(VMsgTest *t, const char *what)
{
    g_autofree char *hmp = qtest_hmp(t->qts, "info virtio-msg link0");
    QDict *info = query(t, "link0");
    const char *advice = qdict_get_try_str(info, "advice");

    g_test_message("%s", advice ?: "none");
    if (what) {
        g_assert_nonnull(advice);
        g_assert_nonnull(strstr(advice, what));
        g_assert_nonnull(strstr(hmp, "advice: "));
        g_assert_nonnull(strstr(hmp, what));
    } else {
        g_assert_null(advice);
        g_assert_null(strstr(hmp, "advice"));
    }
    qobject_unref(info);
}

static void test_announced_id(void)
{
    g_autofree char *hmp = NULL;
    VMsgTest t;
    QDict *info;

    vmsg_test_start(&t, "", "-device virtio-rng-device");
    info = query(&t, "link0");
    g_assert_false(qdict_haskey(info, "announced-id"));
    qobject_unref(info);

    ids_write(t.link, VMSG_IDS_DRIVER, VMSG_DRIVER_ID + 1);
    info = query(&t, "link0");
    g_assert_cmpint(qdict_get_int(info, "announced-id"), ==, VMSG_DRIVER_ID);
    qobject_unref(info);
    hmp = qtest_hmp(t.qts, "info virtio-msg link0");
    g_assert_nonnull(strstr(hmp, "announced id: "));
    assert_advice(&t, NULL);
    vmsg_test_stop(&t);
}

/* A link on which the ids do not fit, its log, and that this is said at once */
static void advised_start(VMsgTest *t, VMsgLog *log, const char *props,
                          uint32_t driver, const char *what)
{
    VMsgLink *link = vmsg_link_new(VMSG_SHM_SIZE, VMSG_RAM_SIZE);

    ids_write(link, 0, VMSG_IDS_MAGIC);
    ids_write(link, 4, 1);
    ids_write(link, VMSG_IDS_DRIVER, driver + 1);
    vmsg_link_serve(link);
    vmsg_log_begin(log);
    vmsg_test_start_link(t, link, props, "-device virtio-rng-device");
    vmsg_log_started(log);
    assert_advice(t, what);
}

/* A PING whose answer is there some time, but need not ring */
static void ping_unheard(VMsgTest *t)
{
    gint64 end = g_get_monotonic_time() +
                 VMSG_DEADLINE_MS * (gint64)G_TIME_SPAN_MILLISECOND;
    struct virtio_msg msg;

    vmsg_init(&msg, VIRTIO_MSG_TYPE_BUS, VIRTIO_MSG_BUS_PING, 0,
              sizeof(msg.ping));
    g_assert_true(vmsg_try_put(t->link, &msg));
    vmsg_link_ring(t->link);
    do {
        g_assert_cmpint(g_get_monotonic_time(), <, end);
        vmsg_settle(t);
    } while (!vmsg_try_get(t->link, &msg) ||
             msg.msg_id != VIRTIO_MSG_BUS_PING);
}

/* Once, however often there is a reason to */
static void advised_stop(VMsgTest *t, VMsgLog *log, const char *what)
{
    int i;

    for (i = 0; i < 3; i++) {
        ping_unheard(t);
    }
    g_assert_cmpuint(vmsg_log_count(log, what), ==, 1);
    vmsg_test_stop(t);
    vmsg_log_end(log);
}

static void test_wrong_remote_vmid(void)
{
    static const char what[] = "ivshmem id 7 is rung, by remote-vmid=, but the "
                               "driver side says in the shared memory that it "
                               "is 1";
    VMsgTest t;
    VMsgLog log;

    advised_start(&t, &log, ",remote-vmid=7", VMSG_DRIVER_ID, what);
    advised_stop(&t, &log, what);
}

static void test_peer_unknown(void)
{
    static const char what[] = "ivshmem id 9 is rung, by the shared memory, but "
                               "the ivshmem server has named no such peer";
    VMsgTest t;
    VMsgLog log;

    advised_start(&t, &log, "", 9, what);
    advised_stop(&t, &log, what);
}

static void test_peer_is_ourselves(void)
{
    static const char what[] = "but that is our own";
    VMsgTest t;
    VMsgLog log;

    advised_start(&t, &log, "", VMSG_DEVICE_ID, what);
    advised_stop(&t, &log, what);
}

/* Not later than this, and not before some seconds have passed */
#define SILENCE_MIN_MS  4500
#define SILENCE_MAX_MS  60000

/* What was announced waits for a driver side that does not come */
static void test_nothing_comes(void)
{
    static const char what[] = "nothing has come from the driver side for 5 s";
    gint64 start = g_get_monotonic_time();
    gint64 passed;
    QDict *info;
    VMsgTest t;
    VMsgLog log;
    bool said;

    vmsg_log_begin(&log);
    vmsg_test_start(&t, "", "-device virtio-rng-device");
    vmsg_log_started(&log);
    do {
        info = query(&t, "link0");
        said = qdict_haskey(info, "advice");
        qobject_unref(info);
        passed = (g_get_monotonic_time() - start) / G_TIME_SPAN_MILLISECOND;
        g_assert_cmpint(passed, <, SILENCE_MAX_MS);
        g_usleep(10 * G_TIME_SPAN_MILLISECOND);
    } while (!said);
    g_assert_cmpint(passed, >, SILENCE_MIN_MS);
    assert_advice(&t, what);
    assert_advice(&t, "check that it has been started");
    g_assert_cmpuint(vmsg_log_count(&log, what), ==, 1);

    /* Whoever comes late is welcome */
    vmsg_ping(t.link);
    assert_advice(&t, NULL);
    vmsg_test_stop(&t);
    vmsg_log_end(&log);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);

#define TEST(path, fn) qtest_add_func("virtio-msg/introspection/" path, fn)
    TEST("query/link", test_link);
    TEST("query/devices", test_devices);
    TEST("query/several-links", test_several_links);
    TEST("query/bad-arguments", test_bad_arguments);
    TEST("query/no-links", test_no_links);
    TEST("query/unstable", test_unstable);
    TEST("query/queue-fill", test_queue_fill);
    TEST("counters/messages", test_message_counters);
    TEST("counters/drops", test_drop_counters);
    TEST("counters/doorbells", test_doorbell_counters);
    TEST("counters/stalls", test_stall_counter);
    TEST("hmp", test_hmp);
    TEST("state/failed", test_state_failed);
    TEST("state/failed-tx", test_state_failed_tx);
    TEST("state/down", test_state_down);
    TEST("state/server-half-back", test_server_half_back);
    TEST("state/server-back-without-ram", test_server_back_without_ram);
    TEST("state/rate", test_state_rate);
    TEST("state/rate-is-per-link", test_state_rate_is_per_link);
    TEST("ping/answered", test_ping);
    TEST("ping/unasked", test_ping_unasked);
    TEST("ping/foreign", test_pong_foreign);
    TEST("ping/silent", test_silent);
    TEST("ping/silent-full", test_silent_full);
    TEST("ping/full", test_ping_full);
    TEST("ping/silent-reset", test_silent_reset);
    TEST("peer/left", test_peer_left);
    TEST("peer/changed", test_peer_changed);
    TEST("ids/announced", test_announced_id);
    TEST("ids/wrong-remote-vmid", test_wrong_remote_vmid);
    TEST("ids/peer-unknown", test_peer_unknown);
    TEST("ids/peer-is-ourselves", test_peer_is_ourselves);
    TEST("ids/nothing-comes", test_nothing_comes);
    TEST("traces", test_traces);
    TEST("base/x-query-virtio", test_x_query_virtio);
    TEST("base/x-query-virtio-queue", test_x_query_virtio_queue);
    TEST("base/hostile-queue-element", test_hostile_queue_element);

    return g_test_run();
}
