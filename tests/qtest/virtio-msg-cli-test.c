/*
 * Tests of virtio-msg's command line: what is wrong is said, once and clearly
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include <sys/socket.h>
#include <sys/wait.h>
#include "libqtest.h"
#include "virtio-msg-link.h"

/*
 * Each case ends QEMU with status 1 and one error that names the option and
 * what to do.  A QEMU that starts all the same finds a quit on its monitor, so
 * that a case that is not refused ends, too, with status 0.
 */

#define SHM_SIZE    0x400000
#define RAM_SIZE    0x1000000

#define LINK        "-chardev socket,id=c,fd=@FD@ " \
                    "-device virtio-msg-bus-ivshmem,id=link0,chardev=c"
#define RAM         "-object memory-backend-file,id=ram,size=16M,share=on," \
                    "mem-path=/proc/self/fd/@RAM@ " LINK ",memdev=ram"

typedef struct Case {
    const char *path;
    /* What the server says before QEMU starts; NULL: all that it should */
    void (*server)(VMsgLink *link);
    size_t shm_size;            /* 0: SHM_SIZE */
    const char *args;           /* behind -M virtio-msg, unless with a -M */
    const char *words[3];       /* in the message, in this order */
    bool starts;                /* and ends without a word */
    const char *arch;           /* others cannot have a vCPU without a board */
    const char *device;         /* not every QEMU has it */
} Case;

static void server_silent(VMsgLink *link)
{
}

/* A peer that has never come leaves, again and again, until nobody reads */
static gpointer talk_on(gpointer fd)
{
    int64_t left = GINT64_TO_LE(5);

    while (send(GPOINTER_TO_INT(fd), &left, sizeof(left), MSG_NOSIGNAL) ==
           sizeof(left)) {
    }
    close(GPOINTER_TO_INT(fd));
    return NULL;
}

static void server_endless(VMsgLink *link)
{
    struct timeval limit = { .tv_sec = 1 };
    int fd = dup(link->server);

    g_assert_cmpint(setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit,
                               sizeof(limit)), ==, 0);
    vmsg_link_tell(link, 0, -1);
    vmsg_link_tell(link, 0, -1);
    g_thread_unref(g_thread_new("server", talk_on, GINT_TO_POINTER(fd)));
}

static void server_version(VMsgLink *link)
{
    vmsg_link_tell(link, 1, -1);
}

static void server_other_protocol(VMsgLink *link)
{
    int64_t hello;

    memcpy(&hello, "220 mail", sizeof(hello));
    vmsg_link_tell(link, GINT64_FROM_LE(hello), -1);
}

static void server_bad_id(VMsgLink *link)
{
    vmsg_link_tell(link, 0, -1);
    vmsg_link_tell(link, 65536, -1);
}

static void server_no_memory(VMsgLink *link)
{
    vmsg_link_tell(link, 0, -1);
    vmsg_link_tell(link, 0, -1);
    vmsg_link_tell(link, -1, -1);
}

static void server_bad_peer(VMsgLink *link)
{
    vmsg_link_tell(link, 0, -1);
    vmsg_link_tell(link, 0, -1);
    vmsg_link_tell(link, -1, link->shm_fd);
    vmsg_link_tell(link, 65536, link->to_driver);
}

static void server_no_vectors(VMsgLink *link)
{
    vmsg_link_tell(link, 0, -1);
    vmsg_link_tell(link, 0, -1);
    vmsg_link_tell(link, -1, link->shm_fd);
    vmsg_link_hang_up(link);
}

static void server_memory_is_no_memory(VMsgLink *link)
{
    vmsg_link_tell(link, 0, -1);
    vmsg_link_tell(link, 0, -1);
    vmsg_link_tell(link, -1, link->to_driver);
}

