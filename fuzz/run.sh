#!/usr/bin/env bash
# Fuzzes all targets, or those that are named, and prints how much was run and covered. It needs stable Rust and a C++
# compiler, and uses libFuzzer and LLVM's coverage counters, without a sanitizer.
#
#   fuzz/run.sh [--seconds N] [--jobs N] [--keep] [--build] [TARGET...]
#
# --seconds N  time for each target (60)
# --jobs N     targets at a time (the number of processors)
# --keep       adds the inputs that cover something new to fuzz/corpus
#
# The script fails if an input fails. The input is then in fuzz/artifacts/<target>/, and the last lines say how to
# repeat the failure.
set -euo pipefail
cd "$(dirname "$0")"

seconds=60
jobs=$(nproc)
keep=
build=
targets=()
while (($#)); do
    case $1 in
        --seconds) seconds=$2; shift ;;
        --jobs) jobs=$2; shift ;;
        --keep) keep=1 ;;
        --build) build=1 ;;
        -*) echo "unknown option $1; see the head of fuzz/run.sh" >&2; exit 2 ;;
        *) targets+=("$1") ;;
    esac
    shift
done
if ((${#targets[@]} == 0)); then
    for file in fuzz_targets/*.rs; do
        targets+=("$(basename "$file" .rs)")
    done
fi

host=$(rustc -vV | sed -n 's/^host: //p')
# With --target, the flags apply to the targets only, not to build scripts and macros.
export RUSTFLAGS="-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
-Cllvm-args=-sanitizer-coverage-trace-compares"
bins=("${targets[@]/#/--bin=}")
# Not --locked: new dependencies of the crates may not be in the lock file yet.
cargo build --release --target "$host" "${bins[@]}"
[[ -n $build ]] && exit
programs=${CARGO_TARGET_DIR:-target}/$host/release

logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT

# Runs a target; its output and exit status go to files with its name.
fuzz() {
    local target=$1 found=$logs/$1.corpus dictionary=()
    mkdir -p "$found" "corpus/$target" "artifacts/$target"
    [[ -f $target.dict ]] && dictionary=("-dict=$target.dict")
    local status=0
    # An input may use 20 s and 1 GiB.
    "$programs/$target" "$found" "corpus/$target" "${dictionary[@]}" \
        -max_total_time="$seconds" -timeout=20 -rss_limit_mb=1024 -max_len=65535 \
        -artifact_prefix="artifacts/$target/" -print_final_stats=1 -verbosity=1 \
        >"$logs/$target.log" 2>&1 || status=$?
    echo "$status" >"$logs/$target.status"
}

# Keeps only the inputs that cover something new.
reduce() {
    local target=$1 reduced=$logs/$1.reduced
    mkdir -p "$reduced"
    "$programs/$target" -set_cover_merge=1 -use_counters=0 -max_len=4096 -rss_limit_mb=1024 \
        "$reduced" "corpus/$target" "$logs/$target.corpus" >"$logs/$target.merge" 2>&1
    rm -rf "corpus/$target"
    mv "$reduced" "corpus/$target"
}

running=0
for target in "${targets[@]}"; do
    if ((running == jobs)); then
        wait -n
        running=$((running - 1))
    fi
    fuzz "$target" &
    running=$((running + 1))
done
wait

failed=0
printf '%-16s %12s %10s %20s %8s %8s\n' target executions 'per second' 'edges covered of' inputs MiB
for target in "${targets[@]}"; do
    log=$logs/$target.log
    stat() { sed -n "s/^stat::$1: *//p" "$log"; }
    last() { grep -oE "$1: [0-9]+" "$log" | tail -1 | grep -oE '[0-9]+' || echo '?'; }
    edges=$(sed -n 's/^INFO: Loaded 1 modules *(\([0-9]*\) .*/\1/p' "$log")
    printf '%-16s %12s %10s %12s %7s %8s %8s\n' "$target" "$(stat number_of_executed_units)" \
        "$(stat average_exec_per_sec)" "$(last cov)" "$edges" "$(last corp)" "$(stat peak_rss_mb)"
    if [[ $(cat "$logs/$target.status") != 0 ]]; then
        failed=1
        echo "$target FAILED:"
        tail -n 60 "$log"
        echo "again: $programs/$target fuzz/artifacts/$target/<the file named above>"
    elif [[ -n $keep ]]; then
        reduce "$target"
    fi
done
exit "$failed"
