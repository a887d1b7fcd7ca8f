/*
 * What a fuzzer's input says next
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef TESTS_FUZZ_INPUT_H
#define TESTS_FUZZ_INPUT_H

/*
 * An input is read from its start to its end, once.  Behind the end come
 * zeros, so that a target need not look at each step whether there is more,
 * only where it could otherwise go on for ever.  Integers are little-endian.
 */

typedef struct FuzzInput {
    const uint8_t *data;
    size_t left;            /* bytes */
} FuzzInput;

/**
 * fuzz_bytes: take some bytes
 * @in: the input
 * @to: receives them
 * @len: how many
 */
static inline void fuzz_bytes(FuzzInput *in, void *to, size_t len)
{
    size_t n = len < in->left ? len : in->left;

    memset(to, 0, len);
    if (n) {
        memcpy(to, in->data, n);
        in->data += n;
        in->left -= n;
    }
}

/**
 * fuzz_u8: take one byte
 * @in: the input
 */
static inline uint8_t fuzz_u8(FuzzInput *in)
{
    uint8_t val;

    fuzz_bytes(in, &val, sizeof(val));
    return val;
}

/**
 * fuzz_u16: take two bytes
 * @in: the input
 */
static inline uint16_t fuzz_u16(FuzzInput *in)
{
    uint16_t val;

    fuzz_bytes(in, &val, sizeof(val));
    return GUINT16_FROM_LE(val);
}

/**
 * fuzz_u32: take four bytes
 * @in: the input
 */
static inline uint32_t fuzz_u32(FuzzInput *in)
{
    uint32_t val;

    fuzz_bytes(in, &val, sizeof(val));
    return GUINT32_FROM_LE(val);
}

#endif /* TESTS_FUZZ_INPUT_H */
