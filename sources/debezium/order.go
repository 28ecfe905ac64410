package debezium

import (
	"bytes"
	"cmp"
	"encoding/json"
	"strconv"
	"strings"
)

// sequenceOf is a text whose order is that of the changes of a table, from where its connector says that they stand:
//
//	PostgreSQL          the commit that the connector saw before (else the change's own LSN), then the LSN
//	MySQL, MariaDB      number of the binary log, position, row
//	SQL Server, Db2     commit LSN, change LSN, number of the event
//	Oracle              SCN of the commit (else of the change), SCN, rs_id, ssn
//	others              source.ts_ns, ts_us or ts_ms, then those of the envelope
//
// Rows that a snapshot has read are before changes at the same position. It is empty where the position is not known.
func sequenceOf(source, env object, op string) string {
	rank := "1"
	if op == "r" {
		rank = "0"
	}
	var parts []string
	switch {
	case source.has("lsn"):
		// The LSN of a change alone is no order: an insert can be written before, and take place after, the delete that
		// another transaction commits meanwhile. Transactions come in the order of their commits.
		lsn := number(source.get("lsn"))
		parts = []string{lastCommit(source.get("sequence"), lsn), rank, lsn}
	case source.has("file") && source.has("pos"):
		row := cmp.Or(number(source.get("row")), pad("0"))
		parts = []string{logNumber(text(source.get("file"))), number(source.get("pos")), row, rank}
	case source.has("commit_lsn"):
		serial := cmp.Or(number(source.get("event_serial_no")), pad("0"))
		parts = []string{text(source.get("commit_lsn")), rank, cmp.Or(text(source.get("change_lsn")), noChange), serial}
	case source.has("scn"):
		scn := number(source.get("scn"))
		parts = []string{cmp.Or(number(source.get("commit_scn")), scn), rank, scn, cmp.Or(text(source.get("rs_id")), "0"),
			cmp.Or(number(source.get("ssn")), pad("0"))}
	default:
		first, _ := nanosOf(source)
		second, _ := nanosOf(env)
		if first == 0 {
			return ""
		}
		parts = []string{pad(strconv.FormatInt(first, 10)), rank, pad(strconv.FormatInt(second, 10))}
	}
	for _, p := range parts {
		if p == "" {
			return ""
		}
	}
	return strings.Join(parts, ".")
}

// text is a JSON text, or empty.
func text(raw json.RawMessage) (s string) {
	if n := len(raw); n > 1 && raw[0] == '"' && bytes.IndexByte(raw, '\\') < 0 {
		return string(raw[1 : n-1])
	}
	_ = json.Unmarshal(raw, &s) // what is no text is none
	return s
}

// number is a whole number of at most 20 digits, also one in a text, with zeros in front; empty for others.
func number(raw json.RawMessage) string {
	digits := strings.Trim(string(raw), `"`)
	if _, err := strconv.ParseUint(digits, 10, 64); err != nil {
		return ""
	}
	return pad(digits)
}

func pad(digits string) string { return strings.Repeat("0", max(20-len(digits), 0)) + digits }

// lastCommit is the first part of PostgreSQL's ["commit","lsn"], or the LSN where there is none.
func lastCommit(sequence json.RawMessage, lsn string) string {
	commit, _, _ := strings.Cut(strings.Trim(text(sequence), "[]"), ",")
	return cmp.Or(number(json.RawMessage(strings.TrimSpace(commit))), lsn)
}

// logNumber is the number at the end of a binary log's name: mysql-bin.000003.
func logNumber(file string) string {
	return number(json.RawMessage(file[strings.LastIndex(file, ".")+1:]))
}

// noChange is the change LSN of what a snapshot has read, which has none: below every other.
const noChange = "00000000:00000000:0000"

// nanosOf is the time of source or envelope in nanoseconds since 1970.
func nanosOf(o object) (int64, bool) {
	for _, unit := range []struct {
		name  string
		nanos int64
	}{{"ts_ns", 1}, {"ts_us", 1e3}, {"ts_ms", 1e6}} {
		n, err := strconv.ParseInt(string(o.get(unit.name)), 10, 64)
		if err == nil && n >= 0 && n < (1<<63-1)/unit.nanos {
			return n * unit.nanos, true
		}
	}
	return 0, false
}
