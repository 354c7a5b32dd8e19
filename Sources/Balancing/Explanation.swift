public import Model

/// How the share of a cluster or pod comes about, layer by layer.
public struct Explanation: Hashable, Sendable {
    /// A step of the computation.
    public struct Layer: Hashable, Sendable {
        /// The kinds of layers, lowest first.
        public enum Kind: Int, Hashable, Sendable, CaseIterable {
            /// What the source reports.
            case source = 1
            /// Multipliers of the configuration.
            case configuration
            /// Multipliers of overrides.
            case multipliers
            /// Shares of the configuration or of overrides.
            case shares
            /// Drains.
            case drains
            /// What holds a share back.
            case limits
            /// How clients reach the pods.
            case view
        }

        /// The kind.
        public var kind: Kind
        /// What the layer does, in words.
        public var effect: String
        /// What set it, such as `override k7m2`; nil if that goes without saying.
        public var origin: String?

        init(_ kind: Kind, _ effect: String, origin: String? = nil) {
            self.kind = kind
            self.effect = effect
            self.origin = origin
        }
    }

    /// The cluster.
    public var cluster: ClusterName
    /// The pod; nil for the whole cluster.
    public var pod: String?
    /// The share, 0 to 1.
    public var share: Double
    /// The layers that do something, lowest first.
    public var layers: [Layer]
}

extension Assignment {
    /// How the share of a cluster or of one of its pods comes about; nil if there is no such cluster or pod.
    public func explanation(of name: ClusterName, pod podName: String? = nil) -> Explanation? {
        guard let member = members.first(where: { $0.cluster.name == name }),
            let share = shares.first(where: { $0.cluster == name })
        else { return nil }
        guard let podName else {
            return Explanation(cluster: name, share: share.share, layers: member.layers(tuning))
        }
        guard let entry = member.pods.first(where: { $0.pod.name == podName }),
            let podShare = share.pods.first(where: { $0.name == podName })
        else { return nil }
        return Explanation(
            cluster: name, pod: podName, share: podShare.share, layers: member.layers(tuning, of: entry))
    }
}

extension Member {
    /// The layers of the cluster, or of one of its pods.
    fileprivate func layers(_ tuning: Tuning, of entry: Entry? = nil) -> [Explanation.Layer] {
        var layers = [source(entry)]
        if multiplier != .one || keepsTraffic {
            layers.append(Explanation.Layer(.configuration, "\(cluster.name) x \(multiplier)", origin: "configuration"))
        }
        for factor in tuning.multipliers where selects(factor.target, entry) {
            layers.append(
                Explanation.Layer(
                    .multipliers, "\(factor.target.words) x \(decimal(Double(factor.millionths) / 1e6))",
                    origin: factor.origin))
        }
        layers += shareLayers(tuning)
        for drain in tuning.drains {
            switch drain.subject {
            case .pods(let target) where selects(target, entry):
                layers.append(Explanation.Layer(.drains, "\(target.words) drained", origin: drain.origin))
            case .gateway(cluster.name, let address):
                layers.append(Explanation.Layer(.drains, "gateway \(address) drained", origin: drain.origin))
            case .pods, .gateway: continue
            }
        }
        if let limit { layers.append(Explanation.Layer(.limits, limit)) }
        layers.append(view(entry))
        return layers
    }

    private func source(_ entry: Entry?) -> Explanation.Layer {
        guard let entry else {
            let healthy = pods.count { $0.pod.health == .healthy }
            let weights = Set(pods.map(\.pod.weight.value))
            let range =
                weights.count == 1
                ? "weight \(weights.first ?? 1) each" : "weights \(weights.min() ?? 0) to \(weights.max() ?? 0)"
            return Explanation.Layer(
                .source, pods.isEmpty ? "no pods" : "\(healthy) of \(pods.count) pods healthy, \(range)")
        }
        let zone = entry.pod.zone.map { ", zone \($0)" } ?? ""
        return Explanation.Layer(.source, "weight \(entry.pod.weight.value), \(entry.pod.health.rawValue)\(zone)")
    }

    private func shareLayers(_ tuning: Tuning) -> [Explanation.Layer] {
        let own = tuning.shares.map { layer in
            (
                layer,
                layer.targets.filter { $0.key.cluster == cluster.name }.sorted {
                    ($0.key.zone ?? "") < ($1.key.zone ?? "")
                }
            )
        }.filter { !$0.1.isEmpty }
        let last = own.last?.0
        var layers = own.map { layer, targets in
            let words = targets.map { part, millionths in
                "\(part.zone.map { "zone \($0) " } ?? "")set to \(decimal(Double(millionths) / 1e4)) %"
            }
            let level = layer.level == .whole ? "" : ", at \(decimal(layer.level.value * 100)) % of the way"
            let beneath = layer == last ? "" : "; a later one counts"
            return Explanation.Layer(.shares, words.joined(separator: ", ") + level + beneath, origin: layer.origin)
        }
        if own.isEmpty, let share {
            layers.append(
                Explanation.Layer(
                    .shares, "\(decimal((share.wanted ?? share.share) * 100)) %: what the shares of others leave",
                    origin: tuning.shares.last?.origin))
        }
        return layers
    }

    /// What holds the share back or up, in words; nil if nothing does.
    var limit: String? {
        if keepsTraffic { return "not drained: no other pod of the service is healthy" }
        if let share, let wanted = share.wanted {
            return "\(decimal(wanted * 100)) % held to \(decimal(share.share * 100)) % by the ceiling or `maxShare`"
        }
        if isCapped, let most = cluster.maxShare { return "held to \(most) of the traffic (maxShare)" }
        return nil
    }

    private func view(_ entry: Entry?) -> Explanation.Layer {
        guard let entry else { return Explanation.Layer(.view, "\(route.description), weight \(weight) in all") }
        if let owner = entry.duplicateOf {
            return Explanation.Layer(.view, "the same address as a pod of \(owner): counted there")
        }
        guard route.sendsPods else {
            return Explanation.Layer(
                .view, "behind \(route.parts) endpoints of weight \(weight) in all, \(entry.weight) of them its own")
        }
        if entry.weight == 0 { return Explanation.Layer(.view, "\(route.description), and gets nothing new") }
        return Explanation.Layer(.view, "an endpoint of weight \(entry.weight), \(route.description)")
    }

    /// Whether a target selects the pod, or any pod of the cluster.
    private func selects(_ target: Tuning.Target, _ entry: Entry?) -> Bool {
        guard let entry else { return pods.contains { Tuning.selects(target, $0.pod, of: cluster) } }
        return Tuning.selects(target, entry.pod, of: cluster)
    }
}

extension Tuning.Target {
    /// The target in words, such as `zone a of west`.
    fileprivate var words: String {
        switch self {
        case .cluster(let cluster): "\(cluster)"
        case .zone(let cluster, let zone): "zone \(zone) of \(cluster)"
        case .pod(let cluster, let pod): "\(cluster)/\(pod)"
        }
    }
}
