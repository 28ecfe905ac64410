package main

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"github.com/lakeflow/lakeflow/engine/project"
)

//go:embed template
var template embed.FS

func newInitCmd() *cobra.Command {
	return &cobra.Command{
		Use:     "init [dir]",
		Short:   "Write a small pipeline, with data, to begin with",
		Example: "  lakeflow init demo\n  lakeflow run demo/pipeline.yaml",
		Args:    checkArgs(cobra.MaximumNArgs(1)),
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return nil, cobra.ShellCompDirectiveFilterDirs
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			dir := "."
			if len(args) == 1 {
				dir = args[0]
			}
			if err := writeTemplate(dir); err != nil {
				return err
			}
			where := dir
			if filepath.Clean(dir) == "." {
				where = "the current folder"
			}
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "Wrote a pipeline to %s. Next:\n  lakeflow run %s\n", where, project.Quote(filepath.Join(dir, "pipeline.yaml")))
			return err
		},
	}
}

// writeTemplate writes the template's files into dir. It overwrites nothing: when one is there already, it writes none.
func writeTemplate(dir string) error {
	files := map[string][]byte{}
	err := fs.WalkDir(template, "template", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		rel, err := filepath.Rel("template", path)
		if err != nil {
			return err
		}
		to := filepath.Join(dir, rel)
		if _, err := os.Lstat(to); err == nil {
			return thereAlready(to)
		}
		files[to], err = template.ReadFile(path)
		return err
	})
	if err != nil {
		return err
	}
	for _, path := range slices.Sorted(maps.Keys(files)) {
		if err := writeNew(path, files[path]); err != nil {
			return err
		}
	}
	return nil
}

func thereAlready(path string) error {
	return fmt.Errorf("%s is there already, and nothing was written; name another folder: lakeflow init demo", path)
}

func writeNew(path string, content []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("write template: %w", err)
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return thereAlready(path)
	}
	if err != nil {
		return fmt.Errorf("write template: %w", err)
	}
	_, err = f.Write(content)
	return errors.Join(err, f.Close())
}
