package backoffice

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"maps"
	"slices"
	"time"

	"daozhang/internal/calendar"
	"daozhang/internal/evidence"
	"daozhang/internal/fault"
	"daozhang/internal/format"
	"daozhang/internal/format/bank"
	"daozhang/internal/payment"
	"daozhang/internal/settlement"
)

// inboxes are the folders out of which a bank is heard, by their names.
func (b *Bank) inboxes() [3]struct {
	name string
	Folder
} {
	return [3]struct {
		name string
		Folder
	}{{"replies/" + b.Name, b.Replies}, {"statements/" + b.Name, b.Statements}, {"payees/" + b.Name, b.Payees}}
}

// maxReply is the largest reply or statement that is read.
const maxReply = 256 << 20

// Hear reads what is new of a bank's replies and statements, in the order in
// which they came, and takes what they say of payouts, of the networks' money, and
// of merchants' accounts. A file that is not as it was written is refused whole,
// with an exception; its sender has to send it again.
func (o *Office) Hear(ctx context.Context, name string) (Tally, error) {
	var tally Tally
	b, err := o.bank(name)
	if err != nil {
		return tally, err
	}
	for _, box := range b.inboxes() {
		err := o.read(ctx, Hearing, box.name, box.Folder, &tally, func(in *incoming) (Filing, error) { return o.hearFile(ctx, b, in) })
		if err != nil {
			return tally, err
		}
	}
	return tally, nil
}

// hearFile reads one file: a status report, or what banks tell of accounts.
func (o *Office) hearFile(ctx context.Context, b *Bank, in *incoming) (Filing, error) {
	if in.Size > maxReply {
		return o.refuse(ctx, Hearing, in, "bank/"+b.Name, fault.Say("it is larger than %d MB; have it sent in parts", "文件超过 %d MB，请分批发送", maxReply>>20))
	}
	r, err := in.open(ctx)
	if err != nil {
		return Filing{}, err
	}
	content, err := io.ReadAll(r)
	if closed := r.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return Filing{}, err
	}
	hints := format.Hints{Zone: zoneOr(b.Zone), Currency: b.Currency}
	if isStatus(format.NewInput(in.Name, content, hints)) {
		return o.hearStatus(ctx, b, in, content)
	}
	set := evidence.NewSet()
	loaded, err := format.Load(ctx, []string{"-"}, format.Options{Hints: hints, Stdin: bytes.NewReader(content)}, bank.Formats(), set, nil)
	if err != nil {
		return Filing{}, err
	}
	return o.hearStatement(ctx, b, in, set, loaded)
}

func isStatus(in *format.Input) bool {
	for _, f := range bank.Formats() {
		if f.Detect(&in.Head) {
			return f.Name == "pain.002"
		}
	}
	return false
}

// hearStatus takes what a status report says of payouts.
func (o *Office) hearStatus(ctx context.Context, b *Bank, in *incoming, content []byte) (Filing, error) {
	filing := in.filing(o.Now())
	var words []settlement.Word
	var strange int64
	report, err := bank.ReadStatus(bytes.NewReader(content), func(s *bank.Status) {
		w, ok := b.word(s)
		switch {
		case ok:
			words = append(words, w)
		case s.Level == bank.OfPayment || s.Listed == 0 && s.Code != "":
			strange++
		}
	})
	if err == nil && report.Created.IsZero() {
		err = fault.Say("the report does not say when it was made (CreDtTm)", "报告没有写明生成时间（CreDtTm）")
	}
	if err == nil && len(report.Differences) > 0 {
		err = report.Differences[0].Why
	}
	if err == nil && len(words) == 0 {
		err = fault.Say("it speaks of no payout in words that ISO 20022 knows", "报告没有以 ISO 20022 状态写明任何出款")
	}
	if err != nil {
		return o.refuse(ctx, Hearing, in, "bank/"+b.Name, fault.Reason(err))
	}
	filing.Format, filing.Rows, filing.Refused = report.Message, int64(len(words))+strange, strange
	for i := range words {
		taken, err := o.hear(ctx, words[i])
		if err != nil {
			return filing, err
		}
		if taken {
			filing.Taken++
		}
	}
	filing.settle()
	return filing, o.settled(ctx, Hearing, o.Now(), ExceptionFile, "a file that can be read came", in.about())
}

