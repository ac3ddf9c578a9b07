package gen

import (
	"fmt"
	"path/filepath"
)

// emitClient writes the client file of an agent.
func emitClient(pkg *loadedPackage, place clientPlace) ([]byte, error) {
	agent, err := filepath.Rel(place.dir, pkg.dir)
	if err != nil {
		return nil, err
	}
	agent = filepath.ToSlash(agent)
	if agent[0] != '.' {
		agent = "./" + agent
	}
	return fmt.Appendf(nil, "%s\n\n%s %s\n\n// Package %s calls %s.\npackage %s\n", header, outOfDate, agent, place.name, pkg.name, place.name), nil
}
