// Package agentcore is the root of a framework that puts Go agents on Amazon
// Bedrock AgentCore Runtime. There is nothing to import here:
//
//   - cmd/agentcore-gen is the generator that go generate runs,
//   - gen is the generator as a library,
//   - runtime is what an agent is linked with,
//   - client is what its callers are.
package agentcore

//go:generate go run ./cmd/agentcore-gen ./examples/... ./testdata/shapes/...
//go:generate go run ./cmd/agentcore-gen -client=copy ./testdata/copied/...
