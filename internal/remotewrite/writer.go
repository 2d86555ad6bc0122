// Package remotewrite pushes metrics to a receiver of Prometheus Remote Write,
// for agents that nobody can scrape.
//
// A Writer collects what a Gatherer gives at an interval, puts it into a queue
// that outlasts outages, restarts and kills, and delivers it in order: in
// version 2.0 of the protocol, or in 1.0 to receivers that know no more. A sample
// is delivered at least once; one that is delivered twice is the same sample, and
// receivers take it for one. When series end, they are told.
package remotewrite

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Writer pushes to one receiver.
type Writer struct {
	options  Options
	gatherer prometheus.Gatherer
	log      *slog.Logger

	queue   *queue
	client  *client
	encoder *encoder
	ended   *staleness
	last    time.Time     // of the samples of the last collection
	ending  chan struct{} // closed when nothing is collected any more

	mu         sync.Mutex
	stats      Stats
	muted      time.Time // until when failures are not logged again
	complained bool      // about an outage that lasts
}

// Stats are what became of the samples, since the Writer was made. Collected
// samples are sent, rejected, dropped or in the backlog; the backlog at the start
// adds to it.
type Stats struct {
	Collected int64 // put into the queue
	Sent      int64 // taken by the receiver
	Rejected  int64 // refused by the receiver for good
	Dropped   int64 // the oldest, when the queue was full
	Damaged   int64 // could not be read back
	Retries   int64 // requests that failed and were tried again

	Backlog      int64 // samples that wait
	BacklogBytes int64 // that they take
	BacklogLimit int64 // bytes that they may take
	Oldest       time.Time
	LastSent     time.Time // when the receiver last took samples; zero: never
	Protocol     Protocol  // in use
}

// New makes a Writer and opens its queue; Run must follow, which closes it. The
// user agent names this program to the receiver.
func New(o Options, g prometheus.Gatherer, userAgent string, log *slog.Logger) (*Writer, error) {
	if err := o.Validate(); err != nil {
		return nil, fmt.Errorf("remote write: %w", err)
	}
	o = o.WithDefaults()
	log = log.With("receiver", o.Name)
	c, err := newClient(o, userAgent)
	if err != nil {
		return nil, err
	}
	q, err := openQueue(o.QueueDir, o.QueueBytes, log)
	if err != nil {
		return nil, err
	}
	return &Writer{
		options: o, gatherer: g, log: log,
		queue: q, client: c, encoder: newEncoder(o.SamplesPerSend), ended: newStaleness(),
		ending: make(chan struct{}),
		stats:  Stats{Protocol: c.speaks, BacklogLimit: o.QueueBytes},
	}, nil
}

// Name is that of the receiver, as metrics and logs call it.
func (w *Writer) Name() string { return w.options.Name }

// Stats may be called from any goroutine at any time.
func (w *Writer) Stats() Stats {
	b := w.queue.backlog()
	dropped, damaged := w.queue.dropped()
	w.mu.Lock()
	defer w.mu.Unlock()
	s := w.stats
	s.Dropped, s.Damaged = dropped, s.Damaged+damaged
	s.Backlog, s.BacklogBytes, s.Oldest = b.samples, b.bytes, b.oldest
	return s
}

// Run collects and delivers until ctx is done. Then it collects a last time,
// says that all series have ended, and gives delivery the grace time; what is
// left stays in the queue's folder.
func (w *Writer) Run(ctx context.Context) {
	delivery, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	delivered := make(chan struct{})
	go func() {
		defer close(delivered)
		w.deliver(delivery)
	}()

	w.collectEvery(ctx)
	close(w.ending)
	grace := time.NewTimer(w.options.Grace)
	defer grace.Stop()
	select {
	case <-delivered:
	case <-grace.C:
		stop()
		<-delivered
	}
	w.queue.close()
	w.client.close()
}

func (w *Writer) collectEvery(ctx context.Context) {
	tick := time.NewTicker(w.options.Interval)
	defer tick.Stop()
	w.collect(time.Now())
	for {
		select {
		case <-tick.C:
			w.collect(time.Now())
		case <-ctx.Done():
			w.collect(time.Now())
			w.endAll(time.Now())
			return
		}
	}
}

// collect puts one gathering into the queue. Its samples all have the time at.
func (w *Writer) collect(at time.Time) {
	families, err := w.gatherer.Gather()
	if err != nil { // what could be gathered is good all the same
		w.log.Error("remote write could not gather all metrics", "error", err)
	}
	at = w.later(at)
	f := flattening{
		external: w.externalLabels(),
		native:   w.options.NativeHistograms, exemplars: w.options.Exemplars,
		since: w.last, at: at.UnixMilli(),
	}
	for _, family := range families {
		f.add(family)
	}
	w.last = at
	w.enqueue(append(f.out, w.ended.advance(f.out, f.at)...))
}

