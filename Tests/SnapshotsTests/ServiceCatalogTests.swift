import Intent
import MeshConfiguration
import Model
@testable import Snapshots
import Testing
import TestSupport

private func configuration(_ services: String) throws -> Configuration {
    try Configuration(
        text: """
            cluster: east
            clusters:
              east: {endpoints: {file: east.yaml}}
              west: {endpoints: {file: west.yaml}, gateways: ["192.0.2.1:443"], reach: pods}
            services: \(services)
            """, file: "/c/b.yaml")
}

private func change(_ services: String) throws -> IntentChange {
    try #require(try configuration(services).mesh.changes(since: nil))
}

/// Which services there are, and under which names.
@Suite struct ServiceCatalogTests {
    private let now = ContinuousClock.now

    private func catalog(_ services: String) throws -> ServiceCatalog {
        var catalog = ServiceCatalog()
        _ = catalog.replaceIntent(with: try change(services))
        return catalog
    }

    @Test func `an unlisted service is there while it has pods, and a while longer`() throws {
        var catalog = try catalog("{\"*\": {}}")
        #expect(catalog.note("a", hasPods: false, at: now).isEmpty)
        #expect(catalog.names.isEmpty, "without pods there was never anything to serve")
        #expect(catalog.note("a", hasPods: true, at: now) == ["a"])
        #expect(catalog.names == ["a"])
        _ = catalog.note("a", hasPods: false, at: now)
        #expect(catalog.names == ["a"], "its clients are told first that it is empty")
        #expect(catalog.next == now + ServiceCatalog.removalDelay)
        #expect(catalog.expire(at: now + .seconds(29)).isEmpty)
        _ = catalog.note("a", hasPods: true, at: now + .seconds(29))
        #expect(catalog.expire(at: now + .seconds(60)).isEmpty, "its pods are back")
        _ = catalog.note("a", hasPods: false, at: now + .seconds(60))
        #expect(catalog.expire(at: now + .seconds(90)) == ["a"])
        #expect(catalog.names.isEmpty && catalog.next == nil)
    }

    @Test func `a listed service is always there, and an unlisted one that is listed later loses its end`() throws {
        var catalog = try catalog("{\"*\": {}, b: {}}")
        _ = catalog.note("b", hasPods: false, at: now)
        _ = catalog.note("a", hasPods: true, at: now)
        _ = catalog.note("a", hasPods: false, at: now)
        _ = catalog.replaceIntent(with: try change("{\"*\": {}, a: {}, b: {}}"))
        #expect(catalog.expire(at: now + .seconds(60)).isEmpty)
        #expect(catalog.names == ["a", "b"])
    }

    @Test func `without a template nothing unlisted is there`() throws {
        var catalog = try catalog("{\"*\": {}}")
        _ = catalog.note("a", hasPods: true, at: now)
        _ = catalog.replaceIntent(with: try change("{}"))
        #expect(catalog.names.isEmpty)
        #expect(catalog.note("a", hasPods: true, at: now).isEmpty)
    }

    @Test(arguments: [["a", "c"], ["c", "a"]] as [[ServiceName]])
    func `no other service can have a listed service's resource name`(
        _ order: [ServiceName]
    ) throws {
        var catalog = try catalog("{\"*\": {resources: [\"{service}\", \"x-{service}\"]}, b: {resources: [a]}}")
        for name in order { _ = catalog.note(name, hasPods: true, at: now) }
        #expect(catalog["b"]?.resources == ["a"])
        #expect(catalog["a"]?.resources == ["x-a"])
        #expect(catalog["c"]?.resources == ["c", "x-c"])
        #expect(catalog.problems.count == 1)
        #expect(catalog.problems.first?.contains("a: it is not served as a, which is a resource of b") == true)
    }

    @Test(arguments: [["a-b", "b"], ["b", "a-b"]] as [[ServiceName]])
    func `of two unlisted ones the first by name has a resource, until it goes`(_ order: [ServiceName]) throws {
        var catalog = try catalog("{\"*\": {resources: [\"{service}\", \"a-{service}\"]}}")
        for name in order { _ = catalog.note(name, hasPods: true, at: now) }
        #expect(catalog["a-b"]?.resources == ["a-b", "a-a-b"])
        #expect(catalog["b"]?.resources == ["b"])
        _ = catalog.note("a-b", hasPods: false, at: now)
        #expect(catalog.expire(at: now + .seconds(60)) == ["a-b", "b"])
        #expect(catalog["b"]?.resources == ["b", "a-b"])
        #expect(catalog.problems.isEmpty)
    }

    @Test func `names that differ in case only, and a gateway's own name, are reported`() throws {
        var catalog = try catalog("{\"*\": {}, Shop: {}}")
        #expect(catalog.note("shop", hasPods: true, at: now) == ["shop"])
        #expect(catalog["shop"] == nil)
        _ = catalog.note("west_gateway", hasPods: true, at: now)
        #expect(catalog["west_gateway"] == nil)
        #expect(catalog.names == ["Shop"])
        #expect(catalog.problems.contains { $0.contains("differ only in case") })
        #expect(catalog.problems.contains { $0.contains("the name of the way to a cluster's gateways") })
    }

    @Test(arguments: [["A", "a", "o-a"], ["o-a", "a", "A"], ["a", "o-a", "A"]] as [[ServiceName]])
    func `a service that isn't served has no resource that another wants`(_ order: [ServiceName]) throws {
        var catalog = try catalog("{\"*\": {resources: [\"{service}\", \"o-{service}\"]}}")
        var touched: Set<ServiceName> = []
        for name in order { touched = catalog.note(name, hasPods: true, at: now) }
        #expect(catalog["a"] == nil)
        #expect(catalog["o-a"]?.resources == ["o-a", "o-o-a"])
        #expect(catalog.problems == ["a: it is not served, since its name and that of A differ only in case"])
        if order.last == "A" { #expect(touched == ["A", "a", "o-a"]) }
        _ = catalog.note("A", hasPods: false, at: now)
        #expect(catalog.expire(at: now + .seconds(60)) == ["A", "a", "o-a"])
        #expect(catalog["a"]?.resources == ["a", "o-a"])
        #expect(catalog["o-a"]?.resources == ["o-o-a"])
    }
}
