/*
 * A QEMU with the virtio-msg machine, and the far end of its link
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include <sys/socket.h>
#include <sys/un.h>
#include "qobject/qdict.h"
#include "qobject/qlist.h"
#include "virtio-msg-fixture.h"

void vmsg_test_start_link(VMsgTest *t, VMsgLink *link, const char *props,
                          const char *more)
{
    g_autofree char *args = vmsg_link_args(link, "link0", props);

    t->link = link;
    t->qts = qtest_initf("-M virtio-msg -nodefaults %s %s", args, more);
    vmsg_link_started(link);
}

void vmsg_test_start(VMsgTest *t, const char *props, const char *fmt, ...)
{
    VMsgLink *link = vmsg_link_new(VMSG_SHM_SIZE, VMSG_RAM_SIZE);
    g_autofree char *more = NULL;
    va_list ap;

    va_start(ap, fmt);
    more = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    vmsg_link_serve(link);
    vmsg_test_start_link(t, link, props, more);
}

void vmsg_test_stop(VMsgTest *t)
{
    qtest_quit(t->qts);
    vmsg_link_free(t->link);
}

static gpointer server_take_call(gpointer opaque)
{
    VMsgServer *s = opaque;
    int fd = accept4(s->listening, NULL, NULL, SOCK_CLOEXEC);

    g_assert_cmpint(fd, >=, 0);
    s->link->server = fd;
    return NULL;
}

static gpointer server_serve(gpointer opaque)
{
    VMsgServer *s = opaque;

    server_take_call(s);
    vmsg_link_serve(s->link);
    return NULL;
}

void vmsg_server_start(VMsgServer *s, VMsgTest *t, const char *more)
{
    struct sockaddr_un addr = { .sun_family = AF_UNIX };
    GThread *thread;

    s->dir = g_dir_make_tmp("virtio-msg-XXXXXX", NULL);
    g_assert_nonnull(s->dir);
    s->path = g_build_filename(s->dir, "server", NULL);
    g_assert_cmpuint(g_strlcpy(addr.sun_path, s->path, sizeof(addr.sun_path)),
                     <, sizeof(addr.sun_path));
    s->listening = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    g_assert_cmpint(bind(s->listening, (struct sockaddr *)&addr, sizeof(addr)),
                    ==, 0);
    g_assert_cmpint(listen(s->listening, 1), ==, 0);

    s->link = vmsg_link_new(VMSG_SHM_SIZE, VMSG_RAM_SIZE);
    vmsg_link_hang_up(s->link);
    /* The first connection has to be served during start */
    thread = g_thread_new("server", server_serve, s);
    t->link = s->link;
    t->qts = qtest_initf("-M virtio-msg -nodefaults "
                         "-chardev socket,id=server,path=%s,reconnect-ms=10 "
                         "-object memory-backend-file,id=ram,size=%d,share=on,"
                         "mem-path=/proc/self/fd/%d "
                         "-device virtio-msg-bus-ivshmem,id=link0,"
                         "chardev=server,memdev=ram,mem-offset=0x%llx,wire=%s,"
                         "layout=%s %s", s->path, VMSG_RAM_SIZE,
                         s->link->ram_fd, VMSG_RAM_BASE,
                         vmsg_wire_name(s->link->wire),
                         s->link->v1 ? "v1" : "spsc", more);
    g_thread_join(thread);
}

void vmsg_server_next(VMsgServer *s, VMsgLink *link)
{
    vmsg_link_hang_up(s->link);
    s->link = link;
    if (link) {
        vmsg_link_hang_up(link);
        server_take_call(s);
    }
}

void vmsg_server_stop(VMsgServer *s)
{
    close(s->listening);
    unlink(s->path);
    rmdir(s->dir);
    g_free(s->path);
    g_free(s->dir);
}

static void no_answer(int sig)
{
    static const char text[] = "Bail out! QEMU does not answer\n";

    /* Little is safe in here; the QEMU ends with us */
    if (write(STDOUT_FILENO, text, sizeof(text) - 1) > 0) {
        _exit(1);
    }
    abort();
}

/* A main loop that hangs shall end the test, and not hang it as well */
static void await_answer(bool begin)
{
    struct sigaction action = { .sa_handler = no_answer };

    sigaction(SIGALRM, &action, NULL);
    alarm(begin ? VMSG_DEADLINE_MS / 1000 : 0);
}

