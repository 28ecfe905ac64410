package yamlfile

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/lakeflow/lakeflow/dsl/option"
)

// Texts of any characters are written so that they are read again. Write itself compares; here it must not give up.
func TestWriteTexts(t *testing.T) {
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 1))
	parts := []string{"a", "SELECT", " ", "  ", ":", ": ", "#", " #", "-", "- ", "'", `"`, `\`, "{", "}", "[", "]", ",", "|", ">", "&", "*", "!", "%", "@", "`", "\t", "\n", "\n\n", "0",
		"1", "1e3", "0x1F", "1_000", ".5", "true", "null", "~", "yes", "ü", "😀", "${a}", "${", "-- x", "?", "=", "<<", "2024-01-01", "\r", "end "}
	texts := []string{"", "00123", "1_000", "0o17", "Null", ".inf", "x\n", "x\n\n", "\n", " x\n y", "a\n\tb\n", "x: y", "SELECT a -- b\nFROM c\n"}
	for range 4000 {
		var b strings.Builder
		for range 1 + r.IntN(6) {
			b.WriteString(parts[r.IntN(len(parts))])
		}
		texts = append(texts, b.String())
	}
	for _, text := range texts {
		if text, ok := checkText("", "x"+text, nil); !ok || strings.Contains(text, "\ufdd0") {
			continue
		}
		v := &option.Value{Kind: option.KindMapping}
		v.Put("a", option.TextValue(text))
		inner := &option.Value{Kind: option.KindMapping}
		inner.Put("deep", option.TextValue(text))
		inner.Put("list", option.ListValue(text, "b"))
		v.Put("b", inner)
		if out, err := Write(v); err != nil {
			t.Errorf("seed %d: %q: %v\n%s", seed, text, err, out)
		}
	}
}
