import Foundation
import Synchronization

/// A program that a kubeconfig names to get credentials from (client.authentication.k8s.io).
struct ExecPlugin: Hashable, Sendable, Decodable {
    struct Variable: Hashable, Sendable, Decodable {
        var name: String
        var value: String
    }

    var apiVersion: String
    var command: String
    var args: [String]?
    var env: [Variable]?
    var installHint: String?
    var provideClusterInfo: Bool?
    var interactiveMode: String?

    /// What it answered.
    struct Credential: Hashable, Sendable {
        var token: String?
        /// PEM texts.
        var certificate: String?
        var key: String?
        /// Nil for as long as the server takes it.
        var expiration: Date?
    }

    struct Failure: Error, CustomStringConvertible {
        var description: String
    }

    /// How long it may take.
    private static let patience = Duration.seconds(30)

    private struct Answer: Decodable {
        struct Status: Decodable {
            var token: String?
            var clientCertificateData: String?
            var clientKeyData: String?
            var expirationTimestamp: Date?
        }

        var status: Status?
    }

    /// What it is told about what it is asked for.
    private struct Request: Encodable {
        struct Spec: Encodable {
            var interactive = false
            var cluster: Cluster?
        }

        struct Cluster: Encodable {
            var server: String
            var serverName: String?
            var isInsecure: Bool
            /// PEM, in base64.
            var ca: String?

            enum CodingKeys: String, CodingKey {
                case server
                case serverName = "tls-server-name"
                case isInsecure = "insecure-skip-tls-verify"
                case ca = "certificate-authority-data"
            }
        }

        var apiVersion: String
        var kind = "ExecCredential"
        var spec: Spec
    }

    /// Runs it, and reads what it prints.
    func run(for access: APIAccess) async throws(Failure) -> Credential {
        guard interactiveMode != "Always" else {
            throw Failure(description: "\(command) wants a terminal (interactiveMode: Always), and there is none")
        }
        var request = Request(apiVersion: apiVersion, spec: Request.Spec())
        if provideClusterInfo == true {
            let ca: Data? =
                switch access.ca {
                case .text(let text): Data(text.utf8)
                case .file(let path): FileManager.default.contents(atPath: path)
                case nil: nil
                }
            request.spec.cluster = Request.Cluster(
                server: access.server.absoluteString, serverName: access.serverName, isInsecure: access.isInsecure,
                ca: ca?.base64EncodedString())
        }
        let info = String(decoding: (try? JSONEncoder().encode(request)) ?? Data(), as: UTF8.self)
        var environment = ProcessInfo.processInfo.environment
        for variable in env ?? [] { environment[variable.name] = variable.value }
        environment["KUBERNETES_EXEC_INFO"] = info
        let (status, output, errors) = try await launch(environment)
        guard status == 0 else {
            throw Failure(description: "\(command) ended with \(status): \(errors.suffix(300))")
        }
        let decoder = JSONDecoder()
        decoder.dateDecodingStrategy = .iso8601
        guard let answer = try? decoder.decode(Answer.self, from: output), let found = answer.status,
            found.token != nil || found.clientCertificateData != nil
        else { throw Failure(description: "\(command) printed no ExecCredential with a token or a certificate") }
        return Credential(
            token: found.token, certificate: found.clientCertificateData, key: found.clientKeyData,
            expiration: found.expirationTimestamp)
    }

    private func launch(
        _ environment: [String: String]
    ) async throws(Failure) -> (status: Int32, output: Data, errors: String) {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = [command] + (args ?? [])
        process.environment = environment
        process.standardInput = FileHandle.nullDevice
        let (output, errors) = (Pipe(), Pipe())
        process.standardOutput = output
        process.standardError = errors
        let exits = AsyncStream.makeStream(of: Int32.self)
        process.terminationHandler = {
            exits.continuation.yield($0.terminationStatus)
            exits.continuation.finish()
        }
        do {
            try process.run()
        } catch {
            throw Failure(description: "\(command) can't be run: \(error.localizedDescription)")
        }
        // Both are read as they come: a full pipe would stop the program.
        async let printed = Self.readToEnd(output.fileHandleForReading)
        async let complaints = Self.readToEnd(errors.fileHandleForReading)
        let identifier = process.processIdentifier
        let watch = Task {
            try await Task.sleep(for: Self.patience)
            kill(identifier, SIGKILL)
        }
        defer { watch.cancel() }
        var status: Int32 = -1
        for await exit in exits.stream { status = exit }
        let text = String(decoding: await complaints, as: UTF8.self)
        if status == 127 {
            throw Failure(description: "there is no program \(command)\(installHint.map { ". \($0)" } ?? "")")
        }
        return (status, await printed, text)
    }

    private static func readToEnd(_ handle: FileHandle) async -> Data {
        await withCheckedContinuation { continuation in
            DispatchQueue.global().async { continuation.resume(returning: (try? handle.readToEnd()) ?? Data()) }
        }
    }
}
