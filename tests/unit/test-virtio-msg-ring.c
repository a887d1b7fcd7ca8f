/*
 * Unit tests of the virtio-msg message queues: the `spsc` layout
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "hw/virtio/virtio-msg-ring.h"

#define SLOT        VIRTIO_MSG_RING_SLOT_SIZE
#define NUM_SLOTS   VIRTIO_MSG_SPSC_NUM_SLOTS
#define CAPACITY    (NUM_SLOTS - 1)
#define PAGE        VIRTIO_MSG_SPSC_PAGE_SIZE

/* Bytes of the page behind the last slot */
#define TAIL_ROOM   (PAGE - VIRTIO_MSG_SPSC_SLOTS - NUM_SLOTS * SLOT)

/* One message, as a whole slot */
typedef struct Slot {
    uint8_t bytes[SLOT];
} QEMU_ALIGNED(8) Slot;

/*
 * Two sides of one link.  Each page stands between two that cannot be
 * touched, so that an access outside of it ends the test.  That takes a host
 * whose pages are as large as those of the layout; mprotect() tells.
 */
typedef struct Pair {
    uint8_t *area;
    size_t area_size;
    uint8_t *to_b;
    uint8_t *to_a;
    VirtIOMSGRing a;
    VirtIOMSGRing b;
} Pair;

static uint8_t *guarded_page(uint8_t *area, unsigned i)
{
    uint8_t *page = area + (2 * i + 1) * PAGE;

    g_assert_cmpint(mprotect(page, PAGE, PROT_READ | PROT_WRITE), ==, 0);
    return page;
}

static void pair_map(Pair *p)
{
    p->area_size = 5 * PAGE;
    p->area = mmap(NULL, p->area_size, PROT_NONE, MAP_SHARED | MAP_ANONYMOUS,
                   -1, 0);
    g_assert(p->area != MAP_FAILED);
    p->to_b = guarded_page(p->area, 0);
    p->to_a = guarded_page(p->area, 1);
}

static void pair_init(Pair *p)
{
    pair_map(p);
    virtio_msg_ring_init_spsc(&p->a, p->to_b, p->to_a, true);
    virtio_msg_ring_init_spsc(&p->b, p->to_a, p->to_b, false);
}

static void pair_free(Pair *p)
{
    munmap(p->area, p->area_size);
}

static uint32_t word(const uint8_t *page, size_t off)
{
    uint32_t val;

    memcpy(&val, page + off, sizeof(val));
    return GUINT32_FROM_LE(val);
}

static void set_word(uint8_t *page, size_t off, uint32_t val)
{
    val = GUINT32_TO_LE(val);
    memcpy(page + off, &val, sizeof(val));
}

static uint8_t *slot_of(uint8_t *page, unsigned i)
{
    return page + VIRTIO_MSG_SPSC_SLOTS + i * SLOT;
}

/* A message that can be told from every other */
static Slot slot_make(uint32_t seq)
{
    Slot s;
    size_t i;

    for (i = 0; i < SLOT; i++) {
        s.bytes[i] = (seq * 0x9e3779b1u + i * 0x85ebca6bu) >> 13;
    }
    memcpy(s.bytes, &seq, sizeof(seq));
    return s;
}

static void put(VirtIOMSGRing *ring, uint32_t seq)
{
    Slot s = slot_make(seq);

    g_assert_cmpint(virtio_msg_ring_put(ring, &s, SLOT), ==,
                    VIRTIO_MSG_RING_OK);
}

static void get(VirtIOMSGRing *ring, uint32_t seq)
{
    Slot want = slot_make(seq);
    Slot got;

    memset(&got, 0x5a, sizeof(got));
    g_assert_cmpint(virtio_msg_ring_get(ring, &got), ==, VIRTIO_MSG_RING_OK);
    g_assert_cmpmem(&got, sizeof(got), &want, sizeof(want));
}

