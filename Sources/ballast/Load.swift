import AdminAPI
import ArgumentParser
import Foundation
import GRPCTransport
import LoadClient
import Overrides
import XDS

/// `ballast load`: puts many xDS clients on a server.
struct Load: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Connects many xDS clients to a server and measures how fast they get what they subscribe to.",
        discussion: """
            An example: `ballast load --prepare load`, then `ballast serve --config load/ballast.yaml`, and in another \
            terminal `ballast load --endpoints load/endpoints.yaml --rate 100`. See docs/reference/load.md.
            """)

    @OptionGroup(title: "The clients") var clients: ClientOptions
    @OptionGroup(title: "Changes") var changes: ChangeOptions
    @OptionGroup(title: "TLS") var security: SecurityOptions

    @Option(help: "The server's process ID on this machine; the report then has its CPU time and memory.")
    var pid: Int?

    @Option(help: "How long clients stay connected after the last change, in seconds.")
    var seconds = 0.0

    @Option(help: "How long to wait until all clients are in sync, and have the last change, in seconds.")
    var patience = 60.0

    @Flag(help: "Print the report as JSON, without progress.")
    var json = false

    @Option(
        help: "Only write ballast.yaml and endpoints.yaml with `--services` of `--pods` to this directory.")
    var prepare: String?

    @Option(help: "The number of pods of each service, for `--prepare`.")
    var pods = 100

    func run() async throws {
        if let prepare {
            _ = try LoadedServices.write(
                to: prepare, services: clients.services, endpoints: pods, listen: clients.server,
                admin: "127.0.0.1:18080",
                // All clients connect from one address.
                xds: [
                    "limits: {connections: 50000, connectionsPerAddress: 50000, streams: 100000, streamsPerIdentity: 100000}"
                ])
            return print("Written: \(prepare)/ballast.yaml and \(prepare)/endpoints.yaml.")
        }
        let isQuiet = json
        let run = try LoadRun(
            clients.plan(try security.security()), trigger: try changes.trigger(clients), server: pid
        ) { line in
            if !isQuiet { FileHandle.standardError.write(Data("\(line)\n".utf8)) }
        }
        let report = try await run.play(
            changes.pace, patience: .seconds(patience), listening: .seconds(seconds))
        if json {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.sortedKeys, .prettyPrinted]
            print(String(decoding: try encoder.encode(report), as: UTF8.self))
        } else {
            print(report.text)
        }
        let missing = report.streams - report.sync.streams + (report.changes?.missing ?? 0)
        if missing > 0 { throw ExitCode(1) }
    }
}

/// The clients and their subscriptions.
struct ClientOptions: ParsableArguments {
    @Option(help: "The server: an IP address and a port.")
    var server = "127.0.0.1:18000"

    @Option(help: "The number of clients.")
    var streams = 100

    @Option(help: "The number of connections; one for each client by default.")
    var connections: Int?

    @Option(help: "The number of names: `--pattern` with 0, 1 and so on.")
    var services = 1

    @Option(help: "The EDS names, with {} for the number.")
    var pattern = "service-{}"

    @Option(help: "EDS names, instead of `--services` and `--pattern`.")
    var name: [String] = []

    @Option(help: "The number of names that each client subscribes to.")
    var perStream = 1

    @Flag(help: "Use incremental xDS instead of state of the world.")
    var delta = false

    @Flag(help: "Use aggregated streams (ADS).")
    var ads = false

    @Flag(help: "Subscribe to endpoints as collections (LEDS); implies --delta and --ads.")
    var leds = false

    @Option(help: "A field of each node's metadata, KEY=VALUE, for example cluster=east.")
    var metadata: [String] = []

    func validate() throws {
        guard streams > 0, services > 0, perStream > 0, connections ?? 1 > 0 else {
            throw ValidationError("--streams, --services, --per-stream and --connections count from 1")
        }
        guard metadata.allSatisfy({ $0.contains("=") }) else { throw ValidationError("--metadata wants KEY=VALUE") }
    }

    /// The names that clients subscribe to.
    var names: [String] { name.isEmpty ? (0..<services).map { pattern.replacing("{}", with: "\($0)") } : name }

