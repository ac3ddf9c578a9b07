"""Prints what AgentCoreRuntimeClient lets other programs connect with: for each of
the requests on the command line, a JSON array as ../credentials_test.go has it.
The clock stands still at the time that is given first."""

import datetime
import json
import sys
from types import SimpleNamespace

import boto3
import botocore.auth
from bedrock_agentcore.runtime import AgentCoreRuntimeClient, agent_core_runtime_client

now = datetime.datetime.fromisoformat(sys.argv[1])


class StoppedClock(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return now.astimezone(tz)


# The one asks for the time itself, the other has the SDK of AWS do it.
agent_core_runtime_client.datetime = SimpleNamespace(datetime=StoppedClock, timezone=datetime.timezone)
botocore.auth.get_current_datetime = lambda: now


def answer(request):
    credentials = boto3.Session(
        aws_access_key_id=request["key"],
        aws_secret_access_key=request["secret"],
        aws_session_token=request["token"] or None,
        region_name=request["region"],
    )
    client = AgentCoreRuntimeClient(request["region"], session=credentials)
    common = {
        "runtime_arn": request["arn"],
        "session_id": request["session"],
        "endpoint_name": request["qualifier"] or None,
    }
    bearer = {"bearer_token": request["bearer"]}
    shell = {"shell_id": request["shell"]}
    expires = {"expires": request["expires"]}

    answers = {}
    answers["headers"] = client.generate_ws_connection(**common)
    answers["oauth"] = client.generate_ws_connection_oauth(**common, **bearer)
    answers["presigned"] = client.generate_presigned_url(**common, **expires, custom_headers=request["query"]), {}
    answers["shell"] = client.connect_shell(**common, **shell)
    answers["shell presigned"] = client.connect_shell_presigned(**common, **shell, **expires), {}
    url, protocols = client.connect_shell_oauth(**common, **bearer, **shell)
    answers["shell oauth"] = url, {"Sec-WebSocket-Protocol": ", ".join(protocols)}
    return {name: {"url": url, "headers": headers} for name, (url, headers) in answers.items()}


print(json.dumps([answer(request) for request in json.loads(sys.argv[2])]))
