#!/usr/bin/env bash
# Counts the instructions of every micro-benchmark under valgrind's callgrind.
#
#   instructions.sh [--check [--tolerance PERCENT] | --update] [--only PART_OF_A_NAME]
#
# --check fails if a case costs over 10 % (or PERCENT) more than in benches/instructions.txt; --update writes that
# file. Without valgrind nothing is counted: the script says so and succeeds.
set -euo pipefail
cd "$(dirname "$0")/.."
# Build for the whole workspace: with the features of all members, shared dependencies are built only once.
exec cargo bench --locked --workspace --bench instructions -- "$@"
