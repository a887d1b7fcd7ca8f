/*
 * virtio-msg message queues in shared memory: the `v1` layout
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "virtio-msg-ring-internal.h"

/* How often to look at the peer: while coming up, and later (L-15) */
#define LOOK_COMING_UP_MS       100
#define LOOK_UP_MS              1000

/* A peer that stays in RUN for so long looks at nothing (L-19) */
#define PEER_STAYS_MS           3000

/* When to say that it takes long (L-17) */
#define SLOW_MS                 (5 * 60 * 1000)

/* A peer that writes over the layout has us write it so often at most */
#define REWRITE_MS              100

/* From beginning to RUN are three steps; a peer can ask for more at a time */
#define MAX_STEPS               4

/* What our side is about; our state in memory follows from it */
enum {
    /* Driver side: nothing to be seen yet, and nothing written */
    PHASE_NO_LAYOUT,
    PHASE_INIT,
    PHASE_READY,
    PHASE_RUN,
    /* SHUTDOWN or PEER_DEAD, until the caller has cleaned up, and then */
    PHASE_CLEANING,
    PHASE_CLEANING_DEAD,
    PHASE_CLEANED,
    PHASE_DEAD,
    /* SHUTDOWN, and nothing else will come */
    PHASE_OFF,
    /* Driver side: nor will anything here, and nothing was written */
    PHASE_REFUSED,
};

/*
 * Heads and indices
 */

static unsigned v1_num(const VirtIOMSGRingV1 *v)
{
    return v->layout.num_elements;
}

static uint16_t v1_head_load(const VirtIOMSGRingV1Side *side, size_t off)
{
    return ring_load16(side->head + off);
}

static bool v1_has_magic(const VirtIOMSGRingV1Side *side)
{
    return v1_head_load(side, VIRTIO_MSG_V1_HEAD_OFF_MAGIC) ==
           VIRTIO_MSG_V1_HEAD_MAGIC;
}

/* States that mean nothing yet count as SHUTDOWN (L-23) */
static uint16_t v1_peer_state(const VirtIOMSGRingV1 *v)
{
    uint16_t state = v1_head_load(&v->peer, VIRTIO_MSG_V1_HEAD_OFF_STATUS) &
                     VIRTIO_MSG_V1_STATE_MASK;

    return state > VIRTIO_MSG_V1_STATE_PEER_DEAD ? VIRTIO_MSG_V1_STATE_SHUTDOWN
                                                 : state;
}

static bool v1_has_layout(const VirtIOMSGRingV1 *v)
{
    return ring_load16(v->mem + VIRTIO_MSG_V1_OFF_MAGIC) ==
           VIRTIO_MSG_V1_MAGIC;
}

static void v1_store_status(VirtIOMSGRing *ring, uint16_t state)
{
    VirtIOMSGRingV1 *v = &ring->v1;

    v->state = state;
    /* Whoever sees the state sees what led to it */
    ring_wmb(ring);
    ring_store16(v->own.head + VIRTIO_MSG_V1_HEAD_OFF_STATUS,
                 state | v->flags);
}

static void v1_store_indices(VirtIOMSGRingV1 *v, uint16_t tail, uint16_t head)
{
    v->tail = tail;
    v->head = head;
    ring_store16(v->own.head + VIRTIO_MSG_V1_HEAD_OFF_TAIL, tail);
    ring_store16(v->own.head + VIRTIO_MSG_V1_HEAD_OFF_HEAD, head);
}

static uint8_t *v1_element(const VirtIOMSGRingV1 *v,
                           const VirtIOMSGRingV1Side *side, unsigned index)
{
    return side->elements + (size_t)index * v->layout.element_size;
}

/*
 * Notification areas: tx, rx and, if there are masks, those
 */

static uint8_t *v1_notif_word(const VirtIOMSGRingV1 *v,
                              const VirtIOMSGRingV1Side *side,
                              unsigned array, unsigned word)
{
    return side->notif +
           (array * v->layout.notif.words + word) * sizeof(uint64_t);
}

#define NOTIF_TX    0
#define NOTIF_RX    1
#define NOTIF_MASK  2

/* In halves where the host has no wider access: each bit is for itself */
static uint64_t v1_notif_load(const VirtIOMSGRingV1 *v, unsigned array,
                              unsigned word)
{
    uint64_t val;

    ring_read(&val, v1_notif_word(v, &v->peer, array, word), sizeof(val));
    return GUINT64_FROM_LE(val);
}

