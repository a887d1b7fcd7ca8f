// SPDX-License-Identifier: GPL-2.0-only
/*
 * virtio-msg: a virtio transport over messages
 *
 * What other transports do with registers, this one does with requests to the
 * device side.  A bus carries them, see virtio_msg_bus.h.  The device side
 * is not trusted: whatever it answers is checked here.
 */
#include <linux/bottom_half.h>
#include <linux/delay.h>
#include <linux/log2.h>
#include <linux/module.h>
#include <linux/ratelimit.h>
#include <linux/slab.h>
#include <linux/virtio.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_ring.h>

#include "virtio_msg_compat.h"
#include "virtio_msg_drain.h"
#include "virtio_msg_internal.h"

/* The core keeps 64 feature bits. */
#define VIRTIO_MSG_CORE_FEATURE_BLOCKS	2

/* How often a config access that collides with a change is tried again */
#define VIRTIO_MSG_CONFIG_TRIES		5

/* The core reads on while the generation changes, we do not so for ever. */
#define VIRTIO_MSG_MAX_GENERATION_CHANGES	100

/* So many lines a minute say that devices come. */
#define VIRTIO_MSG_MAX_NEWS		1024

/* How large the queues of a device are that is not there */
#define VIRTIO_MSG_ABSENT_QUEUE		256

/* A device that does not reset at once is asked this often, for so long. */
#define VIRTIO_MSG_RESET_POLL_US	10000
#define VIRTIO_MSG_RESET_TIMEOUT	msecs_to_jiffies(10000)

/* When to look again for what is to be failed, and how often to wait longer */
#define VIRTIO_MSG_DRAIN_DELAY		msecs_to_jiffies(100)
#define VIRTIO_MSG_DRAIN_MAX_SHIFT	5

static bool packed;
module_param(packed, bool, 0444);
MODULE_PARM_DESC(packed,
		 "Accept packed rings; what is outstanding in one cannot be failed when its device goes, so that its driver may wait for ever (default N)");

#define to_virtio_msg_device(_vdev) \
	container_of(_vdev, struct virtio_msg_device, vdev)

static struct device *vm_parent(struct virtio_msg_device *vmdev)
{
	return vmdev->vdev.dev.parent;
}

/* Unbound, as a driver that keeps its CPU to itself may wait for just this */
static void vm_schedule_break(struct virtio_msg_device *vmdev)
{
	queue_work(vmdev->wq, &vmdev->break_work);
}

void virtio_msg_break(struct virtio_msg_device *vmdev, bool may_answer)
{
	struct virtio_msg_vq *mvq;
	unsigned long flags;
	bool any = false;

	WRITE_ONCE(vmdev->may_answer, may_answer);
	WRITE_ONCE(vmdev->broken, true);

	/*
	 * A driver that looks at a queue without being called may do nothing
	 * else, with the CPU to itself.  All others wait for vm_break_work().
	 */
	spin_lock_irqsave(&vmdev->lock, flags);
	list_for_each_entry(mvq, &vmdev->vqs, node) {
		if (!mvq->vq->callback)
			__virtqueue_break(mvq->vq);
		any = true;
	}
	spin_unlock_irqrestore(&vmdev->lock, flags);

	/* The core's list of queues exists once there was one of ours. */
	if (any)
		vm_schedule_break(vmdev);
}

static void vm_request_init(struct virtio_msg_device *vmdev, u8 msg_id,
			    struct virtio_msg *request, size_t request_len)
{
	request->type = 0;
	request->msg_id = msg_id;
	request->dev_num = cpu_to_le16(vmdev->dev_num);
	request->msg_size = cpu_to_le16(VIRTIO_MSG_HDR_SIZE + request_len);
}

static struct virtio_msg_vq *vm_find_vq(struct virtio_msg_device *vmdev,
					u32 index)
{
	struct virtio_msg_vq *mvq;

	list_for_each_entry(mvq, &vmdev->vqs, node)
		if (mvq->vq->index == index)
			return mvq;
	return NULL;
}

/*
 * Answers in the place of a device that is not there.  Some drivers never end
 * the requests that came while they were asleep, unless they are woken up, and
 * for that they need a device that does all that it is told.
 */
static void vm_pretend(struct virtio_msg_device *vmdev,
		       const struct virtio_msg *request,
		       struct virtio_msg *response)
{
	u32 offset, len;

	response->msg_size = cpu_to_le16(vmdev->max_msg_size);
	switch (request->msg_id) {
	case VIRTIO_MSG_GET_CONFIG:
		offset = le32_to_cpu(request->get_config.offset);
		len = le32_to_cpu(request->get_config.length);
		response->config.offset = request->get_config.offset;
		response->config.length = request->get_config.length;
		if (offset < sizeof(vmdev->kept_config))
			memcpy(response->config.data,
			       vmdev->kept_config + offset,
			       min_t(size_t, len,
				     sizeof(vmdev->kept_config) - offset));
		break;
	case VIRTIO_MSG_SET_CONFIG:
		response->config.length = request->config.length;
		break;
	case VIRTIO_MSG_GET_DEVICE_STATUS:
	case VIRTIO_MSG_SET_DEVICE_STATUS:
		response->status.status = cpu_to_le32(vmdev->status_set);
		break;
	}
}

/*
 * Nothing is asked of it.  A driver that is being woken up without its device
 * gets answers to the end, whatever the device side says meanwhile: one whose
 * restore fails is in no state to be removed.
 */
static bool vm_is_broken(const struct virtio_msg_device *vmdev)
{
	/* Pairs with the release in virtio_msg_thaw(). */
	return !smp_load_acquire(&vmdev->absent) && READ_ONCE(vmdev->broken);
}

/*
 * Sends request, whose payload of request_len bytes is in place, and accepts
 * an answer with at least response_len bytes of payload.
 */
static int vm_ask(struct virtio_msg_device *vmdev, u8 msg_id,
		  struct virtio_msg *request, size_t request_len,
		  struct virtio_msg *response, size_t response_len)
{
	int err;

	vm_request_init(vmdev, msg_id, request, request_len);
	memset(response, 0, sizeof(*response));
	if (READ_ONCE(vmdev->absent)) {
		vm_pretend(vmdev, request, response);
		return 0;
	}

	err = vmdev->ops->transfer(vmdev, request, response);
	if (!err && le16_to_cpu(response->msg_size) <
		    VIRTIO_MSG_HDR_SIZE + response_len)
		err = -EPROTO;
	return err;
}

/*
 * The same for what every device answers.  One that does not, or not sensibly,
 * is not asked again.
 */
