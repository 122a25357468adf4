"""Takes the steps of a program and prints one JSON line for each.

A line has the step's name, and the value that came of it or the error. A step that fails does not
end the program; one that needs its result fails too.
"""

from __future__ import annotations

import json
import traceback
from typing import Callable, Mapping

Steps = Mapping[str, Callable[[], object]]


def take(steps: Steps) -> None:
    for name, step in steps.items():
        try:
            line = {"step": name, "value": step()}
        except Exception as error:
            where = traceback.format_exc(limit=-2)
            line = {"step": name, "error": f"{error!r}\n{where}"}
        print(json.dumps(line), flush=True)
