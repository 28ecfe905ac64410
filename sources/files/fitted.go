package files

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/lakeflow/lakeflow/schemas"
	"github.com/lakeflow/lakeflow/sources/jsonrecords"
	"github.com/lakeflow/lakeflow/sources/records"
)

// tolerant reads the records of the files one by one. Good records are converted by the same DuckDB code as in
// read_json.
func (jsonFormat) tolerant(ctx context.Context, w *work, files []*file) (good, rejects string, err error) {
	fitted, wanted, err := w.fit(ctx, files)
	if err != nil || wanted == "" {
		return "", "", err
	}
	if len(w.state.Schema) > 0 {
		good = w.fitted(files, fitted, wanted)
	}
	return good, `(SELECT * EXCLUDE ("partition") FROM ` + fitted.Rejects(origin(files), numberOfFile+wanted) + ")", nil
}

// fit has the records of the files read one by one, and drops files that can't be read to their end. Wanted is the
// condition of the numbers of those that are left, to be put behind the number; empty for none.
func (w *work) fit(ctx context.Context, files []*file) (fitted *records.Fitted, wanted string, err error) {
	options := jsonrecords.FitOptions{Rescues: w.rescues(), Ignores: w.src.cfg.Evolution.Ignores(), Nulls: w.src.cfg.JSON.NullValues}
	fit := records.Fit{Temp: w.temp, Fitter: jsonrecords.NewFitter(w.session.Conn, w.state.Schema, options), Line: w.appendLine,
		Rescued: rescuedOf(files), Prove: w.parts.Proves}
	causes := make([]error, len(files))
	fitted, err = fit.Run(ctx, len(files), func(i int, add func(records.Single) error) (failed error) {
		kind, plain := jsonMixed, w.tracing[files[i]]
		if plain {
			kind = jsonLines
		}
		causes[i] = readRecords(files[i].path, w.src.cfg.JSON.Encoding, kind, func(r record) bool {
			if plain && !r.trim() {
				return ctx.Err() == nil
			}
			failed = add(records.Single{Place: placeOf(i, r), Value: r.raw, Fits: plain, Reason: r.reason})
			return failed == nil
		})
		return failed
	})
	if err != nil {
		return nil, "", err
	}
	var kept []string
	for i, cause := range causes {
		if cause != nil {
			w.drop(files[i], cause)
		} else {
			kept = append(kept, strconv.Itoa(i))
		}
	}
	if len(kept) > 0 {
		wanted = " IN (" + strings.Join(kept, ", ") + ")"
	}
	return fitted, wanted, nil
}

// Members of a line that is a record with where it is from.
const (
	fileMember    = "__lakeflow_file" // the number of the file
	rescuedMember = "__lakeflow_rescued"
)

// appendLine writes a good record: its members behind those that say where it is from.
func (w *work) appendLine(b []byte, s records.Single, value []byte, rescued string) []byte {
	number, _, _ := strings.Cut(s.Place, " ")
	b = w.appendPlace(append(append(b, `{"`+fileMember+`":`...), number...), s)
	if rescued != "" {
		b = jsonrecords.AppendText(append(b, `,"`+rescuedMember+`":`...), []byte(rescued))
	}
	if members := bytes.TrimLeft(value[1:], " \t\r\n"); members[0] == '}' {
		b = append(b, '}') // an object without members
	} else {
		b = append(append(b, ','), members...)
	}
	return append(b, '\n')
}

// fitted is the relation of good records, of the wanted ones of all files.
func (w *work) fitted(all []*file, f *records.Fitted, wanted string) string {
	columns := append(w.state.Schema.Clone(), schemas.Column{Name: fileMember, Type: schemas.Type{Kind: schemas.BigInt}},
		schemas.Column{Name: rescuedMember, Type: schemas.Type{Kind: schemas.Varchar}})
	columns = w.tracedMembers(columns)
	rescued := ""
	if w.rescues() {
		rescued = rescuedMember + " AS " + jsonrecords.RescuedColumn + ", "
	}
	return fmt.Sprintf("(SELECT %s, %s%s FROM read_json(%s, format='newline_delimited', records=true, columns=%s,"+
		" hive_partitioning=false, maximum_object_size=%d) AS __lakeflow_row WHERE %s%s)", names(w.state.Schema), rescued,
		w.metadata(all, fileMember), records.Located(f.Goods...), readerColumns(columns), max(maxRecord, f.Longest)+1024, fileMember, wanted)
}

// placeOf is where a record stands: the number of its file, its line, and its offset.
func placeOf(file int, r record) string {
	b := append(strconv.AppendInt(nil, int64(file), 10), ' ')
	b = append(strconv.AppendInt(b, r.line, 10), ' ')
	return string(strconv.AppendInt(b, r.offset, 10))
}

// numberIn is that of the file in a place.
func numberIn(place string) int {
	number, _, _ := strings.Cut(place, " ")
	n, _ := strconv.Atoi(number) // placeOf wrote it
	return n
}

// numberOfFile is that of a place in SQL.
const numberOfFile = `CAST(split_part(m, ' ', 1) AS BIGINT)`

// origin says where the records of these files stand, for rejects.
func origin(all []*file) string {
	return pathTexts(all) + "[" + numberOfFile + ` + 1] AS file, CAST(split_part(m, ' ', 2) AS BIGINT) AS line,` +
		` CAST(split_part(m, ' ', 3) AS BIGINT) AS "offset", NULL::INTEGER AS "partition"`
}

// rescuedOf says where the records of these files stand, for what was rescued of them.
func rescuedOf(all []*file) func(place string) string {
	return func(place string) string {
		path, _ := json.Marshal(all[numberIn(place)].path) // a text has no error
		return `"_file_path":` + string(path)
	}
}
