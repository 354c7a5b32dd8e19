import Model
import AdminAPI
import ArgumentParser
import Overrides

/// `ballast weights export`: the configuration that makes overrides permanent.
struct WeightsExport: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "export",
        abstract: "Prints the fields of the configuration that would make the overrides of a service permanent.")

    @Argument(help: "The service.") var service: String
    @OptionGroup var admin: AdminOptions

    func run() async throws {
        try await reportingFailures {
            let page = try await admin.client.get(OverridesPage.self, .overrides, query: [("service", service)])
            let specs = page.overrides.filter { $0.phase != .ended && $0.phase != .restoring }.map(\.override.spec)
            guard !specs.isEmpty else { throw CommandFailure("\(service) has no override in force", .failed) }
            var shares: [String: Double] = [:]
            var (weights, notes): ([String], [String]) = ([], [])
            // The newest comes first: it counts.
            for spec in specs {
                if let views = spec.views {
                    notes.append(
                        "\(spec.summary) is for clients of \(views.joined(separator: ", ")) only, which has no field")
                } else if let own = spec.shares {
                    for (name, percent) in own where shares[name] == nil {
                        if name.contains("/") {
                            notes.append("the share of zone \(name) has no field")
                        } else {
                            shares[name] = percent
                        }
                    }
                } else if let multiplier = spec.multiplier,
                    multiplier.target == OverrideSpec.Target(cluster: multiplier.target.cluster)
                {
                    weights.append(
                        "\(multiplier.target.cluster): \(multiplier.by)  # times its weight now, if it has one")
                } else if let drain = spec.drain, drain == OverrideSpec.Target(cluster: drain.cluster) {
                    weights.append("\(drain.cluster): 0")
                } else {
                    notes.append("\(spec.summary) has no field in the configuration")
                }
            }
            for note in notes { say("note: \(note)") }
            let balance = specs.filter { $0.views == nil }.compactMap(\.balance).first
            guard !shares.isEmpty || !weights.isEmpty || balance != nil else { return }
            print("services:")
            print("  \(service):")
            if !shares.isEmpty {
                let list = shares.sorted { $0.key < $1.key }.map { "\($0.key): \(decimal($0.value))%" }
                print("    shares: {\(list.joined(separator: ", "))}")
            }
            if !weights.isEmpty { print("    weights:") }
            for weight in weights { print("      \(weight)") }
            if let balance { print("    balance: \(balance)") }
        }
    }
}
