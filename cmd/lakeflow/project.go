package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sys/unix"

	"github.com/lakeflow/lakeflow/dsl"
	"github.com/lakeflow/lakeflow/dsl/diag"
	"github.com/lakeflow/lakeflow/engine/duck"
	"github.com/lakeflow/lakeflow/engine/duckerr"
	"github.com/lakeflow/lakeflow/engine/event"
	"github.com/lakeflow/lakeflow/engine/plan"
	"github.com/lakeflow/lakeflow/engine/position"
	"github.com/lakeflow/lakeflow/engine/retry"
	"github.com/lakeflow/lakeflow/schemas"
	"github.com/lakeflow/lakeflow/sinks"
	"github.com/lakeflow/lakeflow/sinks/iceberg"
	"github.com/lakeflow/lakeflow/sources"
)

// project is a pipeline file with everything that a command works on it with.
type project struct {
	Pipeline *dsl.Pipeline
	Lake     *iceberg.Lake
	State    *sinks.State
	DB       *duck.DB
	Sources  map[string]sources.Source
	Sinks    map[string]sinks.Publisher // they have reached for nothing yet
	Plan     *plan.Plan                 // nil with lakeOnly, and see lookOnly
	UpdateID string
	Epoch    int64 // with acquire
	warnings diag.List
	loaded   diag.List // the warnings of the file itself
	scratch  string    // a temp folder outside the warehouse, to be removed
	occupied *os.File  // the temp folder in the warehouse or the declared one, locked

	writer, published, looking bool              // what the options asked for
	relocating                 bool              // too
	moved                      *sinks.MovedError // with relocating: what there is to do
	relocated                  *sinks.Relocation // what was done, if the warehouse was moved
	gaps                       []string          // sources that go on behind records that they lost
	metadata                   map[string]string // types of the sources' _metadata
	unreached                  map[string]string // why sources could not be asked
	found                      map[string]sources.Found
	tell                       func(event.Event)
	placed                     func(*dsl.Pipeline) error
}

// openOption says what a command needs beyond reading.
type openOption func(*project)

// acquire makes this process the pipeline's only writer.
func acquire(p *project) { p.writer = true }

// lakeOnly looks neither at sources nor at queries, for commands that read what was published.
func lakeOnly(p *project) { p.published = true }

// relocate is for a warehouse that may have been moved or copied: that is no error. Its tables cannot be read before
// takePlace then.
func relocate(p *project) { p.published, p.relocating = true, true }

// lookOnly goes on without brokers that cannot be reached, with a warning. The plan is nil then if it needs columns of their sources that are not declared.
func lookOnly(p *project) { p.looking = true }

// acceptGaps lets these sources go on behind records that they have lost.
func acceptGaps(sources []string) openOption { return func(p *project) { p.gaps = sources } }

// waiting makes a continuous update wait for brokers that are away when it begins, and for the first record of topics whose columns are not declared. It
// tells what it waits for.
func waiting(tell func(event.Event)) openOption { return func(p *project) { p.tell = tell } }

// whenPlaced calls do once this process is the pipeline's writer, before sources are opened, which may wait for them. Its error ends openProject.
func whenPlaced(do func(*dsl.Pipeline) error) openOption {
	return func(p *project) { p.placed = do }
}

// openProject reads the pipeline file and opens its lake, sources and DuckDB. Mistakes in the file are a diag.List. The
// caller closes the project. The flags learn the secrets of the file.
func openProject(ctx context.Context, file string, flags *globalFlags, opts ...openOption) (_ *project, err error) {
	values, err := parseParams(flags.params)
	if err != nil {
		return nil, err
	}
	pipeline, diags, err := dsl.Load(file, dsl.Options{Params: values})
	if err != nil {
		return nil, err
	}
	if pipeline != nil {
		flags.secrets = pipeline.Secrets
	}
	if pipeline == nil {
		return nil, diags
	}
	p := &project{Pipeline: pipeline, UpdateID: uuid.NewString(), Sources: map[string]sources.Source{}, Sinks: map[string]sinks.Publisher{}, loaded: diags, warnings: diags,
		metadata: map[string]string{}, unreached: map[string]string{}, found: map[string]sources.Found{}}
	for _, option := range opts {
		option(p)
	}
	defer func() {
		if err != nil {
			err = flags.hide(errors.Join(err, p.Close()))
		}
	}()
	if diags.HasErrors() {
		return nil, p.allMistakes(ctx)
	}
	if err := p.checkGaps(); err != nil {
		return nil, err
	}
	if err := p.openLake(ctx); err != nil {
		return nil, withCommand(err, "lakeflow relocate "+quoted(file)+repeated(flags.params, pipeline.Parameters))
	}
	if p.relocating {
		return p, nil
	}
	if err := p.place(); err != nil {
		return nil, err
	}
	if p.published {
		return p, p.openDuck(ctx)
	}
	return p, p.openSources(ctx)
}

