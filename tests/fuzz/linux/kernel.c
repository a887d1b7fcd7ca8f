/*
 * What the Linux side needs of a kernel
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "kernel.h"

unsigned kernel_locks_held;
unsigned long jiffies;

/*
 * Works
 */

static struct list_head works = { &works, &works };

void kernel_queue_work(struct workqueue_struct *wq, struct work_struct *work,
                       unsigned long delay)
{
    if (list_empty(&work->entry)) {
        work->waits = wq && wq->waits;
        work->due = jiffies + delay;
        list_add_tail(&work->entry, &works);
    }
}

void kernel_delay_work(struct workqueue_struct *wq, struct work_struct *work,
                       unsigned long delay)
{
    kernel_queue_work(wq, work, delay);
    work->due = jiffies + delay;
}

static void run_work(struct work_struct *work)
{
    list_del_init(&work->entry);
    work->running = true;
    work->func(work);
    work->running = false;
    g_assert_cmpuint(kernel_locks_held, ==, 0);
}

static struct work_struct *next_work(bool asleep)
{
    struct work_struct *work;

    list_for_each_entry(work, &works, entry) {
        if (time_before_eq(work->due, jiffies) &&
            (!asleep || (!work->running && !work->waits))) {
            return work;
        }
    }
    return NULL;
}

void kernel_run_works(bool asleep)
{
    struct work_struct *work;

    g_assert_cmpuint(kernel_locks_held, ==, 0);
    while ((work = next_work(asleep))) {
        run_work(work);
    }
}

void flush_work(struct work_struct *work)
{
    g_assert_false(work->running);
    g_assert_cmpuint(kernel_locks_held, ==, 0);
    if (!list_empty(&work->entry)) {
        run_work(work);
    }
}

void cancel_work_sync(struct work_struct *work)
{
    g_assert_false(work->running);
    g_assert_cmpuint(kernel_locks_held, ==, 0);
    if (!list_empty(&work->entry)) {
        list_del_init(&work->entry);
    }
}

/*
 * Timers
 */

static struct list_head timers = { &timers, &timers };

void kernel_start_timer(struct hrtimer *timer, u64 ns)
{
    g_assert_true(list_empty(&timer->entry));
    list_add_tail(&timer->entry, &timers);
    hrtimer_forward_now(timer, ns);
}

void hrtimer_cancel(struct hrtimer *timer)
{
    if (!list_empty(&timer->entry)) {
        list_del_init(&timer->entry);
    }
}

void kernel_run_timers(void)
{
    struct hrtimer *timer, *next;

    list_for_each_entry_safe(timer, next, &timers, entry) {
        if (time_before_eq(timer->due, jiffies) &&
            timer->function(timer) == HRTIMER_NORESTART) {
            list_del_init(&timer->entry);
        }
        g_assert_cmpuint(kernel_locks_held, ==, 0);
    }
}

bool kernel_is_idle(void)
{
    return list_empty(&works) && list_empty(&timers);
}

/*
 * XArrays
 */

static gint compare_indices(gconstpointer a, gconstpointer b)
{
    return GPOINTER_TO_SIZE(a) < GPOINTER_TO_SIZE(b) ? -1 :
           GPOINTER_TO_SIZE(a) > GPOINTER_TO_SIZE(b);
}

void xa_init(struct xarray *xa)
{
    xa->tree = g_tree_new(compare_indices);
}

void xa_destroy(struct xarray *xa)
{
    g_tree_destroy(xa->tree);
    xa->tree = NULL;
}

bool xa_empty(const struct xarray *xa)
{
    return g_tree_nnodes(xa->tree) == 0;
}

void *xa_load(struct xarray *xa, unsigned long index)
{
    return g_tree_lookup(xa->tree, GSIZE_TO_POINTER(index));
}

void *xa_erase(struct xarray *xa, unsigned long index)
{
    void *old = xa_load(xa, index);

    g_tree_remove(xa->tree, GSIZE_TO_POINTER(index));
    return old;
}

int xa_insert(struct xarray *xa, unsigned long index, void *entry, int gfp)
{
    (void)gfp;
    if (xa_load(xa, index)) {
        return -EBUSY;
    }
    g_tree_insert(xa->tree, GSIZE_TO_POINTER(index), entry);
    return 0;
}

void *xa_store(struct xarray *xa, unsigned long index, void *entry, int gfp)
{
    void *old = xa_erase(xa, index);

    xa_insert(xa, index, entry, gfp);
    return old;
}

typedef struct Find {
    unsigned long from;
    unsigned long index;
    void *entry;
} Find;

static gboolean find_from(gpointer key, gpointer value, gpointer opaque)
{
    Find *find = opaque;

    if (GPOINTER_TO_SIZE(key) < find->from) {
        return FALSE;
    }
    find->index = GPOINTER_TO_SIZE(key);
    find->entry = value;
    return TRUE;
}

void *kernel_xa_find(struct xarray *xa, unsigned long *index)
{
    Find find = { .from = *index };

    g_tree_foreach(xa->tree, find_from, &find);
    if (find.entry) {
        *index = find.index;
    }
    return find.entry;
}

/*
 * Virtqueues: nothing is ever put into one
 */

struct virtqueue *vring_create_virtqueue(unsigned index, unsigned num,
                                         unsigned align,
                                         struct virtio_device *vdev,
                                         bool weak_barriers,
                                         bool may_reduce_num, bool ctx,
                                         bool (*notify)(struct virtqueue *vq),
                                         vq_callback_t *callback,
                                         const char *name)
{
    struct virtqueue *vq = calloc(1, sizeof(*vq));

    (void)align, (void)weak_barriers, (void)may_reduce_num, (void)ctx;
    (void)name;
    g_assert_cmpuint(num, >, 0);
    g_assert_cmpuint(num, <=, 32768);
    vq->vdev = vdev;
    vq->index = index;
    vq->num = num;
    vq->notify = notify;
    vq->callback = callback;
    list_add_tail(&vq->list, &vdev->vqs);
    return vq;
}

void vring_del_virtqueue(struct virtqueue *vq)
{
    list_del_init(&vq->list);
    free(vq);
}

void vring_interrupt(int irq, struct virtqueue *vq)
{
    (void)irq;
    if (!vq->broken) {
        vq->callback(vq);
    }
}

void vring_transport_features(struct virtio_device *vdev)
{
    u64 transport = 0;
    unsigned bit;

    for (bit = VIRTIO_TRANSPORT_F_START; bit < VIRTIO_TRANSPORT_F_END; bit++) {
        transport |= 1ULL << bit;
    }
    transport &= ~(1ULL << VIRTIO_F_VERSION_1 |
                   1ULL << VIRTIO_F_ACCESS_PLATFORM |
                   1ULL << VIRTIO_F_RING_PACKED |
                   1ULL << VIRTIO_F_ORDER_PLATFORM);
    vdev->features &= ~transport;
}

static void set_broken(struct virtio_device *vdev, bool broken)
{
    struct virtqueue *vq;

    list_for_each_entry(vq, &vdev->vqs, list) {
        vq->broken = broken;
    }
}

void virtio_break_device(struct virtio_device *vdev)
{
    set_broken(vdev, true);
}

void __virtio_unbreak_device(struct virtio_device *vdev)
{
    set_broken(vdev, false);
}