static int vm_transfer(struct virtio_msg_device *vmdev, u8 msg_id,
		       struct virtio_msg *request, size_t request_len,
		       struct virtio_msg *response, size_t response_len)
{
	int err;

	if (vm_is_broken(vmdev))
		return -EIO;

	err = vm_ask(vmdev, msg_id, request, request_len, response,
		     response_len);
	/* That is not a failure. */
	if (err == -ENODEV) {
		virtio_msg_break(vmdev, false);
		return err;
	}
	if (err) {
		virtio_msg_break(vmdev, true);
		dev_err_ratelimited(vm_parent(vmdev),
				    "device %u: request 0x%02x failed (%d), giving the device up\n",
				    vmdev->dev_num, msg_id, err);
	}
	return err;
}

/* For an answer that came but makes no sense */
static int vm_bad_answer(struct virtio_msg_device *vmdev, const char *what)
{
	virtio_msg_break(vmdev, true);
	dev_err_ratelimited(vm_parent(vmdev),
			    "device %u: bad %s, giving the device up\n",
			    vmdev->dev_num, what);
	return -EPROTO;
}

static size_t vm_max_payload(struct virtio_msg_device *vmdev)
{
	return vmdev->max_msg_size - VIRTIO_MSG_HDR_SIZE;
}

/* Features */

static u64 vm_get_features(struct virtio_device *vdev)
{
	struct virtio_msg_device *vmdev = to_virtio_msg_device(vdev);
	const size_t head = offsetof(struct virtio_msg_features, features);
	u32 first, answered, wanted, i;
	struct virtio_msg request, response;
	u64 features = 0;

	for (first = 0; first < vmdev->num_feature_blocks; first += answered) {
		wanted = vmdev->num_feature_blocks - first;
		request.get_features.block_index = cpu_to_le32(first);
		request.get_features.num_blocks = cpu_to_le32(wanted);
		if (vm_transfer(vmdev, VIRTIO_MSG_GET_DEVICE_FEATURES,
				&request, sizeof(request.get_features),
				&response, head))
			return 0;

		answered = le32_to_cpu(response.features.num_blocks);
		if (!answered)
			break;
		if (answered > wanted ||
		    le32_to_cpu(response.features.block_index) != first ||
		    le16_to_cpu(response.msg_size) <
		    VIRTIO_MSG_HDR_SIZE + head + answered * sizeof(__le32)) {
			vm_bad_answer(vmdev, "features");
			return 0;
		}
		for (i = 0; i < answered; i++)
			features |= (u64)le32_to_cpu(response.features.features[i])
				    << (32 * (first + i));
	}

	/*
	 * EVENT_AVAIL has no place for a value of the device's own, and only on
	 * some wires the same one for a ring's state as we have.  D-11.
	 */
	features &= ~BIT_ULL(VIRTIO_F_NOTIF_CONFIG_DATA);
	if (!vmdev->wire->notification_data)
		features &= ~BIT_ULL(VIRTIO_F_NOTIFICATION_DATA);

	/* A packed ring has no trace of a request that the device has seen. */
	if (!packed)
		features &= ~BIT_ULL(VIRTIO_F_RING_PACKED);
	return features;
}

/*
 * Drivers wait for what their callbacks tell them.  Not so virtio_net: it polls,
 * and when it goes it takes back by itself what is in its queues.
 */
static bool vm_tracked(struct virtio_device *vdev)
{
	return vdev->id.device != VIRTIO_ID_NET &&
	       !__virtio_test_bit(vdev, VIRTIO_F_RING_PACKED) &&
	       !virtio_msg_drain_refuses(vdev->dev.parent);
}

static int vm_finalize_features(struct virtio_device *vdev)
{
	struct virtio_msg_device *vmdev = to_virtio_msg_device(vdev);
	bool ring_reset = __virtio_test_bit(vdev, VIRTIO_F_RING_RESET);
	struct virtio_msg request, response;
	struct virtio_msg_features *features = &request.features;
	u32 i;

	if (vm_is_broken(vmdev))
		return -EIO;

	vring_transport_features(vdev);

	/* The ring does not know of this one, it is the transport's. */
	if (ring_reset)
		__virtio_set_bit(vdev, VIRTIO_F_RING_RESET);

	/* One used entry could then stand for several requests. */
	if (vm_tracked(vdev))
		__virtio_clear_bit(vdev, VIRTIO_F_IN_ORDER);

	/*
	 * The device is on another machine: what it is given must be addresses
	 * that the DMA API made, in the layout of virtio 1.
	 */
	if (!__virtio_test_bit(vdev, VIRTIO_F_VERSION_1) ||
	    !__virtio_test_bit(vdev, VIRTIO_F_ACCESS_PLATFORM)) {
		dev_err_ratelimited(&vdev->dev,
				    "device %u must offer VERSION_1 and ACCESS_PLATFORM (iommu_platform=on)\n",
				    vmdev->dev_num);
		return -EINVAL;
	}

	features->block_index = 0;
	features->num_blocks = cpu_to_le32(vmdev->num_feature_blocks);
	for (i = 0; i < vmdev->num_feature_blocks; i++)
		features->features[i] = cpu_to_le32(vdev->features >> (32 * i));

	return vm_transfer(vmdev, VIRTIO_MSG_SET_DRIVER_FEATURES, &request,
			   offsetof(struct virtio_msg_features, features) +
			   i * sizeof(__le32), &response, 0);
}

/* Configuration */

static int vm_get_chunk(struct virtio_msg_device *vmdev, u32 offset,
			void *buf, u32 len)
{
	const size_t head = offsetof(struct virtio_msg_config, data);
	struct virtio_msg request, response;
	int err;

	request.get_config.offset = cpu_to_le32(offset);
	request.get_config.length = cpu_to_le32(len);
	err = vm_transfer(vmdev, VIRTIO_MSG_GET_CONFIG,
			  &request, sizeof(request.get_config),
			  &response, head);
	if (err)
		return err;

	if (le32_to_cpu(response.config.length) != len ||
	    le32_to_cpu(response.config.offset) != offset ||
	    le16_to_cpu(response.msg_size) < VIRTIO_MSG_HDR_SIZE + head + len)
		return vm_bad_answer(vmdev, "configuration");

	WRITE_ONCE(vmdev->generation, le32_to_cpu(response.config.generation));
	memcpy(buf, response.config.data, len);
	return 0;
}

/* Returns true if the range may be accessed, one message's worth at a time. */
static bool vm_config_ok(struct virtio_msg_device *vmdev, u32 offset, u32 len)
{
	if (offset <= vmdev->config_size && len <= vmdev->config_size - offset)
		return true;

	dev_warn_once(&vmdev->vdev.dev,
		      "device %u: no configuration at %u..%u, it has %u bytes\n",
		      vmdev->dev_num, offset, offset + len, vmdev->config_size);
	return false;
}

