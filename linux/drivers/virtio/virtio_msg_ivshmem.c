// SPDX-License-Identifier: GPL-2.0-only
/*
 * virtio-msg over ivshmem: the PCI device with a doorbell
 *
 * BAR 0 has the registers, BAR 2 is the shared memory: the driver queue, the
 * device queue, and at its end the block with the ids of both sides.
 *
 * Nothing is written to the memory, and nobody rung, before a device side has
 * left its mark there, or the user has said that there is one.
 */
#include <linux/dma-mapping.h>
#include <linux/interrupt.h>
#include <linux/io.h>
#include <linux/module.h>
#include <linux/pci.h>

#include "virtio_msg_peer.h"
#include "virtio_msg_ring_bus.h"

#define IVSHMEM_DEVICE_ID	0x1110

#define IVSHMEM_BAR_REGS	0
#define IVSHMEM_BAR_MEM		2

#define IVSHMEM_IV_POSITION	0x08
#define IVSHMEM_DOORBELL	0x0c

#define IVSHMEM_DRIVER_QUEUE	0x0000
#define IVSHMEM_DEVICE_QUEUE	0x1000
#define IVSHMEM_QUEUES_END	0x2000

static int peer_vmid = -1;
module_param(peer_vmid, int, 0444);
MODULE_PARM_DESC(peer_vmid,
		 "ivshmem id of the device side, which then need not leave its mark in the shared memory (default: what it says there)");

static ushort vector;
module_param(vector, ushort, 0444);
MODULE_PARM_DESC(vector,
		 "Interrupt vector of the device side to ring (default 0)");

/**
 * struct virtio_msg_ivshmem - one ivshmem device
 * @link: the link
 * @peer: both sides' ids
 * @regs: BAR 0
 * @mem: BAR 2
 * @told_v1: the log says that the layout is not supported
 */
struct virtio_msg_ivshmem {
	struct virtio_msg_ring_bus link;
	struct virtio_msg_peer peer;
	void __iomem *regs;
	void *mem;
	bool told_v1;
};

#define to_ivshmem(_bus) \
	container_of(_bus, struct virtio_msg_ivshmem, link.bus)

static void ivshmem_kick(struct virtio_msg_bus *bus)
{
	struct virtio_msg_ivshmem *ivs = to_ivshmem(bus);

	/* writel() orders this after what was stored to memory. */
	writel((u32)virtio_msg_peer_id(&ivs->peer) << 16 | vector,
	       ivs->regs + IVSHMEM_DOORBELL);

	/* The caller may hold what a console on this very link needs. */
	if (virtio_msg_peer_wrong(&ivs->peer))
		virtio_msg_bus_watch(bus);
}

static bool ivshmem_find(struct virtio_msg_bus *bus)
{
	struct virtio_msg_ivshmem *ivs = to_ivshmem(bus);
	bool told_v1 = ivs->told_v1;

	/* A device side with another layout may still come instead. */
	ivs->told_v1 = virtio_msg_ring_is_v1(ivs->mem);
	if (ivs->told_v1) {
		if (!told_v1)
			dev_err_ratelimited(bus->dev,
					    "layout v1 is not supported, start the device side with layout=spsc\n");
		return false;
	}
	if (!virtio_msg_peer_there(&ivs->peer))
		return false;

	virtio_msg_ring_use_spsc(&ivs->link.ring,
				 ivs->mem + IVSHMEM_DRIVER_QUEUE,
				 ivs->mem + IVSHMEM_DEVICE_QUEUE);
	bus->max_size = ivs->link.ring.max_size;
	dev_info(bus->dev, "ivshmem id %u, device side has %u\n",
		 ivs->peer.own_id, virtio_msg_peer_id(&ivs->peer));
	return true;
}

static void ivshmem_announce(struct virtio_msg_bus *bus)
{
	virtio_msg_peer_announce(&to_ivshmem(bus)->peer);
}

static void ivshmem_retire(struct virtio_msg_bus *bus)
{
	virtio_msg_peer_retire(&to_ivshmem(bus)->peer);
}

static void ivshmem_look(struct virtio_msg_bus *bus)
{
	virtio_msg_peer_tell_wrong(&to_ivshmem(bus)->peer);
}

static void ivshmem_tell_quiet(struct virtio_msg_bus *bus, unsigned int seconds)
{
	struct virtio_msg_ivshmem *ivs = to_ivshmem(bus);
	struct virtio_msg_ring *ring = &ivs->link.ring;

	if (seconds)
		virtio_msg_peer_tell_quiet(&ivs->peer, seconds, vector,
					   ring->ops->unread(ring));
	else
		virtio_msg_peer_tell_absent(&ivs->peer);
}

/* After hibernation the ivshmem may be another one, and so may its server be. */
static void ivshmem_wake(struct virtio_msg_bus *bus)
{
	struct virtio_msg_ivshmem *ivs = to_ivshmem(bus);
	u32 own_id = readl(ivs->regs + IVSHMEM_IV_POSITION);

	if (own_id <= VIRTIO_MSG_PEER_MAX_ID)
		ivs->peer.own_id = own_id;
}

static const struct virtio_msg_bus_ops ivshmem_bus_ops = {
	VIRTIO_MSG_RING_BUS_OPS,
	.kick		= ivshmem_kick,
	.find		= ivshmem_find,
	.announce	= ivshmem_announce,
	.retire		= ivshmem_retire,
	.look		= ivshmem_look,
	.tell_quiet	= ivshmem_tell_quiet,
	.wake		= ivshmem_wake,
};

