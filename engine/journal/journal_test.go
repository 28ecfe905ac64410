package journal

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/lakeflow/lakeflow/engine/duck"
	"github.com/lakeflow/lakeflow/schemas"
)

// TestEventsBecomeRows writes random events through SQL and reads them back as JSON: no text is changed or ends the
// statement.
func TestEventsBecomeRows(t *testing.T) {
	db, err := duck.Open(t.Context(), duck.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	texts := rapid.OneOf(rapid.SampledFrom([]string{"", "it's", `"quoted"`, `back\slash`, "line\nbreak", "NULL", "{}", "');--", "é😀", "\u2028", "\x01", "a\x00b", "$1 ?"}), rapid.StringMatching(`[ -~é]{0,20}`))
	rapid.Check(t, func(t *rapid.T) {
		var events []schemas.Event
		for range rapid.IntRange(1, 4).Draw(t, "events") {
			e := schemas.Event{ID: texts.Draw(t, "id"), Message: texts.Draw(t, "message"), Level: "INFO", Maturity: "STABLE", EventType: texts.Draw(t, "type"),
				Sequence:  schemas.Sequence{DataPlane: schemas.DataPlaneID{Instance: texts.Draw(t, "instance"), SeqNo: rapid.Int64().Draw(t, "seq")}},
				Origin:    schemas.Origin{PipelineID: texts.Draw(t, "pipeline id"), PipelineType: "WORKSPACE", TableName: "d", SinkName: texts.Draw(t, "sink"), FlowID: "i", PipelineName: texts.Draw(t, "pipeline"), UpdateID: "u", DatasetName: "d", FlowName: "f", BatchID: 1 + rapid.Int64Range(0, 1e15).Draw(t, "batch"), Host: "h"},
				Timestamp: time.UnixMicro(rapid.Int64Range(0, 4e15).Draw(t, "time")).UTC()}
			details, err := json.Marshal(map[string]string{"text": texts.Draw(t, "details")})
			if err != nil {
				t.Fatal(err)
			}
			e.Details = string(details)
			if rapid.Bool().Draw(t, "failed") {
				e.Error = &schemas.EventError{Fatal: true, Exceptions: []schemas.Exception{{ClassName: "c", Message: texts.Draw(t, "error")}}}
			}
			events = append(events, e)
		}
		if diff := cmp.Diff(events, readEvents(t, db, SQL(events))); diff != "" {
			t.Fatal(diff)
		}
	})
}

func readEvents(t *rapid.T, db *duck.DB, query string) (events []schemas.Event) {
	rows, err := db.Conn().QueryContext(t.Context(), `SELECT CAST(to_json(struct_pack(e.id, e.sequence, e.origin, "timestamp" := strftime(e."timestamp", '%Y-%m-%dT%H:%M:%S.%fZ'),
		e.message, e.level, e.maturity_level, e.error, e.details, e.event_type)) AS VARCHAR) FROM (`+query+`) e`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var text string
		var e schemas.Event
		if err := rows.Scan(&text); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal([]byte(text), &e); err != nil {
			t.Fatal(err, text)
		}
		events = append(events, e)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return events
}
