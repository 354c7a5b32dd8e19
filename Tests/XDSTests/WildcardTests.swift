import Testing
import XDS

private let content = Content(hashes: ["a": 1, "b": 2])

/// A client of all clusters, SotW.
private struct SotW {
    var stream = StreamSubscriptions(variant: .sotw, type: .cluster, limits: StreamSubscriptions.Limits(names: 100))
    var last: SotWResponse?

    mutating func ask(_ names: [ResourceName], version: String = "", nonce: String? = nil) throws {
        let request = SotWRequest(names: names, version: version, nonce: nonce ?? last.map { "\($0.nonce)" } ?? "")
        try stream.receive(.sotw(request), type: TypeURL.cluster.rawValue, from: .envoy)
    }

    mutating func next(_ content: Content) -> SotWResponse? {
        guard case .sotw(let response)? = stream.next(in: { _ in content })?.response else { return nil }
        last = response
        return response
    }
}

/// A client of all clusters, delta.
private struct Delta {
    var stream = StreamSubscriptions(variant: .delta, type: .cluster, limits: StreamSubscriptions.Limits(names: 100))

    mutating func ask(_ request: DeltaRequest) throws {
        try stream.receive(.delta(request), type: TypeURL.cluster.rawValue, from: .envoy)
    }

    mutating func next(_ content: Content) -> DeltaResponse? {
        guard case .delta(let response)? = stream.next(in: { _ in content })?.response else { return nil }
        return response
    }
}

@Test func `SotW: a first request without names wants everything, and every answer is whole`() throws {
    var client = SotW()
    try client.ask([])
    #expect(client.next(content)?.names == ["a", "b"])
    try client.ask([])
    #expect(client.next(content) == nil, "an ACK is not answered")

    var changed = content
    changed.hashes["b"] = 3
    client.stream.publish(.cluster, ["b"])
    #expect(client.next(changed)?.names == ["a", "b"], "whole, although only b changed")
    changed.hashes["a"] = nil
    client.stream.publish(.cluster, ["a"])
    #expect(client.next(changed)?.names == ["b"], "absence is how a removal is said")
    changed.hashes["b"] = nil
    client.stream.publish(.cluster, ["b"])
    #expect(client.next(changed)?.names == [])
}

@Test func `SotW: a client that wants everything hears it when there is nothing`() throws {
    var client = SotW()
    try client.ask([])
    let response = client.next(Content(hashes: [:]))
    #expect(response?.names == [])
    var returning = SotW()
    try returning.ask([], version: "\(try #require(response).version)")
    #expect(returning.next(Content(hashes: [:])) == nil, "it has that already")
}

@Test func `SotW: a returning client that has everything gets nothing, and one that lacks something gets it all`()
    throws
{
    var client = SotW()
    try client.ask([])
    let first = client.next(content)
    let version = "\(try #require(first).version)"
    var returning = SotW()
    try returning.ask([], version: version)
    #expect(returning.next(content) == nil)
    var outdated = SotW()
    try outdated.ask([], version: version)
    #expect(outdated.next(Content(hashes: ["a": 1, "b": 9]))?.names == ["a", "b"])
}

@Test func `SotW: names, a star beside names, and back`() throws {
    var client = SotW()
    try client.ask(["b", "missing"])
    #expect(client.next(content)?.names == ["b"])
    try client.ask(["b", "*"])
    #expect(client.next(content)?.names == ["a", "b"])
    try client.ask(["a"])
    #expect(client.next(content)?.names == ["a"], "a name that is new is answered, even if it was covered before")
    client.stream.publish(.cluster, ["b"])
    #expect(client.next(Content(hashes: ["a": 1, "b": 7])) == nil, "b is no longer wanted")
    try client.ask([])
    client.stream.publishAll()
    #expect(client.next(Content(hashes: ["a": 5, "b": 7])) == nil, "no names after names means nothing")
}

@Test func `delta: a first request without names wants everything`() throws {
    var client = Delta()
    try client.ask(DeltaRequest())
    #expect(client.next(content)?.names == ["a", "b"])
    client.stream.publish(.cluster, ["a", "c"])
    let response = client.next(Content(hashes: ["b": 2, "c": 3]))
    #expect(response?.names == ["c"])
    #expect(response?.removed == ["a"])
    client.stream.publishAll()
    #expect(client.next(Content(hashes: ["b": 2, "c": 3])) == nil)
}

@Test func `delta: a client that wants everything hears it when there is nothing`() throws {
    var client = Delta()
    try client.ask(DeltaRequest())
    let response = client.next(Content(hashes: [:]))
    #expect(response?.names == [])
    #expect(client.next(Content(hashes: [:])) == nil)
}

@Test func `delta: a returning client gets exactly the difference`() throws {
    let version = { (hash: UInt64) in "\(ResourceVersion(hash: hash))" }
    var client = Delta()
    try client.ask(DeltaRequest(initialVersions: ["a": version(1), "b": version(9), "gone": version(3)]))
    let response = client.next(content)
    #expect(response?.names == ["b"])
    #expect(response?.removed == ["gone"])
    var same = Delta()
    try same.ask(DeltaRequest(initialVersions: ["a": version(1), "b": version(2)]))
    #expect(same.next(content) == nil)
}

