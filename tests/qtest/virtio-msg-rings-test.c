/*
 * Tests of virtio-msg with rings that a driver means to do harm with
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>
#include "qobject/qdict.h"
#include "virtio-msg-hostile.h"

#define BIT(n)          (1ULL << (n))
#define NEEDS_RESET     VIRTIO_CONFIG_S_NEEDS_RESET

#define RAM_END         (VMSG_RAM_BASE + VMSG_RAM_SIZE)

static struct vring_desc *ring_desc(VMsgQueue *q, unsigned i)
{
    return (struct vring_desc *)vmsg_link_ptr(q->link, q->desc) + i;
}

static struct vring_avail *ring_avail(VMsgQueue *q)
{
    return vmsg_link_ptr(q->link, q->avail);
}

static struct vring_used *ring_used(VMsgQueue *q)
{
    return vmsg_link_ptr(q->link, q->used);
}

static uint64_t deferrals(Hostile *h)
{
    return vmsg_stat(&h->t, "deferrals");
}

/*
 * A driver that makes requests available as fast as they are taken
 */

typedef struct Refill {
    VMsgQueue q;
    uint64_t served;        /* requests that the device gave back */
    bool stop;
} Refill;

static gpointer refill_thread(gpointer opaque)
{
    Refill *r = opaque;
    struct vring_avail *avail = ring_avail(&r->q);
    struct vring_used *used = ring_used(&r->q);
    uint16_t last = 0;

    while (!__atomic_load_n(&r->stop, __ATOMIC_RELAXED)) {
        uint16_t idx = __atomic_load_n(&used->idx, __ATOMIC_ACQUIRE);

        idx = GUINT16_FROM_LE(idx);
        __atomic_store_n(&r->served, r->served + (uint16_t)(idx - last),
                         __ATOMIC_RELAXED);
        last = idx;
        __atomic_store_n(&avail->idx, GUINT16_TO_LE(idx + r->q.size),
                         __ATOMIC_RELEASE);
    }
    return NULL;
}

/* B-05: whoever never stops asking does not keep the process to itself */
static void test_refill(gconstpointer opaque)
{
    const HostileTarget *target = opaque;
    VMsgBuffer bufs[HOSTILE_MAX_BUFS];
    g_autofree char *what = g_strdup_printf("%s kept busy", target->name);
    gint64 end;
    Refill r = { .stop = false };
    GThread *thread;
    unsigned num;
    Hostile h;

    hostile_start(&h, false);
    hostile_up(&h, target, 0, &r.q);
    num = target->request(h.t.link, bufs);
    /* One request, under all entries of the ring */
    g_assert_cmpuint(vmsg_queue_add(&r.q, bufs, num), ==, 0);

    thread = g_thread_new("refill", refill_thread, &r);
    end = g_get_monotonic_time() + hostile_seconds() * G_TIME_SPAN_SECOND / 2;
    do {
        vmsg_queue_kick(&r.q);
        hostile_other_answers(&h);
        vmsg_ping(h.t.link);
        vmsg_drop_events(h.t.link);
        g_assert_cmpint(g_get_monotonic_time(), <, end + HOSTILE_PATIENCE);
    } while (g_get_monotonic_time() < end ||
             __atomic_load_n(&r.served, __ATOMIC_RELAXED) <= r.q.size);
    g_assert_cmphex(vmsg_get_status(h.t.link, target->dev) & NEEDS_RESET, ==,
                    0);
    hostile_report(&h, what);

    __atomic_store_n(&r.stop, true, __ATOMIC_RELAXED);
    g_thread_join(thread);
    g_test_message("%s: it served %" PRIu64 " requests and waited %" PRIu64
                   " times", what, r.served, deferrals(&h));
    hostile_target_works(&h, target);
    hostile_stop(&h);
}

/* What virtio-net takes while its link is off, it drops */
static void set_net_link_off(Hostile *h)
{
    QDict *resp = qtest_qmp(h->t.qts, "{ 'execute': 'set_link', 'arguments': "
                            "{ 'name': 'net0', 'up': false } }");

    g_assert_true(qdict_haskey(resp, "return"));
    qobject_unref(resp);
}

