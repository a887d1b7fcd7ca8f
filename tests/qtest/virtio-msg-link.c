/*
 * The far end of a virtio-msg link, for tests and benchmarks
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include "virtio-msg-link.h"

#define RAM_ALIGN   4096

static uint8_t *vmsg_memory(const char *name, size_t size, int *fd)
{
    void *mem;

    /* Inherited: the device process opens the driver's memory by its number */
    *fd = memfd_create(name, 0);
    g_assert_cmpint(*fd, >=, 0);
    g_assert_cmpint(ftruncate(*fd, size), ==, 0);
    mem = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, *fd, 0);
    g_assert(mem != MAP_FAILED);
    return mem;
}

static const char *const wire_names[] = {
    [VMSG_WIRE_2025] = "2025",
    [VMSG_WIRE_2026] = "2026",
};

VMsgWire vmsg_default_wire(void)
{
    const char *name = getenv(VMSG_WIRE_VARIABLE);
    size_t i;

    for (i = 0; name && i < G_N_ELEMENTS(wire_names); i++) {
        if (g_str_equal(name, wire_names[i])) {
            return i;
        }
    }
    if (name) {
        g_error(VMSG_WIRE_VARIABLE "=%s is unknown", name);
    }
    return VMSG_WIRE_2026;
}

bool vmsg_default_v1(void)
{
    const char *name = g_getenv(VMSG_LAYOUT_VARIABLE);

    if (!name || g_str_equal(name, "spsc")) {
        return false;
    }
    if (!g_str_equal(name, "v1")) {
        g_error(VMSG_LAYOUT_VARIABLE "=%s is unknown", name);
    }
    return true;
}

const char *vmsg_wire_name(VMsgWire wire)
{
    return wire_names[wire];
}

VMsgLink *vmsg_link_new(size_t shm_size, size_t ram_size)
{
    VMsgLink *link = g_new0(VMsgLink, 1);
    int pair[2];

    link->wire = vmsg_default_wire();
    link->v1 = vmsg_default_v1();
    /* Ours must not live on in the device process: it is to see us hang up */
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair),
                    ==, 0);
    link->server = pair[0];
    link->client = dup(pair[1]);
    g_assert_cmpint(link->client, >=, 0);
    close(pair[1]);

    link->shm_size = shm_size;
    link->shm = vmsg_memory("virtio-msg-ivshmem", shm_size, &link->shm_fd);
    link->ram_size = ram_size;
    link->ram_base = VMSG_RAM_BASE;
    link->ram = vmsg_memory("virtio-msg-ram", ram_size, &link->ram_fd);

    link->to_device = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    link->to_driver = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    g_assert_cmpint(link->to_device, >=, 0);
    g_assert_cmpint(link->to_driver, >=, 0);

    g_queue_init(&link->events);
    if (shm_size >= VMSG_DEVICE_QUEUE + VIRTIO_MSG_SPSC_PAGE_SIZE) {
        vmsg_link_reset_ring(link);
    }
    return link;
}

void vmsg_link_free(VMsgLink *link)
{
    vmsg_drop_events(link);
    vmsg_link_hang_up(link);
    vmsg_link_started(link);
    munmap(link->shm, link->shm_size);
    munmap(link->ram, link->ram_size);
    close(link->shm_fd);
    close(link->ram_fd);
    close(link->to_device);
    close(link->to_driver);
    g_free(link);
}

void vmsg_link_tell(VMsgLink *link, int64_t msg, int fd)
{
    int64_t wire = GINT64_TO_LE(msg);
    struct iovec iov = { .iov_base = &wire, .iov_len = sizeof(wire) };
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control = { .bytes = { 0 } };
    struct msghdr hdr = { .msg_iov = &iov, .msg_iovlen = 1 };
    struct cmsghdr *cmsg;

    if (fd >= 0) {
        hdr.msg_control = &control;
        hdr.msg_controllen = sizeof(control);
        cmsg = CMSG_FIRSTHDR(&hdr);
        cmsg->cmsg_level = SOL_SOCKET;
        cmsg->cmsg_type = SCM_RIGHTS;
        cmsg->cmsg_len = CMSG_LEN(sizeof(fd));
        memcpy(CMSG_DATA(cmsg), &fd, sizeof(fd));
    }
    g_assert_cmpint(sendmsg(link->server, &hdr, MSG_NOSIGNAL), ==,
                    sizeof(wire));
}

