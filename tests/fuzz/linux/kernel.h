/*
 * What the Linux side needs of a kernel
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef TESTS_FUZZ_LINUX_KERNEL_H
#define TESTS_FUZZ_LINUX_KERNEL_H

/*
 * Included in front of everything else, in place of the headers of the kernel
 * that user space does not have.  Names and meanings are the kernel's.
 *
 * There is one processor and one thread.  Whatever sleeps calls kernel_sleep(),
 * from where the device side and works go on; interrupts come from there only.
 * Locks cannot be contended then, but that one is taken twice, or held by a
 * sleeper, is found.
 */

#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <glib.h>
#include <linux/types.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef unsigned long long u64;
typedef u64 phys_addr_t;

#define U16_MAX         UINT16_MAX
#define SMP_CACHE_BYTES 64
#define GFP_KERNEL      0

/* What a probe would find */
#define HAVE_VIRTQUEUE_INFO             1
#ifdef VIRTIO_F_NOTIFICATION_DATA
#define HAVE_VRING_NOTIFICATION_DATA    1
#endif
#define HAVE_HRTIMER_SETUP              1

#define IS_ENABLED(option)      (option)
#define CONFIG_PREEMPT_RT       0

/* Bytes and numbers */

#define cpu_to_le16(x)  htole16(x)
#define cpu_to_le32(x)  htole32(x)
#define cpu_to_le64(x)  htole64(x)
#define le16_to_cpu(x)  le16toh(x)
#define le32_to_cpu(x)  le32toh(x)
#define le64_to_cpu(x)  le64toh(x)

#define BIT(n)              (1UL << (n))
#define BIT_ULL(n)          (1ULL << (n))
#define DIV_ROUND_UP(n, d)  (((n) + (d) - 1) / (d))
#define ARRAY_SIZE(array)   G_N_ELEMENTS(array)
#define min(a, b)           MIN(a, b)
#define min_t(type, a, b)   MIN((type)(a), (type)(b))
#define max_t(type, a, b)   MAX((type)(a), (type)(b))
#define clamp(v, low, high) CLAMP(v, low, high)
#define rounddown_pow_of_two(n) (1U << (31 - __builtin_clz(n)))

#define container_of(ptr, type, member) \
    ((type *)((char *)(ptr) - offsetof(type, member)))

#define ERR_PTR(err)    ((void *)(intptr_t)(err))
#define PTR_ERR(ptr)    ((int)(intptr_t)(ptr))
#define IS_ERR(ptr)     ((uintptr_t)(ptr) >= (uintptr_t)-4095)

/* Memory accesses */

#define READ_ONCE(x)        __atomic_load_n(&(x), __ATOMIC_RELAXED)
#define WRITE_ONCE(x, val)  __atomic_store_n(&(x), (val), __ATOMIC_RELAXED)
#define xchg(p, val)        __atomic_exchange_n((p), (val), __ATOMIC_SEQ_CST)
#define try_cmpxchg(p, old, val)                        \
    __atomic_compare_exchange_n((p), (old), (val), false, \
                                __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)

#define virt_load_acquire(p)        __atomic_load_n((p), __ATOMIC_ACQUIRE)
#define virt_store_release(p, val)  \
    __atomic_store_n((p), (val), __ATOMIC_RELEASE)
#define virt_mb()                   __atomic_thread_fence(__ATOMIC_SEQ_CST)
/* There is one processor: the compiler's order is all the order there is */
#define smp_load_acquire            virt_load_acquire
#define smp_store_release           virt_store_release
#define smp_mb()                    __atomic_signal_fence(__ATOMIC_SEQ_CST)
#define smp_store_mb(x, val)        do { WRITE_ONCE(x, val); smp_mb(); } while (0)

typedef struct {
    int counter;
} atomic_t;

static inline void atomic_inc(atomic_t *v)
{
    v->counter++;
}

/* Bits */

#define LONG_BITS   (8 * sizeof(long))

static inline bool test_bit(unsigned long nr, const unsigned long *map)
{
    return map[nr / LONG_BITS] >> nr % LONG_BITS & 1;
}

