// Command lakeflow runs declarative data pipelines: YAML and SQL in, Apache Iceberg tables out.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/lakeflow/lakeflow/dsl/diag"
	"github.com/lakeflow/lakeflow/dsl/load"
	"github.com/lakeflow/lakeflow/engine/duckerr"
	"github.com/lakeflow/lakeflow/engine/plan"
	"github.com/lakeflow/lakeflow/engine/project"
)

// The exit codes, as the root command's help lists them.
const (
	exitRuntime     = 1
	exitUsage       = 2
	exitInvalid     = 3
	exitExpectation = 4
	exitInterrupted = 130
)

// exitError is an error with its own exit code.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string { return e.err.Error() }
func (e *exitError) Unwrap() error { return e.err }

// usagef is a mistake on the command line.
func usagef(format string, args ...any) error {
	return &exitError{exitUsage, fmt.Errorf(format, args...)}
}

// wrongUsage reports whether err is a mistake on the command line.
func wrongUsage(err error) bool {
	var coded *exitError
	var usage *project.UsageError
	return errors.As(err, &coded) && coded.code == exitUsage || errors.As(err, &usage)
}

// globalFlags are the flags of every command.
type globalFlags struct {
	pipeline string   // the pipeline file, where no argument names it
	params   []string // name=value
	overlay  string
	target   string // of a bundle
	resource string // of a bundle
	noColor  bool
}

// open opens a pipeline file with the parameters that were given. The caller closes the project.
func (g *globalFlags) open(ctx context.Context, file string, opts project.Options) (*project.Project, error) {
	var err error
	if opts.Params, err = g.parameters(); err != nil {
		return nil, err
	}
	opts.Overlay, opts.Target, opts.Resource = g.overlay, g.target, g.resource
	return project.Open(ctx, file, opts)
}

// parameters are those of --param.
func (g *globalFlags) parameters() ([]project.Param, error) {
	var params []project.Param
	for _, p := range g.params {
		name, value, ok := strings.Cut(p, "=")
		if !ok || name == "" {
			return nil, usagef("--param %s: write it as name=value", p)
		}
		params = append(params, project.Param{Name: name, Value: value})
	}
	return params, nil
}

// with opens a pipeline file for what is published, and closes it when work is done.
func (g *globalFlags) with(ctx context.Context, file string, purpose project.Purpose, work func(*project.Project) error) (err error) {
	p, err := g.open(ctx, file, project.Options{Purpose: purpose})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.Close()) }()
	return work(p)
}

func main() { os.Exit(realMain()) }

// collectMemory sets Go's garbage collector for a short-lived process whose rows are in DuckDB's memory, not in Go's:
// with the default it runs several times before the first query does. The limit keeps a million file names from growing
// fivefold.
func collectMemory() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(400)
	}
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(512 << 20)
	}
}

func realMain() int {
	collectMemory()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// Who reads the output may go away early, as head does; what was begun is still brought to its end.
	signal.Ignore(syscall.SIGPIPE)
	// The first signal ends the work in order; a second one ends the process at once. They are told apart by time,
	// because some senders, such as timeout, signal a process and then its group.
	context.AfterFunc(ctx, func() {
		time.Sleep(500 * time.Millisecond)
		stop()
	})
	cmd, err := newRoot().ExecuteContextC(ctx)
	if err == nil || unread(err) {
		return 0
	}
	noColor, _ := cmd.Flags().GetBool("no-color")
	showError(os.Stderr, err, !noColor && term.IsTerminal(int(os.Stderr.Fd())))
	return exitCode(ctx, err)
}

// unread reports whether err says that whoever read the standard output has closed it. They have what they wanted.
func unread(err error) bool {
	var path *fs.PathError
	return errors.As(err, &path) && path.Path == os.Stdout.Name() && errors.Is(path, syscall.EPIPE)
}

func exitCode(ctx context.Context, err error) int {
	var list diag.List
	var coded *exitError
	switch {
	case errors.As(err, &coded):
		return coded.code
	case wrongUsage(err):
		return exitUsage
	case errors.As(err, &list):
		return exitInvalid
	case violation(err):
		return exitExpectation
	case ctx.Err() != nil:
		return exitInterrupted
	}
	return exitRuntime
}