void vmsg_link_serve(VMsgLink *link)
{
    vmsg_link_tell(link, 0, -1);
    vmsg_link_tell(link, VMSG_DEVICE_ID, -1);
    vmsg_link_tell(link, -1, link->shm_fd);
    vmsg_link_tell(link, VMSG_DRIVER_ID, link->to_driver);
    vmsg_link_tell(link, VMSG_DEVICE_ID, link->to_device);
}

void vmsg_link_hang_up(VMsgLink *link)
{
    if (link->server >= 0) {
        close(link->server);
        link->server = -1;
    }
}

char *vmsg_link_args(VMsgLink *link, const char *id, const char *props)
{
    if (link->ops) {
        return link->ops->args(link, id, props);
    }
    return g_strdup_printf(
        "-chardev socket,id=%s-server,fd=%d "
        "-object memory-backend-file,id=%s-ram,size=%zu,share=on,"
        "mem-path=/proc/self/fd/%d "
        "-device virtio-msg-bus-ivshmem,id=%s,chardev=%s-server,"
        "memdev=%s-ram,mem-offset=0x%" PRIx64 ",wire=%s,layout=%s%s ",
        id, link->client, id, link->ram_size, link->ram_fd, id, id, id,
        link->ram_base, vmsg_wire_name(link->wire), link->v1 ? "v1" : "spsc",
        props);
}

void vmsg_link_started(VMsgLink *link)
{
    if (link->client >= 0) {
        close(link->client);
        link->client = -1;
    }
}

bool vmsg_link_in_use(VMsgLink *link)
{
    uint32_t *id = (uint32_t *)(link->shm + link->shm_size - VMSG_IDS +
                                VMSG_IDS_DEVICE);

    return __atomic_load_n(id, __ATOMIC_ACQUIRE);
}

/* Let @fd take the place of @old, which is closed or becomes somebody else's */
static int vmsg_move_fd(int fd, int old)
{
    g_assert_cmpint(dup2(fd, old), ==, old);
    close(fd);
    return old;
}

VMsgLink *vmsg_link_next(VMsgLink *link)
{
    VMsgLink *next = vmsg_link_new(link->shm_size, link->ram_size);
    int ram_fd = dup(link->ram_fd);

    g_assert_cmpint(ram_fd, >=, 0);
    g_assert_cmpint(link->client, >=, 0);
    next->client = vmsg_move_fd(next->client, link->client);
    next->ram_fd = vmsg_move_fd(next->ram_fd, link->ram_fd);
    link->client = -1;
    link->ram_fd = ram_fd;

    next->wire = link->wire;
    next->v1 = link->v1;
    vmsg_link_reset_ring(next);
    next->ram_base = link->ram_base;
    next->idle = link->idle;
    vmsg_link_serve(next);
    return next;
}

static int64_t vmsg_now_ms(void)
{
    return g_get_monotonic_time() / G_TIME_SPAN_MILLISECOND;
}

void vmsg_link_reset_ring(VMsgLink *link)
{
    if (link->v1) {
        VirtIOMSGRingV1Start start = { .barriers = NULL };

        g_assert_cmpint(virtio_msg_ring_init_v1(&link->ring,
                                                VIRTIO_MSG_RING_DRIVER_SIDE,
                                                link->shm,
                                                link->shm_size - VMSG_IDS,
                                                &start, vmsg_now_ms()),
                        ==, VIRTIO_MSG_V1_FINE);
        return;
    }
    virtio_msg_ring_init_spsc(&link->ring, link->shm + VMSG_DRIVER_QUEUE,
                              link->shm + VMSG_DEVICE_QUEUE, false);
}

void vmsg_link_ring(VMsgLink *link)
{
    uint64_t one = 1;

    if (link->ops) {
        link->ops->ring(link);
        return;
    }
    g_assert_cmpint(write(link->to_device, &one, sizeof(one)), ==,
                    sizeof(one));
}

uint64_t vmsg_link_alloc(VMsgLink *link, size_t size)
{
    size_t at = link->ram_used;

    link->ram_used += (size + RAM_ALIGN - 1) / RAM_ALIGN * RAM_ALIGN;
    g_assert_cmpuint(link->ram_used, <=, link->ram_size);
    return link->ram_base + at;
}

void *vmsg_link_ptr(VMsgLink *link, uint64_t addr)
{
    g_assert_cmphex(addr, >=, link->ram_base);
    g_assert_cmphex(addr, <, link->ram_base + link->ram_size);
    return link->ram + (addr - link->ram_base);
}

