package iceberg

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/lakeflow/lakeflow/sinks/lake"
)

// Placed says, as everything that reads tables does, when they are those of another folder. It is for whoever is about
// to become the writer: it creates nothing.
func (l *Lake) Placed(ctx context.Context) error {
	db, err := l.catalog(ctx, false)
	if db == nil || err != nil {
		return nil // it is made by Acquire, which says why if it cannot be
	}
	_, err = l.pointers(ctx, db)
	return err
}

// placed makes sure that tables are in this warehouse's folder. Iceberg's metadata has absolute paths: where the folder
// was moved or copied, they lead nowhere, or to the files of another warehouse.
func (l *Lake) placed(pointers ...pointer) error {
	for _, p := range pointers {
		if home := l.home(p); home != l.warehouse {
			return l.strayed(home)
		}
	}
	return nil
}

// home is the folder of the warehouse in which lakeflow wrote a table. Those of other programs may be anywhere: they
// count as being at home.
func (l *Lake) home(p pointer) string {
	path := local(p.location)
	namespace, name := l.split(p.table)
	if strings.HasPrefix(path, l.tableDir(p.table)+"/") || p.table != EventLog && p.stored == "" {
		return l.warehouse
	}
	home, ok := strings.CutSuffix(filepath.Dir(path), filepath.Join("/", namespace, name, "metadata"))
	if !ok {
		return l.warehouse
	}
	return home
}

// strayed says why the tables are those of another folder.
func (l *Lake) strayed(home string) error {
	moved := &lake.MovedError{From: home, To: l.warehouse}
	there, err := os.Stat(filepath.Join(home, filepath.Base(l.catalogFile())))
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return moved
	}
	moved.Copied = true // also when it cannot be looked at
	if here, hereErr := os.Stat(l.catalogFile()); err == nil && hereErr == nil && os.SameFile(here, there) {
		return fmt.Errorf("%s is another name of the warehouse %s, whose tables name their files by that one; "+
			"nothing was read or changed. Write it as it was in the pipeline file: target: {warehouse: %[2]s}",
			l.warehouse, home)
	}
	return moved
}
