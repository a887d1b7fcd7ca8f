# SPDX-License-Identifier: GPL-2.0-or-later
"""The results of a run: a table for people, TAP for programs."""

import os
from dataclasses import dataclass


@dataclass
class Result:
    group: str      # "cycle 1", or "" for what belongs to no cycle
    name: str
    passed: bool
    seconds: float
    text: str

    def title(self):
        return f"{self.group}: {self.name}" if self.group else self.name

    def verdict(self):
        return "ok" if self.passed else "FAILED"


class Report:
    def __init__(self):
        self.results = []

    def add(self, group, name, passed, seconds=0.0, text=""):
        result = Result(group, name, passed, seconds, text)
        self.results.append(result)
        return result

    def passed(self):
        return bool(self.results) and all(r.passed for r in self.results)

    def table(self, paint):
        """The lines of the table; paint(verdict, text) colours a verdict."""
        names = max(len(r.title()) for r in self.results)
        yield f"{'test':{names}}  result       time  what was seen"
        for result in self.results:
            verdict = paint(result.verdict(), f"{result.verdict():6}")
            time = f"{result.seconds:7.2f} s" if result.seconds else " " * 9
            yield (f"{result.title():{names}}  {verdict} {time}"
                   f"  {result.text}").rstrip()

    def write_tap(self, path):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            print(f"TAP version 13\n1..{len(self.results)}", file=file)
            for number, result in enumerate(self.results, 1):
                verdict = "ok" if result.passed else "not ok"
                print(f"{verdict} {number} - {result.title()}", file=file)
                if result.text:
                    print(f"# {result.seconds:.2f} s: {result.text}",
                          file=file)
