package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/lakeflow/lakeflow/dsl/diag"
	"github.com/lakeflow/lakeflow/engine/event"
)

// status is what a continuous update tells over HTTP: /metrics for Prometheus, /healthz while the process works at all,
// /readyz while its last attempt at a batch succeeded, and no sink is away. A nil *status tells nobody.
type status struct {
	server  *http.Server
	unready atomic.Pointer[string] // why it is not ready; nil when it is

	rows, removed, deadLetters, discarded, unreadable, files, bytes *prometheus.CounterVec // by table
	violations                                                      *prometheus.CounterVec // by table and rule
	published                                                       *prometheus.CounterVec // by sink
	batches, retries                                                prometheus.Counter
	stages                                                          *prometheus.HistogramVec
	lagRecords, lagSeconds                                          *prometheus.GaugeVec // by source
	committed                                                       prometheus.Gauge

	mu   sync.Mutex
	lags map[string]event.Source // of the last batch that read the source
	read map[string]bool         // sources that a batch read since nothing was under way
}

// serveStatus begins to listen. The caller ends it with close.
func serveStatus(address string) (*status, error) {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listen for /metrics: %w; choose another address with --listen", err)
	}
	s := &status{lags: map[string]event.Source{}, read: map[string]bool{}}
	s.wait("the update has not begun yet: it opens its sources")
	registry := prometheus.NewRegistry()
	s.register(registry)
	mux := http.NewServeMux()
	metrics := promhttp.HandlerFor(registry, promhttp.HandlerOpts{})
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, r *http.Request) {
		s.measureLags()
		metrics.ServeHTTP(w, r)
	})
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if why := s.unready.Load(); why != nil {
			http.Error(w, diag.Visible(*why), http.StatusServiceUnavailable)
			return
		}
		_, _ = fmt.Fprintln(w, "ok")
	})
	s.server = &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = s.server.Serve(listener) }() // it ends with close
	return s, nil
}

func (s *status) wait(reason string) { s.unready.Store(&reason) }

// ready holds but for sinks that are away.
func (s *status) ready(away string) {
	if away != "" {
		s.wait("a sink is away: " + away)
		return
	}
	s.unready.Store(nil)
}

// close stops serving.
func (s *status) close() error {
	if s == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if err := s.server.Shutdown(ctx); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("stop serving /metrics: %w", err)
	}
	return nil
}

func (s *status) register(r *prometheus.Registry) {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		c := prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "lakeflow", Name: name, Help: help}, labels)
		r.MustRegister(c)
		return c
	}
	gauge := func(name, help string, labels ...string) *prometheus.GaugeVec {
		g := prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: "lakeflow", Name: name, Help: help}, labels)
		r.MustRegister(g)
		return g
	}
	s.rows = counter("rows_written_total", "Rows written to a table.", "table")
	s.removed = counter("rows_removed_total", "Rows that changes took out of a table, or replaced by written ones.", "table")
	s.deadLetters = counter("rows_dead_lettered_total", "Rows that broke a drop rule and became dead letters.", "table")
	s.discarded = counter("rows_discarded_total", "Rows that broke a drop rule of a table without dead letters.", "table")
	s.unreadable = counter("records_unreadable_total", "Records that could not be read.", "table")
	s.files = counter("files_written_total", "Data files written.", "table")
	s.bytes = counter("bytes_written_total", "Bytes of the data files written.", "table")
	s.violations = counter("rule_failures_total", "Rows that violated an expectation.", "table", "rule")
	s.published = counter("rows_published_total", "Rows published to a sink.", "sink")
	s.batches = counter("batches_total", "Batches committed.").WithLabelValues()
	s.retries = counter("retries_total", "Attempts at a batch, or at publishing to a sink, that failed and are tried again.").WithLabelValues()
	s.lagRecords = gauge("source_lag_records", "Records, or files, that wait in a source after the last batch.", "source")
	s.lagSeconds = gauge("source_lag_seconds", "How long the newest record of the last batch lies back while others wait.", "source")
	s.committed = gauge("last_commit_timestamp_seconds", "When the last batch was committed.").WithLabelValues()
	s.stages = prometheus.NewHistogramVec(prometheus.HistogramOpts{Namespace: "lakeflow", Name: "batch_stage_seconds",
		Help: "How long the parts of a batch took.", Buckets: prometheus.ExponentialBuckets(0.001, 2, 16)}, []string{"stage"})
	r.MustRegister(s.stages, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
}

// count takes in one event of the update.
func (s *status) count(e event.Event) {
	if s == nil {
		return
	}
	switch e := e.(type) {
	case event.Waiting:
		s.wait("waiting for the next attempt: " + e.Message)
		s.retries.Inc()
	case event.SinkUnavailable:
		s.wait("a sink is away: " + e.Message)
		s.retries.Inc()
	case event.SinkAvailable:
		s.ready(e.Unavailable)
	case event.Idle:
		s.ready(e.Unavailable)
		s.caughtUp()
	case event.Published:
		s.published.WithLabelValues(e.Sink.Sink).Add(float64(e.Rows))
	case event.Committed:
		s.batches.Inc()
		s.committed.SetToCurrentTime()
		s.stages.WithLabelValues("read").Observe(e.Stages.Read.Seconds())
		s.stages.WithLabelValues("evaluate").Observe(e.Stages.Evaluate.Seconds())
		s.stages.WithLabelValues("commit").Observe(e.Stages.Commit.Seconds())
		for _, t := range e.Tables {
			s.table(t)
		}
		for _, r := range e.Sources {
			s.lag(r)
		}
	}
}

func (s *status) table(t event.Table) {
	for counter, n := range map[*prometheus.CounterVec]int64{s.rows: t.Written, s.removed: t.Removed, s.deadLetters: t.DeadLettered, s.discarded: t.Discarded,
		s.unreadable: t.Unreadable, s.files: t.Files, s.bytes: t.Bytes} {
		counter.WithLabelValues(t.Table).Add(float64(n))
	}
	for _, r := range t.Rules {
		s.violations.WithLabelValues(t.Table, r.Name).Add(float64(r.Failed))
	}
}

func (s *status) lag(r event.Source) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lags[r.Source], s.read[r.Source] = r, true
}

// caughtUp notes that every source was asked, and nothing waits in those that gave nothing.
func (s *status) caughtUp() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for name, r := range s.lags {
		if !s.read[name] {
			r.Backlog = 0
			s.lags[name] = r
		}
	}
	clear(s.read)
}

// measureLags is for now: what waits gets older when no batch succeeds.
func (s *status) measureLags() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for name, r := range s.lags {
		seconds := 0.0
		if r.Backlog > 0 && !r.Newest.IsZero() {
			seconds = time.Since(r.Newest).Seconds()
		}
		s.lagRecords.WithLabelValues(name).Set(float64(r.Backlog))
		s.lagSeconds.WithLabelValues(name).Set(seconds)
	}
}
