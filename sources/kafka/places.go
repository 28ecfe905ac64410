package kafka

import (
	"context"
	"maps"
	"slices"

	"github.com/lakeflow/lakeflow/sources"
)

// Places are the topics of a position.
func (s *Source) Places(_ context.Context, at sources.Position, _ sources.Ledger) ([]sources.Location, error) {
	st, err := s.decodeState(at)
	if err != nil {
		return nil, err
	}
	return s.locations(slices.Sorted(maps.Keys(st.topics))), nil
}

func (s *Source) locations(topics []string) []sources.Location {
	out := make([]sources.Location, len(topics))
	for i, topic := range topics {
		out[i] = sources.Location{ID: sources.PlaceID(s.cfg.Name, topic), Name: topic}
	}
	return out
}