// settle says that a file changed nothing where it did not.
func (f *Filing) settle() {
	if f.State == Taken && f.Taken == 0 {
		f.State = Repeated
	}
}

// word is what a status says of a payout; false where it names none, or says
// nothing.
func (b *Bank) word(s *bank.Status) (settlement.Word, bool) {
	w := settlement.Word{Payout: s.EndToEnd, Amount: s.Amount, Currency: s.Currency, Reason: s.Reason, At: s.Report.Created}
	switch {
	case s.Level != bank.OfPayment && (s.Listed > 0 || s.Code == ""):
		return w, false // it is said of each payment
	case s.Level != bank.OfPayment:
		w.Payout = s.Order // an order has one payout, and its name
	case w.Payout == "":
		w.Payout = s.ID
	}
	if !s.Accepted.IsZero() {
		w.At = s.Accepted
	}
	switch s.State {
	case evidence.Accepted:
		w.State = settlement.Accepted
	case evidence.Credited:
		w.State = settlement.Credited
	case evidence.Rejected:
		w.State = settlement.Rejected
		w.At = s.Report.Created
	case evidence.Sent, evidence.Held:
		w.State = settlement.Unknown // it came in, or waits there: no more is proved
	default:
		return w, false
	}
	switch s.Reason {
	case "NOOR":
		w.State = settlement.Unknown // settlement decides whether that can be believed
	case "DUPL", "AM05", "DU01", "DU02", "DU03", "DU04", "DU05":
		// The bank has refused to do it twice: what it did the first time is not said.
		w.State, w.Reason = settlement.Unknown, ""
	}
	w.Ref = reference("pain.002", b.Name, s.Report.ID, s.Code, s.Reason)
	return w, w.Payout != ""
}

// reference names a bank's message without repeating what others wrote.
func reference(kind string, parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		h.Write(append([]byte(p), 0))
	}
	return kind + "/" + hex.EncodeToString(h.Sum(nil)[:8])
}

// hear takes one word on a payout, and reports whether it changed anything.
func (o *Office) hear(ctx context.Context, w settlement.Word) (taken bool, err error) {
	err = o.again(fault.Say("hear the bank", "接收银行答复"), w.Payout, func() error {
		taken = false
		now := o.Now()
		p, err := o.Keeper.PayoutByID(ctx, w.Payout)
		if err != nil {
			if fault.KindOf(err) != fault.NotFound {
				return err
			}
			if w.State == settlement.Unknown {
				return nil // it does not know it either
			}
			taken = true
			return o.commit(ctx, Hearing, settlement.Stray(now, w, calendar.DateIn(w.At, o.zone())))
		}
		m, err := o.Keeper.MerchantRecord(ctx, p.MID)
		if err != nil {
			return err
		}
		pos, err := o.Keeper.Position(ctx, p.MID, p.Currency)
		if err != nil {
			return err
		}
		o.reach(Hearing, AfterRead)
		step, _, err := settlement.Hear(&o.Policy, now, &m, pos, p, w, calendar.DateIn(now, o.zoneOf(&m)))
		if err != nil || step == nil {
			return err
		}
		taken = true
		return o.commit(ctx, Hearing, step)
	})
	return taken, err
}