/* A request that only has room for an answer, where there is none */
static unsigned nothing_to_read(VMsgLink *link, VMsgBuffer *bufs)
{
    bufs[0] = (VMsgBuffer) { vmsg_link_alloc(link, 64), 64, true };
    return 1;
}

/*
 * All requests of a ring that is as large as what a queue is given at a time,
 * or larger, are handled, although the driver rings once.
 */
static void deferred(Hostile *h, HostileTarget large)
{
    VMsgBuffer bufs[HOSTILE_MAX_BUFS];
    VMsgQueue q;
    int i;

    large.size = vmsg_get_vqueue(h->t.link, large.dev, large.queue).max_size;
    hostile_up(h, &large, 0, &q);
    vmsg_queue_add(&q, bufs, large.request(h->t.link, bufs));
    /* The same request in each place */
    ring_avail(&q)->idx = GUINT16_TO_LE(large.size);
    g_assert_cmpuint(deferrals(h), ==, 0);
    vmsg_queue_kick(&q);
    for (i = 0; i < large.size; i++) {
        vmsg_queue_wait(&q, 0);
    }
    /* The device's own look behind the last one may come after that */
    vmsg_ping(h->t.link);
    g_assert_cmpuint(deferrals(h), >, 0);
    vmsg_drop_events(h->t.link);
}

static void test_deferred_blk(void)
{
    Hostile h;

    hostile_start(&h, false);
    deferred(&h, hostile_targets[HOSTILE_BLK]);
    hostile_stop(&h);
}

static void test_deferred_nothing_to_read(void)
{
    HostileTarget target = hostile_targets[HOSTILE_SERIAL];
    Hostile h;

    target.request = nothing_to_read;
    hostile_start(&h, false);
    deferred(&h, target);
    hostile_stop(&h);
}

static void test_deferred_net_link_off(void)
{
    Hostile h;

    hostile_start(&h, false);
    set_net_link_off(&h);
    deferred(&h, hostile_targets[HOSTILE_NET]);
    hostile_stop(&h);
}

/*
 * Rings that make no sense
 *
 * Each starts with a ring that holds one request that is right, at its
 * beginning and not announced yet.
 */

typedef struct Attack {
    const char *what;
    void (*spoil)(VMsgQueue *q);
} Attack;

static void set_addr(VMsgQueue *q, uint64_t addr)
{
    ring_desc(q, 0)->addr = GUINT64_TO_LE(addr);
}

static void set_len(VMsgQueue *q, uint32_t len)
{
    ring_desc(q, 0)->len = GUINT32_TO_LE(len);
}

static void set_flags(VMsgQueue *q, uint16_t flags)
{
    ring_desc(q, 0)->flags = GUINT16_TO_LE(flags);
}

static void set_next(VMsgQueue *q, unsigned desc, uint16_t next)
{
    ring_desc(q, desc)->flags |= GUINT16_TO_LE(VRING_DESC_F_NEXT);
    ring_desc(q, desc)->next = GUINT16_TO_LE(next);
}

static void set_head(VMsgQueue *q, uint16_t head)
{
    ring_avail(q)->ring[0] = GUINT16_TO_LE(head);
}

static void set_idx(VMsgQueue *q, uint16_t idx)
{
    ring_avail(q)->idx = GUINT16_TO_LE(idx);
}

/* Turn the request into an indirect one; returns its table, of 16 entries */
static struct vring_desc *make_indirect(VMsgQueue *q, uint32_t bytes)
{
    uint64_t at = vmsg_link_alloc(q->link, 16 * sizeof(struct vring_desc));
    struct vring_desc *table = vmsg_link_ptr(q->link, at);
    int i;

    for (i = 0; i < 16; i++) {
        table[i] = *ring_desc(q, i % q->size);
    }
    set_addr(q, at);
    set_len(q, bytes);
    set_flags(q, VRING_DESC_F_INDIRECT);
    return table;
}

static void spoil_nothing(VMsgQueue *q)
{
}

