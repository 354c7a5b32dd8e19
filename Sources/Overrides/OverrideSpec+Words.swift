import Model

extension OverrideSpec {
    /// The action in words, such as `west 20 %` or `drain zone a of west`.
    public var summary: String {
        if let shares {
            return shares.sorted { $0.key < $1.key }.map { "\($0.key) \(decimal($0.value)) %" }
                .joined(separator: ", ")
        }
        if let multiplier { return "\(multiplier.target.words) x\(multiplier.by)" }
        if let drain { return "drain \(drain.words)" }
        return balance.map { "balance \($0)" } ?? ""
    }
}

extension OverrideSpec.Target {
    /// The target in words, such as `zone a of west`.
    public var words: String {
        if let zone { return "zone \(zone) of \(cluster)" }
        if let pod { return "\(cluster)/\(pod)" }
        if let gateway { return "gateway \(gateway) of \(cluster)" }
        return cluster
    }
}
