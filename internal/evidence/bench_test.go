package evidence_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"testing"
	"time"

	"daozhang/internal/evidence"
	"daozhang/internal/fault"
)

// plainEvent is the interchange form as a plain struct, for encoding/json.
type plainEvent struct {
	SpecVersion  string    `json:"specversion"`
	ID           string    `json:"id"`
	Source       string    `json:"source"`
	Type         string    `json:"type"`
	Time         time.Time `json:"time"`
	RecordedTime time.Time `json:"recordedtime"`
	Data         struct {
		MID             string          `json:"mid"`
		TID             string          `json:"tid"`
		Batch           string          `json:"batch"`
		STAN            string          `json:"stan"`
		RRN             string          `json:"rrn"`
		AuthCode        string          `json:"auth_code"`
		OrderID         string          `json:"order_id"`
		Ref             string          `json:"ref"`
		PAN             string          `json:"pan"`
		Network         string          `json:"network"`
		Issuer          string          `json:"issuer"`
		CardType        string          `json:"card_type"`
		Amount          int64           `json:"amount"`
		Currency        string          `json:"currency"`
		Payout          string          `json:"payout"`
		Account         string          `json:"account"`
		Bank            string          `json:"bank"`
		Kind            string          `json:"kind"`
		Entry           string          `json:"entry"`
		CVM             string          `json:"cvm"`
		Result          string          `json:"result"`
		ResponseCode    string          `json:"response_code"`
		Operator        string          `json:"operator"`
		Printed         bool            `json:"printed"`
		OriginalSTAN    string          `json:"original_stan"`
		OriginalRRN     string          `json:"original_rrn"`
		ApprovedAmount  int64           `json:"approved_amount"`
		Component       string          `json:"component"`
		Detail          string          `json:"detail"`
		Version         string          `json:"version"`
		Pending         int64           `json:"pending"`
		Prompt          string          `json:"prompt"`
		What            string          `json:"what"`
		State           string          `json:"state"`
		Status          string          `json:"status"`
		Action          string          `json:"action"`
		Link            string          `json:"link"`
		Date            string          `json:"date"`
		ClearingDate    string          `json:"clearing_date"`
		SettlementDate  string          `json:"settlement_date"`
		TransactionTime time.Time       `json:"transaction_time"`
		Count           int64           `json:"count"`
		Total           int64           `json:"total"`
		Gross           int64           `json:"gross"`
		Fee             int64           `json:"fee"`
		Net             int64           `json:"net"`
		NetCurrency     string          `json:"net_currency"`
		Rate            json.Number     `json:"rate"`
		By              string          `json:"by"`
		Reason          string          `json:"reason"`
		Replaces        string          `json:"replaces"`
		Direction       string          `json:"direction"`
		EntryRef        string          `json:"entry_ref"`
		BookingDate     string          `json:"booking_date"`
		ValueDate       string          `json:"value_date"`
		Text            string          `json:"text"`
		References      []string        `json:"references"`
		From            string          `json:"from"`
		To              string          `json:"to"`
		Opening         int64           `json:"opening"`
		Closing         int64           `json:"closing"`
		Of              string          `json:"of"`
		LatencyMS       json.Number     `json:"latency_ms"`
		ErrorRate       json.Number     `json:"error_rate"`
		Notice          string          `json:"notice"`
		Affects         []string        `json:"affects"`
		Title           string          `json:"title"`
		Scope           string          `json:"scope"`
		MaxAmount       int64           `json:"max_amount"`
		DailyAmount     int64           `json:"daily_amount"`
		DailyCount      int64           `json:"daily_count"`
		Rule            string          `json:"rule"`
		Score           json.Number     `json:"score"`
		Case            string          `json:"case"`
		Name            string          `json:"name"`
		MCC             string          `json:"mcc"`
		ValidFrom       string          `json:"valid_from"`
		Cycle           string          `json:"cycle"`
		Cutoff          string          `json:"cutoff"`
		Timezone        string          `json:"timezone"`
		Calendar        string          `json:"calendar"`
		Capture         string          `json:"capture"`
		PayoutBy        string          `json:"payout_by"`
		T0Minutes       int64           `json:"t0_minutes"`
		CreditDays      int64           `json:"credit_days"`
		Fees            json.RawMessage `json:"fees"`
		FeeMode         string          `json:"fee_mode"`
		MinimumPayout   int64           `json:"minimum_payout"`
		PreauthDays     int64           `json:"preauth_days"`
	} `json:"data"`
}