static void spoil_addr_null(VMsgQueue *q)
{
    set_addr(q, 0);
}

static void spoil_addr_below(VMsgQueue *q)
{
    set_addr(q, VMSG_RAM_BASE - 1);
}

static void spoil_addr_above(VMsgQueue *q)
{
    set_addr(q, RAM_END);
}

static void spoil_addr_last_byte(VMsgQueue *q)
{
    set_addr(q, RAM_END - 1);
}

static void spoil_addr_wraps(VMsgQueue *q)
{
    set_addr(q, -8ULL);
}

static void spoil_len_zero(VMsgQueue *q)
{
    set_len(q, 0);
}

static void spoil_len_one(VMsgQueue *q)
{
    set_len(q, 1);
}

static void spoil_len_all(VMsgQueue *q)
{
    set_addr(q, VMSG_RAM_BASE);
    set_len(q, VMSG_RAM_SIZE);
}

static void spoil_len_max(VMsgQueue *q)
{
    set_len(q, UINT32_MAX);
}

static void spoil_flags(VMsgQueue *q)
{
    set_flags(q, UINT16_MAX);
}

static void spoil_other_way_round(VMsgQueue *q)
{
    ring_desc(q, 0)->flags ^= GUINT16_TO_LE(VRING_DESC_F_WRITE);
}

static void spoil_cut_off(VMsgQueue *q)
{
    ring_desc(q, 0)->flags &= GUINT16_TO_LE(~VRING_DESC_F_NEXT);
}

static void spoil_into_desc(VMsgQueue *q)
{
    set_addr(q, q->desc);
}

static void spoil_into_avail(VMsgQueue *q)
{
    set_addr(q, q->avail);
}

static void spoil_into_used(VMsgQueue *q)
{
    set_addr(q, q->used);
}

static void spoil_head_beyond(VMsgQueue *q)
{
    set_head(q, q->size);
}

static void spoil_head_max(VMsgQueue *q)
{
    set_head(q, UINT16_MAX);
}

static void spoil_idx_beyond(VMsgQueue *q)
{
    set_idx(q, q->size + 1);
}

static void spoil_idx_far(VMsgQueue *q)
{
    set_idx(q, 0x8000);
}

static void spoil_idx_back(VMsgQueue *q)
{
    set_idx(q, UINT16_MAX);
}

/* The one request that there is, as often as there is room */
static void spoil_same_again(VMsgQueue *q)
{
    set_idx(q, q->size);
}

static void spoil_next_self(VMsgQueue *q)
{
    set_next(q, 0, 0);
}

static void spoil_next_loop(VMsgQueue *q)
{
    ring_desc(q, 1)->addr = GUINT64_TO_LE(VMSG_RAM_BASE);
    ring_desc(q, 1)->len = GUINT32_TO_LE(16);
    set_next(q, 0, 1);
    set_next(q, 1, 0);
}

static void spoil_next_beyond(VMsgQueue *q)
{
    set_next(q, 0, q->size);
}

static void spoil_next_max(VMsgQueue *q)
{
    set_next(q, 0, UINT16_MAX);
}

static void spoil_indirect_right(VMsgQueue *q)
{
    make_indirect(q, 3 * sizeof(struct vring_desc));
}

static void spoil_indirect_empty(VMsgQueue *q)
{
    make_indirect(q, 0);
}

static void spoil_indirect_short(VMsgQueue *q)
{
    make_indirect(q, sizeof(struct vring_desc) - 1);
}

static void spoil_indirect_odd(VMsgQueue *q)
{
    make_indirect(q, sizeof(struct vring_desc) + 1);
}

static void spoil_indirect_huge(VMsgQueue *q)
{
    make_indirect(q, 0xfffffff0);
}

static void spoil_indirect_long(VMsgQueue *q)
{
    struct vring_desc *table = make_indirect(q, VMSG_RAM_SIZE / 2);
    int i;

    /* To zeros behind the table, each an entry without an end */
    for (i = 0; i < 16; i++) {
        table[i].flags |= GUINT16_TO_LE(VRING_DESC_F_NEXT);
        table[i].next = GUINT16_TO_LE(i + 1);
    }
}

