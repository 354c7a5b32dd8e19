import Foundation
import Overrides
import YAMLFile

extension OverrideSettings {
    /// Reads `overrides`.
    ///
    /// - Parameter hasState: whether `state` is set, the directory of the journal.
    init(_ entry: YAMLReader?, hasState: Bool) throws(ConfigurationError) {
        self.init()
        let fields = try entry?.mapping("store", "longest", "ceiling", "rules") ?? [:]
        store = try fields["store"]?.choice(OverrideStoreKind.self) ?? (hasState ? .file : .off)
        if let field = fields["store"], store == .file, !hasState {
            throw field.error("needs `state`, the directory of the journal")
        }
        if let field = fields["longest"] {
            longest = try field.value("should be a time such as 90m, 24h or 7d, at most 366 days") { text in
                TimeSpan(text).flatMap { $0.duration <= OverrideSpec.longest ? $0.duration : nil }
            }
        }
        if let field = fields["ceiling"] {
            ceiling = try field.value("should be a number from 1 to 100") { text in
                Double(text).flatMap { (1...100).contains($0) ? $0 : nil }
            }
        }
        for (name, rule) in try fields["rules"]?.entries() ?? [] { rules.append(try SafetyRule(name, rule)) }
        rules.sort { $0.name < $1.name }
    }
}

extension SafetyRule {
    fileprivate init(_ name: String, _ entry: YAMLReader) throws(ConfigurationError) {
        let fields = try entry.mapping("clusters", "drained", "step", "load", "closed", "zone", "services")
        var demands: [Demand] = []
        if let field = fields["clusters"] {
            let least = try field.mapping("atLeast").required("atLeast", of: field)
            demands.append(.clusters(atLeast: try least.value("should be 1 to 1000", Self.count)))
        }
        if let field = fields["drained"] {
            let most = try field.mapping("atMost").required("atMost", of: field)
            demands.append(.drained(atMost: try most.value("should be 1 to 1000", Self.count)))
        }
        if let field = fields["step"] {
            demands.append(
                .step(
                    try field.value("should be 1 to 100 points") { text in
                        Double(text).flatMap { (1...100).contains($0) ? $0 : nil }
                    }))
        }
        if let field = fields["load"] {
            demands.append(
                .load(
                    try field.value("should be a percentage such as 120%") { text in
                        guard text.hasSuffix("%"), let percent = Double(text.dropLast()), (1...1_000).contains(percent)
                        else { return nil }
                        return percent / 100
                    }))
        }
        if let field = fields["closed"] {
            let zone = try fields["zone"]?.text() ?? "UTC"
            demands.append(
                .closed(
                    try field.value("should be such as Fri 16:00-Mon 07:00, with a `zone` such as Europe/Berlin") {
                        WeeklyWindow($0, zone: zone)
                    }))
        } else if let field = fields["zone"] {
            throw field.error("is the time zone of `closed`, which is missing")
        }
        guard let demand = demands.first, demands.count == 1 else {
            throw entry.error("should have exactly one of: clusters, drained, step, load, closed")
        }
        let services = try fields["services"]?.list().map { entry throws(ConfigurationError) in try entry.text() }
        self.init(name: name, demand: demand, services: services.map(Set.init))
    }

    private static func count(_ text: String) -> Int? { Int(text).flatMap { (1...1_000).contains($0) ? $0 : nil } }
}
