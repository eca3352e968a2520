// Package score compares answers about payments with the truth about them:
// how often stage, status, cardholder, cause and party are right, whether the
// money came when it was said to, and whether a confidence of 0.9 is right nine
// times of ten. It knows two forms of JSON lines and nothing of how either was
// made.
package score

import (
	"bufio"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"time"
)

// Truth is one payment at one moment as it really was and as a perfect observer
// of the evidence would see it.
type Truth struct {
	AsOf       time.Time `json:"as_of"`
	MID        string    `json:"mid"`
	TID        string    `json:"tid"`
	Batch      string    `json:"batch"`
	STAN       string    `json:"stan"`
	RRN        string    `json:"rrn"`
	AuthCode   string    `json:"auth_code"`
	OrderID    string    `json:"order_id"`
	Ref        string    `json:"ref"`
	Amount     int64     `json:"amount"`
	Currency   string    `json:"currency"`
	Stage      string    `json:"stage"`
	Status     string    `json:"status"`
	Cardholder string    `json:"cardholder"`
	Cause      string    `json:"cause"`
	Party      string    `json:"party"`
	Leg        string    `json:"leg"`
	Arrival    time.Time `json:"arrival"` // zero: never, or not yet when the world ended
	Incident   string    `json:"incident"`
	// Fault is the shared fault behind it where that is not the incident: its
	// evidence was lost.
	Fault     string   `json:"fault"`
	Announced bool     `json:"announced"` // the end of the cause was told beforehand
	Suffices  bool     `json:"suffices"`  // the facts that tell the cause were known
	Evidence  []string `json:"evidence"`
	// Accept holds other answers that count as right.
	Accept struct {
		Stage      []string `json:"stage"`
		Status     []string `json:"status"`
		Cardholder []string `json:"cardholder"`
		Cause      []string `json:"cause"`
		Party      []string `json:"party"`
	} `json:"accept"`

	answered bool
}

// Answer is one payment as `daozhang check` answers.
type Answer struct {
	AsOf       time.Time `json:"as_of"` // of the line; zero where the file says it
	MID        string    `json:"mid"`
	TID        string    `json:"tid"`
	Batch      string    `json:"batch"`
	STAN       string    `json:"stan"`
	RRN        string    `json:"rrn"`
	AuthCode   string    `json:"auth_code"`
	OrderID    string    `json:"order_id"`
	Ref        string    `json:"ref"`
	Amount     int64     `json:"amount"`
	Stage      string    `json:"stage"`
	Status     string    `json:"status"`
	Cardholder string    `json:"cardholder"`
	Party      string    `json:"party"`
	Incident   string    `json:"incident"`
	BankEntry  string    `json:"bank_entry"`
	Cause      struct {
		Code         string  `json:"code"`
		Confidence   float64 `json:"confidence"`
		Alternatives []struct {
			Code       string  `json:"code"`
			Confidence float64 `json:"confidence"`
		} `json:"alternatives"`
	} `json:"cause"`
	Expected *struct {
		Earliest time.Time `json:"earliest"`
		Likely   time.Time `json:"likely"`
		Latest   time.Time `json:"latest"`
	} `json:"expected"`
}

// Miss is one field of one answer that is not as the truth has it.
type Miss struct {
	Field    string  `json:"field"`
	Want     string  `json:"want"`
	Got      string  `json:"got"`
	Truth    *Truth  `json:"truth"`
	Answer   *Answer `json:"answer"`
	Suffices bool    `json:"suffices"`
}

// Scorer compares answers with truths, moment by moment.
type Scorer struct {
	moments map[int64]*moment
	// OnMiss, where set, is told of every wrong field.
	OnMiss func(Miss)

	fields          map[string]*Ratio
	enough, lacking Ratio
	confident       Ratio // wrong causes said with 0.8 and more, where the evidence does not suffice
	perCause        map[string]*Ratio
	confusion       map[[2]string]int
	falseArrived    int
	arrivedNoEntry  int
	missedOverdue   int
	transit, other  interval
	bins            [10]bin
	brier           float64
	calibrated      int
	unmatched       int
}

