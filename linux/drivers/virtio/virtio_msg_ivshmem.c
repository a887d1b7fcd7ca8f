// SPDX-License-Identifier: GPL-2.0-only
/*
 * virtio-msg over ivshmem: the PCI device with a doorbell
 *
 * BAR 0 has the registers, BAR 2 is the shared memory: the driver queue, the
 * device queue, and in its last 64 bytes a block in which both sides leave
 * their ivshmem id for the other one's doorbell.
 */
#include <linux/bottom_half.h>
#include <linux/delay.h>
#include <linux/dma-mapping.h>
#include <linux/interrupt.h>
#include <linux/io.h>
#include <linux/module.h>
#include <linux/pci.h>

#include "virtio_msg_amp.h"
#include "virtio_msg_compat.h"

#define IVSHMEM_DEVICE_ID	0x1110

#define IVSHMEM_BAR_REGS	0
#define IVSHMEM_BAR_MEM		2

#define IVSHMEM_IV_POSITION	0x08
#define IVSHMEM_DOORBELL	0x0c
#define IVSHMEM_MAX_ID		0xffff

#define IVSHMEM_DRIVER_QUEUE	0x0000
#define IVSHMEM_DEVICE_QUEUE	0x1000
#define IVSHMEM_QUEUES_END	0x2000

#define IVSHMEM_IDS_MAGIC	0x474d5356
#define IVSHMEM_IDS_VERSION	1

/* An id is stored as id + 1, and 0 says that its side is not there. */
struct ivshmem_ids {
	__le32 magic;
	__le16 version;
	__le16 reserved;
	__le32 device_side;
	__le32 driver_side;
	u8 unused[48];
};

static int peer_vmid = -1;
module_param(peer_vmid, int, 0444);
MODULE_PARM_DESC(peer_vmid,
		 "ivshmem id of the device side (default: what it says in the shared memory)");

static ushort vector;
module_param(vector, ushort, 0444);
MODULE_PARM_DESC(vector,
		 "Interrupt vector of the device side to ring (default 0)");

struct virtio_msg_ivshmem {
	struct virtio_msg_amp amp;
	void __iomem *regs;
	struct ivshmem_ids *ids;
	u16 own_id;
};

#define to_ivshmem(_amp) container_of(_amp, struct virtio_msg_ivshmem, amp)

/*
 * Reads the block each time: the device side may come later than we do, and
 * may come back with another id.
 */
static u16 ivshmem_peer(struct virtio_msg_ivshmem *ivs)
{
	u32 id;

	if (peer_vmid >= 0)
		return peer_vmid;

	if (le32_to_cpu(READ_ONCE(ivs->ids->magic)) == IVSHMEM_IDS_MAGIC) {
		id = le32_to_cpu(READ_ONCE(ivs->ids->device_side));
		if (id && id <= IVSHMEM_MAX_ID + 1)
			return id - 1;
	}

	/* A device side that does not use the block is the first to start. */
	return ivs->own_id ? 0 : 1;
}

static void ivshmem_ring(struct virtio_msg_amp *amp)
{
	struct virtio_msg_ivshmem *ivs = to_ivshmem(amp);

	/* writel() orders this after what was stored to memory. */
	writel((u32)ivshmem_peer(ivs) << 16 | vector,
	       ivs->regs + IVSHMEM_DOORBELL);
}

static const struct virtio_msg_amp_ops ivshmem_amp_ops = {
	.ring = ivshmem_ring,
};

static irqreturn_t ivshmem_interrupt(int irq, void *data)
{
	struct virtio_msg_ivshmem *ivs = data;

	return virtio_msg_amp_interrupt(&ivs->amp) ? IRQ_WAKE_THREAD :
						     IRQ_HANDLED;
}

/*
 * For a peer that writes faster than we read: the CPU is not all its own.
 * Threads of interrupts have real-time priority, so that only sleeping lets
 * everybody else run.
 */
static irqreturn_t ivshmem_thread(int irq, void *data)
{
	struct virtio_msg_ivshmem *ivs = data;
	bool more;

	do {
		usleep_range(20, 100);
		/* Drivers raise softirqs, which run when this ends. */
		local_bh_disable();
		more = virtio_msg_amp_interrupt(&ivs->amp);
		local_bh_enable();
	} while (more);
	return IRQ_HANDLED;
}

