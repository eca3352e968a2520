#!/usr/bin/env bash
# Settlement of many payments through settlement.Settle and the store against a bare insert of the rows that it leaves,
# on SQLite and on PostgreSQL. See settlement.md beside this file.
set -euo pipefail

payments=1000000 merchants=1000
while getopts p:m:h option; do
	case $option in
	p) payments=$OPTARG ;;
	m) merchants=$OPTARG ;;
	*) echo "usage: bench/settlement.sh [-p PAYMENTS] [-m MERCHANTS] [SQLite|PostgreSQL]" >&2; exit 2 ;;
	esac
done
shift $((OPTIND - 1))

cd "$(dirname "$0")/.."
export CGO_ENABLED=0 GOMAXPROCS=2
pin=()
if [ "$(nproc)" -gt 2 ] && command -v taskset >/dev/null; then pin=(taskset -c 0,1); fi
"${pin[@]}" go test -count=1 -timeout 120m -v -run "TestSettlementSpeed/${1:-}" ./internal/store -args -settle-payments "$payments" -settle-merchants "$merchants"
