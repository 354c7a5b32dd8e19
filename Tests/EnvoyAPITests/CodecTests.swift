import Balancing
import EnvoyAPI
import Model
import Testing
import TestSupport
import XDS

private let node = Node(
    id: "n1", cluster: "app", locality: Locality(region: "east", zone: "a", subZone: "x"), userAgent: "envoy",
    metadata: ["cluster": "east", "role": "gateway"]
)

private let mesh = Mesh(
    clusters: [
        Cluster(name: "east", locality: Locality(region: "east")),
        Cluster(name: "west", locality: Locality(region: "west"), gateways: [address("[2001:db8::1]:15443")]),
    ],
    pods: [
        "east": pods("e", 2, network: 1, weight: 3) + pods("d", 1, network: 3, health: .draining),
        "west": pods("w", 3, network: 2),
    ]
)

@Test func `metadata of a pod counts over the cluster's, and that over the service's`() throws {
    var mesh = mesh
    mesh.clusters[0].metadata = ["f": ["a": "cluster", "b": "cluster"]]
    mesh.pods["east"]?[0].metadata = ["f": ["a": "pod"], "g": ["x": "pod"]]
    mesh.pods["east"]?[0].sni = DNSName("pod.example")
    var service = Service(name: "s")
    service.metadata = ["f": ["b": "service", "c": "service"]]
    let assignment = mesh.assign(service, from: "east")
    let text = try ResourceJSON.text(of: EncodedResource(assignment, name: "s").any)
    #expect(
        text.contains(#""filter_metadata": {"f": {"a": "pod", "b": "cluster", "c": "service"}, "g": {"x": "pod"}}"#),
        "\(text)")
    #expect(text.contains(#""filter_metadata": {"f": {"a": "cluster", "b": "cluster", "c": "service"}}"#), "\(text)")
    let pods = mesh.pods["east"] ?? []
    let exported = ExportedService(name: "s", cluster: "east", pods: pods, gateways: [])
    let any = EncodedResource(exported).any
    let again = any.indices.lazy.compactMap { try? ExportedService(Array(any[$0...])) }.first { $0.name == "s" }
    #expect(Set(again?.pods ?? []) == Set(pods), "peers get them, too")
}

@Test func `SotW requests survive the wire`() throws {
    let request = SotWRequest(names: ["a", "b"], version: "v", nonce: "7", rejection: "why")
    let decoded = try DecodedRequest(DiscoveryRequest.sotw(request).encoded(type: "t", node: node), .sotw)
    #expect(decoded.request.withoutDigest == .sotw(request))
    #expect(decoded.node == node)
    #expect(decoded.type == "t")
    let bare = try DecodedRequest(DiscoveryRequest.sotw(SotWRequest(names: [])).encoded(type: ""), .sotw)
    #expect(bare.node == nil)
    #expect(bare.request.withoutDigest == .sotw(SotWRequest(names: [])), "no rejection where there is no error_detail")
}

extension DiscoveryRequest {
    fileprivate var withoutDigest: DiscoveryRequest {
        guard case .sotw(var request) = self else { return self }
        request.digest = nil
        return .sotw(request)
    }
}