static int vm_get_range(struct virtio_msg_device *vmdev, u32 offset,
			u8 *buf, u32 len)
{
	u32 max = vm_max_payload(vmdev) -
		  offsetof(struct virtio_msg_config, data);
	u32 tries, done, chunk, generation = 0;
	int err;

	for (tries = 0; tries < VIRTIO_MSG_CONFIG_TRIES; tries++) {
		for (done = 0; done < len; done += chunk) {
			chunk = min(max, len - done);
			err = vm_get_chunk(vmdev, offset + done, buf + done,
					   chunk);
			if (err)
				return err;
			/* Pieces of different generations do not fit together. */
			if (!done)
				generation = vmdev->generation;
			else if (generation != vmdev->generation)
				break;
		}
		if (done >= len)
			return 0;
	}
	return vm_bad_answer(vmdev, "configuration, it never stands still");
}

static void vm_get(struct virtio_device *vdev, unsigned int offset,
		   void *buf, unsigned int len)
{
	struct virtio_msg_device *vmdev = to_virtio_msg_device(vdev);

	mutex_lock(&vmdev->config_lock);
	if (!vm_config_ok(vmdev, offset, len) ||
	    vm_get_range(vmdev, offset, buf, len))
		memset(buf, 0, len);
	mutex_unlock(&vmdev->config_lock);
}

/* Whether SET_CONFIG with another generation than that of now is refused */
static bool vm_strict(const struct virtio_msg_device *vmdev)
{
	return vmdev->wire->strict_generation ||
	       vmdev->link->strict_generation;
}

static int vm_set_chunk(struct virtio_msg_device *vmdev, u32 offset,
			const void *buf, u32 len)
{
	const size_t head = offsetof(struct virtio_msg_config, data);
	u8 current_data[VIRTIO_MSG_MAX_CONFIG_DATA];
	struct virtio_msg request, response;
	u32 generation = 0, taken;
	bool strict = vm_strict(vmdev);
	unsigned int tries;
	int err;

	for (tries = 0; tries < VIRTIO_MSG_CONFIG_TRIES; tries++) {
		if (strict)
			generation = READ_ONCE(vmdev->generation);
		request.config.generation = cpu_to_le32(generation);
		request.config.offset = cpu_to_le32(offset);
		request.config.length = cpu_to_le32(len);
		memcpy(request.config.data, buf, len);
		err = vm_transfer(vmdev, VIRTIO_MSG_SET_CONFIG, &request,
				  head + len, &response, head);
		if (err)
			return err;

		taken = le32_to_cpu(response.config.length);
		if (taken && taken != len)
			return vm_bad_answer(vmdev, "length of what was set");
		if (taken) {
			WRITE_ONCE(vmdev->generation,
				   le32_to_cpu(response.config.generation));
			return 0;
		}
		/* Not because of the generation, then */
		if (!strict)
			break;

		/* Refused: see what has changed before trying again.  D-04. */
		err = vm_get_chunk(vmdev, offset, current_data, len);
		if (err)
			return err;
	}
	dev_warn_ratelimited(&vmdev->vdev.dev,
			     "device %u refuses to set its configuration at %u\n",
			     vmdev->dev_num, offset);
	return -EIO;
}

static void vm_set(struct virtio_device *vdev, unsigned int offset,
		   const void *buf, unsigned int len)
{
	struct virtio_msg_device *vmdev = to_virtio_msg_device(vdev);
	u32 max = vm_max_payload(vmdev) -
		  offsetof(struct virtio_msg_config, data);
	u32 done, chunk;

	if (!vm_config_ok(vmdev, offset, len))
		return;

	mutex_lock(&vmdev->config_lock);
	for (done = 0; done < len; done += chunk) {
		chunk = min(max, len - done);
		if (vm_set_chunk(vmdev, offset + done, buf + done, chunk))
			break;
	}
	mutex_unlock(&vmdev->config_lock);
}

/*
 * Each GET_CONFIG brought the generation along, so nothing needs to be asked:
 * if this did not change over a read, no answer in it came from another one.
 */
static u32 vm_generation(struct virtio_device *vdev)
{
	struct virtio_msg_device *vmdev = to_virtio_msg_device(vdev);
	u32 generation = READ_ONCE(vmdev->generation);

	if (generation == vmdev->reported_generation)
		vmdev->generation_changes = 0;
	else if (++vmdev->generation_changes > VIRTIO_MSG_MAX_GENERATION_CHANGES)
		/* Breaking it freezes the generation and so ends the core's loop. */
		vm_bad_answer(vmdev, "configuration, it never stands still");

	vmdev->reported_generation = generation;
	return generation;
}

/* Status */

/*
 * The core believes what the status says.  Bits that it has not set are not
 * passed on, but for the one that is the device's to set while it is in use:
 * the core warns of whatever a device shows after its reset.  Nor can a device
 * refuse DRIVER_OK: while that is not there, the core sets it, and it warns if
 * it has come by itself.
 */
static void vm_note_status(struct virtio_msg_device *vmdev, u32 status)
{
	u8 set = vmdev->status_set;

	if (set)
		status &= set | VIRTIO_CONFIG_S_NEEDS_RESET;
	else
		status = 0;
	if (set & VIRTIO_CONFIG_S_DRIVER_OK) {
		if (!status) {
			vm_bad_answer(vmdev, "status, it was reset");
			return;
		}
		status |= VIRTIO_CONFIG_S_DRIVER_OK;
	}
	WRITE_ONCE(vmdev->status, status);
}

static u8 vm_get_status(struct virtio_device *vdev)
{
	struct virtio_msg_device *vmdev = to_virtio_msg_device(vdev);
	struct virtio_msg request, response;

	if (!vm_transfer(vmdev, VIRTIO_MSG_GET_DEVICE_STATUS, &request, 0,
			 &response, sizeof(response.status)))
		vm_note_status(vmdev, le32_to_cpu(response.status.status));
	return vmdev->status;
}

/* The device has answered DRIVER_OK. */
static void vm_notify_held(struct virtio_msg_device *vmdev)
{
	struct virtio_msg_vq *mvq;

	/* See vm_hold_notify(). */
	smp_store_mb(vmdev->ready, true);
	spin_lock_irq(&vmdev->lock);
	list_for_each_entry(mvq, &vmdev->vqs, node)
		if (xchg(&mvq->early, false))
			vmdev->ops->notify(vmdev, mvq, mvq->early_offset);
	spin_unlock_irq(&vmdev->lock);
}

