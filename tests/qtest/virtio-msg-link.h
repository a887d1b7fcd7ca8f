/*
 * The far end of a virtio-msg link, for tests and benchmarks
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef TESTS_VIRTIO_MSG_LINK_H
#define TESTS_VIRTIO_MSG_LINK_H

#include "hw/virtio/virtio-msg-ring.h"
#include "standard-headers/linux/virtio_msg.h"

/*
 * One link to one device process.  The test is two peers of it at once: the
 * ivshmem server, which hands out memory and doorbells over a socket, and the
 * driver side, which sends messages through that memory.  No thread is needed
 * for that: what a server says fits into the socket's buffer before the device
 * process even runs.
 *
 * Nothing here sleeps.  What has to come is awaited on the doorbell, and a
 * wait that takes VMSG_DEADLINE_MS ends the program with a message.
 *
 * Messages are in wire order, i.e. little-endian, wherever one is passed.
 */

#define VMSG_DEADLINE_MS        30000

/* Where the driver side has its memory, like the arm64 virt machine */
#define VMSG_RAM_BASE           0x40000000ULL

/* Offsets in the shared memory, and from its end */
#define VMSG_DRIVER_QUEUE       0x0000
#define VMSG_DEVICE_QUEUE       0x1000
#define VMSG_IDS                64
/* The ids begin with this; from their start: each side's own, plus 1 */
#define VMSG_IDS_MAGIC          0x474d5356
#define VMSG_IDS_DEVICE         8
#define VMSG_IDS_DRIVER         12

/* ivshmem ids; the device side takes the driver for 1 unless told otherwise */
#define VMSG_DEVICE_ID          0
#define VMSG_DRIVER_ID          1

/* How messages are laid out: wire= of the device's end */
typedef enum VMsgWire {
    VMSG_WIRE_2025,
    VMSG_WIRE_2026,
} VMsgWire;

/* What it is for links that nobody gives another: 2025, or 2026 if not set */
#define VMSG_WIRE_VARIABLE      "VIRTIO_MSG_WIRE"

/* How the queues are laid out, likewise: v1, or spsc if not set */
#define VMSG_LAYOUT_VARIABLE    "VIRTIO_MSG_LAYOUT"

typedef struct VMsgLink VMsgLink;

/*
 * How the driver side reaches a device side that is no ivshmem: each function
 * is called where something else would be done for that.
 */
typedef struct VMsgLinkOps {
    /* QEMU options for the device's end: see vmsg_link_args() */
    char *(*args)(VMsgLink *link, const char *id, const char *props);
    /* Have shm hold what the device side has written */
    void (*pull)(VMsgLink *link);
    /* Let the device side see what was written to shm */
    void (*push)(VMsgLink *link);
    /* Ring the device side's doorbell */
    void (*ring)(VMsgLink *link);
    /* Wait until the device side has rung */
    void (*wait)(VMsgLink *link);
} VMsgLinkOps;

struct VMsgLink {
    const VMsgLinkOps *ops; /* NULL: it is an ivshmem */
    VMsgWire wire;          /* may be changed before vmsg_link_args() */
    bool v1;                /* layout=v1; likewise */
    int server;             /* our end of the server's connection, or -1 */
    int client;             /* the other end, for the device process */

    int shm_fd;
    uint8_t *shm;           /* the ivshmem */
    size_t shm_size;
    int ram_fd;
    uint8_t *ram;           /* the driver side's memory */
    size_t ram_size;
    uint64_t ram_base;      /* where the driver side sees it */
    size_t ram_used;        /* bytes that vmsg_link_alloc() gave away */

    int to_device;          /* eventfds: the doorbells of the two sides */
    int to_driver;

    VirtIOMSGRing ring;
    uint16_t token;         /* of the last request */
    GQueue events;          /* struct virtio_msg; arrived, nobody asked yet */

    /*
     * Called where a wait for the doorbell would block, and then again and
     * again until it has rung: has to make the device side run.  NULL if that
     * runs by itself.
     */
    void (*idle)(void);
};

/**
 * vmsg_link_new: make everything that a link needs
 * @shm_size: bytes of ivshmem
 * @ram_size: bytes of memory of the driver side
 *
 * The server has said nothing yet.  Returns a link for vmsg_link_free().
 */
VMsgLink *vmsg_link_new(size_t shm_size, size_t ram_size);

/**
 * vmsg_default_wire: what VMSG_WIRE_VARIABLE asks for
 *
 * Ends the program if that is none that there is.
 */
VMsgWire vmsg_default_wire(void);

/**
 * vmsg_default_v1: whether VMSG_LAYOUT_VARIABLE asks for v1
 *
 * Ends the program if it asks for what there is not.
 */
bool vmsg_default_v1(void);

/**
 * vmsg_wire_name: what wire= calls it
 * @wire: a wire
 *
 * Returns a static string.
 */
const char *vmsg_wire_name(VMsgWire wire);

/**
 * vmsg_link_free: close and free a link
 * @link: the link; whoever has its descriptors keeps them
 */
void vmsg_link_free(VMsgLink *link);

/**
 * vmsg_link_tell: send one message of the ivshmem server
 * @link: the link
 * @msg: the message, in host order
 * @fd: the descriptor that goes with it, or -1; stays the caller's
 */
void vmsg_link_tell(VMsgLink *link, int64_t msg, int fd);

/**
 * vmsg_link_serve: send all that an ivshmem server tells a new client
 * @link: the link
 */
