package files

import (
	"slices"
	"strings"

	"github.com/lakeflow/lakeflow/schemas"
	"github.com/lakeflow/lakeflow/sources"
	"github.com/lakeflow/lakeflow/sources/records"
)

// ignored reports columns that are not read, each once.
func (w *work) ignored(columns ...string) {
	for _, name := range columns {
		if !slices.ContainsFunc(w.out.Notices, func(n sources.Notice) bool { return n.Kind == "column_ignored" && n.Subject == name }) {
			w.notice("column_ignored", name, "column "+records.Shown(name)+" of the files is not read: "+w.whyIgnored(name))
		}
	}
}

func (w *work) whyIgnored(name string) string {
	switch {
	case name == "":
		return "its name is empty"
	case strings.Contains(name, "\x00"):
		return "its name has a NUL character"
	case w.own().Reserved(name):
		return "lakeflow uses this name itself"
	case strings.Contains(name, "."):
		return "Iceberg has this name for what is inside another column, as a.b for the field b of a and l.element for what is in the list l; or it is that of another column but for the letter case"
	}
	return "its name is that of another column but for the letter case"
}

// added reports new columns, once the schema has them.
func (w *work) added(t schemas.Table, names []string) {
	w.state.Schema = t
	if w.first {
		return
	}
	w.out.Notices = append(w.out.Notices, records.Added("files", names)...)
}