// allMistakes are those of a file in which some were found already: what is sound in spite of them is compiled, by looking only.
func (p *project) allMistakes(ctx context.Context) error {
	if p.published {
		return p.loaded
	}
	p.writer = false
	if target := p.Pipeline.Target; target.Warehouse == "" || target.Schema == "" || p.openLake(ctx) != nil {
		p.State = &sinks.State{}
	}
	return p.openSources(ctx)
}

func parseParams(params []string) (map[string]string, error) {
	values := map[string]string{}
	for _, p := range params {
		name, value, ok := strings.Cut(p, "=")
		if !ok || name == "" {
			return nil, usagef("--param %s: write it as name=value", p)
		}
		values[name] = value
	}
	return values, nil
}

// checkGaps refuses gaps of what is no source of topics.
func (p *project) checkGaps() error {
	var topics []string
	for _, s := range p.Pipeline.Sources {
		if s.Kafka != nil {
			topics = append(topics, s.Name)
		}
	}
	for _, name := range p.gaps {
		if !slices.Contains(topics, name) {
			return usagef("--accept-gap %s: the pipeline has no source of topics with this name; %s", name, diag.DidYouMean(name, topics, "leave it out"))
		}
	}
	return nil
}

func (p *project) openLake(ctx context.Context) (err error) {
	target, keep := p.Pipeline.Target, iceberg.Retention{Snapshots: p.Pipeline.Retention.Snapshots}
	if p.Lake, err = iceberg.Open(ctx, target.Warehouse, target.Schema, p.Pipeline.Name, keep); err != nil {
		return err
	}
	p.Lake.TempDirectory = p.Pipeline.DuckDB.TempDirectory
	if p.writer {
		return p.patient(ctx, func() error { return p.takePlace(ctx) })
	}
	p.State, err = p.Lake.State(ctx)
	if p.relocating && errors.As(err, &p.moved) {
		return nil
	}
	return err
}

// withCommand adds to the error of a warehouse that was moved what to call.
func withCommand(err error, command string) error {
	var moved *sinks.MovedError
	if errors.As(err, &moved) {
		return fmt.Errorf("%w:\n  %s", err, command)
	}
	return err
}

// place calls what is to be done once this process is the pipeline's writer.
func (p *project) place() error {
	do := p.placed
	p.placed = nil
	if do == nil {
		return nil
	}
	return do(p.Pipeline)
}

// patient has a continuous update that begins wait for what goes away by itself, as one does that is under way: a full disk, a locked catalog. That
// it waits can be asked for by then.
func (p *project) patient(ctx context.Context, do func() error) error {
	for wait := 100 * time.Millisecond; ; wait = min(2*wait, 30*time.Second) {
		err := do()
		if err == nil || p.tell == nil || p.Pipeline.Mode != dsl.Continuous || !retry.Transient(err) || ctx.Err() != nil {
			return err
		}
		if err := p.place(); err != nil {
			return err
		}
		p.tell(event.Waiting{Message: duckerr.Text(err), Pause: wait})
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(wait):
		}
	}
}

// takePlace makes this process the pipeline's writer, and reads the state that its predecessor left. A warehouse that was
// moved is relocated. Of a copy that is to be asked for, and nothing is written to it before that.
func (p *project) takePlace(ctx context.Context) error {
	var moved *sinks.MovedError
	if err := p.Lake.Placed(ctx); err != nil && (!errors.As(err, &moved) || moved.Copied && !p.relocating) {
		return err
	}
	host, err := os.Hostname()
	if err != nil {
		return fmt.Errorf("look up the host's name: %w", err)
	}
	p.Epoch, err = p.Lake.Acquire(ctx, sinks.Holder{Update: p.UpdateID, PID: os.Getpid(), Host: host, Started: time.Now().UTC()})
	if err == nil && moved != nil {
		err = p.relocate(ctx)
	}
	if err != nil {
		return err
	}
	p.State, err = p.Lake.State(ctx)
	return err
}

func (p *project) relocate(ctx context.Context) (err error) {
	p.relocated, err = p.Lake.Relocate(ctx, p.Epoch)
	if err == nil && p.tell != nil && len(p.relocated.Tables) > 0 {
		p.tell(event.Notice{Message: fmt.Sprintf("the warehouse was moved from %s to %s: its tables name "+
			"their files here now", p.relocated.From, p.relocated.To)})
	}
	return err
}

// openSources opens what the pipeline reads and publishes to, and compiles it. Where there are mistakes, it goes on to find all of them.
func (p *project) openSources(ctx context.Context) error {
	p.makeSources()
	err := p.compileSources(ctx)
	var mistakes diag.List
	if err != nil && !errors.As(err, &mistakes) && p.loaded.HasErrors() {
		p.loaded.Sort()
		return p.loaded
	}
	return err
}

