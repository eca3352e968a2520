#!/usr/bin/env bash
# Durable authorizations a second over real sockets: daozhang serve as a process, terminals and bank beside it, the
# database on the same two cores, against a bare loop of the same rows and groups. See authorizations.md beside this file.
set -euo pipefail

for=20s rounds=3 terminals=64
while getopts f:n:t:h option; do
	case $option in
	f) for=$OPTARG ;;
	n) rounds=$OPTARG ;;
	t) terminals=$OPTARG ;;
	*) echo "usage: bench/authorizations.sh [-f DURATION] [-n ROUNDS] [-t TERMINALS] [SQLite|PostgreSQL]" >&2; exit 2 ;;
	esac
done
shift $((OPTIND - 1))

cd "$(dirname "$0")/.."
export CGO_ENABLED=0 GOMAXPROCS=2
pin=()
if [ "$(nproc)" -gt 2 ] && command -v taskset >/dev/null; then pin=(taskset -c 0,1); fi
"${pin[@]}" go test -count=1 -timeout 60m -v -run "TestAuthorizations/${1:-}" ./bench/authorizations -args -for "$for" -rounds "$rounds" -terminals "$terminals"
