"""Makes signatures.json, which is what the signatures of package client have to be.

    python3 -m venv venv
    venv/bin/pip install bedrock-agentcore
    venv/bin/python signatures.py > signatures.json

Vectors that are marked with sdk come from AgentCoreRuntimeClient of the Python SDK
itself, the others from the signers of botocore, at a fixed time. The keys are those
of the examples in AWS's documentation.
"""

import datetime
import json
import re
import sys
from importlib.metadata import version
from urllib.parse import quote, urlencode, urlsplit

import boto3
import botocore.auth
from bedrock_agentcore.runtime import agent_core_runtime_client as sdk
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

KEY = "AKIDEXAMPLE"
SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
TOKEN = "IQoJb3JpZ2luX2VjEXAMPLE//////////wEaCXVz+LXdlc3QtMiJHMEUC=="
SESSION = "session-0123456789-0123456789-0123456789"
SESSION_HEADER = "X-Amzn-Bedrock-AgentCore-Runtime-Session-Id"
USER_HEADER = "X-Amzn-Bedrock-AgentCore-Runtime-User-Id"


def arn(region, partition="aws"):
    return f"arn:{partition}:bedrock-agentcore:{region}:123456789012:runtime/my_agent-abcde12345"


class Clock:
    """Stands for the module and the class datetime."""

    def __init__(self, now):
        self.now_text, self.moment = now, datetime.datetime.fromisoformat(now)
        self.datetime, self.timezone = self, datetime.timezone

    def now(self, tz=None):
        return self.moment


def at(now):
    clock = Clock(now)
    sdk.datetime = clock
    botocore.auth.get_current_datetime = lambda *args, **kwargs: clock.moment


def finish(vector, url, authorization=None):
    vector["url"] = url
    if authorization:
        vector["authorization"] = authorization
        vector["signature"] = re.search("Signature=([0-9a-f]{64})$", authorization)[1]
    else:
        vector["signature"] = re.search("X-Amz-Signature=([0-9a-f]{64})$", url)[1]
    return vector


def inputs(name, call, time="2026-01-01T00:00:00+00:00", region="us-west-2", runtime=None, token="", **more):
    at(time)
    return {
        "name": name, "call": call, "time": time, "key": KEY, "secret": SECRET, "token": token,
        "region": region, "runtime": runtime or arn(region), "session": SESSION, **more,
    }


def client_of(v):
    session = boto3.Session(v["key"], v["secret"], v["token"] or None, region_name=v["region"])
    return sdk.AgentCoreRuntimeClient(v["region"], session)


def from_sdk(*args, **kwargs):
    """Lets the SDK make headers or a URL, for an agent or a shell."""
    v = inputs(*args, sdk=True, **kwargs)
    c = client_of(v)
    where = {"session_id": v["session"], "endpoint_name": v.get("qualifier")}
    if "shell" in v:
        where["shell_id"] = v["shell"]
    if v["call"] == "headers":
        make = c.connect_shell if "shell" in v else c.generate_ws_connection
        url, headers = make(v["runtime"], **where)
        return finish(v, url, headers["Authorization"])
    if "shell" in v:
        return finish(v, c.connect_shell_presigned(v["runtime"], expires=v["expires"], **where))
    query = dict(v.get("query", {}))
    return finish(v, c.generate_presigned_url(v["runtime"], custom_headers=query, expires=v["expires"], **where))


def from_botocore(*args, suffix="amazonaws.com", path="", method="GET", **kwargs):
    """Signs with botocore what the SDK has no function for."""
    v = inputs(*args, sdk=False, **kwargs)
    query = {}
    if "account" in v:
        query["accountId"] = v["account"]
    if "qualifier" in v:
        query["qualifier"] = v["qualifier"]
    if "shell" in v:
        query["shellId"] = v["shell"]
    query.update(v.get("query", {}))
    if v["call"] == "presign":
        query[SESSION_HEADER] = v["session"]
        if "user" in v:
            query[USER_HEADER] = v["user"]
    url = f"https://bedrock-agentcore.{v['region']}.{suffix}/runtimes/{quote(v['runtime'], safe='')}{path}"
    if query:
        url += "?" + urlencode(query, quote_via=quote)
    credentials = Credentials(v["key"], v["secret"], v["token"] or None)
    headers = {"host": urlsplit(url).netloc}
    if v["call"] == "presign":
        request = AWSRequest(method, url, headers=headers)
        botocore.auth.SigV4QueryAuth(credentials, "bedrock-agentcore", v["region"], v["expires"]).add_auth(request)
        return finish(v, request.url.replace("https://", "wss://"))
    headers.update(v.get("headers", {}))
    if "user" in v:
        headers[USER_HEADER] = v["user"]
    if v["call"] != "headers":
        headers[SESSION_HEADER] = v["session"]
        headers["content-length"] = str(len(v["body"].encode()))
    request = AWSRequest(method, url, data=v.get("body", "").encode(), headers=headers)
    botocore.auth.SigV4Auth(credentials, "bedrock-agentcore", v["region"]).add_auth(request)
    if v["call"] == "headers":
        url = url.replace("https://", "wss://")
    return finish(v, url, request.headers["Authorization"])


