#!/usr/bin/env bash
# What people and programs wait for over 500,000 payments: daozhang serve on SQLite and on PostgreSQL. See console.md beside this file.
set -euo pipefail

payments=500000 visits=60 more=()
while getopts n:v:k:wh option; do
	case $option in
	n) payments=$OPTARG ;;
	v) visits=$OPTARG ;;
	k) more+=(-keep "$(mkdir -p "$OPTARG" && cd "$OPTARG" && pwd)") ;;
	w) more+=(-table "$(cd "$(dirname "$0")" && pwd)/console.md") ;;
	*) echo "usage: bench/console.sh [-n PAYMENTS] [-v VISITS] [-k DIR to keep world and store in] [-w to write the table] [SQLite|PostgreSQL]" >&2; exit 2 ;;
	esac
done
shift $((OPTIND - 1))

cd "$(dirname "$0")/.."
export CGO_ENABLED=0 GOMAXPROCS=2
pin=()
if [ "$(nproc)" -gt 2 ] && command -v taskset >/dev/null; then pin=(taskset -c 0,1); fi
"${pin[@]}" go test -count=1 -timeout 60m -v -run "TestConsole/${1:-}" ./bench/console -args -payments "$payments" -visits "$visits" "${more[@]}"
