/*
 * ivshmem attachment: a client of an ivshmem server
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/bswap.h"
#include "qemu/error-report.h"
#include "qemu/event_notifier.h"
#include "qemu/main-loop.h"
#include "qemu/mmap-alloc.h"
#include "qemu/sockets.h"
#include "chardev/char.h"
#include "chardev/char-socket.h"
#include "hw/virtio/virtio-msg-ivshmem.h"
#include "system/runstate.h"
#include "trace.h"
#include <sys/mman.h>

/*
 * The server sends 8-byte integers, some with a file descriptor: first the
 * protocol version, then our id, then -1 with the memory.  From then on an id
 * with a descriptor adds the next vector of that peer, which may be us, and
 * one without says that the peer has gone.
 */
#define IVSHMEM_PROTOCOL_VERSION    0
#define IVSHMEM_MSG_MEMORY          (-1)
#define IVSHMEM_MAX_ID              UINT16_MAX

/* Ours that are listened to; who rings another one has miscounted */
#define MAX_VECTORS                 64

#define HANDSHAKE_TIMEOUT_MS        5000

typedef enum HandshakeState {
    WANT_VERSION,
    WANT_ID,
    WANT_MEMORY,
    WANT_VECTOR,
    DONE,
    FAILED,
} HandshakeState;

typedef struct IvshmemVector {
    EventNotifier notifier;
    struct IvshmemChardev *s;
} IvshmemVector;

typedef struct IvshmemChardev {
    VirtIOMSGIvshmem parent;

    CharBackend *chr;
    HandshakeState state;
    Error *err;             /* valid if FAILED */
    bool opened;            /* the open function has returned */
    bool attached;          /* and as far as the client knows, all is well */

    uint8_t buf[sizeof(int64_t)];
    size_t fill;

    IvshmemVector vectors[MAX_VECTORS];
    unsigned num_vectors;
    GHashTable *peers;      /* id -> file descriptor of vector 0 */
} IvshmemChardev;

static void ivshmem_chardev_ring(VirtIOMSGIvshmem *ivshmem, uint16_t peer)
{
    IvshmemChardev *s = container_of(ivshmem, IvshmemChardev, parent);
    gpointer fd;

    if (g_hash_table_lookup_extended(s->peers, GUINT_TO_POINTER(peer), NULL,
                                     &fd)) {
        uint64_t one = 1;
        ssize_t ret;

        /* Full means that the peer has not looked yet: it is rung already */
        ret = RETRY_ON_EINTR(write(GPOINTER_TO_INT(fd), &one, sizeof(one)));
        (void)ret;
    }
}

static void ivshmem_chardev_close_peer(gpointer fd)
{
    close(GPOINTER_TO_INT(fd));
}

static void ivshmem_chardev_interrupt(EventNotifier *e)
{
    IvshmemVector *vector = container_of(e, IvshmemVector, notifier);
    IvshmemChardev *s = vector->s;

    if (event_notifier_test_and_clear(e)) {
        s->parent.client->interrupt(s->parent.opaque);
    }
}

/* Forget all that the server has told, but for what is being used: memory */
static void ivshmem_chardev_forget(IvshmemChardev *s)
{
    unsigned i;

    for (i = 0; i < s->num_vectors; i++) {
        event_notifier_set_handler(&s->vectors[i].notifier, NULL);
        close(event_notifier_get_fd(&s->vectors[i].notifier));
    }
    s->num_vectors = 0;
    g_hash_table_remove_all(s->peers);
    s->fill = 0;
}

static void ivshmem_chardev_unmap(IvshmemChardev *s)
{
    if (s->parent.mem) {
        virtio_msg_guard_free(s->parent.guard);
        s->parent.guard = NULL;
        munmap(s->parent.mem, s->parent.size);
        s->parent.mem = NULL;
    }
}

static void ivshmem_chardev_set_attached(IvshmemChardev *s, bool attached)
{
    if (s->opened && s->attached != attached) {
        s->attached = attached;
        s->parent.client->attached(s->parent.opaque, attached);
    }
}