// Ratio counts how many of all were right.
type Ratio struct {
	Right int `json:"right"`
	All   int `json:"all"`
}

func (r *Ratio) count(right bool) {
	r.All++
	if right {
		r.Right++
	}
}

// Share is the part that was right; 1 of none.
func (r Ratio) Share() float64 {
	if r.All == 0 {
		return 1
	}
	return float64(r.Right) / float64(r.All)
}

type interval struct {
	inside Ratio
	widths []float64 // hours
	days   []int     // business days
}

type bin struct {
	n     int
	conf  float64
	right int
}

// moment holds the truths of one moment and what the answers put together.
type moment struct {
	truths  []*Truth
	byKey   map[string]int
	groups  map[string]map[string]int // incident of the truth → incident of the answer → payments
	reverse map[string]map[string]int
}

// New reads the truth: one JSON object a line. Where moments are given, only
// theirs is kept.
func New(r io.Reader, moments ...time.Time) (*Scorer, error) {
	s := &Scorer{moments: map[int64]*moment{}, fields: map[string]*Ratio{}, perCause: map[string]*Ratio{}, confusion: map[[2]string]int{}}
	for _, f := range []string{"stage", "status", "cardholder", "party"} {
		s.fields[f] = &Ratio{}
	}
	sc := lines(r)
	for n := 1; sc.Scan(); n++ {
		if len(sc.Bytes()) == 0 {
			continue
		}
		t := new(Truth)
		if err := json.Unmarshal(sc.Bytes(), t); err != nil {
			return nil, fmt.Errorf("truth, line %d: %w", n, err)
		}
		if len(moments) > 0 && !slices.ContainsFunc(moments, t.AsOf.Equal) {
			continue
		}
		m := s.moments[t.AsOf.Unix()]
		if m == nil {
			m = &moment{byKey: map[string]int{}, groups: map[string]map[string]int{}, reverse: map[string]map[string]int{}}
			s.moments[t.AsOf.Unix()] = m
		}
		m.truths = append(m.truths, t)
		for _, k := range keys(t.Ref, t.MID, t.TID, t.Batch, t.STAN, t.RRN, t.OrderID, t.Amount) {
			if _, taken := m.byKey[k]; taken {
				m.byKey[k] = -1 // tells nothing
			} else {
				m.byKey[k] = len(m.truths) - 1
			}
		}
	}
	return s, sc.Err()
}

func lines(r io.Reader) *bufio.Scanner {
	sc := bufio.NewScanner(r)
	sc.Buffer(make([]byte, 1<<16), 1<<26)
	return sc
}

// keys gives what a payment can be found by, the strongest first.
func keys(ref, mid, tid, batch, stan, rrn, order string, amount int64) []string {
	var k []string
	if ref != "" {
		k = append(k, "p|"+ref)
	}
	if rrn != "" {
		k = append(k, "r|"+mid+"|"+rrn)
	}
	if stan != "" && batch != "" {
		k = append(k, "b|"+mid+"|"+tid+"|"+batch+"|"+stan)
	}
	if order != "" {
		k = append(k, "o|"+mid+"|"+order)
	}
	if stan != "" {
		k = append(k, fmt.Sprintf("s|%s|%s|%s|%d", mid, tid, stan, amount))
	}
	return k
}

// Moments lists the moments of the truth, in order.
func (s *Scorer) Moments() []time.Time {
	var all []time.Time
	for t := range s.moments {
		all = append(all, time.Unix(t, 0))
	}
	slices.SortFunc(all, time.Time.Compare)
	return all
}

