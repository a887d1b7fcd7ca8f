/*
 * Fuzzer of the Linux side: what a device side can make of it
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "fuzz-pages.h"
#include "fuzz-target.h"
#include "virtio_msg_bus_internal.h"
#include "virtio_msg_drain.h"
#include "virtio_msg_ring_bus.h"

/*
 * The module virtio_msg with a ring in memory, and as much of a kernel as it
 * needs.  The device side answers as it should, or nearly so, or as it pleases;
 * a driver binds to each device and tries all that the transport offers it.
 *
 * What is to be found: memory that is overrun, used after it was freed, or
 * never freed; locks that are taken twice or slept with; waits without an end;
 * sizes beyond what was asked for.  In the end the link is stopped, with nobody
 * there to answer any more, and nothing may be left.
 *
 * An input is a sequence of steps of the device side, one byte and what the
 * step takes; bits 3..0 say which.  They are taken whenever the Linux side is
 * idle or sleeps.
 *
 *   ANSWER   the next request, as it should be; with any of bits 7..4 and then
 *            u8 offset, u8 value, one byte of the answer is changed
 *   IGNORE   the next request
 *   MESSAGE  u8 length, the bytes: a whole slot
 *   USED     u8 device, u8 queue; from 128 on: all of them
 *   CONFIG   u8 device, u8 status
 *   DEVICE   u8 device, u8 state
 *   INDEX    bit 4: tail, bit 5: u32 instead of u8, bit 6: driver queue; the
 *            value
 *   BYTES    bit 6: driver queue; u16 offset, u8 length, the bytes
 *   RESTART  both queues are zeroed; with bit 4 the device side speaks another
 *            wire from then on: bits 6..5 say which, at the start it is 2025
 *   QUIET    nothing; time goes by
 */
enum {
    STEP_ANSWER,
    STEP_IGNORE,
    STEP_MESSAGE,
    STEP_USED,
    STEP_CONFIG,
    STEP_DEVICE,
    STEP_INDEX,
    STEP_BYTES,
    STEP_RESTART,
    STEP_QUIET,
    NUM_STEPS,
};

/* A step of the device side takes this long: a timeout is some steps away */
#define STEP_JIFFIES    300

#define NUM_DEVICES     8
#define NUM_QUEUES      3
#define CONFIG_SIZE     100

/* Where shared memory regions can be */
#define SHM_BASE        0x100000
#define SHM_BEGIN       0x2000
#define SHM_END         0x10000

typedef enum Wire {
    WIRE_2025,
    WIRE_2026,
    WIRE_2025_07,
    NUM_WIRES,
} Wire;

typedef struct Device {
    u8 status;
    struct virtio_msg_set_vqueue queues[NUM_QUEUES];
} Device;

static struct virtio_msg_ring_bus bus;
static struct device parent;
static uint8_t *pages[2];       /* the driver queue and the device queue */
static VirtIOMSGRing ring;      /* the device side's */
static Device devices[NUM_DEVICES];
static FuzzInput in;
static Wire wire;               /* what the device side speaks */
static bool spoilt;             /* the driver queue has been changed by us */

/*
 * The device side
 */

/* What holds for a request, as long as it is the driver side's own */
static void expect(bool holds)
{
    g_assert_true(holds || spoilt);
}

static void interrupt(void)
{
    int rounds = 0;

    while (virtio_msg_receive(&bus.bus)) {
        /* One queue full at a time, and nobody fills it meanwhile */
        g_assert_cmpint(++rounds, <, 4);
    }
}

/* The device side goes on with words of its own that were changed (L-07) */
static void send_message(const struct virtio_msg *msg)
{
    virtio_msg_ring_advance(&ring, 0);
    virtio_msg_ring_put(&ring, msg, VIRTIO_MSG_RING_SLOT_SIZE);
}

static size_t answer_info(u16 num, struct virtio_msg *resp)
{
    if (wire == WIRE_2026) {
        resp->get_device_info_resp.device_id = cpu_to_le32(1 + num % 4);
        resp->get_device_info_resp.num_feature_blocks = cpu_to_le32(2);
        resp->get_device_info_resp.config_size = cpu_to_le32(CONFIG_SIZE);
        resp->get_device_info_resp.max_virtqueues = cpu_to_le32(NUM_QUEUES);
        return sizeof(resp->get_device_info_resp);
    }
    resp->get_device_info_resp_2025.device_id = cpu_to_le32(1 + num % 4);
    resp->get_device_info_resp_2025.num_feature_bits = cpu_to_le32(64);
    resp->get_device_info_resp_2025.config_size = cpu_to_le32(CONFIG_SIZE);
    resp->get_device_info_resp_2025.max_virtqueues = cpu_to_le32(NUM_QUEUES);
    return sizeof(resp->get_device_info_resp_2025);
}

