package main

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
)

// result is what daozhang score -o json prints.
type result struct {
	Truths              int     `json:"truths"`
	NotAnswered         int     `json:"not_answered"`
	Stage               ratio   `json:"stage"`
	Status              ratio   `json:"status"`
	Cardholder          ratio   `json:"cardholder"`
	Party               ratio   `json:"party"`
	Cause               ratio   `json:"cause"`
	CauseOpen           ratio   `json:"cause_open"`
	ConfidentWrong      float64 `json:"confident_wrong"`
	FalseArrived        int     `json:"false_arrived"`
	ArrivedWithoutEntry int     `json:"arrived_without_entry"`
	MissedOverdue       int     `json:"missed_overdue"`
	PerCause            []struct {
		Code string `json:"code"`
		ratio
	} `json:"per_cause"`
	InTransit         interval `json:"in_transit"`
	Others            interval `json:"others"`
	Calibration       calib    `json:"calibration"`
	IncidentsTogether ratio    `json:"incidents_together"`
	IncidentPurity    ratio    `json:"incident_purity"`
}

type ratio struct {
	Right int `json:"right"`
	All   int `json:"all"`
}

func (r ratio) share() float64 {
	if r.All == 0 {
		return 1
	}
	return float64(r.Right) / float64(r.All)
}

func (r *ratio) add(o ratio) {
	r.Right += o.Right
	r.All += o.All
}

type interval struct {
	ratio
	MedianHours float64 `json:"median_hours"`
	MedianDays  int     `json:"median_business_days"`
}

type calib struct {
	Answers int     `json:"answers"`
	ECE     float64 `json:"ece"`
	Brier   float64 `json:"brier"`
	Bins    []struct {
		From       float64 `json:"from"`
		Answers    int     `json:"answers"`
		Confidence float64 `json:"confidence"`
		Right      float64 `json:"right"`
	} `json:"bins"`
}

// figure is one line of the table.
type figure struct {
	name string
	bar  string
	// of gives the value as shown and whether it reaches the bar.
	of func(r *result) (string, bool)
}

func share(name string, least float64, get func(r *result) ratio) figure {
	return figure{name, fmt.Sprintf("≥ %g %%", least), func(r *result) (string, bool) {
		x := get(r)
		if x.All == 0 {
			return "–", true
		}
		return percent(x.share()), 100*x.share() >= least-1e-9
	}}
}

func count(name string, get func(r *result) int) figure {
	return figure{name, "0", func(r *result) (string, bool) { return fmt.Sprint(get(r)), get(r) == 0 }}
}

// percent shows a share with two digits, never rounded up to 100.
func percent(x float64) string { return fmt.Sprintf("%.2f", math.Floor(x*1e4)/100) }

var figures = []figure{
	count("`arrived` without a booked entry", func(r *result) int { return r.ArrivedWithoutEntry + r.FalseArrived }),
	share("stage", 99.9, func(r *result) ratio { return r.Stage }),
	share("status", 99.9, func(r *result) ratio { return r.Status }),
	share("cardholder", 99.9, func(r *result) ratio { return r.Cardholder }),
	share("cause, evidence suffices", 99, func(r *result) ratio { return r.Cause }),
	{"the worst single cause (of 20 and more)", "≥ 97 %", func(r *result) (string, bool) {
		worst, code := 1.0, ""
		for _, c := range r.PerCause {
			if c.All >= 20 && c.share() < worst {
				worst, code = c.share(), c.Code
			}
		}
		if code == "" {
			return "100.00", true
		}
		return percent(worst) + " " + code, worst >= 0.97
	}},
	share("cause, evidence does not suffice", 95, func(r *result) ratio { return r.CauseOpen }),
	{"confident wrong cause there", "≤ 0.5 %", func(r *result) (string, bool) {
		if r.CauseOpen.All == 0 {
			return "–", true
		}
		return fmt.Sprintf("%.2f", 100*r.ConfidentWrong), r.ConfidentWrong <= 0.005
	}},
	share("who must act", 99, func(r *result) ratio { return r.Party }),
	share("arrival inside, in transit or end announced", 95, func(r *result) ratio { return r.InTransit.ratio }),
	{"its median width, business days", "≤ 1", func(r *result) (string, bool) {
		return fmt.Sprint(r.InTransit.MedianDays), r.InTransit.MedianDays <= 1
	}},
	{"the same in hours, nights and weekends counted", "–", func(r *result) (string, bool) {
		return fmt.Sprintf("%.1f", r.InTransit.MedianHours), true
	}},
	share("arrival inside, others", 80, func(r *result) ratio { return r.Others.ratio }),
	{"expected calibration error", "≤ 0.03", func(r *result) (string, bool) {
		return fmt.Sprintf("%.3f", r.Calibration.ECE), r.Calibration.ECE <= 0.03
	}},
	share("incidents: payments together", 98, func(r *result) ratio { return r.IncidentsTogether }),
	share("incidents: purity", 99.5, func(r *result) ratio { return r.IncidentPurity }),
	count("payments without an answer", func(r *result) int { return r.NotAnswered }),
}

