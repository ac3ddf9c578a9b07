// Package runtime serves an agent over the HTTP protocol of Amazon Bedrock
// AgentCore Runtime: POST /invocations (JSON or server-sent events), GET /ws
// (WebSocket) and GET /ping.
//
// An agent is a table of [Handlers]. Agentcore-gen writes that table from
// annotated functions; a program may as well write it by hand:
//
//	server := runtime.NewServer(runtime.Handlers{
//		Invoke: runtime.Unary("Answer", answer),
//	})
//	if err := server.Run(context.Background()); err != nil {
//		log.Fatal(err)
//	}
//
// A [Server] is an [http.Handler], so a test needs only net/http/httptest.
//
// Handlers read what came with a request from their context: [RequestID],
// [SessionID], [RequestHeaders], [HTTPRequest], [WorkloadAccessToken],
// [OAuth2CallbackURL], [RequestBaggage], [RoutingExperiment], [ConfigBundle] and
// [Configuration]. [ServerFrom] leads to the server itself.
package runtime
