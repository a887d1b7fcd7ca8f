/*
 * A driver side that means harm, and what it must not reach
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include <linux/virtio_blk.h>
#include <linux/virtio_net.h>
#include <linux/virtio_scsi.h>
#include "virtio-msg-hostile.h"

#define RNG_DEV     0
#define BLK_DEV     1
#define NET_DEV     2
#define SERIAL_DEV  3
#define SCSI_DEV    4

#define BIT(n)      (1ULL << (n))

/*
 * Requests that are right
 */

static unsigned rng_request(VMsgLink *link, VMsgBuffer *bufs)
{
    bufs[0] = (VMsgBuffer) { vmsg_link_alloc(link, 64), 64, true };
    return 1;
}

static unsigned blk_request(VMsgLink *link, VMsgBuffer *bufs)
{
    uint64_t at = vmsg_link_alloc(link, 1024);
    struct virtio_blk_outhdr *hdr = vmsg_link_ptr(link, at);

    hdr->type = GUINT32_TO_LE(VIRTIO_BLK_T_GET_ID);
    bufs[0] = (VMsgBuffer) { at, sizeof(*hdr), false };
    bufs[1] = (VMsgBuffer) { at + 512, VIRTIO_BLK_ID_BYTES, true };
    bufs[2] = (VMsgBuffer) { at + 1023, 1, true };
    return 3;
}

static unsigned net_request(VMsgLink *link, VMsgBuffer *bufs)
{
    uint32_t len = sizeof(struct virtio_net_hdr_v1) + 64;

    bufs[0] = (VMsgBuffer) { vmsg_link_alloc(link, len), len, false };
    return 1;
}

static unsigned net_ctrl_request(VMsgLink *link, VMsgBuffer *bufs)
{
    uint64_t at = vmsg_link_alloc(link, 64);
    struct virtio_net_ctrl_hdr *hdr = vmsg_link_ptr(link, at);

    hdr->class = VIRTIO_NET_CTRL_RX;
    hdr->cmd = VIRTIO_NET_CTRL_RX_PROMISC;
    bufs[0] = (VMsgBuffer) { at, sizeof(*hdr), false };
    bufs[1] = (VMsgBuffer) { at + 16, 1, false };
    bufs[2] = (VMsgBuffer) { at + 32, 1, true };
    return 3;
}

static unsigned serial_request(VMsgLink *link, VMsgBuffer *bufs)
{
    bufs[0] = (VMsgBuffer) { vmsg_link_alloc(link, 64), 64, false };
    return 1;
}

static unsigned scsi_request(VMsgLink *link, VMsgBuffer *bufs)
{
    enum { INQUIRY = 0x12, INQUIRY_LEN = 36 };
    uint64_t at = vmsg_link_alloc(link, 1024);
    struct virtio_scsi_cmd_req *req = vmsg_link_ptr(link, at);

    req->lun[0] = 1;
    req->cdb[0] = INQUIRY;
    req->cdb[4] = INQUIRY_LEN;
    bufs[0] = (VMsgBuffer) { at, sizeof(*req), false };
    bufs[1] = (VMsgBuffer) {
        at + 256, sizeof(struct virtio_scsi_cmd_resp), true
    };
    bufs[2] = (VMsgBuffer) { at + 512, INQUIRY_LEN, true };
    return 3;
}

static unsigned scsi_ctrl_request(VMsgLink *link, VMsgBuffer *bufs)
{
    uint64_t at = vmsg_link_alloc(link, 64);
    struct virtio_scsi_ctrl_an_req *req = vmsg_link_ptr(link, at);

    req->type = GUINT32_TO_LE(VIRTIO_SCSI_T_AN_QUERY);
    req->lun[0] = 1;
    bufs[0] = (VMsgBuffer) { at, sizeof(*req), false };
    bufs[1] = (VMsgBuffer) {
        at + 32, sizeof(struct virtio_scsi_ctrl_an_resp), true
    };
    return 2;
}

const HostileTarget hostile_targets[] = {
    [HOSTILE_RNG] = { "rng", RNG_DEV, 0, 8, 0, rng_request },
    [HOSTILE_BLK] = { "blk", BLK_DEV, 0, 64, 0, blk_request },
    [HOSTILE_NET] = { "net", NET_DEV, 1, 64, 0, net_request },
    [HOSTILE_NET_CTRL] = {
        "net-ctrl", NET_DEV, 2, 64,
        BIT(VIRTIO_NET_F_CTRL_VQ) | BIT(VIRTIO_NET_F_CTRL_RX), net_ctrl_request
    },
    [HOSTILE_SERIAL] = { "serial", SERIAL_DEV, 1, 64, 0, serial_request },
    [HOSTILE_SCSI] = { "scsi", SCSI_DEV, 2, 64, 0, scsi_request },
    [HOSTILE_SCSI_CTRL] = {
        "scsi-ctrl", SCSI_DEV, 0, 64, 0, scsi_ctrl_request
    },
};

