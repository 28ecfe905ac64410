package kafka

import "context"

// Reach asks whether brokers answer.
func (s *Sink) Reach(ctx context.Context) error {
	cl, err := s.client()
	if err != nil {
		return err
	}
	defer cl.Close()
	return cl.Ping(ctx)
}
