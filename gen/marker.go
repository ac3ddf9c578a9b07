package gen

import (
	"bytes"
	"path/filepath"
	"strings"
)

// outOfDate begins the line below the header. In a server's file it ends with a
// full stop. In that of a client the directory of the agent follows, relative to
// its own, for there is nothing to run go generate for in a client: so one is told
// from the other, and an agent is found from its client.
const outOfDate = "// If this file does not compile, it is out of date: go generate"

// agentOf returns the directory of the agent whose client an output is, or "" if
// it is no client's. An output of which too little is left is neither a client's
// nor marked.
func (o output) agentOf() (dir string, marked bool) {
	if !o.ours {
		return "", false
	}
	for line := range bytes.Lines(o.content) {
		rest, found := strings.CutPrefix(string(line), outOfDate)
		if !found {
			continue
		}
		rest, whole := strings.CutSuffix(rest, "\n")
		agent, isClient := strings.CutPrefix(strings.TrimSuffix(rest, "\r"), " ")
		switch {
		case !whole:
			return "", false
		case isClient && agent != "":
			return filepath.Join(filepath.Dir(o.path), filepath.FromSlash(agent)), true
		default:
			return "", true
		}
	}
	return "", false
}

// isClient reports whether an output is that of a client.
func (o output) isClient() bool {
	agent, _ := o.agentOf()
	return agent != ""
}

// back is the directory of the agent as go generate takes it in that of the client.
func (p clientPlace) back(agent string) string {
	below, _ := filepath.Rel(p.dir, agent) // the one is relative to the other
	below = filepath.ToSlash(below)
	if !strings.HasPrefix(below+"/", "../") {
		below = "./" + below
	}
	return below
}
