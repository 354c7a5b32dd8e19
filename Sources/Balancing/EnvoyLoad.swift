import Model

/// The part of the requests that an Envoy sends to each endpoint, by Envoy's own arithmetic.
///
/// Envoy knows of failed endpoints by its health checks or outlier detection before Ballast does. The rules are those of
/// ROUND_ROBIN with locality weights, and were measured with Envoy 1.36 and 1.40: `EnvoyLoadTests` has the counts.
public struct EnvoyLoad: Hashable, Sendable {
    /// How an Envoy cluster is configured.
    public struct Settings: Hashable, Sendable {
        /// `healthy_panic_threshold` in percent: Envoy's default is 50, and Envoy clusters from Ballast have 0.
        public var panicThreshold: Int
        /// `overprovisioning_factor` in percent.
        public var overprovisioning: Int
        /// Whether `locality_weighted_lb_config` is set.
        public var usesLocalityWeights: Bool

        /// Creates settings; by default those of Envoy clusters from Ballast.
        public init(panicThreshold: Int = 0, overprovisioning: Int = 140, usesLocalityWeights: Bool = true) {
            self.panicThreshold = panicThreshold
            self.overprovisioning = overprovisioning
            self.usesLocalityWeights = usesLocalityWeights
        }
    }

    /// The part of the requests for each endpoint, 0 to 1; computed on demand.
    ///
    /// Their sum is 0 if all requests fail.
    public var parts: [Assignment.Endpoint.Address: Double] {
        var parts: [Assignment.Endpoint.Address: Double] = [:]
        for level in levels {
            let load = Double(priorities[level.priority] ?? 0) / 100
            guard load > 0 else { continue }
            level.divide(load, inPanic: panics.contains(level.priority), into: &parts)
        }
        return parts
    }
    private let levels: [Level]
    /// The priorities that are in panic: their requests go to all endpoints, healthy or not.
    public private(set) var panics: [UInt32] = []
    /// The percentage of the requests that each priority gets.
    public private(set) var priorities: [UInt32: Int] = [:]

    /// Computes the parts.
    ///
    /// - Parameter failed: endpoints that are down as Envoy knows, whatever their health here.
    public init(
        _ localities: [Assignment.LocalityEndpoints], failed: Set<Assignment.Endpoint.Address> = [],
        settings: Settings = Settings()
    ) {
        levels = Dictionary(grouping: localities, by: \.priority).sorted { $0.key < $1.key }.map {
            Level(priority: $0.key, localities: $0.value, failed: failed, settings: settings)
        }
        let normal = min(100, levels.reduce(0) { $0 + $1.health })
        panics = levels.filter { $0.panics(normal) }.map(\.priority)
        var left = 100
        let totalHosts = levels.reduce(0) { $0 + $1.hosts }
        if panics.count == levels.count, totalHosts > 0 {
            for level in levels { priorities[level.priority] = 100 * level.hosts / totalHosts }
            left -= priorities.values.reduce(0, +)
        } else {
            for level in levels where normal > 0 {
                let load = min(left, level.health * 100 / normal)
                priorities[level.priority] = load
                left -= load
            }
        }
        if left > 0, let first = levels.first(where: { $0.health > 0 || panics.contains($0.priority) }) {
            priorities[first.priority, default: 0] += left
        }
    }

    /// The hosts of one priority.
    private struct Level: Hashable, Sendable {
        var priority: UInt32
        var localities: [Assignment.LocalityEndpoints]
        var failed: Set<Assignment.Endpoint.Address>
        var settings: Settings
        /// All hosts, and without draining ones.
        var hosts = 0
        var count = 0
        var healthy = 0

        init(
            priority: UInt32, localities: [Assignment.LocalityEndpoints], failed: Set<Assignment.Endpoint.Address>,
            settings: Settings
        ) {
            self.priority = priority
            self.localities = localities
            self.failed = failed
            self.settings = settings
            for endpoint in localities.lazy.flatMap(\.endpoints) {
                hosts += 1
                if endpoint.health != .draining { count += 1 }
                if isUp(endpoint) { healthy += 1 }
            }
        }

        var health: Int { count > 0 ? min(100, settings.overprovisioning * healthy / count) : 0 }

        func panics(_ normal: Int) -> Bool {
            guard normal < 100, hosts > 0 else { return false }
            // With draining hosts only, Envoy counts 0 % healthy.
            return (count > 0 ? 100 * healthy / count : 0) < settings.panicThreshold
        }

        func isUp(_ endpoint: Assignment.Endpoint) -> Bool {
            endpoint.health == .healthy && !failed.contains(endpoint.address)
        }

        /// Divides a part of the requests among the hosts.
        func divide(_ load: Double, inPanic: Bool, into parts: inout [Assignment.Endpoint.Address: Double]) {
            if inPanic || !settings.usesLocalityWeights {
                return divide(load, among: localities.flatMap(\.endpoints), inPanic: inPanic, into: &parts)
            }
            let weights = localities.map(effectiveWeight)
            let total = weights.reduce(0, +)
            guard total > 0 else { return }
            for (locality, weight) in zip(localities, weights) where weight > 0 {
                divide(load * weight / total, among: locality.endpoints, inPanic: false, into: &parts)
            }
        }

        /// A locality's weight times its availability.
        private func effectiveWeight(_ locality: Assignment.LocalityEndpoints) -> Double {
            let count = locality.endpoints.count { $0.health != .draining }
            guard let weight = locality.weight, count > 0 else { return 0 }
            let available = Double(settings.overprovisioning) / 100 * Double(locality.endpoints.count(where: isUp))
            return Double(weight) * min(1, available / Double(count))
        }

        private func divide(
            _ load: Double, among endpoints: [Assignment.Endpoint], inPanic: Bool,
            into parts: inout [Assignment.Endpoint.Address: Double]
        ) {
            let chosen = inPanic ? endpoints : endpoints.filter(isUp)
            let total = chosen.reduce(0) { $0 + Double($1.weight) }
            for endpoint in chosen { parts[endpoint.address, default: 0] += load * Double(endpoint.weight) / total }
        }
    }
}
