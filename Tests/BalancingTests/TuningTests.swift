import Balancing
import Model
import Testing
import TestSupport

private let east = ClusterName("east")
private let west = ClusterName("west")

extension ClusterName {
    fileprivate init(_ name: String) { self.init(rawValue: name) }
}

private func pods(_ cluster: Int, _ count: Int, weight: Int = 1, health: Pod.Health = .healthy) -> [Pod] {
    (0..<count).map {
        Pod(
            name: "p\($0)", address: address("10.\(cluster).\($0 / 250).\($0 % 250 + 1):80"),
            weight: Weight(weight) ?? .one, health: health)
    }
}

private func mesh(east: [Pod], west: [Pod], reach: Reach = .pods(sni: .standard)) -> Mesh {
    Mesh(
        clusters: [
            Cluster(name: "east", locality: Locality(region: "east")),
            Cluster(
                name: "west", locality: Locality(region: "west"), gateways: [address("10.9.0.1:15443")], reach: reach),
        ], pods: ["east": east, "west": west])
}

private func shares(_ assignment: Assignment) -> [Double] { assignment.shares.map(\.share) }

private func tuning(_ change: (inout Tuning) -> Void) -> Tuning {
    var tuning = Tuning()
    change(&tuning)
    return tuning
}

private func share(_ percent: [ClusterName: Double], level: Tuning.Fraction = .whole) -> Tuning {
    tuning { $0.shares = [Tuning.Shares(targets: percent.mapValues { UInt64($0 * 10_000) }, level: level)] }
}

/// What overrides do to one service's assignment.
@Suite struct TuningTests {
    private let service = Service(name: "s")

    @Test func `a share holds whatever the number of pods, in small weights`() {
        let assignment = mesh(east: pods(1, 2), west: pods(2, 3)).assign(service, from: east, tuning: share([west: 20]))
        #expect(shares(assignment) == [0.8, 0.2])
        #expect(Set(assignment.localities.flatMap(\.endpoints).map(\.weight)) == [6, 1])
    }

    @Test func `a ramp moves in steps from the share beneath`() {
        let mesh = mesh(east: pods(1, 2), west: pods(2, 3))
        for (step, expected) in [0.52, 0.44, 0.36, 0.28, 0.2].enumerated() {
            let found = mesh.assign(
                service, from: east, tuning: share([west: 20], level: Tuning.Fraction(UInt64(step + 1), of: 5)))
            #expect(abs(shares(found)[1] - expected) < 1e-6)
        }
    }

