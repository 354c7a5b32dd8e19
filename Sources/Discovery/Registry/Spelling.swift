public import Intent
public import Model

/// Finds services without pods, and pods of services that are not listed.
///
/// Often both are one name in two spellings.
struct Spelling {
    /// The most problems reported of each kind.
    private static let most = 20

    private var services: Set<ServiceName> = []
    /// False if every service that a source delivers is served or exported.
    private var hasStrays = false
    /// Listed services without a pod in any cluster.
    private var empty: Set<ServiceName> = []
    /// Services that are not listed, and the clusters whose sources deliver them.
    private var strays: [ServiceName: [ClusterName]] = [:]

    /// The problems, one sentence each.
    private(set) var problems: Set<String> = []

    /// Checks services again.
    ///
    /// - Parameters:
    ///   - names: the services that changed; nil for all services and a new intent.
    ///   - clusters: the clusters in which a service has pods.
    ///   - all: the names of all services that have pods.
    mutating func update(
        _ names: Set<ServiceName>?, of intent: MeshIntent,
        clustersWith clusters: (ServiceName) -> [ClusterName],
        all: () -> Set<ServiceName>
    ) {
        let last = (empty, strays)
        if names == nil {
            services = Set(intent.services.map(\.service.name))
            hasStrays = intent.template == nil && intent.exports.isEmpty
            (empty, strays) = ([], [:])
        }
        for name in names ?? services.union(all()) {
            let found = clusters(name)
            if services.contains(name) {
                if found.isEmpty { empty.insert(name) } else { empty.remove(name) }
            } else if hasStrays {
                strays[name] = found.isEmpty ? nil : found.sorted()
            }
        }
        if names == nil || last != (empty, strays) { problems = describe() }
    }

    /// Checks all names at once.
    fileprivate init(_ intent: MeshIntent, _ pods: [ClusterName: [ServiceName: [Pod]]], _ isEverything: Bool) {
        let clusters = { (name: ServiceName) in pods.filter { !($0.value[name] ?? []).isEmpty }.map(\.key) }
        update(nil, of: intent, clustersWith: clusters) { Set(pods.values.flatMap(\.keys)) }
        if !isEverything { empty = [] }
        problems = describe()
    }

    init() {}

    private func describe() -> Set<String> {
        var problems: Set<String> = []
        for name in empty.sorted().prefix(Self.most) {
            let near = nearNames(to: name.rawValue, in: strays.keys.lazy.map(\.rawValue))
            let hint = near.first.map { near in
                let owners =
                    strays[ServiceName(rawValue: near)].map { $0.map(\.rawValue).joined(separator: ", ") } ?? ""
                return "; \(owners) has pods of \(near): is that it?"
            }
            problems.insert("\(name) has no pods in any cluster, so that requests to it fail\(hint ?? "")")
        }
        for (name, clusters) in strays.sorted(by: { $0.key < $1.key }).prefix(Self.most) {
            let near = nearNames(to: name.rawValue, in: services.lazy.map(\.rawValue))
            let hint = near.isEmpty ? "add it, or remove its pods" : "did you mean \(near.joined(separator: " or "))?"
            problems.insert(
                """
                \(clusters.map(\.rawValue).joined(separator: ", ")) has pods of \(name), which nobody is served: `services` \
                doesn't have it; \(hint)
                """)
        }
        let more = max(0, empty.count - Self.most) + max(0, strays.count - Self.most)
        if more > 0 { problems.insert("\(more) more services have no pods, or are not listed") }
        return problems
    }
}

extension MeshIntent {
    /// Services without pods, and pods of services that are not listed, one sentence each.
    ///
    /// - Parameters:
    ///   - pods: the known pods.
    ///   - isEverything: whether these are all pods; services without pods are reported only then.
    public func problems(ofNamesIn pods: [ClusterName: [ServiceName: [Pod]]], isEverything: Bool) -> Set<String> {
        Spelling(self, pods, isEverything).problems
    }
}
