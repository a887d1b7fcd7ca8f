/*
 * Unit tests of the virtio-msg message queues: the `v1` layout
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "hw/virtio/virtio-msg-ring.h"
#include "../../hw/virtio/virtio-msg-ring-internal.h"

/* The memory of a card, and where we place heads in it */
#define SIZE        0x2000
#define DEV_HEAD    0x40
#define DRV_HEAD    0x80

/* Not from the header: these are the tests' own */
enum { INIT, READY, RUN, SHUTDOWN, PEER_DEAD };

#define ELEMENT     64
#define MAX_MSG     264

/*
 * A world: memory between two pages that cannot be touched, and up to two
 * sides that look at it when they are rung or said that they would.  Its time
 * passes as fast as they let it.
 */

typedef enum { DEV, DRV } Who;

typedef struct Side {
    VirtIOMSGRing ring;
    bool there;
    bool rung;
    int64_t next;               /* ms, or -1 */
    unsigned ups, downs, rewritten, slow, refused, rings;
    VirtIOMSGRingCause cause;   /* of the last DOWN or REWRITTEN */
    uint16_t worst;             /* the highest state seen in memory */
} Side;

/* A peer as they have been published: see the specification of the layout */
typedef struct Published {
    bool there;
    Who who;
    int64_t next;               /* ms, or -1 */
    int64_t interval;
    unsigned left;              /* how often it looks before it gives up */
    int phase;
    uint64_t own, peer;         /* offsets of the heads */
    uint64_t own_elements, peer_elements;
    uint16_t num, tail, head;
} Published;

typedef struct World {
    uint8_t *area;
    size_t area_size;
    uint8_t *mem;
    uint64_t size;
    int64_t now;
    Side side[2];
    Published published;
    VirtIOMSGRingV1Start start;
} World;

static uint16_t get16(const World *w, uint64_t off)
{
    uint16_t val;

    memcpy(&val, w->mem + off, sizeof(val));
    return GUINT16_FROM_LE(val);
}

static void set16(World *w, uint64_t off, uint16_t val)
{
    val = GUINT16_TO_LE(val);
    memcpy(w->mem + off, &val, sizeof(val));
}

static uint64_t get64(const World *w, uint64_t off)
{
    uint64_t val;

    memcpy(&val, w->mem + off, sizeof(val));
    return GUINT64_FROM_LE(val);
}

static void set64(World *w, uint64_t off, uint64_t val)
{
    val = GUINT64_TO_LE(val);
    memcpy(w->mem + off, &val, sizeof(val));
}

static void set_head(World *w, uint64_t head, uint16_t magic, uint16_t status,
                     uint16_t tail, uint16_t read)
{
    set16(w, head, magic);
    set16(w, head + 2, status);
    set16(w, head + 4, tail);
    set16(w, head + 6, read);
}

static uint64_t head_of(Who who)
{
    return who == DEV ? DEV_HEAD : DRV_HEAD;
}

static uint16_t status_of(const World *w, Who who)
{
    return get16(w, head_of(who) + 2);
}

/* The last byte of the region is the last before a page that is not there */
static void world_init_size(World *w, uint64_t size)
{
    size_t page = qemu_real_host_page_size();
    size_t room = ROUND_UP(size, page);

    memset(w, 0, sizeof(*w));
    w->area_size = room + 2 * page;
    w->area = mmap(NULL, w->area_size, PROT_NONE, MAP_SHARED | MAP_ANONYMOUS,
                   -1, 0);
    g_assert(w->area != MAP_FAILED);
    g_assert_cmpint(mprotect(w->area + page, room, PROT_READ | PROT_WRITE), ==,
                    0);
    g_assert_cmpuint(size % 8, ==, 0);
    w->mem = w->area + page + room - size;
    w->size = size;
    w->now = 1000000;
    w->side[DEV].next = w->side[DRV].next = w->published.next = -1;
}

static void world_init(World *w)
{
    world_init_size(w, SIZE);
}

static void world_free(World *w)
{
    munmap(w->area, w->area_size);
}

static void begin(World *w, Who who)
{
    Side *s = &w->side[who];
    VirtIOMSGV1Fault fault;

    fault = virtio_msg_ring_init_v1(&s->ring,
                                    who == DEV ? VIRTIO_MSG_RING_DEVICE_SIDE
                                               : VIRTIO_MSG_RING_DRIVER_SIDE,
                                    w->mem, w->size, &w->start, w->now);
    g_assert_cmpint(fault, ==, VIRTIO_MSG_V1_FINE);
    s->there = true;
    s->next = w->now;
    w->side[!who].rung = w->side[!who].there;
}

static void began(World *w, Who who, VirtIOMSGRingStep step)
{
    Side *s = &w->side[who];

    if (step.ring) {
        s->rings++;
        w->side[!who].rung = w->side[!who].there;
    }
    s->next = step.next_ms;
    switch (step.event) {
    case VIRTIO_MSG_RING_EVENT_UP:
        s->ups++;
        g_assert_true(virtio_msg_ring_is_up(&s->ring));
        break;
    case VIRTIO_MSG_RING_EVENT_DOWN:
        s->downs++;
        s->cause = step.cause;
        g_assert_false(virtio_msg_ring_is_up(&s->ring));
        g_assert_true(step.ring);
        began(w, who, virtio_msg_ring_cleaned(&s->ring, w->now));
        break;
    case VIRTIO_MSG_RING_EVENT_REWRITTEN:
        s->rewritten++;
        s->cause = step.cause;
        break;
    case VIRTIO_MSG_RING_EVENT_SLOW:
        s->slow++;
        break;
    case VIRTIO_MSG_RING_EVENT_REFUSED:
        s->refused++;
        break;
    default:
        break;
    }
}

static void look(World *w, Who who)
{
    Side *s = &w->side[who];

    s->rung = false;
    began(w, who, virtio_msg_ring_advance(&s->ring, w->now));
}

static void published_look(World *w);

/* Everybody whose time has come, until nobody is left */
static bool turn(World *w)
{
    bool any = false;
    int i;

    for (i = 0; i < 2; i++) {
        Side *s = &w->side[i];

        if (s->there && (s->rung || (s->next >= 0 && s->next <= w->now))) {
            look(w, i);
            any = true;
        }
    }
    if (w->published.there && w->published.next >= 0 &&
        w->published.next <= w->now) {
        published_look(w);
        any = true;
    }
    return any;
}

static void run(World *w, int64_t ms)
{
    int64_t end = w->now + ms;
    unsigned turns = 0;

    while (true) {
        int64_t next = INT64_MAX;
        int i;

        while (turn(w)) {
            /* Nobody rings for nothing */
            g_assert_cmpuint(++turns, <, 1000000);
        }
        for (i = 0; i < 2; i++) {
            if (w->side[i].there && w->side[i].next >= 0) {
                next = MIN(next, w->side[i].next);
            }
        }
        if (w->published.there && w->published.next >= 0) {
            next = MIN(next, w->published.next);
        }
        if (next > end) {
            break;
        }
        w->now = next;
    }
    w->now = end;
}

/* Both sides of ours, up */
static void world_up(World *w)
{
    begin(w, DEV);
    begin(w, DRV);
    run(w, 200);
    g_assert_true(virtio_msg_ring_is_up(&w->side[DEV].ring));
    g_assert_true(virtio_msg_ring_is_up(&w->side[DRV].ring));
}

/*
 * Messages
 */

/* One that can be told from every other */
static void fill(uint8_t *msg, size_t len, uint32_t seq)
{
    size_t i;

    for (i = 0; i < len; i++) {
        msg[i] = (seq * 0x9e3779b1u + i * 0x85ebca6bu) >> 13;
    }
}

static void put(World *w, Who who, uint32_t seq)
{
    VirtIOMSGRing *ring = &w->side[who].ring;
    size_t len = virtio_msg_ring_max_msg_size(ring);
    uint8_t msg[MAX_MSG];

    fill(msg, len, seq);
    g_assert_cmpint(virtio_msg_ring_put(ring, msg, len), ==,
                    VIRTIO_MSG_RING_OK);
}

static VirtIOMSGRingResult try_put(World *w, Who who)
{
    static const uint8_t msg[MAX_MSG] = { 1 };

    return virtio_msg_ring_put(&w->side[who].ring, msg, 8);
}

static void get(World *w, Who who, uint32_t seq)
{
    VirtIOMSGRing *ring = &w->side[who].ring;
    size_t len = virtio_msg_ring_max_msg_size(ring);
    uint8_t msg[MAX_MSG], want[MAX_MSG];

    fill(want, len, seq);
    g_assert_cmpint(virtio_msg_ring_get(ring, msg), ==, VIRTIO_MSG_RING_OK);
    g_assert_cmpmem(msg, len, want, len);
}

/* What is returned for want of a message; the room for one stays as it is */
static VirtIOMSGRingResult get_none(World *w, Who who)
{
    uint8_t msg[MAX_MSG], before[MAX_MSG];
    VirtIOMSGRingResult ret;

    memset(before, 0x5a, sizeof(before));
    memcpy(msg, before, sizeof(msg));
    ret = virtio_msg_ring_get(&w->side[who].ring, msg);
    g_assert_cmpint(ret, !=, VIRTIO_MSG_RING_OK);
    g_assert_cmpmem(msg, sizeof(msg), before, sizeof(before));
    return ret;
}

/* Nothing of before is there, and what is sent now arrives */
static void check_flow(World *w)
{
    uint32_t i;

    g_assert_cmpint(get_none(w, DEV), ==, VIRTIO_MSG_RING_EMPTY);
    g_assert_cmpint(get_none(w, DRV), ==, VIRTIO_MSG_RING_EMPTY);
    for (i = 0; i < 3; i++) {
        put(w, DEV, 100 + i);
        put(w, DRV, 200 + i);
    }
    g_assert_cmpuint(virtio_msg_ring_tx_used(&w->side[DEV].ring), ==, 3);
    g_assert_cmpuint(virtio_msg_ring_rx_used(&w->side[DEV].ring), ==, 3);
    for (i = 0; i < 3; i++) {
        get(w, DEV, 200 + i);
        get(w, DRV, 100 + i);
    }
    g_assert_cmpint(get_none(w, DEV), ==, VIRTIO_MSG_RING_EMPTY);
    g_assert_cmpint(get_none(w, DRV), ==, VIRTIO_MSG_RING_EMPTY);
}

/*
 * Published peers.  They look at the clock alone, and no more once in RUN.
 */

enum { P_LAYOUT, P_MAGIC, P_LEAVES, P_RUN, P_GONE };

static void published_places(World *w)
{
    Published *p = &w->published;
    uint64_t areas[2][2] = {
        { get64(w, 24), get64(w, 32) }, { get64(w, 48), get64(w, 56) },
    };

    p->own = areas[p->who][0];
    p->own_elements = areas[p->who][1];
    p->peer = areas[!p->who][0];
    p->peer_elements = areas[!p->who][1];
    p->num = get16(w, 10);
}

static void published_begin(World *w, Who who)
{
    Published *p = &w->published;

    *p = (Published) {
        .there = true,
        .who = who,
        .next = w->now,
        .interval = who == DEV ? 100 : 1500,
        .left = who == DEV ? 1000 : 300,
        .phase = P_LAYOUT,
    };
    if (who == DEV) {
        memset(w->mem, 0, w->size);
        set16(w, 2, 64);
        set16(w, 4, 1);
        set16(w, 10, (w->size - 0x50) / (2 * ELEMENT));
        set16(w, 12, ELEMENT);
        set64(w, 24, 0x40);
        set64(w, 32, 0x50);
        set64(w, 48, 0x48);
        set64(w, 56, 0x50 + get16(w, 10) * ELEMENT);
        set16(w, 0, 0x4c4f);
        published_places(w);
        set16(w, p->own, 0x514f);
        p->phase = P_MAGIC;
    }
}

static void published_wait_over(World *w, int phase)
{
    w->published.phase = phase;
    w->published.left = w->published.who == DEV ? w->published.left : 300;
}

static void published_look(World *w)
{
    Published *p = &w->published;

    p->next += p->interval;
    if (p->left-- == 0) {
        p->phase = P_GONE;
    }
    if (p->phase == P_LAYOUT && get16(w, 0) == 0x4c4f) {
        published_places(w);
        memset(w->mem + p->own_elements, 0, p->num * ELEMENT);
        set16(w, p->own + 2, INIT);
        set16(w, p->own, 0x514f);
        published_wait_over(w, P_MAGIC);
    }
    if (p->phase == P_MAGIC && get16(w, p->peer) == 0x514f) {
        set16(w, p->own + 4, 0);
        set16(w, p->own + 6, 0);
        set16(w, p->own + 2, READY);
        published_wait_over(w, P_LEAVES);
    }
    if ((p->phase == P_MAGIC || p->phase == P_LEAVES) &&
        get16(w, p->peer) == 0x514f && get16(w, p->peer + 2) > RUN) {
        p->phase = P_GONE;
    }
    if (p->phase == P_LEAVES && get16(w, p->peer + 2) != INIT) {
        set16(w, p->own + 2, RUN);
        p->phase = P_RUN;
        p->tail = p->head = 0;
    }
    if (p->phase >= P_RUN) {
        p->next = -1;
    }
}

