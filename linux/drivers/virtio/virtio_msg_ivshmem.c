// SPDX-License-Identifier: GPL-2.0-only
/*
 * virtio-msg over ivshmem: the PCI device with a doorbell
 *
 * BAR 0 has the registers, BAR 2 is the shared memory: the driver queue, the
 * device queue, and in its last 64 bytes a block in which both sides leave
 * their ivshmem id for the other one's doorbell.
 *
 * Such a device says nothing about what its memory is for, and many have
 * another use.  So nothing is written to it, and nobody rung, before a device
 * side has left its mark there, or the user has said that there is one.
 */
#include <linux/bottom_half.h>
#include <linux/delay.h>
#include <linux/dma-mapping.h>
#include <linux/interrupt.h>
#include <linux/io.h>
#include <linux/jiffies.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/workqueue.h>

#include "virtio_msg_compat.h"
#include "virtio_msg_ring_bus.h"

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

/* How often to look for the device side's mark, and for its first message */
#define IVSHMEM_WATCH_MS	1000U

/* After so long without either the log says what may be wrong. */
#define IVSHMEM_QUIET_MS	5000U

/* For the text of an id, or of there being none */
#define IVSHMEM_ID_CHARS	8

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
		 "ivshmem id of the device side, which then need not leave its mark in the shared memory (default: what it says there)");

static ushort vector;
module_param(vector, ushort, 0444);
MODULE_PARM_DESC(vector,
		 "Interrupt vector of the device side to ring (default 0)");

/**
 * struct virtio_msg_ivshmem - one ivshmem device
 * @link: the link; used from the moment that @started is set
 * @dev: the PCI function
 * @regs: BAR 0
 * @mem: BAR 2
 * @ids: the block at its end
 * @own_id: our ivshmem id
 * @watch: waits for the device side, and says what looks wrong
 * @since: jiffies when the waiting began
 * @started: the device side's mark was seen
 * @paused: @watch is to do nothing
 * @told_v1: the log says that the layout is not supported
 * @told_wrong: the log says that peer_vmid= is contradicted
 * @told_quiet: the log says that nothing comes
 */
struct virtio_msg_ivshmem {
	struct virtio_msg_ring_bus link;
	struct device *dev;
	void __iomem *regs;
	void *mem;
	struct ivshmem_ids *ids;
	u16 own_id;
	struct delayed_work watch;
	unsigned long since;
	bool started;
	bool paused;
	bool told_v1;
	bool told_wrong;
	bool told_quiet;
};

#define to_ivshmem(_bus) \
	container_of(_bus, struct virtio_msg_ivshmem, link.bus)

/* What a word of the block says: an id, or -1 where there is none. */
static int ivshmem_read_id(const struct virtio_msg_ivshmem *ivs,
			   const __le32 *word)
{
	u32 id = le32_to_cpu(READ_ONCE(*word));

	/* What later versions add is behind what is read here. */
	if (le32_to_cpu(READ_ONCE(ivs->ids->magic)) != IVSHMEM_IDS_MAGIC ||
	    !READ_ONCE(ivs->ids->version) ||
	    !id || id > IVSHMEM_MAX_ID + 1)
		return -1;
	return id - 1;
}

/*
 * The device side's id as it says, or -1.  Read each time: it may come later
 * than we do, and may come back with another id.  Ours is nobody else's: what
 * stands there then is left from an earlier device side.
 */
static int ivshmem_announced(const struct virtio_msg_ivshmem *ivs)
{
	int id = ivshmem_read_id(ivs, &ivs->ids->device_side);

	return id == ivs->own_id ? -1 : id;
}

static u16 ivshmem_peer(const struct virtio_msg_ivshmem *ivs)
{
	int id = peer_vmid >= 0 ? peer_vmid : ivshmem_announced(ivs);

	if (id >= 0)
		return id;
	/* A device side that does not use the block is the first to start. */
	return ivs->own_id ? 0 : 1;
}

