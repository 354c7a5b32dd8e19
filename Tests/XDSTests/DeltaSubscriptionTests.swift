import Testing
import XDS

/// A delta stream with its content, and shorthands to talk to it.
final class DeltaTester {
    var stream = StreamSubscriptions(variant: .delta, type: .clusterLoadAssignment, limits: limits)
    var content: Content

    init(_ hashes: [ResourceName: UInt64]) { content = Content(hashes: hashes) }

    func ask(
        _ subscribe: [ResourceName] = [], unsubscribe: [ResourceName] = [], initial: [ResourceName: String] = [:],
        nonce: String = "", rejection: String? = nil
    ) throws {
        let request = DeltaRequest(
            subscribe: subscribe, unsubscribe: unsubscribe, initialVersions: initial, nonce: nonce, rejection: rejection
        )
        try stream.receive(.delta(request), type: eds, from: .envoy)
    }

    func publish(_ name: ResourceName, _ hash: UInt64?) {
        content.hashes[name] = hash
        stream.publish(.clusterLoadAssignment, [name])
    }

    func next() -> DeltaResponse? {
        let content = content
        guard case .delta(var response) = stream.next(in: { _ in content })?.response else { return nil }
        // What is sent whole, one by one.
        for name in response.collections.flatMap({ content.content(of: $0)?.names ?? [] }).sorted() {
            response.resources.append(VersionedName(name: name, version: content.version(of: name) ?? .init(hash: 0)))
        }
        return response
    }

    var status: SubscriptionStatus? { stream.status().first?.subscription }
}

extension DeltaResponse {
    var names: [ResourceName] { resources.map(\.name) }
}

@Suite struct DeltaSubscriptionTests {
    @Test func `names that exist are sent, and the others are said to be removed`() throws {
        let tester = DeltaTester(["a": 1])
        try tester.ask(["a", "none"])
        let response = try #require(tester.next())
        #expect(response.names == ["a"])
        #expect(response.removed == ["none"])
        #expect(tester.next() == nil)
        tester.publish("none", 1)
        #expect(tester.next()?.names == ["none"])
        tester.publish("none", nil)
        #expect(tester.next()?.removed == ["none"])
    }

    @Test func `a collection is all there is in it, as it comes and goes`() throws {
        let one: ResourceName = "xdstp://x/E/s/a/1"
        let two: ResourceName = "xdstp://x/E/s/a/2"
        let tester = DeltaTester([one: 1, "xdstp://x/E/s/b/1": 1, "xdstp://x/E/s/a/deeper/1": 1])
        try tester.ask(["xdstp://x/E/s/a/*"])
        #expect(tester.next()?.names == [one])
        tester.publish(two, 1)
        #expect(tester.next()?.names == [two])
        tester.publish("xdstp://x/E/s/b/1", 2)
        #expect(tester.next() == nil, "another collection's")
        tester.publish(one, nil)
        let removal = try #require(tester.next())
        #expect(removal.removed == [one] && removal.resources.isEmpty)
        try tester.ask(["xdstp://x/E/s/a/*"])
        #expect(tester.next()?.names == [two], "whoever asks again has forgotten")
        try tester.ask(unsubscribe: ["xdstp://x/E/s/a/*"])
        tester.publish(two, 2)
        #expect(tester.next() == nil)
    }

    @Test func `a client that comes back with a collection gets what it doesn't hold`() throws {
        let one: ResourceName = "xdstp://x/E/s/a/1"
        let two: ResourceName = "xdstp://x/E/s/a/2"
        let gone: ResourceName = "xdstp://x/E/s/a/3"
        let tester = DeltaTester([one: 1, two: 2])
        let initial = [one: ResourceVersion(hash: 1).description, gone: ResourceVersion(hash: 1).description]
        try tester.ask(["xdstp://x/E/s/a/*"], initial: initial)
        let response = try #require(tester.next())
        #expect(response.names == [two])
        #expect(response.removed == [gone])
    }

    @Test func `only what changed is sent`() throws {
        let tester = DeltaTester(["a": 1, "b": 1])
        try tester.ask(["a", "b"])
        _ = tester.next()
        tester.publish("b", 2)
        tester.publish("c", 2)
        #expect(tester.next()?.names == ["b"])
        #expect(tester.next() == nil)
    }

    @Test func `an ACK says which versions the client took`() throws {
        let tester = DeltaTester(["a": 1, "b": 1])
        try tester.ask(["a"])
        let first = try #require(tester.next())
        try tester.ask(["b"], nonce: "\(first.nonce)")
        let second = try #require(tester.next())
        #expect(second.names == ["b"])
        #expect(tester.status?.resources.map { $0.acknowledged?.hash } == [1, nil])
        try tester.ask(nonce: "\(second.nonce)")
        #expect(tester.status?.resources.map { $0.acknowledged?.hash } == [1, 1])
        #expect(tester.next() == nil)
    }

