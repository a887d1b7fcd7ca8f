/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What differs between the kernels that the virtio-msg modules build for, as
 * probe-kernel.sh has found it
 */
#ifndef _VIRTIO_MSG_COMPAT_H
#define _VIRTIO_MSG_COMPAT_H

#include <linux/device.h>
#include <linux/dma-map-ops.h>
#include <linux/hrtimer.h>
#include <linux/iommu.h>
#include <linux/swiotlb.h>
#include <linux/virtio.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>

#include "virtio_msg_probes.h"

#ifndef HAVE_VIRTQUEUE_INFO
/* Such a kernel's find_vqs() takes the members of this as parallel arrays. */
struct virtqueue_info {
	const char *name;
	vq_callback_t *callback;
	bool ctx;
};

#define VIRTIO_MSG_FIND_VQS_ARRAYS
#endif

/* A device side may offer what such a kernel does not know of. */
#ifndef VIRTIO_F_NOTIFICATION_DATA
#define VIRTIO_F_NOTIFICATION_DATA	38
#endif
#ifndef VIRTIO_F_NOTIF_CONFIG_DATA
#define VIRTIO_F_NOTIF_CONFIG_DATA	39
#endif

#ifdef HAVE_VRING_NOTIFICATION_DATA
/**
 * virtio_msg_notification_data - what EVENT_AVAIL says with NOTIFICATION_DATA
 * @vq: a queue whose notify function is running
 *
 * Return: bits 30..0 the next offset, bit 31 the wrap counter of a packed
 * ring; 0 if the feature was not negotiated.
 */
static inline u32 virtio_msg_notification_data(struct virtqueue *vq)
{
	u32 next;

	if (!__virtio_test_bit(vq->vdev, VIRTIO_F_NOTIFICATION_DATA))
		return 0;

	/* The core has the queue index in the lower half. */
	next = vring_notification_data(vq) >> 16;
	if (__virtio_test_bit(vq->vdev, VIRTIO_F_RING_PACKED))
		next = (next & 0x7fff) | (next & 0x8000) << 16;
	return next;
}
#else
/* Such a kernel's core never accepts the feature. */
static inline u32 virtio_msg_notification_data(struct virtqueue *vq)
{
	return 0;
}
#endif

/**
 * virtio_msg_dma_direct - are DMA addresses physical ones, by a fixed rule
 * @dev: what does the DMA
 *
 * Nobody else can tell what memory an address stands for, or write to it in the
 * name of the device.
 */
static inline bool virtio_msg_dma_direct(struct device *dev)
{
	struct iommu_domain *domain;

	if (get_dma_ops(dev))
		return false;
	if (!device_iommu_mapped(dev))
		return true;
	domain = iommu_get_domain_for_dev(dev);
#ifdef CONFIG_IOMMU_API
	return domain && domain->type == IOMMU_DOMAIN_IDENTITY;
#else
	return !domain;
#endif
}

/**
 * virtio_msg_bounced - does an address lie in the memory for bouncing DMA
 * @dev: what does the DMA
 * @address: a physical address
 */
static inline bool virtio_msg_bounced(struct device *dev, phys_addr_t address)
{
#ifdef CONFIG_SWIOTLB
	struct io_tlb_mem *mem = dev->dma_io_tlb_mem;
#ifdef HAVE_SWIOTLB_DEFPOOL
	struct io_tlb_pool *pool = &mem->defpool;
#else
	struct io_tlb_mem *pool = mem;
#endif

	return mem && address >= pool->start && address < pool->end;
#else
	return false;
#endif
}

/**
 * virtio_msg_must_bounce - is all DMA of a device confined to that memory
 * @dev: what does the DMA
 */
static inline bool virtio_msg_must_bounce(struct device *dev)
{
#ifdef CONFIG_SWIOTLB
	return dev->dma_io_tlb_mem && dev->dma_io_tlb_mem->force_bounce;
#else
	return false;
#endif
}

#ifndef HAVE_HRTIMER_SETUP
static inline void hrtimer_setup(struct hrtimer *timer,
				 enum hrtimer_restart (*function)(struct hrtimer *),
				 clockid_t clock, enum hrtimer_mode mode)
{
	hrtimer_init(timer, clock, mode);
	timer->function = function;
}
#endif

#ifndef HAVE_SYSTEM_DFL_WQ
#define system_dfl_wq system_unbound_wq
#endif

#endif /* _VIRTIO_MSG_COMPAT_H */
