/*
 * libqos virtio-msg driver
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "../libqtest.h"
#include "qemu/bswap.h"
#include "qemu/module.h"
#include "standard-headers/linux/virtio_config.h"
#include "virtio-msg.h"

/* Whatever a test leaves out: the device refuses a driver without these */
#define FEATURES_NEEDED                     \
    ((1ULL << VIRTIO_F_VERSION_1) | (1ULL << VIRTIO_F_ACCESS_PLATFORM))

#define PAGE_SIZE_DRIVER    4096

/* Of the virtual clock, while somebody waits for something to happen */
#define STEP_NS             100

static QVirtioMsgDevice *to_msg(QVirtioDevice *d)
{
    return container_of(d, QVirtioMsgDevice, vdev);
}

static void read_config(QVirtioDevice *d, uint64_t off, void *buf, size_t size)
{
    QVirtioMsgDevice *dev = to_msg(d);

    g_assert_cmpuint(vmsg_get_config(dev->link, dev->dev_num, off, size, buf,
                                     NULL), ==, size);
}

static uint8_t qvirtio_msg_config_readb(QVirtioDevice *d, uint64_t off)
{
    uint8_t val;

    read_config(d, off, &val, sizeof(val));
    return val;
}

static uint16_t qvirtio_msg_config_readw(QVirtioDevice *d, uint64_t off)
{
    uint16_t val;

    read_config(d, off, &val, sizeof(val));
    return le16_to_cpu(val);
}

static uint32_t qvirtio_msg_config_readl(QVirtioDevice *d, uint64_t off)
{
    uint32_t val;

    read_config(d, off, &val, sizeof(val));
    return le32_to_cpu(val);
}

static uint64_t qvirtio_msg_config_readq(QVirtioDevice *d, uint64_t off)
{
    uint64_t val;

    read_config(d, off, &val, sizeof(val));
    return le64_to_cpu(val);
}

static uint64_t qvirtio_msg_get_features(QVirtioDevice *d)
{
    QVirtioMsgDevice *dev = to_msg(d);

    return vmsg_get_features(dev->link, dev->dev_num);
}

static uint8_t qvirtio_msg_get_status(QVirtioDevice *d)
{
    QVirtioMsgDevice *dev = to_msg(d);

    return vmsg_get_status(dev->link, dev->dev_num);
}

/* Sort what has arrived: each kind of event is asked for by itself */
static void take_events(QVirtioMsgDevice *dev)
{
    struct virtio_msg event;

    while (vmsg_next_event(dev->link, &event)) {
        if ((event.type & VIRTIO_MSG_TYPE_BUS) ||
            le16_to_cpu(event.dev_num) != dev->dev_num) {
            /* Devices that come and go, and what they do, are not ours */
            continue;
        }
        switch (event.msg_id) {
        case VIRTIO_MSG_EVENT_USED:
            g_hash_table_add(dev->used,
                             GUINT_TO_POINTER(le32_to_cpu(event.index.index)));
            break;
        case VIRTIO_MSG_EVENT_CONFIG:
            /*
             * The interrupt status registers of QEMU's other transports then
             * have the bit for queues set as well, and tests rely on that.
             */
            dev->config_changed = true;
            dev->queues_changed = true;
            break;
        }
    }
}

static void forget_events(QVirtioMsgDevice *dev)
{
    take_events(dev);
    g_hash_table_remove_all(dev->used);
    dev->config_changed = false;
    dev->queues_changed = false;
}

static void qvirtio_msg_set_status(QVirtioDevice *d, uint8_t status)
{
    QVirtioMsgDevice *dev = to_msg(d);

    vmsg_set_status(dev->link, dev->dev_num, status);
    if (!status) {
        /* Of before the reset: nothing comes after its answer (T-08) */
        forget_events(dev);
    }
}

static void qvirtio_msg_set_features(QVirtioDevice *d, uint64_t features)
{
    QVirtioMsgDevice *dev = to_msg(d);
    bool legacy = !(features & (1ULL << VIRTIO_F_VERSION_1));

    d->features = features | FEATURES_NEEDED;
    vmsg_set_features(dev->link, dev->dev_num, d->features);
    if (legacy) {
        /* A test that wants no modern device does not say FEATURES_OK either */
        uint8_t status = qvirtio_msg_get_status(d) |
                         VIRTIO_CONFIG_S_FEATURES_OK;

        qvirtio_msg_set_status(d, status);
        g_assert_cmphex(qvirtio_msg_get_status(d), ==, status);
    }
}

static uint64_t qvirtio_msg_get_guest_features(QVirtioDevice *d)
{
    return d->features;
}

/*
 * Like the read of a register that it stands for, it goes to the device and
 * back: what the device has sent before is there then.
 */
static bool qvirtio_msg_get_queue_isr_status(QVirtioDevice *d, QVirtQueue *vq)
{
    QVirtioMsgDevice *dev = to_msg(d);
    bool changed;

    vmsg_ping(dev->link);
    take_events(dev);
    changed = dev->queues_changed;
    dev->queues_changed = false;
    return g_hash_table_remove(dev->used, GUINT_TO_POINTER(vq->index)) ||
           changed;
}

static bool get_config_isr_status(QVirtioMsgDevice *dev)
{
    bool changed;

    vmsg_ping(dev->link);
    take_events(dev);
    changed = dev->config_changed;
    dev->config_changed = false;
    return changed;
}

