// Package one has a name for what cannot be imported.
package one

import "github.com/agentcore-go/agentcore/testdata/shapes/program_names/one/internal/deep"

// Item is a name for it.
type Item = deep.Item
