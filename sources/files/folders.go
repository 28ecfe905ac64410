package files

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/lakeflow/lakeflow/schemas"
	"github.com/lakeflow/lakeflow/schemas/quote"
	"github.com/lakeflow/lakeflow/sources/jsonrecords"
	"github.com/lakeflow/lakeflow/sources/records"
	"github.com/lakeflow/lakeflow/sources/values"
)

// foldersColumn holds the values from the names of a file's folders inside the relations of the formats. work.relation
// puts them where a record has no value of its own.
const foldersColumn = "__lakeflow_folders"

// folderNull is how Hive and Spark write NULL in the name of a folder.
const folderNull = "__HIVE_DEFAULT_PARTITION__"

// folder is one part of a path such as year=2024.
type folder struct {
	key, value string
	null       bool
}

// foldersOf are the folders below the source's root that have a key and a value.
func foldersOf(rel string) []folder {
	parts := strings.Split(rel, "/")
	var out []folder
	for _, part := range parts[:len(parts)-1] {
		key, value, ok := strings.Cut(part, "=")
		if key = unescape(key); ok && speakable(key, jsonrecords.Own{Rescues: true}) {
			out = append(out, folder{key, unescape(value), value == folderNull})
		}
	}
	return out
}

// unescape decodes %3A and the like, where the outcome is a text that SQL can have.
func unescape(text string) string {
	if plain, err := url.PathUnescape(text); err == nil && utf8.ValidString(plain) && !strings.Contains(plain, "\x00") {
		return plain
	}
	return text
}

// folderOf is the innermost folder with this key, or nil.
func folderOf(rel, key string) *folder {
	for _, f := range slices.Backward(foldersOf(rel)) {
		if strings.EqualFold(f.key, key) {
			return &f
		}
	}
	return nil
}

// learnFolders settles which columns come from folders, and adds those to the schema that it lacks.
func (w *work) learnFolders(ctx context.Context) error {
	switch p := w.src.cfg.PartitionColumns; {
	case p.None:
		w.state.Partitions = nil
	case len(p.Names) > 0:
		w.state.Partitions = p.Names
		w.needFolders()
	case w.first:
		w.state.Partitions = w.commonFolders()
	}
	w.state.Partitions = slices.Clone(w.state.Partitions)
	for i, name := range w.state.Partitions {
		if c := w.state.Schema.Column(name); c != nil {
			w.state.Partitions[i] = c.Name
			continue
		}
		typ := schemas.Type{Kind: schemas.Varchar}
		if !w.src.cfg.Texts {
			typ = w.folderType(name)
		}
		w.added(append(w.state.Schema, schemas.Column{Name: name, Type: typ}), []string{name})
	}
	return w.checkFolders(ctx)
}

// needFolders sets files aside whose paths lack a folder that is declared.
func (w *work) needFolders() {
	for _, f := range slices.Clone(w.files) {
		for _, name := range w.state.Partitions {
			if folderOf(f.rel, name) == nil {
				w.drop(f, &unsupportedError{fmt.Sprintf("its path has no folder %s=…, which partition_columns names", name), "move it into one, or correct partition_columns"})
				break
			}
		}
	}
}

// commonFolders are the keys that the paths of all files have.
func (w *work) commonFolders() []string {
	var names []string
	for i, f := range w.files {
		if i == 0 {
			for _, folder := range foldersOf(f.rel) {
				if !slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, folder.key) }) {
					names = append(names, folder.key)
				}
			}
			continue
		}
		names = slices.DeleteFunc(names, func(name string) bool { return folderOf(f.rel, name) == nil })
	}
	return names
}

// folderType is the type of all values that the folders of this name have.
func (w *work) folderType(name string) schemas.Type {
	var g values.Guess
	for _, f := range w.files {
		if at := folderOf(f.rel, name); at != nil && !at.null {
			g.Text([]byte(at.value))
		}
	}
	return g.Type()
}

