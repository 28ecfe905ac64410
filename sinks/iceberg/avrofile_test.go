package iceberg

import (
	"bytes"
	"errors"
	"io"
	"math"
	"math/big"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/avro"
	"github.com/twmb/avro/ocf"
)

const everyAvroType = `{"type":"record","name":"entry","fields":[
 {"name":"path","type":"string","field-id":100},
 {"name":"day","type":["null",{"type":"int","logicalType":"date"}],"default":null,"field-id":101},
 {"name":"bytes","type":["null",{"type":"bytes","logicalType":"decimal","precision":9,"scale":2}],"field-id":102},
 {"name":"fixed","type":["null",{"type":"fixed","name":"decimal_38_10","size":16,"logicalType":"decimal","precision":38,"scale":10}]},
 {"name":"id","type":["null",{"type":"fixed","name":"uuid_fixed","size":16,"logicalType":"uuid"}]},
 {"name":"at","type":["null",{"type":"long","logicalType":"timestamp-micros","adjust-to-utc":true}]},
 {"name":"time","type":["null",{"type":"long","logicalType":"time-micros"}]},
 {"name":"sizes","type":["null",{"type":"array","logicalType":"map","items":{"type":"record","name":"k1_v2","fields":[
   {"name":"key","type":"int","field-id":1},{"name":"value","type":"bytes","field-id":2}]}}]},
 {"name":"f","type":["null","float"]},{"name":"d","type":"double"},{"name":"b","type":["null","boolean"]},{"name":"raw","type":["null","bytes"]},
 {"name":"nested","type":{"type":"record","name":"r102","fields":[{"name":"_x31","type":["null","string"]}]}}]}`

// TestRewriteAvro changes one text of records that have a value of every type in which manifests hold partition values.
func TestRewriteAvro(t *testing.T) {
	schema, err := avro.Parse(everyAvroType)
	if err != nil {
		t.Fatal(err)
	}
	full := map[string]any{"path": "old", "day": time.Date(1969, 12, 30, 0, 0, 0, 0, time.UTC), "bytes": big.NewRat(-128, 100),
		"fixed": new(big.Rat).SetFrac(big.NewInt(-1), big.NewInt(10_000_000_000)), "id": [16]byte{0: 1, 15: 255},
		"at": time.UnixMicro(-500_001).UTC(), "time": 23 * time.Hour, "sizes": []any{map[string]any{"key": int32(3), "value": []byte{}}, map[string]any{"key": int32(1), "value": []byte{0xff, 0}}},
		"f": float32(-0.1), "d": math.Copysign(0, -1), "b": false, "raw": []byte{}, "nested": map[string]any{"_x31": "é"}}
	empty := map[string]any{"path": "", "day": nil, "bytes": nil, "fixed": nil, "id": nil, "at": nil, "time": nil, "sizes": nil, "f": nil, "d": 1e308, "b": nil, "raw": nil,
		"nested": map[string]any{"_x31": nil}}
	for name, codec := range map[string]ocf.Codec{"null": nil, "deflate": ocf.DeflateCodec(-1), "snappy": ocf.SnappyCodec()} {
		t.Run(name, func(t *testing.T) {
			write := func(path string) []byte {
				var b bytes.Buffer
				w, err := ocf.NewWriter(&b, schema, ocf.WithMetadata(map[string][]byte{"content": []byte("data"), "odd": {0xff}}), ocf.WithCodec(codec))
				if err != nil {
					t.Fatal(err)
				}
				for _, r := range []map[string]any{full, empty, full} {
					r["path"] = path
					if err := w.Encode(r); err != nil {
						t.Fatal(err)
					}
				}
				if err := w.Close(); err != nil {
					t.Fatal(err)
				}
				return b.Bytes()
			}
			rename := func(r map[string]any) error { r["path"] = r["path"].(string) + "er"; return nil }
			old := write("old")
			got, err := rewriteAvro(old, rename)
			if err != nil {
				t.Fatal(err)
			}
			gotMeta, gotRecords := readAvro(t, got)
			wantMeta, wantRecords := readAvro(t, write("older"))
			if diff := cmp.Diff(wantMeta, gotMeta); diff != "" {
				t.Errorf("metadata (-want +got):\n%s", diff)
			}
			if !bytes.Equal(wantRecords, gotRecords) {
				t.Errorf("the records are not what they were, but for the path:\n%x\n%x", wantRecords, gotRecords)
			}
		})
	}
	if _, err := rewriteAvro([]byte("Obj\x01"), func(map[string]any) error { return nil }); err == nil {
		t.Error("a file that was cut off was rewritten")
	}
	failed := errors.New("no")
	var b bytes.Buffer
	w, _ := ocf.NewWriter(&b, schema)
	if err := errors.Join(w.Encode(full), w.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := rewriteAvro(b.Bytes(), func(map[string]any) error { return failed }); !errors.Is(err, failed) {
		t.Error(err)
	}
}

// readAvro gives the header of an Avro file, and its records as they are encoded.
func readAvro(t *testing.T, content []byte) (map[string][]byte, []byte) {
	t.Helper()
	r, err := ocf.NewReader(bytes.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var out []byte
	for {
		var v any
		if err := r.Decode(&v); errors.Is(err, io.EOF) {
			return r.Metadata(), out
		} else if err != nil {
			t.Fatal(err)
		}
		if out, err = r.Schema().AppendEncode(out, v); err != nil {
			t.Fatal(err)
		}
	}
}