static size_t answer_get_vqueue(Device *dev, u32 index,
                                struct virtio_msg *resp)
{
    const struct virtio_msg_set_vqueue *queue =
        &dev->queues[index % NUM_QUEUES];

    resp->get_vqueue_resp.index = cpu_to_le32(index);
    resp->get_vqueue_resp.max_size = cpu_to_le32(64);
    resp->get_vqueue_resp.cur_size = queue->size;
    if (wire == WIRE_2025_07) {
        memcpy(resp->get_vqueue_resp_2025_07.desc, &queue->desc,
               3 * sizeof(queue->desc));
        return sizeof(resp->get_vqueue_resp_2025_07);
    }
    resp->get_vqueue_resp.flags = queue->flags;
    resp->get_vqueue_resp.desc = queue->desc;
    resp->get_vqueue_resp.driver = queue->driver;
    resp->get_vqueue_resp.device = queue->device;
    return sizeof(resp->get_vqueue_resp);
}

static void take_set_vqueue(Device *dev, const struct virtio_msg *req)
{
    u32 index = le32_to_cpu(req->set_vqueue.index);
    struct virtio_msg_set_vqueue *queue = &dev->queues[index % NUM_QUEUES];

    expect(index < NUM_QUEUES);
    *queue = req->set_vqueue;
    if (le16_to_cpu(req->msg_size) ==
        VIRTIO_MSG_HDR_SIZE + sizeof(req->set_vqueue_2025_07)) {
        memcpy(&queue->desc, req->set_vqueue_2025_07.desc,
               3 * sizeof(queue->desc));
    }
}

static size_t answer_shm(const struct virtio_msg *req, struct virtio_msg *resp)
{
    u32 id = le32_to_cpu(req->index.index);

    if (wire == WIRE_2026) {
        resp->get_shm_resp.index = req->index.index;
        resp->get_shm_resp.length = cpu_to_le64(id * 0x1000);
        resp->get_shm_resp.address = cpu_to_le64(id * 0x1000);
        return sizeof(resp->get_shm_resp);
    }
    resp->get_shm_resp_2025.index = req->index.index;
    resp->get_shm_resp_2025.length = cpu_to_le32(id * 0x1000);
    resp->get_shm_resp_2025.address = cpu_to_le32(id * 0x1000);
    return sizeof(resp->get_shm_resp_2025);
}

static size_t answer_transport(const struct virtio_msg *req,
                               struct virtio_msg *resp)
{
    u16 num = le16_to_cpu(req->dev_num);
    Device *dev = &devices[num % NUM_DEVICES];
    u32 index = le32_to_cpu(req->index.index);
    u32 len;

    switch (req->msg_id) {
    case VIRTIO_MSG_GET_DEVICE_INFO:
        return answer_info(num, resp);
    case VIRTIO_MSG_GET_DEVICE_FEATURES:
        resp->features.block_index = req->get_features.block_index;
        resp->features.num_blocks = cpu_to_le32(2);
        resp->features.features[0] = cpu_to_le32(UINT32_MAX);
        resp->features.features[1] = cpu_to_le32(UINT32_MAX);
        return offsetof(struct virtio_msg_features, features) + 8;
    case VIRTIO_MSG_GET_CONFIG:
    case VIRTIO_MSG_SET_CONFIG:
        len = le32_to_cpu(req->msg_id == VIRTIO_MSG_GET_CONFIG ?
                          req->get_config.length : req->config.length);
        expect(len <= 44);
        len = MIN(len, 44);
        resp->config.offset = req->msg_id == VIRTIO_MSG_GET_CONFIG ?
                              req->get_config.offset : req->config.offset;
        resp->config.length = cpu_to_le32(len);
        return offsetof(struct virtio_msg_config, data) + len;
    case VIRTIO_MSG_SET_DEVICE_STATUS:
        dev->status = le32_to_cpu(req->status.status);
        if (!dev->status) {
            memset(dev->queues, 0, sizeof(dev->queues));
        }
        /* fall through */
    case VIRTIO_MSG_GET_DEVICE_STATUS:
        resp->status.status = cpu_to_le32(dev->status);
        return sizeof(resp->status);
    case VIRTIO_MSG_SET_VQUEUE:
        take_set_vqueue(dev, req);
        return 0;
    case VIRTIO_MSG_GET_VQUEUE:
        return answer_get_vqueue(dev, index, resp);
    case VIRTIO_MSG_RESET_VQUEUE:
        memset(&dev->queues[index % NUM_QUEUES], 0, sizeof(dev->queues[0]));
        return 0;
    case VIRTIO_MSG_GET_SHM:
        return answer_shm(req, resp);
    default:
        return 0;
    }
}