// Read compares a stream of answers: payments one a line, or whole answers
// (objects with `as_of` and `payments`) one after the other. asOf is the moment
// of lines that do not say theirs; the zero time takes the only moment of the
// truth.
func (s *Scorer) Read(r io.Reader, asOf time.Time) error {
	dec := json.NewDecoder(bufio.NewReaderSize(r, 1<<18))
	whole := struct {
		AsOf     time.Time `json:"as_of"`
		Payments []*Answer `json:"payments"`
	}{}
	for n := 1; ; n++ {
		var raw json.RawMessage
		if err := dec.Decode(&raw); err == io.EOF {
			return nil
		} else if err != nil {
			return fmt.Errorf("answers, object %d: %w", n, err)
		}
		whole.AsOf, whole.Payments = time.Time{}, nil
		if err := json.Unmarshal(raw, &whole); err != nil {
			return fmt.Errorf("answers, object %d: %w", n, err)
		}
		if whole.Payments == nil {
			a := new(Answer)
			if err := json.Unmarshal(raw, a); err != nil {
				return fmt.Errorf("answers, object %d: %w", n, err)
			}
			whole.AsOf, whole.Payments = a.AsOf, []*Answer{a}
		}
		if whole.AsOf.IsZero() {
			whole.AsOf = asOf
		}
		m, err := s.momentOf(whole.AsOf)
		if err != nil {
			return fmt.Errorf("answers, object %d: %w", n, err)
		}
		for _, a := range whole.Payments {
			s.compare(m, a)
		}
	}
}

func (s *Scorer) momentOf(t time.Time) (*moment, error) {
	if t.IsZero() {
		if len(s.moments) == 1 {
			for _, m := range s.moments {
				return m, nil
			}
		}
		return nil, fmt.Errorf("the moment is not said; the truth has %d: give it as MOMENT=FILE", len(s.moments))
	}
	m := s.moments[t.Unix()]
	if m == nil {
		return nil, fmt.Errorf("the truth says nothing of %s", t.Format(time.RFC3339))
	}
	return m, nil
}

func (s *Scorer) compare(m *moment, a *Answer) {
	var t *Truth
	for _, k := range keys(a.Ref, a.MID, a.TID, a.Batch, a.STAN, a.RRN, a.OrderID, a.Amount) {
		if i, ok := m.byKey[k]; ok && i >= 0 && !m.truths[i].answered {
			t = m.truths[i]
			break
		}
	}
	if t == nil {
		// The truth of a payment ends a day after its end; later answers about
		// it are not compared. A payment that never was is counted.
		s.unmatched++
		return
	}
	t.answered = true
	s.score(m, t, a)
}

func right(want, got string, also []string) bool { return want == got || slices.Contains(also, got) }