/* Whether peer_vmid= is not what the device side says, nor can be */
static bool ivshmem_contradicted(const struct virtio_msg_ivshmem *ivs)
{
	int id;

	if (peer_vmid < 0)
		return false;
	id = ivshmem_announced(ivs);
	return peer_vmid == ivs->own_id || (id >= 0 && id != peer_vmid);
}

/* Any context */
static void ivshmem_watch_in(struct virtio_msg_ivshmem *ivs, unsigned int ms)
{
	if (!READ_ONCE(ivs->paused))
		mod_delayed_work(system_dfl_wq, &ivs->watch,
				 msecs_to_jiffies(ms));
}

static void ivshmem_kick(struct virtio_msg_bus *bus)
{
	struct virtio_msg_ivshmem *ivs = to_ivshmem(bus);

	/* writel() orders this after what was stored to memory. */
	writel((u32)ivshmem_peer(ivs) << 16 | vector,
	       ivs->regs + IVSHMEM_DOORBELL);

	/* The caller may hold what a console on this very link needs. */
	if (!READ_ONCE(ivs->told_wrong) && ivshmem_contradicted(ivs))
		ivshmem_watch_in(ivs, 0);
}

static const struct virtio_msg_bus_ops ivshmem_bus_ops = {
	VIRTIO_MSG_RING_BUS_OPS,
	.kick = ivshmem_kick,
};

static irqreturn_t ivshmem_interrupt(int irq, void *data)
{
	struct virtio_msg_ivshmem *ivs = data;

	/* Pairs with the release in ivshmem_start(). */
	if (!smp_load_acquire(&ivs->started)) {
		ivshmem_watch_in(ivs, 0);
		return IRQ_HANDLED;
	}
	return virtio_msg_bus_interrupt(&ivs->link.bus) ? IRQ_WAKE_THREAD :
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
		more = virtio_msg_bus_interrupt(&ivs->link.bus);
		local_bh_enable();
	} while (more);
	return IRQ_HANDLED;
}

static void ivshmem_announce(struct virtio_msg_ivshmem *ivs)
{
	struct ivshmem_ids *ids = ivs->ids;

	/* The other side may be doing the same; its word is left alone. */
	WRITE_ONCE(ids->driver_side, cpu_to_le32(ivs->own_id + 1));
	/* It may also be of a later version, which says more than ours. */
	if (le32_to_cpu(READ_ONCE(ids->magic)) == IVSHMEM_IDS_MAGIC &&
	    READ_ONCE(ids->version))
		return;
	WRITE_ONCE(ids->version, cpu_to_le16(IVSHMEM_IDS_VERSION));
	WRITE_ONCE(ids->reserved, 0);
	/* A peer that sees the magic sees the rest. */
	virt_store_release(&ids->magic, cpu_to_le32(IVSHMEM_IDS_MAGIC));
}

static int ivshmem_start(struct virtio_msg_ivshmem *ivs)
{
	int err;

	virtio_msg_ring_use_spsc(&ivs->link.ring,
				 ivs->mem + IVSHMEM_DRIVER_QUEUE,
				 ivs->mem + IVSHMEM_DEVICE_QUEUE);
	ivs->link.bus.max_size = ivs->link.ring.max_size;
	err = virtio_msg_bus_init(&ivs->link.bus);
	if (err)
		return err;

	ivs->since = jiffies;
	/* Whatever sees this sees a link. */
	smp_store_release(&ivs->started, true);
	ivshmem_announce(ivs);
	dev_info(ivs->dev, "ivshmem id %u, device side has %u\n", ivs->own_id,
		 ivshmem_peer(ivs));
	virtio_msg_bus_start(&ivs->link.bus);
	return 0;
}

