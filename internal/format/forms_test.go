package format_test

import (
	"bytes"
	"strings"
	"testing"

	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/unicode"

	"daozhang/internal/evidence"
	"daozhang/internal/format"
)

// export reads a text by the general formats and gives its facts as NDJSON
// lines without source and id.
func export(t *testing.T, text string, opts format.Options) (string, *format.Loaded) {
	t.Helper()
	dir := folder(t, map[string]string{"x": text})
	l, set := load(t, dir, opts, "x")
	var out []string
	for r := range set.All {
		line := string(set.AppendJSON(nil, r))
		if i := strings.Index(line, `"type":`); i >= 0 {
			line = line[i:]
		}
		out = append(out, strings.TrimSuffix(line, "\n"))
	}
	return strings.Join(out, "\n"), l
}

func TestContractForm(t *testing.T) {
	cases := []struct{ name, text, want, format string }{
		{"types by row", "type,time,mid,tid,kind,result,amount,currency,link,state,references,colour,source,id\n" +
			"daozhang.terminal.transaction,2026-03-02T10:15:04+08:00,M1,T1,sale,approved,1250,CNY,,,,red,terminal/T1,a1\n" +
			"link.status,2026-03-02T10:15:05+08:00,,,,,,,platform,down,,,platform,a2\n" +
			"future.kind,2026-03-02T10:15:06+08:00,M1,,,,,,,,,,x,a3\n",
			`terminal.transaction link.status future.kind`, "csv"},
		{"semicolons", "time;mid;account;direction;amount;currency;booking_date;references\n" +
			"2026-03-02T10:15:04+08:00;M1;6222020000006789;credit;1250;CNY;2026-03-02;\"P1;P2\"\n", "bank.entry", "csv:bank.entry"},
		{"tabs", "time\tmid\tstate\treason\n2026-03-02T10:15:04+08:00\tM1\tfrozen\tjudicial\n", "account.status", "csv:account.status"},
		{"terms", "time,mid,cycle,cutoff,fees\n2026-01-01T00:00:00+08:00,M1,T1,23:00,\"[{\"\"bps\"\":38}]\"\n", "merchant.terms", "csv:merchant.terms"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got, l := export(t, c.text, format.Options{})
			for typ := range strings.FieldsSeq(c.want) {
				if !strings.Contains(got, `"daozhang.`+typ+`"`) && !strings.Contains(got, `"`+typ+`"`) {
					t.Errorf("no %s in %s", typ, got)
				}
			}
			if len(l.Rejected) > 0 || len(l.Sources) != 1 || l.Sources[0].Format != c.format {
				t.Errorf("%v, rejected %v", l.Sources, l.Rejected)
			}
		})
	}
	t.Run("keeps unknown columns and lists", func(t *testing.T) {
		got, _ := export(t, cases[0].text+"", format.Options{})
		if !strings.Contains(got, `"colour":"red"`) {
			t.Error(got)
		}
		got, _ = export(t, cases[1].text, format.Options{})
		if !strings.Contains(got, `"references":["P1","P2"]`) {
			t.Error(got)
		}
	})
	t.Run("type by the person", func(t *testing.T) {
		text := "time,mid,amount,currency\n2026-03-02T10:15:04+08:00,M1,1250,CNY\n"
		if _, l := export(t, text, format.Options{}); len(l.Rejected) != 1 {
			t.Errorf("read without a type: %v", l.Sources)
		}
		got, l := export(t, text, format.Options{Hints: format.Hints{Type: evidence.GatewayRequest}})
		if !strings.Contains(got, "gateway.request") {
			t.Error(got, l.Rejected)
		}
	})
	t.Run("card data is refused", func(t *testing.T) {
		_, l := export(t, "time,mid,kind,result,amount,currency,track2\n2026-03-02T10:15:04+08:00,M1,sale,approved,1250,CNY,6222021234567890=2512\n", format.Options{})
		if len(l.Rejected) != 1 || strings.Contains(l.Rejected[0].Why.EN, "=2512") || !strings.Contains(l.Rejected[0].Why.EN, "track2") {
			t.Error(l.Rejected)
		}
	})
}

