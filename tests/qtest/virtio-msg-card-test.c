/*
 * Tests of the virtio-msg AMP card
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include <linux/pci_regs.h>
#include <linux/virtio_config.h>
#include "qobject/qdict.h"
#include "virtio-msg-card.h"
#include "virtio-msg-fixture.h"

#define RNG(fifo)   "-device virtio-rng-device,bus=amp0." #fifo ".0," \
                    "iommu_platform=on "

#define TEST(name, function) \
    qtest_add_data_func("virtio-msg/card/" name, function, run_if_available)

#define CARD_FIFO   0x4000

static void run_if_available(gconstpointer function)
{
    if (vmsg_card_available()) {
        ((void (*)(void))function)();
    }
}

/* What the rng of a link gives: the whole way, there and back */
static void assert_works(VMsgLink *link, uint16_t dev)
{
    VMsgQueue q;

    vmsg_rng_up(link, dev, 0, &q);
    vmsg_rng_read(&q);
}

static void test_identity(void)
{
    VMsgCard card;
    uint8_t pcie;

    vmsg_card_start(&card, 1, "", "");
    g_assert_cmphex(qtest_readl(card.qts, card.config + PCI_VENDOR_ID), ==,
                    0x903910ee);
    g_assert_cmphex(qtest_readl(card.qts, card.config + PCI_CLASS_REVISION),
                    ==, 0x08800001);
    /* L-30: a FIFO has a vector */
    g_assert_cmpuint(qtest_readw(card.qts, card.config + PCI_MSIX_FLAGS +
                                 vmsg_card_capability(&card,
                                                      PCI_CAP_ID_MSIX)) &
                     PCI_MSIX_FLAGS_QSIZE, ==, 0);
    pcie = vmsg_card_capability(&card, PCI_CAP_ID_EXP);
    g_assert_cmpuint(pcie, !=, 0);
    g_assert_cmphex(qtest_readl(card.qts, card.config + pcie +
                                PCI_EXP_DEVCAP) & PCI_EXP_DEVCAP_FLR, !=, 0);
    vmsg_card_stop(&card);
}

/* L-28 */
static void test_registers(void)
{
    VMsgCard card;
    int off;

    vmsg_card_start(&card, 2, "", RNG(0));
    g_assert_cmphex(qtest_readl(card.qts, card.regs), ==, 1);
    for (off = 4; off < CARD_FIFO; off += 4) {
        qtest_writel(card.qts, card.regs + off, ~0);
        g_assert_cmphex(qtest_readl(card.qts, card.regs + off), ==, 0);
    }
    qtest_writel(card.qts, card.regs, 0);
    for (off = 0; off < 0x40; off++) {
        qtest_writeb(card.qts, card.regs + off, 1);
        qtest_writew(card.qts, card.regs + off, 1);
        qtest_writeq(card.qts, card.regs + off, 1);
        qtest_readb(card.qts, card.regs + off);
        qtest_readw(card.qts, card.regs + off);
        qtest_readq(card.qts, card.regs + off);
    }
    g_assert_cmphex(qtest_readl(card.qts, card.regs), ==, 1);
    assert_works(card.links[0], 0);
    vmsg_card_stop(&card);
}

/* An answer may be there before its doorbell is looked at */
static void assert_rings(VMsgLink *link)
{
    struct virtio_msg msg;

    vmsg_init(&msg, VIRTIO_MSG_TYPE_BUS, VIRTIO_MSG_BUS_PING, 0,
              sizeof(msg.ping));
    vmsg_send(link, &msg);
    vmsg_wait_rung(link);
    do {
        vmsg_get(link, &msg);
    } while (!(msg.type & VIRTIO_MSG_TYPE_RESPONSE));
}

static void test_fifos(void)
{
    VMsgCard card;
    unsigned i;

    vmsg_card_start(&card, 8, "",
                    RNG(0) RNG(1) RNG(2) RNG(3) RNG(4) RNG(5) RNG(6) RNG(7));
    for (i = 0; i < 8; i++) {
        VMsgDevices devices = vmsg_get_devices(card.links[i], 0, 64);

        g_assert_cmphex(devices.bitmap[0], ==, 1);
        assert_rings(card.links[i]);
        assert_works(card.links[i], 0);
    }
    vmsg_card_stop(&card);
}

/* A FIFO that is broken by its driver is no matter of the others (B-05) */
static void test_fifos_are_apart(void)
{
    VMsgCard card;

    vmsg_card_start(&card, 2, "", RNG(0) RNG(1));
    qtest_memset(card.qts, card.mem, 0xff, CARD_FIFO);
    qtest_writel(card.qts, card.regs + 0x20, 1);
    assert_works(card.links[1], 0);
    vmsg_card_stop(&card);
}

