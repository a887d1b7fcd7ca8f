/*
 * virtio-msg message queues in shared memory
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_VIRTIO_MSG_RING_H
#define HW_VIRTIO_MSG_RING_H

#include "hw/virtio/virtio-msg-ring-layout.h"
#include "hw/virtio/virtio-msg-ring-notify.h"

/*
 * A link has two queues of messages in memory that it shares with its peer:
 * one that we write and one that we read.  They are laid out in one of two
 * ways, `spsc` or `v1`.  This knows the layouts and nothing else: no device, no
 * doorbell, no clock, no virtio.
 *
 * The peer can write anything anywhere at any time.  Each word that belongs to
 * the peer is therefore read once per operation and checked before use, and our
 * own indices live here, in memory that the peer does not see; the shared
 * copies are written, and compared with what was written to notice that the
 * peer has begun anew.
 *
 * The memory may be Device memory: every access is aligned and at most 8 bytes
 * wide.  Nothing in here locks; a ring belongs to one thread at a time.
 */

/* The `spsc` layout: two pages, each with two indices and 62 slots */
#define VIRTIO_MSG_SPSC_PAGE_SIZE   4096
#define VIRTIO_MSG_SPSC_HEAD        0x00
#define VIRTIO_MSG_SPSC_TAIL        0x40
#define VIRTIO_MSG_SPSC_SLOTS       0x80
#define VIRTIO_MSG_SPSC_NUM_SLOTS   62

/* Bytes in a slot of it, and so the largest message that it can carry */
#define VIRTIO_MSG_RING_SLOT_SIZE   64

/* The largest message that any ring carries, in bytes */
#define VIRTIO_MSG_RING_MAX_SIZE    VIRTIO_MSG_V1_MAX_MSG_SIZE

typedef enum VirtIOMSGRingResult {
    VIRTIO_MSG_RING_OK,
    /* put: no free slot */
    VIRTIO_MSG_RING_FULL,
    /* get: no message */
    VIRTIO_MSG_RING_EMPTY,
    /* the peer's index is out of range; nothing was read or written */
    VIRTIO_MSG_RING_BAD_INDEX,
    /*
     * The peer has begun anew; nothing was read or written.  With `spsc` the
     * ring has taken that in: the caller counts a restart of the link, drops
     * what waits, and may try again (L-07).  With `v1` it will by
     * virtio_msg_ring_advance().
     */
    VIRTIO_MSG_RING_RESTARTED,
    /* `v1`: no messages flow in this state; nothing was read or written */
    VIRTIO_MSG_RING_NOT_UP,
} VirtIOMSGRingResult;

/* What virtio_msg_ring_advance() may find */
typedef enum VirtIOMSGRingEvent {
    VIRTIO_MSG_RING_EVENT_NONE,
    /* Messages flow from now on, and both queues are to be looked at */
    VIRTIO_MSG_RING_EVENT_UP,
    /*
     * No messages flow any longer: the caller resets every device, drops what
     * waits, and then calls virtio_msg_ring_cleaned().
     */
    VIRTIO_MSG_RING_EVENT_DOWN,
    /*
     * `spsc`: the peer has begun anew, and messages go on to flow: the caller
     * counts a restart of the link and drops what waits (L-07).
     */
    VIRTIO_MSG_RING_EVENT_RESTARTED,
    /*
     * `v1`, device side, not up: something else has been written over the
     * layout, perhaps by a peer that uses the other one (L-32); ours has been
     * written again.
     */
    VIRTIO_MSG_RING_EVENT_REWRITTEN,
    /*
     * `v1`: it takes long to come up (L-17); virtio_msg_ring_waits_for() says
     * why.  Comes once for each time.
     */
    VIRTIO_MSG_RING_EVENT_SLOW,
    /*
     * `v1`, driver side: virtio_msg_ring_fault() says what is wrong with the
     * layout, and nothing else will come (L-09).
     */
    VIRTIO_MSG_RING_EVENT_REFUSED,
} VirtIOMSGRingEvent;

/* Why messages no longer flow, or what was written over */
typedef enum VirtIOMSGRingCause {
    VIRTIO_MSG_RING_CAUSE_NONE,
    VIRTIO_MSG_RING_CAUSE_LAYOUT_GONE,
    VIRTIO_MSG_RING_CAUSE_OWN_MAGIC,
    VIRTIO_MSG_RING_CAUSE_OWN_INDEX,
    VIRTIO_MSG_RING_CAUSE_PEER_MAGIC,
    VIRTIO_MSG_RING_CAUSE_PEER_STATE,
    VIRTIO_MSG_RING_CAUSE_PEER_INDEX,
    VIRTIO_MSG_RING_CAUSE_PEER_SHUTDOWN,
    /* The peer says that it had given us up */
    VIRTIO_MSG_RING_CAUSE_PEER_GAVE_UP,
    VIRTIO_MSG_RING_NUM_CAUSES,
} VirtIOMSGRingCause;

