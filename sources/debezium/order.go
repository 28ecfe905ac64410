package debezium

import (
	"encoding/json"
	"strconv"
	"strings"
)

// Sequence is a text whose order is that of the changes of a table, from where its connector says that they stand:
//
//	PostgreSQL          the commit that the connector saw before (else the change's own LSN), then the LSN
//	MySQL, MariaDB      number of the binary log, position, row
//	SQL Server, Db2     commit LSN, change LSN, number of the event
//	Oracle              SCN of the commit (else of the change), SCN, rs_id, ssn
//	others              source.ts_ns, ts_us or ts_ms, then those of the envelope
//
// Rows that a snapshot has read are before changes at the same position. It is empty where the position is not known.
func Sequence(source, env object, op string) string {
	rank := "1"
	if op == "r" {
		rank = "0"
	}
	has := func(name string) bool { _, ok := source[name]; return ok }
	var parts []string
	switch {
	case has("lsn"):
		// The LSN of a change alone is no order: an insert can be written before, and take place after, the delete that
		// another transaction commits meanwhile. Transactions come in the order of their commits.
		lsn := number(source["lsn"])
		parts = []string{lastCommit(source["sequence"], lsn), rank, lsn}
	case has("file") && has("pos"):
		row := number(source["row"])
		if row == "" {
			row = pad("0")
		}
		parts = []string{logNumber(text(source["file"])), number(source["pos"]), row, rank}
	case has("commit_lsn"):
		serial := number(source["event_serial_no"])
		if serial == "" {
			serial = pad("0")
		}
		parts = []string{text(source["commit_lsn"]), rank, changeLSN(text(source["change_lsn"])), serial}
	case has("scn"):
		scn := number(source["scn"])
		commit := number(source["commit_scn"])
		if commit == "" {
			commit = scn
		}
		ssn := number(source["ssn"])
		if ssn == "" {
			ssn = pad("0")
		}
		parts = []string{commit, rank, scn, rsID(text(source["rs_id"])), ssn}
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
	var parts []json.RawMessage
	if json.Unmarshal([]byte(text(sequence)), &parts) == nil && len(parts) == 2 {
		if commit := number(parts[0]); commit != "" {
			return commit
		}
	}
	return lsn
}

// logNumber is the number at the end of a binary log's name: mysql-bin.000003.
func logNumber(file string) string {
	return number(json.RawMessage(file[strings.LastIndex(file, ".")+1:]))
}

// changeLSN is below every other where a snapshot has none.
func changeLSN(lsn string) string {
	if lsn == "" {
		return "00000000:00000000:0000"
	}
	return lsn
}

func rsID(id string) string {
	if id == "" {
		return "0"
	}
	return id
}

// nanosOf is the time of source or envelope in nanoseconds since 1970.
func nanosOf(o object) (int64, bool) {
	for _, unit := range []struct {
		name  string
		nanos int64
	}{{"ts_ns", 1}, {"ts_us", 1e3}, {"ts_ms", 1e6}} {
		n, err := strconv.ParseInt(string(o[unit.name]), 10, 64)
		if err == nil && n >= 0 && n < (1<<63-1)/unit.nanos {
			return n * unit.nanos, true
		}
	}
	return 0, false
}
