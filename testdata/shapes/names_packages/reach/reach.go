// Package reach has types of packages that those who use it do not import.
package reach

import (
	"iter"

	"github.com/agentcore-go/agentcore/runtime"
	two "github.com/agentcore-go/agentcore/testdata/shapes/names_packages/2/model"
	"github.com/agentcore-go/agentcore/testdata/shapes/names_packages/blank"
	"github.com/agentcore-go/agentcore/testdata/shapes/names_packages/in"
)

type (
	// Stream yields a type of another package.
	Stream = iter.Seq2[two.T, error]
	// Conn receives one, and sends another.
	Conn = runtime.Conn[in.T, []blank.T]
)
