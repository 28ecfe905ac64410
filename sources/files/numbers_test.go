package files

import (
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/lakeflow/lakeflow/schemas"
)

// numberCases is how many texts are tried for each type in each format.
const numberCases = 250

// TestNumbers makes texts of numbers, on and beside the limits of each type, and asks arithmetic of math/big what has
// to become of them: each way of reading must store the number that was written, or refuse it, and refuse none that the
// type holds.
func TestNumbers(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	b := newBed(t)
	for _, name := range []string{"BIGINT", "INTEGER", "DECIMAL(9,3)", "DECIMAL(18,6)", "DECIMAL(30,15)", "DECIMAL(38,10)", "DECIMAL(38,0)", "DECIMAL(4,4)", "DOUBLE", "FLOAT"} {
		typ, err := schemas.Parse(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, form := range []numberForm{{"csv", "%s", name, "%s"}, {"json", "%s", name, "%s"}, {"json", `"%s"`, name, "%s"},
			{"json", `{"k":[%s]}`, "MAP(VARCHAR, " + name + "[])", "{k=[%s]}"}} {
			t.Run(form.typ+" "+form.format+" "+form.written, func(t *testing.T) {
				g := numberTexts{rand.New(rand.NewPCG(seed, uint64(len(form.written)))), typ, form.format == "csv" || form.written[0] == '"'}
				var texts []string
				for range numberCases {
					texts = append(texts, g.text())
				}
				taken := form.check(t, b, typ, texts)
				if len(taken) < numberCases/50 {
					t.Errorf("only %d texts are taken", len(taken))
				}
				if again := form.check(t, b, typ, taken); len(again) < len(taken) { // a file of records that are all good is read in another way
					t.Errorf("%d of %d are not taken when all are good", len(taken)-len(again), len(taken))
				}
			})
		}
	}
}

// numberForm is how a number stands in a file, and in what the column gives back as text.
type numberForm struct{ format, written, typ, read string }

// check reads the texts and returns those that are taken.
func (f numberForm) check(t *testing.T, b *bed, typ schemas.Type, texts []string) (taken []string) {
	t.Helper()
	l := load{bed: b, format: f.format, mode: "declared", typ: f.typ}
	for _, text := range texts {
		l.values = append(l.values, fmt.Sprintf(f.written, text))
	}
	_, got, err := l.read()
	if err != nil {
		t.Fatal(err)
	}
	before, after, _ := strings.Cut("= "+f.read, "%s")
	for i, text := range texts {
		number := text
		if f.format == "csv" && !strings.HasPrefix(text, "+-") { // a declared column takes a plus sign
			number = strings.TrimPrefix(text, "+")
		}
		fits := inType(typ, number)
		value := strings.TrimSuffix(strings.TrimPrefix(got[i].text, before), after)
		switch {
		case got[i].text == "dead" && fits && (floating(typ) || !strings.ContainsAny(text, "eE")): // DuckDB refuses some DECIMAL with exponents
			t.Errorf("%s is refused: %s", text, got[i])
		case got[i].text == "dead":
		case !strings.HasPrefix(got[i].text, before) || !sameNumber(typ, number, value):
			t.Errorf("%s becomes %s", text, got[i])
		default:
			taken = append(taken, text)
		}
	}
	return taken
}

var plainNumber = regexp.MustCompile(`^-?((0|[1-9][0-9]*)(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]+)?$`)

// exact is the number that a text is.
func exact(text string) *big.Rat {
	if !plainNumber.MatchString(text) {
		return nil
	}
	r, _ := new(big.Rat).SetString(text)
	return r
}

func floating(typ schemas.Type) bool { return typ.Kind == schemas.Double || typ.Kind == schemas.Float }

// inType says whether the type has the number, by arithmetic.
func inType(typ schemas.Type, text string) bool {
	r := exact(text)
	if r == nil {
		return false
	}
	switch typ.Kind {
	case schemas.BigInt:
		return r.IsInt() && r.Num().IsInt64()
	case schemas.Integer:
		return r.IsInt() && r.Num().IsInt64() && int64(int32(r.Num().Int64())) == r.Num().Int64()
	case schemas.Decimal:
		scaled := new(big.Rat).Mul(r, power(typ.Scale))
		return scaled.IsInt() && new(big.Int).Abs(scaled.Num()).Cmp(power(typ.Precision).Num()) < 0
	}
	f, _ := r.Float64()
	if typ.Kind == schemas.Float {
		single, _ := r.Float32()
		f = float64(single)
	}
	return !math.IsInf(f, 0) && distance(typ, text, f) < 0 && (!r.IsInt() || len(new(big.Int).Abs(r.Num()).String()) <= 38 || strings.ContainsAny(text, "eE"))
}

// power is a power of ten.
func power(n int) *big.Rat {
	p := new(big.Rat).SetInt(new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(max(n, -n))), nil))
	if n < 0 {
		p.Inv(p)
	}
	return p
}

