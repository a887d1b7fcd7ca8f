/*
 * Fuzzer of the virtio-msg transport with virtio devices behind it
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include <sys/socket.h>
#include "monitor/qdev.h"
#include "net/net.h"
#include "qapi/qapi-commands-net.h"
#include "qapi/qapi-commands-qdev.h"
#include "qemu/main-loop.h"
#include "qemu/units.h"
#include "qobject/qdict.h"
#include "standard-headers/linux/virtio_config.h"
#include "standard-headers/linux/virtio_ring.h"
#include "tests/fuzz/fuzz-input.h"
#include "tests/qtest/libqos/libqos-malloc.h"
#include "tests/qtest/libqos/virtio-msg.h"
#include "tests/qtest/libqtest.h"
#include "fuzz.h"

/*
 * One link with four devices: a driver that does as it pleases, in one process
 * with them.  An input first says which devices libqos brings up, a bit each,
 * and with which features, a u64 each.  What follows are steps of one byte and
 * what the step takes.  Numbers that are too large wrap around.
 *
 * After each input the driver comes to its senses, and then all must be well:
 * the link answers, every device resets and is still what it was.  That is also
 * how the next input finds them, and so an input does the same by itself as
 * among others.
 *
 *   MESSAGE  u8 length, the bytes: a whole slot, not rung
 *   REQUEST  u8 which of known[], u8 device, s8 bytes more than it needs, the
 *            payload; not rung
 *   INDEX    u8: bit 0 device queue, bit 1 tail, bit 2 u32 instead of u8; the
 *            value
 *   SHARED   u16 offset, u8 length, the bytes: in shared memory
 *   RAM      u32 address, u8 length, the bytes: in the driver's memory
 *   SET_UP   u8 device, u8: bits 3..0 log2 of the queues' size, bit 7 take what
 *            is not offered, too; u64 features; rung
 *   CHAIN    u8 device and queue, u8 descriptors, then for each u8 flags, u16
 *            length; u8 length of what the first holds, the bytes; rung
 *   READ     all that the device side has sent
 *   PACKET   u8 length, the bytes: to the network device
 *   CLOCK    u32 nanoseconds, and one more
 *   LINK     u8: bit 0 the network device's cable
 *   PLUG     unplug the device that can be, or plug it in again
 *   RESET    u8 device, or one behind the last for the whole machine; rung
 */
enum {
    STEP_MESSAGE,
    STEP_REQUEST,
    STEP_RING,
    STEP_INDEX,
    STEP_SHARED,
    STEP_RAM,
    STEP_SET_UP,
    STEP_CHAIN,
    STEP_READ,
    STEP_PACKET,
    STEP_CLOCK,
    STEP_LINK,
    STEP_PLUG,
    STEP_RESET,
    NUM_STEPS,
};

/* In STEP_CHAIN, a descriptor's flags */
#define CHAIN_WRITE     0x01
#define CHAIN_INDIRECT  0x02
#define CHAIN_WILD      0x04    /* u64 address follows */
#define CHAIN_ENDLESS   0x08    /* goes on with itself */

#define MAX_CHAIN       8

/* The whole of it is cleared for each input */
#define RAM_SIZE        (1 * MiB)
#define SHM_SIZE        (64 * KiB)

/* What is where in the driver's memory: libqos', STEP_SET_UP's, buffers */
#define QOS_START       0x01000
#define QOS_END         0x80000
#define RINGS_START     0x80000
#define RINGS_SIZE      0x03000     /* of one queue */
#define BUFFERS_START   0xe0000
#define BUFFERS_SIZE    0x20000

#define MAX_QUEUE_SIZE  256
#define MAX_QUEUES      3

enum { NET, BLK, RNG, SLOW_BLK, NUM_DEVICES };

/* Turns of the main loop at once: the driver may keep a device busy for ever */
#define MAX_TURNS       64

