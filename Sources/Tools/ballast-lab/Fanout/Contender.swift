import Foundation
import LoadClient
import TestBench

/// The size of a server's configuration.
struct ServerSize: CustomStringConvertible {
    var services: Int
    var endpoints: Int

    var description: String { "\(services) services of \(endpoints) endpoints" }
}

/// A server to measure.
enum Contender {
    /// The form of xDS that Ballast's clients use.
    enum Form: String {
        case sotw = "SotW"
        case delta = "delta"
        case leds = "LEDS"
    }

    case ballast(Form)
    case floor((name: String, program: String))
    case peer((name: String, program: String))

    var form: Form {
        if case .ballast(let form) = self { form } else { .sotw }
    }

    var name: String {
        switch self {
        case .ballast(let form): "Ballast, \(form.rawValue)"
        case .floor(let (name, _)), .peer(let (name, _)): name
        }
    }

    /// Starts the server, and waits until it responds.
    func start(_ directory: String, _ size: ServerSize, ballast: String) async throws -> RunningServer {
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        let (port, control) = (Int.random(in: 20_000..<25_000), Int.random(in: 25_000..<30_000))
        let names = (0..<size.services).map { "cluster-\($0)" }
        let post = LoadRun.Trigger.other { service in
            _ = try await HTTPConnection.get(host: "127.0.0.1", port: control, "/?cluster=\(service)", isPost: true)
        }
        switch self {
        case .ballast:
            return try await RunningServer.ballast(ballast, directory, size, port: port, admin: control)
        case .floor(let (name, program)):
            let process = try ManagedProcess(
                name, program, ["\(port)", "\(control)", "\(size.endpoints)", "2"], directory: directory,
                logPath: "\(directory)/server.log")
            try await RunningServer.wait(process) {
                try await HTTPConnection.open(host: "127.0.0.1", port: port) { _ in }
            }
            return RunningServer(
                process: process, address: "127.0.0.1:\(port)", names: names, size: size, trigger: post)
        case .peer(let (name, program)):
            let process = try ManagedProcess(
                name, program,
                [
                    "-addr", "127.0.0.1:\(port)", "-ctl", "127.0.0.1:\(control)", "-clusters", "\(size.services)",
                    "-endpoints", "\(size.endpoints)",
                ], directory: directory, logPath: "\(directory)/server.log")
            try await RunningServer.wait(process) {
                try await HTTPConnection.open(host: "127.0.0.1", port: port) { _ in }
            }
            return RunningServer(
                process: process, address: "127.0.0.1:\(port)", names: names, size: size, trigger: post)
        }
    }
}

/// A server that is running and ready.
struct RunningServer {
    var process: ManagedProcess
    var address: String
    /// The EDS resource names.
    var names: [String]
    var size: ServerSize
    var trigger: LoadRun.Trigger
    /// The port of Ballast's admin API.
    var admin: Int?

    /// The value of a Ballast metric; 0 if it doesn't exist.
    static func metric(_ name: String, _ admin: Int) async throws -> Double {
        let text = try await HTTPConnection.get(host: "127.0.0.1", port: admin, "/metrics").body
        let line = text.split(separator: "\n").first { $0.hasPrefix("\(name) ") }
        return line?.split(separator: " ").last.flatMap { Double($0) } ?? 0
    }

    /// Starts Ballast with generated services.
    static func ballast(
        _ program: String, _ directory: String, _ size: ServerSize, port: Int, admin: Int
    ) async throws -> RunningServer {
        let services = try LoadedServices.write(
            to: directory, services: size.services, endpoints: size.endpoints, listen: "127.0.0.1:\(port)",
            admin: "127.0.0.1:\(admin)",
            xds: [
                "limits: {namesPerStream: 100000, connections: 50000, connectionsPerAddress: 50000, streams: 50000, streamsPerIdentity: 50000}"
            ])
        let process = try ManagedProcess(
            "ballast", program, ["serve", "--config", "ballast.yaml", "--log-level", "warning"], directory: directory,
            logPath: "\(directory)/server.log")
        try await wait(process) {
            guard try await HTTPConnection.get(host: "127.0.0.1", port: admin, "/readyz").status == 200 else {
                throw BenchError("not ready")
            }
        }
        return RunningServer(
            process: process, address: "127.0.0.1:\(port)",
            names: (0..<size.services).map(LoadedServices.name), size: size, trigger: .file(services), admin: admin)
    }

    /// Waits until a server responds.
    static func wait(_ process: ManagedProcess, _ ask: @escaping @Sendable () async throws -> Void) async throws {
        try await eventually(within: .seconds(300), "\(process.name) answers") {
            guard process.isRunning else { throw BenchError("\(process.name) ended: \(process.log.suffix(2_000))") }
            do {
                try await ask()
                return true
            } catch {
                return false
            }
        }
    }
}
