#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# What the kernel has that the modules build for: a version number does not
# tell, since distributions take later changes back into older kernels.
#
# usage: probe-kernel.sh OUTPUT COMPILER OPTION...
#
# Compiles small pieces of C as a module would be and writes to OUTPUT a header
# that defines the name of each that compiles. kbuild calls this, see Makefile.

set -eu

output=$1
shift

work=$(mktemp -d "$output.XXXXXX")
trap 'rm -rf "$work"' EXIT

# compiles OPTION...: whether the C on standard input does; what the compiler
# says is in $work/log
compiles() {
	cat >"$work/probe.c"
	"$@" -Werror=implicit-function-declaration \
		-Werror=incompatible-pointer-types -Wno-error=unused \
		-c -o "$work/probe.o" "$work/probe.c" >"$work/log" 2>&1
}

# Where not even this compiles, that of the others says nothing.
compiles "$@" <<'C' || { cat "$work/log" >&2; exit 1; }
#include <linux/device.h>
#include <linux/hrtimer.h>
#include <linux/swiotlb.h>
#include <linux/virtio.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>
#include <linux/workqueue.h>
C

# probe NAME COMPILER OPTION...
probe() {
	name=$1
	shift
	if compiles "$@"; then
		echo "#define HAVE_$name 1" >>"$work/header"
	else
		echo "/* no HAVE_$name */" >>"$work/header"
	fi
}

echo "/* Made by probe-kernel.sh */" >"$work/header"

# From 6.11 on find_vqs() takes one array of these.
probe VIRTQUEUE_INFO "$@" <<'C'
#include <linux/virtio_config.h>
struct virtqueue_info probe = { .name = "", .callback = NULL, .ctx = true };
C

probe VRING_NOTIFICATION_DATA "$@" <<'C'
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>
u32 probe(struct virtqueue *vq);
u32 probe(struct virtqueue *vq)
{
	return vring_notification_data(vq) + VIRTIO_F_NOTIFICATION_DATA;
}
C

# From 6.6 on there can be more than one pool.
probe SWIOTLB_DEFPOOL "$@" <<'C'
#include <linux/swiotlb.h>
phys_addr_t probe(struct io_tlb_mem *mem);
phys_addr_t probe(struct io_tlb_mem *mem)
{
	return mem->defpool.start;
}
C

# It came with 6.13, and hrtimer_init() left with 6.15.
probe HRTIMER_SETUP "$@" <<'C'
#include <linux/hrtimer.h>
void probe(struct hrtimer *timer, enum hrtimer_restart (*f)(struct hrtimer *));
void probe(struct hrtimer *timer, enum hrtimer_restart (*f)(struct hrtimer *))
{
	hrtimer_setup(timer, f, CLOCK_MONOTONIC, HRTIMER_MODE_REL);
}
C

# It came with 6.17, and later kernels warn of the use of system_unbound_wq.
probe SYSTEM_DFL_WQ "$@" <<'C'
#include <linux/workqueue.h>
bool probe(struct work_struct *work);
bool probe(struct work_struct *work)
{
	return queue_work(system_dfl_wq, work);
}
C

mv "$work/header" "$output"
