// SPDX-License-Identifier: GPL-2.0-only
/*
 * virtio-msg over the AMP card: a PCI function with message queues
 *
 * BAR 0 has the registers, BAR 1 the memory of up to eight FIFOs, and each FIFO
 * is a link of its own.  The devices behind it do DMA as the function.
 */
#include <linux/dma-mapping.h>
#include <linux/interrupt.h>
#include <linux/io.h>
#include <linux/module.h>
#include <linux/pci.h>

#include "virtio_msg_ring_bus.h"

#define AMP_DEVICE_ID		0x9039

#define AMP_BAR_REGS		0
#define AMP_VERSION		0x00
#define AMP_NOTIFY		0x20
#define AMP_VERSION_1		1

#define AMP_BAR_MEM		1
#define AMP_FIFO_SIZE		0x4000
#define AMP_DRIVER_QUEUE	0x1000
#define AMP_DEVICE_QUEUE	0x2000

#define AMP_MAX_FIFOS		8

/**
 * struct amp_fifo - one link of a card
 * @link: the link
 * @dev: child of the function, for sysfs and for sleep; frees this
 * @notify: the doorbell register
 */
struct amp_fifo {
	struct virtio_msg_ring_bus link;
	struct device dev;
	void __iomem *notify;
};

/**
 * struct amp_pci - one card
 * @num_fifos: how many FIFOs it has
 * @num_started: how many of them are in use
 * @fifos: the links, by number
 */
struct amp_pci {
	unsigned int num_fifos;
	unsigned int num_started;
	struct amp_fifo *fifos[AMP_MAX_FIFOS];
};

#define to_fifo(_bus)	container_of(_bus, struct amp_fifo, link.bus)

/*
 * A card may take one message for each ring, and hang when it is rung for
 * nothing: so each message is rung for, and nothing else.  L-04.
 */
static int amp_put(struct virtio_msg_bus *bus, const void *msg, size_t size)
{
	int err = virtio_msg_ring_bus_put(bus, msg, size);

	/* writel() orders this after what was stored to memory. */
	if (!err)
		writel(1, to_fifo(bus)->notify);
	return err;
}

static void amp_kick(struct virtio_msg_bus *bus)
{
}

/* The card is there as long as its function is. */
static bool amp_find(struct virtio_msg_bus *bus)
{
	bus->max_size = to_fifo(bus)->link.ring.max_size;
	return true;
}

static const struct virtio_msg_bus_ops amp_bus_ops = {
	.attach		= virtio_msg_ring_bus_attach,
	.poll		= virtio_msg_ring_bus_poll,
	.put		= amp_put,
	.get		= virtio_msg_ring_bus_get,
	.room		= virtio_msg_ring_bus_room,
	.all_read	= virtio_msg_ring_bus_all_read,
	.kick		= amp_kick,
	.find		= amp_find,
};

static void amp_fifo_release(struct device *dev)
{
	kfree(container_of(dev, struct amp_fifo, dev));
}

static struct class amp_fifo_class = {
	.name = "virtio_msg_fifo",
	.dev_groups = virtio_msg_bus_groups,
	.dev_release = amp_fifo_release,
	.pm = pm_sleep_ptr(&virtio_msg_bus_pm_ops),
};

/* One vector for all, from a card or a system that has no more */
static irqreturn_t amp_irq(int irq, void *data)
{
	struct amp_pci *amp = data;
	irqreturn_t ret = IRQ_HANDLED;
	unsigned int i;

	for (i = 0; i < amp->num_fifos; i++) {
		if (virtio_msg_bus_irq(irq, &amp->fifos[i]->link.bus) ==
		    IRQ_WAKE_THREAD)
			ret = IRQ_WAKE_THREAD;
	}
	return ret;
}

static irqreturn_t amp_irq_thread(int irq, void *data)
{
	struct amp_pci *amp = data;
	unsigned int i;

	for (i = 0; i < amp->num_fifos; i++)
		virtio_msg_bus_irq_thread(irq, &amp->fifos[i]->link.bus);
	return IRQ_HANDLED;
}

static int amp_add_fifo(struct pci_dev *pdev, struct amp_pci *amp,
			void __iomem *regs, void *mem)
{
	unsigned int index = amp->num_fifos;
	struct amp_fifo *fifo;
	int err;

	fifo = kzalloc(sizeof(*fifo), GFP_KERNEL);
	if (!fifo)
		return -ENOMEM;
	device_initialize(&fifo->dev);
	fifo->dev.parent = &pdev->dev;
	fifo->dev.class = &amp_fifo_class;
	fifo->notify = regs + AMP_NOTIFY + index * sizeof(u32);
	mem += index * AMP_FIFO_SIZE;
	virtio_msg_ring_use_spsc(&fifo->link.ring, mem + AMP_DRIVER_QUEUE,
				 mem + AMP_DEVICE_QUEUE);
	fifo->link.bus.dev = &fifo->dev;
	fifo->link.bus.dma_dev = &pdev->dev;
	fifo->link.bus.ops = &amp_bus_ops;
	dev_set_drvdata(&fifo->dev, &fifo->link.bus);

	err = dev_set_name(&fifo->dev, "%s.%u", dev_name(&pdev->dev), index);
	if (err)
		goto put;
	err = virtio_msg_bus_init(&fifo->link.bus);
	if (err)
		goto put;
	err = device_add(&fifo->dev);
	if (err)
		goto exit;
	amp->fifos[amp->num_fifos++] = fifo;
	return 0;

exit:
	virtio_msg_bus_exit(&fifo->link.bus);
put:
	put_device(&fifo->dev);
	return err;
}

