/*
 * virtio-msg AMP card: a PCI function with message queues and doorbells
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/event_notifier.h"
#include "qemu/host-utils.h"
#include "qemu/main-loop.h"
#include "qemu/units.h"
#include "hw/pci/msix.h"
#include "hw/pci/pci_device.h"
#include "hw/pci/pcie.h"
#include "hw/qdev-properties.h"
#include "hw/virtio/virtio-msg-bus-ring.h"
#include "migration/vmstate.h"

/*
 * The card looks to its driver like one with a processor of its own that has
 * the devices.  Each FIFO is a link, to which virtio devices are added; they
 * reach the driver's memory by DMA of the function.
 */

#define TYPE_VIRTIO_MSG_AMP_PCI "virtio-msg-amp-pci"
OBJECT_DECLARE_SIMPLE_TYPE(VirtIOMSGAmpPCI, VIRTIO_MSG_AMP_PCI)

#define AMP_VENDOR_ID           0x10ee
#define AMP_DEVICE_ID           0x9039
#define AMP_REVISION            1

#define AMP_MAX_FIFOS           8

/* Registers; all of them have 32 bits */
#define AMP_BAR_REGS            0
#define AMP_REGS_SIZE           (16 * KiB)
#define AMP_VERSION             0x00
#define AMP_FEATURES            0x04
#define AMP_NOTIFY              0x20

#define AMP_VERSION_VALUE       1

/* Memory; a FIFO's first and last page are reserved */
#define AMP_BAR_MEM             1
#define AMP_FIFO_SIZE           (16 * KiB)
#define AMP_DRIVER_QUEUE        0x1000
#define AMP_DEVICE_QUEUE        0x2000
#define AMP_QUEUES_SIZE         0x2000

#define AMP_BAR_MSIX            2

#define AMP_PCIE_CAP            0x80

typedef struct AmpFifo {
    VirtIOMSGBus link;
    VirtIOMSGAmpPCI *card;
    unsigned index;
    VirtIOMSGBusRing ring;
    EventNotifier notify;       /* the driver's doorbell */
} AmpFifo;

struct VirtIOMSGAmpPCI {
    PCIDevice parent_obj;

    /* Properties */
    uint8_t num_fifos;
    VirtIOMSGBusRingConf ring_conf;
    VirtIOMSGBusConf conf;

    MemoryRegion regs;
    MemoryRegion mem;
    AmpFifo fifos[AMP_MAX_FIFOS];
    unsigned started;           /* FIFOs that have a link */
};

/*
 * The links
 */

static AmpFifo *amp_fifo(VirtIOMSGBus *link)
{
    return container_of(link, AmpFifo, link);
}

/* A machine on the move takes its memory along as it changes */
static void amp_queues_changed(AmpFifo *fifo)
{
    memory_region_set_dirty(&fifo->card->mem,
                            fifo->index * AMP_FIFO_SIZE + AMP_DRIVER_QUEUE,
                            AMP_QUEUES_SIZE);
}

static VirtIOMSGBusSend amp_send(VirtIOMSGBus *link,
                                 const struct virtio_msg *msg)
{
    return virtio_msg_bus_ring_send(&amp_fifo(link)->ring, msg);
}

static VirtIOMSGBusRecv amp_recv(VirtIOMSGBus *link, struct virtio_msg *msg,
                                 size_t *arrived)
{
    AmpFifo *fifo = amp_fifo(link);
    VirtIOMSGBusRecv ret = virtio_msg_bus_ring_recv(&fifo->ring, msg, arrived);

    /* A slot is given back without a doorbell */
    amp_queues_changed(fifo);
    return ret;
}

/* Comes behind all else that is written: messages, and states of the ring */
static void amp_kick(VirtIOMSGBus *link)
{
    AmpFifo *fifo = amp_fifo(link);

    amp_queues_changed(fifo);
    msix_notify(PCI_DEVICE(fifo->card), fifo->index);
}

