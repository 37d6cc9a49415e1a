#!/usr/bin/env python3
"""Runs Starling and its peers on the same bytes and prints the table of COMPARE.md.

    python3 benches/peers/python/compare.py --data-tool PATH/peer_data.py [--events 1000000] [--slow-events 100000]
        [--peers vectorbt,nautilus_trader] [--write]

Makes its own environment in target/peers and installs the peers there. Needs python 3.11 or later and a release build of
starling. `--write` puts the table into COMPARE.md. A peer that fails is named with its error and the others go on.
"""

import argparse
import datetime
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[2]
PACKAGES = {
    # Its theme names a trace that plotly 6 does not have.
    "vectorbt": ["vectorbt", "plotly<6"],
    "backtesting": ["backtesting"],
    "nautilus": ["nautilus_trader"],
    "hftbacktest": ["hftbacktest"],
}
# Peers that need minutes for a million events get fewer; the table says so.
SLOW = {"backtesting", "nautilus"}
BEGIN, END = "<!-- table: compare.py -->", "<!-- end of table -->"


def environment():
    folder = ROOT / "target" / "peers"
    python = folder / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    wanted = sorted({name for names in PACKAGES.values() for name in names} | {"numpy", "scipy", "pandas"})
    subprocess.run([python, "-m", "pip", "install", "--quiet", *wanted], check=True)
    return python


def data(python, tool, kind, events):
    path = ROOT / "target" / "peers" / f"{kind}_{events}.csv"
    told = subprocess.run([python, tool, kind, str(events), path], check=True, capture_output=True, text=True)
    return path, json.loads(told.stdout)


def ours(program, kind, path):
    """The engine alone: events decoded beforehand are what `bench engine` measures; here the whole command is timed, too."""
    command = [program, "backtest", ROOT / "examples" / "peers" / f"{kind}.toml", "--set", f"data.path={path}", "--json"]
    seconds, told = [], None
    for _ in range(6):
        start = datetime.datetime.now()
        told = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        seconds.append((datetime.datetime.now() - start).total_seconds())
    return told, seconds[1:]


def engine(program, kind):
    command = [program, "bench", "engine", "--category", f"engine/{kind}/1000000 with orders", "--json"]
    # A missed aim is not this script's affair.
    told = json.loads(subprocess.run(command, capture_output=True, text=True).stdout)
    return next(b for b in told["benchmarks"] if b["suite"] == "engine")


def rate(value):
    return f"{value:,.0f}"


def given(orders, answer):
    """An engine's orders, and numpy's where they differ."""
    return f"{orders}" if orders == answer["orders"] else f"{orders} (not {answer['orders']})"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-tool", default=ROOT.parent / "shared" / "tools" / "peer_data.py", type=pathlib.Path)
    parser.add_argument("--events", default=1_000_000, type=int)
    parser.add_argument("--slow-events", default=100_000, type=int)
    parser.add_argument("--peers", default=",".join(PACKAGES))
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    program = ROOT / "target" / "release" / "starling"
    if not options.data_tool.exists():
        sys.exit(f"{options.data_tool}: no such file; name peer_data.py with --data-tool")
    if not program.exists():
        sys.exit(f"{program}: no release build; run `cargo build --release` first")
    python = environment()
    rows = []
    for kind in ("bars", "quotes"):
        path, answer = data(python, options.data_tool, kind, options.events)
        bench = engine(program, kind)
        told, seconds = ours(program, kind, path)
        # `bench engine` makes a million events of the same law itself, and fails if its orders are not those of the rule.
        rows.append((kind, "Starling, engine", 1_000_000, rate(bench["measured"]), bench["n"], "checked by itself"))
        whole = statistics.median(options.events / s for s in seconds)
        orders = given(told["orders"], answer)
        rows.append((kind, "Starling, whole command with CSV", options.events, rate(whole), len(seconds), orders))
        for peer in options.peers.split(","):
            if peer not in PACKAGES:
                sys.exit(f"no peer {peer}; there are {', '.join(PACKAGES)}")
            events = min(options.slow_events, options.events) if peer in SLOW else options.events
            path, answer = data(python, options.data_tool, kind, events)
            run = subprocess.run(
                [python, HERE / f"{peer}_peer.py", kind, path], capture_output=True, text=True, cwd=HERE,
                env={**os.environ, "PYTHONWARNINGS": "ignore"},
            )
            if run.returncode:
                reason = run.stderr.strip().splitlines()[-1] if run.stderr.strip() else f"code {run.returncode}"
                print(f"{peer} on {kind}: {reason}", file=sys.stderr)
                continue
            told = json.loads(run.stdout.strip().splitlines()[-1])
            speed = statistics.median(told["events"] / s for s in told["seconds"])
            orders = given(told["orders"], answer)
            rows.append((kind, f"{told['peer']} {told['version']}", events, rate(speed), len(told["seconds"]), orders))
    cpu = next((l.split(":")[1].strip() for l in open("/proc/cpuinfo") if l.startswith("model name")), platform.machine())
    lines = [
        f"{datetime.date.today()}, {cpu}, {os.cpu_count()} cores, python {platform.python_version()}.",
        "",
        "| data | engine | events | events a second, median | n | orders |",
        "|---|---|---|---|---|---|",
        *("| " + " | ".join(str(cell) for cell in row) + " |" for row in rows),
    ]
    table = "\n".join(lines)
    print(table)
    if options.write:
        path = ROOT / "COMPARE.md"
        text = path.read_text()
        head, rest = text.split(BEGIN)
        path.write_text(f"{head}{BEGIN}\n{table}\n{rest[rest.index(END):]}")


main()
