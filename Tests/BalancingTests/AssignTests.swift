import Balancing
import Model
import Testing
import TestSupport

private let service = Service(name: "s")

/// What each pod gets, where a gateway spreads its part over all the pods behind it.
private func podShares(_ assignment: Assignment) -> [String: Double] {
    Dictionary(uniqueKeysWithValues: assignment.shares.flatMap(\.pods).map { ($0.name, $0.share) })
}

/// What a client that follows the weights gives each address of priority 0.
private func addressShares(_ assignment: Assignment) -> [String: Double] {
    let first = assignment.localities.filter { $0.priority == 0 }
    let total = first.reduce(0) { $0 + Double($1.weight ?? 0) }
    var shares: [String: Double] = [:]
    for locality in first {
        let active = locality.endpoints.filter { $0.health == .healthy }
        let sum = active.reduce(0) { $0 + Double($1.weight) }
        for endpoint in active {
            shares[endpoint.address.description] = Double(locality.weight ?? 0) / total * Double(endpoint.weight) / sum
        }
    }
    return shares
}

@Test func `from network 1, ten pods of three networks get a tenth each`() {
    let mesh = Mesh(
        clusters: [
            Cluster(name: "one", locality: Locality(region: "one")),
            Cluster(name: "two", locality: Locality(region: "two"), gateways: [address("2.2.2.2:15443")]),
            Cluster(
                name: "three", locality: Locality(region: "three"),
                gateways: [address("3.3.3.1:15443"), address("3.3.3.2:15443")]
            ),
            Cluster(name: "four", locality: Locality(region: "four")),
        ],
        pods: [
            "one": pods("a", 1, network: 1), "two": pods("b", 2, network: 2),
            "three": pods("c", 3, network: 3), "four": pods("d", 4, network: 4),
        ]
    )
    let assignment = mesh.assign(service, from: "one")
    #expect(podShares(assignment).count == 10)
    for (pod, share) in podShares(assignment) { #expect(abs(share - 0.1) < 1e-12, "\(pod)") }

    let tenths = addressShares(assignment).mapValues { ($0 * 10_000).rounded() / 1_000 }
    #expect(tenths["10.1.0.1:8000"] == 1)
    #expect(tenths["2.2.2.2:15443"] == 2)
    #expect(tenths["3.3.3.1:15443"] == 2)
    #expect(tenths["3.3.3.2:15443"] == 1)
    #expect((1...4).allSatisfy { tenths["10.4.0.\($0):8000"] == 1 })
}

@Test func `pods in two zones behind one gateway are all counted, at one address`() {
    var west = pods("w", 3, network: 2)
    west[0].zone = "a"
    west[1].zone = "b"
    west[2].zone = "b"
    let mesh = Mesh(
        clusters: [
            Cluster(name: "east", locality: Locality(region: "east")),
            Cluster(name: "west", locality: Locality(region: "west"), gateways: [address("2.2.2.2:15443")]),
        ],
        pods: ["east": pods("e", 2, network: 1), "west": west]
    )
    let assignment = mesh.assign(service, from: "east")
    #expect(addressShares(assignment)["2.2.2.2:15443"] == 0.6)
    #expect(assignment.localities.map(\.locality.region) == ["east", "west"])
    #expect(assignment.localities.map(\.weight) == [2, 3])
}

@Test func `a local pod's zone is its locality's, and each zone weighs its own pods`() {
    var east = pods("e", 3, network: 1)
    east[0].zone = "a"
    east[1].zone = "b"
    east[2].zone = "b"
    let mesh = Mesh(
        clusters: [Cluster(name: "east", locality: Locality(region: "east"))], pods: ["east": east]
    )
    let localities = mesh.assign(service, from: "east").localities
    #expect(localities.map(\.locality) == [Locality(region: "east", zone: "a"), Locality(region: "east", zone: "b")])
    #expect(localities.map(\.weight) == [1, 2])
}

@Test func `clusters of one network reach each other's pods, whatever their gateways`() {
    let gateways = [address("9.9.9.9:15443")]
    let mesh = Mesh(
        clusters: [
            Cluster(name: "a", network: "n", gateways: gateways), Cluster(name: "b", network: "n", gateways: gateways),
            Cluster(name: "c"),
        ],
        pods: ["a": pods("a", 1, network: 1), "b": pods("b", 1, network: 2)]
    )
    #expect(addressShares(mesh.assign(service, from: "a")).keys.sorted() == ["10.1.0.1:8000", "10.2.0.1:8000"])
    // From outside, both are behind the gateway that they share, which then stands for both.
    #expect(addressShares(mesh.assign(service, from: "c")) == ["9.9.9.9:15443": 1])
    #expect(mesh.assign(service, from: "c").localities.map(\.weight) == [2])
}

@Test func `more gateways than pods doesn't raise their cluster's share`() {
    let mesh = Mesh(
        clusters: [
            Cluster(name: "east", locality: Locality(region: "east")),
            Cluster(
                name: "west", locality: Locality(region: "west"),
                gateways: (1...3).map { address("2.2.2.\($0):15443") }
            ),
        ],
        pods: ["east": pods("e", 1, network: 1), "west": pods("w", 1, network: 2)]
    )
    let assignment = mesh.assign(service, from: "east")
    #expect(assignment.shares.map(\.share) == [0.5, 0.5])
    #expect(assignment.localities.map(\.weight) == [3, 3])
    #expect(assignment.localities[1].endpoints.map(\.weight) == [1, 1, 1])
}

@Test func `local-first puts the client's cluster at priority 0 and the others at 1`() {
    let mesh = Mesh(
        clusters: [
            Cluster(name: "east", locality: Locality(region: "east")),
            Cluster(name: "west", locality: Locality(region: "west"), gateways: [address("2.2.2.2:15443")]),
        ],
        pods: ["east": pods("e", 2, network: 1), "west": pods("w", 3, network: 2)]
    )
    let localFirst = Service(name: "s", balance: .localFirst)
    let assignment = mesh.assign(localFirst, from: "east")
    #expect(assignment.localities.map { [$0.locality.region, "\($0.priority)"] } == [["east", "0"], ["west", "1"]])
    #expect(assignment.shares.map(\.share) == [1, 0])

    var onlyWest = mesh
    onlyWest.pods["east"] = nil
    #expect(
        onlyWest.assign(localFirst, from: "east").localities.map(\.priority) == [0], "no gap where east has no pods")
    #expect(onlyWest.assign(localFirst, from: "east").shares.map(\.share) == [0, 1])
}