static uint16_t amp_max_msg_size(VirtIOMSGBus *link)
{
    return virtio_msg_bus_ring_max_msg_size(&amp_fifo(link)->ring);
}

static AddressSpace *amp_get_dma_as(VirtIOMSGBus *link)
{
    return pci_get_address_space(PCI_DEVICE(amp_fifo(link)->card));
}

static void amp_fill_info(VirtIOMSGBus *link, VirtioMsgLinkInfo *info)
{
    virtio_msg_bus_ring_fill_info(&amp_fifo(link)->ring, info);
}

static const VirtIOMSGBusOps amp_ops = {
    .local_peer = true,
    .send = amp_send,
    .recv = amp_recv,
    .kick = amp_kick,
    .max_msg_size = amp_max_msg_size,
    .get_dma_as = amp_get_dma_as,
    .fill_info = amp_fill_info,
};

/* L-05, L-31: whatever the driver or an earlier one has written is gone */
static void amp_start(AmpFifo *fifo)
{
    uint8_t *mem = memory_region_get_ram_ptr(&fifo->card->mem) +
                   fifo->index * AMP_FIFO_SIZE;

    memset(mem, 0, AMP_FIFO_SIZE);
    memory_region_set_dirty(&fifo->card->mem, fifo->index * AMP_FIFO_SIZE,
                            AMP_FIFO_SIZE);
    virtio_msg_bus_ring_start(&fifo->ring,
                              &(VirtIOMSGBusRingPlace) {
                                  .driver_queue = mem + AMP_DRIVER_QUEUE,
                                  .device_queue = mem + AMP_DEVICE_QUEUE,
                                  .region = mem + AMP_DRIVER_QUEUE,
                                  .size = AMP_QUEUES_SIZE,
                                  .reset = true,
                              }, &error_abort);
}

static void amp_notified(EventNotifier *notify)
{
    if (event_notifier_test_and_clear(notify)) {
        virtio_msg_bus_ring_process(&container_of(notify, AmpFifo,
                                                  notify)->ring);
    }
}

/*
 * Registers
 */

static uint64_t amp_regs_read(void *opaque, hwaddr addr, unsigned size)
{
    return addr == AMP_VERSION ? AMP_VERSION_VALUE : 0;
}

/*
 * L-28: what has another width than a register's comes here, as the doorbells
 * otherwise ring by themselves.
 */
static void amp_regs_write(void *opaque, hwaddr addr, uint64_t val,
                           unsigned size)
{
    VirtIOMSGAmpPCI *s = opaque;
    uint64_t index = (addr - AMP_NOTIFY) / sizeof(uint32_t);

    if (addr >= AMP_NOTIFY && index < s->num_fifos) {
        event_notifier_set(&s->fifos[index].notify);
    }
}

static const MemoryRegionOps amp_regs_ops = {
    .read = amp_regs_read,
    .write = amp_regs_write,
    .endianness = DEVICE_LITTLE_ENDIAN,
    .valid = {
        .min_access_size = 1,
        .max_access_size = 8,
        .unaligned = true,
    },
    .impl = {
        .min_access_size = 4,
        .max_access_size = 4,
    },
};

/*
 * The function
 */

static void amp_reset_hold(Object *obj, ResetType type)
{
    VirtIOMSGAmpPCI *s = VIRTIO_MSG_AMP_PCI(obj);
    unsigned i;

    for (i = 0; i < s->started; i++) {
        virtio_msg_bus_ring_stop(&s->fifos[i].ring);
        virtio_msg_bus_set_up(&s->fifos[i].link, false);
    }
}

static void amp_reset_exit(Object *obj, ResetType type)
{
    VirtIOMSGAmpPCI *s = VIRTIO_MSG_AMP_PCI(obj);
    unsigned i;

    for (i = 0; i < s->started; i++) {
        amp_start(&s->fifos[i]);
    }
}

static void amp_write_config(PCIDevice *pdev, uint32_t addr, uint32_t val,
                             int len)
{
    pci_default_write_config(pdev, addr, val, len);
    if (pdev->exp.exp_cap) {
        pcie_cap_flr_write_config(pdev, addr, val, len);
    }
}