typedef struct Queue {
    VMsgQueue vq;
    bool packed;
    bool wrap;
} Queue;

typedef struct Fuzz {
    QTestState *qts;
    VMsgLink *link;
    int net[2];                     /* ours, the device's */
    QVirtioMsgDevice dev[NUM_DEVICES];
    VMsgInfo info[NUM_DEVICES];
    uint64_t features[NUM_DEVICES];
    Queue queue[NUM_DEVICES][MAX_QUEUES];
    bool unplugged;
    FuzzInput in;
} Fuzz;

static Fuzz fuzz;

/*
 * Running the device side
 */

static void idle(void)
{
    main_loop_wait(true);
}

static void pump(void)
{
    int i;

    idle();
    for (i = 0; i < MAX_TURNS && g_main_context_pending(NULL); i++) {
        idle();
    }
}

static void ring(Fuzz *f)
{
    vmsg_link_ring(f->link);
    pump();
}

/*
 * The device with a latency is the one that still has requests in flight when
 * something happens to it.
 */
static GString *command_line(FuzzTarget *t)
{
    g_autofree char *link = vmsg_link_args(fuzz.link, "link0", "");
    GString *line = g_string_new(NULL);

    g_string_printf(line,
        "%s -M virtio-msg,memory-backend=link0-ram -m %" PRIu64 "M "
        "-accel qtest -nodefaults -display none %s "
        "-netdev dgram,id=net0,local.type=fd,local.str=%d "
        "-device virtio-net-device,bus=link0.%d,netdev=net0,id=net,"
        "packed=on,guest_announce=on "
        "-blockdev null-co,node-name=disk0,size=1048576,read-zeroes=on "
        "-device virtio-blk-device,bus=link0.%d,drive=disk0,packed=on,"
        "num-queues=2,queue-size=16 "
        "-object rng-builtin,id=rng0 "
        "-device virtio-rng-device,bus=link0.%d,rng=rng0,id=plug,packed=on "
        "-blockdev null-co,node-name=disk1,size=1048576,latency-ns=100000 "
        "-device virtio-blk-device,bus=link0.%d,drive=disk1,packed=on,"
        "queue-size=16 ",
        TARGET_NAME, RAM_SIZE / MiB, link, fuzz.net[1], NET, BLK, RNG,
        SLOW_BLK);
    return line;
}

static void before_qemu(void)
{
    fuzz.link = vmsg_link_new(SHM_SIZE, RAM_SIZE);
    fuzz.link->ram_base = 0;
    fuzz.link->idle = idle;
    vmsg_link_serve(fuzz.link);
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0,
                               fuzz.net), ==, 0);
}

static void before_inputs(QTestState *s)
{
    int i;

    fuzz.qts = s;
    for (i = 0; i < NUM_DEVICES; i++) {
        fuzz.info[i] = vmsg_get_info(fuzz.link, i);
        fuzz.features[i] = vmsg_get_features(fuzz.link, i);
        qvirtio_msg_device_init(&fuzz.dev[i], s, fuzz.link, i);
    }
}

/*
 * Sending, without regard for what it does
 */

static void put(Fuzz *f, const struct virtio_msg *msg)
{
    /* A full queue, or one that has been spoilt, takes nothing: as it is */
    vmsg_try_put(f->link, msg);
}

static void put_status(Fuzz *f, uint16_t dev, uint32_t status)
{
    struct virtio_msg msg;

    vmsg_init(&msg, 0, VIRTIO_MSG_SET_DEVICE_STATUS, dev, sizeof(msg.status));
    msg.status.status = cpu_to_le32(status);
    put(f, &msg);
}

static void step_message(Fuzz *f)
{
    QEMU_ALIGNED(8) struct virtio_msg msg = { 0 };
    unsigned len = fuzz_u8(&f->in) % (VIRTIO_MSG_RING_SLOT_SIZE + 1);

    fuzz_bytes(&f->in, &msg, len);
    put(f, &msg);
}

