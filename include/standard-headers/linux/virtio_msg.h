/* SPDX-License-Identifier: (GPL-2.0-or-later OR BSD-3-Clause) */
/*
 * virtio-msg: the messages of transport revision 1
 *
 * One definition for both ends of a link: QEMU's device side and the Linux
 * driver side.  Every integer is little-endian on the wire, every field lies
 * on a multiple of its own size, and no structure has padding, so a message
 * can be used in place once it has been copied to 8-byte aligned memory.
 *
 * There are two wires that call themselves revision 1, that of 2026 and that of
 * 2025, and nothing in a message tells which one it is.  What ends in _2025 is
 * different there; what ends in _2025_07 is what the first drivers sent.  All
 * else is the same.
 */
#ifndef _LINUX_VIRTIO_MSG_H
#define _LINUX_VIRTIO_MSG_H

#ifdef __KERNEL__
#include <linux/types.h>
typedef __u8 virtio_msg_u8;
typedef __le16 virtio_msg_le16;
typedef __le32 virtio_msg_le32;
typedef __le64 virtio_msg_le64;
#else
#include <stdint.h>
typedef uint8_t virtio_msg_u8;
typedef uint16_t virtio_msg_le16;
typedef uint32_t virtio_msg_le32;
typedef uint64_t virtio_msg_le64;
#endif

/* A bus says how large its messages may be, within these bounds (bytes). */
#define VIRTIO_MSG_HDR_SIZE		8
#define VIRTIO_MSG_MIN_MAX_SIZE		52
#define VIRTIO_MSG_MIN_MAX_SIZE_2025	48
#define VIRTIO_MSG_MAX_SIZE		264
#define VIRTIO_MSG_MAX_PAYLOAD		(VIRTIO_MSG_MAX_SIZE - VIRTIO_MSG_HDR_SIZE)

/* virtio_msg.type; the other bits are sent as 0 and ignored on receipt */
#define VIRTIO_MSG_TYPE_RESPONSE	0x01
#define VIRTIO_MSG_TYPE_BUS		0x02

/* virtio_msg.msg_id: this bit set is an event, which is never answered */
#define VIRTIO_MSG_ID_EVENT		0x40

/* Transport messages */
#define VIRTIO_MSG_GET_DEVICE_INFO	0x02
#define VIRTIO_MSG_GET_DEVICE_FEATURES	0x03
#define VIRTIO_MSG_SET_DRIVER_FEATURES	0x04
#define VIRTIO_MSG_GET_CONFIG		0x05
#define VIRTIO_MSG_SET_CONFIG		0x06
#define VIRTIO_MSG_GET_DEVICE_STATUS	0x07
#define VIRTIO_MSG_SET_DEVICE_STATUS	0x08
#define VIRTIO_MSG_GET_VQUEUE		0x09
#define VIRTIO_MSG_SET_VQUEUE		0x0a
#define VIRTIO_MSG_RESET_VQUEUE		0x0b
#define VIRTIO_MSG_GET_SHM		0x0c
#define VIRTIO_MSG_EVENT_CONFIG		0x40
#define VIRTIO_MSG_EVENT_AVAIL		0x41
#define VIRTIO_MSG_EVENT_USED		0x42

/* Bus messages */
#define VIRTIO_MSG_BUS_GET_DEVICES	0x02
#define VIRTIO_MSG_BUS_PING		0x03
#define VIRTIO_MSG_BUS_EVENT_DEVICE	0x40

/* EVENT_DEVICE.state */
#define VIRTIO_MSG_DEVICE_ADDED		1
#define VIRTIO_MSG_DEVICE_REMOVED	2

/* EVENT_AVAIL.vq_index and EVENT_USED.vq_index: look at every queue */
#define VIRTIO_MSG_ALL_VQUEUES		0xffffffffU

/* EVENT_AVAIL.next_offset, with VIRTIO_F_NOTIFICATION_DATA */
#define VIRTIO_MSG_NEXT_OFFSET_MASK	0x7fffffffU
#define VIRTIO_MSG_NEXT_WRAP		0x80000000U

/* GET_DEVICES.offset, .count and .next_offset are multiples of this in 2025 */
#define VIRTIO_MSG_DEVICES_ALIGN_2025	8

/* GET_VQUEUE.flags; 0 in 2025 */
#define VIRTIO_MSG_VQ_ENABLED		0x01

