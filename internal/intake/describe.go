package intake

import (
	"bufio"
	"cmp"
	"maps"
	"regexp"
	"slices"
	"strings"

	"daozhang/internal/calendar"
	"daozhang/internal/card"
	"daozhang/internal/evidence"
	"daozhang/internal/fault"
	"daozhang/internal/format"
	"daozhang/internal/money"
)

// What is kept of a file's description.
const (
	mostNotes   = 200 // errors, and warnings
	mostStreams = 20
	mostDays    = 62 // of a stream
	mostRaw     = 240
)

// describe fills in what the file says of itself.
func (r *reading) describe() {
	f := &r.file
	for n, s := range r.loaded.Sources {
		f.Rows += int64(s.Facts)
		f.Doubts += s.Doubts
		if n == 0 {
			f.Format = s.Format
			f.Title = titleOf(r.Formats, s.Format)
		}
	}
	for _, n := range r.loaded.Rejected {
		f.Rejected++
		r.note(&f.Errors, r.lineNote(n))
	}
	for _, n := range r.loaded.Warnings {
		r.note(&f.Warnings, r.lineNote(n))
	}
	r.showRaw()
	f.Streams = streams(r.set)
	f.Trailers = trailers(r.set)
}

// titleOf is what people call a format; readers may name it more exactly than their
// own name ("camt.053.001.08").
func titleOf(formats []format.Format, name string) fault.Text {
	for i := range formats {
		if formats[i].Name == name || strings.HasPrefix(name, formats[i].Name+".") {
			return formats[i].Title
		}
	}
	return fault.Same(name)
}

// note adds to a list that does not grow without bound.
func (r *reading) note(list *[]LineNote, n LineNote) {
	if len(*list) >= mostNotes {
		r.file.Unlisted++
		return
	}
	*list = append(*list, n)
}

func (r *reading) lineNote(n format.Note) LineNote {
	part, ok := strings.CutPrefix(n.File, "-:")
	if !ok {
		part = ""
	}
	return LineNote{Part: part, Line: n.Line, Why: n.Why}
}

// showRaw puts the text of each noted line beside it, where the file is text.
func (r *reading) showRaw() {
	wanted := map[int][]*LineNote{}
	for _, list := range [...][]LineNote{r.file.Errors, r.file.Warnings} {
		for i := range list {
			if n := &list[i]; n.Line > 0 && n.Part == "" {
				wanted[n.Line] = append(wanted[n.Line], n)
			}
		}
	}
	if len(wanted) == 0 {
		return
	}
	in := format.NewInput("-", r.content, format.Hints{})
	if in.Head.Text == "" { // an archive or a spreadsheet
		return
	}
	lines := bufio.NewScanner(in.Text())
	lines.Buffer(nil, 1<<20)
	for at := 1; len(wanted) > 0 && lines.Scan(); at++ {
		for _, n := range wanted[at] {
			n.Raw = rawText(lines.Text())
		}
		delete(wanted, at)
	}
}

// secretWords are names of fields that hold what nobody may show.
var secretWords = regexp.MustCompile(`(?i)track|cvv|cvc|cvn|pin.?block|pin_data|磁道`)

// longDigits are runs of digits that may be a card's although they do not look so.
var longDigits = regexp.MustCompile(`\d{13,}`)

// rawText is a line as it may be shown: no card number, no track, no secret.
func rawText(line string) string {
	if secretWords.MatchString(line) {
		return ""
	}
	line, _ = card.MaskText(strings.TrimRight(line, "\r"))
	line = longDigits.ReplaceAllStringFunc(line, func(d string) string { return strings.Repeat("*", len(d)-4) + d[len(d)-4:] })
	if runes := []rune(line); len(runes) > mostRaw {
		line = string(runes[:mostRaw]) + "…"
	}
	return line
}

// streamOf is a source without the document's own number: format, and merchant or
// account.
func streamOf(source string) string {
	head, rest, ok := strings.Cut(source, "/")
	if !ok {
		return source
	}
	party, _, _ := strings.Cut(rest, "/")
	return head + "/" + party
}

