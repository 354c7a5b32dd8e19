import ArgumentParser
import Overrides

/// `ballast weights set`: changes the shares of clusters, or the weights of pods.
struct WeightsSet: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "set", abstract: "Changes the shares of a service; shows the plan first, and asks.",
        discussion: """
            west=20% holds 20 % of the traffic, whatever the pods do; the other mesh clusters share the rest.
            west=x0.5 multiplies the weight of each pod of west; west/POD=x2 that of one pod.
            """)

    @Argument(help: "The service.")
    var service: String

    @Argument(help: ArgumentHelp("Shares such as west=20%, or one multiplier such as west=x0.5.", valueName: "change"))
    var changes: [String]

    @Option(help: ArgumentHelp("Change in steps over this time, such as 10m.", valueName: "time"))
    var over: String?

    @Option(help: "The number of steps.")
    var steps = 5

    @Option(help: ArgumentHelp("Return in steps over this time at the end; otherwise at once.", valueName: "time"))
    var restoreOver: String?

    @OptionGroup(title: "Abort") var abort: AbortOptions
    @OptionGroup var options: OverrideOptions
    @OptionGroup var admin: AdminOptions

    func validate() throws {
        guard !changes.isEmpty else { throw ValidationError("say what to change, such as: west=20%") }
        _ = try spec
    }

    func run() async throws { try await reportingFailures { try await options.apply(try spec, admin) } }

    private var spec: OverrideSpec {
        get throws {
            var spec = options.spec(service)
            for change in changes {
                let parts = change.split(separator: "=", maxSplits: 1).map(String.init)
                guard parts.count == 2 else {
                    throw ValidationError("\(change): should be such as west=20% or west=x0.5")
                }
                let (name, value) = (parts[0], parts[1])
                if value.wholeMatch(of: /[0-9]{1,3}(\.[0-9]{1,2})?%/) != nil, let percent = Double(value.dropLast()) {
                    guard spec.shares?[name] == nil else { throw ValidationError("\(change): \(name) has two shares") }
                    spec.shares = (spec.shares ?? [:]).merging([name: percent]) { _, last in last }
                } else if value.hasPrefix("x"), spec.multiplier == nil,
                    OverrideSpec.millionths(String(value.dropFirst())) != nil
                {
                    spec.multiplier = OverrideSpec.Multiplier(
                        target: try OverrideSpec.Target(argument: name), by: String(value.dropFirst()))
                } else {
                    throw ValidationError("\(change): should be such as west=20% or, once, west=x0.5 (0.01 to 100)")
                }
            }
            spec.abort = try abort.conditions
            if let over { spec.ramp = OverrideSpec.Ramp(over: over, steps: steps) }
            if let restoreOver { spec.restore = OverrideSpec.Ramp(over: restoreOver, steps: steps) }
            return spec
        }
    }
}

extension OverrideSpec.Target {
    /// Parses `west`, or `west/POD`.
    init(argument text: String) throws {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        guard (1...2).contains(parts.count), parts.allSatisfy({ !$0.isEmpty }) else {
            throw ValidationError("\(text): should be a mesh cluster, or CLUSTER/POD")
        }
        self.init(cluster: parts[0], pod: parts.count == 2 ? parts[1] : nil)
    }
}
