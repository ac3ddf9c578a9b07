package client

import "github.com/agentcore-go/agentcore/internal/wire"

// The versions of generated code that this package works with. Generated
// files assert both bounds with [GeneratedVersion]; nothing else needs them.
const (
	// MinGeneratedVersion is the oldest version that still works. It rises
	// when something that generated code uses is removed or changes meaning.
	MinGeneratedVersion = 1

	// MaxGeneratedVersion is the version that agentcore-gen writes. It rises
	// when generated code begins to use something new.
	MaxGeneratedVersion = wire.MaxClientVersion
)

// GeneratedVersion makes a generated file that does not fit this package fail
// to compile: a constant difference of two versions that is below zero does
// not fit into it.
type GeneratedVersion uint
