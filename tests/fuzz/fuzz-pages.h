/*
 * Shared pages for fuzzers of message queues
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef TESTS_FUZZ_PAGES_H
#define TESTS_FUZZ_PAGES_H

#include "fuzz-input.h"
#include "hw/virtio/virtio-msg-ring.h"

#define FUZZ_PAGE   VIRTIO_MSG_SPSC_PAGE_SIZE
#define FUZZ_SLOT   VIRTIO_MSG_RING_SLOT_SIZE

/**
 * fuzz_pages: make pages that no access leaves unnoticed
 * @page: receives @num addresses; the pages stay for ever
 * @num: how many
 *
 * Each stands between two that cannot be touched.
 */
static inline void fuzz_pages(uint8_t **page, unsigned num)
{
    size_t size = (2 * num + 1) * FUZZ_PAGE;
    uint8_t *area = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS,
                         -1, 0);
    unsigned i;

    g_assert(area != MAP_FAILED);
    for (i = 0; i < num; i++) {
        page[i] = area + (2 * i + 1) * FUZZ_PAGE;
        g_assert_cmpint(mprotect(page[i], FUZZ_PAGE, PROT_READ | PROT_WRITE),
                        ==, 0);
    }
}

/* What a peer does to memory that it shares with us */
typedef struct FuzzPoke {
    uint16_t offset;        /* in the page */
    uint8_t len;            /* bytes, up to FUZZ_SLOT */
    uint8_t bytes[FUZZ_SLOT];
} FuzzPoke;

/**
 * fuzz_poke_index: have one of a queue's indices changed
 * @in: says to what
 * @which: false the head, true the tail
 * @wide: to any value; otherwise to a small one, half of which are in range
 */
static inline FuzzPoke fuzz_poke_index(FuzzInput *in, bool which, bool wide)
{
    FuzzPoke poke = {
        .offset = which ? VIRTIO_MSG_SPSC_TAIL : VIRTIO_MSG_SPSC_HEAD,
        .len = sizeof(uint32_t),
    };
    uint32_t val = wide ? fuzz_u32(in) : fuzz_u8(in) & 0x7f;

    val = GUINT32_TO_LE(val);
    memcpy(poke.bytes, &val, sizeof(val));
    return poke;
}

/**
 * fuzz_poke_bytes: have some bytes of a page changed
 * @in: says which, and to what
 */
static inline FuzzPoke fuzz_poke_bytes(FuzzInput *in)
{
    FuzzPoke poke = { .offset = fuzz_u16(in) % FUZZ_PAGE };

    poke.len = fuzz_u8(in) % (FUZZ_SLOT + 1);
    poke.len = MIN(poke.len, FUZZ_PAGE - poke.offset);
    fuzz_bytes(in, poke.bytes, poke.len);
    return poke;
}

/**
 * fuzz_poke: change a page
 * @page: the page
 * @poke: how
 */
static inline void fuzz_poke(uint8_t *page, const FuzzPoke *poke)
{
    memcpy(page + poke->offset, poke->bytes, poke->len);
}

#endif /* TESTS_FUZZ_PAGES_H */
