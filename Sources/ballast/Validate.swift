import ArgumentParser
import Balancing
import ControlPlane
import Discovery
import Foundation
import Intent
import KubernetesDiscovery
import MeshConfiguration
import Model
import Serving
import YAMLFile

/// `ballast validate`: reads what `serve` would read, and reports errors and what would be served.
struct Validate: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Checks a configuration and all files that it names, and prints the shares that it gives.",
        discussion: """
            `serve` would refuse a configuration with an error. A warning is about something that would be served and is \
            probably not intended. No connection is made: pods of API servers and of other Ballasts are not known here.
            """
    )

    @OptionGroup var configuration: ConfigurationPath

    func run() throws {
        let settings: Configuration
        do throws(ConfigurationError) {
            settings = try Configuration(path: configuration.path)
        } catch {
            for error in error.all { say("error: \(error)") }
            throw ExitCode(78)  // EX_CONFIG
        }
        var (errors, warnings) = settings.checkFiles()
        var pods: [ClusterName: [ServiceName: [Pod]]] = [:]
        for cluster in settings.mesh.clusters {
            do throws(ConfigurationError) {
                switch cluster.endpoints {
                case .file(let path):
                    pods[cluster.name] = try EndpointsFile(path: path).pods
                    // The limits on a source.
                    _ = try FileSource(file: path, limits: settings.server.sources).readOnce()
                case .directory(let path):
                    pods[cluster.name] = try FileSource(directory: path, limits: settings.server.sources).readOnce()
                case .kubernetes(let endpoints): try KubernetesSource.check(endpoints.access)
                case .ballast: break
                }
                if case .kubernetes(let gateways) = cluster.gateways { try KubernetesSource.check(gateways.access) }
            } catch {
                errors.append(error)
            }
        }
        if let publication = settings.mesh.publication {
            do throws(ConfigurationError) {
                try KubernetesSource.check(publication.access)
            } catch {
                errors.append(error)
            }
        }
        let preview = Preview(settings.mesh, pods)
        if errors.isEmpty { warnings += preview.warnings }
        for warning in warnings { say("warning: \(warning)") }
        for error in errors.flatMap(\.all) { say("error: \(error)") }
        guard errors.isEmpty else { throw ExitCode(78) }  // EX_CONFIG
        for service in settings.mesh.services { print(preview.summary(of: service.service)) }
        print(
            "\(configuration.path): good\(warnings.isEmpty ? "" : ", with \(warnings.count) warning\(warnings.count == 1 ? "" : "s")")"
        )
    }

    private func say(_ line: String) { FileHandle.standardError.write(Data("\(line)\n".utf8)) }
}
