package main

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"github.com/lakeflow/lakeflow/engine/project"
)

func newConvertCmd(flags *globalFlags) *cobra.Command {
	var folder string
	var force bool
	cmd := &cobra.Command{
		Use:   "convert project",
		Short: "Write a project of SQL files as a pipeline file",
		Long: `Write what a folder of pipeline SQL, or another project, declares as a pipeline.yaml: the
same pipeline, with the same tables in the same warehouse. Queries stay in the dialect that
they are written in; long ones become files of the folder sql. What the file cannot say is
listed on the standard error and in comments of the file.`,
		Example: "  lakeflow convert shop -o shop-yaml\n  lakeflow convert databricks.yml --target dev -o yaml",
		Args:    checkArgs(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			if folder == "" {
				return usagef("name the folder to write to, as in lakeflow convert %s -o yaml", project.Quote(args[0]))
			}
			params, err := flags.parameters()
			if err != nil {
				return err
			}
			made, err := project.Convert(args[0], project.Options{Params: params, Overlay: flags.overlay, Target: flags.target, Resource: flags.resource}, folder)
			if err != nil {
				return err
			}
			if err := showWarnings(cmd, slices.Concat(made.Warnings, made.Lost)); err != nil {
				return err
			}
			return writeConverted(cmd, made, force)
		},
	}
	cmd.Flags().StringVarP(&folder, "output", "o", "", "folder to write to; one beside the .sql files, which a folder with a pipeline.yaml would no longer be run by")
	cobra.CheckErr(cmd.MarkFlagDirname("output"))
	cmd.Flags().BoolVar(&force, "force", false, "overwrite files that are there")
	return cmd
}

// writeConverted writes the files. Without force it overwrites nothing: when one is there already, it writes none.
func writeConverted(cmd *cobra.Command, made project.Converted, force bool) error {
	names := slices.Sorted(maps.Keys(made.Files))
	for _, name := range names {
		path := filepath.Join(made.Folder, name)
		if _, err := os.Lstat(path); err == nil && !force {
			return fmt.Errorf("%s is there already, and nothing was written; name another folder with -o, or overwrite it with --force", path)
		}
	}
	for _, name := range names {
		path := filepath.Join(made.Folder, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return fmt.Errorf("write %s: %w", path, err)
		}
		if err := os.WriteFile(path, []byte(made.Files[name]), 0o644); err != nil {
			return fmt.Errorf("write %s: %w", path, err)
		}
		if _, err := fmt.Fprintln(cmd.OutOrStdout(), "wrote", path); err != nil {
			return err
		}
	}
	return nil
}