static void v1_notif_store(VirtIOMSGRing *ring, unsigned array, unsigned word,
                           uint64_t val)
{
    VirtIOMSGRingV1 *v = &ring->v1;

    val = GUINT64_TO_LE(val);
    ring_write(v1_notif_word(v, &v->own, array, word), &val, sizeof(val));
}

/* Nothing is pending, either way */
static void v1_notif_reset(VirtIOMSGRing *ring)
{
    VirtIOMSGRingV1 *v = &ring->v1;
    bool masks = v->layout.features & VIRTIO_MSG_V1_F_MASKS;
    unsigned i;

    for (i = 0; i < v->layout.notif.words; i++) {
        v->tx[i] = v->adopted ? v1_notif_load(v, NOTIF_RX, i) : 0;
        v->rx[i] = v->adopted ? v1_notif_load(v, NOTIF_TX, i) : 0;
        v->mask[i] = 0;
        v1_notif_store(ring, NOTIF_TX, i, v->tx[i]);
        v1_notif_store(ring, NOTIF_RX, i, v->rx[i]);
        if (masks) {
            v1_notif_store(ring, NOTIF_MASK, i, 0);
        }
    }
}

/*
 * Beginning
 */

static VirtIOMSGRingV1Side v1_side(const VirtIOMSGRingV1 *v,
                                   const VirtIOMSGV1Areas *areas)
{
    return (VirtIOMSGRingV1Side) {
        .head = v->mem + areas->head,
        .elements = v->mem + areas->elements,
        .notif = v->layout.notif.words ? v->mem + areas->notif : NULL,
    };
}

/* The layout is known and has been checked */
static void v1_set_sides(VirtIOMSGRing *ring)
{
    VirtIOMSGRingV1 *v = &ring->v1;
    VirtIOMSGRingV1Side dev = v1_side(v, &v->layout.dev);
    VirtIOMSGRingV1Side drv = v1_side(v, &v->layout.drv);
    bool device = v->role == VIRTIO_MSG_RING_DEVICE_SIDE;

    v->own = device ? dev : drv;
    v->peer = device ? drv : dev;
    ring->max_msg_size = MIN(v->layout.element_size,
                             VIRTIO_MSG_V1_MAX_MSG_SIZE);
}

/* INIT, then our magic (L-14) */
static void v1_begin(VirtIOMSGRing *ring)
{
    VirtIOMSGRingV1 *v = &ring->v1;

    v->phase = PHASE_INIT;
    v->run_ms = -1;
    v1_store_status(ring, VIRTIO_MSG_V1_STATE_INIT);
    ring_wmb(ring);
    ring_store16(v->own.head + VIRTIO_MSG_V1_HEAD_OFF_MAGIC,
                 VIRTIO_MSG_V1_HEAD_MAGIC);
}

static void v1_clear_side(const VirtIOMSGRingV1 *v,
                          const VirtIOMSGRingV1Side *side)
{
    ring_zero(side->head, VIRTIO_MSG_V1_HEAD_SIZE);
    if (side->notif) {
        ring_zero(side->notif, virtio_msg_v1_notif_size(&v->layout));
    }
    ring_zero(side->elements, virtio_msg_v1_elements_size(&v->layout));
}

/*
 * Device side.  All is cleared before the magic says that there is a layout: a
 * driver that finds an old state beyond RUN in our head gives up for good.
 */
static void v1_publish(VirtIOMSGRing *ring, int64_t now_ms)
{
    VirtIOMSGRingV1 *v = &ring->v1;
    uint8_t bytes[VIRTIO_MSG_V1_LENGTH];

    virtio_msg_v1_encode(&v->layout, bytes);
    ring_store16(v->mem + VIRTIO_MSG_V1_OFF_MAGIC, 0);
    /* That is a release, which keeps back nothing that is behind it */
    __atomic_thread_fence(__ATOMIC_RELEASE);
    ring_wmb(ring);
    v1_clear_side(v, &v->own);
    v1_clear_side(v, &v->peer);
    ring_write(v->mem + sizeof(uint16_t), bytes + sizeof(uint16_t),
               sizeof(bytes) - sizeof(uint16_t));
    ring_wmb(ring);
    ring_store16(v->mem + VIRTIO_MSG_V1_OFF_MAGIC, VIRTIO_MSG_V1_MAGIC);
    ring_wmb(ring);
    v->written_ms = now_ms;
    v1_begin(ring);
}

