import AdminAPI
import Analysis
import Balancing
import ControlPlane
import Discovery
import Foundation
import History
import HTTPTypes
import Hummingbird
import Intent
import MeshConfiguration
import Model
import NIOCore
import Overrides
import Planning
import Serving
import Snapshots
import YAMLFile

// The paths that show and explain: overview, explain, series, history, checks, trim, whoami.

extension AdminServer {
    func whoami(_ context: AdminContext) throws -> Response {
        let roles = Caller.Role.allCases.filter { $0 <= context.caller.role }.map(\.rawValue)
        return try json(WhoAmIPage(name: context.caller.name, roles: roles))
    }

    func problem(_ context: AdminContext) throws -> Response {
        guard let type = ProblemType(rawValue: context.parameters.get("name") ?? "") else {
            throw RequestError("unknown", "there is no such kind of problem", .notFound)
        }
        return Response(
            status: .ok, headers: [.contentType: "text/plain; charset=utf-8"],
            body: ResponseBody(byteBuffer: ByteBuffer(string: "\(type.rawValue)\n\(type.meaning)\n")))
    }

    // MARK: History

    func history(_ request: Request, _ context: AdminContext? = nil) async throws -> HistoryPage {
        let parameters = request.uri.queryParameters
        let service = try context.map { try serviceName($0).rawValue } ?? parameters["service"].map(String.init)
        let limit = context == nil ? try Self.limit(request, most: 1_000) : 100
        let before = try parameters["continue"].map { text in
            guard let number = UInt64(text) else {
                throw RequestError("invalid", "`continue` should be what the last page said", .badRequest)
            }
            return number
        }
        let since = try Self.time(request, context == nil ? "since" : "from")
        let entries = await controlPlane.logBook.entries(
            of: service, since: since, before: before, limit: limit + 1)
        return HistoryPage(
            entries: entries.prefix(limit).map(HistoryPage.Entry.init),
            continue: entries.count > limit ? "\(entries[limit - 1].number)" : nil)
    }

    func history(_ request: Request) async throws -> Response { try json(try await history(request, nil)) }

    /// A parameter that is a time.
    static func time(_ request: Request, _ name: String) throws -> Date? {
        guard let text = request.uri.queryParameters[name[...]].map(String.init) else { return nil }
        guard let date = ISOTime.parse(text) else {
            throw RequestError("invalid", "`\(name)` should be a time such as 2026-11-25T14:00:00Z", .badRequest)
        }
        return date
    }

    /// A parameter that is a decimal number; Swift's own parser also takes `0x10` and `inf`.
    static func number(_ request: Request, _ name: String) throws -> Double? {
        guard let text = request.uri.queryParameters[name[...]] else { return nil }
        guard text.wholeMatch(of: /[0-9]{1,15}(\.[0-9]{1,15})?/) != nil, let number = Double(text) else {
            throw RequestError("invalid", "`\(name)` should be a number", .badRequest)
        }
        return number
    }

    func series(
        _ request: Request, _ context: AdminContext, _ history: HistoryPage
    ) async throws -> Response {
        let name = try serviceName(context)
        guard await controlPlane.snapshotBuilder().names.contains(name) else {
            throw RequestError("unknown", "there is no service \(name)", .notFound)
        }
        let from = try Self.time(request, "from") ?? Date(timeIntervalSince1970: 0)
        let step = try Self.number(request, "step") ?? LoadHistory.interval
        guard (LoadHistory.interval...3_600).contains(step) else {
            throw RequestError("invalid", "`step` should be 10 to 3600 seconds", .badRequest)
        }
        let points = controlPlane.history.points(of: name).filter { $0.time >= from }
        let size = max(1, Int((step / LoadHistory.interval).rounded()))
        let groups = stride(from: 0, to: points.count, by: size).map {
            Array(points[$0..<min($0 + size, points.count)])
        }
        return try json(
            SeriesPage(
                service: name.rawValue, step: Double(size) * LoadHistory.interval,
                points: groups.map(SeriesPage.Point.init), events: history.entries))
    }

    // MARK: Explain

    func explain(_ request: Request, _ context: AdminContext) async throws -> Response {
        let name = try serviceName(context)
        let parameters = request.uri.queryParameters
        let status = await controlPlane.status
        let view = try view(request, status)
        let cluster = parameters["cluster"].map { ClusterName(rawValue: String($0)) }
        let pod = parameters["pod"].map(String.init)
        if pod != nil, cluster == nil { throw RequestError("invalid", "`pod` needs `cluster`", .badRequest) }
        if let time = try Self.time(request, "at") {
            return try json(try await explain(name, view, cluster, pod, at: time))
        }
        let builder = await controlPlane.snapshotBuilder()
        let now = Date()
        let tunings = Tunings(controlPlane.overrides.book, at: now)
        guard let assignment = builder.assignment(of: name, for: view, with: tunings) else {
            throw RequestError("unknown", "there is no service \(name), or no cluster \(view.cluster)", .notFound)
        }
        let explanations: [Explanation] =
            if let cluster { [assignment.explanation(of: cluster, pod: pod)].compactMap(\.self) } else {
                assignment.shares.compactMap { assignment.explanation(of: $0.cluster) }
            }
        guard !explanations.isEmpty else {
            throw RequestError("unknown", "\(name) has no such cluster or pod", .notFound)
        }
        let load = status.observed[view]?[name]
        let origins = Origins(status, name, await controlPlane.origins(of: name))
        return try json(
            ExplainPage(
                service: name.rawValue, view: view.cluster.rawValue, audience: view.kind.rawValue,
                rps: load?.rate(of: .service),
                clusters: explanations.map { ExplainPage.Part($0, assignment, load, origins) },
                client: assignment.client(of: cluster, pod),
                overrides: controlPlane.overrides.book.current(of: name, at: now).map(
                    await overrideConditions(at: now).page)))
    }