static void published_put(World *w, uint32_t seq)
{
    Published *p = &w->published;

    g_assert_cmpint(p->phase, ==, P_RUN);
    g_assert_cmpuint((p->tail + 1) % p->num, !=, get16(w, p->peer + 6));
    fill(w->mem + p->own_elements + p->tail * ELEMENT, ELEMENT, seq);
    p->tail = (p->tail + 1) % p->num;
    set16(w, p->own + 4, p->tail);
}

static void published_get(World *w, uint32_t seq)
{
    Published *p = &w->published;
    uint8_t want[ELEMENT];

    g_assert_cmpint(p->phase, ==, P_RUN);
    g_assert_cmpuint(p->head, !=, get16(w, p->peer + 4));
    fill(want, ELEMENT, seq);
    g_assert_cmpmem(w->mem + p->peer_elements + p->head * ELEMENT, ELEMENT,
                    want, ELEMENT);
    p->head = (p->head + 1) % p->num;
    set16(w, p->own + 6, p->head);
}

static void published_empty(World *w)
{
    g_assert_cmpuint(w->published.head, ==, get16(w, w->published.peer + 4));
}

static void check_flow_published(World *w)
{
    Who who = !w->published.who;
    uint32_t i;

    published_empty(w);
    g_assert_cmpint(get_none(w, who), ==, VIRTIO_MSG_RING_EMPTY);
    for (i = 0; i < 3; i++) {
        put(w, who, 300 + i);
        published_put(w, 400 + i);
    }
    for (i = 0; i < 3; i++) {
        get(w, who, 400 + i);
        published_get(w, 300 + i);
    }
    published_empty(w);
    g_assert_cmpint(get_none(w, who), ==, VIRTIO_MSG_RING_EMPTY);
}

/*
 * Start
 */

static const char *dump(const World *w, unsigned from, unsigned lines,
                        GString *text)
{
    unsigned i;

    g_string_truncate(text, 0);
    for (i = 0; i < 16 * lines; i++) {
        g_string_append_printf(text, "%02x%c", w->mem[from + i],
                               i % 16 == 15 ? '\n' : ' ');
    }
    return text->str;
}

/* The dumps of the specification */
static void test_dump_ours(void)
{
    g_autoptr(GString) text = g_string_new("");
    World w;

    world_init(&w);
    memset(w.mem, 0xff, SIZE);
    w.start.options.notif = (VirtIOMSGNotifyShape) { .words = 2, .bits = 8 };
    w.start.options.masks = true;
    begin(&w, DEV);
    g_assert_cmpstr(dump(&w, 0, 4, text), ==,
                    "4f 4c 40 00 01 00 01 00 02 08 3d 00 40 00 00 00\n"
                    "c0 00 00 00 00 00 00 00 40 00 00 00 00 00 00 00\n"
                    "40 01 00 00 00 00 00 00 00 01 00 00 00 00 00 00\n"
                    "80 00 00 00 00 00 00 00 80 10 00 00 00 00 00 00\n");
    world_free(&w);

    world_init(&w);
    begin(&w, DEV);
    g_assert_cmpstr(dump(&w, 0, 4, text), ==,
                    "4f 4c 40 00 01 00 00 00 00 00 3e 00 40 00 00 00\n"
                    "00 00 00 00 00 00 00 00 40 00 00 00 00 00 00 00\n"
                    "c0 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00\n"
                    "80 00 00 00 00 00 00 00 40 10 00 00 00 00 00 00\n");
    world_free(&w);
}

/* Likewise, after one request of our driver side's and its answer */
static void test_dump_published(void)
{
    g_autoptr(GString) text = g_string_new("");
    World w;

    world_init(&w);
    published_begin(&w, DEV);
    begin(&w, DRV);
    run(&w, 1000);
    g_assert_true(virtio_msg_ring_is_up(&w.side[DRV].ring));
    put(&w, DRV, 1);
    published_get(&w, 1);
    published_put(&w, 2);
    get(&w, DRV, 2);
    g_assert_cmpstr(dump(&w, 0, 5, text), ==,
                    "4f 4c 40 00 01 00 00 00 00 00 3f 00 40 00 00 00\n"
                    "00 00 00 00 00 00 00 00 40 00 00 00 00 00 00 00\n"
                    "50 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00\n"
                    "48 00 00 00 00 00 00 00 10 10 00 00 00 00 00 00\n"
                    "4f 51 02 00 01 00 01 00 4f 51 02 00 01 00 01 00\n");
    world_free(&w);
}

/* What can be seen of a start at each of its barriers */
static struct {
    World *w;
    unsigned count;
    uint16_t layout[16], own[16];
    bool cleared[16];
    uint16_t status[16];
} seen;

static bool all_zero(const uint8_t *p, size_t len)
{
    while (len && !*p) {
        p++;
        len--;
    }
    return len == 0;
}

static void see(void)
{
    const World *w = seen.w;
    unsigned n = seen.count++;

    g_assert_cmpuint(n, <, G_N_ELEMENTS(seen.layout));
    seen.layout[n] = get16(w, 0);
    seen.own[n] = get16(w, DEV_HEAD);
    seen.status[n] = get16(w, DEV_HEAD + 2);
    seen.cleared[n] = all_zero(w->mem + 0x40, 8) &&
                      all_zero(w->mem + 0x80, 8) &&
                      all_zero(w->mem + 0xc0, 0x20) &&
                      all_zero(w->mem + 0x100, 0x20) &&
                      all_zero(w->mem + 0x140, 0x1fc0 - 0x140);
}

static void see_nothing(void)
{
}

/*
 * The magic is 0 while anything else changes; all is cleared when it is back;
 * and our head has its state before it has its own.
 */
static void test_start_order(void)
{
    static const VirtIOMSGRingBarriers barriers = {
        see_nothing, see, see_nothing,
    };
    unsigned i;
    World w;

    world_init(&w);
    w.start.options.notif = (VirtIOMSGNotifyShape) { .words = 2, .bits = 8 };
    w.start.barriers = &barriers;
    memset(w.mem, 0xff, SIZE);
    set16(&w, 0, 0x4c4f);
    set_head(&w, DEV_HEAD, 0x514f, SHUTDOWN, 7, 7);
    set_head(&w, DRV_HEAD, 0x514f, RUN, 7, 7);

    memset(&seen, 0, sizeof(seen));
    seen.w = &w;
    begin(&w, DEV);
    g_assert_cmpuint(seen.count, >=, 4);
    g_assert_cmphex(seen.layout[0], ==, 0);
    g_assert_false(seen.cleared[0]);
    for (i = 1; seen.layout[i] == 0; i++) {
        /* Before the magic is back */
        g_assert_cmpuint(i, <, seen.count);
    }
    g_assert_true(seen.cleared[i - 1]);
    g_assert_cmphex(seen.layout[i], ==, 0x4c4f);
    g_assert_cmphex(seen.own[i], ==, 0);
    /* The last one is between the state and our magic */
    g_assert_cmphex(seen.own[seen.count - 1], ==, 0);
    g_assert_cmphex(seen.status[seen.count - 1], ==, INIT);
    g_assert_cmphex(get16(&w, DEV_HEAD), ==, 0x514f);
    g_assert_true(all_zero(w.mem + DRV_HEAD, 8));
    g_assert_true(all_zero(w.mem + 0x140, SIZE - 0x140 - 0x40));
    world_free(&w);
}

/* L-14: our magic is there at once, before anything is waited for */
static void test_own_magic(void)
{
    World w;

    world_init(&w);
    begin(&w, DEV);
    g_assert_cmphex(get16(&w, DEV_HEAD), ==, 0x514f);
    g_assert_cmphex(status_of(&w, DEV), ==, INIT);

    begin(&w, DRV);
    look(&w, DRV);
    g_assert_cmphex(get16(&w, DRV_HEAD), ==, 0x514f);
    world_free(&w);
}

/* The driver side writes nothing before there is a layout, whatever is there */
static void test_driver_waits_for_layout(void)
{
    uint8_t before[SIZE];
    World w;

    world_init(&w);
    memset(w.mem, 0xc3, SIZE);
    memcpy(before, w.mem, SIZE);
    begin(&w, DRV);
    run(&w, 60 * 1000);
    g_assert_cmpmem(w.mem, SIZE, before, SIZE);
    g_assert_cmpstr(virtio_msg_ring_waits_for(&w.side[DRV].ring), ==,
                    "the device side to write its layout");
    begin(&w, DEV);
    run(&w, 300);
    g_assert_cmpuint(w.side[DRV].ups, ==, 1);
    check_flow(&w);
    world_free(&w);
}

/* L-09: refused for good, with what is wrong, and nothing is written */
static void test_driver_refuses(void)
{
    VirtIOMSGRingPending pending;
    VirtIOMSGNotifyMeaning m;
    uint8_t before[SIZE];
    World w;

    world_init(&w);
    begin(&w, DEV);
    w.side[DEV].there = false;
    set16(&w, 4, 2);
    set16(&w, 8, 255);
    memcpy(before, w.mem, SIZE);

    begin(&w, DRV);
    run(&w, 1000);
    g_assert_cmpuint(w.side[DRV].refused, ==, 1);
    g_assert_cmpint(w.side[DRV].next, ==, -1);
    g_assert_cmpint(virtio_msg_ring_fault(&w.side[DRV].ring), ==,
                    VIRTIO_MSG_V1_BAD_VERSION);
    g_assert_null(virtio_msg_ring_waits_for(&w.side[DRV].ring));

    /* Nor does it look again, as it said that it would not */
    set16(&w, 4, 1);
    set16(&w, 8, 0);
    memcpy(before, w.mem, SIZE);
    look(&w, DRV);
    virtio_msg_ring_shut_down(&w.side[DRV].ring);
    virtio_msg_ring_set_debugged(&w.side[DRV].ring, true);
    /* And nothing of it is used */
    g_assert_cmpuint(virtio_msg_ring_num_notif(&w.side[DRV].ring), ==, 0);
    virtio_msg_ring_take(&w.side[DRV].ring, &pending);
    while (virtio_msg_ring_next_pending(&w.side[DRV].ring, &pending, &m)) {
        g_assert_cmpint(m.kind, ==, VIRTIO_MSG_NOTIFY_MESSAGES);
    }
    g_assert_cmpmem(w.mem, SIZE, before, SIZE);
    g_assert_cmpint(try_put(&w, DRV), ==, VIRTIO_MSG_RING_NOT_UP);
    world_free(&w);
}

/* L-10: who has read a layout goes on with what was read and checked */
static void test_layout_is_read_once(void)
{
    World w;
    int i;

    world_init(&w);
    world_up(&w);
    memset(w.mem + 2, 0xff, 62);
    /* Past the end of the queues, too */
    for (i = 0; i < 62; i++) {
        check_flow(&w);
        run(&w, 1000);
    }
    g_assert_cmpuint(w.side[DRV].downs, ==, 0);
    g_assert_cmpuint(w.side[DEV].downs, ==, 0);
    world_free(&w);
}

static void test_too_small(void)
{
    VirtIOMSGRing ring;
    World w;

    world_init_size(&w, 0x140);
    g_assert_cmpint(virtio_msg_ring_init_v1(&ring, VIRTIO_MSG_RING_DEVICE_SIDE,
                                            w.mem, 0x138, &w.start, 0), ==,
                    VIRTIO_MSG_V1_NO_ROOM);
    g_assert_true(all_zero(w.mem, w.size));
    g_assert_cmpint(virtio_msg_ring_init_v1(&ring, VIRTIO_MSG_RING_DRIVER_SIDE,
                                            w.mem, 56, &w.start, 0), ==,
                    VIRTIO_MSG_V1_NO_ROOM);
    world_free(&w);
}

static void test_telling_apart(void)
{
    World w;

    world_init(&w);
    g_assert_false(virtio_msg_ring_has_v1(w.mem));
    set16(&w, 0, 0x4c4f);
    g_assert_false(virtio_msg_ring_has_v1(w.mem));
    set16(&w, 2, 64);
    g_assert_true(virtio_msg_ring_has_v1(w.mem));
    set16(&w, 0, 61);
    g_assert_false(virtio_msg_ring_has_v1(w.mem));
    begin(&w, DEV);
    g_assert_true(virtio_msg_ring_has_v1(w.mem));
    world_free(&w);
}

