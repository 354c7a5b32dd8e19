"""Asks an xDS server for the endpoints of httpbin over every method, with grpcio and xds-protos, and prints what it gets."""

import queue
import sys

import grpc
from envoy.config.endpoint.v3 import endpoint_pb2
from envoy.service.discovery.v3 import ads_pb2_grpc, discovery_pb2
from envoy.service.endpoint.v3 import eds_pb2_grpc

TYPE = "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment"
NODE = {"id": "python", "cluster": "test", "user_agent_name": "test"}

channel = grpc.insecure_channel(sys.argv[1])
eds = eds_pb2_grpc.EndpointDiscoveryServiceStub(channel)
ads = ads_pb2_grpc.AggregatedDiscoveryServiceStub(channel)


def describe(any_message):
    assignment = endpoint_pb2.ClusterLoadAssignment()
    assert any_message.Unpack(assignment), any_message.type_url
    assert assignment.cluster_name == "httpbin"
    for locality in assignment.endpoints:
        for entry in locality.lb_endpoints:
            socket = entry.endpoint.address.socket_address
            yield (
                f"{socket.address}:{socket.port_value} weight {entry.load_balancing_weight.value}"
                f" of {locality.load_balancing_weight.value} in {locality.locality.region}"
            )


def ask(name, method, first, acknowledge):
    requests = queue.Queue()
    requests.put(first)
    call = method(iter(requests.get, None), timeout=20)
    response = next(call)
    assert response.type_url == TYPE and len(response.resources) == 1
    requests.put(acknowledge(response))
    resource = response.resources[0]
    print(f"{name}: {', '.join(describe(getattr(resource, 'resource', resource)))}")
    requests.put(None)
    assert not list(call), "an ACK was answered"


def sotw(**fields):
    return discovery_pb2.DiscoveryRequest(type_url=TYPE, resource_names=["httpbin"], **fields)


def delta(**fields):
    return discovery_pb2.DeltaDiscoveryRequest(type_url=TYPE, **fields)


for name, method in [("StreamEndpoints", eds.StreamEndpoints), ("StreamAggregatedResources", ads.StreamAggregatedResources)]:
    ask(name, method, sotw(node=NODE), lambda r: sotw(version_info=r.version_info, response_nonce=r.nonce))
for name, method in [("DeltaEndpoints", eds.DeltaEndpoints), ("DeltaAggregatedResources", ads.DeltaAggregatedResources)]:
    first = delta(node=NODE, resource_names_subscribe=["httpbin"])
    ask(name, method, first, lambda r: delta(response_nonce=r.nonce))
