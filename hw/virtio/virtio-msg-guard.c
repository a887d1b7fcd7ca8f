/*
 * Shared memory that can be taken away
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/atomic.h"
#include "qemu/main-loop.h"
#include "block/aio.h"
#include "hw/core/cpu.h"
#include "hw/virtio/virtio-msg-guard.h"
#include <sys/mman.h>

struct VirtIOMSGGuard {
    /* What the signal handler looks at; no guard covers an empty range */
    uintptr_t start;
    uintptr_t end;
    VirtIOMSGGuard *next;

    QEMUBH *bh;
    VirtIOMSGGuardLost *lost;
    void *opaque;
};

/*
 * The handler may look at any time, in any thread, so that a guard is never
 * freed: it becomes empty, and the next one that is wanted takes its place.
 */
static VirtIOMSGGuard *guards;

static struct sigaction old_action;

/* What the handler leaves for the main loop; -1 if there is nobody to tell */
static int guard_pipe[2] = { -1, -1 };

static bool guard_map_zeros(uintptr_t start, uintptr_t end)
{
    return mmap((void *)start, end - start, PROT_READ | PROT_WRITE,
                MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1,
                0) != MAP_FAILED;
}

/* A plain system call, and a bottom half, which may be scheduled anywhere */
static bool guard_replace(VirtIOMSGGuard *guard, uintptr_t addr)
{
    uintptr_t end = qatomic_load_acquire(&guard->end);
    uintptr_t start = qatomic_load_acquire(&guard->start);

    /* A guard that changes is empty in between */
    if (addr < start || addr >= end ||
        end != qatomic_load_acquire(&guard->end) ||
        !guard_map_zeros(start, end)) {
        return false;
    }
    qemu_bh_schedule(guard->bh);
    return true;
}

/* The reasons for which memory is gone, as opposed to used in a wrong way */
static bool guard_concerns(const siginfo_t *info)
{
    return info->si_code == BUS_ADRERR || info->si_code == BUS_OBJERR ||
           info->si_code == BUS_MCEERR_AR || info->si_code == BUS_MCEERR_AO;
}

/*
 * A broken page that nobody has accessed yet is no fault: KVM only wants to
 * know, to tell its guest.  Usually the main thread has SIGBUS blocked, reads
 * that from a file descriptor, and calls the handler from the main loop, as a
 * function like any other that may take locks.  With us SIGBUS is not blocked,
 * so that what comes that way goes on to the main loop by a pipe.
 *
 * Returns false if the handler is to be called at once.
 */
static bool guard_defer(const siginfo_t *info)
{
    ssize_t ret;

    if (info->si_code != BUS_MCEERR_AO || current_cpu || guard_pipe[1] < 0) {
        return false;
    }
    /* Full or not: a page that was not told of is found broken when used */
    ret = write(guard_pipe[1], info, sizeof(*info));
    (void)ret;
    return true;
}

static void guard_deferred(void *opaque)
{
    siginfo_t info;

    while (read(guard_pipe[0], &info, sizeof(info)) == sizeof(info)) {
        old_action.sa_sigaction(SIGBUS, &info, NULL);
    }
}

static void guard_sigbus(int sig, siginfo_t *info, void *context)
{
    bool replaced = false;
    VirtIOMSGGuard *guard;
    int saved_errno = errno;

    if (guard_concerns(info)) {
        for (guard = qatomic_load_acquire(&guards); guard;
             guard = guard->next) {
            replaced |= guard_replace(guard, (uintptr_t)info->si_addr);
        }
    }
    if (replaced || guard_defer(info)) {
        errno = saved_errno;
        return;
    }

    errno = saved_errno;
    if (old_action.sa_flags & SA_SIGINFO) {
        old_action.sa_sigaction(sig, info, context);
    } else {
        /* Back to what was; an access that failed will fail again */
        sigaction(SIGBUS, &old_action, NULL);
        if (info->si_code <= 0) {
            raise(sig);
        }
    }
}

static void guard_install(void)
{
    struct sigaction action = {
        .sa_sigaction = guard_sigbus,
        .sa_flags = SA_SIGINFO,
    };
    sigset_t set;

    sigaction(SIGBUS, NULL, &old_action);
    if ((old_action.sa_flags & SA_SIGINFO) &&
        g_unix_open_pipe(guard_pipe, FD_CLOEXEC, NULL)) {
        g_unix_set_fd_nonblocking(guard_pipe[0], true, NULL);
        g_unix_set_fd_nonblocking(guard_pipe[1], true, NULL);
        qemu_set_fd_handler(guard_pipe[0], guard_deferred, NULL, NULL);
    }
    sigaction(SIGBUS, &action, NULL);

    /* A fault while SIGBUS is blocked is the end; other threads let it pass */
    sigemptyset(&set);
    sigaddset(&set, SIGBUS);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

static void guard_notify(void *opaque)
{
    VirtIOMSGGuard *guard = opaque;

    guard->lost(guard->opaque);
}

static VirtIOMSGGuard *guard_take(void)
{
    VirtIOMSGGuard *guard;

    for (guard = guards; guard; guard = guard->next) {
        if (!guard->lost) {
            return guard;
        }
    }

    if (!guards) {
        guard_install();
    }
    guard = g_new0(VirtIOMSGGuard, 1);
    guard->next = guards;
    qatomic_store_release(&guards, guard);
    return guard;
}

VirtIOMSGGuard *virtio_msg_guard_new(void *mem, size_t size, size_t page_size,
                                     VirtIOMSGGuardLost *lost, void *opaque)
{
    uintptr_t start = (uintptr_t)mem;
    /* A part of a huge page cannot be replaced */
    uintptr_t end = ROUND_UP(start + size, page_size);
    VirtIOMSGGuard *guard = guard_take();

    assert(QEMU_PTR_IS_ALIGNED(mem, page_size));
    /* With the messages: not run by a device that waits for its requests */
    guard->bh = aio_bh_new(iohandler_get_aio_context(), guard_notify, guard);
    guard->lost = lost;
    guard->opaque = opaque;

    qatomic_store_release(&guard->start, start);
    qatomic_store_release(&guard->end, end);
    return guard;
}

bool virtio_msg_guard_revoke(VirtIOMSGGuard *guard)
{
    return guard_map_zeros(guard->start, guard->end);
}

void virtio_msg_guard_free(VirtIOMSGGuard *guard)
{
    if (!guard) {
        return;
    }

    qatomic_store_release(&guard->end, 0);
    qemu_bh_delete(guard->bh);
    guard->lost = NULL;
}