static void spoil_indirect_outside(VMsgQueue *q)
{
    make_indirect(q, 64);
    set_addr(q, VMSG_RAM_BASE - 64);
}

static void spoil_indirect_crosses(VMsgQueue *q)
{
    make_indirect(q, 64);
    set_addr(q, RAM_END - 16);
}

static void spoil_indirect_nested(VMsgQueue *q)
{
    struct vring_desc *table = make_indirect(q, 64);

    table[0] = *ring_desc(q, 0);
}

static void spoil_indirect_self(VMsgQueue *q)
{
    struct vring_desc *table = make_indirect(q, 64);

    table[0].flags |= GUINT16_TO_LE(VRING_DESC_F_NEXT);
    table[0].next = 0;
}

static void spoil_indirect_next_beyond(VMsgQueue *q)
{
    struct vring_desc *table = make_indirect(q, 64);

    table[0].flags |= GUINT16_TO_LE(VRING_DESC_F_NEXT);
    table[0].next = GUINT16_TO_LE(UINT16_MAX);
}

static void spoil_indirect_and_next(VMsgQueue *q)
{
    make_indirect(q, 64);
    set_next(q, 0, 1);
}

static void spoil_indirect_is_ring(VMsgQueue *q)
{
    set_flags(q, VRING_DESC_F_INDIRECT);
    set_addr(q, q->desc);
    set_len(q, q->size * sizeof(struct vring_desc));
}

static const Attack attacks[] = {
    { "nothing", spoil_nothing },
    { "buffer at 0", spoil_addr_null },
    { "buffer before memory", spoil_addr_below },
    { "buffer behind memory", spoil_addr_above },
    { "buffer across the end", spoil_addr_last_byte },
    { "buffer across 2^64", spoil_addr_wraps },
    { "buffer of 0 bytes", spoil_len_zero },
    { "buffer of 1 byte", spoil_len_one },
    { "all memory as buffer", spoil_len_all },
    { "buffer of 4 GiB", spoil_len_max },
    { "all flags", spoil_flags },
    { "buffer in the other direction", spoil_other_way_round },
    { "request cut off", spoil_cut_off },
    { "buffer over the descriptors", spoil_into_desc },
    { "buffer over the driver area", spoil_into_avail },
    { "buffer over the device area", spoil_into_used },
    { "head behind the ring", spoil_head_beyond },
    { "head 0xffff", spoil_head_max },
    { "index ahead by too much", spoil_idx_beyond },
    { "index far ahead", spoil_idx_far },
    { "index going back", spoil_idx_back },
    { "one request many times", spoil_same_again },
    { "chain onto itself", spoil_next_self },
    { "chain in a loop", spoil_next_loop },
    { "chain out of the ring", spoil_next_beyond },
    { "chain to 0xffff", spoil_next_max },
    { "indirect", spoil_indirect_right },
    { "indirect table of 0 bytes", spoil_indirect_empty },
    { "indirect table of 15 bytes", spoil_indirect_short },
    { "indirect table of 17 bytes", spoil_indirect_odd },
    { "indirect table of 4 GiB", spoil_indirect_huge },
    { "indirect table of half the memory", spoil_indirect_long },
    { "indirect table outside", spoil_indirect_outside },
    { "indirect table across the end", spoil_indirect_crosses },
    { "indirect table in an indirect table", spoil_indirect_nested },
    { "indirect table onto itself", spoil_indirect_self },
    { "indirect table left", spoil_indirect_next_beyond },
    { "indirect table and a chain", spoil_indirect_and_next },
    { "the ring as an indirect table", spoil_indirect_is_ring },
};

/* What comes back, if anything, is a valid state, and the link answers */
static void check_after_attack(Hostile *h, const HostileTarget *target)
{
    uint32_t status;

    hostile_other_answers(h);
    status = vmsg_get_status(h->t.link, target->dev);
    g_assert_cmphex(status & ~NEEDS_RESET, ==,
                    VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER |
                    VIRTIO_CONFIG_S_FEATURES_OK | VIRTIO_CONFIG_S_DRIVER_OK);
    hostile_target_works(h, target);
}