@Test(arguments: [Variant.sotw, .delta])
func `an ACK is found without decoding, and nothing else is taken for one`(variant: Variant) throws {
    func scan(_ request: DiscoveryRequest, _ type: String = TypeURL.cluster.rawValue) -> Acknowledgement? {
        let bytes = request.encoded(type: type, node: node)
        return Acknowledgement(scanning: bytes.span.bytes, variant)
    }
    let ack: DiscoveryRequest, others: [DiscoveryRequest]
    switch variant {
    case .sotw:
        let request = SotWRequest(names: ["a", "b"], version: "v", nonce: "7")
        ack = .sotw(request)
        let decoded = try DecodedRequest(ack.encoded(type: "t", node: node), .sotw)
        guard case .sotw(let known) = decoded.request else { return }
        #expect(scan(ack)?.names == known.digest, "the same names")
        #expect(scan(.sotw(SotWRequest(names: ["a", "c"], version: "v", nonce: "7")))?.names != known.digest)
        #expect(scan(.sotw(SotWRequest(names: ["ab"], version: "v", nonce: "7")))?.names != known.digest)
        others = [
            .sotw(SotWRequest(names: ["a"])), .sotw(SotWRequest(names: ["a"], nonce: "7", rejection: "no")),
            .sotw(SotWRequest(names: ["a"], nonce: "seven")),
        ]
    case .delta:
        ack = .delta(DeltaRequest(nonce: "7"))
        others = [
            .delta(DeltaRequest()), .delta(DeltaRequest(subscribe: ["a"], nonce: "7")),
            .delta(DeltaRequest(unsubscribe: ["a"], nonce: "7")), .delta(DeltaRequest(nonce: "7", rejection: "no")),
            .delta(DeltaRequest(initialVersions: ["a": "1"], nonce: "7")),
        ]
    }
    #expect(scan(ack)?.nonce == Nonce(number: 7))
    #expect(scan(ack)?.type == .cluster)
    #expect(scan(ack, "of another type") == nil)
    for other in others { #expect(scan(other) == nil, "\(other)") }
    let bytes = ack.encoded(type: TypeURL.cluster.rawValue, node: node)
    for count in 0..<bytes.count {
        // Whatever it makes of a part of one, it doesn't read beyond its end.
        let part = Array(bytes[..<count])
        _ = Acknowledgement(scanning: part.span.bytes, variant)
    }
}

@Test func `delta requests survive the wire`() throws {
    let request = DeltaRequest(
        subscribe: ["a"], unsubscribe: ["b", "c"], initialVersions: ["a": "1", "z": "2"], nonce: "n", rejection: ""
    )
    let decoded = try DecodedRequest(DiscoveryRequest.delta(request).encoded(type: "t", node: node), .delta)
    #expect(decoded.request == .delta(request))
    #expect(decoded.node == node)
}

@Test func `an assignment survives the wire`() throws {
    let assignment = mesh.assign(Service(name: "s"), from: "east")
    let resource = EncodedResource(assignment, name: "s")
    var sotw = StreamSubscriptions(variant: .sotw, type: .clusterLoadAssignment, limits: .init(names: 10))
    try sotw.receive(.sotw(SotWRequest(names: ["s"])), type: "", from: .envoy)
    let next = try #require(sotw.next { _ in OneResource(resource) })
    let bytes = resource.sotwHeader + resource.any + next.response.encodedTrailer(type: next.type, controlPlane: "me")
    let response = try DecodedResponse(bytes, .sotw)
    #expect(response.type == TypeURL.clusterLoadAssignment.rawValue)
    #expect(response.controlPlane == "me")
    #expect(response.nonce == "1")
    #expect(response.resources.map(\.type) == [response.type])
    let decoded = try DecodedAssignment(response.resources[0].content)
    #expect(decoded.name == "s")
    #expect(decoded.localities == assignment.localities)
}

@Test func `a delta response names its resources and versions`() throws {
    let resource = EncodedResource(mesh.assign(Service(name: "s"), from: "west"), name: "s")
    var delta = StreamSubscriptions(variant: .delta, type: nil, limits: .init(names: 10))
    let request = DeltaRequest(subscribe: ["s", "none"])
    try delta.receive(.delta(request), type: TypeURL.clusterLoadAssignment.rawValue, from: .envoy)
    let next = try #require(delta.next { _ in OneResource(resource) })
    let bytes = resource.deltaHeader + resource.any + next.response.encodedTrailer(type: next.type, controlPlane: "me")
    let response = try DecodedResponse(bytes, .delta)
    #expect(response.removed == ["none"])
    #expect(response.controlPlane == "me")
    #expect(response.resources.map(\.name) == ["s"])
    #expect(response.resources.map(\.version) == [resource.version.description])
    #expect(response.resources.map(\.type) == [TypeURL.clusterLoadAssignment.rawValue])
    #expect(try DecodedAssignment(response.resources[0].content).name == "s")
}

@Test func `a version changes with the content and with the name, and with nothing else`() {
    let assignment = mesh.assign(Service(name: "s"), from: "east")
    #expect(EncodedResource(assignment, name: "s") == EncodedResource(assignment, name: "s"))
    #expect(EncodedResource(assignment, name: "s").version != EncodedResource(assignment, name: "t").version)
    var other = assignment
    other.localities[0].endpoints[0].weight += 1
    #expect(EncodedResource(assignment, name: "s").version != EncodedResource(other, name: "s").version)
}

private struct OneResource: VersionIndex {
    var resource: EncodedResource

    var names: [ResourceName] { [resource.name] }

    init(_ resource: EncodedResource) { self.resource = resource }

    func version(of name: ResourceName) -> ResourceVersion? { name == resource.name ? resource.version : nil }
}