static void ivshmem_announce(struct virtio_msg_ivshmem *ivs)
{
	struct ivshmem_ids *ids = ivs->ids;

	/* The other side may be doing the same; its word is left alone. */
	WRITE_ONCE(ids->driver_side, cpu_to_le32(ivs->own_id + 1));
	WRITE_ONCE(ids->version, cpu_to_le16(IVSHMEM_IDS_VERSION));
	WRITE_ONCE(ids->reserved, 0);
	/* Who sees the magic, sees the rest. */
	virt_store_release(&ids->magic, cpu_to_le32(IVSHMEM_IDS_MAGIC));
}

static ssize_t dropped_show(struct device *dev, struct device_attribute *attr,
			    char *buf)
{
	struct virtio_msg_ivshmem *ivs = dev_get_drvdata(dev);

	return sysfs_emit(buf, "%u\n", atomic_read(&ivs->amp.dropped));
}
static DEVICE_ATTR_RO(dropped);

static ssize_t state_show(struct device *dev, struct device_attribute *attr,
			  char *buf)
{
	struct virtio_msg_ivshmem *ivs = dev_get_drvdata(dev);

	return sysfs_emit(buf, "%s\n", virtio_msg_amp_state(&ivs->amp));
}
static DEVICE_ATTR_RO(state);

static ssize_t restarts_show(struct device *dev, struct device_attribute *attr,
			     char *buf)
{
	struct virtio_msg_ivshmem *ivs = dev_get_drvdata(dev);

	return sysfs_emit(buf, "%u\n", atomic_read(&ivs->amp.restarts));
}
static DEVICE_ATTR_RO(restarts);

static ssize_t silences_show(struct device *dev, struct device_attribute *attr,
			     char *buf)
{
	struct virtio_msg_ivshmem *ivs = dev_get_drvdata(dev);

	return sysfs_emit(buf, "%u\n", atomic_read(&ivs->amp.silences));
}
static DEVICE_ATTR_RO(silences);

static ssize_t failures_show(struct device *dev, struct device_attribute *attr,
			     char *buf)
{
	struct virtio_msg_ivshmem *ivs = dev_get_drvdata(dev);

	return sysfs_emit(buf, "%u\n", atomic_read(&ivs->amp.failures));
}
static DEVICE_ATTR_RO(failures);

static struct attribute *ivshmem_attrs[] = {
	&dev_attr_dropped.attr,
	&dev_attr_failures.attr,
	&dev_attr_restarts.attr,
	&dev_attr_silences.attr,
	&dev_attr_state.attr,
	NULL,
};

static const struct attribute_group ivshmem_group = {
	.name = "virtio_msg",
	.attrs = ivshmem_attrs,
};

static const struct attribute_group *ivshmem_groups[] = {
	&ivshmem_group,
	NULL,
};

static int ivshmem_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	resource_size_t size = pci_resource_len(pdev, IVSHMEM_BAR_MEM);
	struct device *dev = &pdev->dev;
	struct virtio_msg_ivshmem *ivs;
	u32 own_id;
	void *mem;
	int err;

	if (pci_msix_vec_count(pdev) <= 0) {
		dev_err(dev, "no doorbell: use ivshmem-doorbell with vectors=1 or more, not ivshmem-plain\n");
		return -ENODEV;
	}
	if (size < IVSHMEM_QUEUES_END + sizeof(struct ivshmem_ids)) {
		dev_err(dev, "%llu bytes of shared memory are too few, 16 KiB are the least\n",
			(unsigned long long)size);
		return -ENODEV;
	}

	ivs = devm_kzalloc(dev, sizeof(*ivs), GFP_KERNEL);
	if (!ivs)
		return -ENOMEM;

	err = pcim_enable_device(pdev);
	if (err)
		return err;
	err = pcim_iomap_regions(pdev, BIT(IVSHMEM_BAR_REGS), KBUILD_MODNAME);
	if (err)
		return err;
	err = pcim_request_region(pdev, IVSHMEM_BAR_MEM, KBUILD_MODNAME);
	if (err)
		return err;
	ivs->regs = pcim_iomap_table(pdev)[IVSHMEM_BAR_REGS];

	/*
	 * The BAR is RAM of the machine that we run on, and the other users of
	 * it map it as such: anything but a cached mapping could see old data.
	 */
	mem = devm_memremap(dev, pci_resource_start(pdev, IVSHMEM_BAR_MEM),
			    size, MEMREMAP_WB);
	if (IS_ERR(mem))
		return PTR_ERR(mem);

	err = dma_set_mask_and_coherent(dev, DMA_BIT_MASK(64));
	if (err)
		return err;
	pci_set_master(pdev);

	own_id = readl(ivs->regs + IVSHMEM_IV_POSITION);
	if (own_id > IVSHMEM_MAX_ID) {
		dev_err(dev, "no ivshmem id yet: is its server running?\n");
		return -ENODEV;
	}
	ivs->own_id = own_id;
	ivs->ids = mem + size - sizeof(*ivs->ids);
	ivs->amp.dev = dev;
	ivs->amp.ops = &ivshmem_amp_ops;
	err = virtio_msg_amp_init(&ivs->amp, mem + IVSHMEM_DRIVER_QUEUE,
				  mem + IVSHMEM_DEVICE_QUEUE);
	if (err)
		return err;
	pci_set_drvdata(pdev, ivs);

	err = pci_alloc_irq_vectors(pdev, 1, 1, PCI_IRQ_MSIX);
	if (err < 0) {
		dev_err_probe(dev, err, "no interrupt\n");
		goto err_amp;
	}
	err = request_threaded_irq(pci_irq_vector(pdev, 0), ivshmem_interrupt,
				   ivshmem_thread, 0, dev_name(dev), ivs);
	if (err)
		goto err_vectors;

	ivshmem_announce(ivs);
	dev_info(dev, "ivshmem id %u, device side has %u\n", ivs->own_id,
		 ivshmem_peer(ivs));
	virtio_msg_amp_start(&ivs->amp);
	return 0;

