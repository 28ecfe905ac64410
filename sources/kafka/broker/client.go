// Package broker is what sources and sinks of Kafka share: how brokers and schema registries are reached, and which of
// their errors go away by themselves.
package broker

import (
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// retryTimeout is how long a request to the brokers is tried again.
const retryTimeout = 20 * time.Second

// Client makes a client of the brokers, which the caller closes; nothing is sent yet. A broker may take timeout to
// answer.
func Client(brokers []string, timeout time.Duration, opts ...kgo.Opt) (*kgo.Client, error) {
	all := []kgo.Opt{kgo.SeedBrokers(brokers...), kgo.ClientID("lakeflow"), kgo.RetryTimeout(retryTimeout), kgo.RequestTimeoutOverhead(timeout), kgo.DialTimeout(timeout)}
	cl, err := kgo.NewClient(append(all, opts...)...)
	if err != nil {
		return nil, fmt.Errorf("brokers: %w; write them as host:port", err)
	}
	return cl, nil
}
