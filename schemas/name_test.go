package schemas_test

import (
	"strings"
	"testing"

	"github.com/lakeflow/lakeflow/schemas"
)

func TestGoodName(t *testing.T) {
	for name, want := range map[string]bool{
		"orders": true, "12m_payer": true, "order-items": true, "Ünïcode": true, "select": true, "_x": true, "注文": true, "कुल": true, "٣": true,
		strings.Repeat("a", 255): true, strings.Repeat("é", 128): false, strings.Repeat("a", 256): false,
		"": false, "a.b": false, "a b": false, "-a": false, "a/b": false, "..": false, "a\x00": false, "a\xff": false, "a\"b": false, "😀": false, "½": false,
	} {
		if got := schemas.GoodName(name); got != want {
			t.Errorf("%q: %v, want %v", name, got, want)
		}
	}
}

func TestNames(t *testing.T) {
	for table, want := range map[string][2]string{"orders": {"", "orders"}, "bronze.orders": {"bronze", "orders"}} {
		schema, name := schemas.SplitName(table)
		if [2]string{schema, name} != want || schemas.JoinName(schema, name) != table {
			t.Errorf("%s is %q and %q", table, schema, name)
		}
		if local := schemas.LocalName("Bronze", table); local != "orders" {
			t.Errorf("%s is %s in bronze", table, local)
		}
		for _, hidden := range []string{schemas.ChangesState(table), schemas.ViewState(table)} {
			if in, _ := schemas.SplitName(hidden); in != schema || !schemas.Hidden(hidden) || schemas.Hidden(table) || schemas.Owner(hidden) != table {
				t.Errorf("%s hides in %s, of %s", table, hidden, schemas.Owner(hidden))
			}
		}
	}
}
