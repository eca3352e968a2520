package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"daozhang/internal/card"
	"daozhang/internal/evidence"
	"daozhang/internal/investigation"
	"daozhang/internal/journey"
	"daozhang/internal/terms"
)

// block is one part of an overview: a table with what stands before and after.
type block struct {
	Title  Text
	Before []Text
	Head   []Text
	Right  []bool // figures: aligned to the right
	Wide   []bool // may be broken into lines
	Rows   [][]Text
	Tones  []Tone // of each row; nil: none
	Foot   [][]Text
	After  []Text
}

// Tone is what a row tells at a glance.
type Tone uint8

const (
	calm Tone = iota
	good
	waiting
	bad
)

func ToneOf(s journey.Status) Tone {
	switch s {
	case journey.Arrived, journey.Confirmed:
		return good
	case journey.InTransit:
		return waiting
	case journey.Overdue, journey.Held, journey.Short, journey.Unknown, journey.Unproven:
		return bad
	}
	return calm
}

// lead says as of when and of what the answer is.
func lead(d *digest) Text {
	n := len(d.a.Sources)
	t := join(tx("Where the money is, as of ", "钱到哪了，截至"), same(clockWith(d.a.AsOf, d.a.Offset)),
		tx(" · ", " · "), payments(d.count))
	if len(d.merchants) > 1 {
		t = join(t, tx(fmt.Sprintf(" of %d merchants", len(d.merchants)), fmt.Sprintf("（%d家商户）", len(d.merchants))))
	}
	if n > 0 {
		t = join(t, tx(fmt.Sprintf(" · %d %s", n, plural(n, "input", "inputs")), fmt.Sprintf(" · %d个输入", n)))
	}
	return t
}

// headline says in a sentence where the money of a currency is; its parts add
// up to what was approved.
func headline(s *currencySum) Text {
	money := func(n int64) Text { return same(amount(n, s.Currency)) }
	var parts []Text
	add := func(n int64, before, after Text) {
		if n != 0 {
			parts = append(parts, join(before, money(n), after))
		}
	}
	if s.Gross == 0 {
		return tx("No money is to come: nothing was charged.", "没有应到款项：没有成功扣款的交易。")
	}
	arrived := s.total(journey.Arrived)
	parts = append(parts, Text{
		EN: amount(arrived, s.Currency) + " of " + amount(s.Gross, s.Currency) + " has arrived",
		ZH: "共收款 " + amount(s.Gross, s.Currency) + "，已到账 " + amount(arrived, s.Currency),
	})
	add(s.total(journey.Confirmed), tx("the bank says that ", "银行称已入账 "), tx(" more is credited", ""))
	add(s.total(journey.InTransit), tx("", "在途 "), tx(" is on its way", ""))
	add(s.total(journey.Overdue), tx("", "逾期未到 "), tx(" is late", ""))
	add(s.total(journey.Held), tx("", "冻结 "), tx(" is held", ""))
	add(s.total(journey.Short), tx("", "少到 "), tx(" is short", ""))
	add(s.total(journey.Unproven), tx("", "待对账 "), tx(" is due, but no statement shows it", ""))
	add(s.total(journey.Unknown), tx("of ", "扣款不明 "), tx(" it is unclear whether it was charged", ""))
	p := &s.Places
	add(p[inFees].Amount, tx("", "手续费 "), tx(" went in fees", ""))
	add(p[inRefunded].Amount, tx("", "退款 "), tx(" went back to customers", ""))
	add(p[inChargebacks].Amount+p[inReserves].Amount+p[inAdjustments].Amount, tx("", "拒付、保证金和调账 "), tx(" went in chargebacks, reserves and adjustments", ""))
	if s.total(journey.Overdue) == 0 && s.total(journey.Held) == 0 && s.total(journey.Short) == 0 {
		parts = append(parts, tx("nothing is late", "没有逾期"))
	}
	return join(listOf(tx("; ", "；"), parts...), tx(".", "。"))
}