/* The payload that each needs */
static const struct {
    uint8_t type;
    uint8_t id;
    uint8_t payload;
} known[] = {
    { 0, VIRTIO_MSG_GET_DEVICE_INFO, 0 },
    { 0, VIRTIO_MSG_GET_DEVICE_FEATURES, 8 },
    { 0, VIRTIO_MSG_SET_DRIVER_FEATURES, 16 },
    { 0, VIRTIO_MSG_GET_CONFIG, 8 },
    { 0, VIRTIO_MSG_SET_CONFIG, 16 },
    { 0, VIRTIO_MSG_GET_DEVICE_STATUS, 0 },
    { 0, VIRTIO_MSG_SET_DEVICE_STATUS, 4 },
    { 0, VIRTIO_MSG_GET_VQUEUE, 4 },
    { 0, VIRTIO_MSG_SET_VQUEUE, 40 },
    { 0, VIRTIO_MSG_RESET_VQUEUE, 4 },
    { 0, VIRTIO_MSG_GET_SHM, 4 },
    { 0, VIRTIO_MSG_EVENT_AVAIL, 8 },
    { VIRTIO_MSG_TYPE_BUS, VIRTIO_MSG_BUS_GET_DEVICES, 4 },
    { VIRTIO_MSG_TYPE_BUS, VIRTIO_MSG_BUS_PING, 4 },
};

static void step_request(Fuzz *f)
{
    QEMU_ALIGNED(8) struct virtio_msg msg;
    unsigned which = fuzz_u8(&f->in) % ARRAY_SIZE(known);
    uint8_t dev = fuzz_u8(&f->in);
    int payload = known[which].payload + (int8_t)fuzz_u8(&f->in);
    int room = VIRTIO_MSG_RING_SLOT_SIZE - VIRTIO_MSG_HDR_SIZE;

    vmsg_init(&msg, known[which].type, known[which].id, dev, payload);
    fuzz_bytes(&f->in, msg.payload, MAX(MIN(payload, room), 0));
    put(f, &msg);
}

static void step_index(Fuzz *f)
{
    uint8_t how = fuzz_u8(&f->in);
    uint32_t val = how & 4 ? fuzz_u32(&f->in) : fuzz_u8(&f->in);
    uint8_t *page = f->link->shm +
                    (how & 1 ? VMSG_DEVICE_QUEUE : VMSG_DRIVER_QUEUE);

    stl_le_p(page + (how & 2 ? VIRTIO_MSG_SPSC_TAIL : VIRTIO_MSG_SPSC_HEAD),
             val);
}

static void poke(Fuzz *f, uint8_t *mem, size_t size, uint32_t offset)
{
    uint8_t len = fuzz_u8(&f->in);

    offset %= size;
    fuzz_bytes(&f->in, mem + offset, MIN(len, size - offset));
}

static void step_reset(Fuzz *f)
{
    uint8_t dev = fuzz_u8(&f->in) % (NUM_DEVICES + 1);

    if (dev < NUM_DEVICES) {
        put_status(f, dev, 0);
        ring(f);
    } else {
        fuzz_reset(f->qts);
        pump();
    }
}

/*
 * Queues
 */

static Queue *pick_queue(Fuzz *f, uint8_t which)
{
    return &f->queue[which % NUM_DEVICES][which / NUM_DEVICES % MAX_QUEUES];
}

static void put_queue(Fuzz *f, Queue *q)
{
    struct virtio_msg msg;

    vmsg_init(&msg, 0, VIRTIO_MSG_SET_VQUEUE, q->vq.dev,
              sizeof(msg.set_vqueue));
    msg.set_vqueue.index = cpu_to_le32(q->vq.index);
    /* In 2025 nobody looks at it */
    msg.set_vqueue.flags = cpu_to_le32(VIRTIO_MSG_VQ_OP_ENABLE);
    msg.set_vqueue.size = cpu_to_le32(q->vq.size);
    msg.set_vqueue.desc = cpu_to_le64(q->vq.desc);
    msg.set_vqueue.driver = cpu_to_le64(q->vq.avail);
    msg.set_vqueue.device = cpu_to_le64(q->vq.used);
    put(f, &msg);
}