/* Device side: whether all stands there that we would write, and a driver */
static bool v1_can_resume(const VirtIOMSGRingV1 *v)
{
    uint8_t want[VIRTIO_MSG_V1_LENGTH];
    uint8_t have[VIRTIO_MSG_V1_LENGTH];

    virtio_msg_v1_encode(&v->layout, want);
    ring_read(have, v->mem, sizeof(have));
    return !memcmp(want, have, sizeof(want)) && v1_has_magic(&v->peer) &&
           v1_peer_state(v) == VIRTIO_MSG_V1_STATE_RUN;
}

/* Driver side: read the layout, once (L-10), and begin if it is any good */
static bool v1_attach(VirtIOMSGRing *ring)
{
    VirtIOMSGRingV1 *v = &ring->v1;
    uint8_t bytes[VIRTIO_MSG_V1_LENGTH] = { 0 };
    VirtIOMSGV1Layout layout;

    ring_rmb(ring);
    ring_read(bytes + sizeof(uint16_t), v->mem + sizeof(uint16_t),
              sizeof(bytes) - sizeof(uint16_t));
    virtio_msg_v1_decode(&layout, bytes);
    v->fault = virtio_msg_v1_check(&layout, v->size);
    if (v->fault != VIRTIO_MSG_V1_FINE) {
        v->phase = PHASE_REFUSED;
        return false;
    }
    v->layout = layout;
    v1_set_sides(ring);
    if (v->own.notif) {
        ring_zero(v->own.notif, virtio_msg_v1_notif_size(&v->layout));
    }
    ring_zero(v->own.elements, virtio_msg_v1_elements_size(&v->layout));
    v1_begin(ring);
    return true;
}

/*
 * States
 */

/* Where the peer's tail and head are now; false if they cannot be there */
static bool v1_peer_indices(const VirtIOMSGRingV1 *v, uint16_t *tail,
                            uint16_t *head)
{
    *tail = v1_head_load(&v->peer, VIRTIO_MSG_V1_HEAD_OFF_TAIL);
    *head = v1_head_load(&v->peer, VIRTIO_MSG_V1_HEAD_OFF_HEAD);
    return *tail < v1_num(v) && *head < v1_num(v);
}

/* Whether the peer's head is from where it was to our tail */
static bool v1_in_window(const VirtIOMSGRingV1 *v, uint16_t head)
{
    return ring_distance(v->peer_head, head, v1_num(v)) <=
           ring_distance(v->peer_head, v->tail, v1_num(v));
}

/*
 * Up: whether all is as it has to be, and otherwise what is not.  That the peer
 * has started again shows in any of several things, as it may be quick (L-18).
 */
static VirtIOMSGRingCause v1_look(VirtIOMSGRingV1 *v)
{
    uint16_t state, tail, head;

    if (!v1_has_layout(v)) {
        return VIRTIO_MSG_RING_CAUSE_LAYOUT_GONE;
    }
    if (!v1_has_magic(&v->own)) {
        return VIRTIO_MSG_RING_CAUSE_OWN_MAGIC;
    }
    if (v1_head_load(&v->own, VIRTIO_MSG_V1_HEAD_OFF_TAIL) != v->tail ||
        v1_head_load(&v->own, VIRTIO_MSG_V1_HEAD_OFF_HEAD) != v->head) {
        return VIRTIO_MSG_RING_CAUSE_OWN_INDEX;
    }
    if (!v1_has_magic(&v->peer)) {
        return VIRTIO_MSG_RING_CAUSE_PEER_MAGIC;
    }
    state = v1_peer_state(v);
    switch (state) {
    case VIRTIO_MSG_V1_STATE_SHUTDOWN:
        return VIRTIO_MSG_RING_CAUSE_PEER_SHUTDOWN;
    case VIRTIO_MSG_V1_STATE_PEER_DEAD:
        return VIRTIO_MSG_RING_CAUSE_PEER_GAVE_UP;
    default:
        if (state < v->peer_state) {
            return VIRTIO_MSG_RING_CAUSE_PEER_STATE;
        }
        break;
    }
    if (!v1_peer_indices(v, &tail, &head) || !v1_in_window(v, head)) {
        return VIRTIO_MSG_RING_CAUSE_PEER_INDEX;
    }
    v->peer_state = state;
    v->peer_head = head;
    return VIRTIO_MSG_RING_CAUSE_NONE;
}