// streams are the series that a file belongs to. Days that the file declares whole
// go before those of its rows.
func streams(set *evidence.Set) []Stream {
	type covered struct {
		rows           int64
		days, declared map[calendar.Date]bool
	}
	found := map[string]*covered{}
	for ref, f := range set.All {
		name := streamOf(set.Words.Text(f.Source))
		c := found[name]
		if c == nil {
			c = &covered{days: map[calendar.Date]bool{}, declared: map[calendar.Date]bool{}}
			found[name] = c
		}
		switch f.Type {
		case evidence.ClearingFile, evidence.SettlementFile:
			c.declared[f.Date] = true
			continue
		case evidence.BankStatement:
			_, from, isDate, ok := set.Moment(ref, evidence.From)
			_, to, toDate, ok2 := set.Moment(ref, evidence.To)
			for d := from; ok && ok2 && isDate && toDate && d <= to && len(c.declared) < mostDays; d++ {
				c.declared[d] = true
			}
			continue
		}
		c.rows++
		c.days[dayOf(f)] = true
	}
	var out []Stream
	for name, c := range found {
		days := c.declared
		if len(days) == 0 {
			days = c.days
		}
		list := slices.Sorted(maps.Keys(days))
		out = append(out, Stream{Name: name, Days: list[max(len(list)-mostDays, 0):], Rows: c.rows})
	}
	slices.SortFunc(out, func(a, b Stream) int { return cmp.Or(cmp.Compare(b.Rows, a.Rows), cmp.Compare(a.Name, b.Name)) })
	return out[:min(len(out), mostStreams)]
}

// dayOf is the date that a fact is about, or that on which it happened.
func dayOf(f *evidence.Fact) calendar.Date {
	if f.Date != calendar.None && f.Date != 0 {
		return f.Date
	}
	return calendar.DateOf(f.Time.Unix(), int(f.Offset)*60)
}

// trailerKey is what a declared total is about.
type trailerKey struct {
	of       string
	date     calendar.Date
	currency money.Currency
}

// trailers are the totals that the file declares, held against its rows.
func trailers(set *evidence.Set) []Trailer {
	count, sum := map[trailerKey]int64{}, map[trailerKey]int64{}
	add := func(k trailerKey, v int64) { count[k]++; sum[k] += v }
	for ref, f := range set.All {
		switch f.Type {
		case evidence.ClearingLine:
			v, _ := f.Amount()
			switch f.Kind {
			case evidence.Refund, evidence.Void, evidence.Reversal, evidence.Chargeback:
				v = -v
			}
			add(trailerKey{set.Words.Text(f.Network), f.Date, f.Currency}, v)
		case evidence.SettlementLine:
			v, _ := set.Num(ref, evidence.Net)
			add(trailerKey{"", f.Date, f.Currency}, v)
			add(trailerKey{set.Text(ref, evidence.MID), f.Date, f.Currency}, v)
		case evidence.BankEntry:
			v, _ := f.Amount()
			if f.Debit() {
				v = -v
			}
			if f.State == evidence.Booked {
				add(trailerKey{set.Text(ref, evidence.Account), calendar.None, f.Currency}, v)
			}
		}
	}
	var out []Trailer
	for ref, f := range set.All {
		t := Trailer{Currency: f.Currency}
		var k trailerKey
		switch f.Type {
		case evidence.ClearingFile:
			k = trailerKey{set.Words.Text(f.Network), f.Date, f.Currency}
			t.Of = k.of + " " + f.Date.String()
		case evidence.SettlementFile:
			k = trailerKey{set.Text(ref, evidence.MID), f.Date, f.Currency}
			t.Of = strings.TrimSpace(k.of + " " + f.Date.String())
		case evidence.BankStatement:
			k = trailerKey{set.Text(ref, evidence.Account), calendar.None, f.Currency}
			opening, ok := set.Num(ref, evidence.Opening)
			closing, ok2 := set.Num(ref, evidence.Closing)
			if !ok || !ok2 {
				continue
			}
			t.Of, t.Sum = card.AccountTail(k.of), closing-opening
			t.ReadCount, t.ReadSum = count[k], sum[k]
			out = append(out, t)
			continue
		default:
			continue
		}
		if n, ok := set.Num(ref, evidence.Count); ok {
			t.Count, t.Counted = n, true
		}
		t.Sum, _ = set.Num(ref, evidence.Total)
		t.ReadCount, t.ReadSum = count[k], sum[k]
		out = append(out, t)
	}
	return out
}
