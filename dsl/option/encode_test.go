package option

import (
	"reflect"
	"testing"
	"time"

	"github.com/lakeflow/lakeflow/dsl/diag"
)

func TestRebase(t *testing.T) {
	for _, c := range []struct {
		from, to, path string
		absolute       bool
		want           string
	}{
		{"/p/a", "/p/a", "data/x", false, "data/x"},
		{"/p/a", "/p/b", "data/*.json", false, "../a/data/*.json"},
		{"/p/a", "/p/a/sub", "../data", false, "../../data"},
		{"/p/a", "/p/b", "/data/x", false, "/data/x"},
		{"/p/a", "/p/b", "/p/a/data/*.json", false, "../a/data/*.json"},
		{"/p/a", "/p/b", "/p/a/warehouse", true, "../a/warehouse"},
		{"/p/a", "/p/b", "/lake", true, "/lake"},
		{"/p/a", "/p/b", "${base}/x", false, "${base}/x"},
		{"/p/a", "/p/b", "/p/a/${env:DIR}/x", true, "${env:DIR}/x"},
		{"/p/a [1]", "/p/b", "data", false, `../a \[1\]/data`},
		{"/p/a [1]", "/p/b", "*.json", false, `../a \[1\]/*.json`},
		{"/p/a [1]", "/p/a [1]", "data", false, "data"},
		{"/p/a [1]", "/p/b", "/p/a [1]/warehouse", true, "../a [1]/warehouse"},
	} {
		if got := Rebase(c.from, c.to)(c.path, c.absolute); got != c.want {
			t.Errorf("%s of %s for %s: %s, want %s", c.path, c.from, c.to, got, c.want)
		}
	}
}

type inner struct {
	Node `yaml:"-"`
	Word string `yaml:"word" jsonschema:"default=a"`
	Size Size   `yaml:"size" default:"1GiB"`
}

type outer struct {
	Node   `yaml:"-"`
	Inner  inner                       `yaml:"inner"`
	Path   string                      `yaml:"path" option:"local path"`
	Flag   *bool                       `yaml:"flag"`
	On     bool                        `yaml:"on" jsonschema:"default=true"`
	Count  int                         `yaml:"count" jsonschema:"default=5"`
	Texts  Texts                       `yaml:"texts"`
	List   []Text                      `yaml:"list"`
	Names  []string                    `yaml:"names"`
	Deep   map[string]map[string]int64 `yaml:"deep"`
	Length Duration                    `yaml:"length"`
}

// What Encode makes of a struct, Decode makes the struct of again; and defaults are not written.
func TestEncode(t *testing.T) {
	no := false
	standard := outer{On: true, Count: 5, Inner: inner{Word: "a", Size: 1 << 30}}
	for name, x := range map[string]outer{
		"defaults": standard,
		"zero":     {},
		"all": {On: false, Count: 7, Inner: inner{Word: "b", Size: 64_000_000}, Path: "a/b", Flag: &no, Texts: Texts{"one"}, List: []Text{{Text: "x"}, {Text: ""}},
			Names: []string{}, Deep: map[string]map[string]int64{"t": {"0": 5, "10": 0}}, Length: Duration(90 * time.Minute)},
		"texts": {On: true, Texts: Texts{"one", "two"}, Inner: inner{Size: 1, Word: "a"}, Count: 1, Length: Duration(1500 * time.Millisecond)},
	} {
		v := new(Encoder).Encode(&x)
		if name == "defaults" && len(v.Entries) > 0 {
			t.Errorf("defaults are written: %v", v.Entries[0].Key)
		}
		var diags diag.List
		var got outer
		d := &Decoder{Diags: &diags}
		d.Decode(&got, v, diag.Range{}, "")
		clear := func(o *outer) { o.Node, o.Inner.Node = Node{}, Node{} }
		clear(&got)
		if name == "zero" { // an empty word, and a size and count of nothing
			x.Inner.Size = got.Inner.Size
		}
		if len(diags) > 0 || !reflect.DeepEqual(got, x) {
			t.Errorf("%s: %+v became %+v; %v", name, x, got, diags)
		}
	}
}