/*
 * Coming up
 */

/* Either order, at any distance; and each state is rung for (L-15) */
static void test_come_up(void)
{
    static const int64_t apart[] = { 0, 1, 99, 100, 101, 5000, 10 * 60 * 1000 };
    unsigned i, first;

    for (i = 0; i < G_N_ELEMENTS(apart); i++) {
        for (first = DEV; first <= DRV; first++) {
            World w;

            world_init(&w);
            begin(&w, first);
            run(&w, apart[i]);
            begin(&w, !first);
            run(&w, 300);
            g_assert_cmpuint(w.side[DEV].ups, ==, 1);
            g_assert_cmpuint(w.side[DRV].ups, ==, 1);
            g_assert_cmpuint(w.side[DEV].downs, ==, 0);
            g_assert_cmpuint(w.side[DRV].downs, ==, 0);
            g_assert_cmpuint(status_of(&w, DEV), ==, RUN);
            g_assert_cmpuint(status_of(&w, DRV), ==, RUN);
            /* READY and RUN at once are one ring */
            g_assert_cmpuint(w.side[DEV].rings, >=, 1);
            g_assert_cmpuint(w.side[DRV].rings, >=, 1);
            check_flow(&w);
            world_free(&w);
        }
    }
}

/* L-15: when to look again, and when to ring */
static void test_when_to_look(void)
{
    VirtIOMSGRingStep step;
    World w;

    world_init(&w);
    begin(&w, DEV);
    step = virtio_msg_ring_advance(&w.side[DEV].ring, w.now);
    g_assert_cmpint(step.event, ==, VIRTIO_MSG_RING_EVENT_NONE);
    g_assert_false(step.ring);
    g_assert_cmpint(step.next_ms, ==, w.now + 100);

    set_head(&w, DRV_HEAD, 0x514f, INIT, 0, 0);
    step = virtio_msg_ring_advance(&w.side[DEV].ring, w.now);
    g_assert_cmpint(step.event, ==, VIRTIO_MSG_RING_EVENT_NONE);
    g_assert_true(step.ring);
    g_assert_cmpint(step.next_ms, ==, w.now + 100);
    g_assert_cmpuint(status_of(&w, DEV), ==, READY);
    step = virtio_msg_ring_advance(&w.side[DEV].ring, w.now);
    g_assert_false(step.ring);
    g_assert_cmpuint(status_of(&w, DEV), ==, READY);

    set16(&w, DRV_HEAD + 2, READY);
    step = virtio_msg_ring_advance(&w.side[DEV].ring, w.now);
    g_assert_cmpint(step.event, ==, VIRTIO_MSG_RING_EVENT_UP);
    g_assert_true(step.ring);
    g_assert_cmpint(step.next_ms, ==, w.now + 1000);
    g_assert_cmpuint(status_of(&w, DEV), ==, RUN);
    step = virtio_msg_ring_advance(&w.side[DEV].ring, w.now);
    g_assert_cmpint(step.event, ==, VIRTIO_MSG_RING_EVENT_NONE);
    g_assert_false(step.ring);
    g_assert_cmpint(step.next_ms, ==, w.now + 1000);

    /* L-18 */
    set16(&w, DRV_HEAD, 0);
    step = virtio_msg_ring_advance(&w.side[DEV].ring, w.now);
    g_assert_cmpint(step.event, ==, VIRTIO_MSG_RING_EVENT_DOWN);
    g_assert_true(step.ring);
    g_assert_cmpint(step.next_ms, ==, -1);
    g_assert_cmpuint(status_of(&w, DEV), ==, SHUTDOWN);
    step = virtio_msg_ring_advance(&w.side[DEV].ring, w.now);
    g_assert_cmpint(step.event, ==, VIRTIO_MSG_RING_EVENT_NONE);
    g_assert_cmpuint(status_of(&w, DEV), ==, SHUTDOWN);
    step = virtio_msg_ring_cleaned(&w.side[DEV].ring, w.now);
    g_assert_true(step.ring);
    g_assert_cmpint(step.next_ms, ==, w.now + 100);
    g_assert_cmpuint(status_of(&w, DEV), ==, INIT);
    world_free(&w);
}

/* READY has head and tail at 0, whatever was there */
static void test_ready_at_0(void)
{
    World w;

    world_init(&w);
    world_up(&w);
    put(&w, DEV, 1);
    put(&w, DRV, 2);
    get(&w, DEV, 2);
    w.side[DRV].there = false;
    set_head(&w, DRV_HEAD, 0x514f, INIT, 0, 0);
    look(&w, DEV);
    g_assert_cmpuint(w.side[DEV].downs, ==, 1);
    look(&w, DEV);
    g_assert_cmpuint(status_of(&w, DEV), ==, READY);
    g_assert_cmpuint(get16(&w, DEV_HEAD + 4), ==, 0);
    g_assert_cmpuint(get16(&w, DEV_HEAD + 6), ==, 0);
    world_free(&w);
}

/* L-16: messages are neither sent nor read before RUN, nor after */
static void test_messages_only_in_run(void)
{
    VirtIOMSGRing *ring;
    World w;

    world_init(&w);
    begin(&w, DEV);
    ring = &w.side[DEV].ring;
    set_head(&w, DRV_HEAD, 0x514f, INIT, 3, 0);
    g_assert_cmpint(try_put(&w, DEV), ==, VIRTIO_MSG_RING_NOT_UP);
    g_assert_cmpint(get_none(&w, DEV), ==, VIRTIO_MSG_RING_NOT_UP);
    look(&w, DEV);
    g_assert_cmpuint(status_of(&w, DEV), ==, READY);
    g_assert_cmpint(try_put(&w, DEV), ==, VIRTIO_MSG_RING_NOT_UP);
    g_assert_cmpint(get_none(&w, DEV), ==, VIRTIO_MSG_RING_NOT_UP);
    virtio_msg_ring_discard(ring);
    g_assert_cmpuint(virtio_msg_ring_rx_used(ring), ==, 0);
    g_assert_cmpuint(virtio_msg_ring_tx_used(ring), ==, 0);
    g_assert_cmpuint(get16(&w, DEV_HEAD + 6), ==, 0);

    set_head(&w, DRV_HEAD, 0x514f, READY, 0, 0);
    look(&w, DEV);
    g_assert_cmpint(try_put(&w, DEV), ==, VIRTIO_MSG_RING_OK);
    g_assert_cmpint(get_none(&w, DEV), ==, VIRTIO_MSG_RING_EMPTY);

    virtio_msg_ring_shut_down(ring);
    g_assert_cmpint(try_put(&w, DEV), ==, VIRTIO_MSG_RING_NOT_UP);
    g_assert_cmpint(get_none(&w, DEV), ==, VIRTIO_MSG_RING_NOT_UP);
    world_free(&w);
}

/* L-17: a peer beyond RUN is waited for without end, and that is said once */
static void test_waits_without_end(void)
{
    static const struct {
        uint16_t status;
        const char *why;
    } waits[] = {
        { SHUTDOWN, "the peer to leave the state SHUTDOWN" },
        { PEER_DEAD, "the peer to leave the state PEER_DEAD" },
        { 31, "the peer to leave the state SHUTDOWN" },
    };
    unsigned i, slow_at;

    for (i = 0; i < G_N_ELEMENTS(waits); i++) {
        World w;

        world_init(&w);
        begin(&w, DEV);
        set_head(&w, DRV_HEAD, 0x514f, waits[i].status, 0, 0);
        for (slow_at = 0; !w.side[DEV].slow; slow_at++) {
            g_assert_cmpuint(slow_at, <=, 300);
            run(&w, 1000);
        }
        g_assert_cmpuint(slow_at, >=, 299);
        run(&w, 60 * 60 * 1000);
        g_assert_cmpuint(w.side[DEV].slow, ==, 1);
        g_assert_cmpstr(virtio_msg_ring_waits_for(&w.side[DEV].ring), ==,
                        waits[i].why);
        g_assert_cmpuint(status_of(&w, DEV), ==, INIT);

        set16(&w, DRV_HEAD + 2, INIT);
        run(&w, 100);
        set16(&w, DRV_HEAD + 2, READY);
        run(&w, 100);
        g_assert_cmpuint(w.side[DEV].ups, ==, 1);
        g_assert_null(virtio_msg_ring_waits_for(&w.side[DEV].ring));

        /* And once for each time */
        w.side[DEV].slow = 0;
        set16(&w, DRV_HEAD, 0);
        run(&w, 6 * 60 * 1000);
        g_assert_cmpuint(w.side[DEV].slow, ==, 1);
        g_assert_cmpstr(virtio_msg_ring_waits_for(&w.side[DEV].ring), ==,
                        "the driver side to start");
        world_free(&w);
    }
}

/* L-19: a peer in RUN is joined after 3 s, with both queues empty */
static void test_joins_a_peer_in_run(void)
{
    World w;

    world_init(&w);
    begin(&w, DEV);
    set_head(&w, DRV_HEAD, 0x514f, RUN, 5, 9);
    run(&w, 2950);
    g_assert_cmpuint(status_of(&w, DEV), ==, INIT);
    g_assert_cmpstr(virtio_msg_ring_waits_for(&w.side[DEV].ring), ==,
                    "the peer, in the state RUN, to notice us");

    /* It has to stay there */
    set16(&w, DRV_HEAD + 2, SHUTDOWN);
    run(&w, 200);
    set16(&w, DRV_HEAD + 2, RUN);
    run(&w, 2950);
    g_assert_cmpuint(status_of(&w, DEV), ==, INIT);

    /* Its magic, too */
    set16(&w, DRV_HEAD, 0);
    run(&w, 200);
    set16(&w, DRV_HEAD, 0x514f);
    run(&w, 2950);
    g_assert_cmpuint(status_of(&w, DEV), ==, INIT);

    run(&w, 300);
    g_assert_cmpuint(w.side[DEV].ups, ==, 1);
    g_assert_cmpuint(status_of(&w, DEV), ==, RUN);
    g_assert_cmpuint(get16(&w, DEV_HEAD + 4), ==, 9);
    g_assert_cmpuint(get16(&w, DEV_HEAD + 6), ==, 5);
    g_assert_cmpint(get_none(&w, DEV), ==, VIRTIO_MSG_RING_EMPTY);
    g_assert_cmpuint(virtio_msg_ring_tx_used(&w.side[DEV].ring), ==, 0);
    g_assert_cmpint(try_put(&w, DEV), ==, VIRTIO_MSG_RING_OK);
    world_free(&w);
}

/* L-19: its indices are checked; until they make sense, it is not joined */
static void test_joins_no_bad_indices(void)
{
    static const uint16_t bad[][2] = {
        { 62, 0 }, { 0, 62 }, { 0xffff, 0xffff }, { 0x8000, 3 },
    };
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(bad); i++) {
        World w;

        world_init(&w);
        begin(&w, DEV);
        set_head(&w, DRV_HEAD, 0x514f, RUN, bad[i][0], bad[i][1]);
        run(&w, 60 * 1000);
        g_assert_cmpuint(status_of(&w, DEV), ==, INIT);
        g_assert_cmpuint(get16(&w, DEV_HEAD + 4), ==, 0);
        g_assert_cmpuint(get16(&w, DEV_HEAD + 6), ==, 0);
        set_head(&w, DRV_HEAD, 0x514f, RUN, 61, 61);
        run(&w, 100);
        g_assert_cmpuint(status_of(&w, DEV), ==, RUN);
        world_free(&w);
    }
}

/*
 * Restarts
 */

static void tamper_peer_init(World *w)
{
    set16(w, DRV_HEAD + 2, INIT);
}

static void tamper_peer_ready(World *w)
{
    set16(w, DRV_HEAD + 2, READY);
}

static void tamper_peer_magic(World *w)
{
    set16(w, DRV_HEAD, 0);
}

static void tamper_layout_magic(World *w)
{
    set16(w, 0, 0);
}

static void tamper_own_magic(World *w)
{
    set16(w, DEV_HEAD, 0);
}

static void tamper_own_tail(World *w)
{
    set16(w, DEV_HEAD + 4, 0);
}

static void tamper_own_head(World *w)
{
    set16(w, DEV_HEAD + 6, 0);
}

/* Our tail is 3, and the peer has been seen at 2: it can be at 2 or 3 */
static void tamper_head_back(World *w)
{
    set16(w, DRV_HEAD + 6, 1);
}

static void tamper_head_ahead(World *w)
{
    set16(w, DRV_HEAD + 6, 4);
}

static void tamper_head_range(World *w)
{
    set16(w, DRV_HEAD + 6, 62);
}

static void tamper_tail_range(World *w)
{
    set16(w, DRV_HEAD + 4, 62);
}

static void tamper_peer_shutdown(World *w)
{
    set16(w, DRV_HEAD + 2, SHUTDOWN);
}

