/*
 * ivshmem attachment: a client of an ivshmem server
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/bswap.h"
#include "qemu/error-report.h"
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

/* Ours that are listened to; a peer that rings another one has miscounted */
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
    int fd;                 /* -1: dropped */
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
    unsigned num_vectors;   /* that the server has handed out */
    bool usable;            /* one of them at least */
    bool dropped;           /* a vector was no eventfd: the first of them */
    uint16_t dropped_id;
    unsigned dropped_vector;
    GHashTable *peers;      /* id -> descriptor of vector 0, -1: dropped */
} IvshmemChardev;

static void ivshmem_chardev_close_peer(gpointer fd)
{
    if (GPOINTER_TO_INT(fd) >= 0) {
        close(GPOINTER_TO_INT(fd));
    }
}

/* Ends the use of a vector's descriptor, which is closed */
static void ivshmem_chardev_close_vector(IvshmemVector *vector)
{
    if (vector->fd >= 0) {
        qemu_set_fd_handler(vector->fd, NULL, NULL, NULL);
        close(vector->fd);
        vector->fd = -1;
    }
}

static void ivshmem_chardev_report_dropped(IvshmemChardev *s)
{
    warn_report("chardev=%s: vector %u of ivshmem id %u is not an eventfd; it "
                "is dropped, and ringing it has no effect",
                s->chr->chr->label, s->dropped_vector, s->dropped_id);
}

/* Said once for each connection: a server can send any number of them */
static void ivshmem_chardev_dropped(IvshmemChardev *s, uint16_t id,
                                    unsigned vector)
{
    if (!s->dropped) {
        s->dropped = true;
        s->dropped_id = id;
        s->dropped_vector = vector;
        if (s->opened) {
            ivshmem_chardev_report_dropped(s);
        }
    }
}

static void ivshmem_chardev_ring(VirtIOMSGIvshmem *ivshmem, uint16_t peer)
{
    IvshmemChardev *s = container_of(ivshmem, IvshmemChardev, parent);
    gpointer key = GUINT_TO_POINTER(peer);
    uint64_t one = 1;
    gpointer fd;

    if (!g_hash_table_lookup_extended(s->peers, key, NULL, &fd) ||
        GPOINTER_TO_INT(fd) < 0) {
        return;
    }
    /* Full means that the peer has not looked yet: it is rung already */
    if (RETRY_ON_EINTR(write(GPOINTER_TO_INT(fd), &one, sizeof(one))) < 0 &&
        errno != EAGAIN) {
        g_hash_table_insert(s->peers, key, GINT_TO_POINTER(-1));
        ivshmem_chardev_dropped(s, peer, 0);
    }
}

static void ivshmem_chardev_interrupt(void *opaque)
{
    IvshmemVector *vector = opaque;
    IvshmemChardev *s = vector->s;
    uint64_t rings;
    ssize_t ret;

    /* Once: what can be read after that is for the next turn */
    ret = RETRY_ON_EINTR(read(vector->fd, &rings, sizeof(rings)));
    if (ret == sizeof(rings)) {
        s->parent.client->interrupt(s->parent.opaque);
    } else if (ret >= 0 || errno != EAGAIN) {
        ivshmem_chardev_close_vector(vector);
        ivshmem_chardev_dropped(s, s->parent.id, vector - s->vectors);
    }
}

