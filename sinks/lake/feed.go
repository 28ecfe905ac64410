package lake

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// Feed returns what the commits after one did to the rows of a table, for a reader that stands there: 0 is its beginning.
// Where the history from the beginning is not kept, or has rows of columns that the table does not have any more, the
// reader begins with the rows as they are, as if the last commit had added them all. The other errors are those of
// Reader.Changes; ErrRewritten also says that the table was rolled back, or made anew, behind the reader.
func Feed(ctx context.Context, r Reader, table string, after, maxBytes int64) (c *Changes, asTheyAre bool, err error) {
	c, err = r.Changes(ctx, table, after, 0, maxBytes)
	if after == 0 && (errors.Is(err, ErrExpired) || errors.Is(err, ErrRewritten)) {
		c, err = present(ctx, r, table)
		return c, true, err
	}
	if err == nil && after > 0 && c.After != after {
		err = fmt.Errorf("%w: its history does not have commit %d", ErrRewritten, after)
	}
	return c, false, err
}

// present is the last commit of a table as one that added all of its rows.
func present(ctx context.Context, r Reader, table string) (*Changes, error) {
	contents, err := r.Files(ctx, table, Version{})
	if err != nil {
		return nil, err
	}
	history, err := r.History(ctx, table)
	if err != nil {
		return nil, err
	}
	all := CommitChanges{Commit: contents.Commit, Added: contents.Files}
	for _, s := range history {
		if s.ID == contents.Snapshot {
			all.Time = s.Time
		}
	}
	return &Changes{Schema: contents.Schema, Commits: []CommitChanges{all}}, nil
}

// Files are those that have the rows, and those that name removed ones, of which only the path is known.
func (c CommitChanges) Files() []DataFile {
	files := slices.Clone(c.Added)
	for _, r := range c.Removed {
		files = append(files, r.Files...)
		for _, path := range r.By {
			files = append(files, DataFile{Path: path})
		}
	}
	return files
}
