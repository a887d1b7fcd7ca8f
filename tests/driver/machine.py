# SPDX-License-Identifier: GPL-2.0-or-later
"""The driver machine: commands that run in it, and its kernel's log."""

import asyncio
import itertools
import re

import machines
from machines import Failure
from patience import PATIENCE, limit, within

# Freed memory is overwritten and checked, each object has red zones, some get
# a page of their own; a task that is stuck is reported.
KERNEL_ARGUMENTS = """\
slub_debug=FZPU page_poison=1 kfence.sample_interval=20
sysctl.kernel.hung_task_timeout_secs=40
sysctl.kernel.hung_task_check_interval_secs=10
oops=panic printk.devkmsg=on log_buf_len=4M"""

# What must not stand in the log of a kernel that is well.
REPORT = re.compile(
    r"WARNING:|BUG|Oops|Call trace|Unable to handle|INFO: task|blocked for more"
    r"|rcu.*(stall|detected)|lockup|KFENCE|KASAN|KCSAN:|UBSAN|ODEBUG"
    r"|Poison overwritten|Redzone|[Cc]orruption|possible (circular|recursive)"
    r"|inconsistent lock|refcount_t|sleeping function|scheduling while"
    r"|use-after-free(?! debug is enabled)|\(not tainted\) .*segfault"
    r"|Kernel panic"
    # What checks has given up, and finds nothing any more.
    r"|lockdep is turned off|DMA-API:.*out of memory")


class Job:
    """A command that runs in the machine."""

    def __init__(self, command):
        self.command = command
        self.output = []
        self._status = asyncio.get_running_loop().create_future()

    def end(self, status):
        if not self._status.done():
            self._status.set_result(status)

    @property
    def ended(self):
        return self._status.done()

    async def wait(self, seconds=PATIENCE):
        """Wait for the end; gives the exit status."""
        done, _ = await asyncio.wait([self._status],
                                     timeout=limit(seconds))
        if not done:
            raise AssertionError(f"'{self.command}' has not ended after"
                                 f" {limit(seconds)} s")
        return self._status.result()

    async def succeed(self, seconds=PATIENCE):
        """Wait for a good end; gives the output."""
        status = await self.wait(seconds)
        text = "\n".join(self.output)
        if status != 0:
            raise AssertionError(f"'{self.command}' ended with status {status}:"
                                 f" {text}")
        return text


class DriverMachine(machines.Machine):
    """A machine that runs jobs, one of which is to read the kernel's log."""

    def __init__(self, output, unexpected, directory):
        super().__init__("driver", output, unexpected, directory)
        self.heard = self._heard
        self.kernel_log = []
        self._jobs = {}
        self._numbers = itertools.count(1)
        self._log_job = None
        self._logged = asyncio.Event()

    async def start_machine(self, kernel, initrd, ram, ivshmem, cpus,
                            memory_size, arguments="",
                            adjust=lambda command: command):
        """Boot; `ram` is the descriptor of `memory_size` bytes, `ivshmem` the
        path of a socket, `arguments` are for the kernel, and adjust() sees the
        command line."""
        arguments = " ".join((KERNEL_ARGUMENTS + " " + arguments).split())
        await self.boot(adjust(machines.driver_machine(
            kernel, initrd, arguments, "stdio,id=console,signal=off",
            self.control_path, ram, ivshmem,
            memory=f"{memory_size >> 20}M", cpus=cpus)), [ram])
        await self.answer("ready")
        self._log_job = self.run("cat /dev/kmsg")
        await self.read_log()

    def _heard(self, line):
        """Lines of jobs are for them, all others for the waiting test."""
        word, _, rest = line.partition(" ")
        number, _, text = rest.partition(" ")
        if word == "failed":
            self._unexpected(f"the driver machine's init: {rest}")
            return True
        if word not in ("out", "end"):
            return False
        job = self._jobs[int(number)]
        if word == "end":
            job.end(int(text))
            if job is self._log_job:
                self._unexpected("nobody reads the kernel's log any longer")
        elif job is self._log_job:
            self._log_line(text)
        else:
            job.output.append(text)
        return True

    def _log_line(self, record):
        # "PRIORITY,NUMBER,MICROSECONDS,FLAGS;TEXT"; what does not look so says
        # more about the record before.
        head, semicolon, text = record.partition(";")
        if semicolon and head.count(",") >= 3:
            self.kernel_log.append(text)
            self._logged.set()

    def run(self, command):
        """Start a command of the shell, on one line; gives the Job."""
        number = next(self._numbers)
        self._jobs[number] = Job(command)
        self.send(f"job {number} {command}")
        return self._jobs[number]

    async def shell(self, command, seconds=PATIENCE):
        """Run a command that has to succeed; gives what it says."""
        return await self.run(command).succeed(seconds)

    async def logs(self, pattern, since=0, count=1, seconds=PATIENCE):
        """Wait until the kernel's log has `count` lines with this regular
        expression, among those from the one numbered `since` on; gives them."""
        def found():
            return [line for line in self.kernel_log[since:]
                    if re.search(pattern, line)]

        try:
            async with within(seconds):
                while len(found()) < count:
                    self._logged.clear()
                    await self._logged.wait()
        except TimeoutError:
            raise AssertionError(
                f"the kernel's log has {len(found())} of {count} lines with"
                f" '{pattern}' after {limit(seconds)} s") from None
        return found()

    async def read_log(self):
        """Wait until all that the kernel has said so far is here."""
        mark = f"driver test mark {next(self._numbers)}"
        seen = len(self.kernel_log)
        await self.shell(f"echo '{mark}' >/dev/kmsg")
        # There may be a lot before it, which comes slowly.
        while mark not in (new := self.kernel_log[seen:]):
            seen += len(new)
            self._logged.clear()
            try:
                async with within(PATIENCE):
                    await self._logged.wait()
            except TimeoutError:
                raise AssertionError(
                    f"the kernel's log has ended before '{mark}'") from None

    def reports(self, since=0):
        """The lines, from one on, that tell of something wrong."""
        return [line for line in self.kernel_log[since:] if REPORT.search(line)]

    async def stop(self):
        await super().stop()
        for job in self._jobs.values():
            job.end(255)