/* What has become of a ring, and what is to be done */
typedef struct VirtIOMSGRingStep {
    VirtIOMSGRingEvent event;
    VirtIOMSGRingCause cause;   /* of DOWN, RESTARTED and REWRITTEN */
    bool ring;                  /* the peer's doorbell is to be rung (L-15) */
    int64_t next_ms;            /* when to look again; -1: no need to */
} VirtIOMSGRingStep;

/* Which side of the link the ring is for: `v1` has words of its own for each */
typedef enum VirtIOMSGRingRole {
    VIRTIO_MSG_RING_DEVICE_SIDE,
    VIRTIO_MSG_RING_DRIVER_SIDE,
} VirtIOMSGRingRole;

/*
 * What it takes to keep accesses in order where those of the compiler's
 * atomics, which are for the CPUs that share a cache, do not do.
 */
typedef struct VirtIOMSGRingBarriers {
    /* Loads before it are done before loads and stores behind it */
    void (*rmb)(void);
    /* Stores before it are done before stores behind it */
    void (*wmb)(void);
    /* All before it is done before all behind it */
    void (*mb)(void);
} VirtIOMSGRingBarriers;

/* What the layouts keep; for their own files only */

typedef struct VirtIOMSGRingSpsc {
    uint8_t *tx;        /* the queue that we write */
    uint8_t *rx;        /* the queue that we read */
    uint32_t tx_head;   /* the slot that we write next */
    uint32_t rx_tail;   /* the slot that we read next */
    bool announced;     /* the caller knows that it is up */
} VirtIOMSGRingSpsc;

typedef struct VirtIOMSGRingV1Side {
    uint8_t *head;
    uint8_t *elements;
    uint8_t *notif;     /* NULL without notification words */
} VirtIOMSGRingV1Side;

typedef struct VirtIOMSGRingV1 {
    uint8_t *mem;
    uint64_t size;
    VirtIOMSGRingRole role;
    VirtIOMSGV1Layout layout;       /* ours, or a copy that has been checked */
    VirtIOMSGV1Fault fault;
    VirtIOMSGRingV1Side own;        /* NULL before the layout is known */
    VirtIOMSGRingV1Side peer;

    int phase;
    uint16_t state;     /* in our status */
    uint16_t flags;     /* likewise */
    uint16_t tail;      /* the element that we write next */
    uint16_t head;      /* the element that we read next */
    uint16_t peer_state;    /* the last one seen while up */
    uint16_t peer_head;     /* likewise; in range */
    bool adopted;       /* our indices are those of a peer that is in RUN */

    int64_t begun_ms;   /* since when we are coming up */
    int64_t run_ms;     /* since when the peer is in RUN, or -1 */
    int64_t written_ms; /* when the layout was written */
    bool said_slow;

    /* Our notification words, as they stand in memory */
    uint64_t tx[VIRTIO_MSG_NOTIFY_MAX_WORDS];
    uint64_t rx[VIRTIO_MSG_NOTIFY_MAX_WORDS];
    uint64_t mask[VIRTIO_MSG_NOTIFY_MAX_WORDS];
} VirtIOMSGRingV1;

typedef struct VirtIOMSGRingOps VirtIOMSGRingOps;

typedef struct VirtIOMSGRing {
    const VirtIOMSGRingOps *ops;
    const VirtIOMSGRingBarriers *barriers;  /* NULL: none are needed */
    uint16_t max_msg_size;
    union {
        VirtIOMSGRingSpsc spsc;
        VirtIOMSGRingV1 v1;
    };
} VirtIOMSGRing;

/* How a `v1` ring begins */
typedef struct VirtIOMSGRingV1Start {
    const VirtIOMSGRingBarriers *barriers;  /* static, or NULL */
    bool debugged;      /* we may be stopped in a debugger (L-22) */
    /* The rest is for the device side */
    VirtIOMSGV1Options options;
    bool resume;        /* go on with a driver side that is up (L-33) */
} VirtIOMSGRingV1Start;