static void vm_set_status(struct virtio_device *vdev, u8 status)
{
	struct virtio_msg_device *vmdev = to_virtio_msg_device(vdev);
	struct virtio_msg request, response;

	vmdev->status_set = status;
	request.status.status = cpu_to_le32(status);
	if (vm_transfer(vmdev, VIRTIO_MSG_SET_DEVICE_STATUS,
			&request, sizeof(request.status),
			&response, sizeof(response.status)))
		return;
	vm_note_status(vmdev, le32_to_cpu(response.status.status));
	if (status & VIRTIO_CONFIG_S_DRIVER_OK)
		vm_notify_held(vmdev);
}

/*
 * What is broken counts as reset.  Its device side may only be stopped and go
 * on one day, so that the first thing it finds should be this.
 */
static void vm_post_reset(struct virtio_msg_device *vmdev)
{
	struct virtio_msg request;

	request.status.status = 0;
	vm_request_init(vmdev, VIRTIO_MSG_SET_DEVICE_STATUS, &request,
			sizeof(request.status));
	vmdev->ops->post(vmdev, &request);
}

/*
 * Only a device that has answered its reset is sure not to write to memory that
 * its driver gets back.  Where no answer can be had there is nobody, or it is
 * out of our hands.
 */
static void vm_reset_broken(struct virtio_msg_device *vmdev)
{
	struct virtio_msg request, response = {};
	int err;

	if (!READ_ONCE(vmdev->may_answer)) {
		vm_post_reset(vmdev);
		return;
	}

	request.status.status = 0;
	vm_request_init(vmdev, VIRTIO_MSG_SET_DEVICE_STATUS, &request,
			sizeof(request.status));
	err = vmdev->ops->transfer(vmdev, &request, &response);
	/* Once is enough, unless the device side may be there another time. */
	if (err != -EHOSTDOWN)
		WRITE_ONCE(vmdev->may_answer, false);
	if (err)
		vm_post_reset(vmdev);
}

/* Unless its driver has reset the device meanwhile, and may use it anew */
static void vm_start_drain(struct virtio_msg_device *vmdev)
{
	spin_lock_irq(&vmdev->lock);
	vmdev->drain = vm_is_broken(vmdev) || READ_ONCE(vmdev->failed);
	vmdev->drains = 0;
	spin_unlock_irq(&vmdev->lock);

	mod_delayed_work(vmdev->wq, &vmdev->drain_work, 0);
}

static void vm_break_work(struct work_struct *work)
{
	struct virtio_msg_device *vmdev =
		container_of(work, struct virtio_msg_device, break_work);

	/* It was reset meanwhile, or its driver is woken up without it first. */
	if (!vm_is_broken(vmdev) && !READ_ONCE(vmdev->failed)) {
		WRITE_ONCE(vmdev->tell_failed, false);
		return;
	}

	/* Softirqs that poll a broken queue may never leave this CPU to us. */
	local_bh_disable();
	virtio_break_device(&vmdev->vdev);
	virtio_msg_withdraw(vmdev);
	local_bh_enable();

	/* Only now: the log may have a console on this very device. */
	if (xchg(&vmdev->tell_failed, false))
		dev_err_ratelimited(vm_parent(vmdev),
				    "device %u has failed and needs a reset\n",
				    vmdev->dev_num);

	vm_reset_broken(vmdev);
	vm_start_drain(vmdev);
}

static void vm_drain_work(struct work_struct *work)
{
	struct virtio_msg_device *vmdev =
		container_of(to_delayed_work(work), struct virtio_msg_device,
			     drain_work);
	bool wanted = virtio_msg_drain(vmdev);
	unsigned int drains;

	spin_lock_irq(&vmdev->lock);
	drains = vmdev->drains;
	if (drains < VIRTIO_MSG_DRAIN_MAX_SHIFT)
		vmdev->drains++;
	spin_unlock_irq(&vmdev->lock);

	if (!drains)
		vmdev->ops->given_up(vmdev);
	/*
	 * A task that was stopped in the middle of putting something into a
	 * queue goes on one day: nobody can tell when.
	 */
	if (wanted)
		queue_delayed_work(vmdev->wq, &vmdev->drain_work,
				   VIRTIO_MSG_DRAIN_DELAY << drains);
}

/*
 * From then on the driver's callbacks are not called, and the device does not
 * hear of its queues: what waits for room in the message queue does not go later
 * than the reset.  D-12.
 */
static void vm_silence(struct virtio_msg_device *vmdev)
{
	struct virtio_msg_vq *mvq;

	WRITE_ONCE(vmdev->ready, false);
	spin_lock_irq(&vmdev->lock);
	list_for_each_entry(mvq, &vmdev->vqs, node)
		WRITE_ONCE(mvq->early, false);
	vmdev->status_set = 0;
	WRITE_ONCE(vmdev->failed, false);
	vmdev->drain = false;
	spin_unlock_irq(&vmdev->lock);
}

static void vm_reset(struct virtio_device *vdev)
{
	struct virtio_msg_device *vmdev = to_virtio_msg_device(vdev);
	struct virtio_msg request, response;
	u8 msg_id = VIRTIO_MSG_SET_DEVICE_STATUS;
	unsigned long end = jiffies + VIRTIO_MSG_RESET_TIMEOUT;

	vm_silence(vmdev);
	WRITE_ONCE(vmdev->status, 0);
	if (vm_is_broken(vmdev)) {
		virtio_msg_disarm(vmdev);
		vm_reset_broken(vmdev);
		return;
	}

	/* The first answer may still show the old status; then ask.  D-10. */
	for (;;) {
		request.status.status = 0;
		if (vm_transfer(vmdev, msg_id, &request,
				msg_id == VIRTIO_MSG_SET_DEVICE_STATUS ?
				sizeof(request.status) : 0,
				&response, sizeof(response.status))) {
			virtio_msg_disarm(vmdev);
			vm_post_reset(vmdev);
			return;
		}
		if (!response.status.status)
			return;
		if (time_after(jiffies, end))
			break;
		usleep_range(VIRTIO_MSG_RESET_POLL_US,
			     VIRTIO_MSG_RESET_POLL_US + 2000);
		msg_id = VIRTIO_MSG_GET_DEVICE_STATUS;
	}
	virtio_msg_disarm(vmdev);
	vm_bad_answer(vmdev, "status, it does not reset");
}

/* Virtqueues */

/*
 * Before DRIVER_OK a device is not to hear of its queues, and some fail then;
 * but what a driver has to say is not lost.  Returns true if it is said later.
 * D-12.
 */
