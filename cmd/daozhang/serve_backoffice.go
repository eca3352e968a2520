package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"

	"daozhang/internal/backoffice"
	"daozhang/internal/calendar"
	"daozhang/internal/fault"
	"daozhang/internal/format/bank"
	"daozhang/internal/merchant"
	"daozhang/internal/money"
	"daozhang/internal/payment"
	"daozhang/internal/settlement"
	"daozhang/internal/store/jobs"
)

// networkConfig is a card network that clears.
type networkConfig struct {
	Name     string `koanf:"name"`
	Currency string `koanf:"currency"`
	Zone     string `koanf:"zone"`
	// Cutoff ends its card day: 23:00; midnight where not said.
	Cutoff string `koanf:"cutoff"`
	// Clearing is the folder where its files come.
	Clearing string `koanf:"clearing"`
}

// payerConfig is a bank that pays merchants out of the safeguarded account.
type payerConfig struct {
	Name     string `koanf:"name"`
	Currency string `koanf:"currency"`
	Zone     string `koanf:"zone"`
	// Account is the safeguarded account; Agent the bank's BIC or CNAPS number.
	Account struct {
		Name   string `koanf:"name"`
		Number string `koanf:"number"`
		Agent  string `koanf:"agent"`
	} `koanf:"account"`
	// Folder holds orders, replies and statements; Payees is where the statements of
	// merchants' accounts come, if they do.
	Folder string `koanf:"folder"`
	Payees string `koanf:"payees"`
	// Limit is the bank's for one payment, in minor units; 0: none known.
	Limit int64 `koanf:"limit"`
	// TakesAway: files vanish from orders once the bank has fetched them.
	TakesAway bool `koanf:"takes_away"`
}

// accountConfig is where a merchant is paid to. It is sealed when it is first read
// and compared by its token after.
type accountConfig struct {
	Number string `koanf:"number"`
	Holder string `koanf:"holder"`
	Bank   string `koanf:"bank"`
	Agent  string `koanf:"agent"`
}

// officeConfig says when the back office works.
type officeConfig struct {
	Zone string `koanf:"zone"`
	// Advice is the folder of the merchants' settlement files.
	Advice       string        `koanf:"advice"`
	SettleAt     string        `koanf:"settle_at"`
	SameDayEvery time.Duration `koanf:"same_day_every"`
	DeclareAfter time.Duration `koanf:"declare_after"`
	RetryAfter   time.Duration `koanf:"retry_after"`
	RetryMost    int           `koanf:"retry_most"`
	CloseAfter   int           `koanf:"close_after"`
	// AnswerWithin, AskFirst, AskMost, LastArrival and CreditWithin are settlement.Policy's.
	AnswerWithin time.Duration `koanf:"answer_within"`
	AskFirst     time.Duration `koanf:"ask_first"`
	AskMost      time.Duration `koanf:"ask_most"`
	LastArrival  time.Duration `koanf:"last_arrival"`
	CreditWithin int           `koanf:"credit_within"` // bank days
	// T0Days and T0Trade are merchant.T0Rule's.
	T0Days  int `koanf:"t0_days"`
	T0Trade int `koanf:"t0_trading_days"`
	// Sweep is the time between looks for what waits, Workers how many jobs run at
	// once, Attempts how often one is tried.
	Sweep    time.Duration `koanf:"sweep"`
	Workers  int           `koanf:"workers"`
	Attempts int           `koanf:"attempts"`
}

// officeSettings are the defaults of officeConfig.
var officeSettings = []setting{
	{"backoffice.zone", "Asia/Shanghai"}, {"backoffice.advice", ""}, {"backoffice.settle_at", "09:00"}, {"backoffice.same_day_every", "5m"},
	{"backoffice.declare_after", "10m"}, {"backoffice.retry_after", "1h"}, {"backoffice.retry_most", 3}, {"backoffice.close_after", 60},
	{"backoffice.answer_within", "30m"}, {"backoffice.ask_first", "5m"}, {"backoffice.ask_most", "2h"}, {"backoffice.last_arrival", "24h"},
	{"backoffice.credit_within", 3},
	{"backoffice.t0_days", 90}, {"backoffice.t0_trading_days", 30},
	{"backoffice.sweep", "1m"}, {"backoffice.workers", 4}, {"backoffice.attempts", 20},
}