// moneyBlock is the money of one currency by place.
func moneyBlock(d *digest, s *currencySum) block {
	b := block{
		Title: tx("Money by place", "款项分布"),
		Head:  []Text{tx("Where", "位置"), tx("Payments", "笔数"), tx("Amount", "金额"), tx("Oldest", "最早一笔")},
		Right: []bool{false, true, true, true},
		Wide:  []bool{true, false, false, false},
	}
	if len(d.currencies) > 1 {
		b.Title = join(b.Title, tx(": ", "："), same(currencyName(s)))
	}
	for _, p := range placeOrder {
		at := &s.Places[p]
		if at.Count == 0 {
			continue
		}
		b.Rows = append(b.Rows, []Text{p.word(), same(grouped(at.Count)), same(amount(at.Amount, s.Currency)), same(brief(at.Oldest, d.a.AsOf, at.Offset))})
		b.Tones = append(b.Tones, ToneOf(p.status()))
	}
	b.Foot = [][]Text{{tx("Approved in all", "合计（成功金额）"), same(grouped(s.Count)), same(amount(s.Gross, s.Currency)), same("")}}
	if sum := s.sum(); sum != s.Gross {
		b.After = append(b.After, tx(
			"The places add up to "+amount(sum, s.Currency)+", not to what was approved. This is a fault of the program; please report it.",
			"各位置合计为 "+amount(sum, s.Currency)+"，与成功金额不符。这是程序错误，请报告。"))
	} else {
		b.After = append(b.After, tx("The places add up to the total; one payment may stand in several.", "各位置金额之和等于合计；一笔交易可能分布在多个位置。"))
	}
	if n := s.NotCharged; n.Count > 0 {
		b.After = append(b.After, join(tx("Not charged, no money to come: ", "未扣款、不会有款项："), payments(n.Count), tx(", ", "，"), same(amount(n.Amount, s.Currency)), tx(".", "。")))
	}
	if s.Memo != 0 {
		b.After = append(b.After, join(tx("Deductions that name no payment, taken from payouts: ", "出款中未指明交易的扣款："), same(amount(s.Memo, s.Currency)), tx(".", "。")))
	}
	return b
}

func currencyName(s *currencySum) string {
	if c := s.Currency.String(); c != "" {
		return c
	}
	return "?"
}

// accountBlock shows what came to each account, and how much of it belongs to
// payouts.
func accountBlock(d *digest) block {
	b := block{
		Title: tx("Bank accounts", "银行账户"),
		Head:  []Text{tx("Account", "账户"), tx("Booked", "已入账"), tx("Placed", "已对应"), tx("Unplaced", "未对应")},
		Right: []bool{false, true, true, true},
		Wide:  make([]bool, 4),
	}
	for _, acc := range d.totals.Accounts {
		b.Rows = append(b.Rows, []Text{accountName(d, acc.Name), same(amount(acc.Booked, acc.Currency)), same(amount(acc.Placed, acc.Currency)), same(amount(acc.Unplaced, acc.Currency))})
		t := calm
		if acc.Unplaced != 0 {
			t = bad
		}
		b.Tones = append(b.Tones, t)
	}
	return b
}

// accountName shows an account by its last four characters, and by a token
// where several accounts end alike.
func accountName(d *digest, name string) Text {
	tail := card.AccountTail(name)
	if tail == "" {
		return tx("not named", "未注明")
	}
	for _, other := range d.totals.Accounts {
		if other.Name != name && card.AccountTail(other.Name) == tail {
			return same(tail + " (" + card.AccountToken(name) + ")")
		}
	}
	return same(plain(tail))
}