// brief is one line for whoever waits.
func (w *world) brief() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%-5d %-26s", w.seed, w.name)
	for _, f := range figures {
		v, ok := f.of(&w.result)
		if !ok {
			fmt.Fprintf(&b, "  %s: %s", f.name, v)
		}
	}
	return b.String()
}

// pool adds up what worlds scored.
func pool(worlds []world) result {
	var all result
	per := map[string]*ratio{}
	bins := map[float64][3]float64{} // answers, Σ confidence, Σ right
	var wrong, median, medianOther float64
	var days int
	for i := range worlds {
		r := &worlds[i].result
		all.Truths += r.Truths
		all.NotAnswered += r.NotAnswered
		all.Stage.add(r.Stage)
		all.Status.add(r.Status)
		all.Cardholder.add(r.Cardholder)
		all.Party.add(r.Party)
		all.Cause.add(r.Cause)
		all.CauseOpen.add(r.CauseOpen)
		wrong += r.ConfidentWrong * float64(r.CauseOpen.All)
		all.FalseArrived += r.FalseArrived
		all.ArrivedWithoutEntry += r.ArrivedWithoutEntry
		all.MissedOverdue += r.MissedOverdue
		all.InTransit.add(r.InTransit.ratio)
		all.Others.add(r.Others.ratio)
		median = max(median, r.InTransit.MedianHours)
		days = max(days, r.InTransit.MedianDays)
		medianOther = max(medianOther, r.Others.MedianHours)
		all.IncidentsTogether.add(r.IncidentsTogether)
		all.IncidentPurity.add(r.IncidentPurity)
		for _, c := range r.PerCause {
			if per[c.Code] == nil {
				per[c.Code] = &ratio{}
			}
			per[c.Code].add(c.ratio)
		}
		for _, b := range r.Calibration.Bins {
			n := float64(b.Answers)
			x := bins[b.From]
			bins[b.From] = [3]float64{x[0] + n, x[1] + n*b.Confidence, x[2] + n*b.Right}
			all.Calibration.Answers += b.Answers
		}
	}
	if all.CauseOpen.All > 0 {
		all.ConfidentWrong = wrong / float64(all.CauseOpen.All)
	}
	all.InTransit.MedianHours, all.Others.MedianHours = median, medianOther
	all.InTransit.MedianDays = days
	for code, r := range per {
		all.PerCause = append(all.PerCause, struct {
			Code string `json:"code"`
			ratio
		}{code, *r})
	}
	slices.SortFunc(all.PerCause, func(a, b struct {
		Code string `json:"code"`
		ratio
	}) int {
		return strings.Compare(a.Code, b.Code)
	})
	for from, x := range bins {
		all.Calibration.Bins = append(all.Calibration.Bins, struct {
			From       float64 `json:"from"`
			Answers    int     `json:"answers"`
			Confidence float64 `json:"confidence"`
			Right      float64 `json:"right"`
		}{from, int(x[0]), x[1] / x[0], x[2] / x[0]})
		all.Calibration.ECE += math.Abs(x[1]-x[2]) / float64(all.Calibration.Answers)
	}
	slices.SortFunc(all.Calibration.Bins, func(a, b struct {
		From       float64 `json:"from"`
		Answers    int     `json:"answers"`
		Confidence float64 `json:"confidence"`
		Right      float64 `json:"right"`
	}) int {
		if a.From < b.From {
			return -1
		}
		return 1
	})
	return all
}

