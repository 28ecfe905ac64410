package option_test

import (
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/lakeflow/lakeflow/dsl/diag"
	"github.com/lakeflow/lakeflow/dsl/option"
)

type inner struct {
	option.Node `yaml:"-"`
	Mode        string `yaml:"mode" jsonschema:"enum=fast,enum=slow,default=fast"`
	Name        string `yaml:"name" option:"text"`
}

type thing struct {
	option.Node `yaml:"-"`
	Rest        map[string]option.Entry `yaml:"-"`
	Size        option.Size             `yaml:"size" default:"1GiB"`
	Every       option.Duration         `yaml:"every" default:"2s"`
	Count       int                     `yaml:"count" jsonschema:"default=7"`
	On          bool                    `yaml:"on" jsonschema:"default=true"`
	File        string                  `yaml:"file" option:"path"`
	Local       *string                 `yaml:"local" option:"local path"`
	Texts       []option.Text           `yaml:"texts"`
	Words       option.Texts            `yaml:"words"`
	Inner       inner                   `yaml:"inner" jsonschema:"required"`
	Named       map[string]inner        `yaml:"named"`
}

func text(s string) *option.Value {
	return &option.Value{Kind: option.KindText, Scalar: s, Written: s, At: diag.Range{File: s}}
}

func list(items ...*option.Value) *option.Value {
	return &option.Value{Kind: option.KindList, Items: items}
}

// mapping takes keys and values by turns.
func mapping(pairs ...any) *option.Value {
	v := &option.Value{Kind: option.KindMapping}
	for i := 0; i < len(pairs); i += 2 {
		key := pairs[i].(string)
		v.Entries = append(v.Entries, option.Entry{Key: key, At: diag.Range{File: "key " + key}, Value: pairs[i+1].(*option.Value)})
	}
	return v
}

func decode(t *testing.T, v *option.Value) (thing, []string) {
	t.Helper()
	var diags diag.List
	resolver := &option.Resolver{Dir: "/dir", Params: map[string]any{"p": 5}, Env: func(string) (string, bool) { return "secret", true }, Diags: &diags}
	d := option.Decoder{Diags: &diags, Resolver: resolver, Open: map[reflect.Type][]string{reflect.TypeFor[thing](): {"open"}}}
	var x thing
	d.Decode(&x, v, diag.Range{}, "it")
	var codes []string
	for _, d := range diags {
		codes = append(codes, d.Code+" "+d.Range.File)
	}
	return x, codes
}

func TestDefaults(t *testing.T) {
	x, codes := decode(t, mapping("inner", mapping(), "named", mapping("a", mapping("name", text("${p}")))))
	want := thing{Size: 1 << 30, Every: option.Duration(2 * time.Second), Count: 7, On: true, Inner: inner{Mode: "fast"}, Rest: map[string]option.Entry{},
		Named: map[string]inner{"a": {Mode: "fast", Name: "5"}}}
	if d := cmp.Diff(want, x, cmpopts.IgnoreTypes(option.Node{})); d != "" || codes != nil {
		t.Error(d, codes)
	}
	if x, codes := decode(t, mapping()); x.Size != 1<<30 || x.Inner.Mode != "fast" || !cmp.Equal(codes, []string{"LF0103 "}) {
		t.Error(x, codes)
	}
}

func TestDecode(t *testing.T) {
	x, codes := decode(t, mapping("size", text("64MB"), "every", text("1m"), "file", text("a/${p}"), "local", text("./b"), "texts", list(text("x${env:A}"), text("${p}")),
		"words", text("${p}"), "inner", mapping("mode", text("slow")), "open", text("later")))
	if codes != nil {
		t.Error(codes)
	}
	local := "b"
	want := thing{Size: 64_000_000, Every: option.Duration(time.Minute), Count: 7, On: true, File: "/dir/a/5", Local: &local,
		Texts: []option.Text{{Text: "xsecret", At: diag.Range{File: "x${env:A}"}}, {Text: "5", At: diag.Range{File: "${p}"}}}, Words: option.Texts{"${p}"}, Inner: inner{Mode: "slow"}}
	if d := cmp.Diff(want, x, cmpopts.IgnoreTypes(option.Node{}, map[string]option.Entry{})); d != "" {
		t.Error(d)
	}
	if e := x.Rest["open"]; e.Value == nil || e.Value.Scalar != "later" || !x.Has("open") || x.At("open").File != "later" || x.At("inner").File != "key inner" {
		t.Error(x.Rest, x.Fields)
	}
}

// What is wrong is reported once, and can be told from what is empty.
func TestWrong(t *testing.T) {
	number := &option.Value{Kind: option.KindInt, Scalar: int64(5), Written: "5", At: diag.Range{File: "number"}}
	x, codes := decode(t, mapping("size", text("big"), "count", text("many"), "file", text("s3://b"), "texts", list(text("${none}"), text("x"), number),
		"inner", mapping("mode", text("slwo"), "unknown", number), "fiel", text("")))
	want := []string{"LF0113 big", "LF0102 many", "LF0116 s3://b", "LF0120 ${none}", "LF0102 number", "LF0105 slwo", "LF0101 key unknown", "LF0101 key fiel"}
	if d := cmp.Diff(want, codes); d != "" {
		t.Error(d)
	}
	if x.Size != 1<<30 || x.Count != 7 || len(x.Texts) != 1 || x.Inner.Mode != "slow" {
		t.Error(x)
	}
	for _, key := range []string{"size", "count", "file", "texts"} {
		if !x.Has(key) || x.Read(key) {
			t.Errorf("%s: %v %v", key, x.Has(key), x.Read(key))
		}
	}
	if got := x.Written("texts", "words", "size"); !cmp.Equal(got, []string{"texts", "size"}) {
		t.Error(got)
	}
}
