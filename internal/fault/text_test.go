package fault_test

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"daozhang/internal/fault"
)

func TestSay(t *testing.T) {
	full := fault.Say("100% of it", "全部的100%")
	if full.EN != "100% of it" || full.ZH != "全部的100%" {
		t.Errorf("without arguments the formats stand as they are: %+v", full)
	}
	entries := fault.Say("credits", "收入")
	got := fault.Say("%[1]d %[2]s in %[3]s", "%[3]s有%[1]d笔%[2]s", 3, entries, "MT940")
	if want := (fault.Text{EN: "3 credits in MT940", ZH: "MT940有3笔收入"}); got != want {
		t.Errorf("a Text as an argument speaks the language of the format: %+v, want %+v", got, want)
	}
	cause := fault.New(fault.Invalid, fault.Say("not an amount", "不是金额"), "", nil, "")
	got = fault.Say("column %q: %s", "列 %q：%s", "Amt", cause)
	if want := (fault.Text{EN: `column "Amt": not an amount`, ZH: `列 "Amt"：不是金额`}); got != want {
		t.Errorf("an error as an argument: %+v, want %+v", got, want)
	}
	if in := fault.Same("RRN").In("zh"); in != "RRN" {
		t.Errorf("what is alike in both languages is %q in Chinese", in)
	}
	if in := (fault.Text{EN: "English alone"}).In("zh"); in != "English alone" {
		t.Errorf("better English than nothing: %q", in)
	}
}

func TestTextAnd(t *testing.T) {
	a, b := fault.Say("torn", "不完整"), fault.Say("get it again", "请重新获取")
	if got, want := a.And(b), (fault.Text{EN: "torn; get it again", ZH: "不完整；请重新获取"}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	if a.And(fault.Text{}) != a || (fault.Text{}).And(b) != b || !(fault.Text{}).And(fault.Text{}).None() {
		t.Error("nothing adds nothing")
	}
}

func TestReason(t *testing.T) {
	inner := fault.New(fault.Invalid, fault.Say("not an amount", "不是金额"), "", nil, fault.Say("write 12.00", "请写作 12.00"))
	for _, tc := range []struct {
		err    error
		en, zh string
	}{
		{nil, "", ""},
		{fault.Say("empty", "为空"), "empty", "为空"},
		{inner, "not an amount; write 12.00", "不是金额；请写作 12.00"},
		{fault.New(fault.Rejected, "read", "pos.csv:3", inner, ""), "read pos.csv:3: not an amount; write 12.00", "读取 pos.csv:3：不是金额；请写作 12.00"},
		{fmt.Errorf("row 3: %w", inner), "row 3: not an amount; write 12.00", "row 3: 不是金额；请写作 12.00"},
		{fault.New(fault.NotFound, fault.Say("open", "打开"), "a.csv", fs.ErrNotExist, ""), "open a.csv: file does not exist", "打开 a.csv：文件或文件夹不存在"},
		{io.ErrUnexpectedEOF, "unexpected EOF", "内容提前结束"},
		{errors.New("of a library"), "of a library", "of a library"},
		{fault.New(fault.NotFound, "", "", nil, ""), "not_found", "not_found"},
	} {
		if got := fault.Reason(tc.err); got.EN != tc.en || got.In("zh") != tc.zh {
			t.Errorf("%v: %q and %q, want %q and %q", tc.err, got.EN, got.In("zh"), tc.en, tc.zh)
		}
	}
	_, err := os.Open(filepath.Join(t.TempDir(), "none.csv"))
	if zh := fault.TextOf(err).In("zh"); !strings.HasSuffix(zh, "none.csv: 文件或文件夹不存在") {
		t.Errorf("an error of the system reads %q", zh)
	}
}

func TestTextIsAnError(t *testing.T) {
	torn := fault.Say("torn", "不完整")
	err := fmt.Errorf("x: %w", fault.New(fault.Invalid, "read", "a.csv", torn, ""))
	if !errors.Is(err, torn) || err.Error() != "x: read a.csv: torn" {
		t.Errorf("%v does not hold the Text it was made of", err)
	}
	if fault.KindOf(err) != fault.Invalid {
		t.Error("a Text beneath hides the kind")
	}
}
