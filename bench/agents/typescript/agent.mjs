// The benchmark's agent on the TypeScript SDK.

import { setTimeout } from 'node:timers/promises'
import { BedrockAgentCoreApp } from 'bedrock-agentcore/runtime'

async function invoke({ prompt }) {
  return { result: 'You said: ' + prompt }
}

async function* stream({ events, every_ms: every }) {
  const start = performance.now()
  for (let index = 0; index < events; index++) {
    if (every && index) {
      await setTimeout(start + index * every - performance.now())
    }
    yield { index, text: 'token' }
  }
}

const app = new BedrockAgentCoreApp({
  invocationHandler: { process: process.env.BENCH_MODE === 'stream' ? stream : invoke },
  websocketHandler: (socket) => {
    socket.on('message', (data, binary) => socket.send(data, { binary }))
  },
})

app.run({ port: Number(process.env.PORT), host: '127.0.0.1' })
