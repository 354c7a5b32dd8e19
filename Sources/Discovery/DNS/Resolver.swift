import Intent
public import Logging
public import MeshConfiguration
import Model
import Pacing

/// Looks up the gateways' host names and repeats that for as long as the registry needs them.
public struct Resolver: Sendable {
    private let servers: NameServers
    private let logger: Logger
    private let tasks = KeyedTasks<String>()

    /// Creates a resolver without names.
    public init(_ settings: Configuration.DNS, logger: Logger) {
        servers = NameServers(settings: settings)
        self.logger = logger
    }

    /// Sets the names to look up; names that are not in the set are no longer looked up.
    public func replaceNames(with names: Set<String>) { tasks.replaceKeys(with: names) }

    /// Runs until the task is cancelled.
    public func run(for registry: Registry) async { await tasks.run { await follow($0, for: registry) } }

    private func follow(_ name: String, for registry: Registry) async {
        var last: [NameServers.RecordType: [IPAddress]] = [:]
        var backoff = Backoff(first: .seconds(1), longest: .seconds(30))
        while !Task.isCancelled {
            async let ipv4 = find(name, .a, unless: .ipv6)
            async let ipv6 = find(name, .aaaa, unless: .ipv4)
            let (answer, ttl) = Self.join([.a: await ipv4, .aaaa: await ipv6].compactMapValues(\.self), &last)
            guard !Task.isCancelled else { return }
            if await registry.receive(answer, for: name) { log(answer, of: name) }
            var pause = min(max(.seconds(Int(ttl)), servers.settings.shortest), servers.settings.longest)
            switch answer {
            case .addresses: backoff.reset()
            case .failure: pause = backoff.next()
            }
            // The random factor spreads the queries of replicas and names over time.
            try? await Task.sleep(for: pause * Double.random(in: 0.9...1.0))
        }
    }

    private func find(
        _ name: String, _ type: NameServers.RecordType, unless family: IPFamily
    ) async -> NameServers.Finding? {
        servers.settings.family == family ? nil : await servers.find(name, type)
    }

    /// Combines the results of the A and AAAA look-ups.
    ///
    /// If one of them failed and the other did not, the failed one contributes its last addresses.
    static func join(
        _ findings: [NameServers.RecordType: NameServers.Finding], _ last: inout [NameServers.RecordType: [IPAddress]]
    ) -> (answer: NameAnswer, ttl: UInt32) {
        var addresses: [IPAddress] = []
        var ttl = UInt32.max
        var problems: Set<String> = []
        var hasAnswer = false
        for type in NameServers.RecordType.allCases {
            switch findings[type] {
            case .addresses(let found, let seconds):
                addresses += found
                last[type] = found
                ttl = min(ttl, seconds)
                hasAnswer = hasAnswer || !found.isEmpty
            case .noSuchName: problems.insert("there is no such name")
            case .failure(let reason):
                problems.insert(reason)
                addresses += last[type] ?? []
                ttl = 0
            case nil: break
            }
        }
        guard hasAnswer else {
            let reason = problems.isEmpty ? "the name has no addresses" : problems.sorted().joined(separator: "; ")
            return (.failure(reason: reason), 0)
        }
        return (.addresses(addresses), ttl)
    }

    private func log(_ answer: NameAnswer, of name: String) {
        switch answer {
        case .addresses(let addresses):
            logger.info(
                "a gateway's name was looked up",
                metadata: ["name": "\(name)", "addresses": "\(addresses.map(\.description).joined(separator: ","))"])
        case .failure(let reason):
            logger.error(
                "a gateway's name can't be looked up; the last answer stays",
                metadata: ["name": "\(name)", "reason": "\(reason)"])
        }
    }
}