    func plan(_ security: ChannelSecurity) -> LoadPlan {
        var plan = LoadPlan(server: server, names: names)
        plan.security = security
        plan.streams = streams
        plan.connections = connections ?? streams
        plan.namesPerStream = perStream
        plan.variant = delta || leds ? .delta : .sotw
        plan.isAggregated = ads || leds
        plan.usesLEDS = leds
        for entry in metadata {
            let parts = entry.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            plan.metadata[String(parts[0])] = String(parts[1])
        }
        return plan
    }
}

/// What changes, and how often.
struct ChangeOptions: ParsableArguments {
    @Option(help: "The endpoints file that `--prepare` wrote; it is changed while clients are connected.")
    var endpoints: String?

    @Option(help: "A shell command that changes a service of another server; {} is replaced by its number.")
    var command: String?

    @Option(
        help: ArgumentHelp(
            "The address of Ballast's admin API: each change is an override, of which a service can have 8.",
            valueName: "url"))
    var overrides: String?

    @Option(help: "The number of changes, each made when all clients have the one before.")
    var rounds: Int?

    @Option(help: "Changes per second; with `--endpoints` only.")
    var rate: Double?

    @Option(name: .customLong("for"), help: "The duration of `--rate`, in seconds.")
    var duration = 10.0

    func validate() throws {
        guard [endpoints, command, overrides].count(where: { $0 != nil }) <= 1, rounds == nil || rate == nil else {
            throw ValidationError("--endpoints, --command or --overrides, and --rounds or --rate")
        }
        guard rate == nil || endpoints != nil else {
            throw ValidationError("--rate takes --endpoints: other changes can't be told apart")
        }
    }

    var pace: LoadRun.Pace {
        if let rate { return .rate(perSecond: rate, seconds: duration) }
        return endpoints == nil && command == nil && overrides == nil
            ? .none : .rounds(rounds ?? (overrides == nil ? 20 : 7))
    }

    func trigger(_ clients: ClientOptions) throws -> LoadRun.Trigger? {
        if let overrides { return .prepared(try OverrideTrigger(overrides, clients).prepare) }
        if let endpoints { return .file(try LoadedServices(changing: endpoints)) }
        guard let command else { return nil }
        return .other { service in
            let shell = Process()
            shell.executableURL = URL(fileURLWithPath: "/bin/sh")
            shell.arguments = ["-c", command.replacing("{}", with: "\(service)")]
            try shell.run()
            shell.waitUntilExit()
            guard shell.terminationStatus == 0 else { throw ValidationError("--command failed for service \(service)") }
        }
    }
}

/// Makes an override of a service, planned before.
private struct OverrideTrigger {
    private let client: AdminClient
    private let names: [String]

    init(_ address: String, _ clients: ClientOptions) throws {
        client = try AdminClient(address, token: nil)
        names = clients.names
    }

    /// Plans another multiplier for the first pod of a service; the closure creates the override.
    @Sendable func prepare(_ service: Int) async throws -> @Sendable () async throws -> Void {
        let page = try await client.get(ServiceDetailPage.self, .service, name: names[service])
        guard let pod = page.pods.first else { throw ValidationError("\(names[service]) has no pod") }
        var spec = OverrideSpec(service: names[service], reason: "ballast load")
        spec.permanent = true
        spec.multiplier = OverrideSpec.Multiplier(
            target: OverrideSpec.Target(cluster: pod.cluster, pod: pod.pod), by: "0.\(Int.random(in: 10...90))")
        let plan = try await client.post(PlanPage.self, .plans, spec)
        return { [client, spec] in
            _ = try await client.post(OverridePage.self, .overrides, spec, match: plan.etag)
        }
    }
}

/// The transport security of the clients.
struct SecurityOptions: ParsableArguments {
    @Option(help: "The authorities for the server's certificate (PEM file); plaintext by default.")
    var ca: String?

    @Option(help: "The clients' certificate (PEM file), for mutual TLS.")
    var certificate: String?

    @Option(help: "Its key (PEM file).")
    var key: String?

    @Option(help: "The name that the server's certificate must have.")
    var serverName = "localhost"

    func security() throws -> ChannelSecurity {
        guard let ca else { return .plaintext }
        var pair: KeyPair?
        if let certificate, let key {
            pair = KeyPair(
                certificateChain: try String(contentsOfFile: certificate, encoding: .utf8),
                privateKey: try String(contentsOfFile: key, encoding: .utf8))
        }
        return .tls(roots: try String(contentsOfFile: ca, encoding: .utf8), serverName: serverName, pair)
    }
}
