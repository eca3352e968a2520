package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"daozhang/internal/score"
)

// command runs the command line within the test and gives what it prints.
func command(t *testing.T, args ...string) []byte {
	t.Helper()
	var out, errs bytes.Buffer
	m := &Main{Stdin: bytes.NewReader(nil), Stdout: &out, Stderr: &errs, Now: func() time.Time { return now },
		Getenv: func(string) string { return "" }, Terminal: func(any) (int, bool) { return 0, false }, Zone: now.Location()}
	if code := m.Run(context.Background(), args); code != 0 {
		t.Fatalf("daozhang %v: exit code %d\n%s", args, code, errs.String())
	}
	return out.Bytes()
}

// TestAnswersHoldInAWorld asks about a small simulated world at the noon of each
// day and compares with its truth. The bars are those of docs/accuracy.md; where
// a small world has too few payments for a share to mean anything, one may be
// wrong.
func TestAnswersHoldInAWorld(t *testing.T) {
	if testing.Short() {
		t.Skip("a world takes some seconds")
	}
	dir := t.TempDir()
	command(t, "simulate", "--seed", "1", "--days", "6", "--merchants", "30", "--payments", "3000", "--out", dir)
	truth, err := os.Open(filepath.Join(dir, "truth.ndjson"))
	if err != nil {
		t.Fatal(err)
	}
	defer truth.Close()
	s, err := score.New(truth)
	if err != nil {
		t.Fatal(err)
	}
	var misses []score.Miss
	s.OnMiss = func(m score.Miss) { misses = append(misses, m) }
	for _, at := range s.Moments() {
		answer := command(t, "check", filepath.Join(dir, "evidence.ndjson"), "--as-of", at.Format(time.RFC3339), "-o", "json", "--advice", "code")
		if err := s.Read(bytes.NewReader(answer), time.Time{}); err != nil {
			t.Fatal(err)
		}
	}
	r := s.Result()
	for _, c := range []struct {
		name string
		got  score.Ratio
		bar  float64
	}{
		{"stage", r.Stage, 0.999}, {"status", r.Status, 0.999}, {"cardholder", r.Cardholder, 0.999},
		{"cause", r.Cause, 0.99}, {"party", r.Party, 0.99}, {"cause where the evidence does not suffice", r.CauseOpen, 0.95},
		{"arrival inside, in transit", r.InTransit.Ratio, 0.95}, {"arrival inside, others", r.Others.Ratio, 0.8},
		{"payments of one fault together", r.IncidentsTogether, 0.98}, {"incidents' purity", r.IncidentPurity, 0.995},
	} {
		if c.got.Share() < c.bar {
			t.Errorf("%s: %d of %d, less than %.1f %%", c.name, c.got.Right, c.got.All, 100*c.bar)
		}
	}
	for _, c := range r.PerCause {
		if wrong := c.All - c.Right; wrong > 1 && c.Share() < 0.97 {
			t.Errorf("%s is found in %d of %d", c.Code, c.Right, c.All)
		}
	}
	if wrong := r.ConfidentWrong * float64(r.CauseOpen.All); wrong > 1.5 && r.ConfidentWrong > 0.005 {
		t.Errorf("%.0f of %d causes are wrong and sure where the evidence does not suffice", wrong, r.CauseOpen.All)
	}
	if r.Calibration.ECE > 0.03 {
		t.Errorf("the confidences are off by %.3f", r.Calibration.ECE)
	}
	if r.InTransit.MedianHours > 24 {
		t.Errorf("half of the stretches are wider than %.1f hours", r.InTransit.MedianHours)
	}
	if r.NotAnswered > 0 {
		t.Errorf("%d payments have no answer", r.NotAnswered)
	}
	if r.ArrivedWithoutEntry > 0 || r.FalseArrived > 0 {
		t.Errorf("arrived is said of %d payments without an entry, of %d that have not", r.ArrivedWithoutEntry, r.FalseArrived)
	}
	if t.Failed() {
		for _, m := range misses[:min(10, len(misses))] {
			line, _ := json.Marshal(map[string]any{"field": m.Field, "want": m.Want, "got": m.Got, "as_of": m.Truth.AsOf, "mid": m.Truth.MID, "rrn": m.Truth.RRN})
			t.Log(string(line))
		}
	}
}

// TestFilesOfAWorldAreRead: the files that a world is written as are read whole.
func TestFilesOfAWorldAreRead(t *testing.T) {
	if testing.Short() {
		t.Skip("it runs a whole world")
	}
	dir := t.TempDir()
	command(t, "simulate", "--seed", "4", "--days", "4", "--merchants", "16", "--payments", "800", "--files", "--out", dir)
	var answer struct {
		Payments []struct {
			Status string `json:"status"`
		} `json:"payments"`
		Rejected []any `json:"rejected"`
		Sources  []struct {
			Format string `json:"format"`
		} `json:"sources"`
	}
	if err := json.Unmarshal(command(t, "check", filepath.Join(dir, "files"), "--as-of", "2026-04-06T12:00:00+08:00", "-o", "json"), &answer); err != nil {
		t.Fatal(err)
	}
	if len(answer.Rejected) > 0 || len(answer.Payments) < 800 {
		t.Errorf("%d payments, %d rejected: %v", len(answer.Payments), len(answer.Rejected), answer.Rejected)
	}
	formats := map[string]bool{}
	for _, s := range answer.Sources {
		formats[s.Format] = true
	}
	for _, want := range []string{"pos.journal", "unionpay.zm", "adyen.settlement", "camt.053.001.08", "mt940"} {
		if !formats[want] {
			t.Errorf("no file was read as %s: %v", want, formats)
		}
	}
	arrived := 0
	for _, p := range answer.Payments {
		if p.Status == "arrived" {
			arrived++
		}
	}
	if arrived == 0 {
		t.Error("nothing has arrived")
	}
}