static void assert_reset(VMsgCard *card, VMsgQueue *q)
{
    uint8_t mem[CARD_FIFO];
    VMsgLink *link = card->links[0];
    uint64_t used = q->used;
    int i;

    /* L-31: as at the start */
    vmsg_card_enable(card);
    qtest_memread(card->qts, card->mem, mem, sizeof(mem));
    for (i = 0; i < 0x1000; i++) {
        g_assert_cmphex(mem[i], ==, 0);
    }
    vmsg_drop_events(link);
    g_assert_cmphex(vmsg_get_status(link, 0), ==, 0);
    memset(vmsg_link_ptr(link, used), 0xa5, 16);
    assert_works(link, 0);
    g_assert_cmphex(*(uint8_t *)vmsg_link_ptr(link, used), ==, 0xa5);
}

static void test_function_reset(void)
{
    VMsgCard card;
    VMsgQueue q;
    uint8_t pcie;

    vmsg_card_start(&card, 1, "", RNG(0));
    qtest_memset(card.qts, card.mem, 0x5a, 0x1000);
    vmsg_rng_up(card.links[0], 0, 0, &q);
    vmsg_rng_read(&q);
    pcie = vmsg_card_capability(&card, PCI_CAP_ID_EXP);
    qtest_writew(card.qts, card.config + pcie + PCI_EXP_DEVCTL,
                 PCI_EXP_DEVCTL_BCR_FLR);
    assert_reset(&card, &q);
    vmsg_card_stop(&card);
}

static void test_machine_reset(void)
{
    VMsgCard card;
    VMsgQueue q;

    vmsg_card_start(&card, 1, "", RNG(0));
    qtest_memset(card.qts, card.mem, 0x5a, 0x1000);
    vmsg_rng_up(card.links[0], 0, 0, &q);
    vmsg_rng_read(&q);
    qtest_system_reset(card.qts);
    assert_reset(&card, &q);
    vmsg_card_stop(&card);
}

/* Devices come and go behind the card, and the driver is told */
static void test_hotplug_device(void)
{
    VMsgCard card;

    vmsg_card_start(&card, 2, "", RNG(0));
    assert_works(card.links[0], 0);
    qtest_qmp_device_add(card.qts, "virtio-rng-device", "rng1",
                         "{ 'bus': 'amp0.1.3', 'iommu_platform': true }");
    vmsg_wait_event(card.links[1], VIRTIO_MSG_TYPE_BUS,
                    VIRTIO_MSG_BUS_EVENT_DEVICE, 0, NULL);
    assert_works(card.links[1], 3);
    qtest_qmp_device_del(card.qts, "rng1");
    vmsg_wait_event(card.links[1], VIRTIO_MSG_TYPE_BUS,
                    VIRTIO_MSG_BUS_EVENT_DEVICE, 0, NULL);
    g_assert_cmpuint(vmsg_get_info(card.links[1], 3).device_id, ==, 0);
    assert_works(card.links[0], 0);
    vmsg_card_stop(&card);
}

/* The slot is off, so that no driver has to agree */
static void test_hotplug_card(void)
{
    QTestState *qts;
    int i;

    qts = qtest_init("-M virt -nodefaults -device pcie-root-port,id=port0");
    for (i = 0; i < 3; i++) {
        qtest_qmp_device_add(qts, "virtio-msg-amp-pci", "amp1",
                             "{ 'bus': 'port0', 'fifos': 2 }");
        qtest_qmp_device_add(qts, "virtio-rng-device", "rng1",
                             "{ 'bus': 'amp1.1.3', 'iommu_platform': true }");
        qtest_qmp_device_del(qts, "amp1");
    }
    qtest_quit(qts);
}

/*
 * Moving to another machine
 */

static void wait_moved(QTestState *qts)
{
    bool moved = false;

    while (!moved) {
        QDict *event = qtest_qmp_eventwait_ref(qts, "MIGRATION");
        const char *status = qdict_get_str(qdict_get_qdict(event, "data"),
                                           "status");

        g_assert_cmpstr(status, !=, "failed");
        moved = g_str_equal(status, "completed");
        qobject_unref(event);
    }
}

/* The driver goes on in @to with what it knew in @from */
static void move(VMsgCard *from, VMsgCard *to, unsigned num_fifos,
                 const char *more)
{
    g_autofree char *dir = g_dir_make_tmp("virtio-msg-XXXXXX", NULL);
    g_autofree char *uri = g_strdup_printf("unix:%s/socket", dir);
    g_autofree char *args = g_strdup_printf("-incoming defer %s", more);
    unsigned i;

    vmsg_card_start_incoming(to, num_fifos, "", args);
    qtest_qmp_assert_success(to->qts,
        "{ 'execute': 'migrate-set-capabilities', 'arguments': {"
        "  'capabilities': [ { 'capability': 'events', 'state': true } ] } }");
    qtest_qmp_assert_success(from->qts,
        "{ 'execute': 'migrate-set-capabilities', 'arguments': {"
        "  'capabilities': [ { 'capability': 'events', 'state': true } ] } }");
    qtest_qmp_assert_success(to->qts,
        "{ 'execute': 'migrate-incoming', 'arguments': { 'uri': %s } }", uri);
    qtest_qmp_assert_success(from->qts,
        "{ 'execute': 'migrate', 'arguments': { 'uri': %s } }", uri);
    wait_moved(from->qts);
    wait_moved(to->qts);
    for (i = 0; i < num_fifos; i++) {
        vmsg_card_follow(from, to, i);
    }
    rmdir(dir);
}

