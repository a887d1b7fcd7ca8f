# SPDX-License-Identifier: GPL-2.0-or-later
#
# What a process needs that implements virtio devices for another system: the
# virtio-msg machine, its links, and the devices to put on them. To be used
# with --without-default-devices --with-devices-aarch64=virtio-msg.

CONFIG_VIRTIO_MSG=y
CONFIG_VIRTIO_MSG_BUS_IVSHMEM=y

CONFIG_VIRTIO_BALLOON=y
CONFIG_VIRTIO_BLK=y
CONFIG_VIRTIO_CRYPTO=y
CONFIG_VIRTIO_INPUT=y
CONFIG_VIRTIO_NET=y
CONFIG_VIRTIO_RNG=y
CONFIG_VIRTIO_SCSI=y
CONFIG_VIRTIO_SERIAL=y
CONFIG_SCSI=y