static size_t answer_bus(const struct virtio_msg *req, struct virtio_msg *resp)
{
    u16 count = le16_to_cpu(req->get_devices.count);

    switch (req->msg_id) {
    case VIRTIO_MSG_BUS_GET_DEVICES:
        expect(count % VIRTIO_MSG_DEVICES_ALIGN_2025 == 0);
        resp->get_devices_resp.offset = req->get_devices.offset;
        if (wire == WIRE_2026) {
            resp->get_devices_resp.count = cpu_to_le16(NUM_DEVICES);
        } else {
            resp->get_devices_resp_2025.count = cpu_to_le16(NUM_DEVICES);
        }
        resp->get_devices_resp.bitmap[0] = 0x05;
        return offsetof(struct virtio_msg_get_devices_resp, bitmap) + 1;
    default:
        resp->ping = req->ping;
        return sizeof(resp->ping);
    }
}

static bool take_request(struct virtio_msg *req)
{
    u16 size;

    virtio_msg_ring_advance(&ring, 0);
    if (virtio_msg_ring_get(&ring, req) != VIRTIO_MSG_RING_OK) {
        return false;
    }
    size = le16_to_cpu(req->msg_size);
    expect(size >= VIRTIO_MSG_HDR_SIZE && size <= VIRTIO_MSG_RING_SLOT_SIZE);
    return size >= VIRTIO_MSG_HDR_SIZE && size <= VIRTIO_MSG_RING_SLOT_SIZE;
}

static void step_answer(uint8_t how)
{
    QEMU_ALIGNED(8) struct virtio_msg req = { 0 }, resp = { 0 };
    size_t len;

    if (!take_request(&req)) {
        return;
    }
    if (req.msg_id & VIRTIO_MSG_ID_EVENT) {
        return;
    }
    resp.type = req.type | VIRTIO_MSG_TYPE_RESPONSE;
    resp.msg_id = req.msg_id;
    resp.dev_num = req.dev_num;
    resp.token = req.token;
    len = req.type & VIRTIO_MSG_TYPE_BUS ? answer_bus(&req, &resp)
                                         : answer_transport(&req, &resp);
    resp.msg_size = cpu_to_le16(VIRTIO_MSG_HDR_SIZE + len);
    if (how) {
        uint8_t at = fuzz_u8(&in) % VIRTIO_MSG_RING_SLOT_SIZE;

        ((uint8_t *)&resp)[at] = fuzz_u8(&in);
    }
    send_message(&resp);
}

static void send_event(u8 type, u8 id, u16 dev, u32 first, size_t len)
{
    QEMU_ALIGNED(8) struct virtio_msg msg = {
        .type = type,
        .msg_id = id,
        .dev_num = cpu_to_le16(dev),
        .msg_size = cpu_to_le16(VIRTIO_MSG_HDR_SIZE + len),
        .index.index = cpu_to_le32(first),
    };

    send_message(&msg);
}

static void attach_device_side(bool reset)
{
    virtio_msg_ring_init_spsc(&ring, pages[1], pages[0], reset);
    virtio_msg_ring_advance(&ring, 0);
}

