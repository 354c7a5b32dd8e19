"""A gRPC client without a proxy, and the pods that it calls; prints how many calls each pod answered.

Arguments: the bootstrap file, the target, the number of calls (or a time, such as 30s), and NAME=ADDRESS for each pod to serve.
While a file of the name FAILING exists, one in 20 calls to pods of names with an e fails.
With CERTIFICATES=DIRECTORY in the environment all connections are TLS, by its files ca.crt, grpc.crt and grpc.key.
"""

import collections
import itertools
import os
import pathlib
import sys
import time
from concurrent import futures

os.environ["GRPC_XDS_BOOTSTRAP"] = sys.argv[1]

import grpc

CERTIFICATES = os.environ.get("CERTIFICATES")


def read(name):
    with open(f"{CERTIFICATES}/{name}", "rb") as file:
        return file.read()


METHOD = "/ballast.test.Echo/Name"


class Pod(grpc.GenericRpcHandler):
    def __init__(self, name):
        self.name = name
        self.numbers = itertools.count()

    def answer(self, request, context):
        if self.name.startswith("e") and next(self.numbers) % 20 == 0 and pathlib.Path("FAILING").exists():
            context.abort(grpc.StatusCode.INTERNAL, "made to fail")
        return self.name.encode()

    def service(self, details):
        return grpc.unary_unary_rpc_method_handler(self.answer)


def calls(amount):
    """Numbers for so many calls, or for so many seconds, a few hundred a second."""
    if not amount.endswith("s"):
        yield from range(int(amount))
        return
    end = time.monotonic() + float(amount[:-1])
    number = 0
    while time.monotonic() < end:
        yield number
        number += 1
        time.sleep(0.005)


servers = []
for pod in sys.argv[4:]:
    name, address = pod.split("=")
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=2))
    server.add_generic_rpc_handlers((Pod(name),))
    if CERTIFICATES:
        credentials = grpc.ssl_server_credentials([(read("grpc.key"), read("grpc.crt"))])
        port = server.add_secure_port(address, credentials)
    else:
        port = server.add_insecure_port(address)
    if not port:
        sys.exit(f"can't listen on {address}")
    server.start()
    servers.append(server)

counts = collections.Counter()
failed = 0
target = f"xds:///{sys.argv[2]}"
if CERTIFICATES:
    made = grpc.secure_channel(target, grpc.ssl_channel_credentials(read("ca.crt")))
else:
    made = grpc.insecure_channel(target)
with made as channel:
    call = channel.unary_unary(METHOD)
    for number in calls(sys.argv[3]):
        try:
            counts[call(b"", timeout=10, wait_for_ready=number == 0).decode()] += 1
        except grpc.RpcError as error:
            failed += 1
            print(error.details(), file=sys.stderr)
print(" ".join(f"{name}={count}" for name, count in sorted(counts.items())), f"failed={failed}")
for server in servers:
    server.stop(0)
