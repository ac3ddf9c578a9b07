// Package names_packages imports packages of awkward names, and many of one name.
//
//lint:file-ignore ST1001 A dot brings more names.
package names_packages

import (
	"github.com/agentcore-go/agentcore/testdata/shapes/names_packages/A.B/Model"
	"github.com/agentcore-go/agentcore/testdata/shapes/names_packages/a/model"
	"github.com/agentcore-go/agentcore/testdata/shapes/names_packages/context"
	"github.com/agentcore-go/agentcore/testdata/shapes/names_packages/ctx"
	. "github.com/agentcore-go/agentcore/testdata/shapes/names_packages/dot"
	"github.com/agentcore-go/agentcore/testdata/shapes/names_packages/err"
	"github.com/agentcore-go/agentcore/testdata/shapes/names_packages/error"
	größe "github.com/agentcore-go/agentcore/testdata/shapes/names_packages/func"
	"github.com/agentcore-go/agentcore/testdata/shapes/names_packages/http"
	initial "github.com/agentcore-go/agentcore/testdata/shapes/names_packages/init"
	"github.com/agentcore-go/agentcore/testdata/shapes/names_packages/iter"
	"github.com/agentcore-go/agentcore/testdata/shapes/names_packages/nil"
	"github.com/agentcore-go/agentcore/testdata/shapes/names_packages/opts"
	"github.com/agentcore-go/agentcore/testdata/shapes/names_packages/predeclared"
	"github.com/agentcore-go/agentcore/testdata/shapes/names_packages/reach"
	"github.com/agentcore-go/agentcore/testdata/shapes/names_packages/runtime"
	"github.com/agentcore-go/agentcore/testdata/shapes/names_packages/session"
	"github.com/agentcore-go/agentcore/testdata/shapes/names_packages/string"
)

// Answer takes something of each package that this file imports.
//
//agentcore:entrypoint
func Answer(q struct {
	A   Model.T
	B   model.T
	C   context.T
	D   ctx.T
	Dot T
	E   err.T
	F   error.T
	G   größe.T
	H   http.T
	I   initial.T
	J   iter.T
	K   nil.T
	L   opts.T
	M   predeclared.T
	N   runtime.T
	O   session.T
	P   string.T
}) reach.Stream {
	return spell(string.T(q.B), q.P)
}
