"""The benchmark's agent on the Python SDK."""

import asyncio
import os
import time

from bedrock_agentcore.runtime import BedrockAgentCoreApp

app = BedrockAgentCoreApp()


async def invoke(payload):
    return {"result": "You said: " + payload["prompt"]}


async def stream(payload):
    every = payload["every_ms"] / 1000
    start = time.monotonic()
    for index in range(payload["events"]):
        if every and index:
            await asyncio.sleep(start + index * every - time.monotonic())
        yield {"index": index, "text": "token"}


@app.websocket
async def echo(websocket, context):
    await websocket.accept()
    while True:
        await websocket.send_text(await websocket.receive_text())


app.entrypoint(stream if os.environ.get("BENCH_MODE") == "stream" else invoke)

if __name__ == "__main__":
    app.run(port=int(os.environ["PORT"]), host="127.0.0.1")
