package records_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	_ "github.com/duckdb/duckdb-go/v2"

	"github.com/lakeflow/lakeflow/schemas"
	"github.com/lakeflow/lakeflow/schemas/quote"
	"github.com/lakeflow/lakeflow/sources"
	"github.com/lakeflow/lakeflow/sources/jsonrecords"
	"github.com/lakeflow/lakeflow/sources/records"
)

// feed is a source of a transport that is as simple as can be: a slice, whose position is how many of its messages were
// read. It is all that a transport has to write for itself.
type feed struct {
	records        *records.Reader
	log            []message
	limits         records.Limits
	next, snapshot made
}

// message is one record of a feed. Its size is what limits count.
type message struct {
	subject    string
	key, value []byte
	headers    []records.Header
	size       int
}

var noLimits = records.Limits{Rows: 1 << 62, Bytes: 1 << 62}

// made is what a batch is made of on disk.
type made struct {
	spill *records.Spill
	temps records.Temps
}

func (m *made) remove() {
	if m.spill != nil {
		m.spill.Remove()
	}
	m.temps.Remove()
}

// position is what a Position holds.
type position struct {
	Next    int              `json:"next"`
	Columns []records.Column `json:"columns,omitempty"`
}

func (f *feed) decode(p sources.Position) (pos position, known schemas.Table, err error) {
	if p != nil {
		if err := json.Unmarshal(p, &pos); err != nil {
			return pos, nil, err
		}
	}
	known, err = f.records.Recall(pos.Columns)
	return pos, known, err
}

// fetch spills messages from a number on.
func (f *feed) fetch(ctx context.Context, s sources.Session, known schemas.Table, from int, l records.Limits, m *made) (next int, err error) {
	m.remove()
	if ctx.Err() != nil {
		return 0, ctx.Err()
	}
	m.spill = f.records.Spill(known, s.TempDir, l)
	for next = from; next < len(f.log) && !m.spill.Full() && m.spill.Admit(f.log[next].size, time.Time{}); next++ {
	}
	err = m.spill.Write(ctx, next-from, func(i int, r *records.Record) bool {
		msg := f.log[from+i]
		r.Place = fmt.Appendf(r.Place, "%d %s", from+i, msg.subject)
		r.Key, r.Value, r.Headers = msg.key, msg.value, append(r.Headers, msg.headers...)
		return true
	})
	if err != nil {
		return 0, err
	}
	return next, m.spill.Close()
}

const (
	sequence = `CAST(split_part(m, ' ', 1) AS BIGINT)`
	subject  = `substr(m, instr(m, ' ') + 1)`
)

func (f *feed) batch(ctx context.Context, s sources.Session, known schemas.Table, next int, m *made) (*sources.Batch, error) {
	b, columns, err := f.records.Batch(ctx, records.Input{Session: s, Spill: m.spill, Columns: known, Temps: &m.temps, Places: records.Places{
		Metadata: fmt.Sprintf("{'subject': %s, 'sequence': %s, 'key': %s, 'headers': %s} AS _metadata, %d::BIGINT AS %s, NULL::INTEGER AS %s, %s AS %s", subject, sequence, f.records.KeySQL(), records.HeadersSQL,
			sources.PlaceID("feed", "feed"), schemas.PlaceColumn, schemas.PartitionColumn, sequence, schemas.PositionColumn),
		Origin: subject + ` AS file, 0::BIGINT AS line, ` + sequence + ` AS "offset", NULL::INTEGER AS "partition"`,
		Rescued: func(place string) string {
			number, subject, _ := strings.Cut(place, " ")
			return `"_subject":` + string(jsonrecords.AppendText(nil, []byte(subject))) + `,"_sequence":` + number
		},
		Describe: func(place string) string {
			number, subject, _ := strings.Cut(place, " ")
			return "subject " + subject + ", message " + number
		},
		Holder: "feed",
	}})
	if err != nil {
		return nil, err
	}
	b.Position, err = json.Marshal(position{next, records.Remember(columns)})
	return b, err
}

func (f *feed) Next(ctx context.Context, s sources.Session, from sources.Position, _ sources.Ledger) (*sources.Batch, error) {
	pos, known, err := f.decode(from)
	if err != nil || pos.Next == len(f.log) && ctx.Err() == nil {
		return nil, err
	}
	next, err := f.fetch(ctx, s, known, pos.Next, f.limits, &f.next)
	if err != nil {
		return nil, err
	}
	return f.batch(ctx, s, known, next, &f.next)
}

func (f *feed) Schema(ctx context.Context, s sources.Session, from sources.Position) (sources.Found, error) {
	pos, known, err := f.decode(from)
	if err == nil && known == nil && pos.Next < len(f.log) {
		var m made
		defer m.remove()
		if _, err = f.fetch(ctx, s, nil, pos.Next, f.limits, &m); err == nil {
			known, err = f.records.Columns(ctx, s, m.spill)
		}
	}
	if t := f.records.Visible(known); len(t) > 0 || err != nil {
		return sources.Found{Columns: t}, err
	}
	return sources.Found{Lack: "the feed is empty", Remedy: "run again when there is a message"}, nil
}