    /// What was served at an earlier time, from the log book.
    private func explain(
        _ name: ServiceName, _ view: ClientView, _ cluster: ClusterName?, _ pod: String?, at time: Date
    ) async throws -> ExplainPage {
        guard view.cluster == (await controlPlane.status).ownCluster else {
            throw RequestError(
                "invalid", "the log book has what clients of this Ballast's own cluster were served", .badRequest)
        }
        guard let entry = await controlPlane.logBook.served(of: name.rawValue, at: time), let clusters = entry.clusters
        else { throw RequestError("unknown", "the log book doesn't know what was served of \(name) then", .notFound) }
        let parts = clusters.filter { cluster == nil || $0.cluster == cluster?.rawValue }.compactMap { part in
            ExplainPage.Part(part, pod: pod)
        }
        guard !parts.isEmpty else { throw RequestError("unknown", "\(name) had no such cluster or pod", .notFound) }
        return ExplainPage(
            service: name.rawValue, view: view.cluster.rawValue, audience: view.kind.rawValue, at: time,
            since: entry.time, causes: entry.causes, clusters: parts,
            overrides: Self.overrides(controlPlane.overrides.book, of: name, at: time))
    }

    /// The overrides that were not ended then, as they were: later transitions did not exist.
    private static func overrides(_ book: OverrideBook, of name: ServiceName, at time: Date) -> [OverridePage] {
        book.all.filter { $0.createdAt <= time && [name.rawValue, "*"].contains($0.spec.service) }.map { override in
            var then = override
            then.transitions.removeAll { $0.at > time }
            return OverridePage(then, at: time)
        }.filter { $0.phase != .ended }
    }

    // MARK: Trim

    func trim(_ context: AdminContext) async throws -> Response {
        let name = try serviceName(context)
        let premises = await controlPlane.premises(of: name)
        guard premises.builder.service(name) != nil else {
            throw RequestError("unknown", "there is no service \(name)", .notFound)
        }
        return try json(Trim(premises, name).page)
    }

    // MARK: Configurations

    /// The largest number of services times the square of the number of clusters, unless more is in force.
    private static let maxConfigurationWork = 500_000

    func planConfiguration(_ request: Request) async throws -> Response {
        let data = try await bytes(of: request, type: "application/yaml", most: 4 << 20)
        return try await plans.run { try await planConfiguration(data) }
    }

    private func planConfiguration(_ data: Data) async throws -> Response {
        let configuration: Configuration
        do throws(ConfigurationError) {
            configuration = try Configuration(text: String(decoding: data, as: UTF8.self), file: "configuration")
        } catch {
            throw RequestError("invalid", "\(error)", .unprocessableContent)
        }
        let work = { (mesh: MeshIntent?) in
            (mesh?.clusters.count ?? 0) * (mesh?.clusters.count ?? 0) * (mesh?.services.count ?? 0)
        }
        let inForce = work(await controlPlane.snapshotBuilder().currentIntent)
        guard work(configuration.mesh) <= max(Self.maxConfigurationWork, 2 * inForce) else {
            throw RequestError(
                "invalid", "the configuration has too many clusters and services to be planned while traffic is served",
                .unprocessableContent)
        }
        let status = await controlPlane.status
        let clients = await controlPlane.clients().count { $0.sync != nil }
        let builder = await controlPlane.snapshotBuilder()
        let pending = controlPlane.pendingFields(of: configuration)
        return try json(
            ConfigurationPlan(builder, Tunings(controlPlane.overrides.book, at: Date()), status.ownCluster)
                .page(configuration.mesh, pending: pending, clients: clients))
    }
}

extension HistoryPage.Entry {
    init(_ entry: LogEntry) {
        self.init(
            number: entry.number, time: entry.time, kind: entry.kind.rawValue, service: entry.service, says: entry.says,
            causes: entry.causes)
    }
}

