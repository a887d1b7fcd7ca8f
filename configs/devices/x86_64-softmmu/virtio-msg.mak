# SPDX-License-Identifier: GPL-2.0-or-later
#
# The same devices as for arm64, to be measured on the host.

include ../aarch64-softmmu/virtio-msg.mak
