package plan

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

// TestRunErrorOfTheWorld: what the world did is no mistake in the user's query, and TRY(…) does not help.
func TestRunErrorOfTheWorld(t *testing.T) {
	f := &Flow{Name: "orders", sql: "SELECT CAST(a AS INTEGER) AS a FROM x"}
	for text, query := range map[string]bool{
		`{"exception_type":"Permission","exception_message":"Cannot access file \"/a/b.parquet\" - file system operations are disabled by configuration"}`: false,
		`{"exception_type":"IO","exception_message":"Cannot open file \"/a/b.parquet\": Permission denied"}`:                                               false,
		`{"exception_type":"Out of Memory","exception_message":"failed to allocate"}`:                                                                      false,
		`{"exception_type":"Conversion","exception_message":"Could not convert string 'x' to INT32"}`:                                                      true,
	} {
		err := f.RunError("orders", fmt.Errorf("write: %w", errors.New(text)), Statement{f, f.sql})
		var mistake *QueryError
		if errors.As(err, &mistake) != query || !strings.HasPrefix(err.Error(), "table orders, flow orders: write: ") || !query && strings.Contains(err.Error(), "TRY") {
			t.Errorf("%s: %v", text, err)
		}
	}
}
