import ArgumentParser
import Balancing
import Foundation
import KubernetesDiscovery
import MeshConfiguration

/// `ballast validate`: reads what `serve` would read, and says what is wrong.
struct Validate: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Checks a configuration, and the endpoints files and kubeconfigs that it names."
    )

    @Argument(help: "The configuration file.")
    var config: String

    func run() throws {
        var errors: [ConfigurationError] = []
        var problems: Set<String> = []
        do throws(ConfigurationError) {
            let settings = try Configuration(path: config)
            var mesh = Mesh(clusters: settings.clusters.map(\.cluster), pods: [:])
            // Gateways that are not known yet will have some address.
            for index in mesh.clusters.indices where mesh.clusters[index].gateways.isEmpty {
                guard !settings.clusters[index].gateways.isEmpty, let some = SocketAddress("192.0.2.1:1") else {
                    continue
                }
                mesh.clusters[index].gateways = [some]
            }
            for source in settings.clusters {
                do throws(ConfigurationError) {
                    switch source.endpoints {
                    case .file(let path): mesh.pods[source.cluster.name] = try EndpointsFile(path: path).pods
                    case .kubernetes(let endpoints): try KubernetesSource.check(endpoints.access)
                    case .ballast: break
                    }
                    if case .kubernetes(let gateways) = source.gateways { try KubernetesSource.check(gateways.access) }
                } catch {
                    errors.append(error)
                }
            }
            problems = mesh.problems(of: settings.services.map(\.service))
        } catch {
            errors.append(error)
        }
        for problem in problems.sorted() { say("warning: \(problem)") }
        for error in errors { say("\(error)") }
        guard errors.isEmpty else { throw ExitCode(78) }  // EX_CONFIG
        print("\(config): good")
    }

    private func say(_ line: String) { FileHandle.standardError.write(Data("\(line)\n".utf8)) }
}

extension Mesh {
    /// Why clusters would not be reached as they are configured to be.
    fileprivate func problems(of services: [Balancing.Service]) -> Set<String> {
        var problems: Set<String> = []
        for service in services {
            for client in clusters {
                for (cluster, problem) in assign(service, from: client.name).problems {
                    problems.insert("\(service.name) in \(cluster): \(problem)")
                }
            }
        }
        return problems
    }
}
