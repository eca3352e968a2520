#!/usr/bin/env bash
# How good the answers are: makes simulated worlds from fresh seeds, asks about each at every noon, scores the answers
# against the truth and writes docs/accuracy.md. Needs Go alone; about ten minutes on two cores, 500 MB of disk.
set -euo pipefail

usage() {
	cat <<'USAGE'
usage: bench/accuracy.sh [-s SEED] [-r ROUNDS] [-n] [-- FLAGS OF simulate]
  -s SEED    seed of the first world; each has the next (default: by the clock)
  -r ROUNDS  worlds of each setting (default 1)
  -n         print instead of writing docs/accuracy.md
  FLAGS      one setting in place of the list, such as: -- --payments 8000 --merchants 20 --trouble 200
environment: DIR  folder for worlds, answers and misses.ndjson; kept where given
USAGE
	exit 2
}

seed=$(($(date +%s) % 1000000)) rounds=1 out=docs/accuracy.md
while getopts s:r:nh option; do
	case $option in
	s) seed=$OPTARG ;;
	r) rounds=$OPTARG ;;
	n) out= ;;
	*) usage ;;
	esac
done
shift $((OPTIND - 1))

cd "$(dirname "$0")/.."
export CGO_ENABLED=0
tmp=$(mktemp -d -t daozhang-accuracy.XXXXXX)
trap 'rm -rf "$tmp"' EXIT
go build -trimpath -o "$tmp/daozhang" ./cmd/daozhang
go build -trimpath -o "$tmp/accuracy" ./bench/accuracy
more=()
if [ -n "${DIR:-}" ]; then more+=(-misses -dir "$DIR"); fi
if [ -n "$out" ]; then more+=(-o "$out"); fi
if [ $# -gt 0 ]; then more+=(-flags "$*"); fi
"$tmp/accuracy" -daozhang "$tmp/daozhang" -first "$seed" -rounds "$rounds" "${more[@]}"
