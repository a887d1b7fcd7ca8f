/*
 * Tests of virtio-msg with a peer that means harm
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include <sys/mman.h>
#include <linux/virtio_blk.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>
#include "qobject/qdict.h"
#include "virtio-msg-hostile.h"

#define BUS             VIRTIO_MSG_TYPE_BUS
#define RESPONSE        VIRTIO_MSG_TYPE_RESPONSE

#define ACKNOWLEDGE     VIRTIO_CONFIG_S_ACKNOWLEDGE
#define DRIVER          VIRTIO_CONFIG_S_DRIVER

/*
 * Memory that is taken away
 */

static void assert_link_state(VMsgTest *t, const char *link,
                              const char *state)
{
    g_autofree char *path = g_strdup_printf("/machine/peripheral/%s", link);
    QDict *r = qtest_qmp(t->qts, "{ 'execute': 'qom-get', 'arguments':"
                         " { 'path': %s, 'property': 'link-state' } }", path);

    g_assert_cmpstr(qdict_get_str(r, "return"), ==, state);
    qobject_unref(r);
}

/* link0 is gone for good, and nothing else is */
static void finish_without_link(Hostile *h)
{
    int i;

    vmsg_wait_link(&h->t, "link0", false);
    for (i = 0; i < 100; i++) {
        vmsg_link_ring(h->t.link);
        hostile_other_answers(h);
    }
    vmsg_settle(&h->t);
    assert_link_state(&h->t, "link0", "failed");
    assert_link_state(&h->t, "link1", "up");

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

/*
 * The first to find the memory gone is a worker thread: a file that wants
 * O_DIRECT, and a buffer that does not have its alignment
 */
static void test_ram_truncated_in_worker(void)
{
    enum { TAIL = 65536, SECTOR = 512 };
    g_autofree char *path = NULL;
    struct virtio_blk_outhdr *hdr;
    VMsgBuffer bufs[] = {
        { .len = sizeof(*hdr) },
        { .addr = VMSG_RAM_BASE + VMSG_RAM_SIZE - TAIL + 1, .len = SECTOR,
          .device_writes = true },
        { .len = 1, .device_writes = true },
    };
    int fd = g_file_open_tmp("virtio-msg-disk-XXXXXX", &path, NULL);
    int direct;
    VMsgQueue q;
    VMsgTest t;

    g_assert_cmpint(fd, >=, 0);
    g_assert_cmpint(ftruncate(fd, 1024 * 1024), ==, 0);
    close(fd);
    direct = open(path, O_RDWR | O_DIRECT | O_CLOEXEC);
    if (direct < 0) {
        g_test_skip("the directory for temporary files has no O_DIRECT");
        unlink(path);
        return;
    }
    close(direct);

    vmsg_test_start(&t, "", "-blockdev driver=file,node-name=disk0,"
                    "filename=%s,cache.direct=on,aio=threads "
                    "-device virtio-blk-device,drive=disk0", path);
    unlink(path);
    vmsg_negotiate(t.link, 0, 0);
    vmsg_queue_init(&q, t.link, 0, 0, 8);
    vmsg_driver_ok(t.link, 0);
    bufs[0].addr = vmsg_link_alloc(t.link, sizeof(*hdr));
    bufs[2].addr = vmsg_link_alloc(t.link, 1);
    hdr = vmsg_link_ptr(t.link, bufs[0].addr);
    hdr->type = GUINT32_TO_LE(VIRTIO_BLK_T_IN);
    vmsg_queue_add(&q, bufs, G_N_ELEMENTS(bufs));

    /* The rings are still there */
    g_assert_cmpint(ftruncate(t.link->ram_fd, VMSG_RAM_SIZE - TAIL), ==, 0);
    vmsg_queue_kick(&q);
    vmsg_wait_link(&t, "link0", false);
    vmsg_test_stop(&t);
}

/*
 * Every field of every message, with values at and beyond its bounds, in every
 * state of a device
 */

typedef enum SweepState {
    STATE_RESET,
    STATE_DRIVER,
    STATE_FEATURES_OK,
    STATE_QUEUE,            /* the same, and the queue is set up */
    STATE_DRIVER_OK,
    STATE_NEEDS_RESET,
    NUM_STATES,
} SweepState;

typedef struct Field {
    const char *name;
    size_t offset;          /* in the message */
    size_t size;            /* bytes; 0: no more fields */
} Field;

#define FIELD(member) \
    { #member, offsetof(struct virtio_msg, member), \
      sizeof(((struct virtio_msg *)NULL)->member) }

static const Field header_fields[] = {
    FIELD(type),
    FIELD(msg_id),
    FIELD(dev_num),
    FIELD(token),
    FIELD(msg_size),
};

typedef struct Message {
    uint8_t type;
    uint8_t id;
    uint16_t payload;
    Field fields[7];
} Message;

static const Message messages[] = {
    { 0, VIRTIO_MSG_GET_DEVICE_INFO, 0 },
    { 0, VIRTIO_MSG_GET_DEVICE_FEATURES, 8,
      { FIELD(get_features.block_index), FIELD(get_features.num_blocks) } },
    { 0, VIRTIO_MSG_SET_DRIVER_FEATURES, 16,
      { FIELD(features.block_index), FIELD(features.num_blocks),
        FIELD(features.features[0]), FIELD(features.features[1]) } },
    { 0, VIRTIO_MSG_GET_CONFIG, 8,
      { FIELD(get_config.offset), FIELD(get_config.length) } },
    { 0, VIRTIO_MSG_SET_CONFIG, 16,
      { FIELD(config.generation), FIELD(config.offset),
        FIELD(config.length), FIELD(config.data[0]) } },
    { 0, VIRTIO_MSG_GET_DEVICE_STATUS, 0 },
    { 0, VIRTIO_MSG_SET_DEVICE_STATUS, 4, { FIELD(status.status) } },
    { 0, VIRTIO_MSG_GET_VQUEUE, 4, { FIELD(index.index) } },
    { 0, VIRTIO_MSG_SET_VQUEUE, 40,
      { FIELD(set_vqueue.index), FIELD(set_vqueue.flags),
        FIELD(set_vqueue.size), FIELD(set_vqueue.reserved),
        FIELD(set_vqueue.desc), FIELD(set_vqueue.driver),
        FIELD(set_vqueue.device) } },
    { 0, VIRTIO_MSG_RESET_VQUEUE, 4, { FIELD(index.index) } },
    { 0, VIRTIO_MSG_GET_SHM, 4, { FIELD(index.index) } },
    { 0, VIRTIO_MSG_EVENT_AVAIL, 8,
      { FIELD(event_avail.vq_index), FIELD(event_avail.next_offset) } },
    { BUS, VIRTIO_MSG_BUS_GET_DEVICES, 4,
      { FIELD(get_devices.offset), FIELD(get_devices.count) } },
    { BUS, VIRTIO_MSG_BUS_PING, 4, { FIELD(ping.data) } },
};

/* Those that fit into the field are used */
static const uint64_t values[] = {
    0, 1, 2, 3, 4, 7, 8, 9, 15, 16, 31, 32, 33, 44, 63, 64, 65, 127, 128, 255,
    256, 257, 264, 265, 1023, 1024, 1025, 0x7fff, 0x8000, 0x8001, 0xfff8,
    0xffff, 0x10000, 0x7fffffff, 0x80000000, 0xfffffff8, 0xfffffffe,
    0xffffffff, VMSG_RAM_BASE - 16, VMSG_RAM_BASE, VMSG_RAM_BASE + 1,
    VMSG_RAM_BASE + VMSG_RAM_SIZE - 16, VMSG_RAM_BASE + VMSG_RAM_SIZE,
    0x100000000, 0x7fffffffffffffff, 0x8000000000000000, 0xfffffffffffffff0,
    0xffffffffffffffff,
};

typedef struct Sweep {
    Hostile h;
    const HostileTarget *target;
    SweepState state;
    uint64_t sent;
    uint64_t answered;
} Sweep;

/* None that a message of the sweep has, whatever it carries */
#define SWEEP_TOKEN     0x5eed
#define SWEEP_MARK      0xfeedface

static void sweep_enter_state(Sweep *s)
{
    const HostileTarget *target = s->target;
    VMsgLink *link = s->h.t.link;
    VMsgQueue q;

    vmsg_set_status(link, target->dev, 0);
    hostile_forget_memory(&s->h);
    if (s->state >= STATE_FEATURES_OK) {
        vmsg_negotiate(link, target->dev, target->features);
    } else if (s->state == STATE_DRIVER) {
        vmsg_set_status(link, target->dev, ACKNOWLEDGE | DRIVER);
    }
    if (s->state >= STATE_QUEUE) {
        vmsg_queue_init(&q, link, target->dev, target->queue, target->size);
    }
    if (s->state >= STATE_DRIVER_OK) {
        vmsg_driver_ok(link, target->dev);
    }
    if (s->state == STATE_NEEDS_RESET) {
        struct vring_avail *avail = vmsg_link_ptr(link, q.avail);

        avail->idx = GUINT16_TO_LE(0x8000);
        vmsg_queue_kick(&q);
        vmsg_ping(link);
    }
    vmsg_drop_events(link);
}

/* A message that is right in most states */
static void sweep_message(Sweep *s, const Message *message,
                          struct virtio_msg *msg)
{
    vmsg_init(msg, message->type, message->id,
              message->type ? 0 : s->target->dev, message->payload);
    switch (message->type << 8 | message->id) {
    case VIRTIO_MSG_GET_DEVICE_FEATURES:
    case VIRTIO_MSG_SET_DRIVER_FEATURES:
        msg->get_features.num_blocks = GUINT32_TO_LE(2);
        break;
    case VIRTIO_MSG_GET_CONFIG:
        msg->get_config.length = GUINT32_TO_LE(4);
        break;
    case VIRTIO_MSG_SET_CONFIG:
        msg->config.length = GUINT32_TO_LE(4);
        break;
    case VIRTIO_MSG_SET_VQUEUE:
        msg->set_vqueue.size = GUINT32_TO_LE(s->target->size);
        msg->set_vqueue.desc = GUINT64_TO_LE(VMSG_RAM_BASE + 0x10000);
        msg->set_vqueue.driver = GUINT64_TO_LE(VMSG_RAM_BASE + 0x11000);
        msg->set_vqueue.device = GUINT64_TO_LE(VMSG_RAM_BASE + 0x12000);
        break;
    case BUS << 8 | VIRTIO_MSG_BUS_GET_DEVICES:
        msg->get_devices.count = GUINT16_TO_LE(64);
        break;
    default:
        break;
    }
}

/* One answer at most, that fits, and then that of the PING */
static void sweep_send(Sweep *s, const struct virtio_msg *msg)
{
    VMsgLink *link = s->h.t.link;
    struct virtio_msg ping, resp;
    unsigned answers = 0;

    vmsg_init(&ping, BUS, VIRTIO_MSG_BUS_PING, 0, sizeof(ping.ping));
    ping.token = GUINT16_TO_LE(SWEEP_TOKEN);
    ping.ping.data = GUINT32_TO_LE(SWEEP_MARK);
    g_assert_true(vmsg_try_put(link, msg));
    vmsg_send(link, &ping);
    for (;;) {
        vmsg_get(link, &resp);
        g_assert_cmpuint(GUINT16_FROM_LE(resp.msg_size), >=,
                         VIRTIO_MSG_HDR_SIZE);
        g_assert_cmpuint(GUINT16_FROM_LE(resp.msg_size), <=,
                         VIRTIO_MSG_RING_SLOT_SIZE);
        if (!(resp.type & RESPONSE)) {
            g_assert_cmphex(resp.msg_id & VIRTIO_MSG_ID_EVENT, !=, 0);
            continue;
        }
        if (resp.token == ping.token) {
            break;
        }
        g_assert_cmphex(resp.type, ==, RESPONSE | (msg->type & BUS));
        g_assert_cmphex(resp.msg_id, ==, msg->msg_id);
        g_assert_cmpuint(resp.dev_num, ==, msg->type & BUS ? 0 : msg->dev_num);
        g_assert_cmpuint(resp.token, ==, msg->token);
        answers++;
    }
    g_assert_cmphex(GUINT32_FROM_LE(resp.ping.data), ==, SWEEP_MARK);
    g_assert_cmpuint(answers, <=, 1);
    g_assert_cmpuint(answers, <=, !(msg->msg_id & VIRTIO_MSG_ID_EVENT));

    /* An event that has an effect is neither answered nor dropped */
    if (msg->msg_id != VIRTIO_MSG_EVENT_AVAIL) {
        s->sent++;
        s->answered += answers;
    }
}

static void sweep_field(Sweep *s, const Message *message, const Field *field)
{
    size_t n = field->size == 1 ? 256 : G_N_ELEMENTS(values);
    struct virtio_msg msg;
    uint64_t val;
    size_t i;

    for (i = 0; i < n; i++) {
        val = field->size == 1 ? i : values[i];
        if (field->size < 8 && val >> (field->size * 8)) {
            /* Cut off, it would be a value that another one stands for */
            continue;
        }
        sweep_enter_state(s);
        sweep_message(s, message, &msg);
        val = GUINT64_TO_LE(val);
        memcpy((uint8_t *)&msg + field->offset, &val, field->size);
        sweep_send(s, &msg);
    }
    hostile_other_answers(&s->h);
}

static uint64_t sweep_drops(Sweep *s)
{
    return vmsg_drops(&s->h.t, "malformed") + vmsg_drops(&s->h.t, "unknown") +
           vmsg_drops(&s->h.t, "no-device");
}

static void sweep_message_fields(Sweep *s, const Message *message)
{
    const Field *field;
    uint64_t drops;
    size_t i;

    s->sent = 0;
    s->answered = 0;
    drops = sweep_drops(s);
    for (i = 0; i < G_N_ELEMENTS(header_fields); i++) {
        sweep_field(s, message, &header_fields[i]);
    }
    for (field = message->fields; field->size; field++) {
        sweep_field(s, message, field);
        if (field == &message->fields[G_N_ELEMENTS(message->fields) - 1]) {
            break;
        }
    }
    /* T-01, T-02: each request has its answer or is counted as dropped */
    if (message->id != VIRTIO_MSG_EVENT_AVAIL) {
        g_assert_cmpuint(s->answered + sweep_drops(s) - drops, >=, s->sent);
    }
}

/* B-05, T-01 to T-16 */
static void test_fields(gconstpointer opaque)
{
    Sweep s = { .target = opaque };
    size_t i;

    hostile_start(&s.h, false);
    for (s.state = 0; s.state < NUM_STATES; s.state++) {
        for (i = 0; i < G_N_ELEMENTS(messages); i++) {
            sweep_message_fields(&s, &messages[i]);
        }
        for (i = 0; i < hostile_num_targets; i++) {
            hostile_target_works(&s.h, &hostile_targets[i]);
        }
    }
    hostile_report(&s.h, "all fields of all messages");
    hostile_stop(&s.h);
}

/*
 * Indices and messages that change while they are read
 */

typedef struct Scribble {
    VMsgLink *link;
    uint32_t seed;
    bool stop;
} Scribble;

static void scribble_slot(GRand *rand, uint8_t *slot)
{
    struct virtio_msg msg;
    size_t i;

    for (i = 0; i < sizeof(msg) / 4; i++) {
        ((uint32_t *)&msg)[i] = g_rand_boolean(rand) ?
                                g_rand_int(rand) :
                                (guint32)g_rand_int_range(rand, 0, 70);
    }
    if (g_rand_int_range(rand, 0, 8)) {
        const Message *message =
            &messages[g_rand_int_range(rand, 0, G_N_ELEMENTS(messages))];

        msg.type = message->type;
        msg.msg_id = message->id;
        msg.dev_num = GUINT16_TO_LE(g_rand_int_range(rand, 0, 6));
        msg.msg_size = GUINT16_TO_LE(g_rand_int_range(rand, 8, 66));
    }
    for (i = 0; i < VIRTIO_MSG_RING_SLOT_SIZE / 8; i++) {
        __atomic_store_n((uint64_t *)slot + i, ((uint64_t *)&msg)[i],
                         __ATOMIC_RELAXED);
    }
}

static gpointer scribble_thread(gpointer opaque)
{
    static const size_t indices[] = {
        VMSG_DRIVER_QUEUE + VIRTIO_MSG_SPSC_HEAD,
        VMSG_DRIVER_QUEUE + VIRTIO_MSG_SPSC_TAIL,
        VMSG_DEVICE_QUEUE + VIRTIO_MSG_SPSC_HEAD,
        VMSG_DEVICE_QUEUE + VIRTIO_MSG_SPSC_TAIL,
    };
    Scribble *s = opaque;
    GRand *rand = g_rand_new_with_seed(s->seed);

    while (!__atomic_load_n(&s->stop, __ATOMIC_RELAXED)) {
        size_t index = indices[g_rand_int_range(rand, 0, 4)];
        int slot = g_rand_int_range(rand, 0, VIRTIO_MSG_SPSC_NUM_SLOTS);

        scribble_slot(rand, s->link->shm + VMSG_DRIVER_QUEUE +
                            VIRTIO_MSG_SPSC_SLOTS +
                            slot * VIRTIO_MSG_RING_SLOT_SIZE);
        __atomic_store_n((uint32_t *)(s->link->shm + index),
                         g_rand_int_range(rand, 0, 20) ?
                         g_rand_int_range(rand, 0, 64) : g_rand_int(rand),
                         __ATOMIC_RELEASE);
        if (!g_rand_int_range(rand, 0, 16)) {
            vmsg_link_ring(s->link);
        }
    }
    g_rand_free(rand);
    return NULL;
}

static void all_targets_work(Hostile *h)
{
    size_t i;

    for (i = 0; i < hostile_num_targets; i++) {
        hostile_target_works(h, &hostile_targets[i]);
    }
}

/* B-05 */
static void test_indices(void)
{
    Scribble s = { .seed = g_test_rand_int() };
    uint64_t received;
    GThread *thread;
    gint64 end;
    Hostile h;

    hostile_start(&h, false);
    s.link = h.t.link;
    received = vmsg_stat(&h.t, "received");
    thread = g_thread_new("scribble", scribble_thread, &s);
    end = g_get_monotonic_time() + hostile_seconds() * G_TIME_SPAN_SECOND;
    do {
        hostile_other_answers(&h);
        g_assert_cmpint(g_get_monotonic_time(), <, end + HOSTILE_PATIENCE);
    } while (g_get_monotonic_time() < end ||
             vmsg_stat(&h.t, "received") == received);
    __atomic_store_n(&s.stop, true, __ATOMIC_RELAXED);
    g_thread_join(thread);
    hostile_report(&h, "queues written at random");

    hostile_make_peace(&h);
    all_targets_work(&h);
    hostile_stop(&h);
}

/*
 * Floods, whose answers nobody reads
 */

/* KiB that a process may take more under whatever load */
#ifdef QEMU_SANITIZE_ADDRESS
#define GROWTH_MAX      (512 * 1024)    /* it keeps what was freed */
#else
#define GROWTH_MAX      (16 * 1024)
#endif

typedef struct Flood {
    const char *name;
    const Message *message;     /* NULL: nothing but the doorbell */
    bool running;               /* the device is at DRIVER_OK */
    VMsgLink *link;
    bool stop;
    uint64_t sent;
} Flood;

static gpointer flood_thread(gpointer opaque)
{
    Flood *f = opaque;
    Sweep s = { .target = &hostile_targets[HOSTILE_NET] };
    struct virtio_msg msg;

    if (f->message) {
        sweep_message(&s, f->message, &msg);
    }
    while (!__atomic_load_n(&f->stop, __ATOMIC_RELAXED)) {
        while (f->message && vmsg_try_put(f->link, &msg)) {
            f->sent++;
        }
        vmsg_link_ring(f->link);
    }
    return NULL;
}

/* B-04 */
static void test_flood(gconstpointer opaque)
{
    const HostileTarget *target = &hostile_targets[HOSTILE_NET];
    Flood f = *(const Flood *)opaque;
    uint64_t before, after, data;
    struct virtio_msg msg;
    GThread *thread;
    gint64 end;
    VMsgQueue q;
    Hostile h;

    hostile_start(&h, false);
    all_targets_work(&h);
    if (f.running) {
        hostile_up(&h, target, 0, &q);
    }
    f.link = h.t.link;
    before = hostile_memory(&h, "VmRSS");
    data = hostile_memory(&h, "VmData");
    thread = g_thread_new("flood", flood_thread, &f);
    end = g_get_monotonic_time() + hostile_seconds() * G_TIME_SPAN_SECOND / 2;
    do {
        hostile_other_answers(&h);
    } while (g_get_monotonic_time() < end);
    after = hostile_memory(&h, "VmRSS");
    g_test_message("%s: %" PRIu64 " messages sent; resident before %" PRIu64
                   " KiB, after %" PRIu64 " KiB", f.name, f.sent, before,
                   after);
    g_assert_cmpuint(after, <=, before + GROWTH_MAX);
    g_assert_cmpuint(hostile_memory(&h, "VmData"), <=, data + GROWTH_MAX);
    hostile_report(&h, f.name);
    __atomic_store_n(&f.stop, true, __ATOMIC_RELAXED);
    g_thread_join(thread);

    /* The attacker comes to its senses, and reads */
    vmsg_link_ring(h.t.link);
    vmsg_settle(&h.t);
    while (vmsg_try_get(h.t.link, &msg)) {
        vmsg_link_ring(h.t.link);
        vmsg_settle(&h.t);
    }
    vmsg_drop_events(h.t.link);
    all_targets_work(&h);
    hostile_stop(&h);
}

/*
 * Logs
 */

/* A driver that fails, resets and fails again does not fill the disk */
static void test_log(void)
{
    enum { ROUNDS = 100, LINES = 20 };
    const HostileTarget *target = &hostile_targets[HOSTILE_RNG];
    unsigned lines;
    VMsgLog log;
    VMsgQueue q;
    Hostile h;
    int i;

    vmsg_log_begin(&log);
    hostile_start(&h, false);
    vmsg_log_started(&log);

    for (i = 0; i < ROUNDS; i++) {
        struct vring_avail *avail;

        hostile_up(&h, target, 0, &q);
        avail = vmsg_link_ptr(h.t.link, q.avail);
        avail->idx = GUINT16_TO_LE(0x8000);
        vmsg_queue_kick(&q);
        g_assert_cmphex(vmsg_get_status(h.t.link, target->dev) &
                        VIRTIO_CONFIG_S_NEEDS_RESET, !=, 0);
        vmsg_set_status(h.t.link, target->dev, 0);
        vmsg_drop_events(h.t.link);
        hostile_forget_memory(&h);
    }
    hostile_target_works(&h, target);
    hostile_stop(&h);

    lines = vmsg_log_count(&log, "");
    g_assert_cmpuint(lines, >, 0);
    g_assert_cmpuint(lines, <=, LINES);
    vmsg_log_end(&log);
}

/*
 * DMA into the message queues themselves
 */

static void test_dma_to_queues(void)
{
    VMsgLink *link = vmsg_link_new(VMSG_SHM_SIZE, VMSG_SHM_SIZE);
    const HostileTarget *target = &hostile_targets[HOSTILE_RNG];
    VMsgBuffer buf = { .len = 4096, .device_writes = true };
    uint64_t ring;
    VMsgQueue q;
    Hostile h;
    int i;

    /* The ivshmem is the driver side's memory as well; the queues come first */
    munmap(link->ram, link->ram_size);
    close(link->ram_fd);
    link->ram_fd = dup(link->shm_fd);
    link->ram = mmap(NULL, link->ram_size, PROT_READ | PROT_WRITE, MAP_SHARED,
                     link->ram_fd, 0);
    g_assert(link->ram != MAP_FAILED);
    link->ram_used = VMSG_DEVICE_QUEUE + VIRTIO_MSG_SPSC_PAGE_SIZE;
    hostile_start_link(&h, link, false);

    /* Random bytes over indices and messages */
    for (i = 0; i < 20; i++) {
        hostile_up(&h, target, 0, &q);
        buf.addr = VMSG_RAM_BASE + (i & 1 ? VMSG_DEVICE_QUEUE
                                          : VMSG_DRIVER_QUEUE);
        vmsg_queue_add(&q, &buf, 1);
        vmsg_queue_kick(&q);
        while (!vmsg_queue_used(&q)) {
            hostile_other_answers(&h);
        }
        hostile_make_peace(&h);
        vmsg_set_status(link, target->dev, 0);
        hostile_forget_memory(&h);
    }

    /* Rings in them; what becomes of the request is not for us to say */
    for (i = 0; i < 4; i++) {
        vmsg_negotiate(link, target->dev, 0);
        ring = vmsg_link_alloc(link, 3 * 4096);
        vmsg_set_vqueue(link, target->dev, 0, target->size,
                        i == 0 ? VMSG_RAM_BASE : ring,
                        i == 1 ? VMSG_RAM_BASE : ring + 4096,
                        i == 2 ? VMSG_RAM_BASE + VMSG_DEVICE_QUEUE :
                        i == 3 ? VMSG_RAM_BASE : ring + 8192);
        vmsg_driver_ok(link, target->dev);
        vmsg_notify(link, target->dev, 0);
        hostile_other_answers(&h);
        vmsg_settle(&h.t);
        hostile_make_peace(&h);
        vmsg_set_status(link, target->dev, 0);
        hostile_forget_memory(&h);
    }
    all_targets_work(&h);
    hostile_stop(&h);
}

static const Flood floods[] = {
    { "flood of doorbells", NULL },
    { "flood of GET_DEVICE_INFO", &messages[0] },
    { "flood of GET_CONFIG", &messages[3] },
    { "flood of SET_DEVICE_STATUS", &messages[6] },
    { "flood of SET_VQUEUE", &messages[8] },
    { "flood of EVENT_AVAIL", &messages[11], true },
    { "flood of GET_DEVICES", &messages[12] },
    { "flood of PING", &messages[13] },
};

/* B-05: however much a driver has room for, it gets a bounded piece of it */
static void test_rng_large(void)
{
    const HostileTarget *target = &hostile_targets[HOSTILE_RNG];
    enum { ROOM = 1024 * 1024, PIECE = 64 * 1024 };
    VMsgBuffer buf = { .len = ROOM, .device_writes = true };
    VMsgQueue q;
    uint16_t id;
    Hostile h;
    int i;

    hostile_start(&h, false);
    hostile_up(&h, target, 0, &q);
    buf.addr = vmsg_link_alloc(h.t.link, ROOM);
    for (i = 0; i < 3; i++) {
        id = vmsg_queue_add(&q, &buf, 1);
        vmsg_queue_kick(&q);
        vmsg_queue_kick(&q);
        g_assert_cmpuint(vmsg_queue_wait(&q, id), ==, PIECE);
    }
    vmsg_drop_events(h.t.link);
    hostile_stop(&h);
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
    qtest_add_func("virtio-msg/hostile/ram-truncated/worker",
                   test_ram_truncated_in_worker);
    qtest_add_data_func("virtio-msg/hostile/fields/net",
                        &hostile_targets[HOSTILE_NET], test_fields);
    qtest_add_data_func("virtio-msg/hostile/fields/blk",
                        &hostile_targets[HOSTILE_BLK], test_fields);
    qtest_add_func("virtio-msg/hostile/indices", test_indices);
    for (i = 0; i < G_N_ELEMENTS(floods); i++) {
        g_autofree char *path =
            g_strdup_printf("virtio-msg/hostile/flood/%s",
                            strrchr(floods[i].name, ' ') + 1);

        qtest_add_data_func(path, &floods[i], test_flood);
    }
    qtest_add_func("virtio-msg/hostile/log", test_log);
    qtest_add_func("virtio-msg/hostile/dma-to-queues", test_dma_to_queues);
    qtest_add_func("virtio-msg/hostile/rng-large", test_rng_large);
    return g_test_run();
}