/* Not up: whether what we stand on is as we left it */
static VirtIOMSGRingCause v1_look_around(const VirtIOMSGRingV1 *v)
{
    if (!v1_has_layout(v)) {
        return VIRTIO_MSG_RING_CAUSE_LAYOUT_GONE;
    }
    if (!v1_has_magic(&v->own)) {
        return VIRTIO_MSG_RING_CAUSE_OWN_MAGIC;
    }
    return VIRTIO_MSG_RING_CAUSE_NONE;
}

static void v1_ready(VirtIOMSGRing *ring, VirtIOMSGRingStep *step)
{
    VirtIOMSGRingV1 *v = &ring->v1;

    v1_notif_reset(ring);
    v1_store_status(ring, VIRTIO_MSG_V1_STATE_READY);
    v->phase = PHASE_READY;
    step->ring = true;
}

/*
 * INIT: whether we have become READY.  A peer that is in RUN has not noticed us
 * yet.  One that still has not after a while never will, and goes on with its
 * indices; so do we then (L-19).
 */
static bool v1_step_init(VirtIOMSGRing *ring, int64_t now_ms,
                         VirtIOMSGRingStep *step)
{
    VirtIOMSGRingV1 *v = &ring->v1;
    bool there = v1_has_magic(&v->peer);
    uint16_t state = v1_peer_state(v);
    uint16_t tail, head;

    if (!there || state != VIRTIO_MSG_V1_STATE_RUN) {
        v->run_ms = -1;
    } else if (v->run_ms < 0) {
        v->run_ms = now_ms;
    }
    if (!there) {
        return false;
    }

    switch (state) {
    case VIRTIO_MSG_V1_STATE_INIT:
    case VIRTIO_MSG_V1_STATE_READY:
        v->adopted = false;
        v1_store_indices(v, 0, 0);
        break;
    case VIRTIO_MSG_V1_STATE_RUN:
        if (now_ms - v->run_ms < PEER_STAYS_MS ||
            !v1_peer_indices(v, &tail, &head)) {
            return false;
        }
        v->adopted = true;
        v1_store_indices(v, head, tail);
        break;
    default:
        return false;
    }
    v1_ready(ring, step);
    return true;
}

static bool v1_step_ready(VirtIOMSGRing *ring, VirtIOMSGRingStep *step)
{
    VirtIOMSGRingV1 *v = &ring->v1;
    uint16_t state = v1_peer_state(v);

    if (!v1_has_magic(&v->peer)) {
        return false;
    }
    if (v->adopted && state != VIRTIO_MSG_V1_STATE_RUN) {
        /* It noticed after all: its indices are no longer what we took */
        v1_begin(ring);
        step->ring = true;
        return false;
    }
    if (state != VIRTIO_MSG_V1_STATE_READY &&
        state != VIRTIO_MSG_V1_STATE_RUN) {
        return false;
    }
    v->peer_state = state;
    v->peer_head = v->tail;
    v->phase = PHASE_RUN;
    v1_store_status(ring, VIRTIO_MSG_V1_STATE_RUN);
    step->ring = true;
    step->event = VIRTIO_MSG_RING_EVENT_UP;
    return true;
}

/* Begin from where we stand, or from the very start if that is gone */
static void v1_begin_again(VirtIOMSGRing *ring, int64_t now_ms,
                           VirtIOMSGRingStep *step)
{
    VirtIOMSGRingV1 *v = &ring->v1;
    VirtIOMSGRingCause cause = v1_look_around(v);

    if (cause == VIRTIO_MSG_RING_CAUSE_NONE) {
        v1_begin(ring);
        step->ring = true;
    } else if (v->role == VIRTIO_MSG_RING_DRIVER_SIDE) {
        v->own = v->peer = (VirtIOMSGRingV1Side) { .head = NULL };
        v->phase = PHASE_NO_LAYOUT;
    } else if (now_ms - v->written_ms >= REWRITE_MS) {
        v1_publish(ring, now_ms);
        step->ring = true;
        step->event = VIRTIO_MSG_RING_EVENT_REWRITTEN;
        step->cause = cause;
    }
}

static void v1_go_down(VirtIOMSGRing *ring, VirtIOMSGRingCause cause,
                       VirtIOMSGRingStep *step)
{
    v1_store_status(ring, VIRTIO_MSG_V1_STATE_SHUTDOWN);
    ring->v1.phase = PHASE_CLEANING;
    step->ring = true;
    step->event = VIRTIO_MSG_RING_EVENT_DOWN;
    step->cause = cause;
}

