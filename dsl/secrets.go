package dsl

import (
	"cmp"
	"encoding/json"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/lakeflow/lakeflow/dsl/diag"
	"github.com/lakeflow/lakeflow/dsl/sqltext"
)

// Secrets are the values of a pipeline file that came from ${env:NAME} and ${file:path}. Messages show none of them. A
// nil *Secrets holds nothing.
type Secrets struct {
	forms []string       // the texts that values have in messages, longest first
	alone *regexp.Regexp // those that are so short that they count only where they stand alone
}

// shownSecret stands in the place of a secret.
const shownSecret = "***"

// Forms that are shorter would be found in any text.
const shortestForm = 4

// NewSecrets returns the secrets with these values.
func NewSecrets(values []string) *Secrets {
	s := &Secrets{}
	var short []string
	for i, value := range values {
		if strings.TrimSpace(value) == "" || slices.Contains(values[:i], value) {
			continue
		}
		for _, part := range parts(value) {
			for _, form := range spellings(part) {
				if len(form) < shortestForm {
					short = append(short, standingAlone(form))
				} else {
					s.forms = append(s.forms, form)
				}
			}
		}
	}
	slices.SortFunc(s.forms, func(a, b string) int { return cmp.Or(len(b)-len(a), strings.Compare(a, b)) })
	s.forms = slices.Compact(s.forms)
	if len(short) > 0 {
		s.alone = regexp.MustCompile(strings.Join(short, "|"))
	}
	return s
}

// Hide gives a message with *** in the place of secrets: as they are, in part where a part has a meaning (the password
// of an address, one line of several), and quoted, encoded or cut off as messages do with a text.
func (s *Secrets) Hide(message string) string {
	if s == nil {
		return message
	}
	for _, form := range s.forms {
		message = strings.ReplaceAll(message, form, shownSecret)
		message = hideBeginning(message, form)
	}
	if s.alone != nil {
		message = s.alone.ReplaceAllString(message, shownSecret)
	}
	return message
}

// HideSQL is an expression of DuckDB that gives a text with *** in the place of secrets.
func (s *Secrets) HideSQL(text string) string {
	if s == nil {
		return text
	}
	for _, form := range s.forms {
		text = "replace(" + text + ", " + sqltext.Literal(form) + ", " + sqltext.Literal(shownSecret) + ")"
	}
	if s.alone != nil {
		text = "regexp_replace(" + text + ", " + sqltext.Literal(s.alone.String()) + ", " + sqltext.Literal(shownSecret) + ", 'g')"
	}
	return text
}

// HideAll gives diagnostics whose messages are hidden.
func (s *Secrets) HideAll(list diag.List) diag.List {
	list = slices.Clone(list)
	for i, d := range list {
		list[i].Message, list[i].Help = s.Hide(d.Message), s.Hide(d.Help)
	}
	return list
}

// standingAlone is a pattern of a text that no letter or digit continues.
func standingAlone(text string) string {
	pattern := regexp.QuoteMeta(text)
	if runes := []rune(text); wordRune(runes[0]) && wordRune(runes[len(runes)-1]) {
		return `\b` + pattern + `\b`
	}
	return pattern
}

func wordRune(c rune) bool {
	return c < unicode.MaxASCII && (unicode.IsLetter(c) || unicode.IsDigit(c) || c == '_')
}

// parts are a value and what of it a message may show alone: without white space around it, its lines, what commas
// divide, and the parts of an address. Of these, parts that are too short to be told from other words are left out.
func parts(value string) []string {
	all := []string{value, strings.TrimSpace(value), strings.Join(strings.Fields(value), " ")}
	divided := strings.FieldsFunc(value, func(c rune) bool { return c == '\n' || c == '\r' || c == ',' })
	for _, text := range append(divided, value) {
		const longEnough = 8
		if text = strings.TrimSpace(text); len(text) >= longEnough {
			all = append(all, text)
		}
		if u, err := url.Parse(text); err == nil && u.User != nil {
			if password, ok := u.User.Password(); ok && password != "" {
				all = append(all, password, u.Redacted(), strings.Replace(text, ":"+password+"@", ":***@", 1)) // as net/http has it
			}
		}
	}
	return slices.DeleteFunc(all, func(text string) bool { return text == "" })
}

// spellings are what messages make of a text: itself, SQL's, Go's and JSON's quotes, and what stands in addresses.
func spellings(text string) []string {
	all := []string{text, strings.ReplaceAll(text, "'", "''"), strings.ReplaceAll(text, `"`, `""`), unquoted(strconv.Quote(text)), unquoted(strconv.QuoteToASCII(text))}
	if quoted, err := json.Marshal(text); err == nil {
		all = append(all, unquoted(string(quoted)))
	}
	encoded := []string{url.QueryEscape(text), url.PathEscape(text), url.User(text).String(), (&url.URL{Path: text}).EscapedPath()}
	for _, e := range encoded {
		all = append(all, e, percent.ReplaceAllStringFunc(e, strings.ToLower))
	}
	if plain, err := url.PathUnescape(text); err == nil {
		all = append(all, plain)
	}
	return slices.DeleteFunc(all, func(form string) bool { return strings.TrimSpace(form) == "" })
}

var percent = regexp.MustCompile(`%[0-9A-F]{2}`)

func unquoted(quoted string) string { return quoted[1 : len(quoted)-1] }

// hideBeginning hides what a message shows of a form that it cuts off.
func hideBeginning(message, form string) string {
	const least = 6
	if len(form) <= least {
		return message
	}
	for at := 0; ; {
		i := strings.Index(message[at:], form[:least])
		if i < 0 {
			return message
		}
		start := at + i
		end := start + least
		for end < len(message) && end-start < len(form) && message[end] == form[end-start] {
			end++
		}
		at = end
		if rest := message[end:]; strings.HasPrefix(rest, "…") || strings.HasPrefix(rest, "...") {
			message, at = message[:start]+shownSecret+rest, start+len(shownSecret)
		}
	}
}
