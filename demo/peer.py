# SPDX-License-Identifier: GPL-2.0-or-later
"""The far end of the transfer tests, as a TCP server on this host.

The first line of a connection says what is wanted; demo/guest/peer is the
same for the device machine:

  put N    the checksum of the N bytes that follow
  get N    N random bytes
  sum      the checksum of what the last "get" sent
  echo N   the N bytes that follow
"""

import hashlib
import os
import socketserver
import threading


class _Connection(socketserver.StreamRequestHandler):
    timeout = 60

    def handle(self):
        verb, *rest = self.rfile.readline(64).decode("ascii").split() or [""]
        count = int(rest[0]) if rest else 0
        if verb == "put":
            digest = hashlib.sha256(self.rfile.read(count))
            self.wfile.write(digest.hexdigest().encode() + b"\n")
        elif verb == "get":
            data = os.urandom(count)
            self.server.sent = hashlib.sha256(data).hexdigest()
            self.wfile.write(data)
        elif verb == "sum":
            self.wfile.write(self.server.sent.encode() + b"\n")
        elif verb == "echo":
            self.wfile.write(self.rfile.read(count))


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    sent = ""

    def handle_error(self, request, client_address):
        # The driver machine reports what went wrong with a connection.
        pass


class Peer:
    """A server on a free port of the loopback address, in its own thread."""

    def __init__(self):
        self._server = _Server(("127.0.0.1", 0), _Connection)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever,
                         daemon=True).start()

    def close(self):
        self._server.shutdown()
        self._server.server_close()