// endAll ends every series of the last collection.
func (w *Writer) endAll(at time.Time) {
	w.last = w.later(at)
	w.enqueue(w.ended.advance(nil, w.last.UnixMilli()))
}

// later keeps two collections from having the same millisecond, in which a
// series can have one sample only. A clock that was set back is left alone: what
// it says is what the receiver has to judge.
func (w *Writer) later(at time.Time) time.Time {
	if at.UnixMilli() == w.last.UnixMilli() {
		return at.Add(time.Millisecond)
	}
	return at
}

func (w *Writer) enqueue(all []series) {
	batches, err := w.encoder.encode(all)
	if err != nil {
		w.log.Error("remote write could not encode samples", "error", err)
		return
	}
	w.count(func(s *Stats) { s.Collected += int64(len(all)) })
	w.queue.push(batches)
}

func (w *Writer) externalLabels() []string {
	var pairs []string
	for name, value := range w.options.ExternalLabels {
		pairs = append(pairs, name, value)
	}
	return pairs
}

// deliver sends what is in the queue, in order, until ctx is done, or until
// the queue is empty and nothing more will come.
func (w *Writer) deliver(ctx context.Context) {
	for {
		for ctx.Err() == nil {
			next, waiting := w.queue.head()
			if !waiting {
				break
			}
			w.send(ctx, next)
		}
		select {
		case <-w.queue.ready:
		case <-w.ending:
			if _, waiting := w.queue.head(); !waiting {
				return
			}
		case <-ctx.Done():
			return
		}
	}
}

// send sends one batch until its fate is known, or it is dropped, or ctx is done.
func (w *Writer) send(ctx context.Context, next held) {
	plain, err := message(next.payload)
	if err != nil {
		w.loseDamaged(next, err)
		return
	}
	attempt, giveUp := context.WithCancel(ctx)
	defer giveUp()
	err = w.client.write(attempt, plain, func(err error) {
		w.retrying(err)
		if !w.queue.holds(next.id) {
			giveUp()
		}
	})
	w.count(func(s *Stats) { s.Protocol = w.client.speaks })

	var refused *refusal
	switch {
	case err == nil:
		if w.queue.done(next.id) {
			w.sent(next.samples, 0)
		}
	case errors.As(err, &refused):
		if w.queue.done(next.id) {
			w.sent(refused.written, next.samples-refused.written)
		}
		w.complain("remote write was refused, the samples are lost", "status", refused.status, "answer", refused.message, "samples", next.samples-refused.written)
	case attempt.Err() == nil:
		w.loseDamaged(next, err)
	}
}

func (w *Writer) sent(taken, refused int) {
	w.count(func(s *Stats) {
		s.Sent += int64(taken)
		s.Rejected += int64(refused)
		if taken > 0 {
			s.LastSent = time.Now()
		}
	})
	if refused == 0 {
		w.recovered()
	}
}

// loseDamaged drops a batch that passed its check and is not a message all the
// same.
func (w *Writer) loseDamaged(lost held, err error) {
	if w.queue.done(lost.id) {
		w.count(func(s *Stats) { s.Damaged += int64(lost.samples) })
	}
	w.log.Error("remote write lost samples that cannot be read", "error", err, "samples", lost.samples)
}

func (w *Writer) retrying(err error) {
	w.count(func(s *Stats) { s.Retries++ })
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		err = wrapped.Err // without the URL, whose query may hold a token
	}
	b := w.queue.backlog()
	w.complain("remote write cannot deliver, samples wait", "error", err, "backlog_samples", b.samples, "oldest", b.oldest)
}

// complain logs a failure, and then none for a minute: an outage is one thing to
// say, not one per request.
func (w *Writer) complain(text string, facts ...any) {
	w.mu.Lock()
	silent := time.Now().Before(w.muted)
	if !silent {
		w.muted, w.complained = time.Now().Add(time.Minute), true
	}
	w.mu.Unlock()
	if !silent {
		w.log.Warn(text, facts...)
	}
}

// recovered says that an outage that was complained about is over.
func (w *Writer) recovered() {
	w.mu.Lock()
	was := w.complained
	w.complained = false
	w.mu.Unlock()
	if was {
		w.log.Info("remote write delivers again", "backlog_samples", w.queue.backlog().samples)
	}
}

func (w *Writer) count(change func(*Stats)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	change(&w.stats)
}
