/*
 * virtio-msg messages in words
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_VIRTIO_MSG_TEXT_H
#define HW_VIRTIO_MSG_TEXT_H

#include "hw/virtio/virtio-msg-wire.h"

/**
 * virtio_msg_id_name: the specification's name for a message
 * @bus: true for a bus message, false for a transport message
 * @id: its id
 *
 * Returns a static string, or NULL if the specification has no such id.
 */
const char *virtio_msg_id_name(bool bus, uint8_t id);

/**
 * virtio_msg_to_text: say what is in a message
 * @wire: how its fields are laid out
 * @msg: the message, in wire (little-endian) order and unchecked; all of the
 *       structure can be read, whatever its msg_size says
 *
 * For example "GET_VQUEUE request index=0".  The header's numbers are left
 * out.  This allocates and formats: call it only if somebody reads the result.
 *
 * Returns one line without its end, of printable characters, to be freed.
 */
char *virtio_msg_to_text(const VirtIOMSGWire *wire,
                         const struct virtio_msg *msg);

#endif /* HW_VIRTIO_MSG_TEXT_H */
