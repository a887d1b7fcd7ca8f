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
 * vmsg_test_stop: end QEMU, which has to go without complaint, and the link
 * @t: what vmsg_test_start() filled in
 */
void vmsg_test_stop(VMsgTest *t);

/**
 * vmsg_qom_get: read a number of an object
 * @qts: the QEMU
 * @path: of the object
 * @property: its name
 */
uint64_t vmsg_qom_get(QTestState *qts, const char *path, const char *property);

/**
 * vmsg_stat: read a statistic of the link
 * @t: the test
 * @property: its name
 */
uint64_t vmsg_stat(VMsgTest *t, const char *property);

/**
 * vmsg_drops: messages that the transport dropped, once it has seen them all
 * @t: the test
 * @reason: malformed, unknown, no-device or ignored
 */
uint64_t vmsg_drops(VMsgTest *t, const char *reason);

/**
 * vmsg_disk: make an empty disk, to be opened by the device process
 * @size: bytes
 *
 * Returns a file descriptor.
 */
int vmsg_disk(size_t size);

#endif /* TESTS_VIRTIO_MSG_FIXTURE_H */