// report writes the document and gives the number of figures that miss their bar.
func report(w io.Writer, worlds []world) int {
	missed := 0
	all := pool(worlds)
	fmt.Fprint(w, `# How good the answers are

Written by [bench/accuracy.sh](../bench/accuracy.sh); do not edit. No public data set says why a payment's money did not
arrive, so the answers are held against simulated worlds that know the truth (`+"`daozhang simulate`"+`). The world knows
nothing of how causes are chosen, and the diagnosis sees nothing but the evidence. Each world is asked about at noon of each
day; the seeds are not those on which the rules were made.

Where the evidence that would tell of a cause was lost or is not there yet, the evidence *does not suffice*: then
`+"`unknown`"+`, or the right cause among the alternatives, is right. A figure that misses its bar is printed **bold**.

`)
	fmt.Fprintf(w, "%d worlds, %d answers.\n\n## All worlds together\n\n| figure | bar | value | of |\n|---|---|---|---|\n", len(worlds), all.Truths)
	for _, f := range figures {
		v, ok := f.of(&all)
		if !ok {
			v = "**" + v + "**"
		}
		fmt.Fprintf(w, "| %s | %s | %s | %s |\n", f.name, f.bar, v, sample(f.name, &all))
	}
	fmt.Fprint(w, "\nThe median width is that of the widest world. Terms and promises count business days by date, and so does the width: money\n"+
		"that comes on its day is expected within 0, money that comes on it or on the next business day within 1.\n\n## World by world\n\n| figure |")
	for _, x := range worlds {
		fmt.Fprintf(w, " %d |", x.seed)
	}
	fmt.Fprint(w, "\n|---|"+strings.Repeat("---|", len(worlds))+"\n")
	for _, f := range figures {
		fmt.Fprintf(w, "| %s |", f.name)
		for i := range worlds {
			v, ok := f.of(&worlds[i].result)
			if !ok {
				v = "**" + v + "**"
				missed++
			}
			fmt.Fprintf(w, " %s |", v)
		}
		fmt.Fprintln(w)
	}
	fmt.Fprint(w, "\n| seed | setting | flags of `daozhang simulate` | answers |\n|---|---|---|---|\n")
	for _, x := range worlds {
		fmt.Fprintf(w, "| %d | %s | `%s` | %d |\n", x.seed, x.name, strings.Join(x.flags, " "), x.result.Truths)
	}
	fmt.Fprint(w, "\n## Cause by cause, where the evidence suffices\n\n| cause | right, % | of |\n|---|---|---|\n")
	for _, c := range all.PerCause {
		v := percent(c.share())
		if c.share() < 0.97 {
			v = "**" + v + "**"
		}
		fmt.Fprintf(w, "| %s | %s | %d |\n", c.Code, v, c.All)
	}
	fmt.Fprint(w, "\n`(none)`: the money has come, and no cause is to be said.\n\n## Confidences\n\n| said | right | of |\n|---|---|---|\n")
	for _, b := range all.Calibration.Bins {
		fmt.Fprintf(w, "| %.3f | %.3f | %d |\n", b.Confidence, b.Right, b.Answers)
	}
	return missed
}

// sample is how many answers a share is of.
func sample(name string, r *result) string {
	switch {
	case strings.HasPrefix(name, "stage"):
		return fmt.Sprint(r.Stage.All)
	case strings.HasPrefix(name, "status"):
		return fmt.Sprint(r.Status.All)
	case strings.HasPrefix(name, "cardholder"):
		return fmt.Sprint(r.Cardholder.All)
	case name == "cause, evidence suffices":
		return fmt.Sprint(r.Cause.All)
	case name == "cause, evidence does not suffice", strings.HasPrefix(name, "confident wrong"):
		return fmt.Sprint(r.CauseOpen.All)
	case strings.HasPrefix(name, "who"):
		return fmt.Sprint(r.Party.All)
	case strings.HasPrefix(name, "arrival inside, in transit"):
		return fmt.Sprint(r.InTransit.All)
	case strings.HasPrefix(name, "arrival inside, others"):
		return fmt.Sprint(r.Others.All)
	case strings.HasPrefix(name, "expected cal"):
		return fmt.Sprint(r.Calibration.Answers)
	case strings.HasSuffix(name, "together"):
		return fmt.Sprint(r.IncidentsTogether.All)
	case strings.HasSuffix(name, "purity"):
		return fmt.Sprint(r.IncidentPurity.All)
	}
	return ""
}