static void attack(Hostile *h, const HostileTarget *target,
                   const Attack *attack, uint64_t features)
{
    VMsgBuffer bufs[HOSTILE_MAX_BUFS];
    unsigned num;
    VMsgQueue q;

    hostile_up(h, target, features, &q);
    num = target->request(h->t.link, bufs);
    vmsg_queue_add(&q, bufs, num);
    attack->spoil(&q);
    vmsg_queue_kick(&q);
    check_after_attack(h, target);
}

/* T-16, B-05 */
static void test_attacks(gconstpointer opaque)
{
    static const uint64_t features[] = {
        0,
        BIT(VIRTIO_RING_F_INDIRECT_DESC),
        BIT(VIRTIO_RING_F_INDIRECT_DESC) | BIT(VIRTIO_RING_F_EVENT_IDX),
    };
    const HostileTarget *target = opaque;
    size_t i, j;
    Hostile h;

    hostile_start(&h, false);
    for (i = 0; i < G_N_ELEMENTS(attacks); i++) {
        for (j = 0; j < G_N_ELEMENTS(features); j++) {
            g_test_message("%s, features 0x%" PRIx64, attacks[i].what,
                           features[j]);
            attack(&h, target, &attacks[i], features[j]);
        }
    }
    hostile_report(&h, "spoilt rings");
    hostile_stop(&h);
}

/*
 * Areas that lie upon each other, of a driver that otherwise does its best
 */
static void test_overlap(gconstpointer opaque)
{
    const HostileTarget *target = opaque;
    VMsgBuffer bufs[HOSTILE_MAX_BUFS];
    unsigned num, areas, i;
    Hostile h;

    hostile_start(&h, false);
    for (areas = 0; areas < 3 * 3 * 3; areas++) {
        uint64_t place[3];
        VMsgQueue q;

        vmsg_negotiate(h.t.link, target->dev, target->features);
        vmsg_queue_init(&q, h.t.link, target->dev, target->queue,
                        target->size);
        for (i = 0; i < 3; i++) {
            place[i] = vmsg_link_alloc(h.t.link, 1);
        }
        q.desc = place[areas % 3];
        q.avail = place[areas / 3 % 3];
        q.used = place[areas / 9];
        /* Where a queue is does not change while it is active */
        vmsg_negotiate(h.t.link, target->dev, target->features);
        vmsg_set_vqueue(h.t.link, target->dev, target->queue, target->size,
                        q.desc, q.avail, q.used);
        vmsg_driver_ok(h.t.link, target->dev);

        num = target->request(h.t.link, bufs);
        for (i = 0; i < 3; i++) {
            vmsg_queue_add(&q, bufs, num);
            vmsg_queue_kick(&q);
        }
        check_after_attack(&h, target);
    }
    hostile_stop(&h);
}

/*
 * Packed rings that make no sense
 */

typedef struct PackedAttack {
    const char *what;
    uint64_t addr;          /* 0: that of a buffer */
    uint32_t len;
    uint16_t id;
    uint16_t flags;         /* besides those of an available descriptor */
    unsigned num;           /* descriptors like this one; 0: the whole ring */
} PackedAttack;

#define PACKED_NEXT         VRING_DESC_F_NEXT
#define PACKED_WRITE        VRING_DESC_F_WRITE
#define PACKED_INDIRECT     VRING_DESC_F_INDIRECT
#define PACKED_USED         (1 << VRING_PACKED_DESC_F_USED)