// dayOfEvidence makes the facts of n payments as their witnesses would send
// them: the terminal, the gateway, the network, the platform and the bank, with
// telemetry among them.
func dayOfEvidence(n int) []byte {
	rng := rand.New(rand.NewPCG(1, 2))
	var b bytes.Buffer
	uuid := func() string {
		return fmt.Sprintf("%08x-%04x-4%03x-a%03x-%012x", rng.Uint32(), rng.IntN(1<<16), rng.IntN(1<<12), rng.IntN(1<<12), rng.Int64N(1<<48))
	}
	event := func(id, source, typ, at, data string) {
		fmt.Fprintf(&b, `{"specversion":"1.0","id":%q,"source":%q,"type":"daozhang.%s","time":%q,"data":{%s}}`+"\n", id, source, typ, at, data)
	}
	start := time.Date(2026, 3, 2, 8, 0, 0, 0, time.FixedZone("", 8*3600))
	networks := []string{"UnionPay", "Visa", "Mastercard"}
	issuers := []string{"ICBC", "CCB", "ABC", "BOC"}
	for i := range n {
		merchant := i % 50
		mid := fmt.Sprintf("8983100581200%02d", merchant)
		tid := fmt.Sprintf("T10000%02d", i%100)
		at := start.Add(time.Duration(i) * 700 * time.Millisecond)
		when := at.Format(time.RFC3339)
		stan, rrn := fmt.Sprintf("%06d", i%999999), fmt.Sprintf("%012d", 606100000000+i)
		auth := fmt.Sprintf("%06d", rng.IntN(1000000))
		pan := fmt.Sprintf("622202******%04d", rng.IntN(10000))
		amount := 100 + rng.IntN(200000)
		fee := amount * 38 / 10000
		network, issuer := networks[i%3], issuers[i%4]
		order := fmt.Sprintf("ORD20260302%07d", i)
		payout := fmt.Sprintf("P20260303-%d", merchant)
		event(uuid(), "terminal/"+tid, "terminal.transaction", when, fmt.Sprintf(
			`"mid":%q,"tid":%q,"batch":"000012","stan":%q,"rrn":%q,"auth_code":%q,"pan":%q,"card_type":"debit","kind":"sale","amount":%d,"currency":"CNY","entry":"contactless","cvm":"none","result":"approved","response_code":"00","printed":true,"operator":"01"`,
			mid, tid, stan, rrn, auth, pan, amount))
		event(uuid(), "gateway/1", "gateway.request", when, fmt.Sprintf(
			`"mid":%q,"tid":%q,"batch":"000012","stan":%q,"order_id":%q,"pan":%q,"network":%q,"issuer":%q,"kind":"sale","amount":%d,"currency":"CNY"`,
			mid, tid, stan, order, pan, network, issuer, amount))
		event(uuid(), "gateway/1", "gateway.response", at.Add(800*time.Millisecond).Format("2006-01-02T15:04:05.000Z07:00"), fmt.Sprintf(
			`"mid":%q,"tid":%q,"stan":%q,"rrn":%q,"auth_code":%q,"kind":"sale","amount":%d,"currency":"CNY","response_code":"00"`,
			mid, tid, stan, rrn, auth, amount))
		event(fmt.Sprintf("%015x", rng.Int64N(1<<60)), "clearing/"+network+"/20260302", "clearing.line", "2026-03-03T06:00:00+08:00", fmt.Sprintf(
			`"mid":%q,"tid":%q,"rrn":%q,"auth_code":%q,"pan":%q,"network":%q,"kind":"sale","amount":%d,"currency":"CNY","clearing_date":"2026-03-02","transaction_time":%q`,
			mid, tid, rrn, auth, pan, network, amount, when))
		event(fmt.Sprintf("%015x", rng.Int64N(1<<60)), "settlement/"+mid+"/20260303", "settlement.line", "2026-03-03T09:30:00+08:00", fmt.Sprintf(
			`"mid":%q,"tid":%q,"stan":%q,"rrn":%q,"order_id":%q,"kind":"sale","gross":%d,"fee":%d,"net":%d,"currency":"CNY","settlement_date":"2026-03-03","transaction_time":%q,"payout":%q`,
			mid, tid, stan, rrn, order, amount, fee, amount-fee, when, payout))
		if i%20 == 0 {
			event(uuid(), "platform", "payout.status", "2026-03-03T17:00:00+08:00", fmt.Sprintf(
				`"payout":%q,"mid":%q,"amount":%d,"currency":"CNY","account":"****6789","bank":"ICBC","by":"bank","state":"accepted"`, payout, mid, amount*20))
			event(fmt.Sprintf("NTRY%d", i), "camt/6222/20260303", "bank.entry", "2026-03-03T18:00:00+08:00", fmt.Sprintf(
				`"account":"CN62 ICBC 0200 6789","amount":%d,"currency":"CNY","direction":"credit","status":"booked","entry_ref":"2026030300%d","booking_date":"2026-03-03","value_date":"2026-03-03","text":"银联商务 结算款 %s","references":[%q,"NOTPROVIDED"]`, amount*20, i, payout, payout))
			event(uuid(), "platform/monitor", "link.status", when, fmt.Sprintf(
				`"link":"network-issuer/%s","state":"up","latency_ms":%d.5,"error_rate":0.0%d`, issuer, 80+i%100, i%10))
		}
	}
	return b.Bytes()
}