// distance is below 0 for a floating point number that rounds to what is written, in as many digits, above 0 for one
// that does not, and 0 for one that rounds to it as well as to another. Whole numbers without an exponent are to be
// equal.
func distance(typ schemas.Type, text string, f float64) int {
	r := exact(text)
	off := new(big.Rat).Sub(r, new(big.Rat).SetFloat64(f))
	off.Abs(off)
	if r.Sign() == 0 || r.IsInt() && !strings.ContainsAny(text, "eE") {
		return 2*off.Sign() - 1
	}
	mantissa, _, _ := strings.Cut(strings.ToLower(text), "e")
	digits := strings.Trim(strings.ReplaceAll(strings.TrimPrefix(mantissa, "-"), ".", ""), "0")
	most := map[schemas.Kind]int{schemas.Double: 17, schemas.Float: 9}[typ.Kind]
	top := new(big.Float).SetPrec(2000).SetRat(r).Text('e', 100) // not rounded up to the next exponent
	exponent, err := strconv.Atoi(top[strings.IndexByte(top, 'e')+1:])
	half := new(big.Rat).Mul(power(exponent-len(digits)+1), big.NewRat(1, 2))
	if err != nil || len(digits) > most {
		return 1
	}
	return off.Cmp(half)
}

// sameNumber says whether the value that was read is the number that was written.
func sameNumber(typ schemas.Type, text, value string) bool {
	switch typ.Kind {
	case schemas.Double, schemas.Float:
		f, err := strconv.ParseFloat(value, map[schemas.Kind]int{schemas.Double: 64, schemas.Float: 32}[typ.Kind])
		return err == nil && exact(text) != nil && distance(typ, text, f) <= 0
	}
	a, b := exact(text), exact(value)
	return a != nil && b != nil && a.Cmp(b) == 0
}

// numberTexts makes texts of numbers that may be of a type.
type numberTexts struct {
	*rand.Rand
	typ   schemas.Type
	loose bool // forms that JSON does not have
}

func (g numberTexts) pick(of ...string) string { return of[g.IntN(len(of))] }

func (g numberTexts) digits(n int) string {
	var b strings.Builder
	for range n {
		b.WriteByte(byte('0' + g.IntN(10)))
	}
	return b.String()
}

// whole is a whole number of so many digits.
func (g numberTexts) whole(n int) string {
	if n <= 0 {
		return "0"
	}
	return g.pick("1", "9", "5", strconv.Itoa(1+g.IntN(9))) + g.pick(g.digits(n-1), g.digits(n-1), strings.Repeat("9", n-1), strings.Repeat("0", n-1))
}

func (g numberTexts) text() string {
	text := g.pick("", "", "-")
	switch g.IntN(8) {
	case 0:
		text += g.limit()
	case 1:
		text += g.floating()
	case 2:
		text += g.whole(1 + g.IntN(42))
	case 3:
		text += "0." + strings.Repeat("0", g.IntN(25)) + g.whole(1+g.IntN(20))
	default:
		ints, places := 18, 6
		if g.typ.Kind == schemas.Decimal {
			ints, places = g.typ.Precision-g.typ.Scale, g.typ.Scale
		}
		text += g.whole(g.IntN(ints + 1))
		if n := g.IntN(places + 2); n > 0 {
			text += "." + g.digits(n) + g.pick("", "", "00000", strings.Repeat("0", 30))
		}
	}
	if g.IntN(6) == 0 && !strings.ContainsAny(text, "e") {
		text += g.pick("e", "E") + g.pick("", "+", "-") + g.pick("0", "1", "2", "5", "05", "17", "19", "37", "300", "308", "324", "400", "3200")
	}
	if g.loose && g.IntN(8) == 0 {
		text = g.pick(strings.Replace(text, "0.", ".", 1), "0"+text, "+"+text, text+".", "."+g.digits(1+g.IntN(20)))
	}
	return text
}

// limit is a number at the end of what a type holds.
func (g numberTexts) limit() string {
	return g.pick("9223372036854775807", "9223372036854775808", "9223372036854775809", "2147483647", "2147483648", "2147483649", "9007199254740992", "9007199254740993", "16777216", "16777217",
		"18446744073709551615", "18446744073709551616", "1.7976931348623157e308", "1.7976931348623159e308", "4.9406564584124654e-324", "2e-324", "3.4028235e38", "3.4028236e38", "1.4e-45", "7e-46",
		strings.Repeat("9", 38), "1"+strings.Repeat("0", 38), "1"+strings.Repeat("0", 400), "0."+strings.Repeat("0", 400)+"1") + g.pick("", "", "", "", ".0", ".4", ".5", ".9999999")
}

// floating is what programs print of floating point numbers, with digits that they have and others.
func (g numberTexts) floating() string {
	f := math.Abs(math.Float64frombits(g.Uint64()))
	switch {
	case math.IsNaN(f) || math.IsInf(f, 0) || g.IntN(3) == 0:
		f = math.Abs(float64(math.Float32frombits(g.Uint32())))
	case g.IntN(3) == 0:
		f = float64(g.Int64N(1<<53)) / 1024
	}
	if math.IsNaN(f) || math.IsInf(f, 0) {
		f = 0.1
	}
	text := strconv.FormatFloat(f, byte(g.pick("e", "g", "g")[0]), []int{-1, -1, 5, 6, 7, 8, 9, 14, 15, 16, 17, 18}[g.IntN(12)], 64)
	return text
}