/* Returns whether to look again at once, as there is another state now */
static bool v1_step(VirtIOMSGRing *ring, int64_t now_ms,
                    VirtIOMSGRingStep *step)
{
    VirtIOMSGRingV1 *v = &ring->v1;
    VirtIOMSGRingCause cause;
    uint16_t state;

    switch (v->phase) {
    case PHASE_NO_LAYOUT:
        if (!v1_has_layout(v)) {
            return false;
        }
        if (!v1_attach(ring)) {
            step->event = VIRTIO_MSG_RING_EVENT_REFUSED;
            return false;
        }
        step->ring = true;
        return true;

    case PHASE_INIT:
    case PHASE_READY:
        if (v1_look_around(v) != VIRTIO_MSG_RING_CAUSE_NONE) {
            v1_begin_again(ring, now_ms, step);
            return v->phase == PHASE_NO_LAYOUT;
        }
        return v->phase == PHASE_INIT ? v1_step_init(ring, now_ms, step)
                                      : v1_step_ready(ring, step);

    case PHASE_RUN:
        cause = v1_look(v);
        if (cause != VIRTIO_MSG_RING_CAUSE_NONE) {
            v1_go_down(ring, cause, step);
        }
        return false;

    case PHASE_CLEANED:
        v1_begin_again(ring, now_ms, step);
        return v->phase != PHASE_CLEANED;

    case PHASE_DEAD:
        state = v1_peer_state(v);
        if (v1_look_around(v) == VIRTIO_MSG_RING_CAUSE_NONE &&
            (!v1_has_magic(&v->peer) ||
             (state != VIRTIO_MSG_V1_STATE_INIT &&
              state != VIRTIO_MSG_V1_STATE_READY))) {
            return false;
        }
        v1_begin_again(ring, now_ms, step);
        return v->phase != PHASE_DEAD;

    default:
        return false;
    }
}

static const char *v1_waits_for(const VirtIOMSGRing *ring)
{
    const VirtIOMSGRingV1 *v = &ring->v1;

    switch (v->phase) {
    case PHASE_NO_LAYOUT:
        return "the device side to write its layout";
    case PHASE_CLEANING:
    case PHASE_CLEANING_DEAD:
        return "the devices to be reset";
    case PHASE_DEAD:
        return "the peer to start again";
    case PHASE_INIT:
    case PHASE_READY:
    case PHASE_CLEANED:
        break;
    default:
        return NULL;
    }
    if (!v1_has_magic(&v->peer)) {
        return v->role == VIRTIO_MSG_RING_DEVICE_SIDE
               ? "the driver side to start" : "the device side to start";
    }
    switch (v1_peer_state(v)) {
    case VIRTIO_MSG_V1_STATE_INIT:
        return "the peer to leave the state INIT";
    case VIRTIO_MSG_V1_STATE_RUN:
        return "the peer, in the state RUN, to notice us";
    case VIRTIO_MSG_V1_STATE_SHUTDOWN:
        return "the peer to leave the state SHUTDOWN";
    case VIRTIO_MSG_V1_STATE_PEER_DEAD:
        return "the peer to leave the state PEER_DEAD";
    default:
        return "us to look at the peer";
    }
}

static int64_t v1_next_look(const VirtIOMSGRingV1 *v, int64_t now_ms)
{
    switch (v->phase) {
    case PHASE_RUN:
        return now_ms + LOOK_UP_MS;
    case PHASE_NO_LAYOUT:
    case PHASE_INIT:
    case PHASE_READY:
    case PHASE_CLEANED:
    case PHASE_DEAD:
        return now_ms + LOOK_COMING_UP_MS;
    default:
        return -1;
    }
}

static VirtIOMSGRingStep v1_advance(VirtIOMSGRing *ring, int64_t now_ms)
{
    VirtIOMSGRingV1 *v = &ring->v1;
    VirtIOMSGRingStep step = { .event = VIRTIO_MSG_RING_EVENT_NONE };
    unsigned i;

    for (i = 0; i < MAX_STEPS && step.event == VIRTIO_MSG_RING_EVENT_NONE &&
                v1_step(ring, now_ms, &step); i++) {
        /* There is more to be seen from there */
    }

    step.next_ms = v1_next_look(v, now_ms);
    if (v->phase == PHASE_RUN) {
        v->begun_ms = -1;
        v->said_slow = false;
    } else if (v->begun_ms < 0) {
        v->begun_ms = now_ms;
    } else if (step.event == VIRTIO_MSG_RING_EVENT_NONE && !v->said_slow &&
               step.next_ms >= 0 && now_ms - v->begun_ms >= SLOW_MS) {
        v->said_slow = true;
        step.event = VIRTIO_MSG_RING_EVENT_SLOW;
    }
    return step;
}

