"""Calls agents with the libraries that Python programs use for it.

The command line has a JSON array of calls, as ../callers_test.go describes them.
Prints what each of them has seen."""

import asyncio
import json
import sys

import httpx
import httpx_sse
import websockets
import websockets.asyncio.client
import websockets.sync.client

PATIENCE = 30


def post(call):
    """A request with httpx, or a GET if there is no body."""
    method = "POST" if call["body"] else "GET"
    answer = httpx.request(method, call["url"], content=call["body"], headers=call["header"], timeout=PATIENCE)
    return {"status": answer.status_code, "type": answer.headers["content-type"], "body": answer.text}


def events(call):
    """A stream with httpx-sse."""
    with httpx.Client(timeout=PATIENCE) as client:
        with httpx_sse.connect_sse(client, "POST", call["url"], content=call["body"], headers=call["header"]) as source:
            return {
                "status": source.response.status_code,
                "type": source.response.headers["content-type"],
                "events": [{"name": event.event, "data": event.data} for event in source.iter_sse()],
            }


def closed(heard, end):
    return {"heard": heard, "code": end.rcvd.code, "reason": end.rcvd.reason}


def talk(call):
    """A conversation with the blocking client of websockets."""
    heard = []
    try:
        with websockets.sync.client.connect(call["url"], additional_headers=call["header"]) as socket:
            for text in call["say"]:
                socket.send(text)
                while True:
                    heard.append(socket.recv(PATIENCE))
                    if call["until"] in heard[-1]:
                        break
            socket.close(1000, "that is all")
            return {"heard": heard, "code": socket.close_code, "reason": socket.close_reason}
    except websockets.ConnectionClosed as end:
        return closed(heard, end)
    except websockets.InvalidStatus as refusal:
        return {"status": refusal.response.status_code}


async def talk_async(call):
    """A conversation with the asyncio client of websockets."""
    heard = []
    try:
        async with websockets.asyncio.client.connect(call["url"], additional_headers=call["header"]) as socket:
            for text in call["say"]:
                await socket.send(text)
                while True:
                    heard.append(await asyncio.wait_for(socket.recv(), PATIENCE))
                    if call["until"] in heard[-1]:
                        break
            await socket.close(1000, "that is all")
            return {"heard": heard, "code": socket.close_code, "reason": socket.close_reason}
    except websockets.ConnectionClosed as end:
        return closed(heard, end)
    except websockets.InvalidStatus as refusal:
        return {"status": refusal.response.status_code}


ways = {
    "request": post,
    "events": events,
    "websockets.sync": talk,
    "websockets.asyncio": lambda call: asyncio.run(talk_async(call)),
}

print(json.dumps([ways[call["with"]](call) for call in json.loads(sys.argv[1])]))