static void step(void)
{
    QEMU_ALIGNED(8) struct virtio_msg msg = { 0 };
    uint8_t op = fuzz_u8(&in), dev, val;
    uint8_t *page = pages[!(op & 0x40)];
    FuzzPoke poke;

    switch ((op & 15) % NUM_STEPS) {
    case STEP_ANSWER:
        step_answer(op >> 4);
        break;
    case STEP_IGNORE:
        virtio_msg_ring_advance(&ring, 0);
        virtio_msg_ring_get(&ring, &msg);
        break;
    case STEP_MESSAGE:
        fuzz_bytes(&in, &msg, fuzz_u8(&in) % (VIRTIO_MSG_RING_SLOT_SIZE + 1));
        send_message(&msg);
        break;
    case STEP_USED:
        dev = fuzz_u8(&in);
        val = fuzz_u8(&in);
        send_event(0, VIRTIO_MSG_EVENT_USED, dev,
                   val < 128 ? val : VIRTIO_MSG_ALL_VQUEUES, 4);
        break;
    case STEP_CONFIG:
        dev = fuzz_u8(&in);
        send_event(0, VIRTIO_MSG_EVENT_CONFIG, dev, fuzz_u8(&in), 16);
        break;
    case STEP_DEVICE:
        dev = fuzz_u8(&in);
        send_event(VIRTIO_MSG_TYPE_BUS, VIRTIO_MSG_BUS_EVENT_DEVICE, 0,
                   dev | (u32)fuzz_u8(&in) << 16, 4);
        break;
    case STEP_INDEX:
        poke = fuzz_poke_index(&in, op & 0x10, op & 0x20);
        fuzz_poke(page, &poke);
        spoilt |= page == pages[0];
        break;
    case STEP_BYTES:
        poke = fuzz_poke_bytes(&in);
        fuzz_poke(page, &poke);
        spoilt |= page == pages[0];
        break;
    case STEP_RESTART:
        if (op & 0x10) {
            wire = (op >> 5 & 3) % NUM_WIRES;
        }
        attach_device_side(true);
        break;
    case STEP_QUIET:
        break;
    }
}

static void pass_time(long passed)
{
    jiffies += passed;
    kernel_run_timers();
    if (in.left) {
        step();
        interrupt();
    }
}

long kernel_sleep(long left)
{
    long passed = in.left ? MIN(left, STEP_JIFFIES) : left;

    g_assert_cmpuint(kernel_locks_held, ==, 0);
    pass_time(passed);
    kernel_run_works(true);
    return left - passed;
}

/*
 * The driver, of whatever device
 */

static void on_used(struct virtqueue *vq)
{
    g_assert_false(vq->broken);
}

static void use_config(struct virtio_device *vdev)
{
    static const unsigned lengths[] = { 1, 2, 4, 8, 44, 45, CONFIG_SIZE };
    uint8_t buf[CONFIG_SIZE];
    unsigned i;

    for (i = 0; i < G_N_ELEMENTS(lengths); i++) {
        /* Ends with the configuration, and once behind it */
        unsigned offset = CONFIG_SIZE - lengths[i];

        vdev->config->generation(vdev);
        vdev->config->get(vdev, offset, buf, lengths[i]);
        vdev->config->set(vdev, offset + (i & 1), buf, lengths[i]);
    }
}

static void add_status(struct virtio_device *vdev, u8 bits)
{
    vdev->config->set_status(vdev, vdev->config->get_status(vdev) | bits);
}

/* Whatever the device says, what a driver gets is in reach */
static void use_shm(struct virtio_device *vdev)
{
    struct virtio_shm_region region;
    u8 id;

    for (id = 0; id < 3; id++) {
        if (vdev->config->get_shm_region(vdev, &region, id)) {
            g_assert_cmpuint(region.addr, >=, SHM_BASE + SHM_BEGIN);
            g_assert_cmpuint(region.addr, <, SHM_BASE + SHM_END);
            g_assert_cmpuint(region.len, <=,
                             SHM_BASE + SHM_END - region.addr);
        }
    }
}

static void use_queues(struct virtio_device *vdev)
{
    struct virtqueue_info info[NUM_QUEUES] = {
        { .name = "a", .callback = on_used },
        { .name = NULL },
        { .name = "b", .callback = on_used },
    };
    struct virtqueue *vqs[NUM_QUEUES];
    int i;

    use_shm(vdev);
    if (vdev->config->find_vqs(vdev, NUM_QUEUES, vqs, info, NULL)) {
        g_assert_true(list_empty(&vdev->vqs));
        return;
    }
    add_status(vdev, VIRTIO_CONFIG_S_DRIVER_OK);
    for (i = 0; i < NUM_QUEUES; i++) {
        if (vqs[i]) {
            vqs[i]->notify(vqs[i]);
        }
    }
    if (!vdev->config->disable_vq_and_reset(vqs[0])) {
        vdev->config->enable_vq_after_reset(vqs[0]);
    }
    kernel_sleep(STEP_JIFFIES);
    vdev->config->synchronize_cbs(vdev);
    vqs[0]->notify(vqs[0]);
}