static void assert_empty(VirtIOMSGRing *ring)
{
    Slot before, got;

    memset(&before, 0x5a, sizeof(before));
    got = before;
    g_assert_cmpint(virtio_msg_ring_get(ring, &got), ==,
                    VIRTIO_MSG_RING_EMPTY);
    g_assert_cmpmem(&got, sizeof(got), &before, sizeof(before));
    g_assert_cmpuint(virtio_msg_ring_rx_used(ring), ==, 0);
}

static void test_layout(void)
{
    Pair p;

    g_assert_cmpuint(PAGE, ==, 4096);
    g_assert_cmpuint(SLOT, ==, 64);
    g_assert_cmpuint(NUM_SLOTS, ==, 62);
    g_assert_cmpuint(VIRTIO_MSG_SPSC_HEAD, ==, 0x00);
    g_assert_cmpuint(VIRTIO_MSG_SPSC_TAIL, ==, 0x40);
    g_assert_cmpuint(VIRTIO_MSG_SPSC_SLOTS, ==, 0x80);
    g_assert_cmpuint(TAIL_ROOM, <, SLOT);

    pair_init(&p);
    put(&p.a, 1);
    g_assert_cmpuint(word(p.to_b, 0x00), ==, 1);
    g_assert_cmpuint(word(p.to_b, 0x40), ==, 0);
    g_assert_cmpuint(word(p.to_b, 0x80), ==, 1);
    put(&p.a, 2);
    g_assert_cmpuint(word(p.to_b, 0x00), ==, 2);
    g_assert_cmpuint(word(p.to_b, 0xc0), ==, 2);
    get(&p.b, 1);
    g_assert_cmpuint(word(p.to_b, 0x40), ==, 1);
    pair_free(&p);
}

static void test_order(void)
{
    Pair p;
    uint32_t i;

    pair_init(&p);
    assert_empty(&p.b);
    for (i = 0; i < 10; i++) {
        put(&p.a, i);
        g_assert_cmpuint(virtio_msg_ring_tx_used(&p.a), ==, i + 1);
        g_assert_cmpuint(virtio_msg_ring_rx_used(&p.b), ==, i + 1);
    }
    for (i = 0; i < 10; i++) {
        get(&p.b, i);
        g_assert_cmpuint(virtio_msg_ring_tx_used(&p.a), ==, 9 - i);
    }
    assert_empty(&p.b);
    pair_free(&p);
}

static void test_directions(void)
{
    Pair p;

    pair_init(&p);
    put(&p.a, 1);
    put(&p.b, 2);
    put(&p.a, 3);
    get(&p.a, 2);
    assert_empty(&p.a);
    get(&p.b, 1);
    get(&p.b, 3);
    assert_empty(&p.b);
    pair_free(&p);
}

/* Every fill level at every position of the ring */
static void test_wrap(void)
{
    Pair p;
    uint32_t sent = 0, taken = 0;
    unsigned level, round;

    pair_init(&p);
    for (round = 0; round < 20; round++) {
        for (level = 1; level <= CAPACITY; level++) {
            while (sent - taken < level) {
                put(&p.a, sent++);
            }
            g_assert_cmpuint(virtio_msg_ring_rx_used(&p.b), ==, level);
            while (taken < sent) {
                get(&p.b, taken++);
            }
            assert_empty(&p.b);
            g_assert_cmpuint(word(p.to_b, VIRTIO_MSG_SPSC_HEAD), ==,
                             sent % NUM_SLOTS);
            g_assert_cmpuint(word(p.to_b, VIRTIO_MSG_SPSC_TAIL), ==,
                             taken % NUM_SLOTS);
        }
    }
    pair_free(&p);
}

