/*
 * Unit tests of the guard before shared memory that can be taken away
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include <sys/syscall.h>
#include "hw/core/cpu.h"
#include "hw/virtio/virtio-msg-guard.h"
#include "qemu/main-loop.h"

/*
 * A main loop of one bottom half and one descriptor, run by hand
 */

struct QEMUBH {
    QEMUBHFunc *cb;
    void *opaque;
    int scheduled;
};

__thread CPUState *current_cpu;

static int handled_fd = -1;
static IOHandler *fd_handler;

AioContext *iohandler_get_aio_context(void)
{
    return NULL;
}

void qemu_set_fd_handler(int fd, IOHandler *fd_read, IOHandler *fd_write,
                         void *opaque)
{
    handled_fd = fd;
    fd_handler = fd_read;
}

static GSList *bhs;

QEMUBH *aio_bh_new(AioContext *ctx, QEMUBHFunc *cb, void *opaque)
{
    QEMUBH *bh = g_new0(QEMUBH, 1);

    bh->cb = cb;
    bh->opaque = opaque;
    bhs = g_slist_prepend(bhs, bh);
    return bh;
}

void qemu_bh_schedule(QEMUBH *bh)
{
    __atomic_store_n(&bh->scheduled, 1, __ATOMIC_RELEASE);
}

void qemu_bh_delete(QEMUBH *bh)
{
    bhs = g_slist_remove(bhs, bh);
    g_free(bh);
}

static void run_main_loop(void)
{
    GSList *l;

    if (fd_handler) {
        fd_handler(NULL);
    }
    for (l = bhs; l; l = l->next) {
        QEMUBH *bh = l->data;

        if (bh->scheduled) {
            bh->scheduled = 0;
            bh->cb(bh->opaque);
        }
    }
}

/*
 * Stands for the handler of an accelerator, which is there before the guard
 */

static int told;
static int told_in_signal;
static void *told_addr;
static volatile sig_atomic_t raising;

static void accelerator_sigbus(int sig, siginfo_t *info, void *context)
{
    if (info->si_code == BUS_ADRERR) {
        /* An access that failed, and would do so for ever */
        abort();
    }
    told++;
    told_in_signal += raising;
    told_addr = info->si_addr;
}

/* As the kernel does when it finds that a page is broken */
static void raise_memory_failure(int code, void *addr)
{
    siginfo_t info = { .si_signo = SIGBUS, .si_code = code };

    info.si_addr = addr;
    raising = 1;
    g_assert_cmpint(syscall(SYS_rt_tgsigqueueinfo, getpid(),
                            syscall(SYS_gettid), SIGBUS, &info), ==, 0);
    raising = 0;
}

typedef struct Memory {
    uint8_t *mem;
    size_t size;
    int fd;
    int lost;
} Memory;

static void memory_lost(void *opaque)
{
    ((Memory *)opaque)->lost++;
}