static void tamper_peer_gave_up(World *w)
{
    set16(w, DRV_HEAD + 2, PEER_DEAD);
}

static const struct {
    const char *what;
    void (*tamper)(World *w);
    VirtIOMSGRingCause cause;
    VirtIOMSGRingResult put;
} restarts[] = {
    { "RUN to INIT", tamper_peer_init,
      VIRTIO_MSG_RING_CAUSE_PEER_STATE, VIRTIO_MSG_RING_RESTARTED },
    { "RUN to READY", tamper_peer_ready,
      VIRTIO_MSG_RING_CAUSE_PEER_STATE, VIRTIO_MSG_RING_RESTARTED },
    { "peer's magic", tamper_peer_magic,
      VIRTIO_MSG_RING_CAUSE_PEER_MAGIC, VIRTIO_MSG_RING_RESTARTED },
    { "layout's magic", tamper_layout_magic,
      VIRTIO_MSG_RING_CAUSE_LAYOUT_GONE, VIRTIO_MSG_RING_RESTARTED },
    { "own magic", tamper_own_magic,
      VIRTIO_MSG_RING_CAUSE_OWN_MAGIC, VIRTIO_MSG_RING_RESTARTED },
    { "own tail", tamper_own_tail,
      VIRTIO_MSG_RING_CAUSE_OWN_INDEX, VIRTIO_MSG_RING_RESTARTED },
    { "own head", tamper_own_head,
      VIRTIO_MSG_RING_CAUSE_OWN_INDEX, VIRTIO_MSG_RING_RESTARTED },
    { "peer's head goes back", tamper_head_back,
      VIRTIO_MSG_RING_CAUSE_PEER_INDEX, VIRTIO_MSG_RING_BAD_INDEX },
    { "peer's head is ahead", tamper_head_ahead,
      VIRTIO_MSG_RING_CAUSE_PEER_INDEX, VIRTIO_MSG_RING_BAD_INDEX },
    { "peer's head out of range", tamper_head_range,
      VIRTIO_MSG_RING_CAUSE_PEER_INDEX, VIRTIO_MSG_RING_BAD_INDEX },
    { "peer's tail out of range", tamper_tail_range,
      VIRTIO_MSG_RING_CAUSE_PEER_INDEX, VIRTIO_MSG_RING_BAD_INDEX },
    { "peer's SHUTDOWN", tamper_peer_shutdown,
      VIRTIO_MSG_RING_CAUSE_PEER_SHUTDOWN, VIRTIO_MSG_RING_RESTARTED },
    { "peer's PEER_DEAD", tamper_peer_gave_up,
      VIRTIO_MSG_RING_CAUSE_PEER_GAVE_UP, VIRTIO_MSG_RING_RESTARTED },
};

/* The device side up, its tail at 3, its head at 1, the driver side's at 2 */
static void restart_world(World *w)
{
    uint32_t i;

    world_init(w);
    world_up(w);
    for (i = 0; i < 3; i++) {
        put(w, DEV, i);
    }
    get(w, DRV, 0);
    get(w, DRV, 1);
    put(w, DRV, 10);
    get(w, DEV, 10);
    look(w, DEV);
    g_assert_cmpuint(w->side[DEV].downs, ==, 0);
    w->side[DRV].there = false;
}

/* L-18, L-21: each sign of a restart, seen when it is looked for */
static void test_restart_is_seen(void)
{
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(restarts); i++) {
        VirtIOMSGRingStep step;
        World w;

        g_test_message("%s", restarts[i].what);
        restart_world(&w);
        restarts[i].tamper(&w);
        step = virtio_msg_ring_advance(&w.side[DEV].ring, w.now);
        g_assert_cmpint(step.event, ==, VIRTIO_MSG_RING_EVENT_DOWN);
        g_assert_cmpint(step.cause, ==, restarts[i].cause);
        g_assert_true(step.ring);
        g_assert_cmpuint(status_of(&w, DEV), ==, SHUTDOWN);
        g_assert_cmpint(try_put(&w, DEV), ==, VIRTIO_MSG_RING_NOT_UP);
        g_assert_cmpint(get_none(&w, DEV), ==, VIRTIO_MSG_RING_NOT_UP);
        g_assert_cmpstr(virtio_msg_ring_waits_for(&w.side[DEV].ring), ==,
                        "the devices to be reset");
        g_assert_nonnull(virtio_msg_ring_cause_text(step.cause));

        /*
         * At once INIT, and further with a peer that is READY; the layout is
         * written again only where it has to be.
         */
        w.now += 100;
        step = virtio_msg_ring_cleaned(&w.side[DEV].ring, w.now);
        g_assert_true(step.ring);
        g_assert_cmpuint(status_of(&w, DEV), ==,
                         restarts[i].tamper == tamper_peer_init ? READY :
                         restarts[i].tamper == tamper_peer_ready ? RUN : INIT);
        g_assert_cmphex(get16(&w, 0), ==, 0x4c4f);
        g_assert_cmphex(get16(&w, DEV_HEAD), ==, 0x514f);
        g_assert_cmpint(step.event == VIRTIO_MSG_RING_EVENT_REWRITTEN, ==,
                        restarts[i].tamper == tamper_layout_magic ||
                        restarts[i].tamper == tamper_own_magic);
        world_free(&w);
    }
}

/* L-15: and before each message is sent */
static void test_restart_is_seen_by_sending(void)
{
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(restarts); i++) {
        uint8_t before[SIZE];
        World w;

        g_test_message("%s", restarts[i].what);
        restart_world(&w);
        restarts[i].tamper(&w);
        memcpy(before, w.mem, SIZE);
        g_assert_cmpint(try_put(&w, DEV), ==, restarts[i].put);
        g_assert_cmpmem(w.mem, SIZE, before, SIZE);
        look(&w, DEV);
        g_assert_cmpuint(w.side[DEV].downs, ==, 1);
        g_assert_cmpint(w.side[DEV].cause, ==, restarts[i].cause);
        world_free(&w);
    }
}

/* A peer that we followed from READY can fall, too */
static void test_restart_from_ready(void)
{
    World w;

    world_init(&w);
    begin(&w, DEV);
    set_head(&w, DRV_HEAD, 0x514f, READY, 0, 0);
    look(&w, DEV);
    g_assert_cmpuint(w.side[DEV].ups, ==, 1);
    look(&w, DEV);
    g_assert_cmpuint(w.side[DEV].downs, ==, 0);
    set16(&w, DRV_HEAD + 2, INIT);
    look(&w, DEV);
    g_assert_cmpuint(w.side[DEV].downs, ==, 1);
    g_assert_cmpint(w.side[DEV].cause, ==, VIRTIO_MSG_RING_CAUSE_PEER_STATE);
    world_free(&w);
}

/* The window moves with the peer's head, around the end, and no further */
static void test_window(void)
{
    unsigned start, head;

    for (start = 0; start < 62; start++) {
        for (head = 0; head < 62; head++) {
            VirtIOMSGRing *ring;
            unsigned i;
            World w;

            world_init(&w);
            world_up(&w);
            ring = &w.side[DEV].ring;
            for (i = 0; i < start; i++) {
                put(&w, DEV, i);
                get(&w, DRV, i);
            }
            for (i = 0; i < 5; i++) {
                put(&w, DEV, i);
            }
            w.side[DRV].there = false;
            set16(&w, DRV_HEAD + 6, head);
            g_assert_cmpint(virtio_msg_ring_advance(ring, w.now).event, ==,
                            (head + 62 - start) % 62 <= 5
                            ? VIRTIO_MSG_RING_EVENT_NONE
                            : VIRTIO_MSG_RING_EVENT_DOWN);
            world_free(&w);
        }
    }
}

/* What else a peer writes is no restart */
static void test_no_restart(void)
{
    World w;

    restart_world(&w);
    set16(&w, DRV_HEAD + 2, RUN | 0x8000);
    look(&w, DEV);
    set16(&w, DRV_HEAD + 2, RUN | 0x7fe0);
    look(&w, DEV);
    set16(&w, DRV_HEAD + 4, 40);
    set16(&w, DRV_HEAD + 6, 3);
    look(&w, DEV);
    memset(w.mem + 2, 0xff, 62);
    look(&w, DEV);
    g_assert_cmpuint(w.side[DEV].downs, ==, 0);
    world_free(&w);
}

/* Any order of starts: both come up again, and nothing of before is there */
static void test_restarts_in_any_order(void)
{
    /* In units of 50 ms between one start and the next; bit n: who starts */
    static const int64_t apart[] = { 0, 50, 450, 2000, 5000 };
    unsigned order, i, n;

    for (i = 0; i < G_N_ELEMENTS(apart); i++) {
        for (order = 0; order < 32; order++) {
            World w;

            world_init(&w);
            world_up(&w);
            for (n = 0; n < 5; n++) {
                put(&w, DEV, n);
                put(&w, DRV, n);
                get(&w, DEV, n);
                begin(&w, order >> n & 1 ? DEV : DRV);
                if (order & 8) {
                    /* The other one is not rung, as after a crash */
                    w.side[DEV].rung = w.side[DRV].rung = false;
                }
                run(&w, apart[i]);
                if (n < 4 && !(virtio_msg_ring_is_up(&w.side[DEV].ring) &&
                               virtio_msg_ring_is_up(&w.side[DRV].ring))) {
                    run(&w, 6000);
                }
            }
            run(&w, 6000);
            g_assert_true(virtio_msg_ring_is_up(&w.side[DEV].ring));
            g_assert_true(virtio_msg_ring_is_up(&w.side[DRV].ring));
            check_flow(&w);
            run(&w, 10000);
            check_flow(&w);
            world_free(&w);
        }
    }
}

/* A device side of another shape, after which the driver side reads anew */
static void test_restart_with_another_shape(void)
{
    World w;

    world_init(&w);
    world_up(&w);
    g_assert_cmpuint(virtio_msg_ring_max_msg_size(&w.side[DRV].ring), ==, 64);
    w.start.options.element_size = 100;
    w.start.options.notif = (VirtIOMSGNotifyShape) { .words = 3, .bits = 4 };
    begin(&w, DEV);
    run(&w, 3000);
    g_assert_cmpuint(w.side[DRV].downs, ==, 1);
    g_assert_cmpuint(w.side[DRV].ups, ==, 2);
    g_assert_cmpuint(virtio_msg_ring_max_msg_size(&w.side[DRV].ring), ==, 100);
    g_assert_cmpuint(virtio_msg_ring_num_notif(&w.side[DRV].ring), ==, 3);
    check_flow(&w);
    world_free(&w);
}

/*
 * Something else writes over all of it, as a driver of the other layout does:
 * the device side writes it again, and not more often than it looks (L-32).
 */
static void test_layout_is_written_again(void)
{
    World w;

    world_init(&w);
    begin(&w, DEV);
    run(&w, 1000);
    memset(w.mem, 0, SIZE);
    set16(&w, 0, 1);
    look(&w, DEV);
    g_assert_cmpuint(w.side[DEV].rewritten, ==, 1);
    g_assert_cmpint(w.side[DEV].cause, ==,
                    VIRTIO_MSG_RING_CAUSE_LAYOUT_GONE);
    g_assert_cmpuint(w.side[DEV].ups, ==, 0);
    g_assert_cmphex(get16(&w, 0), ==, 0x4c4f);
    g_assert_cmphex(get16(&w, DEV_HEAD), ==, 0x514f);
    g_assert_cmpuint(status_of(&w, DEV), ==, INIT);

    /* However often it is rung */
    memset(w.mem, 0, SIZE);
    look(&w, DEV);
    look(&w, DEV);
    g_assert_cmphex(get16(&w, 0), ==, 0);
    run(&w, 100);
    g_assert_cmpuint(w.side[DEV].rewritten, ==, 2);

    begin(&w, DRV);
    run(&w, 300);
    check_flow(&w);
    world_free(&w);
}

/* A driver side that comes up loses the ground and finds it again */
static void test_device_starts_under_the_driver(void)
{
    World w;

    world_init(&w);
    begin(&w, DEV);
    w.side[DEV].there = false;
    begin(&w, DRV);
    set16(&w, DEV_HEAD, 0);
    run(&w, 1000);
    g_assert_cmpuint(status_of(&w, DRV), ==, INIT);
    g_assert_cmpstr(virtio_msg_ring_waits_for(&w.side[DRV].ring), ==,
                    "the device side to start");
    w.start.options.max_elements = 9;
    begin(&w, DEV);
    g_assert_cmphex(get16(&w, DRV_HEAD), ==, 0);
    run(&w, 300);
    g_assert_cmphex(get16(&w, DRV_HEAD), ==, 0x514f);
    check_flow(&w);
    g_assert_cmpuint(w.side[DRV].downs, ==, 0);
    world_free(&w);
}

