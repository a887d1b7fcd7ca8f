/*
 * A driver side that means harm, and what it must not reach
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef TESTS_VIRTIO_MSG_HOSTILE_H
#define TESTS_VIRTIO_MSG_HOSTILE_H

#include "virtio-msg-fixture.h"

/*
 * One process with two links.  link0 is the attacker's and has one device of
 * each kind; link1 is somebody else's and has a virtio-rng, which has to
 * answer whatever happens on link0.
 */

typedef struct Hostile {
    VMsgTest t;             /* t.link is the attacker's */
    VMsgLink *other;
    VMsgQueue rng;          /* on @other, running */
    uint64_t buffer;        /* for it */
    GArray *took;           /* double: microseconds of its round trips */
    size_t ram_used;        /* of the attacker's memory, at the start */
    bool packed;            /* the attacker's devices offer packed rings */
} Hostile;

/* A device on link0, and one of its queues with a request that is right */
typedef struct HostileTarget {
    const char *name;
    uint16_t dev;           /* device number */
    uint32_t queue;
    uint16_t size;          /* entries that a driver sets up */
    uint64_t features;      /* besides those that every device needs */
    /* Returns how many of @bufs, at most HOSTILE_MAX_BUFS, it filled in */
    unsigned (*request)(VMsgLink *link, VMsgBuffer *bufs);
} HostileTarget;

#define HOSTILE_MAX_BUFS    3

/* After so many microseconds nothing comes any more */
#define HOSTILE_PATIENCE \
    (VMSG_DEADLINE_MS * (gint64)G_TIME_SPAN_MILLISECOND)

/* Places in hostile_targets[] */
enum {
    HOSTILE_RNG,
    HOSTILE_BLK,
    HOSTILE_NET,
    HOSTILE_NET_CTRL,
    HOSTILE_SERIAL,
    HOSTILE_SCSI,
    HOSTILE_SCSI_CTRL,
};

extern const HostileTarget hostile_targets[];
extern const size_t hostile_num_targets;

/**
 * hostile_start: start the process with both links
 * @h: to be filled in
 * @packed: have the attacker's devices offer packed rings
 */
void hostile_start(Hostile *h, bool packed);

/**
 * hostile_start_link: the same, with an attacker's link that is there already
 * @h: to be filled in
 * @link: the link, to be taken over; the server has said nothing yet
 * @packed: have the attacker's devices offer packed rings
 */
void hostile_start_link(Hostile *h, VMsgLink *link, bool packed);

/**
 * hostile_stop: end it, which has to go without complaint
 * @h: what hostile_start() filled in
 */
void hostile_stop(Hostile *h);

/**
 * hostile_other_answers: one round trip of the other link's device, timed
 * @h: the process
 *
 * Ends the program if it does not come back within VMSG_DEADLINE_MS.
 */
void hostile_other_answers(Hostile *h);

/**
 * hostile_report: print how the other link fared since the last report
 * @h: the process
 * @during: what happened meanwhile
 */
void hostile_report(Hostile *h, const char *during);

/**
 * hostile_all_answer: find process and both links alive
 * @h: the process
 */
void hostile_all_answer(Hostile *h);

/**
 * hostile_make_peace: bring the attacker's link in order again
 * @h: the process; nobody writes into the link's memory any more
 *
 * Afterwards both queues are empty and both sides agree on the indices.
 */
void hostile_make_peace(Hostile *h);

/**
 * hostile_forget_memory: take back what the attacker allocated
 * @h: the process; no device of the attacker's uses the memory any more
 */
void hostile_forget_memory(Hostile *h);

/**
 * hostile_up: reset a target and bring it to DRIVER_OK
 * @h: the process
 * @target: the target
 * @features: further ones to negotiate
 * @q: to be initialized: its queue
 */
void hostile_up(Hostile *h, const HostileTarget *target, uint64_t features,
                VMsgQueue *q);

/**
 * hostile_target_works: reset a target and have it answer a right request
 * @h: the process
 * @target: the target
 */
void hostile_target_works(Hostile *h, const HostileTarget *target);

/**
 * hostile_memory: memory of the device process
 * @h: the process
 * @what: a key of /proc/PID/status: VmRSS, VmData, ...
 *
 * Returns KiB.
 */
uint64_t hostile_memory(Hostile *h, const char *what);

/**
 * hostile_seconds: how long an attack lasts
 *
 * Returns 1, or, with -m slow, a time for which machines are left alone.
 */
unsigned hostile_seconds(void);

#endif /* TESTS_VIRTIO_MSG_HOSTILE_H */
