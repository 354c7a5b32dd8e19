import ArgumentParser
import Balancing
import ControlPlane
import Discovery
import Foundation
import KubernetesDiscovery
import MeshConfiguration
import Model
import YAMLFile

/// `ballast validate`: reads what `serve` would read, says what is wrong, and what it understood.
struct Validate: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Checks a configuration and all files that it names, and tells what would be served.",
        discussion: """
            Errors are what `serve` would refuse. Warnings are what it would serve though it is probably not meant. Nothing is \
            connected to: what API servers and other Ballasts bring is not known here.
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
        var mesh = Mesh(clusters: settings.clusters.map(\.cluster), pods: [:])
        // Gateways that are not known yet will have some address.
        for index in mesh.clusters.indices where mesh.clusters[index].gateways.isEmpty {
            guard !settings.clusters[index].gateways.isEmpty, let some = SocketAddress("192.0.2.1:1") else { continue }
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
        let unknown = settings.clusters.filter { if case .file = $0.endpoints { false } else { true } }
        if errors.isEmpty {
            warnings += mesh.problems(of: settings.services.map(\.service)).sorted()
            warnings += settings.plaintextWarnings
            warnings += settings.problems(ofNamesIn: mesh.pods, isEverything: unknown.isEmpty).sorted()
        }
        if errors.isEmpty, unknown.isEmpty {
            warnings += settings.services.map(\.service).filter { mesh.servesNobody($0, from: settings.cluster) }.map {
                "\($0.name) has no pod that takes traffic, so that all requests to it fail"
            }
        }
        for warning in warnings { say("warning: \(warning)") }
        for error in errors.flatMap(\.all) { say("error: \(error)") }
        guard errors.isEmpty else { throw ExitCode(78) }  // EX_CONFIG
        for service in settings.services {
            print(mesh.summary(of: service.service, from: settings.cluster, without: unknown.map(\.cluster.name)))
        }
        print(
            "\(configuration.path): good\(warnings.isEmpty ? "" : ", with \(warnings.count) warning\(warnings.count == 1 ? "" : "s")")"
        )
    }

    private func say(_ line: String) { FileHandle.standardError.write(Data("\(line)\n".utf8)) }
}

extension Mesh {
    /// Why clusters would not be reached as they are configured to be.
    fileprivate func problems(of services: [Model.Service]) -> Set<String> {
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

    /// Whether a service has pods, and none of them takes traffic.
    fileprivate func servesNobody(_ service: Model.Service, from client: ClusterName) -> Bool {
        let shares = assign(service, from: client).shares
        return shares.contains { !$0.pods.isEmpty } && shares.allSatisfy { $0.share == 0 }
    }

    /// Who gets how much of a service, in one line.
    ///
    /// - Parameter unknown: the clusters whose pods are not in files.
    fileprivate func summary(
        of service: Model.Service, from client: ClusterName, without unknown: [ClusterName]
    ) -> String {
        let parts = assign(service, from: client).shares.map { share in
            if unknown.contains(share.cluster) { return "\(share.cluster): known when its source is asked" }
            let percent = (share.share * 1_000).rounded() / 10
            let number = percent == percent.rounded() ? "\(Int(percent))" : "\(percent)"
            return unknown.isEmpty
                ? "\(share.cluster) \(number) % (\(share.reason))" : "\(share.cluster): \(share.reason)"
        }
        return "\(service.name), for clients in \(client): \(parts.joined(separator: "; "))"
    }
}

extension Configuration {
    /// That Envoys which take their clusters from Ballast would not get through gateways.
    fileprivate var plaintextWarnings: [String] {
        guard let plain = services.first(where: { $0.service.client.tls == nil })?.service.name,
            let remote = clusters.first(where: { $0.cluster.name != cluster && !$0.gateways.isEmpty })?.cluster
        else { return [] }
        return [
            """
            \(plain) has no `envoy.tls`: an Envoy that takes its clusters from Ballast speaks plaintext to it, and a gateway of \
            \(remote.name) that tells pods by TLS answers such requests itself, mostly with 404
            """
        ]
    }
}