// hasOffice reports whether there is anybody to exchange files with.
func (c *serveConfig) hasOffice() bool { return len(c.Networks)+len(c.Banks) > 0 }

// office is the back office at work: what it does, and the jobs that do it.
type office struct {
	p      *platform
	work   *backoffice.Office
	jobs   *jobs.Queue
	runner atomic.Pointer[jobs.Runner]

	mu      sync.Mutex
	counted time.Time
	payouts map[settlement.PayoutState]int
}

// openOffice opens the back office of a configuration, and takes its merchants on;
// nil where it names neither networks nor banks.
func (p *platform) openOffice(ctx context.Context) (*office, error) {
	if !p.c.hasOffice() {
		return nil, nil
	}
	work, err := p.backOffice()
	if err != nil {
		return nil, err
	}
	if _, err := jobs.Migrate(ctx, p.c.Database, false); err != nil {
		return nil, err
	}
	o := &office{p: p, work: work}
	if err := o.takeOn(ctx, p.c); err != nil {
		return nil, err
	}
	if o.jobs, err = jobs.Open(ctx, p.c.Database); err != nil {
		return nil, err
	}
	return o, nil
}

func (o *office) close() {
	if o != nil {
		o.jobs.Close()
	}
}

// backOffice reads the configuration of the back office.
func (p *platform) backOffice() (*backoffice.Office, error) {
	c := &p.c.BackOffice
	w := &backoffice.Office{Keeper: p.db, Vault: accountVault{p.keys}, Now: p.m.Now, Policy: settlement.DefaultPolicy(), Merchants: merchant.DefaultPolicy(),
		Calendars: calendar.Builtin, Reached: backofficeReached,
		Times: backoffice.Times{SameDayEvery: c.SameDayEvery, RetryAfter: c.RetryAfter, RetryMost: c.RetryMost, CloseAfter: c.CloseAfter, DeclareAfter: c.DeclareAfter}}
	w.Policy.AnswerWithin, w.Policy.AskFirst, w.Policy.AskMost, w.Policy.LastArrival, w.Policy.CreditWithin = c.AnswerWithin, c.AskFirst, c.AskMost, c.LastArrival, c.CreditWithin
	w.Merchants.T0 = merchant.T0Rule{OnboardedDays: c.T0Days, TradingDays: c.T0Trade}
	var err error
	if w.Zone, err = calendar.Location(c.Zone); err != nil {
		return nil, wrongOffice("backoffice.zone", err)
	}
	if w.Times.SettleAt, err = clockTime(c.SettleAt); err != nil {
		return nil, wrongOffice("backoffice.settle_at", err)
	}
	if c.Advice != "" {
		w.Advice = backoffice.Dir(c.Advice)
	}
	for i := range p.c.Networks {
		n, err := p.c.Networks[i].network(w.Zone)
		if err != nil {
			return nil, wrongOffice("network "+p.c.Networks[i].Name, err)
		}
		w.Networks = append(w.Networks, n)
	}
	for i := range p.c.Banks {
		b, err := p.c.Banks[i].bank(w.Zone)
		if err != nil {
			return nil, wrongOffice("bank "+p.c.Banks[i].Name, err)
		}
		w.Banks = append(w.Banks, b)
	}
	return w, nil
}

func wrongOffice(subject string, err error) error {
	return fault.New(fault.Usage, "read the configuration", subject, err, "")
}

func (x *networkConfig) network(zone *time.Location) (n backoffice.Network, err error) {
	if x.Name == "" || x.Clearing == "" {
		return n, errors.New("a network has a name and a folder, clearing")
	}
	n = backoffice.Network{Name: x.Name, Zone: zone, Clearing: backoffice.Dir(x.Clearing)}
	if n.Currency, err = money.ParseCurrency(x.Currency); err != nil {
		return n, err
	}
	if n.Cutoff, err = clockTime(x.Cutoff); err != nil {
		return n, err
	}
	if x.Zone != "" {
		n.Zone, err = calendar.Location(x.Zone)
	}
	return n, err
}

