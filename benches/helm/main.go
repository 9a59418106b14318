// engine measures Helm's own loader, engine and manifest sorter, for `cargo xtask bench`: the same verbs and the same
// answers as Pintle's side (../src/main.rs). Each verb answers with one JSON object on a line.
//
//	engine time MODE SECONDS CHART [VALUES]     MODE: render, manifest or cold
//	engine memory CHART [VALUES]
//	engine allocations CHART [VALUES]
//	engine releases COUNT THREADS CHART [VALUES]
//	engine rank                                 CHART, a tab and VALUES a line on stdin
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"log/slog"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"helm.sh/helm/v4/pkg/chart/common"
	commonutil "helm.sh/helm/v4/pkg/chart/common/util"
	chart "helm.sh/helm/v4/pkg/chart/v2"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	chartutil "helm.sh/helm/v4/pkg/chart/v2/util"
	"helm.sh/helm/v4/pkg/engine"
	releaseutil "helm.sh/helm/v4/pkg/release/v1/util"
)

type values = map[string]any

// source is what is rendered: a packaged chart and a file of values.
type source struct{ chart, values string }

func (s source) load() (*chart.Chart, error) { return loader.Load(s.chart) }

func (s source) user() (values, error) {
	if s.values == "" {
		return values{}, nil
	}
	text, err := os.Open(s.values)
	if err != nil {
		return nil, err
	}
	defer text.Close()
	return loader.LoadValues(text)
}

// render goes from a loaded chart to the texts of its files.
func render(ch *chart.Chart, user values, name string) (map[string]string, error) {
	if err := chartutil.ProcessDependencies(ch, user); err != nil {
		return nil, err
	}
	release := common.ReleaseOptions{Name: name, Namespace: "ns", Revision: 1, IsInstall: true}
	scope, err := commonutil.ToRenderValues(ch, user, release, common.DefaultCapabilities)
	if err != nil {
		return nil, err
	}
	return engine.Render(ch, scope)
}

// manifest goes on to hooks and objects in their order, as `helm template` does: notes are set apart.
func manifest(ch *chart.Chart, user values, name string) (map[string]string, error) {
	files, err := render(ch, user, name)
	if err != nil {
		return nil, err
	}
	objects := make(map[string]string, len(files))
	for path, text := range files {
		if !strings.HasSuffix(path, "NOTES.txt") {
			objects[path] = text
		}
	}
	_, _, err = releaseutil.SortManifests(objects, nil, releaseutil.InstallOrder)
	return files, err
}

func size(files map[string]string) (bytes int) {
	for _, text := range files {
		bytes += len(text)
	}
	return bytes
}

func answer(fields map[string]any) error { return json.NewEncoder(os.Stdout).Encode(fields) }

func measure(mode string, limit time.Duration, from source) error {
	user, err := from.user()
	if err != nil {
		return err
	}
	loaded, err := from.load()
	if err != nil {
		return err
	}
	work := func() (map[string]string, error) { return render(loaded, user, "rel") }
	switch mode {
	case "manifest":
		work = func() (map[string]string, error) { return manifest(loaded, user, "rel") }
	case "cold":
		work = func() (map[string]string, error) {
			ch, err := from.load()
			if err != nil {
				return nil, err
			}
			return manifest(ch, user, "rel")
		}
	}
	files, err := work()
	if err != nil {
		return err
	}
	runs := []time.Duration{}
	before, err := processor()
	if err != nil {
		return err
	}
	for start := time.Now(); time.Since(start) < limit || len(runs) < 3; {
		run := time.Now()
		if _, err := work(); err != nil {
			return err
		}
		runs = append(runs, time.Since(run))
	}
	after, err := processor()
	if err != nil {
		return err
	}
	slices.Sort(runs)
	return answer(map[string]any{
		"cpu_ns": (after - before).Nanoseconds() / int64(len(runs)),
		"runs":   len(runs), "median_ns": runs[len(runs)/2].Nanoseconds(), "best_ns": runs[0].Nanoseconds(), "bytes": size(files),
	})
}

// processor is the time that all threads of the process had a processor, those that collect garbage too.
func processor() (time.Duration, error) {
	var usage syscall.Rusage
	err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage)
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano()), err
}