uint64_t vmsg_counter(VMsgTest *t, const char *group, const char *name)
{
    const QListEntry *e;
    uint64_t val = 0;
    bool found = false;
    QDict *r;

    await_answer(true);
    r = qtest_qmp(t->qts, "{ 'execute': 'x-query-virtio-msg',"
                  " 'arguments': { 'link': 'link0' } }");
    await_answer(false);
    g_assert_true(qdict_haskey(r, "return"));
    QLIST_FOREACH_ENTRY(qdict_get_qlist(r, "return"), e) {
        QDict *counters = qdict_get_qdict(qobject_to(QDict,
                                                     qlist_entry_obj(e)),
                                          "counters");

        val = qdict_get_int(group ? qdict_get_qdict(counters, group)
                                  : counters, name);
        found = true;
    }
    g_assert_true(found);
    qobject_unref(r);
    return val;
}

uint64_t vmsg_stat(VMsgTest *t, const char *name)
{
    return vmsg_counter(t, NULL, name);
}

uint64_t vmsg_drops(VMsgTest *t, const char *reason)
{
    vmsg_ping(t->link);
    return vmsg_counter(t, "drops", reason);
}

void vmsg_settle(VMsgTest *t)
{
    int i;

    /*
     * The first command may overtake an event that its turn of the loop found
     * together with it; the second comes in a later turn.
     */
    await_answer(true);
    for (i = 0; i < 2; i++) {
        qtest_qmp_assert_success(t->qts, "{ 'execute': 'query-status' }");
    }
    await_answer(false);
}

void vmsg_log_begin(VMsgLog *log)
{
    log->fd = memfd_create("virtio-msg-log", MFD_CLOEXEC);
    g_assert_cmpint(log->fd, >=, 0);
    log->own = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0);
    g_assert_cmpint(log->own, >=, 0);
    g_assert_cmpint(dup2(log->fd, STDERR_FILENO), ==, STDERR_FILENO);
}

void vmsg_log_started(VMsgLog *log)
{
    g_assert_cmpint(dup2(log->own, STDERR_FILENO), ==, STDERR_FILENO);
    close(log->own);
}

unsigned vmsg_log_count(const VMsgLog *log, const char *what)
{
    g_autofree char *path = g_strdup_printf("/proc/self/fd/%d", log->fd);
    g_autofree char *text = NULL;
    g_auto(GStrv) lines = NULL;
    unsigned count = 0;
    char **line;

    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    g_test_message("%s", text);
    lines = g_strsplit(text, "\n", -1);
    for (line = lines; *line; line++) {
        count += **line && strstr(*line, what);
    }
    return count;
}

void vmsg_log_end(VMsgLog *log)
{
    close(log->fd);
}

bool vmsg_link_is_up(VMsgTest *t, const char *link)
{
    g_autofree char *path = g_strdup_printf("/machine/peripheral/%s", link);

    return qtest_qom_get_bool(t->qts, path, "link-up");
}

void vmsg_wait_link(VMsgTest *t, const char *link, bool up)
{
    gint64 end = g_get_monotonic_time() +
                 VMSG_DEADLINE_MS * (gint64)G_TIME_SPAN_MILLISECOND;

    while (vmsg_link_is_up(t, link) != up) {
        g_assert_cmpint(g_get_monotonic_time(), <, end);
    }
}

void vmsg_rng_up(VMsgLink *link, uint16_t dev, uint64_t features,
                 VMsgQueue *q)
{
    vmsg_negotiate(link, dev, features);
    vmsg_queue_init(q, link, dev, 0, VMSG_RNG_QUEUE_SIZE);
    vmsg_driver_ok(link, dev);
}

void vmsg_rng_read(VMsgQueue *q)
{
    VMsgBuffer buf = {
        .addr = vmsg_link_alloc(q->link, 64), .len = 64, .device_writes = true,
    };
    const uint8_t *data = vmsg_link_ptr(q->link, buf.addr);
    uint8_t ored = 0;
    uint16_t id;
    int i;

    id = vmsg_queue_add(q, &buf, 1);
    vmsg_queue_kick(q);
    g_assert_cmpuint(vmsg_queue_wait(q, id), ==, 64);
    for (i = 0; i < 64; i++) {
        ored |= data[i];
    }
    /* All zero once in 2^512 runs */
    g_assert_cmphex(ored, !=, 0);
}

int vmsg_disk(size_t size)
{
    int fd = memfd_create("virtio-msg-disk", 0);

    g_assert_cmpint(fd, >=, 0);
    g_assert_cmpint(ftruncate(fd, size), ==, 0);
    return fd;
}
