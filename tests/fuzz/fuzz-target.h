/*
 * A fuzzer that is a program of its own
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef TESTS_FUZZ_TARGET_H
#define TESTS_FUZZ_TARGET_H

/**
 * LLVMFuzzerTestOneInput: what libFuzzer calls in each target
 * @data: the input, in memory that ends with it
 * @size: bytes
 *
 * Has to begin where every call begins, whatever earlier ones did.  Returns 0;
 * what is wrong ends the process.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif /* TESTS_FUZZ_TARGET_H */