static inline void set_bit(unsigned long nr, unsigned long *map)
{
    map[nr / LONG_BITS] |= BIT(nr % LONG_BITS);
}

static inline void clear_bit(unsigned long nr, unsigned long *map)
{
    map[nr / LONG_BITS] &= ~BIT(nr % LONG_BITS);
}

static inline bool test_and_set_bit(unsigned long nr, unsigned long *map)
{
    bool was = test_bit(nr, map);

    set_bit(nr, map);
    return was;
}

static inline bool test_and_clear_bit(unsigned long nr, unsigned long *map)
{
    bool was = test_bit(nr, map);

    clear_bit(nr, map);
    return was;
}

#define __set_bit(nr, map)          set_bit(nr, map)
#define __test_and_set_bit(nr, map) test_and_set_bit(nr, map)

#define bitmap_zalloc(bits, gfp) \
    ((unsigned long *)calloc(DIV_ROUND_UP(bits, LONG_BITS), sizeof(long)))
#define bitmap_free(map)    free(map)

static inline unsigned long find_next_bit(const unsigned long *map,
                                          unsigned long size, unsigned long nr)
{
    while (nr < size && !test_bit(nr, map)) {
        /* Most words are empty */
        nr = map[nr / LONG_BITS] >> nr % LONG_BITS
             ? nr + 1 : (nr / LONG_BITS + 1) * LONG_BITS;
    }
    return MIN(nr, size);
}

#define for_each_set_bit(nr, map, size)                     \
    for ((nr) = find_next_bit(map, size, 0); (nr) < (size); \
         (nr) = find_next_bit(map, size, (nr) + 1))

/* Memory */

#define kzalloc(size, gfp)      calloc(1, size)
#define kmalloc(size, gfp)      malloc(size)
#define kcalloc(n, size, gfp)   calloc(n, size)
#define kfree(ptr)              free(ptr)

/* Lists */

struct list_head {
    struct list_head *next, *prev;
};

static inline void INIT_LIST_HEAD(struct list_head *list)
{
    list->next = list->prev = list;
}

static inline bool list_empty(const struct list_head *list)
{
    return list->next == list;
}

#define list_empty_careful(list)    list_empty(list)

static inline void list_add_tail(struct list_head *item,
                                 struct list_head *list)
{
    item->next = list;
    item->prev = list->prev;
    list->prev->next = item;
    list->prev = item;
}

static inline void list_del_init(struct list_head *item)
{
    item->prev->next = item->next;
    item->next->prev = item->prev;
    INIT_LIST_HEAD(item);
}

#define list_item(ptr, pos, member) \
    container_of(ptr, __typeof__(*(pos)), member)

#define list_for_each_entry(pos, list, member)              \
    for ((pos) = list_item((list)->next, pos, member);      \
         &(pos)->member != (list);                          \
         (pos) = list_item((pos)->member.next, pos, member))

#define list_for_each_entry_safe(pos, n, list, member)      \
    for ((pos) = list_item((list)->next, pos, member),      \
         (n) = list_item((pos)->member.next, n, member);    \
         &(pos)->member != (list);                          \
         (pos) = (n), (n) = list_item((n)->member.next, n, member))

/* Hash tables: of one list */

struct hlist_node {
    struct list_head list;
};

#define DECLARE_HASHTABLE(name, bits)   struct list_head name
#define hash_init(table)                INIT_LIST_HEAD(&(table))
#define hash_add(table, node, key) \
    ((void)(key), list_add_tail(&(node)->list, &(table)))
#define hash_del(node)                  list_del_init(&(node)->list)
#define hash_for_each(table, bucket, pos, member) \
    (void)(bucket); list_for_each_entry(pos, &(table), member.list)
#define hash_for_each_possible(table, pos, member, key) \
    list_for_each_entry(pos, &(table), member.list)

/* Locks */

typedef struct {
    bool held;
} spinlock_t;

/* How many are held: nobody sleeps with one */
extern unsigned kernel_locks_held;

static inline void spin_lock_init(spinlock_t *lock)
{
    lock->held = false;
}

static inline void spin_lock(spinlock_t *lock)
{
    g_assert_false(lock->held);
    lock->held = true;
    kernel_locks_held++;
}