static void test_full(void)
{
    uint8_t before[PAGE];
    Slot extra = slot_make(999);
    unsigned start, i;
    Pair p;

    for (start = 0; start < NUM_SLOTS; start++) {
        pair_init(&p);
        for (i = 0; i < start; i++) {
            put(&p.a, i);
            get(&p.b, i);
        }
        for (i = 0; i < CAPACITY; i++) {
            put(&p.a, i);
        }
        memcpy(before, p.to_b, PAGE);
        g_assert_cmpint(virtio_msg_ring_put(&p.a, &extra, SLOT), ==,
                        VIRTIO_MSG_RING_FULL);
        g_assert_cmpmem(before, PAGE, p.to_b, PAGE);
        g_assert_cmpuint(virtio_msg_ring_tx_used(&p.a), ==, CAPACITY);

        get(&p.b, 0);
        put(&p.a, CAPACITY);
        g_assert_cmpint(virtio_msg_ring_put(&p.a, &extra, SLOT), ==,
                        VIRTIO_MSG_RING_FULL);
        for (i = 1; i <= CAPACITY; i++) {
            get(&p.b, i);
        }
        assert_empty(&p.b);
        pair_free(&p);
    }
}

static void test_rest_is_zeroed(void)
{
    const size_t lengths[] = { 1, 7, 8, 9, 12, 44, 63, 64 };
    Pair p;
    size_t n, i;

    pair_init(&p);
    memset(p.to_b + VIRTIO_MSG_SPSC_SLOTS, 0xee, NUM_SLOTS * SLOT);
    for (n = 0; n < G_N_ELEMENTS(lengths); n++) {
        Slot s = slot_make(n + 1);
        Slot got;

        g_assert_cmpint(virtio_msg_ring_put(&p.a, &s, lengths[n]), ==,
                        VIRTIO_MSG_RING_OK);
        g_assert_cmpint(virtio_msg_ring_get(&p.b, &got), ==,
                        VIRTIO_MSG_RING_OK);
        g_assert_cmpmem(&got, lengths[n], &s, lengths[n]);
        for (i = lengths[n]; i < SLOT; i++) {
            g_assert_cmphex(got.bytes[i], ==, 0);
        }
    }
    pair_free(&p);
}

/* A message changes its own slot and the head, and not one byte besides */
static void test_slot_boundaries(void)
{
    uint8_t want[PAGE];
    unsigned i;
    Pair p;

    pair_init(&p);
    for (i = 0; i < NUM_SLOTS; i++) {
        Slot s = slot_make(i);

        memset(slot_of(p.to_b, 0), 0xc3, NUM_SLOTS * SLOT + TAIL_ROOM);
        memset(p.to_b + 4, 0xc3, VIRTIO_MSG_SPSC_TAIL - 4);
        memset(p.to_b + VIRTIO_MSG_SPSC_TAIL + 4, 0xc3,
               VIRTIO_MSG_SPSC_SLOTS - VIRTIO_MSG_SPSC_TAIL - 4);
        memcpy(want, p.to_b, PAGE);

        put(&p.a, i);
        memcpy(slot_of(want, i), &s, SLOT);
        set_word(want, VIRTIO_MSG_SPSC_HEAD, (i + 1) % NUM_SLOTS);
        g_assert_cmpmem(want, PAGE, p.to_b, PAGE);

        get(&p.b, i);
        set_word(want, VIRTIO_MSG_SPSC_TAIL, (i + 1) % NUM_SLOTS);
        g_assert_cmpmem(want, PAGE, p.to_b, PAGE);
    }
    pair_free(&p);
}

static const uint32_t bad_indices[] = {
    62, 63, 64, 124, 255, 256, 0x10000, 0x7fffffff, 0x80000000, 0xfffffffe,
    0xffffffff,
};

static void test_bad_head(void)
{
    uint8_t before[PAGE];
    Slot untouched, got;
    size_t i;
    Pair p;

    memset(&untouched, 0x5a, sizeof(untouched));
    for (i = 0; i < G_N_ELEMENTS(bad_indices); i++) {
        pair_init(&p);
        put(&p.a, 1);
        put(&p.a, 2);
        get(&p.b, 1);

        set_word(p.to_b, VIRTIO_MSG_SPSC_HEAD, bad_indices[i]);
        memcpy(before, p.to_b, PAGE);
        got = untouched;
        g_assert_cmpint(virtio_msg_ring_get(&p.b, &got), ==,
                        VIRTIO_MSG_RING_BAD_INDEX);
        g_assert_cmpmem(&got, SLOT, &untouched, SLOT);
        g_assert_cmpuint(virtio_msg_ring_rx_used(&p.b), ==, 0);
        virtio_msg_ring_discard(&p.b);
        g_assert_cmpmem(before, PAGE, p.to_b, PAGE);

        /* A peer that mends its index goes on where it was */
        set_word(p.to_b, VIRTIO_MSG_SPSC_HEAD, 2);
        get(&p.b, 2);
        assert_empty(&p.b);
        pair_free(&p);
    }
}