func (x *payerConfig) bank(zone *time.Location) (b backoffice.Bank, err error) {
	if x.Name == "" || x.Folder == "" || x.Account.Number == "" || x.Account.Name == "" {
		return b, errors.New("a bank has a name, a folder, and the safeguarded account with its name and number")
	}
	f := backoffice.Dir(x.Folder)
	b = backoffice.Bank{Name: x.Name, Zone: zone, MostPerPayout: x.Limit, TakesAway: x.TakesAway,
		Account: bank.Party{Name: x.Account.Name, Account: x.Account.Number, Agent: bank.AgentOf(x.Account.Agent, x.Name)},
		Orders:  f.Sub("orders"), Replies: f.Sub("replies"), Statements: f.Sub("statements")}
	if x.Payees != "" {
		b.Payees = backoffice.Dir(x.Payees)
	}
	if b.Currency, err = money.ParseCurrency(x.Currency); err != nil {
		return b, err
	}
	if x.Zone != "" {
		b.Zone, err = calendar.Location(x.Zone)
	}
	return b, err
}

// clockTime reads a time of day as what has passed since midnight.
func clockTime(s string) (time.Duration, error) {
	m, err := minutes(s)
	return time.Duration(m) * time.Minute, err
}

// Who acts where the configuration does.
const (
	byConfiguration = "configuration"
	byDevelopment   = "development"
)

// takeOn brings the merchants of a configuration on record: those that are not
// there begin with it, and their first terms and account are proposed. Somebody has
// to approve them; with --dev that is done too. Later changes are for people.
func (o *office) takeOn(ctx context.Context, c *serveConfig) error {
	for i := range c.Merchants {
		x := &c.Merchants[i]
		err := o.onboard(ctx, x)
		if err == nil && len(x.Terms) > 0 {
			err = o.firstTerms(ctx, x)
		}
		if err == nil && x.Account.Number != "" {
			err = o.firstAccount(ctx, x)
		}
		if err != nil {
			return fmt.Errorf("merchant %s: %w", x.MID, err)
		}
	}
	return nil
}

func (o *office) onboard(ctx context.Context, x *merchantConfig) error {
	_, err := o.work.Keeper.MerchantRecord(ctx, x.MID)
	if err == nil || fault.KindOf(err) != fault.NotFound {
		return err
	}
	currency, err := money.ParseCurrency(x.Currency)
	if err != nil {
		return err
	}
	now := o.work.Now()
	d := merchant.Details{MID: x.MID, Name: x.Name, MCC: x.MCC, Currency: currency, Onboarded: calendar.DateIn(now, o.work.Zone)}
	if len(x.Terms) > 0 {
		t, err := x.agreedFrom(d.Onboarded)
		if err != nil {
			return err
		}
		d.Onboarded = min(d.Onboarded, t.ValidFrom)
	}
	made, err := merchant.Onboard(now, byConfiguration, d)
	if err != nil {
		return err
	}
	if err := o.work.Keeper.CommitMerchant(ctx, &made); err != nil && !errors.Is(err, payment.ErrRefused) {
		return err // refused: another node was first
	}
	return nil
}

// errNothing ends a change that has nothing to change.
var errNothing = errors.New("nothing to do")

// propose has something proposed, unless make finds that nothing is needed, and
// approved where that is for development.
func (o *office) propose(ctx context.Context, mid string, subject merchant.Subject, make func(*merchant.Merchant, *merchant.Policy) (merchant.Change, error)) error {
	made, err := o.work.Change(ctx, mid, func(m *merchant.Merchant, pol *merchant.Policy) (merchant.Change, error) {
		for i := range m.Proposals {
			if m.Proposals[i].Subject == subject {
				return merchant.Change{}, errNothing
			}
		}
		return make(m, pol)
	})
	if err == nil && o.p.dev {
		number := made.Merchant.Proposed
		_, err = o.work.Change(ctx, mid, func(m *merchant.Merchant, pol *merchant.Policy) (merchant.Change, error) {
			return m.Approve(o.work.Now(), byDevelopment, number, pol, merchant.Trade{})
		})
	}
	if errors.Is(err, errNothing) {
		return nil
	}
	return err
}

