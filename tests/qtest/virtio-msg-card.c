/*
 * The far end of a virtio-msg link over the AMP card, for tests
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include <linux/pci_regs.h>
#include "qemu/host-utils.h"
#include "virtio-msg-card.h"

/* The machine; its memory begins at VMSG_RAM_BASE */
#define ECAM                0x3f000000
#define PCI_MEM             0x10000000
#define RAM_SIZE            (16 * 1024 * 1024)

/* The card, where we put it */
#define CARD_SLOT           1
#define CARD_REGS           PCI_MEM
#define CARD_MEM            (PCI_MEM + 0x20000)
#define CARD_MSIX           (PCI_MEM + 0x40000)

#define CARD_NOTIFY         0x20
#define CARD_FIFO_SIZE      0x4000
#define CARD_QUEUES         0x1000      /* in a FIFO; the driver's is first */
#define CARD_QUEUES_SIZE    0x2000

/* What an interrupt writes, to the first page of memory */
#define RUNG                0x52494e47

#define LINE                64

typedef struct CardLink {
    VMsgLink link;
    VMsgCard *card;
    unsigned fifo;
    /* The queues as they last were in the card */
    uint8_t shadow[CARD_QUEUES_SIZE];
    uint8_t mirror[CARD_QUEUES_SIZE] QEMU_ALIGNED(8);
} CardLink;

static CardLink *card_link(VMsgLink *link)
{
    return container_of(link, CardLink, link);
}

static uint64_t card_queues(CardLink *c)
{
    return c->card->mem + c->fifo * CARD_FIFO_SIZE + CARD_QUEUES;
}

static void card_pull(VMsgLink *link)
{
    CardLink *c = card_link(link);

    qtest_memread(c->card->qts, card_queues(c), c->shadow, CARD_QUEUES_SIZE);
    memcpy(c->mirror, c->shadow, CARD_QUEUES_SIZE);
}

/* From the end: what is in a slot is there before the index says so */
static void card_push(VMsgLink *link)
{
    CardLink *c = card_link(link);
    int at;

    for (at = CARD_QUEUES_SIZE - LINE; at >= 0; at -= LINE) {
        if (memcmp(c->mirror + at, c->shadow + at, LINE)) {
            qtest_memwrite(c->card->qts, card_queues(c) + at, c->mirror + at,
                           LINE);
            memcpy(c->shadow + at, c->mirror + at, LINE);
        }
    }
}

static void card_ring(VMsgLink *link)
{
    CardLink *c = card_link(link);

    qtest_writel(c->card->qts, c->card->regs + CARD_NOTIFY + 4 * c->fifo, 1);
}

static void card_wait(VMsgLink *link)
{
    CardLink *c = card_link(link);
    uint32_t *rung = (uint32_t *)c->card->links[0]->ram + c->fifo;
    gint64 end = g_get_monotonic_time() +
                 VMSG_DEADLINE_MS * G_TIME_SPAN_MILLISECOND;

    /* Each look is a turn of the card's main loop */
    while (__atomic_exchange_n(rung, 0, __ATOMIC_SEQ_CST) !=
           GUINT32_TO_LE(RUNG)) {
        qtest_readl(c->card->qts, c->card->regs);
        if (g_get_monotonic_time() > end) {
            g_error("the card did not interrupt within %d s",
                    VMSG_DEADLINE_MS / 1000);
        }
    }
}

static const VMsgLinkOps card_ops = {
    .pull = card_pull,
    .push = card_push,
    .ring = card_ring,
    .wait = card_wait,
};

static VMsgLink *card_link_new(VMsgCard *card, unsigned fifo)
{
    VMsgLink *first = fifo ? card->links[0] : NULL;
    CardLink *c = g_new0(CardLink, 1);

    c->card = card;
    c->fifo = fifo;
    c->link.ops = &card_ops;
    c->link.wire = vmsg_default_wire();
    c->link.v1 = vmsg_default_v1();
    c->link.server = -1;
    c->link.client = -1;
    c->link.shm = c->mirror;
    /* There are no ids at the end, so that the layout may go on to there */
    c->link.shm_size = CARD_QUEUES_SIZE + VMSG_IDS;
    c->link.ram_size = RAM_SIZE / VMSG_CARD_MAX_FIFOS;
    if (first) {
        c->link.ram = first->ram + fifo * c->link.ram_size;
    } else {
        c->link.ram_fd = memfd_create("virtio-msg-ram", 0);
        g_assert_cmpint(c->link.ram_fd, >=, 0);
        g_assert_cmpint(ftruncate(c->link.ram_fd, RAM_SIZE), ==, 0);
        c->link.ram = mmap(NULL, RAM_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED,
                           c->link.ram_fd, 0);
        g_assert(c->link.ram != MAP_FAILED);
        /* Where interrupts write */
        c->link.ram_used = 4096;
    }
    c->link.ram_base = VMSG_RAM_BASE + fifo * c->link.ram_size;
    g_queue_init(&c->link.events);
    return &c->link;
}

