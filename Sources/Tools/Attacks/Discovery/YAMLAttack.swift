import TestBench

/// An endpoints file that is expensive to parse, followed by a valid one.
struct YAMLAttack: Attack {
    enum Kind: String, CaseIterable {
        case aliases = "yaml-aliases"
        case depth = "yaml-depth"
    }

    var kind: Kind

    var name: String { kind.rawValue }
    var summary: String {
        switch kind {
        case .aliases: "an endpoints file whose key is made of aliases of aliases, 40 deep; then a good one"
        case .depth: "an endpoints file of a list in a list, 100,000 deep; then a good one"
        }
    }
    let bar = "a good file is taken within 2 s"

    func play(on stage: AttackStage) async throws -> [Figure] {
        let configuration = VictimConfiguration(services: ["bank"], files: ["branch"])
        let files = ["branch.yaml": Self.good("10.2.0.1")]
        return try await stage.withVictim(in: stage.makeDirectory(name), configuration, files: files) { victim in
            let taken = Shared<Duration?>(nil)
            let stale = Shared<String?>(nil)
            let exposure = try await Exposure.measure(victim) {
                try victim.write(text, to: "branch.yaml")
                try await Task.sleep(for: .seconds(2))
                let reason = await victim.staleReason(of: "branch")
                stale.change { $0 = reason }
                let start = ContinuousClock.now
                try victim.write(Self.good("10.2.0.2"), to: "branch.yaml")
                while ContinuousClock.now - start < .seconds(10), taken.value == nil {
                    let addresses = await HonestClients.addresses(of: "bank", from: victim, within: .seconds(2))
                    if addresses == ["10.2.0.2:80"] { taken.change { $0 = ContinuousClock.now - start } }
                    try await Task.sleep(for: .milliseconds(20))
                }
            }
            return exposure.figures(Exposure.Bars(memory: 300)) + [
                Figure("good file taken after", taken.value.map { $0 / .seconds(1) }, "s", most: 2),
                Figure("stale meanwhile", stale.value == nil ? "no" : "yes"),
            ]
        }
    }

    private static func good(_ address: String) -> String {
        "services: {bank: [{name: b, address: \"\(address):80\"}]}\n"
    }

    private var text: String {
        switch kind {
        case .aliases:
            let lists = (1...40).map { "- &a\($0) [*a\($0 - 1), *a\($0 - 1)]\n" }
            return "lists:\n- &a0 [x, x]\n" + lists.joined() + "? *a40\n: 1\n"
        case .depth:
            let depth = 100_000
            return "services: " + String(repeating: "[", count: depth) + String(repeating: "]", count: depth) + "\n"
        }
    }
}
