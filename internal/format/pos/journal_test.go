package pos_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"daozhang/internal/evidence"
	"daozhang/internal/format"
	"daozhang/internal/format/pos"
)

func read(t *testing.T, text string) (facts []string, out *format.Out) {
	t.Helper()
	set := evidence.NewSet()
	in := format.NewInput("x.csv", []byte(text), format.Hints{})
	formats := pos.Formats()
	i := slices.IndexFunc(formats, func(f format.Format) bool { return f.Detect(&in.Head) })
	if i < 0 {
		return nil, nil
	}
	out = format.NewOut("x.csv", set)
	if err := formats[i].Read(in, out); err != nil {
		t.Fatal(err)
	}
	for _, f := range set.All {
		amount, _ := f.Amount()
		w := set.Words.Text
		facts = append(facts, fmt.Sprint(evidence.TypePrefix, f.Type, " ", string(evidence.AppendInstant(nil, f.Time, f.Offset)), " ", w(f.MID), " ", w(f.TID), " ",
			w(f.STAN), " ", w(f.PAN), " ", f.Kind, " ", f.Entry, " ", f.Result, " ", amount, f.Currency, " ", w(f.Source)))
	}
	return facts, out
}

func TestJournals(t *testing.T) {
	cases := []struct{ name, text, want string }{
		{"portal in Chinese",
			"交易时间,商户号,终端号,凭证号,卡号,交易类型,读卡方式,交易金额,交易状态\n" +
				"2026-03-02 10:15:04,898310058120001,T1,12,6222 02** **** 1234,消费,插卡,12.80,交易成功\n" +
				"2026-03-02 10:16:04,898310058120001,T1,13,622202******1234,退货,扫码,-12.80,失败\n",
			"daozhang.terminal.transaction 2026-03-02T10:15:04+08:00 898310058120001 T1 000012 622202******1234 sale chip approved 1280 CNY pos.journal/898310058120001\n" +
				"daozhang.terminal.transaction 2026-03-02T10:16:04+08:00 898310058120001 T1 000013 622202******1234 refund qr declined 1280 CNY pos.journal/898310058120001"},
		{"cash register in English",
			"Shop report\n\nTransaction Date;Transaction Time;Terminal;Trace;Card Number;Type;Entry Mode;Amount (EUR);Currency;RC\n" +
				"2026-03-02;10:15:04;T1;12;489537xxxxxx7783;Purchase;051;1.012,80;EUR;00\n" +
				"2026-03-02;10:15:09;T1;13;489537xxxxxx7783;Purchase;071;2,00;EUR;51\n" +
				"2026-03-02;10:15:09;T1;14;489537xxxxxx7783;Purchase;071;2,00;EUR;68\n",
			"daozhang.terminal.transaction 2026-03-02T10:15:04+08:00  T1 000012 489537******7783 sale chip approved 101280 EUR pos.journal/T1\n" +
				"daozhang.terminal.transaction 2026-03-02T10:15:09+08:00  T1 000013 489537******7783 sale contactless declined 200 EUR pos.journal/T1\n" +
				"daozhang.terminal.transaction 2026-03-02T10:15:09+08:00  T1 000014 489537******7783 sale contactless unknown 200 EUR pos.journal/T1"},
		{"amounts in fen",
			"日期,时间,终端编号,流水号,金额(分)\n2026/3/2,101504,T1,12,1280\n",
			"daozhang.terminal.transaction 2026-03-02T10:15:04+08:00  T1 000012  sale  approved 1280 CNY pos.journal/T1"},
		{"yen have no decimals",
			"date,terminal,trace,total,currency\n2026-03-02 10:15:04,T1,12,1280,JPY\n2026-03-02 10:15:04,T1,13,\"1,280\",392\n",
			"daozhang.terminal.transaction 2026-03-02T10:15:04+08:00  T1 000012  sale  approved 1280 JPY pos.journal/T1\n" +
				"daozhang.terminal.transaction 2026-03-02T10:15:04+08:00  T1 000013  sale  approved 1280 JPY pos.journal/T1"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			facts, out := read(t, c.text)
			if got := strings.Join(facts, "\n"); got != c.want {
				t.Errorf("got\n%s\nwant\n%s\nrejected %v", got, c.want, out)
			}
		})
	}
}

func TestSettlementsAreNoJournals(t *testing.T) {
	if facts, _ := read(t, "清算日期,交易时间,终端号,流水号,交易金额,手续费\n20260303,2026-03-02 10:15:04,T1,12,12.80,0.05\n"); facts != nil {
		t.Error("a settlement was read as a journal")
	}
}

func TestFullCardNumbersAreRefusedAndNotRepeated(t *testing.T) {
	const number = "4242424242424242"
	facts, out := read(t, "交易时间,终端号,流水号,卡号,金额\n2026-03-02 10:15:04,T1,12,"+number+",12.80\n2026-03-02 10:15:04,T1,13,,12.80\n")
	if len(facts) != 1 || len(out.Rejected()) != 1 || out.Rejected()[0].Line != 2 || strings.Contains(out.Rejected()[0].Why.EN, number) {
		t.Errorf("%v, rejected %v", facts, out.Rejected())
	}
}