/* Starts if there is a device side.  Returns an error only if that failed. */
static int ivshmem_look(struct virtio_msg_ivshmem *ivs)
{
	bool v1 = virtio_msg_ring_is_v1(ivs->mem);

	if (!v1 && peer_vmid < 0 && ivshmem_announced(ivs) < 0) {
		ivs->told_v1 = false;
		return 0;
	}
	/* The log says so already; a device side may still come instead. */
	if (v1 && ivs->told_v1)
		return 0;
	ivs->told_v1 = v1;
	if (v1) {
		dev_err_ratelimited(ivs->dev,
				    "layout v1 is not supported, start the device side with layout=spsc\n");
		return 0;
	}
	return ivshmem_start(ivs);
}

static const char *ivshmem_id_text(char *text, int id)
{
	if (id < 0)
		return "none";
	snprintf(text, IVSHMEM_ID_CHARS, "%d", id);
	return text;
}

static void ivshmem_tell_wrong(struct virtio_msg_ivshmem *ivs)
{
	char device[IVSHMEM_ID_CHARS];

	if (ivs->told_wrong || !ivshmem_contradicted(ivs))
		return;
	WRITE_ONCE(ivs->told_wrong, true);
	dev_err(ivs->dev,
		"peer_vmid=%d is rung, but the device side's id is %s and ours is %u: load the module with the right peer_vmid=, or without\n",
		peer_vmid,
		ivshmem_id_text(device,
				ivshmem_read_id(ivs, &ivs->ids->device_side)),
		ivs->own_id);
}

static void ivshmem_tell_quiet(struct virtio_msg_ivshmem *ivs)
{
	char device[IVSHMEM_ID_CHARS], driver[IVSHMEM_ID_CHARS];
	int device_id = ivshmem_read_id(ivs, &ivs->ids->device_side);
	int driver_id = ivshmem_read_id(ivs, &ivs->ids->driver_side);

	ivs->told_quiet = true;
	if (!ivs->started)
		dev_warn(ivs->dev,
			 "no device side so far, nobody is rung: our id is %u, the id block says device side %s, driver side %s; check that the device side runs on this memory, and if it leaves no mark there give peer_vmid=\n",
			 ivs->own_id, ivshmem_id_text(device, device_id),
			 ivshmem_id_text(driver, driver_id));
	else
		dev_warn(ivs->dev,
			 "nothing has come for %u s: id %u is rung, vector %u, the id block says device side %s, driver side %s; check that the device side runs%s and rings id %u (remote-vmid=)\n",
			 IVSHMEM_QUIET_MS / 1000, ivshmem_peer(ivs), vector,
			 ivshmem_id_text(device, device_id),
			 ivshmem_id_text(driver, driver_id),
			 virtio_msg_bus_unread(&ivs->link.bus) ?
			 ", which has answered," : "", ivs->own_id);
}

static void ivshmem_watch(struct work_struct *work)
{
	struct virtio_msg_ivshmem *ivs =
		container_of(work, struct virtio_msg_ivshmem, watch.work);

	if (READ_ONCE(ivs->paused))
		return;
	if (!ivs->started && ivshmem_look(ivs))
		dev_err_ratelimited(ivs->dev, "no memory for a link\n");
	if (ivs->started) {
		ivshmem_tell_wrong(ivs);
		if (virtio_msg_bus_known(&ivs->link.bus))
			return;
	}
	if (!ivs->told_quiet &&
	    time_after_eq(jiffies,
			  ivs->since + msecs_to_jiffies(IVSHMEM_QUIET_MS)))
		ivshmem_tell_quiet(ivs);
	if (!ivs->started || !ivs->told_quiet)
		ivshmem_watch_in(ivs, IVSHMEM_WATCH_MS);
}

/* From then on @started does not change. */
static void ivshmem_pause(struct virtio_msg_ivshmem *ivs)
{
	WRITE_ONCE(ivs->paused, true);
	cancel_delayed_work_sync(&ivs->watch);
}

static ssize_t dropped_show(struct device *dev, struct device_attribute *attr,
			    char *buf)
{
	struct virtio_msg_ivshmem *ivs = dev_get_drvdata(dev);

	return sysfs_emit(buf, "%u\n", atomic_read(&ivs->link.bus.dropped));
}
static DEVICE_ATTR_RO(dropped);

