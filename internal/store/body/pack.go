package body

import (
	"bytes"
	"encoding/json"
	"errors"
	"iter"
	"runtime"
	"sync"

	"github.com/google/uuid"
	"github.com/klauspost/compress/zstd"

	"daozhang/internal/calendar"
	"daozhang/internal/settlement"
)

// mostUnpacked bounds what a piece may come to, against one that was made to burst.
const mostUnpacked = 64 << 20

var (
	compressor = sync.OnceValues(func() (*zstd.Encoder, error) {
		return zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(runtime.GOMAXPROCS(0)))
	})
	expander = sync.OnceValues(func() (*zstd.Decoder, error) {
		return zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecoderMaxMemory(mostUnpacked))
	})
)

// Pack compresses (Zstandard, RFC 8878).
func Pack(raw []byte) ([]byte, error) {
	z, err := compressor()
	if err != nil {
		return nil, err
	}
	return z.EncodeAll(raw, make([]byte, 0, len(raw)/4)), nil
}

// Unpack is the reverse of Pack.
func Unpack(packed []byte) ([]byte, error) {
	z, err := expander()
	if err != nil {
		return nil, err
	}
	return z.DecodeAll(packed, nil)
}

// Lines gives the lines of a text in which each ends with a line feed, without it.
func Lines(raw []byte) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for len(raw) > 0 {
			line, rest, _ := bytes.Cut(raw, []byte{'\n'})
			if !yield(line) {
				return
			}
			raw = rest
		}
	}
}

type clearedBody struct {
	Key     string             `json:"key"`
	Payment *uuid.UUID         `json:"payment,omitempty"`
	Kind    string             `json:"kind"`
	Signed  int64              `json:"signed"`
	Outcome settlement.Outcome `json:"outcome"`
}

// EncodeCleared packs lines of one merchant's part of a network's day.
func EncodeCleared(lines []settlement.Cleared) ([]byte, error) {
	all := make([]clearedBody, len(lines))
	for i := range lines {
		c := &lines[i]
		all[i] = clearedBody{Key: c.Key, Kind: c.Kind.String(), Signed: c.Signed, Outcome: c.Outcome}
		if c.Payment != uuid.Nil {
			all[i].Payment = &c.Payment
		}
	}
	raw, err := json.Marshal(all)
	if err != nil {
		return nil, err
	}
	return Pack(raw)
}

// DecodeCleared appends what EncodeCleared packed. Merchant, network and date stand
// in the row's key.
func DecodeCleared(to []settlement.Cleared, mid, network string, date calendar.Date, packed []byte) ([]settlement.Cleared, error) {
	raw, err := Unpack(packed)
	if err != nil {
		return to, err
	}
	var all []clearedBody
	if err := json.Unmarshal(raw, &all); err != nil {
		return to, err
	}
	for _, b := range all {
		c := settlement.Cleared{MID: mid, Network: network, Date: date, Key: b.Key, Signed: b.Signed, Outcome: b.Outcome}
		var unknown error
		if c.Kind, unknown = KindOf(b.Kind); unknown != nil {
			err = errors.Join(err, unknown)
		}
		if b.Payment != nil {
			c.Payment = *b.Payment
		}
		to = append(to, c)
	}
	return to, err
}