func TestRecognisedHeaders(t *testing.T) {
	cases := []struct{ name, text, want string }{
		{"Chinese journal", "某商户交易明细\n查询时间,2026-03-01,2026-03-31\n\n序号,交易日期,交易时间,商户号,终端号,批次号,流水号,参考号,授权码,卡号,交易类型,交易金额(元),应答码\n" +
			"1,20260302,101504,898310058120001,T0000001,12,123,512645316965,123456,622202******1234,消费,\"1,280.00\",00\n" +
			"2,20260302,101604,898310058120001,T0000001,12,124,512645316966,,622202******1234,消费撤销,128.00,00\n",
			`"type":"daozhang.terminal.transaction","time":"2026-03-02T10:15:04+08:00","data":{"mid":"898310058120001","tid":"T0000001","batch":"12","stan":"000123","rrn":"512645316965","auth_code":"123456","pan":"622202******1234","amount":128000,"currency":"CNY","kind":"sale","result":"approved","response_code":"00"}}
"type":"daozhang.terminal.transaction","time":"2026-03-02T10:16:04+08:00","data":{"mid":"898310058120001","tid":"T0000001","batch":"12","stan":"000124","rrn":"512645316966","pan":"622202******1234","amount":12800,"currency":"CNY","kind":"void","result":"approved","response_code":"00"}}`},
		{"English journal, minor by contract name", "Date,Terminal ID,Trace No,Auth Code,amount,Status\n2026-03-02 10:15,T1,7,123456,1280,Declined\n",
			`"type":"daozhang.terminal.transaction","time":"2026-03-02T10:15:00+08:00","data":{"tid":"T1","stan":"000007","auth_code":"123456","amount":1280,"currency":"CNY","kind":"sale","result":"declined"}}`},
		{"decimals under the contract's name", "time,tid,stan,amount\n2026-03-02 10:15:04,T1,7,12.80\n2026-03-02 10:15:05,T1,8,3\n",
			`"type":"daozhang.terminal.transaction","time":"2026-03-02T10:15:04+08:00","data":{"tid":"T1","stan":"000007","amount":1280,"currency":"CNY","kind":"sale","result":"approved"}}
"type":"daozhang.terminal.transaction","time":"2026-03-02T10:15:05+08:00","data":{"tid":"T1","stan":"000008","amount":300,"currency":"CNY","kind":"sale","result":"approved"}}`},
		{"settlement with decimal commas", "Settlement Date;Merchant ID;Order ID;Gross;Fee;Net;Currency;Transaction Date\n" +
			"31/03/2026;M1;A-1;1.234,50;-4,69;1.229,81;EUR;30/03/2026\n31/03/2026;M1;A-2;-10,00;0,00;-10,00;EUR;30/03/2026\n",
			`"type":"daozhang.settlement.line","time":"2026-03-31T00:00:00+08:00","data":{"mid":"M1","order_id":"A-1","currency":"EUR","kind":"sale","settlement_date":"2026-03-31","transaction_time":"2026-03-30T00:00:00+08:00","gross":123450,"fee":469,"net":122981}}
"type":"daozhang.settlement.line","time":"2026-03-31T00:00:00+08:00","data":{"mid":"M1","order_id":"A-2","currency":"EUR","kind":"refund","settlement_date":"2026-03-31","transaction_time":"2026-03-30T00:00:00+08:00","gross":1000,"fee":0,"net":-1000}}`},
		{"date and time apart, and a separator line", "sep=;\nDate;Time;Terminal ID;Amount;RRN\n02.03.2026;10:15:04;T1;12,80;606112345678\n",
			`"type":"daozhang.terminal.transaction","time":"2026-03-02T10:15:04+08:00","data":{"tid":"T1","rrn":"606112345678","amount":1280,"currency":"CNY","kind":"sale","result":"approved"}}`},
		{"machine times", "timestamp,terminal,amount_cents,status,reference\n1772417704,T1,1280,success,606112345678\n",
			`"type":"daozhang.terminal.transaction","time":"2026-03-02T10:15:04+08:00","data":{"tid":"T1","rrn":"606112345678","amount":1280,"currency":"CNY","kind":"sale","result":"approved"}}`},
		{"payouts", "Payout Date,Payout ID,Amount,Currency,Status\n2026-03-03,P1,127.51,CNY,paid\n",
			`"type":"daozhang.payout.status","time":"2026-03-03T00:00:00+08:00","data":{"amount":12751,"currency":"CNY","payout":"P1","state":"sent","by":"platform"}}`},
		{"orders", "订单号,下单时间,应收金额\nA1,2026/3/2 9:05,￥12.5\n",
			`"type":"daozhang.sale.order","time":"2026-03-02T09:05:00+08:00","data":{"order_id":"A1","amount":1250,"currency":"CNY"}}`},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			gb, err := simplifiedchinese.GB18030.NewEncoder().String(c.text)
			if err != nil {
				t.Fatal(err)
			}
			u16, err := unicode.UTF16(unicode.LittleEndian, unicode.UseBOM).NewEncoder().String(c.text)
			if err != nil {
				t.Fatal(err)
			}
			for enc, text := range map[string]string{"UTF-8": c.text, "BOM": "\ufeff" + c.text, "GB18030": gb, "UTF-16": u16,
				"CRLF": strings.ReplaceAll(c.text, "\n", "\r\n"), "CR": strings.ReplaceAll(c.text, "\n", "\r")} {
				got, l := export(t, text, format.Options{})
				if got != c.want {
					t.Errorf("%s: got\n%s\nwant\n%s\nrejected %v", enc, got, c.want, l.Rejected)
				}
			}
		})
	}
	t.Run("dates that can be read two ways are not guessed", func(t *testing.T) {
		_, l := export(t, "Date,Terminal ID,Trace No,Amount\n02/03/2026,T1,7,12.80\n", format.Options{})
		if len(l.Rejected) != 1 || !strings.Contains(l.Rejected[0].Why.EN, "day/month or month/day") {
			t.Error(l.Rejected)
		}
	})
}

