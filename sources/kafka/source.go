package kafka

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/lakeflow/lakeflow/schemas"
	"github.com/lakeflow/lakeflow/sources"
	"github.com/lakeflow/lakeflow/sources/kafka/broker"
	"github.com/lakeflow/lakeflow/sources/records"
)

// Source reads the topics of one Config.
type Source struct {
	cfg     Config
	pattern *regexp.Regexp
	options []kgo.Opt // how brokers are reached
	records *records.Reader
	admin   *kgo.Client   // for questions; nil until the first one
	reader  *reader       // nil when nothing is read ahead
	known   schemas.Table // the columns that records are compared with as they come; nil: those that are declared
	// first is where the source reads from without a position. It is kept, as "latest" moves.
	first   offsets
	until   map[string]map[int32]int64 // where a source that is not continuous ends; nil before the first Next
	looked  time.Time                  // when the brokers were last asked for partitions
	notices []sources.Notice           // that the next batch tells: of gaps that were accepted, and of a pattern that matches nothing
	told    bool                       // by a batch, what there was to tell at the beginning
	covered map[partition][]span       // what batches of Next covered; only kept where gaps are accepted
	// last is the batch that was read last, by the position that it was read from: who asks for it again, gets it.
	last                     *segment
	lastFrom                 offsets
	snapshot                 *segment
	nextTemps, snapshotTemps records.Temps // files that batches added
}

// lookAgain is how often a continuous source looks for new partitions and topics.
const lookAgain = 10 * time.Second

// Next returns the records behind from, up to the limits of the configuration. Asked again with the same position, it
// returns the same records. A *GapError says that the brokers do not hold them any more, a *sources.UnavailableError
// that the brokers or the schema registry can't be reached now. Next can be called again after every error.
func (s *Source) Next(ctx context.Context, session sources.Session, from sources.Position, _ sources.Ledger) (*sources.Batch, error) {
	s.nextTemps.Remove()
	st, err := s.decodeState(from)
	if err != nil {
		return nil, err
	}
	seg, err := s.read(ctx, session, st)
	if err != nil || seg == nil {
		return nil, broker.Worldly(ctx, err)
	}
	s.cover(seg)
	b, columns, err := s.batch(ctx, session, seg, state{seg.next, st.schema, st.keys}, s.notices, &s.nextTemps)
	if err != nil {
		return nil, err
	}
	s.known = columns
	s.notices, s.told = nil, true
	if s.reader != nil {
		b.Backlog = s.reader.backlog(seg.next)
		b.More = b.Backlog > 0 && !s.cfg.Continuous // else Wait tells
	}
	return b, nil
}

// batch makes a batch of a segment, to stand at a state but for columns that are new in it, and returns it with the
// columns to remember.
func (s *Source) batch(ctx context.Context, session sources.Session, seg *segment, at state, notices []sources.Notice,
	temps *records.Temps) (*sources.Batch, schemas.Table, error) {
	b, columns, err := s.records.Batch(ctx, records.Input{Session: session, Spill: seg.Spill, Columns: at.schema, Temps: temps,
		Places: seg.places(s.cfg, s.records.KeySQL()), Notices: notices})
	if err != nil {
		return nil, nil, err
	}
	if at.keys == nil {
		at.keys = seg.Keys()
	}
	at.schema, b.Places = columns, s.locations(seg.topics)
	b.Position, err = s.encode(at)
	return b, columns, err
}

// Schema returns the columns remembered in from, or those of the records that Next would return.
func (s *Source) Schema(ctx context.Context, session sources.Session, from sources.Position) (sources.Found, error) {
	st, err := s.decodeState(from)
	if err != nil || st.schema != nil {
		return sources.Found{Columns: s.records.Visible(st.schema), Keys: st.keys}, err
	}
	seg, err := s.readFirst(ctx, session, st)
	if err != nil {
		return sources.Found{}, broker.Worldly(ctx, err)
	}
	if seg == nil || seg.Rows() == 0 {
		return s.found(nil, "its topics hold no records yet", "run again when there is a record, or correct the topic"), nil
	}
	columns, err := s.records.Columns(ctx, session, seg.Spill)
	if err != nil {
		return sources.Found{}, err
	}
	found := s.found(columns, fmt.Sprintf("none of the %d records that were looked at is a JSON object with a key", seg.Rows()),
		"correct value: {format: …}, or run again when there are other records")
	found.Keys = seg.Keys()
	return found, nil
}