static void test_bad_tail(void)
{
    uint8_t before[PAGE];
    Slot s = slot_make(7);
    size_t i;
    Pair p;

    for (i = 0; i < G_N_ELEMENTS(bad_indices); i++) {
        pair_init(&p);
        put(&p.a, 1);

        set_word(p.to_b, VIRTIO_MSG_SPSC_TAIL, bad_indices[i]);
        memcpy(before, p.to_b, PAGE);
        g_assert_cmpint(virtio_msg_ring_put(&p.a, &s, SLOT), ==,
                        VIRTIO_MSG_RING_BAD_INDEX);
        g_assert_cmpmem(before, PAGE, p.to_b, PAGE);
        g_assert_cmpuint(virtio_msg_ring_tx_used(&p.a), ==, CAPACITY);

        set_word(p.to_b, VIRTIO_MSG_SPSC_TAIL, 0);
        put(&p.a, 2);
        get(&p.b, 1);
        get(&p.b, 2);
        pair_free(&p);
    }
}

static void assert_restarted_put(VirtIOMSGRing *ring)
{
    Slot s = slot_make(99);

    g_assert_cmpint(virtio_msg_ring_put(ring, &s, SLOT), ==,
                    VIRTIO_MSG_RING_RESTARTED);
}

static void assert_restarted_get(VirtIOMSGRing *ring)
{
    Slot untouched, got;

    memset(&untouched, 0x5a, sizeof(untouched));
    got = untouched;
    g_assert_cmpint(virtio_msg_ring_get(ring, &got), ==,
                    VIRTIO_MSG_RING_RESTARTED);
    g_assert_cmpmem(&got, SLOT, &untouched, SLOT);
}

static void assert_restarted_advance(VirtIOMSGRing *ring)
{
    VirtIOMSGRingStep step = virtio_msg_ring_advance(ring, 0);

    g_assert_cmpint(step.event, ==, VIRTIO_MSG_RING_EVENT_RESTARTED);
    g_assert_cmpint(step.cause, ==, VIRTIO_MSG_RING_CAUSE_OWN_INDEX);
    g_assert_false(step.ring);
}

/* L-07: a driver that zeroes both pages at its start, whenever we notice */
static void test_peer_zeroes_the_pages(void)
{
    static void (*const notice[])(VirtIOMSGRing *ring) = {
        assert_restarted_put, assert_restarted_get, assert_restarted_advance,
    };
    static const uint8_t zero[PAGE];
    unsigned i, n;
    Pair p;

    for (n = 0; n < G_N_ELEMENTS(notice); n++) {
        pair_init(&p);
        virtio_msg_ring_advance(&p.a, 0);
        for (i = 0; i < 5; i++) {
            put(&p.a, i);
            put(&p.b, i);
            get(&p.a, i);
        }
        memset(p.to_a, 0, PAGE);
        memset(p.to_b, 0, PAGE);
        virtio_msg_ring_init_spsc(&p.b, p.to_a, p.to_b, false);

        notice[n](&p.a);
        g_assert_cmpmem(p.to_a, PAGE, zero, PAGE);
        g_assert_cmpmem(p.to_b, PAGE, zero, PAGE);

        /* It is reported once, and both go on from 0 */
        g_assert_cmpint(virtio_msg_ring_advance(&p.a, 0).event, ==,
                        VIRTIO_MSG_RING_EVENT_NONE);
        assert_empty(&p.a);
        put(&p.a, 10);
        put(&p.b, 11);
        get(&p.b, 10);
        get(&p.a, 11);
        g_assert_cmpuint(word(p.to_b, VIRTIO_MSG_SPSC_HEAD), ==, 1);
        g_assert_cmpuint(word(p.to_b, VIRTIO_MSG_SPSC_TAIL), ==, 1);
        pair_free(&p);
    }
}