/* SET_VQUEUE.flags: what to do, and what the queue is to keep; 0 in 2025 */
#define VIRTIO_MSG_VQ_OP_MASK		0x03
#define VIRTIO_MSG_VQ_OP_DISABLED	0x00
#define VIRTIO_MSG_VQ_OP_ENABLE		0x01
#define VIRTIO_MSG_VQ_OP_KEEP		0x02
#define VIRTIO_MSG_VQ_KEEP_SIZE		0x04
#define VIRTIO_MSG_VQ_KEEP_DESC		0x08
#define VIRTIO_MSG_VQ_KEEP_DRIVER	0x10
#define VIRTIO_MSG_VQ_KEEP_DEVICE	0x20

struct virtio_msg_get_device_info_resp {
	virtio_msg_le32 device_id;		/* 0: no such device */
	virtio_msg_le32 vendor_id;
	virtio_msg_u8 uuid[16];			/* all 0: none */
	virtio_msg_le32 num_feature_blocks;	/* of 32 bits */
	virtio_msg_le32 config_size;		/* bytes */
	virtio_msg_le32 max_virtqueues;		/* admin queues counted */
	virtio_msg_le32 admin_vq_start;
	virtio_msg_le32 admin_vq_count;		/* 0: none, then start is 0 */
};

struct virtio_msg_get_device_info_resp_2025 {
	virtio_msg_le32 device_id;		/* 0: no such device */
	virtio_msg_le32 vendor_id;
	virtio_msg_le32 num_feature_bits;	/* a multiple of 32 */
	virtio_msg_le32 config_size;		/* bytes */
	virtio_msg_le32 max_virtqueues;
	virtio_msg_le16 admin_vq_start;
	virtio_msg_le16 admin_vq_count;
};

struct virtio_msg_get_features {
	virtio_msg_le32 block_index;		/* in blocks of 32 bits */
	virtio_msg_le32 num_blocks;
};

#define VIRTIO_MSG_MAX_FEATURE_BLOCKS	((VIRTIO_MSG_MAX_PAYLOAD - 8) / 4)

/* GET_DEVICE_FEATURES response, SET_DRIVER_FEATURES request */
struct virtio_msg_features {
	virtio_msg_le32 block_index;
	virtio_msg_le32 num_blocks;
	virtio_msg_le32 features[VIRTIO_MSG_MAX_FEATURE_BLOCKS];
};

struct virtio_msg_get_config {
	virtio_msg_le32 offset;
	virtio_msg_le32 length;
};

#define VIRTIO_MSG_MAX_CONFIG_DATA	(VIRTIO_MSG_MAX_PAYLOAD - 12)

/* GET_CONFIG response, SET_CONFIG request and response */
struct virtio_msg_config {
	virtio_msg_le32 generation;
	virtio_msg_le32 offset;
	virtio_msg_le32 length;
	virtio_msg_u8 data[VIRTIO_MSG_MAX_CONFIG_DATA];
};

/* GET_DEVICE_STATUS response, SET_DEVICE_STATUS request and response */
struct virtio_msg_status {
	virtio_msg_le32 status;
};

/* GET_VQUEUE, RESET_VQUEUE and GET_SHM requests, EVENT_USED */
struct virtio_msg_index {
	virtio_msg_le32 index;
};

struct virtio_msg_get_vqueue_resp {
	virtio_msg_le32 index;
	virtio_msg_le32 max_size;		/* 0: no such queue */
	virtio_msg_le32 cur_size;		/* 0: not set up */
	virtio_msg_le32 flags;
	virtio_msg_le64 desc;
	virtio_msg_le64 driver;
	virtio_msg_le64 device;
};

struct virtio_msg_set_vqueue {
	virtio_msg_le32 index;
	virtio_msg_le32 flags;
	virtio_msg_le32 size;
	virtio_msg_le32 reserved;
	virtio_msg_le64 desc;
	virtio_msg_le64 driver;
	virtio_msg_le64 device;
};

/* The addresses stand in halves: they would not be aligned. */
struct virtio_msg_get_vqueue_resp_2025_07 {
	virtio_msg_le32 index;
	virtio_msg_le32 max_size;
	virtio_msg_le32 cur_size;
	virtio_msg_le32 desc[2];		/* lower half first */
	virtio_msg_le32 driver[2];
	virtio_msg_le32 device[2];
};