/* Forget all that the server has told, but for what is being used: memory */
static void ivshmem_chardev_forget(IvshmemChardev *s)
{
    unsigned i;

    for (i = 0; i < s->num_vectors; i++) {
        ivshmem_chardev_close_vector(&s->vectors[i]);
    }
    s->num_vectors = 0;
    s->usable = false;
    s->dropped = false;
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
        error_reportf_err(err, "chardev=%s: ", s->chr->chr->label);
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

/*
 * Whether @fd can be used as a doorbell, which must not block us, whatever the
 * server handed out.  An eventfd has no type of file, unlike all that could be
 * filled, emptied or read without end by way of it.
 */
static bool ivshmem_chardev_is_doorbell(int fd)
{
    struct stat st;

    return fstat(fd, &st) == 0 && !(st.st_mode & S_IFMT) &&
           qemu_socket_try_set_nonblock(fd) == 0;
}

/*
 * Whether a read of @fd takes all rings at once.  If it does not, by
 * EFD_SEMAPHORE say, a peer could keep us busy for ever by a single write.
 */
static bool ivshmem_chardev_takes_all(int fd)
{
    uint64_t before = 0, rings = 2;

    if (RETRY_ON_EINTR(read(fd, &before, sizeof(before))) < 0 &&
        errno != EAGAIN) {
        return false;
    }
    if (RETRY_ON_EINTR(write(fd, &rings, sizeof(rings))) < 0) {
        return false;
    }
    if (RETRY_ON_EINTR(read(fd, &rings, sizeof(rings))) < 0) {
        /* Other peers have it, too, and one of them was faster */
        return errno == EAGAIN;
    }
    if (rings < 2) {
        return false;
    }
    /* Whoever rang meanwhile is still to be heard */
    before += rings - 2;
    return !before || RETRY_ON_EINTR(write(fd, &before, sizeof(before))) > 0;
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
    if (!ivshmem_chardev_is_doorbell(fd) || !ivshmem_chardev_takes_all(fd)) {
        vector->fd = -1;
        close(fd);
        ivshmem_chardev_dropped(s, s->parent.id, vector - s->vectors);
        return;
    }
    vector->fd = fd;
    s->usable = true;
    qemu_set_fd_handler(fd, ivshmem_chardev_interrupt, NULL, vector);
    if (s->state == WANT_VECTOR) {
        s->state = DONE;
    }
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
    } else if (g_hash_table_contains(s->peers, key)) {
        /* A further vector: peers are rung on the first */
        close(fd);
    } else {
        if (!ivshmem_chardev_is_doorbell(fd)) {
            close(fd);
            fd = -1;
            ivshmem_chardev_dropped(s, id, 0);
        }
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
                s->state = s->usable ? DONE : WANT_VECTOR;
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

    if (s->num_vectors) {
        error_setg(&err, "the server gave us no vector that is an eventfd");
    } else {
        error_setg(&err, "the server said nothing that helps for %d s; is it "
                   "an ivshmem server?", HANDSHAKE_TIMEOUT_MS / 1000);
    }
    ivshmem_chardev_fail(s, err);
    return G_SOURCE_REMOVE;
}

/* In a context of its own: nothing else of the process may run meanwhile */
static void ivshmem_chardev_handshake(IvshmemChardev *s)
{
    g_autoptr(GMainContext) context = g_main_context_new();
    g_autoptr(GSource) timeout = g_timeout_source_new(HANDSHAKE_TIMEOUT_MS);
    gint64 end = g_get_monotonic_time() +
                 2 * HANDSHAKE_TIMEOUT_MS * G_TIME_SPAN_MILLISECOND;

    /* What the server has said counts, however late it is read */
    g_source_set_priority(timeout, G_PRIORITY_LOW);
    g_source_set_callback(timeout, ivshmem_chardev_timeout, s, NULL);
    g_source_attach(timeout, context);
    qemu_chr_fe_set_handlers(s->chr, ivshmem_chardev_can_read,
                             ivshmem_chardev_read, ivshmem_chardev_event, NULL,
                             s, context, true);
    while (s->state < DONE) {
        g_main_context_iteration(context, true);
        /* A server that goes on talking keeps the timeout from its turn */
        if (s->state < DONE && g_get_monotonic_time() >= end) {
            ivshmem_chardev_timeout(s);
        }
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
    if (s->dropped) {
        ivshmem_chardev_report_dropped(s);
    }
    qemu_chr_fe_set_handlers(chr, ivshmem_chardev_can_read,
                             ivshmem_chardev_read, ivshmem_chardev_event, NULL,
                             s, NULL, true);
    return &s->parent;
}