static inline void spin_unlock(spinlock_t *lock)
{
    g_assert_true(lock->held);
    lock->held = false;
    kernel_locks_held--;
}

#define lockdep_assert_held(lock)           g_assert_true((lock)->held)
#define spin_lock_irq(lock)                 spin_lock(lock)
#define spin_unlock_irq(lock)               spin_unlock(lock)
#define spin_lock_irqsave(lock, flags)      ((flags) = 0, spin_lock(lock))
#define spin_unlock_irqrestore(lock, flags) ((void)(flags), spin_unlock(lock))
/* Held by a sleeper, and then nothing that runs meanwhile may want it */
struct mutex {
    bool held;
};

static inline void mutex_init(struct mutex *mutex)
{
    mutex->held = false;
}

static inline void mutex_lock(struct mutex *mutex)
{
    g_assert_false(mutex->held);
    g_assert_cmpuint(kernel_locks_held, ==, 0);
    mutex->held = true;
}

static inline void mutex_unlock(struct mutex *mutex)
{
    g_assert_true(mutex->held);
    mutex->held = false;
}

#define local_bh_disable()                  do { } while (0)
#define local_bh_enable()                   do { } while (0)

/* Time and sleep */

extern unsigned long jiffies;

#define msecs_to_jiffies(ms)    ((unsigned long)(ms))
#define jiffies_to_nsecs(j)     ((j) * 1000000ULL)
#define ns_to_ktime(ns)         (ns)
#define time_before_eq(a, b)    ((long)((a) - (b)) <= 0)
#define time_before(a, b)       ((long)((a) - (b)) < 0)
#define time_after(a, b)        time_before(b, a)
#define time_after_eq(a, b)     time_before_eq(b, a)
#define MSEC_PER_SEC            1000L

/**
 * kernel_sleep: let others run
 * @left: jiffies that the caller wants to sleep at most
 *
 * Returns what is left of these, 0 if nothing more can happen.
 */
long kernel_sleep(long left);

#define msleep(ms)              ((void)kernel_sleep(ms))
#define usleep_range(from, to)  msleep((from) / 1000)

typedef struct {
    unsigned sleepers;
} wait_queue_head_t;

#define init_waitqueue_head(wq)     ((wq)->sleepers = 0)
#define waitqueue_active(wq)        ((wq)->sleepers != 0)
/* Whoever sleeps looks each time that something has happened */
#define wake_up_all(wq)             ((void)(wq))

#define wait_event_timeout(wq, condition, timeout) ({       \
    long left_ = (timeout);                                 \
    bool met_;                                              \
                                                            \
    (wq).sleepers++;                                        \
    while (!(met_ = (condition)) && left_) {                \
        left_ = kernel_sleep(left_);                        \
    }                                                       \
    (wq).sleepers--;                                        \
    met_ ? MAX(left_, 1) : 0;                               \
})

struct completion {
    bool done;
};

static inline void init_completion(struct completion *c)
{
    c->done = false;
}

static inline void complete(struct completion *c)
{
    c->done = true;
}

static inline bool completion_done(const struct completion *c)
{
    return c->done;
}

static inline bool try_wait_for_completion(struct completion *c)
{
    bool was = c->done;

    c->done = false;
    return was;
}

static inline long wait_for_completion_timeout(struct completion *c,
                                               long left)
{
    while (!c->done && left) {
        left = kernel_sleep(left);
    }
    return try_wait_for_completion(c) ? MAX(left, 1) : 0;
}

/*
 * Works: run when nobody else does, or while somebody sleeps.  One that waits
 * for others must not do the latter: the sleeper could be one of them, and
 * cannot go on before what runs on top of it has ended.
 */

struct work_struct {
    void (*func)(struct work_struct *work);
    struct list_head entry;         /* in the queue */
    unsigned long due;              /* jiffies */
    bool running;
    bool waits;
};

struct delayed_work {
    struct work_struct work;
};

struct workqueue_struct {
    bool waits;             /* its works do, for other works */
};

#define system_unbound_wq   ((struct workqueue_struct *)NULL)
#define WQ_UNBOUND          1
#define WQ_MEM_RECLAIM      2
#define WQ_MAX_ACTIVE       512