@Test func `delta: a name that a star covers is sent again when the client drops it, and the star can go`() throws {
    var client = Delta()
    try client.ask(DeltaRequest(subscribe: ["a"]))
    #expect(client.next(content)?.names == ["a"])
    try client.ask(DeltaRequest(subscribe: ["*"]))
    #expect(client.next(content)?.names == ["b"])
    try client.ask(DeltaRequest(unsubscribe: ["a"]))
    #expect(client.next(content)?.names == ["a"])
    try client.ask(DeltaRequest(unsubscribe: ["*"]))
    client.stream.publishAll()
    #expect(client.next(Content(hashes: ["a": 8, "b": 8])) == nil)
}

@Test func `delta: names that don't exist are reported as removed, and sent when they exist`() throws {
    var client = Delta()
    try client.ask(DeltaRequest(subscribe: ["later"]))
    #expect(client.next(content)?.removed == ["later"])
    client.stream.publish(.cluster, ["later"])
    #expect(client.next(Content(hashes: ["later": 4]))?.names == ["later"])
}

@Test(arguments: [Variant.sotw, .delta])
func `a changed cluster's endpoints follow it, though they are the same`(variant: Variant) throws {
    var stream = StreamSubscriptions(variant: variant, type: nil, limits: StreamSubscriptions.Limits(names: 100))
    let request = { (names: [ResourceName], nonce: String) -> DiscoveryRequest in
        variant == .sotw
            ? .sotw(SotWRequest(names: names, nonce: nonce)) : .delta(DeltaRequest(subscribe: names, nonce: nonce))
    }
    var clusters = Content(hashes: ["a": 1, "b": 2, "fixed": 3])
    let endpoints = Content(hashes: ["a": 10, "b": 20])
    func next() -> (TypeURL, [ResourceName])? {
        guard let next = stream.next(in: { $0 == .cluster ? clusters : endpoints }) else { return nil }
        switch next.response {
        case .sotw(let response): return (next.type, response.resources.map(\.name))
        case .delta(let response): return (next.type, response.resources.map(\.name))
        }
    }
    // Endpoints are asked for first, and still come after their clusters.
    try stream.receive(request(["a", "b"], ""), type: TypeURL.clusterLoadAssignment.rawValue, from: .envoy)
    try stream.receive(request([], ""), type: TypeURL.cluster.rawValue, from: .envoy)
    #expect(next()?.0 == .cluster)
    #expect(next()?.1 == ["a", "b"])
    #expect(next() == nil)

    clusters.hashes["b"] = 5
    stream.publish(.cluster, ["b"])
    #expect(next()?.0 == .cluster)
    #expect(next()?.1 == ["b"], "b's endpoints, and not a's")
    #expect(next() == nil)
}

@Test(arguments: [Variant.sotw, .delta])
func `a returning client that gets a cluster anew gets its endpoints too`(variant: Variant) throws {
    var stream = StreamSubscriptions(variant: variant, type: nil, limits: StreamSubscriptions.Limits(names: 100))
    let clusters = Content(hashes: ["a": 1])
    let endpoints = Content(hashes: ["a": 10])
    func next() -> TypeURL? { stream.next(in: { $0 == .cluster ? clusters : endpoints })?.type }
    let old = "\(ResourceVersion(hash: 99))"
    let has: DiscoveryRequest
    switch variant {
    case .sotw:
        try stream.receive(.sotw(SotWRequest(names: [], version: old)), type: TypeURL.cluster.rawValue, from: .envoy)
        var before = StreamSubscriptions(variant: .sotw, type: nil, limits: StreamSubscriptions.Limits(names: 100))
        let eds = TypeURL.clusterLoadAssignment.rawValue
        try before.receive(.sotw(SotWRequest(names: ["a"])), type: eds, from: .envoy)
        guard case .sotw(let response)? = before.next(in: { _ in endpoints })?.response else { return }
        has = .sotw(SotWRequest(names: ["a"], version: "\(response.version)"))
    case .delta:
        try stream.receive(
            .delta(DeltaRequest(initialVersions: ["a": old])), type: TypeURL.cluster.rawValue, from: .envoy)
        has = .delta(DeltaRequest(subscribe: ["a"], initialVersions: ["a": "\(ResourceVersion(hash: 10))"]))
    }
    #expect(next() == .cluster)
    try stream.receive(has, type: TypeURL.clusterLoadAssignment.rawValue, from: .envoy)
    #expect(next() == .clusterLoadAssignment, "Envoy warms the cluster until it hears of its endpoints")
    #expect(next() == nil)
}

/// Versions that no Ballast has given: other servers', an older format's, none.
private let foreignVersions = [
    "", "1", "v1.2.3", "2026-11-25T10:00:00Z/17", "0123456789abcdef0", "ghijklmnopqrstuv", "ü",
]

@Test(arguments: foreignVersions, [[], ["*"], ["*", "a"], ["*", "gone"]] as [[ResourceName]])
func `delta: a client that comes from another server gets what exists, and learns what is gone`(
    _ version: String, _ names: [ResourceName]
) throws {
    var client = Delta()
    try client.ask(DeltaRequest(subscribe: names, initialVersions: ["a": version, "gone": version, "past": version]))
    let response = client.next(content)
    #expect(response?.resources.map(\.name) == ["a", "b"])
    #expect(response?.removed.sorted() == ["gone", "past"])
    #expect(client.next(content) == nil)
}

@Test(arguments: foreignVersions)
func `delta: names that another server had are reported as removed, if they are asked for`(
    _ version: String
) throws {
    var client = Delta()
    try client.ask(
        DeltaRequest(subscribe: ["a", "gone"], initialVersions: ["a": version, "gone": version, "b": version]))
    let response = client.next(content)
    #expect(response?.resources.map(\.name) == ["a"])
    #expect(response?.removed == ["gone"])
}
