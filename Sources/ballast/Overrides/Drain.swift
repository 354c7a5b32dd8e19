import ArgumentParser
import Overrides

/// `ballast drain`: stops new requests to pods; their connections stay.
struct Drain: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Stops new requests to a mesh cluster, a zone, a pod or through a gateway; connections stay.")

    enum Kind: String, ExpressibleByArgument, CaseIterable {
        case cluster, zone, gateway, pod
    }

    @Argument(help: "What to drain: cluster, zone, gateway or pod.")
    var kind: Kind

    @Argument(help: "The mesh cluster; CLUSTER/ZONE, CLUSTER/ADDRESS or CLUSTER/POD.")
    var name: String

    @Option(help: "Only of this service; of all services by default.")
    var service = "*"

    @OptionGroup var options: OverrideOptions
    @OptionGroup var admin: AdminOptions

    func validate() throws { _ = try target }

    func run() async throws {
        try await reportingFailures {
            var spec = options.spec(service)
            spec.drain = try target
            try await options.apply(spec, admin)
        }
    }

    private var target: OverrideSpec.Target {
        get throws {
            let named = try OverrideSpec.Target(argument: name)
            switch (kind, named.pod) {
            case (.cluster, nil), (.pod, _?): return named
            case (.zone, let zone?): return OverrideSpec.Target(cluster: named.cluster, zone: zone)
            case (.gateway, let address?): return OverrideSpec.Target(cluster: named.cluster, gateway: address)
            case (.cluster, _?): throw ValidationError("\(name): should be a mesh cluster")
            case (.zone, nil), (.gateway, nil), (.pod, nil):
                throw ValidationError("\(name): should be CLUSTER/\(kind.rawValue.uppercased())")
            }
        }
    }
}
