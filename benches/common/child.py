"""A program whose output is thrown away, measured."""

import os
import subprocess
import sys
import time


def measure(line):
    """Seconds, CPU seconds and MiB at most; ends where the program fails."""
    start = time.perf_counter()
    child = subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    if status != 0:
        sys.exit(f"{' '.join(line)} failed")
    return time.perf_counter() - start, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024
