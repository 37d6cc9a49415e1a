#!/usr/bin/env bash
# Runs targets one after the other, in turns of SLICE seconds, until each has RUNS executions in all. Usage, in this
# folder:
#
#   RUSTFLAGS="-C target-cpu=x86-64-v3" cargo +nightly fuzz build -O -a -s none
#   ./campaign.sh [TARGET...]
#
# Without sanitizers: the code is safe Rust, and overflow checks and debug assertions (-a) are what finds its faults.
# LOGS/summary.tsv gets a line a turn: target, exit status, executions, seconds, new units, peak resident megabytes; what
# it holds from before counts. A target that finds something leaves its input in LOGS/found and is not run again.
# At NICE (default 19, the lowest priority, which may get no turn for long on a busy machine: a run may take two minutes).
set -uo pipefail
cd "$(dirname "$0")"
runs=${RUNS:-10000000}
slice=${SLICE:-240}
logs=${LOGS:-target/campaign}
bin=${BIN:-target/x86_64-unknown-linux-gnu/release}
summary=$logs/summary.tsv
mkdir -p "$logs/found"
touch "$summary"

length() {
  case $1 in
  fixed) echo 64 ;;
  csv) echo 160 ;;
  csv_table | capture | book_*) echo 384 ;;
  frames | journal) echo 1024 ;;
  dbn) echo 1536 ;;
  wire_bitfinex) echo 4096 ;;
  *) echo 2048 ;;
  esac
}

turn() {
  local target=$1 left=$2 log=$logs/$1.log from=$SECONDS status
  mkdir -p "corpus/$target"
  nice -n "${NICE:-19}" "$bin/$target" "corpus/$target" "seeds/$target" -runs="$left" -max_total_time="$slice" \
    -max_len="$(length "$target")" -rss_limit_mb=2048 -timeout=120 -print_final_stats=1 \
    -artifact_prefix="$logs/found/$target-" >"$log" 2>&1
  status=$?
  stat() { sed -n "s/^stat::$1: *//p" "$log"; }
  printf '%s\t%s\t%s\t%s\t%s\t%s\n' "$target" "$status" "$(stat number_of_executed_units)" $((SECONDS - from)) \
    "$(stat new_units_added)" "$(stat peak_rss_mb)" >>"$summary"
  return "$status"
}

[ $# -gt 0 ] || set -- $(cd fuzz_targets && printf '%s\n' *.rs | sed 's/\.rs$//')
failed=" "
while :; do
  again=0
  for target in "$@"; do
    left=$((runs - $(awk -v t="$target" '$1 == t { n += $3 } END { print n + 0 }' "$summary")))
    [[ $left -le 0 || $failed == *" $target "* ]] && continue
    again=1
    turn "$target" "$left" || failed+="$target "
  done
  [ $again = 1 ] || break
done
[ "$failed" = " " ] || { echo "findings:$failed" >&2; exit 1; }
