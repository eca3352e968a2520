package main

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"daozhang/internal/evidence"
)

// meter reads the metrics from where they are kept whenever they are asked for.
type meter struct{ p *platform }

func described(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("daozhang_"+name, help, labels, nil)
}

var (
	descUp       = described("gateway_up", "1 while the gateway takes payments.")
	descOutcomes = described("payments_total", "Decisions by outcome since the gateway started.", "outcome")
	descUnder    = described("payments_under_way", "Work under way by stage: requests, flights, commits.", "stage")
	descOwed     = described("owed_to_networks", "Reversals and advices that no network has acknowledged.")
	descMemory   = described("transactions_in_memory", "Transactions in the gateway's memory.")
	descConns    = described("terminal_connections", "Connections of terminals now.")
	descFrames   = described("terminal_frames_total", "Frames from terminals, by what became of them.", "result")
	descLink     = described("link_state", "1 for the state that a link is in.", "link", "state")
	descLatency  = described("link_latency_seconds", "Mean time of a link's latest answers.", "link")
	descErrors   = described("link_error_ratio", "Share of a link's latest messages without a good answer.", "link")
	descFlying   = described("link_in_flight", "Messages of a link without an answer.", "link")
	descSteps    = described("store_steps_total", "Steps given to the store by result.", "result")
	descGroups   = described("store_groups_total", "Commits, each of a group of steps.")
	descLost     = described("store_connections_lost_total", "Connections to the database that were lost.")
	descParts    = described("parts_held", "Parts of the merchants, of 64, that this node decides for.")
	descPassed   = described("messages_passed_on_total", "Messages of terminals for another node, by what became of them.", "result")
	descFollowed = described("investigation_facts_total", "Facts that the continuous investigation has taken from the store.")
	descAsOf     = described("investigation_as_of_seconds", "The moment up to which the investigation answers, Unix time.")
)

// Describe gives nothing: what there is depends on what happened.
func (*meter) Describe(ch chan<- *prometheus.Desc) { ch <- descUp }

// Collect implements prometheus.Collector.
func (m *meter) Collect(ch chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	counter := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, v, labels...)
	}
	s := m.p.db.Stats()
	counter(descSteps, float64(s.Steps), "committed")
	counter(descSteps, float64(s.Refused), "refused")
	counter(descSteps, float64(s.Unknown), "unknown")
	counter(descGroups, float64(s.Groups))
	counter(descLost, float64(s.Lost))
	counter(descFollowed, float64(m.p.followed.Load()))
	gauge(descAsOf, float64(m.p.live.AsOf())/1e9)
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	m.p.office.collect(ctx, gauge, counter)
	g := m.p.gateway.Load()
	if g == nil {
		gauge(descUp, 0)
		return
	}
	n, err := g.Snapshot(ctx)
	if err != nil {
		gauge(descUp, 0)
		return
	}
	gauge(descUp, 1)
	for outcome, v := range n.Counters {
		counter(descOutcomes, float64(v), string(outcome))
	}
	gauge(descUnder, float64(n.Requests), "requests")
	gauge(descUnder, float64(n.Flights), "flights")
	gauge(descUnder, float64(n.Commits), "commits")
	gauge(descOwed, float64(n.Owed))
	gauge(descMemory, float64(n.Transactions))
	if m.p.division != nil {
		gauge(descParts, float64(len(n.Held.List())))
		counter(descPassed, float64(n.Relayed), "passed_on")
		counter(descPassed, float64(n.Undecided), "nobody_decides")
	}
	gauge(descConns, float64(n.Connections))
	counter(descFrames, float64(n.Frames), "read")
	counter(descFrames, float64(n.Garbage), "garbage")
	counter(descFrames, float64(n.Slow), "slow")
	counter(descFrames, float64(n.Refused), "refused")
	counter(descFrames, float64(n.Unsent), "unsent")
	counter(descFrames, float64(n.Unstated), "unencoded")
	for _, l := range n.Links {
		for _, state := range []evidence.State{evidence.Up, evidence.Degraded, evidence.Down} {
			is := 0.0
			if l.State == state {
				is = 1
			}
			gauge(descLink, is, l.Name, state.String())
		}
		gauge(descLatency, l.Latency.Seconds(), l.Name)
		gauge(descErrors, l.ErrorRate, l.Name)
		gauge(descFlying, float64(l.InFlight), l.Name)
	}
}
