import Testing
import XDS

/// Content for tests: names and the hashes of what they hold.
struct Content: VersionIndex {
    var hashes: [ResourceName: UInt64] = [:]

    func version(of name: ResourceName) -> ResourceVersion? { hashes[name].map(ResourceVersion.init(hash:)) }

    var names: [ResourceName] { Array(hashes.keys) }
}

let limits = StreamSubscriptions.Limits(names: 100, types: 3)
let eds = TypeURL.clusterLoadAssignment.rawValue

/// A stream with its content, and shorthands to talk to it.
final class SotWTester {
    var stream = StreamSubscriptions(variant: .sotw, type: .clusterLoadAssignment, limits: limits)
    var content: Content
    var client = ClientDialect.envoy

    init(_ hashes: [ResourceName: UInt64]) { content = Content(hashes: hashes) }

    func ask(_ names: [ResourceName], version: String = "", nonce: String = "", rejection: String? = nil) throws {
        let request = SotWRequest(names: names, version: version, nonce: nonce, rejection: rejection)
        try stream.receive(.sotw(request), type: eds, from: client)
    }

    func publish(_ name: ResourceName, _ hash: UInt64?) {
        content.hashes[name] = hash
        stream.publish(.clusterLoadAssignment, [name])
    }

    func next() -> SotWResponse? {
        let content = content
        guard case .sotw(let response) = stream.next(in: { _ in content })?.response else { return nil }
        return response
    }

    var status: SubscriptionStatus? { stream.status().first?.subscription }
}

extension SotWResponse {
    var names: [ResourceName] { resources.map(\.name) }
}

@Suite struct SotWSubscriptionTests {
    @Test func `the first request is answered with what exists`() throws {
        let tester = SotWTester(["a": 1, "b": 2])
        try tester.ask(["b", "a", "none"])
        let response = try #require(tester.next())
        #expect(response.names == ["a", "b"])
        #expect(tester.next() == nil, "nothing twice")
    }

    @Test func `an ACK is not answered`() throws {
        let tester = SotWTester(["a": 1])
        try tester.ask(["a"])
        let response = try #require(tester.next())
        try tester.ask(["a"], version: "\(response.version)", nonce: "\(response.nonce)")
        #expect(tester.next() == nil)
        #expect(tester.status?.acknowledged == response.version)
        #expect(tester.status?.resources.first?.acknowledged == ResourceVersion(hash: 1))
    }

    @Test func `a NACK is parked until the content changes`() throws {
        let tester = SotWTester(["a": 1])
        try tester.ask(["a"])
        let bad = try #require(tester.next())
        try tester.ask(["a"], nonce: "\(bad.nonce)", rejection: "weight 0")
        #expect(tester.next() == nil, "the same content is not sent again")
        #expect(tester.status?.rejection?.message == "weight 0")
        #expect(tester.status?.rejection?.version == bad.version)
        #expect(tester.status?.acknowledged == nil)

        tester.publish("a", 2)
        let good = try #require(tester.next())
        try tester.ask(["a"], version: "\(good.version)", nonce: "\(good.nonce)")
        #expect(tester.status?.rejection == nil)
    }

    @Test func `a stale nonce is ignored`() throws {
        let tester = SotWTester(["a": 1, "b": 1])
        try tester.ask(["a"])
        let first = try #require(tester.next())
        tester.publish("a", 2)
        let second = try #require(tester.next())
        try tester.ask(["a", "b"], version: "\(first.version)", nonce: "\(first.nonce)")
        #expect(tester.next() == nil)
        try tester.ask(["a", "b"], version: "\(second.version)", nonce: "\(second.nonce)")
        #expect(tester.next()?.names == ["b"], "its names come with the answer to the latest response")
    }

    @Test func `what a client drops with a stale nonce, and asks for again, is sent again`() throws {
        let tester = SotWTester(["a": 1, "b": 1])
        try tester.ask(["a", "b"])
        let first = try #require(tester.next())
        tester.publish("b", 2)
        let second = try #require(tester.next())
        try tester.ask(["b"], version: "\(first.version)", nonce: "\(first.nonce)")
        try tester.ask(["a", "b"], version: "\(second.version)", nonce: "\(second.nonce)")
        #expect(tester.next()?.names == ["a"])
    }

    @Test func `a request can ACK and change the subscription at once`() throws {
        let tester = SotWTester(["a": 1, "b": 2])
        try tester.ask(["a"])
        let first = try #require(tester.next())
        try tester.ask(["b"], version: "\(first.version)", nonce: "\(first.nonce)")
        let second = try #require(tester.next())
        #expect(second.names == ["b"], "only what is new")
        tester.publish("a", 3)
        #expect(tester.next() == nil, "a is not wanted any more")
        #expect(second.version != first.version)
    }

