// Command oracle answers fuzz cases with Helm's own engine: one JSON case a line from stdin, one JSON answer a line to
// stdout. Texts in answers are base64, since templates may print any bytes.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"os"
	"runtime/debug"
	"sort"
	"strings"
	"time"

	"helm.sh/helm/v4/pkg/chart/common"
	commonutil "helm.sh/helm/v4/pkg/chart/common/util"
	chart "helm.sh/helm/v4/pkg/chart/v2"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	chartutil "helm.sh/helm/v4/pkg/chart/v2/util"
	"helm.sh/helm/v4/pkg/engine"
	"helm.sh/helm/v4/pkg/release/v1/util"
	"helm.sh/helm/v4/pkg/strvals"
)

// question is a chart named c with one template, and what it is rendered with.
type question struct {
	ID        uint64                    `json:"id"`
	Template  string                    `json:"template"`
	Partials  map[string]string         `json:"partials"`
	Files     map[string]string         `json:"files"`
	Defaults  map[string]any            `json:"defaults"`
	Subcharts map[string]map[string]any `json:"subcharts"`
	// Dependencies says under which conditions and names subcharts take part.
	Dependencies []*chart.Dependency `json:"dependencies"`
	Values       map[string]any      `json:"values"`
	Document     *string             `json:"document"`
	Sets         [][2]string         `json:"sets"`
	Manifest     bool                `json:"manifest"`
}

type answer struct {
	ID     uint64 `json:"id"`
	Output []byte `json:"output,omitempty"`
	Error  []byte `json:"error,omitempty"`
}

func main() {
	log.SetOutput(nowhere{})
	time.Local = time.UTC
	// A value within itself is printed until the stack ends; the sooner, the better.
	debug.SetMaxStack(48 << 20)
	questions := bufio.NewReaderSize(os.Stdin, 1<<20)
	answers := bufio.NewWriterSize(os.Stdout, 1<<16)
	encoder := json.NewEncoder(answers)
	for {
		line, err := questions.ReadBytes('\n')
		if err != nil {
			return
		}
		var asked question
		if err := json.Unmarshal(line, &asked); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(2)
		}
		said := answer{ID: asked.ID}
		if text, err := asked.render(); err != nil {
			said.Error = []byte(err.Error())
		} else {
			said.Output = []byte(text)
		}
		if err := encoder.Encode(said); err != nil {
			return
		}
		// Answers wait for company only while there are more questions.
		if questions.Buffered() == 0 && answers.Flush() != nil {
			return
		}
	}
}

type nowhere struct{}

func (nowhere) Write(text []byte) (int, error) { return len(text), nil }

// render gives the text of the chart's template, or its manifest.
func (q *question) render() (text string, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			text, err = "", fmt.Errorf("panic: %v", cause)
		}
	}()
	values, err := q.values()
	if err != nil {
		return "", err
	}
	root := newChart("c", q.Defaults)
	root.Templates = append(root.Templates, &common.File{Name: "templates/t.yaml", Data: []byte(q.Template)})
	for name, text := range q.Partials {
		root.Templates = append(root.Templates, &common.File{Name: "templates/" + name, Data: []byte(text)})
	}
	for name, text := range q.Files {
		root.Files = append(root.Files, &common.File{Name: name, Data: []byte(text)})
	}
	for _, name := range sortedNames(q.Subcharts) {
		root.AddDependency(newChart(name, q.Subcharts[name]))
	}
	root.Metadata.Dependencies = q.Dependencies
	if err := root.Validate(); err != nil {
		return "", err
	}
	if err := chartutil.ProcessDependencies(root, values); err != nil {
		return "", fmt.Errorf("chart dependencies processing failed: %w", err)
	}
	release := common.ReleaseOptions{Name: "rel", Namespace: "ns", Revision: 1, IsInstall: true}
	scope, err := commonutil.ToRenderValues(root, values, release, common.DefaultCapabilities.Copy())
	if err != nil {
		return "", err
	}
	files, err := engine.Render(root, scope)
	if err != nil || !q.Manifest {
		return files["c/templates/t.yaml"], err
	}
	return manifest(files)
}

// values is what the user gives: a table, a values file or nothing, and then settings.
func (q *question) values() (map[string]any, error) {
	values := q.Values
	if q.Document != nil {
		read, err := loader.LoadValues(strings.NewReader(*q.Document))
		if err != nil {
			return nil, err
		}
		values = read
	}
	if values == nil {
		values = map[string]any{}
	}
	for _, set := range q.Sets {
		var err error
		switch how, text := set[0], set[1]; how {
		case "set":
			err = strvals.ParseInto(text, values)
		case "set-string":
			err = strvals.ParseIntoString(text, values)
		case "set-literal":
			err = strvals.ParseLiteralInto(text, values)
		case "set-json":
			values, err = setJSON(text, values)
		default:
			err = errors.New("no such way to set: " + how)
		}
		if err != nil {
			return nil, err
		}
	}
	return values, nil
}

// setJSON lays what --set-json is given over the values: an object, or keys with JSON.
func setJSON(text string, values map[string]any) (map[string]any, error) {
	if text := strings.TrimSpace(text); strings.HasPrefix(text, "{") {
		var object map[string]any
		if err := json.Unmarshal([]byte(text), &object); err != nil {
			return nil, err
		}
		return loader.MergeMaps(values, object), nil
	}
	return values, strvals.ParseJSON(text, values)
}

// manifest is what Helm makes of rendered files: hooks after objects, each with its source.
func manifest(files map[string]string) (string, error) {
	hooks, objects, err := util.SortManifests(files, nil, util.InstallOrder)
	if err != nil {
		return "", err
	}
	var text strings.Builder
	for _, object := range objects {
		fmt.Fprintf(&text, "---\n# Source: %s\n%s\n", object.Name, object.Content)
	}
	for _, hook := range hooks {
		fmt.Fprintf(&text, "---\n# Hook: %s %s %s %d %v %v\n%s\n", hook.Path, hook.Kind, hook.Name, hook.Weight, hook.Events, hook.DeletePolicies, hook.Manifest)
	}
	return text.String(), nil
}

func newChart(name string, defaults map[string]any) *chart.Chart {
	metadata := chart.Metadata{APIVersion: "v2", Name: name, Version: "1.2.3", AppVersion: "4.5.6"}
	return &chart.Chart{Metadata: &metadata, Values: defaults}
}

func sortedNames[V any](of map[string]V) []string {
	var names []string
	for name := range of {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}