/* L-07: either of our words alone, in range or not; 0 where it is not */
static void test_own_words_change(void)
{
    const struct {
        uint32_t now, then;
    } words[] = {
        { 0, 0 }, { 1, 1 }, { 61, 61 }, { 62, 0 }, { 63, 0 },
        { 0x41414141, 0 }, { 0xffffffff, 0 },
    };
    size_t i;
    Pair p;

    for (i = 0; i < G_N_ELEMENTS(words); i++) {
        pair_init(&p);
        put(&p.a, 1);
        put(&p.a, 2);
        get(&p.b, 1);
        get(&p.b, 2);

        set_word(p.to_b, VIRTIO_MSG_SPSC_TAIL, words[i].now);
        assert_restarted_get(&p.b);
        g_assert_cmpuint(word(p.to_b, VIRTIO_MSG_SPSC_TAIL), ==,
                         words[i].then);
        g_assert_cmpuint(virtio_msg_ring_rx_used(&p.b), ==,
                         (2 + NUM_SLOTS - words[i].then) % NUM_SLOTS);

        set_word(p.to_b, VIRTIO_MSG_SPSC_HEAD, words[i].now);
        assert_restarted_put(&p.a);
        g_assert_cmpuint(word(p.to_b, VIRTIO_MSG_SPSC_HEAD), ==,
                         words[i].then);
        /* Both words are the same now, and so the queue is empty */
        put(&p.a, 3);
        get(&p.b, 3);
        assert_empty(&p.b);
        pair_free(&p);
    }
}

/* There are no states to wait for, and nothing to look at by itself */
static void test_always_up(void)
{
    VirtIOMSGRingStep step;
    Pair p;

    pair_init(&p);
    g_assert_cmpuint(virtio_msg_ring_max_msg_size(&p.a), ==, SLOT);
    g_assert_true(virtio_msg_ring_is_up(&p.a));
    step = virtio_msg_ring_advance(&p.a, 0);
    g_assert_cmpint(step.event, ==, VIRTIO_MSG_RING_EVENT_UP);
    g_assert_false(step.ring);
    g_assert_cmpint(step.next_ms, ==, -1);
    step = virtio_msg_ring_advance(&p.a, 1);
    g_assert_cmpint(step.event, ==, VIRTIO_MSG_RING_EVENT_NONE);
    g_assert_cmpint(step.next_ms, ==, -1);

    g_assert_false(virtio_msg_ring_give_up(&p.a));
    g_assert_false(virtio_msg_ring_peer_debugged(&p.a));
    g_assert_null(virtio_msg_ring_waits_for(&p.a));
    virtio_msg_ring_shut_down(&p.a);
    put(&p.a, 1);
    get(&p.b, 1);
    pair_free(&p);
}

/* Every doorbell means the messages, and every event goes as one (L-27) */
static void test_no_notification_words(void)
{
    VirtIOMSGRingPending pending;
    VirtIOMSGNotifyMeaning m;
    Pair p;

    pair_init(&p);
    g_assert_cmpuint(virtio_msg_ring_num_notif(&p.a), ==, 0);
    g_assert_true(virtio_msg_ring_raise_messages(&p.a));
    g_assert_true(virtio_msg_ring_raise_messages(&p.a));
    g_assert_cmpint(virtio_msg_ring_raise_queue(&p.a, 0, 0), ==,
                    VIRTIO_MSG_RING_NOT_RAISED);
    g_assert_false(virtio_msg_ring_set_mask(&p.a, 0, 0, false));
    virtio_msg_ring_take(&p.b, &pending);
    g_assert_true(virtio_msg_ring_next_pending(&p.b, &pending, &m));
    g_assert_cmpint(m.kind, ==, VIRTIO_MSG_NOTIFY_MESSAGES);
    g_assert_false(virtio_msg_ring_next_pending(&p.b, &pending, &m));
    pair_free(&p);
}