static const Case cases[] = {
    {
        .path = "good/nothing-at-all",
        .args = "",
        .starts = true,
    }, {
        .path = "good/link",
        .args = RAM " -device virtio-rng-device -device virtio-blk-device,"
                "drive=d -blockdev null-co,node-name=d",
        .starts = true,
    }, {
        .path = "good/everything-named",
        .args = "-m 1G " RAM ",mem-offset=0x40000000,mem-low-size=4M,"
                "mem-hole=4K,remote-vmid=1,reset-queues=true,layout=spsc,"
                "slots=1 -device virtio-rng-device,bus=link0.0,"
                "iommu_platform=on",
        .starts = true,
    }, {
        .path = "attachment/neither",
        .args = "-device virtio-msg-bus-ivshmem",
        .words = { "give dev=", "chardev=", "ivshmem-server" },
    }, {
        .path = "attachment/both",
        .args = LINK ",dev=0000:ff:1f.7",
        .words = { "dev= and chardev=", "give one" },
    }, {
        .path = "attachment/no-such-pci-address",
        .args = "-device virtio-msg-bus-ivshmem,dev=0000:ff:1f.7",
        .words = { "dev=", "0000:ff:1f.7" },
    }, {
        .path = "attachment/malformed-pci-address",
        .args = "-device virtio-msg-bus-ivshmem,dev=nonsense",
        .words = { "dev", "nonsense" },
    }, {
        .path = "chardev/absent",
        .args = "-device virtio-msg-bus-ivshmem,chardev=absent",
        .words = { "chardev", "absent" },
    }, {
        .path = "chardev/no-socket-there",
        .args = "-chardev socket,id=c,path=/nonexistent/server "
                "-device virtio-msg-bus-ivshmem,chardev=c",
        .words = { "-chardev", "/nonexistent/server" },
    }, {
        .path = "chardev/not-a-socket",
        .args = "-chardev null,id=c "
                "-device virtio-msg-bus-ivshmem,chardev=c",
        .words = { "chardev=c", "UNIX socket", "-chardev socket" },
    }, {
        .path = "server/silent",
        .server = server_silent,
        .args = LINK,
        .words = { "chardev=", "said nothing", "ivshmem server?" },
    }, {
        .path = "server/endless",
        .server = server_endless,
        .args = LINK,
        .words = { "chardev=", "said nothing that helps", "ivshmem server?" },
    }, {
        .path = "server/wrong-version",
        .server = server_version,
        .args = LINK,
        .words = { "chardev=", "version 1", "need version 0" },
    }, {
        .path = "server/other-protocol",
        .server = server_other_protocol,
        .args = LINK,
        .words = { "chardev=", "another protocol" },
    }, {
        .path = "server/bad-id",
        .server = server_bad_id,
        .args = LINK,
        .words = { "chardev=", "not an ivshmem server", "65536" },
    }, {
        .path = "server/bad-peer-id",
        .server = server_bad_peer,
        .args = LINK,
        .words = { "chardev=", "invalid id", "65536" },
    }, {
        .path = "server/hands-out-no-memory",
        .server = server_no_memory,
        .args = LINK,
        .words = { "chardev=", "no memory", "UNIX socket" },
    }, {
        .path = "server/memory-is-no-memory",
        .server = server_memory_is_no_memory,
        .args = LINK,
        .words = { "chardev=", "too small" },
    }, {
        .path = "server/gone-at-once",
        .server = vmsg_link_hang_up,
        .args = LINK,
        .words = { "chardev=", "closed the connection", "ivshmem server?" },
    }, {
        .path = "server/gone-before-the-end",
        .server = server_no_vectors,
        .args = LINK,
        .words = { "chardev=", "closed the connection" },
    }, {
        .path = "server/memory-too-small",
        .shm_size = 0x2000,
        .args = LINK,
        .words = { "chardev=", "too small: 8192", "-l" },
    }, {
        .path = "server/memory-of-an-odd-size",
        .shm_size = 0x4001,
        .args = LINK,
        .words = { "chardev=", "16385", "not a multiple of 64" },
    }, {
        .path = "memory/absent",
        .args = LINK ",memdev=absent",
        .words = { "memdev", "absent" },
    }, {
        .path = "memory/not-shared",
        .args = "-object memory-backend-ram,id=ram,size=16M " LINK
                ",memdev=ram",
        .words = { "memdev=ram", "share=on" },
    }, {
        .path = "memory/both",
        .args = RAM ",sysmem-dev=0000:ff:1f.7",
        .words = { "memdev= and sysmem-dev=", "one" },
    }, {
        .path = "memory/low-size-too-large",
        .args = RAM ",mem-low-size=17M",
        .words = { "mem-low-size=", "0x1100000", "0x1000000" },
    }, {
        .path = "memory/hole-without-low-size",
        .args = RAM ",mem-hole=1M",
        .words = { "mem-hole=", "mem-low-size=" },
    }, {
        .path = "memory/offset-not-aligned",
        .args = RAM ",mem-offset=0x40000001",
        .words = { "mem-offset=", "multiples of the page size" },
    }, {
        .path = "memory/low-size-not-aligned",
        .args = RAM ",mem-low-size=12345",
        .words = { "mem-low-size=", "multiples of the page size" },
    }, {
        .path = "memory/beyond-64-bits",
        .args = RAM ",mem-offset=0xfffffffffffff000",
        .words = { "mem-offset=", "beyond 64 bits" },
    }, {
        .path = "memory/hole-beyond-64-bits",
        .args = RAM ",mem-low-size=1M,mem-hole=0xfffffffffff00000",
        .words = { "mem-hole=", "beyond 64 bits" },
    }, {
        .path = "sysmem/no-such-pci-address",
        .args = LINK ",sysmem-dev=0000:ff:1f.7",
        .words = { "sysmem-dev=", "0000:ff:1f.7" },
    }, {
        .path = "sysmem/unknown-map",
        .args = LINK ",sysmem-dev=0000:ff:1f.7,sysmem-map=nonsense",
        .words = { "sysmem-map", "nonsense" },
    }, {
        .path = "sysmem/map-without-device",
        .args = RAM ",sysmem-map=wc",
        .words = { "sysmem-map=", "sysmem-dev=" },
    }, {
        .path = "link/unknown-wire",
        .args = LINK ",wire=2024",
        .words = { "wire", "2024" },
    }, {
        .path = "link/strict-anyway",
        .args = RAM ",wire=2025,strict-generation=on",
        .words = { "strict-generation=on", "wire=2026" },
    }, {
        .path = "link/unknown-layout",
        .args = LINK ",layout=v2",
        .words = { "layout", "v2" },
    }, {
        .path = "link/ring-size-of-spsc",
        .args = RAM ",ring-size=100",
        .words = { "ring-size=", "layout=v1" },
    }, {
        .path = "link/ring-size-of-one",
        .args = RAM ",layout=v1,ring-size=1",
        .words = { "ring-size=1", "2 to 65535" },
    }, {
        .path = "good/v1",
        .args = RAM ",layout=v1,ring-size=2",
        .starts = true,
    }, {
        .path = "link/remote-vmid-out-of-range",
        .args = LINK ",remote-vmid=65536",
        .words = { "remote-vmid=65536", "0 to 65535" },
    }, {
        .path = "link/ping-interval-is-no-number",
        .args = LINK ",ping-interval=often",
        .words = { "ping-interval", "often" },
    }, {
        .path = "link/silent-reset-without-ping",
        .args = LINK ",silent-reset=on",
        .words = { "silent-reset=on", "ping-interval=" },
    }, {
        .path = "link/no-slots",
        .args = LINK ",slots=0",
        .words = { "slots=0", "1 to 65536" },
    }, {
        .path = "link/too-many-slots",
        .args = LINK ",slots=65537",
        .words = { "slots=65537", "1 to 65536" },
    }, {
        .path = "link/called-as-a-property",
        .args = "-chardev socket,id=c,fd=@FD@ "
                "-device virtio-msg-bus-ivshmem,id=slots,chardev=c",
        .words = { "'slots'", "another id=" },
    }, {
        .path = "card/no-pci",
        .args = "-device virtio-msg-amp-pci",
        .words = { "No 'PCI' bus", "virtio-msg-amp-pci" },
        .device = "virtio-msg-amp-pci",
    }, {
        .path = "card/no-fifos",
        .args = "-M virt -device virtio-msg-amp-pci,fifos=0",
        .words = { "fifos=0", "1 to 8" },
        .arch = "aarch64",
        .device = "virtio-msg-amp-pci",
    }, {
        .path = "card/too-many-fifos",
        .args = "-M virt -device virtio-msg-amp-pci,fifos=9",
        .words = { "fifos=9", "1 to 8" },
        .arch = "aarch64",
        .device = "virtio-msg-amp-pci",
    }, {
        .path = "card/no-such-fifo",
        .args = "-M virt -device virtio-msg-amp-pci,id=amp0,fifos=2 "
                "-device virtio-rng-device,bus=amp0.2.0",
        .words = { "amp0.2.0", "not found" },
        .arch = "aarch64",
        .device = "virtio-msg-amp-pci",
    }, {
        .path = "slot/taken",
        .args = RAM " -device virtio-rng-device,bus=link0.3 "
                "-device virtio-rng-device,bus=link0.3",
        .words = { "bus=link0.3", "'link0.3' is full" },
    }, {
        .path = "slot/out-of-range",
        .args = RAM " -device virtio-rng-device,bus=link0.32",
        .words = { "bus=link0.32", "'link0.32' not found" },
    }, {
        .path = "device/without-a-link",
        .args = "-device virtio-rng-device",
        .words = { "-device virtio-rng-device", "'virtio-bus'" },
    }, {
        .path = "device/without-iommu-platform",
        .args = RAM " -device virtio-rng-device,iommu_platform=off",
        .words = { "-device virtio-rng-device", "iommu_platform=on" },
    }, {
        .path = "device/balloon",
        .args = RAM " -device virtio-balloon-device",
        .words = { "-device virtio-balloon-device", "cannot stand on" },
    }, {
        .path = "device/mem",
        .args = RAM " -object memory-backend-ram,id=more,size=64M"
                " -device virtio-mem,memdev=more",
        .words = { "-device virtio-mem", "cannot stand on" },
        .device = "virtio-mem",
    }, {
        .path = "device/pmem",
        .args = RAM " -object memory-backend-ram,id=more,size=64M"
                " -device virtio-pmem,memdev=more",
        .words = { "-device virtio-pmem", "cannot stand on" },
        .device = "virtio-pmem",
    }, {
        .path = "device/vhost-vsock",
        .args = RAM " -device vhost-vsock-device,guest-cid=3",
        .words = { "-device vhost-vsock-device",
                   ": vhost-vsock-device cannot stand on", "vhost" },
        .device = "vhost-vsock-device",
    }, {
        .path = "device/vhost-scsi",
        .args = RAM " -device vhost-scsi,wwpn=naa.5001405324af0985,"
                "bus=link0.1",
        .words = { "-device vhost-scsi", ": vhost-scsi cannot stand on",
                   "vhost" },
        .device = "vhost-scsi",
    }, {
        .path = "machine/cpu",
        .args = "-cpu max",
        .words = { "virtio-msg", "no vCPU", "remove -cpu" },
    }, {
        .path = "machine/kernel",
        .args = "-kernel /dev/null",
        .words = { "virtio-msg", "-kernel" },
    }, {
        .path = "machine/smp",
        .args = "-smp 2",
        .words = { "CPU", "virtio-msg" },
    }, {
        .path = "accel/none-with-a-vcpu",
        .args = "-M none -cpu max -accel none",
        .arch = "aarch64",
        .words = { "none", "vCPU", "-accel" },
    },
};