void vmsg_init(struct virtio_msg *msg, uint8_t type, uint8_t id, uint16_t dev,
               size_t payload)
{
    memset(msg, 0, sizeof(*msg));
    msg->type = type;
    msg->msg_id = id;
    msg->dev_num = GUINT16_TO_LE(dev);
    msg->msg_size = GUINT16_TO_LE(VIRTIO_MSG_HDR_SIZE + payload);
}

static void vmsg_pull(VMsgLink *link)
{
    if (link->ops) {
        link->ops->pull(link);
    }
}

static void vmsg_push(VMsgLink *link)
{
    if (link->ops) {
        link->ops->push(link);
    }
}

static bool vmsg_poll(VMsgLink *link, int timeout_ms);

/* With v1: until messages flow, which takes both sides */
static void vmsg_come_up(VMsgLink *link)
{
    int64_t end = vmsg_now_ms() + VMSG_DEADLINE_MS;

    while (!virtio_msg_ring_is_up(&link->ring)) {
        VirtIOMSGRingStep step;

        vmsg_pull(link);
        step = virtio_msg_ring_advance(&link->ring, vmsg_now_ms());
        if (step.event == VIRTIO_MSG_RING_EVENT_DOWN) {
            step = virtio_msg_ring_cleaned(&link->ring, vmsg_now_ms());
        }
        g_assert_cmpint(step.event, !=, VIRTIO_MSG_RING_EVENT_REFUSED);
        vmsg_push(link);
        if (step.ring) {
            vmsg_link_ring(link);
        }
        if (vmsg_now_ms() > end) {
            g_error("the link did not come up within %d s, waiting for %s",
                    VMSG_DEADLINE_MS / 1000,
                    virtio_msg_ring_waits_for(&link->ring));
        }
        if (link->idle) {
            link->idle();
        } else if (!link->ops &&
                   vmsg_poll(link, MAX(step.next_ms - vmsg_now_ms(), 0))) {
            vmsg_wait_rung(link);
        }
    }
}

bool vmsg_try_put(VMsgLink *link, const struct virtio_msg *msg)
{
    VirtIOMSGRingResult ret;

    do {
        vmsg_come_up(link);
        vmsg_pull(link);
        ret = virtio_msg_ring_put(&link->ring, msg, VIRTIO_MSG_RING_SLOT_SIZE);
        vmsg_push(link);
        /* Tests play tricks on the driver's own words */
    } while (ret == VIRTIO_MSG_RING_RESTARTED);
    return ret == VIRTIO_MSG_RING_OK;
}

void vmsg_send(VMsgLink *link, const struct virtio_msg *msg)
{
    g_assert_true(vmsg_try_put(link, msg));
    vmsg_link_ring(link);
}

bool vmsg_try_get(VMsgLink *link, struct virtio_msg *msg)
{
    VirtIOMSGRingResult ret;

    memset(msg, 0, sizeof(*msg));
    do {
        vmsg_come_up(link);
        vmsg_pull(link);
        ret = virtio_msg_ring_get(&link->ring, msg);
        vmsg_push(link);
    } while (ret == VIRTIO_MSG_RING_RESTARTED);
    g_assert_cmpint(ret, !=, VIRTIO_MSG_RING_BAD_INDEX);
    return ret == VIRTIO_MSG_RING_OK;
}

/* Returns false if nothing came within @timeout_ms */
static bool vmsg_poll(VMsgLink *link, int timeout_ms)
{
    struct pollfd fds[] = {
        { .fd = link->to_driver, .events = POLLIN },
        { .fd = link->server },
    };
    int ret;

    do {
        ret = poll(fds, G_N_ELEMENTS(fds), timeout_ms);
    } while (ret < 0 && errno == EINTR);
    if (ret > 0 && !(fds[0].revents & POLLIN)) {
        g_error("the device process closed its connection");
    }
    return ret > 0;
}

/* The device side is in this process: run it instead of waiting for it */
static bool vmsg_idle(VMsgLink *link)
{
    gint64 end = g_get_monotonic_time() +
                 VMSG_DEADLINE_MS * G_TIME_SPAN_MILLISECOND;

    while (!vmsg_poll(link, 0)) {
        if (g_get_monotonic_time() > end) {
            return false;
        }
        link->idle();
    }
    return true;
}

