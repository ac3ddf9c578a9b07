"""Prints what AgentCoreRuntimeClient makes of the requests on the command line, a
JSON array. The clock stands still at the time that is given first."""

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
    session = boto3.Session(
        aws_access_key_id=request["key"],
        aws_secret_access_key=request["secret"],
        aws_session_token=request.get("token"),
        region_name=request["region"],
    )
    client = AgentCoreRuntimeClient(request["region"], session=session)
    common = {
        "runtime_arn": request["arn"],
        "session_id": request["session"],
        "endpoint_name": request.get("qualifier"),
    }
    match request["make"]:
        case "headers":
            url, headers = client.generate_ws_connection(**common)
        case "oauth":
            url, headers = client.generate_ws_connection_oauth(bearer_token=request["bearer"], **common)
        case "presigned":
            url, headers = client.generate_presigned_url(
                custom_headers=request.get("query"), expires=request["expires"], **common
            ), {}
    return {"url": url, "headers": headers}


print(json.dumps([answer(request) for request in json.loads(sys.argv[2])]))