static void qvirtio_msg_wait_config_isr_status(QVirtioDevice *d,
                                               gint64 timeout_us)
{
    QVirtioMsgDevice *dev = to_msg(d);
    gint64 end = g_get_monotonic_time() + timeout_us;

    while (!get_config_isr_status(dev)) {
        g_assert_cmpint(g_get_monotonic_time(), <=, end);
        qtest_clock_step(dev->qts, STEP_NS);
    }
}

static void qvirtio_msg_queue_select(QVirtioDevice *d, uint16_t index)
{
    to_msg(d)->queue = index;
}

static uint16_t qvirtio_msg_get_queue_size(QVirtioDevice *d)
{
    QVirtioMsgDevice *dev = to_msg(d);

    return vmsg_get_vqueue(dev->link, dev->dev_num, dev->queue).max_size;
}

static void qvirtio_msg_set_queue_address(QVirtioDevice *d, QVirtQueue *vq)
{
    QVirtioMsgDevice *dev = to_msg(d);

    g_assert_cmpuint(vmsg_set_vqueue(dev->link, dev->dev_num, vq->index,
                                     vq->size, vq->desc, vq->avail, vq->used),
                     ==, vq->size);
}

static QVirtQueue *qvirtio_msg_virtqueue_setup(QVirtioDevice *d,
                                               QGuestAllocator *alloc,
                                               uint16_t index)
{
    QVirtioMsgDevice *dev = to_msg(d);
    QVirtQueue *vq = g_new0(QVirtQueue, 1);

    qvirtio_msg_queue_select(d, index);
    vq->vdev = d;
    vq->index = index;
    vq->size = qvirtio_msg_get_queue_size(d);
    vq->num_free = vq->size;
    vq->align = PAGE_SIZE_DRIVER;
    vq->indirect = d->features & (1ULL << VIRTIO_RING_F_INDIRECT_DESC);
    vq->event = d->features & (1ULL << VIRTIO_RING_F_EVENT_IDX);
    g_assert_cmpuint(vq->size, >, 0);

    qvring_init(dev->qts, alloc, vq,
                guest_alloc(alloc, qvring_size(vq->size, vq->align)));
    qvirtio_msg_set_queue_address(d, vq);
    return vq;
}

static void qvirtio_msg_virtqueue_cleanup(QVirtQueue *vq,
                                          QGuestAllocator *alloc)
{
    guest_free(alloc, vq->desc);
    g_free(vq);
}

static void qvirtio_msg_virtqueue_kick(QVirtioDevice *d, QVirtQueue *vq)
{
    QVirtioMsgDevice *dev = to_msg(d);

    vmsg_notify(dev->link, dev->dev_num, vq->index);
}

const QVirtioBus qvirtio_msg = {
    .config_readb = qvirtio_msg_config_readb,
    .config_readw = qvirtio_msg_config_readw,
    .config_readl = qvirtio_msg_config_readl,
    .config_readq = qvirtio_msg_config_readq,
    .get_features = qvirtio_msg_get_features,
    .set_features = qvirtio_msg_set_features,
    .get_guest_features = qvirtio_msg_get_guest_features,
    .get_status = qvirtio_msg_get_status,
    .set_status = qvirtio_msg_set_status,
    .get_queue_isr_status = qvirtio_msg_get_queue_isr_status,
    .wait_config_isr_status = qvirtio_msg_wait_config_isr_status,
    .queue_select = qvirtio_msg_queue_select,
    .get_queue_size = qvirtio_msg_get_queue_size,
    .set_queue_address = qvirtio_msg_set_queue_address,
    .virtqueue_setup = qvirtio_msg_virtqueue_setup,
    .virtqueue_cleanup = qvirtio_msg_virtqueue_cleanup,
    .virtqueue_kick = qvirtio_msg_virtqueue_kick,
};

static void *qvirtio_msg_get_driver(void *obj, const char *interface)
{
    QVirtioMsgDevice *dev = obj;

    g_assert_cmpstr(interface, ==, "virtio-bus");
    return &dev->vdev;
}

static void qvirtio_msg_start_hw(QOSGraphObject *obj)
{
    QVirtioMsgDevice *dev = (QVirtioMsgDevice *)obj;

    qvirtio_start_device(&dev->vdev);
}

void qvirtio_msg_device_init(QVirtioMsgDevice *dev, QTestState *qts,
                             VMsgLink *link, uint16_t dev_num)
{
    uint32_t device_id = vmsg_get_info(link, dev_num).device_id;

    g_assert_cmpuint(device_id, !=, 0);
    *dev = (QVirtioMsgDevice) {
        .obj.get_driver = qvirtio_msg_get_driver,
        .obj.start_hw = qvirtio_msg_start_hw,
        .vdev.bus = &qvirtio_msg,
        .vdev.device_type = device_id,
        .qts = qts,
        .link = link,
        .dev_num = dev_num,
        .used = g_hash_table_new(NULL, NULL),
    };
    forget_events(dev);
}

void qvirtio_msg_device_destroy(QVirtioMsgDevice *dev)
{
    g_hash_table_destroy(dev->used);
}

static void virtio_msg_register_nodes(void)
{
    qos_node_create_driver("virtio-msg-bus-ivshmem", NULL);
    qos_node_produces("virtio-msg-bus-ivshmem", "virtio-bus");
}

libqos_init(virtio_msg_register_nodes);