/* At a multiple of @align, which is what larger pages would have it be */
static void memory_map(Memory *m, size_t size, size_t align)
{
    uint8_t *room = mmap(NULL, size + align, PROT_NONE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    uint8_t *aligned = (uint8_t *)ROUND_UP((uintptr_t)room, align);

    g_assert(room != MAP_FAILED);
    *m = (Memory) { .size = size, .fd = memfd_create("guarded", MFD_CLOEXEC) };
    g_assert_cmpint(ftruncate(m->fd, size), ==, 0);
    m->mem = mmap(aligned, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
                  m->fd, 0);
    g_assert(m->mem == aligned);
    memset(m->mem, 0x11, size);
}

static void memory_unmap(Memory *m)
{
    munmap(m->mem, m->size);
    close(m->fd);
}

static void test_taken_away(void)
{
    size_t page = qemu_real_host_page_size();
    VirtIOMSGGuard *guard;
    Memory m;

    memory_map(&m, 4 * page, page);
    guard = virtio_msg_guard_new(m.mem, m.size, page, memory_lost, &m);
    g_assert_cmphex(m.mem[3 * page], ==, 0x11);
    g_assert_cmpint(ftruncate(m.fd, 2 * page), ==, 0);
    g_assert_cmphex(m.mem[3 * page], ==, 0);
    /* All of it, once; told from the main loop */
    g_assert_cmphex(m.mem[0], ==, 0);
    g_assert_cmpint(m.lost, ==, 0);
    run_main_loop();
    g_assert_cmpint(m.lost, ==, 1);
    g_assert_cmpint(told, ==, 0);
    virtio_msg_guard_free(guard);
    memory_unmap(&m);
}

/* It ends where the last page does, and those can be larger than usual */
static void test_page_size(void)
{
    size_t page = qemu_real_host_page_size();
    VirtIOMSGGuard *guard;
    Memory m;

    memory_map(&m, 8 * page, 4 * page);
    guard = virtio_msg_guard_new(m.mem, 4 * page + 1, 4 * page, memory_lost,
                                 &m);
    g_assert_cmpint(ftruncate(m.fd, 0), ==, 0);
    g_assert_cmphex(m.mem[8 * page - 1], ==, 0);
    run_main_loop();
    g_assert_cmpint(m.lost, ==, 1);
    virtio_msg_guard_free(guard);
    memory_unmap(&m);
}

/* As memfd_create() takes the size of the pages: its logarithm */
#define HUGE_2MB    (21U << 26)

static void test_huge_pages(void)
{
    const size_t huge = 2 * 1024 * 1024;
    int fd = memfd_create("huge", MFD_CLOEXEC | MFD_HUGETLB | HUGE_2MB);
    VirtIOMSGGuard *guard;
    Memory m = { .size = 2 * huge, .fd = fd };

    if (fd < 0 || ftruncate(fd, m.size) < 0) {
        g_test_skip("no huge pages of 2 MiB in this kernel");
        return;
    }
    m.mem = mmap(NULL, m.size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (m.mem == MAP_FAILED) {
        g_test_skip("not enough huge pages: sysctl vm.nr_hugepages=2");
        close(fd);
        return;
    }
    m.mem[0] = 1;
    guard = virtio_msg_guard_new(m.mem, huge + 4096, huge, memory_lost, &m);
    g_assert_cmpint(ftruncate(fd, 0), ==, 0);
    g_assert_cmphex(m.mem[0], ==, 0);
    m.mem[2 * huge - 1] = 1;
    run_main_loop();
    g_assert_cmpint(m.lost, ==, 1);
    virtio_msg_guard_free(guard);
    memory_unmap(&m);
}

static void test_revoke(void)
{
    size_t page = qemu_real_host_page_size();
    VirtIOMSGGuard *guard;
    uint8_t byte;
    Memory m;

    memory_map(&m, 4 * page, page);
    guard = virtio_msg_guard_new(m.mem, m.size, page, memory_lost, &m);
    g_assert_true(virtio_msg_guard_revoke(guard));
    g_assert_cmphex(m.mem[0], ==, 0);
    m.mem[0] = 0x22;
    g_assert_cmpint(pread(m.fd, &byte, 1, 0), ==, 1);
    g_assert_cmphex(byte, ==, 0x11);
    run_main_loop();
    g_assert_cmpint(m.lost, ==, 0);
    virtio_msg_guard_free(guard);
    memory_unmap(&m);
}

/* An accelerator takes locks: it is told when it may */
static void test_memory_failure_elsewhere(void)
{
    size_t page = qemu_real_host_page_size();
    static uint8_t elsewhere[16];
    VirtIOMSGGuard *guard;
    Memory m;

    memory_map(&m, page, page);
    guard = virtio_msg_guard_new(m.mem, m.size, page, memory_lost, &m);
    told = 0;
    raise_memory_failure(BUS_MCEERR_AO, elsewhere);
    raise_memory_failure(BUS_MCEERR_AO, elsewhere + 8);
    g_assert_cmpint(told, ==, 0);
    run_main_loop();
    g_assert_cmpint(told, ==, 2);
    g_assert_cmpint(told_in_signal, ==, 0);
    g_assert(told_addr == elsewhere + 8);
    run_main_loop();
    g_assert_cmpint(told, ==, 2);
    g_assert_cmpint(m.lost, ==, 0);

    /* The thread of a vCPU cannot go on before it is known */
    current_cpu = (CPUState *)elsewhere;
    raise_memory_failure(BUS_MCEERR_AO, elsewhere);
    current_cpu = NULL;
    g_assert_cmpint(told, ==, 3);
    g_assert_cmpint(told_in_signal, ==, 1);
    told = told_in_signal = 0;
    virtio_msg_guard_free(guard);
    memory_unmap(&m);
}

/* What is guarded is ours */
static void test_memory_failure_in_guarded(void)
{
    size_t page = qemu_real_host_page_size();
    VirtIOMSGGuard *guard;
    Memory m;

    memory_map(&m, 2 * page, page);
    guard = virtio_msg_guard_new(m.mem, m.size, page, memory_lost, &m);
    raise_memory_failure(BUS_MCEERR_AO, m.mem + page);
    g_assert_cmphex(m.mem[0], ==, 0);
    run_main_loop();
    g_assert_cmpint(m.lost, ==, 1);
    g_assert_cmpint(told, ==, 0);
    virtio_msg_guard_free(guard);

    /* And then it is not */
    raise_memory_failure(BUS_MCEERR_AO, m.mem + page);
    run_main_loop();
    g_assert_cmpint(m.lost, ==, 1);
    g_assert_cmpint(told, ==, 1);
    told = 0;
    memory_unmap(&m);
}

int main(int argc, char **argv)
{
    struct sigaction action = {
        .sa_sigaction = accelerator_sigbus,
        .sa_flags = SA_SIGINFO,
    };
    sigset_t set;

    g_test_init(&argc, &argv, NULL);
    sigaction(SIGBUS, &action, NULL);
    /* As in QEMU's main thread */
    sigemptyset(&set);
    sigaddset(&set, SIGBUS);
    pthread_sigmask(SIG_BLOCK, &set, NULL);

    g_test_add_func("/virtio-msg/guard/taken-away", test_taken_away);
    g_test_add_func("/virtio-msg/guard/page-size", test_page_size);
    g_test_add_func("/virtio-msg/guard/huge-pages", test_huge_pages);
    g_test_add_func("/virtio-msg/guard/revoke", test_revoke);
    g_test_add_func("/virtio-msg/guard/memory-failure-elsewhere",
                    test_memory_failure_elsewhere);
    g_test_add_func("/virtio-msg/guard/memory-failure-in-guarded",
                    test_memory_failure_in_guarded);
    return g_test_run();
}
