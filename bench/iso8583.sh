#!/bin/sh
# Decode and encode of a typical sale by our own walk of the bytes, against the
# library alone (github.com/moov-io/iso8583, the version in go.mod), in one run.
# vs-library is the ratio; at most 1.3 is required. MACs of 250 bytes follow.
#
#   bench/iso8583.sh        three rounds of a second each
#   bench/iso8583.sh 10     ten rounds
set -eu
cd "$(dirname "$0")/.."
go test ./internal/iso8583 -run '^$' -bench BenchmarkMessage -benchtime 1s -count "${1:-3}"
go test ./internal/keyring -run '^$' -bench BenchmarkMAC -benchtime 1s -count "${1:-3}"