/* From reset to DRIVER_OK in one go, whatever the device makes of it */
static void step_set_up(Fuzz *f)
{
    uint8_t dev = fuzz_u8(&f->in) % NUM_DEVICES;
    uint8_t how = fuzz_u8(&f->in);
    uint16_t size = 1 << (how & 15) % 9;
    uint64_t features = fuzz_u32(&f->in) | (uint64_t)fuzz_u32(&f->in) << 32;
    uint32_t status = VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER;
    struct virtio_msg msg;
    unsigned i;

    QEMU_BUILD_BUG_ON(1 << 8 != MAX_QUEUE_SIZE);
    if (!(how & 0x80)) {
        features &= f->features[dev];
        features |= BIT_ULL(VIRTIO_F_VERSION_1) |
                    BIT_ULL(VIRTIO_F_ACCESS_PLATFORM);
    }

    put_status(f, dev, 0);
    put_status(f, dev, status);
    vmsg_init(&msg, 0, VIRTIO_MSG_SET_DRIVER_FEATURES, dev, 16);
    msg.features.num_blocks = cpu_to_le32(2);
    msg.features.features[0] = cpu_to_le32(features);
    msg.features.features[1] = cpu_to_le32(features >> 32);
    put(f, &msg);
    status |= VIRTIO_CONFIG_S_FEATURES_OK;
    put_status(f, dev, status);

    for (i = 0; i < MAX_QUEUES; i++) {
        Queue *q = &f->queue[dev][i];
        uint64_t base = RINGS_START + (dev * MAX_QUEUES + i) * RINGS_SIZE;

        memset(vmsg_link_ptr(f->link, base), 0, RINGS_SIZE);
        *q = (Queue) {
            .vq = {
                .link = f->link, .dev = dev, .index = i, .size = size,
                .desc = base, .avail = base + 0x1000, .used = base + 0x2000,
            },
            .packed = features & BIT_ULL(VIRTIO_F_RING_PACKED),
            .wrap = true,
        };
        put_queue(f, q);
    }
    put_status(f, dev, status | VIRTIO_CONFIG_S_DRIVER_OK);
    ring(f);
}

static void add_packed(Queue *q, const struct vring_desc *descs, unsigned num)
{
    unsigned i;

    for (i = 0; i < num; i++) {
        struct vring_packed_desc *desc =
            vmsg_link_ptr(q->vq.link, q->vq.desc);
        uint16_t flags = le16_to_cpu(descs[i].flags);

        if (q->wrap) {
            flags |= 1 << VRING_PACKED_DESC_F_AVAIL;
        } else {
            flags |= 1 << VRING_PACKED_DESC_F_USED;
        }
        desc[q->vq.next_desc] = (struct vring_packed_desc) {
            .addr = descs[i].addr,
            .len = descs[i].len,
            .id = cpu_to_le16(q->vq.next_desc),
            .flags = cpu_to_le16(flags),
        };
        if (++q->vq.next_desc == q->vq.size) {
            q->vq.next_desc = 0;
            q->wrap = !q->wrap;
        }
    }
}

static void add_split(Queue *q, struct vring_desc *descs, unsigned num)
{
    struct vring_desc *desc = vmsg_link_ptr(q->vq.link, q->vq.desc);
    struct vring_avail *avail = vmsg_link_ptr(q->vq.link, q->vq.avail);
    uint16_t head = q->vq.next_desc;
    unsigned i;

    for (i = 0; i < num; i++) {
        uint16_t at = q->vq.next_desc;
        bool endless = descs[i].next;

        q->vq.next_desc = (at + 1) % q->vq.size;
        descs[i].next = cpu_to_le16(endless ? at : q->vq.next_desc);
        desc[at] = descs[i];
    }
    avail->ring[q->vq.next_avail % q->vq.size] = cpu_to_le16(head);
    avail->idx = cpu_to_le16(++q->vq.next_avail);
}

