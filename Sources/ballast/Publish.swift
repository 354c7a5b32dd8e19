import AdminAPI
import ArgumentParser
import Discovery
import Foundation
import Intent
import IstioPublishing
import KubernetesDiscovery
import Logging
import MeshConfiguration
import Model
import YAMLFile

/// `ballast publish`: what is published to an Istio gateway, and what would be.
struct Publish: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Shows the pods that are published to an Istio gateway, and what would be written.",
        discussion: """
            Without options, it asks a running server. With --dry-run, it reads the configuration, the pods and the API \
            server's ServiceEntries itself, and prints each object that would be written, and why; it writes nothing.
            """)

    /// Whether to print what would be written.
    @Flag(help: "Print what a server with this configuration would write; write nothing.") var dryRun = false
    @Option(help: ArgumentHelp("The configuration file, for --dry-run.", valueName: "file")) var config: String?
    @OptionGroup var admin: AdminOptions

    func validate() throws {
        guard dryRun == (config != nil) else {
            throw ValidationError("--dry-run and --config belong together, such as: --dry-run --config ballast.yaml")
        }
    }

    func run() async throws {
        if let config { return try await reportingFailures { try await plan(config) } }
        try await reportingFailures {
            let page = try await admin.client.get(PublicationPage.self, .publication)
            guard admin.output.isTable else { return try admin.output.print(page, names: page.slots.map(\.sni)) }
            for problem in page.problems { Output.write("! \(problem)") }
            guard !page.slots.isEmpty || page.writer != nil || !page.known else {
                return Output.write("nothing is published: the configuration has no `publish`")
            }
            printTable(
                [["SERVICE", "SLOT", "POD", "ADDRESS", "PHASE", "SNI"]]
                    + page.slots.map { slot in
                        [slot.service, slot.slot, slot.pod ?? "-", slot.address ?? "-", slot.phase, slot.sni]
                    })
            let writer = page.writer.map { "\($0)\(page.isWriter ? ", this replica" : "")" } ?? "none"
            Output.write("writer: \(writer); asked: \(page.gateways.joined(separator: ", "))")
        }
    }

    private func plan(_ path: String) async throws {
        let settings: Configuration
        do throws(ConfigurationError) {
            settings = try Configuration(path: path)
        } catch {
            throw CommandFailure("\(error)", .failed)
        }
        guard let publication = settings.mesh.publication, let own = settings.mesh[settings.mesh.cluster] else {
            throw CommandFailure("\(path) has no `publish`", .failed)
        }
        let logger = Logger(label: "ballast") { _ in SwiftLogNoOpLogHandler() }
        let source = Discovery.SourceID(own)
        guard let pods = try await firstPods(of: source, settings, logger) else {
            throw CommandFailure("\(source.description) has not delivered within \(Self.patience)", .unreachable)
        }
        let plan: PublicationPlan
        do {
            plan = try await PublicationPlan(
                publication, of: own.name, pods: pods.filter { publication.services[$0.key] != nil },
                limits: settings.server.sources, logger: logger)
        } catch {
            throw CommandFailure("\(error)", .unreachable)
        }
        guard admin.output.isTable else { return try admin.output.print(plan, names: plan.writes.map(\.object)) }
        for problem in plan.problems { Output.write("! \(problem)") }
        guard !plan.writes.isEmpty else { return Output.write("nothing to write") }
        printTable(
            [["ACTION", "OBJECT", "HOST", "ENDPOINT", "WHY"]]
                + plan.writes.map { [$0.action, $0.object, $0.host ?? "-", $0.endpoint ?? "-", $0.reason] })
    }

    private static let patience = Duration.seconds(15)

    /// The pods that a source reports first; nil if it doesn't in time.
    private func firstPods(
        of id: SourceID, _ settings: Configuration, _ logger: Logger
    ) async throws -> [ServiceName: [Pod]]? {
        let source: any EndpointSource
        switch id.kind {
        case .endpoints(.kubernetes(let kubernetes)):
            source = KubernetesSource(kubernetes, limits: settings.server.sources, logger: logger)
        case .endpoints(.file(let path)): source = FileSource(file: path, limits: settings.server.sources)
        case .endpoints(.directory(let path)): source = FileSource(directory: path, limits: settings.server.sources)
        case .endpoints(.ballast), .gateways: return nil
        }
        let (reports, continuation) = AsyncStream.makeStream(
            of: SourceReport.self, bufferingPolicy: .bufferingOldest(8))
        return try await withThrowingTaskGroup { group in
            group.addTask {
                await source.run { continuation.yield($0) }
                return [ServiceName: [Pod]]?.none
            }
            group.addTask {
                try await Task.sleep(for: Self.patience)
                return nil
            }
            group.addTask {
                for await report in reports {
                    switch report {
                    case .update(let update):
                        if case .all(let all) = update.pods { return all.mapValues(\.pods) }
                    case .failure(let reason, _): throw CommandFailure("\(id.description): \(reason)", .unreachable)
                    case .confirmed, .problems: break
                    }
                }
                return nil
            }
            defer { group.cancelAll() }
            return try await group.next() ?? nil
        }
    }
}
