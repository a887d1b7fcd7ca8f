/*
 * virtio-msg message queues in shared memory: what the layouts have in common
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_VIRTIO_MSG_RING_INTERNAL_H
#define HW_VIRTIO_MSG_RING_INTERNAL_H

#include "hw/virtio/virtio-msg-ring.h"

/* What a layout does: see the functions of these names in the public header */
struct VirtIOMSGRingOps {
    VirtIOMSGRingResult (*put)(VirtIOMSGRing *ring, const void *msg,
                               size_t len);
    VirtIOMSGRingResult (*get)(VirtIOMSGRing *ring, void *msg);
    void (*discard)(VirtIOMSGRing *ring);
    unsigned (*tx_used)(const VirtIOMSGRing *ring);
    unsigned (*rx_used)(const VirtIOMSGRing *ring);
    unsigned (*capacity)(const VirtIOMSGRing *ring);
    bool (*valid)(const VirtIOMSGRing *ring);
    bool (*is_up)(const VirtIOMSGRing *ring);
    VirtIOMSGRingStep (*advance)(VirtIOMSGRing *ring, int64_t now_ms);

    /* What follows is NULL for a layout without states */
    void (*cleaned)(VirtIOMSGRing *ring);
    void (*shut_down)(VirtIOMSGRing *ring);
    bool (*give_up)(VirtIOMSGRing *ring);
    bool (*peer_debugged)(const VirtIOMSGRing *ring);
    const char *(*waits_for)(const VirtIOMSGRing *ring);

    /* And this for one without notification words */
    VirtIOMSGNotifyShape (*notif_shape)(const VirtIOMSGRing *ring);
    /* Called if there are words; returns whether to ring */
    bool (*raise)(VirtIOMSGRing *ring, unsigned word, unsigned bit);
    void (*take)(VirtIOMSGRing *ring, VirtIOMSGRingPending *pending);
    bool (*set_mask)(VirtIOMSGRing *ring, unsigned word, unsigned bit,
                     bool masked);
};

/*
 * Shared memory is accessed through what follows, and in no other way.  Each
 * access is aligned and takes 8 bytes at most, as Device memory asks for: the
 * memory functions, and plain loops of which the compiler makes such, may
 * access it unaligned or twice.
 *
 * The compiler's builtins rather than QEMU's wrappers: this also builds without
 * the rest of QEMU.
 */

/* The widest that every host does in one access */
typedef unsigned long RingWord;

static inline uint16_t ring_load16(const uint8_t *p)
{
    return GUINT16_FROM_LE(__atomic_load_n((const uint16_t *)p,
                                           __ATOMIC_ACQUIRE));
}

static inline uint32_t ring_load32(const uint8_t *p)
{
    return GUINT32_FROM_LE(__atomic_load_n((const uint32_t *)p,
                                           __ATOMIC_ACQUIRE));
}

static inline void ring_store16(uint8_t *p, uint16_t val)
{
    __atomic_store_n((uint16_t *)p, GUINT16_TO_LE(val), __ATOMIC_RELEASE);
}

static inline void ring_store32(uint8_t *p, uint32_t val)
{
    __atomic_store_n((uint32_t *)p, GUINT32_TO_LE(val), __ATOMIC_RELEASE);
}

/* What is behind the word that has been loaded is there, or free */
static inline void ring_rmb(const VirtIOMSGRing *ring)
{
    if (ring->barriers) {
        ring->barriers->rmb();
    }
}

/* What has been stored is there before the word that will be stored */
static inline void ring_wmb(const VirtIOMSGRing *ring)
{
    if (ring->barriers) {
        ring->barriers->wmb();
    }
}

/*
 * What has been stored is there before anything is loaded: release and acquire
 * do not see to that, in no memory.
 */
static inline void ring_mb(const VirtIOMSGRing *ring)
{
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    if (ring->barriers) {
        ring->barriers->mb();
    }
}

/* The widest aligned access at an address that stays within @len bytes */
static inline size_t ring_access_size(const uint8_t *shared, size_t len)
{
    size_t size = sizeof(RingWord);

    while (size > len || ((uintptr_t)shared & (size - 1))) {
        size /= 2;
    }
    return size;
}

