#!/usr/bin/env bash
# Attacks a network of three nodes on this machine, one way after the other, and measures what that does
# to the messages of two innocent members: their latency beside their own without the attack, what they
# lose, what the nodes keep in memory, how soon all is as before. Not in CI: it measures.
#
#   benches/hostile/run.sh [--only NAME,NAME...] [--seconds N] [--json FILE] [--list]
#
# Exit code 0: every target holds; 1: one does not; 2: the run broke.
set -uo pipefail
root="$(cd "$(dirname "$0")/../.." && pwd)"
cd "$root"

broken() { echo "run.sh: $*" >&2; exit 2; }

target="${CARGO_TARGET_DIR:-$root/target}"
cargo build --release --locked --workspace --bin amop-node --bin amop-hostile || broken "it does not build"

# Thousands of connections in one process.
ulimit -n "$(ulimit -H -n)" 2>/dev/null
exec "$target/release/amop-hostile" run --node-binary "$target/release/amop-node" "$@"
