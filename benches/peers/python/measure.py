"""What all peers share: the terms of the reference rule, and how a run is timed.

A peer gives `prepare(kind, path)`, which reads the file and returns the number of events and a function that does the whole
run and returns its answer. Reading the file is not in the time, as it is in none of the figures compared. The first run
compiles and warms up and is not counted.
"""

import json
import sys
import time

CASH = 10_000_000.0
FEE = 0.0001
RUNS = 5


def main(peer, version, prepare, kinds=("bars", "quotes")):
    kind, path = sys.argv[1], sys.argv[2]
    if kind not in kinds:
        sys.exit(f"{peer} is not measured on {kind}")
    events, run = prepare(kind, path)
    answer = run()
    seconds = []
    for _ in range(RUNS):
        start = time.perf_counter()
        again = run()
        seconds.append(time.perf_counter() - start)
        if again != answer:
            sys.exit(f"{peer} answers {again} after {answer}: a run is not repeatable")
    print(json.dumps({"peer": peer, "version": version, "kind": kind, "events": events, "seconds": seconds, **answer}))
