package score_test

import (
	"math"
	"strings"
	"testing"
	"time"

	"daozhang/internal/score"
)

const truth = `{"as_of":"2026-03-03T12:00:00+08:00","mid":"M","tid":"T","batch":"1","stan":"000001","rrn":"1","amount":100,"stage":"settled","status":"overdue","cardholder":"charged","cause":"payout.not_sent","party":"platform","leg":"payout","arrival":"2026-03-04T15:00:00+08:00","incident":"F1","suffices":true,"evidence":[]}
{"as_of":"2026-03-03T12:00:00+08:00","mid":"M","tid":"T","batch":"1","stan":"000002","rrn":"2","amount":100,"stage":"credited","status":"arrived","cardholder":"charged","party":"nobody","leg":"credit","suffices":true,"evidence":[]}
{"as_of":"2026-03-03T12:00:00+08:00","mid":"M","tid":"T","batch":"1","stan":"000003","rrn":"3","amount":100,"stage":"cleared","status":"overdue","cardholder":"charged","cause":"fraud.hold","party":"platform","leg":"settlement","suffices":false,"accept":{"status":["held"]},"evidence":[]}
{"as_of":"2026-03-03T12:00:00+08:00","mid":"M","tid":"T","batch":"1","stan":"000004","rrn":"4","amount":100,"stage":"settled","status":"overdue","cardholder":"charged","cause":"payout.not_sent","party":"platform","leg":"payout","incident":"F1","suffices":true,"evidence":[]}
`

func result(t *testing.T, answers string) (score.Result, []score.Miss) {
	t.Helper()
	s, err := score.New(strings.NewReader(truth))
	if err != nil {
		t.Fatal(err)
	}
	var misses []score.Miss
	s.OnMiss = func(m score.Miss) { misses = append(misses, m) }
	if err := s.Read(strings.NewReader(answers), time.Time{}); err != nil {
		t.Fatal(err)
	}
	return s.Result(), misses
}

func TestFigures(t *testing.T) {
	r, _ := result(t, `{"mid":"M","rrn":"1","stage":"settled","status":"overdue","cardholder":"charged","cause":{"code":"payout.not_sent","confidence":0.9},"party":"platform","incident":"I1","expected":{"earliest":"2026-03-04T00:00:00+08:00","latest":"2026-03-04T23:59:59+08:00"}}
{"mid":"M","tid":"T","batch":"1","stan":"000002","stage":"paid_out","status":"in_transit","cardholder":"charged","cause":{"code":"timing.not_due","confidence":0.9},"party":"nobody"}
{"mid":"M","tid":"T","stan":"000003","amount":100,"stage":"cleared","status":"held","cardholder":"charged","cause":{"code":"record.not_in_settlement","confidence":0.9,"alternatives":[{"code":"unknown","confidence":0.1}]},"party":"platform"}
`)
	for _, c := range []struct {
		name      string
		got, want float64
	}{
		{"stage", r.Stage.Share(), 2.0 / 4}, {"status", r.Status.Share(), 2.0 / 4}, {"cardholder", r.Cardholder.Share(), 3.0 / 4},
		{"not answered", float64(r.NotAnswered), 1}, {"cause", r.Cause.Share(), 1.0 / 2}, {"cause open", r.CauseOpen.Share(), 0},
		{"confident wrong", r.ConfidentWrong, 1}, {"inside", r.Others.Share(), 1}, {"missed overdue", float64(r.MissedOverdue), 0},
		{"width", math.Round(r.Others.MedianHours), 24}, {"brier", r.Calibration.Brier, (0.01 + 0.81 + 0.81) / 3},
		{"calibration", r.Calibration.ECE, 0.9 - 1.0/3},
	} {
		if math.Abs(c.got-c.want) > 1e-9 {
			t.Errorf("%s is %v, want %v", c.name, c.got, c.want)
		}
	}
}

func TestWidthInBusinessDays(t *testing.T) {
	for _, c := range []struct {
		earliest, latest string
		want             int
	}{
		{"2026-03-04T00:00:00+08:00", "2026-03-04T23:59:59+08:00", 0},
		{"2026-03-04T14:00:00+08:00", "2026-03-05T17:00:00+08:00", 1},
		{"2026-03-06T10:00:00+08:00", "2026-03-09T12:00:00+08:00", 1}, // Friday to Monday
		{"2026-03-07T10:00:00+08:00", "2026-03-08T12:00:00+08:00", 0}, // a weekend
		{"2026-03-05T10:00:00+08:00", "2026-03-10T12:00:00+08:00", 3},
	} {
		r, _ := result(t, `{"mid":"M","rrn":"1","stage":"settled","status":"overdue","cardholder":"charged","expected":{"earliest":"`+c.earliest+`","latest":"`+c.latest+`"}}`)
		if r.Others.MedianDays != c.want {
			t.Errorf("%s to %s is %d business days wide, want %d", c.earliest, c.latest, r.Others.MedianDays, c.want)
		}
	}
}

func TestFalseArrivedAndMissedOverdue(t *testing.T) {
	r, misses := result(t, `{"as_of":"2026-03-03T12:00:00+08:00","payments":[
 {"mid":"M","rrn":"1","stage":"credited","status":"arrived","cardholder":"charged","party":"nobody"},
 {"mid":"M","rrn":"9","stage":"credited","status":"arrived","cardholder":"charged","party":"nobody"}]}`)
	if r.FalseArrived != 1 || r.MissedOverdue != 1 || r.ArrivedWithoutEntry != 1 || r.NotInTruth != 1 {
		t.Errorf("false arrived %d, missed overdue %d, without entry %d, not in the truth %d, want 1 of each",
			r.FalseArrived, r.MissedOverdue, r.ArrivedWithoutEntry, r.NotInTruth)
	}
	if len(misses) == 0 {
		t.Error("no miss was told")
	}
}

func TestIncidents(t *testing.T) {
	line := func(rrn, incident string) string {
		return `{"mid":"M","rrn":"` + rrn + `","stage":"settled","status":"overdue","cardholder":"charged","cause":{"code":"payout.not_sent","confidence":0.9},"party":"platform","incident":"` + incident + `"}` + "\n"
	}
	if r, _ := result(t, line("1", "I1")+line("4", "I1")); r.IncidentsTogether.Share() != 1 || r.IncidentPurity.Share() != 1 {
		t.Error("one incident of one fault is not whole and pure")
	}
	if r, _ := result(t, line("1", "I1")+line("4", "I2")); r.IncidentsTogether.Share() != 0.5 {
		t.Errorf("one fault in two incidents: %v together, want 0.5", r.IncidentsTogether.Share())
	}
}

func TestErrorsSayWhere(t *testing.T) {
	if _, err := score.New(strings.NewReader("{}\n{\n")); err == nil || !strings.Contains(err.Error(), "line 2") {
		t.Errorf("a broken truth: %v", err)
	}
	s, err := score.New(strings.NewReader(truth))
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{`{"mid":1}`, `nonsense`, `{"as_of":"2020-01-01T00:00:00Z","payments":[]}`} {
		if err := s.Read(strings.NewReader(bad), time.Time{}); err == nil {
			t.Errorf("%s: no error", bad)
		}
	}
}
