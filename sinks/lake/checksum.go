package lake

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"regexp"
	"strings"
)

// DuckDB writes no checksums of Parquet pages, so the name of a data file carries one of all its bytes: a CRC-32C,
// which the processor computes faster than memory is read. The name itself is in a manifest whose own name carries the
// hash of that.

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

var sealedNames = regexp.MustCompile(`-crc32c-([0-9a-f]{8})\.parquet$`)

// SealedName is the path of a data file with this checksum, in place of another one or of none.
func SealedName(path string, sum uint32) string {
	path = strings.TrimSuffix(sealedNames.ReplaceAllLiteralString(path, ""), ".parquet")
	return fmt.Sprintf("%s-crc32c-%08x.parquet", path, sum)
}

// Checksum reads all of a data file.
func Checksum(f io.ReadSeeker) (uint32, error) {
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return 0, err
	}
	sum := crc32.New(castagnoli)
	_, err := io.CopyBuffer(onlyWriter{sum}, f, make([]byte, 1<<20))
	return sum.Sum32(), err
}

// onlyWriter keeps io.Copy to its buffer.
type onlyWriter struct{ io.Writer }

// DamagedError says that a data file is not what was written.
type DamagedError struct{ Path string }

func (e *DamagedError) Error() string {
	return fmt.Sprintf("data file %s is damaged: its content does not agree with the checksum in its name; restore this file from a backup of the warehouse, however old: it never changes", e.Path)
}

// CheckFile reads all of a data file and compares it with the checksum in its name. It returns a *DamagedError when
// they differ, and nothing when the file has none, because another program wrote it.
func CheckFile(path string) error {
	name := sealedNames.FindStringSubmatch(path)
	if name == nil {
		return nil
	}
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("data file %s is missing; restore this file from a backup of the warehouse, however old: it never changes (%w)", path, err)
	}
	if err != nil {
		return fmt.Errorf("check data file: %w", err)
	}
	defer f.Close()
	sum, err := Checksum(f)
	if err != nil {
		return fmt.Errorf("check data file %s: %w", path, err)
	}
	if fmt.Sprintf("%08x", sum) != name[1] {
		return &DamagedError{Path: path}
	}
	return nil
}

// Checked are data files whose checksum is right.
type Checked map[string]bool

// maxChecked bounds the memory of an update that goes on for months: what was forgotten is checked once more.
const maxChecked = 50_000

// Check compares files with their checksums before rows are made of them, once in an update, and not those that it wrote
// itself. Its errors are those of CheckFile.
func (c Checked) Check(files []DataFile) error {
	for _, f := range files {
		for _, path := range append([]string{f.Path}, f.Deletes...) {
			if c[path] {
				continue
			}
			if err := CheckFile(path); err != nil {
				return err
			}
			c.Add(path)
		}
	}
	return nil
}

// Add takes a file for right.
func (c Checked) Add(path string) {
	if len(c) >= maxChecked {
		clear(c)
	}
	c[path] = true
}
