/*
 * The peer of a virtio-msg link over ivshmem, among all that share the memory
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_VIRTIO_MSG_PEER_H
#define HW_VIRTIO_MSG_PEER_H

#include "qemu/timer.h"
#include "hw/virtio/virtio-msg-bus.h"
#include "hw/virtio/virtio-msg-ivshmem.h"
#include "hw/virtio/virtio-msg-ring.h"

/*
 * Each side of an ivshmem knows its own id and needs the other's to ring it.
 * Both leave theirs in a block at the end of the memory.  This knows the block,
 * rings the id that is the peer's as far as anybody can tell, and says what is
 * wrong if that cannot be so, or if nothing comes.
 *
 * Everything here runs in the main loop with the BQL held.
 */

/* Bytes at the end of the memory that nothing else may use */
#define VIRTIO_MSG_PEER_BLOCK_SIZE  64

/* Instead of the peer's id: find out */
#define VIRTIO_MSG_PEER_AUTO    UINT32_MAX

typedef struct VirtIOMSGPeer {
    VirtIOMSGBus *link;
    const VirtIOMSGRing *ring;
    VirtIOMSGIvshmem *ivshmem;      /* NULL: never started */
    uint32_t remote_vmid;
    uint32_t driver;                /* the one announced last */

    /* What has been said of the ids since the start; once each */
    bool said_contradiction;
    bool said_nobody;
    bool unheard;                   /* for some seconds */
    QEMUTimer *timer;
} VirtIOMSGPeer;

/**
 * virtio_msg_peer_init: get ready to look for the peer
 * @peer: zeroed
 * @link: the link, has to outlive @peer
 * @ring: its queues, likewise; valid while the link is up
 * @remote_vmid: the peer's ivshmem id, or VIRTIO_MSG_PEER_AUTO
 * @errp: set on failure
 *
 * Returns false with @errp set, and nothing to undo, if there is no such id.
 */
bool virtio_msg_peer_init(VirtIOMSGPeer *peer, VirtIOMSGBus *link,
                          const VirtIOMSGRing *ring, uint32_t remote_vmid,
                          Error **errp);

/**
 * virtio_msg_peer_start: leave our id for the peer, and expect to hear of it
 * @peer: initialized
 * @ivshmem: the attachment, with the ring ready; has to outlive @peer
 *
 * Link layouts, "Peer ids over ivshmem".
 */
void virtio_msg_peer_start(VirtIOMSGPeer *peer, VirtIOMSGIvshmem *ivshmem);

/**
 * virtio_msg_peer_stop: do not expect to hear of it any more
 * @peer: initialized
 */
void virtio_msg_peer_stop(VirtIOMSGPeer *peer);

/**
 * virtio_msg_peer_withdraw: take our id back
 * @peer: initialized, maybe never started
 */
void virtio_msg_peer_withdraw(VirtIOMSGPeer *peer);

/**
 * virtio_msg_peer_cleanup: undo virtio_msg_peer_init() and what came after
 * @peer: initialized, or zeroed; its attachment is still open
 */
void virtio_msg_peer_cleanup(VirtIOMSGPeer *peer);

/**
 * virtio_msg_peer_ring: ring the peer
 * @peer: started
 *
 * Also tells the link if the peer has become another one.
 */
void virtio_msg_peer_ring(VirtIOMSGPeer *peer);

/**
 * virtio_msg_peer_is: whether somebody is the peer, as far as anybody can tell
 * @peer: started
 * @id: an ivshmem id
 */
bool virtio_msg_peer_is(VirtIOMSGPeer *peer, uint16_t id);

/**
 * virtio_msg_peer_fill_info: show the ids, and what is wrong with them
 * @peer: started
 * @info: gets them
 */
void virtio_msg_peer_fill_info(VirtIOMSGPeer *peer, VirtioMsgLinkInfo *info);

#endif /* HW_VIRTIO_MSG_PEER_H */