/* Commands that end a QEMU that has started */
static int monitor_input(void)
{
    static const char quit[] = "{ 'execute': 'qmp_capabilities' }\n"
                               "{ 'execute': 'quit' }\n";
    int fd = memfd_create("monitor", MFD_CLOEXEC);

    g_assert_cmpint(fd, >=, 0);
    g_assert_cmpint(write(fd, quit, strlen(quit)), ==, strlen(quit));
    g_assert_cmpint(lseek(fd, 0, SEEK_SET), ==, 0);
    return fd;
}

static void use_as_stdin(gpointer opaque)
{
    dup2(GPOINTER_TO_INT(opaque), STDIN_FILENO);
}

static char *replace(const char *text, const char *what, int number)
{
    g_auto(GStrv) parts = g_strsplit(text, what, -1);
    g_autofree char *str = g_strdup_printf("%d", number);

    return g_strjoinv(str, parts);
}

static void run_case(const Case *c)
{
    VMsgLink *link = vmsg_link_new(c->shm_size ?: SHM_SIZE, RAM_SIZE);
    g_autofree char *with_fd = replace(c->args, "@FD@", link->client);
    g_autofree char *args = replace(with_fd, "@RAM@", link->ram_fd);
    g_autofree char *command = NULL;
    g_autofree char *errors = NULL;
    g_autoptr(GError) err = NULL;
    g_auto(GStrv) argv = NULL;
    g_auto(GStrv) lines = NULL;
    const char *at;
    int monitor = monitor_input();
    int status, complaints = 0;
    size_t i;

    if (c->server) {
        c->server(link);
    } else {
        vmsg_link_serve(link);
    }

    command = g_strdup_printf("%s %s -nodefaults -display none -qmp stdio %s",
                              getenv("QTEST_QEMU_BINARY"),
                              strstr(args, "-M ") ? "" : "-M virtio-msg",
                              args);
    g_test_message("%s", command);
    g_assert_true(g_shell_parse_argv(command, NULL, &argv, &err));
    g_spawn_sync(NULL, argv, NULL,
                 G_SPAWN_SEARCH_PATH | G_SPAWN_LEAVE_DESCRIPTORS_OPEN |
                 G_SPAWN_CHILD_INHERITS_STDIN | G_SPAWN_STDOUT_TO_DEV_NULL,
                 use_as_stdin, GINT_TO_POINTER(monitor), NULL, &errors,
                 &status, &err);
    g_assert_no_error(err);
    g_test_message("%s", errors);

    g_assert_true(WIFEXITED(status));
    g_assert_cmpint(WEXITSTATUS(status), ==, c->starts ? 0 : 1);

    lines = g_strsplit(errors, "\n", -1);
    for (i = 0; lines[i]; i++) {
        /* Hints follow in lines of their own, without the program's name */
        complaints += g_str_has_prefix(lines[i], "qemu-system-");
    }
    g_assert_cmpint(complaints, ==, c->starts ? 0 : 1);

    for (at = errors, i = 0; i < G_N_ELEMENTS(c->words) && c->words[i]; i++) {
        g_test_message("to be in there: %s", c->words[i]);
        at = strstr(at, c->words[i]);
        g_assert_nonnull(at);
        at += strlen(c->words[i]);
    }

    close(monitor);
    vmsg_link_free(link);
}

static void test_case(gconstpointer opaque)
{
    const Case *c = opaque;

    if (c->arch && !g_str_equal(c->arch, qtest_get_arch())) {
        g_test_skip("another target cannot be started like that");
        return;
    }
    if (c->device && !qtest_has_device(c->device)) {
        g_autofree char *why = g_strdup_printf("this QEMU has no %s",
                                               c->device);

        g_test_skip(why);
        return;
    }
    run_case(c);
}

int main(int argc, char **argv)
{
    size_t i;

    g_test_init(&argc, &argv, NULL);
    for (i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *path = g_strdup_printf("virtio-msg/cli/%s",
                                                cases[i].path);

        qtest_add_data_func(path, &cases[i], test_case);
    }
    return g_test_run();
}