void vmsg_wait_rung(VMsgLink *link)
{
    uint64_t count;

    if (link->ops) {
        link->ops->wait(link);
        return;
    }
    if (!(link->idle ? vmsg_idle(link) : vmsg_poll(link, VMSG_DEADLINE_MS))) {
        g_error("the device side did not ring within %d s",
                VMSG_DEADLINE_MS / 1000);
    }
    g_assert_cmpint(read(link->to_driver, &count, sizeof(count)), ==,
                    sizeof(count));
}

void vmsg_get(VMsgLink *link, struct virtio_msg *msg)
{
    while (!vmsg_try_get(link, msg)) {
        vmsg_wait_rung(link);
    }
}

/* What the device side says of its own: events, and PING */
static bool vmsg_is_news(const struct virtio_msg *msg)
{
    return !(msg->type & VIRTIO_MSG_TYPE_RESPONSE) &&
           ((msg->msg_id & VIRTIO_MSG_ID_EVENT) ||
            (msg->type & VIRTIO_MSG_TYPE_BUS &&
             msg->msg_id == VIRTIO_MSG_BUS_PING));
}

static void vmsg_put_aside(VMsgLink *link, const struct virtio_msg *msg)
{
    if (!vmsg_is_news(msg)) {
        g_error("unexpected message: type 0x%02x id 0x%02x dev %u token %u",
                msg->type, msg->msg_id, GUINT16_FROM_LE(msg->dev_num),
                GUINT16_FROM_LE(msg->token));
    }
    g_queue_push_tail(&link->events, g_memdup2(msg, sizeof(*msg)));
}

void vmsg_request(VMsgLink *link, struct virtio_msg *req,
                  struct virtio_msg *resp)
{
    req->token = GUINT16_TO_LE(++link->token);
    vmsg_send(link, req);
    for (;;) {
        vmsg_get(link, resp);
        if (!vmsg_is_news(resp)) {
            break;
        }
        vmsg_put_aside(link, resp);
    }
    g_assert_cmphex(resp->type, ==,
                    (req->type & VIRTIO_MSG_TYPE_BUS) |
                    VIRTIO_MSG_TYPE_RESPONSE);
    g_assert_cmphex(resp->msg_id, ==, req->msg_id);
    g_assert_cmpuint(resp->dev_num, ==, req->dev_num);
    g_assert_cmpuint(resp->token, ==, req->token);
}

void vmsg_ping(VMsgLink *link)
{
    struct virtio_msg req, resp;

    vmsg_init(&req, VIRTIO_MSG_TYPE_BUS, VIRTIO_MSG_BUS_PING, 0,
              sizeof(req.ping));
    req.ping.data = GUINT32_TO_LE(0xa5000000 | link->token);
    vmsg_request(link, &req, &resp);
    g_assert_cmpuint(GUINT16_FROM_LE(resp.msg_size), ==,
                     VIRTIO_MSG_HDR_SIZE + sizeof(resp.ping));
    g_assert_cmphex(resp.ping.data, ==, req.ping.data);
}

static bool vmsg_find_event(VMsgLink *link, uint8_t type, uint8_t id,
                            uint16_t dev, struct virtio_msg *msg)
{
    GList *l;

    for (l = link->events.head; l; l = l->next) {
        struct virtio_msg *event = l->data;

        if (event->type == type && event->msg_id == id &&
            GUINT16_FROM_LE(event->dev_num) == dev) {
            if (msg) {
                *msg = *event;
            }
            g_free(event);
            g_queue_delete_link(&link->events, l);
            return true;
        }
    }
    return false;
}

bool vmsg_take_event(VMsgLink *link, uint8_t type, uint8_t id, uint16_t dev,
                     struct virtio_msg *msg)
{
    vmsg_ping(link);
    return vmsg_find_event(link, type, id, dev, msg);
}

void vmsg_wait_event(VMsgLink *link, uint8_t type, uint8_t id, uint16_t dev,
                     struct virtio_msg *msg)
{
    struct virtio_msg event;

    while (!vmsg_find_event(link, type, id, dev, msg)) {
        vmsg_get(link, &event);
        vmsg_put_aside(link, &event);
    }
}

bool vmsg_next_event(VMsgLink *link, struct virtio_msg *msg)
{
    g_autofree struct virtio_msg *event = g_queue_pop_head(&link->events);

    if (!event) {
        return false;
    }
    *msg = *event;
    return true;
}

void vmsg_drop_events(VMsgLink *link)
{
    g_queue_foreach(&link->events, (GFunc)g_free, NULL);
    g_queue_clear(&link->events);
}