/**
 * kernel_alloc_workqueue: make a queue, which free() frees
 * @flags: without WQ_MEM_RECLAIM its works may wait for others
 */
static inline struct workqueue_struct *kernel_alloc_workqueue(unsigned flags)
{
    struct workqueue_struct *wq = calloc(1, sizeof(*wq));

    wq->waits = !(flags & WQ_MEM_RECLAIM);
    return wq;
}

#define alloc_workqueue(fmt, flags, ...)    kernel_alloc_workqueue(flags)
#define destroy_workqueue(wq)   free(wq)

#define INIT_WORK(w, f)     (INIT_LIST_HEAD(&(w)->entry), (w)->func = (f))
#define INIT_DELAYED_WORK(w, f)     INIT_WORK(&(w)->work, f)

/**
 * kernel_queue_work: have a work run
 * @wq: where, or NULL
 * @work: an initialized work; nothing happens if it is queued already
 * @delay: jiffies until it does
 */
void kernel_queue_work(struct workqueue_struct *wq, struct work_struct *work,
                       unsigned long delay);

/**
 * kernel_delay_work: have a work run, whether it is queued already or not
 * @wq: where, or NULL
 * @work: an initialized work
 * @delay: jiffies until it does
 */
void kernel_delay_work(struct workqueue_struct *wq, struct work_struct *work,
                       unsigned long delay);

/**
 * kernel_is_idle: whether no work is queued and no timer runs
 */
bool kernel_is_idle(void);

/**
 * kernel_run_works: run the works that are due, and those that they queue
 * @asleep: somebody sleeps: leave out those that run already and that wait
 */
void kernel_run_works(bool asleep);

/**
 * flush_work: wait until a work that is queued has run
 * @work: an initialized work
 */
void flush_work(struct work_struct *work);

/**
 * cancel_work_sync: take a work from the queue
 * @work: an initialized work, which must not be running: a waiter for it then
 *        would wait for ever
 */
void cancel_work_sync(struct work_struct *work);

#define queue_work(wq, w)   kernel_queue_work(wq, w, 0)
#define queue_delayed_work(wq, w, delay) \
    kernel_queue_work(wq, &(w)->work, delay)
#define mod_delayed_work(wq, w, delay) \
    kernel_delay_work(wq, &(w)->work, delay)
#define cancel_delayed_work_sync(w)         cancel_work_sync(&(w)->work)
#define flush_delayed_work(w)               flush_work(&(w)->work)
#define to_delayed_work(w)  container_of(w, struct delayed_work, work)

/* Timers: run like interrupts */

enum hrtimer_restart {
    HRTIMER_NORESTART,
    HRTIMER_RESTART,
};

struct hrtimer {
    enum hrtimer_restart (*function)(struct hrtimer *timer);
    struct list_head entry;         /* in the list of those that run */
    unsigned long due;              /* jiffies */
};

#ifndef CLOCK_MONOTONIC
#define CLOCK_MONOTONIC         1
#endif
#define HRTIMER_MODE_REL        1
#define HRTIMER_MODE_REL_HARD   9

#define hrtimer_setup(timer, f, clock, mode) \
    (INIT_LIST_HEAD(&(timer)->entry), (timer)->function = (f))
#define hrtimer_forward_now(timer, ns) \
    ((timer)->due = jiffies + (ns) / 1000000)
#define hrtimer_start(timer, ns, mode)  kernel_start_timer(timer, ns)

/**
 * kernel_start_timer: have a timer's function called
 * @timer: an initialized timer that does not run
 * @ns: nanoseconds until it is
 */
void kernel_start_timer(struct hrtimer *timer, u64 ns);

void hrtimer_cancel(struct hrtimer *timer);

/**
 * kernel_run_timers: call the functions of the timers that are due
 */
void kernel_run_timers(void);

/* Interrupts: their handlers are not called here, but the compiler checks them */

typedef enum {
    IRQ_NONE,
    IRQ_HANDLED,
    IRQ_WAKE_THREAD,
} irqreturn_t;

/* XArrays */

struct xarray {
    GTree *tree;
};