bool vmsg_card_available(void)
{
    if (strcmp(qtest_get_arch(), "aarch64") ||
        !qtest_has_machine("virt") || !qtest_has_device("virtio-msg-amp-pci")) {
        g_test_skip("this QEMU has no arm64 machine with PCI, or no card");
        return false;
    }
    return true;
}

uint8_t vmsg_card_capability(VMsgCard *card, uint8_t id)
{
    uint8_t at = qtest_readb(card->qts, card->config + PCI_CAPABILITY_LIST);

    while (at && qtest_readb(card->qts, card->config + at) != id) {
        at = qtest_readb(card->qts, card->config + at + PCI_CAP_LIST_NEXT);
    }
    return at;
}

void vmsg_card_enable(VMsgCard *card)
{
    uint8_t msix = vmsg_card_capability(card, PCI_CAP_ID_MSIX);
    unsigned i;

    g_assert_cmpuint(msix, !=, 0);
    qtest_writel(card->qts, card->config + PCI_BASE_ADDRESS_0, CARD_REGS);
    qtest_writel(card->qts, card->config + PCI_BASE_ADDRESS_1, CARD_MEM);
    qtest_writel(card->qts, card->config + PCI_BASE_ADDRESS_2, CARD_MSIX);
    qtest_writew(card->qts, card->config + PCI_COMMAND,
                 PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
    for (i = 0; i < card->num_fifos; i++) {
        uint64_t entry = CARD_MSIX + i * PCI_MSIX_ENTRY_SIZE;

        qtest_writel(card->qts, entry + PCI_MSIX_ENTRY_LOWER_ADDR,
                     VMSG_RAM_BASE + i * sizeof(uint32_t));
        qtest_writel(card->qts, entry + PCI_MSIX_ENTRY_UPPER_ADDR, 0);
        qtest_writel(card->qts, entry + PCI_MSIX_ENTRY_DATA, RUNG);
        qtest_writel(card->qts, entry + PCI_MSIX_ENTRY_VECTOR_CTRL, 0);
    }
    qtest_writew(card->qts, card->config + msix + PCI_MSIX_FLAGS,
                 PCI_MSIX_FLAGS_ENABLE);
    for (i = 0; i < card->num_fifos; i++) {
        card_pull(card->links[i]);
        vmsg_link_reset_ring(card->links[i]);
        card_push(card->links[i]);
    }
}

void vmsg_card_start_incoming(VMsgCard *card, unsigned num_fifos,
                              const char *props, const char *more)
{
    unsigned i;

    *card = (VMsgCard) {
        .config = ECAM + (CARD_SLOT << 15),
        .regs = CARD_REGS,
        .mem = CARD_MEM,
        .num_fifos = num_fifos,
    };
    for (i = 0; i < num_fifos; i++) {
        card->links[i] = card_link_new(card, i);
    }
    card->qts = qtest_initf(
        "-M virt,highmem=off,memory-backend=ram -nodefaults -m %dM "
        "-object memory-backend-file,id=ram,size=%d,share=on,"
        "mem-path=/proc/self/fd/%d "
        "-device virtio-msg-amp-pci,id=amp0,addr=%d,fifos=%u,wire=%s,"
        "layout=%s%s %s",
        RAM_SIZE / 1024 / 1024, RAM_SIZE, card->links[0]->ram_fd, CARD_SLOT,
        num_fifos, vmsg_wire_name(card->links[0]->wire),
        card->links[0]->v1 ? "v1" : "spsc", props, more);
}

void vmsg_card_start(VMsgCard *card, unsigned num_fifos, const char *props,
                     const char *more)
{
    vmsg_card_start_incoming(card, num_fifos, props, more);
    vmsg_card_enable(card);
}

void vmsg_card_follow(VMsgCard *from, VMsgCard *to, unsigned fifo)
{
    VMsgLink *link = from->links[fifo];
    VMsgLink *other = to->links[fifo];
    uint8_t *ram = link->ram;
    int ram_fd = link->ram_fd;

    /* The memory stays with its machine */
    link->ram = other->ram;
    link->ram_fd = other->ram_fd;
    other->ram = ram;
    other->ram_fd = ram_fd;

    to->links[fifo] = link;
    card_link(link)->card = to;
    from->links[fifo] = other;
    card_link(other)->card = from;
    card_pull(link);
}

void vmsg_card_stop(VMsgCard *card)
{
    unsigned i;

    qtest_quit(card->qts);
    munmap(card->links[0]->ram, RAM_SIZE);
    close(card->links[0]->ram_fd);
    for (i = 0; i < card->num_fifos; i++) {
        vmsg_drop_events(card->links[i]);
        g_free(card_link(card->links[i]));
    }
}
