#!/usr/bin/env python3
"""Makes c1_fills.csv and c3_fills.csv: the fills of conformance cases C1 and C3 with the balance after each.

    python3 make.py conformance_reference.py DATA_DIR

Runs the project's reference loop (plain Python, no engine) and reads, at each fill that it prints, what it prints and,
for C3, both sides of the quote that it traded and converted at.
"""
import builtins
import pathlib
import runpy
import sys

here, out = pathlib.Path(__file__).parent, {"C1": ["side,price,fee,cash"], "C3": ["side,bid,ask,fee,realised,cash"]}


def record(case, *values):
    if case == "C1":
        _, side, price, fee, cash = values
        out[case].append(f"{side},{price},{fee},{cash}")
    elif case == "C3":
        _, side, price, fee, realised, cash = values
        other = round(1 / sys._getframe(1).f_locals["to_usd"], 3)
        bid, ask = (other, price) if side == "BUY" else (price, other)
        out[case].append(f"{side},{bid},{ask},{fee},{realised},{cash}")


sys.argv = [sys.argv[1], sys.argv[2], "--fills"]
builtins.print = record
runpy.run_path(sys.argv[0])
for case, lines in out.items():
    (here / f"{case.lower()}_fills.csv").write_text("\n".join(lines) + "\n")