// peak is the most memory that the process had at once, in KiB.
func peak() (int, error) {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(status)) {
		if rest, found := strings.CutPrefix(line, "VmHWM:"); found {
			return strconv.Atoi(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")))
		}
	}
	return 0, fmt.Errorf("no VmHWM in the process status")
}

func memory(from source) error {
	before, err := peak()
	if err != nil {
		return err
	}
	user, err := from.user()
	if err != nil {
		return err
	}
	loaded, err := from.load()
	if err != nil {
		return err
	}
	if _, err := manifest(loaded, user, "rel"); err != nil {
		return err
	}
	after, err := peak()
	if err != nil {
		return err
	}
	return answer(map[string]any{"before_kib": before, "peak_kib": after})
}

func allocations(from source) error {
	user, err := from.user()
	if err != nil {
		return err
	}
	loaded, err := from.load()
	if err != nil {
		return err
	}
	if _, err := render(loaded, user, "rel"); err != nil {
		return err
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if _, err := render(loaded, user, "rel"); err != nil {
		return err
	}
	runtime.ReadMemStats(&after)
	return answer(map[string]any{"allocations": after.Mallocs - before.Mallocs, "bytes": after.TotalAlloc - before.TotalAlloc})
}

// releases renders so many releases, each under a name of its own. Helm changes a chart while it renders, so each
// thread has one of its own, loaded beforehand.
func releases(count, threads int, from source) error {
	runtime.GOMAXPROCS(threads)
	charts := make([]*chart.Chart, threads)
	users := make([]values, threads)
	for i := range threads {
		var err error
		if charts[i], err = from.load(); err != nil {
			return err
		}
		if users[i], err = from.user(); err != nil {
			return err
		}
		if _, err := manifest(charts[i], users[i], "rel"); err != nil {
			return err
		}
	}
	var next atomic.Int64
	var workers sync.WaitGroup
	var failed atomic.Pointer[error]
	start := time.Now()
	for i := range threads {
		workers.Go(func() {
			for n := next.Add(1); n <= int64(count); n = next.Add(1) {
				users[i]["release"] = n
				if _, err := manifest(charts[i], users[i], fmt.Sprintf("rel-%d", n)); err != nil {
					failed.Store(&err)
				}
			}
		})
	}
	workers.Wait()
	took := time.Since(start)
	if err := failed.Load(); err != nil {
		return *err
	}
	return answer(map[string]any{"elapsed_ns": took.Nanoseconds()})
}

// rank renders each chart once from its archive on, and says how long the render took.
func rank() error {
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		path, values, _ := strings.Cut(lines.Text(), "\t")
		from := source{path, values}
		user, err := from.user()
		if err != nil {
			return err
		}
		loaded, err := from.load()
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		start := time.Now()
		_, err = render(loaded, user, "rel")
		if err := answer(map[string]any{"took_ns": time.Since(start).Nanoseconds(), "failed": err != nil}); err != nil {
			return err
		}
	}
	return nil
}

func run(args []string) error {
	usage := fmt.Errorf("usage: see the head of main.go")
	if len(args) == 0 {
		return usage
	}
	rest := args[1:]
	counts := 0
	switch args[0] {
	case "time", "releases":
		counts = 2
	}
	if args[0] == "rank" {
		return rank()
	}
	if len(rest) < counts+1 {
		return usage
	}
	from := source{chart: rest[counts]}
	if len(rest) > counts+1 {
		from.values = rest[counts+1]
	}
	switch args[0] {
	case "time":
		seconds, err := strconv.ParseFloat(rest[1], 64)
		if err != nil {
			return err
		}
		return measure(rest[0], time.Duration(seconds*float64(time.Second)), from)
	case "memory":
		return memory(from)
	case "allocations":
		return allocations(from)
	case "releases":
		count, err := strconv.Atoi(rest[0])
		if err != nil {
			return err
		}
		threads, err := strconv.Atoi(rest[1])
		if err != nil {
			return err
		}
		return releases(count, threads, from)
	}
	return usage
}

func main() {
	// What Helm warns of is no part of what is measured, on either side.
	log.SetOutput(io.Discard)
	slog.SetDefault(slog.New(slog.DiscardHandler))
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "Error:", err)
		os.Exit(1)
	}
}
