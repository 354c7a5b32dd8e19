import Balancing
import Model
import Testing
import TestSupport

/// What pods shall weigh, as exact ratios to each other: numerators over one denominator.
private func wanted(_ pods: [(weight: Int, multiplier: Ratio)]) -> [UInt128] {
    let common = pods.reduce(UInt128(1)) {
        $0 * UInt128($1.multiplier.denominator) / gcd($0, UInt128($1.multiplier.denominator))
    }
    return pods.map {
        UInt128($0.weight) * UInt128($0.multiplier.numerator) * (common / UInt128($0.multiplier.denominator))
    }
}

private func gcd(_ left: UInt128, _ right: UInt128) -> UInt128 { right == 0 ? left : gcd(right, left % right) }

/// Two to four clusters of directly reachable pods, and what is sent of each pod.
private func weights(seed: UInt64) -> (wanted: [UInt128], sent: [UInt128], empty: Int) {
    var random = SeededGenerator(seed: seed)
    var mesh = Mesh(clusters: [], pods: [:])
    var service = Service(name: "s")
    var all: [(weight: Int, multiplier: Ratio, address: SocketAddress)] = []
    var empty = 0
    for number in 0..<Int.random(in: 2...4, using: &random) {
        let name = ClusterName(rawValue: "c\(number)")
        let text = ["1", "0.5", "3", "0.000001", "0.333333", "1000", "0.75"].randomElement(using: &random) ?? "1"
        let ratio = Ratio(text) ?? .one
        service.weights[name] = ratio
        mesh.clusters.append(Cluster(name: name, locality: Locality(region: name.rawValue)))
        let greatest = [1, 10, 1_000, 1_000_000].randomElement(using: &random) ?? 1
        let pods = (0..<Int.random(in: 0...5, using: &random)).map { index in
            Pod(
                name: "p\(index)", address: address("10.\(number).0.\(index + 1):80"),
                weight: Weight(Int.random(in: 1...greatest, using: &random)) ?? .one)
        }
        if pods.isEmpty { empty += 1 }
        mesh.pods[name] = pods
        all += pods.map { (Int($0.weight.value), ratio, $0.address) }
    }
    let sent = Dictionary(
        mesh.assign(service, from: "c0").localities.flatMap(\.endpoints).map { ($0.address, UInt128($0.weight)) }
    ) { first, _ in first }
    return (wanted(all.map { ($0.weight, $0.multiplier) }), all.map { sent[.socket($0.address)] ?? 0 }, empty)
}

@Test func `weights are exact wherever they fit into 32 bits, and else the nearest that do`() {
    var (exact, rounded, withEmpty) = (0, 0, 0)
    for seed in 0..<3_600 {
        let (wanted, sent, empty) = weights(seed: UInt64(seed))
        guard !wanted.isEmpty else { continue }
        let divisor = wanted.reduce(0, gcd)
        let smallest = wanted.map { $0 / divisor }
        let total = smallest.reduce(0, +)
        if total <= UInt128(UInt32.max) {
            let scale = sent[0] / smallest[0]
            #expect(scale > 0 && sent == smallest.map { $0 * scale }, "seed \(seed)")
            exact += 1
            if empty > 0 { withEmpty += 1 }
        } else {
            rounded += 1
            let room = sent.reduce(0, +)
            // Those that are raised to 1 take that much from the others.
            let raised = Double(sent.count { $0 == 1 })
            for (share, weight) in zip(sent, smallest) where share > 1 {
                let ideal = Double(weight) / Double(total) * Double(room)
                #expect(abs(Double(share) - ideal) < 2 + raised, "seed \(seed)")
            }
            #expect(room <= UInt128(UInt32.max), "seed \(seed)")
        }
    }
    #expect(exact > 1_000 && rounded > 100 && withEmpty > 100, "\(exact) \(rounded) \(withEmpty)")
}
