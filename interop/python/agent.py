"""An agent on the Python SDK, for ../python_test.go, which says what to answer."""

import asyncio
import json
import os

from bedrock_agentcore.runtime import BedrockAgentCoreApp
from starlette.exceptions import HTTPException

app = BedrockAgentCoreApp()


class Unlucky(Exception):
    """An error whose type a client gets to see."""


def echo(payload, context):
    return payload["value"]


def text(payload, context):
    return 'two\nlines and "quotes", \u00fc\U0001f916'


def nothing(payload, context):
    return None


def who(payload, context):
    return {"session": context.session_id, "headers": context.request_headers}


def fail(payload, context):
    raise Unlucky("boom in handler")


def fail_silently(payload, context):
    raise Unlucky()


def refuse(payload, context):
    raise HTTPException(409, detail={"reason": "taken", "by": [1, 2]})


async def objects():
    for index in range(3):
        yield {"index": index, "text": "line\nbreak"}


async def strings():
    for piece in ["one", "two\nlines", "", '{"looks":"like JSON"}', "data: like an event"]:
        yield piece


async def fail_later():
    yield {"index": 0, "text": "fine"}
    raise Unlucky("boom mid-stream")


async def fail_first():
    raise Unlucky("boom at once")
    yield


def blocking():
    yield {"index": 0, "text": "from a thread"}


async def endless():
    """Never ends by itself. A client can only leave it."""
    index = 0
    while True:
        yield {"index": index, "text": "more"}
        index += 1
        await asyncio.sleep(0.001)


def stream(payload, context):
    return {
        "objects": objects,
        "strings": strings,
        "fail_later": fail_later,
        "fail_first": fail_first,
        "blocking": blocking,
        "endless": endless,
    }[payload["stream"]]()


tasks = []


def work(payload, context):
    tasks.append(app.add_async_task("work"))


def rest(payload, context):
    return app.complete_async_task(tasks.pop())


answers = {f.__name__: f for f in [echo, text, nothing, who, fail, fail_silently, refuse, stream, work, rest]}


@app.entrypoint
def invoke(payload, context):
    return answers[payload["answer"]](payload, context)


async def talk(websocket, context):
    await websocket.accept()
    while True:
        message = await websocket.receive()
        if message["type"] == "websocket.disconnect":
            return
        if message.get("text") is None:
            await websocket.send_bytes(message["bytes"][::-1])
            continue
        said = json.loads(message["text"])
        match said["do"]:
            case "echo":
                await websocket.send_json(said)
            case "text":
                await websocket.send_text("no JSON")
            case "who":
                await websocket.send_json(who(None, context))
            case "close":
                await websocket.close(4321, "as you say")
                return
            case "fail":
                raise Unlucky("boom in conversation")


if os.environ.get("WEBSOCKET") != "none":
    app.websocket(talk)

if __name__ == "__main__":
    app.run(port=int(os.environ["PORT"]), host="127.0.0.1")