/* A peer that writes anything anywhere gets garbage, and no more than that */
static void test_garbage(void)
{
    GRand *rand = g_rand_new_with_seed(1);
    unsigned round, i;
    Slot s;
    Pair p;

    pair_init(&p);
    for (round = 0; round < 2000; round++) {
        for (i = 0; i < PAGE; i += 4) {
            set_word(p.to_a, i, g_rand_int(rand));
            set_word(p.to_b, i, g_rand_int(rand));
        }
        if (round % 2) {
            set_word(p.to_a, VIRTIO_MSG_SPSC_HEAD, g_rand_int(rand) % 70);
            set_word(p.to_b, VIRTIO_MSG_SPSC_TAIL, g_rand_int(rand) % 70);
        }
        for (i = 0; i < 2 * NUM_SLOTS; i++) {
            s = slot_make(i);
            virtio_msg_ring_put(&p.a, &s, 1 + i % SLOT);
            virtio_msg_ring_get(&p.a, &s);
            g_assert_cmpuint(virtio_msg_ring_tx_used(&p.a), <=, CAPACITY);
            g_assert_cmpuint(virtio_msg_ring_rx_used(&p.a), <=, CAPACITY);
        }
        virtio_msg_ring_discard(&p.a);
    }
    g_rand_free(rand);
    pair_free(&p);
}

static void test_reset(void)
{
    static const uint8_t zero[PAGE];
    Pair p;

    pair_map(&p);
    memset(p.to_b, 0xff, PAGE);
    memset(p.to_a, 0xff, PAGE);
    virtio_msg_ring_init_spsc(&p.a, p.to_b, p.to_a, true);
    g_assert_cmpmem(p.to_b, PAGE, zero, PAGE);
    g_assert_cmpmem(p.to_a, PAGE, zero, PAGE);
    assert_empty(&p.a);
    put(&p.a, 1);
    pair_free(&p);
}

static void test_continue(void)
{
    unsigned start, i;
    Pair p;

    for (start = 0; start < NUM_SLOTS; start++) {
        pair_init(&p);
        for (i = 0; i < start; i++) {
            put(&p.a, i);
            get(&p.b, i);
            put(&p.b, i);
            get(&p.a, i);
        }
        put(&p.a, 100);
        put(&p.a, 101);
        put(&p.b, 102);

        /* Both ends start again */
        virtio_msg_ring_init_spsc(&p.a, p.to_b, p.to_a, false);
        virtio_msg_ring_init_spsc(&p.b, p.to_a, p.to_b, false);
        g_assert_cmpuint(virtio_msg_ring_tx_used(&p.a), ==, 2);
        g_assert_cmpuint(virtio_msg_ring_rx_used(&p.a), ==, 1);
        put(&p.a, 103);
        get(&p.b, 100);
        get(&p.b, 101);
        get(&p.b, 103);
        assert_empty(&p.b);
        get(&p.a, 102);
        assert_empty(&p.a);
        pair_free(&p);
    }
}

static void assert_own_words_zeroed(const Pair *p)
{
    g_assert_cmpuint(word(p->to_b, VIRTIO_MSG_SPSC_HEAD), ==, 0);
    g_assert_cmpuint(word(p->to_b, VIRTIO_MSG_SPSC_TAIL), ==, 5);
    g_assert_cmpuint(word(p->to_a, VIRTIO_MSG_SPSC_TAIL), ==, 0);
    g_assert_cmpuint(word(p->to_a, VIRTIO_MSG_SPSC_HEAD), ==, 9);
    g_assert_cmpuint(virtio_msg_ring_rx_used(&p->a), ==, 9);
}