// incidentBlock lists the incidents, those of most payments first; folded puts two facts into one cell, for
// narrow screens.
func incidentBlock(d *digest, folded bool) block {
	b := block{
		Title: tx("Incidents: payments stopped by one and the same fault", "事件：同一故障影响的交易"),
		Head:  []Text{tx("What", "原因"), tx("Since", "起"), tx("Until", "止"), tx("Payments", "笔数"), tx("Amount", "金额"), tx("Who acts", "处理方"), tx("Expected", "预计")},
		Right: []bool{false, false, false, true, true, false, false},
		Wide:  []bool{true, false, false, false, false, true, false},
	}
	if folded {
		b.Head = []Text{tx("What", "原因"), tx("Since, until", "起止"), tx("Payments, amount", "笔数、金额"), tx("Who acts, when", "处理方、预计")}
		b.Right = []bool{false, false, true, false}
		b.Wide = []bool{true, false, false, true}
	}
	two := func(x, y Text) Text { return listOf(same("\n"), x, y) }
	for _, i := range incidentLines(d.totals.Incidents, d.a.AsOf) {
		until := tx("open", "未结束")
		if i.Until.Brief != "" {
			until = same(i.Until.Brief)
		}
		since, count, sum, when := same(i.Since.Brief), same(grouped(i.Count)), same(i.Amount), expectedOr(i.Expected.Brief)
		if folded {
			b.Rows = append(b.Rows, []Text{two(i.What, i.Scope), two(since, until), two(payments(i.Count), sum), two(i.Who, when)})
		} else {
			b.Rows = append(b.Rows, []Text{join(i.What, tx(": ", "："), i.Scope), since, until, count, sum, i.Who, when})
		}
		b.Tones = append(b.Tones, bad)
	}
	return b
}

// expectedOr gives an expected time, or that none can be named.
func expectedOr(at string) Text {
	if at == "" {
		return tx("open", "待定")
	}
	return same(at)
}

// why is a payment's cause in a few words.
func why(p *investigation.Payment) Text {
	if p.Verdict.Cause == nil {
		return Text{}
	}
	return p.Verdict.Cause.Title
}

// whenText says in few words when the money is to be expected.
func whenText(p *investigation.Payment) Text {
	switch {
	case p.Status == journey.Arrived:
		return same(localBrief(p, p.CreditedAt))
	case p.Status == journey.NotCharged || p.Status == journey.Refunded:
		return same("")
	case p.Verdict.Expected.Likely != 0:
		return same(localBrief(p, p.Verdict.Expected.Likely))
	}
	return tx("open", "待定")
}

const shownProblems = 5

// needsBlock lists the payments that someone must look at; folded puts two
// facts into one cell, for narrow screens.
func needsBlock(d *digest, folded bool) block {
	b := block{
		Title: join(tx("Payments that need someone: ", "需要处理的交易："), same(grouped(d.needs.count)), tx("", "笔")),
		Head: []Text{
			tx("Time", "时间"), tx("RRN / order", "参考号/订单"), tx("Amount", "金额"), tx("Late by", "逾期"), tx("Where", "位置"),
			tx("Why", "原因"), tx("Who acts", "处理方"), tx("Expected", "预计到账"),
		},
		Right: []bool{false, false, true, true, false, false, false, false},
		Wide:  []bool{false, true, false, true, true, true, true, false},
	}
	if folded {
		b.Head = []Text{tx("Time, RRN / order", "时间、参考号"), tx("Amount, late by", "金额、逾期"), tx("Where, why", "位置、原因"), tx("Who acts, when", "处理方、预计")}
		b.Right = []bool{false, true, false, false}
		b.Wide = []bool{true, true, true, true}
	}
	two := func(x, y Text) Text { return listOf(same("\n"), x, y) }
	for _, p := range d.needs.list {
		_, key := reference(d.a, p)
		row := []Text{
			same(localBrief(p, p.Time)), same(key), same(amount(p.Amount, p.Currency)), lateBy(p), whereNow(p), why(p),
			partyWord(p.Verdict.Party), whenText(p),
		}
		if folded {
			row = []Text{two(row[0], row[1]), two(row[2], row[3]), two(row[4], row[5]), two(row[6], row[7])}
		}
		b.Rows = append(b.Rows, row)
		t := bad
		if p.Status == journey.InTransit || p.Status == journey.Confirmed {
			t = waiting
		}
		b.Tones = append(b.Tones, t)
	}
	switch n := d.needs.rest(); {
	case n > 0 && d.server != "":
		b.After = append(b.After, tx("and "+grouped(n)+" more.", "另有"+grouped(n)+"笔。"))
	case n > 0:
		b.After = append(b.After, tx("and "+grouped(n)+" more: see -o csv or -o xlsx.", "另有"+grouped(n)+"笔，见 -o csv 或 -o xlsx。"))
	}
	if len(b.Rows) > 0 && !d.over {
		_, key := reference(d.a, d.needs.list[0])
		if key != "" && !strings.ContainsAny(key, " '\"\\$`") {
			where := tx("FILES…", "文件…")
			if d.server != "" {
				where = same("--server " + d.server)
			}
			b.After = append(b.After, join(tx("One payment in full: "+d.command+" trace "+key+" ", "查看单笔详情："+d.command+" trace "+key+" "), where))
		}
	}
	return b
}