static void step_chain(Fuzz *f)
{
    Queue *q = pick_queue(f, fuzz_u8(&f->in));
    unsigned num = 1 + fuzz_u8(&f->in) % MAX_CHAIN, i;
    struct vring_desc descs[MAX_CHAIN];
    uint64_t addr = BUFFERS_START;
    struct virtio_msg msg;

    for (i = 0; i < num; i++) {
        uint8_t how = fuzz_u8(&f->in);
        uint16_t len = fuzz_u16(&f->in), flags = 0;
        uint64_t at = addr;

        if (how & CHAIN_WILD) {
            at = fuzz_u32(&f->in) | (uint64_t)fuzz_u32(&f->in) << 32;
        } else {
            addr += QEMU_ALIGN_UP(len, 64);
        }
        flags |= how & CHAIN_WRITE ? VRING_DESC_F_WRITE : 0;
        flags |= how & CHAIN_INDIRECT ? VRING_DESC_F_INDIRECT : 0;
        flags |= i + 1 < num || how & CHAIN_ENDLESS ? VRING_DESC_F_NEXT : 0;
        descs[i] = (struct vring_desc) {
            .addr = cpu_to_le64(at),
            .len = cpu_to_le32(len),
            .flags = cpu_to_le16(flags),
            .next = !!(how & CHAIN_ENDLESS),
        };
    }
    i = fuzz_u8(&f->in);
    fuzz_bytes(&f->in, vmsg_link_ptr(f->link, BUFFERS_START), i);
    if (!q->vq.size) {
        return;
    }

    if (q->packed) {
        add_packed(q, descs, num);
    } else {
        add_split(q, descs, num);
    }
    vmsg_init(&msg, 0, VIRTIO_MSG_EVENT_AVAIL, q->vq.dev,
              sizeof(msg.event_avail));
    msg.event_avail.vq_index = cpu_to_le32(q->vq.index);
    put(f, &msg);
    ring(f);
}

/* Through libqos, which has everything checked that the device says */
static void bring_up(Fuzz *f, unsigned dev, QGuestAllocator *alloc)
{
    QVirtioDevice *vdev = &f->dev[dev].vdev;
    uint64_t features = fuzz_u32(&f->in) | (uint64_t)fuzz_u32(&f->in) << 32;
    unsigned i;

    qvirtio_start_device(vdev);
    features &= f->features[dev];
    features &= ~(QVIRTIO_F_BAD_FEATURE | BIT_ULL(VIRTIO_F_RING_PACKED));
    features |= BIT_ULL(VIRTIO_F_VERSION_1);
    qvirtio_set_features(vdev, features);

    for (i = 0; i < MIN(MAX_QUEUES, f->info[dev].max_virtqueues); i++) {
        QVirtQueue *vq;

        if (!vmsg_get_vqueue(f->link, dev, i).max_size) {
            continue;
        }
        vq = qvirtqueue_setup(vdev, alloc, i);
        f->queue[dev][i].vq = (VMsgQueue) {
            .link = f->link, .dev = dev, .index = i, .size = vq->size,
            .desc = vq->desc, .avail = vq->avail, .used = vq->used,
        };
        /* But not the ring: it goes with all that was allocated */
        g_free(vq);
    }
    qvirtio_set_driver_ok(vdev);
}

/*
 * What happens to the device side from elsewhere
 */

static void step_packet(Fuzz *f)
{
    uint8_t packet[UINT8_MAX];
    size_t len = fuzz_u8(&f->in);
    ssize_t sent;

    fuzz_bytes(&f->in, packet, len);
    /* Full means that the device does not take them: as it is */
    sent = send(f->net[0], packet, len, 0);
    (void)sent;
    pump();
}