int register_virtio_device(struct virtio_device *vdev)
{
    vdev->dev.refs = 1;
    INIT_LIST_HEAD(&vdev->vqs);

    vdev->config->reset(vdev);
    add_status(vdev, VIRTIO_CONFIG_S_ACKNOWLEDGE);
    add_status(vdev, VIRTIO_CONFIG_S_DRIVER);
    vdev->features = vdev->config->get_features(vdev);
    if (vdev->config->finalize_features(vdev)) {
        add_status(vdev, VIRTIO_CONFIG_S_FAILED);
        return 0;
    }
    add_status(vdev, VIRTIO_CONFIG_S_FEATURES_OK);
    if (vdev->config->get_status(vdev) & VIRTIO_CONFIG_S_FEATURES_OK) {
        use_config(vdev);
        use_queues(vdev);
    }
    /* A driver that does not like its device, and yet the device is there */
    return 0;
}

void unregister_virtio_device(struct virtio_device *vdev)
{
    vdev->config->reset(vdev);
    vdev->config->del_vqs(vdev);
    g_assert_true(list_empty(&vdev->vqs));
    add_status(vdev, VIRTIO_CONFIG_S_ACKNOWLEDGE);
    put_device(&vdev->dev);
}

/*
 * What is outstanding in a queue is not known here: nothing ever is
 */

struct virtio_msg_track {
    struct virtqueue *vq;
};

struct virtio_msg_track *virtio_msg_track_new(struct virtqueue *vq)
{
    struct virtio_msg_track *track = g_new(struct virtio_msg_track, 1);

    track->vq = vq;
    return track;
}

void virtio_msg_track_free(struct virtio_msg_track *track)
{
    g_free(track);
}

void virtio_msg_track(struct virtio_msg_track *track)
{
    g_assert_true(!track || track->vq);
}

void virtio_msg_withdraw(struct virtio_msg_device *vmdev)
{
    spin_lock_irq(&vmdev->lock);
    spin_unlock_irq(&vmdev->lock);
}

const char *virtio_msg_drain_refuses(struct device *dev)
{
    g_assert_true(dev == &parent);
    return NULL;
}

bool virtio_msg_drain(struct virtio_msg_device *vmdev)
{
    bool wanted;

    kernel_sleep(1);
    spin_lock_irq(&vmdev->lock);
    wanted = vmdev->drain && vmdev->status_set & VIRTIO_CONFIG_S_DRIVER_OK;
    spin_unlock_irq(&vmdev->lock);
    return wanted;
}

void virtio_msg_disarm(struct virtio_msg_device *vmdev)
{
    g_assert_nonnull(vmdev);
    kernel_sleep(1);
}

static void ring_doorbell(struct virtio_msg_bus *link)
{
    g_assert_true(link == &bus.bus);
}

static bool find(struct virtio_msg_bus *link)
{
    virtio_msg_ring_use_spsc(&bus.ring, pages[0], pages[1]);
    link->max_size = bus.ring.max_size;
    return true;
}

static const struct virtio_msg_bus_ops bus_ops = {
    VIRTIO_MSG_RING_BUS_OPS,
    .kick = ring_doorbell,
    .find = find,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!pages[0]) {
        fuzz_pages(pages, G_N_ELEMENTS(pages));
    }
    in = (FuzzInput) { data, size };
    jiffies = 0;
    spoilt = false;
    wire = WIRE_2025;
    memset(devices, 0, sizeof(devices));
    attach_device_side(true);

    memset(&bus, 0, sizeof(bus));
    bus.bus.dev = &parent;
    bus.bus.ops = &bus_ops;
    bus.bus.reach = (struct virtio_msg_reach) { SHM_BASE, SHM_BEGIN, SHM_END };
    g_assert_cmpint(kernel_load(), ==, 0);
    g_assert_cmpint(virtio_msg_bus_init(&bus.bus), ==, 0);
    bus.bus.slow->waits = true;
    g_assert_true(virtio_msg_bus_start(&bus.bus));

    kernel_run_works(false);
    while (in.left) {
        pass_time(STEP_JIFFIES);
        kernel_run_works(false);
    }
    virtio_msg_bus_stop(&bus.bus);
    virtio_msg_receive(&bus.bus);
    virtio_msg_bus_exit(&bus.bus);
    kernel_unload();
    g_assert_true(kernel_is_idle());
    return 0;
}