// problemBlock says what in the input was not understood or fits nowhere, with
// counts, a few of each, and what to do.
func problemBlock(d *digest, shown int) block {
	a := d.a
	b := block{Title: tx("Problems with the input", "输入中的问题"), Head: []Text{tx("Where", "位置"), tx("What", "问题")}, Right: []bool{false, false}, Wide: []bool{true, true}}
	kind := func(n int, what, todo Text, row func(i int) (Text, Text)) {
		if n == 0 {
			return
		}
		b.Rows = append(b.Rows, []Text{join(same(grouped(n)+" "), what), todo})
		b.Tones = append(b.Tones, bad)
		for i := range min(n, shown) {
			at, why := row(i)
			b.Rows = append(b.Rows, []Text{join(same("  "), at), why})
			b.Tones = append(b.Tones, calm)
		}
		if n > shown {
			b.Rows = append(b.Rows, []Text{tx("  …", "  …"), tx("and "+grouped(n-shown)+" more: see -o xlsx or -o json", "另有"+grouped(n-shown)+"条，见 -o xlsx 或 -o json")})
			b.Tones = append(b.Tones, calm)
		}
	}
	kind(len(a.Rejected), tx(plural(len(a.Rejected), "line or file not taken", "lines or files not taken"), "行或文件未被采用"),
		tx("Mend them at their source and run again; everything else is answered.", "请在源头更正后重新运行；其余数据已照常计算。"),
		func(i int) (Text, Text) {
			r := a.Rejected[i]
			return same(fileLine(r.File, r.Line)), reason(r.Why)
		})
	kind(len(a.Warnings), tx(plural(len(a.Warnings), "warning", "warnings"), "条警告"),
		tx("Nothing stopped for these; look whether the answer can rest on them.", "未影响计算，但请核实相关数据。"),
		func(i int) (Text, Text) {
			w := a.Warnings[i]
			return warningPlace(a, w), reason(w.Why)
		})
	unplaced := a.Unplaced()
	kind(len(unplaced), tx(plural(len(unplaced), "fact that belongs nowhere", "facts that belong nowhere"), "条数据无处对应"),
		tx("Files of other days, another merchant's account, or money that is not from card payments.", "可能缺少其他日期的文件、属于其他商户，或不是刷卡款项。"),
		func(i int) (Text, Text) {
			u := unplaced[i]
			f := a.View.At(u.Fact)
			sum := Text{}
			if u.HasAmount {
				sum = same(amount(u.Amount, f.Currency))
			}
			return same(factPlace(a, u.Fact)), listOf(tx(", ", "，"), join(factWord(f.Type), tx(" of ", ""), same(brief(f.Time, a.AsOf, f.Offset))), sum, reason(u.Why))
		})
	amb := a.Match.Ambiguous
	kind(len(amb), tx(plural(len(amb), "fact that fits several ways", "facts that fit several ways"), "条数据有多种对应"),
		tx("None was chosen; a reference, an order or a payout id would tell.", "未作猜测；补充参考号、订单号或出款编号即可确定。"),
		func(i int) (Text, Text) {
			f := a.View.At(amb[i].Fact)
			n := len(amb[i].Payments) + len(amb[i].Payouts)
			return same(factPlace(a, amb[i].Fact)), listOf(tx(", ", "，"), factWord(f.Type), reason(amb[i].Why),
				tx(fmt.Sprintf("%d candidates", n), fmt.Sprintf("%d个候选", n)))
		})
	return b
}