static bool vm_hold_notify(struct virtio_msg_device *vmdev,
			   struct virtio_msg_vq *mvq, u32 next_offset)
{
	if (READ_ONCE(vmdev->ready))
		return false;
	mvq->early_offset = next_offset;
	/* Either we see that it has become ready, or that sees what we hold. */
	smp_store_mb(mvq->early, true);
	return !READ_ONCE(vmdev->ready) || !xchg(&mvq->early, false);
}

static bool vm_notify(struct virtqueue *vq)
{
	struct virtio_msg_device *vmdev = to_virtio_msg_device(vq->vdev);
	struct virtio_msg_vq *mvq = vq->priv;
	u32 next_offset;

	virtio_msg_track(mvq->track);

	/* What is put into the queue meanwhile is failed like the rest. */
	if (READ_ONCE(mvq->draining))
		return true;
	if (READ_ONCE(vmdev->absent))
		return vq->callback;
	if (!READ_ONCE(vmdev->broken)) {
		next_offset = virtio_msg_notification_data(vq);
		if (vm_hold_notify(vmdev, mvq, next_offset) ||
		    vmdev->ops->notify(vmdev, mvq, next_offset))
			return true;
	}

	/*
	 * The core breaks a queue whose notification fails: only for drivers
	 * that look at it without being called, see virtio_msg_break().
	 */
	return vq->callback;
}

/* How a queue of ours is to be set up */
static void vm_describe_vq(struct virtqueue *vq,
			   struct virtio_msg_queue *queue)
{
	queue->index = vq->index;
	queue->size = virtqueue_get_vring_size(vq);
	queue->desc = virtqueue_get_desc_addr(vq);
	queue->driver = virtqueue_get_avail_addr(vq);
	queue->device = virtqueue_get_used_addr(vq);
	queue->active = true;
}

/* For a device that is not there, see vm_pretend() */
static void vm_pretend_vq(struct virtio_msg_device *vmdev, u32 index,
			  struct virtio_msg_queue *queue)
{
	struct virtio_msg_vq *mvq = vm_find_vq(vmdev, index);

	memset(queue, 0, sizeof(*queue));
	queue->index = index;
	queue->idle = !mvq;
	if (mvq)
		vm_describe_vq(mvq->vq, queue);
	queue->max_size = VIRTIO_MSG_ABSENT_QUEUE;
}

static int vm_query_vq(struct virtio_msg_device *vmdev, u32 index,
		       struct virtio_msg_queue *queue)
{
	struct virtio_msg request, response;
	int err;

	if (READ_ONCE(vmdev->absent)) {
		vm_pretend_vq(vmdev, index, queue);
		return 0;
	}

	request.index.index = cpu_to_le32(index);
	err = vm_transfer(vmdev, VIRTIO_MSG_GET_VQUEUE,
			  &request, sizeof(request.index),
			  &response, VIRTIO_MSG_MIN_QUEUE);
	if (err)
		return err;
	err = virtio_msg_link_queue(vmdev->link, &response, &vmdev->wire,
				    queue);
	if (err)
		return vm_bad_answer(vmdev, "size of what a queue is");
	if (queue->index != index)
		return vm_bad_answer(vmdev, "queue index");
	return 0;
}

/* Has the device let go of a queue, and makes sure that it did. */
static int vm_reset_vq(struct virtio_msg_device *vmdev, u32 index)
{
	struct virtio_msg request, response;
	struct virtio_msg_queue queue;
	int err;

	request.index.index = cpu_to_le32(index);
	err = vm_transfer(vmdev, VIRTIO_MSG_RESET_VQUEUE,
			  &request, sizeof(request.index), &response, 0);
	if (err)
		return err;
	err = vm_query_vq(vmdev, index, &queue);
	if (err)
		return err;
	return queue.idle ? 0 : vm_bad_answer(vmdev, "queue, it does not reset");
}

/*
 * Nobody knows what memory the device takes a queue to be in.  It is to let go
 * of that before the memory is used for something else.  D-08.
 */
static void vm_discard_vq(struct virtio_msg_device *vmdev, u32 index)
{
	if (!__virtio_test_bit(&vmdev->vdev, VIRTIO_F_RING_RESET) ||
	    vm_reset_vq(vmdev, index))
		vm_reset(&vmdev->vdev);
}

static bool vm_same_queue(const struct virtio_msg_queue *one,
			  const struct virtio_msg_queue *other)
{
	return one->active == other->active && one->size == other->size &&
	       one->desc == other->desc && one->driver == other->driver &&
	       one->device == other->device;
}

/*
 * Tells the device where the queue is and makes sure that it took it.  After an
 * error the device does not use the queue.  D-08.
 */
static int vm_activate_vq(struct virtio_msg_device *vmdev,
			  struct virtqueue *vq)
{
	struct virtio_msg_queue wanted = {}, queue;
	struct virtio_msg request, response;
	int err;

	vm_describe_vq(vq, &wanted);
	vmdev->wire->put_queue(&request, &wanted);
	err = vm_transfer(vmdev, VIRTIO_MSG_SET_VQUEUE,
			  &request, vmdev->wire->queue_size, &response, 0);
	if (!err)
		err = vm_query_vq(vmdev, vq->index, &queue);
	if (!err && !vm_same_queue(&queue, &wanted)) {
		dev_err_ratelimited(&vmdev->vdev.dev,
				    "device %u refuses queue %u at 0x%llx: can it reach this machine's memory?\n",
				    vmdev->dev_num, vq->index,
				    (unsigned long long)wanted.desc);
		err = -EIO;
	}
	if (err)
		vm_discard_vq(vmdev, vq->index);
	return err;
}

static void vm_add_vq(struct virtio_msg_device *vmdev,
		      struct virtio_msg_vq *mvq)
{
	spin_lock_irq(&vmdev->lock);
	list_add_tail(&mvq->node, &vmdev->vqs);
	spin_unlock_irq(&vmdev->lock);
}

static void vm_remove_vq(struct virtio_msg_device *vmdev,
			 struct virtio_msg_vq *mvq)
{
	/* No callback of the queue runs when this has the lock. */
	spin_lock_irq(&vmdev->lock);
	list_del_init(&mvq->node);
	spin_unlock_irq(&vmdev->lock);

	vmdev->ops->cancel_notify(vmdev, mvq);
}

/* Returns false if memory is short. */
static bool vm_track_vq(struct virtio_msg_vq *mvq)
{
	if (!mvq->vq->callback || !vm_tracked(mvq->vq->vdev))
		return true;
	mvq->track = virtio_msg_track_new(mvq->vq);
	return mvq->track;
}

/* What is not on the device's list any longer, or was never there */
static void vm_free_vq(struct virtio_msg_vq *mvq)
{
	virtio_msg_track_free(mvq->track);
	vring_del_virtqueue(mvq->vq);
	kfree(mvq);
}