static const PackedAttack packed_attacks[] = {
    { "buffer before memory", VMSG_RAM_BASE - 1, 64, 0, 0, 1 },
    { "buffer behind memory", RAM_END, 64, 0, PACKED_WRITE, 1 },
    { "buffer across the end", RAM_END - 1, 64, 0, 0, 1 },
    { "buffer across 2^64", -8ULL, 64, 0, PACKED_WRITE, 1 },
    { "buffer of 0 bytes", 0, 0, 0, 0, 1 },
    { "buffer of 4 GiB", 0, UINT32_MAX, 0, PACKED_WRITE, 1 },
    { "all memory as buffer", VMSG_RAM_BASE, VMSG_RAM_SIZE, 0, PACKED_WRITE,
      1 },
    { "id beyond the ring", 0, 64, 0x7fff, 0, 1 },
    { "id 0xffff", 0, 64, UINT16_MAX, PACKED_WRITE, 1 },
    { "one id many times", 0, 64, 0, 0, 0 },
    { "used already", 0, 64, 0, PACKED_USED, 0 },
    { "chain without end", 0, 64, 0, PACKED_NEXT, 0 },
    { "chain that stops", 0, 64, 0, PACKED_NEXT, 3 },
    { "indirect table of 0 bytes", 0, 0, 0, PACKED_INDIRECT, 1 },
    { "indirect table of 17 bytes", 0, 17, 0, PACKED_INDIRECT, 1 },
    { "indirect table of zeros", 0, 64, 0, PACKED_INDIRECT, 1 },
    { "indirect table of 4 GiB", 0, 0xfffffff0, 0, PACKED_INDIRECT, 1 },
    { "indirect table of all memory", VMSG_RAM_BASE, VMSG_RAM_SIZE, 0,
      PACKED_INDIRECT, 1 },
    { "indirect table outside", VMSG_RAM_BASE - 64, 64, 0, PACKED_INDIRECT,
      1 },
    { "indirect tables in a chain", 0, 64, 0, PACKED_INDIRECT | PACKED_NEXT,
      0 },
    { "all flags", 0, 64, 0, 0x7f, 0 },
};

static void packed_attack(Hostile *h, const HostileTarget *target,
                          const PackedAttack *attack, uint64_t features)
{
    struct vring_packed_desc desc = {
        .addr = GUINT64_TO_LE(attack->addr),
        .len = GUINT32_TO_LE(attack->len),
        .id = GUINT16_TO_LE(attack->id),
        .flags = GUINT16_TO_LE(attack->flags |
                               1 << VRING_PACKED_DESC_F_AVAIL),
    };
    struct vring_packed_desc *ring;
    unsigned i;
    VMsgQueue q;

    hostile_up(h, target, features | BIT(VIRTIO_F_RING_PACKED), &q);
    if (!attack->addr) {
        desc.addr = GUINT64_TO_LE(vmsg_link_alloc(h->t.link, 64));
    }
    ring = vmsg_link_ptr(h->t.link, q.desc);
    for (i = 0; i < (attack->num ? attack->num : q.size); i++) {
        ring[i] = desc;
    }
    vmsg_queue_kick(&q);
    check_after_attack(h, target);
}

/* Requests that are dropped are looked at as well */
static void test_packed_attacks_net_link_off(void)
{
    const HostileTarget *target = &hostile_targets[HOSTILE_NET];
    Hostile h;
    size_t i;

    hostile_start(&h, true);
    set_net_link_off(&h);
    for (i = 0; i < G_N_ELEMENTS(packed_attacks); i++) {
        g_test_message("%s", packed_attacks[i].what);
        packed_attack(&h, target, &packed_attacks[i], 0);
    }
    hostile_report(&h, "spoilt packed rings of net without a link");
    hostile_stop(&h);
}

/* T-16, B-05 */
static void test_packed_attacks(gconstpointer opaque)
{
    const HostileTarget *target = opaque;
    Hostile h;
    size_t i;

    hostile_start(&h, true);
    for (i = 0; i < G_N_ELEMENTS(packed_attacks); i++) {
        g_test_message("%s", packed_attacks[i].what);
        packed_attack(&h, target, &packed_attacks[i],
                      BIT(VIRTIO_RING_F_INDIRECT_DESC));
        packed_attack(&h, target, &packed_attacks[i],
                      BIT(VIRTIO_RING_F_EVENT_IDX));
    }
    hostile_report(&h, "spoilt packed rings");
    hostile_stop(&h);
}

