// Calls agents with the libraries that JavaScript programs use for it.
//
// The command line has a JSON array of calls, as ../callers_test.go describes
// them. Prints what each of them has seen.

import { EventSourceParserStream } from 'eventsource-parser/stream'
import { WebSocket as WS } from 'ws'

const timeout = 30_000

function send({ url, body, header }) {
  return fetch(url, { method: body ? 'POST' : 'GET', body: body || undefined, headers: header, signal: AbortSignal.timeout(timeout) })
}

// A request with fetch, or a GET if there is no body.
async function request(call) {
  const answer = await send(call)
  return { status: answer.status, type: answer.headers.get('content-type'), body: await answer.text() }
}

// A stream with fetch and eventsource-parser.
async function events(call) {
  const answer = await send(call)
  const seen = { status: answer.status, type: answer.headers.get('content-type'), events: [] }
  const stream = answer.body.pipeThrough(new TextDecoderStream()).pipeThrough(new EventSourceParserStream())
  for await (const { event, data } of stream) {
    seen.events.push({ name: event ?? 'message', data })
  }
  return seen
}

// A conversation with something that is like a browser's WebSocket.
function talk(socket, { say, until }) {
  const seen = { heard: [] }
  let said = 0
  const sayNext = () => {
    if (said < say.length) {
      socket.send(say[said++])
    } else {
      socket.close(1000, 'that is all')
    }
  }
  return new Promise((resolve) => {
    socket.addEventListener('open', sayNext)
    socket.addEventListener('message', ({ data }) => {
      seen.heard.push(data)
      if (data.includes(until)) {
        sayNext()
      }
    })
    socket.addEventListener('close', ({ code, reason }) => resolve({ ...seen, code, reason }))
  })
}

// With the library ws, which most servers in JavaScript use.
function talkWS(call) {
  const socket = new WS(call.url, { headers: call.header, handshakeTimeout: timeout })
  return new Promise((resolve, reject) => {
    socket.on('unexpected-response', (_, answer) => resolve({ status: answer.statusCode }))
    socket.on('error', reject)
    talk(socket, call).then(resolve)
  })
}

// With the WebSocket that is part of Node, as it is of browsers.
function talkNative(call) {
  return talk(new WebSocket(call.url), call)
}

const ways = { request, events, ws: talkWS, WebSocket: talkNative }

const seen = []
for (const call of JSON.parse(process.argv[2])) {
  seen.push(await ways[call.with](call))
}
console.log(JSON.stringify(seen))