func read(b *testing.B, in []byte) *evidence.Set {
	set := evidence.NewSet()
	err := evidence.ReadNDJSON(bytes.NewReader(in), set.Writer(set.AddFile("-")), func(line int, why fault.Text) { b.Fatal(line, why) })
	if err != nil {
		b.Fatal(err)
	}
	return set
}

// BenchmarkReadNDJSON reads and validates evidence into a Set, on one processor
// and on all.
func BenchmarkReadNDJSON(b *testing.B) {
	in := dayOfEvidence(20_000)
	for _, procs := range []int{1, runtime.NumCPU()} {
		b.Run(fmt.Sprintf("procs=%d", procs), func(b *testing.B) {
			defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(procs))
			b.SetBytes(int64(len(in)))
			b.ReportAllocs()
			for b.Loop() {
				read(b, in)
			}
		})
	}
}

// BenchmarkEncodingJSON is the yardstick: the same lines by encoding/json into
// a plain struct, nothing kept, nothing validated.
func BenchmarkEncodingJSON(b *testing.B) {
	in := dayOfEvidence(20_000)
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	b.Run("Unmarshal", func(b *testing.B) {
		b.SetBytes(int64(len(in)))
		b.ReportAllocs()
		for b.Loop() {
			for line := range bytes.Lines(in) {
				var e plainEvent
				if err := json.Unmarshal(line, &e); err != nil {
					b.Fatal(err)
				}
			}
		}
	})
	b.Run("Decoder", func(b *testing.B) {
		b.SetBytes(int64(len(in)))
		b.ReportAllocs()
		for b.Loop() {
			dec := json.NewDecoder(bytes.NewReader(in))
			for {
				var e plainEvent
				if err := dec.Decode(&e); err == io.EOF {
					break
				} else if err != nil {
					b.Fatal(err)
				}
			}
		}
	})
}

// BenchmarkAgainstEncodingJSON takes turns: evidence read and validated into a
// Set, and the same lines by encoding/json into a plain struct that is used
// again, both on one processor. It compares the best of each, which is what a
// busy machine disturbs least.
func BenchmarkAgainstEncodingJSON(b *testing.B) {
	in := dayOfEvidence(5_000)
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	best := [2]time.Duration{time.Hour, time.Hour}
	for b.Loop() {
		for range 4 {
			runtime.GC()
			start := time.Now()
			read(b, in)
			best[0] = min(best[0], time.Since(start))
		}
		runtime.GC()
		start := time.Now()
		var e plainEvent
		for line := range bytes.Lines(in) {
			e = plainEvent{}
			if err := json.Unmarshal(line, &e); err != nil {
				b.Fatal(err)
			}
		}
		best[1] = min(best[1], time.Since(start))
	}
	perSecond := func(d time.Duration) float64 { return float64(len(in)) / 1e6 / d.Seconds() }
	b.ReportMetric(perSecond(best[0]), "MB/s")
	b.ReportMetric(perSecond(best[1]), "json-MB/s")
	b.ReportMetric(best[1].Seconds()/best[0].Seconds(), "times-faster")
}

// BenchmarkWriteNDJSON writes the same evidence again.
func BenchmarkWriteNDJSON(b *testing.B) {
	in := dayOfEvidence(20_000)
	set := read(b, in)
	set.Unify()
	b.SetBytes(int64(len(in)))
	b.ReportAllocs()
	for b.Loop() {
		if err := set.WriteNDJSON(io.Discard); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkUnify finds the copies where everything was read twice.
func BenchmarkUnify(b *testing.B) {
	in := dayOfEvidence(20_000)
	set := read(b, append(in, in...))
	b.ReportAllocs()
	for b.Loop() {
		set.Unify()
	}
}