/* Only what is ours is put right: the peer's indices stay the peer's */
static void test_continue_out_of_range(void)
{
    size_t i;
    Pair p;

    for (i = 0; i < G_N_ELEMENTS(bad_indices); i++) {
        pair_init(&p);
        set_word(p.to_b, VIRTIO_MSG_SPSC_HEAD, bad_indices[i]);
        set_word(p.to_b, VIRTIO_MSG_SPSC_TAIL, 5);
        set_word(p.to_a, VIRTIO_MSG_SPSC_TAIL, bad_indices[i]);
        set_word(p.to_a, VIRTIO_MSG_SPSC_HEAD, 9);
        virtio_msg_ring_init_spsc(&p.a, p.to_b, p.to_a, false);
        assert_own_words_zeroed(&p);

        /* One of them is enough */
        set_word(p.to_b, VIRTIO_MSG_SPSC_HEAD, bad_indices[i]);
        set_word(p.to_a, VIRTIO_MSG_SPSC_TAIL, 7);
        virtio_msg_ring_init_spsc(&p.a, p.to_b, p.to_a, false);
        assert_own_words_zeroed(&p);

        set_word(p.to_b, VIRTIO_MSG_SPSC_HEAD, 7);
        set_word(p.to_a, VIRTIO_MSG_SPSC_TAIL, bad_indices[i]);
        virtio_msg_ring_init_spsc(&p.a, p.to_b, p.to_a, false);
        assert_own_words_zeroed(&p);
        pair_free(&p);
    }
}

static void test_discard(void)
{
    unsigned i;
    Pair p;

    pair_init(&p);
    for (i = 0; i < CAPACITY; i++) {
        put(&p.a, i);
    }
    virtio_msg_ring_discard(&p.b);
    assert_empty(&p.b);
    g_assert_cmpuint(virtio_msg_ring_tx_used(&p.a), ==, 0);
    put(&p.a, 1000);
    get(&p.b, 1000);
    virtio_msg_ring_discard(&p.b);
    assert_empty(&p.b);
    pair_free(&p);
}

#define THREAD_MESSAGES 1000000

static gpointer producer(gpointer opaque)
{
    VirtIOMSGRing *ring = opaque;
    uint32_t seq = 0;

    while (seq < THREAD_MESSAGES) {
        Slot s = slot_make(seq);
        VirtIOMSGRingResult ret = virtio_msg_ring_put(ring, &s, SLOT);

        if (ret == VIRTIO_MSG_RING_OK) {
            seq++;
        } else {
            g_assert_cmpint(ret, ==, VIRTIO_MSG_RING_FULL);
            g_thread_yield();
        }
    }
    return NULL;
}

/* Nothing is lost, doubled, swapped or torn between two processors */
static void test_threads(void)
{
    GThread *thread;
    uint32_t seq = 0;
    Slot got, want;
    Pair p;

    pair_init(&p);
    thread = g_thread_new("producer", producer, &p.a);
    while (seq < THREAD_MESSAGES) {
        VirtIOMSGRingResult ret = virtio_msg_ring_get(&p.b, &got);

        if (ret == VIRTIO_MSG_RING_OK) {
            want = slot_make(seq);
            /* Not g_assert_cmpmem(): a million calls of it show */
            if (memcmp(&got, &want, sizeof(want))) {
                g_error("message %u arrived damaged", seq);
            }
            seq++;
        } else {
            g_assert_cmpint(ret, ==, VIRTIO_MSG_RING_EMPTY);
            g_thread_yield();
        }
    }
    g_thread_join(thread);
    assert_empty(&p.b);
    pair_free(&p);
}

/*
 * Memory that others see in no order but that of the barriers.  These look at
 * what has been done when they are called, and do what the other side may still
 * be doing then.
 */

static struct {
    Pair *p;
    unsigned rmb;
    unsigned wmb;
    Slot late;          /* what stands in the slot after the first rmb */
} weak;