/* What the peer has raised; to be begun by virtio_msg_ring_take() */
typedef struct VirtIOMSGRingPending {
    uint64_t words[VIRTIO_MSG_NOTIFY_MAX_WORDS];
    uint8_t word;       /* the one that is being gone through */
} VirtIOMSGRingPending;

typedef enum VirtIOMSGRingRaised {
    /* no bit stands for it: send a message instead */
    VIRTIO_MSG_RING_NOT_RAISED,
    /* done; the peer knows already, or does not want to be rung */
    VIRTIO_MSG_RING_RAISED,
    /* done; the doorbell is to be rung */
    VIRTIO_MSG_RING_RAISED_RING,
} VirtIOMSGRingRaised;

/**
 * virtio_msg_ring_init_spsc: attach to two queues of the `spsc` layout
 * @ring: to be initialized; needs no clean-up
 * @tx: the page that we write, VIRTIO_MSG_SPSC_PAGE_SIZE bytes
 * @rx: the page that the peer writes, of the same size
 * @reset: zero both pages, dropping what they hold; otherwise go on at our
 *         indices that the memory holds, or, if one of them is out of range,
 *         zero these two words
 *
 * Both pages are 8-byte aligned, stay the caller's and have to outlive @ring.
 * See virtio_msg_ring_set_barriers() for memory that is not cacheable.
 *
 * Link layouts, `spsc`; L-05.
 */
void virtio_msg_ring_init_spsc(VirtIOMSGRing *ring, void *tx, void *rx,
                               bool reset);

/**
 * virtio_msg_ring_init_v1: begin with the `v1` layout
 * @ring: to be initialized; needs no clean-up
 * @role: which side we are
 * @mem: where the layout is or will be
 * @size: bytes of the region
 * @start: how to begin; not kept
 * @now_ms: the time, in ms, by any clock that does not go back
 *
 * @mem is 8-byte aligned, stays the caller's and has to outlive @ring.
 *
 * The device side writes the layout and its own magic (L-14), or, with
 * @start.resume, its own magic alone if all it would write is there already and
 * the driver side is in RUN (L-33).  The driver side writes nothing yet.  The
 * doorbell is to be rung, and virtio_msg_ring_advance() to be called.
 *
 * Returns VIRTIO_MSG_V1_FINE, or why there can be no such layout; then @ring
 * is not to be used, and nothing has been written.
 *
 * Link layouts, `v1`; L-13, L-14, L-33.
 */
VirtIOMSGV1Fault virtio_msg_ring_init_v1(VirtIOMSGRing *ring,
                                         VirtIOMSGRingRole role,
                                         void *mem, uint64_t size,
                                         const VirtIOMSGRingV1Start *start,
                                         int64_t now_ms);

/**
 * virtio_msg_ring_has_v1: tell the two layouts apart
 * @mem: where the layout would be, 8-byte aligned, 4 bytes at least
 *
 * Returns true for `v1`.  False can also mean that a device side which has that
 * layout has not begun yet.
 *
 * Link layouts, "Telling apart".
 */
bool virtio_msg_ring_has_v1(const void *mem);

/**
 * virtio_msg_ring_set_barriers: say how accesses to the queues stay in order
 * @ring: a ring that has just been initialized; one of the `v1` layout has been
 *        told by VirtIOMSGRingV1Start, as it writes from the start
 * @barriers: static, or NULL for cacheable memory, in which a slot and its
 *            index are kept in order by acquire and release
 */
void virtio_msg_ring_set_barriers(VirtIOMSGRing *ring,
                                  const VirtIOMSGRingBarriers *barriers);

/**
 * virtio_msg_ring_max_msg_size: the largest message that the ring carries
 * @ring: an initialized ring; one of a `v1` driver side has been up once
 *
 * Returns bytes with the header: the size of a slot or an element, and at most
 * VIRTIO_MSG_RING_MAX_SIZE.  Whether that is enough for a wire is for the
 * caller to see (L-11).
 */
uint16_t virtio_msg_ring_max_msg_size(const VirtIOMSGRing *ring);

/**
 * virtio_msg_ring_put: append one message to the queue that we write
 * @ring: an initialized ring
 * @msg: the message, already in wire (little-endian) order
 * @len: its length in bytes, 1 to virtio_msg_ring_max_msg_size(); the rest of
 *       the slot is zeroed (L-02)
 *
 * The message is visible to the peer on return; ringing the doorbell is up to
 * the caller (L-04).  With `v1`, states and magics are looked at first (L-15).
 *
 * Returns VIRTIO_MSG_RING_OK, or _FULL, _BAD_INDEX, _RESTARTED or _NOT_UP, and
 * then nothing has changed (B-04, B-05).  After the last three
 * virtio_msg_ring_advance() says what to do.
 *
 * L-01, L-03, L-16.
 */
