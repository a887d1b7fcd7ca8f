/*
 * virtio-msg message queues in shared memory
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "hw/virtio/virtio-msg-fifo.h"

/* Slots are moved in units of this, the widest that every host does in one */
typedef unsigned long SlotWord;

#define SLOT_WORDS (VIRTIO_MSG_FIFO_SLOT_SIZE / sizeof(SlotWord))

/*
 * The compiler builtins rather than QEMU's wrappers: this file also builds
 * without the rest of QEMU.
 */
static uint32_t spsc_load(const uint8_t *page, size_t off)
{
    const uint32_t *word = (const uint32_t *)(page + off);

    return GUINT32_FROM_LE(__atomic_load_n(word, __ATOMIC_ACQUIRE));
}

static void spsc_store(uint8_t *page, size_t off, uint32_t val)
{
    uint32_t *word = (uint32_t *)(page + off);

    __atomic_store_n(word, GUINT32_TO_LE(val), __ATOMIC_RELEASE);
}

/* A slot is there, or free, if the index that has been loaded says so */
static void spsc_rmb(const VirtIOMSGFifo *fifo)
{
    if (fifo->barriers) {
        fifo->barriers->rmb();
    }
}

/* A slot is there before the index that will be stored says so */
static void spsc_wmb(const VirtIOMSGFifo *fifo)
{
    if (fifo->barriers) {
        fifo->barriers->wmb();
    }
}

static SlotWord *spsc_slot(uint8_t *page, uint32_t index)
{
    return (SlotWord *)(page + VIRTIO_MSG_SPSC_SLOTS +
                        index * VIRTIO_MSG_FIFO_SLOT_SIZE);
}

/*
 * Word by word and no other way: memory functions, which the compiler would
 * make of a plain loop, may access Device memory unaligned or twice.
 */
static void spsc_write_words(SlotWord *to, const SlotWord *from, size_t n)
{
    size_t i;

    for (i = 0; i < n; i++) {
        __atomic_store_n(&to[i], from[i], __ATOMIC_RELAXED);
    }
}

static void spsc_read_words(SlotWord *to, const SlotWord *from, size_t n)
{
    size_t i;

    for (i = 0; i < n; i++) {
        to[i] = __atomic_load_n(&from[i], __ATOMIC_RELAXED);
    }
}

static uint32_t spsc_next(uint32_t index)
{
    return index + 1 == VIRTIO_MSG_SPSC_NUM_SLOTS ? 0 : index + 1;
}

static unsigned spsc_used(uint32_t head, uint32_t tail)
{
    return head >= tail ? head - tail
                        : head + VIRTIO_MSG_SPSC_NUM_SLOTS - tail;
}

static void spsc_zero(uint8_t *page)
{
    static const SlotWord zeros[VIRTIO_MSG_SPSC_PAGE_SIZE / sizeof(SlotWord)];

    spsc_write_words((SlotWord *)page, zeros, G_N_ELEMENTS(zeros));
}

void virtio_msg_fifo_init_spsc(VirtIOMSGFifo *fifo, void *tx, void *rx,
                               bool reset)
{
    fifo->barriers = NULL;
    fifo->tx = tx;
    fifo->rx = rx;

    if (reset) {
        spsc_zero(tx);
        spsc_zero(rx);
    }

    fifo->tx_head = spsc_load(tx, VIRTIO_MSG_SPSC_HEAD);
    if (fifo->tx_head >= VIRTIO_MSG_SPSC_NUM_SLOTS) {
        fifo->tx_head = 0;
        spsc_store(tx, VIRTIO_MSG_SPSC_HEAD, 0);
    }

    fifo->rx_tail = spsc_load(rx, VIRTIO_MSG_SPSC_TAIL);
    if (fifo->rx_tail >= VIRTIO_MSG_SPSC_NUM_SLOTS) {
        fifo->rx_tail = 0;
        spsc_store(rx, VIRTIO_MSG_SPSC_TAIL, 0);
    }
}

void virtio_msg_fifo_set_barriers(VirtIOMSGFifo *fifo,
                                  const VirtIOMSGFifoBarriers *barriers)
{
    fifo->barriers = barriers;
}

VirtIOMSGFifoResult virtio_msg_fifo_put(VirtIOMSGFifo *fifo,
                                        const void *msg, size_t len)
{
    uint32_t next = spsc_next(fifo->tx_head);
    uint32_t tail = spsc_load(fifo->tx, VIRTIO_MSG_SPSC_TAIL);
    SlotWord words[SLOT_WORDS] = { 0 };

    if (tail >= VIRTIO_MSG_SPSC_NUM_SLOTS) {
        return VIRTIO_MSG_FIFO_BAD_INDEX;
    }
    if (next == tail) {
        return VIRTIO_MSG_FIFO_FULL;
    }

    /* Through a copy: the rest of the slot shall not leak what lies behind */
    memcpy(words, msg, len);
    spsc_rmb(fifo);
    spsc_write_words(spsc_slot(fifo->tx, fifo->tx_head), words, SLOT_WORDS);
    spsc_wmb(fifo);

    fifo->tx_head = next;
    spsc_store(fifo->tx, VIRTIO_MSG_SPSC_HEAD, next);
    return VIRTIO_MSG_FIFO_OK;
}

VirtIOMSGFifoResult virtio_msg_fifo_get(VirtIOMSGFifo *fifo, void *msg)
{
    uint32_t head = spsc_load(fifo->rx, VIRTIO_MSG_SPSC_HEAD);

    if (head >= VIRTIO_MSG_SPSC_NUM_SLOTS) {
        return VIRTIO_MSG_FIFO_BAD_INDEX;
    }
    if (head == fifo->rx_tail) {
        return VIRTIO_MSG_FIFO_EMPTY;
    }

    spsc_rmb(fifo);
    spsc_read_words(msg, spsc_slot(fifo->rx, fifo->rx_tail), SLOT_WORDS);
    spsc_rmb(fifo);

    fifo->rx_tail = spsc_next(fifo->rx_tail);
    spsc_store(fifo->rx, VIRTIO_MSG_SPSC_TAIL, fifo->rx_tail);
    return VIRTIO_MSG_FIFO_OK;
}

void virtio_msg_fifo_discard(VirtIOMSGFifo *fifo)
{
    uint32_t head = spsc_load(fifo->rx, VIRTIO_MSG_SPSC_HEAD);

    if (head < VIRTIO_MSG_SPSC_NUM_SLOTS) {
        fifo->rx_tail = head;
        spsc_store(fifo->rx, VIRTIO_MSG_SPSC_TAIL, head);
    }
}

unsigned virtio_msg_fifo_tx_used(const VirtIOMSGFifo *fifo)
{
    uint32_t tail = spsc_load(fifo->tx, VIRTIO_MSG_SPSC_TAIL);

    if (tail >= VIRTIO_MSG_SPSC_NUM_SLOTS) {
        return VIRTIO_MSG_SPSC_NUM_SLOTS - 1;
    }
    return spsc_used(fifo->tx_head, tail);
}

unsigned virtio_msg_fifo_rx_used(const VirtIOMSGFifo *fifo)
{
    uint32_t head = spsc_load(fifo->rx, VIRTIO_MSG_SPSC_HEAD);

    if (head >= VIRTIO_MSG_SPSC_NUM_SLOTS) {
        return 0;
    }
    return spsc_used(head, fifo->rx_tail);
}