func (f *feed) Snapshot(ctx context.Context, s sources.Session, from sources.Position) (*sources.Batch, error) {
	_, known, err := f.decode(from)
	if err != nil {
		return nil, err
	}
	next, err := f.fetch(ctx, s, known, 0, noLimits, &f.snapshot)
	if err != nil {
		return nil, err
	}
	return f.batch(ctx, s, known, next, &f.snapshot)
}

func (f *feed) Rewind(p sources.Position) (sources.Position, error) {
	pos, _, err := f.decode(p)
	pos.Next = 0
	out, merr := json.Marshal(pos)
	if err == nil {
		err = merr
	}
	return out, err
}

func (f *feed) Fingerprint(context.Context) (sources.Position, error) {
	return sources.Position(strconv.Itoa(len(f.log))), nil
}

func (f *feed) Places(context.Context, sources.Position, sources.Ledger) ([]sources.Location, error) {
	return []sources.Location{{ID: sources.PlaceID("feed", "feed"), Name: "feed"}}, nil
}

func (f *feed) Folders() []string { return nil }

func (f *feed) Close() error {
	f.next.remove()
	f.snapshot.remove()
	return nil
}

// openDuck opens a database as the engine does: SQL reaches nothing but the temporary folder.
func openDuck(t testing.TB) sources.Session {
	t.Helper()
	db, err := sql.Open("duckdb", "")
	if err != nil {
		t.Fatal(err)
	}
	conn, err := db.Conn(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	s := sources.Session{Conn: conn, Prefix: "__src1_", TempDir: t.TempDir()}
	for _, setting := range []string{"TimeZone = 'UTC'", "errors_as_json = true", "preserve_insertion_order = false", "allowed_directories = [" + quote.Text(s.TempDir) + "]",
		"enable_external_access = false", "lock_configuration = true"} {
		if _, err := conn.ExecContext(context.Background(), "SET "+setting); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// bed is a feed, a database and the commits that were made.
type bed struct {
	*testing.T
	feed    *feed
	session sources.Session
	pos     sources.Position
}

func newBed(t *testing.T, cfg records.Config) *bed {
	t.Helper()
	b := &bed{T: t, session: openDuck(t), feed: &feed{limits: noLimits}}
	b.open(cfg)
	t.Cleanup(func() {
		if err := b.feed.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

// open lets the feed be read by another configuration from now on.
func (b *bed) open(cfg records.Config) {
	b.Helper()
	r, err := records.New(cfg)
	if err != nil {
		b.Fatal(err)
	}
	b.feed.records = r
}

// put adds messages with these values.
func (b *bed) put(values ...string) {
	for _, v := range values {
		b.feed.log = append(b.feed.log, message{subject: "s", value: []byte(v)})
	}
}

func (b *bed) next() *sources.Batch {
	b.Helper()
	batch, err := b.feed.Next(b.Context(), b.session, b.pos, nil)
	if err != nil {
		b.Fatal(err)
	}
	return batch
}

// query returns rows as lines of cells.
func (b *bed) query(query string) (string, error) {
	rows, err := b.session.Conn.QueryContext(b.Context(), query)
	if err != nil {
		return "", err
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		return "", err
	}
	var out []string
	for rows.Next() {
		cells, at := make([]any, len(columns)), make([]any, len(columns))
		for i := range cells {
			at[i] = &cells[i]
		}
		if err := rows.Scan(at...); err != nil {
			return "", err
		}
		out = append(out, strings.TrimSuffix(fmt.Sprintln(cells...), "\n"))
	}
	return strings.Join(out, "\n"), rows.Err()
}

// rows evaluates columns of a batch, repaired if need be, ordered by them.
func (b *bed) rows(batch *sources.Batch, columns string) string {
	b.Helper()
	for range 5 {
		if batch.Relation == "" {
			return ""
		}
		out, err := b.query("SELECT " + columns + " FROM " + batch.Relation + " ORDER BY ALL")
		if err == nil {
			return out
		}
		repaired, rerr := batch.Repair(b.Context(), b.session, err)
		if repaired == nil || rerr != nil {
			b.Fatalf("read the batch: %v; repair: %v", err, rerr)
		}
		*batch = *repaired
	}
	b.Fatal("still not readable")
	return ""
}

// rejects are columns of the batch's, ordered by offset.
func (b *bed) rejects(batch *sources.Batch, columns string) string {
	b.Helper()
	if batch.RejectCount == 0 {
		return ""
	}
	out, err := b.query("SELECT " + columns + " FROM " + batch.Rejects + ` ORDER BY "offset"`)
	if err != nil {
		b.Fatal(err)
	}
	return out
}

func (b *bed) check(what, got, want string) {
	b.Helper()
	if got != want {
		b.Errorf("%s:\n%s\nwant:\n%s", what, got, want)
	}
}