const size_t hostile_num_targets = G_N_ELEMENTS(hostile_targets);

/*
 * The process
 */

static const char devices[] =
    "-device virtio-rng-device,bus=link0.0%1$s "
    "-blockdev driver=null-co,node-name=disk0,size=1048576,read-zeroes=on "
    "-device virtio-blk-device,drive=disk0,bus=link0.1%1$s "
    "-netdev user,id=net0,restrict=on "
    "-device virtio-net-device,netdev=net0,bus=link0.2%1$s "
    "-chardev null,id=tty0 "
    "-device virtio-serial-device,id=serial0,bus=link0.3%1$s "
    "-device virtconsole,chardev=tty0,bus=serial0.0 "
    "-blockdev driver=null-co,node-name=disk1,size=1048576,read-zeroes=on "
    "-device virtio-scsi-device,id=scsi0,bus=link0.4%1$s "
    "-device scsi-hd,drive=disk1,bus=scsi0.0 "
    "%2$s -device virtio-rng-device,bus=link1.0 ";

void hostile_start(Hostile *h, bool packed)
{
    hostile_start_link(h, vmsg_link_new(VMSG_SHM_SIZE, VMSG_RAM_SIZE), packed);
}

void hostile_start_link(Hostile *h, VMsgLink *link, bool packed)
{
    g_autofree char *args = NULL;
    g_autofree char *more = NULL;

    h->packed = packed;
    h->other = vmsg_link_new(VMSG_SHM_SIZE, VMSG_RAM_SIZE);
    args = vmsg_link_args(h->other, "link1", "");
    more = g_strdup_printf(devices, packed ? ",packed=on" : "", args);

    vmsg_link_serve(link);
    vmsg_link_serve(h->other);
    vmsg_test_start_link(&h->t, link, "", more);
    vmsg_link_started(h->other);

    vmsg_rng_up(h->other, 0, 0, &h->rng);
    h->buffer = vmsg_link_alloc(h->other, 64);
    h->took = g_array_new(false, false, sizeof(double));
    h->ram_used = link->ram_used;
    hostile_other_answers(h);
    g_array_set_size(h->took, 0);
}

void hostile_stop(Hostile *h)
{
    hostile_all_answer(h);
    vmsg_test_stop(&h->t);
    vmsg_link_free(h->other);
    g_array_free(h->took, true);
}

void hostile_other_answers(Hostile *h)
{
    VMsgBuffer buf = { .addr = h->buffer, .len = 64, .device_writes = true };
    gint64 start = g_get_monotonic_time();
    double took;
    uint16_t id;

    id = vmsg_queue_add(&h->rng, &buf, 1);
    vmsg_queue_kick(&h->rng);
    g_assert_cmpuint(vmsg_queue_wait(&h->rng, id), ==, 64);
    took = g_get_monotonic_time() - start;
    g_array_append_val(h->took, took);
}

static int compare(gconstpointer a, gconstpointer b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;

    return (x > y) - (x < y);
}

void hostile_report(Hostile *h, const char *during)
{
    guint n = h->took->len;

    g_assert_cmpuint(n, >, 0);
    g_array_sort(h->took, compare);
    g_test_message("%s: the other link answered %u times, median %.0f us, "
                   "longest %.0f us", during, n,
                   g_array_index(h->took, double, n / 2),
                   g_array_index(h->took, double, n - 1));
    g_array_set_size(h->took, 0);
}

void hostile_all_answer(Hostile *h)
{
    vmsg_ping(h->t.link);
    hostile_other_answers(h);
    vmsg_settle(&h->t);
}

static uint32_t *shm_word(VMsgLink *link, size_t off)
{
    return (uint32_t *)(link->shm + off);
}

