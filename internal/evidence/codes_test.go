package evidence_test

import (
	"slices"
	"strings"
	"testing"

	"daozhang/internal/evidence"
)

func TestCodes(t *testing.T) {
	var approvals, open []string
	n := 0
	for info := range evidence.Codes {
		n++
		code := info.Code.String()
		if evidence.IsApproval(info.Code) {
			approvals = append(approvals, code)
		}
		if evidence.IsOpen(info.Code) {
			open = append(open, code)
		}
		if evidence.IsApproval(info.Code) != strings.HasPrefix(info.Category, "OK") {
			t.Errorf("%s: category %s, approval %v", code, info.Category, evidence.IsApproval(info.Code))
		}
		if found, ok := evidence.LookupCode(info.Code); !ok || found != info {
			t.Errorf("%s is not found", code)
		}
		if info.EN == "" || info.ZH == "" || !strings.ContainsRune("YLKVN", rune(info.Retry)) || strings.Trim(info.Who, "CIMTASR,-") != "" {
			t.Errorf("%s: %+v", code, *info)
		}
	}
	if n != 109 {
		t.Errorf("%d codes, want 109", n)
	}
	if want := strings.Fields("00 10 11 16 A2 A4 A5 A6 R1 R2 R3 R4 Y1 Y3"); !slices.Equal(approvals, want) {
		t.Errorf("approvals %v, want %v", approvals, want)
	}
	if want := strings.Fields("09 20 32 68 94 96 98"); !slices.Equal(open, want) {
		t.Errorf("open %v, want %v", open, want)
	}
	if _, ok := evidence.LookupCode(evidence.Code{'7', '0'}); ok {
		t.Error("70 is not in the table")
	}
	if info, _ := evidence.LookupCode(evidence.Code{'5', '1'}); info.EN != "Insufficient funds" || info.Who != "C" || info.Retry != 'L' {
		t.Errorf("51: %+v", *info)
	}
}
