# SPDX-License-Identifier: GPL-2.0-or-later
"""The kernels that a driver machine can boot, and where they have been put."""

import os
from dataclasses import dataclass

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = os.path.join(TOP, "build")

# Debian's names, and the Linux they stand for
KERNELS = {
    "bookworm": "6.1",
    "trixie": "6.12",
    "trixie-rt": "6.12 with PREEMPT_RT",
    "trixie-backports": "7.3",
    "debug": "6.12 with KASAN, UBSAN and lockdep",
    "kcsan": "6.12 with KCSAN and lockdep",
}
# Those that scripts/build-debug-kernel builds, and how many times as long as on
# Debian's all takes there
SLOWNESS = {
    "debug": 8,
    "kcsan": 3,
}
ARCHITECTURES = {
    "arm64": "qemu-system-aarch64",
    "amd64": "qemu-system-x86_64",
}


def qemu(arch):
    """The program that emulates a machine of an architecture."""
    return os.path.join(BUILD, "host", ARCHITECTURES[arch])


@dataclass(frozen=True)
class Kernel:
    """A kernel by its name, for an architecture."""

    name: str
    arch: str

    def __str__(self):
        return f"{self.name}-{self.arch}"

    @property
    def slowness(self):
        """What limits of time have to be multiplied by."""
        return SLOWNESS.get(self.name, 1)

    @property
    def image(self):
        return os.path.join(BUILD, "kernel", str(self), "vmlinuz")

    @property
    def initrd(self):
        return os.path.join(BUILD, "images", f"driver-{self}.cpio")

    @property
    def release(self):
        """What uname -r prints."""
        with open(os.path.join(BUILD, "kernel", str(self), "version"),
                  encoding="utf-8") as version:
            return version.read().strip()

    def missing(self):
        """What must have been built before and is not there: an empty text,
        or the path and how to make it."""
        if self.name in SLOWNESS and self.arch != DEFAULT.arch:
            return f"there is no {self}: --kernel {self.name} is an arm64 one"
        for path in qemu(self.arch), self.image, self.initrd:
            if not os.path.exists(path):
                return (f"{os.path.relpath(path, TOP)} is missing: run 'make"
                        f" images KERNEL={self.name} ARCH={self.arch}'")
        return ""


DEFAULT = Kernel("trixie", "arm64")


def add_options(parser):
    """Add --kernel and --arch to a parser; see chosen()."""
    names = ", ".join(f"{name} has Linux {version}"
                      for name, version in KERNELS.items())
    parser.add_argument(
        "--kernel", choices=list(KERNELS), default=DEFAULT.name,
        help="the Debian release whose kernel the driver machine boots:"
             f" {names} (default: {DEFAULT.name})")
    parser.add_argument(
        "--arch", choices=list(ARCHITECTURES), default=DEFAULT.arch,
        help="the architecture of the driver machine"
             f" (default: {DEFAULT.arch})")


def chosen(arguments):
    """The kernel that the options name."""
    return Kernel(arguments.kernel, arguments.arch)
