import Balancing
import Model
import Testing
import TestSupport

/// A mesh of one to six clusters, with gateways, zones, weights, multipliers and healths of all kinds.
private struct RandomMesh {
    var mesh: Mesh
    var service: Service
    var client: ClusterName

    /// - Parameter collides: whether pods, and gateways, of several clusters have the same addresses, and clusters share
    ///   networks.
    init(seed: UInt64, collides: Bool = false) {
        var random = SeededGenerator(seed: seed)
        let count = Int.random(in: 1...6, using: &random)
        var clusters: [Cluster] = []
        var pods: [ClusterName: [Pod]] = [:]
        service = Service(name: "s", balance: Bool.random(using: &random) ? .global : .localFirst)
        for number in 0..<count {
            let name = ClusterName(rawValue: "c\(number)")
            let gateways = (0..<Int.random(in: 0...4, using: &random)).map {
                collides
                    ? address("10.0.0.\(Int.random(in: 0..<20, using: &random)):80")
                    : address("172.16.\(number).\($0):15443")
            }
            let lanes = LaneSettings(
                perPod: Int.random(in: 1...5, using: &random), most: Int.random(in: 1...20, using: &random))
            let reach = [Reach.gateway(refresh: false), .lanes(lanes), .pods(sni: .standard), .connect].randomElement(
                using: &random)
            clusters.append(
                Cluster(
                    name: name, network: collides ? "n\(number % 2)" : nil,
                    locality: Locality(region: collides ? "r\(number % 3)" : name.rawValue), gateways: gateways,
                    reach: reach ?? .gateway(refresh: false)))
            pods[name] = (0..<Int.random(in: 0...30, using: &random)).map { pod in
                Pod(
                    name: "\(name)-\(pod)",
                    address: address(
                        collides
                            ? "10.0.0.\(Int.random(in: 0..<20, using: &random)):80" : "10.\(number).0.\(pod):80"),
                    weight: Weight(
                        Int.random(in: 1...([1, 10, 1_000_000].randomElement(using: &random) ?? 1), using: &random))
                        ?? .one,
                    zone: [nil, "a", "b"].randomElement(using: &random) ?? nil,
                    health: Pod.Health.allCases.randomElement(using: &random) ?? .healthy
                )
            }
            let ratio = ["1", "0.5", "1.25", "0.333333", "1000000", "0.000001", "0"].randomElement(using: &random)
            if let ratio, Bool.random(using: &random) { service.weights[name] = Ratio(ratio) }
        }
        mesh = Mesh(clusters: clusters, pods: pods)
        client = clusters.randomElement(using: &random)?.name ?? "c0"
    }

    var assignment: Assignment { mesh.assign(service, from: client) }
}

private let seeds = (0..<400).map { UInt64($0) }

@Test func `shares are within a ten-thousandth of the ideal ones`() {
    for seed in seeds {
        let random = RandomMesh(seed: seed)
        let assignment = random.assignment
        // The ideal, in floating point: pod weight times multiplier, over the pods that take traffic at priority 0.
        guard let first = assignment.shares.compactMap(\.priority).min() else {
            #expect(assignment.shares.allSatisfy { $0.share == 0 }, "seed \(seed)")
            continue
        }
        let shares = assignment.shares.filter { $0.priority == first }
        var ideal: [String: Double] = [:]
        for share in shares {
            var multiplier = random.service.weights[share.cluster] ?? .one
            let pods = random.mesh.pods[share.cluster] ?? []
            let anyHealthy = random.mesh.pods.values.joined().contains { $0.health == .healthy }
            let drainsZero = random.mesh.pods.contains { cluster, pods in
                random.service.weights[cluster]?.numerator != 0 && pods.contains { $0.health == .healthy }
            }
            if multiplier.numerator == 0, !drainsZero { multiplier = .one }
            for pod in pods where pod.health == (anyHealthy ? .healthy : .unhealthy) {
                ideal[pod.name] =
                    Double(pod.weight.value) * Double(multiplier.numerator) / Double(multiplier.denominator)
            }
        }
        let total = ideal.values.reduce(0, +)
        for share in shares {
            for pod in share.pods {
                #expect(
                    abs(pod.share - (ideal[pod.name] ?? 0) / total) < 1e-4,
                    "seed \(seed), \(pod.name), \(random.service) \(share.reason) \(random.client)"
                )
            }
            // What is sent for the cluster is what its pods add up to.
            let sent = assignment.localities.filter {
                $0.priority == first && $0.locality.region == share.cluster.rawValue
            }
            let all = assignment.localities.filter { $0.priority == first }.reduce(0.0) { $0 + Double($1.weight ?? 0) }
            let part = sent.reduce(0.0) { $0 + Double($1.weight ?? 0) } / all
            #expect(abs(part - share.share) < 1e-4, "seed \(seed), \(share.cluster)")
        }
    }
}

