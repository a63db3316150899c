#!/usr/bin/env bash
# Compares AMOP with a NATS cluster, bridged mosquitto brokers and raw TLS, all on this machine.
# Needs cargo and Debian's nats-server and mosquitto. See docs/performance.md for the meaning of the results.
#
#   run.sh [--quick] [--endpoint HOST:PORT [--endpoint HOST:PORT] --certs DIR] [--out DIR]
#          [--works w1,w2,...] [--rounds N]
#
# Results go to target/compare-results unless --out says otherwise.
# Exit code 0: all targets are met; 1: one is missed; 2: the run failed.
set -uo pipefail
here="$(cd "$(dirname "$0")" && pwd)"
root="$(cd "$here/../.." && pwd)"

broken() { echo "run.sh: $*" >&2; exit 2; }

command -v cargo >/dev/null || broken "cargo is missing: install Rust by rustup"
# Debian installs servers in folders that are not in every user's PATH.
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

# One folder for both, because they share most dependencies.
target="${CARGO_TARGET_DIR:-$root/target}"
export CARGO_TARGET_DIR="$target"
(cd "$root" && cargo build --profile dist --locked -p amop-node-cli --bin amop-node) || broken "amop-node does not build"
(cd "$here" && cargo build --profile dist --locked) || broken "amop-compare does not build"

# For thousands of clients in one process.
ulimit -n "$(ulimit -H -n)" 2>/dev/null
exec "$target/dist/amop-compare" run --node-binary "$target/dist/amop-node" \
    --out "$target/compare-results" "$@"