void hostile_make_peace(Hostile *h)
{
    gint64 end = g_get_monotonic_time() + HOSTILE_PATIENCE;
    VMsgLink *link = h->t.link;
    uint32_t *driver_head = shm_word(link, VMSG_DRIVER_QUEUE +
                                           VIRTIO_MSG_SPSC_HEAD);
    uint32_t *driver_tail = shm_word(link, VMSG_DRIVER_QUEUE +
                                           VIRTIO_MSG_SPSC_TAIL);
    uint32_t *device_head = shm_word(link, VMSG_DEVICE_QUEUE +
                                           VIRTIO_MSG_SPSC_HEAD);
    uint32_t *device_tail = shm_word(link, VMSG_DEVICE_QUEUE +
                                           VIRTIO_MSG_SPSC_TAIL);
    struct virtio_msg msg;
    uint32_t mark = g_test_rand_int();
    bool arrived, answered;
    unsigned turn, i;

    vmsg_init(&msg, VIRTIO_MSG_TYPE_BUS, VIRTIO_MSG_BUS_PING, 0,
              sizeof(msg.ping));
    msg.ping.data = GUINT32_TO_LE(~mark);

    /*
     * Where the device stands is what it writes the next time.  Have it take
     * messages without meaning up to the first slot, and then that one, with
     * a message to answer.
     */
    memset(link->shm + VMSG_DRIVER_QUEUE + VIRTIO_MSG_SPSC_SLOTS, 0,
           VIRTIO_MSG_SPSC_NUM_SLOTS * VIRTIO_MSG_RING_SLOT_SIZE);
    memcpy(link->shm + VMSG_DRIVER_QUEUE + VIRTIO_MSG_SPSC_SLOTS, &msg,
           sizeof(msg));
    __atomic_store_n(device_head, UINT32_MAX, __ATOMIC_RELEASE);
    for (turn = 0; turn < 2; turn++) {
        __atomic_store_n(driver_tail, UINT32_MAX, __ATOMIC_RELEASE);
        __atomic_store_n(driver_head, GUINT32_TO_LE(turn), __ATOMIC_RELEASE);
        i = 0;
        do {
            uint32_t head = __atomic_load_n(device_head, __ATOMIC_ACQUIRE);

            /* Room for what waits, wherever the device is to write it */
            if (GUINT32_FROM_LE(head) >= VIRTIO_MSG_SPSC_NUM_SLOTS) {
                head = GUINT32_TO_LE(i % VIRTIO_MSG_SPSC_NUM_SLOTS);
            }
            __atomic_store_n(device_tail, head, __ATOMIC_RELEASE);
            vmsg_link_ring(link);
            vmsg_settle(&h->t);
            g_assert_cmpint(g_get_monotonic_time(), <, end);
            i++;
            arrived = __atomic_load_n(driver_tail, __ATOMIC_ACQUIRE) ==
                      GUINT32_TO_LE(turn);
            answered = __atomic_load_n(device_head, __ATOMIC_ACQUIRE) !=
                       UINT32_MAX;
            /* It may have been at the first slot all the time */
        } while (turn == 0 ? !arrived && i < 2 * VIRTIO_MSG_SPSC_NUM_SLOTS
                           : !arrived || !answered);
    }
    __atomic_store_n(device_tail,
                     __atomic_load_n(device_head, __ATOMIC_ACQUIRE),
                     __ATOMIC_RELEASE);
    vmsg_link_reset_ring(link);
    vmsg_drop_events(link);

    msg.ping.data = GUINT32_TO_LE(mark);
    vmsg_send(link, &msg);
    do {
        vmsg_get(link, &msg);
    } while (msg.msg_id != VIRTIO_MSG_BUS_PING ||
             GUINT32_FROM_LE(msg.ping.data) != mark);
}

void hostile_forget_memory(Hostile *h)
{
    VMsgLink *link = h->t.link;

    memset(link->ram + h->ram_used, 0, link->ram_used - h->ram_used);
    link->ram_used = h->ram_used;
}

void hostile_up(Hostile *h, const HostileTarget *target, uint64_t features,
                VMsgQueue *q)
{
    VMsgLink *link = h->t.link;

    vmsg_negotiate(link, target->dev, target->features | features);
    vmsg_queue_init(q, link, target->dev, target->queue, target->size);
    vmsg_driver_ok(link, target->dev);
}

void hostile_target_works(Hostile *h, const HostileTarget *target)
{
    VMsgBuffer bufs[HOSTILE_MAX_BUFS];
    VMsgQueue q;
    unsigned num;
    uint16_t id;

    vmsg_set_status(h->t.link, target->dev, 0);
    hostile_forget_memory(h);
    hostile_up(h, target, 0, &q);
    num = target->request(h->t.link, bufs);
    id = vmsg_queue_add(&q, bufs, num);
    vmsg_queue_kick(&q);
    vmsg_queue_wait(&q, id);
    vmsg_set_status(h->t.link, target->dev, 0);
    vmsg_drop_events(h->t.link);
    hostile_forget_memory(h);
}

uint64_t hostile_memory(Hostile *h, const char *what)
{
    g_autofree char *file = g_strdup_printf("/proc/%d/status",
                                            qtest_pid(h->t.qts));
    g_autofree char *text = NULL;
    const char *line;

    g_assert_true(g_file_get_contents(file, &text, NULL, NULL));
    line = strstr(text, what);
    g_assert_nonnull(line);
    return g_ascii_strtoull(line + strlen(what) + 1, NULL, 10);
}

unsigned hostile_seconds(void)
{
    return g_test_slow() ? 60 : 1;
}
