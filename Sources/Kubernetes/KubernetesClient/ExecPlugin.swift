import Foundation
import Subprocess
import SystemPackage

/// A credential plugin of a kubeconfig: a program that prints credentials (client.authentication.k8s.io).
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

    /// The credential that the plugin printed.
    struct Credential: Hashable, Sendable {
        var token: String?
        /// PEM texts.
        var certificate: String?
        var key: String?
        /// Nil if the credential has no expiration.
        var expiration: Date?

        var isExpired: Bool { expiration.map { $0 <= Date() } ?? false }
    }

    struct Failure: Error, CustomStringConvertible {
        var description: String
    }

    private struct Answer: Decodable {
        struct Status: Decodable {
            var token: String?
            var clientCertificateData: String?
            var clientKeyData: String?
            var expirationTimestamp: Date?
        }

        var status: Status?
    }

    /// The input of the plugin: the contents of KUBERNETES_EXEC_INFO.
    private struct Request: Encodable {
        struct Spec: Encodable {
            var interactive = false
            var cluster: Cluster?
        }

        struct Cluster: Encodable {
            var server: String
            var serverName: String?
            var isInsecure: Bool
            /// PEM in base64.
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

    /// Runs the plugin for at most `patience` and decodes its output.
    func run(for access: APIAccess, patience: Duration) async throws(Failure) -> Credential {
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
        var variables: [Environment.Key: String?] = [:]
        for variable in env ?? [] { variables[.init(stringLiteral: variable.name)] = variable.value }
        variables["KUBERNETES_EXEC_INFO"] = info
        let output = try await launch(.inherit.updating(variables), patience)
        let decoder = JSONDecoder()
        decoder.dateDecodingStrategy = .iso8601
        guard let answer = try? decoder.decode(Answer.self, from: Data(output.utf8)), let found = answer.status,
            found.token != nil || found.clientCertificateData != nil
        else { throw Failure(description: "\(command) printed no ExecCredential with a token or a certificate") }
        return Credential(
            token: found.token, certificate: found.clientCertificateData, key: found.clientKeyData,
            expiration: found.expirationTimestamp)
    }

    /// - Returns: the plugin's standard output.
    private func launch(_ environment: Environment, _ patience: Duration) async throws(Failure) -> String {
        var options = PlatformOptions()
        // Processes that the plugin started end with it.
        options.processGroupID = 0
        options.teardownSequence = [.send(signal: .kill, toProcessGroup: true, allowedDurationToNextStep: .seconds(1))]
        do {
            let result = try await withThrowingTaskGroup { group in
                group.addTask { [options] in
                    try await Subprocess.run(
                        command.contains("/") ? .path(FilePath(command)) : .name(command),
                        arguments: Arguments(args ?? []), environment: environment, platformOptions: options,
                        output: .string(limit: 1 << 20), error: .string(limit: 1 << 20))
                }
                group.addTask {
                    try await Task.sleep(for: patience)
                    throw Failure(description: "\(command) has not ended after \(patience)")
                }
                defer { group.cancelAll() }
                return try await group.next()
            }
            let how: String
            switch result?.terminationStatus {
            case .exited(0): return result?.standardOutput ?? ""
            case .exited(let status): how = "ended with \(status)"
            case .signaled(let signal): how = "was ended by signal \(signal)"
            case nil: how = "did not end"
            }
            throw Failure(description: "\(command) \(how): \((result?.standardError ?? "").suffix(300))")
        } catch let failure as Failure {
            throw failure
        } catch let error as SubprocessError where error.code == .executableNotFound {
            throw Failure(description: "there is no program \(command)\(installHint.map { ". \($0)" } ?? "")")
        } catch {
            throw Failure(description: "\(command) can't be run: \(error)")
        }
    }
}
