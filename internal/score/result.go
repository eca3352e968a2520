package score

import (
	"math"
	"slices"
)

// Result is what the comparison came to.
type Result struct {
	Truths      int `json:"truths"`       // compared or not
	NotAnswered int `json:"not_answered"` // truths that no answer speaks of
	NotInTruth  int `json:"not_in_truth"` // answers of payments that the truth does not speak of then

	Stage      Ratio `json:"stage"`
	Status     Ratio `json:"status"`
	Cardholder Ratio `json:"cardholder"`
	Party      Ratio `json:"party"`
	// Cause is of those where the evidence suffices.
	Cause Ratio `json:"cause"`
	// CauseOpen counts as right: unknown, or the right one among those given.
	CauseOpen Ratio `json:"cause_open"`
	// ConfidentWrong is the share of confident (0.8 and more) wrong causes where
	// the evidence does not suffice.
	ConfidentWrong float64 `json:"confident_wrong"`

	FalseArrived        int `json:"false_arrived"`
	ArrivedWithoutEntry int `json:"arrived_without_entry"`
	MissedOverdue       int `json:"missed_overdue"`

	PerCause  []CauseRatio `json:"per_cause"`
	Confusion []Confusion  `json:"confusion"`

	InTransit Interval `json:"in_transit"` // in transit, or with an announced end
	Others    Interval `json:"others"`

	Calibration Calibration `json:"calibration"`
	// IncidentsTogether is the share of payments of one injected fault that are
	// in one incident; IncidentPurity that of an incident's payments that share
	// its main fault.
	IncidentsTogether Ratio `json:"incidents_together"`
	IncidentPurity    Ratio `json:"incident_purity"`
}

// CauseRatio is how often one cause was found.
type CauseRatio struct {
	Code string `json:"code"`
	Ratio
}

// Confusion counts answers of one cause where another was true.
type Confusion struct {
	Truth  string `json:"truth"`
	Answer string `json:"answer"`
	Count  int    `json:"count"`
}

// Interval says how often the real arrival lay in the one that was given.
type Interval struct {
	Ratio
	MedianHours float64 `json:"median_hours"`
	// MedianDays is the median width in business days: how many begin after the
	// day of the earliest moment up to the latest one. Saturday and Sunday are
	// none; of holidays the score knows nothing and takes them for business days.
	MedianDays int `json:"median_business_days"`
}

// Calibration compares confidences with how often they were right.
type Calibration struct {
	Answers int     `json:"answers"`
	ECE     float64 `json:"ece"`
	Brier   float64 `json:"brier"`
	Bins    []Bin   `json:"bins"`
}

// Bin is one row of the reliability table.
type Bin struct {
	From       float64 `json:"from"`
	Answers    int     `json:"answers"`
	Confidence float64 `json:"confidence"` // mean
	Right      float64 `json:"right"`      // share
}

// Result sums up what has been read. Truths without an answer count as wrong
// in stage, status and cardholder, for the moments of which any answer came.
func (s *Scorer) Result() Result {
	r := Result{
		NotInTruth: s.unmatched, Cause: s.enough, CauseOpen: s.lacking, ConfidentWrong: 1 - s.confident.Share(),
		FalseArrived: s.falseArrived, ArrivedWithoutEntry: s.arrivedNoEntry, MissedOverdue: s.missedOverdue,
		InTransit: s.transit.sum(), Others: s.other.sum(),
	}
	stage, status, cardholder := *s.fields["stage"], *s.fields["status"], *s.fields["cardholder"]
	for _, m := range s.moments {
		r.Truths += len(m.truths)
		answered := slices.ContainsFunc(m.truths, func(t *Truth) bool { return t.answered })
		for _, t := range m.truths {
			if answered && !t.answered {
				r.NotAnswered++
				stage.All++
				status.All++
				cardholder.All++
				if s.OnMiss != nil {
					s.OnMiss(Miss{Field: "payment", Want: t.Status, Truth: t, Suffices: t.Suffices})
				}
			}
		}
		together(m.groups, &r.IncidentsTogether)
		together(m.reverse, &r.IncidentPurity)
	}
	r.Stage, r.Status, r.Cardholder, r.Party = stage, status, cardholder, *s.fields["party"]
	for code, ratio := range s.perCause {
		if code == "" {
			code = "(none)"
		}
		r.PerCause = append(r.PerCause, CauseRatio{code, *ratio})
	}
	slices.SortFunc(r.PerCause, func(a, b CauseRatio) int {
		if a.Code < b.Code {
			return -1
		}
		return 1
	})
	for k, n := range s.confusion {
		if k[0] != k[1] {
			r.Confusion = append(r.Confusion, Confusion{k[0], k[1], n})
		}
	}
	slices.SortFunc(r.Confusion, func(a, b Confusion) int {
		if a.Count != b.Count {
			return b.Count - a.Count
		}
		if a.Truth+"|"+a.Answer < b.Truth+"|"+b.Answer {
			return -1
		}
		return 1
	})
	r.Calibration.Answers = s.calibrated
	for i, b := range s.bins {
		if b.n == 0 {
			continue
		}
		conf, share := b.conf/float64(b.n), float64(b.right)/float64(b.n)
		r.Calibration.Bins = append(r.Calibration.Bins, Bin{float64(i) / 10, b.n, conf, share})
		r.Calibration.ECE += math.Abs(conf-share) * float64(b.n) / float64(s.calibrated)
	}
	if s.calibrated > 0 {
		r.Calibration.Brier = s.brier / float64(s.calibrated)
	}
	return r
}

// together counts, for groups of two and more, the payments in their largest part.
func together(groups map[string]map[string]int, r *Ratio) {
	for _, parts := range groups {
		all, most := 0, 0
		for part, n := range parts {
			all += n
			if part != "" {
				most = max(most, n)
			}
		}
		if all > 1 {
			r.All += all
			r.Right += most
		}
	}
}

func (i *interval) sum() Interval {
	out := Interval{Ratio: i.inside}
	if n := len(i.widths); n > 0 {
		slices.Sort(i.widths)
		out.MedianHours = i.widths[n/2]
		slices.Sort(i.days)
		out.MedianDays = i.days[n/2]
	}
	return out
}
