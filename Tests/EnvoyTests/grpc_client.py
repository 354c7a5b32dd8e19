"""A gRPC client without a proxy, and the pods that it calls; prints how many calls each pod answered.

Arguments: the bootstrap file, the target, the number of calls (or a time, such as 30s), and NAME=ADDRESS for each pod to serve.
"""

import collections
import os
import sys
import time
from concurrent import futures

os.environ["GRPC_XDS_BOOTSTRAP"] = sys.argv[1]

import grpc

METHOD = "/ballast.test.Echo/Name"


class Pod(grpc.GenericRpcHandler):
    def __init__(self, name):
        self.name = name

    def service(self, details):
        return grpc.unary_unary_rpc_method_handler(lambda request, context: self.name.encode())


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
    if not server.add_insecure_port(address):
        sys.exit(f"can't listen on {address}")
    server.start()
    servers.append(server)

counts = collections.Counter()
failed = 0
with grpc.insecure_channel(f"xds:///{sys.argv[2]}") as channel:
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