static ssize_t state_show(struct device *dev, struct device_attribute *attr,
			  char *buf)
{
	struct virtio_msg_ivshmem *ivs = dev_get_drvdata(dev);

	return sysfs_emit(buf, "%s\n", virtio_msg_bus_state(&ivs->link.bus));
}
static DEVICE_ATTR_RO(state);

static ssize_t restarts_show(struct device *dev, struct device_attribute *attr,
			     char *buf)
{
	struct virtio_msg_ivshmem *ivs = dev_get_drvdata(dev);

	return sysfs_emit(buf, "%u\n", atomic_read(&ivs->link.bus.restarts));
}
static DEVICE_ATTR_RO(restarts);

static ssize_t silences_show(struct device *dev, struct device_attribute *attr,
			     char *buf)
{
	struct virtio_msg_ivshmem *ivs = dev_get_drvdata(dev);

	return sysfs_emit(buf, "%u\n", atomic_read(&ivs->link.bus.silences));
}
static DEVICE_ATTR_RO(silences);

static ssize_t failures_show(struct device *dev, struct device_attribute *attr,
			     char *buf)
{
	struct virtio_msg_ivshmem *ivs = dev_get_drvdata(dev);

	return sysfs_emit(buf, "%u\n", atomic_read(&ivs->link.bus.failures));
}
static DEVICE_ATTR_RO(failures);

static ssize_t wire_show(struct device *dev, struct device_attribute *attr,
			 char *buf)
{
	struct virtio_msg_ivshmem *ivs = dev_get_drvdata(dev);

	return sysfs_emit(buf, "%s\n", virtio_msg_bus_wire(&ivs->link.bus));
}
static DEVICE_ATTR_RO(wire);

static struct attribute *ivshmem_attrs[] = {
	&dev_attr_dropped.attr,
	&dev_attr_failures.attr,
	&dev_attr_restarts.attr,
	&dev_attr_silences.attr,
	&dev_attr_state.attr,
	&dev_attr_wire.attr,
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

/*
 * What is ours of the memory.  The rest is for regions of the devices, whose
 * drivers claim them by themselves.
 */
static int ivshmem_claim(struct device *dev, resource_size_t start,
			 resource_size_t size)
{
	resource_size_t ids = start + size - sizeof(struct ivshmem_ids);

	if (devm_request_mem_region(dev, start, IVSHMEM_QUEUES_END,
				    KBUILD_MODNAME) &&
	    devm_request_mem_region(dev, ids, sizeof(struct ivshmem_ids),
				    KBUILD_MODNAME))
		return 0;
	dev_err(dev, "somebody else uses the shared memory\n");
	return -EBUSY;
}

static int ivshmem_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	resource_size_t start = pci_resource_start(pdev, IVSHMEM_BAR_MEM);
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
	err = ivshmem_claim(dev, start, size);
	if (err)
		return err;
	ivs->regs = pcim_iomap_table(pdev)[IVSHMEM_BAR_REGS];

	/*
	 * The BAR is RAM of the machine that we run on, and the other users of
	 * it map it as such: anything but a cached mapping could see old data.
	 */
	mem = devm_memremap(dev, start, size, MEMREMAP_WB);
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
	ivs->dev = dev;
	ivs->own_id = own_id;
	ivs->mem = mem;
	ivs->ids = mem + size - sizeof(*ivs->ids);
	ivs->link.bus.dev = dev;
	ivs->link.bus.ops = &ivshmem_bus_ops;
	/* An address of a region is an offset in the shared memory. */
	ivs->link.bus.reach.base = start;
	ivs->link.bus.reach.begin = IVSHMEM_QUEUES_END;
	ivs->link.bus.reach.end = size - sizeof(*ivs->ids);
	ivs->since = jiffies;
	ivs->paused = true;
	INIT_DELAYED_WORK(&ivs->watch, ivshmem_watch);
	pci_set_drvdata(pdev, ivs);