err_vectors:
	pci_free_irq_vectors(pdev);
err_amp:
	virtio_msg_amp_exit(&ivs->amp);
	return err;
}

static void ivshmem_remove(struct pci_dev *pdev)
{
	struct virtio_msg_ivshmem *ivs = pci_get_drvdata(pdev);

	virtio_msg_amp_stop(&ivs->amp);
	WRITE_ONCE(ivs->ids->driver_side, 0);
	free_irq(pci_irq_vector(pdev, 0), ivs);
	pci_free_irq_vectors(pdev);
	virtio_msg_amp_exit(&ivs->amp);
	pci_clear_master(pdev);
}

/* No bus master bit stops the device side: it writes to memory by itself. */
static void ivshmem_shutdown(struct pci_dev *pdev)
{
	struct virtio_msg_ivshmem *ivs = pci_get_drvdata(pdev);

	virtio_msg_amp_shutdown(&ivs->amp);
	WRITE_ONCE(ivs->ids->driver_side, 0);
}

/*
 * The device side does not sleep with us, and what it knows of our rings would
 * not fit what a restored system has in memory.
 */
static int ivshmem_refuse_to_sleep(struct device *dev)
{
	dev_err(dev, "cannot sleep while devices are used over virtio-msg: unload virtio_msg_ivshmem first\n");
	return -EBUSY;
}

static const struct dev_pm_ops ivshmem_pm_ops = {
	.suspend = pm_sleep_ptr(ivshmem_refuse_to_sleep),
	.freeze = pm_sleep_ptr(ivshmem_refuse_to_sleep),
};

static const struct pci_device_id ivshmem_table[] = {
	{ PCI_DEVICE(PCI_VENDOR_ID_REDHAT_QUMRANET, IVSHMEM_DEVICE_ID) },
	{}
};
MODULE_DEVICE_TABLE(pci, ivshmem_table);

static struct pci_driver ivshmem_driver = {
	.name = KBUILD_MODNAME,
	.id_table = ivshmem_table,
	.probe = ivshmem_probe,
	.remove = ivshmem_remove,
	.shutdown = ivshmem_shutdown,
	.dev_groups = ivshmem_groups,
	.driver.pm = pm_sleep_ptr(&ivshmem_pm_ops),
};

static int __init ivshmem_init(void)
{
	if (peer_vmid < -1 || peer_vmid > IVSHMEM_MAX_ID) {
		pr_err(KBUILD_MODNAME ": peer_vmid=%d: must be 0 to %u, or -1 to find it out\n",
		       peer_vmid, IVSHMEM_MAX_ID);
		return -EINVAL;
	}
	return pci_register_driver(&ivshmem_driver);
}
module_init(ivshmem_init);

static void __exit ivshmem_exit(void)
{
	pci_unregister_driver(&ivshmem_driver);
}
module_exit(ivshmem_exit);

MODULE_DESCRIPTION("virtio-msg bus over ivshmem");
MODULE_LICENSE("GPL");
