// An agent on the TypeScript SDK, for ../node_test.go, which says what to answer.

import { BedrockAgentCoreApp } from 'bedrock-agentcore/runtime'
import { z } from 'zod'

const tasks = []

const answers = {
  echo: ({ value }) => value,
  text: () => 'two\nlines and "quotes", \u00fc\u{1F916}',
  buffer: () => Buffer.from([0, 1, 254, 255]),
  nothing: () => undefined,
  who: (_, { sessionId, headers }) => ({ session: sessionId, headers }),
  fail: () => {
    throw new Error('boom in handler')
  },
  stream: ({ stream }) => streams[stream](),
  work: () => {
    tasks.push(app.addAsyncTask('work'))
  },
  rest: () => app.completeAsyncTask(tasks.pop()),
}

const streams = {
  async *objects() {
    for (let index = 0; index < 3; index++) {
      yield { index, text: 'line\nbreak' }
    }
  },
  async *strings() {
    yield* ['one', 'two\nlines', '{"looks":"like JSON"}', 'data: like an event']
  },
  async *named() {
    yield { event: 'progress', id: '7', data: { index: 0, text: 'named' } }
  },
  async *failLater() {
    yield { index: 0, text: 'fine' }
    throw new Error('boom mid-stream')
  },
  async *failFirst() {
    throw new Error('boom at once')
  },
  // Never ends by itself. A client can only leave it.
  async *endless() {
    for (let index = 0; ; index++) {
      yield { index, text: 'more' }
      await new Promise((resolve) => setTimeout(resolve, 1))
    }
  },
}

function talk(socket, context) {
  if ('x-amzn-bedrock-agentcore-runtime-custom-fail' in context.headers) {
    throw new Error('boom in conversation')
  }
  socket.on('message', (data, binary) => {
    if (binary) {
      socket.send(data.reverse())
      return
    }
    const said = JSON.parse(data)
    switch (said.do) {
      case 'echo':
        return socket.send(JSON.stringify(said))
      case 'text':
        return socket.send('no JSON')
      case 'who':
        return socket.send(JSON.stringify(answers.who(null, context)))
      case 'close':
        return socket.close(4321, 'as you say')
      case 'fail': // nothing catches this: the process ends
        throw new Error('boom in conversation')
    }
  })
}

const app = new BedrockAgentCoreApp({
  invocationHandler: {
    requestSchema: z.object({ answer: z.string() }).loose(),
    process: (request, context) => answers[request.answer](request, context),
  },
  websocketHandler: process.env.WEBSOCKET === 'none' ? undefined : talk,
})

app.run({ port: Number(process.env.PORT), host: '127.0.0.1' })
