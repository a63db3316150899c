#!/usr/bin/env bash
# Attacks a network of three nodes on this machine, with one attack after the other, and measures the effect
# on the messages of two innocent members: their latency compared with that without the attack, their losses,
# the memory of the nodes, and the time until everything is as before. Not in CI, because it is a measurement.
#
#   benches/hostile/run.sh [--only NAME,NAME...] [--seconds N] [--json FILE] [--list]
#
# Exit code 0: every target is met; 1: one is not; 2: the measurement failed.
set -uo pipefail
root="$(cd "$(dirname "$0")/../.." && pwd)"
cd "$root"

broken() { echo "run.sh: $*" >&2; exit 2; }

target="${CARGO_TARGET_DIR:-$root/target}"
cargo build --release --locked --workspace --bin amop-node --bin amop-hostile || broken "amop-node or amop-hostile does not build"

# The process needs thousands of connections.
ulimit -n "$(ulimit -H -n)" 2>/dev/null
exec "$target/release/amop-hostile" run --node-binary "$target/release/amop-node" "$@"