	err = pci_alloc_irq_vectors(pdev, 1, 1, PCI_IRQ_MSIX);
	if (err < 0)
		return dev_err_probe(dev, err, "no interrupt\n");
	err = request_threaded_irq(pci_irq_vector(pdev, 0), ivshmem_interrupt,
				   ivshmem_thread, 0, dev_name(dev), ivs);
	if (err)
		goto err_vectors;

	err = ivshmem_look(ivs);
	if (err)
		goto err_irq;
	if (!ivs->started)
		dev_info(dev, "ivshmem id %u, waiting for the device side's mark\n",
			 ivs->own_id);
	WRITE_ONCE(ivs->paused, false);
	ivshmem_watch_in(ivs, 0);
	return 0;

err_irq:
	free_irq(pci_irq_vector(pdev, 0), ivs);
err_vectors:
	pci_free_irq_vectors(pdev);
	return err;
}

static void ivshmem_remove(struct pci_dev *pdev)
{
	struct virtio_msg_ivshmem *ivs = pci_get_drvdata(pdev);

	ivshmem_pause(ivs);
	if (ivs->started) {
		virtio_msg_bus_stop(&ivs->link.bus);
		WRITE_ONCE(ivs->ids->driver_side, 0);
	}
	free_irq(pci_irq_vector(pdev, 0), ivs);
	pci_free_irq_vectors(pdev);
	cancel_delayed_work_sync(&ivs->watch);
	if (ivs->started)
		virtio_msg_bus_exit(&ivs->link.bus);
	pci_clear_master(pdev);
}

/* No bus master bit stops the device side: it writes to memory by itself. */
static void ivshmem_shutdown(struct pci_dev *pdev)
{
	struct virtio_msg_ivshmem *ivs = pci_get_drvdata(pdev);

	ivshmem_pause(ivs);
	if (!ivs->started)
		return;
	virtio_msg_bus_shutdown(&ivs->link.bus);
	WRITE_ONCE(ivs->ids->driver_side, 0);
}

static void ivshmem_unpause(struct virtio_msg_ivshmem *ivs)
{
	WRITE_ONCE(ivs->paused, false);
	ivshmem_watch_in(ivs, 0);
}

static int ivshmem_prepare(struct device *dev)
{
	struct virtio_msg_ivshmem *ivs = dev_get_drvdata(dev);
	int err = 0;

	ivshmem_pause(ivs);
	if (ivs->started)
		err = virtio_msg_bus_hold(&ivs->link.bus);
	/* Then ivshmem_complete() is not called. */
	if (err)
		ivshmem_unpause(ivs);
	return err;
}

static void ivshmem_complete(struct device *dev)
{
	struct virtio_msg_ivshmem *ivs = dev_get_drvdata(dev);

	if (ivs->started)
		virtio_msg_bus_release(&ivs->link.bus);
	ivshmem_unpause(ivs);
}

static int ivshmem_suspend(struct device *dev)
{
	struct virtio_msg_ivshmem *ivs = dev_get_drvdata(dev);

	return ivs->started ? virtio_msg_bus_freeze(&ivs->link.bus) : 0;
}

/* After hibernation the ivshmem may be another one, and so may its server be. */
static int ivshmem_resume(struct device *dev)
{
	struct virtio_msg_ivshmem *ivs = dev_get_drvdata(dev);
	u32 own_id = readl(ivs->regs + IVSHMEM_IV_POSITION);

	if (own_id <= IVSHMEM_MAX_ID)
		ivs->own_id = own_id;
	if (ivs->started) {
		ivshmem_announce(ivs);
		virtio_msg_bus_thaw(&ivs->link.bus);
	}
	return 0;
}

static const struct dev_pm_ops ivshmem_pm_ops = {
	.prepare = pm_sleep_ptr(ivshmem_prepare),
	.complete = pm_sleep_ptr(ivshmem_complete),
	SYSTEM_SLEEP_PM_OPS(ivshmem_suspend, ivshmem_resume)
};

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