void vmsg_link_serve(VMsgLink *link);

/**
 * vmsg_link_hang_up: close the server's connection
 * @link: the link
 */
void vmsg_link_hang_up(VMsgLink *link);

/**
 * vmsg_link_args: QEMU options for the device's end of a link
 * @link: the link
 * @id: id of the virtio-msg-bus-ivshmem device
 * @props: further properties, starting with a comma, or ""
 *
 * Returns a string to be freed.
 */
char *vmsg_link_args(VMsgLink *link, const char *id, const char *props);

/**
 * vmsg_link_started: the device process has its end of the connection
 * @link: the link
 *
 * From now on a device process that dies ends a wait for it.
 */
void vmsg_link_started(VMsgLink *link);

/**
 * vmsg_link_in_use: whether a device process has attached to a link
 * @link: the link
 */
bool vmsg_link_in_use(VMsgLink *link);

/**
 * vmsg_link_next: make a link for another device process of the same options
 * @link: the link whose options vmsg_link_args() wrote; its device process has
 *        been started
 *
 * The new link is as large, has been served, and its descriptors have the
 * numbers that the options name.  It stands beside @link, which lives on.
 */
VMsgLink *vmsg_link_next(VMsgLink *link);

/**
 * vmsg_link_reset_ring: forget the driver's state and go on with the memory's
 * @link: the link
 */
void vmsg_link_reset_ring(VMsgLink *link);

/**
 * vmsg_link_ring: ring the device side's doorbell
 * @link: the link
 */
void vmsg_link_ring(VMsgLink *link);

/**
 * vmsg_link_alloc: take a piece of the driver side's memory
 * @link: the link
 * @size: bytes
 *
 * Returns its address in the driver side's address space, page aligned and
 * zeroed.  It is given back with the link.
 */
uint64_t vmsg_link_alloc(VMsgLink *link, size_t size);

/**
 * vmsg_link_ptr: where an address of the driver side is mapped here
 * @link: the link
 * @addr: address inside of the driver side's memory
 */
void *vmsg_link_ptr(VMsgLink *link, uint64_t addr);

/**
 * vmsg_init: start a message
 * @msg: to be initialized, zeroed but for the header
 * @type: header bits
 * @id: message id
 * @dev: device number
 * @payload: bytes behind the header
 */
void vmsg_init(struct virtio_msg *msg, uint8_t type, uint8_t id, uint16_t dev,
               size_t payload);

/**
 * vmsg_try_put: put a message into the driver queue, without the doorbell
 * @link: the link
 * @msg: the message; a whole slot of it is sent, whatever its msg_size says
 *
 * Returns false if the queue is full.
 */
bool vmsg_try_put(VMsgLink *link, const struct virtio_msg *msg);

/**
 * vmsg_send: send a message and ring the doorbell
 * @link: the link
 * @msg: the message, as for vmsg_try_put(); there has to be room for it
 */
void vmsg_send(VMsgLink *link, const struct virtio_msg *msg);

/**
 * vmsg_try_get: take the next message, if there is one
 * @link: the link
 * @msg: filled in if so
 *
 * Looks at the queue alone, not at events that others put aside.
 */
bool vmsg_try_get(VMsgLink *link, struct virtio_msg *msg);

/**
 * vmsg_get: take the next message from the queue, and wait for it if needed
 * @link: the link
 * @msg: filled in
 */
void vmsg_get(VMsgLink *link, struct virtio_msg *msg);

/**
 * vmsg_wait_rung: wait until the device side rings
 * @link: the link
 *
 * Returns at once if it did since the last wait.
 */
void vmsg_wait_rung(VMsgLink *link);

/**
 * vmsg_request: send a request and wait for its response
 * @link: the link
 * @req: the request; a token of its own is filled in
 * @resp: filled in; its header has been checked against the request's
 *
 * Events, and requests of the device side, that come first are put aside for
 * vmsg_wait_event().
 */
void vmsg_request(VMsgLink *link, struct virtio_msg *req,
                  struct virtio_msg *resp);

/**
 * vmsg_ping: wait until the device side has handled what was sent before
 * @link: the link
 */
void vmsg_ping(VMsgLink *link);

/**
 * vmsg_take_event: take an event that has already arrived
 * @link: the link
 * @type: header bits
 * @id: message id
 * @dev: device number
 * @msg: filled in, may be NULL
 *
 * Returns false if there is none, in which case nothing waits: the device side
 * has answered a PING since.
 */
bool vmsg_take_event(VMsgLink *link, uint8_t type, uint8_t id, uint16_t dev,
                     struct virtio_msg *msg);

/**
 * vmsg_wait_event: wait for an event
 * @link: the link
 * @type: header bits
 * @id: message id
 * @dev: device number
 * @msg: filled in, may be NULL
 */
void vmsg_wait_event(VMsgLink *link, uint8_t type, uint8_t id, uint16_t dev,
                     struct virtio_msg *msg);

/**
 * vmsg_next_event: take the oldest of all events that have been put aside
 * @link: the link
 * @msg: filled in
 *
 * Returns false if there is none.  Does not look at the queue; a PING before
 * it does.
 */
bool vmsg_next_event(VMsgLink *link, struct virtio_msg *msg);

/**
 * vmsg_drop_events: forget what has been put aside
 * @link: the link
 */
void vmsg_drop_events(VMsgLink *link);

#endif /* TESTS_VIRTIO_MSG_LINK_H */
