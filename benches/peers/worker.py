"""A process that runs jobs with one library: a JSON object a line in, a JSON object a line out.

    python worker.py LIBRARY ROWSxCOLUMNS SEED
    {"job": "mean0", "arrays": ["x.npy"], "chunks": [1000, 1000], "repeat": 1}
"""

import json
import sys
import time

import numpy as np

from libraries import LIBRARIES

# A prime, so that no regular exchange of elements goes unseen; Flagstone's measuring program has the same.
PERIOD = 1009


def digest(values):
    """What results are compared by: sums of the values, of the values with weights by place, of their squares."""
    flat = np.ascontiguousarray(values).reshape(-1)
    whole = flat.size // PERIOD * PERIOD
    weights = 1 + np.arange(PERIOD) / PERIOD
    rows, rest = flat[:whole].reshape(-1, PERIOD), flat[whole:]
    return {
        "size": flat.size,
        "sum": float(flat.sum()),
        "weighted": float((rows @ weights).sum() + (rest * weights[: rest.size]).sum()),
        "squares": float(np.dot(flat, flat)),
    }


def main():
    library, shape, seed = sys.argv[1:]
    shape = tuple(int(length) for length in shape.split("x"))
    library = LIBRARIES[library](shape, int(seed))
    loaded, arrays = {}, {}
    # What a library prints must not be taken for an answer.
    answers, sys.stdout = sys.stdout, sys.stderr
    for line in sys.stdin:
        command = json.loads(line)
        job = getattr(library, command["job"], None)
        if job is None:
            print(json.dumps({"missing": True}), file=answers, flush=True)
            continue
        chunks = tuple(command["chunks"])
        library.chunks = chunks
        library.calls = command.get("calls", 0)
        operands = []
        for path in command["arrays"]:
            if (path, chunks) not in arrays:
                if path not in loaded:
                    loaded[path] = np.load(path)
                # Arrays in other chunks are not needed any more.
                arrays = {key: value for key, value in arrays.items() if key[1] == chunks}
                arrays[path, chunks] = library.array(loaded[path], chunks)
            operands.append(arrays[path, chunks])
        seconds = 0.0
        for _ in range(command["repeat"]):
            # The last result's memory goes back before the next one is made, and not in its time.
            result = None
            start = time.perf_counter()
            result = job(*operands)
            seconds += time.perf_counter() - start
        answer = {"seconds": seconds / command["repeat"], **digest(np.asarray(result))}
        result = None
        print(json.dumps(answer), file=answers, flush=True)


# Worker processes of the libraries import this file.
if __name__ == "__main__":
    main()
