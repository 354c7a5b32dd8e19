import Intent
import Model
import Testing

private func intent(_ change: (inout MeshIntent) -> Void = { _ in }) -> MeshIntent {
    let clusters = ["east", "west"].map { name in
        ClusterIntent(
            Cluster(name: ClusterName(rawValue: name)), endpoints: .file("\(name).yaml"), gateways: .listed([]))
    }
    let services = ["a", "b", "c"].map { name in
        ServiceIntent(service: Service(name: ServiceName(rawValue: name)), resources: [name])
    }
    var intent = MeshIntent(cluster: "east", clusters: clusters, services: services)
    change(&intent)
    return intent
}

@Suite struct IntentChangeTests {
    @Test func `the first intent changes everything, and the same one nothing`() throws {
        let first = try #require(intent().changes(since: nil))
        #expect(first.services == ["a", "b", "c"] && first.changesClusters)
        #expect(intent().changes(since: intent()) == nil)
    }

    @Test func `a weight changes its service, and nothing else`() throws {
        let next = intent { $0.services[1].service.weights = ["west": Ratio("0.5") ?? .one] }
        let change = try #require(next.changes(since: intent()))
        #expect(change.services == ["b"])
        #expect(!change.changesClusters && !change.changesTemplate && !change.changesExports)
    }

    @Test func `services that come and go are changed`() throws {
        let next = intent { $0.services[0] = ServiceIntent(service: Service(name: "d"), resources: ["d"]) }
        #expect(next.changes(since: intent())?.services == ["a", "d"])
    }

    @Test func `another source of a cluster changes no service, another reach all`() throws {
        let moved = intent { $0.clusters[1].endpoints = .file("other.yaml") }
        let change = try #require(moved.changes(since: intent()))
        #expect(change.services.isEmpty && !change.changesClusters)
        let reached = intent {
            $0.clusters[1] = ClusterIntent(
                Cluster(name: "west", reach: .connect), endpoints: .file("west.yaml"), gateways: .listed([]))
        }
        #expect(reached.changes(since: intent())?.changesClusters == true)
    }
}
