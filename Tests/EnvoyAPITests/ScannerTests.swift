import Balancing
import EnvoyAPI
import Model
import Testing
import TestSupport
import XDS

private let mesh = Mesh(
    clusters: [Cluster(name: "east", locality: Locality(region: "east"))],
    pods: ["east": pods("e", 3, network: 1, weight: 7)])
private let assignment = mesh.assign(Service(name: "s"), from: "east")
private let endpointName: ResourceName = "xdstp://x/E/s/1"

private struct OnlyResource: VersionIndex {
    var resource: EncodedResource

    var names: [ResourceName] { [resource.name] }

    func version(of name: ResourceName) -> ResourceVersion? { name == resource.name ? resource.version : nil }
}

/// The response to a client that asks for a resource, as it is sent.
private func response(_ resource: EncodedResource, _ variant: Variant, _ type: TypeURL) throws -> [UInt8] {
    var stream = StreamSubscriptions(variant: variant, type: type, limits: StreamSubscriptions.Limits(names: 9))
    let request: DiscoveryRequest =
        variant == .sotw
        ? .sotw(SotWRequest(names: [resource.name])) : .delta(DeltaRequest(subscribe: [resource.name, "gone"]))
    try stream.receive(request, type: type.rawValue, from: .envoy)
    let response = try #require(stream.next { _ in OnlyResource(resource: resource) }).response
    let header = variant == .sotw ? resource.sotwHeader : resource.deltaHeader
    return header + resource.any + response.encodedTrailer(type: type, controlPlane: "test")
}

private func scan(_ bytes: [UInt8], _ variant: Variant) -> ScannedResponse? {
    ScannedResponse(scanning: bytes.span.bytes, variant)
}

@Test(arguments: [Variant.sotw, .delta])
func `what a scan finds in a response is what decoding finds`(variant: Variant) throws {
    let resource = EncodedResource(assignment, name: "s")
    let bytes = try response(resource, variant, .clusterLoadAssignment)
    let decoded = try DecodedResponse(bytes, variant)
    let scanned = try #require(scan(bytes, variant))
    #expect(scanned.nonce == decoded.nonce && scanned.version == decoded.version && scanned.type == decoded.type)
    #expect(scanned.resources.map(\.name) == ["s"] && scanned.resources.map(\.weight) == [7])
    #expect(scanned.resources[0].version == (variant == .sotw ? "" : resource.version.description))
}

@Test func `a scan finds collections, and the weight of an endpoint`() throws {
    let localities = EncodedResource(assignment.localities, name: "s") {
        ResourceName(rawValue: "xdstp://x/\($0.locality.region)/*")
    }
    var bytes = try response(localities, .delta, .clusterLoadAssignment)
    var scanned = try #require(scan(bytes, .delta))
    #expect(scanned.resources.map(\.collections) == [["xdstp://x/east/*"]] && scanned.resources[0].weight == nil)
    let endpoint = EncodedResource(assignment.localities[0].endpoints[0], metadata: [:], name: endpointName)
    bytes = try response(endpoint, .delta, .endpoint)
    scanned = try #require(scan(bytes, .delta))
    #expect(scanned.resources.map(\.name) == [endpointName.rawValue] && scanned.resources[0].weight == 7)
}

@Test(arguments: [Variant.sotw, .delta])
func `garbage is scanned or refused, never followed out of the message`(variant: Variant) throws {
    var random = SeededGenerator(seed: 3)
    let good = try response(EncodedResource(assignment, name: "s"), variant, .clusterLoadAssignment)
    for length in good.indices {
        let prefix = Array(good.prefix(length))
        _ = scan(prefix, variant)
        var mutated = good
        mutated[length] = UInt8.random(in: 0...255, using: &random)
        _ = scan(mutated, variant)
    }
    for _ in 0..<20_000 {
        let bytes = (0..<Int.random(in: 0...64, using: &random)).map { _ in UInt8.random(in: 0...255, using: &random) }
        _ = scan(bytes, variant)
        _ = Acknowledgement(scanning: bytes.span.bytes, variant)
    }
}

@Test func `names that are where they were are known again, and others are not`() throws {
    func request(_ names: [ResourceName], version: String = "v", nonce: String) -> [UInt8] {
        let request = SotWRequest(names: names, version: version, nonce: nonce)
        return DiscoveryRequest.sotw(request).encoded(type: TypeURL.cluster.rawValue)
    }
    func digest(_ bytes: [UInt8], _ known: inout Acknowledgement.KnownNames?) -> UInt64? {
        Acknowledgement(scanning: bytes.span.bytes, .sotw, known: &known)?.names
    }
    let names: [ResourceName] = ["a", "b", "c"]
    var (known, none): (Acknowledgement.KnownNames?, Acknowledgement.KnownNames?) = (nil, nil)
    let first = try #require(digest(request(names, nonce: "1"), &known))
    for nonce in ["2", "33"] { #expect(digest(request(names, nonce: nonce), &known) == first) }
    let others = [
        request(["a", "b", "d"], nonce: "4"), request(["a", "b", "c", "d"], nonce: "4"),
        request(["a", "b"], nonce: "4"),
        request([], nonce: "4"), request(names, version: "longer", nonce: "4"),
        request(names, nonce: "4") + [0x1a, 1, 0x64],
    ]
    for other in others {
        none = nil
        var last = known
        #expect(digest(other, &last) == digest(other, &none))
    }
}

@Test(arguments: [Variant.sotw, .delta])
func `an ACK that is written by hand is read as one`(variant: Variant) throws {
    let names: [ResourceName] = ["a", "b"]
    var bytes = DiscoveryRequest.encodedAcknowledgement(of: "7", version: "v", type: .cluster, variant)
    if variant == .sotw { bytes += DiscoveryRequest.encodedNames(names) }
    let decoded = try DecodedRequest(bytes, variant)
    #expect(decoded.type == TypeURL.cluster.rawValue)
    switch decoded.request {
    case .sotw(let request): #expect(request.names == names && request.nonce == "7" && request.version == "v")
    case .delta(let request): #expect(request == DeltaRequest(nonce: "7"))
    }
    #expect(Acknowledgement(scanning: bytes.span.bytes, variant)?.nonce == Nonce(number: 7))
}