func (p *project) compileSources(ctx context.Context) error {
	if err := p.patient(ctx, func() error { return p.openDuck(ctx) }); err != nil {
		return err
	}
	p.makeSinks()
	if p.loaded.HasErrors() { // there will be no update, so nothing is worth waiting for
		p.looking, p.tell = true, nil
	}
	var columns map[string]schemas.Table
	err := p.patient(ctx, func() (err error) {
		columns, err = p.sourceColumns(ctx)
		return err
	})
	if err != nil {
		return err
	}
	p.Plan, err = p.compile(ctx, columns)
	return err
}

// makeSources makes the sources that have no mistakes yet. Those that their connector refuses have one then.
func (p *project) makeSources() {
	for _, s := range p.Pipeline.Sources {
		if s.Flawed {
			continue
		}
		source, metadata, err := p.newSource(s)
		if err != nil {
			p.loaded, s.Flawed = append(p.loaded, refused(s, err)), true
			continue
		}
		p.Sources[s.Name], p.metadata[s.Name] = source, metadata
	}
}

func (p *project) makeSinks() {
	for _, s := range p.Pipeline.Sinks {
		if s.Flawed {
			continue
		}
		sink, err := p.newSink(s)
		if err != nil {
			p.loaded, s.Flawed = append(p.loaded, refusedSink(s, err)), true
			continue
		}
		p.Sinks[s.Name] = sink
	}
}

func (p *project) openDuck(ctx context.Context) error {
	temp, err := p.tempDir()
	if err != nil {
		return err
	}
	var folders []string
	if p.Lake != nil {
		folders = append(folders, p.Pipeline.Target.Warehouse)
	}
	for _, name := range slices.Sorted(maps.Keys(p.Sources)) {
		folders = append(folders, p.Sources[name].Folders()...)
	}
	d := p.Pipeline.DuckDB
	p.DB, err = duck.Open(ctx, duck.Config{MemoryLimit: d.MemoryLimit, Threads: d.Threads, TempDir: temp, Folders: folders})
	return err
}

// tempDir is this process's temp folder: below the declared one, else in the warehouse. A command that only looks must not be
// what creates the warehouse, so before the first update it is in the system's, as it is when the warehouse may only be read.
func (p *project) tempDir() (string, error) {
	if p.occupied != nil {
		return p.occupied.Name(), nil
	}
	declared := p.Pipeline.DuckDB.TempDirectory
	if declared != "" && p.Lake != nil {
		if err := os.MkdirAll(declared, 0o755); err != nil {
			return "", fmt.Errorf("make temp folder: %w", err)
		}
	}
	if p.Lake != nil && (declared != "" || unix.Access(p.Pipeline.Target.Warehouse, unix.W_OK) == nil) {
		dir := p.Lake.TempFolder(p.UpdateID)
		return dir, p.occupy(dir)
	}
	dir, err := os.MkdirTemp("", "lakeflow-")
	if err != nil {
		return "", fmt.Errorf("make temp folder: %w", err)
	}
	p.scratch = dir
	return dir, nil
}

// occupy makes a temp folder and locks it: lakeflow maintain removes the folders whose process has ended, which frees the lock. Should it take this one for
// such a folder, before it is locked, another one is made.
func (p *project) occupy(dir string) error {
	for {
		if err := os.Mkdir(dir, 0o755); err != nil {
			return fmt.Errorf("make temp folder: %w", err)
		}
		f, err := os.Open(dir)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return fmt.Errorf("lock temp folder: %w", err)
		}
		err = unix.Flock(int(f.Fd()), unix.LOCK_SH)
		if err != nil && !errors.Is(err, unix.ENOTSUP) && !errors.Is(err, unix.ENOLCK) { // without locks nobody can take it for a dead one
			return errors.Join(fmt.Errorf("lock temp folder: %w", err), f.Close())
		}
		if _, err := os.Lstat(dir); err == nil {
			p.occupied = f
			return nil
		}
		_ = f.Close() // it was only read
	}
}

// sourceColumns asks every source for its columns. One that knows none yet is left out. A command that only looks goes on without those that cannot be reached.
func (p *project) sourceColumns(ctx context.Context) (map[string]schemas.Table, error) {
	columns := map[string]schemas.Table{}
	if p.looking {
		p.reach(ctx)
	}
	for i, s := range p.Pipeline.Sources {
		if s.Flawed {
			continue
		}
		session := sources.Session{Conn: p.DB.Conn(), Prefix: fmt.Sprintf("__look%d_", i), TempDir: p.DB.TempDir()}
		for _, position := range p.readers(s.Name) {
			found, err := p.look(ctx, s, session, position)
			if err != nil && p.loaded.HasErrors() {
				s.Flawed = true
				break
			}
			if err != nil {
				return nil, fmt.Errorf("source %s: %w", s.Name, err)
			}
			p.found[s.Name] = found
			if len(found.Columns) > 0 {
				columns[s.Name] = schemas.Union(columns[s.Name], found.Columns)
			}
		}
	}
	return columns, nil
}