@Test func `a draining pod is sent as draining and weighs nothing`() {
    var east = pods("e", 2, network: 1)
    east[1].health = .draining
    let mesh = Mesh(
        clusters: [Cluster(name: "east"), Cluster(name: "west", gateways: [address("2.2.2.2:15443")])],
        pods: [
            "east": east, "west": pods("w", 3, network: 2) + pods("x", 1, network: 3, health: .draining),
        ]
    )
    let assignment = mesh.assign(service, from: "east")
    #expect(assignment.shares.map(\.share) == [0.25, 0.75])
    #expect(assignment.localities.flatMap(\.endpoints).filter { $0.health == .draining }.count == 1)
}

@Test func `unhealthy pods are left out, unless Envoy needs them to decide on a failover`() {
    var east = pods("e", 2, network: 1)
    east[1].health = .unhealthy
    let mesh = Mesh(
        clusters: [Cluster(name: "east", locality: Locality(region: "east")), Cluster(name: "west")],
        pods: ["east": east, "west": pods("w", 3, network: 2)]
    )
    let global = mesh.assign(service, from: "east")
    #expect(global.localities.flatMap(\.endpoints).count == 4)
    #expect(global.shares.map(\.share) == [0.25, 0.75])

    let localFirst = mesh.assign(Service(name: "s", balance: .localFirst), from: "east")
    #expect(localFirst.localities[0].endpoints.map(\.health) == [.healthy, .unhealthy])
    #expect(localFirst.localities[0].weight == 1)
}