func (s *Scorer) score(m *moment, t *Truth, a *Answer) {
	miss := func(field, want, got string) {
		if s.OnMiss != nil {
			s.OnMiss(Miss{Field: field, Want: want, Got: got, Truth: t, Answer: a, Suffices: t.Suffices})
		}
	}
	for _, f := range []struct {
		name, want, got string
		also            []string
	}{
		{"stage", t.Stage, a.Stage, t.Accept.Stage}, {"status", t.Status, a.Status, t.Accept.Status},
		{"cardholder", t.Cardholder, a.Cardholder, t.Accept.Cardholder},
	} {
		ok := right(f.want, f.got, f.also)
		s.fields[f.name].count(ok)
		if !ok {
			miss(f.name, f.want, f.got)
		}
	}
	if a.Status == "arrived" {
		if !right(t.Status, "arrived", t.Accept.Status) {
			s.falseArrived++
		}
		if a.BankEntry == "" {
			s.arrivedNoEntry++
		}
	}
	if t.Status == "overdue" && !right(t.Status, a.Status, t.Accept.Status) {
		s.missedOverdue++
	}
	s.cause(t, a, miss)
	// Where several faults stop a payment and the answer rightly names another
	// than the first, it stands in that one's incident.
	other := a.Cause.Code != t.Cause && right(t.Cause, a.Cause.Code, t.Accept.Cause)
	if t.Incident != "" && !other {
		// An incident has one amount, so that a fault makes one in each currency.
		put(m.groups, t.Incident+" "+t.Currency, a.Incident)
	}
	// A payment that shares no injected fault says nothing about an incident
	// that names its cause rightly: a missing statement is one as well.
	if shared := cmp.Or(t.Fault, t.Incident); a.Incident != "" && !other && (shared != "" || !right(t.Cause, a.Cause.Code, t.Accept.Cause)) {
		put(m.reverse, a.Incident, shared)
	}
	if !t.Arrival.IsZero() && t.Stage != "credited" && a.Expected != nil && a.Status != "arrived" && a.Status != "confirmed" {
		in := &s.other
		if t.Status == "in_transit" || t.Announced {
			in = &s.transit
		}
		ok := !t.Arrival.Before(a.Expected.Earliest) && !t.Arrival.After(a.Expected.Latest)
		in.inside.count(ok)
		in.widths = append(in.widths, a.Expected.Latest.Sub(a.Expected.Earliest).Hours())
		in.days = append(in.days, businessDays(a.Expected.Earliest, a.Expected.Latest))
		if !ok {
			miss("expected", t.Arrival.Format(time.RFC3339), a.Expected.Earliest.Format(time.RFC3339)+"…"+a.Expected.Latest.Format(time.RFC3339))
		}
	}
}

// businessDays counts the days from Monday to Friday that begin after one moment
// and up to another, in the zone in which they are given: money that comes on a
// day or on the business day after it comes within one business day, whatever
// nights and weekends lie between.
func businessDays(from, to time.Time) (n int) {
	day := func(t time.Time) time.Time { return time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, time.UTC) }
	last := day(to)
	for d := day(from).AddDate(0, 0, 1); !d.After(last); d = d.AddDate(0, 0, 1) {
		if wd := d.Weekday(); wd != time.Saturday && wd != time.Sunday {
			n++
		}
	}
	return n
}

func put(m map[string]map[string]int, a, b string) {
	if m[a] == nil {
		m[a] = map[string]int{}
	}
	m[a][b]++
}

func (s *Scorer) cause(t *Truth, a *Answer, miss func(field, want, got string)) {
	got := a.Cause.Code
	if t.Cause == "" && got == "" {
		return
	}
	ok := right(t.Cause, got, t.Accept.Cause)
	if !ok && (t.Suffices || got != "unknown") {
		s.confusion[[2]string{t.Cause, got}]++
	}
	if !t.Suffices {
		among := ok || got == "unknown" || got == ""
		for _, alt := range a.Cause.Alternatives {
			among = among || right(t.Cause, alt.Code, t.Accept.Cause)
		}
		s.lacking.count(among)
		sure := !ok && got != "" && got != "unknown" && a.Cause.Confidence >= 0.8
		s.confident.count(!sure)
		if sure {
			miss("confidence", t.Cause, got)
		}
		if !among {
			miss("cause", t.Cause, got)
		}
	} else {
		s.enough.count(ok)
		if s.perCause[t.Cause] == nil {
			s.perCause[t.Cause] = &Ratio{}
		}
		s.perCause[t.Cause].count(ok)
		if !ok {
			miss("cause", t.Cause, got)
		}
		okParty := right(t.Party, a.Party, t.Accept.Party)
		s.fields["party"].count(okParty)
		if !okParty {
			miss("party", t.Party, a.Party)
		}
	}
	if got != "" && got != "unknown" {
		b := &s.bins[min(9, max(0, int(a.Cause.Confidence*10)))]
		b.n++
		b.conf += a.Cause.Confidence
		p := 0.0
		if ok {
			b.right++
			p = 1
		}
		s.brier += (a.Cause.Confidence - p) * (a.Cause.Confidence - p)
		s.calibrated++
	}
}
