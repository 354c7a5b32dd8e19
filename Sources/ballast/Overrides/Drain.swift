import ArgumentParser
import Overrides

/// `ballast drain`: stops new requests to pods; their connections stay.
struct Drain: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Stops new requests to a mesh cluster, a zone, a pod or through a gateway; connections stay.")

    @OptionGroup var change: DrainChange
    @OptionGroup var options: OverrideOptions
    @OptionGroup var admin: AdminOptions

    func run() async throws {
        try await reportingFailures {
            try await options.apply(try change.fill(try options.spec(change.service)), admin)
        }
    }
}

/// What to drain.
struct DrainChange: ParsableArguments {
    enum Kind: String, ExpressibleByArgument, CaseIterable {
        case cluster, zone, gateway, pod
    }

    @Argument(help: "What to drain: cluster, zone, gateway or pod.")
    var kind: Kind

    @Argument(help: "The mesh cluster; CLUSTER/ZONE, CLUSTER/ADDRESS or CLUSTER/POD.")
    var name: String

    @Option(help: "Only of this service; of all services by default.")
    var service = "*"

    @OptionGroup(title: "Abort") var abort: AbortOptions

    func validate() throws { _ = try target }

    /// The spec with this change.
    func fill(_ spec: OverrideSpec) throws -> OverrideSpec {
        var spec = spec
        spec.drain = try target
        spec.abort = try abort.conditions
        return spec
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