// reach asks all brokers at once whether they answer.
func (p *project) reach(ctx context.Context) {
	var mu sync.Mutex
	var asking sync.WaitGroup
	defer asking.Wait()
	for _, s := range p.Pipeline.Sources {
		if remote, ok := p.Sources[s.Name].(sources.Remote); ok {
			asking.Go(func() {
				soon, cancel := context.WithTimeout(ctx, lookTime)
				defer cancel()
				if err := remote.Reach(soon); err != nil {
					mu.Lock()
					defer mu.Unlock()
					p.unreached[s.Name] = whyUnreached(s, err)
				}
			})
		}
	}
}

func whyUnreached(s *dsl.Source, err error) string {
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) {
		return "no answer of " + strings.Join(s.Kafka.Brokers, ", ") + " within " + lookTime.String()
	}
	return duckerr.Text(err)
}

// look asks a source for its columns; where that cannot be waited for, and it does not answer, they are those that are declared.
func (p *project) look(ctx context.Context, s *dsl.Source, session sources.Session, from sources.Position) (sources.Found, error) {
	if !p.looking || s.Kafka == nil {
		return p.columns(ctx, s, session, from)
	}
	if p.unreached[s.Name] != "" {
		return declared(s)
	}
	soon, cancel := context.WithTimeout(ctx, lookTime)
	defer cancel()
	found, err := p.columns(soon, s, session, from)
	if err != nil && ctx.Err() == nil {
		p.unreached[s.Name] = whyUnreached(s, err)
		return declared(s)
	}
	return found, err
}

// columns asks a source for its columns, again and again as long as it is to be waited for.
func (p *project) columns(ctx context.Context, s *dsl.Source, session sources.Session, from sources.Position) (sources.Found, error) {
	for wait := 100 * time.Millisecond; ; wait = min(2*wait, 5*time.Second) {
		found, err := p.Sources[s.Name].Schema(ctx, session, from)
		var away *sources.UnavailableError
		if p.tell == nil || s.Kafka == nil || p.Pipeline.Mode != dsl.Continuous || err != nil && !errors.As(err, &away) || len(found.Columns) > 0 {
			return found, err
		}
		why := found.Lack + ", and no schema is declared"
		if err != nil {
			why = duckerr.Text(err)
		}
		p.tell(event.Waiting{Message: "source " + s.Name + ": " + why, Pause: wait})
		select {
		case <-ctx.Done():
			return sources.Found{}, ctx.Err()
		case <-time.After(wait):
		}
	}
}

// lookTime is how long a command that only looks waits for brokers.
const lookTime = 4 * time.Second

// readers is how far each of the source's readers has got, or the beginning when it was never read. One that is further on may know more columns.
func (p *project) readers(source string) []sources.Position {
	var positions []sources.Position
	for _, key := range p.State.Positions.Keys() {
		if at := p.State.Positions.At(key); key.Kind == position.Source && key.Input == source && at != nil {
			positions = append(positions, at)
		}
	}
	if positions == nil {
		return []sources.Position{nil}
	}
	return positions
}

// compile makes the plan for sources with these columns. Mistakes in the pipeline are a diag.List; warnings are kept.
func (p *project) compile(ctx context.Context, columns map[string]schemas.Table) (*plan.Plan, error) {
	made, diags, err := plan.Compile(ctx, plan.Input{Pipeline: p.Pipeline, Flawed: p.loaded.HasErrors(), Conn: p.DB.Conn(), SourceColumns: columns,
		Found: p.found, Metadata: p.metadata, Unreached: p.unreached})
	if err != nil {
		return nil, err
	}
	all := append(slices.Clone(p.loaded), diags...)
	all.Sort()
	if all.HasErrors() {
		return nil, all
	}
	p.warnings = all
	return made, nil
}

// Close closes everything and gives up the writer's place.
func (p *project) Close() error {
	var errs []error
	for _, s := range p.Sources {
		errs = append(errs, s.Close())
	}
	for _, s := range p.Sinks {
		errs = append(errs, s.Close())
	}
	if p.DB != nil {
		errs = append(errs, p.DB.Close())
	}
	if p.Lake != nil {
		errs = append(errs, p.Lake.Close())
	}
	if p.occupied != nil {
		_ = os.Remove(p.occupied.Name()) // DuckDB's end has removed it, if it was begun
		errs = append(errs, p.occupied.Close())
	}
	if p.scratch != "" {
		errs = append(errs, os.RemoveAll(p.scratch))
	}
	return errors.Join(errs...)
}