/* Those accesses that are no words; they return how wide they were */

static inline size_t ring_write_narrow(uint8_t *to, const uint8_t *from,
                                       size_t len)
{
    size_t size = ring_access_size(to, len);
    uint32_t val32;
    uint16_t val16;

    if (size == sizeof(val32)) {
        memcpy(&val32, from, sizeof(val32));
        __atomic_store_n((uint32_t *)to, val32, __ATOMIC_RELAXED);
    } else if (size == sizeof(val16)) {
        memcpy(&val16, from, sizeof(val16));
        __atomic_store_n((uint16_t *)to, val16, __ATOMIC_RELAXED);
    } else {
        __atomic_store_n(to, *from, __ATOMIC_RELAXED);
    }
    return size;
}

static inline size_t ring_read_narrow(uint8_t *to, const uint8_t *from,
                                      size_t len)
{
    size_t size = ring_access_size(from, len);
    uint32_t val32;
    uint16_t val16;

    if (size == sizeof(val32)) {
        val32 = __atomic_load_n((const uint32_t *)from, __ATOMIC_RELAXED);
        memcpy(to, &val32, sizeof(val32));
    } else if (size == sizeof(val16)) {
        val16 = __atomic_load_n((const uint16_t *)from, __ATOMIC_RELAXED);
        memcpy(to, &val16, sizeof(val16));
    } else {
        *to = __atomic_load_n(from, __ATOMIC_RELAXED);
    }
    return size;
}

static inline bool ring_is_aligned(const uint8_t *shared)
{
    return ((uintptr_t)shared & (sizeof(RingWord) - 1)) == 0;
}

/**
 * ring_write: copy to shared memory
 * @to: where to, with any alignment (L-12)
 * @from: private memory
 * @len: bytes
 *
 * Stores each byte once.
 */
static inline void ring_write(uint8_t *to, const void *from, size_t len)
{
    const uint8_t *p = from;
    RingWord word;
    size_t size;

    for (; len && !ring_is_aligned(to); to += size, p += size, len -= size) {
        size = ring_write_narrow(to, p, len);
    }
    for (; len >= sizeof(word); len -= sizeof(word)) {
        memcpy(&word, p, sizeof(word));
        __atomic_store_n((RingWord *)to, word, __ATOMIC_RELAXED);
        to += sizeof(word);
        p += sizeof(word);
    }
    for (; len; to += size, p += size, len -= size) {
        size = ring_write_narrow(to, p, len);
    }
}

/**
 * ring_read: copy from shared memory
 * @to: private memory
 * @from: where from, with any alignment (L-12)
 * @len: bytes
 *
 * Loads each byte once.
 */
static inline void ring_read(void *to, const uint8_t *from, size_t len)
{
    uint8_t *p = to;
    RingWord word;
    size_t size;

    for (; len && !ring_is_aligned(from); from += size, p += size,
         len -= size) {
        size = ring_read_narrow(p, from, len);
    }
    for (; len >= sizeof(word); len -= sizeof(word)) {
        word = __atomic_load_n((const RingWord *)from, __ATOMIC_RELAXED);
        memcpy(p, &word, sizeof(word));
        from += sizeof(word);
        p += sizeof(word);
    }
    for (; len; from += size, p += size, len -= size) {
        size = ring_read_narrow(p, from, len);
    }
}

/**
 * ring_zero: clear shared memory
 * @to: with any alignment
 * @len: bytes
 */
static inline void ring_zero(uint8_t *to, size_t len)
{
    static const uint8_t zeros[64];

    while (len) {
        size_t size = MIN(len, sizeof(zeros));

        ring_write(to, zeros, size);
        to += size;
        len -= size;
    }
}

/* The index behind @index, of @num */
static inline unsigned ring_next(unsigned index, unsigned num)
{
    return index + 1 == num ? 0 : index + 1;
}

/* How many elements are from index @from to before index @to, of @num */
static inline unsigned ring_distance(unsigned from, unsigned to, unsigned num)
{
    return to >= from ? to - from : to + num - from;
}

#endif /* HW_VIRTIO_MSG_RING_INTERNAL_H */
