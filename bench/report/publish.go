package report

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// Files are where a report goes. An empty name is none.
type Files struct {
	JSON, Markdown, SVG string
	Title               string // of the SVG
}

// Publish prints the table and writes the files.
func (r *Report) Publish(files Files, out io.Writer) error {
	table := r.Markdown()
	fmt.Fprint(out, table)
	raw, err := json.MarshalIndent(r, "", "\t")
	if err != nil {
		return err
	}
	contents := map[string]string{files.JSON: string(raw) + "\n", files.Markdown: table}
	if files.SVG != "" {
		contents[files.SVG] = r.SVG(files.Title)
	}
	for file, content := range contents {
		if file == "" {
			continue
		}
		if err := os.WriteFile(file, []byte(content), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// Judge returns an error if a promise is not kept, or none was measured.
func (r *Report) Judge(promises []Promise, progress io.Writer) error {
	kept, broken, open := r.Check(promises)
	for _, what := range open {
		fmt.Fprintln(progress, "not measured:", what)
	}
	if len(broken) > 0 {
		return fmt.Errorf("promises that are not kept:\n\t%s", strings.Join(broken, "\n\t"))
	}
	if kept == 0 {
		return errors.New("nothing was measured of what is promised")
	}
	fmt.Fprintf(progress, "%d promises are kept\n", kept)
	return nil
}
