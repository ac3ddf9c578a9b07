package gen

import "fmt"

// emitClient writes the client file of an agent.
func emitClient(pkg *loadedPackage, place clientPlace) ([]byte, error) {
	return fmt.Appendf(nil, "%s\n\n%s %s\n\n// Package %s calls %s.\npackage %s\n", header, outOfDate, place.back(pkg.dir), place.name, pkg.name, place.name), nil
}
