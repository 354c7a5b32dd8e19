import EnvoyAPI
import Foundation
import Synchronization
import TestBench

/// Ballast servers in separate processes, one for each form.
public final class BallastServers: Sendable {
    private let program: String
    private let directory: String
    private let servers = Mutex<[BallastServer]>([])

    /// Creates the set without any server; their files will be in `directory`.
    public init(program: String, directory: String) {
        self.program = program
        self.directory = directory
    }

    /// Starts a server.
    public func start(_ name: String) async throws -> any Subject {
        let server = try await BallastServer(program, directory: "\(directory)/\(name.filter(\.isLetter))")
        servers.withLock { $0.append(server) }
        return server
    }

    /// Stops all servers.
    public func stop() async { for server in servers.withLock({ $0 }) { await server.stop() } }
}

/// A Ballast, controlled through its configuration and its endpoints file.
final class BallastServer: Subject {
    private struct State {
        var services: [String: [String]] = [:]
        var isOther = false
    }

    let address: String
    private let directory: String
    private let process: ManagedProcess
    private let state = Mutex(State())

    init(_ program: String, directory: String) async throws {
        self.directory = directory
        let host = "127.\(Int.random(in: 16...254)).\(Int.random(in: 1...254)).\(Int.random(in: 1...254))"
        address = "\(host):18000"
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        try Self.write(State(), address, directory)
        process = try ManagedProcess(
            "ballast", program, ["serve", "--config", "ballast.yaml"], directory: directory,
            logPath: "\(directory)/ballast.log")
        try await eventually("Ballast is ready") {
            try await HTTPConnection.get(host: host, port: 18080, "/readyz").status == 200
        }
    }

    func stop() async { await process.stop() }

    func publish(_ services: [String: [String]]) async throws {
        let state = state.withLock { state in
            state.services = services
            return state
        }
        try await put(state)
    }

    func changeClusters(_ isOther: Bool) async throws -> Bool {
        let state = state.withLock { state in
            state.isOther = isOther
            return state
        }
        try await put(state)
        return true
    }

    private func put(_ state: State) async throws {
        try Self.write(state, address, directory)
        process.signal(SIGHUP)
    }

    private static func write(_ state: State, _ address: String, _ directory: String) throws {
        let names = state.services.keys.sorted()
        try endpointsFile(state.services).write(toFile: "\(directory)/local.yaml", atomically: true, encoding: .utf8)
        let configuration = """
            cluster: local
            guard: off
            xds: {listen: "\(address)"}
            admin: {listen: "\(address.replacing(":18000", with: ":18080"))"}
            envoy: {policy: \(state.isOther ? "RANDOM" : "ROUND_ROBIN")}
            clusters:
              local: {endpoints: {file: local.yaml}}
            services: {\(names.map { "\($0): {}" }.joined(separator: ", "))}
            """
        try configuration.write(toFile: "\(directory)/ballast.yaml", atomically: true, encoding: .utf8)
    }
}

/// A server started by someone else that reads an endpoints file.
public struct OtherServer: Subject {
    /// An IP address and a port.
    public let address: String
    private let endpoints: String
    private let onChange: String?

    /// - Parameter onChange: a shell command to run after the file has changed.
    public init(address: String, endpoints: String, onChange: String?) {
        self.address = address
        self.endpoints = endpoints
        self.onChange = onChange
    }

    /// Writes the file.
    public func publish(_ services: [String: [String]]) async throws {
        try endpointsFile(services).write(toFile: endpoints, atomically: true, encoding: .utf8)
        if let onChange { _ = try TestBench.run("sh", ["-c", onChange], directory: ".") }
    }

    /// The Envoy clusters of such a server can't be changed.
    public func changeClusters(_ isOther: Bool) async throws -> Bool { false }
}

private func endpointsFile(_ services: [String: [String]]) -> String {
    let lines = services.sorted { $0.key < $1.key }.map { name, pods in
        let list = pods.enumerated().map { "{name: p\($0), address: \"\($1)\"}" }.joined(separator: ", ")
        return "  \(name): [\(list)]\n"
    }
    return "services:\(lines.isEmpty ? " {}" : "")\n\(lines.joined())"
}