/* There is always memory */
#define xa_err(entry)       ((void)(entry), 0)
#define xa_is_err(entry)    ((void)(entry), false)

void xa_init(struct xarray *xa);
void xa_destroy(struct xarray *xa);
bool xa_empty(const struct xarray *xa);
void *xa_load(struct xarray *xa, unsigned long index);
void *xa_erase(struct xarray *xa, unsigned long index);
int xa_insert(struct xarray *xa, unsigned long index, void *entry, int gfp);
void *xa_store(struct xarray *xa, unsigned long index, void *entry, int gfp);

/**
 * kernel_xa_find: find the first entry from an index on
 * @xa: the array
 * @index: where to begin; receives the entry's index
 *
 * Returns the entry, or NULL if there is none.
 */
void *kernel_xa_find(struct xarray *xa, unsigned long *index);

#define xa_for_each(xa, index, entry)                                   \
    for ((index) = 0, (entry) = kernel_xa_find(xa, &(index)); (entry);  \
         (index)++, (entry) = kernel_xa_find(xa, &(index)))

/* Modules and devices */

struct module;

int kernel_load(void);
void kernel_unload(void);

#define THIS_MODULE                 NULL
#define KBUILD_MODNAME              "module"
#define __init
#define __exit
/* One module has these, and the target calls them */
#define module_init(function)   int kernel_load(void) { return function(); }
#define module_exit(function)   void kernel_unload(void) { function(); }
#define __module_get(module)        ((void)(module))
#define module_put(module)          ((void)(module))
#define module_param(name, type, perm)  _Static_assert(1, #name)
#define MODULE_PARM_DESC(name, text)    _Static_assert(1, text)
#define MODULE_DESCRIPTION(text)    _Static_assert(1, text)
#define MODULE_LICENSE(text)        _Static_assert(1, text)
#define EXPORT_SYMBOL_GPL(name)     _Static_assert(1, #name)

struct device {
    struct device *parent;
    void (*release)(struct device *dev);
    unsigned refs;
    int kobj;
};

#define sysfs_notify(kobj, dir, attr)   ((void)(kobj))
#define dev_set_drvdata(dev, data)      ((void)(dev))
/* Devices do not go here */
#define devm_add_action_or_reset(dev, action, data) ((void)(action), 0)

#define dev_name(dev)   ((void)(dev), "device")

#define HZ      1000

/* What must not be so */
#define WARN_ON_ONCE(condition) ({          \
    bool bad_ = (condition);                \
                                            \
    g_assert_false(bad_);                   \
    bad_;                                   \
})

/* Nobody counts lines */
#define DEFINE_RATELIMIT_STATE(name, interval, burst) \
    int name = (interval) && (burst)
#define __ratelimit(state)  (*(state))

/* The log: nobody reads it, but the compiler checks it */
#define pr_err(...)     do { if (0) { printf(__VA_ARGS__); } } while (0)
#define dev_info(dev, ...)  \
    do { (void)(dev); if (0) { printf(__VA_ARGS__); } } while (0)
#define dev_warn(dev, ...)              dev_info(dev, __VA_ARGS__)
#define dev_err(dev, ...)               dev_info(dev, __VA_ARGS__)
#define dev_warn_once(dev, ...)         dev_info(dev, __VA_ARGS__)
#define dev_err_ratelimited(dev, ...)   dev_info(dev, __VA_ARGS__)
#define dev_info_ratelimited(dev, ...)  dev_info(dev, __VA_ARGS__)
#define dev_warn_ratelimited(dev, ...)  dev_info(dev, __VA_ARGS__)

/* DMA addresses are physical ones */
#define IOMMU_DOMAIN_IDENTITY           0
struct iommu_domain;
#define get_dma_ops(dev)                ((void)(dev), false)
#define device_iommu_mapped(dev)        ((void)(dev), false)
#define iommu_get_domain_for_dev(dev)   ((void)(dev), (struct iommu_domain *)NULL)

static inline void get_device(struct device *dev)
{
    dev->refs++;
}

static inline void put_device(struct device *dev)
{
    g_assert_cmpuint(dev->refs, >, 0);
    if (--dev->refs == 0) {
        dev->release(dev);
    }
}

