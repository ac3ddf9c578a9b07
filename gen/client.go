package gen

import (
	"cmp"
	"fmt"
	"go/token"
	"path"
	"path/filepath"
	"strings"
	"unicode"
)

// ClientMode says how the client package of an agent is made.
type ClientMode string

const (
	// ClientAuto refers to the payload types that the client package can import,
	// and copies the others.
	ClientAuto ClientMode = "auto"
	// ClientCopy copies every type of the agent's module, so that the client
	// package imports none of it.
	ClientCopy ClientMode = "copy"
	// ClientOff makes no client package, and removes the one of an earlier run.
	ClientOff ClientMode = "off"
)

func (m ClientMode) check() error {
	switch m {
	case ClientAuto, ClientCopy, ClientOff:
		return nil
	}
	return &UsageError{fmt.Sprintf("-client %s: write auto, copy or off", m)}
}

// clientPlace is where the client of an agent goes.
type clientPlace struct {
	dir  string // absolute
	path string // to import it
	name string // of the package
}

// placeOfClient returns the place of a package's client: beside the agent, in a
// directory with a name of its own, so that the imports of a program that calls
// several agents tell them apart.
func placeOfClient(pkg *loadedPackage, config Config) clientPlace {
	name := pkg.name
	if name == "main" { // every program is called so
		name = identifierOf(assumedName(pkg.graph.PkgPath))
	}
	below := cmp.Or(filepath.ToSlash(config.ClientDir), name+"client")
	dir := filepath.Join(pkg.dir, filepath.FromSlash(below))
	return clientPlace{
		dir:  dir,
		path: path.Join(pkg.graph.PkgPath, below),
		name: cmp.Or(packageIn(dir), packageName(path.Base(below)), "client"),
	}
}

// packageName is what a client package is called in a directory. The go command has
// uses of its own for some names.
func packageName(element string) string {
	name := identifierOf(element)
	if name == "main" || name == "init" || name == "documentation" {
		return "agent" + name
	}
	return name
}

// identifierOf leaves of a path element what the name of a package may have.
func identifierOf(element string) string {
	name := strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return unicode.ToLower(r)
		}
		return -1
	}, element)
	name = strings.TrimLeftFunc(name, unicode.IsDigit)
	if token.IsKeyword(name) {
		return "agent" + name
	}
	return name
}