@Test func `where no pod is healthy, all are sent as unhealthy`() {
    let mesh = Mesh(
        clusters: [
            Cluster(name: "east", locality: Locality(region: "east")),
            Cluster(name: "west", locality: Locality(region: "west"), gateways: [address("2.2.2.2:15443")]),
        ],
        pods: [
            "east": pods("e", 1, network: 1, health: .unhealthy),
            "west": pods("w", 2, network: 2, health: .unhealthy),
        ]
    )
    let endpoints = mesh.assign(service, from: "east").localities.flatMap(\.endpoints)
    #expect(endpoints.map(\.health) == [.unhealthy, .unhealthy])
    #expect(endpoints.map(\.weight) == [1, 2])
}

@Test func `a multiplier of 0 drains a cluster`() {
    let mesh = Mesh(
        clusters: [Cluster(name: "east"), Cluster(name: "west")],
        pods: ["east": pods("e", 1, network: 1), "west": pods("w", 1, network: 2)]
    )
    let assignment = mesh.assign(Service(name: "s", weights: ["west": Ratio("0") ?? .one]), from: "east")
    #expect(assignment.localities.flatMap(\.endpoints).map(\.health) == [.healthy, .draining])
    #expect(assignment.shares.map(\.share) == [1, 0])
}

@Test func `a pod that two clusters know is served once`() {
    let shared = pods("p", 1, network: 1)
    let mesh = Mesh(
        clusters: [
            Cluster(name: "a", locality: Locality(region: "a")), Cluster(name: "b", locality: Locality(region: "b")),
        ],
        pods: ["a": shared, "b": shared + pods("q", 1, network: 2)]
    )
    let assignment = mesh.assign(service, from: "a")
    #expect(assignment.shares.map(\.share) == [0.5, 0.5])
    #expect(assignment.shares[1].pods[0].note?.contains("cluster a") == true)
}

@Test func `nothing to serve is an empty assignment`() {
    let mesh = Mesh(clusters: [Cluster(name: "east")], pods: [:])
    #expect(mesh.assign(service, from: "east").localities.isEmpty)
    #expect(mesh.assign(service, from: "elsewhere").localities.isEmpty)
}

@Test(arguments: [1, 1_000_000]) func `a pod with a gateway's address keeps to its own priority under local-first`(
    _ weight: Int
) throws {
    let shared = address("10.1.0.1:8000")
    let east = pods("e", 2, network: 1, weight: weight)
    #expect(east[0].address == shared)
    let west = Cluster(
        name: "west", locality: Locality(region: "west"), gateways: [shared, address("172.16.0.1:15443")])
    let mesh = Mesh(
        clusters: [Cluster(name: "east", locality: Locality(region: "east")), west],
        pods: ["east": east, "west": pods("w", 5_000, network: 2, weight: weight)])
    let service = Service(
        name: "s", balance: .localFirst,
        weights: ["west": try #require(Ratio("1000000")), "east": try #require(Ratio("1000000"))])
    let assignment = mesh.assign(service, from: "east")
    let first = try #require(assignment.localities.first { $0.priority == 0 })
    #expect(Set(first.endpoints.map(\.weight)).count == 1, "\(first)")
    let second = assignment.localities.filter { $0.priority == 1 }.flatMap(\.endpoints)
    #expect(second.map(\.address.description) == ["172.16.0.1:15443"])
    let problem = assignment.shares.first { $0.cluster == "west" }?.problem
    #expect(problem?.contains("its gateway 10.1.0.1:8000 has the address of a pod of cluster east") == true)
}

@Test func `a gateway with the address of a pod that gets no traffic gets some`() {
    let shared = address("10.1.0.1:8000")
    var east = pods("e", 2, network: 1)
    east[0].health = .draining
    let west = Cluster(name: "west", locality: Locality(region: "west"), gateways: [shared])
    let mesh = Mesh(
        clusters: [Cluster(name: "east", locality: Locality(region: "east")), west],
        pods: ["east": east, "west": pods("w", 3, network: 2)])
    let endpoints = mesh.assign(Service(name: "s"), from: "east").localities.flatMap(\.endpoints)
    let gateway = endpoints.first { $0.address == .socket(shared) }
    #expect(gateway?.health == .healthy && gateway?.weight == 3)
}
