package files

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"

	"github.com/lakeflow/lakeflow/schemas"
	"github.com/lakeflow/lakeflow/sources"
	"github.com/lakeflow/lakeflow/sources/records"
)

// maxTraced bounds the bytes of files that one batch reads again to find records: it is to cost a part of a second.
// Those of files whose records are converted one by one count fittedCost times.
const (
	maxTraced  = 32 << 20
	fittedCost = 8
)

// Members of a line that is a record to be found.
const (
	lineMember   = "__lakeflow_line"
	offsetMember = "__lakeflow_offset"
	rawMember    = "__lakeflow_raw" // in base64
)

// traced are the relations of a batch whose records are told apart.
type traced struct{ rows, records string }

// trace reads some files of the batch again, record by record, so that each row has the offset of its record.
func (w *work) trace(ctx context.Context, session sources.Session, places map[int64]bool) (*sources.Traced, error) {
	again := *w
	again.session, again.out, again.position, again.tracing = session, &sources.Batch{}, offsetMember, w.asTheyAre()
	again.files, again.parts = again.toTrace(places), records.Parts[*file]{}
	if len(again.files) == 0 || len(w.state.Schema) == 0 {
		return nil, nil
	}
	var t traced
	var err error
	switch w.src.cfg.Format {
	case "json":
		t, err = again.traceJSON(ctx)
	case "debezium":
		t, err = again.traceEvents(ctx, w.src.format.(debeziumFormat))
	case "csv":
		t, err = again.traceCSV()
	}
	if err != nil || t.rows == "" {
		return nil, err
	}
	return &sources.Traced{Relation: again.renamed(again.withFolders(t.rows)), Records: t.records}, nil
}

// asTheyAre are the files whose records DuckDB has read as they stand there, one on each line.
func (w *work) asTheyAre() map[*file]bool {
	plain := map[*file]bool{}
	for _, f := range w.parts.Strict(w.files) {
		plain[f] = w.src.cfg.Format == "json" && f.kind == jsonLines
	}
	return plain
}

// toTrace are the files of these places, as many as may be read again.
func (w *work) toTrace(places map[int64]bool) []*file {
	var files []*file
	var total int64
	for _, f := range w.files {
		cost := f.size
		if !w.tracing[f] {
			cost *= fittedCost
		}
		if places[sources.PlaceID(w.src.cfg.Name, f.rel)] && total+cost <= maxTraced {
			files, total = append(files, f), total+cost
		}
	}
	return files
}

// trim takes the space around the record away, and says whether the record is taken as it is.
func (r *record) trim() bool {
	const space = " \t\r\n"
	text := bytes.TrimLeft(r.raw, space)
	r.offset += int64(len(r.raw) - len(text))
	r.raw = bytes.TrimRight(text, space)
	return r.reason == "" && len(text) > 1 && text[0] == '{'
}

func (w *work) traceJSON(ctx context.Context) (traced, error) {
	all := w.files
	fitted, wanted, err := w.fit(ctx, all)
	if err != nil || len(w.files) < len(all) { // one is not there any more
		return traced{}, err
	}
	columns := w.tracedMembers(schemas.Table{{Name: fileMember, Type: schemas.Type{Kind: schemas.BigInt}}})
	return traced{w.fitted(all, fitted, wanted), fmt.Sprintf(`(SELECT %s AS place, %s AS "offset", %s AS line, from_base64(%s) AS raw FROM read_json(%s, format='newline_delimited', records=true, columns=%s, hive_partitioning=false, maximum_object_size=%d))`,
		w.place(all, fileMember), offsetMember, lineMember, rawMember, records.Located(fitted.Goods...), readerColumns(columns), max(maxRecord, fitted.Longest)+1024)}, nil
}

// tracedMembers are further columns of the lines of records that are to be found.
func (w *work) tracedMembers(t schemas.Table) schemas.Table {
	if w.tracing == nil {
		return t
	}
	integer := schemas.Type{Kind: schemas.BigInt}
	return append(t, schemas.Column{Name: lineMember, Type: integer}, schemas.Column{Name: offsetMember, Type: integer},
		schemas.Column{Name: rawMember, Type: schemas.Type{Kind: schemas.Varchar}})
}

// appendPlace adds to a line where its record is, and what it is, if it is to be found.
func (w *work) appendPlace(b []byte, s records.Single) []byte {
	if w.tracing == nil {
		return b
	}
	place := strings.Fields(s.Place)
	b = fmt.Appendf(b, `,"%s":%s,"%s":%s,"%s":"`, lineMember, place[1], offsetMember, place[2], rawMember)
	b = base64.StdEncoding.AppendEncode(b, s.Value[:min(len(s.Value), maxRaw)])
	return append(b, '"')
}

func (w *work) traceCSV() (traced, error) {
	all := w.files
	if err := w.scanFields(all); err != nil || len(w.files) < len(all) {
		return traced{}, err
	}
	var rows []string
	for _, group := range byHeader(all) {
		r := csvRows{work: w, header: group[0].header}
		r.prepare()
		rows = append(rows, fmt.Sprintf(`(SELECT %s, %s FROM (SELECT *, %s AS why, "offset" AS %s, list_position(%s, path) - 1 AS __lakeflow_index FROM %s WHERE reason = '') WHERE why = '')`,
			strings.Join(r.columns, ", "), w.metadata(group, "__lakeflow_index"), r.why(), offsetMember, pathTexts(group), scanned(group)))
	}
	all = slices.DeleteFunc(slices.Clone(all), func(f *file) bool { return f.raw == "" })
	if len(rows) == 0 || len(all) == 0 {
		return traced{}, nil
	}
	return traced{records.Union(rows), fmt.Sprintf(`(SELECT %s AS place, "offset", line, raw FROM %s)`, w.place(all, "(list_position("+pathTexts(all)+", path) - 1)"), scanned(all))}, nil
}
