import Events
import XDS
import History
import AdminAPI
import Balancing
import ControlPlane
import Discovery
import Foundation
import Hummingbird
import Model
import Overrides
import Serving
import Snapshots

// The first look, and Ballast's checks of itself.

extension AdminServer {
    /// Checks of how the mesh is built: they need no person today.
    private static let lasting: Set<CheckCode> = [.oneGateway]
    /// The most services on the page.
    private static let maxServices = 100

    func overview() async throws -> Response {
        let status = await controlPlane.status
        let clients = await controlPlane.clients()
        let builder = await controlPlane.snapshotBuilder()
        let (book, now) = (controlPlane.overrides.book, Date())
        let loads = ObservedLoad.total(status.observed)
        let checks = try await checkList(status, clients)
        let names = builder.names.sorted()
        let rates: [Double] = loads.values.compactMap { $0.rate(of: .service) }
        var errors = ErrorSum()
        for load in loads.values { errors.add(load) }
        var states: [String: Int] = [:]
        for state in clients.compactMap(\.sync) { states[state.rawValue, default: 0] += 1 }
        // Shares are intended for clients of this cluster, so those of others don't belong beside them.
        let own = ObservedLoad.total(status.observed, of: [builder.ownCluster])
        let services = await services(names.prefix(Self.maxServices), builder, book, own, at: now)
        let podless = services.filter { $0.clusters.allSatisfy { $0.intended == 0 } }.prefix(20).map(\.service)
        let conditions = OverrideConditions(
            book, builder, reported: Set(loads.keys), history: controlPlane.history, at: now)
        let overrides = book.current(at: now).reversed().prefix(100).map(conditions.page)
        let attention = checks.filter { $0.state != .ok && !Self.lasting.contains($0.code) }.prefix(20).map {
            "\($0.code.rawValue) \($0.says)"
        }
        let page = OverviewPage(
            version: version, ready: status.isReady, store: controlPlane.overrideStore, serviceCount: names.count,
            podless: podless, rps: loads.isEmpty ? nil : rates.reduce(0, +), errorRate: errors.rate, clients: states,
            sources: status.sources.map(SourcePage.init), services: services, overrides: overrides,
            attention: attention)
        return try json(page)
    }

    private func services(
        _ names: ArraySlice<ServiceName>, _ builder: SnapshotBuilder, _ book: OverrideBook,
        _ loads: [ServiceName: ObservedLoad], at now: Date
    ) async -> [OverviewPage.Service] {
        let view = ClientView(cluster: builder.ownCluster, kind: .lanes)
        let tunings = Tunings(book, at: now)
        var services: [OverviewPage.Service] = []
        for name in names {
            guard let served = builder.assignment(of: name, for: view, with: tunings) else { continue }
            let isTuned = !book.current(of: name, at: now).isEmpty
            let base = isTuned ? builder.assignment(of: name, for: view, with: .none) : served
            let deliveries = await controlPlane.deliveries(of: name)
            services.append(
                OverviewPage.Service(
                    service: name.rawValue, taken: deliveries.count { $0.state == .synced }, clients: deliveries.count,
                    clusters: served.shares.map { share in
                        let load = loads[name]
                        let target = ObservedTarget.cluster(share.cluster)
                        return OverviewPage.Service.Cluster(
                            cluster: share.cluster.rawValue,
                            base: percent(base?.shares.first { $0.cluster == share.cluster }?.share ?? 0),
                            intended: percent(share.share), observed: load?.share(of: target).map(percent),
                            rps: load?.rate(of: target), errorRate: load?.errorRate(of: target),
                            podsHealthy: share.pods.count { $0.health == .healthy }, podCount: share.pods.count,
                            why: share.reason)
                    }))
        }
        return services
    }

    func checks() async throws -> Response {
        try json(ChecksPage(checks: try await checkList(await controlPlane.status, await controlPlane.clients())))
    }

    func publication() throws -> Response {
        let state = controlPlane.publicationState
        let page = PublicationPage(
            known: state.published.isKnown, writer: state.writer, isWriter: state.isWriter,
            tunnels: state.usesTunnels, gateways: state.gateways.map(\.description),
            slots: state.slots.map { slot in
                PublicationPage.Slot(
                    service: slot.service.rawValue, slot: slot.name, sni: slot.sni.description,
                    address: slot.endpoint?.description, pod: slot.pod, phase: slot.phase.rawValue, reason: slot.reason)
            }, problems: state.problems.sorted())
        return try json(page)
    }