#define ASKED   0x4d56

static void ask(VMsgLink *link)
{
    struct virtio_msg req;

    vmsg_init(&req, 0, VIRTIO_MSG_GET_DEVICE_STATUS, 0, 0);
    req.token = GUINT16_TO_LE(ASKED);
    vmsg_send(link, &req);
}

static void wait_answer(VMsgLink *link)
{
    struct virtio_msg resp;

    do {
        vmsg_get(link, &resp);
    } while (!(resp.type & VIRTIO_MSG_TYPE_RESPONSE));
    g_assert_cmphex(GUINT16_FROM_LE(resp.token), ==, ASKED);
}

static void test_move_in_use(void)
{
    VMsgCard from, to;
    VMsgQueue q[2];
    unsigned i;

    vmsg_card_start(&from, 2, "", RNG(0) RNG(1));
    for (i = 0; i < 2; i++) {
        vmsg_rng_up(from.links[i], 0, 0, &q[i]);
        vmsg_rng_read(&q[i]);
    }
    move(&from, &to, 2, RNG(0) RNG(1));
    for (i = 0; i < 2; i++) {
        g_assert_cmphex(vmsg_get_status(to.links[i], 0) &
                        VIRTIO_CONFIG_S_DRIVER_OK, !=, 0);
        vmsg_rng_read(&q[i]);
        vmsg_rng_read(&q[i]);
    }
    vmsg_card_stop(&from);
    vmsg_card_stop(&to);
}

/* What the driver asked for while the machine was stopped, and nobody heard */
static void test_move_kicked(void)
{
    VMsgCard from, to;
    struct virtio_msg resp;
    VMsgBuffer buffer;
    VMsgQueue q;
    uint16_t id;
    VMsgTest t;

    vmsg_card_start(&from, 1, "", RNG(0));
    vmsg_rng_up(from.links[0], 0, 0, &q);
    vmsg_rng_read(&q);
    qtest_qmp_assert_success(from.qts, "{ 'execute': 'stop' }");
    buffer = (VMsgBuffer) {
        .addr = vmsg_link_alloc(from.links[0], 64),
        .len = 64,
        .device_writes = true,
    };
    id = vmsg_queue_add(&q, &buffer, 1);
    vmsg_queue_kick(&q);
    ask(from.links[0]);
    /* The link has stopped with its driver */
    t = (VMsgTest) { from.qts, from.links[0] };
    vmsg_settle(&t);
    while (vmsg_try_get(from.links[0], &resp)) {
        g_assert_cmphex(resp.type & VIRTIO_MSG_TYPE_RESPONSE, ==, 0);
    }

    move(&from, &to, 1, RNG(0));
    qtest_qmp_assert_success(to.qts, "{ 'execute': 'cont' }");
    wait_answer(to.links[0]);
    while (!vmsg_queue_used(&q)) {
        qtest_readl(to.qts, to.regs);
    }
    g_assert_cmpuint(vmsg_queue_take(&q, id), ==, 64);
    vmsg_drop_events(to.links[0]);
    vmsg_rng_read(&q);
    vmsg_card_stop(&from);
    vmsg_card_stop(&to);
}

/* A queue that is set up, but not enabled, and features that are not sealed */
static void test_move_half_way(void)
{
    VMsgCard from, to;
    uint64_t features;

    vmsg_card_start(&from, 1, "", RNG(0));
    vmsg_set_status(from.links[0], 0, VIRTIO_CONFIG_S_ACKNOWLEDGE |
                                      VIRTIO_CONFIG_S_DRIVER);
    features = vmsg_get_features(from.links[0], 0);
    vmsg_set_features(from.links[0], 0, features);
    qtest_qmp_assert_success(from.qts, "{ 'execute': 'stop' }");
    ask(from.links[0]);
    move(&from, &to, 1, RNG(0));
    qtest_qmp_assert_success(to.qts, "{ 'execute': 'cont' }");
    wait_answer(to.links[0]);
    vmsg_set_status(to.links[0], 0, VIRTIO_CONFIG_S_ACKNOWLEDGE |
                                    VIRTIO_CONFIG_S_DRIVER |
                                    VIRTIO_CONFIG_S_FEATURES_OK);
    g_assert_cmphex(vmsg_get_status(to.links[0], 0) &
                    VIRTIO_CONFIG_S_FEATURES_OK, !=, 0);
    vmsg_card_stop(&from);
    vmsg_card_stop(&to);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    TEST("identity", test_identity);
    TEST("registers", test_registers);
    TEST("fifos", test_fifos);
    TEST("fifos-are-apart", test_fifos_are_apart);
    TEST("reset/function", test_function_reset);
    TEST("reset/machine", test_machine_reset);
    TEST("hotplug/device", test_hotplug_device);
    TEST("hotplug/card", test_hotplug_card);
    TEST("move/in-use", test_move_in_use);
    TEST("move/kicked", test_move_kicked);
    TEST("move/half-way", test_move_half_way);
    return g_test_run();
}
