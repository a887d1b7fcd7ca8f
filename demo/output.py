# SPDX-License-Identifier: GPL-2.0-or-later
"""What the demo prints, and the log files that hold the same and more."""

import os
import re
import sys
import time

_COLOURS = {"driver": "36", "device": "33", "host": "34",
            "ok": "32", "FAILED": "31"}
# Colours and cursor movements, and what else a terminal would act on.
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|[\x00-\x08\x0b-\x1f\x7f]")


class Output:
    """Lines with a prefix for whose they are; on a terminal, colours and a
    last line that says what is happening now."""

    def __init__(self, directory):
        self.directory = directory
        self._terminal = sys.stdout.isatty()
        self._colour = self._terminal and not os.environ.get("NO_COLOR")
        self._start = time.monotonic()
        self._status = ""
        self._files = {}

    def elapsed(self):
        return time.monotonic() - self._start

    def path(self, name):
        return os.path.join(self.directory, name + ".log")

    def paint(self, what, text):
        if not self._colour or what not in _COLOURS:
            return text
        return f"\x1b[{_COLOURS[what]}m{text}\x1b[0m"

    def log(self, name, line):
        """Add a line to the log file of that name only."""
        if name not in self._files:
            # Each line must be there when the demo is interrupted.
            self._files[name] = open(self.path(name), "w", buffering=1,
                                     encoding="utf-8")
        self._files[name].write(f"{self.elapsed():8.3f} {line}\n")

    def line(self, who, text):
        """Show a line of "driver", "device" or "host"."""
        text = _CONTROL.sub("", text).rstrip()
        self.log("demo", f"{who:6} | {text}")
        self._show(self.paint(who, f"{who:6} |") + " " + text)

    def text(self, text=""):
        """Show a line that is nobody's."""
        self.log("demo", text)
        self._show(text)

    def status(self, text):
        """Say what is happening now."""
        self._status = text
        self.log("demo", f"== {text}")
        if self._terminal:
            self.refresh()
        else:
            self._write(f"== {text}\n")

    def refresh(self):
        """Draw the line of the status again, with the time so far."""
        if self._terminal and self._status:
            width = os.get_terminal_size(sys.stdout.fileno()).columns
            line = f"[{self.elapsed():3.0f} s] {self._status} ..."
            self._write("\r\x1b[K" + line[:max(width - 1, 0)])

    def clear_status(self):
        self._status = ""
        if self._terminal:
            self._write("\r\x1b[K")

    def _show(self, text):
        self._write(("\r\x1b[K" if self._terminal else "") + text + "\n")
        self.refresh()

    def _write(self, text):
        try:
            sys.stdout.write(text)
            sys.stdout.flush()
        except OSError:
            # Nobody reads it any more. The logs still hold it, and the end of
            # the demo must not be missed for it.
            self._terminal = False
            sys.stdout = open(os.devnull, "w", encoding="utf-8")

    def close(self):
        for file in self._files.values():
            file.close()