    @Test(arguments: [Reach.gateway(refresh: false), .pods(sni: .standard), .connect])
    func `a drained cluster stays known as draining`(_ reach: Reach) {
        let mesh = mesh(east: pods(1, 2), west: pods(2, 3), reach: reach)
        let drain = tuning { $0.drains = [Tuning.Drain(.pods(.cluster(west)))] }
        let before = mesh.assign(service, from: east)
        let after = mesh.assign(service, from: east, tuning: drain)
        #expect(shares(after) == [1, 0])
        #expect(
            Set(after.localities.flatMap(\.endpoints).map(\.address))
                == Set(before.localities.flatMap(\.endpoints).map(\.address)))
        let remote = after.localities.filter { $0.locality.region == "west" }
        #expect(
            remote.flatMap(\.endpoints).allSatisfy { $0.health == .draining } && remote.allSatisfy { $0.weight == nil })
        #expect(mesh.assign(service, from: east, tuning: share([west: 0])).localities == after.localities)
        let zero = Service(name: "s", weights: [west: Ratio("0") ?? .one])
        #expect(mesh.assign(zero, from: east).localities == after.localities)
    }

    @Test func `a zone has a share of its own, and the rest of its cluster shares what is left`() {
        var remote = pods(2, 4)
        for index in 0..<2 { remote[index].zone = "a" }
        let mesh = mesh(east: pods(1, 2), west: remote)
        let zone = Tuning.Part(west, zone: "a")
        let tuned = tuning { $0.shares = [Tuning.Shares(targets: [zone: 500_000])] }
        let assignment = mesh.assign(service, from: east, tuning: tuned)
        // East's two pods and west's other two share the other half.
        #expect(zip(shares(assignment), [0.25, 0.75]).allSatisfy { abs($0 - $1) < 1e-6 })
        let inZone = assignment.shares[1].pods.filter { $0.locality.zone == "a" }.map(\.share)
        #expect(inZone.allSatisfy { abs($0 - 0.25) < 1e-6 })
        let zero = mesh.assign(
            service, from: east, tuning: tuning { $0.shares = [Tuning.Shares(targets: [zone: 0])] })
        #expect(zip(shares(zero), [0.5, 0.5]).allSatisfy { abs($0 - $1) < 1e-6 })
        #expect(
            zero.localities.flatMap(\.endpoints).count { $0.health == .draining } == 2, "the zone's pods stay known")
        // A share of the whole cluster beneath keeps the proportions of its zones.
        let both = mesh.assign(
            service, from: east,
            tuning: tuning {
                $0.shares = [Tuning.Shares(targets: [zone: 300_000]), Tuning.Shares(targets: [west: 200_000])]
            })
        #expect(zip(shares(both), [0.8, 0.2]).allSatisfy { abs($0 - $1) < 1e-6 })
    }

    @Test func `a zone with 100 % drains the other pods, and never all of them`() {
        var remote = pods(2, 3)
        remote[0].zone = "a"
        remote[1].zone = "b"
        remote[2].zone = "b"
        let mesh = mesh(east: pods(1, 2), west: remote)
        let zone = Tuning.Part(west, zone: "b")
        let tuned = tuning { $0.shares = [Tuning.Shares(targets: [zone: 1_000_000])] }
        let assignment = mesh.assign(service, from: east, tuning: tuned)
        #expect(assignment.localities.flatMap(\.endpoints).contains { $0.health == .healthy })
        #expect(assignment.shares[1].pods.filter { $0.locality.zone == "b" }.allSatisfy { $0.weight > 0 })
        #expect(abs(shares(assignment).reduce(0, +) - 1) < 1e-9)
    }

    @Test func `a drained gateway gets nothing, unless it is the last one`() {
        var mesh = mesh(east: pods(1, 2), west: pods(2, 2), reach: .gateway(refresh: false))
        mesh.clusters[1].gateways.append(address("10.9.0.2:15443"))
        let drains = mesh.clusters[1].gateways.map { Tuning.Drain(.gateway(west, $0)) }
        let one = mesh.assign(service, from: east, tuning: tuning { $0.drains = [drains[0]] })
        #expect(shares(one) == [0.5, 0.5])
        let gateways = one.localities.filter { $0.locality.region == "west" }.flatMap(\.endpoints)
        #expect(gateways.map(\.health) == [.draining, .healthy])
        #expect(one.localities.filter { $0.locality.region == "west" }.map(\.weight) == [gateways[1].weight])
        let all = mesh.assign(service, from: east, tuning: tuning { $0.drains = drains })
        #expect(all.localities.flatMap(\.endpoints).allSatisfy { $0.health == .healthy })
    }

    @Test func `drains and zero shares give way when no other pod is healthy`() {
        let lone = mesh(east: [], west: pods(2, 3))
        for tuning in [tuning { $0.drains = [Tuning.Drain(.pods(.cluster(west)))] }, share([west: 0])] {
            let assignment = lone.assign(service, from: east, tuning: tuning)
            #expect(shares(assignment) == [0, 1])
        }
        let zero = Service(name: "s", weights: [west: Ratio("0") ?? .one])
        #expect(shares(lone.assign(zero, from: east)) == [0, 1])
        let sick = mesh(east: pods(1, 2, health: .unhealthy), west: pods(2, 1))
        let assignment = sick.assign(
            service, from: east, tuning: tuning { $0.drains = [Tuning.Drain(.pods(.cluster(west)))] })
        #expect(shares(assignment) == [0, 1])
        #expect(assignment.shares[1].reason.contains("not drained, since no other pod of the service is healthy"))
    }

    @Test func `a share gives way at its ceiling`() {
        let assignment = mesh(east: pods(1, 9), west: pods(2, 1)).assign(service, from: east, tuning: share([west: 90]))
        #expect(abs(shares(assignment)[1] - 0.3) < 1e-6)
        #expect(assignment.shares[1].reason.contains("share set to 90 % by an override, held to 30 % by its limit"))
    }

    @Test func `a cluster at 0 % gets nothing of what a limit leaves`() {
        var mesh = mesh(east: pods(1, 2), west: pods(2, 3))
        mesh.clusters.append(Cluster(name: "north", locality: Locality(region: "north")))
        mesh.pods["north"] = pods(3, 1)
        let assignment = mesh.assign(service, from: east, tuning: share([ClusterName("north"): 100, west: 0]))
        // By cluster name: east, north, west.
        #expect(zip(shares(assignment), [0.5, 0.5, 0]).allSatisfy { abs($0 - $1) < 1e-6 })
        #expect(assignment.shares[2].reason.contains("drained"))
    }

    @Test func `weights far apart, with multipliers, don't overflow`() {
        var hostile = pods(1, 5, weight: 1_000_000)
        hostile[4].weight = Weight(999_999) ?? .one
        var tuning = share([west: 20])
        tuning.multipliers = [97_330_002, 97_330_003, 97_330_007].map {
            Tuning.Multiplier(target: .cluster(east), millionths: $0)
        }
        for _ in 0..<3 { tuning.multipliers.append(Tuning.Multiplier(target: .cluster(west), millionths: 100_000_000)) }
        let assignment = mesh(east: hostile, west: pods(2, 300, weight: 1_000_000)).assign(
            service, from: east, tuning: tuning)
        #expect(abs(shares(assignment)[1] - 0.2) < 1e-4)
    }

    @Test func `a drain gives way if the other pods only have addresses of drained ones`() {
        var mesh = mesh(east: pods(1, 1), west: pods(1, 1))
        mesh.clusters[1].gateways = []
        let assignment = mesh.assign(
            service, from: east, tuning: tuning { $0.drains = [Tuning.Drain(.pods(.cluster(east)))] })
        #expect(shares(assignment) == [1, 0])
    }

    @Test func `shares of local-first services move traffic across priorities`() {
        let local = Service(name: "s", balance: .localFirst)
        let assignment = mesh(east: pods(1, 2), west: pods(2, 3)).assign(local, from: east, tuning: share([west: 30]))
        #expect(shares(assignment) == [0.7, 0.3])
        #expect(Set(assignment.localities.map(\.priority)) == [0])
    }

    @Test func `multipliers of clusters and pods compose`() {
        let factors = tuning {
            $0.multipliers = [
                Tuning.Multiplier(target: .cluster(west), millionths: 500_000),
                Tuning.Multiplier(target: .pod(west, "p0"), millionths: 2_000_000),
            ]
        }
        let assignment = mesh(east: pods(1, 2), west: pods(2, 2)).assign(service, from: east, tuning: factors)
        #expect(shares(assignment) == [2 / 3.5, 1.5 / 3.5])
        #expect(assignment.shares[1].pods[0].weight == 2 * assignment.shares[1].pods[1].weight)
    }

    @Test func `a drained pod and a drained zone get nothing`() {
        var all = pods(2, 3)
        all[1].zone = "a"
        all[2].zone = "b"
        let mesh = mesh(east: pods(1, 1), west: all)
        let assignment = mesh.assign(
            service, from: east,
            tuning: tuning {
                $0.drains = [Tuning.Drain(.pods(.pod(west, "p0"))), Tuning.Drain(.pods(.zone(west, "a")))]
            })
        #expect(assignment.shares[1].pods.map { $0.weight > 0 } == [false, false, true])
        #expect(shares(assignment) == [0.5, 0.5])
    }

    /// Random meshes and overrides, among them hostile weights.
    @Test func `shares add up, hold within 1 in 10,000, respect ceilings and never leave a service empty`() {
        var random = SeededGenerator(seed: .random(in: 0...UInt64.max))
        for _ in 0..<3_000 {
            var mesh = Mesh(clusters: [], pods: [:])
            var service = Service(name: "s", balance: Bool.random(using: &random) ? .global : .localFirst)
            let names = (0..<Int.random(in: 1...4, using: &random)).map { ClusterName(rawValue: "c\($0)") }
            for (number, name) in names.enumerated() {
                mesh.clusters.append(
                    Cluster(
                        name: name, locality: Locality(region: name.rawValue),
                        gateways: Bool.random(using: &random) ? [] : [address("10.99.\(number).1:1")],
                        reach: [.gateway(refresh: false), .pods(sni: .standard), .connect].randomElement(using: &random)
                            ?? .gateway(refresh: false)))
                let weight = [1, 1, 7, 999_999, 1_000_000].randomElement(using: &random) ?? 1
                mesh.pods[name] = pods(number + 1, Int.random(in: 0...6, using: &random), weight: weight).map { pod in
                    var pod = pod
                    pod.health = [.healthy, .healthy, .unhealthy, .draining].randomElement(using: &random) ?? .healthy
                    return pod
                }
                let ratios = ["1", "1", "0", "0.000001", "1000000", "0.333333"]
                service.weights[name] = ratios.randomElement(using: &random).flatMap { Ratio($0) }
            }
            var tuning = Tuning()
            var left: UInt64 = 1_000_000
            for _ in 0..<Int.random(in: 0...2, using: &random) {
                var targets: [ClusterName: UInt64] = [:]
                for name in names where Bool.random(using: &random) {
                    let part = UInt64.random(in: 0...left, using: &random)
                    targets[name] = part
                    left -= part
                }
                left = 1_000_000
                let level = Tuning.Fraction(UInt64.random(in: 0...5, using: &random), of: 5)
                if !targets.isEmpty { tuning.shares.append(Tuning.Shares(targets: targets, level: level)) }
            }
            for name in names where Int.random(in: 0...3, using: &random) == 0 {
                let target: Tuning.Target = Bool.random(using: &random) ? .cluster(name) : .pod(name, "p0")
                if Bool.random(using: &random) {
                    tuning.drains.append(Tuning.Drain(.pods(target)))
                } else {
                    tuning.multipliers.append(
                        Tuning.Multiplier(
                            target: target, millionths: [1, 10_000, 100_000_000].randomElement(using: &random) ?? 1))
                }
            }
            let client = names[0]
            let assignment = mesh.assign(service, from: client, tuning: tuning)
            let active = assignment.localities.flatMap(\.endpoints).filter { $0.health == .healthy }
            let canServe = mesh.clusters.contains { cluster in
                mesh.pods[cluster.name, default: []].contains { $0.health == .healthy }
            }
            let context = "\(mesh) \(service) \(tuning) \(assignment.shares)"
            #expect(active.isEmpty != canServe, "\(context)")
            guard canServe else { continue }
            #expect(abs(shares(assignment).reduce(0, +) - 1) < 1e-9, "\(context)")
            guard tuning.shares.count == 1, let set = tuning.shares.first, set.level == .whole else { continue }
            for share in assignment.shares {
                guard let target = set.targets[Tuning.Part(share.cluster)],
                    share.pods.contains(where: { $0.weight > 0 }),
                    !share.reason.contains("held to"), set.targets.values.reduce(0, +) <= 1_000_000,
                    assignment.shares.contains(where: { set.targets[Tuning.Part($0.cluster)] == nil && $0.share > 0 })
                else { continue }
                // One pod's weight may be raised to 1 in 2^32.
                #expect(abs(share.share - Double(target) / 1e6) < 1e-4, "\(share.cluster) \(context)")
            }
        }
    }
}
