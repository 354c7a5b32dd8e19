import Balancing
import Model
import Testing
import TestSupport

/// Envoy's own arithmetic, against counts of 2,000 requests with Envoy 1.40.
@Suite struct EnvoyLoadTests {
    /// Hosts: `h` healthy, `u` unhealthy, `d` draining.
    private func locality(_ hosts: String, weight: UInt32? = nil, priority: UInt32 = 0, _ name: String)
        -> Assignment.LocalityEndpoints
    {
        let endpoints = hosts.enumerated().map { index, host in
            Assignment.Endpoint(
                address: .listener(name, id: "\(index)"), weight: 1,
                health: host == "h" ? .healthy : host == "d" ? .draining : .unhealthy)
        }
        return Assignment.LocalityEndpoints(
            locality: Locality(region: name), priority: priority, weight: weight ?? UInt32(max(1, hosts.count)),
            endpoints: endpoints)
    }

    private func parts(_ load: EnvoyLoad, _ name: String) -> Double {
        load.parts.reduce(0) { sum, entry in
            if case .listener(name, _) = entry.key { sum + entry.value } else { sum }
        }
    }

    @Test(arguments: [
        // Local hosts, remote hosts, the share of the local ones in percent, as measured.
        ("hu", "hhh", 71.0), ("huu", "hhh", 46.2), ("hhu", "hhh", 92.7), ("hd", "hhh", 100), ("hud", "hhh", 71),
        ("dd", "hhh", 0), ("ud", "hhh", 0), ("hh", "hhh", 100),
    ]) func `priorities spill as Envoy's do`(_ local: String, _ remote: String, _ measured: Double) {
        let load = EnvoyLoad([locality(local, "l"), locality(remote, priority: 1, "r")])
        // Priorities are drawn at random: 2,000 requests vary by a point.
        #expect(abs(parts(load, "l") * 100 - measured) < 1.5)
        #expect(abs(parts(load, "l") + parts(load, "r") - 1) < 1e-9 && load.panics.isEmpty)
    }

    @Test(
        arguments: [
            ("hu", 2, "hhh", 3, 31.9), ("huu", 3, "hhh", 3, 31.9), ("hud", 3, "hhh", 3, 41.1), ("hd", 2, "hhh", 3, 40),
            ("uu", 2, "hhh", 3, 0),
        ] as [(String, UInt32, String, UInt32, Double)])
    func `a locality's weight counts by its availability`(
        _ left: String, _ leftWeight: UInt32, _ right: String, _ rightWeight: UInt32, _ measured: Double
    ) {
        let load = EnvoyLoad([locality(left, weight: leftWeight, "l"), locality(right, weight: rightWeight, "r")])
        #expect(abs(parts(load, "l") * 100 - measured) < 0.1)
    }

    @Test(arguments: [
        // In panic draining hosts get traffic as well, and locality weights don't count.
        ("hu", "huu", 50, 40.0, true), ("hud", "huu", 50, 50, true), ("dd", "", 50, 100, true),
        ("h", "u", 50, 100, false),
        ("hu", "ddd", 50, 100, false), ("hu", "huu", 0, 40, false),
    ]) func `panic is as Envoy's`(_ left: String, _ right: String, _ threshold: Int, _ share: Double, _ panics: Bool) {
        let localities = [locality(left, "l")] + (right.isEmpty ? [] : [locality(right, "r")])
        let load = EnvoyLoad(localities, settings: EnvoyLoad.Settings(panicThreshold: threshold))
        #expect(load.panics.isEmpty != panics)
        if threshold > 0 { #expect(abs(parts(load, "l") * 100 - share) < 0.1) }
    }

    @Test func `if all priorities panic, the number of hosts decides`() {
        let load = EnvoyLoad(
            [locality("huuu", "l"), locality("huuuuu", priority: 1, "r")],
            settings: EnvoyLoad.Settings(panicThreshold: 50))
        #expect(load.panics == [0, 1] && abs(parts(load, "l") - 0.4) < 0.01)
    }

    @Test func `endpoints that Envoy finds failed get nothing, and without any other all fails`() {
        let only = locality("h", "l")
        let failed = Set(only.endpoints.map(\.address))
        #expect(EnvoyLoad([only], failed: failed).parts.isEmpty)
        #expect(EnvoyLoad([]).parts.isEmpty)
    }
}
