package store

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"slices"
	"strings"

	"github.com/tidwall/gjson"

	"daozhang/internal/evidence"
	"daozhang/internal/payment"
	"daozhang/internal/settlement"
	"daozhang/internal/store/body"
)

// The lines of a clearing file are as many as all payments, and a merchant's part of
// them is told at once, by us, and read by cursor. Its facts lie together in packs: a
// row of each would cost more than everything else that is done with a line; see
// docs/decisions/0060.
var packTable = &table{name: "evidence_pack", columns: columns("merchant source scope hash:b node pos:n facts:n body:b"), key: 4, merchant: true}

const (
	// leastPacked is from how many facts on a pack saves anything.
	leastPacked = 16
	// mostPacked bounds what has to be unpacked for one of them.
	mostPacked = 500
	// packedSources begins the names of the sources whose facts may lie in packs.
	packedSources = "clearing/"
	// partLines is how many lines of a merchant's part of a file lie in one row.
	partLines = 1000
)

// scopeOf is the part of a fact's id by which packs are found: up to the second
// slash, of MID/DATE/LINE the merchant and the day.
func scopeOf(id string) string {
	first := strings.IndexByte(id, '/')
	if first < 0 {
		return id
	}
	second := strings.IndexByte(id[first+1:], '/')
	if second < 0 {
		return id
	}
	return id[:first+1+second]
}

// pack puts the facts about the lines of a clearing step into packs, and gives the
// others.
func (p *prepared) pack(s *settlement.Step) (others []payment.Evidence, err error) {
	type place struct{ source, scope string }
	all := map[place][]*payment.Evidence{}
	var order []place
	for i := range s.Evidence {
		e := &s.Evidence[i]
		if e.Type != evidence.ClearingLine || !strings.HasPrefix(e.Source, packedSources) || e.MID != s.MID {
			others = append(others, *e)
			continue
		}
		at := place{e.Source, scopeOf(e.ID)}
		if all[at] == nil {
			order = append(order, at)
		}
		all[at] = append(all[at], e)
	}
	var raw []byte
	for _, at := range order {
		if len(all[at]) < leastPacked {
			for _, e := range all[at] {
				others = append(others, *e)
			}
			continue
		}
		for part := range slices.Chunk(all[at], mostPacked) {
			raw = raw[:0]
			for _, e := range part {
				if err := checkFact(e); err != nil {
					return nil, err
				}
				raw = append(append(raw, e.Line...), '\n')
			}
			packed, err := body.Pack(raw)
			if err != nil {
				return nil, err
			}
			hash := sha256.Sum256(raw)
			p.packs = append(p.packs, row{s.MID, at.source, at.scope, hash[:16], nil, nil, int64(len(part)), packed})
		}
	}
	return others, nil
}

// clearingParts gives the lines of a merchant's part of a network's day, in order of
// their keys, as rows of clearing_part.
func clearingParts(mid, network, date string, lines []settlement.Cleared) (parts []row, err error) {
	for some := range slices.Chunk(lines, partLines) {
		signed := int64(0)
		for i := range some {
			signed += some[i].Signed
		}
		raw, err := body.EncodeCleared(some)
		if err != nil {
			return nil, err
		}
		parts = append(parts, row{mid, network, date, int64(len(parts) + 1), int64(len(some)), signed, raw})
	}
	return parts, nil
}

// packed is a pack as it is read.
type packed struct {
	mid, source, scope string
	hash               []byte
	pos, facts         int64
	body               []byte
}

// lines gives its facts, in order of their positions, which end with pos.
func (p *packed) lines() ([]Line, error) {
	raw, err := body.Unpack(p.body)
	if err != nil {
		return nil, err
	}
	out := make([]Line, 0, p.facts)
	for line := range body.Lines(raw) {
		out = append(out, Line{p.mid, p.source, gjson.GetBytes(line, "id").Str, line})
	}
	if int64(len(out)) != p.facts {
		return nil, errors.New("a pack of evidence does not hold the facts that it should")
	}
	return out, nil
}

// eachPack gives those that a condition finds, one after the other.
func eachPack(ctx context.Context, query queryFunc, give func(*packed) error, condition string, args ...any) error {
	rows, err := query(ctx, "SELECT merchant, source, scope, hash, pos, facts, body FROM evidence_pack WHERE "+condition, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var p packed
		if err := rows.Scan(&p.mid, &p.source, &p.scope, &p.hash, &p.pos, &p.facts, &p.body); err != nil {
			return err
		}
		if err := give(&p); err != nil {
			return err
		}
	}
	return errors.Join(rows.Err(), rows.Close())
}

// packs reads those that a condition finds.
func packs(ctx context.Context, query queryFunc, condition string, args ...any) (out []packed, err error) {
	err = eachPack(ctx, query, func(p *packed) error { out = append(out, *p); return nil }, condition, args...)
	return out, err
}

// packedVersions gives the lines in packs that bear a fact's name.
func (s *Store) packedVersions(ctx context.Context, e *payment.Evidence) ([][]byte, error) {
	if e.MID == "" || !strings.HasPrefix(e.Source, packedSources) {
		return nil, nil
	}
	all, err := packs(ctx, s.read.QueryContext, "merchant = $1 AND source = $2 AND scope = $3", e.MID, e.Source, scopeOf(e.ID))
	if err != nil {
		return nil, err
	}
	var out [][]byte
	for i := range all {
		lines, err := all[i].lines()
		if err != nil {
			return nil, err
		}
		for _, l := range lines {
			if l.ID == e.ID {
				out = append(out, bytes.Clone(l.JSON))
			}
		}
	}
	return out, nil
}
