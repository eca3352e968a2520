#!/bin/sh
# Decode and encode of a typical sale by our own walk of the bytes, against the
# library alone (github.com/moov-io/iso8583, the version in go.mod), in one run.
# vs-library is the ratio; the verdict holds the middle one of each dialect
# against 1.3, which is required, and is the exit code. MACs of 250 bytes follow.
#
#   bench/iso8583.sh        three rounds of a second each
#   bench/iso8583.sh 10     ten rounds
set -eu
cd "$(dirname "$0")/.."
out=$(mktemp)
trap 'rm -f "$out"' EXIT
go test ./internal/iso8583 -run '^$' -bench BenchmarkMessage -benchtime 1s -count "${1:-3}" >"$out" || { cat "$out"; exit 1; }
cat "$out"
go test ./internal/keyring -run '^$' -bench BenchmarkMAC -benchtime 1s -count "${1:-3}"
sort "$out" | awk '
	/\/ratio/ { for (i = 2; i < NF; i++) if ($(i + 1) == "vs-library") r[$1, ++n[$1]] = $i }
	END {
		for (name in n) {
			for (i = 1; i <= n[name]; i++) for (j = i + 1; j <= n[name]; j++) # few enough to sort so
				if (r[name, j] + 0 < r[name, i] + 0) { x = r[name, i]; r[name, i] = r[name, j]; r[name, j] = x }
			middle = r[name, int((n[name] + 1) / 2)]
			good = middle + 0 <= 1.3
			printf "%s  %s: %.2f times the library, at most 1.3 is required\n", good ? "PASS" : "FAIL", name, middle
			seen = 1; if (!good) bad = 1
		}
		if (!seen) print "FAIL  nothing was measured"
		exit !seen || bad
	}'