static struct virtqueue *vm_setup_vq(struct virtio_msg_device *vmdev,
				     unsigned int index,
				     const struct virtqueue_info *info)
{
	struct virtio_msg_queue queue;
	struct virtio_msg_vq *mvq;
	struct virtqueue *vq;
	u32 max_size;
	int err;

	if (index >= vmdev->max_vqs)
		return ERR_PTR(-ENOENT);

	err = vm_query_vq(vmdev, index, &queue);
	if (err)
		return ERR_PTR(err);
	if (!queue.max_size)
		return ERR_PTR(-ENOENT);
	if (!queue.idle) {
		dev_err_ratelimited(&vmdev->vdev.dev,
				    "device %u has queue %u set up before its driver does\n",
				    vmdev->dev_num, index);
		vm_discard_vq(vmdev, index);
		return ERR_PTR(-EBUSY);
	}

	max_size = min_t(u32, queue.max_size, VIRTIO_MSG_MAX_QUEUE_SIZE);
	if (!__virtio_test_bit(&vmdev->vdev, VIRTIO_F_RING_PACKED))
		max_size = rounddown_pow_of_two(max_size);

	mvq = kzalloc(sizeof(*mvq), GFP_KERNEL);
	if (!mvq)
		return ERR_PTR(-ENOMEM);
	INIT_LIST_HEAD(&mvq->pending);

	vq = vring_create_virtqueue(index, max_size, SMP_CACHE_BYTES,
				    &vmdev->vdev, true, true, info->ctx,
				    vm_notify, info->callback, info->name);
	if (!vq) {
		kfree(mvq);
		return ERR_PTR(-ENOMEM);
	}
	vq->num_max = max_size;
	vq->priv = mvq;
	mvq->vq = vq;
	if (!vm_track_vq(mvq)) {
		vm_free_vq(mvq);
		return ERR_PTR(-ENOMEM);
	}
	vm_add_vq(vmdev, mvq);

	err = vm_activate_vq(vmdev, vq);
	if (err) {
		vm_remove_vq(vmdev, mvq);
		vm_free_vq(mvq);
		return ERR_PTR(err);
	}
	/* Nobody moves it, and its driver may do nothing but look at it. */
	if (vmdev->absent && !info->callback)
		__virtqueue_break(vq);
	return vq;
}

static void vm_del_vqs(struct virtio_device *vdev)
{
	struct virtio_msg_device *vmdev = to_virtio_msg_device(vdev);
	struct virtqueue *vq, *next;

	/* The device has been reset, it does not look at the rings any more. */
	list_for_each_entry_safe(vq, next, &vdev->vqs, list) {
		struct virtio_msg_vq *mvq = vq->priv;

		vm_remove_vq(vmdev, mvq);
		vm_free_vq(mvq);
	}
}

static int vm_find_vqs(struct virtio_device *vdev, unsigned int nvqs,
		       struct virtqueue *vqs[], struct virtqueue_info info[],
		       struct irq_affinity *desc)
{
	struct virtio_msg_device *vmdev = to_virtio_msg_device(vdev);
	unsigned int i, index = 0;
	int err;

	for (i = 0; i < nvqs; i++) {
		if (!info[i].name) {
			vqs[i] = NULL;
			continue;
		}
		vqs[i] = vm_setup_vq(vmdev, index++, &info[i]);
		if (IS_ERR(vqs[i])) {
			err = PTR_ERR(vqs[i]);
			vm_del_vqs(vdev);
			return err;
		}
	}
	return 0;
}

#ifdef VIRTIO_MSG_FIND_VQS_ARRAYS
static int vm_find_vqs_arrays(struct virtio_device *vdev, unsigned int nvqs,
			      struct virtqueue *vqs[],
			      vq_callback_t *callbacks[],
			      const char * const names[], const bool *ctx,
			      struct irq_affinity *desc)
{
	struct virtqueue_info *info;
	unsigned int i;
	int err;

	info = kcalloc(nvqs, sizeof(*info), GFP_KERNEL);
	if (!info)
		return -ENOMEM;
	for (i = 0; i < nvqs; i++) {
		info[i].name = names[i];
		info[i].callback = callbacks[i];
		info[i].ctx = ctx && ctx[i];
	}
	err = vm_find_vqs(vdev, nvqs, vqs, info, desc);
	kfree(info);
	return err;
}
#endif

static int vm_disable_vq_and_reset(struct virtqueue *vq)
{
	struct virtio_msg_device *vmdev = to_virtio_msg_device(vq->vdev);
	struct virtio_msg_vq *mvq = vq->priv;
	int err;

	if (!__virtio_test_bit(vq->vdev, VIRTIO_F_RING_RESET))
		return -ENOENT;

	err = vm_reset_vq(vmdev, vq->index);
	if (err)
		return err;

	vm_remove_vq(vmdev, mvq);
	/* The rings begin anew, and may be of another size then. */
	virtio_msg_track_free(mvq->track);
	mvq->track = NULL;
	vq->reset = true;
	return 0;
}

static int vm_enable_vq_after_reset(struct virtqueue *vq)
{
	struct virtio_msg_device *vmdev = to_virtio_msg_device(vq->vdev);
	struct virtio_msg_vq *mvq = vq->priv;
	int err;

	if (!vq->reset)
		return -EBUSY;

	if (!vm_track_vq(mvq))
		return -ENOMEM;
	vm_add_vq(vmdev, mvq);
	err = vm_activate_vq(vmdev, vq);
	if (err) {
		vm_remove_vq(vmdev, mvq);
		virtio_msg_track_free(mvq->track);
		mvq->track = NULL;
		return err;
	}
	vq->reset = false;
	return 0;
}

static void vm_synchronize_cbs(struct virtio_device *vdev)
{
	struct virtio_msg_device *vmdev = to_virtio_msg_device(vdev);

	/* A callback holds it all the time that it runs. */
	spin_lock_irq(&vmdev->lock);
	spin_unlock_irq(&vmdev->lock);
}

/* Shared memory regions */

/* Whether the whole of a region is where it can be used */
static bool vm_reaches(const struct virtio_msg_reach *reach,
		       const struct virtio_msg_shm *shm)
{
	return shm->address >= reach->begin && shm->address < reach->end &&
	       shm->length <= reach->end - shm->address;
}

static int vm_query_shm(struct virtio_msg_device *vmdev, u8 id,
			struct virtio_msg_shm *shm)
{
	struct virtio_msg request, response;
	int err;