static void ivshmem_chardev_fail(IvshmemChardev *s, Error *err)
{
    s->state = FAILED;
    ivshmem_chardev_set_attached(s, false);
    if (s->opened) {
        error_report_err(err);
    } else {
        error_free(s->err);
        s->err = err;
    }
}

static bool ivshmem_chardev_map(IvshmemChardev *s, int fd, Error **errp)
{
    struct stat st;
    void *mem;

    if (fstat(fd, &st) < 0) {
        error_setg_errno(errp, errno, "cannot tell the size of the server's "
                         "shared memory");
        return false;
    }
    if (st.st_size < VIRTIO_MSG_IVSHMEM_MIN_SIZE) {
        error_setg(errp, "the server's shared memory is too small: %" PRIu64
                   " bytes, need %u; start the server with a larger -l",
                   (uint64_t)st.st_size, VIRTIO_MSG_IVSHMEM_MIN_SIZE);
        return false;
    }
    if (!QEMU_IS_ALIGNED(st.st_size, VIRTIO_MSG_IVSHMEM_ALIGN)) {
        error_setg(errp, "the size of the server's shared memory, %" PRIu64
                   " bytes, is not a multiple of %u", (uint64_t)st.st_size,
                   VIRTIO_MSG_IVSHMEM_ALIGN);
        return false;
    }
    mem = mmap(NULL, st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (mem == MAP_FAILED) {
        error_setg_errno(errp, errno, "cannot map the server's shared memory");
        return false;
    }

    /* Nobody uses the memory of an earlier connection any more */
    assert(!s->attached);
    ivshmem_chardev_unmap(s);
    s->parent.mem = mem;
    s->parent.size = st.st_size;
    s->parent.guard = virtio_msg_guard_new(mem, st.st_size,
                                           qemu_fd_getpagesize(fd),
                                           s->parent.client->lost,
                                           s->parent.opaque);
    return true;
}

/* Takes over @fd */
static void ivshmem_chardev_add_vector(IvshmemChardev *s, int fd)
{
    IvshmemVector *vector;

    if (s->num_vectors == MAX_VECTORS) {
        close(fd);
        return;
    }
    vector = &s->vectors[s->num_vectors++];
    vector->s = s;
    /* Others can read it too, and nobody shall make us wait */
    qemu_socket_set_nonblock(fd);
    event_notifier_init_fd(&vector->notifier, fd);
    event_notifier_set_handler(&vector->notifier, ivshmem_chardev_interrupt);
}

/* Takes over @fd, which may be -1 */
static void ivshmem_chardev_peer(IvshmemChardev *s, int64_t id, int fd)
{
    gpointer key = GUINT_TO_POINTER(id);

    if (fd < 0) {
        trace_virtio_msg_ivshmem_peer_left(s->chr->chr->label, id);
        /* Before it is forgotten: it may be the only one that there is */
        if (g_hash_table_contains(s->peers, key) && s->attached) {
            s->parent.client->peer_left(s->parent.opaque, id);
        }
        g_hash_table_remove(s->peers, key);
    } else if (id == s->parent.id) {
        ivshmem_chardev_add_vector(s, fd);
        if (s->state == WANT_VECTOR) {
            s->state = DONE;
        }
    } else if (g_hash_table_contains(s->peers, key)) {
        /* A further vector: peers are rung on the first */
        close(fd);
    } else {
        /* Whatever the server handed out, ringing must not block */
        qemu_socket_set_nonblock(fd);
        trace_virtio_msg_ivshmem_peer_joined(s->chr->chr->label, id);
        g_hash_table_insert(s->peers, key, GINT_TO_POINTER(fd));
    }
}

static void ivshmem_chardev_message(IvshmemChardev *s, int64_t msg, int fd)
{
    Error *err = NULL;

    switch (s->state) {
    case WANT_VERSION:
        if (msg != IVSHMEM_PROTOCOL_VERSION || fd >= 0) {
            error_setg(&err, "the server speaks version %" PRId64 " of the "
                       "ivshmem protocol, or another protocol; need version "
                       "%d", msg, IVSHMEM_PROTOCOL_VERSION);
            break;
        }
        s->state = WANT_ID;
        return;
    case WANT_ID:
        if (msg < 0 || msg > IVSHMEM_MAX_ID || fd >= 0) {
            error_setg(&err, "this is not an ivshmem server: it gave us the "
                       "id %" PRId64, msg);
            break;
        }
        s->parent.id = msg;
        s->state = WANT_MEMORY;
        return;
    case WANT_MEMORY:
        if (msg == IVSHMEM_MSG_MEMORY && fd >= 0) {
            if (ivshmem_chardev_map(s, fd, &err)) {
                s->state = WANT_VECTOR;
            }
            break;
        }
        if (msg == IVSHMEM_MSG_MEMORY) {
            error_setg(&err, "the server handed out no memory; it has to be "
                       "reached through a UNIX socket");
            break;
        }
        /* fall through: peers may be announced before the memory */
    case WANT_VECTOR:
    case DONE:
        if (msg < 0 || msg > IVSHMEM_MAX_ID) {
            error_setg(&err, "the ivshmem server sent an invalid id: %" PRId64,
                       msg);
            break;
        }
        ivshmem_chardev_peer(s, msg, fd);
        return;
    case FAILED:
        break;
    }

    if (fd >= 0) {
        close(fd);
    }
    if (err) {
        ivshmem_chardev_fail(s, err);
    }
}

static int ivshmem_chardev_can_read(void *opaque)
{
    IvshmemChardev *s = opaque;

    /* One at a time: the file descriptor belongs to its message */
    return sizeof(s->buf) - s->fill;
}

static void ivshmem_chardev_read(void *opaque, const uint8_t *buf, int size)
{
    IvshmemChardev *s = opaque;

    memcpy(s->buf + s->fill, buf, size);
    s->fill += size;
    if (s->fill < sizeof(s->buf)) {
        return;
    }
    s->fill = 0;
    ivshmem_chardev_message(s, ldq_le_p(s->buf),
                            qemu_chr_fe_get_msgfd(s->chr));
    if (s->state == DONE) {
        ivshmem_chardev_set_attached(s, true);
    }
}

static void ivshmem_chardev_event(void *opaque, QEMUChrEvent event)
{
    IvshmemChardev *s = opaque;

    if (event != CHR_EVENT_CLOSED) {
        return;
    }
    if (runstate_check(RUN_STATE_SHUTDOWN)) {
        /* It is we who go, and what the devices stand on has gone already */
        return;
    }

    ivshmem_chardev_forget(s);
    if (!s->opened) {
        Error *err = NULL;

        if (s->state != FAILED) {
            error_setg(&err, "the server closed the connection; is it an "
                       "ivshmem server?");
            ivshmem_chardev_fail(s, err);
        }
        return;
    }
    if (s->attached) {
        warn_report("the ivshmem server has gone; the link is down");
        ivshmem_chardev_set_attached(s, false);
    }
    /* A chardev with reconnect= starts over */
    s->state = WANT_VERSION;
}

static gboolean ivshmem_chardev_timeout(gpointer opaque)
{
    IvshmemChardev *s = opaque;
    Error *err = NULL;

    error_setg(&err, "the server said nothing for %d s; is it an ivshmem "
               "server?", HANDSHAKE_TIMEOUT_MS / 1000);
    ivshmem_chardev_fail(s, err);
    return G_SOURCE_REMOVE;
}

/* In a context of its own: nothing else of the process may run meanwhile */
static void ivshmem_chardev_handshake(IvshmemChardev *s)
{
    g_autoptr(GMainContext) context = g_main_context_new();
    g_autoptr(GSource) timeout = g_timeout_source_new(HANDSHAKE_TIMEOUT_MS);

    /* What the server has said counts, however late it is read */
    g_source_set_priority(timeout, G_PRIORITY_LOW);
    g_source_set_callback(timeout, ivshmem_chardev_timeout, s, NULL);
    g_source_attach(timeout, context);
    qemu_chr_fe_set_handlers(s->chr, ivshmem_chardev_can_read,
                             ivshmem_chardev_read, ivshmem_chardev_event, NULL,
                             s, context, true);
    while (s->state < DONE) {
        g_main_context_iteration(context, true);
    }
    g_source_destroy(timeout);
    qemu_chr_fe_set_handlers(s->chr, NULL, NULL, NULL, NULL, NULL, NULL, true);
}

static void ivshmem_chardev_close(VirtIOMSGIvshmem *ivshmem)
{
    IvshmemChardev *s = container_of(ivshmem, IvshmemChardev, parent);

    qemu_chr_fe_set_handlers(s->chr, NULL, NULL, NULL, NULL, NULL, NULL, true);
    ivshmem_chardev_forget(s);
    ivshmem_chardev_unmap(s);
    g_hash_table_destroy(s->peers);
    error_free(s->err);
    g_free(s);
}

static bool ivshmem_chardev_has_peer(VirtIOMSGIvshmem *ivshmem, uint16_t peer)
{
    IvshmemChardev *s = container_of(ivshmem, IvshmemChardev, parent);

    return g_hash_table_contains(s->peers, GUINT_TO_POINTER(peer));
}

static bool ivshmem_chardev_only_peer(VirtIOMSGIvshmem *ivshmem,
                                      uint16_t *peer)
{
    IvshmemChardev *s = container_of(ivshmem, IvshmemChardev, parent);
    GHashTableIter iter;
    gpointer key;

    if (g_hash_table_size(s->peers) != 1) {
        return false;
    }
    g_hash_table_iter_init(&iter, s->peers);
    g_hash_table_iter_next(&iter, &key, NULL);
    *peer = GPOINTER_TO_UINT(key);
    return true;
}

static const VirtIOMSGIvshmemOps ivshmem_chardev_ops = {
    .ring = ivshmem_chardev_ring,
    .has_peer = ivshmem_chardev_has_peer,
    .only_peer = ivshmem_chardev_only_peer,
    .close = ivshmem_chardev_close,
};

VirtIOMSGIvshmem *
virtio_msg_ivshmem_open_chardev(CharBackend *chr,
                                const VirtIOMSGIvshmemClient *client,
                                void *opaque, Error **errp)
{
    ERRP_GUARD();
    IvshmemChardev *s;

    /*
     * Not by QEMU_CHAR_FEATURE_FD_PASS: a socket that was handed to us as
     * fd= does not have it, whatever its family is.
     */
    if (!object_dynamic_cast(OBJECT(chr->chr), TYPE_CHARDEV_SOCKET)) {
        error_setg(errp, "chardev=%s cannot pass file descriptors; connect a "
                   "UNIX socket to the ivshmem server: -chardev "
                   "socket,id=%s,path=...", chr->chr->label, chr->chr->label);
        return NULL;
    }
    /* With reconnect=, a connection is not made before somebody waits for it */
    if (qemu_chr_fe_wait_connected(chr, errp) < 0) {
        error_prepend(errp, "chardev=%s: ", chr->chr->label);
        return NULL;
    }

    s = g_new0(IvshmemChardev, 1);
    s->parent.ops = &ivshmem_chardev_ops;
    s->parent.client = client;
    s->parent.opaque = opaque;
    s->chr = chr;
    s->peers = g_hash_table_new_full(NULL, NULL, NULL,
                                     ivshmem_chardev_close_peer);

    ivshmem_chardev_handshake(s);
    if (s->state == FAILED) {
        error_propagate_prepend(errp, g_steal_pointer(&s->err), "chardev=: ");
        ivshmem_chardev_close(&s->parent);
        return NULL;
    }

    s->opened = true;
    s->attached = true;
    qemu_chr_fe_set_handlers(chr, ivshmem_chardev_can_read,
                             ivshmem_chardev_read, ivshmem_chardev_event, NULL,
                             s, NULL, true);
    return &s->parent;
}
