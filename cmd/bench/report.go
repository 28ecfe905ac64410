package main

import (
	"fmt"
	"time"
)

const rowFormat = "%-44s %18s %18s %7s %10s  %-7s %s\n"

// goal is what a row of the report must reach; an empty goal shows figures only.
type goal struct {
	text string
	met  bool
}

func (g goal) result() string {
	switch {
	case g.text == "":
		return ""
	case g.met:
		return "met"
	}
	return "MISSED"
}

// atMost is the goal that a duration does not pass a limit.
func atMost(d, limit time.Duration) goal { return goal{"<= " + limit.String(), d <= limit} }

// ratioAtMost is the goal that lakeflow's median is at most so many times the floor's.
func ratioAtMost(ours, floor samples, limit float64) goal {
	return goal{fmt.Sprintf("<= %.2fx", limit), ratio(ours, floor) <= limit}
}

func ratio(ours, floor samples) float64 { return float64(ours.wall()) / float64(floor.wall()) }

// printTimes prints a row of wall times.
func printTimes(what string, ours, floor samples, g goal, compared string) {
	compared = fmt.Sprintf("%s; CPU %s and %s, peak %s and %s", compared, short(ours.cpu()), short(floor.cpu()), megabytes(ours.memory()), megabytes(floor.memory()))
	fmt.Printf(rowFormat, what, ours, floor, fmt.Sprintf("%.2fx", ratio(ours, floor)), g.text, g.result(), compared)
}

// printMemory prints a row of peak memory.
func printMemory(what string, ours, floor samples, limit int64, compared string) {
	g := goal{"<= " + megabytes(limit), ours.memory() <= limit}
	r := float64(ours.memory()) / float64(floor.memory())
	fmt.Printf(rowFormat, what, megabytes(ours.memory()), megabytes(floor.memory()), fmt.Sprintf("%.2fx", r), g.text, g.result(), compared)
}

// String is the median, and the least in parentheses.
func (s samples) String() string { return short(s.wall()) + " (" + short(s.least()) + ")" }

func short(d time.Duration) string {
	if d < time.Second {
		return fmt.Sprintf("%.1f ms", float64(d)/float64(time.Millisecond))
	}
	return fmt.Sprintf("%.2f s", d.Seconds())
}

// thousands is a number with commas.
func thousands(n int) string {
	if n < 1000 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%s,%03d", thousands(n/1000), n%1000)
}

func megabytes(n int64) string { return fmt.Sprintf("%d MB", n/1_000_000) }