static void plug(Fuzz *f)
{
    if (f->unplugged) {
        QDict *args = qdict_new();
        g_autofree char *bus = g_strdup_printf("link0.%d", RNG);

        qdict_put_str(args, "driver", "virtio-rng-device");
        qdict_put_str(args, "id", "plug");
        qdict_put_str(args, "bus", bus);
        qdict_put_str(args, "rng", "rng0");
        qdict_put_bool(args, "packed", true);
        qmp_device_add(args, NULL, &error_abort);
        qobject_unref(args);
    } else {
        qmp_device_del("plug", &error_abort);
    }
    f->unplugged = !f->unplugged;
    pump();
}

static void drain_net(Fuzz *f)
{
    uint8_t packet[64];

    while (recv(f->net[0], packet, sizeof(packet), 0) >= 0) {
        continue;
    }
}

/*
 * Back to a state that is known
 */

static bool find_message(const uint8_t *page, const struct virtio_msg *msg,
                         size_t len)
{
    unsigned i;

    for (i = 0; i < VIRTIO_MSG_SPSC_NUM_SLOTS; i++) {
        if (!memcmp(page + VIRTIO_MSG_SPSC_SLOTS +
                    i * VIRTIO_MSG_RING_SLOT_SIZE, msg, len)) {
            return true;
        }
    }
    return false;
}

/*
 * The device side keeps its indices to itself, and what the queues say of them
 * need not be true.  It is made to read until its index is 0, and asked
 * something, so that it has to write the other one.  Whether there is room for
 * that is not known either, so both are tried with two indices of ours, of
 * which one at least leaves half of the queue to it.
 */
static void resync(Fuzz *f)
{
    static const uint32_t tails[] = { 0, VIRTIO_MSG_SPSC_NUM_SLOTS / 2 };
    uint8_t *out = f->link->shm + VMSG_DRIVER_QUEUE;
    uint8_t *in = f->link->shm + VMSG_DEVICE_QUEUE;
    struct virtio_msg ping;
    uint32_t head;
    int i;

    memset(out + VIRTIO_MSG_SPSC_SLOTS, 0,
           VIRTIO_MSG_SPSC_PAGE_SIZE - VIRTIO_MSG_SPSC_SLOTS);
    memset(in + VIRTIO_MSG_SPSC_SLOTS, 0,
           VIRTIO_MSG_SPSC_PAGE_SIZE - VIRTIO_MSG_SPSC_SLOTS);
    stl_le_p(out + VIRTIO_MSG_SPSC_HEAD, 0);
    for (i = 0; i < ARRAY_SIZE(tails); i++) {
        stl_le_p(in + VIRTIO_MSG_SPSC_TAIL, tails[i]);
        ring(f);
    }

    vmsg_init(&ping, VIRTIO_MSG_TYPE_BUS, VIRTIO_MSG_BUS_PING, 0,
              sizeof(ping.ping));
    ping.token = cpu_to_le16(0x5a5a);
    ping.ping.data = cpu_to_le32(0xfeedf00d);
    memcpy(out + VIRTIO_MSG_SPSC_SLOTS, &ping, VIRTIO_MSG_RING_SLOT_SIZE);
    stl_le_p(out + VIRTIO_MSG_SPSC_HEAD, 1);
    for (i = 0; i < ARRAY_SIZE(tails); i++) {
        stl_le_p(in + VIRTIO_MSG_SPSC_TAIL, tails[i]);
        ring(f);
    }

    ping.type |= VIRTIO_MSG_TYPE_RESPONSE;
    g_assert_true(find_message(in, &ping, le16_to_cpu(ping.msg_size)));
    g_assert_cmpuint(ldl_le_p(out + VIRTIO_MSG_SPSC_TAIL), ==, 1);
    head = ldl_le_p(in + VIRTIO_MSG_SPSC_HEAD);
    g_assert_cmpuint(head, <, VIRTIO_MSG_SPSC_NUM_SLOTS);
    stl_le_p(in + VIRTIO_MSG_SPSC_TAIL, head);
    vmsg_link_reset_ring(f->link);
}