VirtIOMSGRingResult virtio_msg_ring_put(VirtIOMSGRing *ring,
                                        const void *msg, size_t len);

/**
 * virtio_msg_ring_get: take one message from the queue that the peer writes
 * @ring: an initialized ring
 * @msg: room for virtio_msg_ring_max_msg_size() bytes; receives as much of the
 *       slot as it stood at one moment, unchecked: the message ends at its
 *       msg_size, and what is behind is to be ignored (L-02)
 *
 * Returns VIRTIO_MSG_RING_OK, or _EMPTY, _BAD_INDEX, _RESTARTED or _NOT_UP, and
 * then @msg is untouched (B-05).
 *
 * L-01, L-03, L-16.
 */
VirtIOMSGRingResult virtio_msg_ring_get(VirtIOMSGRing *ring, void *msg);

/**
 * virtio_msg_ring_valid: whether our own indices are in range
 * @ring: a ring whose indices have come from elsewhere
 */
bool virtio_msg_ring_valid(const VirtIOMSGRing *ring);

/**
 * virtio_msg_ring_discard: drop what the peer's queue holds
 * @ring: an initialized ring
 *
 * For the side that starts: messages of an earlier life mean nothing to it.
 * An index of the peer that is out of range leaves our own as it is.
 */
void virtio_msg_ring_discard(VirtIOMSGRing *ring);

/**
 * virtio_msg_ring_tx_used: messages that the peer has not taken yet
 * @ring: an initialized ring
 *
 * Returns 0 to one less than there are slots; a peer's index that is out of
 * range counts as a full queue, and a ring that is not up has an empty one.
 */
unsigned virtio_msg_ring_tx_used(const VirtIOMSGRing *ring);

/**
 * virtio_msg_ring_rx_used: messages that we have not taken yet
 * @ring: an initialized ring
 *
 * Returns 0 to one less than there are slots; a peer's index that is out of
 * range counts as an empty queue, as does that of a ring that is not up.
 */
unsigned virtio_msg_ring_rx_used(const VirtIOMSGRing *ring);

/**
 * virtio_msg_ring_capacity: messages that fit into either queue
 * @ring: an initialized ring; one of a `v1` driver side has been up once
 */
unsigned virtio_msg_ring_capacity(const VirtIOMSGRing *ring);

/**
 * virtio_msg_ring_is_up: whether messages flow
 * @ring: an initialized ring
 *
 * Always true for `spsc`, which cannot tell.
 */
bool virtio_msg_ring_is_up(const VirtIOMSGRing *ring);

/**
 * virtio_msg_ring_advance: look at what the peer has done, and go on
 * @ring: an initialized ring
 * @now_ms: the time, by the same clock as before
 *
 * To be called after a doorbell before the queue is read (L-16), at the time
 * that the last call has said, and whenever put or get say that something is
 * wrong.
 *
 * Returns what has happened, of which DOWN asks for more; see there.
 *
 * L-07; L-15, L-17 to L-19, L-21.
 */
VirtIOMSGRingStep virtio_msg_ring_advance(VirtIOMSGRing *ring, int64_t now_ms);

/**
 * virtio_msg_ring_cleaned: go on after VIRTIO_MSG_RING_EVENT_DOWN
 * @ring: the ring
 * @now_ms: the time, by the same clock as before
 *
 * To be called once every device is reset and nothing waits any longer.
 * Returns the same as virtio_msg_ring_advance().
 *
 * L-18, L-21, L-22.
 */
VirtIOMSGRingStep virtio_msg_ring_cleaned(VirtIOMSGRing *ring, int64_t now_ms);

/**
 * virtio_msg_ring_shut_down: say that we go
 * @ring: an initialized ring
 *
 * To be called when the devices are reset and the last message is sent, or by a
 * crash handler; the doorbell is to be rung then.  The ring stays down until it
 * is initialized anew.  Nothing happens with `spsc`.
 *
 * L-20.
 */
void virtio_msg_ring_shut_down(VirtIOMSGRing *ring);

