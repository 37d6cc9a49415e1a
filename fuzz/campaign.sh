#!/usr/bin/env bash
# Runs targets one after the other, each to RUNS executions, and writes LOGS/TARGET.log with a line per target in
# LOGS/summary.tsv: target, exit status, executions, seconds, new units, peak resident megabytes. Usage, in this folder:
#
#   RUSTFLAGS="-C target-cpu=x86-64-v3" cargo +nightly fuzz build -O -a -s none
#   ./campaign.sh [TARGET...]
#
# Without sanitizers: the code is safe Rust, and overflow checks and debug assertions (-a) are what finds its faults.
# A target that finds something leaves its input in LOGS/found/TARGET-*, and the next one is begun.
set -uo pipefail
cd "$(dirname "$0")"
runs=${RUNS:-10000000}
logs=${LOGS:-target/campaign}
bin=${BIN:-target/x86_64-unknown-linux-gnu/release}
mkdir -p "$logs/found"

length() {
  case $1 in
  csv | capture) echo 512 ;;
  frames | journal) echo 1024 ;;
  book_*) echo 384 ;;
  dbn) echo 1536 ;;
  wire_bitfinex) echo 4096 ;;
  *) echo 2048 ;;
  esac
}

[ $# -gt 0 ] || set -- $(cd fuzz_targets && printf '%s\n' *.rs | sed 's/\.rs$//')
for target in "$@"; do
  corpus=corpus/$target seeds=()
  mkdir -p "$corpus"
  [ -d "seeds/$target" ] && seeds=("seeds/$target")
  from=$(date +%s.%N)
  nice -n 19 "$bin/$target" "$corpus" "${seeds[@]}" -runs="$runs" -max_len="$(length "$target")" -rss_limit_mb=2048 \
    -timeout=10 -print_final_stats=1 -artifact_prefix="$logs/found/$target-" >"$logs/$target.log" 2>&1
  status=$?
  stat() { sed -n "s/^stat::$1: *//p" "$logs/$target.log"; }
  printf '%s\t%s\t%s\t%.0f\t%s\t%s\n' "$target" "$status" "$(stat number_of_executed_units)" \
    "$(echo "$(date +%s.%N) - $from" | bc)" "$(stat new_units_added)" "$(stat peak_rss_mb)" >>"$logs/summary.tsv"
done
