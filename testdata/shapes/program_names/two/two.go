// Package two has a name for what cannot be imported.
package two

import "github.com/agentcore-go/agentcore/testdata/shapes/program_names/two/internal/deep"

// Item is a name for it.
type Item = deep.Item
