package iceberg_test

import (
	"context"
	"testing"

	_ "github.com/duckdb/duckdb-go/v2"

	"github.com/lakeflow/lakeflow/sinks/iceberg"
	"github.com/lakeflow/lakeflow/sinks/sinktest"
)

func open(t *testing.T, warehouse string) sinktest.Lake {
	t.Helper()
	lake, err := iceberg.Open(context.Background(), warehouse, "main", "p", iceberg.Retention{})
	if err != nil {
		t.Fatal(err)
	}
	return lake
}

func TestConformance(t *testing.T) { sinktest.Run(t, open) }
