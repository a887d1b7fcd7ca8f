/*
 * Attachments to ivshmem shared memory
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_VIRTIO_MSG_IVSHMEM_H
#define HW_VIRTIO_MSG_IVSHMEM_H

#include "chardev/char-fe.h"
#include "exec/hwaddr.h"
#include "hw/virtio/virtio-msg-ring.h"
#include "hw/virtio/virtio-msg-guard.h"
#include "hw/virtio/virtio-msg-vfio.h"

/*
 * An attachment is our end of an ivshmem: a piece of memory that is shared
 * with other peers, an id among them, doorbells to ring and one that rings.
 * It is either a PCI function of this system, reached through VFIO, or a
 * client of an ivshmem server.
 *
 * Everything here runs in the main loop with the BQL held.
 */

typedef struct VirtIOMSGIvshmem VirtIOMSGIvshmem;

/* What an attachment calls in its user */
typedef struct VirtIOMSGIvshmemClient {
    /* Another peer rang our doorbell */
    void (*interrupt)(void *opaque);

    /*
     * The attachment came (back) or went.  While it is gone the memory stays
     * mapped but nobody hears the doorbell; after it came back, memory and id
     * may be others.  Not called for what the open function already returns.
     */
    void (*attached)(void *opaque, bool attached);

    /* The server says that a peer, one of several maybe, has gone */
    void (*peer_left)(void *opaque, uint16_t peer);

    /*
     * The memory was taken away.  It is private from now on, zeros at first,
     * until the attachment comes back.
     */
    void (*lost)(void *opaque);
} VirtIOMSGIvshmemClient;

typedef struct VirtIOMSGIvshmemOps {
    void (*ring)(VirtIOMSGIvshmem *ivshmem, uint16_t peer);
    /* NULL where nobody tells which peers there are */
    bool (*has_peer)(VirtIOMSGIvshmem *ivshmem, uint16_t peer);
    /* NULL likewise */
    bool (*only_peer)(VirtIOMSGIvshmem *ivshmem, uint16_t *peer);
    /* NULL where nobody can want it back */
    void (*detach)(VirtIOMSGIvshmem *ivshmem);
    void (*close)(VirtIOMSGIvshmem *ivshmem);
} VirtIOMSGIvshmemOps;

struct VirtIOMSGIvshmem {
    const VirtIOMSGIvshmemOps *ops;
    const VirtIOMSGIvshmemClient *client;
    void *opaque;

    uint8_t *mem;       /* shared; may be Device memory: no unaligned access */
    size_t size;        /* bytes */
    VirtIOMSGGuard *guard;
    const VirtIOMSGRingBarriers *barriers;  /* that the memory needs, or NULL */
    uint16_t id;        /* ours */
};

/* No ivshmem for virtio-msg is smaller: two queues and a page for the rest */
#define VIRTIO_MSG_IVSHMEM_MIN_SIZE 0x3000

/* At its end stands a block of this size, whose words are to be aligned */
#define VIRTIO_MSG_IVSHMEM_ALIGN    64

/**
 * virtio_msg_ivshmem_ring: ring vector 0 of a peer
 * @ivshmem: an attachment
 * @peer: the peer's ivshmem id; one that does not exist is ignored
 */
static inline void virtio_msg_ivshmem_ring(VirtIOMSGIvshmem *ivshmem,
                                           uint16_t peer)
{
    ivshmem->ops->ring(ivshmem, peer);
}

/**
 * virtio_msg_ivshmem_has_peer: whether ringing a peer can have an effect
 * @ivshmem: an attachment
 * @peer: the peer's ivshmem id
 *
 * Returns false if there is no such peer, and true if there is, or if nobody
 * tells.
 */
static inline bool virtio_msg_ivshmem_has_peer(VirtIOMSGIvshmem *ivshmem,
                                               uint16_t peer)
{
    return !ivshmem->ops->has_peer || ivshmem->ops->has_peer(ivshmem, peer);
}

/**
 * virtio_msg_ivshmem_only_peer: the peer, if there is one besides us
 * @ivshmem: an attachment
 * @peer: set to the id of the only other peer
 *
 * Returns false, with @peer untouched, if there is none, or more than one, or
 * if nobody tells.
 */
static inline bool virtio_msg_ivshmem_only_peer(VirtIOMSGIvshmem *ivshmem,
                                                uint16_t *peer)
{
    return ivshmem->ops->only_peer && ivshmem->ops->only_peer(ivshmem, peer);
}

/**
 * virtio_msg_ivshmem_detach: give the attachment's PCI function back
 * @ivshmem: an attachment; nobody uses its memory any more
 *
 * From now on its memory is private, holds zeros, and nobody is rung or heard.
 * A client of a server stays what it is.
 */
static inline void virtio_msg_ivshmem_detach(VirtIOMSGIvshmem *ivshmem)
{
    if (ivshmem->ops->detach) {
        ivshmem->ops->detach(ivshmem);
    }
}

/**
 * virtio_msg_ivshmem_close: detach
 * @ivshmem: an attachment, freed by this, with its memory; may be NULL
 */
static inline void virtio_msg_ivshmem_close(VirtIOMSGIvshmem *ivshmem)
{
    if (ivshmem) {
        ivshmem->ops->close(ivshmem);
    }
}

/**
 * virtio_msg_ivshmem_open_chardev: become a client of an ivshmem server
 * @chr: a connected character device, stays the caller's and has to outlive
 *       the attachment
 * @client: callbacks, static
 * @opaque: their first argument
 * @errp: set on failure
 *
 * Waits, for a bounded time, until the server has handed out memory and id.
 *
 * Returns the attachment, or NULL with @errp set.
 */
VirtIOMSGIvshmem *
virtio_msg_ivshmem_open_chardev(CharBackend *chr,
                                const VirtIOMSGIvshmemClient *client,
                                void *opaque, Error **errp);

/* What lspci calls them, and how VFIO finds out that it has one */
extern const VirtIOMSGVFIOId virtio_msg_ivshmem_id;

/**
 * virtio_msg_ivshmem_open_vfio: attach through a PCI function of this system
 * @vfio: the container to open it in, has to outlive the attachment
 * @host: PCI address in sysfs' notation, 0000:00:03.0
 * @client: callbacks, static
 * @opaque: their first argument
 * @errp: set on failure
 *
 * Returns the attachment, or NULL with @errp set.
 */
VirtIOMSGIvshmem *
virtio_msg_ivshmem_open_vfio(VirtIOMSGVFIO *vfio, const char *host,
                             const VirtIOMSGIvshmemClient *client,
                             void *opaque, Error **errp);

#endif /* HW_VIRTIO_MSG_IVSHMEM_H */
