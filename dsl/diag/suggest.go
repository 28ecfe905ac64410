package diag

import (
	"strconv"
	"strings"
)

// Suggest returns the candidate that the word was most likely meant to be, or "" when none is near.
// Letter case does not count. Of equally near candidates the first wins.
func Suggest(word string, candidates []string) string {
	const longest = 128 // nobody misspells a longer name in a way that this finds
	best, limit := "", max(1, len(word)/3)
	if word == "" || len(word) > longest {
		return ""
	}
	for _, c := range candidates {
		if len(c) > longest {
			continue
		}
		if d := distance(strings.ToLower(word), strings.ToLower(c)); d <= limit {
			best, limit = c, d-1
		}
	}
	return best
}

// DidYouMean is a help text: the suggestion when there is one, else the list of candidates, else otherwise.
func DidYouMean(word string, candidates []string, otherwise string) string {
	if s := Suggest(word, candidates); s != "" {
		return "did you mean " + strconv.Quote(s) + "?"
	}
	if n := len(candidates); n > 0 && n <= 16 {
		return "write one of: " + strings.Join(candidates, ", ")
	}
	return otherwise
}

// distance counts the insertions, deletions, substitutions and swaps of neighbours between a and b.
func distance(a, b string) int {
	s, t := []rune(a), []rune(b)
	older, old, now := make([]int, len(t)+1), make([]int, len(t)+1), make([]int, len(t)+1)
	for j := range now {
		now[j] = j
	}
	for i := range s {
		older, old, now = old, now, older
		now[0] = i + 1
		for j := range t {
			cost := 1
			if s[i] == t[j] {
				cost = 0
			}
			now[j+1] = min(old[j+1]+1, now[j]+1, old[j]+cost)
			if i > 0 && j > 0 && s[i] == t[j-1] && s[i-1] == t[j] {
				now[j+1] = min(now[j+1], older[j-1]+1)
			}
		}
	}
	return now[len(t)]
}