static void v1_cleaned(VirtIOMSGRing *ring)
{
    VirtIOMSGRingV1 *v = &ring->v1;

    if (v->phase == PHASE_CLEANING) {
        v->phase = PHASE_CLEANED;
    } else if (v->phase == PHASE_CLEANING_DEAD) {
        v->phase = PHASE_DEAD;
    }
}

static void v1_shut_down(VirtIOMSGRing *ring)
{
    VirtIOMSGRingV1 *v = &ring->v1;

    if (v->own.head) {
        v1_store_status(ring, VIRTIO_MSG_V1_STATE_SHUTDOWN);
    }
    v->phase = PHASE_OFF;
}

static bool v1_peer_debugged(const VirtIOMSGRing *ring)
{
    const VirtIOMSGRingV1 *v = &ring->v1;

    return v->peer.head &&
           (v1_head_load(&v->peer, VIRTIO_MSG_V1_HEAD_OFF_STATUS) &
            VIRTIO_MSG_V1_FLAG_DEBUGGED);
}

static bool v1_give_up(VirtIOMSGRing *ring)
{
    VirtIOMSGRingV1 *v = &ring->v1;

    if (v->phase != PHASE_RUN || v1_peer_debugged(ring)) {
        return false;
    }
    v1_store_status(ring, VIRTIO_MSG_V1_STATE_PEER_DEAD);
    v->phase = PHASE_CLEANING_DEAD;
    return true;
}

void virtio_msg_ring_set_debugged(VirtIOMSGRing *ring, bool debugged)
{
    VirtIOMSGRingV1 *v = &ring->v1;

    v->flags = debugged ? VIRTIO_MSG_V1_FLAG_DEBUGGED : 0;
    if (v->own.head) {
        v1_store_status(ring, v->state);
    }
}

VirtIOMSGV1Fault virtio_msg_ring_fault(const VirtIOMSGRing *ring)
{
    return ring->v1.fault;
}

/*
 * Messages
 */

static unsigned v1_capacity(const VirtIOMSGRing *ring)
{
    return ring->v1.layout.num_elements - 1;
}

static bool v1_valid(const VirtIOMSGRing *ring)
{
    const VirtIOMSGRingV1 *s = &ring->v1;
    uint16_t n = s->layout.num_elements;

    return s->phase >= PHASE_NO_LAYOUT && s->phase <= PHASE_REFUSED &&
           s->tail < n && s->head < n && s->peer_head < n;
}

static bool v1_is_up(const VirtIOMSGRing *ring)
{
    return ring->v1.phase == PHASE_RUN;
}

static VirtIOMSGRingResult v1_put(VirtIOMSGRing *ring, const void *msg,
                                  size_t len)
{
    VirtIOMSGRingV1 *v = &ring->v1;
    uint8_t bytes[VIRTIO_MSG_V1_MAX_MSG_SIZE];
    unsigned next;

    if (!v1_is_up(ring)) {
        return VIRTIO_MSG_RING_NOT_UP;
    }
    /* This also loads the peer's head, and checks it */
    switch (v1_look(v)) {
    case VIRTIO_MSG_RING_CAUSE_NONE:
        break;
    case VIRTIO_MSG_RING_CAUSE_PEER_INDEX:
        return VIRTIO_MSG_RING_BAD_INDEX;
    default:
        return VIRTIO_MSG_RING_RESTARTED;
    }
    next = ring_next(v->tail, v1_num(v));
    if (next == v->peer_head) {
        return VIRTIO_MSG_RING_FULL;
    }

    /*
     * What is behind the longest message was zeroed at the start and stays so:
     * elements may be a thousand times as large.
     */
    memcpy(bytes, msg, len);
    memset(bytes + len, 0, ring->max_msg_size - len);
    ring_rmb(ring);
    ring_write(v1_element(v, &v->own, v->tail), bytes, ring->max_msg_size);
    ring_wmb(ring);

    v->tail = next;
    ring_store16(v->own.head + VIRTIO_MSG_V1_HEAD_OFF_TAIL, next);
    return VIRTIO_MSG_RING_OK;
}

