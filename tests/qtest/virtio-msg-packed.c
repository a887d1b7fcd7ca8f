/*
 * Packed rings of a virtio driver over virtio-msg, for tests
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include <linux/virtio_ring.h>
#include "virtio-msg-packed.h"

#define F_AVAIL     (1 << VRING_PACKED_DESC_F_AVAIL)
#define F_USED      (1 << VRING_PACKED_DESC_F_USED)

static struct vring_packed_desc *packed_desc(const VMsgPacked *q, uint16_t i)
{
    return (struct vring_packed_desc *)vmsg_link_ptr(q->link, q->ring) + i;
}

void vmsg_packed_init(VMsgPacked *q, VMsgLink *link, uint16_t dev,
                      uint32_t index, uint16_t size)
{
    *q = (VMsgPacked) {
        .link = link,
        .dev = dev,
        .index = index,
        .size = size,
        .ring = vmsg_link_alloc(link, size * sizeof(struct vring_packed_desc)),
        .driver = vmsg_link_alloc(link,
                                  sizeof(struct vring_packed_desc_event)),
        .device = vmsg_link_alloc(link,
                                  sizeof(struct vring_packed_desc_event)),
        .wrap = true,
    };
    g_assert_cmpuint(vmsg_set_vqueue(link, dev, index, size, q->ring,
                                     q->driver, q->device), ==, size);
}

void vmsg_packed_add(VMsgPacked *q, const VMsgBuffer *bufs, unsigned num)
{
    uint16_t i, first_flags = 0;
    uint16_t at = q->next;
    bool wrap = q->wrap;

    g_assert_cmpuint(q->num, ==, 0);
    g_assert_cmpuint(num, <=, q->size);
    q->num = num;
    q->id++;
    for (i = 0; i < num; i++) {
        struct vring_packed_desc *desc = packed_desc(q, at);
        uint16_t flags = wrap ? F_AVAIL : F_USED;

        if (bufs[i].device_writes) {
            flags |= VRING_DESC_F_WRITE;
        }
        if (i + 1 < num) {
            flags |= VRING_DESC_F_NEXT;
        }
        desc->addr = GUINT64_TO_LE(bufs[i].addr);
        desc->len = GUINT32_TO_LE(bufs[i].len);
        desc->id = GUINT16_TO_LE(q->id);
        if (i == 0) {
            first_flags = flags;
        } else {
            desc->flags = GUINT16_TO_LE(flags);
        }
        if (++at == q->size) {
            at = 0;
            wrap = !wrap;
        }
    }
    /* Last: with these the device takes all of the request */
    __atomic_store_n(&packed_desc(q, q->next)->flags,
                     GUINT16_TO_LE(first_flags), __ATOMIC_RELEASE);
    vmsg_notify(q->link, q->dev, q->index);
}

bool vmsg_packed_used(const VMsgPacked *q)
{
    uint16_t flags = GUINT16_FROM_LE(
        __atomic_load_n(&packed_desc(q, q->next)->flags, __ATOMIC_ACQUIRE));

    return q->num && !!(flags & F_AVAIL) == q->wrap &&
           !!(flags & F_USED) == q->wrap;
}

uint32_t vmsg_packed_take(VMsgPacked *q)
{
    const struct vring_packed_desc *desc = packed_desc(q, q->next);

    g_assert_true(vmsg_packed_used(q));
    g_assert_cmpuint(GUINT16_FROM_LE(desc->id), ==, q->id);
    q->next += q->num;
    q->num = 0;
    if (q->next >= q->size) {
        q->next -= q->size;
        q->wrap = !q->wrap;
    }
    return GUINT32_FROM_LE(desc->len);
}

uint32_t vmsg_packed_wait(VMsgPacked *q)
{
    while (!vmsg_packed_used(q)) {
        vmsg_wait_event(q->link, 0, VIRTIO_MSG_EVENT_USED, q->dev, NULL);
    }
    return vmsg_packed_take(q);
}

void vmsg_packed_set_event(VMsgPacked *q, uint16_t flags)
{
    struct vring_packed_desc_event *event = vmsg_link_ptr(q->link, q->driver);

    __atomic_store_n(&event->flags, GUINT16_TO_LE(flags), __ATOMIC_SEQ_CST);
}