// found are the columns, those that are declared at least, or why there are none.
func (s *Source) found(t schemas.Table, lack, remedy string) sources.Found {
	if t = s.records.Visible(t); len(t) > 0 {
		return sources.Found{Columns: t}
	}
	return sources.Found{Lack: lack, Remedy: remedy}
}

// readFirst is read, but waits for records that are there and did not arrive yet.
func (s *Source) readFirst(ctx context.Context, session sources.Session, st state) (*segment, error) {
	for {
		seg, err := s.read(ctx, session, st)
		if seg != nil || err != nil || !s.cfg.Continuous {
			return seg, err
		}
		from := st.topics
		if from == nil {
			from = s.first
		}
		there, at, err := s.position(ctx, from)
		if err != nil || !s.waiting(at, there) {
			return nil, err
		}
		soon, cancel := context.WithTimeout(ctx, firstRecords)
		s.Wait(soon)
		cancel()
	}
}

// firstRecords is how long the first fetch may take before it is asked for again.
const firstRecords = 50 * time.Millisecond

// read returns the segment behind a position, or nil when nothing is there.
func (s *Source) read(ctx context.Context, session sources.Session, st state) (*segment, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	from := st.topics
	if from == nil {
		from = s.first // nil when it is the first time
	}
	passed := s.last != nil && st.topics != nil && s.last.next.equal(st.topics) // it may be empty, and end where it began
	if s.last != nil && from != nil && !passed && s.lastFrom.equal(from) && s.last.In(session.TempDir) {
		return s.last, nil
	}
	s.forget()
	for retried := false; ; retried = true {
		seg, err := s.advance(ctx, from, st.schema, session.TempDir)
		if err == nil {
			if s.last, s.lastFrom = seg, from; from == nil {
				s.lastFrom = s.first
			}
			return seg, nil
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		s.stopReader()
		if retried || !lost(err) {
			return nil, err
		}
		// The next round compares the position with what the brokers have: it says what is lost, or goes on behind it.
	}
}

// lost says whether an error can mean that records are lost.
func lost(err error) bool {
	var loss *kgo.ErrDataLoss
	return errors.As(err, &loss) || errors.Is(err, errGap) || errors.Is(err, kerr.OffsetOutOfRange) || errors.Is(err, kerr.UnknownTopicID) ||
		errors.Is(err, kerr.UnknownTopicOrPartition)
}

// advance takes what the reader has. It starts one where that is not there yet, or reads elsewhere.
func (s *Source) advance(ctx context.Context, from offsets, schema schemas.Table, dir string) (*segment, error) {
	r := s.reader
	fits := r != nil && from != nil && r.tempDir == dir && r.at(from)
	if fits && (!s.cfg.Continuous || time.Since(s.looked) < lookAgain) {
		return s.await(ctx)
	}
	there, to, err := s.position(ctx, from)
	if err != nil {
		return nil, err
	}
	if fits && len(s.notices) == 0 {
		r.extend(to)
		return s.await(ctx)
	}
	if !s.cfg.Continuous || r != nil {
		if !s.waiting(to, there) { // a reader that serves another position is not disturbed
			return s.still(from, to, dir), nil
		}
	}
	s.stopReader()
	s.known = schema
	if s.reader, err = s.startReader(to, s.until, dir); err != nil {
		return nil, err
	}
	seg, err := s.await(ctx)
	if seg == nil && err == nil {
		seg = s.still(from, to, dir)
	}
	return seg, err
}

// position finds out where to go on from a position.
func (s *Source) position(ctx context.Context, from offsets) (map[string]topic, offsets, error) {
	if err := s.connect(); err != nil {
		return nil, nil, err
	}
	there, err := s.look(ctx)
	if err != nil {
		return nil, nil, err
	}
	r, err := s.resolve(ctx, from, there)
	if err != nil {
		return nil, nil, err
	}
	s.looked, s.notices = time.Now(), r.notices
	if s.pattern != nil && len(there) == 0 && len(r.at) == 0 && !s.told {
		s.notices = append(s.notices, sources.Notice{Kind: "no_topic", Subject: s.cfg.Name,
			Message: fmt.Sprintf("source %s: no topic of %s matches %s; topics that come up later are read", s.cfg.Name, strings.Join(s.cfg.Brokers, ", "), s.cfg.Pattern)})
	}
	if from == nil {
		s.first = r.at.clone()
	}
	if s.until == nil && !s.cfg.Continuous {
		s.until = map[string]map[int32]int64{}
		for name, t := range there {
			for p, b := range t.bounds {
				addTo(s.until, name, p, b.visible)
			}
		}
	}
	return there, r.at, nil
}

// waiting says whether anything is to be read.
func (s *Source) waiting(at offsets, there map[string]topic) bool {
	found := false
	at.each(func(topic string, p int32, from point) {
		end := there[topic].bounds[p].visible
		if s.until != nil {
			end = min(end, s.until[topic][p])
		}
		found = found || s.subscribed(topic) && from.Next < end
	})
	return found
}

// still is a segment without records, for a position that has to be kept though nothing was read: one of which there is
// something to tell, and the first, unless every reader finds it again at the beginning of the topic. It is nil when
// nothing is to be kept.
func (s *Source) still(from, to offsets, dir string) *segment {
	if len(s.notices) == 0 && (from != nil || s.cfg.Start.At == "earliest" || len(to) == 0) {
		return nil
	}
	return newSegment(s, to, dir)
}

// await takes the reader's segment. It asks the brokers what is wrong when nothing comes.
func (s *Source) await(ctx context.Context) (*segment, error) {
	for {
		soon, cancel := context.WithTimeout(ctx, patience)
		seg, err := s.reader.hand(soon)
		cancel()
		if ctx.Err() != nil || !errors.Is(err, context.DeadlineExceeded) {
			return seg, err
		}
		if err := s.reader.probe(ctx, s.admin); err != nil {
			return nil, err
		}
	}
}

// patience is how long nothing may come before the brokers are asked for the reason.
const patience = 2 * time.Second

// Wait returns when a full batch is there, when reading has failed, or when ctx is done. It is for sources that are
// Continuous: the next Next is worth calling then. It may be called while a batch is in use.
func (s *Source) Wait(ctx context.Context) {
	if s.reader == nil {
		<-ctx.Done()
		return
	}
	s.reader.wait(ctx)
}

// Acknowledge tells the consumer group of the configuration how far a position is, for tools that show the lag. Nothing
// depends on it.
func (s *Source) Acknowledge(ctx context.Context, at sources.Position) error {
	st, err := s.decodeState(at)
	if err != nil || s.cfg.Group == "" || s.admin == nil {
		return err
	}
	var commit kadm.Offsets
	st.topics.each(func(topic string, p int32, at point) { commit.AddOffset(topic, p, at.Next, at.Epoch) })
	if err := kadm.NewClient(s.admin).CommitAllOffsets(ctx, s.cfg.Group, commit); err != nil {
		return broker.Worldly(ctx, fmt.Errorf("tell consumer group %s of the commit: %w", s.cfg.Group, err))
	}
	return nil
}

// Snapshot returns everything that the topics hold now as one relation. Its files stay in the session's folder until
// the next call.
func (s *Source) Snapshot(ctx context.Context, session sources.Session, from sources.Position) (*sources.Batch, error) {
	s.forgetSnapshot()
	st, err := s.decodeState(from)
	if err != nil {
		return nil, err
	}
	whole := *s // reads by itself, from the beginning to what is the end now
	whole.cfg.MaxRows, whole.cfg.MaxBytes, whole.cfg.Continuous, whole.cfg.Start = 1<<62, 1<<62, false, Start{At: "earliest"}
	whole.reader, whole.last, whole.first, whole.until, whole.notices = nil, nil, nil, nil, nil
	seg, err := whole.advance(ctx, nil, st.schema, session.TempDir)
	whole.stopReader()
	s.admin, s.snapshot = whole.admin, seg
	if err != nil {
		return nil, broker.Worldly(ctx, err)
	}
	if seg == nil {
		seg = newSegment(&whole, whole.first, session.TempDir)
	}
	b, _, err := s.batch(ctx, session, seg, state{nil, st.schema, st.keys}, nil, &s.snapshotTemps)
	return b, err
}

// Folders returns nothing: batches are in the session's own folder.
func (s *Source) Folders() []string { return nil }

// Close ends the connections and removes the files of the last batches.
func (s *Source) Close() error {
	s.stopReader()
	s.forget()
	s.forgetSnapshot()
	s.nextTemps.Remove()
	if s.admin != nil {
		s.admin.Close()
		s.admin = nil
	}
	return nil
}

func (s *Source) stopReader() {
	if s.reader != nil {
		s.reader.stop()
		s.reader = nil
	}
}

// forget removes the last batch of Next.
func (s *Source) forget() {
	if s.last != nil {
		s.last.Remove()
	}
	s.last, s.lastFrom = nil, nil
}

func (s *Source) forgetSnapshot() {
	if s.snapshot != nil {
		s.snapshot.Remove()
		s.snapshot = nil
	}
	s.snapshotTemps.Remove()
}