static VirtIOMSGRingResult v1_get(VirtIOMSGRing *ring, void *msg)
{
    VirtIOMSGRingV1 *v = &ring->v1;
    uint16_t tail;

    if (!v1_is_up(ring)) {
        return VIRTIO_MSG_RING_NOT_UP;
    }
    tail = v1_head_load(&v->peer, VIRTIO_MSG_V1_HEAD_OFF_TAIL);
    if (tail >= v1_num(v)) {
        return VIRTIO_MSG_RING_BAD_INDEX;
    }
    if (tail == v->head) {
        return VIRTIO_MSG_RING_EMPTY;
    }

    ring_rmb(ring);
    ring_read(msg, v1_element(v, &v->peer, v->head), ring->max_msg_size);
    ring_rmb(ring);

    v->head = ring_next(v->head, v1_num(v));
    ring_store16(v->own.head + VIRTIO_MSG_V1_HEAD_OFF_HEAD, v->head);
    return VIRTIO_MSG_RING_OK;
}

static void v1_discard(VirtIOMSGRing *ring)
{
    VirtIOMSGRingV1 *v = &ring->v1;
    uint16_t tail;

    if (v1_is_up(ring)) {
        tail = v1_head_load(&v->peer, VIRTIO_MSG_V1_HEAD_OFF_TAIL);
        if (tail < v1_num(v)) {
            v1_store_indices(v, v->tail, tail);
        }
    }
}

static unsigned v1_tx_used(const VirtIOMSGRing *ring)
{
    const VirtIOMSGRingV1 *v = &ring->v1;
    uint16_t head;

    if (!v1_is_up(ring)) {
        return 0;
    }
    head = v1_head_load(&v->peer, VIRTIO_MSG_V1_HEAD_OFF_HEAD);
    if (head >= v1_num(v)) {
        return v1_num(v) - 1;
    }
    return ring_distance(head, v->tail, v1_num(v));
}

static unsigned v1_rx_used(const VirtIOMSGRing *ring)
{
    const VirtIOMSGRingV1 *v = &ring->v1;
    uint16_t tail;

    if (!v1_is_up(ring)) {
        return 0;
    }
    tail = v1_head_load(&v->peer, VIRTIO_MSG_V1_HEAD_OFF_TAIL);
    if (tail >= v1_num(v)) {
        return 0;
    }
    return ring_distance(v->head, tail, v1_num(v));
}

/*
 * Notification words.  A bit is pending while the tx of the side that raises it
 * and the rx of the other one differ.
 */

static VirtIOMSGNotifyShape v1_notif_shape(const VirtIOMSGRing *ring)
{
    return ring->v1.layout.notif;
}

/* The bit of word 0 that says to look at word @word */
static uint64_t v1_cascade(const VirtIOMSGRingV1 *v, unsigned word)
{
    return UINT64_C(1) << (64 - v->layout.notif.words + word);
}

/* Returns whether the bit was not pending already */
static bool v1_flip(VirtIOMSGRing *ring, unsigned word, uint64_t bit)
{
    VirtIOMSGRingV1 *v = &ring->v1;

    if ((v->tx[word] ^ v1_notif_load(v, NOTIF_RX, word)) & bit) {
        return false;
    }
    v->tx[word] ^= bit;
    ring_wmb(ring);
    v1_notif_store(ring, NOTIF_TX, word, v->tx[word]);
    return true;
}

static bool v1_raise(VirtIOMSGRing *ring, unsigned word, unsigned bit)
{
    VirtIOMSGRingV1 *v = &ring->v1;
    uint64_t mask = UINT64_C(1) << bit;

    if (!v1_is_up(ring)) {
        return false;
    }
    /* The peer acknowledges first and looks then, and this is its reverse */
    ring_mb(ring);
    if (!v1_flip(ring, word, mask)) {
        return false;
    }
    ring_mb(ring);
    if (word) {
        v1_flip(ring, 0, v1_cascade(v, word));
        ring_mb(ring);
    }
    return !(v->layout.features & VIRTIO_MSG_V1_F_MASKS) ||
           !(v1_notif_load(v, NOTIF_MASK, word) & mask);
}