func (o *office) firstTerms(ctx context.Context, x *merchantConfig) error {
	t, err := x.agreedFrom(calendar.DateIn(o.work.Now(), o.work.Zone))
	if err != nil {
		return err
	}
	return o.propose(ctx, x.MID, merchant.OnTerms, func(m *merchant.Merchant, pol *merchant.Policy) (merchant.Change, error) {
		if len(m.Terms) > 0 {
			return merchant.Change{}, errNothing
		}
		return m.ProposeTerms(o.work.Now(), byConfiguration, t, "the terms of the configuration", pol, merchant.Trade{})
	})
}

func (o *office) firstAccount(ctx context.Context, x *merchantConfig) error {
	a := &x.Account
	sealed, err := accountVault{o.p.keys}.Seal(a.Number, backoffice.AccountContext(x.MID))
	if err != nil {
		return err
	}
	account := merchant.NewAccount(a.Number, sealed, a.Holder, a.Bank, a.Agent)
	err = o.propose(ctx, x.MID, merchant.OnAccount, func(m *merchant.Merchant, pol *merchant.Policy) (merchant.Change, error) {
		if len(m.Accounts) > 0 {
			return merchant.Change{}, errNothing
		}
		return m.ProposeAccount(o.work.Now(), byConfiguration, account, "the account of the configuration", pol)
	})
	if err != nil || !o.p.dev {
		return err
	}
	_, err = o.work.Change(ctx, x.MID, func(m *merchant.Merchant, _ *merchant.Policy) (merchant.Change, error) {
		if n := len(m.Accounts); n == 0 || m.Accounts[n-1].Token != account.Token || !m.Accounts[n-1].Verified.IsZero() {
			return merchant.Change{}, errNothing
		}
		return m.VerifyAccount(o.work.Now(), byDevelopment, account.Token, "document")
	})
	if errors.Is(err, errNothing) {
		return nil
	}
	return err
}

// agreedFrom is agreed for terms that hold from a day on where they do not say.
func (x *merchantConfig) agreedFrom(day calendar.Date) (merchant.Terms, error) {
	t, err := x.agreed()
	if t.ValidFrom == calendar.None {
		t.ValidFrom = day
	}
	return t, err
}

// agreed reads the terms of a configured merchant, whose names are those of the
// contract, as merchant.Terms has them.
func (x *merchantConfig) agreed() (merchant.Terms, error) {
	given := map[string]any{"timezone": x.Zone, "cutoff": x.Cutoff}
	for k, v := range x.Terms {
		if t, ok := v.(time.Time); ok { // YAML reads a date that is not quoted as a moment
			v = t.Format(time.DateOnly)
		}
		given[k] = v
	}
	var t struct {
		ValidFrom     calendar.Date  `json:"valid_from"`
		Cycle         string         `json:"cycle"`
		Cutoff        string         `json:"cutoff"`
		Timezone      string         `json:"timezone"`
		Calendar      string         `json:"calendar"`
		Capture       string         `json:"capture"`
		PayoutBy      string         `json:"payout_by"`
		T0Minutes     int            `json:"t0_minutes"`
		CreditDays    int            `json:"credit_days"`
		Fees          []merchant.Fee `json:"fees"`
		FeeMode       string         `json:"fee_mode"`
		MinimumPayout int64          `json:"minimum_payout"`
		PreauthDays   int            `json:"preauth_days"`
	}
	t.ValidFrom = calendar.None
	b, err := json.Marshal(given)
	if err == nil {
		err = json.Unmarshal(b, &t)
	}
	if err != nil {
		return merchant.Terms{}, fault.New(fault.Usage, "read", "terms of "+x.MID, err, "the names are those of merchant.terms in the evidence contract")
	}
	if t.Cutoff == "" {
		t.Cutoff = "24:00"
	}
	return merchant.Terms{ValidFrom: t.ValidFrom, Cycle: t.Cycle, Cutoff: t.Cutoff, Timezone: t.Timezone, Calendar: t.Calendar, Capture: t.Capture,
		PayoutBy: t.PayoutBy, T0Minutes: t.T0Minutes, CreditDays: t.CreditDays, Fees: t.Fees, FeeMode: t.FeeMode, MinimumPayout: t.MinimumPayout,
		PreauthDays: t.PreauthDays}, nil
}

