// SPDX-License-Identifier: GPL-2.0-only
/*
 * A virtio driver that looks at what its device has besides queues
 *
 * The log says what it sees: so many bytes of the configuration, read in one
 * go, which no driver of the kernel's does; and where so many shared memory
 * regions are, and what is at their beginning.
 */
#include <linux/err.h>
#include <linux/io.h>
#include <linux/ioport.h>
#include <linux/minmax.h>
#include <linux/module.h>
#include <linux/virtio.h>
#include <linux/virtio_config.h>

#define LOOK_DEVICE_ID		0x7ffe
#define LOOK_MAX_CONFIG		64
#define LOOK_REGION_BYTES	8

static unsigned int config;
module_param(config, uint, 0644);
MODULE_PARM_DESC(config, "Bytes of the configuration to read (default 0)");

static unsigned int regions;
module_param(regions, uint, 0644);
MODULE_PARM_DESC(regions, "Regions to ask for (default 0)");

static void look_at_config(struct virtio_device *vdev)
{
	unsigned int size = min(READ_ONCE(config), LOOK_MAX_CONFIG + 0U);
	u8 bytes[LOOK_MAX_CONFIG] = {};

	if (!size)
		return;
	vdev->config->get(vdev, 0, bytes, size);
	dev_info(&vdev->dev, "configuration %*phN\n", (int)size, bytes);
}

static void look_at_region(struct virtio_device *vdev, u8 id,
			   const struct virtio_shm_region *region)
{
	void *mem;

	/* As drivers do that use one. */
	if (!devm_request_mem_region(&vdev->dev, region->addr, region->len,
				     KBUILD_MODNAME)) {
		dev_info(&vdev->dev, "region %u is in use\n", id);
		return;
	}
	mem = devm_memremap(&vdev->dev, region->addr, region->len,
			    MEMREMAP_WB);
	if (IS_ERR(mem))
		return;
	dev_info(&vdev->dev, "region %u has %llu bytes, at first %*phN\n", id,
		 region->len, LOOK_REGION_BYTES, mem);
}

static int look_probe(struct virtio_device *vdev)
{
	struct virtio_shm_region region;
	u8 id;

	look_at_config(vdev);
	for (id = 0; id < READ_ONCE(regions); id++) {
		if (virtio_get_shm_region(vdev, &region, id))
			look_at_region(vdev, id, &region);
		else
			dev_info(&vdev->dev, "no region %u\n", id);
	}
	virtio_device_ready(vdev);
	return 0;
}

static void look_remove(struct virtio_device *vdev)
{
	virtio_reset_device(vdev);
}

static const struct virtio_device_id look_ids[] = {
	{ LOOK_DEVICE_ID, VIRTIO_DEV_ANY_ID },
	{ 0 },
};

static struct virtio_driver look_driver = {
	.driver.name = KBUILD_MODNAME,
	.id_table = look_ids,
	.probe = look_probe,
	.remove = look_remove,
};
module_virtio_driver(look_driver);

MODULE_DESCRIPTION("virtio driver that looks at its device");
MODULE_LICENSE("GPL");