/*
 * Going down
 */

/* L-20, L-21: who is told sends no more, cleans up, and waits in INIT */
static void test_shut_down(void)
{
    unsigned who;

    for (who = DEV; who <= DRV; who++) {
        Side *other;
        World w;

        world_init(&w);
        world_up(&w);
        other = &w.side[!who];
        put(&w, who, 1);
        virtio_msg_ring_shut_down(&w.side[who].ring);
        g_assert_cmpuint(status_of(&w, who), ==, SHUTDOWN);
        g_assert_cmpint(try_put(&w, !who), ==, VIRTIO_MSG_RING_RESTARTED);
        other->rung = true;
        run(&w, 10000);
        g_assert_cmpuint(status_of(&w, who), ==, SHUTDOWN);
        g_assert_cmpint(w.side[who].next, ==, -1);
        g_assert_cmpuint(other->downs, ==, 1);
        g_assert_cmpint(other->cause, ==,
                        VIRTIO_MSG_RING_CAUSE_PEER_SHUTDOWN);
        /* A peer that starts does not meet a state beyond RUN */
        g_assert_cmpuint(status_of(&w, !who), ==, INIT);

        begin(&w, who);
        run(&w, 300);
        check_flow(&w);
        world_free(&w);
    }
}

/* L-22 */
static void test_give_up(void)
{
    VirtIOMSGRing *ring;
    VirtIOMSGRingStep step;
    World w;

    restart_world(&w);
    ring = &w.side[DEV].ring;

    /* Never a peer that may be stopped in a debugger */
    set16(&w, DRV_HEAD + 2, RUN | 0x8000);
    g_assert_true(virtio_msg_ring_peer_debugged(ring));
    g_assert_false(virtio_msg_ring_give_up(ring));
    g_assert_cmpuint(status_of(&w, DEV), ==, RUN);
    set16(&w, DRV_HEAD + 2, RUN);
    g_assert_false(virtio_msg_ring_peer_debugged(ring));

    g_assert_true(virtio_msg_ring_give_up(ring));
    g_assert_cmpuint(status_of(&w, DEV), ==, PEER_DEAD);
    g_assert_false(virtio_msg_ring_give_up(ring));
    g_assert_cmpint(try_put(&w, DEV), ==, VIRTIO_MSG_RING_NOT_UP);
    step = virtio_msg_ring_advance(ring, w.now);
    g_assert_cmpint(step.next_ms, ==, -1);

    step = virtio_msg_ring_cleaned(ring, w.now);
    g_assert_cmpint(step.next_ms, ==, w.now + 100);
    g_assert_cmpuint(status_of(&w, DEV), ==, PEER_DEAD);
    g_assert_cmpstr(virtio_msg_ring_waits_for(ring), ==,
                    "the peer to start again");
    w.side[DEV].next = step.next_ms;
    run(&w, 60 * 1000);
    g_assert_cmpuint(status_of(&w, DEV), ==, PEER_DEAD);
    set16(&w, DRV_HEAD + 2, SHUTDOWN);
    run(&w, 1000);
    g_assert_cmpuint(status_of(&w, DEV), ==, PEER_DEAD);
    set16(&w, DRV_HEAD + 2, INIT);
    run(&w, 100);
    g_assert_cmpuint(status_of(&w, DEV), ==, READY);
    world_free(&w);

    /* Or READY, and then all goes on at once */
    restart_world(&w);
    g_assert_true(virtio_msg_ring_give_up(&w.side[DEV].ring));
    virtio_msg_ring_cleaned(&w.side[DEV].ring, w.now);
    set_head(&w, DRV_HEAD, 0x514f, READY, 0, 0);
    run(&w, 2000);
    g_assert_cmpuint(status_of(&w, DEV), ==, RUN);
    world_free(&w);
}

/* Between two of ours: who was given up notices, and both come back */
static void test_give_up_and_come_back(void)
{
    unsigned who;

    for (who = DEV; who <= DRV; who++) {
        World w;

        world_init(&w);
        world_up(&w);
        g_assert_true(virtio_msg_ring_give_up(&w.side[who].ring));
        began(&w, who, virtio_msg_ring_cleaned(&w.side[who].ring, w.now));
        run(&w, 2000);
        g_assert_cmpuint(w.side[!who].downs, ==, 1);
        g_assert_cmpint(w.side[!who].cause, ==,
                        VIRTIO_MSG_RING_CAUSE_PEER_GAVE_UP);
        check_flow(&w);
        world_free(&w);
    }
}

/* L-23: states that mean nothing yet are SHUTDOWN, and flags are no states */
static void test_unknown_states(void)
{
    unsigned state, flags;

    for (state = 5; state <= 31; state++) {
        World w;

        restart_world(&w);
        set16(&w, DRV_HEAD + 2, state);
        look(&w, DEV);
        g_assert_cmpuint(w.side[DEV].downs, ==, 1);
        g_assert_cmpint(w.side[DEV].cause, ==,
                        VIRTIO_MSG_RING_CAUSE_PEER_SHUTDOWN);
        run(&w, 10000);
        g_assert_cmpuint(status_of(&w, DEV), ==, INIT);
        world_free(&w);
    }
    for (flags = 0; flags < 16; flags++) {
        World w;

        world_init(&w);
        begin(&w, DEV);
        set_head(&w, DRV_HEAD, 0x514f, INIT | flags << 12, 0, 0);
        look(&w, DEV);
        g_assert_cmpuint(status_of(&w, DEV), ==, READY);
        set16(&w, DRV_HEAD + 2, READY | flags << 12);
        look(&w, DEV);
        g_assert_cmpuint(status_of(&w, DEV), ==, RUN);
        set16(&w, DRV_HEAD + 2, RUN | flags << 12);
        look(&w, DEV);
        g_assert_cmpuint(w.side[DEV].downs, ==, 0);
        set16(&w, DRV_HEAD + 2, SHUTDOWN | flags << 12);
        look(&w, DEV);
        g_assert_cmpuint(w.side[DEV].downs, ==, 1);
        world_free(&w);
    }
}

/* L-23: and ours stay with all that we write */
static void test_own_flag(void)
{
    VirtIOMSGRing *ring;
    World w;

    world_init(&w);
    w.start.debugged = true;
    begin(&w, DEV);
    ring = &w.side[DEV].ring;
    g_assert_cmphex(status_of(&w, DEV), ==, 0x8000 | INIT);
    set_head(&w, DRV_HEAD, 0x514f, INIT, 0, 0);
    look(&w, DEV);
    g_assert_cmphex(status_of(&w, DEV), ==, 0x8000 | READY);
    set_head(&w, DRV_HEAD, 0x514f, READY, 0, 0);
    look(&w, DEV);
    g_assert_cmphex(status_of(&w, DEV), ==, 0x8000 | RUN);
    virtio_msg_ring_set_debugged(ring, false);
    g_assert_cmphex(status_of(&w, DEV), ==, RUN);
    virtio_msg_ring_set_debugged(ring, true);
    g_assert_cmphex(status_of(&w, DEV), ==, 0x8000 | RUN);
    virtio_msg_ring_shut_down(ring);
    g_assert_cmphex(status_of(&w, DEV), ==, 0x8000 | SHUTDOWN);
    world_free(&w);

    /* A driver side without a layout has nowhere to say it yet */
    world_init(&w);
    begin(&w, DRV);
    virtio_msg_ring_set_debugged(&w.side[DRV].ring, true);
    g_assert_false(virtio_msg_ring_peer_debugged(&w.side[DRV].ring));
    g_assert_true(all_zero(w.mem, SIZE));
    w.start.debugged = false;
    begin(&w, DEV);
    run(&w, 300);
    g_assert_cmphex(status_of(&w, DRV), ==, 0x8000 | RUN);
    g_assert_true(virtio_msg_ring_peer_debugged(&w.side[DEV].ring));
    world_free(&w);
}

/*
 * Published peers
 */

/* Either order of starts */
static void test_published_comes_up(void)
{
    static const int64_t apart[] = { 0, 50, 3000, 60 * 1000 };
    unsigned i, who, first;

    for (i = 0; i < G_N_ELEMENTS(apart); i++) {
        for (who = DEV; who <= DRV; who++) {
            for (first = 0; first <= 1; first++) {
                World w;

                world_init(&w);
                if (first) {
                    begin(&w, !who);
                    run(&w, apart[i]);
                }
                published_begin(&w, who);
                run(&w, apart[i]);
                if (!first) {
                    begin(&w, !who);
                }
                run(&w, 6000);
                g_assert_cmpint(w.published.phase, ==, P_RUN);
                g_assert_cmpuint(w.side[!who].ups, ==, 1);
                check_flow_published(&w);
                run(&w, 10000);
                check_flow_published(&w);
                world_free(&w);
            }
        }
    }
}

/*
 * L-19: a published device side does not notice that our driver side has
 * started again, but goes on with it, however many messages have passed.
 */
static void test_published_device(void)
{
    unsigned n, i;
    World w;

    world_init(&w);
    published_begin(&w, DEV);
    begin(&w, DRV);
    run(&w, 6000);
    for (n = 0; n < 40; n++) {
        for (i = 0; i < n; i++) {
            put(&w, DRV, i);
            published_get(&w, i);
            published_put(&w, i);
        }
        begin(&w, DRV);
        run(&w, 2900);
        g_assert_false(virtio_msg_ring_is_up(&w.side[DRV].ring));
        run(&w, 300);
        g_assert_true(virtio_msg_ring_is_up(&w.side[DRV].ring));
        check_flow_published(&w);
    }
    world_free(&w);
}

/* L-18: our device side notices that a published driver side has restarted */
static void test_published_driver(void)
{
    unsigned n, i;
    World w;

    world_init(&w);
    begin(&w, DEV);
    published_begin(&w, DRV);
    run(&w, 6000);
    for (n = 1; n < 40; n++) {
        check_flow_published(&w);
        for (i = 0; i < n; i++) {
            published_put(&w, i);
            get(&w, DEV, i);
            put(&w, DEV, i);
        }
        published_begin(&w, DRV);
        run(&w, 10000);
        g_assert_cmpuint(w.side[DEV].downs, ==, n);
        g_assert_cmpuint(w.side[DEV].ups, ==, n + 1);
        check_flow_published(&w);
    }
    world_free(&w);
}

/* L-21: it meets no state beyond RUN, of which it would die */
static void test_published_driver_after_shutdown(void)
{
    World w;

    world_init(&w);
    begin(&w, DEV);
    published_begin(&w, DRV);
    run(&w, 6000);
    set16(&w, DRV_HEAD + 2, SHUTDOWN);
    w.published.there = false;
    run(&w, 2000);
    g_assert_cmpuint(w.side[DEV].downs, ==, 1);
    published_begin(&w, DRV);
    run(&w, 6000);
    g_assert_cmpint(w.published.phase, ==, P_RUN);
    check_flow_published(&w);
    world_free(&w);

    /* Nor what a device side that died has left */
    world_init(&w);
    begin(&w, DEV);
    virtio_msg_ring_shut_down(&w.side[DEV].ring);
    begin(&w, DEV);
    published_begin(&w, DRV);
    run(&w, 6000);
    check_flow_published(&w);
    world_free(&w);
}

/* L-33: a device side that starts again under a published driver side */
static void test_resume(void)
{
    unsigned n, i;
    World w;

    world_init(&w);
    w.start.resume = true;
    begin(&w, DEV);
    published_begin(&w, DRV);
    run(&w, 6000);
    for (n = 0; n < 40; n++) {
        uint8_t layout[64], driver[8], elements[0xf80];

        for (i = 0; i < n; i++) {
            published_put(&w, i);
            get(&w, DEV, i);
            put(&w, DEV, i);
        }
        while (virtio_msg_ring_tx_used(&w.side[DEV].ring)) {
            published_get(&w, i - virtio_msg_ring_tx_used(&w.side[DEV].ring));
        }
        memcpy(layout, w.mem, sizeof(layout));
        memcpy(driver, w.mem + DRV_HEAD, sizeof(driver));
        memcpy(elements, w.mem + 0x1040, sizeof(elements));
        begin(&w, DEV);
        g_assert_cmpuint(status_of(&w, DEV), ==, INIT);
        run(&w, 2900);
        g_assert_cmpuint(status_of(&w, DEV), ==, INIT);
        run(&w, 300);
        g_assert_cmpuint(status_of(&w, DEV), ==, RUN);
        g_assert_cmpmem(w.mem, sizeof(layout), layout, sizeof(layout));
        g_assert_cmpmem(w.mem + DRV_HEAD, sizeof(driver), driver,
                        sizeof(driver));
        g_assert_cmpmem(w.mem + 0x1040, sizeof(elements), elements,
                        sizeof(elements));
        check_flow_published(&w);
    }
    world_free(&w);
}