// run does the jobs of the back office until ctx ends, then waits for those that
// run. What keeps it from running, such as a database that is away, is tried again:
// payments are taken meanwhile.
func (o *office) run(ctx context.Context) {
	if o == nil {
		return
	}
	for pause := time.Second; ; pause = min(2*pause, time.Minute) {
		err := o.runOnce(ctx)
		if ctx.Err() != nil {
			if err != nil {
				o.p.log.Error("jobs not brought to their end", "error", err)
			}
			return
		}
		o.p.log.Error("back office does not run; it begins again", "error", err, "in", pause)
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
	}
}

func (o *office) runOnce(ctx context.Context) error {
	c := &o.p.c.BackOffice
	work := map[jobs.Kind]jobs.Work{}
	for _, k := range backoffice.Kinds() {
		urgent := k == backoffice.Dispatching || k == backoffice.Inquiry || k == backoffice.Hearing || k == backoffice.Following
		work[jobs.Kind(k)] = jobs.Work{Do: o.do, Urgent: urgent, Attempts: c.Attempts}
	}
	r, err := jobs.NewRunner(o.jobs, jobs.Options{Node: o.p.c.Node, Work: work, Plan: o.plan, Now: o.work.Now, Failed: o.failed,
		Every: c.Sweep, Workers: c.Workers, Drain: o.p.c.Drain, Log: o.p.log})
	if err != nil {
		return err
	}
	o.runner.Store(r)
	return r.Run(ctx)
}

// plan gives what waits in the books as jobs.
func (o *office) plan(ctx context.Context) ([]jobs.Request, error) {
	tasks, err := o.work.Sweep(ctx)
	requests := make([]jobs.Request, 0, len(tasks))
	for i := range tasks {
		r, e := requestOf(&tasks[i])
		if e != nil {
			return requests, e
		}
		requests = append(requests, r)
	}
	return requests, err
}

// do does the task of a job and says what came of it.
func (o *office) do(ctx context.Context, j jobs.Job) (fault.Text, error) {
	var t backoffice.Task
	if err := json.Unmarshal(j.Task, &t); err != nil {
		return fault.Text{}, fault.New(fault.Invalid, fault.Say("read task", "读取任务内容"), j.Key, err, fault.Text{})
	}
	var tally backoffice.Tally
	var err error
	switch t.Kind {
	case backoffice.Import:
		tally, err = o.work.ImportClearing(ctx, t.Network)
	case backoffice.Hearing:
		tally, err = o.work.Hear(ctx, t.Bank)
	default:
		return fault.Say("done", "已完成"), o.work.Do(ctx, t)
	}
	if err != nil || tally.Files == 0 {
		return fault.Text{}, err
	}
	return fault.Say("%d files: %d taken, %d refused, %d waiting", "%d 个文件：%d 个已入账，%d 个被拒，%d 个等待", tally.Files, tally.Taken, tally.Refused, tally.Waiting), nil
}

// exceptionJob is a job that failed for good: a person has to see why, and retry it
// or give it up.
const exceptionJob = "job_failed"

// jobSpace is the name space of the identities of such exceptions.
var jobSpace = uuid.MustParse("b1f7a6de-52a5-5d0b-8a43-0c6f2f1d9c55")

// failed opens an exception for every job that failed for good, and resolves those
// of jobs that are not among them any more.
func (o *office) failed(ctx context.Context, failed []jobs.Job) error {
	open, err := o.work.Keeper.OpenExceptions(ctx, settlement.House)
	if err != nil {
		return err
	}
	known := map[payment.ID]payment.Exception{}
	for _, x := range open {
		if x.Kind == exceptionJob {
			known[x.ID] = x
		}
	}
	now := o.work.Now()
	s := &settlement.Step{}
	s.MID, s.At = settlement.House, now
	for i := range failed {
		j := &failed[i]
		id := uuid.NewSHA1(jobSpace, []byte(string(j.Kind)+"\x00"+j.Key))
		if _, is := known[id]; is {
			delete(known, id)
			continue
		}
		s.Exceptions = append(s.Exceptions, payment.Exception{ID: id, MID: settlement.House, Kind: exceptionJob, Owner: "platform", Opened: now,
			Detail: fmt.Sprintf("job %d, %s, failed after %d attempts: %s", j.ID, j.Key, j.Attempts, strings.TrimSuffix(j.Said.EN, "."))})
	}
	for _, x := range known {
		x.State, x.Closed = payment.ExceptionResolved, now
		s.Exceptions = append(s.Exceptions, x)
	}
	if len(s.Exceptions) == 0 {
		return nil
	}
	return o.work.Keeper.CommitSettlement(ctx, s)
}