func TestStatedTotalsAreChecked(t *testing.T) {
	rows := "交易时间,终端号,流水号,交易类型,交易金额\n2026-03-02 10:15:04,T1,1,消费,10.00\n2026-03-02 10:15:05,T1,2,消费,\"1,000.00\"\n" +
		"小计,,,,1010.00\n1772417704,T1,3,退货,2.50\n"
	for total, warns := range map[string]int{"\"1,012.50\"": 0, "1007.50": 0, "1010.00": 0, "1010.01": 1, "": 0} {
		got, l := export(t, rows+"合计：,3笔,,,"+total+"\n", format.Options{})
		if strings.Count(got, "\n") != 2 || len(l.Rejected) > 0 {
			t.Errorf("%s: facts\n%s\nrejected %v", total, got, l.Rejected)
		}
		if len(l.Warnings) != warns || warns > 0 && (l.Warnings[0].Line != 6 || !strings.Contains(l.Warnings[0].Why.EN, "1010.01 stated, the 3 rows make 1012.50")) {
			t.Errorf("%s: warnings %v", total, l.Warnings)
		}
	}
}

const mapping = `
name: our-acquirer
type: settlement.line
timezone: Europe/Berlin
currency: EUR
decimal: comma
delimiter: ";"
dates: ["DD.MM.YYYY HH:mm", "DD.MM.YYYY"]
columns:
  Buchungstag: time
  Uhrzeit: {with: Buchungstag}
  Beleg: rrn
  Art: {field: kind, words: {Verkauf: sale, Gutschrift: refund}}
  Umsatz: gross
  Entgelt: fee
constants:
  mid: "M1"
`

