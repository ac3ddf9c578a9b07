// Package client calls agents, wherever they run: on this machine, behind any
// URL, or deployed on Amazon Bedrock AgentCore Runtime.
//
// A [Transport] says how an agent is reached and who calls: [Direct],
// [AgentCore] with the credentials of AWS, or [AgentCoreOAuth] with a token. It
// is made once and shared. A [Client] is one conversation through it, which is a
// session of the agent. Programs mostly have the client that agentcore-gen has
// written for the agent, with a method for each of its handlers:
//
//	transport, err := client.Direct("http://localhost:8080")
//	…
//	agent := helloclient.New(transport)
//	answer, err := agent.Hello(ctx, helloclient.Question{Prompt: "hi"})
//
// Without generated code, [New], [Invoke], [Stream] and [Connect] do the same.
//
// Every failed call returns an [*Error] when it was the service or the agent
// that refused, whatever way the error came, also in the middle of a stream.
//
// In the handler of an agent, a call with the handler's context passes on the
// headers for tracing and the baggage, and to agents on AgentCore the workload
// access token. [PassSession] lets it continue the caller's session.
package client
