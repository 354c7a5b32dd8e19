import Balancing
import Model
import Testing
import TestSupport

/// Clusters that may take a share of the traffic at most.
@Suite struct ShareCapTests {
    private func cluster(_ name: String, _ most: String?) -> Cluster {
        var cluster = Cluster(name: ClusterName(rawValue: name))
        cluster.maxShare = most.flatMap { Ratio($0) }
        return cluster
    }

    private func pods(_ cluster: Int, _ weights: [Int]) -> [Pod] {
        weights.enumerated().compactMap { index, weight in
            guard let address = SocketAddress("10.\(cluster).0.\(index + 1):80"), let weight = Weight(weight) else {
                return nil
            }
            return Pod(name: "p\(index)", address: address, weight: weight)
        }
    }

    /// The shares of clusters with such caps, and pods of such weights.
    private func shares(_ clusters: [(most: String?, weights: [Int])]) -> [Double] {
        let names = clusters.indices.map { "c\($0)" }
        var mesh = Mesh(clusters: zip(names, clusters).map { cluster($0, $1.most) }, pods: [:])
        for (index, entry) in clusters.enumerated() {
            mesh.pods[ClusterName(rawValue: names[index])] = pods(index, entry.weights)
        }
        return mesh.assign(Service(name: "s"), from: "c0").shares.map(\.share)
    }

    @Test func `a peer that claims a million times the weight gets its share and no more`() {
        let found = shares([(nil, [1, 1]), ("0.6", [1_000_000])])
        #expect(abs(found[0] - 0.4) < 1e-6 && abs(found[1] - 0.6) < 1e-6)
    }

    @Test func `one under its cap is left alone`() {
        let found = shares([(nil, [1, 1]), ("0.6", [1, 1])])
        #expect(found == [0.5, 0.5])
    }

    @Test func `a cluster with a cap gets everything if no other cluster has pods`() {
        #expect(shares([(nil, []), ("0.6", [3, 4])]) == [0, 1])
    }

    @Test func `two that are capped leave the rest to the third`() {
        let found = shares([(nil, [1]), ("0.3", [500]), ("0.2", [1_000])])
        for (share, expected) in zip(found, [0.5, 0.3, 0.2]) { #expect(abs(share - expected) < 1e-6) }
    }

    @Test func `the reason names the cap`() {
        var mesh = Mesh(clusters: [cluster("c0", nil), cluster("c1", "0.5")], pods: [:])
        mesh.pods = ["c0": pods(0, [1]), "c1": pods(1, [9])]
        let share = mesh.assign(Service(name: "s"), from: "c0").shares[1]
        #expect(share.reason.contains("held to 0.5 of the traffic (maxShare)"))
    }

    @Test func `for any weights, no cap is exceeded while other clusters have room`() {
        var random = SeededGenerator(seed: .random(in: 0...UInt64.max))
        for _ in 0..<2_000 {
            let clusters = (0..<Int.random(in: 2...5, using: &random)).map { _ in
                (
                    most: Bool.random(using: &random)
                        ? "0.\(Int.random(in: 10...90, using: &random))" : nil,
                    weights: (0..<Int.random(in: 0...6, using: &random)).map { _ in
                        [1, 7, 1_000, 1_000_000].randomElement(using: &random) ?? 1
                    }
                )
            }
            let found = shares(clusters)
            let active = clusters.filter { !$0.weights.isEmpty }
            #expect(active.isEmpty || abs(found.reduce(0, +) - 1) < 1e-6)
            guard active.contains(where: { $0.most == nil }) else { continue }
            for (share, entry) in zip(found, clusters) {
                if let most = entry.most.flatMap(Double.init) { #expect(share <= most + 1e-5, "seed \(random)") }
            }
        }
    }
}
