package kafka

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/lakeflow/lakeflow/sources"
	"github.com/lakeflow/lakeflow/sources/sourcetest"
)

// follower makes a continuous source wait for records that are there but did not arrive yet.
type follower struct{ *Source }

func (f follower) Next(ctx context.Context, s sources.Session, from sources.Position, m sources.Ledger) (*sources.Batch, error) {
	for {
		b, err := f.Source.Next(ctx, s, from, m)
		if b != nil || err != nil {
			return b, err
		}
		st, err := f.decodeState(from)
		if err != nil {
			return nil, err
		}
		there, at, err := f.position(ctx, st.topics)
		if err != nil || !f.waiting(at, there) {
			return nil, err
		}
		soon, cancel := context.WithTimeout(ctx, 10*time.Millisecond)
		f.Wait(soon)
		cancel()
	}
}

// itemBytes is the size of all values of an item, so that a batch's limit counts items.
const itemBytes = 4096

// itemOf is one item of the suite: records of one partition.
func itemOf(partition int32, first, n, bad int) []*kgo.Record {
	var values []string
	size := 0
	for i := range n {
		values = append(values, fmt.Sprintf(`{"id":%d,"name":"n%d"}`, first+i, first+i))
		if i < bad {
			values = append(values, []string{`{"id":`, `{"id":"x"}`, "\xff", "[1]"}[i%4])
		}
	}
	var records []*kgo.Record
	for i, v := range values {
		if size += len(v); i == len(values)-1 {
			v += strings.Repeat(" ", itemBytes-size)
		}
		records = append(records, &kgo.Record{Partition: partition, Value: []byte(v)})
	}
	return records
}

// TestSuite runs the contract's tests, over one partition and over several.
func TestSuite(t *testing.T) {
	for _, c := range []struct {
		name       string
		partitions int32
		continuous bool
		real       bool
	}{{"one partition", 1, false, false}, {"three partitions", 3, false, false}, {"continuous", 3, true, false}, {"real", 3, false, true}} {
		t.Run(c.name, func(t *testing.T) {
			var session sources.Session
			sourcetest.Run(t, sourcetest.Harness{
				Session: func(*testing.T) sources.Session { return session },
				Open: func(t *testing.T, perBatch int) sourcetest.Place {
					var b *bed
					if c.real {
						b = newRealBed(t, c.partitions)
					} else {
						b = newBed(t, c.partitions)
					}
					session = b.session
					s, err := New(Config{Name: "feed", Brokers: b.brokers, Topics: []string{b.topic}, MaxBytes: int64(perBatch) * itemBytes, Hints: []sources.Hint{{Name: "id", Type: "BIGINT"}}, Continuous: c.continuous})
					if err != nil {
						t.Fatal(err)
					}
					place := sourcetest.Place{Source: s}
					if c.continuous {
						place.Source = follower{s}
					}
					items := int32(0)
					place.Add = func(t *testing.T, first, n, bad int) {
						items++
						b.put(itemOf(items%c.partitions, first, n, bad)...)
						s.stopReader()
						s.until = nil // what is added is for another update
					}
					return place
				},
			})
		})
	}
}