/*
 * T-16, B-05: virtio-rng first counts how much room all the requests have.
 * With tables as long as memory allows, none of which has any, that would take
 * a while; with those that are longer than a device can take it gives up.
 */
static void test_indirect_endless(gconstpointer opaque)
{
    bool packed = GPOINTER_TO_INT(opaque);
    const HostileTarget *target = &hostile_targets[HOSTILE_RNG];
    enum { TABLE = 1025 };
    struct vring_desc *table;
    uint64_t at;
    VMsgQueue q;
    Hostile h;
    int i;

    hostile_start(&h, packed);
    hostile_up(&h, target, BIT(VIRTIO_RING_F_INDIRECT_DESC) |
               (packed ? BIT(VIRTIO_F_RING_PACKED) : 0), &q);
    at = vmsg_link_alloc(h.t.link, TABLE * sizeof(*table));
    table = vmsg_link_ptr(h.t.link, at);
    if (packed) {
        struct vring_packed_desc *ring = vmsg_link_ptr(h.t.link, q.desc);

        ring[0].addr = GUINT64_TO_LE(at);
        ring[0].len = GUINT32_TO_LE(TABLE * sizeof(*table));
        ring[0].flags = GUINT16_TO_LE(VRING_DESC_F_INDIRECT |
                                      1 << VRING_PACKED_DESC_F_AVAIL);
    } else {
        for (i = 0; i + 1 < TABLE; i++) {
            table[i].flags = GUINT16_TO_LE(VRING_DESC_F_NEXT);
            table[i].next = GUINT16_TO_LE(i + 1);
        }
        set_addr(&q, at);
        set_len(&q, TABLE * sizeof(*table));
        set_flags(&q, VRING_DESC_F_INDIRECT);
        set_head(&q, 0);
        set_idx(&q, 1);
    }
    vmsg_queue_kick(&q);
    g_assert_cmphex(vmsg_get_status(h.t.link, target->dev) & NEEDS_RESET, !=,
                    0);
    check_after_attack(&h, target);
    hostile_stop(&h);
}

/*
 * Rings that change while the device looks
 */

typedef struct Hammer {
    VMsgQueue q;
    uint32_t seed;
    uint64_t first;         /* the memory that the ring and its buffers take */
    uint64_t end;
    unsigned written;       /* words */
    bool stop;
} Hammer;

/* Words that are to change under a device before it has a rest */
#define HAMMER_WORDS    1000

/* An address, a length or an index: often one that leads somewhere */
static uint32_t hammer_word(Hammer *hammer, GRand *rand)
{
    switch (g_rand_int_range(rand, 0, 6)) {
    case 0:
        return g_rand_int(rand);
    case 1:
        return g_rand_int_range(rand, 0, 64) << 16 |
               g_rand_int_range(rand, 0, 8);
    case 2:
        return g_rand_int_range(rand, 0, 4096);
    case 3:
        return 0;
    default:
        return hammer->first +
               g_rand_int_range(rand, 0, hammer->end - hammer->first);
    }
}

static gpointer hammer_thread(gpointer opaque)
{
    Hammer *hammer = opaque;
    uint32_t *mem = vmsg_link_ptr(hammer->q.link, hammer->first);
    uint32_t words = (hammer->end - hammer->first) / sizeof(*mem);
    struct vring_avail *avail = ring_avail(&hammer->q);
    GRand *rand = g_rand_new_with_seed(hammer->seed);

    while (!__atomic_load_n(&hammer->stop, __ATOMIC_RELAXED)) {
        uint16_t idx = ring_used(&hammer->q)->idx;

        __atomic_store_n(&mem[g_rand_int_range(rand, 0, words)],
                         GUINT32_TO_LE(hammer_word(hammer, rand)),
                         __ATOMIC_RELAXED);
        /* Otherwise the index alone ends each attempt */
        __atomic_store_n(&avail->idx,
                         GUINT16_TO_LE(GUINT16_FROM_LE(idx) +
                                       g_rand_int_range(rand, 0, 4)),
                         __ATOMIC_RELEASE);
        __atomic_fetch_add(&hammer->written, 1, __ATOMIC_RELAXED);
    }
    g_rand_free(rand);
    return NULL;
}