static void settle(Fuzz *f)
{
    int i;

    if (f->unplugged) {
        plug(f);
    }
    qmp_set_link("net0", true, &error_abort);
    resync(f);
    for (i = 0; i < NUM_DEVICES; i++) {
        VMsgInfo info;

        /* A reset goes through all queues that there could be: not in vain */
        if (vmsg_get_status(f->link, i)) {
            g_assert_cmphex(vmsg_set_status(f->link, i, 0), ==, 0);
        }
        info = vmsg_get_info(f->link, i);
        g_assert(!memcmp(&info, &f->info[i], sizeof(info)));
    }
    vmsg_drop_events(f->link);
    drain_net(f);
    memset(f->link->ram, 0, f->link->ram_size);
    memset(f->queue, 0, sizeof(f->queue));
}

static void step(Fuzz *f)
{
    uint32_t at;

    switch (fuzz_u8(&f->in) % NUM_STEPS) {
    case STEP_MESSAGE:
        step_message(f);
        break;
    case STEP_REQUEST:
        step_request(f);
        break;
    case STEP_RING:
        ring(f);
        break;
    case STEP_INDEX:
        step_index(f);
        break;
    case STEP_SHARED:
        at = fuzz_u16(&f->in);
        /* Not the ids behind: without those, nobody knows whom to ring */
        poke(f, f->link->shm, 2 * VIRTIO_MSG_SPSC_PAGE_SIZE, at);
        break;
    case STEP_RAM:
        at = fuzz_u32(&f->in);
        poke(f, f->link->ram, f->link->ram_size, at);
        break;
    case STEP_SET_UP:
        step_set_up(f);
        break;
    case STEP_CHAIN:
        step_chain(f);
        break;
    case STEP_READ:
        virtio_msg_ring_discard(&f->link->ring);
        ring(f);
        break;
    case STEP_PACKET:
        step_packet(f);
        break;
    case STEP_CLOCK:
        qtest_clock_step(f->qts, 1ULL + fuzz_u32(&f->in));
        pump();
        break;
    case STEP_LINK:
        qmp_set_link("net0", fuzz_u8(&f->in) & 1, &error_abort);
        pump();
        break;
    case STEP_PLUG:
        plug(f);
        break;
    case STEP_RESET:
        step_reset(f);
        break;
    }
}

static void fuzz_transport(QTestState *s, const unsigned char *data,
                           size_t size)
{
    Fuzz *f = &fuzz;
    QGuestAllocator alloc;
    uint8_t up;
    int i;

    f->in = (FuzzInput) { data, size };
    alloc_init(&alloc, 0, QOS_START, QOS_END, VIRTIO_MSG_SPSC_PAGE_SIZE);
    up = fuzz_u8(&f->in);
    for (i = 0; i < NUM_DEVICES; i++) {
        if (up & 1 << i) {
            bring_up(f, i, &alloc);
        }
    }
    while (f->in.left) {
        step(f);
    }
    alloc_destroy(&alloc);
    settle(f);
}

static void register_virtio_msg_fuzz_targets(void)
{
    fuzz_add_target(&(FuzzTarget) {
        .name = "virtio-msg-transport",
        .description = "A driver of virtio-net, virtio-blk and virtio-rng that "
                       "does as it pleases",
        .get_init_cmdline = command_line,
        .pre_vm_init = before_qemu,
        .pre_fuzz = before_inputs,
        .fuzz = fuzz_transport,
    });
}

fuzz_target_init(register_virtio_msg_fuzz_targets);
