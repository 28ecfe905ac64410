package kafka

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/lakeflow/lakeflow/sources"
)

func TestPublish(t *testing.T) {
	onBrokers(t, func(t *testing.T, b *bed) {
		s := b.begun(0, nil)
		b.publish(s, numbers(3, 0, 2))
		b.begin(s, 3)
		b.publish(s, numbers(4, 2, 4))
		b.publish(s, numbers(9, 0, 0)) // no rows: the commit counts all the same
		b.begun(9, nil)
		b.begin(s, 9)
		b.publish(s, numbers(10, 4, 5))
		b.begin(s, 10)
		b.publish(s, numbers(11, 0, 0))
		b.publish(s, numbers(12, 5, 6))
		b.publish(s, numbers(13, 0, 0))
		b.publish(s, numbers(14, 0, 0))
		b.publish(s, numbers(15, 6, 7))
		b.begun(15, nil)
		want := ""
		for i := range 7 {
			want += fmt.Sprintf("{\"id\":%d,\"customer\":\"c0\"}\n", i)
		}
		b.check("values", strings.Join(b.values(), "\n")+"\n", want)
	})
}

// TestMarkless begins where an offset was stored without a mark.
func TestMarkless(t *testing.T) {
	b := newBed(t, 1)
	var offsets kadm.Offsets
	offsets.Add(kadm.Offset{Topic: b.topic, At: 5, LeaderEpoch: -1, Metadata: tableID})
	if err := b.admin.CommitAllOffsets(t.Context(), b.sink(nil).id(), offsets); err != nil {
		t.Fatal(err)
	}
	s := b.begun(5, nil)
	b.publish(s, numbers(6, 0, 1))
	b.begin(s, 6)
}

func unavailable(err error) bool {
	var away *sources.UnavailableError
	return errors.As(err, &away)
}
