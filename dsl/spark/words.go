package spark

import (
	"strconv"
	"strings"
)

// reserved are the words that DuckDB does not take for the name of a column or a table.
const reserved = " all analyse analyze and any array as asc asymmetric both case cast check collate column constraint create default deferrable desc" +
	" describe distinct do else end except false fetch for foreign from group having in initially intersect into lambda lateral leading limit" +
	" not null offset on only or order pivot pivot_longer pivot_wider placing primary qualify references returning select show some summarize" +
	" symmetric table then to trailing true union unique unpivot using variadic when where window with anti asof at authorization binary by" +
	" collation columns concurrently cross freeze full generated glob ilike inner is isnull join left like map natural notnull outer overlaps" +
	" positional right semi similar struct tablesample try_cast unpack verbose between bigint bit boolean char character coalesce dec decimal" +
	" exists extract float grouping_id inout int integer interval nchar national nullif numeric out overlay position precision real row setof" +
	" smallint substring time timestamp treat trim try values varchar xmlattributes xmlconcat xmlelement xmlexists xmlforest xmlnamespaces" +
	" xmlparse xmlpi xmlroot xmlserialize xmltable grouping stream "

// quoteName is a name as DuckDB takes it.
func quoteName(name string) string {
	if plainName(name) && !strings.Contains(reserved, " "+strings.ToLower(name)+" ") {
		return name
	}
	return `"` + strings.ReplaceAll(name, `"`, `""`) + `"`
}

func plainName(name string) bool {
	for i := 0; i < len(name); i++ {
		c := name[i]
		if c != '_' && (c|0x20 < 'a' || c|0x20 > 'z') && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return name != ""
}

// quoteText is a text as DuckDB takes it.
func quoteText(s string) string {
	if strings.IndexByte(s, 0) >= 0 {
		parts := strings.Split(s, "\x00")
		for i, p := range parts {
			parts[i] = quoteText(p)
		}
		return "(" + strings.Join(parts, " || chr(0) || ") + ")"
	}
	return "'" + strings.ReplaceAll(s, "'", "''") + "'"
}

// clauses are the words that end an expression or a relation, so that they are no alias without AS.
const clauses = " from where group having order limit offset union intersect except minus lateral window qualify on using join inner left right full" +
	" cross natural semi anti sort distribute cluster pivot unpivot tablesample as when then else end and or not in between like ilike rlike" +
	" regexp is with select values for asc desc nulls div over filter within ignore respect by watermark collate "

func isClause(word string) bool { return strings.Contains(clauses, " "+strings.ToLower(word)+" ") }

func atoi(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		return -1
	}
	return n
}

func clip(s string) string {
	if len(s) > 40 {
		return strings.ToValidUTF8(s[:40], "") + "…"
	}
	return s
}