// hearStatement takes what a bank tells of accounts.
func (o *Office) hearStatement(ctx context.Context, b *Bank, in *incoming, set *evidence.Set, loaded *format.Loaded) (Filing, error) {
	filing := in.filing(o.Now())
	doubts := 0
	for _, s := range loaded.Sources {
		doubts += s.Doubts
		filing.Format = s.Format
	}
	told := bankFacts(set)
	switch {
	case len(loaded.Rejected) > 0:
		return o.refuse(ctx, Hearing, in, "bank/"+b.Name, reasons(loaded.Rejected))
	case doubts > 0:
		return o.refuse(ctx, Hearing, in, "bank/"+b.Name, reasons(loaded.Warnings))
	case len(told.accounts) == 0:
		return o.refuse(ctx, Hearing, in, "bank/"+b.Name, fault.Say("it tells of no account", "文件没有账户信息"))
	}
	filing.Rows = int64(len(told.entries))
	own, err := o.owners(ctx, told.accounts)
	if err != nil {
		return filing, err
	}
	var strangers []string
	for _, a := range told.accounts {
		if _, ok := own[a]; !ok {
			strangers = append(strangers, a)
		}
	}
	if len(strangers) == len(told.accounts) {
		filing, err := o.refuse(ctx, Hearing, in, "bank/"+b.Name, notOurs(strangers))
		if err != nil {
			return filing, err
		}
		return filing, o.note(ctx, Hearing, o.Now(), strange(b, strangers, o.Now())...)
	}
	wait, err := o.hearEntries(ctx, b, set, &told, own, &filing)
	if err != nil {
		return filing, err
	}
	if err := o.witness(ctx, set, &told, own); err != nil {
		return filing, err
	}
	if len(strangers) > 0 {
		filing.Why = notOurs(strangers).EN
		if err := o.note(ctx, Hearing, o.Now(), strange(b, strangers, o.Now())...); err != nil {
			return filing, err
		}
	}
	if wait != nil {
		filing.State, filing.Network, filing.Date = Waiting, wait.network, wait.date
		filing.Why = fault.Say("money of %s for %s waits for its clearing file", "%s %s 的资金等待清算文件", wait.network, wait.date).EN
		return filing, nil
	}
	filing.settle()
	return filing, o.settled(ctx, Hearing, o.Now(), ExceptionFile, "a file that can be read came", in.about())
}

// waitsFor is the clearing file for which money waits.
type waitsFor struct {
	network string
	date    calendar.Date
}

// told is what a file tells of accounts.
type told struct {
	accounts            []string
	entries, statements []evidence.FactRef
}

func bankFacts(set *evidence.Set) (t told) {
	for r, f := range set.All {
		switch f.Type {
		case evidence.BankEntry:
			t.entries = append(t.entries, r)
		case evidence.BankStatement:
			t.statements = append(t.statements, r)
		default:
			continue
		}
		if a := set.Text(r, evidence.Account); !slices.Contains(t.accounts, a) {
			t.accounts = append(t.accounts, a)
		}
	}
	return t
}

// owner is whose an account is: a bank's safeguarded account of ours, or a
// merchant's.
type owner struct {
	bank *Bank
	mid  string
}

// hearEntries takes the booked entries of a file. What is on a merchant's account
// with a payout's name has arrived; on our own, a debit has gone to the bank's
// books, and a credit has come back. Whatever else is on our account is a
// network's money, or an exception.
func (o *Office) hearEntries(ctx context.Context, b *Bank, set *evidence.Set, t *told, own map[string]owner, filing *Filing) (wait *waitsFor, err error) {
	charges := map[calendar.Date]int64{}
	for _, r := range t.entries {
		e := readEntry(set, r)
		who, ok := own[e.account]
		if !ok || !e.booked {
			continue
		}
		taken := false
		switch {
		case who.bank != nil && e.charge:
			charges[e.date] += -e.signed()
		case e.payout != "" && (who.bank != nil || e.credit):
			taken, err = o.hear(ctx, e.word(who.bank != nil, o.Now()))
		case who.bank != nil && e.payout == "":
			var w *waitsFor
			if taken, w, err = o.place(ctx, who.bank, &e); w != nil {
				wait = w
			}
		}
		if err != nil {
			return nil, err
		}
		if taken {
			filing.Taken++
		}
	}
	return wait, o.charged(ctx, b, charges)
}