var (
	descJobs      = described("jobs_total", "Attempts at jobs of the back office here, by what became of them.", "kind", "outcome")
	descInherited = described("jobs_inherited_total", "Jobs taken back from runners that died.")
	descQueue     = described("jobs", "Jobs that have not ended well, by kind and state.", "kind", "state")
	descOldest    = described("jobs_oldest_seconds", "For how long the oldest waiting job has been due.")
	descPayouts   = described("payouts", "Payouts that are not at an end, by state.", "state")
)

// underWay are the states of payouts that are not at an end.
var underWay = []settlement.PayoutState{settlement.Created, settlement.Stopped, settlement.Sent, settlement.Unknown, settlement.Accepted,
	settlement.Rejected, settlement.Returned}

// collect gives the metrics of the back office.
func (o *office) collect(ctx context.Context, gauge, counter func(d *prometheus.Desc, v float64, labels ...string)) {
	if o == nil {
		return
	}
	if r := o.runner.Load(); r != nil {
		for _, x := range r.Outcomes() {
			counter(descJobs, float64(x.Done), string(x.Kind), "done")
			counter(descJobs, float64(x.Failed), string(x.Kind), "failed")
		}
		counter(descInherited, float64(r.Inherited()))
	}
	if counts, err := o.jobs.Counts(ctx); err == nil {
		oldest := 0.0
		for _, c := range counts {
			gauge(descQueue, float64(c.Jobs), string(c.Kind), string(c.State))
			if c.State == jobs.Waiting {
				oldest = max(oldest, time.Since(c.Oldest).Seconds())
			}
		}
		gauge(descOldest, oldest)
	}
	for state, n := range o.payoutCounts(ctx) {
		gauge(descPayouts, float64(n), state.String())
	}
}

// payoutCounts counts payouts, a few times between two sweeps at most: each is read.
func (o *office) payoutCounts(ctx context.Context) map[settlement.PayoutState]int {
	o.mu.Lock()
	defer o.mu.Unlock()
	if time.Since(o.counted) < o.p.c.BackOffice.Sweep/4 {
		return o.payouts
	}
	counts := map[settlement.PayoutState]int{}
	for _, s := range underWay {
		counts[s] = 0
	}
	for x, err := range o.work.Keeper.PayoutsIn(ctx, underWay...) {
		if err != nil {
			return o.payouts
		}
		counts[x.State]++
	}
	o.payouts, o.counted = counts, time.Now()
	return counts
}

// developOffice adds a network and a bank that exchange files in a folder, in which
// `daozhang bank --folder` works.
func (c *serveConfig) developOffice(folder string) {
	if folder == "" && !strings.Contains(c.Database, "://") {
		folder = filepath.Join(c.Database, "bank")
	}
	if c.hasOffice() || folder == "" {
		return
	}
	c.Networks = []networkConfig{{Name: "UnionPay", Currency: "CNY", Clearing: filepath.Join(folder, "clearing")}}
	b := payerConfig{Name: "CUSTODY", Currency: "CNY", Folder: folder, Payees: filepath.Join(folder, "payees")}
	b.Account.Name, b.Account.Number, b.Account.Agent = "Example Acquiring", "110900000000001234", "CSTDCNBJ"
	c.Banks = []payerConfig{b}
	o := &c.BackOffice
	if o.Advice == "" {
		o.Advice = filepath.Join(folder, "advice")
	}
	o.T0Days, o.T0Trade = 0, 0
	o.Sweep, o.SameDayEvery = min(o.Sweep, 2*time.Second), min(o.SameDayEvery, 15*time.Second)
}