static uint64_t v1_acknowledge(VirtIOMSGRing *ring, unsigned word)
{
    VirtIOMSGRingV1 *v = &ring->v1;
    uint64_t bits;

    bits = (v1_notif_load(v, NOTIF_TX, word) ^ v->rx[word]) & ~v->mask[word];
    if (bits) {
        v->rx[word] ^= bits;
        v1_notif_store(ring, NOTIF_RX, word, v->rx[word]);
    }
    /* What the peer does before it raises a bit again, we see from here on */
    ring_mb(ring);
    return bits;
}

static void v1_take(VirtIOMSGRing *ring, VirtIOMSGRingPending *pending)
{
    VirtIOMSGRingV1 *v = &ring->v1;
    unsigned i;

    if (!v1_is_up(ring)) {
        return;
    }
    pending->words[0] = v1_acknowledge(ring, 0);
    for (i = 1; i < v->layout.notif.words; i++) {
        if (pending->words[0] & v1_cascade(v, i)) {
            pending->words[i] = v1_acknowledge(ring, i);
        }
    }
}

static bool v1_set_mask(VirtIOMSGRing *ring, unsigned word, unsigned bit,
                        bool masked)
{
    VirtIOMSGRingV1 *v = &ring->v1;
    uint64_t mask = UINT64_C(1) << bit;

    if (!v1_is_up(ring) || !(v->layout.features & VIRTIO_MSG_V1_F_MASKS) ||
        word >= v->layout.notif.words) {
        return false;
    }
    v->mask[word] = masked ? v->mask[word] | mask : v->mask[word] & ~mask;
    v1_notif_store(ring, NOTIF_MASK, word, v->mask[word]);
    /* The peer raises first and looks at the mask then */
    ring_mb(ring);
    return !masked && ((v1_notif_load(v, NOTIF_TX, word) ^ v->rx[word]) & mask);
}

static const VirtIOMSGRingOps v1_ops = {
    .put = v1_put,
    .get = v1_get,
    .discard = v1_discard,
    .tx_used = v1_tx_used,
    .rx_used = v1_rx_used,
    .capacity = v1_capacity,
    .valid = v1_valid,
    .is_up = v1_is_up,
    .advance = v1_advance,
    .cleaned = v1_cleaned,
    .shut_down = v1_shut_down,
    .give_up = v1_give_up,
    .peer_debugged = v1_peer_debugged,
    .waits_for = v1_waits_for,
    .notif_shape = v1_notif_shape,
    .raise = v1_raise,
    .take = v1_take,
    .set_mask = v1_set_mask,
};

bool virtio_msg_ring_has_v1(const void *mem)
{
    const uint8_t *p = mem;

    return ring_load16(p + VIRTIO_MSG_V1_OFF_MAGIC) == VIRTIO_MSG_V1_MAGIC &&
           ring_load16(p + VIRTIO_MSG_V1_OFF_LENGTH) == VIRTIO_MSG_V1_LENGTH;
}

VirtIOMSGV1Fault virtio_msg_ring_init_v1(VirtIOMSGRing *ring,
                                         VirtIOMSGRingRole role,
                                         void *mem, uint64_t size,
                                         const VirtIOMSGRingV1Start *start,
                                         int64_t now_ms)
{
    VirtIOMSGRingV1 *v = &ring->v1;
    VirtIOMSGV1Fault fault;

    memset(ring, 0, sizeof(*ring));
    ring->ops = &v1_ops;
    ring->barriers = start->barriers;
    v->mem = mem;
    v->size = size;
    v->role = role;
    v->flags = start->debugged ? VIRTIO_MSG_V1_FLAG_DEBUGGED : 0;
    v->begun_ms = now_ms;

    if (role == VIRTIO_MSG_RING_DRIVER_SIDE) {
        v->phase = PHASE_NO_LAYOUT;
        return size < VIRTIO_MSG_V1_LENGTH ? VIRTIO_MSG_V1_NO_ROOM
                                           : VIRTIO_MSG_V1_FINE;
    }

    fault = virtio_msg_v1_place(&v->layout, size, &start->options);
    if (fault != VIRTIO_MSG_V1_FINE) {
        return fault;
    }
    v1_set_sides(ring);
    v->written_ms = now_ms;
    if (start->resume && v1_can_resume(v)) {
        v1_begin(ring);
    } else {
        v1_publish(ring, now_ms);
    }
    return VIRTIO_MSG_V1_FINE;
}