func fileLine(file string, line int) string {
	if line == 0 {
		return plain(file)
	}
	return fmt.Sprintf("%s:%d", plain(file), line)
}

// factPlace says where a fact was read, or its name where it came without a
// file.
func factPlace(a *investigation.Answer, r evidence.FactRef) string {
	f := a.View.At(r)
	if name := a.View.FileName(f.File); name != "" {
		return fileLine(name, int(f.Line))
	}
	return plain(a.View.Name(r))
}

func warningPlace(a *investigation.Answer, w investigation.Warning) Text {
	switch {
	case w.File != "":
		return same(fileLine(w.File, w.Line))
	case w.Fact != 0:
		return same(factPlace(a, w.Fact))
	}
	return same("")
}

// assumedTerms gives the sets of terms that nobody stated, those of the most
// payments first.
func (d *digest) assumedTerms() []*terms.Terms {
	list := make([]*terms.Terms, 0, len(d.assumed))
	for t := range d.assumed {
		list = append(list, t)
	}
	words := d.a.View.Words
	slices.SortFunc(list, func(x, y *terms.Terms) int {
		return cmp.Or(cmp.Compare(d.assumed[y].Count, d.assumed[x].Count), words.Compare(x.MID, y.MID), cmp.Compare(x.ValidFrom, y.ValidFrom))
	})
	return list
}

func termsBlock(d *digest, shown int) block {
	b := block{
		Title: tx("Terms assumed, because none are on record", "未提供商户约定，按以下假设计算"),
		Head:  []Text{tx("Merchant", "商户"), tx("Payments", "笔数"), tx("Assumed", "假设")},
		Right: []bool{false, true, false}, Wide: []bool{true, false, true},
	}
	list := d.assumedTerms()
	for i, t := range list {
		if i == shown {
			b.After = append(b.After, tx("and "+grouped(len(list)-shown)+" more.", "另有"+grouped(len(list)-shown)+"项。"))
			break
		}
		b.Rows = append(b.Rows, []Text{merchantName(d.a, t.MID), same(grouped(d.assumed[t].Count)), describeTerms(t, d.assumed[t].currency)})
	}
	if len(b.Rows) > 0 {
		b.After = append(b.After, tx("What is late depends on them: write them to a file, correct it and hand it in (check --write-terms terms.yaml).",
			"是否逾期取决于这些假设：可导出为文件、更正后一并提供（check --write-terms terms.yaml）。"))
	}
	return b
}

func merchantName(a *investigation.Answer, mid evidence.Word) Text {
	if mid == 0 {
		return tx("not named", "未注明")
	}
	return same(plain(a.View.Words.Text(mid)))
}

// emptyAnswer says what to do where no payment was found.
func emptyAnswer(d *digest) Text {
	if len(d.a.Sources) > 0 && len(d.a.Rejected) > 0 {
		return tx("No payment was found in what could be read. See the problems below; then hand in the POS journal, the settlement file and the bank statement again.",
			"在可读取的内容中没有找到交易。请先看下面的问题，再重新提供POS流水、结算文件和银行账单。")
	}
	return tx("No payment was found. Hand in the POS journal, the settlement file and the bank statement: daozhang check FILES…",
		"没有找到交易。请提供POS流水、结算文件和银行账单：daozhang check 文件…")
}

// capped keeps the first rows of a block and says how many are left out.
func capped(b block, n int) block {
	if rest := len(b.Rows) - n; rest > 0 {
		b.Rows = b.Rows[:n]
		b.After = append(b.After, tx("and "+grouped(rest)+" more: see -o xlsx.", "另有"+grouped(rest)+"行，见 -o xlsx。"))
	}
	return b
}