/* L-33: not without a driver side that is up, nor with another shape */
static void test_no_resume(void)
{
    static const struct {
        unsigned offset;
        uint16_t val;
    } changes[] = {
        { 0, 0 }, { 2, 65 }, { 10, 61 }, { 12, 63 }, { 14, 1 }, { 16, 8 },
        { DRV_HEAD, 0 }, { DRV_HEAD + 2, READY }, { DRV_HEAD + 2, SHUTDOWN },
        { DRV_HEAD + 2, INIT },
    };
    size_t i;

    for (i = 0; i <= G_N_ELEMENTS(changes); i++) {
        World w;

        world_init(&w);
        w.start.resume = i < G_N_ELEMENTS(changes);
        world_up(&w);
        put(&w, DRV, 1);
        if (w.start.resume) {
            set16(&w, changes[i].offset, changes[i].val);
        }
        begin(&w, DEV);
        g_assert_true(all_zero(w.mem + DRV_HEAD, 8));
        g_assert_true(all_zero(w.mem + 0xc0, SIZE - 0xc0));
        g_assert_cmphex(get16(&w, 0), ==, 0x4c4f);
        g_assert_cmphex(get16(&w, 2), ==, 64);
        world_free(&w);
    }
}

/* One of ours notices, and need not be waited for */
static void test_resume_under_ours(void)
{
    World w;

    world_init(&w);
    w.start.resume = true;
    world_up(&w);
    put(&w, DRV, 1);
    begin(&w, DEV);
    run(&w, 500);
    g_assert_cmpuint(w.side[DRV].downs, ==, 1);
    g_assert_cmpuint(w.side[DRV].ups, ==, 2);
    check_flow(&w);
    world_free(&w);
}

/* A peer that was taken for one that looks at nothing, and does after all */
static void test_joined_peer_notices(void)
{
    World w;

    world_init(&w);
    world_up(&w);
    put(&w, DRV, 1);
    /* It is stopped for a while, and then goes on */
    w.side[DRV].there = false;
    w.start.resume = true;
    begin(&w, DEV);
    run(&w, 3200);
    g_assert_true(virtio_msg_ring_is_up(&w.side[DEV].ring));
    w.side[DRV].there = true;
    run(&w, 3000);
    g_assert_true(virtio_msg_ring_is_up(&w.side[DRV].ring));
    g_assert_true(virtio_msg_ring_is_up(&w.side[DEV].ring));
    check_flow(&w);
    world_free(&w);
}

/*
 * Queues
 */

static void shape_queues(World *w, uint16_t element_size, uint16_t elements)
{
    world_init(w);
    w->start.options.element_size = element_size;
    w->start.options.max_elements = elements;
    world_up(w);
}

/* Every fill level at every position, one less than there are elements */
static void test_wrap(void)
{
    uint32_t sent = 0, taken = 0;
    unsigned level;
    World w;

    shape_queues(&w, 0, 7);
    for (level = 0; level < 7 * 6 * 3; level++) {
        while (sent - taken < level % 6 + 1) {
            put(&w, DEV, sent++);
        }
        if (level % 6 == 5) {
            uint8_t before[SIZE];

            memcpy(before, w.mem, SIZE);
            g_assert_cmpint(try_put(&w, DEV), ==, VIRTIO_MSG_RING_FULL);
            g_assert_cmpmem(w.mem, SIZE, before, SIZE);
        }
        g_assert_cmpuint(virtio_msg_ring_tx_used(&w.side[DEV].ring), ==,
                         level % 6 + 1);
        g_assert_cmpuint(virtio_msg_ring_rx_used(&w.side[DRV].ring), ==,
                         level % 6 + 1);
        while (taken < sent) {
            get(&w, DRV, taken++);
        }
        g_assert_cmpint(get_none(&w, DRV), ==, VIRTIO_MSG_RING_EMPTY);
        g_assert_cmpuint(get16(&w, DEV_HEAD + 4), ==, sent % 7);
        g_assert_cmpuint(get16(&w, DRV_HEAD + 6), ==, taken % 7);
        look(&w, DEV);
        g_assert_cmpuint(w.side[DEV].downs, ==, 0);
    }
    world_free(&w);
}

/* Two elements are the fewest, and hold one message */
static void test_two_elements(void)
{
    uint32_t i;
    World w;

    shape_queues(&w, 0, 2);
    for (i = 0; i < 10; i++) {
        put(&w, DRV, i);
        g_assert_cmpint(try_put(&w, DRV), ==, VIRTIO_MSG_RING_FULL);
        get(&w, DEV, i);
        g_assert_cmpint(get_none(&w, DEV), ==, VIRTIO_MSG_RING_EMPTY);
    }
    world_free(&w);
}

/* L-11: elements of any size, of which a message uses no more than 264 bytes */
static void test_element_sizes(void)
{
    static const uint16_t sizes[] = {
        1, 7, 8, 48, 52, 63, 64, 65, 100, 263, 264, 265, 1000,
    };
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(sizes); i++) {
        World w;

        shape_queues(&w, sizes[i], 0);
        g_assert_cmpuint(virtio_msg_ring_max_msg_size(&w.side[DEV].ring), ==,
                         MIN(sizes[i], 264));
        g_assert_cmpuint(virtio_msg_ring_max_msg_size(&w.side[DRV].ring), ==,
                         MIN(sizes[i], 264));
        if (sizes[i] > 100) {
            /* Few of them fit */
            put(&w, DEV, 1);
            get(&w, DRV, 1);
        } else {
            check_flow(&w);
        }
        world_free(&w);
    }
}

/* L-12: elements anywhere, and a message changes no byte of another */
static void test_unaligned_elements(void)
{
    unsigned at, i;

    for (at = 0; at < 16; at++) {
        uint8_t want[SIZE], msg[48];
        World w;

        world_init(&w);
        begin(&w, DEV);
        w.side[DEV].there = false;
        set16(&w, 10, 5);
        set16(&w, 12, 51);
        set64(&w, 32, 0x200 + at);
        set64(&w, 56, SIZE - 5 * 51 - at);
        begin(&w, DRV);
        look(&w, DRV);
        set16(&w, DEV_HEAD + 2, READY);
        look(&w, DRV);
        look(&w, DRV);
        g_assert_true(virtio_msg_ring_is_up(&w.side[DRV].ring));

        memset(w.mem + 0xc0, 0xc3, SIZE - 0xc0);
        for (i = 0; i < 4; i++) {
            memcpy(want, w.mem, SIZE);
            fill(msg, sizeof(msg), i);
            g_assert_cmpint(virtio_msg_ring_put(&w.side[DRV].ring, msg,
                                                sizeof(msg)), ==,
                            VIRTIO_MSG_RING_OK);
            memcpy(want + SIZE - 5 * 51 - at + i * 51, msg, sizeof(msg));
            memset(want + SIZE - 5 * 51 - at + i * 51 + 48, 0, 3);
            want[DRV_HEAD + 4] = i + 1;
            g_assert_cmpmem(w.mem, SIZE, want, SIZE);

            fill(w.mem + 0x200 + at + i * 51, 51, 70 + i);
            set16(&w, DEV_HEAD + 4, i + 1);
            get(&w, DRV, 70 + i);
        }
        world_free(&w);
    }
}

/* Each byte goes where it belongs, and no other is touched */
static void test_copies(void)
{
    QEMU_ALIGNED(8) uint8_t shared[80], want[80];
    uint8_t from[64], to[66];
    unsigned at, len;

    fill(from, sizeof(from), 5);
    for (at = 0; at < 16; at++) {
        for (len = 0; len <= sizeof(from); len++) {
            memset(shared, 0xee, sizeof(shared));
            memset(want, 0xee, sizeof(want));
            memcpy(want + at, from, len);
            ring_write(shared + at, from, len);
            g_assert_cmpmem(shared, sizeof(shared), want, sizeof(want));

            memset(to, 0x77, sizeof(to));
            ring_read(to + 1, shared + at, len);
            g_assert_cmpmem(to + 1, len, from, len);
            g_assert_cmphex(to[0], ==, 0x77);
            g_assert_cmphex(to[len + 1], ==, 0x77);

            memset(want + at, 0, len);
            ring_zero(shared + at, len);
            g_assert_cmpmem(shared, sizeof(shared), want, sizeof(want));
        }
    }
}

/* L-12: each access is aligned, and 8 bytes at most, and there is no other */
static void test_accesses(void)
{
    QEMU_ALIGNED(8) uint8_t mem[64];
    unsigned at, len;

    for (at = 0; at < 16; at++) {
        for (len = 1; len <= 40; len++) {
            uint8_t *p = mem + at;
            size_t left = len;

            while (left) {
                size_t size = ring_access_size(p, left);

                g_assert_cmpuint(size, >, 0);
                g_assert_cmpuint(size, <=, left);
                g_assert_cmpuint(size, <=, 8);
                g_assert_cmpuint(size & (size - 1), ==, 0);
                g_assert_cmpuint((uintptr_t)p % size, ==, 0);
                g_assert_cmpint(ring_is_aligned(p), ==,
                                (uintptr_t)p % sizeof(long) == 0);
                /* Not in bytes where that need not be */
                g_assert_true(size == sizeof(long) || 2 * size > left ||
                              (uintptr_t)p % (2 * size));
                p += size;
                left -= size;
            }
        }
    }
}

/* L-02: what is behind a message is 0, whatever was there */
static void test_rest_is_zeroed(void)
{
    static const size_t lengths[] = { 1, 8, 9, 52, 263, 264 };
    uint8_t msg[MAX_MSG], got[MAX_MSG];
    size_t i;
    World w;

    shape_queues(&w, 300, 0);
    for (i = 0; i < G_N_ELEMENTS(lengths); i++) {
        uint64_t at = get64(&w, 32) + i * 300;

        memset(w.mem + at, 0xee, MAX_MSG);
        fill(msg, sizeof(msg), i);
        g_assert_cmpint(virtio_msg_ring_put(&w.side[DEV].ring, msg,
                                            lengths[i]), ==,
                        VIRTIO_MSG_RING_OK);
        g_assert_cmpmem(w.mem + at, lengths[i], msg, lengths[i]);
        g_assert_true(all_zero(w.mem + at + lengths[i], 300 - lengths[i]));
        g_assert_cmpint(virtio_msg_ring_get(&w.side[DRV].ring, got), ==,
                        VIRTIO_MSG_RING_OK);
        g_assert_cmpmem(got, lengths[i], msg, lengths[i]);
    }
    world_free(&w);
}

/* L-01: an index out of range leads nowhere, and takes the link down */
static void test_bad_tail(void)
{
    static const uint16_t bad[] = { 62, 63, 64, 0x7fff, 0x8000, 0xffff };
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(bad); i++) {
        uint8_t before[SIZE];
        World w;

        restart_world(&w);
        set16(&w, DRV_HEAD + 4, bad[i]);
        memcpy(before, w.mem, SIZE);
        g_assert_cmpint(get_none(&w, DEV), ==, VIRTIO_MSG_RING_BAD_INDEX);
        g_assert_cmpuint(virtio_msg_ring_rx_used(&w.side[DEV].ring), ==, 0);
        virtio_msg_ring_discard(&w.side[DEV].ring);
        g_assert_cmpmem(w.mem, SIZE, before, SIZE);
        look(&w, DEV);
        g_assert_cmpuint(w.side[DEV].downs, ==, 1);
        g_assert_cmpint(w.side[DEV].cause, ==,
                        VIRTIO_MSG_RING_CAUSE_PEER_INDEX);
        world_free(&w);

        /* The other one, too */
        restart_world(&w);
        set16(&w, DRV_HEAD + 6, bad[i]);
        g_assert_cmpuint(virtio_msg_ring_tx_used(&w.side[DEV].ring), ==, 61);
        look(&w, DEV);
        g_assert_cmpuint(w.side[DEV].downs, ==, 1);
        world_free(&w);
    }
}

static void test_discard(void)
{
    uint32_t i;
    World w;

    world_init(&w);
    world_up(&w);
    for (i = 0; i < 30; i++) {
        put(&w, DEV, i);
    }
    virtio_msg_ring_discard(&w.side[DRV].ring);
    check_flow(&w);
    world_free(&w);
}