static bool amp_add_fifo(VirtIOMSGAmpPCI *s, Error **errp)
{
    DeviceState *dev = DEVICE(s);
    AmpFifo *fifo = &s->fifos[s->started];
    g_autofree char *name = NULL;
    int ret;

    fifo->card = s;
    fifo->index = s->started;
    if (dev->id) {
        name = g_strdup_printf("%s.%u", dev->id, fifo->index);
    }
    if (!virtio_msg_bus_init(&fifo->link, dev, name, &amp_ops, &s->conf,
                             errp)) {
        return false;
    }
    if (!virtio_msg_bus_ring_init(&fifo->ring, &fifo->link, &s->ring_conf,
                                  errp)) {
        return false;
    }
    ret = event_notifier_init(&fifo->notify, false);
    if (ret < 0) {
        error_setg_errno(errp, -ret, "cannot make an eventfd");
        virtio_msg_bus_ring_cleanup(&fifo->ring);
        return false;
    }
    event_notifier_set_handler(&fifo->notify, amp_notified);
    memory_region_add_eventfd(&s->regs,
                              AMP_NOTIFY + fifo->index * sizeof(uint32_t),
                              sizeof(uint32_t), false, 0, &fifo->notify);
    msix_vector_use(PCI_DEVICE(s), fifo->index);
    s->started++;
    amp_start(fifo);
    return true;
}

static void amp_exit(PCIDevice *pdev)
{
    VirtIOMSGAmpPCI *s = VIRTIO_MSG_AMP_PCI(pdev);

    while (s->started) {
        AmpFifo *fifo = &s->fifos[--s->started];

        memory_region_del_eventfd(&s->regs,
                                  AMP_NOTIFY + fifo->index * sizeof(uint32_t),
                                  sizeof(uint32_t), false, 0, &fifo->notify);
        event_notifier_set_handler(&fifo->notify, NULL);
        event_notifier_cleanup(&fifo->notify);
        virtio_msg_bus_ring_stop(&fifo->ring);
        virtio_msg_bus_ring_cleanup(&fifo->ring);
    }
    msix_uninit_exclusive_bar(pdev);
    if (pdev->exp.exp_cap) {
        pcie_cap_exit(pdev);
    }
    /* By its name; the memory itself may live on for a while */
    vmstate_unregister_ram(&s->mem, DEVICE(s));
}

static void amp_realize(PCIDevice *pdev, Error **errp)
{
    VirtIOMSGAmpPCI *s = VIRTIO_MSG_AMP_PCI(pdev);
    int ret;

    if (s->num_fifos < 1 || s->num_fifos > AMP_MAX_FIFOS) {
        error_setg(errp, "fifos=%u is out of range; choose 1 to %d",
                   s->num_fifos, AMP_MAX_FIFOS);
        return;
    }

    memory_region_init_io(&s->regs, OBJECT(s), &amp_regs_ops, s,
                          "virtio-msg-amp-regs", AMP_REGS_SIZE);
    pci_register_bar(pdev, AMP_BAR_REGS, PCI_BASE_ADDRESS_SPACE_MEMORY,
                     &s->regs);
    if (!memory_region_init_ram(&s->mem, OBJECT(s), "virtio-msg-amp-mem",
                                pow2ceil(s->num_fifos) * AMP_FIFO_SIZE,
                                errp)) {
        return;
    }
    pci_register_bar(pdev, AMP_BAR_MEM,
                     PCI_BASE_ADDRESS_SPACE_MEMORY |
                     PCI_BASE_ADDRESS_MEM_PREFETCH, &s->mem);

    ret = msix_init_exclusive_bar(pdev, s->num_fifos, AMP_BAR_MSIX, errp);
    if (ret < 0) {
        vmstate_unregister_ram(&s->mem, DEVICE(s));
        return;
    }
    if (pci_bus_is_express(pci_get_bus(pdev))) {
        ret = pcie_endpoint_cap_init(pdev, AMP_PCIE_CAP);
        if (ret < 0) {
            error_setg_errno(errp, -ret, "cannot add a PCI Express capability");
            amp_exit(pdev);
            return;
        }
        pcie_cap_flr_init(pdev);
    }

    while (s->started < s->num_fifos) {
        if (!amp_add_fifo(s, errp)) {
            amp_exit(pdev);
            return;
        }
    }
}

