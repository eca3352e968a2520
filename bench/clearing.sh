#!/usr/bin/env bash
# A clearing file held against the ledger and booked, against `daozhang check` of the same files, in one run.
set -euo pipefail

lines=1000000 merchants=1000 rounds=3
while getopts n:m:r:h option; do
	case $option in
	n) lines=$OPTARG ;;
	m) merchants=$OPTARG ;;
	r) rounds=$OPTARG ;;
	*) echo "usage: bench/clearing.sh [-n LINES] [-m MERCHANTS] [-r ROUNDS]" >&2; exit 2 ;;
	esac
done

cd "$(dirname "$0")/.."
export CGO_ENABLED=0 GOMAXPROCS=2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
go build -trimpath -o "$work/daozhang" ./cmd/daozhang
pin=()
if [ "$(nproc)" -gt 2 ] && command -v taskset >/dev/null; then pin=(taskset -c 0,1); fi
"${pin[@]}" go test ./internal/backoffice -count=1 -v -run 'TestClearingSpeed$' -timeout 4h \
	-clearing.lines "$lines" -clearing.merchants "$merchants" -clearing.rounds "$rounds" -clearing.check "$work/daozhang"