/* virtio */

struct virtio_device;
struct virtqueue;
struct irq_affinity;

typedef void vq_callback_t(struct virtqueue *vq);

struct virtqueue {
    struct list_head list;
    vq_callback_t *callback;
    bool (*notify)(struct virtqueue *vq);
    struct virtio_device *vdev;
    unsigned index;
    unsigned num;
    unsigned num_max;
    bool reset;
    bool broken;
    void *priv;
};

struct virtqueue_info {
    const char *name;
    vq_callback_t *callback;
    bool ctx;
};

struct virtio_shm_region {
    u64 addr;
    u64 len;
};

struct virtio_config_ops {
    void (*get)(struct virtio_device *vdev, unsigned offset, void *buf,
                unsigned len);
    void (*set)(struct virtio_device *vdev, unsigned offset, const void *buf,
                unsigned len);
    u32 (*generation)(struct virtio_device *vdev);
    u8 (*get_status)(struct virtio_device *vdev);
    void (*set_status)(struct virtio_device *vdev, u8 status);
    void (*reset)(struct virtio_device *vdev);
    int (*find_vqs)(struct virtio_device *vdev, unsigned nvqs,
                    struct virtqueue *vqs[], struct virtqueue_info vqs_info[],
                    struct irq_affinity *desc);
    void (*del_vqs)(struct virtio_device *vdev);
    void (*synchronize_cbs)(struct virtio_device *vdev);
    u64 (*get_features)(struct virtio_device *vdev);
    int (*finalize_features)(struct virtio_device *vdev);
    const char *(*bus_name)(struct virtio_device *vdev);
    int (*disable_vq_and_reset)(struct virtqueue *vq);
    int (*enable_vq_after_reset)(struct virtqueue *vq);
    bool (*get_shm_region)(struct virtio_device *vdev,
                           struct virtio_shm_region *region, u8 id);
};

struct virtio_device {
    struct {
        u32 device;
        u32 vendor;
    } id;
    struct device dev;
    const struct virtio_config_ops *config;
    u64 features;
    struct list_head vqs;
    unsigned config_changes;
};

#define dev_to_virtio(d)    container_of(d, struct virtio_device, dev)

static inline bool __virtio_test_bit(const struct virtio_device *vdev,
                                     unsigned bit)
{
    return vdev->features >> bit & 1;
}

static inline void __virtio_clear_bit(struct virtio_device *vdev,
                                      unsigned bit)
{
    vdev->features &= ~(1ULL << bit);
}

static inline void __virtio_set_bit(struct virtio_device *vdev, unsigned bit)
{
    vdev->features |= 1ULL << bit;
}

#define virtqueue_get_vring_size(vq)    ((vq)->num)
#define virtqueue_get_desc_addr(vq)     ((u64)(uintptr_t)(vq))
#define virtqueue_get_avail_addr(vq)    ((u64)(uintptr_t)(vq) + 0x1000)
#define virtqueue_get_used_addr(vq)     ((u64)(uintptr_t)(vq) + 0x2000)
#define vring_notification_data(vq)     ((vq)->index)
#define __virtqueue_break(vq)           ((vq)->broken = true)
#define virtio_config_changed(vdev)     ((vdev)->config_changes++)

struct virtqueue *vring_create_virtqueue(unsigned index, unsigned num,
                                         unsigned align,
                                         struct virtio_device *vdev,
                                         bool weak_barriers,
                                         bool may_reduce_num, bool ctx,
                                         bool (*notify)(struct virtqueue *vq),
                                         vq_callback_t *callback,
                                         const char *name);
void vring_del_virtqueue(struct virtqueue *vq);
void vring_interrupt(int irq, struct virtqueue *vq);
void vring_transport_features(struct virtio_device *vdev);
void virtio_break_device(struct virtio_device *vdev);
void __virtio_unbreak_device(struct virtio_device *vdev);

/*
 * These two are the target's: the driver that binds to each device, and is
 * done with it.
 */
int register_virtio_device(struct virtio_device *vdev);
void unregister_virtio_device(struct virtio_device *vdev);

#endif /* TESTS_FUZZ_LINUX_KERNEL_H */
