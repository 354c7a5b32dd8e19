import ArgumentParser
import Overrides

/// A change of a service's shares, weights or balance.
struct WeightChange: ParsableArguments {
    static let discussion = """
        west=20% holds 20 % of the traffic, whatever the pods do; the other mesh clusters share the rest. west/ZONE=20% \
        does the same for a zone. west=x0.5 multiplies the weight of each pod of west; west/POD=x2 that of one pod; \
        zone:west/ZONE=x2 those of a zone.
        """

    @Argument(help: "The service.")
    var service: String

    @Argument(help: ArgumentHelp("Shares such as west=20%, or one multiplier such as west=x0.5.", valueName: "change"))
    var changes: [String] = []

    @Option(
        help: ArgumentHelp("The service's balance, instead of shares: global or local-first.", valueName: "balance"))
    var balance: String?

    @Option(help: ArgumentHelp("Change in steps over this time, such as 10m.", valueName: "time"))
    var over: String?

    @Option(help: "The number of steps of --over and --restore-over; 5 by default.")
    var steps: Int?

    @Option(help: ArgumentHelp("Return in steps over this time at the end; otherwise at once.", valueName: "time"))
    var restoreOver: String?

    @OptionGroup(title: "Abort") var abort: AbortOptions

    func validate() throws {
        guard changes.isEmpty != (balance == nil) else {
            throw ValidationError("say what to change: shares such as west=20%, a multiplier, or --balance")
        }
        guard steps == nil || over != nil || restoreOver != nil else {
            throw ValidationError("--steps is for --over and --restore-over")
        }
        _ = try fill(OverrideSpec(service: service, reason: "what if"))
    }

    /// The spec with this change.
    func fill(_ spec: OverrideSpec) throws -> OverrideSpec {
        var spec = spec
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
        spec.balance = balance
        spec.abort = try abort.conditions
        if let over { spec.ramp = OverrideSpec.Ramp(over: over, steps: steps ?? 5) }
        if let restoreOver { spec.restore = OverrideSpec.Ramp(over: restoreOver, steps: steps ?? 5) }
        return spec
    }
}

extension OverrideSpec.Target {
    /// Parses `west`, `west/POD` or `zone:west/ZONE`.
    init(argument text: String) throws {
        let isZone = text.hasPrefix("zone:")
        let parts = text.dropFirst(isZone ? 5 : 0).split(separator: "/", omittingEmptySubsequences: false).map(
            String.init)
        guard (isZone ? 2...2 : 1...2).contains(parts.count), parts.allSatisfy({ !$0.isEmpty }) else {
            throw ValidationError("\(text): should be a mesh cluster, CLUSTER/POD or zone:CLUSTER/ZONE")
        }
        let part = parts.count == 2 ? parts[1] : nil
        self.init(cluster: parts[0], zone: isZone ? part : nil, pod: isZone ? nil : part)
    }
}
