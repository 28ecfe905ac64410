package main

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
)

//go:embed template
var template embed.FS

func newInitCmd() *cobra.Command {
	return &cobra.Command{
		Use:     "init [dir]",
		Short:   "Write a small pipeline, with data, to begin with",
		Example: "  lakeflow init demo\n  lakeflow run demo/pipeline.yaml",
		Args:    checkArgs(cobra.MaximumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			dir := "."
			if len(args) == 1 {
				dir = args[0]
			}
			if err := writeTemplate(dir); err != nil {
				return err
			}
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "Wrote a pipeline to %s. Next:\n  lakeflow run %s\n", dir, filepath.Join(dir, "pipeline.yaml"))
			return err
		},
	}
}

// writeTemplate writes the template's files into dir. It never overwrites one.
func writeTemplate(dir string) error {
	return fs.WalkDir(template, "template", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		rel, err := filepath.Rel("template", path)
		if err != nil {
			return err
		}
		content, err := template.ReadFile(path)
		if err != nil {
			return err
		}
		return writeNew(filepath.Join(dir, rel), content)
	})
}

func writeNew(path string, content []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("write template: %w", err)
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s is there already; name another folder", path)
	}
	if err != nil {
		return fmt.Errorf("write template: %w", err)
	}
	_, err = f.Write(content)
	return errors.Join(err, f.Close())
}
