/*
 * The far end of a virtio-msg link over the AMP card, for tests
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef TESTS_VIRTIO_MSG_CARD_H
#define TESTS_VIRTIO_MSG_CARD_H

#include "libqtest.h"
#include "virtio-msg-link.h"

/*
 * An arm64 machine with the card in it, whose driver the test is.  The card's
 * memory is read and written by qtest, the machine's own is shared with it.
 */

#define VMSG_CARD_MAX_FIFOS     8

typedef struct VMsgCard {
    QTestState *qts;
    uint64_t config;        /* where its configuration space is */
    uint64_t regs;          /* BAR 0 */
    uint64_t mem;           /* BAR 1 */
    unsigned num_fifos;
    VMsgLink *links[VMSG_CARD_MAX_FIFOS];   /* by FIFO; one memory for all */
} VMsgCard;

/**
 * vmsg_card_available: whether this QEMU has what a test of the card needs
 *
 * Returns false, and has the test skipped with the reason, if not.
 */
bool vmsg_card_available(void);

/**
 * vmsg_card_start: start QEMU with a card, and bring that up
 * @card: to be filled in
 * @num_fifos: FIFOs of the card
 * @props: properties of the card, called amp0, besides that; starting with a
 *         comma, or ""
 * @more: further QEMU options
 */
void vmsg_card_start(VMsgCard *card, unsigned num_fifos, const char *props,
                     const char *more);

/**
 * vmsg_card_start_incoming: start QEMU with a card that another one becomes
 * @card: to be filled in
 * @num_fifos: as for vmsg_card_start(), and so are
 * @props: these
 * @more: and those, which say where it comes from
 */
void vmsg_card_start_incoming(VMsgCard *card, unsigned num_fifos,
                              const char *props, const char *more);

/**
 * vmsg_card_follow: have a driver be in the machine that has moved
 * @from: the card as it was
 * @to: the card as it is
 * @fifo: number of the link
 *
 * The link becomes that of @to, and with it whatever knows it.
 */
void vmsg_card_follow(VMsgCard *from, VMsgCard *to, unsigned fifo);

/**
 * vmsg_card_enable: give the function its addresses, memory and interrupts
 * @card: what vmsg_card_start() filled in; the function has been reset, or the
 *        machine
 */
void vmsg_card_enable(VMsgCard *card);

/**
 * vmsg_card_capability: find a PCI capability
 * @card: a card
 * @id: its id
 *
 * Returns where it is in the configuration space, or 0.
 */
uint8_t vmsg_card_capability(VMsgCard *card, uint8_t id);

/**
 * vmsg_card_stop: end QEMU, which has to go without complaint
 * @card: what vmsg_card_start() filled in
 */
void vmsg_card_stop(VMsgCard *card);

#endif /* TESTS_VIRTIO_MSG_CARD_H */