	request.index.index = cpu_to_le32(id);
	if (vmdev->wire->shm_optional && !vm_is_broken(vmdev)) {
		/* One that does not know the question is not broken.  Q-08. */
		err = vm_ask(vmdev, VIRTIO_MSG_GET_SHM, &request,
			     sizeof(request.index), &response,
			     vmdev->wire->shm_size);
	} else {
		err = vm_transfer(vmdev, VIRTIO_MSG_GET_SHM, &request,
				  sizeof(request.index), &response,
				  vmdev->wire->shm_size);
	}
	if (err)
		return err;

	vmdev->wire->get_shm(&response, shm);
	if (shm->length && shm->id != id)
		return vm_bad_answer(vmdev, "shared memory region");
	return 0;
}

static bool vm_get_shm_region(struct virtio_device *vdev,
			      struct virtio_shm_region *region, u8 id)
{
	struct virtio_msg_device *vmdev = to_virtio_msg_device(vdev);
	const struct virtio_msg_reach *reach = &vmdev->link->reach;
	struct virtio_msg_shm shm;

	if (vm_query_shm(vmdev, id, &shm) || !shm.length)
		return false;
	if (!vm_reaches(reach, &shm)) {
		dev_err_ratelimited(&vdev->dev,
				    "device %u: region %u of shared memory, 0x%llx bytes at 0x%llx, cannot be reached: 0x%llx..0x%llx can\n",
				    vmdev->dev_num, id, shm.length,
				    shm.address, reach->begin, reach->end);
		return false;
	}
	region->addr = reach->base + shm.address;
	region->len = shm.length;
	return true;
}

static const char *vm_bus_name(struct virtio_device *vdev)
{
	return dev_name(vdev->dev.parent);
}

static const struct virtio_config_ops virtio_msg_config_ops = {
	.get			= vm_get,
	.set			= vm_set,
	.generation		= vm_generation,
	.get_status		= vm_get_status,
	.set_status		= vm_set_status,
	.reset			= vm_reset,
#ifdef VIRTIO_MSG_FIND_VQS_ARRAYS
	.find_vqs		= vm_find_vqs_arrays,
#else
	.find_vqs		= vm_find_vqs,
#endif
	.del_vqs		= vm_del_vqs,
	.synchronize_cbs	= vm_synchronize_cbs,
	.get_features		= vm_get_features,
	.finalize_features	= vm_finalize_features,
	.bus_name		= vm_bus_name,
	.disable_vq_and_reset	= vm_disable_vq_and_reset,
	.enable_vq_after_reset	= vm_enable_vq_after_reset,
	.get_shm_region		= vm_get_shm_region,
};

/* Events */

static bool vm_event_used(struct virtio_msg_device *vmdev, u32 index)
{
	bool all = index == VIRTIO_MSG_ALL_VQUEUES, found = all;
	struct virtio_msg_vq *mvq;
	unsigned long flags;

	spin_lock_irqsave(&vmdev->lock, flags);
	list_for_each_entry(mvq, &vmdev->vqs, node) {
		if (!all && mvq->vq->index != index)
			continue;
		found = true;
		/* A driver that is not ready, or not any more, is left alone. */
		if (!(vmdev->status_set & VIRTIO_CONFIG_S_DRIVER_OK))
			continue;
		virtio_msg_track(mvq->track);
		vring_interrupt(0, mvq->vq);
	}
	spin_unlock_irqrestore(&vmdev->lock, flags);
	return found;
}

/*
 * Data that comes along is not looked at: the configuration may have changed
 * again, and the driver reads it.  But it has to be there, all or nothing of
 * it, and to be within the configuration.  D-13.
 */
static bool vm_event_config_ok(struct virtio_msg_device *vmdev,
			       const struct virtio_msg_event_config *event,
			       size_t len)
{
	const size_t head = offsetof(struct virtio_msg_event_config, data);
	u32 offset = le32_to_cpu(event->offset);
	u32 length = le32_to_cpu(event->length);

	return len >= head && (len == head || len - head >= length) &&
	       offset <= vmdev->config_size &&
	       length <= vmdev->config_size - offset;
}

static void vm_event_config(struct virtio_msg_device *vmdev, u32 status)
{
	/* Before there is a driver, there is nobody to tell. */
	if (!(READ_ONCE(vmdev->status) & VIRTIO_CONFIG_S_DRIVER))
		return;

	if (status & VIRTIO_CONFIG_S_NEEDS_RESET && !READ_ONCE(vmdev->failed)) {
		WRITE_ONCE(vmdev->failed, true);
		WRITE_ONCE(vmdev->tell_failed, true);
		/* Requests still reach it: the driver may reset it. */
		WRITE_ONCE(vmdev->may_answer, true);
		vm_schedule_break(vmdev);
	}
	virtio_config_changed(&vmdev->vdev);
}

bool virtio_msg_event(struct virtio_msg_device *vmdev,
		      const struct virtio_msg *msg)
{
	size_t len = le16_to_cpu(msg->msg_size) - VIRTIO_MSG_HDR_SIZE;

	switch (msg->msg_id) {
	case VIRTIO_MSG_EVENT_USED:
		return len >= sizeof(msg->index) &&
		       vm_event_used(vmdev, le32_to_cpu(msg->index.index));
	case VIRTIO_MSG_EVENT_CONFIG:
		if (!vm_event_config_ok(vmdev, &msg->event_config, len))
			return false;
		vm_event_config(vmdev, le32_to_cpu(msg->event_config.status));
		return true;
	default:
		return false;
	}
}

bool virtio_msg_recover(struct virtio_msg_device *vmdev)
{
	u8 expected = READ_ONCE(vmdev->status);

	/* Its queues have been taken from it. */
	if (READ_ONCE(vmdev->broken))
		return false;
	if (expected && !vm_get_status(&vmdev->vdev))
		virtio_msg_break(vmdev, false);
	return !READ_ONCE(vmdev->broken);
}

/* Coming and going */

static void vm_release(struct device *dev)
{
	struct virtio_msg_device *vmdev =
		to_virtio_msg_device(dev_to_virtio(dev));

	vmdev->ops->release(vmdev);
	module_put(THIS_MODULE);
}

static int vm_get_info(struct virtio_msg_device *vmdev)
{
	struct virtio_msg request, response;
	struct virtio_msg_info info;
	int err;

	err = vm_transfer(vmdev, VIRTIO_MSG_GET_DEVICE_INFO, &request, 0,
			  &response, VIRTIO_MSG_MIN_INFO);
	if (err)
		return err;
	err = virtio_msg_link_info(vmdev->link, &response, &vmdev->wire, &info);
	if (err)
		return err;

	vmdev->max_msg_size = virtio_msg_link_max_size(vmdev->link,
						       vmdev->wire);
	vmdev->vdev.id.device = info.device_id;
	vmdev->vdev.id.vendor = info.vendor_id;
	vmdev->config_size = info.config_size;
	vmdev->max_vqs = info.max_virtqueues;
	/* What is beyond is ignored.  D-14. */
	vmdev->num_feature_blocks =
		min_t(u32, info.num_feature_blocks,
		      VIRTIO_MSG_CORE_FEATURE_BLOCKS);

	return vmdev->vdev.id.device ? 0 : -ENODEV;
}

