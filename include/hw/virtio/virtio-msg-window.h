/*
 * The memory of the peer of a virtio-msg link
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_VIRTIO_MSG_WINDOW_H
#define HW_VIRTIO_MSG_WINDOW_H

#include "exec/memory.h"
#include "hw/pci/pci.h"
#include "hw/virtio/virtio-msg-guard.h"
#include "hw/virtio/virtio-msg-properties.h"
#include "hw/virtio/virtio-msg-vfio.h"
#include "system/hostmem.h"

/*
 * A driver's addresses are those of its own machine, whose memory is reached
 * here as a memory backend, or as a BAR of a PCI function.  It stands in an
 * AddressSpace of its own where the peer has it, in one piece or in two with a
 * hole between them.
 *
 * Everything here runs in the main loop with the BQL held.
 */

/* What a user can choose, in properties of the link's device */
typedef struct VirtIOMSGWindowConf {
    HostMemoryBackend *memdev;
    PCIHostDeviceAddress sysmem_dev;
    VirtioMsgSysmemMap sysmem_map;
    uint64_t offset;
    uint64_t low_size;
    uint64_t hole;
} VirtIOMSGWindowConf;

/* They, as properties of a device with state @_state, in its field @_conf */
#define DEFINE_VIRTIO_MSG_WINDOW_PROPERTIES(_state, _conf)                  \
    DEFINE_PROP_LINK("memdev", _state, _conf.memdev, TYPE_MEMORY_BACKEND,   \
                     HostMemoryBackend *),                                  \
    DEFINE_PROP_PCI_HOST_DEVADDR("sysmem-dev", _state, _conf.sysmem_dev),   \
    DEFINE_PROP_VIRTIO_MSG_SYSMEM_MAP("sysmem-map", _state,                 \
                                      _conf.sysmem_map,                     \
                                      VIRTIO_MSG_SYSMEM_MAP_AUTO),          \
    DEFINE_PROP_SIZE("mem-offset", _state, _conf.offset, 0),                \
    DEFINE_PROP_SIZE("mem-low-size", _state, _conf.low_size, 0),            \
    DEFINE_PROP_SIZE("mem-hole", _state, _conf.hole, 0)

typedef struct VirtIOMSGWindow {
    const VirtIOMSGWindowConf *conf;

    AddressSpace *as;           /* freed by RCU, and so not in here */
    MemoryRegion root;
    MemoryRegion *mem;          /* the peer's memory whole, or NULL */
    VirtIOMSGGuard *guard;
    MemoryRegion low;
    MemoryRegion high;

    /* If it is a BAR */
    void *bar;
    size_t bar_size;
    MemoryRegion bar_mr;
    VirtioMsgSysmemMap bar_map;         /* how it is mapped: not AUTO */
    VirtIOMSGVFIOFunction *function;    /* keeps it enabled; NULL: released */
} VirtIOMSGWindow;

/**
 * virtio_msg_window_init_conf: have nothing chosen
 * @conf: what DEFINE_VIRTIO_MSG_WINDOW_PROPERTIES() names, in an instance_init
 */
void virtio_msg_window_init_conf(VirtIOMSGWindowConf *conf);

/**
 * virtio_msg_window_describe_properties: describe what
 * DEFINE_VIRTIO_MSG_WINDOW_PROPERTIES() defines
 * @oc: a class that has these properties
 */
void virtio_msg_window_describe_properties(ObjectClass *oc);

/**
 * virtio_msg_window_init: an AddressSpace with nothing in it
 * @window: zeroed, in the state of @owner
 * @owner: the link's device
 * @name: of the AddressSpace
 */
void virtio_msg_window_init(VirtIOMSGWindow *window, DeviceState *owner,
                            const char *name);

/**
 * virtio_msg_window_open: open what the user has chosen
 * @window: an initialized window
 * @conf: the choice; may be nothing, and then there is no memory.  Has to
 *        outlive the window.
 * @vfio: where to open the BAR, has to outlive the window
 * @id: what the function has to be whose BAR 2 it is
 * @lost: called when the memory has been taken away
 * @opaque: its argument
 * @errp: set on failure
 *
 * Returns false with @errp set on failure; the window is to be closed in any
 * case.
 */
bool virtio_msg_window_open(VirtIOMSGWindow *window,
                            const VirtIOMSGWindowConf *conf,
                            VirtIOMSGVFIO *vfio, const VirtIOMSGVFIOId *id,
                            VirtIOMSGGuardLost *lost, void *opaque,
                            Error **errp);

/**
 * virtio_msg_window_release: give the PCI function back, if there is one
 * @window: an open window, whose memory then is private and holds zeros from
 *          now on
 */
void virtio_msg_window_release(VirtIOMSGWindow *window);

/**
 * virtio_msg_window_close: undo virtio_msg_window_init() and what came after
 * @window: an initialized window, or one that is zeroed
 */
void virtio_msg_window_close(VirtIOMSGWindow *window);

/**
 * virtio_msg_window_fill_info: show where the memory is
 * @window: an initialized window
 * @info: gets its windows
 */
void virtio_msg_window_fill_info(VirtIOMSGWindow *window,
                                 VirtioMsgLinkInfo *info);

#endif /* HW_VIRTIO_MSG_WINDOW_H */