static void amp_remove_fifos(void *data)
{
	struct amp_pci *amp = data;

	while (amp->num_fifos) {
		struct amp_fifo *fifo = amp->fifos[--amp->num_fifos];

		device_del(&fifo->dev);
		virtio_msg_bus_exit(&fifo->link.bus);
		put_device(&fifo->dev);
	}
}

/* Maps the card, and makes its links.  L-30. */
static int amp_map(struct pci_dev *pdev, struct amp_pci *amp)
{
	resource_size_t size = pci_resource_len(pdev, AMP_BAR_MEM);
	int vectors = pci_msix_vec_count(pdev);
	struct device *dev = &pdev->dev;
	void __iomem *regs;
	unsigned int fifos;
	void *mem;
	u32 version;
	int err;

	err = pcim_iomap_regions(pdev, BIT(AMP_BAR_REGS), KBUILD_MODNAME);
	if (err)
		return err;
	regs = pcim_iomap_table(pdev)[AMP_BAR_REGS];
	version = readl(regs + AMP_VERSION);
	if (version != AMP_VERSION_1) {
		dev_err(dev, "the card has version %u, not %u\n", version,
			AMP_VERSION_1);
		return -ENODEV;
	}
	if (vectors <= 0 || size < AMP_FIFO_SIZE) {
		dev_err(dev, "%llu bytes of memory and %d interrupts are too few\n",
			(unsigned long long)size, vectors);
		return -ENODEV;
	}
	if (!devm_request_mem_region(dev,
				     pci_resource_start(pdev, AMP_BAR_MEM),
				     size, KBUILD_MODNAME))
		return -EBUSY;
	mem = devm_memremap(dev, pci_resource_start(pdev, AMP_BAR_MEM), size,
			    MEMREMAP_WC);
	if (IS_ERR(mem))
		return PTR_ERR(mem);

	err = devm_add_action(dev, amp_remove_fifos, amp);
	if (err)
		return err;
	fifos = min3(AMP_MAX_FIFOS, (unsigned int)vectors,
		     (unsigned int)(size / AMP_FIFO_SIZE));
	while (amp->num_fifos < fifos) {
		err = amp_add_fifo(pdev, amp, regs, mem);
		if (err)
			return err;
	}
	return 0;
}

static int amp_request_irqs(struct pci_dev *pdev, struct amp_pci *amp)
{
	struct device *dev = &pdev->dev;
	unsigned int i;
	int count, err;

	/* Freed with the device, as pcim_enable_device() has it. */
	count = pci_alloc_irq_vectors(pdev, 1, amp->num_fifos, PCI_IRQ_MSIX);
	if (count < 0)
		return dev_err_probe(dev, count, "no interrupt\n");
	if (count < amp->num_fifos)
		return devm_request_threaded_irq(dev, pci_irq_vector(pdev, 0),
						 amp_irq, amp_irq_thread, 0,
						 dev_name(dev), amp);
	for (i = 0; i < amp->num_fifos; i++) {
		struct amp_fifo *fifo = amp->fifos[i];

		err = devm_request_threaded_irq(dev, pci_irq_vector(pdev, i),
						virtio_msg_bus_irq,
						virtio_msg_bus_irq_thread, 0,
						dev_name(&fifo->dev),
						&fifo->link.bus);
		if (err)
			return err;
	}
	return 0;
}

static int amp_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	struct device *dev = &pdev->dev;
	struct amp_pci *amp;
	int err;

	amp = devm_kzalloc(dev, sizeof(*amp), GFP_KERNEL);
	if (!amp)
		return -ENOMEM;
	err = pcim_enable_device(pdev);
	if (err)
		return err;
	err = dma_set_mask_and_coherent(dev, DMA_BIT_MASK(64));
	if (err)
		return err;
	err = amp_map(pdev, amp);
	if (err)
		return err;
	pci_set_master(pdev);
	err = amp_request_irqs(pdev, amp);
	if (err)
		return err;
	pci_set_drvdata(pdev, amp);
	while (amp->num_started < amp->num_fifos)
		virtio_msg_bus_start(&amp->fifos[amp->num_started++]->link.bus);
	return 0;
}

static void amp_remove(struct pci_dev *pdev)
{
	struct amp_pci *amp = pci_get_drvdata(pdev);
	unsigned int i;

	for (i = 0; i < amp->num_started; i++)
		virtio_msg_bus_stop(&amp->fifos[i]->link.bus);
}

static void amp_shutdown(struct pci_dev *pdev)
{
	struct amp_pci *amp = pci_get_drvdata(pdev);
	unsigned int i;

	for (i = 0; i < amp->num_started; i++)
		virtio_msg_bus_shutdown(&amp->fifos[i]->link.bus);
}

static const struct pci_device_id amp_table[] = {
	{ PCI_DEVICE(PCI_VENDOR_ID_XILINX, AMP_DEVICE_ID) },
	{}
};
MODULE_DEVICE_TABLE(pci, amp_table);

static struct pci_driver amp_driver = {
	.name = KBUILD_MODNAME,
	.id_table = amp_table,
	.probe = amp_probe,
	.remove = amp_remove,
	.shutdown = amp_shutdown,
};

static int __init amp_init(void)
{
	int err;

	err = class_register(&amp_fifo_class);
	if (err)
		return err;
	err = pci_register_driver(&amp_driver);
	if (err)
		class_unregister(&amp_fifo_class);
	return err;
}
module_init(amp_init);

static void __exit amp_exit(void)
{
	pci_unregister_driver(&amp_driver);
	class_unregister(&amp_fifo_class);
}
module_exit(amp_exit);

MODULE_DESCRIPTION("virtio-msg bus over the AMP card");
MODULE_LICENSE("GPL");
