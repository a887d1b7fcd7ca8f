# SPDX-License-Identifier: GPL-2.0-or-later
"""How long is waited for what ends soon when nothing is wrong."""

import asyncio

# Machines are emulated, and their host may be busy.
PATIENCE = 90

_slowness = 1                   # pylint: disable=invalid-name


def set_slowness(factor):
    """Have all limits count so many times, for a kernel that checks a lot."""
    global _slowness            # pylint: disable=global-statement
    _slowness = factor


def limit(seconds):
    """What a limit of so many seconds is with this kernel."""
    return seconds * _slowness


def within(seconds):
    """What is done with this ends with TimeoutError after a limit."""
    return asyncio.timeout(limit(seconds))
