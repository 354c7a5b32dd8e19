import Discovery
import Foundation
import Intent
@testable import KubernetesClient
@testable import KubernetesDiscovery
import Logging
import MeshConfiguration
import Model
import NIOCore
import Synchronization
import TestBench
import TestSupport

/// What a source has told so far.
final class Reports: Sendable {
    struct State: Sendable {
        var pods: [ServiceName: [Pod]]?
        var gateways: [Gateway]?
        var failure: String?
        var problems: [String] = []
        /// Every set of pods of every service that was told, to see flaps.
        var history: [(service: ServiceName, names: [String])] = []
        var lastEvidence: SourceUpdate.Evidence?
        var failures: [String] = []
        var wholes = 0
        var confirmations = 0

        mutating func take(_ update: SourceUpdate.Pods) {
            switch update {
            case .all(let services):
                pods = services.mapValues(\.pods)
                wholes += 1
                lastEvidence = SourceUpdate.Evidence.none
                for (service, told) in services { history.append((service, told.pods.map(\.name))) }
            case .changed(let services):
                pods?.merge(services.mapValues(\.pods)) { $1 }
                for (service, told) in services {
                    lastEvidence = told.evidence
                    history.append((service, told.pods.map(\.name)))
                }
            }
        }
    }

    private let state = Mutex(State())

    func take(_ report: SourceReport) {
        state.withLock { state in
            switch report {
            case .update(let update):
                if let pods = update.pods { state.take(pods) }
                if let gateways = update.gateways { state.gateways = gateways }
                state.failure = nil
            case .confirmed:
                state.confirmations += 1
                state.failure = nil
            case .problems(let problems): state.problems = problems
            case .failure(let reason, _):
                state.failure = reason
                state.failures.append(reason)
            }
        }
    }

    var now: State { state.withLock { $0 } }

    /// The names and health of a service's pods, such as `a healthy`.
    func pods(_ service: ServiceName) -> [String] {
        (now.pods?[service] ?? []).map { "\($0.name) \($0.health)" }.sorted()
    }

    func names(_ service: ServiceName) -> [String] { (now.pods?[service] ?? []).map(\.name).sorted() }
}

/// An API server with a certificate, and a source that watches it, for as long as `body` runs.
struct Watched: Sendable {
    let server: APIServer
    let reports: Reports
    let source: any EndpointSource
    let log: LogLines
}

/// Log lines, to look at.
final class LogLines: Sendable {
    private let lines = Mutex<[String]>([])

    var all: [String] { lines.withLock { $0 } }

    var logger: Logger {
        Logger(label: "test") { _ in Handler(lines: self) }
    }

    private struct Handler: LogHandler {
        let lines: LogLines
        var metadata: Logger.Metadata = [:]
        var logLevel = Logger.Level.trace

        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }

        func log(event: LogEvent) { lines.lines.withLock { $0.append("\(event.level) \(event.message)") } }
    }
}

/// For what is bound to answer, on a machine that has much else to do.
let patient = APIClient.Patience(
    connect: .seconds(60), head: .seconds(60), silence: .seconds(600), plugin: .seconds(60))

/// For what will not answer.
let impatient = APIClient.Patience(connect: .seconds(2), head: .seconds(2), silence: .seconds(2), plugin: .seconds(2))

extension Configuration {
    /// The endpoints or gateways of a cluster, from a piece of configuration.
    static func source(_ kubernetes: String, gateways: String? = nil, in directory: String) throws -> ClusterIntent {
        let configuration = try Configuration(
            text: """
                cluster: west
                clusters:
                  west: {endpoints: {kubernetes: \(kubernetes)}\(gateways.map { ", gateways: {kubernetes: \($0)}" } ?? "")}
                services: {httpbin: {}}
                """, file: "\(directory)/ballast.yaml")
        return configuration.mesh.clusters[0]
    }
}

/// Runs an API server, and a source for it that is configured by a piece of YAML.
func watching(
    _ kubernetes: String = "{kubeconfig: config, services: {httpbin: {namespace: n}}}",
    gateways: String? = nil,
    options: APIServer.Options = APIServer.Options(),
    user: String = "{token: secret}",
    patience: APIClient.Patience = patient,
    kubeconfig: (String) throws -> String = { $0 },
    before: (APIServer, String) async throws -> Void = { _, _ in },
    _ body: (Watched) async throws -> Void
) async throws {
    try await withTemporaryDirectory { directory in
        let server = try await APIServer(try Certificates(in: directory), options)
        let reports = Reports()
        let log = LogLines()
        do {
            try await before(server, directory)
            try kubeconfig(server.kubeconfig(user: user))
                .write(toFile: "\(directory)/config", atomically: true, encoding: .utf8)
            let settings = try Configuration.source(kubernetes, gateways: gateways, in: directory)
            let source: any EndpointSource
            if case .kubernetes(let gateways) = settings.gateways {
                source = KubernetesGatewaySource(
                    gateways, patience: patience, backoff: .milliseconds(20), logger: log.logger)
            } else if case .kubernetes(let endpoints) = settings.endpoints {
                source = KubernetesSource(
                    endpoints, patience: patience, backoff: .milliseconds(20), logger: log.logger)
            } else {
                preconditionFailure("the configuration names another source")
            }
            let task = Task { await source.run { reports.take($0) } }
            let result: Result<Void, any Error>
            do {
                result = .success(
                    try await body(Watched(server: server, reports: reports, source: source, log: log)))
            } catch {
                result = .failure(error)
            }
            task.cancel()
            await task.value
            try result.get()
        } catch {
            await server.stop()
            throw error
        }
        await server.stop()
    }
}

/// What a real API server answered.
func recorded(_ name: String) throws -> String {
    try String(contentsOfFile: "\(repository)/Tests/KubernetesDiscoveryTests/Recorded/\(name)", encoding: .utf8)
}
