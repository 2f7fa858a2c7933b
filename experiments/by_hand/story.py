"""Tells a cluster a story by gRPC reflection alone: `story.py buf|python cluster.json`.

Siblings are made and reconciled; a replica is cut off, a stale read is seen, and a fresh one after healing. What was said
goes to standard output, with addresses under their nodes' names. Replicas that answered are sorted, since they race; the
numbers of operations and the times of faults are left out.
"""

import base64
import json
import os
import subprocess
import sys

import grpc
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.json_format import MessageToDict, ParseDict
from google.protobuf.message_factory import GetMessageClass
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

KV = "tidemark.v1.Kv"
CLUSTER = "tidemark.v1.Cluster"


class Buf:
    """Speaks through the program `buf curl`."""

    PLAIN = "--protocol grpc --http2-prior-knowledge"

    def __init__(self, addresses):
        urls = {name: f"http://{address}" for name, address in addresses.items()}
        self.environment = {**os.environ, **urls, "plain": self.PLAIN}
        print(f'$ plain="{self.PLAIN}"')
        print(f"$ {' '.join(f'{name}=http://127.0.0.1:…' for name in urls)}\n")

    def services(self, node):
        command = f"buf curl $plain --list-services ${node}"
        print(f"$ {command}")
        return self.run(command).split()

    def words(self, node, method, request):
        return f"$ buf curl $plain ${node}/{method} -d '{json.dumps(request)}'"

    def call(self, node, method, request):
        return json.loads(self.run(self.words(node, method, request).removeprefix("$ ")))

    def run(self, command):
        ended = subprocess.run(["bash", "-c", command], env=self.environment, capture_output=True, text=True)
        if ended.returncode:
            raise RuntimeError(ended.stderr)
        return ended.stdout


class Python:
    """Speaks through grpcio, with the messages that the server describes."""

    def __init__(self, addresses):
        self.channels = {name: grpc.insecure_channel(address) for name, address in addresses.items()}
        self.pools = {}
        print("# `call` asks by grpcio with the messages that reflection describes, see story.py")
        print(f">>> {', '.join(addresses)} = (grpc.insecure_channel(\"127.0.0.1:…\") for each)\n")

    def services(self, node):
        print(f">>> ProtoReflectionDescriptorDatabase({node}).get_services()")
        return ProtoReflectionDescriptorDatabase(self.channels[node]).get_services()

    def words(self, node, method, request):
        return f">>> call({node}, {json.dumps(method)}, {json.dumps(request)})"

    def call(self, node, method, request):
        channel = self.channels[node]
        if node not in self.pools:
            self.pools[node] = DescriptorPool(ProtoReflectionDescriptorDatabase(channel))
        service, name = method.split("/")
        described = self.pools[node].FindServiceByName(service).FindMethodByName(name)
        asked, answered = GetMessageClass(described.input_type), GetMessageClass(described.output_type)
        stub = channel.unary_unary(f"/{method}", asked.SerializeToString, answered.FromString)
        return MessageToDict(stub(ParseDict(request, asked())))


def tell(speaker):
    """The story."""

    def say(caption, node, method, request):
        print(f"# {caption}\n{speaker.words(node, method, request)}")
        answer = speaker.call(node, method, request)
        print(shown(answer), end="\n\n")
        return answer

    def put(caption, node, value, replicas=3, context=None):
        request = {"key": "cart", "value": base64.b64encode(value.encode()).decode()}
        request |= {"context": context} if context else {}
        return say(caption, node, f"{KV}/Put", request | {"writeQuorum": replicas})

    def get(caption, node, replicas=1):
        answer = say(caption, node, f"{KV}/Get", {"key": "cart", "readQuorum": replicas})
        return answer["context"], [base64.b64decode(version["value"]).decode() for version in answer["versions"]]

    def expect(values, *expected):
        if sorted(values) != sorted(expected):
            raise RuntimeError(f"{values} were read in place of {expected}")

    print("# what n1 serves")
    print("\n".join(sorted(speaker.services("n1"))), end="\n\n")
    put("a blind write of “apples”; all three replicas acknowledge it", "n1", "apples")
    context, values = get("a read: one version, and the context that covers it", "n2")
    expect(values, "apples")
    put("two writes with that one context: “pears” …", "n1", "pears", context=context)
    put("… and “plums”; neither has seen the other", "n2", "plums", context=context)
    context, values = get("both are kept, as siblings, under one context", "n3")
    expect(values, "pears", "plums")
    put("a write with the siblings' context, “pears and plums”", "n3", "pears and plums", context=context)
    context, values = get("supersedes both of them", "n1")
    expect(values, "pears and plums")

    rule = 'partition = { isolate = "n3" }'
    say("n3 is cut off from the other nodes", "control", f"{CLUSTER}/Fault", {"rule": rule, "name": "n3 is cut off"})
    put("“cherries” reach n1 and n2", "n1", "cherries", replicas=2, context=context)
    _, values = get("n3 does not know of them: a stale read", "n3")
    expect(values, "pears and plums")
    say("the cut heals", "control", f"{CLUSTER}/Heal", {})
    _, values = get("n3 asks all three replicas: a fresh read", "n3", replicas=3)
    expect(values, "cherries")


def shown(answer):
    """The answer as JSON: a line for each field, and one for each of several versions."""
    for version in answer.get("versions", []):
        version["operation"] = "…"
    if "answered" in answer:
        answer["answered"].sort()
    if "fault" in answer:
        answer["fault"]["fromS"] = "…"
    lines = []
    for name, value in answer.items():
        text = compact(value)
        if name == "versions" and len(value) > 1:
            text = "[\n    " + ",\n    ".join(compact(version) for version in value) + "\n  ]"
        lines.append(f'  "{name}": {text}')
    return "{\n" + ",\n".join(lines) + "\n}"


def compact(value):
    """JSON on one line."""
    return json.dumps(value, ensure_ascii=False)


if __name__ == "__main__":
    with open(sys.argv[2], encoding="utf-8") as file:
        cluster = json.load(file)
    places = {**cluster["nodes"], "control": cluster["control"]}
    tell({"buf": Buf, "python": Python}[sys.argv[1]](places))
