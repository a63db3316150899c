#!/usr/bin/env bash
# Counts the instructions of every micro-benchmark under valgrind's callgrind.
#
#   instructions.sh [--check [--tolerance PERCENT] | --update] [--only PART_OF_A_NAME]
#
# --check fails if a case costs over 10 % (or PERCENT) more than benches/instructions.txt says; --update writes that
# file. Without valgrind nothing is counted, which is said and is no failure.
set -euo pipefail
cd "$(dirname "$0")/.."
# The whole workspace: with the features of all its members, what they depend on is built once for all.
exec cargo bench --locked --workspace --bench instructions -- "$@"
