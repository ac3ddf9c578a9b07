package main

import (
	"testing"

	"github.com/agentcore-go/agentcore/internal/copytest"
	types "github.com/agentcore-go/agentcore/testdata/shapes/program_names/programnamesclient"
)

// TestCopies compares types with their copies, whatever those are called.
func TestCopies(t *testing.T) {
	copytest.Same[*Client, *types.ProgramnamesClient](t)
	copytest.Same[all, types.All](t)
	copytest.Same[answer, types.ProgramnamesAnswer](t)
}