/**
 * virtio_msg_ring_give_up: say that the peer does not answer
 * @ring: an initialized ring
 *
 * Returns false if the ring is not up, has no states, or if the peer says that
 * it may be stopped in a debugger; then nothing has changed.  Otherwise the
 * doorbell is to be rung, and the caller does as after
 * VIRTIO_MSG_RING_EVENT_DOWN.
 *
 * L-22.
 */
bool virtio_msg_ring_give_up(VirtIOMSGRing *ring);

/**
 * virtio_msg_ring_set_debugged: say whether we may be stopped in a debugger
 * @ring: a ring of the `v1` layout
 * @debugged: whether we may
 *
 * L-22, L-23.
 */
void virtio_msg_ring_set_debugged(VirtIOMSGRing *ring, bool debugged);

/**
 * virtio_msg_ring_peer_debugged: whether the peer may be stopped in a debugger
 * @ring: an initialized ring
 *
 * L-22.
 */
bool virtio_msg_ring_peer_debugged(const VirtIOMSGRing *ring);

/**
 * virtio_msg_ring_waits_for: what it takes for messages to flow
 * @ring: an initialized ring
 *
 * Returns a static string that goes on behind "waiting for", or NULL if
 * messages flow or will never.
 */
const char *virtio_msg_ring_waits_for(const VirtIOMSGRing *ring);

/**
 * virtio_msg_ring_fault: what is wrong with the layout
 * @ring: a ring of the `v1` layout
 *
 * Returns VIRTIO_MSG_V1_FINE if it has not been refused.
 *
 * L-09.
 */
VirtIOMSGV1Fault virtio_msg_ring_fault(const VirtIOMSGRing *ring);

/**
 * virtio_msg_ring_cause_text: what has happened, for the user
 * @cause: what virtio_msg_ring_advance() has given
 *
 * Returns a static string, a sentence without its full stop.
 */
const char *virtio_msg_ring_cause_text(VirtIOMSGRingCause cause);

/**
 * virtio_msg_ring_num_notif: how many notification words each side has
 * @ring: an initialized ring
 *
 * Returns 0 where all notifications go as messages (L-24, L-27).
 */
unsigned virtio_msg_ring_num_notif(const VirtIOMSGRing *ring);

/**
 * virtio_msg_ring_raise_messages: say that the queue of messages has news
 * @ring: a ring that is up
 *
 * To be called after a batch of messages was put, instead of ringing always.
 * Returns true if the doorbell is to be rung, as it is without notification
 * words.
 *
 * L-25.
 */
bool virtio_msg_ring_raise_messages(VirtIOMSGRing *ring);

/**
 * virtio_msg_ring_raise_queue: say that a virtqueue has news
 * @ring: an initialized ring
 * @dev: the device's number
 * @queue: which of its virtqueues
 *
 * What is new has to be in memory already.
 *
 * L-25, L-27.
 */
VirtIOMSGRingRaised virtio_msg_ring_raise_queue(VirtIOMSGRing *ring,
                                                uint16_t dev, uint16_t queue);

/**
 * virtio_msg_ring_take: acknowledge all that the peer has raised
 * @ring: an initialized ring
 * @pending: receives what that was, for virtio_msg_ring_next_pending(); has to
 *           be acted on
 *
 * To be called after a doorbell, before the queue is read.  Without
 * notification words @pending has the queue of messages alone.  Bits that we
 * have masked stay pending.
 *
 * L-26.
 */
void virtio_msg_ring_take(VirtIOMSGRing *ring, VirtIOMSGRingPending *pending);

/**
 * virtio_msg_ring_next_pending: go through what has been raised
 * @ring: the ring that it was taken from
 * @pending: what was taken
 * @meaning: receives what is to be looked at: of any kind but UNUSED and
 *           CASCADE
 *
 * Returns false if that was all.
 */
bool virtio_msg_ring_next_pending(const VirtIOMSGRing *ring,
                                  VirtIOMSGRingPending *pending,
                                  VirtIOMSGNotifyMeaning *meaning);

/**
 * virtio_msg_ring_set_mask: say whether we want to be rung for a bit
 * @ring: an initialized ring
 * @word: which word, below virtio_msg_ring_num_notif()
 * @bit: which bit of it, 0 to 63
 * @masked: true for no
 *
 * Returns true if the bit is no longer masked and is pending: the peer will not
 * ring for it, so that the caller has to take it.  Returns false where the
 * layout has no masks.
 *
 * L-25, L-26.
 */
bool virtio_msg_ring_set_mask(VirtIOMSGRing *ring, unsigned word, unsigned bit,
                              bool masked);

#endif /* HW_VIRTIO_MSG_RING_H */