// showError writes an error for people. There is nothing to do when that fails: the exit code still tells.
func showError(w io.Writer, err error, color bool) {
	var list diag.List
	if errors.As(err, &list) {
		_ = diag.Render(w, list, os.ReadFile, color)
		return
	}
	var query *plan.QueryError
	if errors.As(err, &query) {
		_ = diag.Render(w, diag.List{{Message: query.Message, Range: query.At, Help: query.Help}}, os.ReadFile, color)
		return
	}
	_, _ = fmt.Fprintln(w, "lakeflow:", diag.Visible(duckerr.Text(err)))
	if wrongUsage(err) {
		_, _ = fmt.Fprintln(w, "Run the command with --help to see how it is used.")
	}
}

func newRoot() *cobra.Command {
	flags := &globalFlags{}
	root := &cobra.Command{
		Use:   "lakeflow",
		Short: "Run data pipelines of YAML and SQL into Iceberg tables",
		Long: `lakeflow runs declarative data pipelines: tables are SQL queries in a YAML file, and an
update brings them up to date, exactly once, as Iceberg tables.

Exit codes:
  0    ok
  1    run-time error
  2    wrong usage
  3    the pipeline is invalid
  4    an expectation with fail stopped the update
  130  interrupted`,
		Example:       "  lakeflow init demo\n  lakeflow run demo/pipeline.yaml",
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          unknownCommand,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return &exitError{exitUsage, err} })
	root.PersistentFlags().StringVarP(&flags.pipeline, "pipeline", "f", load.Here(), "the pipeline: a pipeline file, a folder or pattern of .sql files, spark-pipeline.yaml or databricks.yml")
	cobra.CheckErr(root.MarkPersistentFlagFilename("pipeline", "yaml", "yml"))
	root.PersistentFlags().StringArrayVar(&flags.params, "param", nil, "set a parameter of the pipeline, as in --param name=value (repeatable)")
	root.PersistentFlags().StringVar(&flags.overlay, "overlay", "", "the file that maps what only exists in the cloud (default: lakeflow.yaml beside .sql files)")
	root.PersistentFlags().StringVar(&flags.target, "target", "", "the target of a Databricks bundle (default: its default)")
	root.PersistentFlags().StringVar(&flags.resource, "resource", "", "the pipeline of a Databricks bundle, by its key (default: its only one)")
	root.PersistentFlags().BoolVar(&flags.noColor, "no-color", os.Getenv("NO_COLOR") != "", "write messages without colours")
	root.AddCommand(newInitCmd(), newValidateCmd(flags), newPlanCmd(flags), newRunCmd(flags), newReportCmd(flags),
		newQueryCmd(flags), newDeadLettersCmd(flags), newAuditCmd(flags), newConvertCmd(flags), newMaintainCmd(flags), newRelocateCmd(flags), newSchemaCmd(), newVersionCmd())
	for _, cmd := range root.Commands() {
		if strings.HasSuffix(cmd.Use, " pipeline.yaml") {
			takePipeline(cmd, flags)
		}
	}
	return root
}

// takePipeline lets a command whose only argument is the pipeline file do without: it is named by -f then, or
// pipeline.yaml.
func takePipeline(cmd *cobra.Command, flags *globalFlags) {
	cmd.Use = strings.TrimSuffix(cmd.Use, "pipeline.yaml") + "[pipeline.yaml]"
	cmd.ValidArgsFunction = completePipeline
	cmd.Args = checkArgs(func(cmd *cobra.Command, args []string) error {
		if len(args) > 0 && cmd.Flags().Changed("pipeline") {
			return fmt.Errorf("the pipeline file is named twice: %s and --pipeline %s", args[0], flags.pipeline)
		}
		return cobra.MaximumNArgs(1)(cmd, args)
	})
	run := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) > 0 {
			return run(cmd, args)
		}
		if _, err := os.Stat(flags.pipeline); errors.Is(err, fs.ErrNotExist) && !cmd.Flags().Changed("pipeline") {
			return usagef("there is no pipeline in this folder; name the pipeline file or a folder of .sql files, or make one with lakeflow init")
		}
		return run(cmd, []string{flags.pipeline})
	}
}

// unknownCommand refuses what stands in the place of a command.
func unknownCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	var names []string
	for _, c := range cmd.Commands() {
		names = append(names, c.Name())
	}
	return usagef("there is no command %q; %s", args[0], diag.DidYouMean(args[0], names, ""))
}

// checkArgs makes what a check of the arguments, or of flags that exclude each other, finds wrong a mistake of usage.
func checkArgs(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if err := errors.Join(check(cmd, args), cmd.ValidateFlagGroups()); err != nil {
			return &exitError{exitUsage, err}
		}
		return nil
	}
}