int virtio_msg_init(struct virtio_msg_device *vmdev)
{
	spin_lock_init(&vmdev->lock);
	mutex_init(&vmdev->config_lock);
	INIT_LIST_HEAD(&vmdev->vqs);
	INIT_WORK(&vmdev->break_work, vm_break_work);
	INIT_DELAYED_WORK(&vmdev->drain_work, vm_drain_work);

	return vm_get_info(vmdev);
}

int virtio_msg_register(struct virtio_msg_device *vmdev)
{
	static DEFINE_RATELIMIT_STATE(news, 60 * HZ, VIRTIO_MSG_MAX_NEWS);
	const char *why = virtio_msg_drain_refuses(vm_parent(vmdev));

	if (__ratelimit(&news)) {
		dev_info(vm_parent(vmdev), "device %u: virtio id %u, %u queues\n",
			 vmdev->dev_num, vmdev->vdev.id.device, vmdev->max_vqs);
		if (why && vmdev->vdev.id.device != VIRTIO_ID_NET)
			dev_warn(vm_parent(vmdev),
				 "device %u: %s: when it goes, what is outstanding cannot be failed, and its driver may wait for ever\n",
				 vmdev->dev_num, why);
	}

	/*
	 * A device that is in use, say as a mounted disk, can outlive its link.
	 * The code that frees it must then still be there.
	 */
	__module_get(THIS_MODULE);
	vmdev->vdev.config = &virtio_msg_config_ops;
	vmdev->vdev.dev.release = vm_release;
	return register_virtio_device(&vmdev->vdev);
}

void virtio_msg_unregister(struct virtio_msg_device *vmdev)
{
	/* Its driver's queues are to be in order before that looks at them. */
	flush_work(&vmdev->break_work);
	flush_delayed_work(&vmdev->drain_work);
	get_device(&vmdev->vdev.dev);
	unregister_virtio_device(&vmdev->vdev);

	/* The core says ACKNOWLEDGE as the last thing, and nobody is left. */
	vm_reset(&vmdev->vdev);
}

#ifdef CONFIG_PM_SLEEP
/* From before the sleep, for a device that does not live to see its end */
static void vm_keep_config(struct virtio_msg_device *vmdev)
{
	mutex_lock(&vmdev->config_lock);
	if (vm_get_range(vmdev, 0, vmdev->kept_config,
			 min_t(u32, vmdev->config_size,
			       sizeof(vmdev->kept_config))))
		memset(vmdev->kept_config, 0, sizeof(vmdev->kept_config));
	mutex_unlock(&vmdev->config_lock);
}

int virtio_msg_freeze(struct virtio_msg_device *vmdev)
{
	struct device_driver *driver = vmdev->vdev.dev.driver;
	int err;

	/* Its driver's queues are to be in order before that looks at them. */
	flush_work(&vmdev->break_work);
	if (driver && !drv_to_virtio(driver)->freeze)
		return 0;

	vm_keep_config(vmdev);
	err = virtio_device_freeze(&vmdev->vdev);
	if (err) {
		dev_err(&vmdev->vdev.dev,
			"device %u: its driver cannot sleep (%d)\n",
			vmdev->dev_num, err);
		return err;
	}
	vmdev->frozen = true;
	return 0;
}

void virtio_msg_break_awake(struct virtio_msg_device *vmdev)
{
	if (vmdev->frozen)
		return;
	virtio_msg_break(vmdev, true);
	flush_work(&vmdev->break_work);
}

/* Whether there is a device of the same kind as before */
static bool vm_same_device(struct virtio_msg_device *vmdev)
{
	struct virtio_device_id id = vmdev->vdev.id;
	u32 config_size = vmdev->config_size, max_vqs = vmdev->max_vqs;
	u8 byte;

	if (vm_get_info(vmdev) || vmdev->vdev.id.device != id.device ||
	    vmdev->vdev.id.vendor != id.vendor ||
	    vmdev->config_size != config_size || vmdev->max_vqs != max_vqs) {
		vmdev->vdev.id = id;
		vmdev->config_size = config_size;
		vmdev->max_vqs = max_vqs;
		return false;
	}
	/* What is written is to have the generation of now. */
	return !config_size || !vm_get_chunk(vmdev, 0, &byte, sizeof(byte));
}

void virtio_msg_thaw(struct virtio_msg_device *vmdev)
{
	bool same;

	if (!vmdev->frozen)
		return;
	vmdev->frozen = false;
	flush_work(&vmdev->break_work);
	/*
	 * Whoever began anew on the way to the sleep has lost nothing that its
	 * driver will not set up again.
	 */
	WRITE_ONCE(vmdev->broken, false);
	same = vm_same_device(vmdev);
	if (same && !virtio_device_restore(&vmdev->vdev))
		return;

	dev_warn_ratelimited(vm_parent(vmdev),
			     "device %u: not there after the sleep, giving it up\n",
			     vmdev->dev_num);
	flush_work(&vmdev->break_work);
	WRITE_ONCE(vmdev->absent, true);
	WRITE_ONCE(vmdev->broken, false);
	/* What has queues is awake. */
	if (list_empty(&vmdev->vdev.vqs) &&
	    virtio_device_restore(&vmdev->vdev))
		dev_err(vm_parent(vmdev),
			"device %u: its driver does not wake up\n",
			vmdev->dev_num);
	WRITE_ONCE(vmdev->broken, true);
	/* A CPU that sees it pretend no longer sees that it is broken. */
	smp_store_release(&vmdev->absent, false);
	/* What was told nothing since its reset need not be reset again. */
	virtio_msg_break(vmdev, same);
}
#endif /* CONFIG_PM_SLEEP */

void virtio_msg_shutdown(struct virtio_msg_device *vmdev)
{
	virtio_break_device(&vmdev->vdev);
	vm_reset(&vmdev->vdev);
}

void virtio_msg_put(struct virtio_msg_device *vmdev)
{
	cancel_work_sync(&vmdev->break_work);
	cancel_delayed_work_sync(&vmdev->drain_work);
	put_device(&vmdev->vdev.dev);
}

MODULE_DESCRIPTION("Virtio transport over messages");
MODULE_LICENSE("GPL");