func TestMappingFile(t *testing.T) {
	m, err := format.ReadMapping(strings.NewReader(mapping))
	if err != nil {
		t.Fatal(err)
	}
	latin, err := charmap.Windows1252.NewEncoder().String("Händler: Café Müller, Umsätze\nBuchungstag;Uhrzeit;Beleg;Art;Umsatz;Entgelt;Rest\n" +
		"31.03.2026;10:15;512645316965;Verkauf;1.234,50;4,69;x\n31.03.2026;11:15;512645316966;Tausch;1,00;0;x\n")
	if err != nil {
		t.Fatal(err)
	}
	got, l := export(t, latin, format.Options{Hints: format.Hints{Mapping: m}})
	want := `"type":"daozhang.settlement.line","time":"2026-03-31T10:15:00+02:00","data":{"mid":"M1","rrn":"512645316965","currency":"EUR","kind":"sale","gross":123450,"fee":469,"net":122981}}`
	if got != want || len(l.Sources) != 1 || l.Sources[0].Format != "our-acquirer" {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if len(l.Rejected) != 1 || l.Rejected[0].Line != 4 || !strings.Contains(l.Rejected[0].Why.EN, `"Art"`) {
		t.Errorf("rejected %v", l.Rejected)
	}
	for _, bad := range []struct{ from, to, why string }{
		{"settlement.line", "settlement", "type"}, {"Europe/Berlin", "Berlin", "timezone"}, {"EUR", "EURO", "currency"},
		{"comma", "komma", "decimal"}, {"Umsatz: gross", "Umsatz: grosz", "columns.Umsatz"}, {"  mid:", "  midd:", "constants.midd"},
		{"{with: Buchungstag}", "{with: Tag}", "with"}, {"dates:", "date:", "date"},
	} {
		_, err := format.ReadMapping(strings.NewReader(strings.Replace(mapping, bad.from, bad.to, 1)))
		if err == nil || !strings.Contains(err.Error(), bad.why) {
			t.Errorf("%s: %v, want %s", bad.to, err, bad.why)
		}
	}
}

func TestTermsFile(t *testing.T) {
	got, l := export(t, `# our shops
terms:
  - mid: ["898310058120001", "898310058120002"]
    name: Corner Noodles
    valid_from: 2026-01-01
    cycle: T+1
    cutoff: "23:00"
    calendar: CN
    timezone: Asia/Shanghai
    fees:
      - {percent: 0.38}
      - {percent: 0.5, cap: 20, card_type: debit}
      - {bps: 60, network: Visa, fixed: 0.10}
    minimum_payout: 10.00
    account: "6222020000006789"
    bank: ICBC
  - cycle: T1
  - mid: M3
    cycle: weekly
  - mid: M4
    cykle: T1
holidays:
  - {calendar: CN, date: 2026-10-08, what: holiday}
`, format.Options{})
	for _, want := range []string{
		`"time":"2026-01-01T00:00:00+08:00","data":{"mid":"898310058120002"`,
		`"fees":[{"bps":38},{"bps":50,"cap":2000,"card_type":"debit"},{"bps":60,"fixed":10,"network":"Visa"}]`,
		`"cycle":"T1"`, `"minimum_payout":1000`, `"daozhang.calendar.holiday"`, `"date":"2026-10-08"`,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %s in\n%s", want, got)
		}
	}
	var lines []int
	for _, r := range l.Rejected {
		lines = append(lines, r.Line)
	}
	if len(lines) != 3 || lines[0] != 17 || lines[1] != 18 || lines[2] != 21 {
		t.Errorf("rejected %v", l.Rejected)
	}
	if _, l := export(t, "# nothing was inferred\nterms: []\n", format.Options{}); len(l.Rejected) > 0 || len(l.Sources) != 1 {
		t.Error("an empty list of terms is refused", l.Rejected)
	}
	one, l := export(t, "mid: M9\ncycle: T1\nfees: [{bps: 38}]\n", format.Options{})
	if !strings.Contains(one, `"mid":"M9"`) || len(l.Rejected) > 0 {
		t.Error(one, l.Rejected)
	}
}

func TestEvidenceIsRead(t *testing.T) {
	text := `{"specversion":"1.0","id":"1","source":"terminal/T1","type":"daozhang.terminal.transaction","time":"2026-03-02T10:15:04+08:00","data":{"mid":"M1","kind":"sale","result":"approved","amount":5,"currency":"CNY"}}` + "\n{\n"
	dir := folder(t, map[string]string{"x": text})
	l, _ := load(t, dir, format.Options{}, "x")
	if len(l.Sources) != 1 || l.Sources[0].Facts != 1 || l.Sources[0].Rejected != 1 || l.Sources[0].From == 0 || len(l.Rejected) != 1 || l.Rejected[0].Line != 2 {
		t.Errorf("%+v %v", l.Sources, l.Rejected)
	}
}

func TestProgressAndCancel(t *testing.T) {
	dir := folder(t, map[string]string{"x.csv": journal})
	var done, total int64
	set := evidence.NewSet()
	if _, err := format.Load(t.Context(), []string{dir}, format.Options{}, general, set, func(d, n int64) { done, total = d, n }); err != nil {
		t.Fatal(err)
	}
	if done != int64(len(journal)) || total != done {
		t.Errorf("progress ended at %d of %d", done, total)
	}
	if !bytes.Contains(set.AppendJSON(nil, 1), []byte(`"M1"`)) {
		t.Error("no fact")
	}
}