static void put_rmb(void)
{
    static const Slot none;

    weak.rmb++;
    g_assert_cmpmem(slot_of(weak.p->to_b, 0), SLOT, &none, SLOT);
}

static void put_wmb(void)
{
    Slot want = slot_make(7);

    weak.wmb++;
    g_assert_cmpmem(slot_of(weak.p->to_b, 0), SLOT, &want, SLOT);
    g_assert_cmpuint(word(weak.p->to_b, VIRTIO_MSG_SPSC_HEAD), ==, 0);
}

static void get_rmb(void)
{
    if (weak.rmb++ == 0) {
        memcpy(slot_of(weak.p->to_b, 0), &weak.late, SLOT);
    } else {
        /* The slot has been read; it is still not free */
        memset(slot_of(weak.p->to_b, 0), 0xee, SLOT);
        g_assert_cmpuint(word(weak.p->to_b, VIRTIO_MSG_SPSC_TAIL), ==, 0);
    }
}

static void no_wmb(void)
{
    g_assert_not_reached();
}

static void no_mb(void)
{
    g_assert_not_reached();
}

static void test_barriers(void)
{
    static const VirtIOMSGRingBarriers put_barriers = {
        put_rmb, put_wmb, no_mb,
    };
    static const VirtIOMSGRingBarriers get_barriers = {
        get_rmb, no_wmb, no_mb,
    };
    Pair p;

    pair_init(&p);
    memset(&weak, 0, sizeof(weak));
    weak.p = &p;
    virtio_msg_ring_set_barriers(&p.a, &put_barriers);
    put(&p.a, 7);
    g_assert_cmpuint(weak.rmb, ==, 1);
    g_assert_cmpuint(weak.wmb, ==, 1);
    g_assert_cmpuint(word(p.to_b, VIRTIO_MSG_SPSC_HEAD), ==, 1);

    /* What the index promised arrives as late as it may */
    weak.rmb = 0;
    weak.late = slot_make(8);
    virtio_msg_ring_set_barriers(&p.b, &get_barriers);
    get(&p.b, 8);
    g_assert_cmpuint(weak.rmb, ==, 2);
    g_assert_cmpuint(word(p.to_b, VIRTIO_MSG_SPSC_TAIL), ==, 1);
    pair_free(&p);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);

    g_test_add_func("/virtio-msg/ring/layout", test_layout);
    g_test_add_func("/virtio-msg/ring/order", test_order);
    g_test_add_func("/virtio-msg/ring/directions-are-apart", test_directions);
    g_test_add_func("/virtio-msg/ring/wrap", test_wrap);
    g_test_add_func("/virtio-msg/ring/full-at-61", test_full);
    g_test_add_func("/virtio-msg/ring/rest-of-slot-is-zeroed",
                    test_rest_is_zeroed);
    g_test_add_func("/virtio-msg/ring/slot-boundaries", test_slot_boundaries);
    g_test_add_func("/virtio-msg/ring/bad-head", test_bad_head);
    g_test_add_func("/virtio-msg/ring/bad-tail", test_bad_tail);
    g_test_add_func("/virtio-msg/ring/peer-zeroes-the-pages",
                    test_peer_zeroes_the_pages);
    g_test_add_func("/virtio-msg/ring/own-words-change",
                    test_own_words_change);
    g_test_add_func("/virtio-msg/ring/always-up", test_always_up);
    g_test_add_func("/virtio-msg/ring/no-notification-words",
                    test_no_notification_words);
    g_test_add_func("/virtio-msg/ring/garbage", test_garbage);
    g_test_add_func("/virtio-msg/ring/reset-zeroes-both-pages", test_reset);
    g_test_add_func("/virtio-msg/ring/continue", test_continue);
    g_test_add_func("/virtio-msg/ring/continue-out-of-range",
                    test_continue_out_of_range);
    g_test_add_func("/virtio-msg/ring/discard", test_discard);
    g_test_add_func("/virtio-msg/ring/threads", test_threads);
    g_test_add_func("/virtio-msg/ring/barriers", test_barriers);

    return g_test_run();
}