/* Maps the device and finds out what it is. */
static int ivshmem_map(struct pci_dev *pdev, struct virtio_msg_ivshmem *ivs)
{
	resource_size_t start = pci_resource_start(pdev, IVSHMEM_BAR_MEM);
	resource_size_t size = pci_resource_len(pdev, IVSHMEM_BAR_MEM);
	struct device *dev = &pdev->dev;
	resource_size_t ids;
	u32 own_id;
	int err;

	if (size < IVSHMEM_QUEUES_END + VIRTIO_MSG_PEER_SIZE) {
		dev_err(dev, "%llu bytes of shared memory are too few, 16 KiB are the least\n",
			(unsigned long long)size);
		return -ENODEV;
	}
	err = pcim_iomap_regions(pdev, BIT(IVSHMEM_BAR_REGS), KBUILD_MODNAME);
	if (err)
		return err;
	ivs->regs = pcim_iomap_table(pdev)[IVSHMEM_BAR_REGS];

	/* The rest of it is for regions of the devices, claimed by drivers. */
	ids = size - VIRTIO_MSG_PEER_SIZE;
	if (!devm_request_mem_region(dev, start, IVSHMEM_QUEUES_END,
				     KBUILD_MODNAME) ||
	    !devm_request_mem_region(dev, start + ids, VIRTIO_MSG_PEER_SIZE,
				     KBUILD_MODNAME)) {
		dev_err(dev, "somebody else uses the shared memory\n");
		return -EBUSY;
	}

	/*
	 * The BAR is RAM of the machine that we run on, and the other users of
	 * it map it as such: anything but a cached mapping could see old data.
	 */
	ivs->mem = devm_memremap(dev, start, size, MEMREMAP_WB);
	if (IS_ERR(ivs->mem))
		return PTR_ERR(ivs->mem);

	own_id = readl(ivs->regs + IVSHMEM_IV_POSITION);
	if (own_id > VIRTIO_MSG_PEER_MAX_ID) {
		dev_err(dev, "no ivshmem id yet: is its server running?\n");
		return -ENODEV;
	}
	ivs->peer.dev = dev;
	ivs->peer.ids = ivs->mem + ids;
	ivs->peer.own_id = own_id;
	ivs->peer.fixed_id = peer_vmid;
	/* An address of a region is an offset in the shared memory. */
	ivs->link.bus.reach.base = start;
	ivs->link.bus.reach.begin = IVSHMEM_QUEUES_END;
	ivs->link.bus.reach.end = ids;
	return 0;
}

static int ivshmem_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	struct device *dev = &pdev->dev;
	struct virtio_msg_ivshmem *ivs;
	int err;

	if (pci_msix_vec_count(pdev) <= 0) {
		dev_err(dev, "no doorbell: use ivshmem-doorbell with vectors=1 or more, not ivshmem-plain\n");
		return -ENODEV;
	}
	ivs = devm_kzalloc(dev, sizeof(*ivs), GFP_KERNEL);
	if (!ivs)
		return -ENOMEM;
	err = pcim_enable_device(pdev);
	if (err)
		return err;
	err = ivshmem_map(pdev, ivs);
	if (err)
		return err;
	err = dma_set_mask_and_coherent(dev, DMA_BIT_MASK(64));
	if (err)
		return err;
	pci_set_master(pdev);

	ivs->link.bus.dev = dev;
	ivs->link.bus.ops = &ivshmem_bus_ops;
	err = devm_virtio_msg_bus_init(&ivs->link.bus);
	if (err)
		return err;

	/* Freed with the device, as pcim_enable_device() has it. */
	err = pci_alloc_irq_vectors(pdev, 1, 1, PCI_IRQ_MSIX);
	if (err < 0)
		return dev_err_probe(dev, err, "no interrupt\n");
	err = devm_request_threaded_irq(dev, pci_irq_vector(pdev, 0),
					virtio_msg_bus_irq,
					virtio_msg_bus_irq_thread, 0,
					dev_name(dev), &ivs->link.bus);
	if (err)
		return err;

	if (!virtio_msg_bus_start(&ivs->link.bus))
		dev_info(dev, "ivshmem id %u, waiting for the device side's mark\n",
			 ivs->peer.own_id);
	return 0;
}

static void ivshmem_remove(struct pci_dev *pdev)
{
	virtio_msg_bus_stop(pci_get_drvdata(pdev));
}

/* No bus master bit stops the device side: it writes to memory by itself. */
static void ivshmem_shutdown(struct pci_dev *pdev)
{
	virtio_msg_bus_shutdown(pci_get_drvdata(pdev));
}

/*
 * Not a MODULE_DEVICE_TABLE(): whether such a device is ours only its user
 * knows, so that nothing loads this module but the user.
 */
static const struct pci_device_id ivshmem_table[] = {
	{ PCI_DEVICE(PCI_VENDOR_ID_REDHAT_QUMRANET, IVSHMEM_DEVICE_ID) },
	{}
};

static struct pci_driver ivshmem_driver = {
	.name = KBUILD_MODNAME,
	.id_table = ivshmem_table,
	.probe = ivshmem_probe,
	.remove = ivshmem_remove,
	.shutdown = ivshmem_shutdown,
	.dev_groups = virtio_msg_bus_groups,
	.driver.pm = pm_sleep_ptr(&virtio_msg_bus_pm_ops),
};

static int __init ivshmem_init(void)
{
	if (peer_vmid < -1 || peer_vmid > VIRTIO_MSG_PEER_MAX_ID) {
		pr_err(KBUILD_MODNAME ": peer_vmid=%d: must be 0 to %u, or -1 to find it out\n",
		       peer_vmid, VIRTIO_MSG_PEER_MAX_ID);
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