    @Test func `a NACK is parked until the content changes`() throws {
        let tester = DeltaTester(["a": 1])
        try tester.ask(["a"])
        let bad = try #require(tester.next())
        try tester.ask(nonce: "\(bad.nonce)", rejection: "no")
        #expect(tester.next() == nil)
        #expect(tester.status?.rejection?.message == "no")
        tester.publish("a", 2)
        #expect(tester.next()?.names == ["a"])
    }

    @Test func `asking again for a name sends it again, though nothing changed`() throws {
        let tester = DeltaTester(["a": 1])
        try tester.ask(["a"])
        _ = tester.next()
        try tester.ask(["a"])
        #expect(tester.next()?.names == ["a"])
    }

    @Test func `a change of the subscription counts, whatever its nonce`() throws {
        let tester = DeltaTester(["a": 1, "b": 1])
        try tester.ask(["a"])
        _ = tester.next()
        try tester.ask(["b"], unsubscribe: ["a", "never"], nonce: "another stream's")
        #expect(tester.next()?.names == ["b"])
        tester.publish("a", 2)
        #expect(tester.next() == nil)
    }

    @Test func `a returning client is sent exactly the difference`() throws {
        let tester = DeltaTester(["same": 1, "changed": 2, "new": 1])
        let old = ResourceVersion(hash: 1).description
        try tester.ask(
            ["same", "changed", "gone", "new"], initial: ["same": old, "changed": old, "gone": old, "unwanted": old]
        )
        let response = try #require(tester.next())
        #expect(response.names == ["changed", "new"])
        #expect(response.removed == ["gone"])
    }

    @Test func `initial versions count in the first request only`() throws {
        let tester = DeltaTester(["a": 1])
        try tester.ask([])
        try tester.ask(["a"], initial: ["a": ResourceVersion(hash: 1).description])
        #expect(tester.next()?.names == ["a"])
    }
}

@Suite struct DiscoveryStreamTests {
    @Test func `types on one stream don't disturb each other, and nonces are unique on it`() throws {
        let other = TypeURL(rawValue: "type.googleapis.com/envoy.config.cluster.v3.Cluster")
        var stream = StreamSubscriptions(variant: .sotw, type: nil, limits: limits)
        let content = Content(hashes: ["a": 1])
        try stream.receive(.sotw(SotWRequest(names: ["a"])), type: eds, from: .envoy)
        try stream.receive(.sotw(SotWRequest(names: ["a"])), type: other.rawValue, from: .envoy)
        let responses = [stream.next { _ in content }, stream.next { _ in content }, stream.next { _ in content }]
        let first = try #require(responses[0])
        let second = try #require(responses[1])
        #expect(first.type == other, "clusters go before endpoints, whatever was asked first")
        #expect(second.type == .clusterLoadAssignment)
        guard case .sotw(let one) = first.response, case .sotw(let two) = second.response else { return }
        #expect(one.nonce != two.nonce)
        #expect(responses[2] == nil)
    }

    @Test func `a stream of one service accepts its own type, or none`() {
        var stream = StreamSubscriptions(variant: .sotw, type: .clusterLoadAssignment, limits: limits)
        let request = DiscoveryRequest.sotw(SotWRequest(names: ["a"]))
        let refusals = [
            violation(&stream, request, ""), violation(&stream, request, eds), violation(&stream, request, "other"),
        ]
        #expect(refusals == [nil, nil, .wrongType("other")])

        var aggregated = StreamSubscriptions(variant: .sotw, type: nil, limits: limits)
        let refusal = violation(&aggregated, request, "")
        #expect(refusal == .wrongType(""))
    }

    @Test func `limits end the stream`() {
        var stream = StreamSubscriptions(variant: .delta, type: nil, limits: limits)
        let names = (0..<101).map { ResourceName(rawValue: "n\($0)") }
        let refusals = [
            violation(&stream, .delta(DeltaRequest(subscribe: names)), "a"),
            violation(&stream, .delta(DeltaRequest(unsubscribe: names)), "a"),
            violation(&stream, .delta(DeltaRequest()), "b"),
            violation(&stream, .delta(DeltaRequest()), "c"),
            violation(&stream, .delta(DeltaRequest()), "d"),
        ]
        #expect(refusals == [.tooManyNames(limit: 100), nil, nil, nil, .tooManyTypes(limit: 3)])
    }

    private func violation(
        _ stream: inout StreamSubscriptions, _ request: DiscoveryRequest, _ type: String
    ) -> ProtocolViolation? {
        do throws(ProtocolViolation) {
            try stream.receive(request, type: type, from: .envoy)
            return nil
        } catch {
            return error
        }
    }
}

@Suite struct ResourceVersionTests {
    @Test func `versions read back what they write`() {
        for hash in [0, 1, .max, 0x0123_4567_89ab_cdef] as [UInt64] {
            let version = ResourceVersion(hash: hash)
            #expect(version.description.count == 16)
            #expect(ResourceVersion(version.description) == version)
        }
        #expect(ResourceVersion("1") == nil)
        #expect(ResourceVersion("zzzzzzzzzzzzzzzz") == nil)
    }
}