extension SeriesPage.Point {
    /// The sums of intervals.
    fileprivate init(_ points: [LoadHistory.Point]) {
        var (service, clusters) = (SeriesPage.Numbers(requests: 0, errors: 0), [String: SeriesPage.Numbers]())
        for point in points {
            service.add(point.service)
            for (name, numbers) in point.clusters {
                clusters[name.rawValue, default: SeriesPage.Numbers(requests: 0, errors: 0)].add(numbers)
            }
        }
        let total = clusters.values.reduce(0.0) { $0 + Double($1.requests) }
        self.init(
            time: points.last?.time ?? Date(timeIntervalSince1970: 0),
            intended: Dictionary(
                uniqueKeysWithValues: (points.last?.intended ?? [:]).map { ($0.key.rawValue, $0.value) }),
            observed: total > 0 ? clusters.mapValues { Double($0.requests) / total } : [:], service: service,
            clusters: clusters)
    }
}

extension SeriesPage.Numbers {
    fileprivate mutating func add(_ other: LoadHistory.Numbers) {
        if let latency = other.latency {
            let (all, more) = (Double(requests), Double(other.issued))
            let old = latencyMilliseconds ?? latency * 1_000
            latencyMilliseconds = all + more > 0 ? (old * all + latency * 1_000 * more) / (all + more) : nil
        }
        requests &+= other.issued
        errors &+= other.errors
    }
}

extension ObservedLoad {
    /// Requests per second to a target; nil without reports.
    func rate(of target: ObservedTarget) -> Double? {
        let seconds = window / .seconds(1)
        guard seconds > 0, let tally = targets[target] else { return nil }
        return (Double(tally.issued) / seconds * 10).rounded() / 10
    }

    /// The part of the requests to a target that failed; nil without requests.
    func errorRate(of target: ObservedTarget) -> Double? {
        targets[target].flatMap { $0.ended > 0 ? Double($0.errors) / Double($0.ended) : nil }
    }
}

/// Where pods and weights of a service are written.
private struct Origins {
    private let weights: [ClusterName: FieldOrigin]
    private let pods: [ClusterName: [String: PodOrigin]]
    private let sources: [SourceStatus]

    init(_ status: Status, _ service: ServiceName, _ pods: [ClusterName: [String: PodOrigin]]) {
        weights = status.configuration.weightOrigins[service] ?? [:]
        self.pods = pods
        sources = status.sources
    }

    func origin(of kind: Explanation.Layer.Kind, _ cluster: ClusterName, _ pod: String?) -> String? {
        switch kind {
        case .configuration: return weights[cluster]?.description
        case .source:
            guard let pod, let origin = pods[cluster]?[pod] else {
                return sources.first { $0.cluster == cluster }?.description
            }
            return [origin.object, origin.line.map { ":\($0)" } ?? origin.version.map { " at \($0)" }].compactMap(
                \.self
            )
            .joined()
        case .multipliers, .shares, .drains, .limits, .view: return nil
        }
    }
}

extension ExplainPage.Part {
    fileprivate init(_ found: Explanation, _ assignment: Assignment, _ load: ObservedLoad?, _ origins: Origins) {
        let target: ObservedTarget = found.pod.map { .pod(found.cluster, $0) } ?? .cluster(found.cluster)
        let pods = found.pod == nil ? assignment.shares.first { $0.cluster == found.cluster }?.pods.prefix(100) : nil
        self.init(
            cluster: found.cluster.rawValue, pod: found.pod, share: found.share,
            observed: load?.targets[target] == nil ? nil : load?.share(of: target),
            layers: found.layers.map { layer in
                ExplainPage.Layer(
                    layer: layer.kind.rawValue, name: "\(layer.kind)", effect: layer.effect,
                    origin: origins.origin(of: layer.kind, found.cluster, found.pod) ?? layer.origin)
            },
            pods: pods.map { Dictionary($0.map { ($0.name, $0.share) }, uniquingKeysWith: { first, _ in first }) })
    }

    /// Nil if there was no such pod.
    fileprivate init?(_ part: LogEntry.Cluster, pod: String?) {
        let layers = part.layers.map {
            ExplainPage.Layer(layer: $0.layer, name: $0.name, effect: $0.effect, origin: $0.origin)
        }
        guard let pod else {
            self.init(cluster: part.cluster, share: part.share, layers: layers, pods: part.pods)
            return
        }
        guard let share = part.pods[pod] else { return nil }
        self.init(cluster: part.cluster, pod: pod, share: share, layers: layers)
    }
}

extension Assignment {
    /// What an Envoy makes of it, in words.
    fileprivate func client(of cluster: ClusterName?, _ pod: String?) -> String {
        let load = EnvoyLoad(localities)
        let origins = origins
        let parts = load.parts.filter { address, _ in
            guard let origin = origins[address] else { return false }
            return (cluster == nil || origin.cluster == cluster)
                && (pod == nil || origin.pod == pod || origin.pod == nil)
        }
        let percent = decimal(parts.values.reduce(0, +) * 100)
        let priorities = load.priorities.sorted { $0.key < $1.key }.map { "priority \($0.key) \($0.value) %" }
        let panic = load.panics.isEmpty ? "no panic" : "panic"
        let whole = cluster == nil || pod != nil && parts.keys.contains { origins[$0]?.pod == nil }
        return
            "\(whole ? "an Envoy: " : "an Envoy sends it \(percent) %: ")\(priorities.joined(separator: ", ")), \(panic)"
    }
}