static void hammer_once(Hostile *h, const HostileTarget *target,
                        uint64_t features)
{
    VMsgLink *link = h->t.link;
    Hammer hammer = { .seed = g_test_rand_int() };
    VMsgBuffer bufs[HOSTILE_MAX_BUFS];
    GThread *thread;
    unsigned num, i;

    hammer.first = VMSG_RAM_BASE + link->ram_used;
    hostile_up(h, target, features, &hammer.q);
    num = target->request(link, bufs);
    for (i = 0; i + num <= target->size; i += num) {
        vmsg_queue_add(&hammer.q, bufs, num);
    }
    hammer.end = VMSG_RAM_BASE + link->ram_used;

    thread = g_thread_new("hammer", hammer_thread, &hammer);
    do {
        vmsg_queue_kick(&hammer.q);
        hostile_other_answers(h);
        vmsg_ping(link);
    } while (__atomic_load_n(&hammer.written, __ATOMIC_RELAXED) <
             HAMMER_WORDS);
    vmsg_get_status(link, target->dev);
    __atomic_store_n(&hammer.stop, true, __ATOMIC_RELAXED);
    g_thread_join(thread);
    vmsg_set_status(link, target->dev, 0);
    vmsg_drop_events(link);
    hostile_forget_memory(h);
}

static void hammer_rings(const HostileTarget *target, bool packed)
{
    g_autofree char *what = g_strdup_printf("rings of %s%s written at random",
                                            packed ? "packed " : "",
                                            target->name);
    unsigned rounds = 0;
    gint64 end;
    Hostile h;

    hostile_start(&h, packed);
    end = g_get_monotonic_time() +
          hostile_seconds() * G_TIME_SPAN_SECOND / 2;
    do {
        uint64_t features = packed ? BIT(VIRTIO_F_RING_PACKED) : 0;

        features |= rounds & 1 ? BIT(VIRTIO_RING_F_INDIRECT_DESC) : 0;
        features |= rounds & 2 ? BIT(VIRTIO_RING_F_EVENT_IDX) : 0;
        hammer_once(&h, target, features);
        rounds++;
    } while (g_get_monotonic_time() < end);
    hostile_report(&h, what);
    hostile_target_works(&h, target);
    hostile_stop(&h);
}

/* B-05 */
static void test_hammer(gconstpointer target)
{
    hammer_rings(target, false);
}

/* B-05 */
static void test_hammer_packed(gconstpointer target)
{
    hammer_rings(target, true);
}

static void add_for_targets(const char *name, void (*fn)(gconstpointer))
{
    size_t i;

    for (i = 0; i < hostile_num_targets; i++) {
        g_autofree char *path = g_strdup_printf("virtio-msg/rings/%s/%s", name,
                                                hostile_targets[i].name);

        qtest_add_data_func(path, &hostile_targets[i], fn);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    qtest_add_func("virtio-msg/rings/deferred/blk", test_deferred_blk);
    qtest_add_func("virtio-msg/rings/deferred/nothing-to-read",
                   test_deferred_nothing_to_read);
    qtest_add_func("virtio-msg/rings/deferred/net-link-off",
                   test_deferred_net_link_off);
    qtest_add_func("virtio-msg/rings/packed-attacks/net-link-off",
                   test_packed_attacks_net_link_off);
    add_for_targets("refill", test_refill);
    add_for_targets("attacks", test_attacks);
    add_for_targets("overlap", test_overlap);
    add_for_targets("packed-attacks", test_packed_attacks);
    qtest_add_data_func("virtio-msg/rings/indirect-endless/split",
                        GINT_TO_POINTER(false), test_indirect_endless);
    qtest_add_data_func("virtio-msg/rings/indirect-endless/packed",
                        GINT_TO_POINTER(true), test_indirect_endless);
    add_for_targets("hammer", test_hammer);
    add_for_targets("hammer-packed", test_hammer_packed);
    return g_test_run();
}
