#!/usr/bin/env bash
# Runs all attacks, one after the other, on a network of three nodes on this machine, and measures their
# effect on the messages of two innocent members: their latency with and without the attack, lost messages,
# the memory of the nodes, and the time of the recovery. Not in CI, because it measures times.
#
#   benches/hostile/run.sh [--only NAME,NAME...] [--seconds N] [--json FILE] [--list]
#
# Exit code 0: all targets are met; 1: one is missed; 2: the run failed.
set -uo pipefail
root="$(cd "$(dirname "$0")/../.." && pwd)"
cd "$root"

broken() { echo "run.sh: $*" >&2; exit 2; }

target="${CARGO_TARGET_DIR:-$root/target}"
cargo build --release --locked --workspace --bin amop-node --bin amop-hostile || broken "amop-node or amop-hostile does not build"

# For thousands of connections in one process.
ulimit -n "$(ulimit -H -n)" 2>/dev/null
exec "$target/release/amop-hostile" run --node-binary "$target/release/amop-node" "$@"
