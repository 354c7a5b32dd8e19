import Balancing
import Discovery
import EnvoyAPI
import MeshConfiguration
import XDS

/// What another Ballast has told, and what that means: an importer's side of a delta stream, without the stream.
struct ImportedServices {
    /// A name that no service has.
    ///
    /// Asked for again and again, it is answered each time that there is no such resource: so the other's answers show
    /// that it is there, and the first that all before it has come.
    static let probe: ResourceName = "ballast:probe"

    /// The cluster that imports.
    let ownCluster: ClusterName
    private(set) var services: [ServiceName: (service: ExportedService, version: String)] = [:]
    /// Whether everything has come once.
    private var isSynced = false
    /// What came on this stream before everything had.
    private var changed: Set<ServiceName>? = []
    private var removed: Set<ServiceName> = []

    init(ownCluster: ClusterName) { self.ownCluster = ownCluster }

    /// The first request of a stream: whatever there is, but for what is known.
    mutating func subscription() -> DeltaRequest {
        (changed, removed) = (changed ?? [], [])
        let versions = services.map { (ResourceName(rawValue: $0.key.rawValue), $0.value.version) }
        return DeltaRequest(
            subscribe: ["*", Self.probe], initialVersions: Dictionary(versions, uniquingKeysWith: { first, _ in first })
        )
    }

    /// Takes a response.
    ///
    /// - Returns: what to report; nil where the other has not told everything yet.
    mutating func take(_ response: DecodedResponse) throws(ImportFailure) -> [SourceReport]? {
        guard response.type == TypeURL.exportedService.rawValue else {
            throw ImportFailure(description: "it sent resources of another type: \(response.type)")
        }
        var news: [(ExportedService, version: String)] = []
        for resource in response.resources {
            do throws(DecodingFailure) {
                news.append((try ExportedService(resource.content), resource.version))
            } catch {
                throw ImportFailure(description: "its resource \(resource.name) can't be used: \(error)")
            }
        }
        if let loop = news.first(where: { $0.0.cluster == ownCluster }) {
            throw ImportFailure(
                description: """
                    it exports \(loop.0.name) of a cluster named \(ownCluster), as this one is: a Ballast imports from \
                    other clusters only, and each needs a name of its own
                    """)
        }
        var touched = Set(news.map(\.0.name))
        for (service, version) in news { services[service.name] = (service, version) }
        let isAnswered = response.removed.contains(Self.probe.rawValue)
        let gone = Set(response.removed.filter { $0 != Self.probe.rawValue }.map(ServiceName.init(rawValue:)))
        for name in gone { services[name] = nil }
        removed = removed.union(gone).subtracting(touched)
        if let earlier = changed {
            changed = earlier.union(touched)
            guard isAnswered else { return nil }
            touched = earlier.union(touched)
            changed = nil
        }
        defer { (removed, isSynced) = ([], true) }
        return reports(touched.subtracting(removed))
    }

    /// A service that is there with fewer pods is the other's word, which has a guard of its own; one that is no longer
    /// exported proves nothing.
    private func reports(_ touched: Set<ServiceName>) -> [SourceReport] {
        var reports: [SourceReport] = []
        let pods = Dictionary(
            uniqueKeysWithValues: touched.compactMap { name in services[name].map { (name, $0.service.pods) } })
        if !pods.isEmpty { reports.append(.changes(pods, .vouched)) }
        if !isSynced {
            reports.append(.pods(services.mapValues(\.service.pods)))
        } else if !removed.isEmpty {
            reports.append(.changes(Dictionary(uniqueKeysWithValues: removed.map { ($0, []) }), .none))
        }
        if !isSynced || !pods.isEmpty {
            reports.append(.gateways(Set(services.values.flatMap(\.service.gateways)).sorted().map { .address($0) }))
        }
        return reports.isEmpty ? [.confirmed] : reports
    }
}

/// What another Ballast sent can't be taken.
struct ImportFailure: Error, CustomStringConvertible {
    var description: String
}
