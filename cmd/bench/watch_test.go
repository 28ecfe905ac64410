package main

import (
	"testing"
	"time"
)

func TestSightings(t *testing.T) {
	s := sightings{Took: []int64{1, 1, 0, 2}} // within 1, 2, 4 and 4 ms
	for part, want := range map[float64]time.Duration{0.25: time.Millisecond, 0.5: 2 * time.Millisecond, 0.51: 4 * time.Millisecond, 1: 4 * time.Millisecond} {
		if got := s.at(part); got != want {
			t.Errorf("%.2f of the records took %v, want %v", part, got, want)
		}
	}
	if got := (sightings{Took: make([]int64, 3)}).at(0.5); got != time.Millisecond {
		t.Errorf("nothing was seen within %v", got)
	}
}
