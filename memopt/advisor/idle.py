"""Whether other threads ran meanwhile, as far as the system tells."""

import sys
import threading

from memopt.advisor.heap import FOLDER

# How often each thread that slept had been given a CPU, by its identifier.
Turns = dict[int, bytes]


# A folder for each thread of the process.
_TASKS = "/proc/self/task"


def _turns(native_id: int) -> bytes | None:
    """How often a thread that sleeps had been given a CPU.

    None if it does not sleep, or the system does not tell: only Linux does.  In this
    order, so that one that goes on sleeping afterwards has had as many when asked
    again, and one that woke up has had more.
    """
    folder = f"{_TASKS}/{native_id}"
    try:
        with open(f"{folder}/schedstat", "rb") as file:
            turns = file.read().split()[2]
        with open(f"{folder}/stat", "rb") as file:
            state = file.read().rpartition(b")")[2].split()[0]
    except (OSError, IndexError):
        return None
    return turns if state == b"S" and turns != b"0" else None  # 0: not counted at all


def _others(main: int | None) -> list[int]:
    """The threads, but ``main``, that are within code of the program's."""
    # No frame in a variable: its own would be one, a cycle that keeps what all its
    # callers have in theirs until the collector runs.
    files = {
        thread: frame.f_code.co_filename
        for thread, frame in sys._current_frames().items()
    }
    return [
        thread
        for thread, file in files.items()
        if thread != main and not file.startswith(FOLDER)
    ]


def others_asleep(main: int | None = None) -> Turns | None:
    """Which other threads than ``main`` are within code of the program's, all asleep.

    None if one is not, or may not be.  If it is the same when asked again, none ran
    in between, nor allocated anything.
    """
    asleep: Turns = {}
    for thread in _others(main):
        known = [each for each in threading.enumerate() if each.ident == thread]
        turns = _turns(known[0].native_id or 0) if known else None
        if turns is None:
            return None
        asleep[thread] = turns
    return asleep
