/*
 * A QEMU with the virtio-msg machine, and the far end of its link
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef TESTS_VIRTIO_MSG_FIXTURE_H
#define TESTS_VIRTIO_MSG_FIXTURE_H

#include "libqtest.h"
#include "virtio-msg-driver.h"

#define VMSG_SHM_SIZE   (4 * 1024 * 1024)
#define VMSG_RAM_SIZE   (16 * 1024 * 1024)

/* What tests take of a virtio-rng's queue; it could be larger */
#define VMSG_RNG_QUEUE_SIZE 8

typedef struct VMsgTest {
    QTestState *qts;
    VMsgLink *link;     /* of the device link0 */
} VMsgTest;

/**
 * vmsg_test_start: start QEMU with one link, link0
 * @t: to be filled in
 * @props: properties of the link besides those it needs, starting with a
 *         comma, or ""
 * @fmt: further QEMU options
 */
void vmsg_test_start(VMsgTest *t, const char *props, const char *fmt, ...)
    G_GNUC_PRINTF(3, 4);

/**
 * vmsg_test_start_link: start QEMU with a link that is already there
 * @t: to be filled in
 * @link: the link, which has been served; taken over
 * @props: as for vmsg_test_start()
 * @more: further QEMU options
 */
void vmsg_test_start_link(VMsgTest *t, VMsgLink *link, const char *props,
                          const char *more);

/**
 * vmsg_test_stop: end QEMU, which has to go without complaint, and the link
 * @t: what vmsg_test_start() filled in
 */
void vmsg_test_stop(VMsgTest *t);

/* An ivshmem server at which a QEMU calls again whenever it is hung up on */
typedef struct VMsgServer {
    VMsgLink *link;         /* its other connection is the driver side */
    int listening;
    char *dir;
    char *path;
} VMsgServer;

/**
 * vmsg_server_start: start QEMU with a link whose server can go and come
 * @s: to be initialized
 * @t: to be filled in; its link belongs to it, as with vmsg_test_start()
 * @more: further QEMU options
 *
 * The link is called link0 and is up, all its options but wire= are defaults.
 */
void vmsg_server_start(VMsgServer *s, VMsgTest *t, const char *more);

/**
 * vmsg_server_next: hang up, and take the call that follows
 * @s: the server
 * @link: the link to be served from now on, maybe the same; may be NULL to
 *        end the service.  It has been told nothing yet.
 */
void vmsg_server_next(VMsgServer *s, VMsgLink *link);

/**
 * vmsg_server_stop: take no more calls
 * @s: the server
 */
void vmsg_server_stop(VMsgServer *s);

/**
 * vmsg_counter: read a counter of the link
 * @t: the test
 * @group: the group that it is in, or NULL
 * @name: its name in VirtioMsgCounters, or in the group
 */
uint64_t vmsg_counter(VMsgTest *t, const char *group, const char *name);

/**
 * vmsg_stat: read a counter of the link that is in no group
 * @t: the test
 * @name: its name in VirtioMsgCounters
 */
uint64_t vmsg_stat(VMsgTest *t, const char *name);

/**
 * vmsg_drops: messages that the transport dropped, once it has seen them all
 * @t: the test
 * @reason: malformed, unknown, no-device or ignored
 */
uint64_t vmsg_drops(VMsgTest *t, const char *reason);

/**
 * vmsg_settle: let the main loop of QEMU turn over
 * @t: the test
 *
 * On return QEMU has handled whatever single event came before the call, on
 * whatever descriptor.
 */
void vmsg_settle(VMsgTest *t);

/*
 * What QEMU says on its standard error
 */
typedef struct VMsgLog {
    int fd;
    int own;    /* our standard error, while QEMU is to inherit the log */
} VMsgLog;

/**
 * vmsg_log_begin: have QEMU log to a file
 * @log: to be filled in
 *
 * Each QEMU that is started before vmsg_log_started() does so.
 */
void vmsg_log_begin(VMsgLog *log);

/**
 * vmsg_log_started: take our standard error back
 * @log: what vmsg_log_begin() filled in
 */
void vmsg_log_started(VMsgLog *log);

/**
 * vmsg_log_count: count lines
 * @log: what vmsg_log_begin() filled in
 * @what: a text that they have, empty for all
 */
unsigned vmsg_log_count(const VMsgLog *log, const char *what);

/**
 * vmsg_log_end: forget what was logged
 * @log: what vmsg_log_begin() filled in
 */
void vmsg_log_end(VMsgLog *log);

/**
 * vmsg_link_is_up: what a link of the test shows of its state
 * @t: the test
 * @link: id of the link
 */
bool vmsg_link_is_up(VMsgTest *t, const char *link);

/**
 * vmsg_wait_link: wait until a link is up, or down
 * @t: the test
 * @link: id of the link
 * @up: which of the two
 */
void vmsg_wait_link(VMsgTest *t, const char *link, bool up);

/**
 * vmsg_rng_up: bring a virtio-rng to DRIVER_OK with its queue
 * @link: the link
 * @dev: device number
 * @features: those to take besides the ones that every device needs
 * @q: to be initialized: the queue
 */
void vmsg_rng_up(VMsgLink *link, uint16_t dev, uint64_t features,
                 VMsgQueue *q);

/**
 * vmsg_rng_read: ask for random bytes, and find that they came
 * @q: the queue of a virtio-rng
 */
void vmsg_rng_read(VMsgQueue *q);

/**
 * vmsg_disk: make an empty disk, to be opened by the device process
 * @size: bytes
 *
 * Returns a file descriptor.
 */
int vmsg_disk(size_t size);

#endif /* TESTS_VIRTIO_MSG_FIXTURE_H */