/* A peer that writes anything anywhere gets garbage, and no more than that */
static void test_garbage(void)
{
    GRand *rand = g_rand_new_with_seed(1);
    unsigned round, i;
    World w;

    world_init(&w);
    w.start.options.notif = (VirtIOMSGNotifyShape) { .words = 4, .bits = 8 };
    w.start.options.masks = true;
    world_up(&w);
    w.side[DRV].there = false;
    for (round = 0; round < 20000; round++) {
        VirtIOMSGRing *ring = &w.side[DEV].ring;
        VirtIOMSGRingPending pending;
        VirtIOMSGNotifyMeaning m;
        uint8_t msg[MAX_MSG];

        for (i = 0; i < 4; i++) {
            set16(&w, g_rand_int_range(rand, 0, SIZE / 2) * 2,
                  g_rand_int(rand));
        }
        if (round % 2) {
            set_head(&w, DRV_HEAD, 0x514f, g_rand_int_range(rand, 0, 6),
                     g_rand_int_range(rand, 0, 66),
                     g_rand_int_range(rand, 0, 66));
        }
        w.now += g_rand_int_range(rand, 0, 2000);
        look(&w, DEV);
        for (i = 0; i < 70; i++) {
            virtio_msg_ring_put(ring, msg, 1 + i % 64);
            virtio_msg_ring_get(ring, msg);
            g_assert_cmpuint(virtio_msg_ring_tx_used(ring), <, 65535);
            g_assert_cmpuint(virtio_msg_ring_rx_used(ring), <, 65535);
        }
        virtio_msg_ring_discard(ring);
        virtio_msg_ring_raise_queue(ring, round, 0);
        virtio_msg_ring_take(ring, &pending);
        for (i = 0; virtio_msg_ring_next_pending(ring, &pending, &m); i++) {
            g_assert_cmpuint(i, <, 4 * 64);
        }
    }
    g_assert_cmpuint(w.side[DEV].ups, >, 1);
    g_rand_free(rand);
    world_free(&w);
}

#define THREAD_MESSAGES 300000

static gpointer producer(gpointer opaque)
{
    World *w = opaque;
    uint32_t seq = 0;

    while (seq < THREAD_MESSAGES) {
        uint8_t msg[ELEMENT];
        VirtIOMSGRingResult ret;

        fill(msg, sizeof(msg), seq);
        ret = virtio_msg_ring_put(&w->side[DEV].ring, msg, sizeof(msg));
        if (ret == VIRTIO_MSG_RING_OK) {
            seq++;
        } else {
            g_assert_cmpint(ret, ==, VIRTIO_MSG_RING_FULL);
            g_thread_yield();
        }
    }
    return NULL;
}

/* L-03: nothing is lost, doubled, swapped or torn between two processors */
static void test_threads(void)
{
    GThread *thread;
    uint32_t seq = 0;
    World w;

    world_init(&w);
    world_up(&w);
    thread = g_thread_new("producer", producer, &w);
    while (seq < THREAD_MESSAGES) {
        uint8_t msg[ELEMENT], want[ELEMENT];
        VirtIOMSGRingResult ret = virtio_msg_ring_get(&w.side[DRV].ring, msg);

        if (ret == VIRTIO_MSG_RING_OK) {
            fill(want, sizeof(want), seq);
            /* Not g_assert_cmpmem(): so many calls of it show */
            if (memcmp(msg, want, sizeof(want))) {
                g_error("message %u arrived damaged", seq);
            }
            seq++;
        } else {
            g_assert_cmpint(ret, ==, VIRTIO_MSG_RING_EMPTY);
            g_thread_yield();
        }
    }
    g_thread_join(thread);
    world_free(&w);
}

/* L-03: what can be seen at the barriers of a message */
static struct {
    World *w;
    unsigned wmb;
    unsigned rmb;
} order;

static void order_put_wmb(void)
{
    uint8_t want[ELEMENT];

    fill(want, ELEMENT, 7);
    order.wmb++;
    g_assert_cmpmem(order.w->mem + 0xc0, ELEMENT, want, ELEMENT);
    g_assert_cmpuint(get16(order.w, DEV_HEAD + 4), ==, 0);
}

static void order_get_rmb(void)
{
    if (order.rmb++ == 0) {
        /* What the index promised arrives as late as it may */
        fill(order.w->mem + 0x1040, ELEMENT, 8);
    } else {
        /* The element has been read; it is still not free */
        memset(order.w->mem + 0x1040, 0xee, ELEMENT);
        g_assert_cmpuint(get16(order.w, DEV_HEAD + 6), ==, 0);
    }
}

static void order_nothing(void)
{
}

static void test_barriers(void)
{
    static const VirtIOMSGRingBarriers putting = {
        order_nothing, order_put_wmb, order_nothing,
    };
    static const VirtIOMSGRingBarriers getting = {
        order_get_rmb, order_nothing, order_nothing,
    };
    World w;

    world_init(&w);
    world_up(&w);
    memset(&order, 0, sizeof(order));
    order.w = &w;
    virtio_msg_ring_set_barriers(&w.side[DEV].ring, &putting);
    put(&w, DEV, 7);
    g_assert_cmpuint(order.wmb, ==, 1);

    put(&w, DRV, 99);
    virtio_msg_ring_set_barriers(&w.side[DEV].ring, &getting);
    get(&w, DEV, 8);
    g_assert_cmpuint(order.rmb, ==, 2);
    g_assert_cmpuint(get16(&w, DEV_HEAD + 6), ==, 1);
    world_free(&w);
}

/*
 * Notification words
 */

/* With 2 words of 8 bits and masks: tx, rx and mask of each side */
#define DEV_TX(n)   (0xc0 + 8 * (n))
#define DEV_RX(n)   (0xd0 + 8 * (n))
#define DEV_MASK(n) (0xe0 + 8 * (n))
#define DRV_TX(n)   (0x100 + 8 * (n))
#define DRV_RX(n)   (0x110 + 8 * (n))
#define DRV_MASK(n) (0x120 + 8 * (n))

#define CASCADE_1   (UINT64_C(1) << 63)

static void notify_world(World *w, unsigned words, unsigned bits)
{
    world_init(w);
    w->start.options.notif = (VirtIOMSGNotifyShape) {
        .words = words,
        .bits = bits,
    };
    w->start.options.masks = true;
    world_up(w);
    g_assert_cmpuint(virtio_msg_ring_num_notif(&w->side[DEV].ring), ==, words);
    g_assert_cmpuint(virtio_msg_ring_num_notif(&w->side[DRV].ring), ==, words);
}

/* What is pending for a side, each as text, in the order in which it is told */
static char *take(World *w, Who who)
{
    g_autoptr(GString) text = g_string_new("");
    VirtIOMSGRing *ring = &w->side[who].ring;
    VirtIOMSGRingPending pending;
    VirtIOMSGNotifyMeaning m;

    virtio_msg_ring_take(ring, &pending);
    while (virtio_msg_ring_next_pending(ring, &pending, &m)) {
        switch (m.kind) {
        case VIRTIO_MSG_NOTIFY_MESSAGES:
            g_string_append(text, "messages ");
            break;
        case VIRTIO_MSG_NOTIFY_REST:
            g_string_append(text, "rest ");
            break;
        case VIRTIO_MSG_NOTIFY_QUEUE:
            g_string_append_printf(text, "%u:%u ", m.dev, m.queue);
            break;
        case VIRTIO_MSG_NOTIFY_OTHERS:
            g_string_append_printf(text, "%u:%u.. ", m.dev, m.queue);
            break;
        case VIRTIO_MSG_NOTIFY_DEVICE:
            g_string_append_printf(text, "%u:* ", m.dev);
            break;
        default:
            g_assert_not_reached();
        }
    }
    return g_strdup(g_strchomp(text->str));
}

static void assert_taken(World *w, Who who, const char *want)
{
    g_autofree char *got = take(w, who);

    g_assert_cmpstr(got, ==, want);
}

static void raise_queue(World *w, Who who, uint16_t dev, uint16_t queue,
                        VirtIOMSGRingRaised want)
{
    g_assert_cmpint(virtio_msg_ring_raise_queue(&w->side[who].ring, dev,
                                                queue), ==, want);
}

/* L-25, L-26: rung for once, until it is taken; and each way for itself */
static void test_raise_and_take(void)
{
    unsigned who;

    for (who = DEV; who <= DRV; who++) {
        VirtIOMSGRing *ring;
        World w;
        int i;

        notify_world(&w, 1, 8);
        ring = &w.side[who].ring;
        assert_taken(&w, !who, "");
        for (i = 0; i < 3; i++) {
            g_assert_true(virtio_msg_ring_raise_messages(ring));
            g_assert_false(virtio_msg_ring_raise_messages(ring));
            raise_queue(&w, who, 2, 3, VIRTIO_MSG_RING_RAISED_RING);
            raise_queue(&w, who, 2, 3, VIRTIO_MSG_RING_RAISED);
            raise_queue(&w, who, 2, 70, VIRTIO_MSG_RING_RAISED_RING);
            raise_queue(&w, who, 2, 7, VIRTIO_MSG_RING_RAISED);
            raise_queue(&w, who, 12, 5, VIRTIO_MSG_RING_RAISED_RING);
            raise_queue(&w, who, 13, 5, VIRTIO_MSG_RING_RAISED_RING);
            raise_queue(&w, who, 999, 0, VIRTIO_MSG_RING_RAISED);
            assert_taken(&w, who, "");
            assert_taken(&w, !who, "messages rest 12:* 2:3 2:7..");
            assert_taken(&w, !who, "");
        }
        world_free(&w);
    }
}

/* L-25: a pending bit is not flipped back, and what stands in memory */
static void test_raise_in_memory(void)
{
    World w;

    notify_world(&w, 2, 8);
    raise_queue(&w, DEV, 1, 0, VIRTIO_MSG_RING_RAISED_RING);
    g_assert_cmphex(get64(&w, DEV_TX(1)), ==, 0x100);
    g_assert_cmphex(get64(&w, DEV_TX(0)), ==, CASCADE_1);
    raise_queue(&w, DEV, 1, 0, VIRTIO_MSG_RING_RAISED);
    g_assert_cmphex(get64(&w, DEV_TX(1)), ==, 0x100);
    g_assert_cmphex(get64(&w, DEV_TX(0)), ==, CASCADE_1);

    /* Another one of the same word finds the cascade pending */
    raise_queue(&w, DEV, 0, 0, VIRTIO_MSG_RING_RAISED_RING);
    g_assert_cmphex(get64(&w, DEV_TX(1)), ==, 0x101);
    g_assert_cmphex(get64(&w, DEV_TX(0)), ==, CASCADE_1);

    /* Taken: the driver side's rx are now what our tx are */
    assert_taken(&w, DRV, "0:0 1:0");
    g_assert_cmphex(get64(&w, DRV_RX(1)), ==, 0x101);
    g_assert_cmphex(get64(&w, DRV_RX(0)), ==, CASCADE_1);
    g_assert_cmphex(get64(&w, DRV_TX(0)), ==, 0);

    /* And the other way round: bits are pending by being different */
    raise_queue(&w, DEV, 0, 0, VIRTIO_MSG_RING_RAISED_RING);
    g_assert_cmphex(get64(&w, DEV_TX(1)), ==, 0x100);
    g_assert_cmphex(get64(&w, DEV_TX(0)), ==, 0);
    assert_taken(&w, DRV, "0:0");

    /* Without its cascade nobody looks at a word */
    set64(&w, DEV_TX(1), 0);
    assert_taken(&w, DRV, "");
    world_free(&w);
}

/* L-25: the word is there before its cascade */
static struct {
    World *w;
    unsigned count;
    uint64_t word0[8], word1[8];
} flips;

static void see_flip(void)
{
    g_assert_cmpuint(flips.count, <, G_N_ELEMENTS(flips.word0));
    flips.word0[flips.count] = get64(flips.w, DEV_TX(0));
    flips.word1[flips.count] = get64(flips.w, DEV_TX(1));
    flips.count++;
}

static void test_word_before_cascade(void)
{
    static const VirtIOMSGRingBarriers barriers = {
        order_nothing, see_flip, see_flip,
    };
    unsigned i;
    World w;

    notify_world(&w, 2, 8);
    memset(&flips, 0, sizeof(flips));
    flips.w = &w;
    virtio_msg_ring_set_barriers(&w.side[DEV].ring, &barriers);
    raise_queue(&w, DEV, 0, 0, VIRTIO_MSG_RING_RAISED_RING);
    see_flip();
    for (i = 0; !flips.word0[i]; i++) {
        g_assert_cmpuint(i, <, flips.count);
    }
    g_assert_cmpuint(i, >=, 2);
    g_assert_cmphex(flips.word1[i - 1], ==, 1);
    world_free(&w);
}

/*
 * L-26: a bit is acknowledged before what it stands for is looked at, with a
 * barrier between, and word 0 before the others: what is raised meanwhile is
 * pending again.
 */
static struct {
    World *w;
    unsigned mb;
} taking;