struct virtio_msg_set_vqueue_2025_07 {
	virtio_msg_le32 index;
	virtio_msg_le32 reserved;
	virtio_msg_le32 size;
	virtio_msg_le32 desc[2];
	virtio_msg_le32 driver[2];
	virtio_msg_le32 device[2];
};

struct virtio_msg_get_shm_resp {
	virtio_msg_le32 index;
	virtio_msg_le32 reserved;
	virtio_msg_le64 length;			/* 0: no such region */
	virtio_msg_le64 address;
};

struct virtio_msg_get_shm_resp_2025 {
	virtio_msg_le32 index;
	virtio_msg_le32 length;			/* 0: no such region */
	virtio_msg_le32 address;
};

#define VIRTIO_MSG_MAX_EVENT_DATA	(VIRTIO_MSG_MAX_PAYLOAD - 16)

struct virtio_msg_event_config {
	virtio_msg_le32 status;
	virtio_msg_le32 generation;
	virtio_msg_le32 offset;
	virtio_msg_le32 length;			/* 0: fetch with GET_CONFIG */
	virtio_msg_u8 data[VIRTIO_MSG_MAX_EVENT_DATA];
};

struct virtio_msg_event_avail {
	virtio_msg_le32 vq_index;
	virtio_msg_le32 next_offset;
};

struct virtio_msg_get_devices {
	virtio_msg_le16 offset;
	virtio_msg_le16 count;
};

#define VIRTIO_MSG_MAX_DEVICES_BITMAP	(VIRTIO_MSG_MAX_PAYLOAD - 6)

struct virtio_msg_get_devices_resp {
	virtio_msg_le16 offset;
	virtio_msg_le16 next_offset;		/* 0: nothing further */
	virtio_msg_le16 count;
	virtio_msg_u8 bitmap[VIRTIO_MSG_MAX_DEVICES_BITMAP];
};

struct virtio_msg_get_devices_resp_2025 {
	virtio_msg_le16 offset;
	virtio_msg_le16 count;
	virtio_msg_le16 next_offset;		/* 0: nothing further */
	virtio_msg_u8 bitmap[VIRTIO_MSG_MAX_DEVICES_BITMAP];
};

/* PING request and response */
struct virtio_msg_ping {
	virtio_msg_le32 data;
};

struct virtio_msg_event_device {
	virtio_msg_le16 device_number;
	virtio_msg_le16 state;
};

/* The header and, by type and msg_id, what follows it */
struct virtio_msg {
	virtio_msg_u8 type;
	virtio_msg_u8 msg_id;
	virtio_msg_le16 dev_num;		/* 0 in bus messages */
	virtio_msg_le16 token;			/* the bus's own */
	virtio_msg_le16 msg_size;		/* header and payload, bytes */
	union {
		virtio_msg_u8 payload[VIRTIO_MSG_MAX_PAYLOAD];
		struct virtio_msg_get_device_info_resp get_device_info_resp;
		struct virtio_msg_get_device_info_resp_2025
			get_device_info_resp_2025;
		struct virtio_msg_get_features get_features;
		struct virtio_msg_features features;
		struct virtio_msg_get_config get_config;
		struct virtio_msg_config config;
		struct virtio_msg_status status;
		struct virtio_msg_index index;
		struct virtio_msg_get_vqueue_resp get_vqueue_resp;
		struct virtio_msg_get_vqueue_resp_2025_07
			get_vqueue_resp_2025_07;
		struct virtio_msg_set_vqueue set_vqueue;
		struct virtio_msg_set_vqueue_2025_07 set_vqueue_2025_07;
		struct virtio_msg_get_shm_resp get_shm_resp;
		struct virtio_msg_get_shm_resp_2025 get_shm_resp_2025;
		struct virtio_msg_event_config event_config;
		struct virtio_msg_event_avail event_avail;
		struct virtio_msg_get_devices get_devices;
		struct virtio_msg_get_devices_resp get_devices_resp;
		struct virtio_msg_get_devices_resp_2025 get_devices_resp_2025;
		struct virtio_msg_ping ping;
		struct virtio_msg_event_device event_device;
		virtio_msg_le64 align;
	};
};

#endif /* _LINUX_VIRTIO_MSG_H */
