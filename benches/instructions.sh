#!/usr/bin/env bash
# Counts the instructions of every micro-benchmark under valgrind's callgrind.
#
#   instructions.sh [--check [--tolerance PERCENT] | --update] [--only PART_OF_A_NAME]
#
# --check fails if a case costs over 10 % (or PERCENT) more than in benches/instructions.txt; --update writes that
# file. Without valgrind, the script says that nothing is counted, and succeeds.
set -euo pipefail
cd "$(dirname "$0")/.."
# With --workspace, the dependencies have the features of all members, so they are built only once.
exec cargo bench --locked --workspace --bench instructions -- "$@"