    /// What Ballast finds in itself, the worst first.
    private func checkList(_ status: Status, _ clients: [ClientStatus]) async throws -> [ChecksPage.Check] {
        var checks: [ChecksPage.Check] = []
        func add(_ code: CheckCode, _ state: CheckState, _ says: String) {
            checks.append(ChecksPage.Check(code: code, state: state, says: says))
        }
        if let failure = controlPlane.xdsPortFailure {
            add(.deaf, .fail, "the xDS port doesn't answer: \(failure)")
        }
        if !status.isReady { add(.notReady, .fail, "not ready: a source has not delivered since the start") }
        if let failure = await controlPlane.overrides.writeFailure {
            add(.storeFailed, .fail, "the last change could not be stored: \(failure)")
        }
        if let failure = await controlPlane.overrides.loadFailure { add(.storeFailed, .fail, failure) }
        if let failure = await controlPlane.logBook.failure { add(.logBookFailed, .warn, failure) }
        if let refusal = status.configuration.refusal {
            add(.configurationRefused, .fail, "the newest configuration was refused: \(refusal.reason)")
        }
        for field in status.configuration.pending {
            add(.pendingField, .warn, "\(field) takes effect at the next start")
        }
        for source in status.sources {
            if let reason = source.staleReason { add(.staleSource, .fail, "\(source.description) is stale: \(reason)") }
            for problem in source.problems.prefix(5) { add(.sourceProblem, .warn, "\(source.description): \(problem)") }
        }
        let builder = await controlPlane.snapshotBuilder()
        let view = ClientView(cluster: builder.ownCluster, kind: .lanes)
        for cluster in builder.meshClusters where cluster.name != builder.ownCluster && Set(cluster.gateways).count == 1
        {
            add(.oneGateway, .warn, "\(cluster.name) has one gateway: its loss takes all of the cluster's traffic")
        }
        let tunings = Tunings(controlPlane.overrides.book, at: Date())
        for name in builder.names.sorted().prefix(1_000) {
            guard let assignment = builder.assignment(of: name, for: view, with: tunings) else { continue }
            if assignment.shares.allSatisfy({ $0.share == 0 }) {
                add(.noPods, .fail, "\(name) has no pod that takes traffic")
            }
            for limit in assignment.limited { add(.limited, .warn, "\(name): \(limit.cluster): \(limit.sentence)") }
        }
        for client in clients.prefix(10_000) {
            switch client.sync {
            case .nacked:
                add(
                    .clientRejects, .fail,
                    "\(client.node) rejects \(client.rejection.map { "\($0.type.rawValue.split(separator: ".").last ?? ""): \($0.message.prefix(200))" } ?? "what it is sent")"
                )
            case .stale: add(.clientSilent, .warn, "\(client.node) has not answered for more than 5 s")
            case .synced, .pending, .behind, nil: continue
            }
        }
        if status.observed.isEmpty, clients.contains(where: { $0.sync != nil }) {
            add(
                .noReports, .warn,
                "no client reports its load: observed shares, and abort conditions, need `load_stats_config`")
        }
        for hold in status.holds {
            add(
                .held, .warn, "\(hold.service) in \(hold.cluster): \(hold.pods.count) pods are held: \(hold.reason)"
            )
        }
        for problem in status.problems { add(.problem, .warn, problem.sentence) }
        checks.sort { ($0.state, $0.code.rawValue) < ($1.state, $1.code.rawValue) }
        if checks.isEmpty { add(.nothingWrong, .ok, "nothing is wrong") }
        return Array(checks.prefix(200))
    }
}

/// Sums of errors and requests.
private struct ErrorSum {
    var errors: UInt64 = 0
    var requests: UInt64 = 0

    mutating func add(_ load: ObservedLoad) {
        errors &+= load.targets[.service]?.errors ?? 0
        requests &+= load.targets[.service]?.ended ?? 0
    }

    /// Nil without requests.
    var rate: Double? { requests > 0 ? Double(errors) / Double(requests) : nil }
}