static const Property amp_props[] = {
    DEFINE_PROP_UINT8("fifos", VirtIOMSGAmpPCI, num_fifos, 1),
    DEFINE_VIRTIO_MSG_BUS_RING_PROPERTIES(VirtIOMSGAmpPCI, ring_conf),
    DEFINE_VIRTIO_MSG_BUS_PROPERTIES(VirtIOMSGAmpPCI, conf),
};

static const VMStateDescription vmstate_amp_fifo = {
    .name = "virtio-msg-amp-pci/fifo",
    .version_id = 1,
    .minimum_version_id = 1,
    .fields = (const VMStateField[]) {
        VMSTATE_STRUCT(ring, AmpFifo, 1, vmstate_virtio_msg_bus_ring,
                       VirtIOMSGBusRing),
        VMSTATE_END_OF_LIST()
    }
};

static const VMStateDescription vmstate_amp = {
    .name = TYPE_VIRTIO_MSG_AMP_PCI,
    .version_id = 1,
    .minimum_version_id = 1,
    .fields = (const VMStateField[]) {
        VMSTATE_PCI_DEVICE(parent_obj, VirtIOMSGAmpPCI),
        VMSTATE_MSIX(parent_obj, VirtIOMSGAmpPCI),
        VMSTATE_UINT8_EQUAL(num_fifos, VirtIOMSGAmpPCI,
                            "fifos= has to be what it was"),
        VMSTATE_STRUCT_VARRAY_UINT8(fifos, VirtIOMSGAmpPCI, num_fifos, 1,
                                    vmstate_amp_fifo, AmpFifo),
        VMSTATE_END_OF_LIST()
    }
};

/* So that it has room for the capability, on whatever bus it is to be */
static void amp_instance_init(Object *obj)
{
    PCI_DEVICE(obj)->cap_present |= QEMU_PCI_CAP_EXPRESS;
}

static void amp_class_init(ObjectClass *oc, void *data)
{
    DeviceClass *dc = DEVICE_CLASS(oc);
    PCIDeviceClass *pc = PCI_DEVICE_CLASS(oc);
    ResettableClass *rc = RESETTABLE_CLASS(oc);

    pc->realize = amp_realize;
    pc->exit = amp_exit;
    pc->config_write = amp_write_config;
    pc->vendor_id = AMP_VENDOR_ID;
    pc->device_id = AMP_DEVICE_ID;
    pc->revision = AMP_REVISION;
    pc->class_id = PCI_CLASS_SYSTEM_OTHER;
    rc->phases.hold = amp_reset_hold;
    rc->phases.exit = amp_reset_exit;
    dc->desc = "virtio-msg AMP card";
    dc->vmsd = &vmstate_amp;
    device_class_set_props(dc, amp_props);
    set_bit(DEVICE_CATEGORY_MISC, dc->categories);

    virtio_msg_bus_describe_properties(oc);
    object_class_property_set_description(oc, "fifos",
        "links that the card has, 1 to 8");
    virtio_msg_bus_ring_describe_properties(oc);
}

static const TypeInfo amp_types[] = {
    {
        .name = TYPE_VIRTIO_MSG_AMP_PCI,
        .parent = TYPE_PCI_DEVICE,
        .instance_size = sizeof(VirtIOMSGAmpPCI),
        .instance_init = amp_instance_init,
        .class_init = amp_class_init,
        .interfaces = (InterfaceInfo[]) {
            { INTERFACE_PCIE_DEVICE },
            { INTERFACE_CONVENTIONAL_PCI_DEVICE },
            { }
        },
    }
};

DEFINE_TYPES(amp_types)
