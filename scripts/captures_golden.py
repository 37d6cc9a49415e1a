#!/usr/bin/env python3
"""Counts what captures hold, as the judge of `starling data import CAPTURE FILE.frames`.

    python3 scripts/captures_golden.py DATA_DIR > crates/lab/tests/formats/captures.txt

A line a file: its name; frames received, sent, answers, openings; lines without a stamp; payload bytes and their sum
(binary frames unescaped by Python itself); the sum of all stamps in nanoseconds. Needs nothing.
"""
import ast
import gzip
import re
import sys
from decimal import Decimal
from pathlib import Path

FORMS = [
    ("received", rb"^(\d+(?:\.\d+)?): (.*)$"),
    ("opened", rb"^\S+ <-> (\d+(?:\.\d+)?)()$"),
    ("sent", rb"^\S+ <- (\d+(?:\.\d+)?): (.*)$"),
    ("answer", rb"^\S+ -> (\d+(?:\.\d+)?): (.*)$"),
    ("unstamped", rb"^configuration: ()()"),
    ("stamped", rb"^(\d{19}) (.*)$"),
]


def main():
    for path in sorted(Path(sys.argv[1], "ws_streams").glob("*.gz")):
        if path.name.startswith("ib_"):
            continue
        counts = dict.fromkeys(["received", "sent", "answer", "opened", "unstamped"], 0)
        length = total = stamps = 0
        for line in gzip.open(path).read().split(b"\n"):
            if not line.strip():
                continue
            form, match = next((f, m) for f, p in FORMS if (m := re.match(p, line, re.S)))
            stamp, payload = match.groups()
            if form == "stamped":
                form, nanos = "received", int(stamp)
            elif form != "unstamped":
                nanos = int(Decimal(stamp.decode()).scaleb(9))
            counts[form] += 1
            if form == "unstamped":
                continue
            if form == "received" and re.match(rb"b['\"]", payload):
                payload = ast.literal_eval(payload.decode())
            stamps += nanos
            length += len(payload)
            total += sum(payload)
        print(path.name, *counts.values(), length, total, stamps)


main()