static void raise_again(void)
{
    World *w = taking.w;

    if (taking.mb++ == 0) {
        /* Word 0 has been acknowledged, and word 1 not been looked at */
        g_assert_cmphex(get64(w, DRV_RX(0)), ==, CASCADE_1 | 1);
        g_assert_cmphex(get64(w, DRV_RX(1)), ==, 0);
        raise_queue(w, DEV, 1, 0, VIRTIO_MSG_RING_RAISED_RING);
    } else {
        g_assert_cmphex(get64(w, DRV_RX(1)), ==, 0x101);
        raise_queue(w, DEV, 0, 0, VIRTIO_MSG_RING_RAISED_RING);
    }
}

static void test_acknowledged_first(void)
{
    static const VirtIOMSGRingBarriers barriers = {
        order_nothing, order_nothing, raise_again,
    };
    World w;

    notify_world(&w, 2, 8);
    g_assert_true(virtio_msg_ring_raise_messages(&w.side[DEV].ring));
    raise_queue(&w, DEV, 0, 0, VIRTIO_MSG_RING_RAISED_RING);
    memset(&taking, 0, sizeof(taking));
    taking.w = &w;
    virtio_msg_ring_set_barriers(&w.side[DRV].ring, &barriers);
    assert_taken(&w, DRV, "messages 0:0 1:0");
    g_assert_cmpuint(taking.mb, ==, 2);
    virtio_msg_ring_set_barriers(&w.side[DRV].ring, NULL);
    assert_taken(&w, DRV, "0:0");
    assert_taken(&w, DRV, "");
    world_free(&w);
}

/* L-25, L-26: a masked bit is raised without ringing, and not taken */
static void test_masks(void)
{
    VirtIOMSGRing *drv;
    World w;

    notify_world(&w, 2, 8);
    drv = &w.side[DRV].ring;
    g_assert_false(virtio_msg_ring_set_mask(drv, 1, 9, true));
    g_assert_cmphex(get64(&w, DRV_MASK(1)), ==, 0x200);
    raise_queue(&w, DEV, 1, 1, VIRTIO_MSG_RING_RAISED);
    g_assert_cmphex(get64(&w, DEV_TX(1)), ==, 0x200);
    assert_taken(&w, DRV, "");
    raise_queue(&w, DEV, 1, 2, VIRTIO_MSG_RING_RAISED_RING);
    assert_taken(&w, DRV, "1:2");

    /* No longer masked, it is pending, and nobody will ring for it */
    g_assert_true(virtio_msg_ring_set_mask(drv, 1, 9, false));
    g_assert_cmphex(get64(&w, DRV_MASK(1)), ==, 0);
    g_assert_false(virtio_msg_ring_set_mask(drv, 1, 10, false));
    raise_queue(&w, DEV, 1, 1, VIRTIO_MSG_RING_RAISED);
    raise_queue(&w, DEV, 0, 0, VIRTIO_MSG_RING_RAISED_RING);
    assert_taken(&w, DRV, "0:0 1:1");

    /* Neither the masks of the one who raises nor words beyond count */
    g_assert_false(virtio_msg_ring_set_mask(&w.side[DEV].ring, 1, 0, true));
    raise_queue(&w, DEV, 0, 0, VIRTIO_MSG_RING_RAISED_RING);
    g_assert_false(virtio_msg_ring_set_mask(drv, 2, 0, true));
    world_free(&w);

    /* A layout without them */
    world_init(&w);
    w.start.options.notif = (VirtIOMSGNotifyShape) { .words = 2, .bits = 8 };
    world_up(&w);
    memset(w.mem + 0xc0 + 4 * 8, 0xff, 2 * 8);
    memset(w.mem + 0x100 + 4 * 8, 0xff, 2 * 8);
    g_assert_false(virtio_msg_ring_set_mask(&w.side[DRV].ring, 0, 0, true));
    raise_queue(&w, DEV, 0, 0, VIRTIO_MSG_RING_RAISED_RING);
    assert_taken(&w, DRV, "0:0");
    world_free(&w);
}

/* L-24, L-27: without words, and with 64, which have no bit for the rest */
static void test_no_bit(void)
{
    World w;

    world_init(&w);
    world_up(&w);
    g_assert_cmpuint(virtio_msg_ring_num_notif(&w.side[DRV].ring), ==, 0);
    raise_queue(&w, DEV, 0, 0, VIRTIO_MSG_RING_NOT_RAISED);
    g_assert_true(virtio_msg_ring_raise_messages(&w.side[DEV].ring));
    g_assert_true(virtio_msg_ring_raise_messages(&w.side[DEV].ring));
    assert_taken(&w, DRV, "messages");
    world_free(&w);

    notify_world(&w, 64, 16);
    raise_queue(&w, DEV, 251, 99, VIRTIO_MSG_RING_RAISED_RING);
    raise_queue(&w, DEV, 252, 0, VIRTIO_MSG_RING_NOT_RAISED);
    assert_taken(&w, DRV, "251:15..");
    world_free(&w);
}

/* Every shape, every bit: what is raised is what is taken */
static void test_every_bit(void)
{
    static const uint8_t words[] = { 1, 2, 48, 62, 63, 64 };
    unsigned i, bits, dev, queue;

    for (i = 0; i < G_N_ELEMENTS(words); i++) {
        for (bits = 1; bits <= 16; bits *= 2) {
            World w;

            notify_world(&w, words[i], bits);
            for (dev = 0; dev < 300; dev += 7) {
                for (queue = 0; queue < 20; queue++) {
                    VirtIOMSGNotifyShape shape = {
                        .words = words[i],
                        .bits = bits,
                    };
                    g_autofree char *got = NULL;
                    g_autofree char *want = NULL;
                    VirtIOMSGNotifyMeaning m;
                    unsigned word, bit;

                    if (!virtio_msg_notify_find(shape, dev, queue, &word,
                                                &bit)) {
                        raise_queue(&w, DRV, dev, queue,
                                    VIRTIO_MSG_RING_NOT_RAISED);
                        continue;
                    }
                    raise_queue(&w, DRV, dev, queue,
                                VIRTIO_MSG_RING_RAISED_RING);
                    m = virtio_msg_notify_meaning(shape, word, bit);
                    want = m.kind == VIRTIO_MSG_NOTIFY_REST
                           ? g_strdup("rest")
                           : m.kind == VIRTIO_MSG_NOTIFY_DEVICE
                           ? g_strdup_printf("%u:*", dev)
                           : m.kind == VIRTIO_MSG_NOTIFY_OTHERS
                           ? g_strdup_printf("%u:%u..", dev, m.queue)
                           : g_strdup_printf("%u:%u", dev, queue);
                    got = take(&w, DEV);
                    g_assert_cmpstr(got, ==, want);
                }
            }
            world_free(&w);
        }
    }
}

/* Nothing is pending when a link comes up, whatever either side left */
static void test_words_at_start(void)
{
    unsigned who;

    for (who = DEV; who <= DRV; who++) {
        World w;

        notify_world(&w, 2, 8);
        raise_queue(&w, DEV, 0, 0, VIRTIO_MSG_RING_RAISED_RING);
        raise_queue(&w, DRV, 1, 1, VIRTIO_MSG_RING_RAISED_RING);
        virtio_msg_ring_set_mask(&w.side[DEV].ring, 0, 0, true);
        virtio_msg_ring_set_mask(&w.side[DRV].ring, 0, 0, true);
        begin(&w, who);
        run(&w, 5000);
        g_assert_cmpuint(w.side[!who].downs, ==, 1);
        g_assert_true(all_zero(w.mem + 0xc0, 0x80));
        assert_taken(&w, DEV, "");
        assert_taken(&w, DRV, "");
        raise_queue(&w, DEV, 0, 0, VIRTIO_MSG_RING_RAISED_RING);
        assert_taken(&w, DRV, "0:0");
        world_free(&w);
    }

    /* A peer that goes on where it was keeps its words */
    {
        World w;

        notify_world(&w, 2, 8);
        w.side[DRV].there = false;
        raise_queue(&w, DEV, 0, 0, VIRTIO_MSG_RING_RAISED_RING);
        raise_queue(&w, DRV, 1, 1, VIRTIO_MSG_RING_RAISED_RING);
        w.start.resume = true;
        begin(&w, DEV);
        run(&w, 3500);
        g_assert_true(virtio_msg_ring_is_up(&w.side[DEV].ring));
        assert_taken(&w, DEV, "");
        g_assert_cmphex(get64(&w, DEV_TX(0)), ==, get64(&w, DRV_RX(0)));
        g_assert_cmphex(get64(&w, DEV_TX(1)), ==, get64(&w, DRV_RX(1)));
        raise_queue(&w, DRV, 1, 1, VIRTIO_MSG_RING_RAISED_RING);
        assert_taken(&w, DEV, "1:1");
        world_free(&w);
    }
}

/* Words are for a link that is up */
static void test_words_when_down(void)
{
    World w;

    notify_world(&w, 2, 8);
    raise_queue(&w, DRV, 0, 0, VIRTIO_MSG_RING_RAISED_RING);
    virtio_msg_ring_shut_down(&w.side[DEV].ring);
    assert_taken(&w, DEV, "");
    raise_queue(&w, DEV, 0, 0, VIRTIO_MSG_RING_NOT_RAISED);
    g_assert_false(virtio_msg_ring_raise_messages(&w.side[DEV].ring));
    g_assert_false(virtio_msg_ring_set_mask(&w.side[DEV].ring, 0, 0, true));
    g_assert_true(all_zero(w.mem + 0xc0, 0x30));
    world_free(&w);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);

#define TEST(name, function) g_test_add_func("/virtio-msg/v1/" name, function)
    TEST("dump/ours", test_dump_ours);
    TEST("dump/published", test_dump_published);
    TEST("start/order", test_start_order);
    TEST("start/own-magic", test_own_magic);
    TEST("start/driver-waits-for-layout", test_driver_waits_for_layout);
    TEST("start/driver-refuses", test_driver_refuses);
    TEST("start/layout-is-read-once", test_layout_is_read_once);
    TEST("start/too-small", test_too_small);
    TEST("start/telling-apart", test_telling_apart);
    TEST("up/any-order", test_come_up);
    TEST("up/when-to-look", test_when_to_look);
    TEST("up/ready-at-0", test_ready_at_0);
    TEST("up/messages-only-in-run", test_messages_only_in_run);
    TEST("up/waits-without-end", test_waits_without_end);
    TEST("up/joins-a-peer-in-run", test_joins_a_peer_in_run);
    TEST("up/joins-no-bad-indices", test_joins_no_bad_indices);
    TEST("up/joined-peer-notices", test_joined_peer_notices);
    TEST("restart/is-seen", test_restart_is_seen);
    TEST("restart/is-seen-by-sending", test_restart_is_seen_by_sending);
    TEST("restart/from-ready", test_restart_from_ready);
    TEST("restart/window", test_window);
    TEST("restart/none", test_no_restart);
    TEST("restart/any-order", test_restarts_in_any_order);
    TEST("restart/another-shape", test_restart_with_another_shape);
    TEST("restart/layout-is-written-again", test_layout_is_written_again);
    TEST("restart/device-under-the-driver",
         test_device_starts_under_the_driver);
    TEST("down/shut-down", test_shut_down);
    TEST("down/give-up", test_give_up);
    TEST("down/give-up-and-come-back", test_give_up_and_come_back);
    TEST("states/unknown", test_unknown_states);
    TEST("states/own-flag", test_own_flag);
    TEST("published/comes-up", test_published_comes_up);
    TEST("published/device", test_published_device);
    TEST("published/driver", test_published_driver);
    TEST("published/driver-after-shutdown",
         test_published_driver_after_shutdown);
    TEST("resume/under-a-published-driver", test_resume);
    TEST("resume/not", test_no_resume);
    TEST("resume/under-ours", test_resume_under_ours);
    TEST("queue/wrap", test_wrap);
    TEST("queue/two-elements", test_two_elements);
    TEST("queue/element-sizes", test_element_sizes);
    TEST("queue/unaligned-elements", test_unaligned_elements);
    TEST("queue/copies", test_copies);
    TEST("queue/accesses", test_accesses);
    TEST("queue/rest-is-zeroed", test_rest_is_zeroed);
    TEST("queue/bad-tail", test_bad_tail);
    TEST("queue/discard", test_discard);
    TEST("queue/garbage", test_garbage);
    TEST("queue/threads", test_threads);
    TEST("queue/barriers", test_barriers);
    TEST("words/raise-and-take", test_raise_and_take);
    TEST("words/raise-in-memory", test_raise_in_memory);
    TEST("words/word-before-cascade", test_word_before_cascade);
    TEST("words/acknowledged-first", test_acknowledged_first);
    TEST("words/masks", test_masks);
    TEST("words/no-bit", test_no_bit);
    TEST("words/every-bit", test_every_bit);
    TEST("words/at-start", test_words_at_start);
    TEST("words/when-down", test_words_when_down);
#undef TEST

    return g_test_run();
}
