package main

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"
)

func TestTimed(t *testing.T) {
	for sql, wrong := range map[string]bool{
		"CREATE TABLE t (i INT);" + timedMark + "INSERT INTO t VALUES (1);": false,
		"SELECT 1;" + timedMark + "INSERT INTO t VALUES (1);":               true,
	} {
		var out bytes.Buffer
		if err := runTimed(context.Background(), nil, strings.NewReader(sql), &out); (err != nil) != wrong {
			t.Fatalf("%q: %v", sql, err)
		}
		if wrong {
			continue
		}
		told, err := timedOutput(samples{{wall: time.Hour, output: out.String()}})
		if err != nil || told.wall() <= 0 || told.wall() >= time.Hour {
			t.Errorf("%q took %v, %v", out.String(), told.wall(), err)
		}
	}
}

func TestThousands(t *testing.T) {
	for n, want := range map[int]string{0: "0", 999: "999", 1000: "1,000", 50_000_000: "50,000,000", 1_002_003: "1,002,003"} {
		if got := thousands(n); got != want {
			t.Errorf("%d is %s, want %s", n, got, want)
		}
	}
}