@Test(arguments: [false, true]) func `what is sent is what clients take`(collides: Bool) {
    for seed in seeds {
        let localities = RandomMesh(seed: seed, collides: collides).assignment.localities
        let endpoints = localities.flatMap(\.endpoints)
        #expect(Set(endpoints.map(\.address)).count == endpoints.count, "seed \(seed): an address twice")
        #expect(endpoints.allSatisfy { $0.weight > 0 }, "seed \(seed): weight 0")
        #expect(localities.allSatisfy { $0.weight != 0 && !$0.endpoints.isEmpty }, "seed \(seed): an empty locality")
        let priorities = Set(localities.map(\.priority)).sorted()
        #expect(priorities == Array(0..<UInt32(priorities.count)), "seed \(seed): a gap in the priorities")
        for priority in priorities {
            let entries = localities.filter { $0.priority == priority }
            #expect(Set(entries.map(\.locality)).count == entries.count, "seed \(seed): a locality twice")
            #expect(
                entries.reduce(0) { $0 + UInt64($1.weight ?? 0) } <= UInt64(UInt32.max), "seed \(seed): too much weight"
            )
            for entry in entries {
                let active = entry.endpoints.filter { $0.health == .healthy }
                if !active.isEmpty {
                    #expect(
                        active.reduce(0) { $0 + UInt64($1.weight) } == UInt64(entry.weight ?? 0),
                        "seed \(seed): sums differ")
                }
            }
        }
    }
}

@Test(arguments: [false, true]) func `the order of input changes nothing`(collides: Bool) {
    for seed in seeds {
        let random = RandomMesh(seed: seed, collides: collides)
        var generator = SeededGenerator(seed: seed &+ 1)
        var shuffled = random.mesh
        shuffled.clusters.shuffle(using: &generator)
        for index in shuffled.clusters.indices { shuffled.clusters[index].gateways.shuffle(using: &generator) }
        for cluster in shuffled.pods.keys { shuffled.pods[cluster]?.shuffle(using: &generator) }
        #expect(shuffled.assign(random.service, from: random.client) == random.assignment, "seed \(seed)")
    }
}

/// Of several pods with one address, the first by cluster and name is served; the others are a problem and have no share.
///
/// A gateway's address may stand for several clusters.
@Test func `pods with an address that is taken have no share, and the shares still add up`() {
    for seed in seeds {
        let assignment = RandomMesh(seed: seed, collides: true).assignment
        let total = assignment.shares.reduce(0) { $0 + $1.share }
        #expect(total == 0 || abs(total - 1) < 1e-6, "seed \(seed): \(total)")
        for share in assignment.shares {
            let pods = share.pods.reduce(0) { $0 + $1.share }
            #expect(abs(pods - share.share) < 1e-6, "seed \(seed), \(share.cluster): \(pods) of \(share.share)")
        }
    }
}

@Test func `100,000 pods of the greatest weight still fit`() {
    let all = (0..<100_000).map { index in
        Pod(
            name: "p\(index)", address: address("10.\(index >> 16).\(index >> 8 & 255).\(index & 255):80"),
            weight: Weight(1_000_000) ?? .one
        )
    }
    let mesh = Mesh(clusters: [Cluster(name: "c")], pods: ["c": all])
    let assignment = mesh.assign(Service(name: "s", weights: ["c": Ratio("1000000") ?? .one]), from: "c")
    #expect(assignment.localities.count == 1)
    #expect(Set(assignment.localities[0].endpoints.map(\.weight)).count == 1)
}