// charged tells of what a bank took for its work, once a day: it has to be booked
// as a cost.
func (o *Office) charged(ctx context.Context, b *Bank, charges map[calendar.Date]int64) error {
	now := o.Now()
	var list []payment.Exception
	for _, d := range slices.Sorted(maps.Keys(charges)) {
		list = append(list, except(ExceptionCharge, b.Name+"/"+d.String(), "platform", now, charges[d], b.Currency,
			"the bank took charges of "+d.String()+" out of the safeguarded account: pay them in from our own money"))
	}
	return o.note(ctx, Hearing, now, list...)
}

// place books an entry of our own account that names no payout.
func (o *Office) place(ctx context.Context, b *Bank, e *entry) (taken bool, wait *waitsFor, err error) {
	now, about := o.Now(), b.Name+"/"+e.name
	unplaced := func(why string) (bool, *waitsFor, error) {
		return true, nil, o.note(ctx, Hearing, now, except(ExceptionEntry, about, "platform", now, e.amount, e.currency,
			"an entry of "+e.date.String()+" on the safeguarded account "+why))
	}
	for i := range o.Networks {
		n := &o.Networks[i]
		if !n.names(e.references, e.text) {
			continue
		}
		dates := n.fundingDates(e.references, e.text)
		switch {
		case len(dates) == 0:
			return unplaced("names " + n.Name + " and no business day: ask the network for which day it is")
		case e.currency != n.Currency:
			return unplaced("is in another currency than the clearing of " + n.Name)
		}
		parts, missing, err := o.parts(ctx, n, dates, e.signed())
		if err != nil {
			return false, nil, err
		}
		if parts == nil {
			return false, &waitsFor{n.Name, missing}, nil
		}
		return o.placeParts(ctx, n, dates, parts, e, unplaced)
	}
	return unplaced("is neither a payout nor a network's money: find out what it is")
}

// placeParts books what an entry pays for each of its days.
func (o *Office) placeParts(ctx context.Context, n *Network, dates []calendar.Date, parts []int64, e *entry,
	unplaced func(string) (bool, *waitsFor, error)) (bool, *waitsFor, error) {
	taken := false
	for i, d := range dates {
		day, err := o.day(ctx, n, d)
		if err != nil {
			return taken, nil, err
		}
		switch {
		case slices.Contains(day.Entries, e.name):
			continue
		case day.State == settlement.DayClosed:
			return unplaced("pays for " + n.Name + " of " + d.String() + ", a day that is closed: ask the network what it is for")
		}
		if err := o.fund(ctx, Hearing, n.Name, d, &settlement.Funding{Entry: e.name, Amount: parts[i], At: e.at}); err != nil {
			return taken, nil, err
		}
		taken = true
	}
	return taken, nil, nil
}

// witness keeps what a file tells of merchants' accounts as evidence: an entry
// there proves that money arrived.
func (o *Office) witness(ctx context.Context, set *evidence.Set, t *told, own map[string]owner) error {
	var facts []payment.Evidence
	for _, r := range slices.Concat(t.entries, t.statements) {
		if who := own[set.Text(r, evidence.Account)]; who.mid != "" {
			facts = append(facts, masked(set, r, who.mid))
		}
	}
	if len(facts) == 0 {
		return nil
	}
	o.reach(Hearing, BeforeCommit)
	if err := o.Keeper.Witness(ctx, facts); err != nil {
		return err
	}
	o.reach(Hearing, AfterCommit)
	return nil
}

// notOurs tells whose accounts a file is about: nobody's here.
func notOurs(accounts []string) fault.Text {
	return fault.Say("it is about an account that is neither ours nor a merchant's (%s)", "文件涉及的账户既不是我方账户，也不是商户账户（%s）", tails(accounts))
}

func strange(b *Bank, accounts []string, now time.Time) []payment.Exception {
	var list []payment.Exception
	for _, a := range accounts {
		list = append(list, except(ExceptionAccount, b.Name+"/"+tokenOf(a), "bank/"+b.Name, now, 0, moneyless,
			"the bank sent a statement of account "+tails([]string{a})+", which is neither ours nor a merchant's"))
	}
	return list
}