// checkFolders sets files aside whose folders have values that do not fit, and reports those without a folder.
func (w *work) checkFolders(ctx context.Context) error {
	for _, name := range w.state.Partitions {
		col := w.state.Schema.Column(name)
		if col == nil {
			continue
		}
		bad, err := w.misfits(ctx, name, col.Type)
		if err != nil {
			return err
		}
		for _, f := range slices.Clone(w.files) {
			at := folderOf(f.rel, name)
			switch {
			case at == nil:
				w.notice("folder_missing", f.rel, fmt.Sprintf("file %s is in no folder %s=…, so column %s is NULL in its records, unless they have it", records.Shown(f.rel), name, records.Shown(name)))
			case !at.null && bad[at.value]:
				w.drop(f, &unsupportedError{fmt.Sprintf("%s of its folder %s=… is not %s", records.Shown(at.value), name, col.Type), "rename the folder, or declare the column VARCHAR"})
			}
		}
	}
	return nil
}

// misfits are the values of the folders that are none of the type.
func (w *work) misfits(ctx context.Context, name string, typ schemas.Type) (map[string]bool, error) {
	bad := map[string]bool{}
	var doubtful []string
	for _, f := range w.files {
		at := folderOf(f.rel, name)
		if at == nil || at.null || typ.Kind == schemas.Varchar || values.Fits([]byte(at.value), typ) || bad[at.value] {
			continue
		}
		bad[at.value] = true
		doubtful = append(doubtful, quote.Text(at.value))
	}
	if len(doubtful) == 0 {
		return nil, nil
	}
	rows, err := w.session.Conn.QueryContext(ctx, fmt.Sprintf("SELECT v FROM (SELECT unnest([%s]) AS v) WHERE NOT %s", strings.Join(doubtful, ", "), values.Lossy("v", typ)))
	if err != nil {
		return nil, fmt.Errorf("check the folders %s=…: %w", name, err)
	}
	defer rows.Close()
	for rows.Next() {
		var fine string
		if err := rows.Scan(&fine); err != nil {
			return nil, err
		}
		delete(bad, fine)
	}
	return bad, rows.Err()
}

// metadata are the columns that end the relation of a format over these files, where index is the 0-based number of the
// row's file: _metadata and where the row is from, and before them foldersColumn where columns come from folders. Constant lists cost nothing when
// a query does not read them, where a join would.
func (w *work) metadata(files []*file, index string) string {
	own := metadata(files, index) + ", " + w.provenance(files, index)
	if len(w.state.Partitions) == 0 {
		return own
	}
	members := make([]string, len(w.state.Partitions))
	for i, name := range w.state.Partitions {
		members[i] = quote.Text(name) + ": " + w.folderValue(files, name, index)
	}
	return "{" + strings.Join(members, ", ") + "} AS " + foldersColumn + ", " + own
}

// folderValue is the value from the folder of the row's file.
func (w *work) folderValue(files []*file, name, index string) string {
	typ := w.state.Schema.Column(name).Type
	number := map[folder]int{}
	texts, places := []string{"NULL"}, make([]string, len(files))
	for i, f := range files {
		place := 1
		if at := folderOf(f.rel, name); at != nil && !at.null {
			at.key = "" // its letter case does not matter
			n, ok := number[*at]
			if !ok {
				texts = append(texts, values.Cast(quote.Text(at.value), typ))
				n = len(texts)
				number[*at] = n
			}
			place = n
		}
		places[i] = strconv.Itoa(place)
	}
	return fmt.Sprintf("CAST([%s] AS %s[])[CAST(%s AS BIGINT[])[CAST(%s AS BIGINT) + 1]]", strings.Join(texts, ", "), typ, split(places, ","), index)
}

// withFolders puts the values from folders into the relation where a record has none.
func (w *work) withFolders(relation string) string {
	if relation == "" || len(w.state.Partitions) == 0 {
		return relation
	}
	items := make([]string, len(w.state.Partitions))
	for i, name := range w.state.Partitions {
		items[i] = fmt.Sprintf("coalesce(%s, %s.%s) AS %s", quote.Name(name), foldersColumn, quote.Name(name), quote.Name(name))
	}
	return fmt.Sprintf("(SELECT * EXCLUDE (%s) REPLACE (%s) FROM %s)", foldersColumn, strings.Join(items, ", "), relation)
}

// speakable says whether SQL can have a column of this name.
func speakable(name string, own jsonrecords.Own) bool {
	return !own.Reserved(name) && !strings.Contains(name, "\x00")
}