    @Test func `a name that was dropped and comes back is sent again, though nothing changed`() throws {
        let tester = SotWTester(["a": 1])
        try tester.ask(["a"])
        let first = try #require(tester.next())
        try tester.ask([], version: "\(first.version)", nonce: "\(first.nonce)")
        #expect(tester.next() == nil)
        // gRPC does just this, with the version and nonce that it has.
        try tester.ask(["a"], version: "\(first.version)", nonce: "\(first.nonce)")
        #expect(tester.next()?.names == ["a"])
    }

    @Test func `a name that doesn't exist is reported once, and sent once it exists`() throws {
        let tester = SotWTester([:])
        try tester.ask(["a"])
        let first = try #require(tester.next())
        #expect(first.names.isEmpty && first.missing == ["a"] && first.vacant == ["a"])
        try tester.ask(["a"], version: "\(first.version)", nonce: "\(first.nonce)")
        tester.publish("b", 1)
        #expect(tester.next() == nil)
        tester.publish("a", 1)
        #expect(tester.next()?.names == ["a"])
    }

    @Test func `many changes before a write are one response, with the last content`() throws {
        let tester = SotWTester(["a": 1, "b": 1])
        try tester.ask(["a", "b"])
        _ = tester.next()
        for hash in 2...50 { tester.publish("a", UInt64(hash)) }
        tester.publish("b", 2)
        tester.publish("b", 1)
        let response = try #require(tester.next())
        #expect(response.resources.map(\.version.hash) == [50], "b is what it was")
        #expect(tester.next() == nil)
    }

    @Test func `the version is that of the content, whatever the way to it`() throws {
        let straight = SotWTester(["a": 2, "b": 3])
        try straight.ask(["a", "b"])
        let winding = SotWTester(["a": 1, "b": 3])
        try winding.ask(["a", "b"])
        _ = winding.next()
        winding.publish("a", 2)
        #expect(try #require(straight.next()).version == #require(winding.next()).version)
    }

    @Test func `a client that returns with the current version is sent nothing`() throws {
        let before = SotWTester(["a": 1, "b": 2])
        try before.ask(["a", "b"])
        let version = try #require(before.next()).version

        let after = SotWTester(["a": 1, "b": 2])
        try after.ask(["a", "b"], version: "\(version)", nonce: "7")
        #expect(after.next() == nil)
        #expect(after.status?.acknowledged == version)
        after.publish("b", 3)
        #expect(after.next()?.names == ["b"])
    }

    @Test func `a client that returns after a change, or with other names, is sent everything`() throws {
        let before = SotWTester(["a": 1, "b": 2])
        try before.ask(["a", "b"])
        let version = try #require(before.next()).version

        let changed = SotWTester(["a": 1, "b": 3])
        try changed.ask(["a", "b"], version: "\(version)")
        #expect(changed.next()?.names == ["a", "b"])
        let other = SotWTester(["a": 1, "b": 2, "c": 3])
        try other.ask(["a", "b", "c"], version: "\(version)")
        #expect(other.next()?.names == ["a", "b", "c"])
        let foreign = SotWTester(["a": 1])
        try foreign.ask(["a"], version: "2026-01-01/7")
        #expect(foreign.next()?.names == ["a"])
    }

    @Test func `gRPC's version is not trusted: it may have dropped what it covers`() throws {
        let before = SotWTester(["a": 1])
        try before.ask(["a"])
        let version = try #require(before.next()).version
        let after = SotWTester(["a": 1])
        after.client = .grpc
        try after.ask(["a"], version: "\(version)")
        #expect(after.next()?.names == ["a"])
    }

    @Test func `a resumed client that adds a name is sent that name only`() throws {
        let before = SotWTester(["a": 1, "b": 2])
        try before.ask(["a"])
        let version = try #require(before.next()).version
        let after = SotWTester(["a": 1, "b": 2])
        try after.ask(["a"], version: "\(version)")
        #expect(after.next() == nil)
        try after.ask(["a", "b"], version: "\(version)")
        #expect(after.next()?.names == ["b"])
    }

    @Test func `a request without a nonce on a live stream starts over`() throws {
        let tester = SotWTester(["a": 1])
        try tester.ask(["a"])
        let first = try #require(tester.next())
        try tester.ask(["a"])
        #expect(tester.next() == nil, "it may not have read the first response yet")
        try tester.ask(["a"], version: "\(first.version)", nonce: "\(first.nonce)")
        try tester.ask(["a"])
        let again = try #require(tester.next())
        #expect(again.names == ["a"])
        #expect(again.version == first.version)
        #expect(again.nonce != first.nonce)
    }
}
