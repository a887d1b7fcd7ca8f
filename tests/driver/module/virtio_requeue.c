// SPDX-License-Identifier: GPL-2.0-only
/*
 * A virtio driver that resets its queue in the middle of its requests
 *
 * The kernel's own drivers do so for network devices only.  This one does
 * what is written to the files of its device:
 *
 *   add     make a request available
 *   resize  reset the queue, take back what is in it, and have it begin anew
 *           with as many entries as the number says
 *
 * When the device goes, the log says what became of the requests.  It does not
 * go as long as the parameter "stay" is set, as one whose driver waits for
 * user space.  With "early" there is a request before the device is told that
 * its driver is there.
 */
#include <linux/atomic.h>
#include <linux/delay.h>
#include <linux/device.h>
#include <linux/kstrtox.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/virtio.h>
#include <linux/virtio_config.h>

#define REQUEUE_DEVICE_ID	0x7ffd
#define REQUEUE_BYTES		64
/* What requests are failed with */
#define REQUEUE_FAILED		0xff

static bool stay;
module_param(stay, bool, 0644);
MODULE_PARM_DESC(stay, "Have devices that are removed wait (default N)");

static bool early;
module_param(early, bool, 0644);
MODULE_PARM_DESC(early, "Add a request before DRIVER_OK (default N)");

/**
 * struct requeue - a device
 * @vq: its queue
 * @mutex: one file is written to at a time
 * @lock: protects @vq against its callback
 * @added: how many requests there were
 * @ended: how many of them came back through the queue
 * @failed: how many of the latter were marked as failed
 * @recycled: how many came back because the queue was reset
 */
struct requeue {
	struct virtqueue *vq;
	struct mutex mutex;
	/* protects vq */
	spinlock_t lock;
	unsigned int added;
	unsigned int ended;
	unsigned int failed;
	atomic_t recycled;
};

static void requeue_done(struct virtqueue *vq)
{
	struct requeue *rq = vq->vdev->priv;
	unsigned int len;
	unsigned long flags;
	u8 *data;

	spin_lock_irqsave(&rq->lock, flags);
	while ((data = virtqueue_get_buf(vq, &len))) {
		rq->ended++;
		rq->failed += data[0] == REQUEUE_FAILED;
		kfree(data);
	}
	spin_unlock_irqrestore(&rq->lock, flags);
}

static void requeue_recycle(struct virtqueue *vq, void *data)
{
	struct requeue *rq = vq->vdev->priv;

	atomic_inc(&rq->recycled);
	kfree(data);
}

static void requeue_recycled(struct virtqueue *vq)
{
}

typedef int requeue_resize_3(struct virtqueue *vq, u32 num,
			     void (*recycle)(struct virtqueue *vq, void *data));
typedef int requeue_resize_4(struct virtqueue *vq, u32 num,
			     void (*recycle)(struct virtqueue *vq, void *data),
			     void (*done)(struct virtqueue *vq));

/* Newer kernels also tell when all has been recycled. */
static int requeue_resize(struct virtqueue *vq, u32 num)
{
	void *resize = virtqueue_resize;
	requeue_resize_3 *resize_3;
	requeue_resize_4 *resize_4;

	/* Or the compiler sees that one of them is not of that type. */
	OPTIMIZER_HIDE_VAR(resize);
	resize_3 = resize;
	resize_4 = resize;
	if (__builtin_types_compatible_p(typeof(virtqueue_resize),
					 requeue_resize_3))
		return resize_3(vq, num, requeue_recycle);
	return resize_4(vq, num, requeue_recycle, requeue_recycled);
}

static int requeue_add(struct requeue *rq)
{
	struct scatterlist sg;
	unsigned long flags;
	u8 *data;
	int err;

	data = kzalloc(REQUEUE_BYTES, GFP_KERNEL);
	if (!data)
		return -ENOMEM;
	sg_init_one(&sg, data, REQUEUE_BYTES);

	mutex_lock(&rq->mutex);
	spin_lock_irqsave(&rq->lock, flags);
	err = virtqueue_add_inbuf(rq->vq, &sg, 1, data, GFP_ATOMIC);
	rq->added += !err;
	spin_unlock_irqrestore(&rq->lock, flags);
	if (err)
		kfree(data);
	else
		virtqueue_kick(rq->vq);
	mutex_unlock(&rq->mutex);
	return err;
}

static ssize_t add_store(struct device *dev, struct device_attribute *attr,
			 const char *buf, size_t count)
{
	return requeue_add(dev_to_virtio(dev)->priv) ?: count;
}
static DEVICE_ATTR_WO(add);

static ssize_t resize_store(struct device *dev, struct device_attribute *attr,
			    const char *buf, size_t count)
{
	struct requeue *rq = dev_to_virtio(dev)->priv;
	u32 num;
	int err;

	err = kstrtou32(buf, 0, &num);
	if (err)
		return err;
	mutex_lock(&rq->mutex);
	err = requeue_resize(rq->vq, num);
	mutex_unlock(&rq->mutex);
	return err ?: count;
}
static DEVICE_ATTR_WO(resize);

static struct attribute *requeue_attrs[] = {
	&dev_attr_add.attr,
	&dev_attr_resize.attr,
	NULL
};
ATTRIBUTE_GROUPS(requeue);

static int requeue_probe(struct virtio_device *vdev)
{
	struct requeue *rq;
	int err;

	rq = kzalloc(sizeof(*rq), GFP_KERNEL);
	if (!rq)
		return -ENOMEM;
	mutex_init(&rq->mutex);
	spin_lock_init(&rq->lock);
	vdev->priv = rq;
	rq->vq = virtio_find_single_vq(vdev, requeue_done, "requests");
	if (IS_ERR(rq->vq)) {
		err = PTR_ERR(rq->vq);
		kfree(rq);
		return err;
	}
	if (READ_ONCE(early))
		requeue_add(rq);
	virtio_device_ready(vdev);
	return 0;
}

static void requeue_remove(struct virtio_device *vdev)
{
	struct requeue *rq = vdev->priv;
	unsigned int left = 0;
	void *data;

	if (READ_ONCE(stay))
		dev_info(&vdev->dev, "stays\n");
	while (READ_ONCE(stay))
		msleep(20);
	virtio_reset_device(vdev);
	while ((data = virtqueue_detach_unused_buf(rq->vq))) {
		left++;
		kfree(data);
	}
	vdev->config->del_vqs(vdev);
	dev_info(&vdev->dev,
		 "%u requests: %u ended, %u of them failed, %u recycled, %u left\n",
		 rq->added, rq->ended, rq->failed, atomic_read(&rq->recycled),
		 left);
	kfree(rq);
}

static const struct virtio_device_id requeue_ids[] = {
	{ REQUEUE_DEVICE_ID, VIRTIO_DEV_ANY_ID },
	{ 0 },
};

static struct virtio_driver requeue_driver = {
	.driver.name = KBUILD_MODNAME,
	.driver.dev_groups = requeue_groups,
	.id_table = requeue_ids,
	.probe = requeue_probe,
	.remove = requeue_remove,
};
module_virtio_driver(requeue_driver);

MODULE_DESCRIPTION("virtio driver that resets its queue");
MODULE_LICENSE("GPL");
