package main

import (
	"fmt"
	"io"
	"path/filepath"
	"strings"
)

// printCommands prints a workflow command for each diagnostic, and for each
// generated file that -check finds out of date. The runner of GitHub Actions
// makes annotations of them. The format is described at
// https://docs.github.com/en/actions/reference/workflow-commands-for-github-actions
func printCommands(w io.Writer, out outcome, workspace string) error {
	var b strings.Builder
	for _, d := range out.Diagnostics {
		var where []string
		if d.Pos.Filename != "" {
			where = append(where, property("file", inWorkspace(d.Pos.Filename, workspace)), fmt.Sprintf("line=%d", d.Pos.Line))
		}
		if d.Pos.Column > 0 {
			where = append(where, fmt.Sprintf("col=%d", d.Pos.Column))
			// Without an endColumn it is the col: the last column, and not the
			// one behind it. The columns of different lines are not allowed.
			if end := endOf(d); end.Line == d.Pos.Line && end.Column > d.Pos.Column {
				where = append(where, fmt.Sprintf("endColumn=%d", end.Column-1))
			}
		}
		where = append(where, property("title", "agentcore-gen ("+d.Code+")"))
		text := d.Message
		for _, r := range d.Related {
			text += fmt.Sprintf("\n%s: %s", r.Pos, r.Message)
		}
		fmt.Fprintf(&b, "::%s %s::%s\n", d.Severity, strings.Join(where, ","), dataEscapes.Replace(text))
	}
	for _, f := range out.Files {
		if out.Check && f.Changed() {
			fmt.Fprintf(&b, "::error %s,title=agentcore-gen::%s\n",
				property("file", inWorkspace(f.Path, workspace)), dataEscapes.Replace(f.Path+" is not up to date with these flags: go generate"))
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// inWorkspace makes a path relative to the workspace, where the repository is.
// Elsewhere it is absolute.
func inWorkspace(path, workspace string) string {
	if abs, err := filepath.Abs(path); err == nil && workspace != "" {
		path = abs
		if rel, err := filepath.Rel(workspace, abs); err == nil && filepath.IsLocal(rel) {
			path = rel
		}
	}
	return filepath.ToSlash(path)
}

func property(name, value string) string { return name + "=" + propertyEscapes.Replace(value) }

// What the runner takes back is in
// https://github.com/actions/runner/blob/main/src/Runner.Common/ActionCommand.cs
// and it knows no other escapes.
var (
	dataEscapes     = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A")
	propertyEscapes = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C")
)
