// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A write load on a virtio disk that remembers what the disk has promised
 *
 * usage: disk-load SEED SEQUENCE
 *
 * Each of several threads has a part of the disk, to which it writes runs of
 * blocks with O_DIRECT | O_SYNC. A block holds its own number, a sequence
 * number that grows with each write from SEQUENCE on, and data and a checksum
 * that follow from them and SEED. After each write that the disk acknowledged,
 * and before the next, a thread says so on standard output:
 *
 *   @@ack BLOCK COUNT SEQUENCE .
 *
 * The disk may go at any time, with an error or without, and come back as a new
 * one. Then everything that was acknowledged so far is read and checked:
 *
 *   @@open DISK
 *   @@verified BLOCKS
 *   @@gone FAILED ERRNO      once a disk is lost: how many writes failed and
 *                            why, 0 for a disk that had become too small
 *   @@bad TEXT               an acknowledged block is not what it was
 */
#define _GNU_SOURCE
#ifdef __ARM_FEATURE_CRC32
#include <arm_acle.h>
#endif
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/netlink.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BLOCK_SIZE   4096
#define THREADS      4
#define RUN_MAX      8
#define VERIFY_RUN   64
#define BLOCKS_MAX   65536

#define DISKS        "/sys/bus/virtio/devices/" "*" "/block/" "*"

#define BLOCK_MAGIC  0x64617473616c6f61ULL

struct block {
    uint64_t magic;
    uint64_t seed;
    uint64_t number;
    uint64_t sequence;
    uint64_t data[BLOCK_SIZE / 8 - 5];
    uint64_t checksum;  /* CRC-32 of all before it, as zlib has it */
};

_Static_assert(sizeof(struct block) == BLOCK_SIZE, "one block");

static uint64_t seed;
static atomic_uint_fast64_t next_sequence;
static uint64_t blocks;

/* The sequence number of the last acknowledged write, 0 for none. */
static _Atomic uint64_t acknowledged[BLOCKS_MAX];

static int disk = -1;
static atomic_bool stopping;
static atomic_int failed_writes, first_error;

static pthread_mutex_t output_lock = PTHREAD_MUTEX_INITIALIZER;

static void say(const char *format, ...)
{
    char line[256];
    va_list arguments;
    int length;

    va_start(arguments, format);
    length = vsnprintf(line, sizeof(line), format, arguments);
    va_end(arguments);
    pthread_mutex_lock(&output_lock);
    for (int done = 0; done < length; ) {
        ssize_t n = write(STDOUT_FILENO, line + done, length - done);

        if (n < 0 && errno != EINTR) {
            _exit(1);
        }
        done += n > 0 ? n : 0;
    }
    pthread_mutex_unlock(&output_lock);
}

static void die(const char *what)
{
    say("@@failed disk-load: %s: %s\n", what, strerror(errno));
    _exit(1);
}

/* xorshift64*: any state but 0 */
static uint64_t random_next(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * 0x2545f4914f6cdd1dULL;
}

#ifdef __ARM_FEATURE_CRC32
static void crc_init(void)
{
}

static uint32_t crc_word(uint32_t crc, uint64_t word)
{
    return __crc32d(crc, word);
}
#else
#define CRC_POLYNOMIAL 0xedb88320

/* What byte I of a word does to a checksum, by its value */
static uint32_t crc_table[8][256];

static void crc_init(void)
{
    for (uint32_t value = 0; value < 256; value++) {
        uint32_t crc = value;

        for (int i = 7; i >= 0; i--) {
            for (int bit = 0; bit < 8; bit++) {
                crc = crc >> 1 ^ (crc & 1 ? CRC_POLYNOMIAL : 0);
            }
            crc_table[i][value] = crc;
        }
    }
}

static uint32_t crc_word(uint32_t crc, uint64_t word)
{
    uint32_t result = 0;

    word ^= crc;
    for (int i = 0; i < 8; i++) {
        result ^= crc_table[i][word >> 8 * i & 0xff];
    }
    return result;
}
#endif

static uint64_t block_checksum(const struct block *block)
{
    const uint64_t *word = (const uint64_t *)block;
    uint32_t crc = ~0u;

    for (size_t i = 0; i < offsetof(struct block, checksum) / 8; i++) {
        crc = crc_word(crc, word[i]);
    }
    return ~crc;
}

static void block_fill(struct block *block, uint64_t number, uint64_t sequence)
{
    uint64_t state = (seed ^ number << 40 ^ sequence) | 1;

    block->magic = BLOCK_MAGIC;
    block->seed = seed;
    block->number = number;
    block->sequence = sequence;
    for (size_t i = 0; i < sizeof(block->data) / 8; i++) {
        block->data[i] = random_next(&state);
    }
    block->checksum = block_checksum(block);
}

static void *aligned(size_t size)
{
    void *memory = NULL;

    errno = posix_memalign(&memory, BLOCK_SIZE, size);
    if (errno) {
        die("memory");
    }
    return memory;
}

