#!/usr/bin/env bash
# Measures AMOP beside a NATS cluster, bridged mosquitto brokers and raw TLS, all on this machine.
# Needs cargo and Debian's nats-server and mosquitto. Read docs/performance.md for what it means.
#
#   run.sh [--quick] [--endpoint HOST:PORT [--endpoint HOST:PORT] --certs DIR] [--out DIR]
#          [--works w1,w2,...] [--rounds N]
#
# Results go to target/compare-results unless --out says otherwise.
# Exit code 0: every target holds; 1: one does not; 2: the run broke.
set -uo pipefail
here="$(cd "$(dirname "$0")" && pwd)"
root="$(cd "$here/../.." && pwd)"

broken() { echo "run.sh: $*" >&2; exit 2; }

command -v cargo >/dev/null || broken "cargo is missing: install Rust by rustup"
# Debian puts servers where not every user's path leads.
export PATH="$PATH:/usr/sbin"
missing=()
for program in nats-server mosquitto; do
    command -v "$program" >/dev/null || missing+=("$program")
done
if [ ${#missing[@]} -gt 0 ]; then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        apt-get update >&2 && apt-get install -y --no-install-recommends "${missing[@]}" >&2 ||
            broken "apt-get could not install ${missing[*]}"
    else
        broken "${missing[*]} missing: run as root \`apt-get install ${missing[*]}\`"
    fi
fi

# One folder for both: they share most of what they depend on.
target="${CARGO_TARGET_DIR:-$root/target}"
export CARGO_TARGET_DIR="$target"
(cd "$root" && cargo build --profile dist --locked -p amop-node --bin amop-node) || broken "amop-node does not build"
(cd "$here" && cargo build --profile dist --locked) || broken "amop-compare does not build"

# Thousands of clients in one process.
ulimit -n "$(ulimit -H -n)" 2>/dev/null
exec "$target/dist/amop-compare" run --node-binary "$target/dist/amop-node" \
    --out "$target/compare-results" "$@"