JSON = {"Content-Type": "application/json", "Accept": "application/json"}

vectors = [
    from_sdk("headers", "headers", qualifier="DEFAULT"),
    from_sdk("headers of temporary credentials, no qualifier", "headers", token=TOKEN),
    from_sdk("headers in another region, later", "headers", region="eu-central-1", time="2031-12-31T23:59:59+00:00"),
    from_sdk("headers for the government", "headers", region="us-gov-west-1",
             runtime=arn("us-gov-west-1", "aws-us-gov"), qualifier="prod_1"),
    from_sdk("headers for a shell", "headers", shell="build-shell_1", token=TOKEN),
    from_sdk("headers for a shell at an endpoint", "headers", shell="0", qualifier="DEFAULT"),
    from_sdk("presigned", "presign", qualifier="DEFAULT", expires=300, query={"abc": "p q+r"}),
    from_sdk("presigned with temporary credentials", "presign", token=TOKEN, expires=60),
    from_sdk("presigned for a second", "presign", qualifier="a" * 48, expires=1, time="2028-02-29T12:34:56+00:00"),
    from_sdk("presigned with all kinds of values", "presign", token=TOKEN, expires=299, query={
        "q": "Grüße, 世界 🌍", "ключ": "значение", "empty": "", "marks": "-._~!*'();:@&=+$,/?#[]%20 \"<>\\^`{|}",
        "X-Amzn-Bedrock-AgentCore-Runtime-Custom-Plan": "gold"}),
    from_sdk("presigned for the government", "presign", region="us-gov-west-1",
             runtime=arn("us-gov-west-1", "aws-us-gov"), expires=120),
    from_sdk("presigned for a shell", "presign", shell="build-shell_1", expires=120, token=TOKEN),
    from_botocore("presigned in China", "presign", suffix="amazonaws.com.cn", path="/ws", region="cn-north-1",
                  runtime=arn("cn-north-1", "aws-cn"), expires=300, qualifier="DEFAULT"),
    from_botocore("presigned with a user, by id", "presign", path="/ws", runtime="my_agent-abcde12345",
                  account="123456789012", user="Zoë+1 =", expires=90, token=TOKEN),
    from_botocore("headers with a user and one of one's own", "headers", path="/ws", user="user-1", headers={
        "X-Amzn-Bedrock-Agentcore-Runtime-Custom-Plan": "  gold   and  silver "}),
    from_botocore("invocation", "invoke", path="/invocations", method="POST", qualifier="DEFAULT", headers=JSON,
                  body='{"prompt":"Hello"}'),
    from_botocore("invocation with a user and temporary credentials", "invoke", path="/invocations", method="POST",
                  token=TOKEN, user="user-1", body='{"prompt":"Grüße <&> \U0001f30d"}',
                  headers={**JSON, "X-Amzn-Bedrock-Agentcore-Runtime-Custom-Plan": "gold", "Mcp-Session-Id": "m-1"}),
    from_botocore("invocation in China, by id", "invoke", path="/invocations", method="POST", suffix="amazonaws.com.cn",
                  region="cn-northwest-1", runtime="my_agent-abcde12345", account="123456789012", headers=JSON,
                  body="[]"),
    from_botocore("command", "command", path="/commands", method="POST", token=TOKEN, qualifier="DEFAULT", headers=JSON,
                  body='{"command":"ls -l \'a b\' && echo é","timeout":60}'),
    from_botocore("end of a session", "stop", path="/stopruntimesession", method="POST", token=TOKEN,
                  qualifier="DEFAULT", headers={"Content-Type": "application/json"},
                  body='{"clientToken":"00000000-0000-4000-8000-000000000000"}'),
]

json.dump({"made with": {p: version(p) for p in ("bedrock-agentcore", "botocore")}, "vectors": vectors},
          sys.stdout, indent=1, ensure_ascii=False)
print()