static void *writer(void *argument)
{
    uint64_t share = blocks / THREADS;
    uint64_t first = (uintptr_t)argument * share;
    struct block *run = aligned(RUN_MAX * BLOCK_SIZE);
    uint64_t state = seed ^ (uintptr_t)argument << 32 ^ next_sequence ^ 1 << 20;

    while (!stopping) {
        uint64_t count = 1 + random_next(&state) % RUN_MAX;
        uint64_t start = first + random_next(&state) % (share - RUN_MAX);
        uint64_t sequence = atomic_fetch_add(&next_sequence, 1);
        ssize_t n;

        for (uint64_t i = 0; i < count; i++) {
            block_fill(&run[i], start + i, sequence);
        }
        n = pwrite(disk, run, count * BLOCK_SIZE, start * BLOCK_SIZE);
        if (n != (ssize_t)(count * BLOCK_SIZE)) {
            int none = 0;

            atomic_compare_exchange_strong(&first_error, &none,
                                           n < 0 ? errno : 0);
            failed_writes++;
            stopping = true;
            break;
        }
        for (uint64_t i = 0; i < count; i++) {
            acknowledged[start + i] = sequence;
        }
        say("@@ack %" PRIu64 " %" PRIu64 " %" PRIu64 " .\n", start, count,
            sequence);
    }
    free(run);
    return NULL;
}

/* Returns false if the disk went away while it was read. */
static bool verify(void)
{
    struct block *run = aligned(VERIFY_RUN * BLOCK_SIZE);
    uint64_t checked = 0;

    for (uint64_t first = 0; first < blocks; first += VERIFY_RUN) {
        if (pread(disk, run, VERIFY_RUN * BLOCK_SIZE, first * BLOCK_SIZE)
                != VERIFY_RUN * BLOCK_SIZE) {
            free(run);
            return false;
        }
        for (uint64_t i = 0; i < VERIFY_RUN; i++) {
            const struct block *block = &run[i];
            uint64_t wanted = acknowledged[first + i];

            if (!wanted) {
                continue;
            }
            /* A later write, which failed, may still have arrived. */
            if (block->magic != BLOCK_MAGIC || block->seed != seed ||
                    block->number != first + i || block->sequence < wanted ||
                    block->checksum != block_checksum(block)) {
                say("@@bad block %" PRIu64 ": acknowledged %" PRIu64
                    ", found %" PRIu64 " of block %" PRIu64 ", checksum %s\n",
                    first + i, wanted, block->sequence, block->number,
                    block->checksum == block_checksum(block) ? "right"
                                                             : "wrong");
            }
            checked++;
        }
    }
    free(run);
    say("@@verified %" PRIu64 "\n", checked);
    return true;
}

static int open_uevents(void)
{
    struct sockaddr_nl address = { .nl_family = AF_NETLINK, .nl_groups = 1 };
    int fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_KOBJECT_UEVENT);

    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address))) {
        die("uevents");
    }
    return fd;
}

static uint64_t read_number(const char *directory, const char *name)
{
    char path[PATH_MAX];
    uint64_t value = 0;
    FILE *file;

    snprintf(path, sizeof(path), "%s/%s", directory, name);
    file = fopen(path, "r");
    if (file) {
        if (fscanf(file, "%" SCNu64, &value) != 1) {
            value = 0;
        }
        fclose(file);
    }
    return value;
}

/* Opens a disk that is not *last; that one is then *last. */
static bool open_disk(uint64_t *last)
{
    bool opened = false;
    glob_t found;

    if (glob(DISKS, 0, NULL, &found)) {
        return false;
    }
    for (size_t i = 0; i < found.gl_pathc && !opened; i++) {
        /* Each disk that there ever is has another one of these. */
        uint64_t diskseq = read_number(found.gl_pathv[i], "diskseq");
        char device[PATH_MAX];

        if (!diskseq || diskseq == *last) {
            continue;
        }
        snprintf(device, sizeof(device), "/dev%s",
                 strrchr(found.gl_pathv[i], '/'));
        disk = open(device, O_RDWR | O_DIRECT | O_SYNC | O_CLOEXEC);
        if (disk < 0) {
            continue;
        }
        *last = diskseq;
        blocks = read_number(found.gl_pathv[i], "size") * 512 / BLOCK_SIZE;
        blocks -= blocks % (VERIFY_RUN * THREADS);
        if (blocks > BLOCKS_MAX) {
            errno = EFBIG;
            die(device);
        }
        /* What had gone before it could say how large it is, has none. */
        opened = blocks > 0;
        if (opened) {
            say("@@open %s\n", device);
        } else {
            close(disk);
        }
    }
    globfree(&found);
    return opened;
}

static void use_disk(void)
{
    pthread_t threads[THREADS];

    stopping = false;
    failed_writes = 0;
    first_error = 0;
    if (verify()) {
        for (uintptr_t i = 0; i < THREADS; i++) {
            errno = pthread_create(&threads[i], NULL, writer, (void *)i);
            if (errno) {
                die("threads");
            }
        }
        for (int i = 0; i < THREADS; i++) {
            pthread_join(threads[i], NULL);
        }
    }
    close(disk);
    say("@@gone %d %d\n", failed_writes, first_error);
}

int main(int argc, char **argv)
{
    char event[8192];
    uint64_t last = 0;
    int uevents;

    if (argc != 3) {
        fprintf(stderr, "usage: disk-load SEED SEQUENCE\n");
        return 1;
    }
    crc_init();
    seed = strtoull(argv[1], NULL, 10);
    next_sequence = strtoull(argv[2], NULL, 10);

    uevents = open_uevents();
    for (;;) {
        if (open_disk(&last)) {
            use_disk();
        } else if (recv(uevents, event, sizeof(event), 0) < 0 &&
                   errno != EINTR && errno != ENOBUFS) {
            die("uevents");
        }
    }
}
